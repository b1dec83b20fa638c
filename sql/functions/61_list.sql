-- SPDX-License-Identifier: Apache-2.0
-- Lists: terms to SQL, keyset pages, pages that fit into a frame.

-- One term as a condition on p, a row of that kind, or what is wrong with it. Values travel quoted by %L, columns come from registry.field.
CREATE FUNCTION registry.term_sql(term jsonb, p_kind text, OUT sql text, OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    field_name text := term ->> 'field';
    op text := coalesce(term ->> 'op', '=');
    vals text[] := ARRAY(SELECT v FROM jsonb_array_elements_text(coalesce(term -> 'values', '[]')) v);
    f registry.field;
    ops text[];
    v text;
    w text;
    one text;
    parts text[] := '{}';
    list text; -- people's tags and those by rule are one list
BEGIN
    IF field_name = 'project' AND p_kind = 'project' THEN
        field_name := 'id';
    END IF;
    SELECT * INTO f FROM registry.field x WHERE x.kind = p_kind AND x.name = field_name AND NOT x.masked AND x.type <> 'derived';
    IF NOT FOUND THEN
        fault := ROW('INVALID_ARGUMENT', coalesce(field_name, ''), NULL, 'term.field', NULL, registry.nearest(coalesce(field_name, ''),
            ARRAY(SELECT x.name FROM registry.field x WHERE x.kind = p_kind AND NOT x.masked ORDER BY number), 8),
            NULL, NULL, NULL);
        RETURN;
    END IF;
    ops := CASE
        WHEN f.name = 'version' OR f.type IN ('money', 'int', 'mu', 'ymd', 'instant') THEN '{=,!=,>=,<=,>,<}'::text[]
        WHEN f.type = 'bool' THEN '{=,!=}'::text[]
        ELSE '{=,!=,~}'::text[] END;
    IF op <> ALL (ops) THEN
        fault := ROW('INVALID_ARGUMENT', field_name, op, 'term.op', NULL, ops, NULL, NULL, NULL);
        RETURN;
    ELSIF cardinality(vals) = 0 OR cardinality(vals) > 200 THEN
        fault := ROW('INVALID_ARGUMENT', field_name, op, 'term.values', NULL, NULL, NULL, NULL, NULL);
        RETURN;
    END IF;
    list := CASE WHEN p_kind = 'project' AND f.name = 'tags' THEN '(p.tags || p.auto_tags)' ELSE format('p.%I', f.name) END;
    FOREACH v IN ARRAY vals LOOP
        v := btrim(v);
        IF v = '' AND op IN ('=', '!=') THEN
            -- "park=" lists those without
            parts := parts || CASE WHEN f.type IN ('tags', 'list') THEN format('coalesce(%s, ''{}'') = ''{}''', list)
                ELSE format('p.%I IS NULL', f.name) END;
            CONTINUE;
        END IF;
        w := CASE
            WHEN op = '~' THEN CASE WHEN v = '' THEN 'term.values' END
            WHEN f.type = 'money' THEN CASE WHEN v !~ '^[0-9]{1,15}(\.[0-9]{1,2})?$' THEN 'money.text' END
            WHEN f.type = 'int' OR f.name = 'version' THEN CASE WHEN v !~ '^[0-9]{1,9}$' THEN 'int.form' END
            WHEN f.type = 'bool' THEN CASE WHEN v NOT IN ('true', 'false') THEN 'bool.form' END
            WHEN f.type = 'mu' THEN CASE WHEN v !~ '^[0-9]{1,9}(\.[0-9]{1,8})?$' THEN 'mu.form' END
            WHEN f.type = 'ymd' THEN CASE WHEN NOT registry.is_ymd(v) THEN 'ymd.form' END
            WHEN f.type = 'instant' THEN CASE WHEN NOT registry.is_ymd(left(v, 10)) OR length(v) < 10
                OR v !~ '^[0-9-]{10}([T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?(Z|[+-][0-2][0-9]:?[0-5][0-9])?)?$'
                THEN 'instant.form' END
            WHEN f.type = 'code' THEN CASE WHEN registry.resolve(f.code_kind, v) IS NULL THEN 'code.unknown' END
            END;
        IF w IS NOT NULL THEN
            fault := ROW('INVALID_ARGUMENT', field_name, v, w, ARRAY[f.max::text], NULL, NULL, NULL, NULL);
            RETURN;
        END IF;
        one := CASE
            WHEN op = '~' AND p_kind = 'project' AND f.name IN ('name', 'investor') THEN
                format('registry.grams(p.find_key) @> %L AND p.%I LIKE %L', registry.gram_query(registry.norm(v)),
                       f.name || '_key', registry.like_any(registry.norm(v)))
            WHEN op = '~' AND f.type IN ('tags', 'list') THEN
                format('EXISTS (SELECT FROM unnest(%s) t WHERE lower(t) LIKE %L)', list, registry.like_any(lower(v)))
            WHEN op = '~' THEN format('lower(p.%I) LIKE %L', f.name, registry.like_any(lower(v)))
            WHEN f.type = 'bool' THEN format('coalesce(p.%I, false) = %L', f.name, v)
            WHEN p_kind = 'project' AND f.name = 'tags' THEN format('(p.tags @> ARRAY[%1$L] OR p.auto_tags @> ARRAY[%1$L])', v)
            WHEN f.type IN ('tags', 'list') THEN format('%s @> ARRAY[%L]', list, coalesce(registry.resolve(f.code_kind, v), v))
            WHEN f.type = 'money' THEN format('p.%I %s %L::bigint', f.name, op, (v::numeric * 100)::bigint)
            WHEN f.type = 'mu' THEN format('p.%I %s %L::numeric', f.name, op, v)
            WHEN f.type = 'int' OR f.name = 'version' THEN format('p.%I %s %L::int', f.name, op, v)
            WHEN f.type = 'ymd' THEN format('p.%I %s %L', f.name, op, v)
            WHEN f.type = 'instant' THEN format('p.%I %s %L::timestamptz', f.name, op,
                CASE WHEN length(v) = 10 THEN (v::timestamp AT TIME ZONE
                    (SELECT value FROM registry.setting WHERE key = 'county.timezone'))::text ELSE v END)
            WHEN f.code_kind IN ('industry', 'region') THEN
                format('p.%I LIKE %L', f.name, registry.resolve(f.code_kind, v) || '%')
            WHEN f.type = 'code' THEN format('p.%I = %L', f.name, registry.resolve(f.code_kind, v))
            WHEN f.name = 'id' THEN format(CASE WHEN registry.has_field(p_kind, 'no') THEN '(p.id = %1$L OR p.no = %1$L)' ELSE 'p.id = %1$L' END, v)
            WHEN f.name = 'project' THEN format('p.project = %L', coalesce((registry.project_find(v)).id, v))
            ELSE format('p.%I = %L', f.name, v) END;
        IF op = '!=' AND one LIKE '% != %' THEN
            one := replace(one, ' != ', ' = ');
        END IF;
        -- dates are as exact as they are known: 2026 = 2026-03-05, and 2026-03 <= 2026-03-31
        IF f.type = 'ymd' THEN
            one := CASE op WHEN '=' THEN format('p.%I LIKE %L', f.name, v || '%')
                WHEN '!=' THEN format('p.%I LIKE %L', f.name, v || '%')
                WHEN '<=' THEN format('left(p.%I, %s) <= %L', f.name, length(v), v)
                WHEN '>' THEN format('left(p.%I, %s) > %L', f.name, length(v), v)
                WHEN '>=' THEN format('p.%I >= %L', f.name, v)
                ELSE format('p.%I < %L', f.name, v) END;
        END IF;
        parts := parts || one;
    END LOOP;
    sql := '(' || array_to_string(parts, ' OR ') || ')';
    IF op = '!=' THEN
        sql := sql || ' IS NOT TRUE';
    END IF;
END $$;

-- Grams every match must hold: pairs, or the character when there is only one.
CREATE FUNCTION registry.gram_query(v text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN length(v) < 2 THEN registry.grams(v)
        ELSE ARRAY(SELECT g FROM unnest(registry.grams(v)) g WHERE length(g) = 2) END
$$;

CREATE FUNCTION registry.like_any(v text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT '%' || regexp_replace(v, '([\\%_])', '\\\1', 'g') || '%'
$$;

-- Bytes of a row (from above): what a page of 64 KiB can take.
CREATE FUNCTION registry.row_bytes(r anyelement) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT octet_length(r::text) + 120
$$;

-- How many of the rows, whose bytes in a message these are, make a page: what a frame of 64 KiB takes, and what its reader unpacks.
CREATE FUNCTION registry.rows_that_fit(p_sizes int[], p_most int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    most CONSTANT int := least(p_most, 300);
    left_over int := 60000;
    fit int := 0;
    size int;
BEGIN
    FOREACH size IN ARRAY coalesce(p_sizes, '{}') LOOP
        left_over := left_over - size;
        EXIT WHEN fit = most OR (left_over < 0 AND fit > 0);
        fit := fit + 1;
    END LOOP;
    RETURN fit;
END $$;

CREATE FUNCTION api.project_list(p_account int, p_lang text, terms jsonb, search text, sort text, after text, "limit" int,
    export boolean)
RETURNS api.project_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = ''
SET enable_seqscan = on AS $$
DECLARE
    r api.project_list_reply;
    term jsonb;
    conditions text[] := ARRAY['true'];
    page_condition text := 'true';
    t record;
    f registry.field;
    order_by CONSTANT text := coalesce(nullif(btrim(sort), ''), '-registered_at');
    sort_name CONSTANT text := ltrim(order_by, '-');
    descending CONSTANT boolean := left(order_by, 1) = '-';
    key text;
    key_type text;
    whole boolean; -- every project has one
    ordered text;
    n int := least(greatest(coalesce("limit", 100), 1), 500);
    place jsonb;
    needle text;
    keys text[];
    numbers text[];
    ids text[];
    sizes int[];
    contacts boolean[];
    restricted boolean[];
    until text[];
    places int[];
    fit int;
    upto int;
    rule CONSTANT registry.protection_rule := registry.protection_rule_in_force();
    zone CONSTANT text := (SELECT s.value FROM registry.setting s WHERE s.key = 'county.timezone');
    reach CONSTANT text[] := registry.reach(p_account, 'contact');
    grants CONSTANT int[] := registry.grants(p_account);
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    END IF;
    IF jsonb_array_length(coalesce(terms, '[]')) > 50
       OR (SELECT sum(jsonb_array_length(coalesce(x -> 'values', '[]'))) FROM jsonb_array_elements(terms) x) > 400 THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'terms', 'terms.many');
        RETURN r;
    END IF;
    FOR term IN SELECT * FROM jsonb_array_elements(coalesce(terms, '[]')) LOOP
        SELECT * INTO t FROM registry.term_sql(term, 'project');
        IF (t.fault).code IS NOT NULL THEN
            r.error := registry.error_of(p_lang, 'project', t.fault);
            RETURN r;
        END IF;
        conditions := conditions || t.sql;
    END LOOP;
    needle := registry.norm(left(search, 1000)); -- longer than anything there is
    IF needle = '' AND btrim(coalesce(search, '')) <> '' THEN
        -- nothing but signs
        conditions := conditions || format('(p.name LIKE %1$L OR p.investor LIKE %1$L)', registry.like_any(btrim(search)));
    ELSIF needle <> '' THEN
        conditions := conditions || format('registry.grams(p.find_key) @> %L AND p.find_key LIKE %L',
            registry.gram_query(needle), registry.like_any(needle));
    END IF;
    SELECT * INTO f FROM registry.field x WHERE x.kind = 'project' AND x.name = sort_name AND NOT x.masked AND x.type <> 'derived';
    IF NOT FOUND THEN
        r.error := registry.error_of(p_lang, 'project', ROW('INVALID_ARGUMENT', 'sort', sort_name, 'sort.field', NULL,
            registry.nearest(sort_name, ARRAY(SELECT x.name FROM registry.field x WHERE x.kind = 'project'
                                              AND NOT x.masked ORDER BY number), 8), NULL, NULL, NULL));
        RETURN r;
    END IF;
    -- stages by their order, all else by value
    key := CASE WHEN f.name = 'stage' THEN '(SELECT s.rank FROM registry.stage s WHERE s.rule_set = '
                     || registry.rule_set_in_force() || ' AND s.code = p.stage)'
                ELSE format('p.%I', f.name) END;
    SELECT format_type(a.atttypid, a.atttypmod), a.attnotnull INTO key_type, whole FROM pg_attribute a
    WHERE a.attrelid = 'registry.project'::regclass AND a.attname = f.name;
    IF f.name = 'stage' THEN
        key_type := 'int';
        whole := false; -- of a rule set that isn't in force
    END IF;
    IF after IS NOT NULL THEN
        BEGIN
            place := convert_from(decode(after, 'base64'), 'UTF8')::jsonb;
            IF place ->> 's' IS DISTINCT FROM order_by OR place ->> 'n' IS NULL THEN
                place := NULL;
            END IF;
            EXECUTE format('SELECT %L::%s', place ->> 'k', key_type); -- made up by somebody
        EXCEPTION WHEN data_exception OR invalid_text_representation THEN
            place := NULL;
        END;
        IF place IS NULL THEN
            r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'after', 'after.form');
            RETURN r;
        END IF;
        page_condition := format(CASE WHEN whole THEN '(%1$s, p.no) %2$s (%3$L, %4$L)' WHEN place ->> 'k' IS NULL THEN '(%1$s IS NULL AND p.no %2$s %4$L)'
            ELSE '(%1$s %2$s %3$L OR (%1$s = %3$L AND p.no %2$s %4$L) OR %1$s IS NULL)' END,
            key, CASE WHEN descending THEN '<' ELSE '>' END, place ->> 'k', place ->> 'n');
    END IF;
    -- equals by their numbers, in the same direction: with the default order that is an index
    ordered := format('%1$s %2$s %3$s, p.no %2$s', key, CASE WHEN descending THEN 'DESC' ELSE 'ASC' END, CASE WHEN NOT whole THEN 'NULLS LAST' END);
    EXECUTE format('SELECT array_agg(x.key), array_agg(x.no), array_agg(x.id) FROM (SELECT (%s)::text AS key, p.no, p.id FROM registry.project p
            WHERE %s AND %s AND p.audience && $1 ORDER BY %s LIMIT %s) x',
        key, array_to_string(conditions, ' AND '), page_condition, ordered, n + 1)
    INTO keys, numbers, ids USING grants;
    -- by a plan that is kept; a row that was closed to the caller in between is left out
    SELECT array_agg(x.row), array_agg(x.bytes), array_agg(x.contact), array_agg(x.restricted), array_agg(x.until), array_agg(x.n)
    INTO r.rows, sizes, contacts, restricted, until, places
    FROM (SELECT registry.project_row(p, c.name, c.phone) AS row, coalesce(c.name, c.phone) IS NOT NULL AS contact, p.restricted,
                 registry.project_bytes(p) + coalesce(octet_length(c.name), 0) + coalesce(octet_length(c.phone), 0) AS bytes,
                 registry.protected_until(h.state, h.until_on, p.stage, p.registered_at, rule, zone) AS until, u.n
          FROM unnest(ids) WITH ORDINALITY u(id, n)
          JOIN registry.project p ON p.id = u.id AND p.audience && grants
          LEFT JOIN registry.protection h ON h.project = p.id
          LEFT JOIN LATERAL (SELECT * FROM registry.contact c WHERE c.project = u.id AND reach && ARRAY['*', p.office] LIMIT 1) c ON true
          ORDER BY u.n) x;
    fit := registry.rows_that_fit(sizes, n);
    upto := CASE WHEN fit < cardinality(places) THEN places[fit] ELSE cardinality(ids) END;
    IF upto < cardinality(ids) OR upto > n THEN
        r.rows := r.rows[1:fit];
        r.next := translate(encode(convert_to(jsonb_build_object('s', order_by, 'k', keys[upto], 'n', numbers[upto])::text, 'UTF8'), 'base64'), E'\n', '');
    END IF;
    r.rows := registry.with_protection(r.rows, until);
    IF after IS NULL AND conditions = ARRAY['true'] THEN
        r.total := registry.projects_seen(grants);
    ELSIF after IS NULL THEN
        EXECUTE format('SELECT count(*) FROM registry.project p WHERE %s AND p.audience && $1', array_to_string(conditions, ' AND '))
        INTO r.total USING grants;
    END IF;
    IF export AND after IS NOT NULL THEN
        PERFORM set_config('synchronous_commit', 'off', true); -- that there is an export waited for the disk, how far it came doesn't
    ELSE
        PERFORM registry.commit_here();
    END IF;
    PERFORM registry.audit_counted(p_account, CASE WHEN export THEN 'export' ELSE 'project_list' END, export, NULL, NULL, fit,
        cardinality(array_positions(contacts[1:fit], true)), cardinality(array_positions(restricted[1:fit], true)),
        jsonb_build_object('terms', registry.terms_told(terms), 'search', left(search, 100), 'from', left(place ->> 'n', 100)));
    RETURN r;
END $$;
