/* SPDX-License-Identifier: Apache-2.0 */
#include "interest.h"

#include "failpoint.h"
#include "log.h"
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 64
#define INTEREST_MOST (64 * 1024) /* memory of one, its terms above all */

/* An interest under one value of its term. */
struct filing {
    struct interest *interest;
    enum view_field field;
    const char *value;
    uint32_t hash;
    LIST_ENTRY(filing) link;
};

LIST_HEAD(filing_list, filing);
LIST_HEAD(interest_list, interest);
TAILQ_HEAD(interest_queue, interest);
STAILQ_HEAD(interest_batch, interest);

struct interests {
    struct interest **buckets; /* by key */
    size_t n, n_buckets;
    struct filing_list *shelves; /* by field and value */
    size_t n_filed, n_shelves;
    struct interest_list plain;
    struct interest_queue hit;
    struct interest_batch batches; /* that saw something of the import in the current revision */
    uint64_t stamp;
};

struct interests *interests_new(void)
{
    struct interests *all = calloc(1, sizeof *all);
    if (!all || !(all->buckets = calloc(BUCKETS_FIRST, sizeof *all->buckets)) ||
        !(all->shelves = calloc(BUCKETS_FIRST, sizeof *all->shelves)))
        log_die("out of memory"); /* at start */
    all->n_buckets = all->n_shelves = BUCKETS_FIRST;
    TAILQ_INIT(&all->hit);
    STAILQ_INIT(&all->batches);
    return all;
}

void interests_free(struct interests *all)
{
    if (!all)
        return;
    free(all->buckets);
    free(all->shelves);
    free(all);
}

/* ---- shared by their terms */

static uint32_t hash_bytes(uint32_t h, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 16777619u;
    return h;
}

/* The terms' very bytes and the flag: the same question in other words is another interest, no more than that. */
static bool make_key(struct interest *i, Qipan__Term *const *terms, size_t n)
{
    Qipan__WatchRequest said = QIPAN__WATCH_REQUEST__INIT;
    said.n_terms = n;
    said.terms = (Qipan__Term **)terms;
    said.has_summary = true;
    said.summary = i->summary;
    i->key_n = qipan__watch_request__get_packed_size(&said);
    i->key = arena_alloc(&i->arena, i->key_n);
    if (!i->key)
        return false;
    qipan__watch_request__pack(&said, i->key);
    i->hash = hash_bytes(2166136261u, i->key, i->key_n);
    return true;
}

static void interest_free(struct interest *i)
{
    arena_free(&i->arena);
    free(i->filings);
    free(i->hits.v);
    free(i);
}

static struct interest **find(struct interests *all, const struct interest *wanted)
{
    struct interest **p = &all->buckets[wanted->hash & (all->n_buckets - 1)];
    while (*p && ((*p)->hash != wanted->hash || (*p)->key_n != wanted->key_n ||
                  memcmp((*p)->key, wanted->key, wanted->key_n) != 0))
        p = &(*p)->next;
    return p;
}

static void grow_buckets(struct interests *all)
{
    size_t n = all->n_buckets * 2;
    struct interest **wider = calloc(n, sizeof *wider);
    if (!wider)
        return; /* slower */
    for (size_t b = 0; b < all->n_buckets; b++) {
        for (struct interest *i = all->buckets[b], *next; i; i = next) {
            next = i->next;
            i->next = wider[i->hash & (n - 1)];
            wider[i->hash & (n - 1)] = i;
        }
    }
    free(all->buckets);
    all->buckets = wider;
    all->n_buckets = n;
}

struct interest *interest_get(struct interests *all, Qipan__Term *const *terms, size_t n, bool summary,
                              const char **ret_code, const char **ret_field)
{
    struct interest *i = calloc(1, sizeof *i);
    *ret_field = "terms";
    *ret_code = "UNAVAILABLE";
    if (!i)
        return NULL;
    i->summary = summary;
    TAILQ_INIT(&i->members);
    arena_init(&i->arena, INTEREST_MOST);
    *ret_code = view_compile(terms, n, &i->arena, &i->view, ret_field);
    if (!*ret_code && !make_key(i, terms, n))
        *ret_code = "TOO_LARGE";
    struct interest **place = *ret_code ? NULL : find(all, i);
    if (!place || *place) {
        interest_free(i);
        if (place)
            (*place)->refs++;
        return place ? *place : NULL;
    }
    i->refs = 1;
    *place = i;
    if (++all->n > all->n_buckets)
        grow_buckets(all);
    return i;
}

void interest_put(struct interests *all, struct interest *i)
{
    if (!i || --i->refs > 0)
        return;
    *find(all, i) = i->next;
    all->n--;
    interest_free(i);
}

/* ---- filed by their values */

/* The fewer objects share a value, the better. Amounts and "not" find nobody. */
static int selectivity(const struct view_term *t)
{
    static const int of_field[VIEW_FIELDS] = {
        [VIEW_PROJECT] = 9, [VIEW_PARK] = 7,   [VIEW_TAGS] = 5,  [VIEW_OFFICE] = 8, [VIEW_INDUSTRY] = 6,
        [VIEW_REGION] = 4,  [VIEW_AMOUNT] = 0, [VIEW_STAGE] = 3, [VIEW_KIND] = 1};
    return t->op == VIEW_EQ ? of_field[t->field] : 0;
}

static const struct view_term *best_term(const struct view *view)
{
    const struct view_term *best = NULL;
    for (int i = 0; i < view->n; i++)
        if (selectivity(&view->terms[i]) > (best ? selectivity(best) : 0))
            best = &view->terms[i];
    return best;
}

static uint32_t hash_value(enum view_field field, const char *value, size_t n)
{
    return hash_bytes(2166136261u ^ (uint32_t)field * 0x9e3779b1u, value, n);
}

static void grow_shelves(struct interests *all)
{
    size_t n = all->n_shelves * 2;
    struct filing_list *wider = calloc(n, sizeof *wider);
    if (!wider)
        return; /* slower */
    for (size_t s = 0; s < all->n_shelves; s++) {
        struct filing *f;
        while ((f = LIST_FIRST(&all->shelves[s]))) {
            LIST_REMOVE(f, link);
            LIST_INSERT_HEAD(&wider[f->hash & (n - 1)], f, link);
        }
    }
    free(all->shelves);
    all->shelves = wider;
    all->n_shelves = n;
}

static bool file_under(struct interests *all, struct interest *i, const struct view_term *t)
{
    if (!(i->filings = calloc(t->n, sizeof *i->filings)))
        return false;
    i->n_filings = t->n;
    for (size_t k = 0; k < t->n; k++) {
        struct filing *f = &i->filings[k];
        *f = (struct filing){.interest = i, .field = t->field, .value = t->values[k]};
        f->hash = hash_value(t->field, f->value, strlen(f->value));
        LIST_INSERT_HEAD(&all->shelves[f->hash & (all->n_shelves - 1)], f, link);
    }
    all->n_filed += t->n;
    while (all->n_filed > all->n_shelves * 2) {
        size_t before = all->n_shelves;
        grow_shelves(all);
        if (all->n_shelves == before)
            break;
    }
    return true;
}

bool interest_join(struct interests *all, struct interest *i)
{
    const struct view_term *t = best_term(&i->view);
    if (i->members_n == 0 && t && !file_under(all, i, t))
        return false;
    if (i->members_n == 0 && !t)
        LIST_INSERT_HEAD(&all->plain, i, plain);
    i->members_n++;
    return true;
}

void interest_part(struct interests *all, struct interest *i)
{
    if (--i->members_n > 0)
        return;
    if (!i->filings)
        LIST_REMOVE(i, plain);
    for (size_t k = 0; k < i->n_filings; k++)
        LIST_REMOVE(&i->filings[k], link);
    all->n_filed -= i->n_filings;
    free(i->filings);
    i->filings = NULL;
    i->n_filings = 0;
    if (i->queued)
        TAILQ_REMOVE(&all->hit, i, hit_link);
    i->queued = false;
    i->hits.n = 0;
}

/* ---- an event looks for those it concerns */

bool interest_judge(const struct interest *i, bool *batch_seen, struct packed_event *e, struct hit *ret_hit)
{
    enum view_verdict verdict = view_judge_facts(&i->view, &e->facts);
    if (verdict == VIEW_NOTHING && BUG_EACH("feed-leak", 100))
        verdict = VIEW_UPDATE;
    *ret_hit = (struct hit){e, (enum packed_form)verdict};
    if (!i->summary || !e->event->batch)
        return verdict != VIEW_NOTHING;
    /* What not every reader may see comes as itself: a summary would say that it was there. */
    if (!e->open && !(e->ends_batch && *batch_seen))
        return verdict != VIEW_NOTHING;
    *batch_seen |= verdict != VIEW_NOTHING;
    if (!e->ends_batch || !*batch_seen)
        return false;
    *batch_seen = false;
    ret_hit->form = PACKED_SUMMARY;
    return true;
}

static void add_hit(struct interests *all, struct interest *i, struct hit hit)
{
    struct hits *hits = &i->hits;
    if (hits->n == hits->cap) {
        size_t cap = hits->cap ? hits->cap * 2 : 8;
        struct hit *v = realloc(hits->v, cap * sizeof *v);
        if (!v)
            log_die("out of memory"); /* going on would break the promise of the feed */
        hits->v = v;
        hits->cap = cap;
    }
    hits->v[hits->n++] = hit;
    if (!i->queued)
        TAILQ_INSERT_TAIL(&all->hit, i, hit_link);
    i->queued = true;
}

static void consider(struct interests *all, struct interest *i, struct packed_event *e)
{
    struct hit hit;
    bool before = i->batch_seen;
    if (i->stamp == all->stamp)
        return;
    i->stamp = all->stamp;
    if (interest_judge(i, &i->batch_seen, e, &hit))
        add_hit(all, i, hit);
    else if (i->batch_seen && !before)
        STAILQ_INSERT_TAIL(&all->batches, i, batch_link);
}

static void consider_filed(struct interests *all, struct packed_event *e, enum view_field field,
                           const char *value, size_t n)
{
    uint32_t hash = hash_value(field, value, n);
    struct filing *f;
    for (f = LIST_FIRST(&all->shelves[hash & (all->n_shelves - 1)]); f; f = LIST_NEXT(f, link))
        if (f->hash == hash && f->field == field && strncmp(f->value, value, n) == 0 && f->value[n] == '\0')
            consider(all, f->interest, e);
}

/* All that a wanted value could be for this one: itself, each element of a list, what a code stands below. `field` is
 * what it stands in, `filed` where those who want it are. */
static void consider_value(struct interests *all, struct packed_event *e, enum view_field field,
                           enum view_field filed, const char *value)
{
    size_t n = strlen(value);
    if (n && view_is_prefix(field)) {
        for (size_t k = 1; k <= n; k++)
            consider_filed(all, e, filed, value, k);
    } else if (n && view_is_list(field)) {
        for (size_t k = strcspn(value, ","); *value; k = strcspn(value, ",")) {
            consider_filed(all, e, filed, value, k);
            value += k + (value[k] == ',');
        }
    } else {
        consider_filed(all, e, filed, value, n);
    }
}

static void consider_fact(struct interests *all, struct packed_event *e, enum view_field field)
{
    const struct view_facts *facts = &e->facts;
    const char *after = facts->after[field] ? facts->after[field] : "";
    const char *before = facts->before[field] ? facts->before[field] : "";
    enum view_field filed = field == VIEW_HELPERS ? VIEW_OFFICE : field == VIEW_AUTO_TAGS ? VIEW_TAGS : field;
    consider_value(all, e, field, filed, after);
    if (facts->existed && strcmp(before, after) != 0)
        consider_value(all, e, field, filed, before);
}

/* For the bug alone: the index doesn't even show it the others. */
static void consider_all(struct interests *all, struct packed_event *e)
{
    for (size_t b = 0; b < all->n_buckets; b++)
        for (struct interest *i = all->buckets[b]; i; i = i->next)
            if (i->members_n)
                consider(all, i, e);
}

static void take_event(struct interests *all, struct packed_event *e)
{
    struct interest *i;
    const struct view_facts *facts = &e->facts;
    all->stamp++;
    if (BUG("feed-leak"))
        consider_all(all, e);
    for (i = LIST_FIRST(&all->plain); i; i = LIST_NEXT(i, plain))
        consider(all, i, e);
    if (facts->no)
        consider_filed(all, e, VIEW_PROJECT, facts->no, strlen(facts->no));
    if (facts->object)
        consider_filed(all, e, VIEW_PROJECT, facts->object, strlen(facts->object));
    for (int f = 0; f < VIEW_FACTS; f++)
        consider_fact(all, e, (enum view_field)f);
}

/* The import's last event, on which the summary is told, need not itself be one that concerns the interest. */
static void tell_batches(struct interests *all, struct packed_event *last)
{
    struct interest *i;
    while ((i = STAILQ_FIRST(&all->batches))) {
        STAILQ_REMOVE_HEAD(&all->batches, batch_link);
        if (i->batch_seen && i->members_n)
            add_hit(all, i, (struct hit){last, PACKED_SUMMARY});
        i->batch_seen = false;
    }
}

void interests_take(struct interests *all, struct packed *p)
{
    for (size_t k = 0; k < p->n; k++) {
        take_event(all, &p->events[k]);
        if (p->events[k].ends_batch)
            tell_batches(all, &p->events[k]);
    }
}

struct interest *interests_next(struct interests *all)
{
    struct interest *i = TAILQ_FIRST(&all->hit);
    if (i) {
        TAILQ_REMOVE(&all->hit, i, hit_link);
        i->queued = false;
    }
    return i;
}

void interest_done(struct interest *i)
{
    i->hits.n = 0;
    if (i->hits.cap > 8) { /* idle interests hold little */
        free(i->hits.v);
        i->hits = (struct hits){0};
    }
}
