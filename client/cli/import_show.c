/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of an import: verdicts row by row, the report, the summary. */
#include "import_internal.h"

#include "headers.h"
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

static int keep_rejected(struct import *im, const Qipan__Verdict *v, void *arg)
{
    (void)arg;
    return json_array_append_new(im->rejects, import_verdict_json(im, v)) == 0 ? 0 : cli_no_memory(im->cli);
}

static const char *label(struct import *im, const char *field)
{
    const char *kind = mapping_kind(im->mapping);

    return strcmp(kind, "project") == 0 ? value_label(field, im->cli->lang)
                                        : labels_record_field(im->cli, kind, field);
}

static const ProtobufCFieldDescriptor *field_of(const struct import *im, const char *field)
{
    const ProtobufCMessageDescriptor *d = headers_kind(mapping_kind(im->mapping));

    return d && field ? protobuf_c_message_descriptor_get_field_by_name(d, field) : NULL;
}

/* Of a field's amount. Records have theirs in yuan, and beside it the one that was paid. */
static const char *currency_of(const struct import *im, const char *field, const char *project)
{
    bool foreign = field && !strcmp(field, "amount_foreign");

    return !strcmp(mapping_kind(im->mapping), "project") ? project : foreign ? NULL : "CNY";
}

/* A field's canonical text in people's words. An amount stays as it is where its currency isn't known. */
static const char *shown(struct import *im, const char *field, const char *text, const char *currency,
                         struct arena *a)
{
    const char *kind = mapping_kind(im->mapping), *codes, *word = NULL;
    const ProtobufCFieldDescriptor *f = field_of(im, field);

    if (!text || !*text)
        return "∅";
    if (f && strcmp(kind, "project") != 0)
        word = labels_record_code(im->cli, kind, field, text);
    else if (f && (codes = labels_kind(field)))
        word = labels_text(im->cli, codes, text);
    currency = currency_of(im, field, currency);
    if (!word && f && (currency || value_kind(f) != VALUE_MONEY))
        word = value_people_text(f, text, currency, im->cli->lang, a);
    return cli_safe(a, word ? word : text);
}

/* A field that both changed; without the values where they may not be written down. */
static void show_clash(struct import *im, const Qipan__Verdict *v, const Qipan__Clash *c, struct arena *a)
{
    const char *name = cli_safe(a, label(im, c->field)), *by = cli_safe(a, c->by),
               *at = c->has_at ? cli_local_time(a, c->at) : "?";

    if (!c->base_value && !c->theirs && !c->yours)
        printf(
            _("    %s: the sheet and the registry (by %s on %s) both changed it; the values are not shown\n"),
            name, by, at);
    else
        printf(_("    %s: the sheet was made from \"%s\", the registry has \"%s\" (by %s on %s), the sheet "
                 "\"%s\"\n"),
               name, shown(im, c->field, c->base_value, v->currency, a),
               shown(im, c->field, c->theirs, v->currency, a), by, at,
               shown(im, c->field, c->yours, v->currency, a));
}

/* Of a row that isn't taken: column, value, why. A cell that couldn't be read (it names its column) stays as it is. */
static void show_why(struct import *im, const Qipan__Verdict *v, struct arena *a)
{
    const char *column = import_column(im, v);

    if (column)
        printf(" · %s", cli_safe(a, column));
    else if (v->field)
        printf(" · %s", cli_safe(a, label(im, v->field)));
    if (v->text && *v->text)
        printf(" · %s", v->column ? cli_safe(a, v->text) : shown(im, v->field, v->text, v->currency, a));
    printf(": %s", cli_safe(a, v->message));
    if (v->hint && *v->hint)
        printf(" (%s)", cli_safe(a, v->hint));
    printf(" [%s]\n", v->code ? cli_safe(a, v->code) : "INVALID_ARGUMENT");
    for (size_t i = 0; i < v->n_clashes; i++)
        show_clash(im, v, v->clashes[i], a);
}

/* ---------------------------------------------------------------- what a new row says */

#define SAMPLE_FIELDS 6
#define SAMPLE_MEMORY (4 << 20)

/* The row of the sheet; those that are looked at come in their order. */
static bool find_row(struct import *im, int number, struct sheet_row *row)
{
    if (im->looked_at == 0 || im->looked_at >= number)
        sheet_rewind(im->sheet);
    do {
        if (sheet_next(im->sheet, row) != SHEET_ROW)
            return false;
        im->looked_at = row->number;
    } while (row->number < number);
    return row->number == number && !row->bad && !row->skip;
}

/* Canonical text of a field that the row has; NULL = it hasn't. */
static const char *text_of(const Qipan__ImportRow *r, const ProtobufCFieldDescriptor *f, struct arena *a)
{
    if (r->set)
        return value_has(&r->set->base, f) ? value_text(&r->set->base, f, a) : NULL;
    for (size_t i = 0; i < r->n_values; i++)
        if (r->values[i]->number == f->id)
            return r->values[i]->value;
    return NULL;
}

/* 项目甲 · 某公司 · 总投资 1,200万元: where an amount's unit is understood as nobody meant it, this shows it. */
static void show_sample(struct import *im, const Qipan__ImportRow *r, struct arena *a)
{
    const ProtobufCMessageDescriptor *d = headers_kind(mapping_kind(im->mapping));
    const ProtobufCFieldDescriptor *c = field_of(im, "currency");
    const char *currency = c ? text_of(r, c, a) : NULL;
    int told = 0;

    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        bool passed =
            f == c || !strcmp(f->name, "summary") || !strcmp(f->name, "source") ||
            !strcmp(f->name, "external_id") ||
            (told >= SAMPLE_FIELDS && value_kind(f) != VALUE_MONEY); /* amounts come last, and matter */
        const char *text = passed ? NULL : text_of(r, f, a);
        char *people = text ? value_people_text(f, text, currency, im->cli->lang, a) : NULL;
        if (!people)
            continue;
        printf(" · %s%s%s", value_kind(f) == VALUE_TEXT ? "" : cli_safe(a, label(im, f->name)),
               value_kind(f) == VALUE_TEXT ? "" : " ", cli_safe(a, people));
        told++;
    }
}

static void show_new(struct import *im, int number)
{
    struct sheet_row row;
    Qipan__ImportRow *r;
    struct arena a;

    arena_init(&a, SAMPLE_MEMORY);
    if (find_row(im, number, &row) && (r = mapping_row(im->mapping, &row, &a)))
        show_sample(im, r, &a);
    arena_free(&a);
}

/* From what to what; the row of the sheet says in which currency. */
static void show_changes(struct import *im, const Qipan__Verdict *v)
{
    const ProtobufCFieldDescriptor *c = field_of(im, "currency");
    struct sheet_row row;
    Qipan__ImportRow *r;
    struct arena a;

    arena_init(&a, SAMPLE_MEMORY);
    const char *currency = c && find_row(im, (int)v->row, &row) && (r = mapping_row(im->mapping, &row, &a))
                               ? text_of(r, c, &a)
                               : NULL;
    const char *before = v->currency;
    if (!currency)
        currency = v->currency;
    for (size_t i = 0; i < v->n_changes; i++)
        if (strcmp(v->changes[i]->field, "currency") == 0)
            before = v->changes[i]->old;
    for (size_t i = 0; i < v->n_changes; i++) {
        const Qipan__VerdictChange *change = v->changes[i];
        if (!change->old && !change->new_) {
            printf(_(" · %s: changed (not shown)"), cli_safe(&a, label(im, change->field)));
            continue;
        }
        printf(" · %s %s → %s", cli_safe(&a, label(im, change->field)),
               shown(im, change->field, change->old, before, &a),
               shown(im, change->field, change->new_, currency, &a));
    }
    arena_free(&a);
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
        if (v->verdict && !strcmp(v->verdict, "new"))
            show_new(im, (int)v->row);
        show_changes(im, v);
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
        code = import_verdicts(im, only, most, show_row, NULL);
    }
    return code;
}

/* ---------------------------------------------------------------- summary */

static int show_json(struct import *im, bool written)
{
    const Qipan__ImportReply *c = &im->counts;
    char rev[24];
    json_t *o =
        json_pack("{s:s,s:s,s:s,s:b,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:s,s:s}", "id", im->id, "file",
                  cli_safe(&im->cli->arena, import_base_name(im->file)), "status", c->status, "committed",
                  written, "rows", (int)c->rows, "new", (int)c->added, "updated", (int)c->updated,
                  "unchanged", (int)c->unchanged, "duplicates", (int)c->duplicates, "conflicts",
                  (int)c->conflicts, "rejected", (int)c->rejected, "skipped", (int)c->skipped, "encoding",
                  sheet_encoding(im->sheet), "profile", im->profile_name);

    snprintf(rev, sizeof(rev), "%" PRId64, c->rev);
    if (c->rev)
        json_object_set_new(o, "rev", json_string(rev));
    if (written) {
        json_object_set_new(o, "request", json_string(im->base));
        json_object_set_new(o, "replayed", json_boolean(c->replayed));
    }
    import_notes_json(im->cli, o, im->sheet, im->mapping);
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
           cli_safe(&im->cli->arena, sheet_encoding(im->sheet)),
           strcmp(im->profile_name, "auto") ? cli_safe(&im->cli->arena, im->profile_name)
                                            : _("by its headings"),
           (int)c->added, (int)c->updated, (int)c->unchanged, (int)c->duplicates, (int)c->conflicts,
           (int)c->rejected, (int)c->skipped, (int)c->rows);
    code = show_examples(im);
    if (im->report)
        printf(_("every row is in %s\n"), cli_safe(&im->cli->arena, im->report));
    if (written && c->rev)
        printf(_("written as revision %" PRId64 "; batch %s\n"), c->rev, cli_safe(&im->cli->arena, im->id));
    else if (c->status && !strcmp(c->status, "done") &&
             c->added + c->updated > 0) /* two runs of one file at once */
        printf(_("another run has written it meanwhile; batch %s\n"), cli_safe(&im->cli->arena, im->id));
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
            c->conflicts == refused(im)
                ? _("export the sheet anew, put your changes into that and import it, or take the other rows "
                    "with --keep-going")
                : _("correct the rows and import the file again, or take the good ones with --keep-going"),
            _("%d of %d rows are not taken (%d rejected, %d duplicates, %d in conflict), nothing was "
              "written"),
            refused(im), (int)c->rows, (int)c->rejected, (int)c->duplicates, (int)c->conflicts);
    if (refused(im) > 0)
        return EXIT_PARTIAL;
    return im->exit_code && c->added + c->updated > 0 ? EXIT_DIFFERENT : 0;
}

int import_show(struct import *im, bool written)
{
    bool asked = im->report != NULL;
    int code = cli_json(im->cli) && refused(im) > 0
                   ? import_verdicts(im, import_refused, JSON_REJECTS, keep_rejected, NULL)
                   : 0;

    if (!code && im->report)
        code = import_report(im);
    if (code)
        im->report = NULL; /* there is none */
    if (code && !written)
        return code;
    /* What is committed is said, whatever became of the rest. */
    int shown = cli_json(im->cli) ? show_json(im, written) : show_text(im, written);
    if (code && asked)
        cli_warn(_("the import stands; its rows are shown by: qipan batch rows %s"), im->id);
    if (code)
        return cli_signal ? code : EXIT_DIFFERENT;
    return shown ? shown : outcome(im, written);
}
