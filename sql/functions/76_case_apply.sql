-- SPDX-License-Identifier: Apache-2.0
-- What comes of a case in force, in the transaction that puts it there.

-- Everything of one project goes to another; it leaves what is active and points there. Cases, opinions and the stages it reached stay:
-- they are about the project as it was. So does a row of which the other has one already (a share, an inspection of the same round).
CREATE FUNCTION registry.project_merge(p_from text, p_into text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    into_no CONSTANT text := (SELECT p.no FROM registry.project p WHERE p.id = p_into);
    k text;
    row_id text;
BEGIN
    FOR k IN SELECT f.kind FROM registry.field f WHERE f.name = 'project' AND f.kind NOT IN ('receipt', 'case', 'opinion', 'step') ORDER BY f.kind LOOP
        FOR row_id IN EXECUTE format('SELECT x.id FROM registry.%I x WHERE x.project = $1 ORDER BY x.id', k) USING p_from LOOP
            BEGIN
                EXECUTE format('UPDATE registry.%I x SET project = $2 %s %s WHERE x.id = $4', k,
                    CASE WHEN registry.has_field(k, 'no') THEN ', no = $3' ELSE '' END,
                    CASE WHEN registry.has_field(k, 'of') THEN ', of = CASE x.of WHEN $1 THEN $2 ELSE x.of END' ELSE '' END)
                USING p_from, p_into, into_no, row_id;
            EXCEPTION WHEN unique_violation THEN
                NULL;
            END;
        END LOOP;
    END LOOP;
    UPDATE registry.project p SET stage = 'exited', merged_into = into_no WHERE p.id = p_from;
END $$;

-- "fixed=100/100,arrived=60/40" as shares of introducer and host; null = not written so.
CREATE FUNCTION registry.shares_read(p_text text) RETURNS TABLE (indicator text, introducer int, host int) LANGUAGE plpgsql STABLE AS $$
DECLARE
    word text;
    m text[];
BEGIN
    FOREACH word IN ARRAY coalesce(string_to_array(replace(replace(p_text, '，', ','), ' ', ''), ','), '{}') LOOP
        m := regexp_match(word, '^(.+)=([0-9]{1,3})/([0-9]{1,3})$');
        indicator := registry.resolve('indicator', m[1]);
        introducer := m[2];
        host := m[3];
        IF indicator IS NULL OR introducer > 100 OR host > 100 THEN
            indicator := NULL;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;

-- One share. Found before it is made: a row that only might be made would be journalled.
CREATE FUNCTION registry.share_put(c registry."case", p_project text, p_class text, p_office text, p_indicator text, p_percent int)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE registry.share x SET office = p_office, percent = p_percent, of = c.id
    WHERE x.project = p_project AND x.class = p_class AND x.indicator = p_indicator;
    IF NOT FOUND THEN
        INSERT INTO registry.share (project, no, office, class, indicator, percent, of)
        SELECT p.id, p.no, p_office, p_class, p_indicator, p_percent, c.id FROM registry.project p WHERE p.id = p_project;
    END IF;
END $$;

-- Shares of a project: as the case says, else as its rule set does. Who introduced it first stays its introducer.
CREATE FUNCTION registry.shares_give(c registry."case", p_project text, p_introducer text, p_host text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    s record;
BEGIN
    FOR s IN SELECT * FROM registry.shares_read(c.shares)
             UNION ALL SELECT d.indicator, d.introducer, d.host FROM registry.case_share d
             WHERE d.rule_set = c.rule_set AND d.ruling = c.ruling AND c.shares IS NULL ORDER BY 1 LOOP
        IF NOT EXISTS (SELECT FROM registry.share x WHERE x.project = p_project AND x.class = 'introducer' AND x.indicator = s.indicator) THEN
            PERFORM registry.share_put(c, p_project, 'introducer', p_introducer, s.indicator, s.introducer);
        END IF;
        PERFORM registry.share_put(c, p_project, 'host', p_host, s.indicator, s.host);
    END LOOP;
END $$;

-- Which offices may count a project under an indicator as their own, in percent. Without a case about it: its office all of it.
CREATE FUNCTION registry.credited(p_project text, p_indicator text) RETURNS TABLE (office text, percent int) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT x.office, least(sum(x.percent), 100)::int FROM registry.share x
        WHERE x.project = p_project AND x.indicator = p_indicator GROUP BY x.office HAVING sum(x.percent) > 0;
    IF NOT FOUND THEN
        RETURN QUERY SELECT p.office, 100 FROM registry.project p WHERE p.id = p_project
            AND NOT EXISTS (SELECT FROM registry.share x WHERE x.project = p_project AND x.indicator = p_indicator);
    END IF;
END $$;

-- The earlier of two projects.
CREATE FUNCTION registry.earlier(a text, b text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT p.id FROM registry.project p WHERE p.id IN (a, b) ORDER BY p.registered_at, p.no, p.id LIMIT 1);
END $$;

CREATE FUNCTION registry.case_duplicate(c registry."case") RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    stays CONSTANT text := CASE c.ruling WHEN 'reject_later' THEN registry.earlier(c.project, c.other_project)
        ELSE coalesce(c.survivor, registry.earlier(c.project, c.other_project)) END;
    goes CONSTANT text := CASE stays WHEN c.project THEN c.other_project ELSE c.project END;
    host CONSTANT text := (SELECT p.office FROM registry.project p WHERE p.id = goes);
BEGIN
    PERFORM FROM registry.project p WHERE p.id IN (stays, goes) ORDER BY p.id FOR UPDATE;
    IF c.ruling = 'keep_both' OR EXISTS (SELECT FROM registry.project p WHERE p.id IN (stays, goes) AND p.merged_into IS NOT NULL) THEN
        RETURN;
    ELSIF c.ruling = 'reject_later' THEN
        UPDATE registry.project p SET stage = 'exited' WHERE p.id = goes;
        PERFORM registry.plots_left(goes);
        RETURN;
    END IF;
    IF c.ruling = 'joint' THEN
        PERFORM registry.shares_give(c, stays, (SELECT p.office FROM registry.project p WHERE p.id = stays), host);
    END IF;
    PERFORM registry.project_merge(goes, stays);
END $$;

CREATE FUNCTION registry.case_transfer(c registry."case") RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    p registry.project;
    taker CONSTANT text := registry.office_now(c.other_office); -- it may have been merged since
BEGIN
    SELECT * INTO p FROM registry.project x WHERE x.id = c.project FOR UPDATE;
    IF p.office = taker THEN
        RETURN;
    END IF;
    UPDATE registry.project x SET office = taker,
        host_office = CASE WHEN coalesce(x.host_office, x.office) = x.office THEN taker ELSE x.host_office END
    WHERE x.id = p.id;
    UPDATE registry.due d SET office = taker WHERE d.project = p.id AND d.office = p.office AND d.state = 'open';
    PERFORM registry.shares_give(c, p.id, p.office, taker);
END $$;

-- The stage an admission opens by itself: the next one, as long as that is before the first that something must have happened for.
CREATE FUNCTION registry.case_stage(p_stage text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT n.code FROM registry.stage b JOIN registry.stage n ON n.rule_set = b.rule_set AND n.rank > b.rank
            WHERE b.rule_set = registry.rule_set_in_force() AND b.code = p_stage AND n.code = ANY (registry.moves(p_stage))
              AND n.rank < (SELECT min(d.rank) FROM registry.stage d WHERE d.rule_set = b.rule_set AND d.date_field IS NOT NULL)
            ORDER BY n.rank LIMIT 1);
END $$;

CREATE FUNCTION registry.case_admission(c registry."case") RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    b text;
    target text;
BEGIN
    b := (SELECT p.stage FROM registry.project p WHERE p.id = c.project FOR UPDATE);
    target := coalesce(c.stage, registry.case_stage(b));
    UPDATE registry.project p SET admitted_on = registry.today()::text,
        stage = CASE WHEN target = ANY (registry.moves(b)) THEN target ELSE b END
    WHERE p.id = c.project;
END $$;

CREATE FUNCTION registry.case_reward(c registry."case") RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO registry.reward (project, no, office, class, person, points, amount_reward, of, given_on, grounds, actor)
    VALUES (c.project, c.no, c.other_office, CASE c.ruling WHEN 'reward' THEN 'reward' WHEN 'penalise' THEN 'penalty' ELSE 'criticism' END,
            c.person, c.points, c.amount_reward, c.id, registry.today()::text, c.grounds, c.decider);
END $$;

-- Recognised by a case is as good as approved, from the day the case is in force. What was approved, or taken back, meanwhile stays.
CREATE FUNCTION registry.arrival_recognise(p_id text, p_case text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE registry.arrival x SET state = 'approved', decided_actor = c.decider, decided_at = registry.now(), counted_on = registry.today()::text,
        note = c.grounds, evidence = registry.evidence_for(x.id) || registry.evidence_for(c.id)
    FROM registry."case" c WHERE x.id = p_id AND c.id = p_case AND x.state IN ('reported', 'rejected');
END $$;

CREATE FUNCTION registry.step_recognise(p_id text, p_case text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE registry.step x SET state = 'approved', decided_actor = c.decider, decided_at = registry.now(), counted_on = registry.today()::text,
        note = c.grounds, evidence = registry.evidence_for(x.id) || registry.evidence_for(x.project, x.stage) || registry.evidence_for(c.id)
    FROM registry."case" c WHERE x.id = p_id AND c.id = p_case AND x.state IN ('pending', 'rejected');
END $$;

-- What is recognised is of a kind that knows how: registry.<kind>_recognise(id, case).
CREATE FUNCTION registry.case_recognition(c registry."case") RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    EXECUTE format('SELECT registry.%I($1, $2)', registry.kind_of(c.of) || '_recognise') USING c.of, c.id;
END $$;

CREATE FUNCTION registry.case_apply(c registry."case") RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    CASE c.class
        WHEN 'duplicate' THEN PERFORM registry.case_duplicate(c);
        WHEN 'transfer' THEN PERFORM registry.case_transfer(c);
        WHEN 'admission' THEN PERFORM registry.case_admission(c);
        WHEN 'recognition' THEN PERFORM registry.case_recognition(c);
        WHEN 'exit' THEN UPDATE registry.project p SET stage = 'exited' WHERE p.id = c.project AND p.stage <> 'exited';
            PERFORM registry.plots_left(c.project);
        ELSE PERFORM registry.case_reward(c);
    END CASE;
END $$;

-- ---------------------------------------------------------------- beside a change of a case

-- Each office named gets the question; asked again, it may say something else.
CREATE FUNCTION registry.opinions_ask(c registry."case", p_class text, p_offices text[], p_until text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    o text;
BEGIN
    FOREACH o IN ARRAY p_offices LOOP
        UPDATE registry.opinion x SET state = 'asked', until_on = p_until, asker = registry.writer(), asked_at = registry.now(),
            stance = NULL, reason = NULL, actor = NULL, given_at = NULL, late = NULL
        WHERE x.of = c.id AND x.class = p_class AND x.office = o;
        IF NOT FOUND THEN
            INSERT INTO registry.opinion (project, no, office, class, of, state, until_on, asker, asked_at)
            VALUES (c.project, c.no, o, p_class, c.id, 'asked', p_until, registry.writer(), registry.now());
        END IF;
    END LOOP;
END $$;

-- A transfer asks both offices; that of whoever opens it has agreed by doing so.
CREATE FUNCTION registry.consents_ask(p_account int, c registry."case") RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO registry.opinion (project, no, office, class, of, until_on, asker, asked_at, state, stance, actor, given_at, late)
    SELECT c.project, c.no, o.code, 'consent', c.id, (registry.today() + k.ask_days)::text, c.actor, c.opened_at, CASE WHEN o.own THEN 'given' ELSE 'asked' END,
        CASE WHEN o.own THEN 'agree' END, CASE WHEN o.own THEN c.actor END, CASE WHEN o.own THEN c.opened_at END, CASE WHEN o.own THEN false END
    FROM registry.case_class k, (SELECT u AS code, registry.speaks_for(p_account, u) AS own FROM unnest(registry.case_parties(c)) u) o
    WHERE k.rule_set = c.rule_set AND k.class = c.class ORDER BY o.code;
END $$;

CREATE FUNCTION registry.case_effects(p_account int, p_op text, b registry."case", n registry."case") RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    parties CONSTANT text[] := CASE n.class WHEN 'transfer' THEN registry.case_parties(n) ELSE '{}' END; -- whose consent it needs
BEGIN
    IF b.state IS NULL AND n.class = 'transfer' THEN
        PERFORM registry.consents_ask(p_account, n);
    ELSIF p_op = 'case_ask' THEN
        PERFORM registry.opinions_ask(n, 'consent', ARRAY(SELECT o FROM unnest(n.asked) o WHERE o = ANY (parties)), n.ask_until_on),
            registry.opinions_ask(n, 'opinion', ARRAY(SELECT o FROM unnest(n.asked) o WHERE o <> ALL (parties)), n.ask_until_on);
    ELSIF p_op = 'case_object' THEN
        INSERT INTO registry.opinion (project, no, office, class, of, state, stance, reason, actor, given_at, asked_at)
        VALUES (n.project, n.no, registry.case_objector(p_account, n), 'objection', n.id, 'given', 'object', n.objection, n.mover,
                n.step_at, b.decided_at);
    ELSIF b.state <> n.state AND NOT registry.case_open(n.state) THEN
        UPDATE registry.opinion x SET state = 'closed' WHERE x.of = n.id AND x.state IN ('asked', 'overdue');
    END IF;
    IF n.state = 'in_force' AND b.state <> 'in_force' THEN
        PERFORM registry.case_apply(n);
    END IF;
END $$;
