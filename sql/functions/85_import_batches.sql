-- SPDX-License-Identifier: Apache-2.0
-- Batches: what was imported, by whom, and taking it back.

CREATE FUNCTION registry.batch_row(i registry.import) RETURNS api.batch LANGUAGE plpgsql STABLE AS $$
DECLARE
    e CONSTANT registry.entry := registry.batch_entry(i.id);
    u CONSTANT registry.entry := registry.batch_entry(i.id, 'batch_revert');
BEGIN
    RETURN ROW(i.id, i.kind, i.office, registry.account_code(i.account), i.status, i.file_name, encode(i.file_sha256, 'hex'), i.profile, i.source, i.rows, i.added,
        i.updated, i.unchanged, i.duplicates, i.conflicts, i.rejected, i.skipped, i.opened_at, i.done_at, registry.rev_of(e.grp), e.reason,
        CASE WHEN i.opening THEN true END, u.at, u.actor, u.reason)::api.batch;
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
    END IF;
    RETURN r;
END $$;

-- ---------------------------------------------------------------- taking back

-- What a batch changed: each object with the versions it had before and after. born: it made it.
CREATE FUNCTION registry.batch_objects(p_id text) RETURNS TABLE (kind text, object text, was bigint, version bigint, born boolean) LANGUAGE sql STABLE AS $$
    SELECT c.kind, c.object, min(c.version) - 1, max(c.version), min(c.version) = 1
    FROM registry.entry e JOIN registry.change c ON c.grp = e.grp AND c.ord = e.ord
    WHERE e.batch = p_id AND e.op = 'import_commit' AND e.grp IS NOT NULL GROUP BY c.kind, c.object
$$;

-- `undone`: those objects, locked in the order of their ids.
CREATE FUNCTION registry.batch_lock(p_id text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    k text;
BEGIN
    IF to_regclass('pg_temp.undone') IS NOT NULL THEN
        DROP TABLE pg_temp.undone;
    END IF;
    CREATE TEMPORARY TABLE undone ON COMMIT DROP AS SELECT * FROM registry.batch_objects(p_id);
    ANALYZE undone;
    FOR k IN SELECT u.kind FROM undone u GROUP BY u.kind ORDER BY u.kind = 'project' DESC, u.kind LOOP
        EXECUTE format('SELECT FROM registry.%I x WHERE x.id IN (SELECT u.object FROM undone u WHERE u.kind = %L) ORDER BY x.id FOR NO KEY UPDATE', k, k);
    END LOOP;
END $$;

-- The first five objects that were changed since, or that something was added to, as [api.clash]; null = none.
CREATE FUNCTION registry.batch_touched() RETURNS api.clash[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    found api.clash[];
    k text;
    more text;
BEGIN
    found := ARRAY(SELECT ROW(u.kind, NULL, coalesce((SELECT p.no FROM registry.project p WHERE p.id = u.object), u.object), NULL, e.actor, e.at)::api.clash
        FROM undone u JOIN registry.change c ON c.object = u.object AND c.version = u.version + 1 JOIN registry.entry e ON e.grp = c.grp AND e.ord = c.ord
        ORDER BY e.at, u.object LIMIT 5);
    FOR k IN SELECT f.kind FROM registry.field f WHERE f.name = 'project' AND f.kind NOT IN ('receipt', 'alert', 'protection') ORDER BY f.kind LOOP
        EXIT WHEN cardinality(found) >= 5;
        EXECUTE format('SELECT min(x.id) FROM registry.%I x JOIN undone u ON u.object = x.project AND u.born WHERE NOT EXISTS (
            SELECT FROM undone o WHERE o.object = x.id)', k) INTO more;
        found := found || ARRAY(SELECT ROW(k, NULL, more, NULL, e.actor, e.at)::api.clash FROM registry.change c
            JOIN registry.entry e ON e.grp = c.grp AND e.ord = c.ord WHERE c.object = more AND c.version = 1);
    END LOOP;
    RETURN nullif(found, '{}');
END $$;

-- What keeps a batch from being taken back; null = nothing.
CREATE FUNCTION registry.batch_fault(p_account int, p_lang text, i registry.import, p_reason text) RETURNS api.error LANGUAGE plpgsql STABLE AS $$
DECLARE
    reach CONSTANT text[] := registry.reach(p_account, 'write');
    touched api.clash[];
    e api.error;
    office text;
BEGIN
    IF coalesce(btrim(p_reason), '') = '' THEN
        RETURN registry.refusal(p_lang, 'INVALID_ARGUMENT', 'reason', 'batch.reason');
    ELSIF i.status = 'reverted' THEN
        RETURN registry.refusal(p_lang, 'FAILED_PRECONDITION', 'id', 'batch.reverted', i.id, (registry.batch_entry(i.id, 'batch_revert')).actor);
    ELSIF NOT EXISTS (SELECT FROM undone) THEN
        RETURN registry.refusal(p_lang, 'FAILED_PRECONDITION', 'id', 'batch.nothing', i.id);
    ELSIF i.opening THEN
        RETURN registry.refusal(p_lang, 'FAILED_PRECONDITION', 'id', 'batch.opening', i.id);
    ELSIF EXISTS (SELECT FROM undone u WHERE u.born AND u.kind NOT IN ('project', 'step')
                  AND NOT EXISTS (SELECT FROM registry.kind_key k WHERE k.kind = u.kind AND k.undo IS NOT NULL)) THEN
        RETURN registry.refusal(p_lang, 'FAILED_PRECONDITION', 'id', 'batch.kept', registry.say(p_lang, 'kind.' || i.kind));
    END IF;
    office := (SELECT min(p.office) FROM undone u JOIN registry.project p ON p.id = u.object WHERE NOT reach && ARRAY['*', p.office]);
    IF office IS NOT NULL OR reach IS NULL THEN
        RETURN registry.refusal(p_lang, 'PERMISSION_DENIED', 'office', 'may.write');
    END IF;
    touched := registry.batch_touched();
    IF touched IS NOT NULL THEN
        e := registry.refusal(p_lang, 'FAILED_PRECONDITION', 'id', 'batch.touched', (SELECT string_agg(format('%s(%s %s)', t.theirs, t."by", registry.day(t.at)), ' ')
            FROM unnest(touched) t));
        e.fields := touched;
    END IF;
    RETURN e;
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

-- A record gets back what it was at a version; one that the batch made is withdrawn.
CREATE FUNCTION registry.record_back(p_account int, p_kind text, p_id text, p_version bigint, p_reason text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    undo CONSTANT text := (SELECT k.undo FROM registry.kind_key k WHERE k.kind = p_kind AND k.undo IS NOT NULL LIMIT 1);
    refused text;
    columns CONSTANT text := (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = format('registry.%I', p_kind)::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname NOT IN ('id', 'version', 'changed_at'));
BEGIN
    IF p_kind = 'step' THEN
        UPDATE registry.step s SET state = 'corrected', counted_on = NULL, note = left(btrim(p_reason), 500) WHERE s.id = p_id;
    ELSIF p_version = 0 THEN
        EXECUTE format('SELECT CASE WHEN (x.err).code IS NOT NULL THEN (x.err).message WHEN (registry.%1$I_put($1, $2, x.b, x.n)).id IS NULL THEN ''changed'' END
            FROM registry.%1$I_decide($1, ''zh'', $2, NULL, $3, NULL, $4, $5, false) x', p_kind)
        INTO refused USING p_account, undo, p_id, jsonb_build_object('state', 'withdrawn') || CASE WHEN registry.has_field(p_kind, 'note')
            THEN jsonb_build_object('note', left(btrim(p_reason), 500)) ELSE '{}' END, p_reason;
        IF refused IS NOT NULL THEN
            RAISE EXCEPTION '% % can''t be withdrawn: %', p_kind, p_id, refused;
        END IF;
    ELSE
        EXECUTE format('UPDATE registry.%1$I y SET (%2$s) = (SELECT %2$s FROM jsonb_populate_record(y, registry.record_olds(%1$L, $1, $2))) WHERE y.id = $1', p_kind, columns)
        USING p_id, p_version;
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
    FOR u IN SELECT * FROM undone x ORDER BY x.kind = 'project' DESC, x.kind, x.object LOOP
        IF u.kind = 'project' AND u.born THEN
            PERFORM registry.project_void(u.object);
        ELSIF u.kind = 'project' THEN
            PERFORM registry.project_back(i.id, u.object, u.was);
        ELSE
            PERFORM registry.record_back(p_account, u.kind, u.object, u.was, reason);
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
