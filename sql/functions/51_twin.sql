-- SPDX-License-Identifier: Apache-2.0
-- First report: which project stands in the way of another, and what is only pointed out. Levels are data of the rule set
-- (duplicate_rule). Different keys of one source never block each other: one project may hold many parcels. What nobody may see (its
-- audience is {0}: an import of it was taken back) is in nobody's way.

-- A rule as the rule set in force has it; one that says nothing of it leaves it as the default has it.
CREATE FUNCTION registry.duplicate_rule_of(p_rule text) RETURNS registry.duplicate_rule LANGUAGE sql STABLE AS $$
    SELECT d.* FROM registry.duplicate_rule d JOIN registry.rule_set s ON s.id = d.rule_set
    WHERE d.rule = p_rule AND (s.in_force OR s.id = 1) ORDER BY s.in_force DESC LIMIT 1
$$;

-- All of them that hold, in the order they are told.
CREATE FUNCTION registry.duplicate_rules() RETURNS registry.duplicate_rule[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY(SELECT x FROM unnest('{same_code,same_name,like_name,like_number,like_amount,same_phone,same_site}'::text[]) WITH ORDINALITY u(rule, n),
        registry.duplicate_rule_of(u.rule) x WHERE x.level <> 'off' ORDER BY u.n)
$$;

-- The limit of a rule if it is at that level; null = it isn't.
CREATE FUNCTION registry.duplicate_limit(p_rule text, p_level text) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce(x.likeness, x.gap, 1) FROM registry.duplicate_rule_of(p_rule) x WHERE x.level = p_level
$$;

-- Do two names differ in numbers alone, and is that no reason to block? Dear: asked of names that are alike.
CREATE FUNCTION registry.numbered_apart(a text, b text) RETURNS boolean LANGUAGE plpgsql STABLE COST 100000 AS $$
DECLARE
    x CONSTANT registry.duplicate_rule := registry.duplicate_rule_of('like_number');
BEGIN
    RETURN a <> b AND x.level <> 'block' AND regexp_replace(a, x.pattern, '#', 'g') = regexp_replace(b, x.pattern, '#', 'g');
END $$;

-- Has a case ruled that project q is another one than p_id; or, with a name, than one of this name under this investor, which may come
-- again under a new id? The last ruling counts.
CREATE FUNCTION registry.ruled_apart(q registry.project, p_id text, p_name_key text DEFAULT NULL, p_investor_key text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((
        SELECT c.ruling = 'keep_both' FROM registry."case" c
        JOIN registry.project x ON x.id = CASE q.id WHEN c.project THEN c.other_project ELSE c.project END
        WHERE (c.project = q.id OR c.other_project = q.id) AND c.class = 'duplicate' AND c.state = 'in_force'
          AND (x.id = p_id OR x.name_key = p_name_key AND x.investor_key = p_investor_key AND x.name_key <> q.name_key)
        ORDER BY c.in_force_at DESC LIMIT 1), false);
END $$;

-- Has protection of it run out, so that another office may report it?
CREATE FUNCTION registry.is_released(p_project text, p_office text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM registry.protection x WHERE x.project = p_project AND x.state = 'released' AND x.office <> p_office)
$$;

CREATE FUNCTION registry.apart_by_source(n registry.project, q registry.project) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT (q.source = n.source AND q.external_id <> n.external_id) IS TRUE
$$;

-- Does q, whose name is like that of n, stand in its way?
CREATE FUNCTION registry.in_the_way(q registry.project, n registry.project) RETURNS boolean LANGUAGE plpgsql STABLE COST 100000 AS $$
BEGIN
    RETURN NOT registry.apart_by_source(n, q) AND NOT registry.is_released(q.id, n.office) AND NOT registry.numbered_apart(q.name_key, n.name_key)
        AND NOT registry.ruled_apart(q, n.id, n.name_key, n.investor_key);
END $$;

-- Projects of one investor whose name is like that of n.
CREATE FUNCTION registry.like_named(n registry.project, p_likeness numeric) RETURNS SETOF registry.project LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    IF n.investor_key <> '' AND p_likeness IS NOT NULL THEN
        RETURN QUERY SELECT q.* FROM registry.project q
        WHERE q.investor_key = n.investor_key AND q.investor_key <> '' AND q.audience <> '{0}' AND q.id IS DISTINCT FROM n.id AND q.name_key <> n.name_key
          AND registry.names_alike(q.name_key, n.name_key, p_likeness);
    END IF;
END $$;

-- The project that stands in the way of this one: the same external id, the same project code, the same name under the same
-- investor, or (p_named: name or investor are new) a similar one.
CREATE FUNCTION registry.twin(n registry.project, p_named boolean, OUT p registry.project, OUT rule text, OUT likeness numeric) LANGUAGE plpgsql STABLE AS $$
DECLARE
    crowd int;
BEGIN
    SELECT * INTO p FROM registry.project q
    WHERE n.external_id IS NOT NULL AND q.source = n.source AND q.external_id = n.external_id
      AND q.id IS DISTINCT FROM n.id;
    IF FOUND THEN
        rule := 'external_id';
        RETURN;
    END IF;
    SELECT * INTO p FROM registry.project q
    WHERE (q.name_key = n.name_key AND q.investor_key = n.investor_key AND registry.duplicate_limit('same_name', 'block') IS NOT NULL
           OR q.code = n.code AND registry.duplicate_limit('same_code', 'block') IS NOT NULL)
      AND q.audience <> '{0}' AND q.id IS DISTINCT FROM n.id AND NOT registry.apart_by_source(n, q) AND NOT registry.is_released(q.id, n.office)
      AND NOT registry.ruled_apart(q, n.id)
    ORDER BY q.registered_at, q.id LIMIT 1;
    IF FOUND THEN
        rule := CASE WHEN p.code = n.code THEN 'code' ELSE 'name' END;
        RETURN;
    END IF;
    likeness := CASE WHEN p_named AND n.investor_key <> '' THEN registry.duplicate_limit('like_name', 'block') END;
    IF likeness IS NOT NULL THEN
        crowd := registry.crowd_most(n.investor_key);
        IF crowd IS NULL THEN
            SELECT * INTO p FROM registry.like_named(n, likeness) q WHERE registry.in_the_way(q, n) ORDER BY q.registered_at, q.id LIMIT 1;
        ELSE
            SELECT * INTO p FROM registry.crowd_named(n, likeness, true, 1, crowd);
        END IF;
        rule := CASE WHEN FOUND THEN 'like' END;
    END IF;
END $$;

-- The refusal that names it: owner office, day and number, nothing else.
CREATE FUNCTION registry.twin_fault(n registry.project, p_named boolean) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    t record := registry.twin(n, p_named);
    p registry.project := t.p;
BEGIN
    IF p.id IS NULL THEN
        RETURN NULL;
    ELSIF p.merged_into IS NOT NULL THEN -- that one is gone: whoever wants it goes to the one it is part of
        p := registry.project_find(p.merged_into);
    END IF;
    RETURN ROW('ALREADY_EXISTS', CASE t.rule WHEN 'like' THEN 'name' ELSE t.rule END, n.name, CASE t.rule WHEN 'like' THEN 'twin.like' ELSE 'twin' END,
        ARRAY[p.no, (SELECT o.name FROM registry.office o WHERE o.code = p.office), registry.day(p.registered_at),
            (SELECT s.name FROM registry.rule_set s WHERE s.in_force), trim_scale(t.likeness * 100) || '%'],
        NULL, p.no, p.office, p.registered_at)::registry.finding;
END $$;

-- ---------------------------------------------------------------- locks

-- Locks the rows of these keys, making them if need be, always in one order. What was made just now is ours.
CREATE FUNCTION registry.lock_keys(p_kinds text[], p_keys text[]) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    made bigint;
BEGIN
    INSERT INTO registry.dedup_key (kind, key)
    SELECT u.kind, u.key FROM unnest(p_kinds, p_keys) u(kind, key) WHERE u.key IS NOT NULL ORDER BY 1, 2
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS made = ROW_COUNT;
    IF made < num_nonnulls(VARIADIC p_keys) THEN
        PERFORM FROM registry.dedup_key d
        WHERE (d.kind, d.key) IN (SELECT u.kind, u.key FROM unnest(p_kinds, p_keys) u(kind, key))
          AND d.xmin::text <> (pg_current_xact_id()::text::numeric % 4294967296)::text
        ORDER BY d.kind, d.key FOR UPDATE;
    END IF;
END $$;

-- What can be its twin has one of these keys, too: the same names, and similar ones, are of one investor, or of none.
CREATE FUNCTION registry.lock_project_keys(n registry.project) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM registry.lock_keys(ARRAY['code', 'external', 'investor', 'name'],
        ARRAY[n.code, n.source || '|' || n.external_id, nullif(n.investor_key, ''), CASE WHEN n.investor_key = '' THEN n.name_key || '|' END]);
END $$;

-- ---------------------------------------------------------------- warnings

-- Changes of these fields may make a project the suspect of being another one, or of lying in the wrong park.
CREATE FUNCTION registry.suspicious(p_fields jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_fields ?| '{4,5,6,7,10,15,20,30,31,45}'
$$;

-- What else projects may be, by rule, five at most for each rule; of those that share a place or a telephone a hundred are looked at, for an
-- office's own stands in thousands of its rows. p_rows: as they are now, or would be. p_fields: what was set of
-- each; null = all of a new one. p_phones: telephones that were set.
CREATE FUNCTION registry.suspects(p_rows registry.project[], p_fields jsonb[], p_phones text[]) RETURNS TABLE (n int, rule text, other registry.project)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    likeness CONSTANT numeric := coalesce(registry.duplicate_limit('like_name', 'warn'), registry.duplicate_limit('like_name', 'block'));
    gap CONSTANT numeric := registry.duplicate_limit('like_amount', 'warn');
    sites CONSTANT boolean := registry.duplicate_limit('same_site', 'warn') IS NOT NULL;
    phones CONSTANT boolean := registry.duplicate_limit('same_phone', 'warn') IS NOT NULL;
    crowds CONSTANT boolean := registry.crowds();
BEGIN
    RETURN QUERY WITH me AS MATERIALIZED (
        SELECT i AS n, p_rows[i] AS p, p_fields[i] AS fields, CASE WHEN phones THEN registry.norm(p_phones[i]) ELSE '' END AS phone,
            CASE WHEN crowds THEN registry.crowd_most((p_rows[i]).investor_key) END AS crowd
        FROM generate_subscripts(p_rows, 1) i)
    SELECT me.n, x.rule, x.q FROM me CROSS JOIN LATERAL (
        (SELECT CASE WHEN registry.apart_by_source(me.p, q) THEN 'same_source' WHEN registry.is_released(q.id, (me.p).office) THEN 'released'
                WHEN q.code = (me.p).code THEN 'same_code' ELSE 'same_name' END, q
         FROM registry.project q
         WHERE (me.fields IS NULL OR me.fields ?| '{4,5,6,7,10}') AND q.audience <> '{0}' AND q.id IS DISTINCT FROM (me.p).id
           AND (q.name_key = (me.p).name_key AND q.investor_key = (me.p).investor_key OR q.code = (me.p).code)
         ORDER BY q.registered_at, q.id LIMIT 5)
        UNION ALL -- its investor is written otherwise, or wasn't known: a sheet of names and figures would make all of an office's projects anew
        (SELECT 'other_investor', q FROM registry.project q
         WHERE (me.fields IS NULL OR me.fields ?| '{4,10}') AND q.name_key = (me.p).name_key AND q.investor_key <> (me.p).investor_key
           AND q.office = (me.p).office
           AND NOT registry.apart_by_source(me.p, q) AND q.audience <> '{0}' AND q.id IS DISTINCT FROM (me.p).id
         ORDER BY q.registered_at, q.id LIMIT 5)
        UNION ALL
        (SELECT CASE WHEN registry.is_released((y.q).id, (me.p).office) THEN 'released'
                WHEN registry.numbered_apart((y.q).name_key, (me.p).name_key) THEN 'like_number' ELSE 'like_name' END, y.q
         FROM (SELECT q FROM registry.like_named(me.p, likeness) q WHERE me.crowd IS NULL
               UNION ALL SELECT q FROM registry.crowd_named(me.p, likeness, false, 5, me.crowd) q WHERE me.crowd IS NOT NULL) y(q)
         WHERE me.fields IS NULL OR me.fields ?| '{4,10}'
         ORDER BY (y.q).registered_at, (y.q).id LIMIT 5)
        UNION ALL
        (SELECT 'like_amount', q FROM registry.project q
         WHERE gap IS NOT NULL AND me.crowd IS NULL AND (me.fields IS NULL OR me.fields ?| '{10,15,20}') AND (me.p).amount_total > 0
           AND q.investor_key = (me.p).investor_key AND q.investor_key <> '' AND q.audience <> '{0}' AND q.id IS DISTINCT FROM (me.p).id AND q.industry = (me.p).industry
           AND least(q.amount_total, (me.p).amount_total) >= (1 - gap) * greatest(q.amount_total, (me.p).amount_total)
         ORDER BY q.registered_at, q.id LIMIT 5)
        UNION ALL
        (SELECT 'like_amount', q FROM registry.crowd_worth(me.p, gap, 5, me.crowd) q
         WHERE gap IS NOT NULL AND me.crowd IS NOT NULL AND (me.fields IS NULL OR me.fields ?| '{10,15,20}') AND (me.p).amount_total > 0)
        UNION ALL
        (SELECT 'same_site', (y).q FROM (SELECT q FROM registry.project q
             WHERE sites AND (me.fields IS NULL OR me.fields ? '31') AND registry.norm((me.p).site) <> '' AND q.audience <> '{0}' AND q.id IS DISTINCT FROM (me.p).id
               AND registry.norm(q.site) = registry.norm((me.p).site) AND q.site IS NOT NULL LIMIT 100) y
         ORDER BY ((y).q).registered_at, ((y).q).id LIMIT 5)
        UNION ALL
        (SELECT 'same_phone', (y).q FROM (SELECT q FROM registry.contact c JOIN registry.project q ON q.id = c.project
             WHERE me.phone <> '' AND registry.norm(c.phone) = me.phone AND c.phone IS NOT NULL AND q.audience <> '{0}' AND q.id IS DISTINCT FROM (me.p).id LIMIT 100) y
         ORDER BY ((y).q).registered_at, ((y).q).id LIMIT 5)) x(rule, q)
    WHERE NOT registry.ruled_apart(x.q, (me.p).id, (me.p).name_key, (me.p).investor_key);
END $$;

-- Parks that the trades of projects don't belong to, and those they do; told when park or trade is set.
CREATE FUNCTION registry.misfits(p_rows registry.project[], p_fields jsonb[]) RETURNS TABLE (n int, industry text, park text, better text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT i, (p_rows[i]).industry, k.name,
        coalesce((SELECT string_agg(x.name, '、' ORDER BY x.no) FROM registry.park x WHERE registry.trade_fits((p_rows[i]).industry, x.trades)), '—')
    FROM generate_subscripts(p_rows, 1) i JOIN registry.park k ON k.no = (p_rows[i]).park
    WHERE (p_fields[i] IS NULL OR p_fields[i] ?| '{15,30}') AND NOT registry.trade_fits((p_rows[i]).industry, k.trades);
END $$;

-- As callers hear it: each other project once, five at most, and a misfit. Owner office, day and number are all that is disclosed.
CREATE FUNCTION registry.warnings(p_lang text[], p_rows registry.project[], p_fields jsonb[], p_phones text[]) RETURNS TABLE (n int, warnings api.warning[])
LANGUAGE sql STABLE AS $$
    SELECT u.n, array_agg(u.w ORDER BY u.place)
    FROM (SELECT x.n, x.place, ROW(x.rule, x.no, x.office, x.day, registry.say(p_lang[x.n], 'warn.' || x.rule, x.name, x.day, x.no))::api.warning AS w
          FROM (SELECT y.*, row_number() OVER (PARTITION BY y.n ORDER BY y.at, y.no) AS place
                FROM (SELECT DISTINCT ON (s.n, (s.other).id) s.n, s.rule, (s.other).no, (s.other).office, (s.other).registered_at AS at,
                          registry.day((s.other).registered_at) AS day, o.name
                      FROM registry.suspects(p_rows, p_fields, p_phones) WITH ORDINALITY s(n, rule, other, first) JOIN registry.office o ON o.code = (s.other).office
                      WHERE s.rule IN ('released', 'other_investor') OR registry.duplicate_limit(s.rule, 'warn') IS NOT NULL
                      ORDER BY s.n, (s.other).id, s.first) y) x
          WHERE x.place <= 5
          UNION ALL SELECT m.n, 6, ROW('misfit', NULL, NULL, NULL,
            registry.say(p_lang[m.n], 'warn.misfit', registry.code_label(p_lang[m.n], 'industry', m.industry), m.park, m.better))::api.warning
          FROM registry.misfits(p_rows, p_fields) m) u
    GROUP BY u.n
$$;
