-- SPDX-License-Identifier: Apache-2.0
-- Meetings: an agenda drawn from what the registry knows, decisions that become matters, and a next meeting that opens with
-- what this one left.

-- Null if the account may call meetings of this office: its own people, the bureau, and who gives tasks.
CREATE FUNCTION registry.unless_convenes(p_account int, p_office text) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN NOT registry.may(p_account, 'assign', p_office) THEN registry.unless_may(p_account, 'write', p_office) END;
END $$;

-- Null if the object is in one of these states.
CREATE FUNCTION registry.unless_state(p_kind text, p_id text, p_state text, VARIADIC p_in text[]) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN p_state <> ALL (p_in) THEN registry.no_move(p_kind, p_id, p_state) END;
END $$;

-- ---------------------------------------------------------------- what an agenda is drawn from

-- Meetings of the bureau, of leaders and of supervision are about the whole county; those of another office about its own.
CREATE FUNCTION registry.of_county(p_office text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT o.kind IN ('bureau', 'leader', 'supervision') FROM registry.office o WHERE o.code = p_office
$$;

-- Open matters as topics: those of class decision that earlier meetings made, or those of any class that are overdue.
CREATE FUNCTION registry.topics_matters(p_account int, m registry.meeting, p_decided boolean, p_most int)
RETURNS TABLE (of text, project text, no text, office text, subject text, due_on text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    today CONSTANT text := registry.today()::text;
    grants CONSTANT int[] := registry.grants(p_account);
    everywhere CONSTANT boolean := registry.of_county(m.office);
BEGIN
    RETURN QUERY SELECT x.id, x.project, x.no, x.office, registry.say('zh', 'topic.matter', x.subject, x.due_on, registry.code_label('zh', 'matter_state', x.state)),
            x.due_on::text
        FROM registry.matter x
        WHERE x.state NOT IN ('closed', 'withdrawn') AND (everywhere OR x.office = m.office OR x.issuer_office = m.office)
          AND (x.project IS NULL OR EXISTS (SELECT FROM registry.project p WHERE p.id = x.project AND p.audience && grants))
          AND CASE WHEN p_decided THEN x.class = 'decision' AND x.of IN (SELECT a.id FROM registry.agenda a WHERE a.meeting <> m.id)
              ELSE x.due_on < today END
        ORDER BY x.due_on, x.id LIMIT p_most;
END $$;

-- What the meetings before left: first decisions that are not carried out, then items nobody decided, but for those that are about
-- such a decision.
CREATE FUNCTION registry.topics_unfinished(p_account int, m registry.meeting, r registry.agenda_rule)
RETURNS TABLE (of text, project text, no text, office text, subject text, due_on text) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT * FROM registry.topics_matters(p_account, m, true, r.most);
    RETURN QUERY SELECT coalesce(a.of, a.id), a.project, a.no, a.office, a.subject, a.due_on::text
        FROM registry.agenda a WHERE a.meeting = m.previous AND a.state = 'deferred'
          AND NOT EXISTS (SELECT FROM registry.topics_matters(p_account, m, true, r.most) t WHERE t.of = a.of)
        ORDER BY a.rank, a.id LIMIT r.most;
END $$;

CREATE FUNCTION registry.topics_overdue(p_account int, m registry.meeting, r registry.agenda_rule)
RETURNS TABLE (of text, project text, no text, office text, subject text, due_on text) LANGUAGE sql STABLE AS $$
    SELECT * FROM registry.topics_matters(p_account, m, false, r.most)
$$;

-- Projects that stand: no activity, and in the same stage, for longer than the rule set says; the longest first.
CREATE FUNCTION registry.topics_stale(p_account int, m registry.meeting, r registry.agenda_rule)
RETURNS TABLE (of text, project text, no text, office text, subject text, due_on text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    since CONSTANT text := (registry.today() - r.days)::text;
    grants CONSTANT int[] := registry.grants(p_account);
    everywhere CONSTANT boolean := registry.of_county(m.office);
BEGIN
    RETURN QUERY SELECT p.id, p.id, p.no, p.office,
            registry.say('zh', 'topic.stale', left(p.name, 200), registry.code_label('zh', 'stage', p.stage), greatest(k.stage_on, k.active_on)), NULL::text
        FROM registry.pace k JOIN registry.project p ON p.id = k.project
        WHERE k.stage = ANY (r.stages) AND k.active_on < since AND k.stage_on < since AND p.audience && grants
          AND (everywhere OR p.office = m.office)
        ORDER BY greatest(k.stage_on, k.active_on), p.no LIMIT r.most;
END $$;

-- Cases that have been through all their steps and wait for a ruling, the longest first.
CREATE FUNCTION registry.topics_decision(p_account int, m registry.meeting, r registry.agenda_rule)
RETURNS TABLE (of text, project text, no text, office text, subject text, due_on text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    grants CONSTANT int[] := registry.grants(p_account);
    everywhere CONSTANT boolean := registry.of_county(m.office);
BEGIN
    RETURN QUERY SELECT c.id, c.project, c.no, c.office, registry.say('zh', 'topic.case', registry.code_label('zh', 'case_class', c.class),
            left(coalesce(c.subject, p.name, ''), 200), registry.day(c.step_at)), NULL::text
        FROM registry."case" c LEFT JOIN registry.project p ON p.id = c.project
        WHERE registry.case_open(c.state) AND (registry.case_next(c)).step IS NULL AND (everywhere OR c.office = m.office)
          AND (c.project IS NULL OR p.audience && grants)
        ORDER BY c.step_at, c.id LIMIT r.most;
END $$;

-- Puts on the agenda what the rule set names and isn't there yet; p_sources null = all of it.
CREATE FUNCTION registry.agenda_draw(p_account int, m registry.meeting, p_sources text[]) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    r registry.agenda_rule;
    last int := (SELECT coalesce(max(a.rank), 0) FROM registry.agenda a WHERE a.meeting = m.id);
BEGIN
    FOR r IN SELECT * FROM registry.agenda_rule x WHERE x.rule_set = registry.rule_set_in_force()
             AND (p_sources IS NULL OR x.source = ANY (p_sources)) ORDER BY x.rank LOOP
        EXECUTE format($q$
            INSERT INTO registry.agenda (project, no, office, source, due_on, state, meeting, rank, subject, of, actor)
            SELECT t.project, t.no, t.office, $4, t.due_on, 'open', ($2).id, $5 + row_number() OVER (), left(t.subject, 300), t.of, registry.writer()
            FROM registry.topics_%s($1, $2, $3) t
            WHERE NOT EXISTS (SELECT FROM registry.agenda a WHERE a.meeting = ($2).id AND a.of = t.of)$q$, r.source)
        USING p_account, m, r, r.source, last;
        last := (SELECT coalesce(max(a.rank), 0) FROM registry.agenda a WHERE a.meeting = m.id);
    END LOOP;
END $$;

-- ---------------------------------------------------------------- meetings

CREATE FUNCTION registry.meeting_may(p_account int, p_op text, b registry.meeting, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding := registry.unless_convenes(p_account, b.office);
BEGIN
    RETURN CASE WHEN f.code IS NOT NULL OR b.version IS NULL OR b.version = 0 THEN f ELSE
        registry.unless_state('meeting', b.id, b.state, VARIADIC CASE p_op
            WHEN 'meeting_hold' THEN '{planned}' WHEN 'meeting_close' THEN '{held}' ELSE '{planned,held}'::text[] END) END;
END $$;

-- The last meeting of a series before this one that is closed.
CREATE FUNCTION registry.meeting_before(m registry.meeting) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT x.id FROM registry.meeting x WHERE x.office = m.office AND x.class = m.class AND x.state = 'closed' AND x.held_on <= m.held_on
    ORDER BY x.held_on DESC, x.changed_at DESC LIMIT 1
$$;

CREATE FUNCTION registry.meeting_rules(p_account int, p_op text, b registry.meeting, INOUT n registry.meeting,
    OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    today CONSTANT text := registry.today()::text;
BEGIN
    n.state := coalesce(n.state, 'planned');
    n.actor := coalesce(b.actor, registry.account_code(p_account));
    IF b.version = 0 THEN
        n.previous := coalesce(n.previous, registry.meeting_before(n));
    ELSIF (n.office, n.class) <> (b.office, b.class) THEN
        fault := registry.fault('FAILED_PRECONDITION', CASE WHEN n.office <> b.office THEN 'office' ELSE 'class' END, 'meeting.series');
    END IF;
    IF n.held_on < (SELECT left(x.held_on, length(n.held_on)) FROM registry.meeting x WHERE x.id = n.previous) THEN
        fault := registry.bad('held_on', n.held_on, 'meeting.before');
    ELSIF n.state <> 'planned' AND n.held_on > left(today, length(n.held_on)) THEN
        fault := registry.bad('held_on', n.held_on, 'meeting.early');
    END IF;
END $$;

CREATE FUNCTION registry.meeting_effects(p_account int, p_op text, b registry.meeting, n registry.meeting) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF p_op = 'meeting_draw' THEN
        PERFORM registry.agenda_draw(p_account, n, NULL);
    ELSIF p_op = 'meeting_next' THEN
        PERFORM registry.agenda_draw(p_account, n, '{unfinished}');
    ELSIF p_op = 'meeting_close' THEN
        UPDATE registry.agenda a SET state = 'deferred'
        FROM (SELECT x.id FROM registry.agenda x WHERE x.meeting = n.id AND x.state = 'open' ORDER BY x.id FOR NO KEY UPDATE) o
        WHERE a.id = o.id;
    END IF;
END $$;

SELECT registry.generate_record('meeting', '-held_on');

-- Fills the agenda. Right write in the meeting's office, or assign.
CREATE FUNCTION api.meeting_draw(p_account int, p_lang text, p_request text, p_digest bytea, id text, reason text)
RETURNS api.meeting_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.meeting_change(p_account, p_lang, p_request, p_digest, NULL, 'meeting_draw', id, NULL,
        jsonb_build_object('drawn_at', registry.now()), reason, NULL);
END $$;

-- It takes place: from now on it decides. "on" absent: the day it was planned for.
CREATE FUNCTION api.meeting_hold(p_account int, p_lang text, p_request text, p_digest bytea, id text, "on" text, reason text)
RETURNS api.meeting_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.meeting_change(p_account, p_lang, p_request, p_digest, NULL, 'meeting_hold', id,
        jsonb_strip_nulls(jsonb_build_object('held_on', "on")), '{"state": "held"}', reason, NULL);
END $$;

-- Minutes are final; what was not decided waits for the next.
CREATE FUNCTION api.meeting_close(p_account int, p_lang text, p_request text, p_digest bytea, id text, reason text)
RETURNS api.meeting_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.meeting_change(p_account, p_lang, p_request, p_digest, NULL, 'meeting_close', id, NULL, '{"state": "closed"}',
        reason, NULL);
END $$;

-- Opens the meeting behind this one, which is closed: same office, class, place and chair; its agenda begins with the unfinished. Once:
-- ALREADY_EXISTS with the one that is there, planned by hand perhaps.
CREATE FUNCTION api.meeting_next(p_account int, p_lang text, p_request text, p_digest bytea, id text, "on" text, reason text)
RETURNS api.meeting_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    m registry.meeting := registry.meeting_seen(p_account, id);
    behind registry.meeting;
    r api.meeting_reply;
    f registry.finding;
BEGIN
    IF (registry.seen(p_account, p_request)).op IS NULL THEN
        f := registry.unless_convenes(p_account, m.office);
        f := CASE WHEN f.code IS NOT NULL THEN f WHEN m.id IS NULL THEN registry.fault('NOT_FOUND', 'id', 'record.none', id)
            ELSE registry.unless_state('meeting', m.id, m.state, 'closed') END;
        IF f.code IS NULL THEN
            PERFORM FROM registry.meeting x WHERE x.id = m.id FOR NO KEY UPDATE; -- two at once: one is the next
            SELECT * INTO behind FROM registry.meeting x WHERE x.previous = m.id AND (x.office, x.class) = (m.office, m.class) ORDER BY x.held_on LIMIT 1;
            f := CASE WHEN behind.id IS NOT NULL THEN registry.fault('ALREADY_EXISTS', 'id', 'meeting.next', behind.held_on, behind.id) END;
        END IF;
        IF f.code IS NOT NULL THEN
            r.error := registry.record_error(p_lang, 'meeting', f);
            PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'meeting_next', m.id, reason, r.error);
            RETURN r;
        END IF;
    END IF;
    RETURN registry.meeting_change(p_account, p_lang, p_request, p_digest, NULL, 'meeting_next', NULL,
        jsonb_strip_nulls(jsonb_build_object('office', m.office, 'class', m.class, 'held_on', "on", 'name', m.name, 'place', m.place,
            'chair', m.chair)), jsonb_build_object('previous', m.id), reason, NULL);
END $$;

-- ---------------------------------------------------------------- agenda

CREATE FUNCTION registry.agenda_may(p_account int, p_op text, b registry.agenda, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    m registry.meeting;
    f registry.finding;
BEGIN
    SELECT * INTO m FROM registry.meeting x WHERE x.id = b.meeting;
    f := registry.unless_convenes(p_account, m.office);
    IF f.code IS NOT NULL OR b.version IS NULL OR b.version = 0 THEN
        RETURN f;
    END IF;
    f := registry.unless_state('meeting', m.id, m.state, VARIADIC CASE WHEN p_op = 'meeting_decide' THEN '{held}' ELSE '{planned,held}'::text[] END);
    RETURN CASE WHEN f.code IS NOT NULL THEN f ELSE registry.unless_state('agenda', b.id, b.state, 'open') END;
END $$;

CREATE FUNCTION registry.agenda_rules(p_account int, p_op text, b registry.agenda, INOUT n registry.agenda,
    OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    m registry.meeting;
BEGIN
    SELECT * INTO m FROM registry.meeting x WHERE x.id = n.meeting;
    n.actor := coalesce(b.actor, registry.account_code(p_account));
    IF b.version = 0 THEN
        n.source := 'manual';
        n.state := 'open';
        n.rank := coalesce(n.rank, (SELECT coalesce(max(a.rank), 0) + 1 FROM registry.agenda a WHERE a.meeting = n.meeting));
        fault := registry.unless_convenes(p_account, m.office);
        IF m.id IS NULL THEN
            fault := registry.fault('NOT_FOUND', 'meeting', 'record.none', n.meeting);
        ELSIF fault.code IS NULL THEN
            fault := registry.unless_state('meeting', m.id, m.state, 'planned', 'held');
        END IF;
    ELSIF n.meeting <> b.meeting THEN
        fault := registry.bad('meeting', n.meeting, 'field.readonly');
    ELSIF p_op = 'agenda_set' AND (n.decision, n.due_on) IS DISTINCT FROM (b.decision, b.due_on) THEN
        fault := registry.bad(CASE WHEN n.due_on IS DISTINCT FROM b.due_on THEN 'due_on' ELSE 'decision' END, NULL, 'agenda.decide');
    ELSIF p_op = 'meeting_decide' THEN
        fault := registry.decision_fault(p_account, m, n);
    END IF;
END $$;

-- A decision with a day becomes a matter: of an office that the account may give tasks, and that sees what it is about.
CREATE FUNCTION registry.decision_fault(p_account int, m registry.meeting, n registry.agenda) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN n.decision IS NULL THEN registry.bad('decision', NULL, 'field.required')
        WHEN n.due_on IS NULL THEN NULL
        WHEN length(n.due_on) <> 10 OR n.due_on < registry.today()::text THEN registry.bad('due_on', n.due_on, 'agenda.due')
        WHEN n.office <> m.office AND NOT registry.may(p_account, 'assign', n.office) THEN registry.fault('PERMISSION_DENIED', 'office', 'may.assign')
        WHEN EXISTS (SELECT FROM registry.project p JOIN registry.office o ON o.code = n.office
                     WHERE p.id = n.project AND p.restricted AND p.office <> n.office AND o.kind NOT IN ('bureau', 'leader'))
            THEN registry.bad('office', NULL, 'matter.hidden', '@office:' || n.office) END;
END $$;

CREATE FUNCTION registry.agenda_effects(p_account int, p_op text, b registry.agenda, n registry.agenda) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF p_op = 'meeting_decide' AND n.due_on IS NOT NULL THEN
        PERFORM registry.matter_issue(p_account, 'decision', n.office, n.project, n.decision, n.due_on, n.id);
    END IF;
END $$;

SELECT registry.generate_record('agenda', 'rank');

-- What the meeting decides on an item, while it is held; with a day it is a matter of class decision of the office named.
CREATE FUNCTION api.meeting_decide(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, decision text,
    office text, due_on text, reason text) RETURNS api.agenda_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.agenda_change(p_account, p_lang, p_request, p_digest, p_base, 'meeting_decide', id,
        jsonb_build_object('due_on', due_on) || jsonb_strip_nulls(jsonb_build_object('decision', decision, 'office', office)),
        '{"state": "decided"}', reason, NULL);
END $$;
