-- SPDX-License-Identifier: Apache-2.0
-- Records, by the example of activities: made, merged, refused, listed, told again.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.act(who text, p_base bigint, id text, set jsonb, clear text[] DEFAULT NULL, reason text DEFAULT NULL,
    force boolean DEFAULT NULL, request text DEFAULT pg_temp.req(), digest bytea DEFAULT '\x00') RETURNS api.activity_reply LANGUAGE sql AS $$
    SELECT api.activity_set(pg_temp.acc(who), 'en', request, digest, p_base, id, set, clear, reason, force) $$;
CREATE FUNCTION pg_temp.list(who text, terms jsonb DEFAULT NULL, sort text DEFAULT NULL, after text DEFAULT NULL, n int DEFAULT NULL)
RETURNS api.activity_list_reply LANGUAGE sql AS $$ SELECT api.activity_list(pg_temp.acc(who), 'en', terms, sort, after, n) $$;
CREATE FUNCTION pg_temp.said(r api.activity_reply) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', (r.error).code, (r.error).field) $$;
SELECT plan(37);
SELECT (pg_temp.add('chengguan', '{"name":"记录一"}')).project.id AS p \gset
SELECT (pg_temp.add('chengguan', '{"name":"记录二","restricted":true}')).project.id AS hidden \gset
SELECT no AS p_no FROM registry.project WHERE id = :'p' \gset

SELECT pg_temp.act('chengguan', NULL, NULL, jsonb_build_object('project', :'p_no', 'class', '洽谈', 'held_on', '2026-01-05', 'result', ' 谈妥用地 '), NULL, NULL, NULL, 'act-1') AS r \gset
SELECT ((:'r'::api.activity_reply).activity).id AS a \gset
SELECT row_eq(format('SELECT (x.r).error, (x.r).rev, (a).version, (a).project, (a).no, (a).office, (a).class, (a).result, (a).actor FROM (SELECT %L::api.activity_reply AS r) x, LATERAL (SELECT (x.r).activity AS a) y', :'r'),
    ROW(NULL::api.error, 0::bigint, 1::bigint, :'p'::text, :'p_no'::text, 'chengguan'::text, 'talk'::text, '谈妥用地'::text, 'chengguan'::text), 'an activity; words become codes, the office is the caller''s');
SELECT matches(:'a'::text, '^av[0-9a-f]{15}$', 'ids tell their kind');
SELECT row_eq(format('SELECT kind, fields -> ''5'', image -> ''3'' FROM registry.change WHERE object = %L', :'a'),
    ROW('activity'::text, '[null, "talk"]'::jsonb, to_jsonb(:'p'::text)), 'journalled');
SELECT is((SELECT registry.event_type('activity', 1, '{}')), 'activity.added', 'what its event is called');
SELECT row_eq('SELECT (r).replayed, (r).rev > 0, (r).activity FROM (SELECT pg_temp.act(''chengguan'', NULL, NULL, ''{}'', NULL, NULL, NULL, ''act-1'') AS r OFFSET 0) x',
    ROW(true, true, (:'r'::api.activity_reply).activity), 'the same request: the same answer');
SELECT is(pg_temp.said(pg_temp.act('chengguan', NULL, NULL, '{}', NULL, NULL, NULL, 'act-1', '\x01')), 'KEY_REUSED request', 'another body');
SELECT is(pg_temp.said(pg_temp.act('dongshan', NULL, NULL, jsonb_build_object('project', :'p', 'class', 'trip', 'held_on', '2026-01'))), '', 'another office may write its own');
SELECT is(pg_temp.said(pg_temp.act(w, NULL, NULL, s::jsonb)), want, why)
FROM (VALUES ('leader', format('{"project":"%s","class":"talk","held_on":"2026"}', :'p'), 'PERMISSION_DENIED', 'who may only read'),
    ('dongshan', format('{"project":"%s","class":"talk","held_on":"2026","office":"chengguan"}', :'p'), 'PERMISSION_DENIED', 'for another office'),
    ('dongshan', format('{"project":"%s","class":"talk","held_on":"2026"}', :'hidden'), 'NOT_FOUND project', 'of a hidden project'),
    ('dongshan', '{"project":"2026-9999","class":"talk","held_on":"2026"}', 'NOT_FOUND project', 'of no project'),
    ('chengguan', '{"class":"talk","held_on":"2026-01-01"}', 'INVALID_ARGUMENT project', 'without project'),
    ('chengguan', format('{"project":"%s","held_on":"2026-01-01"}', :'p'), 'INVALID_ARGUMENT class', 'without class'),
    ('chengguan', format('{"project":"%s","class":"dance","held_on":"2026-01-01"}', :'p'), 'INVALID_ARGUMENT class', 'no such class'),
    ('chengguan', format('{"project":"%s","class":"talk","held_on":"2099-01-01"}', :'p'), 'INVALID_ARGUMENT held_on', 'in the future'),
    ('chengguan', format('{"project":"%s","class":"talk","held_on":"2026-02-30"}', :'p'), 'INVALID_ARGUMENT held_on', 'no day'),
    ('chengguan', format('{"project":"%s","class":"talk","held_on":"2026-01-01","actor":"x"}', :'p'), 'INVALID_ARGUMENT actor', 'what the registry sets'),
    ('chengguan', format('{"project":"%s","class":"talk","held_on":"2026-01-01","next_step":"再谈"}', :'p'), 'INVALID_ARGUMENT next_on', 'a step without its day')) v(w, s, want, why);
SELECT matches((pg_temp.act('chengguan', NULL, NULL, format('{"project":"%s","class":"talk","held_on":"2099-01-01"}', :'p')::jsonb)).error.message, 'day cannot be after today: "2099', 'a sentence with field and value');
-- merge
SELECT is(((pg_temp.act('chengguan', 1, :'a', '{"place":"县政府"}')).activity).version, 2::bigint, 'one sets the place');
SELECT is(((pg_temp.act('bureau', 1, :'a', '{"people":"李"}')).activity).place, '县政府', 'the other the people, from the same version: both stand');
SELECT is(pg_temp.said(pg_temp.act('bureau', 1, :'a', '{"place":"宾馆"}')), 'CONFLICT place', 'the same field: a conflict');
SELECT is(((pg_temp.act('bureau', 1, :'a', '{"place":"宾馆"}', NULL, '更正', true)).activity).place, '宾馆', 'with force and a reason it goes');
SELECT is((pg_temp.act('bureau', NULL, :'a', '{}', '{place}')).activity.place, NULL::text, 'a field is emptied');
SELECT is((pg_temp.act('bureau', NULL, :'a', '{"people":"李"}')).rev, NULL::bigint, 'the same value: nothing to do');
SELECT is(pg_temp.said(pg_temp.act('bureau', 99, :'a', '{"people":"王"}')), 'INVALID_ARGUMENT version', 'a version to come');
SELECT is(pg_temp.said(pg_temp.act('dongshan', NULL, :'a', '{"people":"王"}')), 'PERMISSION_DENIED', 'another office''s');
SELECT is(pg_temp.said(pg_temp.act('chengguan', NULL, :'a', '{"project":"2026-9999"}')), 'INVALID_ARGUMENT project', 'it stays with its project');
SELECT row_eq('SELECT (r).replayed, ((r).activity).version, ((r).activity).result FROM (SELECT pg_temp.act(''chengguan'', NULL, NULL, ''{}'', NULL, NULL, NULL, ''act-1'') AS r OFFSET 0) x',
    ROW(true, 1::bigint, '谈妥用地'::text), 'told again as it was then');
-- seen
SELECT ((pg_temp.act('chengguan', NULL, NULL, jsonb_build_object('project', :'hidden', 'class', 'talk', 'held_on', '2026-01-06'))).activity).id AS h \gset
SELECT is((api.activity_show(pg_temp.acc('chengguan'), 'en', :'h')).activity.id, :'h'::text, 'its owner sees what belongs to a restricted project');
SELECT is((api.activity_show(pg_temp.acc('dongshan'), 'en', :'h')).error.code, 'NOT_FOUND', 'another doesn''t');
SELECT is(pg_temp.said(pg_temp.act('dongshan', NULL, :'h', '{"people":"王"}')), 'NOT_FOUND id', 'nor may he change it');
SELECT is((SELECT count(*) FROM registry.audit a WHERE a.op = 'activity_show' AND a.status = 'OK'), 1::bigint, 'who sees it has a row in the audit');
-- lists
SELECT is((SELECT array_agg(x.id ORDER BY x.id) FROM unnest((pg_temp.list('dongshan')).rows) x WHERE x.id = :'h'), NULL::text[], 'not in another''s list');
SELECT is(cardinality((pg_temp.list('chengguan', format('[{"field":"project","op":"=","values":["%s"]}]', :'p_no')::jsonb)).rows), 2, 'of one project');
SELECT is((SELECT string_agg(x.held_on, ' ') FROM unnest((pg_temp.list('chengguan', NULL, NULL, NULL, 3)).rows) x), '2026-01-06 2026-01-05 2026-01', 'the latest first');
SELECT is((SELECT count(*) FROM registry.change c WHERE c.kind = 'activity' AND c.audience = '{1}' AND c.object = :'h'), 0::bigint, 'its changes are for those who see the project');
SELECT * FROM finish();
