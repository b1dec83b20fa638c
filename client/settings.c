/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <errno.h>
#include <ini.h>
#include <libintl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define _(text) dgettext("qipan", text)

struct reading {
    struct settings *settings;
    char *folder; /* of the file, with the slash */
    char *err;
    bool bad;
};

static char *join(const char *a, const char *b)
{
    size_t n = strlen(a) + strlen(b) + 1;
    char *text = malloc(n);

    if (text)
        snprintf(text, n, "%s%s", a, b);
    return text;
}

char *settings_path(void)
{
    const char *given = getenv("QIPAN_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    if (given && *given)
        return strdup(given);
    if (xdg && *xdg)
        return join(xdg, "/qipan/qipan.ini");
    return home && *home ? join(home, "/.config/qipan/qipan.ini") : NULL;
}

static struct settings_context *find_or_add(struct settings *c, const char *name)
{
    struct settings_context *grown;

    for (size_t i = 0; i < c->n_contexts; i++)
        if (strcmp(c->contexts[i].name, name) == 0)
            return &c->contexts[i];
    if (c->n_contexts == SETTINGS_MAX_CONTEXTS)
        return NULL;
    grown = realloc(c->contexts, (c->n_contexts + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    c->contexts = grown;
    grown = &c->contexts[c->n_contexts];
    memset(grown, 0, sizeof *grown);
    grown->name = strdup(name);
    if (!grown->name)
        return NULL;
    c->n_contexts++;
    return grown;
}

static bool keep(char **where, const char *folder, const char *value)
{
    char *text = folder && *value != '/' ? join(folder, value) : strdup(value);

    if (!text)
        return false;
    free(*where);
    *where = text;
    return true;
}

static int refuse(struct reading *r, const char *format, const char *word)
{
    if (!r->bad)
        snprintf(r->err, SETTINGS_ERR_SIZE, format, word);
    r->bad = true;
    return 0;
}

static int context_key(struct reading *r, const char *section, const char *key, const char *value)
{
    struct settings_context *ctx = find_or_add(r->settings, section + strspn(section, " "));

    if (!ctx)
        return refuse(r, _("too many contexts, at \"%s\""), section);
    if (strcmp(key, "address") == 0)
        return keep(&ctx->address, NULL, value);
    if (strcmp(key, "ca") == 0)
        return keep(&ctx->ca, r->folder, value);
    if (strcmp(key, "cert") == 0)
        return keep(&ctx->cert, r->folder, value);
    if (strcmp(key, "key") == 0)
        return keep(&ctx->key, r->folder, value);
    if (strcmp(key, "crl") == 0)
        return keep(&ctx->crl, r->folder, value);
    return refuse(r, _("unknown key \"%s\" (known: address ca cert key crl)"), key);
}

static int on_key(void *user, const char *section, const char *key, const char *value)
{
    struct reading *r = user;

    if (strncmp(section, "context ", 8) == 0)
        return context_key(r, section + 8, key, value);
    if (strcmp(section, "client") != 0)
        return refuse(r, _("unknown section [%s] (known: client, context NAME)"), section);
    if (strcmp(key, "default_context") == 0)
        return keep(&r->settings->default_context, NULL, value);
    if (strcmp(key, "lang") == 0)
        return keep(&r->settings->lang, NULL, value);
    return refuse(r, _("unknown key \"%s\" (known: default_context lang)"), key);
}

static bool complete(const struct settings *c, char err[SETTINGS_ERR_SIZE])
{
    for (size_t i = 0; i < c->n_contexts; i++) {
        const struct settings_context *x = &c->contexts[i];

        if (x->address && x->ca && x->cert && x->key)
            continue;
        snprintf(err, SETTINGS_ERR_SIZE, _("%s: context \"%s\" needs address, ca, cert and key"), c->path,
                 x->name);
        return false;
    }
    if (c->n_contexts == 0)
        snprintf(err, SETTINGS_ERR_SIZE, _("%s: has no context"), c->path);
    return c->n_contexts > 0;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
}

bool settings_read(const char *path, struct settings *ret_settings, char err[SETTINGS_ERR_SIZE])
{
    struct settings c = {.path = strdup(path)};
    char why[SETTINGS_ERR_SIZE] = "";
    struct reading r = {.settings = &c, .folder = folder_of(path), .err = why};
    int line = -1;
    bool good = false;

    if (c.path && r.folder) {
        errno = 0;
        line = ini_parse(path, on_key, &r);
        if (line == -1)
            snprintf(err, SETTINGS_ERR_SIZE, "%s: %s", path, strerror(errno ? errno : ENOENT));
        else if (line != 0)
            snprintf(err, SETTINGS_ERR_SIZE, _("%s, line %d: %s"), path, line,
                     *why ? why : _("not a setting"));
        else
            good = complete(&c, err);
    } else {
        snprintf(err, SETTINGS_ERR_SIZE, "%s", strerror(ENOMEM));
    }
    free(r.folder);
    if (good)
        *ret_settings = c;
    else
        settings_free(&c);
    return good;
}

void settings_free(struct settings *c)
{
    for (size_t i = 0; i < c->n_contexts; i++) {
        struct settings_context *x = &c->contexts[i];

        free(x->name);
        free(x->address);
        free(x->ca);
        free(x->cert);
        free(x->key);
        free(x->crl);
    }
    free(c->contexts);
    free(c->path);
    free(c->default_context);
    free(c->lang);
    memset(c, 0, sizeof *c);
}

static void name_all(const struct settings *c, char *text, size_t size)
{
    size_t at = 0;

    *text = '\0';
    for (size_t i = 0; i < c->n_contexts && at < size; i++) {
        int n = snprintf(text + at, size - at, "%s%s", i ? " " : "", c->contexts[i].name);

        at += n > 0 ? (size_t)n : 0;
    }
}

const struct settings_context *settings_choose(const struct settings *c, const char *name,
                                               char err[SETTINGS_ERR_SIZE])
{
    char known[300];

    if (!name)
        name = c->default_context;
    if (!name && c->n_contexts == 1)
        return &c->contexts[0];
    for (size_t i = 0; name && i < c->n_contexts; i++)
        if (strcmp(c->contexts[i].name, name) == 0)
            return &c->contexts[i];
    name_all(c, known, sizeof known);
    if (name)
        snprintf(err, SETTINGS_ERR_SIZE, _("no context \"%.60s\" in the settings; there is: %s"), name,
                 known);
    else
        snprintf(err, SETTINGS_ERR_SIZE, _("say which context with --context or QIPAN_CONTEXT; there is: %s"),
                 known);
    return NULL;
}
