/* SPDX-License-Identifier: Apache-2.0 */
#include "headers.h"

#include "msg.h"
#include "value.h"

#include <libintl.h>
#include <string.h>

#define _(text)  dgettext("qipan", text)
#define N_(text) text
#define N(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *kind, *name;
} names[] = {
    {"project", N_("a project")},
    {"enterprise", N_("an enterprise")},
    {"arrival", N_("arrived money")},
    {"activity", N_("an activity")},
    {"milestone", N_("a milestone")},
    {"step", N_("a stage reached")},
    {"stagedate", N_("a stage's date")},
    {"park", N_("a park")},
    {"plot", N_("a plot")},
    {"land", N_("a piece of land")},
    {"recognition", N_("a recognition")},
    {"station", N_("an outside station")},
    {"valuechain", N_("a chain")},
    {"node", N_("a chain's node")},
    {"link", N_("a link")},
    {"matter", N_("a matter")},
    {"meeting", N_("a meeting")},
};

static const struct {
    const char *kind, *field, *text;
} headers[] = {
#define HEADER(kind, field, text) {#kind, #field, text},
#define NOTHING(text)
#define FIXED(kind, field)
#define SHOWN(kind, field, of)
#include "headers.def"
#undef HEADER
#undef NOTHING
};

static const char *const nothing[] = {
#define HEADER(kind, field, text)
#define NOTHING(text) text,
#include "headers.def"
#undef NOTHING
#undef FIXED
#undef SHOWN
};

static const struct {
    const char *kind, *field, *of; /* of NULL = fixed */
} registry[] = {
#define NOTHING(text)
#define FIXED(kind, field)     {#kind, #field, NULL},
#define SHOWN(kind, field, of) {#kind, #field, #of},
#include "headers.def"
#undef HEADER
#undef NOTHING
#undef FIXED
#undef SHOWN
};

const ProtobufCMessageDescriptor *headers_kind(const char *kind)
{
    const struct kind_info *k = kind_by_name(kind);

    return k ? k->message : NULL;
}

const char *headers_kind_at(size_t i)
{
    return i < N(names) ? names[i].kind : NULL;
}

const char *headers_kind_name(const char *kind)
{
    for (size_t i = 0; i < N(names); i++)
        if (!strcmp(names[i].kind, kind))
            return _(names[i].name);
    return kind;
}

static bool is_project(const char *kind)
{
    return !strcmp(kind, "project");
}

const ProtobufCFieldDescriptor *headers_field(const char *kind, const char *key)
{
    const ProtobufCMessageDescriptor *desc = headers_kind(kind);
    const ProtobufCFieldDescriptor *f = is_project(kind)
                                            ? value_field(desc, key)
                                            : protobuf_c_message_descriptor_get_field_by_name(desc, key);

    for (size_t i = 0; !f && i < N(headers); i++)
        if (!strcmp(headers[i].text, key) && !strcmp(headers[i].kind, kind))
            f = protobuf_c_message_descriptor_get_field_by_name(desc, headers[i].field);
    return f;
}

const char *headers_label(const char *kind, const char *field)
{
    for (size_t i = 0; !is_project(kind) && i < N(headers); i++)
        if (!strcmp(headers[i].field, field) && !strcmp(headers[i].kind, kind))
            return headers[i].text;
    return value_label(field, "zh");
}

#define MAX_NAMES 128 /* fields of a message */

const char *headers_nearest(const char *kind, const char *key)
{
    const ProtobufCMessageDescriptor *desc = headers_kind(kind);
    const char *words[N(headers) + MAX_NAMES + 1],
        *near = is_project(kind) ? value_nearest_field(desc, key, true) : NULL;
    size_t n = 0;

    if (near || !desc)
        return near;
    for (size_t i = 0; i < N(headers); i++)
        if (!strcmp(headers[i].kind, kind))
            words[n++] = headers[i].text;
    for (unsigned i = 0; i < desc->n_fields && i < MAX_NAMES; i++)
        words[n++] = desc->fields[i].name;
    words[n] = NULL;
    near = value_nearest(key, words);
    return near ? headers_field(kind, near)->name : NULL;
}

bool headers_fixed(const char *kind, const char *field)
{
    for (size_t i = 0; i < N(registry); i++)
        if (!registry[i].of && !strcmp(registry[i].field, field) && !strcmp(registry[i].kind, kind))
            return true;
    return false;
}

const char *headers_shown(const char *kind, const char *field)
{
    for (size_t i = 0; i < N(registry); i++)
        if (registry[i].of && !strcmp(registry[i].field, field) && !strcmp(registry[i].kind, kind))
            return registry[i].of;
    return NULL;
}

bool headers_nothing(const char *key)
{
    for (size_t i = 0; i < N(nothing); i++)
        if (!strcmp(nothing[i], key))
            return true;
    return false;
}

bool headers_known(const char *key)
{
    for (size_t i = 0; i < N(headers); i++)
        if (!strcmp(headers[i].text, key))
            return true;
    return headers_nothing(key) || value_field(headers_kind("project"), key);
}
