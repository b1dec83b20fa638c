-- SPDX-License-Identifier: Apache-2.0
-- Links and the feed: compatibility, reading, pages, fence, seek, the story of a project.
\i sql/test/helper.psql
SELECT plan(89);
SELECT is((SELECT ok FROM api.link_open((SELECT schema_version FROM registry.version))), true, 'this schema');
SELECT matches((SELECT message FROM api.link_open(9999)), 'run sql/migrate', 'a newer daemon is told to migrate');
SELECT matches((SELECT message FROM api.link_open(0)), 'newer daemon', 'an old daemon is told so');
SELECT is((SELECT account FROM api.sign_in('qipan:person:chengguan', NULL)), pg_temp.acc('chengguan'), 'sign in');
SELECT is((SELECT account FROM api.sign_in('qipan:person:chengguan', '10.0.0.1')), pg_temp.acc('chengguan'), 'from somewhere');
SELECT row_eq($$ SELECT actor, op, status, peer FROM registry.audit ORDER BY no DESC LIMIT 1 $$,
    ROW('chengguan'::text, 'sign_in'::text, 'OK'::text, '10.0.0.1'::text), 'which has its row');
SELECT is((SELECT account FROM api.sign_in('qipan:person:chenggua', NULL)), NULL, 'exact match only');
SELECT is((SELECT account FROM api.sign_in('qipan:person:%', NULL)), NULL, 'no patterns');
UPDATE registry.certificate SET enabled = false WHERE identity = 'qipan:machine:sensor';
SELECT is((SELECT account FROM api.sign_in('qipan:machine:sensor', NULL)), NULL, 'a certificate that is off');
UPDATE registry.certificate SET enabled = true WHERE identity = 'qipan:machine:sensor';

SELECT api.journal_fence(n) FROM registry.rev_seq, generate_series(1, last_value) n \g /dev/null
SELECT coalesce(max(rev), 0) AS w FROM registry.txn \gset
SELECT is((SELECT rev FROM api.journal_watermark()), :w::bigint, 'the watermark is the last number');
SELECT (pg_temp.add('chengguan', '{"name":"流一","contact_name":"密"}')).project.id AS a \gset
SELECT (pg_temp.edit('bureau', NULL, :'a', '{"summary":"说明","contact_phone":"1"}', NULL, '补充')).error \g /dev/null
SELECT (pg_temp.advance('chengguan', :'a', 'talks')).error \g /dev/null
SELECT results_eq($$ SELECT r.rev - $$ || :w || $$, r.changes, r.tombstone, r.large, cardinality(r.events)
        FROM api.journal_read($$ || :w || $$, 10) j, unnest(j.rows) r $$,
    $$ VALUES (1::bigint, 1, false, false, 1), (2, 1, false, false, 1), (3, 1, false, false, 1) $$, 'revisions in order');
SELECT row_eq(format($$ SELECT e.type, e.entry, e.idx, e.last, e.kind, e.object, e.version, e.view, e.actor, e.office, e.reason, e.batch
        FROM api.journal_read(%s, 1) j, unnest(j.rows) r, unnest(r.events) e $$, :w + 1),
    ROW('project.changed'::text, 0, 0, true, 'project'::text, :'a'::text, 2::bigint, NULL::text, 'bureau'::text, 'bureau'::text, '补充'::text, NULL::text),
    'an event');
SELECT results_eq(format($$ SELECT c.number, c.old, c.new, c.masked FROM api.journal_read(%s, 1) j, unnest(j.rows) r, unnest(r.events) e,
        unnest(e.changes) c $$, :w + 1),
    $$ VALUES (16, NULL::text, '说明'::text, NULL::boolean), (45, NULL, NULL, true) $$, 'its changes, the contact masked');
SELECT results_eq(format($$ SELECT v.number, v.value FROM api.journal_read(%s, 1) j, unnest(j.rows) r, unnest(r.events) e,
        unnest(e.row) v WHERE v.number IN (40, 50) $$, :w),
    $$ VALUES (40, 'chengguan'::text), (50, 'lead') $$, 'and the object after it');
-- gap and fence
SELECT nextval('registry.rev_seq') AS gap \gset
SELECT (pg_temp.edit('bureau', NULL, :'a', '{"jobs":1}')).error \g /dev/null
SELECT is((SELECT rev FROM api.journal_watermark()), :gap - 1::bigint, 'the watermark stops before a gap');
SELECT api.journal_fence(:gap), api.journal_fence(:gap) \g /dev/null
SELECT is((SELECT r.tombstone FROM api.journal_read(:gap - 1, 1) j, unnest(j.rows) r), true, 'a tombstone closes it');
SELECT is((SELECT rev FROM api.journal_watermark()), :gap + 1::bigint, 'and it goes on');
SELECT api.journal_fence(:gap + 1) \g /dev/null
SELECT is((SELECT kind FROM registry.txn WHERE rev = :gap + 1), 'commit', 'a commit stands');
SELECT throws_ok('SELECT api.journal_fence(' || :gap + 100 || ')', '22023', NULL, 'a number never drawn is not fenced');
-- large
SELECT max(rev) AS w FROM registry.txn \gset
DO $$ BEGIN
    INSERT INTO registry.project (name, office, stage) SELECT '大批' || i, 'chengguan', 'lead' FROM generate_series(1, 300) i;
END $$;
SELECT row_eq(format($$ SELECT r.changes, r.large, r.rights, (SELECT array_agg(e.idx) FROM unnest(r.events) e) FROM api.journal_read(%s, 5) j, unnest(j.rows) r $$, :w),
    ROW(300, true, false, '{299}'::int[]), 'a large revision comes without its events, but the last');
CREATE FUNCTION pg_temp.about(p_rev bigint) RETURNS TABLE (n bigint, line text) LANGUAGE sql AS $$
    SELECT l.n, l.line FROM api.journal_read(p_rev - 1, 1) j, unnest(j.rows) r, string_to_table(r.subjects, E'\n') WITH ORDINALITY l(line, n) $$;
SELECT set_eq(format($$ SELECT line FROM pg_temp.about(%s) WHERE line ~ '=' $$, :w + 1), ARRAY['kind=project', 'office=chengguan', 'stage=lead'], 'with what it is about');
SELECT set_eq(format($$ SELECT line FROM pg_temp.about(%s) WHERE line !~ '=' $$, :w + 1),
    $$ SELECT unnest(ARRAY[id, no]) FROM registry.project WHERE name LIKE '大批%' $$, 'and which objects');
SELECT is((SELECT array_agg(line ORDER BY n) FROM pg_temp.about(:w + 1)), (SELECT array_agg(line ORDER BY line COLLATE "C") FROM pg_temp.about(:w + 1)), 'in order of bytes');
DO $$ BEGIN
    UPDATE registry.project SET stage = 'talks', tags = '{大,新}', version = version + 1 WHERE name LIKE '大批%';
END $$;
SELECT set_eq(format($$ SELECT line FROM pg_temp.about(%s) WHERE line ~ '=' $$, :w + 2),
    ARRAY['kind=project', 'office=chengguan', 'stage=lead', 'stage=talks', 'tags=大', 'tags=新'], 'before and after, lists by their elements');
DO $$ BEGIN
    UPDATE registry.project SET restricted = true, version = version + 1 WHERE name LIKE '大批%';
END $$;
SELECT row_eq(format($$ SELECT s.open, r.events, r.subjects = s.subjects FROM api.journal_read(%s, 1) j, unnest(j.rows) r JOIN registry.txn t USING (rev) JOIN registry.txn_subjects s USING (grp) $$, :w + 2),
    ROW(false, NULL::api.event[], true), 'what not every reader may see has no last event here');
SELECT cmp_ok((SELECT max(pg_column_size(t)) FROM registry.txn t), '<', 300, 'what is written once the number is drawn is short: else it is fenced meanwhile');
SELECT is((SELECT cardinality(rows) FROM api.journal_page(:w + 1, NULL, 1000)), 300, 'but by pages');
SELECT row_eq(format($$ SELECT min(e.idx), max(e.idx), bool_or(e.last) FROM api.journal_page(%s, 199, 100) p, unnest(p.rows) e $$, :w + 1),
    ROW(200, 299, true), 'from an idx');
-- seek: every place has an exact answer
CREATE FUNCTION pg_temp.seek(epoch bigint, rev bigint, tag bigint, known jsonb DEFAULT NULL, idx int DEFAULT NULL, terms jsonb DEFAULT NULL)
RETURNS api.journal_seek_reply LANGUAGE sql AS $$
    SELECT api.journal_seek(pg_temp.acc('chengguan'), 'zh', epoch, rev, tag, terms, known, idx, false) $$;
CREATE FUNCTION pg_temp.answer(epoch bigint, rev bigint, tag bigint, known jsonb DEFAULT NULL, idx int DEFAULT NULL, terms jsonb DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$ SELECT coalesce((s).error.code, (s).answer) FROM (SELECT pg_temp.seek(epoch, rev, tag, known, idx, terms) AS s OFFSET 0) x $$;
CREATE FUNCTION pg_temp.place(p_rev bigint, p_idx int DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object('epoch', epoch, 'rev', rev, 'tag', tag, 'idx', p_idx)) FROM registry.txn WHERE rev = p_rev $$;
SELECT epoch AS e, rev AS r, tag AS t FROM registry.txn ORDER BY rev DESC LIMIT 1 \gset
SELECT is(pg_temp.answer(:e, :r, :t), 'OK', 'W');
SELECT is(pg_temp.answer(:e, :r, :t + 1), 'DIVERGED', 'W under a forged tag');
SELECT is(pg_temp.answer(:e, :r, 0), 'OK', 'W, tag not known');
SELECT is(pg_temp.answer(:e, :r + 1, :t), 'FUTURE_REVISION', 'W + 1');
SELECT row_eq(format('SELECT (s).answer, (s).rev FROM (SELECT pg_temp.seek(%s, 9223372036854775807, 1) AS s OFFSET 0) x', :e), ROW('FUTURE_REVISION'::text, :r::bigint), '2^63 - 1, with the newest');
SELECT is(pg_temp.answer(:e, 9223372036854775807, 1, NULL, 2147483647), 'FUTURE_REVISION', 'with an idx, too');
SELECT is(pg_temp.answer(:e + 1, :r, :t), 'DIVERGED', 'an epoch to come');
SELECT is(pg_temp.answer(9223372036854775807, 9223372036854775807, -1), 'DIVERGED', 'all of it at once');
SELECT is(pg_temp.answer(:e, -1, :t), 'INVALID_ARGUMENT', 'negative');
SELECT is(pg_temp.answer(-1, 1, :t), 'INVALID_ARGUMENT', 'negative epoch');
SELECT is(pg_temp.answer(:e, :r, :t, NULL, 299), 'OK', 'the last idx');
SELECT is(pg_temp.answer(:e, :r, :t, NULL, 300), 'INVALID_ARGUMENT', 'an idx beyond the revision''s changes');
SELECT is(pg_temp.answer(:e, :r, :t, NULL, -1), 'INVALID_ARGUMENT', 'a negative one');
SELECT is(pg_temp.answer(:e, :gap, (SELECT tag FROM registry.txn WHERE rev = :gap)), 'OK', 'a tombstone is a place');
SELECT is(pg_temp.answer(:e, :gap, (SELECT tag FROM registry.txn WHERE rev = :gap), NULL, 0), 'INVALID_ARGUMENT', 'without changes');
SELECT row_eq('SELECT (s).answer, (s).rev, (s).epoch, (s).tag FROM (SELECT pg_temp.seek(NULL, 0, NULL) AS s OFFSET 0) x',
    ROW('OK'::text, 0::bigint, 1::bigint, NULL::bigint), 'from the start');
SELECT is(pg_temp.answer(1, 0, 0), 'OK', 'the place before the first');
SELECT row_eq($$ SELECT (s).answer, (s).rev, (s).tag FROM (SELECT pg_temp.seek(NULL, NULL, NULL) AS s OFFSET 0) x $$,
    ROW('OK'::text, :r::bigint, :t::bigint), 'the newest');
-- what is kept
SELECT rev AS min FROM registry.txn WHERE rev > 5 ORDER BY rev LIMIT 1 \gset
INSERT INTO registry.setting VALUES ('journal.min_rev', :min);
SELECT is((SELECT min_rev FROM api.journal_watermark()), :min::bigint, 'a daemon learns what is kept');
SELECT row_eq(format('SELECT (s).answer, (s).min_rev FROM (SELECT pg_temp.seek(%s, %s, %s) AS s OFFSET 0) x', :e, :min - 2, (SELECT tag FROM registry.txn WHERE rev = :min - 2)),
    ROW('COMPACTED'::text, :min::bigint), 'min - 2: older than what is kept');
SELECT is(pg_temp.answer(:e, :min - 1, (SELECT tag FROM registry.txn WHERE rev = :min - 1)), 'OK', 'min - 1: nothing is missing behind it');
SELECT is(pg_temp.answer(:e, :min, (SELECT tag FROM registry.txn WHERE rev = :min)), 'OK', 'min');
SELECT is(pg_temp.answer(:e, :min - 2, 77), 'DIVERGED', 'older, and of another history');
SELECT is(pg_temp.answer(1, 0, 0), 'COMPACTED', 'the place before the first');
SELECT row_eq('SELECT (s).answer, (s).rev, (s).tag FROM (SELECT pg_temp.seek(0, 0, 0) AS s OFFSET 0) x',
    ROW('OK'::text, :min - 1::bigint, (SELECT tag FROM registry.txn WHERE rev = :min - 1)), 'from the start is from what is kept');
SELECT is((SELECT min_rev FROM api.journal_retain()), :min::bigint, 'nothing is as old as that');
UPDATE registry.setting SET value = '-100 years' WHERE key = 'journal.retention';
SELECT is((SELECT min_rev FROM api.journal_retain()), :r + 1::bigint, 'without retention only the newest');
SELECT is(pg_temp.answer(:e, :r, :t), 'OK', 'whoever is there goes on');
SELECT is(pg_temp.answer(:e, :r - 1, (SELECT tag FROM registry.txn WHERE rev = :r - 1)), 'COMPACTED', 'all others are too late');
UPDATE registry.setting SET value = '90 days' WHERE key = 'journal.retention';
SELECT is((SELECT min_rev FROM api.journal_retain()), :r + 1::bigint, 'it never moves back');
SELECT is((SELECT count(*) FROM registry.txn WHERE rev < :r), (SELECT count(*) FROM registry.txn) - 1, 'and nothing is deleted');
DELETE FROM registry.setting WHERE key = 'journal.min_rev';
-- forks
SELECT is(pg_temp.answer(:e, :r, 0, (SELECT jsonb_agg(pg_temp.place(1)) FROM generate_series(1, 17))), 'INVALID_ARGUMENT', 'too many known places');
SELECT is(pg_temp.answer(:e, :r, 0, '[{"epoch":1,"rev":-1}]'), 'INVALID_ARGUMENT', 'a known place that can''t be');
ALTER TABLE registry.epoch DISABLE TRIGGER epoch_fixed;
UPDATE registry.epoch SET timeline = 77;
SELECT api.link_open(schema_version) FROM registry.version \g /dev/null
SELECT start_rev AS s FROM registry.epoch ORDER BY epoch DESC LIMIT 1 \gset
SELECT is(pg_temp.answer(:e, :r, :t), 'OK', 'the last of the old epoch goes on');
SELECT is((pg_temp.seek(:e, :r + 3, 5)).answer, 'DIVERGED', 'a number of the lost end');
SELECT is((pg_temp.seek(:e, :r + 3, 5)).fork, NULL, 'no fork without known places');
SELECT is(pg_temp.answer(:e + 1, :r + 3, 5), 'DIVERGED', 'a number of the void');
SELECT is(pg_temp.answer(:e + 1, :s - 2, 0), 'DIVERGED', 'its last but one');
SELECT row_eq(format('SELECT epoch, rev, tag FROM api.journal_watermark()'), ROW(:e + 1::bigint, :s - 1::bigint, NULL::bigint), 'a daemon begins in front of the new one');
SELECT is(pg_temp.answer(:e + 1, :s - 1, 0), 'OK', 'where a daemon begins is a place');
SELECT is(pg_temp.answer(:e + 1, :s - 1, 9), 'DIVERGED', 'but not under a tag');
SELECT is(pg_temp.answer(:e + 1, :s, 0), 'FUTURE_REVISION', 'the first of the new epoch is still to come');
SELECT is(pg_temp.answer(:e, :s, 0), 'DIVERGED', 'and was never one of the old');
SELECT is((pg_temp.seek(:e, :r + 3, 5, known)).fork, ROW(:e, :gap, NULL, (SELECT tag FROM registry.txn WHERE rev = :gap), NULL)::api.cursor, 'the fork: the newest shared place')
    FROM (SELECT jsonb_build_array(jsonb_build_object('epoch', :e, 'rev', :r + 2, 'tag', 3), pg_temp.place(:r) || '{"tag":12}', pg_temp.place(2),
                                   pg_temp.place(:gap), pg_temp.place(:gap - 1)) AS known) x;
SELECT is((pg_temp.seek(:e, :r + 3, 5, jsonb_build_array(pg_temp.place(:r, 7), pg_temp.place(2)))).fork,
    ROW(:e, :r, 7, :t, NULL)::api.cursor, 'inside a revision');
SELECT is((pg_temp.seek(:e, :r + 3, 5, '[{"epoch":1,"rev":0,"tag":0}]')).fork, ROW(1, 0, NULL, 0, NULL)::api.cursor, 'the beginning is shared by all');
SELECT is((pg_temp.seek(:e, :r + 3, 5, jsonb_build_array(pg_temp.place(3) - 'tag'))).fork, NULL, 'a number alone is no evidence');
-- numbers of a writer that never came, in an epoch that ends before their tombstone is there
SELECT nextval('registry.rev_seq') AS h, nextval('registry.rev_seq') AS h2 \gset
SELECT api.journal_fence(:h2) \g /dev/null
UPDATE registry.epoch SET timeline = 78 WHERE epoch = :e + 1;
SELECT api.link_open(schema_version) FROM registry.version \g /dev/null
SELECT results_eq(format('SELECT rev, epoch, kind FROM registry.txn WHERE rev BETWEEN %s AND %s ORDER BY 1', :h, :h2),
    format('VALUES (%s::bigint, %s::bigint, ''tombstone''), (%s, %s, ''tombstone'')', :h, :e + 1, :h2, :e + 1), 'an epoch that ends leaves no hole');
SELECT api.journal_fence(:h2 + 1) \g /dev/null
SELECT is_empty('SELECT rev FROM registry.txn WHERE rev = ' || :h2 + 1, 'a fence that comes late leaves nothing in an epoch that has ended');
SELECT is(pg_temp.answer(:e + 1, :h2, (SELECT tag FROM registry.txn WHERE rev = :h2)), 'DIVERGED', 'what is behind an emptied number is no place, though it stands');
SELECT is(pg_temp.answer(:e + 1, :h2, 0), 'OK', 'but it is a number');
SELECT is((pg_temp.seek(:e + 1, :h2, 5, jsonb_build_array(pg_temp.place(:h2), pg_temp.place(2)))).fork, ROW(:e, 2, NULL, (SELECT tag FROM registry.txn WHERE rev = 2), NULL)::api.cursor, 'nor a fork');
SELECT pg_temp.epochs_back() \g /dev/null
-- terms
SELECT is(pg_temp.answer(NULL, NULL, NULL, NULL, NULL, '[{"field":"stage","op":"=","values":["在谈"]}]'), 'INVALID_ARGUMENT', 'a label is no code');
SELECT is((pg_temp.seek(NULL, NULL, NULL, NULL, NULL, '[{"field":"stage","op":"=","values":["在谈"]}]')).error.allowed, '{talks}', 'this is the code');
SELECT is(pg_temp.answer(NULL, NULL, NULL, NULL, NULL, '[{"field":"kind","op":"=","values":["due","receipt"]}]'), 'OK', 'kinds');
SELECT is(pg_temp.answer(NULL, NULL, NULL, NULL, NULL, '[{"field":"kind","op":"=","values":["nothing"]}]'), 'INVALID_ARGUMENT', 'no kind');
-- log
SELECT results_eq(format($$ SELECT e.version, e.view, e.row IS NULL, e.actor FROM
        api.project_log(pg_temp.acc('dongshan'), 'zh', %L, NULL, NULL) l, unnest(l.rows) e $$, :'a'),
    $$ VALUES (1::bigint, 'enter'::text, false, 'chengguan'::text), (2, 'update', true, 'bureau'), (3, 'update', true, 'chengguan'),
        (4, 'update', true, 'bureau') $$, 'a project''s story');
SELECT is((api.project_log(pg_temp.acc('dongshan'), 'zh', :'a', NULL, 2)).more, true, 'there is more');
SELECT is(cardinality((api.project_log(pg_temp.acc('dongshan'), 'zh', :'a', :gap, 2)).rows), 1, 'after a revision');
SELECT is((api.project_log(pg_temp.acc('dongshan'), 'zh', 'none', NULL, 2)).error.code, 'NOT_FOUND', 'none');
SELECT is((api.project_log(pg_temp.acc('sysadmin'), 'zh', :'a', NULL, 2)).error.code, 'PERMISSION_DENIED', 'not for officers');
SELECT * FROM finish();
