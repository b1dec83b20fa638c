/* SPDX-License-Identifier: Apache-2.0 */
/* A bound mapping applied to rows. */
#include "mapping_internal.h"

#include "csv_write.h"
#include "xlsx_number.h"
#include "utf8.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT    32768 /* of one cell after joining */
#define NOTHING_MAX 32    /* bytes of a cell that may mean "nothing" */
#define MAX_SKIP    600   /* bytes of a reason to skip a row */
#define SHOWN_TEXT  200   /* characters of a cell that a message repeats */

struct work {
    const struct mapping *m;
    const struct sheet_row *row;
    struct arena *arena;
    Qipan__ImportRow *out;
    ProtobufCMessage *object; /* that the row says: out->set, or what becomes out->values */
    bool full;                /* the arena */
};

/* What stands above the row. */
static const char *text_above(const struct work *w, int column)
{
    const char *text = column == COLUMN_TITLE ? w->row->title
                       : w->row->groups       ? w->row->groups[COLUMN_GROUP - column]
                                              : NULL;

    return text ? text : "";
}

static const char *cell_of(struct work *w, const struct term *t)
{
    const char *cell = t->column < 0 ? text_above(w, t->column) : w->row->cells[t->column], *at;

    if (w->row->disarmed && t->column >= 0)
        cell = csv_rearm(cell);
    cell += strspn(cell, " \t\r\n");
    if (t->after)
        cell = (at = strstr(cell, t->after)) ? at + strlen(t->after) : "";
    if (t->before && (at = strstr(cell, t->before))) {
        cell = arena_strndup(w->arena, cell, (size_t)(at - cell));
        w->full |= cell == NULL;
    }
    return cell ? cell : "";
}

struct joined {
    size_t n;
    int column;                       /* the first with content */
    int parts;                        /* cells with content */
    enum grid_type type;              /* of the first; an error or a missing value of any */
    const struct grid_format *format; /* of the first, NULL = nothing to be said */
    const char *unit;                 /* of the header it came from, NULL = none */
    const char *shown;                /* unit that its number format says, NULL = none */
    bool over, shared;                /* too long; merged over several rows */
    bool armed;                       /* the first had a ' before it, for spreadsheets */
    char text[MAX_TEXT];
};

static void take_type(const struct work *w, const struct term *t, struct joined *j)
{
    enum grid_type type = w->row->types && t->column >= 0 ? w->row->types[t->column] : GRID_TEXT;

    j->shared |= w->row->shared && t->column >= 0 && w->row->shared[t->column];
    if (j->parts == 0 && w->row->formats && t->column >= 0)
        j->format = w->row->formats[t->column];
    if (j->parts == 0 && w->row->disarmed && t->column >= 0)
        j->armed = csv_rearm(w->row->cells[t->column]) != w->row->cells[t->column];
    if (j->parts++ == 0 || type == GRID_ERROR || type == GRID_NO_VALUE)
        j->type = type;
}

static void append(struct joined *j, const char *text)
{
    size_t n = strlen(text);

    if (j->n + n >= sizeof(j->text)) {
        j->over = true;
        return;
    }
    memcpy(j->text + j->n, text, n + 1);
    j->n += n;
}

static size_t trimmed_length(const char *s)
{
    size_t n = strlen(s);

    while (n && strchr(" \t\r\n", s[n - 1]))
        n--;
    return n;
}

/* Texts between columns are kept only where a column with content follows; those at the end, after one. */
static bool join_alt(struct work *w, const struct alt *a, struct joined *j)
{
    int from = 0;

    memset(j, 0, offsetof(struct joined, text) + 1); /* not all of it: that is a tenth of reading a sheet */
    j->column = -1;
    j->type = GRID_TEXT;
    j->unit = a->unit;
    for (int i = 0; i < a->n; i++) {
        const char *cell = a->terms[i].literal ? "" : cell_of(w, &a->terms[i]);
        if (!trimmed_length(cell))
            continue;
        for (int k = from; k < i; k++)
            if (a->terms[k].literal)
                append(j, a->terms[k].literal);
        append(j, cell);
        take_type(w, &a->terms[i], j);
        j->n = trimmed_length(j->text);
        j->text[j->n] = 0;
        if (j->column < 0)
            j->column = a->terms[i].column;
        from = i + 1;
    }
    int tail = a->n; /* the texts behind the last column */
    while (tail > 0 && a->terms[tail - 1].literal)
        tail--;
    for (int k = tail; (from > 0 || tail == 0) && k < a->n; k++)
        append(j, a->terms[k].literal);
    return j->n > 0;
}

static void join_expr(struct work *w, const struct expr *x, struct joined *j)
{
    for (int a = 0; a < x->n; a++)
        if (join_alt(w, &x->alts[a], j))
            break;
    if (j->column < 0)
        j->column = mapping_first_column(x);
}

static char *keep(struct work *w, const char *text)
{
    char *s = arena_strdup(w->arena, text);

    w->full |= s == NULL;
    return s;
}

/* The first SHOWN_TEXT characters, with "?" for those that may not be sent. */
static char *keep_shown(struct work *w, const char *text)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
    char *out = arena_alloc(w->arena, SHOWN_TEXT * 4 + 1);
    size_t n = 0;

    w->full |= out == NULL;
    if (!out || !utf8_valid(p, (size_t)(end - p)))
        end = p;
    for (int chars = 0; p < end && chars < SHOWN_TEXT; chars++) {
        const uint8_t *from = p;
        if (utf8_forbidden(utf8_next(&p, end))) {
            out[n++] = '?';
        } else {
            memcpy(out + n, from, (size_t)(p - from));
            n += (size_t)(p - from);
        }
    }
    if (out)
        out[utf8_clean((const uint8_t *)out, n) ? n : 0] = 0;
    return out;
}

static bool add_bad(struct work *w, const char *field, int column, const char *text, const char *message)
{
    Qipan__ImportRow *r = w->out;
    Qipan__BadValue *b = arena_alloc(w->arena, sizeof(*b));

    if (!r->bad)
        r->bad = arena_alloc(w->arena, (MAX_FIELDS + 2) * sizeof(*r->bad));
    if (!b || !r->bad) {
        w->full = true;
        return false;
    }
    qipan__bad_value__init(b);
    b->field = field ? keep(w, field) : NULL;
    b->column = column >= 0 ? keep_shown(w, w->m->headers[column]) : NULL;
    b->text = keep_shown(w, text);
    b->message = keep(w, message);
    r->bad[r->n_bad++] = b;
    return true;
}

static bool add_bad_value(struct work *w, const struct field *f, const struct joined *j,
                          const struct value_error *e)
{
    char message[sizeof(e->message) + sizeof(e->hint) + 8];

    snprintf(message, sizeof(message), e->hint[0] ? "%s (%s)" : "%s", e->message, e->hint);
    return add_bad(w, f->f->name, j->column, j->text, message);
}

static void add_clear(struct work *w, const struct field *f)
{
    Qipan__ImportRow *r = w->out;

    if (!r->clear)
        r->clear = arena_alloc(w->arena, MAX_FIELDS * sizeof(*r->clear));
    if (r->clear)
        r->clear[r->n_clear++] = keep(w, f->f->name);
    else
        w->full = true;
}

static const struct map_value *look_up(const struct field *f, const char *cell)
{
    struct map_value wanted = {.cell = cell};
    const struct map_value *v =
        bsearch(&wanted, f->values, (size_t)f->n_values, sizeof(*f->values), mapping_by_cell);

    return v || !*cell ? v : f->other;
}

/* Replaces the cell by what its list says. False when that ends the work on the field. */
static bool map_cell(struct work *w, const struct field *f, struct joined *j)
{
    struct value_error e = {0};
    char *clean = value_clean(j->text, w->arena, &e);
    const struct map_value *v = clean ? look_up(f, clean) : NULL;

    if (!clean)
        return add_bad_value(w, f, j, &e), false;
    if (!v && !*clean)
        return true;
    if (!v) {
        snprintf(e.message, sizeof(e.message), _("\"%.80s\" is not in the list [values %s] of the mapping"),
                 clean, f->f->name);
        return add_bad_value(w, f, j, &e), false;
    }
    if (v->outcome == SKIP_ROW) {
        snprintf(j->text, sizeof(j->text), _("the mapping skips rows with %s = %.200s"), f->f->name, clean);
        w->out->skip = keep(w, j->text);
        return false;
    }
    if (v->outcome == TAKE) {
        j->n = 0;
        j->text[0] = 0;
        append(j, v->text);
    }
    return true;
}

static const char *default_unit(const struct mapping *m, const struct field *f, const struct joined *j)
{
    enum value_kind kind = value_kind(f->f);

    return j->shown              ? j->shown
           : f->expr.unit        ? f->expr.unit
           : j->unit             ? j->unit
           : kind == VALUE_MONEY ? m->unit
           : kind == VALUE_AREA  ? m->area_unit
                                 : NULL;
}

/* ---------------------------------------------------------------- what a number format says */

static bool refuse_percent(const struct joined *j, struct value_error *e)
{
    snprintf(e->message, sizeof(e->message), _("the cell holds %.80s and shows it as a percentage"), j->text);
    snprintf(e->hint, sizeof(e->hint), "%s", _("write the figure itself, with an ordinary number format"));
    return false;
}

/* What the amounts of the row are in; of an arrival only the one that says so is in another currency. */
static const char *currency_of(const struct work *w, const struct field *f)
{
    const ProtobufCMessageDescriptor *d = w->m->desc;
    const ProtobufCFieldDescriptor *c = protobuf_c_message_descriptor_get_field_by_name(d, "currency");
    bool own = protobuf_c_message_descriptor_get_field_by_name(d, "amount_foreign") &&
               strcmp(f->f->name, "amount_foreign") != 0;
    const char *code = c && !own && value_has(w->object, c) ? value_text(w->object, c, w->arena) : NULL;

    return code ? code : "CNY";
}

static bool check_currency(const struct work *w, const struct field *f, const struct joined *j,
                           struct value_error *e)
{
    const char *shown = j->format->currency, *said = currency_of(w, f);

    if (!*shown || !strcmp(shown, said))
        return true;
    snprintf(e->message, sizeof(e->message), _("the cell shows the amount in %s, the row says %s"), shown,
             said);
    snprintf(
        e->hint, sizeof(e->hint), "%s",
        _("a column 币种 (USD, EUR …) says the currency, or a mapping file (currency = USD); or change the "
          "number format"));
    return false;
}

/* The unit of 10^power yuan; NULL = there is none. */
static const char *unit_of_power(int power)
{
    static const char *const units[] = {
        [0] = "元", [3] = "千元", [4] = "万元", [6] = "百万元", [7] = "千万元", [8] = "亿元"};

    return power >= 0 && power <= 8 ? units[power] : NULL;
}

static bool refuse_unit(const struct joined *j, const char *said, struct value_error *e)
{
    if (j->format->unit[0])
        snprintf(e->message, sizeof(e->message),
                 _("the cell holds %.80s and shows it in %s, the sheet says %s"), j->text, j->format->unit,
                 said);
    else
        snprintf(e->message, sizeof(e->message),
                 _("the cell holds %.80s and shows another number, the sheet says %s"), j->text, said);
    snprintf(e->hint, sizeof(e->hint),
             _("give it an ordinary number format: then it is in %s, or correct it"), said);
    return false;
}

/* 0.0,,"百万" shows 12345678 as 12.3百万: what the cell holds is in yuan then, whether the header repeats 百万 or not. Without a unit a number
 * that is shown shortened may be meant either way where the sheet names one. */
static bool check_unit(struct joined *j, const char *said, struct value_error *e)
{
    int shown, held, power = 0;
    bool named = value_money_unit(j->format->unit[0] ? j->format->unit : NULL, &shown);

    if (said && !value_money_unit(said, &power))
        return true; /* 万美元: refused for that */
    if (!named)
        return j->format->scale && power ? refuse_unit(j, said, e) : true;
    held = shown - j->format->scale;
    j->shown = unit_of_power(held);
    return j->shown && (!said || power == shown || power == held) ? true
                                                                  : refuse_unit(j, said ? said : "元", e);
}

static bool check_area_unit(struct joined *j, const char *said, struct value_error *e)
{
    const char *shown = j->format->unit;

    if (j->format->scale)
        return refuse_unit(j, said ? said : "亩", e);
    if (!value_area_unit(shown))
        return true;
    j->shown = shown;
    return said && strcmp(said, shown) != 0 ? refuse_unit(j, said, e) : true;
}

/* What the cell holds counts, not what it shows; but where both may be meant nobody guesses. */
static bool check_format(const struct work *w, const struct field *f, struct joined *j, struct value_error *e)
{
    enum value_kind kind = value_kind(f->f);

    if (!j->format || (kind != VALUE_MONEY && kind != VALUE_AREA && kind != VALUE_INT))
        return true;
    if (j->format->percent)
        return refuse_percent(j, e);
    if (kind == VALUE_AREA)
        return check_area_unit(j, default_unit(w->m, f, j), e);
    return kind == VALUE_INT || (check_currency(w, f, j, e) && check_unit(j, default_unit(w->m, f, j), e));
}

/* An empty cell, or one that says so in its way. */
static bool says_nothing(const struct work *w, const struct field *f, const struct joined *j)
{
    struct value_error e;
    size_t n = trimmed_length(j->text);
    char *s = n && n <= NOTHING_MAX ? value_clean(j->text, w->arena, &e) : NULL;

    s = s ? value_fold(s, w->arena) : NULL;
    return !n || (s && value_is_none(f->f, s));
}

/* What spreadsheets write where a formula failed; in text it is all that is left of it. The registry's own sheet says what is in it. */
static bool is_error(const struct work *w, const struct joined *j)
{
    static const char *const errors[] = {"#N/A",  "#REF!",  "#DIV/0!", "#VALUE!", "#NAME?",
                                         "#NUM!", "#NULL!", "#SPILL!", "#CALC!",  "#FIELD!"};

    for (size_t i = 0; w->m->version.column < 0 && i < sizeof(errors) / sizeof(errors[0]); i++)
        if (!strcmp(j->text, errors[i]))
            return true;
    return j->type == GRID_ERROR;
}

/* A formula without a result has nothing to say; what it says now may be wrong. */
static bool check_formula(const struct work *w, const struct joined *j, struct value_error *e)
{
    bool error = is_error(w, j);

    if (!error && j->type != GRID_NO_VALUE)
        return true;
    snprintf(e->message, sizeof(e->message),
             error ? _("the cell holds an error: %.80s") : _("nothing has computed the formula yet: %.80s"),
             j->text);
    snprintf(e->hint, sizeof(e->hint), "%s",
             error ? _("repair the formula, or write the value")
                   : _("open the workbook in a spreadsheet program and save it"));
    return false;
}

#define FIRST_SERIAL 20000 /* 1954; smaller numbers are years, larger ones (to 2119) no dates people mean */
#define LAST_SERIAL  80000
#define LONGEST      15 /* digits that a number in a spreadsheet holds */
#define DIGITS       "0123456789"

/* A number in a field of dates is a day's number, or what it looks like; one of a date and a time is the date. */
static void to_date(const struct work *w, struct joined *j)
{
    double number = j->type == GRID_NUMBER ? strtod(j->text, NULL) : 0;

    if (number >= FIRST_SERIAL && number < LAST_SERIAL) {
        j->text[strcspn(j->text, ".")] = 0;
        xlsx_date(j->text, XLSX_YEAR | XLSX_MONTH | XLSX_DAY, w->row->since_1904, j->text);
    } else if (j->type == GRID_DATE && j->n > 10 && j->text[10] == ' ') {
        j->text[10] = 0;
    }
    j->n = strlen(j->text);
}

/* 9.13201E+17 is what a spreadsheet program makes of a long number when it saves text. What came out of the registry is another matter: a
 * cell of text in its workbook, or one that its CSV protects, was never a number. */
static bool is_mangled(const struct work *w, const struct joined *j)
{
    bool own = w->m->version.column >= 0, kept = w->row->disarmed ? j->armed : j->type == GRID_TEXT;

    return csv_is_power(j->text) && !(own && kept);
}

static bool refuse_exponent(const struct joined *j, struct value_error *e)
{
    snprintf(e->message, sizeof(e->message), _("\"%.80s\" is written with an exponent"), j->text);
    snprintf(e->hint, sizeof(e->hint), "%s", _("format the column as text and type the value again"));
    return false;
}

/* 0551… in a cell of numbers that is shown with its zero: of a text that is the text. */
static void add_zeros(struct joined *j)
{
    size_t zeros = j->format && j->parts == 1 && j->type == GRID_NUMBER ? j->format->zeros : 0;

    if (!j->n || j->n >= zeros || j->text[strspn(j->text, DIGITS)])
        return;
    memmove(j->text + zeros - j->n, j->text, j->n + 1);
    memset(j->text, '0', zeros - j->n);
    j->n = zeros;
}

/* A code typed as a number has zeros where its last digits were. */
static bool check_digits(const struct work *w, const struct field *f, struct joined *j, struct value_error *e)
{
    enum value_kind kind = value_kind(f->f);

    if (kind != VALUE_TEXT && kind != VALUE_CODE)
        return true;
    if (is_mangled(w, j))
        return refuse_exponent(j, e);
    if (j->type != GRID_NUMBER || strspn(j->text, DIGITS) <= LONGEST) {
        add_zeros(j);
        return true;
    }
    snprintf(e->message, sizeof(e->message),
             _("the cell is a number of %zu digits; the sheet has lost those behind the 15th"),
             strspn(j->text, DIGITS));
    snprintf(e->hint, sizeof(e->hint), "%s", _("format the column as text and type the value again"));
    return false;
}

/* A figure over three rows is one figure: given to each of them it would count three times. */
static bool check_shared(const struct field *f, const struct joined *j, struct value_error *e)
{
    enum value_kind kind = value_kind(f->f);

    if (!j->shared || (kind != VALUE_MONEY && kind != VALUE_AREA && kind != VALUE_INT))
        return true;
    snprintf(e->message, sizeof(e->message), _("the figure \"%.80s\" is merged over several rows"), j->text);
    snprintf(e->hint, sizeof(e->hint), "%s", _("unmerge the cells and write for each row what is its own"));
    return false;
}

static bool check_type(const struct work *w, const struct field *f, struct joined *j, struct value_error *e)
{
    if (!check_formula(w, j, e) || !check_shared(f, j, e))
        return false;
    if (j->parts == 1 && value_kind(f->f) == VALUE_DATE)
        to_date(w, j);
    return j->parts != 1 || (check_digits(w, f, j, e) && check_format(w, f, j, e));
}

/* The row of an export that speaks of what the registry has. */
static bool is_own_row(const struct work *w)
{
    const ProtobufCFieldDescriptor *id = protobuf_c_message_descriptor_get_field_by_name(w->m->desc, "id");

    return w->m->own && id && value_has(w->object, id);
}

/* A dash put into a text that came out of the registry is an edit: left out, it would be lost without a word. */
static bool is_dash(const struct work *w, const struct field *f, const struct joined *j)
{
    return value_kind(f->f) == VALUE_TEXT && trimmed_length(j->text) && is_own_row(w);
}

static void take_field(struct work *w, const struct field *f, struct joined *j)
{
    struct value_error e = {0};

    if (f->constant) {
        w->full |= !value_set(w->object, f->f, f->constant, NULL, w->arena, &e);
        return;
    }
    join_expr(w, &f->expr, j);
    if (j->over) {
        snprintf(e.message, sizeof(e.message), _("the text is longer than %d bytes"), MAX_TEXT);
        add_bad_value(w, f, j, &e);
        return;
    }
    if (!check_type(w, f, j, &e)) {
        add_bad_value(w, f, j, &e);
        return;
    }
    if (f->values && !map_cell(w, f, j))
        return;
    if (says_nothing(w, f, j) && !is_dash(w, f, j)) {
        if (w->m->clear)
            add_clear(w, f);
        return;
    }
    if (!value_set(w->object, f->f, j->text, default_unit(w->m, f, j), w->arena, &e))
        add_bad_value(w, f, j, &e);
}

/* The columns of [key], all of them filled, joined by a slash. */
static void take_key(struct work *w, struct joined *j)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(w->m->desc, "external_id");
    char key[MAX_TEXT];
    struct value_error e = {0};
    size_t n = 0;

    for (int i = 0; i < w->m->n_keys; i++) {
        join_expr(w, &w->m->keys[i], j);
        add_zeros(j);
        if (!j->n) {
            add_bad(w, f->name, j->column, "", _("the key of the row is empty"));
            return;
        }
        int len = snprintf(key + n, MAX_TEXT - n, "%s%s", i ? "/" : "", j->text);
        if (j->over || len < 0 || (size_t)len >= MAX_TEXT - n) {
            add_bad(w, f->name, j->column, j->text, _("the key of the row is too long"));
            return;
        }
        n += (size_t)len;
    }
    if (!value_set(w->object, f, key, NULL, w->arena, &e))
        add_bad(w, f->name, j->column, key, e.message);
}

static const struct skip *skips(struct work *w)
{
    for (int i = 0; i < w->m->n_skips; i++) {
        const struct skip *k = &w->m->skips[i];
        const char *cell = cell_of(w, &k->term);
        size_t n = trimmed_length(cell);
        if (k->contains ? strstr(cell, k->text) != NULL : n == strlen(k->text) && !strncmp(cell, k->text, n))
            return k;
    }
    return NULL;
}

static bool start_row(struct work *w)
{
    w->out = arena_alloc(w->arena, sizeof(*w->out));
    if (!w->out)
        return false;
    qipan__import_row__init(w->out);
    w->out->has_row = 1;
    w->out->row = w->row->number;
    return true;
}

static bool start_object(struct work *w)
{
    if (!(w->object = arena_alloc(w->arena, w->m->desc->sizeof_message)))
        return false;
    protobuf_c_message_init(w->m->desc, w->object);
    return true;
}

/* The version that an exported sheet says its row was made from. */
static void take_version(struct work *w)
{
    const char *cell = w->m->version.column < 0 ? "" : cell_of(w, &w->m->version);
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(w->out->base.descriptor, "version");
    struct value_error e;

    if (trimmed_length(cell) && !value_set(&w->out->base, f, cell, NULL, w->arena, &e))
        add_bad(w, "version", w->m->version.column, cell, e.message);
}

/* Of contacts an export holds only what its maker might see; a text may be what elsewhere means nothing. */
static bool is_emptied(struct work *w, const struct field *f, struct joined *j)
{
    static const char *const others[] = {"id", "no", "contact_name", "contact_phone"};
    enum value_kind kind = value_kind(f->f);
    bool figure = kind == VALUE_MONEY || kind == VALUE_AREA || kind == VALUE_INT || kind == VALUE_DATE;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (!strcmp(f->f->name, others[i]))
            return false;
    if (value_has(w->object, f->f))
        return false;
    join_expr(w, &f->expr, j);
    return !j->n || (figure && says_nothing(w, f, j));
}

/* Who empties a cell of a sheet that the registry wrote has edited it. In JSON a field that isn't there says nothing. */
static void take_emptied(struct work *w, struct joined *j)
{
    if (!w->row->types || !w->out->has_version || w->out->n_bad || !is_own_row(w))
        return;
    for (int i = 0; i < w->m->n_fields; i++)
        if (is_emptied(w, &w->m->fields[i], j))
            add_clear(w, &w->m->fields[i]);
}

static void skip_row(struct work *w, const char *format, const char *why)
{
    char text[MAX_SKIP];

    snprintf(text, sizeof(text), format, why);
    w->out->skip = keep_shown(w, text);
}

/* Is there an amount whose unit neither its column nor the sheet says? */
static bool has_bare_amounts(const struct mapping *m)
{
    for (int i = 0; i < m->n_fields && !m->unit; i++) {
        const struct field *f = &m->fields[i];
        for (int a = 0; a < f->expr.n && value_kind(f->f) == VALUE_MONEY && !f->expr.unit; a++)
            if (!f->expr.alts[a].unit)
                return true;
    }
    return false;
}

/* The unit comes too late: the rows above were read in yuan. */
static void refuse_late_unit(struct work *w)
{
    char message[MAX_SKIP];

    snprintf(
        message, sizeof(message),
        _("amounts are in %s, as only this line says: write 单位：%s above the table, or into the heading"),
        w->row->unit, w->row->unit);
    add_bad(w, NULL, -1, w->row->unit, message);
}

static void take_row(struct work *w)
{
    const struct skip *k = skips(w);
    struct joined j;

    if (k)
        skip_row(w, _("the mapping skips rows with %.200s"), k->reason);
    else if (w->row->unit && *w->row->unit && has_bare_amounts(w->m))
        refuse_late_unit(w);
    else if (w->row->skip)
        skip_row(w, "%s", w->row->skip);
    if (w->out->skip || w->out->n_bad)
        return;
    for (int i = 0; i < w->m->n_fields && !w->out->skip; i++) /* it says what the amounts are */
        if (!strcmp(w->m->fields[i].f->name, "currency"))
            take_field(w, &w->m->fields[i], &j);
    for (int i = 0; i < w->m->n_fields && !w->out->skip; i++)
        if (strcmp(w->m->fields[i].f->name, "currency") != 0)
            take_field(w, &w->m->fields[i], &j);
    if (w->m->n_keys && !w->out->skip)
        take_key(w, &j);
    take_version(w);
    take_emptied(w, &j);
}

static void finish_project(struct work *w)
{
    Qipan__Project *p = (Qipan__Project *)w->object;

    if (w->m->source.name && !p->source && p->external_id)
        p->source = keep(w, w->m->source.name);
    w->out->set = p;
}

static void finish_record(struct work *w)
{
    const ProtobufCMessageDescriptor *d = w->m->desc;
    Qipan__ImportRow *r = w->out;
    Qipan__FieldValue *all = arena_alloc(w->arena, d->n_fields * sizeof(*all));

    r->values = arena_alloc(w->arena, d->n_fields * sizeof(*r->values));
    w->full |= !all || !r->values;
    for (unsigned i = 0; !w->full && i < d->n_fields; i++) {
        if (!value_has(w->object, &d->fields[i]))
            continue;
        Qipan__FieldValue *v = &all[r->n_values];
        qipan__field_value__init(v);
        v->has_number = 1;
        v->number = d->fields[i].id;
        v->value = value_text(w->object, &d->fields[i], w->arena);
        w->full |= !v->value;
        r->values[r->n_values++] = v;
    }
}

Qipan__ImportRow *mapping_row(const struct mapping *m, const struct sheet_row *row, struct arena *arena)
{
    struct work w = {.m = m, .row = row, .arena = arena};

    if (!start_row(&w) || !start_object(&w))
        return NULL;
    if (row->bad)
        add_bad(&w, NULL, row->bad_column, row->bad_text, row->bad);
    else
        take_row(&w);
    if (row->bad || w.out->skip)
        return w.full ? NULL : w.out;
    if (m->desc == &qipan__project__descriptor)
        finish_project(&w);
    else
        finish_record(&w);
    return w.full ? NULL : w.out;
}

Qipan__ImportRow *mapping_refuse(int row, const char *column, const char *text, const char *message,
                                 struct arena *arena)
{
    char *headers[1] = {(char *)(uintptr_t)(column ? column : "")};
    struct mapping m = {.headers = headers};
    struct sheet_row r = {.number = row};
    struct work w = {.m = &m, .row = &r, .arena = arena};

    return start_row(&w) && add_bad(&w, NULL, column ? 0 : -1, text, message) && !w.full ? w.out : NULL;
}
