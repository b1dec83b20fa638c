/* SPDX-License-Identifier: Apache-2.0 */
#include "xlsx_zip.h"

#include "grid.h"

#include <errno.h>
#include <libintl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#define _(text) dgettext("qipan", text)

#define MAX_MEMBERS 4096
#define MAX_PART    ((uint64_t)2 << 30)  /* bytes of one member, inflated */
#define MAX_TOTAL   ((uint64_t)4 << 30)  /* of all */
#define MAX_RATIO   64                   /* sheets of real offices: 5 to 25 */
#define RATIO_FROM  ((uint64_t)32 << 20) /* smaller members may expand as they like */
#define END_RECORD  22                   /* bytes; a comment of up to 64 KiB may follow */

struct xlsx_zip {
    zip_t *zip;
};

struct xlsx_part {
    zip_file_t *file;
    uint64_t size, read; /* as the directory says; so far */
    char name[];
};

bool xlsx_fail(char *why, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(why, GRID_WHY_SIZE, format, ap);
    va_end(ap);
    return false;
}

static bool damaged(char *why, const char *what)
{
    return xlsx_fail(
        why,
        _("the workbook is damaged or incomplete (%s): open it in a spreadsheet program and save it again"),
        what);
}

/* ---------------------------------------------------------------- the directory at the end of the file */

static uint64_t little(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    while (n--)
        v = v << 8 | p[n];
    return v;
}

/* Members that a record of the 64-bit format promises; `at` is where the file says it stands. */
static uint64_t members_64(int fd, uint64_t at)
{
    uint8_t record[40];

    if (at > INT64_MAX || pread(fd, record, sizeof(record), (off_t)at) != (ssize_t)sizeof(record))
        return 0;
    return little(record + 32, 8);
}

/* The most that any end record in the tail promises: libzip makes room for all before it says how many there are. */
static bool count_members(int fd, char *why)
{
    uint8_t tail[65536 + END_RECORD];
    struct stat st;

    if (fstat(fd, &st) != 0)
        return xlsx_fail(why, "%s", strerror(errno));
    off_t start = st.st_size > (off_t)sizeof(tail) ? st.st_size - (off_t)sizeof(tail) : 0;
    ssize_t n = pread(fd, tail, sizeof(tail), start);
    if (n < 0)
        return xlsx_fail(why, "%s", strerror(errno));
    for (ssize_t i = 0; i + 20 <= n; i++) {
        uint64_t members = 0;
        if (!memcmp(tail + i, "PK\5\6", 4)) {
            uint64_t directory = little(tail + i + 12, 4) + little(tail + i + 16, 4); /* where it ends */
            members = directory <= (uint64_t)start + (uint64_t)i ? little(tail + i + 10, 2) : 0;
        }
        if (!memcmp(tail + i, "PK\6\7", 4))
            members = members_64(fd, little(tail + i + 8, 8));
        if (members > MAX_MEMBERS)
            return xlsx_fail(why,
                             _("the archive has more than %d members: no spreadsheet has; ask for a copy "
                               "that a spreadsheet program saved"),
                             MAX_MEMBERS);
    }
    return true;
}

/* ---------------------------------------------------------------- judging the members */

static bool climbs(const char *name)
{
    for (const char *p = name; *p; p = p + strcspn(p, "/\\"), p += *p != 0)
        if (!strncmp(p, "..", 2) && (!p[2] || p[2] == '/' || p[2] == '\\'))
            return true;
    return name[0] == '/' || name[0] == '\\';
}

static bool is_link(zip_t *zip, uint64_t i)
{
    zip_uint8_t system;
    zip_uint32_t attributes;

    return zip_file_get_external_attributes(zip, i, 0, &system, &attributes) == 0 &&
           system == ZIP_OPSYS_UNIX && S_ISLNK(attributes >> 16);
}

static bool judge_member(zip_t *zip, uint64_t i, const zip_stat_t *st, char *why)
{
    if (climbs(st->name) || is_link(zip, i))
        return xlsx_fail(why,
                         _("the archive has a member that leads out of it (%.60s): refused; ask for a copy "
                           "that a spreadsheet program saved"),
                         st->name);
    if (st->encryption_method != ZIP_EM_NONE)
        return xlsx_fail(
            why, "%s", _("the workbook is protected by a password: open it, save it without one, send that"));
    if (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE)
        return xlsx_fail(why, _("%.60s is packed in a way that spreadsheets don't use"), st->name);
    if (st->size > MAX_PART || (st->size > RATIO_FROM && st->size / MAX_RATIO > st->comp_size))
        return xlsx_fail(
            why, _("%.60s would unpack from %llu to %llu bytes: refused as a zip bomb; ask who sent it"),
            st->name, (unsigned long long)st->comp_size, (unsigned long long)st->size);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static bool judge_names(const char **names, size_t n, char *why)
{
    qsort(names, n, sizeof(*names), by_name);
    for (size_t i = 1; i < n; i++)
        if (!strcasecmp(names[i - 1], names[i]))
            return xlsx_fail(why,
                             _("the archive has two members of the name %.60s: refused; ask for a copy that "
                               "a spreadsheet program saved"),
                             names[i]);
    return true;
}

/* Members that share bytes would be inflated again and again: together they need more than the file has. */
static bool judge(zip_t *zip, uint64_t file_size, char *why)
{
    const char *names[MAX_MEMBERS] = {0};
    uint64_t packed = 0, total = 0;
    zip_int64_t n = zip_get_num_entries(zip, 0);

    for (zip_int64_t i = 0; i < n && i < MAX_MEMBERS; i++) {
        zip_stat_t st;
        if (zip_stat_index(zip, (zip_uint64_t)i, 0, &st) != 0 || !(st.valid & ZIP_STAT_SIZE))
            return damaged(why, zip_strerror(zip));
        if (!judge_member(zip, (zip_uint64_t)i, &st, why))
            return false;
        names[i] = st.name;
        total += st.size;
        if (st.comp_size > file_size || (packed += st.comp_size) > file_size)
            return xlsx_fail(why, "%s",
                             _("members of the archive overlap: refused as a zip bomb; ask who sent it"));
    }
    if (total > MAX_TOTAL || (total > 4 * RATIO_FROM && total / MAX_RATIO > packed))
        return xlsx_fail(why,
                         _("the archive would unpack to %llu bytes: refused as a zip bomb; ask who sent it"),
                         (unsigned long long)total);
    return judge_names(names, (size_t)n, why);
}

/* ---------------------------------------------------------------- opening */

/* A stream of its own, which libzip closes. */
static zip_t *open_copy(FILE *file, char *why)
{
    zip_error_t error;
    int fd = dup(fileno(file));
    FILE *copy = fd < 0 ? NULL : fdopen(fd, "rb");
    zip_source_t *source;
    zip_t *zip = NULL;

    if (!copy) {
        xlsx_fail(why, "%s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    zip_error_init(&error);
    if (!(source = zip_source_filep_create(copy, 0, -1, &error)))
        fclose(copy);
    else if (!(zip = zip_open_from_source(source, ZIP_RDONLY, &error)))
        zip_source_free(source);
    if (!zip)
        damaged(why, zip_error_strerror(&error));
    zip_error_fini(&error);
    return zip;
}

struct xlsx_zip *xlsx_zip_open(FILE *file, char *why)
{
    struct xlsx_zip *z = calloc(1, sizeof(*z));
    struct stat st;

    if (!z || fflush(file) != 0 || fstat(fileno(file), &st) != 0) {
        xlsx_fail(why, "%s", strerror(errno));
        free(z);
        return NULL;
    }
    if (count_members(fileno(file), why) && (z->zip = open_copy(file, why)) &&
        judge(z->zip, (uint64_t)st.st_size, why))
        return z;
    xlsx_zip_close(z);
    return NULL;
}

void xlsx_zip_close(struct xlsx_zip *z)
{
    if (z && z->zip)
        zip_discard(z->zip);
    free(z);
}

bool xlsx_zip_has(const struct xlsx_zip *z, const char *name)
{
    return zip_name_locate(z->zip, name, ZIP_FL_NOCASE) >= 0;
}

/* ---------------------------------------------------------------- members */

struct xlsx_part *xlsx_part_open(struct xlsx_zip *z, const char *name, char *why)
{
    zip_int64_t i = zip_name_locate(z->zip, name, ZIP_FL_NOCASE);
    struct xlsx_part *p;
    zip_stat_t st;

    if (i < 0 || zip_stat_index(z->zip, (zip_uint64_t)i, 0, &st) != 0) {
        xlsx_fail(why, _("the workbook is damaged: it has no %.80s"), name);
        return NULL;
    }
    if (!(p = calloc(1, sizeof(*p) + strlen(name) + 1))) {
        xlsx_fail(why, "%s", strerror(ENOMEM));
        return NULL;
    }
    strcpy(p->name, name);
    p->size = st.size;
    if ((p->file = zip_fopen_index(z->zip, (zip_uint64_t)i, 0)))
        return p;
    damaged(why, zip_strerror(z->zip));
    free(p);
    return NULL;
}

void xlsx_part_close(struct xlsx_part *p)
{
    if (p)
        zip_fclose(p->file);
    free(p);
}

const char *xlsx_part_name(const struct xlsx_part *p)
{
    return p->name;
}

long xlsx_part_read(struct xlsx_part *p, char *out, size_t n, char *why)
{
    zip_int64_t got = zip_fread(p->file, out, n);

    if (got < 0) {
        damaged(why, zip_file_strerror(p->file));
        return -1;
    }
    p->read += (uint64_t)got;
    if (p->read > p->size || (got == 0 && p->read != p->size)) {
        xlsx_fail(why,
                  _("%.80s is not as long as the archive says: refused; ask for a copy that a spreadsheet "
                    "program saved"),
                  p->name);
        return -1;
    }
    return (long)got;
}
