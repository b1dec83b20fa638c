/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot.h"

#include "log.h"
#include <stdlib.h>
#include <string.h>

#define AGAIN_MS    500
#define WORDS_MOST  LIMIT_ARENA
#define PAGE_EVENTS 500

static const char SNAPSHOT[] = "SNAPSHOT";

struct snapshot {
    struct hub *hub;
    struct watch *w; /* NULL: nobody waits for the page */
    struct journal_query query;
    struct deadline again;
    struct arena arena;
    Qipan__WatchRequest *words; /* our copy */
    bool changed, asked, ended; /* ended: there is no page behind this one */
    int64_t since_rev;
    char told[PACKED_OBJECT + 1], next[PACKED_OBJECT + 1];
    struct packed *page;
    size_t i; /* the next one of it */
};

static void put_id(char to[PACKED_OBJECT + 1], const char *id)
{
    size_t n = strnlen(id, PACKED_OBJECT);
    memcpy(to, id, n);
    to[n] = '\0';
}

static void on_again(struct deadline *d)
{
    struct snapshot *s = container_of(d, struct snapshot, again);
    watch_queue(s->w, WATCH_SNAPSHOT);
}

static bool keep_words(struct snapshot *s, const Qipan__WatchRequest *request)
{
    size_t n = qipan__watch_request__get_packed_size(request);
    uint8_t *bytes = malloc(n + 1);
    if (!bytes)
        return false;
    qipan__watch_request__pack(request, bytes);
    s->words = qipan__watch_request__unpack(&s->arena.allocator, n, bytes);
    free(bytes);
    return s->words != NULL;
}

bool snapshot_new(struct watch *w, const Qipan__WatchRequest *request)
{
    struct snapshot *s = calloc(1, sizeof *s);
    if (!s)
        return false;
    arena_init(&s->arena, WORDS_MOST);
    if (!keep_words(s, request)) {
        arena_free(&s->arena);
        free(s);
        return false;
    }
    s->hub = w->hub;
    s->w = w;
    s->again.fire = on_again;
    s->changed = strcmp(request->snapshot, "changed") == 0;
    if (s->changed)
        s->since_rev = request->after->rev -
                       request->after->has_idx; /* of a revision that wasn't dealt with wholly all of it */
    else if (request->after && request->after->object)
        put_id(s->told, request->after->object);
    put_id(s->next, s->told);
    w->snapshot = s;
    w->told_object = s->told;
    return true;
}

static void snapshot_free(struct snapshot *s)
{
    deadline_clear(s->hub->deadlines, &s->again);
    packed_drop(s->page);
    arena_free(&s->arena);
    free(s);
}

void snapshot_drop(struct snapshot *s)
{
    if (!s)
        return;
    s->w = NULL;
    deadline_clear(s->hub->deadlines, &s->again);
    if (!s->asked)
        snapshot_free(s);
}

bool snapshot_of_changed(const struct snapshot *s)
{
    return s->changed;
}

const char *snapshot_told(const struct snapshot *s)
{
    return s->told;
}

/* ---- pages */

static void take_page(struct snapshot *s, struct journal_rows *rows)
{
    s->page = packed_new(rows, rows->reply->rows[0]);
    s->i = 0;
    s->ended = !rows->next;
    if (rows->next)
        put_id(s->next, rows->next);
    watch_queue(s->w, WATCH_SNAPSHOT);
}

static void on_page(struct journal_query *q, struct journal_rows *rows, const char *code, Qipan__Error *error)
{
    struct snapshot *s = container_of(q, struct snapshot, query);
    struct hub *hub = s->hub;
    s->asked = false;
    hub->snapshots_asked--;
    if (!s->w) {
        snapshot_free(s);
    } else if (rows) {
        take_page(s, rows);
    } else if (error) {
        session_fill_error(error, error->code ? error->code : "INTERNAL", s->w->session->lang);
        watch_end(s->w, NULL, error);
    } else {
        log_warn("feed", "no page of a snapshot: %s", code);
        deadline_set(hub->deadlines, &s->again, AGAIN_MS);
    }
    hub_pages_arrived(hub);
}

static void ask(struct snapshot *s)
{
    Qipan__SnapshotPageRequest request = QIPAN__SNAPSHOT_PAGE_REQUEST__INIT;
    request.n_terms = s->words->n_terms;
    request.terms = s->words->terms;
    request.after = *s->next ? s->next : NULL;
    request.has_since_rev = s->changed;
    request.since_rev = s->since_rev;
    if (s->changed) {
        request.n_objects = s->words->n_objects;
        request.objects = s->words->objects;
    }
    request.has_limit = true;
    request.limit = PAGE_EVENTS;
    s->query.done = on_page;
    s->query.account = s->w->session->principal.account;
    s->query.lang = s->w->session->lang;
    s->query.job.lane = POOL_READ;
    s->asked = true;
    s->hub->snapshots_asked++;
    if (!journal_snapshot(s->hub->journal, &s->query, &request)) {
        Qipan__Error error = QIPAN__ERROR__INIT;
        s->asked = false;
        s->hub->snapshots_asked--;
        session_fill_error(&error, "TOO_LARGE", s->w->session->lang);
        watch_end(s->w, NULL, &error);
    }
}

/* ---- telling */

static void tell(struct watch *w, const char *id)
{
    struct snapshot *s = w->snapshot;
    char upto[PACKED_OBJECT + 1];
    put_id(upto, id);
    watch_emit(w, w->told, upto, w->said == SNAPSHOT ? NULL : SNAPSHOT);
    w->said = SNAPSHOT;
    put_id(s->told, upto);
    w->told_object = s->told;
}

/* As much of the page as there is room for; true: all of it. */
static bool tell_page(struct watch *w)
{
    struct snapshot *s = w->snapshot;
    struct hub *hub = w->hub;
    const char *last = s->told;
    for (; s->i < s->page->n; s->i++) {
        struct packed_event *e = &s->page->events[s->i];
        bool leaves = e->event->view && strcmp(e->event->view, view_words[VIEW_LEAVE]) == 0;
        struct piece piece = packed_piece(e, leaves ? PACKED_LEAVE : PACKED_ENTER);
        if (!piece.bytes) {
            conn_kill(w->session->conn, "out of memory");
            return true;
        }
        if (hub->n && (hub->n >= PACKED_PIECES - 1 || hub->bytes + piece.n > PACKED_BYTES)) {
            tell(w, last);
            if (!watch_room(w))
                return false;
        }
        hub->pieces[hub->n++] = piece;
        hub->bytes += piece.n;
        last = e->event->object;
        if (e->event->rev > w->seen_rev)
            w->seen_rev = e->event->rev;
    }
    if (hub->n)
        tell(w, last);
    return true;
}

static void leave_page(struct snapshot *s)
{
    packed_drop(s->page);
    s->page = NULL;
}

/* The tail begins at W itself. */
static void finish(struct watch *w)
{
    watch_emit(w, w->told, NULL, NULL);
    snapshot_drop(w->snapshot);
    w->snapshot = NULL;
    w->at = w->told;
    watch_queue(w, WATCH_BEHIND);
}

void snapshot_feed(struct watch *w)
{
    struct snapshot *s = w->snapshot;
    if (s->asked || s->again.slot)
        return;
    if (!watch_room(w)) {
        if (s->page) { /* again from where it stops */
            leave_page(s);
            put_id(s->next, s->told);
        }
        watch_wait_for_room(w);
    } else if (!s->page && s->hub->snapshots_asked == SNAPSHOTS_ASKED) {
        watch_wait_for_page(w);
    } else if (!s->page) {
        ask(s);
    } else if (!tell_page(w)) {
        snapshot_feed(w);
    } else {
        leave_page(s);
        if (s->ended)
            finish(w);
        else
            watch_queue(w, WATCH_SNAPSHOT);
    }
}
