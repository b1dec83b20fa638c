-- SPDX-License-Identifier: Apache-2.0
-- Journal: every writer, one group and one revision a transaction, nothing after the seal, nothing deleted.
\i sql/test/helper.psql
SELECT plan(44);
SELECT (pg_temp.add('chengguan', '{"name":"日志一","amount_total":35000000000,"tags":["链","新"],"land_mu":"3.10","industry":"C38"}')).project.id AS a \gset
SELECT (pg_temp.add('chengguan', '{"name":"日志二"}')).project.id AS b \gset
-- content
SELECT is(pg_temp.fields(:'a', 1) -> '20', '[null, "350000000.00"]', 'money in yuan with two decimals');
SELECT is(pg_temp.fields(:'a', 1) -> '17', '[null, "链,新"]', 'tags joined by commas');
SELECT is(pg_temp.fields(:'a', 1) -> '32', '[null, "3.1"]', 'decimals without empty digits');
SELECT ok(NOT pg_temp.fields(:'a', 1) ? '10', 'what is not set is not there');
SELECT is((SELECT image FROM registry.change WHERE object = :'a') -> '50', '"lead"', 'the image has the stage');
SELECT is_empty($$ SELECT c.kind, c.object, c.version, f.key, before, f.value
    FROM registry.change c, jsonb_each(c.fields) f,
        LATERAL (SELECT coalesce((array_agg(p.fields -> f.key -> 1 ORDER BY p.version DESC))[1], 'null') AS before FROM registry.change p
                 WHERE p.object = c.object AND p.version < c.version AND p.fields ? f.key) x
    WHERE f.value <> 'true' AND (f.value -> 0 IS DISTINCT FROM before OR f.value -> 0 = f.value -> 1) $$,
    'a change begins where the one before it ended, an empty list is nothing');
-- the number is drawn when all else is done
BEGIN;
CREATE OR REPLACE FUNCTION registry.content_digest(p_grp bigint, p_changes int DEFAULT NULL) RETURNS bytea LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN (SELECT int8send(last_value) FROM registry.rev_seq); END $$;
SELECT (pg_temp.edit('chengguan', NULL, :'b', '{"jobs":7}')).error \g /dev/null
SET CONSTRAINTS ALL IMMEDIATE;
SELECT digest < int8send(rev) AS late FROM registry.txn ORDER BY rev DESC LIMIT 1 \gset
ROLLBACK;
SELECT ok(:'late', 'a revision is drawn behind its digest');
-- one group
BEGIN;
SELECT api.rights_lock() \g /dev/null
SELECT (pg_temp.edit('chengguan', NULL, :'a', '{"jobs":1}')).error \g /dev/null
SELECT (pg_temp.edit('bureau', NULL, :'a', '{"jobs":2}')).error \g /dev/null
SELECT (pg_temp.edit('dongshan', NULL, :'a', '{"jobs":3}')).error \g /dev/null
SELECT (pg_temp.edit('chengguan', NULL, :'b', '{"jobs":4}', NULL, 'why')).error \g /dev/null
SELECT rev AS rev, tag AS tag FROM api.seal((SELECT max(epoch) FROM registry.epoch)) \gset
COMMIT;
SELECT results_eq(format($$ SELECT c.idx, c.ord, e.actor, c.object, c.version, c.fields, e.reason
        FROM registry.txn t JOIN registry.change c USING (grp) JOIN registry.entry e ON e.grp = c.grp AND e.ord = c.ord
        WHERE t.rev = %s ORDER BY c.idx $$, :'rev'),
    format($$ VALUES (0, 0, 'chengguan'::text, %1$L::text, 2::bigint, '{"37":[null,"1"]}'::jsonb, NULL::text),
        (1, 1, 'bureau', %1$L, 3, '{"37":["1","2"]}', NULL), (2, 2, 'chengguan', %2$L, 2, '{"37":[null,"4"]}', 'why') $$, :'a', :'b'),
    'a group: one revision, an entry each, the refused one writes nothing');
SELECT is((SELECT changes FROM registry.txn WHERE rev = :rev), 3, 'counted');
SELECT is((SELECT tag FROM registry.txn WHERE rev = :rev), :tag::bigint, 'tagged');
SELECT results_eq($$ SELECT rev, tag FROM api.seal((SELECT max(epoch) FROM registry.epoch)) $$, $$ VALUES (NULL::bigint, NULL::bigint) $$,
    'nothing written, no number');
SELECT last_value AS before FROM registry.rev_seq \gset
SELECT (pg_temp.edit('dongshan', NULL, :'a', '{"jobs":3}')).error \g /dev/null
SELECT (pg_temp.edit('bureau', NULL, :'a', '{"jobs":2}')).error \g /dev/null
SELECT is((SELECT last_value FROM registry.rev_seq), :before::bigint, 'refusals and changes of nothing draw no number');
-- no leak between members, none to whoever writes afterwards
SELECT is(current_setting('qipan.entry', true), '', 'the entry is gone after the call');
BEGIN;
SELECT (pg_temp.edit('chengguan', NULL, :'a', '{"jobs":5}')).error \g /dev/null
UPDATE registry.project SET jobs = 6 WHERE id = :'a';
UPDATE registry.project SET jobs = 6 WHERE id = :'a';
UPDATE registry.project SET jobs = 7 WHERE id = :'b';
COMMIT;
SELECT results_eq(format($$ SELECT e.actor, e.op, c.object, c.fields FROM registry.change c JOIN registry.entry e USING (grp, ord)
        WHERE c.grp = (SELECT max(grp) FROM registry.txn) ORDER BY c.idx $$),
    format($$ VALUES ('chengguan'::text, 'project_edit'::text, %1$L::text, '{"37":["2","5"]}'::jsonb),
        ('db:postgres', 'db', %1$L, '{"37":["5","6"]}'), ('db:postgres', 'db', %2$L, '{"37":["4","7"]}') $$, :'a', :'b'),
    'a writer past the api is journalled under his own name');
SELECT is((SELECT version FROM registry.project WHERE id = :'a'), 5::bigint, 'and counts versions, not changes of nothing');
INSERT INTO registry.contact (project, phone) VALUES (:'b', '13900000000');
SELECT is((SELECT fields FROM registry.change WHERE object = :'b' ORDER BY version DESC LIMIT 1), '{"45": true}', 'a contact past the api: that, not what');
-- the seal
SELECT throws_ok($$ DO $d$ BEGIN
        PERFORM (pg_temp.edit('chengguan', NULL, (SELECT id FROM registry.project WHERE name = '日志一'), '{"jobs":8}')).error;
        PERFORM api.seal((SELECT max(epoch) FROM registry.epoch));
        UPDATE registry.project SET jobs = 9 WHERE name = '日志一';
    END $d$ $$, '55000', NULL, 'nothing may be written after the seal');
SELECT throws_ok($$ DO $d$ BEGIN
        PERFORM (pg_temp.edit('chengguan', NULL, (SELECT id FROM registry.project WHERE name = '日志一'), '{"jobs":8}')).error;
        PERFORM api.seal(999);
    END $d$ $$, '55000', NULL, 'a link of another epoch is refused');
SELECT is((SELECT jobs FROM registry.project WHERE id = :'a'), 6, 'and nothing of it stays');
-- refused statements
SELECT throws_ok('DELETE FROM registry.' || t, '42501', NULL, 'no delete from ' || t)
FROM unnest(ARRAY['project', 'change', 'entry', 'txn', 'office']) t;
SELECT throws_ok('TRUNCATE registry.change', '42501', NULL, 'no truncate');
SELECT throws_ok('TRUNCATE registry.project CASCADE', '42501', NULL, 'no truncate of projects');
SELECT throws_ok('UPDATE registry.change SET version = 1', '42501', NULL, 'no update of the journal');
SET ROLE qipan_daemon;
SELECT throws_ok('SELECT * FROM registry.project', '42501', NULL, 'the daemon''s role reads no table');
SELECT throws_ok($$ SELECT registry.now() $$, '42501', NULL, 'and calls no helper');
SELECT throws_ok($$ CREATE FUNCTION public.norm(text) RETURNS text LANGUAGE sql AS 'SELECT 1' $$, '42501', NULL, 'nor makes functions');
RESET ROLE;
-- clock
SELECT cmp_ok(registry.set_clock_offset('30 days') - now(), '>', interval '29 days', 'a development county moves its clock');
SELECT is((pg_temp.add('chengguan', '{"name":"未来的项目"}')).project.registered_at - now() > interval '29 days', true, 'and writes by it');
SELECT registry.set_clock_offset('0') \g /dev/null
UPDATE registry.setting SET value = 'false' WHERE key = 'development';
SELECT throws_ok($$ SELECT registry.set_clock_offset('1 day') $$, 'P0001', NULL, 'a real one does not');
UPDATE registry.setting SET value = 'true' WHERE key = 'development';
-- epoch: tried in a transaction that is taken back, judged afterwards
CREATE FUNCTION pg_temp.state_of_write() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE registry.project SET jobs = 9 WHERE name = '日志一';
    SET CONSTRAINTS ALL IMMEDIATE;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT schema_version AS schema FROM registry.version \gset
BEGIN;
ALTER TABLE registry.epoch DISABLE TRIGGER epoch_fixed;
UPDATE registry.epoch SET timeline = 77;
SELECT pg_temp.state_of_write() AS state \gset
SELECT epoch AS opened FROM api.link_open(:schema) \gset
SELECT last_value AS ahead FROM registry.rev_seq \gset
ROLLBACK;
SELECT setval('registry.rev_seq', (SELECT max(rev) FROM registry.txn)) \g /dev/null
SELECT is(:'state'::text, '55000', 'no write on another timeline than the epoch''s');
SELECT is(:opened, 2, 'the next link opens a new epoch');
SELECT cmp_ok(:ahead, '>', 1000000, 'far ahead');
-- a restored dump: another system, and sequences that may be behind the tables
ALTER TABLE registry.epoch DISABLE TRIGGER epoch_fixed;
UPDATE registry.epoch SET system_identifier = 'another';
SELECT max(rev) AS top, max(grp) AS top_grp FROM registry.txn \gset
SELECT min(g) AS hole FROM generate_series(1, :top + 1) g WHERE NOT EXISTS (SELECT FROM registry.txn t WHERE t.rev = g) \gset
SELECT setval('registry.rev_seq', 1), setval('registry.grp_seq', 1) \g /dev/null
SELECT is((SELECT epoch FROM api.link_open(:schema)), 2::bigint, 'another system, another epoch');
SELECT is((SELECT epoch FROM api.link_open(:schema)), 2::bigint, 'once');
SELECT row_eq('SELECT void_from, start_rev > 1000000 + ' || :top || ' FROM registry.epoch WHERE epoch = 2', ROW(:hole::bigint, true), 'the void begins with the first hole');
SELECT cmp_ok((SELECT last_value FROM registry.grp_seq), '>=', :top_grp + 1000000::bigint, 'groups jump, too');
SELECT pg_temp.epochs_back() \g /dev/null
-- an older state of the same cluster: only who has seen the lost end can tell
SELECT epoch AS e, rev AS r, tag AS t FROM registry.txn ORDER BY rev DESC LIMIT 1 \gset
SELECT is((SELECT epoch FROM api.link_open(:schema, :e, :r, :t)), :e::bigint, 'a place that is held');
SELECT is((SELECT epoch FROM api.link_open(:schema, :e, :r + 7000000, :t)), :e + 1::bigint, 'a place beyond the end: something was lost');
SELECT cmp_ok((SELECT start_rev FROM registry.epoch WHERE epoch = :e + 1), '>', :r + 7000000::bigint, 'numbers begin behind all that was seen');
SELECT is((SELECT array_agg(epoch) FROM (SELECT (api.link_open(:schema, :e, r, :t + 1)).epoch FROM generate_series(1, 9) r) x),
    array_fill(:e + 1::bigint, ARRAY[9]), 'the epoch that was lost doesn''t open one more');
SELECT pg_temp.epochs_back() \g /dev/null
SELECT * FROM finish();
