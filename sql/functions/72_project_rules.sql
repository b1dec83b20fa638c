-- SPDX-License-Identifier: Apache-2.0
-- What follows for a project from the rule set: tags, moves, completeness; and how it moves. Tags by rule stand in the project's
-- row (auto_tags) and in its journal, beside those that people gave it: a filter or watch for a tag asks for both.

-- Numbers of the fields that rules of tags, or a move, look at: class, node, investor, credit_code, product, industry, method, amount_total.
CREATE FUNCTION registry.tagging() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$ SELECT '{8,9,10,11,14,15,18,20}'::text[] $$;

-- What the investor of a project is recognised as. Without a credit code the name must do.
CREATE FUNCTION registry.investor_classes(p registry.project) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF p.credit_code IS NOT NULL THEN
        RETURN (SELECT e.classes FROM registry.enterprise e WHERE e.credit_code = p.credit_code);
    ELSIF p.investor IS NOT NULL THEN
        RETURN (SELECT array_agg(DISTINCT u.class) FROM registry.enterprise e, unnest(e.classes) u(class) WHERE e.name_key = registry.norm(p.investor));
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION registry.auto_tags(p registry.project) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    firm CONSTANT text[] := registry.investor_classes(p);
BEGIN
    RETURN ARRAY(
        SELECT r.tag FROM registry.tag_rule r
        WHERE r.rule_set = registry.rule_set_in_force()
          AND (r.industry IS NULL OR starts_with(p.industry, r.industry) AND (r.except_industry IS NULL
               OR NOT EXISTS (SELECT FROM unnest(r.except_industry) e WHERE starts_with(p.industry, e))))
          AND (r.amount_total IS NULL OR p.amount_total >= r.amount_total)
          AND (r.class IS NULL OR p.class = r.class)
          AND (r.method IS NULL OR p.method = r.method)
          AND (r.node IS NULL OR r.node = (p.node IS NOT NULL))
          AND (r.firm_class IS NULL OR r.firm_class = ANY (firm))
          AND (r.product IS NULL OR position(r.product IN p.product) > 0)
        GROUP BY r.tag ORDER BY min(r.n));
END $$;

-- Amounts at which a tag begins: an edit of the amount between two of them changes none.
CREATE FUNCTION registry.amount_steps() RETURNS bigint[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY(SELECT r.amount_total FROM registry.rule_set s JOIN registry.tag_rule r ON r.rule_set = s.id AND r.amount_total IS NOT NULL
                 WHERE s.in_force);
END $$;

CREATE FUNCTION registry.steps_over(p_steps bigint[], p_old bigint, p_new bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT EXISTS (SELECT FROM unnest(p_steps) s WHERE (coalesce(p_old, 0) >= s) <> (coalesce(p_new, 0) >= s))
$$;

-- What follows from what was set: a packaged project that gets an investor is a lead; tags by rule.
CREATE FUNCTION registry.project_follows(b registry.project, n registry.project) RETURNS registry.project LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF b.id IS NOT NULL AND b.investor IS NULL AND n.investor IS NOT NULL AND n.stage = b.stage THEN
        n.stage := coalesce((SELECT m."to" FROM registry.investor_move m
                             WHERE m.rule_set = registry.rule_set_in_force() AND m."from" = b.stage), n.stage);
    END IF;
    n.auto_tags := registry.auto_tags(n);
    RETURN n;
END $$;

-- Projects of these investors, by credit code or, without one, by name, are tagged anew.
CREATE FUNCTION registry.retag_firms(p_codes text[], p_names text[]) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    ids CONSTANT text[] := ARRAY(
        SELECT p.id FROM registry.project p WHERE p.credit_code = ANY (p_codes)
        UNION SELECT p.id FROM registry.project p WHERE p.investor_key = ANY (p_names) AND p.investor_key <> '' AND p.credit_code IS NULL
        ORDER BY 1);
BEGIN
    PERFORM FROM registry.project p WHERE p.id = ANY (ids) ORDER BY p.id FOR NO KEY UPDATE;
    UPDATE registry.project p SET auto_tags = x.tags
    FROM (SELECT q.id, registry.auto_tags(q) AS tags FROM registry.project q WHERE q.id = ANY (ids)) x
    WHERE p.id = x.id AND p.auto_tags <> x.tags;
END $$;

-- Every project is tagged anew, when rules changed or others came into force.
CREATE FUNCTION registry.retag() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    n bigint;
BEGIN
    PERFORM FROM registry.project p ORDER BY p.id FOR NO KEY UPDATE;
    UPDATE registry.project p SET auto_tags = x.tags
    FROM (SELECT q.id, registry.auto_tags(q) AS tags FROM registry.project q) x
    WHERE p.id = x.id AND p.auto_tags <> x.tags;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

CREATE FUNCTION registry.rules_turned() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM changed) THEN
        EXECUTE format('SELECT registry.%I()', TG_ARGV[0]);
    END IF;
    RETURN NULL;
END $$;

-- What a change of rules in a table brings about.
CREATE FUNCTION registry.on_rules(p_table text, p_does text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    op text;
BEGIN
    FOREACH op IN ARRAY '{insert,update,delete}'::text[] LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER %s ON registry.%I REFERENCING %s TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION registry.rules_turned(%L)',
            p_table || '_' || op, op, p_table, CASE op WHEN 'delete' THEN 'OLD' ELSE 'NEW' END, p_does);
    END LOOP;
END $$;
SELECT registry.on_rules('tag_rule', 'retag');

CREATE FUNCTION registry.rule_set_turned() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    PERFORM registry.retag(), registry.matters_retime();
    RETURN NULL;
END $$;
CREATE TRIGGER rule_set_turned AFTER UPDATE ON registry.rule_set
    FOR EACH ROW WHEN (NEW.in_force AND NOT OLD.in_force) EXECUTE FUNCTION registry.rule_set_turned();

-- primary, secondary, tertiary, by the rules that give the tags 一产, 二产, 三产; null = no such code.
CREATE FUNCTION registry.sector(p_industry text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT CASE r.tag WHEN '一产' THEN 'primary' WHEN '二产' THEN 'secondary' ELSE 'tertiary' END
            FROM registry.tag_rule r WHERE r.rule_set = registry.rule_set_in_force() AND r.tag IN ('一产', '二产', '三产')
              AND starts_with(p_industry, r.industry)
              AND NOT EXISTS (SELECT FROM unnest(r.except_industry) e WHERE starts_with(p_industry, e))
            ORDER BY r.n LIMIT 1);
END $$;

-- The class that fits what a project makes; null = the rules know none.
CREATE FUNCTION registry.fitting_class(p_product text, p_industry text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT r.class FROM registry.class_rule r
            WHERE r.rule_set = registry.rule_set_in_force() AND (r.product IS NULL OR position(r.product IN p_product) > 0)
              AND (r.industry IS NULL OR starts_with(p_industry, r.industry))
            ORDER BY r.n LIMIT 1);
END $$;

-- Does it count as a result of promotion?
CREATE FUNCTION registry.counted(p registry.project) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT NOT p.auto_tags @> '{不计入}' $$;

-- Stages at or behind signing that a lead can't go to at once (a lead may be suspended or leave).
CREATE FUNCTION registry.signed_stages() RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY(SELECT s.code FROM registry.stage s
        WHERE s.rule_set = registry.rule_set_in_force() AND s.rank >= (SELECT min(x.rank) FROM registry.stage x
              WHERE x.rule_set = s.rule_set AND x.date_field = 'signed_on')
          AND NOT EXISTS (SELECT FROM registry.transition t JOIN registry.stage i ON i.rule_set = t.rule_set AND i.code = t."from" AND i.initial
                          WHERE t.rule_set = s.rule_set AND t."to" = s.code));
END $$;

CREATE FUNCTION registry.has_signed(p_signed_on text, p_stage text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN p_signed_on IS NOT NULL OR p_stage = ANY (registry.signed_stages());
END $$;

-- 0 to 100: the weight of what is filled in against all that should be. p_row: the project as JSON, contacts with it.
CREATE FUNCTION registry.completeness(p_stage text, p_row jsonb, OUT score int, OUT missing text[]) LANGUAGE plpgsql STABLE AS $$
DECLARE
    rules CONSTANT int := registry.rule_set_in_force();
BEGIN
    SELECT round(100.0 * coalesce(sum(c.weight) FILTER (WHERE p_row ->> c.field IS NOT NULL), 0) / nullif(sum(c.weight), 0)),
        array_agg(c.field ORDER BY c.weight DESC, f.number) FILTER (WHERE p_row ->> c.field IS NULL)
    INTO score, missing
    FROM registry.completeness_rule c JOIN registry.field f ON f.kind = 'project' AND f.name = c.field
    WHERE c.rule_set = rules AND c.stage IS NOT DISTINCT FROM (
        SELECT x.stage FROM registry.completeness_rule x WHERE x.rule_set = rules AND x.stage = p_stage LIMIT 1);
END $$;

-- ---------------------------------------------------------------- pace

-- The first day of a date as exact as it is known.
CREATE FUNCTION registry.first_day(p_ymd text) RETURNS date LANGUAGE sql IMMUTABLE AS $$
    SELECT (p_ymd || substr('0000-01-01', length(p_ymd) + 1))::date
$$;

CREATE FUNCTION registry.pace_stage() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    INSERT INTO registry.pace (project, stage, stage_on, active_on)
    VALUES (NEW.project, NEW.stage, NEW.happened_on, registry.day(NEW.at))
    ON CONFLICT (project) DO UPDATE SET stage = excluded.stage, stage_on = excluded.stage_on
    WHERE NOT NEW.opening OR pace.stage = NEW.stage; -- of another stage, it was before
    RETURN NULL;
END $$;
-- An import does it for all its rows.
CREATE TRIGGER stage_event_pace AFTER INSERT ON registry.stage_event
    FOR EACH ROW WHEN (coalesce(current_setting('qipan.bulk', true), '') = '' AND NEW.stage IS NOT NULL) EXECUTE FUNCTION registry.pace_stage();

CREATE FUNCTION registry.pace_talk() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    UPDATE registry.pace x SET talked_on = a.held_on, active_on = coalesce(a.held_on, registry.day(p.registered_at))
    -- OFFSET: through the project's own, never down an index of all days
    FROM (SELECT max(v.held_on) AS held_on FROM (SELECT w.held_on FROM registry.activity w WHERE w.project = coalesce(NEW.project, OLD.project) OFFSET 0) v) a,
        registry.project p
    WHERE x.project = coalesce(NEW.project, OLD.project) AND p.id = x.project;
    RETURN NULL;
END $$;
CREATE TRIGGER activity_pace AFTER INSERT OR UPDATE OF held_on OR DELETE ON registry.activity
    FOR EACH ROW EXECUTE FUNCTION registry.pace_talk();

CREATE TYPE api.idle AS (
    project text, no text, name text, office text, stage text, stage_days int, talked_on text, idle_days int, limit_days int
);
CREATE TYPE api.project_idle_reply AS (error api.error, rows api.idle[], next text);

-- Without a talk for as long as the rule set allows in their stage, or for p_days: those longest idle first.
CREATE FUNCTION api.project_idle(p_account int, p_lang text, days int, terms jsonb, after text, "limit" int) RETURNS api.project_idle_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    r api.project_idle_reply;
    today CONSTANT date := registry.today();
    t record := registry.terms_sql(p_account, p_lang, terms);
    most CONSTANT int := least(greatest(coalesce("limit", 100), 1), 500);
    total int;
BEGIN
    r.error := t.error;
    IF (r.error).code IS NULL AND days NOT BETWEEN 1 AND 3650 THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'days', 'idle.days');
    END IF;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    EXECUTE format($q$
        SELECT count(*), array_agg(x.row ORDER BY x.active_on, x.project) FILTER (WHERE x.n = 1 OR (x.n <= $5 AND x.upto < 40000))
        FROM (SELECT y.*, row_number() OVER w AS n, sum(octet_length(y.row::text) + 40) OVER w AS upto
              FROM (SELECT k.project, k.active_on, ROW(p.id, p.no, p.name, p.office, p.stage, $1 - registry.first_day(k.stage_on), k.talked_on,
                        $1 - registry.first_day(k.active_on), i.days)::api.idle AS row
                    FROM (SELECT q.stage, coalesce($2, q.days) AS days FROM registry.idle_rule q WHERE q.rule_set = registry.rule_set_in_force()) i
                    CROSS JOIN LATERAL (
                        SELECT c.* FROM registry.pace c JOIN registry.project p ON p.id = c.project
                        WHERE c.stage = i.stage AND c.active_on <= ($1 - i.days)::text AND p.audience && $3 AND %s
                          AND ($4 IS NULL OR (c.active_on, c.project) > (SELECT o.active_on, o.project FROM registry.pace o WHERE o.project = $4))
                        ORDER BY c.active_on, c.project LIMIT $5 + 1) k
                    JOIN registry.project p ON p.id = k.project
                    ORDER BY k.active_on, k.project LIMIT $5 + 1) y
              WINDOW w AS (ORDER BY y.active_on, y.project)) x $q$, t.sql)
    INTO total, r.rows USING today, days, registry.grants(p_account), after, most;
    IF total > coalesce(cardinality(r.rows), 0) THEN
        r.next := r.rows[cardinality(r.rows)].project;
    END IF;
    PERFORM registry.commit_here();
    PERFORM registry.audit_listed(p_account, 'project_idle', ARRAY(SELECT x.project FROM unnest(r.rows) x));
    RETURN r;
END $$;

-- ---------------------------------------------------------------- counts

-- Terms on projects as one condition on p, for whoever may read.
CREATE FUNCTION registry.terms_sql(p_account int, p_lang text, p_terms jsonb, OUT sql text, OUT error api.error) LANGUAGE plpgsql STABLE AS $$
DECLARE
    term jsonb;
    t record;
BEGIN
    sql := 'true';
    IF NOT registry.may(p_account, 'read', NULL) THEN
        error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN;
    ELSIF jsonb_array_length(coalesce(p_terms, '[]')) > 50
       OR (SELECT sum(jsonb_array_length(coalesce(x -> 'values', '[]'))) FROM jsonb_array_elements(p_terms) x) > 400 THEN
        error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'terms', 'terms.many');
        RETURN;
    END IF;
    FOR term IN SELECT * FROM jsonb_array_elements(coalesce(p_terms, '[]')) LOOP
        t := registry.term_sql(term, 'project');
        IF (t.fault).code IS NOT NULL THEN
            error := registry.error_of(p_lang, 'project', t.fault);
            RETURN;
        END IF;
        sql := sql || ' AND ' || t.sql;
    END LOOP;
END $$;

CREATE TYPE api.tally AS (
    code text, label text, projects int, amount_total bigint, signed int, amount_signed bigint, leads int, conversion text, not_counted int,
    stations int, trips int
);
CREATE TYPE api.project_counts_reply AS (error api.error, rows api.tally[]);

CREATE FUNCTION api.project_counts(p_account int, p_lang text, "by" text, terms jsonb) RETURNS api.project_counts_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = ''
SET enable_seqscan = on AS $$
DECLARE
    r api.project_counts_reply;
    t record := registry.terms_sql(p_account, p_lang, terms);
    dimension CONSTANT text := btrim("by");
BEGIN
    r.error := t.error;
    IF (r.error).code IS NULL AND registry.counts_sql(dimension) IS NULL THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'by', 'counts.by', dimension);
        r.error.allowed := registry.counted_by();
    END IF;
    IF (r.error).code IS NULL THEN
        r.rows := registry.tallies(p_account, p_lang, dimension, t.sql);
    END IF;
    RETURN r;
END $$;

-- The same by where investors come from, with the stations there now and the talks and trips that went there.
CREATE FUNCTION api.station_yield(p_account int, p_lang text, terms jsonb) RETURNS api.project_counts_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = ''
SET enable_seqscan = on AS $$
DECLARE
    r api.project_counts_reply;
    t record := registry.terms_sql(p_account, p_lang, terms);
    today CONSTANT text := registry.today()::text;
    grants CONSTANT int[] := registry.grants(p_account);
BEGIN
    r.error := t.error;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    SELECT array_agg(ROW(coalesce(x.code, y.code), coalesce(x.label, registry.code_label(p_lang, 'region', y.code)), coalesce(x.projects, 0), x.amount_total,
            coalesce(x.signed, 0), x.amount_signed, coalesce(x.leads, 0), x.conversion, coalesce(x.not_counted, 0), coalesce(y.stations, 0),
            coalesce(y.trips, 0))::api.tally ORDER BY coalesce(x.projects, 0) DESC, y.stations DESC NULLS LAST, coalesce(x.code, y.code))
    INTO r.rows
    FROM unnest(registry.tallies(p_account, p_lang, 'region', t.sql)) x
    FULL JOIN (SELECT z.code, sum(z.station) AS stations, sum(z.trip) AS trips
               FROM (SELECT left(s.region, 2) AS code, 1 AS station, 0 AS trip FROM registry.station s
                     WHERE s.from_on <= today AND (s.until_on IS NULL OR s.until_on >= left(today, length(s.until_on)))
                     UNION ALL
                     SELECT left(a.region, 2), 0, 1 FROM registry.activity a JOIN registry.project p ON p.id = a.project
                     WHERE a.region IS NOT NULL AND p.audience && grants) z
               GROUP BY z.code) y ON y.code = x.code
    WHERE coalesce(x.code, y.code) IS NOT NULL;
    RETURN r;
END $$;
