-- SPDX-License-Identifier: Apache-2.0
-- Imports, carried out: all of a batch in one transaction, one entry, one revision.

-- Columns that a set-based edit writes.
CREATE FUNCTION registry.project_columns() RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN masked THEN name || '_mark' ELSE name END FROM registry.field WHERE kind = 'project' AND editable
    UNION ALL VALUES ('version'), ('changed_at'), ('auto_tags'), ('name_key'), ('investor_key'), ('find_key')
$$;

-- Ids, numbers, places in the journal of the rows that write, and tags by rule of the new ones; how many. Tags are made once for all that are
-- alike in what rules look at (registry.tagging); an amount counts by the steps it passes.
CREATE FUNCTION registry.import_number(p_first int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    year CONSTANT text := extract(year FROM registry.today())::text;
    seq CONSTANT regclass := registry.no_sequence(year);
    steps CONSTANT bigint[] := registry.amount_steps();
    firms CONSTANT boolean := EXISTS (SELECT FROM registry.enterprise e WHERE e.classes <> '{}');
    written int;
BEGIN
    UPDATE draft d SET project = x.id, no = x.no, idx = p_first + x.place - 1, tags = x.tags
    FROM (SELECT y.row, coalesce(y.project, registry.new_id('p')) AS id, y.place, CASE WHEN y.project IS NULL THEN registry.no_of(year, nextval(seq)) ELSE y.no END AS no, y.tags
          -- no join of like with like: of 30 000 investors the planner expects one
          FROM (SELECT z.row, z.project, z.no, row_number() OVER (ORDER BY z.row) AS place, CASE WHEN z.verdict = 'new' THEN first_value(z.tags) OVER w END AS tags
                FROM (SELECT f.*, CASE WHEN f.verdict = 'new' AND row_number() OVER w = 1 THEN registry.auto_tags(f.n) END AS tags
                      FROM (SELECT g.row, g.project, g.verdict, (g.b).no, g.n, CASE WHEN g.verdict = 'new' THEN
                                ROW((g.n).class, (g.n).node IS NULL, (g.n).product, (g.n).industry, (g.n).method,
                                (SELECT count(*) FROM unnest(steps) s WHERE s <= (g.n).amount_total), (g.n).amount_total IS NULL,
                                CASE WHEN firms THEN (g.n).credit_code END, CASE WHEN firms THEN (g.n).investor END)::text END AS alike
                            FROM draft g WHERE g.verdict IN ('new', 'update') OFFSET 0) f WINDOW w AS (PARTITION BY f.alike ORDER BY f.row)) z
                WINDOW w AS (PARTITION BY z.alike ORDER BY z.row) ORDER BY z.row OFFSET 0) y OFFSET 0) x
    WHERE d.row = x.row;
    GET DIAGNOSTICS written = ROW_COUNT;
    UPDATE draft d SET n = registry.project_follows(d.b, d.n) WHERE d.verdict = 'update' AND d.diff ?| registry.tagging();
    UPDATE draft d SET diff = registry.project_diff(d.b, d.n) WHERE d.verdict = 'update' AND d.diff ?| registry.tagging();
    RETURN written;
END $$;

-- A new project with what the registry alone sets, as the row trigger sets it.
CREATE FUNCTION registry.import_complete(n registry.project, p_id text, p_no text, p_at timestamptz, p_tags text[]) RETURNS registry.project
LANGUAGE plpgsql STABLE AS $$
BEGIN
    n.id := p_id;
    n.no := p_no;
    n.version := 1;
    n.registered_at := p_at;
    n.changed_at := p_at;
    n.currency := coalesce(n.currency, 'CNY');
    n.auto_tags := p_tags;
    n.find_key := registry.find_key(n.name_key, n.investor_key, p_no, n.external_id);
    RETURN n;
END $$;

CREATE FUNCTION registry.import_add(p_grp bigint, p_ord int, p_at timestamptz) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO registry.project SELECT p.*
    FROM (SELECT * FROM draft x WHERE x.verdict = 'new' ORDER BY x.row OFFSET 0) d
    CROSS JOIN LATERAL registry.import_complete(d.n, d.project, d.no, p_at, d.tags) p;
    INSERT INTO registry.change (grp, idx, ord, kind, object, version, fields, image, audience)
    SELECT p_grp, d.idx, p_ord, 'project', p.id, 1, registry.project_born(p), registry.project_image(p), p.audience
    FROM (SELECT x.idx, x.project FROM draft x WHERE x.verdict = 'new' ORDER BY x.row OFFSET 0) d JOIN registry.project p ON p.id = d.project;
    INSERT INTO registry.contact (project, name, phone)
    SELECT d.project, d.clean ->> 'contact_name', d.clean ->> 'contact_phone' FROM draft d
    WHERE d.verdict = 'new' AND d.contact <> '{}';
END $$;

CREATE FUNCTION registry.import_change(p_import text, p_grp bigint, p_ord int, p_at timestamptz) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    EXECUTE (SELECT format($q$
        WITH grown AS (
            UPDATE registry.project q SET (%s) = ROW(%s)
            FROM (SELECT u.*, x.row AS draft FROM (SELECT * FROM draft x WHERE x.verdict = 'update' ORDER BY x.row OFFSET 0) x
                  CROSS JOIN LATERAL jsonb_populate_record(x.n, jsonb_build_object('version', (x.b).version + 1,
                      'changed_at', $1, 'find_key', registry.find_key((x.n).name_key, (x.n).investor_key, x.no,
                                                                      (x.n).external_id))) u) d
            WHERE q.id = d.id RETURNING q AS p, d.draft)
        INSERT INTO registry.change (grp, idx, ord, kind, object, version, fields, image, audience, audience_old)
        SELECT $2, d.idx, $3, 'project', d.project, (grown.p).version, d.diff, registry.project_image(grown.p),
            (grown.p).audience, nullif((d.b).audience, (grown.p).audience)
        FROM grown JOIN draft d ON d.row = grown.draft $q$,
        string_agg(format('%I', c), ', '), string_agg(format('d.%I', c), ', ')) FROM registry.project_columns() c)
    USING p_at, p_grp, p_ord;
    INSERT INTO registry.contact_former (import, project, fields)
    SELECT p_import, d.project, (SELECT jsonb_object_agg(w.key, w.value -> 0) FROM jsonb_each(d.contact) w)
    FROM draft d WHERE d.verdict = 'update' AND d.contact <> '{}';
    PERFORM registry.contact_write(d.project, d.contact) FROM draft d WHERE d.verdict = 'update' AND d.contact <> '{}';
END $$;

-- Stages that the rows brought projects to, as the triggers of single edits tell them (stage_reached, pace_stage).
CREATE FUNCTION registry.import_reach(p_at timestamptz) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    today CONSTANT registry.ymd := registry.today()::text;
    writer CONSTANT text := registry.writer();
BEGIN
    INSERT INTO registry.stage_event (project, version, "from", stage, happened_on, at, actor)
    SELECT d.project, coalesce((d.b).version, 0) + 1, (d.b).stage, (d.n).stage, today, p_at, writer FROM draft d
    WHERE d.verdict = 'new' OR d.verdict = 'update' AND (d.b).stage IS DISTINCT FROM (d.n).stage;
    INSERT INTO registry.pace (project, stage, stage_on, active_on)
    SELECT d.project, (d.n).stage, today, today FROM draft d WHERE d.verdict = 'new';
    INSERT INTO registry.pace (project, stage, stage_on, active_on)
    SELECT d.project, (d.n).stage, today, today FROM draft d WHERE d.verdict = 'update' AND (d.b).stage IS DISTINCT FROM (d.n).stage
    ON CONFLICT (project) DO UPDATE SET stage = excluded.stage, stage_on = excluded.stage_on;
END $$;

-- What this sheet says, for the next time it comes.
CREATE FUNCTION registry.import_remember(i registry.import) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO registry.import_base AS o (source, object, set)
    SELECT i.source, d.project, registry.import_said_at(CASE WHEN d.contact = '{}' AND d.whole IS NULL THEN d.clean
        ELSE registry.import_said(coalesce(d.whole, d.clean), d.project) END, d.version) FROM draft d
    WHERE d.verdict IN ('new', 'update', 'unchanged')
    ON CONFLICT (source, object) DO UPDATE SET set = o.set - 'version' || excluded.set
    WHERE NOT o.set @> excluded.set OR o.set ? 'version' AND NOT excluded.set ? 'version';
END $$;

-- Carries out the verdicts in `draft`: new rows, changed rows, contacts, and what the sheet said. The journal is
-- written as a set: qipan.bulk keeps the row triggers still, which would do the same row by row. p_history: what it
-- says of stages of new projects is the bureau's word, and nobody has to approve it.
CREATE FUNCTION registry.import_apply(i registry.import, p_account int, p_ord int, p_history boolean, p_reason text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    t CONSTANT timestamptz := registry.now();
    g bigint;
    first_idx int;
    written int;
BEGIN
    IF p_ord IS NOT NULL THEN
        g := registry.grp();
        first_idx := coalesce(nullif(current_setting('qipan.idx', true), '')::int, 0);
        written := registry.import_number(first_idx);
        PERFORM registry.import_at(i.id, 0.45 * i.expected), set_config('qipan.bulk', g::text, true);
        PERFORM registry.import_add(g, p_ord, t), registry.import_at(i.id, 0.85 * i.expected);
        PERFORM registry.import_change(i.id, g, p_ord, t), registry.import_at(i.id, 0.9 * i.expected);
        PERFORM registry.import_reach(t);
        written := written + CASE WHEN i.opening THEN 0 ELSE registry.steps_open(g, p_ord, first_idx + written, p_history) END;
        PERFORM set_config('qipan.bulk', '', true), set_config('qipan.idx', (first_idx + written)::text, true);
        PERFORM registry.plots_left(d.project) FROM draft d WHERE d.verdict = 'update' AND (d.b).stage <> (d.n).stage AND NOT registry.active((d.n).stage);
        IF i.opening THEN
            PERFORM registry.import_opening_apply(p_account, p_reason);
        END IF;
    END IF;
    PERFORM registry.import_remember(i);
END $$;

-- ---------------------------------------------------------------- opening balances

-- Days of stages that rows of an opening sheet give, from before the county went live: those that the sheet sets, in the order of stages.
-- was: the day that was entered before.
CREATE FUNCTION registry.import_opening_days() RETURNS TABLE ("row" int, project text, stage text, rank int, field text, "on" text, was text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT d.row, d.project, s.code, s.rank::int, s.date_field, d.clean ->> s.date_field,
        CASE WHEN d.project IS NOT NULL THEN (SELECT e.happened_on::text FROM registry.stage_standing(d.project) e WHERE e.opening AND e.stage = s.code ORDER BY e.version LIMIT 1) END
    FROM draft d JOIN registry.stage s ON s.rule_set = registry.rule_set_in_force() AND d.clean ->> s.date_field IS NOT NULL
    JOIN registry.stage h ON h.rule_set = s.rule_set AND h.code = (d.n).stage
    JOIN registry.field f ON f.kind = 'project' AND f.name = s.date_field
    WHERE d.fault IS NULL AND (d.verdict IS NULL OR d.verdict IN ('new', 'update')) AND s.rank <= h.rank AND NOT s.pauses AND NOT s.ends
      AND (d.project IS NULL OR d.verdict = 'new' OR d.diff ? f.number::text)
      AND NOT EXISTS (SELECT FROM registry.setting x WHERE x.key = 'county.live_on' AND d.clean ->> s.date_field >= left(x.value, length(d.clean ->> s.date_field)))
    ORDER BY d.row, s.rank;
END $$;

-- What speaks against those days.
CREATE FUNCTION registry.import_opening_judge(p_reason text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE draft d SET fault = x.fault
    FROM (WITH days AS MATERIALIZED (SELECT z.*, lag(z."on") OVER w AS after, lag(z.stage) OVER w AS after_stage
                                     FROM registry.import_opening_days() z WINDOW w AS (PARTITION BY z.row ORDER BY z.rank))
          SELECT DISTINCT ON (q.row) q.row, q.fault
          FROM (SELECT y.row, y.rank, CASE
                    WHEN y.after > left(y."on", length(y.after)) THEN registry.bad(y.field, y."on", 'opening.order', '@stage:' || y.after_stage, y.after)
                    WHEN o.stage IS NOT NULL THEN registry.bad(y.field, y."on", 'opening.order', '@stage:' || o.stage, o."on")
                    WHEN y.was <> y."on" AND coalesce(btrim(p_reason), '') = '' THEN registry.bad(y.field, y."on", 'opening.again', '@stage:' || y.stage, y.was)
                    ELSE registry.opening_fault(y.project, y."on", y.field, p_reason) END AS fault
                FROM days y LEFT JOIN LATERAL ( -- out of order with a stage that the row says nothing of
                    SELECT e.stage, e.happened_on::text AS "on" FROM registry.stage_standing(y.project) e
                    JOIN registry.stage s ON s.rule_set = registry.rule_set_in_force() AND s.code = e.stage
                    WHERE y.project IS NOT NULL AND e.opening AND e.stage NOT IN (SELECT z.stage FROM days z WHERE z.row = y.row)
                      AND (s.rank < y.rank AND e.happened_on > y."on" OR s.rank > y.rank AND e.happened_on < left(y."on", length(e.happened_on)))
                    ORDER BY e.version LIMIT 1) o ON true) q
          WHERE (q.fault).code IS NOT NULL ORDER BY q.row, q.rank) x
    WHERE d.row = x.row;
END $$;

-- Each such day as the bureau's `project backdate` enters it: later ones from the last stage on, then earlier ones from the first on, so that
-- none is out of order with what the next is about to leave.
CREATE FUNCTION registry.import_opening_apply(p_account int, p_reason text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    x record;
    s record;
BEGIN
    FOR x IN SELECT z.* FROM registry.import_opening_days() z ORDER BY z.row, z."on" > z.was DESC NULLS LAST, CASE WHEN z."on" > z.was THEN -z.rank ELSE z.rank END LOOP
        CONTINUE WHEN EXISTS (SELECT FROM registry.stage_standing(x.project) e WHERE e.opening AND e.stage = x.stage AND e.happened_on = x."on");
        s := registry.step_decide(p_account, 'zh', 'project_backdate', NULL, NULL, jsonb_build_object('project', x.project),
            jsonb_build_object('stage', x.stage, 'reached_on', x."on", 'note', nullif(left(btrim(p_reason), 500), '')), p_reason, false);
        IF (s.err).code IS NOT NULL OR (registry.step_put(p_account, 'project_backdate', s.b, s.n)).id IS NULL THEN
            RAISE EXCEPTION 'opening stage % of % is refused: %', x.stage, x.project, (s.err).message;
        END IF;
    END LOOP;
END $$;

-- ---------------------------------------------------------------- the commit

-- The commits that are running are known to all by a lock of this class: who waits for a row of theirs is told.
CREATE FUNCTION registry.import_lock_class() RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT 7466 $$;

-- The import whose commit, or taking back, holds the row of an object, by the transaction that stands in it; without an object (a
-- registration waits for a key) the one that is running. Null = none.
CREATE FUNCTION registry.import_holding(p_id text) RETURNS registry.import LANGUAGE plpgsql STABLE AS $$
DECLARE
    k CONSTANT text := coalesce(registry.kind_of(p_id), 'project');
    holder text;
    members text[];
    i registry.import;
BEGIN
    IF p_id IS NOT NULL THEN
        EXECUTE format('SELECT x.xmax::text FROM registry.%I x WHERE x.id = %s', k, CASE k WHEN 'project' THEN '(registry.project_find($1)).id' ELSE '$1' END)
        INTO holder USING p_id;
        members := ARRAY[holder];
        BEGIN
            members := members || ARRAY(SELECT m.xid::text FROM pg_get_multixact_members(holder::xid) m);
        EXCEPTION WHEN OTHERS THEN -- no multixact
            NULL;
        END;
    END IF;
    SELECT x.* INTO i FROM pg_locks a JOIN registry.import x ON x.status IN ('staging', 'judged', 'done') AND hashtext(x.id)::bigint & 4294967295 = a.objid::bigint
    WHERE a.locktype = 'advisory' AND a.granted AND a.classid::bigint = registry.import_lock_class() AND a.objsubid = 2 AND a.database = (
            SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND (p_id IS NULL OR EXISTS (SELECT FROM pg_locks t WHERE t.locktype = 'transactionid' AND t.granted AND t.pid = a.pid
                                   AND t.transactionid::text = ANY (members)))
    LIMIT 1;
    RETURN i;
END $$;

-- What a daemon adds to LOCKED: the import that holds the object, and its author; nothing if it is somebody else.
CREATE FUNCTION api.locked_by(p_id text, p_lang text) RETURNS TABLE (message text, hint text, actor text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    i CONSTANT registry.import := registry.import_holding(p_id);
    e api.error;
BEGIN
    actor := registry.account_code(i.account);
    e := CASE WHEN i.id IS NOT NULL THEN registry.refusal(p_lang, 'LOCKED', NULL, CASE WHEN p_id IS NULL THEN 'import.runs' ELSE 'import.holds' END, i.id, actor,
        (SELECT o.name FROM registry.office o WHERE o.code = i.office)) END;
    message := e.message;
    hint := e.hint;
    RETURN NEXT;
END $$;

-- Judges and carries out. Rows that are refused: without p_keep_going nothing is written.
CREATE FUNCTION registry.import_carry(p_account int, p_lang text, INOUT i registry.import, p_keep_going boolean, p_reason text,
    OUT place int) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    me CONSTANT text := registry.account_code(p_account);
BEGIN
    IF i.kind <> 'project' THEN
        place := registry.entry_begin(me);
        PERFORM registry.import_records(i, p_account, p_lang, true, p_keep_going, p_reason);
        i := registry.import_count(i, 'judged');
        place := CASE WHEN i.added + i.updated > 0 THEN place END;
        RETURN;
    END IF;
    PERFORM registry.import_judge(i, p_account, p_lang, true, p_reason);
    IF p_keep_going IS TRUE OR NOT (EXISTS (SELECT FROM draft d WHERE (d.fault).code IS NOT NULL)
            OR EXISTS (SELECT FROM registry.import_rows(i) x WHERE x.bad IS NOT NULL AND x.skip IS NULL)) THEN
        place := CASE WHEN EXISTS (SELECT FROM draft d WHERE d.verdict IN ('new', 'update')) THEN registry.entry_begin(me) END;
        PERFORM registry.import_apply(i, p_account, place, registry.reach(p_account, 'write') && '{*}', p_reason);
    END IF;
    PERFORM registry.import_verdicts(i, p_account, p_lang);
    i := registry.import_count(i, 'judged');
END $$;

CREATE FUNCTION api.import_commit(p_account int, p_lang text, p_request text, p_digest bytea, id text, keep_going boolean,
    reason text) RETURNS api.import_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    e registry.entry;
    r api.import_reply;
    i registry.import;
    m record;
    w record;
    place int;
    rights CONSTANT text[] := (SELECT a.rights FROM registry.account a WHERE a.id = p_account);
BEGIN
    SELECT * INTO m FROM registry.import_mine(p_account, p_lang, import_commit.id);
    i := m.i;
    r.error := m.error;
    IF i.id IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(registry.import_lock_class(), hashtext(i.id));
        SELECT * INTO i FROM registry.import x WHERE x.id = i.id FOR UPDATE;
    END IF;
    e := registry.seen(p_account, p_request);
    IF e.op IS NOT NULL OR (registry.request_fault(p_lang, p_request, e, 'import_commit', p_digest, reason)).code IS NOT NULL THEN
        r.error := registry.request_fault(p_lang, p_request, e, 'import_commit', p_digest, reason);
        IF (r.error).code IS NULL THEN
            r := jsonb_populate_record(NULL::api.import_reply, e.reply);
            r.rev := registry.rev_of(e.grp);
            r.replayed := true;
        END IF;
        RETURN r;
    ELSIF (r.error).code IS NULL AND i.status IN ('staging', 'judged') THEN
        r.error := registry.import_incomplete(p_lang, i);
    ELSIF (r.error).code IS NULL AND i.status = 'reverted' THEN
        r.error := registry.refusal(p_lang, 'FAILED_PRECONDITION', 'id', 'import.reverted', i.id);
    END IF;
    IF (r.error).code IS NULL AND i.status <> 'done' THEN
        w := registry.import_carry(p_account, p_lang, i, keep_going, reason);
        i := w.i;
        place := w.place;
        IF i.rejected + i.duplicates + i.conflicts > 0 AND keep_going IS NOT TRUE THEN
            r := registry.import_reply(i);
            r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'rows', 'import.rejected', (i.rejected + i.duplicates + i.conflicts)::text, i.rows::text);
        ELSE
            i := registry.import_count(i, 'done');
        END IF;
    END IF;
    IF (r.error).code IS NOT NULL THEN
        PERFORM registry.keep(p_account, p_request, p_digest, 'import_commit', NULL, (r.error).code, left(import_commit.id, 100), NULL,
            reason, NULL, jsonb_strip_nulls(to_jsonb(r)));
        RETURN r;
    END IF;
    r := registry.import_reply(i);
    PERFORM registry.keep(p_account, p_request, p_digest, 'import_commit', place, 'OK', i.id, NULL, reason, i.id,
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
