/* SPDX-License-Identifier: Apache-2.0 */
#include "packed.h"

#include "failpoint.h"
#include "msg.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2 }; /* wire types */

#define TAG(number, type) ((uint8_t)((number) << 3 | (type)))
#define HEAD_MOST         512
_Static_assert(HEAD_MOST + PACKED_BYTES < LIMIT_FRAME - 16, "a full frame fits");

bool place_same(const struct place *a, const struct place *b)
{
    return a->rev == b->rev && a->epoch == b->epoch && a->tag == b->tag && a->whole == b->whole &&
           (a->whole || a->idx == b->idx);
}

void place_cursor(const struct place *p, Qipan__Cursor *c)
{
    qipan__cursor__init(c);
    c->has_epoch = c->has_rev = c->has_tag = true;
    c->epoch = p->epoch;
    c->rev = p->rev;
    c->tag = p->tag;
    c->has_idx = !p->whole;
    c->idx = p->idx;
}

uint32_t packed_hash(const char *text)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 16777619u;
    return h;
}

/* ---- bytes */

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

static uint8_t *put_text(uint8_t *p, uint8_t tag, const char *text)
{
    size_t n = strlen(text);
    *p++ = tag;
    p = put_varint(p, n);
    memcpy(p, text, n);
    return p + n;
}

static uint8_t *put_number(uint8_t *p, uint8_t tag, uint64_t v)
{
    *p++ = tag;
    return put_varint(p, v);
}

static uint8_t *put_cursor(uint8_t *p, uint8_t tag, const struct place *at, const char *object)
{
    uint8_t body[64 + PACKED_OBJECT], *end = body;
    uint64_t mark = htole64(at->tag);
    end = put_number(end, TAG(1, VARINT), (uint64_t)at->epoch);
    end = put_number(end, TAG(2, VARINT), (uint64_t)at->rev);
    if (!at->whole)
        end = put_number(end, TAG(3, VARINT), (uint64_t)(int64_t)at->idx);
    *end++ = TAG(4, FIXED64);
    memcpy(end, &mark, sizeof mark);
    end += sizeof mark;
    if (object)
        end = put_text(end, TAG(5, BYTES), object);
    *p++ = tag;
    p = put_varint(p, (uint64_t)(end - body));
    memcpy(p, body, (size_t)(end - body));
    return p + (end - body);
}

/* ---- events */

static bool always_whole(const Qipan__Event *e)
{
    const struct kind_info *kind = kind_by_name(e->kind);
    return kind && kind->whole;
}

static void shape(Qipan__Event *e, enum packed_form form)
{
    if (form != PACKED_ENTER && form != PACKED_REVEAL && !(form == PACKED_UPDATE && always_whole(e)))
        e->n_row = 0;
    if (form != PACKED_ENTER && form != PACKED_UPDATE)
        e->n_changes = 0;
    if (form == PACKED_VANISH) {
        e->actor = e->office = e->reason = e->request = e->batch = NULL;
        e->has_at = false;
    }
    e->n_audience = e->n_audience_old = e->n_audience_now = 0;
    e->view = (char *)view_words[form == PACKED_SUMMARY  ? VIEW_UPDATE
                                 : form == PACKED_REVEAL ? VIEW_ENTER
                                 : form == PACKED_VANISH ? VIEW_LEAVE
                                                         : (enum view_verdict)form];
    if (form == PACKED_SUMMARY) {
        e->type = (char *)"import.summary";
        e->kind = (char *)"import";
        e->object = e->batch;
        e->has_version = false;
    }
}

struct piece packed_piece(struct packed_event *e, enum packed_form form)
{
    struct piece *piece = &e->forms[form];
    if (piece->bytes)
        return *piece;
    Qipan__Event shaped = *e->event; /* its parts stay the rows' */
    shape(&shaped, form);
    size_t n = qipan__event__get_packed_size(&shaped);
    if (n > PACKED_BYTES -
                8) { /* the registry's own limits of text are far below; better told in part than not */
        shaped.n_changes = shaped.n_row = 0;
        n = qipan__event__get_packed_size(&shaped);
    }
    uint8_t *bytes = malloc(n + 8);
    if (!bytes)
        return *piece;
    uint8_t *body = put_number(bytes, TAG(6, BYTES), n);
    qipan__event__pack(&shaped, body);
    *piece = (struct piece){bytes, (size_t)(body - bytes) + n};
    return *piece;
}

struct place packed_place(const struct packed_event *e)
{
    const Qipan__Event *event = e->event;
    return (struct place){event->epoch, event->rev, event->tag, event->idx, event->has_last && event->last};
}

static struct audience audience_after(const Qipan__Event *e)
{
    return (struct audience){e->n_audience ? e->audience : NULL, e->n_audience};
}

static bool sees(const struct grants *g, struct audience a)
{
    return a.tokens ? grants_meet(g, a.tokens, a.n) || BUG("feed-unseen") : g->reader;
}

bool packed_in_sight(const struct packed_event *e, const struct grants *g, enum packed_form form,
                     enum packed_form *ret_form)
{
    const Qipan__Event *event = e->event;
    *ret_form = form;
    if (e->open || form == PACKED_SUMMARY)
        return g->reader;
    struct audience after = audience_after(event);
    struct audience old =
        event->n_audience_old ? (struct audience){event->audience_old, event->n_audience_old} : after;
    bool sees_after = sees(g, after), sees_before = e->facts.existed && sees(g, old);
    if (form == PACKED_LEAVE || (form == PACKED_UPDATE && !sees_after)) {
        *ret_form = sees_after && sees(g, e->now) ? PACKED_LEAVE : PACKED_VANISH;
        return sees_before;
    }
    if (e->facts.existed && !sees_before)
        *ret_form = PACKED_REVEAL;
    return sees_after && sees(g, e->now); /* hidden since: the change that hid it brings the leave */
}

void packed_turn(struct packed *p, const struct packed_event *by)
{
    const char *about = by->facts.after[VIEW_PROJECT];
    for (size_t i = 0; i < p->n; i++) {
        struct packed_event *e = &p->events[i];
        const char *project = e->facts.after[VIEW_PROJECT];
        if (e == by) /* what stands behind it in its revision knows better */
            break;
        if (!about || !project || strcmp(project, about) != 0)
            continue;
        e->now = audience_after(by->event);
        e->open = false;
    }
}

static bool ends_batch(const Qipan__Revision *revision, size_t i)
{
    const Qipan__Event *e = revision->events[i],
                       *next = i + 1 < revision->n_events ? revision->events[i + 1] : NULL;
    return e->batch && (next ? !next->batch || strcmp(e->batch, next->batch) != 0 : e->last);
}

static void learn_audience(struct packed_event *e)
{
    const Qipan__Event *event = e->event;
    e->open = !event->n_audience && !event->n_audience_old && !event->n_audience_now;
    e->now = event->n_audience_now ? (struct audience){event->audience_now, event->n_audience_now}
                                   : audience_after(event);
}

struct packed *packed_new(struct journal_rows *rows, const Qipan__Revision *revision)
{
    size_t n = revision->n_events;
    struct packed *p = calloc(1, sizeof *p + n * sizeof p->events[0]);
    if (!p)
        return NULL;
    p->refs = 1;
    p->rows = rows;
    journal_hold(rows);
    p->at = (struct place){revision->epoch, revision->rev, revision->tag, 0, true};
    p->large = revision->has_large && revision->large;
    p->subjects = revision->subjects;
    p->n = n;
    for (size_t i = 0; i < n; i++) {
        p->events[i].event = revision->events[i];
        p->events[i].actor = packed_hash(revision->events[i]->actor ? revision->events[i]->actor : "");
        view_learn(revision->events[i], &p->events[i].facts);
        learn_audience(&p->events[i]);
        p->events[i].ends_batch = ends_batch(revision, i);
    }
    p->weight = sizeof *p + n * sizeof p->events[0] +
                2 * rows->arena.used / (rows->reply->n_rows ? rows->reply->n_rows : 1);
    return p;
}

void packed_hold(struct packed *p)
{
    p->refs++;
}

void packed_drop(struct packed *p)
{
    if (!p || --p->refs > 0)
        return;
    for (size_t i = 0; i < p->n; i++)
        for (int form = 0; form < PACKED_FORMS; form++)
            free((uint8_t *)p->events[i].forms[form].bytes);
    journal_drop(p->rows);
    free(p);
}

/* ---- frames */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_frame(const struct framer *f, const struct feed_head *h, const struct piece *pieces,
                       size_t n)
{
    return f->n && f->head.call == h->call && f->n_pieces == n && !h->after_object && !h->upto_object &&
           !f->head.after_object && !f->head.upto_object && same_text(f->head.state, h->state) &&
           (!h->state || f->head.behind == h->behind) && place_same(&f->head.after, &h->after) &&
           place_same(&f->head.upto, &h->upto) && (!n || memcmp(f->pieces, pieces, n * sizeof *pieces) == 0);
}

static uint8_t *put_head(uint8_t *p, const struct feed_head *h)
{
    p = put_number(p, TAG(1, VARINT), h->call);
    p = put_cursor(p, TAG(2, BYTES), &h->after, h->after_object);
    p = put_cursor(p, TAG(3, BYTES), &h->upto, h->upto_object);
    if (h->state) {
        p = put_text(p, TAG(4, BYTES), h->state);
        p = put_number(p, TAG(5, VARINT), (uint64_t)h->behind);
    }
    return p;
}

void framer_forget(struct framer *f)
{
    f->n = 0;
}

const uint8_t *framer_frame(struct framer *f, const struct feed_head *head, const struct piece *pieces,
                            size_t n_pieces, size_t *ret_n)
{
    if (!same_frame(f, head, pieces, n_pieces)) {
        uint8_t front[HEAD_MOST], *p = f->bytes + FRAME_HEADER;
        size_t n_front = (size_t)(put_head(front, head) - front), n = n_front;
        for (size_t i = 0; i < n_pieces; i++)
            n += pieces[i].n;
        p = put_number(p, TAG(5, BYTES), n); /* Frame.feed */
        memcpy(p, front, n_front);
        p += n_front;
        for (size_t i = 0; i < n_pieces; i++) {
            memcpy(p, pieces[i].bytes, pieces[i].n);
            p += pieces[i].n;
        }
        f->n = (size_t)(p - f->bytes);
        frame_put_header(f->bytes, f->n - FRAME_HEADER);
        f->head = *head;
        f->n_pieces = n_pieces;
        if (n_pieces)
            memcpy(f->pieces, pieces, n_pieces * sizeof *pieces);
    }
    *ret_n = f->n;
    return f->bytes;
}
