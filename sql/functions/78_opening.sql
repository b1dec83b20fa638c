-- SPDX-License-Identifier: Apache-2.0
-- Opening balances: what was before the county went live. Of the county alone, with true days, counting from those, and marked, so that a
-- figure can have them or leave them out.

-- What stands against a day of before: null = nothing. p_field: what it is called; p_reason: why it comes so late.
CREATE FUNCTION registry.opening_fault(p_project text, p_on text, p_field text, p_reason text) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    live_on CONSTANT text := (SELECT s.value FROM registry.setting s WHERE s.key = 'county.live_on');
    registered_on CONSTANT text := (SELECT registry.day(p.registered_at) FROM registry.project p WHERE p.id = p_project);
    today CONSTANT text := registry.today()::text;
BEGIN
    RETURN CASE WHEN p_on IS NULL OR p_on < '1990' THEN registry.bad(p_field, p_on, 'opening.day')
        WHEN p_on >= left(live_on, length(p_on)) AND live_on IS NOT NULL THEN registry.bad(p_field, p_on, 'opening.live', live_on)
        WHEN p_on > left(registered_on, length(p_on)) THEN registry.bad(p_field, p_on, 'opening.registered', registered_on)
        WHEN today >= live_on AND coalesce(btrim(p_reason), '') = '' THEN registry.bad('reason', '', 'opening.reason', live_on) END;
END $$;

-- Events of a project that no other one corrects.
CREATE FUNCTION registry.stage_standing(p_project text) RETURNS SETOF registry.stage_event LANGUAGE sql STABLE AS $$
    SELECT * FROM registry.stage_event e WHERE e.project = p_project
      AND NOT EXISTS (SELECT FROM registry.stage_event c WHERE c.project = p_project AND c.corrects = e.version)
$$;

-- A stage of before as a step: of those the project has been through, and in order with those of before that are known.
CREATE FUNCTION registry.step_opening(INOUT n registry.step, OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    p CONSTANT registry.project := registry.project_find(n.project);
    rules CONSTANT int := registry.rule_set_in_force();
    s registry.stage;
    here registry.stage;
    other registry.stage_event;
BEGIN
    SELECT * INTO s FROM registry.stage x WHERE x.rule_set = rules AND x.code = n.stage;
    SELECT * INTO here FROM registry.stage x WHERE x.rule_set = rules AND x.code = p.stage;
    SELECT e.* INTO other FROM registry.stage_standing(p.id) e JOIN registry.stage x ON x.rule_set = rules AND x.code = e.stage
    WHERE e.opening AND (x.rank < s.rank AND e.happened_on > n.reached_on OR x.rank > s.rank AND e.happened_on < left(n.reached_on, length(e.happened_on)))
    ORDER BY e.version LIMIT 1;
    fault := CASE WHEN s.code IS NULL THEN registry.bad('stage', n.stage, 'code.unknown')
        WHEN s.pauses OR s.ends OR s.rank > here.rank THEN registry.fault('FAILED_PRECONDITION', 'stage', 'opening.ahead', '@stage:' || s.code, '@stage:' || here.code)
        WHEN other.project IS NOT NULL THEN registry.bad('reached_on', n.reached_on, 'opening.order', '@stage:' || other.stage, other.happened_on)
        WHEN n.note IS NULL AND EXISTS (SELECT FROM registry.stage_standing(p.id) e WHERE e.opening AND e.stage = s.code)
            THEN registry.fault('ALREADY_EXISTS', 'stage', 'opening.twin', '@stage:' || s.code)
        ELSE registry.opening_fault(p.id, n.reached_on, 'reached_on', n.note) END;
    n.office := p.office;
    n.opening := true;
    n.state := 'approved';
    n.counted_on := n.reached_on;
    n.actor := n.decided_actor;
    n.recorded_at := n.decided_at;
    n.rules := registry.rules_name();
    n.project_version := least(0, (SELECT min(e.version) FROM registry.stage_event e WHERE e.project = p.id)) - 1;
END $$;

-- What follows from it: the event, what it corrects (an earlier entry of the same, a step of the same stage that waits), and the
-- project's own day for the stage.
CREATE FUNCTION registry.step_opened(n registry.step) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    day_field CONSTANT text := (SELECT s.date_field FROM registry.stage s WHERE s.rule_set = registry.rule_set_in_force() AND s.code = n.stage);
BEGIN
    UPDATE registry.step s SET state = 'corrected', counted_on = NULL, note = coalesce(n.note, registry.say('zh', 'opening.note'))
    FROM (SELECT x.id FROM registry.step x WHERE x.project = n.project AND x.stage = n.stage AND x.id <> n.id
          AND (x.state = 'pending' OR x.opening AND x.state = 'approved') ORDER BY x.id FOR NO KEY UPDATE) o
    WHERE s.id = o.id;
    INSERT INTO registry.stage_event (project, version, stage, happened_on, at, actor, corrects, opening)
    VALUES (n.project, n.project_version, n.stage, n.reached_on, n.recorded_at, n.actor,
        (SELECT max(e.version) FROM registry.stage_standing(n.project) e WHERE e.opening AND e.stage = n.stage), true);
    IF day_field IS NOT NULL THEN
        EXECUTE format('UPDATE registry.project p SET %1$I = $1 WHERE p.id = $2 AND p.%1$I IS DISTINCT FROM $1', day_field)
        USING n.reached_on, n.project;
    END IF;
END $$;

-- When a project came to a stage, from before the county went live. Right county.
CREATE FUNCTION api.project_backdate(p_account int, p_lang text, p_request text, p_digest bytea, id text, stage text, "on" text, reason text)
RETURNS api.step_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.step_change(p_account, p_lang, p_request, p_digest, NULL, 'project_backdate', NULL,
        jsonb_build_object('project', coalesce(id, '')), jsonb_build_object('stage', coalesce(registry.resolve('stage', btrim(stage)), stage, ''),
            'reached_on', CASE WHEN registry.is_ymd(btrim("on")) THEN btrim("on") END, 'note', nullif(left(btrim(reason), 500), '')), reason, NULL);
END $$;

-- Money that arrived before the county went live. Right county.
CREATE FUNCTION api.arrival_backdate(p_account int, p_lang text, p_request text, p_digest bytea, set jsonb, reason text)
RETURNS api.arrival_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.arrival_change(p_account, p_lang, p_request, p_digest, NULL, 'arrival_backdate', NULL,
        jsonb_strip_nulls(jsonb_build_object('office', (registry.project_seen(p_account, btrim(set ->> 'project'))).office)) || coalesce(set, '{}'),
        jsonb_build_object('note', nullif(left(btrim(reason), 500), '')), reason, btrim(reason) <> '');
END $$;

-- ---------------------------------------------------------------- the day itself

CREATE TYPE api.live_reply AS (error api.error, live_on text, before text, replayed boolean);

-- What stands against that day: null = nothing. p_day: a day; p_now: the one that is set.
CREATE FUNCTION registry.live_fault(p_account int, p_day text, p_now text, p_reason text) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding := registry.unless_may(p_account, 'county', NULL);
    latest text;
BEGIN
    IF f.code IS NOT NULL THEN
        RETURN f;
    ELSIF (registry.is_ymd(p_day) AND length(p_day) = 10 AND left(p_day, 4) BETWEEN '1990' AND '2100') IS NOT TRUE THEN
        RETURN registry.fault('INVALID_ARGUMENT', 'live_on', 'live.day', p_day);
    ELSIF p_now <> p_day AND coalesce(btrim(p_reason), '') = '' THEN
        RETURN registry.fault('INVALID_ARGUMENT', 'reason', 'live.reason', p_now);
    END IF;
    SELECT max(x.day) INTO latest
    FROM (SELECT s.reached_on::text AS day FROM registry.step s WHERE s.opening AND s.state = 'approved'
          UNION ALL SELECT a.arrived_on::text FROM registry.arrival a WHERE a.opening AND a.state = 'approved') x
    WHERE x.day >= left(p_day, length(x.day));
    RETURN CASE WHEN latest IS NOT NULL THEN registry.fault('FAILED_PRECONDITION', 'live_on', 'live.entries', latest) END;
END $$;

-- The day on which the county goes live. Right county; another day than the one that is set needs a reason, and none may come before
-- what was entered as of before it. The entry keeps who said so.
CREATE FUNCTION api.live_set(p_account int, p_lang text, p_request text, p_digest bytea, live_on text, reason text) RETURNS api.live_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.live_reply;
    e registry.entry := registry.seen(p_account, p_request);
    day CONSTANT text := btrim(live_on);
    f registry.finding;
BEGIN
    r.error := registry.request_fault(p_lang, p_request, e, 'live_set', p_digest, reason);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        r.replayed := true;
        r.error := CASE WHEN e.status <> 'OK' THEN registry.refused_again(e) END;
        r.live_on := e.reply ->> 'live_on';
        r.before := e.reply ->> 'before';
        RETURN r;
    END IF;
    SELECT s.value INTO r.before FROM registry.setting s WHERE s.key = 'county.live_on' FOR UPDATE;
    f := registry.live_fault(p_account, day, r.before, reason);
    IF f.code IS NOT NULL THEN
        r.before := NULL;
        r.error := registry.record_error(p_lang, 'step', f);
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'live_set', NULL, NULL, r.error);
        RETURN r;
    END IF;
    INSERT INTO registry.setting (key, value) VALUES ('county.live_on', day) ON CONFLICT (key) DO UPDATE SET value = excluded.value;
    r.live_on := day;
    PERFORM registry.keep(p_account, p_request, p_digest, 'live_set', NULL, 'OK', day, NULL, reason, NULL,
        jsonb_build_object('live_on', day, 'before', r.before));
    RETURN r;
END $$;
