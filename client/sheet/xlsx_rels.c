/* SPDX-License-Identifier: Apache-2.0 */
#include "xlsx_rels.h"

#include "xlsx_xml.h"

#include <errno.h>
#include <libintl.h>
#include <string.h>

#define _(text) dgettext("qipan", text)

#define MAX_RELS 2048
#define MAX_PATH 512

enum { RELATIONSHIPS = 1, RELATIONSHIP };

static const struct xlsx_step steps[] = {
    {0, "Relationships", RELATIONSHIPS, false}, {RELATIONSHIPS, "Relationship", RELATIONSHIP, false}, {0}};

struct reading {
    struct xlsx_rels *rels;
    struct arena *arena;
    const char *base; /* the part */
};

/* "xl/workbook.xml" and "../xl/./worksheets/sheet1.xml" → "xl/worksheets/sheet1.xml"; false when it leads out or is too long. */
static bool resolve(const char *base, const char *target, char out[MAX_PATH])
{
    const char *slash = strrchr(base, '/');
    size_t n = *target != '/' && slash ? (size_t)(slash - base) : 0;

    if (n >= MAX_PATH)
        return false;
    memcpy(out, base, n);
    for (const char *p = target; *p;) {
        size_t len = strcspn(p, "/\\");
        if (len == 2 && !strncmp(p, "..", 2)) {
            if (n == 0)
                return false;
            while (n && out[--n] != '/')
                ;
        } else if (len && !(len == 1 && *p == '.')) {
            if (n + len + 2 > MAX_PATH)
                return false;
            if (n)
                out[n++] = '/';
            memcpy(out + n, p, len);
            n += len;
        }
        p += len + (p[len] != 0);
    }
    out[n] = 0;
    return n > 0;
}

static void on_enter(struct xlsx_xml *x, int place, const char *const *attributes)
{
    struct reading *r = x->how.owner;
    const char *id = xlsx_attribute(attributes, "Id"), *type = xlsx_attribute(attributes, "Type");
    const char *target = xlsx_attribute(attributes, "Target"),
               *mode = xlsx_attribute(attributes, "TargetMode");
    char path[MAX_PATH];

    if (place != RELATIONSHIP || !id || !type || !target || (mode && !strcmp(mode, "External")) ||
        !resolve(r->base, target, path))
        return;
    const char *word = strrchr(type, '/');
    struct xlsx_rel rel = {arena_strdup(r->arena, id), arena_strdup(r->arena, word ? word + 1 : type),
                           arena_strdup(r->arena, path)};
    if (r->rels->n == MAX_RELS || !rel.id || !rel.type || !rel.part)
        xlsx_xml_fail(x,
                      _("%.80s names more parts than any workbook has: refused; ask for a copy that a "
                        "spreadsheet program saved"),
                      r->base);
    else
        r->rels->rels[r->rels->n++] = rel;
}

bool xlsx_rels_read(struct xlsx_rels *r, struct xlsx_zip *zip, const char *part, struct arena *arena,
                    char *why)
{
    struct reading reading = {r, arena, part};
    struct xlsx_reading how = {.owner = &reading, .steps = steps, .enter = on_enter, .why = why};
    const char *slash = strrchr(part, '/'), *name = slash ? slash + 1 : part;
    char path[MAX_PATH];

    r->n = 0;
    if (!(r->rels = arena_alloc(arena, MAX_RELS * sizeof(*r->rels))))
        return xlsx_fail(why, "%s", strerror(ENOMEM));
    snprintf(path, sizeof(path), "%.*s_rels/%s.rels", (int)(name - part), part, name);
    return xlsx_xml_all(&how, zip, path);
}

const char *xlsx_rels_by_type(const struct xlsx_rels *r, const char *type)
{
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->rels[i].type, type))
            return r->rels[i].part;
    return NULL;
}

const struct xlsx_rel *xlsx_rels_by_id(const struct xlsx_rels *r, const char *id)
{
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->rels[i].id, id))
            return &r->rels[i];
    return NULL;
}
