-- SPDX-License-Identifier: Apache-2.0
-- Merge of lists and cleared fields; failures that are tried again leave nothing behind.
\i sql/test/helper.psql
SELECT plan(25);
SELECT registry.merge_list('{a,b}', '{a,b,c}', '{b,d}') AS both, registry.merge_list(NULL, '{a}', '{b}') AS fresh \gset
SELECT is(:'both'::text, '{b,c,d}', 'theirs in their order, then mine; what I took away is gone');
SELECT is(:'fresh'::text, '{a,b}', 'from nothing: both');
CREATE FUNCTION pg_temp.tags(who text, base bigint, id text, tags text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((e.r).error.code, array_to_string((e.r).project.tags, ' ')) FROM (SELECT pg_temp.edit(who, base, id, jsonb_build_object('tags', tags::jsonb)) AS r) e $$;
CREATE FUNCTION pg_temp.fresh(tags text) RETURNS text LANGUAGE sql AS $$
    SELECT (pg_temp.add('chengguan', jsonb_build_object('name', '合' || nextval('pg_temp.calls'), 'tags', tags::jsonb))).project.id $$;
-- both add
SELECT pg_temp.fresh('["链"]') AS a \gset
SELECT is(pg_temp.tags('chengguan', 1, :'a', '["链","新"]'), '链 新', 'one adds');
SELECT is(pg_temp.tags('bureau', 1, :'a', '["链","大"]'), '链 新 大', 'the other, from the same version: both stand');
SELECT is(pg_temp.fields(:'a', 3), '{"17": ["链,新", "链,新,大"]}'::jsonb, 'the journal says what became of it');
SELECT is((SELECT version FROM registry.project WHERE id = :'a'), 3::bigint, 'two versions');
SELECT is(pg_temp.tags('dongshan', 1, :'a', '["链"]'), 'PERMISSION_DENIED', 'merging gives no right');
-- one removes, the other adds; both remove, both add the same
SELECT is(pg_temp.tags('bureau', 3, :'a', '["新","大"]'), '新 大', 'one removes');
SELECT is(pg_temp.tags('chengguan', 3, :'a', '["链","新","大","重"]'), '新 大 重', 'the other adds: merged');
SELECT is(pg_temp.tags('chengguan', 3, :'a', '["新","大"]'), '新 大 重', 'a list without what I added since says nothing about it');
SELECT is(pg_temp.tags('bureau', 1, :'a', '["链","新"]'), '新 大 重', 'adding what is there and keeping what they took: nothing changes');
SELECT is((SELECT max(version) FROM registry.project WHERE id = :'a'), 5::bigint, 'and no version');
-- without a base, with force, cleared
SELECT is(pg_temp.tags('chengguan', NULL, :'a', '["一"]'), '一', 'without a base the list is the list');
SELECT is(pg_temp.tags('bureau', 5, :'a', 'null'), 'CONFLICT', 'emptying a list somebody else changed');
SELECT is(pg_temp.tags('bureau', 5, :'a', '[]'), 'CONFLICT', 'an empty list is the same');
SELECT is((pg_temp.edit('bureau', 5, :'a', '{"tags":["二"]}', NULL, '核实', true)).project.tags, '{二}', 'force: whole');
SELECT is((pg_temp.edit('chengguan', NULL, :'a', '{"summary":"甲"}')).error.code, NULL, 'a text');
SELECT row_eq($$ SELECT (x.e).code, (x.e).field, (x.e).theirs, (x.e).yours FROM (SELECT (pg_temp.edit('bureau', 1, '$$ || :'a' || $$', NULL, '{summary}')).error AS e) x $$,
    ROW('CONFLICT'::text, 'summary'::text, '甲'::text, NULL::text), 'clearing what somebody else wrote');
SELECT is((pg_temp.edit('bureau', 1, :'a', NULL, '{site}')).error.code, NULL, 'clearing what nobody wrote');
-- more than fits
SELECT pg_temp.fresh('["z"]') AS b \gset
SELECT is(pg_temp.tags('chengguan', 1, :'b', (SELECT jsonb_agg('a' || i) FROM generate_series(1, 15) i)::text), (SELECT string_agg('a' || i, ' ' ORDER BY i) FROM generate_series(1, 15) i), 'fifteen');
SELECT is(pg_temp.tags('bureau', 1, :'b', (SELECT jsonb_agg('b' || i) FROM generate_series(1, 15) i)::text), 'CONFLICT', 'and fifteen more are too many for one list');
-- failures that the daemon tries again
CREATE FUNCTION pg_temp.fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'as ordered' USING ERRCODE = coalesce(nullif(current_setting('test.fail', true), ''), '40001');
END $$;
CREATE FUNCTION pg_temp.tried(p_state text, p_table text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text;
    id text := (SELECT min(p.id) FROM registry.project p);
BEGIN
    EXECUTE format('CREATE TRIGGER zz_fail AFTER INSERT ON registry.%I FOR EACH ROW EXECUTE FUNCTION pg_temp.fail()', p_table);
    PERFORM set_config('test.fail', p_state, true);
    BEGIN
        PERFORM api.project_edits(array_fill(pg_temp.acc('bureau'), '{2}'), '{zh,zh}', '{f1,f2}', '{"\\x00","\\x00"}', '{NULL,NULL}',
            ARRAY[id, (SELECT max(p.id) FROM registry.project p WHERE p.stage = 'lead')], ARRAY['{"jobs":91}', '{"stage":"intent","jobs":92}']::jsonb[], '{NULL,NULL}', '{NULL,NULL}');
    EXCEPTION WHEN OTHERS THEN
        state := SQLSTATE;
    END;
    EXECUTE format('DROP TRIGGER zz_fail ON registry.%I', p_table);
    RETURN concat_ws(' ', state, (SELECT count(*) FROM registry.entry WHERE request IN ('f1', 'f2')),
        (SELECT count(*) FROM registry.project WHERE jobs IN (91, 92)), current_setting('qipan.idx', true), current_setting('qipan.ord', true));
END $$;
BEGIN;
SELECT (pg_temp.edit('bureau', NULL, :'a', '{"jobs":1}')).error \g /dev/null
SELECT is(pg_temp.tried('40001', 'entry'), '40001 0 0 1 0', 'a serialization failure at the receipt');
SELECT is(pg_temp.tried('40P01', 'change'), '40P01 0 0 1 0', 'a deadlock at the journal');
SELECT is(pg_temp.tried('23505', 'stage_event'), '23505 0 0 1 0', 'a key taken, in the one that went singly after the set');
SELECT (pg_temp.edit('bureau', NULL, :'a', '{"jobs":2}')).error \g /dev/null
SELECT rev FROM api.seal((SELECT max(epoch) FROM registry.epoch)) \gset
COMMIT;
SELECT results_eq(format('SELECT c.idx, c.ord, t.changes FROM registry.txn t JOIN registry.change c USING (grp) WHERE rev = %s ORDER BY 1', :'rev'),
    $$ VALUES (0, 0, 2), (1, 1, 2) $$, 'the group goes on without a hole');
SELECT * FROM finish();
