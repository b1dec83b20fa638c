/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"
#include "log.h"

#include <stdlib.h>

#define SCRATCH_LIMIT (2 * 1024 * 1024)

#define LATER_NS 2000000 /* of a turn */

void loop_forget(struct loop *loop, struct task *task)
{
    (void)loop;
    if (task->queue)
        TAILQ_REMOVE(task->queue, task, link);
    task->queue = NULL;
}

static void run_first(struct loop *loop, struct task_queue *queue)
{
    struct task *task = TAILQ_FIRST(queue);
    loop_forget(loop, task);
    task->run(task);
}

static void on_busy(uv_idle_t *handle)
{
    (void)handle; /* that it is active is all */
}

/* A task may touch others (the hub touches connections): they run in the same turn. */
static void run_touched(uv_prepare_t *handle)
{
    struct loop *loop = handle->data;
    uint64_t begun = TAILQ_EMPTY(&loop->later) ? 0 : uv_hrtime();
    while (!TAILQ_EMPTY(&loop->touched))
        run_first(loop, &loop->touched);
    while (!TAILQ_EMPTY(&loop->later) && uv_hrtime() - begun < LATER_NS)
        run_first(loop, &loop->later);
    while (!TAILQ_EMPTY(&loop->touched))
        run_first(loop, &loop->touched);
    if (TAILQ_EMPTY(&loop->later))
        uv_idle_stop(&loop->busy);
    else
        uv_idle_start(&loop->busy, on_busy);
}

void loop_init(struct loop *loop)
{
    if (uv_loop_init(&loop->uv) != 0)
        log_die("out of memory");
    TAILQ_INIT(&loop->touched);
    TAILQ_INIT(&loop->later);
    buf_init(&loop->scratch, SCRATCH_LIMIT);
    uv_prepare_init(&loop->uv, &loop->turn_end);
    loop->turn_end.data = loop;
    uv_prepare_start(&loop->turn_end, run_touched);
    uv_unref((uv_handle_t *)&loop->turn_end);
    uv_idle_init(&loop->uv, &loop->busy);
    uv_unref((uv_handle_t *)&loop->busy);
}

void loop_free(struct loop *loop)
{
    uv_close((uv_handle_t *)&loop->turn_end, NULL);
    uv_close((uv_handle_t *)&loop->busy, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
    buf_free(&loop->scratch);
}

static void put(struct task_queue *queue, struct task *task)
{
    if (task->queue)
        return;
    task->queue = queue;
    TAILQ_INSERT_TAIL(queue, task, link);
}

void loop_touch(struct loop *loop, struct task *task)
{
    put(&loop->touched, task);
}

void loop_later(struct loop *loop, struct task *task)
{
    put(&loop->later, task);
}
