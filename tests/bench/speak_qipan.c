/* SPDX-License-Identifier: Apache-2.0 */
/* Qipan's own: hello, a watch with its credit, edits. Feeds are walked, not decoded. */
#include "channel.h"

#include "frame.h"
#include "limits.h"
#include "msg.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROJECTS_MAX 100000

static char projects[PROJECTS_MAX][64];
static int64_t versions[PROJECTS_MAX]; /* as the last reply said; 0: not known */
static int n_projects;

static void load_projects(void)
{
    FILE *file = options.project_file ? fopen(options.project_file, "r") : NULL;
    while (file && n_projects < PROJECTS_MAX && fscanf(file, "%63s", projects[n_projects]) == 1)
        n_projects++;
    if (file)
        fclose(file);
    if (!n_projects)
        die("no projects: --projects FILE");
}

static void put_frame(struct channel *l, const Qipan__Frame *frame)
{
    static struct buf packed = {.limit = 1 << 20};
    if (!msg_put_frame(&packed, frame))
        die("a frame that doesn't fit");
    channel_put(l, buf_head(&packed), buf_len(&packed));
    buf_consume(&packed, buf_len(&packed));
}

static void call(struct channel *l, unsigned op, const ProtobufCMessage *request, char *id, int64_t base)
{
    static uint8_t payload[LIMIT_FRAME];
    Qipan__Call c = QIPAN__CALL__INIT;
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    c.has_call = c.has_op = c.has_payload = true;
    c.call = ++l->calls;
    c.op = op;
    c.payload.data = payload;
    c.payload.len = protobuf_c_message_pack(request, payload);
    c.request = id;
    c.has_base_version = base > 0;
    c.base_version = base;
    frame.call = &c;
    put_frame(l, &frame);
}

static void greet(struct channel *l)
{
    Qipan__Hello hello = QIPAN__HELLO__INIT;
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    hello.has_version_min = hello.has_version_max = true;
    hello.version_min = hello.version_max = QIPAN_PROTOCOL_VERSION;
    hello.client = (char *)"load";
    frame.hello = &hello;
    put_frame(l, &frame);
}

/* With topics a subscriber watches one project: of T topics and N subscribers each edit matches N / T. */
static void watch(struct channel *l)
{
    Qipan__WatchRequest request = QIPAN__WATCH_REQUEST__INIT;
    Qipan__Term term = QIPAN__TERM__INIT, *terms[] = {&term};
    if (options.topics) {
        char *values[] = {projects[l->number % options.topics]};
        term.field = (char *)"project";
        term.op = (char *)"=";
        term.n_values = 1;
        term.values = values;
        request.n_terms = 1;
        request.terms = terms;
        request.has_credit = true;
        request.credit = options.credit ? options.credit : LIMIT_CREDIT;
        call(l, OP_watch, &request.base, NULL, 0);
        return;
    }
    request.has_credit = true;
    request.credit = options.credit ? options.credit : LIMIT_CREDIT;
    call(l, OP_watch, &request.base, NULL, 0);
}

#define PUBLISHERS 256
#define ASKED      1024
static uint32_t asked[PUBLISHERS][ASKED]; /* project of a publisher's call, by number - 1 */

static void publish(struct channel *l, uint32_t seq)
{
    static unsigned long run;
    Qipan__ProjectEditRequest request = QIPAN__PROJECT_EDIT_REQUEST__INIT;
    Qipan__Project set = QIPAN__PROJECT__INIT;
    char id[LIMIT_REQUEST_ID];
    if (!run)
        run = now_us();
    snprintf(id, sizeof id, "b%lx.%d.%x", run, l->number, seq);
    uint32_t project = seq % (uint32_t)(options.topics ? options.topics : n_projects);
    request.id = projects[project];
    asked[l->number % PUBLISHERS][l->calls % ASKED] = project;
    request.set = &set;
    set.summary = (char *)message_text(seq);
    call(l, OP_project_edit, &request.base, id, versions[project]);
}

/* ---- input */

static const uint8_t *varint(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
    *ret = 0;
    for (int shift = 0; p < end && shift < 64; shift += 7) {
        *ret |= (uint64_t)(*p & 127) << shift;
        if (!(*p++ & 128))
            return p;
    }
    die("a varint that doesn't end");
}

/* The next field of a message: number, and content of bytes or value of a varint. NULL at the end. */
struct field {
    unsigned number;
    uint64_t value;
    const uint8_t *bytes;
    size_t n;
};

static const uint8_t *next_field(const uint8_t *p, const uint8_t *end, struct field *f)
{
    uint64_t tag;
    if (p >= end)
        return NULL;
    p = varint(p, end, &tag);
    f->number = (unsigned)(tag >> 3);
    f->bytes = NULL;
    if ((tag & 7) == 1)
        return p + 8;
    p = varint(p, end, &f->value);
    if ((tag & 7) == 0)
        return p;
    f->bytes = p;
    f->n = f->value;
    return p + f->n;
}

static void pay(struct channel *l, size_t bytes)
{
    if (!options.credit)
        return;
    l->spent += bytes;
    if (l->spent < options.credit / 2)
        return;
    Qipan__Credit credit = QIPAN__CREDIT__INIT;
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    credit.has_call = credit.has_bytes = true;
    credit.call = 1;
    credit.bytes = l->spent;
    l->spent = 0;
    frame.credit = &credit;
    put_frame(l, &frame);
}

static void take_feed(struct channel *l, const uint8_t *p, size_t n)
{
    struct field f;
    for (const uint8_t *end = p + n; (p = next_field(p, end, &f));) {
        if (f.number == 6)
            bench_arrived(l, f.bytes, f.n);
        else if (f.number == 4 && f.n == 4 && memcmp(f.bytes, "LIVE", 4) == 0 && !l->ready)
            bench_ready(l);
        else if (f.number == 7)
            die("the watch ended: %.*s", (int)f.n, (const char *)f.bytes);
    }
}

/* ProjectReply.project.version: the base of the next edit. */
static void learn_version(struct channel *l, uint64_t number, const uint8_t *p, size_t n)
{
    struct field f;
    if (!next_field(p, p + n, &f) || f.number != 1 || !f.bytes)
        return;
    const uint8_t *end = f.bytes + f.n;
    for (p = f.bytes; (p = next_field(p, end, &f));)
        if (f.number == 3)
            versions[asked[l->number % PUBLISHERS][(number - 1) % ASKED]] = (int64_t)f.value;
}

static void take_reply(struct channel *l, const uint8_t *p, size_t n)
{
    struct field f;
    uint64_t number = 0;
    bool good = true;
    for (const uint8_t *end = p + n; (p = next_field(p, end, &f));) {
        if (f.number == 1)
            number = f.value;
        if (f.number == 3 && l->role == PUBLISHER)
            learn_version(l, number, f.bytes, f.n);
        if (f.number == 2) {
            good = false;
            fprintf(stderr, "load: refused: %.*s\n", (int)f.n, (const char *)f.bytes);
        }
    }
    if (l->role == PUBLISHER)
        bench_acked(l, (uint32_t)number - 1, good);
}

static void take_frame(struct channel *l, const uint8_t *body, size_t n)
{
    struct field f;
    if (!next_field(body, body + n, &f))
        return;
    switch (f.number) {
    case 2: /* welcome */
        if (l->role == SUBSCRIBER && options.subs)
            watch(l);
        else
            bench_ready(l);
        break;
    case 4:
        take_reply(l, f.bytes, f.n);
        break;
    case 5:
        take_feed(l, f.bytes, f.n);
        pay(l, n);
        break;
    case 7: { /* ping → pong with the same content */
        uint8_t pong[64] = {0, 0, 0, (uint8_t)n};
        memcpy(pong + FRAME_HEADER, body, n);
        pong[FRAME_HEADER] = 8 << 3 | 2;
        channel_put(l, pong, FRAME_HEADER + n);
        break;
    }
    case 9:
        die("goodbye: %.*s", (int)f.n, (const char *)f.bytes);
    default:
        break;
    }
}

static size_t take(struct channel *l, const uint8_t *bytes, size_t n)
{
    size_t used = 0;
    while (n - used >= FRAME_HEADER) {
        const uint8_t *p = bytes + used;
        size_t body = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        if (n - used - FRAME_HEADER < body)
            break;
        take_frame(l, p + FRAME_HEADER, body);
        used += FRAME_HEADER + body;
        if (l->dead)
            break;
    }
    return used;
}

static void greet_first(struct channel *l)
{
    if (!n_projects && (options.topics || l->role == PUBLISHER))
        load_projects();
    greet(l);
}

const struct speech speak_qipan = {"qipan", "\x07qipan/1", false, greet_first, take, publish};
