/* SPDX-License-Identifier: Apache-2.0 */
#include "pg.h"

#include "failpoint.h"
#include "log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS     3000
#define GREETING_MS    8000
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 1600
#define KNOCK_MS       500  /* between attempts of all links together while they fail */
#define LOG_EVERY_MS   1000 /* a registry that is away must not flood the log */

static void drive(struct pg_link *link);
static void connect_now(struct pg_link *link);

/* ---- the poll handle: a new one whenever libpq changes its socket */

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void drop_poll(struct pg_link *link)
{
    if (link->poll) {
        uv_poll_stop(link->poll);
        uv_close((uv_handle_t *)link->poll, free_handle);
    }
    link->poll = NULL;
    link->fd = -1;
    link->wanted = 0;
}

/* Whatever libuv says (EBADF on a socket error, with no events), libpq finds out for itself. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct pg_link *link = poll->data;
    if (!link)
        return;
    if (events & UV_READABLE)
        link->heard_ms = loop_now_ms(link->loop);
    if (status < 0)
        link->wanted = 0; /* libuv stopped the handle: arm it again */
    drive(link);
}

static bool watch_socket(struct pg_link *link, int wanted)
{
    int fd = PQsocket(link->conn);
    if (fd < 0)
        return false;
    if (fd != link->fd || !link->poll) {
        drop_poll(link);
        link->poll = calloc(1, sizeof *link->poll);
        if (!link->poll || uv_poll_init(&link->loop->uv, link->poll, fd) != 0) {
            free(link->poll);
            link->poll = NULL;
            return false;
        }
        link->poll->data = link;
        link->fd = fd;
    }
    if (wanted != link->wanted ||
        link->state == PG_CONNECTING) /* same number, maybe another socket: arm anew */
        uv_poll_start(link->poll, wanted, on_poll);
    link->wanted = wanted;
    return true;
}

/* ---- down and up again */

static void announce(struct pg_link *link, struct pg_batch *b)
{
    link->first = b->next;
    if (!link->first)
        link->last = &link->first;
    link->depth--;
    b->done(b);
}

static void clear_results(PGresult **results, int n)
{
    for (int i = 0; i < n; i++) {
        PQclear(results[i]);
        results[i] = NULL;
    }
}

static void lose_batches(struct pg_link *link)
{
    struct pg_batch *b = link->first;
    link->first = NULL;
    link->last = &link->first;
    link->depth = 0;
    while (b) {
        struct pg_batch *next = b->next;
        PGresult *results[PG_BATCH_MAX];
        int n = b->n;
        memcpy(results, b->results, sizeof results);
        b->ok = BUG("reply-before-sync") && n > 2 && results[n - 1];
        b->lost = !b->ok;
        b->done(b);
        clear_results(results, n);
        b = next;
    }
}

static void say_down(struct pg_link *link)
{
    struct pg_target *target = link->target;
    uint64_t now = loop_now_ms(link->loop);
    if (link->closing)
        return;
    if (target->logged_ms && now - target->logged_ms < LOG_EVERY_MS) {
        target->unlogged++;
        return;
    }
    log_warn(link->name, "link is down: %s (%d more like it before)", link->problem, target->unlogged);
    target->logged_ms = now;
    target->unlogged = 0;
}

static void go_down(struct pg_link *link, const char *why)
{
    enum pg_state before = link->state;
    if (before == PG_DOWN)
        return;
    snprintf(link->problem, sizeof link->problem, "%s", why);
    for (char *p = link->problem; *p; p++)
        if (*p == '\n')
            *p = ' ';
    say_down(link);
    if (before != PG_UP) {
        link->target->failing = true;
        link->target->first++;
    }
    link->state = PG_DOWN;
    drop_poll(link);
    PQfinish(link->conn);
    link->conn = NULL;
    lose_batches(link);
    if (link->closing)
        return;
    unsigned shift = link->failures < 5 ? link->failures : 5;
    uint64_t pause = (uint64_t)BACKOFF_MIN_MS << shift;
    link->failures++;
    deadline_set(link->deadlines, &link->timer, pause < BACKOFF_MAX_MS ? pause : BACKOFF_MAX_MS);
    link->events->down(link);
}

static void on_timer(struct deadline *d)
{
    struct pg_link *link = container_of(d, struct pg_link, timer);
    struct pg_target *target = link->target;
    uint64_t since = loop_now_ms(link->loop) - target->tried_ms;
    link->silent = link->state == PG_UP;
    if (link->state != PG_DOWN)
        go_down(link, link->silent ? "a call was not answered in time" : "no answer while connecting");
    else if (target->failing && since < KNOCK_MS)
        deadline_set(link->deadlines, &link->timer, KNOCK_MS - since);
    else
        connect_now(link);
}

/* While batches are in flight the first of them is timed: a frozen server says nothing, not even that it is gone. */
static void time_first(struct pg_link *link)
{
    if (link->state != PG_UP)
        return;
    if (link->first)
        deadline_set(link->deadlines, &link->timer, link->patience_ms);
    else
        deadline_clear(link->deadlines, &link->timer);
}

/* A warning after the last call, so of the commit: the wait for the standby was cancelled. It comes before the sync;
 * one batch at a time is being answered, so it is the first one's. (Its text is in the server's language. The last
 * call's own row may still lie in libpq when the warning is seen.) */
static void on_notice(void *arg, const PGresult *notice)
{
    struct pg_link *link = arg;
    struct pg_batch *b = link->first;
    const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    const char *state = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    bool warning = severity && strcmp(severity, "WARNING") == 0 && state && strcmp(state, "01000") == 0;
    if (b && warning && b->at >= b->n - 1)
        b->unsure = true;
    log_debug(link->name, "notice: %s", text ? text : "?");
}

/* "a,b,c" from its k-th on, round: "b,c,a". In place. */
static void turn_list(char *list, unsigned k)
{
    unsigned n = 1;
    for (const char *p = list; *p; p++)
        n += *p == ',';
    for (k %= n; k > 0; k--) {
        size_t head = strcspn(list, ","), rest = strlen(list) - head - 1;
        char *copy = strndup(list, head);
        if (!copy)
            return;
        memmove(list, list + head + 1, rest);
        list[rest] = ',';
        memcpy(list + rest + 1, copy, head);
        free(copy);
    }
}

/* keepalives find a silent server; the options bound what a statement may wait for */
static PGconn *start_connecting(struct pg_link *link)
{
    static const char *const fixed[][2] = {
        {"target_session_attrs", "read-write"}, {"client_encoding", "UTF8"}, {"keepalives_idle", "5"},
        {"keepalives_interval", "2"},           {"keepalives_count", "2"},   {"tcp_user_timeout", "9000"}};
    const char *names[64], *values[64];
    int n = 0;
    PQconninfoOption *options = PQconninfoParse(link->target->conninfo, NULL);
    for (PQconninfoOption *o = options; o && o->keyword && n < 48; o++) {
        if (!o->val)
            continue;
        if (strcmp(o->keyword, "host") == 0 || strcmp(o->keyword, "hostaddr") == 0 ||
            strcmp(o->keyword, "port") == 0)
            turn_list(o->val, link->target->first);
        names[n] = o->keyword;
        values[n++] = o->val;
    }
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        names[n] = fixed[i][0];
        values[n++] = fixed[i][1];
    }
    names[n] = "application_name";
    values[n++] = link->application;
    names[n] = "options";
    values[n++] = link->options;
    names[n] = values[n] = NULL;
    PGconn *conn = options ? PQconnectStartParams(names, values, 0) : NULL;
    PQconninfoFree(options);
    return conn;
}

static void connect_now(struct pg_link *link)
{
    memset(link->prepared, 0, sizeof link->prepared);
    link->state = PG_CONNECTING;
    link->target->tried_ms = loop_now_ms(link->loop);
    link->conn = start_connecting(link);
    if (!link->conn || PQstatus(link->conn) == CONNECTION_BAD) {
        go_down(link, link->conn ? PQerrorMessage(link->conn) : "no connection string, or out of memory");
        return;
    }
    PQsetNoticeReceiver(link->conn, on_notice, link);
    deadline_set(link->deadlines, &link->timer, CONNECT_MS);
    if (!watch_socket(link, UV_WRITABLE))
        go_down(link, "cannot poll its socket");
}

static void on_hello(struct pg_batch *b)
{
    struct pg_link *link = b->owner;
    if (!b->ok) {
        if (!b->lost)
            log_error(link->name, "greeting failed: %s %s", b->sqlstate, b->message);
        snprintf(link->problem, sizeof link->problem, "greeting failed: %s", b->message);
        return; /* drive() sees the state and goes down */
    }
    link->state = PG_UP;
    link->silent = false;
    deadline_clear(link->deadlines, &link->timer);
    link->events->greeted(link, b->results[0]);
}

static void enqueue(struct pg_link *link, struct pg_batch *b)
{
    b->next = NULL;
    *link->last = b;
    link->last = &b->next;
    link->depth++;
}

static void greet(struct pg_link *link)
{
    link->state = PG_GREETING;
    if (PQsetnonblocking(link->conn, 1) != 0 || !PQenterPipelineMode(link->conn)) {
        go_down(link, PQerrorMessage(link->conn));
        return;
    }
    deadline_set(link->deadlines, &link->timer, GREETING_MS);
    struct pg_batch *b = &link->hello;
    memset(b, 0, sizeof *b);
    b->owner = link;
    b->done = on_hello;
    static const struct pg_statement listen_sql = {.id = PG_STATEMENTS - 1, .sql = "LISTEN qipan"};
    b->calls[b->n++] = (struct pg_call){link->greeting, link->greeting_params};
    if (link->listen)
        b->calls[b->n++] = (struct pg_call){&listen_sql, NULL};
    pg_send(link, b);
}

static void connect_step(struct pg_link *link)
{
    switch (PQconnectPoll(link->conn)) {
    case PGRES_POLLING_READING:
        if (!watch_socket(link, UV_READABLE))
            go_down(link, "cannot poll its socket");
        break;
    case PGRES_POLLING_WRITING:
        if (!watch_socket(link, UV_WRITABLE))
            go_down(link, "cannot poll its socket");
        break;
    case PGRES_POLLING_OK:
        greet(link);
        break;
    default:
        go_down(link, PQerrorMessage(link->conn));
    }
}

/* ---- batches */

static void send_one(struct pg_link *link, struct pg_batch *b, int i)
{
    static const int binary[PG_PARAMS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                              1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const struct pg_statement *s = b->calls[i].statement;
    const struct pg_params *p = b->calls[i].params;
    char name[16];
    snprintf(name, sizeof name, "s%d", s->id);
    if (!link->prepared[s->id]) {
        b->parse[i] = PARSE_SENT;
        link->prepared[s->id] = true;
        PQsendPrepare(link->conn, name, s->sql, s->n, s->types);
    }
    PQsendQueryPrepared(link->conn, name, s->n, p ? p->values : NULL, p ? p->lengths : NULL, binary, 1);
}

static void before_sync(struct pg_link *link)
{
    if (FAILPOINT_NEXT("group-unsynced"))
        PQflush(link->conn);
    FAILPOINT("group-unsynced");
    if (BUG("reply-before-sync")) /* the rows come ahead of the commit */
        PQsendFlushRequest(link->conn);
    (void)link;
}

void pg_send(struct pg_link *link, struct pg_batch *b)
{
    b->at = b->part = 0;
    b->ok = b->lost = b->unsure = false;
    b->failed = -1;
    memset(b->parse, 0, sizeof b->parse);
    memset(b->results, 0, sizeof b->results);
    enqueue(link, b);
    for (int i = 0; i < b->n; i++)
        send_one(link, b, i);
    if (link->depth == 1)
        time_first(link);
    if (b->n > 2) /* only groups are that long */
        before_sync(link);
    PQpipelineSync(link->conn); /* a failure of any send shows as a bad link when the task runs */
    loop_touch(link->loop, &link->task);
}

static void note_failure(struct pg_batch *b, const PGresult *result)
{
    if (b->failed >= 0)
        return;
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    b->failed = b->at < b->n ? b->at : b->n;
    snprintf(b->sqlstate, sizeof b->sqlstate, "%s", state ? state : "XX000");
    snprintf(b->message, sizeof b->message, "%s", text ? text : PQresultErrorMessage(result));
}

/* A failed call aborts what follows in its batch, every Parse included; those before it stand. */
static void forget_unprepared(struct pg_link *link, struct pg_batch *b)
{
    for (int i = 0; i < b->n; i++)
        if (b->parse[i] == PARSE_SENT)
            link->prepared[b->calls[i].statement->id] = false;
}

static void finish_batch(struct pg_link *link, struct pg_batch *b)
{
    forget_unprepared(link, b);
    b->ok = b->failed < 0 && b->at >= b->n;
    PGresult *results[PG_BATCH_MAX]; /* done() may free the batch */
    int n = b->n;
    memcpy(results, b->results, sizeof results);
    announce(link, b);
    clear_results(results, n);
    time_first(link);
}

/* A call's results end with NULL; a Parse before it counts as a call of its own (b->part). What comes after the last
 * one and before the sync belongs to the commit. */
static void end_of_call(struct pg_batch *b)
{
    if (b->at < b->n && b->parse[b->at] != PARSE_NONE && b->part == 0) {
        if (b->failed < 0)
            b->parse[b->at] = PARSE_DONE;
        b->part = 1;
        return;
    }
    b->part = 0;
    b->at++;
}

/* True when the result ended a batch. */
static bool take_result(struct pg_link *link, struct pg_batch *b, PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        PQclear(result);
        finish_batch(link, b);
        return true;
    case PGRES_TUPLES_OK:
        if (b->at < b->n && !b->results[b->at]) {
            b->results[b->at] = result;
            return false;
        }
        break;
    case PGRES_FATAL_ERROR:
        note_failure(b, result);
        break;
    default: /* COMMAND_OK of Parse and LISTEN, PIPELINE_ABORTED */
        break;
    }
    PQclear(result);
    return false;
}

static void take_results(struct pg_link *link)
{
    int nulls = 0;
    while (link->conn && link->first && !PQisBusy(link->conn)) {
        PGresult *result = PQgetResult(link->conn);
        if (!result) {
            if (++nulls > 1) /* nothing left to read */
                return;
            end_of_call(link->first);
            continue;
        }
        nulls = 0;
        if (take_result(link, link->first, result))
            nulls = 0;
    }
}

static void take_notifications(struct pg_link *link)
{
    bool rang = false;
    for (PGnotify *n; (n = PQnotifies(link->conn)); PQfreemem(n))
        rang |= n->be_pid != PQbackendPID(link->conn);
    if (rang && link->state == PG_UP)
        link->events->doorbell(link);
}

static void flush_link(struct pg_link *link)
{
    int more = PQflush(link->conn);
    if (more < 0 || PQstatus(link->conn) != CONNECTION_OK ||
        !watch_socket(link, more ? UV_READABLE | UV_WRITABLE : UV_READABLE))
        go_down(link, PQerrorMessage(link->conn));
}

static void drive(struct pg_link *link)
{
    if (link->state == PG_DOWN)
        return;
    if (link->state == PG_CONNECTING) {
        connect_step(link);
        return;
    }
    if (!PQconsumeInput(link->conn)) {
        go_down(link, PQerrorMessage(link->conn));
        return;
    }
    take_results(link);
    if (link->state == PG_DOWN)
        return;
    if (link->state == PG_GREETING && !link->first) { /* the greeting failed */
        go_down(link, link->problem[0] ? link->problem : "greeting failed");
        return;
    }
    take_notifications(link);
    flush_link(link);
}

static void run_task(struct task *task)
{
    struct pg_link *link = container_of(task, struct pg_link, task);
    if (link->state == PG_GREETING || link->state == PG_UP)
        flush_link(link);
}

void pg_hurry(struct pg_link *link)
{
    if (link->state == PG_DOWN && !link->closing)
        deadline_set(link->deadlines, &link->timer, 1);
}

void pg_open(struct pg_link *link, struct pg_target *target, const char *application, const char *options,
             const struct pg_statement *greeting, const struct pg_params *greeting_params, bool listen)
{
    link->target = target;
    link->application = application;
    link->options = options;
    link->greeting = greeting;
    link->greeting_params = greeting_params;
    link->listen = listen;
    link->fd = -1;
    link->last = &link->first;
    link->task.run = run_task;
    link->timer.fire = on_timer;
    connect_now(link);
}

int pg_pid(const struct pg_link *link)
{
    return PQbackendPID(link->conn);
}

void pg_refuse(struct pg_link *link, const char *why)
{
    go_down(link, why);
}

void pg_close(struct pg_link *link)
{
    link->closing = true;
    go_down(link, "daemon stops");
    deadline_clear(link->deadlines, &link->timer);
    loop_forget(link->loop, &link->task);
}
