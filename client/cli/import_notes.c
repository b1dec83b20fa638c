/* SPDX-License-Identifier: Apache-2.0 */
#include "import_notes.h"

void import_notes_print(struct cli *cli, const struct sheet *s, const struct mapping *m)
{
    size_t n;
    const char *const *texts = sheet_notes(s, &n);

    for (size_t i = 0; i < n; i++)
        printf("%s\n", cli_safe(&cli->arena, texts[i]));
    texts = mapping_left_out(m, &n);
    if (n == 0)
        return;
    fputs(_("columns that are left out:"), stdout);
    for (size_t i = 0; i < n; i++)
        printf("%s%s", i ? "、" : " ", cli_safe(&cli->arena, texts[i]));
    putchar('\n');
}

static void set_list(struct cli *cli, json_t *object, const char *key, const char *const *texts, size_t n)
{
    json_t *list = n ? json_array() : NULL;

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(cli_safe(&cli->arena, texts[i])));
    if (list)
        json_object_set_new(object, key, list);
}

void import_notes_json(struct cli *cli, json_t *object, const struct sheet *s, const struct mapping *m)
{
    size_t n;
    const char *const *texts = sheet_notes(s, &n);

    set_list(cli, object, "notes", texts, n);
    texts = mapping_left_out(m, &n);
    set_list(cli, object, "left_out", texts, n);
}
