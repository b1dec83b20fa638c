/* SPDX-License-Identifier: Apache-2.0 */
/* qipan export: a list as a file that an import reads back without a difference. Page by page, in an order that nothing
 * changes, so that memory does not grow with the list and edits meanwhile lose or double nothing. */
#include "cli.h"
#include "labels.h"
#include "out.h"
#include "planned.h"
#include "record.h"
#include "whole_file.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct export
{
    struct cli *cli;
    const struct verb *list;
    struct out_style style;
    const char *filter, *sort, *path, *layout;
    struct plan *plan; /* of --layout */
    ProtobufCMessage *request;
};

/* The request of the list out of our options. */
static int make_request(struct export *x)
{
    char *words[6] = {(char *)(uintptr_t)x->list->word};
    const ProtobufCFieldDescriptor *export, *sort, *terms;
    struct record_call call;
    int n = 1, code;

    sort = record_field(op_by_number(x->list->op)->request, "sort");
    if (x->filter) {
        words[n++] = (char *)(uintptr_t) "--filter";
        words[n++] = (char *)(uintptr_t)x->filter;
    }
    if (x->sort || sort) {
        words[n++] = (char *)(uintptr_t) "--sort";
        words[n++] = (char *)(uintptr_t)(x->sort ? x->sort : record_is_projects(x->list) ? "no" : "id");
    }
    if ((code = record_take(x->cli, x->list, n, words, &call)))
        return code;
    x->request = call.request;
    if ((export = record_field(x->request->descriptor, "export"))) {
        *(protobuf_c_boolean *)record_at(x->request, export) = true;
        *(protobuf_c_boolean *)((char *)x->request + export->quantifier_offset) = true;
    }
    terms = record_field(x->request->descriptor, "terms");
    if (!record_is_projects(x->list) || !terms)
        return 0;
    return labels_resolve_terms(x->cli, *(Qipan__Term ***)record_at(x->request, terms),
                                *(size_t *)((char *)x->request + terms->quantifier_offset));
}

static int write_to(struct export *x, FILE *to, size_t *ret_rows)
{
    struct out o;
    int code;

    if (x->plan)
        return planned_write(x->cli, x->plan, x->list, x->request, to, ret_rows);
    code = out_open_file(&o, x->cli, &x->style, to);
    if (!code)
        code = out_fill(&o, x->list->op, x->request);
    if (!code)
        code = out_close(&o);
    *ret_rows = o.n_rows;
    out_drop(&o);
    return code;
}

static int to_file(struct export *x)
{
    struct whole_file w;
    size_t rows;
    int code;

    if (!whole_file_open(&w, x->path))
        return cli_fail(x->cli, "INVALID_ARGUMENT", NULL, NULL, "%s: %s", x->path, strerror(errno));
    code = write_to(x, w.to, &rows);
    if (!code && !whole_file_done(&w))
        code = cli_fail(x->cli, "INVALID_ARGUMENT", NULL, NULL, "%s: %s", x->path, strerror(errno));
    whole_file_drop(&w);
    if (!code && !cli_json(x->cli) && isatty(STDERR_FILENO))
        cli_warn(_("%zu rows written to %s"), rows, x->path);
    return code;
}

/* -o, else what the file's name ends with, else CSV. */
static int choose_form(struct export *x)
{
    static const struct {
        const char *ending;
        enum cli_output form;
    } forms[] = {{".xlsx", OUT_XLSX}, {".jsonl", OUT_JSONL}, {".tsv", OUT_TSV}, {".csv", OUT_CSV}};
    size_t n = x->path ? strlen(x->path) : 0;

    if (!x->cli->output_given)
        x->cli->output = OUT_CSV;
    for (size_t i = 0; i < sizeof forms / sizeof *forms && !x->cli->output_given; i++) {
        size_t k = strlen(forms[i].ending);

        if (n > k && strcasecmp(x->path + n - k, forms[i].ending) == 0)
            x->cli->output = forms[i].form;
    }
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (x->cli->output == forms[i].form)
            return 0;
    return cli_usage(x->cli, _("export writes -o xlsx, csv, tsv or jsonl"));
}

static int take_words(struct export *x, int n, char **words)
{
    x->list = n > 0 ? record_list(x->cli, words[0]) : NULL;
    if (n > 1 && !x->list)
        return cli_usage(x->cli, _("there is no list \"%s\""), words[0]);
    if (x->list) {
        words++;
        n--;
    } else {
        x->list = record_list(x->cli, "project");
    }
    if (n > 1)
        return cli_usage(x->cli, _("too many words: \"%s\""), words[1]);
    x->path = n == 1 && strcmp(words[0], "-") != 0 ? words[0] : NULL;
    return choose_form(x);
}

/* What the layout says of the list, where the command doesn't. */
static int take_layout(struct export *x)
{
    char *both;
    size_t n;
    int code = planned_read(x->cli, x->layout, &x->plan);

    if (code)
        return code;
    if (x->cli->output == OUT_JSONL || x->cli->fields)
        return cli_usage(x->cli, _("a layout says which columns: no --fields, no JSON"));
    if (x->plan->kind && !(x->list = record_list(x->cli, x->plan->kind)))
        return cli_usage(x->cli, _("there is no list \"%s\""), x->plan->kind);
    if (!x->sort)
        x->sort = x->plan->sort ? x->plan->sort : x->plan->group;
    if (!x->plan->filter)
        return 0;
    n = strlen(x->plan->filter) + (x->filter ? strlen(x->filter) : 0) + 2;
    if (!(both = arena_alloc(&x->cli->arena, n)))
        return cli_no_memory(x->cli);
    snprintf(both, n, "%s %s", x->plan->filter, x->filter ? x->filter : "");
    x->filter = both;
    return 0;
}

static int run(struct export *x, int n, char **words)
{
    size_t rows;
    int code = take_words(x, n, words);

    if (!code && x->layout)
        code = take_layout(x);
    if (code)
        return code;
    if (!x->path && x->cli->output == OUT_XLSX && isatty(STDOUT_FILENO))
        return cli_usage(x->cli, "%s", _("-o xlsx is for a file: write it with > FILE.xlsx"));
    if ((code = cli_connect(x->cli)))
        return code;
    x->style = record_is_projects(x->list) ? out_project : record_style(x->cli, x->list);
    x->cli->record = record_is_projects(x->list) ? NULL : x->style.desc;
    if ((code = make_request(x)))
        return code;
    return x->path ? to_file(x) : write_to(x, stdout, &rows);
}

int cmd_export(struct cli *cli, int argc, char **argv)
{
    struct export x = {.cli = cli};
    const struct cli_option options[] = {{"--filter", &x.filter, NULL},
                                         {"--sort", &x.sort, NULL},
                                         {"--layout", &x.layout, NULL},
                                         {NULL, NULL, NULL}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (!code)
        code = run(&x, n, argv + 1);
    plan_free(x.plan);
    return code;
}
