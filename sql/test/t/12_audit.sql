-- SPDX-License-Identifier: Apache-2.0
-- The audit: who leaves a row, rows that only grow, chains, retention, the auditor's view.
\i sql/test/helper.psql
SELECT registry.account_new('auditor', '审', 'fagai', 'auditor') \g /dev/null
CREATE FUNCTION pg_temp.newest() RETURNS bigint LANGUAGE sql AS $$ SELECT coalesce(max(no), 0) FROM registry.audit $$;
CREATE FUNCTION pg_temp.since(p_no bigint) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(concat_ws(' ', op, status, actor), ', ' ORDER BY no), '') FROM registry.audit WHERE no > p_no $$;
CREATE FUNCTION pg_temp.audit(who text, person text DEFAULT NULL, project text DEFAULT NULL, office text DEFAULT NULL,
    since timestamptz DEFAULT NULL, after text DEFAULT NULL, n int DEFAULT 500) RETURNS api.audit_list_reply LANGUAGE sql AS $$
    SELECT api.audit_list(pg_temp.acc(who), 'en', person, project, office, since, NULL, after, n) $$;
SELECT no_plan();

-- rows
SELECT pg_temp.newest() AS n \gset
SELECT (p.project).id AS id FROM pg_temp.add('chengguan', '{"name":"审计样本","contact_name":"张某某","contact_phone":"13800000000"}') p \gset
SELECT is(pg_temp.since(:n), '', 'what has a revision has its entry, and no row beside it');
SELECT is((pg_temp.edit('dongshan', NULL, :'id', '{"summary":"x"}')).error.code, 'PERMISSION_DENIED', 'refused …');
SELECT is(pg_temp.since(:n), 'project_edit PERMISSION_DENIED dongshan', '… with one row');
SELECT ok(a.detail ->> 'entry' = encode(registry.sm3(registry.entry_text(e)), 'hex') AND e.grp IS NULL, 'which vouches for the receipt')
FROM registry.audit a JOIN registry.entry e ON e.account = a.account AND e.request = a.detail ->> 'request' WHERE a.no > :n;
SELECT pg_temp.newest() AS n \gset
SELECT (pg_temp.edit('chengguan', NULL, :'id', '{"summary":"一"}')).rev AS r \gset
SELECT is((pg_temp.edit('chengguan', NULL, :'id', '{"summary":"一"}')).error.code, NULL, 'a change of nothing …');
SELECT is(pg_temp.since(:n), 'project_edit OK chengguan', '… has a row');
SELECT pg_temp.newest() AS n \gset
SELECT api.project_show(pg_temp.acc('chengguan'), 'en', :'id'), api.project_show(pg_temp.acc('dongshan'), 'en', :'id') \g /dev/null
SELECT is(pg_temp.since(:n), 'project_show OK chengguan', 'who is shown a contact has a row, who isn''t has none');
SELECT pg_temp.newest() AS n \gset
SELECT api.project_list(pg_temp.acc('chengguan'), 'en', NULL, '审计样本', NULL, NULL, NULL, NULL),
    api.project_list(pg_temp.acc('dongshan'), 'en', NULL, '审计样本', NULL, NULL, NULL, NULL),
    api.project_list(pg_temp.acc('dongshan'), 'en', NULL, '审计样本', NULL, NULL, NULL, true) \g /dev/null
SELECT is(pg_temp.since(:n), 'project_list OK chengguan, export OK dongshan', 'a list with contacts has one row, an export always');
SELECT is(detail ->> 'contacts', '0', 'with its counts') FROM registry.audit WHERE no > :n AND op = 'export';
SELECT pg_temp.newest() AS n \gset
SELECT api.snapshot_page(pg_temp.acc('bureau'), 'en', jsonb_build_array(jsonb_build_object('field', 'project', 'op', '=', 'values', jsonb_build_array(:'id'))),
    NULL, NULL, NULL, NULL) \g /dev/null
SELECT is(pg_temp.since(:n), 'snapshot_page OK bureau', 'and so has a page of a snapshot');
SELECT pg_temp.newest() AS n \gset
SELECT api.audit_refused(pg_temp.acc('dongshan'), 'project_show', NULL, 'p1', jsonb_populate_record(NULL::api.error, '{"code":"NOT_FOUND","field":"id"}')) \g /dev/null
SELECT is((SELECT concat_ws(' ', op, status, actor, object, detail) FROM registry.audit WHERE no > :n), 'project_show NOT_FOUND dongshan p1 {"field": "id"}',
    'a refusal that nobody kept');
SELECT pg_temp.newest() AS n \gset
SELECT registry.audit_put(NULL, 'sign_in', 'UNAUTHENTICATED', NULL, NULL, '{"peer":"192.0.2.1:99"}'),
    api.audit_doorstep('[{"source":"192.0.2.1","reason":"no certificate","count":12},{"source":"192.0.2.2","reason":"garbage","count":1}]') \g /dev/null
SELECT is((SELECT string_agg(concat_ws(' ', op, peer, detail ->> 'count'), ', ' ORDER BY no) FROM registry.audit WHERE no > :n),
    'sign_in 192.0.2.1:99, doorstep 192.0.2.1 12, doorstep 192.0.2.2 1', 'before anybody is known: who it came from, counted');
SELECT is_empty($$ SELECT no FROM registry.audit WHERE audit::text ~ '张某某|13800000000' $$, 'never a contact');
-- kept refusals outlive contacts
SELECT pg_temp.edit('chengguan', 1, :'id', '{"contact_phone":"13811111111"}') \g /dev/null
SELECT is((pg_temp.edit('bureau', 1, :'id', '{"contact_phone":"13822222222"}')).error.code, 'CONFLICT', 'a clash over a contact');
SELECT is((pg_temp.edit('chengguan', NULL, :'id', '{"contact_phone":"13833333333 13844444444 13855555555 13866666666 13877777777 13888888888"}')).error.code, 'INVALID_ARGUMENT', 'one that won''t do');
SELECT is_empty($$ SELECT request FROM registry.entry WHERE reply::text ~ '138[0-9]{8}' $$, 'are kept without it');

-- only grows
SELECT throws_ok('DELETE FROM registry.audit', '42501', NULL, 'no row goes');
SELECT throws_ok('TRUNCATE registry.audit', '42501', NULL, 'nor all of them');
SELECT throws_ok($$ UPDATE registry.audit SET actor = 'x' $$, '42501', NULL, 'none changes');
SELECT throws_ok($$ UPDATE registry.chain SET link = '' $$, '42501', NULL, 'nor a link');
SELECT throws_ok($$ DELETE FROM registry.audit_closing $$, '42501', NULL, 'nor a closing');

-- what can't be audited doesn't happen
ALTER TABLE registry.audit ADD CONSTRAINT broken CHECK (no < 0) NOT VALID;
SELECT throws_ok(format($$ SELECT api.project_show(pg_temp.acc('chengguan'), 'en', %L) $$, :'id'), '23514', NULL, 'no row, no contact');
SELECT throws_ok(format($$ SELECT pg_temp.edit('dongshan', NULL, %L, '{"summary":"x"}') $$, :'id'), '23514', NULL, 'no row, no answer');
SELECT lives_ok(format($$ SELECT pg_temp.edit('chengguan', NULL, %L, '{"summary":"二"}') $$, :'id'), 'what is in the journal needs none');
ALTER TABLE registry.audit DROP CONSTRAINT broken;

-- chains
SELECT is_empty($$ SELECT rev FROM registry.txn WHERE kind = 'commit' AND digest IS DISTINCT FROM registry.content_digest(grp) $$,
    'every revision has the digest of its contents');
-- numbers that other tests let go; what they wrote in epochs that they took back is far off
SELECT api.journal_fence(g) FROM generate_series(1, (SELECT max(rev) FROM registry.txn WHERE rev < 100000)) g
WHERE NOT EXISTS (SELECT FROM registry.txn t WHERE t.rev = g) \g /dev/null
DO $$ BEGIN
    FOR i IN 1 .. 100 LOOP
        EXIT WHEN NOT (SELECT more FROM api.audit_walk());
    END LOOP;
END $$;
SELECT is((SELECT count(*) FROM registry.chain), (SELECT count(*) FROM registry.txn WHERE rev < 100000), 'every revision has its link');
SELECT is_empty($$ SELECT rev FROM (SELECT c.*, lag(link) OVER (ORDER BY rev) AS before, registry.sm3(registry.txn_text(t)) AS now
    FROM registry.chain c JOIN registry.txn t USING (rev)) x WHERE sum <> now OR link <> registry.link(before, sum) $$, 'each follows from the one before');
SELECT is((SELECT count(*) FROM registry.audit WHERE closing IS NULL), 0::bigint, 'every row is closed');
SELECT is((SELECT sum(rows) FROM registry.audit_closing), (SELECT count(*) FROM registry.audit), 'in one closing each');
SELECT is((SELECT closed FROM api.audit_walk()), NULL, 'the next comes after a minute, if there is anything new');
SELECT is((SELECT bad FROM api.audit_head('k', NULL, NULL)), NULL, 'the newest links hold');
SELECT is((SELECT bad FROM api.audit_head('k', (SELECT max(rev) FROM registry.chain), 'ff')), (SELECT max(rev) FROM registry.chain),
    'a link that a daemon knows otherwise doesn''t');
SELECT api.audit_anchored('k', 7, 'aa'), api.audit_anchored('k', 6, 'bb') \g /dev/null
SELECT is((SELECT n || hash FROM api.audit_head('k', NULL, NULL)), '7aa', 'an anchor isn''t replaced by an older one');

-- retention
SELECT throws_ok($$ UPDATE registry.setting SET value = '6 months' WHERE key = 'audit.retention' $$, '22023', NULL, '190 days at least');
SELECT throws_ok(format($$ SELECT registry.audit_drop_month(%L) $$, to_char(registry.now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM')), '55000', NULL, 'a month is kept as long');
SELECT throws_ok($$ SELECT registry.audit_drop_month('2026-13') $$, '22023', NULL, 'a month is a month');
SELECT count(*) AS rows, to_char(max(c.at) AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') AS month FROM registry.audit a JOIN registry.audit_closing c ON c.id = a.closing \gset
SELECT registry.set_clock_offset('230 days') \g /dev/null
SELECT is(registry.audit_drop_month(:'month'), :rows::bigint, 'then it may go');
SELECT is((SELECT dropped ->> 'rows' FROM registry.audit_closing ORDER BY id DESC LIMIT 1), :'rows', 'and the chain says so');
SELECT registry.set_clock_offset('0') \g /dev/null

-- views
SELECT is((pg_temp.audit('bureau')).error.code, 'PERMISSION_DENIED', 'the audit is for the auditor');
SELECT pg_temp.edit('dongshan', NULL, :'id', '{"summary":"x"}') \g /dev/null
SELECT is((SELECT string_agg(concat_ws(' ', x.op, x.actor, x.status), ', ' ORDER BY x.done_at) FROM pg_temp.audit('auditor', NULL, :'id') r, unnest(r.rows) x),
    'project_add chengguan OK, project_edit chengguan OK, project_edit chengguan OK, project_edit chengguan OK, project_edit dongshan PERMISSION_DENIED',
    'by project: entries and rows in one order');
SELECT is((SELECT count(DISTINCT x.actor) FROM pg_temp.audit('auditor', 'dongshan') r, unnest(r.rows) x), 1::bigint, 'by person');
SELECT ok((SELECT bool_and(x.office = 'chengguan') FROM pg_temp.audit('auditor', NULL, NULL, 'chengguan') r, unnest(r.rows) x), 'by office');
SELECT is((SELECT count(*) FROM pg_temp.audit('auditor', NULL, NULL, NULL, registry.now() + interval '1 day') r, unnest(r.rows)), 0::bigint, 'by time');
SELECT is((pg_temp.audit('auditor', NULL, NULL, 'nowhere')).error.code, 'INVALID_ARGUMENT', 'an office there isn''t');
SELECT is((pg_temp.audit('auditor', NULL, NULL, NULL, NULL, 'rubbish!')).error.field, 'after', 'no page at all');
SELECT ok((SELECT count(*) FROM registry.audit WHERE op = 'audit_list' AND status = 'OK' AND actor = 'auditor') >= 4, 'reading the audit is audited');
CREATE FUNCTION pg_temp.walk(n int) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    r api.audit_list_reply;
    seen text[] := '{}';
BEGIN
    FOR i IN 1 .. 2000 LOOP
        r := pg_temp.audit('auditor', NULL, NULL, 'chengguan', NULL, r.next, n);
        seen := seen || ARRAY(SELECT coalesce(x.no::text, x.rev || x.request) FROM unnest(r.rows) x);
        EXIT WHEN r.next IS NULL;
    END LOOP;
    RETURN seen;
END $$;
SELECT is(cardinality(s), (SELECT count(DISTINCT x)::int FROM unnest(s) x), 'pages hold no row twice') FROM pg_temp.walk(7) s;
SELECT is(pg_temp.walk(7), pg_temp.walk(500), 'nor miss one');
SELECT * FROM finish();
