-- SPDX-License-Identifier: Apache-2.0
-- Imports of records: each row is one registry.<kind>_decide and, in a commit, one registry.<kind>_put under the entry of the batch, so
-- that rights, rules, effects and audit are those of a single edit. A row finds its record by id, else by a natural key (kind_key).

-- Kinds whose rows sheets may hold; of an opening sheet those that know of opening balances.
CREATE FUNCTION registry.sheet_kinds(p_opening boolean) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_opening THEN '{project,arrival,step}' ELSE
        '{project}' || ARRAY(SELECT DISTINCT k.kind FROM registry.kind_key k WHERE k.kind <> 'step' ORDER BY 1) END
$$;

-- ---------------------------------------------------------------- what a row says

-- Canonical text as a value of `set`; what can't be one stays text, for read_set to refuse.
CREATE FUNCTION registry.from_canon(p_type text, p_text text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE p_type WHEN 'money' THEN to_jsonb(trim_scale(p_text::numeric * 100)) WHEN 'int' THEN to_jsonb(p_text::numeric)
        WHEN 'bool' THEN to_jsonb(p_text::boolean) WHEN 'tags' THEN to_jsonb(string_to_array(p_text, ','))
        WHEN 'instant' THEN to_jsonb(registry.micros(p_text::timestamptz)) ELSE to_jsonb(p_text) END;
EXCEPTION WHEN data_exception THEN
    RETURN to_jsonb(p_text);
END $$;

-- A row's values by name. What the registry itself sets is left out, but for the id; the number of its project, if the project isn't
-- named otherwise, names it.
CREATE FUNCTION registry.import_values(p_kind text, p_values jsonb, p_clear text[], OUT id text, OUT set jsonb, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    x record;
    no text;
BEGIN
    set := registry.with_clears('{}', p_clear);
    FOR x IN SELECT v.number, v.value, f.name, f.type, f.editable
             FROM jsonb_to_recordset(coalesce(p_values, '[]')) v(number int, value text) LEFT JOIN registry.field f ON f.kind = p_kind AND f.number = v.number LOOP
        IF x.name IS NULL THEN
            fault := registry.bad('values', x.number::text, 'import.number');
        ELSIF x.name = 'id' THEN
            id := nullif(btrim(x.value), '');
        ELSIF x.name = 'no' AND NOT x.editable THEN
            no := nullif(btrim(x.value), '');
        ELSIF x.editable THEN
            set := set || jsonb_build_object(x.name, registry.from_canon(x.type, x.value));
        END IF;
    END LOOP;
    IF no IS NOT NULL AND registry.has_field(p_kind, 'project') AND coalesce(btrim(set ->> 'project'), '') = '' THEN
        set := set || jsonb_build_object('project', no);
    END IF;
END $$;

-- The project that a word in a sheet means to this account: its id, number, or whole name if only one has it.
CREATE FUNCTION registry.project_meant(p_account int, p_word text, OUT p registry.project, OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    word CONSTANT text := btrim(p_word);
    grants CONSTANT int[] := registry.grants(p_account);
    found text[];
BEGIN
    p := registry.project_seen(p_account, word);
    IF p.id IS NULL AND registry.norm(word) <> '' THEN
        found := ARRAY(SELECT q.no FROM registry.project q WHERE q.name_key = registry.norm(word) AND q.audience && grants AND q.merged_into IS NULL
                       ORDER BY q.registered_at LIMIT 6);
        p := CASE WHEN cardinality(found) = 1 THEN registry.project_find(found[1]) END;
    END IF;
    fault := CASE WHEN cardinality(found) > 1 THEN ROW('INVALID_ARGUMENT', 'project', word, 'import.projects', ARRAY[array_to_string(found[1:5], ' ')], found[1:5], NULL,
            NULL, NULL)::registry.finding
        WHEN p.id IS NULL THEN ROW('NOT_FOUND', 'project', word, 'import.unknown', NULL, NULL, NULL, NULL, NULL)::registry.finding END;
END $$;

-- Cells that differ from a record as it stands, {number: [theirs, mine]}.
CREATE FUNCTION registry.import_cells(p_kind text, p_clean jsonb, p_stands api.field_value[]) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(x.number, jsonb_build_array(x.theirs, x.mine)) FILTER (WHERE x.theirs IS DISTINCT FROM x.mine), '{}')
    FROM (SELECT f.number, (SELECT v.value FROM unnest(p_stands) v WHERE v.number = f.number) AS theirs,
              CASE WHEN f.type = 'instant' THEN registry.rfc3339(timestamptz 'epoch' + (p_clean ->> f.name)::bigint * interval '1 us')
                  WHEN f.type = 'tags' AND f.code_kind IS NOT NULL AND jsonb_typeof(p_clean -> f.name) = 'array' THEN registry.cell_canon(f.type, (
                      SELECT jsonb_agg(coalesce(registry.resolve(f.code_kind, w.word), w.word) ORDER BY w.n) FROM jsonb_array_elements_text(p_clean -> f.name) WITH ORDINALITY w(word, n)))
                  ELSE registry.cell_canon(f.type, p_clean -> f.name) END AS mine
          FROM registry.field f WHERE f.kind = p_kind AND p_clean ? f.name) x
$$;

-- What of a row remains to be done to the record it found: clean without cells that say what stands, what stood at its version, or what
-- the sheet said last time; null = nothing.
CREATE FUNCTION registry.import_remaining(i registry.import, p_account int, p_object text, p_stands_version bigint, p_version bigint, p_clean jsonb,
    p_stands api.field_value[], OUT cells jsonb, OUT clashes jsonb, OUT said jsonb, OUT again jsonb, OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    since jsonb := '{}';
    m record;
BEGIN
    said := (SELECT s.set FROM registry.import_base s WHERE s.source = i.source AND s.object = p_object);
    IF p_version NOT BETWEEN 1 AND p_stands_version THEN
        fault := registry.bad('version', p_version::text, 'import.future', p_stands_version::text);
        RETURN;
    ELSIF p_version IS NULL AND said IS NOT NULL THEN
        p_clean := coalesce((SELECT jsonb_object_agg(c.key, c.value) FROM jsonb_each(p_clean) c WHERE said -> c.key IS DISTINCT FROM c.value), '{}');
    END IF;
    cells := registry.import_cells(i.kind, p_clean, p_stands);
    IF cells <> '{}' AND p_version < p_stands_version THEN
        since := registry.fields_since(p_object, p_version, p_account);
    ELSIF cells <> '{}' AND p_version IS NULL AND said IS NOT NULL THEN
        since := registry.said_since(p_object, i.kind, said, cells, p_account);
    END IF;
    m := registry.import_merge(i.kind, cells, since, registry.import_again(said, p_version, p_clean));
    clashes := m.clashes;
    again := m.again;
    cells := cells - ARRAY(SELECT f.number::text FROM registry.field f WHERE f.kind = i.kind AND f.name = ANY (m.untouched));
    fault := CASE WHEN clashes IS NOT NULL THEN registry.clash_fault(clashes) END;
END $$;

-- ---------------------------------------------------------------- made for each kind

-- registry.<kind>_find(p_account, clean): the records that a row without an id may mean; registry.<kind>_import: one row, judged and, with
-- p_write, written. `repeats`: the row of this file that had the same record, or key. registry.<kind>_back: a record as it was at a
-- version; 0: it is withdrawn or, where a kind knows of none, leaves its table for the journal.
CREATE FUNCTION registry.generate_import(p_kind text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    k record;
    before text[] := '{}'; -- fields of the ways tried already
    ways text := '';
    body text;
    undo CONSTANT text := (SELECT min(x.undo) FROM registry.kind_key x WHERE x.kind = p_kind);
    columns CONSTANT text[] := ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = format('registry.%I', p_kind)::regclass AND a.attnum > 0);
    has_project CONSTANT boolean := registry.has_field(p_kind, 'project') AND EXISTS (
        SELECT FROM registry.field f WHERE f.kind = p_kind AND f.name = 'project' AND f.editable);
BEGIN
    FOR k IN SELECT * FROM registry.kind_key x WHERE x.kind = p_kind ORDER BY x.place LOOP
        ways := ways || format($t$
    IF p_clean ->> ALL_OF THEN
        key := %s;
        -- OFFSET: by an index of the key, never down all ids, which seems cheap while the table was empty
        ids := ARRAY(SELECT y.id FROM (SELECT x.id FROM registry.@k x WHERE %s%s%s OFFSET 0) y ORDER BY y.id LIMIT 6);
        IF ids <> '{}' THEN
            RETURN;
        END IF;
        first_key := coalesce(first_key, key);
    END IF;$t$,
            (SELECT string_agg(format('%L || (p_clean ->> %L)', f || '=', f), ' || ''|'' || ') FROM unnest(k.fields) f),
            (SELECT string_agg(CASE WHEN f || '_key' = ANY (columns) THEN format('x.%I = registry.norm(p_clean ->> %L)', f || '_key', f)
                WHEN f = 'enterprise' THEN format('x.enterprise = ((registry.firm_of(''enterprise'', p_clean ->> %L)).firm).id', f)
                ELSE format('x.%I::text = p_clean ->> %L', f, f) END, ' AND ') FROM unnest(k.fields) f),
            (SELECT string_agg(format(' AND (p_clean ->> %L IS NULL OR x.%I IS NULL)', f, f), '') FROM unnest(before) f WHERE f <> ALL (k.fields)),
            CASE WHEN k.undo IS NOT NULL THEN ' AND x.state <> ''withdrawn''' ELSE '' END);
        ways := replace(ways, 'p_clean ->> ALL_OF', (SELECT string_agg(format('p_clean ->> %L IS NOT NULL', f), ' AND ') FROM unnest(k.fields) f));
        before := before || k.fields;
    END LOOP;
    FOREACH body IN ARRAY ARRAY[$t$
CREATE FUNCTION registry.@k_find(p_clean jsonb, OUT ids text[], OUT key text) LANGUAGE plpgsql STABLE AS $f$
DECLARE
    first_key text;
BEGIN
    ids := '{}';@ways
    key := coalesce(first_key, key);
END $f$
$t$, $t$
CREATE FUNCTION registry.@k_import(i registry.import, p_account int, p_lang text, p_row int, p_version bigint, p_values jsonb, p_clear text[],
    p_write boolean, p_reason text, OUT v registry.import_verdict, OUT repeats int) LANGUAGE plpgsql VOLATILE AS $f$
DECLARE
    op CONSTANT text := CASE WHEN i.opening THEN '@k_backdate' ELSE '@k_set' END;
    w record := registry.import_values('@k', p_values, p_clear);
    f registry.finding := w.fault;
    set jsonb := w.set;
    clean jsonb;
    p registry.project;
    b registry.@k;
    n registry.@k;
    x record;
    s record;
    key text;
    err api.error;
BEGIN
    v.import := i.id;
    v.row := p_row;
    <<rules>>
    BEGIN
        EXIT rules WHEN f.code IS NOT NULL;
        @project
        x := registry.read_set('@k', set@sans_project);
        f := x.fault;
        EXIT rules WHEN f.code IS NOT NULL;
        clean := x.clean;
        IF w.id IS NOT NULL THEN
            b := registry.@k_seen(p_account, w.id);
            f := CASE WHEN b.id IS NULL THEN registry.fault('NOT_FOUND', 'id', 'record.none', w.id) END;
        ELSE
            x := registry.@k_find(clean@with_project@with_office);
            f := CASE WHEN cardinality(x.ids) > 1 THEN registry.fault('INVALID_ARGUMENT', 'id', 'import.several', array_to_string(x.ids[1:5], ' ')) END;
            b := registry.@k_seen(p_account, x.ids[1]);
            key := x.key;
        END IF;
        repeats := registry.import_met(ARRAY['id=' || b.id, key], p_row);
        IF f.code IS NULL AND repeats <> p_row THEN
            f := registry.fault('ALREADY_EXISTS', NULL, 'import.same', repeats::text);
        END IF;
        EXIT rules WHEN f.code IS NOT NULL;
        IF p_write AND b.id IS NOT NULL THEN
            SELECT * INTO b FROM registry.@k y WHERE y.id = b.id FOR NO KEY UPDATE;
        END IF;
        v.object := b.id;
        v.verdict := 'unchanged';
        IF b.id IS NOT NULL THEN
            x := registry.import_remaining(i, p_account, b.id, b.version, p_version, clean, registry.@k_values(b));
            v.clashes := x.clashes;
            v.was := x.said;
            f := x.fault;
            EXIT rules WHEN f.code IS NOT NULL;
            v.message := registry.import_again_told(p_lang, '@k', x.again);
            v.verdict := CASE WHEN x.again IS NOT NULL AND x.cells = '{}' THEN 'skipped' ELSE 'unchanged' END;
            set := coalesce((SELECT jsonb_object_agg(c.key, c.value) FROM jsonb_each(set) c
                             JOIN registry.field q ON q.kind = '@k' AND q.name = c.key AND x.cells ? q.number::text), '{}');
            EXIT rules WHEN set = '{}';
        @office
        END IF;
        s := registry.@k_decide(p_account, p_lang, op, NULL, b.id, set, @own, p_reason, false);
        err := s.err;
        EXIT rules WHEN err.code IS NOT NULL OR b.id IS NOT NULL AND s.d = '{}';
        v.verdict := CASE WHEN b.id IS NULL THEN 'new' ELSE 'update' END;
        v.changes := CASE WHEN b.id IS NOT NULL THEN registry.import_changes('@k', s.d) END;
        n := s.n;
        IF p_write THEN
            n := registry.@k_put(p_account, op, s.b, s.n);
            IF n.id IS NULL THEN
                RAISE EXCEPTION '@k % changed while it was being imported', b.id USING ERRCODE = 'serialization_failure';
            END IF;
            v.object := n.id;
            PERFORM registry.import_met(ARRAY['id=' || n.id], p_row);
        END IF;
        b := n;
    END rules;
    @told_project
    IF f.code IS NOT NULL THEN
        v := registry.import_refused(v, registry.record_error(p_lang, '@k', f), f);
    ELSIF err.code IS NOT NULL THEN
        v := registry.import_refused(v, err, NULL);
    ELSIF p_write AND v.object IS NOT NULL AND v.verdict <> 'skipped' THEN
        INSERT INTO registry.import_base AS o (source, object, set) VALUES (i.source, v.object, registry.import_said_at(clean, p_version))
        ON CONFLICT (source, object) DO UPDATE SET set = o.set - 'version' || excluded.set
        WHERE NOT o.set @> excluded.set OR o.set ? 'version' AND NOT excluded.set ? 'version';
    END IF;
END $f$
$t$, $t$
CREATE FUNCTION registry.@k_back(p_account int, p_id text, p_version bigint, p_reason text) RETURNS void LANGUAGE plpgsql VOLATILE AS $f$
DECLARE
    b registry.@k;
    s record;
BEGIN
    IF p_version > 0 THEN
        SELECT * INTO b FROM registry.@k x WHERE x.id = p_id;
        PERFORM registry.@k_put(p_account, 'batch_revert', b, jsonb_populate_record(b, registry.record_olds('@k', p_id, p_version)));
        RETURN;
    END IF;
    @undo
END $f$
$t$] LOOP
        body := replace(body, '@undo', CASE WHEN undo IS NOT NULL THEN replace(replace($x$s := registry.@k_decide(p_account, 'zh', '@op', NULL, p_id, NULL, '{"state": "withdrawn"}'@note, p_reason, false);
    IF (s.err).code IS NOT NULL OR (registry.@k_put(p_account, '@op', s.b, s.n)).id IS NULL THEN
        RAISE EXCEPTION '@k % can''t be withdrawn: %', p_id, (s.err).message;
    END IF;$x$, '@op', undo), '@note', CASE WHEN 'note' = ANY (columns) THEN ' || jsonb_build_object(''note'', left(btrim(p_reason), 500))' ELSE '' END || CASE WHEN 'reason' = ANY (columns)
                THEN ' || jsonb_build_object(''reason'', left(btrim(p_reason), 500))' ELSE '' END)
            ELSE $x$PERFORM set_config('qipan.undo', 'on', true);
    DELETE FROM registry.@k x WHERE x.id = p_id RETURNING * INTO b;
    PERFORM set_config('qipan.undo', '', true)@gone;$x$ END);
        body := replace(body, '@gone', CASE WHEN to_regproc(format('registry.%s_gone', p_kind)) IS NOT NULL THEN ', registry.@k_gone(b)' ELSE '' END);
        body := replace(body, '@ways', ways);
        body := replace(body, '@project', CASE WHEN has_project THEN $x$IF coalesce(btrim(set ->> 'project'), '') <> '' THEN
            x := registry.project_meant(p_account, set ->> 'project');
            p := x.p;
            f := x.fault;
            EXIT rules WHEN f.code IS NOT NULL;
            set := set || jsonb_build_object('project', p.id);
        END IF;$x$ ELSE '' END);
        body := replace(body, '@sans_project', CASE WHEN has_project THEN ' - ''project''' ELSE '' END);
        body := replace(body, '@with_project', CASE WHEN has_project THEN ' || jsonb_strip_nulls(jsonb_build_object(''project'', p.id))' ELSE '' END);
        body := replace(body, '@with_office', CASE WHEN registry.has_field(p_kind, 'office')
            THEN ' || CASE WHEN clean ->> ''office'' IS NULL THEN jsonb_build_object(''office'', i.office) ELSE ''{}'' END' ELSE '' END);
        body := replace(body, '@office', CASE WHEN EXISTS (SELECT FROM registry.field q WHERE q.kind = p_kind AND q.name = 'office' AND q.editable) THEN
            $x$ELSIF clean ->> 'office' IS NULL THEN
            set := set || jsonb_build_object('office', CASE WHEN i.opening THEN coalesce(p.office, i.office) ELSE i.office END);$x$ ELSE '' END);
        body := replace(body, '@own', CASE WHEN 'opening' = ANY (columns)
            THEN 'CASE WHEN i.opening THEN jsonb_build_object(''note'', nullif(left(btrim(p_reason), 500), '''')) END' ELSE 'NULL' END);
        body := replace(body, '@told_project', CASE WHEN has_project THEN $x$v.project := coalesce(b.project, p.id);
    v.no := coalesce(b.no, p.no);$x$ ELSE '' END);
        EXECUTE replace(body, '@k', p_kind);
    END LOOP;
END $$;

-- A verdict about a row that isn't taken.
CREATE FUNCTION registry.import_refused(v registry.import_verdict, e api.error, f registry.finding) RETURNS registry.import_verdict LANGUAGE plpgsql STABLE AS $$
BEGIN
    v.verdict := CASE WHEN e.code = 'CONFLICT' THEN 'conflict' WHEN e.code = 'ALREADY_EXISTS' AND f.key IS NULL THEN 'duplicate' ELSE 'rejected' END;
    v.code := e.code;
    v.field := e.field;
    v.text := left(f.value, 200);
    v.message := e.message;
    v.hint := e.hint;
    v.rule := CASE WHEN v.verdict = 'duplicate' THEN 'same_' || coalesce(e.field, 'record') END;
    v.other_no := e.other_no;
    v.other_office := e.other_office;
    v.other_on := registry.day(e.at);
    v.changes := NULL;
    RETURN v;
END $$;

-- The first row of this file that met a record, or a key: this one, if none did.
CREATE FUNCTION registry.import_met(p_keys text[], p_row int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO met (key, row) SELECT u.key, p_row FROM unnest(p_keys) u(key) WHERE u.key IS NOT NULL ON CONFLICT DO NOTHING;
    RETURN (SELECT min(m.row) FROM met m WHERE m.key = ANY (p_keys));
END $$;

DO $$
BEGIN
    PERFORM registry.generate_import(k.kind) FROM (SELECT DISTINCT kind FROM registry.kind_key WHERE kind <> 'step' ORDER BY 1) k;
END $$;

-- A row of an opening sheet of stages: which project came to which stage, when.
CREATE FUNCTION registry.step_import(i registry.import, p_account int, p_lang text, p_row int, p_version bigint, p_values jsonb, p_clear text[],
    p_write boolean, p_reason text, OUT v registry.import_verdict, OUT repeats int) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    said CONSTANT jsonb := (SELECT jsonb_object_agg(f.name, x.value) FROM jsonb_to_recordset(coalesce(p_values, '[]')) x(number int, value text)
                            JOIN registry.field f ON f.kind = 'step' AND f.number = x.number);
    target CONSTANT text := registry.resolve('stage', btrim(said ->> 'stage'));
    day CONSTANT text := CASE WHEN registry.is_ymd(btrim(said ->> 'reached_on')) THEN btrim(said ->> 'reached_on') END;
    m record := registry.project_meant(p_account, coalesce(said ->> 'project', said ->> 'no', ''));
    s record;
    err api.error;
    f registry.finding := m.fault;
    n registry.step;
BEGIN
    v.import := i.id;
    v.row := p_row;
    v.verdict := 'unchanged';
    v.project := (m.p).id;
    v.no := (m.p).no;
    repeats := registry.import_met(ARRAY[concat_ws('|', (m.p).id, coalesce(target, said ->> 'stage'), day)], p_row);
    IF f.code IS NULL AND repeats <> p_row THEN
        f := registry.fault('ALREADY_EXISTS', NULL, 'import.same', repeats::text);
    ELSIF f.code IS NULL AND NOT EXISTS (SELECT FROM registry.stage_standing((m.p).id) e WHERE e.opening AND e.stage = target AND e.happened_on = day) THEN
        s := registry.step_decide(p_account, p_lang, 'project_backdate', NULL, NULL, jsonb_build_object('project', (m.p).id),
            jsonb_build_object('stage', coalesce(target, said ->> 'stage', ''), 'reached_on', day,
                'note', nullif(left(btrim(coalesce(said ->> 'note', p_reason)), 500), '')), p_reason, false);
        err := s.err;
        IF err.code IS NULL THEN
            v.verdict := 'new';
            IF p_write THEN
                n := registry.step_put(p_account, 'project_backdate', s.b, s.n);
                v.object := n.id;
            END IF;
        END IF;
    END IF;
    IF f.code IS NOT NULL THEN
        v := registry.import_refused(v, registry.record_error(p_lang, 'step', f), f);
    ELSIF err.code IS NOT NULL THEN
        v := registry.import_refused(v, err, NULL);
    END IF;
END $$;

-- ---------------------------------------------------------------- a whole batch

-- Judges all rows, in their order; with p_write each as those before have left things. Unless p_keep_going one that is refused takes all
-- back; its verdicts stay.
CREATE FUNCTION registry.import_records(i registry.import, p_account int, p_lang text, p_write boolean, p_keep_going boolean, p_reason text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    one CONSTANT text := format('SELECT * FROM registry.%I($1, $2, $3, $4, $5, $6, $7, $8, $9)', i.kind || '_import');
    x record;
    y record;
    verdicts registry.import_verdict[] := '{}';
    echoes jsonb := '{}'; -- row → the first that repeats it
    refused boolean := false;
    n int := 0;
BEGIN
    PERFORM set_config('qipan.lang', p_lang, true);
    IF to_regclass('pg_temp.met') IS NOT NULL THEN
        DROP TABLE pg_temp.met;
    END IF;
    CREATE TEMPORARY TABLE met (key text PRIMARY KEY, row int NOT NULL) ON COMMIT DROP;
    BEGIN
        FOR x IN SELECT * FROM registry.import_rows(i) r WHERE r.skip IS NULL ORDER BY r.row LOOP
            IF x.bad IS NOT NULL THEN
                refused := true;
                CONTINUE;
            END IF;
            EXECUTE one INTO y USING i, p_account, p_lang, x.row, x.version, x."values", x.clear, p_write, p_reason;
            verdicts := verdicts || y.v;
            n := n + 1;
            PERFORM registry.import_at(i.id, n);
            refused := refused OR (y.v).verdict NOT IN ('new', 'update', 'unchanged', 'skipped');
            IF y.repeats < x.row AND NOT echoes ? y.repeats::text THEN
                echoes := echoes || jsonb_build_object(y.repeats, x.row);
            END IF;
        END LOOP;
        IF p_write AND refused AND p_keep_going IS NOT TRUE THEN
            RAISE EXCEPTION 'refused' USING ERRCODE = 'QI001';
        END IF;
    EXCEPTION WHEN SQLSTATE 'QI001' THEN
        NULL;
    END;
    DELETE FROM registry.import_verdict v WHERE v.import = i.id;
    PERFORM registry.import_unread(i);
    INSERT INTO registry.import_verdict SELECT v.* FROM unnest(verdicts) v;
    UPDATE registry.import_verdict v SET message = registry.say(p_lang, 'import.echo', echoes ->> v.row::text)
    WHERE v.import = i.id AND echoes ? v.row::text AND v.message IS NULL;
END $$;
