-- SPDX-License-Identifier: Apache-2.0
-- The rules of fields and records: the one place. A single edit is a batch of one.

-- Up to p_max tags, each 1 to 30 characters without comma.
CREATE FUNCTION registry.tags_valid(p_value jsonb, p_max int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN jsonb_typeof(p_value) = 'array' AND jsonb_array_length(p_value) <= p_max AND NOT EXISTS (
        SELECT FROM jsonb_array_elements(p_value) t
        WHERE jsonb_typeof(t) <> 'string' OR t #>> '{}' !~ '^[^,，[:cntrl:]]{1,30}$');
END $$;

-- What is wrong with a value of a type, as the key of a sentence; null = nothing. Text comes trimmed and not empty.
-- One expression, so that the planner takes it into the query that reads a whole file.
CREATE FUNCTION registry.cell_fault(p_type text, p_max int, p_text text, p_value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_type = 'money' THEN CASE
            WHEN jsonb_typeof(p_value) <> 'number' OR p_value::numeric % 1 <> 0 THEN 'money.form'
            WHEN p_value::numeric < 0 OR p_value::numeric >= 100000000000000000 THEN 'money.range' END
        WHEN p_type = 'int' THEN CASE WHEN jsonb_typeof(p_value) <> 'number' OR p_value::numeric % 1 <> 0
            OR p_value::numeric NOT BETWEEN 0 AND p_max THEN 'int.form' END
        WHEN p_type = 'tags' THEN CASE WHEN NOT registry.tags_valid(p_value, p_max) THEN 'tags.form' END
        WHEN p_type = 'bool' THEN CASE WHEN jsonb_typeof(p_value) <> 'boolean' THEN 'bool.form' END
        WHEN p_type = 'instant' THEN CASE WHEN jsonb_typeof(p_value) <> 'number' OR p_value::numeric % 1 <> 0
            OR p_value::numeric NOT BETWEEN 0 AND 7258118400000000 THEN 'instant.form' END -- microseconds, up to 2200
        WHEN p_text IS NULL THEN 'value.type'
        WHEN p_type = 'text' THEN CASE WHEN length(p_text) > p_max THEN 'text.long'
            WHEN p_text ~ '[\x01-\x1f\x7f]' THEN 'text.control' END
        WHEN p_type = 'note' THEN CASE WHEN length(p_text) > p_max THEN 'text.long'
            WHEN p_text ~ '[\x01-\x08\x0b-\x1f\x7f]' THEN 'text.control' END
        WHEN p_type = 'ymd' THEN CASE WHEN NOT registry.is_ymd(p_text) THEN 'ymd.form'
            WHEN left(p_text, 4) NOT BETWEEN '1990' AND '2100' THEN 'ymd.range' END
        WHEN p_type = 'mu' THEN CASE WHEN p_text !~ '^[0-9]{1,9}(\.[0-9]{1,8})?$' THEN 'mu.form' END
        WHEN p_type = 'credit_code' THEN CASE WHEN NOT registry.credit_code_valid(p_text) THEN 'credit.form' END
        WHEN p_type = 'project_code' THEN CASE
            WHEN p_text !~ '^[0-9]{4}-[0-9]{6}-[0-9]{2}-[0-9]{2}-[0-9]{6}$' THEN 'project_code.form' END
        WHEN p_type = 'currency' THEN CASE WHEN p_text !~ '^[A-Z]{3}$' THEN 'currency.form' END
    END
$$;

-- Tags trimmed, each once, in the order given.
CREATE FUNCTION registry.clean_tags(p_value jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF jsonb_typeof(p_value) <> 'array' OR p_value = jsonb_build_array(btrim(p_value ->> 0)) THEN
        RETURN p_value;
    END IF;
    RETURN coalesce((SELECT jsonb_agg(u.tag ORDER BY u.first)
        FROM (SELECT btrim(t.tag) AS tag, min(t.i) AS first FROM jsonb_array_elements_text(p_value) WITH ORDINALITY t(tag, i)
              WHERE btrim(t.tag) <> '' GROUP BY 1) u), 'null');
END $$;

-- (STABLE, as to_jsonb is: else the planner would not take it into the query.)
-- A cell as it is kept: text trimmed, empty = null, false = null, a word of a glossary as its code, tags once each.
CREATE FUNCTION registry.cell_value(p_type text, p_text text, p_value jsonb, p_code text) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_value = 'null' OR p_text = '' OR p_value = '[]' OR p_value = 'false' THEN 'null'::jsonb
        WHEN p_type = 'code' THEN to_jsonb(p_code)
        WHEN p_type = 'tags' THEN registry.clean_tags(p_value)
        WHEN p_text IS NOT NULL THEN to_jsonb(p_text)
        ELSE p_value END
$$;

-- What is wrong with a cell that was read as p_value. p_name null: there is no such field.
CREATE FUNCTION registry.cell_refused(p_name text, p_editable boolean, p_required boolean, p_type text, p_max int,
    p_text text, p_value jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_name IS NULL THEN 'field.unknown'
        WHEN NOT p_editable THEN 'field.readonly'
        WHEN p_value = 'null' THEN CASE WHEN p_required THEN 'field.required' END
        WHEN p_type = 'code' THEN CASE WHEN p_text IS NULL THEN 'value.type' WHEN p_value IS NULL THEN 'code.unknown' END
        ELSE registry.cell_fault(p_type, p_max, p_text, p_value) END
$$;

-- An office that was merged into another takes nothing new.
CREATE FUNCTION registry.office_refused(p_code_kind text, p_value jsonb) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF p_code_kind = 'office' AND EXISTS (SELECT FROM registry.office o WHERE o.code = p_value #>> '{}' AND o.until_on IS NOT NULL) THEN
        RETURN 'office.ended';
    END IF;
    RETURN NULL;
END $$;

-- A word in a list of offices that means none, or one that takes nothing new; null = neither.
CREATE FUNCTION registry.office_fault(p_field text, p_word text) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    o CONSTANT text := registry.resolve('office', btrim(p_word));
BEGIN
    RETURN CASE WHEN o IS NULL THEN registry.bad(p_field, p_word, 'code.unknown')
        WHEN registry.office_refused('office', to_jsonb(o)) IS NOT NULL THEN registry.bad(p_field, p_word, 'office.ended') END;
END $$;

-- Text of a cell, or null when it is no text.
CREATE FUNCTION registry.cell_text(p_value jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(p_value) = 'string' THEN btrim(p_value #>> '{}', E' \t\u3000') END
$$;

-- Reads one set of fields. `fault` is the first field that won't do.
CREATE FUNCTION registry.read_set(p_kind text, p_set jsonb, OUT clean jsonb, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    k text;
    x jsonb;
    f registry.field;
    t text;
    v jsonb;
    wrong text;
    at_number int;
BEGIN
    clean := '{}';
    FOR k, x IN SELECT * FROM jsonb_each(p_set) LOOP
        SELECT * INTO f FROM registry.field q WHERE q.kind = p_kind AND q.name = k;
        t := registry.cell_text(x);
        v := registry.cell_value(f.type, t, x, CASE WHEN f.code_kind IS NOT NULL AND t <> ''
                                               THEN registry.resolve(f.code_kind, t) END);
        wrong := coalesce(registry.cell_refused(f.name, f.editable, f.required, f.type, f.max, t, v),
            CASE WHEN f.code_kind = 'office' THEN registry.office_refused(f.code_kind, v) END);
        IF wrong IS NULL THEN
            clean := clean || jsonb_build_object(k, v);
        ELSIF at_number IS NULL OR coalesce(f.number, 0) < at_number THEN
            at_number := coalesce(f.number, 0);
            fault := ROW('INVALID_ARGUMENT', k, coalesce(t, x #>> '{}'), wrong, ARRAY[f.max::text], NULL, NULL, NULL, NULL);
        END IF;
    END LOOP;
END $$;

-- The same for many sets at once, as a query: p_from yields them as `set`, p_names are all fields they name. It adds clean and fault; $1 is
-- registry.read_words of them. A field has its own columns and its type is known to the planner, which leaves little of the rules above.
CREATE FUNCTION registry.read_sql(p_kind text, p_names text[], p_from text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    f record;
    cells text := '';
    texts text := '';
    "values" text := '';
    wrongs text := '';
    same text := '';
    patch text := '';
    faults text := '';
    unknown CONSTANT text[] := ARRAY(SELECT u.name FROM unnest(p_names) u(name)
        WHERE NOT EXISTS (SELECT FROM registry.field q WHERE q.kind = p_kind AND q.name = u.name) ORDER BY length(u.name), u.name);
BEGIN
    FOR f IN SELECT q.* FROM registry.field q WHERE q.kind = p_kind AND q.name = ANY (p_names) ORDER BY q.number LOOP
        cells := cells || format(', r.set -> %L AS x%s', f.name, f.number);
        texts := texts || format(', registry.cell_text(r.x%1$s) AS t%1$s', f.number);
        "values" := "values" || format(', CASE WHEN r.x%1$s IS NOT NULL THEN registry.cell_value(%2$L, r.t%1$s, r.x%1$s, %3$s) END AS v%1$s', f.number, f.type,
            CASE WHEN f.code_kind IS NULL THEN 'NULL' ELSE format('$1 ->> (%L || r.t%s)', f.code_kind || ':', f.number) END);
        wrongs := wrongs || format(', CASE WHEN r.x%1$s IS NOT NULL THEN %2$s END AS w%1$s', f.number,
            format(CASE f.code_kind WHEN 'office' THEN 'coalesce(%s, registry.office_refused(%L, r.v%s))' ELSE '%s' END,
                format('registry.cell_refused(%L, %L, %L, %L, %L, r.t%s, r.v%6$s)', f.name, f.editable, f.required, f.type, f.max, f.number), 'office', f.number));
        same := same || format(' AND r.v%1$s IS NOT DISTINCT FROM r.x%1$s', f.number);
        patch := patch || format(' || CASE WHEN r.x%1$s IS NOT NULL THEN jsonb_build_object(%2$L, r.v%1$s) ELSE ''{}'' END', f.number, f.name);
        faults := faults || format(' WHEN r.w%1$s IS NOT NULL THEN ROW(''INVALID_ARGUMENT'', %2$L, coalesce(r.t%1$s, r.x%1$s #>> ''{}''), r.w%1$s, ARRAY[%3$L]::text[],
            NULL, NULL, NULL, NULL)::registry.finding', f.number, f.name, f.max);
    END LOOP;
    IF unknown <> '{}' THEN
        faults := format(' WHEN r.set ?| %1$L::text[] THEN (SELECT ROW(''INVALID_ARGUMENT'', u.key, coalesce(registry.cell_text(r.set -> u.key), r.set ->> u.key),
            ''field.unknown'', ARRAY[NULL]::text[], NULL, NULL, NULL, NULL)::registry.finding
            FROM unnest(%1$L::text[]) WITH ORDINALITY u(key, n) WHERE r.set ? u.key ORDER BY u.n LIMIT 1)', unknown) || faults;
    END IF;
    -- one step for each of the four columns of a field: what is used twice is made once
    RETURN format('SELECT r.*, CASE WHEN true%s THEN r.set ELSE r.set%s END AS clean, CASE%s END AS fault
        FROM (SELECT r.*%s FROM (SELECT r.*%s FROM (SELECT r.*%s FROM (SELECT r.*%s FROM (%s) r OFFSET 0) r OFFSET 0) r OFFSET 0) r OFFSET 0) r',
        same, patch, coalesce(nullif(faults, ''), ' WHEN true THEN NULL::registry.finding'), wrongs, "values", texts, cells, p_from);
END $$;

-- The words that sets say for fields of codes, each looked up once: {kind:word: code}. p_from as above.
CREATE FUNCTION registry.read_words(p_kind text, p_names text[], p_from text, p_sets jsonb[] DEFAULT NULL) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    coded CONSTANT text := (SELECT string_agg(format('(%L, r.set -> %L)', f.code_kind, f.name), ', ') FROM registry.field f
                            WHERE f.kind = p_kind AND f.name = ANY (p_names) AND f.code_kind IS NOT NULL);
    words jsonb := '{}';
BEGIN
    IF coded IS NOT NULL THEN
        EXECUTE format('SELECT coalesce(jsonb_object_agg(k.kind || '':'' || k.word, registry.resolve(k.kind, k.word)), ''{}'')
            FROM (SELECT DISTINCT c.kind, registry.cell_text(c.x) AS word FROM (%s) r CROSS JOIN LATERAL (VALUES %s) c(kind, x) WHERE c.x IS NOT NULL) k WHERE k.word <> ''''',
            p_from, coded) INTO words USING p_sets;
    END IF;
    RETURN words;
END $$;

-- One row for each set, in order.
CREATE FUNCTION registry.read_sets(p_kind text, p_sets jsonb[])
RETURNS TABLE (ord int, clean jsonb, fault registry.finding) LANGUAGE plpgsql STABLE ROWS 1 AS $$
DECLARE
    names CONSTANT text[] := ARRAY(SELECT DISTINCT k.name FROM unnest(p_sets) s(set), jsonb_object_keys(s.set) k(name));
BEGIN
    RETURN QUERY EXECUTE format('SELECT s.ord::int, s.clean, s.fault FROM (%s) s ORDER BY s.ord',
            registry.read_sql(p_kind, names, 'SELECT u.* FROM unnest($2) WITH ORDINALITY u(set, ord)'))
        USING registry.read_words(p_kind, names, 'SELECT u.* FROM unnest($1) u(set)', p_sets), p_sets;
END $$;

-- A list of tags as it is kept.
CREATE FUNCTION registry.tags_of(p_value jsonb) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE WHEN jsonb_typeof(p_value) = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(p_value)) END;
END $$;

-- A read cell as the journal writes it; the same as registry.canon makes of its column.
CREATE FUNCTION registry.cell_canon(p_type text, p_value jsonb) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_value = 'null' THEN NULL
        WHEN p_type = 'money' THEN registry.yuan(p_value::bigint)
        WHEN p_type = 'mu' THEN trim_scale((p_value #>> '{}')::numeric)::text
        WHEN p_type = 'int' THEN p_value::int::text
        WHEN p_type = 'tags' THEN array_to_string(registry.tags_of(p_value), ',')
        ELSE p_value #>> '{}' END
$$;

-- What an edit sets, field by field, against the row it found: clean as read, fields as {number: [old, new]} of what
-- differs. plain: nothing is wrong, and every field is plain.
CREATE FUNCTION registry.project_cells(p registry.project, p_set jsonb)
RETURNS TABLE (plain boolean, clean jsonb, fields jsonb) LANGUAGE sql STABLE ROWS 1 AS $$
    SELECT bool_and(x.wrong IS NULL AND x.number <> ALL (registry.ruled())),
        jsonb_object_agg(x.key, x.v),
        coalesce(jsonb_object_agg(x.number, jsonb_build_array(x.old, x.new))
                 FILTER (WHERE x.wrong IS NULL AND x.old IS DISTINCT FROM x.new), '{}')
    FROM (SELECT y.*, registry.project_text(p, y.number) AS old,
              CASE WHEN y.wrong IS NULL THEN registry.cell_canon(y.type, y.v) END AS new
          FROM (SELECT z.*, registry.cell_refused(z.name, z.editable, z.required, z.type, z.max, z.t, z.v) AS wrong
                FROM (SELECT q.*, registry.cell_value(q.type, q.t, q.value,
                          CASE WHEN q.code_kind IS NOT NULL AND q.t <> '' THEN registry.resolve(q.code_kind, q.t) END) AS v
                      FROM (SELECT c.key, c.value, f.name, f.number, f.type, f.code_kind, f.max, f.editable, f.required,
                                registry.cell_text(c.value) AS t
                            FROM jsonb_each(p_set) c
                            LEFT JOIN LATERAL (SELECT * FROM registry.field x WHERE x.kind = 'project' AND x.name = c.key
                                               OFFSET 0) f ON true OFFSET 0) q OFFSET 0) z OFFSET 0) y) x
$$;

-- A list as two people leave it: what p_mine added to p_base and took from it, done to p_theirs.
CREATE FUNCTION registry.merge_list(p_base text[], p_theirs text[], p_mine text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(w.word ORDER BY w.theirs DESC, w.n)
    FROM (SELECT u.word, true AS theirs, u.n FROM unnest(p_theirs) WITH ORDINALITY u(word, n)
          WHERE u.word = ANY (p_mine) OR (u.word = ANY (p_base)) IS NOT TRUE
          UNION ALL SELECT u.word, false, u.n FROM unnest(p_mine) WITH ORDINALITY u(word, n)
          WHERE (u.word = ANY (p_base)) IS NOT TRUE AND (u.word = ANY (p_theirs)) IS NOT TRUE) w
$$;

-- The fields to set, and null for those to empty.
CREATE FUNCTION registry.with_clears(p_set jsonb, p_clear text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(p_set, '{}') || coalesce((SELECT jsonb_object_agg(c, NULL) FROM unnest(p_clear) c), '{}')
$$;

-- The rules of a whole record: b before (id null = new), n after. Null = nothing against it.
-- Field values were read by read_sets; that the account may write b was asked before. A caller
-- that judges many has found out itself: p_alone, that no other project shares a key with n; p_may, the right to n.office. p_opening: the row says what was before.
CREATE FUNCTION registry.judge(p_account int, b registry.project, n registry.project, p_alone boolean DEFAULT false,
    p_may boolean DEFAULT NULL, p_opening boolean DEFAULT false)
RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding;
    born boolean := b.id IS NULL;
BEGIN
    IF (born OR b.office <> n.office) AND NOT coalesce(p_may, registry.may(p_account, 'write', n.office)) THEN
        RETURN ROW('PERMISSION_DENIED', 'office', n.office, CASE WHEN born THEN 'may.add' ELSE 'may.transfer' END,
                   NULL, NULL, NULL, NULL, NULL)::registry.finding;
    ELSIF n.name IS NULL THEN
        RETURN ROW('INVALID_ARGUMENT', 'name', NULL, 'field.required', NULL, NULL, NULL, NULL, NULL)::registry.finding;
    ELSIF n.node_role IS NOT NULL AND n.node IS NULL THEN
        RETURN registry.fault('INVALID_ARGUMENT', 'node', 'node.role');
    ELSIF n.external_id IS NOT NULL AND n.source IS NULL THEN
        RETURN ROW('INVALID_ARGUMENT', 'source', NULL, 'source.missing', NULL, NULL, NULL, NULL, NULL)::registry.finding;
    ELSIF born AND p_may IS NULL AND (registry.project_days(n)).code IS NOT NULL THEN -- imported rows are as their time left them
        RETURN registry.project_days(n);
    ELSIF NOT born AND b.stage <> n.stage AND coalesce(current_setting('qipan.correct', true), '') <> '' THEN
        RETURN NULL; -- a mistake is put right
    ELSIF NOT born AND b.stage <> n.stage AND n.stage <> ALL (registry.moves(b.stage)) THEN
        f := ROW('FAILED_PRECONDITION', 'stage', n.stage, 'stage.move', ARRAY[b.stage], registry.moves(b.stage),
                 NULL, NULL, NULL)::registry.finding;
        IF f.allowed = '{}' THEN
            f.key := 'stage.end';
        END IF;
        RETURN f;
    ELSIF NOT born AND b.stage <> n.stage AND NOT p_opening THEN
        f := registry.stage_fault(p_account, b, n);
        IF f.code IS NOT NULL THEN
            RETURN f;
        END IF;
    END IF;
    IF p_alone THEN
        RETURN NULL;
    ELSIF born OR (b.name_key, b.investor_key, b.code, b.source, b.external_id)
               IS DISTINCT FROM (n.name_key, n.investor_key, n.code, n.source, n.external_id) THEN
        RETURN registry.twin_fault(n, born OR (b.name_key, b.investor_key) IS DISTINCT FROM (n.name_key, n.investor_key));
    END IF;
    RETURN NULL;
END $$;
