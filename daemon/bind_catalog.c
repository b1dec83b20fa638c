/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue of the api schema: its functions with their parameters, its composite types with their attributes. */
#include "bind_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct pg_statement bind_catalog_sql = {
    .id = PG_STATEMENTS - 2,
    .sql =
        "WITH RECURSIVE base(oid, t) AS ("
        "  SELECT oid, oid FROM pg_type WHERE typtype <> 'd'"
        "  UNION ALL SELECT d.oid, b.t FROM pg_type d JOIN base b ON d.typbasetype = b.oid WHERE d.typtype = "
        "'d'),"
        " named AS ("
        "  SELECT b.oid, CASE WHEN e.oid IS NOT NULL THEN"
        "      CASE WHEN e.typtype = 'c' THEN 'api.' ELSE '' END || e.typname || '[]'"
        "    ELSE CASE WHEN t.typtype = 'c' THEN 'api.' ELSE '' END || t.typname END AS name"
        "  FROM base b JOIN pg_type t ON t.oid = b.t"
        "  LEFT JOIN base eb ON t.typcategory = 'A' AND eb.oid = t.typelem"
        "  LEFT JOIN pg_type e ON e.oid = eb.t)"
        " SELECT 'p', p.proname::text, a.ord::text, coalesce(p.proargnames[a.ord], ''), n.name::text"
        "  FROM pg_proc p CROSS JOIN LATERAL unnest(p.proargtypes::oid[]) WITH ORDINALITY a(type, ord)"
        "  JOIN named n ON n.oid = a.type WHERE p.pronamespace = 'api'::regnamespace"
        " UNION ALL SELECT 'f', p.proname::text, '0',"
        "   CASE WHEN p.proretset THEN 'set' ELSE 'row' END, n.name::text FROM pg_proc p"
        "  JOIN named n ON n.oid = p.prorettype WHERE p.pronamespace = 'api'::regnamespace"
        " UNION ALL SELECT 'a', c.relname::text, row_number() OVER (PARTITION BY c.oid ORDER BY "
        "a.attnum)::text,"
        "   a.attname::text, n.name::text"
        "  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        "  JOIN named n ON n.oid = a.atttypid WHERE c.relnamespace = 'api'::regnamespace AND c.relkind = 'c'"
        " ORDER BY 1, 2, 3",
};

static int by_position(const void *a, const void *b)
{
    const struct bind_entry *x = a, *y = b;
    int order = x->kind - y->kind;
    return order ? order : strcmp(x->owner, y->owner);
}

struct bind_catalog *bind_catalog(const PGresult *rows)
{
    struct bind_catalog *catalog = calloc(1, sizeof *catalog);
    int n = PQntuples(rows);
    if (!catalog || !(catalog->entries = calloc((size_t)n + 1, sizeof *catalog->entries))) {
        free(catalog);
        return NULL;
    }
    /* positions are dense per owner: put each entry where its position says */
    for (int i = 0, start = 0; i < n; i++) {
        if (i && (strcmp(PQgetvalue(rows, i, 1), PQgetvalue(rows, i - 1, 1)) != 0 ||
                  PQgetvalue(rows, i, 0)[0] != PQgetvalue(rows, i - 1, 0)[0]))
            start = i;
        int position = atoi(PQgetvalue(rows, i, 2));
        int slot = start + (position ? position - 1 : 0);
        if (slot >= n)
            slot = i;
        struct bind_entry *e = &catalog->entries[slot];
        e->kind = PQgetvalue(rows, i, 0)[0];
        snprintf(e->owner, sizeof e->owner, "%s", PQgetvalue(rows, i, 1));
        snprintf(e->name, sizeof e->name, "%s", PQgetvalue(rows, i, 3));
        snprintf(e->type, sizeof e->type, "%s", PQgetvalue(rows, i, 4));
    }
    catalog->n = n;
    return catalog;
}

void bind_catalog_free(struct bind_catalog *catalog)
{
    if (catalog)
        free(catalog->entries);
    free(catalog);
}

const struct bind_entry *bind_find(const struct bind_catalog *c, char kind, const char *owner, int *ret_n)
{
    struct bind_entry key = {.kind = kind};
    snprintf(key.owner, sizeof key.owner, "%s", owner);
    *ret_n = 0;
    const struct bind_entry *first = NULL;
    for (int i = 0; i < c->n; i++) {
        if (by_position(&c->entries[i], &key) == 0) {
            first = first ? first : &c->entries[i];
            ++*ret_n;
        }
    }
    return first;
}
