/* SPDX-License-Identifier: Apache-2.0 */
/* qipan import: a file of rows becomes a batch in the registry; the registry judges it, and on --commit writes it. */
#include "cli.h"
#include "chunk.h"
#include "import_notes.h"
#include "import_profile.h"
#include "json.h"
#include "limits.h"
#include "mapping.h"
#include "sheet.h"
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX  (LIMIT_REQUEST_ID - 8) /* what we add to an id: .judge, .p00001 */
#define SETTLE_MS    120000                 /* patience with a judge or commit whose answer was lost */
#define PAUSE_MS     500
#define PROGRESS_MS  5000 /* between lines on a stderr that is no terminal */
#define JSON_REJECTS 1000 /* rejected rows in the summary object; all of them are in --report */

struct import {
    struct cli *cli;
    const char *file, *map, *profile, *encoding, *sheet_name, *kind, *report;
    bool commit, keep_going, exit_code;
    FILE *in;
    struct stat before;
    unsigned char sha[32], profile_sha[32];
    char *map_text; /* of the mapping file */
    size_t map_n;
    struct mapping *mapping;
    struct sheet *sheet;
    char profile_name[200];
    char headers[PROFILE_DIGEST];    /* of the headings */
    bool known;                      /* the registry has the mapping already, or need not keep it */
    char base[LIMIT_REQUEST_ID + 1]; /* the request ids of this run begin with it */
    char request[LIMIT_REQUEST_ID + 16];
    int rows, sent;
    char id[64];
    int next_chunk;
    int64_t shown_ms;
    json_t *rejects;
    struct whole_file report_file;
    Qipan__ImportReply counts;
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int invalid(struct import *im, const char *what, const char *why)
{
    return cli_fail(im->cli, "INVALID_ARGUMENT", NULL, NULL, "%s: %s", what, why);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* ---------------------------------------------------------------- progress */

static void progress(struct import *im, const char *what, int done)
{
    bool tty = isatty(STDERR_FILENO);
    int64_t now = now_ms();

    if (cli_json(im->cli) || now - im->shown_ms < (tty ? 100 : PROGRESS_MS))
        return;
    im->shown_ms = now;
    if (tty)
        fprintf(stderr, "\r\033[K%s %d/%d", what, done, im->rows);
    else
        fprintf(stderr, "%s %d/%d\n", what, done, im->rows);
}

static void progress_over(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* ---------------------------------------------------------------- the file */

static int digest_file(struct import *im)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    char block[65536];
    size_t n;
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);

    while (ok && (n = fread(block, 1, sizeof(block), im->in)) > 0)
        ok = EVP_DigestUpdate(ctx, block, n);
    ok = ok && !ferror(im->in) && EVP_DigestFinal_ex(ctx, im->sha, NULL);
    EVP_MD_CTX_free(ctx);
    rewind(im->in);
    return ok ? 0 : invalid(im, im->file, _("the file can't be read"));
}

static int open_file(struct import *im)
{
    int fd = open(im->file, O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && (fstat(fd, &im->before) != 0 || !S_ISREG(im->before.st_mode))) {
        close(fd);
        return invalid(im, im->file, _("not a regular file"));
    }
    im->in = fd >= 0 ? fdopen(fd, "r") : NULL;
    return im->in ? digest_file(im) : invalid(im, im->file, strerror(errno));
}

static int read_map(struct import *im, const char *path)
{
    FILE *f = fopen(path, "re");

    im->map_text = f ? malloc(MAPPING_MAX_FILE + 2) : NULL;
    if (im->map_text) {
        im->map_n = fread(im->map_text, 1, MAPPING_MAX_FILE + 1, f);
        im->map_text[im->map_n] = 0;
    }
    int why = errno;
    bool ok = im->map_text && !ferror(f);
    if (f)
        fclose(f);
    return ok ? 0 : invalid(im, path, strerror(why));
}

/* What the registry keeps under the name or, with NULL, for the sheet's headings; nothing is no failure. */
static int ask_profile(struct import *im, const char *name)
{
    const char *found;
    int code = profile_find(im->cli, name, name ? NULL : im->headers, im->kind, &im->map_text, &found);

    if (code || !im->map_text)
        return code;
    im->map_n = strlen(im->map_text);
    im->profile = found;
    im->known = true;
    return 0;
}

/* NAME.map beside the settings file, then among those installed, then the registry's. */
static int find_profile(struct import *im)
{
    char path[4096], *settings = settings_path();
    char *slash = settings ? strrchr(settings, '/') : NULL;

    if (!*im->profile || strpbrk(im->profile, "/.")) {
        free(settings);
        return cli_usage(im->cli, _("--profile takes a name; a file is given by --map"));
    }
    if (slash)
        *slash = 0;
    snprintf(path, sizeof(path), "%s/maps/%s.map", slash ? settings : ".", im->profile);
    free(settings);
    if (access(path, R_OK) != 0)
        snprintf(path, sizeof(path), "%s/share/qipan/maps/%s.map", QIPAN_PREFIX, im->profile);
    if (access(path, R_OK) == 0)
        return read_map(im, path);
    int code = ask_profile(im, im->profile);
    return code || im->map_text ? code
                                : cli_fail(im->cli, "INVALID_ARGUMENT", NULL,
                                           _("name a mapping file with --map, or see: qipan profile list"),
                                           _("there is no profile \"%s\""), im->profile);
}

/* The same file under another mapping is another import; so is one that another version, or one that speaks another
 * language in its reasons, reads. */
static bool digest_profile(struct import *im)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const char *encoding = im->encoding ? im->encoding : "", *source = mapping_source(im->mapping)->name;
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
              EVP_DigestUpdate(ctx, QIPAN_VERSION, sizeof(QIPAN_VERSION)) &&
              EVP_DigestUpdate(ctx, im->cli->lang, strlen(im->cli->lang) + 1) &&
              EVP_DigestUpdate(ctx, encoding, strlen(encoding) + 1) &&
              EVP_DigestUpdate(ctx, source ? source : "", source ? strlen(source) : 0) &&
              EVP_DigestUpdate(ctx, im->map_text ? im->map_text : "", im->map_n) &&
              EVP_DigestFinal_ex(ctx, im->profile_sha, NULL);

    EVP_MD_CTX_free(ctx);
    return ok;
}

static int parse_map(struct import *im)
{
    char why[MAPPING_WHY_SIZE];
    const char *path = im->map ? im->map : im->profile;
    const char *dot = strrchr(base_name(path), '.');

    if (!(im->mapping = mapping_read(im->map_text, im->map_n, im->kind, why)))
        return invalid(im, path, why);
    snprintf(im->profile_name, sizeof(im->profile_name), "%.*s",
             dot ? (int)(dot - base_name(path)) : (int)strlen(base_name(path)), base_name(path));
    return 0;
}

static int open_sheet(struct import *im)
{
    struct sheet_options o = {.name = im->file, .encoding = im->encoding, .sheet = im->sheet_name};
    char why[SHEET_WHY_SIZE];

    if (im->mapping) {
        const struct mapping_source *s = mapping_source(im->mapping);
        o.encoding = im->encoding ? im->encoding : s->encoding;
        o.separator = s->separator;
        o.sheet = im->sheet_name ? im->sheet_name : s->sheet;
        o.header = s->header;
        o.header_last = s->header_last;
    }
    im->sheet = sheet_open(im->in, &o, why);
    im->in = NULL;
    return im->sheet ? 0 : invalid(im, base_name(im->file), why);
}

/* A workbook that was made here says what its rows are. */
static const char *kind_of(const struct import *im)
{
    const struct grid *g = sheet_grid(im->sheet);
    const char *said = g ? grid_property(g, "qipan.kind") : NULL;

    return im->kind ? im->kind : said ? said : "project";
}

static bool has_other_sheets(const struct import *im)
{
    const struct grid *g = sheet_grid(im->sheet);
    size_t n = 0;

    if (g)
        grid_sheets(g, &n);
    return n > 1;
}

static int bind_columns(struct import *im)
{
    char why[MAPPING_WHY_SIZE];
    size_t n;
    char *const *headers = sheet_header(im->sheet, &n);
    int code = 0;

    if (!profile_digest(headers, n, im->headers))
        return cli_no_memory(im->cli);
    if (!im->mapping && !(code = ask_profile(im, NULL)) && im->map_text)
        code = parse_map(im);
    if (code)
        return code;
    bool given = im->mapping != NULL;
    if (given && !mapping_bind(im->mapping, headers, n, why))
        return invalid(im, base_name(im->file), why);
    if (!given)
        snprintf(im->profile_name, sizeof(im->profile_name), "auto");
    if (!given && !(im->mapping = mapping_auto(kind_of(im), headers, n, why)))
        return cli_fail(im->cli, "INVALID_ARGUMENT", NULL,
                        has_other_sheets(im)
                            ? _("another sheet? --sheet names it; or give a mapping file with --map")
                            : _("give a mapping file with --map; see: qipan help import"),
                        "%s: %s", base_name(im->file), why);
    if (!given && !(im->map_text = mapping_auto_text(im->mapping)))
        return cli_no_memory(im->cli);
    if (!given)
        im->map_n = strlen(im->map_text);
    mapping_default_units(im->mapping, sheet_unit(im->sheet), sheet_area_unit(im->sheet));
    return 0;
}

/* What was confirmed by a commit reads the office's next sheet of these headings. Exports that come back read themselves. */
static void remember(struct import *im)
{
    if (!im->known && !im->profile && (im->map || !mapping_column(im->mapping, "id")))
        profile_remember(im->cli, im->map ? im->map : im->file, mapping_kind(im->mapping), im->headers,
                         im->map_text);
}

static int count_rows(struct import *im)
{
    struct sheet_row row;
    enum sheet_result r;

    while ((r = sheet_next(im->sheet, &row)) == SHEET_ROW)
        im->rows++;
    if (r == SHEET_FAILED)
        return invalid(im, base_name(im->file), sheet_why(im->sheet));
    return im->rows ? 0 : invalid(im, base_name(im->file), _("the file has no rows"));
}

/* Everything that can be wrong with file and mapping is found before a byte is sent. */
static int prepare(struct import *im)
{
    int code = open_file(im);

    if (!code && im->map)
        code = read_map(im, im->map);
    else if (!code && im->profile)
        code = find_profile(im);
    if (!code && im->map_text)
        code = parse_map(im);
    if (!code)
        code = open_sheet(im);
    if (!code)
        code = bind_columns(im);
    if (!code)
        code = count_rows(im);
    if (!code && !digest_profile(im))
        code = invalid(im, im->file, _("the file can't be read"));
    return code;
}

static int file_unchanged(struct import *im)
{
    struct stat now;

    if (im->sent == im->rows && stat(im->file, &now) == 0 && now.st_size == im->before.st_size &&
        now.st_mtim.tv_sec == im->before.st_mtim.tv_sec && now.st_mtim.tv_nsec == im->before.st_mtim.tv_nsec)
        return 0;
    return invalid(im, base_name(im->file), _("the file changed while it was read"));
}

/* ---------------------------------------------------------------- calls */

/* Until the next one is asked for: calls keep their own copy. */
static const char *request_id(struct import *im, const char *tail)
{
    snprintf(im->request, sizeof(im->request), "%s%s", im->base, tail);
    return im->request;
}

static int choose_request(struct import *im)
{
    unsigned char random[12];

    if (im->cli->request && strlen(im->cli->request) > REQUEST_MAX)
        return cli_usage(im->cli, _("the request id of an import has at most %d characters"), REQUEST_MAX);
    if (im->cli->request) {
        snprintf(im->base, sizeof(im->base), "%s", im->cli->request);
        return 0;
    }
    if (getentropy(random, sizeof(random)) != 0)
        return cli_fail(im->cli, "INTERNAL", NULL, NULL, "%s", strerror(errno));
    strcpy(im->base, "import-");
    for (size_t i = 0; i < sizeof(random); i++)
        sprintf(im->base + strlen(im->base), "%02x", random[i]);
    return 0;
}

/* The commit refused because of rejected rows; anything else has been reported. */
#define REFUSED_ROWS (-1)

static int failed(struct import *im, struct qipan_result *r)
{
    const Qipan__Error *e = r->error;
    bool rows = e->field && !strcmp(e->field, "rows") && !strcmp(e->code, "INVALID_ARGUMENT");
    int code = rows ? REFUSED_ROWS : cli_error(im->cli, e, im->base);

    qipan_result_free(r);
    return code;
}

/* A call whose outcome must become known: asked again under the same request id until it is. */
static int settle(struct import *im, unsigned op, const ProtobufCMessage *message, const char *request,
                  struct qipan_result *ret)
{
    struct qipan_call_options o = {.request = request, .deadline_ms = LIMIT_BULK_MS};
    int64_t end = now_ms() + SETTLE_MS;

    for (;;) {
        enum qipan_outcome outcome = qipan_call_wait(im->cli->q, op, message, &o, ret);
        if (outcome == QIPAN_DONE)
            return 0;
        if (cli_signal)
            return cli_signal == SIGTERM ? EXIT_SIGTERM : EXIT_SIGINT;
        if (outcome == QIPAN_FAILED && (error_info(ret->error->code)->retry == ERROR_NEVER ||
                                        now_ms() > end || qipan_link(im->cli->q) == QIPAN_LINK_REFUSED))
            return failed(im, ret);
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

/* Rows that stop a commit. */
static int refused(const struct import *im)
{
    return im->counts.rejected + im->counts.duplicates + im->counts.conflicts;
}

static int open_batch(struct import *im)
{
    Qipan__ImportOpenRequest m = QIPAN__IMPORT_OPEN_REQUEST__INIT;
    struct qipan_call_options o = {.request = request_id(im, ".open")};
    struct qipan_result r;
    const char *source = mapping_source(im->mapping)->name;

    m.has_file_sha256 = m.has_profile_sha256 = m.has_rows = 1;
    m.file_sha256 = (ProtobufCBinaryData){sizeof(im->sha), im->sha};
    m.profile_sha256 = (ProtobufCBinaryData){sizeof(im->profile_sha), im->profile_sha};
    m.file_name = (char *)(uintptr_t)cli_safe(&im->cli->arena, base_name(im->file));
    m.source = (char *)(uintptr_t)source;
    m.profile = im->profile_name;
    m.rows = im->rows;
    m.kind = (char *)(uintptr_t)mapping_kind(im->mapping);
    int code = cli_call(im->cli, QIPAN_OP_import_open, &m.base, &o, &r);
    if (code)
        return code;
    const Qipan__ImportReply *reply = (const Qipan__ImportReply *)r.message;
    snprintf(im->id, sizeof(im->id), "%s", reply->id ? reply->id : "");
    im->next_chunk = reply->next_chunk;
    qipan_result_free(&r);
    return 0;
}

/* ---------------------------------------------------------------- rows go up */

struct window {
    struct import *im;
    int open;  /* chunks without an answer */
    int limit; /* wake when no more than so many are open */
    int code;
    bool wake;
};

static void on_put(const struct qipan_reply *reply, void *arg)
{
    struct window *w = arg;

    w->open--;
    if (reply->error && !w->code)
        w->code = cli_error(w->im->cli, reply->error, w->im->base);
    w->wake = w->open <= w->limit || w->code;
}

static int wait_window(struct window *w, int limit)
{
    w->limit = limit;
    w->wake = w->open <= limit || w->code;
    int code = cli_run(w->im->cli, &w->wake);
    return code ? code : w->code;
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
        return cli_error(im->cli, qipan_refusal(im->cli->q), im->base);
    w->open++;
    return wait_window(w, LIMIT_CHUNK_WINDOW - 1);
}

static int put_rows(struct import *im)
{
    struct window w = {.im = im};
    struct chunker c;
    enum chunk_result r;
    int code = 0;

    chunk_start(&c, im->sheet, im->mapping);
    while (!code && (r = chunk_next(&c)) == CHUNK_READY) {
        im->sent = c.total;
        if (c.number >= im->next_chunk)
            code = put_chunk(&w, &c);
        progress(im, _("sending"), im->sent);
    }
    if (!code && r == CHUNK_FAILED)
        code = invalid(im, base_name(im->file), c.why);
    chunk_stop(&c);
    if (!code)
        code = wait_window(&w, 0);
    progress_over();
    return code ? code : file_unchanged(im);
}

static int judge(struct import *im)
{
    Qipan__ImportJudgeRequest m = QIPAN__IMPORT_JUDGE_REQUEST__INIT;
    struct qipan_result r;

    m.id = im->id;
    int code = settle(im, QIPAN_OP_import_judge, &m.base, request_id(im, ".judge"), &r);
    if (code)
        return code;
    take_counts(im, (const Qipan__ImportReply *)r.message);
    qipan_result_free(&r);
    return 0;
}

static int commit(struct import *im)
{
    Qipan__ImportCommitRequest m = QIPAN__IMPORT_COMMIT_REQUEST__INIT;
    struct qipan_result r;

    m.id = im->id;
    m.has_keep_going = 1;
    m.keep_going = im->keep_going;
    int code = settle(im, QIPAN_OP_import_commit, &m.base, im->base, &r);
    if (code)
        return code;
    take_counts(im, (const Qipan__ImportReply *)r.message);
    qipan_result_free(&r);
    return 0;
}

/* ---------------------------------------------------------------- verdicts */

typedef int verdict_fn(struct import *im, const Qipan__Verdict *v, void *arg);

static const char *const refused_words[] = {"duplicate", "conflict", "rejected", NULL},
                         *const update_words[] = {"update", NULL};

/* All of them, page by page; `only` NULL = every verdict. */
static int each_verdict(struct import *im, const char *const *only, verdict_fn *fn, void *arg)
{
    Qipan__ImportVerdictsRequest m = QIPAN__IMPORT_VERDICTS_REQUEST__INIT;
    int after = 0, code = 0;

    m.id = im->id;
    m.has_limit = m.has_after_row = 1;
    m.limit = LIMIT_PAGE_ROWS;
    m.verdicts = (char **)(uintptr_t)only;
    while (only && only[m.n_verdicts])
        m.n_verdicts++;
    do {
        struct qipan_result r;
        m.after_row = after;
        if ((code = cli_call(im->cli, QIPAN_OP_import_verdicts, &m.base, NULL, &r)))
            return code;
        const Qipan__ImportVerdictsReply *page = (const Qipan__ImportVerdictsReply *)r.message;
        for (size_t i = 0; i < page->n_rows && !code; i++)
            code = fn(im, page->rows[i], arg);
        after = page->has_next_row && page->next_row > after ? page->next_row : 0;
        qipan_result_free(&r);
    } while (after && !code);
    return code;
}

/* The registry knows the field; the column it came from is known here. */
static const char *column_of(struct import *im, const Qipan__Verdict *v)
{
    if (v->column && *v->column)
        return v->column;
    return v->field ? mapping_column(im->mapping, v->field) : NULL;
}

static void set_text(json_t *o, const char *key, const char *value)
{
    if (value && *value)
        json_object_set_new(o, key, json_string(value));
}

static json_t *verdict_json(struct import *im, const Qipan__Verdict *v)
{
    json_t *o = json_pack("{s:i,s:s}", "row", (int)v->row, "verdict", v->verdict ? v->verdict : "");

    set_text(o, "project", v->project);
    set_text(o, "no", v->no);
    set_text(o, "code", v->code);
    set_text(o, "field", v->field);
    set_text(o, "column", column_of(im, v));
    set_text(o, "text", v->text);
    set_text(o, "message", v->message);
    for (size_t i = 0; i < v->n_changed; i++) {
        json_t *list = json_object_get(o, "changed");
        if (!list)
            json_object_set_new(o, "changed", list = json_array());
        json_array_append_new(list, json_string(v->changed[i]));
    }
    return o;
}

static int show_rejected(struct import *im, const Qipan__Verdict *v, void *arg)
{
    const char *column = column_of(im, v);
    struct arena a;

    (void)arg;
    if (cli_json(im->cli)) {
        if (json_array_size(im->rejects) < JSON_REJECTS)
            json_array_append_new(im->rejects, verdict_json(im, v));
        return 0;
    }
    arena_init(&a, 65536);
    printf(_("row %d"), (int)v->row);
    if (column)
        printf(" · %s", cli_safe(&a, column));
    else if (v->field)
        printf(" · %s", cli_safe(&a, value_label(v->field, im->cli->lang)));
    if (v->text && *v->text)
        printf(" · %s", cli_safe(&a, v->text));
    printf(": %s [%s]\n", cli_safe(&a, v->message), v->code ? cli_safe(&a, v->code) : "INVALID_ARGUMENT");
    arena_free(&a);
    return 0;
}

static int show_change(struct import *im, const Qipan__Verdict *v, void *arg)
{
    struct arena a;

    (void)arg;
    arena_init(&a, 65536);
    printf(_("row %d"), (int)v->row);
    printf(" · %s ·", cli_safe(&a, v->no));
    for (size_t i = 0; i < v->n_changed; i++)
        printf(" %s", cli_safe(&a, value_label(v->changed[i], im->cli->lang)));
    putchar('\n');
    arena_free(&a);
    return 0;
}

static int write_line(struct import *im, const Qipan__Verdict *v, void *arg)
{
    char *line = json_line(verdict_json(im, v));
    bool bad = !line || fprintf(arg, "%s\n", line) < 0;

    free(line);
    return bad ? invalid(im, im->report, strerror(errno)) : 0;
}

/* Before anything is sent: a name that can't be written is no reason to fail after a commit. */
static int open_report(struct import *im)
{
    return whole_file_open(&im->report_file, im->report) ? 0 : invalid(im, im->report, strerror(errno));
}

/* A line for each row. */
static int write_report(struct import *im)
{
    int code = each_verdict(im, NULL, write_line, im->report_file.to);

    if (!code && !whole_file_done(&im->report_file))
        code = invalid(im, im->report, strerror(errno));
    return code;
}

/* ---------------------------------------------------------------- summary */

static int show_json(struct import *im, bool written)
{
    const Qipan__ImportReply *c = &im->counts;
    char rev[24];
    json_t *o =
        json_pack("{s:s,s:s,s:s,s:b,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:s,s:s}", "id", im->id, "file",
                  base_name(im->file), "status", c->status, "committed", written, "rows", (int)c->rows, "new",
                  (int)c->added, "updated", (int)c->updated, "unchanged", (int)c->unchanged, "duplicates",
                  (int)c->duplicates, "conflicts", (int)c->conflicts, "rejected", (int)c->rejected, "skipped",
                  (int)c->skipped, "encoding", sheet_encoding(im->sheet), "profile", im->profile_name);

    snprintf(rev, sizeof(rev), "%" PRId64, c->rev);
    if (c->rev)
        json_object_set_new(o, "rev", json_string(rev));
    if (written) {
        json_object_set_new(o, "request", json_string(im->base));
        json_object_set_new(o, "replayed", json_boolean(c->replayed));
    }
    import_notes_json(o, im->sheet, im->mapping);
    if (json_array_size(im->rejects))
        json_object_set(o, "rejections", im->rejects);
    char *line = json_line(o);
    if (line)
        puts(line);
    int flushed = cli_flush(im->cli);
    bool bad = !line;
    free(line);
    return flushed || !bad ? flushed : EXIT_DIFFERENT;
}

static int show_text(struct import *im, bool written)
{
    const Qipan__ImportReply *c = &im->counts;

    import_notes_print(im->cli, im->sheet, im->mapping);
    printf(_("%s (%s, mapping %s): %d new + %d updated + %d unchanged + %d duplicates + %d conflicts + "
             "%d rejected + %d skipped = %d rows\n"),
           cli_safe(&im->cli->arena, base_name(im->file)),
           cli_safe(&im->cli->arena, sheet_encoding(im->sheet)), cli_safe(&im->cli->arena, im->profile_name),
           (int)c->added, (int)c->updated, (int)c->unchanged, (int)c->duplicates, (int)c->conflicts,
           (int)c->rejected, (int)c->skipped, (int)c->rows);
    if (written && c->rev)
        printf(_("written as revision %" PRId64 "\n"), c->rev);
    else if (written)
        puts(_("nothing had to be written"));
    else
        puts(im->commit ? _("nothing was written") : _("preview: nothing was written; --commit writes it"));
    return cli_flush(im->cli);
}

static int outcome(struct import *im, bool written)
{
    const Qipan__ImportReply *c = &im->counts;

    if (refused(im) > 0 && !written)
        return cli_fail(
            im->cli, "INVALID_ARGUMENT", NULL,
            _("correct the rows and import the file again, or take the good ones with --keep-going"),
            _("%d of %d rows are rejected, nothing was written"), refused(im), (int)c->rows);
    if (refused(im) > 0)
        return EXIT_PARTIAL;
    return im->exit_code && c->added + c->updated > 0 ? EXIT_DIFFERENT : 0;
}

static int show(struct import *im, bool written)
{
    int code = refused(im) > 0 ? each_verdict(im, refused_words, show_rejected, NULL) : 0;

    if (!code && im->cli->output == OUT_WIDE && im->counts.updated > 0)
        code = each_verdict(im, update_words, show_change, NULL);
    if (!code && im->report)
        code = write_report(im);
    if (code && !written)
        return code;
    /* What is committed is said, whatever became of the rest. */
    int shown = cli_json(im->cli) ? show_json(im, written) : show_text(im, written);
    if (code)
        return cli_signal ? code : EXIT_DIFFERENT;
    return shown ? shown : outcome(im, written);
}

/* The commit judges by itself. Only when it refuses are the verdicts asked for. */
static int judge_or_commit(struct import *im, bool *ret_written)
{
    int code;

    *ret_written = false;
    if (!im->commit)
        return judge(im);
    code = commit(im);
    *ret_written = code == 0;
    return code == REFUSED_ROWS ? judge(im) : code;
}

static int run(struct import *im)
{
    int code = prepare(im);
    bool written;

    if (!code)
        code = choose_request(im);
    if (!code && im->report)
        code = open_report(im);
    if (!code)
        code = cli_connect(im->cli);
    if (!code)
        code = open_batch(im);
    if (!code)
        code = put_rows(im);
    if (!code)
        code = judge_or_commit(im, &written);
    if (!code && written)
        remember(im);
    return code ? code : show(im, written);
}

int cmd_import(struct cli *cli, int argc, char **argv)
{
    struct import im = {.cli = cli, .counts = QIPAN__IMPORT_REPLY__INIT};
    const struct cli_option options[] = {
        {"--commit", NULL, &im.commit},       {"--keep-going", NULL, &im.keep_going},
        {"--exit-code", NULL, &im.exit_code}, {"--map", &im.map, NULL},
        {"--profile", &im.profile, NULL},     {"--encoding", &im.encoding, NULL},
        {"--report", &im.report, NULL},       {"--sheet", &im.sheet_name, NULL},
        {"--kind", &im.kind, NULL},           {NULL, NULL, NULL},
    };
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n != 1)
        return cli_usage(cli, _("qipan import FILE [--commit] [--map FILE]"));
    if (im.map && im.profile)
        return cli_usage(cli, _("--map and --profile exclude each other"));
    im.file = argv[1];
    im.rejects = json_array();
    im.shown_ms = now_ms();
    code = run(&im);
    whole_file_drop(&im.report_file);
    json_decref(im.rejects);
    sheet_close(im.sheet);
    mapping_free(im.mapping);
    free(im.map_text);
    if (im.in)
        fclose(im.in);
    return code;
}
