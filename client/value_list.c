/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: 大,链 or 大、链, or one a line. */
#include "value_internal.h"

#include <stdio.h>
#include <string.h>

#define LIST_MAX 64 /* values of one list */

static const char *list_mark(const char *p, size_t *len)
{
    static const char *const marks[] = {",", ";", "、", "，", "；", "\n", NULL};

    for (; *p; p++) {
        for (const char *const *m = marks; *m; m++) {
            if (!strncmp(p, *m, *len = strlen(*m)))
                return p;
        }
    }
    *len = 0;
    return p;
}

static char *trimmed(const char *p, const char *end, struct arena *arena)
{
    while (p < end && strchr(" \t", *p))
        p++;
    while (end > p && strchr(" \t", end[-1]))
        end--;
    return arena_strndup(arena, p, (size_t)(end - p));
}

bool value_read_list(const char *text, struct arena *arena, char ***ret, size_t *ret_n, struct value_error *e)
{
    char **items = arena_alloc(arena, LIST_MAX * sizeof(*items));
    size_t n = 0, len;

    if (!items)
        return value_no_memory(e);
    for (const char *p = text, *end; *p; p = end + len) {
        end = list_mark(p, &len);
        char *item = trimmed(p, end, arena);
        bool known = !item || !*item;
        for (size_t i = 0; !known && i < n; i++)
            known = !strcmp(items[i], item);
        if (!item)
            return value_no_memory(e);
        if (known)
            continue;
        if (n == LIST_MAX)
            return value_fail(e, "", _("more than %d values in one list"), LIST_MAX);
        items[n++] = item;
    }
    *ret = items;
    *ret_n = n;
    return n > 0 ? true : value_fail(e, "", "%s", _("the value is empty"));
}

char *value_join(char **items, size_t n, const char *mark, struct arena *arena)
{
    size_t size = 1;

    for (size_t i = 0; i < n; i++)
        size += strlen(items[i]) + strlen(mark);
    char *out = arena_alloc(arena, size), *p = out;
    if (!out)
        return NULL;
    *p = 0;
    for (size_t i = 0; i < n; i++)
        p = stpcpy(stpcpy(p, i ? mark : ""), items[i]);
    return out;
}
