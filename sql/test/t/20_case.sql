-- SPDX-License-Identifier: Apache-2.0
-- Cases: each class through its steps, each ruling and what comes of it, who may, what is refused.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.case(who text, set jsonb, id text DEFAULT NULL, p_base bigint DEFAULT NULL) RETURNS api.case_reply LANGUAGE sql AS $$
    SELECT api.case_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', p_base, id, set, NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.open(who text, p_class text, set jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT (pg_temp.case(who, set || jsonb_build_object('class', p_class)))."case".id $$;
CREATE FUNCTION pg_temp.step(who text, id text, step text DEFAULT NULL) RETURNS api.case_reply LANGUAGE sql AS $$
    SELECT api.case_step(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, step, NULL) $$;
CREATE FUNCTION pg_temp.ask(who text, id text, offices text[], until_on text DEFAULT NULL) RETURNS api.case_reply LANGUAGE sql AS $$
    SELECT api.case_ask(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, offices, until_on, NULL) $$;
CREATE FUNCTION pg_temp.opine(who text, id text, stance text, reason text DEFAULT NULL) RETURNS api.opinion_reply LANGUAGE sql AS $$
    SELECT api.opinion_give(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, stance, reason) $$;
CREATE FUNCTION pg_temp.decide(who text, id text, ruling text, reason text DEFAULT 'because', survivor text DEFAULT NULL, shares text DEFAULT NULL,
    points int DEFAULT NULL, amount bigint DEFAULT NULL, exception text DEFAULT NULL) RETURNS api.case_reply LANGUAGE sql AS $$
    SELECT api.case_decide(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, ruling, reason, survivor, shares, points, amount, exception) $$;
CREATE FUNCTION pg_temp.object(who text, id text, reason text DEFAULT 'not so') RETURNS api.case_reply LANGUAGE sql AS $$
    SELECT api.case_object(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, reason) $$;
CREATE FUNCTION pg_temp.withdraw(who text, id text, reason text DEFAULT 'no more') RETURNS api.case_reply LANGUAGE sql AS $$
    SELECT api.case_withdraw(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, reason) $$;
CREATE FUNCTION pg_temp.said(e api.error) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', e.code, e.field, e.message) $$;
CREATE FUNCTION pg_temp.state(p_id text) RETURNS text LANGUAGE sql AS $$ SELECT c.state FROM registry."case" c WHERE c.id = p_id $$;
-- Registered in spite of a similar name, as before the rule was there.
CREATE FUNCTION pg_temp.p(p_name text, who text DEFAULT 'chengguan', more jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id text;
BEGIN
    UPDATE registry.duplicate_rule SET level = 'warn' WHERE rule = 'like_name';
    id := (pg_temp.add(who, more || jsonb_build_object('name', p_name))).project.id;
    UPDATE registry.duplicate_rule SET level = 'block' WHERE rule = 'like_name';
    RETURN id;
END $$;
CREATE FUNCTION pg_temp.project(p_id text) RETURNS registry.project LANGUAGE sql AS $$ SELECT p FROM registry.project p WHERE p.id = p_id $$;
-- The registry's clock so many days on. Whatever began before stands where it did.
CREATE FUNCTION pg_temp.later(days int) RETURNS void LANGUAGE sql AS $$
    SELECT registry.set_clock_offset((SELECT s.value::interval FROM registry.setting s WHERE s.key = 'clock_offset') + days * interval '1 day');
    SELECT set_config('qipan.now', '', true) $$;
CREATE FUNCTION pg_temp.fire() RETURNS int LANGUAGE sql AS $$ SELECT (api.due_fire(64)).fired $$;
SELECT plan(208);
SELECT registry.account_new('c.zhang', '章', 'bureau', 'bureau') AS zhang, registry.account_new('c.duban', '督', 'fagai', 'supervisor') AS duban,
    registry.account_new('c.fagai', '发', 'fagai', 'clerk') AS fagai \gset

SELECT api.plot_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('name', n, 'class', 'land', 'park', 'jingkai', 'area_mu', '100'), NULL, NULL, NULL)
FROM unnest('{CS-1,CS-7}'::text[]) n \g /dev/null
-- ---------------------------------------------------------------- likeness
SELECT is(registry.similar_names(a, b), want, a || ' / ' || b) FROM (VALUES
    ('光伏组件项目', '光伏组件二期项目', 0.6667), ('光伏 组件(一期)', '光伏组件一期', 1), ('ABC', 'abc', 1), ('甲', '乙', 0), ('甲', '甲', 1), ('', '甲乙', 0),
    ('新能源汽车零部件生产基地项目', '新能源汽车零部件生产基地建设项目', 0.8571), ('哈哈哈', '哈哈', 0.6667), ('哈哈哈', '哈哈哈呀', 0.8)) v(a, b, want);
SELECT is(registry.amount_gap(100, 80), 0.2, 'a fifth less');
SELECT is(registry.amount_gap(NULL, 80), NULL, 'an amount that is not known');

-- ---------------------------------------------------------------- admission
SELECT pg_temp.p('准入项目', 'chengguan', '{"amount_total":50000000000,"land_mu":"200","amount_tax":100000000,"stage":"intent"}') AS p \gset
SELECT pg_temp.open('chengguan', 'admission', jsonb_build_object('project', :'p', 'plot', 'CS-1', 'energy_kgce', 600, 'environment', '报告表')) AS c \gset
SELECT row_eq(format('SELECT state, rule_set, actor, mover, office, no, project FROM registry."case" WHERE id = %L', :'c'),
    ROW('opened'::text, 1, 'chengguan'::text, 'chengguan'::text, 'chengguan'::text, (pg_temp.project(:'p')).no, :'p'::text), 'an admission is opened by its office');
SELECT is((SELECT string_agg(concat_ws('|', f.fact, f.value, f."limit", f.met), ' ' ORDER BY n) FROM unnest((api.case_facts(pg_temp.acc('leader'), 'en', :'c')).rows) WITH ORDINALITY f(fact, label, value, "limit", met, n)),
    'amount_total|50000 land|200 invest_per_mu|250.00|≥ 200|✓ tax_per_mu|0.50|≥ 10|✗ output_per_mu|— jobs|— energy|600|≤ 500|✗ environment|form|≤ form|✓', 'facts against the limits');
SELECT is(pg_temp.said((pg_temp.step('chengguan', :'c')).error), 'PERMISSION_DENIED by "默认规则 2026" the bureau, a leader or supervision moves a case to "consultation"', 'who may not move it');
SELECT is(pg_temp.said((pg_temp.step('bureau', :'c', 'review')).error), 'FAILED_PRECONDITION state steps cannot be skipped: by "默认规则 2026", "consultation" comes after "opened"', 'no step is skipped');
SELECT is((pg_temp.step('bureau', :'c', '会商研判')).error.hint, 'go to "consultation" first', 'which comes first');
SELECT is(pg_temp.said((pg_temp.decide('leader', :'c', 'admit')).error), 'FAILED_PRECONDITION state "opened" is not where a case is decided: by "默认规则 2026", "consultation" comes next', 'nor decided too early');
SELECT is((pg_temp.step('bureau', :'c'))."case".state, 'consult', 'the next step');
SELECT is(pg_temp.said((pg_temp.step('bureau', :'c', 'consult')).error) LIKE 'FAILED_PRECONDITION state the case stands at "consultation" since 20%, moved by bureau', true, 'it stands there already: since when, by whom');
SELECT is(pg_temp.said((pg_temp.step('bureau', :'c')).error), 'FAILED_PRECONDITION state by "默认规则 2026", "review" needs the opinions of 2 offices; 0 were asked', 'opinions first');
SELECT is((SELECT string_agg(concat_ws('|', x.step, x.place, x.actor, x.needs, x.missing), ' ; ' ORDER BY n) FROM unnest((api.case_course(pg_temp.acc('leader'), 'en', :'c')).rows) WITH ORDINALITY x(step, label, place, reached_at, actor, needs, missing, n)),
    'opened|done|chengguan ; consult|here|bureau ; review|next|opinions of at least 2 offices, none owed in time|by "默认规则 2026", "review" needs the opinions of 2 offices; 0 were asked', 'its course');
SELECT is((pg_temp.ask('chengguan', :'c', '{fagai}')).error.code, 'PERMISSION_DENIED', 'who may ask');
SELECT is((pg_temp.ask('bureau', :'c', '{nobody}')).error.field, 'office', 'no such office');
SELECT is((pg_temp.ask('bureau', :'c', '{}')).error.field, 'offices', 'nobody asked');
SELECT is((pg_temp.ask('bureau', :'c', '{fagai}', d)).error.field, 'ask_until_on', 'until ' || d) FROM unnest('{2020-01-01,2099,2099-02-30}'::text[]) d;
SELECT is((pg_temp.ask('bureau', :'c', '{发改局,dongshan,fagai}'))."case".asked, '{dongshan,fagai}', 'asked by name or code, once each');
SELECT is((SELECT string_agg(o.office || ' ' || o.state || ' ' || (o.until_on::date - registry.today()), ' ' ORDER BY o.office) FROM registry.opinion o WHERE o.of = :'c'),
    'dongshan asked 5 fagai asked 5', 'each has its question and its day');
SELECT is((pg_temp.opine('chengguan', :'c', 'agree')).error.code, 'NOT_FOUND', 'an office that was not asked');
SELECT is((pg_temp.opine('leader', :'c', 'agree')).error.code, 'PERMISSION_DENIED', 'who writes for no office');
SELECT is(pg_temp.said((pg_temp.opine('bureau', (SELECT o.id FROM registry.opinion o WHERE o.of = :'c' AND o.office = 'fagai'), 'agree')).error),
    'PERMISSION_DENIED the office that was asked gives the opinion', 'nobody in another office''s name');
SELECT is(pg_temp.said((pg_temp.opine('c.fagai', :'c', 'disagree')).error), 'INVALID_ARGUMENT reason who disagrees or sets conditions says why', 'no without why');
SELECT is((pg_temp.opine('c.fagai', :'c', NULL)).error.field, 'stance', 'no opinion without its stance');
SELECT is((pg_temp.opine('c.fagai', :'c', 'object')).error.field, 'stance', 'an objection is no opinion');
SELECT row_eq(format('SELECT (o).state, (o).stance, (o).reason, (o).actor, (o).late FROM (SELECT (pg_temp.opine(''c.fagai'', %L, ''附条件同意'', ''能耗须达标'')).opinion AS o OFFSET 0) x', :'c'),
    ROW('given'::text, 'conditions'::text, '能耗须达标'::text, 'c.fagai'::text, false), 'an opinion with its conditions');
SELECT is(pg_temp.said((pg_temp.opine('c.fagai', :'c', 'agree')).error) LIKE 'FAILED_PRECONDITION state 发 gave this opinion on 20%', true, 'it stands');
SELECT is(pg_temp.said((pg_temp.step('c.duban', :'c')).error), 'FAILED_PRECONDITION state by "默认规则 2026", "review" needs all opinions: 东山镇 owes one until ' || (registry.today() + 5), 'who owes one, until when');
SELECT pg_temp.later(6);
SELECT ok(pg_temp.fire() > 0, 'time makes an opinion overdue');
SELECT is((SELECT o.state || ' ' || registry.event_type('opinion', o.version, (SELECT h.fields FROM registry.change h WHERE h.object = o.id AND h.version = o.version))
    FROM registry.opinion o WHERE o.of = :'c' AND o.office = 'dongshan'), 'overdue opinion.overdue', 'and says so');
SELECT is((pg_temp.opine('dongshan', :'c', 'agree')).opinion.late, true, 'given late, shown as late');
SELECT is((pg_temp.step('c.duban', :'c'))."case".state, 'review', 'all are in: supervision may move it too');
SELECT is(pg_temp.said((pg_temp.step('bureau', :'c')).error), 'FAILED_PRECONDITION state "review" is the last step; by "默认规则 2026" the case is to be decided now', 'there is no further step');
SELECT is((pg_temp.decide(w, :'c', 'admit')).error.code, 'PERMISSION_DENIED', w || ' decides nothing') FROM unnest('{chengguan,c.duban,c.fagai,sysadmin}'::text[]) w;
SELECT is((pg_temp.decide('leader', :'c', 'merge')).error.allowed, '{admit,admit_conditions,refuse}', 'only rulings of its class');
SELECT is(pg_temp.said((pg_temp.decide('leader', :'c', 'admit', ' ')).error), 'INVALID_ARGUMENT reason a decision needs its reason', 'with its reason');
-- limits stand in the way of a ruling
SELECT is(pg_temp.said((pg_temp.decide('leader', :'c', '准入')).error),
    'FAILED_PRECONDITION ruling by "默认规则 2026" there is no "admit" below these limits: ' || registry.code_label('en', 'case_fact', 'tax_per_mu') || ' 0.50(≥ 10); ' || registry.code_label('en', 'case_fact', 'energy') || ' 600(≤ 500)', 'not below the limits, which it names');
SELECT matches((pg_temp.decide('leader', :'c', 'admit')).error.hint, '--exception', 'and says how');
SELECT is((SELECT c.state || coalesce(c.ruling, '') FROM registry."case" c WHERE c.id = :'c'), 'review', 'nothing is decided by that');
SELECT is((pg_temp.decide('leader', :'c', 'refuse', 'because', exception => '看好')).error.field, 'exception', 'no exception where nothing stands in the way');
SELECT is((pg_temp.decide('leader', :'c', 'admit', 'because', exception => ' ')).error.field, 'ruling', 'an exception says why');
UPDATE registry.project SET amount_tax = 220000000000 WHERE id = :'p';
SELECT is((pg_temp.decide('leader', :'c', 'admit')).error.message LIKE '%below these limits: ' || registry.code_label('en', 'case_fact', 'energy') || '%', true, 'held against the figures of now');
SELECT is((pg_temp.case('bureau', '{"energy_kgce":null}', :'c')).error, NULL::api.error, 'a figure that nobody knows');
SELECT matches((pg_temp.decide('leader', :'c', 'admit')).error.message, ' —\(≤ 500\)', 'meets no limit');
SELECT row_eq(format('SELECT (c).state, (c).ruling, (c).decider, (c).grounds, (c).exception, (c).in_force_at IS NOT NULL FROM (SELECT (pg_temp.decide(''leader'', %L, ''准入'', ''效益达标'', exception => ''县长办公会第3期纪要'')).case AS c OFFSET 0) x', :'c'),
    ROW('in_force'::text, 'admit'::text, 'leader'::text, '效益达标'::text, '县长办公会第3期纪要'::text, true), 'admitted as an exception, at once in force');
SELECT is((SELECT h.fields #>> '{39,1}' FROM registry.change h WHERE h.object = :'c' ORDER BY h.version DESC LIMIT 1), '县长办公会第3期纪要', 'which stands in the journal');
SELECT is((SELECT string_agg(concat_ws(' ', f.fact, f.met), ', ' ORDER BY n) FROM unnest((api.case_facts(pg_temp.acc('leader'), 'en', :'c')).rows) WITH ORDINALITY f(fact, label, value, "limit", met, n) WHERE f.met IS NOT NULL),
    'invest_per_mu ✓, tax_per_mu ✓, energy —, environment ✓', 'with the facts it was decided on');
SELECT row_eq(format('SELECT p.stage, p.admitted_on::text FROM registry.project p WHERE p.id = %L', :'p'), ROW('talks'::text, registry.today()::text), 'the next stage is open');
SELECT is((SELECT string_agg(h.kind, ' ' ORDER BY h.idx) FROM registry.change h WHERE h.grp = (SELECT max(y.grp) FROM registry.change y WHERE y.object = :'c')), 'case project', 'in one transaction');
SELECT is((SELECT e.actor FROM registry.stage_event e WHERE e.project = :'p' AND e.stage = 'talks'), 'leader', 'by who decided');
SELECT is(pg_temp.said((pg_temp.decide('c.zhang', :'c', 'refuse')).error) LIKE 'FAILED_PRECONDITION state decided by leader on 20%: "admit"', true, 'the second to decide is told who was first, and when');
SELECT is((pg_temp.case('chengguan', '{"subject":"再改"}', :'c')).error.code, 'FAILED_PRECONDITION', 'a decided case is not edited');
SELECT is((pg_temp.object('chengguan', :'c')).error.code, 'FAILED_PRECONDITION', 'nor objected to when no time for it runs');
-- a stage given; not admitted
SELECT pg_temp.p('准入项目二', 'chengguan', '{"stage":"lead"}') AS p2 \gset
SELECT is((pg_temp.case('chengguan', jsonb_build_object('class', 'admission', 'project', :'p2', 'stage', 'full'))).error.field, 'stage', 'a stage that it can''t move to');
SELECT pg_temp.open('chengguan', 'admission', jsonb_build_object('project', :'p2', 'stage', 'talks')) AS c2 \gset
SELECT is(pg_temp.said((pg_temp.case('bureau', jsonb_build_object('class', 'admission', 'project', :'p2'))).error) LIKE 'ALREADY_EXISTS project 乙 opened case cs% about this on 20%; it is not finished', true, 'one case at a time');
SELECT is((pg_temp.case('chengguan', '{"energy_kgce":100}', :'c2', 1))."case".energy_kgce, 100, 'what it says can be put right');
SELECT is((api.case_refresh(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', NULL, :'c2'))."case".facts LIKE '%"100"%', true, 'and the facts taken anew');
SELECT is((pg_temp.case('chengguan', '{"class":"exit"}', :'c2')).error.field, 'class', 'what it is about stays');
SELECT is((pg_temp.case('dongshan', '{"subject":"x"}', :'c2')).error.code, 'PERMISSION_DENIED', 'another office''s case');
SELECT is((pg_temp.withdraw('dongshan', :'c2')).error.code, 'PERMISSION_DENIED', 'is not withdrawn by others');
SELECT is((pg_temp.withdraw('chengguan', :'c2', '')).error.field, 'reason', 'nor without reason');
SELECT is((pg_temp.withdraw('chengguan', :'c2'))."case".state, 'withdrawn', 'withdrawn by its office');
SELECT is((SELECT p.stage FROM registry.project p WHERE p.id = :'p2'), 'lead', 'nothing comes of it');

-- ---------------------------------------------------------------- duplicates
SELECT pg_temp.p('新能源汽车零部件生产基地项目', 'chengguan', '{"investor":"远山集团","amount_total":1000000000,"industry":"C38","contact_phone":"139-1"}') AS a \gset
SELECT pg_temp.p('新能源汽车零部件生产基地建设项目', 'dongshan', '{"investor":"远山集团","amount_total":900000000,"industry":"C38","contact_phone":"1391"}') AS b \gset
SELECT row_eq(format('SELECT no, other_no, office, other_office, level, likeness, gap, reasons, "case" FROM unnest((api.case_pool(%s, ''en'', NULL, NULL)).rows) WHERE %L IN (project, other_project)', pg_temp.acc('bureau'), :'a'),
    ROW((pg_temp.project(:'b')).no, (pg_temp.project(:'a')).no, 'dongshan'::text, 'chengguan'::text,
        'duplicate'::text, '0.8571'::text, '0.1000'::text, 'same investor, like name · same investor and trade, like amount · same telephone'::text, NULL::text), 'a suspected pair, and why');
SELECT is((api.case_pool(pg_temp.acc('chengguan'), 'en', NULL, NULL)).error.code, 'PERMISSION_DENIED', 'the pool is the county''s');
SELECT is(pg_temp.said((pg_temp.case('c.fagai', jsonb_build_object('class', 'duplicate', 'project', :'a', 'other_project', :'b'))).error),
    'PERMISSION_DENIED by "默认规则 2026" the owner of a project it is about, the bureau or supervision opens this', 'who may not open it');
SELECT is((pg_temp.case('bureau', jsonb_build_object('class', 'duplicate', 'project', :'a', 'other_project', :'a'))).error.field, 'other_project', 'a project with itself');
SELECT is((pg_temp.case('bureau', jsonb_build_object('class', 'duplicate', 'project', :'a', 'other_project', '2026-9999'))).error.field, 'other_project', 'with none');
SELECT is((pg_temp.case('bureau', jsonb_build_object('class', 'duplicate', 'project', :'a'))).error.field, 'other_project', 'without the other');
SELECT pg_temp.open('dongshan', 'duplicate', jsonb_build_object('project', :'b', 'other_project', (pg_temp.project(:'a')).no)) AS d \gset
SELECT is((pg_temp.case('chengguan', jsonb_build_object('class', 'duplicate', 'project', :'a', 'other_project', :'b'))).error.code, 'ALREADY_EXISTS', 'the same pair the other way round');
SELECT is((SELECT x."case" FROM unnest((api.case_pool(pg_temp.acc('bureau'), 'en', NULL, NULL)).rows) x WHERE :'a' IN (x.project, x.other_project)), :'d', 'the pool names the case');
SELECT is((SELECT string_agg(f.value, '|' ORDER BY n) FROM unnest((api.case_facts(pg_temp.acc('leader'), 'en', :'d')).rows) WITH ORDINALITY f(fact, label, value, l, m, n) WHERE n <= 6),
    concat_ws('|', (pg_temp.project(:'a')).no, '城关镇', registry.day((pg_temp.project(:'a')).registered_at), 'duplicate', '0.8571', '0.1000'), 'of the other: number, office, day, likeness');
-- one that not everybody may see: nothing that tells its amount, its name or its telephone
SELECT pg_temp.p('公开的项目', 'chengguan', '{"investor":"近水集团","amount_total":1000000000,"contact_phone":"1392"}') AS shown \gset
SELECT pg_temp.p('不公开的项目', 'dongshan', '{"investor":"近水集团","amount_total":950000000,"contact_phone":"1392","restricted":true}') AS hidden \gset
SELECT pg_temp.open('bureau', 'duplicate', jsonb_build_object('project', :'shown', 'other_project', :'hidden')) AS hd \gset
SELECT is((SELECT string_agg(f.fact, ' ' ORDER BY n) FROM unnest((api.case_facts(pg_temp.acc('c.fagai'), 'en', :'hd')).rows) WITH ORDINALITY f(fact, label, value, l, m, n)),
    'project office registered level', 'of a hidden one no more than a first report discloses');
-- children of every sort
SELECT (api.activity_set(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'b', 'class', 'talk', 'held_on', '2026-01-05'), NULL, NULL, NULL)).activity.id AS act,
    (api.due_set(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'b', 'text', '报材料', 'due_at', 4000000000000000), NULL, NULL)).due.id AS due,
    (api.matter_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'b', 'class', 'order', 'office', 'dongshan', 'subject', '催办', 'days', 5), NULL, NULL, NULL)).matter.id AS matter \gset
SELECT pg_temp.step('bureau', :'d') AS x, pg_temp.ask('bureau', :'d', '{fagai}') AS y, pg_temp.opine('c.fagai', :'d', 'agree') AS z, pg_temp.step('bureau', :'d') AS w \gset
SELECT is(pg_temp.state(:'d'), 'review', 'ready to be decided');
SELECT is((pg_temp.decide('bureau', :'d', 'merge', 'one', 'p000')).error.field, 'survivor', 'the survivor is one of the two');
SELECT row_eq(format('SELECT (c).state, (c).ruling, (c).force_at FROM (SELECT (pg_temp.decide(''bureau'', %L, ''merge'')).case AS c OFFSET 0) x', :'d'),
    ROW('decided'::text, 'merge'::text, registry.day_begins(registry.today() + 4)), 'decided; objections for three days');
SELECT is((SELECT p.merged_into FROM registry.project p WHERE p.id = :'b'), NULL, 'nothing is done yet');
SELECT is((pg_temp.object('c.fagai', :'d')).error.message, 'only an office the case is about may object', 'who is no party');
SELECT is((pg_temp.object('dongshan', :'d', ''))."error".field, 'reason', 'without reason');
SELECT is((pg_temp.object('dongshan', :'d', '是两个项目'))."case".state, 'objection', 'a party objects');
SELECT row_eq(format('SELECT o.office, o.stance, o.reason FROM registry.opinion o WHERE o.of = %L AND o.class = ''objection''', :'d'), ROW('dongshan'::text, 'object'::text, '是两个项目'::text), 'which is kept');
SELECT is((pg_temp.decide('leader', :'d', 'merge', '复核:同一项目'))."case".state, 'decided', 'decided again; the other party has its time still');
SELECT is(pg_temp.said((pg_temp.object('dongshan', :'d')).error) LIKE 'FAILED_PRECONDITION state 丙 objected on 20%', true, 'each objects once');
SELECT pg_temp.fire() \g /dev/null
SELECT is(pg_temp.state(:'d'), 'decided', 'not before its time');
SELECT pg_temp.later(4);
SELECT ok(registry.due_next_ms() = 0 AND pg_temp.fire() > 0, 'in force by time');
SELECT row_eq(format('SELECT c.state, c.mover, c.in_force_at IS NOT NULL FROM registry."case" c WHERE c.id = %L', :'d'), ROW('in_force'::text, 'registry'::text, true), 'by the registry');
SELECT row_eq(format('SELECT p.stage, p.merged_into FROM registry.project p WHERE p.id = %L', :'b'), ROW('exited'::text, (pg_temp.project(:'a')).no), 'the later one is gone and points to the earlier');
SELECT is((SELECT string_agg(x.project || x.no, ' ') FROM (SELECT project, no FROM registry.activity WHERE id = :'act' UNION SELECT project, no FROM registry.due WHERE id = :'due' UNION SELECT project, no FROM registry.matter WHERE id = :'matter') x),
    :'a' || (pg_temp.project(:'a')).no, 'its children moved');
SELECT is((SELECT h.fields FROM registry.change h WHERE h.object = :'act' AND h.version = 2), jsonb_build_object('3', ARRAY[:'b', :'a'], '8', ARRAY[(pg_temp.project(:'b')).no, (pg_temp.project(:'a')).no]), 'journalled');
SELECT is((SELECT string_agg(DISTINCT e.op || e.actor, ' ') FROM registry.change h JOIN registry.entry e USING (grp, ord) WHERE h.object IN (:'act', :'due', :'matter', :'b') AND h.version > 1 AND h.fields ?| '{3,29}'), 'case_forceregistry', 'under the entry that put it in force');
SELECT row_eq(format('SELECT (e).code, (e).other_no FROM (SELECT (pg_temp.edit(''dongshan'', NULL, %L, ''{"jobs":1}'')).error AS e OFFSET 0) x', :'b'), ROW('FAILED_PRECONDITION'::text, (pg_temp.project(:'a')).no), 'it is edited no more; its page points to the other');
SELECT row_eq(format('SELECT (e).other_office, (e).at FROM (SELECT (pg_temp.edit(''dongshan'', NULL, %L, ''{"jobs":1}'')).error AS e OFFSET 0) x', :'b'),
    ROW('chengguan'::text, (pg_temp.project(:'a')).registered_at), 'with its office and day');
SELECT is((pg_temp.add('dongshan', '{"name":"新能源汽车零部件生产基地建设项目","investor":"远山集团"}')).error.other_no, (pg_temp.project(:'a')).no, 'who registers it again is sent to the other');
SELECT is((SELECT count(*) FROM unnest((api.case_pool(pg_temp.acc('bureau'), 'en', NULL, NULL)).rows) x WHERE :'a' IN (x.project, x.other_project)), 0::bigint, 'no suspect any more');
SELECT is(pg_temp.said((api.activity_set(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'b', 'class', 'talk', 'held_on', '2026-01-05'), NULL, NULL, NULL)).error),
    'FAILED_PRECONDITION project this project was merged into ' || (pg_temp.project(:'a')).no, 'nothing new is written about it');
SELECT is(pg_temp.said((api.due_set(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'b', 'text', '报材料', 'due_at', 4000000000000000), NULL, NULL)).error),
    'FAILED_PRECONDITION project this project was merged into ' || (pg_temp.project(:'a')).no, 'nor a deadline set');
-- the other rulings
CREATE FUNCTION pg_temp.ruled(p_ruling text, a text, b text, survivor text DEFAULT NULL, shares text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    c text := pg_temp.open('c.duban', 'duplicate', jsonb_build_object('project', a, 'other_project', b));
    r api.case_reply;
BEGIN
    PERFORM pg_temp.step('bureau', c); PERFORM pg_temp.ask('bureau', c, '{fagai}'); PERFORM pg_temp.opine('c.fagai', c, 'agree'); PERFORM pg_temp.step('bureau', c);
    r := pg_temp.decide('leader', c, p_ruling, 'so', survivor, shares);
    PERFORM pg_temp.later(4);
    PERFORM pg_temp.fire();
    RETURN coalesce((r.error).field, pg_temp.state(c));
END $$;
SELECT pg_temp.p('甲', 'chengguan', '{"site":"工业路 1 号"}') AS a1, pg_temp.p('乙', 'dongshan', '{"site":"工业路1号"}') AS b1, pg_temp.p('丙', 'chengguan') AS a2, pg_temp.p('丁', 'dongshan') AS b2,
    pg_temp.p('戊', 'chengguan') AS a3, pg_temp.p('己', 'dongshan') AS b3 \gset
CREATE FUNCTION pg_temp.pooled(a text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM unnest((api.case_pool(pg_temp.acc('bureau'), 'en', NULL, NULL)).rows) x WHERE a IN (x.project, x.other_project) $$;
SELECT is(pg_temp.pooled(:'a1'), 1::bigint, 'the same address');
SELECT is(pg_temp.ruled('keep_both', :'a1', :'b1'), 'in_force', 'keep both');
SELECT is(pg_temp.pooled(:'a1'), 0::bigint, 'which settles it');
SELECT is((SELECT string_agg(p.stage || coalesce(p.merged_into, ''), ' ') FROM registry.project p WHERE p.id IN (:'a1', :'b1')), 'lead lead', 'both stay');
-- two of one investor with similar names: ruled to be two, they stand in each other's way no more
SELECT pg_temp.p('某县智慧冷链物流产业园标准厂房建设项目', 'chengguan', '{"investor":"冷链集团"}') AS c1, pg_temp.p('某县智慧冷链物流产业园标准厂房建设工程', 'dongshan', '{"investor":"冷链集团"}') AS c2 \gset
CREATE FUNCTION pg_temp.renamed(id text, name text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', (r.error).code, (r.error).other_no, cardinality(r.warnings)) FROM (SELECT (pg_temp.edit('dongshan', NULL, id, jsonb_build_object('name', name))).*) r $$;
SELECT is(pg_temp.renamed(:'c2', '某县智慧冷链物流产业园标准厂房建设工程项目'), 'ALREADY_EXISTS ' || (pg_temp.project(:'c1')).no, 'a similar name stands in the way');
SELECT is(pg_temp.ruled('keep_both', :'c1', :'c2'), 'in_force', 'they are ruled to be two');
SELECT is(pg_temp.renamed(:'c2', '某县智慧冷链物流产业园标准厂房建设工程项目'), '', 'then not, and nothing is said');
SELECT is(pg_temp.renamed(:'c1', '某县智慧冷链物流产业园标准厂房建设'), 'PERMISSION_DENIED', 'each by its own office');
SELECT is((pg_temp.add('bureau', '{"name":"某县智慧冷链物流产业园标准厂房建设工程项目三","investor":"冷链集团"}')).error.code, 'ALREADY_EXISTS', 'a third is neither');
INSERT INTO registry.protection (id, version, project, no, office, state, since_on, until_on, actor, changed_at)
    SELECT NULL, NULL, p.id, p.no, p.office, 'released', '2026-01-01', '2026-01-02', 'registry', now() FROM registry.project p WHERE p.id = :'c2';
SELECT row_eq(format('SELECT r.code, r.warned FROM (SELECT ((x.r).error).code, (SELECT string_agg(w.code || w.no, '','') FROM unnest((x.r).warnings) w) AS warned FROM (SELECT pg_temp.add(''bureau'', %L) AS r OFFSET 0) x) r',
    '{"name":"某县智慧冷链物流产业园标准厂房建设工程项目","investor":"冷链集团"}'), ROW(NULL::text, 'released' || (pg_temp.project(:'c2')).no), 'one of the two registered anew: the ruling holds');
SELECT is((SELECT count(*) FROM unnest((pg_temp.edit('dongshan', NULL, :'c2', '{"name":"某县智慧冷链物流产业园标准厂房建设工程"}')).warnings) w WHERE w.no = (pg_temp.project(:'c1')).no), 0::bigint, 'nor is it pointed out');
SELECT is((SELECT count(*) FROM registry.suspects(ARRAY[pg_temp.project(:'a1')], ARRAY['{"31":1}'::jsonb], ARRAY[NULL]) s WHERE (s.other).id = :'b1'), 0::bigint, 'an address they share isn''t either');
SELECT is(pg_temp.ruled('reject_later', :'b2', :'a2'), 'in_force', 'reject the later');
SELECT is((SELECT string_agg(p.stage || coalesce(p.merged_into, ''), ' ' ORDER BY p.registered_at, p.no) FROM registry.project p WHERE p.id IN (:'a2', :'b2')), 'lead exited', 'the later one exits, unmerged');
SELECT is(pg_temp.ruled('joint', :'a3', :'b3', :'b3', 'fixed=120/100'), 'shares', 'shares up to 100');
SELECT pg_temp.withdraw('c.duban', (SELECT c.id FROM registry."case" c WHERE c.project = :'a3')) AS x \gset
SELECT is(pg_temp.ruled('joint', :'a3', :'b3', :'b3', '到位资金=60/40, fixed=100/100'), 'in_force', 'a joint project, the later one stays');
SELECT is((SELECT p.merged_into FROM registry.project p WHERE p.id = :'a3'), (pg_temp.project(:'b3')).no, 'the earlier goes into it');
SELECT is((SELECT string_agg(concat_ws(' ', s.indicator, s.class, s.office, s.percent), ', ' ORDER BY s.indicator, s.class DESC) FROM registry.share s WHERE s.project = :'b3'),
    'arrived introducer dongshan 60, arrived host chengguan 40, fixed introducer dongshan 100, fixed host chengguan 100', 'shares as ruled');

-- two rulings on their way about one project: the second finds it gone
SELECT pg_temp.p('庚', 'chengguan') AS g1, pg_temp.p('辛', 'dongshan') AS g2, pg_temp.p('壬', 'dongshan') AS g3 \gset
SELECT pg_temp.open('c.duban', 'duplicate', jsonb_build_object('project', :'g1', 'other_project', :'g2')) AS d1, pg_temp.open('c.duban', 'duplicate', jsonb_build_object('project', :'g2', 'other_project', :'g3')) AS d2 \gset
SELECT pg_temp.step('bureau', d) AS x, pg_temp.ask('bureau', d, '{fagai}') AS y, pg_temp.opine('c.fagai', d, 'agree') AS z, pg_temp.step('bureau', d) AS w FROM unnest(ARRAY[:'d1', :'d2']) d \g /dev/null
SELECT pg_temp.decide('leader', :'d1', 'merge', 'so', :'g1') \g /dev/null
SELECT pg_temp.decide('leader', :'d2', 'merge', 'so', :'g3') AS y, pg_temp.later(4), pg_temp.fire() \g /dev/null
SELECT is((SELECT concat_ws(' ', pg_temp.state(:'d1'), pg_temp.state(:'d2'), p.merged_into) FROM registry.project p WHERE p.id = :'g2'), 'in_force in_force ' || (pg_temp.project(:'g1')).no, 'merged once');

-- ---------------------------------------------------------------- transfer
SELECT pg_temp.p('流转项目', 'chengguan') AS t \gset
SELECT is((pg_temp.case('chengguan', jsonb_build_object('class', 'transfer', 'project', :'t', 'other_office', 'chengguan'))).error.field, 'other_office', 'to itself');
SELECT pg_temp.open('chengguan', 'transfer', jsonb_build_object('project', :'t', 'other_office', '东山镇')) AS c \gset
SELECT is((SELECT string_agg(concat_ws(' ', o.office, o.class, o.state, o.stance), ', ' ORDER BY o.office) FROM registry.opinion o WHERE o.of = :'c'), 'chengguan consent given agree, dongshan consent asked', 'who opens agrees; the other is asked');
SELECT is(pg_temp.said((pg_temp.step('chengguan', :'c')).error), 'FAILED_PRECONDITION state by "默认规则 2026", "agreed" needs both parties to agree: 东山镇 has not said', 'both must agree');
SELECT pg_temp.opine('dongshan', :'c', 'disagree', '没有地') AS x \gset
SELECT is(pg_temp.said((pg_temp.step('chengguan', :'c')).error), 'FAILED_PRECONDITION state by "默认规则 2026", "agreed" needs both parties to agree: 东山镇 does not', 'one does not');
SELECT pg_temp.ask('bureau', :'c', '{dongshan}', (registry.today() + 2)::text) AS x, pg_temp.opine('dongshan', :'c', 'agree') AS y \gset
SELECT is((pg_temp.step('chengguan', :'c'))."case".state, 'agreed', 'asked again it does');
SELECT is((pg_temp.step('chengguan', :'c')).error.code, 'PERMISSION_DENIED', 'the county takes it up');
SELECT is(pg_temp.said((pg_temp.step('bureau', :'c')).error), 'FAILED_PRECONDITION state by "默认规则 2026", "review" needs the opinions of 1 offices; 0 were asked', 'not without a department''s opinion');
SELECT pg_temp.ask('bureau', :'c', '{fagai}') \g /dev/null
SELECT is(pg_temp.said((pg_temp.step('bureau', :'c')).error) LIKE 'FAILED_PRECONDITION state by "默认规则 2026", "review" needs all opinions: %', true, 'which is owed');
SELECT pg_temp.opine('c.fagai', :'c', 'agree') \g /dev/null
SELECT is((pg_temp.step('bureau', :'c'))."case".state, 'review', 'to rule on it');
SELECT registry.account_new('c.chief', '副镇长', 'dongshan', 'leader') AS chief \gset
SELECT is(pg_temp.said((pg_temp.decide('c.chief', :'c', 'transfer')).error), 'PERMISSION_DENIED by "默认规则 2026" nobody of an office the case is about decides it, or changes or withdraws it if another opened it', 'nobody of a party rules');
SELECT is((pg_temp.decide('leader', :'c', 'transfer'))."case".state, 'in_force', 'ruled');
SELECT row_eq(format('SELECT p.office, p.host_office FROM registry.project p WHERE p.id = %L', :'t'), ROW('dongshan'::text, 'dongshan'::text), 'the project moved');
SELECT is((SELECT string_agg(concat_ws(' ', s.indicator, s.office, s.percent), ', ' ORDER BY s.indicator, s.percent DESC, s.office) FROM registry.share s WHERE s.project = :'t' AND s.percent > 0),
    'arrived chengguan 100, fixed chengguan 100, fixed dongshan 100, output dongshan 100, projects chengguan 100, projects dongshan 100, tax dongshan 100', 'credit per indicator');
SELECT is((SELECT string_agg(x.i || ' ' || x.sum, ' ' ORDER BY x.i) FROM (SELECT i, sum(s.percent) FROM unnest('{arrived,fixed}'::text[]) i, registry.credited(:'t', i) s GROUP BY i) x), 'arrived 100 fixed 200', 'attribution may come to more than 100; the county counts the project once');
SELECT is((SELECT string_agg(s.office || s.percent, ' ') FROM registry.credited(:'a', 'fixed') s), 'chengguan100', 'without a case its office has all');

-- ---------------------------------------------------------------- exit
SELECT pg_temp.p('退出项目', 'chengguan') AS e \gset
SELECT is((pg_temp.case('chengguan', jsonb_build_object('class', 'exit', 'project', :'e'))).error.message, 'by "默认规则 2026" the bureau, a leader or supervision opens this', 'an exit is opened by the county');
SELECT pg_temp.open('bureau', 'exit', jsonb_build_object('project', :'e')) AS c \gset
SELECT is(pg_temp.said((pg_temp.step('bureau', :'c')).error), 'FAILED_PRECONDITION state by "默认规则 2026", "notice served" comes 30 days after the step before: from ' || (registry.today() + 30) || ' on', 'a warning has its time');
SELECT pg_temp.later(30);
SELECT is((pg_temp.step('bureau', :'c'))."case".state, 'noticed', 'then the notice');
SELECT pg_temp.later(15);
SELECT pg_temp.ask('bureau', :'c', '{fagai,chengguan}') AS x, pg_temp.opine('c.fagai', :'c', 'agree') AS y, pg_temp.opine('chengguan', :'c', 'disagree', '正在谈') AS z, pg_temp.step('bureau', :'c') AS w \gset
SELECT is((pg_temp.decide('bureau', :'c', 'exit')).error.message, 'nobody decides a case he opened himself', 'who opened it doesn''t decide');
SELECT is((pg_temp.decide('c.zhang', :'c', 'exit'))."case".state, 'decided', 'another does');
SELECT is((pg_temp.project(:'e')).stage, 'lead', 'it stays while objections may come');
SELECT pg_temp.object('chengguan', :'c', '已谈妥') AS x \gset
SELECT is((pg_temp.decide('leader', :'c', 'retain', '确有进展'))."case".state, 'rejected', 'the only party has objected: what is decided now stands');
SELECT is((pg_temp.project(:'e')).stage, 'lead', 'retained');
SELECT is((pg_temp.case('bureau', jsonb_build_object('class', 'exit', 'project', :'e')))."case".state, 'warned', 'another case may come later');
CREATE FUNCTION pg_temp.exit_of(p_id text, p_days int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    c text := pg_temp.open('c.duban', 'exit', jsonb_build_object('project', p_id));
BEGIN
    PERFORM pg_temp.later(30); PERFORM pg_temp.step('bureau', c); PERFORM pg_temp.later(15);
    PERFORM pg_temp.ask('bureau', c, '{fagai}'); PERFORM pg_temp.opine('c.fagai', c, 'agree'); PERFORM pg_temp.step('bureau', c);
    PERFORM pg_temp.decide('leader', c, 'exit');
    PERFORM pg_temp.later(p_days);
    PERFORM pg_temp.fire();
    RETURN c;
END $$;
SELECT pg_temp.p('退出项目二', 'chengguan') AS e2, (SELECT o.projects FROM unnest((api.office_list(pg_temp.acc('leader'), 'en')).rows) o WHERE o.code = 'chengguan') AS active \gset
SELECT pg_temp.exit_of(:'e2', 10) AS c \gset
SELECT is(pg_temp.state(:'c') || (pg_temp.project(:'e2')).stage, 'decidedlead', 'the last day for objections is not over');
SELECT pg_temp.later(1);
SELECT pg_temp.fire() \g /dev/null
SELECT is(pg_temp.state(:'c') || (pg_temp.project(:'e2')).stage, 'in_forceexited', 'then it exits');
SELECT is((SELECT o.projects FROM unnest((api.office_list(pg_temp.acc('leader'), 'en')).rows) o WHERE o.code = 'chengguan'), :active - 1, 'it counts no more');
SELECT is((api.project_show(pg_temp.acc('leader'), 'en', :'e2')).project.stage, 'exited', 'and stays on record');
SELECT is((SELECT string_agg(concat_ws('|', x.step, x.place, x.actor), ' ' ORDER BY n) FROM unnest((api.case_course(pg_temp.acc('leader'), 'en', :'c')).rows) WITH ORDINALITY x(step, label, place, reached_at, actor, needs, missing, n)),
    'warned|done|c.duban noticed|done|bureau review|done|bureau in_force|here|registry', 'warnings and notices with who and when');
SELECT is((pg_temp.case('bureau', jsonb_build_object('class', 'exit', 'project', :'e2'))).error.message, 'project ' || (pg_temp.project(:'e2')).no || ' has exited', 'once');

-- ---------------------------------------------------------------- recognition: what is recognised knows how
CREATE FUNCTION registry.activity_recognise(p_id text, p_case text) RETURNS void LANGUAGE sql AS $$
    UPDATE registry.activity SET result = 'recognised by ' || p_case WHERE id = p_id $$;
UPDATE registry.case_step SET evidence = 0 WHERE class = 'recognition' AND step = 'review';
SELECT is((pg_temp.case('chengguan', jsonb_build_object('class', 'recognition', 'project', :'p', 'of', :'due'))).error.field, 'of', 'nothing that could be recognised');
SELECT pg_temp.open('chengguan', 'recognition', jsonb_build_object('project', :'a', 'of', :'act')) AS c \gset
SELECT is(pg_temp.said((pg_temp.step('chengguan', :'c')).error), 'FAILED_PRECONDITION state by "默认规则 2026", "evidence" needs 1 pieces of evidence; there are 0', 'evidence first');
UPDATE registry.case_step SET evidence = 0 WHERE class = 'recognition' AND step = 'proved';
SELECT pg_temp.step('chengguan', :'c') AS x, pg_temp.step('bureau', :'c') AS y, pg_temp.decide('leader', :'c', 'recognise') AS z, pg_temp.later(6) \gset
UPDATE registry.case_step SET evidence = 1 WHERE class = 'recognition' AND step IN ('proved', 'review');
SELECT pg_temp.fire() \g /dev/null
SELECT is((SELECT a.result FROM registry.activity a WHERE a.id = :'act'), 'recognised by ' || :'c', 'recognised by the case');
-- what can't be done holds up nothing
CREATE OR REPLACE FUNCTION registry.activity_recognise(p_id text, p_case text) RETURNS void LANGUAGE sql AS $$ UPDATE registry.activity SET class = NULL WHERE id = p_id $$;
UPDATE registry.case_step SET evidence = 0 WHERE class = 'recognition';
SELECT pg_temp.open('chengguan', 'recognition', jsonb_build_object('project', :'a', 'of', :'act')) AS c \gset
SELECT pg_temp.step('chengguan', :'c') AS x, pg_temp.step('bureau', :'c') AS y, pg_temp.decide('leader', :'c', 'recognise') AS z, pg_temp.later(6) \gset
SELECT (api.due_set(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'a', 'text', '同时到期', 'due_at', 1800000000000000), NULL, NULL)).due.id AS due2 \gset
SET client_min_messages = error;
SELECT pg_temp.fire() \g /dev/null
SELECT is(pg_temp.state(:'c') || (SELECT d.state FROM registry.due d WHERE d.id = :'due2') || (registry.due_next_ms() > 0), 'decidedfiredtrue', 'a decision that can''t be carried out is put off; what else is due goes on');
SET client_min_messages = warning;
CREATE OR REPLACE FUNCTION registry.activity_recognise(p_id text, p_case text) RETURNS void LANGUAGE sql AS $$ SELECT $$;
SELECT pg_temp.later(1);
SELECT is(pg_temp.fire() >= 1 AND pg_temp.state(:'c') = 'in_force', true, 'and done when it can be');
DROP FUNCTION registry.activity_recognise;
UPDATE registry.case_step SET evidence = 1 WHERE class = 'recognition' AND step IN ('proved', 'review');

-- an arrival, and a stage
SELECT (api.arrival_set(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'a', 'class', 'fixed', 'amount_arrived', 500000000,
    'arrived_on', '2026-01-05', 'origin', 'county_outside', 'voucher', 'V-1'), NULL, NULL, NULL)).arrival.id AS arrival, pg_temp.p('签约认定项目', 'chengguan', '{"stage":"talks"}') AS q \gset
SELECT pg_temp.advance('chengguan', :'q', 'signed') \g /dev/null
SELECT s.id AS step FROM registry.step s WHERE s.project = :'q' \gset
INSERT INTO registry.evidence (project, office, of, state, name, media, size, sha256, actor, changed_at)
SELECT registry.parent_of(registry.kind_of(o), o), 'chengguan', o, 'ready', '凭证', 'pdf', 1, repeat('0', 64), 'chengguan', now() FROM unnest(ARRAY[:'arrival', :'step']) o;
SELECT is((pg_temp.case('chengguan', jsonb_build_object('class', 'recognition', 'project', :'p', 'of', :'arrival'))).error.code, 'NOT_FOUND', 'an arrival of another project');
SELECT pg_temp.open('chengguan', 'recognition', jsonb_build_object('project', :'a', 'of', :'arrival')) AS c, pg_temp.open('chengguan', 'recognition', jsonb_build_object('project', :'q', 'of', :'step')) AS d \gset
SELECT pg_temp.step('chengguan', c) AS x, pg_temp.step('bureau', c) AS y, pg_temp.decide('leader', c, '认定', '凭证齐全') AS z FROM unnest(ARRAY[:'c', :'d']) c \g /dev/null
SELECT (api.arrival_set(pg_temp.acc('c.zhang'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'a', 'class', 'fixed', 'amount_arrived', 700000000,
    'arrived_on', '2026-01-06', 'origin', 'county_outside', 'voucher', 'V-2'), NULL, NULL, NULL)).arrival.id AS own \gset
INSERT INTO registry.evidence (project, office, of, state, name, media, size, sha256, actor, changed_at) VALUES (:'a', 'bureau', :'own', 'ready', '凭证', 'pdf', 1, repeat('0', 64), 'c.zhang', now());
SELECT pg_temp.open('chengguan', 'recognition', jsonb_build_object('project', :'a', 'of', :'own')) AS o \gset
SELECT pg_temp.step('chengguan', :'o') AS x, pg_temp.step('bureau', :'o') AS y \g /dev/null
SELECT is((pg_temp.decide('c.zhang', :'o', 'recognise')).error.message, 'nobody decides, changes or withdraws a case about himself', 'who reported it doesn''t recognise it');
SELECT is((SELECT a.state || s.state FROM registry.arrival a, registry.step s WHERE a.id = :'arrival' AND s.id = :'step'), 'reportedpending', 'not before it is in force');
SELECT pg_temp.later(6), pg_temp.fire() \g /dev/null
SELECT row_eq(format('SELECT a.state, a.counted_on::text, a.decided_actor, a.note, cardinality(a.evidence) FROM registry.arrival a WHERE a.id = %L', :'arrival'),
    ROW('approved'::text, registry.today()::text, 'leader'::text, '凭证齐全'::text, 1), 'an arrival recognised counts from that day');
SELECT is(registry.counted_on(:'q', 'signed'), registry.today()::text, 'a signing too');

-- ---------------------------------------------------------------- accountability, rewards
SELECT pg_temp.p('逾期项目', 'dongshan') AS o \gset
SELECT count(api.due_set(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'o', 'text', '事' || i, 'due_at', 1700000000000000), NULL, NULL)) FROM generate_series(1, 3) i \g /dev/null
SELECT pg_temp.fire() \g /dev/null
SELECT row_eq(format('SELECT class, office, label, least, step, "case" FROM unnest((api.case_proposals(%s, ''en'', ''accountability'', ''东山镇'', NULL)).rows) x WHERE trigger = ''overdue''', pg_temp.acc('c.duban')),
    ROW('accountability'::text, 'dongshan'::text, 'deadlines passed'::text, 3, 'reminder'::text, NULL::text), 'proposed from what is overdue: a reminder');
INSERT INTO registry.alert (project, no, office, rule, period, state, light, since_on, lit_on, start_on, proposal)
SELECT p.id, p.no, p.office, 'stale_talks', NULL, 'open', 'red', '2026-06-01', '2026-06-01', '2026-01-01', 'exit' FROM registry.project p WHERE p.id IN (:'o', :'q', :'a')
UNION ALL SELECT NULL, NULL, 'fagai', 'return', m, 'open', 'red', m || '-10', m || '-10', NULL, NULL FROM unnest(ARRAY[left(registry.today()::text, 7), left((registry.today() - 60)::text, 7), '2020-01']) m;
SELECT is((SELECT string_agg(concat_ws(' ', x.trigger, x.office, x.value, x.step), ', ' ORDER BY x.trigger, x.office) FROM unnest((api.case_proposals(pg_temp.acc('c.duban'), 'en', 'accountability', 'fagai', NULL)).rows) x), 'returns fagai 2 reminder', 'returns missing, of the last year');
SELECT is((SELECT string_agg(x.project, ',' ORDER BY x.project) FROM unnest((api.case_proposals(pg_temp.acc('c.duban'), 'en', 'exit', 'chengguan', NULL)).rows) x),
    (SELECT string_agg(i, ',' ORDER BY i) FROM unnest(ARRAY[:'q', :'a']) i), 'exits as the clocks propose them');
UPDATE registry.alert SET state = 'cleared', cleared_on = '2026-06-02' WHERE rule IN ('stale_talks', 'return') AND state = 'open';
SELECT is((api.case_proposals(pg_temp.acc('chengguan'), 'en', NULL, NULL, NULL)).error.code, 'PERMISSION_DENIED', 'proposals are the county''s');
SELECT is((api.case_proposals(pg_temp.acc('c.duban'), 'en', 'dance', NULL, NULL)).error.field, 'class', 'no such class');
SELECT is((SELECT count(*) FROM registry."case" c WHERE c.class = 'accountability'), 0::bigint, 'never opened by itself');
SELECT pg_temp.open('c.duban', 'accountability', '{"other_office":"dongshan","subject":"三项逾期","person":"丙"}') AS c \gset
SELECT is((SELECT x.value FROM unnest((api.case_facts(pg_temp.acc('leader'), 'en', :'c')).rows) x WHERE x.fact = 'overdue')::int >= 3, true, 'its facts count them');
SELECT is((pg_temp.step('c.duban', :'c', 'interview')).error.hint, 'go to "notice" first', 'reminder, notice, interview: in that order');
SELECT is((pg_temp.step('c.duban', :'c')).error.code, 'FAILED_PRECONDITION', 'with time between');
SELECT pg_temp.later(7), pg_temp.step('c.duban', :'c') AS x \gset
SELECT pg_temp.later(7), pg_temp.step('c.duban', :'c') AS x, pg_temp.step('c.duban', :'c') AS y \gset
SELECT is(pg_temp.state(:'c'), 'review', 'after the interview');
SELECT is(pg_temp.said((pg_temp.decide('c.chief', :'c', 'no_action')).error) LIKE '%nobody of an office%', true, 'its chief doesn''t decide');
SELECT is((pg_temp.decide('leader', :'c', 'penalise')).error.field, 'points', 'a penalty of something');
SELECT is((pg_temp.decide('leader', :'c', 'penalise', '屡次逾期', NULL, NULL, 5))."case".state, 'decided', 'decided');
SELECT pg_temp.later(6);
SELECT is(pg_temp.fire() >= 1, true, 'in force');
SELECT row_eq(format('SELECT r.office, r.class, r.person, r.points, r.grounds, r.actor FROM registry.reward r WHERE r.of = %L', :'c'),
    ROW('dongshan'::text, 'penalty'::text, '丙'::text, 5, '屡次逾期'::text, 'leader'::text), 'entered in the register');
SELECT is((api.reward_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, NULL, '{"office":"dongshan"}', NULL, NULL, NULL)).error.code, 'PERMISSION_DENIED', 'by a case only');
SELECT is((api.share_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, NULL, '{"office":"dongshan"}', NULL, NULL, NULL)).error.code, 'PERMISSION_DENIED', 'credit too');
SELECT is((api.opinion_set(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, NULL, '{"stance":"agree"}', NULL, NULL, NULL)).error.code, 'PERMISSION_DENIED', 'and opinions when asked');
SELECT pg_temp.open('bureau', 'reward', '{"other_office":"chengguan","subject":"年度先进","person":"丁"}') AS c \gset
SELECT pg_temp.step('bureau', :'c') AS x, pg_temp.ask('bureau', :'c', '{fagai}') AS y, pg_temp.opine('c.fagai', :'c', 'agree') AS z, pg_temp.step('bureau', :'c') AS w \gset
SELECT is((pg_temp.decide('leader', :'c', 'reward', 'so', NULL, NULL, 10, 500000)).error.message, 'nobody decides, changes or withdraws a case about himself', 'nobody rewards himself');
SELECT is((pg_temp.decide('c.zhang', :'c', 'reward', '全年第一', NULL, NULL, 10, 500000))."case".state, 'decided', 'another does');
SELECT pg_temp.later(6), pg_temp.fire() \g /dev/null
SELECT is((SELECT concat_ws(' ', x.class, x.office, x.person, x.points, x.amount_reward) FROM unnest((api.reward_list(pg_temp.acc('leader'), 'en', '[{"field":"office","op":"=","values":["城关镇"]}]', NULL, NULL, NULL)).rows) x), 'reward chengguan 丁 10 500000', 'the register is read');

-- ---------------------------------------------------------------- candidates, log, exactly once, restricted
SELECT pg_temp.p('地块甲', 'chengguan', '{"amount_total":40000000000,"land_mu":"100","amount_tax":1000000000,"park":"jingkai"}') AS k1,
    pg_temp.p('地块乙', 'dongshan', '{"amount_total":20000000000,"land_mu":"100","amount_tax":2000000000}') AS k2, pg_temp.p('地块丙', 'dongshan') AS k3 \gset
SELECT pg_temp.open('bureau', 'admission', jsonb_build_object('project', k, 'plot', 'CS-7')) FROM unnest(ARRAY[:'k1', :'k2', :'k3']) k \g /dev/null
SELECT is((SELECT string_agg(concat_ws(' ', x.place, x.name, x.score, x.invest_per_mu), ', ' ORDER BY x.place) FROM unnest((api.case_rank(pg_temp.acc('leader'), 'en', 'CS-7', NULL)).rows) x), '1 地块甲 60.00 400.00, 1 地块乙 60.00 200.00, 3 地块丙 0', 'candidates for a plot ranked; equals share a place');
SELECT is((SELECT x.working FROM unnest((api.case_rank(pg_temp.acc('leader'), 'en', NULL, '经济开发区')).rows) x), 'investment per mu (10 000 yuan) 400.00/400.00×40 = 40.00; tax per mu (10 000 yuan) 10.00/10.00×40 = 40.00; output per mu (10 000 yuan) — = 0', 'with the working');
SELECT is((api.case_rank(pg_temp.acc('leader'), 'en', NULL, NULL)).error.field, 'plot', 'of something');
SELECT is((api.case_rank(pg_temp.acc('leader'), 'en', 'Z-9', NULL)).error.code, 'NOT_FOUND', 'of a plot that is there');
SELECT is((pg_temp.case('chengguan', jsonb_build_object('class', 'admission', 'project', :'p2', 'plot', 'Z-9'))).error.field, 'plot', 'and so an admission');
SELECT api.case_set(pg_temp.acc('chengguan'), 'en', 'case-1', '\x00', NULL, NULL, jsonb_build_object('class', 'admission', 'project', :'a'), NULL, NULL, NULL) AS r \gset
SELECT is((r.r).replayed::text || ((r.r)."case".id = ((:'r'::api.case_reply)."case").id)::text, 'truetrue', 'the same request: the same case') FROM (SELECT api.case_set(pg_temp.acc('chengguan'), 'en', 'case-1', '\x00', NULL, NULL, '{}', NULL, NULL, NULL) AS r OFFSET 0) r;
SELECT pg_temp.p('机密项目', 'chengguan', '{"restricted":true}') AS s \gset
SELECT pg_temp.open('chengguan', 'admission', jsonb_build_object('project', :'s')) AS c \gset
SELECT is((api.case_show(pg_temp.acc('dongshan'), 'en', :'c')).error.code, 'NOT_FOUND', 'a case about a restricted project is for those who see it');
SELECT is((f.r).error.code, 'NOT_FOUND', 'in every view') FROM (SELECT api.case_facts(pg_temp.acc('dongshan'), 'en', :'c')::text::api.case_facts_reply AS r) f;
SELECT is((SELECT string_agg(DISTINCT h.kind || array_to_string(h.audience, ','), ' ') FROM registry.change h WHERE h.object = :'c'), 'case' || array_to_string((pg_temp.project(:'s')).audience, ','), 'and in the feed');
-- the threshold is in yuan
SELECT pg_temp.p('日元项目', 'chengguan', '{"amount_total":500000000000,"currency":"JPY","land_mu":"100","stage":"intent"}') AS y \gset
SELECT pg_temp.open('chengguan', 'admission', jsonb_build_object('project', :'y', 'plot', 'CS-7')) AS c \gset
SELECT is((SELECT string_agg(concat_ws('|', f.fact, f.value, f.met), ' ' ORDER BY f.fact) FROM unnest((api.case_facts(pg_temp.acc('leader'), 'en', :'c')).rows) f WHERE f.fact IN ('amount_total', 'invest_per_mu')),
    'amount_total|— invest_per_mu|—|—', 'an investment in yen is not held against it');
SELECT is((SELECT x.invest_per_mu FROM unnest((api.case_rank(pg_temp.acc('leader'), 'en', 'CS-7', NULL)).rows) x WHERE x.name = '日元项目'), NULL, 'nor ranked as if it were yuan');
-- ---------------------------------------------------------------- whom it is about neither changes it nor takes it back
SELECT pg_temp.open('c.duban', 'accountability', '{"other_office":"bureau","subject":"两次缺报","person":"丁"}') AS c \gset
SELECT matches(pg_temp.said((pg_temp.withdraw('bureau', :'c')).error), '^PERMISSION_DENIED .* nobody of an office the case is about', 'an office does not take back a case against it');
SELECT is((pg_temp.case('bureau', '{"subject":"两次缺报,已补"}', :'c')).error.code, 'PERMISSION_DENIED', 'nor puts other words into it');
SELECT is((pg_temp.withdraw('leader', :'c')).error.message, 'nobody decides, changes or withdraws a case about himself', 'nor does the person it is about');
SELECT is((pg_temp.case('c.duban', '{"subject":"三次缺报"}', :'c'))."case".subject, '三次缺报', 'who opened it puts it right');
SELECT is((pg_temp.withdraw('c.duban', :'c'))."case".state, 'withdrawn', 'or takes it back');
SELECT pg_temp.p('异议光学甲') AS o1, pg_temp.p('异议光学乙', 'dongshan') AS o2 \gset
SELECT pg_temp.open('dongshan', 'duplicate', jsonb_build_object('project', :'o2', 'other_project', :'o1')) AS c \gset
SELECT (pg_temp.step('bureau', :'c')).error, (pg_temp.ask('bureau', :'c', '{fagai}')).error, (pg_temp.opine('c.fagai', :'c', 'agree')).error, (pg_temp.step('bureau', :'c')).error,
    (pg_temp.decide('leader', :'c', 'reject_later')).error, (pg_temp.object('dongshan', :'c')).error \g /dev/null
SELECT is(pg_temp.state(:'c'), 'objection', 'ruled on, objected to');
SELECT is((pg_temp.withdraw('dongshan', :'c')).error.code, 'PERMISSION_DENIED', 'who lost does not take back what was ruled on');
SELECT is((pg_temp.withdraw('c.zhang', :'c'))."case".state, 'withdrawn', 'who may rule on it does');
SELECT registry.set_clock_offset('0') \g /dev/null
SELECT * FROM finish();
