/* SPDX-License-Identifier: Apache-2.0 */
#include "opening.h"

enum { CHANGE_CIPHER_SPEC = 20, ALERT = 21, HANDSHAKE = 22, APPLICATION_DATA = 23, CLIENT_HELLO = 1 };

#define RECORD_HEAD  5
#define MESSAGE_HEAD 4
#define HELLOS_MOST  2

static size_t record_length(const struct opening *o)
{
    return (size_t)o->head[3] << 8 | o->head[4];
}

static size_t head_length(const struct opening *o)
{
    return o->have && o->head[0] == HANDSHAKE ? RECORD_HEAD + MESSAGE_HEAD : RECORD_HEAD;
}

/* The head of a hello is complete: exactly one message, of a size that is reasonable. */
static bool good_hello(const struct opening *o)
{
    size_t message = (size_t)o->head[6] << 16 | (size_t)o->head[7] << 8 | o->head[8];

    return o->hellos < HELLOS_MOST && o->head[5] == CLIENT_HELLO && message > 0 &&
           message + MESSAGE_HEAD == record_length(o) && message <= OPENING_HELLO;
}

/* The head of a record is complete. */
static bool good_record(struct opening *o)
{
    o->left = (uint32_t)record_length(o);
    if (o->head[1] != 3)
        return false;
    switch (o->head[0]) {
    case HANDSHAKE:
        o->left -= MESSAGE_HEAD;
        return good_hello(o);
    case CHANGE_CIPHER_SPEC:
        return o->hellos && o->left == 1;
    case ALERT:
        return o->hellos && o->left == 2;
    case APPLICATION_DATA:
        o->sealed = o->hellos > 0;
        return o->sealed;
    default:
        return false;
    }
}

static bool possible(uint8_t type)
{
    return type >= CHANGE_CIPHER_SPEC && type <= APPLICATION_DATA;
}

bool opening_take(struct opening *o, const uint8_t *bytes, size_t n)
{
    while (n && !o->sealed) {
        size_t step = 1;

        if (o->left) {
            step = n < o->left ? n : o->left;
            o->left -= (uint32_t)step;
        } else {
            o->head[o->have++] = *bytes;
            if (!possible(o->head[0]) || (o->have == head_length(o) && !good_record(o)))
                return false;
        }
        bytes += step;
        n -= step;
        if (o->have == head_length(o) && o->left == 0) {
            o->hellos = (uint8_t)(o->hellos + (o->head[0] == HANDSHAKE));
            o->have = 0;
        }
    }
    return true;
}
