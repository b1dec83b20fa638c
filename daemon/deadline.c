/* SPDX-License-Identifier: Apache-2.0 */
#include "deadline.h"
#include "log.h"

#include <stdlib.h>

static void place(struct deadlines *all, size_t i, struct deadline *d)
{
    all->heap[i] = d;
    d->slot = i + 1;
}

static void sift_up(struct deadlines *all, size_t i, struct deadline *d)
{
    for (; i > 0 && all->heap[(i - 1) / 2]->at_ms > d->at_ms; i = (i - 1) / 2)
        place(all, i, all->heap[(i - 1) / 2]);
    place(all, i, d);
}

static void sift_down(struct deadlines *all, size_t i, struct deadline *d)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < all->n && all->heap[child + 1]->at_ms < all->heap[child]->at_ms)
            child++;
        if (child >= all->n || all->heap[child]->at_ms >= d->at_ms)
            break;
        place(all, i, all->heap[child]);
        i = child;
    }
    place(all, i, d);
}

static void fire_due(uv_timer_t *timer);

static void rearm(struct deadlines *all)
{
    if (all->n == 0) {
        uv_timer_stop(&all->timer);
        return;
    }
    uint64_t now = loop_now_ms(all->loop), at = all->heap[0]->at_ms;
    uv_timer_start(&all->timer, fire_due, at > now ? at - now : 0, 0);
}

static void take_out(struct deadlines *all, struct deadline *d)
{
    size_t i = d->slot - 1;
    d->slot = 0;
    struct deadline *moved = all->heap[--all->n];
    if (moved == d)
        return;
    if (i > 0 && all->heap[(i - 1) / 2]->at_ms > moved->at_ms)
        sift_up(all, i, moved);
    else
        sift_down(all, i, moved);
}

static void fire_due(uv_timer_t *timer)
{
    struct deadlines *all = timer->data;
    uint64_t now = loop_now_ms(all->loop);
    while (all->n && all->heap[0]->at_ms <= now) {
        struct deadline *d = all->heap[0];
        take_out(all, d);
        d->fire(d);
    }
    rearm(all);
}

void deadlines_init(struct deadlines *all, struct loop *loop)
{
    *all = (struct deadlines){.loop = loop};
    uv_timer_init(&loop->uv, &all->timer);
    all->timer.data = all;
}

void deadlines_free(struct deadlines *all)
{
    uv_close((uv_handle_t *)&all->timer, NULL);
    free(all->heap);
    all->heap = NULL;
    all->n = all->cap = 0;
}

void deadline_set(struct deadlines *all, struct deadline *d, uint64_t in_ms)
{
    if (d->slot)
        take_out(all, d);
    if (all->n == all->cap) {
        size_t cap = all->cap ? all->cap * 2 : 64;
        struct deadline **heap = realloc(all->heap, cap * sizeof *heap);
        if (!heap)
            log_die("out of memory"); /* a daemon that can't time out must not go on */
        all->heap = heap;
        all->cap = cap;
    }
    /* in_ms at least 1: a callback that sets itself again must not spin inside fire_due() */
    d->at_ms = loop_now_ms(all->loop) + (in_ms ? in_ms : 1);
    sift_up(all, all->n++, d);
    if (d->slot == 1)
        rearm(all);
}

void deadline_clear(struct deadlines *all, struct deadline *d)
{
    if (d->slot)
        take_out(all, d);
}
