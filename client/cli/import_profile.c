/* SPDX-License-Identifier: Apache-2.0 */
#include "import_profile.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_CHARS 60

bool profile_digest(char *const *headers, size_t n, char ret[PROFILE_DIGEST])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char sha[32];
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);

    for (size_t i = 0; ok && i < n; i++)
        ok = EVP_DigestUpdate(ctx, headers[i], strlen(headers[i])) && EVP_DigestUpdate(ctx, "\n", 1);
    ok = ok && EVP_DigestFinal_ex(ctx, sha, NULL);
    EVP_MD_CTX_free(ctx);
    for (size_t i = 0; ok && i < sizeof(sha); i++)
        sprintf(ret + 2 * i, "%02x", sha[i]);
    return ok;
}

static bool is_absent(const Qipan__Error *e)
{
    return e && !strcmp(e->code, "NOT_FOUND");
}

static int take(struct cli *cli, const Qipan__Profile *p, const char *kind, char **ret_map,
                const char **ret_name)
{
    if (!p || !p->map || (kind && p->target && strcmp(kind, p->target)))
        return 0;
    *ret_map = strdup(p->map);
    *ret_name = arena_strdup(&cli->arena, p->name ? p->name : "");
    return *ret_map && *ret_name ? 0 : cli_no_memory(cli);
}

int profile_find(struct cli *cli, const char *name, const char *headers, const char *kind, char **ret_map,
                 const char **ret_name)
{
    Qipan__ProfileFindRequest m = QIPAN__PROFILE_FIND_REQUEST__INIT;
    struct qipan_result r;
    int code = cli_connect(cli);

    *ret_map = NULL;
    if (code)
        return code;
    m.name = (char *)(uintptr_t)name;
    m.headers = (char *)(uintptr_t)headers;
    if (qipan_call_wait(cli->q, QIPAN_OP_profile_find, &m.base, NULL, &r) == QIPAN_DONE)
        code = take(cli, ((const Qipan__ProfileReply *)r.message)->profile, kind, ret_map, ret_name);
    else if (!is_absent(r.error))
        code = cli_error(cli, r.error, NULL);
    qipan_result_free(&r);
    return code;
}

/* 2026年11月 招商月报.xlsx → 2026年11月_招商月报 */
static char *name_of(struct cli *cli, const char *file)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file, *dot = strrchr(base, '.');
    char *name = arena_strndup(&cli->arena, base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
    int chars = 0;

    for (char *p = name; p && *p; p++) {
        if (!((unsigned char)*p & 0x80) && !strchr("-_", *p) && !isalnum((unsigned char)*p))
            *p = '_';
        if (((unsigned char)*p & 0xC0) != 0x80 && ++chars > NAME_MAX_CHARS) {
            *p = 0;
            break;
        }
    }
    return name;
}

/* The id of the office's own profile of that name, shared or not, and whether it is the same already. */
static const char *find_own(struct cli *cli, const char *name, const char *headers, const char *map,
                            bool *ret_same)
{
    Qipan__ProfileFindRequest m = QIPAN__PROFILE_FIND_REQUEST__INIT;
    struct qipan_result r;
    const char *id = NULL;

    m.name = (char *)(uintptr_t)name;
    *ret_same = false;
    if (qipan_call_wait(cli->q, QIPAN_OP_profile_find, &m.base, NULL, &r) == QIPAN_DONE) {
        const Qipan__Profile *p = ((const Qipan__ProfileReply *)r.message)->profile;
        *ret_same = p && p->map && !strcmp(p->map, map) && p->headers && !strcmp(p->headers, headers);
        id = p && p->office && !strcmp(p->office, qipan_office(cli->q)) ? cli_safe(&cli->arena, p->id) : NULL;
    }
    qipan_result_free(&r);
    return id;
}

void profile_remember(struct cli *cli, const char *file, const char *kind, const char *headers,
                      const char *map)
{
    Qipan__ProfileSetRequest m = QIPAN__PROFILE_SET_REQUEST__INIT;
    Qipan__Profile set = QIPAN__PROFILE__INIT;
    struct qipan_result r;
    char *name = name_of(cli, file);
    bool same;

    if (!name)
        return;
    m.id = (char *)(uintptr_t)find_own(cli, name, headers, map, &same);
    if (same)
        return;
    m.set = &set;
    set.name = name;
    set.target = (char *)(uintptr_t)kind;
    set.headers = (char *)(uintptr_t)headers;
    set.map = (char *)(uintptr_t)map;
    if (qipan_call_wait(cli->q, QIPAN_OP_profile_set, &m.base, NULL, &r) == QIPAN_DONE)
        cli_warn(_("sheets with these headings will be read so again: profile %s (qipan profile list)"),
                 name);
    else
        cli_warn(_("the mapping was not kept as profile %s: %s"), name, r.error->message);
    qipan_result_free(&r);
}
