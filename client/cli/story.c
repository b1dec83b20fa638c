/* SPDX-License-Identifier: Apache-2.0 */
#include "story.h"

#include "event.h"

#include <stdlib.h>

struct story {
    const char *title;
    bool begun;
};

static void print_line(struct cli *cli, const Qipan__Event *e, struct story *s)
{
    char cursor[QIPAN_CURSOR_SIZE], *line;
    const char *title;

    if (cli->output <= OUT_WIDE) {
        if (!s->title && (title = event_title(cli, e)))
            s->title = arena_strdup(&cli->arena, title);
        event_print(cli, e, s->title);
        return;
    }
    qipan_event_cursor(e, cursor);
    line = qipan_json_event(e, cursor);
    cli->arena.refused |= !line;
    if (!line)
        return;
    if (cli->output == OUT_JSON)
        fputs(s->begun ? ",\n" : "[", stdout);
    printf(cli->output == OUT_JSON ? "%s" : "%s\n", line);
    free(line);
}

int story_print(struct cli *cli, uint32_t op, Qipan__ProjectLogRequest *request,
                const char *(*title)(struct cli *cli, const char *id))
{
    struct story story = {0};
    bool more = true;

    if (cli->output > OUT_JSONL)
        return cli_usage(cli, _("a log has no such output mode; use table, json or jsonl"));
    request->has_limit = true;
    request->limit = LIMIT_PAGE_ROWS;
    while (more) {
        struct qipan_result r;
        const Qipan__ProjectLogReply *page;
        int code = cli_call(cli, op, &request->base, NULL, &r);

        if (code)
            return code;
        if (!story.begun && title && cli->output <= OUT_WIDE)
            story.title = title(cli, request->id);
        page = (const Qipan__ProjectLogReply *)r.message;
        for (size_t i = 0; i < page->n_rows; i++, story.begun = true) {
            print_line(cli, page->rows[i], &story);
            request->has_after_rev = true;
            request->after_rev = page->rows[i]->rev;
        }
        more = page->more && page->n_rows > 0;
        qipan_result_free(&r);
    }
    if (cli->output == OUT_JSON)
        puts(story.begun ? "]" : "[]");
    return cli_flush(cli);
}
