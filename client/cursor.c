/* SPDX-License-Identifier: Apache-2.0 */
#include "cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct cursor cursor_of(const Qipan__Cursor *m)
{
    struct cursor c = {0};

    if (!m)
        return c;
    c.epoch = m->has_epoch ? m->epoch : 0;
    c.rev = m->has_rev ? m->rev : 0;
    c.idx = m->has_idx ? m->idx : CURSOR_ALL;
    c.tag = m->has_tag ? m->tag : 0;
    c.inside = m->object != NULL;
    snprintf(c.object, sizeof c.object, "%s", m->object ? m->object : "");
    return c;
}

struct cursor cursor_of_event(const Qipan__Event *e, int64_t epoch)
{
    struct cursor c = {.epoch = e->has_epoch ? e->epoch : epoch, .rev = e->rev, .idx = e->idx, .tag = e->tag};

    if (e->has_last && e->last)
        c.idx = CURSOR_ALL;
    return c;
}

void qipan_event_cursor(const Qipan__Event *event, char ret_text[QIPAN_CURSOR_SIZE])
{
    struct cursor c = cursor_of_event(event, 0);

    cursor_text(&c, ret_text);
}

void cursor_text(const struct cursor *c, char ret_text[QIPAN_CURSOR_SIZE])
{
    Qipan__Cursor m;

    cursor_put(c, &m);
    qipan_cursor_text(&m, ret_text);
}

void cursor_put(const struct cursor *c, Qipan__Cursor *ret)
{
    qipan__cursor__init(ret);
    ret->has_epoch = ret->has_rev = ret->has_tag = true;
    ret->epoch = c->epoch;
    ret->rev = c->rev;
    ret->has_idx = c->idx != CURSOR_ALL;
    ret->idx = ret->has_idx ? c->idx : 0;
    ret->tag = c->tag;
    ret->object = c->inside ? (char *)c->object : NULL;
}

bool cursor_same(const struct cursor *a, const struct cursor *b)
{
    return a->epoch == b->epoch && a->rev == b->rev && a->idx == b->idx && a->inside == b->inside &&
           strcmp(a->object, b->object) == 0;
}

bool cursor_before(const struct cursor *a, const struct cursor *b)
{
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch;
    return a->rev != b->rev ? a->rev < b->rev : a->idx < b->idx;
}

void qipan_cursor_text(const Qipan__Cursor *m, char ret_text[QIPAN_CURSOR_SIZE])
{
    char idx[16] = "";

    if (m->has_idx)
        snprintf(idx, sizeof idx, "%" PRId32, m->idx);
    snprintf(ret_text, QIPAN_CURSOR_SIZE, "%" PRId64 "-%" PRId64 "-%s-%016" PRIx64 "%s%s",
             m->has_epoch ? m->epoch : 0, m->has_rev ? m->rev : 0, idx, m->has_tag ? m->tag : (uint64_t)0,
             m->object ? "+" : "", m->object ? m->object : "");
}

/* Decimal digits up to `stop`; at most `max`. */
static bool take_number(const char **text, char stop, int64_t max, int64_t *ret)
{
    const char *s = *text;
    int64_t n = 0;

    if (*s == stop)
        return false;
    for (; *s >= '0' && *s <= '9'; s++) {
        if (n > (max - (*s - '0')) / 10)
            return false;
        n = n * 10 + (*s - '0');
    }
    if (*s != stop)
        return false;
    *text = s + 1;
    *ret = n;
    return true;
}

static bool take_tag(const char *s, uint64_t *ret)
{
    uint64_t n = 0;

    if (strspn(s, "0123456789abcdef") != 16)
        return false;
    for (int i = 0; i < 16; i++)
        n = n << 4 | (uint64_t)(s[i] <= '9' ? s[i] - '0' : s[i] - 'a' + 10);
    *ret = n;
    return true;
}

bool cursor_object_fits(const char *id)
{
    return strlen(id) < QIPAN_OBJECT_SIZE && !strpbrk(id, " \t\r\n");
}

/* What may follow the tag: nothing, or an object of a snapshot. */
static bool take_object(const char *s, char **ret)
{
    *ret = *s == '+' ? (char *)s + 1 : NULL;
    return *s == '\0' || (*s == '+' && cursor_object_fits(s + 1));
}

bool qipan_cursor_parse(const char *text, Qipan__Cursor *ret)
{
    Qipan__Cursor c = QIPAN__CURSOR__INIT;
    int64_t idx = 0;

    if (!take_number(&text, '-', INT64_MAX, &c.epoch) || !take_number(&text, '-', INT64_MAX, &c.rev))
        return false;
    if (*text == '-')
        text++;
    else if (take_number(&text, '-', INT32_MAX - 1, &idx))
        c.has_idx = true;
    else
        return false;
    if (!take_tag(text, &c.tag) || !take_object(text + 16, &c.object) || (c.object && c.has_idx))
        return false;
    c.idx = (int32_t)idx;
    c.has_epoch = c.has_rev = c.has_tag = true;
    *ret = c;
    return true;
}
