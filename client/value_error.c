/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a text, in sentences. */
#include "value_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool value_fail(struct value_error *e, const char *hint, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(e->message, sizeof(e->message), format, ap);
    va_end(ap);
    snprintf(e->hint, sizeof(e->hint), "%s", hint);
    return false;
}

struct value_brief value_brief(const char *text)
{
    struct value_brief s;
    size_t n = strlen(text);

    if (n >= sizeof(s.text)) {
        for (n = sizeof(s.text) - 4; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80;)
            n--;
        snprintf(s.text, sizeof(s.text), "%.*s…", (int)n, text);
    } else {
        memcpy(s.text, text, n + 1);
    }
    return s;
}

bool value_no_memory(struct value_error *e)
{
    return value_fail(e, "", "%s", _("the values need too much memory"));
}
