-- SPDX-License-Identifier: Apache-2.0
-- Protection of who reported first: a lead belongs to its reporter for a time, which activities and evidence prolong, and is
-- released by inactivity. As long as nothing has happened to it a protection has no row: the rule and the day of registration say all.

CREATE FUNCTION registry.protection_rule_in_force() RETURNS registry.protection_rule LANGUAGE plpgsql STABLE AS $$
DECLARE
    r registry.protection_rule;
BEGIN
    SELECT * INTO r FROM registry.protection_rule x WHERE x.rule_set = registry.rule_set_in_force();
    RETURN r;
END $$;

-- The day a protection ends, as its row has it or, as long as there is none (state null), as the rule has it; null = there is none (any more).
CREATE FUNCTION registry.protected_until(p_state text, p_until text, p_stage text, p_registered timestamptz, r registry.protection_rule, p_zone text)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_state IN ('held', 'expiring') THEN p_until
        WHEN p_state IS NULL AND p_stage = ANY (r.stages) THEN ((p_registered AT TIME ZONE p_zone)::date + r.days)::text END
$$;

-- The newest thing about a project that speaks for its office still being at it, behind a day: an activity, evidence.
CREATE FUNCTION registry.proof_since(p_project text, p_office text, p_day text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    id text := (SELECT a.id FROM registry.activity a WHERE a.project = p_project AND a.office = p_office AND a.held_on > left(p_day, length(a.held_on))
                ORDER BY a.held_on DESC, a.id LIMIT 1);
BEGIN
    IF id IS NULL THEN
        id := (SELECT e.id FROM registry.evidence e WHERE e.project = p_project AND e.office = p_office AND e.state = 'ready'
                 AND registry.day(e.ready_at) > p_day ORDER BY e.ready_at DESC, e.id LIMIT 1);
    END IF;
    RETURN id;
END $$;

CREATE FUNCTION registry.protection_may(p_account int, p_op text, b registry.protection, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    r CONSTANT registry.protection_rule := registry.protection_rule_in_force();
    f registry.finding := registry.unless_may(p_account, 'write', p.office);
    since text;
BEGIN
    IF f.code IS NOT NULL OR b.version IS NULL THEN
        RETURN f;
    ELSIF p_op = 'protection_set' THEN
        RETURN registry.fault('FAILED_PRECONDITION', NULL, 'protection.set');
    ELSIF p.id IS NULL THEN
        RETURN NULL; -- that is said behind this
    ELSIF r.rule_set IS NULL THEN
        RETURN registry.fault('FAILED_PRECONDITION', NULL, 'rule.none');
    ELSIF p.stage <> ALL (r.stages) THEN
        RETURN registry.fault('FAILED_PRECONDITION', 'stage', 'protection.stage', '@stage:' || p.stage,
            (SELECT s.name FROM registry.rule_set s WHERE s.id = r.rule_set), '@stage:' || array_to_string(r.stages, ',@stage:'));
    ELSIF b.state = 'ended' THEN
        RETURN registry.fault('FAILED_PRECONDITION', 'state', 'protection.ended', registry.day(b.changed_at));
    END IF;
    since := coalesce(b.renewed_on, b.since_on, registry.day(p.registered_at));
    IF registry.proof_since(p.id, p.office, since) IS NULL THEN
        RETURN registry.fault('FAILED_PRECONDITION', NULL, 'protection.proof', since,
            (SELECT s.name FROM registry.rule_set s WHERE s.id = r.rule_set), r.days::text);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION registry.protection_rules(p_account int, p_op text, b registry.protection, INOUT n registry.protection,
    OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    p CONSTANT registry.project := registry.project_find(n.project);
    born CONSTANT text := registry.day(p.registered_at);
    today CONSTANT date := registry.today();
BEGIN
    n.office := p.office;
    n.since_on := coalesce(b.since_on, born);
    n.proof := registry.proof_since(p.id, p.office, coalesce(b.renewed_on, n.since_on));
    n.until_on := greatest(b.until_on, (today + (registry.protection_rule_in_force()).days)::text);
    n.renewed_on := today::text;
    n.renewals := coalesce(b.renewals, 0) + 1;
    n.state := 'held';
    n.actor := registry.account_code(p_account);
END $$;

SELECT registry.generate_record('protection', 'until_on');
DROP TRIGGER protection_journal ON registry.protection;
CREATE TRIGGER protection_journal BEFORE INSERT OR UPDATE ON registry.protection FOR EACH ROW
    WHEN (coalesce(current_setting('qipan.bulk', true), '') = '') EXECUTE FUNCTION registry.protection_journal();

-- From today on for the whole period, for what was done since it was reported or renewed last.
CREATE FUNCTION api.protection_renew(p_account int, p_lang text, p_request text, p_digest bytea, project text, reason text)
RETURNS api.protection_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    p CONSTANT registry.project := registry.project_seen(p_account, btrim(protection_renew.project));
    id CONSTANT text := (SELECT x.id FROM registry.protection x WHERE x.project = p.id);
BEGIN
    RETURN registry.protection_change(p_account, p_lang, p_request, p_digest, NULL, 'protection_renew', id,
        CASE WHEN id IS NULL THEN jsonb_build_object('project', protection_renew.project) END, NULL, reason, false);
END $$;
