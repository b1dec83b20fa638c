/* SPDX-License-Identifier: Apache-2.0 */
/* The scan against the decoder, over every message of the protocol (the first two bytes choose): what the scan lets through
 * must unpack, hold clean text only, and keep the limits. */
#include "fuzz.h"
#include "limits.h"
#include "utf8.h"

#include <string.h>

struct seen {
    unsigned elements, unknown;
};

static void check_message(const ProtobufCMessage *message, unsigned depth, struct seen *seen);

static void check_value(const ProtobufCFieldDescriptor *field, const void *value, unsigned depth,
                        struct seen *seen)
{
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(char *const *)value;

        MUST(!text || utf8_clean((const uint8_t *)text, strlen(text)));
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *inner = *(ProtobufCMessage *const *)value;

        if (inner)
            check_message(inner, depth + 1, seen);
    }
}

static void check_message(const ProtobufCMessage *message, unsigned depth, struct seen *seen)
{
    const ProtobufCMessageDescriptor *desc = message->descriptor;
    const char *base = (const char *)message;

    MUST(depth <= LIMIT_DEPTH);
    seen->unknown += message->n_unknown_fields;
    for (unsigned i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &desc->fields[i];
        const char *member = base + field->offset;
        size_t n;

        if (field->label != PROTOBUF_C_LABEL_REPEATED) {
            check_value(field, member, depth, seen);
            continue;
        }
        memcpy(&n, base + field->quantifier_offset, sizeof(n));
        seen->elements += (unsigned)n;
        for (size_t k = 0; k < n; k++) /* all repeated fields of the protocol are pointers */
            check_value(field, *(const char *const *)member + k * sizeof(void *), depth, seen);
    }
}

/* "rows.set.name" leads from the message to a string. */
static void check_path(const ProtobufCMessageDescriptor *desc, const char *path)
{
    char copy[sizeof(struct msg_fault)];
    const ProtobufCFieldDescriptor *field = NULL;

    strcpy(copy, path);
    for (char *name = strtok(copy, "."); name; name = strtok(NULL, ".")) {
        MUST(desc);
        field = protobuf_c_message_descriptor_get_field_by_name(desc, name);
        MUST(field);
        desc = field->type == PROTOBUF_C_TYPE_MESSAGE ? field->descriptor : NULL;
    }
    MUST(field && field->type == PROTOBUF_C_TYPE_STRING);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const ProtobufCMessageDescriptor *desc;
    struct msg_fault fault;
    struct arena arena;
    struct seen seen = {0};
    ProtobufCMessage *message;

    if (n < 2)
        return 0;
    desc = fuzz_choose(bytes, &qipan__frame__descriptor);
    arena_init(&arena, FUZZ_ROOM);
    switch (msg_unpack(desc, bytes + 2, n - 2, &arena, &message, &fault)) {
    case MSG_OK:
        check_message(message, 0, &seen);
        MUST(seen.elements <= LIMIT_ELEMENTS && seen.unknown <= LIMIT_UNKNOWN);
        break;
    case MSG_INVALID_TEXT:
        check_path(desc, fault.field);
        break;
    case MSG_MALFORMED:
        MUST(fault.field[0] == '\0');
        break;
    case MSG_NO_MEMORY: /* with this much room: the decoder refused what the scan let through */
        MUST(false);
    }
    arena_free(&arena);
    return 0;
}
