-- SPDX-License-Identifier: Apache-2.0
-- Other words for codes, and remembered mappings of sheets.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.alias(who text, id text, set jsonb) RETURNS api.alias_reply LANGUAGE sql AS $$
    SELECT api.alias_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, set, NULL, NULL, NULL) $$;
CREATE FUNCTION pg_temp.profile(who text, id text, set jsonb, clear text[] DEFAULT NULL) RETURNS api.profile_reply LANGUAGE sql AS $$
    SELECT api.profile_set(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, set, clear, NULL, NULL) $$;
CREATE FUNCTION pg_temp.found(who text, name text, headers text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((r).profile.map, (r).error.code) FROM api.profile_find(pg_temp.acc(who), 'en', name, headers) r $$;
CREATE FUNCTION pg_temp.e(error api.error) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', error.code, error.field) $$;
SELECT plan(32);
-- aliases
SELECT is(pg_temp.e((pg_temp.alias('chengguan', NULL, '{"class":"office","word":"城关","code":"chengguan"}')).error), 'PERMISSION_DENIED', 'words are the county''s');
SELECT is(registry.resolve('office', '城关'), NULL, 'a word that means nothing');
SELECT (pg_temp.alias('bureau', NULL, '{"class":"office","word":"城关","code":"城关镇"}')).alias AS a \gset
SELECT is((:'a'::api.alias).code, 'chengguan', 'a label becomes its code');
SELECT is(registry.resolve('office', '城关'), 'chengguan', 'now it means the office');
SELECT is((pg_temp.add('bureau', '{"name":"别名项目","office":"城关"}')).project.office, 'chengguan', 'in an edit, too');
SELECT is(pg_temp.e((pg_temp.alias('bureau', NULL, s::jsonb)).error), want, why)
FROM (VALUES ('{"class":"office","word":"城关","code":"dongshan"}', 'ALREADY_EXISTS word', 'one word, one meaning'),
    ('{"class":"office","word":"城关镇","code":"dongshan"}', 'INVALID_ARGUMENT word', 'a name of its own is no alias'),
    ('{"class":"office","word":"某局","code":"nowhere"}', 'INVALID_ARGUMENT code', 'of nothing'),
    ('{"class":"stage","word":"洽谈","code":"talks"}', 'INVALID_ARGUMENT class', 'stages are the rule set''s'),
    ('{"class":"office","code":"dongshan"}', 'INVALID_ARGUMENT word', 'without a word')) v(s, want, why);
SELECT is((pg_temp.alias('bureau', NULL, '{"class":"industry","word":"通用设备","code":"C34"}')).alias.code, 'C34', 'a trade of an older list');
SELECT is(registry.resolve('industry', '通用设备'), 'C34', 'and it is known');
SELECT is((pg_temp.alias('bureau', (:'a'::api.alias).id, '{"code":"dongshan"}')).alias.version, 2::bigint, 'it may come to mean another');
SELECT is(registry.resolve('office', '城关'), 'dongshan', 'and does');
-- profiles
SELECT is(pg_temp.e((pg_temp.profile('fagai', NULL, '{"name":"月报","map":"x","office":"chengguan"}')).error), 'PERMISSION_DENIED', 'of another office');
SELECT (pg_temp.profile('chengguan', NULL, jsonb_build_object('name', '月报', 'map', '[columns]', 'headers', repeat('AB', 32)))).profile AS p \gset
SELECT row_eq(format('SELECT (x).office, (x).target, (x).shared, (x).actor FROM (SELECT %L::api.profile AS x) y', :'p'),
    ROW('chengguan'::text, 'project'::text, false, 'chengguan'::text), 'the caller''s office, for projects, its own');
SELECT is(pg_temp.found('chengguan', '月报', NULL), '[columns]', 'found by its name');
SELECT is(pg_temp.found('chengguan', NULL, repeat('ab', 32)), '[columns]', 'found by its headings');
SELECT is(pg_temp.found('dongshan', '月报', NULL), 'NOT_FOUND', 'another office does not find it');
SELECT is(pg_temp.e((pg_temp.profile('chengguan', (:'p'::api.profile).id, '{"shared":true}')).error), 'PERMISSION_DENIED shared', 'to share is the bureau''s');
SELECT (pg_temp.profile('bureau', NULL, jsonb_build_object('name', '月报', 'map', 'all', 'headers', repeat('ab', 32), 'shared', true))).profile AS s \gset
SELECT is(pg_temp.found('dongshan', '月报', NULL), 'all', 'what the bureau shares, everybody finds');
SELECT is(pg_temp.found('chengguan', '月报', NULL), '[columns]', 'but one''s own goes before');
SELECT is(pg_temp.e((pg_temp.profile('bureau', NULL, s::jsonb)).error), want, why)
FROM (VALUES ('{"name":"a/b","map":"x"}', 'INVALID_ARGUMENT name', 'a name without slashes'),
    ('{"name":"月报","map":"x"}', 'ALREADY_EXISTS name', 'one of a name'),
    ('{"name":"乙","map":"x","target":"office"}', 'INVALID_ARGUMENT target', 'nothing that is imported'),
    ('{"name":"乙","map":"x","headers":"12"}', 'INVALID_ARGUMENT headers', 'no digest')) v(s, want, why);
SELECT is((pg_temp.profile('chengguan', (:'p'::api.profile).id, '{}', '{map}')).profile.map, NULL, 'taken out of use');
SELECT is(pg_temp.found('chengguan', NULL, repeat('ab', 32)), 'all', 'and the shared one is found');
SELECT is((SELECT array_agg(a.word ORDER BY a.word) FROM unnest((api.alias_list(pg_temp.acc('leader'), 'en', '[{"field":"class","op":"=","values":["office"]}]', NULL, NULL, NULL)).rows) a), '{城关}', 'the words for offices');
SELECT is((api.alias_show(pg_temp.acc('leader'), 'en', (:'a'::api.alias).id)).alias.code, 'dongshan', 'one of them');
SELECT is(cardinality((api.profile_list(pg_temp.acc('leader'), 'en', '[{"field":"name","op":"=","values":["月报"]}]', NULL, NULL, NULL)).rows), 2, 'profiles of all offices');
SELECT is((api.profile_show(pg_temp.acc('leader'), 'en', (:'s'::api.profile).id)).profile.shared, true, 'one of them');
SELECT * FROM finish();
