/* SPDX-License-Identifier: Apache-2.0 */
/* Any text into any field of a project. What is accepted must be clean text, and read again as the same. */
#include "utf8.h"
#include "value.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const ProtobufCFieldDescriptor *f, const char *text, const char *unit, struct arena *a)
{
    Qipan__Project p = QIPAN__PROJECT__INIT;
    struct value_error e = {0};
    char *once, *twice;

    if (!value_set(&p.base, f, text, unit, a, &e)) {
        if (!*e.message)
            abort();
        return;
    }
    if (!(once = value_text(&p.base, f, a)))
        return;
    if (!utf8_clean((const uint8_t *)once, strlen(once)) || !*once)
        abort();
    if (!(twice = value_canonical(f, once, a, &e)) || strcmp(once, twice) ||
        !value_people(&p.base, f, "USD", "zh", a))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const units[] = {NULL, "万元", "亿元", "公顷", "平方米"};
    const ProtobufCMessageDescriptor *d = &qipan__project__descriptor;
    struct arena a;

    if (size < 2)
        return 0;
    arena_init(&a, 4 * 1024 * 1024);
    char *text = arena_strndup(&a, (const char *)data + 2, size - 2);
    if (text)
        check(&d->fields[data[0] % d->n_fields], text, units[data[1] % 5], &a);
    arena_free(&a);
    return 0;
}
