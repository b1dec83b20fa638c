/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

#include "json.h"
#include "labels.h"
#include "names.h"

#include <string.h>
#include <time.h>

static const char *value_shown(struct cli *cli, const Qipan__Event *e, const ProtobufCFieldDescriptor *f,
                               const char *text)
{
    bool record = f && labels_is_record(e->kind);
    const char *kind = f && !record ? labels_kind(f->name) : NULL;
    const char *label = !text    ? NULL
                        : record ? labels_record_code(cli, e->kind, f->name, text)
                        : kind   ? labels_text(cli, kind, text)
                                 : NULL;

    if (!text)
        return _("(empty)");
    if (record && !label && names_field(NULL, f->name))
        label = names_text(cli, text);
    if (label)
        text = label;
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

    if (labels_is_record(e->kind))
        return cli_safe(&cli->scratch, labels_record_field(cli, e->kind, f->name));
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
        printf("%s %s → %s", name, value_shown(cli, e, f, c->old), value_shown(cli, e, f, c->new_));
    else
        printf("%s %s", name, value_shown(cli, e, f, c->new_));
}

/* Of a new object the fields that say most; the rest is a `project show` away. */
static bool telling(const Qipan__Event *e, const ProtobufCFieldDescriptor *f)
{
    static const char *const names[] = {"stage",  "investor", "office", "amount_total", "industry", "park",
                                        "due_at", "of_rev",   NULL};

    if (f && strcmp(e->kind, "receipt") == 0)
        return strcmp(f->name, "of_rev") == 0;
    if (f && labels_is_record(e->kind) &&
        (value_kind(f) == VALUE_DATE || value_kind(f) == VALUE_MONEY || strcmp(f->name, "class") == 0 ||
         strcmp(f->name, "state") == 0))
        return true;
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
        if (is_new(e) && e->n_changes > 1 && !telling(e, json_event_field(e, e->changes[i]->number)))
            continue;
        print_change(cli, e, e->changes[i], first);
        first = false;
    }
}

/* "matter.closed": what people call the state. */
static const char *state_verb(struct cli *cli, const Qipan__Event *e)
{
    const char *state = e->type ? strchr(e->type, '.') : NULL;
    const char *label = state && e->kind && labels_is_record(e->kind)
                            ? labels_record_code(cli, e->kind, "state", state + 1)
                            : NULL;

    return label ? cli_safe(&cli->scratch, label) : NULL;
}

static const char *verb(struct cli *cli, const Qipan__Event *e)
{
    static const struct {
        const char *type, *verb;
    } verbs[] = {{"import.summary", N_("import")},
                 {"receipt.signed", N_("signed")},
                 {"deadline.set", N_("deadline set")},
                 {"deadline.changed", N_("deadline changed")},
                 {"deadline.cleared", N_("deadline cleared")},
                 {"deadline.fired", N_("deadline passed")},
                 {"matter.reminded", N_("reminder")},
                 {"matter.overdue", N_("overdue")}};

    const char *state;

    if (e->view && strcmp(e->view, "leave") == 0)
        return _("left view");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (e->type && strcmp(e->type, verbs[i].type) == 0)
            return gettext(verbs[i].verb);
    if (is_new(e))
        return _("new");
    if ((state = state_verb(cli, e)))
        return state;
    return e->view && strcmp(e->view, "enter") == 0 ? _("came into view") : _("changed");
}

/* Of a record, whose number is its project's, also what it is: "洽谈走访 ". */
static const char *what(struct cli *cli, const Qipan__Event *e)
{
    const char *name = labels_is_record(e->kind) ? labels_record_name(cli, e->kind) : "";
    size_t n = strlen(name) + 2;
    char *text = arena_alloc(&cli->scratch, n);

    if (!text)
        return "";
    snprintf(text, n, "%s%s", name, *name ? " " : "");
    return cli_safe(&cli->scratch, text);
}

void event_print(struct cli *cli, const Qipan__Event *e, const char *title)
{
    time_t t = (time_t)(e->at / 1000000);
    struct tm tm;
    char when[32];
    const char *actor = e->actor ? names_text(cli, e->actor) : NULL;

    localtime_r(&t, &tm);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    printf("%s%s%s  %s %s  %s  %s%s%s%s", cli->color ? "\033[2m" : "", e->has_at ? when : "",
           cli->color ? "\033[0m" : "",
           e->office ? cli_safe(&cli->scratch, labels_text(cli, "office", e->office)) : "",
           cli_safe(&cli->scratch, actor ? actor : e->actor), verb(cli, e), what(cli, e),
           cli->color ? "\033[1m" : "", cli_safe(&cli->scratch, title ? title : e->object),
           cli->color ? "\033[0m" : "");
    print_changes(cli, e);
    if (e->reason && *e->reason)
        printf(_("  (%s)"), cli_safe(&cli->scratch, e->reason));
    putchar('\n');
    cli_scratch_over(cli);
}

const char *event_title(struct cli *cli, const Qipan__Event *e)
{
    static const char *const names[] = {"name", "title", "subject", "text"}; /* the first of them it has */
    const char *no = NULL, *name = NULL, *const *best = names + sizeof names / sizeof *names;
    char text[400];

    for (size_t i = 0; i < e->n_row; i++) {
        const ProtobufCFieldDescriptor *f = json_event_field(e, e->row[i]->number);

        if (f && strcmp(f->name, "no") == 0)
            no = e->row[i]->value;
        for (const char *const *n = names; f && n < best; n++) {
            if (strcmp(f->name, *n) == 0) {
                name = e->row[i]->value;
                best = n;
            }
        }
    }
    if (!no && !name)
        return NULL;
    snprintf(text, sizeof text, "%s%s%s", no ? no : "", no && name ? " " : "", name ? name : "");
    return arena_strdup(&cli->scratch, text);
}
