-- SPDX-License-Identifier: Apache-2.0
-- Links and the feed: compatibility, reading, pages, fence, seek, the story of a project.
\i sql/test/helper.psql
SELECT plan(32);
SELECT is((SELECT ok FROM api.link_open((SELECT schema_version FROM registry.version))), true, 'this schema');
SELECT matches((SELECT message FROM api.link_open(9999)), 'run sql/migrate', 'a newer daemon is told to migrate');
SELECT matches((SELECT message FROM api.link_open(0)), 'newer daemon', 'an old daemon is told so');
SELECT is((SELECT account FROM api.sign_in('qipan:person:chengguan')), pg_temp.acc('chengguan'), 'sign in');
SELECT is((SELECT account FROM api.sign_in('qipan:person:chenggua')), NULL, 'exact match only');
SELECT is((SELECT account FROM api.sign_in('qipan:person:%')), NULL, 'no patterns');
UPDATE registry.certificate SET enabled = false WHERE identity = 'qipan:machine:sensor';
SELECT is((SELECT account FROM api.sign_in('qipan:machine:sensor')), NULL, 'a certificate that is off');
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
SELECT row_eq(format($$ SELECT r.changes, r.large, r.events FROM api.journal_read(%s, 5) j, unnest(j.rows) r $$, :w),
    ROW(300, true, NULL::api.event[]), 'a large revision comes without events');
SELECT is((SELECT cardinality(rows) FROM api.journal_page(:w + 1, NULL, 1000)), 300, 'but by pages');
SELECT row_eq(format($$ SELECT min(e.idx), max(e.idx), bool_or(e.last) FROM api.journal_page(%s, 199, 100) p, unnest(p.rows) e $$, :w + 1),
    ROW(200, 299, true), 'from an idx');
-- seek
SELECT epoch AS e, rev AS r, tag AS t FROM registry.txn ORDER BY rev DESC LIMIT 1 \gset
CREATE FUNCTION pg_temp.seek(epoch bigint, rev bigint, tag bigint) RETURNS api.journal_seek_reply LANGUAGE sql AS $$
    SELECT api.journal_seek(p_account => pg_temp.acc('chengguan'), p_lang => 'zh', epoch => epoch, rev => rev, tag => tag, terms => NULL) $$;
SELECT is((pg_temp.seek(:e, :r, :t)).answer, 'OK', 'a position that is there');
SELECT is((pg_temp.seek(:e, :r, :t + 1)).answer, 'DIVERGED', 'another tag');
SELECT is((pg_temp.seek(:e, :r + 10, :t)).answer, 'FUTURE_REVISION', 'beyond the end');
SELECT is((pg_temp.seek(:e + 1, :r, :t)).answer, 'DIVERGED', 'another epoch');
SELECT is((pg_temp.seek(:e, 0, NULL)).answer, 'OK', 'from the start');
SELECT row_eq($$ SELECT (x.s).answer, (x.s).rev, (x.s).tag FROM (SELECT pg_temp.seek(NULL, NULL, NULL) AS s) x $$,
    ROW('OK'::text, :r::bigint, :t::bigint), 'the newest');
INSERT INTO registry.setting VALUES ('journal.min_rev', '5');
SELECT is((pg_temp.seek(:e, 2, (SELECT tag FROM registry.txn WHERE rev = 2))).answer, 'COMPACTED', 'older than what is kept');
DELETE FROM registry.setting WHERE key = 'journal.min_rev';
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
