/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "log.h"
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, INT };
enum reload { LIVE, START };

static const struct option {
    const char *name;
    enum kind kind;
    const char *value; /* default */
    enum reload reload;
    const char *help;
    size_t offset;
} options[] = {
#define OPTION(name, kind, value, reload, help)                                                              \
    {#name, kind, value, reload, help, offsetof(struct config, name)},
#include "options.def"
#undef OPTION
};

#define OPTIONS (sizeof options / sizeof options[0])

static char **text_of(struct config *c, const struct option *o)
{
    return (char **)((char *)c + o->offset);
}

static int *int_of(struct config *c, const struct option *o)
{
    return (int *)((char *)c + o->offset);
}

static bool parse_int(const char *value, int *ret)
{
    char *end;
    errno = 0;
    long n = strtol(value, &end, 10);
    if (errno || *end || end == value || n < 1 || n > INT_MAX)
        return false;
    *ret = (int)n;
    return true;
}

static bool assign(struct config *c, const struct option *o, const char *value)
{
    if (o->kind == INT)
        return parse_int(value, int_of(c, o));
    char *copy = strdup(value);
    if (!copy)
        return false;
    free(*text_of(c, o));
    *text_of(c, o) = copy;
    return true;
}

struct reader {
    struct config *config;
    char *err;
};

static int take_line(void *arg, const char *section, const char *name, const char *value)
{
    struct reader *r = arg;
    if (r->err[0])
        return 1;
    if (strcmp(section, "qipand") != 0) {
        snprintf(r->err, CONFIG_ERR_SIZE, "unknown section [%.60s]; the only one is [qipand]", section);
        return 1;
    }
    for (size_t i = 0; i < OPTIONS; i++) {
        if (strcmp(options[i].name, name) != 0)
            continue;
        if (!assign(r->config, &options[i], value))
            snprintf(r->err, CONFIG_ERR_SIZE,
                     options[i].kind == INT ? "%s = %.60s: a whole number from 1 is needed"
                                            : "%s = %.60s: out of memory",
                     name, value);
        return 1;
    }
    snprintf(r->err, CONFIG_ERR_SIZE, "unknown option %.60s; qipand --help lists them", name);
    return 1;
}

static const char *lacking(const struct config *c)
{
    if (!c->ca[0])
        return "ca";
    if (!c->cert[0])
        return "cert";
    return c->key[0] ? NULL : "key";
}

bool config_load(const char *path, struct config *ret_config, char err[CONFIG_ERR_SIZE])
{
    struct config c = {0};
    struct reader reader = {&c, err};
    enum log_level level;
    err[0] = '\0';
    for (size_t i = 0; i < OPTIONS; i++)
        if (!assign(&c, &options[i], options[i].value))
            snprintf(err, CONFIG_ERR_SIZE, "out of memory");
    int line = err[0] ? 0 : ini_parse(path, take_line, &reader);
    if (line < 0)
        snprintf(err, CONFIG_ERR_SIZE, "cannot read %.150s: %s", path, strerror(errno));
    else if (line > 0 && !err[0])
        snprintf(err, CONFIG_ERR_SIZE, "line %d is neither a section nor name = value", line);
    else if (!err[0] && lacking(&c))
        snprintf(err, CONFIG_ERR_SIZE, "option %s is missing", lacking(&c));
    else if (!err[0] && !log_level_parse(c.log_level, &level))
        snprintf(err, CONFIG_ERR_SIZE, "log_level = %.60s: debug, info, warn or error", c.log_level);
    if (err[0]) {
        config_free(&c);
        return false;
    }
    *ret_config = c;
    return true;
}

void config_free(struct config *c)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        if (options[i].kind == TEXT) {
            free(*text_of(c, &options[i]));
            *text_of(c, &options[i]) = NULL;
        }
    }
}

static bool same(struct config *a, struct config *b, const struct option *o)
{
    return o->kind == INT ? *int_of(a, o) == *int_of(b, o) : strcmp(*text_of(a, o), *text_of(b, o)) == 0;
}

void config_reload(struct config *c, struct config *from)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *o = &options[i];
        if (same(c, from, o))
            continue;
        if (o->reload == START) {
            log_warn("config", "%s changed: it takes effect at the next start", o->name);
        } else if (o->kind == INT) {
            *int_of(c, o) = *int_of(from, o);
        } else {
            char *old = *text_of(c, o);
            *text_of(c, o) = *text_of(from, o);
            *text_of(from, o) = old;
        }
    }
    config_free(from);
}

void config_help(FILE *to)
{
    for (size_t i = 0; i < OPTIONS; i++)
        fprintf(to, "  %-16s %s\n  %-16s default: %s%s\n", options[i].name, options[i].help, "",
                options[i].value[0] ? options[i].value : "(empty)",
                options[i].reload == LIVE ? "; SIGHUP" : "");
}
