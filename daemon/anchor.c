/* SPDX-License-Identifier: Apache-2.0 */
#include "anchor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define RECENT_S       30 /* daemons that share a file take turns */

static void to_hex(const uint8_t *bytes, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++)
        sprintf(out + 2 * i, "%02x", bytes[i]);
}

bool anchor_signer_init(struct anchor_signer *s, const char *path, const char *key, char err[TLS_ERR_SIZE])
{
    uint8_t *der = NULL, digest[EVP_MAX_MD_SIZE];
    int n;
    *s = (struct anchor_signer){.path = path, .key = tls_private_key(key, err)};
    if (!s->key)
        return false;
    n = i2d_PUBKEY(s->key, &der);
    if (n > 0 && EVP_Digest(der, (size_t)n, digest, NULL, EVP_sha256(), NULL) == 1)
        to_hex(digest, (ANCHOR_KEY_SIZE - 1) / 2, s->fingerprint);
    OPENSSL_free(der);
    if (s->fingerprint[0])
        return true;
    snprintf(err, TLS_ERR_SIZE, "%.150s: no key to sign with", key);
    anchor_signer_free(s);
    return false;
}

void anchor_signer_free(struct anchor_signer *s)
{
    EVP_PKEY_free(s->key);
    s->key = NULL;
}

static bool hash_of(const char *line, size_t n, char out[ANCHOR_HASH_SIZE])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (EVP_Digest(line, n, digest, NULL, EVP_sm3(), NULL) != 1)
        return false;
    to_hex(digest, (ANCHOR_HASH_SIZE - 1) / 2, out);
    return true;
}

/* The newest line; one that a crash cut short is taken away. False: the file can't be read, or ends in no anchor. */
static bool read_last(int fd, struct anchor_place *ret)
{
    char tail[2 * LINE_MAX_BYTES];
    struct stat st;
    *ret = (struct anchor_place){0};
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    off_t from = st.st_size > (off_t)sizeof tail ? st.st_size - (off_t)sizeof tail : 0;
    ssize_t n = pread(fd, tail, sizeof tail, from);
    if (n < 0)
        return false;
    ssize_t whole = n;
    while (whole > 0 && tail[whole - 1] != '\n')
        whole--;
    if (whole < n && ftruncate(fd, from + whole) < 0)
        return false;
    if (whole == 0)
        return from == 0;
    ssize_t start = whole - 1;
    while (start > 0 && tail[start - 1] != '\n')
        start--;
    return (start > 0 || from == 0) && sscanf(tail + start, "{\"n\":%" SCNd64 ",", &ret->n) == 1 &&
           ret->n > 0 && hash_of(tail + start, (size_t)(whole - 1 - start), ret->hash);
}

/* Signs text into base64; false when the key can't. */
static bool sign(EVP_PKEY *key, const char *text, size_t n, char *out, size_t size)
{
    uint8_t sig[256];
    size_t used = sizeof sig;
    int type = EVP_PKEY_get_base_id(key);
    const EVP_MD *md = type == EVP_PKEY_ED25519 || type == EVP_PKEY_ED448 ? NULL : EVP_sha256();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestSignInit(ctx, NULL, md, NULL, key) == 1 &&
                EVP_DigestSign(ctx, sig, &used, (const uint8_t *)text, n) == 1 && used / 3 * 4 + 5 <= size;
    EVP_MD_CTX_free(ctx);
    return good && EVP_EncodeBlock((uint8_t *)out, sig, (int)used) > 0;
}

/* Without its newline; 0 when it can't be made. */
static size_t compose(const struct anchor_signer *s, const struct anchor_head *h, int64_t n, const char *prev,
                      char line[LINE_MAX_BYTES])
{
    char sig[400];
    int used =
        snprintf(line, LINE_MAX_BYTES,
                 "{\"n\":%" PRId64 ",\"at\":\"%s\",\"key\":\"%s\",\"epoch\":%" PRId64 ",\"rev\":%" PRId64
                 ",\"link\":\"%s\",\"closing\":%" PRId64 ",\"closing_link\":\"%s\",\"prev\":\"%s\"}",
                 n, h->at, s->fingerprint, h->epoch, h->rev, h->link, h->closing, h->closing_link, prev);
    if (!sign(s->key, line, (size_t)used, sig, sizeof sig))
        return 0;
    used += snprintf(line + used - 1, LINE_MAX_BYTES - (size_t)used, ",\"sig\":\"%s\"}", sig) - 1;
    return (size_t)used;
}

static enum anchor_result append(int fd, const struct anchor_signer *s, const struct anchor_head *head,
                                 const struct anchor_place *known, struct anchor_place *ret_place,
                                 char ret_alarm[])
{
    struct anchor_place last;
    struct stat st;
    char line[LINE_MAX_BYTES + 1];
    if (!read_last(fd, &last) || fstat(fd, &st) < 0) {
        snprintf(ret_alarm, ANCHOR_TEXT_SIZE, "%.150s: its end is no anchor", s->path);
        return ANCHOR_FAILED;
    }
    bool rewound = last.n < known->n || (last.n == known->n && strcmp(last.hash, known->hash) != 0);
    if (last.n && !rewound && time(NULL) - st.st_mtime < RECENT_S)
        return ANCHOR_RECENT;
    if (rewound)
        snprintf(ret_alarm, ANCHOR_TEXT_SIZE,
                 "%.100s was rewound: it ends with anchor %" PRId64 ", anchor %" PRId64 " is known%s",
                 s->path, last.n, known->n, last.n == known->n ? " to be another one" : "");
    ret_place->n = (last.n > known->n ? last.n : known->n) + 1;
    size_t n = compose(s, head, ret_place->n, last.hash, line);
    if (!n || !hash_of(line, n, ret_place->hash))
        return ANCHOR_FAILED;
    line[n] = '\n';
    if (write(fd, line, n + 1) == (ssize_t)(n + 1) && fdatasync(fd) == 0)
        return ANCHOR_WRITTEN;
    snprintf(ret_alarm, ANCHOR_TEXT_SIZE, "%.150s: %s", s->path, strerror(errno));
    return ANCHOR_FAILED;
}

enum anchor_result anchor_write(const struct anchor_signer *s, const struct anchor_head *head,
                                const struct anchor_place *known, struct anchor_place *ret_place,
                                char ret_alarm[ANCHOR_TEXT_SIZE])
{
    int fd = open(s->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum anchor_result result = ANCHOR_FAILED;
    ret_alarm[0] = '\0';
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        result = ANCHOR_RECENT;
    else if (fd >= 0)
        result = append(fd, s, head, known, ret_place, ret_alarm);
    else
        snprintf(ret_alarm, ANCHOR_TEXT_SIZE, "%.150s: %s", s->path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return result;
}
