/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "renewal.h"

#include "address.h"
#include "json.h"
#include "utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

volatile sig_atomic_t cli_signal;

static int signal_code(void)
{
    return cli_signal == SIGTERM ? EXIT_SIGTERM : EXIT_SIGINT;
}

/* ---------------------------------------------------------------- reports */

/* Most texts are: they cost one copy. */
static bool is_safe(const char *text)
{
    const uint8_t *s = (const uint8_t *)text, *end = s + strlen(text);

    if (!utf8_valid(s, (size_t)(end - s)))
        return false;
    while (s < end)
        if (!utf8_is_safe(utf8_next(&s, end)))
            return false;
    return true;
}

/* Without memory a report still says something: so many texts of one line at once. */
static const char *last_resort(const char *text)
{
    static char shown[8][512];
    static unsigned next;
    char *one = shown[next++ % 8];

    utf8_show(one, sizeof *shown, text ? text : "");
    return one;
}

const char *cli_safe(struct arena *arena, const char *text)
{
    char *copy = arena_strdup(arena, text ? text : ""), *shown;
    size_t size;

    if (!copy)
        return last_resort(text);
    for (char *at = copy; (at = strpbrk(at, "\t\n"));)
        *at = ' ';
    if (is_safe(copy))
        return copy;
    size = strlen(copy) * UTF8_SHOWN + 1;
    shown = arena_alloc(arena, size);
    if (shown)
        utf8_show(shown, size, copy);
    return shown ? shown : last_resort(text);
}

static void print_json_error(json_t *error, const char *request)
{
    json_t *whole = json_object();
    char *line;

    if (error && request && *request)
        json_object_set_new(error, "request", json_string(request));
    if (!error || json_object_set_new(whole, "error", error) != 0) {
        json_decref(whole);
        whole = NULL;
    }
    line = json_line(whole);
    fprintf(stderr, "%s\n", line ? line : "{\"error\":{\"code\":\"INTERNAL\"}}");
    free(line);
}

static const char *shown_value(struct cli *cli, const char *field, const char *canonical)
{
    const ProtobufCMessageDescriptor *desc = cli->record ? cli->record : &qipan__project__descriptor;
    const ProtobufCFieldDescriptor *f = field ? value_field(desc, field) : NULL;
    const char *label = canonical && f && cli->label ? cli->label(cli, f->name, canonical) : NULL;
    const char *text = label            ? label
                       : canonical && f ? value_people_text(f, canonical, NULL, cli->lang, &cli->arena)
                                        : canonical;

    return text ? cli_safe(&cli->arena, text) : _("(empty)");
}

const char *cli_local_time(struct arena *arena, int64_t at)
{
    time_t t = (time_t)(at / 1000000);
    struct tm tm;
    char text[32];

    localtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    return arena_strdup(arena, text);
}

static const char *field_label(struct cli *cli, const char *field)
{
    const char *label = cli->record && cli->label ? cli->label(cli, "field", field) : NULL;

    return cli_safe(&cli->arena, label ? label : value_label(field, cli->lang));
}

static void print_clash(struct cli *cli, const Qipan__Clash *c)
{
    const char *name = c->by && cli->label ? cli->label(cli, "actor", c->by) : NULL;

    fprintf(stderr, _("  %s: it was %s; %s set it to %s on %s; yours: %s\n"),
            c->field ? field_label(cli, c->field) : "?", shown_value(cli, c->field, c->base_value),
            c->by ? cli_safe(&cli->arena, name ? name : c->by) : "?", shown_value(cli, c->field, c->theirs),
            c->has_at ? cli_local_time(&cli->arena, c->at) : "?", shown_value(cli, c->field, c->yours));
}

static void print_allowed(struct cli *cli, const Qipan__Error *e)
{
    if (e->n_allowed == 0)
        return;
    fprintf(stderr, "%s", _("  allowed:"));
    for (size_t i = 0; i < e->n_allowed; i++) {
        const char *label = e->field && cli->label ? cli->label(cli, e->field, e->allowed[i]) : NULL;

        fprintf(stderr, " %s", cli_safe(&cli->arena, e->allowed[i]));
        if (label && strcmp(label, e->allowed[i]) != 0)
            fprintf(stderr, "(%s)", cli_safe(&cli->arena, label));
    }
    fputc('\n', stderr);
}

/* A hint that only lists what is allowed says nothing new. */
static bool hint_needed(const Qipan__Error *e)
{
    if (!e->hint || !*e->hint)
        return false;
    for (size_t i = 0; i < e->n_allowed; i++)
        if (!strstr(e->hint, e->allowed[i]))
            return true;
    return e->n_allowed == 0;
}

static void print_text_error(struct cli *cli, const Qipan__Error *e, const char *code)
{
    fprintf(stderr, "qipan: %s [%s]", cli_safe(&cli->arena, e->message ? e->message : code),
            cli_safe(&cli->arena, code));
    if (e->field && *e->field)
        fprintf(stderr, " %s", cli_safe(&cli->arena, e->field));
    fputc('\n', stderr);
    for (size_t i = 0; i < e->n_fields; i++)
        print_clash(cli, e->fields[i]);
    if (e->other_no)
        fprintf(stderr, _("  registered: %s by %s on %s\n"), cli_safe(&cli->arena, e->other_no),
                e->other_office ? cli_safe(&cli->arena, e->other_office) : "?",
                e->has_at ? cli_local_time(&cli->arena, e->at) : "?");
    print_allowed(cli, e);
    if (hint_needed(e))
        fprintf(stderr, _("  hint: %s\n"), cli_safe(&cli->arena, e->hint));
}

/* What to do now, where the daemon said nothing about it. */
static char *default_hint(const char *code)
{
    static const struct {
        const char *code, *hint;
    } hints[] = {
        {"UNAVAILABLE", N_("check the address in the settings and the network, then try again")},
        {"BUSY", N_("try again in a moment")},
        {"STORAGE_FULL",
         N_("nothing was written; tell who runs the registry, and do the same again when there is room")},
        {"UNAUTHENTICATED", N_("check certificate and key of this context, or ask the system administrator")},
        {"CERT_REVOKED", N_("ask the system administrator for a new certificate")},
        {"CONFLICT",
         N_("look at the present values (show), then edit again, or insist with --force --reason")},
        {"KEY_REUSED", N_("leave --request out, or use a new one")},
        {"DEADLINE_EXCEEDED", N_("try again in a moment")},
    };

    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (strcmp(hints[i].code, code) == 0)
            return gettext(hints[i].hint);
    return NULL;
}

static char *unknown_hint(struct cli *cli, const char *request)
{
    char text[256];

    snprintf(text, sizeof text, _("ask again with --request %s, or look at it with: qipan receipt show %s"),
             request, request);
    return arena_strdup(&cli->arena, text);
}

int cli_error(struct cli *cli, const Qipan__Error *error, const char *request)
{
    Qipan__Error e = *error;
    const char *code = e.code ? e.code : "INTERNAL";

    if (!e.hint || !*e.hint)
        e.hint = strcmp(code, "UNKNOWN") == 0 && request && *request ? unknown_hint(cli, request)
                                                                     : default_hint(code);
    fflush(stdout);
    if (cli_json(cli))
        print_json_error(json_of_error(&e), request);
    else
        print_text_error(cli, &e, code);
    return error_info(code)->exit_code;
}

static void say(const struct cli *cli, char ret[1024], const char *format, va_list args)
{
    int n = cli->place ? snprintf(ret, 1024, "%.400s: ", cli->place) : 0;

    vsnprintf(ret + n, (size_t)(1024 - n), format, args);
}

int cli_fail(struct cli *cli, const char *code, const char *field, const char *hint, const char *format, ...)
{
    Qipan__Error e = QIPAN__ERROR__INIT;
    char text[1024];
    va_list args;

    va_start(args, format);
    say(cli, text, format, args);
    va_end(args);
    e.code = (char *)code;
    e.field = (char *)field;
    e.hint = (char *)hint;
    e.message = text;
    return cli_error(cli, &e, NULL);
}

int cli_no_memory(struct cli *cli)
{
    cli->arena.refused = false; /* said */
    return cli_fail(cli, "INTERNAL", NULL, NULL, "%s", _("no memory"));
}

int cli_invalid(struct cli *cli, const char *field, const struct value_error *error)
{
    return cli_fail(cli, "INVALID_ARGUMENT", field, error->hint, "%s", error->message);
}

static int usage_error(struct cli *cli, const char *text, const char *hint)
{
    fflush(stdout);
    if (cli_json(cli)) {
        print_json_error(json_pack("{s:s,s:s,s:s?}", "code", "USAGE", "message", text, "hint", hint), NULL);
        return EXIT_USAGE;
    }
    fprintf(stderr, "qipan: %s\n", cli_safe(&cli->arena, text));
    if (hint)
        fprintf(stderr, _("  hint: %s\n"), cli_safe(&cli->arena, hint));
    return EXIT_USAGE;
}

static const char *form(const struct cli *cli)
{
    return cli->form ? cli->form : _("see: qipan help");
}

int cli_usage(struct cli *cli, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    say(cli, text, format, args);
    va_end(args);
    return usage_error(cli, text, form(cli));
}

int cli_unknown(struct cli *cli, const char *what, const char *word, const char *const *words)
{
    const char *near = value_nearest(word, words);
    char text[512], hint[1000];

    snprintf(text, sizeof text, _("unknown %s \"%.100s\""), gettext(what), word);
    if (near)
        snprintf(hint, sizeof hint, _("did you mean \"%s\"?"), near);
    else
        snprintf(hint, sizeof hint, "%s", form(cli));
    return usage_error(cli, text, hint);
}

void cli_warn(const char *format, ...)
{
    char text[1024], shown[4096];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    utf8_show(shown, sizeof shown, text);
    fflush(stdout);
    fprintf(stderr, "qipan: %s\n", shown);
}

void cli_scratch_over(struct cli *cli)
{
    cli->arena.refused |= cli->scratch.refused;
    arena_free(&cli->scratch);
    arena_init(&cli->scratch, CLI_ARENA);
}

int cli_flush(struct cli *cli)
{
    if (cli->arena.refused || cli->scratch.refused) {
        cli->arena.refused = cli->scratch.refused = false; /* said once */
        return cli_fail(cli, "INTERNAL", NULL, NULL, "%s", _("no memory: the output is not whole"));
    }
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    if (errno == EPIPE)
        return 0;
    return cli_fail(cli, "INTERNAL", NULL, NULL, "%s: %s", _("can't write the output"), strerror(errno));
}

/* ---------------------------------------------------------------- words and options */

int cli_subcommand(struct cli *cli, int argc, char **argv, const char *const *words, int *ret_index)
{
    if (argc < 2)
        return cli_usage(cli, _("\"%s\" needs a second word; try: qipan help %s"), argv[0], argv[0]);
    for (int i = 0; words[i]; i++) {
        if (strcmp(argv[1], words[i]) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    return cli_unknown(cli, N_("command"), argv[1], words);
}

static int unknown_option(struct cli *cli, const char *word, const struct cli_option *table)
{
    const char *names[64] = {NULL};

    for (size_t i = 0; table[i].name && i < 63; i++)
        names[i] = table[i].name;
    return cli_unknown(cli, N_("option"), word, names);
}

/* Length of the option's name in the word; 0 when it is another. */
static size_t matches(const char *word, const char *name)
{
    size_t n = strlen(name);

    if (strncmp(word, name, n) != 0)
        return 0;
    return word[n] == '\0' || (word[n] == '=' && name[1] == '-') ? n : 0;
}

/* Several conditions must all hold; most other options stand once. */
static int take_text(struct cli *cli, const struct cli_option *o, const char *text)
{
    const char *before = *o->value;
    size_t n = before ? strlen(before) + strlen(text) + 2 : 0;
    bool filter = strcmp(o->name, "--filter") == 0;
    char *both;

    *o->value = text;
    if (!before)
        return 0;
    if (!filter && !o->set)
        return cli_usage(cli, _("%s is given twice"), o->name);
    both = arena_alloc(&cli->arena, n);
    if (!both)
        return cli_no_memory(cli);
    snprintf(both, n, "%s%c%s", before, filter ? ' ' : '\n', text);
    *o->value = both;
    return 0;
}

static int take_option(struct cli *cli, int argc, char **argv, int *at, const struct cli_option *o, size_t n)
{
    const char *word = argv[*at];

    if (!o->value && word[n])
        return cli_usage(cli, _("%s takes no value"), o->name);
    if (!o->value && *o->set)
        return cli_usage(cli, _("%s is given twice"), o->name);
    if (o->set)
        *o->set = true;
    if (!o->value)
        return 0;
    if (word[n])
        return take_text(cli, o, word + n + 1);
    if (*at + 1 >= argc)
        return cli_usage(cli, _("%s needs a value"), o->name);
    return take_text(cli, o, argv[++*at]);
}

int cli_options(struct cli *cli, int argc, char **argv, const struct cli_option *table, int *ret_n)
{
    int n = 0;
    bool over = false;

    for (int i = 1; i < argc; i++) {
        const struct cli_option *o = table;
        size_t length = 0;
        int code;

        if (over || argv[i][0] != '-' || argv[i][1] == '\0') {
            argv[++n] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            over = true;
            continue;
        }
        while (o->name && !(length = matches(argv[i], o->name)))
            o++;
        code = o->name ? take_option(cli, argc, argv, &i, o, length) : unknown_option(cli, argv[i], table);
        if (code)
            return code;
    }
    *ret_n = n;
    return 0;
}

/* ---------------------------------------------------------------- connection */

static struct qipan *open_link(struct cli *cli, char why[QIPAN_WHY_SIZE])
{
    const struct settings_context *c = cli->context;
    struct qipan_settings s = {.addresses = c->address,
                               .ca = c->ca,
                               .cert = c->cert,
                               .key = c->key,
                               .crl = c->crl,
                               .client = "qipan/" QIPAN_VERSION,
                               .lang = cli->lang};

    return qipan_open(&s, why);
}

int cli_choose(struct cli *cli)
{
    char err[SETTINGS_ERR_SIZE], bad[64], *path;
    struct addresses addresses;

    if (!cli->settings.path) {
        path = settings_path();
        if (!path || !settings_read(path, &cli->settings, err)) {
            free(path);
            return usage_error(cli, path ? err : _("no settings file"),
                               _("QIPAN_CONFIG names the settings file"));
        }
        free(path);
    }
    cli->context = settings_choose(&cli->settings, cli->context_name, err);
    if (!cli->context)
        return usage_error(cli, err, NULL);
    if (!addresses_parse(&addresses, cli->context->address ? cli->context->address : "", bad, sizeof bad)) {
        snprintf(err, sizeof err, _("%s: not an address: \"%s\""), cli->settings.path, bad);
        return usage_error(cli, err, _("write HOST or HOST:PORT"));
    }
    return 0;
}

/* One line, for people: programs read JSON from stderr. */
static void warn_of_expiry(struct cli *cli)
{
    int64_t seconds;

    if (!cli_json(cli) && cli->context->cert && renewal_ends_in(cli->context->cert, &seconds) &&
        seconds >= 0 && seconds < CLI_CERT_WARN_S)
        cli_warn(_("your certificate ends in %d days; renew it with: qipan cert renew"),
                 (int)(seconds / (24 * 3600)));
}

int cli_connect(struct cli *cli)
{
    char why[QIPAN_WHY_SIZE];
    int code;

    if (cli->q)
        return 0;
    if ((code = cli_choose(cli)))
        return code;
    cli->q = open_link(cli, why);
    if (!cli->q)
        return cli_fail(cli, "UNAUTHENTICATED", NULL, NULL, "%s", why);
    warn_of_expiry(cli);
    return 0;
}

struct qipan *cli_lookup(struct cli *cli)
{
    char why[QIPAN_WHY_SIZE];

    if (!cli->q || !qipan_inside(cli->q))
        return cli->q;
    if (!cli->lookup)
        cli->lookup = open_link(cli, why);
    return cli->lookup;
}

int cli_interrupted(struct cli *cli, const char *request)
{
    if (request && *request)
        cli_warn(_("interrupted; ask what became of it with: qipan receipt show %s"),
                 cli_safe(&cli->arena, request));
    return signal_code();
}

int cli_call(struct cli *cli, unsigned op, const ProtobufCMessage *request,
             const struct qipan_call_options *options, struct qipan_result *ret)
{
    enum qipan_outcome outcome;
    int code = cli_connect(cli);

    if (code)
        return code;
    do
        outcome = qipan_call_wait(cli->q, op, request, options, ret);
    while (outcome == QIPAN_INTERRUPTED && !cli_signal);
    if (outcome == QIPAN_DONE)
        return 0;
    if (outcome == QIPAN_INTERRUPTED)
        code = cli_interrupted(cli, ret->request);
    else
        code = cli_error(cli, ret->error, ret->request);
    qipan_result_free(ret);
    return code;
}

int cli_run(struct cli *cli, const bool *done)
{
    while (!*done) {
        if (cli_signal)
            return signal_code();
        qipan_wait(cli->q, done, CLI_SLICE_MS);
    }
    return 0;
}

/* ---------------------------------------------------------------- values */

static int unknown_field(struct cli *cli, const ProtobufCMessageDescriptor *desc, const char *name)
{
    const char *near = value_nearest_field(desc, name, true);
    char hint[200] = "";

    if (near)
        snprintf(hint, sizeof hint, _("did you mean \"%s\"?"), near);
    return cli_fail(cli, "INVALID_ARGUMENT", name, hint, _("unknown field \"%s\""), name);
}

static int set_value(struct cli *cli, struct cli_values *v, const ProtobufCFieldDescriptor *f,
                     const char *text)
{
    struct value_error error;
    int code = 0;

    if (!*text && v->clear) {
        v->clear[v->n_clear++] = (char *)f->name;
        return 0;
    }
    if (v->resolve && (code = v->resolve(cli, f->name, text, &text)))
        return code;
    return value_set(v->set, f, text, NULL, &cli->arena, &error) ? 0 : cli_invalid(cli, f->name, &error);
}

int cli_take_value(struct cli *cli, struct cli_values *v, const char *word)
{
    const ProtobufCMessageDescriptor *desc = v->set->descriptor;
    const char *equal = strchr(word, '=');
    char *name = equal ? arena_strndup(&cli->arena, word, (size_t)(equal - word)) : NULL;
    const ProtobufCFieldDescriptor *f;

    if (!v->seen)
        v->seen = arena_zalloc(&cli->arena, desc->n_fields * sizeof *v->seen);
    if (!v->seen || (equal && !name))
        return cli_no_memory(cli);
    if (!name)
        return cli_usage(cli, _("expected FIELD=VALUE, not \"%s\""), word);
    f = value_field(desc, name);
    if (!f)
        return unknown_field(cli, desc, name);
    /* of a park `no` is what its people set; the registry knows */
    if (!value_writable(f) && (desc == &qipan__project__descriptor || strcmp(f->name, "no") != 0))
        return cli_fail(cli, "INVALID_ARGUMENT", f->name, NULL, _("the registry itself sets \"%s\""),
                        f->name);
    if (v->seen[f - desc->fields])
        return cli_fail(cli, "INVALID_ARGUMENT", f->name, NULL, _("%s is given twice"), f->name);
    v->seen[f - desc->fields] = true;
    return set_value(cli, v, f, equal + 1);
}
