-- SPDX-License-Identifier: Apache-2.0
-- Parks, plots, land: who lays them out, what fits where, what is free.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.park(who text, id text, set jsonb) RETURNS api.park_reply LANGUAGE sql AS $$
    SELECT api.park_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, set, NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.plot(who text, id text, set jsonb) RETURNS api.plot_reply LANGUAGE sql AS $$
    SELECT api.plot_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, set, NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.assign(who text, id text, project text, reserve boolean DEFAULT NULL, reason text DEFAULT NULL, force boolean DEFAULT NULL)
RETURNS api.plot_reply LANGUAGE sql AS $$
    SELECT api.plot_assign(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, project, reserve, reason, force) $$;
CREATE FUNCTION pg_temp.land(who text, id text, set jsonb) RETURNS api.land_reply LANGUAGE sql AS $$
    SELECT api.land_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, set, NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.e(error api.error) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', error.code, error.field) $$;
SELECT plan(48);
SELECT (pg_temp.add('chengguan', '{"name":"光伏组件","industry":"C38","land_mu":"50","amount_fixed":2000000000}')).project.id AS p \gset
SELECT (pg_temp.add('chengguan', '{"name":"秘密项目","restricted":true,"industry":"C38"}')).project.id AS hidden \gset
SELECT (pg_temp.add('dongshan', '{"name":"粮食加工","industry":"C13"}')).project.id AS q \gset
-- parks
SELECT is(pg_temp.e((pg_temp.park('chengguan', NULL, '{"no":"gaoxin","name":"高新区","office":"chengguan","class":"industry"}')).error), 'PERMISSION_DENIED', 'a township lays out no park');
SELECT (pg_temp.park('bureau', NULL, '{"no":"gaoxin","name":"高新区","office":"bureau","class":"industry","trades":["C38","39","c35"],"area_mu":"3200.5","amount_per_mu":30000000}')).park AS k \gset
SELECT is((:'k'::api.park).trades, '{C38,C39,C35}'::text[], 'the bureau does; trades become codes');
SELECT is((SELECT zh FROM registry.code WHERE kind = 'park' AND code = 'gaoxin'), '高新区', 'and projects may name it');
SELECT is(pg_temp.e((pg_temp.park('bureau', NULL, s::jsonb)).error), want, why)
FROM (VALUES ('{"no":"gaoxin","name":"另一区","office":"bureau","class":"industry"}', 'ALREADY_EXISTS no', 'the same code'),
    ('{"no":"gx2","name":"高新区","office":"bureau","class":"industry"}', 'ALREADY_EXISTS name', 'the same name'),
    ('{"no":"高新","name":"甲","office":"bureau","class":"industry"}', 'INVALID_ARGUMENT no', 'no code'),
    ('{"no":"gx3","name":"甲","office":"bureau","class":"industry","trades":["Z99"]}', 'INVALID_ARGUMENT trades', 'no such trade'),
    ('{"no":"gx3","name":"甲","office":"bureau"}', 'INVALID_ARGUMENT class', 'without class')) v(s, want, why);
SELECT is(pg_temp.e((pg_temp.park('bureau', (:'k'::api.park).id, '{"no":"gx9"}')).error), 'INVALID_ARGUMENT no', 'the code stays');
SELECT is((pg_temp.park('bureau', 'gaoxin', '{"name":"高新技术区"}')).park.version, 2::bigint, 'a new name, by the code');
SELECT is((SELECT zh FROM registry.code WHERE kind = 'park' AND code = 'gaoxin'), '高新技术区', 'that projects show');
SELECT is((pg_temp.park('bureau', NULL, '{"no":"nong","name":"农业园","office":"dongshan","class":"farming","trades":["C13","A"]}')).park.no, 'nong', 'a second one');
-- plots
SELECT (pg_temp.plot('bureau', NULL, '{"park":"gaoxin","name":"A-1","class":"land","area_mu":"85.50","office":"bureau"}')).plot AS a \gset
SELECT row_eq(format('SELECT (x).state, (x).area_mu, (x).project FROM (SELECT %L::api.plot AS x) y', :'a'), ROW('free'::text, '85.5'::text, NULL::text), 'a plot, free');
SELECT (pg_temp.plot('bureau', NULL, '{"park":"gaoxin","name":"厂房1","class":"workshop","floor_m2":"3000","office":"bureau"}')).plot.id AS w \gset
SELECT is(pg_temp.e((pg_temp.plot(w, NULL, s::jsonb)).error), want, why)
FROM (VALUES ('dongshan', '{"park":"gaoxin","name":"A-2","class":"land","area_mu":"1"}', 'PERMISSION_DENIED', 'a township makes none'),
    ('bureau', '{"park":"gaoxin","name":"A-1","class":"land","area_mu":"1"}', 'ALREADY_EXISTS name', 'its name twice in a park'),
    ('bureau', '{"park":"gaoxin","name":"A-2","class":"land"}', 'INVALID_ARGUMENT area_mu', 'land without area'),
    ('bureau', '{"park":"gaoxin","name":"A-2","class":"workshop","area_mu":"1"}', 'INVALID_ARGUMENT floor_m2', 'a workshop without floor'),
    ('bureau', '{"park":"gaoxin","name":"A-2","class":"land","area_mu":"1","state":"taken"}', 'INVALID_ARGUMENT state', 'the state is not set'),
    ('bureau', '{"park":"nowhere","name":"A-2","class":"land","area_mu":"1"}', 'INVALID_ARGUMENT park', 'no such park')) v(w, s, want, why);
SELECT is(pg_temp.e((pg_temp.assign('chengguan', (:'a'::api.plot).id, :'p')).error), 'PERMISSION_DENIED', 'the county assigns');
SELECT matches(concat((e).code, ' ', (e).message, ' ', (e).hint), 'FAILED_PRECONDITION .*C13.*高新技术区.*农业园', 'another trade: the parks that fit are named')
FROM (SELECT (pg_temp.assign('bureau', (:'a'::api.plot).id, :'q')).error AS e OFFSET 0) x;
SELECT is(pg_temp.e((pg_temp.assign('bureau', (:'a'::api.plot).id, 'p00000000000000')).error), 'NOT_FOUND project', 'to a project there is');
SELECT row_eq(format('SELECT (r.plot).state, (r.plot).project FROM pg_temp.assign(''bureau'', %L, %L, true) r', (:'a'::api.plot).id, :'p'), ROW('reserved'::text, :'p'::text), 'kept for a project');
SELECT is(pg_temp.e((pg_temp.assign('bureau', (:'a'::api.plot).id, :'q', NULL, '无其他地块', true)).error), 'FAILED_PRECONDITION project', 'then for no other');
SELECT is((pg_temp.assign('bureau', (:'a'::api.plot).id, :'p')).plot.state, 'taken', 'and given to it');
SELECT row_eq('SELECT s.free_mu, s.taken_mu, s.free_m2, s.plots FROM unnest((api.park_state(pg_temp.acc(''leader''), ''en'', ''gaoxin'')).rows) s', ROW(NULL::text, '85.5'::text, '3000'::text, 2), 'the park adds up');
SELECT matches((pg_temp.assign('bureau', (:'a'::api.plot).id, :'p', true)).error.message, 'taken.*甲', 'given is given: the refusal says by whom');
SELECT (pg_temp.add('dongshan', '{"name":"在园项目","park":"gaoxin"}')).project.id AS g, (pg_temp.add('dongshan', '{"name":"离园项目","park":"gaoxin","stage":"exited"}')).project.id AS x \gset
SELECT is((api.park_state(pg_temp.acc('leader'), 'en', 'gaoxin')).rows[1].projects, 1, 'its projects, none that left');
SELECT is((SELECT string_agg(t.typname || '.' || a.attname, ' ') FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0
    WHERE t.typname IN ('park_state', 'park_fit') AND t.typnamespace = 'api'::regnamespace
      AND NOT EXISTS (SELECT FROM registry.text x WHERE x.key = format('column.%s.%s', replace(t.typname, '_', ''), a.attname))), NULL, 'every column has its label');
SELECT matches((pg_temp.add('dongshan', '{"name":"错位项目","industry":"C13","park":"gaoxin"}')).warnings[1].sentence, 'leading trades of 高新技术区; parks that fit: 农业园', 'a misfit is told at entry');
SELECT is((pg_temp.add('dongshan', '{"name":"在位项目","industry":"C13","park":"nong"}')).warnings, NULL, 'not what fits');
SELECT is((pg_temp.edit('dongshan', NULL, :'q', '{"park":"gaoxin"}')).warnings[1].code, 'misfit', 'nor is it missed in an edit');
-- hidden
SELECT is((pg_temp.assign('bureau', :'w', :'hidden')).plot.state, 'taken', 'a workshop for a restricted project');
SELECT is((api.plot_show(pg_temp.acc('dongshan'), 'en', :'w')).error.code, 'NOT_FOUND', 'it is out of others'' sight');
SELECT row_eq(format('SELECT audience_old = ''{1}'', audience <> ''{1}'' FROM registry.change WHERE object = %L ORDER BY version DESC LIMIT 1', :'w'), ROW(true, true), 'and whoever saw it before is told so');
SELECT is((api.plot_free(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, :'w', NULL)).plot.state, 'free', 'free again');
SELECT is((api.plot_idle(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, :'w', '2025-03', '企业停产')).plot.idle_reason, '企业停产', 'idle, for a reason');
SELECT is(pg_temp.e((api.plot_idle(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, :'w', NULL, NULL)).error), 'INVALID_ARGUMENT reason', 'never without');
SELECT is((SELECT array_agg(f.park ORDER BY n) FROM unnest((api.park_fit(pg_temp.acc('leader'), 'en', :'q')).rows) WITH ORDINALITY f(park, name, fits, trades, mu, m2, enough, per, n) WHERE f.fits), '{nong}'::text[], 'where it fits');
-- land
SELECT is(pg_temp.e((pg_temp.land('chengguan', NULL, format('{"project":"%s","area_mu":"40","state":"blocked"}', :'p')::jsonb)).error), 'INVALID_ARGUMENT blocker', 'blocked by what?');
SELECT is((pg_temp.land('chengguan', NULL, format('{"project":"%s","area_mu":"40","households":12,"due_on":"2026-12-31"}', :'p')::jsonb)).land.state, 'planned', 'land to clear');
-- a project that exits leaves its plots, as the rule set says
SELECT (pg_temp.add('chengguan', '{"name":"让地","industry":"C38"}')).project.id AS left, (pg_temp.add('chengguan', '{"name":"让地二","industry":"C38"}')).project.id AS stays \gset
SELECT (pg_temp.plot('bureau', NULL, '{"park":"gaoxin","name":"L-1","class":"land","area_mu":"10"}')).plot.id AS l1, (pg_temp.plot('bureau', NULL, '{"park":"gaoxin","name":"L-2","class":"land","area_mu":"10"}')).plot.id AS l2,
    (pg_temp.plot('bureau', NULL, '{"park":"gaoxin","name":"L-3","class":"land","area_mu":"10"}')).plot.id AS l3 \gset
SELECT pg_temp.assign('bureau', :'l1', :'left'), pg_temp.assign('bureau', :'l2', :'left', true), pg_temp.assign('bureau', :'l3', :'stays') \g /dev/null
SELECT pg_temp.advance('chengguan', :'stays', 'suspended'), pg_temp.advance('chengguan', :'left', 'exited') \g /dev/null
SELECT is((SELECT concat_ws(' ', state, project = :'left', idle_on = registry.today()::text, idle_reason LIKE '项目 % 退出') FROM registry.plot WHERE id = :'l1'), 'idle t t t', 'what it was given lies idle since today, and stays with it');
SELECT is((SELECT concat_ws(' ', state, project, no) FROM registry.plot WHERE id = :'l2'), 'free', 'what was kept for it is free');
SELECT is((SELECT state FROM registry.plot WHERE id = :'l3'), 'taken', 'one that is suspended keeps its own');
SELECT is((SELECT count(DISTINCT (c.grp, c.ord)) FROM registry.change c WHERE c.object = ANY (ARRAY[:'l1', :'l2']) AND c.version = 3 OR c.object = :'left' AND c.version = 2), 1::bigint, 'in the entry of the exit');
SELECT is((pg_temp.assign('bureau', :'l1', :'q', NULL, '改配', true)).error.code, 'FAILED_PRECONDITION', 'nobody else gets it');
SELECT is((api.plot_free(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, :'l1', '收回')).plot.project, NULL, 'before the county takes it back');
UPDATE registry.plot_rule SET becomes = 'free' WHERE state = 'taken';
SELECT pg_temp.assign('bureau', :'l2', :'stays', true), pg_temp.advance('chengguan', :'stays', 'exited') \g /dev/null
SELECT is((SELECT string_agg(state, ' ') FROM registry.plot WHERE id IN (:'l2', :'l3')), 'free free', 'as the rule set says');
UPDATE registry.plot_rule SET becomes = 'idle' WHERE state = 'taken';
SELECT * FROM finish();
