/* SPDX-License-Identifier: Apache-2.0 */
/* qipan board: a live list on the terminal.
 *
 * The watch begins first, then the list is read page by page; from then on each change of a project has that project
 * read again. A row only ever moves to a newer version, so it doesn't matter which of the two comes first. Changes come
 * faster than reads only in imports: then the whole list is read once more instead. */
#include "cli/cli.h"

#include "board_rows.h"
#include "filter.h"
#include "cli/labels.h"
#include "limits.h"
#include "utf8.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uniwidth.h>
#include <unistd.h>

#define LIT_MS     4000 /* a changed row stays highlighted */
#define ASKED_MAX  32   /* projects being read again */
#define START_MS   10000
#define STAGES_MAX 32
#define PAIR_LIT   1
#define PAIR_TITLE 2
#define PAIR_BAD   3

struct board {
    struct cli *cli;
    struct board_rows rows;
    struct filter list_filter;
    char *after;  /* next page of the list */
    bool listing; /* a page is on its way */
    bool again;   /* list once more when this one is done */
    int asked;    /* projects being read */
    bool over, dirty;
    int code;
    size_t top; /* first row shown */
    bool started;
    char state[16];
    int64_t behind, lag_ms; /* lag: commit to screen of the last change */
    long events;
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t wall_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---------------------------------------------------------------- data */

static struct board_row *put(struct board *b, const Qipan__Project *p)
{
    const ProtobufCFieldDescriptor *f = value_field(&qipan__project__descriptor, "amount_total");
    const char *amount =
        p->has_amount_total ? value_people(&p->base, f, p->currency, b->cli->lang, &b->cli->scratch) : "";
    struct board_row *row = board_rows_put(&b->rows, p, amount ? amount : "");

    cli_scratch_over(b->cli);
    b->dirty = true;
    return row;
}

static void list_page(struct board *b);

static void on_page(const struct qipan_reply *reply, void *arg)
{
    struct board *b = arg;
    const Qipan__ProjectListReply *page = (const Qipan__ProjectListReply *)reply->message;

    b->listing = false;
    if (reply->error) {
        b->again = true; /* the link is down: once more when it is up */
        return;
    }
    for (size_t i = 0; i < page->n_rows; i++)
        put(b, page->rows[i]);
    free(b->after);
    b->after = page->next && page->n_rows > 0 ? strdup(page->next) : NULL;
    if (b->after)
        list_page(b);
}

static void list_page(struct board *b)
{
    Qipan__ProjectListRequest request = QIPAN__PROJECT_LIST_REQUEST__INIT;

    request.terms = b->list_filter.terms;
    request.n_terms = b->list_filter.n_terms;
    request.has_limit = true;
    request.limit = LIMIT_PAGE_ROWS;
    request.after = b->after;
    b->listing = qipan_call(b->cli->q, OP_project_list, &request.base, NULL, on_page, b) != 0;
}

static void list_again(struct board *b)
{
    if (!b->again || b->listing || qipan_link(b->cli->q) != QIPAN_LINK_UP)
        return;
    b->again = false;
    free(b->after);
    b->after = NULL;
    list_page(b);
}

static void on_project(const struct qipan_reply *reply, void *arg)
{
    struct board *b = arg;
    struct board_row *row;

    b->asked--;
    if (reply->error) {
        b->again = b->again || strcmp(reply->error->code, "NOT_FOUND") != 0;
        return;
    }
    row = put(b, ((const Qipan__ProjectReply *)reply->message)->project);
    if (row)
        row->lit_ms = now_ms();
}

static void read_again(struct board *b, const char *id)
{
    Qipan__ProjectShowRequest request = QIPAN__PROJECT_SHOW_REQUEST__INIT;

    request.id = (char *)id;
    if (b->asked < ASKED_MAX && qipan_call(b->cli->q, OP_project_show, &request.base, NULL, on_project, b))
        b->asked++;
    else
        b->again = true;
}

static void on_event(struct board *b, const Qipan__Event *e)
{
    b->events++;
    if (e->has_at && strcmp(b->state, "CATCHUP") != 0)
        b->lag_ms = (wall_us() - e->at) / 1000;
    if (!e->object || !e->kind || strcmp(e->kind, "project") != 0)
        return;
    if (e->view && strcmp(e->view, "leave") == 0)
        board_rows_remove(&b->rows, e->object);
    else
        read_again(b, e->object);
}

static void on_notice(const struct qipan_notice *notice, void *arg)
{
    struct board *b = arg;

    b->started = b->dirty = true;
    if (notice->kind == QIPAN_EVENT)
        on_event(b, notice->event);
    if (notice->kind == QIPAN_STATE) {
        snprintf(b->state, sizeof b->state, "%s", notice->state);
        b->behind = notice->behind;
    }
    if (notice->kind == QIPAN_ENDED) {
        b->over = true;
        b->code = error_info(notice->error->code)->exit_code;
    }
}

/* ---------------------------------------------------------------- screen */

/* Text made safe, cut and padded to a width in columns: all that is drawn comes through here. */
static void cell(int y, int x, int width, const char *text)
{
    char shown[2048];
    const uint8_t *s = (const uint8_t *)shown, *end = s + utf8_show(shown, sizeof shown, text);
    int used = 0;

    while (s < end) {
        const uint8_t *next = s;
        uint32_t c = utf8_next(&next, end);
        int w = uc_width(c, "UTF-8");

        if (w < 0 || used + w > width)
            break;
        mvaddnstr(y, x + used, (const char *)s, (int)(next - s));
        used += w;
        s = next;
    }
    for (; used < width; used++)
        mvaddch(y, x + used, ' ');
}

static void draw_header(struct board *b)
{
    char text[1024];
    size_t at = 0;
    const Qipan__Label *l;

    for (size_t i = 0; i < STAGES_MAX && (l = labels_stage(b->cli, i)) && at < sizeof text; i++) {
        size_t n = board_rows_count(&b->rows, l->code);
        int k = n ? snprintf(text + at, sizeof text - at, "%s %zu  ", l->text ? l->text : l->code, n) : 0;

        at += k > 0 ? (size_t)k : 0;
    }
    text[at < sizeof text ? at : sizeof text - 1] = '\0';
    attron(COLOR_PAIR(PAIR_TITLE) | A_BOLD);
    cell(0, 0, COLS, _(" Qipan: projects of the county, newest change first"));
    attroff(COLOR_PAIR(PAIR_TITLE) | A_BOLD);
    cell(1, 1, COLS - 1, text);
}

struct widths {
    int no, name, stage, office, amount, at;
};

static struct widths divide(void)
{
    struct widths w = {.no = 11, .stage = 8, .office = 16, .amount = 14, .at = 15};

    w.name = COLS - w.no - w.stage - w.office - w.amount - w.at - 7;
    if (w.name < 10)
        w.name = 10;
    return w;
}

static void draw_line(int y, const struct widths *w, const char *const text[6])
{
    const int width[6] = {w->no, w->name, w->stage, w->office, w->amount, w->at};
    int x = 1;

    for (int i = 0; i < 6 && x + width[i] <= COLS; i++) {
        cell(y, x, width[i], text[i]);
        x += width[i] + 1;
    }
}

static void draw_titles(struct board *b, const struct widths *w)
{
    const char *lang = b->cli->lang;
    const char *text[6] = {value_label("no", lang),           value_label("name", lang),
                           value_label("stage", lang),        value_label("office", lang),
                           value_label("amount_total", lang), value_label("changed_at", lang)};

    attron(A_UNDERLINE);
    draw_line(2, w, text);
    attroff(A_UNDERLINE);
}

static void draw_row(struct board *b, int y, const struct widths *w, const struct board_row *row)
{
    time_t t = (time_t)(row->changed_at / 1000000);
    struct tm tm;
    char when[32];
    bool lit = row->lit_ms && now_ms() - row->lit_ms < LIT_MS;

    localtime_r(&t, &tm);
    strftime(when, sizeof when, "%m-%d %H:%M:%S", &tm);
    if (lit)
        attron(COLOR_PAIR(PAIR_LIT) | A_BOLD);
    cell(y, 0, COLS, "");
    draw_line(y, w,
              (const char *const[6]){row->no, row->name, labels_text(b->cli, "stage", row->stage),
                                     labels_text(b->cli, "office", row->office), row->amount, when});
    if (lit)
        attroff(COLOR_PAIR(PAIR_LIT) | A_BOLD);
}

static void draw_footer(struct board *b)
{
    enum qipan_link link = qipan_link(b->cli->q);
    char text[512];

    if (link == QIPAN_LINK_UP)
        snprintf(text, sizeof text,
                 _(" connected to %s as %s   %zu projects   %ld changes   delay %lld ms   q: quit"),
                 qipan_link_text(b->cli->q), qipan_account(b->cli->q), b->rows.n, b->events,
                 (long long)b->lag_ms);
    else
        snprintf(text, sizeof text, _(" the link is lost, trying again: %s   q: quit"),
                 qipan_link_text(b->cli->q));
    if (link == QIPAN_LINK_UP && b->behind > 0)
        snprintf(text + strlen(text), sizeof text - strlen(text), _("   catching up, %lld to go"),
                 (long long)b->behind);
    attron(link == QIPAN_LINK_UP ? A_REVERSE : COLOR_PAIR(PAIR_BAD) | A_BOLD);
    cell(LINES - 1, 0, COLS, text);
    attroff(link == QIPAN_LINK_UP ? A_REVERSE : COLOR_PAIR(PAIR_BAD) | A_BOLD);
}

static void draw(struct board *b)
{
    struct widths w = divide();
    size_t room = LINES > 5 ? (size_t)LINES - 4 : 1;

    board_rows_sort(&b->rows);
    if (b->top + room > b->rows.n)
        b->top = b->rows.n > room ? b->rows.n - room : 0;
    erase();
    draw_header(b);
    draw_titles(b, &w);
    for (size_t i = 0; i < room && b->top + i < b->rows.n; i++)
        draw_row(b, 3 + (int)i, &w, &b->rows.list[b->top + i]);
    draw_footer(b);
    refresh();
    b->dirty = false;
}

static void on_key(struct board *b, int key)
{
    size_t page = LINES > 5 ? (size_t)LINES - 4 : 1;

    b->dirty = true;
    if (key == 'q' || key == 'Q')
        b->over = true;
    else if (key == KEY_DOWN || key == 'j')
        b->top++;
    else if (key == KEY_UP || key == 'k')
        b->top -= b->top > 0;
    else if (key == KEY_NPAGE || key == ' ')
        b->top += page;
    else if (key == KEY_PPAGE)
        b->top -= b->top > page ? page : b->top;
    else if (key == KEY_HOME || key == 'g')
        b->top = 0;
}

/* ---------------------------------------------------------------- running */

static bool any_lit(const struct board *b)
{
    for (size_t i = 0; i < b->rows.n; i++)
        if (b->rows.list[i].lit_ms && now_ms() - b->rows.list[i].lit_ms < LIT_MS + 1000)
            return true;
    return false;
}

static void turn(struct board *b)
{
    struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                          {.fd = qipan_fd(b->cli->q), .events = qipan_events(b->cli->q)}};
    int wait = qipan_timeout_ms(b->cli->q), n, key;

    if (wait < 0 || wait > CLI_SLICE_MS)
        wait = CLI_SLICE_MS;
    n = poll(p, 2, wait);
    if (n < 0 && errno != EINTR)
        b->over = true;
    qipan_process(b->cli->q, n > 0 ? p[1].revents : 0);
    if (n > 0 && (p[0].revents & (POLLHUP | POLLERR)))
        b->over = true;
    while ((key = getch()) != ERR)
        on_key(b, key);
    list_again(b);
}

static void run(struct board *b)
{
    enum qipan_link shown = QIPAN_LINK_DOWN;
    int64_t drawn = 0;

    while (!b->over && !cli_signal) {
        turn(b);
        if (qipan_link(b->cli->q) != shown) {
            shown = qipan_link(b->cli->q);
            b->dirty = true;
        }
        /* at most 20 pictures a second, however fast changes come */
        if ((b->dirty && now_ms() - drawn >= 50) || (now_ms() - drawn >= 1000 && any_lit(b))) {
            draw(b);
            drawn = now_ms();
        }
    }
}

static void open_screen(void)
{
    initscr();
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    if (!has_colors())
        return;
    start_color();
    use_default_colors();
    init_pair(PAIR_LIT, COLOR_BLACK, COLOR_YELLOW);
    init_pair(PAIR_TITLE, COLOR_WHITE, COLOR_BLUE);
    init_pair(PAIR_BAD, COLOR_WHITE, COLOR_RED);
}

/* The watch has to stand before the list is read; without a daemon there is nothing to show. */
static int wait_for_start(struct board *b)
{
    int64_t end = now_ms() + START_MS;

    while (!b->started && !b->over && !cli_signal && now_ms() < end &&
           qipan_link(b->cli->q) != QIPAN_LINK_REFUSED)
        qipan_wait(b->cli->q, &b->started, 100);
    if (cli_signal)
        return cli_signal == SIGTERM ? EXIT_SIGTERM : EXIT_SIGINT;
    if (b->over)
        return b->code;
    if (!b->started)
        return cli_fail(b->cli, "UNAVAILABLE", NULL, NULL, _("no daemon can be reached (%s)"),
                        qipan_link_text(b->cli->q));
    return 0;
}

static int prepare(struct board *b, const char *filter_text)
{
    struct qipan_watch_options options = {.echo = true};
    struct value_error error;
    int code;

    if (!filter_parse(filter_text, FILTER_WATCH, &b->cli->arena, &b->list_filter, &error))
        return cli_invalid(b->cli, "filter", &error);
    if ((code = cli_connect(b->cli)) ||
        (code = labels_resolve_terms(b->cli, b->list_filter.terms, b->list_filter.n_terms)))
        return code;
    options.terms = b->list_filter.terms;
    options.n_terms = b->list_filter.n_terms;
    if (!qipan_watch(b->cli->q, &options, on_notice, b))
        return cli_error(b->cli, qipan_refusal(b->cli->q), NULL);
    if ((code = wait_for_start(b)))
        return code;
    labels_text(b->cli, "stage", "");
    b->again = true;
    return 0;
}

int cmd_board(struct cli *cli, int argc, char **argv)
{
    struct board b = {.cli = cli};
    const char *filter = NULL;
    const struct cli_option options[] = {{"--filter", &filter, NULL}, {0}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 0)
        return cli_usage(cli, _("too many words: \"%s\""), argv[1]);
    if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
        return cli_usage(cli, "%s", _("board needs a terminal; for scripts there is: qipan watch -o jsonl"));
    if ((code = prepare(&b, filter)))
        return code;
    open_screen();
    run(&b);
    endwin();
    board_rows_free(&b.rows);
    free(b.after);
    if (cli_signal)
        return cli_signal == SIGTERM ? EXIT_SIGTERM : EXIT_SIGINT;
    return b.code;
}
