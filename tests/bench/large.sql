-- SPDX-License-Identifier: Apache-2.0
-- A county of :projects projects; with :whole, of talks and matters, too, and of a journal that holds ten entries for each project. Rows are
-- inserted by sets, as the database's owner would: the row triggers journal them, an entry of db:… for each block; edits go through
-- api.project_edits, the twin that the daemon calls, an entry each. What comes of it is a registry like any other: chains, images, keys
-- and paces are the registry's own.
SET synchronous_commit = off;
SET search_path = registry, api, public;
CREATE TEMP TABLE place AS SELECT array_agg(code ORDER BY rank) AS of FROM office WHERE kind IN ('township', 'park', 'department');

CREATE PROCEDURE pg_temp.projects(p_all int) LANGUAGE plpgsql AS $$
DECLARE
    many CONSTANT int := 1000;
BEGIN
    FOR c IN 0 .. p_all / many - 1 LOOP
        INSERT INTO registry.project (id, no, version, name, investor, currency, office, stage, industry, region, class, method, amount_total, amount_fixed,
            land_mu, lead_person, planned_start_on, planned_complete_on, started_on, registered_at, changed_at, name_key, investor_key, find_key)
        SELECT registry.new_id('p'), '2024-' || lpad(i::text, greatest(6, length(i::text)), '0'), 1, k.word || '项目' || i || '号', '测速投资' || i % 9000 || '公司', 'CNY', p.of[1 + i % cardinality(p.of)],
            k.stage, (ARRAY['C38', 'C13', 'C36', 'I65', 'A01'])[1 + i % 5], (ARRAY['32', '33', '35', '44'])[1 + i % 4], 'industrial',
            (ARRAY['business', 'chain', 'station', 'fair'])[1 + i % 4], i * 100000::bigint, i * 80000::bigint, 10 + i % 300, '牵头人' || i % 800,
            (registry.today() - 200 + i % 300)::text, (registry.today() + i % 400)::text, CASE WHEN k.stage = 'started' THEN (registry.today() - 100)::text END,
            registry.now() - i % 700 * interval '1 day', registry.now(), '', '', ''
        FROM generate_series(c * many + 1, c * many + many) i, place p, LATERAL (SELECT
            (ARRAY['光伏', '食品', '轴承', '软件', '蔬菜', '储能', '物流', '化工'])[1 + i % 8] AS word,
            (ARRAY['concept', 'lead', 'lead', 'intent', 'talks', 'signed', 'landed', 'started', 'producing', 'exited'])[1 + i % 10] AS stage) k;
        COMMIT;
    END LOOP;
END $$;

-- A talk for every second project, a matter for every fifth, with its clock.
CREATE PROCEDURE pg_temp.records() LANGUAGE plpgsql AS $$
DECLARE
    after text := '';
    upto text;
BEGIN
    LOOP
        upto := (SELECT max(x.id) FROM (SELECT p.id FROM registry.project p WHERE p.id > after ORDER BY p.id LIMIT 2000) x);
        EXIT WHEN upto IS NULL;
        INSERT INTO registry.activity (id, version, project, no, office, class, held_on, result, next_step, next_on, actor, changed_at)
        SELECT registry.new_id('av'), 1, p.id, p.no, p.office, 'talk', (registry.today() - (p.no ~ '[02468]$')::int * 40 - length(p.name))::text, '谈用地', '再谈',
            (registry.today() + 10)::text, 'bureau', registry.now()
        FROM registry.project p WHERE p.id > after AND p.id <= upto AND p.no ~ '[13579]$';
        INSERT INTO registry.matter (id, version, project, no, office, class, subject, due_on, issuer, issuer_office, issued_at, state, mover, moved_at, light, changed_at)
        SELECT registry.new_id('mt'), 1, p.id, p.no, p.office, 'assignment', '报送材料', (registry.today() + 20)::text, 'bureau', 'bureau', registry.now(),
            CASE WHEN p.no ~ '0$' THEN 'issued' ELSE 'closed' END, 'bureau', registry.now(), 'none', registry.now()
        FROM registry.project p WHERE p.id > after AND p.id <= upto AND p.no ~ '[05]$';
        after := upto;
        COMMIT;
    END LOOP;
END $$;

CREATE PROCEDURE pg_temp.edits(p_all int, p_rounds int) LANGUAGE plpgsql AS $$
DECLARE
    bureau CONSTANT int := (SELECT a.id FROM registry.account a WHERE a.code = 'bureau');
    epoch CONSTANT bigint := (SELECT max(e.epoch) FROM registry.epoch e);
    many CONSTANT int := 500;
BEGIN
    CREATE TEMP TABLE number AS SELECT row_number() OVER (ORDER BY p.id) AS i, p.id FROM registry.project p;
    CREATE UNIQUE INDEX ON number (i);
    ANALYZE number;
    FOR c IN 0 .. p_all / many * p_rounds - 1 LOOP
        PERFORM count(*) FROM (SELECT array_agg(bureau) AS a, array_agg('zh'::text) AS l, array_agg(format('large-%s-%s', c, n.i)) AS q, array_agg('\x00'::bytea) AS d,
                array_agg(NULL::bigint) AS b, array_agg(n.id) AS i, array_agg(jsonb_build_object('summary', '第' || c || '次填报')) AS s, array_agg(NULL::text) AS t,
                array_agg(NULL::boolean) AS f
            FROM (SELECT * FROM number x WHERE x.i > c * many % p_all AND x.i <= c * many % p_all + many ORDER BY x.id) n) g,
            LATERAL api.project_edits(g.a, g.l, g.q, g.d, g.b, g.i, g.s, g.t, g.f) x;
        PERFORM api.seal(epoch);
        COMMIT;
    END LOOP;
END $$;

CALL pg_temp.projects(:projects);
\if :whole
CALL pg_temp.records();
CALL pg_temp.edits(:projects, 9);
\endif
RESET search_path;
VACUUM ANALYZE;
CHECKPOINT;
