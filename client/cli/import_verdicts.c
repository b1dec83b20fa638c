/* SPDX-License-Identifier: Apache-2.0 */
/* The verdicts of an import, as the registry keeps them. */
#include "import_internal.h"

const char *const import_refused[] = {"duplicate", "conflict", "rejected", NULL};

int import_verdicts(struct import *im, const char *const *only, int most, import_verdict_fn *fn, void *arg)
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
const char *import_column(struct import *im, const Qipan__Verdict *v)
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

static void add(json_t *o, const char *list, json_t *one)
{
    if (!json_object_get(o, list))
        json_object_set_new(o, list, json_array());
    json_array_append_new(json_object_get(o, list), one);
}

json_t *import_verdict_json(struct import *im, const Qipan__Verdict *v)
{
    json_t *o = json_pack("{s:i,s:s}", "row", (int)v->row, "verdict", v->verdict ? v->verdict : "");

    set_text(o, "project", v->project);
    set_text(o, "no", v->no);
    set_text(o, "code", v->code);
    set_text(o, "field", v->field);
    set_text(o, "column", import_column(im, v));
    set_text(o, "text", v->text);
    set_text(o, "message", v->message);
    set_text(o, "hint", v->hint);
    set_text(o, "object", v->object);
    set_text(o, "rule", v->rule);
    set_text(o, "other_no", v->other_no);
    set_text(o, "other_office", v->other_office);
    set_text(o, "other_on", v->other_on);
    for (size_t i = 0; i < v->n_changes; i++) {
        json_t *c = json_object();
        set_text(c, "field", v->changes[i]->field);
        set_text(c, "old", v->changes[i]->old);
        set_text(c, "new", v->changes[i]->new_);
        add(o, "changes", c);
    }
    for (size_t i = 0; i < v->n_clashes; i++)
        add(o, "clashes", json_of_clash(v->clashes[i]));
    return o;
}
