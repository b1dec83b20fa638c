-- SPDX-License-Identifier: Apache-2.0
-- Matters (事项): issued → signed → working → reported → closed; sent back, extended, withdrawn and split beside it.
-- Who performs a matter signs for it and reports; who issued it, is named as its reviewer, or may assign anywhere reviews it;
-- nobody does both. Time moves its light: turn_at is the next instant at which something of that is due (matter_turn).

-- ---------------------------------------------------------------- the calendar

CREATE FUNCTION registry.is_workday(p_day date) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT NOT h."off" FROM registry.holiday h WHERE h.day = p_day), extract(isodow FROM p_day) < 6)
$$;

-- The p_n-th working day after a day. A calendar without any day of work ends after ten years.
CREATE FUNCTION registry.workday_after(p_day date, p_n int) RETURNS date LANGUAGE plpgsql STABLE AS $$
DECLARE
    worked int := 0;
BEGIN
    FOR d IN p_day - date '2000-01-01' + 1 .. p_day - date '2000-01-01' + 3660 LOOP
        worked := worked + registry.is_workday(date '2000-01-01' + d)::int;
        IF worked = p_n THEN
            RETURN date '2000-01-01' + d;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- The instant a day of the county begins.
CREATE FUNCTION registry.day_begins(p_day date) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT p_day::timestamp AT TIME ZONE (SELECT s.value FROM registry.setting s WHERE s.key = 'county.timezone')
$$;

-- An instant for a sentence: the county's date, hour and minute.
CREATE FUNCTION registry.minute(p_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(p_at AT TIME ZONE (SELECT s.value FROM registry.setting s WHERE s.key = 'county.timezone'), 'YYYY-MM-DD HH24:MI')
$$;

-- ---------------------------------------------------------------- clocks

CREATE FUNCTION registry.matter_is_open(p_state text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_state NOT IN ('closed', 'withdrawn')
$$;

-- Light and next turn as of now, by the rule set in force. A turn is the beginning of a day: a reminder before the deadline, a
-- colour after it. Whoever has reported waits for others: no clock runs, the light stays as it was.
CREATE FUNCTION registry.matter_clock(INOUT n registry.matter) LANGUAGE plpgsql STABLE AS $$
DECLARE
    late CONSTANT int := registry.today() - n.due_on::date;
    r registry.matter_rule;
    next_late int;
BEGIN
    n.turn_at := NULL;
    IF n.state = 'withdrawn' THEN
        n.light := 'none';
        n.escalated_to := NULL;
    ELSIF n.state IN ('issued', 'signed', 'working') THEN
        SELECT * INTO r FROM registry.matter_rule x WHERE x.rule_set = registry.rule_set_in_force() AND x.class = n.class;
        n.light := CASE WHEN late >= r.red THEN 'red' WHEN late >= r.yellow THEN 'yellow' WHEN late >= 1 THEN 'blue' ELSE 'none' END;
        n.escalated_to := CASE WHEN late >= CASE r.escalate WHEN 'blue' THEN 1 WHEN 'yellow' THEN r.yellow WHEN 'red' THEN r.red END
            THEN n.superior END;
        next_late := (SELECT min(d) FROM (SELECT -u FROM unnest(r.remind) u UNION ALL VALUES (1), (r.yellow), (r.red)) x(d) WHERE d > late);
        n.turn_at := registry.day_begins(n.due_on::date + next_late);
    END IF;
END $$;

-- What time alone changes, an entry of the registry each: a reminder before the day, a colour after it; a clock that jumped over
-- several gives the last. Rows that somebody else is at are left to him.
CREATE FUNCTION registry.matter_turn(p_limit int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    b registry.matter;
    n registry.matter;
    place int;
    turned int := 0;
BEGIN
    FOR b IN SELECT * FROM registry.matter x WHERE x.turn_at <= registry.now()
             ORDER BY x.turn_at, x.id LIMIT p_limit FOR UPDATE SKIP LOCKED LOOP
        place := registry.entry_begin('registry');
        n := registry.matter_clock(b);
        IF n.light = b.light THEN
            n.reminders := coalesce(b.reminders, 0) + 1;
        END IF;
        UPDATE registry.matter x SET (light, turn_at, escalated_to, reminders) = (n.light, n.turn_at, n.escalated_to, n.reminders)
        WHERE x.id = b.id RETURNING * INTO n;
        PERFORM registry.keep_own(place, format('matter-%s-%s', n.id, n.version), 'due_fire', n.id, n.version);
        turned := turned + 1;
    END LOOP;
    RETURN turned;
END $$;

-- ---------------------------------------------------------------- who

-- Does the account belong to one of the offices, by its place or by a role there? Rights that reach everywhere don't count.
CREATE FUNCTION registry.belongs(p_account int, p_offices text[]) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM registry.account a WHERE a.id = p_account AND (a.office = ANY (p_offices)
        OR EXISTS (SELECT FROM unnest(a.roles) r WHERE split_part(r, '@', 2) = ANY (p_offices))))
$$;

-- The offices an account belongs to where it may write, or from which it assigns.
CREATE FUNCTION registry.offices_at_work(p_account int) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY(SELECT o.code FROM registry.account a
        CROSS JOIN LATERAL (SELECT a.office UNION SELECT split_part(r, '@', 2) FROM unnest(a.roles) r WHERE strpos(r, '@') > 0) o(code)
        WHERE a.id = p_account AND (registry.may(p_account, 'write', o.code) OR registry.may(p_account, 'assign', o.code)))
$$;

CREATE FUNCTION registry.matter_offices(b registry.matter) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT b.office || coalesce(b.helpers, '{}')
$$;

-- Is he one of those whose work the matter is?
CREATE FUNCTION registry.matter_performs(p_account int, b registry.matter) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.belongs(p_account, registry.matter_offices(b))
        OR (registry.account_code(p_account) = ANY (ARRAY[b.signer, b.reporter] || b.helper_signers)) IS TRUE;
END $$;

-- For which of some offices may he act, being one of their people?
CREATE FUNCTION registry.acts_for(p_account int, p_offices text[]) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY(SELECT o FROM unnest(p_offices) WITH ORDINALITY u(o, n)
                 WHERE registry.may(p_account, 'write', o) AND registry.belongs(p_account, ARRAY[o]) ORDER BY n)
$$;

-- May he act for those?
CREATE FUNCTION registry.matter_works(p_account int, b registry.matter) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT registry.acts_for(p_account, registry.matter_offices(b)) <> '{}'
$$;

-- Helping offices that have not signed for their part yet; one with a part of its own signs for that.
CREATE FUNCTION registry.helpers_unsigned(b registry.matter) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY(SELECT h FROM unnest(b.helpers) WITH ORDINALITY u(h, n) WHERE h <> ALL (coalesce(b.helpers_signed, '{}') || coalesce(b.parts, '{}')) ORDER BY n)
$$;

-- Does he sign for helping offices, the matter itself staying where it is? Whoever may sign for the lead office does that first.
CREATE FUNCTION registry.matter_helps(p_account int, b registry.matter) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT b.state IN ('issued', 'signed', 'working') AND registry.acts_for(p_account, registry.helpers_unsigned(b)) <> '{}'
        AND NOT (b.state = 'issued' AND registry.acts_for(p_account, ARRAY[b.office]) <> '{}')
$$;

-- When an office was asked to help: at the issue, or when it was named later.
CREATE FUNCTION registry.helper_asked_at(b registry.matter, p_office text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT coalesce(max(e.at), b.issued_at) FROM registry.change c
    CROSS JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = c.grp AND q.ord = c.ord OFFSET 0) e
    WHERE c.object = b.id AND c.version > 1 AND c.fields ? '10' AND p_office = ANY (string_to_array(c.fields #>> '{10,1}', ','))
      AND (p_office = ANY (string_to_array(c.fields #>> '{10,0}', ','))) IS NOT TRUE
$$;

CREATE FUNCTION registry.matter_issues(p_account int, b registry.matter) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT b.issuer_office = ANY (registry.offices_at_work(p_account))
$$;

-- Would he review it, if it is not his own work?
CREATE FUNCTION registry.matter_reviews(p_account int, b registry.matter) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.matter_issues(p_account, b) OR registry.may(p_account, 'assign', NULL)
        OR registry.may(p_account, 'read', NULL) AND b.reviewer IS NOT DISTINCT FROM registry.account_code(p_account);
END $$;

-- The office in whose name an account issues: its own, or the first where it may write.
CREATE FUNCTION registry.office_issuing(p_account int) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT o.code FROM unnest(registry.offices_at_work(p_account)) o(code), registry.account a
    WHERE a.id = p_account ORDER BY o.code <> a.office, o.code LIMIT 1
$$;

CREATE FUNCTION registry.matter_states(p_op text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_op
        WHEN 'matter_sign' THEN '{issued}' WHEN 'matter_start' THEN '{signed}' WHEN 'matter_report' THEN '{signed,working}'
        WHEN 'matter_close' THEN '{reported}' WHEN 'matter_return' THEN '{reported}'
        WHEN 'matter_extend' THEN '{issued,signed,working}' WHEN 'matter_split' THEN '{issued,signed,working}'
        ELSE '{issued,signed,working,reported}' END::text[]
$$;

CREATE FUNCTION registry.matter_party(p_account int, p_op text, b registry.matter) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    works CONSTANT boolean := registry.matter_works(p_account, b);
BEGIN
    IF p_op IN ('matter_sign', 'matter_start', 'matter_report', 'matter_extend') THEN
        -- the lead office signs for the matter, or who signs for a helping one; it alone answers for the whole
        RETURN CASE WHEN NOT works OR p_op IN ('matter_report', 'matter_extend') AND registry.acts_for(p_account, ARRAY[b.office]) = '{}' THEN
            registry.fault('PERMISSION_DENIED', NULL, 'matter.performer', '@office:' || b.office)
            WHEN p_op = 'matter_sign' AND b.state = 'issued' AND NOT registry.matter_helps(p_account, b)
                AND registry.acts_for(p_account, ARRAY[b.office]) = '{}' THEN registry.fault('FAILED_PRECONDITION', 'helpers_signed', 'matter.helped') END;
    ELSIF p_op = 'matter_withdraw' THEN
        RETURN CASE WHEN NOT registry.matter_issues(p_account, b) THEN
            registry.fault('PERMISSION_DENIED', NULL, 'matter.withdraw', '@office:' || b.issuer_office)
            WHEN b.state <> 'issued' AND registry.matter_performs(p_account, b) THEN -- once signed for, that would be closing his own
            registry.fault('PERMISSION_DENIED', NULL, 'matter.self') END;
    ELSIF p_op = 'matter_split' AND works AND registry.belongs(p_account, ARRAY[b.office]) THEN
        RETURN NULL;
    ELSIF registry.matter_performs(p_account, b) THEN
        RETURN registry.fault('PERMISSION_DENIED', NULL, 'matter.self');
    ELSIF NOT registry.matter_reviews(p_account, b) THEN
        RETURN registry.fault('PERMISSION_DENIED', NULL, 'matter.issuer', '@office:' || b.issuer_office);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION registry.matter_may(p_account int, p_op text, b registry.matter, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding;
    parts record;
BEGIN
    IF coalesce(b.version, 0) = 0 THEN -- a new one, or one that isn't there
        RETURN CASE WHEN registry.may(p_account, 'assign', NULL) OR registry.may(p_account, 'write', NULL)
                OR b.version IS NULL AND registry.may(p_account, 'read', NULL) THEN NULL
            ELSE registry.fault('PERMISSION_DENIED', NULL, 'may.assign') END;
    END IF;
    f := registry.matter_party(p_account, p_op, b);
    IF f.code IS NOT NULL THEN
        RETURN f;
    ELSIF b.state <> ALL (registry.matter_states(p_op)) AND NOT (p_op = 'matter_sign' AND registry.matter_helps(p_account, b)) THEN
        f := registry.fault('FAILED_PRECONDITION', 'state', 'matter.state', '@matter_state:' || b.state, b.mover, registry.minute(b.moved_at));
        f.at := b.moved_at;
        RETURN f;
    ELSIF p_op = 'matter_extend' AND b.asked_on IS NOT NULL THEN
        RETURN registry.fault('FAILED_PRECONDITION', 'asked_on', 'matter.asked', b.asker, b.asked_on);
    ELSIF p_op = 'matter_extend' AND b.due_on < registry.today()::text THEN
        RETURN registry.fault('FAILED_PRECONDITION', 'due_on', 'matter.expired', b.due_on);
    ELSIF p_op IN ('matter_grant', 'matter_refuse') AND b.asked_on IS NULL THEN
        RETURN registry.fault('FAILED_PRECONDITION', 'asked_on', 'matter.unasked');
    ELSIF p_op = 'matter_close' AND b.parts IS NOT NULL THEN
        SELECT count(*) AS n, string_agg(o.name, '、' ORDER BY o.rank, o.code) AS names INTO parts
        FROM registry.matter x JOIN registry.office o ON o.code = x.office WHERE x.whole = b.id AND registry.matter_is_open(x.state);
        IF parts.n > 0 THEN
            RETURN registry.fault('FAILED_PRECONDITION', 'parts', 'matter.parts', parts.n::text, parts.names);
        END IF;
    END IF;
    RETURN NULL;
END $$;

-- ---------------------------------------------------------------- what a matter must be

-- Deadline: a day, or working days from its issue, or the rule set's.
CREATE FUNCTION registry.matter_due(b registry.matter, INOUT n registry.matter, OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    issued_on CONSTANT date := registry.day(n.issued_at)::date;
    today CONSTANT text := registry.today()::text;
BEGIN
    IF n.days IS NOT NULL AND n.days IS DISTINCT FROM b.days AND n.due_on IS DISTINCT FROM b.due_on AND n.due_on IS NOT NULL THEN
        fault := registry.fault('INVALID_ARGUMENT', 'due_on', 'matter.both');
    ELSIF n.days = 0 THEN
        fault := registry.bad('days', '0', 'matter.days');
    ELSIF n.days IS NOT NULL AND n.days IS DISTINCT FROM b.days THEN
        n.due_on := registry.workday_after(issued_on, n.days)::text;
    ELSIF n.due_on IS NULL THEN
        n.days := (SELECT r.days FROM registry.matter_rule r WHERE r.rule_set = registry.rule_set_in_force() AND r.class = n.class);
        n.due_on := registry.workday_after(issued_on, n.days)::text;
        IF n.due_on IS NULL THEN
            fault := registry.fault('INVALID_ARGUMENT', 'due_on', 'matter.none', (SELECT r.name FROM registry.rule_set r WHERE r.in_force),
                '@matter_class:' || n.class);
        END IF;
    ELSIF n.due_on IS DISTINCT FROM b.due_on THEN
        n.days := NULL;
    END IF;
    IF fault.code IS NULL AND length(n.due_on) < 10 THEN
        fault := registry.bad('due_on', n.due_on, 'matter.day');
    ELSIF fault.code IS NULL AND n.due_on IS DISTINCT FROM b.due_on AND n.due_on < today THEN
        fault := registry.bad('due_on', n.due_on, 'matter.past');
    END IF;
END $$;

-- Words for offices become codes, each once, the lead office left out.
CREATE FUNCTION registry.matter_helpers(INOUT n registry.matter, OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    w text;
    codes text[] := '{}';
BEGIN
    FOREACH w IN ARRAY coalesce(n.helpers, '{}') LOOP
        fault := registry.office_fault('helpers', w);
        IF fault.code IS NOT NULL THEN
            RETURN;
        ELSIF registry.resolve('office', w) <> ALL (codes || n.office) THEN
            codes := codes || registry.resolve('office', w);
        END IF;
    END LOOP;
    n.helpers := nullif(codes, '{}');
END $$;

-- The people it names: in use, the reviewer not one of those who work on it. An office that works on it sees its project.
CREATE FUNCTION registry.matter_people(b registry.matter, n registry.matter) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    p registry.project;
    r record;
BEGIN
    FOR r IN SELECT x.field, x.code, a.id FROM (VALUES ('reviewer', n.reviewer, b.reviewer), ('superior', n.superior, b.superior))
                 x(field, code, was) LEFT JOIN registry.account a ON a.code = x.code AND a.enabled
             WHERE x.code IS NOT NULL AND (x.code IS DISTINCT FROM x.was OR b.version = 0) LOOP
        IF r.id IS NULL THEN
            RETURN registry.bad(r.field, r.code, 'matter.account');
        END IF;
    END LOOP;
    IF n.reviewer IS NOT NULL AND registry.belongs((SELECT a.id FROM registry.account a WHERE a.code = n.reviewer), registry.matter_offices(n)) THEN
        RETURN registry.bad('reviewer', n.reviewer, 'matter.reviewer');
    END IF;
    SELECT * INTO p FROM registry.project x WHERE x.id = n.project AND x.restricted;
    FOR r IN SELECT o.name FROM registry.office o WHERE o.code = ANY (registry.matter_offices(n)) AND p.id IS NOT NULL
             AND o.code <> p.office AND o.kind NOT IN ('bureau', 'leader') ORDER BY o.rank, o.code LOOP
        RETURN registry.bad('office', NULL, 'matter.hidden', r.name);
    END LOOP;
    RETURN NULL;
END $$;

-- What it may be a part of: an open matter of one's own issue that is no part itself.
CREATE FUNCTION registry.matter_whole(p_account int, n registry.matter) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    w CONSTANT registry.matter := registry.matter_seen(p_account, n.whole);
BEGIN
    IF w.id IS NULL OR w.state <> ALL (registry.matter_states('matter_split')) OR w.project IS DISTINCT FROM n.project THEN
        RETURN registry.bad('whole', n.whole, 'matter.whole');
    ELSIF w.whole IS NOT NULL THEN
        RETURN registry.bad('whole', n.whole, 'matter.twice');
    END IF;
    RETURN registry.matter_party(p_account, 'matter_split', w);
END $$;

-- What a split adds: offices, by word, behind those the matter was split to before.
CREATE FUNCTION registry.matter_parts(p_account int, b registry.matter, INOUT n registry.matter, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    w text;
    o text;
    x registry.matter := b; -- the part
    codes text[] := coalesce(b.parts, '{}');
BEGIN
    IF n.whole IS NOT NULL THEN
        fault := registry.fault('FAILED_PRECONDITION', 'whole', 'matter.twice');
    ELSIF coalesce(cardinality(n.parts), 0) NOT BETWEEN 1 AND 50 THEN
        fault := registry.bad('parts', NULL, 'field.required');
    ELSE
        FOREACH w IN ARRAY n.parts LOOP
            o := registry.resolve('office', btrim(w));
            fault := registry.office_fault('office', w);
            fault := CASE WHEN fault.code IS NOT NULL THEN fault
                WHEN o = ANY (codes || b.office) THEN registry.bad('office', w, 'matter.part')
                WHEN NOT registry.matter_reviews(p_account, b) AND (o = ANY (b.helpers)) IS NOT TRUE THEN registry.bad('office', w, 'matter.helper') END;
            x.office := o;
            x.helpers := NULL;
            fault := CASE WHEN fault.code IS NULL THEN registry.matter_people(b, x) ELSE fault END;
            EXIT WHEN fault.code IS NOT NULL;
            codes := codes || o;
        END LOOP;
        n.parts := codes;
    END IF;
END $$;

-- A new matter begins.
CREATE FUNCTION registry.matter_begin(p_account int, INOUT n registry.matter) LANGUAGE plpgsql STABLE AS $$
BEGIN
    n.issuer := registry.account_code(p_account);
    n.issuer_office := coalesce(n.issuer_office, registry.office_issuing(p_account),
        (SELECT a.office FROM registry.account a WHERE a.id = p_account));
    n.issued_at := registry.now();
    n.state := 'issued';
    n.mover := n.issuer;
    n.moved_at := n.issued_at;
    n.light := 'none';
END $$;

CREATE FUNCTION registry.matter_new(p_account int, b registry.matter, INOUT n registry.matter, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    n := registry.matter_begin(p_account, n);
    IF NOT registry.may(p_account, 'assign', NULL) AND n.class NOT IN ('request', 'guarantee', 'help') THEN
        fault := registry.fault('PERMISSION_DENIED', 'class', 'matter.class');
    ELSIF n.class = 'help' AND n.office = n.issuer_office THEN
        fault := registry.fault('INVALID_ARGUMENT', 'office', 'matter.help');
    ELSIF n.of IS NOT NULL AND registry.record_seen(p_account, n.of) IS NOT TRUE THEN
        fault := registry.bad('of', n.of, 'matter.of');
    ELSIF n.whole IS NOT NULL THEN
        fault := registry.matter_whole(p_account, n);
    END IF;
END $$;

-- The first field set here that only an operation of its own may write, or that stays as it was issued.
CREATE FUNCTION registry.matter_foreign(b registry.matter, n registry.matter) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    name CONSTANT text := (SELECT f.name FROM registry.field f WHERE f.kind = 'matter' AND registry.matter_diff(b, n) ? f.number::text
        AND (f.name IN ('report', 'asked_on', 'satisfaction') OR b.version > 0 AND f.name IN ('whole', 'of')) ORDER BY f.number LIMIT 1);
BEGIN
    RETURN CASE WHEN name IS NOT NULL THEN registry.bad(name, NULL, 'field.readonly') END;
END $$;

-- A change of fields by who reviews it.
CREATE FUNCTION registry.matter_edit(p_account int, b registry.matter, n registry.matter) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN n.office <> b.office AND b.state <> 'issued' THEN registry.fault('FAILED_PRECONDITION', 'office', 'matter.office')
        WHEN n.class <> b.class AND NOT registry.may(p_account, 'assign', NULL) THEN
            registry.fault('PERMISSION_DENIED', 'class', 'matter.class') END;
END $$;

-- What an operation needs besides its state: reason, report, evidence, days.
CREATE FUNCTION registry.matter_needs(p_op text, b registry.matter, n registry.matter) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE
        WHEN p_op IN ('matter_return', 'matter_withdraw', 'matter_extend', 'matter_refuse') AND n.reason IS NULL THEN
            registry.fault('INVALID_ARGUMENT', 'reason', 'matter.reason')
        WHEN p_op = 'matter_report' AND n.report IS NULL THEN registry.bad('report', NULL, 'field.required')
        WHEN p_op = 'matter_report' AND b.needs_evidence AND NOT EXISTS (
                SELECT FROM registry.evidence e WHERE e."of" = b.id AND e.state = 'ready') THEN
            registry.fault('FAILED_PRECONDITION', 'needs_evidence', 'matter.evidence')
        WHEN p_op = 'matter_extend' AND coalesce(length(n.asked_on), 0) < 10 THEN registry.bad('asked_on', n.asked_on, 'matter.day')
        WHEN p_op = 'matter_extend' AND n.asked_on <= b.due_on THEN registry.fault('INVALID_ARGUMENT', 'asked_on', 'matter.longer', b.due_on)
        WHEN p_op = 'matter_close' AND n.satisfaction IS NOT NULL AND (b.class <> 'request' OR n.satisfaction NOT BETWEEN 1 AND 5) THEN
            registry.fault('INVALID_ARGUMENT', 'satisfaction', 'matter.satisfaction') END;
END $$;

-- Helping offices sign for their part, each with its own time to sign.
CREATE FUNCTION registry.matter_helped(p_account int, b registry.matter, INOUT n registry.matter) LANGUAGE plpgsql STABLE AS $$
DECLARE
    o text;
BEGIN
    FOREACH o IN ARRAY registry.acts_for(p_account, registry.helpers_unsigned(b)) LOOP
        n.helpers_signed := n.helpers_signed || o;
        n.helper_signers := n.helper_signers || registry.account_code(p_account);
        n.helper_minutes := n.helper_minutes || registry.minutes_since(registry.helper_asked_at(b, o))::text;
    END LOOP;
END $$;

CREATE FUNCTION registry.minutes_since(p_at timestamptz) RETURNS int LANGUAGE sql STABLE AS $$
    SELECT least(floor(extract(epoch FROM registry.now() - p_at) / 60), 2147483647)::int
$$;

-- What an operation does to the row.
CREATE FUNCTION registry.matter_moved(p_op text, p_actor text, b registry.matter, INOUT n registry.matter) LANGUAGE plpgsql STABLE AS $$
DECLARE
    now_at CONSTANT timestamptz := registry.now();
BEGIN
    n.state := CASE p_op WHEN 'matter_sign' THEN 'signed' WHEN 'matter_start' THEN 'working' WHEN 'matter_report' THEN 'reported'
        WHEN 'matter_close' THEN 'closed' WHEN 'matter_return' THEN 'working' WHEN 'matter_withdraw' THEN 'withdrawn' ELSE b.state END;
    CASE p_op
    WHEN 'matter_sign' THEN
        n.signer := p_actor;
        n.signed_at := now_at;
        n.sign_minutes := registry.minutes_since(b.issued_at);
    WHEN 'matter_report' THEN
        n.reporter := p_actor;
        n.reported_at := now_at;
    WHEN 'matter_return' THEN
        n.returns := coalesce(b.returns, 0) + 1;
    WHEN 'matter_extend' THEN
        n.asker := p_actor;
    WHEN 'matter_grant' THEN
        n.due_on := b.asked_on;
        n.days := NULL;
        n.asked_on := NULL;
        n.extensions := coalesce(b.extensions, 0) + 1;
    WHEN 'matter_refuse' THEN
        n.asked_on := NULL;
    WHEN 'matter_close' THEN
        n.closed_at := now_at;
        n.asked_on := NULL;
    ELSE
        NULL;
    END CASE;
    IF n.state <> b.state THEN
        n.mover := p_actor;
        n.moved_at := now_at;
    END IF;
END $$;

CREATE FUNCTION registry.matter_rules(p_account int, p_op text, b registry.matter, INOUT n registry.matter,
    OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    s record;
BEGIN
    IF p_op = 'matter_set' THEN
        fault := registry.matter_foreign(b, n);
    END IF;
    IF fault.code IS NOT NULL OR n.class IS NULL THEN -- a class is asked for behind this
        RETURN;
    ELSIF b.version = 0 THEN
        s := registry.matter_new(p_account, b, n);
        n := s.n;
        fault := s.fault;
    ELSIF p_op = 'matter_split' THEN
        s := registry.matter_parts(p_account, b, n);
        n := s.n;
        fault := s.fault;
    ELSIF p_op = 'matter_set' THEN
        fault := registry.matter_edit(p_account, b, n);
    ELSIF p_op = 'matter_sign' AND registry.matter_helps(p_account, b) THEN
        n := registry.matter_helped(p_account, b, n);
        RETURN; -- the matter stays where it is
    ELSE
        fault := registry.matter_needs(p_op, b, n);
        n := registry.matter_moved(p_op, registry.account_code(p_account), b, registry.matter_clock(n)); -- as late as now, fired or not
    END IF;
    IF fault.code IS NULL AND p_op = 'matter_set' THEN
        s := registry.matter_helpers(n);
        n := s.n;
        fault := s.fault;
        IF fault.code IS NULL THEN
            s := registry.matter_due(b, n);
            n := s.n;
            fault := coalesce(s.fault, registry.matter_people(b, n));
        END IF;
    END IF;
    IF fault.code IS NULL THEN
        n := registry.matter_clock(n);
    END IF;
END $$;

-- ---------------------------------------------------------------- what else changes

-- A matter for another office with what is said of w.
CREATE FUNCTION registry.matter_part(p_account int, w registry.matter, p_office text, p_issuer_office text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    n registry.matter;
BEGIN
    n.whole := w.id;
    n.office := p_office;
    n.issuer_office := p_issuer_office;
    SELECT w.project, w.no, w.class, w.subject, w.demand, w.enterprise, w.due_on, w.needs_evidence, w.reviewer, w.superior
    INTO n.project, n.no, n.class, n.subject, n.demand, n.enterprise, n.due_on, n.needs_evidence, n.reviewer, n.superior;
    n := registry.matter_clock(registry.matter_begin(p_account, n));
    INSERT INTO registry.matter SELECT n.*;
END $$;

-- The parts of a split; a whole that learns of a part; parts that go with a whole that is withdrawn.
CREATE FUNCTION registry.matter_effects(p_account int, p_op text, b registry.matter, n registry.matter) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    office text;
BEGIN
    IF p_op = 'matter_split' THEN
        FOREACH office IN ARRAY n.parts[coalesce(cardinality(b.parts), 0) + 1 :] LOOP
            PERFORM registry.matter_part(p_account, n, office, CASE WHEN registry.matter_performs(p_account, b) THEN b.office ELSE b.issuer_office END);
        END LOOP;
    ELSIF b.version = 0 AND n.whole IS NOT NULL THEN
        UPDATE registry.matter w SET parts = w.parts || n.office
        WHERE w.id = n.whole AND w.state = ANY (registry.matter_states('matter_split'));
        IF NOT FOUND THEN -- it was closed a moment ago: once more, and the rules will say so
            RAISE EXCEPTION 'matter % moved on', n.whole USING ERRCODE = 'serialization_failure';
        END IF;
    ELSIF p_op = 'matter_withdraw' AND n.parts IS NOT NULL THEN
        PERFORM FROM registry.matter x WHERE x.whole = n.id AND registry.matter_is_open(x.state) ORDER BY x.id FOR UPDATE;
        UPDATE registry.matter x SET (state, mover, moved_at, reason, light, turn_at, escalated_to) =
            (n.state, n.mover, n.moved_at, n.reason, 'none', NULL, NULL)
        WHERE x.whole = n.id AND registry.matter_is_open(x.state);
    END IF;
END $$;

SELECT registry.generate_record('matter', '-issued_at');
DROP TRIGGER matter_journal ON registry.matter; -- when its next turn comes is nobody's news
CREATE TRIGGER matter_journal BEFORE INSERT OR UPDATE ON registry.matter FOR EACH ROW
    WHEN (coalesce(current_setting('qipan.retime', true), '') = '') EXECUTE FUNCTION registry.matter_journal();

-- Clocks that changed, or came into force, hold for open matters from that moment: their light, their next turn. Deadlines stay.
CREATE FUNCTION registry.matters_retime() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    b registry.matter;
    n registry.matter;
BEGIN
    FOR b IN SELECT * FROM registry.matter x WHERE x.state IN ('issued', 'signed', 'working') ORDER BY x.id LOOP
        n := registry.matter_clock(b);
        CONTINUE WHEN (n.light, n.turn_at, n.escalated_to) IS NOT DISTINCT FROM (b.light, b.turn_at, b.escalated_to);
        SELECT * INTO b FROM registry.matter x WHERE x.id = b.id FOR NO KEY UPDATE;
        n := registry.matter_clock(b);
        PERFORM set_config('qipan.retime', CASE WHEN (n.light, n.escalated_to) IS NOT DISTINCT FROM (b.light, b.escalated_to) THEN 'on' ELSE '' END, true);
        UPDATE registry.matter x SET (light, turn_at, escalated_to) = (n.light, n.turn_at, n.escalated_to) WHERE x.id = b.id;
    END LOOP;
    PERFORM set_config('qipan.retime', '', true);
END $$;

SELECT registry.on_rules('matter_rule', 'matters_retime');

-- A matter issued by something else (a meeting's decision, an inspection's finding, a case), in the entry that is open: its id.
-- p_project: an id or null; p_due_on: a whole day, or null for the rule set's working days; p_of: id of what it comes from.
-- The caller has asked for rights; what doesn't fit raises.
CREATE FUNCTION registry.matter_issue(p_account int, p_class text, p_office text, p_project text, p_subject text, p_due_on text,
    p_of text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    b registry.matter;
    n registry.matter;
    s record;
BEGIN
    n.class := p_class;
    n.office := p_office;
    n.project := p_project;
    n.no := (SELECT p.no FROM registry.project p WHERE p.id = p_project);
    n.subject := left(btrim(p_subject), 200);
    n.due_on := p_due_on;
    n.of := p_of;
    n := registry.matter_begin(p_account, n);
    s := registry.matter_due(b, n);
    IF (s.fault).code IS NOT NULL THEN
        RAISE EXCEPTION 'no matter with deadline %: %', p_due_on, (s.fault).key USING ERRCODE = 'invalid_parameter_value';
    END IF;
    n := registry.matter_clock(s.n);
    INSERT INTO registry.matter SELECT n.* RETURNING * INTO n;
    RETURN n.id;
END $$;

-- ---------------------------------------------------------------- operations

-- The moves. A reason that the loop needs stands in the row, too.
CREATE FUNCTION registry.reason_kept(p_reason text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('reason', nullif(btrim(p_reason), ''))
$$;

CREATE FUNCTION api.matter_sign(p_account int, p_lang text, p_request text, p_digest bytea, id text, reason text) RETURNS api.matter_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.matter_change(p_account, p_lang, p_request, p_digest, NULL, 'matter_sign', id, NULL, NULL, reason, false);
END $$;

CREATE FUNCTION api.matter_start(p_account int, p_lang text, p_request text, p_digest bytea, id text, reason text) RETURNS api.matter_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.matter_change(p_account, p_lang, p_request, p_digest, NULL, 'matter_start', id, NULL, NULL, reason, false);
END $$;

CREATE FUNCTION api.matter_return(p_account int, p_lang text, p_request text, p_digest bytea, id text, reason text) RETURNS api.matter_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.matter_change(p_account, p_lang, p_request, p_digest, NULL, 'matter_return', id, NULL, registry.reason_kept(reason), reason, false);
END $$;

CREATE FUNCTION api.matter_withdraw(p_account int, p_lang text, p_request text, p_digest bytea, id text, reason text) RETURNS api.matter_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.matter_change(p_account, p_lang, p_request, p_digest, NULL, 'matter_withdraw', id, NULL, registry.reason_kept(reason), reason, false);
END $$;

CREATE FUNCTION api.matter_grant(p_account int, p_lang text, p_request text, p_digest bytea, id text, reason text) RETURNS api.matter_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.matter_change(p_account, p_lang, p_request, p_digest, NULL, 'matter_grant', id, NULL, NULL, reason, false);
END $$;

CREATE FUNCTION api.matter_refuse(p_account int, p_lang text, p_request text, p_digest bytea, id text, reason text) RETURNS api.matter_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.matter_change(p_account, p_lang, p_request, p_digest, NULL, 'matter_refuse', id, NULL, registry.reason_kept(reason), reason, false);
END $$;

CREATE FUNCTION api.matter_report(p_account int, p_lang text, p_request text, p_digest bytea, id text, report text)
RETURNS api.matter_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.matter_change(p_account, p_lang, p_request, p_digest, NULL, 'matter_report', id,
        jsonb_build_object('report', report), NULL, NULL, false);
END $$;

CREATE FUNCTION api.matter_close(p_account int, p_lang text, p_request text, p_digest bytea, id text, satisfaction int, reason text)
RETURNS api.matter_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.matter_change(p_account, p_lang, p_request, p_digest, NULL, 'matter_close', id,
        CASE WHEN satisfaction IS NOT NULL THEN jsonb_build_object('satisfaction', satisfaction) END,
        NULL, reason, false);
END $$;

CREATE FUNCTION api.matter_extend(p_account int, p_lang text, p_request text, p_digest bytea, id text, due_on text, reason text)
RETURNS api.matter_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.matter_change(p_account, p_lang, p_request, p_digest, NULL, 'matter_extend', id,
        jsonb_build_object('asked_on', due_on), registry.reason_kept(reason), reason, false);
END $$;

CREATE FUNCTION api.matter_split(p_account int, p_lang text, p_request text, p_digest bytea, id text, offices text[], reason text)
RETURNS api.matter_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.matter_change(p_account, p_lang, p_request, p_digest, NULL, 'matter_split', id, NULL,
        jsonb_build_object('parts', coalesce(to_jsonb(offices), '[]')), reason, false);
END $$;

-- Work lists of the caller and his offices, by deadline. what: sign, do, review, overdue; absent = all that is open.
CREATE FUNCTION api.matter_mine(p_account int, p_lang text, what text, terms jsonb, after text, "limit" int)
RETURNS api.matter_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.matter_list_reply;
    offices CONSTANT text[] := registry.offices_at_work(p_account);
    works CONSTANT text := format('(p.office = ANY (%1$L) OR p.helpers && %1$L)', offices);
    reviews CONSTANT text := format('(p.issuer_office = ANY (%L) OR p.reviewer = %L) AND %s IS NOT TRUE', offices, registry.account_code(p_account), works);
    condition text;
BEGIN
    condition := CASE coalesce(nullif(btrim(what), ''), 'all')
        WHEN 'all' THEN format('(%s OR %s)', works, reviews)
        WHEN 'sign' THEN format('(p.state = ''issued'' AND p.office = ANY (%1$L) OR p.state <> ''reported'' AND p.helpers && %1$L AND registry.helpers_unsigned(p) && %1$L)', offices)
        WHEN 'do' THEN format('p.state IN (''signed'', ''working'') AND %s', works)
        WHEN 'review' THEN format('(p.state = ''reported'' OR p.asked_on IS NOT NULL) AND %s', reviews)
        WHEN 'overdue' THEN format('p.light <> ''none'' AND (%s OR %s OR p.escalated_to = %L)', works, reviews,
            registry.account_code(p_account)) END;
    IF condition IS NULL THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'what', 'matter.what', what);
        r.error.allowed := '{sign,do,review,overdue}';
        RETURN r;
    END IF;
    RETURN registry.matter_list(p_account, p_lang, terms, 'due_on', after, "limit",
        'p.state NOT IN (''closed'', ''withdrawn'') AND ' || condition);
END $$;

-- ---------------------------------------------------------------- the calendar's operations

CREATE TYPE api.holiday AS (day text, kind text, note text);
CREATE TYPE api.calendar_reply AS (error api.error, holiday api.holiday, replayed boolean);
CREATE TYPE api.calendar_list_reply AS (error api.error, rows api.holiday[], next text);

CREATE FUNCTION registry.holiday_row(h registry.holiday) RETURNS api.holiday LANGUAGE sql IMMUTABLE AS $$
    SELECT ROW(h.day::text, CASE WHEN h."off" THEN 'off' ELSE 'work' END, h.note)::api.holiday
$$;

-- Lays out a day of the county: off, work, or week: what its day of the week says. Deadlines that were computed stay.
CREATE FUNCTION api.calendar_set(p_account int, p_lang text, p_request text, p_digest bytea, day text, kind text, note text)
RETURNS api.calendar_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    e registry.entry := registry.seen(p_account, p_request);
    r api.calendar_reply;
    f registry.finding := registry.unless_may(p_account, 'county', NULL);
    h registry.holiday;
BEGIN
    r.error := registry.request_fault(p_lang, p_request, e, 'calendar_set', p_digest, NULL);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        r.replayed := true;
        r.error := CASE WHEN e.status <> 'OK' THEN registry.refused_again(e) END;
        r.holiday := CASE WHEN e.status = 'OK' THEN jsonb_populate_record(NULL::api.holiday, e.reply) END;
        RETURN r;
    END IF;
    IF f.code IS NULL AND (coalesce(length(day), 0) < 10 OR NOT registry.is_ymd(day) OR left(day, 4) NOT BETWEEN '1990' AND '2100') THEN
        f := registry.fault('INVALID_ARGUMENT', 'day', 'calendar.day', day);
    ELSIF f.code IS NULL AND (kind IN ('off', 'work', 'week')) IS NOT TRUE THEN
        f := registry.fault('INVALID_ARGUMENT', 'kind', 'calendar.kind', kind);
    ELSIF f.code IS NULL AND length(note) > 100 THEN
        f := registry.fault('INVALID_ARGUMENT', 'note', 'text.long', 'note', NULL, '100');
    END IF;
    IF f.code IS NOT NULL THEN
        r.error := registry.record_error(p_lang, 'matter', f);
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'calendar_set', NULL, NULL, r.error);
        RETURN r;
    END IF;
    INSERT INTO registry.holiday AS x (day, "off", note)
    SELECT d, CASE calendar_set.kind WHEN 'week' THEN extract(isodow FROM d) >= 6 ELSE calendar_set.kind = 'off' END, nullif(btrim(calendar_set.note), '')
    FROM (SELECT calendar_set.day::date AS d) y
    ON CONFLICT ON CONSTRAINT holiday_pkey DO UPDATE SET "off" = excluded."off", note = excluded.note RETURNING x.* INTO h;
    r.holiday := registry.holiday_row(h);
    PERFORM registry.keep(p_account, p_request, p_digest, 'calendar_set', NULL, 'OK', day, NULL, NULL, NULL, to_jsonb(r.holiday));
    RETURN r;
END $$;

-- Days of the calendar that are not what their day of the week says, or were said to be; year: 2026 or 2026-10.
CREATE FUNCTION api.calendar_list(p_account int, p_lang text, year text, after text, "limit" int) RETURNS api.calendar_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.calendar_list_reply;
    most CONSTANT int := least(greatest(coalesce("limit", 100), 1), 100); -- they fit a frame
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    END IF;
    r.rows := ARRAY(SELECT registry.holiday_row(h) FROM registry.holiday h
        WHERE starts_with(h.day::text, coalesce(btrim(year), '')) AND h.day::text > coalesce(after, '') ORDER BY h.day LIMIT most + 1);
    IF cardinality(r.rows) > most THEN
        r.next := r.rows[most].day;
        r.rows := r.rows[:most];
    END IF;
    RETURN r;
END $$;
