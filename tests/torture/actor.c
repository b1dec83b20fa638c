/* SPDX-License-Identifier: Apache-2.0 */
/* Many writers and subscribers on libqipan in one poll loop; what each was told goes to a file of JSON lines, which
 * tests/integration/checker.py judges. It decides nothing itself.
 *
 *   actor ADDRESSES PKI PROJECTS DIR WRITERS SUBSCRIBERS SEED PAUSE-MS SNAPSHOTS
 *
 * PROJECTS: a file of lines "id office restricted", the last 0 or 1. Prints "ready" when all watches have begun; reads "rest" (writers end once
 * they know what became of their last edits; then it prints "rested") and "end EPOCH REV" (subscribers end when they
 * have come that far; then it exits). */
#include "qipan.h"

#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST      64
#define PROJECTS  512
#define LAST_EDIT 40000000 /* us: an edit whose outcome isn't known then counts as unresolved */

static const char *const offices[] = {"bureau", "chengguan", "dongshan", "jingkai", "fagai"};
static const char *const readers[] = {"leader", "duban", "dongshan", "ziran", "bureau"};
#define OFFICES 5

struct project {
    char id[64], office[32];
    int restricted;
};

enum op { SHOW, EDIT, REPLAY, REUSE };
static const char *const op_names[] = {"show", "edit", "replay", "reuse"};

struct edit { /* what is asked, and asked again until it is known */
    enum op op;
    int project, tries;
    char request[72], summary[64], tag[32];
    int64_t base, amount;
    unsigned deadline_ms;
    uint64_t begun, first;
    int64_t wall; /* begun, as the registry's clock has it */
};

struct writer {
    struct qipan *q;
    char name[16];
    const char *context;
    unsigned seed;
    FILE *log;
    bool waiting, again, over;
    uint64_t next;
    int serial;
    struct edit now, good; /* good: the last that was acknowledged */
    int64_t known[PROJECTS];
};

struct subscriber {
    struct qipan *q;
    struct writer *on; /* watches on this writer's link, without its echo */
    char name[16], cursor[QIPAN_CURSOR_SIZE];
    const char *context;
    unsigned seed;
    FILE *log;
    struct qipan_watch *watch;
    char *memory; /* of the watch, as it was at the cursor */
    bool snapshot;
    bool begun, done, up;
    uint64_t churn, again;
    char values[2][64];
    char *value_list[2];
    Qipan__Term term, *terms[1];
    size_t n_terms;
};

static struct writer writers[MOST];
static struct subscriber subscribers[MOST];
static struct project projects[PROJECTS];
static int n_writers, n_subscribers, n_projects;
static unsigned pause_ms;
static const char *addresses, *pki, *dir;
static bool resting, ending, snapshots;
static uint64_t rest_since;
static int64_t end_epoch, end_rev;

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int64_t wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static unsigned dice(unsigned *seed, unsigned n)
{
    return (unsigned)rand_r(seed) % n;
}

static struct qipan *open_link(const char *context)
{
    char ca[512], cert[512], key[512], why[QIPAN_WHY_SIZE];
    snprintf(ca, sizeof ca, "%s/ca.pem", pki);
    snprintf(cert, sizeof cert, "%s/%s.pem", pki, context);
    snprintf(key, sizeof key, "%s/%s.key", pki, context);
    struct qipan_settings s = {
        .addresses = addresses, .ca = ca, .cert = cert, .key = key, .client = "torture"};
    struct qipan *q = qipan_open(&s, why);
    if (!q) {
        fprintf(stderr, "%s: %s\n", context, why);
        exit(1);
    }
    return q;
}

/* One line; the object is used up. */
static void put(FILE *log, json_t *line)
{
    json_object_set_new(line, "t", json_integer((json_int_t)now_us()));
    if (json_dumpf(line, log, JSON_COMPACT) < 0 || fputc('\n', log) == EOF)
        exit(1);
    json_decref(line);
}

static FILE *open_log(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.jsonl", dir, name);
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        exit(1);
    }
    return f;
}

/* ---- writers */

static json_t *fields_of(const struct edit *e)
{
    json_t *set = json_object();
    char amount[32];
    if (e->op == SHOW)
        return set;
    json_object_set_new(set, "16", json_string(e->summary));
    if (*e->tag)
        json_object_set_new(set, "17", json_string(e->tag));
    if (e->amount) {
        snprintf(amount, sizeof amount, "%" PRId64 ".00", e->amount);
        json_object_set_new(set, "20", json_string(amount));
    }
    return set;
}

static json_t *line_of(const struct writer *w, const char *result)
{
    const struct edit *e = &w->now;
    json_t *o = json_pack("{ss,ss,ss,ss,ss,ss,ss,so,si,sI,sI,sI,sI,ss}", "k", "call", "client", w->name,
                          "account", w->context, "op", op_names[e->op], "request", e->request, "object",
                          projects[e->project].id, "result", result, "set", fields_of(e), "try", e->tries,
                          "start", (json_int_t)e->begun, "first", (json_int_t)e->first, "end",
                          (json_int_t)now_us(), "wall", (json_int_t)e->wall, "daemon", qipan_link_text(w->q));
    if (e->base)
        json_object_set_new(o, "base", json_integer((json_int_t)e->base));
    return o;
}

static bool later(const char *code)
{
    static const char *const codes[] = {"UNAVAILABLE",       "LOCKED",       "BUSY",
                                        "DEADLINE_EXCEEDED", "STORAGE_FULL", "RETRY_ELSEWHERE"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(code, codes[i]) == 0)
            return true;
    return false;
}

static void failed(struct writer *w, const char *code, bool unsure)
{
    bool unknown = strcmp(code, "UNKNOWN") == 0, wait = later(code);
    json_t *line = line_of(w, unknown ? "UNKNOWN" : wait ? "LATER" : "REFUSED");
    json_object_set_new(line, "code", json_string(code));
    json_object_set_new(line, "unsure", json_boolean(unsure));
    put(w->log, line);
    w->again = (unknown || wait) && w->now.op != SHOW;
    if (!w->again)
        w->known[w->now.project] = 0;
}

static void succeeded(struct writer *w, const Qipan__ProjectReply *reply, bool unsure)
{
    json_t *line = line_of(w, "OK");
    int64_t version = reply->project ? reply->project->version : 0;
    json_object_set_new(line, "version", json_integer((json_int_t)version));
    if (reply->has_rev)
        json_object_set_new(line, "rev", json_integer((json_int_t)reply->rev));
    json_object_set_new(line, "replayed", json_boolean(reply->replayed));
    json_object_set_new(line, "unsure", json_boolean(unsure));
    put(w->log, line);
    if (w->now.op != REPLAY)
        w->known[w->now.project] = version;
    if (w->now.op == EDIT)
        w->good = w->now;
}

static void on_reply(const struct qipan_reply *reply, void *arg)
{
    struct writer *w = arg;
    w->waiting = w->again = false;
    if (reply->error)
        failed(w, reply->error->code, reply->unsure);
    else
        succeeded(w, (const Qipan__ProjectReply *)reply->message, reply->unsure);
    w->next = now_us() + (w->again ? 20000 + dice(&w->seed, 80000)
                                   : 1000ULL * (pause_ms / 2 + dice(&w->seed, pause_ms + 1)));
}

static uint32_t ask_edit(struct writer *w)
{
    struct edit *e = &w->now;
    Qipan__ProjectEditRequest request = QIPAN__PROJECT_EDIT_REQUEST__INIT;
    Qipan__Project set = QIPAN__PROJECT__INIT;
    char *tags[1] = {e->tag};
    set.summary = e->summary;
    set.n_tags = *e->tag != 0;
    set.tags = tags;
    set.has_amount_total = e->amount != 0;
    set.amount_total = e->amount * 100;
    request.id = projects[e->project].id;
    request.set = &set;
    struct qipan_call_options options = {e->base, e->request, e->deadline_ms};
    return qipan_call(w->q, QIPAN_OP_project_edit, &request.base, &options, on_reply, w);
}

static uint32_t ask_show(struct writer *w)
{
    Qipan__ProjectShowRequest request = QIPAN__PROJECT_SHOW_REQUEST__INIT;
    struct qipan_call_options options = {.deadline_ms = w->now.deadline_ms};
    request.id = projects[w->now.project].id;
    return qipan_call(w->q, QIPAN_OP_project_show, &request.base, &options, on_reply, w);
}

static void ask(struct writer *w)
{
    w->now.begun = now_us();
    w->now.wall = wall_us();
    if (w->now.tries++ == 0)
        w->now.first = w->now.begun;
    w->waiting = true;
    if ((w->now.op == SHOW ? ask_show(w) : ask_edit(w)) == 0) {
        w->waiting = false;
        failed(w, qipan_refusal(w->q)->code, false);
        w->next = now_us() + 50000;
    }
}

static int own_project(struct writer *w)
{
    for (;;) {
        int i = (int)dice(&w->seed, (unsigned)n_projects);
        if (strcmp(w->context, "bureau") == 0 || strcmp(w->context, projects[i].office) == 0)
            return i;
    }
}

static void new_edit(struct writer *w)
{
    static const char *const tags[] = {"链", "新", "大"};
    struct edit *e = &w->now;
    unsigned kind = dice(&w->seed, 100);
    int64_t known;
    *e = (struct edit){.op = kind < 35 ? SHOW : EDIT, .project = own_project(w), .deadline_ms = 3000};
    known = w->known[e->project];
    if (e->op == SHOW)
        return;
    snprintf(e->request, sizeof e->request, "%s-t%d", qipan_instance(w->q), ++w->serial);
    snprintf(e->summary, sizeof e->summary, "%s %d", w->name, w->serial);
    if (dice(&w->seed, 3) == 0)
        snprintf(e->tag, sizeof e->tag, "%s", tags[dice(&w->seed, 3)]);
    if (dice(&w->seed, 5) == 0)
        e->amount = 1000000 + dice(&w->seed, 9) * 1000000;
    if (dice(&w->seed, 5) == 0)
        e->deadline_ms = 150 + dice(&w->seed, 250);
    e->base = kind < 48 ? (known > 4 ? known - 1 - dice(&w->seed, 3) : 1)
                        : known; /* the first: likely a conflict */
}

/* The last good edit again: with its own body, or with another. */
static void again_edit(struct writer *w)
{
    bool reuse = dice(&w->seed, 2);
    w->now = w->good;
    w->now.tries = 0;
    w->now.op = reuse ? REUSE : REPLAY;
    w->now.deadline_ms = 3000;
    if (reuse)
        snprintf(w->now.summary, sizeof w->now.summary, "%s reused", w->name);
}

static void writer_turn(struct writer *w, uint64_t now)
{
    if (w->waiting || w->over || now < w->next)
        return;
    if (w->again && !(resting && now > rest_since + LAST_EDIT)) {
        ask(w);
        return;
    }
    if (resting) {
        w->over = true;
        return;
    }
    if (*w->good.request && dice(&w->seed, 25) == 0)
        again_edit(w);
    else
        new_edit(w);
    ask(w);
}

/* ---- subscribers */

static json_t *changes_of(const Qipan__Event *e)
{
    json_t *o = json_object();
    char number[16];
    for (size_t i = 0; i < e->n_changes; i++) {
        const Qipan__FieldChange *c = e->changes[i];
        snprintf(number, sizeof number, "%" PRIu32, c->number);
        json_object_set_new(o, number, c->masked ? json_true() : json_pack("[s?,s?]", c->old, c->new_));
    }
    return o;
}

static json_t *json_of(const Qipan__Event *e)
{
    return json_pack("{sI,si,sb,si,ss?,ss?,sI,ss?,ss?,ss?,sI,so}", "rev", (json_int_t)e->rev, "idx",
                     (int)e->idx, "last", (int)e->last, "entry", (int)e->entry, "kind", e->kind, "object",
                     e->object, "version", (json_int_t)e->version, "view", e->view, "request", e->request,
                     "actor", e->actor, "at", (json_int_t)e->at, "changes", changes_of(e));
}

static void arrived(struct subscriber *s)
{
    Qipan__Cursor c;
    if (ending && qipan_cursor_parse(s->cursor, &c) && !c.has_idx && !c.object &&
        (c.epoch > end_epoch || (c.epoch == end_epoch && c.rev >= end_rev)))
        s->done = true;
}

static void on_notice(const struct qipan_notice *n, void *arg)
{
    struct subscriber *s = arg;
    json_t *line =
        json_pack("{ss?,sI,sI}", "c", n->cursor, "rev", (json_int_t)n->rev, "wall", (json_int_t)wall_us());
    static const char *const kinds[] = {[QIPAN_EVENT] = "event",
                                        [QIPAN_BOOKMARK] = "mark",
                                        [QIPAN_STATE] = "state",
                                        [QIPAN_DIVERGED] = "diverged",
                                        [QIPAN_ENDED] = "ended"};
    json_object_set_new(line, "k", json_string(kinds[n->kind]));
    if (n->kind == QIPAN_EVENT)
        json_object_set_new(line, "e", json_of(n->event));
    if (n->kind == QIPAN_STATE)
        json_object_set_new(line, "state", json_string(n->state));
    if (n->error)
        json_object_set_new(line, "code", json_string(n->error->code));
    if (n->kind == QIPAN_DIVERGED && n->fork)
        json_object_set_new(line, "fork", json_string(n->fork));
    put(s->log, line);
    if (n->cursor)
        snprintf(s->cursor, sizeof s->cursor, "%s", n->cursor);
    s->begun |= n->kind == QIPAN_BOOKMARK || n->kind == QIPAN_EVENT;
    if (n->kind == QIPAN_ENDED) {
        s->watch = NULL;
        s->again = now_us() + 200000;
    }
    arrived(s);
}

static void begin_watch(struct subscriber *s)
{
    struct qipan_watch_options o = {.since = *s->cursor ? s->cursor : "now",
                                    .terms = s->terms,
                                    .n_terms = s->n_terms,
                                    .snapshot = s->snapshot,
                                    .memory = *s->cursor ? s->memory : NULL};
    json_t *line = json_pack("{ss,ss,ss,ss,ss}", "k", *s->cursor ? "resume" : "sub", "c", s->cursor, "client",
                             s->name, "account", s->context, "instance", qipan_instance(s->q));
    json_t *terms = json_array();
    for (size_t i = 0; i < s->n_terms; i++) {
        json_t *values = json_array();
        for (size_t k = 0; k < s->term.n_values; k++)
            json_array_append_new(values, json_string(s->term.values[k]));
        json_array_append_new(terms, json_pack("[s,s,o]", s->term.field, s->term.op, values));
    }
    json_object_set_new(line, "terms", terms);
    json_object_set_new(line, "snapshot", json_boolean(s->snapshot));
    put(s->log, line);
    s->watch = qipan_watch(s->q, &o, on_notice, s);
    if (!s->watch) {
        fprintf(stderr, "%s: %s\n", s->name, qipan_refusal(s->q)->message);
        exit(1);
    }
}

static void set_term(struct subscriber *s, const char *field, const char *op, const char *first,
                     const char *second)
{
    qipan__term__init(&s->term);
    snprintf(s->values[0], sizeof s->values[0], "%s", first);
    snprintf(s->values[1], sizeof s->values[1], "%s", second ? second : "");
    for (int i = 0; i < 2; i++)
        s->value_list[i] = s->values[i];
    s->term.field = (char *)field;
    s->term.op = (char *)op;
    s->term.values = s->value_list;
    s->term.n_values = second ? 2 : 1;
    s->terms[0] = &s->term;
    s->n_terms = 1;
}

/* One that everybody may see: a filter that names another is refused. */
static const char *open_project(unsigned *seed)
{
    for (;;) {
        const struct project *p = &projects[dice(seed, (unsigned)n_projects)];
        if (!p->restricted)
            return p->id;
    }
}

/* Everything, two offices, a tag that comes and goes, an amount, two projects. */
static void choose_terms(struct subscriber *s, int n)
{
    if (n % 5 == 1)
        set_term(s, "office", "=", offices[dice(&s->seed, OFFICES)], offices[dice(&s->seed, OFFICES)]);
    else if (n % 5 == 2)
        set_term(s, "tags", "=", "链", NULL);
    else if (n % 5 == 3)
        set_term(s, "amount_total", ">=", "5000000", NULL);
    else if (n % 5 == 4)
        set_term(s, "project", "=", open_project(&s->seed), open_project(&s->seed));
}

/* A client that ends and comes back with what it kept; one that takes snapshots may have kept nothing. */
static void come_anew(struct subscriber *s)
{
    free(s->memory);
    s->memory = s->watch ? qipan_watch_memory(s->watch) : NULL;
    qipan_free(s->q);
    s->q = open_link(s->context);
    if (s->snapshot && dice(&s->seed, 2))
        *s->cursor = '\0';
    begin_watch(s);
}

static void subscriber_turn(struct subscriber *s, uint64_t now)
{
    bool up = qipan_link(s->q) == QIPAN_LINK_UP;
    if (s->up && !up)
        put(s->log, json_pack("{ss,ss}", "k", "lost", "why", qipan_link_text(s->q)));
    s->up = up;
    if (s->done)
        return;
    if (!s->watch && now >= s->again) {
        begin_watch(s);
    } else if (s->churn && now >= s->churn && s->begun && !ending) {
        s->churn = now + 2000000 + dice(&s->seed, 4000000);
        come_anew(s);
    }
}

/* ---- the loop */

static void read_projects(const char *path)
{
    FILE *f = fopen(path, "r");
    while (f && n_projects < PROJECTS &&
           fscanf(f, "%63s %31s %d", projects[n_projects].id, projects[n_projects].office,
                  &projects[n_projects].restricted) == 3)
        n_projects++;
    if (!f || n_projects < 10 || fclose(f) != 0) {
        fprintf(stderr, "%s: no projects\n", path);
        exit(1);
    }
}

static void begin(unsigned seed)
{
    for (int i = 0; i < n_writers; i++) {
        struct writer *w = &writers[i];
        w->context = i < OFFICES ? offices[i] : i % 2 ? "bureau" : offices[1 + i / 2 % 4];
        w->seed = seed * 31 + (unsigned)i;
        snprintf(w->name, sizeof w->name, "w%d", i);
        w->q = open_link(w->context);
        w->log = open_log(w->name);
        w->next = UINT64_MAX; /* until the watches stand */
    }
    for (int i = 0; i < n_subscribers; i++) {
        struct subscriber *s = &subscribers[i];
        s->on = i % 5 == 0 && i / 5 < n_writers ? &writers[i / 5] : NULL;
        s->context = s->on ? s->on->context : readers[i % 5];
        s->seed = seed * 37 + (unsigned)i;
        snprintf(s->name, sizeof s->name, "s%d", i);
        s->q = s->on ? s->on->q : open_link(s->context);
        s->log = open_log(s->name);
        s->churn = !s->on && i % 2 ? now_us() + 2000000 + dice(&s->seed, 4000000) : 0;
        choose_terms(s, i + i / 5);
        s->snapshot = snapshots && i % 4 == 1;
        begin_watch(s);
    }
}

static bool command(void)
{
    char line[128];
    if (!fgets(line, sizeof line, stdin))
        return false; /* whoever started us is gone */
    if (strcmp(line, "rest\n") == 0) {
        resting = true;
        rest_since = now_us();
    } else if (sscanf(line, "end %" SCNd64 " %" SCNd64, &end_epoch, &end_rev) == 2) {
        ending = true;
        for (int i = 0; i < n_subscribers; i++)
            arrived(&subscribers[i]);
    }
    return true;
}

static int links(struct qipan **list)
{
    int n = 0;
    for (int i = 0; i < n_writers; i++)
        list[n++] = writers[i].q;
    for (int i = 0; i < n_subscribers; i++)
        if (!subscribers[i].on)
            list[n++] = subscribers[i].q;
    return n;
}

static bool turn(void)
{
    struct qipan *list[2 * MOST];
    struct pollfd fds[2 * MOST + 1];
    int n = links(list), wait = 5;
    for (int i = 0; i < n; i++) {
        int own = qipan_timeout_ms(list[i]);
        wait = own >= 0 && own < wait ? own : wait;
        fds[i] = (struct pollfd){qipan_fd(list[i]), qipan_events(list[i]), 0};
    }
    fds[n] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
    poll(fds, (nfds_t)n + 1, wait);
    for (int i = 0; i < n; i++)
        if (fds[i].revents || qipan_timeout_ms(list[i]) == 0)
            qipan_process(list[i], fds[i].revents);
    return !fds[n].revents || command();
}

static bool all_begun(void)
{
    for (int i = 0; i < n_subscribers; i++)
        if (!subscribers[i].begun)
            return false;
    return true;
}

static bool all_over(void)
{
    for (int i = 0; i < n_writers; i++)
        if (!writers[i].over)
            return false;
    return true;
}

static bool all_done(void)
{
    for (int i = 0; i < n_subscribers; i++)
        if (!subscribers[i].done)
            return false;
    return ending;
}

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

static void close_all(void)
{
    for (int i = 0; i < n_subscribers; i++) {
        put(subscribers[i].log,
            json_pack("{ss,ss,sb}", "k", "end", "c", subscribers[i].cursor, "done", subscribers[i].done));
        fclose(subscribers[i].log);
        if (!subscribers[i].on)
            qipan_free(subscribers[i].q);
        free(subscribers[i].memory);
    }
    for (int i = 0; i < n_writers; i++) {
        fclose(writers[i].log);
        qipan_free(writers[i].q);
    }
}

int main(int argc, char **argv)
{
    if (argc != 10) {
        fprintf(stderr,
                "usage: actor ADDRESSES PKI PROJECTS DIR WRITERS SUBSCRIBERS SEED PAUSE-MS SNAPSHOTS\n");
        return 2;
    }
    addresses = argv[1];
    pki = argv[2];
    dir = argv[4];
    n_writers = atoi(argv[5]) < MOST ? atoi(argv[5]) : MOST;
    n_subscribers = atoi(argv[6]) < MOST ? atoi(argv[6]) : MOST;
    pause_ms = (unsigned)atoi(argv[8]);
    snapshots = atoi(argv[9]) != 0;
    read_projects(argv[3]);
    begin((unsigned)strtoul(argv[7], NULL, 10));
    bool ready = false, rested = false;
    while (!all_done() && turn()) {
        uint64_t now = now_us();
        if (!ready && all_begun()) {
            ready = true;
            for (int i = 0; i < n_writers; i++)
                writers[i].next = now;
            say("ready");
        }
        for (int i = 0; i < n_writers; i++)
            writer_turn(&writers[i], now);
        for (int i = 0; i < n_subscribers; i++)
            subscriber_turn(&subscribers[i], now);
        if (resting && !rested && all_over()) {
            rested = true;
            say("rested");
        }
    }
    close_all();
    return 0;
}
