/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include "labels.h"
#include "out.h"
#include "story.h"

#include <string.h>

const struct verb record_verbs[] = {
#define VERB(family, word, op, positional, columns) {#family, #word, OP_##op, positional, columns},
#include "verbs.def"
#undef VERB
    {0},
};

const struct verb *record_verb(const char *family, const char *word)
{
    for (const struct verb *v = record_verbs; family && word && v->family; v++)
        if (strcmp(v->family, family) == 0 && strcmp(v->word, word) == 0)
            return v;
    return NULL;
}

static const struct verb projects = {"project", "list", OP_project_list, "", ""};

bool record_is_projects(const struct verb *list)
{
    return list == &projects;
}

const struct verb *record_list(struct cli *cli, const char *word)
{
    const struct verb *found =
        strcmp(word, projects.family) == 0 ? &projects : record_verb(word, projects.word);

    for (const struct verb *v = record_verbs; !found && v->family; v++)
        if (strcmp(v->word, projects.word) == 0 && record_rows(v) &&
            strcmp(labels_record_kind(cli, record_rows(v)), word) == 0)
            found = v;
    return found && record_rows(found) ? found : NULL;
}

struct out_style record_style(struct cli *cli, const struct verb *v)
{
    const ProtobufCMessageDescriptor *reply = op_by_number(v->op)->reply, *rows = record_rows(v);
    const ProtobufCFieldDescriptor *object = out_object_field(reply);
    const ProtobufCMessageDescriptor *desc = rows ? rows : object ? object->descriptor : reply;

    return (struct out_style){.desc = desc,
                              .table = *v->columns ? v->columns : NULL,
                              .name = record_field(desc, "id") ? "id" : desc->fields[0].name,
                              .kind = desc == reply ? v->family : labels_record_kind(cli, desc)};
}

/* An edit without --base is made on the version that is read first. */
static int find_base(struct cli *cli, const struct verb *v, struct record_call *call)
{
    const struct verb *show = record_verb(v->family, "show");
    const ProtobufCFieldDescriptor *id = record_field(call->request->descriptor, "id"), *object, *version;
    const ProtobufCMessage *found;
    struct record_call ask;
    struct qipan_result r;
    char *words[] = {(char *)"show", NULL, NULL};
    int code;

    if (call->base || !show || !id || !value_has(call->request, id) ||
        !record_field(call->request->descriptor, "set"))
        return 0;
    words[1] = *(char **)record_at(call->request, id);
    if ((code = record_take(cli, show, 2, words, &ask)) ||
        (code = cli_call(cli, show->op, ask.request, NULL, &r)))
        return code;
    object = out_object_field(r.message->descriptor);
    found = object ? *(ProtobufCMessage **)record_at(r.message, object) : NULL;
    version = found ? record_field(found->descriptor, "version") : NULL;
    call->base = version ? *(int64_t *)record_at(found, version) : 0;
    qipan_result_free(&r);
    return 0;
}

/* Of a case that was shown: what `case facts` says. */
static int print_facts(struct cli *cli, const ProtobufCMessage *reply)
{
    const struct verb *v = record_verb("case", "facts");
    const ProtobufCFieldDescriptor *object = out_object_field(reply->descriptor);
    const Qipan__Case *shown = *(Qipan__Case *const *)record_at(reply, object);
    Qipan__RecordShowRequest request = QIPAN__RECORD_SHOW_REQUEST__INIT;
    struct out_style style;

    if (!v || !shown || !shown->facts)
        return 0;
    style = record_style(cli, v);
    request.id = shown->id;
    putchar('\n');
    return out_pages(cli, &style, v->op, &request.base);
}

static int run(struct cli *cli, const struct verb *v, int argc, char **argv)
{
    const struct out_style style = record_style(cli, v);
    struct qipan_call_options options = {.request = cli->request};
    struct record_call call;
    struct qipan_result r;
    int code;

    cli->form = record_form(&cli->arena, v);
    cli->record = style.desc;
    code = record_take(cli, v, argc, argv, &call);
    cli->form = NULL; /* the words were right */
    if (code)
        return code;
    if (record_rows(v) == &qipan__event__descriptor)
        return story_print(cli, v->op, (Qipan__ProjectLogRequest *)call.request, NULL);
    if (record_rows(v))
        return out_pages(cli, &style, v->op, call.request);
    if ((code = find_base(cli, v, &call)))
        return code;
    options.base = call.base;
    if ((code = cli_call(cli, v->op, call.request, &options, &r)))
        return code;
    code = out_reply(cli, &style, r.message, r.request);
    if (!code && style.desc == &qipan__case__descriptor && cli->output <= OUT_WIDE && !cli->fields)
        code = print_facts(cli, r.message);
    qipan_result_free(&r);
    return code;
}

int cmd_record(struct cli *cli, int argc, char **argv)
{
    const struct verb *verbs[32];
    const char *words[33] = {NULL};
    int n = 0, i, code;

    for (const struct verb *v = record_verbs; v->family && n < 32; v++) {
        if (strcmp(v->family, argv[0]) != 0)
            continue;
        verbs[n] = v;
        words[n++] = v->word;
    }
    if (n == 1 && strcmp(words[0], "show") == 0 && (argc < 2 || strcmp(argv[1], words[0]) != 0))
        return run(cli, verbs[0], argc, argv); /* there is nothing else to do */
    code = cli_subcommand(cli, argc, argv, words, &i);
    return code ? code : run(cli, verbs[i], argc - 1, argv + 1);
}
