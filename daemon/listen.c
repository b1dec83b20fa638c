/* SPDX-License-Identifier: Apache-2.0 */
#include "listen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKLOG 1024

static void on_arrival(uv_stream_t *socket, int status)
{
    struct listen *l = socket->data;
    if (status == 0)
        l->arrival(l, socket);
}

/* "host:port" or "[v6]:port", numeric only: a name look-up would block. */
static bool parse_address(const char *text, struct sockaddr_storage *ret)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof host)
        return false;
    char *end;
    long port = strtol(colon + 1, &end, 10);
    if (*end || end == colon + 1 || port < 0 || port > 65535)
        return false;
    bool v6 = text[0] == '[';
    size_t n = (size_t)(colon - text) - (v6 ? 2 : 0);
    if (v6 && colon[-1] != ']')
        return false;
    memcpy(host, text + v6, n);
    host[n] = '\0';
    return v6 ? uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)ret) == 0
              : uv_ip4_addr(host, (int)port, (struct sockaddr_in *)ret) == 0;
}

static int open_socket(struct listen *l, const struct sockaddr_storage *address)
{
    uv_tcp_t *socket = &l->sockets[l->n];
    int failed = uv_tcp_init(&l->loop->uv, socket);
    if (failed)
        return failed;
    socket->data = l;
    l->n++;
    failed = uv_tcp_bind(socket, (const struct sockaddr *)address, 0);
    return failed ? failed : uv_listen((uv_stream_t *)socket, BACKLOG, on_arrival);
}

bool listen_open(struct listen *l, const char *addresses, char *err, size_t size)
{
    char list[1024], *save = NULL;
    snprintf(list, sizeof list, "%s", addresses);
    for (char *one = strtok_r(list, ", ", &save); one; one = strtok_r(NULL, ", ", &save)) {
        struct sockaddr_storage address;
        if (l->n == LISTEN_MAX || !parse_address(one, &address)) {
            snprintf(err, size, "listen: %s is not a numeric address:port, or there are over %d", one,
                     LISTEN_MAX);
            return false;
        }
        int failed = open_socket(l, &address);
        if (failed) {
            snprintf(err, size, "listen: %s: %s", one, uv_strerror(failed));
            return false;
        }
    }
    return true;
}

void listen_close(struct listen *l)
{
    for (int i = 0; i < l->n; i++)
        uv_close((uv_handle_t *)&l->sockets[i], NULL);
    l->n = 0;
}
