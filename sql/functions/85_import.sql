-- SPDX-License-Identifier: Apache-2.0
-- Imports: chunks are kept as they come, judged as a set, committed in one transaction. Rows are judged by the very
-- rules of a single edit: read_sets for values, judge for records. Preview and commit run the same judgement.

CREATE FUNCTION registry.import_reply(i registry.import) RETURNS api.import_reply LANGUAGE plpgsql STABLE AS $$
DECLARE
    r api.import_reply;
BEGIN
    r.id := i.id;
    r.status := i.status;
    r.next_chunk := CASE WHEN EXISTS (SELECT FROM registry.import_chunk c WHERE c.import = i.id AND c.chunk = 0) THEN
        (SELECT min(c.chunk) + 1 FROM registry.import_chunk c WHERE c.import = i.id AND NOT EXISTS
            (SELECT FROM registry.import_chunk d WHERE d.import = i.id AND d.chunk = c.chunk + 1)) ELSE 0 END;
    r.rows := i.rows;
    r.added := i.added;
    r.updated := i.updated;
    r.unchanged := i.unchanged;
    r.rejected := i.rejected;
    r.skipped := i.skipped;
    RETURN r;
END $$;

-- The batch, if it is the caller's to go on with.
CREATE FUNCTION registry.import_mine(p_account int, p_lang text, p_id text, OUT i registry.import, OUT error api.error)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT * INTO i FROM registry.import x WHERE x.id = p_id;
    IF i.id IS NULL OR (i.account <> p_account AND NOT registry.may(p_account, 'import', i.office)) THEN
        error := registry.refusal(p_lang, 'NOT_FOUND', 'id', 'import.none', p_id);
    ELSIF NOT registry.may(p_account, 'import', i.office) THEN
        error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.import');
    END IF;
END $$;

CREATE FUNCTION api.import_open(p_account int, p_lang text, p_request text, p_digest bytea, file_sha256 bytea,
    file_name text, source text, profile text, profile_sha256 bytea, office text, rows int, kind text DEFAULT NULL, opening boolean DEFAULT NULL)
RETURNS api.import_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    r api.import_reply;
    i registry.import;
    owner text;
    mapping bytea := coalesce(import_open.profile_sha256, '');
BEGIN
    SELECT a.office INTO owner FROM registry.account a WHERE a.id = p_account;
    IF coalesce(import_open.office, '') <> '' THEN
        owner := registry.resolve('office', btrim(import_open.office));
    END IF;
    IF owner IS NULL THEN
        r.error := registry.error_of(p_lang, 'project', ROW('INVALID_ARGUMENT', 'office', import_open.office,
            'code.unknown', NULL, NULL, NULL, NULL, NULL));
    ELSIF NOT registry.may(p_account, 'import', owner) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.import');
    ELSIF length(import_open.file_sha256) IS DISTINCT FROM 32 THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'file_sha256', 'sha256.form');
    ELSIF coalesce(import_open.kind, 'project') <> 'project' OR import_open.opening THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'kind', 'import.kind', import_open.kind);
    ELSIF import_open.rows > 200000 THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'rows', 'import.rows', '200000');
    ELSIF length(import_open.source) > 100 OR length(import_open.profile) > 200 OR length(import_open.file_name) > 300 THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'source', 'import.names');
    ELSIF import_open.file_name ~ '/' OR import_open.file_name IN ('.', '..') THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'file_name', 'import.path');
    END IF;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    INSERT INTO registry.import AS x (id, account, office, file_sha256, profile_sha256, file_name, source, profile,
        status, expected, opened_at)
    VALUES (registry.new_id('i'), p_account, owner, import_open.file_sha256, mapping, import_open.file_name,
        coalesce(nullif(btrim(import_open.source), ''), owner), import_open.profile, 'staging', import_open.rows,
        registry.now())
    ON CONFLICT (account, office, file_sha256, profile_sha256) DO UPDATE SET
        -- a finished file comes again: judged anew
        status = 'staging', pass = x.pass + CASE WHEN x.status = 'done' THEN 1 ELSE 0 END,
        read_under = CASE WHEN x.source = excluded.source THEN x.read_under END,
        file_name = excluded.file_name, source = excluded.source, expected = excluded.expected,
        rows = NULL, added = NULL, updated = NULL, unchanged = NULL, rejected = NULL, skipped = NULL
    RETURNING * INTO i;
    RETURN registry.import_reply(i);
END $$;

-- Keeps a chunk. The same chunk again is no harm; chunks may arrive out of order within a window of 64.
CREATE FUNCTION api.import_put(p_account int, p_lang text, p_request text, p_digest bytea, id text, chunk int, rows jsonb)
RETURNS api.import_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    r api.import_reply;
    i registry.import;
    m record;
    given int := jsonb_array_length(coalesce(import_put.rows, '[]'));
    row_numbers int[];
BEGIN
    SELECT * INTO m FROM registry.import_mine(p_account, p_lang, import_put.id);
    i := m.i;
    r.error := m.error;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    r := registry.import_reply(i);
    IF import_put.chunk < r.next_chunk THEN
        RETURN r;
    ELSIF import_put.chunk IS NULL OR import_put.chunk > r.next_chunk + 64 OR i.status = 'done' THEN
        r.error := registry.refusal(p_lang, 'FAILED_PRECONDITION', 'chunk', 'import.chunk', r.next_chunk::text);
        RETURN r;
    ELSIF given > 5000 OR given = 0 THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'rows', 'import.rows', '5000');
        RETURN r;
    END IF;
    IF EXISTS (SELECT FROM registry.import_chunk c WHERE c.import = i.id AND c.chunk = import_put.chunk) THEN
        RETURN r;
    END IF;
    row_numbers := ARRAY(SELECT DISTINCT (x -> 'row')::int FROM jsonb_array_elements(import_put.rows) x WHERE x ? 'row');
    IF cardinality(row_numbers) < given
            OR EXISTS (SELECT FROM unnest(row_numbers) n CROSS JOIN LATERAL (
                SELECT FROM registry.import_row o WHERE o.import = i.id AND o.row = n LIMIT 1) x) THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'rows', 'import.twice');
        RETURN r;
    END IF;
    INSERT INTO registry.import_chunk (import, chunk) VALUES (i.id, import_put.chunk);
    INSERT INTO registry.import_row (import, row, set, clear, bad, skip)
    SELECT i.id, x.row, coalesce(x.set, '{}'), x.clear, nullif(x.bad, '[]'), x.skip
    FROM jsonb_to_recordset(import_put.rows) x(row int, set jsonb, clear text[], bad jsonb, skip text);
    RETURN registry.import_reply(i);
END $$;

-- What is kept of a sheet's row to know next time what it said: contacts only as a digest.
CREATE FUNCTION registry.import_said(p_clean jsonb, p_project text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    k text;
BEGIN
    IF p_clean ?| ARRAY['contact_name', 'contact_phone'] THEN
        FOREACH k IN ARRAY ARRAY['contact_name', 'contact_phone'] LOOP
            IF p_clean ->> k IS NOT NULL THEN
                p_clean := jsonb_set(p_clean, ARRAY[k], to_jsonb(encode(sha256(convert_to(p_project || (p_clean ->> k), 'UTF8')), 'hex')));
            END IF;
        END LOOP;
    END IF;
    RETURN p_clean;
END $$;

-- Rows of a file whose names are alike under one investor, where no keys of a source tell them apart: the later one is refused as it
-- would be if the first stood already. Of each investor the first hundred rows without a key are looked at.
CREATE FUNCTION registry.import_alike() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    likeness CONSTANT numeric := registry.duplicate_limit('like_name', 'block');
BEGIN
    UPDATE draft d SET fault = ROW('ALREADY_EXISTS', 'name', d.clean ->> 'name', 'import.alike', ARRAY[x.first::text], NULL, NULL, NULL, NULL)::registry.finding
    FROM (SELECT greatest(a.row, b.row) AS row, min(least(a.row, b.row)) AS first
          FROM (SELECT y.*, row_number() OVER (PARTITION BY y.investor_key ORDER BY y.row) AS place FROM draft y
                WHERE y.fault IS NULL AND y.project IS NULL AND y.external_id IS NULL AND y.investor_key <> '') a
          JOIN (SELECT y.*, row_number() OVER (PARTITION BY y.investor_key, y.external_id IS NULL ORDER BY y.row) AS place FROM draft y
                WHERE y.fault IS NULL AND y.project IS NULL) b
              ON a.investor_key = b.investor_key AND a.name_key <> b.name_key AND (b.external_id IS NOT NULL OR a.row < b.row)
          WHERE a.place <= 100 AND b.place <= 100
            AND registry.names_alike(a.name_key, b.name_key, likeness) AND NOT registry.numbered_apart(a.name_key, b.name_key)
          GROUP BY 1) x
    WHERE d.row = x.row;
END $$;

-- What else the rows that will be carried out may be, as a note each.
CREATE FUNCTION registry.import_notes(p_lang text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    x record;
BEGIN
    FOR x IN SELECT array_agg(y.row) AS rows, array_agg(y.n) AS drafts, array_agg(y.fields) AS fields, array_agg(y.phone) AS phones, array_agg(p_lang) AS langs
             FROM (SELECT d.row, d.n, CASE WHEN d.verdict = 'update' THEN d.diff || d.contact END AS fields,
                       CASE WHEN d.verdict = 'update' THEN d.contact -> '45' ->> 1 ELSE d.contact ->> '45' END AS phone, row_number() OVER (ORDER BY d.row) AS place
                   FROM draft d WHERE d.verdict = 'new' OR d.verdict = 'update' AND registry.suspicious(d.diff || d.contact)) y
             GROUP BY y.place / 500 LOOP
        UPDATE draft d SET note = w.note
        FROM (SELECT v.n, (SELECT string_agg(u.sentence, '; ') FROM unnest(v.warnings) u) AS note FROM registry.warnings(x.langs, x.drafts, x.fields, x.phones) v) w
        WHERE d.row = x.rows[w.n];
    END LOOP;
    UPDATE draft d SET note = concat_ws('; ', d.note, o.sentence)
    FROM (SELECT y.row, (registry.error_of(p_lang, 'project', y.f)).message AS sentence
          FROM (SELECT z.row, registry.project_odd(z.b, z.n) AS f FROM draft z
                WHERE z.verdict = 'new' OR z.verdict = 'update' AND z.diff ?| ARRAY['20', '21', '22', '23', '24'] OFFSET 0) y
          WHERE (y.f).code IS NOT NULL) o
    WHERE d.row = o.row;
END $$;

-- Judges all rows of a batch into import_row and, for the commit, into the temporary table `draft`.
-- With p_lock keys and projects are locked first, in one order, so that the verdict still holds when it is carried out.
CREATE FUNCTION registry.import_judge(i registry.import, p_account int, p_lang text, p_lock boolean) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    sets jsonb[];
    row_numbers int[];
    grants CONSTANT int[] := registry.grants(p_account);
    contacts CONSTANT text[] := registry.reach(p_account, 'contact');
    restricted int;
    denied int;
    under CONSTANT text := (SELECT v.functions_sha256 || ' ' || registry.rule_set_in_force() FROM registry.version v);
    fresh jsonb := jsonb_build_object('office', i.office, 'stage',
        (SELECT s.code FROM registry.stage s WHERE s.rule_set = registry.rule_set_in_force() AND s.initial));
BEGIN
    IF to_regclass('pg_temp.draft') IS NOT NULL THEN
        DROP TABLE pg_temp.draft;
    END IF;
    CREATE TEMPORARY TABLE draft (
        row int PRIMARY KEY, clean jsonb, fault registry.finding, project text, given text,
        source text, external_id text, name_key text, investor_key text, code text,
        b registry.project, n registry.project, contact jsonb, diff jsonb, verdict text, no text, idx int, said jsonb, note text
    ) ON COMMIT DROP;
    ALTER TABLE draft ALTER b SET STORAGE external, ALTER n SET STORAGE external;
    -- values are read once: the commit that follows a preview under the same rules takes what the preview read
    SELECT array_agg(registry.with_clears(x.set - ARRAY['id', 'no'], x.clear) ORDER BY x.row), array_agg(x.row ORDER BY x.row)
    INTO sets, row_numbers FROM registry.import_row x
    WHERE x.import = i.id AND x.skip IS NULL AND x.bad IS NULL AND (x.clean IS NULL OR i.read_under IS DISTINCT FROM under);
    INSERT INTO draft (row, given, clean, fault, source, external_id, name_key, investor_key, code)
    SELECT r.row, coalesce(nullif(btrim(r.set ->> 'id'), ''), nullif(btrim(r.set ->> 'no'), '')),
        CASE WHEN r.clean ->> 'external_id' IS NOT NULL AND r.clean ->> 'source' IS NULL
            THEN r.clean || jsonb_build_object('source', i.source) ELSE r.clean END, r.fault,
        CASE WHEN r.clean ->> 'external_id' IS NOT NULL THEN coalesce(r.clean ->> 'source', i.source) END,
        r.clean ->> 'external_id', registry.norm(r.clean ->> 'name'), registry.norm(r.clean ->> 'investor'),
        r.clean ->> 'code'
    FROM (SELECT x.row, x.set, s.clean, s.fault FROM registry.read_sets('project', sets) s
          JOIN registry.import_row x ON x.import = i.id AND x.row = row_numbers[s.ord]
          UNION ALL
          SELECT x.row, x.set, x.clean, NULL FROM registry.import_row x
          WHERE x.import = i.id AND x.clean IS NOT NULL AND i.read_under = under) r;
    IF i.read_under IS DISTINCT FROM under OR sets IS NOT NULL THEN
        UPDATE registry.import_row x SET clean = CASE WHEN d.fault IS NULL THEN d.clean END
        FROM draft d WHERE x.import = i.id AND x.row = d.row;
        UPDATE registry.import x SET read_under = under WHERE x.id = i.id;
    END IF;
    ANALYZE draft;
    IF p_lock THEN
        PERFORM registry.lock_keys(array_agg(k.kind), array_agg(k.key)) FROM (
            SELECT DISTINCT v.kind, v.key FROM draft d CROSS JOIN LATERAL (VALUES
                ('name', CASE WHEN d.name_key <> '' THEN d.name_key || '|' || d.investor_key END), ('investor', nullif(d.investor_key, '')),
                ('external', d.source || '|' || d.external_id), ('code', d.code)) v(kind, key)
            WHERE d.fault IS NULL AND v.key IS NOT NULL) k;
    END IF;
    -- which project a row speaks of: by its id or number (an export that comes back), by its external id, else by name
    -- and investor
    UPDATE draft d SET project = p.id FROM registry.project p WHERE d.fault IS NULL AND p.id = d.given AND p.audience && grants;
    UPDATE draft d SET project = p.id FROM registry.project p
    WHERE d.fault IS NULL AND d.project IS NULL AND p.no = d.given AND p.audience && grants;
    UPDATE draft d SET fault = ROW('NOT_FOUND', 'id', d.given, 'import.unknown', NULL, NULL, NULL, NULL, NULL)::registry.finding
    WHERE d.fault IS NULL AND d.project IS NULL AND d.given IS NOT NULL;
    UPDATE draft d SET project = p.id FROM registry.project p
    WHERE d.fault IS NULL AND d.given IS NULL AND d.external_id IS NOT NULL AND p.source = d.source AND p.external_id = d.external_id;
    UPDATE draft d SET project = m.id, fault = CASE WHEN m.n > 1 THEN ROW('ALREADY_EXISTS', 'name',
            d.clean ->> 'name', 'import.ambiguous', ARRAY[m.n::text], NULL, NULL, NULL, NULL)::registry.finding END
    FROM (SELECT p.name_key, p.investor_key, min(p.id) AS id, count(*) AS n
          FROM registry.project p JOIN (SELECT DISTINCT x.name_key, x.investor_key FROM draft x
                                        WHERE x.fault IS NULL AND x.external_id IS NULL AND x.given IS NULL
                                          AND x.name_key <> '') k
          ON p.name_key = k.name_key AND p.investor_key = k.investor_key
          -- one whose protection has run out is no obstacle to another office, nor what its row speaks of
          WHERE NOT EXISTS (SELECT FROM registry.protection x WHERE x.project = p.id AND x.state = 'released' AND x.office <> i.office)
          GROUP BY 1, 2) m
    WHERE d.fault IS NULL AND d.external_id IS NULL AND d.given IS NULL AND d.name_key = m.name_key AND d.investor_key = m.investor_key;
    -- a key twice in the file: the later row is rejected and names the first
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
    WHERE d.row = x.row AND d.fault IS NULL AND d.given IS NOT NULL AND x.first < x.row;
    PERFORM registry.import_alike();
    IF p_lock THEN
        PERFORM FROM registry.project p JOIN draft d ON d.project = p.id ORDER BY p.id FOR UPDATE OF p;
    END IF;
    UPDATE draft d SET b = p FROM registry.project p WHERE p.id = d.project AND d.fault IS NULL;
    -- what was merged into another stays as it is, whatever sheets go on saying of it
    UPDATE draft d SET clean = '{}' WHERE d.fault IS NULL AND (d.b).merged_into IS NOT NULL;
    -- another office's project: by name it is a duplicate, by external id somebody else's
    UPDATE draft d SET fault = CASE WHEN d.external_id IS NULL
        THEN ROW('ALREADY_EXISTS', 'name', d.clean ->> 'name', 'twin', ARRAY[(d.b).no, o.name,
                 registry.day((d.b).registered_at)], NULL, (d.b).no, o.code, (d.b).registered_at)::registry.finding
        ELSE ROW('PERMISSION_DENIED', 'office', o.name, 'may.write', NULL, NULL, NULL, NULL, NULL)::registry.finding END
    FROM registry.office o
    WHERE d.fault IS NULL AND d.given IS NULL AND o.code = (d.b).office AND NOT registry.may(p_account, 'write', o.code);
    -- a contact is compared, with what stands and with what was said, for those alone who may see it
    UPDATE draft d SET fault = ROW('PERMISSION_DENIED', 'office', (d.b).office, 'may.write', NULL, NULL, NULL, NULL,
                                   NULL)::registry.finding
    WHERE d.fault IS NULL AND d.project IS NOT NULL AND d.clean ?| ARRAY['contact_name', 'contact_phone']
      AND (contacts && ARRAY['*', (d.b).office]) IS NOT TRUE;
    -- fields in which the sheet says what it said last time are not touched
    UPDATE draft d SET said = s.set, clean = coalesce((SELECT jsonb_object_agg(c.key, d.clean -> c.key)
        FROM jsonb_each(registry.import_said(d.clean, d.project)) c WHERE s.set -> c.key IS DISTINCT FROM c.value), '{}')
    FROM registry.import_base s
    WHERE d.fault IS NULL AND d.project IS NOT NULL AND s.source = i.source AND s.project = d.project;
    UPDATE draft d SET contact = x.contact, diff = CASE WHEN d.project IS NOT NULL THEN registry.project_diff(d.b, x.n) END,
        n = x.n
    FROM (SELECT y.row, y.contact, jsonb_populate_record(y.b, CASE WHEN y.project IS NOT NULL THEN y.clean
                ELSE fresh || y.clean END || jsonb_build_object(
                'name_key', CASE WHEN y.clean ? 'name' THEN y.name_key ELSE (y.b).name_key END,
                'investor_key', CASE WHEN y.clean ? 'investor' THEN y.investor_key ELSE coalesce((y.b).investor_key, '') END,
                'contact_name_mark', coalesce((y.b).contact_name_mark, 0) + (y.contact ? '44')::int,
                'contact_phone_mark', coalesce((y.b).contact_phone_mark, 0) + (y.contact ? '45')::int)) AS n
          FROM (SELECT z.*, CASE
                    WHEN z.project IS NOT NULL THEN registry.contact_diff(z.project, z.clean)
                    ELSE jsonb_strip_nulls(jsonb_build_object('44', z.clean -> 'contact_name',
                                                              '45', z.clean -> 'contact_phone')) END AS contact
                FROM (SELECT row, project, clean, b, name_key, investor_key FROM draft WHERE fault IS NULL OFFSET 0) z
                OFFSET 0) y OFFSET 0) x
    WHERE d.row = x.row;
    -- what both the sheet and somebody else changed since is a clash, unless to the same value
    UPDATE draft d SET fault = ROW('CONFLICT', f.name, d.clean ->> f.name, 'import.changed', ARRAY[d.diff -> f.number::text ->> 0],
                                   NULL, NULL, NULL, NULL)::registry.finding
    FROM registry.field f
    WHERE d.fault IS NULL AND d.said IS NOT NULL AND d.diff <> '{}' AND f.kind = 'project'
      AND f.number = (SELECT min(k.key::int) FROM jsonb_object_keys(d.diff) k(key) JOIN registry.field g
                      ON g.kind = 'project' AND g.number = k.key::int AND d.said ? g.name AND d.clean ? g.name
                      WHERE CASE WHEN g.masked THEN registry.import_said(jsonb_build_object(g.name, d.contact -> k.key -> 0), d.project)
                                     -> g.name IS DISTINCT FROM d.said -> g.name
                            ELSE registry.project_diff(d.b, jsonb_populate_record(d.b, d.said - ARRAY['contact_name', 'contact_phone'])) ? k.key END);
    -- whoever exported everything may bring back other offices' rows, as long as they say what they said
    UPDATE draft d SET fault = ROW('PERMISSION_DENIED', 'office', (d.b).office, 'may.write', NULL, NULL, NULL, NULL,
                                   NULL)::registry.finding
    WHERE d.fault IS NULL AND d.given IS NOT NULL AND d.diff <> '{}' AND NOT registry.may(p_account, 'write', (d.b).office);
    -- most rows share no key with any project: those need no look for twins
    UPDATE draft d SET
        fault = x.fault, verdict = CASE WHEN (x.fault).code IS NOT NULL THEN 'rejected' WHEN d.project IS NULL THEN 'new'
            ELSE 'update' END
    FROM (SELECT y.row, registry.judge(p_account, y.b, y.n, NOT (
                    EXISTS (SELECT FROM registry.project p WHERE p.name_key = y.after_name
                            AND p.investor_key = y.after_investor AND p.id IS DISTINCT FROM y.project)
                    OR EXISTS (SELECT FROM registry.project p WHERE p.investor_key = y.after_investor AND p.investor_key <> ''
                               AND p.id IS DISTINCT FROM y.project AND NOT registry.apart_by_source(y.n, p))
                    OR y.code IS NOT NULL OR y.external_id IS NOT NULL AND y.project IS NOT NULL), o.may) AS fault
          FROM (SELECT z.*, (z.n).office AS after_office, (z.n).name_key AS after_name, (z.n).investor_key AS after_investor
                FROM draft z WHERE z.fault IS NULL AND (z.project IS NULL OR z.diff <> '{}') OFFSET 0) y
          LEFT JOIN (SELECT q.code, registry.may(p_account, 'write', q.code) AS may FROM registry.office q OFFSET 0) o
          ON o.code = y.after_office OFFSET 0) x
    WHERE d.row = x.row;
    UPDATE draft d SET verdict = CASE WHEN (d.fault).code IS NOT NULL THEN 'rejected' ELSE 'unchanged' END
    WHERE d.verdict IS NULL;
    PERFORM registry.import_notes(p_lang);
    SELECT count(*) FILTER (WHERE p.restricted), count(*) FILTER (WHERE (contacts && ARRAY['*', p.office]) IS NOT TRUE
        AND d.clean ?| ARRAY['contact_name', 'contact_phone']) INTO restricted, denied
    FROM draft d JOIN registry.project p ON p.id = d.project;
    IF restricted + denied > 0 THEN
        PERFORM registry.audit_put(p_account, CASE WHEN p_lock THEN 'import_commit' ELSE 'import_judge' END, 'OK', i.id, i.office,
            jsonb_build_object('restricted', restricted, 'contacts_of_others', denied));
    END IF;
    UPDATE draft d SET project = NULL, b = NULL
    WHERE (d.fault).code IS NOT NULL AND EXISTS (SELECT FROM registry.project p WHERE p.id = d.project AND NOT p.audience && grants);
    UPDATE registry.import_row x SET verdict = d.verdict, project = d.project, no = (d.b).no, code = (d.fault).code,
        field = (d.fault).field, "column" = NULL, text = left((d.fault).value, 200),
        message = CASE WHEN (d.fault).code IS NOT NULL THEN (registry.error_of(p_lang, 'project', d.fault)).message ELSE d.note END,
        changed = CASE WHEN d.verdict = 'update' THEN ARRAY(SELECT f.name FROM registry.field f
            WHERE f.kind = 'project' AND d.diff ? f.number::text ORDER BY f.number) END
    FROM draft d WHERE x.import = i.id AND x.row = d.row;
    UPDATE registry.import_row x SET verdict = CASE WHEN x.skip IS NOT NULL THEN 'skipped' ELSE 'rejected' END,
        project = NULL, no = NULL, changed = NULL,
        code = CASE WHEN x.skip IS NULL THEN 'INVALID_ARGUMENT' END, field = x.bad -> 0 ->> 'field',
        "column" = x.bad -> 0 ->> 'column', text = x.bad -> 0 ->> 'text',
        message = coalesce(x.skip, x.bad -> 0 ->> 'message')
    WHERE x.import = i.id AND (x.skip IS NOT NULL OR x.bad IS NOT NULL);
END $$;

-- Counts the verdicts.
CREATE FUNCTION registry.import_count(i registry.import, p_status text) RETURNS registry.import
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE registry.import x SET status = p_status, rows = c.rows, added = c.added, updated = c.updated,
        unchanged = c.unchanged, rejected = c.rejected, skipped = c.skipped,
        done_at = CASE WHEN p_status = 'done' THEN registry.now() ELSE x.done_at END
    FROM (SELECT count(*) AS rows, count(*) FILTER (WHERE v.verdict = 'new') AS added,
            count(*) FILTER (WHERE v.verdict = 'update') AS updated,
            count(*) FILTER (WHERE v.verdict = 'unchanged') AS unchanged,
            count(*) FILTER (WHERE v.verdict = 'rejected') AS rejected,
            count(*) FILTER (WHERE v.verdict = 'skipped') AS skipped
          FROM registry.import_row v WHERE v.import = i.id) c
    WHERE x.id = i.id RETURNING x.* INTO i;
    RETURN i;
END $$;

-- Rows are missing: the upload isn't complete.
CREATE FUNCTION registry.import_incomplete(p_lang text, i registry.import) RETURNS api.error LANGUAGE plpgsql STABLE AS $$
DECLARE
    n bigint := (SELECT count(*) FROM registry.import_row x WHERE x.import = i.id);
    last int := (SELECT coalesce(max(c.chunk), -1) FROM registry.import_chunk c WHERE c.import = i.id);
BEGIN
    IF n < coalesce(i.expected, 0) OR last + 1 <> (registry.import_reply(i)).next_chunk THEN
        RETURN registry.refusal(p_lang, 'FAILED_PRECONDITION', 'rows', 'import.incomplete', n::text,
                                coalesce(i.expected::text, '?'));
    END IF;
    RETURN NULL;
END $$;

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
        r.error := registry.import_incomplete(p_lang, i);
    END IF;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    PERFORM registry.import_judge(i, p_account, p_lang, false);
    RETURN registry.import_reply(registry.import_count(i, 'judged'));
END $$;

CREATE FUNCTION api.import_verdicts(p_account int, p_lang text, id text, after_row int, "limit" int, verdicts text[])
RETURNS api.import_verdicts_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.import_verdicts_reply;
    i registry.import;
    m record;
    most int := least(greatest(coalesce("limit", 500), 1), 500);
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
    FROM (SELECT y.row, y.v, row_number() OVER w AS n, sum(octet_length(y.v::text) + 40) OVER w AS bytes
          FROM (SELECT z.row, ROW(z.row, z.verdict, z.project, z.no, z.code, z.field, z."column", z.text, z.message,
                                  z.changed, NULL, z.project, NULL, NULL, NULL, NULL, NULL, NULL)::api.verdict AS v
                FROM registry.import_row z
                WHERE z.import = i.id AND z.row > coalesce(after_row, -1) AND z.verdict IS NOT NULL
                  AND (verdicts IS NULL OR z.verdict = ANY (verdicts)) ORDER BY z.row LIMIT most + 1) y
          WINDOW w AS (ORDER BY y.row)) x;
    IF total > coalesce(cardinality(r.rows), 0) THEN
        r.next_row := last_row;
    END IF;
    RETURN r;
END $$;

-- Carries out the verdicts in `draft`: new rows, changed rows, contacts, and what the sheet said. The journal is
-- written as a set: qipan.bulk keeps the row triggers still, which would do the same row by row. p_history: what it
-- says of stages is the bureau's word, and nobody has to approve it.
CREATE FUNCTION registry.import_apply(i registry.import, p_ord int, p_history boolean) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    t CONSTANT timestamptz := registry.now();
    today CONSTANT text := registry.today()::text;
    g bigint;
    first_idx int;
    written int;
BEGIN
    IF p_ord IS NOT NULL THEN
        g := registry.grp();
        first_idx := coalesce(nullif(current_setting('qipan.idx', true), '')::int, 0);
        UPDATE draft d SET project = x.id, no = x.no, idx = first_idx + x.place - 1
        FROM (SELECT y.row, coalesce(y.project, registry.new_id('p')) AS id, row_number() OVER (ORDER BY y.row) AS place,
                  CASE WHEN y.project IS NULL THEN registry.new_no() ELSE y.no END AS no
              FROM (SELECT z.row, z.project, (z.b).no FROM draft z
                    WHERE z.verdict IN ('new', 'update') ORDER BY z.row OFFSET 0) y OFFSET 0) x
        WHERE d.row = x.row;
        GET DIAGNOSTICS written = ROW_COUNT;
        UPDATE draft d SET n = registry.project_follows(d.b, d.n) WHERE d.verdict = 'new' OR d.verdict = 'update' AND d.diff ?| registry.tagging();
        UPDATE draft d SET diff = registry.project_diff(d.b, d.n) WHERE d.verdict = 'update' AND d.diff ?| registry.tagging();
        PERFORM set_config('qipan.bulk', g::text, true);
        WITH born AS (
            INSERT INTO registry.project AS q SELECT p.*
            FROM (SELECT * FROM draft x WHERE x.verdict = 'new' ORDER BY x.row OFFSET 0) d
            CROSS JOIN LATERAL jsonb_populate_record(d.n, jsonb_build_object('id', d.project, 'no', d.no, 'version', 1,
                'registered_at', t, 'changed_at', t, 'currency', coalesce(d.clean ->> 'currency', 'CNY'),
                'find_key', registry.find_key(d.name_key, d.investor_key, d.no, d.external_id))) p
            RETURNING q AS p)
        INSERT INTO registry.change (grp, idx, ord, kind, object, version, fields, image, audience)
        SELECT g, d.idx, p_ord, 'project', d.project, 1, registry.project_born(born.p), registry.project_image(born.p),
            (born.p).audience
        FROM born JOIN draft d ON d.project = (born.p).id;
        INSERT INTO registry.contact (project, name, phone)
        SELECT d.project, d.clean ->> 'contact_name', d.clean ->> 'contact_phone' FROM draft d
        WHERE d.verdict = 'new' AND coalesce(d.clean ->> 'contact_name', d.clean ->> 'contact_phone') IS NOT NULL;
        EXECUTE (SELECT format($q$
            WITH grown AS (
                UPDATE registry.project q SET (%s) = ROW(%s)
                FROM (SELECT u.* FROM (SELECT * FROM draft x WHERE x.verdict = 'update' ORDER BY x.row OFFSET 0) x
                      CROSS JOIN LATERAL jsonb_populate_record(x.n, jsonb_build_object('version', (x.b).version + 1,
                          'changed_at', $1, 'find_key', registry.find_key((x.n).name_key, (x.n).investor_key, x.no,
                                                                          (x.n).external_id))) u) d
                WHERE q.id = d.id RETURNING q AS p)
            INSERT INTO registry.change (grp, idx, ord, kind, object, version, fields, image, audience, audience_old)
            SELECT $2, d.idx, $3, 'project', d.project, (grown.p).version, d.diff, registry.project_image(grown.p),
                (grown.p).audience, nullif((d.b).audience, (grown.p).audience)
            FROM grown JOIN draft d ON d.project = (grown.p).id $q$,
            string_agg(format('%I', c), ', '), string_agg(format('d.%I', c), ', ')) FROM registry.project_columns() c)
        USING t, g, p_ord;
        PERFORM registry.contact_write(d.project, d.contact) FROM draft d WHERE d.verdict = 'update' AND d.contact <> '{}';
        INSERT INTO registry.stage_event (project, version, "from", stage, happened_on, at, actor)
        SELECT d.project, coalesce((d.b).version, 0) + 1, (d.b).stage, (d.n).stage, today, t, registry.writer() FROM draft d
        WHERE d.verdict IN ('new', 'update') AND (d.b).stage IS DISTINCT FROM (d.n).stage;
        written := written + CASE WHEN p_history THEN 0 ELSE registry.steps_open(g, p_ord, first_idx + written) END;
        PERFORM set_config('qipan.bulk', '', true), set_config('qipan.idx', (first_idx + written)::text, true);
        UPDATE registry.import_row x SET project = d.project, no = d.no FROM draft d
        WHERE d.verdict = 'new' AND x.import = i.id AND x.row = d.row;
    END IF;
    INSERT INTO registry.import_base AS o (source, project, set)
    SELECT i.source, d.project, registry.import_said(d.clean, d.project) FROM draft d WHERE d.verdict <> 'rejected'
    ON CONFLICT (source, project) DO UPDATE SET set = o.set || excluded.set WHERE NOT o.set @> excluded.set;
END $$;

-- Columns that a set-based edit writes.
CREATE FUNCTION registry.project_columns() RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN masked THEN name || '_mark' ELSE name END FROM registry.field WHERE kind = 'project' AND editable
    UNION ALL VALUES ('version'), ('changed_at'), ('auto_tags'), ('name_key'), ('investor_key'), ('find_key')
$$;

CREATE FUNCTION api.import_commit(p_account int, p_lang text, p_request text, p_digest bytea, id text, keep_going boolean,
    reason text) RETURNS api.import_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    e registry.entry;
    r api.import_reply;
    i registry.import;
    m record;
    err api.error;
    place int;
    digest CONSTANT bytea := p_digest;
    rights text[];
BEGIN
    rights := (SELECT a.rights FROM registry.account a WHERE a.id = p_account);
    SELECT * INTO m FROM registry.import_mine(p_account, p_lang, import_commit.id);
    i := m.i;
    r.error := m.error;
    IF i.id IS NOT NULL THEN
        SELECT * INTO i FROM registry.import x WHERE x.id = i.id FOR UPDATE;
    END IF;
    e := registry.seen(p_account, p_request);
    err := registry.request_fault(p_lang, p_request, e, 'import_commit', p_digest, reason);
    IF err.code IS NOT NULL THEN
        r.error := err;
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        r := jsonb_populate_record(NULL::api.import_reply, e.reply);
        r.rev := registry.rev_of(e.grp);
        r.replayed := true;
        RETURN r;
    END IF;
    IF (r.error).code IS NULL THEN
        r.error := registry.import_incomplete(p_lang, i);
    END IF;
    IF (r.error).code IS NOT NULL THEN
        PERFORM registry.keep(p_account, p_request, digest, 'import_commit', NULL, (r.error).code, left(import_commit.id, 100), NULL,
            reason, NULL, jsonb_strip_nulls(to_jsonb(r)));
        RETURN r;
    END IF;
    PERFORM registry.import_judge(i, p_account, p_lang, true);
    i := registry.import_count(i, 'judged');
    IF i.rejected > 0 AND keep_going IS NOT TRUE THEN
        r := registry.import_reply(i);
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'rows', 'import.rejected', i.rejected::text, i.rows::text);
        PERFORM registry.keep(p_account, p_request, digest, 'import_commit', NULL, (r.error).code, i.id, NULL, reason, NULL,
            jsonb_strip_nulls(to_jsonb(r)));
        RETURN r;
    END IF;
    IF i.added + i.updated > 0 THEN
        place := registry.entry_begin((SELECT a.code FROM registry.account a WHERE a.id = p_account));
    END IF;
    PERFORM registry.import_apply(i, place, registry.reach(p_account, 'write') && '{*}');
    i := registry.import_count(i, 'done');
    r := registry.import_reply(i);
    PERFORM registry.keep(p_account, p_request, digest, 'import_commit', place, 'OK', i.id, NULL, reason, i.id,
        jsonb_strip_nulls(to_jsonb(r)));
    PERFORM api.rights_lock();
    IF rights IS DISTINCT FROM (SELECT a.rights FROM registry.account a WHERE a.id = p_account) THEN
        RAISE EXCEPTION 'the rights of account % changed while its import was carried out', p_account USING ERRCODE = 'serialization_failure';
    END IF;
    IF place IS NOT NULL THEN
        r.rev := 0;
    END IF;
    RETURN r;
END $$;

-- Staged rows of imports that are done are not needed after a while; their keys and counts stay.
CREATE FUNCTION registry.import_prune(p_older interval) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    n bigint;
BEGIN
    DELETE FROM registry.import_chunk c USING registry.import i
    WHERE c.import = i.id AND coalesce(i.done_at, i.opened_at) < registry.now() - p_older;
    DELETE FROM registry.import_row x USING registry.import i
    WHERE x.import = i.id AND coalesce(i.done_at, i.opened_at) < registry.now() - p_older;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;
