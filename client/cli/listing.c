/* SPDX-License-Identifier: Apache-2.0 */
#include "listing.h"

#include "limits.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_PAGE 200 /* rows */
#define LEAST_PAGE 50
#define SPARE_ROWS 8
#define OPEN_PARTS 12 /* asked for at one time: what the registry works on, and some that wait there */
#define AHEAD      64 /* places asked for at one time */
#define MOST_PARTS (OPEN_PARTS + AHEAD + 2)

/* What stands behind `after` and, but for the last part, not behind `until`. Some rows too many for a page are further pages. */
struct part {
    char *after, *until; /* NULL: from the beginning, to the end */
    bool scouts;         /* asks for the places behind it, too */
    size_t limit;        /* as it was asked */
    uint32_t call;       /* 0: not asked for */
    bool here;
    struct listing *of;
    struct qipan_result page;
};

struct listing {
    struct cli *cli;
    listing_fn *take;
    void *arg;
    unsigned op;
    ProtobufCMessage *request;
    struct part *parts[MOST_PARTS]; /* in order; only the last has no `until` */
    size_t n;
    size_t fit; /* rows, about, of a page; 0: of a list that is all on its first page */
    bool paged, places, news;
};

/* ---------------------------------------------------------------- fields */

static const ProtobufCFieldDescriptor *field(const ProtobufCMessage *m, const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
}

static void set_text(ProtobufCMessage *m, const char *name, char *text)
{
    const ProtobufCFieldDescriptor *f = field(m, name);

    if (f)
        *(char **)((char *)m + f->offset) = text;
}

static void set_number(ProtobufCMessage *m, const char *name, size_t n)
{
    const ProtobufCFieldDescriptor *f = field(m, name);

    if (!f)
        return;
    *(protobuf_c_boolean *)((char *)m + f->quantifier_offset) = n > 0;
    *(int32_t *)((char *)m + f->offset) = (int32_t)n;
}

static const char *next_of(const ProtobufCMessage *reply)
{
    const ProtobufCFieldDescriptor *f = field(reply, "next");
    const char *next = f ? *(char *const *)((const char *)reply + f->offset) : NULL;

    return next && *next ? next : NULL;
}

/* Items of a repeated field; NULL and 0 when there is no such field. */
static void *items_of(const ProtobufCMessage *reply, const char *name, size_t *ret_n)
{
    const ProtobufCFieldDescriptor *f = field(reply, name);

    *ret_n = f ? *(const size_t *)((const char *)reply + f->quantifier_offset) : 0;
    return f ? *(void *const *)((const char *)reply + f->offset) : NULL;
}

/* ---------------------------------------------------------------- parts */

static void part_free(struct part *p)
{
    if (p->call && p->here)
        qipan_result_free(&p->page);
    else if (p->call)
        qipan_forget(p->of->cli->q, p->call);
    free(p->after);
    free(p->until);
    free(p);
}

/* False when memory is out. */
static bool add_part(struct listing *l, const char *after, const char *until)
{
    struct part *p = l->n < MOST_PARTS ? calloc(1, sizeof *p) : NULL;

    if (!p)
        return false;
    p->of = l;
    p->after = after ? strdup(after) : NULL;
    p->until = until ? strdup(until) : NULL;
    if ((after && !p->after) || (until && !p->until)) {
        part_free(p);
        return false;
    }
    l->parts[l->n++] = p;
    return true;
}

static void drop_first(struct listing *l)
{
    part_free(l->parts[0]);
    memmove(l->parts, l->parts + 1, --l->n * sizeof *l->parts);
}

static void on_page(const struct qipan_reply *reply, void *arg)
{
    struct part *p = arg;

    qipan_keep(reply, &p->page);
    p->here = p->of->news = true;
}

/* What is read beyond the end of a page is read in vain: of a list without end as many rows as fit, and a few more. Places stand
 * a little closer, so that most parts are one page. */
static size_t limit_of(const struct listing *l, const struct part *p)
{
    size_t fit = l->fit > LEAST_PAGE ? l->fit : LEAST_PAGE;

    if (!l->fit)
        return FIRST_PAGE;
    if (p->until || fit + SPARE_ROWS > LIMIT_PAGE_ROWS)
        return LIMIT_PAGE_ROWS;
    return p->scouts ? fit - fit / 16 : fit + SPARE_ROWS;
}

static void fill_request(struct listing *l, struct part *p)
{
    set_text(l->request, "after", p->after);
    set_text(l->request, "until", p->until);
    set_number(l->request, "ahead", p->scouts ? AHEAD : 0);
    p->limit = limit_of(l, p);
    if (l->paged)
        set_number(l->request, "limit", p->limit);
}

static int ask(struct listing *l, struct part *p)
{
    /* of a list that goes on behind its first page */
    p->scouts = l->places && l->fit && !p->until;
    fill_request(l, p);
    p->call = qipan_call(l->cli->q, l->op, l->request, NULL, on_page, p);
    return p->call ? 0 : cli_error(l->cli, qipan_refusal(l->cli->q), NULL);
}

static int ask_more(struct listing *l)
{
    int code = 0;

    for (size_t i = 0; i < l->n && i < OPEN_PARTS && !code; i++)
        if (!l->parts[i]->call)
            code = ask(l, l->parts[i]);
    return code;
}

/* The last part told of places behind it: it ends at the first of them, and between them are the next parts. */
static int divide(struct listing *l)
{
    struct part *last = l->parts[l->n - 1];
    char **places;
    size_t n;

    if (!last->scouts || !last->here || last->page.error)
        return 0;
    places = items_of(last->page.message, "places", &n);
    last->scouts = false;
    if (!places || n == 0)
        return 0;
    if (!(last->until = strdup(places[0])))
        return cli_no_memory(l->cli);
    for (size_t i = 0; i < n && i < AHEAD; i++)
        if (!add_part(l, places[i], i + 1 < n && i + 1 < AHEAD ? places[i + 1] : NULL))
            return cli_no_memory(l->cli);
    return ask_more(l);
}

/* ---------------------------------------------------------------- pages */

/* Whoever takes the rows may have let the answer wait too long. */
static int ask_again(struct listing *l, struct part *p, struct qipan_result *page)
{
    if (!page->error || !p->after)
        return page->error ? cli_error(l->cli, page->error, page->request) : 0;
    qipan_result_free(page);
    fill_request(l, p);
    return cli_call(l->cli, l->op, l->request, NULL, page);
}

/* The first part goes on behind its page, or it is over. */
static int move_on(struct listing *l, const char *next, size_t rows)
{
    struct part *p = l->parts[0];

    if (!l->paged || !next || (p->until && strcmp(next, p->until) == 0)) {
        drop_first(l);
        return ask_more(l);
    }
    if (rows < p->limit)
        l->fit = rows;
    else if (!p->until)
        l->fit = rows * 2;
    free(p->after);
    p->after = strdup(next);
    if (!p->after)
        return cli_no_memory(l->cli);
    return ask_more(l);
}

static int next_page(struct listing *l)
{
    struct part *p = l->parts[0];
    struct qipan_result page;
    ProtobufCMessage *const *rows;
    size_t n;
    int code = divide(l);

    while (!p->here && !code) {
        l->news = false;
        code = cli_run(l->cli, &l->news);
        code = code ? code : divide(l);
    }
    if (code)
        return code;
    page = p->page;
    p->here = false;
    p->call = 0;
    if ((code = ask_again(l, p, &page)))
        return code;
    rows = items_of(page.message, "rows", &n);
    code = move_on(l, next_of(page.message), n);
    if (!code)
        code = l->take(l->arg, page.message, rows, n);
    qipan_result_free(&page);
    return code;
}

int listing_each(struct cli *cli, unsigned op, ProtobufCMessage *request, listing_fn *take, void *arg)
{
    struct listing l = {.cli = cli,
                        .take = take,
                        .arg = arg,
                        .op = op,
                        .request = request,
                        .paged = field(request, "after") != NULL,
                        .places = field(request, "ahead") != NULL};
    int code = cli_connect(cli);

    if (!code && !add_part(&l, NULL, NULL))
        code = cli_no_memory(cli);
    if (!code)
        code = ask_more(&l);
    while (!code && l.n)
        code = next_page(&l);
    while (l.n)
        drop_first(&l);
    set_text(request, "after", NULL);
    set_text(request, "until", NULL);
    return code;
}
