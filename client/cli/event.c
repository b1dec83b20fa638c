/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

#include "json.h"
#include "labels.h"

#include <string.h>
#include <time.h>

static const char *value_shown(struct cli *cli, const ProtobufCFieldDescriptor *f, const char *text)
{
    const char *kind = f ? labels_kind(f->name) : NULL;

    if (!text)
        return _("(empty)");
    if (kind)
        text = labels_text(cli, kind, text);
    else if (f)
        text = value_people_text(f, text, NULL, cli->lang, &cli->scratch);
    return cli_safe(&cli->scratch, text);
}

/* Projects and firms have theirs in one list; these few are of receipts and deadlines. */
static const char *field_label(struct cli *cli, const Qipan__Event *e, const ProtobufCFieldDescriptor *f)
{
    static const struct {
        const char *field, *label;
    } own[] = {
        {"of_rev", N_("Revision")}, {"due_at", N_("Due")}, {"text", N_("Text")}, {"state", N_("State")}};

    for (size_t i = 0; i < sizeof own / sizeof *own && strcmp(e->kind, "project") != 0; i++)
        if (strcmp(own[i].field, f->name) == 0)
            return gettext(own[i].label);
    return value_label(f->name, cli->lang);
}

static void print_change(struct cli *cli, const Qipan__Event *e, const Qipan__FieldChange *c, bool first)
{
    const ProtobufCFieldDescriptor *f = json_event_field(e, c->number);
    const char *name = f ? field_label(cli, e, f) : "?";

    fputs(first ? "  " : _("; "), stdout);
    if (c->masked)
        printf(_("%s changed (not shown)"), name);
    else if (c->old)
        printf("%s %s → %s", name, value_shown(cli, f, c->old), value_shown(cli, f, c->new_));
    else
        printf("%s %s", name, value_shown(cli, f, c->new_));
}

/* Of a new object the fields that say most; the rest is a `project show` away. */
static bool telling(const Qipan__Event *e, const ProtobufCFieldDescriptor *f)
{
    static const char *const names[] = {"stage",  "investor", "office", "amount_total", "industry", "park",
                                        "due_at", "of_rev",   NULL};

    if (f && strcmp(e->kind, "receipt") == 0)
        return strcmp(f->name, "of_rev") == 0;

    for (size_t i = 0; f && names[i]; i++)
        if (strcmp(names[i], f->name) == 0)
            return true;
    return false;
}

static bool is_new(const Qipan__Event *e)
{
    return e->has_version && e->version == 1;
}

static void print_changes(struct cli *cli, const Qipan__Event *e)
{
    bool first = true;

    for (size_t i = 0; i < e->n_changes; i++) {
        if (is_new(e) && !telling(e, json_event_field(e, e->changes[i]->number)))
            continue;
        print_change(cli, e, e->changes[i], first);
        first = false;
    }
}

static const char *verb(const Qipan__Event *e)
{
    static const struct {
        const char *type, *verb;
    } verbs[] = {{"import.summary", N_("import")},
                 {"receipt.signed", N_("signed")},
                 {"deadline.set", N_("deadline set")},
                 {"deadline.changed", N_("deadline changed")},
                 {"deadline.cleared", N_("deadline cleared")},
                 {"deadline.fired", N_("deadline passed")}};

    if (e->view && strcmp(e->view, "leave") == 0)
        return _("left view");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (e->type && strcmp(e->type, verbs[i].type) == 0)
            return gettext(verbs[i].verb);
    if (is_new(e))
        return _("new");
    return e->view && strcmp(e->view, "enter") == 0 ? _("came into view") : _("changed");
}

void event_print(struct cli *cli, const Qipan__Event *e, const char *title)
{
    time_t t = (time_t)(e->at / 1000000);
    struct tm tm;
    char when[32];

    localtime_r(&t, &tm);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    printf("%s%s%s  %s %s  %s  %s%s%s", cli->color ? "\033[2m" : "", e->has_at ? when : "",
           cli->color ? "\033[0m" : "",
           e->office ? cli_safe(&cli->scratch, labels_text(cli, "office", e->office)) : "",
           cli_safe(&cli->scratch, e->actor), verb(e), cli->color ? "\033[1m" : "",
           cli_safe(&cli->scratch, title ? title : e->object), cli->color ? "\033[0m" : "");
    print_changes(cli, e);
    if (e->reason && *e->reason)
        printf(_("  (%s)"), cli_safe(&cli->scratch, e->reason));
    putchar('\n');
    cli_scratch_over(cli);
}

const char *event_title(struct cli *cli, const Qipan__Event *e)
{
    const char *no = NULL, *name = NULL;
    char text[400];

    for (size_t i = 0; i < e->n_row; i++) {
        const ProtobufCFieldDescriptor *f = json_event_field(e, e->row[i]->number);

        if (f && strcmp(f->name, "no") == 0)
            no = e->row[i]->value;
        if (f &&
            (strcmp(f->name, "name") == 0 || (strcmp(f->name, "text") == 0 && strcmp(e->kind, "due") == 0)))
            name = e->row[i]->value;
    }
    if (!no && !name)
        return NULL;
    snprintf(text, sizeof text, "%s%s%s", no ? no : "", no && name ? " " : "", name ? name : "");
    return arena_strdup(&cli->scratch, text);
}
