-- SPDX-License-Identifier: Apache-2.0
-- Chains and their nodes, laid out by the county; stations outside; who brought whom.

CREATE FUNCTION registry.valuechain_may(p_account int, p_op text, b registry.valuechain, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.unless_may(p_account, 'county', NULL);
END $$;

CREATE FUNCTION registry.valuechain_rules(p_account int, p_op text, b registry.valuechain, INOUT n registry.valuechain, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF EXISTS (SELECT FROM registry.valuechain x WHERE x.name = n.name AND x.id IS DISTINCT FROM n.id) THEN
        fault := registry.fault('ALREADY_EXISTS', 'name', 'chain.twin', n.name);
    END IF;
END $$;

SELECT registry.generate_record('valuechain', 'name');

CREATE FUNCTION registry.node_may(p_account int, p_op text, b registry.node, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.unless_may(p_account, 'county', NULL);
END $$;

-- Is p_node the other one, or somewhere below it?
CREATE FUNCTION registry.node_below(p_node text, p_other text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    at text := p_node;
BEGIN
    FOR hop IN 1 .. 50 LOOP
        IF at IS NULL OR at = p_other THEN
            RETURN at IS NOT NULL;
        END IF;
        at := (SELECT x.parent FROM registry.node x WHERE x.id = at);
    END LOOP;
    RETURN true; -- too deep to be one
END $$;

-- Chain and parent by id or name, firms present by id, credit code or name.
CREATE FUNCTION registry.node_rules(p_account int, p_op text, b registry.node, INOUT n registry.node, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    of_chain CONSTANT text := (SELECT x.id FROM registry.valuechain x WHERE x.id = n.chain OR x.name = n.chain);
    above CONSTANT text := (SELECT x.id FROM registry.node x WHERE x.chain = of_chain AND (x.id = n.parent OR x.name = n.parent));
    word text;
    f record;
    firms text[];
BEGIN
    n.rank := coalesce(n.rank, 100);
    IF n.chain IS NOT NULL AND of_chain IS NULL THEN
        fault := registry.fault('INVALID_ARGUMENT', 'chain', 'chain.none', n.chain);
    ELSIF b.version > 0 AND b.chain <> of_chain THEN
        fault := registry.bad('chain', n.chain, 'field.readonly');
    ELSIF n.parent IS NOT NULL AND above IS NULL THEN
        fault := registry.fault('INVALID_ARGUMENT', 'parent', 'node.none', n.parent);
    ELSIF registry.node_below(above, n.id) THEN
        fault := registry.fault('INVALID_ARGUMENT', 'parent', 'node.loop', n.name);
    ELSIF EXISTS (SELECT FROM registry.node x WHERE x.chain = of_chain AND x.name = n.name AND x.id IS DISTINCT FROM n.id) THEN
        fault := registry.fault('ALREADY_EXISTS', 'name', 'node.twin', n.name);
    END IF;
    n.chain := coalesce(of_chain, n.chain);
    n.parent := above;
    FOREACH word IN ARRAY coalesce(n.present, '{}') LOOP
        EXIT WHEN fault.code IS NOT NULL;
        f := registry.firm_of('present', word);
        fault := f.fault;
        firms := CASE WHEN (f.firm).id = ANY (firms) THEN firms ELSE firms || (f.firm).id END;
    END LOOP;
    n.present := firms;
END $$;

SELECT registry.generate_record('node', 'rank');

-- One page: a chain's nodes from the top, each with its firms and what hangs on it, as far as the account sees it.
CREATE TYPE api.chain_node AS (
    id text, name text, part text, depth int, present text[], missing text[], projects int, amount_total bigint, hanging text[]
);
CREATE TYPE api.chain_map_reply AS (error api.error, chain api.valuechain, nodes api.chain_node[]);
CREATE FUNCTION api.chain_map(p_account int, p_lang text, id text) RETURNS api.chain_map_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    c registry.valuechain;
    r api.chain_map_reply;
    grants CONSTANT int[] := registry.grants(p_account);
BEGIN
    SELECT * INTO c FROM registry.valuechain x WHERE x.id = chain_map.id OR x.name = chain_map.id;
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    ELSIF c.id IS NULL THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'id', 'chain.none', id);
        RETURN r;
    END IF;
    r.chain := registry.valuechain_row(c);
    WITH RECURSIVE tree AS (
        SELECT n.*, 0 AS depth, ARRAY[lpad(n.rank::text, 5, '0') || n.name] AS path FROM registry.node n WHERE n.chain = c.id AND n.parent IS NULL
        UNION ALL
        SELECT n.*, t.depth + 1, t.path || (lpad(n.rank::text, 5, '0') || n.name)
        FROM tree t JOIN registry.node n ON n.parent = t.id WHERE t.depth < 50)
    SELECT array_agg(ROW(x.id, x.name, x.part, x.depth, x.firms, x.missing, x.projects, x.amount, x.hanging)::api.chain_node ORDER BY x.path)
        FILTER (WHERE x.upto < 44000)
    INTO r.nodes
    FROM (SELECT t.*, f.firms, h.*, sum(length(t.name) * 3 + octet_length(concat(f.firms, t.missing, h.hanging)) + 120) OVER (ORDER BY t.path) AS upto
          FROM tree t
          LEFT JOIN LATERAL (SELECT array_agg(e.name ORDER BY u.n) AS firms FROM unnest(t.present) WITH ORDINALITY u(id, n)
                             JOIN registry.enterprise e ON e.id = u.id) f ON true
          CROSS JOIN LATERAL (
              SELECT count(*)::int AS projects, sum(p.amount_total) FILTER (WHERE p.currency = 'CNY')::bigint AS amount,
                  (array_agg(concat_ws(' ', p.no, p.name, registry.code_label(p_lang, 'node_role', p.node_role)) ORDER BY p.no))[1:20] AS hanging
              FROM registry.project p WHERE p.node = t.id AND p.stage <> 'exited' AND p.merged_into IS NULL AND p.audience && grants) h) x;
    PERFORM registry.commit_here();
    PERFORM registry.audit_listed(p_account, 'chain_map', ARRAY(SELECT p.id FROM registry.project p JOIN registry.node n ON n.id = p.node
                                                                WHERE n.chain = c.id AND p.audience && grants));
    RETURN r;
END $$;

-- ---------------------------------------------------------------- stations

CREATE FUNCTION registry.station_may(p_account int, p_op text, b registry.station, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.unless_may(p_account, 'write', b.office);
END $$;

CREATE FUNCTION registry.station_rules(p_account int, p_op text, b registry.station, INOUT n registry.station, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    n.actor := coalesce(b.actor, registry.account_code(p_account));
    IF n.until_on < left(n.from_on, length(n.until_on)) THEN
        fault := registry.fault('INVALID_ARGUMENT', 'until_on', 'station.term');
    ELSIF n.office <> b.office AND NOT registry.may(p_account, 'write', n.office) THEN
        fault := registry.fault('PERMISSION_DENIED', 'office', 'may.write');
    END IF;
END $$;

SELECT registry.generate_record('station', '-from_on');

-- ---------------------------------------------------------------- links

-- What a word means as the origin of a link: a project the account sees, or a firm.
CREATE FUNCTION registry.origin_of(p_account int, p_word text, OUT id text, OUT name text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    p registry.project := registry.project_seen(p_account, btrim(p_word));
    f record;
BEGIN
    IF p.id IS NOT NULL THEN
        id := p.id;
        name := p.no; -- its name may be hidden from who sees the link, today or later
        RETURN;
    END IF;
    f := registry.firm_of('origin', p_word);
    id := (f.firm).id;
    name := (f.firm).name;
END $$;

-- Whose the project is says who brought it.
CREATE FUNCTION registry.link_may(p_account int, p_op text, b registry.link, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce(registry.unless_may(p_account, 'write', p.office), registry.unless_stands(b.id, b.state));
END $$;

CREATE FUNCTION registry.link_rules(p_account int, p_op text, b registry.link, INOUT n registry.link, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    o record;
    twin text;
BEGIN
    n.state := coalesce(n.state, 'stands');
    n.actor := coalesce(b.actor, registry.account_code(p_account));
    IF n.origin IS NULL THEN
        RETURN; -- required
    ELSIF b.origin IS DISTINCT FROM n.origin THEN
        o := registry.origin_of(p_account, n.origin);
        IF o.id IS NULL THEN
            fault := registry.fault('INVALID_ARGUMENT', 'origin', 'link.none', n.origin);
            RETURN;
        END IF;
        n.origin := o.id;
        n.origin_name := o.name;
    END IF;
    twin := (SELECT x.id FROM registry.link x WHERE x.project = n.project AND x.origin = n.origin AND x.class = n.class
             AND x.state = 'stands' AND x.id IS DISTINCT FROM n.id LIMIT 1);
    IF b.version > 0 AND b.origin <> n.origin THEN
        fault := registry.bad('origin', n.origin, 'field.readonly');
    ELSIF n.origin = n.project THEN
        fault := registry.fault('INVALID_ARGUMENT', 'origin', 'link.self');
    ELSIF twin IS NOT NULL THEN
        fault := registry.fault('ALREADY_EXISTS', 'origin', 'link.twin', twin);
    END IF;
END $$;

SELECT registry.generate_record('link', '-changed_at');

CREATE FUNCTION api.link_withdraw(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, reason text)
RETURNS api.link_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.link_change(p_account, p_lang, p_request, p_digest, p_base, 'link_withdraw', id, NULL, '{"state": "withdrawn"}',
        reason, false);
END $$;

-- What an origin brought: along the links that stand, each project once at its first step, ten steps and 1000 projects at most.
-- Neither shown nor walked through: what the account doesn't see.
CREATE FUNCTION registry.brought(p_origin text, p_grants int[])
RETURNS TABLE (project text, step int, class text, through text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    front text[] := ARRAY[p_origin];
    known text[] := ARRAY[p_origin];
    found_ids text[];
BEGIN
    FOR hop IN 1 .. 10 LOOP
        found_ids := '{}';
        FOR project, class, through IN
            SELECT DISTINCT ON (l.project) l.project, l.class, l.origin_name
            FROM registry.link l JOIN registry.project p ON p.id = l.project
            WHERE l.origin = ANY (front) AND l.state = 'stands' AND p.merged_into IS NULL AND p.audience && p_grants AND l.project <> ALL (known)
            ORDER BY l.project, l.id LIMIT 1001 - cardinality(known)
        LOOP
            step := hop;
            found_ids := found_ids || project;
            RETURN NEXT;
        END LOOP;
        front := found_ids;
        known := known || found_ids;
        EXIT WHEN front = '{}' OR cardinality(known) > 1000;
    END LOOP;
END $$;

CREATE TYPE api.brought AS (id text, name text, projects int, amount_total bigint, signed int, amount_signed bigint);
CREATE TYPE api.brought_project AS (
    project text, no text, name text, office text, stage text, amount_total bigint, step int, class text, through text
);
CREATE TYPE api.enterprise_brought_reply AS (error api.error, brought api.brought, projects api.brought_project[]);

-- Sums count each project once, those in yuan, without those that don't count; the list ends where a frame does.
CREATE FUNCTION api.enterprise_brought(p_account int, p_lang text, id text) RETURNS api.enterprise_brought_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    o record := registry.origin_of(p_account, id);
    grants CONSTANT int[] := registry.grants(p_account);
    ids text[];
    r api.enterprise_brought_reply;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    ELSIF o.id IS NULL THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'id', 'link.none', id);
        RETURN r;
    END IF;
    SELECT ROW(o.id, o.name, count(*) FILTER (WHERE x.counted), sum(x.amount) FILTER (WHERE x.counted),
            count(*) FILTER (WHERE x.counted AND x.signed), sum(x.amount) FILTER (WHERE x.counted AND x.signed))::api.brought,
        array_agg(ROW(x.id, x.no, x.name, x.office, x.stage, x.amount_total, x.step, x.class, x.through)::api.brought_project ORDER BY x.step, x.no)
            FILTER (WHERE x.upto < 40000), array_agg(x.id)
    INTO r.brought, r.projects, ids
    FROM (SELECT p.id, p.no, p.name, p.office, p.stage, p.amount_total, b.step, b.class, b.through, registry.counted(p) AS counted,
              registry.has_signed(p.signed_on, p.stage) AS signed, CASE WHEN p.currency = 'CNY' THEN p.amount_total END AS amount,
              sum(octet_length(concat(p.name, b.through)) + 120) OVER (ORDER BY b.step, p.no) AS upto
          FROM registry.brought(o.id, grants) b JOIN registry.project p ON p.id = b.project) x;
    PERFORM registry.commit_here();
    PERFORM registry.audit_listed(p_account, 'enterprise_brought', ids || o.id);
    RETURN r;
END $$;
