/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "evidence.h"
#include "filter.h"
#include "json.h"
#include "labels.h"
#include "limits.h"
#include "out.h"
#include "page.h"
#include "story.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------- list */

static const struct out_style *const style = &out_project;

static int sort_field(struct cli *cli, const char *sort, char **ret)
{
    const char *name = sort + (*sort == '-');
    const ProtobufCFieldDescriptor *f = value_field(&qipan__project__descriptor, name);
    const char *near;
    char text[100];

    if (f) {
        snprintf(text, sizeof text, "%s%s", *sort == '-' ? "-" : "", f->name);
        *ret = arena_strdup(&cli->arena, text);
        return *ret ? 0 : cli_no_memory(cli);
    }
    near = value_nearest_field(&qipan__project__descriptor, name, false);
    snprintf(text, sizeof text, near ? _("did you mean \"%s\"?") : "%s", near ? near : "");
    return cli_fail(cli, "INVALID_ARGUMENT", "sort", text, _("unknown field \"%s\""), name);
}

static int parse_filter(struct cli *cli, const char *text, Qipan__ProjectListRequest *request)
{
    struct filter filter;
    struct value_error error;

    if (!filter_parse(text, FILTER_LIST, &cli->arena, &filter, &error))
        return cli_invalid(cli, "filter", &error);
    request->terms = filter.terms;
    request->n_terms = filter.n_terms;
    return labels_resolve_terms(cli, filter.terms, filter.n_terms);
}

static int take_limit(struct cli *cli, const char *text, long *ret)
{
    char *end;

    *ret = 0;
    if (!text)
        return 0;
    *ret = strtol(text, &end, 10);
    if (*ret < 1 || *end)
        return cli_usage(cli, _("-n needs a number from 1, not \"%s\""), text);
    return 0;
}

/* Pages until the end or `most` rows (0 = all). */
static int list_pages(struct cli *cli, Qipan__ProjectListRequest *request, long most, struct out *o,
                      long *ret_total)
{
    int code = 0;
    bool more = true;

    for (long left = most; !code && more && (!most || left > 0);) {
        struct qipan_result r;
        const Qipan__ProjectListReply *page;

        request->has_limit = true;
        request->limit = most && left < LIMIT_PAGE_ROWS ? (int32_t)left : LIMIT_PAGE_ROWS;
        code = cli_call(cli, OP_project_list, &request->base, NULL, &r);
        if (code)
            return code;
        page = (const Qipan__ProjectListReply *)r.message;
        if (page->has_total)
            *ret_total = (long)page->total;
        for (size_t i = 0; i < page->n_rows && !code; i++)
            code = out_row(o, &page->rows[i]->base);
        left -= (long)page->n_rows;
        more = page->next != NULL && page->n_rows > 0;
        request->after = page->next ? arena_strdup(&cli->arena, page->next) : NULL;
        if (more && !code && !request->after)
            code = cli_no_memory(cli);
        qipan_result_free(&r);
    }
    return code;
}

static int project_list(struct cli *cli, int argc, char **argv)
{
    Qipan__ProjectListRequest request = QIPAN__PROJECT_LIST_REQUEST__INIT;
    const char *filter = NULL, *sort = NULL, *search = NULL, *limit = NULL;
    const struct cli_option options[] = {{"--filter", &filter, NULL},
                                         {"--sort", &sort, NULL},
                                         {"--search", &search, NULL},
                                         {"-n", &limit, NULL},
                                         {0}};
    struct out o;
    long most, total = -1;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 1)
        return cli_usage(cli, _("too many words: \"%s\""), argv[2]);
    request.search = (char *)(n == 1 ? argv[1] : search);
    if ((code = take_limit(cli, limit, &most)) || (code = parse_filter(cli, filter, &request)) ||
        (sort && (code = sort_field(cli, sort, &request.sort))) || (code = out_open(&o, cli, style)))
        return code;
    code = list_pages(cli, &request, most, &o, &total);
    if (ferror(stdout))
        return cli_flush(cli);
    if (code)
        return code;
    code = out_close(&o);
    if (!code && cli->output <= OUT_WIDE && isatty(STDERR_FILENO))
        fprintf(stderr, _("%zu of %ld projects\n"), o.n_rows,
                total < (long)o.n_rows ? (long)o.n_rows : total);
    return code;
}

/* ---------------------------------------------------------------- show */

/* Only a code list can be as long as that of industries: just the branch that is needed. */
static void load_industry(struct cli *cli, Qipan__Project *p, struct qipan_result *r)
{
    Qipan__GlossaryRequest request = QIPAN__GLOSSARY_REQUEST__INIT;
    const Qipan__GlossaryReply *g;
    char text[300];

    request.kind = (char *)"industry";
    request.prefix = p->industry;
    if (qipan_call_wait(cli->q, OP_glossary, &request.base, NULL, r) != QIPAN_DONE)
        return;
    g = (const Qipan__GlossaryReply *)r->message;
    for (size_t i = 0; i < g->n_rows; i++) {
        const Qipan__Label *l = g->rows[i];

        if (!l->code || !l->text || strcmp(l->code, p->industry) != 0)
            continue;
        snprintf(text, sizeof text, "%s %s", l->code, l->text);
        p->industry = arena_strdup(&cli->scratch, text);
        return;
    }
}

int project_print(struct cli *cli, const Qipan__Project *project, int64_t rev, const char *request)
{
    Qipan__Project shown = *project;
    struct qipan_result labels = {0};
    int code;

    if (cli->output <= OUT_WIDE && shown.industry)
        load_industry(cli, &shown, &labels);
    code = out_object(cli, style, &shown.base, rev, request);
    qipan_result_free(&labels);
    return code;
}

static int one_word(struct cli *cli, int n, char **argv)
{
    if (n < 1)
        return cli_usage(cli, _("which project? give its number or id"));
    return n > 1 ? cli_usage(cli, _("too many words: \"%s\""), argv[2]) : 0;
}

static int project_show(struct cli *cli, int argc, char **argv)
{
    const char *limit = NULL;
    bool full = false;
    const struct cli_option options[] = {{"--full", NULL, &full}, {"-n", &limit, NULL}, {0}};
    Qipan__ProjectShowRequest request = QIPAN__PROJECT_SHOW_REQUEST__INIT;
    struct qipan_result r;
    long rows;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code || (code = one_word(cli, n, argv)) || (code = take_limit(cli, limit, &rows)))
        return code;
    if (full)
        return page_show(cli, argv[1], rows);
    request.id = argv[1];
    code = cli_call(cli, OP_project_show, &request.base, NULL, &r);
    if (code)
        return code;
    code = project_print(cli, ((const Qipan__ProjectReply *)r.message)->project, 0, NULL);
    qipan_result_free(&r);
    return code;
}

/* ---------------------------------------------------------------- changes */

/* What may be wrong with a change that was done: on stderr, a line each. */
static void print_warnings(struct cli *cli, const Qipan__ProjectReply *reply)
{
    for (size_t i = 0; i < reply->n_warnings; i++) {
        const Qipan__Warning *w = reply->warnings[i];
        char *line = cli_json(cli) ? qipan_json(&w->base) : NULL;

        if (line)
            fprintf(stderr, "{\"warning\":%s}\n", line);
        else
            fprintf(stderr, _("qipan: note: %s [%s]\n"), cli_safe(&cli->scratch, w->sentence),
                    cli_safe(&cli->scratch, w->code));
        free(line);
    }
}

static int print_change(struct cli *cli, const struct qipan_result *r)
{
    const Qipan__ProjectReply *reply = (const Qipan__ProjectReply *)r->message;
    const Qipan__Project *p = reply->project;

    if (cli->output == OUT_TABLE && p) {
        printf(reply->has_rev ? _("%s  %s  version %lld, revision %lld\n")
                              : _("%s  %s  version %lld, nothing changed\n"),
               p->no ? cli_safe(&cli->scratch, p->no) : "", p->name ? cli_safe(&cli->scratch, p->name) : "",
               (long long)p->version, (long long)reply->rev);
        return cli_flush(cli);
    }
    return p ? project_print(cli, p, reply->has_rev ? reply->rev : 0, r->request) : 0;
}

static int change(struct cli *cli, unsigned op, const ProtobufCMessage *request, int64_t base)
{
    struct qipan_call_options options = {.base = base, .request = cli->request};
    struct qipan_result r;
    int code = cli_call(cli, op, request, &options, &r);

    if (code)
        return code;
    print_warnings(cli, (const Qipan__ProjectReply *)r.message);
    code = print_change(cli, &r);
    qipan_result_free(&r);
    return code;
}

static int take_values(struct cli *cli, char **words, int n, struct cli_values *values)
{
    int code = 0;

    values->resolve = labels_resolve;
    for (int i = 0; i < n && !code; i++)
        code = cli_take_value(cli, values, words[i]);
    return code;
}

static int project_add(struct cli *cli, int argc, char **argv)
{
    Qipan__ProjectAddRequest request = QIPAN__PROJECT_ADD_REQUEST__INIT;
    Qipan__Project set = QIPAN__PROJECT__INIT;
    struct cli_values values = {.set = &set.base};
    const char *reason = NULL;
    const struct cli_option options[] = {{"--reason", &reason, NULL}, {0}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n < 1)
        return cli_usage(cli, _("project add needs FIELD=VALUE words, at least name=…"));
    if ((code = take_values(cli, argv + 1, n, &values)))
        return code;
    request.set = &set;
    request.reason = (char *)reason;
    return change(cli, OP_project_add, &request.base, 0);
}

/* The version the edit is made on: as given, else what the registry has now. */
static int find_base(struct cli *cli, const char *id, const char *given, int64_t *ret)
{
    Qipan__ProjectShowRequest request = QIPAN__PROJECT_SHOW_REQUEST__INIT;
    struct qipan_result r;
    char *end;
    int code;

    if (given) {
        *ret = strtoll(given, &end, 10);
        return *ret >= 1 && !*end ? 0 : cli_usage(cli, _("--base needs a version, not \"%s\""), given);
    }
    request.id = (char *)id;
    code = cli_call(cli, OP_project_show, &request.base, NULL, &r);
    if (code)
        return code;
    *ret = ((const Qipan__ProjectReply *)r.message)->project->version;
    qipan_result_free(&r);
    return 0;
}

static int project_edit(struct cli *cli, int argc, char **argv)
{
    Qipan__ProjectEditRequest request = QIPAN__PROJECT_EDIT_REQUEST__INIT;
    Qipan__Project set = QIPAN__PROJECT__INIT;
    struct cli_values values = {.set = &set.base};
    const char *base_text = NULL, *reason = NULL;
    bool force = false;
    const struct cli_option options[] = {
        {"--base", &base_text, NULL}, {"--reason", &reason, NULL}, {"--force", NULL, &force}, {0}};
    int64_t base = 0;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n < 2)
        return cli_usage(cli, _("project edit needs a project and FIELD=VALUE words"));
    if (force && !reason)
        return cli_usage(cli, _("--force needs --reason"));
    if (!(values.clear = arena_zalloc(&cli->arena, (size_t)n * sizeof(char *))))
        return cli_no_memory(cli);
    if ((code = take_values(cli, argv + 2, n - 1, &values)) ||
        (code = find_base(cli, argv[1], base_text, &base)))
        return code;
    request.id = argv[1];
    request.set = &set;
    request.clear = values.clear;
    request.n_clear = values.n_clear;
    request.reason = (char *)reason;
    request.has_force = request.force = force;
    return change(cli, OP_project_edit, &request.base, base);
}

/* Before the move, which may need them: a line of `files` each. */
static int add_evidence(struct cli *cli, const char *id, const char *stage, const char *files)
{
    Qipan__Evidence about = QIPAN__EVIDENCE__INIT;
    char *lines = files ? arena_strdup(&cli->arena, files) : NULL;
    int n = 0, code = 0;

    if (files && !lines)
        return cli_no_memory(cli);
    about.project = (char *)id;
    about.stage = (char *)stage;
    for (char *line, *save; !code && lines && (line = strtok_r(n ? NULL : lines, "\n", &save));) {
        struct qipan_result r;

        code = evidence_upload(cli, &about, line, n++, &r);
        if (!code)
            qipan_result_free(&r);
    }
    return code;
}

static int project_advance(struct cli *cli, int argc, char **argv)
{
    Qipan__ProjectAdvanceRequest request = QIPAN__PROJECT_ADVANCE_REQUEST__INIT;
    const ProtobufCFieldDescriptor *day = value_field(&qipan__project__descriptor, "signed_on");
    const char *on = NULL, *reason = NULL, *evidence = NULL, *stage;
    bool many;
    const struct cli_option options[] = {
        {"--on", &on, NULL}, {"--reason", &reason, NULL}, {"--evidence", &evidence, &many}, {0}};
    struct value_error error;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code || (code = cli_connect(cli)))
        return code;
    if (n != 2)
        return cli_usage(cli, _("project advance needs a project and a stage"));
    if ((code = labels_resolve(cli, "stage", argv[2], &stage)))
        return code;
    if (on && !(request.on = value_canonical(day, on, &cli->arena, &error)))
        return cli_invalid(cli, "on", &error);
    if ((code = add_evidence(cli, argv[1], stage, evidence)))
        return code;
    request.id = argv[1];
    request.stage = (char *)stage;
    request.reason = (char *)reason;
    return change(cli, OP_project_advance, &request.base, 0);
}

/* ---------------------------------------------------------------- log */

static const char *title_of(struct cli *cli, const char *id)
{
    Qipan__ProjectShowRequest request = QIPAN__PROJECT_SHOW_REQUEST__INIT;
    struct qipan_result r;
    char text[400] = "";

    request.id = (char *)id;
    if (qipan_call_wait(cli->q, OP_project_show, &request.base, NULL, &r) == QIPAN_DONE) {
        const Qipan__Project *p = ((const Qipan__ProjectReply *)r.message)->project;

        snprintf(text, sizeof text, "%s %s", p && p->no ? p->no : "", p && p->name ? p->name : "");
    }
    qipan_result_free(&r);
    return *text ? arena_strdup(&cli->arena, text) : id;
}

static int project_log(struct cli *cli, int argc, char **argv)
{
    Qipan__ProjectLogRequest request = QIPAN__PROJECT_LOG_REQUEST__INIT;
    const char *field = NULL;
    const struct cli_option options[] = {{"--field", &field, NULL}, {0}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code || (code = one_word(cli, n, argv)))
        return code;
    request.id = argv[1];
    request.field = (char *)field;
    return story_print(cli, OP_project_log, &request, title_of);
}

/* ---------------------------------------------------------------- family */

int cmd_project(struct cli *cli, int argc, char **argv)
{
    static const char *const words[] = {"list", "show", "add", "edit", "advance", "log", NULL};
    static int (*const functions[])(struct cli *, int, char **) = {
        project_list, project_show, project_add, project_edit, project_advance, project_log};
    int i, code = cli_subcommand(cli, argc, argv, words, &i);

    return code ? code : functions[i](cli, argc - 1, argv + 1);
}
