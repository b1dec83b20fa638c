-- SPDX-License-Identifier: Apache-2.0
-- A crowd: many projects of one investor (or many rows of a sheet: 待定 is an investor, too), of which each of many names is asked for those like
-- it. Comparing all with all would take hours; here a name is compared with those alone that share one of its rarest pairs of characters. That
-- misses none: with an alike name of m pairs one of n pairs shares s = t·(n + m)/2 of them at least, so one of any n − s + 1 is shared.
--
-- It stands in temporary tables while an import is judged:
--   crowd(place, investor_key, name_key, id, industry, amount_total, bare)   place: order of registration, or of rows; bare: without its numbers
--   crowd_pair(investor_key, pair, m, n, places)   the n names of m pairs that have this one
--   crowd_size(investor_key, n, most)   most: how many a name is compared with

-- How many a name is compared with when so many are asked of: thirty million in all, but five hundred each.
CREATE FUNCTION registry.crowd_budget(p_asked bigint) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(500, 30000000 / greatest(p_asked, 1))::int
$$;

-- So many names of one investor with so many others: more than it costs to make a crowd of them.
CREATE FUNCTION registry.crowded(p_names bigint, p_others bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT least(p_names, p_others) > 1 AND p_others > 30 AND p_names * p_others > 3000
$$;

-- A name without its numbers, if names that differ in numbers alone don't block each other.
CREATE FUNCTION registry.bare_name(p_rule registry.duplicate_rule, p_name_key text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_rule.level <> 'block' THEN regexp_replace(p_name_key, p_rule.pattern, '#', 'g') END
$$;

CREATE FUNCTION registry.crowd_drop() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF registry.crowds() THEN
        DROP TABLE pg_temp.crowd, pg_temp.crowd_pair, pg_temp.crowd_size;
    END IF;
END $$;

-- Makes the tables. p_sql gives place, investor_key, name_key, id, industry, amount_total of those of the investors $1; p_asked: how many names
-- will be asked of.
CREATE FUNCTION registry.crowd_make(p_sql text, p_investor_keys text[], p_asked bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    numbered CONSTANT registry.duplicate_rule := registry.duplicate_rule_of('like_number');
BEGIN
    PERFORM registry.crowd_drop();
    IF p_investor_keys IS NULL THEN
        RETURN;
    END IF;
    CREATE TEMPORARY TABLE crowd (place int, investor_key text, name_key text, id text, industry text, amount_total bigint, bare text) ON COMMIT DROP;
    EXECUTE format('INSERT INTO crowd SELECT x.*, registry.bare_name($2, x.name_key) FROM (%s) x', p_sql) USING p_investor_keys, numbered;
    ALTER TABLE crowd ADD PRIMARY KEY (place);
    CREATE INDEX ON crowd (investor_key, industry, place);
    CREATE TEMPORARY TABLE crowd_pair ON COMMIT DROP AS
        SELECT y.investor_key, y.pair, y.m, count(*)::int AS n, array_agg(y.place ORDER BY y.place) AS places
        FROM (SELECT DISTINCT x.investor_key, substr(x.name, i, 2) AS pair, length(x.name) - 1 AS m, x.place
              FROM (SELECT c.investor_key, c.place, registry.norm(c.name_key) AS name FROM crowd c OFFSET 0) x, generate_series(1, length(x.name) - 1) i) y
        GROUP BY 1, 2, 3;
    ALTER TABLE crowd_pair ADD PRIMARY KEY (investor_key, pair, m);
    CREATE TEMPORARY TABLE crowd_size ON COMMIT DROP AS
        SELECT c.investor_key, count(*)::int AS n, registry.crowd_budget(p_asked) AS most FROM crowd c GROUP BY 1;
    ALTER TABLE crowd_size ADD PRIMARY KEY (investor_key);
    ANALYZE crowd;
    ANALYZE crowd_pair (investor_key, pair, m, n);
    ANALYZE crowd_size;
END $$;

CREATE FUNCTION registry.crowds() RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT to_regclass('pg_temp.crowd_size') IS NOT NULL $$;

-- How many of an investor's crowd a name is compared with at most; null = there is no crowd.
CREATE FUNCTION registry.crowd_most(p_investor_key text) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF registry.crowds() THEN
        RETURN (SELECT s.most FROM crowd_size s WHERE s.investor_key = p_investor_key);
    END IF;
    RETURN NULL;
END $$;

-- Places of names that may be alike, as many as p_most of them, by the rarest pairs first; cut: there are more.
CREATE FUNCTION registry.crowd_near(p_investor_key text, p_name_key text, p_likeness numeric, p_most int, OUT places int[], OUT cut boolean)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    x CONSTANT text := registry.norm(p_name_key);
    pairs CONSTANT int := length(x) - 1;
    t CONSTANT numeric := p_likeness - 0.00005; -- the measure is rounded
BEGIN
    SELECT coalesce(array_agg(DISTINCT v.place ORDER BY v.place), '{}'), coalesce(max(z.total) > p_most, false) INTO places, cut
    FROM (SELECT y.n, y.places, sum(y.n) OVER (ORDER BY y.n, y.m, y.i ROWS UNBOUNDED PRECEDING) AS upto, sum(y.n) OVER () AS total
          FROM (SELECT i, c.m, c.n, c.places, row_number() OVER (PARTITION BY c.m ORDER BY c.n, i) AS rank, pairs - count(*) OVER (PARTITION BY c.m) AS absent
                FROM generate_series(1, pairs) i CROSS JOIN LATERAL (
                    SELECT * FROM crowd_pair q WHERE q.investor_key = p_investor_key AND q.pair = substr(x, i, 2)
                        AND q.m BETWEEN ceil(t * pairs / (2 - t)) AND floor(pairs * (2 - t) / t) OFFSET 0) c) y
          WHERE y.rank + y.absent <= pairs - ceil(t * (pairs + y.m) / 2) + 1) z
    CROSS JOIN LATERAL unnest(CASE WHEN z.upto <= p_most THEN z.places ELSE z.places[1 : greatest(0, p_most - (z.upto - z.n))::int] END) v(place);
END $$;

-- The first p_most projects of the crowd whose name is like that of n, as they were registered; p_block: of those that stand in its way.
CREATE FUNCTION registry.crowd_named(n registry.project, p_likeness numeric, p_block boolean, p_most int, p_crowd int) RETURNS SETOF registry.project
LANGUAGE plpgsql STABLE ROWS 1 AS $$
DECLARE
    near CONSTANT int[] := (registry.crowd_near(n.investor_key, n.name_key, p_likeness, p_crowd)).places;
    mine CONSTANT text := CASE WHEN p_block THEN registry.bare_name(registry.duplicate_rule_of('like_number'), n.name_key) END; -- without its numbers
BEGIN
    RETURN QUERY SELECT q.* FROM (
        SELECT c.id, c.place FROM crowd c
        WHERE c.place = ANY (near) AND c.id IS DISTINCT FROM n.id AND c.name_key <> n.name_key AND (c.bare = mine) IS NOT TRUE
          AND registry.names_alike(c.name_key, n.name_key, p_likeness)
        ORDER BY c.place OFFSET 0) c
    CROSS JOIN LATERAL (SELECT * FROM registry.project p WHERE p.id = c.id OFFSET 0) q
    WHERE NOT p_block OR registry.in_the_way(q, n)
    ORDER BY c.place LIMIT p_most;
END $$;

-- The first p_most projects of the crowd of n's trade whose amount is near that of n; p_crowd of that trade are looked at.
CREATE FUNCTION registry.crowd_worth(n registry.project, p_gap numeric, p_most int, p_crowd int) RETURNS SETOF registry.project
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    RETURN QUERY SELECT q.* FROM (
        SELECT y.id, y.place FROM (SELECT * FROM crowd x WHERE x.investor_key = n.investor_key AND x.industry = n.industry ORDER BY x.place LIMIT p_crowd) y
        WHERE y.id IS DISTINCT FROM n.id AND least(y.amount_total, n.amount_total) >= (1 - p_gap) * greatest(y.amount_total, n.amount_total)
        ORDER BY y.place LIMIT p_most) c
    JOIN registry.project q ON q.id = c.id ORDER BY c.place;
END $$;
