-- SPDX-License-Identifier: Apache-2.0
-- Numbers that are kept are those one counts, for every reader, after whatever the files before wrote and after each way of writing here;
-- the default order of lists, whose pages join while others work.
\i sql/test/helper.psql
SELECT plan(43);
CREATE FUNCTION pg_temp.counts(who text, b text, terms jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT (api.project_counts(pg_temp.acc(who), 'en', b, terms)).rows::text $$;
CREATE FUNCTION pg_temp.page(who text, sort text, after text, n int, terms jsonb DEFAULT NULL) RETURNS api.project_list_reply LANGUAGE sql AS $$
    SELECT api.project_list(pg_temp.acc(who), 'en', terms, NULL, sort, after, n, NULL) $$;
-- What differs between the numbers kept and those counted with a term that holds for all.
CREATE FUNCTION pg_temp.wrong() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('%s by %s', who, b) FROM unnest('{bureau,dongshan,leader}'::text[]) who, unnest(registry.counted_by()) b
    WHERE pg_temp.counts(who, b, NULL) IS DISTINCT FROM pg_temp.counts(who, b, '[{"field":"id","op":"!=","values":["-"]}]')
    UNION ALL SELECT who || ' in all' FROM unnest('{bureau,dongshan,leader}'::text[]) who
    WHERE (pg_temp.page(who, NULL, NULL, 1)).total IS DISTINCT FROM (pg_temp.page(who, NULL, NULL, 1, '[{"field":"id","op":"!=","values":["-"]}]')).total
    UNION ALL SELECT who || ' by owner' FROM unnest('{bureau,dongshan,leader}'::text[]) who,
        LATERAL (SELECT o.code, o.projects FROM unnest((api.office_list(pg_temp.acc(who), 'en')).rows) o) o
    WHERE o.projects <> (SELECT count(*) FROM registry.project p WHERE p.office = o.code AND p.stage <> 'exited' AND p.audience && registry.grants(pg_temp.acc(who)))
$$;
SELECT pg_temp.add('chengguan', '{"name":"先一个","restricted":true}') \g /dev/null
SELECT cmp_ok((pg_temp.page('bureau', NULL, NULL, 1)).total, '>', (pg_temp.page('dongshan', NULL, NULL, 1)).total, 'there are projects that some don''t see');
SELECT is_empty('SELECT pg_temp.wrong()', 'right after all that was written before');
-- each way of writing; twice, and once folded between
CREATE TEMP TABLE way AS SELECT * FROM (VALUES
    (1, 'a registration', $$ SELECT pg_temp.add('chengguan', '{"name":"数一数","investor":"数一","amount_total":500,"industry":"C38","region":"32","method":"chain","tags":["甲","乙"]}') $$),
    (2, 'one without anything', $$ SELECT pg_temp.add('bureau', '{"name":"光名字","office":"dongshan"}') $$),
    (3, 'a restricted one', $$ SELECT pg_temp.add('chengguan', '{"name":"不公开","investor":"密","restricted":true,"amount_total":7}') $$),
    (4, 'an amount, a tag less', $$ SELECT pg_temp.edit('chengguan', NULL, no, '{"amount_total":70000000000,"tags":["乙"]}') FROM registry.project WHERE name = '数一数' $$),
    (5, 'another currency', $$ SELECT pg_temp.edit('chengguan', NULL, no, '{"currency":"USD"}') FROM registry.project WHERE name = '数一数' $$),
    (6, 'and back', $$ SELECT pg_temp.edit('chengguan', NULL, no, '{"currency":"CNY"}') FROM registry.project WHERE name = '数一数' $$),
    (7, 'no amount any more', $$ SELECT pg_temp.edit('chengguan', NULL, no, '{}', '{amount_total,tags,region}', 'x', true) FROM registry.project WHERE name = '数一数' $$),
    (8, 'a stage and its day', $$ SELECT pg_temp.advance('bureau', no, 'talks'), pg_temp.advance('bureau', no, 'signed') FROM registry.project WHERE name = '光名字' $$),
    (9, 'a class that doesn''t count', $$ SELECT pg_temp.edit('bureau', NULL, no, '{"class":"infrastructure"}') FROM registry.project WHERE name = '光名字' $$),
    (10, 'hidden', $$ SELECT pg_temp.edit('bureau', NULL, no, '{"restricted":true}') FROM registry.project WHERE name = '光名字' $$),
    (11, 'seen', $$ SELECT pg_temp.edit('chengguan', NULL, no, '{"restricted":false}') FROM registry.project WHERE name = '不公开' $$),
    (12, 'another owner', $$ UPDATE registry.project SET office = 'fagai' WHERE name = '不公开' RETURNING pg_temp.req() $$),
    (13, 'part of another', $$ UPDATE registry.project SET stage = 'exited', merged_into = (SELECT no FROM registry.project WHERE name = '光名字') WHERE name = '不公开' RETURNING 1 $$),
    (14, 'many at once', $$ INSERT INTO registry.project (name, office, stage, tags, region) SELECT '成批' || i, 'dongshan', 'lead', CASE WHEN i % 2 = 0 THEN '{丙}'::text[] END, '35' FROM generate_series(1, 30) i RETURNING 1 $$),
    (15, 'many changed at once', $$ UPDATE registry.project SET park = 'jingkai', amount_total = 100 WHERE name LIKE '成批%' RETURNING 1 $$),
    (16, 'rules', $$ INSERT INTO registry.tag_rule (rule_set, n, tag, industry, source) SELECT registry.rule_set_in_force(), 9000, '不计入', 'C38', 'test' RETURNING 1 $$),
    (17, 'rules taken back', $$ DELETE FROM registry.tag_rule WHERE n = 9000 RETURNING 1 $$),
    (18, 'another time zone', $$ UPDATE registry.setting SET value = 'America/Lima' WHERE key = 'county.timezone' RETURNING 1 $$),
    (19, 'and ours', $$ UPDATE registry.setting SET value = 'Asia/Shanghai' WHERE key = 'county.timezone' RETURNING 1 $$),
    (20, 'other tiers', $$ UPDATE registry.tier_rule SET amount_from = amount_from / 7 RETURNING 1 $$),
    (21, 'the old ones', $$ UPDATE registry.tier_rule SET amount_from = amount_from * 7 RETURNING 1 $$),
    (22, 'one more', $$ SELECT pg_temp.add('dongshan', '{"name":"后一个","tags":["丁"]}') $$)) v(n, what, sql);
CREATE FUNCTION pg_temp.go(w text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE w;
    RETURN coalesce((SELECT string_agg(x, ', ') FROM pg_temp.wrong() x), 'right');
END $$;
SELECT is(pg_temp.go(way.sql), 'right', way.what) FROM way ORDER BY way.n;
SELECT isnt_empty('SELECT FROM registry.tally_news', 'there is news');
SELECT registry.tally_fold() \g /dev/null
SELECT is_empty('SELECT FROM registry.tally_news', 'it is folded in');
SELECT is_empty('SELECT kind, code FROM registry.project_tally GROUP BY kind, code, audience, stage, dated, counted HAVING count(*) > 1', 'a cell has a row');
SELECT is_empty('SELECT pg_temp.wrong()', 'right when folded');
SELECT is_empty('SELECT FROM registry.project_tally t WHERE t.projects < 0 OR t.priced < 0 OR t.amount < 0 OR t.priced = 0 AND t.amount <> 0', 'nothing below nothing');
CREATE TEMP TABLE kept AS SELECT * FROM registry.project_tally;
SELECT registry.tally_remake() \g /dev/null
SELECT bag_eq('SELECT * FROM registry.project_tally', 'SELECT * FROM kept', 'made anew it is the same');
-- HOT: what is edited every day appends nothing, and no index is touched
SELECT is(pg_temp.go(format('SELECT pg_temp.edit(''bureau'', NULL, %L, ''{"jobs":77,"summary":"进展"}'')', (SELECT no FROM registry.project WHERE name = '数一数'))), 'right', 'an edit of something else');
SELECT is_empty('SELECT FROM registry.tally_news', 'is no news');
SELECT ok(pg_get_indexdef('registry.project_registered'::regclass) LIKE '%(registered_at, no)', 'the order of lists has its index');
-- the default order
SELECT is((ARRAY(SELECT x.no FROM pg_temp.told((pg_temp.page('bureau', NULL, NULL, 40)).rows) x))[1:9],
    ARRAY(SELECT p.no FROM registry.project p WHERE p.audience && registry.grants(pg_temp.acc('bureau')) ORDER BY p.registered_at DESC, p.no DESC LIMIT 9), 'registered last, equals by number');
SELECT is((pg_temp.page('bureau', NULL, NULL, 40)).rows::text, (pg_temp.page('bureau', '-registered_at', NULL, 40)).rows::text, 'called -registered_at');
SELECT is((pg_temp.page('bureau', 'jobs', (pg_temp.page('bureau', NULL, NULL, 2)).next, 2)).error.field, 'after', 'a page of it continues no other order');
SELECT is((ARRAY(SELECT x.no FROM pg_temp.told((pg_temp.page('bureau', 'registered_at', NULL, 20)).rows) x))[1:9],
    ARRAY(SELECT p.no FROM registry.project p WHERE p.audience && registry.grants(pg_temp.acc('bureau')) ORDER BY p.registered_at, p.no LIMIT 9), 'and the other way');
-- pages join while projects before and behind the place are edited, hidden ones apart, and others are registered
CREATE FUNCTION pg_temp.walk(who text, sort text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    r api.project_list_reply;
    nos text[] := '{}';
BEGIN
    FOR i IN 1 .. 200 LOOP
        r := pg_temp.page(who, sort, r.next, 7, '[{"field":"name","op":"~","values":["成批"]}]');
        nos := nos || ARRAY(SELECT x.no FROM pg_temp.told(r.rows) x);
        EXIT WHEN r.next IS NULL;
        PERFORM pg_temp.edit('bureau', NULL, nos[1], jsonb_build_object('jobs', i)),
            pg_temp.edit('bureau', NULL, (SELECT p.no FROM registry.project p WHERE p.name LIKE '成批%' AND p.no <> ALL (nos) ORDER BY p.no LIMIT 1), jsonb_build_object('jobs', i)),
            pg_temp.add('bureau', jsonb_build_object('name', '成批新' || who || i, 'investor', '后来' || who || i, 'office', 'dongshan'));
    END LOOP;
    RETURN nos;
END $$;
CREATE TEMP TABLE was AS SELECT p.no FROM registry.project p WHERE p.name LIKE '成批%';
CREATE TEMP TABLE walked AS SELECT u.no, u.n FROM unnest(pg_temp.walk('bureau', NULL)) WITH ORDINALITY u(no, n);
SELECT is((SELECT count(DISTINCT w.no) FROM walked w), (SELECT count(*) FROM walked), 'none comes twice');
SELECT is_empty('SELECT no FROM was EXCEPT SELECT no FROM walked', 'none is left out');
SELECT is_empty('SELECT pg_temp.wrong()', 'right at the end');
SELECT is((SELECT count(*) FROM registry.project p WHERE p.name LIKE '成批新%'), 4::bigint, 'while others came');
-- a cell without projects may still owe an amount: what was added to it lay in another row
INSERT INTO registry.tally_news (n, audience, stage, office, month, dated, counted, merged, amount, tag)
VALUES (1, '{1}', 'zz', 'dongshan', '2026-01', false, true, false, 5, '{}'), (-1, '{1}', 'zz', 'dongshan', '2026-01', false, true, false, 3, '{}');
SELECT registry.tally_fold();
SELECT is((SELECT (t.projects, t.amount)::text FROM registry.project_tally t WHERE t.kind = 'all' AND t.stage = 'zz'), '(0,2)', 'no project, but an amount');
INSERT INTO registry.tally_news (n, audience, stage, office, month, dated, counted, merged, amount, tag)
VALUES (-1, '{1}', 'zz', 'dongshan', '2026-01', false, true, false, 5, '{}'), (1, '{1}', 'zz', 'dongshan', '2026-01', false, true, false, 3, '{}');
SELECT registry.tally_fold();
SELECT is_empty($$ SELECT FROM registry.project_tally t WHERE t.stage = 'zz' $$, 'nothing at all: no row');
SELECT * FROM finish();
