/* SPDX-License-Identifier: Apache-2.0 */
#include "resume.h"

#include "failpoint.h"
#include "log.h"
#include "snapshot.h"
#include <stdlib.h>
#include <string.h>

#define NOW_MS    1000 /* from now: for the hub to learn what the registry knows already */
#define BEHIND_MS 2000 /* for a daemon that is behind the reader's place */
#define AGAIN_MS  500  /* between questions that the registry didn't answer */

struct beginning {
    struct hub *hub;
    struct watch *w; /* NULL: nobody waits for the answer */
    struct journal_seek seek;
    struct deadline late; /* the call must be answered, the waiting is over, or time to ask again */
    bool asked;           /* the registry's answer will come */
    bool stale;           /* the history changed meanwhile */
    bool again;           /* the watch has begun before */
    bool probe;           /* only min_rev is of interest */
    bool overdue, from_now, from_start;
    bool changed; /* the place only says what the snapshot brings: the tail begins now */
    struct place from;
    int64_t
        awaited; /* from now: begins when the hub knows this revision, so that nothing older than the call comes */
    int n_known;
    struct place known[KNOWN_PLACES];
};

static void beginning_free(struct beginning *b)
{
    deadline_clear(b->hub->deadlines, &b->late);
    if (b->hub->probe == b)
        b->hub->probe = NULL;
    free(b);
}

void resume_drop(struct beginning *b)
{
    if (!b)
        return;
    b->w = NULL;
    deadline_clear(b->hub->deadlines, &b->late);
    if (!b->asked || journal_seek_cancel(b->hub->journal, &b->seek))
        beginning_free(b);
}

/* ---- answers */

void resume_refuse(struct watch *w, const char *code, const char *field, Qipan__Error *error)
{
    Qipan__Error fresh = QIPAN__ERROR__INIT;
    if (!error) {
        fresh.field = (char *)field;
        error = &fresh;
    }
    session_fill_error(error, code, w->session->lang);
    session_reply(w->session, w->call, NULL, error);
    watch_free(w);
}

static void refuse(struct beginning *b, const char *code, const char *field, Qipan__Error *error)
{
    Qipan__Error fresh = QIPAN__ERROR__INIT;
    if (!b->again) {
        resume_refuse(b->w, code, field, error);
        return;
    }
    if (!error) {
        fresh.field = (char *)field;
        error = &fresh;
    }
    session_fill_error(error, code, b->w->session->lang);
    watch_end(b->w, NULL, error);
}

static void refuse_place(struct beginning *b, const Qipan__JournalSeekReply *reply)
{
    Qipan__Error error = QIPAN__ERROR__INIT;
    const char *code = reply->answer ? reply->answer : "INTERNAL";
    error.field = (char *)"after";
    error.has_rev = strcmp(code, "DIVERGED") != 0;
    error.rev = strcmp(code, "COMPACTED") == 0 ? reply->min_rev : reply->rev;
    error.fork = reply->fork;
    if (b->again && !error.has_rev && !error.fork && b->n_known)
        log_info("feed", "watch %u shares no place we know with the new history", b->w->call);
    refuse(b, code, NULL, &error);
}

/* What an object looked like in a snapshot may come from behind the fork though the tail didn't get there. */
static void end_told_beyond(struct beginning *b)
{
    Qipan__Error error = QIPAN__ERROR__INIT;
    Qipan__Cursor fork;
    place_cursor(&b->w->told, &fork);
    error.fork = &fork;
    refuse(b, "DIVERGED", NULL, &error);
}

static void reply_begins(struct watch *w)
{
    Qipan__WatchReply reply = QIPAN__WATCH_REPLY__INIT;
    Qipan__Cursor at;
    place_cursor(&w->at, &at);
    at.object = (char *)w->told_object;
    reply.at = &at;
    session_reply(w->session, w->call, &reply.base, NULL);
}

static void begin(struct beginning *b)
{
    struct watch *w = b->w;
    bool again = b->again;
    w->beginning = NULL;
    beginning_free(b);
    if (again) {
        w->at = w->told;
        w->batch_seen = false;
    } else {
        w->told = w->at;
        reply_begins(w);
    }
    watch_start(w, !again);
}

/* Now is not simply the newest number: a lower one may still be on its way. */
void resume_look(struct watch *w)
{
    struct beginning *b = w->beginning;
    struct hub *hub = w->hub;
    if (hub->begun && b->from_now && (hub->newest.rev >= b->awaited || (b->overdue && !b->changed))) {
        w->at = hub->newest;
        begin(b);
    } else if (hub->begun && !b->from_now && hub->newest.rev >= b->from.rev) {
        w->at = b->from;
        begin(b);
    } else if (b->overdue) {
        refuse(b, hub->begun ? "RETRY_ELSEWHERE" : "UNAVAILABLE", NULL, NULL);
    }
}

/* ---- asking the registry */

static void ask(struct beginning *b, const Qipan__WatchRequest *fresh);

static void on_late(struct deadline *d)
{
    struct beginning *b = container_of(d, struct beginning, late);
    if (b->again && !b->asked) {
        ask(b, NULL);
    } else if (!b->asked) {
        b->overdue = true;
        resume_look(b->w);
    } else {
        resume_refuse(b->w, "UNAVAILABLE", NULL, NULL);
    }
}

static void wait_for_hub(struct beginning *b)
{
    struct watch *w = b->w;
    watch_queue(w, WATCH_WAITING);
    if (b->again)
        deadline_clear(b->hub->deadlines, &b->late);
    else
        deadline_set(b->hub->deadlines, &b->late, b->from_now && !b->changed ? NOW_MS : BEHIND_MS);
    if (b->hub->newest.rev < (b->from_now ? b->awaited : b->from.rev))
        journal_kick(b->hub->journal);
    resume_look(w);
}

static void take_answer(struct beginning *b, const Qipan__JournalSeekReply *reply)
{
    bool good = reply->answer && (strcmp(reply->answer, "OK") == 0 ||
                                  (b->changed && (strcmp(reply->answer, "COMPACTED") == 0 ||
                                                  strcmp(reply->answer, "RIGHTS_CHANGED") == 0)));
    if (!good) {
        refuse_place(b, reply);
    } else if (b->again && (b->w->seen_rev > b->w->told.rev)) {
        end_told_beyond(b);
    } else {
        if (b->from_start)
            b->from = (struct place){reply->epoch, reply->rev, reply->tag, 0, true};
        /* A snapshot tells what is as of now or later; but no tail begins before what the reader has. */
        b->awaited = !b->w->snapshot ? reply->rev : b->changed ? b->from.rev : 0;
        b->from_now |= b->changed;
        wait_for_hub(b);
    }
}

static void on_seek(struct journal_seek *q, const Qipan__JournalSeekReply *reply, const char *code,
                    Qipan__Error *error)
{
    struct beginning *b = container_of(q, struct beginning, seek);
    FAILPOINT("watch-sought");
    b->asked = false;
    if (reply && reply->min_rev > b->hub->min_rev)
        b->hub->min_rev = reply->min_rev;
    if (b->probe || !b->w) {
        beginning_free(b);
    } else if (b->stale) {
        ask(b, NULL);
    } else if (reply) {
        take_answer(b, reply);
    } else if (b->again && !error) {
        deadline_set(b->hub->deadlines, &b->late, AGAIN_MS);
    } else {
        refuse(b, error && error->code ? error->code : code, NULL, error);
    }
}

/* fresh: the watch's own words; its terms are looked at only then. */
static void ask(struct beginning *b, const Qipan__WatchRequest *fresh)
{
    Qipan__WatchRequest request = QIPAN__WATCH_REQUEST__INIT;
    Qipan__Cursor from, known[KNOWN_PLACES], *list[KNOWN_PLACES];
    struct watch *w = b->w;
    if (fresh) {
        request.n_terms = fresh->n_terms;
        request.terms = fresh->terms;
    }
    for (int i = 0; i < b->n_known; i++) {
        place_cursor(&b->known[i], &known[i]);
        list[i] = &known[i];
    }
    request.n_known = (size_t)b->n_known;
    request.known = list;
    place_cursor(&b->from, &from);
    if (!from.tag)
        from.has_tag = false;
    if (!from.epoch)
        from.has_epoch = false;
    if (b->from_start)
        from.has_idx = false;
    b->asked = true;
    b->stale = false;
    if (!journal_seek(w->hub->journal, &b->seek, b->from_now && !b->changed ? NULL : &from, &request,
                      fresh != NULL, w->session->principal.account, w->session->lang)) {
        b->asked = false;
        refuse(b, "TOO_LARGE", "terms", NULL);
    }
}

static struct beginning *beginning_new(struct watch *w)
{
    struct beginning *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->hub = w->hub;
    b->w = w;
    b->seek.done = on_seek;
    b->late.fire = on_late;
    return b;
}

static struct place place_of(const Qipan__Cursor *c)
{
    return (struct place){c->epoch, c->rev, c->tag, c->idx, !c->has_idx};
}

void resume_begin(struct watch *w, const Qipan__WatchRequest *request, uint64_t patience_ms)
{
    struct beginning *b = w->beginning = beginning_new(w);
    if (!b) {
        resume_refuse(w, "UNAVAILABLE", NULL, NULL);
        return;
    }
    b->from_start =
        (request->has_from_start && request->from_start) || (request->after && request->after->rev == 0);
    b->from_now = !b->from_start && !request->after;
    b->changed = w->snapshot && snapshot_of_changed(w->snapshot);
    b->from.whole = true; /* rev 0: before the first that is kept */
    if (!b->from_start && request->after)
        b->from = place_of(request->after);
    if (BUG("feed-resume-late") && b->from.rev > 0)
        b->from.rev++;
    for (size_t i = 0; i < request->n_known && i < KNOWN_PLACES; i++)
        b->known[b->n_known++] = place_of(request->known[i]);
    deadline_set(w->hub->deadlines, &b->late, patience_ms);
    ask(b, request);
}

void resume_again(struct watch *w)
{
    struct beginning *b = w->beginning;
    bool inside = w->state == WATCH_SNAPSHOT;
    watch_unlist(w);
    w->state = WATCH_SEEKING;
    if (b && b->asked) {
        b->stale = true;
        return;
    }
    if (!b && !(b = w->beginning = beginning_new(w))) {
        conn_kill(w->session->conn, "out of memory");
        return;
    }
    b->again = w->started;
    if (inside) {
        Qipan__Error error = QIPAN__ERROR__INIT; /* what it was told so far may be lost: it starts anew */
        refuse(b, "DIVERGED", NULL, &error);
        return;
    }
    if (b->again) {
        b->from = w->told;
        b->n_known = 0;
        for (int i = 0; i < w->hub->n_known; i++)
            if (w->hub->known[i].rev < w->told.rev)
                b->known[b->n_known++] = w->hub->known[i];
    }
    ask(b, NULL);
}

void resume_probe(struct watch *w)
{
    struct beginning *b = w->hub->probe ? NULL : beginning_new(w);
    if (!b)
        return;
    w->hub->probe = b;
    b->probe = true;
    b->from = w->told;
    ask(b, NULL);
    b->w = NULL;
}
