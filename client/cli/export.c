/* SPDX-License-Identifier: Apache-2.0 */
/* qipan export: projects as a file that an import reads back without a difference. Page by page, so that memory does not
 * grow with the registry. */
#include "cli.h"
#include "csv_write.h"
#include "filter.h"
#include "json.h"
#include "labels.h"
#include "limits.h"
#include "whole_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_COLUMNS 64
#define PAGE_MEMORY (4 * 1024 * 1024)

struct export
{
    struct cli *cli;
    const char *filter, *sort;
    FILE *to;
    bool csv;
    const ProtobufCFieldDescriptor *columns[MAX_COLUMNS];
    size_t n_columns;
    int64_t rows;
};

#define PROJECT (&qipan__project__descriptor)

static int unknown_field(struct export *x, const char *name)
{
    const char *near = value_nearest_field(PROJECT, name, false);
    char hint[128] = "";

    if (near)
        snprintf(hint, sizeof(hint), _("did you mean \"%s\"?"), near);
    return cli_fail(x->cli, "INVALID_ARGUMENT", name, hint, _("unknown field \"%s\""), name);
}

static int choose_columns(struct export *x)
{
    const char *p = x->cli->fields;

    for (unsigned i = 0; !p && i < PROJECT->n_fields && x->n_columns < MAX_COLUMNS; i++)
        x->columns[x->n_columns++] = &PROJECT->fields[i];
    while (p && *p) {
        size_t n = strcspn(p, ",");
        char *name = arena_strndup(&x->cli->arena, p, n);
        const ProtobufCFieldDescriptor *f = name ? value_field(PROJECT, name) : NULL;
        if (!f)
            return unknown_field(x, name ? name : "");
        if (x->n_columns < MAX_COLUMNS)
            x->columns[x->n_columns++] = f;
        p += n + (p[n] == ',');
    }
    return 0;
}

/* ---------------------------------------------------------------- rows */

static void write_header(struct export *x)
{
    fputs("\xEF\xBB\xBF", x->to);
    for (size_t i = 0; i < x->n_columns; i++)
        csv_write_cell(x->to, x->columns[i]->name, i == 0);
    fputs("\r\n", x->to);
}

static void write_csv(struct export *x, const Qipan__Project *p, struct arena *arena)
{
    for (size_t i = 0; i < x->n_columns; i++)
        csv_write_cell(x->to, value_text(&p->base, x->columns[i], arena), i == 0);
    fputs("\r\n", x->to);
}

static bool write_json(struct export *x, const Qipan__Project *p)
{
    json_t *o = json_object();
    char *line;

    for (size_t i = 0; i < x->n_columns; i++)
        json_put_field(&o, &p->base, x->columns[i]);
    line = json_line(o);
    if (line)
        fprintf(x->to, "%s\n", line);
    free(line);
    return line != NULL;
}

static int write_page(struct export *x, const Qipan__ProjectListReply *page)
{
    for (size_t i = 0; i < page->n_rows; i++) {
        struct arena a;
        arena_init(&a, PAGE_MEMORY);
        bool ok = true;
        if (x->csv)
            write_csv(x, page->rows[i], &a);
        else
            ok = write_json(x, page->rows[i]);
        ok = ok && !a.refused;
        arena_free(&a);
        if (!ok || ferror(x->to))
            return cli_fail(x->cli, "INTERNAL", NULL, NULL, "%s: %s", _("can't write the output"),
                            strerror(errno ? errno : ENOMEM));
        x->rows++;
    }
    return 0;
}

static int write_pages(struct export *x, const struct filter *filter)
{
    Qipan__ProjectListRequest m = QIPAN__PROJECT_LIST_REQUEST__INIT;
    char *after = NULL;
    int code = 0;

    m.terms = filter->terms;
    m.n_terms = filter->n_terms;
    m.sort = (char *)(uintptr_t)(x->sort ? x->sort : "no");
    m.has_export = m.export = 1;
    m.has_limit = 1;
    m.limit = LIMIT_PAGE_ROWS;
    do {
        struct qipan_result r;
        m.after = after;
        if ((code = cli_call(x->cli, QIPAN_OP_project_list, &m.base, NULL, &r)))
            break;
        const Qipan__ProjectListReply *page = (const Qipan__ProjectListReply *)r.message;
        free(after);
        after = page->next && *page->next ? strdup(page->next) : NULL;
        code = write_page(x, page);
        if (!code && page->next && *page->next && !after)
            code = cli_no_memory(x->cli);
        qipan_result_free(&r);
    } while (!code && after);
    free(after);
    return code;
}

static int write_all(struct export *x)
{
    struct filter filter;
    struct value_error e;
    int code;

    if (!filter_parse(x->filter, FILTER_LIST, &x->cli->arena, &filter, &e))
        return cli_invalid(x->cli, NULL, &e);
    if ((code = cli_connect(x->cli)) || (code = labels_resolve_terms(x->cli, filter.terms, filter.n_terms)))
        return code;
    if (x->csv)
        write_header(x);
    return write_pages(x, &filter);
}

static int to_file(struct export *x, const char *path)
{
    struct whole_file w;
    int code;

    if (!whole_file_open(&w, path))
        return cli_fail(x->cli, "INVALID_ARGUMENT", NULL, NULL, "%s: %s", path, strerror(errno));
    x->to = w.to;
    code = write_all(x);
    if (!code && !whole_file_done(&w))
        code = cli_fail(x->cli, "INVALID_ARGUMENT", NULL, NULL, "%s: %s", path, strerror(errno));
    whole_file_drop(&w);
    if (!code && !cli_json(x->cli) && isatty(STDERR_FILENO))
        cli_warn(_("%lld projects written to %s"), (long long)x->rows, path);
    return code;
}

int cmd_export(struct cli *cli, int argc, char **argv)
{
    struct export x = {.cli = cli, .to = stdout};
    const struct cli_option options[] = {
        {"--filter", &x.filter, NULL}, {"--sort", &x.sort, NULL}, {NULL, NULL, NULL}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 1)
        return cli_usage(
            cli, _("qipan export [FILE] [--filter EXPR] [--sort [-]FIELD] [--fields a,b] [-o csv|jsonl]"));
    if (cli->output_given && cli->output != OUT_CSV && cli->output != OUT_JSONL)
        return cli_usage(cli, _("export writes -o csv or -o jsonl"));
    x.csv = cli->output != OUT_JSONL;
    if ((code = choose_columns(&x)))
        return code;
    if (n == 1 && strcmp(argv[1], "-"))
        return to_file(&x, argv[1]);
    code = write_all(&x);
    return code ? code : cli_flush(cli);
}
