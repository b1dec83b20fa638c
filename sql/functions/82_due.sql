-- SPDX-License-Identifier: Apache-2.0
-- Deadlines: something is due at an instant. When it comes the registry writes it into the journal, once.

CREATE FUNCTION registry.due_journal() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
DECLARE
    fields jsonb;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.id := coalesce(NEW.id, registry.new_id('d'));
        NEW.no := (SELECT p.no FROM project p WHERE p.id = NEW.project);
        NEW.version := 1;
        NEW.state := coalesce(NEW.state, 'open');
        fields := registry.due_born(NEW);
    ELSE
        NEW.id := OLD.id;
        fields := registry.due_diff(OLD, NEW)
            || CASE WHEN OLD.state <> NEW.state THEN jsonb_build_object('7', jsonb_build_array(OLD.state, NEW.state)) ELSE '{}' END
            || CASE WHEN OLD.no <> NEW.no THEN jsonb_build_object('8', jsonb_build_array(OLD.no, NEW.no)) ELSE '{}' END; -- its project was merged
        IF fields = '{}' THEN
            RETURN NULL;
        END IF;
        NEW.version := OLD.version + 1;
    END IF;
    NEW.changed_at := registry.now();
    PERFORM registry.journal('due', NEW.id, NEW.version, fields, registry.due_image(NEW),
        registry.audience_of(NEW.project));
    RETURN NEW;
END $$;
CREATE TRIGGER due_journal BEFORE INSERT OR UPDATE ON registry.due
    FOR EACH ROW EXECUTE FUNCTION registry.due_journal();
CREATE TRIGGER due_keep BEFORE DELETE OR TRUNCATE ON registry.due
    FOR EACH STATEMENT EXECUTE FUNCTION registry.refuse();

-- The first answer again. The journal's image holds all of a deadline.
CREATE FUNCTION registry.due_again(p_account int, e registry.entry) RETURNS api.due_reply LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    r api.due_reply;
BEGIN
    r.replayed := true;
    IF e.status <> 'OK' THEN
        r.error := registry.refused_again(e);
    ELSE
        r.rev := registry.rev_of(e.grp);
        IF registry.entry_seen(e) THEN
            r.due := jsonb_populate_record(NULL::api.due, (
                SELECT jsonb_object_agg(f.name, c.image ->> f.number::text)
                FROM registry.change c JOIN registry.field f ON f.kind = 'due' AND c.image ? f.number::text
                WHERE c.object = e.object AND c.version = e.version)
                || jsonb_build_object('id', e.object, 'version', e.version));
            PERFORM registry.audit_about(p_account, e.op, (r.due).project, '{"replayed": true}');
        END IF;
    END IF;
    RETURN r;
END $$;

-- What a row of cells means for deadline b (a new one: without id): the row after it, or what is wrong.
CREATE FUNCTION registry.due_read(b registry.due, p_set jsonb, OUT n registry.due, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    s record := registry.read_set('due', p_set);
    clean jsonb := s.clean;
    missing text;
BEGIN
    fault := s.fault;
    IF clean ->> 'due_at' IS NOT NULL THEN
        clean := clean || jsonb_build_object('due_at', timestamptz 'epoch' + (clean ->> 'due_at')::bigint * interval '1 us');
    END IF;
    n := jsonb_populate_record(b, clean);
    IF fault.code IS NOT NULL THEN
        RETURN;
    ELSIF b.id IS NOT NULL AND n.project NOT IN (b.project, b.no) THEN
        fault := ROW('INVALID_ARGUMENT', 'project', n.project, 'field.readonly', NULL, NULL, NULL, NULL, NULL);
    ELSIF b.id IS NULL THEN
        missing := CASE WHEN n.text IS NULL THEN 'text' WHEN n.due_at IS NULL THEN 'due_at' END;
        IF missing IS NOT NULL THEN
            fault := ROW('INVALID_ARGUMENT', missing, NULL, 'field.required', NULL, NULL, NULL, NULL, NULL);
        END IF;
    END IF;
    IF fault.code IS NULL AND left(registry.day(n.due_at), 4) NOT BETWEEN '1990' AND '2100' THEN
        fault := registry.bad('due_at', registry.day(n.due_at), 'ymd.range');
    END IF;
    n.project := b.project;
END $$;

-- What others have changed in deadline b since p_base so that it can't become n: in the fields that n changes; or in any, if
-- it goes or has gone meanwhile.
CREATE FUNCTION registry.due_clashes(p_account int, p_base bigint, b registry.due, n registry.due) RETURNS api.clash[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    theirs CONSTANT jsonb := registry.due_image(b);
    yours CONSTANT jsonb := CASE n.state WHEN 'cleared' THEN '{"7":"cleared"}' ELSE registry.due_image(n) END;
BEGIN
    IF p_base >= b.version OR p_base IS NULL THEN
        RETURN NULL;
    ELSIF 'cleared' <> ALL (ARRAY[b.state, n.state]) THEN
        RETURN registry.clashes(p_account, b.id, 'due', p_base, b.version, registry.due_diff(b, n));
    END IF;
    RETURN registry.clashes(p_account, b.id, 'due', p_base, b.version, (
        SELECT jsonb_object_agg(k.key, jsonb_build_array(theirs -> k.key, yours -> k.key))
        FROM (SELECT DISTINCT jsonb_object_keys(c.fields) AS key FROM registry.change c
              WHERE c.object = b.id AND c.version > p_base AND c.version <= b.version) k
        WHERE theirs -> k.key IS DISTINCT FROM yours -> k.key));
END $$;

-- One change of one deadline: p_set as it came, or null to clear it. The order is that of project_change.
CREATE FUNCTION registry.due_change(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, p_op text,
    p_id text, p_set jsonb, p_reason text, p_force boolean) RETURNS api.due_reply LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    e registry.entry;
    me registry.account;
    p registry.project;
    b registry.due;
    n registry.due;
    r api.due_reply;
    err api.error;
    s record;
    c api.clash[];
    clear CONSTANT boolean := p_set IS NULL;
    place int;
BEGIN
    FOR attempt IN 1 .. 50 LOOP
        e := registry.seen(p_account, p_request);
        r.error := registry.request_fault(p_lang, p_request, e, p_op, p_digest, p_reason);
        IF (r.error).code IS NOT NULL OR e.op IS NOT NULL THEN
            RETURN CASE WHEN (r.error).code IS NOT NULL THEN r ELSE registry.due_again(p_account, e) END;
        END IF;
        SELECT * INTO b FROM registry.due x WHERE x.id = p_id;
        p := registry.project_seen(p_account, CASE WHEN p_id IS NULL THEN btrim(p_set ->> 'project') ELSE b.project END);
        IF NOT registry.may(p_account, 'write', p.office) THEN
            err := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.write');
        ELSIF p_id IS NULL AND coalesce(btrim(p_set ->> 'project'), '') = '' THEN
            err := registry.refusal(p_lang, 'INVALID_ARGUMENT', CASE WHEN clear THEN 'id' ELSE 'project' END, 'field.required',
                registry.field_label(p_lang, 'due', CASE WHEN clear THEN 'id' ELSE 'project' END));
        ELSIF p.id IS NULL THEN
            err := CASE WHEN p_id IS NULL THEN registry.refusal(p_lang, 'NOT_FOUND', 'project', 'project.none', p_set ->> 'project')
                ELSE registry.refusal(p_lang, 'NOT_FOUND', 'id', 'due.none', p_id) END;
        ELSIF p_id IS NULL AND p.merged_into IS NOT NULL THEN
            err := registry.refusal(p_lang, 'FAILED_PRECONDITION', 'project', 'project.merged', p.merged_into);
        ELSIF p_force AND coalesce(btrim(p_reason), '') = '' THEN
            err := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'reason', 'force.reason');
        ELSIF p_id IS NOT NULL AND (p_base > b.version OR p_base < 1) THEN
            err := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'version', 'base.future', p_base::text, b.version::text);
        END IF;
        EXIT WHEN err.code IS NOT NULL;
        IF p_id IS NULL THEN
            b.project := p.id;
            b.office := p.office;
            b.state := 'open';
        END IF;
        s := registry.due_read(b, coalesce(p_set, '{}'));
        n := s.n;
        IF (s.fault).code IS NOT NULL THEN
            err := registry.error_of(p_lang, 'due', s.fault);
            EXIT;
        END IF;
        IF clear THEN
            n.state := 'cleared';
        ELSIF n.due_at <> b.due_at OR b.state = 'cleared' THEN
            n.state := 'open'; -- put off, or back
        END IF;
        IF p_id IS NOT NULL AND n IS NOT DISTINCT FROM b THEN
            PERFORM registry.keep(p_account, p_request, p_digest, p_op, NULL, 'OK', b.id, b.version, p_reason, NULL, NULL);
            r.due := registry.due_row(b);
            RETURN r;
        ELSIF p_id IS NOT NULL AND p_force IS NOT TRUE THEN
            c := registry.due_clashes(p_account, p_base, b, n);
            IF c IS NOT NULL THEN
                err := registry.conflict(p_lang, 'due', c);
                EXIT;
            ELSIF b.state = 'cleared' THEN
                err := registry.refusal(p_lang, 'FAILED_PRECONDITION', 'state', 'due.cleared');
                EXIT;
            END IF;
        END IF;
        SELECT * INTO me FROM registry.account a WHERE a.id = p_account;
        place := registry.entry_begin(me.code);
        IF p_id IS NULL THEN
            INSERT INTO registry.due SELECT n.* RETURNING * INTO n;
        ELSE
            UPDATE registry.due x SET (office, text, due_at, state) = (n.office, n.text, n.due_at, n.state)
            WHERE x.id = b.id AND x.version = b.version RETURNING * INTO n;
        END IF;
        IF FOUND THEN
            PERFORM registry.keep(p_account, p_request, p_digest, p_op, place, 'OK', n.id, n.version, p_reason, NULL, NULL);
            r.rev := 0;
            r.due := registry.due_row(n);
            RETURN r;
        END IF;
    END LOOP;
    IF err.code IS NULL THEN
        RAISE EXCEPTION 'deadline % changed fifty times while it was being written', p_id USING ERRCODE = 'serialization_failure';
    END IF;
    PERFORM registry.keep_refusal(p_account, p_request, p_digest, p_op, b.id, p_reason, err);
    r.error := err;
    RETURN r;
END $$;

CREATE FUNCTION api.due_set(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, set jsonb,
    reason text, force boolean) RETURNS api.due_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.due_change(p_account, p_lang, p_request, p_digest, p_base, 'due_set', id, coalesce(set, '{}'), reason, force);
END $$;

CREATE FUNCTION api.due_clear(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text,
    reason text, force boolean) RETURNS api.due_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.due_change(p_account, p_lang, p_request, p_digest, p_base, 'due_clear', id, NULL, reason, force);
END $$;

-- By due time and id; `after` is the id of the last one.
CREATE FUNCTION api.due_list(p_account int, p_lang text, object text, office text, state text, after text, "limit" int)
RETURNS api.due_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.due_list_reply;
    most CONSTANT int := least(greatest(coalesce("limit", 100), 1), 500);
    of_state CONSTANT text := coalesce(nullif(btrim(state), ''), 'open');
    of_office CONSTANT text := registry.resolve('office', btrim(office));
    of_project CONSTANT text := (registry.project_seen(p_account, object)).id;
    grants CONSTANT int[] := registry.grants(p_account);
    last registry.due;
    total int;
    hidden int;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
    ELSIF object IS NOT NULL AND of_project IS NULL THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'object', 'project.none', object);
    ELSIF office IS NOT NULL AND of_office IS NULL THEN
        r.error := registry.error_of(p_lang, 'due', ROW('INVALID_ARGUMENT', 'office', office, 'code.unknown', NULL, NULL, NULL, NULL, NULL));
    ELSIF of_state NOT IN ('open', 'fired', 'cleared') THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'state', 'due.state', of_state);
        r.error.allowed := '{open,fired,cleared}';
    ELSIF after IS NOT NULL THEN
        SELECT x.* INTO last FROM registry.due x JOIN registry.project p ON p.id = x.project AND p.audience && grants WHERE x.id = after;
        IF NOT FOUND THEN
            r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'after', 'after.form');
        END IF;
    END IF;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    SELECT count(*), array_agg(x.row ORDER BY x.n) FILTER (WHERE x.n = 1 OR (x.n <= most AND x.bytes < 40000))
    INTO total, r.rows
    FROM (SELECT registry.due_row(d) AS row, row_number() OVER w AS n, sum(registry.row_bytes(d)) OVER w AS bytes
          FROM registry.due d JOIN registry.project p ON p.id = d.project AND p.audience && grants
          WHERE d.state = of_state AND (d.due_at, d.id) > (coalesce(last.due_at, '-infinity'), coalesce(last.id, ''))
            AND (of_project IS NULL OR d.project = of_project) AND (of_office IS NULL OR d.office = of_office)
          WINDOW w AS (ORDER BY d.due_at, d.id) ORDER BY d.due_at, d.id LIMIT most + 1) x;
    IF total > coalesce(cardinality(r.rows), 0) THEN
        r.next := r.rows[cardinality(r.rows)].id;
    END IF;
    hidden := (SELECT count(*) FROM unnest(r.rows) d JOIN registry.project p ON p.id = d.project AND p.restricted);
    IF hidden > 0 THEN
        PERFORM registry.commit_here();
        PERFORM registry.audit_put(p_account, 'due_list', 'OK', of_project, of_office,
            jsonb_build_object('rows', cardinality(r.rows), 'restricted', hidden));
    END IF;
    RETURN r;
END $$;

-- ---------------------------------------------------------------- firing

-- Milliseconds until the next deadline, turn of a matter, end of a time in a case or of a recognition comes, by the registry's clock; null = there is none. Looks into indexes.
CREATE FUNCTION registry.due_next_ms() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    next_at CONSTANT timestamptz := least(
        (SELECT d.due_at FROM registry.due d WHERE d.state = 'open' ORDER BY d.due_at, d.id LIMIT 1),
        (SELECT m.turn_at FROM registry.matter m WHERE m.turn_at IS NOT NULL ORDER BY m.turn_at, m.id LIMIT 1),
        registry.case_next_at(), registry.recognition_next_at());
BEGIN
    RETURN CASE WHEN next_at IS NOT NULL THEN greatest(ceil(extract(epoch FROM next_at - registry.now()) * 1000), 0)::bigint END;
END $$;

-- rights: roles must be brought up to a new day (api.rights_turn). offices: a change of offices or a hand-over is to be carried
-- out (api.office_turn). clocks: their run of the day isn't over (api.clock_turn).
CREATE FUNCTION api.due_next(OUT next_ms bigint, OUT rights boolean, OUT offices boolean, OUT clocks boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    next_ms := registry.due_next_ms();
    rights := registry.rights_due();
    offices := registry.office_due();
    clocks := registry.clock_due();
END $$;

-- Deadlines that are due, an entry of the registry each. Whoever comes at the same time takes others: the state moves in the
-- transaction that writes the entry, so each fires once.
CREATE FUNCTION registry.due_turn(p_limit int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    d registry.due;
    place int;
    fired int := 0;
BEGIN
    FOR d IN SELECT * FROM registry.due x WHERE x.state = 'open' AND x.due_at <= registry.now()
             ORDER BY x.due_at, x.id LIMIT p_limit FOR UPDATE SKIP LOCKED LOOP
        place := registry.entry_begin('registry');
        UPDATE registry.due x SET state = 'fired' WHERE x.id = d.id RETURNING * INTO d;
        PERFORM registry.keep_own(place, format('due-%s-%s', d.id, d.version), 'due_fire', d.id, d.version);
        fired := fired + 1;
    END LOOP;
    RETURN fired;
END $$;

-- Fires what is due by time alone: deadlines, turns of matters (matter_turn), ends of times in cases and of recognitions.
CREATE FUNCTION api.due_fire("limit" int) RETURNS api.due_fire_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.due_fire_reply;
    most CONSTANT int := least(greatest(coalesce("limit", 64), 1), 500);
BEGIN
    r.fired := registry.due_turn(most);
    r.fired := r.fired + registry.matter_turn(most - r.fired);
    r.fired := r.fired + registry.case_fire(most - r.fired);
    r.fired := r.fired + registry.recognition_turn(least(most - r.fired, 16)); -- each may change all projects of its firm
    r.rev := CASE WHEN r.fired > 0 THEN 0 END;
    r.next_ms := registry.due_next_ms();
    RETURN r;
END $$;
