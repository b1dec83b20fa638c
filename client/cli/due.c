/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "labels.h"
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

/* "+3d": counted by the registry's clock, to the minute. */
static int from_now(struct cli *cli, const char *text, const char **ret)
{
    static const char units[] = "mhdw";
    static const int minutes[] = {1, 60, 24 * 60, 7 * 24 * 60};
    Qipan__WhoamiRequest request = QIPAN__WHOAMI_REQUEST__INIT;
    Qipan__Due due = QIPAN__DUE__INIT;
    struct qipan_result r;
    char *end;
    long n = strtol(text + 1, &end, 10);
    const char *unit = end > text + 1 && *end && !end[1] ? strchr(units, *end) : NULL;
    int code;

    if (!unit || n < 1 || n > 100000)
        return cli_fail(cli, "INVALID_ARGUMENT", "due_at", _("for example +3d; m, h, d and w are known"),
                        _("\"%s\" is not a point in time"), text);
    if ((code = cli_call(cli, OP_whoami, &request.base, NULL, &r)))
        return code;
    due.has_due_at = true;
    due.due_at = ((const Qipan__WhoamiReply *)r.message)->now_at / 60000000 * 60000000 +
                 (int64_t)n * minutes[unit - units] * 60000000;
    qipan_result_free(&r);
    *ret =
        value_text(&due.base, protobuf_c_message_descriptor_get_field_by_name(due.base.descriptor, "due_at"),
                   &cli->arena);
    return 0;
}

/* FIELD=VALUE; "at" is short for due_at, offices may be called by their names. */
static int take_word(struct cli *cli, struct cli_values *values, const char *word)
{
    const char *equal = strchr(word, '='), *value = equal ? equal + 1 : "";
    size_t n = equal ? (size_t)(equal - word) : 0;
    bool at = (n == 2 && strncmp(word, "at", n) == 0) || (n == 6 && strncmp(word, "due_at", n) == 0);
    bool office = n == 6 && strncmp(word, "office", n) == 0;
    char *whole;
    int code = 0;

    if (at && *value == '+')
        code = from_now(cli, value, &value);
    else if (office)
        code = labels_resolve(cli, "office", value, &value);
    if (code || !(at || office))
        return code ? code : cli_take_value(cli, values, word);
    whole = arena_alloc(&cli->arena, strlen(value) + 8);
    if (!whole)
        return cli_no_memory(cli);
    sprintf(whole, "%s=%s", at ? "due_at" : "office", value);
    return cli_take_value(cli, values, whole);
}

/* A word that is a project means a new deadline of it, any other one is the deadline's own id. */
static int take_object(struct cli *cli, char *word, Qipan__DueSetRequest *request, bool *ret_new)
{
    Qipan__ProjectShowRequest show = QIPAN__PROJECT_SHOW_REQUEST__INIT;
    struct qipan_result r;
    int code = cli_connect(cli);

    if (code)
        return code;
    show.id = word;
    *ret_new = qipan_call_wait(cli->q, OP_project_show, &show.base, NULL, &r) == QIPAN_DONE;
    if (!*ret_new && !(r.error && r.error->code && strcmp(r.error->code, "NOT_FOUND") == 0))
        code = r.error ? cli_error(cli, r.error, NULL) : 128 + (int)cli_signal;
    qipan_result_free(&r);
    if (!*ret_new)
        request->id = word;
    return code;
}

static int due_set(struct cli *cli, int argc, char **argv)
{
    Qipan__DueSetRequest request = QIPAN__DUE_SET_REQUEST__INIT;
    Qipan__Due set = QIPAN__DUE__INIT;
    struct cli_values values = {.set = &set.base};
    bool fresh = false;
    struct change c = {0};
    int i, code = take_options(cli, argc, argv, &c);
    bool named = c.n > 0 && !strchr(argv[1], '=');

    if (code)
        return code;
    if (c.n < 1 + named)
        return cli_usage(
            cli, "%s",
            _("due set needs a project and at=… text=…, or a deadline's id and FIELD=VALUE words"));
    if (c.force && !c.reason)
        return cli_usage(cli, _("--force needs --reason"));
    for (i = 1 + named; i <= c.n && !code; i++)
        code = take_word(cli, &values, argv[i]);
    if (!code && named)
        code = take_object(cli, argv[1], &request, &fresh);
    if (!code && fresh && set.project)
        return cli_fail(cli, "INVALID_ARGUMENT", "project", NULL, _("%s is given twice"), "project");
    if (fresh)
        set.project = argv[1];
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
    if (c.force && !c.reason)
        return cli_usage(cli, _("--force needs --reason"));
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
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 1)
        return cli_usage(cli, _("too many words: \"%s\""), argv[2]);
    if ((office && (code = labels_resolve(cli, "office", office, &office))))
        return code;
    request.object = n == 1 ? argv[1] : NULL;
    request.office = (char *)office;
    request.state = (char *)state;
    return out_pages(cli, &style, OP_due_list, &request.base);
}

int cmd_due(struct cli *cli, int argc, char **argv)
{
    static const char *const words[] = {"set", "clear", "list", NULL};
    static int (*const commands[])(struct cli *, int, char **) = {due_set, due_clear, due_list};
    int i, code = cli_subcommand(cli, argc, argv, words, &i);

    return code ? code : commands[i](cli, argc - 1, argv + 1);
}
