/* SPDX-License-Identifier: Apache-2.0 */
/* A cursor file: the place on its first line, behind it what the watch remembered. What is read says the same when it is
 * written again. */
#include "cli/cursor_file.h"
#include "fuzz.h"
#include "fuzz_file.h"
#include "memory.h"

#include <string.h>

static void check_memory(const char *text)
{
    static struct memory m, again;
    char *once, *twice;

    memory_init(&m);
    if (!memory_read(&m, text))
        goto done;
    once = memory_text(&m);
    memory_init(&again);
    MUST(once && memory_read(&again, once));
    twice = memory_text(&again);
    MUST(twice && strlen(once) == strlen(twice) &&
         m.n_places == again.n_places); /* ids of a place have no order */
    free(once);
    free(twice);
    memory_clear(&again, 0);
done:
    memory_clear(&m, 0);
}

static void check_cursor(const char *text)
{
    char again[QIPAN_CURSOR_SIZE];
    Qipan__Cursor c;

    MUST(strlen(text) < QIPAN_CURSOR_SIZE && qipan_cursor_parse(text, &c));
    qipan_cursor_text(&c, again);
    MUST(strcmp(text, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char path[64], cursor[QIPAN_CURSOR_SIZE], err[300] = "", *memory = NULL;
    int fd = fuzz_file(bytes, n, path);

    if (fd < 0)
        return 0;
    switch (cursor_file_read(path, cursor, &memory, err, sizeof err)) {
    case CURSOR_FILE_READ:
        check_cursor(cursor);
        check_memory(memory);
        break;
    case CURSOR_FILE_BAD:
        MUST(*err);
        break;
    case CURSOR_FILE_MISSING:
        MUST(false);
    }
    free(memory);
    close(fd);
    return 0;
}
