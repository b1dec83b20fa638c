/* SPDX-License-Identifier: Apache-2.0 */
#include "broken.h"

#include "utf8.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void show_bytes(char *out, size_t cap, const char *in, size_t n)
{
    size_t w = 0;

    for (size_t i = 0; i < n && w + 5 < cap;) {
        size_t len = 1;
        while (len < 4 && i + len < n && ((uint8_t)in[i + len] & 0xC0) == 0x80)
            len++;
        if (utf8_clean((const uint8_t *)in + i, len)) {
            memcpy(out + w, in + i, len);
            w += len;
            i += len;
        } else {
            out[w++] = '?';
            i++;
        }
    }
    out[w] = 0;
}

void broken_set(struct broken *b, const char *text, size_t n, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(b->why, sizeof(b->why), format, ap);
    va_end(ap);
    show_bytes(b->text, sizeof(b->text), text, n);
}
