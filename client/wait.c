/* SPDX-License-Identifier: Apache-2.0 */
/* The blocking calls: a loop around qipan_process() that ends. */
#include "call.h"
#include "qipan.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int shorter(int a, int64_t b)
{
    return a < 0 || b < a ? (int)b : a;
}

bool qipan_wait(struct qipan *q, const bool *done, int timeout_ms)
{
    int64_t end = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;

    while (!done || !*done) {
        struct pollfd p = {.fd = qipan_fd(q), .events = qipan_events(q)};
        int wait = qipan_timeout_ms(q);
        int64_t left = end - now_ms();
        int n;

        if (left <= 0)
            return false;
        if (end != INT64_MAX)
            wait = shorter(wait, left > 3600000 ? 3600000 : left);
        n = poll(&p, 1, wait);
        if (n < 0 && errno == EINTR)
            return false;
        qipan_process(q, n > 0 ? p.revents : 0);
    }
    return true;
}

static const Qipan__Error inside = {PROTOBUF_C_MESSAGE_INIT(&qipan__error__descriptor),
                                    .code = (char *)"INTERNAL",
                                    .message = (char *)"blocking call from inside a callback"};

struct waiting {
    struct qipan_result *result;
    bool done;
};

void qipan_keep(const struct qipan_reply *reply, struct qipan_result *ret)
{
    struct call_reply *whole = (struct call_reply *)(uintptr_t)reply;

    ret->message = reply->message;
    ret->error = reply->error;
    snprintf(ret->request, sizeof ret->request, "%s", reply->request);
    ret->memory = whole->memory;
    whole->memory = NULL;
}

static void on_reply(const struct qipan_reply *reply, void *arg)
{
    struct waiting *w = arg;

    qipan_keep(reply, w->result);
    w->done = true;
}

enum qipan_outcome qipan_call_wait(struct qipan *q, unsigned op, const ProtobufCMessage *request,
                                   const struct qipan_call_options *options, struct qipan_result *ret_result)
{
    struct waiting w = {.result = ret_result};
    uint32_t id;

    memset(ret_result, 0, sizeof *ret_result);
    id = qipan_inside(q) ? 0 : qipan_call(q, op, request, options, on_reply, &w);
    if (id == 0) {
        ret_result->error = qipan_refusal(q);
        if (qipan_inside(q))
            ret_result->error = &inside;
        return QIPAN_FAILED;
    }
    if (!qipan_wait(q, &w.done, -1)) {
        snprintf(ret_result->request, sizeof ret_result->request, "%s", qipan_call_request(q, id));
        qipan_forget(q, id);
        return QIPAN_INTERRUPTED;
    }
    return ret_result->error ? QIPAN_FAILED : QIPAN_DONE;
}

void qipan_result_free(struct qipan_result *r)
{
    struct call_memory *memory = r->memory;

    if (memory) {
        arena_free(&memory->arena);
        free(memory);
    }
    memset(r, 0, sizeof *r);
}
