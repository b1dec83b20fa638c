-- SPDX-License-Identifier: Apache-2.0
-- api.project_edits against api.project_edit: the same random script through both, each in a savepoint that is taken
-- back, must give the same answers, rows and journal (of one object in the same order). :seed repeats a run (psql -v seed=N).
\i sql/test/helper.psql
\i sql/test/seed.psql
SELECT plan(10);
-- projects, some with a past by several authors
CREATE TEMP TABLE own AS SELECT i AS n, (pg_temp.add(CASE WHEN i % 4 = 0 THEN 'dongshan' ELSE 'chengguan' END, jsonb_build_object(
    'name', '双' || i, 'investor', '双子' || i % 7, 'amount_total', i * 100, 'tags', CASE WHEN i % 3 = 0 THEN '["链","新"]'::jsonb END,
    'contact_phone', CASE WHEN i % 5 = 0 THEN '1390000' || i END))).project.id FROM generate_series(1, 40) i;
SELECT count(pg_temp.edit(CASE WHEN i % 2 = 0 THEN 'bureau' ELSE 'robot' END, NULL, id, CASE i % 4
    WHEN 0 THEN '{"jobs":7}' WHEN 1 THEN '{"tags":["链","大"]}' WHEN 2 THEN '{"summary":"旧","tags":null}' ELSE '{"amount_total":9}' END::jsonb))
FROM own, generate_series(0, 3) i WHERE n % 2 = 0 \g /dev/null
-- a random element: account, request, base, object, set, reason, force
CREATE FUNCTION pg_temp.pick(VARIADIC a text[]) RETURNS text VOLATILE LANGUAGE sql AS $$ SELECT a[1 + floor(random() * cardinality(a))::int] $$;
CREATE FUNCTION pg_temp.cells(rounds int) RETURNS jsonb VOLATILE LANGUAGE plpgsql AS $$
DECLARE
    s jsonb := '{}';
BEGIN
    FOR i IN 1 .. rounds LOOP
        s := s || pg_temp.pick('{"jobs":7}', '{"jobs":8}', '{"summary":"甲"}', '{"summary":" 乙 "}', '{"summary":null}', '{"summary":""}', '{"tags":["新","x"]}',
            '{"tags":["链"]}', '{"tags":[]}', '{"tags":[" 大 ","大"]}', '{"amount_total":12345}', '{"amount_total":60000000000}', '{"method":"talent"}', '{"amount_fixed":5}', '{"land_mu":"1.50"}', '{"land_mu":"1.5"}',
            '{"industry":"3825"}', '{"industry":"C38"}', '{"region":"350000"}', '{"park":"经济开发区"}', '{"planned_sign_on":"2026-05"}',
            '{"site":"城东"}', '{"host_office":"dongshan"}', '{"currency":"USD"}', '{"lead_person":"某"}', '{"jobs":7,"site":"x"}',
            CASE WHEN random() < 0.4 THEN pg_temp.pick('{"amount_total":-1}', '{"jobs":"x"}', '{"nothing":1}', '{"version":3}', '{"name":null}',
                '{"industry":"Z9"}', '{"currency":null}', '{"name":"双3","investor":"双子3"}', '{"stage":"intent"}', '{"stage":"full"}', '{"office":"dongshan"}',
                '{"contact_phone":"1"}', '{"contact_name":"某人"}', '{"tags":["a,b"]}', '{"summary":5}', '{"investor":"改"}') ELSE '{"jobs":9}' END)::jsonb;
    END LOOP;
    RETURN s;
END $$;
CREATE TEMP TABLE step (call int, n int, account int, lang text, request text, digest bytea, base bigint, id text, set jsonb, reason text, force boolean);
INSERT INTO step SELECT c, n, pg_temp.acc(pg_temp.pick('bureau', 'chengguan', 'chengguan', 'chengguan', 'dongshan', 'robot', 'robot', pg_temp.pick('leader', 'bureau'))),
    pg_temp.pick('zh', 'en'),
    CASE WHEN random() < 0.03 THEN pg_temp.pick('', 'a b', NULL) WHEN random() < 0.06 THEN 'w' || floor(random() * 20)::int ELSE 'w' || c || '-' || n END,
    CASE WHEN random() < 0.9 THEN '\x00'::bytea ELSE '\x01' END,
    CASE WHEN random() < 0.65 THEN NULL ELSE floor(random() * 7)::bigint END,
    CASE WHEN random() < 0.03 THEN pg_temp.pick('nothing', NULL, (SELECT no FROM registry.project p, own WHERE own.n = 3 AND p.id = own.id))
         ELSE (SELECT id FROM own WHERE own.n = 1 + floor(random() * 40 + 0 * c)::int % 40 ORDER BY random() LIMIT 1) END,
    CASE WHEN random() < 0.02 THEN NULL ELSE pg_temp.cells(1 + (random() * 2)::int) END,
    pg_temp.pick(NULL, NULL, '', '缘由', CASE WHEN random() < 0.1 THEN repeat('长', 501) END), CASE WHEN random() < 0.1 THEN true END
FROM generate_series(1, 60) c CROSS JOIN LATERAL generate_series(1, 1 + (c * 7919) % 64) n;
-- one of each refusal, for certain
INSERT INTO step SELECT 61, v.n, pg_temp.acc(v.who), 'zh', 'wz' || v.n, '\x00', v.base, v.id, v.set::jsonb, NULL, NULL
FROM (VALUES (1, 'bureau', NULL, 'nothing', '{"jobs":1}'), (2, 'leader', NULL, (SELECT id FROM own WHERE n = 1), '{"jobs":1}'),
    (3, 'bureau', NULL, (SELECT id FROM own WHERE n = 1), '{"stage":"full"}'), (4, 'chengguan', 1, (SELECT id FROM own WHERE n = 2), '{"jobs":11}'),
    (5, 'chengguan', NULL, (SELECT id FROM own WHERE n = 2), '{"jobs":-1}')) v(n, who, base, id, set);
INSERT INTO step SELECT 61, 6, account, 'en', request, '\x77', NULL, id, '{"jobs":2}', NULL, NULL FROM step WHERE call = 61 AND n = 5;
-- in every other call each object once
DELETE FROM step s WHERE call % 2 = 0 AND EXISTS (SELECT FROM step x WHERE x.call = s.call AND x.id = s.id AND x.n < s.n);
UPDATE step SET n = x.rank FROM (SELECT call AS c, n AS old, row_number() OVER (PARTITION BY call ORDER BY n) AS rank FROM step) x
WHERE call = c AND n = old;
CREATE TEMP TABLE answer (way text, call int, n int, reply jsonb);
CREATE TEMP TABLE trace (way text, what text, rows jsonb);
-- what a way left behind; numbers of groups and the instants differ by nothing, both ways are one transaction
CREATE FUNCTION pg_temp.left_behind(p_way text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO trace SELECT p_way, 'change', jsonb_agg(to_jsonb(c) - '{grp,idx,ord}'::text[] || jsonb_build_object('request', e.request) ORDER BY c.object, idx)
        FROM registry.change c LEFT JOIN registry.entry e USING (grp, ord) WHERE grp = current_setting('qipan.grp')::bigint
    UNION ALL SELECT p_way, 'places', jsonb_build_array(min(idx), max(idx), count(*)) FROM registry.change WHERE grp = current_setting('qipan.grp')::bigint
    UNION ALL SELECT p_way, 'entry', jsonb_agg(to_jsonb(e) - '{grp,ord}'::text[] || jsonb_build_object('grouped', e.grp IS NOT NULL) ORDER BY account, request)
        FROM registry.entry e WHERE request ~ '^w'
    UNION ALL SELECT p_way, 'project', jsonb_agg(to_jsonb(p) ORDER BY p.id) FROM registry.project p
    UNION ALL SELECT p_way, 'stage', jsonb_agg(to_jsonb(s) ORDER BY project, version) FROM registry.stage_event s
    UNION ALL SELECT p_way, 'contact', jsonb_agg(to_jsonb(c) ORDER BY project) FROM registry.contact c
    UNION ALL SELECT p_way, 'state', jsonb_build_array(current_setting('qipan.idx'), current_setting('qipan.ord'), current_setting('qipan.entry')) $$;
CREATE TEMP TABLE out (way text, what text, rows jsonb, answers jsonb);
BEGIN;
SELECT registry.grp() \g /dev/null
SAVEPOINT start;
DO $$
DECLARE
    s step;
BEGIN
    FOR s IN SELECT * FROM step ORDER BY call, n LOOP
        INSERT INTO answer SELECT 'single', s.call, s.n, to_jsonb(x) FROM api.project_edit(s.account, s.lang, s.request, s.digest, s.base, s.id, s.set, NULL, s.reason, s.force) x;
    END LOOP;
END $$;
SELECT pg_temp.left_behind('single') \g /dev/null
SELECT jsonb_agg(to_jsonb(t)) AS single_trace FROM trace t \gset
SELECT jsonb_agg(to_jsonb(a)) AS single_answer FROM answer a \gset
ROLLBACK TO start;
DO $$
DECLARE
    c int;
BEGIN
    FOR c IN SELECT DISTINCT call FROM step ORDER BY 1 LOOP
        INSERT INTO answer SELECT 'twin', c, x.ordinality, to_jsonb(x) - 'ordinality' FROM (
            SELECT array_agg(account ORDER BY n) a, array_agg(lang ORDER BY n) l, array_agg(request ORDER BY n) q, array_agg(digest ORDER BY n) d,
                array_agg(base ORDER BY n) b, array_agg(id ORDER BY n) i, array_agg(set ORDER BY n) s, array_agg(reason ORDER BY n) t, array_agg(force ORDER BY n) f
            FROM step WHERE call = c) g, api.project_edits(a, l, q, d, b, i, s, t, f) WITH ORDINALITY x;
    END LOOP;
END $$;
SELECT pg_temp.left_behind('twin') \g /dev/null
SELECT jsonb_agg(to_jsonb(t)) AS twin_trace FROM trace t \gset
SELECT jsonb_agg(to_jsonb(a)) AS twin_answer FROM answer a \gset
ROLLBACK TO start;
-- how much of it went as a set
SELECT sum((SELECT count(*) FILTER (WHERE u) FROM unnest((registry.project_plan(a, q, b, i, s, t, f)).plain) u)) AS plain, sum(cardinality(a)) AS steps
FROM (SELECT array_agg(account ORDER BY n) a, array_agg(request ORDER BY n) q, array_agg(base ORDER BY n) b, array_agg(id ORDER BY n) i,
          array_agg(set ORDER BY n) s, array_agg(reason ORDER BY n) t, array_agg(force ORDER BY n) f FROM step GROUP BY call) g \gset
ROLLBACK;
INSERT INTO answer SELECT x.* FROM jsonb_populate_recordset(NULL::answer, :'single_answer') x;
INSERT INTO answer SELECT x.* FROM jsonb_populate_recordset(NULL::answer, :'twin_answer') x;
INSERT INTO trace SELECT x.* FROM jsonb_populate_recordset(NULL::trace, :'single_trace') x;
INSERT INTO trace SELECT x.* FROM jsonb_populate_recordset(NULL::trace, :'twin_trace') x;
\echo '#' :steps 'steps,' :plain 'of them as a set'
SELECT cmp_ok((SELECT count(DISTINCT reply -> 'error' ->> 'code') FROM answer)::int, '>=', 6, 'the script met every kind of refusal');
SELECT cmp_ok(:plain::int, '>', :steps::int / 8, 'a good part went as a set');
SELECT is_empty($$ SELECT s.*, a.reply AS single, b.reply AS twin FROM (SELECT * FROM answer WHERE way = 'single') a
    FULL JOIN (SELECT * FROM answer WHERE way = 'twin') b USING (call, n) LEFT JOIN step s USING (call, n)
    WHERE a.reply - 'warnings' IS DISTINCT FROM b.reply - 'warnings' ORDER BY call, n LIMIT 3 $$, 'every answer is the same'); -- warnings speak of neighbours, too
SELECT is_empty(format($$ SELECT a.r AS single, b.r AS twin
    FROM jsonb_array_elements((SELECT rows FROM trace WHERE way = 'single' AND what = %1$L)) WITH ORDINALITY a(r, n)
    FULL JOIN jsonb_array_elements((SELECT rows FROM trace WHERE way = 'twin' AND what = %1$L)) WITH ORDINALITY b(r, n) USING (n)
    WHERE a.r IS DISTINCT FROM b.r ORDER BY n LIMIT 3 $$, w), 'and every row of ' || w)
FROM unnest(ARRAY['change', 'places', 'entry', 'project', 'stage', 'contact', 'state']) w;
SELECT * FROM finish();
