-- SPDX-License-Identifier: Apache-2.0
-- Enterprises, recognitions, links, chains, stations; tags by rule, completeness, pace, a project's page.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.firm(who text, p_base bigint, id text, set jsonb, clear text[] DEFAULT NULL, reason text DEFAULT NULL, force boolean DEFAULT NULL)
RETURNS api.enterprise_reply LANGUAGE sql AS $$ SELECT api.enterprise_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', p_base, id, set, clear, reason, force) $$;
CREATE FUNCTION pg_temp.recognise(who text, id text, set jsonb) RETURNS api.recognition_reply LANGUAGE sql AS $$
    SELECT api.recognition_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, set, NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.link(who text, id text, set jsonb) RETURNS api.link_reply LANGUAGE sql AS $$
    SELECT api.link_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, set, NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.chain(who text, id text, set jsonb) RETURNS api.valuechain_reply LANGUAGE sql AS $$
    SELECT api.valuechain_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, set, NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.node(who text, id text, set jsonb) RETURNS api.node_reply LANGUAGE sql AS $$
    SELECT api.node_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, set, NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.station(who text, id text, set jsonb) RETURNS api.station_reply LANGUAGE sql AS $$
    SELECT api.station_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, set, NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.talk(who text, p text, day text) RETURNS api.activity_reply LANGUAGE sql AS $$
    SELECT api.activity_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', p, 'class', 'talk', 'held_on', day, 'region', '35'), NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.said(e api.error) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', e.code, e.field) $$;
CREATE FUNCTION pg_temp.tags(p text) RETURNS text LANGUAGE sql AS $$ SELECT array_to_string(auto_tags, ' ') FROM registry.project WHERE id = p $$;
CREATE FUNCTION pg_temp.ids(term jsonb) RETURNS text[] LANGUAGE sql AS $$
    SELECT array_agg(x.name ORDER BY x.name) FROM pg_temp.told((api.project_list(pg_temp.acc('bureau'), 'en', jsonb_build_array(term), '规则', NULL, NULL, 500, NULL)).rows) x $$;
CREATE FUNCTION pg_temp.counts(who text, b text, term jsonb DEFAULT NULL) RETURNS SETOF api.tally LANGUAGE sql AS $$
    SELECT s.* FROM unnest((api.project_counts(pg_temp.acc(who), 'en', b, term)).rows) s $$;
CREATE FUNCTION pg_temp.fact(p text, named text, who text DEFAULT 'chengguan') RETURNS text LANGUAGE sql AS $$
    SELECT c.value FROM unnest((api.project_page(pg_temp.acc(who), 'en', p, NULL)).facts) c WHERE c.name = named $$;
CREATE FUNCTION pg_temp.total(p text, section text, who text DEFAULT 'chengguan') RETURNS int LANGUAGE sql AS $$
    SELECT s.total FROM unnest((api.project_page(pg_temp.acc(who), 'en', p, NULL)).sections) s WHERE s.kind = section $$;
SELECT plan(157);

-- enterprises
SELECT (pg_temp.firm('chengguan', NULL, NULL, '{"name":"规则能源有限公司","credit_code":"91350100M000100Y43","region":"35"}')).enterprise.id AS e \gset
SELECT (pg_temp.firm('dongshan', NULL, NULL, '{"name":"规则 电池(厦门)公司"}')).enterprise.id AS f \gset
SELECT row_eq(format('SELECT (x.e).version, (x.e).name, (x.e).office, (x.e).classes FROM (SELECT (api.enterprise_show(pg_temp.acc(''leader''), ''en'', %L)).enterprise AS e) x', :'e'),
    ROW(1::bigint, '规则能源有限公司'::text, 'chengguan'::text, '{}'::text[]), 'an enterprise, shown');
SELECT is((pg_temp.firm('chengguan', 1, :'e', '{"industry":"C38"}')).enterprise.version, 2::bigint, 'changed by its office');
SELECT is((pg_temp.firm('bureau', 1, :'e', '{"region":"3502"}')).error.code, 'INVALID_ARGUMENT', 'a region nobody knows');
SELECT is((pg_temp.firm('bureau', 1, :'e', '{"region":"33"}')).enterprise.industry, 'C38', 'and by the bureau, from the same version: both stand');
SELECT is(pg_temp.said((pg_temp.firm('chengguan', 1, :'e', '{"region":"44"}')).error), 'CONFLICT region', 'the same field: a conflict');
SELECT is(pg_temp.said((pg_temp.firm('dongshan', NULL, :'e', '{"region":"44"}')).error), 'PERMISSION_DENIED', 'another office may not');
SELECT is(pg_temp.said((pg_temp.firm('dongshan', NULL, :'f', '{"name":"规则能源有限公司"}')).error), 'ALREADY_EXISTS name', 'nor take another''s name without a credit code');
SELECT is(pg_temp.said((pg_temp.firm('dongshan', NULL, :'f', '{"credit_code":"91350100M000100Y43"}')).error), 'ALREADY_EXISTS credit_code', 'a credit code is of one firm');
SELECT is(pg_temp.said((pg_temp.firm('dongshan', NULL, :'f', '{"classes":["unicorn"]}')).error), 'INVALID_ARGUMENT classes', 'classes come by recognition');

-- tags by rule
SELECT (pg_temp.add('chengguan', '{"name":"规则一","investor":"规则能源有限公司","industry":"C38","amount_total":100,"contact_phone":"13900009999"}')).project.id AS p \gset
SELECT (pg_temp.add('dongshan', '{"name":"规则二","credit_code":"91350100M000100Y43","industry":"B06","amount_total":50000000000}')).project.id AS q \gset
SELECT is(pg_temp.tags(:'p'), '二产', 'the sector of manufacturing');
SELECT is(pg_temp.tags(:'q'), '大 二产 资源型', 'large, resource-based');
SELECT is((SELECT array_agg(c || ':' || coalesce(registry.sector(c), '-') ORDER BY n) FROM unnest('{A,A01,A05,A051,B,B11,B0610,C,C43,C4310,C39,D,E,F,T,Z}'::text[]) WITH ORDINALITY u(c, n)),
    '{A:primary,A01:primary,A05:tertiary,A051:tertiary,B:secondary,B11:tertiary,B0610:secondary,C:secondary,C43:tertiary,C4310:tertiary,C39:secondary,D:secondary,E:secondary,F:tertiary,T:tertiary,Z:-}'::text[],
    'three sectors with their exceptions');
SELECT is_empty($$ SELECT c.code FROM registry.code c WHERE c.kind = 'industry' AND registry.sector(c.code) IS NULL $$, 'every code has a sector');
SELECT is((pg_temp.edit('chengguan', NULL, :'p', '{"amount_total":49999999999}')).project.auto_tags, '{二产}'::text[], 'just below the threshold');
SELECT row_eq(format('SELECT (x.r).project.auto_tags, (x.r).project.version FROM (SELECT pg_temp.edit(''chengguan'', NULL, %L, ''{"amount_total":50000000000}'') AS r) x', :'p'),
    ROW('{大,二产}'::text[], 3::bigint), 'at the threshold it is large, by the same change');
SELECT is(pg_temp.fields(:'p', 3), '{"20": ["499999999.99", "500000000.00"], "19": ["二产", "大,二产"]}'::jsonb, 'which the journal tells with the amount');
SELECT is((SELECT image ->> '19' FROM registry.change WHERE object = :'p' AND version = 3), '大,二产', 'and the feed may ask for');
SELECT is((pg_temp.edit('chengguan', NULL, :'p', '{"class":"infrastructure"}')).project.auto_tags, '{大,二产,不计入}'::text[], 'infrastructure is listed, and doesn''t count');
SELECT is((pg_temp.edit('chengguan', NULL, :'p', '{"class":"industrial","method":"talent"}')).project.auto_tags, '{大,智,二产}'::text[], 'talent brought it');
SELECT is((pg_temp.edit('chengguan', NULL, :'p', '{"method":null,"product":"储能电池","amount_total":100}')).project.auto_tags, '{二产,先进制造}'::text[], 'advanced by its product');
SELECT lives_ok(format('UPDATE registry.project SET industry = ''C39'' WHERE id = %L', :'p'), 'written past the api');
SELECT is(pg_temp.tags(:'p'), '新 二产 先进制造', 'tags follow as well');
SELECT is((SELECT (registry.project_at(:'p', 3)).auto_tags), '{大,二产}'::text[], 'told as they were');
SELECT is(pg_temp.said((pg_temp.edit('chengguan', NULL, :'p', '{"auto_tags":["大"]}')).error), 'INVALID_ARGUMENT auto_tags', 'nobody sets them');
-- recognition
SELECT pg_temp.recognise('chengguan', NULL, jsonb_build_object('enterprise', '91350100M000100Y43', 'class', '独角兽', 'source', '某榜 2025', 'year', 2025)) AS r \gset
SELECT row_eq(format('SELECT (a).enterprise, (a).firm, (a).class, (a).state, (a).office FROM (SELECT (%L::api.recognition_reply).recognition AS a) x', :'r'),
    ROW(:'e'::text, '规则能源有限公司'::text, 'unicorn'::text, 'stands'::text, 'chengguan'::text), 'a firm is recognised');
SELECT is((SELECT classes FROM registry.enterprise WHERE id = :'e'), '{unicorn}'::text[], 'its classes follow');
SELECT is(pg_temp.tags(:'q'), '大 新 二产 资源型', 'and the tags of its projects, in other offices too');
SELECT is((SELECT array_agg(DISTINCT c.kind ORDER BY c.kind) FROM registry.change c WHERE c.grp = (SELECT grp FROM registry.change WHERE object = ((:'r'::api.recognition_reply).recognition).id)),
    '{enterprise,project,recognition}'::text[], 'all under one entry');
SELECT is((SELECT array_agg(x.name) FROM unnest((api.enterprise_list(pg_temp.acc('leader'), 'en', NULL, NULL, NULL, '[{"field":"classes","op":"=","values":["独角兽"]}]')).rows) x), '{规则能源有限公司}'::text[], 'firms by class');
SELECT is(pg_temp.said((pg_temp.recognise('dongshan', NULL, jsonb_build_object('enterprise', '规则能源有限公司', 'class', 'unicorn', 'source', 'x', 'year', 2025))).error), 'ALREADY_EXISTS class', 'once a year');
SELECT is(pg_temp.said((pg_temp.recognise('dongshan', NULL, jsonb_build_object('enterprise', '没有的公司', 'class', 'unicorn', 'source', 'x', 'year', 2025))).error), 'INVALID_ARGUMENT enterprise', 'no such firm');
SELECT is(pg_temp.said((pg_temp.recognise('dongshan', NULL, jsonb_build_object('enterprise', :'e', 'class', 'unicorn', 'source', 'x', 'year', 1890))).error), 'INVALID_ARGUMENT year', 'nor year');
SELECT is(pg_temp.said((pg_temp.recognise('leader', NULL, jsonb_build_object('enterprise', :'e', 'class', 'gazelle', 'source', 'x', 'year', 2025))).error), 'PERMISSION_DENIED', 'leaders read');
SELECT is((api.recognition_withdraw(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', NULL, ((:'r'::api.recognition_reply).recognition).id, '榜单有误')).recognition.state, 'withdrawn', 'withdrawn');
SELECT is(pg_temp.tags(:'q'), '大 二产 资源型', 'the tags go with it');
SELECT matches((api.recognition_withdraw(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', NULL, ((:'r'::api.recognition_reply).recognition).id, NULL)).error.message, '^withdrawn by 乙 on 2', 'once; it says who did it');
-- and ends with its day
CREATE FUNCTION pg_temp.ends(p_after interval) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM registry.set_clock_offset(p_after);
    PERFORM set_config('qipan.now', '', true), api.due_fire(64);
    RETURN (SELECT string_agg(r.class || ' ' || r.state, ', ' ORDER BY r.class) FROM registry.recognition r WHERE r.state <> 'withdrawn');
END $$;
SELECT value AS clock FROM registry.setting WHERE key = 'clock_offset' \gset
SELECT registry.today() AS day, left((registry.today() + 62)::text, 7) AS month \gset
SELECT (pg_temp.recognise('chengguan', NULL, jsonb_build_object('enterprise', :'e', 'class', c, 'source', '某榜', 'year', 2025, 'until_on', u))).recognition.state, 'stands' FROM (VALUES
    ('unicorn', (:'day'::date + 1)::text), ('gazelle', :'month')) v(c, u) \g /dev/null
SELECT is((SELECT classes FROM registry.enterprise WHERE id = :'e'), '{gazelle,unicorn}'::text[], 'two with an end');
SELECT is((api.due_next()).next_ms BETWEEN 1 AND 2 * 86400 * 1000, true, 'the daemon is told when');
SELECT is(pg_temp.ends('1 day'), 'gazelle stands, unicorn stands', 'on its last day it stands');
SELECT is(pg_temp.ends('2 days'), 'gazelle stands, unicorn expired', 'then it ends');
SELECT is((SELECT classes FROM registry.enterprise WHERE id = :'e'), '{gazelle}'::text[], 'the firm is it no more');
SELECT is(pg_temp.tags(:'q'), '大 新 二产 资源型', 'another still holds the tag');
SELECT is(pg_temp.ends('100 days'), 'gazelle expired, unicorn expired', 'a month ends with its last day');
SELECT is(pg_temp.tags(:'q'), '大 二产 资源型', 'the tag has gone');
SELECT row_eq(format('SELECT array_agg(DISTINCT x.kind ORDER BY x.kind), min(e.actor), (SELECT registry.event_type(''recognition'', c.version, c.fields)) FROM registry.recognition r JOIN registry.change c ON c.object = r.id AND c.version = r.version JOIN registry.change x ON x.grp = c.grp AND x.ord = c.ord JOIN registry.entry e ON e.grp = c.grp AND e.ord = c.ord WHERE r.class = ''gazelle'' GROUP BY c.version, c.fields'),
    ROW('{enterprise,project,recognition}'::text[], 'registry'::text, 'recognition.expired'::text), 'all under one entry of the registry');
SELECT is((pg_temp.recognise('chengguan', (SELECT id FROM registry.recognition WHERE class = 'gazelle'), '{"until_on":"2100"}')).recognition.state, 'stands', 'prolonged, it stands again');
SELECT is((pg_temp.recognise('chengguan', (SELECT id FROM registry.recognition WHERE class = 'gazelle'), '{"until_on":"2020"}')).recognition.state, 'expired', 'nor does one stand whose end is past');
UPDATE registry.setting SET value = :'clock' WHERE key = 'clock_offset';
-- filters: people's tags and those by rule
SELECT (pg_temp.add('chengguan', '{"name":"规则三","tags":["大","自选"]}')).project.id AS t \gset
SELECT is(pg_temp.ids('{"field":"tags","op":"=","values":["大"]}'), '{规则三,规则二}'::text[], 'a tag by rule and one by hand');
SELECT is(pg_temp.ids('{"field":"tags","op":"=","values":["二产"]}'), '{规则一,规则二}'::text[], 'a sector');
SELECT is(pg_temp.ids('{"field":"tags","op":"~","values":["先进"]}'), '{规则一}'::text[], 'any part');
SELECT is(pg_temp.ids('{"field":"tags","op":"=","values":[""]}'), NULL, 'none without tags');
-- other rules
BEGIN;
UPDATE registry.tag_rule SET amount_total = 50 WHERE rule_set = 1 AND n = 1;
SELECT is(pg_temp.tags(:'p'), '大 新 二产 先进制造', 'recounted when a threshold changes');
INSERT INTO registry.rule_set (id, name, year, note) VALUES (77, '空', 2027, 'none');
INSERT INTO registry.stage SELECT 77, code, zh, en, rank, initial, date_field FROM registry.stage WHERE rule_set = 1;
UPDATE registry.rule_set SET in_force = false WHERE in_force;
UPDATE registry.rule_set SET in_force = true WHERE id = 77;
SELECT is(pg_temp.tags(:'p'), '', 'and when other rules come into force');
ROLLBACK;

-- chains
SELECT (pg_temp.chain('bureau', NULL, '{"name":"规则光伏链","lead_person":"县长","office":"fagai"}')).valuechain.id AS c \gset
SELECT is(pg_temp.said((pg_temp.chain(w, NULL, '{"name":"另一条链"}')).error), 'PERMISSION_DENIED', w || ' lays out no chain') FROM unnest('{chengguan,leader}'::text[]) w;
SELECT is(pg_temp.said((pg_temp.chain('bureau', NULL, '{"name":"规则光伏链"}')).error), 'ALREADY_EXISTS name', 'one of a name');
SELECT is((pg_temp.chain('bureau', '规则光伏链', '{"lead_person":"县长"}')).valuechain.id, :'c', 'by which it is found for an edit, too');
SELECT (pg_temp.node('bureau', NULL, '{"chain":"规则光伏链","name":"硅料","part":"上游","rank":1,"missing":["某硅业"]}')).node.id AS n \gset
SELECT row_eq(format('SELECT (x.n).parent, (x.n).present, (x.n).part FROM (SELECT (pg_temp.node(''bureau'', NULL, %L)).node AS n) x',
        '{"chain":"规则光伏链","name":"组件","part":"midstream","parent":"硅料","present":["规则能源有限公司","91350100M000100Y43","规则电池厦门公司"]}'),
    ROW(:'n'::text, ARRAY[:'e', :'f'], 'midstream'::text), 'firms by name or code, each once');
SELECT is(pg_temp.said((pg_temp.node('bureau', NULL, s::jsonb)).error), want, why) FROM (VALUES
    ('{"chain":"没有","name":"x","part":"上游"}', 'INVALID_ARGUMENT chain', 'no such chain'),
    ('{"chain":"规则光伏链","name":"硅料","part":"上游"}', 'ALREADY_EXISTS name', 'the node is there'),
    ('{"chain":"规则光伏链","name":"x","part":"上游","parent":"没有"}', 'INVALID_ARGUMENT parent', 'no such parent'),
    ('{"chain":"规则光伏链","name":"x","part":"上游","present":["没有的公司"]}', 'INVALID_ARGUMENT present', 'no such firm')) v(s, want, why);
SELECT is(pg_temp.said((pg_temp.node('bureau', :'n', '{"parent":"组件"}')).error), 'INVALID_ARGUMENT parent', 'not part of its own part');
SELECT is(pg_temp.said((pg_temp.node('chengguan', :'n', '{"note":"x"}')).error), 'PERMISSION_DENIED', 'nodes are the county''s, too');
SELECT is((pg_temp.edit('chengguan', NULL, :'p', '{"node":"组件","node_role":"补链"}')).project.node_role, 'fill', 'a project hangs on a node');
SELECT is(pg_temp.tags(:'p'), '新 链 二产 先进制造', 'so it has the tag');
SELECT is(pg_temp.ids('{"field":"node","op":"=","values":["组件"]}'), '{规则一}'::text[], 'found by it');
SELECT is(pg_temp.said((pg_temp.edit('chengguan', NULL, :'q', '{"node":"组件"}')).error), 'PERMISSION_DENIED', 'others hang nothing up for it');
SELECT is(pg_temp.said((pg_temp.edit('dongshan', NULL, :'q', '{"node":"没有"}')).error), 'INVALID_ARGUMENT node', 'no such node');
SELECT is(pg_temp.said((pg_temp.edit('dongshan', NULL, :'q', '{"node_role":"强链"}')).error), 'INVALID_ARGUMENT node', 'a role needs a node');
SELECT results_eq(format('SELECT x.name, x.depth, x.present, x.missing, x.projects, x.hanging FROM unnest((api.chain_map(pg_temp.acc(''leader''), ''zh'', %L)).nodes) x', :'c'),
    format($$ VALUES ('硅料', 0, NULL::text[], '{某硅业}'::text[], 0, NULL::text[]), ('组件', 1, '{规则能源有限公司,"规则 电池(厦门)公司"}', NULL, 1, ARRAY[%L]) $$,
        (SELECT no || ' 规则一 补链' FROM registry.project WHERE id = :'p')), 'the chain with firms present, missing, and what hangs on it');
SELECT is((api.chain_map(pg_temp.acc('leader'), 'zh', '没有')).error.code, 'NOT_FOUND', 'no such chain');
SELECT (pg_temp.add('dongshan', '{"name":"规则密","restricted":true,"node":"组件"}')).project.id AS h \gset
SELECT is((SELECT sum(x.projects) FROM unnest((api.chain_map(pg_temp.acc('chengguan'), 'zh', :'c')).nodes) x), 1::bigint, 'hidden projects are not on it');
SELECT is((SELECT sum(x.projects) FROM unnest((api.chain_map(pg_temp.acc('dongshan'), 'zh', :'c')).nodes) x), 2::bigint, 'for those who may see them they are');

-- links
SELECT (pg_temp.link('dongshan', NULL, jsonb_build_object('project', :'q', 'origin', '规则能源有限公司', 'class', '引荐'))).link.id AS l \gset
SELECT row_eq(format('SELECT (x.l).origin, (x.l).origin_name, (x.l).class, (x.l).state FROM (SELECT (api.link_show(pg_temp.acc(''leader''), ''en'', %L)).link AS l) x', :'l'),
    ROW(:'e'::text, '规则能源有限公司'::text, 'introduced'::text, 'stands'::text), 'a firm brought a project');
SELECT is(pg_temp.said((pg_temp.link(w, NULL, s)).error), want, why) FROM (VALUES
    ('chengguan', jsonb_build_object('project', :'q', 'origin', :'e', 'class', 'parent'), 'PERMISSION_DENIED', 'another office says nothing of it'),
    ('dongshan', jsonb_build_object('project', :'q', 'origin', :'q', 'class', 'parent'), 'INVALID_ARGUMENT origin', 'not itself'),
    ('dongshan', jsonb_build_object('project', :'q', 'origin', '没有', 'class', 'parent'), 'INVALID_ARGUMENT origin', 'nobody'),
    ('dongshan', jsonb_build_object('project', :'q', 'origin', :'e', 'class', 'introduced'), 'ALREADY_EXISTS origin', 'twice'),
    ('chengguan', jsonb_build_object('project', :'t', 'origin', :'h', 'class', 'introduced'), 'INVALID_ARGUMENT origin', 'by what it doesn''t see')) v(w, s, want, why);
SELECT is((pg_temp.link('chengguan', NULL, jsonb_build_object('project', :'p', 'origin', (SELECT no FROM registry.project WHERE id = :'q'), 'class', 'supplier'))).link.origin, :'q'::text, 'a project brought another');
SELECT is((pg_temp.link('bureau', NULL, jsonb_build_object('project', :'q', 'origin', :'p', 'class', 'supplier'))).error.code, NULL, 'a circle may be');
SELECT is((pg_temp.link('dongshan', NULL, jsonb_build_object('project', :'h', 'origin', :'p', 'class', 'supplier'))).error.code, NULL, 'a hidden one');
SELECT is((pg_temp.link('bureau', NULL, jsonb_build_object('project', :'t', 'origin', :'h', 'class', 'supplier'))).error.code, NULL, 'and what it brought');
SELECT row_eq(format('SELECT (x.b).projects, (x.b).amount_total FROM (SELECT (api.enterprise_brought(pg_temp.acc(''chengguan''), ''en'', %L)).brought AS b) x', :'e'),
    ROW(2, 50000000100::bigint), 'what the firm brought, each once');
SELECT is((SELECT array_agg(x.project || x.step ORDER BY x.step) FROM unnest((api.enterprise_brought(pg_temp.acc('dongshan'), 'en', :'e')).projects) x), ARRAY[:'q' || 1, :'p' || 2, :'h' || 3, :'t' || 4], 'through what one sees, step by step');
SELECT is((api.link_withdraw(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', NULL, :'l', '有误')).link.state, 'withdrawn', 'a link is withdrawn');
SELECT is(((api.enterprise_brought(pg_temp.acc('dongshan'), 'en', :'e')).brought).projects, 0, 'and leads nowhere');
SELECT is((pg_temp.link('dongshan', NULL, jsonb_build_object('project', :'q', 'origin', :'e', 'class', 'introduced'))).error.code, NULL, 'it may be made anew');

-- every kind is listed and shown
SELECT is(cardinality((api.recognition_list(pg_temp.acc('leader'), 'en', jsonb_build_array(jsonb_build_object('field', 'enterprise', 'op', '=', 'values', jsonb_build_array(:'e'))), NULL, NULL, NULL)).rows), 3, 'recognitions of a firm');
SELECT is((api.recognition_show(pg_temp.acc('leader'), 'en', ((:'r'::api.recognition_reply).recognition).id)).recognition.state, 'withdrawn', 'what was withdrawn stays on record');
SELECT is((SELECT array_agg(x.name) FROM unnest((api.node_list(pg_temp.acc('leader'), 'en', jsonb_build_array(jsonb_build_object('field', 'chain', 'op', '=', 'values', jsonb_build_array(:'c'))), NULL, NULL, NULL)).rows) x),
    '{硅料,组件}'::text[], 'nodes in their order');
SELECT is((api.node_show(pg_temp.acc('leader'), 'en', :'n')).node.missing, '{某硅业}'::text[], 'a node');

-- stations, yield, counts
SELECT is((pg_temp.station('chengguan', NULL, '{"name":"规则驻点","region":"福建省","staff":"张某 李某","from_on":"2026-01","until_on":"2099-12"}')).station.region, '35', 'a station outside');
SELECT is((SELECT array_agg((api.station_show(pg_temp.acc('leader'), 'en', x.id)).station.staff) FROM unnest((api.station_list(pg_temp.acc('leader'), 'en', NULL, NULL, NULL, NULL)).rows) x),
    '{张某 李某}'::text[], 'stations are listed and shown');
SELECT is(pg_temp.said((pg_temp.station('chengguan', NULL, '{"name":"x","region":"35","staff":"某","from_on":"2026-05-01","until_on":"2026-04"}')).error), 'INVALID_ARGUMENT until_on', 'a term that ends before');
SELECT is(pg_temp.said((pg_temp.station('leader', NULL, '{"name":"x","region":"35","staff":"某","from_on":"2026"}')).error), 'PERMISSION_DENIED', 'leaders send nobody');
SELECT is(count(pg_temp.add('chengguan', jsonb_build_object('name', '规则计' || i, 'region', '3' || 5 + i % 2, 'method', 'station', 'amount_total', 1000, 'stage', s)))::int, 4, 'some projects')
FROM unnest('{talks,signed,concept,exited}'::text[]) WITH ORDINALITY u(s, i);
SELECT (pg_temp.add('chengguan', '{"name":"规则路","region":"36","method":"station","class":"infrastructure","amount_total":9}')).project.id AS road \gset
SELECT row_eq($$ SELECT x.projects, x.amount_total, x.signed, x.amount_signed, x.leads, x.conversion, x.not_counted FROM pg_temp.counts('leader', 'method', '[{"field":"name","op":"~","values":["规则"]}]') x WHERE x.code = 'station' $$,
    ROW(4, 4000::bigint, 1, 1000::bigint, 3, '33.3'::text, 1), 'conversion by method: what is only packaged was no lead, what doesn''t count is apart');
SELECT row_eq($$ SELECT x.projects, x.leads, x.conversion, x.not_counted FROM pg_temp.counts('leader', 'region', '[{"field":"name","op":"=","values":["规则路"]}]') x $$,
    ROW(0, 0, NULL::text, 1), 'no rate without leads');
SELECT is((SELECT sum(projects) FROM pg_temp.counts('dongshan', 'tag', '[{"field":"name","op":"~","values":["规则"]}]') WHERE code = '链'), 2::bigint, 'tags are counted');
SELECT is((SELECT sum(projects) FROM pg_temp.counts('chengguan', 'tag', '[{"field":"name","op":"~","values":["规则"]}]') WHERE code = '链'), 1::bigint, 'what one sees');
SELECT is((SELECT label FROM pg_temp.counts('chengguan', 'node', '[{"field":"name","op":"=","values":["规则一"]}]')), '组件', 'by node');
SELECT is((api.project_counts(pg_temp.acc('leader'), 'en', 'phone', NULL)).error.code, 'INVALID_ARGUMENT', 'not by anything');
SELECT is((api.project_counts(pg_temp.acc('sysadmin'), 'en', 'tag', NULL)).error.code, 'PERMISSION_DENIED', 'nor for officers');
SELECT is(count(*)::int, 12, 'every way to count works') FROM unnest('{tag,method,region,industry,division,class,stage,office,park,node,node_role,month}'::text[]) b
WHERE (api.project_counts(pg_temp.acc('leader'), 'en', b, NULL)).error.code IS NULL;

-- imports
CREATE FUNCTION pg_temp.import(sets jsonb) RETURNS api.import_reply LANGUAGE plpgsql AS $$
DECLARE
    i text := (api.import_open(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', sha256(sets::text::bytea), 'f.csv', '规则表', 'm', sha256('m'), NULL, 1)).id;
BEGIN
    PERFORM api.import_put(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', i, 0, jsonb_build_array(jsonb_build_object('row', 2, 'set', sets)));
    RETURN api.import_commit(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', i, NULL, NULL);
END $$;
SELECT is((pg_temp.import('{"name":"规则入","external_id":"1","industry":"C38","stage":"concept"}')).added, 1, 'a row of a sheet');
SELECT is((SELECT auto_tags FROM registry.project WHERE name = '规则入'), '{二产}'::text[], 'has its tags');
SELECT is((pg_temp.import('{"name":"规则入","external_id":"1","industry":"A01","investor":"表上公司"}')).updated, 1, 'the next sheet says more');
SELECT is((SELECT c.fields - '7' FROM registry.change c JOIN registry.project p ON p.id = c.object AND p.version = c.version WHERE p.name = '规则入'),
    '{"10": [null, "表上公司"], "15": ["C38", "A01"], "19": ["二产", "一产"], "50": ["concept", "lead"]}'::jsonb, 'tags and stage follow, and the journal tells');

-- concepts
SELECT (pg_temp.add('chengguan', '{"name":"规则谋划","stage":"concept","product":"储能"}')).project.id AS k \gset
SELECT is((pg_temp.edit('chengguan', NULL, :'k', '{"site":"城东"}')).project.stage, 'concept', 'a packaged project');
SELECT is((pg_temp.edit('chengguan', NULL, :'k', '{"investor":"来者"}')).project.stage, 'lead', 'is a lead once an investor is there');
SELECT ok((SELECT fields ? '50' AND fields ? '10' FROM registry.change WHERE object = :'k' AND version = 3), 'as the journal tells');
SELECT is((SELECT stage FROM registry.stage_event WHERE project = :'k' AND version = 3), 'lead', 'with the day it was reached');

-- pace
SELECT is((SELECT stage FROM registry.pace WHERE project = :'k'), 'lead', 'the pace follows the stage');
SELECT is_empty($$ SELECT p.id FROM registry.project p LEFT JOIN registry.pace x ON x.project = p.id WHERE x.stage IS DISTINCT FROM p.stage $$, 'of every project');
SELECT is((pg_temp.talk('chengguan', :'p', (registry.today() - 40)::text)).error.code, NULL, 'a talk forty days ago');
SELECT is((SELECT idle_days FROM unnest((api.project_idle(pg_temp.acc('leader'), 'en', NULL, '[{"field":"name","op":"=","values":["规则一"]}]', NULL, NULL)).rows) x), 40, 'is too long ago for a lead');
SELECT is((SELECT count(*) FROM unnest((api.project_idle(pg_temp.acc('leader'), 'en', 41, NULL, NULL, NULL)).rows) x WHERE x.name = '规则一'), 0::bigint, 'not for whoever asks for 41 days');
SELECT is((pg_temp.talk('chengguan', :'p', (registry.today() - 3)::text)).error.code, NULL, 'another, three days ago');
SELECT is((SELECT count(*) FROM unnest((api.project_idle(pg_temp.acc('leader'), 'en', NULL, NULL, NULL, NULL)).rows) x WHERE x.name = '规则一'), 0::bigint, 'it is idle no more');
SELECT is((api.project_idle(pg_temp.acc('leader'), 'en', 0, NULL, NULL, NULL)).error.field, 'days', 'no days');
SELECT is((api.project_idle(pg_temp.acc('sysadmin'), 'en', 1, NULL, NULL, NULL)).error.code, 'PERMISSION_DENIED', 'not for officers');
SELECT is((SELECT sum(x.trips) || ' ' || sum(x.stations) FROM unnest((api.station_yield(pg_temp.acc('leader'), 'en', NULL)).rows) x WHERE x.code = '35'), '2 1', 'the yield of a region: stations and trips');
CREATE TEMP TABLE idle_page AS WITH RECURSIVE page AS (
    SELECT api.project_idle(pg_temp.acc('leader'), 'en', 1, NULL, NULL, 7) AS r
    UNION ALL SELECT api.project_idle(pg_temp.acc('leader'), 'en', 1, NULL, (r).next, 7) FROM page WHERE (r).next IS NOT NULL)
SELECT x.project, x.idle_days FROM page, unnest((r).rows) x;
SELECT is((SELECT count(*) FROM idle_page), (SELECT count(DISTINCT project) FROM idle_page), 'pages join');
-- completeness and the page
SELECT is(pg_temp.fact(:'k', 'missing'), 'amount_total,industry,summary,lead_person,class,region,method,contact_name,contact_phone,planned_sign_on,planned_start_on', 'what a lead lacks');
SELECT is(pg_temp.fact(:'k', 'score'), '20', 'and how complete it is');
SELECT is(pg_temp.fact(:'p', 'missing', 'dongshan') ~ 'contact_phone', false, 'a contact one may not see is no gap');
SELECT is((SELECT (api.project_page(pg_temp.acc('dongshan'), 'en', :'p', NULL)).project.contact_phone), NULL, 'nor shown');
SELECT is((SELECT (api.project_page(pg_temp.acc('chengguan'), 'en', :'p', NULL)).project.contact_phone), '13900009999', 'but to its own');
SELECT is(pg_temp.fact(:'p', 'fitting_class'), NULL, 'its class fits what it makes');
SELECT is(pg_temp.fact(:'k', 'fitting_class'), NULL, 'of what is made by no rule nothing is said');
SELECT is(ARRAY[registry.fitting_class('步行商业街', 'F52'), registry.fitting_class('电池', 'C3841'), registry.fitting_class(NULL, 'A01'), registry.fitting_class('电池', NULL)],
    '{commercial,industrial,agricultural,NULL}'::text[], 'classes by product, then by industry');
SELECT is((pg_temp.edit('chengguan', NULL, :'k', '{"class":"tourism","industry":"C38"}')).error.code, NULL, 'a class that doesn''t fit');
SELECT is(pg_temp.fact(:'k', 'fitting_class'), 'industrial', 'is told on the page');
SELECT ok((SELECT count(*) > 0 FROM registry.audit WHERE op = 'project_page' AND object = :'p' AND actor = 'chengguan'), 'with a row in the audit');
SELECT is(pg_temp.fact(:'p', 'sector') || pg_temp.fact(:'p', 'idle_days'), 'secondary3', 'facts');
SELECT is(pg_temp.total(:'p', 'activity') || ' ' || pg_temp.total(:'p', 'link') || ' ' || pg_temp.total(:'p', 'stage'), '2 1 1', 'what belongs to it, with totals');
SELECT is((SELECT s.rows[1].cells[3].value FROM unnest((api.project_page(pg_temp.acc('leader'), 'en', :'p', 1)).sections) s WHERE s.kind = 'activity'), (registry.today() - 3)::text, 'the newest first');
SELECT is((api.project_page(pg_temp.acc('chengguan'), 'en', :'h', NULL)).error.code, 'NOT_FOUND', 'a hidden one isn''t there');
SELECT is((api.project_page(pg_temp.acc('sysadmin'), 'en', :'p', NULL)).error.code, 'PERMISSION_DENIED', 'nor anything for officers');
SELECT count(pg_temp.talk('chengguan', :'p', '2026-01-01')) FROM generate_series(1, 60) \g /dev/null
UPDATE registry.activity SET result = repeat('长', 2000) WHERE project = :'p';
SELECT cmp_ok(octet_length((api.project_page(pg_temp.acc('leader'), 'en', :'p', 50))::text), '<', 60000, 'a page fits into a frame');
SELECT is(pg_temp.total(:'p', 'activity'), 62, 'and tells how many there are');
SELECT is_empty($$ SELECT f.kind FROM registry.field f JOIN registry.kind k ON k.code = f.kind AND (k.record OR k.code = 'due') WHERE f.name = 'project'
    AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                    WHERE i.indrelid = format('registry.%I', f.kind)::regclass AND a.attname = 'project') $$, 'every kind finds a project''s records by an index');
-- one field's story
SELECT is((SELECT array_agg(c.old || '→' || c.new ORDER BY e.version) FROM unnest((api.project_log(pg_temp.acc('leader'), 'en', :'p', NULL, NULL, 'amount_total')).rows) e, unnest(e.changes) c WHERE c.old IS NOT NULL),
    '{1.00→499999999.99,499999999.99→500000000.00,500000000.00→1.00}'::text[], 'every value a field had');
SELECT is((SELECT count(*) FROM unnest((api.project_log(pg_temp.acc('leader'), 'en', :'p', NULL, NULL, 'contact_phone')).rows) e, unnest(e.changes) c WHERE c.masked), 1::bigint, 'of a contact that it changed');
SELECT is((api.project_log(pg_temp.acc('leader'), 'en', :'p', NULL, NULL, 'nonsense')).error.code, 'INVALID_ARGUMENT', 'no such field');
-- ---------------------------------------------------------------- large projects, one after the other
CREATE FUNCTION pg_temp.large(name text, amount bigint, stage text, starts text) RETURNS text LANGUAGE sql AS $$
    SELECT (pg_temp.add('chengguan', jsonb_strip_nulls(jsonb_build_object('name', name, 'investor', name || '公司', 'amount_total', amount, 'stage', stage, 'planned_start_on', starts, 'region', '54')))).project.id $$;
CREATE FUNCTION pg_temp.ahead(n int) RETURNS text LANGUAGE sql AS $$ SELECT to_char(date_trunc('quarter', registry.today()) + n * interval '3 months' + interval '2 months', 'YYYY-MM') $$;
CREATE FUNCTION pg_temp.pipeline(who text DEFAULT 'leader', months int DEFAULT NULL) RETURNS api.project_pipeline_reply LANGUAGE sql AS $$
    SELECT api.project_pipeline(pg_temp.acc(who), 'en', '[{"field":"region","op":"=","values":["54"]}]', months) $$;
CREATE FUNCTION pg_temp.quarter(n int) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', q.projects, q.amount_total / 10000000000, q.unripe, q.thin) FROM unnest((pg_temp.pipeline()).quarters) WITH ORDINALITY q WHERE q.ordinality = n + 1 $$;
SELECT is(pg_temp.quarter(1), '0 0 0 t', 'nothing is planned: thin');
SELECT pg_temp.large('接续一', 10000000000, 'signed', pg_temp.ahead(1)), pg_temp.large('接续二', 20000000000, 'landed', pg_temp.ahead(1)), pg_temp.large('接续早', 90000000000, 'intent', pg_temp.ahead(1)),
    pg_temp.large('接续小', 9999999999, 'landed', pg_temp.ahead(1)), pg_temp.large('已开工', 90000000000, 'started', pg_temp.ahead(1)), pg_temp.large('未定', 10000000000, 'talks', NULL),
    pg_temp.large('逾期', 50000000000, 'signed', '2026-01-05') \g /dev/null
SELECT is(pg_temp.quarter(1), '2 3 1 f', 'two large ones that have come far enough; neither small ones, nor those begun, nor early ones');
SELECT is(pg_temp.quarter(0), '1 5 0 t', 'what should have begun is behind this quarter: one is too few');
SELECT is((SELECT q.candidates[1] LIKE '% 接续早 intent' FROM unnest((pg_temp.pipeline()).quarters) q WHERE q.unripe = 1), true, 'the largest first, with its stage');
SELECT row_eq($$ SELECT r.undated, r.stages, r.large_stages FROM pg_temp.pipeline() r $$, ROW(1, '{intent=1,talks=1,signed=2,landed=2,started=1}'::text[], '{intent=1,talks=1,signed=2,landed=1,started=1}'::text[]),
    'where all are now, the large ones apart');
SELECT pg_temp.advance('chengguan', (SELECT id FROM registry.project WHERE name = '接续一'), 'landed') \g /dev/null
SELECT is((SELECT m.stages FROM unnest((pg_temp.pipeline('leader', 1)).months) m WHERE m.month = left(registry.today()::text, 7)), '{intent=1,talks=1,signed=2,landed=3,started=1}'::text[], 'what came to a stage this month');
UPDATE registry.pipeline_rule SET projects = 3 WHERE ahead = 1;
SELECT is(pg_temp.quarter(1), '2 3 1 t', 'how many there must be is data');
UPDATE registry.pipeline_rule SET projects = 2 WHERE ahead = 1;
SELECT is((SELECT array_agg(t.code || ' ' || t.projects ORDER BY t.code) FILTER (WHERE t.code <> '') FROM pg_temp.counts('leader', 'tier', '[{"field":"region","op":"=","values":["54"]}]') t), '{"tier1 3","tier5 3"}'::text[], 'tiers, each project in its highest');
SELECT is((pg_temp.pipeline('leader', 25)).error.field, 'months', 'two years at most');
SELECT is((pg_temp.pipeline('sysadmin')).error.code, 'PERMISSION_DENIED', 'not for officers');
SELECT * FROM finish();
