-- SPDX-License-Identifier: Apache-2.0
-- Receipts: signed once, of what exists; who has and who hasn't.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.sign(who text, rev bigint, object text DEFAULT NULL, request text DEFAULT pg_temp.req(), digest bytea DEFAULT '\x00')
RETURNS api.receipt_reply LANGUAGE sql AS $$ SELECT api.receipt_sign(pg_temp.acc(who), 'zh', request, digest, rev, object) $$;
CREATE FUNCTION pg_temp.list(who text, rev bigint, object text DEFAULT NULL, after text DEFAULT NULL, n int DEFAULT NULL)
RETURNS api.receipt_list_reply LANGUAGE sql AS $$ SELECT api.receipt_list(pg_temp.acc(who), 'zh', rev, object, after, n) $$;
SELECT plan(41);
BEGIN;
SELECT (pg_temp.add('chengguan', '{"name":"签收一"}')).project.id AS a, (pg_temp.add('chengguan', '{"name":"签收二"}')).project.id AS b,
    (api.enterprise_add(pg_temp.acc('dongshan'), 'zh', pg_temp.req(), '\x00', '{"name":"签收企业"}', NULL)).enterprise.id AS f \gset
COMMIT;
SELECT (pg_temp.add('chengguan', '{"name":"签收三"}')).project.id AS c \gset
SELECT max(rev) - 1 AS rev FROM registry.txn \gset
SELECT no AS a_no FROM registry.project WHERE id = :'a' \gset
SELECT count(*) AS before FROM registry.change \gset

SELECT pg_temp.sign('leader', :rev, NULL, 'sign-1') AS first \gset
SELECT row_eq(format('SELECT (r).error, (r).rev, (r).replayed, ((r).receipt).version, ((r).receipt).of_rev, ((r).receipt).project, ((r).receipt).account, ((r).receipt).office FROM (SELECT %L::api.receipt_reply AS r) x', :'first'),
    ROW(NULL::api.error, 0::bigint, NULL::boolean, 1::bigint, :rev::bigint, NULL::text, 'leader'::text, 'bureau'::text), 'a leader signs a revision');
SELECT is((SELECT count(*) FROM registry.change) - :before, 1::bigint, 'one change');
SELECT max(rev) AS signed FROM registry.txn \gset
SELECT row_eq(format($$ SELECT e.type, e.kind, e.object, e.version, e.actor, e.request FROM api.journal_read(%s, 1) j, unnest(j.rows) r, unnest(r.events) e $$, :signed - 1),
    ROW('receipt.signed'::text, 'receipt'::text, (:'first'::api.receipt_reply).receipt.id, 1::bigint, 'leader'::text, 'sign-1'::text), 'an event of the feed');
SELECT is((SELECT array_agg(v.number ORDER BY v.number) FROM api.journal_read(:signed - 1, 1) j, unnest(j.rows) r, unnest(r.events) e, unnest(e.row) v), '{3,5,6,7}', 'with all there is of it');
SELECT is((SELECT v.value FROM api.journal_read(:signed - 1, 1) j, unnest(j.rows) r, unnest(r.events) e, unnest(e.row) v WHERE v.number = 7),
    registry.rfc3339((:'first'::api.receipt_reply).receipt.signed_at), 'times as the protocol writes them');
-- again
SELECT row_eq(format('SELECT (r).rev, (r).replayed, ((r).receipt).id FROM (SELECT pg_temp.sign(''leader'', %s, NULL, ''sign-1'') AS r OFFSET 0) x', :rev),
    ROW(:signed::bigint, true, (:'first'::api.receipt_reply).receipt.id), 'the same request: the same answer');
SELECT is((pg_temp.sign('leader', :rev, NULL, 'sign-1', '\x01')).error.code, 'KEY_REUSED', 'another body');
SELECT row_eq(format('SELECT (r).rev, (r).replayed, (r).receipt FROM (SELECT pg_temp.sign(''leader'', %s) AS r OFFSET 0) x', :rev),
    ROW(NULL::bigint, NULL::boolean, (:'first'::api.receipt_reply).receipt), 'another request: the same receipt, no revision');
SELECT is((SELECT count(*) FROM registry.change) - :before, 1::bigint, 'and no second entry');
SELECT is((SELECT max(rev) FROM registry.txn), :signed::bigint, 'nothing in the feed');
-- a signature that came too late writes nothing, and leaves the next one its place in the group
BEGIN;
SELECT (pg_temp.sign('leader', :rev)).error \g /dev/null
SELECT (pg_temp.sign('bureau', :rev)).error \g /dev/null
COMMIT;
SELECT is((SELECT max(rev) FROM registry.txn), :signed + 1::bigint, 'in a group: only the new one');
SELECT is((SELECT count(*) FROM registry.entry WHERE grp = (SELECT grp FROM registry.txn WHERE rev = :signed + 1)), 1::bigint, 'one entry');
-- objects
SELECT is((pg_temp.sign('dongshan', :rev, :'a_no')).receipt.project, :'a', 'one object, by number');
SELECT is((pg_temp.sign('dongshan', :rev, :'a')).receipt.no, :'a_no', 'or id: the same');
SELECT is((SELECT count(*) FROM registry.receipt WHERE account = 'dongshan'), 1::bigint, 'once');
SELECT is((pg_temp.sign('dongshan', :rev, :'f')).receipt.project, :'f', 'an enterprise');
SELECT is((SELECT image ->> '4' FROM registry.change WHERE kind = 'receipt' ORDER BY grp DESC LIMIT 1), :'f', 'the image has the object, for watches');
SELECT is((SELECT image ->> '8' FROM registry.change WHERE kind = 'receipt' ORDER BY grp DESC OFFSET 1 LIMIT 1), :'a_no', 'and its number');
SELECT is((pg_temp.sign('dongshan', :rev, :'c')).error.code, 'INVALID_ARGUMENT', 'an object that isn''t in the revision');
SELECT is((pg_temp.sign('dongshan', :rev, 'nobody')).error.field, 'object', 'or that doesn''t exist');
-- what can't be signed
SELECT max(rev) AS newest FROM registry.txn \gset
SELECT row_eq(format('SELECT ((r).error).code, ((r).error).rev FROM (SELECT pg_temp.sign(''leader'', %s, NULL, ''early'') AS r OFFSET 0) x', :newest + 1),
    ROW('FUTURE_REVISION'::text, :newest::bigint), 'what hasn''t come yet');
SELECT is((pg_temp.sign('leader', 9223372036854775807)).error.code, 'FUTURE_REVISION', 'far away');
SELECT (pg_temp.edit('bureau', NULL, :'a', '{"jobs":1}')).error \g /dev/null
SELECT is((pg_temp.sign('leader', :newest + 1, NULL, 'early')).error.code, NULL, 'once it has come, the same request will do');
SELECT is((pg_temp.sign('leader', -1)).error.code, 'NOT_FOUND', 'no number');
SELECT is((pg_temp.sign('leader', 0)).error.code, 'NOT_FOUND', 'none');
SELECT is((pg_temp.sign('leader', NULL)).error.code, 'INVALID_ARGUMENT', 'nothing');
SELECT nextval('registry.rev_seq') AS gap \gset
SELECT api.journal_fence(:gap) \g /dev/null
SELECT is((pg_temp.sign('leader', :gap)).error.code, 'NOT_FOUND', 'a tombstone');
SELECT is((pg_temp.sign('sysadmin', :rev)).error.code, 'PERMISSION_DENIED', 'who may not read');
SELECT throws_ok('DELETE FROM registry.receipt', '42501', NULL, 'receipts stay');
SELECT throws_ok('UPDATE registry.receipt SET signed_at = now()', '42501', NULL, 'as they are');
-- who has
SELECT row_eq(format('SELECT (r).signed_count, (r).missing_count, (r).next FROM (SELECT pg_temp.list(''chengguan'', %s) AS r OFFSET 0) x', :rev),
    ROW(2, (SELECT count(*)::int - 2 FROM registry.account a WHERE registry.may(a.id, 'read', NULL)), NULL::text), 'two have signed the whole');
SELECT is((SELECT array_agg(s.account) FROM unnest((pg_temp.list('chengguan', :rev)).rows) s WHERE s.signed_at IS NOT NULL), '{bureau,leader}', 'these');
SELECT is((SELECT array_agg(s.account) FROM unnest((pg_temp.list('chengguan', :rev, :'a_no')).rows) s WHERE s.signed_at IS NOT NULL), '{bureau,dongshan,leader}', 'three the object in it');
SELECT is((SELECT array_agg(s.account) FROM unnest((pg_temp.list('chengguan', :rev, :'b')).rows) s WHERE s.signed_at IS NOT NULL), '{bureau,leader}', 'two the other one');
SELECT is((SELECT s.person || ' ' || s.office FROM unnest((pg_temp.list('chengguan', :rev)).rows) s WHERE s.account = 'dongshan'), '丙 dongshan', 'who hasn''t');
SELECT ok('sysadmin' <> ALL (SELECT s.account FROM unnest((pg_temp.list('chengguan', :rev)).rows) s), 'who may not read needn''t');
SELECT is((SELECT array_agg(s.account) FROM unnest((pg_temp.list('chengguan', :rev, NULL, (pg_temp.list('chengguan', :rev, NULL, NULL, 2)).next, 2)).rows) s), '{dongshan,leader}', 'by pages');
UPDATE registry.account SET enabled = false WHERE code = 'dongshan';
SELECT ok('dongshan' = ANY (SELECT s.account FROM unnest((pg_temp.list('chengguan', :rev, :'a')).rows) s), 'who has signed stays, whatever becomes of him');
UPDATE registry.account SET enabled = true WHERE code = 'dongshan';
SELECT is((pg_temp.list('chengguan', :newest + 100)).error.code, 'FUTURE_REVISION', 'the future has no list');
SELECT is((pg_temp.list('sysadmin', :rev)).error.code, 'PERMISSION_DENIED', 'nor has who may not read');
SELECT is((SELECT (api.snapshot_page(pg_temp.acc('leader'), 'zh', jsonb_build_array(jsonb_build_object('field', 'project', 'values', jsonb_build_array(:'a_no'))), NULL, NULL, NULL, 9)).rows[2].type), 'receipt.signed',
    'a watch of the project sees its receipts');
SELECT * FROM finish();
