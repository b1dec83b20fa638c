-- SPDX-License-Identifier: Apache-2.0
-- Milestones, planned and done, and the days that several departments give for one stage.

-- p_until before p_from, as far as both are known: what is wrong with the former; null = nothing. Fields are "kind.field".
CREATE FUNCTION registry.order_fault(p_from_field text, p_from text, p_until_field text, p_until text) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN left(p_until, least(length(p_until), length(p_from))) < left(p_from, least(length(p_until), length(p_from))) THEN
        registry.bad(split_part(p_until_field, '.', 2), p_until, 'day.order', '@field:' || p_from_field, p_from) END;
END $$;

-- What is said to have happened on a day to come, or is built before it is begun, planned or done; null = nothing.
CREATE FUNCTION registry.project_days(p registry.project) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding;
    pair text[];
    days CONSTANT jsonb := to_jsonb(p);
    today CONSTANT text := registry.today()::text;
    early CONSTANT text := (SELECT u FROM unnest('{signed_on,started_on,completed_on,produced_on}'::text[]) u
                            WHERE days ->> u > left(today, length(days ->> u)) LIMIT 1);
BEGIN
    IF early IS NOT NULL THEN
        RETURN registry.bad(early, days ->> early, 'day.future');
    END IF;
    FOREACH pair SLICE 1 IN ARRAY '{{planned_start_on,planned_complete_on},{planned_start_on,planned_produce_on},{started_on,completed_on},{started_on,produced_on}}'::text[] LOOP
        f := registry.order_fault('project.' || pair[1], days ->> pair[1], 'project.' || pair[2], days ->> pair[2]);
        EXIT WHEN f.code IS NOT NULL;
    END LOOP;
    RETURN f;
END $$;

-- A stage whose day a change puts before that of an earlier one, in the order of the rule set in force; null = none. Odd, not wrong: where
-- production begins before completion is accepted, it gives way to a reason. Of stages without a field of their day it is the one of the
-- move under way (qipan.on), and of those before it one that somebody gave, not that of their entry.
CREATE FUNCTION registry.days_odd(b registry.project, n registry.project) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    was CONSTANT jsonb := to_jsonb(b);
    days CONSTANT jsonb := to_jsonb(n);
    moved_on CONSTANT text := CASE WHEN b.stage <> n.stage THEN nullif(current_setting('qipan.on', true), '') END;
BEGIN
    RETURN (
        WITH given AS (
            SELECT s.*, r.name AS rules, CASE WHEN s.date_field IS NOT NULL THEN days ->> s.date_field WHEN s.code = n.stage AND moved_on IS NOT NULL THEN moved_on
                ELSE (SELECT max(e.happened_on::text) FROM registry.stage_standing(n.id) e WHERE e.stage = s.code AND e.happened_on < registry.day(e.at)) END AS day
            FROM registry.stage s JOIN registry.rule_set r ON r.id = s.rule_set
            WHERE r.in_force AND NOT s.pauses AND NOT s.ends)
        SELECT registry.bad(coalesce(l.date_field, 'stage'), l.day, 'odd.day', coalesce('@field:project.' || e.date_field, '@stage:' || e.code), e.day, '@stage:' || l.code, l.rules)
        FROM given l JOIN given e ON e.rank < l.rank AND left(l.day, least(length(l.day), length(e.day))) < left(e.day, least(length(l.day), length(e.day)))
        WHERE l.date_field IS NOT NULL AND was ->> l.date_field IS DISTINCT FROM l.day OR e.date_field IS NOT NULL AND was ->> e.date_field IS DISTINCT FROM e.day
           OR moved_on IS NOT NULL AND n.stage IN (l.code, e.code)
        ORDER BY l.rank, e.rank DESC LIMIT 1);
END $$;

-- Written by the project's office for whoever is to do it; who is to do it says when it was done.
CREATE FUNCTION registry.milestone_may(p_account int, p_op text, b registry.milestone, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN b.version > 0 AND registry.may(p_account, 'write', p.office) THEN NULL
        WHEN b.version = 0 AND p.id IS NOT NULL THEN registry.unless_may(p_account, 'write', p.office)
        ELSE registry.unless_may(p_account, 'write', CASE WHEN b.version > 0 THEN b.office END) END;
END $$;

CREATE FUNCTION registry.milestone_rules(p_account int, p_op text, b registry.milestone, INOUT n registry.milestone,
    OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    today CONSTANT text := registry.today()::text;
BEGIN
    n.actor := coalesce(b.actor, registry.account_code(p_account));
    fault := CASE WHEN n.done_on > left(today, length(n.done_on)) THEN registry.bad('done_on', n.done_on, 'day.future') END;
END $$;

SELECT registry.generate_record('milestone', 'planned_on');

-- A department's own day for a stage: only it writes it.
CREATE FUNCTION registry.stagedate_may(p_account int, p_op text, b registry.stagedate, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.unless_may(p_account, 'write', b.office);
END $$;

CREATE FUNCTION registry.stagedate_rules(p_account int, p_op text, b registry.stagedate, INOUT n registry.stagedate,
    OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    today CONSTANT text := registry.today()::text;
    twin CONSTANT text := (SELECT x.id FROM registry.stagedate x
        WHERE (x.project, x.stage, x.office) = (n.project, n.stage, n.office) AND x.id IS DISTINCT FROM n.id);
BEGIN
    n.actor := registry.account_code(p_account);
    fault := CASE WHEN n.dated_on > left(today, length(n.dated_on)) THEN registry.bad('dated_on', n.dated_on, 'day.future')
        WHEN n.office <> b.office AND NOT registry.may(p_account, 'write', n.office) THEN registry.fault('PERMISSION_DENIED', 'office', 'may.write')
        WHEN twin IS NOT NULL THEN registry.fault('ALREADY_EXISTS', 'stage', 'stagedate.twin', twin) END;
END $$;

SELECT registry.generate_record('stagedate', 'stage');
