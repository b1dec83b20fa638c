/* SPDX-License-Identifier: Apache-2.0 */
#include "failpoint.h"

#ifdef QIPAN_FAILPOINTS
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct mark {
    const char *name;
    enum { NOTHING, PANIC, SLEEP } act;
    long ms, at, hits; /* at: the hit that counts, 0 = each */
} marks[] = {
#define MARK(word, where) {.name = word},
#define DEFECT(word, promise)
#include "failpoint.def"
#undef MARK
#undef DEFECT
};

static struct defect {
    const char *name;
    bool on;
    unsigned passes;
} defects[] = {
#define MARK(word, where)
#define DEFECT(word, promise) {.name = word},
#include "failpoint.def"
#undef MARK
#undef DEFECT
};

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static struct mark *mark_of(const char *name)
{
    for (size_t i = 0; i < COUNT(marks); i++)
        if (strcmp(marks[i].name, name) == 0)
            return &marks[i];
    return NULL;
}

static struct defect *defect_of(const char *name)
{
    for (size_t i = 0; i < COUNT(defects); i++)
        if (strcmp(defects[i].name, name) == 0)
            return &defects[i];
    return NULL;
}

static void refuse(const char *variable, const char *word)
{
    fprintf(stderr, "qipand: %s: nothing like '%s'\n", variable, word);
    exit(EXIT_FAILURE);
}

static void arm(char *word)
{
    char *save, *name = strtok_r(word, ":", &save), *act = strtok_r(NULL, ":", &save);
    char *n = strtok_r(NULL, ":", &save);
    struct mark *m = name ? mark_of(name) : NULL;
    if (m && act && strcmp(act, "panic") == 0)
        m->act = PANIC;
    else if (m && act && sscanf(act, "sleep=%ld", &m->ms) == 1)
        m->act = SLEEP;
    else
        refuse("QIPAN_FAILPOINT", name ? name : "");
    m->at = n ? atol(n) : m->act == PANIC;
}

static void plant(char *word)
{
    struct defect *d = defect_of(word);
    if (!d)
        refuse("QIPAN_BUG", word);
    d->on = true;
}

static void each_word(const char *variable, void (*take)(char *word))
{
    const char *value = getenv(variable);
    char *copy = value ? strdup(value) : NULL, *save;
    for (char *word = copy ? strtok_r(copy, ",", &save) : NULL; word; word = strtok_r(NULL, ",", &save)) {
        fprintf(stderr, "qipand: %s: %s\n", variable, word);
        take(word);
    }
    free(copy);
}

void failpoint_start(void)
{
    each_word("QIPAN_FAILPOINT", arm);
    each_word("QIPAN_BUG", plant);
}

bool failpoint_next(const char *name)
{
    const struct mark *m = mark_of(name);
    return m && m->act != NOTHING && (m->at == 0 || m->at == m->hits + 1);
}

void failpoint_hit(const char *name)
{
    struct mark *m = mark_of(name);
    if (!m)
        abort(); /* not in failpoint.def */
    bool due = failpoint_next(name);
    m->hits++;
    if (!due)
        return;
    fprintf(stderr, "qipand: at mark %s, hit %ld\n", name, m->hits);
    if (m->act == PANIC)
        kill(getpid(), SIGKILL);
    struct timespec pause = {m->ms / 1000, m->ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

bool failpoint_bug(const char *name, unsigned each)
{
    struct defect *d = defect_of(name);
    if (!d)
        abort();
    return d->on && ++d->passes % each == 0;
}
#endif
