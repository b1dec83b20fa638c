-- SPDX-License-Identifier: Apache-2.0
-- Inspection rounds: who inspects whom is drawn by a seed that everybody can check, projects are nominated, marks and findings
-- given; nobody scores his own.

-- Who inspects whom. Offices in the order of the SHA-256, as small hexadecimal, of "SEED CODE" (printf '%s %s' SEED CODE | sha256sum):
-- of an even number each two neighbours inspect each other, of an odd number each inspects the next and the last the first.
-- So nobody inspects itself, and each inspects once and is inspected once.
CREATE FUNCTION registry.inspection_pairs(p_seed text, p_offices text[]) RETURNS TABLE (inspector text, office text)
LANGUAGE sql IMMUTABLE AS $$
    WITH drawn AS (
        SELECT u.code, row_number() OVER (ORDER BY encode(sha256(convert_to(p_seed || ' ' || u.code, 'UTF8')), 'hex') COLLATE "C", u.code)::int - 1 AS n,
            count(*) OVER ()::int AS total
        FROM (SELECT DISTINCT code FROM unnest(p_offices) x(code)) u)
    SELECT d.code, other.code FROM drawn d
    JOIN drawn other ON other.n = CASE WHEN d.total % 2 = 0 THEN d.n # 1 ELSE (d.n + 1) % d.total END
    WHERE d.code <> other.code ORDER BY d.n
$$;

-- ---------------------------------------------------------------- rounds

CREATE FUNCTION registry.round_may(p_account int, p_op text, b registry.round, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding := registry.unless_may(p_account, 'assign', b.office);
BEGIN
    RETURN CASE WHEN f.code IS NOT NULL OR b.version IS NULL OR b.version = 0 THEN f ELSE
        registry.unless_state('round', b.id, b.state, CASE p_op WHEN 'round_close' THEN 'drawn' ELSE 'planned' END) END;
END $$;

-- Offices as codes, each once; the first word that is no live office; who stands on both sides.
CREATE FUNCTION registry.round_offices(p_offices text[], OUT offices text[], OUT stray text) LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT array_agg(DISTINCT o.code ORDER BY o.code), min(u.word) FILTER (WHERE o.code IS NULL) INTO offices, stray
    FROM unnest(p_offices) u(word) LEFT JOIN registry.office o ON o.code = registry.resolve('office', btrim(u.word)) AND o.until_on IS NULL;
    offices := array_remove(offices, NULL);
END $$;

CREATE FUNCTION registry.round_rules(p_account int, p_op text, b registry.round, INOUT n registry.round,
    OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    x record;
    unscored int;
BEGIN
    n.state := coalesce(n.state, 'planned');
    n.actor := coalesce(b.actor, registry.account_code(p_account));
    n.rule_set := coalesce(b.rule_set, registry.rule_set_in_force());
    x := registry.round_offices(coalesce(n.offices, CASE WHEN p_op = 'inspection_draw' THEN
        ARRAY(SELECT o.code FROM registry.office o WHERE o.kind IN ('township', 'park') AND o.until_on IS NULL) END));
    n.offices := x.offices;
    IF x.stray IS NOT NULL THEN
        fault := registry.bad('offices', x.stray, 'round.office');
    ELSIF n.until_on < n.begin_on THEN
        fault := registry.bad('until_on', n.until_on, 'round.days', n.begin_on);
    ELSIF p_op = 'inspection_draw' AND n.class = 'supervision' AND n.office = ANY (n.offices) THEN
        fault := registry.bad('offices', n.office, 'round.self');
    ELSIF p_op = 'inspection_draw' AND coalesce(cardinality(n.offices), 0) < (CASE n.class WHEN 'supervision' THEN 1 ELSE 2 END) THEN
        fault := registry.fault('FAILED_PRECONDITION', 'offices', 'round.few');
    ELSIF p_op = 'inspection_draw' AND n.seed !~ '^[!-~]{1,100}$' THEN
        fault := registry.bad('seed', n.seed, 'round.seed');
    ELSIF p_op = 'round_close' THEN
        unscored := (SELECT count(*) FROM registry.inspection i WHERE i.round = n.id AND i.state <> 'closed');
        IF unscored > 0 THEN
            fault := registry.fault('FAILED_PRECONDITION', 'state', 'round.open', unscored::text);
        END IF;
    END IF;
END $$;

-- Who goes where in a round that is drawn: of supervision, its own office everywhere.
CREATE FUNCTION registry.round_pairs(n registry.round) RETURNS TABLE (inspector text, office text) LANGUAGE sql STABLE AS $$
    SELECT n.office, u.code FROM unnest(n.offices) u(code) WHERE n.class = 'supervision'
    UNION ALL SELECT q.inspector, q.office FROM registry.inspection_pairs(n.seed, n.offices) q WHERE n.class <> 'supervision'
$$;

-- The draw: each nominated project gets its inspectors; where none was nominated the office is inspected as a whole.
CREATE FUNCTION registry.round_effects(p_account int, p_op text, b registry.round, n registry.round) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF p_op <> 'inspection_draw' THEN
        RETURN;
    END IF;
    UPDATE registry.inspection i SET inspector = x.inspector, state = 'open'
    FROM (SELECT j.id, q.inspector FROM registry.inspection j JOIN registry.round_pairs(n) q ON q.office = j.office
          WHERE j.round = n.id AND j.state = 'nominated' ORDER BY j.id FOR NO KEY UPDATE OF j) x
    WHERE i.id = x.id;
    INSERT INTO registry.inspection (office, inspector, state, round, actor)
    SELECT q.office, q.inspector, 'open', n.id, registry.writer() FROM registry.round_pairs(n) q
    WHERE NOT EXISTS (SELECT FROM registry.inspection j WHERE j.round = n.id AND j.office = q.office);
END $$;

-- Offices that were drawn to inspect one another and became one can't: the open inspection goes to whom the same seed draws for the office
-- they are now, among those that are left. Of a round with nobody else the county scores it.
CREATE FUNCTION registry.inspections_redrawn(p_office text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE registry.inspection i SET inspector = x.inspector
    FROM (SELECT j.id, q.inspector FROM registry.inspection j JOIN registry.round r ON r.id = j.round AND r.state = 'drawn'
          CROSS JOIN LATERAL registry.round_pairs(r) q
          WHERE j.state = 'open' AND registry.office_now(j.office) = p_office AND registry.office_now(j.inspector) = p_office
            AND q.office = p_office AND q.inspector <> p_office ORDER BY j.id FOR NO KEY UPDATE OF j) x
    WHERE i.id = x.id;
END $$;

SELECT registry.generate_record('round', '-begin_on');

-- Draws the pairs, once. Without a seed the registry makes one; either way it stands in the round.
CREATE FUNCTION api.inspection_draw(p_account int, p_lang text, p_request text, p_digest bytea, id text, seed text, reason text)
RETURNS api.round_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.round_change(p_account, p_lang, p_request, p_digest, NULL, 'inspection_draw', id, NULL,
        jsonb_build_object('state', 'drawn', 'seed', coalesce(nullif(btrim(seed), ''), encode(crypto.gen_random_bytes(16), 'hex'))),
        reason, NULL);
END $$;

-- All its inspections are closed.
CREATE FUNCTION api.round_close(p_account int, p_lang text, p_request text, p_digest bytea, id text, reason text)
RETURNS api.round_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.round_change(p_account, p_lang, p_request, p_digest, NULL, 'round_close', id, NULL, '{"state": "closed"}', reason, NULL);
END $$;

CREATE TYPE api.round_result AS (office text, inspectors text, inspections int, scored int, score_sum text, score_mean text);
CREATE TYPE api.round_results_reply AS (error api.error, rows api.round_result[]);

-- What a round came to, office by office, in the order of offices. The mean is that of the sum; absent where nothing was scored.
CREATE FUNCTION api.round_results(p_account int, p_lang text, id text) RETURNS api.round_results_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    n registry.round := registry.round_seen(p_account, id);
    r api.round_results_reply;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
    ELSIF n.id IS NULL THEN
        r.error := registry.record_error(p_lang, 'round', registry.fault('NOT_FOUND', 'id', 'record.none', id));
    ELSE
        r.rows := (SELECT array_agg(ROW(x.office, x.inspectors, x.inspections, x.scored, x.sum, x.mean)::api.round_result ORDER BY o.rank, o.code)
            FROM (SELECT i.office, string_agg(DISTINCT i.inspector, ',' ORDER BY i.inspector) AS inspectors, count(*)::int AS inspections,
                      count(i.score)::int AS scored, trim_scale(sum(i.score))::text AS sum,
                      trim_scale(round(sum(i.score) / nullif(count(i.score), 0), 2))::text AS mean
                  FROM registry.inspection i WHERE i.round = n.id AND i.state <> 'nominated' GROUP BY i.office) x
            JOIN registry.office o ON o.code = x.office);
    END IF;
    RETURN r;
END $$;

-- ---------------------------------------------------------------- inspections

-- Nobody scores his own office: neither one he belongs to nor one he holds a role in, nor one that became part of it.
CREATE FUNCTION registry.unless_own(p_account int, p_office text) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN registry.office_now(p_office) = (SELECT a.office FROM registry.account a WHERE a.id = p_account)
        OR EXISTS (SELECT FROM registry.roles_of(p_account) r WHERE r.office = registry.office_now(p_office))
        THEN registry.fault('PERMISSION_DENIED', 'office', 'inspection.own') END;
END $$;

-- Nominated by the project's office; scored by the inspectors; closed by who gives tasks.
CREATE FUNCTION registry.inspection_may(p_account int, p_op text, b registry.inspection, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding;
BEGIN
    IF b.version IS NULL OR b.version = 0 THEN
        RETURN registry.unless_may(p_account, CASE p_op WHEN 'inspection_close' THEN 'assign' ELSE 'write' END, p.office);
    END IF;
    f := registry.unless_own(p_account, b.office);
    IF f.code IS NULL THEN
        f := CASE p_op WHEN 'inspection_close' THEN registry.unless_may(p_account, 'assign', b.office)
            ELSE registry.unless_may(p_account, 'write', b.inspector) END;
    END IF;
    RETURN CASE WHEN f.code IS NOT NULL THEN f
        ELSE registry.unless_state('inspection', b.id, b.state, VARIADIC CASE p_op WHEN 'inspection_close' THEN '{scored}' ELSE '{open,scored}'::text[] END) END;
END $$;

CREATE FUNCTION registry.nomination_fault(n registry.inspection, r registry.round) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    o registry.office;
    most CONSTANT int := (SELECT x.nominated_most FROM registry.round_rule x WHERE x.rule_set = r.rule_set);
BEGIN
    SELECT * INTO o FROM registry.office x WHERE x.code = n.office;
    RETURN CASE WHEN r.id IS NULL THEN registry.fault('NOT_FOUND', 'round', 'record.none', n.round)
        WHEN n.project IS NULL THEN registry.bad('project', NULL, 'field.required')
        WHEN r.state = 'closed' THEN registry.unless_state('round', r.id, r.state, 'planned', 'drawn')
        WHEN (n.office = ANY (coalesce(r.offices, ARRAY[CASE WHEN o.kind IN ('township', 'park') THEN o.code END]))) IS NOT TRUE
            THEN registry.fault('FAILED_PRECONDITION', 'project', 'inspection.outside', o.name)
        WHEN EXISTS (SELECT FROM registry.project p WHERE p.id = n.project AND p.restricted) THEN registry.fault('FAILED_PRECONDITION', 'project', 'inspection.restricted')
        WHEN EXISTS (SELECT FROM registry.inspection i WHERE i.round = n.round AND i.project = n.project) THEN registry.fault('ALREADY_EXISTS', 'project', 'inspection.twin', n.no)
        WHEN (SELECT count(*) FROM registry.inspection i WHERE i.round = n.round AND i.office = n.office AND i.project IS NOT NULL) >= most
            THEN registry.fault('FAILED_PRECONDITION', 'project', 'inspection.most', o.name, most::text,
                (SELECT s.name || ' (' || s.year || ')' FROM registry.rule_set s WHERE s.id = r.rule_set)) END;
END $$;

-- Marks as "criterion=points", a line of each criterion the rule set has: the score they give, and what is wrong with them.
CREATE FUNCTION registry.marks_read(p_marks text[], p_rule_set int, OUT marks text[], OUT score numeric, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    x record;
    words CONSTANT text := (SELECT string_agg(c.code || '(' || c.zh || ')', ' ' ORDER BY c.rank) FROM registry.criterion c WHERE c.rule_set = p_rule_set);
BEGIN
    SELECT min(u.mark) FILTER (WHERE c.code IS NULL OR u.points !~ '^[0-9]{1,3}(\.[0-9]{1,2})?$' OR CASE WHEN u.points ~ '^[0-9.]{1,6}$' THEN u.points::numeric > 100 END) AS stray,
        count(DISTINCT c.code) AS given, count(c.code) AS lines, array_agg(c.code || '=' || u.points ORDER BY c.rank) AS marks
    INTO x FROM (SELECT m AS mark, btrim(split_part(m, '=', 1)) AS word, btrim(split_part(m, '=', 2)) AS points FROM unnest(p_marks) m) u
    LEFT JOIN registry.criterion c ON c.rule_set = p_rule_set AND u.word IN (c.code, c.zh, c.en);
    IF x.stray IS NOT NULL THEN
        fault := registry.bad('marks', x.stray, 'marks.form', words);
    ELSIF x.lines <> x.given OR x.given <> (SELECT count(*) FROM registry.criterion c WHERE c.rule_set = p_rule_set) THEN
        fault := registry.bad('marks', array_to_string(p_marks, ' '), 'marks.each', words, (SELECT s.name FROM registry.rule_set s WHERE s.id = p_rule_set));
    ELSE
        marks := x.marks;
        score := (SELECT round(sum(c.weight * split_part(m, '=', 2)::numeric) / sum(c.weight), 2)
                  FROM unnest(x.marks) m JOIN registry.criterion c ON c.rule_set = p_rule_set AND c.code = split_part(m, '=', 1));
    END IF;
END $$;

CREATE FUNCTION registry.inspection_rules(p_account int, p_op text, b registry.inspection, INOUT n registry.inspection,
    OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    r registry.round;
    x record;
BEGIN
    SELECT * INTO r FROM registry.round q WHERE q.id = n.round;
    n.actor := coalesce(b.actor, registry.account_code(p_account));
    IF b.version = 0 THEN
        n.office := coalesce((SELECT p.office FROM registry.project p WHERE p.id = n.project), n.office);
        fault := registry.nomination_fault(n, r);
        n.inspector := (SELECT q.inspector FROM registry.round_pairs(r) q WHERE r.state = 'drawn' AND q.office = n.office);
        n.state := CASE WHEN n.inspector IS NULL THEN 'nominated' ELSE 'open' END;
    ELSIF (n.round, n.office) <> (b.round, b.office) THEN
        fault := registry.bad(CASE WHEN n.round <> b.round THEN 'round' ELSE 'office' END, NULL, 'field.readonly');
    ELSIF p_op = 'inspection_score' THEN
        x := registry.marks_read(n.marks, r.rule_set);
        n.marks := x.marks;
        n.score := x.score;
        n.scored_by := registry.account_code(p_account);
        fault := x.fault;
    ELSIF p_op = 'inspection_close' AND n.finding IS NOT NULL AND (n.due_on IS NULL OR length(n.due_on) <> 10 OR n.due_on < registry.today()::text) THEN
        fault := registry.bad('due_on', n.due_on, 'inspection.due');
    ELSIF p_op = 'inspection_set' AND n.marks IS DISTINCT FROM b.marks THEN
        fault := registry.bad('marks', array_to_string(n.marks, ' '), 'inspection.score');
    END IF;
    IF fault.code IS NULL AND p_op <> 'inspection_close' AND n.due_on IS DISTINCT FROM b.due_on THEN
        fault := registry.bad('due_on', n.due_on, 'field.readonly');
    END IF;
END $$;

CREATE FUNCTION registry.inspection_effects(p_account int, p_op text, b registry.inspection, n registry.inspection) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF p_op = 'inspection_close' AND n.finding IS NOT NULL THEN
        PERFORM registry.matter_issue(p_account, 'finding', registry.office_now(n.office), n.project, n.finding, n.due_on, n.id);
    END IF;
END $$;

SELECT registry.generate_record('inspection', '-changed_at');

-- Marks and what was found, by the inspecting office; until it is closed it may be done over.
CREATE FUNCTION api.inspection_score(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, marks text[],
    finding text, reason text) RETURNS api.inspection_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.inspection_change(p_account, p_lang, p_request, p_digest, p_base, 'inspection_score', id,
        jsonb_strip_nulls(jsonb_build_object('marks', to_jsonb(marks), 'finding', finding)), '{"state": "scored"}', reason, NULL);
END $$;

-- Accepted; a finding becomes a matter of the office that was inspected, due on that day. Right assign.
CREATE FUNCTION api.inspection_close(p_account int, p_lang text, p_request text, p_digest bytea, id text, due_on text, reason text)
RETURNS api.inspection_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.inspection_change(p_account, p_lang, p_request, p_digest, NULL, 'inspection_close', id,
        jsonb_strip_nulls(jsonb_build_object('due_on', nullif(btrim(due_on), ''))), '{"state": "closed"}', reason, NULL);
END $$;
