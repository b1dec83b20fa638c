/* SPDX-License-Identifier: Apache-2.0 */
#include "decode.h"

#include "utf8.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BLOCK 65536

struct decode {
    iconv_t iconv; /* (iconv_t)-1: UTF-8, checked only */
};

static bool is_utf8(const char *encoding)
{
    return !strcasecmp(encoding, "utf-8") || !strcasecmp(encoding, "utf8");
}

/* The older names mean files that in truth are GB18030. */
static const char *iconv_name(const char *encoding)
{
    static const char *const older[] = {"gbk", "gb2312", "cp936", "gb-18030", NULL};

    for (const char *const *o = older; *o; o++)
        if (!strcasecmp(encoding, *o))
            return "GB18030";
    return encoding;
}

struct decode *decode_open(const char *encoding)
{
    struct decode *d = malloc(sizeof(*d));

    if (!d)
        return NULL;
    d->iconv = (iconv_t)-1;
    if (!is_utf8(encoding) && (d->iconv = iconv_open("UTF-8", iconv_name(encoding))) == (iconv_t)-1) {
        free(d);
        return NULL;
    }
    return d;
}

void decode_close(struct decode *d)
{
    if (d && d->iconv != (iconv_t)-1)
        iconv_close(d->iconv);
    free(d);
}

/* Bytes of the character at p, 0 when they are not UTF-8. */
static size_t utf8_length(const uint8_t *p, size_t n)
{
    size_t len = *p < 0x80 ? 1 : *p >= 0xF0 ? 4 : *p >= 0xE0 ? 3 : *p >= 0xC2 ? 2 : 0;

    return len && len <= n && utf8_valid(p, len) ? len : 0;
}

static bool copy_utf8(const char *in, size_t n, char *out, size_t cap, size_t *ret_bad)
{
    size_t i = 0;

    for (size_t len; i < n; i += len)
        if (!(len = utf8_length((const uint8_t *)in + i, n - i)))
            break;
    *ret_bad = i;
    if (i < n || n >= cap)
        return false;
    memcpy(out, in, n);
    out[n] = 0;
    return true;
}

bool decode_text(struct decode *d, const char *in, size_t n, char *out, size_t cap, size_t *ret_bad)
{
    const char *nul = memchr(in, 0, n);
    char *p = (char *)(uintptr_t)in, *q = out;
    size_t left = n, room = cap - 1;

    *ret_bad = n;
    if (nul) {
        *ret_bad = (size_t)(nul - in);
        return false;
    }
    if (d->iconv == (iconv_t)-1)
        return copy_utf8(in, n, out, cap, ret_bad);
    iconv(d->iconv, NULL, NULL, NULL, NULL);
    if (iconv(d->iconv, &p, &left, &q, &room) == (size_t)-1 ||
        iconv(d->iconv, NULL, NULL, &q, &room) == (size_t)-1) {
        *ret_bad = errno == E2BIG ? n : (size_t)(p - in);
        return false;
    }
    *q = 0;
    return true;
}

void decode_lossy(struct decode *d, const char *in, size_t n, char *out, size_t cap)
{
    size_t bad, most = (cap - 2) / 4;

    out[0] = 0;
    for (n = n < most ? n : most; n > 0; in += bad + 1, n -= bad + 1) {
        size_t good = n;
        while (!decode_text(d, in, good, out, cap, &bad)) {
            out[0] = 0;
            if (bad >= good)
                return;
            good = bad; /* a NUL is found before what is broken in front of it */
        }
        if (good == n)
            return;
        bad = good;
        size_t w = strlen(out);
        out[w] = '?';
        out[w + 1] = 0;
        out += w + 1;
        cap -= w + 1;
    }
}

/* ---------------------------------------------------------------- detection */

struct census {
    size_t good, bad;             /* characters of several bytes; bytes that belong to none */
    size_t good_lines, bad_lines; /* with such bytes; without, but with Chinese: three bytes a character */
    bool line_good, line_bad;
};

static void end_line(struct census *c)
{
    c->bad_lines += c->line_bad;
    c->good_lines += c->line_good && !c->line_bad;
    c->line_good = c->line_bad = false;
}

/* Counts what is decided; returns how many bytes at the end may go on in the next block. */
static size_t count_utf8(struct census *c, const uint8_t *p, size_t n, bool last)
{
    size_t i = 0;

    while (i < n) {
        size_t len = p[i] ? utf8_length(p + i, n - i) : 1; /* a NUL is wrong in each of them */
        if (!len && !last && n - i < 4)
            return n - i;
        c->good += len > 1;
        c->bad += len == 0;
        c->line_good |= len > 2;
        c->line_bad |= len == 0;
        if (p[i] == '\n')
            end_line(c);
        i += len ? len : 1;
    }
    return 0;
}

/* A file of another encoding has hardly a line that is UTF-8; one where most are has been put together of two. */
static bool is_mostly_utf8(const struct census *c)
{
    return c->bad == 0 || c->bad * 20 < c->good || (c->good_lines > 0 && c->good_lines >= c->bad_lines);
}

/* Without a mark: every comma, figure and end of a line has a NUL beside it, on the same side. */
static const char *utf16_of(const uint8_t *p, size_t n)
{
    size_t nul[2] = {0}, lines[2] = {0};

    for (size_t i = 0; i + 1 < n; i += 2) {
        nul[0] += p[i] == 0;
        nul[1] += p[i + 1] == 0;
        lines[0] += p[i] == 0 && p[i + 1] == '\n';
        lines[1] += p[i] == '\n' && p[i + 1] == 0;
    }
    for (int side = 0; side < 2; side++)
        if (lines[side] && nul[side] * 64 >= n && nul[side] > 16 * nul[!side])
            return side ? "UTF-16LE" : "UTF-16BE";
    return NULL;
}

static const char *mark_of(const uint8_t *p, size_t n, size_t *ret_bom)
{
    *ret_bom = 0;
    if (n >= 3 && !memcmp(p, "\xEF\xBB\xBF", 3)) {
        *ret_bom = 3;
        return "UTF-8";
    }
    if (n >= 2 && (!memcmp(p, "\xFF\xFE", 2) || !memcmp(p, "\xFE\xFF", 2))) {
        *ret_bom = 2;
        return p[0] == 0xFF ? "UTF-16LE" : "UTF-16BE";
    }
    return utf16_of(p, n);
}

const char *decode_detect(FILE *file, size_t *ret_bom)
{
    uint8_t block[BLOCK];
    struct census c = {0};
    size_t keep = 0, n;
    const char *marked = NULL;
    bool first = true;

    rewind(file);
    while ((n = fread(block + keep, 1, BLOCK - keep, file)) > 0) {
        n += keep;
        if (first && (marked = mark_of(block, n, ret_bom)))
            return marked;
        first = false;
        keep = count_utf8(&c, block, n, false);
        memmove(block, block + n - keep, keep);
    }
    count_utf8(&c, block, keep, true);
    end_line(&c);
    *ret_bom = 0;
    if (ferror(file))
        return NULL;
    return is_mostly_utf8(&c) ? "UTF-8" : "GB18030";
}

/* ---------------------------------------------------------------- UTF-16 */

static bool pump(iconv_t cd, FILE *in, FILE *out, long *ret_at)
{
    char raw[BLOCK], text[BLOCK * 2];
    size_t keep = 0, n;

    while ((n = fread(raw + keep, 1, BLOCK - keep, in)) > 0) {
        char *p = raw, *q = text;
        size_t left = n + keep, room = sizeof(text);
        bool broken = iconv(cd, &p, &left, &q, &room) == (size_t)-1 && errno != EINVAL;
        *ret_at += p - raw;
        if (broken)
            return false;
        memmove(raw, p, left);
        keep = left;
        if (fwrite(text, 1, (size_t)(q - text), out) != (size_t)(q - text))
            return false;
    }
    return keep == 0 && !ferror(in) && fflush(out) == 0;
}

FILE *decode_utf16(FILE *file, const char *encoding, long *ret_at)
{
    iconv_t cd = iconv_open("UTF-8", encoding);
    FILE *out = cd == (iconv_t)-1 ? NULL : tmpfile();
    bool ok = false;

    *ret_at = ftell(file);
    ok = out && pump(cd, file, out, ret_at);

    if (cd != (iconv_t)-1)
        iconv_close(cd);
    if (out && !ok) {
        fclose(out);
        out = NULL;
    }
    return out;
}
