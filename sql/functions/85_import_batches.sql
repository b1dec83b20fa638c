-- SPDX-License-Identifier: Apache-2.0
-- Batches: what was imported, by whom, and taking it back.

CREATE FUNCTION registry.batch_row(i registry.import) RETURNS api.batch LANGUAGE plpgsql STABLE AS $$
DECLARE
    e CONSTANT registry.entry := registry.batch_entry(i.id);
    u CONSTANT registry.entry := registry.batch_entry(i.id, 'batch_revert');
BEGIN
    RETURN ROW(i.id, i.kind, i.office, registry.account_code(i.account), i.status, i.file_name, encode(i.file_sha256, 'hex'), i.profile, i.source, i.rows, i.added,
        i.updated, i.unchanged, i.duplicates, i.conflicts, i.rejected, i.skipped, i.opened_at, i.done_at, registry.rev_of(e.grp), e.reason,
        CASE WHEN i.opening THEN true END, u.at, u.actor, u.reason, NULL)::api.batch;
END $$;

-- Own batches and those of offices the account may import for.
CREATE FUNCTION api.batch_list(p_account int, p_lang text, kind text, office text, status text, after text, "limit" int) RETURNS api.batch_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    r api.batch_list_reply;
    reach CONSTANT text[] := registry.reach(p_account, 'import');
    owner CONSTANT text := registry.resolve('office', btrim(batch_list.office));
    most CONSTANT int := least(greatest(coalesce("limit", 100), 1), 200);
    ids text[];
BEGIN
    IF NOT registry.may(p_account, 'import', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.import');
    ELSIF owner IS NULL AND coalesce(batch_list.office, '') <> '' THEN
        r.error := registry.error_of(p_lang, 'project', ROW('INVALID_ARGUMENT', 'office', batch_list.office, 'code.unknown', NULL, NULL, NULL, NULL, NULL));
    END IF;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    ids := ARRAY(SELECT i.id FROM registry.import i
        WHERE (i.account = p_account OR reach && ARRAY['*', i.office]) AND (owner IS NULL OR i.office = owner)
          AND (coalesce(batch_list.kind, '') = '' OR i.kind = btrim(batch_list.kind)) AND (coalesce(batch_list.status, '') = '' OR i.status = btrim(batch_list.status))
          AND (batch_list.after IS NULL OR (i.opened_at, i.id) < (SELECT x.opened_at, x.id FROM registry.import x WHERE x.id = batch_list.after))
        ORDER BY i.opened_at DESC, i.id DESC LIMIT most + 1);
    r.rows := ARRAY(SELECT registry.batch_row(i) FROM unnest(ids[1:most]) WITH ORDINALITY u(id, n) JOIN registry.import i ON i.id = u.id ORDER BY u.n);
    r.next := CASE WHEN cardinality(ids) > most THEN ids[most] END;
    RETURN r;
END $$;

-- The rows of a batch are asked for by import_verdicts.
CREATE FUNCTION api.batch_show(p_account int, p_lang text, id text) RETURNS api.batch_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.batch_reply;
    m record := registry.import_mine(p_account, p_lang, id);
BEGIN
    r.error := m.error;
    IF (r.error).code IS NULL THEN
        r.batch := registry.batch_row(m.i);
        r.batch.done := registry.import_done(id);
    END IF;
    RETURN r;
END $$;

-- ---------------------------------------------------------------- taking back

-- What a batch changed: each object with the versions it had before and after, in the order in which they came. born: it made it.
CREATE FUNCTION registry.batch_objects(p_id text) RETURNS TABLE (kind text, object text, was bigint, version bigint, born boolean, place int) LANGUAGE sql STABLE AS $$
    SELECT c.kind, c.object, min(c.version) - 1, max(c.version), min(c.version) = 1, min(c.idx)
    FROM registry.entry e JOIN registry.change c ON c.grp = e.grp AND c.ord = e.ord
    WHERE e.batch = p_id AND e.op = 'import_commit' AND e.grp IS NOT NULL GROUP BY c.kind, c.object
$$;

-- `undone`: those objects, locked in the order of their ids; `named`: by what others speak of those that it made.
CREATE FUNCTION registry.batch_lock(p_id text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    k text;
BEGIN
    IF to_regclass('pg_temp.undone') IS NOT NULL THEN
        DROP TABLE pg_temp.undone, pg_temp.named;
    END IF;
    CREATE TEMPORARY TABLE undone ON COMMIT DROP AS SELECT * FROM registry.batch_objects(p_id);
    CREATE TEMPORARY TABLE named ON COMMIT DROP AS
    SELECT w.word, u.object FROM undone u CROSS JOIN LATERAL (
        SELECT u.object AS word UNION ALL SELECT p.no FROM registry.project p WHERE u.kind = 'project' AND p.id = u.object
        UNION ALL SELECT 'park:' || p.no FROM registry.park p WHERE u.kind = 'park' AND p.id = u.object) w WHERE u.born;
    ANALYZE undone, named;
    FOR k IN SELECT u.kind FROM undone u GROUP BY u.kind ORDER BY u.kind = 'project' DESC, u.kind LOOP
        EXECUTE format('SELECT FROM registry.%I x WHERE x.id IN (SELECT u.object FROM undone u WHERE u.kind = %L) ORDER BY x.id FOR NO KEY UPDATE', k, k);
    END LOOP;
END $$;

-- Changes of an object behind a version, but for those of batches that were taken back again: they come to nothing.
CREATE FUNCTION registry.changes_behind(p_object text, p_version bigint) RETURNS SETOF registry.entry LANGUAGE sql STABLE ROWS 1 AS $$
    SELECT e.* FROM (SELECT * FROM registry.change x WHERE x.object = p_object AND x.version > p_version ORDER BY x.version OFFSET 0) c
    CROSS JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = c.grp AND q.ord = c.ord OFFSET 0) e
    WHERE NOT EXISTS (SELECT FROM registry.import i WHERE i.id = e.batch AND i.status = 'reverted') ORDER BY c.version
$$;

-- What speaks of objects that the batch made, by their ids, numbers, or as a park: of records outside the batch, and projects.
CREATE FUNCTION registry.batch_referring() RETURNS TABLE (object text, kind text, id text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    k text;
    cells text;
BEGIN
    -- what the clocks and readers say of an object is no use of it
    FOR k, cells IN SELECT f.kind, string_agg(CASE WHEN f.type = 'tags' THEN format('SELECT unnest(x.%I)', f.name)
                               WHEN f.code_kind = 'park' THEN format('SELECT ''park:'' || x.%I', f.name) ELSE format('SELECT x.%I', f.name) END, ' UNION ALL ' ORDER BY f.number)
                    FROM registry.field f
                    WHERE f.kind NOT IN ('receipt', 'alert', 'protection', 'account') AND NOT f.masked
                      AND (f.type = 'text' OR f.code_kind IN ('park', 'node') OR f.type = 'tags' AND f.kind <> 'project') GROUP BY f.kind ORDER BY f.kind LOOP
        RETURN QUERY EXECUTE format('SELECT w.object, %L::text, x.id FROM registry.%I x CROSS JOIN LATERAL (%s) v(word) JOIN named w ON w.word = v.word
            WHERE NOT EXISTS (SELECT FROM undone u WHERE u.object = x.id) AND EXISTS (SELECT FROM registry.changes_behind(x.id, 0))', k, k, cells);
    END LOOP;
END $$;

-- What keeps a batch from being taken back: its objects that others changed since, and what speaks of those it made. How many, and the
-- first five: [field: the kind, theirs: number or id, yours: the row of the sheet, by, at], and as a sentence. Of what the account may
-- not see, that it is there.
CREATE FUNCTION registry.batch_touched(p_account int, p_lang text, p_id text, OUT n int, OUT first api.clash[], OUT told text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    x record;
    place text;
    who text;
BEGIN
    n := 0;
    FOR x IN SELECT y.*, v.row, p.no AS number, coalesce(p.no, v.no, y.object) AS no
             FROM (SELECT u.object, u.kind, NULL::text AS other, e.actor, e.at FROM undone u
                   CROSS JOIN LATERAL (SELECT * FROM registry.changes_behind(u.object, u.version) LIMIT 1) e
                   UNION ALL
                   SELECT DISTINCT r.object, r.kind, r.id, e.actor, e.at FROM registry.batch_referring() r
                   LEFT JOIN LATERAL (SELECT * FROM registry.changes_behind(r.id, 0) WHERE registry.sees(p_account, registry.audience_of(r.id)) LIMIT 1) e ON true) y
             LEFT JOIN registry.import_verdict v ON v.import = p_id AND v.object = y.object LEFT JOIN registry.project p ON p.id = y.object
             ORDER BY y.other IS NOT NULL, v.row, y.at LOOP
        n := n + 1;
        CONTINUE WHEN n > 5;
        place := concat_ws(' ', registry.say(p_lang, 'batch.row', x.row::text), x.no);
        who := coalesce(registry.code_label(p_lang, 'account', x.actor), x.actor);
        first := first || ROW(x.kind, NULL, CASE WHEN x.other IS NULL THEN coalesce(x.number, x.object) WHEN x.actor IS NOT NULL THEN x.other END, x.row::text, x.actor, x.at)::api.clash;
        told := concat_ws(registry.say(p_lang, 'batch.and'), told, CASE WHEN x.other IS NULL THEN registry.say(p_lang, 'batch.changed', place, who, registry.day(x.at))
            WHEN x.actor IS NULL THEN registry.say(p_lang, 'batch.used_unseen', place, registry.say(p_lang, 'kind.' || x.kind))
            ELSE registry.say(p_lang, 'batch.used', place, registry.say(p_lang, 'kind.' || x.kind), who, registry.day(x.at)) END);
    END LOOP;
END $$;

-- Null if the account may do to the batch's records, one by one, what taking it back does to them.
CREATE FUNCTION registry.batch_may(p_account int, i registry.import) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding;
    reach CONSTANT text[] := registry.reach(p_account, 'write');
BEGIN
    IF i.opening THEN
        f := registry.unless_may(p_account, 'county', NULL);
    END IF;
    IF f.code IS NULL AND i.kind = 'project' AND EXISTS (SELECT FROM undone u JOIN registry.project p ON p.id = u.object WHERE (reach && ARRAY['*', p.office]) IS NOT TRUE) THEN
        f := registry.fault('PERMISSION_DENIED', 'office', 'may.write');
    ELSIF f.code IS NULL AND i.kind NOT IN ('project', 'step') THEN
        EXECUTE format('SELECT (x.f).* FROM (SELECT CASE WHEN b.id IS NULL THEN registry.fault(''NOT_FOUND'', ''id'', ''record.none'', u.object)
                ELSE registry.%1$I_may($1, CASE WHEN u.born THEN $2 ELSE %3$L END, b, %2$s) END AS f
            FROM undone u CROSS JOIN LATERAL registry.%1$I_seen($1, u.object) b WHERE u.kind = %1$L ORDER BY u.object) x WHERE (x.f).code IS NOT NULL LIMIT 1', i.kind,
            CASE WHEN registry.has_field(i.kind, 'project') THEN 'registry.project_find(b.project)' ELSE 'NULL' END, i.kind || '_set')
        INTO f USING p_account, coalesce((SELECT min(k.undo) FROM registry.kind_key k WHERE k.kind = i.kind), i.kind || '_set');
    END IF;
    RETURN f;
END $$;

-- What keeps a batch from being taken back; null = nothing.
CREATE FUNCTION registry.batch_fault(p_account int, p_lang text, i registry.import, p_reason text) RETURNS api.error LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding;
    touched record;
    e api.error;
BEGIN
    IF coalesce(btrim(p_reason), '') = '' THEN
        RETURN registry.refusal(p_lang, 'INVALID_ARGUMENT', 'reason', 'batch.reason');
    ELSIF i.status = 'reverted' THEN
        RETURN registry.refusal(p_lang, 'FAILED_PRECONDITION', 'id', 'batch.reverted', i.id, (registry.batch_entry(i.id, 'batch_revert')).actor);
    ELSIF NOT EXISTS (SELECT FROM undone) THEN
        RETURN registry.refusal(p_lang, 'FAILED_PRECONDITION', 'id', 'batch.nothing', i.id);
    END IF;
    IF NOT EXISTS (SELECT FROM registry.import_verdict v WHERE v.import = i.id) THEN
        RETURN registry.refusal(p_lang, 'FAILED_PRECONDITION', 'id', 'batch.pruned', i.id);
    END IF;
    touched := registry.batch_touched(p_account, p_lang, i.id);
    IF touched.n > 0 THEN
        e := registry.refusal(p_lang, 'FAILED_PRECONDITION', 'id', CASE WHEN touched.n > 5 THEN 'batch.touched_many' ELSE 'batch.touched' END, touched.told, touched.n::text);
        e.fields := touched.first;
        RETURN e;
    END IF;
    f := registry.batch_may(p_account, i);
    RETURN CASE WHEN f.code IS NOT NULL THEN registry.record_error(p_lang, i.kind, f) END;
END $$;

-- A project that a batch made goes out of everybody's sight, and lets go of its key: nobody sees, counts or finds it as a twin. Merged
-- into itself: nothing is added to it any more.
CREATE FUNCTION registry.project_void(p_id text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE registry.project p SET audience = '{0}', external_id = NULL, merged_into = p.no, stage = coalesce((
        SELECT s.code FROM registry.stage s WHERE s.rule_set = registry.rule_set_in_force() AND s.ends ORDER BY s.rank DESC LIMIT 1), p.stage)
    WHERE p.id = p_id;
END $$;

-- A project gets back what it was at a version. A stage it was brought to since was a mistake; the step that waited for it is corrected.
CREATE FUNCTION registry.project_back(p_import text, p_id text, p_version bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    p registry.project := registry.project_at(p_id, p_version);
    now_at CONSTANT registry.project := registry.project_find(p_id);
    c CONSTANT jsonb := (SELECT x.fields FROM registry.contact_former x WHERE x.import = p_import AND x.project = p_id);
BEGIN
    p.contact_name_mark := now_at.contact_name_mark + (c ? '44' IS TRUE)::int;
    p.contact_phone_mark := now_at.contact_phone_mark + (c ? '45' IS TRUE)::int;
    IF p.stage <> now_at.stage THEN
        PERFORM set_config('qipan.correct', (registry.stage_now(now_at)).version::text, true);
    END IF;
    EXECUTE (SELECT format('UPDATE registry.project q SET (%s) = ROW(%s) WHERE q.id = $1.id', string_agg(format('%I', x), ', '), string_agg(format('$1.%I', x), ', '))
             FROM registry.project_columns() x WHERE x NOT IN ('version', 'changed_at', 'find_key')) USING p;
    PERFORM set_config('qipan.correct', '', true);
    IF c IS NOT NULL THEN
        PERFORM registry.contact_write(p_id, (SELECT jsonb_object_agg(w.key, jsonb_build_array(CASE w.key WHEN '44' THEN x.name ELSE x.phone END, w.value))
            FROM jsonb_each(c) w LEFT JOIN registry.contact x ON x.project = p_id));
    END IF;
END $$;

-- A day of before the county went live is no longer said: by a further event, that corrects its own. The entry that it had put right
-- itself in this batch (`undone`), if there was one, holds again.
CREATE FUNCTION registry.step_unopen(n registry.step) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    e registry.stage_event;
    former registry.step;
    next_version CONSTANT bigint := (SELECT least(0, min(x.version)) - 1 FROM registry.stage_event x WHERE x.project = n.project);
BEGIN
    SELECT * INTO e FROM registry.stage_event x WHERE x.project = n.project AND x.version = n.project_version;
    SELECT x.* INTO former FROM registry.step x JOIN undone u ON u.object = x.id AND NOT u.born WHERE x.project = n.project AND x.project_version = e.corrects;
    INSERT INTO registry.stage_event (project, version, stage, happened_on, at, actor, corrects, opening)
    VALUES (n.project, next_version, former.stage, coalesce(former.reached_on, e.happened_on), registry.now(), registry.writer(), e.version, true);
    IF former.id IS NOT NULL THEN
        UPDATE registry.step x SET state = 'approved', counted_on = former.reached_on, note = w.note, project_version = next_version
        FROM jsonb_populate_record(former, registry.record_olds('step', former.id, former.version - 1)) w WHERE x.id = former.id;
    ELSE
        UPDATE registry.pace k SET stage_on = (SELECT x.happened_on FROM registry.stage_standing(n.project) x WHERE x.stage = n.stage ORDER BY x.version DESC LIMIT 1)
        WHERE k.project = n.project AND k.stage = n.stage;
    END IF;
END $$;

-- A step as it was; one that the batch made, or the stage it was made for, was a mistake.
CREATE FUNCTION registry.step_back(p_account int, p_id text, p_version bigint, p_reason text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    n registry.step;
BEGIN
    IF p_version = 0 THEN
        UPDATE registry.step s SET state = 'corrected', counted_on = NULL, note = left(btrim(p_reason), 500) WHERE s.id = p_id RETURNING * INTO n;
        PERFORM registry.step_unopen(n) WHERE n.opening;
    ELSE
        UPDATE registry.step s SET state = w.state, counted_on = w.counted_on, note = w.note
        FROM (SELECT (jsonb_populate_record(x, registry.record_olds('step', p_id, p_version))).* FROM registry.step x WHERE x.id = p_id) w
        WHERE s.id = p_id AND NOT coalesce(s.opening, false); -- those of before: step_unopen
    END IF;
END $$;

-- What sheets of this source said before.
CREATE FUNCTION registry.batch_forget(i registry.import) RETURNS void LANGUAGE sql VOLATILE AS $$
    UPDATE registry.import_base b SET set = v.was FROM registry.import_verdict v
    WHERE v.import = i.id AND v.verdict = 'update' AND v.was IS NOT NULL AND b.source = i.source AND b.object = v.object;
    DELETE FROM registry.import_base b USING registry.import_verdict v
    WHERE v.import = i.id AND v.verdict IN ('new', 'update') AND v.was IS NULL AND b.source = i.source AND b.object = v.object
$$;

CREATE FUNCTION api.batch_revert(p_account int, p_lang text, p_request text, p_digest bytea, id text, reason text) RETURNS api.batch_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.batch_reply;
    e registry.entry := registry.seen(p_account, p_request);
    m record;
    i registry.import;
    u record;
    place int;
BEGIN
    r.error := registry.request_fault(p_lang, p_request, e, 'batch_revert', p_digest, reason);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        r.replayed := true;
        r.rev := registry.rev_of(e.grp);
        r.error := CASE WHEN e.status <> 'OK' THEN registry.refused_again(e) END;
        SELECT registry.batch_row(x) INTO r.batch FROM registry.import x WHERE x.id = e.object AND e.status = 'OK';
        RETURN r;
    END IF;
    m := registry.import_mine(p_account, p_lang, id);
    i := m.i;
    r.error := m.error;
    IF (r.error).code IS NULL THEN
        PERFORM pg_advisory_xact_lock(registry.import_lock_class(), hashtext(i.id));
        SELECT * INTO i FROM registry.import x WHERE x.id = i.id FOR UPDATE;
        PERFORM registry.batch_lock(i.id);
        r.error := registry.batch_fault(p_account, p_lang, i, reason);
    END IF;
    IF (r.error).code IS NOT NULL THEN
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'batch_revert', i.id, reason, r.error);
        RETURN r;
    END IF;
    place := registry.entry_begin(registry.account_code(p_account));
    -- backwards, so that nothing goes before what rests on it; projects last: who sees them sees what becomes of their records
    FOR u IN SELECT * FROM undone x ORDER BY x.kind = 'project', x.place DESC, x.object LOOP
        IF u.kind = 'project' AND u.born THEN
            PERFORM registry.project_void(u.object);
        ELSIF u.kind = 'project' THEN
            PERFORM registry.project_back(i.id, u.object, u.was);
        ELSE
            EXECUTE format('SELECT registry.%I($1, $2, $3, $4)', u.kind || '_back') USING p_account, u.object, u.was, reason;
        END IF;
    END LOOP;
    PERFORM registry.batch_forget(i);
    DELETE FROM registry.contact_former x WHERE x.import = i.id;
    UPDATE registry.import x SET status = 'reverted' WHERE x.id = i.id RETURNING * INTO i;
    PERFORM registry.keep(p_account, p_request, p_digest, 'batch_revert', place, 'OK', i.id, NULL, reason, i.id, NULL);
    r.batch := registry.batch_row(i);
    r.rev := 0;
    RETURN r;
END $$;
