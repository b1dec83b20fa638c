-- SPDX-License-Identifier: Apache-2.0
-- Matters: the loop and who may move it, deadlines by the calendar, time alone, parts, lists.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.set(who text, id text, set jsonb, p_base bigint DEFAULT NULL, request text DEFAULT pg_temp.req()) RETURNS api.matter_reply LANGUAGE sql AS $$
    SELECT api.matter_set(pg_temp.acc(who), 'en', request, '\x00', p_base, id, set, NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.said(r api.matter_reply) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', (r.error).code, (r.error).field, ((r).matter).state) $$;
CREATE FUNCTION pg_temp.move(who text, op text, id text, reason text DEFAULT NULL) RETURNS api.matter_reply LANGUAGE plpgsql AS $$
DECLARE
    r api.matter_reply;
BEGIN
    EXECUTE format('SELECT * FROM api.matter_%s($1, ''en'', $2, ''\x00'', $3, $4)', op) INTO r USING pg_temp.acc(who), pg_temp.req(), id, reason;
    RETURN r;
END $$;
CREATE FUNCTION pg_temp.report(who text, id text, report text) RETURNS api.matter_reply LANGUAGE sql AS $$
    SELECT api.matter_report(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', id, report) $$;
CREATE FUNCTION pg_temp.close(who text, id text, satisfaction int DEFAULT NULL) RETURNS api.matter_reply LANGUAGE sql AS $$
    SELECT api.matter_close(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', id, satisfaction, NULL) $$;
CREATE FUNCTION pg_temp.extend(who text, id text, day text, reason text) RETURNS api.matter_reply LANGUAGE sql AS $$
    SELECT api.matter_extend(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', id, day, reason) $$;
CREATE FUNCTION pg_temp.split(who text, id text, VARIADIC offices text[]) RETURNS api.matter_reply LANGUAGE sql AS $$
    SELECT api.matter_split(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', id, offices, NULL) $$;
CREATE FUNCTION pg_temp.mine(who text, what text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(x.subject, ' '), '') FROM unnest((api.matter_mine(pg_temp.acc(who), 'en', what, NULL, NULL, NULL)).rows) x $$;
-- a matter of an office by a subject, open until a day; its id
CREATE FUNCTION pg_temp.new(who text, office text, class text, subject text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT ((pg_temp.set(who, NULL, jsonb_build_object('office', office, 'class', class, 'subject', subject) || more)).matter).id $$;
CREATE FUNCTION pg_temp.at(days int) RETURNS text LANGUAGE sql AS $$ SELECT (registry.today() + days)::text $$;
CREATE FUNCTION pg_temp.clock(day int) RETURNS int LANGUAGE plpgsql AS $$ -- days from now; what fired
BEGIN
    PERFORM registry.set_clock_offset(make_interval(days => day));
    RETURN (api.due_fire(500)).fired;
END $$;
CREATE FUNCTION pg_temp.last(p_id text) RETURNS text LANGUAGE sql AS $$
    SELECT registry.event_type(c.kind, c.version, c.fields) FROM registry.change c WHERE c.object = p_id ORDER BY c.version DESC LIMIT 1 $$;
INSERT INTO registry.office (code, name, kind, rank) VALUES ('duban', '督查室', 'supervision', 9);
SELECT registry.account_new('duban', '己', 'duban', 'supervisor'), registry.account_new('boss', '庚', 'duban', 'leader') \g /dev/null
SELECT plan(170);
SELECT (pg_temp.add('chengguan', '{"name":"事项项目"}')).project.id AS p \gset
SELECT (pg_temp.add('chengguan', '{"name":"事项保密","restricted":true}')).project.id AS hidden \gset

-- ---------------------------------------------------------------- calendar
SELECT is(registry.is_workday(d::date), want, why) FROM (VALUES ('2026-03-04', true, 'a Wednesday'), ('2026-03-07', false, 'a Saturday'),
    ('2026-02-28', true, 'a Saturday made a day of work'), ('2026-10-05', false, 'a holiday')) v(d, want, why);
SELECT is(registry.workday_after('2026-02-12', 3), '2026-02-24'::date, 'working days around the spring festival: Fri, Sat 14 worked, then the 24th');
SELECT is(registry.workday_after('2026-03-06', 1), '2026-03-09'::date, 'the weekend is no time');
SELECT row_eq($$ SELECT ((api.calendar_set(pg_temp.acc('bureau'), 'en', 'cal-1', '\x00', '2027-03-10', 'off', '县庆')).holiday).* $$,
    ROW('2027-03-10'::text, 'off'::text, '县庆'::text), 'the bureau lays out a day');
SELECT is((api.calendar_set(pg_temp.acc('bureau'), 'en', 'cal-1', '\x00', '2027-03-10', 'off', '县庆')).replayed, true, 'told again');
SELECT ok(NOT registry.is_workday('2027-03-10'), 'and nobody works');
SELECT is(((api.calendar_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', '2027-03-10', 'week', NULL)).holiday).kind, 'work', 'back to what the week says');
SELECT is((api.calendar_set(pg_temp.acc(w), 'en', pg_temp.req(), '\x00', d, k, NULL)).error.code, want, why) FROM (VALUES
    ('chengguan', '2027-03-11', 'off', 'PERMISSION_DENIED', 'not by a township'), ('bureau', '2027-03', 'off', 'INVALID_ARGUMENT', 'no whole day'),
    ('bureau', '1989-12-31', 'off', 'INVALID_ARGUMENT', 'before any record'), ('bureau', '2101-01-01', 'off', 'INVALID_ARGUMENT', 'behind any plan'),
    ('bureau', '2027-03-11', 'holiday', 'INVALID_ARGUMENT', 'no such kind of day')) v(w, d, k, want, why);
SELECT is((SELECT count(*) FROM unnest((api.calendar_list(pg_temp.acc('chengguan'), 'en', '2026-10', NULL, NULL)).rows)), 8::bigint, 'October has eight such days');
SELECT isnt((api.calendar_list(pg_temp.acc('chengguan'), 'en', NULL, NULL, 5)).next, NULL, 'in pages');

-- ---------------------------------------------------------------- issuing
SELECT is(pg_temp.said(pg_temp.set(w, NULL, s::jsonb)), want, why) FROM (VALUES
    ('bureau', '{"office":"chengguan","class":"交办","subject":"报送用地材料","days":5}', 'issued', 'the bureau assigns'),
    ('leader', '{"office":"chengguan","class":"interview","subject":"约谈"}', 'issued', 'a leader calls somebody in; the deadline is the rule set''s'),
    ('duban', '{"office":"chengguan","class":"order","subject":"督办件"}', 'issued', 'supervision gives an order'),
    ('chengguan', '{"office":"fagai","class":"guarantee","subject":"要指标"}', 'issued', 'a clerk asks for a guarantee'),
    ('chengguan', '{"office":"dongshan","class":"help","subject":"请协助"}', 'issued', 'and for help'),
    ('chengguan', '{"office":"fagai","class":"assignment","subject":"派活"}', 'PERMISSION_DENIED class', 'but gives no orders'),
    ('chengguan', '{"class":"help","subject":"自助"}', 'INVALID_ARGUMENT office', 'help of oneself is none'),
    ('sysadmin', '{"office":"fagai","class":"help","subject":"x"}', 'PERMISSION_DENIED', 'an officer does no business'),
    ('bureau', '{"office":"chengguan","subject":"无类别"}', 'INVALID_ARGUMENT class', 'without class'),
    ('bureau', '{"office":"chengguan","class":"order"}', 'INVALID_ARGUMENT subject', 'without subject'),
    ('bureau', '{"office":"chengguan","class":"order","subject":"x","due_on":"2126-01"}', 'INVALID_ARGUMENT due_on', 'a month is no deadline'),
    ('bureau', '{"office":"chengguan","class":"order","subject":"x","due_on":"2020-01-01"}', 'INVALID_ARGUMENT due_on', 'one in the past neither'),
    ('bureau', '{"office":"chengguan","class":"order","subject":"x","due_on":"2126-01-01","days":3}', 'INVALID_ARGUMENT due_on', 'both'),
    ('bureau', '{"office":"chengguan","class":"order","subject":"x","days":0}', 'INVALID_ARGUMENT days', 'no days at all'),
    ('bureau', '{"office":"chengguan","class":"order","subject":"x","helpers":["无此单位"]}', 'INVALID_ARGUMENT helpers', 'no such helper'),
    ('bureau', '{"office":"chengguan","class":"order","subject":"x","superior":"nobody"}', 'INVALID_ARGUMENT superior', 'no such superior'),
    ('bureau', '{"office":"chengguan","class":"order","subject":"x","reviewer":"chengguan"}', 'INVALID_ARGUMENT reviewer', 'the performer as reviewer'),
    ('bureau', '{"office":"chengguan","class":"order","subject":"x","report":"已办"}', 'INVALID_ARGUMENT report', 'with its report'),
    ('bureau', '{"office":"chengguan","class":"order","subject":"x","whole":"mt0"}', 'INVALID_ARGUMENT whole', 'a part of nothing'),
    ('bureau', '{"office":"chengguan","class":"order","subject":"x","of":"mt0"}', 'INVALID_ARGUMENT of', 'out of nothing'),
    ('bureau', format('{"office":"dongshan","class":"order","subject":"x","project":"%s"}', :'hidden'), 'INVALID_ARGUMENT office', 'about a project it cannot see')) v(w, s, want, why);
SELECT pg_temp.new('bureau', 'chengguan', 'assignment', '主线', jsonb_build_object('project', :'p', 'due_on', pg_temp.at(10), 'helpers', '["发改局","chengguan"]'::jsonb, 'superior', 'leader')) AS m \gset
SELECT row_eq(format('SELECT issuer, issuer_office, helpers, light, no IS NOT NULL, days FROM registry.matter WHERE id = %L', :'m'),
    ROW('bureau'::text, 'bureau'::text, '{fagai}'::text[], 'none'::text, true, NULL::int), 'what the registry fills in; words for offices became codes');
SELECT is((SELECT due_on::text FROM registry.matter WHERE subject = '报送用地材料'), registry.workday_after(registry.today(), 5)::text, 'five working days from now');
SELECT is(pg_temp.said(pg_temp.set('bureau', :'m', '{"demand":"三日内反馈"}')), 'issued', 'the issuer adds to it');
SELECT is(pg_temp.said(pg_temp.set(w, :'m', s::jsonb)), want, why) FROM (VALUES
    ('chengguan', '{"due_on":"2126-01-01"}', 'PERMISSION_DENIED', 'the performer doesn''t give himself time'),
    ('dongshan', '{"subject":"y"}', 'PERMISSION_DENIED', 'nor does a stranger'),
    ('bureau', '{"report":"已办"}', 'INVALID_ARGUMENT report', 'a report is the performer''s'),
    ('bureau', '{"satisfaction":5}', 'INVALID_ARGUMENT satisfaction', 'satisfaction comes with the end')) v(w, s, want, why);

-- ---------------------------------------------------------------- helping offices
SELECT registry.account_new('m.help', '协办人', 'fagai', 'clerk') AS x, registry.account_new('m.help2', '协办人二', 'dongshan', 'clerk') AS y \g /dev/null
CREATE FUNCTION pg_temp.mine(who text, what text, p_id text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM unnest((api.matter_mine(pg_temp.acc(who), 'en', what, NULL, NULL, NULL)).rows) r WHERE r.id = p_id $$;
SELECT pg_temp.new('bureau', 'chengguan', 'assignment', '协办件', jsonb_build_object('project', :'p', 'due_on', pg_temp.at(10), 'helpers', '["fagai"]'::jsonb)) AS hm \gset
SELECT is(pg_temp.mine('m.help', 'sign', :'hm'), 1::bigint, 'a helping office has it to sign');
SELECT registry.set_clock_offset('30 minutes') \g /dev/null
SELECT is(pg_temp.said(pg_temp.move('m.help2', 'sign', :'hm')), 'PERMISSION_DENIED', 'not one that doesn''t help');
SELECT is(pg_temp.said(pg_temp.move('m.help', 'sign', :'hm')), 'issued', 'it signs for its part; the matter waits for the lead office');
SELECT row_eq(format('SELECT helpers_signed, helper_signers, helper_minutes, signer FROM registry.matter WHERE id = %L', :'hm'),
    ROW('{fagai}'::text[], '{m.help}'::text[], '{30}'::text[], NULL::text), 'with a time to sign of its own');
SELECT is(pg_temp.mine('m.help', 'sign', :'hm'), 0::bigint, 'it has it to sign no more');
SELECT is(pg_temp.mine('chengguan', 'sign', :'hm'), 1::bigint, 'the lead office has');
SELECT is(pg_temp.said(pg_temp.move('m.help', 'sign', :'hm')), 'FAILED_PRECONDITION helpers_signed', 'once');
SELECT is(pg_temp.said(pg_temp.move('m.help', 'start', :'hm')), 'FAILED_PRECONDITION state', 'nor does its signature stand for the matter''s');
SELECT is(pg_temp.said(pg_temp.set('bureau', :'hm', '{"helpers":["fagai","dongshan"]}')), 'issued', 'another is named later');
SELECT registry.set_clock_offset('50 minutes') \g /dev/null
SELECT is(pg_temp.said(pg_temp.move('chengguan', 'sign', :'hm')), 'signed', 'the lead office signs');
SELECT is(pg_temp.said(pg_temp.move('m.help2', 'sign', :'hm')), 'signed', 'a helping one still may, behind it');
SELECT is(pg_temp.said(pg_temp.move('m.help2', 'report', :'hm')), 'PERMISSION_DENIED', 'but it doesn''t report for the lead office');
SELECT row_eq(format('SELECT helpers_signed, helper_minutes, sign_minutes, mover FROM registry.matter WHERE id = %L', :'hm'),
    ROW('{fagai,dongshan}'::text[], '{30,20}'::text[], 50, 'chengguan'::text), 'counted from when it was asked');
SELECT is((SELECT array_agg(c.fields -> '42' ORDER BY c.version) FROM registry.change c WHERE c.object = :'hm' AND c.fields ? '42'), '{"[null, \"fagai\"]","[\"fagai\", \"fagai,dongshan\"]"}'::jsonb[], 'each in the journal');
-- and brings evidence of its part
CREATE FUNCTION pg_temp.bring(who text, about text) RETURNS api.evidence_chunk_reply LANGUAGE sql AS $$
    SELECT api.evidence_open(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', jsonb_build_object('of', about, 'name', 'a.txt', 'media', 'txt', 'size', 3, 'sha256', encode(sha256('abc'), 'hex')), NULL) $$;
SELECT is((pg_temp.bring('m.help2', :'p')).error.code, 'PERMISSION_DENIED', 'not of the project');
SELECT ((pg_temp.bring('m.help', :'hm')).evidence).id AS he \gset
SELECT is((api.evidence_put(pg_temp.acc('m.help'), 'en', pg_temp.req(), '\x00', :'he', 0, 'abc')).next_chunk, 1, 'of the matter it helps with');
SELECT is((api.evidence_close(pg_temp.acc('m.help'), 'en', pg_temp.req(), '\x00', :'he')).evidence.state, 'ready', 'it is there');
SELECT is((api.evidence_withdraw(pg_temp.acc('m.help2'), 'en', pg_temp.req(), '\x00', NULL, :'he', 'x')).error.code, 'PERMISSION_DENIED', 'another helping office doesn''t take it back');
SELECT is((api.evidence_withdraw(pg_temp.acc('m.help'), 'en', pg_temp.req(), '\x00', NULL, :'he', 'x')).evidence.state, 'withdrawn', 'it does itself');
SELECT is(pg_temp.said(pg_temp.set('bureau', :'hm', '{"helpers":["dongshan"]}')), 'signed', 'one helps no more');
SELECT is((pg_temp.bring('m.help', :'hm')).error.code, 'PERMISSION_DENIED', 'then it brings nothing');
SELECT is(pg_temp.said(pg_temp.move('bureau', 'withdraw', :'hm', 'x')), 'withdrawn', 'enough');
SELECT registry.set_clock_offset('0') \g /dev/null

-- ---------------------------------------------------------------- the loop
SELECT is(pg_temp.said(pg_temp.move('dongshan', 'sign', :'m')), 'PERMISSION_DENIED', 'a stranger doesn''t sign for it');
SELECT is(pg_temp.said(pg_temp.move('bureau', 'sign', :'m')), 'PERMISSION_DENIED', 'nor the bureau, though it may write everywhere');
SELECT is(pg_temp.said(pg_temp.report('chengguan', :'m', '已办')), 'FAILED_PRECONDITION state', 'no report before the signature');
SELECT is(pg_temp.clock(0), 0, 'nothing is due');
SELECT registry.set_clock_offset('90 minutes') \g /dev/null
SELECT is(pg_temp.said(pg_temp.move('chengguan', 'sign', :'m')), 'signed', 'signed for');
SELECT row_eq(format('SELECT signer, sign_minutes FROM registry.matter WHERE id = %L', :'m'), ROW('chengguan'::text, 90), 'the time to sign is measured');
SELECT is(pg_temp.last(:'m'), 'matter.signed', 'and told');
SELECT matches((pg_temp.move('chengguan', 'sign', :'m')).error.message, '^this matter is signed for by chengguan since 20', 'who comes second is told who was first, and when');
SELECT is(pg_temp.said(pg_temp.set('bureau', :'m', '{"office":"dongshan"}')), 'FAILED_PRECONDITION office', 'the office that signed keeps it');
SELECT is(pg_temp.said(pg_temp.move('chengguan', 'start', :'m')), 'working', 'in hand');
SELECT is(pg_temp.said(pg_temp.close('bureau', :'m')), 'FAILED_PRECONDITION state', 'not closed without report');
SELECT is(pg_temp.said(pg_temp.report('chengguan', :'m', NULL)), 'INVALID_ARGUMENT report', 'a report says something');
SELECT is(pg_temp.said(pg_temp.report('chengguan', :'m', '材料已报')), 'reported', 'reported');
SELECT is(pg_temp.said(pg_temp.close('chengguan', :'m')), 'PERMISSION_DENIED', 'the performer doesn''t close his own');
SELECT is(pg_temp.said(pg_temp.move('chengguan', 'return', :'m', 'x')), 'PERMISSION_DENIED', 'nor send it back');
SELECT is(pg_temp.said(pg_temp.close('dongshan', :'m')), 'PERMISSION_DENIED', 'a stranger neither');
SELECT is(pg_temp.said(pg_temp.move('bureau', 'return', :'m')), 'INVALID_ARGUMENT reason', 'sent back with a reason');
SELECT is(pg_temp.said(pg_temp.move('bureau', 'return', :'m', '缺红线图')), 'working', 'sent back');
SELECT row_eq(format('SELECT returns, reason FROM registry.matter WHERE id = %L', :'m'), ROW(1, '缺红线图'::text), 'counted, with its reason');
SELECT pg_temp.report('chengguan', :'m', '已补红线图') \g /dev/null
SELECT is(pg_temp.said(pg_temp.close('bureau', :'m', 5)), 'INVALID_ARGUMENT satisfaction', 'satisfaction is of enterprises');
SELECT is(pg_temp.said(pg_temp.close('duban', :'m')), 'closed', 'supervision may close it, too');
SELECT is(pg_temp.said(pg_temp.close('bureau', :'m')), 'FAILED_PRECONDITION state', 'once');
SELECT is(pg_temp.said(pg_temp.set('bureau', :'m', '{"demand":"再办"}')), 'FAILED_PRECONDITION state', 'and nothing changes behind that');
-- whoever belongs to both sides
SELECT registry.account_new('both', '辛', 'bureau', 'bureau') \g /dev/null
INSERT INTO registry.membership (account, role, office) VALUES (pg_temp.acc('both'), 'clerk', 'chengguan');
SELECT pg_temp.new('bureau', 'chengguan', 'order', '两头') AS b \gset
SELECT pg_temp.move('both', 'sign', :'b'), pg_temp.report('both', :'b', '办了') \g /dev/null
SELECT is(pg_temp.said(pg_temp.close('both', :'b')), 'PERMISSION_DENIED', 'a role in the performing office: not closed by him');
SELECT is(pg_temp.said(pg_temp.move('both', 'withdraw', :'b', 'x')), 'PERMISSION_DENIED', 'nor withdrawn, now that it was signed for');
UPDATE registry.membership SET ended_at = registry.now() WHERE account = pg_temp.acc('both') AND role = 'clerk';
SELECT is(pg_temp.said(pg_temp.close('both', :'b')), 'PERMISSION_DENIED', 'nor when he has left it: he reported');
SELECT is(pg_temp.said(pg_temp.close('bureau', :'b')), 'closed', 'another does');
-- a request of an enterprise
SELECT pg_temp.new('chengguan', 'fagai', 'request', '用电', '{"enterprise":"甲公司"}') AS q \gset
SELECT registry.account_new('fagaiclerk', '壬', 'fagai', 'clerk') \g /dev/null
SELECT pg_temp.move('fagaiclerk', 'sign', :'q'), pg_temp.report('fagaiclerk', :'q', '已增容') \g /dev/null
SELECT is(pg_temp.said(pg_temp.close('chengguan', :'q', n)), 'INVALID_ARGUMENT satisfaction', 'from 1 to 5, not ' || n) FROM unnest('{0,9}'::int[]) n;
SELECT is(((pg_temp.close('chengguan', :'q', 4)).matter).satisfaction, 4, 'the office that asked closes it, with what the enterprise says');
-- evidence, withdrawal, reviewer
SELECT pg_temp.new('bureau', 'chengguan', 'finding', '整改件', '{"needs_evidence":true,"reviewer":"dongshan"}') AS e \gset
SELECT pg_temp.move('chengguan', 'sign', :'e') \g /dev/null
SELECT is(pg_temp.said(pg_temp.report('chengguan', :'e', '改了')), 'FAILED_PRECONDITION needs_evidence', 'no report without evidence');
SELECT pg_temp.set('bureau', :'e', '{"needs_evidence":false}'), pg_temp.report('chengguan', :'e', '改了') \g /dev/null
SELECT is(pg_temp.said(pg_temp.close('dongshan', :'e')), 'closed', 'the named reviewer closes');
SELECT pg_temp.new('chengguan', 'fagai', 'help', '撤掉') AS w \gset
SELECT is(pg_temp.said(pg_temp.move('fagaiclerk', 'withdraw', :'w', 'x')), 'PERMISSION_DENIED', 'only the issuer withdraws');
SELECT is(pg_temp.said(pg_temp.move('duban', 'withdraw', :'w', 'x')), 'PERMISSION_DENIED', 'not even who may assign');
SELECT is(pg_temp.said(pg_temp.move('chengguan', 'withdraw', :'w', '已自行解决')), 'withdrawn', 'withdrawn');
-- an answer told again
SELECT is(pg_temp.said(pg_temp.set('bureau', NULL, '{"office":"chengguan","class":"order","subject":"重放"}', NULL, 'mt-again')), 'issued', 'issued once');
SELECT is((pg_temp.set('bureau', NULL, '{"office":"chengguan","class":"order","subject":"重放"}', NULL, 'mt-again')).replayed, true, 'and told again');

-- ---------------------------------------------------------------- extension
SELECT pg_temp.new('bureau', 'chengguan', 'assignment', '延期件', jsonb_build_object('due_on', pg_temp.at(5))) AS x \gset
SELECT is(pg_temp.said(pg_temp.extend(w, :'x', d, why)), want, what) FROM (VALUES
    ('bureau', pg_temp.at(9), 'x', 'PERMISSION_DENIED', 'the performer asks'), ('chengguan', pg_temp.at(9), NULL, 'INVALID_ARGUMENT reason', 'with a reason'),
    ('chengguan', pg_temp.at(5), 'x', 'INVALID_ARGUMENT asked_on', 'for more time'), ('chengguan', '2126', 'x', 'INVALID_ARGUMENT asked_on', 'until a day'),
    ('chengguan', pg_temp.at(9), '等批复', 'issued', 'asked for')) v(w, d, why, want, what);
SELECT is(pg_temp.said(pg_temp.extend('chengguan', :'x', pg_temp.at(12), 'x')), 'FAILED_PRECONDITION asked_on', 'one at a time');
SELECT is(pg_temp.said(pg_temp.move('chengguan', 'grant', :'x')), 'PERMISSION_DENIED', 'the performer doesn''t grant it himself');
SELECT is(((pg_temp.move('bureau', 'refuse', :'x', '不够紧')).matter).asked_on, NULL::text, 'refused');
SELECT pg_temp.extend('chengguan', :'x', pg_temp.at(9), '等批复') \g /dev/null
SELECT row_eq(format('SELECT (r).due_on, (r).extensions, (r).asked_on FROM (SELECT (pg_temp.move(''bureau'', ''grant'', %L)).matter AS r OFFSET 0) y', :'x'),
    ROW(pg_temp.at(9), 1, NULL::text), 'granted: the new day');
SELECT is(pg_temp.said(pg_temp.move('bureau', 'grant', :'x')), 'FAILED_PRECONDITION asked_on', 'there is nothing more to grant');

-- ---------------------------------------------------------------- parts
SELECT pg_temp.new('bureau', 'chengguan', 'assignment', '总件', '{"helpers":["fagai"]}') AS t \gset
SELECT is(((pg_temp.split('bureau', :'t', '东山镇')).matter).parts, '{dongshan}'::text[], 'a part for another office');
SELECT is(pg_temp.said(pg_temp.split('bureau', :'t', 'dongshan')), 'INVALID_ARGUMENT office', 'once');
SELECT is(pg_temp.said(pg_temp.split('chengguan', :'t', 'bureau')), 'INVALID_ARGUMENT office', 'the lead office splits among its helpers');
SELECT is(pg_temp.said(pg_temp.split('chengguan', :'t', 'fagai')), 'issued', 'as here');
SELECT is((SELECT string_agg(office || ' ' || issuer_office || ' ' || subject, ', ' ORDER BY office) FROM registry.matter WHERE whole = :'t'),
    'dongshan bureau 总件, fagai chengguan 总件', 'each with who reviews it');
SELECT pg_temp.move('chengguan', 'sign', :'t'), pg_temp.report('chengguan', :'t', '汇总') \g /dev/null
SELECT matches((pg_temp.close('bureau', :'t')).error.message, '^2 parts are not closed yet: 东山镇、发改局', 'the whole waits for its parts');
SELECT is(pg_temp.said(pg_temp.split('bureau', (SELECT id FROM registry.matter WHERE whole = :'t' AND office = 'dongshan'), 'fagai')), 'FAILED_PRECONDITION whole', 'a part has none itself');
SELECT is(pg_temp.said(pg_temp.set('bureau', NULL, jsonb_build_object('office', 'fagai', 'class', 'order', 'subject', 'x', 'whole',
    (SELECT id FROM registry.matter WHERE whole = :'t' AND office = 'dongshan')))), 'INVALID_ARGUMENT whole', 'nor is anything a part of it');
SELECT pg_temp.move('bureau', 'return', :'t', '再议') \g /dev/null
SELECT is(pg_temp.said(pg_temp.set('bureau', NULL, jsonb_build_object('office', 'fagai', 'class', 'order', 'subject', '分项', 'whole', :'t'))), 'issued', 'a part with words of its own');
SELECT is((SELECT parts FROM registry.matter WHERE id = :'t'), '{dongshan,fagai,fagai}'::text[], 'the whole learns of it');
SELECT is(pg_temp.said(pg_temp.move('bureau', 'withdraw', :'t', '合并办理')), 'withdrawn', 'the whole goes');
SELECT is((SELECT count(*) FROM registry.matter WHERE whole = :'t' AND state = 'withdrawn'), 3::bigint, 'and its parts with it');

-- ---------------------------------------------------------------- time alone
SELECT pg_temp.clock(0) \g /dev/null
SELECT pg_temp.new('bureau', 'chengguan', 'order', '到点', jsonb_build_object('due_on', pg_temp.at(10), 'superior', 'boss')) AS d \gset
SELECT registry.due_next_ms() IS NOT NULL AS a \g /dev/null
SELECT pg_temp.clock(8) \g /dev/null
SELECT row_eq(format('SELECT light, reminders, pg_temp.last(id) FROM registry.matter WHERE id = %L', :'d'), ROW('none'::text, 1, 'matter.reminded'::text), 'two days before: a reminder');
SELECT is((api.due_fire(500)).fired, 0, 'once');
SELECT pg_temp.clock(11) \g /dev/null
SELECT row_eq(format('SELECT light, reminders, pg_temp.last(id), escalated_to FROM registry.matter WHERE id = %L', :'d'), ROW('blue'::text, 1, 'matter.overdue'::text, NULL::text), 'the day after: blue, no reminder for the clock''s jump');
SELECT pg_temp.clock(12) \g /dev/null
SELECT row_eq(format('SELECT light, escalated_to FROM registry.matter WHERE id = %L', :'d'), ROW('yellow'::text, 'boss'::text), 'yellow: the superior is named');
SELECT is((SELECT c.fields #>> '{34,1}' FROM registry.change c JOIN registry.entry e USING (grp, ord) WHERE c.object = :'d' AND e.actor = 'registry' ORDER BY c.version DESC LIMIT 1), 'boss', 'in the registry''s own entry');
SELECT is(pg_temp.said(pg_temp.extend('chengguan', :'d', pg_temp.at(20), 'x')), 'FAILED_PRECONDITION due_on', 'too late to ask for time');
SELECT pg_temp.clock(14) \g /dev/null
SELECT row_eq(format('SELECT light, turn_at FROM registry.matter WHERE id = %L', :'d'), ROW('red'::text, NULL::timestamptz), 'red, and nothing more to come');
SELECT is(pg_temp.mine('boss', 'overdue'), '督办件 到点', 'in the list of the superior, beside those of his office');
SELECT is(position('到点' IN pg_temp.mine('dongshan', 'overdue')), 0, 'in no stranger''s');
SELECT is(pg_temp.said(pg_temp.move('chengguan', 'sign', :'d')), 'signed', 'work goes on');
SELECT is(((pg_temp.set('bureau', :'d', jsonb_build_object('due_on', pg_temp.at(30)))).matter).light, 'none', 'more time: the light goes out');
SELECT ok((SELECT turn_at > registry.now() AND escalated_to IS NULL FROM registry.matter WHERE id = :'d'), 'and its clock runs again');
SELECT registry.set_clock_offset('46 days') \g /dev/null
SELECT row_eq(format('SELECT (m).light, (m).escalated_to FROM (SELECT (pg_temp.report(''chengguan'', %L, ''办妥'')).matter AS m OFFSET 0) x', :'d'), ROW('yellow'::text, 'boss'::text), 'reported before its turn fired: as late as it is');
SELECT pg_temp.clock(31) \g /dev/null
SELECT row_eq(format('SELECT (r).light, (r).escalated_to FROM (SELECT (pg_temp.move(''bureau'', ''withdraw'', %L, ''不再需要'')).matter AS r OFFSET 0) y', :'d'),
    ROW('none'::text, NULL::text), 'overdue again, then withdrawn: no light');
SELECT pg_temp.clock(0) \g /dev/null

-- ---------------------------------------------------------------- lists
UPDATE registry.matter SET state = 'withdrawn' WHERE state NOT IN ('closed', 'withdrawn');
SELECT pg_temp.new('bureau', 'chengguan', 'assignment', '签', jsonb_build_object('due_on', pg_temp.at(3))) AS l1 \gset
SELECT pg_temp.new('bureau', 'chengguan', 'assignment', '办', jsonb_build_object('due_on', pg_temp.at(2))) AS l2 \gset
SELECT pg_temp.new('bureau', 'dongshan', 'assignment', '核', jsonb_build_object('due_on', pg_temp.at(1), 'helpers', '["chengguan"]'::jsonb, 'project', :'p')) AS l3 \gset
SELECT pg_temp.new('bureau', 'dongshan', 'assignment', '报', jsonb_build_object('due_on', pg_temp.at(4))) AS l4 \gset
SELECT pg_temp.move('dongshan', 'sign', :'l4'), pg_temp.report('dongshan', :'l4', '好') \g /dev/null
SELECT pg_temp.move('chengguan', 'sign', :'l2'), pg_temp.move('dongshan', 'sign', :'l3'), pg_temp.report('dongshan', :'l3', '好') \g /dev/null
SELECT is(pg_temp.mine(w, l), want, why) FROM (VALUES ('chengguan', 'sign', '签', 'mine to sign'), ('chengguan', 'do', '办', 'to do'),
    ('chengguan', 'review', '', 'nothing to review for who performs'), ('bureau', 'review', '核 报', 'to review'), ('chengguan', NULL, '核 办 签', 'all, by deadline'),
    ('dongshan', NULL, '核 报', 'of one''s own offices'), ('chengguan', 'overdue', '', 'nothing overdue')) v(w, l, want, why);
SELECT pg_temp.extend('chengguan', :'l2', pg_temp.at(9), '等') \g /dev/null
SELECT is(pg_temp.mine('bureau', 'review'), '核 办 报', 'what asks for time is to be answered');
SELECT is((api.matter_mine(pg_temp.acc('chengguan'), 'en', 'lost', NULL, NULL, NULL)).error.field, 'what', 'no such list');
-- a turn comes for one of another list
SELECT pg_temp.clock(4) \g /dev/null
SELECT is(pg_temp.mine('chengguan', 'overdue'), '办 签', 'overdue; what was reported in time is not');
SELECT pg_temp.clock(0) \g /dev/null
SELECT is((SELECT count(*) FROM unnest((api.matter_list(pg_temp.acc('dongshan'), 'en', '[{"field":"state","op":"=","values":["已反馈"]}]', NULL, NULL, NULL)).rows)), 2::bigint, 'by state, as people call it');

-- ---------------------------------------------------------------- watched
CREATE FUNCTION pg_temp.chosen(terms jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found_rows text;
BEGIN
    EXECUTE format('SELECT string_agg(p.subject, '' '' ORDER BY p.due_on) FROM registry.matter p WHERE length(subject) = 1 AND %s', registry.watch_sql('matter', terms)) INTO found_rows;
    RETURN found_rows;
END $$;
SELECT is(pg_temp.chosen(format('[{"field":"office","op":"=","values":["%s"]},{"field":"kind","op":"=","values":["matter"]}]', o)::jsonb), want, why)
FROM (VALUES ('dongshan', '核 报', 'a snapshot of an office''s matters'), ('chengguan', '核 办 签', 'and of those it helps with')) v(o, want, why);
SELECT is(pg_temp.chosen('[{"field":"office","op":"!=","values":["chengguan"]}]'), '报', 'not of those it helps with');
SELECT is(pg_temp.chosen(format('[{"field":"project","op":"=","values":["%s"]}]', :'l3')::jsonb), '核', 'one by its own id, though it has a project');
SELECT is((registry.watch_fault(pg_temp.acc('dongshan'), 'en', format('[{"field":"project","op":"=","values":["%s"]}]', v)::jsonb)).code, want, why)
FROM (VALUES (:'l3', NULL, 'a record may be watched'), ('mt000000000000000', 'NOT_FOUND', 'not one that isn''t there')) v(v, want, why);

-- ---------------------------------------------------------------- history, issue from elsewhere
SELECT is((SELECT string_agg(x.type, ' ' ORDER BY x.version) FROM unnest((api.record_log(pg_temp.acc('dongshan'), 'en', :'m', NULL, NULL)).rows) x),
    'matter.added matter.changed matter.signed matter.working matter.reported matter.working matter.reported matter.closed', 'its history');
SELECT is((api.record_log(pg_temp.acc('dongshan'), 'en', pg_temp.new('bureau', 'chengguan', 'order', '密件', jsonb_build_object('project', :'hidden')), NULL, NULL)).error.code, 'NOT_FOUND', 'hidden is absent');
SELECT is((api.record_log(pg_temp.acc('dongshan'), 'en', :'p', NULL, NULL)).error.code, 'NOT_FOUND', 'a project is no record');
SELECT registry.matter_issue(pg_temp.acc('bureau'), 'decision', 'fagai', NULL, '会议议定', NULL, 'mg1') AS i \gset
SELECT row_eq(format('SELECT "of", due_on::text, state, turn_at IS NOT NULL FROM registry.matter WHERE id = %L', :'i'),
    ROW('mg1'::text, registry.workday_after(registry.today(), 15)::text, 'issued'::text, true), 'issued inside somebody else''s change');

-- ---------------------------------------------------------------- rules that change
CREATE FUNCTION pg_temp.stands(p_id text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', m.light, m.version, (m.turn_at AT TIME ZONE 'Asia/Shanghai')::date - m.due_on::date) FROM registry.matter m WHERE m.id = p_id $$;
SELECT registry.set_clock_offset('0') \g /dev/null
SELECT pg_temp.new('bureau', 'chengguan', 'order', '规则变更', jsonb_build_object('due_on', pg_temp.at(9))) AS rc \gset
CREATE TEMP TABLE rules AS SELECT * FROM registry.matter_rule WHERE rule_set = 1;
UPDATE registry.matter_rule SET remind = '{5}', yellow = 4, red = 8 WHERE class = 'order';
SELECT is(pg_temp.stands(:'rc'), 'none 1 -5', 'another day to remind holds at once; nothing is told of that');
UPDATE registry.matter_rule SET remind = '{3}' WHERE class = 'order';
SELECT is(pg_temp.stands(:'rc'), 'none 1 -3', 'and one that comes later');
SELECT registry.set_clock_offset('11 days') \g /dev/null
SELECT set_config('qipan.now', '', true), api.due_fire(500) \g /dev/null
SELECT is(pg_temp.stands(:'rc'), 'blue 2 4', 'two days late');
UPDATE registry.matter_rule SET yellow = 2 WHERE class = 'order';
SELECT is(pg_temp.stands(:'rc'), 'yellow 3 8', 'a colour that comes earlier is lit with the rule');
SELECT matches((SELECT e.actor FROM registry.change c JOIN registry.entry e USING (grp, ord) WHERE c.object = :'rc' AND c.version = 3), '^db:', 'as a change of who changed the rule');
INSERT INTO registry.rule_set (id, name, year, note) VALUES (77, '试行', 2027, 'a test');
INSERT INTO registry.matter_rule SELECT 77, class, days, remind, 2, 3, escalate FROM rules;
SELECT registry.set_clock_offset('12 days'), set_config('qipan.now', '', true) \g /dev/null
SELECT is(pg_temp.stands(:'rc'), 'yellow 3 8', 'one that is not in force changes nothing');
UPDATE registry.rule_set SET in_force = false WHERE in_force;
UPDATE registry.rule_set SET in_force = true WHERE id = 77;
SELECT is(pg_temp.stands(:'rc'), 'red 4', 'nor does it wait for a turn once it is');
SELECT is((SELECT due_on::text FROM registry.matter WHERE id = :'rc'), pg_temp.at(-3), 'the deadline stays');
UPDATE registry.rule_set SET in_force = false WHERE in_force;
UPDATE registry.rule_set SET in_force = true WHERE id = 1;
SELECT is(pg_temp.stands(:'rc'), 'yellow 5 8', 'and back');
UPDATE registry.matter_rule m SET (days, remind, yellow, red) = (r.days, r.remind, r.yellow, r.red) FROM rules r WHERE m.rule_set = 1 AND m.class = r.class;
SELECT pg_temp.move('bureau', 'withdraw', :'rc', 'x') AS x, registry.set_clock_offset('0') \g /dev/null
SELECT * FROM finish();
