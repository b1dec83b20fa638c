/* SPDX-License-Identifier: Apache-2.0 */
/* The way of an import into the registry: opened, its rows in chunks, judged, committed; each step may be asked for again. */
#include "import_internal.h"

#include "chunk.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Patience with what judges or writes: as long as the registry may be at it, and once more to learn how that ended. */
#define SETTLE_MS   (LIMIT_BULK_MS + LIMIT_DEADLINE_MS)
#define PAUSE_MS    500
#define PROGRESS_MS 5000 /* between lines on a stderr that is no terminal */
#define ASK_MS      1000 /* between questions how far the registry is */
#define ASKED_MS    3000 /* patience with one */
#define SILENT_MS   3000 /* without an answer before that is told */

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---------------------------------------------------------------- progress */

/* A step begins. */
static void begin(struct import *im)
{
    im->begun_ms = im->shown_ms = im->asked_ms = im->heard_ms = im->answered_ms = now_ms();
    im->done = im->heard = 0;
    im->trouble = NULL;
    im->told = false;
}

static bool is_time(struct import *im, bool tty)
{
    int64_t now = now_ms();

    if (cli_json(im->cli) || now - im->shown_ms < (tty ? 200 : PROGRESS_MS))
        return false;
    im->shown_ms = now;
    /* cut at the edge: what goes on in the next line isn't wiped out */
    fputs(tty ? "\r\033[K\033[?7l" : "", stderr);
    return true;
}

/* How long the other rows will take, at the pace of when it was last heard how far it is. */
static int seconds_left(const struct import *im, int row, double pace)
{
    double left = (im->rows - row) / pace - (double)(now_ms() - im->heard_ms) / 1000;

    return left > 0 ? (int)left + 1 : 1;
}

static void note_trouble(struct import *im, const Qipan__Error *e)
{
    if (!im->trouble || strcmp(im->trouble, e->message) != 0)
        im->trouble = cli_safe(&im->cli->arena, e->message);
}

/* What is in the way now, NULL = nothing. */
static const char *trouble(const struct import *im)
{
    if (qipan_link(im->cli->q) != QIPAN_LINK_UP)
        return _("no link to the registry");
    if (im->trouble)
        return im->trouble;
    return now_ms() - im->answered_ms > SILENT_MS ? _("the registry does not answer") : NULL;
}

/* Rows that are through, how many a second, and how long the others will take; `before`: those that were there already cost nothing. */
static void progress(struct import *im, const char *what, int row, int before)
{
    bool tty = isatty(STDERR_FILENO);
    const char *why = trouble(im);

    if (row < im->heard)
        begin(im); /* asked again after a failure: it is at it anew */
    if (row != im->heard) {
        im->heard = row;
        im->heard_ms = now_ms();
    }
    if ((why != NULL) != im->told) { /* come or gone: said at once */
        im->told = why != NULL;
        im->shown_ms = 0;
    }
    if (!is_time(im, tty))
        return;
    if (why) {
        fprintf(stderr, _("%s: %s; waiting on, at most %d s"), what, why,
                (int)((im->end_ms - now_ms()) / 1000));
    } else if (row <= before || im->heard_ms <= im->begun_ms) {
        fprintf(stderr, _("%s: row %d of %d, %d s"), what, row, im->rows,
                (int)((now_ms() - im->begun_ms) / 1000));
    } else {
        double pace = (row - before) * 1000.0 / (double)(im->heard_ms - im->begun_ms);
        fprintf(stderr, _("%s: row %d of %d, %d rows/s, %d s left"), what, row, im->rows, (int)pace,
                seconds_left(im, row, pace));
    }
    fputs(tty ? "\033[?7h" : "\n", stderr);
}

static void progress_over(struct import *im)
{
    if (isatty(STDERR_FILENO) && !cli_json(im->cli))
        fputs("\r\033[K", stderr);
}

/* ---------------------------------------------------------------- calls */

/* Until the next one is asked for: calls keep their own copy. */
static const char *request_id(struct import *im, const char *tail)
{
    snprintf(im->request, sizeof(im->request), "%s%s", im->base, tail);
    return im->request;
}

/* What leads to a commit writes nothing: its unknown outcome is no worse than none. */
static int failed_before(struct import *im, const Qipan__Error *error)
{
    Qipan__Error e = *error;

    if (strcmp(e.code, "UNKNOWN") == 0 || strcmp(e.code, "DEADLINE_EXCEEDED") == 0) {
        e.code = (char *)(uintptr_t) "UNAVAILABLE";
        e.message = (char *)(uintptr_t)_("the registry does not answer");
    }
    if (strcmp(e.code, "UNAVAILABLE") == 0)
        e.hint =
            (char *)(uintptr_t)_("nothing is written yet; the same command again goes on where it stood");
    return cli_error(im->cli, &e, NULL);
}

/* The commit refused because of rejected rows; anything else has been reported. */
static int failed(struct import *im, unsigned op, struct qipan_result *r)
{
    const Qipan__Error *e = r->error;
    bool rows = op == QIPAN_OP_import_commit && e->field && !strcmp(e->field, "rows") &&
                !strcmp(e->code, "INVALID_ARGUMENT");
    int code = rows                           ? IMPORT_REFUSED
               : op == QIPAN_OP_import_commit ? cli_error(im->cli, e, im->base)
                                              : failed_before(im, e);

    qipan_result_free(r);
    return code;
}

/* Ours: nobody has said it. */
static bool is_silence(const Qipan__Error *e)
{
    return e && (!strcmp(e->code, "DEADLINE_EXCEEDED") || !strcmp(e->code, "UNKNOWN"));
}

static void on_asked(const struct qipan_reply *reply, void *arg)
{
    struct import *im = arg;
    const Qipan__Batch *b = reply->error ? NULL : ((const Qipan__BatchReply *)reply->message)->batch;

    im->asking = 0;
    if (is_silence(reply->error))
        return;
    im->answered_ms = now_ms();
    if (reply->error)
        note_trouble(im, reply->error);
    else
        im->trouble = NULL;
    if (b && b->has_done && b->done <= im->rows)
        im->done = b->done;
}

/* The call that works shows nothing before it is over: another one asks how far it is. */
static void ask_done(struct import *im)
{
    Qipan__RecordShowRequest m = QIPAN__RECORD_SHOW_REQUEST__INIT;
    struct qipan_call_options o = {.deadline_ms = ASKED_MS};

    if (cli_json(im->cli) || !*im->id || im->asking || now_ms() - im->asked_ms < ASK_MS)
        return;
    im->asked_ms = now_ms();
    m.id = im->id;
    im->asking = qipan_call(im->cli->q, QIPAN_OP_batch_show, &m.base, &o, on_asked, im);
}

static void ask_no_more(struct import *im)
{
    if (im->asking)
        qipan_forget(im->cli->q, im->asking);
    im->asking = 0;
}

struct told {
    struct qipan_result *result;
    bool done;
};

static void on_told(const struct qipan_reply *reply, void *arg)
{
    struct told *t = arg;

    qipan_keep(reply, t->result);
    t->done = true;
}

/* One call that may take long; meanwhile it says so. */
static enum qipan_outcome call_long(struct import *im, unsigned op, const ProtobufCMessage *message,
                                    const struct qipan_call_options *o, const char *what,
                                    struct qipan_result *ret)
{
    struct told t = {.result = ret};

    memset(ret, 0, sizeof(*ret));
    uint32_t id = qipan_call(im->cli->q, op, message, o, on_told, &t);
    if (!id) {
        ret->error = qipan_refusal(im->cli->q);
        return QIPAN_FAILED;
    }
    while (!qipan_wait(im->cli->q, &t.done, PAUSE_MS)) {
        if (cli_signal) {
            ask_no_more(im);
            qipan_forget(im->cli->q, id);
            return QIPAN_INTERRUPTED;
        }
        ask_done(im);
        progress(im, what, im->done, 0);
    }
    ask_no_more(im);
    return ret->error ? QIPAN_FAILED : QIPAN_DONE;
}

/* An opening changes nothing: only a commit of its batch is waited for, begun maybe by a client that was killed since. */
static bool worth_asking(struct import *im, unsigned op, const Qipan__Error *e)
{
    int retry = error_info(e->code)->retry;

    return retry != ERROR_NEVER && retry != ERROR_CARE && qipan_link(im->cli->q) != QIPAN_LINK_REFUSED &&
           (op != QIPAN_OP_import_open || !strcmp(e->code, "LOCKED"));
}

/* A call whose outcome must become known: asked again under the same request id until it is. */
static int settle(struct import *im, unsigned op, const ProtobufCMessage *message, const char *request,
                  const char *what, struct qipan_result *ret)
{
    int64_t longest = op_longest_ms(op_by_number(op));
    int64_t left;

    im->end_ms = now_ms() + SETTLE_MS;
    for (begin(im);;) {
        left = im->end_ms - now_ms();
        struct qipan_call_options o = {.request = request,
                                       .deadline_ms = (unsigned)(left < longest ? left : longest)};
        enum qipan_outcome outcome = call_long(im, op, message, &o, what, ret);
        progress_over(im);
        if (outcome == QIPAN_DONE)
            return 0;
        if (cli_signal)
            return cli_interrupted(im->cli, NULL);
        if (outcome == QIPAN_FAILED &&
            (now_ms() + 2 * PAUSE_MS > im->end_ms || !worth_asking(im, op, ret->error)))
            return failed(im, op, ret);
        if (ret->error && !is_silence(ret->error))
            note_trouble(im, ret->error);
        qipan_result_free(ret);
        qipan_wait(im->cli->q, NULL, PAUSE_MS);
    }
}

static void take_counts(struct import *im, const Qipan__ImportReply *r)
{
    im->counts.rows = r->rows;
    im->counts.added = r->added;
    im->counts.updated = r->updated;
    im->counts.unchanged = r->unchanged;
    im->counts.duplicates = r->duplicates;
    im->counts.conflicts = r->conflicts;
    im->counts.rejected = r->rejected;
    im->counts.skipped = r->skipped;
    im->counts.rev = r->rev;
    im->counts.replayed = r->replayed;
    im->counts.status = (char *)(uintptr_t)cli_safe(&im->cli->arena, r->status);
}

/* What is certain, whenever that was. */
void import_interrupted(const struct import *im)
{
    if (im->committing)
        cli_warn(
            _("interrupted; all rows are in the registry as batch %s: whether they are written is told by "
              "qipan batch show %s and qipan receipt show %s, or by the same command again"),
            im->id, im->id, im->base);
    else
        cli_warn(_("interrupted; nothing is written; the same command again goes on where it stood"));
}

int import_open(struct import *im)
{
    Qipan__ImportOpenRequest m = QIPAN__IMPORT_OPEN_REQUEST__INIT;
    struct qipan_result r;
    const char *source = mapping_source(im->mapping)->name;

    m.has_file_sha256 = m.has_profile_sha256 = m.has_rows = 1;
    m.file_sha256 = (ProtobufCBinaryData){sizeof(im->sha), im->sha};
    m.profile_sha256 = (ProtobufCBinaryData){sizeof(im->profile_sha), im->profile_sha};
    m.file_name = (char *)(uintptr_t)cli_safe(&im->cli->arena, import_base_name(im->file));
    m.source = (char *)(uintptr_t)source;
    m.profile = im->profile_name;
    m.rows = im->rows;
    m.kind = (char *)(uintptr_t)mapping_kind(im->mapping);
    m.has_opening = m.opening = im->opening;
    int code = settle(im, QIPAN_OP_import_open, &m.base, request_id(im, ".open"), _("opening"), &r);
    if (code)
        return code;
    const Qipan__ImportReply *reply = (const Qipan__ImportReply *)r.message;
    snprintf(im->id, sizeof(im->id), "%s", reply->id ? reply->id : "");
    im->next_chunk = reply->next_chunk;
    qipan_result_free(&r);
    return 0;
}

/* ---------------------------------------------------------------- rows go up */

/* A registry next door is sent a chunk when it has answered the one before: reading the sheet, unpacking a chunk and keeping it would take
 * three processors at once, and clerks' edits wait for one. To one far away chunks are on their way meanwhile. The first ones tell which. */
#define NEAR_MS      10
#define FIRST_CHUNKS 4

struct window {
    struct import *im;
    int open;  /* chunks without an answer */
    int limit; /* wake when no more than so many are open */
    int code;
    bool wake;
    int sent;
    int64_t sent_ms, quickest_ms; /* the last one; an answer to the first ones */
};

static void on_put(const struct qipan_reply *reply, void *arg)
{
    struct window *w = arg;

    w->open--;
    w->im->answered_ms = now_ms();
    if (w->sent <= FIRST_CHUNKS && now_ms() - w->sent_ms < w->quickest_ms)
        w->quickest_ms = now_ms() - w->sent_ms;
    if (reply->error && !w->code)
        w->code = failed_before(w->im, reply->error);
    w->wake = w->open <= w->limit || w->code;
}

static int wait_window(struct window *w, int limit)
{
    w->limit = limit;
    w->wake = w->open <= limit || w->code;
    while (!qipan_wait(w->im->cli->q, &w->wake, PAUSE_MS)) {
        if (cli_signal)
            return cli_interrupted(w->im->cli, NULL);
        progress(w->im, _("sending"), w->im->sent, w->im->sent_before);
    }
    return w->code;
}

static int most_open(const struct window *w)
{
    return w->sent < FIRST_CHUNKS || w->quickest_ms < NEAR_MS ? 1 : LIMIT_CHUNK_WINDOW;
}

static int put_chunk(struct window *w, const struct chunker *c)
{
    struct import *im = w->im;
    Qipan__ImportPutRequest m = QIPAN__IMPORT_PUT_REQUEST__INIT;
    char tail[16];

    snprintf(tail, sizeof(tail), ".p%d", c->number);
    m.id = im->id;
    m.has_chunk = 1;
    m.chunk = c->number;
    m.n_rows = c->n_rows;
    m.rows = (Qipan__ImportRow **)(uintptr_t)c->rows;
    struct qipan_call_options o = {.request = request_id(im, tail), .deadline_ms = LIMIT_DEADLINE_MS};
    if (!qipan_call(im->cli->q, QIPAN_OP_import_put, &m.base, &o, on_put, w))
        return failed_before(im, qipan_refusal(im->cli->q));
    w->open++;
    w->sent++;
    w->sent_ms = now_ms();
    im->end_ms = w->sent_ms + LIMIT_DEADLINE_MS;
    return wait_window(w, most_open(w) - 1);
}

int import_put(struct import *im)
{
    struct window w = {.im = im, .quickest_ms = LIMIT_DEADLINE_MS};
    struct chunker c;
    enum chunk_result r;
    int code = 0;

    begin(im);
    chunk_start(&c, im->sheet, im->mapping);
    while (!code && (r = chunk_next(&c)) == CHUNK_READY) {
        im->sent = c.total;
        if (c.number >= im->next_chunk)
            code = put_chunk(&w, &c);
        else
            im->sent_before = im->sent;
        if (!code)
            progress(im, _("sending"), im->sent, im->sent_before);
    }
    if (!code && r == CHUNK_FAILED)
        code = import_invalid(im, import_base_name(im->file), c.why);
    chunk_stop(&c);
    if (!code)
        code = wait_window(&w, 0);
    progress_over(im);
    return code ? code : import_unchanged(im);
}

/* What judges or writes all rows, and says how many of each there are. */
static int settle_counts(struct import *im, unsigned op, const ProtobufCMessage *message, const char *request,
                         const char *what)
{
    struct qipan_result r;
    int code = settle(im, op, message, request, what, &r);

    if (code)
        return code;
    take_counts(im, (const Qipan__ImportReply *)r.message);
    qipan_result_free(&r);
    return 0;
}

int import_judge(struct import *im)
{
    Qipan__ImportJudgeRequest m = QIPAN__IMPORT_JUDGE_REQUEST__INIT;

    m.id = im->id;
    return settle_counts(im, QIPAN_OP_import_judge, &m.base, request_id(im, ".judge"), _("judging"));
}

int import_commit(struct import *im)
{
    Qipan__ImportCommitRequest m = QIPAN__IMPORT_COMMIT_REQUEST__INIT;

    m.id = im->id;
    m.has_keep_going = 1;
    m.keep_going = im->keep_going;
    m.reason = (char *)(uintptr_t)im->reason;
    im->committing = true;
    int code = settle_counts(im, QIPAN_OP_import_commit, &m.base, im->base, _("writing"));
    im->committing = code != IMPORT_REFUSED;
    return code;
}

int import_counts(struct import *im)
{
    Qipan__RecordShowRequest m = QIPAN__RECORD_SHOW_REQUEST__INIT;
    struct qipan_result r;

    m.id = im->id;
    int code = cli_call(im->cli, QIPAN_OP_batch_show, &m.base, NULL, &r);
    if (code)
        return code;
    const Qipan__Batch *b = ((const Qipan__BatchReply *)r.message)->batch;
    Qipan__ImportReply counts = QIPAN__IMPORT_REPLY__INIT;
    if (b) {
        counts.status = b->status;
        counts.rows = b->rows;
        counts.added = b->added;
        counts.updated = b->updated;
        counts.unchanged = b->unchanged;
        counts.duplicates = b->duplicates;
        counts.conflicts = b->conflicts;
        counts.rejected = b->rejected;
        counts.skipped = b->skipped;
    }
    take_counts(im, &counts);
    qipan_result_free(&r);
    return 0;
}
