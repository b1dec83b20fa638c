/* SPDX-License-Identifier: Apache-2.0 */
#include "told.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

void told_init(struct told *t)
{
    TAILQ_INIT(&t->ids);
    t->by_id = NULL;
    t->n = 0;
}

void told_clear(struct told *t)
{
    while (!TAILQ_EMPTY(&t->ids))
        told_drop(t, TAILQ_FIRST(&t->ids));
}

/* The tree's keys are the ids inside the entries. */
static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static struct told_id *entry_of(void *node)
{
    return (struct told_id *)(*(char **)node - offsetof(struct told_id, id));
}

struct told_id *told_find(const struct told *t, const char *id)
{
    void *node = tfind(id, &t->by_id, compare);

    return node ? entry_of(node) : NULL;
}

static struct told_id *add(struct told *t, const char *id)
{
    size_t n = strlen(id) + 1;
    struct told_id *e = malloc(sizeof *e + n);

    if (!e)
        return NULL;
    memcpy(e->id, id, n);
    if (!tsearch(e->id, &t->by_id, compare)) {
        free(e);
        return NULL;
    }
    t->n++;
    return e;
}

struct told_id *told_put(struct told *t, const char *id, int64_t rev)
{
    struct told_id *e = told_find(t, id);

    if (e)
        TAILQ_REMOVE(&t->ids, e, order);
    else if (!(e = add(t, id)))
        return NULL;
    e->rev = rev;
    TAILQ_INSERT_TAIL(&t->ids, e, order);
    return e;
}

void told_drop(struct told *t, struct told_id *e)
{
    tdelete(e->id, &t->by_id, compare);
    TAILQ_REMOVE(&t->ids, e, order);
    t->n--;
    free(e);
}
