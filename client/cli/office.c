/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "out.h"

static const struct out_label labels[] = {{"code", N_("Code")},           {"name", N_("Name")},
                                          {"kind", N_("Kind")},           {"projects", N_("Projects")},
                                          {"grp", N_("Group")},           {"until_on", N_("Until")},
                                          {"successor", N_("Successor")}, {NULL, NULL}};

static const struct out_style style = {.desc = &qipan__office__descriptor,
                                       .table = "code,name,kind,projects,until_on",
                                       .wide = "code,name,kind,grp,projects,until_on,successor",
                                       .name = "code",
                                       .labels = labels,
                                       .kind = "office"};

static int office_list(struct cli *cli, int argc, char **argv)
{
    static const struct cli_option options[] = {{0}};
    Qipan__OfficeListRequest request = QIPAN__OFFICE_LIST_REQUEST__INIT;
    const Qipan__OfficeListReply *reply;
    struct qipan_result r;
    struct out o;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 0)
        return cli_usage(cli, _("too many words: \"%s\""), argv[1]);
    if ((code = out_open(&o, cli, &style)) || (code = cli_call(cli, OP_office_list, &request.base, NULL, &r)))
        return code;
    reply = (const Qipan__OfficeListReply *)r.message;
    for (size_t i = 0; i < reply->n_rows; i++)
        out_row(&o, &reply->rows[i]->base);
    qipan_result_free(&r);
    return out_close(&o);
}

int cmd_office(struct cli *cli, int argc, char **argv)
{
    static const char *const words[] = {"list", NULL};
    int i, code = cli_subcommand(cli, argc, argv, words, &i);

    return code ? code : office_list(cli, argc - 1, argv + 1);
}
