/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "out.h"

#include <string.h>

static const struct out_label labels[] = {{"id", N_("Id")},         {"version", N_("Version")},
                                          {"name", N_("Name")},     {"credit_code", N_("Credit code")},
                                          {"region", N_("Region")}, {"industry", N_("Industry")},
                                          {"class", N_("Class")},   {NULL, NULL}};

static const struct out_style style = {.desc = &qipan__enterprise__descriptor,
                                       .table = "name,credit_code,region,industry,class",
                                       .wide = "id,version,name,credit_code,region,industry,class",
                                       .name = "id",
                                       .labels = labels};

static int enterprise_list(struct cli *cli, int argc, char **argv)
{
    static const struct cli_option options[] = {{0}};
    Qipan__EnterpriseListRequest request = QIPAN__ENTERPRISE_LIST_REQUEST__INIT;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 1)
        return cli_usage(cli, _("too many words: \"%s\""), argv[2]);
    request.search = n == 1 ? argv[1] : NULL;
    return out_pages(cli, &style, OP_enterprise_list, &request.base);
}

static int enterprise_add(struct cli *cli, int argc, char **argv)
{
    const char *reason = NULL;
    const struct cli_option options[] = {{"--reason", &reason, NULL}, {0}};
    Qipan__EnterpriseAddRequest request = QIPAN__ENTERPRISE_ADD_REQUEST__INIT;
    Qipan__Enterprise set = QIPAN__ENTERPRISE__INIT;
    struct qipan_call_options call = {.request = cli->request};
    const Qipan__EnterpriseReply *reply;
    struct qipan_result r;
    struct cli_values values = {.set = &set.base};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n < 1)
        return cli_usage(cli, "%s", _("enterprise add needs FIELD=VALUE words, at least name=…"));
    for (int i = 1; i <= n && !code; i++)
        code = cli_take_value(cli, &values, argv[i]);
    request.set = &set;
    request.reason = (char *)reason;
    if (code || (code = cli_call(cli, OP_enterprise_add, &request.base, &call, &r)))
        return code;
    reply = (const Qipan__EnterpriseReply *)r.message;
    if (reply->enterprise)
        code = out_object(cli, &style, &reply->enterprise->base, reply->has_rev ? reply->rev : 0, r.request);
    qipan_result_free(&r);
    return code;
}

int cmd_enterprise(struct cli *cli, int argc, char **argv)
{
    static const char *const words[] = {"list", "add", NULL};
    int i, code = cli_subcommand(cli, argc, argv, words, &i);

    if (code)
        return code;
    return i == 0 ? enterprise_list(cli, argc - 1, argv + 1) : enterprise_add(cli, argc - 1, argv + 1);
}
