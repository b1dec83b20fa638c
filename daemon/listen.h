/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets. Announces that somebody waits; who accepts, and whether, is decided above. */
#ifndef QIPAN_LISTEN_H
#define QIPAN_LISTEN_H

#include "loop.h"

#define LISTEN_MAX 16

struct listen {
    struct loop *loop;
    void (*arrival)(struct listen *l,
                    uv_stream_t *socket); /* must uv_accept, or let the client wait in the backlog */
    void *owner;
    uv_tcp_t sockets[LISTEN_MAX];
    int n;
};

/* addresses: "127.0.0.1:7465,[::1]:7465". False with a sentence in err; listen_close() undoes a part. */
bool listen_open(struct listen *l, const char *addresses, char *err, size_t size);
void listen_close(struct listen *l);

#endif
