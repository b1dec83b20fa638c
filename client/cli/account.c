/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "labels.h"
#include "out.h"

#include <string.h>

static const struct out_label account_labels[] = {{"code", N_("Account")},
                                                  {"version", N_("Version")},
                                                  {"name", N_("Name")},
                                                  {"office", N_("Office")},
                                                  {"holder", N_("Holder")},
                                                  {"enabled", N_("Enabled")},
                                                  {"roles", N_("Roles")},
                                                  {"rights", N_("Rights")},
                                                  {"identities", N_("Certificates")},
                                                  {NULL, NULL}};

static const struct out_style accounts = {
    .desc = &qipan__account__descriptor,
    .table = "code,name,office,enabled,roles",
    .wide = "code,version,name,office,holder,enabled,roles,rights,identities",
    .name = "code",
    .labels = account_labels,
    .kind = "account"};

static const struct out_label role_labels[] = {{"id", N_("Id")},
                                               {"account", N_("Account")},
                                               {"role", N_("Role")},
                                               {"office", N_("Office")},
                                               {"from_on", N_("From")},
                                               {"until_on", N_("Until")},
                                               {"deputy_of", N_("Deputy of")},
                                               {"granted_by", N_("Granted by")},
                                               {"granted_at", N_("Granted at")},
                                               {"ended_at", N_("Ended at")},
                                               {NULL, NULL}};

static const struct out_style roles = {
    .desc = &qipan__role__descriptor,
    .table = "id,account,role,office,from_on,until_on,deputy_of",
    .wide = "id,account,role,office,from_on,until_on,deputy_of,granted_by,granted_at,ended_at",
    .name = "id",
    .labels = role_labels,
    .kind = "role"};

/* ---------------------------------------------------------------- changes */

static int send_account(struct cli *cli, unsigned op, const ProtobufCMessage *request)
{
    struct qipan_call_options call = {.request = cli->request};
    const Qipan__AccountReply *reply;
    struct qipan_result r;
    int code = cli_call(cli, op, request, &call, &r);

    if (code)
        return code;
    reply = (const Qipan__AccountReply *)r.message;
    if (reply->account)
        code = out_object(cli, &accounts, &reply->account->base, reply->has_rev ? reply->rev : 0, r.request);
    qipan_result_free(&r);
    return code;
}

static int send_role(struct cli *cli, unsigned op, const ProtobufCMessage *request)
{
    struct qipan_call_options call = {.request = cli->request};
    const Qipan__RoleReply *reply;
    struct qipan_result r;
    int code = cli_call(cli, op, request, &call, &r);

    if (code)
        return code;
    reply = (const Qipan__RoleReply *)r.message;
    if (reply->role)
        code = out_object(cli, &roles, &reply->role->base, reply->has_rev ? reply->rev : 0, r.request);
    qipan_result_free(&r);
    return code;
}

/* The words behind the account's code, FIELD=VALUE, into a request that has fields of these names. */
static int take_words(struct cli *cli, ProtobufCMessage *request, char **argv, int n)
{
    struct cli_values values = {.set = request};
    int code = 0;

    for (int i = 2; i <= n && !code; i++)
        code = cli_take_value(cli, &values, argv[i]);
    return code;
}

static int account_add(struct cli *cli, int argc, char **argv)
{
    Qipan__AccountAddRequest request = QIPAN__ACCOUNT_ADD_REQUEST__INIT;
    const char *reason = NULL;
    const struct cli_option options[] = {{"--reason", &reason, NULL}, {0}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n < 1 || strchr(argv[1], '='))
        return cli_usage(cli, "%s", _("account add needs a code, name=… and office=…"));
    if ((code = take_words(cli, &request.base, argv, n)))
        return code;
    request.code = argv[1];
    request.reason = (char *)reason;
    return send_account(cli, OP_account_add, &request.base);
}

static int account_edit(struct cli *cli, int argc, char **argv)
{
    Qipan__AccountEditRequest request = QIPAN__ACCOUNT_EDIT_REQUEST__INIT;
    const char *reason = NULL;
    const struct cli_option options[] = {{"--reason", &reason, NULL}, {0}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n < 2 || strchr(argv[1], '='))
        return cli_usage(cli, "%s", _("account edit needs an account and name=…, office=… or enabled=…"));
    if ((code = take_words(cli, &request.base, argv, n)))
        return code;
    request.account = argv[1];
    request.reason = (char *)reason;
    return send_account(cli, OP_account_edit, &request.base);
}

static int account_grant(struct cli *cli, int argc, char **argv)
{
    Qipan__RoleGrantRequest request = QIPAN__ROLE_GRANT_REQUEST__INIT;
    const char *office = NULL, *from = NULL, *until = NULL, *deputy_of = NULL, *reason = NULL;
    const struct cli_option options[] = {{"--office", &office, NULL}, {"--from", &from, NULL},
                                         {"--until", &until, NULL},   {"--deputy-of", &deputy_of, NULL},
                                         {"--reason", &reason, NULL}, {0}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n != 2)
        return cli_usage(cli, "%s", _("account grant needs an account and a role"));
    request = (Qipan__RoleGrantRequest){.base = request.base,
                                        .account = argv[1],
                                        .role = argv[2],
                                        .office = (char *)office,
                                        .from_on = (char *)from,
                                        .until_on = (char *)until,
                                        .deputy_of = (char *)deputy_of,
                                        .reason = (char *)reason};
    return send_role(cli, OP_role_grant, &request.base);
}

static int account_end(struct cli *cli, int argc, char **argv)
{
    Qipan__RoleEndRequest request = QIPAN__ROLE_END_REQUEST__INIT;
    const char *reason = NULL;
    const struct cli_option options[] = {{"--reason", &reason, NULL}, {0}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n != 1)
        return cli_usage(cli, "%s", _("account end needs the id of a role"));
    request.id = argv[1];
    request.reason = (char *)reason;
    return send_role(cli, OP_role_end, &request.base);
}

/* ---------------------------------------------------------------- lists */

static int account_list(struct cli *cli, int argc, char **argv)
{
    static const struct cli_option options[] = {{0}};
    Qipan__AccountListRequest request = QIPAN__ACCOUNT_LIST_REQUEST__INIT;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 1)
        return cli_usage(cli, _("too many words: \"%s\""), argv[2]);
    request.search = n == 1 ? argv[1] : NULL;
    return out_pages(cli, &accounts, OP_account_list, &request.base);
}

static int account_roles(struct cli *cli, int argc, char **argv)
{
    Qipan__RoleListRequest request = QIPAN__ROLE_LIST_REQUEST__INIT;
    bool ended = false;
    const struct cli_option options[] = {{"--ended", NULL, &ended}, {0}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 1)
        return cli_usage(cli, _("too many words: \"%s\""), argv[2]);
    request.account = n == 1 ? argv[1] : NULL;
    request.has_ended = request.ended = ended;
    return out_pages(cli, &roles, OP_role_list, &request.base);
}

int cmd_account(struct cli *cli, int argc, char **argv)
{
    static const char *const words[] = {"list", "add", "edit", "roles", "grant", "end", NULL};
    static int (*const commands[])(struct cli *, int, char **) = {account_list,  account_add,   account_edit,
                                                                  account_roles, account_grant, account_end};
    int i, code = cli_subcommand(cli, argc, argv, words, &i);

    return code ? code : commands[i](cli, argc - 1, argv + 1);
}
