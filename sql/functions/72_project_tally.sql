-- SPDX-License-Identifier: Apache-2.0
-- Counting projects. What is asked of all of them stands in project_tally and tally_news, kept by triggers with every project that
-- is written; what terms choose among is counted then and there.

CREATE FUNCTION registry.counted_by() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT '{tag,method,region,industry,division,class,stage,office,park,node,node_role,month,tier}'::text[]
$$;

-- The code of a project for one of these, of tags the list: an expression on p.
CREATE FUNCTION registry.counts_sql(p_by text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_by
        WHEN 'tag' THEN 'ARRAY(SELECT DISTINCT u FROM unnest(p.tags || p.auto_tags) u)'
        WHEN 'region' THEN 'left(p.region, 2)'
        WHEN 'industry' THEN 'left(p.industry, 1)'
        WHEN 'division' THEN 'left(p.industry, 3)'
        WHEN 'month' THEN 'left(registry.day(p.registered_at), 7)'
        WHEN 'tier' THEN 'registry.project_tier(CASE WHEN p.currency = ''CNY'' THEN p.amount_total END)'
        ELSE CASE WHEN p_by = ANY (registry.counted_by()) THEN format('p.%I', p_by) END END
$$;

-- Rows with a list of codes as rows with one: a project without tags is one without tag.
CREATE FUNCTION registry.each_code(p_codes text[]) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS $$
    SELECT unnest(CASE WHEN p_codes = '{}' THEN '{NULL}' ELSE p_codes END)
$$;

-- Appends for each row of the source, n and a project's columns, what it adds.
CREATE FUNCTION registry.tally_sql(p_source text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('INSERT INTO registry.tally_news (n, audience, dated, counted, merged, amount, %s)
        SELECT p.n, p.audience, p.signed_on IS NOT NULL, NOT p.auto_tags @> ''{不计入}'', p.merged_into IS NOT NULL,
            CASE WHEN p.currency = ''CNY'' THEN p.amount_total END, %s FROM (%s) p;',
        string_agg(b, ', '), string_agg(registry.counts_sql(b), ', '), p_source) FROM unnest(registry.counted_by()) b
$$;

-- The same for new projects of a table, as few rows: those that are counted alike (amounts of one tier) are told together, by three: without
-- an amount, and with two amounts next to each other that come to the sum.
CREATE FUNCTION registry.tally_many_sql(p_table text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT registry.tally_sql(format('
        SELECT s.n, s.amount::bigint AS amount_total, y.* FROM (
            SELECT %1$s, min(b.signed_on) AS signed_on, min(b.merged_into) AS merged_into, count(*) AS many, count(b.amount_total) AS priced, sum(b.amount_total) AS total
            FROM %2$s b GROUP BY %1$s, b.signed_on IS NULL, b.merged_into IS NULL, width_bucket(b.amount_total::bigint, coalesce((SELECT array_agg(t.amount_from ORDER BY t.amount_from)
                FROM registry.tier_rule t WHERE t.rule_set = registry.rule_set_in_force()), ''{}''::bigint[]))) y
        CROSS JOIN LATERAL (VALUES (y.many - y.priced, NULL), (y.priced - mod(y.total, y.priced), div(y.total, nullif(y.priced, 0))),
            (mod(y.total, nullif(y.priced, 0)), div(y.total, nullif(y.priced, 0)) + 1)) s(n, amount) WHERE s.n > 0',
        'b.audience, b.office, b.stage, b.class, b.method, b.region, b.industry, b.park, b.node, b.node_role, b.tags, b.auto_tags, b.currency, b.registered_at', p_table))
$$;

-- A cell has one row then. The walker asks for it when there is much of it: p_least rows. One at a time, and what the one before did
-- is seen: else the halves of a change might come to lie in two rows of a cell, or wait for each other.
DO $$
BEGIN
    EXECUTE (SELECT format($f$CREATE FUNCTION registry.tally_fold(p_least int DEFAULT 1) RETURNS void LANGUAGE plpgsql VOLATILE AS $t$
BEGIN
    IF NOT EXISTS (SELECT FROM registry.tally_news OFFSET p_least - 1) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(7465, 3);
    WITH news AS (DELETE FROM registry.tally_news RETURNING *),
    gone AS (DELETE FROM registry.project_tally RETURNING *)
    INSERT INTO registry.project_tally
    SELECT x.kind, x.code, x.audience, x.stage, x.dated, x.counted, sum(x.projects), coalesce(sum(x.priced), 0), coalesce(sum(x.amount), 0)
    FROM (SELECT * FROM gone
          UNION ALL SELECT 'all', NULL, audience, stage, dated, counted, sum(n), sum(n) FILTER (WHERE amount IS NOT NULL), sum(n * amount)
          FROM news GROUP BY audience, stage, dated, counted
          UNION ALL SELECT 'tag', c, audience, stage, dated, counted, sum(n), sum(n) FILTER (WHERE amount IS NOT NULL), sum(n * amount)
          FROM news, registry.each_code(tag) c WHERE NOT merged GROUP BY c, audience, stage, dated, counted
          UNION ALL SELECT CASE %s END, coalesce(%2$s), audience, s, dated, counted, sum(n), sum(n) FILTER (WHERE amount IS NOT NULL), sum(n * amount)
          FROM (SELECT *, stage AS s FROM news OFFSET 0) n WHERE NOT merged GROUP BY audience, s, dated, counted, GROUPING SETS (%2$s)) x
    GROUP BY 1, 2, 3, 4, 5, 6 HAVING (sum(x.projects), coalesce(sum(x.priced), 0), coalesce(sum(x.amount), 0)) <> (0, 0, 0);
END $t$ $f$,
        string_agg(format('WHEN GROUPING(%I) = 0 THEN %1$L', b), ' '), string_agg(b, ', ')) FROM unnest(registry.counted_by()) b WHERE b <> 'tag');
END $$;

DO $$
DECLARE
    head CONSTANT text := 'CREATE FUNCTION registry.%I() RETURNS %s LANGUAGE plpgsql VOLATILE SECURITY DEFINER
        SET search_path = registry, api, pg_temp AS $f$ BEGIN %s END $f$';
BEGIN
    EXECUTE format(head, 'tally_born', 'trigger', registry.tally_many_sql('born') || ' RETURN NULL;');
    EXECUTE format(head, 'tally_moved', 'trigger', registry.tally_sql('SELECT 1 AS n, NEW.* UNION ALL SELECT -1, OLD.*') || ' RETURN NULL;');
    -- where what is counted means something else: with these functions, the county's time zone (months), rules (tiers)
    EXECUTE format(head, 'tally_remake', 'void', 'LOCK TABLE registry.project IN SHARE ROW EXCLUSIVE MODE; DELETE FROM registry.tally_news;
        DELETE FROM registry.project_tally; ' || registry.tally_many_sql('registry.project') || ' PERFORM registry.tally_fold();');
    EXECUTE format(head, 'tally_turned', 'trigger', 'PERFORM registry.tally_remake(); RETURN NULL;');
    EXECUTE format(head, 'tiers_turned', 'trigger', 'PERFORM registry.tally_remake() WHERE EXISTS (SELECT FROM changed); RETURN NULL;');
END $$;
CREATE TRIGGER project_tally_born AFTER INSERT ON registry.project REFERENCING NEW TABLE AS born
    FOR EACH STATEMENT EXECUTE FUNCTION registry.tally_born();
CREATE TRIGGER project_tally_moved AFTER UPDATE ON registry.project FOR EACH ROW
    WHEN ((OLD.audience, OLD.office, OLD.stage, OLD.class, OLD.method, OLD.region, OLD.industry, OLD.park, OLD.node, OLD.node_role, OLD.tags,
           OLD.auto_tags, OLD.currency, OLD.amount_total, OLD.signed_on IS NULL, OLD.merged_into) IS DISTINCT FROM
          (NEW.audience, NEW.office, NEW.stage, NEW.class, NEW.method, NEW.region, NEW.industry, NEW.park, NEW.node, NEW.node_role, NEW.tags,
           NEW.auto_tags, NEW.currency, NEW.amount_total, NEW.signed_on IS NULL, NEW.merged_into))
    EXECUTE FUNCTION registry.tally_moved();
CREATE TRIGGER tally_turned AFTER UPDATE ON registry.setting FOR EACH ROW
    WHEN (NEW.key = 'county.timezone' AND NEW.value <> OLD.value) EXECUTE FUNCTION registry.tally_turned();
CREATE TRIGGER rule_set_tally AFTER UPDATE ON registry.rule_set FOR EACH ROW -- before rule_set_turned locks projects
    WHEN (NEW.in_force AND NOT OLD.in_force) EXECUTE FUNCTION registry.tally_turned();
CREATE TRIGGER tiers_added AFTER INSERT ON registry.tier_rule REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION registry.tiers_turned();
CREATE TRIGGER tiers_changed AFTER UPDATE ON registry.tier_rule REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION registry.tiers_turned();
CREATE TRIGGER tiers_dropped AFTER DELETE ON registry.tier_rule REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION registry.tiers_turned();
SELECT registry.tally_remake();

-- How many projects there are for these grants.
CREATE FUNCTION registry.projects_seen(p_grants int[]) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT sum(t.projects) FROM registry.project_tally t WHERE t.kind = 'all' AND t.audience && p_grants), 0)::bigint
        + coalesce((SELECT sum(w.n) FROM registry.tally_news w WHERE w.audience && p_grants), 0)::bigint
$$;

-- Cells of what the terms choose ('true': all), for the grants $5.
CREATE FUNCTION registry.cells_sql(p_by text, p_where text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_where = 'true' THEN format('SELECT t.code, t.stage, t.dated, t.counted, t.projects, t.priced, t.amount
            FROM registry.project_tally t WHERE t.kind = %L AND t.audience && $5
            UNION ALL SELECT %s, w.stage, w.dated, w.counted, w.n, w.n * (w.amount IS NOT NULL)::int, w.n * coalesce(w.amount, 0)
            FROM registry.tally_news w%s WHERE NOT w.merged AND w.audience && $5',
            p_by, CASE p_by WHEN 'tag' THEN 'c' ELSE format('w.%I', p_by) END, each.code)
        ELSE format('SELECT %s, w.stage, w.dated, w.counted, w.projects, w.priced, w.amount
            FROM (SELECT %s AS %I, p.stage, p.signed_on IS NOT NULL AS dated, registry.counted(p) AS counted, count(*) AS projects,
                      count(a.amount) AS priced, sum(a.amount) AS amount
                  FROM registry.project p CROSS JOIN LATERAL (SELECT CASE WHEN p.currency = ''CNY'' THEN p.amount_total END AS amount) a
                  WHERE p.audience && $5 AND p.merged_into IS NULL AND %s GROUP BY 1, 2, 3, 4) w%s',
            CASE p_by WHEN 'tag' THEN 'c' ELSE 'w.code' END, registry.counts_sql(p_by), CASE p_by WHEN 'tag' THEN 'tag' ELSE 'code' END, p_where, each.code) END
    FROM (SELECT CASE p_by WHEN 'tag' THEN ', registry.each_code(w.tag) c' ELSE '' END AS code) each
$$;

-- Shares of what the terms choose. Amounts in yuan only; those that don't count are told apart, and all others each once in a row.
CREATE FUNCTION registry.tallies(p_account int, p_lang text, p_by text, p_where text) RETURNS api.tally[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    result api.tally[];
BEGIN
    EXECUTE format($q$
        SELECT array_agg(ROW(s.code, coalesce(registry.code_label($1, $2, s.code), s.code), s.projects, s.amount, s.signed, s.amount_signed, s.leads,
                round(100.0 * s.signed / nullif(s.leads, 0), 1)::text, s.not_counted, NULL, NULL)::api.tally
            ORDER BY s.projects DESC, s.amount DESC NULLS LAST, s.code)
        FROM (SELECT x.code, coalesce(sum(x.projects) FILTER (WHERE x.counted), 0) AS projects, sum(x.amount) FILTER (WHERE x.counted AND x.priced > 0) AS amount,
                  coalesce(sum(x.projects) FILTER (WHERE x.counted AND x.signed), 0) AS signed, sum(x.amount) FILTER (WHERE x.counted AND x.signed AND x.priced > 0) AS amount_signed,
                  coalesce(sum(x.projects) FILTER (WHERE x.counted AND x.stage = ANY ($4)), 0) AS leads, coalesce(sum(x.projects) FILTER (WHERE NOT x.counted), 0) AS not_counted
              FROM (SELECT c.code, c.stage, c.counted, c.dated OR c.stage = ANY ($3) AS signed, sum(c.projects) AS projects, sum(c.priced) AS priced, sum(c.amount) AS amount
                    FROM (%s) c(code, stage, dated, counted, projects, priced, amount) GROUP BY 1, 2, 3, 4 HAVING sum(c.projects) > 0) x
              GROUP BY x.code) s $q$, registry.cells_sql(p_by, p_where))
    INTO result
    USING p_lang, CASE p_by WHEN 'division' THEN 'industry' WHEN 'tier' THEN 'project_tier' ELSE p_by END, registry.signed_stages(),
        ARRAY(SELECT s.code FROM registry.stage s WHERE s.rule_set = registry.rule_set_in_force() AND s.rank >= (
              SELECT i.rank FROM registry.stage i WHERE i.rule_set = s.rule_set AND i.initial)), registry.grants(p_account);
    RETURN (result)[1:300];
END $$;
