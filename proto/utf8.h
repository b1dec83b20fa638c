/* SPDX-License-Identifier: Apache-2.0 */
/* What text may be stored: valid UTF-8 without characters that lie to people or terminals. */
#ifndef QIPAN_UTF8_H
#define QIPAN_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Shortest form only, no surrogates, at most U+10FFFF, no NUL. */
bool utf8_valid(const uint8_t *s, size_t n);

/* One code point of valid UTF-8; advances *s. */
uint32_t utf8_next(const uint8_t **s, const uint8_t *end);

/* Characters no field may hold: C0 except tab and newline, DEL, C1, U+2028/2029, directional controls
 * (U+200E/F, U+202A-E, U+2066-9, U+061C), U+FEFF, unassigned planes' noncharacters (…FFFE, …FFFF, U+FDD0-FDEF). */
bool utf8_forbidden(uint32_t code_point);

/* Valid, nothing forbidden, and at most 32 combining marks (U+0300-036F, U+1AB0-1AFF, U+20D0-20FF) in a row. */
bool utf8_clean(const uint8_t *s, size_t n);

#endif
