/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "out.h"

static const struct out_label labels[] = {{"op", N_("Operation")},
                                          {"status", N_("Outcome")},
                                          {"object", N_("Object")},
                                          {"version", N_("Version")},
                                          {"rev", N_("Revision")},
                                          {"done_at", N_("Done")},
                                          {NULL, NULL}};

static const struct out_style style = {.desc = &qipan__receipt_show_reply__descriptor,
                                       .table = "",
                                       .wide = "",
                                       .name = "object",
                                       .labels = labels};

static int receipt_show(struct cli *cli, int argc, char **argv)
{
    static const struct cli_option options[] = {{0}};
    Qipan__ReceiptShowRequest request = QIPAN__RECEIPT_SHOW_REQUEST__INIT;
    struct qipan_result r;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n != 1)
        return cli_usage(cli, "%s", _("receipt show needs one request id"));
    request.id = argv[1];
    if ((code = cli_call(cli, OP_receipt_show, &request.base, NULL, &r)))
        return code;
    code = out_object(cli, &style, r.message, 0, NULL);
    qipan_result_free(&r);
    return code;
}

int cmd_receipt(struct cli *cli, int argc, char **argv)
{
    static const char *const words[] = {"show", NULL};
    int i, code = cli_subcommand(cli, argc, argv, words, &i);

    return code ? code : receipt_show(cli, argc - 1, argv + 1);
}
