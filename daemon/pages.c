/* SPDX-License-Identifier: Apache-2.0 */
#include "pages.h"

#include "log.h"
#include <stdlib.h>
#include <sys/queue.h>

#define FAILED_MS 500

struct slot {
    struct pages *pages;
    struct page page;
    int64_t after_rev, upto_rev; /* covers the revisions between; of a part: upto_rev is the revision, … */
    int32_t after_idx, upto_idx; /* … and these its events; after_idx NO_PART otherwise */
    size_t bytes;
    bool asked, stale;
    struct journal_query query;
    TAILQ_ENTRY(slot) link;
};

#define NO_PART (-2)

TAILQ_HEAD(slot_list, slot);

struct pages {
    struct loop *loop;
    struct deadlines *deadlines;
    struct journal *journal;
    void (*arrived)(void *owner);
    void *owner;
    struct slot_list slots; /* the one used last at the end */
    size_t bytes;
    int n_asked;
    int32_t limit; /* of the next page; less after one that didn't fit */
    struct deadline pause;
};

static void slot_free(struct slot *s)
{
    if (s->asked)
        s->pages->n_asked--;
    s->pages->bytes -= s->bytes;
    TAILQ_REMOVE(&s->pages->slots, s, link);
    for (size_t i = 0; i < s->page.n; i++)
        packed_drop(s->page.revisions[i]);
    free(s->page.revisions);
    free(s);
}

/* The newest page stays, however large. */
static void keep_bounded(struct pages *pages)
{
    struct slot *s, *next;
    for (s = TAILQ_FIRST(&pages->slots); s && pages->bytes > PAGES_BYTES; s = next) {
        next = TAILQ_NEXT(s, link);
        if (!s->asked && next)
            slot_free(s);
    }
}

/* ---- asking */

static bool pack_rows(struct slot *s, struct journal_rows *rows)
{
    size_t n = rows->reply->n_rows;
    if (!(s->page.revisions = calloc(n ? n : 1, sizeof(struct packed *))))
        return false;
    for (size_t i = 0; i < n; i++) {
        const Qipan__Revision *revision = rows->reply->rows[i];
        if (s->after_idx == NO_PART && revision->rev > s->page.settled.rev)
            break;
        if (!(s->page.revisions[s->page.n] = packed_new(rows, revision)))
            return false;
        s->page.n++;
    }
    return true;
}

static void on_pause_over(struct deadline *d)
{
    struct pages *pages = container_of(d, struct pages, pause);
    pages->arrived(pages->owner);
}

static void failed(struct slot *s, const char *why)
{
    struct pages *pages = s->pages;
    log_warn("feed", "no page behind revision %lld: %s", (long long)s->after_rev, why);
    pages->limit = pages->limit > 8 ? pages->limit / 8 : 1;
    slot_free(s);
    deadline_set(pages->deadlines, &pages->pause, FAILED_MS);
}

static void on_rows(struct journal_query *q, struct journal_rows *rows, const char *code, Qipan__Error *error)
{
    struct slot *s = container_of(q, struct slot, query);
    struct pages *pages = s->pages;
    (void)error;
    if (s->stale) { /* whoever waits for it asks anew */
        slot_free(s);
        pages->arrived(pages->owner);
        return;
    }
    if (!rows || !pack_rows(s, rows)) {
        failed(s, rows ? "no memory" : code);
        return;
    }
    s->asked = false;
    pages->n_asked--;
    pages->limit = JOURNAL_PAGE;
    const struct packed *last = s->page.n ? s->page.revisions[s->page.n - 1] : NULL;
    if (s->after_idx == NO_PART)
        s->upto_rev = last ? last->at.rev : s->page.settled.rev;
    else
        s->upto_idx = last && last->n ? last->events[last->n - 1].event->idx : s->after_idx + 1;
    s->bytes = sizeof *s + 2 * rows->arena.used; /* as rows, and packed */
    pages->bytes += s->bytes;
    keep_bounded(pages);
    pages->arrived(pages->owner);
}

static struct slot *ask(struct pages *pages, int64_t after_rev, int32_t after_idx)
{
    struct slot *s = NULL;
    if (pages->n_asked == PAGES_ASKED || pages->pause.slot || !(s = calloc(1, sizeof *s)))
        return NULL;
    s->pages = pages;
    s->after_rev = after_rev;
    s->after_idx = after_idx;
    s->asked = true;
    s->query.done = on_rows;
    s->query.job.lane = POOL_READ;
    pages->n_asked++;
    TAILQ_INSERT_TAIL(&pages->slots, s, link);
    return s;
}

static const struct page *use(struct slot *s)
{
    TAILQ_REMOVE(&s->pages->slots, s, link);
    TAILQ_INSERT_TAIL(&s->pages->slots, s, link);
    return &s->page;
}

const struct page *pages_behind(struct pages *pages, int64_t after_rev, struct place settled)
{
    struct slot *s;
    for (s = TAILQ_FIRST(&pages->slots); s; s = TAILQ_NEXT(s, link)) {
        if (s->after_idx != NO_PART || s->stale)
            continue;
        if (!s->asked && s->after_rev <= after_rev && after_rev < s->upto_rev)
            return use(s);
        if (s->asked && s->after_rev == after_rev)
            return NULL;
    }
    if ((s = ask(pages, after_rev, NO_PART))) {
        s->page.settled = settled;
        journal_read(pages->journal, &s->query, after_rev, pages->limit);
    }
    return NULL;
}

const struct page *pages_part(struct pages *pages, int64_t rev, int32_t after_idx)
{
    struct slot *s;
    for (s = TAILQ_FIRST(&pages->slots); s; s = TAILQ_NEXT(s, link)) {
        if (s->after_idx == NO_PART || s->after_rev != rev - 1 || s->stale)
            continue;
        if (!s->asked && s->after_idx <= after_idx && after_idx < s->upto_idx)
            return use(s);
        if (s->asked && s->after_idx == after_idx)
            return NULL;
    }
    if ((s = ask(pages, rev - 1, after_idx))) {
        s->upto_rev = rev;
        journal_page(pages->journal, &s->query, rev, after_idx, pages->limit);
    }
    return NULL;
}

void pages_forget(struct pages *pages)
{
    struct slot *s, *next;
    for (s = TAILQ_FIRST(&pages->slots); s; s = next) {
        next = TAILQ_NEXT(s, link);
        s->stale = true;
        if (!s->asked)
            slot_free(s);
    }
}

struct pages *pages_new(struct loop *loop, struct deadlines *deadlines, struct journal *journal,
                        void (*arrived)(void *owner), void *owner)
{
    struct pages *pages = calloc(1, sizeof *pages);
    if (!pages)
        log_die("out of memory"); /* at start */
    pages->loop = loop;
    pages->deadlines = deadlines;
    pages->journal = journal;
    pages->arrived = arrived;
    pages->owner = owner;
    pages->limit = JOURNAL_PAGE;
    pages->pause.fire = on_pause_over;
    TAILQ_INIT(&pages->slots);
    return pages;
}

void pages_free(struct pages *pages)
{
    if (!pages)
        return;
    deadline_clear(pages->deadlines, &pages->pause);
    struct slot *s;
    while ((s = TAILQ_FIRST(&pages->slots)))
        slot_free(s);
    free(pages);
}
