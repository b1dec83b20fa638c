-- SPDX-License-Identifier: Apache-2.0
-- First report by levels and its protection; clocks and lights; monthly returns; dispatch.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.said(r api.project_reply) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', (r.error).code, (r.error).field, (r.error).other_office, (SELECT string_agg(w.code || ':' || w.office, ',' ORDER BY w.no) FROM unnest(r.warnings) w)) $$;
CREATE FUNCTION pg_temp.said(r api.protection_reply) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', (r.error).code, (r.error).field, (r.protection).state, (r.protection).until_on) $$;
CREATE FUNCTION pg_temp.said(r api.return_reply) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', (r.error).code, (r.error).field, ("return").state, ("return").period) FROM (SELECT r."return") x $$;
CREATE FUNCTION pg_temp.act(who text, project text, day text, result text DEFAULT NULL) RETURNS api.activity_reply LANGUAGE sql AS $$
    SELECT api.activity_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_strip_nulls(jsonb_build_object('project', project, 'class', 'talk', 'held_on', day, 'result', result)), NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.renew(who text, project text, request text DEFAULT pg_temp.req()) RETURNS api.protection_reply LANGUAGE sql AS $$
    SELECT api.protection_renew(pg_temp.acc(who), 'en', request, '\x00', project, NULL) $$;
CREATE FUNCTION pg_temp.file(who text, period text, office text DEFAULT NULL, note text DEFAULT NULL, request text DEFAULT pg_temp.req()) RETURNS api.return_reply LANGUAGE sql AS $$
    SELECT api.return_file(pg_temp.acc(who), 'en', request, '\x00', period, office, note) $$;
CREATE FUNCTION pg_temp.run(who text DEFAULT 'bureau', n int DEFAULT NULL) RETURNS api.clock_reply LANGUAGE sql AS $$ SELECT api.clock_run(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', n) $$;
CREATE FUNCTION pg_temp.go(days int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    PERFORM registry.set_clock_offset((SELECT value::interval + days * interval '1 day' FROM registry.setting WHERE key = 'clock_offset')); END $$;
CREATE FUNCTION pg_temp.lights(project text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(a.rule || ' ' || a.light, ', ' ORDER BY a.rule), '') FROM registry.alert a WHERE a.project = $1 AND a.state = 'open' $$;
CREATE FUNCTION pg_temp.day(n int) RETURNS text LANGUAGE sql AS $$ SELECT (registry.today() + n)::text $$;
SELECT plan(118);
SELECT value AS clock FROM registry.setting WHERE key = 'clock_offset' \gset

-- ---------------------------------------------------------------- levels of duplicates
SELECT is(registry.similar_names('光伏组件项目', '光伏组件二期项目'), 0.6667, 'pairs they share');
SELECT is(registry.similar_names('(光伏) 组件', '光伏组件'), 1.0, 'as names are compared');
SELECT is(registry.similar_names('甲', '乙'), 0.0, 'one character each');
SELECT (pg_temp.add('chengguan', '{"name":"高端装备制造产业园基础设施建设项目","investor":"级别实业","industry":"C38","amount_total":10000000000,"site":"城东 一路1号","contact_phone":"0571-88"}')).project.id AS a \gset
SELECT is(pg_temp.said(pg_temp.add('dongshan', '{"name":"高端装备制造产业园(基础设施)建设项目","investor":"级别实业"}')), 'ALREADY_EXISTS name chengguan', 'the same name in signs alone');
SELECT is(pg_temp.said(pg_temp.add('dongshan', '{"name":"高端装备制造产业园基础设施建设项目二","investor":"级别实业"}')), 'ALREADY_EXISTS name chengguan', 'a similar name of the same investor blocks');
SELECT matches((pg_temp.add('dongshan', '{"name":"高端装备制造产业园基础设施建设项目二","investor":"级别实业"}')).error.message, '^its name is like that of a project registered by 城关镇 on 20', 'and says owner office, day, number');
SELECT matches((pg_temp.add('dongshan', '{"name":"高端装备制造产业园基础设施建设项目二","investor":"级别实业"}')).error.hint, '"默认规则 2026".* 85%', 'the rule, its rule set, what it asks');
SELECT is((pg_temp.add('dongshan', '{"name":"高端装备制造产业园基础设施建设项目二","investor":"另家实业"}')).error.code, NULL, 'not under another investor');
SELECT is(pg_temp.said(pg_temp.add('dongshan', '{"name":"电机","investor":"级别实业","industry":"C38","amount_total":8000000000}')), 'like_amount:chengguan', 'investor, trade, amount within a fifth: a warning');
SELECT is(pg_temp.said(pg_temp.add('dongshan', '{"name":"齿轮","investor":"级别实业","industry":"C38","amount_total":6399999999}')), '', 'further off: none');
SELECT is(pg_temp.said(pg_temp.add('dongshan', '{"name":"轴承","investor":"级别实业","industry":"C35","amount_total":10000000000}')), '', 'another trade: none');
SELECT is(pg_temp.said(pg_temp.add('dongshan', '{"name":"地址","site":"城东一路 1号"}')), 'same_site:chengguan', 'the same address');
SELECT is(pg_temp.said(pg_temp.add('dongshan', '{"name":"电话","contact_phone":"0571 88"}')), 'same_phone:chengguan', 'the same telephone');
SELECT row_eq(format($$ SELECT w.code, w.no, w.office, w."on", w.sentence FROM unnest((pg_temp.add('dongshan', '{"name":"电话二","contact_phone":"0571-88"}')).warnings) w WHERE w.office = 'chengguan' $$),
    ROW('same_phone'::text, (SELECT no FROM registry.project WHERE id = :'a'), 'chengguan'::text, registry.today()::text,
        format('has the telephone of %s, registered by 城关镇 on %s', (SELECT no FROM registry.project WHERE id = :'a'), registry.today())), 'all that a warning says');
SELECT (pg_temp.add('chengguan', '{"name":"地块甲","investor":"多地块","source":"地","external_id":"k1"}')).project.id AS parcel \gset
SELECT is(pg_temp.said(pg_temp.add('dongshan', '{"name":"地块甲","investor":"多地块","source":"地","external_id":"k2"}')), 'same_source:chengguan', 'parcels of one source are only pointed out');
SELECT (pg_temp.add('dongshan', '{"name":"同名一厂","investor":"同名实业有限公司"}')).project.id AS namesake \gset
SELECT is(pg_temp.said(pg_temp.add('dongshan', '{"name":"同名 一厂"}')), 'other_investor:dongshan', 'the same name in the same office, its investor not known');
SELECT is(pg_temp.said(pg_temp.add('dongshan', '{"name":"同名一厂","investor":"同名实业公司"}')), 'other_investor:dongshan,other_investor:dongshan', 'nor written otherwise');
SELECT is(pg_temp.said(pg_temp.add('chengguan', '{"name":"同名一厂","investor":"别家实业"}')), '', 'in another office it is another project');
SELECT is(pg_temp.said(pg_temp.edit('dongshan', NULL, :'namesake', '{"summary":"x"}')), '', 'told when name or investor is set');
-- edits
SELECT (pg_temp.add('dongshan', '{"name":"将改名的项目","investor":"级别实业"}')).project.id AS e \gset
SELECT is(pg_temp.said(pg_temp.edit('dongshan', NULL, :'e', '{"name":"高端装备制造产业园基础设施建设项目新"}')), 'ALREADY_EXISTS name chengguan', 'an edit is held to the same');
SELECT is(pg_temp.said(pg_temp.edit('dongshan', NULL, :'e', '{"summary":"x"}')), '', 'of other fields nothing is asked');
SELECT is(pg_temp.said(pg_temp.edit('dongshan', NULL, :'e', '{"industry":"C38","amount_total":9000000000}')), 'like_amount:chengguan,like_amount:dongshan', 'amount and trade are');
SELECT is((SELECT pg_temp.said(x) FROM api.project_edits(ARRAY[pg_temp.acc('dongshan')], ARRAY['en'], ARRAY[pg_temp.req()], ARRAY['\x00'::bytea], ARRAY[NULL::bigint],
    ARRAY[:'e'], ARRAY['{"amount_total":9500000000}'::jsonb], ARRAY[NULL::text], ARRAY[NULL::boolean]) x), 'like_amount:chengguan,like_amount:dongshan', 'in a group as alone');
SELECT is((pg_temp.add('chengguan', format('{"name":"受限","investor":"级别实业","industry":"C38","amount_total":9000000000,"restricted":true}')::jsonb)).error.code, NULL, 'a restricted one');
SELECT is((SELECT count(*) FROM unnest((pg_temp.edit('dongshan', NULL, :'e', '{"amount_total":9400000000}')).warnings)), 3::bigint, 'is pointed out, too: by number alone');
-- levels are data
UPDATE registry.duplicate_rule SET level = 'warn' WHERE rule = 'like_name';
SELECT is(pg_temp.said(pg_temp.edit('dongshan', NULL, :'e', '{"name":"高端装备制造产业园基础设施建设项目新"}')), 'like_name:chengguan', 'a county that only warns of similar names');
UPDATE registry.duplicate_rule SET level = 'block' WHERE rule = 'like_name';
SELECT is(pg_temp.said(pg_temp.edit('dongshan', NULL, :'e', '{"code":"2020-530100-76-01-041479"}')), '', 'who is there already keeps its other fields');
-- another number is another phase or parcel; a level of its own
SELECT count(pg_temp.add('chengguan', jsonb_build_object('name', n, 'investor', '序号实业'))) FROM unnest('{城东片区标准化厂房建设项目12,年产10万吨新型建筑材料生产线项目,滨江新区水处理成套设备制造一期项目,地块01城东片区标准化厂房项目}'::text[]) n \g /dev/null
SELECT is(pg_temp.said(pg_temp.add('dongshan', jsonb_build_object('name', n, 'investor', '序号实业'))), want, n || ': ' || why) FROM (VALUES
    ('城东片区标准化厂房建设项目129', 'like_number:chengguan', 'another number is pointed out'),
    ('滨江新区水处理成套设备制造二期项目', 'like_number:chengguan', 'another phase'),
    ('地块02城东片区标准化厂房项目', 'like_number:chengguan', 'another parcel'),
    ('城东片区标准化厂房建设项目１２', 'ALREADY_EXISTS name chengguan', 'the same number in other signs is the same name'),
    ('年产12万吨新型建筑材料生产线项目', 'ALREADY_EXISTS name chengguan', 'a quantity is no number of a phase'),
    ('滨江新区水处理成套设备制造项目', 'ALREADY_EXISTS name chengguan', 'one of the two has no number')) v(n, want, why);
UPDATE registry.duplicate_rule SET level = 'block' WHERE rule = 'like_number';
SELECT is(pg_temp.said(pg_temp.add('dongshan', '{"name":"城东片区标准化厂房建设项目13","investor":"序号实业"}')), 'ALREADY_EXISTS name chengguan', 'a county that blocks these, too');
UPDATE registry.duplicate_rule SET level = 'off' WHERE rule = 'like_number';
SELECT is(pg_temp.said(pg_temp.add('dongshan', '{"name":"城东片区标准化厂房建设项目14","investor":"序号实业"}')), '', 'or says nothing');
UPDATE registry.duplicate_rule SET level = 'warn' WHERE rule = 'like_number';
SELECT throws_ok($$ UPDATE registry.duplicate_rule SET pattern = '[' WHERE rule = 'like_number' $$, '2201B', NULL, 'a pattern that is none is refused');

-- a sheet is held to the same, against what stands and within itself
SELECT id AS imp FROM api.import_open(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', decode(repeat('21', 32), 'hex'), 'f.csv', 'sheet21', 'm', NULL, NULL, 9) \gset
SELECT api.import_put(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', :'imp', 0, '[
    {"row":2,"set":{"name":"高端装备制造产业园基础设施建设项目丙","investor":"级别实业"}},
    {"row":3,"set":{"name":"某某县智慧农业产业示范园建设项目","investor":"表内实业"}},
    {"row":4,"set":{"name":"某某县智慧农业产业示范园建设项目二","investor":"表内实业"}},
    {"row":5,"set":{"name":"某某县智慧农业产业示范园建设项目三","investor":"表内实业","external_id":"x5"}},
    {"row":6,"set":{"name":"某某县智慧农业产业示范园建设项目四","investor":"别家实业"}},
    {"row":7,"set":{"name":"电机二厂","investor":"级别实业","industry":"C38","amount_total":8100000000}},
    {"row":8,"set":{"name":"城东片区标准化厂房建设项目21","investor":"表内实业"}},
    {"row":9,"set":{"name":"城东片区标准化厂房建设项目22","investor":"表内实业"}},
    {"row":10,"set":{"name":"单位写错的项目","amount_total":500000000000,"amount_fixed":30000000}}]') \g /dev/null
SELECT api.import_judge(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', :'imp') \g /dev/null
SELECT is((SELECT string_agg(row || ' ' || verdict, ', ' ORDER BY row) FROM registry.import_verdict WHERE import = :'imp'),
    '2 duplicate, 3 new, 4 rejected, 5 rejected, 6 new, 7 new, 8 new, 9 new, 10 new', 'similar names block in a sheet, too');
SELECT matches((SELECT message FROM registry.import_verdict WHERE import = :'imp' AND row = 2), '^its name is like that of a project registered by 城关镇', 'against what stands');
SELECT is((SELECT message FROM registry.import_verdict WHERE import = :'imp' AND row = 4), 'has the investor of row 3 and a name like its', 'and within itself');
SELECT matches((SELECT message FROM registry.import_verdict WHERE import = :'imp' AND row = 7), 'has investor and trade of', 'what would be a warning is a note');
SELECT is((SELECT message FROM registry.import_verdict WHERE import = :'imp' AND row = 10), 'total investment of 5000000000.00 is 16667 times off fixed assets of 300000.00: 万元 or 元?', 'and so is an amount in another unit');

-- ---------------------------------------------------------------- protection
SELECT (pg_temp.add('chengguan', '{"name":"被保护的线索","investor":"保护公司"}')).project.id AS p \gset
SELECT (pg_temp.add('chengguan', '{"name":"被遗忘的线索","investor":"遗忘公司"}')).project.id AS q \gset
SELECT (pg_temp.add('chengguan', '{"name":"自动续期线索","investor":"续期公司"}')).project.id AS s \gset
SELECT is((api.project_show(pg_temp.acc('dongshan'), 'en', :'p')).project.protected_until, pg_temp.day(90), 'shown with the project');
SELECT is((SELECT x.protected_until FROM pg_temp.told((api.project_list(pg_temp.acc('dongshan'), 'en', NULL, '被保护', NULL, NULL, NULL, NULL)).rows) x), pg_temp.day(90), 'and in lists');
SELECT is((api.project_list(pg_temp.acc('dongshan'), 'en', NULL, NULL, 'protected_until', NULL, NULL, NULL)).error.field, 'sort', 'it sorts nothing');
SELECT is(pg_temp.said(pg_temp.renew('chengguan', :'p')), 'FAILED_PRECONDITION', 'not renewed for nothing');
SELECT is(pg_temp.said(pg_temp.renew('dongshan', :'p')), 'PERMISSION_DENIED', 'not by another office');
SELECT is(pg_temp.said(pg_temp.renew('chengguan', '2026-9999')), 'NOT_FOUND project', 'of no project');
SELECT pg_temp.go(30) \g /dev/null
SELECT (pg_temp.act('chengguan', :'p', pg_temp.day(0))).activity.id AS proof \gset
SELECT pg_temp.renew('chengguan', :'p', 'renew-1') AS r \gset
SELECT is(pg_temp.said(:'r'::api.protection_reply), 'held ' || pg_temp.day(90), 'renewed for an activity');
SELECT is((:'r'::api.protection_reply).protection.proof, :'proof', 'which it names');
SELECT is((pg_temp.renew('chengguan', :'p', 'renew-1')).replayed, true, 'the same request again');
SELECT is(pg_temp.said(pg_temp.renew('chengguan', :'p')), 'FAILED_PRECONDITION', 'once for each');
SELECT is((api.project_show(pg_temp.acc('dongshan'), 'en', :'p')).project.protected_until, pg_temp.day(90), 'shown');
-- day 81: nine days before q and s end
SELECT pg_temp.go(51) \g /dev/null
SELECT (pg_temp.act('chengguan', :'s', pg_temp.day(-5))).activity.id AS held \gset
SELECT is((pg_temp.run()).error.code, NULL, 'the clocks run');
SELECT is((SELECT state FROM registry.protection WHERE project = :'q'), 'expiring', 'warned of before it ends');
SELECT row_eq(format('SELECT state, until_on::text, proof, renewals FROM registry.protection WHERE project = %L', :'s'), ROW('held'::text, pg_temp.day(85), :'held'::text, 1), 'prolonged for what was done');
SELECT is(pg_temp.said(pg_temp.add('dongshan', '{"name":"被遗忘的线索","investor":"遗忘公司"}')), 'ALREADY_EXISTS name chengguan', 'still the first reporter''s');
SELECT pg_temp.go(10) \g /dev/null
SELECT pg_temp.run() \g /dev/null
SELECT is((SELECT state FROM registry.protection WHERE project = :'q'), 'released', 'released by time');
SELECT is((api.project_show(pg_temp.acc('dongshan'), 'en', :'q')).project.protected_until, NULL, 'then it has no day');
SELECT is(pg_temp.said(pg_temp.add('chengguan', '{"name":"被遗忘的线索","investor":"遗忘公司"}')), 'ALREADY_EXISTS name chengguan', 'its own office has it already');
SELECT is(pg_temp.said(pg_temp.add('dongshan', '{"name":"被遗忘的线索","investor":"遗忘公司"}')), 'released:chengguan', 'another may report it, and is told to propose a transfer');
SELECT is((SELECT string_agg(registry.event_type(c.kind, c.version, c.fields), ' ' ORDER BY c.version) FROM registry.change c WHERE c.kind = 'protection' AND c.image ->> '3' = :'q'), 'protection.added protection.released', 'both are events');
SELECT is((SELECT e.actor || ' ' || e.op FROM registry.change c JOIN registry.entry e ON e.grp = c.grp AND e.ord = c.ord WHERE c.kind = 'protection' AND c.image ->> '3' = :'q' AND c.version = 2), 'registry clock_run', 'of the registry');
SELECT pg_temp.advance('chengguan', :'p', 'talks') \g /dev/null
SELECT pg_temp.run() \g /dev/null
SELECT is((SELECT state FROM registry.protection WHERE project = :'p'), 'ended', 'a project that goes on needs none');
SELECT is(pg_temp.said(pg_temp.renew('chengguan', :'p')), 'FAILED_PRECONDITION stage', 'nor may it be renewed');
SELECT matches((api.protection_renew(pg_temp.acc('chengguan'), 'zh', pg_temp.req(), '\x00', :'p', NULL)).error.hint, '保护的阶段:线索、意向', 'stages by what people call them');
SELECT is((SELECT string_agg(t.typname || '.' || a.attname, ' ') FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0
    WHERE t.typname IN ('run', 'clock_rule', 'return_due', 'dispatch', 'warning') AND t.typnamespace = 'api'::regnamespace
      AND NOT EXISTS (SELECT FROM registry.text x WHERE x.key = format('column.%s.%s', replace(t.typname, '_', ''), a.attname))), NULL, 'every column has its label');

-- ---------------------------------------------------------------- clocks
SELECT is(registry.clock_cutoff(1, 'day', '2026-03-10'), '2026-03-08'::date, 'a day is over the day after it');
SELECT is(registry.clock_cutoff(1, 'workday', '2026-03-09'), '2026-03-05'::date, 'on a Monday Friday''s working day isn''t over');
SELECT is(registry.clock_cutoff(2, 'month', '2026-04-30'), '2026-02-28'::date, 'months have ends');
SELECT is(registry.ymd_last('2026-02'), '2026-02-28'::date, 'a month may mean its last day');
SELECT (pg_temp.add('chengguan', '{"name":"钟表线索","investor":"钟表公司"}')).project.id AS c \gset
SELECT is(pg_temp.lights(:'c'), '', 'nothing is lit yet');
SELECT pg_temp.go(8) \g /dev/null
SELECT (pg_temp.run()).run AS run \gset
SELECT row_eq(format('SELECT (x).day, (x).done_at IS NOT NULL, (x).projects FROM (SELECT %L::api.run AS x) y', :'run'), ROW(pg_temp.day(0), true, (SELECT count(*)::int FROM registry.project)), 'a whole run');
SELECT is(pg_temp.lights(:'c'), 'feedback blue, judge yellow, respond red', 'a lead nobody answered, judged, or told of');
SELECT is((pg_temp.run()).run.opened, 0, 'again: nothing is new');
SELECT is((SELECT count(*) FROM registry.alert WHERE project = :'c'), 3::bigint, 'one for each rule');
SELECT pg_temp.act('chengguan', :'c', pg_temp.day(0), '愿来考察') \g /dev/null
SELECT pg_temp.run() \g /dev/null
SELECT is(pg_temp.lights(:'c'), 'judge yellow', 'an activity with a result answers two');
SELECT row_eq(format('SELECT state, cleared_on::text FROM registry.alert WHERE project = %L AND rule = %L', :'c', 'respond'), ROW('cleared'::text, pg_temp.day(0)), 'cleared by fact');
SELECT is((SELECT string_agg(registry.event_type(c.kind, c.version, c.fields), ' ' ORDER BY c.version) FROM registry.change c JOIN registry.alert a ON a.id = c.object WHERE a.project = :'c' AND a.rule = 'respond'), 'alert.added alert.cleared', 'both are events');
SELECT pg_temp.advance('chengguan', :'c', 'intent') \g /dev/null
SELECT pg_temp.advance('chengguan', :'c', 'talks') \g /dev/null
SELECT pg_temp.run() \g /dev/null
SELECT is(pg_temp.lights(:'c'), '', 'who goes on is judged');
SELECT pg_temp.go(70) \g /dev/null
SELECT pg_temp.run() \g /dev/null
SELECT is(pg_temp.lights(:'c'), 'report red, stale_talks yellow', 'two months of talks without progress, and no report by the shorter interval');
SELECT row_eq(format('SELECT limit_on::text FROM registry.alert WHERE project = %L AND rule = %L AND state = %L', :'c', 'report', 'open'), ROW(pg_temp.day(-70 + 14)), 'a yellow project reports every fortnight');
SELECT pg_temp.go(120) \g /dev/null
SELECT pg_temp.run() \g /dev/null
SELECT row_eq(format('SELECT light, proposal FROM registry.alert WHERE project = %L AND rule = %L AND state = %L', :'c', 'stale_talks', 'open'), ROW('red'::text, 'exit'::text), 'half a year: red, leaving is proposed');
SELECT pg_temp.act('chengguan', :'c', pg_temp.day(-1)) \g /dev/null
SELECT pg_temp.run() \g /dev/null
SELECT is(pg_temp.lights(:'c'), '', 'a talk puts both out');
-- planned days
SELECT (pg_temp.add('chengguan', jsonb_build_object('name', '迟开工', 'investor', '迟', 'stage', 'signed', 'planned_start_on', pg_temp.day(-40)))).project.id AS l \gset
SELECT (pg_temp.add('chengguan', jsonb_build_object('name', '落后', 'investor', '后', 'stage', 'started', 'planned_start_on', pg_temp.day(-50), 'started_on', pg_temp.day(-20), 'planned_complete_on', pg_temp.day(50)))).project.id AS b \gset
SELECT (pg_temp.add('chengguan', jsonb_build_object('name', '不知何时', 'investor', '何', 'stage', 'started'))).project.id AS u \gset
SELECT pg_temp.run() \g /dev/null
SELECT is(pg_temp.lights(:'l'), 'late_start yellow', 'planned and not begun');
SELECT row_eq(format('SELECT light, points FROM registry.alert WHERE project = %L', :'b'), ROW('yellow'::text, 30), 'a third behind: thirty points are not over thirty');
SELECT is(registry.points_behind(jsonb_populate_record(NULL::registry.project, '{"planned_start_on":"2026-01-01","planned_complete_on":"2026-12-31","amount_total":100}'), '2026-07-02'), 50, 'half the time is gone, nothing has arrived');
SELECT is(registry.points_behind(jsonb_populate_record(NULL::registry.project, '{"started_on":"2026-01-01","amount_total":100}'), '2026-07-02'), NULL, 'no end is planned');
SELECT is(pg_temp.lights(:'u'), '', 'without a plan there is nothing to be behind');
SELECT pg_temp.edit('chengguan', NULL, :'l', jsonb_build_object('started_on', pg_temp.day(0))) \g /dev/null
SELECT pg_temp.run() \g /dev/null
SELECT is(pg_temp.lights(:'l'), '', 'begun after all');
-- rights, steps
SELECT is((pg_temp.run('chengguan')).error.code, 'PERMISSION_DENIED', 'not for offices to start');
SELECT is((api.clock_show(pg_temp.acc('sysadmin'), 'en')).error.code, 'PERMISSION_DENIED', 'nor for officers to look at');
SELECT is((SELECT open FROM unnest((api.clock_show(pg_temp.acc('leader'), 'en')).rules) WHERE rule = 'behind'), 1, 'clocks say how many alerts they have');
SELECT is((api.alert_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, NULL, '{"light":"red"}', NULL, NULL, NULL)).error.code, 'FAILED_PRECONDITION', 'nobody sets an alert');
SELECT is((api.protection_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'q'), NULL, NULL, NULL)).error.code, 'FAILED_PRECONDITION', 'nor a protection');
SELECT pg_temp.go(1) \g /dev/null
SELECT is((api.due_next()).clocks, true, 'a new day: due');
SELECT is((SELECT count(*) FROM (SELECT (api.clock_turn(50)).more FROM generate_series(1, 500) g OFFSET 0) x WHERE more), (SELECT count(*) / 50 FROM registry.project), 'in steps, to the end');
SELECT is((api.due_next()).clocks, false, 'and then not before tomorrow');
SELECT is((SELECT count(*) FROM registry.alert a WHERE a.state = 'open' AND NOT EXISTS (SELECT FROM registry.change c WHERE c.object = a.id AND c.version = a.version AND c.image ->> '6' = a.light)), 0::bigint, 'the journal says what stands');
SELECT is((SELECT count(*) FROM registry.change c WHERE c.kind = 'alert' AND c.object IN (SELECT a.id FROM registry.alert a JOIN registry.project p ON p.id = a.project WHERE p.restricted) AND c.audience = '{1}'), 0::bigint, 'of hidden projects to those who see them');

-- ---------------------------------------------------------------- returns
SELECT left(pg_temp.day(0), 7) AS this, to_char(registry.today() - interval '1 month', 'YYYY-MM') AS last \gset
SELECT is(pg_temp.said(pg_temp.file('chengguan', '2026')), 'INVALID_ARGUMENT period', 'no month');
SELECT is(pg_temp.said(pg_temp.file('chengguan', to_char(registry.today() + interval '1 month', 'YYYY-MM'))), 'FAILED_PRECONDITION period', 'a month to come');
SELECT is(pg_temp.said(pg_temp.file('chengguan', :'last', 'dongshan')), 'PERMISSION_DENIED', 'not another''s');
SELECT is(pg_temp.said(pg_temp.file('bureau', :'last')), 'FAILED_PRECONDITION office', 'the bureau files none');
SELECT ok((SELECT count(*) > 0 FROM registry.alert WHERE rule = 'return' AND office = 'chengguan' AND state = 'open' AND light = 'red'), 'months without a return are red');
SELECT (SELECT a.period FROM registry.alert a WHERE a.rule = 'return' AND a.office = 'chengguan' AND a.state = 'open' ORDER BY a.period LIMIT 1) AS missed \gset
SELECT pg_temp.file('chengguan', :'missed', NULL, '补报', 'file-1') AS f \gset
SELECT row_eq(format('SELECT (x).state, (x).office, (x).days_late > 7, (x).note FROM (SELECT (%L::api.return_reply)."return" AS x) y', :'f'),
    ROW('late'::text, 'chengguan'::text, true, '补报'::text), 'filed late');
SELECT is((SELECT state FROM registry.alert WHERE rule = 'return' AND office = 'chengguan' AND period = :'missed'), 'cleared', 'which puts its light out at once');
SELECT is(pg_temp.said(pg_temp.file('chengguan', :'missed')), 'FAILED_PRECONDITION period', 'once for a month');
SELECT is((api.return_set(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', NULL, (:'f'::api.return_reply)."return".id, '{"note":"已核"}', NULL, NULL, NULL))."return".note, '已核', 'its note may be put right');
SELECT is((api.return_set(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', NULL, (:'f'::api.return_reply)."return".id, '{"period":"2026-01"}', NULL, NULL, NULL)).error.field, 'period', 'not its month');
SELECT row_eq(format($$ SELECT x.state, x.days > 0 FROM unnest((api.return_due(pg_temp.acc('leader'), 'en', 'chengguan', NULL)).rows) x WHERE x.period = %L $$, :'missed'), ROW('late'::text, true), 'listed as late');
SELECT ok((SELECT bool_and(x.state IN ('missing', 'open')) FROM unnest((api.return_due(pg_temp.acc('leader'), 'en', '东山镇', NULL)).rows) x), 'another''s are missing');

-- a month that is over is counted as it stood at its end
CREATE FUNCTION pg_temp.figures(office text, period text) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', n.leads, n.assigned, n.intents, n.talks, n.signed, n.yellow, n.red)
    FROM registry.return_counts(jsonb_populate_record(NULL::registry."return", jsonb_build_object('office', $1, 'period', $2))) n $$;
SELECT pg_temp.go((date_trunc('month', registry.today()) + interval '1 month - 1 day')::date - registry.today()) \g /dev/null
SELECT (pg_temp.add('dongshan', '{"name":"月底线索","investor":"月底甲"}')).project.id AS w1, (pg_temp.add('dongshan', '{"name":"月底意向","investor":"月底乙","stage":"intent"}')).project.id AS w2,
    (pg_temp.add('dongshan', '{"name":"月底转出","investor":"月底丙","stage":"talks"}')).project.id AS w3,
    (api.matter_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, NULL, '{"class":"assignment","office":"dongshan","subject":"月底交办","days":5}', NULL, NULL, NULL)).matter.id AS order \gset
SELECT pg_temp.run() \g /dev/null
SELECT pg_temp.figures('dongshan', left(pg_temp.day(0), 7)) AS stood, left(pg_temp.day(0), 7) AS month \gset
SELECT pg_temp.go(4) \g /dev/null
SELECT pg_temp.advance('dongshan', :'w1', 'intent') \g /dev/null
SELECT pg_temp.advance('dongshan', :'w1', 'talks') \g /dev/null
SELECT pg_temp.edit('bureau', NULL, :'w2', '{"office":"chengguan"}') \g /dev/null
UPDATE registry.project SET office = 'chengguan' WHERE id = :'w3';
SELECT pg_temp.add('dongshan', '{"name":"次月线索","investor":"次月甲"}') \g /dev/null
SELECT api.matter_withdraw(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'order', '不再需要') \g /dev/null
SELECT pg_temp.run() \g /dev/null
SELECT isnt(pg_temp.figures('dongshan', left(pg_temp.day(0), 7)), :'stood', 'the next month has other figures');
SELECT is((SELECT concat_ws(' ', x.leads, x.assigned, x.intents, x.talks, x.signed, x.yellow, x.red) FROM (SELECT (pg_temp.file('dongshan', :'month'))."return" AS r OFFSET 0) f, LATERAL (SELECT (f.r).*) x), :'stood',
    'filed four days later it tells what stood at the month''s end: neither stages, offices, lights nor orders of since');
SELECT pg_temp.advance('dongshan', :'w1', 'signed') \g /dev/null
SELECT is((SELECT concat_ws(' ', r.leads, r.assigned, r.intents, r.talks, r.signed, r.yellow, r.red) FROM registry."return" r WHERE r.office = 'dongshan' AND r.period = :'month'), :'stood', 'and stays so');

-- ---------------------------------------------------------------- dispatch
SELECT row_eq($$ SELECT x.red, x.yellow, x.returns FROM unnest((api.dispatch(pg_temp.acc('leader'), 'en', 'chengguan')).rows) x $$,
    ROW((SELECT count(*)::int FROM registry.alert WHERE office = 'chengguan' AND state = 'open' AND light = 'red'), (SELECT count(*)::int FROM registry.alert WHERE office = 'chengguan' AND state = 'open' AND light = 'yellow'),
        (SELECT count(*)::int FROM registry.alert WHERE office = 'chengguan' AND state = 'open' AND rule = 'return')), 'a leader sees all lights of an office');
SELECT is((SELECT x.red + x.yellow + x.blue FROM unnest((api.dispatch(pg_temp.acc('dongshan'), 'en', 'chengguan')).rows) x),
    (SELECT count(*)::int FROM registry.alert a LEFT JOIN registry.project p ON p.id = a.project WHERE a.office = 'chengguan' AND a.state = 'open' AND p.restricted IS NOT TRUE), 'others those of projects they see');
UPDATE registry.alert a SET limit_on = '2001-01-01' FROM registry.project p WHERE p.id = a.project AND p.restricted AND a.state = 'open';
SELECT set_eq($$ SELECT x.office, x.rule, x.light, x.n, x.oldest FROM registry.alerts_open(pg_temp.acc('dongshan')) x $$,
    $$ SELECT a.office, a.rule, a.light, count(*), min(a.limit_on)::text FROM registry.alert a LEFT JOIN registry.project p ON p.id = a.project
       WHERE a.state = 'open' AND (p.id IS NULL OR p.audience && registry.grants(pg_temp.acc('dongshan'))) GROUP BY 1, 2, 3 $$, 'nor a day of one they don''t see');
SELECT is((api.dispatch(pg_temp.acc('leader'), 'en', 'nowhere')).error.field, 'office', 'no such office');
UPDATE registry.setting SET value = :'clock' WHERE key = 'clock_offset';
SELECT * FROM finish();
