-- SPDX-License-Identifier: Apache-2.0
-- What stages ask for, and when they count. A stage is reached when somebody says so (stage_event). Where the rules in force want
-- evidence or approval for it to count, a step waits beside it: pending, then approved or rejected by another than who recorded it; it
-- counts from the day of approval. What was mistaken is marked by the event that corrects it.

-- Has the project a case of this class that was granted and is in force?
CREATE FUNCTION registry.case_granted(p_project text, p_class text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM registry."case" c
        JOIN registry.case_ruling r ON r.rule_set = c.rule_set AND r.class = c.class AND r.ruling = c.ruling AND r.granted
        WHERE c.project = p_project AND c.class = p_class AND c.in_force_at IS NOT NULL);
END $$;

-- Ready files for an object, or (p_stage) for a stage of a project.
CREATE FUNCTION registry.evidence_for(p_of text, p_stage text DEFAULT NULL) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(x.id ORDER BY x.id) FROM registry.evidence x
    WHERE x."of" = p_of AND x.state = 'ready' AND (p_stage IS NULL OR x.stage = p_stage)
$$;

CREATE OR REPLACE FUNCTION registry.evidence_used(p_id text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM registry.evidence x JOIN registry.step s ON s.project = x.project
                   WHERE x.id = p_id AND s.state = 'approved' AND p_id = ANY (s.evidence))
        OR EXISTS (SELECT FROM registry.evidence x JOIN registry.arrival a ON a.id = x."of"
                   WHERE x.id = p_id AND a.state = 'approved' AND p_id = ANY (a.evidence))
$$;

-- What a stage asks for and isn't there, each as registry.said() reads it: to be reached, or (p_counts) to count as well.
CREATE FUNCTION registry.stage_missing(p registry.project, p_stage text, p_files text[], p_counts boolean) RETURNS text[]
LANGUAGE sql STABLE AS $$
    SELECT array_agg(CASE s.need WHEN 'field' THEN '@field:project.' || s.what WHEN 'case' THEN '@case_class:' || s.what ELSE '@need:' || s.need END
                     ORDER BY s.need, s.what)
    FROM registry.stage_need s
    WHERE s.rule_set = registry.rule_set_in_force() AND s.stage = p_stage AND (s.blocks OR p_counts)
      AND CASE s.need WHEN 'field' THEN to_jsonb(p) ->> s.what IS NULL
                      WHEN 'evidence' THEN coalesce(cardinality(p_files), 0) = 0
                      WHEN 'case' THEN NOT registry.case_granted(p.id, s.what) ELSE false END
$$;

-- The words of what is missing, for programs.
CREATE FUNCTION registry.missing_words(p_missing text[]) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(replace(regexp_replace(u.word, '^@(field:project\.|need:)', ''), '@case_class:', 'case:') ORDER BY u.n)
    FROM unnest(p_missing) WITH ORDINALITY u(word, n)
$$;

CREATE FUNCTION registry.rules_name() RETURNS text LANGUAGE sql STABLE AS $$ SELECT r.name FROM registry.rule_set r WHERE r.in_force $$;

-- The rules of a move, beside that it exists: who makes it, what the stage asks for, and that who rested goes back to where he was.
CREATE FUNCTION registry.stage_fault(p_account int, b registry.project, n registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    rules CONSTANT int := registry.rule_set_in_force();
    word CONSTANT text := (SELECT t."right" FROM registry.transition t WHERE t.rule_set = rules AND t."from" = b.stage AND t."to" = n.stage);
    before text;
    missing text[];
BEGIN
    IF word <> 'write' AND NOT registry.may(p_account, word, b.office) THEN
        RETURN ROW('PERMISSION_DENIED', 'stage', n.stage, 'stage.right', ARRAY['@stage:' || b.stage, registry.rules_name()],
                   NULL, NULL, NULL, NULL)::registry.finding;
    END IF;
    IF (SELECT s.pauses FROM registry.stage s WHERE s.rule_set = rules AND s.code = b.stage) THEN
        before := (SELECT e."from" FROM registry.stage_event e WHERE e.project = b.id AND e.stage = b.stage ORDER BY e.version DESC LIMIT 1);
        IF before <> n.stage AND NOT (SELECT s.ends FROM registry.stage s WHERE s.rule_set = rules AND s.code = n.stage) THEN
            RETURN ROW('FAILED_PRECONDITION', 'stage', n.stage, 'stage.move', ARRAY[b.stage],
                ARRAY(SELECT m FROM unnest(registry.moves(b.stage)) m JOIN registry.stage s ON s.rule_set = rules AND s.code = m
                      WHERE m = before OR s.ends ORDER BY s.rank), NULL, NULL, NULL)::registry.finding;
        END IF;
    END IF;
    missing := registry.stage_missing(n, n.stage, registry.evidence_for(b.id, n.stage), false);
    RETURN CASE WHEN missing IS NOT NULL THEN
        ROW('FAILED_PRECONDITION', 'stage', n.stage, 'stage.need', ARRAY[registry.rules_name(), array_to_string(missing, ',')],
            registry.missing_words(missing), NULL, NULL, NULL)::registry.finding END;
END $$;

-- Does a stage (or an arrival) need somebody's word to count?
CREATE FUNCTION registry.stage_judged(p_stage text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM registry.stage_need s
                   WHERE s.rule_set = registry.rule_set_in_force() AND s.stage = p_stage AND s.need IN ('approval', 'evidence') AND NOT s.blocks)
$$;

-- A step for the stage that a project has just come to, if that is judged and it wasn't there before (a suspended project comes
-- back, a mistake is put right).
CREATE FUNCTION registry.step_open(n registry.project) RETURNS void LANGUAGE sql VOLATILE AS $$
    INSERT INTO registry.step (project, no, office, stage, reached_on, state, from_stage, rules, actor, recorded_at, project_version)
    SELECT n.id, n.no, n.office, n.stage, e.happened_on, 'pending', e."from", registry.rules_name(), e.actor, e.at, e.version
    FROM registry.stage_event e
    WHERE registry.stage_judged(n.stage) AND e.project = n.id AND e.version = n.version AND e.corrects IS NULL AND NOT EXISTS (
        SELECT FROM registry.stage_event o WHERE o.project = n.id AND o.stage = n.stage AND o.version < n.version
          AND NOT EXISTS (SELECT FROM registry.stage_event c WHERE c.project = n.id AND c.corrects = o.version))
$$;

-- The day from which a project counts in a stage; null = it doesn't. A stage that nobody had to approve counts from its day.
CREATE FUNCTION registry.counted_on(p_project text, p_stage text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN count(s.id) > 0 THEN min(s.counted_on)
        ELSE coalesce(min(to_jsonb(p) ->> t.date_field), min(e.happened_on)) END
    FROM registry.stage_event e JOIN registry.project p ON p.id = e.project
    LEFT JOIN registry.step s ON s.project = e.project AND s.project_version = e.version
    LEFT JOIN registry.stage t ON t.rule_set = registry.rule_set_in_force() AND t.code = e.stage
    WHERE e.project = p_project AND e.stage = p_stage
      AND (s.id IS NOT NULL OR NOT EXISTS (SELECT FROM registry.stage_event c WHERE c.project = e.project AND c.corrects = e.version))
$$;

CREATE FUNCTION registry.counted(p_project text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT registry.counted(p) FROM registry.project p WHERE p.id = p_project
$$;

-- Is a project still pursued? One that is suspended is.
CREATE FUNCTION registry.active(p_stage text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT s.ends FROM registry.stage s WHERE s.rule_set = registry.rule_set_in_force() AND s.code = p_stage
$$;

-- Did the account write what is to be approved? Its own earlier approvals and refusals are no such writing.
CREATE FUNCTION registry.took_part(p_account int, p_object text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM registry.change c
        CROSS JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = c.grp AND q.ord = c.ord OFFSET 0) e
        WHERE c.object = p_object AND e.account = p_account AND e.op !~ '_(approve|reject)$')
$$;

-- Who approves what an office's people report: its approver, the bureau, whoever decides; never who wrote it.
CREATE FUNCTION registry.approve_fault(p_account int, p_object text, p_office text) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN NOT registry.may(p_account, 'approve', p_office) AND NOT registry.may(p_account, 'decide', p_office)
            THEN registry.fault('PERMISSION_DENIED', NULL, 'may.approve')
        WHEN registry.took_part(p_account, p_object) THEN registry.fault('PERMISSION_DENIED', NULL, 'step.own') END;
END $$;

CREATE FUNCTION registry.step_may(p_account int, p_op text, b registry.step, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding := CASE p_op WHEN 'project_backdate' THEN registry.unless_may(p_account, 'county', NULL)
        ELSE registry.approve_fault(p_account, b.id, p.office) END;
BEGIN
    RETURN CASE WHEN f.code IS NOT NULL OR coalesce(b.version, 0) = 0 THEN f
        WHEN b.state <> 'pending' AND NOT (b.state = 'rejected' AND p_op = 'stage_approve') THEN registry.no_move('step', b.id, b.state) END;
END $$;

CREATE FUNCTION registry.step_rules(p_account int, p_op text, b registry.step, INOUT n registry.step, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    files CONSTANT text[] := registry.evidence_for(b.id) || registry.evidence_for(b.project, b.stage);
    missing text[];
    x record;
BEGIN
    n.decided_actor := registry.account_code(p_account);
    n.decided_at := registry.now();
    IF p_op = 'project_backdate' THEN
        x := registry.step_opening(n);
        n := x.n;
        fault := x.fault;
        RETURN;
    ELSIF p_op = 'stage_reject' THEN
        n.state := 'rejected';
        fault := CASE WHEN n.note IS NULL THEN registry.fault('INVALID_ARGUMENT', 'reason', 'step.reason') END;
        RETURN;
    END IF;
    n.state := 'approved';
    n.counted_on := registry.today()::text;
    n.evidence := files;
    missing := registry.stage_missing(registry.project_find(b.project), b.stage, files, true);
    IF missing IS NOT NULL THEN
        fault := registry.fault('FAILED_PRECONDITION', 'stage', 'step.need', registry.rules_name(), '@stage:' || b.stage, array_to_string(missing, ','));
        fault.allowed := registry.missing_words(missing);
    END IF;
END $$;

CREATE FUNCTION registry.step_effects(p_account int, p_op text, b registry.step, n registry.step) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF p_op = 'project_backdate' THEN
        PERFORM registry.step_opened(n);
    END IF;
END $$;

SELECT registry.generate_record('step', '-recorded_at');
-- An import writes the journal of its steps itself, as it does that of its projects.
DROP TRIGGER step_journal ON registry.step;
CREATE TRIGGER step_journal BEFORE INSERT OR UPDATE ON registry.step
    FOR EACH ROW WHEN (coalesce(current_setting('qipan.bulk', true), '') = '') EXECUTE FUNCTION registry.step_journal();

-- The steps of an import as a set: of the rows in `draft` that brought a project to a judged stage for the first time. How many.
-- p_history: not of new projects.
CREATE FUNCTION registry.steps_open(p_grp bigint, p_ord int, p_idx int, p_history boolean) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    judged CONSTANT text[] := ARRAY(SELECT s.code FROM registry.stage s WHERE s.rule_set = registry.rule_set_in_force() AND registry.stage_judged(s.code));
    rules CONSTANT text := registry.rules_name();
    n int;
BEGIN
    WITH born AS (
        INSERT INTO registry.step AS s (id, version, project, no, office, stage, reached_on, state, from_stage, rules, actor, recorded_at,
            project_version, changed_at)
        SELECT registry.new_id('sg'), 1, p.id, p.no, p.office, p.stage, e.happened_on, 'pending', e."from", rules, e.actor, e.at, e.version, e.at
        FROM (SELECT * FROM draft x WHERE x.verdict IN ('new', 'update') AND (x.b).stage IS DISTINCT FROM (x.n).stage
                AND (x.n).stage = ANY (judged) ORDER BY x.row OFFSET 0) d
        JOIN registry.project p ON p.id = d.project JOIN registry.stage_event e ON e.project = p.id AND e.version = p.version
        WHERE d.verdict = 'new' AND NOT p_history OR d.verdict = 'update' AND NOT EXISTS (
            SELECT FROM registry.stage_event o WHERE o.project = p.id AND o.stage = p.stage AND o.version < p.version
              AND NOT EXISTS (SELECT FROM registry.stage_event c WHERE c.project = p.id AND c.corrects = o.version))
        RETURNING s)
    INSERT INTO registry.change (grp, idx, ord, kind, object, version, fields, image, audience)
    SELECT p_grp, p_idx + row_number() OVER ()::int - 1, p_ord, 'step', (born.s).id, 1, registry.step_born(born.s), registry.step_image(born.s), p.audience
    FROM born JOIN registry.project p ON p.id = (born.s).project;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

DROP FUNCTION api.step_set(int, text, text, bytea, bigint, text, jsonb, text[], text, boolean);
DROP FUNCTION api.step_list(int, text, jsonb, text, text, int); -- stage_list
DROP FUNCTION api.step_show(int, text, text);

-- The step that an id means: its own, or a project's for this stage (any: the latest), first one that waits.
CREATE FUNCTION registry.step_meant(p_account int, p_id text, p_stage text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN registry.kind_of(p_id) = 'step' THEN p_id ELSE (
        SELECT s.id FROM registry.step s
        WHERE s.project = (registry.project_seen(p_account, p_id)).id
          AND (coalesce(btrim(p_stage), '') = '' OR s.stage = registry.resolve('stage', btrim(p_stage)))
        ORDER BY s.state IN ('pending', 'rejected') DESC, s.recorded_at DESC LIMIT 1) END
$$;

CREATE FUNCTION registry.step_decide(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, p_op text, p_id text,
    p_stage text, p_reason text) RETURNS api.step_reply LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    meant CONSTANT text := registry.step_meant(p_account, p_id, p_stage);
    r api.step_reply;
BEGIN
    IF meant IS NULL AND (registry.project_seen(p_account, p_id)).id IS NOT NULL
       AND (registry.may(p_account, 'approve', NULL) OR registry.may(p_account, 'decide', NULL)) THEN
        r.error := registry.record_error(p_lang, 'step', registry.fault('FAILED_PRECONDITION', 'stage', 'step.none',
            coalesce('@stage:' || registry.resolve('stage', btrim(p_stage)), p_stage)));
        RETURN r;
    END IF;
    RETURN registry.step_change(p_account, p_lang, p_request, p_digest, p_base, p_op, coalesce(meant, p_id), NULL,
        jsonb_build_object('note', nullif(left(btrim(p_reason), 500), '')), p_reason, NULL);
END $$;

-- A stage counts from today on.
CREATE FUNCTION api.stage_approve(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, stage text, reason text)
RETURNS api.step_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.step_decide(p_account, p_lang, p_request, p_digest, p_base, 'stage_approve', id, stage, reason);
END $$;

CREATE FUNCTION api.stage_reject(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, stage text, reason text)
RETURNS api.step_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.step_decide(p_account, p_lang, p_request, p_digest, p_base, 'stage_reject', id, stage, reason);
END $$;

-- What a correction of event e puts back: the stage before, and the day that e set.
CREATE FUNCTION registry.stage_before(e registry.stage_event) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('stage', e."from") || coalesce((
        SELECT jsonb_build_object(f.name, c.fields -> f.number::text -> 0)
        FROM registry.change c JOIN registry.stage s ON s.rule_set = registry.rule_set_in_force() AND s.code = e.stage
        JOIN registry.field f ON f.kind = 'project' AND f.name = s.date_field
        WHERE c.object = e.project AND c.version = e.version AND c.fields ? f.number::text), '{}')
$$;

-- The event by which a project is at its stage.
CREATE FUNCTION registry.stage_now(p registry.project) RETURNS registry.stage_event LANGUAGE sql STABLE AS $$
    SELECT e FROM registry.stage_event e WHERE e.project = p.id AND e.stage = p.stage ORDER BY e.version DESC LIMIT 1
$$;

-- What keeps an account from correcting it; null = nothing.
CREATE FUNCTION registry.correct_fault(p_account int, p registry.project, e registry.stage_event, p_reason text) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN p.id IS NULL OR NOT registry.may(p_account, 'write', p.office) THEN NULL -- project_change says so
        WHEN coalesce(btrim(p_reason), '') = '' THEN registry.fault('INVALID_ARGUMENT', 'reason', 'step.reason')
        WHEN e."from" IS NULL THEN registry.fault('FAILED_PRECONDITION', 'stage', 'step.first')
        WHEN EXISTS (SELECT FROM registry.step s WHERE s.project = p.id AND s.project_version = e.version AND s.state = 'approved')
            AND NOT registry.may(p_account, 'decide', p.office) THEN registry.fault('PERMISSION_DENIED', NULL, 'step.counted') END;
END $$;

-- The project goes back to the stage before; the event stays, marked by the one that corrects it, and its step counts no more.
CREATE FUNCTION api.stage_correct(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, reason text)
RETURNS api.project_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    p CONSTANT registry.project := registry.project_seen(p_account, id);
    e CONSTANT registry.stage_event := registry.stage_now(p);
    f registry.finding;
    r api.project_reply;
BEGIN
    IF NOT EXISTS (SELECT FROM registry.entry x WHERE x.account = p_account AND x.request = p_request) THEN
        f := registry.correct_fault(p_account, p, e, reason);
        IF f.code IS NOT NULL THEN
            r.error := registry.record_error(p_lang, 'step', f);
            RETURN r;
        END IF;
    END IF;
    PERFORM set_config('qipan.correct', e.version::text, true);
    r := registry.project_change(p_account, p_lang, p_request, p_digest, p_base, 'stage_correct', id,
        CASE WHEN e."from" IS NULL THEN '{}' ELSE registry.stage_before(e) END, reason, false);
    PERFORM set_config('qipan.correct', '', true);
    IF r.rev = 0 AND r.replayed IS NULL THEN
        UPDATE registry.step s SET state = 'corrected', counted_on = NULL, note = left(btrim(reason), 500)
        WHERE s.project = e.project AND s.project_version = e.version;
    END IF;
    RETURN r;
END $$;

-- An event of a project as a step: where nobody has to approve it, without id.
CREATE FUNCTION registry.stage_line(p registry.project, e registry.stage_event) RETURNS api.step LANGUAGE plpgsql STABLE AS $$
DECLARE
    s registry.step;
    fix registry.stage_event;
BEGIN
    SELECT * INTO s FROM registry.step x WHERE x.project = e.project AND x.project_version = e.version;
    SELECT * INTO fix FROM registry.stage_event x WHERE x.project = e.project AND x.corrects = e.version;
    IF s.id IS NULL THEN
        s.project := e.project;
        s.no := p.no;
        s.office := p.office;
        s.stage := e.stage;
        s.reached_on := e.happened_on;
        s.state := CASE WHEN fix.project IS NULL THEN 'recorded' ELSE 'corrected' END;
        s.from_stage := e."from";
        s.actor := e.actor;
        s.recorded_at := e.at;
        s.project_version := e.version;
    END IF;
    s.note := coalesce(s.note, (SELECT q.reason FROM registry.change c JOIN registry.entry q ON q.grp = c.grp AND q.ord = c.ord
                                WHERE c.object = e.project AND c.version = coalesce(fix.version, CASE WHEN e.corrects IS NOT NULL THEN e.version END)));
    RETURN registry.step_row(s);
END $$;

-- All events of one project in order; or, without a project, the steps in a state (those that wait), the oldest last.
CREATE FUNCTION api.stage_list(p_account int, p_lang text, project text, state text, office text, after text, "limit" int)
RETURNS api.step_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    p CONSTANT registry.project := registry.project_seen(p_account, btrim(project));
    wanted CONSTANT text := CASE WHEN state <> '' THEN coalesce(registry.resolve('step_state', btrim(state)), state) END;
    r api.step_list_reply;
BEGIN
    IF project IS NULL OR NOT registry.may(p_account, 'read', NULL) THEN
        RETURN registry.step_list(p_account, p_lang, jsonb_build_array(jsonb_build_object('field', 'state', 'op', '=', 'values', jsonb_build_array(coalesce(wanted, 'pending'))))
            || CASE WHEN office <> '' THEN jsonb_build_array(jsonb_build_object('field', 'office', 'op', '=', 'values', jsonb_build_array(office))) ELSE '[]' END,
            NULL, after, "limit");
    ELSIF p.id IS NULL THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'project', 'project.none', project);
        RETURN r;
    END IF;
    SELECT array_agg(x.row ORDER BY x.opening DESC, CASE WHEN x.opening THEN x.happened_on END, x.version),
        CASE WHEN count(*) = 50 THEN max(x.version)::text END INTO r.rows, r.next
    FROM (SELECT registry.stage_line(p, e) AS row, e.version, e.opening, e.happened_on FROM registry.stage_event e
          WHERE e.project = p.id AND e.stage IS NOT NULL AND e.version > CASE WHEN after ~ '^-?[0-9]{1,18}$' THEN after::bigint ELSE -1000000 END
          ORDER BY e.version LIMIT 50) x;
    IF wanted IS NOT NULL THEN
        r.rows := (SELECT array_agg(x ORDER BY x.project_version) FROM unnest(r.rows) x WHERE x.state = wanted);
    END IF;
    PERFORM registry.commit_here();
    PERFORM registry.audit_about(p_account, 'stage_list', p.id, NULL);
    RETURN r;
END $$;
