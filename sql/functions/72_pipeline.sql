-- SPDX-License-Identifier: Apache-2.0
-- Large projects, one after the other: what came to each stage by month, and what stands behind each coming quarter.

-- The highest tier of an investment; null = not large.
CREATE FUNCTION registry.project_tier(p_amount bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT t.tier FROM registry.tier_rule t WHERE t.rule_set = registry.rule_set_in_force() AND t.amount_from <= p_amount
            ORDER BY t.amount_from DESC LIMIT 1);
END $$;

CREATE TYPE api.funnel AS (month text, stages text[], large_stages text[]);
CREATE TYPE api.continuity AS (
    quarter text, projects int, amount_total bigint, unripe int, least_projects int, amount_least bigint, thin boolean, candidates text[]
);
CREATE TYPE api.project_pipeline_reply AS (
    error api.error, rule_set text, stages text[], large_stages text[], undated int, quarters api.continuity[], months api.funnel[]
);

-- The projects that count, of what the terms choose and the account sees; `begun`: its stage is the start or behind it; `starts` the last
-- day its planned start may mean.
CREATE FUNCTION registry.pipeline_projects(p_account int, p_where text) RETURNS TABLE (id text, no text, name text, stage text, amount bigint, large boolean,
    begun boolean, starts date) LANGUAGE plpgsql STABLE AS $$
DECLARE
    rules CONSTANT int := registry.rule_set_in_force();
BEGIN
    RETURN QUERY EXECUTE format($q$
        SELECT p.id, p.no, p.name, p.stage, p.amount_total::bigint, p.amount_total >= $1 AND p.currency = 'CNY', s.rank >= $2 OR s.pauses OR s.ends, registry.ymd_last(p.planned_start_on)
        FROM registry.project p JOIN registry.stage s ON s.rule_set = $3 AND s.code = p.stage
        WHERE p.audience && $4 AND p.merged_into IS NULL AND NOT p.auto_tags @> '{不计入}' AND %s $q$, p_where)
    USING (SELECT min(t.amount_from) FROM registry.tier_rule t WHERE t.rule_set = rules),
        (SELECT min(s.rank) FROM registry.stage s WHERE s.rule_set = rules AND s.date_field = 'started_on'), rules, registry.grants(p_account);
END $$;

-- Right read. Of a quarter: large projects that are planned to start in it (in the present one: by its end) and haven't, those that have
-- come far enough for it apart from the others. Thin: fewer, or less investment, than the rule set wants.
CREATE FUNCTION api.project_pipeline(p_account int, p_lang text, terms jsonb, months int) RETURNS api.project_pipeline_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = ''
SET enable_seqscan = on AS $$
#variable_conflict use_column
DECLARE
    r api.project_pipeline_reply;
    t record := registry.terms_sql(p_account, p_lang, terms);
    rules CONSTANT int := registry.rule_set_in_force();
    quarter CONSTANT date := date_trunc('quarter', registry.today());
    since CONSTANT text := left((registry.today() - make_interval(months => coalesce(project_pipeline.months, 6) - 1))::text, 7);
BEGIN
    r.error := t.error;
    IF (r.error).code IS NULL AND NOT coalesce(project_pipeline.months, 6) BETWEEN 1 AND 24 THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'months', 'pipeline.months');
    END IF;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    r.rule_set := (SELECT s.name FROM registry.rule_set s WHERE s.id = rules);
    WITH x AS MATERIALIZED (SELECT * FROM registry.pipeline_projects(p_account, t.sql)),
    ready AS (SELECT x.*, registry.code_label(p_lang, 'stage', x.stage) AS label FROM x WHERE x.large AND NOT x.begun),
    reached AS (SELECT left(e.happened_on, 7) AS month, e.stage, x.id, x.large FROM registry.stage_event e JOIN x ON x.id = e.project
                WHERE e.happened_on >= since AND (e.corrects IS NULL OR e.opening)
                  AND NOT EXISTS (SELECT FROM registry.stage_event c WHERE c.project = e.project AND c.corrects = e.version)
                UNION ALL SELECT NULL, x.stage, x.id, x.large FROM x),
    counts AS (SELECT month, s.rank, s.code, count(DISTINCT id) AS n, count(DISTINCT id) FILTER (WHERE large) AS n_large
               FROM reached JOIN registry.stage s ON s.rule_set = rules AND s.code = reached.stage GROUP BY 1, 2, 3),
    told AS (SELECT month, array_agg(code || '=' || n ORDER BY rank) AS stages, array_agg(code || '=' || n_large ORDER BY rank) FILTER (WHERE n_large > 0) AS large
             FROM counts GROUP BY 1),
    behind AS (SELECT q.ahead, q.begins, q.projects AS least, q.amount_total AS amount_least, d.*
        FROM (SELECT p.*, (quarter + make_interval(months => 3 * p.ahead))::date AS begins FROM registry.pipeline_rule p WHERE p.rule_set = rules) q
        CROSS JOIN LATERAL (
            SELECT (count(*) FILTER (WHERE y.stage = ANY (q.stages)))::int AS n, (coalesce(sum(y.amount) FILTER (WHERE y.stage = ANY (q.stages)), 0))::bigint AS amount,
                (count(*) FILTER (WHERE y.stage <> ALL (q.stages)))::int AS unripe,
                (array_agg(concat_ws(' ', y.no, y.name, y.label) ORDER BY y.amount DESC, y.no))[1:5] AS candidates
            FROM ready y WHERE y.starts < q.begins + interval '3 months' AND (y.starts >= q.begins OR q.ahead = 0)) d)
    SELECT (SELECT told.stages FROM told WHERE month IS NULL), (SELECT told.large FROM told WHERE month IS NULL),
        (SELECT count(*)::int FROM ready WHERE starts IS NULL),
        (SELECT array_agg(ROW(to_char(b.begins, 'YYYY"Q"Q'), b.n, b.amount, b.unripe, b.least, b.amount_least, b.n < b.least OR b.amount < b.amount_least, b.candidates)::api.continuity
                          ORDER BY b.ahead) FROM behind b),
        (SELECT array_agg(ROW(month, told.stages, told.large)::api.funnel ORDER BY month) FROM told WHERE month IS NOT NULL)
    INTO r.stages, r.large_stages, r.undated, r.quarters, r.months;
    RETURN r;
END $$;
