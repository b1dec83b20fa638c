/* SPDX-License-Identifier: Apache-2.0 */
/* What a client does with whatever a daemon says: the first two bytes choose the message of an operation. What is taken becomes
 * JSON that programs can read and terminals can show, and packs into the same message again. */
#include "fuzz.h"
#include "json.h"
#include "utf8.h"

#include <string.h>

static void check_line(char *line)
{
    const uint8_t *s = (const uint8_t *)line, *end;
    json_t *read;

    MUST(line);
    end = s + strlen(line);
    MUST(utf8_valid(s, (size_t)(end - s)));
    while (s < end)
        MUST(utf8_is_safe(utf8_next(&s, end)));
    read = json_loads(line, 0, NULL);
    MUST(read);
    json_decref(read);
    free(line);
}

static void check_events(const ProtobufCMessage *message)
{
    const Qipan__Feed *feed = (const Qipan__Feed *)message;

    for (size_t i = 0; i < feed->n_events; i++)
        check_line(qipan_json_event(feed->events[i], "1-2--0000000000000003"));
}

static void check_again(const ProtobufCMessage *message)
{
    size_t n = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(n + 1);
    struct arena arena;
    ProtobufCMessage *again;
    struct msg_fault fault;
    char *one, *other;

    MUST(bytes && protobuf_c_message_pack(message, bytes) == n);
    arena_init(&arena, FUZZ_ROOM);
    MUST(msg_take(message->descriptor, bytes, n, &arena, &again, &fault) == MSG_OK);
    one = qipan_json(message);
    other = qipan_json(again);
    MUST(one && other && strcmp(one, other) == 0);
    free(one);
    free(other);
    arena_free(&arena);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const ProtobufCMessageDescriptor *desc;
    struct msg_fault fault;
    struct arena arena;
    ProtobufCMessage *message;

    if (n < 2)
        return 0;
    desc = fuzz_choose(bytes, &qipan__feed__descriptor);
    arena_init(&arena, FUZZ_ROOM);
    if (msg_take(desc, bytes + 2, n - 2, &arena, &message, &fault) == MSG_OK) {
        check_line(qipan_json(message));
        check_again(message);
        if (desc == &qipan__feed__descriptor)
            check_events(message);
    }
    arena_free(&arena);
    return 0;
}
