/* SPDX-License-Identifier: Apache-2.0 */
/* qipan import: a file of rows becomes a batch in the registry; the registry judges it, and on --commit writes it. */
#include "import_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUEST_MAX (LIMIT_REQUEST_ID - 8) /* what we add to an id: .judge, .p00001 */

static int choose_request(struct import *im)
{
    unsigned char random[12];

    if (im->cli->request && strlen(im->cli->request) > REQUEST_MAX)
        return cli_usage(im->cli, _("the request id of an import has at most %d characters"), REQUEST_MAX);
    if (im->cli->request) {
        snprintf(im->base, sizeof(im->base), "%s", im->cli->request);
        return 0;
    }
    if (getentropy(random, sizeof(random)) != 0)
        return cli_fail(im->cli, "INTERNAL", NULL, NULL, "%s", strerror(errno));
    strcpy(im->base, "import-");
    for (size_t i = 0; i < sizeof(random); i++)
        sprintf(im->base + strlen(im->base), "%02x", random[i]);
    return 0;
}

/* The commit judges by itself. Only when it refuses are its counts asked for. */
static int judge_or_commit(struct import *im, bool *ret_written)
{
    int code;

    *ret_written = false;
    if (!im->commit)
        return import_judge(im);
    code = import_commit(im);
    *ret_written = code == 0;
    return code == IMPORT_REFUSED ? import_counts(im) : code;
}

static int run(struct import *im)
{
    int code = import_prepare(im);
    bool written;

    if (!code)
        code = choose_request(im);
    if (!code && im->report)
        code = import_open_report(im);
    if (!code)
        code = cli_connect(im->cli);
    if (!code)
        code = import_open(im);
    if (!code)
        code = import_put(im);
    if (!code)
        code = judge_or_commit(im, &written);
    if (!code && written)
        import_remember(im);
    if (code && cli_signal)
        import_interrupted(im);
    return code ? code : import_show(im, written);
}

int cmd_import(struct cli *cli, int argc, char **argv)
{
    struct import im = {.cli = cli, .counts = QIPAN__IMPORT_REPLY__INIT};
    bool without;
    const struct cli_option options[] = {
        {"--commit", NULL, &im.commit},
        {"--keep-going", NULL, &im.keep_going},
        {"--exit-code", NULL, &im.exit_code},
        {"--map", &im.map, NULL},
        {"--profile", &im.profile, NULL},
        {"--encoding", &im.encoding, NULL},
        {"--report", &im.report, NULL},
        {"--sheet", &im.sheet_name, NULL},
        {"--kind", &im.kind, NULL},
        {"--without", &im.without, &without},
        {"--opening", NULL, &im.opening},
        {"--reason", &im.reason, NULL},
        {NULL, NULL, NULL},
    };
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n != 1)
        return cli_usage(cli, _("qipan import FILE [--commit] [--map FILE]"));
    if (im.map && im.profile)
        return cli_usage(cli, _("--map and --profile exclude each other"));
    if (im.without && (im.map || im.profile))
        return cli_usage(cli, _("what a mapping doesn't name is left out: --without goes without one"));
    im.file = argv[1];
    im.rejects = json_array();
    code = run(&im);
    whole_file_drop(&im.report_file);
    json_decref(im.rejects);
    sheet_close(im.sheet);
    mapping_free(im.mapping);
    free(im.map_text);
    if (im.in)
        fclose(im.in);
    return code;
}
