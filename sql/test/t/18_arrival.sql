-- SPDX-License-Identifier: Apache-2.0
-- Arrivals of money, milestones, departments' dates, and the days and amounts that can't be.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.arrival(who text, id text, set jsonb, force boolean DEFAULT NULL, reason text DEFAULT NULL) RETURNS api.arrival_reply LANGUAGE sql AS $$
    SELECT api.arrival_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, set, NULL, reason, force) $$;
CREATE FUNCTION pg_temp.money(project text, fen bigint, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('project', project, 'amount_arrived', fen, 'arrived_on', '2026-01-05', 'class', 'fixed', 'origin', '省外', 'voucher', 'No.1') || more $$;
CREATE FUNCTION pg_temp.decide(op text, who text, id text, reason text DEFAULT NULL) RETURNS api.arrival_reply LANGUAGE plpgsql AS $$
DECLARE
    r api.arrival_reply;
BEGIN
    EXECUTE format('SELECT (api.arrival_%s($1, ''en'', $2, ''\x00'', NULL, $3, $4)).*', op) INTO r USING pg_temp.acc(who), pg_temp.req(), id, reason;
    RETURN r;
END $$;
CREATE FUNCTION pg_temp.mile(who text, id text, set jsonb, reason text DEFAULT NULL) RETURNS api.milestone_reply LANGUAGE sql AS $$
    SELECT api.milestone_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, set, NULL, reason, NULL) $$;
CREATE FUNCTION pg_temp.day(who text, set jsonb) RETURNS api.stagedate_reply LANGUAGE sql AS $$
    SELECT api.stagedate_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, NULL, set, NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.said(e api.error) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', e.code, e.field) $$;
CREATE FUNCTION pg_temp.receipt(who text, project text, about text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    data CONSTANT bytea := convert_to(about, 'UTF8');
    e text;
BEGIN
    e := (api.evidence_open(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', jsonb_build_object('project', project, 'of', about, 'name', 'a.txt',
        'media', 'txt', 'size', length(data), 'sha256', encode(sha256(data), 'hex')), NULL)).evidence.id;
    PERFORM api.evidence_put(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', e, 0, data);
    PERFORM api.evidence_close(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', e);
    RETURN e;
END $$;
SELECT registry.account_new('ar.till', '审二', 'chengguan', 'approver') \g /dev/null
SELECT registry.today()::text AS today \gset
SELECT plan(111);
SELECT (pg_temp.add('chengguan', '{"name":"到位一","amount_total":35000000000,"amount_fixed":30000000000}')).project.id AS p \gset

-- reported, approved, summed
SELECT (pg_temp.arrival('chengguan', NULL, pg_temp.money(:'p', 120000000000))).arrival.id AS a \gset
SELECT row_eq('SELECT a.state, a.currency, a.actor, a.origin, a.office FROM registry.arrival a WHERE a.id = ' || quote_literal(:'a'),
    ROW('reported'::text, 'CNY'::text, 'chengguan'::text, 'province_outside'::text, 'chengguan'::text), 'reported');
SELECT is(registry.arrived(:'p'), 0::bigint, 'and counts nothing yet');
SELECT is(pg_temp.said((pg_temp.arrival('chengguan', NULL, pg_temp.money(:'p', 100000000) - f)).error), 'INVALID_ARGUMENT ' || f, 'not without ' || f)
FROM unnest('{amount_arrived,arrived_on,class,origin,voucher}'::text[]) f;
SELECT is(pg_temp.said((pg_temp.arrival('chengguan', NULL, pg_temp.money(:'p', 100000000, s::jsonb))).error), want, s) FROM (VALUES
    ('{"amount_arrived":0}', 'INVALID_ARGUMENT amount_arrived'), ('{"amount_arrived":-5}', 'INVALID_ARGUMENT amount_arrived'),
    ('{"arrived_on":"2099-01-01"}', 'INVALID_ARGUMENT arrived_on'), ('{"arrived_on":"1989-12-31"}', 'INVALID_ARGUMENT arrived_on'),
    ('{"arrived_on":"2101"}', 'INVALID_ARGUMENT arrived_on'), ('{"currency":"USD"}', 'INVALID_ARGUMENT amount_foreign'),
    ('{"amount_foreign":5}', 'INVALID_ARGUMENT amount_foreign'), ('{"state":"approved"}', 'INVALID_ARGUMENT state'),
    ('{"office":"dongshan"}', 'PERMISSION_DENIED'), ('{"origin":"天上"}', 'INVALID_ARGUMENT origin')) v(s, want);
SELECT is(pg_temp.said((pg_temp.decide('approve', 'chengguan', :'a')).error), 'PERMISSION_DENIED', 'a clerk approves nothing');
SELECT is((pg_temp.decide('approve', 'ar.till', :'a')).error.allowed, '{evidence}'::text[], 'not without a voucher');
SELECT pg_temp.receipt('chengguan', :'p', :'a') AS e \gset
SELECT row_eq('SELECT ((r).arrival).state, ((r).arrival).counted_on, ((r).arrival).evidence FROM (SELECT pg_temp.decide(''approve'', ''ar.till'', $$' || :'a' || '$$) AS r OFFSET 0) x',
    ROW('approved'::text, :'today'::text, ARRAY[:'e'::text]), 'approved, from today on');
SELECT is(registry.arrived(:'p'), 120000000000, 'and summed');
SELECT is(registry.arrived(:'p', '2020-01-01'), 0::bigint, 'not before');
SELECT is(pg_temp.said((pg_temp.arrival('chengguan', :'a', '{"voucher":"2"}')).error), 'FAILED_PRECONDITION state', 'what was approved isn''t changed');
SELECT matches((pg_temp.decide('reject', 'bureau', :'a', '不实')).error.message, 'it is counts \(by 审二 on', 'who comes second is told');
SELECT is(pg_temp.said((pg_temp.decide('withdraw', 'chengguan', :'a', '错')).error), 'PERMISSION_DENIED', 'nor withdrawn by who wrote it');
SELECT is(pg_temp.said((pg_temp.decide('withdraw', 'bureau', :'a')).error), 'INVALID_ARGUMENT reason', 'nor without a reason');
SELECT is((pg_temp.decide('withdraw', 'bureau', :'a', '重复')).arrival.note, '重复', 'but by who approves');
SELECT is(registry.arrived(:'p'), 0::bigint, 'then it counts no more');
SELECT (pg_temp.arrival('bureau', NULL, pg_temp.money(:'p', 500000000))).arrival.id AS b \gset
SELECT pg_temp.receipt('bureau', :'p', :'b') \g /dev/null
SELECT is(pg_temp.said((pg_temp.decide('approve', 'bureau', :'b')).error), 'PERMISSION_DENIED', 'nobody approves his own');
SELECT is((pg_temp.decide('reject', 'leader', :'b', '凭证不清')).arrival.state, 'rejected', 'refused');
SELECT is((pg_temp.arrival('bureau', :'b', '{"voucher":"No.2"}')).arrival.state, 'reported', 'changed: looked at anew');
SELECT is((pg_temp.decide('approve', 'leader', :'b')).arrival.state, 'approved', 'and approved');
-- 万元 or 元
CREATE FUNCTION pg_temp.odd(project text, fen bigint) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', o.args[1], o.args[2]) FROM registry.amount_odd(registry.project_find($1), NULL, '{arrival.amount_arrived}', ARRAY[fen]) o $$;
SELECT is(coalesce(pg_temp.odd(:'p', fen), ''), want, why) FROM (VALUES
    (3500000, '@field:project.amount_total 350000000.00', 'ten thousand times less'), (3000000, '@field:project.amount_total 350000000.00', 'or about that'),
    (350000000000000, '@field:project.amount_total 350000000.00', 'ten thousand times more'), (60000000000000, '@field:project.amount_total 350000000.00', 'or some thousand times'),
    (50000, '@field:arrival.amount_arrived 5000000.00', 'one beside another'), (35000000, '', 'a thousand times less is an instalment'), (500000000, '', 'an amount like others')) v(fen, want, why);
SELECT is(pg_temp.said((pg_temp.arrival('chengguan', NULL, pg_temp.money(:'p', 3500000))).error), 'INVALID_ARGUMENT amount_arrived', 'an amount that looks odd is refused');
SELECT is((pg_temp.arrival('chengguan', NULL, pg_temp.money(:'p', 3500000))).error.message, 'arrived of 35000.00 is 10000 times off total investment of 350000000.00: 万元 or 元?', 'with the question');
SELECT matches((pg_temp.arrival('chengguan', NULL, pg_temp.money(:'p', 3500000))).error.hint, '^by "默认规则 2026" amounts 8000 to 12500 times apart', 'the rule set, and its bounds');
SELECT is(pg_temp.said((pg_temp.arrival('chengguan', NULL, pg_temp.money(:'p', 3500000), true)).error), 'INVALID_ARGUMENT reason', 'to insist needs a reason');
SELECT is((pg_temp.arrival('chengguan', NULL, pg_temp.money(:'p', 3500000), true, '定金')).arrival.amount_arrived, 3500000::bigint, 'with one it goes');
SELECT is(pg_temp.said((pg_temp.arrival('chengguan', NULL, pg_temp.money(:'p', 3500000, '{"arrived_on":"2099"}'), true, '定金')).error), 'INVALID_ARGUMENT arrived_on', 'but what is wrong stays wrong');

-- milestones
SELECT (pg_temp.mile('chengguan', NULL, jsonb_build_object('project', :'p', 'class', '开工', 'planned_on', '2026-05', 'office', 'fagai', 'person', '李工'))).milestone.id AS m \gset
SELECT row_eq('SELECT m.class, m.planned_on::text, m.office, m.version FROM registry.milestone m WHERE m.id = ' || quote_literal(:'m'), ROW('start'::text, '2026-05'::text, 'fagai'::text, 1::bigint), 'a milestone, another office''s to do');
SELECT is(pg_temp.said((pg_temp.mile('chengguan', :'m', '{"planned_on":"2026-06"}')).error), 'INVALID_ARGUMENT planned_on', 'the plan doesn''t change without a reason');
SELECT is((pg_temp.mile('chengguan', :'m', '{"planned_on":"2026-06"}', '供地推迟')).milestone.planned_on, '2026-06', 'with one it does');
SELECT is((SELECT e.reason FROM registry.change c JOIN registry.entry e USING (grp, ord) WHERE c.object = :'m' AND c.version = 2), '供地推迟', 'which everybody sees');
SELECT is((pg_temp.mile('chengguan', :'m', '{"person":"王工"}')).milestone.person, '王工', 'anything else changes freely');
SELECT is(pg_temp.said((pg_temp.mile('chengguan', :'m', '{"done_on":"2099"}')).error), 'INVALID_ARGUMENT done_on', 'done is done');
SELECT is(pg_temp.said((pg_temp.mile('dongshan', :'m', '{"done_on":"2026-01"}')).error), 'PERMISSION_DENIED', 'not another office''s');
SELECT is(pg_temp.said((pg_temp.mile('dongshan', NULL, jsonb_build_object('project', :'p', 'class', 'start', 'planned_on', '2026-05'))).error), 'PERMISSION_DENIED', 'nor another''s project');
SELECT is((SELECT cardinality((api.milestone_list(pg_temp.acc('leader'), 'en', '[{"field":"planned_on","op":"=","values":["2026-06"]},{"field":"done_on","op":"=","values":[""]}]', NULL, NULL, NULL)).rows)), 1, 'a month''s plan, what isn''t done');

-- departments' dates
SELECT is(pg_temp.said((pg_temp.day(w, jsonb_build_object('project', :'p', 'stage', '开工', 'dated_on', d, 'basis', '施工许可证'))).error), '', w || '''s day') FROM (VALUES ('chengguan', '2026-01-03'), ('dongshan', '2026-01-08')) v(w, d);
SELECT is(pg_temp.said((pg_temp.day('dongshan', jsonb_build_object('project', :'p', 'stage', 'started', 'dated_on', '2026-01', 'basis', 'x'))).error), 'ALREADY_EXISTS stage', 'one for each');
SELECT is((SELECT string_agg(x.office || ' ' || x.dated_on, ', ' ORDER BY x.office) FROM unnest((api.stagedate_list(pg_temp.acc('leader'), 'en', NULL, NULL, NULL, NULL)).rows) x WHERE x.project = :'p'), 'chengguan 2026-01-03, dongshan 2026-01-08', 'side by side');
SELECT is(pg_temp.said((pg_temp.day('dongshan', jsonb_build_object('project', :'p', 'stage', 'landed', 'dated_on', '2099', 'basis', 'x'))).error), 'INVALID_ARGUMENT dated_on', 'none to come');

SELECT is(pg_temp.said((pg_temp.edit('chengguan', NULL, :'p', s::jsonb)).error), want, s) FROM (VALUES
    ('{"amount_agreed":3500000}', 'INVALID_ARGUMENT amount_agreed'), ('{"amount_total":3000000}', 'INVALID_ARGUMENT amount_total'),
    ('{"amount_agreed":30000000000}', ''), ('{"amount_total":3600000,"amount_fixed":3000000}', 'INVALID_ARGUMENT amount_total'),
    ('{"amount_fixed":20000000}', 'INVALID_ARGUMENT amount_fixed'), ('{"amount_outside":2000000000000000}', 'INVALID_ARGUMENT amount_outside'), ('{"amount_outside":500000000}', '')) v(s, want);
-- what has arrived stands beside the amounts of the project
SELECT (pg_temp.add('chengguan', '{"name":"到位在先"}')).project.id AS before \gset
SELECT is(pg_temp.said((pg_temp.arrival('chengguan', NULL, pg_temp.money(:'before', 500000000000))).error), '', 'money before its project has an amount');
SELECT is(pg_temp.said((pg_temp.edit('chengguan', NULL, :'before', '{"amount_total":80000000}')).error), 'INVALID_ARGUMENT amount_total', 'then the amount is asked about');
-- bounds are the rule set's
UPDATE registry.amount_rule SET least = 2, most = 3 WHERE pair = 'project';
SELECT is(pg_temp.said((pg_temp.edit('chengguan', NULL, :'p', s::jsonb)).error), want, 'other bounds: ' || s) FROM (VALUES
    ('{"amount_fixed":20000000}', ''), ('{"amount_fixed":12000000000}', 'INVALID_ARGUMENT amount_fixed')) v(s, want);
UPDATE registry.amount_rule SET least = 1000, most = 100000 WHERE pair = 'project';
SELECT is((pg_temp.edit('chengguan', NULL, :'p', '{"amount_filed":3500000}', NULL, '只备案一期', true)).error, NULL::api.error, 'with force and a reason it goes');
SELECT is((SELECT (x).error.field FROM api.project_edits(ARRAY[pg_temp.acc('chengguan')], ARRAY['en'], ARRAY[pg_temp.req()], ARRAY['\x00'::bytea], ARRAY[NULL::bigint],
    ARRAY[:'p'], ARRAY['{"amount_outside":3500000}'::jsonb], ARRAY[NULL::text], ARRAY[NULL::boolean]) x), 'amount_outside', 'nor in a set');
SELECT is(pg_temp.said((pg_temp.add('chengguan', '{"name":"元与万元","amount_total":35000000000,"amount_fixed":3000000}')).error), 'INVALID_ARGUMENT amount_total', 'nor at its registration');
-- days of projects
SELECT is(pg_temp.said((pg_temp.edit('chengguan', NULL, :'p', s::jsonb)).error), want, s) FROM (VALUES
    ('{"planned_start_on":"1989"}', 'INVALID_ARGUMENT planned_start_on'), ('{"agreement":"框架协议"}', '')) v(s, want);
SELECT is(pg_temp.said((pg_temp.edit('chengguan', NULL, :'p', s::jsonb)).error), want, s) FROM (VALUES
    ('{"started_on":"2026-05"}', ''), ('{"completed_on":"2026-04"}', 'INVALID_ARGUMENT completed_on'), ('{"completed_on":"2026-05-01"}', ''),
    ('{"started_on":"2026-06"}', 'INVALID_ARGUMENT completed_on'), ('{"planned_start_on":"2027","planned_produce_on":"2026-12"}', 'INVALID_ARGUMENT planned_produce_on')) v(s, want);
SELECT is(pg_temp.said((pg_temp.edit('chengguan', NULL, :'p', s::jsonb)).error), want, s) FROM (VALUES
    ('{"signed_on":"2099-01-01"}', 'INVALID_ARGUMENT signed_on'), ('{"produced_on":"2099"}', 'INVALID_ARGUMENT produced_on')) v(s, want);
SELECT matches((pg_temp.edit('chengguan', NULL, :'p', '{"completed_on":"2026-04"}')).error.message, '^completed on \(2026-04\) is before started on \(2026-05\)$', 'which days');
SELECT is(pg_temp.said((pg_temp.add('chengguan', '{"name":"倒置","started_on":"2026-05","completed_on":"2026-04"}')).error), 'INVALID_ARGUMENT completed_on', 'nor at its registration');
SELECT is((registry.order_fault('project.started_on', '2026-05', 'project.completed_on', u)).field, want, u) FROM (VALUES ('2026-04-30', 'completed_on'), ('2026', NULL), ('2026-05-01', NULL)) v(u, want);
-- and in the order of the stages, unless somebody says why not
SELECT (pg_temp.add('chengguan', '{"name":"次序","stage":"talks","signed_on":"2026-03-10"}')).project.id AS o \gset
SELECT is(pg_temp.said((pg_temp.edit('chengguan', NULL, :'o', s::jsonb)).error), want, s) FROM (VALUES
    ('{"started_on":"2026-03-09"}', 'INVALID_ARGUMENT started_on'), ('{"started_on":"2026-03"}', ''), ('{"signed_on":"2026-04"}', 'INVALID_ARGUMENT started_on'),
    ('{"produced_on":"2026-03-20"}', ''), ('{"completed_on":"2026-03-25"}', 'INVALID_ARGUMENT produced_on')) v(s, want);
SELECT matches(concat((e).message, ' ', (e).hint), '^in production on 2026-03-20 is before completed on 2026-03-25: are the days right\? by "默认规则 2026"') FROM (SELECT (pg_temp.edit('chengguan', NULL, :'o', '{"completed_on":"2026-03-25"}')).error AS e) x;
SELECT is((SELECT (x).error.field FROM api.project_edits(ARRAY[pg_temp.acc('chengguan')], ARRAY['en'], ARRAY[pg_temp.req()], ARRAY['\x00'::bytea], ARRAY[NULL::bigint],
    ARRAY[:'o'], ARRAY['{"signed_on":"2026-04-01"}'::jsonb], ARRAY[NULL::text], ARRAY[NULL::boolean]) x), 'started_on', 'nor in a set');
SELECT is(pg_temp.said((pg_temp.edit('chengguan', NULL, :'o', '{"completed_on":"2026-03-25"}', NULL, '试生产在先', true)).error), '', 'with force and a reason it goes');
SELECT is(pg_temp.said((pg_temp.add('chengguan', '{"name":"次序二","signed_on":"2026-03-10","started_on":"2026-03-09"}')).error), 'INVALID_ARGUMENT started_on', 'nor at its registration');
SELECT (pg_temp.add('chengguan', '{"name":"次序三","stage":"signed","signed_on":"2026-03-10"}')).project.id AS o \gset
SELECT is(pg_temp.said((pg_temp.advance('chengguan', :'o', s, d)).error), want, s || ' ' || d) FROM (VALUES
    ('landed', '2026-03-09', 'INVALID_ARGUMENT stage'), ('landed', '2026-03-20', ''), ('started', '2026-03-19', 'INVALID_ARGUMENT started_on')) v(s, d, want);
SELECT is(pg_temp.said((api.project_advance(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', NULL, :'o', 'started', '2026-03-19', '先行开工')).error), '', 'a reason is enough to advance');
-- the same voucher again
SELECT (pg_temp.add('chengguan', '{"name":"凭证一"}')).project.id AS v1, (pg_temp.add('dongshan', '{"name":"凭证二"}')).project.id AS v2 \gset
SELECT (pg_temp.arrival('chengguan', NULL, pg_temp.money(:'v1', 700000000, '{"voucher":"银2026-9"}'))).arrival.id AS first \gset
SELECT is(pg_temp.said((pg_temp.arrival(w, NULL, pg_temp.money(p, fen, m::jsonb || '{"voucher":"银2026-9"}'))).error), want, why) FROM (VALUES
    ('chengguan', :'v1', 700000000, '{}', 'INVALID_ARGUMENT voucher', 'the same money twice'), ('dongshan', :'v2', 700000000, '{}', 'INVALID_ARGUMENT voucher', 'by another office, for another project'),
    ('dongshan', :'v2', 700000100, '{}', '', 'another amount'), ('dongshan', :'v2', 700000000, '{"arrived_on":"2026-01-06"}', '', 'or day')) v(w, p, fen, m, want, why);
SELECT is((pg_temp.arrival('dongshan', NULL, pg_temp.money(:'v2', 700000000, '{"voucher":"银2026-9"}'))).error.message,
    (SELECT 'voucher "银2026-9" of 2026-01-05 and 7000000.00 yuan is project ' || no || '''s already, reported by 城关镇: is it the same money?' FROM registry.project WHERE id = :'v1'), 'whose it is');
SELECT is(pg_temp.said((pg_temp.arrival('chengguan', :'first', '{"note":"补"}')).error), '', 'an edit of it meets nothing');
SELECT (pg_temp.arrival('dongshan', NULL, pg_temp.money(:'v2', 700000000, '{"voucher":"另"}'))).arrival.id AS second \gset
SELECT is(pg_temp.said((pg_temp.arrival('dongshan', :'second', '{"voucher":"银2026-9"}')).error), 'INVALID_ARGUMENT voucher', 'nor does an edit make it so');
SELECT is(pg_temp.said((pg_temp.arrival('dongshan', :'second', '{"voucher":"银2026-9"}', true, '两笔同日')).error), '', 'but with a reason');
SELECT is((pg_temp.decide('withdraw', 'chengguan', :'first', '错')).error, NULL::api.error, 'what was withdrawn');
SELECT is((pg_temp.decide('withdraw', 'dongshan', :'second', '错')).error, NULL::api.error, 'counts nothing');
SELECT is(pg_temp.said((pg_temp.arrival('chengguan', NULL, pg_temp.money(:'v1', 700000000, '{"voucher":"银2026-9"}'))).error), '', 'and is reported anew');
SELECT * FROM finish();
