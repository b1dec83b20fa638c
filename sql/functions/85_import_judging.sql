-- SPDX-License-Identifier: Apache-2.0
-- Imports, the judgement of project rows: read as a set, by the very rules of a single edit (read_sets for values, judge for records)
-- into the temporary table `draft`, from there into verdicts. Preview and commit run the same judgement; only the commit locks
-- first. Rows of other kinds: 85_import_records.sql.

-- What is kept of a sheet's row to know next time what it said: contacts only as a digest.
CREATE FUNCTION registry.import_said(p_clean jsonb, p_project text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    k text;
BEGIN
    IF p_clean ?| ARRAY['contact_name', 'contact_phone'] THEN
        FOREACH k IN ARRAY ARRAY['contact_name', 'contact_phone'] LOOP
            IF p_clean ->> k IS NOT NULL THEN
                p_clean := jsonb_set(p_clean, ARRAY[k], to_jsonb(registry.contact_digest(p_project, p_clean ->> k)));
            END IF;
        END LOOP;
    END IF;
    RETURN p_clean;
END $$;

-- ---------------------------------------------------------------- drafts

-- A new project as a row says it, an expression on x with clean and keys. p_names: all fields that rows set.
CREATE FUNCTION registry.import_new_sql(i registry.import, p_names text[]) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('ROW(%s)::registry.project', string_agg(CASE a.attname
            WHEN 'audience' THEN '''{1}''::int[]'
            WHEN 'office' THEN format('coalesce(x.clean ->> ''office'', %L)', i.office)
            WHEN 'stage' THEN format('coalesce(x.clean ->> ''stage'', %L)', (SELECT s.code FROM registry.stage s
                WHERE s.rule_set = registry.rule_set_in_force() AND s.initial))
            WHEN 'name_key' THEN 'CASE WHEN x.clean ? ''name'' THEN x.name_key END'
            WHEN 'investor_key' THEN 'x.investor_key'
            WHEN 'contact_name_mark' THEN '(x.clean ->> ''contact_name'' IS NOT NULL)::int'
            WHEN 'contact_phone_mark' THEN '(x.clean ->> ''contact_phone'' IS NOT NULL)::int'
            ELSE coalesce(CASE WHEN f.name IS NOT NULL AND (a.attname = ANY (p_names) OR a.attname = 'source') THEN registry.from_cell(f) END, 'NULL') END, ', ' ORDER BY a.attnum))
    FROM pg_attribute a LEFT JOIN registry.field f ON f.kind = 'project' AND f.name = a.attname AND f.editable AND NOT f.masked
    WHERE a.attrelid = 'registry.project'::regclass AND a.attnum > 0 AND NOT a.attisdropped
$$;

-- `came`: the rows as they came; `draft`: one for each that can be read at all, as the new project that most of them are.
CREATE FUNCTION registry.import_draft(i registry.import) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    names text[];
    sets CONSTANT text := 'SELECT c.row, c.version, c.set AS whole, CASE WHEN c.clear IS NOT NULL OR c.set ?| ''{id,no,version}''
        THEN registry.with_clears(c.set - ''{id,no,version}''::text[], c.clear) ELSE c.set END AS set FROM came c WHERE c.skip IS NULL AND c.bad IS NULL';
BEGIN
    IF to_regclass('pg_temp.draft') IS NOT NULL THEN
        DROP TABLE pg_temp.draft, pg_temp.came;
    END IF;
    CREATE TEMPORARY TABLE came ON COMMIT DROP AS SELECT * FROM registry.import_rows(i);
    -- an exported row says of each empty cell that it is empty: most were, and cost nothing more
    UPDATE came c SET clear = nullif(ARRAY(SELECT f FROM unnest(c.clear) f WHERE coalesce(q.p -> f, '""') NOT IN ('null', '[]')), '{}')
    FROM (SELECT y.row, to_jsonb(x) AS p FROM came y JOIN registry.project x ON x.id = y.set ->> 'id' WHERE y.clear IS NOT NULL AND y.version IS NOT NULL OFFSET 0) q
    WHERE c.row = q.row;
    CREATE TEMPORARY TABLE draft (
        row int PRIMARY KEY, given text, numbered text, version bigint, clean jsonb, fault registry.finding, project text,
        source text, external_id text, name_key text, investor_key text, code text,
        b registry.project, n registry.project, contact jsonb, diff jsonb, said jsonb, clashes jsonb,
        whole jsonb, -- what the row said, if not all of it is taken
        verdict text, no text, idx int, alone boolean, note api.warning[], echo int, -- the row that repeats this one
        tags text[], -- by rule, of a new one
        again jsonb, -- of import_merge
        cut boolean -- its name was compared with some alone of those it may be like
    ) ON COMMIT DROP;
    ALTER TABLE draft ALTER b SET STORAGE external, ALTER n SET STORAGE external;
    names := ARRAY(SELECT jsonb_object_keys(c.set) FROM came c UNION SELECT unnest(c.clear) FROM came c EXCEPT SELECT unnest('{id,no,version}'::text[]));
    EXECUTE format($q$
        INSERT INTO draft (row, given, numbered, version, clean, fault, source, external_id, name_key, investor_key, code, contact, n)
        SELECT x.row, coalesce(nullif(btrim(x.whole ->> 'id'), ''), nullif(btrim(x.whole ->> 'no'), '')), nullif(btrim(x.whole ->> 'no'), ''),
            coalesce(x.version, (x.whole ->> 'version')::bigint), x.clean, x.fault, x.source, x.external_id, x.name_key, x.investor_key, x.clean ->> 'code',
            CASE WHEN x.clean ?| '{contact_name,contact_phone}' THEN jsonb_strip_nulls(jsonb_build_object('44', x.clean -> 'contact_name', '45', x.clean -> 'contact_phone'))
                ELSE '{}' END,
            CASE WHEN x.fault IS NULL THEN %s END
        FROM (SELECT s.row, s.version, s.whole, s.fault, CASE WHEN s.external_id IS NOT NULL AND s.source IS NULL
                  THEN s.clean || jsonb_build_object('source', $2) ELSE s.clean END AS clean, s.external_id,
                  CASE WHEN s.external_id IS NOT NULL THEN coalesce(s.source, $2) END AS source,
                  registry.norm(s.clean ->> 'name') AS name_key, registry.norm(s.clean ->> 'investor') AS investor_key
              FROM (SELECT q.*, q.clean ->> 'external_id' AS external_id, q.clean ->> 'source' AS source FROM (%s) q OFFSET 0) s OFFSET 0) x $q$,
        registry.import_new_sql(i, names), registry.read_sql('project', names, sets)) USING registry.read_words('project', names, sets), i.source;
    ANALYZE draft (row, given, project, source, external_id, name_key, investor_key, code);
END $$;

-- The keys of the first report that the rows hold, locked as a registration does.
CREATE FUNCTION registry.import_lock_keys() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM registry.lock_keys(array_agg(k.kind), array_agg(k.key)) FROM (
        SELECT DISTINCT v.kind, v.key FROM draft d CROSS JOIN LATERAL (VALUES
            ('name', CASE WHEN d.name_key <> '' AND d.investor_key = '' THEN d.name_key || '|' END), ('investor', nullif(d.investor_key, '')),
            ('external', d.source || '|' || d.external_id), ('code', d.code)) v(kind, key)
        WHERE d.fault IS NULL AND v.key IS NOT NULL) k;
END $$;

-- Which project a row speaks of: by its id or number (an export that comes back), by its external id, else by name and investor. One that
-- the account may not see is none: the judge finds it as the twin of a new one, as in a single registration; import_stand refuses it by
-- its external id.
CREATE FUNCTION registry.import_find(i registry.import, p_account int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    grants CONSTANT int[] := registry.grants(p_account);
BEGIN
    UPDATE draft d SET project = p.id FROM registry.project p WHERE d.fault IS NULL AND p.id = d.given AND p.audience && grants;
    UPDATE draft d SET project = p.id FROM registry.project p
    WHERE d.fault IS NULL AND d.project IS NULL AND p.no = d.given AND p.audience && grants;
    -- hidden columns don't move when the others are sorted
    UPDATE draft d SET fault = ROW('INVALID_ARGUMENT', 'no', d.numbered, 'import.moved', ARRAY[p.no], NULL, NULL, NULL, NULL)::registry.finding
    FROM registry.project p WHERE d.fault IS NULL AND d.numbered <> d.given AND p.id = d.project AND p.no <> d.numbered;
    UPDATE draft d SET fault = ROW('NOT_FOUND', 'id', d.given, 'import.unknown', NULL, NULL, NULL, NULL, NULL)::registry.finding
    WHERE d.fault IS NULL AND d.project IS NULL AND d.given IS NOT NULL;
    UPDATE draft d SET project = p.id FROM registry.project p
    WHERE d.fault IS NULL AND d.given IS NULL AND d.external_id IS NOT NULL AND p.source = d.source AND p.external_id = d.external_id;
    UPDATE draft d SET project = m.id, fault = CASE WHEN m.n > 1 THEN ROW('ALREADY_EXISTS', 'name',
            d.clean ->> 'name', 'import.ambiguous', ARRAY[m.n::text], NULL, NULL, NULL, NULL)::registry.finding END
    -- by the row's number, which has an index: the planner expects one project, not 30 000
    FROM (SELECT y.row, min(p.id) AS id, count(*) AS n
          FROM draft y JOIN registry.project p ON p.name_key = y.name_key AND p.investor_key = y.investor_key
          -- one whose protection has run out is no obstacle to another office, nor what its row speaks of
          WHERE y.fault IS NULL AND y.external_id IS NULL AND y.given IS NULL AND y.name_key <> ''
            AND p.audience && grants AND NOT EXISTS (SELECT FROM registry.protection x WHERE x.project = p.id AND x.state = 'released' AND x.office <> i.office)
          GROUP BY y.row) m
    WHERE d.row = m.row;
END $$;

-- A key twice in the file: the later row is refused and names the first, and the first knows of it.
CREATE FUNCTION registry.import_repeated(p_account int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    grants CONSTANT int[] := registry.grants(p_account);
BEGIN
    UPDATE draft d SET fault = ROW('ALREADY_EXISTS', x.field, d.clean ->> x.field, 'import.repeated',
                                   ARRAY[x.first::text], NULL, NULL, NULL, NULL)::registry.finding
    FROM (SELECT w.row, CASE WHEN w.by_external < w.row THEN 'external_id' WHEN w.by_code < w.row THEN 'code'
                        ELSE 'name' END AS field, least(w.by_external, w.by_code, w.by_name) AS first
          FROM (SELECT y.row,
                    CASE WHEN y.external_id IS NOT NULL
                         THEN min(y.row) OVER (PARTITION BY y.source, y.external_id) END AS by_external,
                    CASE WHEN y.code IS NOT NULL AND y.external_id IS NULL
                         THEN min(y.row) OVER (PARTITION BY y.code) END AS by_code,
                    CASE WHEN y.name_key = '' THEN NULL WHEN y.external_id IS NULL
                         THEN min(y.row) OVER (PARTITION BY y.name_key, y.investor_key)
                         ELSE min(y.row) FILTER (WHERE y.external_id IS NULL)
                              OVER (PARTITION BY y.name_key, y.investor_key) END AS by_name
                FROM draft y WHERE y.given IS NULL) w) x
    WHERE d.row = x.row AND d.fault IS NULL AND x.first < x.row;
    UPDATE draft d SET fault = ROW('ALREADY_EXISTS', 'id', d.given, 'import.repeated', ARRAY[x.first::text],
                                   NULL, NULL, NULL, NULL)::registry.finding
    FROM (SELECT y.row, min(y.row) OVER (PARTITION BY y.project) AS first FROM draft y WHERE y.project IS NOT NULL) x
    WHERE d.row = x.row AND d.fault IS NULL AND x.first < x.row
      AND (d.given IS NOT NULL OR EXISTS (SELECT FROM registry.project p WHERE p.id = d.project AND p.audience && grants));
    UPDATE draft d SET echo = x.row
    FROM (SELECT (y.fault).args[1]::int AS first, min(y.row) AS row FROM draft y WHERE (y.fault).key = 'import.repeated' GROUP BY 1) x
    WHERE d.row = x.first;
END $$;

-- Rows of a file whose names are alike under one investor, where no keys of a source tell them apart: the later one is refused as it
-- would be if the first stood already.
CREATE FUNCTION registry.import_alike() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    likeness CONSTANT numeric := registry.duplicate_limit('like_name', 'block');
    numbered CONSTANT registry.duplicate_rule := registry.duplicate_rule_of('like_number');
    crowds text[];
    asked bigint;
BEGIN
    IF likeness IS NULL THEN
        RETURN;
    END IF;
    SELECT array_agg(x.investor_key), sum(x.n) INTO crowds, asked
    FROM (SELECT y.investor_key, count(*) AS n FROM draft y WHERE y.fault IS NULL AND y.project IS NULL AND y.investor_key <> ''
          GROUP BY 1 HAVING registry.crowded(count(*) FILTER (WHERE y.external_id IS NULL), count(*))) x;
    UPDATE draft d SET fault = ROW('ALREADY_EXISTS', 'name', d.clean ->> 'name', 'import.alike', ARRAY[x.first::text], NULL, NULL, NULL, NULL)::registry.finding
    FROM (SELECT greatest(a.row, b.row) AS row, min(least(a.row, b.row)) AS first
          FROM draft a JOIN draft b
              ON a.investor_key = b.investor_key AND a.name_key <> b.name_key AND (b.external_id IS NOT NULL OR a.row < b.row)
          WHERE a.fault IS NULL AND a.project IS NULL AND a.external_id IS NULL AND a.investor_key <> '' AND b.fault IS NULL AND b.project IS NULL
            AND (a.investor_key = ANY (crowds)) IS NOT TRUE
            AND registry.names_alike(a.name_key, b.name_key, likeness) AND NOT registry.numbered_apart(a.name_key, b.name_key)
          GROUP BY 1) x
    WHERE d.row = x.row;
    PERFORM registry.crowd_make($q$SELECT d.row, d.investor_key, d.name_key, d.external_id, NULL::text, NULL::bigint FROM draft d
        WHERE d.fault IS NULL AND d.project IS NULL AND d.investor_key = ANY ($1)$q$, crowds, asked);
    IF crowds IS NULL THEN
        RETURN;
    END IF;
    UPDATE draft d SET cut = x.cut, fault = CASE WHEN x.first IS NOT NULL
        THEN ROW('ALREADY_EXISTS', 'name', d.clean ->> 'name', 'import.alike', ARRAY[x.first::text], NULL, NULL, NULL, NULL)::registry.finding END
    FROM (SELECT y.place, (w.near).cut, (SELECT c.place FROM crowd c
                WHERE c.place = ANY ((w.near).places) AND c.place < y.place AND c.name_key <> y.name_key AND (c.id IS NULL OR y.id IS NULL)
                  AND (c.bare = y.bare) IS NOT TRUE AND registry.names_alike(c.name_key, y.name_key, likeness)
                ORDER BY c.place LIMIT 1) AS first
          FROM (SELECT z.*, registry.crowd_near(z.investor_key, z.name_key, likeness, s.most) AS near
                FROM crowd z JOIN crowd_size s USING (investor_key) OFFSET 0) w,
              LATERAL (SELECT w.place, w.name_key, w.id, w.bare OFFSET 0) y OFFSET 0) x
    WHERE d.row = x.place AND (x.first IS NOT NULL OR x.cut);
END $$;

-- Projects of investors who have many, that many rows are compared with: as a crowd.
CREATE FUNCTION registry.import_crowd() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    crowds text[];
    asked bigint;
BEGIN
    SELECT array_agg(x.key), sum(x.n) INTO crowds, asked
    FROM (SELECT w.key, w.n, (SELECT count(*) FROM registry.project p WHERE p.investor_key = w.key AND p.investor_key <> '') AS others
          FROM (SELECT CASE WHEN d.project IS NULL THEN d.investor_key ELSE (d.n).investor_key END AS key, count(*) AS n FROM draft d
                WHERE d.fault IS NULL AND (d.project IS NULL OR d.diff ?| '{4,10,15,20}') GROUP BY 1) w
          WHERE w.key <> '') x
    WHERE registry.crowded(x.n, x.others);
    PERFORM registry.crowd_make($q$SELECT row_number() OVER (ORDER BY p.registered_at, p.id)::int, p.investor_key, p.name_key, p.id, p.industry, p.amount_total
        FROM registry.project p WHERE p.investor_key = ANY ($1) AND p.investor_key <> '' AND p.audience <> '{0}'$q$, crowds, asked);
END $$;

-- Rows whose names were not compared with all that may be like them: they aren't new without a word.
CREATE FUNCTION registry.import_cut(p_lang text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF registry.crowds() THEN
        UPDATE draft d SET cut = true FROM crowd_size s
        WHERE d.fault IS NULL AND (d.verdict = 'new' OR d.verdict = 'update' AND d.diff ?| '{4,10}') AND s.investor_key = (d.n).investor_key AND s.n > s.most
          AND (registry.crowd_near(s.investor_key, (d.n).name_key, coalesce(registry.duplicate_limit('like_name', 'block'), registry.duplicate_limit('like_name', 'warn')), s.most)).cut;
    END IF;
    UPDATE draft d SET note = d.note || ROW(NULL, NULL, NULL, NULL, registry.say(p_lang, 'import.crowd', (d.n).investor))::api.warning
    WHERE d.cut AND d.fault IS NULL;
END $$;

-- The projects as they stand, and whether the account may say this of them.
CREATE FUNCTION registry.import_stand(p_account int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    contacts CONSTANT text[] := registry.reach(p_account, 'contact');
    grants CONSTANT int[] := registry.grants(p_account);
BEGIN
    UPDATE draft d SET b = p FROM registry.project p WHERE p.id = d.project AND d.fault IS NULL;
    -- what was merged into another stays as it is, whatever sheets go on saying of it (import_notes tells)
    UPDATE draft d SET clean = '{}' WHERE d.fault IS NULL AND (d.b).merged_into IS NOT NULL;
    -- RMB, as a project of old may hold, is CNY to whoever reads sheets: an exported row that says so changes nothing
    UPDATE draft d SET clean = d.clean - 'currency' WHERE d.fault IS NULL AND d.version IS NOT NULL AND (d.b).currency = 'RMB' AND d.clean ->> 'currency' = 'CNY';
    -- another office's project: by name it is a duplicate, by external id somebody else's
    UPDATE draft d SET fault = CASE WHEN d.external_id IS NULL
        THEN ROW('ALREADY_EXISTS', 'name', d.clean ->> 'name', 'twin', ARRAY[(d.b).no, o.name,
                 registry.day((d.b).registered_at)], NULL, (d.b).no, o.code, (d.b).registered_at)::registry.finding
        ELSE ROW('PERMISSION_DENIED', 'office', o.name, 'may.write', NULL, NULL, NULL, NULL, NULL)::registry.finding END
    FROM registry.office o
    WHERE d.fault IS NULL AND d.given IS NULL AND o.code = (d.b).office AND NOT ((d.b).audience && grants AND registry.may(p_account, 'write', o.code));
    -- a contact is compared, with what stands and with what was said, for those alone who may see it
    UPDATE draft d SET fault = ROW('PERMISSION_DENIED', 'office', (d.b).office, 'may.write', NULL, NULL, NULL, NULL,
                                   NULL)::registry.finding
    WHERE d.fault IS NULL AND d.project IS NOT NULL AND d.clean ?| ARRAY['contact_name', 'contact_phone']
      AND (contacts && ARRAY['*', (d.b).office]) IS NOT TRUE;
    UPDATE draft d SET fault = ROW('INVALID_ARGUMENT', 'version', d.version::text, 'import.future', ARRAY[(d.b).version::text],
                                   NULL, NULL, NULL, NULL)::registry.finding
    WHERE d.fault IS NULL AND d.project IS NOT NULL AND d.version NOT BETWEEN 1 AND (d.b).version;
END $$;

-- What the rows make of projects that stand: n, the contact, and what differs. p_rows: only these; null = all that have no fault.
CREATE FUNCTION registry.import_compose(p_rows int[] DEFAULT NULL) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE draft d SET contact = x.contact, diff = registry.project_diff(d.b, x.n), n = x.n
    FROM (SELECT y.row, y.contact, jsonb_populate_record(y.b, y.clean || jsonb_build_object(
                'name_key', CASE WHEN y.clean ? 'name' THEN y.name_key ELSE (y.b).name_key END,
                'investor_key', CASE WHEN y.clean ? 'investor' THEN y.investor_key ELSE (y.b).investor_key END,
                'contact_name_mark', (y.b).contact_name_mark + (y.contact ? '44')::int,
                'contact_phone_mark', (y.b).contact_phone_mark + (y.contact ? '45')::int)) AS n
          FROM (SELECT z.*, registry.contact_diff(z.project, z.clean) AS contact
                FROM (SELECT row, project, clean, b, name_key, investor_key FROM draft
                      WHERE fault IS NULL AND project IS NOT NULL AND (p_rows IS NULL OR row = ANY (p_rows)) OFFSET 0) z
                OFFSET 0) y OFFSET 0) x
    WHERE d.row = x.row;
END $$;

-- ---------------------------------------------------------------- merging

-- What became of an object's fields behind a version: {number: {base, shown, by, at, own}}: the value it had then (shown: the account
-- might see it), who changed it last, when; own: nothing but sheets of this person did, so that one knows of it who sends a sheet again.
-- A machine's sheets are many people's.
CREATE FUNCTION registry.fields_since(p_object text, p_version bigint, p_account int) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(x.number, jsonb_build_object('base', x.base, 'shown', x.shown, 'by', x.actor, 'at', x.at, 'own', x.own)), '{}')
    FROM (SELECT w.key AS number, (array_agg(w.value ->> 0 ORDER BY c.version))[1] AS base,
              (array_agg(coalesce(c.audience_old, c.audience) && me.grants ORDER BY c.version))[1] AS shown,
              (array_agg(e.actor ORDER BY c.version DESC))[1] AS actor, max(e.at) AS at,
              bool_and(e.account = p_account AND e.op = 'import_commit' AND me.holder = 'person') AS own
          FROM registry.account me CROSS JOIN LATERAL (
              SELECT * FROM registry.change q WHERE q.object = p_object AND q.version > p_version OFFSET 0) c
          CROSS JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = c.grp AND q.ord = c.ord OFFSET 0) e
          CROSS JOIN LATERAL jsonb_each(c.fields) w
          WHERE me.id = p_account GROUP BY w.key) x
$$;

-- The same, as digests, of contacts, whose values the journal doesn't hold. One that was changed past the api isn't known: null.
CREATE FUNCTION registry.contact_since(p_project text, p_version bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(w.key, w.value), '{}')
    FROM (SELECT DISTINCT ON (e.key) e.key, e.value FROM registry.contact_past x CROSS JOIN LATERAL jsonb_each(x.fields) e
          WHERE x.project = p_project AND x.version >= p_version ORDER BY e.key, x.version) w
$$;

-- A sheet's cells against what became of their fields since. p_fields: {number: [theirs, mine]}, of masked ones digests.
-- untouched: fields in which it says what stood then; clashes: those that both changed, as [api.clash]. What was changed and is again as it
-- was doesn't count, nor does what only one's own sheets changed. p_again: fields of which this sheet said otherwise when it came last. That
-- it says what stood then may be a correction, or the copy of the sheet that somebody else filled in: they are left, and that is told: again,
-- [{field, by, at}].
CREATE FUNCTION registry.import_merge(p_kind text, p_fields jsonb, p_since jsonb, p_again text[], OUT untouched text[], OUT clashes jsonb, OUT again jsonb)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(f.name) FILTER (WHERE x.same), '{}'),
        jsonb_agg(jsonb_strip_nulls(jsonb_build_object('field', f.name, 'by', x.s ->> 'by', 'at', x.s ->> 'at')
            || CASE WHEN f.masked THEN '{}' ELSE jsonb_build_object('theirs', registry.excerpt(x.value ->> 0), 'yours', registry.excerpt(x.value ->> 1),
                'base_value', CASE WHEN (x.s -> 'shown')::boolean THEN registry.excerpt(x.s ->> 'base') END) END) ORDER BY f.number) FILTER (WHERE NOT x.same AND (x.s -> 'own')::boolean IS NOT TRUE),
        jsonb_agg(jsonb_build_object('field', f.name, 'by', x.s ->> 'by', 'at', x.s ->> 'at') ORDER BY f.number)
            FILTER (WHERE x.same AND f.name = ANY (p_again))
    FROM (SELECT w.key, w.value, p_since -> w.key AS s, p_since -> w.key ? 'base' AND (p_since -> w.key ->> 'base') IS NOT DISTINCT FROM (w.value ->> 1) AS same
          FROM jsonb_each(p_fields) w
          WHERE p_since ? w.key AND NOT (p_since -> w.key ? 'base' AND (p_since -> w.key ->> 'base') IS NOT DISTINCT FROM (w.value ->> 0))) x
    JOIN registry.field f ON f.kind = p_kind AND f.number = x.key::int
$$;

-- Fields of which the sheet of this version said otherwise when it came last.
CREATE FUNCTION registry.import_again(p_said jsonb, p_version bigint, p_now jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN (p_said ->> 'version')::bigint = p_version THEN
        ARRAY(SELECT c.key FROM jsonb_each(p_now) c WHERE p_said ? c.key AND p_said -> c.key IS DISTINCT FROM c.value) ELSE '{}' END
$$;

-- What became of those, for the one who sent it.
CREATE FUNCTION registry.import_again_told(p_lang text, p_kind text, p_again jsonb) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT string_agg(registry.say(p_lang, 'import.left', CASE p_lang WHEN 'en' THEN f.en ELSE f.zh END,
        coalesce(registry.code_label(p_lang, 'account', w."by"), w."by", '?'), registry.day(w.at)), '; ' ORDER BY f.number)
    FROM jsonb_to_recordset(p_again) w(field text, "by" text, at timestamptz) JOIN registry.field f ON f.kind = p_kind AND f.name = w.field
$$;

-- What is remembered of a row: what it said, and the version its sheet was made from.
CREATE FUNCTION registry.import_said_at(p_said jsonb, p_version bigint) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_version IS NULL THEN p_said ELSE p_said || jsonb_build_object('version', p_version) END
$$;

-- A row's contact as digests {number: [theirs, mine]}.
CREATE FUNCTION registry.contact_digests(p_project text, p_contact jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(w.key, jsonb_build_array(registry.contact_digest(p_project, w.value ->> 0), registry.contact_digest(p_project, w.value ->> 1))), '{}')
    FROM jsonb_each(p_contact) w
$$;

-- Fields in which the registry left what the sheet said last time (p_said), with who did that: the form of fields_since.
CREATE FUNCTION registry.said_since(p_object text, p_kind text, p_said jsonb, p_fields jsonb, p_account int) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(x.number, jsonb_strip_nulls(jsonb_build_object('by', s.s ->> 'by', 'at', s.s ->> 'at'))
        || jsonb_build_object('base', x.base, 'shown', true)), '{}')
    FROM (SELECT f.number::text AS number, CASE WHEN f.masked THEN p_said ->> f.name ELSE registry.cell_canon(f.type, p_said -> f.name) END AS base
          FROM registry.field f WHERE f.kind = p_kind AND p_said ? f.name AND p_fields ? f.number::text) x
    CROSS JOIN LATERAL (SELECT registry.fields_since(p_object, 0, p_account) -> x.number AS s) s
    WHERE x.base IS DISTINCT FROM (p_fields -> x.number ->> 0)
$$;

-- Where somebody else changed what the sheet speaks of, since the version it was made from, or else since it said the same last: cells
-- that say what stood then are left out, lists are merged, the others clash unless to the same value.
CREATE FUNCTION registry.import_merge_all(p_account int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    d record;
    fields jsonb;
    since jsonb;
    m record;
    tags text[];
    stale int[] := '{}';
BEGIN
    FOR d IN SELECT y.row, y.project, y.version, y.said, y.diff, y.contact, y.clean, (y.b).tags AS theirs, (y.n).tags AS mine FROM draft y
             WHERE y.fault IS NULL AND y.project IS NOT NULL AND y.diff <> '{}'
               AND (y.version < (y.b).version OR y.version IS NULL AND y.said IS NOT NULL) LOOP
        fields := d.diff || registry.contact_digests(d.project, d.contact);
        IF d.version IS NULL THEN
            since := registry.said_since(d.project, 'project', d.said, fields, p_account);
        ELSE
            since := registry.fields_since(d.project, d.version, p_account);
            since := since || coalesce((SELECT jsonb_object_agg(w.key, (since -> w.key) || jsonb_build_object('base', w.value))
                FROM jsonb_each(registry.contact_since(d.project, d.version)) w WHERE since ? w.key), '{}')
                || coalesce((SELECT jsonb_object_agg(k, (since -> k) - 'base') FROM unnest(ARRAY['44', '45']) k
                    WHERE since ? k AND NOT registry.contact_since(d.project, d.version) ? k), '{}');
        END IF;
        m := registry.import_merge('project', fields, since, registry.import_again(d.said, d.version, registry.import_said(d.clean, d.project)));
        tags := CASE WHEN d.version IS NOT NULL AND (since -> '17' -> 'shown')::boolean AND d.mine IS NOT NULL AND d.diff ? '17' AND 'tags' <> ALL (m.untouched)
            THEN registry.merge_list(string_to_array(since -> '17' ->> 'base', ','), d.theirs, d.mine) END;
        IF cardinality(tags) <= 20 THEN
            m.clashes := (SELECT jsonb_agg(c) FROM jsonb_array_elements(m.clashes) c WHERE c ->> 'field' <> 'tags');
            d.clean := d.clean || jsonb_build_object('tags', tags);
        END IF;
        IF m.again IS NOT NULL AND m.clashes IS NULL THEN
            UPDATE draft y SET again = m.again WHERE y.row = d.row;
        END IF;
        IF m.clashes IS NOT NULL THEN
            UPDATE draft y SET clashes = m.clashes, fault = registry.clash_fault(m.clashes) WHERE y.row = d.row;
        ELSIF m.untouched <> '{}' OR cardinality(tags) <= 20 THEN
            UPDATE draft y SET whole = coalesce(y.whole, y.clean), clean = d.clean - m.untouched WHERE y.row = d.row;
            stale := stale || d.row;
        END IF;
    END LOOP;
    PERFORM registry.import_compose(stale) WHERE stale <> '{}';
END $$;

CREATE FUNCTION registry.clash_fault(p_clashes jsonb) RETURNS registry.finding LANGUAGE sql STABLE AS $$
    SELECT ROW('CONFLICT', c ->> 'field', c ->> 'yours', CASE WHEN x.wan IS NOT NULL THEN 'import.changed_wan' WHEN c ? 'theirs' OR c ? 'yours' THEN 'import.changed' ELSE 'import.changed_unseen' END,
        ARRAY[coalesce(x.wan, c ->> 'theirs'), coalesce(c ->> 'by', '?'), registry.day((c ->> 'at')::timestamptz)], NULL, NULL, NULL, NULL)::registry.finding
    FROM (SELECT p_clashes -> 0 AS c, CASE WHEN p_clashes #>> '{0,field}' LIKE 'amount%' THEN registry.wan(((p_clashes #>> '{0,theirs}')::numeric * 100)::bigint) END AS wan) x
$$;

-- ---------------------------------------------------------------- verdicts

-- The word for a row that is not taken.
CREATE FUNCTION registry.verdict_of(f registry.finding) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN f.code = 'CONFLICT' THEN 'conflict' WHEN f.code = 'ALREADY_EXISTS' AND f.key ~ '(^|\.)twin(\.|$)' THEN 'duplicate' ELSE 'rejected' END
$$;

-- Which rule of duplicates a finding speaks of.
CREATE FUNCTION registry.rule_of(f registry.finding) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN registry.verdict_of(f) <> 'duplicate' THEN NULL WHEN f.key = 'twin.like' THEN 'like_name' WHEN f.field = 'code' THEN 'same_code'
        WHEN f.field = 'external_id' THEN 'same_source' ELSE 'same_' || f.field END
$$;

-- Most rows share no key with any project: those need no look for twins.
CREATE FUNCTION registry.import_rule(i registry.import, p_account int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- whoever exported everything may bring back other offices' rows, as long as they say what they said
    UPDATE draft d SET fault = ROW('PERMISSION_DENIED', 'office', (d.b).office, 'may.write', NULL, NULL, NULL, NULL,
                                   NULL)::registry.finding
    WHERE d.fault IS NULL AND d.given IS NOT NULL AND d.diff <> '{}' AND NOT registry.may(p_account, 'write', (d.b).office);
    UPDATE draft d SET fault = x.fault, alone = x.lonely,
        verdict = CASE WHEN (x.fault).code IS NOT NULL THEN NULL WHEN d.project IS NULL THEN 'new' ELSE 'update' END
    FROM (SELECT y.row, y.lonely, registry.judge(p_account, y.b, y.n, y.lonely AND y.code IS NULL AND (y.external_id IS NULL OR y.project IS NULL), o.may, i.opening) AS fault
          FROM (SELECT z.*, (z.n).office AS after_office, NOT (
                    EXISTS (SELECT FROM registry.project p WHERE p.name_key = (z.n).name_key AND p.id IS DISTINCT FROM z.project)
                    OR (z.n).investor_key <> '' AND EXISTS (SELECT FROM registry.project p WHERE p.investor_key = (z.n).investor_key AND p.investor_key <> ''
                               AND p.id IS DISTINCT FROM z.project)) AS lonely
                FROM draft z WHERE z.fault IS NULL AND (z.project IS NULL OR z.diff <> '{}') OFFSET 0) y
          LEFT JOIN (SELECT q.code, registry.may(p_account, 'write', q.code) AS may FROM registry.office q OFFSET 0) o
          ON o.code = y.after_office OFFSET 0) x
    WHERE d.row = x.row;
    -- New rows are as their time left them, in whatever order their days are; but nothing has happened on a day to come.
    UPDATE draft d SET fault = registry.project_days(d.n), verdict = NULL
    WHERE d.verdict = 'update' AND d.diff ?| ARRAY['52', '53', '54', '55', '56', '57', '58'] AND (registry.project_days(d.n)).code IS NOT NULL
       OR d.verdict = 'new' AND greatest((d.n).signed_on, (d.n).started_on, (d.n).completed_on, (d.n).produced_on) > registry.today()::text;
END $$;

-- What else the rows that will be carried out may be. New ones alone with their name and with their investor, without code, place and telephone, are
-- nothing else.
CREATE FUNCTION registry.import_notes(p_lang text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    x record;
BEGIN
    FOR x IN SELECT array_agg(y.row) AS rows, array_agg(y.n) AS drafts, array_agg(y.fields) AS fields, array_agg(y.phone) AS phones, array_agg(p_lang) AS langs
             FROM (SELECT d.row, d.n, CASE WHEN d.verdict = 'update' THEN d.diff || d.contact END AS fields,
                       CASE WHEN d.verdict = 'update' THEN d.contact -> '45' ->> 1 ELSE d.contact ->> '45' END AS phone, row_number() OVER (ORDER BY d.row) AS place
                   FROM draft d WHERE d.verdict = 'new' AND NOT (d.alone AND d.code IS NULL AND num_nonnulls((d.n).site, (d.n).park, d.contact ->> '45') = 0) OR d.verdict = 'update' AND registry.suspicious(d.diff || d.contact)) y
             GROUP BY y.place / 500 LOOP
        UPDATE draft d SET note = w.warnings FROM registry.warnings(x.langs, x.drafts, x.fields, x.phones) w WHERE d.row = x.rows[w.n];
    END LOOP;
    -- which is told, for the sheet may hold an edit that belongs to the other one
    UPDATE draft d SET verdict = 'skipped', note = ARRAY[ROW(NULL, NULL, NULL, NULL, concat_ws('; ', registry.say(p_lang, 'project.merged', (d.b).merged_into),
            registry.say(p_lang, 'project.merged.hint', (d.b).merged_into)))::api.warning]
    WHERE d.fault IS NULL AND (d.b).merged_into IS NOT NULL;
    UPDATE draft d SET note = d.note || ROW(NULL, NULL, NULL, NULL, registry.import_again_told(p_lang, 'project', d.again))::api.warning,
        verdict = CASE WHEN d.diff = '{}' THEN 'skipped' ELSE d.verdict END
    WHERE d.fault IS NULL AND d.again IS NOT NULL;
    UPDATE draft d SET note = d.note || ROW('odd_amount', NULL, NULL, NULL, o.sentence)::api.warning
    FROM (SELECT y.row, (registry.error_of(p_lang, 'project', y.f)).message AS sentence
          FROM (SELECT z.row, registry.project_odd(z.b, z.n) AS f FROM draft z
                WHERE (z.verdict = 'new' OR z.verdict = 'update' AND z.diff ?| ARRAY['20', '21', '22', '23', '24'])
                  AND (z.verdict = 'update' OR num_nonnulls((z.n).amount_total, (z.n).amount_fixed, (z.n).amount_outside, (z.n).amount_agreed, (z.n).amount_filed) > 1) OFFSET 0) y
          WHERE (y.f).code IS NOT NULL) o
    WHERE d.row = o.row;
    UPDATE draft d SET note = d.note || ROW('odd_day', NULL, NULL, NULL, o.sentence)::api.warning
    FROM (SELECT y.row, (registry.error_of(p_lang, 'project', y.f)).message AS sentence
          FROM (SELECT z.row, registry.days_odd(z.b, z.n) AS f FROM draft z
                WHERE z.verdict = 'new' AND num_nonnulls((z.n).signed_on, (z.n).started_on, (z.n).completed_on, (z.n).produced_on) > 1
                   OR z.verdict = 'update' AND z.diff ?| ARRAY['52', '53', '54', '55', '56', '57', '58'] OFFSET 0) y
          WHERE (y.f).code IS NOT NULL) o
    WHERE d.row = o.row;
END $$;

-- What a row changes, as [api.verdict_change]; of a masked field ("true") without the values.
CREATE FUNCTION registry.import_changes(p_kind text, p_diff jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('field', f.name, 'old', registry.excerpt(x.pair ->> 0), 'new', registry.excerpt(x.pair ->> 1)))
                     ORDER BY f.number)
    FROM jsonb_each(p_diff) w CROSS JOIN LATERAL (SELECT nullif(w.value, 'true') AS pair) x JOIN registry.field f ON f.kind = p_kind AND f.number = w.key::int
$$;

-- Rows the mapping couldn't read, or wasn't to.
CREATE FUNCTION registry.import_unread(i registry.import) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO registry.import_verdict (import, row, verdict, code, field, "column", text, message)
    SELECT i.id, x.row, CASE WHEN x.skip IS NOT NULL THEN 'skipped' ELSE 'rejected' END, CASE WHEN x.skip IS NULL THEN 'INVALID_ARGUMENT' END,
        x.bad -> 0 ->> 'field', x.bad -> 0 ->> 'column', x.bad -> 0 ->> 'text', coalesce(x.skip, x.bad -> 0 ->> 'message')
    FROM registry.import_rows(i) x WHERE x.skip IS NOT NULL OR x.bad IS NOT NULL;
END $$;

-- The drafts as verdicts: after they were carried out with what became of them.
CREATE FUNCTION registry.import_verdicts(i registry.import, p_account int, p_lang text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    grants CONSTANT int[] := registry.grants(p_account);
BEGIN
    DELETE FROM registry.import_verdict x WHERE x.import = i.id;
    PERFORM registry.import_unread(i);
    -- of another project no more is told than a single registration is
    INSERT INTO registry.import_verdict (import, row, verdict, object, project, no, code, field, text, message, hint, clashes, rule, other_no, other_office, other_on)
    SELECT i.id, d.row, d.verdict, t.id, t.id, t.no, e.code, e.field, left((d.fault).value, 200), e.message, e.hint, d.clashes, registry.rule_of(d.fault),
        e.other_no, e.other_office, registry.day(e.at)
    FROM (SELECT * FROM draft x WHERE (x.fault).code IS NOT NULL OFFSET 0) d CROSS JOIN LATERAL registry.error_of(p_lang, 'project', d.fault) e
    LEFT JOIN registry.project t ON t.id = d.project AND d.verdict <> 'duplicate' AND t.audience && grants;
    INSERT INTO registry.import_verdict (import, row, verdict, object, project, no, message, changes, rule, other_no, other_office, other_on, was)
    SELECT i.id, d.row, d.verdict, d.project, d.project, coalesce(d.no, (d.b).no),
        CASE WHEN d.echo IS NOT NULL OR d.note IS NOT NULL THEN concat_ws('; ', CASE WHEN d.echo IS NOT NULL THEN registry.say(p_lang, 'import.echo', d.echo::text) END,
            (SELECT string_agg(u.sentence, '; ') FROM unnest(d.note) u)) END,
        CASE WHEN d.verdict = 'update' THEN registry.import_changes('project', d.diff) END, s.code, s.no, s.office, s."on", CASE WHEN d.verdict = 'update' THEN d.said END
    FROM draft d LEFT JOIN LATERAL (SELECT * FROM unnest(d.note) u WHERE u.no IS NOT NULL LIMIT 1) s ON true
    WHERE (d.fault).code IS NULL;
END $$;

-- Contacts that were compared, restricted projects, and how often one that is hidden was named as what a row may be, too: told to the audit, for
-- a preview leaves nothing else.
CREATE FUNCTION registry.import_audit(i registry.import, p_account int, p_op text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    contacts CONSTANT text[] := registry.reach(p_account, 'contact');
    restricted int;
    denied int;
    grants CONSTANT int[] := registry.grants(p_account);
    hidden CONSTANT int := (SELECT count(*) FROM (SELECT (d.fault).other_no AS no FROM draft d WHERE (d.fault).other_no IS NOT NULL
        UNION ALL SELECT u.no FROM draft d, unnest(d.note) u WHERE d.note IS NOT NULL) t JOIN registry.project p ON p.no = t.no WHERE NOT p.audience && grants);
BEGIN
    SELECT count(*) FILTER (WHERE p.restricted), count(*) FILTER (WHERE (contacts && ARRAY['*', p.office]) IS NOT TRUE
        AND d.clean ?| ARRAY['contact_name', 'contact_phone']) INTO restricted, denied
    FROM draft d JOIN registry.project p ON p.id = d.project;
    IF restricted + denied + hidden > 0 THEN
        PERFORM registry.audit_put(p_account, p_op, 'OK', i.id, i.office, jsonb_build_object('restricted', restricted, 'contacts_of_others', denied)
            || CASE WHEN hidden > 0 THEN jsonb_build_object('hidden_twins', hidden) ELSE '{}' END);
    END IF;
END $$;

-- Judges all project rows of a batch. With p_lock keys and projects are locked first, in one order, so that the verdict still holds when
-- it is carried out. p_reason: of a commit, of whose time the judging is about a third; a preview has none yet.
CREATE FUNCTION registry.import_judge(i registry.import, p_account int, p_lang text, p_lock boolean, p_reason text DEFAULT '-') RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    share CONSTANT numeric := i.expected * CASE WHEN p_lock THEN 0.35 ELSE 1 END;
BEGIN
    PERFORM registry.import_at(i.id, 0), registry.import_draft(i), registry.import_at(i.id, 0.6 * share);
    IF p_lock THEN
        PERFORM registry.import_lock_keys();
    END IF;
    PERFORM registry.import_find(i, p_account);
    PERFORM registry.import_repeated(p_account);
    PERFORM registry.import_alike();
    IF p_lock THEN
        PERFORM FROM registry.project p JOIN draft d ON d.project = p.id ORDER BY p.id FOR NO KEY UPDATE OF p;
    END IF;
    PERFORM registry.import_stand(p_account);
    -- without a version: fields in which the sheet says what it said last time are not touched
    UPDATE draft d SET said = s.set, whole = d.clean, clean = coalesce((SELECT jsonb_object_agg(c.key, d.clean -> c.key)
        FROM jsonb_each(registry.import_said(d.clean, d.project)) c WHERE s.set -> c.key IS DISTINCT FROM c.value), '{}')
    FROM registry.import_base s
    WHERE d.fault IS NULL AND d.project IS NOT NULL AND d.version IS NULL AND s.source = i.source AND s.object = d.project;
    UPDATE draft d SET said = s.set FROM registry.import_base s
    WHERE d.project IS NOT NULL AND d.version IS NOT NULL AND s.source = i.source AND s.object = d.project;
    PERFORM registry.import_compose(), registry.import_at(i.id, 0.8 * share);
    PERFORM registry.import_merge_all(p_account);
    IF i.opening THEN
        PERFORM registry.import_opening_judge(p_reason);
    END IF;
    PERFORM registry.import_crowd();
    PERFORM registry.import_rule(i, p_account);
    PERFORM registry.import_notes(p_lang), registry.import_cut(p_lang), registry.crowd_drop(), registry.import_at(i.id, share);
    PERFORM registry.import_audit(i, p_account, CASE WHEN p_lock THEN 'import_commit' ELSE 'import_judge' END);
    UPDATE draft d SET verdict = CASE WHEN (d.fault).code IS NOT NULL THEN registry.verdict_of(d.fault) ELSE 'unchanged' END WHERE d.verdict IS NULL;
END $$;

-- Judges a batch of whatever kind.
CREATE FUNCTION registry.import_judged(i registry.import, p_account int, p_lang text, p_lock boolean, p_reason text DEFAULT '-') RETURNS registry.import
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF i.kind = 'project' THEN
        PERFORM registry.import_judge(i, p_account, p_lang, p_lock, p_reason), registry.import_verdicts(i, p_account, p_lang);
    ELSE
        PERFORM registry.import_records(i, p_account, p_lang, false, false, p_reason);
    END IF;
    RETURN registry.import_count(i, 'judged');
END $$;

-- Counts the verdicts.
CREATE FUNCTION registry.import_count(i registry.import, p_status text) RETURNS registry.import
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE registry.import x SET status = p_status, rows = c.rows, added = c.added, updated = c.updated, unchanged = c.unchanged,
        duplicates = c.duplicates, conflicts = c.conflicts, rejected = c.rejected, skipped = c.skipped,
        done_at = CASE WHEN p_status = 'done' THEN registry.now() ELSE x.done_at END
    FROM (SELECT count(*) AS rows, count(*) FILTER (WHERE v.verdict = 'new') AS added,
            count(*) FILTER (WHERE v.verdict = 'update') AS updated,
            count(*) FILTER (WHERE v.verdict = 'unchanged') AS unchanged,
            count(*) FILTER (WHERE v.verdict = 'duplicate') AS duplicates,
            count(*) FILTER (WHERE v.verdict = 'conflict') AS conflicts,
            count(*) FILTER (WHERE v.verdict = 'rejected') AS rejected,
            count(*) FILTER (WHERE v.verdict = 'skipped') AS skipped
          FROM registry.import_verdict v WHERE v.import = i.id) c
    WHERE x.id = i.id RETURNING x.* INTO i;
    RETURN i;
END $$;

-- Of a batch that is done it says how it was done.
CREATE FUNCTION api.import_judge(p_account int, p_lang text, p_request text, p_digest bytea, id text)
RETURNS api.import_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.import_reply;
    i registry.import;
    m record;
BEGIN
    SELECT * INTO m FROM registry.import_mine(p_account, p_lang, import_judge.id);
    i := m.i;
    r.error := m.error;
    IF (r.error).code IS NULL THEN
        SELECT * INTO i FROM registry.import x WHERE x.id = i.id FOR UPDATE;
        r.error := CASE WHEN i.status NOT IN ('done', 'reverted') THEN registry.import_incomplete(p_lang, i) END;
    END IF;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF i.status IN ('staging', 'judged') THEN
        i := registry.import_judged(i, p_account, p_lang, false);
    END IF;
    RETURN registry.import_reply(i);
END $$;

-- Of a project that was hidden from the account since, the number of its row and the verdict are all that is left.
CREATE FUNCTION api.import_verdicts(p_account int, p_lang text, id text, after_row int, "limit" int, verdicts text[], after text DEFAULT NULL)
RETURNS api.import_verdicts_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.import_verdicts_reply;
    i registry.import;
    m record;
    most CONSTANT int := least(greatest(coalesce("limit", 500), 1), 500);
    grants CONSTANT int[] := registry.grants(p_account);
    total int;
    last_row int;
BEGIN
    SELECT * INTO m FROM registry.import_mine(p_account, p_lang, import_verdicts.id);
    i := m.i;
    r.error := m.error;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    SELECT count(*), array_agg(x.v ORDER BY x.row) FILTER (WHERE x.n = 1 OR (x.n <= most AND x.bytes < 40000)),
        max(x.row) FILTER (WHERE x.n = 1 OR (x.n <= most AND x.bytes < 40000))
    INTO total, r.rows, last_row
    FROM (SELECT y.row, CASE WHEN y.hidden THEN jsonb_populate_record(NULL::api.verdict, jsonb_build_object('row', (y.v).row, 'verdict', (y.v).verdict)) ELSE y.v END AS v, row_number() OVER w AS n, sum(octet_length(y.v::text) + 60) OVER w AS bytes
          FROM (SELECT z.row, ROW(z.row, z.verdict, z.project, z.no, z.code, z.field, z."column", z.text, z.message,
                    ARRAY(SELECT c ->> 'field' FROM jsonb_array_elements(z.changes) c), z.hint, z.object,
                    ARRAY(SELECT jsonb_populate_record(NULL::api.verdict_change, c) FROM jsonb_array_elements(z.changes) c),
                    ARRAY(SELECT jsonb_populate_record(NULL::api.clash, c) FROM jsonb_array_elements(z.clashes) c),
                    z.rule, z.other_no, z.other_office, z.other_on, CASE WHEN coalesce(z.changes, z.clashes) IS NOT NULL AND i.kind = 'project' THEN q.currency END)::api.verdict AS v, q.restricted AND NOT q.audience && grants AS hidden
                FROM registry.import_verdict z LEFT JOIN registry.project q ON q.id = z.project
                WHERE z.import = i.id AND z.row > coalesce(after_row, CASE WHEN after ~ '^[0-9]{1,9}$' THEN after::int END, -1) AND (verdicts IS NULL OR z.verdict = ANY (verdicts))
                ORDER BY z.row LIMIT most + 1) y
          WINDOW w AS (ORDER BY y.row)) x;
    IF total > coalesce(cardinality(r.rows), 0) THEN
        r.next_row := last_row;
        r.next := last_row::text;
    END IF;
    PERFORM registry.commit_here();
    PERFORM registry.audit_listed(p_account, 'import_verdicts', ARRAY(SELECT v.project FROM unnest(r.rows) v WHERE v.changes IS NOT NULL OR v.clashes IS NOT NULL));
    RETURN r;
END $$;
