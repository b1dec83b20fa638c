/* SPDX-License-Identifier: Apache-2.0 */
/* Does a change concern a watch? Terms on watchable fields, judged on the object before and after the change. */
#ifndef QIPAN_VIEW_H
#define QIPAN_VIEW_H

#include "arena.h"
#include "qipan.pb-c.h"
#include <stdbool.h>

#define VIEW_TERMS 16

struct view_term {
    enum view_of { VIEW_FIELD, VIEW_OBJECT, VIEW_KIND } of;
    const char *field; /* its number differs from kind to kind */
    enum view_op { VIEW_EQ, VIEW_NE, VIEW_GE, VIEW_LE, VIEW_GT, VIEW_LT } op;
    bool prefix; /* codes: a value stands for everything below it */
    bool amount;
    bool list; /* the field is a list: any element */
    size_t n;
    char **values;
};

struct view {
    int n;
    struct view_term terms[VIEW_TERMS];
};

/* Copies into the arena. On a bad term NULL is not returned but the name of the error, and *ret_field what it is about. */
const char *view_compile(Qipan__Term *const *terms, size_t n, struct arena *arena, struct view *ret_view,
                         const char **ret_field);

extern const char *const view_fields[]; /* watchable ones, NULL at the end */

/* enter, update or leave; NULL: it doesn't concern the watch. */
const char *view_judge(const struct view *view, const Qipan__Event *event);

#endif
