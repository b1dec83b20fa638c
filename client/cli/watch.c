/* SPDX-License-Identifier: Apache-2.0 */
/* qipan watch: what changes, as it changes.
 *
 * Order for each event: the line is written and flushed (or the command has ended with 0), then the cursor file moves;
 * it keeps the watch's memory, too.
 * So a kill at any place repeats at most the last line. */
#include "cli.h"

#include "cursor_file.h"
#include "event.h"
#include "filter.h"
#include "json.h"
#include "labels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MS 10000 /* to reach a daemon for the first time */
#define TITLES   512

struct title {
    char id[64];
    char text[200];
};

struct watching {
    struct cli *cli;
    struct qipan_watch *watch;
    const char *cursor_file, *command;
    int64_t left; /* events until the end; negative = no end */
    bool started, over;
    bool link_lost; /* said so */
    int code;
    struct title *titles; /* ring of those seen last */
    size_t next_title;
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void finish(struct watching *w, int code)
{
    if (w->over)
        return;
    w->over = true;
    w->code = code;
    qipan_watch_close(w->cli->q, w->watch);
}

/* ---------------------------------------------------------------- names */

static struct title *known_title(struct watching *w, const char *id)
{
    for (size_t i = 0; i < TITLES; i++)
        if (strcmp(w->titles[i].id, id) == 0)
            return &w->titles[i];
    return NULL;
}

static const char *keep_title(struct watching *w, const char *id, const char *text)
{
    struct title *t = known_title(w, id);

    if (!t) {
        t = &w->titles[w->next_title];
        w->next_title = (w->next_title + 1) % TITLES;
    }
    snprintf(t->id, sizeof t->id, "%s", id);
    snprintf(t->text, sizeof t->text, "%s", text);
    return t->text;
}

static const char *ask_title(struct watching *w, const char *id)
{
    Qipan__ProjectShowRequest request = QIPAN__PROJECT_SHOW_REQUEST__INIT;
    const struct qipan_call_options options = {.deadline_ms = 2000};
    struct qipan_result r;
    struct qipan *lookup = cli_lookup(w->cli);
    char text[200];
    const char *title = NULL;

    if (!lookup)
        return NULL;
    request.id = (char *)id;
    if (qipan_call_wait(lookup, OP_project_show, &request.base, &options, &r) == QIPAN_DONE) {
        const Qipan__Project *p = ((const Qipan__ProjectReply *)r.message)->project;

        snprintf(text, sizeof text, "%s %s", p && p->no ? p->no : "", p && p->name ? p->name : "");
        title = keep_title(w, id, text);
    }
    qipan_result_free(&r);
    return title;
}

static bool renamed(const Qipan__Event *e)
{
    for (size_t i = 0; i < e->n_changes; i++) {
        const ProtobufCFieldDescriptor *f = json_event_field(e, e->changes[i]->number);

        if (f && strcmp(f->name, "name") == 0)
            return true;
    }
    return false;
}

static const char *title_for(struct watching *w, const Qipan__Event *e)
{
    const char *own = event_title(w->cli, e);
    struct title *known;

    if (!e->object || !e->kind)
        return own;
    if (own)
        return keep_title(w, e->object, own);
    known = known_title(w, e->object);
    if (strcmp(e->kind, "project") != 0)
        return known ? known->text : NULL; /* nobody to ask by its id */
    return known && !renamed(e) ? known->text : ask_title(w, e->object);
}

/* ---------------------------------------------------------------- output */

static void give_line(int to, const char *line)
{
    size_t n = strlen(line);

    while (n > 0) {
        ssize_t k = write(to, line, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return; /* the command doesn't want it */
        line += k;
        n -= (size_t)k;
    }
}

static _Noreturn void run_command(const char *command, const int ends[2])
{
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/* Exit status of the command, or -1. */
static int execute(const char *command, const char *line)
{
    int ends[2], status = 0;
    pid_t pid;

    if (pipe(ends) < 0)
        return -1;
    pid = fork();
    if (pid == 0)
        run_command(command, ends);
    close(ends[0]);
    if (pid > 0) {
        give_line(ends[1], line);
        give_line(ends[1], "\n");
    }
    close(ends[1]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    if (pid < 0)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* False when the watch has to stop. */
static bool flush(struct watching *w)
{
    if (!w->cli->arena.refused && fflush(stdout) == 0 && !ferror(stdout))
        return true;
    finish(w, cli_flush(w->cli));
    return false;
}

static bool emit(struct watching *w, const char *line)
{
    printf("%s\n", line);
    return flush(w);
}

static bool emit_json(struct watching *w, json_t *value)
{
    char *line = json_line(value);
    bool good;

    w->cli->arena.refused |= !line;
    good = line ? emit(w, line) : flush(w);
    free(line);
    return good;
}

/* To the command, if there is one. */
static bool give(struct watching *w, json_t *value)
{
    char *line;
    int status;

    if (!w->command)
        return emit_json(w, value);
    line = json_line(value);
    if (!line) {
        w->cli->arena.refused = true;
        return flush(w);
    }
    status = execute(w->command, line);
    free(line);
    if (status == 0)
        return true;
    finish(w, cli_fail(w->cli, "INTERNAL", "exec", NULL,
                       _("the command ended with %d; the cursor stays before this event"), status));
    return false;
}

static bool for_people(const struct watching *w)
{
    return !w->command && !cli_json(w->cli);
}

static bool emit_event(struct watching *w, const struct qipan_notice *notice)
{
    if (!for_people(w))
        return give(w, json_of_event(notice->event, notice->cursor));
    event_print(w->cli, notice->event, title_for(w, notice->event));
    return flush(w);
}

static void move_cursor(struct watching *w, const char *cursor, bool sync)
{
    char err[512], *memory;
    bool good;

    if (!w->cursor_file)
        return;
    memory = qipan_watch_memory(w->watch);
    good = cursor_file_write(w->cursor_file, cursor, memory ? memory : "", sync, err, sizeof err);
    free(memory);
    if (!good)
        finish(w, cli_fail(w->cli, "INTERNAL", "cursor-file", NULL, "%s", err));
}

/* ---------------------------------------------------------------- notices */

static void on_event(struct watching *w, const struct qipan_notice *notice)
{
    if (!emit_event(w, notice))
        return;
    bool last = w->left > 0 && --w->left == 0;
    move_cursor(w, notice->cursor, last);
    if (last)
        finish(w, 0);
}

static void on_bookmark(struct watching *w, const struct qipan_notice *notice)
{
    if (cli_json(w->cli) && !w->command &&
        !emit_json(w, json_pack("{s:s,s:o,s:s}", "type", "bookmark", "rev",
                                json_sprintf("%lld", (long long)notice->rev), "cursor", notice->cursor)))
        return;
    move_cursor(w, notice->cursor, true);
}

static void on_state(struct watching *w, const struct qipan_notice *notice)
{
    if (cli_json(w->cli) && !w->command)
        emit_json(w, json_pack("{s:s,s:s,s:o}", "type", "state", "state", notice->state, "behind",
                               json_sprintf("%lld", (long long)notice->behind)));
}

static void on_diverged(struct watching *w, const struct qipan_notice *notice)
{
    if (!for_people(w))
        give(w, json_pack("{s:s,s:s?}", "type", "diverged", "fork", notice->fork));
    else if (notice->fork)
        cli_warn("%s", _("the registry fell back to an earlier state; what was shown since is shown again, "
                         "as it is now"));
    else
        cli_warn("%s", _("the registry fell back to an earlier state; everything is shown anew"));
}

static void on_notice(const struct qipan_notice *notice, void *arg)
{
    struct watching *w = arg;

    w->started = true;
    if (w->over)
        return;
    switch (notice->kind) {
    case QIPAN_EVENT:
        on_event(w, notice);
        break;
    case QIPAN_BOOKMARK:
        on_bookmark(w, notice);
        break;
    case QIPAN_STATE:
        on_state(w, notice);
        break;
    case QIPAN_DIVERGED:
        on_diverged(w, notice);
        break;
    case QIPAN_ENDED:
        w->over = true;
        w->code = cli_error(w->cli, notice->error, NULL);
        break;
    }
}

/* ---------------------------------------------------------------- running */

static void tell_link(struct watching *w)
{
    bool lost = qipan_link(w->cli->q) != QIPAN_LINK_UP;

    if (!w->started || lost == w->link_lost || !isatty(STDERR_FILENO) || cli_json(w->cli))
        return;
    w->link_lost = lost;
    if (lost)
        cli_warn(_("the link is lost (%s); trying again"), qipan_link_text(w->cli->q));
    else
        cli_warn("%s", _("the link is back; nothing was missed"));
}

static int unreachable(struct watching *w)
{
    return cli_fail(w->cli, "UNAVAILABLE", NULL, NULL, _("no daemon can be reached (%s)"),
                    qipan_link_text(w->cli->q));
}

static int run(struct watching *w, int64_t end)
{
    int64_t start_end = now_ms() + START_MS;

    while (!w->over) {
        int64_t now = now_ms(), left = end - now;

        if (cli_signal)
            return cli_signal == SIGTERM ? EXIT_SIGTERM : EXIT_SIGINT;
        if (left <= 0)
            return EXIT_TIMEOUT;
        if (!w->started && now >= start_end)
            return unreachable(w);
        qipan_wait(w->cli->q, &w->over, left < CLI_SLICE_MS ? (int)left : CLI_SLICE_MS);
        tell_link(w);
    }
    return w->code;
}

struct words {
    const char *since, *cursor_file, *filter, *n, *timeout, *command;
    bool echo, summary, snapshot;
};

static int take_since(struct cli *cli, const struct words *o, char since[QIPAN_CURSOR_SIZE],
                      char **ret_memory)
{
    const char *text = o->since ? o->since : "now";
    Qipan__Cursor c;
    char err[512];

    if (strcmp(text, "now") != 0 && strcmp(text, "0") != 0 && !qipan_cursor_parse(text, &c))
        return cli_fail(cli, "INVALID_ARGUMENT", "since", _("now, 0, or a cursor as a watch has printed it"),
                        _("\"%s\" is no cursor"), text);
    if (o->snapshot && strcmp(text, "0") == 0)
        return cli_usage(cli, "%s", _("--snapshot goes without --since 0"));
    snprintf(since, QIPAN_CURSOR_SIZE, "%s", text);
    if (o->cursor_file &&
        cursor_file_read(o->cursor_file, since, ret_memory, err, sizeof err) == CURSOR_FILE_BAD)
        return cli_fail(cli, "INVALID_ARGUMENT", "cursor-file", NULL, "%s", err);
    return 0;
}

static int take_number(struct cli *cli, const char *option, const char *text, double most, double *ret)
{
    char *end;

    if (!text)
        return 0;
    *ret = strtod(text, &end);
    if (end == text || *end || !(*ret > 0) || *ret > most)
        return cli_usage(cli, _("%s needs a number above 0, not \"%s\""), option, text);
    return 0;
}

static int start(struct watching *w, const struct words *o, const char *since, const char *memory)
{
    struct qipan_watch_options options = {
        .since = since, .memory = memory, .echo = o->echo, .summary = o->summary, .snapshot = o->snapshot};
    struct filter filter;
    struct value_error error;
    int code;

    if (!filter_parse(o->filter, FILTER_WATCH, &w->cli->arena, &filter, &error))
        return cli_invalid(w->cli, "filter", &error);
    if ((code = cli_connect(w->cli)) || (code = labels_resolve_terms(w->cli, filter.terms, filter.n_terms)))
        return code;
    if (!cli_json(w->cli))
        labels_text(w->cli, "stage", ""); /* now: nothing may block once changes come */
    options.terms = filter.terms;
    options.n_terms = filter.n_terms;
    w->watch = qipan_watch(w->cli->q, &options, on_notice, w);
    return w->watch ? 0 : cli_error(w->cli, qipan_refusal(w->cli->q), NULL);
}

static int watch_with(struct cli *cli, const struct words *o)
{
    struct watching w = {.cli = cli, .cursor_file = o->cursor_file, .command = o->command, .left = -1};
    char since[QIPAN_CURSOR_SIZE], *memory = NULL;
    double n = -1, seconds = 0;
    int code;

    if ((code = take_number(cli, "-n", o->n, 1e15, &n)) ||
        (code = take_number(cli, "--timeout", o->timeout, 1e9, &seconds)) ||
        (code = take_since(cli, o, since, &memory)))
        return code;
    w.left = (int64_t)n;
    w.titles = calloc(TITLES, sizeof *w.titles);
    code = w.titles ? start(&w, o, since, memory) : cli_no_memory(cli);
    free(memory);
    if (!code)
        code = run(&w, seconds > 0 ? now_ms() + (int64_t)(seconds * 1000) : INT64_MAX);
    free(w.titles);
    return code;
}

int cmd_watch(struct cli *cli, int argc, char **argv)
{
    struct words o = {0};
    const struct cli_option options[] = {
        {"--since", &o.since, NULL},       {"--cursor-file", &o.cursor_file, NULL},
        {"--filter", &o.filter, NULL},     {"-n", &o.n, NULL},
        {"--timeout", &o.timeout, NULL},   {"--exec", &o.command, NULL},
        {"--echo", NULL, &o.echo},         {"--summary", NULL, &o.summary},
        {"--snapshot", NULL, &o.snapshot}, {0}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 0)
        return cli_usage(cli, _("too many words: \"%s\""), argv[1]);
    if (cli->output > OUT_JSONL)
        return cli_usage(cli, "%s", _("watch has no such output mode; use table or jsonl"));
    return watch_with(cli, &o);
}
