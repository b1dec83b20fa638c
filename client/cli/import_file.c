/* SPDX-License-Identifier: Apache-2.0 */
/* The file of an import, and what its columns mean. */
#include "import_internal.h"

#include "form.h"
#include "utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANOTHER_SHEET (-1) /* is read now */

const char *import_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

int import_invalid(struct import *im, const char *what, const char *why)
{
    return cli_fail(im->cli, "INVALID_ARGUMENT", NULL, NULL, "%s: %s", what, why);
}

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
    return ok ? 0 : import_invalid(im, im->file, _("the file can't be read"));
}

static int open_file(struct import *im)
{
    int fd = open(im->file, O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && (fstat(fd, &im->before) != 0 || !S_ISREG(im->before.st_mode))) {
        close(fd);
        return import_invalid(im, im->file, _("not a regular file"));
    }
    im->in = fd >= 0 ? fdopen(fd, "r") : NULL;
    return im->in ? digest_file(im) : import_invalid(im, im->file, strerror(errno));
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
    return ok ? 0 : import_invalid(im, path, strerror(why));
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

/* The same file under another mapping is another import; so is another sheet of it, and one that another version, or one that
 * speaks another language in its reasons, reads. */
static bool digest_profile(struct import *im)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const struct grid *g = sheet_grid(im->sheet);
    size_t chosen = g ? grid_sheet_chosen(g) : 0;
    const char *encoding = im->encoding ? im->encoding : "", *source = mapping_source(im->mapping)->name;
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
              EVP_DigestUpdate(ctx, QIPAN_VERSION, sizeof(QIPAN_VERSION)) &&
              EVP_DigestUpdate(ctx, im->cli->lang, strlen(im->cli->lang) + 1) &&
              EVP_DigestUpdate(ctx, &chosen, sizeof(chosen)) &&
              EVP_DigestUpdate(ctx, encoding, strlen(encoding) + 1) &&
              EVP_DigestUpdate(ctx, source ? source : "", source ? strlen(source) : 0) &&
              EVP_DigestUpdate(ctx, im->map_text ? im->map_text : "", im->map_n) &&
              EVP_DigestFinal_ex(ctx, im->profile_sha, NULL);

    EVP_MD_CTX_free(ctx);
    return ok;
}

/* The file's name without its ending, as it may be sent and shown whatever bytes it has. */
static void name_profile(struct import *im, const char *path)
{
    const char *name = cli_safe(&im->cli->arena, import_base_name(path)), *dot = strrchr(name, '.');
    size_t n = dot ? (size_t)(dot - name) : strlen(name), most = sizeof(im->profile_name) - 1;

    n = n > most ? utf8_fit(name, most) : n;
    snprintf(im->profile_name, sizeof(im->profile_name), "%.*s", (int)n, name);
}

static int parse_map(struct import *im)
{
    char why[MAPPING_WHY_SIZE];
    const char *path = im->map ? im->map : im->profile;

    if (!(im->mapping = mapping_read(im->map_text, im->map_n, im->kind, why)))
        return import_invalid(im, path, why);
    name_profile(im, path);
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
        o.all_rows = s->all_rows;
    }
    im->sheet = sheet_open(im->in, &o, why);
    im->in = NULL;
    return im->sheet ? 0 : import_invalid(im, import_base_name(im->file), why);
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

/* Is it the header, or the last of its levels, as far as form matters? */
static bool is_named(const char *header, const char *name)
{
    char a[MAPPING_WHY_SIZE], b[MAPPING_WHY_SIZE];

    form_key(name, b, sizeof(b));
    for (; header; header = mapping_next_level(header)) {
        form_key(header, a, sizeof(a));
        if (!strcmp(a, b))
            return true;
    }
    return false;
}

/* The headers but those of --without, which are left empty. */
static int without(struct import *im, char *const *headers, size_t n, char ***ret)
{
    char **kept = arena_alloc(&im->cli->arena, (n + 1) * sizeof(*kept));

    if (!(*ret = kept))
        return cli_no_memory(im->cli);
    memcpy(kept, headers, n * sizeof(*kept));
    for (const char *p = im->without; p && *p; p += strcspn(p, "\n"), p += *p == '\n') {
        const char *name = arena_strndup(&im->cli->arena, p, strcspn(p, "\n"));
        bool found = false;
        for (size_t i = 0; name && i < n; i++) {
            if (is_named(headers[i], name)) {
                kept[i] = (char *)"";
                found = true;
            }
        }
        if (!found)
            return cli_fail(im->cli, "INVALID_ARGUMENT", NULL, NULL,
                            _("--without: there is no column \"%s\""), name ? name : "");
    }
    return 0;
}

/* A list in an office's layout says which of its columns hold more than one field: none is read from them. */
static void leave_made(struct import *im, char **kept, size_t n)
{
    const struct grid *g = sheet_grid(im->sheet);
    const char *made = g ? grid_property(g, "qipan.made") : NULL;

    for (const char *p = made; p && *p; p += strcspn(p, "|"), p += *p == '|') {
        const char *name = arena_strndup(&im->cli->arena, p, strcspn(p, "|"));
        for (size_t i = 0; name && i < n; i++) {
            if (!*kept[i] || !is_named(kept[i], name))
                continue;
            cli_warn(_("the column \"%s\" is made of several fields and is not read"),
                     cli_safe(&im->cli->arena, name));
            kept[i] = (char *)"";
        }
    }
}

/* By what the headers say. */
static int map_by_headers(struct import *im, char *const *headers, size_t n)
{
    char why[MAPPING_WHY_SIZE], **kept;
    int code = without(im, headers, n, &kept);

    if (code)
        return code;
    leave_made(im, kept, n);
    if (sheet_doubt(im->sheet))
        return cli_fail(
            im->cli, "INVALID_ARGUMENT", NULL,
            _("put each on a sheet of its own, or a mapping file says which columns count (--map FILE)"),
            "%s: %s", import_base_name(im->file), sheet_doubt(im->sheet));
    snprintf(im->profile_name, sizeof(im->profile_name), "auto");
    if (!(im->mapping = mapping_auto(kind_of(im), kept, n, why)))
        return cli_fail(
            im->cli, "INVALID_ARGUMENT", NULL,
            has_other_sheets(im)
                ? _("another sheet? --sheet names it; --without COLUMN leaves one out, --map FILE says what "
                    "it is")
                : _("--without COLUMN leaves one out, --map FILE says what it is; see: qipan help import"),
            "%s: %s", import_base_name(im->file), why);
    if (!(im->map_text = mapping_auto_text(im->mapping)))
        return cli_no_memory(im->cli);
    im->map_n = strlen(im->map_text);
    return 0;
}

/* By the mapping that is given or remembered, else by the headers. */
static int bind_sheet(struct import *im)
{
    char why[MAPPING_WHY_SIZE];
    size_t n;
    char *const *headers = sheet_header(im->sheet, &n);
    int code = 0;

    if (!profile_digest(headers, n, im->headers))
        return cli_no_memory(im->cli);
    if (!im->mapping && !im->without && !(code = ask_profile(im, NULL)) && im->map_text)
        code = parse_map(im);
    if (code || (im->mapping && mapping_bind(im->mapping, headers, n, why)))
        return code;
    if (sheet_pass_over(im->sheet))
        return ANOTHER_SHEET;
    headers = sheet_header(im->sheet, &n);
    if (!n)
        return import_invalid(im, import_base_name(im->file), sheet_why(im->sheet));
    if (!im->mapping)
        return map_by_headers(im, headers, n);
    return cli_fail(im->cli, "INVALID_ARGUMENT", NULL,
                    has_other_sheets(im) ? _("another sheet? --sheet names it") : NULL, "%s: %s",
                    import_base_name(im->file), why);
}

static int bind_columns(struct import *im)
{
    int code = bind_sheet(im);

    if (code == ANOTHER_SHEET) /* it has no better one */
        code = bind_sheet(im);
    if (!code)
        mapping_default_units(im->mapping, sheet_unit(im->sheet), sheet_area_unit(im->sheet));
    return code;
}

/* What was confirmed by a commit reads the office's next sheet of these headings. What we wrote ourselves, or a program, needs none. */
void import_remember(struct import *im)
{
    if (!im->known && !im->profile &&
        (im->map || !(mapping_column(im->mapping, "id") || mapping_is_plain(im->mapping))))
        profile_remember(im->cli, cli_safe(&im->cli->arena, im->map ? im->map : im->file),
                         mapping_kind(im->mapping), im->headers, im->map_text);
}

static int count_rows(struct import *im)
{
    struct sheet_row row;
    enum sheet_result r;

    while ((r = sheet_next(im->sheet, &row)) == SHEET_ROW)
        im->rows++;
    if (r == SHEET_FAILED)
        return import_invalid(im, import_base_name(im->file), sheet_why(im->sheet));
    return im->rows ? 0 : import_invalid(im, import_base_name(im->file), _("the file has no rows"));
}

int import_prepare(struct import *im)
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
        code = import_invalid(im, im->file, _("the file can't be read"));
    return code;
}

int import_unchanged(struct import *im)
{
    struct stat now;

    if (im->sent == im->rows && stat(im->file, &now) == 0 && now.st_size == im->before.st_size &&
        now.st_mtim.tv_sec == im->before.st_mtim.tv_sec && now.st_mtim.tv_nsec == im->before.st_mtim.tv_nsec)
        return 0;
    return import_invalid(im, import_base_name(im->file), _("the file changed while it was read"));
}
