-- SPDX-License-Identifier: Apache-2.0
-- Crowds: what an investor of many projects does to a sheet. The answers are those of comparing each with each, at a price that grows with
-- the names, not with their pairs. :seed repeats a run (psql -v seed=N).
\i sql/test/helper.psql
\i sql/test/seed.psql
SELECT plan(11);
CREATE FUNCTION pg_temp.staged(file text, names text[], investor text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a CONSTANT int := pg_temp.acc('chengguan');
    i CONSTANT text := (api.import_open(a, 'en', pg_temp.req(), '\x00', sha256(file::bytea), 'f.csv', file, 'm', sha256('m'), NULL, cardinality(names))).id;
BEGIN
    PERFORM api.import_put(a, 'en', pg_temp.req(), '\x00', i, c, (SELECT jsonb_agg(jsonb_build_object('row', n + 1, 'set', jsonb_build_object('name', name, 'investor', investor)) ORDER BY n)
        FROM unnest(names) WITH ORDINALITY x(name, n) WHERE (n - 1) / 500 = c)) FROM generate_series(0, (cardinality(names) - 1) / 500) c;
    RETURN i;
END $$;
CREATE FUNCTION pg_temp.judged(i text) RETURNS api.import_reply LANGUAGE sql AS $$ SELECT api.import_judge(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', i) $$;
CREATE FUNCTION pg_temp.told(i text, n int) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', v.verdict, v.rule, v.message) FROM registry.import_verdict v WHERE v.import = i AND v.row = n $$;
-- names without anything in common: of characters that come once
CREATE FUNCTION pg_temp.lone(n int) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(chr(19968 + n * 10 + k), '') FROM generate_series(0, 9) k $$;
-- many names made of few, by changes here and there
CREATE FUNCTION pg_temp.word() RETURNS text VOLATILE LANGUAGE sql AS $$
    SELECT (ARRAY['光伏', '项目', '二期', '第1', '第12', '年产', '万吨', '镇', 'A', '-', '（一）', 'é', '甲', '新新', '新新新', 'abab'])[1 + floor(random() * 16)::int] $$;
CREATE FUNCTION pg_temp.changed(s text) RETURNS text VOLATILE LANGUAGE plpgsql AS $$
DECLARE
    p int;
BEGIN
    FOR k IN 1 .. floor(random() * 4)::int LOOP
        p := 1 + floor(random() * length(s))::int;
        s := CASE floor(random() * 3)::int WHEN 0 THEN overlay(s PLACING pg_temp.word() FROM p FOR 1) WHEN 1 THEN overlay(s PLACING pg_temp.word() FROM p FOR 0)
            ELSE substr(s, p) || left(s, p - 1) END;
    END LOOP;
    RETURN s;
END $$;
CREATE TEMP TABLE base AS SELECT i, (SELECT string_agg(pg_temp.word(), '') FROM generate_series(1, 1 + i % 8)) AS name FROM generate_series(1, 12) i;
CREATE TEMP TABLE made AS SELECT r, pg_temp.changed((SELECT name FROM base WHERE i = 1 + r % 12)) AS name FROM generate_series(1, 400) r;

-- the same answers
BEGIN;
SELECT pg_temp.add('chengguan', '{"name":"众项目之样"}') \g /dev/null
SET LOCAL session_replication_role = replica;
INSERT INTO registry.project SELECT p.* FROM made m, jsonb_populate_record((SELECT x FROM registry.project x WHERE x.name = '众项目之样'), jsonb_build_object('id', 'pcrowd' || m.r, 'no', 'C-' || m.r,
    'code', NULL, 'source', CASE WHEN m.r % 5 = 0 THEN 'c' END, 'external_id', CASE WHEN m.r % 5 = 0 THEN m.r END, 'name', m.name, 'name_key', registry.norm(m.name),
    'investor', '众', 'investor_key', '众', 'industry', 'C38', 'amount_total', floor(random() * 1000), 'registered_at', '2026-01-01'::timestamptz + m.r % 50 * interval '1 hour',
    'audience', CASE WHEN m.r % 40 = 0 THEN '{0}'::int[] ELSE '{1}' END)) p WHERE m.r <= 250;
SET LOCAL session_replication_role = origin;
CREATE TEMP TABLE asked ON COMMIT DROP AS SELECT m.r, t, jsonb_populate_record((SELECT x FROM registry.project x WHERE x.id = 'pcrowd1'), jsonb_build_object('id', CASE WHEN m.r % 3 > 0 THEN 'pcrowd' || m.r END,
    'name', m.name, 'name_key', registry.norm(m.name), 'amount_total', floor(random() * 1000))) AS n FROM made m, unnest(ARRAY[0.5, 0.85, 1]) t WHERE m.r > 150;
CREATE FUNCTION pg_temp.alike() RETURNS TABLE (r int, t numeric, warned text[], blocked text[], worth text[]) LANGUAGE sql AS $$
    SELECT a.r, a.t, ARRAY(SELECT q.id FROM registry.like_named(a.n, a.t) q ORDER BY q.registered_at, q.id LIMIT 5),
        ARRAY(SELECT q.id FROM registry.like_named(a.n, a.t) q WHERE registry.in_the_way(q, a.n) ORDER BY q.registered_at, q.id LIMIT 1),
        ARRAY(SELECT (s.other).no FROM registry.suspects(ARRAY[a.n], ARRAY[NULL]::jsonb[], ARRAY[NULL]::text[]) s WHERE s.rule = 'like_amount') FROM asked a $$;
CREATE FUNCTION pg_temp.alike_in_crowd() RETURNS TABLE (r int, t numeric, warned text[], blocked text[], worth text[]) LANGUAGE sql AS $$
    SELECT a.r, a.t, ARRAY(SELECT q.id FROM registry.crowd_named(a.n, a.t, false, 5, a.crowd) q), ARRAY(SELECT q.id FROM registry.crowd_named(a.n, a.t, true, 1, a.crowd) q),
        ARRAY(SELECT (s.other).no FROM registry.suspects(ARRAY[a.n], ARRAY[NULL]::jsonb[], ARRAY[NULL]::text[]) s WHERE s.rule = 'like_amount')
    FROM (SELECT y.*, registry.crowd_most('众') AS crowd FROM asked y) a $$;
CREATE TEMP TABLE each ON COMMIT DROP AS SELECT * FROM pg_temp.alike();
SELECT ok(count(*) FILTER (WHERE warned <> '{}') > 0 AND count(*) FILTER (WHERE blocked <> '{}') > 0 AND count(*) FILTER (WHERE worth <> '{}') > 0, 'some are alike') FROM each;
SELECT registry.crowd_make($$ SELECT row_number() OVER (ORDER BY p.registered_at, p.id)::int, p.investor_key, p.name_key, p.id, p.industry, p.amount_total
    FROM registry.project p WHERE p.investor_key = ANY ($1) AND p.audience <> '{0}' $$, '{众}', 100) \g /dev/null
SELECT is_empty('TABLE each EXCEPT SELECT * FROM pg_temp.alike_in_crowd()', 'of a crowd the same are alike as of each with each');
-- the same within a sheet
CREATE TEMP TABLE draft (row int PRIMARY KEY, fault registry.finding, project text, external_id text, name_key text, investor_key text, clean jsonb, cut boolean) ON COMMIT DROP;
INSERT INTO draft SELECT m.r, NULL, NULL, CASE WHEN m.r % 4 = 0 THEN m.r END, registry.norm(m.name), '众', '{}' FROM made m;
SELECT registry.import_alike() \g /dev/null
SELECT results_eq('SELECT d.row, (d.fault).args[1]::int FROM draft d WHERE (d.fault).code IS NOT NULL ORDER BY 1', $$
    SELECT b.row, min(a.row) FROM draft a JOIN draft b ON a.row < b.row AND (a.external_id IS NULL OR b.external_id IS NULL) AND a.name_key <> b.name_key
        AND registry.similar_names(a.name_key, b.name_key) >= 0.85 AND NOT registry.numbered_apart(a.name_key, b.name_key) GROUP BY 1 ORDER BY 1 $$, 'and in a sheet of one investor');
SELECT cmp_ok(count(*), '>', 0::bigint, 'some of them') FROM draft d WHERE (d.fault).code IS NOT NULL;
ROLLBACK;

-- the last rows of a sheet, too
SELECT pg_temp.staged('末行', ARRAY(SELECT pg_temp.lone(n) FROM generate_series(1, 199) n) || (left(pg_temp.lone(150), 9) || '某'), '末行公司') AS i \gset
SELECT is((pg_temp.judged(:'i')).rejected, 1, 'of two hundred rows the last is refused');
SELECT is(pg_temp.told(:'i', 201), 'rejected has the investor of row 151 and a name like its', 'for the one it is like');
-- a price that many names can pay: each with each would take minutes
SELECT (api.import_commit(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', pg_temp.staged('众一', ARRAY(SELECT '某某新能源有限公司年产储能电池项目第' || n || '期' FROM generate_series(1, 1000) n), '待定'), NULL, NULL)).added AS added \gset
SELECT is(:added, 1000, 'numbers tell names apart');
SELECT pg_temp.staged('众二', ARRAY(SELECT '某某新能源有限公司年产储能电池项目第' || n || '期' FROM generate_series(1001, 2000) n) || '某某新能源有限公司年产储电池项目第7期'::text, '待定') AS i \gset
SET statement_timeout = '30s';
SELECT is((r.added, r.duplicates)::text, '(1000,1)', 'against as many that stand') FROM pg_temp.judged(:'i') r;
RESET statement_timeout;
SELECT matches(pg_temp.told(:'i', 1002), '^duplicate like_name ', 'the one is found');
-- what is not compared with all is told
BEGIN;
CREATE OR REPLACE FUNCTION registry.crowd_budget(p_asked bigint) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 3';
SELECT pg_temp.judged(:'i') \g /dev/null
SELECT matches(pg_temp.told(:'i', 2), '^new .*investor "待定" has so many that the name was compared with the likeliest of them alone', 'a row that was compared with some alone says so');
ROLLBACK;
SELECT doesnt_match(pg_temp.told(:'i', 2), 'likeliest', 'one that was compared with all does not');
SELECT * FROM finish();
