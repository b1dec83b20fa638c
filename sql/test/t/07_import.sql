-- SPDX-License-Identifier: Apache-2.0
-- Imports: staged, judged, committed once; the same file again writes nothing; a sheet overwrites only what it changed.
\i sql/test/helper.psql
SELECT plan(93);
CREATE FUNCTION pg_temp.open(who text, file text, source text DEFAULT '城关表', n int DEFAULT NULL, office text DEFAULT NULL)
RETURNS api.import_reply LANGUAGE sql AS $$
    SELECT api.import_open(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', sha256(file::bytea), 'f.csv', source, 'm', sha256('m'), office, n) $$;
CREATE FUNCTION pg_temp.put(who text, id text, chunk int, rows jsonb) RETURNS api.import_reply LANGUAGE sql AS $$
    SELECT api.import_put(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', id, chunk, rows) $$;
CREATE FUNCTION pg_temp.judge(who text, id text) RETURNS api.import_reply LANGUAGE sql AS $$
    SELECT api.import_judge(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', id) $$;
CREATE FUNCTION pg_temp.commit(who text, id text, keep_going boolean DEFAULT NULL) RETURNS api.import_reply LANGUAGE sql AS $$
    SELECT api.import_commit(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', id, keep_going, NULL) $$;
CREATE FUNCTION pg_temp.counts(r api.import_reply) RETURNS text LANGUAGE sql AS $$
    SELECT format('%s = %s + %s + %s + %s + %s', r.rows, r.added, r.updated, r.unchanged, r.rejected + r.duplicates + r.conflicts, r.skipped) $$;
CREATE FUNCTION pg_temp.verdicts(who text, id text) RETURNS SETOF api.verdict LANGUAGE sql AS $$
    SELECT v.* FROM api.import_verdicts(pg_temp.acc(who), 'en', id, NULL, NULL, NULL) r, unnest(r.rows) v $$;
-- a whole import in one call: rows from 2 on
CREATE FUNCTION pg_temp.import(who text, file text, sets jsonb, source text DEFAULT '城关表', keep_going boolean DEFAULT NULL)
RETURNS api.import_reply LANGUAGE plpgsql AS $$
DECLARE
    i text := (pg_temp.open(who, file, source, jsonb_array_length(sets))).id;
BEGIN
    PERFORM pg_temp.put(who, i, 0, (SELECT jsonb_agg(jsonb_build_object('row', n + 1, 'set', s)) FROM jsonb_array_elements(sets) WITH ORDINALITY x(s, n)));
    RETURN pg_temp.commit(who, i, keep_going);
END $$;

-- staging
SELECT (pg_temp.open('chengguan', '一', '城关表', 5)).id AS i \gset
SELECT is((pg_temp.open('chengguan', '一', '城关表', 5)).id, :'i', 'the same file is the same batch');
SELECT isnt((pg_temp.open('dongshan', '一', '城关表', 5)).id, :'i', 'of another account it is another');
SELECT is((pg_temp.open('dongshan', '一', '城关表', 5, 'chengguan')).error.code, 'PERMISSION_DENIED', 'nobody imports for others');
SELECT is((pg_temp.open('robot', '一', '城关表', 5, '城关镇')).error.code, NULL, 'but the bureau');
SELECT is((pg_temp.open('robot', '一', '城关表', 5, 'chenguan')).error.allowed[1], 'chengguan', 'an office that is none');
SELECT is((pg_temp.open('leader', '一')).error.code, 'PERMISSION_DENIED', 'leaders don''t import');
SELECT is((pg_temp.put('chengguan', :'i', 1, '[{"row":5,"bad":[{"field":"amount_total","column":"总投资","text":"三","message":"不是金额"}]},{"row":6,"skip":"合计行"}]')).next_chunk,
    0, 'chunks may come out of order');
SELECT is((pg_temp.judge('chengguan', :'i')).error.code, 'FAILED_PRECONDITION', 'no judgement before all is there');
SELECT is((pg_temp.put('chengguan', :'i', 0, '[{"row":2,"set":{"name":"入一","external_id":"1","amount_total":100,"stage":"签约"}},{"row":3,"set":{"name":"入二","investor":"甲","contact_name":"密"}},{"row":4,"set":{"name":"入三","industry":"Z9"}}]')).next_chunk,
    2, 'then they join');
SELECT is((pg_temp.put('chengguan', :'i', 0, '[{"row":2,"set":{"name":"另"}}]')).error.code, NULL, 'a chunk again is no harm');
SELECT is((SELECT r.rows #>> '{0,set,name}' FROM registry.import_chunk r WHERE import = :'i' AND chunk = 0), '入一', 'the first one stays');
SELECT is((pg_temp.put('chengguan', :'i', 2, '[{"row":2,"set":{"name":"另"}}]')).error.code, 'INVALID_ARGUMENT', 'a row number comes once');
SELECT is((pg_temp.put('dongshan', :'i', 2, '[]')).error.code, 'NOT_FOUND', 'others don''t see the batch');
-- many chunks, out of order within their window
SELECT (pg_temp.open('chengguan', '许多', '许多表', 999)).id AS m \gset
SELECT is((pg_temp.put('chengguan', :'m', c, format('[{"row":%s},{"row":%s}]', c * 10 + 2, c * 10 + 4)::jsonb)).next_chunk, next, format('chunk %s: %s is next', c, next))
FROM (VALUES (64, 0), (63, 0), (1, 0), (0, 2)) v(c, next);
SELECT is((pg_temp.put('chengguan', :'m', 67, '[{"row":672}]')).error.code, 'FAILED_PRECONDITION', 'too far ahead');
SELECT count(pg_temp.put('chengguan', :'m', c, format('[{"row":%s}]', c * 10 + 2)::jsonb)) FROM generate_series(2, 62) c \g /dev/null
SELECT is((pg_temp.put('chengguan', :'m', c, format('[{"row":%s}]', c * 10 + 2)::jsonb)).next_chunk, next, format('chunk %s: %s is next, behind all those', c, next))
FROM (VALUES (129, 65), (66, 65), (65, 67), (131, 67), (67, 68)) v(c, next);
SELECT is((pg_temp.put('chengguan', :'m', c, format('[{"row":%s}]', "row")::jsonb)).error.code, code, format('row %s as chunk %s', "row", c))
FROM (VALUES (130, 1292, 'INVALID_ARGUMENT'), (130, 1312, 'INVALID_ARGUMENT'), (130, 9999, 'INVALID_ARGUMENT'), (130, 2, 'INVALID_ARGUMENT'), (130, 1300, NULL)) v(c, "row", code);
-- judging
SELECT is(pg_temp.counts(pg_temp.judge('chengguan', :'i')), '5 = 2 + 0 + 0 + 2 + 1', 'counts add up');
SELECT results_eq($$ SELECT "row", verdict, code, field, "column", text FROM pg_temp.verdicts('chengguan', '$$ || :'i' || $$') $$,
    $$ VALUES (2, 'new'::text, NULL::text, NULL::text, NULL::text, NULL::text), (3, 'new', NULL, NULL, NULL, NULL),
        (4, 'rejected', 'INVALID_ARGUMENT', 'industry', NULL, 'Z9'), (5, 'rejected', 'INVALID_ARGUMENT', 'amount_total', '总投资', '三'),
        (6, 'skipped', NULL, NULL, NULL, NULL) $$, 'a verdict for each row');
SELECT is((api.import_verdicts(pg_temp.acc('chengguan'), 'en', :'i', NULL, 2, NULL)).next_row, 3, 'by pages');
SELECT is(cardinality((api.import_verdicts(pg_temp.acc('chengguan'), 'en', :'i', NULL, 9, '{rejected}')).rows), 2, 'or only the rejected');
SELECT is((SELECT count(*)::int FROM registry.project WHERE name LIKE '入_'), 0, 'a preview writes nothing');
SELECT (pg_temp.open('chengguan', '维护', '维护表', 1)).id AS k \gset
SELECT is(x.c, 'INVALID_ARGUMENT|merged_into', 'what the registry keeps itself is refused')
FROM (SELECT pg_temp.put('chengguan', :'k', 0, '[{"row":2,"set":{"name":"入维护","admitted_on":"2026-01-01","merged_into":"2026-0001"}}]'), pg_temp.judge('chengguan', :'k')) done,
    LATERAL (SELECT concat_ws('|', code, field) AS c FROM pg_temp.verdicts('chengguan', :'k')) x;
-- committing
SELECT is((pg_temp.commit('chengguan', :'i')).error.code, 'INVALID_ARGUMENT', 'a rejected row stops all');
SELECT is((SELECT count(*)::int FROM registry.project WHERE name LIKE '入_'), 0, 'nothing was written');
SELECT is(pg_temp.counts(api.import_commit(pg_temp.acc('chengguan'), 'en', 'once', '\x01', :'i', true, '月报')), '5 = 2 + 0 + 0 + 2 + 1', 'the good ones, if wanted');
SELECT row_eq($$ SELECT (x.r).replayed, (x.r).rev IS NOT NULL, (x.r).added FROM (
        SELECT api.import_commit(pg_temp.acc('chengguan'), 'en', 'once', '\x01', '$$ || :'i' || $$', true, '月报') AS r) x $$,
    ROW(true, true, 2), 'exactly once');
SELECT results_eq($$ SELECT c.idx, c.ord, c.version, c.fields ->> '4', e.batch, e.reason FROM registry.change c JOIN registry.entry e USING (grp, ord)
        WHERE e.request = 'once' AND c.kind = 'project' ORDER BY c.idx $$,
    format($$ VALUES (0, 0, 1::bigint, '[null, "入一"]'::text, %1$L::text, '月报'::text), (1, 0, 1, '[null, "入二"]', %1$L, '月报') $$, :'i'),
    'one entry, changes in the order of rows');
SELECT row_eq($$ SELECT source, external_id, stage, office, no IS NOT NULL, find_key <> '', contact_name_mark FROM registry.project WHERE name = '入一' $$,
    ROW('城关表'::text, '1'::text, 'signed'::text, 'chengguan'::text, true, true, 0), 'a row');
SELECT is((api.project_show(pg_temp.acc('chengguan'), 'zh', (SELECT id FROM registry.project WHERE name = '入二'))).project.contact_name, '密', 'its contact');
-- the set-based journal says what the row triggers say
SELECT (pg_temp.add('chengguan', '{"name":"单个","source":"城关表","external_id":"9","amount_total":5,"tags":["链"],"contact_phone":"1","land_mu":"1.0"}')).project.id AS one \gset
SELECT pg_temp.import('chengguan', '批', '[{"name":"单批","external_id":"10","amount_total":5,"tags":["链"],"contact_phone":"1","land_mu":"1.0"}]') AS r \g /dev/null
SELECT is((SELECT fields - '2' - '4' - '7' FROM registry.change WHERE object = (SELECT id FROM registry.project WHERE name = '单批')),
    pg_temp.fields(:'one', 1) - '2' - '4' - '7', 'new rows are journalled alike');
SELECT is((SELECT to_jsonb(p) - 'id' - 'no' - 'name' - 'external_id' - 'name_key' - 'find_key' - 'registered_at' - 'changed_at' FROM registry.project p WHERE name = '单批'),
    (SELECT to_jsonb(p) - 'id' - 'no' - 'name' - 'external_id' - 'name_key' - 'find_key' - 'registered_at' - 'changed_at' FROM registry.project p WHERE name = '单个'),
    'and stored alike');
SELECT is((SELECT find_key FROM registry.project WHERE name = '单批'), '单批||' || (SELECT replace(no, '-', '') FROM registry.project WHERE name = '单批') || '|10', 'search key');
-- the same file again
SELECT is(pg_temp.counts(pg_temp.import('chengguan', '二', '[{"name":"重一","external_id":"a1","amount_total":100,"stage":"talks","contact_name":"密"},{"name":"重二","investor":"乙"}]')),
    '2 = 2 + 0 + 0 + 0 + 0', 'first time');
SELECT last_value AS before FROM registry.rev_seq \gset
SELECT is((pg_temp.open('chengguan', '二', '城关表', 2)).next_chunk, 1, 'again: nothing to upload');
SELECT is(pg_temp.counts(pg_temp.commit('chengguan', (SELECT id FROM registry.import WHERE file_sha256 = sha256('二'::bytea) AND account = pg_temp.acc('chengguan') AND status = 'staging'))),
    '2 = 0 + 0 + 2 + 0 + 0', 'all unchanged');
SELECT is((SELECT last_value FROM registry.rev_seq), :before::bigint, 'nothing written');
-- three ways: somebody edits, the sheet comes again, the sheet changes another field
SELECT (pg_temp.edit('bureau', NULL, (SELECT id FROM registry.project WHERE name = '重一'), '{"amount_total":777,"stage":"signed"}')).error \g /dev/null
SELECT is(pg_temp.counts(pg_temp.import('chengguan', '三', '[{"name":"重一","external_id":"a1","amount_total":100,"stage":"talks","summary":"新"},{"name":"重二","investor":"乙","jobs":3}]')),
    '2 = 0 + 2 + 0 + 0 + 0', 'a changed sheet');
SELECT row_eq($$ SELECT amount_total::bigint, stage, summary, version FROM registry.project WHERE name = '重一' $$,
    ROW(777::bigint, 'signed'::text, '新'::text, 3::bigint), 'overwrites only what it changed itself');
SELECT is((SELECT ARRAY(SELECT c ->> 'field' FROM jsonb_array_elements(r.changes) c) FROM registry.import_verdict r JOIN registry.import i ON i.id = r.import WHERE i.file_sha256 = sha256('三'::bytea) AND row = 2),
    '{summary}', 'and says which');
SELECT is((SELECT (v).code FROM (SELECT pg_temp.verdicts('chengguan', (pg_temp.import('chengguan', '四', '[{"name":"重一","external_id":"a1","amount_total":888}]')).id) AS v) x),
    'CONFLICT', 'both changed the same field: a clash, not a loss');
SELECT is((pg_temp.import('chengguan', '五', '[{"name":"重一","external_id":"a1","amount_total":777}]')).error.code, NULL, 'unless to the same value');
SELECT (pg_temp.edit('bureau', NULL, (SELECT id FROM registry.project WHERE name = '重一'), '{"contact_name":"新密"}')).error \g /dev/null
SELECT is((pg_temp.import('chengguan', '五甲', '[{"name":"重一","external_id":"a1","contact_name":"密"}]')).unchanged, 1, 'contacts too');
SELECT is((SELECT v.code FROM pg_temp.verdicts('chengguan', (pg_temp.import('chengguan', '五乙', '[{"name":"重一","external_id":"a1","contact_name":"又"}]')).id) v), 'CONFLICT', 'and clash');
-- an exported sheet whose id column stayed while the others were sorted
SELECT id AS one_id, no AS one_no FROM registry.project WHERE name = '重一' \gset
SELECT id AS two_id, no AS two_no FROM registry.project WHERE name = '重二' \gset
SELECT is((SELECT string_agg(v.field || ': ' || v.message, '; ' ORDER BY v."row") FROM pg_temp.verdicts('chengguan', (pg_temp.import('chengguan', '错位',
        jsonb_build_array(jsonb_build_object('id', :'one_id', 'no', :'two_no', 'name', '重二'), jsonb_build_object('id', :'two_id', 'no', :'one_no', 'name', '重一')))).id) v),
    format('no: the id is that of the project %1$s, but the row says %2$s; no: the id is that of the project %2$s, but the row says %1$s', :'one_no', :'two_no'),
    'rows whose id and number disagree are refused');
SELECT is(pg_temp.counts(pg_temp.import('chengguan', '同位', jsonb_build_array(jsonb_build_object('id', :'one_id', 'no', :'one_no', 'name', '重一')))),
    '1 = 0 + 0 + 1 + 0 + 0', 'those that agree are not');
SELECT is((SELECT v.message FROM pg_temp.verdicts('chengguan', (pg_temp.import('chengguan', '来日', jsonb_build_array(jsonb_build_object('id', :'two_id', 'version', 99, 'jobs', 9)))).id) v),
    'version 99 does not exist; it is at ' || (SELECT version FROM registry.project WHERE name = '重二'), 'nor was a row made from a version to come');
-- duplicates
SELECT results_eq($$ SELECT v."row", v.verdict, v.code, v.field FROM pg_temp.verdicts('chengguan', (pg_temp.import('chengguan', '六',
        '[{"name":"甲地块","investor":"同","external_id":"d1"},{"name":"甲地块","investor":"同","external_id":"d2"},{"name":"别名","external_id":"d1"},
          {"name":"甲地块","investor":"同"},{"name":"乙"},{"name":"（乙）"}]')).id) v $$,
    $$ VALUES (2, 'new'::text, NULL::text, NULL::text), (3, 'new', NULL, NULL), (4, 'rejected', 'ALREADY_EXISTS', 'external_id'),
        (5, 'rejected', 'ALREADY_EXISTS', 'name'), (6, 'new', NULL, NULL), (7, 'rejected', 'ALREADY_EXISTS', 'name') $$,
    'inside a file: different keys are different rows, a key comes once');
SELECT ok((SELECT message ~ 'row 2' FROM registry.import_verdict r JOIN registry.import i ON i.id = r.import WHERE i.file_sha256 = sha256('六'::bytea) AND row = 4),
    'the rejected one names the first');
SELECT (pg_temp.add('dongshan', '{"name":"东山的","investor":"丙"}')).project.no AS no \gset
SELECT row_eq($$ SELECT v.verdict, v.code, v.message ~ '$$ || :'no' || $$' FROM pg_temp.verdicts('chengguan', (pg_temp.import('chengguan', '七', '[{"name":"东山的","investor":"丙"}]')).id) v $$,
    ROW('duplicate'::text, 'ALREADY_EXISTS'::text, true), 'another office''s lead is a duplicate');
SELECT row_eq($$ SELECT v.verdict, v.code FROM pg_temp.verdicts('chengguan', (pg_temp.import('chengguan', '八', '[{"name":"东山的","investor":"丙","external_id":"z"}]')).id) v $$,
    ROW('duplicate'::text, 'ALREADY_EXISTS'::text), 'with a key too');
SELECT is((pg_temp.import('chengguan', '九', '[{"name":"甲地块","investor":"同","external_id":"d3"}]')).added, 1, 'one more parcel');
SELECT is((SELECT v.code FROM pg_temp.verdicts('chengguan', (pg_temp.import('chengguan', '十', '[{"name":"甲地块","investor":"同","external_id":"d4"},{"name":"甲地块","investor":"同","external_id":"d5"}]')).id) v LIMIT 1),
    NULL, 'two at once');
SELECT is((SELECT v.code FROM pg_temp.verdicts('chengguan', (pg_temp.import('chengguan', '十一', '[{"name":"甲地块","investor":"同"}]')).id) v),
    'ALREADY_EXISTS', 'a name that many have says nothing');
-- rules and rights of rows
SELECT is((SELECT v.code FROM pg_temp.verdicts('chengguan', (pg_temp.import('chengguan', '十二', '[{"name":"给别人","office":"dongshan"}]')).id) v),
    'PERMISSION_DENIED', 'an office of one''s own');
SELECT (pg_temp.import('robot', '十三', '[{"name":"代为","office":"东山镇"}]')).error \g /dev/null
SELECT is((SELECT office FROM registry.project WHERE name = '代为'), 'dongshan', 'the bureau''s machine for any');
SELECT is((SELECT v.code FROM pg_temp.verdicts('chengguan', (pg_temp.import('chengguan', '十四', '[{"name":"重二","investor":"乙","stage":"producing"}]')).id) v),
    'FAILED_PRECONDITION', 'moves obey the rules');
SELECT is((pg_temp.import('chengguan', '十五', '[{"name":"无"},{"investor":"没有名称"}]', '城关表', true)).added, 1, 'keep going');
SELECT is((SELECT v.field FROM pg_temp.verdicts('chengguan', (SELECT id FROM registry.import WHERE file_sha256 = sha256('十五'::bytea))) v WHERE v.verdict = 'rejected'),
    'name', 'a row without a name');
-- by its own number
SELECT no AS no2 FROM registry.project WHERE name = '重二' \gset
SELECT is((pg_temp.import('chengguan', '十六', format('[{"no":"%s","jobs":4}]', :'no2')::jsonb)).updated, 1, 'an export that comes back is known by its number');
SELECT is((SELECT v.code FROM pg_temp.verdicts('chengguan', (pg_temp.import('chengguan', '十七', '[{"no":"1999-0001","jobs":4}]')).id) v), 'NOT_FOUND', 'a number that is none');
-- a batch has an end, whatever it said of itself
SELECT (pg_temp.open('chengguan', '无尽', '无尽表', 1)).id AS i \gset
INSERT INTO registry.import_chunk (import, chunk, rows, first_row, last_row, n) VALUES (:'i', 0, '[]', 1, 199999, 199999);
SELECT is((pg_temp.put('chengguan', :'i', 1, '[{"row":200000},{"row":200001}]')).error.field, 'rows', 'two hundred thousand rows are the most');
SELECT is((pg_temp.put('chengguan', :'i', 1, '[{"row":200000}]')).next_chunk, 2, 'the last of them is taken');
SELECT (pg_temp.open('chengguan', '无头', '无头表', 1)).id AS i \gset
INSERT INTO registry.import_chunk (import, chunk, rows, first_row, last_row, n) VALUES (:'i', 1, '[]', 10, 200008, 199999);
SELECT is((pg_temp.put('chengguan', :'i', 0, '[{"row":1},{"row":2}]')).error.field, 'rows', 'those behind a chunk count too');
-- pruning
SELECT (pg_temp.open('chengguan', '搁置', '搁置表', 1)).id AS i \gset
SELECT pg_temp.put('chengguan', :'i', 0, '[{"row":2,"set":{"name":"搁置"}}]') \g /dev/null
SELECT pg_temp.judge('chengguan', :'i') \g /dev/null
SELECT registry.import_sweep() \g /dev/null
SELECT is((SELECT count(*)::int FROM registry.import_chunk c WHERE c.import = :'i'), 1, 'a preview of today stays');
UPDATE registry.import SET opened_at = opened_at - interval '31 days';
SELECT registry.import_sweep() \g /dev/null
SELECT is((SELECT count(*)::int FROM registry.import_chunk c WHERE c.import = :'i') + (SELECT count(*)::int FROM registry.import_verdict v WHERE v.import = :'i'), 0, 'an old one goes');
SELECT cmp_ok((SELECT count(*)::int FROM registry.import_chunk c JOIN registry.import i ON i.id = c.import WHERE i.status = 'done'), '>', 0, 'not what was written');
SELECT is((pg_temp.open('chengguan', '搁置', '搁置表', 1)).next_chunk, 0, 'the same file begins anew');
SELECT cmp_ok(registry.import_prune('-1 day'), '>', 10::bigint, 'old staging rows go');
SELECT is((api.batch_revert(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', i.id, '导错了')).error.message, registry.say('en', 'batch.pruned', i.id), 'and what was pruned isn''t taken back by halves')
FROM registry.import i WHERE i.office = 'chengguan' AND i.status = 'done' AND i.updated > 0 ORDER BY i.opened_at LIMIT 1;
SELECT is((pg_temp.open('chengguan', '二', '城关表', 2)).next_chunk, 0, 'then a file is uploaded anew');
-- merged into another by a ruling: sheets go on speaking of it
SELECT pg_temp.counts(pg_temp.import('chengguan', '并入一', '[{"name":"并入项目","external_id":"bm-1","amount_total":100},{"name":"并存项目","external_id":"bm-2"}]')) \g /dev/null
UPDATE registry.project SET merged_into = (SELECT p.no FROM registry.project p WHERE p.external_id = 'bm-2'), stage = 'exited' WHERE external_id = 'bm-1';
SELECT pg_temp.import('chengguan', '并入二', '[{"name":"并入项目","external_id":"bm-1","amount_total":200},{"name":"并存项目","external_id":"bm-2","jobs":5}]') AS merged \gset
SELECT is(pg_temp.counts(:'merged'::api.import_reply), '2 = 0 + 1 + 0 + 0 + 1', 'a merged project''s row holds up nothing');
SELECT is((SELECT v.verdict || ': ' || v.message FROM pg_temp.verdicts('chengguan', (:'merged'::api.import_reply).id) v WHERE v.row = 2),
    format('skipped: this project was merged into %1$s; go on with %1$s', (SELECT p.no FROM registry.project p WHERE p.external_id = 'bm-2')), 'and is told so');
SELECT is((SELECT p.amount_total::bigint FROM registry.project p WHERE p.external_id = 'bm-1'), 100::bigint, 'and changes nothing');
-- many investors, each with its own tags by rule: no pair of rows is compared
INSERT INTO registry.enterprise SELECT e.* FROM jsonb_populate_record((SELECT x FROM registry.enterprise x LIMIT 1), '{"id":"etagged","credit_code":null,"version":1,"office":"chengguan","name":"有类企业","name_key":"有类企业","classes":["scale"],"changed_at":"2026-01-01","registered_at":"2026-01-01"}') e;
DROP TABLE IF EXISTS pg_temp.draft;
CREATE TEMPORARY TABLE draft AS SELECT r AS row, NULL::text AS verdict, NULL::jsonb AS diff, NULL::text AS project, NULL::text AS no, NULL::int AS idx, NULL::text[] AS tags, NULL::registry.project AS b,
    jsonb_populate_record((SELECT p FROM registry.project p LIMIT 1), jsonb_build_object('investor', '司' || r)) AS n FROM generate_series(1, 12000) r;
ALTER TABLE draft ADD PRIMARY KEY (row);
ANALYZE draft;
UPDATE draft SET verdict = 'new';
SET statement_timeout = '12s';
SELECT lives_ok('SELECT registry.import_number(0)', 'tags of many investors at a linear price');
RESET statement_timeout;
DROP TABLE draft;
-- rows that come again find their projects; none is held against all that are found
SELECT is((pg_temp.import('chengguan', '再来', (SELECT jsonb_agg(jsonb_build_object('name', '再来' || r, 'investor', '再来公司', 'external_id', 'again-' || r)) FROM generate_series(1, 2000) r))).added, 2000, 'two thousand');
ANALYZE registry.project;
DROP TABLE IF EXISTS pg_temp.draft;
CREATE TEMPORARY TABLE draft AS SELECT r AS row, jsonb_populate_record(NULL::registry.finding, '{}') AS fault, NULL::text AS project, NULL::text AS given, NULL::text AS numbered,
    NULL::text AS source, NULL::text AS external_id, registry.norm('再来' || r % 2000 + 1) AS name_key, registry.norm('再来公司') AS investor_key, '{}'::jsonb AS clean
FROM generate_series(1, 60000) r;
ALTER TABLE draft ADD PRIMARY KEY (row);
ANALYZE draft;
SET statement_timeout = '12s';
SELECT lives_ok($$ SELECT registry.import_find(i, pg_temp.acc('chengguan')) FROM registry.import i LIMIT 1 $$, 'sixty thousand rows find them at a linear price');
RESET statement_timeout;
DROP TABLE draft;
-- records find their like by its key: not by reading all that are there
CREATE FUNCTION pg_temp.firms(n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a CONSTANT int := pg_temp.acc('robot');
    i CONSTANT text := (api.import_open(a, 'en', pg_temp.req(), '\x00', sha256('firms'), 'f.csv', '企业表', 'm', sha256('m'), NULL, n, 'enterprise')).id;
BEGIN
    PERFORM api.import_put(a, 'en', pg_temp.req(), '\x00', i, 0, (SELECT jsonb_agg(jsonb_build_object('row', r + 1, 'values',
        jsonb_build_array(jsonb_build_object('number', 3, 'value', '许多企业' || r)))) FROM generate_series(1, n) r));
    RETURN (SELECT x.added FROM api.import_commit(a, 'en', pg_temp.req(), '\x00', i, NULL, NULL) x);
END $$;
BEGIN;
ANALYZE registry.enterprise; -- a plan of when there was next to nothing
SELECT pg_temp.firms(400) AS made \gset
SELECT idx_tup_fetch AS fetched FROM pg_stat_xact_user_tables WHERE relid = 'registry.enterprise'::regclass \gset
ROLLBACK;
SELECT ok(:made = 400 AND :fetched < 40 * 400, 'records are found by their key');
-- days out of order are told, and a project that a sheet ends leaves its plot
BEGIN;
SELECT (pg_temp.import('bureau', 'days', '[{"name":"表中次序","external_id":"d1","signed_on":"2026-03-10","started_on":"2026-03-09"}]', '次序表')).id AS i \gset
SELECT v.verdict || ' ' || v.message AS told FROM pg_temp.verdicts('bureau', :'i') v \gset
SELECT (pg_temp.import('bureau', 'ahead', '[{"name":"表中将来","external_id":"d2","signed_on":"2099-03"}]', '次序表')).id AS i \gset
SELECT v.verdict || ' ' || v.field AS ahead FROM pg_temp.verdicts('bureau', :'i') v \gset
SELECT (api.plot_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, NULL, '{"park":"jingkai","name":"表-1","class":"land","area_mu":"5","office":"bureau"}', NULL, NULL, NULL)).plot.id AS plot,
    (SELECT p.id FROM registry.project p WHERE p.external_id = 'd1' AND p.source = '次序表') AS p \gset
SELECT (api.plot_assign(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, :'plot', :'p', NULL, NULL, NULL)).error IS NULL AS given \gset
SELECT (pg_temp.import('bureau', 'ends', '[{"name":"表中次序","external_id":"d1","stage":"exited"}]', '次序表')).updated AS ended \gset
SELECT concat_ws(' ', l.state, count(DISTINCT (c.grp, c.ord))) AS left FROM registry.plot l
JOIN registry.change c ON c.object = l.id AND c.version = l.version OR c.object = :'p' AND c.fields ? '50' AND c.version > 1 WHERE l.id = :'plot' GROUP BY l.state \gset
ROLLBACK;
SELECT is(:'told'::text, 'new started on 2026-03-09 is before signed on 2026-03-10: are the days right?', 'a note, not a refusal');
SELECT is(:'ahead'::text, 'rejected signed_on', 'but nothing is signed on a day to come');
SELECT is(:ended, 1, 'a project exits by a sheet');
SELECT is(:'left'::text, 'idle 1', 'its plot lies idle, in the entry of the import');
SELECT * FROM finish();
