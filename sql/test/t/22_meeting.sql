-- SPDX-License-Identifier: Apache-2.0
-- Meetings and inspections, offices that change, hand-over.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.said(e api.error) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', (e).code, (e).field) $$;
CREATE FUNCTION pg_temp.meet(who text, id text, set jsonb) RETURNS api.meeting_reply LANGUAGE sql AS $$
    SELECT api.meeting_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, set, NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.step(op text, who text, id text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r jsonb;
BEGIN
    EXECUTE format('SELECT to_jsonb(api.%I(pg_temp.acc($1), ''en'', pg_temp.req(), ''\x00'', $2, NULL))', op) INTO r USING who, id;
    RETURN concat_ws(' ', r #>> '{error,code}', r #>> '{error,field}');
END $$;
CREATE FUNCTION pg_temp.agenda(p_meeting text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', a.source, a.office, a.state), ', ' ORDER BY a.rank) FROM registry.agenda a WHERE a.meeting = p_meeting $$;
CREATE FUNCTION pg_temp.item(who text, set jsonb) RETURNS api.agenda_reply LANGUAGE sql AS $$
    SELECT api.agenda_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, NULL, set, NULL, NULL, NULL) $$;
SELECT no_plan();
UPDATE registry."case" SET state = 'withdrawn' WHERE registry.case_open(state); -- what other tests left would be on every agenda
SELECT registry.set_clock_offset(timestamptz '2001-06-01 12:00+08' - now()) AS at \gset
SELECT registry.account_new('head', '镇长', 'chengguan', 'approver') AS x, registry.account_new('east', '丙二', 'dongshan', 'clerk') AS y, registry.account_new('watcher', '督', 'bureau', 'supervisor') AS w,
    registry.account_new('twice', '两处', 'chengguan', 'clerk') AS z \gset
INSERT INTO registry.membership (account, role, office) SELECT pg_temp.acc('twice'), 'clerk', 'dongshan';

-- ---------------------------------------------------------------- meetings
SELECT (pg_temp.add('chengguan', '{"name":"会上停滞","stage":"talks"}')).project.id AS stale \gset
SELECT (pg_temp.add('dongshan', '{"name":"会上停滞二","stage":"talks"}')).project.id AS stale_east \gset
SELECT (pg_temp.add('dongshan', '{"name":"会上机密","stage":"talks","restricted":true}')).project.id AS secret \gset
SELECT registry.set_clock_offset(timestamptz '2001-09-01 12:00+08' - now()) AS at \gset
SELECT (pg_temp.add('dongshan', '{"name":"会上新项目","stage":"talks"}')).project.id AS fresh \gset
SELECT (pg_temp.meet('bureau', NULL, '{"class":"例会","held_on":"2001-09-03","chair":"县长"}')).meeting.id AS m \gset
SELECT matches(:'m'::text, '^mg[0-9a-f]{15}$', 'a meeting');
SELECT is(pg_temp.said((pg_temp.meet(w, NULL, s::jsonb)).error), want, why) FROM (VALUES
    ('chengguan', '{"class":"regular","held_on":"2001-09-02","office":"dongshan"}', 'PERMISSION_DENIED', 'not of another office'),
    ('sysadmin', '{"class":"regular","held_on":"2001-09-02"}', 'PERMISSION_DENIED', 'officers call none'),
    ('chengguan', '{"class":"party","held_on":"2001-09-02"}', 'INVALID_ARGUMENT class', 'no such class'),
    ('chengguan', '{"class":"regular"}', 'INVALID_ARGUMENT held_on', 'it needs a day'),
    ('leader', '{"class":"dispatch","held_on":"2001-09-02"}', '', 'a leader calls one')) v(w, s, want, why);
SELECT is(pg_temp.step('meeting_draw', 'bureau', :'m'), '', 'the agenda is drawn');
SELECT is(pg_temp.agenda(:'m'), 'stale chengguan open, stale dongshan open, stale dongshan open', 'what stands, the longest first; not what is new');
SELECT is(pg_temp.step('meeting_draw', 'bureau', :'m'), '', 'drawn again');
SELECT is((SELECT count(*) FROM registry.agenda WHERE meeting = :'m'), 3::bigint, 'nothing comes twice');
SELECT is((SELECT count(*) FROM unnest((api.agenda_list(pg_temp.acc('chengguan'), 'en', jsonb_build_array(jsonb_build_object('field', 'meeting', 'values', jsonb_build_array(:'m'))), NULL, NULL, NULL)).rows)),
    2::bigint, 'what is restricted is not on another''s agenda');
SELECT matches((SELECT subject FROM registry.agenda WHERE meeting = :'m' AND project = :'stale'), '会上停滞:自 2001-06-01 无进展,现为“在谈”', 'the item says why');
SELECT is((SELECT array_agg(DISTINCT e.op) FROM registry.change c JOIN registry.entry e ON e.grp = c.grp AND e.ord = c.ord JOIN registry.agenda a ON a.id = c.object WHERE a.meeting = :'m'),
    '{meeting_draw}', 'one entry holds the draw');
SELECT api.activity_set(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'stale_east', 'class', 'talk', 'held_on', '2001-08-30'), NULL, NULL, NULL) AS x \gset
SELECT (pg_temp.meet('dongshan', NULL, '{"class":"regular","held_on":"2001-09-01"}')).meeting.id AS own \gset
SELECT is(pg_temp.step('meeting_draw', 'dongshan', :'own'), '', 'an office draws its own');
SELECT is(pg_temp.agenda(:'own'), 'stale dongshan open', 'about its own projects, and not those with an activity');
SELECT (pg_temp.meet('watcher', NULL, '{"class":"dispatch","held_on":"2001-09-03"}')).meeting.id AS watched \gset
SELECT is(pg_temp.step('meeting_draw', 'watcher', :'watched'), '', 'who gives tasks draws one');
SELECT is((SELECT count(*) FROM registry.agenda WHERE meeting = :'watched' AND project = :'secret'), 0::bigint, 'nobody puts on an agenda what he doesn''t see');
SELECT is(pg_temp.said((api.meeting_hold(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', :'own', NULL, NULL)).error), '', 'an office holds its own');
SELECT is(pg_temp.said((api.meeting_decide(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', NULL, (SELECT id FROM registry.agenda WHERE meeting = :'own'), '办', o, '2001-12-31', NULL)).error), want, why)
FROM (VALUES ('fagai', 'PERMISSION_DENIED office', 'it gives no tasks to another'), ('dongshan', '', 'but to itself')) v(o, want, why);
SELECT (pg_temp.item('bureau', jsonb_build_object('meeting', :'m', 'subject', '下月安排', 'office', 'fagai'))).agenda.id AS item \gset
SELECT is(pg_temp.agenda(:'m'), 'stale chengguan open, stale dongshan open, stale dongshan open, manual fagai open', 'an item of one''s own comes last');
SELECT is(pg_temp.said((pg_temp.item(w, jsonb_build_object('meeting', m, 'subject', '题'))).error), want, why) FROM (VALUES
    ('chengguan', :'m', 'PERMISSION_DENIED', 'not on another''s meeting'), ('bureau', 'mg000000000000000', 'NOT_FOUND meeting', 'on no meeting')) v(w, m, want, why);
SELECT is(pg_temp.step('meeting_close', 'bureau', :'m'), 'FAILED_PRECONDITION state', 'what was not held cannot be closed');
SELECT is(pg_temp.said((api.meeting_hold(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'m', NULL, NULL)).error), 'INVALID_ARGUMENT held_on', 'not before its day');
SELECT is(pg_temp.said((api.meeting_hold(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'m', '2001-09-01', NULL)).error), '', 'or it is moved');
SELECT is(((pg_temp.meet('bureau', :'m', '{"minutes":"一、听取汇报","attendees":"各单位"}')).meeting).state, 'held', 'minutes while it is held');
CREATE FUNCTION pg_temp.decide(who text, id text, decision text, office text, due_on text) RETURNS api.agenda_reply LANGUAGE sql AS $$
    SELECT api.meeting_decide(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, decision, office, due_on, NULL) $$;
SELECT a.id AS hidden_item FROM registry.agenda a WHERE a.meeting = :'m' AND a.project = :'secret' \gset
SELECT (pg_temp.item('bureau', jsonb_build_object('meeting', :'m', 'subject', '用地', 'project', :'stale'))).agenda.id AS land,
    (pg_temp.item('bureau', jsonb_build_object('meeting', :'m', 'subject', '通报'))).agenda.id AS heard \gset
SELECT is(pg_temp.said((pg_temp.decide(w, i, d, o, t)).error), want, why) FROM (VALUES
    ('chengguan', :'land', '报红线图', 'fagai', '2001-09-20', 'PERMISSION_DENIED', 'another office decides nothing'),
    ('bureau', :'land', '', 'fagai', '2001-09-20', 'INVALID_ARGUMENT decision', 'a decision says something'),
    ('bureau', :'land', '报红线图', 'fagai', '2001-08-20', 'INVALID_ARGUMENT due_on', 'not for yesterday'),
    ('bureau', :'land', '报红线图', 'fagai', '2026-10', 'INVALID_ARGUMENT due_on', 'for a whole day'),
    ('bureau', :'land', '报红线图', 'nowhere', '2001-09-20', 'INVALID_ARGUMENT office', 'of an office that is there'),
    ('bureau', :'hidden_item', '报红线图', 'fagai', '2001-09-20', 'INVALID_ARGUMENT office', 'that sees the project'),
    ('bureau', :'land', '九月二十日前报红线图', 'fagai', '2001-09-20', '', 'decided'),
    ('bureau', :'land', '再议', 'fagai', '2001-09-20', 'FAILED_PRECONDITION state', 'once'),
    ('bureau', :'heard', '同意', NULL, NULL, '', 'or just recorded')) v(w, i, d, o, t, want, why);
SELECT row_eq(format('SELECT class, office, project, subject, due_on::text, state, issuer FROM registry.matter WHERE of = %L', :'land'),
    ROW('decision'::text, 'fagai'::text, :'stale'::text, '九月二十日前报红线图'::text, '2001-09-20'::text, 'issued'::text, 'bureau'::text), 'it is a matter of the office named');
SELECT is_empty(format('SELECT FROM registry.matter WHERE of = %L', :'heard'), 'what has no day is none');
SELECT is(pg_temp.said((api.agenda_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, :'item', '{"decision":"x"}', NULL, NULL, NULL)).error), 'INVALID_ARGUMENT decision', 'a decision is not written by the way');
SELECT is(pg_temp.step('meeting_close', 'bureau', :'m'), '', 'closed');
SELECT is(pg_temp.said((pg_temp.meet('bureau', :'m', '{"minutes":"改"}')).error), 'FAILED_PRECONDITION state', 'then the minutes stand');
SELECT matches((pg_temp.meet('bureau', :'m', '{"minutes":"改"}')).error.message, 'it is closed \(by 甲 on 2001-09-01\)', 'and who closed it is said');
SELECT is(pg_temp.agenda(:'m'), 'stale chengguan deferred, stale dongshan deferred, stale dongshan deferred, manual fagai deferred, manual fagai decided, manual bureau decided', 'what was not decided waits');
SELECT is(pg_temp.said((api.meeting_next(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', :'m', '2001-10-01', NULL)).error), 'PERMISSION_DENIED', 'another office doesn''t open the next');
SELECT is(pg_temp.said((api.meeting_next(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'m', NULL, NULL)).error), 'INVALID_ARGUMENT held_on', 'the next needs a day');
SELECT is(pg_temp.said((api.meeting_next(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'m', '2001-08-31', NULL)).error), 'INVALID_ARGUMENT held_on', 'and none before this one');
SELECT (api.meeting_next(pg_temp.acc('bureau'), 'en', 'next-1', '\x00', :'m', '2001-10-01', NULL)).meeting AS r \gset
SELECT (:'r'::api.meeting).id AS next \gset
SELECT row_eq(format('SELECT (m).previous, (m).class, (m).chair, (m).state FROM (SELECT %L::api.meeting AS m) x', :'r'), ROW(:'m'::text, 'regular'::text, '县长'::text, 'planned'::text), 'the next of its series');
SELECT is(pg_temp.agenda(:'next'), 'unfinished fagai open, unfinished dongshan open, unfinished chengguan open, unfinished dongshan open, unfinished dongshan open, unfinished fagai open', 'it opens with the unfinished: first what was decided and not done');
SELECT is((api.meeting_next(pg_temp.acc('bureau'), 'en', 'next-1', '\x00', :'m', '2001-10-01', NULL)).replayed, true, 'asked again, nothing is made twice');
SELECT row_eq(format($$ SELECT ((x.r).error).code, ((x.r).error).message LIKE '%%2001-10-01, %s' FROM (SELECT api.meeting_next(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', %L, '2001-10-08', NULL) AS r) x $$, :'next', :'m'), ROW('ALREADY_EXISTS'::text, true), 'nor by who asks for it anew: the one that is there is named');
SELECT is(pg_temp.step('meeting_draw', 'bureau', :'next'), '', 'drawn on');
SELECT is((SELECT count(*) FROM registry.agenda WHERE meeting = :'next'), 6::bigint, 'an unfinished item is not stale as well');
SELECT registry.set_clock_offset(timestamptz '2001-10-01 12:00+08' - now()) AS at \gset
SELECT is(((api.meeting_hold(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'next', NULL, NULL)).error).code, NULL, 'the next is held');
SELECT is(pg_temp.step('meeting_close', 'bureau', :'next'), '', 'and closed');
SELECT (api.meeting_next(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'next', '2001-11-01', NULL)).meeting AS r \gset
SELECT is(pg_temp.agenda((:'r'::api.meeting).id), replace(pg_temp.agenda(:'next'), 'deferred', 'open'), 'a decision not carried out, whose item was put off, opens the one behind once');
SELECT registry.set_clock_offset(timestamptz '2001-09-25 12:00+08' - now()) AS at \gset
SELECT (pg_temp.meet('leader', NULL, '{"class":"special","held_on":"2001-09-26"}')).meeting.id AS special \gset
SELECT is(pg_temp.step('meeting_draw', 'leader', :'special'), '', 'a leader draws');
SELECT is((SELECT string_agg(subject, ' ') FROM registry.agenda WHERE meeting = :'special' AND source IN ('unfinished', 'overdue')), '九月二十日前报红线图(应于 2001-09-20 办结,待签收) 办(应于 2001-12-31 办结,待签收)', 'an overdue decision comes once, as unfinished');
SELECT registry.matter_issue(pg_temp.acc('bureau'), 'order', 'fagai', NULL, '督办用地', '2001-09-26', NULL) AS late \gset
SELECT registry.set_clock_offset(timestamptz '2001-09-28 12:00+08' - now()) AS at \gset
SELECT is(pg_temp.step('meeting_draw', 'leader', :'special'), '', 'drawn again some days later');
SELECT is((SELECT string_agg(source || ' ' || subject, ' ') FROM registry.agenda WHERE meeting = :'special' AND of = :'late'), 'overdue 督办用地(应于 2001-09-26 办结,待签收)', 'what became overdue is added');
SELECT (api.case_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('class', 'exit', 'project', :'stale', 'subject', '长期停滞'), NULL, NULL, NULL))."case".id AS exit \gset
SELECT is(pg_temp.step('meeting_draw', 'leader', :'special'), '', 'with a case under way');
SELECT is((SELECT count(*) FROM registry.agenda WHERE of = :'exit'), 0::bigint, 'a case is on the agenda when all its steps are done');
UPDATE registry."case" c SET state = (SELECT x.step FROM registry.case_step x WHERE (x.rule_set, x.class) = (c.rule_set, c.class) ORDER BY x.rank DESC LIMIT 1) WHERE c.id = :'exit';
SELECT is(pg_temp.step('meeting_draw', 'leader', :'special'), '', 'with one that waits');
SELECT is((SELECT source || ' ' || subject FROM registry.agenda WHERE of = :'exit'), 'decision 退出:长期停滞(自 2001-09-28 待裁定)', 'then it is');
SELECT registry.set_clock_offset(timestamptz '2001-09-01 12:00+08' - now()) AS at \gset

-- ---------------------------------------------------------------- inspections
CREATE FUNCTION pg_temp.round(who text, set jsonb) RETURNS api.round_reply LANGUAGE sql AS $$
    SELECT api.round_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, NULL, set, NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.nominate(who text, round text, project text) RETURNS api.inspection_reply LANGUAGE sql AS $$
    SELECT api.inspection_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('round', round, 'project', project), NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.score(who text, id text, marks text[], finding text DEFAULT NULL) RETURNS api.inspection_reply LANGUAGE sql AS $$
    SELECT api.inspection_score(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, marks, finding, NULL) $$;
SELECT is((SELECT string_agg(inspector || '>' || office, ' ') FROM registry.inspection_pairs('2026-1', '{chengguan,dongshan,fagai,jingkai}')),
    (SELECT string_agg(a || '>' || b, ' ' ORDER BY n) FROM (
        SELECT o[n] AS a, o[CASE WHEN n % 2 = 1 THEN n + 1 ELSE n - 1 END] AS b, n
        FROM (SELECT array_agg(c ORDER BY encode(sha256(('2026-1 ' || c)::bytea), 'hex')) AS o FROM unnest('{chengguan,dongshan,fagai,jingkai}'::text[]) c) x, generate_series(1, 4) n) y),
    'an even number: neighbours inspect each other');
SELECT is_empty($$ SELECT s FROM generate_series(1, 60) s, LATERAL (SELECT array_agg('o' || k) AS o FROM generate_series(1, 2 + s % 9) k) x,
    LATERAL (SELECT count(*) AS n, count(DISTINCT inspector) AS i, count(DISTINCT office) AS f, bool_or(inspector = office) AS self FROM registry.inspection_pairs(s::text, x.o)) p
    WHERE p.self OR (p.n, p.i, p.f) IS DISTINCT FROM (2::bigint + s % 9, 2::bigint + s % 9, 2::bigint + s % 9) $$, 'of any number everybody inspects one and is inspected by one, not himself');
SELECT is((SELECT string_agg(office, ' ' ORDER BY n) FROM (SELECT office, row_number() OVER () AS n FROM registry.inspection_pairs('s', '{a,b,c}')) x),
    (SELECT o[2] || ' ' || o[3] || ' ' || o[1] FROM (SELECT array_agg(c ORDER BY encode(sha256(('s ' || c)::bytea), 'hex')) AS o FROM unnest('{a,b,c}'::text[]) c) x), 'an odd number is a ring');
SELECT isnt((SELECT string_agg(inspector || office, ' ') FROM registry.inspection_pairs('1', '{a,b,c,d,e,f,g}')), (SELECT string_agg(inspector || office, ' ') FROM registry.inspection_pairs('2', '{a,b,c,d,e,f,g}')), 'another seed, other pairs');
SELECT (pg_temp.round('bureau', '{"name":"三季度互查","class":"互查","begin_on":"2001-09-01","until_on":"2001-09-30","offices":["城关镇","dongshan","fagai"]}')).round.id AS rd \gset
SELECT is((SELECT offices FROM registry.round WHERE id = :'rd'), '{chengguan,dongshan,fagai}'::text[], 'words become codes');
SELECT is(pg_temp.said((pg_temp.round(w, s::jsonb)).error), want, why) FROM (VALUES
    ('chengguan', '{"name":"x","class":"mutual","begin_on":"2001-09-01","until_on":"2001-09-30"}', 'PERMISSION_DENIED', 'a clerk lays out no round'),
    ('bureau', '{"name":"x","class":"mutual","begin_on":"2001-09-01","until_on":"2001-08-30"}', 'INVALID_ARGUMENT until_on', 'it cannot end before it begins'),
    ('bureau', '{"name":"x","class":"mutual","begin_on":"2001-09-01","until_on":"2001-09-30","offices":["xyz"]}', 'INVALID_ARGUMENT offices', 'no such office')) v(w, s, want, why);
SELECT is(pg_temp.said((pg_temp.nominate('chengguan', :'rd', :'stale')).error), '', 'an office nominates a project');
SELECT is(pg_temp.said((pg_temp.nominate(w, :'rd', p)).error), want, why) FROM (VALUES
    ('chengguan', :'stale', 'ALREADY_EXISTS project', 'once'), ('chengguan', :'stale_east', 'PERMISSION_DENIED', 'its own'),
    ('dongshan', :'secret', 'FAILED_PRECONDITION project', 'nothing restricted')) v(w, p, want, why);
SELECT is(pg_temp.said((api.inspection_draw(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', :'rd', 'x', NULL)).error), 'PERMISSION_DENIED', 'a clerk draws nothing');
SELECT is(((api.inspection_draw(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'rd', '2026Q3', NULL)).round).state, 'drawn', 'drawn');
SELECT set_eq(format('SELECT inspector, office FROM registry.inspection WHERE round = %L', :'rd'), $$ SELECT * FROM registry.inspection_pairs('2026Q3', '{chengguan,dongshan,fagai}') $$, 'as anybody can find out');
SELECT is((SELECT state || ' ' || count(*) FROM registry.inspection WHERE round = :'rd' GROUP BY state), 'open 3', 'a nominated project is what its office is inspected for');
SELECT is(pg_temp.said((api.inspection_draw(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'rd', 'again', NULL)).error), 'FAILED_PRECONDITION state', 'once');
SELECT is((SELECT count(*) FROM registry.round WHERE seed = '2026Q3'), 1::bigint, 'the seed is kept');
-- put the pairs so that names below are clear: chengguan is inspected by dongshan
SELECT (pg_temp.round('bureau', '{"name":"两镇","class":"mutual","begin_on":"2001-09-01","until_on":"2001-09-30","offices":["chengguan","dongshan"]}')).round.id AS two \gset
SELECT matches(((api.inspection_draw(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'two', NULL, NULL)).round).seed, '^[0-9a-f]{32}$', 'without a seed one is made');
SELECT id AS i FROM registry.inspection WHERE round = :'two' AND office = 'chengguan' \gset
\set marks '{progress=80,evidence=90.5,跟踪服务=70,site=100}'
SELECT is(pg_temp.said((pg_temp.score(w, :'i', m::text[])).error), want, why) FROM (VALUES
    ('chengguan', :'marks', 'PERMISSION_DENIED office', 'nobody scores his own office'),
    ('twice', :'marks', 'PERMISSION_DENIED office', 'nor who has a role in both'),
    ('head', :'marks', 'PERMISSION_DENIED office', 'nor its approver'),
    ('dongshan', '{progress=80}', 'INVALID_ARGUMENT marks', 'every criterion'),
    ('dongshan', '{progress=80,evidence=90,service=70,site=101}', 'INVALID_ARGUMENT marks', 'up to a hundred'),
    ('dongshan', '{progress=80,evidence=90,service=70,site=x}', 'INVALID_ARGUMENT marks', 'numbers'),
    ('dongshan', '{progress=80,progress=90,service=70,site=1}', 'INVALID_ARGUMENT marks', 'each once'),
    ('dongshan', '{progress=80,evidence=90,service=70,luck=1}', 'INVALID_ARGUMENT marks', 'no others')) v(w, m, want, why);
SELECT row_eq(format('SELECT (i).score, (i).state, (i).marks, (i).scored_by FROM (SELECT (pg_temp.score(''dongshan'', %L, %L, ''台账不全'')).inspection AS i) x', :'i', :'marks'),
    ROW('84.1'::text, 'scored'::text, '{progress=80,evidence=90.5,service=70,site=100}'::text[], 'dongshan'::text), 'the mean by weight: (80·40 + 90.5·20 + 70·20 + 100·20) / 100');
SELECT is(pg_temp.said((api.inspection_close(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', :'i', '2001-10-01', NULL)).error), 'PERMISSION_DENIED', 'who scored doesn''t close');
SELECT is(pg_temp.said((api.inspection_close(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'i', NULL, NULL)).error), 'INVALID_ARGUMENT due_on', 'a finding has a day');
SELECT is(pg_temp.said((api.inspection_close(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'i', '2001-10-01', NULL)).error), '', 'with one it is closed');
SELECT row_eq(format('SELECT class, office, subject, due_on::text FROM registry.matter WHERE of = %L', :'i'), ROW('finding'::text, 'chengguan'::text, '台账不全'::text, '2001-10-01'::text), 'and the finding is a matter of who was inspected');
SELECT is(pg_temp.step('round_close', 'bureau', :'two'), 'FAILED_PRECONDITION state', 'a round with open inspections is not over');
SELECT id AS j FROM registry.inspection WHERE round = :'two' AND office = 'dongshan' \gset
SELECT is(pg_temp.said((pg_temp.score('chengguan', :'j', '{progress=100,evidence=100,service=100,site=99.99}')).error), '', 'the other way round');
SELECT is(pg_temp.said((api.inspection_close(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'j', NULL, NULL)).error), '', 'without a finding it is just closed');
SELECT is((SELECT string_agg(concat_ws(' ', x.office, x.inspectors, x.scored, x.score_mean), ', ') FROM unnest((api.round_results(pg_temp.acc('leader'), 'en', :'two')).rows) x),
    'chengguan dongshan 1 84.1, dongshan chengguan 1 100', 'what it came to');
SELECT is((SELECT score FROM registry.inspection WHERE id = :'j'), 100.00, 'rounded to two places');

-- ---------------------------------------------------------------- offices change
CREATE FUNCTION pg_temp.merge(who text, office text, "into" text, "on" text DEFAULT NULL) RETURNS api.reform_reply LANGUAGE sql AS $$
    SELECT api.office_merge(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', $2, $3, $4, NULL, NULL) $$;
INSERT INTO registry.office (code, name, kind, rank) VALUES ('xichen', '西陈镇', 'township', 5), ('nanguan', '南关镇', 'township', 6);
SELECT registry.account_new('xichen', '西一', 'xichen', 'clerk') AS x, registry.account_new('xihead', '西二', 'xichen', 'approver') AS y, registry.account_new('nan', '南一', 'nanguan', 'clerk') AS z \gset
SELECT is(pg_temp.said((api.office_rename(pg_temp.acc(w), 'en', pg_temp.req(), '\x00', o, n, d, '县编办〔2026〕3号', NULL)).error), want, why) FROM (VALUES
    ('xichen', 'xichen', '西城街道', NULL, 'PERMISSION_DENIED', 'an office doesn''t rename itself'),
    ('bureau', 'nowhere', '西城街道', NULL, 'INVALID_ARGUMENT office', 'no such office'),
    ('bureau', 'xichen', '南关镇', NULL, 'ALREADY_EXISTS becomes', 'not to a name that is taken'),
    ('bureau', 'xichen', '', NULL, 'INVALID_ARGUMENT becomes', 'not to nothing'),
    ('bureau', 'xichen', '西城街道', '2001-09', 'INVALID_ARGUMENT from_on', 'from a whole day on'),
    ('bureau', 'xichen', '西城街道', '2001-08-01', '', 'from a day on'),
    ('bureau', 'nanguan', '南城街道', '2001-10-01', '', 'or to come')) v(w, o, n, d, want, why);
SELECT is((SELECT string_agg(name, ' ' ORDER BY code) FROM registry.office WHERE code IN ('xichen', 'nanguan')), '南关镇 西城街道', 'what is to come waits');
SELECT is((registry.office_as_of('xichen', '2001-07-31')).name || ' ' || (registry.office_as_of('xichen', '2001-08-01')).name, '西陈镇 西城街道', 'history keeps the name of then');
SELECT is(registry.resolve('office', '西陈镇'), 'xichen', 'and the old name still finds it');
SELECT is((registry.office_as_of('xichen', '2001-08-31')).grp, 'township', 'ranked among its kind');
SELECT is(pg_temp.said((api.office_move(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', 'xichen', '园区组', NULL, NULL, NULL)).error), '', 'moved to another group');
SELECT is((registry.office_as_of('xichen', '2001-08-31')).grp || ' ' || (registry.office_as_of('xichen', '2001-09-01')).grp, 'township park', 'from that day on');
SELECT is(pg_temp.said((api.office_move(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', 'xichen', '甲组', NULL, NULL, NULL)).error), 'INVALID_ARGUMENT becomes', 'no such group');
-- merge
SELECT is_empty($$ SELECT h.kind, i.indexrelid::regclass FROM (SELECT * FROM registry.held('office') WHERE kind NOT IN ('opinion', 'alert', 'profile')) h JOIN pg_index i ON i.indrelid = ('registry.' || h.kind)::regclass AND i.indisunique
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE h.sets ~ ('(^|, )' || quote_ident(a.attname) || ' = ') $$,
    'no change of offices meets a key that it doubles');
SELECT (pg_temp.round('bureau', '{"name":"合并中","class":"mutual","begin_on":"2001-09-01","until_on":"2001-09-30","offices":["xichen","chengguan","dongshan"]}')).round.id AS merging \gset
SELECT api.inspection_draw(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'merging', 's', NULL) AS x \gset
SELECT count((pg_temp.add('xichen', jsonb_build_object('name', '西城项目' || k, 'lead_person', '西一'))).project.id) AS n FROM generate_series(1, 30) k \gset
SELECT (pg_temp.add('xichen', '{"name":"西城机密","restricted":true}')).project.id AS hidden \gset
SELECT (api.activity_set(pg_temp.acc('xichen'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'hidden', 'class', 'talk', 'held_on', '2001-08-30'), NULL, NULL, NULL)).activity.id AS trip \gset
SELECT (pg_temp.meet('xichen', NULL, '{"class":"regular","held_on":"2001-09-05"}')).meeting.id AS west \gset
SELECT is(pg_temp.said((pg_temp.merge(w, o, i, d)).error), want, why) FROM (VALUES
    ('chengguan', 'xichen', 'chengguan', NULL, 'PERMISSION_DENIED', 'the county merges'),
    ('bureau', 'xichen', 'xichen', NULL, 'INVALID_ARGUMENT successor', 'not into itself'),
    ('bureau', 'xichen', 'nowhere', NULL, 'INVALID_ARGUMENT successor', 'not into nothing'),
    ('bureau', 'bureau', 'fagai', NULL, 'INVALID_ARGUMENT successor', 'the bureau reaches everywhere: not that')) v(w, o, i, d, want, why);
SELECT count(api.profile_set(pg_temp.acc(w), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('name', n, 'map', w), NULL, NULL, NULL)) AS x
FROM (VALUES ('xichen', '合并月报'), ('chengguan', '合并月报'), ('xichen', '西城周报')) v(w, n) \gset
SELECT registry.account_new('m.fagai', '发', 'fagai', 'clerk') \g /dev/null
-- cases under way: a transfer between the two, and a reward of the one, ruled on but open to objections
SELECT (pg_temp.add('chengguan', '{"name":"流转途中"}')).project.id AS moving \gset
CREATE FUNCTION pg_temp.case(who text, op text, id text, VARIADIC words text[]) RETURNS api.case_reply LANGUAGE plpgsql AS $$
DECLARE
    me CONSTANT int := pg_temp.acc(who);
BEGIN
    CASE op WHEN 'opine' THEN PERFORM api.opinion_give(me, 'en', pg_temp.req(), '\x00', NULL, id, words[1], NULL);
        WHEN 'open' THEN RETURN api.case_set(me, 'en', pg_temp.req(), '\x00', NULL, NULL, words[1]::jsonb, NULL, NULL, NULL);
        WHEN 'step' THEN RETURN api.case_step(me, 'en', pg_temp.req(), '\x00', NULL, id, NULL, NULL);
        WHEN 'ask' THEN RETURN api.case_ask(me, 'en', pg_temp.req(), '\x00', NULL, id, words, NULL, NULL);
        WHEN 'object' THEN RETURN api.case_object(me, 'en', pg_temp.req(), '\x00', NULL, id, words[1]);
        ELSE RETURN api.case_decide(me, 'en', pg_temp.req(), '\x00', NULL, id, words[1], 'so', NULL, NULL, 5, NULL, NULL); END CASE;
    RETURN NULL;
END $$;
SELECT (pg_temp.case('chengguan', 'open', NULL, jsonb_build_object('class', 'transfer', 'project', :'moving', 'other_office', 'xichen')::text))."case".id AS t,
    (pg_temp.case('bureau', 'open', NULL, '{"class":"reward","other_office":"xichen","subject":"并入前"}'))."case".id AS praise \gset
SELECT pg_temp.case('xichen', 'opine', :'t', 'agree'), pg_temp.case('bureau', 'step', :'t', ''), pg_temp.case('bureau', 'ask', :'t', 'fagai'), pg_temp.case('m.fagai', 'opine', :'t', 'agree'), pg_temp.case('bureau', 'step', :'t', ''),
    pg_temp.case('bureau', 'step', :'praise', ''), pg_temp.case('bureau', 'ask', :'praise', 'fagai'), pg_temp.case('m.fagai', 'opine', :'praise', 'agree'), pg_temp.case('bureau', 'step', :'praise', ''),
    pg_temp.case('leader', 'decide', :'praise', 'reward') \g /dev/null
SELECT is((SELECT string_agg(c.state, ' ' ORDER BY c.class) FROM registry."case" c WHERE c.id IN (:'t', :'praise')), 'decided review', 'two cases are under way');
SELECT (pg_temp.case('chengguan', 'open', NULL, jsonb_build_object('class', 'transfer', 'project', (pg_temp.add('chengguan', '{"name":"未及同意"}')).project.id, 'other_office', 'xichen')::text))."case".id AS unsaid \gset
SELECT is(pg_temp.said((pg_temp.case('bureau', 'step', :'unsaid', '')).error), 'FAILED_PRECONDITION state', 'a third waits for the other''s consent');
SELECT (pg_temp.merge('bureau', '西城街道', '城关镇')).reform AS r \gset
SELECT is((:'r'::api.reform).state, 'planned', 'ordered');
SELECT is((:'r'::api.reform).proposed, E'qipan account grant xichen clerk --office chengguan\nqipan account grant xihead approver --office chengguan', 'and which roles the security officer may give');
SELECT is(pg_temp.said((pg_temp.merge('bureau', 'xichen', 'dongshan')).error), 'FAILED_PRECONDITION office', 'one at a time');
SELECT is((SELECT office FROM registry.project WHERE id = :'hidden'), 'xichen', 'nothing has moved yet');
SELECT is((api.due_next()).offices, true, 'the daemon is told that there is something to do');
SELECT is((api.office_turn()).turned, 1, 'a step');
SELECT row_eq(format('SELECT state, moved FROM registry.reform WHERE id = %L', (:'r'::api.reform).id), ROW('moving'::text, 35), 'more than a few: those who edit are not kept waiting, the end comes later');
SELECT is((api.office_turn()).turned, 1, 'another');
SELECT row_eq(format('SELECT state, moved FROM registry.reform WHERE id = %L', (:'r'::api.reform).id), ROW('done'::text, 35), 'done');
SELECT is((SELECT string_agg(p.office || ' ' || p.name || ' ' || p.map, ', ' ORDER BY p.name, p.map) FROM registry.profile p WHERE p.name IN ('合并月报', '西城周报')),
    'chengguan 合并月报 chengguan, xichen 合并月报 xichen, chengguan 西城周报 xichen', 'its layouts went along, but for one of a name that is there');
SELECT is((api.office_turn()).turned, 0, 'nothing is left');
SELECT is((SELECT count(*) FROM registry.project WHERE office = 'xichen'), 0::bigint, 'no project is left behind');
SELECT is((SELECT office FROM registry.meeting WHERE id = :'west'), 'chengguan', 'its planned meeting went along');
SELECT is((SELECT count(*) FROM registry.inspection WHERE round = :'merging' AND office = 'xichen'), 1::bigint, 'it stays the office that is inspected');
SELECT is(pg_temp.said((pg_temp.score('chengguan', (SELECT id FROM registry.inspection WHERE round = :'merging' AND office = 'xichen'), :'marks')).error), 'PERMISSION_DENIED office', 'nor may its successor score it');
SELECT is((SELECT string_agg(i.office || '<' || i.inspector, ' ' ORDER BY i.office) FROM registry.inspection i WHERE i.round = :'merging' AND i.office <> 'dongshan'), 'chengguan<dongshan xichen<dongshan', 'whom the draw had made inspect one another, who is left inspects');
SELECT is(pg_temp.said((pg_temp.score('dongshan', i.id, :'marks')).error), '', 'and scores: ' || i.office) FROM registry.inspection i WHERE i.round = :'merging' AND i.office <> 'dongshan' ORDER BY i.office;
SELECT pg_temp.case('bureau', 'step', :'unsaid', ''), pg_temp.case('bureau', 'ask', :'unsaid', 'fagai'), pg_temp.case('m.fagai', 'opine', :'unsaid', 'agree'), pg_temp.case('bureau', 'step', :'unsaid', '') \g /dev/null
SELECT is((pg_temp.case('leader', 'decide', :'unsaid', 'refuse'))."case".state, 'rejected', 'nobody need consent for who is gone: the transfer is refused');
SELECT is((SELECT office FROM registry.activity WHERE id = :'trip'), 'xichen', 'who went stays who went');
SELECT row_eq($$ SELECT until_on::text, successor, name FROM registry.office WHERE code = 'xichen' $$, ROW('2001-08-31'::text, 'chengguan'::text, '西城街道'::text), 'it stays as an old name');
SELECT is((SELECT array_agg(DISTINCT concat_ws(' ', e.actor, e.op)) FROM registry.change c JOIN registry.entry e ON e.grp = c.grp AND e.ord = c.ord WHERE c.object = :'hidden' AND c.version = 2), '{"registry office_turn"}', 'journalled like any change');
SELECT is((SELECT fields -> '40' FROM registry.change WHERE object = :'hidden' AND version = 2), '["xichen", "chengguan"]', 'with where it was');
SELECT is(registry.sees(pg_temp.acc('chengguan'), registry.audience_of(:'hidden')), true, 'its new office sees what is restricted');
SELECT is((SELECT roles FROM registry.account WHERE code = 'xichen'), '{}'::text[], 'roles held in it have ended');
SELECT is((SELECT count(*) FROM registry.membership m JOIN registry.entry e ON e.op = 'role_end' AND e.reply ->> 'id' = m.id AND e.reply ->> 'terms' = registry.membership_text(m) WHERE m.office = 'xichen'),
    2::bigint, 'each by an entry that says so');
SELECT is((SELECT office FROM registry.account WHERE code = 'xichen'), 'chengguan', 'its people belong to the other');
SELECT is((pg_temp.add('xichen', '{"name":"不能"}')).error.code, 'PERMISSION_DENIED', 'nobody got a right by it');
SELECT is(pg_temp.said((pg_temp.add('bureau', '{"name":"旧单位","office":"xichen"}')).error), 'INVALID_ARGUMENT office', 'an old name takes nothing new');
SELECT is((pg_temp.add('bureau', '{"name":"旧单位","office":"西城街道"}')).error.allowed, '{chengguan}', 'and says who took over');
SELECT is(cardinality((api.project_list(pg_temp.acc('bureau'), 'en', '[{"field":"office","values":["xichen"]}]', NULL, NULL, NULL, NULL, NULL)).rows), NULL, 'one may still look for it');
SELECT is(pg_temp.said((pg_temp.case('leader', 'decide', :'t', 'transfer')).error), 'INVALID_ARGUMENT other_office', 'a project is not transferred to who is gone, nor to itself');
SELECT registry.case_transfer(c) FROM registry."case" c WHERE c.id = :'t' \g /dev/null
SELECT is((SELECT office FROM registry.project WHERE id = :'moving'), 'chengguan', 'nor when the ruling was before');
SELECT is((SELECT other_office FROM registry."case" WHERE id = :'praise'), 'chengguan', 'what was ruled on goes along as long as it may be objected to');
SELECT is((pg_temp.case('chengguan', 'object', :'praise', '不是我们的'))."case".state, 'objection', 'its successor objects');
SELECT is((pg_temp.case('bureau', 'ask', :'t', 'xichen')).error.allowed, '{chengguan}', 'nobody is asked who is gone');
SELECT is(pg_temp.said((api.matter_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, NULL, '{"class":"order","office":"dongshan","subject":"协办","helpers":["西城街道"]}', NULL, NULL, NULL)).error), 'INVALID_ARGUMENT helpers', 'nor helps');
SELECT (api.matter_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, NULL, '{"class":"order","office":"dongshan","subject":"分解"}', NULL, NULL, NULL)).matter.id AS whole \gset
SELECT is(pg_temp.said((api.matter_split(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'whole', '{xichen}', NULL)).error), 'INVALID_ARGUMENT office', 'nor gets a part');
-- split
SELECT array_agg(id ORDER BY id) AS some FROM (SELECT id FROM registry.project WHERE office = 'chengguan' AND name LIKE '西城项目%' ORDER BY id LIMIT 3) x \gset
CREATE FUNCTION pg_temp.split("into" text, name text, projects text[], "on" text DEFAULT NULL) RETURNS api.reform_reply LANGUAGE sql AS $$
    SELECT api.office_split(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', 'chengguan', $1, $2, $3, $4, NULL, NULL) $$;
SELECT is(pg_temp.said((pg_temp.split(i, n, p::text[])).error), want, why) FROM (VALUES
    ('xicheng', NULL, :'some', 'INVALID_ARGUMENT successor', 'a new office needs a name'),
    ('Xi', '西城', :'some', 'INVALID_ARGUMENT successor', 'and a code'),
    ('xicheng', '东山镇', :'some', 'ALREADY_EXISTS becomes', 'of its own'),
    ('xicheng', '西城', '{}', 'INVALID_ARGUMENT projects', 'and some projects'),
    ('xicheng', '西城', format('{%s}', :'stale_east'), 'INVALID_ARGUMENT projects', 'that are the office''s'),
    ('xichen', NULL, :'some', 'INVALID_ARGUMENT successor', 'not to an old name')) v(i, n, p, want, why);
SELECT is(((pg_temp.split('xicheng', '西城新区', :'some')).reform).class, 'split', 'ordered');
SELECT is((api.office_turn()).turned, 1, 'carried out');
SELECT is((SELECT count(*) FROM registry.project WHERE office = 'xicheng'), 3::bigint, 'the listed ones');
SELECT row_eq($$ SELECT name, kind FROM registry.office WHERE code = 'xicheng' $$, ROW('西城新区'::text, 'township'::text), 'the new office is of the same kind');
SELECT ((pg_temp.split('xicheng', NULL, ARRAY(SELECT id FROM registry.project WHERE office = 'chengguan' AND name LIKE '西城项目%' LIMIT 1), '2001-12-01')).reform).id AS later \gset
SELECT is((api.office_turn()).turned, 0, 'its day has not come');
SELECT is(pg_temp.step('office_cancel', 'bureau', :'later'), '', 'and it is taken back');
SELECT is(pg_temp.step('office_cancel', 'bureau', :'later'), 'FAILED_PRECONDITION state', 'once');
-- who was to take over is taken over before the day
SELECT value AS clock FROM registry.setting WHERE key = 'clock_offset' \gset
SELECT (pg_temp.add('chengguan', '{"name":"东区甲"}')).project.id AS e1, (pg_temp.add('chengguan', '{"name":"东区乙"}')).project.id AS e2 \gset
SELECT is(pg_temp.said((pg_temp.split('dongqu', '东区', ARRAY[:'e1'])).error), '', 'a new one');
SELECT is((api.office_turn()).turned, 1, 'is made');
SELECT is(pg_temp.said((pg_temp.split('dongqu', NULL, ARRAY[:'e2'], '2001-12-01')).error), '', 'it is to get another project');
SELECT is(pg_temp.said((pg_temp.merge('bureau', 'dongqu', 'xicheng', '2001-11-20')).error), '', 'but goes itself before');
SELECT registry.set_clock_offset(timestamptz '2001-12-02 12:00+08' - now()) AS at \gset
SELECT is((SELECT min((api.office_turn()).turned) FROM generate_series(1, 9)), 0, 'all is carried out');
SELECT is((SELECT array_agg(office) FROM registry.project WHERE id IN (:'e1', :'e2')), '{xicheng,xicheng}'::text[], 'nothing is left with an office that is gone');
-- one whose step fails is set aside, with what was wrong; those behind it go on
SELECT (pg_temp.add('chengguan', '{"name":"卡住的"}')).project.id AS f1, (pg_temp.add('chengguan', '{"name":"不卡的","lead_person":"卡某"}')).project.id AS f2 \gset
CREATE FUNCTION pg_temp.stuck() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'this row is stuck' USING ERRCODE = CASE NEW.name WHEN '卡住的' THEN 'P0001' ELSE 'P0002' END; END $$;
CREATE TRIGGER a_stuck BEFORE UPDATE ON registry.project FOR EACH ROW WHEN (NEW.name = '卡住的' OR NEW.lead_person = '丙二') EXECUTE FUNCTION pg_temp.stuck();
SELECT ((pg_temp.split('xicheng', NULL, ARRAY[:'f1'], '2001-12-01')).reform).id AS r1, ((pg_temp.split('xicheng', NULL, ARRAY[:'f2'], '2001-12-02')).reform).id AS r2,
    ((api.account_handover(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', '卡某', 'east', NULL, '2001-12-03', NULL, NULL)).handover).id AS h1 \gset
SELECT row_eq('SELECT turned, failed FROM api.office_turn()', ROW(1, '' || :'r1' || ': this row is stuck (P0001)'), 'the failing one is set aside, and the log told');
SELECT row_eq(format('SELECT state, fault, failed_on::text, moved FROM registry.reform WHERE id = %L', :'r1'), ROW('failed'::text, 'this row is stuck (P0001)'::text, '2001-12-02'::text, 0), 'with what was wrong');
SELECT is((SELECT string_agg(x::text, ' ') FROM (SELECT (api.office_turn()).turned AS x FROM generate_series(1, 2)) y), '1 0', 'the next is carried out, then there is nothing to do');
SELECT row_eq(format('SELECT p.office, r.state FROM registry.project p, registry.reform r WHERE p.id = %L AND r.id = %L', :'f2', :'r2'), ROW('xicheng'::text, 'done'::text), 'all of it');
SELECT is((api.due_next()).offices, false, 'today it is left alone');
SELECT row_eq('SELECT office, light, period FROM registry.alert WHERE rule = ''reform'' AND state = ''open''', ROW('bureau'::text, 'red'::text, '2001-12-01'::text), 'who ordered it has a red light');
SELECT is((SELECT registry.event_type('reform', c.version, c.fields) FROM registry.change c WHERE c.object = :'r1' ORDER BY c.version DESC LIMIT 1), 'reform.failed', 'and it is in the feed');
SELECT registry.set_clock_offset(timestamptz '2001-12-03 12:00+08' - now()) AS at \gset
SELECT is((SELECT string_agg(x::text, ' ') FROM (SELECT (api.office_turn()).turned AS x FROM generate_series(1, 3)) y), '1 1 0', 'the next day it is tried again, and a hand-over');
SELECT is((SELECT string_agg(x.state || ' ' || x.failed_on, ', ') FROM (SELECT r.state, r.failed_on FROM registry.reform r WHERE r.id = :'r1' UNION ALL SELECT h.state, h.failed_on FROM registry.handover h WHERE h.id = :'h1') x),
    'failed 2001-12-03, failed 2001-12-03', 'both fail');
SELECT is((SELECT string_agg(a.rule || ' ' || a.period, ', ' ORDER BY a.rule) FROM registry.alert a WHERE a.rule IN ('reform', 'handover') AND a.state = 'open'), 'handover 2001-12-03, reform 2001-12-01', 'a light for each');
SELECT is(pg_temp.said((api.handover_cancel(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'h1', NULL)).error), '', 'one that fails is taken back');
DROP TRIGGER a_stuck ON registry.project;
SELECT registry.set_clock_offset(timestamptz '2001-12-04 12:00+08' - now()) AS at \gset
SELECT is((SELECT string_agg(x::text, ' ') FROM (SELECT (api.office_turn()).turned AS x FROM generate_series(1, 2)) y), '1 0', 'when what was wrong is mended');
SELECT row_eq(format('SELECT p.office, r.state, r.fault FROM registry.project p, registry.reform r WHERE p.id = %L AND r.id = %L', :'f1', :'r1'), ROW('xicheng'::text, 'done'::text, NULL::text), 'it goes through');
SELECT is((SELECT count(*) FROM registry.alert a WHERE a.rule IN ('reform', 'handover') AND a.state = 'open'), 0::bigint, 'and the lights are out');
UPDATE registry.setting SET value = :'clock' WHERE key = 'clock_offset';

-- ---------------------------------------------------------------- hand-over
CREATE FUNCTION pg_temp.hand(who text, giver text, taker text, office text DEFAULT NULL, "on" text DEFAULT NULL) RETURNS api.handover_reply LANGUAGE sql AS $$
    SELECT api.account_handover(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', $2, $3, $4, $5, NULL, NULL) $$;
SELECT (pg_temp.add('chengguan', '{"name":"交接一","lead_person":"乙","service_person":"chengguan"}')).project.id AS h1 \gset
SELECT (pg_temp.add('dongshan', '{"name":"交接二","lead_person":"乙"}')).project.id AS h2 \gset
SELECT is(pg_temp.said((pg_temp.hand(w, g, t, o)).error), want, why) FROM (VALUES
    ('chengguan', '乙', 'head', NULL, 'PERMISSION_DENIED', 'a clerk hands nothing over'),
    ('head', '乙', 'dongshan', NULL, 'PERMISSION_DENIED office', 'an approver only within the office'),
    ('head', '乙', 'head', 'dongshan', 'PERMISSION_DENIED office', 'and only the office''s own'),
    ('bureau', '乙', 'nobody', NULL, 'INVALID_ARGUMENT taker', 'to an account'),
    ('bureau', '乙', 'chengguan', NULL, 'INVALID_ARGUMENT taker', 'to somebody else')) v(w, g, t, o, want, why);
SELECT row_eq($$ SELECT (h).state, (h).moved, (h).giver, (h).taker, (h).office FROM (SELECT (pg_temp.hand('head', '乙', 'twice')).handover AS h) x $$,
    ROW('done'::text, 1, 'chengguan'::text, 'twice'::text, 'chengguan'::text), 'within the office');
SELECT row_eq(format('SELECT lead_person, service_person, version FROM registry.project WHERE id = %L', :'h1'), ROW('两处'::text, 'twice'::text, 2::bigint), 'a name by name, an account by account, in one change');
SELECT is((SELECT lead_person FROM registry.project WHERE id = :'h2'), '乙', 'another office''s stays');
SELECT is((SELECT array_agg(DISTINCT concat_ws(' ', e.actor, e.op)) FROM registry.change c JOIN registry.entry e ON e.grp = c.grp AND e.ord = c.ord WHERE c.object = :'h1' AND c.version = 2), '{"head account_handover"}', 'under the name of who ordered it');
SELECT is(((pg_temp.hand('bureau', '乙', 'head')).handover).moved, 1, 'the county hands over everywhere');
SELECT is((SELECT lead_person FROM registry.project WHERE id = :'h2'), '镇长', 'there too');
SELECT is(((pg_temp.hand('bureau', '西一', 'head', NULL, '2001-09-15')).handover).state, 'planned', 'or on a day to come');
SELECT is((api.office_turn()).turned, 0, 'which has not come');
SELECT registry.set_clock_offset(timestamptz '2001-09-15 12:00+08' - now()) AS at \gset
SELECT is((api.office_turn()).turned, 1, 'when it comes');
SELECT is((SELECT count(*) FROM registry.project WHERE lead_person = '西一'), 0::bigint, 'all of it goes');
SELECT is((SELECT state || ' ' || moved FROM registry.handover WHERE giver = 'xichen'), 'done 30', 'and how much is kept');
UPDATE registry.account SET name = '乙' WHERE code = 'east';
SELECT is(pg_temp.said((pg_temp.hand('bureau', '乙', 'head')).error), 'INVALID_ARGUMENT giver', 'a name of two is no name');
SELECT (pg_temp.add('chengguan', jsonb_build_object('name', '同名', 'lead_person', '同名者'))).project.id AS same \gset
UPDATE registry.account SET name = '同名者' WHERE code IN ('twice', 'head');
SELECT lives_ok($$ SELECT pg_temp.hand('bureau', 'twice', 'head', 'chengguan') $$, 'from one to another of the same name');
SELECT is((SELECT version FROM registry.project WHERE id = :'same'), 1::bigint, 'which says neither, and stays');
UPDATE registry.account SET name = '丙二' WHERE code = 'east';

-- ---------------------------------------------------------------- opening balances
CREATE FUNCTION pg_temp.back(who text, id text, stage text, "on" text, reason text DEFAULT NULL) RETURNS api.step_reply LANGUAGE sql AS $$
    SELECT api.project_backdate(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', id, stage, $4, reason) $$;
CREATE FUNCTION pg_temp.money(who text, set jsonb, reason text DEFAULT NULL) RETURNS api.arrival_reply LANGUAGE sql AS $$
    SELECT api.arrival_backdate(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', set, reason) $$;
SELECT ((pg_temp.add('dongshan', '{"name":"期初项目","investor":"期初公司","amount_total":100000000,"stage":"producing"}')).project).id AS op \gset
SELECT is((SELECT state FROM registry.step WHERE project = :'op'), 'pending', 'a project that comes as producing waits for approval');
SELECT is(pg_temp.said((pg_temp.back(w, :'op', s, d, NULL)).error), want, why) FROM (VALUES
    ('dongshan', 'signed', '1999-05-06', 'PERMISSION_DENIED', 'the county enters what was before'),
    ('bureau', 'dancing', '1999-05-06', 'INVALID_ARGUMENT stage', 'no such stage'),
    ('bureau', 'full', '1999-05-06', 'FAILED_PRECONDITION stage', 'it hasn''t come so far'),
    ('bureau', 'exited', '1999-05-06', 'FAILED_PRECONDITION stage', 'nor left'),
    ('bureau', 'signed', '2001-12-06', 'INVALID_ARGUMENT reached_on', 'not after it was registered'),
    ('bureau', 'signed', '1989-12-06', 'INVALID_ARGUMENT reached_on', 'not before 1990'),
    ('bureau', 'signed', '昨天', 'INVALID_ARGUMENT reached_on', 'a day'),
    ('bureau', '签约', '1999-05-06', '', 'its true day'),
    ('bureau', 'started', '1998', 'INVALID_ARGUMENT reached_on', 'in order'),
    ('bureau', 'signed', '1999-05-07', 'ALREADY_EXISTS stage', 'once'),
    ('bureau', 'started', '2000-03', '', 'as exact as it is known'),
    ('bureau', 'producing', '2001-01-02', '', 'and that it produces')) v(w, s, d, want, why);
SELECT row_eq(format('SELECT signed_on::text, started_on::text, produced_on::text FROM registry.project WHERE id = %L', :'op'), ROW('1999-05-06'::text, '2000-03'::text, '2001-01-02'::text), 'the project has its days');
SELECT is((SELECT string_agg(concat_ws(' ', x.stage, x.state, x.counted_on, x.opening), ', ' ORDER BY n) FROM unnest((api.stage_list(pg_temp.acc('leader'), 'en', :'op', NULL, NULL, NULL, NULL)).rows) WITH ORDINALITY
    x(id, version, project, office, stage, reached_on, state, no, from_stage, rules, actor, recorded_at, decided_actor, decided_at, counted_on, evidence, note, changed_at, project_version, opening, n)),
    'signed approved 1999-05-06 t, started approved 2000-03 t, producing approved 2001-01-02 t, producing corrected', 'told apart, counting from their days; what waited is settled');
SELECT row_eq(format('SELECT stage, stage_on::text FROM registry.pace WHERE project = %L', :'op'), ROW('producing'::text, '2001-01-02'::text), 'it is where it was, since its true day');
SELECT is(registry.counted_on(:'op', 'producing'), '2001-01-02', 'it counts in the year it happened');
SELECT is((SELECT array_agg(DISTINCT e.op) FROM registry.change c JOIN registry.entry e ON e.grp = c.grp AND e.ord = c.ord WHERE c.object = :'op' AND c.version > 1), '{project_backdate}', 'one entry for step and project');
SELECT is(pg_temp.said((pg_temp.back('bureau', :'op', 'signed', '1999-05-07', '合同日期更正')).error), '', 'a correction says why');
SELECT is((SELECT string_agg(state || ' ' || reached_on, ', ' ORDER BY recorded_at, project_version DESC) FROM registry.step WHERE project = :'op' AND stage = 'signed'), 'corrected 1999-05-06, approved 1999-05-07', 'and both stay');
CREATE FUNCTION pg_temp.live(who text, day text, reason text DEFAULT NULL, request text DEFAULT pg_temp.req()) RETURNS api.live_reply LANGUAGE sql AS $$
    SELECT api.live_set(pg_temp.acc(who), 'en', request, '\x00', day, reason) $$;
SELECT is((api.glossary(pg_temp.acc('leader'), 'en', 'stage', NULL)).live_on, NULL, 'not live yet');
SELECT is(pg_temp.said((pg_temp.live(w, d, r)).error), want, why) FROM (VALUES
    ('chengguan', '2001-09-01', NULL, 'PERMISSION_DENIED', 'the county says when it goes live'),
    ('bureau', '2001-09', NULL, 'INVALID_ARGUMENT live_on', 'a day'),
    ('bureau', '2001-01-02', NULL, 'FAILED_PRECONDITION live_on', 'after what was entered as of before'),
    ('bureau', '2001-09-01', NULL, '', 'goes'),
    ('bureau', '2001-09-01', NULL, '', 'the same again'),
    ('bureau', '2001-09-10', ' ', 'INVALID_ARGUMENT reason', 'another day needs a reason')) v(w, d, r, want, why);
SELECT row_eq($$ SELECT r.live_on, r.before, r.replayed FROM pg_temp.live('bureau', '2001-09-10', '推迟上线', 'live-1') r $$, ROW('2001-09-10'::text, '2001-09-01'::text, NULL::boolean), 'and has it told which was before');
SELECT row_eq($$ SELECT r.live_on, r.before, r.replayed FROM pg_temp.live('bureau', '2001-09-10', '推迟上线', 'live-1') r $$, ROW('2001-09-10'::text, '2001-09-01'::text, true), 'again');
SELECT is((api.glossary(pg_temp.acc('leader'), 'en', 'stage', NULL)).live_on, '2001-09-10', 'everybody may know');
SELECT is(pg_temp.said((pg_temp.back('bureau', :'op', 'landed', '1999-12-01')).error), 'INVALID_ARGUMENT reason', 'behind the day it went live it needs a reason');
SELECT is(pg_temp.said((pg_temp.back('bureau', :'op', 'landed', '2001-09-11', '漏报')).error), 'INVALID_ARGUMENT reached_on', 'and is about what was before');
SELECT is(pg_temp.said((pg_temp.back('bureau', :'op', 'landed', '1999-12-01', '漏报')).error), '', 'then it goes');
SELECT is(pg_temp.said((pg_temp.money(w, jsonb_build_object('project', :'op', 'class', 'fixed', 'amount_arrived', a, 'arrived_on', d, 'origin', 'county_outside', 'voucher', '1号'), r)).error), want, why)
FROM (VALUES ('dongshan', 500000000, '2000-06-01', '补', 'PERMISSION_DENIED', 'money too by the county alone'),
    ('bureau', 0, '2000-06-01', '补', 'INVALID_ARGUMENT amount_arrived', 'some money'),
    ('bureau', 500000000, '2001-09-15', '补', 'INVALID_ARGUMENT arrived_on', 'of before'),
    ('bureau', 500000000, '2000-06-01', NULL, 'INVALID_ARGUMENT reason', 'with a reason'),
    ('bureau', 500000000, '2000-06-01', '补录到位资金', '', 'goes')) v(w, a, d, r, want, why);
SELECT row_eq(format('SELECT office, state, counted_on::text, opening FROM registry.arrival WHERE project = %L', :'op'), ROW('dongshan'::text, 'approved'::text, '2000-06-01'::text, true), 'the project''s office has it, from its day on, marked');
SELECT is((SELECT count(*) FROM unnest((api.arrival_list(pg_temp.acc('leader'), 'en', jsonb_build_array(jsonb_build_object('field', 'project', 'values', jsonb_build_array(:'op')), '{"field":"opening","values":["false"]}'::jsonb), NULL, NULL, NULL)).rows)), 0::bigint, 'and a list may leave it out');
DELETE FROM registry.setting WHERE key = 'county.live_on';

-- ---------------------------------------------------------------- people
CREATE FUNCTION pg_temp.people(who text, office text DEFAULT NULL, after text DEFAULT NULL, n int DEFAULT NULL) RETURNS api.people_list_reply LANGUAGE sql AS $$
    SELECT api.people_list(pg_temp.acc(who), 'en', office, after, n) $$;
CREATE FUNCTION pg_temp.told(r api.people_list_reply) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', x.account, x.name, x.projects), ', ' ORDER BY n) FROM unnest(r.rows) WITH ORDINALITY x(account, name, office, chains, projects, matters, last_on, n)
    WHERE x.name IN ('丙', '丙二', '赵六', '镇长') $$;
SELECT pg_temp.add('dongshan', '{"name":"人员一","lead_person":"赵六","service_person":"丙"}') AS x, pg_temp.add('dongshan', '{"name":"人员二","lead_person":"赵六","restricted":true}') AS y \gset
SELECT ((pg_temp.add('dongshan', '{"name":"人员三","lead_person":"赵六"}')).project).id AS gone \gset
SELECT pg_temp.advance('dongshan', :'gone', 'exited') AS x \gset
SELECT is(pg_temp.told(pg_temp.people('dongshan', '东山镇')), 'dongshan 丙 1, east 丙二 0, 赵六 2, 镇长 1', 'accounts and names, live projects');
SELECT api.activity_set(pg_temp.acc('east'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'stale_east', 'class', 'talk', 'held_on', '2001-08-29'), NULL, NULL, NULL) AS x \gset
SELECT is((SELECT x.last_on FROM unnest((pg_temp.people('leader', 'dongshan')).rows) x WHERE x.account = 'east'), '2001-08-29', 'and the last contact');
SELECT is(pg_temp.told(pg_temp.people('chengguan', 'dongshan')), 'dongshan 丙 1, east 丙二 0, 赵六 1, 镇长 1', 'what one may not see doesn''t count');
SELECT (api.valuechain_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, NULL, '{"name":"光伏链","office":"bureau"}', NULL, NULL, NULL)).valuechain.id AS chain \gset
SELECT (api.node_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('chain', :'chain', 'name', '组件', 'part', 'midstream'), NULL, NULL, NULL)).node.id AS node \gset
SELECT is((pg_temp.add('dongshan', jsonb_build_object('name', '人员四', 'investor', '光伏', 'lead_person', '丙二', 'node', :'node'))).error, NULL, 'a project on a chain');
SELECT is((SELECT x.chains FROM unnest((pg_temp.people('leader', 'dongshan')).rows) x WHERE x.account = 'east'), '光伏链', 'chains');
SELECT pg_temp.edit('bureau', NULL, p.id, '{"lead_person":"east","service_person":"丙二"}') FROM registry.project p WHERE p.id IN (SELECT x.id FROM registry.project x WHERE x.office = 'dongshan' AND x.stage = 'lead' ORDER BY x.id LIMIT 2) \g /dev/null
SELECT is((SELECT x.projects FROM unnest((pg_temp.people('leader', 'dongshan')).rows) x WHERE x.account = 'east'),
    (SELECT count(*)::int FROM registry.project p WHERE p.office = 'dongshan' AND p.stage NOT IN ('suspended', 'exited') AND ARRAY[p.lead_person, p.service_person] && '{east,丙二}'), 'a project that bears both words of one counts once');
SELECT is((pg_temp.people('sysadmin')).error.code, 'PERMISSION_DENIED', 'officers read nothing');
SELECT is((SELECT string_agg(x.office || x.name, ' ' ORDER BY n) FROM (
    WITH RECURSIVE page AS (SELECT pg_temp.people('bureau', NULL, NULL, 2) AS r, 1 AS k
        UNION ALL SELECT pg_temp.people('bureau', NULL, (page.r).next, 2), k + 1 FROM page WHERE (page.r).next IS NOT NULL AND k < 50)
    SELECT p.office, p.name, (k, n) AS n FROM page, unnest((page.r).rows) WITH ORDINALITY p(account, name, office, chains, projects, matters, last_on, n)) x),
    (SELECT string_agg(x.office || x.name, ' ' ORDER BY n) FROM unnest((pg_temp.people('bureau')).rows) WITH ORDINALITY x(account, name, office, chains, projects, matters, last_on, n)), 'page by page the same');
SELECT registry.set_clock_offset('0') AS at \gset
SELECT * FROM finish();
