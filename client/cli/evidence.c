/* SPDX-License-Identifier: Apache-2.0 */
/* qipan evidence add, get: bytes of files to and from the registry, a chunk at a time. */
#include "evidence.h"

#include "json.h"
#include "labels.h"
#include "limits.h"
#include "out.h"
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVIDENCE_MAX (20 * 1024 * 1024)
#define HASH_HEX     64

/* Types by the ending of a file's name; the registry looks at the bytes. */
static const struct {
    const char *ending, *media;
} types[] = {{"pdf", "pdf"},   {"jpg", "jpeg"}, {"jpeg", "jpeg"}, {"png", "png"},
             {"docx", "docx"}, {"doc", "doc"},  {"xlsx", "xlsx"}, {"xls", "xls"},
             {"ofd", "ofd"},   {"zip", "zip"},  {"csv", "csv"},   {"txt", "txt"}};

static int chunk_size(int32_t size, int chunk)
{
    int64_t left = size - (int64_t)chunk * LIMIT_CHUNK;

    return left > LIMIT_CHUNK ? LIMIT_CHUNK : (int)left;
}

static int wrong_file(struct cli *cli, const char *path, const char *why)
{
    return cli_fail(cli, "INVALID_ARGUMENT", NULL, NULL, "%s: %s", path, why);
}

static bool hash_text(EVP_MD_CTX *ctx, char ret[HASH_HEX + 1])
{
    unsigned char hash[HASH_HEX / 2];

    if (!EVP_DigestFinal_ex(ctx, hash, NULL))
        return false;
    for (int i = 0; i < HASH_HEX / 2; i++)
        sprintf(ret + 2 * i, "%02x", hash[i]);
    return true;
}

/* ---------------------------------------------------------------- add */

struct upload {
    struct cli *cli;
    const char *path;
    int fd, n; /* n: which file of the command */
    char hash[HASH_HEX + 1];
    char request[LIMIT_REQUEST_ID + 1];
    Qipan__Evidence set;
    char *id;
};

/* 0 at the end of the file. */
static ssize_t read_chunk(const struct upload *u, char data[LIMIT_CHUNK], off_t from)
{
    ssize_t n = 0, got = 1;

    while (n < LIMIT_CHUNK && got != 0) {
        got = pread(u->fd, data + n, (size_t)(LIMIT_CHUNK - n), from + n);
        if (got < 0 && errno != EINTR)
            return -1;
        n += got > 0 ? got : 0;
    }
    return n;
}

static bool digest_file(struct upload *u)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    char data[LIMIT_CHUNK];
    off_t at = 0;
    ssize_t n = 0;
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);

    while (ok && (n = read_chunk(u, data, at)) > 0 && at <= EVIDENCE_MAX) {
        ok = EVP_DigestUpdate(ctx, data, (size_t)n) != 0;
        at += n;
    }
    ok = ok && n == 0 && hash_text(ctx, u->hash);
    EVP_MD_CTX_free(ctx);
    return ok;
}

static const char *media_of(const char *path)
{
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (strcasecmp(dot + 1, types[i].ending) == 0)
            return types[i].media;
    return NULL;
}

static int look_at_file(struct upload *u)
{
    const char *slash = strrchr(u->path, '/');
    struct stat st;

    u->fd = open(u->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (u->fd < 0)
        return wrong_file(u->cli, u->path, strerror(errno));
    if (fstat(u->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return wrong_file(u->cli, u->path, _("not a regular file"));
    if (st.st_size == 0)
        return wrong_file(u->cli, u->path, _("the file is empty"));
    if (st.st_size > EVIDENCE_MAX)
        return wrong_file(u->cli, u->path, _("the file has more than 20 MB"));
    if (!digest_file(u))
        return wrong_file(u->cli, u->path, _("the file can't be read"));
    u->set.name = (char *)(slash ? slash + 1 : u->path);
    u->set.has_size = true;
    u->set.size = (int32_t)st.st_size;
    u->set.sha256 = u->hash;
    if (!u->set.media)
        u->set.media = (char *)media_of(u->path);
    return u->set.media ? 0
                        : cli_fail(u->cli, "INVALID_ARGUMENT", "media", _("say its type: media=pdf"),
                                   _("%s: the name doesn't tell the type of the file"), u->path);
}

/* Of one step of one file, from the command's own; NULL = a new one. */
static const char *request_id(struct upload *u, char step)
{
    if (!u->cli->request)
        return NULL;
    snprintf(u->request, sizeof u->request, "%.*s.%c%d", LIMIT_REQUEST_ID - 8, u->cli->request, step, u->n);
    return u->request;
}

/* Declares the file; *ret_next: the first chunk the registry lacks. A file it has, and a request that comes again, may be ready. */
static int open_upload(struct upload *u, int *ret_next, bool *ret_maybe_ready)
{
    Qipan__EvidenceOpenRequest request = QIPAN__EVIDENCE_OPEN_REQUEST__INIT;
    struct qipan_call_options options = {.request = request_id(u, 'o')};
    const Qipan__EvidenceChunkReply *reply;
    struct qipan_result r;
    int code;

    request.set = &u->set;
    if ((code = cli_call(u->cli, OP_evidence_open, &request.base, &options, &r)))
        return code;
    reply = (const Qipan__EvidenceChunkReply *)r.message;
    *ret_next = reply->next_chunk;
    *ret_maybe_ready = reply->replayed || !reply->has_rev;
    u->id = reply->evidence ? arena_strdup(&u->cli->arena, reply->evidence->id) : NULL;
    qipan_result_free(&r);
    return u->id ? 0 : cli_no_memory(u->cli);
}

static int put_chunks(struct upload *u, int next)
{
    Qipan__EvidencePutRequest request = QIPAN__EVIDENCE_PUT_REQUEST__INIT;
    char data[LIMIT_CHUNK];
    int code = 0;

    request.id = u->id;
    request.has_chunk = request.has_data = true;
    for (; !code && chunk_size(u->set.size, next) > 0; next++) {
        struct qipan_result r;
        ssize_t n = read_chunk(u, data, (off_t)next * LIMIT_CHUNK);

        if (n != chunk_size(u->set.size, next))
            return wrong_file(u->cli, u->path, _("the file changed while it was read"));
        request.chunk = next;
        request.data = (ProtobufCBinaryData){.len = (size_t)n, .data = (uint8_t *)data};
        code = cli_call(u->cli, OP_evidence_put, &request.base, NULL, &r);
        if (!code)
            qipan_result_free(&r);
    }
    return code;
}

/* Done already? Then with the answer. */
static int find_ready(struct upload *u, bool *ret_ready, struct qipan_result *ret)
{
    Qipan__RecordShowRequest request = QIPAN__RECORD_SHOW_REQUEST__INIT;
    int code;

    request.id = u->id;
    if ((code = cli_call(u->cli, OP_evidence_show, &request.base, NULL, ret)))
        return code;
    *ret_ready = strcmp(((const Qipan__EvidenceReply *)ret->message)->evidence->state, "uploading") != 0;
    if (!*ret_ready)
        qipan_result_free(ret);
    return 0;
}

static int send_file(struct upload *u, struct qipan_result *ret)
{
    Qipan__EvidenceCloseRequest request = QIPAN__EVIDENCE_CLOSE_REQUEST__INIT;
    struct qipan_call_options options = {0};
    bool maybe, ready = false;
    int next, code = open_upload(u, &next, &maybe);

    if (!code && maybe)
        code = find_ready(u, &ready, ret);
    if (code || ready || (code = put_chunks(u, next)))
        return code;
    request.id = u->id;
    options.request = request_id(u, 'c');
    return cli_call(u->cli, OP_evidence_close, &request.base, &options, ret);
}

int evidence_upload(struct cli *cli, const Qipan__Evidence *about, const char *path, int n,
                    struct qipan_result *ret_result)
{
    struct upload u = {.cli = cli, .path = path, .fd = -1, .n = n, .set = *about};
    int code = look_at_file(&u);

    if (!code)
        code = send_file(&u, ret_result);
    if (u.fd >= 0)
        close(u.fd);
    return code;
}

static struct out_style style_of(struct cli *cli)
{
    const ProtobufCMessageDescriptor *desc = &qipan__evidence__descriptor;

    return (struct out_style){.desc = desc, .name = "id", .kind = labels_record_kind(cli, desc)};
}

static int show_upload(struct cli *cli, const struct qipan_result *r)
{
    const struct out_style style = style_of(cli);

    return out_reply(cli, &style, r->message, r->request);
}

/* Words FIELD=VALUE say what it is evidence of, others are files: moved to the front. */
static int take_words(struct cli *cli, char **words, int n, Qipan__Evidence *about, int *ret_files)
{
    struct cli_values values = {.set = &about->base};
    int code = 0;

    *ret_files = 0;
    for (int i = 0; i < n && !code; i++) {
        const char *equal = strchr(words[i], '=');

        if (equal && !memchr(words[i], '/', (size_t)(equal - words[i])))
            code = cli_take_value(cli, &values, words[i]);
        else
            words[(*ret_files)++] = words[i];
    }
    return code;
}

static int add(struct cli *cli, int argc, char **argv)
{
    Qipan__Evidence about = QIPAN__EVIDENCE__INIT;
    const struct cli_option options[] = {{0}};
    int n, n_files, code = cli_options(cli, argc, argv, options, &n);

    if (code || (code = cli_connect(cli)))
        return code;
    cli->record = about.base.descriptor;
    if (n < 2)
        return cli_usage(cli, "%s", _("evidence add needs a project and files"));
    if ((code = take_words(cli, argv + 2, n - 1, &about, &n_files)))
        return code;
    if (n_files == 0)
        return cli_usage(cli, "%s", _("evidence add needs a project and files"));
    about.project = argv[1];
    for (int i = 0; i < n_files && !code; i++) {
        struct qipan_result r;

        code = evidence_upload(cli, &about, argv[2 + i], i, &r);
        if (code)
            break;
        code = show_upload(cli, &r);
        qipan_result_free(&r);
    }
    return code;
}

/* ---------------------------------------------------------------- get */

struct download {
    struct cli *cli;
    const char *id, *path;
    struct whole_file file;
    EVP_MD_CTX *ctx;
    int32_t size;
    char want[HASH_HEX + 1], media[12];
};

static int not_whole(struct download *d, const char *why)
{
    return cli_fail(d->cli, "INTERNAL", NULL, NULL, "%s: %s", d->id, why);
}

/* What the file must be. Nothing here becomes part of a path. */
static int ask_for(struct download *d)
{
    Qipan__RecordShowRequest request = QIPAN__RECORD_SHOW_REQUEST__INIT;
    const Qipan__Evidence *e;
    struct qipan_result r;
    int code;

    request.id = (char *)d->id;
    if ((code = cli_call(d->cli, OP_evidence_show, &request.base, NULL, &r)))
        return code;
    e = ((const Qipan__EvidenceReply *)r.message)->evidence;
    if (!e || !e->sha256 || strlen(e->sha256) != HASH_HEX || e->size < 1 || e->size > EVIDENCE_MAX) {
        code = not_whole(d, _("the registry's answer is not complete"));
    } else {
        d->size = e->size;
        strcpy(d->want, e->sha256);
        for (size_t i = 0; e->media && i < sizeof types / sizeof *types; i++)
            if (strcmp(types[i].media, e->media) == 0)
                snprintf(d->media, sizeof d->media, ".%s", types[i].media);
    }
    qipan_result_free(&r);
    return code;
}

static bool to_stdout(const struct download *d)
{
    return d->path && strcmp(d->path, "-") == 0;
}

/* Named by the command, else by the id it was asked for; there only when all of it has come. */
static int open_output(struct download *d)
{
    char *name;

    if (to_stdout(d))
        return 0;
    if (!d->path) {
        if (!(name = arena_alloc(&d->cli->arena, strlen(d->id) + sizeof d->media)))
            return cli_no_memory(d->cli);
        sprintf(name, "%s%s", d->id, d->media);
        d->path = name;
    }
    return whole_file_create(&d->file, d->path) ? 0 : wrong_file(d->cli, d->path, strerror(errno));
}

static int write_all(struct download *d, const uint8_t *data, size_t n)
{
    return fwrite(data, 1, n, to_stdout(d) ? stdout : d->file.to) == n
               ? 0
               : wrong_file(d->cli, d->path, strerror(errno));
}

static int get_chunk(struct download *d, int chunk)
{
    Qipan__EvidenceGetRequest request = QIPAN__EVIDENCE_GET_REQUEST__INIT;
    const ProtobufCBinaryData *data;
    struct qipan_result r;
    int code;

    request.id = (char *)d->id;
    request.has_chunk = true;
    request.chunk = chunk;
    if ((code = cli_call(d->cli, OP_evidence_get, &request.base, NULL, &r)))
        return code;
    data = &((const Qipan__EvidenceGetReply *)r.message)->data;
    if (data->len != (size_t)chunk_size(d->size, chunk) || !EVP_DigestUpdate(d->ctx, data->data, data->len))
        code = not_whole(d, _("a part of it has another length"));
    else
        code = write_all(d, data->data, data->len);
    qipan_result_free(&r);
    return code;
}

static int get_all(struct download *d)
{
    char hash[HASH_HEX + 1];
    int code = 0;

    if (!(d->ctx = EVP_MD_CTX_new()) || !EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL))
        return cli_no_memory(d->cli);
    for (int i = 0; !code && chunk_size(d->size, i) > 0; i++)
        code = get_chunk(d, i);
    if (code)
        return code;
    if (!hash_text(d->ctx, hash) || strcmp(hash, d->want) != 0)
        return not_whole(d, _("what came has another hash"));
    if (to_stdout(d))
        return cli_flush(d->cli);
    return whole_file_done(&d->file) ? 0 : wrong_file(d->cli, d->path, strerror(errno));
}

static int say_got(struct download *d)
{
    json_t *o;
    char *line;

    if (to_stdout(d))
        return 0;
    if (!cli_json(d->cli)) {
        printf(_("%s: %d bytes, SHA-256 as it should be\n"), cli_safe(&d->cli->arena, d->path), (int)d->size);
        return cli_flush(d->cli);
    }
    o = json_pack("{s:s,s:s,s:i,s:s}", "id", d->id, "file", d->path, "size", (int)d->size, "sha256", d->want);
    line = json_line(o);
    if (line)
        puts(line);
    free(line);
    return line ? cli_flush(d->cli) : cli_no_memory(d->cli);
}

static int get(struct cli *cli, int argc, char **argv)
{
    struct download d = {.cli = cli};
    const struct cli_option options[] = {{0}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n < 1 || n > 2)
        return cli_usage(cli, "%s", _("evidence get needs an id, and may have a file"));
    d.id = argv[1];
    d.path = n > 1 ? argv[2] : NULL;
    if (d.id[strspn(d.id, "abcdefghijklmnopqrstuvwxyz0123456789")])
        return cli_fail(cli, "NOT_FOUND", "id", NULL, _("there is no %s"), d.id);
    if (!(code = cli_connect(cli)) && !(code = ask_for(&d)) && !(code = open_output(&d)))
        code = get_all(&d);
    whole_file_drop(&d.file);
    if (!code)
        code = say_got(&d);
    EVP_MD_CTX_free(d.ctx);
    return code;
}

int cmd_evidence(struct cli *cli, int argc, char **argv)
{
    static const char *const words[] = {"add",  "get",      "list",
                                        "show", "withdraw", NULL}; /* verbs.def has the rest */
    int i, code = cli_subcommand(cli, argc, argv, words, &i);

    if (code)
        return code;
    return (i == 0 ? add : get)(cli, argc - 1, argv + 1);
}
