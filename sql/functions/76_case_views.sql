-- SPDX-License-Identifier: Apache-2.0
-- Looking at cases: facts in words, where a case stands, suspected pairs, cases proposed, candidates for one plot ranked.

CREATE TYPE api.case_fact AS (fact text, label text, value text, "limit" text, met text);
CREATE TYPE api.case_facts_reply AS (error api.error, rows api.case_fact[], facts_at timestamptz, rule_set text);
CREATE TYPE api.case_step_line AS (step text, label text, place text, reached_at timestamptz, actor text, needs text, missing text);
CREATE TYPE api.case_course_reply AS (error api.error, rows api.case_step_line[], rule_set text);
CREATE TYPE api.case_pair AS (
    project text, no text, office text, other_project text, other_no text, other_office text, level text, likeness text, gap text,
    reasons text, "case" text
);
CREATE TYPE api.case_pool_reply AS (error api.error, rows api.case_pair[], next text);
CREATE TYPE api.case_proposal AS (class text, office text, project text, no text, trigger text, label text, value int, least int, "case" text, step text);
CREATE TYPE api.case_proposals_reply AS (error api.error, rows api.case_proposal[], rule_set text);
CREATE TYPE api.case_candidate AS (
    place int, "case" text, project text, no text, name text, office text, score text, working text, invest_per_mu text, tax_per_mu text,
    output_per_mu text, energy_kgce int, environment text, state text
);
CREATE TYPE api.case_rank_reply AS (error api.error, rows api.case_candidate[], rule_set text);

-- ---------------------------------------------------------------- one case

-- Why a case can't be looked at; null = it can.
CREATE FUNCTION registry.case_unseen(p_account int, p_lang text, p_id text, c registry."case") RETURNS api.error LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN NOT registry.may(p_account, 'read', NULL) THEN registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read')
        WHEN c.id IS NULL THEN registry.refusal(p_lang, 'NOT_FOUND', 'id', 'record.none', p_id) END;
END $$;

-- A fact as it is read, and what it is held against.
CREATE FUNCTION registry.fact_value(p_lang text, f jsonb) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(CASE WHEN f ? 'kind' THEN registry.code_label(p_lang, f ->> 'kind', f ->> 'value') END, f ->> 'value', '—')
$$;

CREATE FUNCTION registry.fact_limit(p_lang text, f jsonb) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN f ? 'least' THEN '≥ ' || (f ->> 'least') WHEN f ->> 'kind' = 'environment' THEN
            '≤ ' || (SELECT registry.code_label(p_lang, 'environment', x.code) FROM registry.code x WHERE x.kind = 'environment' AND x.rank = (f ->> 'most')::int)
        WHEN f ? 'most' THEN '≤ ' || (f ->> 'most') END
$$;

CREATE FUNCTION api.case_facts(p_account int, p_lang text, id text) RETURNS api.case_facts_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    c CONSTANT registry."case" := registry.case_seen(p_account, id);
    r api.case_facts_reply;
BEGIN
    r.error := registry.case_unseen(p_account, p_lang, id, c);
    IF (r.error).code IS NULL THEN
        PERFORM registry.commit_here();
        PERFORM registry.audit_about(p_account, 'case_facts', c.project, NULL);
        r.facts_at := c.facts_at;
        r.rule_set := registry.case_rules_name(c);
        r.rows := (SELECT array_agg(ROW(f ->> 'fact', registry.code_label(p_lang, 'case_fact', f ->> 'fact'),
                registry.fact_value(p_lang, f), registry.fact_limit(p_lang, f),
                CASE WHEN f ? 'met' THEN CASE WHEN (f ->> 'met')::boolean THEN '✓' ELSE '✗' END WHEN f ?| '{least,most}' THEN '—' END)::api.case_fact ORDER BY n)
            FROM jsonb_array_elements(c.facts::jsonb) WITH ORDINALITY u(f, n));
    END IF;
    RETURN r;
END $$;

-- What a step needs, in words; empty = nothing.
CREATE FUNCTION registry.case_needs(p_lang text, s registry.case_step) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN nullif(concat_ws(CASE p_lang WHEN 'en' THEN '; ' ELSE ';' END,
        CASE WHEN s.opinions > 0 THEN registry.say(p_lang, 'case.needs.opinions', s.opinions::text) END,
        CASE WHEN s.agreed THEN registry.say(p_lang, 'case.needs.agreed') END,
        CASE WHEN s.evidence > 0 THEN registry.say(p_lang, 'case.needs.evidence', s.evidence::text) END,
        CASE WHEN s.notice_days > 0 THEN registry.say(p_lang, 'case.needs.notice', s.notice_days::text) END), '');
END $$;

-- place: done, here, next (with what is missing), later. A state that is no step comes last.
CREATE FUNCTION api.case_course(p_account int, p_lang text, id text) RETURNS api.case_course_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    c CONSTANT registry."case" := registry.case_seen(p_account, id);
    next CONSTANT registry.case_step := registry.case_next(c);
    r api.case_course_reply;
BEGIN
    r.error := registry.case_unseen(p_account, p_lang, id, c);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    PERFORM registry.commit_here();
    PERFORM registry.audit_about(p_account, 'case_course', c.project, NULL);
    r.rule_set := registry.case_rules_name(c);
    r.rows := (SELECT array_agg(ROW(x.step, registry.code_label(p_lang, 'case_state', x.step),
            CASE WHEN x.step = c.state THEN 'here' WHEN x.step = next.step THEN 'next' WHEN w.at IS NOT NULL THEN 'done' ELSE 'later' END, w.at, w.actor,
            registry.case_needs(p_lang, x), CASE WHEN x.step = next.step THEN (registry.record_error(p_lang, 'case', registry.case_missing(c, x))).message END
            )::api.case_step_line ORDER BY x.rank)
        FROM (SELECT t.* FROM registry.case_step t WHERE t.rule_set = c.rule_set AND t.class = c.class
              UNION ALL SELECT c.rule_set, c.class, c.state, 100000, 'write', 0, 0, false, 0
              WHERE NOT EXISTS (SELECT FROM registry.case_step t WHERE t.rule_set = c.rule_set AND t.class = c.class AND t.step = c.state)) x
        LEFT JOIN LATERAL (SELECT e.at, e.actor FROM registry.change h
            CROSS JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = h.grp AND q.ord = h.ord OFFSET 0) e
            WHERE h.object = c.id AND h.fields #>> '{7,1}' = x.step ORDER BY h.version DESC LIMIT 1) w ON true);
    RETURN r;
END $$;

-- ---------------------------------------------------------------- the pool of suspected duplicates

-- Projects that share investor, telephone or address with p and were registered before it, by number.
CREATE FUNCTION registry.alike(p registry.project) RETURNS TABLE (id text) LANGUAGE plpgsql STABLE ROWS 5 AS $$
BEGIN
    RETURN QUERY
    SELECT q.id FROM (
        (SELECT i.id FROM registry.project i WHERE p.investor_key <> '' AND i.investor_key = p.investor_key AND i.investor_key <> '' LIMIT 50)
        UNION (SELECT y.project FROM registry.contact x JOIN registry.contact y ON registry.norm(y.phone) = registry.norm(x.phone) AND y.phone IS NOT NULL
               WHERE x.project = p.id AND x.phone IS NOT NULL LIMIT 50)
        UNION (SELECT s.id FROM registry.project s WHERE p.site IS NOT NULL AND registry.norm(s.site) = registry.norm(p.site) AND s.site IS NOT NULL LIMIT 50)) u
    JOIN registry.project q ON q.id = u.id AND q.no < p.no;
END $$;

-- Pairs, the last registered first and among those of one project the strongest; a page looks at 60 projects, and may find nothing
-- among them. Left out: what has exited, and pairs a case has dealt with; a case that runs is named.
CREATE FUNCTION api.case_pool(p_account int, p_lang text, after text, "limit" int) RETURNS api.case_pool_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    grants CONSTANT int[] := registry.grants(p_account);
    rules CONSTANT registry.duplicate_rule[] := registry.duplicate_rules();
    most CONSTANT int := least(greatest(coalesce("limit", 100), 1), 100);
    r api.case_pool_reply;
    looked text[];
    pairs int;
BEGIN
    IF NOT registry.may(p_account, 'assign', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.assign');
        RETURN r;
    END IF;
    looked := ARRAY(SELECT p.no FROM registry.project p WHERE p.no < coalesce(after, '~') ORDER BY p.no DESC LIMIT 60);
    SELECT count(*), array_agg(x.row ORDER BY x.n) FILTER (WHERE x.place <= most) INTO pairs, r.rows FROM (
        SELECT ROW((y.p).id, (y.p).no, (y.p).office, (y.q).id, (y.q).no, (y.q).office, registry.code_label(p_lang, 'suspicion', y.level), v.likeness,
                registry.amount_gap((y.p).amount_total, (y.q).amount_total),
                (SELECT string_agg(registry.code_label(p_lang, 'case_fact', w), ' · ' ORDER BY n) FROM unnest(y.reasons) WITH ORDINALITY u(w, n)), y."case")::api.case_pair AS row,
            row_number() OVER (ORDER BY (y.p).no DESC, y.level, v.likeness DESC, (y.q).no) AS n, dense_rank() OVER (ORDER BY (y.p).no DESC) AS place
        FROM (SELECT p, q, s.level, s.reasons, c.id AS "case"
              FROM registry.project p CROSS JOIN LATERAL registry.alike(p) m JOIN registry.project q ON q.id = m.id AND q.stage <> 'exited' AND q.audience && grants
              CROSS JOIN LATERAL registry.suspect(p, q, rules) s
              LEFT JOIN LATERAL (SELECT k.id, k.state FROM registry."case" k WHERE k.class = 'duplicate' AND k.state <> 'withdrawn'
                  AND k.project IN (p.id, q.id) AND k.other_project IN (p.id, q.id) ORDER BY k.opened_at DESC LIMIT 1) c ON true
              WHERE p.no = ANY (looked) AND p.stage <> 'exited' AND p.audience && grants AND s.level IS NOT NULL
                AND (c.state IN ('in_force', 'rejected')) IS NOT TRUE OFFSET 0) y
        CROSS JOIN LATERAL (SELECT registry.similar_names((y.p).name, (y.q).name) AS likeness) v) x;
    r.next := CASE WHEN pairs > coalesce(cardinality(r.rows), 0) THEN (r.rows[cardinality(r.rows)]).no
        WHEN cardinality(looked) = 60 THEN looked[60] END;
    PERFORM registry.commit_here();
    PERFORM registry.audit_listed(p_account, 'case_pool', ARRAY(SELECT unnest(ARRAY[x.project, x.other_project]) FROM unnest(r.rows) x));
    RETURN r;
END $$;

-- ---------------------------------------------------------------- cases proposed

-- What of an office is late: deadlines passed, matters that turned yellow or red, projects with a red light, returns missing of so many days.
CREATE FUNCTION registry.office_lates(p_days int) RETURNS TABLE (trigger text, office text, value int) LANGUAGE sql STABLE AS $$
    SELECT 'overdue', x.office, count(*)::int
    FROM (SELECT d.office FROM registry.due d WHERE d.state = 'fired'
          UNION ALL SELECT m.office FROM registry.matter m WHERE m.light IN ('yellow', 'red') AND registry.matter_is_open(m.state)) x GROUP BY x.office
    UNION ALL SELECT 'red', r.office, count(*)::int FROM (SELECT DISTINCT a.office, a.project FROM registry.alert a
        WHERE a.state = 'open' AND a.light = 'red' AND a.project IS NOT NULL) r GROUP BY r.office
    UNION ALL SELECT 'returns', a.office, count(*)::int FROM registry.alert a
    WHERE a.state = 'open' AND a.project IS NULL AND a.rule = 'return' AND a.period >= left((registry.today() - p_days)::text, 7) GROUP BY a.office
$$;

-- What the rule set's triggers find: a class, an office or project, how much, from how much on. Projects that the clocks propose for exit.
CREATE FUNCTION registry.case_triggers(p_grants int[]) RETURNS TABLE (class text, trigger text, office text, project text, value int, "least" int)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    rules CONSTANT int := registry.rule_set_in_force();
    today CONSTANT date := registry.today();
BEGIN
    RETURN QUERY
    SELECT k.class, k.trigger, f.office, f.project, f.value, k.least
    FROM (SELECT 'silent' AS trigger, a.office, a.project, today - registry.ymd_last(a.start_on) AS value
          FROM registry.alert a JOIN registry.project p ON p.id = a.project AND p.stage <> 'exited' AND p.audience && p_grants
          WHERE a.state = 'open' AND a.proposal = 'exit'
          UNION ALL SELECT l.trigger, l.office, NULL, l.value FROM registry.office_lates(coalesce(
              (SELECT r.days FROM registry.case_trigger r WHERE r.rule_set = rules AND r.trigger = 'returns'), 0)) l) f
    JOIN registry.case_trigger k ON k.rule_set = rules AND k.trigger = f.trigger AND f.value >= k.least;
END $$;

-- Proposals only: people open cases. `case`: one about the same that runs already, and `step`, where its procedure goes next.
CREATE FUNCTION api.case_proposals(p_account int, p_lang text, class text, office text, "limit" int) RETURNS api.case_proposals_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    of_class CONSTANT text := registry.resolve('case_class', btrim(class));
    of_office CONSTANT text := registry.resolve('office', btrim(office));
    r api.case_proposals_reply;
BEGIN
    IF NOT registry.may(p_account, 'assign', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.assign');
    ELSIF class IS NOT NULL AND of_class IS NULL THEN
        r.error := registry.error_of(p_lang, 'case', registry.bad('class', class, 'code.unknown'));
    ELSIF office IS NOT NULL AND of_office IS NULL THEN
        r.error := registry.error_of(p_lang, 'case', registry.bad('office', office, 'code.unknown'));
    END IF;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    r.rule_set := (SELECT s.name FROM registry.rule_set s WHERE s.in_force);
    r.rows := (SELECT array_agg(ROW(t.class, t.office, p.id, p.no, t.trigger, registry.code_label(p_lang, 'case_fact', t.trigger), t.value, t.least, c.id,
            coalesce((registry.case_next(c)).step, c.state, (SELECT s.step FROM registry.case_step s
                WHERE s.rule_set = registry.rule_set_in_force() AND s.class = t.class ORDER BY s.rank LIMIT 1)))::api.case_proposal
            ORDER BY t.class, t.value DESC, t.office, p.no)
        FROM (SELECT * FROM registry.case_triggers(registry.grants(p_account)) u
              WHERE (of_class IS NULL OR u.class = of_class) AND (of_office IS NULL OR u.office = of_office)
              ORDER BY u.class, u.value DESC, u.office, u.project LIMIT least(greatest(coalesce("limit", 100), 1), 200)) t
        LEFT JOIN registry.project p ON p.id = t.project
        LEFT JOIN LATERAL (SELECT * FROM registry."case" k WHERE k.class = t.class AND k.state NOT IN ('in_force', 'rejected', 'withdrawn')
            AND registry.case_key(k.class, k.project, k.other_project, k.other_office, k.of, k.person)
              = registry.case_key(t.class, t.project, NULL, t.office, NULL, NULL) LIMIT 1) c ON true);
    PERFORM registry.commit_here();
    PERFORM registry.audit_listed(p_account, 'case_proposals', ARRAY(SELECT x.project FROM unnest(r.rows) x));
    RETURN r;
END $$;

-- ---------------------------------------------------------------- candidates for one plot

-- Open admissions for the plot, or of projects of the park: each fact's weight by its part of the best value, added up. The working says so.
CREATE FUNCTION api.case_rank(p_account int, p_lang text, plot text, park text) RETURNS api.case_rank_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    of_park CONSTANT text := registry.resolve('park', btrim(park));
    of_plot CONSTANT text := registry.plot_named(btrim(plot));
    grants CONSTANT int[] := registry.grants(p_account);
    r api.case_rank_reply;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
    ELSIF coalesce(btrim(park), '') <> '' AND of_park IS NULL THEN
        r.error := registry.error_of(p_lang, 'project', registry.bad('park', park, 'code.unknown'));
    ELSIF coalesce(btrim(plot), '') <> '' AND of_plot IS NULL THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'plot', 'record.none', plot);
    ELSIF of_park IS NULL AND of_plot IS NULL THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'plot', 'case.rank');
    END IF;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    r.rule_set := (SELECT s.name FROM registry.rule_set s WHERE s.in_force);
    WITH candidate AS (
        SELECT c AS c, p AS p FROM registry."case" c JOIN registry.project p ON p.id = c.project AND p.audience && grants
        WHERE c.class = 'admission' AND registry.case_open(c.state) AND (of_plot IS NULL OR c.plot = of_plot) AND (of_park IS NULL OR p.park = of_park)),
    value AS (
        SELECT (k.c).id, w.fact, w.weight, CASE w.fact WHEN 'invest_per_mu' THEN registry.per_mu(registry.total_yuan(k.p), (k.p).land_mu)
            WHEN 'tax_per_mu' THEN registry.per_mu((k.p).amount_tax, (k.p).land_mu) ELSE registry.per_mu((k.p).amount_output, (k.p).land_mu) END AS value
        FROM candidate k, registry.case_weight w WHERE w.rule_set = registry.rule_set_in_force()),
    part AS (
        SELECT v.*, x.best, round(v.weight * v.value / nullif(x.best, 0), 2) AS points
        FROM value v JOIN (SELECT y.fact, max(y.value) AS best FROM value y GROUP BY y.fact) x USING (fact)),
    scored AS (
        SELECT t.id, coalesce(sum(t.points), 0) AS score, string_agg(format('%s %s', registry.code_label(p_lang, 'case_fact', t.fact),
            CASE WHEN t.points IS NULL THEN '— = 0' ELSE format('%s/%s×%s = %s', t.value, t.best, t.weight, t.points) END), '; ' ORDER BY t.weight DESC, t.fact) AS working,
            jsonb_object_agg(t.fact, t.value) AS facts
        FROM part t GROUP BY t.id)
    SELECT array_agg(x.row ORDER BY x.n) INTO r.rows FROM (
        SELECT row_number() OVER o AS n, ROW(rank() OVER (ORDER BY s.score DESC), (k.c).id, (k.p).id, (k.p).no, (k.p).name, (k.p).office, s.score, s.working,
                s.facts ->> 'invest_per_mu', s.facts ->> 'tax_per_mu', s.facts ->> 'output_per_mu', (k.c).energy_kgce, (k.c).environment, (k.c).state)::api.case_candidate AS row
        FROM candidate k JOIN scored s ON s.id = (k.c).id WINDOW o AS (ORDER BY s.score DESC, (k.p).no) ORDER BY 1 LIMIT 100) x;
    PERFORM registry.commit_here();
    PERFORM registry.audit_listed(p_account, 'case_rank', ARRAY(SELECT x.project FROM unnest(r.rows) x));
    RETURN r;
END $$;
