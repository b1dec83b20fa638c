-- SPDX-License-Identifier: Apache-2.0
-- How alike two projects are: the measures behind duplicate cases and the pool of suspects.

-- How alike two names are, 0 to 1, exactly: twice the pairs of neighbouring characters they share (each as often as both have it) by
-- all pairs of both, of the names as norm() leaves them. Names of one character are alike or not. "光伏组件项目", "光伏组件二期项目": 2·4/(5+7).
CREATE FUNCTION registry.similar_names(a text, b text) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN x.a = x.b THEN 1::numeric WHEN length(x.a) < 2 OR length(x.b) < 2 THEN 0::numeric
        ELSE round(2.0 * (SELECT count(*) FROM (
                SELECT substr(x.a, i, 2) FROM generate_series(1, length(x.a) - 1) i
                INTERSECT ALL SELECT substr(x.b, i, 2) FROM generate_series(1, length(x.b) - 1) i) s)
            / (length(x.a) + length(x.b) - 2), 4) END
    FROM (SELECT registry.norm(a) AS a, registry.norm(b) AS b) x
$$;

-- The smaller of two amounts falls short of the larger by this part, 0 to 1; null = one is not known.
CREATE FUNCTION registry.amount_gap(a bigint, b bigint) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN greatest(a, b) > 0 AND a IS NOT NULL AND b IS NOT NULL THEN round(1 - least(a, b)::numeric / greatest(a, b), 4) END
$$;

CREATE FUNCTION registry.same_phone(a text, b text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM registry.contact x JOIN registry.contact y ON registry.norm(y.phone) = registry.norm(x.phone)
                   WHERE x.project = a AND y.project = b AND registry.norm(x.phone) <> '')
$$;

-- The level of a rule by the rule set in force (duplicate_rule); null = it says nothing.
CREATE FUNCTION registry.duplicate_level(p_rule text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN registry.duplicate_limit(p_rule, 'block') IS NOT NULL THEN 'block' WHEN registry.duplicate_limit(p_rule, 'warn') IS NOT NULL THEN 'warn' END
$$;

-- Why two projects may be one: block = what keeps a second one from being registered, warn = what is only pointed out; null = nothing.
CREATE FUNCTION registry.suspect(a registry.project, b registry.project, OUT level text, OUT likeness numeric, OUT gap numeric,
    OUT reasons text[]) LANGUAGE plpgsql STABLE AS $$
DECLARE
    investor CONSTANT boolean := a.investor_key <> '' AND a.investor_key = b.investor_key;
    alike boolean;
    numbered boolean;
BEGIN
    likeness := registry.similar_names(a.name, b.name);
    alike := investor AND a.name_key <> b.name_key
        AND likeness >= coalesce(registry.duplicate_limit('like_name', 'block'), registry.duplicate_limit('like_name', 'warn'));
    numbered := alike AND registry.numbered_apart(a.name_key, b.name_key);
    gap := registry.amount_gap(a.amount_total, b.amount_total);
    SELECT min(x.level), coalesce(array_agg(x.rule ORDER BY x.n), '{}') INTO level, reasons
    FROM (SELECT v.n, v.rule, registry.duplicate_level(v.rule) AS level
          FROM (VALUES (1, 'same_code', a.code = b.code), (2, 'same_name', investor AND a.name_key = b.name_key),
              (3, 'like_name', alike AND NOT numbered), (3, 'like_number', numbered),
              (4, 'like_amount', investor AND a.industry = b.industry
                  AND gap <= coalesce(registry.duplicate_limit('like_amount', 'block'), registry.duplicate_limit('like_amount', 'warn'))),
              (5, 'same_phone', registry.same_phone(a.id, b.id)),
              (6, 'same_site', registry.norm(a.site) <> '' AND registry.norm(a.site) = registry.norm(b.site))) v(n, rule, holds)
          WHERE v.holds OFFSET 0) x
    WHERE x.level IS NOT NULL; -- block before warn
END $$;
