-- SPDX-License-Identifier: Apache-2.0
-- Batches: verdicts against the version a sheet was made from, rows of any kind, opening sheets, taking a batch back.
\i sql/test/helper.psql
SELECT plan(175);
CREATE FUNCTION pg_temp.open(who text, file text, kind text DEFAULT NULL, opening boolean DEFAULT NULL, n int DEFAULT NULL) RETURNS api.import_reply LANGUAGE sql AS $$
    SELECT api.import_open(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', sha256(file::bytea), 'f.csv', '批表', 'm', sha256('m'), NULL, n, kind, opening) $$;
-- a batch of rows from 2 on, uploaded
CREATE FUNCTION pg_temp.put(who text, file text, rows jsonb, kind text DEFAULT NULL, opening boolean DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    i text := (pg_temp.open(who, file, kind, opening, jsonb_array_length(rows))).id;
BEGIN
    PERFORM api.import_put(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', i, 0,
        (SELECT jsonb_agg(jsonb_build_object('row', n + 1) || r) FROM jsonb_array_elements(rows) WITH ORDINALITY x(r, n)));
    RETURN i;
END $$;
CREATE FUNCTION pg_temp.judge(who text, i text) RETURNS api.import_reply LANGUAGE sql AS $$
    SELECT api.import_judge(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', i) $$;
CREATE FUNCTION pg_temp.commit(who text, i text, keep_going boolean DEFAULT NULL, reason text DEFAULT NULL) RETURNS api.import_reply LANGUAGE sql AS $$
    SELECT api.import_commit(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', i, keep_going, reason) $$;
CREATE FUNCTION pg_temp.revert(who text, i text, reason text DEFAULT '导错了表') RETURNS api.batch_reply LANGUAGE sql AS $$
    SELECT api.batch_revert(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', i, reason) $$;
CREATE FUNCTION pg_temp.words(r api.import_reply) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((r.error).code || ' ', '') || concat_ws(' ', 'new ' || nullif(r.added, 0), 'update ' || nullif(r.updated, 0), 'unchanged ' || nullif(r.unchanged, 0),
        'duplicate ' || nullif(r.duplicates, 0), 'conflict ' || nullif(r.conflicts, 0), 'rejected ' || nullif(r.rejected, 0), 'skipped ' || nullif(r.skipped, 0)) $$;
CREATE FUNCTION pg_temp.v(who text, i text, r int DEFAULT 2) RETURNS api.verdict LANGUAGE sql AS $$
    SELECT v FROM api.import_verdicts(pg_temp.acc(who), 'en', i, NULL, NULL, NULL) x, unnest(x.rows) v WHERE v."row" = r $$;
-- a record's values as a row carries them
CREATE FUNCTION pg_temp.row(kind text, fields jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('values', jsonb_agg(jsonb_build_object('number', f.number, 'value', w.value)))
    FROM jsonb_each_text(fields) w JOIN registry.field f ON f.kind = row.kind AND f.name = w.key $$;
CREATE FUNCTION pg_temp.rows(kind text, VARIADIC fields jsonb[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(pg_temp.row(kind, u.f) ORDER BY u.n) FROM unnest(fields) WITH ORDINALITY u(f, n) $$;

-- ---------------------------------------------------------------- against the version of the sheet
SELECT (pg_temp.add('chengguan', '{"name":"版本一","investor":"版本公司","amount_total":100,"summary":"旧","tags":["甲"],"contact_phone":"111"}')).project.id AS p \gset
SELECT (pg_temp.edit('bureau', 1, :'p', '{"amount_total":200,"contact_phone":"222"}')).error \g /dev/null
SELECT pg_temp.put('chengguan', '版一', format('[{"version":1,"set":{"id":"%s","name":"版本一","investor":"版本公司","amount_total":100,"summary":"旧","contact_phone":"111"}}]', :'p')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.judge('chengguan', :'i')), 'unchanged 1', 'an unedited sheet changes nothing, whatever others did since');
SELECT pg_temp.put('chengguan', '版二', format('[{"version":1,"set":{"id":"%s","amount_total":100,"summary":"新","contact_phone":"111"}}]', :'p')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.judge('chengguan', :'i')), 'update 1', 'an edited one changes what was edited');
SELECT is((pg_temp.v('chengguan', :'i')).changes::text, '{"(summary,旧,新)"}', 'from what to what');
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'i')), 'update 1', 'and does it');
SELECT row_eq(format($$ SELECT amount_total::bigint, summary FROM registry.project WHERE id = %L $$, :'p'), ROW(200::bigint, '新'::text), 'others'' work stands');
SELECT pg_temp.put('chengguan', '版三', format('[{"version":1,"set":{"id":"%s","amount_total":300,"summary":"旧"}}]', :'p')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'i')), 'INVALID_ARGUMENT conflict 1', 'both changed it: a conflict');
SELECT row_eq(format($$ SELECT c.field, c.base_value, c.theirs, c.yours, c."by", c.at IS NOT NULL FROM unnest((pg_temp.v('chengguan', %L)).clashes) c $$, :'i'),
    ROW('amount_total'::text, '1.00'::text, '2.00'::text, '3.00'::text, 'bureau'::text, true), 'with base, theirs, yours, who and when');
SELECT is((pg_temp.v('chengguan', :'i')).code, 'CONFLICT', 'its code');
SELECT pg_temp.put('chengguan', '版四', format('[{"version":1,"set":{"id":"%s","amount_total":200,"summary":"新"}}]', :'p')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.judge('chengguan', :'i')), 'unchanged 1', 'to the same value: no conflict');
SELECT pg_temp.put('chengguan', '版乙', format('[{"version":1,"set":{"id":"%s","summary":"更新"}}]', :'p')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'i')), 'update 1', 'the same sheet edited again doesn''t clash with itself');
SELECT pg_temp.put('robot', '版丙', format('[{"version":2,"set":{"id":"%s","summary":"机器"}}]', :'p')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.judge('robot', :'i')), 'conflict 1', 'with what others'' sheets said it does');
SELECT pg_temp.put('robot', '版丁', format('[{"version":4,"set":{"id":"%s","summary":"机器"}}]', :'p')::jsonb) AS i \gset
SELECT pg_temp.commit('robot', :'i') \g /dev/null
SELECT pg_temp.put('robot', '版戊', format('[{"version":4,"set":{"id":"%s","summary":"机器二"}}]', :'p')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.judge('robot', :'i')), 'conflict 1', 'and a machine''s sheets are many people''s');
SELECT pg_temp.put('chengguan', '版己', format('[{"version":1,"set":{"id":"%s","summary":"又新"}}]', :'p')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.judge('chengguan', :'i')), 'conflict 1', 'one''s own and then another''s is another''s');
SELECT (pg_temp.edit('bureau', NULL, :'p', '{"summary":"新"}')).error \g /dev/null
SELECT pg_temp.put('chengguan', '版庚', format('[{"set":{"id":"%s","started_on":"2030-01-01"}},{"set":{"name":"版日","investor":"版日公司"}}]', :'p')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.judge('chengguan', :'i')), 'new 1 rejected 1', 'a day that is no day of an edit is none of a sheet');
SELECT pg_temp.put('chengguan', '版五', format('[{"version":99,"set":{"id":"%s","summary":"旧"}}]', :'p')::jsonb) AS i \gset
SELECT is((pg_temp.judge('chengguan', :'i')).rejected, 1, 'a version that is still to come');
SELECT (pg_temp.edit('bureau', NULL, :'p', '{"tags":["甲","乙"]}')).error \g /dev/null
SELECT pg_temp.put('chengguan', '版六', format('[{"version":3,"set":{"id":"%s","tags":["丙","甲"]}}]', :'p')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'i')), 'update 1', 'lists are merged');
SELECT is((SELECT tags FROM registry.project WHERE id = :'p'), '{甲,乙,丙}', 'what both added');
SELECT pg_temp.put('chengguan', '版七', format('[{"version":1,"set":{"id":"%s","contact_phone":"333"}}]', :'p')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.judge('chengguan', :'i')), 'conflict 1', 'contacts clash, too');
SELECT row_eq(format($$ SELECT c.field, c.theirs, c.yours FROM unnest((pg_temp.v('chengguan', %L)).clashes) c $$, :'i'), ROW('contact_phone'::text, NULL::text, NULL::text), 'without their values');

-- the same sheet, corrected back to what it said when it was exported
SELECT (pg_temp.add('chengguan', '{"name":"改回","investor":"改回公司","jobs":10,"tags":["甲"],"contact_phone":"111"}')).project.id AS b \gset
SELECT pg_temp.put('chengguan', '回一', format('[{"version":1,"set":{"id":"%s","jobs":12,"site":"错","tags":["甲","乙"],"contact_phone":"222"}}]', :'b')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'i')), 'update 1', 'a sheet with mistakes');
SELECT pg_temp.put('chengguan', '回二', format('[{"version":1,"clear":["site"],"set":{"id":"%s","jobs":10,"tags":["甲"],"contact_phone":"111"}}]', :'b')::jsonb) AS back \gset
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'back')), 'skipped 1', 'corrected in the sheet it is left: it may be a copy that somebody else filled in');
SELECT matches((pg_temp.v('chengguan', :'back')).message, '^tags is as it was when .*; jobs is as it was when the sheet was exported, but .* changed it .*export the sheet anew', 'and says so');
SELECT row_eq(format($$ SELECT p.jobs::int, p.site::text, p.tags::text, c.phone FROM registry.project p JOIN registry.contact c ON c.project = p.id WHERE p.id = %L $$, :'b'),
    ROW(12, '错'::text, '{甲,乙}'::text, '222'::text), 'nothing of the first is lost');
SELECT pg_temp.put('chengguan', '回三', format('[{"version":1,"set":{"id":"%s","site":"错","jobs":13}}]', :'b')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'i')), 'update 1', 'another value is an edit');
SELECT (pg_temp.add('chengguan', '{"name":"又改回","investor":"改回公司二","jobs":10}')).project.id AS b \gset
SELECT pg_temp.put('chengguan', '回四', format('[{"set":{"id":"%s","jobs":14}}]', :'b')::jsonb) AS i \gset
SELECT pg_temp.commit('chengguan', :'i') \g /dev/null
SELECT is(pg_temp.words(pg_temp.judge('chengguan', pg_temp.put('chengguan', '回五', format('[{"version":1,"set":{"id":"%s","jobs":10}}]', :'b')::jsonb))), 'unchanged 1',
    'of what another sheet of one''s own said the first says nothing');
SELECT pg_temp.put('chengguan', '回六', format('[{"version":1,"set":{"id":"%s","jobs":15,"site":"二"}}]', :'b')::jsonb) AS i \gset
SELECT pg_temp.commit('chengguan', :'i') \g /dev/null
SELECT (pg_temp.edit('bureau', NULL, :'b', '{"jobs":20}')).error \g /dev/null
SELECT pg_temp.put('chengguan', '回七', format('[{"version":1,"set":{"id":"%s","jobs":10}}]', :'b')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'i')), 'skipped 1', 'what another has changed since is left');
SELECT is((pg_temp.v('chengguan', :'i')).message, format('jobs is as it was when the sheet was exported, but %s changed it in the registry on %s: it is left; to set it back export the sheet anew and change that',
    registry.code_label('en', 'account', 'bureau'), registry.today()), 'and that is told');
SELECT pg_temp.put('robot', '回八', format('[{"version":4,"set":{"id":"%s","jobs":21}}]', :'b')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.commit('robot', :'i')), 'update 1', 'a machine''s sheet');
SELECT is(pg_temp.words(pg_temp.judge('robot', pg_temp.put('robot', '回九', format('[{"version":4,"set":{"id":"%s","jobs":20}}]', :'b')::jsonb))), 'skipped 1', 'is many people''s: nothing is set back');
SELECT (api.activity_set(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'b', 'class', 'talk', 'held_on', '2026-01-05', 'result', '对'), NULL, NULL, NULL)).activity.id AS a \gset
CREATE FUNCTION pg_temp.told(a text, result text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    i text := pg_temp.put('chengguan', '访' || random(), jsonb_build_array(pg_temp.row('activity', jsonb_build_object('id', a, 'result', result)) || '{"version":1}'), 'activity');
BEGIN
    RETURN concat_ws(': ', pg_temp.words(pg_temp.commit('chengguan', i)), (pg_temp.v('chengguan', i)).message);
END $$;
SELECT is(pg_temp.told(:'a', '错'), 'update 1', 'of records, too: a mistake');
SELECT matches(pg_temp.told(:'a', '对'), '^skipped 1: result is as it was when', 'corrected it is left');
SELECT is((SELECT result FROM registry.activity WHERE id = :'a'), '错', 'as it stands');
SELECT is(pg_temp.told(:'a', '再错'), 'update 1', 'a mistake again');
SELECT (api.activity_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, :'a', '{"result":"局里"}', NULL, '改', NULL)).error \g /dev/null
SELECT matches(pg_temp.told(:'a', '对'), '^skipped 1: result is as it was when', 'left where another has been at it');

SELECT (pg_temp.add('chengguan', '{"name":"走阶段","investor":"阶段公司","stage":"talks"}')).project.id AS sp \gset
SELECT pg_temp.put('robot', '阶一', format('[{"set":{"id":"%s","stage":"signed"}},{"set":{"name":"来时已签","investor":"阶段二公司","stage":"signed"}}]', :'sp')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.commit('robot', :'i')), 'new 1 update 1', 'the bureau''s sheet brings projects to stages');
SELECT results_eq($$ SELECT p.name, s.state FROM registry.project p LEFT JOIN registry.step s ON s.project = p.id WHERE p.name IN ('走阶段', '来时已签') ORDER BY 1 $$,
    $$ VALUES ('来时已签'::text, NULL::text), ('走阶段', 'pending') $$, 'one that stood waits for its approval, as after an edit; a new one came so');
SELECT (pg_temp.edit('chengguan', NULL, :'sp', '{"stage":"suspended"}')).error \g /dev/null
SELECT pg_temp.put('robot', '阶二', format('[{"version":3,"set":{"id":"%s","stage":"producing"}}]', :'sp')::jsonb) AS i \gset
SELECT pg_temp.judge('robot', :'i') \g /dev/null
SELECT is((pg_temp.v('robot', :'i')).code, 'FAILED_PRECONDITION', 'and goes no way that an edit can''t go');

-- ---------------------------------------------------------------- words
SELECT (pg_temp.add('dongshan', '{"name":"疑似项目甲地块厂房建设","investor":"疑似公司"}')).project.no AS no \gset
SELECT pg_temp.put('chengguan', '词一', '[{"set":{"name":"疑似项目甲地块厂房建设","investor":"疑似公司"}},{"set":{"name":"疑似项目甲地块厂房的建设","investor":"疑似公司"}},
    {"set":{"name":"词语重复"}},{"set":{"name":"词语 重复"}},{"skip":"小计"},{"bad":[{"field":"amount_total","column":"总投资","text":"约3","message":"x"}]}]') AS i \gset
SELECT is(pg_temp.words(pg_temp.judge('chengguan', :'i')), 'new 1 duplicate 2 rejected 2 skipped 1', 'a word for each row');
SELECT row_eq(format($$ SELECT v.verdict, v.rule, v.other_no, v.other_office, v.other_on = registry.today()::text, v.project FROM pg_temp.v('chengguan', %L) v $$, :'i'),
    ROW('duplicate'::text, 'same_name'::text, :'no'::text, 'dongshan'::text, true, NULL::text), 'a duplicate: rule, number, office, day');
SELECT is((pg_temp.v('chengguan', :'i', 3)).rule, 'like_name', 'by its likeness');
SELECT matches((pg_temp.v('chengguan', :'i', 4)).message, 'row 5', 'the first of two knows of the second');
SELECT matches((pg_temp.v('chengguan', :'i', 5)).message, 'row 4', 'and the second of the first');
SELECT is((pg_temp.commit('chengguan', :'i')).error.code, 'INVALID_ARGUMENT', 'duplicates stop a commit');
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'i', true)), 'new 1 duplicate 2 rejected 2 skipped 1', 'unless it keeps going');

-- ---------------------------------------------------------------- the batch
SELECT row_eq(format($$ SELECT b.kind, b.status, b.account, b.added, b.file_name, b.wrote_rev IS NOT NULL FROM (SELECT (api.batch_show(pg_temp.acc('chengguan'), 'en', %L)).batch AS b) x, LATERAL (SELECT (x.b).*) b $$, :'i'),
    ROW('project'::text, 'done'::text, 'chengguan'::text, 1, 'f.csv'::text, true), 'what it was');
SELECT is((api.batch_show(pg_temp.acc('dongshan'), 'en', :'i')).error.code, 'NOT_FOUND', 'others don''t see it');
SELECT is((api.batch_list(pg_temp.acc('chengguan'), 'en', NULL, NULL, NULL, NULL, 1)).rows[1].id, :'i', 'the newest first');
SELECT isnt((api.batch_list(pg_temp.acc('chengguan'), 'en', NULL, NULL, NULL, :'i', 1)).rows[1].id, :'i', 'then the next');
SELECT is((SELECT coalesce(bool_and(b.office = 'dongshan'), true) FROM unnest((api.batch_list(pg_temp.acc('dongshan'), 'en', NULL, NULL, NULL, NULL, NULL)).rows) b), true, 'own ones');
SELECT cmp_ok(cardinality((api.batch_list(pg_temp.acc('robot'), 'en', 'project', '城关镇', 'done', NULL, NULL)).rows), '>=', 2, 'the bureau sees all');
SELECT is((api.batch_list(pg_temp.acc('leader'), 'en', NULL, NULL, NULL, NULL, NULL)).error.code, 'PERMISSION_DENIED', 'leaders don''t import');
SELECT isnt((pg_temp.open('chengguan', '词一', n => 6)).id, :'i', 'the file again is another batch');
SELECT is((pg_temp.open('chengguan', '词一', n => 6)).next_chunk, 1, 'that needs no upload');
SELECT is((api.import_open(pg_temp.acc('chengguan'), 'en', r.request, '\x00', sha256('词一'::bytea), 'f.csv', '批表', 'm', sha256('m'), NULL, 6)).id, :'i', 'but under the same request id')
FROM registry.import r WHERE r.id = :'i';
SELECT is((pg_temp.commit('chengguan', :'i')).added, 1, 'what is done is said again');
SELECT is((pg_temp.judge('chengguan', :'i')).status, 'done', 'and not judged anew');

-- ---------------------------------------------------------------- kinds
SELECT is((pg_temp.open('chengguan', '类', 'case')).error.code, 'INVALID_ARGUMENT', 'cases are not kept in sheets');
-- matters: told apart by what, whose and until when
CREATE FUNCTION pg_temp.matters(VARIADIC fields jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.put('bureau', random()::text, (SELECT pg_temp.rows('matter', VARIADIC array_agg('{"office":"城关镇","class":"督办","subject":"月度调度"}' || f)) FROM unnest(fields) f), 'matter') $$;
SELECT pg_temp.matters(format('{"project":"%s","subject":"项目调度","due_on":"2099-05-07","helpers":"东山镇"}', :'p')::jsonb, '{"due_on":"2099-05-07"}', '{"due_on":"2099-06-07"}', '{"subject":"按规则"}', '{"due_on":"1999-05-07"}') AS i \gset
SELECT is(pg_temp.words(pg_temp.commit('bureau', :'i', true)), 'new 4 rejected 1', 'matters are issued');
SELECT results_eq($$ SELECT m.state, m.issuer, m.due_on > '2026', m.helpers::text FROM registry.matter m WHERE m.subject IN ('月度调度', '项目调度', '按规则') ORDER BY m.project IS NULL, m.due_on $$,
    $$ VALUES ('issued'::text, 'bureau'::text, true, '{dongshan}'::text), ('issued', 'bureau', true, NULL), ('issued', 'bureau', true, NULL), ('issued', 'bureau', true, NULL) $$, 'as one by one');
SELECT is(pg_temp.words(pg_temp.judge('bureau', pg_temp.matters(format('{"project":"%s","subject":"项目调度","due_on":"2099-05-07","helpers":"东山镇"}', :'p')::jsonb, '{"due_on":"2099-05-07","demand":"补"}', '{"due_on":"2099-07-07"}', '{"subject":"按规则"}'))),
    'new 1 update 1 unchanged 2', 'and found again');
SELECT is((pg_temp.revert('bureau', :'i')).batch.status, 'reverted', 'taken back they are withdrawn');
SELECT results_eq($$ SELECT DISTINCT m.state, m.reason FROM registry.matter m WHERE m.subject IN ('月度调度', '项目调度', '按规则') $$, $$ VALUES ('withdrawn'::text, '导错了表'::text) $$, 'for the reason');
SELECT pg_temp.put('bureau', '会', pg_temp.rows('meeting', '{"class":"dispatch","held_on":"2098-05-07"}', '{"class":"dispatch","held_on":"2098-05-14","name":"二"}'), 'meeting') AS i \gset
SELECT is(pg_temp.words(pg_temp.commit('bureau', :'i')), 'new 2', 'meetings are planned');
SELECT is((pg_temp.revert('bureau', :'i')).batch.status, 'reverted', 'and given up');
SELECT pg_temp.put('chengguan', '到一', pg_temp.rows('arrival', format('{"project":"%s","amount_arrived":"12.50","arrived_on":"2026-01-05","class":"fixed","origin":"own","voucher":"V1"}', :'p')::jsonb,
    '{"project":"版本一","amount_arrived":"13.00","arrived_on":"2026-01-06","class":"fixed","origin":"own","voucher":"V2"}',
    '{"project":"没有的项目","amount_arrived":"13.00","arrived_on":"2026-01-06","class":"fixed","origin":"own","voucher":"V3"}',
    '{"project":"版本一","amount_arrived":"五","arrived_on":"2026-01-06","class":"fixed","origin":"own","voucher":"V4"}',
    '{"project":"版本一","amount_arrived":"13.00","arrived_on":"2026-01-06","class":"fixed","origin":"own","voucher":"V2"}'), 'arrival') AS i \gset
SELECT is(pg_temp.words(pg_temp.judge('chengguan', :'i')), 'new 2 rejected 3', 'arrivals: new and wrong ones');
SELECT is((pg_temp.v('chengguan', :'i', 4)).code, 'NOT_FOUND', 'a project that is none');
SELECT row_eq(format($$ SELECT v.field, v.text FROM pg_temp.v('chengguan', %L, 5) v $$, :'i'), ROW('amount_arrived'::text, '五'::text), 'an amount that is none');
SELECT matches((pg_temp.v('chengguan', :'i', 6)).message, 'row 3', 'a key that came already');
SELECT matches((pg_temp.v('chengguan', :'i', 3)).message, 'row 6', 'both know');
SELECT is((pg_temp.commit('chengguan', :'i')).error.code, 'INVALID_ARGUMENT', 'all or nothing');
SELECT is((SELECT count(*)::int FROM registry.arrival WHERE project = :'p'), 0, 'nothing');
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'i', true)), 'new 2 rejected 3', 'the good ones');
SELECT row_eq(format($$ SELECT count(*)::int, count(DISTINCT (c.grp, c.ord))::int, bool_and(e.batch = %L) FROM registry.arrival a
    JOIN registry.change c ON c.object = a.id JOIN registry.entry e USING (grp, ord) WHERE a.project = %L $$, :'i', :'p'), ROW(2, 1, true), 'one entry');
SELECT is((SELECT office FROM registry.arrival WHERE voucher = 'V1'), 'chengguan', 'of the office that imports');
SELECT pg_temp.put('chengguan', '到二', pg_temp.rows('arrival', format('{"project":"%s","amount_arrived":"12.50","arrived_on":"2026-01-05","class":"fixed","origin":"own","voucher":"V1"}', :'p')::jsonb,
    '{"project":"版本一","amount_arrived":"14.00","arrived_on":"2026-01-06","class":"fixed","origin":"own","voucher":"V2"}'), 'arrival') AS i2 \gset
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'i2')), 'update 1 unchanged 1', 'found again by project and voucher');
SELECT is((pg_temp.v('chengguan', :'i2', 3)).changes::text, '{"(amount_arrived,13.00,14.00)"}', 'from what to what');
SELECT is((pg_temp.v('chengguan', :'i2', 3)).object, (SELECT id FROM registry.arrival WHERE voucher = 'V2'), 'of which');
SELECT pg_temp.put('dongshan', '到三', pg_temp.rows('arrival', '{"project":"版本一","amount_arrived":"99.00","arrived_on":"2026-01-06","class":"fixed","origin":"own","voucher":"V2"}'), 'arrival') AS i3 \gset
SELECT pg_temp.judge('dongshan', :'i3') \g /dev/null
SELECT is((pg_temp.v('dongshan', :'i3')).code, 'PERMISSION_DENIED', 'rights are those of an edit');
SELECT id AS a FROM registry.arrival WHERE voucher = 'V2' \gset
SELECT (api.arrival_set(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', NULL, :'a', '{"payer":"付款人"}', NULL, NULL, NULL)).error \g /dev/null
SELECT (api.arrival_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, :'a', '{"amount_arrived":1500}', NULL, NULL, NULL)).error \g /dev/null
SELECT pg_temp.put('chengguan', '到四', jsonb_build_array(pg_temp.row('arrival', format('{"id":"%s","amount_arrived":"14.00","payer":"另人"}', :'a')::jsonb) || '{"version":2}')::jsonb, 'arrival') AS i4 \gset
SELECT is(pg_temp.words(pg_temp.judge('chengguan', :'i4')), 'conflict 1', 'versions of records, too');
SELECT is((SELECT string_agg(c.field, ' ') FROM unnest((pg_temp.v('chengguan', :'i4')).clashes) c), 'payer', 'only what both changed');
SELECT pg_temp.put('chengguan', '到五', jsonb_build_array(pg_temp.row('arrival', format('{"id":"%s","amount_arrived":"14.00","note":"注"}', :'a')::jsonb) || '{"version":2}')::jsonb, 'arrival') AS i5 \gset
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'i5')), 'update 1', 'else it merges');
SELECT row_eq(format($$ SELECT amount_arrived::bigint, note FROM registry.arrival WHERE id = %L $$, :'a'), ROW(1500::bigint, '注'::text), 'field by field');
SELECT pg_temp.put('chengguan', '企一', pg_temp.rows('enterprise', '{"name":"批量企业甲"}', '{"name":"批量企业乙","credit_code":"91341700MA8B00028L"}'), 'enterprise') AS e1 \gset
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'e1')), 'new 2', 'enterprises');
SELECT pg_temp.put('chengguan', '企二', pg_temp.rows('enterprise', '{"name":"批量企业甲","region":"31","credit_code":"91341700MA8B0001XL"}', '{"name":"企业乙更名","credit_code":"91341700MA8B00028L"}'), 'enterprise') AS e2 \gset
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'e2')), 'update 2', 'by code, else by name if that has none');
SELECT pg_temp.put('chengguan', '活一', pg_temp.rows('activity', '{"project":"版本一","class":"visit","held_on":"2026-01-05","result":"谈"}', '{"project":"版本一","class":"talk","held_on":"2030-01-05"}'), 'activity') AS v1 \gset
SELECT is(pg_temp.words(pg_temp.judge('chengguan', :'v1')), 'new 1 rejected 1', 'rules are those of an edit');
SELECT pg_temp.put('chengguan', '活二', pg_temp.rows('activity', '{"project":"版本一","class":"visit","held_on":"2026-01-07"}') || '{"bad":[{"field":"held_on","column":"日期","text":"约1月","message":"x"}]}', 'activity') AS v2 \gset
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'v2')), 'INVALID_ARGUMENT new 1 rejected 1', 'a row that could not be read stops all');
SELECT is((SELECT count(*)::int FROM registry.activity WHERE held_on = '2026-01-07'), 0, 'nothing was written');
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'v2', true)), 'new 1 rejected 1', 'the good ones, if wanted');
SELECT isnt((SELECT grp FROM registry.change c JOIN registry.entry e USING (grp, ord) WHERE c.object = (pg_temp.v('chengguan', :'v2')).object), NULL, 'under the entry of the batch');
SELECT (pg_temp.add('chengguan', '{"name":"版 本一","investor":"别家"}')).error \g /dev/null
SELECT pg_temp.judge('chengguan', :'v1') \g /dev/null
SELECT is((pg_temp.v('chengguan', :'v1')).field, 'project', 'a name that two have says nothing');

-- ---------------------------------------------------------------- taking back
SELECT is((pg_temp.revert('chengguan', :'i5', '')).error.field, 'reason', 'not without a reason');
SELECT is((pg_temp.revert('dongshan', :'i5')).error.code, 'NOT_FOUND', 'nor by others');
SELECT is((pg_temp.revert('chengguan', :'i2')).error.code, 'FAILED_PRECONDITION', 'nor when it was changed since');
SELECT row_eq(format($$ SELECT f.theirs, f."by" FROM unnest((pg_temp.revert('chengguan', %L)).error.fields) f $$, :'i2'), ROW(:'a'::text, 'chengguan'::text), 'which, by whom');
SELECT is((pg_temp.revert('chengguan', :'i5')).batch.status, 'reverted', 'else it is');
SELECT is((SELECT note FROM registry.arrival WHERE id = :'a'), NULL, 'what was updated is as before');
SELECT is((pg_temp.revert('chengguan', :'i5')).error.code, 'FAILED_PRECONDITION', 'once');
SELECT format('[{"set":{"name":"撤项目","investor":"撤公司","external_id":"x1","contact_name":"密"}},{"version":%s,"set":{"id":"%s","stage":"intent","summary":"撤","contact_phone":"444"}}]',
    version, id) AS rows FROM registry.project WHERE id = :'p' \gset
SELECT pg_temp.put('chengguan', '撤一', :'rows') AS r1 \gset
SELECT is(pg_temp.words(pg_temp.commit('chengguan', :'r1')), 'new 1 update 1', 'a batch');
SELECT (pg_temp.revert('chengguan', :'r1')).error \g /dev/null
SELECT row_eq(format($$ SELECT p.stage, p.summary, c.phone FROM registry.project p JOIN registry.contact c ON c.project = p.id WHERE p.id = %L $$, :'p'),
    ROW('lead'::text, '新'::text, '222'::text), 'taken back: former values');
SELECT is((SELECT count(*)::int FROM registry.stage_standing(:'p') e WHERE e.stage = 'intent'), 0, 'a stage that it said was a mistake');
SELECT is((SELECT count(*)::int FROM pg_temp.told((api.project_list(p_account => pg_temp.acc('bureau'), p_lang => 'en', terms => '[{"field":"name","op":"=","values":["撤项目"]}]', search => NULL, sort => NULL, after => NULL, "limit" => NULL, export => NULL)).rows)), 0, 'new ones are in no list');
SELECT is(pg_temp.words(pg_temp.commit('chengguan', pg_temp.put('chengguan', '撤一', :'rows'))),
    'new 1 update 1', 'and in nobody''s way');
SELECT matches((pg_temp.revert('chengguan', :'e1')).error.message, 'row 2 .* was changed by .*row 3', 'which rows were changed since');
SELECT is((pg_temp.revert('chengguan', :'e2')).batch.status, 'reverted', 'the later batch first');
SELECT results_eq($$ SELECT name, region FROM registry.enterprise WHERE name ~ '企业乙更名|批量企业' ORDER BY name $$, $$ VALUES ('批量企业乙'::text, NULL::text), ('批量企业甲', NULL) $$, 'values as before');
SELECT is((pg_temp.revert('chengguan', :'e1')).batch.status, 'reverted', 'then the one before: what was taken back is no change');

-- ---------------------------------------------------------------- records that know of no withdrawal leave
CREATE FUNCTION pg_temp.round(who text, kind text, fields jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    i text := pg_temp.put(who, 'rund ' || kind, pg_temp.rows(kind, fields), kind);
    said text[] := ARRAY[pg_temp.words(pg_temp.commit(who, i))];
    made text := (pg_temp.v(who, i)).object;
    r api.batch_reply := pg_temp.revert(who, i);
    left_over int;
BEGIN
    EXECUTE format('SELECT count(*) FROM registry.%I WHERE id = %L', kind, made) INTO left_over;
    said := said || coalesce((r.error).message, (r.batch).status) || left_over::text;
    said := said || (SELECT concat_ws(' ', registry.event_type(c.kind, c.version, c.fields), c.version, c.audience, c.audience_old, e.batch = i, c.fields -> '1')
                     FROM registry.change c JOIN registry.entry e USING (grp, ord) WHERE c.object = made ORDER BY c.version DESC LIMIT 1);
    said := said || registry.audience_of(made)::text;
    RETURN coalesce((pg_temp.v(who, i)).message || ' ', '') || replace(array_to_string(said || pg_temp.words(pg_temp.commit(who, pg_temp.put(who, 'rund ' || kind, pg_temp.rows(kind, fields), kind))), '; '), coalesce(made, '-'), 'ID');
END $$;
SELECT (pg_temp.add('chengguan', '{"name":"来回项目","investor":"来回公司"}')).project.id AS q \gset
SELECT is(pg_temp.round(v.who, v.kind, v.fields),
    format('new 1; reverted; 0; %s.withdrawn 2 {0} {1} t ["ID", null]; {0}; new 1', v.kind), v.kind || ': made, taken back, made again')
FROM (VALUES ('chengguan', 'activity', '{"project":"来回项目","class":"visit","held_on":"2026-01-05","result":"谈"}'::jsonb),
    ('chengguan', 'enterprise', '{"name":"来回企业","credit_code":"91341700MA8B00300T"}'), ('chengguan', 'milestone', '{"project":"来回项目","class":"filing","name":"立项","planned_on":"2026-03","office":"chengguan"}'),
    ('chengguan', 'stagedate', '{"project":"来回项目","stage":"lead","dated_on":"2026-01","basis":"文"}'), ('chengguan', 'land', '{"project":"来回项目","area_mu":"12","place":"东区","state":"planned"}'),
    ('bureau', 'park', '{"no":"xinqu","name":"新区","class":"industry","office":"bureau"}'), ('bureau', 'plot', '{"park":"xinqu","name":"A-1","class":"land","area_mu":"30","office":"bureau"}'),
    ('bureau', 'valuechain', '{"name":"来回链","office":"bureau"}'), ('bureau', 'node', '{"chain":"来回链","name":"来回料","part":"upstream","rank":"1"}'),
    ('chengguan', 'station', '{"name":"驻沪","region":"31","staff":"王","from_on":"2026-01"}')) v(who, kind, fields);
SELECT row_eq(format($$ SELECT talked_on::text, active_on::text FROM registry.pace WHERE project = %L $$, :'q'), ROW('2026-01-05'::text, '2026-01-05'::text), 'the last talk is the one that stands');
SELECT id AS b FROM registry.import WHERE kind = 'activity' AND status = 'done' ORDER BY opened_at DESC LIMIT 1 \gset
SELECT (pg_temp.revert('chengguan', :'b')).error \g /dev/null
SELECT row_eq(format($$ SELECT talked_on::text, active_on::text FROM registry.pace WHERE project = %L $$, :'q'), ROW(NULL::text, registry.today()::text), 'without one: since it was registered');
SELECT is((api.activity_show(pg_temp.acc('chengguan'), 'en', (pg_temp.v('chengguan', :'b')).object)).error.code, 'NOT_FOUND', 'what left is not there');
-- a reader who was away for long asks what changed: each object, as there are so many
CREATE FUNCTION pg_temp.changed(who text) RETURNS TABLE (kind text, id text, version bigint, vals api.field_value[]) LANGUAGE plpgsql AS $$
DECLARE
    grants int[] := registry.grants(pg_temp.acc(who));
BEGIN
    RETURN QUERY EXECUTE registry.snapshot_changed_sql('[]', false, true, false) USING '', '{}'::text[], 100000, 0::bigint, '{}'::text[], 'z', grants, grants, true;
END $$;
SELECT set_has($$ SELECT x.id FROM pg_temp.changed('dongshan') x WHERE x.version IS NULL $$, $$ SELECT c.object FROM registry.change c WHERE c.audience = '{0}' $$,
    'and is told of what left');
SELECT pg_temp.put('bureau', '节点', pg_temp.rows('node', '{"chain":"来回链","name":"来回甲","part":"upstream","rank":"1"}', '{"chain":"来回链","name":"来回乙","part":"upstream","rank":"2","parent":"来回甲"}',
    '{"chain":"来回链","name":"来回丙","part":"upstream","rank":"3","parent":"来回乙"}'), 'node') AS b \gset
SELECT is(pg_temp.words(pg_temp.commit('bureau', :'b')), 'new 3', 'nodes below nodes');
SELECT (pg_temp.edit('chengguan', NULL, :'q', '{"node":"来回乙"}')).error \g /dev/null
SELECT matches((pg_temp.revert('bureau', :'b')).error.message, 'row 3 nk.* is spoken of by what .* \(project\)', 'not while a project hangs on one');
SELECT (pg_temp.edit('chengguan', NULL, :'q', '{}', '{node}')).error \g /dev/null
SELECT is((pg_temp.revert('bureau', :'b')).batch.status, 'reverted', 'what rests on another goes first');
SELECT throws_ok($$ DELETE FROM registry.land $$, '42501', NULL, 'nothing else makes a record leave');
SELECT id AS b FROM registry.import WHERE kind = 'park' AND status = 'done' ORDER BY opened_at DESC LIMIT 1 \gset
SELECT matches((pg_temp.revert('bureau', :'b')).error.message, 'row 2 pk\S+ is spoken of by what .* wrote on .* \(plot\)', 'not while something lies in it');
SELECT is((pg_temp.revert('bureau', id)).batch.status, 'reverted', 'that is taken back') FROM registry.import WHERE kind = 'plot' AND status = 'done' ORDER BY opened_at DESC LIMIT 1;
SELECT is((pg_temp.revert('bureau', :'b')).batch.status, 'reverted', 'then the park');
SELECT is(registry.resolve('park', 'xinqu'), NULL, 'nobody can name it any more');
SELECT isnt(registry.resolve('park', 'jingkai'), NULL, 'one that stood before stays');
SELECT (api.recognition_set(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', NULL, NULL, '{"enterprise":"来回企业","class":"gazelle","year":2025,"source":"名单"}', NULL, NULL, NULL)).error \g /dev/null
SELECT id AS b FROM registry.import WHERE kind = 'enterprise' AND status = 'done' ORDER BY opened_at DESC LIMIT 1 \gset
SELECT row_eq(format($$ SELECT (x.e).code, (x.e).message ~ 'row 2 .*changed by.*row 2 .*spoken of by.*recognition', array_length((x.e).fields, 1) FROM (SELECT (pg_temp.revert('chengguan', %L)).error AS e) x $$, :'b'),
    ROW('FAILED_PRECONDITION'::text, true, 2), 'both are told: changed by the recognition, and spoken of');
SELECT pg_temp.put('chengguan', '引一', '[{"set":{"name":"被引项目","investor":"被引公司"}}]') AS r2 \gset
SELECT (pg_temp.commit('chengguan', :'r2')).error \g /dev/null
SELECT (pg_temp.add('dongshan', '{"name":"密引项目","restricted":true}')).project.id AS h \gset
SELECT id AS target, no AS target_no FROM registry.project WHERE name = '被引项目' \gset
SELECT (api.link_set(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'h', 'origin', :'target', 'class', 'introduced'), NULL, NULL, NULL)).error \g /dev/null
SELECT row_eq(format($$ SELECT (x.e).message, (x.e).fields::text FROM (SELECT (pg_temp.revert('chengguan', %L)).error AS e) x $$, :'r2'),
    ROW(format('it was changed or referred to since, so nothing of the batch is taken back: row 2 %s is spoken of by something that you may not see (link)', :'target_no')::text,
        '{"(link,,,2,,)"}'::text), 'of a hidden project: that there is something');
SELECT is((SELECT audience::text FROM registry.project WHERE id = :'target'), '{1}', 'nothing of it is taken back');
SELECT is((pg_temp.revert('chengguan', pg_temp.put('chengguan', '空', '[{"set":{"name":"词语重复"}}]'))).error.code, 'FAILED_PRECONDITION', 'what wrote nothing has nothing to give back');

-- ---------------------------------------------------------------- opening sheets
DELETE FROM registry.setting WHERE key = 'county.live_on';
SELECT is((pg_temp.open('chengguan', '期', 'arrival', true)).error.code, 'PERMISSION_DENIED', 'the bureau''s');
SELECT is((pg_temp.open('bureau', '期', 'activity', true)).error.code, 'INVALID_ARGUMENT', 'of what knows of it');
SELECT pg_temp.put('bureau', '期一', '[{"set":{"name":"批期初项目","office":"chengguan","stage":"started","signed_on":"2024-03","started_on":"2024-09-01"}},{"set":{"name":"期初错","stage":"started","signed_on":"2024-10","started_on":"2024-09-01"}}]', NULL, true) AS o1 \gset
SELECT is(pg_temp.words(pg_temp.commit('bureau', :'o1', true)), 'new 1 rejected 1', 'stages with their true days, in order');
SELECT results_eq($$ SELECT e.stage, e.happened_on::text, e.opening FROM registry.stage_event e JOIN registry.project p ON p.id = e.project WHERE p.name = '批期初项目' AND e.opening ORDER BY e.happened_on $$,
    $$ VALUES ('signed'::text, '2024-03'::text, true), ('started', '2024-09-01', true) $$, 'marked');
SELECT is(pg_temp.words(pg_temp.commit('bureau', pg_temp.put('bureau', '期二', pg_temp.rows('arrival', '{"project":"批期初项目","amount_arrived":"88.00","arrived_on":"2024-05-06","class":"fixed","origin":"own","voucher":"O1"}'), 'arrival', true))), 'new 1', 'arrivals of before');
SELECT row_eq($$ SELECT state, counted_on::text, opening FROM registry.arrival WHERE voucher = 'O1' $$, ROW('approved'::text, '2024-05-06'::text, true), 'count from their days');
SELECT is(pg_temp.words(pg_temp.commit('bureau', pg_temp.put('bureau', '期三', pg_temp.rows('step', '{"project":"批期初项目","stage":"在谈","reached_on":"2023-05"}', '{"project":"批期初项目","stage":"signed","reached_on":"2024-03"}'), 'step', true))), 'new 1 unchanged 1', 'stages by themselves');
SELECT is((pg_temp.revert('robot', :'o1')).error.code, 'FAILED_PRECONDITION', 'not while others hang on it');
SELECT id AS o2 FROM registry.import WHERE kind = 'arrival' AND opening \gset
SELECT id AS o3 FROM registry.import WHERE kind = 'step' AND opening \gset
SELECT is((pg_temp.revert('robot', :'o2')).error.code, 'PERMISSION_DENIED', 'the bureau''s, too');
SELECT is((pg_temp.revert('bureau', :'o2')).batch.status, 'reverted', 'arrivals of before are taken back');
SELECT row_eq($$ SELECT state, counted_on::text FROM registry.arrival WHERE voucher = 'O1' $$, ROW('withdrawn'::text, NULL::text), 'and count no more');
SELECT pg_temp.put('bureau', '期四', '[{"set":{"name":"批期初项目","investor":"","office":"chengguan","started_on":"2024-08-01"}}]', NULL, true) AS o4 \gset
SELECT is(pg_temp.words(pg_temp.commit('bureau', :'o4', NULL, '写错了')), 'update 1', 'another day for a stage of before');
SELECT p.id AS p FROM registry.project p WHERE p.name = '批期初项目' AND p.audience <> '{0}' \gset
CREATE FUNCTION pg_temp.stands(p text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', (SELECT string_agg(concat_ws('=', e.stage, e.happened_on), ' ' ORDER BY e.happened_on) FROM registry.stage_standing(p) e WHERE e.opening AND e.stage IS NOT NULL),
        'counts ' || registry.counted_on(p, 'started'), 'since ' || (SELECT k.stage_on FROM registry.pace k WHERE k.project = p), (SELECT q.started_on FROM registry.project q WHERE q.id = p)) $$;
SELECT is(pg_temp.stands(:'p'), 'talks=2023-05 signed=2024-03 started=2024-08-01 counts 2024-08-01 since 2024-08-01 2024-08-01', 'it holds');
SELECT is((pg_temp.revert('bureau', :'o4')).batch.status, 'reverted', 'taken back');
SELECT is(pg_temp.stands(:'p'), 'talks=2023-05 signed=2024-03 started=2024-09-01 counts 2024-09-01 since 2024-09-01 2024-09-01', 'the entry before holds again');
SELECT is((pg_temp.revert('bureau', :'o3')).batch.status, 'reverted', 'stages by themselves');
SELECT is(pg_temp.stands(:'p'), 'signed=2024-03 started=2024-09-01 counts 2024-09-01 since 2024-09-01 2024-09-01', 'without it');
SELECT is(cardinality((api.stage_list(pg_temp.acc('bureau'), 'en', :'p', NULL, NULL, NULL, NULL)).rows), 6, 'the story has all that was said, nothing else');
SELECT is((pg_temp.revert('bureau', :'o1')).batch.status, 'reverted', 'the first one last');
SELECT is((SELECT audience::text FROM registry.project WHERE id = :'p'), '{0}', 'its project is out of sight');
SELECT is((SELECT count(*)::int FROM registry.step WHERE project = :'p' AND state = 'approved'), 0, 'and nothing of it counts');
SELECT (pg_temp.add('chengguan', '{"name":"后补项目","investor":"后补公司","stage":"started"}')).project.id AS p \gset
SELECT pg_temp.put('bureau', '期五', '[{"set":{"name":"后补项目","investor":"后补公司","signed_on":"2023-01","started_on":"2023-06-01"}},{"set":{"name":"新补项目","stage":"signed","signed_on":"2022-10"}}]', NULL, true) AS o5 \gset
SELECT is(pg_temp.words(pg_temp.commit('bureau', :'o5')), 'new 1 update 1', 'opening days of a project that stood');
SELECT is(pg_temp.stands(:'p'), 'signed=2023-01 started=2023-06-01 counts 2023-06-01 since 2023-06-01 2023-06-01', 'hold');
SELECT is((pg_temp.revert('bureau', :'o5')).batch.status, 'reverted', 'taken back');
SELECT is(pg_temp.stands(:'p'), 'since ' || registry.today(), 'none of it is left');
SELECT is((SELECT state FROM registry.step WHERE project = :'p' AND NOT coalesce(opening, false)), 'pending', 'the step that waited waits again');
SELECT is(pg_temp.words(pg_temp.commit('bureau', pg_temp.put('bureau', '期五', '[{"set":{"name":"后补项目","investor":"后补公司","signed_on":"2023-01","started_on":"2023-06-01"}},{"set":{"name":"新补项目","stage":"signed","signed_on":"2022-10"}}]', NULL, true))), 'new 1 update 1', 'and can come again');
SELECT is(pg_temp.stands(:'p'), 'signed=2023-01 started=2023-06-01 counts 2023-06-01 since 2023-06-01 2023-06-01', 'as the first time');
SELECT is((pg_temp.revert('robot', id)).error.message, registry.say('en', 'may.county'), 'whoever imports for the bureau takes back no opening sheet')
FROM registry.import WHERE opening AND status = 'done' ORDER BY done_at DESC LIMIT 1;

INSERT INTO registry.setting (key, value) VALUES ('county.live_on', '2026-01-01');
SELECT pg_temp.put('bureau', '期六', '[{"set":{"name":"迟补项目","office":"chengguan","stage":"signed","signed_on":"2024-05-01"}}]', NULL, true) AS i \gset
SELECT is(pg_temp.words(pg_temp.judge('bureau', :'i')), 'new 1', 'when the county is live');
SELECT is(pg_temp.words(pg_temp.commit('bureau', :'i')) || ': ' || (pg_temp.v('bureau', :'i')).message, 'INVALID_ARGUMENT rejected 1: the county is live since 2026-01-01: a reason is needed', 'a commit needs a reason');
SELECT is(pg_temp.words(pg_temp.commit('bureau', :'i', NULL, '补录')), 'new 1', 'and has it');
DELETE FROM registry.setting WHERE key = 'county.live_on';

-- ---------------------------------------------------------------- what is hidden
SELECT (pg_temp.add('dongshan', '{"name":"密谈项目","investor":"密谈公司","industry":"C38","amount_total":100000000000,"external_id":"h1","source":"批表","restricted":true,"contact_phone":"0571-999"}')).project.no AS h \gset
SELECT (pg_temp.add('dongshan', '{"name":"两家项目","investor":"两家公司","external_id":"h2","source":"批表","restricted":true}')).project.no AS h2 \gset
SELECT (pg_temp.add('chengguan', '{"name":"两家项目","investor":"两家公司","external_id":"c2","source":"批表"}')).project.no AS c2 \gset
SELECT max(no) AS before FROM registry.audit \gset
SELECT pg_temp.put('chengguan', '密一', format('[{"set":{"name":"密谈项目","investor":"密谈公司"}},{"set":{"name":"别的","external_id":"h1"}},{"set":{"name":"密谈公司二期厂房建设","investor":"密谈公司","industry":"C38","amount_total":100000000000}},
    {"set":{"name":"同电话","contact_phone":"0571-999"}},{"set":{"name":"两家项目","investor":"两家公司","summary":"自己的"}},{"set":{"no":"%s","summary":"x"}},{"set":{"no":"1990-0001","summary":"x"}}]', :'h')::jsonb) AS i \gset
SELECT is(pg_temp.words(pg_temp.judge('chengguan', :'i')), 'new 2 update 1 duplicate 1 rejected 3', 'of another office''s hidden project:');
SELECT is(ROW(v.code, v.field, v.other_no, v.other_office, v.project, v.no)::text, ROW(e.code, e.field, e.other_no, e.other_office, NULL, NULL)::text, 'a twin is told as a registration tells it, no more: by name')
FROM pg_temp.v('chengguan', :'i') v, (SELECT (x.error).* FROM pg_temp.add('chengguan', '{"name":"密谈项目","investor":"密谈公司"}') x) e;
SELECT is(ROW(v.code, v.text, v.other_no, v.object, v.project, v.no)::text, '(PERMISSION_DENIED,东山镇,,,,)', 'by the key of a source: whose it is') FROM pg_temp.v('chengguan', :'i', 3) v;
SELECT is((pg_temp.v('chengguan', :'i', 4)).message, (SELECT string_agg(w.sentence, '; ') FROM unnest((pg_temp.add('chengguan',
    '{"name":"密谈公司二期厂房建设","investor":"密谈公司","industry":"C38","amount_total":100000000000}')).warnings) w), 'a warning as well: office, day, number');
SELECT is((pg_temp.v('chengguan', :'i', 6)).no, :'c2', 'a name that an own one has means that');
SELECT is(replace((pg_temp.v('chengguan', :'i', 7)).message, :'h', 'NO'), replace((pg_temp.v('chengguan', :'i', 8)).message, '1990-0001', 'NO'), 'its number is none');
SELECT is((SELECT detail::text FROM registry.audit WHERE no > :before AND op = 'import_judge'), '{"restricted": 1, "hidden_twins": 3, "contacts_of_others": 0}', 'the audit knows what was told');
SELECT pg_temp.put('chengguan', '密二', format('[{"set":{"no":"%s","summary":"谈到一半"}}]', :'c2')::jsonb) AS i \gset
SELECT pg_temp.commit('chengguan', :'i') \g /dev/null
SELECT (pg_temp.edit('bureau', NULL, :'c2', '{"office":"dongshan","restricted":true}')).error \g /dev/null
SELECT is(pg_temp.v('chengguan', :'i')::text, '(2,update,,,,,,,,,,,,,,,,,)', 'rows of a batch say nothing of what was hidden since');
SELECT max(no) AS before FROM registry.audit \gset
SELECT is((pg_temp.v('bureau', :'i')).changes::text, '{"(summary,,谈到一半)"}', 'to those who see it they do');
SELECT is((SELECT detail::text FROM registry.audit WHERE no > :before AND op = 'import_verdicts'), '{"rows": 1, "restricted": 1}', 'and the audit says so');
SELECT * FROM finish();
