/* SPDX-License-Identifier: Apache-2.0 */
/* From bytes to messages and back, with nothing trusted.
 *
 * protobuf-c neither bounds depth nor elements nor looks at strings (see LIMIT_*), so msg_scan() walks the raw
 * bytes by descriptor before a byte is allocated; msg_unpack() is scan + unpack into an arena. */
#ifndef QIPAN_MSG_H
#define QIPAN_MSG_H

#include "arena.h"
#include "buf.h"
#include "qipan.pb-c.h"

enum msg_result {
    MSG_OK,
    MSG_MALFORMED,    /* not a message of this type, or more depth, elements or unknown fields than allowed */
    MSG_INVALID_TEXT, /* a string is not utf8_clean(): fault.field names it */
    MSG_NO_MEMORY,    /* the arena's ceiling */
};

/* Name in errors.def; NULL for MSG_OK. */
const char *msg_code(enum msg_result result);

struct msg_fault {
    char field[64]; /* dotted path of the field, from a descriptor, never from the peer */
};

enum msg_result msg_scan(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t n,
                         struct msg_fault *ret_fault);

/* The message lives as long as the arena; never free or re-pack it. */
enum msg_result msg_unpack(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t n,
                           struct arena *arena, ProtobufCMessage **ret_message, struct msg_fault *ret_fault);

/* The same for what a daemon says: text must be UTF-8 without NUL, but may hold what no field may. A registry that was
 * written to by hand, or under older rules, holds such text, and one row of it must not end everybody's feed. Who prints
 * it does so through utf8_show(). */
enum msg_result msg_take(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t n,
                         struct arena *arena, ProtobufCMessage **ret_message, struct msg_fault *ret_fault);

/* Appends header and packed frame. False when it is over LIMIT_FRAME or the queue is full; nothing is appended then. */
bool msg_put_frame(struct buf *out, const Qipan__Frame *frame);

/* How many of the Frame's fields are set: a good frame has exactly one. */
int msg_frame_parts(const Qipan__Frame *frame);

/* Error by name of errors.def; NULL is never returned, an unknown name gives INTERNAL. */
struct error_info {
    const char *name;
    int status;    /* gRPC canonical status */
    int exit_code; /* of the command-line client */
    enum { ERROR_NEVER, ERROR_LATER, ERROR_ASK, ERROR_CARE } retry;
    const char *text_en, *text_zh;
};
const struct error_info *error_info(const char *name);

/* Operation by number or name; NULL if there is none. */
struct op_info {
    unsigned number;
    const char *name;
    const ProtobufCMessageDescriptor *request, *reply;
    enum op_lane { LANE_READ, LANE_EDIT, LANE_CHUNK, LANE_BULK, LANE_PREVIEW, LANE_OFFICE, LANE_FEED } lane;
    const char *right, *cli;
};
const struct op_info *op_by_number(unsigned number);
const struct op_info *op_by_name(const char *name);
unsigned op_longest_ms(const struct op_info *op); /* that its caller may wait */
extern const struct op_info op_table[];           /* ends with name NULL */

/* Kinds of objects that have events, of kinds.def. */
struct kind_info {
    const char *name;
    const ProtobufCMessageDescriptor *message;
    bool whole; /* every change brings the row: it is short, and says little without what it is about */
};
extern const struct kind_info kind_table[];             /* ends with name NULL */
const struct kind_info *kind_by_name(const char *name); /* NULL if there is none */

enum {
#define KIND(name, message) KIND_##name,
#include "kinds.def"
#undef KIND
    KINDS
};

/* OP_whoami = 1, … */
enum op_number {
#define OP(number, name, request, reply, lane, right, cli) OP_##name = number,
#include "ops.def"
#undef OP
};

#endif
