/* SPDX-License-Identifier: Apache-2.0 */
/* Exact decimal numbers out of text, in integers only. */
#ifndef QIPAN_DECIMAL_H
#define QIPAN_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECIMAL_MAX_DIGITS 30 /* so that a product with any unit fits 128 bits */

struct decimal {
    __int128 digits; /* value = digits / 10^scale, never negative */
    int scale;
};

enum decimal_result {
    DECIMAL_OK,
    DECIMAL_NONE,     /* no digit here */
    DECIMAL_GROUPING, /* commas or spaces that are not between thousands */
    DECIMAL_LONG,     /* more than DECIMAL_MAX_DIGITS digits */
};

/* Reads digits, groups of thousands and a fraction from *s and moves it behind them. */
enum decimal_result decimal_read(const char **s, struct decimal *ret);

/* value × num × 10^power / den as an integer; false when it is none, or is over INT64_MAX (*ret_fits = false). */
bool decimal_to_int(struct decimal d, int power, int64_t *ret, bool *ret_fits);

/* value × num / den (den a power of ten times 2^n 5^m), shortest text; false when more than max_scale decimals are needed
 * or it is over 10^15. */
bool decimal_to_text(struct decimal d, int64_t num, int64_t den, int max_scale, char *buf, size_t n);

#endif
