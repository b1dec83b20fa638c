/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <stdlib.h>

#define SCRATCH_LIMIT (2 * 1024 * 1024)

static void unlink_task(struct loop *loop, struct task *task)
{
    *task->back = task->next;
    if (task->next)
        task->next->back = task->back;
    else
        loop->last = task->back;
    task->back = NULL;
}

/* A task may touch others (the hub touches connections): they run in the same turn. */
static void run_touched(uv_prepare_t *handle)
{
    struct loop *loop = handle->data;
    while (loop->first) {
        struct task *task = loop->first;
        unlink_task(loop, task);
        task->run(task);
    }
}

void loop_init(struct loop *loop)
{
    if (uv_loop_init(&loop->uv) != 0)
        abort();
    loop->first = NULL;
    loop->last = &loop->first;
    buf_init(&loop->scratch, SCRATCH_LIMIT);
    uv_prepare_init(&loop->uv, &loop->turn_end);
    loop->turn_end.data = loop;
    uv_prepare_start(&loop->turn_end, run_touched);
    uv_unref((uv_handle_t *)&loop->turn_end);
}

void loop_free(struct loop *loop)
{
    uv_close((uv_handle_t *)&loop->turn_end, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
    buf_free(&loop->scratch);
}

void loop_touch(struct loop *loop, struct task *task)
{
    if (task->back)
        return;
    task->next = NULL;
    task->back = loop->last;
    *loop->last = task;
    loop->last = &task->next;
}

void loop_forget(struct loop *loop, struct task *task)
{
    if (task->back)
        unlink_task(loop, task);
}
