/* SPDX-License-Identifier: Apache-2.0 */
/* What the modules behind value.h share. */
#ifndef QIPAN_VALUE_INTERNAL_H
#define QIPAN_VALUE_INTERNAL_H

#include "value.h"

#include <libintl.h>

#define _(text)  dgettext("qipan", text)
#define N(array) (sizeof(array) / sizeof((array)[0]))

/* Sets both texts; always false. */
bool value_fail(struct value_error *e, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool value_no_memory(struct value_error *e);

/* A value as it appears in a sentence: short, whole characters. */
struct value_brief {
    char text[100];
};
struct value_brief value_brief(const char *text);

/* Lists of words end with NULL. The second: the first word that occurs in the text, or NULL. The third: any case. */
bool value_one_of(const char *text, const char *const *words);
const char *value_find_any(const char *text, const char *const *words);
bool value_starts(const char *text, const char *head);

/* The text of a VALUE_CODE field, folded; some are upper case without spaces. NULL when the arena is full. */
char *value_clean_code(const char *field, const char *text, struct arena *arena);

/* Chinese numerals made figures where they can be read in one way only: 三亿五千万元 becomes 350000000元, 一百二 stays. `yuan`: one that
 * names 万 or 亿 is in 元, whatever its column is in: 两亿 becomes 200000000元. NULL when the arena is full. */
char *value_figures(const char *text, bool yuan, struct arena *arena);

/* Out of folded text. Money in fen; areas as decimal text in mu, NULL after an error. `unit`: see value_set(). */
bool value_read_money(const char *text, const char *unit, int64_t *ret, struct value_error *e);
char *value_read_area(const char *text, const char *unit, struct arena *arena, struct value_error *e);
bool value_read_int(const char *text, int64_t max, int64_t *ret, struct value_error *e);

/* Of a negative amount too, the smallest included. */
static inline uint64_t value_magnitude(int64_t v)
{
    return v < 0 ? -(uint64_t)v : (uint64_t)v;
}

struct value_day {
    int y, m, d; /* m, d 0 = not known */
};
/* False: of an impossible day, such as 1900-01-00, ret has what was written; of a text that only begins like a day it has none. */
bool value_read_day(const char *text, struct value_day *ret, struct value_error *e);
char *value_day_text(struct value_day day, struct arena *arena);

/* Microseconds UTC; people read them in the zone of TZ. */
bool value_read_instant(const char *text, int64_t *ret, struct value_error *e);
char *value_instant_text(int64_t us, struct arena *arena);
char *value_instant_people(int64_t us, struct arena *arena);

/* Items in the order written, each once. */
bool value_read_list(const char *text, struct arena *arena, char ***ret, size_t *ret_n,
                     struct value_error *e);
char *value_join(char **items, size_t n, const char *mark, struct arena *arena);

#endif
