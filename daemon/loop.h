/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop and its end of turn. Input callbacks only enqueue and touch(); once a turn, before the loop waits
 * again, every touched task runs. So writes coalesce by themselves, and nobody is freed inside its own callback.
 * Dear work that can wait (handshakes) goes by loop_later(): a few milliseconds of it a turn, in the order it came, so
 * that a thousand clients coming back at once don't hold up those who are here. */
#ifndef QIPAN_LOOP_H
#define QIPAN_LOOP_H

#include "buf.h"
#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

struct task {
    void (*run)(struct task *task);
    struct task_queue *queue; /* NULL when in none */
    TAILQ_ENTRY(task) link;
};
TAILQ_HEAD(task_queue, task);

struct loop {
    uv_loop_t uv;
    uv_prepare_t turn_end;
    uv_idle_t busy; /* active while something waits in `later`: the loop must not sleep */
    struct task_queue touched, later;
    struct buf scratch;    /* ciphertext of the connection at work; empty between callbacks */
    char input[64 * 1024]; /* one read buffer for all: a callback consumes it before it returns */
};

void loop_init(struct loop *loop);
void loop_free(struct loop *loop); /* every handle must be closed by then */
void loop_touch(struct loop *loop, struct task *task);
void loop_later(struct loop *loop, struct task *task);
void loop_forget(struct loop *loop, struct task *task); /* before a task's owner dies */

static inline uint64_t loop_now_ms(struct loop *loop)
{
    return uv_now(&loop->uv);
}

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
