/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include "failpoint.h"
#include "limits.h"
#include "log.h"
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_ARENA (4 * 1024 * 1024)

struct request {
    struct session *session;
    const struct op_info *info;
    const struct bind_op *op;
    uint32_t call;
    struct pool_job job;
    struct deadline deadline;
    struct arena arena;
    struct bind_server server;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char *id;           /* request id, in the arena */
    const char *object; /* that it names, in the arena; NULL = none */
    bool answered;
    LIST_ENTRY(request) place; /* of a preview: in its session */
};

static bool is_change(const struct op_info *info)
{
    return info->lane != LANE_READ;
}

static bool is_preview(const struct request *r)
{
    return r->info->lane == LANE_PREVIEW;
}

static void request_free(struct request *r)
{
    struct session *s = r->session;
    if (is_preview(r))
        LIST_REMOVE(r, place);
    deadline_clear(s->shared->deadlines, &r->deadline);
    arena_free(&r->arena);
    free(r);
    session_unref(s);
}

/* The one place that answers. False: the reply is larger than a frame, an error it is then. */
static bool answer(struct request *r, const ProtobufCMessage *reply, Qipan__Error *error)
{
    if (r->answered)
        return true;
    if (!session_reply(r->session, r->call, reply, error))
        return false;
    r->answered = true;
    session_call_ends(r->session);
    return true;
}

static void refuse(struct request *r, const char *code, const char *field, const char *message)
{
    Qipan__Error error = QIPAN__ERROR__INIT;
    error.field = (char *)field;
    error.message = (char *)message;
    session_fill_error(&error, code, r->session->lang);
    answer(r, NULL, &error);
}

/* ---- answers of the registry */

/* code: for a read. A change was committed. */
static void does_not_fit(struct request *r, const char *code)
{
    log_error(r->session->conn ? r->session->conn->name : "request", "%s: the reply does not fit",
              r->info->name);
    refuse(r, is_change(r->info) ? "UNKNOWN" : code, NULL, NULL);
}

static void answer_row(struct request *r, const struct pool_answer *a)
{
    struct arena arena;
    ProtobufCMessage *reply;
    Qipan__Error *error;
    arena_init(&arena, REPLY_ARENA);
    if (!bind_reply(r->op, a->row, a->index, &arena, &reply, &error)) {
        does_not_fit(r, "INTERNAL");
    } else if (error) {
        session_fill_error(error, error->code ? error->code : "INTERNAL", r->session->lang);
        answer(r, NULL, error);
    } else {
        bind_fill_rev(reply, a->sealed ? a->rev : 0);
        if (!answer(r, reply, NULL))
            does_not_fit(r, "TOO_LARGE");
    }
    arena_free(&arena);
}

/* ---- who holds what a change waited for in vain */

static const Oid locked_types[] = {25, 25};
static const struct pg_statement locked_sql = {
    PG_STATEMENTS - 50, "SELECT message, hint, actor FROM api.locked_by($1, $2)", 2, locked_types};

static char *text_at(const struct pool_answer *a, int column)
{
    return a->row && !PQgetisnull(a->row, a->index, column) ? PQgetvalue(a->row, a->index, column) : NULL;
}

static void on_holder(struct pool_job *job, const struct pool_answer *a)
{
    struct request *r = container_of(job, struct request, job);
    Qipan__Error error = QIPAN__ERROR__INIT;
    error.message = text_at(a, 0);
    error.hint = text_at(a, 1);
    error.by = text_at(a, 2);
    session_fill_error(&error, "LOCKED", r->session->lang);
    answer(r, NULL, &error);
    request_free(r);
}

static void ask_holder(struct request *r)
{
    r->job = (struct pool_job){.lane = POOL_READ,
                               .statement = &locked_sql,
                               .flow = r->session->principal.account,
                               .done = on_holder};
    r->job.params.values[0] = r->object;
    r->job.params.lengths[0] = r->object ? (int)strlen(r->object) : 0;
    r->job.params.values[1] = r->session->lang;
    r->job.params.lengths[1] = (int)strlen(r->session->lang);
    pool_submit(r->session->shared->pool, &r->job);
}

static void on_done(struct pool_job *job, const struct pool_answer *a)
{
    struct request *r = container_of(job, struct request, job);
    if (!a->row && strcmp(a->code, "LOCKED") == 0 && !r->answered) {
        ask_holder(r);
        return;
    }
    if (a->row)
        answer_row(r, a);
    else
        refuse(r, a->code, NULL, NULL);
    request_free(r);
}

void request_gone(struct session *s)
{
    for (struct request *r = LIST_FIRST(&s->previews), *next; r; r = next) {
        next = LIST_NEXT(r, place);
        if (pool_cancel(s->shared->pool, &r->job))
            request_free(r);
        else
            pool_abandon(s->shared->pool, &r->job);
    }
}

/* A change that may have reached the registry isn't "failed": its outcome is not known, and may be asked for. */
static void on_deadline(struct deadline *d)
{
    struct request *r = container_of(d, struct request, deadline);
    struct pool *pool = r->session->shared->pool;
    bool waiting = pool_cancel(pool, &r->job);
    if (pool_unresolved(&r->job))
        refuse(r, "UNKNOWN", NULL, NULL);
    else
        refuse(r, pool_problem(pool) ? "UNAVAILABLE" : "DEADLINE_EXCEEDED", NULL, NULL);
    if (waiting)
        request_free(r);
    else
        pool_abandon(pool, &r->job);
}

/* ---- checks, in order */

static bool id_is_good(const char *id)
{
    size_t n = strlen(id);
    return n >= 1 && n <= LIMIT_REQUEST_ID &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-") == n;
}

static const char *check_unpack(struct request *r, const Qipan__Call *call, ProtobufCMessage **ret,
                                struct msg_fault *fault)
{
    const uint8_t *bytes = call->has_payload ? call->payload.data : (const uint8_t *)"";
    size_t n = call->has_payload ? call->payload.len : 0;
    enum msg_result result = msg_unpack(r->op->request, bytes, n, &r->arena, ret, fault);
    if (result == MSG_OK)
        SHA256(bytes, n, r->digest);
    return msg_code(result);
}

static const char *check_id(struct request *r, const Qipan__Call *call, struct msg_fault *fault)
{
    if (!is_change(r->info))
        return NULL;
    if (!call->request || !id_is_good(call->request)) {
        strcpy(fault->field, "request");
        return "INVALID_ARGUMENT";
    }
    r->id = arena_strdup(&r->arena, call->request);
    return r->id ? NULL : "TOO_LARGE";
}

static const char *id_in(const ProtobufCMessage *m)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "id");
    return f && f->type == PROTOBUF_C_TYPE_STRING ? *(char *const *)((const char *)m + f->offset) : NULL;
}

/* Edits of one object go in order of arrival, and sorted by object in their group: any hash will do. */
static uint64_t object_of(const char *id)
{
    uint64_t hash = id ? 14695981039346656037u : 0; /* 0: a new object, nobody waits for it */
    for (; id && *id; id++)
        hash = (hash ^ (uint8_t)*id) * 1099511628211u;
    return hash;
}

static enum pool_lane lane_of(const struct op_info *info)
{
    static const enum pool_lane lanes[] = {
        [LANE_READ] = POOL_READ, [LANE_EDIT] = POOL_EDIT,    [LANE_CHUNK] = POOL_CHUNK,
        [LANE_BULK] = POOL_BULK, [LANE_PREVIEW] = POOL_BULK, [LANE_OFFICE] = POOL_OFFICE};
    return lanes[info->lane];
}

static void submit(struct request *r, const Qipan__Call *call, const ProtobufCMessage *message)
{
    struct session *s = r->session;
    r->server = (struct bind_server){.account = s->principal.account,
                                     .identity = s->principal.identity,
                                     .serial = s->serial,
                                     .lang = s->lang,
                                     .request = r->id,
                                     .digest = r->digest,
                                     .has_base = call->has_base_version,
                                     .base = call->base_version};
    r->job.lane = lane_of(r->info);
    r->job.statement = &r->op->statement;
    r->job.twin = r->op->twin;
    r->object = id_in(message);
    r->job.object = object_of(r->object);
    r->job.flow = s->principal.account;
    r->job.preview = is_preview(r);
    r->job.done = on_done;
    r->deadline.fire = on_deadline;
    if (!bind_params(r->op, message, &r->server, &r->arena, &r->job.params)) {
        session_refused(r->session, "TOO_LARGE");
        refuse(r, "TOO_LARGE", NULL, NULL);
        request_free(r);
        return;
    }
    uint32_t longest = op_longest_ms(r->info);
    uint32_t wait = call->has_deadline_ms && call->deadline_ms && call->deadline_ms < longest
                        ? call->deadline_ms
                        : longest;
    deadline_set(s->shared->deadlines, &r->deadline, wait);
    FAILPOINT("request-accepted");
    pool_submit(s->shared->pool, &r->job);
}

void request_start(struct session *s, const Qipan__Call *call, const struct op_info *info,
                   const struct bind_op *op)
{
    struct request *r = calloc(1, sizeof *r);
    if (!r) {
        session_refuse(s, call->call, "BUSY", NULL);
        return;
    }
    r->session = s;
    r->info = info;
    r->op = op;
    r->call = call->call;
    arena_init(&r->arena, LIMIT_ARENA);
    session_ref(s);
    session_call_begins(s);
    if (is_preview(r))
        LIST_INSERT_HEAD(&s->previews, r, place);

    struct msg_fault fault = {""};
    ProtobufCMessage *message;
    const char *code = check_unpack(r, call, &message, &fault);
    if (!code)
        code = check_id(r, call, &fault);
    if (code) {
        session_refused(s, code);
        refuse(r, code, fault.field[0] ? fault.field : NULL, NULL);
        request_free(r);
        return;
    }
    submit(r, call, message);
}
