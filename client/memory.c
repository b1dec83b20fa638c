/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 128

void memory_init(struct memory *m)
{
    *m = (struct memory){.forgotten = -1};
}

void memory_free(struct memory *m)
{
    free(m->objects);
    memory_init(m);
}

/* ---------------------------------------------------------------- places */

/* Of the places between the newest and the oldest the one that is missed least: its neighbours are near, for its age. */
static int dispensable(const struct memory *m)
{
    const struct cursor *p = m->places;
    int best = 1;
    double least = 0;

    for (int i = 1; i < m->n_places - 1; i++) {
        double gap = (double)(p[i - 1].rev - p[i + 1].rev) / (double)(p[0].rev - p[i].rev + 1);

        if (i == 1 || gap < least) {
            least = gap;
            best = i;
        }
    }
    return best;
}

static void remove_place(struct memory *m, int i)
{
    m->n_places--;
    memmove(&m->places[i], &m->places[i + 1], (size_t)(m->n_places - i) * sizeof m->places[0]);
}

void memory_place(struct memory *m, const struct cursor *c)
{
    if (c->idx != CURSOR_ALL || c->tag == 0 || (m->n_places && m->places[0].rev >= c->rev))
        return;
    if (m->n_places == LIMIT_KNOWN)
        remove_place(m, dispensable(m));
    memmove(&m->places[1], &m->places[0], (size_t)m->n_places * sizeof m->places[0]);
    m->places[0] = *c;
    m->n_places++;
}

/* ---------------------------------------------------------------- objects */

static const struct told *told_at(const struct memory *m, size_t i)
{
    return &m->objects[(m->first + i) % LIMIT_OBJECTS];
}

static void forget_first(struct memory *m)
{
    m->forgotten = told_at(m, 0)->rev;
    m->first = (m->first + 1) % LIMIT_OBJECTS;
    m->n--;
}

void memory_object(struct memory *m, int64_t rev, const char *id)
{
    struct told *t;

    if (!m->objects)
        m->objects = malloc(LIMIT_OBJECTS * sizeof *m->objects);
    if (!m->objects || strlen(id) >= MEMORY_ID) {
        m->forgotten = rev;
        return;
    }
    if (m->n == LIMIT_OBJECTS)
        forget_first(m);
    t = &m->objects[(m->first + m->n++) % LIMIT_OBJECTS];
    t->rev = rev;
    strcpy(t->id, id);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t memory_behind(const struct memory *m, int64_t rev, char *ret_ids[LIMIT_OBJECTS])
{
    size_t n = 0, kept = 0;

    for (size_t i = 0; i < m->n; i++)
        if (told_at(m, i)->rev > rev)
            ret_ids[n++] = (char *)told_at(m, i)->id;
    qsort(ret_ids, n, sizeof *ret_ids, by_text);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(ret_ids[i], ret_ids[kept - 1]) != 0)
            ret_ids[kept++] = ret_ids[i];
    return kept;
}

void memory_cut(struct memory *m, int64_t rev)
{
    while (m->n_places && m->places[0].rev > rev)
        remove_place(m, 0);
    while (m->n && told_at(m, m->n - 1)->rev > rev)
        m->n--;
    if (m->forgotten > rev)
        m->forgotten = rev;
}

/* ---------------------------------------------------------------- text */

char *memory_text(const struct memory *m)
{
    size_t size = (1 + (size_t)m->n_places + m->n) * LINE_MAX_BYTES, at = 0;
    char *text = malloc(size), place[QIPAN_CURSOR_SIZE];
    Qipan__Cursor c;

    if (!text)
        return NULL;
    at += (size_t)snprintf(text, size, "forgotten %" PRId64 "\n", m->forgotten);
    for (int i = 0; i < m->n_places; i++) {
        cursor_put(&m->places[i], &c);
        qipan_cursor_text(&c, place);
        at += (size_t)snprintf(text + at, size - at, "known %s\n", place);
    }
    for (size_t i = 0; i < m->n; i++)
        at += (size_t)snprintf(text + at, size - at, "told %" PRId64 " %s\n", told_at(m, i)->rev,
                               told_at(m, i)->id);
    return text;
}

static bool parse_line(struct memory *m, const char *line)
{
    char word[MEMORY_ID], place[QIPAN_CURSOR_SIZE];
    int64_t rev;
    Qipan__Cursor c;
    int used = 0;

    if (sscanf(line, "forgotten %" SCNd64 "%n", &rev, &used) == 1 && line[used] == '\0') {
        m->forgotten = rev;
    } else if (sscanf(line, "told %" SCNd64 " %39s%n", &rev, word, &used) == 2 && line[used] == '\0') {
        memory_object(m, rev, word);
    } else if (sscanf(line, "known %79s%n", place, &used) == 1 && line[used] == '\0' &&
               m->n_places < LIMIT_KNOWN && qipan_cursor_parse(place, &c)) {
        m->places[m->n_places++] = cursor_of(&c);
    } else {
        return false;
    }
    return true;
}

bool memory_parse(struct memory *m, const char *text)
{
    char line[LINE_MAX_BYTES];

    memory_free(m);
    while (*text) {
        size_t n = strcspn(text, "\n");

        if (n >= sizeof line) {
            memory_free(m);
            return false;
        }
        memcpy(line, text, n);
        line[n] = '\0';
        if (n && !parse_line(m, line)) {
            memory_free(m);
            return false;
        }
        text += n + (text[n] == '\n');
    }
    return true;
}
