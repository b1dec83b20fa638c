-- SPDX-License-Identifier: Apache-2.0
-- What the system knows about a case: facts, held against the rule set's limits. [{"fact", "value", "kind", "least", "most", "met"}]: kind
-- = value is a code of that kind; met is absent where there is no limit or no value.

-- 10 000 yuan a mu; null = one is not known.
CREATE FUNCTION registry.per_mu(p_amount bigint, p_mu numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT round(p_amount / 1000000.0 / nullif(p_mu, 0), 2)
$$;

-- 10 000 yuan.
CREATE FUNCTION registry.wan(p_amount bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT trim_scale(round(p_amount / 1000000.0, 6))::text
$$;

-- Days since a date, the last day it may mean; never negative.
CREATE FUNCTION registry.days_since(p_on text) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN greatest(registry.today() - registry.ymd_last(p_on), 0);
END $$;

-- Days since the last talk about a project; if there was none, since it was registered.
CREATE FUNCTION registry.days_silent(p registry.project) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.days_since(coalesce((SELECT max(a.held_on) FROM registry.activity a WHERE a.project = p.id), registry.day(p.registered_at)));
END $$;

-- Days a project has been in its stage.
CREATE FUNCTION registry.days_in_stage(p registry.project) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.days_since(coalesce((SELECT e.happened_on FROM registry.stage_event e WHERE e.project = p.id AND e.stage = p.stage
                                         ORDER BY e.version DESC LIMIT 1), registry.day(p.registered_at)));
END $$;

CREATE FUNCTION registry.fact(p_fact text, p_value text, p_kind text DEFAULT NULL) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('fact', p_fact, 'value', p_value, 'kind', p_kind)))
$$;

-- The investment of a project in yuan; of one in another currency it isn't known.
CREATE FUNCTION registry.total_yuan(p registry.project) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN coalesce(p.currency, 'CNY') = 'CNY' THEN p.amount_total END
$$;

CREATE FUNCTION registry.facts_worth(p registry.project) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    total CONSTANT bigint := registry.total_yuan(p);
BEGIN
    RETURN registry.fact('amount_total', registry.wan(total)) || registry.fact('land', trim_scale(p.land_mu)::text)
        || registry.fact('invest_per_mu', registry.per_mu(total, p.land_mu)::text)
        || registry.fact('tax_per_mu', registry.per_mu(p.amount_tax, p.land_mu)::text)
        || registry.fact('output_per_mu', registry.per_mu(p.amount_output, p.land_mu)::text) || registry.fact('jobs', p.jobs::text);
END $$;

CREATE FUNCTION registry.facts_course(p registry.project) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.fact('stage', p.stage, 'stage') || registry.fact('days_in_stage', registry.days_in_stage(p)::text)
        || registry.fact('talks', (SELECT count(*) FROM registry.activity a WHERE a.project = p.id)::text)
        || registry.fact('days_silent', registry.days_silent(p)::text)
        || registry.fact('overdue', (SELECT count(*) FROM registry.due d WHERE d.project = p.id AND d.state = 'fired')::text);
END $$;

-- Of the other project no more than a first report discloses (office, day, number); and how alike the two are, unless one of them
-- is hidden from some who see the other: the gap alone would tell its amount.
CREATE FUNCTION registry.facts_pair(p registry.project, q registry.project) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    s record;
BEGIN
    SELECT * INTO s FROM registry.suspect(p, q, registry.duplicate_rules());
    RETURN registry.fact('project', q.no) || registry.fact('office', q.office, 'office') || registry.fact('registered', registry.day(q.registered_at))
        || registry.fact('level', s.level, 'suspicion') || CASE WHEN p.audience <> q.audience THEN '[]' ELSE
            registry.fact('likeness', registry.similar_names(p.name, q.name)::text)
            || registry.fact('amount_gap', registry.amount_gap(p.amount_total, q.amount_total)::text)
            || coalesce((SELECT jsonb_agg(jsonb_build_object('fact', r, 'value', '1') ORDER BY n) FROM unnest(s.reasons) WITH ORDINALITY u(r, n)), '[]') END;
END $$;

CREATE FUNCTION registry.facts_office(p_office text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    year CONSTANT text := left(registry.today()::text, 4);
BEGIN
    RETURN registry.fact('office', p_office, 'office')
        || (SELECT registry.fact('projects', count(*) FILTER (WHERE p.stage <> 'exited')::text)
            || registry.fact('signed', count(*) FILTER (WHERE p.signed_on LIKE year || '%')::text) FROM registry.project p WHERE p.office = p_office)
        || (SELECT registry.fact('overdue', coalesce(max(l.value) FILTER (WHERE l.trigger = 'overdue'), 0)::text)
            || registry.fact('red', coalesce(max(l.value) FILTER (WHERE l.trigger = 'red'), 0)::text)
            || registry.fact('returns', coalesce(max(l.value) FILTER (WHERE l.trigger = 'returns'), 0)::text)
            FROM registry.office_lates(365) l WHERE l.office = p_office)
        || (SELECT registry.fact('rewards', count(*) FILTER (WHERE r.class = 'reward')::text)
            || registry.fact('penalties', count(*) FILTER (WHERE r.class <> 'reward')::text)
            FROM registry.reward r WHERE r.office = p_office AND r.given_on LIKE year || '%');
END $$;

CREATE FUNCTION registry.case_facts_of(c registry."case") RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    p registry.project := registry.project_find(c.project);
    found jsonb;
BEGIN
    found := CASE c.class
        WHEN 'admission' THEN registry.facts_worth(p) || registry.fact('energy', c.energy_kgce::text) || registry.fact('environment', c.environment, 'environment')
        WHEN 'duplicate' THEN registry.facts_pair(p, registry.project_find(c.other_project))
        WHEN 'recognition' THEN registry.facts_course(p) || registry.fact('evidence', registry.evidence_count(c.of)::text)
        WHEN 'transfer' THEN registry.facts_worth(p) || registry.facts_course(p)
        WHEN 'exit' THEN registry.facts_course(p)
        ELSE registry.facts_office(c.other_office) END;
    RETURN (SELECT jsonb_agg(f.fact || jsonb_strip_nulls(jsonb_build_object('least', l.least, 'most', l.most,
                'met', v.value >= coalesce(l.least, v.value) AND v.value <= coalesce(l.most, v.value))) ORDER BY f.n)
            FROM jsonb_array_elements(found) WITH ORDINALITY f(fact, n)
            LEFT JOIN registry.case_limit l ON l.rule_set = c.rule_set AND l.class = c.class AND l.fact = f.fact ->> 'fact'
            LEFT JOIN LATERAL (SELECT CASE WHEN l.fact IS NULL THEN NULL WHEN f.fact ? 'kind' THEN (SELECT x.rank FROM registry.code x WHERE x.kind = f.fact ->> 'kind' AND x.code = f.fact ->> 'value')
                                           ELSE (f.fact ->> 'value')::numeric END AS value) v ON true);
END $$;
