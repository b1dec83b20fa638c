/* SPDX-License-Identifier: Apache-2.0 */
/* Does a change concern a watch? Terms on watchable fields, judged on the object before and after the change. */
#ifndef QIPAN_VIEW_H
#define QIPAN_VIEW_H

#include "arena.h"
#include "qipan.pb-c.h"
#include <stdbool.h>

#define VIEW_TERMS  16
#define VIEW_VALUES 200 /* of one term */

enum view_field {
    VIEW_PROJECT,
    VIEW_OFFICE,
    VIEW_STAGE,
    VIEW_TAGS,
    VIEW_KIND,
    VIEW_INDUSTRY,
    VIEW_REGION,
    VIEW_PARK,
    VIEW_AMOUNT,
    VIEW_FIELDS,
    VIEW_HELPERS = VIEW_FIELDS, /* no term of its own: further offices, joined by commas */
    VIEW_AUTO_TAGS,             /* nor these: tags by rule */
    VIEW_FACTS
};

enum view_op { VIEW_EQ, VIEW_NE, VIEW_GE, VIEW_LE, VIEW_GT, VIEW_LT };

struct view_term {
    enum view_field field;
    enum view_op op;
    size_t n;
    char **values; /* "" = none */
};

struct view {
    int n;
    struct view_term *terms;
};

/* Copies into the arena. On a bad term NULL is not returned but the name of the error, and *ret_field what it is about. */
const char *view_compile(Qipan__Term *const *terms, size_t n, struct arena *arena, struct view *ret_view,
                         const char **ret_field);

extern const char *const view_fields[]; /* watchable ones, by view_field, NULL at the end */

/* A field with several values, joined by commas. */
static inline bool view_is_list(enum view_field field)
{
    return field == VIEW_TAGS || field == VIEW_HELPERS || field == VIEW_AUTO_TAGS;
}

/* Codes: a value stands for everything below it. */
static inline bool view_is_prefix(enum view_field field)
{
    return field == VIEW_INDUSTRY || field == VIEW_REGION;
}

/* What an event says about the watchable fields. Points into the event; NULL = no value. */
struct view_facts {
    const char *after[VIEW_FACTS], *before[VIEW_FACTS];
    const char *object, *no; /* itself, besides its project; the project's other name */
    bool existed;            /* before the change */
};

/* Does something concern it among changes whose subjects these are? They are sorted lines: of a field "name=value", before
 * and after, of objects, their projects and numbers the bare id. Of terms that these don't decide: perhaps. */
enum view_chance {
    VIEW_NEVER,
    VIEW_PERHAPS,
    VIEW_SURELY
} view_chance(const struct view *view, const char *subjects);

void view_learn(const Qipan__Event *event, struct view_facts *ret_facts);

enum view_verdict { VIEW_ENTER, VIEW_UPDATE, VIEW_LEAVE, VIEW_NOTHING };
extern const char *const view_words[]; /* by verdict; NULL: it doesn't concern the watch */

enum view_verdict view_judge_facts(const struct view *view, const struct view_facts *facts);
const char *view_judge(const struct view *view, const Qipan__Event *event);

#endif
