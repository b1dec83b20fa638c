/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "out.h"

static const struct out_label labels[] = {
    {"account", N_("Account")},
    {"person", N_("Person")},
    {"office", N_("Office code")},
    {"office_name", N_("Office")},
    {"role", N_("Role")},
    {"rights", N_("May")},
    {"identity", N_("Certificate")},
    {"now_at", N_("Registry's clock")},
    {NULL, NULL},
};

static const struct out_style style = {.desc = &qipan__whoami_reply__descriptor,
                                       .table = "",
                                       .wide = "",
                                       .name = "account",
                                       .labels = labels,
                                       .kind = "whoami"};

int cmd_whoami(struct cli *cli, int argc, char **argv)
{
    static const struct cli_option options[] = {{0}};
    Qipan__WhoamiRequest request = QIPAN__WHOAMI_REQUEST__INIT;
    struct qipan_result r;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 0)
        return cli_usage(cli, _("too many words: \"%s\""), argv[1]);
    if ((code = cli_call(cli, OP_whoami, &request.base, NULL, &r)))
        return code;
    code = out_object(cli, &style, r.message, 0, NULL);
    qipan_result_free(&r);
    return code;
}
