/* SPDX-License-Identifier: Apache-2.0 */
/* qipan, the command line: options of all commands, language, signals, then one command. */
#include "cli.h"

#include "help.h"
#include "labels.h"
#include "names.h"
#include "record.h"

#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct global {
    const char *context, *lang, *output, *fields, *color, *request;
    bool help;
};

/* ---------------------------------------------------------------- language */

static bool has_catalog(const char *folder)
{
    char path[4300];

    snprintf(path, sizeof path, "%s/zh_CN/LC_MESSAGES/qipan.mo", folder);
    return access(path, R_OK) == 0;
}

/* ../locale (build tree) or ../share/locale (installed) of where the program lies, else where it was built for. */
static void bind_catalog(void)
{
    static const char *const beside[] = {"/../locale", "/../share/locale"};
    char path[4096 + 24];
    ssize_t n = readlink("/proc/self/exe", path, 4096);
    char *slash;

    path[n > 0 ? n : 0] = '\0';
    slash = strrchr(path, '/');
    for (size_t i = 0; slash && i < sizeof beside / sizeof *beside; i++) {
        strcpy(slash, beside[i]);
        if (has_catalog(path)) {
            bindtextdomain("qipan", path);
            return;
        }
    }
    bindtextdomain("qipan", QIPAN_PREFIX "/share/locale");
}

/* --lang, QIPAN_LANG, the settings, LANGUAGE when it begins with en; otherwise Chinese. */
static const char *choose_lang(const struct global *g, const struct settings *settings)
{
    const char *words[] = {g->lang, getenv("QIPAN_LANG"), settings->lang};
    const char *language = getenv("LANGUAGE");

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i] && *words[i])
            return strncmp(words[i], "en", 2) == 0 ? "en" : "zh";
    return language && strncmp(language, "en", 2) == 0 ? "en" : "zh";
}

/* In the locale "C" gettext looks at no catalog, and widths of Chinese need a UTF-8 codeset: so always C.UTF-8. */
static void set_lang(const char *lang)
{
    setlocale(LC_ALL, "C.UTF-8");
    setenv("LANGUAGE", strcmp(lang, "en") == 0 ? "en" : "zh_CN", 1);
    bind_catalog();
    bind_textdomain_codeset("qipan", "UTF-8");
    textdomain("qipan");
}

/* ---------------------------------------------------------------- options of all commands */

/* Options of single commands that take a value: the word behind them is not looked at. Those of verbs.def are known anyway. */
static const char *const with_value[] = {
    "--base",   "--cursor-file", "--encoding",  "--evidence", "--exec",    "--filter", "--map",
    "--on",     "--prefix",      "--profile",   "--reason",   "--report",  "--search", "--sheet",
    "--since",  "--sort",        "--timeout",   "-n",         "--office",  "--source", "--state",
    "--from",   "--until",       "--deputy-of", "--person",   "--project", "--wait",   "--field",
    "--layout", "--without",     NULL};

static bool is_with_value(const struct verb *verb, const char *word)
{
    if (verb && record_takes_value(verb, word))
        return true;
    for (size_t i = 0; with_value[i]; i++)
        if (strcmp(with_value[i], word) == 0)
            return true;
    return false;
}

/* 1: taken (with its value, *at moved on), 0: another word, -1: its value is missing, -2: given twice. */
static int take(const char *name, int argc, char **argv, int *at, const char **ret)
{
    const char *word = argv[*at];
    size_t n = strlen(name);

    if (strncmp(word, name, n) != 0)
        return 0;
    if (name[1] != '-' && word[n]) {
        *ret = word + n; /* -ojson */
        return 1;
    }
    if (word[n] == '=') {
        *ret = word + n + 1;
        return 1;
    }
    if (word[n])
        return 0;
    if (*at + 1 >= argc)
        return -1;
    *ret = argv[++*at];
    return 1;
}

static int take_global(int argc, char **argv, int *at, struct global *g)
{
    const struct {
        const char *name;
        const char **where;
    } table[] = {{"--context", &g->context}, {"--lang", &g->lang},     {"--output", &g->output},
                 {"-o", &g->output},         {"--fields", &g->fields}, {"--color", &g->color},
                 {"--request", &g->request}};

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const char *before = *table[i].where;
        int got = take(table[i].name, argc, argv, at, table[i].where);

        if (got)
            return got > 0 && before ? -2 : got;
    }
    if (strcmp(argv[*at], "--help") != 0 && strcmp(argv[*at], "-h") != 0)
        return 0;
    g->help = true;
    return 1;
}

/* Takes them out of argv wherever they stand; NULL, or the word that is wrong, with what is wrong (a msgid). */
static const char *take_globals(int *argc, char **argv, struct global *g, const char **ret_wrong)
{
    int n = 1;
    bool over = false;

    for (int i = 1; i < *argc; i++) {
        const char *word = argv[i];
        int got = over ? 0 : take_global(*argc, argv, &i, g);

        *ret_wrong = got == -1 ? N_("%s needs a value") : N_("%s is given twice");
        if (got < 0)
            return word;
        if (got > 0)
            continue;
        over = over || strcmp(argv[i], "--") == 0;
        argv[n++] = argv[i];
        if (!over && is_with_value(n > 3 ? record_verb(argv[1], argv[2]) : NULL, word) && i + 1 < *argc)
            argv[n++] = argv[++i];
    }
    argv[n] = NULL;
    *argc = n;
    return NULL;
}

/* ---------------------------------------------------------------- making sense of them */

static int choose_output(struct cli *cli, const char *word)
{
    static const char *const words[] = {"table", "wide", "json", "jsonl", "csv", "tsv", "xlsx", "name", NULL};

    if (!word)
        return 0;
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], word) != 0)
            continue;
        cli->output = (enum cli_output)i;
        cli->output_given = true;
        return 0;
    }
    return cli_unknown(cli, N_("output mode"), word, words);
}

static int choose_color(struct cli *cli, const char *word)
{
    static const char *const words[] = {"auto", "always", "never", NULL};
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

    if (!word || strcmp(word, "auto") == 0)
        cli->color = isatty(STDOUT_FILENO) && !(none && *none) && term && strcmp(term, "dumb") != 0;
    else if (strcmp(word, "always") == 0)
        cli->color = true;
    else if (strcmp(word, "never") != 0)
        return cli_unknown(cli, N_("word for --color"), word, words);
    return 0;
}

static int check_lang(struct cli *cli, const char *word)
{
    static const char *const words[] = {"zh", "en", NULL};

    if (!word || strncmp(word, "zh", 2) == 0 || strncmp(word, "en", 2) == 0)
        return 0;
    return cli_unknown(cli, N_("language"), word, words);
}

static int check_request(struct cli *cli, const char *request)
{
    size_t n = request ? strlen(request) : 1;

    if (!request ||
        (n >= 1 && n <= 64 &&
         strspn(request, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-") == n))
        return 0;
    return cli_usage(cli, "%s", _("--request takes 1 to 64 of the characters A-Z a-z 0-9 . _ : -"));
}

static int apply(struct cli *cli, const struct global *g)
{
    const char *context = getenv("QIPAN_CONTEXT");
    int code;

    cli->fields = g->fields && *g->fields ? g->fields : NULL;
    cli->request = g->request;
    cli->context_name = g->context ? g->context : context && *context ? context : NULL;
    if ((code = choose_output(cli, g->output)) || (code = choose_color(cli, g->color)) ||
        (code = check_lang(cli, g->lang)))
        return code;
    return check_request(cli, g->request);
}

/* ---------------------------------------------------------------- signals */

static void on_signal(int number)
{
    if (cli_signal)
        _exit(128 + number); /* asked twice */
    cli_signal = number;
}

static void catch_signals(void)
{
    struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};

    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL); /* a reader that is gone is seen as EPIPE */
}

/* ---------------------------------------------------------------- main */

/* A closed 0, 1 or 2 would become the next file or connection that is opened. Read-only: a write still fails. */
static void keep_standard_files(void)
{
    int fd;

    while ((fd = open("/dev/null", O_RDONLY)) >= 0 && fd <= STDERR_FILENO)
        ;
    if (fd >= 0)
        close(fd);
}

static void read_settings(struct settings *settings)
{
    char err[SETTINGS_ERR_SIZE], *path = settings_path();

    if (path && !settings_read(path, settings, err))
        memset(settings, 0, sizeof *settings); /* reported when they are needed */
    free(path);
}

static int run(struct cli *cli, const struct global *g, int argc, char **argv)
{
    const struct command *c;

    if (argc < 2 && g->help)
        return help_overview(cli);
    if (argc < 2) {
        help_overview(cli);
        return EXIT_USAGE;
    }
    if (argv[1][0] == '-')
        return cli_usage(cli, _("unknown option \"%s\""), argv[1]);
    c = help_find(argv[1]);
    if (!c)
        return help_unknown(cli, argv[1]);
    if (g->help)
        return help_command(cli, c);
    return (record_verb(argv[1], argv[2]) ? cmd_record : c->run)(cli, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    struct global g = {0};
    struct cli cli = {.output = OUT_TABLE, .label = names_label};
    const char *wrong, *word = take_globals(&argc, argv, &g, &wrong);
    int code;

    keep_standard_files();
    catch_signals();
    arena_init(&cli.arena, CLI_ARENA);
    arena_init(&cli.scratch, CLI_ARENA);
    read_settings(&cli.settings);
    cli.lang = choose_lang(&g, &cli.settings);
    set_lang(cli.lang);
    code = word ? cli_usage(&cli, gettext(wrong), word) : apply(&cli, &g);
    if (!code)
        code = run(&cli, &g, argc, argv);
    labels_free(&cli);
    names_free(&cli);
    qipan_free(cli.lookup);
    qipan_free(cli.q);
    settings_free(&cli.settings);
    arena_free(&cli.arena);
    arena_free(&cli.scratch);
    return code;
}
