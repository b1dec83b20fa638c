/* SPDX-License-Identifier: Apache-2.0 */
#include "cells.h"

#include "json.h"
#include "labels.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- words of the county */

static bool is_coded(const ProtobufCMessageDescriptor *d)
{
    return d == &qipan__project__descriptor || d == &qipan__due__descriptor ||
           d == &qipan__receipt__descriptor || d == &qipan__signature__descriptor;
}

/* An item of a list for people: a code by its label, code=value by label and value, role@office by both labels. */
static const char *item_text(struct cli *cli, const char *kind, const char *field, const char *item)
{
    const char *sign = strpbrk(item, "=@"), *label, *rest;
    char *code = sign ? arena_strndup(&cli->scratch, item, (size_t)(sign - item)) : NULL, *text;

    label = labels_record_code(cli, kind, field, code ? code : item);
    if (!code || !label)
        return label && !code ? label : item;
    rest = *sign == '='     ? sign + 1
           : sign[1] == '*' ? _("whole county")
                            : labels_text(cli, "office", sign + 1);
    text = arena_alloc(&cli->scratch, strlen(label) + strlen(rest) + sizeof "()");
    if (text)
        sprintf(text, *sign == '@' ? "%s(%s)" : "%s %s", label, rest);
    return text ? text : item;
}

/* Codes of a list each by its label. */
static const char *record_list(struct cli *cli, const char *kind, const char *field, char *const *items,
                               size_t n)
{
    size_t size = 1;
    char *text, *end;
    const char **labels = arena_alloc(&cli->scratch, n * sizeof *labels);

    for (size_t i = 0; labels && i < n; i++) {
        labels[i] = item_text(cli, kind, field, items[i]);
        size += strlen(labels[i]) + strlen("、");
    }
    text = end = labels ? arena_alloc(&cli->scratch, size) : NULL;
    for (size_t i = 0; text && i < n; i++)
        end += sprintf(end, "%s%s", i ? "、" : "", labels[i]);
    return text;
}

/* Roles joined by commas. */
static const char *roles_text(struct cli *cli, const char *roles)
{
    char *items[16], *rest = arena_strdup(&cli->scratch, roles), *item;
    size_t n = 0;

    while (rest && n < sizeof items / sizeof *items && (item = strsep(&rest, ",")))
        items[n++] = item;
    return record_list(cli, "whoami", "role", items, n);
}

/* A fact of a case by its label, with its value. */
static const char *fact_text(struct cli *cli, json_t *fact)
{
    const char *name = json_string_value(json_object_get(fact, "fact"));
    const char *value = json_string_value(json_object_get(fact, "value"));
    const char *kind = json_string_value(json_object_get(fact, "kind"));
    const char *label = name ? labels_record_code(cli, "case", "facts", name) : NULL;
    const char *word = value && kind ? labels_record_code(cli, "case", kind, value) : NULL;
    char *text;

    label = label ? label : name ? name : "";
    word = word ? word : value ? value : "—";
    text = arena_alloc(&cli->scratch, strlen(label) + strlen(word) + 2);
    if (text)
        sprintf(text, "%s %s", label, word);
    return text ? text : "";
}

/* What a case knows: [{"fact", "value", "kind"}]; `case facts` shows the limits, too. */
static const char *facts_text(struct cli *cli, const char *json)
{
    json_t *facts = json_loads(json, 0, NULL), *fact;
    const char *mark = "; ";
    char *text = arena_strdup(&cli->scratch, "");
    size_t i;

    json_array_foreach(facts, i, fact)
    {
        const char *one = fact_text(cli, fact);
        char *longer =
            text ? arena_alloc(&cli->scratch, strlen(text) + strlen(mark) + strlen(one) + 1) : NULL;
        if (longer)
            sprintf(longer, "%s%s%s", text, i ? mark : "", one);
        text = longer;
    }
    json_decref(facts);
    return text ? text : "";
}

/* NULL: a field without codes. */
static const char *record_text(struct cli *cli, const char *kind, const ProtobufCMessage *row,
                               const ProtobufCFieldDescriptor *f)
{
    if (f->type == PROTOBUF_C_TYPE_INT32 && strcmp(f->name, "rule_set") == 0)
        return labels_record_code(cli, kind, f->name, cells_canonical(cli, row, f));
    if (f->type != PROTOBUF_C_TYPE_STRING ||
        (row->descriptor == &qipan__whoami_reply__descriptor && strcmp(f->name, "office") == 0))
        return NULL;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return record_list(cli, kind, f->name, *(char *const *const *)((const char *)row + f->offset),
                           *(const size_t *)((const char *)row + f->quantifier_offset));
    if (row->descriptor == &qipan__whoami_reply__descriptor && strcmp(f->name, "role") == 0)
        return roles_text(cli, *(char *const *)((const char *)row + f->offset));
    if (row->descriptor == &qipan__case__descriptor && strcmp(f->name, "facts") == 0)
        return facts_text(cli, *(char *const *)((const char *)row + f->offset));
    return labels_record_code(cli, kind, f->name, *(char *const *)((const char *)row + f->offset));
}

const char *cells_words(struct cli *cli, const char *kind, const ProtobufCMessage *row,
                        const ProtobufCFieldDescriptor *f)
{
    const char *group = is_coded(row->descriptor) ? labels_kind(f->name) : NULL;

    if (group && f->type == PROTOBUF_C_TYPE_STRING && f->label != PROTOBUF_C_LABEL_REPEATED)
        return labels_text(cli, group, *(char *const *)((const char *)row + f->offset));
    return kind ? record_text(cli, kind, row, f) : NULL;
}

/* ---------------------------------------------------------------- for programs */

const char *cells_canonical(struct cli *cli, const ProtobufCMessage *row, const ProtobufCFieldDescriptor *f)
{
    const char *text;

    if (f->type != PROTOBUF_C_TYPE_STRING || f->label == PROTOBUF_C_LABEL_REPEATED)
        text = value_text(row, f, &cli->scratch);
    else /* is its own canonical text */
        text = *(char *const *)((const char *)row + f->offset);
    return text ? text : "";
}

/* ---------------------------------------------------------------- for people */

static const struct {
    const char *word;
    int power;
} units[] = {{"元", 0}, {"千元", 3}, {"万元", 4}, {"百万元", 6}, {"亿元", 8}};

int cells_unit(const char *unit)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].word, unit) == 0)
            return units[i].power;
    return -1;
}

const char *cells_scaled(const char *yuan, int power, char *buf, size_t size)
{
    const char *digits = yuan + (*yuan == '-'), *dot = strchr(digits, '.');
    int whole = dot ? (int)(dot - digits) : (int)strlen(digits), point = whole - power;
    char *w = buf, *end;

    if (strlen(yuan) + 40 > size)
        return yuan;
    if (*yuan == '-')
        *w++ = '-';
    if (point <= 0)
        w += sprintf(w, "0.%.*s", -point, "0000000000");
    for (int i = 0; digits[i]; i++) {
        if (i < whole && i == point && point > 0)
            *w++ = '.';
        if (digits[i] != '.')
            *w++ = digits[i];
        else if (power == 0)
            *w++ = '.';
    }
    *w = '\0';
    for (end = w; strchr(buf, '.') && end[-1] == '0'; end--)
        end[-1] = '\0';
    if (end > buf && end[-1] == '.')
        end[-1] = '\0';
    return buf;
}

static const char *money(struct cli *cli, const char *yuan, const char *unit)
{
    char buf[96];

    return arena_strdup(&cli->scratch, cells_scaled(yuan, cells_unit(unit), buf, sizeof buf));
}

/* Would an import find other items in the list than it has? Some labels have a 、 of their own: 计算机、通信和其他电子设备制造业. */
static bool splits_wrongly(const ProtobufCMessage *row, const ProtobufCFieldDescriptor *f, const char *text,
                           struct arena *arena)
{
    struct value_error e;
    char *list = f->label == PROTOBUF_C_LABEL_REPEATED && *text ? value_canonical(f, text, arena, &e) : NULL;
    size_t items = 1;

    for (const char *p = list; p && (p = strchr(p, ',')); p++)
        items++;
    return list && items != *(const size_t *)((const char *)row + f->quantifier_offset);
}

const char *cells_text(struct cli *cli, const char *kind, const ProtobufCMessage *row,
                       const ProtobufCFieldDescriptor *f, const char *unit)
{
    const char *text = value_has(row, f) ? cells_words(cli, kind, row, f) : "";

    if (text)
        return splits_wrongly(row, f, text, &cli->scratch) ? cells_canonical(cli, row, f) : text;
    switch (value_kind(f)) {
    case VALUE_MONEY:
        text = money(cli, cells_canonical(cli, row, f), unit);
        break;
    case VALUE_INSTANT:
    case VALUE_LIST:
    case VALUE_BOOL:
        text = value_people(row, f, NULL, cli->lang, &cli->scratch);
        break;
    default:
        text = cells_canonical(cli, row, f);
    }
    return text ? text : "";
}

static double width_of(const ProtobufCFieldDescriptor *f)
{
    static const struct {
        const char *field;
        double width;
    } wide[] = {{"name", 32}, {"investor", 26},  {"summary", 48},     {"result", 40}, {"subject", 40},
                {"note", 30}, {"next_step", 30}, {"credit_code", 22}, {"version", 8}};

    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (strcmp(wide[i].field, f->name) == 0)
            return wide[i].width;
    return value_kind(f) == VALUE_CODE || value_kind(f) == VALUE_BOOL ? 12 : 0;
}

bool cells_column(struct cli *cli, const ProtobufCFieldDescriptor *f, const char *label, const char *unit,
                  struct table_column *ret)
{
    enum value_kind kind = value_kind(f);
    size_t size = strlen(label) + strlen(unit) + sizeof "()";
    char *heading = kind == VALUE_MONEY ? arena_alloc(&cli->arena, size) : arena_strdup(&cli->arena, label);

    if (!heading)
        return false;
    if (kind == VALUE_MONEY)
        snprintf(heading, size, "%s(%s)", label, unit);
    *ret = (struct table_column){.heading = {heading}, .decimals = -1, .width = width_of(f)};
    if (kind == VALUE_MONEY || kind == VALUE_AREA || kind == VALUE_INT)
        ret->type = TABLE_NUMBER;
    else if (kind == VALUE_DATE)
        ret->type = TABLE_DATE;
    else if (kind == VALUE_INSTANT)
        ret->type = TABLE_TIME;
    return true;
}
