/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "limits.h"
#include "out.h"

#include <stdlib.h>
#include <string.h>

static const struct out_label labels[] = {
    {"id", N_("Id")},      {"version", N_("Version")}, {"project", N_("Project")},
    {"no", N_("Number")},  {"office", N_("Office")},   {"text", N_("Text")},
    {"due_at", N_("Due")}, {"state", N_("State")},     {NULL, NULL}};

static const struct out_style style = {.desc = &qipan__due__descriptor,
                                       .table = "id,no,office,due_at,state,text",
                                       .wide = "id,version,project,no,office,due_at,state,text",
                                       .name = "id",
                                       .labels = labels};

struct change {
    const char *base, *reason;
    bool force;
    int n; /* words */
};

static int take_options(struct cli *cli, int argc, char **argv, struct change *c)
{
    const struct cli_option options[] = {
        {"--base", &c->base, NULL}, {"--reason", &c->reason, NULL}, {"--force", NULL, &c->force}, {0}};

    return cli_options(cli, argc, argv, options, &c->n);
}

static int send_change(struct cli *cli, unsigned op, const ProtobufCMessage *request, const struct change *c)
{
    struct qipan_call_options call = {.request = cli->request};
    const Qipan__DueReply *reply;
    struct qipan_result r;
    char *end = NULL;
    int code;

    if (c->base)
        call.base = strtoll(c->base, &end, 10);
    if (c->base && (*end || call.base < 1))
        return cli_usage(cli, _("not a version: \"%s\""), c->base);
    if ((code = cli_call(cli, op, request, &call, &r)))
        return code;
    reply = (const Qipan__DueReply *)r.message;
    if (reply->due)
        code = out_object(cli, &style, &reply->due->base, reply->has_rev ? reply->rev : 0, r.request);
    qipan_result_free(&r);
    return code;
}

static int due_set(struct cli *cli, int argc, char **argv)
{
    Qipan__DueSetRequest request = QIPAN__DUE_SET_REQUEST__INIT;
    Qipan__Due set = QIPAN__DUE__INIT;
    bool *seen = arena_zalloc(&cli->arena, set.base.descriptor->n_fields * sizeof *seen);
    struct change c = {0};
    int i = 1, code = take_options(cli, argc, argv, &c);

    if (code)
        return code;
    if (c.n > 0 && !strchr(argv[1], '='))
        request.id = argv[i++];
    if (i > c.n)
        return cli_usage(
            cli, "%s",
            _("due set needs FIELD=VALUE words, for a new one at least project=…, text=… and due_at=…"));
    for (; i <= c.n && !code; i++)
        code = cli_take_value(cli, &set.base, seen, argv[i]);
    request.set = &set;
    request.reason = (char *)c.reason;
    request.has_force = request.force = c.force;
    return code ? code : send_change(cli, OP_due_set, &request.base, &c);
}

static int due_clear(struct cli *cli, int argc, char **argv)
{
    Qipan__DueClearRequest request = QIPAN__DUE_CLEAR_REQUEST__INIT;
    struct change c = {0};
    int code = take_options(cli, argc, argv, &c);

    if (code)
        return code;
    if (c.n != 1)
        return cli_usage(cli, "%s", _("due clear needs one id"));
    request.id = argv[1];
    request.reason = (char *)c.reason;
    request.has_force = request.force = c.force;
    return send_change(cli, OP_due_clear, &request.base, &c);
}

static int due_list(struct cli *cli, int argc, char **argv)
{
    Qipan__DueListRequest request = QIPAN__DUE_LIST_REQUEST__INIT;
    const char *office = NULL, *state = NULL;
    const struct cli_option options[] = {{"--office", &office, NULL}, {"--state", &state, NULL}, {0}};
    struct out o;
    bool more = true;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 1)
        return cli_usage(cli, _("too many words: \"%s\""), argv[2]);
    if ((code = out_open(&o, cli, &style)))
        return code;
    request.object = n == 1 ? argv[1] : NULL;
    request.office = (char *)office;
    request.state = (char *)state;
    request.has_limit = true;
    request.limit = LIMIT_PAGE_ROWS;
    while (more) {
        const Qipan__DueListReply *page;
        struct qipan_result r;

        if ((code = cli_call(cli, OP_due_list, &request.base, NULL, &r)))
            return code;
        page = (const Qipan__DueListReply *)r.message;
        for (size_t i = 0; i < page->n_rows; i++)
            out_row(&o, &page->rows[i]->base);
        more = page->next != NULL;
        request.after = more ? arena_strdup(&cli->arena, page->next) : NULL;
        qipan_result_free(&r);
    }
    return out_close(&o);
}

int cmd_due(struct cli *cli, int argc, char **argv)
{
    static const char *const words[] = {"set", "clear", "list", NULL};
    static int (*const commands[])(struct cli *, int, char **) = {due_set, due_clear, due_list};
    int i, code = cli_subcommand(cli, argc, argv, words, &i);

    return code ? code : commands[i](cli, argc - 1, argv + 1);
}
