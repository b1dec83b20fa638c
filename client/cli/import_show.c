/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of an import: verdicts row by row, the report, the summary. */
#include "import_internal.h"

#include "import_notes.h"
#include "labels.h"
#include "value.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define JSON_REJECTS 1000 /* rejected rows in the summary object; all of them are in --report */
#define EXAMPLES     10   /* of rows that aren't taken; -o wide and --report have all */
#define FEW_EXAMPLES 3    /* of the others */

/* Rows that stop a commit. */
static int refused(const struct import *im)
{
    return im->counts.rejected + im->counts.duplicates + im->counts.conflicts;
}

/* ---------------------------------------------------------------- verdicts */

typedef int verdict_fn(struct import *im, const Qipan__Verdict *v, void *arg);

static const char *const refused_words[] = {"duplicate", "conflict", "rejected", NULL};

/* Page by page, `most` at most; `only` NULL = every verdict. */
static int each_verdict(struct import *im, const char *const *only, int most, verdict_fn *fn, void *arg)
{
    Qipan__ImportVerdictsRequest m = QIPAN__IMPORT_VERDICTS_REQUEST__INIT;
    int after = 0, code = 0;

    m.id = im->id;
    m.has_limit = m.has_after_row = 1;
    m.limit = most < LIMIT_PAGE_ROWS ? most : LIMIT_PAGE_ROWS;
    m.verdicts = (char **)(uintptr_t)only;
    while (only && only[m.n_verdicts])
        m.n_verdicts++;
    do {
        struct qipan_result r;
        m.after_row = after;
        if ((code = cli_call(im->cli, QIPAN_OP_import_verdicts, &m.base, NULL, &r)))
            return code;
        const Qipan__ImportVerdictsReply *page = (const Qipan__ImportVerdictsReply *)r.message;
        for (size_t i = 0; i < page->n_rows && !code && most-- > 0; i++)
            code = fn(im, page->rows[i], arg);
        after = page->has_next_row && page->next_row > after ? page->next_row : 0;
        qipan_result_free(&r);
    } while (after && !code && most > 0);
    return code;
}

/* The registry knows the field; the column it came from is known here. */
static const char *column_of(struct import *im, const Qipan__Verdict *v)
{
    if (v->column && *v->column)
        return v->column;
    return v->field ? mapping_column(im->mapping, v->field) : NULL;
}

static void set_text(json_t *o, const char *key, const char *value)
{
    if (value && *value)
        json_object_set_new(o, key, json_string(value));
}

/* A new object about a field, in a list of o. */
static json_t *item(json_t *o, const char *list, const char *field)
{
    json_t *one = json_object();

    if (!json_object_get(o, list))
        json_object_set_new(o, list, json_array());
    set_text(one, "field", field);
    json_array_append_new(json_object_get(o, list), one);
    return one;
}

static json_t *verdict_json(struct import *im, const Qipan__Verdict *v)
{
    json_t *o = json_pack("{s:i,s:s}", "row", (int)v->row, "verdict", v->verdict ? v->verdict : "");

    set_text(o, "project", v->project);
    set_text(o, "no", v->no);
    set_text(o, "code", v->code);
    set_text(o, "field", v->field);
    set_text(o, "column", column_of(im, v));
    set_text(o, "text", v->text);
    set_text(o, "message", v->message);
    set_text(o, "hint", v->hint);
    set_text(o, "object", v->object);
    set_text(o, "rule", v->rule);
    set_text(o, "other_no", v->other_no);
    set_text(o, "other_office", v->other_office);
    set_text(o, "other_on", v->other_on);
    for (size_t i = 0; i < v->n_changes; i++) {
        json_t *c = item(o, "changes", v->changes[i]->field);
        set_text(c, "old", v->changes[i]->old);
        set_text(c, "new", v->changes[i]->new_);
    }
    for (size_t i = 0; i < v->n_clashes; i++) {
        const Qipan__Clash *clash = v->clashes[i];
        json_t *c = item(o, "clashes", clash->field);
        set_text(c, "base", clash->base_value);
        set_text(c, "theirs", clash->theirs);
        set_text(c, "yours", clash->yours);
        set_text(c, "by", clash->by);
    }
    return o;
}

static int keep_rejected(struct import *im, const Qipan__Verdict *v, void *arg)
{
    (void)arg;
    return json_array_append_new(im->rejects, verdict_json(im, v)) == 0 ? 0 : cli_no_memory(im->cli);
}

static const char *label(struct import *im, const char *field)
{
    const char *kind = mapping_kind(im->mapping);

    return strcmp(kind, "project") == 0 ? value_label(field, im->cli->lang)
                                        : labels_record_field(im->cli, kind, field);
}

/* Of a row that isn't taken: column, value, why. */
static void show_why(struct import *im, const Qipan__Verdict *v, struct arena *a)
{
    const char *column = column_of(im, v);

    if (column)
        printf(" · %s", cli_safe(a, column));
    else if (v->field)
        printf(" · %s", cli_safe(a, label(im, v->field)));
    if (v->text && *v->text)
        printf(" · %s", cli_safe(a, v->text));
    printf(": %s [%s]\n", cli_safe(a, v->message), v->code ? cli_safe(a, v->code) : "INVALID_ARGUMENT");
    for (size_t i = 0; i < v->n_clashes; i++)
        printf(
            _("    %s: the sheet was made from \"%s\", the registry has \"%s\" (by %s), the sheet \"%s\"\n"),
            cli_safe(a, label(im, v->clashes[i]->field)), cli_safe(a, v->clashes[i]->base_value),
            cli_safe(a, v->clashes[i]->theirs), cli_safe(a, v->clashes[i]->by),
            cli_safe(a, v->clashes[i]->yours));
}

static int show_row(struct import *im, const Qipan__Verdict *v, void *arg)
{
    struct arena a;

    (void)arg;
    arena_init(&a, 65536);
    printf("  ");
    printf(_("row %d"), (int)v->row);
    if (v->no && *v->no)
        printf(" · %s", cli_safe(&a, v->no));
    if (v->code) {
        show_why(im, v, &a);
    } else {
        for (size_t i = 0; i < v->n_changes; i++)
            printf(" · %s %s → %s", cli_safe(&a, label(im, v->changes[i]->field)),
                   v->changes[i]->old ? cli_safe(&a, v->changes[i]->old) : "∅",
                   v->changes[i]->new_ ? cli_safe(&a, v->changes[i]->new_) : "∅");
        printf(v->message && *v->message ? ": %s\n" : "%s\n", cli_safe(&a, v->message));
    }
    arena_free(&a);
    return 0;
}

/* The first of each verdict that somebody looks at before he commits; all of them with -o wide. */
static int show_examples(struct import *im)
{
    const Qipan__ImportReply *c = &im->counts;
    const struct {
        const char *word, *title;
        int n;
    } kinds[] = {{"rejected", N_("rejected"), c->rejected},
                 {"conflict", N_("in conflict"), c->conflicts},
                 {"duplicate", N_("duplicates"), c->duplicates},
                 {"update", N_("updated"), c->updated},
                 {"new", N_("new"), c->added},
                 {"skipped", N_("skipped"), c->skipped}};
    int code = 0;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && !code; i++) {
        const char *const only[] = {kinds[i].word, NULL};
        int most = im->cli->output == OUT_WIDE ? INT_MAX : i < 3 ? EXAMPLES : FEW_EXAMPLES;
        if (!kinds[i].n)
            continue;
        printf(kinds[i].n > most ? _("%s, the first %d of %d:\n") : _("%s:\n"), _(kinds[i].title), most,
               kinds[i].n);
        code = each_verdict(im, only, most, show_row, NULL);
    }
    return code;
}

static int write_line(struct import *im, const Qipan__Verdict *v, void *arg)
{
    char *line = json_line(verdict_json(im, v));
    bool bad = !line || fprintf(arg, "%s\n", line) < 0;

    free(line);
    return bad ? import_invalid(im, im->report, strerror(errno)) : 0;
}

/* Before anything is sent: a name that can't be written is no reason to fail after a commit. */
int import_open_report(struct import *im)
{
    return whole_file_open(&im->report_file, im->report) ? 0
                                                         : import_invalid(im, im->report, strerror(errno));
}

/* A line for each row. */
static int write_report(struct import *im)
{
    int code = each_verdict(im, NULL, INT_MAX, write_line, im->report_file.to);

    if (!code && !whole_file_done(&im->report_file))
        code = import_invalid(im, im->report, strerror(errno));
    return code;
}

/* ---------------------------------------------------------------- summary */

static int show_json(struct import *im, bool written)
{
    const Qipan__ImportReply *c = &im->counts;
    char rev[24];
    json_t *o = json_pack("{s:s,s:s,s:s,s:b,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:s,s:s}", "id", im->id, "file",
                          import_base_name(im->file), "status", c->status, "committed", written, "rows",
                          (int)c->rows, "new", (int)c->added, "updated", (int)c->updated, "unchanged",
                          (int)c->unchanged, "duplicates", (int)c->duplicates, "conflicts", (int)c->conflicts,
                          "rejected", (int)c->rejected, "skipped", (int)c->skipped, "encoding",
                          sheet_encoding(im->sheet), "profile", im->profile_name);

    snprintf(rev, sizeof(rev), "%" PRId64, c->rev);
    if (c->rev)
        json_object_set_new(o, "rev", json_string(rev));
    if (written) {
        json_object_set_new(o, "request", json_string(im->base));
        json_object_set_new(o, "replayed", json_boolean(c->replayed));
    }
    import_notes_json(o, im->sheet, im->mapping);
    if (json_array_size(im->rejects))
        json_object_set(o, "rejections", im->rejects);
    char *line = json_line(o);
    if (line)
        puts(line);
    int flushed = cli_flush(im->cli);
    bool bad = !line;
    free(line);
    return flushed || !bad ? flushed : EXIT_DIFFERENT;
}

static int show_text(struct import *im, bool written)
{
    const Qipan__ImportReply *c = &im->counts;
    int code;

    import_notes_print(im->cli, im->sheet, im->mapping);
    printf(_("%s (%s, mapping %s): %d new + %d updated + %d unchanged + %d duplicates + %d conflicts + "
             "%d rejected + %d skipped = %d rows\n"),
           cli_safe(&im->cli->arena, import_base_name(im->file)),
           cli_safe(&im->cli->arena, sheet_encoding(im->sheet)), cli_safe(&im->cli->arena, im->profile_name),
           (int)c->added, (int)c->updated, (int)c->unchanged, (int)c->duplicates, (int)c->conflicts,
           (int)c->rejected, (int)c->skipped, (int)c->rows);
    code = show_examples(im);
    if (im->report)
        printf(_("every row is in %s\n"), cli_safe(&im->cli->arena, im->report));
    if (written && c->rev)
        printf(_("written as revision %" PRId64 "; batch %s\n"), c->rev, cli_safe(&im->cli->arena, im->id));
    else if (written)
        puts(_("nothing had to be written"));
    else
        puts(im->commit ? _("nothing was written") : _("preview: nothing was written; --commit writes it"));
    return code ? code : cli_flush(im->cli);
}

static int outcome(struct import *im, bool written)
{
    const Qipan__ImportReply *c = &im->counts;

    if (refused(im) > 0 && !written)
        return cli_fail(
            im->cli, "INVALID_ARGUMENT", NULL,
            _("correct the rows and import the file again, or take the good ones with --keep-going"),
            _("%d of %d rows are rejected, nothing was written"), refused(im), (int)c->rows);
    if (refused(im) > 0)
        return EXIT_PARTIAL;
    return im->exit_code && c->added + c->updated > 0 ? EXIT_DIFFERENT : 0;
}

int import_show(struct import *im, bool written)
{
    int code = cli_json(im->cli) && refused(im) > 0
                   ? each_verdict(im, refused_words, JSON_REJECTS, keep_rejected, NULL)
                   : 0;

    if (!code && im->report)
        code = write_report(im);
    if (code && !written)
        return code;
    /* What is committed is said, whatever became of the rest. */
    int shown = cli_json(im->cli) ? show_json(im, written) : show_text(im, written);
    if (code)
        return cli_signal ? code : EXIT_DIFFERENT;
    return shown ? shown : outcome(im, written);
}
