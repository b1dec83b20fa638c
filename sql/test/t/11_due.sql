-- SPDX-License-Identifier: Apache-2.0
-- Deadlines: set, merged, cleared, listed, fired once each.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.at(days numeric) RETURNS bigint LANGUAGE sql AS $$ SELECT (extract(epoch FROM registry.now() + days * interval '1 day') * 1000000)::bigint $$;
CREATE FUNCTION pg_temp.due(who text, p_base bigint, id text, set jsonb, reason text DEFAULT NULL, force boolean DEFAULT NULL, request text DEFAULT pg_temp.req(), digest bytea DEFAULT '\x00')
RETURNS api.due_reply LANGUAGE sql AS $$ SELECT api.due_set(pg_temp.acc(who), 'en', request, digest, p_base, id, set, reason, force) $$;
CREATE FUNCTION pg_temp.clear(who text, p_base bigint, id text, reason text DEFAULT NULL, force boolean DEFAULT NULL, request text DEFAULT pg_temp.req())
RETURNS api.due_reply LANGUAGE sql AS $$ SELECT api.due_clear(pg_temp.acc(who), 'en', request, '\x00', p_base, id, reason, force) $$;
CREATE FUNCTION pg_temp.fresh(p text, days numeric, text text DEFAULT '报告进展') RETURNS text LANGUAGE sql AS $$
    SELECT (pg_temp.due('chengguan', NULL, NULL, jsonb_build_object('project', p, 'text', text, 'due_at', pg_temp.at(days)))).due.id $$;
CREATE FUNCTION pg_temp.last_event() RETURNS TABLE (type text, actor text, request text, object text, version bigint, changes jsonb) LANGUAGE sql AS $$
    SELECT e.type, e.actor, e.request, e.object, e.version, (SELECT jsonb_object_agg(c.number, c.new) FROM unnest(e.changes) c)
    FROM api.journal_read((SELECT max(rev) - 1 FROM registry.txn), 1) j, unnest(j.rows) r, unnest(r.events) e $$;
SELECT plan(72);
SELECT (pg_temp.add('chengguan', '{"name":"期限一"}')).project.id AS p \gset
SELECT (pg_temp.add('dongshan', '{"name":"期限二"}')).project.id AS q \gset
SELECT no AS p_no FROM registry.project WHERE id = :'p' \gset

-- new ones
SELECT pg_temp.due('chengguan', NULL, NULL, jsonb_build_object('project', :'p_no', 'text', ' 报告进展 ', 'due_at', 1798761600000000), NULL, NULL, 'due-1') AS r \gset
SELECT (:'r'::api.due_reply).due.id AS d \gset
SELECT row_eq(format('SELECT (r).error, (r).rev, ((r).due).version, ((r).due).project, ((r).due).no, ((r).due).office, ((r).due).text, ((r).due).due_at, ((r).due).state FROM (SELECT %L::api.due_reply AS r) x', :'r'),
    ROW(NULL::api.error, 0::bigint, 1::bigint, :'p'::text, :'p_no'::text, 'chengguan'::text, '报告进展'::text, '2027-01-01 00:00:00Z'::timestamptz, 'open'::text), 'a deadline; the owner must act');
SELECT row_eq('SELECT * FROM pg_temp.last_event()', ROW('deadline.set'::text, 'chengguan'::text, 'due-1'::text, :'d'::text, 1::bigint,
    jsonb_build_object('3', :'p', '4', 'chengguan', '5', '报告进展', '6', '2027-01-01T00:00:00Z', '7', 'open', '8', :'p_no')), 'its event');
SELECT row_eq('SELECT (r).replayed, (r).rev > 0, (r).due FROM (SELECT pg_temp.due(''chengguan'', NULL, NULL, ''{}'', NULL, NULL, ''due-1'') AS r OFFSET 0) x',
    ROW(true, true, (:'r'::api.due_reply).due), 'the same request: the same answer');
SELECT is((pg_temp.due('chengguan', NULL, NULL, '{}', NULL, NULL, 'due-1', '\x01')).error.code, 'KEY_REUSED', 'another body');
SELECT is((pg_temp.due('bureau', NULL, NULL, jsonb_build_object('project', :'p', 'text', '另一单位', 'due_at', pg_temp.at(9), 'office', '东山镇'))).due.office, 'dongshan', 'somebody else must act');
SELECT is((pg_temp.due(w, NULL, NULL, s::jsonb)).error.code || ' ' || coalesce((pg_temp.due(w, NULL, NULL, s::jsonb)).error.field, ''), want, why)
FROM (VALUES ('dongshan', format('{"project":"%s","text":"a","due_at":1}', :'p'), 'PERMISSION_DENIED ', 'of another office''s project'),
    ('leader', format('{"project":"%s","text":"a","due_at":1}', :'p'), 'PERMISSION_DENIED ', 'who may only read'),
    ('chengguan', '{"project":"2026-9999","text":"a","due_at":1}', 'NOT_FOUND project', 'of no project'),
    ('chengguan', '{"text":"a","due_at":1}', 'INVALID_ARGUMENT project', 'without project'),
    ('chengguan', format('{"project":"%s","due_at":1}', :'p'), 'INVALID_ARGUMENT text', 'without text'),
    ('chengguan', format('{"project":"%s","text":" ","due_at":1}', :'p'), 'INVALID_ARGUMENT text', 'with an empty one'),
    ('chengguan', format('{"project":"%s","text":"a"}', :'p'), 'INVALID_ARGUMENT due_at', 'without time'),
    ('chengguan', format('{"project":"%s","text":"a","due_at":-1}', :'p'), 'INVALID_ARGUMENT due_at', 'before 1970'),
    ('chengguan', format('{"project":"%s","text":"a","due_at":9223372036854775807}', :'p'), 'INVALID_ARGUMENT due_at', 'beyond all reason'),
    ('chengguan', format('{"project":"%s","text":"a","due_at":599616000000000}', :'p'), 'INVALID_ARGUMENT due_at', 'before 1990'),
    ('chengguan', format('{"project":"%s","text":"a","due_at":4133980800000000}', :'p'), 'INVALID_ARGUMENT due_at', 'after 2100'),
    ('chengguan', format('{"project":"%s","text":"a","due_at":1,"state":"fired"}', :'p'), 'INVALID_ARGUMENT state', 'the state is the registry''s'),
    ('chengguan', format('{"project":"%s","text":"a","due_at":1,"office":"nowhere"}', :'p'), 'INVALID_ARGUMENT office', 'no such office'),
    ('chengguan', format('{"project":"%s","text":"%s","due_at":1}', :'p', repeat('长', 501)), 'INVALID_ARGUMENT text', 'too long')) v(w, s, want, why);
-- edits merge field by field
SELECT is((pg_temp.due('bureau', 1, :'d', '{"text":"报告开工"}')).due.version, 2::bigint, 'one changes the text');
SELECT row_eq('SELECT type, changes FROM pg_temp.last_event()', ROW('deadline.changed'::text, '{"5":"报告开工"}'::jsonb), 'an event');
SELECT row_eq(format($$ SELECT (r).error, ((r).due).version, ((r).due).text FROM (SELECT pg_temp.due('chengguan', 1, %L, '{"due_at":1798848000000000}') AS r OFFSET 0) x $$, :'d'),
    ROW(NULL::api.error, 3::bigint, '报告开工'::text), 'the other the time, from the same version: both stand');
SELECT row_eq(format($$ SELECT (e).code, (e).field, (e).base_value, (e).theirs, (e).yours, (e).by FROM (SELECT (pg_temp.due('chengguan', 1, %L, '{"text":"报告竣工"}')).error AS e OFFSET 0) x $$, :'d'),
    ROW('CONFLICT'::text, 'text'::text, '报告进展'::text, '报告开工'::text, '报告竣工'::text, 'bureau'::text), 'the same field: a conflict');
SELECT is((pg_temp.due('chengguan', 1, :'d', '{"text":"报告开工"}')).rev, NULL, 'the same value: nothing to do');
SELECT is((pg_temp.due('chengguan', 1, :'d', '{"text":"报告竣工"}', NULL, true)).error.field, 'reason', 'force without a reason');
SELECT is((pg_temp.due('chengguan', 1, :'d', '{"text":"报告竣工"}', '核实', true)).due.text, '报告竣工', 'with one');
SELECT is((pg_temp.due('chengguan', 99, :'d', '{"text":"x"}')).error.field, 'version', 'a version to come');
SELECT is((pg_temp.due('chengguan', NULL, 'dnone', '{"text":"x"}')).error.code, 'NOT_FOUND', 'none of that id');
SELECT is((pg_temp.due('dongshan', NULL, :'d', '{"text":"x"}')).error.code, 'PERMISSION_DENIED', 'not who must act elsewhere');
SELECT is((pg_temp.due('chengguan', NULL, :'d', format('{"project":"%s"}', :'q')::jsonb)).error.field, 'project', 'it stays with its project');
SELECT is((pg_temp.due('chengguan', NULL, :'d', format('{"project":"%s"}', :'p_no')::jsonb)).error, NULL, 'naming it is fine');
SELECT is((pg_temp.due('chengguan', NULL, :'d', '{"due_at":null}')).error.field, 'due_at', 'a deadline has a time');
-- clearing
SELECT row_eq(format($$ SELECT (e).code, (e).field, (e).theirs, (e).yours FROM (SELECT (pg_temp.clear('bureau', 3, %L)).error AS e OFFSET 0) x $$, :'d'),
    ROW('CONFLICT'::text, 'text'::text, '报告竣工'::text, NULL::text), 'clearing what somebody changed since');
SELECT is((pg_temp.clear('chengguan', 3, :'d', NULL, NULL, 'clear-1')).due.state, 'cleared', 'one''s own change doesn''t count');
SELECT row_eq('SELECT type, changes FROM pg_temp.last_event()', ROW('deadline.cleared'::text, '{"7":"cleared"}'::jsonb), 'an event');
SELECT row_eq(format('SELECT (r).replayed, ((r).due).state, ((r).due).version FROM (SELECT pg_temp.clear(''chengguan'', 3, %L, NULL, NULL, ''clear-1'') AS r OFFSET 0) x', :'d'), ROW(true, 'cleared'::text, 5::bigint), 'again');
SELECT row_eq(format('SELECT (r).error, (r).rev, ((r).due).version FROM (SELECT pg_temp.clear(''bureau'', 4, %L) AS r OFFSET 0) x', :'d'), ROW(NULL::api.error, NULL::bigint, 5::bigint), 'clearing what is cleared: nothing to do');
SELECT row_eq(format($$ SELECT (e).code, (e).field, (e).theirs, (e).yours FROM (SELECT (pg_temp.due('bureau', 4, %L, '{"text":"y"}')).error AS e OFFSET 0) x $$, :'d'),
    ROW('CONFLICT'::text, 'state'::text, 'cleared'::text, 'open'::text), 'editing what somebody cleared meanwhile');
SELECT is((pg_temp.due('bureau', 5, :'d', '{"text":"y"}')).error.code, 'FAILED_PRECONDITION', 'editing what one knows is cleared');
SELECT is((pg_temp.due('bureau', 5, :'d', '{"text":"y"}', '恢复', true)).due.state, 'open', 'with force it comes back');
SELECT is((pg_temp.clear('bureau', NULL, NULL)).error.field, 'id', 'clearing nothing');
SELECT is((pg_temp.clear('dongshan', NULL, :'d')).error.code, 'PERMISSION_DENIED', 'clearing another office''s');
SELECT throws_ok('DELETE FROM registry.due', '42501', NULL, 'nothing is deleted');
-- lists
SELECT pg_temp.fresh(:'p', 3, '三') AS d3, pg_temp.fresh(:'p', 1, '一') AS d1, pg_temp.fresh(:'p', 2, '二') AS d2 \gset
CREATE FUNCTION pg_temp.list(object text DEFAULT NULL, office text DEFAULT NULL, state text DEFAULT NULL, after text DEFAULT NULL, n int DEFAULT NULL)
RETURNS api.due_list_reply LANGUAGE sql AS $$ SELECT api.due_list(pg_temp.acc('leader'), 'zh', object, office, state, after, n) $$;
SELECT is((SELECT array_agg(x.text) FROM unnest((pg_temp.list(:'p_no', 'chengguan', NULL, NULL, 3)).rows) x), '{一,二,三}', 'by time');
SELECT is((pg_temp.list(:'p', NULL, NULL, (pg_temp.list(:'p', NULL, NULL, NULL, 2)).next, 1)).rows[1].text, '三', 'by pages');
SELECT is(cardinality((pg_temp.list(:'p', '东山镇')).rows), 1, 'of an office');
SELECT is((pg_temp.list(NULL, NULL, 'cleared')).rows, NULL, 'cleared ones');
SELECT is((pg_temp.list(NULL, NULL, 'lost')).error.allowed, '{open,fired,cleared}', 'states');
SELECT is((pg_temp.list('none')).error.code, 'NOT_FOUND', 'of no project');
SELECT is((pg_temp.list(NULL, 'nowhere')).error.field, 'office', 'of no office');
SELECT is((pg_temp.list(NULL, NULL, NULL, 'dnone')).error.field, 'after', 'behind nothing');
SELECT is((api.due_list(pg_temp.acc('sysadmin'), 'zh', NULL, NULL, NULL, NULL, NULL)).error.code, 'PERMISSION_DENIED', 'not for officers');
-- firing
SELECT set_eq($$ SELECT format_type(p.prorettype, NULL) FROM pg_proc p WHERE p.proname = 'due_fire' AND p.pronargs = 1 $$, $$ VALUES ('api.due_fire_reply') $$, 'asked by a daemon');
SELECT cmp_ok((SELECT next_ms FROM api.due_next()), '>', 80000000::bigint, 'the next comes in a day');
SELECT is((api.due_fire(10)).fired, 0, 'nothing is due');
SELECT max(rev) AS w FROM registry.txn \gset
SELECT set_config('test.offset', value, false) FROM registry.setting WHERE key = 'clock_offset' \g /dev/null
SELECT registry.set_clock_offset(current_setting('test.offset')::interval + interval '36 hours') \g /dev/null
SELECT is((SELECT next_ms FROM api.due_next()), 0::bigint, 'one day later one is');
SELECT row_eq('SELECT (r).fired, (r).rev, (r).next_ms BETWEEN 40000000 AND 45000000 FROM (SELECT api.due_fire(10) AS r OFFSET 0) x', ROW(1, 0::bigint, true), 'it fires');
SELECT row_eq('SELECT * FROM pg_temp.last_event()', ROW('deadline.fired'::text, 'registry'::text, format('due-%s-2', :'d1'), :'d1'::text, 2::bigint, '{"7":"fired"}'::jsonb), 'the registry''s own entry');
SELECT is((SELECT account FROM registry.entry WHERE op = 'due_fire'), 0, 'of nobody');
SELECT is((api.due_fire(10)).fired, 0, 'once');
SELECT is((pg_temp.list(NULL, NULL, 'fired')).rows[1].id, :'d1', 'fired ones');
SELECT row_eq(format($$ SELECT (e).code, (e).field, (e).by FROM (SELECT (pg_temp.clear('chengguan', 1, %L)).error AS e OFFSET 0) x $$, :'d1'), ROW('CONFLICT'::text, 'state'::text, 'registry'::text), 'clearing what has fired meanwhile');
SELECT is((pg_temp.due('chengguan', 1, :'d1', jsonb_build_object('text', '一改'))).due.state, 'fired', 'a new text doesn''t open it again');
SELECT is((pg_temp.due('chengguan', 1, :'d1', jsonb_build_object('due_at', pg_temp.at(5)))).due.state, 'open', 'a new time does');
SELECT is((pg_temp.due('chengguan', NULL, NULL, jsonb_build_object('project', :'p', 'text', '昨天', 'due_at', pg_temp.at(-1)))).error, NULL, 'one in the past');
SELECT is((api.due_fire(10)).fired, 1, 'fires at once');
SELECT registry.set_clock_offset(current_setting('test.offset')::interval + interval '30 years') \g /dev/null
SELECT count(*) AS open FROM registry.due WHERE state = 'open' \gset
SELECT is((api.due_fire(2)).fired, 2, 'no more than asked for');
SELECT is((SELECT sum((api.due_fire(1)).fired) FROM generate_series(1, 20)), :open - 2::bigint, 'and then the rest');
SELECT is((SELECT next_ms FROM api.due_next()), NULL, 'nothing is left');
SELECT registry.set_clock_offset(current_setting('test.offset')::interval) \g /dev/null
SELECT is_empty($$ SELECT c.object FROM registry.change c WHERE c.kind = 'due' AND c.fields #>> '{7,1}' = 'fired' GROUP BY 1 HAVING count(*) > 1
    AND count(*) <> 1 + (SELECT count(*) FROM registry.change o WHERE o.object = c.object AND o.fields -> '7' = '["fired", "open"]') $$, 'each fired once for each time it was open');
UPDATE registry.due SET text = '手工' WHERE id = :'d1';
SELECT is((SELECT actor FROM pg_temp.last_event()), 'db:postgres', 'a writer past the api is journalled, too');
SELECT is((SELECT array_agg((e).type ORDER BY (e).type) FROM (SELECT unnest((api.snapshot_page(pg_temp.acc('leader'), 'zh', '[{"field":"kind","op":"=","values":["due"]},{"field":"office","op":"=","values":["dongshan"]}]', NULL, NULL, NULL, 9)).rows) AS e) x),
    '{deadline.changed}', 'a watch of an office sees what it must do');
SELECT * FROM finish();
