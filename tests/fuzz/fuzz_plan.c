/* SPDX-License-Identifier: Apache-2.0 */
/* A layout of an export: read whole, or refused with a sentence; what is read stays within its bounds. */
#include "fuzz.h"
#include "plan.h"
#include "utf8.h"

#include <string.h>

static void check_text(const char *text)
{
    MUST(utf8_valid((const uint8_t *)text, strlen(text)));
}

static void check_column(const struct plan_column *c)
{
    MUST(c->heading[0] && c->n_parts <= PLAN_MAX_PARTS);
    MUST(c->width >= 0 && c->width <= 999 && c->last >= 0 && c->last <= 999);
    MUST(!c->number || (!c->kind && !c->n_parts));
    for (int i = 0; i < TABLE_LEVELS && c->heading[i]; i++)
        check_text(c->heading[i]);
    for (size_t i = 0; i < c->n_parts; i++) {
        MUST(c->parts[i].literal || (c->parts[i].field && *c->parts[i].field));
        check_text(c->parts[i].literal ? c->parts[i].literal : c->parts[i].field);
    }
    MUST(!c->unit || *c->unit);
    check_text(c->unit ? c->unit : "");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char why[PLAN_WHY_SIZE] = "";
    struct plan *p = plan_read((const char *)bytes, n, why);

    if (!p) {
        MUST(*why && strlen(why) < sizeof(why));
        return 0;
    }
    MUST(p->n_columns > 0 && p->n_columns <= TABLE_MAX_COLUMNS - 2 && p->n_titles <= PLAN_MAX_TITLES &&
         p->unit);
    for (size_t i = 0; i < p->n_columns; i++)
        check_column(&p->columns[i]);
    for (size_t i = 0; i < p->n_titles; i++)
        check_text(p->titles[i]);
    plan_free(p);
    return 0;
}
