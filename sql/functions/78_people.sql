-- SPDX-License-Identifier: Apache-2.0
-- Who works on projects, and with what. Facts in the order of offices and names: nobody is ranked.

CREATE TYPE api.person AS (account text, name text, office text, chains text, projects int, matters int, last_on text);
CREATE TYPE api.people_list_reply AS (error api.error, rows api.person[], next text);

-- People of an office: its accounts, and names that its live projects bear, as far as the account sees those. Each table is read
-- once for all of them: an office of ten thousand projects has hundreds of names. The first p_most behind p_after, in the order of "name|account".
CREATE FUNCTION registry.people_of(p_account int, p_office text, p_after text, p_most int) RETURNS SETOF api.person LANGUAGE sql STABLE AS $$
    WITH pair AS MATERIALIZED ( -- many projects have the same two
        SELECT p.lead_person, p.service_person, count(*)::int AS n, array_agg(p.node) FILTER (WHERE p.node IS NOT NULL) AS nodes FROM registry.project p
        WHERE p.office = p_office AND p.stage NOT IN ('suspended', 'exited') AND p.id NOT IN (SELECT h.id FROM registry.hidden_projects(p_account) h(id)) GROUP BY 1, 2),
    bears AS MATERIALIZED (
        SELECT w.name, x.* FROM (SELECT row_number() OVER () AS i, q.* FROM pair q) x
        CROSS JOIN LATERAL unnest(ARRAY[x.lead_person, nullif(x.service_person, x.lead_person)]) w(name) WHERE w.name IS NOT NULL),
    who AS MATERIALIZED (
        SELECT x.* FROM (
            SELECT a.code, a.name FROM registry.account a WHERE a.office = p_office AND a.holder = 'person' AND a.enabled
            UNION ALL SELECT NULL, b.name FROM (SELECT DISTINCT d.name FROM bears d) b
            WHERE NOT EXISTS (SELECT FROM registry.account a WHERE a.office = p_office AND b.name IN (a.code, a.name))) x
        WHERE p_after IS NULL OR concat(x.name, '|', x.code) > p_after ORDER BY concat(x.name, '|', x.code) LIMIT p_most),
    borne AS MATERIALIZED ( -- an account by both its words, each pair once
        SELECT DISTINCT ON (w.code, w.name, b.i) w.code, w.name, b.n, b.nodes
        FROM (SELECT code, name, name AS word FROM who UNION SELECT code, name, code FROM who WHERE code IS NOT NULL) w JOIN bears b ON b.name = w.word
        ORDER BY w.code, w.name, b.i),
    held AS (SELECT b.code, b.name, sum(b.n)::int AS projects FROM borne b GROUP BY 1, 2),
    linked AS (
        SELECT b.code, b.name, string_agg(DISTINCT c.name, ',' ORDER BY c.name) AS chains FROM borne b
        CROSS JOIN LATERAL unnest(b.nodes) u(node) JOIN registry.node k ON k.id = u.node JOIN registry.valuechain c ON c.id = k.chain GROUP BY 1, 2),
    signed AS (
        SELECT m.signer, count(*)::int AS n FROM registry.matter m WHERE m.office = p_office AND m.state NOT IN ('closed', 'withdrawn') AND m.signer IS NOT NULL
            AND (m.project IS NULL OR m.project NOT IN (SELECT h.id FROM registry.hidden_projects(p_account) h(id))) GROUP BY 1),
    talked AS MATERIALIZED (
        SELECT v.actor, v.people, max(v.held_on::text) AS last_on FROM registry.activity v
        WHERE v.office = p_office AND v.project NOT IN (SELECT h.id FROM registry.hidden_projects(p_account) h(id)) GROUP BY 1, 2)
    SELECT w.code, w.name, p_office, l.chains, coalesce(h.projects, 0), coalesce(s.n, 0),
        (SELECT max(v.last_on) FROM talked v WHERE v.actor = w.code OR strpos(v.people, w.name) > 0)
    FROM who w LEFT JOIN held h ON h.name = w.name AND h.code IS NOT DISTINCT FROM w.code
    LEFT JOIN linked l ON l.name = w.name AND l.code IS NOT DISTINCT FROM w.code LEFT JOIN signed s ON s.signer = w.code
    ORDER BY concat(w.name, '|', w.code)
$$;

-- One page; the places are office and name.
CREATE FUNCTION api.people_list(p_account int, p_lang text, office text, after text, "limit" int) RETURNS api.people_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.people_list_reply;
    most CONSTANT int := least(greatest(coalesce("limit", 100), 1), 500);
    wanted CONSTANT text := registry.resolve('office', btrim(people_list.office));
    begun CONSTANT text := split_part(after, '|', 1);
    rank_begun CONSTANT int := (SELECT o.rank FROM registry.office o WHERE o.code = begun);
    taken api.person[] := '{}';
    o record;
    bytes bigint := 0;
    x record;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    ELSIF coalesce(btrim(people_list.office), '') <> '' AND wanted IS NULL THEN
        r.error := registry.error_of(p_lang, 'project', registry.bad('office', people_list.office, 'code.unknown'));
        RETURN r;
    ELSIF after IS NOT NULL AND rank_begun IS NULL THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'after', 'after.form');
        RETURN r;
    END IF;
    FOR o IN SELECT q.code, q.rank FROM registry.office q WHERE (wanted IS NULL OR q.code = wanted) AND q.until_on IS NULL
             AND (after IS NULL OR (q.rank, q.code) >= (rank_begun, begun)) ORDER BY q.rank, q.code LOOP
        FOR x IN SELECT p FROM registry.people_of(p_account, o.code, CASE WHEN o.code = begun THEN substr(after, length(begun) + 2) END, most + 1 - cardinality(taken)) p LOOP
            bytes := bytes + registry.row_bytes(x.p);
            IF cardinality(taken) = most OR (bytes > 40000 AND cardinality(taken) > 0) THEN
                r.rows := taken;
                r.next := taken[cardinality(taken)].office || '|' || taken[cardinality(taken)].name || '|' || coalesce(taken[cardinality(taken)].account, '');
                RETURN r;
            END IF;
            taken := taken || x.p;
        END LOOP;
    END LOOP;
    r.rows := nullif(taken, '{}');
    RETURN r;
END $$;
