-- SPDX-License-Identifier: Apache-2.0
-- Cases: who may open, move, decide them and when; opinions; the records a case in force writes.
--
--   opened … steps of the class, in order … → decided ⇄ objection → in_force | rejected      withdrawn from any step
--
-- The procedure of a case is that of the rule set it was opened under (registry.case_class, case_step, case_ruling).

-- May the account say something in the name of an office? The bureau writes for all, but speaks for itself.
CREATE FUNCTION registry.speaks_for(p_account int, p_office text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.may(p_account, 'write', p_office) AND registry.belongs(p_account, ARRAY[p_office]);
END $$;

-- ---------------------------------------------------------------- where a case stands

-- Not decided yet, nor withdrawn.
CREATE FUNCTION registry.case_open(p_state text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_state NOT IN ('decided', 'in_force', 'rejected', 'withdrawn')
$$;

CREATE FUNCTION registry.case_rules_name(c registry."case") RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT s.name FROM registry.rule_set s WHERE s.id = c.rule_set);
END $$;

-- The step after the present one; null = there is none.
CREATE FUNCTION registry.case_next(c registry."case") RETURNS registry.case_step LANGUAGE plpgsql STABLE AS $$
DECLARE
    s registry.case_step;
BEGIN
    SELECT n.* INTO s FROM registry.case_step b JOIN registry.case_step n ON n.rule_set = b.rule_set AND n.class = b.class AND n.rank > b.rank
    WHERE b.rule_set = c.rule_set AND b.class = c.class AND b.step = c.state ORDER BY n.rank LIMIT 1;
    RETURN s;
END $$;

-- Offices a case is about.
CREATE FUNCTION registry.case_parties(c registry."case") RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY(SELECT p.office FROM registry.project p WHERE p.id IN (c.project, c.other_project)
                 UNION SELECT c.other_office WHERE c.other_office IS NOT NULL ORDER BY 1);
END $$;

-- In whose name the account may object: an office the case is about, that hasn't yet.
CREATE FUNCTION registry.case_objector(p_account int, c registry."case") RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT o FROM unnest(registry.case_parties(c)) o WHERE registry.speaks_for(p_account, o)
            AND NOT EXISTS (SELECT FROM registry.opinion x WHERE x.of = c.id AND x.class = 'objection' AND x.office = o) ORDER BY 1 LIMIT 1);
END $$;

-- What keeps a case that is in no open state from being changed: says who brought it there, and when.
CREATE FUNCTION registry.case_ended(c registry."case") RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN c.decider IS NOT NULL AND NOT registry.case_open(c.state) THEN
            registry.fault('FAILED_PRECONDITION', 'state', 'case.decided', c.decider, registry.minute(c.decided_at), registry.coded('case_ruling', c.ruling))
        WHEN NOT registry.case_open(c.state) THEN
            registry.fault('FAILED_PRECONDITION', 'state', 'case.ended', registry.coded('case_state', c.state), c.mover, registry.minute(c.step_at)) END;
END $$;

-- A code as an argument of a sentence: said in the caller's words.
CREATE FUNCTION registry.coded(p_kind text, p_code text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT concat('@', p_kind, ':', p_code) $$;

-- Files that show something of an object.
CREATE FUNCTION registry.evidence_count(p_of text) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT count(*) FROM registry.evidence e WHERE e.of = p_of AND e.state = 'ready');
END $$;

-- The first thing that a step needs and isn't there; null = nothing.
CREATE FUNCTION registry.case_missing(c registry."case", s registry.case_step) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    asked int := (SELECT count(*) FROM registry.opinion o WHERE o.of = c.id AND o.class = 'opinion');
    files int := registry.evidence_count(c.id) + registry.evidence_count(c.of);
    from_on date := registry.day(c.step_at)::date + s.notice_days;
    o registry.opinion;
    key text;
    said text[];
BEGIN
    IF s.agreed THEN
        SELECT * INTO o FROM registry.opinion x WHERE x.of = c.id AND x.class = 'consent' AND (x.stance IN ('agree', 'conditions')) IS NOT TRUE
          -- for an office that became part of another party, that one speaks
          AND NOT EXISTS (SELECT FROM registry.opinion h WHERE h.of = x.of AND h.class = x.class AND h.id <> x.id AND h.office = registry.office_now(x.office))
        ORDER BY x.state = 'given' DESC, x.office LIMIT 1;
    END IF;
    IF o.id IS NULL AND s.opinions > 0 AND asked >= s.opinions THEN
        SELECT * INTO o FROM registry.opinion x WHERE x.of = c.id AND x.class = 'opinion' AND x.state = 'asked' AND x.until_on >= registry.today()::text
        ORDER BY x.until_on DESC, x.office LIMIT 1;
    END IF;
    IF o.id IS NOT NULL THEN
        key := CASE WHEN o.class = 'opinion' THEN 'need_given' WHEN o.state = 'given' THEN 'refused' ELSE 'need_agreed' END;
        said := ARRAY[registry.coded('office', o.office), o.until_on];
    ELSIF asked < s.opinions THEN
        key := 'need_asked';
        said := ARRAY[s.opinions::text, asked::text];
    ELSIF files < s.evidence THEN
        key := 'need_evidence';
        said := ARRAY[s.evidence::text, files::text];
    ELSIF s.notice_days > 0 AND registry.today() < from_on THEN
        key := 'need_notice';
        said := ARRAY[s.notice_days::text, from_on::text];
    END IF;
    RETURN CASE WHEN key IS NOT NULL THEN registry.fault('FAILED_PRECONDITION', 'state', 'case.' || key,
        VARIADIC ARRAY[registry.coded('case_state', s.step), registry.case_rules_name(c)] || said) END;
END $$;

-- ---------------------------------------------------------------- who may

-- Nobody decides what is his own: opened by him, about him, or about his office where the rule set says so.
CREATE FUNCTION registry.case_own(p_account int, c registry."case") RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    me registry.account;
    key text;
BEGIN
    SELECT * INTO me FROM registry.account a WHERE a.id = p_account;
    key := CASE WHEN c.actor = me.code THEN 'case.own_opened'
        WHEN c.person IN (me.code, me.name) OR registry.took_part(p_account, c.of) THEN 'case.own_subject' -- he reported what is to be recognised
        WHEN registry.belongs(p_account, registry.case_parties(c)) AND NOT (SELECT k.party_decides FROM registry.case_class k
            WHERE k.rule_set = c.rule_set AND k.class = c.class) THEN 'case.own_party' END;
    RETURN CASE WHEN key IS NOT NULL THEN registry.fault('PERMISSION_DENIED', NULL, key, registry.case_rules_name(c)) END;
END $$;

-- Taking a case back, or putting other words into it, ends it as surely as a ruling: whom another's case is about does neither. Once
-- it was ruled on, only who may rule on it takes it back.
CREATE FUNCTION registry.case_kept(p_account int, p_op text, c registry."case") RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    me registry.account;
    ruled CONSTANT boolean := p_op = 'case_withdraw' AND c.decider IS NOT NULL;
    f registry.finding := CASE WHEN ruled THEN registry.unless_may(p_account, 'decide', NULL) END;
BEGIN
    SELECT * INTO me FROM registry.account a WHERE a.id = p_account;
    RETURN CASE WHEN f.code IS NOT NULL THEN f
        WHEN ruled OR c.actor <> me.code AND (c.person IN (me.code, me.name) OR NOT registry.belongs(p_account, ARRAY[c.office]))
            THEN registry.case_own(p_account, c) END;
END $$;

CREATE FUNCTION registry.case_may(p_account int, p_op text, b registry."case", p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding;
BEGIN
    IF p_op IN ('case_decide', 'case_ask') THEN
        f := registry.unless_may(p_account, CASE p_op WHEN 'case_decide' THEN 'decide' ELSE 'assign' END, NULL);
        RETURN CASE WHEN f.code IS NULL AND b.version > 0 AND p_op = 'case_decide' THEN registry.case_own(p_account, b) ELSE f END;
    ELSIF p_op = 'case_object' THEN
        f := registry.unless_may(p_account, 'write', NULL);
        RETURN CASE WHEN f.code IS NULL AND b.version > 0 AND NOT EXISTS (SELECT FROM unnest(registry.case_parties(b)) o
            WHERE registry.speaks_for(p_account, o)) THEN registry.fault('PERMISSION_DENIED', NULL, 'case.party') ELSE f END;
    ELSIF NOT registry.may(p_account, 'assign', NULL) THEN
        f := registry.unless_may(p_account, 'write', b.office);
    END IF;
    RETURN CASE WHEN f.code IS NULL AND b.version > 0 AND p_op IN ('case_set', 'case_withdraw') AND (registry.case_ended(b)).code IS NULL
        THEN registry.case_kept(p_account, p_op, b) ELSE f END;
END $$;

-- ---------------------------------------------------------------- opening

-- The other project as it was given, resolved, and who shares it.
CREATE FUNCTION registry.case_other(p_account int, INOUT n registry."case", OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    q registry.project;
BEGIN
    IF n.other_project IS NULL THEN
        RETURN;
    END IF;
    q := registry.project_seen(p_account, n.other_project);
    IF q.id IS NULL THEN
        fault := registry.fault('NOT_FOUND', 'other_project', 'project.none', n.other_project);
    ELSIF q.id = n.project THEN
        fault := registry.bad('other_project', n.other_project, 'case.same');
    END IF;
    n.other_project := q.id;
    n.other_no := q.no;
END $$;

-- Null if the account may open a case of this class about these projects.
CREATE FUNCTION registry.case_opens(p_account int, n registry."case", k registry.case_class) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF registry.may(p_account, 'assign', NULL) OR k.opens = 'write' AND EXISTS (SELECT FROM registry.project p
            WHERE p.id IN (n.project, n.other_project) AND registry.may(p_account, 'write', p.office)) THEN
        RETURN NULL;
    END IF;
    RETURN registry.fault('PERMISSION_DENIED', NULL, CASE k.opens WHEN 'write' THEN 'case.opens' ELSE 'case.opens_county' END, registry.case_rules_name(n));
END $$;

-- A case about the same that is not finished, or a project that can't have one any more.
CREATE FUNCTION registry.case_taken(n registry."case") RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    c registry."case";
    gone text := (SELECT p.no FROM registry.project p WHERE p.id IN (n.project, n.other_project) AND p.stage = 'exited' LIMIT 1);
    f registry.finding;
BEGIN
    IF gone IS NOT NULL AND n.class NOT IN ('accountability', 'reward') THEN
        RETURN registry.fault('FAILED_PRECONDITION', 'project', 'case.exited', gone);
    END IF;
    SELECT * INTO c FROM registry."case" x WHERE x.class = n.class AND x.state NOT IN ('in_force', 'rejected', 'withdrawn')
        AND registry.case_key(x.class, x.project, x.other_project, x.other_office, x.of, x.person)
          = registry.case_key(n.class, n.project, n.other_project, n.other_office, n.of, n.person);
    IF c.id IS NOT NULL THEN
        f := registry.fault('ALREADY_EXISTS', 'project', 'case.twin', c.id, '@account:' || c.actor, registry.minute(c.opened_at));
        f.other_no := c.no;
        f.other_office := c.office;
        f.at := c.opened_at;
    END IF;
    RETURN f;
END $$;

-- The plot of this id or name; null = none, or several of that name.
CREATE FUNCTION registry.plot_named(p_word text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT CASE WHEN count(*) = 1 OR bool_or(p.id = p_word) THEN max(p.id) END FROM registry.plot p WHERE p_word IN (p.id, p.name));
END $$;

-- Values that must fit the case: the plot it wants, which stage it opens, which project stays, how credit is shared.
CREATE FUNCTION registry.case_fit(INOUT n registry."case", OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    b CONSTANT text := (SELECT p.stage FROM registry.project p WHERE p.id = n.project);
BEGIN
    IF n.survivor IS NOT NULL THEN
        n.survivor := coalesce((registry.project_find(n.survivor)).id, n.survivor);
    END IF;
    IF n.plot IS NOT NULL AND registry.plot_named(n.plot) IS NULL THEN
        fault := registry.fault('NOT_FOUND', 'plot', 'record.none', n.plot);
    ELSIF n.stage IS NOT NULL AND n.stage <> ALL (registry.moves(b)) THEN
        fault := ROW('FAILED_PRECONDITION', 'stage', n.stage, 'stage.move', ARRAY[b], registry.moves(b), NULL, NULL, NULL);
    ELSIF n.survivor NOT IN (n.project, coalesce(n.other_project, '')) THEN
        fault := registry.bad('survivor', n.survivor, 'case.survivor');
    ELSIF EXISTS (SELECT FROM registry.shares_read(n.shares) x WHERE x.indicator IS NULL) THEN
        fault := registry.bad('shares', n.shares, 'case.shares');
    END IF;
    n.plot := registry.plot_named(n.plot);
END $$;

CREATE FUNCTION registry.case_opened(p_account int, b registry."case", INOUT n registry."case", OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    k registry.case_class;
    x record;
    missing text;
BEGIN
    n.rule_set := registry.rule_set_in_force();
    SELECT * INTO k FROM registry.case_class q WHERE q.rule_set = n.rule_set AND q.class = n.class;
    missing := (SELECT f FROM unnest(ARRAY['class'] || k.needs) WITH ORDINALITY u(f, i) WHERE to_jsonb(n) ->> f IS NULL ORDER BY i LIMIT 1);
    IF missing IS NOT NULL THEN
        fault := registry.bad(missing, NULL, 'field.required');
        RETURN;
    ELSIF k.class IS NULL THEN
        fault := registry.fault('FAILED_PRECONDITION', 'class', 'case.no_class', registry.case_rules_name(n));
        RETURN;
    END IF;
    x := registry.case_other(p_account, n);
    n := x.n;
    fault := x.fault;
    IF fault.code IS NULL THEN
        fault := registry.case_opens(p_account, n, k);
    END IF;
    IF fault.code IS NULL AND n.class = 'transfer' AND n.other_office = (SELECT p.office FROM registry.project p WHERE p.id = n.project) THEN
        fault := registry.bad('other_office', n.other_office, 'case.same_office');
    ELSIF fault.code IS NULL AND n.class = 'recognition' AND (to_regproc('registry.' || registry.kind_of(n.of) || '_recognise') IS NULL
            OR registry.parent_of(registry.kind_of(n.of), n.of) IS DISTINCT FROM n.project) THEN
        fault := registry.fault('NOT_FOUND', 'of', 'record.none', n.of);
    ELSIF fault.code IS NULL THEN
        fault := registry.case_taken(n);
    END IF;
    n.state := (SELECT s.step FROM registry.case_step s WHERE s.rule_set = n.rule_set AND s.class = n.class ORDER BY s.rank LIMIT 1);
    n.actor := registry.account_code(p_account);
    n.opened_at := registry.now();
END $$;

-- Of an open case: what it says may be put right, what it is about may not.
CREATE FUNCTION registry.case_edited(b registry."case", n registry."case") RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    fixed text := (SELECT f FROM unnest('{class,office,other_project,other_office,of}'::text[]) f
                   WHERE to_jsonb(b) ->> f IS DISTINCT FROM to_jsonb(n) ->> f LIMIT 1);
BEGIN
    RETURN CASE WHEN fixed IS NOT NULL THEN registry.bad(fixed, to_jsonb(n) ->> fixed, 'case.fixed') END;
END $$;

-- ---------------------------------------------------------------- moving

-- n.state: the step asked for; ">" = the next one, whichever it is.
CREATE FUNCTION registry.case_stepped(p_account int, b registry."case", INOUT n registry."case", OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    s CONSTANT registry.case_step := registry.case_next(b);
    rules CONSTANT text := registry.case_rules_name(b);
    here CONSTANT text := registry.coded('case_state', b.state);
BEGIN
    IF s.step IS NULL THEN
        fault := registry.fault('FAILED_PRECONDITION', 'state', 'case.last', here, rules);
    ELSIF n.state <> '>' AND registry.resolve('case_state', n.state) IS DISTINCT FROM s.step THEN
        fault := CASE coalesce(registry.resolve('case_state', n.state), '') WHEN '' THEN registry.bad('state', n.state, 'code.unknown')
            WHEN b.state THEN registry.fault('FAILED_PRECONDITION', 'state', 'case.stands', here, b.mover, registry.minute(b.step_at))
            ELSE registry.fault('FAILED_PRECONDITION', 'state', 'case.skip', here, registry.coded('case_state', s.step), rules) END;
    ELSIF NOT registry.may(p_account, 'assign', NULL) AND NOT registry.may(p_account, s.may, b.office) THEN
        fault := registry.fault('PERMISSION_DENIED', NULL, 'case.step_may', registry.coded('case_state', s.step), rules);
    ELSE
        fault := registry.case_missing(b, s);
    END IF;
    n.state := s.step;
END $$;

-- n.asked, n.ask_until_on: as they were said.
CREATE FUNCTION registry.case_asked(b registry."case", INOUT n registry."case", OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    w text;
    offices text[] := '{}';
BEGIN
    FOREACH w IN ARRAY n.asked LOOP
        fault := registry.office_fault('office', w);
        IF fault.code IS NOT NULL THEN
            RETURN;
        END IF;
        offices := offices || registry.resolve('office', btrim(w));
    END LOOP;
    n.asked := ARRAY(SELECT DISTINCT o FROM unnest(offices) o ORDER BY 1);
    n.ask_until_on := coalesce(n.ask_until_on, (registry.today() + (SELECT k.ask_days FROM registry.case_class k
        WHERE k.rule_set = b.rule_set AND k.class = b.class))::text);
    IF n.asked = '{}' THEN
        fault := registry.fault('INVALID_ARGUMENT', 'offices', 'case.ask_none');
    ELSIF length(n.ask_until_on) < 10 OR n.ask_until_on < registry.today()::text THEN
        fault := registry.bad('ask_until_on', n.ask_until_on, 'case.until');
    END IF;
END $$;

-- ---------------------------------------------------------------- deciding

-- What a ruling needs beside its grounds.
CREATE FUNCTION registry.case_ruling_fault(n registry."case", p_granted boolean) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    gone text := (SELECT p.no FROM registry.project p WHERE p.id IN (n.project, n.other_project) AND p.stage = 'exited' LIMIT 1);
BEGIN
    IF p_granted AND gone IS NOT NULL AND n.class NOT IN ('accountability', 'reward') AND n.ruling <> 'keep_both' THEN
        RETURN registry.fault('FAILED_PRECONDITION', 'project', 'case.gone', gone);
    ELSIF p_granted AND n.class = 'transfer' AND registry.office_now(n.other_office) = (SELECT p.office FROM registry.project p WHERE p.id = n.project) THEN
        RETURN registry.bad('other_office', n.other_office, 'case.same_office');
    ELSIF n.ruling IN ('reward', 'penalise') AND n.points IS NULL AND n.amount_reward IS NULL THEN
        RETURN registry.fault('INVALID_ARGUMENT', 'points', 'case.reward_what');
    END IF;
    RETURN NULL;
END $$;

-- In force now, or when the time for objections is over. A party that has objected already has no time again.
CREATE FUNCTION registry.case_comes(c registry."case", p_granted boolean) RETURNS registry."case" LANGUAGE plpgsql STABLE AS $$
DECLARE
    days int := (SELECT k.objection_days FROM registry.case_class k WHERE k.rule_set = c.rule_set AND k.class = c.class);
BEGIN
    IF days > 0 AND EXISTS (SELECT FROM unnest(registry.case_parties(c)) o WHERE NOT EXISTS (
            SELECT FROM registry.opinion x WHERE x.of = c.id AND x.class = 'objection' AND x.office = o)) THEN
        c.state := 'decided';
        c.force_at := registry.day_begins(registry.today() + days + 1);
    ELSE
        c.state := CASE WHEN p_granted THEN 'in_force' ELSE 'rejected' END;
        c.force_at := NULL;
        c.in_force_at := registry.now();
    END IF;
    RETURN c;
END $$;

-- Facts as they are now that stand in the way of the ruling: below or above their limit, or known to nobody.
CREATE FUNCTION registry.case_limited(n registry."case") RETURNS jsonb[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY(SELECT f FROM jsonb_array_elements(n.facts::jsonb) WITH ORDINALITY u(f, i)
                 WHERE (f ->> 'met')::boolean IS NOT TRUE AND EXISTS (SELECT FROM registry.case_limit l WHERE l.rule_set = n.rule_set
                     AND l.class = n.class AND l.fact = f ->> 'fact' AND n.ruling = ANY (l.blocks)) ORDER BY i);
END $$;

-- A ruling that limits stand in the way of needs an exception, no other has one. What was held against them stays with the case.
CREATE FUNCTION registry.case_excepted(INOUT n registry."case", OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    lang CONSTANT text := registry.lang();
    limited jsonb[];
BEGIN
    n.exception := nullif(btrim(n.exception), '');
    IF EXISTS (SELECT FROM registry.case_limit l WHERE l.rule_set = n.rule_set AND l.class = n.class AND n.ruling = ANY (l.blocks)) THEN
        n.facts := registry.case_facts_of(n)::text;
        n.facts_at := registry.now();
        limited := registry.case_limited(n);
    END IF;
    IF cardinality(limited) > 0 AND n.exception IS NULL THEN
        fault := registry.fault('FAILED_PRECONDITION', 'ruling', 'case.limit', registry.case_rules_name(n), registry.coded('case_ruling', n.ruling),
            (SELECT string_agg(format('%s %s(%s)', registry.code_label(lang, 'case_fact', f ->> 'fact'), registry.fact_value(lang, f), registry.fact_limit(lang, f)),
                 CASE lang WHEN 'en' THEN '; ' ELSE ';' END ORDER BY i) FROM unnest(limited) WITH ORDINALITY u(f, i)));
    ELSIF n.exception IS NOT NULL AND coalesce(cardinality(limited), 0) = 0 THEN
        fault := registry.fault('INVALID_ARGUMENT', 'exception', 'case.no_exception', registry.case_rules_name(n), registry.coded('case_ruling', n.ruling));
    END IF;
END $$;

CREATE FUNCTION registry.case_decided(p_account int, b registry."case", INOUT n registry."case", OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    s CONSTANT registry.case_step := registry.case_next(b);
    rules CONSTANT text := registry.case_rules_name(b);
    given CONSTANT text := n.ruling;
    x registry.case_ruling;
    e record;
BEGIN
    SELECT * INTO x FROM registry.case_ruling q WHERE q.rule_set = b.rule_set AND q.class = b.class
        AND q.ruling = registry.resolve('case_ruling', btrim(given));
    IF s.step IS NOT NULL THEN
        fault := registry.fault('FAILED_PRECONDITION', 'state', 'case.early', registry.coded('case_state', b.state), registry.coded('case_state', s.step), rules);
    ELSIF x.ruling IS NULL THEN
        fault := registry.bad('ruling', given, 'case.ruling', rules);
        fault.allowed := ARRAY(SELECT q.ruling FROM registry.case_ruling q WHERE q.rule_set = b.rule_set AND q.class = b.class ORDER BY q.rank);
    ELSIF coalesce(btrim(n.grounds), '') = '' THEN
        fault := registry.fault('INVALID_ARGUMENT', 'reason', 'case.grounds');
    ELSE
        n.ruling := x.ruling;
        n.decider := registry.account_code(p_account);
        n.decided_at := registry.now();
        fault := registry.case_ruling_fault(n, x.granted);
        IF fault.code IS NULL THEN
            e := registry.case_excepted(n);
            n := e.n;
            fault := e.fault;
        END IF;
        n := registry.case_comes(n, x.granted);
    END IF;
END $$;

CREATE FUNCTION registry.case_objected(p_account int, b registry."case", INOUT n registry."case", OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    o registry.opinion;
BEGIN
    IF b.state <> 'decided' OR b.force_at <= registry.now() THEN
        fault := registry.fault('FAILED_PRECONDITION', 'state', 'case.no_period', registry.coded('case_state', b.state));
    ELSIF coalesce(btrim(n.objection), '') = '' THEN
        fault := registry.fault('INVALID_ARGUMENT', 'reason', 'case.reasons');
    ELSIF registry.case_objector(p_account, b) IS NULL THEN
        SELECT * INTO o FROM registry.opinion x WHERE x.of = b.id AND x.class = 'objection' AND registry.speaks_for(p_account, x.office) LIMIT 1;
        fault := registry.fault('FAILED_PRECONDITION', 'state', 'case.objected', '@account:' || o.actor, registry.minute(o.given_at));
    END IF;
    n.state := 'objection';
    n.force_at := NULL;
END $$;

-- ---------------------------------------------------------------- the record

-- The operation's own rules.
CREATE FUNCTION registry.case_moved(p_account int, p_op text, b registry."case", INOUT n registry."case", OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    x record;
BEGIN
    IF b.state IS NULL THEN
        x := registry.case_opened(p_account, b, n);
    ELSIF p_op = 'case_step' THEN
        x := registry.case_stepped(p_account, b, n);
    ELSIF p_op = 'case_ask' THEN
        x := registry.case_asked(b, n);
    ELSIF p_op = 'case_object' THEN
        x := registry.case_objected(p_account, b, n);
    ELSIF p_op = 'case_decide' THEN
        x := registry.case_decided(p_account, b, n);
    ELSE
        fault := CASE WHEN p_op = 'case_set' THEN registry.case_edited(b, n)
            WHEN p_op = 'case_withdraw' AND coalesce(btrim(n.grounds), '') = '' THEN registry.fault('INVALID_ARGUMENT', 'reason', 'case.reasons') END;
        RETURN;
    END IF;
    n := x.n;
    fault := x.fault;
END $$;

CREATE FUNCTION registry.case_rules(p_account int, p_op text, b registry."case", INOUT n registry."case", OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    x record;
BEGIN
    IF b.state IS NOT NULL AND p_op <> 'case_object' THEN
        fault := registry.case_ended(b);
    END IF;
    IF fault.code IS NULL THEN
        x := registry.case_moved(p_account, p_op, b, n);
        n := x.n;
        fault := x.fault;
    END IF;
    IF fault.code IS NULL AND p_op IN ('case_set', 'case_decide') THEN
        x := registry.case_fit(n);
        n := x.n;
        fault := x.fault;
    END IF;
    IF fault.code IS NULL AND (b.state IS NULL OR p_op = 'case_refresh') THEN
        n.facts := registry.case_facts_of(n)::text;
        n.facts_at := registry.now();
    END IF;
    IF b.state IS DISTINCT FROM n.state THEN
        n.mover := registry.account_code(p_account);
        n.step_at := registry.now();
    END IF;
END $$;

SELECT registry.generate_record('case', '-opened_at');

CREATE FUNCTION api.case_step(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, step text, reason text)
RETURNS api.case_reply LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.case_change(p_account, p_lang, p_request, p_digest, p_base, 'case_step', id, NULL,
        jsonb_build_object('state', coalesce(nullif(btrim(step), ''), '>')), reason, NULL);
END $$;

CREATE FUNCTION api.case_ask(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, offices text[],
    until_on text, reason text) RETURNS api.case_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    IF NOT coalesce(registry.is_ymd(nullif(btrim(until_on), '')), true) THEN -- its column takes nothing else
        until_on := '1900';
    END IF;
    RETURN registry.case_change(p_account, p_lang, p_request, p_digest, p_base, 'case_ask', id, NULL,
        jsonb_build_object('asked', coalesce(offices, '{}'), 'ask_until_on', nullif(btrim(until_on), '')), reason, NULL);
END $$;

CREATE FUNCTION api.case_refresh(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text) RETURNS api.case_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.case_change(p_account, p_lang, p_request, p_digest, p_base, 'case_refresh', id, NULL, NULL, NULL, NULL);
END $$;

CREATE FUNCTION api.case_decide(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, ruling text, reason text,
    survivor text, shares text, points int, amount_reward bigint, exception text) RETURNS api.case_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.case_change(p_account, p_lang, p_request, p_digest, p_base, 'case_decide', id,
        jsonb_strip_nulls(jsonb_build_object('survivor', survivor, 'shares', shares, 'points', points, 'amount_reward', amount_reward)),
        jsonb_build_object('ruling', coalesce(ruling, ''), 'grounds', reason, 'exception', left(btrim(exception), 500)), reason, NULL);
END $$;

CREATE FUNCTION api.case_object(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, reason text)
RETURNS api.case_reply LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.case_change(p_account, p_lang, p_request, p_digest, p_base, 'case_object', id, NULL,
        jsonb_build_object('objection', reason), reason, NULL);
END $$;

CREATE FUNCTION api.case_withdraw(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, reason text)
RETURNS api.case_reply LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.case_change(p_account, p_lang, p_request, p_digest, p_base, 'case_withdraw', id, NULL,
        jsonb_build_object('state', 'withdrawn', 'grounds', reason), reason, NULL);
END $$;

-- ---------------------------------------------------------------- opinions

CREATE FUNCTION registry.opinion_may(p_account int, p_op text, b registry.opinion, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF p_op <> 'opinion_give' THEN
        RETURN registry.fault('PERMISSION_DENIED', NULL, 'case.written');
    ELSIF b.version > 0 AND registry.may(p_account, 'write', NULL) AND NOT registry.speaks_for(p_account, b.office) THEN
        RETURN registry.fault('PERMISSION_DENIED', NULL, 'opinion.office');
    END IF;
    RETURN registry.unless_may(p_account, 'write', b.office);
END $$;

CREATE FUNCTION registry.opinion_rules(p_account int, p_op text, b registry.opinion, INOUT n registry.opinion, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF b.state = 'given' THEN
        fault := registry.fault('FAILED_PRECONDITION', 'state', 'opinion.given', '@account:' || b.actor, registry.minute(b.given_at));
    ELSIF b.state = 'closed' THEN
        fault := registry.fault('FAILED_PRECONDITION', 'state', 'opinion.closed');
    ELSIF n.stance IS NULL OR n.stance = 'object' THEN
        fault := registry.bad('stance', n.stance, CASE WHEN n.stance IS NULL THEN 'field.required' ELSE 'code.unknown' END);
    ELSIF n.stance <> 'agree' AND n.reason IS NULL THEN
        fault := registry.fault('INVALID_ARGUMENT', 'reason', 'opinion.reason');
    END IF;
    n.state := 'given';
    n.actor := registry.account_code(p_account);
    n.given_at := registry.now();
    n.late := registry.today()::text > b.until_on;
END $$;

SELECT registry.generate_record('opinion', '-asked_at');

-- id: of the opinion; or of the case, and then it is the one the caller's office owes to it.
CREATE FUNCTION api.opinion_give(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, stance text,
    reason text) RETURNS api.opinion_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    owed text := (SELECT o.id FROM registry.opinion o WHERE o.of = opinion_give.id AND o.class <> 'objection' AND registry.speaks_for(p_account, o.office)
                  ORDER BY o.state IN ('asked', 'overdue') DESC, o.asked_at, o.id LIMIT 1);
BEGIN
    RETURN registry.opinion_change(p_account, p_lang, p_request, p_digest, p_base, 'opinion_give', coalesce(owed, id, ''),
        jsonb_build_object('stance', stance, 'reason', reason), NULL, NULL, NULL);
END $$;

-- ---------------------------------------------------------------- what a case in force writes

CREATE FUNCTION registry.reward_may(p_account int, p_op text, b registry.reward, p registry.project) RETURNS registry.finding
LANGUAGE sql STABLE AS $$ SELECT registry.fault('PERMISSION_DENIED', NULL, 'case.written') $$;
CREATE FUNCTION registry.reward_rules(p_account int, p_op text, b registry.reward, INOUT n registry.reward, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$ BEGIN END $$;
SELECT registry.generate_record('reward', '-given_on');

CREATE FUNCTION registry.share_may(p_account int, p_op text, b registry.share, p registry.project) RETURNS registry.finding
LANGUAGE sql STABLE AS $$ SELECT registry.fault('PERMISSION_DENIED', NULL, 'case.written') $$;
CREATE FUNCTION registry.share_rules(p_account int, p_op text, b registry.share, INOUT n registry.share, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$ BEGIN END $$;
SELECT registry.generate_record('share', '-changed_at');

-- ---------------------------------------------------------------- by time

-- When a decision comes into force, or an opinion is overdue; null = nothing waits.
CREATE FUNCTION registry.case_next_at() RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN least((SELECT c.force_at FROM registry."case" c WHERE c.state = 'decided' ORDER BY c.force_at, c.id LIMIT 1),
        registry.day_begins((SELECT o.until_on::date + 1 FROM registry.opinion o WHERE o.state = 'asked' ORDER BY o.until_on, o.id LIMIT 1)));
END $$;

-- One decision in force. What can't be done now must not hold up everything else that is due: it is tried again in an hour.
CREATE FUNCTION registry.case_force(c registry."case") RETURNS registry."case" LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE registry."case" x SET mover = 'registry', step_at = registry.now(), in_force_at = registry.now(),
        state = CASE WHEN r.granted THEN 'in_force' ELSE 'rejected' END
    FROM registry.case_ruling r
    WHERE x.id = c.id AND r.rule_set = x.rule_set AND r.class = x.class AND r.ruling = x.ruling RETURNING x.* INTO c;
    IF c.state = 'in_force' THEN
        PERFORM registry.case_apply(c);
    END IF;
    RETURN c;
EXCEPTION WHEN integrity_constraint_violation OR data_exception THEN
    RAISE WARNING 'case % cannot come into force: %', c.id, SQLERRM;
    UPDATE registry."case" x SET force_at = registry.now() + interval '1 hour' WHERE x.id = c.id RETURNING x.* INTO c;
    RETURN c;
END $$;

-- What is due of cases, an entry of the registry each; how many. Whoever comes at the same time takes others.
CREATE FUNCTION registry.case_fire(p_limit int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    c registry."case";
    o registry.opinion;
    place int;
    fired int := 0;
BEGIN
    FOR c IN SELECT * FROM registry."case" x WHERE x.state = 'decided' AND x.force_at <= registry.now()
             ORDER BY x.force_at, x.decided_at, x.id LIMIT p_limit FOR UPDATE SKIP LOCKED LOOP
        place := registry.entry_begin('registry');
        c := registry.case_force(c);
        PERFORM registry.keep_own(place, format('case-%s-%s', c.id, c.version), 'case_force', c.id, c.version);
        fired := fired + 1;
    END LOOP;
    FOR o IN SELECT * FROM registry.opinion x WHERE x.state = 'asked' AND x.until_on < registry.today()::text
             ORDER BY x.until_on, x.id LIMIT p_limit - fired FOR UPDATE SKIP LOCKED LOOP
        place := registry.entry_begin('registry');
        UPDATE registry.opinion x SET state = 'overdue' WHERE x.id = o.id RETURNING x.* INTO o;
        PERFORM registry.keep_own(place, format('opinion-%s-%s', o.id, o.version), 'opinion_overdue', o.id, o.version);
        fired := fired + 1;
    END LOOP;
    RETURN fired;
END $$;
