/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "out.h"

static const struct out_label labels[] = {
    {"no", N_("Number")},       {"done_at", N_("When")},    {"actor", N_("Who")},
    {"office", N_("Office")},   {"op", N_("Operation")},    {"status", N_("Outcome")},
    {"object", N_("Object")},   {"rev", N_("Revision")},    {"version", N_("Version")},
    {"request", N_("Request")}, {"reason", N_("Reason")},   {"peer", N_("Address")},
    {"detail", N_("Details")},  {"closing", N_("Closing")}, {NULL, NULL}};

static const struct out_style style = {
    .desc = &qipan__audit_row__descriptor,
    .table = "done_at,actor,office,op,status,object,rev,detail",
    .wide = "no,done_at,actor,office,op,status,object,rev,version,request,reason,peer,detail,closing",
    .name = "no",
    .labels = labels,
    .kind = "audit"};

static int take_instant(struct cli *cli, Qipan__AuditListRequest *request, const char *field,
                        const char *option, const char *text)
{
    struct value_error e;

    if (text && !value_set(&request->base,
                           protobuf_c_message_descriptor_get_field_by_name(request->base.descriptor, field),
                           text, NULL, &cli->arena, &e))
        return cli_invalid(cli, option, &e);
    return 0;
}

static int audit_list(struct cli *cli, int argc, char **argv)
{
    Qipan__AuditListRequest request = QIPAN__AUDIT_LIST_REQUEST__INIT;
    const char *person = NULL, *project = NULL, *office = NULL, *since = NULL, *until = NULL;
    const struct cli_option options[] = {{"--person", &person, NULL}, {"--project", &project, NULL},
                                         {"--office", &office, NULL}, {"--since", &since, NULL},
                                         {"--until", &until, NULL},   {0}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 0)
        return cli_usage(cli, _("too many words: \"%s\""), argv[1]);
    if ((code = take_instant(cli, &request, "since_at", "since", since)) ||
        (code = take_instant(cli, &request, "until_at", "until", until)))
        return code;
    request.person = (char *)person;
    request.project = (char *)project;
    request.office = (char *)office;
    return out_pages(cli, &style, OP_audit_list, &request.base);
}

int cmd_audit(struct cli *cli, int argc, char **argv)
{
    static const char *const words[] = {"list", NULL};
    int i, code = cli_subcommand(cli, argc, argv, words, &i);

    return code ? code : audit_list(cli, argc - 1, argv + 1);
}
