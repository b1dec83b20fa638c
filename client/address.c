/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"

#include "limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool take_port(const char *text, size_t n, char port[6])
{
    if (n == 0 || n > 5 || strspn(text, "0123456789") < n)
        return false;
    memcpy(port, text, n);
    port[n] = '\0';
    return atoi(port) >= 1 && atoi(port) <= 65535;
}

static bool take_host(const char *text, size_t n, char host[256])
{
    if (n == 0 || n > 255)
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    return strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%") == n;
}

/* host, host:port, [v6], [v6]:port */
static bool parse_one(const char *text, size_t n, struct address *ret)
{
    const char *colon = memchr(text, ':', n), *close = memchr(text, ']', n);

    strcpy(ret->port, QIPAN_DEFAULT_PORT);
    if (*text == '[') {
        size_t used = close ? (size_t)(close - text) + 1 : 0;

        if (!close || !take_host(text + 1, used - 2, ret->host))
            return false;
        return used == n || (text[used] == ':' && take_port(text + used + 1, n - used - 1, ret->port));
    }
    if (!colon)
        return take_host(text, n, ret->host);
    return take_host(text, (size_t)(colon - text), ret->host) &&
           take_port(colon + 1, n - (size_t)(colon - text) - 1, ret->port);
}

bool addresses_parse(struct addresses *a, const char *text, char *ret_bad, size_t bad_size)
{
    a->n = a->at = a->given = 0;
    for (;;) {
        size_t n;

        text += strspn(text, " \t,");
        if (!*text)
            break;
        n = strcspn(text, " \t,");
        if (a->n == ADDRESS_MAX || !parse_one(text, n, &a->list[a->n])) {
            snprintf(ret_bad, bad_size, "%.*s", (int)(n < 60 ? n : 60), text);
            return false;
        }
        a->n++;
        text += n;
    }
    a->at = a->n;
    snprintf(ret_bad, bad_size, "%s", "");
    return a->n > 0;
}

static void swap(struct addresses *a, size_t i, size_t k)
{
    struct address kept = a->list[i];

    a->list[i] = a->list[k];
    a->list[k] = kept;
}

static void shuffle(struct addresses *a, size_t n, struct backoff *random)
{
    for (size_t i = n; i > 1; i--)
        swap(a, i - 1, backoff_random(random, (uint32_t)i));
}

const struct address *addresses_next(struct addresses *a, struct backoff *random)
{
    if (a->at < a->n) {
        a->given = a->at;
        return &a->list[a->at++];
    }
    shuffle(a, a->n, random);
    a->at = 0;
    return NULL;
}

bool addresses_elsewhere(struct addresses *a, struct backoff *random)
{
    if (a->n < 2)
        return false;
    swap(a, a->given, a->n - 1);
    shuffle(a, a->n - 1, random);
    a->at = 0;
    return true;
}
