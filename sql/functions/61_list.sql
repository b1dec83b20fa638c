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

-- How many of the rows, whose bytes in a message these are, and all together, make a page: what a frame of 64 KiB takes beside the rest of the
-- answer, and what its reader unpacks.
CREATE FUNCTION registry.rows_that_fit(p_sizes int[], p_bytes int, p_most int, p_rest int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    most CONSTANT int := least(p_most, 300);
    left_over int := 65000 - p_rest;
    fit int := 0;
    size int;
BEGIN
    IF cardinality(p_sizes) <= most AND p_bytes <= left_over THEN
        RETURN cardinality(p_sizes);
    END IF;
    FOREACH size IN ARRAY coalesce(p_sizes, '{}') LOOP
        left_over := left_over - size;
        EXIT WHEN fit = most OR (left_over < 0 AND fit > 0);
        fit := fit + 1;
    END LOOP;
    RETURN fit;
END $$;

-- Where a page of a list ends, as text that only this list understands: its order, and key and number of its last row.
CREATE FUNCTION registry.list_place(p_order text, p_key text, p_no text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT translate(encode(convert_to(jsonb_build_object('s', p_order, 'k', p_key, 'n', p_no)::text, 'UTF8'), 'base64'), E'\n', '')
$$;

-- The opposite; null: it is of another order, or made up by somebody.
CREATE FUNCTION registry.list_placed(p_order text, p_key_type text, p_place text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    place jsonb;
BEGIN
    place := convert_from(decode(p_place, 'base64'), 'UTF8')::jsonb;
    IF p_key_type <> 'text' THEN
        EXECUTE format('SELECT %L::%s', place ->> 'k', p_key_type);
    END IF;
    RETURN CASE WHEN place ->> 's' = p_order AND place ->> 'n' IS NOT NULL THEN place END;
EXCEPTION WHEN data_exception OR invalid_text_representation THEN
    RETURN NULL;
END $$;

-- What chooses rows of a list, by conditions on p; equals stand by their numbers, in the same direction: with the default order that is an index.
CREATE FUNCTION registry.list_rows(p_what text, p_where text, p_key text, p_whole boolean, p_down boolean, p_limit text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT format('SELECT %1$s FROM registry.project p WHERE %2$s AND p.audience && $1 ORDER BY %3$s %4$s %5$s, p.no %4$s LIMIT %6$s', p_what, p_where, p_key,
        CASE WHEN p_down THEN 'DESC' ELSE 'ASC' END, CASE WHEN NOT p_whole THEN 'NULLS LAST' END, p_limit)
$$;

-- The statement of a page and the row behind it, one moment: rows p of p_from in their order, until p_limit. $1 the caller's grants, $2 whose
-- contacts he may see, $3 the rule of protections, $4 the county's zone. Contacts are few and looked up one by one.
CREATE FUNCTION registry.list_page(p_from text, p_key text, p_whole boolean, p_down boolean, p_limit text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT format('SELECT array_agg(y.sent), array_agg(octet_length(y.sent) + y.packing), sum(octet_length(y.sent) + y.packing), array_agg(y.contact), array_agg(y.restricted),
               array_agg(y.key), array_agg(y.no)
        FROM (SELECT registry.project_sent(p, CASE WHEN p.contact_name_mark > 0 AND %6$s THEN (SELECT c.name FROM registry.contact c WHERE c.project = p.id) END,
                         CASE WHEN p.contact_phone_mark > 0 AND %6$s THEN (SELECT c.phone FROM registry.contact c WHERE c.project = p.id) END,
                         registry.protected_until(h.state, h.until_on, p.stage, p.registered_at, $3, $4)) AS sent,
                     registry.project_packing(p) AS packing,
                     (p.contact_name_mark > 0 OR p.contact_phone_mark > 0) AND %6$s AND EXISTS (SELECT FROM registry.contact c
                         WHERE c.project = p.id AND coalesce(c.name, c.phone) IS NOT NULL) AS contact, p.restricted, (%2$s)::text AS key, p.no
              FROM %1$s ORDER BY %2$s %3$s %4$s, p.no %3$s %5$s) y',
        p_from, p_key, CASE WHEN p_down THEN 'DESC' ELSE 'ASC' END, CASE WHEN NOT p_whole THEN 'NULLS LAST' END, 'LIMIT ' || p_limit,
        '$2 && ARRAY[''*'', p.office]')
$$;

-- The same by a plan that is kept, for a part of all projects between two numbers: what an export mostly asks for.
DO $$
BEGIN
    EXECUTE format('CREATE FUNCTION registry.project_part(p_grants int[], p_reach text[], p_rule registry.protection_rule, p_zone text, p_most int, p_after text, p_until text,
        OUT rows bytea[], OUT sizes int[], OUT bytes int, OUT contacts boolean[], OUT restricted boolean[], OUT keys text[], OUT numbers text[]) LANGUAGE plpgsql STABLE AS $f$
BEGIN
    %s INTO rows, sizes, bytes, contacts, restricted, keys, numbers;
END $f$', registry.list_page('registry.project p LEFT JOIN registry.protection h ON h.project = p.id WHERE p.no > $6 AND p.no <= $7 AND p.audience && $1',
        'p.no', true, false, '$5 + 1'));
END $$;

-- One page, whatever is asked for.
CREATE FUNCTION registry.project_chosen(p_grants int[], p_reach text[], p_rule registry.protection_rule, p_zone text, p_most int, p_where text, p_key text,
    p_whole boolean, p_down boolean, OUT rows bytea[], OUT sizes int[], OUT bytes int, OUT contacts boolean[], OUT restricted boolean[], OUT keys text[], OUT numbers text[])
LANGUAGE plpgsql STABLE SET enable_seqscan = on AS $$
BEGIN
    EXECUTE registry.list_page(format('(%s) p LEFT JOIN registry.protection h ON h.project = p.id',
            registry.list_rows('p.*', p_where, p_key, p_whole, p_down, (p_most + 1)::text)), p_key, p_whole, p_down, 'ALL')
    INTO rows, sizes, bytes, contacts, restricted, keys, numbers USING p_grants, p_reach, p_rule, p_zone;
END $$;

-- Places further on: of each p_most-th row, p_ahead of them.
CREATE FUNCTION registry.project_places(p_grants int[], p_order text, p_most int, p_ahead int, p_where text, p_key text, p_whole boolean, p_down boolean)
RETURNS text[] LANGUAGE plpgsql STABLE SET enable_seqscan = on AS $$
DECLARE
    places text[];
BEGIN
    EXECUTE format('SELECT array_agg(registry.list_place($2, x.key, x.no) ORDER BY x.n) FROM (SELECT y.*, row_number() OVER () AS n FROM (%s) y) x WHERE x.n %% $3 = 0',
        registry.list_rows(format('(%s)::text AS key, p.no', p_key), p_where, p_key, p_whole, p_down, (p_most * p_ahead)::text))
    INTO places USING p_grants, p_order, p_most;
    RETURN places;
END $$;

-- A page; `until` ends it at another page's place, that row included, so that parts of a list are read side by side; `ahead` asks for places.
CREATE FUNCTION api.project_list(p_account int, p_lang text, terms jsonb, search text, sort text, after text, "limit" int,
    export boolean, until text DEFAULT NULL, ahead int DEFAULT NULL)
RETURNS api.project_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.project_list_reply;
    term jsonb;
    conditions text[] := ARRAY['true'];
    t record;
    f record;
    order_by CONSTANT text := coalesce(nullif(btrim(sort), ''), '-registered_at');
    sort_name CONSTANT text := ltrim(order_by, '-');
    descending CONSTANT boolean := left(order_by, 1) = '-';
    -- of the number, which exports go by
    key text := 'p.no';
    key_type text := 'text';
    whole boolean := true; -- every project has one
    n int := least(greatest(coalesce("limit", 100), 1), 500);
    place jsonb;
    from_no text;
    bounds text[] := '{}';
    needle text;
    page record;
    rest int; -- bytes of the answer
    fit int;
    rule CONSTANT registry.protection_rule := registry.protection_rule_in_force();
    zone CONSTANT text := (SELECT s.value FROM registry.setting s WHERE s.key = 'county.timezone');
    reach CONSTANT text[] := registry.reach(p_account, 'contact');
    grants CONSTANT int[] := registry.grants(p_account);
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    END IF;
    IF terms IS NOT NULL THEN
        IF jsonb_array_length(terms) > 50 OR (SELECT sum(jsonb_array_length(coalesce(x -> 'values', '[]'))) FROM jsonb_array_elements(terms) x) > 400 THEN
            r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'terms', 'terms.many');
            RETURN r;
        END IF;
        FOR term IN SELECT * FROM jsonb_array_elements(terms) LOOP
            SELECT * INTO t FROM registry.term_sql(term, 'project');
            IF (t.fault).code IS NOT NULL THEN
                r.error := registry.error_of(p_lang, 'project', t.fault);
                RETURN r;
            END IF;
            conditions := conditions || t.sql;
        END LOOP;
    END IF;
    IF search <> '' THEN
        needle := registry.norm(left(search, 1000)); -- longer than anything there is
        IF needle <> '' THEN
            conditions := conditions || format('registry.grams(p.find_key) @> %L AND p.find_key LIKE %L',
                registry.gram_query(needle), registry.like_any(needle));
        ELSIF btrim(search) <> '' THEN
            -- nothing but signs
            conditions := conditions || format('(p.name LIKE %1$L OR p.investor LIKE %1$L)', registry.like_any(btrim(search)));
        END IF;
    END IF;
    IF sort_name <> 'no' THEN
        SELECT x.name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull INTO f
        FROM registry.field x JOIN pg_attribute a ON a.attrelid = 'registry.project'::regclass AND a.attname = x.name
        WHERE x.kind = 'project' AND x.name = sort_name AND NOT x.masked AND x.type <> 'derived';
        IF NOT FOUND THEN
            r.error := registry.error_of(p_lang, 'project', ROW('INVALID_ARGUMENT', 'sort', sort_name, 'sort.field', NULL,
                registry.nearest(sort_name, ARRAY(SELECT x.name FROM registry.field x WHERE x.kind = 'project'
                                                  AND NOT x.masked ORDER BY number), 8), NULL, NULL, NULL));
            RETURN r;
        END IF;
        key := format('p.%I', f.name);
        key_type := f.type;
        whole := f.attnotnull;
    END IF;
    IF sort_name = 'stage' THEN
        -- by their order; null: of a rule set that isn't in force
        key := '(SELECT s.rank FROM registry.stage s WHERE s.rule_set = ' || registry.rule_set_in_force() || ' AND s.code = p.stage)';
        key_type := 'int';
        whole := false;
    END IF;
    IF after IS NOT NULL THEN
        place := registry.list_placed(order_by, key_type, after);
        from_no := place ->> 'n';
        bounds := bounds || format(CASE WHEN whole THEN '(%1$s, p.no) %2$s (%3$L, %4$L)' WHEN place ->> 'k' IS NULL THEN '(%1$s IS NULL AND p.no %2$s %4$L)'
            ELSE '(%1$s %2$s %3$L OR (%1$s = %3$L AND p.no %2$s %4$L) OR %1$s IS NULL)' END,
            key, CASE WHEN descending THEN '<' ELSE '>' END, place ->> 'k', place ->> 'n');
    END IF;
    IF until IS NOT NULL AND (place IS NOT NULL OR after IS NULL) THEN
        place := registry.list_placed(order_by, key_type, until);
        bounds := bounds || format(CASE WHEN whole THEN '(%1$s, p.no) %2$s= (%3$L, %4$L)' WHEN place ->> 'k' IS NULL THEN '(%1$s IS NOT NULL OR p.no %2$s= %4$L)'
            ELSE '(%1$s %2$s %3$L OR (%1$s = %3$L AND p.no %2$s= %4$L))' END,
            key, CASE WHEN descending THEN '>' ELSE '<' END, place ->> 'k', place ->> 'n');
    END IF;
    IF place IS NULL AND (after IS NOT NULL OR until IS NOT NULL) THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', CASE WHEN after IS NULL OR cardinality(bounds) = 2 THEN 'until' ELSE 'after' END, 'after.form');
        RETURN r;
    END IF;
    IF order_by = 'no' AND conditions = ARRAY['true'] AND after IS NOT NULL AND until IS NOT NULL THEN
        page := registry.project_part(grants, reach, rule, zone, n, from_no, place ->> 'n');
    ELSE
        page := registry.project_chosen(grants, reach, rule, zone, n, array_to_string(conditions || bounds, ' AND '), key, whole, descending);
    END IF;
    IF ahead > 0 THEN
        r.places := registry.project_places(grants, order_by, n, least(ahead, 64), array_to_string(conditions || bounds, ' AND '), key, whole, descending);
    END IF;
    rest := (SELECT coalesce(sum(octet_length(x) + 5), 0) FROM unnest(r.places) x);
    IF rest > 20000 THEN
        r.places := NULL; -- of an order by long texts
        rest := 0;
    END IF;
    fit := registry.rows_that_fit(page.sizes, page.bytes, n, rest + 200); -- all of them, without a place behind them
    IF fit < cardinality(page.rows) THEN
        fit := registry.rows_that_fit(page.sizes, page.bytes, n, rest + 200 + 4 * (SELECT max(octet_length(k)) FROM unnest(page.keys) k));
    END IF;
    IF fit < cardinality(page.rows) THEN
        r.rows := page.rows[1:fit];
        r.next := registry.list_place(order_by, page.keys[fit], page.numbers[fit]);
    ELSE
        r.rows := page.rows;
    END IF;
    IF after IS NULL AND conditions = ARRAY['true'] THEN
        r.total := registry.projects_seen(grants);
    ELSIF after IS NULL THEN
        EXECUTE format('SELECT count(*) FROM registry.project p WHERE %s AND p.audience && $1', array_to_string(conditions, ' AND '))
        INTO r.total USING grants;
    END IF;
    -- that there is an export, and which stretch of the list it has got the places of, waits for the disk; how many rows each part had doesn't
    IF export AND after IS NOT NULL AND coalesce(ahead, 0) = 0 THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    ELSE
        PERFORM registry.commit_here();
    END IF;
    PERFORM registry.audit_counted(p_account, CASE WHEN export THEN 'export' ELSE 'project_list' END, export, NULL, NULL, fit,
        cardinality(array_positions(page.contacts[1:fit], true)), cardinality(array_positions(page.restricted[1:fit], true)),
        jsonb_build_object('terms', registry.terms_told(terms), 'search', left(search, 100), 'from', left(from_no, 100)));
    RETURN r;
END $$;
