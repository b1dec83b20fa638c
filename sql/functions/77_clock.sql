-- SPDX-License-Identifier: Apache-2.0
-- Clocks: what the rule set expects of a project by when, and the alerts that light when it doesn't come. Once a day of the county
-- a run goes over all projects in the order of their ids, so many in a transaction, and writes what differs. It reads and
-- locks no row of theirs; what is edited meanwhile is seen by the next run.

CREATE FUNCTION registry.alert_may(p_account int, p_op text, b registry.alert, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.fault('FAILED_PRECONDITION', NULL, 'alert.set');
END $$;

CREATE FUNCTION registry.alert_rules(p_account int, p_op text, b registry.alert, INOUT n registry.alert, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$ BEGIN END $$;

SELECT registry.generate_record('alert', '-since_on');
DROP TRIGGER alert_journal ON registry.alert;
CREATE TRIGGER alert_journal BEFORE INSERT OR UPDATE ON registry.alert FOR EACH ROW
    WHEN (coalesce(current_setting('qipan.bulk', true), '') = '') EXECUTE FUNCTION registry.alert_journal();

-- ---------------------------------------------------------------- days

-- The last day a date may mean, as exact as it is known.
CREATE FUNCTION registry.ymd_last(v text) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT CASE length(v) WHEN 10 THEN v::date WHEN 7 THEN ((v || '-01')::date + interval '1 month - 1 day')::date ELSE (v || '-12-31')::date END
$$;

CREATE FUNCTION registry.clock_add(p_day date, p_n int, p_unit text) RETURNS date LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE p_unit WHEN 'workday' THEN registry.workday_after(p_day, p_n) WHEN 'month' THEN p_day + p_n * interval '1 month' ELSE p_day + p_n END;
END $$;

-- The latest day from which so much is over today: whoever began on it or before has had his time.
CREATE FUNCTION registry.clock_cutoff(p_n int, p_unit text, p_today date) RETURNS date LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    d date := p_today - CASE p_unit WHEN 'month' THEN 28 * p_n + 1 ELSE p_n + 1 END; -- no later than this one
BEGIN
    FOR i IN 1 .. 1300 LOOP
        EXIT WHEN registry.clock_add(d, p_n, p_unit) < p_today;
        d := d - 1;
    END LOOP;
    RETURN d;
END $$;

-- Percentage points a project under construction is behind: share of the time gone less share of the investment that has arrived, with
-- approval. Where the total isn't known, by how much of its time it began late. Null: there is no plan to hold it against.
CREATE FUNCTION registry.points_behind(p registry.project, p_today date) RETURNS int LANGUAGE plpgsql STABLE AS $$
DECLARE
    first CONSTANT date := registry.ymd_last(coalesce(p.planned_start_on, p.started_on));
    last CONSTANT date := registry.ymd_last(p.planned_complete_on);
    gone CONSTANT numeric := CASE WHEN first < last THEN least(greatest((p_today - first)::numeric / (last - first), 0), 1) END;
BEGIN
    IF p.amount_total > 0 THEN
        RETURN greatest(floor((gone - least(coalesce(registry.arrived(p.id), 0)::numeric / p.amount_total, 1)) * 100), CASE WHEN gone IS NOT NULL THEN 0 END);
    END IF;
    RETURN CASE WHEN gone IS NOT NULL THEN greatest(floor(least((registry.ymd_last(p.started_on) - first)::numeric / (last - first), 1) * 100), 0) END;
END $$;

-- ---------------------------------------------------------------- facts

-- What clocks are told by, of the projects behind p_after up to p_upto: a row each, of those no clock can run for none.
CREATE FUNCTION registry.clock_facts(p_after text, p_upto text, p_today date, p_zone text, p_stages text[], p_building text[])
RETURNS TABLE (project text, no text, office text, audience int[], stage text, registered date, reached date, active date, edited date,
    contacted boolean, answered boolean, planned_start date, planned_complete date, planned_produce date, points int)
LANGUAGE sql STABLE AS $$
    SELECT p.id, p.no, p.office, p.audience, p.stage, r.day, coalesce(registry.ymd_last(s.happened_on), r.day), least(a.held, p_today),
        (p.changed_at AT TIME ZONE p_zone)::date, a.project IS NOT NULL, coalesce(a.answered, false),
        CASE WHEN p.started_on IS NULL THEN registry.ymd_last(p.planned_start_on) END,
        CASE WHEN p.completed_on IS NULL THEN registry.ymd_last(p.planned_complete_on) END,
        CASE WHEN p.produced_on IS NULL THEN registry.ymd_last(p.planned_produce_on) END,
        CASE WHEN p.stage = ANY (p_building) THEN registry.points_behind(p, p_today) END
    FROM registry.project p
    CROSS JOIN LATERAL (SELECT (p.registered_at AT TIME ZONE p_zone)::date AS day) r
    LEFT JOIN (SELECT DISTINCT ON (e.project) e.project, e.happened_on FROM registry.stage_event e
               WHERE e.project > p_after AND e.project <= p_upto ORDER BY e.project DESC, e.version DESC) s ON s.project = p.id
    LEFT JOIN (SELECT v.project, max(registry.ymd_last(v.held_on)) AS held, bool_or(v.result IS NOT NULL) AS answered FROM registry.activity v
               WHERE v.project > p_after AND v.project <= p_upto GROUP BY v.project) a ON a.project = p.id
    WHERE p.id > p_after AND p.id <= p_upto AND p.stage = ANY (p_stages)
$$;

-- Lights that should be on for them; the limit was `first` units after the start.
CREATE FUNCTION registry.clock_lights(p_after text, p_upto text, p_today date)
RETURNS TABLE (project text, no text, office text, audience int[], rule text, light text, start_on date, first int, unit text, points int, proposal text)
LANGUAGE sql STABLE AS $$
    WITH county AS MATERIALIZED (
        SELECT (SELECT s.id FROM registry.rule_set s WHERE s.in_force) AS rules, (SELECT s.value FROM registry.setting s WHERE s.key = 'county.timezone') AS zone),
    clock AS MATERIALIZED (
        SELECT c.*, registry.clock_cutoff(c.blue, c.unit, p_today) AS blue_from, registry.clock_cutoff(c.yellow, c.unit, p_today) AS yellow_from,
            registry.clock_cutoff(c.red, c.unit, p_today) AS red_from, registry.clock_cutoff(c.exit, c.unit, p_today) AS exit_from
        FROM registry.clock_rule c JOIN county ON c.rule_set = county.rules),
    fact AS MATERIALIZED (
        SELECT f.* FROM county CROSS JOIN LATERAL registry.clock_facts(p_after, p_upto, p_today, county.zone,
            (SELECT array_agg(DISTINCT s) FROM clock CROSS JOIN LATERAL unnest(clock.stages) s),
            (SELECT array_agg(DISTINCT s) FROM clock CROSS JOIN LATERAL unnest(clock.stages) s WHERE clock.start = 'schedule')) f),
    lit AS MATERIALIZED (
        SELECT f.*, c.rule, c.unit, coalesce(c.blue, c.yellow, c.red) AS first, x.start_on,
            CASE c.unit WHEN 'points' THEN CASE WHEN f.points > c.red THEN 'red' WHEN f.points >= c.yellow THEN 'yellow' WHEN f.points >= c.blue THEN 'blue' END
                ELSE CASE WHEN x.start_on <= c.red_from THEN 'red' WHEN x.start_on <= c.yellow_from THEN 'yellow' WHEN x.start_on <= c.blue_from THEN 'blue' END END AS light,
            CASE WHEN x.start_on <= c.exit_from THEN 'exit' END AS proposal
        FROM fact f JOIN clock c ON f.stage = ANY (c.stages) AND c.unit <> 'times'
        CROSS JOIN LATERAL (SELECT CASE c.start WHEN 'registered' THEN f.registered WHEN 'stage' THEN f.reached WHEN 'progress' THEN greatest(f.reached, f.active)
            WHEN 'planned_start' THEN f.planned_start WHEN 'planned_complete' THEN f.planned_complete WHEN 'planned_produce' THEN f.planned_produce END AS start_on) x
        WHERE CASE c.met WHEN 'contact' THEN f.contacted WHEN 'result' THEN f.answered ELSE false END IS NOT TRUE),
    -- the next report is due the sooner the worse it stands
    worst AS (
        SELECT lit.project, max(CASE lit.light WHEN 'red' THEN 2 WHEN 'yellow' THEN 1 ELSE 0 END) AS light FROM lit WHERE lit.light IS NOT NULL GROUP BY 1),
    told AS (
        SELECT f.*, c.rule, x.reported, CASE w.light WHEN 2 THEN r.red WHEN 1 THEN r.yellow ELSE r.green END AS every, c.blue, c.yellow, c.red
        FROM fact f JOIN clock c ON c.unit = 'times' AND f.stage = ANY (c.stages)
        JOIN registry.report_rule r ON r.rule_set = c.rule_set AND r.stage = f.stage
        LEFT JOIN worst w ON w.project = f.project
        CROSS JOIN LATERAL (SELECT greatest(f.reached, f.active, f.edited) AS reported) x)
    SELECT l.project, l.no, l.office, l.audience, l.rule, l.light, l.start_on,
        CASE WHEN l.unit <> 'points' THEN l.first END, l.unit, CASE WHEN l.unit = 'points' THEN l.points END, l.proposal
    FROM lit l WHERE l.light IS NOT NULL
    UNION ALL
    SELECT t.project, t.no, t.office, t.audience, t.rule, x.light, t.reported, t.every, 'day', NULL, NULL
    FROM told t CROSS JOIN LATERAL (SELECT CASE WHEN p_today > t.reported + t.every * t.red THEN 'red' WHEN p_today > t.reported + t.every * t.yellow THEN 'yellow'
        WHEN p_today > t.reported + t.every * t.blue THEN 'blue' END AS light) x WHERE x.light IS NOT NULL
$$;

-- ---------------------------------------------------------------- what differs

-- Journals a set of changes that no trigger told.
CREATE FUNCTION registry.journal_set(p_told registry.told[], p_place int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    g CONSTANT bigint := registry.grp();
    first CONSTANT int := coalesce(nullif(current_setting('qipan.idx', true), '')::int, 0);
BEGIN
    INSERT INTO registry.change (grp, idx, ord, kind, object, version, fields, image, audience)
    SELECT g, first + t.n::int - 1, p_place, t.kind, t.object, t.version, t.fields, t.image, t.audience
    FROM unnest(p_told) WITH ORDINALITY t(kind, object, version, fields, image, audience, n);
    PERFORM set_config('qipan.idx', (first + cardinality(p_told))::text, true);
END $$;

-- Alerts against the lights that should be on: what opens, changes and clears, as journal rows. The entry is open.
CREATE FUNCTION registry.clock_alerts(p_after text, p_upto text, p_today date) RETURNS registry.told[] LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    t CONSTANT timestamptz := registry.now();
    today CONSTANT text := p_today::text;
    told registry.told[];
BEGIN
    WITH differ AS MATERIALIZED (
        SELECT o.whole AS o, w.audience, ROW(coalesce(o.id, registry.new_id('al')), coalesce(o.version, 0) + 1, coalesce(w.project, o.project), coalesce(w.no, o.no),
            coalesce(w.office, o.office), coalesce(w.rule, o.rule), NULL, CASE WHEN w.rule IS NULL THEN 'cleared' ELSE 'open' END, coalesce(w.light, o.light),
            coalesce(o.since_on, today), CASE WHEN o.light = w.light OR w.rule IS NULL THEN o.lit_on ELSE today END, coalesce(w.start_on::text, o.start_on),
            coalesce(registry.clock_add(w.start_on, w.first, w.unit)::text, o.limit_on), coalesce(w.points, o.points), CASE WHEN w.rule IS NULL THEN o.proposal ELSE w.proposal END,
            CASE WHEN w.rule IS NULL THEN today END, t)::registry.alert AS n
        FROM registry.clock_lights(p_after, p_upto, p_today) w
        FULL JOIN (SELECT a.*, a AS whole FROM registry.alert a WHERE a.state = 'open' AND a.project > p_after AND a.project <= p_upto) o
            ON o.project = w.project AND o.rule = w.rule
        WHERE o.id IS NULL OR w.rule IS NULL OR (o.light, o.office) <> (w.light, w.office) OR o.proposal IS DISTINCT FROM w.proposal
        ORDER BY coalesce(w.project, o.project), coalesce(w.rule, o.rule)),
    opened AS (
        INSERT INTO registry.alert SELECT (d.n).* FROM differ d WHERE (d.o).id IS NULL),
    moved AS (
        UPDATE registry.alert a SET (version, office, state, light, lit_on, start_on, limit_on, points, proposal, cleared_on, changed_at) =
            ROW((d.n).version, (d.n).office, (d.n).state, (d.n).light, (d.n).lit_on, (d.n).start_on, (d.n).limit_on, (d.n).points, (d.n).proposal, (d.n).cleared_on, t)
        FROM differ d WHERE a.id = (d.o).id AND a.version = (d.o).version RETURNING a.id) -- what others changed meanwhile is the next run's
    SELECT array_agg(ROW('alert', (d.n).id, (d.n).version, CASE WHEN (d.o).id IS NULL THEN registry.alert_born(d.n) ELSE registry.alert_diff(d.o, d.n) END,
        registry.alert_image(d.n), coalesce(d.audience, registry.audience_of((d.n).project)))::registry.told) INTO told
    FROM differ d LEFT JOIN moved m ON m.id = (d.o).id WHERE (d.o).id IS NULL OR m.id IS NOT NULL;
    RETURN told;
END $$;

-- The same of protections: prolonged for activity where they come to their end, warned of, released; ended where the project went on; and
-- begun anew with another owner.
CREATE FUNCTION registry.clock_protections(p_after text, p_upto text, p_today date) RETURNS registry.told[] LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    t CONSTANT timestamptz := registry.now();
    zone CONSTANT text := (SELECT s.value FROM registry.setting s WHERE s.key = 'county.timezone');
    r CONSTANT registry.protection_rule := registry.protection_rule_in_force();
    told registry.told[];
BEGIN
    IF r.rule_set IS NULL THEN
        RETURN NULL;
    END IF;
    WITH held AS (
        SELECT o, p.id AS project, p.no, p.office, p.audience, p.stage = ANY (r.stages) AS covered, g.born,
            coalesce(o.office <> p.office, false) AS given, coalesce(o.renewed_on::date, g.born) AS since, coalesce(o.until_on::date, g.born + r.days) AS until
        FROM registry.project p LEFT JOIN registry.protection o ON o.project = p.id
        CROSS JOIN LATERAL (SELECT (p.registered_at AT TIME ZONE zone)::date AS born) g
        WHERE p.id > p_after AND p.id <= p_upto AND (o.id IS NOT NULL AND o.state <> 'ended' OR o.id IS NULL AND p.stage = ANY (r.stages) AND p_today >= g.born + r.days - r.warn_days)),
    proved AS (
        SELECT h.*, a.id AS proof, a.held FROM held h
        LEFT JOIN LATERAL (SELECT v.id, least(registry.ymd_last(v.held_on), p_today) AS held FROM registry.activity v
            WHERE v.project = h.project AND v.office = h.office AND h.covered AND NOT h.given AND p_today >= h.until - r.warn_days
              AND registry.ymd_last(v.held_on) > h.since ORDER BY 2 DESC, 1 LIMIT 1) a ON (h.o).state IS DISTINCT FROM 'released'),
    next AS (
        SELECT x.*, CASE WHEN x.given THEN p_today + r.days WHEN x.proof IS NOT NULL THEN greatest(x.until, x.held + r.days) ELSE x.until END AS upto FROM proved x),
    judged AS (
        SELECT y.*, CASE WHEN NOT y.covered THEN 'ended' WHEN (y.o).state = 'released' AND NOT y.given THEN 'released' WHEN p_today > y.upto THEN 'released'
            WHEN p_today >= y.upto - r.warn_days THEN 'expiring' ELSE 'held' END AS state,
            y.covered AND (y.given OR y.upto > y.until) AS renewed FROM next y),
    differ AS MATERIALIZED (
        SELECT j.o, j.audience, ROW(coalesce((j.o).id, registry.new_id('pr')), coalesce((j.o).version, 0) + 1, j.project, j.no, j.office, j.state,
            CASE WHEN j.given THEN p_today::text ELSE coalesce((j.o).since_on, j.born::text) END, j.upto::text,
            CASE WHEN j.given THEN p_today::text WHEN j.renewed THEN j.held::text ELSE (j.o).renewed_on END,
            CASE WHEN j.renewed AND NOT j.given THEN coalesce((j.o).renewals, 0) + 1 ELSE (j.o).renewals END,
            CASE WHEN j.renewed THEN coalesce(j.proof, (j.o).proof) ELSE (j.o).proof END, 'registry', t)::registry.protection AS n
        FROM judged j WHERE CASE WHEN (j.o).id IS NULL THEN j.state <> 'held' OR j.renewed ELSE (j.o).state <> j.state OR j.renewed END
        ORDER BY j.project),
    begun AS (
        INSERT INTO registry.protection SELECT (d.n).* FROM differ d WHERE (d.o).id IS NULL),
    moved AS (
        UPDATE registry.protection x SET (version, office, state, since_on, until_on, renewed_on, renewals, proof, actor, changed_at) =
            ROW((d.n).version, (d.n).office, (d.n).state, (d.n).since_on, (d.n).until_on, (d.n).renewed_on, (d.n).renewals, (d.n).proof, (d.n).actor, t)
        FROM differ d WHERE x.id = (d.o).id AND x.version = (d.o).version
        RETURNING x.id)
    SELECT array_agg(ROW('protection', (d.n).id, (d.n).version, CASE WHEN (d.o).id IS NULL THEN registry.protection_born(d.n) ELSE registry.protection_diff(d.o, d.n) END,
        registry.protection_image(d.n), d.audience)::registry.told) INTO told
    FROM differ d LEFT JOIN moved m ON m.id = (d.o).id WHERE (d.o).id IS NULL OR m.id IS NOT NULL;
    RETURN told;
END $$;

-- Alerts of offices whose monthly return is missing, as journal rows.
CREATE FUNCTION registry.clock_returns(p_today date) RETURNS registry.told[] LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    t CONSTANT timestamptz := registry.now();
    today CONSTANT text := p_today::text;
    told registry.told[];
BEGIN
    WITH want AS (
        SELECT d.*, CASE WHEN p_today - d.due_on::date >= r.red THEN 'red' WHEN p_today - d.due_on::date >= r.yellow THEN 'yellow' ELSE 'blue' END AS light
        FROM registry.returns_due(p_today) d JOIN registry.return_rule r ON r.rule_set = registry.rule_set_in_force()
        WHERE d.filed_on IS NULL AND p_today - d.due_on::date >= r.blue),
    differ AS MATERIALIZED (
        SELECT o.whole AS o, ROW(coalesce(o.id, registry.new_id('al')), coalesce(o.version, 0) + 1, NULL, NULL, coalesce(w.office, o.office), 'return', coalesce(w.period, o.period),
            CASE WHEN w.period IS NULL THEN 'cleared' ELSE 'open' END, coalesce(w.light, o.light), coalesce(o.since_on, today),
            CASE WHEN o.light = w.light OR w.period IS NULL THEN o.lit_on ELSE today END, coalesce(o.start_on, w.period || '-01'), coalesce(w.due_on, o.limit_on), NULL, NULL,
            CASE WHEN w.period IS NULL THEN today END, t)::registry.alert AS n
        FROM want w FULL JOIN (SELECT a.*, a AS whole FROM registry.alert a WHERE a.state = 'open' AND a.project IS NULL AND a.rule = 'return') o ON o.office = w.office AND o.period = w.period
        WHERE o.id IS NULL OR w.period IS NULL OR o.light <> w.light),
    opened AS (INSERT INTO registry.alert SELECT (d.n).* FROM differ d WHERE (d.o).id IS NULL),
    moved AS (
        UPDATE registry.alert a SET (version, state, light, lit_on, cleared_on, changed_at) = ROW((d.n).version, (d.n).state, (d.n).light, (d.n).lit_on, (d.n).cleared_on, t)
        FROM differ d WHERE a.id = (d.o).id AND a.version = (d.o).version RETURNING a.id)
    SELECT array_agg(ROW('alert', (d.n).id, (d.n).version, CASE WHEN (d.o).id IS NULL THEN registry.alert_born(d.n) ELSE registry.alert_diff(d.o, d.n) END,
        registry.alert_image(d.n), '{1}')::registry.told) INTO told
    FROM differ d LEFT JOIN moved m ON m.id = (d.o).id WHERE (d.o).id IS NULL OR m.id IS NOT NULL;
    RETURN told;
END $$;

-- ---------------------------------------------------------------- the run

-- Is one due? Once a day of the county, to the end.
CREATE FUNCTION registry.clock_due() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT c.day IS DISTINCT FROM registry.today() OR c.done_at IS NULL FROM registry.clock c);
END $$;

-- One step of the run of today, over up to p_limit projects; begins it, and with p_again begins one that is over anew.
-- c: where it stands; null = somebody else is at it (p_wait: then this waits). done: changes were written.
CREATE FUNCTION registry.clock_step(p_limit int, p_again boolean, p_wait boolean, OUT c registry.clock, OUT done int) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    today CONSTANT date := registry.today();
    upto text;
    told registry.told[];
    swept int := 0;
    place int;
BEGIN
    done := 0;
    IF p_wait THEN
        SELECT * INTO c FROM registry.clock x FOR UPDATE;
    ELSE
        SELECT * INTO c FROM registry.clock x FOR UPDATE SKIP LOCKED;
    END IF;
    IF c.singleton IS NULL OR c.day = today AND c.done_at IS NOT NULL AND NOT p_again THEN
        RETURN;
    ELSIF c.day IS DISTINCT FROM today OR c.done_at IS NOT NULL THEN
        c := ROW(true, today, '', NULL, registry.now(), 0, 0, 0, 0)::registry.clock;
        INSERT INTO registry.setting (key, value) VALUES ('returns.since', left(today::text, 7)) ON CONFLICT DO NOTHING;
    END IF;
    SELECT max(x.id), count(*) INTO upto, done FROM (SELECT p.id FROM registry.project p WHERE p.id > c.after ORDER BY p.id LIMIT p_limit) x;
    c.projects := c.projects + done;
    place := registry.entry_begin('registry');
    IF c.after = '' THEN
        swept := registry.evidence_sweep();
        PERFORM registry.import_sweep();
    END IF;
    PERFORM set_config('qipan.bulk', 'clock', true);
    IF upto IS NOT NULL THEN
        told := registry.clock_alerts(c.after, upto, today) || registry.clock_protections(c.after, upto, today);
    END IF;
    IF c.after = '' THEN
        told := told || registry.clock_returns(today);
    END IF;
    PERFORM set_config('qipan.bulk', '', true);
    IF done < p_limit THEN
        c.done_at := registry.now();
    END IF;
    done := swept + coalesce(cardinality(told), 0);
    IF done > swept THEN
        PERFORM registry.journal_set(told, place);
    END IF;
    IF done > 0 THEN
        PERFORM registry.keep_own(place, format('clock-%s-%s', today, current_setting('qipan.grp')), 'clock_run', NULL, NULL);
    END IF;
    c.after := coalesce(upto, c.after);
    c.opened := c.opened + (SELECT count(*) FROM unnest(told) x WHERE x.version = 1 AND x.kind = 'alert');
    c.cleared := c.cleared + (SELECT count(*) FROM unnest(told) x WHERE x.fields #>> '{7,1}' = 'cleared');
    c.changed := c.changed + (SELECT count(*) FROM unnest(told) x WHERE x.kind <> 'alert' OR x.version > 1 AND x.fields #>> '{7,1}' IS DISTINCT FROM 'cleared');
    UPDATE registry.clock x SET (day, after, done_at, began_at, projects, opened, changed, cleared) =
        ROW(c.day, c.after, c.done_at, c.began_at, c.projects, c.opened, c.changed, c.cleared);
END $$;

-- The scheduler's step. more: the run isn't over.
CREATE FUNCTION api.clock_turn("limit" int) RETURNS api.clock_turn_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    x record := registry.clock_step(least(greatest(coalesce("limit", 2000), 1), 20000), false, false);
BEGIN
    RETURN ROW(NULL, x.done, CASE WHEN x.done > 0 THEN 0 END, (x.c).singleton IS NOT NULL AND (x.c).done_at IS NULL)::api.clock_turn_reply;
END $$;
