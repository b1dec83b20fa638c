/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include "json.h"
#include "names.h"
#include "out.h"

#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 24 /* of a section */

/* ---------------------------------------------------------------- JSON */

static void put_cells(json_t *object, Qipan__Cell *const *cells, size_t n, bool *bad)
{
    for (size_t i = 0; i < n; i++)
        *bad |= json_object_set_new(object, cells[i]->name, json_string(cells[i]->value)) != 0;
}

static json_t *json_of_section(const Qipan__Section *s, bool *bad)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < s->n_rows; i++) {
        json_t *row = json_object();

        if (s->rows[i]->id)
            *bad |= json_object_set_new(row, "id", json_string(s->rows[i]->id)) != 0;
        put_cells(row, s->rows[i]->cells, s->rows[i]->n_cells, bad);
        *bad |= json_array_append_new(rows, row) != 0;
    }
    return json_pack("{s:i, s:o}", "total", s->total, "rows", rows);
}

/* The project itself, and beside its fields what the rules say and what belongs to it. */
static int print_json(struct cli *cli, const Qipan__ProjectPageReply *page)
{
    json_t *whole = json_of_message(&page->project->base), *facts = json_object(), *sections = json_object();
    bool bad = false;
    char *line;

    put_cells(facts, page->facts, page->n_facts, &bad);
    for (size_t i = 0; i < page->n_sections; i++)
        bad |= json_object_set_new(sections, page->sections[i]->kind,
                                   json_of_section(page->sections[i], &bad)) != 0;
    bad |= json_object_set_new(whole, "facts", facts) != 0;
    bad |= json_object_set_new(whole, "sections", sections) != 0;
    line = json_line(whole);
    cli->arena.refused |= bad || !line;
    if (line && !bad)
        puts(line);
    free(line);
    return cli_flush(cli);
}

/* ---------------------------------------------------------------- for people */

static const char *shown(struct cli *cli, const char *kind, const Qipan__Cell *c)
{
    const struct kind_info *k = kind_by_name(kind);
    const char *field =
        !k && strstr(c->name, "amount") ? "amount_total" : c->name; /* brought_amount is money, too */
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(k ? k->message : &qipan__project__descriptor, field);
    const char *name = !c->text && names_field(NULL, c->name) ? names_text(cli, c->value) : NULL;
    const char *text = c->text ? c->text
                       : name  ? name
                       : f     ? value_people_text(f, c->value, NULL, cli->lang, &cli->scratch)
                               : c->value;

    return cli_safe(&cli->scratch, text ? text : c->value);
}

static int print_facts(struct cli *cli, const Qipan__ProjectPageReply *page)
{
    struct libscols_table *t = out_table(cli, false);

    if (!t || !scols_table_new_column(t, "fact", 0, 0) ||
        !scols_table_new_column(t, "value", 0, SCOLS_FL_WRAP))
        return cli_no_memory(cli);
    for (size_t i = 0; i < page->n_facts; i++) {
        const Qipan__Cell *c = page->facts[i];
        struct libscols_line *line = scols_table_new_line(t, NULL);

        if (!line || scols_line_set_data(line, 0, cli_safe(&cli->scratch, c->label)) != 0 ||
            scols_line_set_data(line, 1, shown(cli, "", c)) != 0)
            cli->arena.refused = true;
    }
    putchar('\n');
    scols_print_table(t);
    scols_unref_table(t);
    cli_scratch_over(cli);
    return 0;
}

/* The place of a name among those of the section's columns; they come as the rows need them. */
static size_t column_of(const char **names, size_t *n, const char *name)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    if (*n < COLUMNS)
        names[(*n)++] = name;
    return *n - 1;
}

static bool fill_section(struct cli *cli, struct libscols_table *t, const Qipan__Section *s)
{
    const char *names[COLUMNS];
    size_t n = 0;
    bool fine = true;

    for (size_t i = 0; i < s->n_rows; i++)
        for (size_t k = 0; k < s->rows[i]->n_cells; k++) {
            size_t before = n;

            column_of(names, &n, s->rows[i]->cells[k]->name);
            if (n > before)
                fine &= scols_table_new_column(t, cli_safe(&cli->scratch, s->rows[i]->cells[k]->label), 0,
                                               SCOLS_FL_TRUNC) != NULL;
        }
    for (size_t i = 0; i < s->n_rows && fine; i++) {
        struct libscols_line *line = scols_table_new_line(t, NULL);

        for (size_t k = 0; line && k < s->rows[i]->n_cells; k++) {
            const Qipan__Cell *c = s->rows[i]->cells[k];

            fine &= scols_line_set_data(line, column_of(names, &n, c->name), shown(cli, s->kind, c)) == 0;
        }
        fine &= line != NULL;
        cli_scratch_over(cli);
    }
    return fine;
}

static int print_section(struct cli *cli, const Qipan__Section *s)
{
    struct libscols_table *t = out_table(cli, true);

    if (!t || !fill_section(cli, t, s)) {
        scols_unref_table(t);
        return cli_no_memory(cli);
    }
    printf(s->n_rows < (size_t)s->total ? _("\n%s (%zu of %d)\n") : _("\n%s (%zu)\n"),
           cli_safe(&cli->scratch, s->label), s->n_rows, s->total);
    scols_print_table(t);
    scols_unref_table(t);
    return 0;
}

static int print_page(struct cli *cli, const Qipan__ProjectPageReply *page)
{
    int code = project_print(cli, page->project, 0, NULL);

    if (!code)
        code = print_facts(cli, page);
    for (size_t i = 0; i < page->n_sections && !code; i++)
        code = print_section(cli, page->sections[i]);
    return code ? code : cli_flush(cli);
}

int page_show(struct cli *cli, const char *id, long rows)
{
    Qipan__ProjectPageRequest request = QIPAN__PROJECT_PAGE_REQUEST__INIT;
    const Qipan__ProjectPageReply *page;
    struct qipan_result r;
    int code;

    if (cli->output > OUT_JSONL)
        return cli_usage(cli, _("--full has no such output mode; use table, json or jsonl"));
    request.id = (char *)id;
    request.has_limit = rows > 0;
    request.limit = (int32_t)rows;
    if ((code = cli_call(cli, OP_project_page, &request.base, NULL, &r)))
        return code;
    page = (const Qipan__ProjectPageReply *)r.message;
    code = cli_json(cli) ? print_json(cli, page) : print_page(cli, page);
    qipan_result_free(&r);
    return code;
}
