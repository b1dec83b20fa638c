/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of frames as a peer might send it, down to the payloads of every operation. */
#include "frame.h"
#include "fuzz.h"
#include "limits.h"

static void try_payload(const ProtobufCMessageDescriptor *desc, const ProtobufCBinaryData *payload,
                        size_t room)
{
    struct arena arena;
    struct msg_fault fault;
    ProtobufCMessage *message;
    enum msg_result result;

    arena_init(&arena, room);
    result = msg_unpack(desc, payload->data, payload->len, &arena, &message, &fault);
    MUST((result == MSG_OK) == (message != NULL));
    MUST(result != MSG_NO_MEMORY || room < FUZZ_ROOM);
    MUST(arena.used <= room);
    arena_free(&arena);
}

static void try_frame(const uint8_t *body, size_t n)
{
    struct arena arena;
    ProtobufCMessage *message;
    const Qipan__Frame *frame;
    const struct op_info *op;

    arena_init(&arena, LIMIT_ARENA);
    if (msg_unpack(&qipan__frame__descriptor, body, n, &arena, &message, NULL) == MSG_OK) {
        frame = (const Qipan__Frame *)message;
        MUST(msg_frame_parts(frame) <= 9);
        op = frame->call ? op_by_number(frame->call->op) : NULL;
        if (op) {
            try_payload(op->request, &frame->call->payload, LIMIT_ARENA);
            try_payload(op->request, &frame->call->payload, FUZZ_ROOM);
        }
        if (frame->reply) /* the caller knows the operation: here the call's number stands for it */
            try_payload(op_table[frame->reply->call % fuzz_n_ops()].reply, &frame->reply->payload,
                        LIMIT_ARENA);
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct buf in;
    const uint8_t *body;
    size_t len;

    buf_init(&in, n + 1);
    MUST(buf_append(&in, bytes, n));
    while (frame_peek(&in, &body, &len) == FRAME_READY) {
        MUST(len > 0 && len <= LIMIT_FRAME);
        try_frame(body, len);
        buf_consume(&in, FRAME_HEADER + len);
    }
    buf_free(&in);
    return 0;
}
