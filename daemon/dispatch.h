/* SPDX-License-Identifier: Apache-2.0 */
/* The top floor: which operation goes where. Binds all operations once the registry answers. */
#ifndef QIPAN_DISPATCH_H
#define QIPAN_DISPATCH_H

#include "hub.h"
#include "request.h"

struct dispatch;

/* fatal: the registry doesn't fit this daemon; the sentence says why. ready: bound, clients can work. account: the account
 * with that id in the journal changed; NULL: any may have. */
struct dispatch_events {
    void (*ready)(void *owner);
    void (*fatal)(void *owner, const char *why);
    void (*account)(void *owner, const char *object);
    void *owner;
};

/* Opens the pool. The handler is for sessions; calls before ready wait in the pool's queue or are refused. */
struct dispatch *dispatch_new(struct loop *loop, struct deadlines *deadlines, const struct config *config,
                              const struct dispatch_events *events);
void dispatch_free(struct dispatch *d);

struct pool *dispatch_pool(struct dispatch *d);
void dispatch_goodbye(struct dispatch *d, struct session *s,
                      uint32_t reconnect_after_ms); /* bookmarks, then goodbye */
extern const struct session_handler dispatch_handler;

#endif
