/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void memory_init(struct memory *m)
{
    memset(m, 0, sizeof *m);
    told_init(&m->told);
    told_init(&m->shown);
}

void memory_clear(struct memory *m, int64_t floor)
{
    told_clear(&m->told);
    told_clear(&m->shown);
    m->n_places = 0;
    m->shown_upto = 0;
    m->floor = floor;
}

/* ---------------------------------------------------------------- places and ids */

static bool fits(const char *id)
{
    return *id && cursor_object_fits(id);
}

static void raise_floor(struct memory *m, int64_t rev)
{
    if (rev > m->floor)
        m->floor = rev;
    while (m->n_places > 0 && m->places[m->n_places - 1].rev < m->floor)
        m->n_places--;
}

void memory_told(struct memory *m, const char *id, int64_t rev)
{
    const struct told_id *newest = TAILQ_LAST(&m->told.ids, told_list);

    if (newest && rev < newest->rev)
        rev = newest->rev;
    if (rev <= m->floor)
        return;
    if (!fits(id) || !told_put(&m->told, id, rev)) {
        memory_clear(m, rev);
        return;
    }
    while (m->told.n > LIMIT_OBJECTS) {
        raise_floor(m, TAILQ_FIRST(&m->told.ids)->rev);
        told_drop(&m->told, TAILQ_FIRST(&m->told.ids));
    }
}

/* The one whose loss stretches the distances least, seen from the newest; never the oldest. */
static size_t least_needed(const struct memory *m, int64_t newest)
{
    double least = 0;
    size_t found = 0;

    for (size_t i = 0; i + 1 < m->n_places; i++) {
        int64_t before = i ? m->places[i - 1].rev : newest;
        double stretch = (double)(before - m->places[i + 1].rev) / (double)(newest - m->places[i].rev);

        if (i == 0 || stretch < least) {
            least = stretch;
            found = i;
        }
    }
    return found;
}

void memory_place(struct memory *m, const struct cursor *c)
{
    if (c->idx != CURSOR_ALL || c->tag == 0 || c->rev < m->floor ||
        (m->n_places > 0 && c->rev <= m->places[0].rev))
        return;
    if (m->n_places == LIMIT_KNOWN) {
        size_t i = least_needed(m, c->rev);

        memmove(&m->places[i], &m->places[i + 1], (--m->n_places - i) * sizeof *m->places);
    }
    memmove(&m->places[1], &m->places[0], m->n_places++ * sizeof *m->places);
    m->places[0] = *c;
    m->places[0].inside = false;
}

void memory_forget_behind(struct memory *m, int64_t rev)
{
    size_t i = 0;

    while (i < m->n_places && m->places[i].rev > rev)
        i++;
    m->n_places -= i;
    memmove(&m->places[0], &m->places[i], m->n_places * sizeof *m->places);
}

bool memory_told_behind(const struct memory *m, int64_t rev)
{
    const struct told_id *newest = TAILQ_LAST(&m->told.ids, told_list);

    return newest && newest->rev > rev;
}

size_t memory_behind(const struct memory *m, int64_t rev, char *ret_ids[LIMIT_OBJECTS])
{
    struct told_id *e = TAILQ_LAST(&m->told.ids, told_list);
    size_t n = 0;

    for (; e && e->rev > rev && n < LIMIT_OBJECTS; e = TAILQ_PREV(e, told_list, order))
        ret_ids[n++] = e->id;
    return n;
}

size_t memory_known(const struct memory *m, const struct cursor *before,
                    const struct cursor *ret_places[LIMIT_KNOWN])
{
    size_t n = 0;

    for (size_t i = 0; i < m->n_places; i++)
        if (cursor_before(&m->places[i], before))
            ret_places[n++] = &m->places[i];
    return n;
}

/* ---------------------------------------------------------------- snapshots */

bool memory_show(struct memory *m, const char *id, int64_t rev)
{
    if (m->shown.n >= MEMORY_SHOWN_MAX || !fits(id) || !told_put(&m->shown, id, rev))
        return false;
    if (rev > m->shown_upto)
        m->shown_upto = rev;
    return true;
}

bool memory_was_shown(const struct memory *m, const char *id, int64_t rev)
{
    const struct told_id *e = rev <= m->shown_upto ? told_find(&m->shown, id) : NULL;

    return e && rev <= e->rev;
}

void memory_reached(struct memory *m, int64_t rev)
{
    if (rev < m->shown_upto || m->shown_upto == 0)
        return;
    told_clear(&m->shown);
    m->shown_upto = 0;
}

/* ---------------------------------------------------------------- text */

static void write_places(const struct memory *m, FILE *to)
{
    const struct told_id *e = TAILQ_LAST(&m->told.ids, told_list);

    for (size_t i = 0; i < m->n_places; i++) {
        char place[QIPAN_CURSOR_SIZE];

        cursor_text(&m->places[i], place);
        fputs(place, to);
        for (; e && e->rev > m->places[i].rev; e = TAILQ_PREV(e, told_list, order)) {
            fputc(' ', to);
            fputs(e->id, to);
        }
        fputc('\n', to);
    }
}

char *memory_text(const struct memory *m)
{
    const struct told_id *e;
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);

    if (!to)
        return NULL;
    write_places(m, to);
    for (e = TAILQ_FIRST(&m->shown.ids); e; e = TAILQ_NEXT(e, order))
        fprintf(to, "+%" PRId64 " %s\n", e->rev, e->id);
    if (fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}

/* "+REV ID", cut into its words. */
static bool read_shown(struct memory *m, char *line)
{
    char *end;
    int64_t rev = strtoll(line + 1, &end, 10);

    return line[1] >= '1' && line[1] <= '9' && *end == ' ' && end[1] && memory_show(m, end + 1, rev);
}

/* Ids get the first revision behind their place: which of those before the next place doesn't matter. */
static bool read_ids(struct memory *m, char *words, int64_t rev)
{
    char *rest;

    for (char *id = strtok_r(words, " ", &rest); id; id = strtok_r(NULL, " ", &rest)) {
        if (m->told.n >= LIMIT_OBJECTS || !fits(id) || !told_put(&m->told, id, rev + 1))
            return false;
    }
    return true;
}

/* Lines come newest first, ids are put oldest first: so from the last line up. */
static bool read_lines(struct memory *m, char *lines[], size_t n)
{
    while (n-- > 0) {
        char *words = strchr(lines[n], ' ');
        Qipan__Cursor c;
        struct cursor place;

        if (words)
            *words++ = '\0';
        if (!qipan_cursor_parse(lines[n], &c) || c.has_idx || c.object)
            return false;
        place = cursor_of(&c);
        if (m->n_places == 0)
            m->floor = place.rev;
        else if (place.rev <= m->places[0].rev)
            return false;
        memory_place(m, &place);
        if (words && !read_ids(m, words, place.rev))
            return false;
    }
    return true;
}

bool memory_read(struct memory *m, const char *text)
{
    char *copy = strdup(text), *lines[LIMIT_KNOWN], *rest;
    size_t n = 0;
    bool good = copy != NULL;

    memory_clear(m, 0);
    for (char *line = copy ? strtok_r(copy, "\n", &rest) : NULL; line && good;
         line = strtok_r(NULL, "\n", &rest)) {
        if (*line == '+')
            good = read_shown(m, line);
        else if ((good = n < LIMIT_KNOWN && m->shown.n == 0))
            lines[n++] = line;
    }
    good = good && read_lines(m, lines, n);
    free(copy);
    if (!good)
        memory_clear(m, 0);
    return good;
}
