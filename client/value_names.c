/* SPDX-License-Identifier: Apache-2.0 */
/* Fields: their kinds, what people call them, and which one a misspelt word means. */
#include "value_internal.h"

#include "utf8.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name, *zh, *en;
} labels[] = {
#define FIELD(name, zh, en) {#name, zh, en},
#define OTHER(name, zh)
#include "fields.def"
#undef FIELD
#undef OTHER
};

static const struct {
    const char *name, *other;
} others[] = {
#define FIELD(name, zh, en)
#define OTHER(name, zh) {#name, zh},
#include "fields.def"
#undef FIELD
#undef OTHER
};

static bool ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), m = strlen(tail);

    return n > m && !strcmp(s + n - m, tail);
}

enum value_kind value_kind(const ProtobufCFieldDescriptor *f)
{
    static const char *const codes[] = {
        "id",          "no",   "code",   "credit_code", "currency", "industry", "stage",         "office",
        "host_office", "park", "region", "class",       "kind",     "project",  "contact_phone", NULL};

    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return f->type == PROTOBUF_C_TYPE_STRING ? VALUE_LIST : VALUE_OTHER;
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
        if (!strncmp(f->name, "amount_", 7))
            return VALUE_MONEY;
        return !strcmp(f->name, "at") || ends_with(f->name, "_at") ? VALUE_INSTANT : VALUE_INT;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
        return VALUE_INT;
    case PROTOBUF_C_TYPE_BOOL:
        return VALUE_BOOL;
    case PROTOBUF_C_TYPE_STRING:
        if (ends_with(f->name, "_on"))
            return VALUE_DATE;
        if (ends_with(f->name, "_mu"))
            return VALUE_AREA;
        return value_one_of(f->name, codes) ? VALUE_CODE : VALUE_TEXT;
    default:
        return VALUE_OTHER;
    }
}

bool value_writable(const ProtobufCFieldDescriptor *f)
{
    static const char *const fixed[] = {"id",          "no",          "version",         "auto_tags",
                                        "merged_into", "admitted_on", "protected_until", "registered_at",
                                        "changed_at",  NULL};

    return !value_one_of(f->name, fixed);
}

const char *value_label(const char *field, const char *lang)
{
    for (size_t i = 0; i < N(labels); i++)
        if (!strcmp(labels[i].name, field))
            return lang && !strncmp(lang, "en", 2) ? labels[i].en : labels[i].zh;
    return field;
}

/* Headings come without their blanks: Projectcode. */
static bool is_english(const char *label, const char *name)
{
    for (;; label++, name++) {
        label += strspn(label, " ");
        name += strspn(name, " ");
        if (strncasecmp(label, name, 1) != 0)
            return false;
        if (!*label)
            return true;
    }
}

const ProtobufCFieldDescriptor *value_field(const ProtobufCMessageDescriptor *desc, const char *name)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(desc, name);

    for (size_t i = 0; !f && i < N(labels); i++)
        if (!strcmp(labels[i].zh, name) || is_english(labels[i].en, name))
            f = protobuf_c_message_descriptor_get_field_by_name(desc, labels[i].name);
    for (size_t i = 0; !f && i < N(others); i++)
        if (!strcmp(others[i].other, name))
            f = protobuf_c_message_descriptor_get_field_by_name(desc, others[i].name);
    return f;
}

/* ---------------------------------------------------------------- nearest word */

#define WORD_MAX 48

static size_t code_points(const char *text, uint32_t *out)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
    size_t n = 0;

    if (!utf8_valid(p, end - p))
        return 0;
    while (p < end && n < WORD_MAX)
        out[n++] = utf8_next(&p, end);
    return n;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;

    return m < c ? m : c;
}

/* Edits (a swap of neighbours is one) that lead from one word to the other. */
static unsigned distance(const char *left, const char *right)
{
    uint32_t a[WORD_MAX], b[WORD_MAX];
    size_t n = code_points(left, a), m = code_points(right, b);
    unsigned d[WORD_MAX + 1][WORD_MAX + 1];

    for (size_t i = 0; i <= n; i++)
        d[i][0] = (unsigned)i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            d[i][j] = least(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1, d[i][j]);
        }
    }
    return d[n][m];
}

/* How far a word may be to count as meant: a third of it, or when one begins the other. Of two characters one changed makes another word
 * (规划, 规模): only swapped, or with one more, they are the same. */
static unsigned score(const char *written, const char *word)
{
    uint32_t a[WORD_MAX], b[WORD_MAX];
    size_t n = code_points(written, a), m = code_points(word, b), w = strlen(written);
    unsigned d = distance(written, word);

    if (n == 0)
        return 1000;
    if (w > 2 && strlen(word) > w && !strncmp(written, word, w))
        return 1;
    if (n <= 2 && d > 0 && (n == 1 || m <= n) && !(m == 2 && n == 2 && a[0] == b[1] && a[1] == b[0]))
        return 1000;
    return d <= (n + 2) / 3 ? d : 1000;
}

const char *value_nearest(const char *written, const char *const *words)
{
    const char *best = NULL;
    unsigned best_score = 1000;

    for (; *words; words++) {
        unsigned s = score(written, *words);
        if (s < best_score) {
            best_score = s;
            best = *words;
        }
    }
    return best;
}

const char *value_nearest_field(const ProtobufCMessageDescriptor *desc, const char *written, bool writable)
{
    const char *best = NULL;
    unsigned best_score = 1000;

    for (unsigned i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &desc->fields[i];
        unsigned s = score(written, f->name), t = score(written, value_label(f->name, "zh"));
        if (writable && !value_writable(f))
            continue;
        s = s < t ? s : t;
        if (s < best_score) {
            best_score = s;
            best = f->name;
        }
    }
    return best;
}
