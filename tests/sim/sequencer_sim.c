/* SPDX-License-Identifier: Apache-2.0 */
/* The sequencer against a model of PostgreSQL, on a virtual clock.
 *
 * A run is a list of moves made from a seed: writers draw numbers, insert, commit, abort, stall and die; daemons read
 * snapshots in pages, lose answers, fence, stop, die, start; the registry crashes and skips numbers, or falls back
 * and opens an epoch. Any list of moves is a valid run (a move that makes no sense now does nothing), so that a
 * failing one can be shrunk by leaving moves out. After every move the invariants below are looked at; at the end
 * writers rest and every daemon must arrive at the same place.
 *
 * usage: sequencer_sim [--steps N] [--seed S] [--mutant NAME]   (--mutant: exit 0 only if an invariant breaks) */
#include "sequencer.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAEMONS    4
#define WRITERS    16
#define SLOTS      8 /* fences in flight for each daemon, as in journal.c */
#define MOVES      600
#define NUMBERS    32768
#define PAGE       256
#define POLL_US    100000
#define GUARD      0x5eedf00d5eedf00dULL
#define EPOCH_JUMP 500 /* a million in the registry */

/* ---- what goes on */

/* Rows of the table of revisions, by their number. */
enum row {
    NONE,
    HELD,
    SEALING,
    COMMITTED,
    TOMBSTONE,
    LOST
}; /* HELD, SEALING: the key is taken, not committed */

struct number {
    enum row row;
    int epoch;
    uint32_t position; /* in the order of commits */
    int told;          /* what was delivered for it first: COMMITTED or TOMBSTONE */
};

enum writer_state { IDLE, DRAWN, INSERTED, STALLED };

struct writer {
    enum writer_state state;
    int64_t rev;
};

enum fence_state { FREE, SENT, HOLDING };

struct fence {
    enum fence_state state;
    int64_t rev;
};

struct shadow { /* what the simulation knows about a number that a daemon misses */
    uint64_t since;
    uint32_t view; /* number of the last answer in which it was missing */
    bool fencing;
};

enum query { NOTHING, READ, START };

struct daemon {
    bool alive, stopped, begun, again, bell;
    int epoch;
    int64_t last; /* delivered */
    uint64_t poll_at;
    enum query query;
    bool taken; /* the answer of the query has been made, it is under way */
    int64_t revs[PAGE], start_rev;
    int answer_epoch;
    size_t n;
    uint32_t view;
    struct fence fences[SLOTS];
    struct shadow shadow[NUMBERS];
    uint64_t guard_before;
    struct sequencer sequencer;
    uint64_t guard_behind;
};

static struct {
    uint64_t now;
    int64_t drawn, epoch_start, used;
    int epoch, writers, daemons;
    uint32_t position;
    struct writer writer[WRITERS];
    struct number number[NUMBERS];
} w;
static struct daemon daemons[DAEMONS];

static const char *broken; /* the invariant that doesn't hold, of the present run */
static char evidence[256];
static bool telling;
static long counts[8];
enum { N_COMMIT, N_ABORT, N_TOMBSTONE, N_LATE, N_FENCE_LOST, N_KILLED, N_EPOCH, N_DELIVERED };

__attribute__((format(printf, 3, 4))) static void demand(bool holds, const char *invariant,
                                                         const char *format, ...)
{
    if (holds || broken)
        return;
    va_list list;
    va_start(list, format);
    vsnprintf(evidence, sizeof evidence, format, list);
    va_end(list);
    broken = invariant;
}

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
    if (!telling)
        return;
    va_list list;
    va_start(list, format);
    printf("    %8llu us  ", (unsigned long long)w.now);
    vprintf(format, list);
    va_end(list);
    putchar('\n');
}

#define ID(d) (int)((d)-daemons + 1)
#define LL(x) (long long)(x)

/* ---- PostgreSQL */

static bool settled(int64_t rev)
{
    return w.number[rev].row == COMMITTED || w.number[rev].row == TOMBSTONE;
}

static void settle(int64_t rev, enum row row)
{
    w.number[rev].row = row;
    w.number[rev].position = ++w.position;
    counts[row == COMMITTED ? N_COMMIT : N_TOMBSTONE]++;
}

static int64_t draw(void)
{
    int64_t rev = ++w.drawn;
    w.number[rev].epoch = w.epoch;
    w.used = w.drawn;
    return rev;
}

static void ring_bells(unsigned arg)
{
    for (int i = 0; i < w.daemons; i++)
        daemons[i].bell |= (arg >> (4 + i)) & 1; /* lost half of the time */
}

static void writer_ends(struct writer *x, const char *how)
{
    tell("writer %d %s: %lld stays without a row", (int)(x - w.writer + 1), how, LL(x->rev));
    if (x->state != DRAWN)
        w.number[x->rev].row = NONE;
    x->state = IDLE;
    counts[N_ABORT]++;
}

/* The author of a failed transaction may settle its number itself. */
static void writer_fails(struct writer *x, unsigned arg)
{
    bool mine = x->state == INSERTED && arg % 3 == 0;
    writer_ends(x, "aborts");
    if (mine)
        settle(x->rev, TOMBSTONE);
}

static void writer_inserts(struct writer *x)
{
    struct number *n = &w.number[x->rev];
    if (n->row == SEALING)
        return; /* waits for the tombstone to commit or not */
    if (n->row == TOMBSTONE) {
        tell("writer %d is too late for %lld", (int)(x - w.writer + 1), LL(x->rev));
        x->state = IDLE;
        counts[N_LATE]++;
        return;
    }
    tell("writer %d inserts %lld", (int)(x - w.writer + 1), LL(x->rev));
    n->row = HELD;
    x->state = INSERTED;
}

static void writer_moves(struct writer *x, unsigned arg)
{
    if (x->state == IDLE) {
        if (w.drawn + 40 >= NUMBERS)
            return;
        x->rev = draw();
        x->state = DRAWN;
        tell("writer %d draws %lld", (int)(x - w.writer + 1), LL(x->rev));
        if (arg % 8)
            writer_inserts(x); /* the usual case: the insert draws it */
    } else if (x->state == STALLED) {
        if (arg % 4 == 0)
            x->state = INSERTED;
    } else if (arg % 16 == 0) {
        writer_fails(x, arg / 16);
    } else if (x->state == DRAWN) {
        writer_inserts(x);
    } else if (arg % 16 == 1) {
        tell("writer %d stalls with %lld", (int)(x - w.writer + 1), LL(x->rev));
        x->state = STALLED;
    } else {
        tell("writer %d commits %lld", (int)(x - w.writer + 1), LL(x->rev));
        settle(x->rev, COMMITTED);
        x->state = IDLE;
        ring_bells(arg);
    }
}

/* The largest number of the epoch below which none is missing: api.journal_watermark(). */
static int64_t watermark(void)
{
    int64_t rev = w.epoch_start - 1;
    while (rev + 1 <= w.drawn && settled(rev + 1))
        rev++;
    return rev;
}

static void answers_fail(void)
{
    for (int i = 0; i < w.daemons; i++) {
        struct daemon *d = &daemons[i];
        d->taken = d->query != NOTHING;
        d->n = 0;
        d->answer_epoch = -1; /* an error */
        for (int k = 0; k < SLOTS; k++)
            if (d->fences[k].state == HOLDING) {
                w.number[d->fences[k].rev].row = NONE;
                d->fences[k].state = SENT;
            }
    }
    for (int i = 0; i < w.writers; i++)
        if (w.writer[i].state != IDLE)
            writer_ends(&w.writer[i], "dies with the server");
}

/* After a crash up to 32 numbers are never drawn. */
static void crash(unsigned arg)
{
    if (w.drawn + 80 >= NUMBERS)
        return;
    tell("the server crashes");
    answers_fail();
    for (unsigned skip = arg % 33; skip; skip--)
        draw();
}

/* Failover: what was committed last may be lost; numbers go on far behind. */
static void fork_off(unsigned arg)
{
    if (w.drawn + EPOCH_JUMP + 80 >= NUMBERS)
        return;
    answers_fail();
    uint32_t keep = arg % 2 ? w.position : w.position > 5 ? w.position - arg / 2 % 5 : 0;
    for (int64_t rev = w.epoch_start; rev <= w.drawn; rev++)
        if (settled(rev) && w.number[rev].position > keep)
            w.number[rev].row = LOST;
    w.epoch++;
    w.epoch_start = w.drawn + EPOCH_JUMP;
    w.drawn = w.epoch_start - 1;
    counts[N_EPOCH]++;
    tell("failover: epoch %d begins at %lld", w.epoch, LL(w.epoch_start));
}

/* ---- invariants of a daemon */

static void check_state(struct daemon *d)
{
    const struct sequencer *s = &d->sequencer;
    demand(d->guard_before == GUARD && d->guard_behind == GUARD && s->n >= 0 && s->n <= SEQUENCER_GAPS,
           "bounded", "daemon %d looks after %d gaps", ID(d), s->n);
    demand(s->watermark == d->last, "watermark", "daemon %d was given up to %lld, the watermark is %lld",
           ID(d), LL(d->last), LL(s->watermark));
    int64_t before = d->last;
    for (int i = 0; i < s->n && !broken; before = s->gaps[i++].rev)
        demand(s->gaps[i].rev > before, "gaps in order", "daemon %d: gap %lld after %lld", ID(d),
               LL(s->gaps[i].rev), LL(before));
}

static void check_delivered(struct daemon *d, int64_t rev)
{
    struct number *n = &w.number[rev];
    demand(rev == d->last + 1, "dense, each once", "daemon %d delivers %lld after %lld", ID(d), LL(rev),
           LL(d->last));
    demand(n->row == COMMITTED || n->row == TOMBSTONE || n->row == LOST, "only what committed",
           "daemon %d delivers %lld, which has no row", ID(d), LL(rev));
    if (n->row != LOST) {
        demand(!n->told || n->told == (int)n->row, "the same everywhere", "daemon %d tells %lld otherwise",
               ID(d), LL(rev));
        n->told = (int)n->row;
    }
    d->last = rev;
    counts[N_DELIVERED]++;
}

/* An answer says nothing about numbers behind its last row. */
static int64_t behind(const struct daemon *d)
{
    return d->n ? d->revs[d->n - 1] : d->last;
}

/* Which numbers are missing in this answer: the first SEQUENCER_GAPS of them must be looked after. */
static void look_at_gaps(struct daemon *d, size_t from)
{
    int n = 0;
    d->view++;
    for (size_t i = from; i < d->n; i++)
        d->shadow[d->revs[i]].fencing =
            false; /* it is there; should a failover lose it, it is missing anew */
    for (size_t i = from; i < d->n; i++)
        for (int64_t rev = (i ? d->revs[i - 1] : d->last) + 1; rev < d->revs[i] && n < SEQUENCER_GAPS;
             rev++, n++) {
            struct shadow *m = &d->shadow[rev];
            if (m->view != d->view - 1)
                *m = (struct shadow){.since = w.now, .fencing = m->fencing};
            m->view = d->view;
        }
    for (int64_t rev = behind(d) + 1; rev <= w.drawn && n < SEQUENCER_GAPS; rev++)
        if (d->shadow[rev].view == d->view - 1) { /* the page ended before it */
            d->shadow[rev].view = d->view;
            n++;
        }
}

/* Nothing waits longer than it must: no gap whose patience is over is left while a fence is free. */
static void check_prompt(struct daemon *d, bool slot_free)
{
    uint64_t due = UINT64_MAX;
    for (int64_t rev = d->last + 1; rev <= w.drawn; rev++) {
        const struct shadow *m = &d->shadow[rev];
        if (m->view == d->view && !m->fencing && m->since + SEQUENCER_PATIENCE_US < due)
            due = m->since + SEQUENCER_PATIENCE_US;
    }
    demand(!slot_free || due > w.now, "prompt", "daemon %d leaves a gap alone whose patience is over", ID(d));
    demand(sequencer_due(&d->sequencer) == due, "due when due", "daemon %d says %llu, not %llu", ID(d),
           (unsigned long long)sequencer_due(&d->sequencer), (unsigned long long)due);
}

static void check_fence(struct daemon *d, int64_t rev)
{
    bool known = rev > d->last && rev < NUMBERS && d->shadow[rev].view == d->view;
    demand(known, "fences gaps only", "daemon %d fences %lld, not missing in what it read", ID(d), LL(rev));
    if (!known)
        return;
    struct shadow *m = &d->shadow[rev];
    demand(w.now >= m->since + SEQUENCER_PATIENCE_US, "patience", "daemon %d fences %lld after %llu us",
           ID(d), LL(rev), (unsigned long long)(w.now - m->since));
    demand(!m->fencing, "each fence once", "daemon %d fences %lld twice at once", ID(d), LL(rev));
    m->fencing = true;
}

/* ---- a daemon: what journal.c does */

static void fence_gaps(struct daemon *d)
{
    bool slot_free = false;
    for (int i = 0; i < SLOTS && !broken; i++) {
        struct fence *f = &d->fences[i];
        int64_t ret[SEQUENCER_GAPS + 1] = {0, (int64_t)GUARD};
        if (f->state != FREE)
            continue;
        if (sequencer_fence(&d->sequencer, w.now, ret, 1) == 0) {
            slot_free = true;
            break;
        }
        demand(ret[1] == (int64_t)GUARD, "no more than asked", "daemon %d fences more than one at a time",
               ID(d));
        check_fence(d, ret[0]);
        tell("daemon %d fences %lld", ID(d), LL(ret[0]));
        *f = (struct fence){SENT, ret[0]};
    }
    if (!broken)
        check_prompt(d, slot_free);
}

static void kick(struct daemon *d)
{
    if (d->query) {
        d->again = true;
        return;
    }
    d->query = d->begun ? READ : START;
    d->taken = d->again = false;
}

static void fence_ends(struct daemon *d, struct fence *f, bool good)
{
    struct shadow *m = &d->shadow[f->rev];
    tell("daemon %d: fence of %lld %s", ID(d), LL(f->rev), good ? "is done" : "is lost");
    f->state = FREE;
    m->fencing = false;
    m->since = w.now;
    counts[N_FENCE_LOST] += !good;
    sequencer_fenced(&d->sequencer, f->rev, w.now);
    kick(d);
}

/* Its row lock is asked for; who holds it too long is ended. */
static void fence_waits(struct daemon *d, struct fence *f, unsigned arg)
{
    if (arg % 4)
        return;
    for (int i = 0; i < w.writers; i++)
        if (w.writer[i].state == STALLED && w.writer[i].rev == f->rev)
            writer_ends(&w.writer[i], "is terminated");
    for (int i = 0; i < w.daemons; i++)
        for (int k = 0; k < SLOTS && daemons[i].stopped; k++) {
            struct fence *other = &daemons[i].fences[k];
            if (other->state == HOLDING && other->rev == f->rev) {
                w.number[f->rev].row = NONE;
                other->state = SENT;
            }
        }
    fence_ends(d, f, false);
}

static void fence_moves(struct daemon *d, struct fence *f, unsigned arg)
{
    struct number *n = &w.number[f->rev];
    if (f->state == FREE)
        return;
    if (f->state == HOLDING) { /* commits, and is known or lost; or fails */
        n->row = NONE;
        if (arg % 8)
            settle(f->rev, TOMBSTONE);
        fence_ends(d, f, arg % 8 > 1);
    } else if (n->row == HELD || n->row == SEALING) {
        fence_waits(d, f, arg);
    } else if (settled(f->rev) || n->epoch != w.epoch) {
        fence_ends(d, f, arg % 8 != 0);
    } else {
        n->row = SEALING;
        f->state = HOLDING;
    }
}

static void take_snapshot(struct daemon *d, unsigned arg)
{
    size_t limit = arg % 16 == 0 ? 1 + arg / 16 % 8 : PAGE;
    d->taken = true;
    d->n = 0;
    d->answer_epoch = w.epoch;
    d->start_rev = watermark();
    for (int64_t rev = d->last + 1; rev <= w.drawn && d->n < limit; rev++)
        if (settled(rev))
            d->revs[d->n++] = rev;
}

static void begin(struct daemon *d)
{
    tell("daemon %d begins behind %lld in epoch %d", ID(d), LL(d->start_rev), d->answer_epoch);
    sequencer_init(&d->sequencer, d->start_rev);
    d->begun = true;
    d->epoch = d->answer_epoch;
    d->last = d->start_rev;
    d->view += 2; /* nothing is known to be missing */
    kick(d);
}

static void take_rows(struct daemon *d)
{
    for (size_t i = 0; i < d->n; i++)
        if (w.number[d->revs[i]].epoch != d->epoch) {
            d->begun = false; /* the watermark is looked up anew */
            kick(d);
            return;
        }
    size_t good = sequencer_read(&d->sequencer, d->revs, d->n, w.now);
    demand(good <= d->n, "dense, each once", "daemon %d delivers %zu of %zu", ID(d), good, d->n);
    for (size_t i = 0; i < good && !broken; i++)
        check_delivered(d, d->revs[i]);
    if (broken)
        return;
    if (good)
        tell("daemon %d delivers up to %lld", ID(d), LL(d->last));
    demand(good == d->n || d->revs[good] != d->last + 1, "nothing held back", "daemon %d holds back %lld",
           ID(d), LL(d->last + 1));
    look_at_gaps(d, good);
    d->again |= good && good == d->n;
}

static void take_answer(struct daemon *d)
{
    enum query was = d->query;
    d->query = NOTHING;
    if (d->answer_epoch < 0)
        d->poll_at = w.now + POLL_US; /* failed: the poll tries again */
    else if (was == START)
        begin(d);
    else
        take_rows(d);
    if (d->again && !d->query)
        kick(d);
}

static void daemon_moves(struct daemon *d, unsigned arg)
{
    if (d->taken) {
        d->taken = false;
        take_answer(d);
    } else if (d->query) {
        take_snapshot(d, arg);
    } else if (d->bell) {
        d->bell = false;
        kick(d);
    }
}

static void clocks(struct daemon *d)
{
    if (w.now >= d->poll_at) {
        d->poll_at = w.now + POLL_US;
        kick(d);
    }
    if (d->begun && sequencer_due(&d->sequencer) <= w.now)
        fence_gaps(d);
}

/* What its backends had begun, they end or not. */
static void kill_daemon(struct daemon *d, unsigned arg)
{
    tell("daemon %d is killed", ID(d));
    for (int i = 0; i < SLOTS; i++)
        if (d->fences[i].state == HOLDING) {
            w.number[d->fences[i].rev].row = NONE;
            if ((arg >> i) & 1)
                settle(d->fences[i].rev, TOMBSTONE);
        }
    uint32_t view = d->view; /* what the simulation noted of it is void */
    memset(d, 0, offsetof(struct daemon, shadow));
    for (int64_t rev = 0; rev <= w.used; rev++)
        d->shadow[rev].fencing = false;
    d->view = view + 2;
    counts[N_KILLED]++;
}

static void start_daemon(struct daemon *d)
{
    d->alive = true;
    d->guard_before = d->guard_behind = GUARD;
    d->poll_at = w.now + POLL_US;
    kick(d);
}

static void life_moves(struct daemon *d, unsigned arg)
{
    if (!d->alive)
        start_daemon(d);
    else if (d->stopped)
        d->stopped = false;
    else if (arg % 4 == 0)
        kill_daemon(d, arg / 4);
    else if (arg % 4 == 1)
        d->stopped = true;
    else if (arg % 4 == 2 && d->query) { /* the link of the feed is lost */
        d->taken = true;
        d->answer_epoch = -1;
    }
}

/* ---- moves */

/* One microsecond before the next gap is due, often enough to notice whoever comes too early. */
static uint64_t until_just_before(unsigned arg)
{
    uint64_t due = UINT64_MAX;
    for (int i = 0; i < w.daemons; i++)
        if (daemons[i].begun && !daemons[i].stopped && sequencer_due(&daemons[i].sequencer) < due)
            due = sequencer_due(&daemons[i].sequencer);
    return due != UINT64_MAX && due > w.now + 1 ? due - 1 - w.now : arg * 3U;
}

enum { WRITER, DAEMON, FENCE, TIME, LIFE, DISASTER, KINDS };

struct move {
    uint8_t kind, who;
    uint16_t arg;
};

static void advance(uint64_t us)
{
    w.now += us;
    for (int i = 0; i < w.daemons && !broken; i++) {
        struct daemon *d = &daemons[i];
        if (!d->alive || d->stopped)
            continue;
        clocks(d);
        if (d->begun && !broken)
            check_state(d);
    }
}

static void make_move(const struct move *m)
{
    struct daemon *d = &daemons[m->who % w.daemons];
    uint64_t us = m->arg % 97;
    switch (m->kind) {
    case WRITER:
        writer_moves(&w.writer[m->who % w.writers], m->arg);
        break;
    case DAEMON:
        if (d->alive && !d->stopped)
            daemon_moves(d, m->arg);
        break;
    case FENCE:
        if (d->alive && !d->stopped)
            fence_moves(d, &d->fences[m->who / 16 % SLOTS], m->arg);
        break;
    case TIME:
        us = m->arg % 3 ? m->arg % 1500 : m->arg % 4 ? until_just_before(m->arg) : m->arg * 3U;
        break;
    case LIFE:
        life_moves(d, m->arg);
        break;
    default:
        if (m->who % 2)
            crash(m->arg);
        else
            fork_off(m->arg);
    }
    if (!broken)
        advance(us);
}

/* Writers rest: in bounded time every daemon must have told everything. */
static void come_to_rest(void)
{
    tell("writers rest");
    for (int i = 0; i < w.writers; i++)
        if (w.writer[i].state != IDLE)
            writer_ends(&w.writer[i], "ends");
    for (int i = 0; i < w.daemons; i++) {
        daemons[i].stopped = false;
        if (!daemons[i].alive)
            start_daemon(&daemons[i]);
    }
    int64_t top = draw(); /* a last word, so that there is one in this epoch */
    settle(top, COMMITTED);
    int arrived = 0;
    for (int round = 0; round < 3000 && arrived < w.daemons && !broken; round++) {
        arrived = 0;
        for (int i = 0; i < w.daemons && !broken; i++) {
            struct daemon *d = &daemons[i];
            daemon_moves(d, 7);
            for (int k = 0; k < SLOTS && !broken; k++)
                fence_moves(d, &d->fences[k], 7);
            arrived += d->begun && d->epoch == w.epoch && d->last >= top && !d->query;
        }
        if (!broken)
            advance(500);
    }
    for (int i = 0; i < w.daemons; i++)
        demand(arrived == w.daemons || (daemons[i].epoch == w.epoch && daemons[i].last >= top), "progress",
               "daemon %d stays at %lld of %lld though all writers rest", i + 1, LL(daemons[i].last),
               LL(top));
}

/* ---- runs */

static uint64_t random_state;

static uint32_t next_random(void)
{
    random_state += 0x9e3779b97f4a7c15ULL; /* splitmix64 */
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (uint32_t)((z ^ (z >> 31)) >> 16);
}

static void clear_world(int writers, int n_daemons)
{
    for (int i = 0; i < DAEMONS; i++) {
        memset(&daemons[i], 0, offsetof(struct daemon, shadow));
        memset(daemons[i].shadow, 0, ((size_t)w.used + 2) * sizeof(struct shadow));
        memset(&daemons[i].sequencer, 0, sizeof daemons[i].sequencer);
    }
    memset(w.number, 0, ((size_t)w.used + 2) * sizeof(struct number));
    memset(&w, 0, offsetof(typeof(w), number));
    w.writers = writers;
    w.daemons = n_daemons;
    w.epoch = 1;
    w.epoch_start = 1;
    broken = NULL;
}

struct plan {
    int writers, daemons, n;
    struct move moves[MOVES];
};

/* Each run prefers other moves, so that rare mixtures come up too. */
static void make_plan(struct plan *p, uint64_t seed)
{
    random_state = seed;
    p->writers = 1 + (int)(next_random() % WRITERS);
    p->daemons = 1 + (int)(next_random() % DAEMONS);
    p->n = MOVES;
    unsigned weight[KINDS] = {20 + next_random() % 40, 20 + next_random() % 40, 10 + next_random() % 30,
                              5 + next_random() % 20,  next_random() % 3,       next_random() % 4 == 0},
             all = 0;
    for (int i = 0; i < KINDS; i++)
        all += weight[i];
    for (int i = 0; i < p->n; i++) {
        unsigned x = next_random() % all, kind = 0;
        while (x >= weight[kind])
            x -= weight[kind++];
        p->moves[i] = (struct move){(uint8_t)kind, (uint8_t)next_random(), (uint16_t)next_random()};
    }
}

static int run(const struct plan *p)
{
    clear_world(p->writers, p->daemons);
    for (int i = 0; i < w.daemons; i++)
        start_daemon(&daemons[i]);
    for (int i = 0; i < p->n; i++) {
        make_move(&p->moves[i]);
        if (broken)
            return i + 1;
    }
    come_to_rest();
    return p->n;
}

static bool still_broken(const struct plan *p, const char *invariant)
{
    run(p);
    return broken && strcmp(broken, invariant) == 0;
}

/* Leaves out moves as long as the same invariant breaks. */
static void shrink(struct plan *p, const char *invariant)
{
    static struct plan less;
    for (int piece = p->n / 2; piece > 0; piece = piece > 1 && piece * 2 > p->n ? p->n / 2 : piece / 2) {
        for (int at = 0; at + piece <= p->n;) {
            less = *p;
            memmove(&less.moves[at], &less.moves[at + piece],
                    (size_t)(p->n - at - piece) * sizeof(struct move));
            less.n -= piece;
            if (still_broken(&less, invariant))
                *p = less;
            else
                at += piece;
        }
    }
    less = *p;
    for (less.daemons = 1; less.daemons < p->daemons; less.daemons++)
        if (still_broken(&less, invariant)) {
            *p = less;
            break;
        }
}

static int report(struct plan *p, uint64_t seed, long steps, const char *mutant)
{
    const char *invariant = broken;
    shrink(p, invariant);
    telling = !mutant;
    if (!mutant)
        printf("BROKEN \"%s\" by SIM_SEED=%llu after %ld steps; the smallest list, %d moves:\n", invariant,
               (unsigned long long)seed, steps, p->n);
    run(p);
    if (mutant)
        printf("mutant %s caught by seed %llu after %ld steps, %d moves suffice: \"%s\", %s\n", mutant,
               (unsigned long long)seed, steps, p->n, invariant, evidence);
    else
        printf("  %s\n", evidence);
    return mutant ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"steps", 1, NULL, 'n'}, {"seed", 1, NULL, 's'}, {"mutant", 1, NULL, 'm'}, {0}};
    static struct plan plan;
    const char *mutant = NULL;
    uint64_t first = 0, seed;
    long limit = 5000000, steps = 0, runs = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'n')
            limit = atol(optarg);
        else if (c == 's')
            first = strtoull(optarg, NULL, 0);
        else if (c == 'm')
            mutant = optarg;
        else
            return 2;
    }
    bool one = first != 0; /* repeat a run */
    if (!one)
        first = (uint64_t)time(NULL) * 1000003;
    for (seed = first; steps < limit && !(one && runs && !mutant); seed++) {
        make_plan(&plan, seed);
        steps += run(&plan);
        runs++;
        if (broken)
            return report(&plan, seed, steps, mutant);
    }
    if (mutant) {
        printf("mutant %s SURVIVED %ld steps\n", mutant, steps);
        return 1;
    }
    printf("%ld steps in %ld runs, seeds %llu..%llu: %ld delivered; %ld commits, %ld aborts, %ld tombstones, "
           "%ld writers too late, "
           "%ld fences lost, %ld daemons killed, %ld epochs\n",
           steps, runs, (unsigned long long)first, (unsigned long long)seed - 1, counts[N_DELIVERED],
           counts[N_COMMIT], counts[N_ABORT], counts[N_TOMBSTONE], counts[N_LATE], counts[N_FENCE_LOST],
           counts[N_KILLED], counts[N_EPOCH]);
    return 0;
}
