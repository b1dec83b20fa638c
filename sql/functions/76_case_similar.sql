-- SPDX-License-Identifier: Apache-2.0
-- How alike two projects are: the measures behind duplicate cases and the pool of suspects.

-- How alike two names are, 0 to 1, exactly: twice the pairs of neighbouring characters they share (each as often as both have it) by
-- all pairs of both, of the names as norm() leaves them. Names of one character are alike or not. "光伏组件项目", "光伏组件二期项目": 2·4/(5+7).
CREATE FUNCTION registry.similar_names(a text, b text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    x CONSTANT text := registry.norm(a);
    y CONSTANT text := registry.norm(b);
    rest text[] := (registry.grams(y))[length(y) + 1:]; -- pairs not shared yet
    at int;
    shared int := 0;
BEGIN
    IF x = y OR length(x) < 2 OR length(y) < 2 THEN
        RETURN (x = y)::int;
    END IF;
    FOR i IN 1 .. length(x) - 1 LOOP
        at := array_position(rest, substr(x, i, 2));
        IF at IS NOT NULL THEN
            rest[at] := NULL;
            shared := shared + 1;
        END IF;
    END LOOP;
    RETURN round(2.0 * shared / (length(x) + length(y) - 2), 4);
END $$;

-- Are two names, in the form of norm(), that much alike? Few are measured: each character that one has and the other has not costs a
-- pair, as do those by which one is longer. (The measure is rounded: half of its last digit.)
CREATE FUNCTION registry.names_alike(a text, b text, p_likeness numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT 2 * least(length(a) - length(translate(a, b, '')), length(b) - length(translate(b, a, ''))) - 2 >= (p_likeness - 0.00005) * (length(a) + length(b) - 2)
        AND registry.similar_names(a, b) >= p_likeness
$$;

-- The smaller of two amounts falls short of the larger by this part, 0 to 1; null = one is not known.
CREATE FUNCTION registry.amount_gap(a bigint, b bigint) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN greatest(a, b) > 0 AND a IS NOT NULL AND b IS NOT NULL THEN round(1 - least(a, b)::numeric / greatest(a, b), 4) END
$$;

CREATE FUNCTION registry.same_phone(a text, b text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM registry.contact x JOIN registry.contact y ON registry.norm(y.phone) = registry.norm(x.phone)
                   WHERE x.project = a AND y.project = b AND registry.norm(x.phone) <> '')
$$;

-- Why two projects may be one, by these rules (registry.duplicate_rules): block = what keeps a second one from being registered, warn = what
-- is only pointed out; null = nothing.
CREATE FUNCTION registry.suspect(a registry.project, b registry.project, p_rules registry.duplicate_rule[]) RETURNS TABLE (level text, reasons text[])
LANGUAGE sql STABLE AS $$
    SELECT min(r.level), coalesce(array_agg(r.rule ORDER BY r.n), '{}') -- block before warn
    FROM (SELECT x.investor, CASE WHEN x.investor AND a.name_key <> b.name_key
              AND registry.names_alike(a.name_key, b.name_key, (SELECT u.likeness FROM unnest(p_rules) u WHERE u.rule = 'like_name'))
              THEN CASE registry.numbered_apart(a.name_key, b.name_key) WHEN true THEN 'like_number' WHEN false THEN 'like_name' END END AS named
          FROM (SELECT a.investor_key <> '' AND a.investor_key = b.investor_key AS investor) x OFFSET 0) k,
        unnest(p_rules) WITH ORDINALITY r(rule_set, rule, level, likeness, gap, pattern, n)
    WHERE CASE r.rule WHEN 'same_code' THEN a.code = b.code
        WHEN 'same_name' THEN k.investor AND a.name_key = b.name_key
        WHEN 'like_amount' THEN k.investor AND a.industry = b.industry AND registry.amount_gap(a.amount_total, b.amount_total) <= r.gap
        WHEN 'same_phone' THEN registry.same_phone(a.id, b.id)
        WHEN 'same_site' THEN registry.norm(a.site) <> '' AND registry.norm(a.site) = registry.norm(b.site)
        ELSE k.named = r.rule END
$$;
