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

/* Characters no field may hold: C0 except tab and newline, DEL, C1, line and paragraph separator, direction controls
 * (U+061C, U+200E/F, U+202A-E, U+2066-9) and their deprecated kin, U+FEFF, interlinear marks, tags, noncharacters, and
 * the private planes 15 and 16. Private use below U+FFFF stays: GB18030 files of real offices hold such characters. */
bool utf8_forbidden(uint32_t code_point);

/* Characters that may be stored, for pasted text is full of them, but that nobody sees: zero width, soft hyphen, fillers. */
bool utf8_unseen(uint32_t code_point);

/* May reach a terminal, a log, a page as it is: neither control nor forbidden nor unseen. */
bool utf8_is_safe(uint32_t code_point);

/* The one gate of everything that people read: text with each character that isn't safe, and each byte that is no UTF-8,
 * shown as \u{202E} or \x9b; so it is one line. Whole characters up to `size`, ended by NUL; returns the length.
 * UTF8_SHOWN bytes of room for each byte of text are always enough. */
size_t utf8_show(char *out, size_t size, const char *text);
#define UTF8_SHOWN 12

/* The same for one character, without the NUL; a byte that belongs to none counts as one. Advances *s. */
size_t utf8_show_one(const uint8_t **s, const uint8_t *end, char out[UTF8_SHOWN]);

/* Valid, nothing forbidden, and at most 32 combining marks (U+0300-036F, U+1AB0-1AFF, U+20D0-20FF) in a row. */
bool utf8_clean(const uint8_t *s, size_t n);

/* Bytes of a text, at most so many, that hold whole characters. */
size_t utf8_fit(const char *text, size_t most);

#endif
