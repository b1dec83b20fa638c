-- SPDX-License-Identifier: Apache-2.0
-- Roles, what they come to, and who may see what: the rules themselves, and the database's own roles by the catalogue.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.give(who text, role text, office text DEFAULT NULL, from_on date DEFAULT NULL, until_on date DEFAULT NULL,
    deputy_of text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    INSERT INTO registry.membership (account, role, office, from_on, until_on, deputy_of)
    VALUES (pg_temp.acc(who), role, office, from_on, until_on, pg_temp.acc(deputy_of)) RETURNING id $$;
CREATE FUNCTION pg_temp.take(p_id text) RETURNS void LANGUAGE sql AS $$ UPDATE registry.membership SET ended_at = now() WHERE id = p_id $$;
CREATE FUNCTION pg_temp.rights(who text) RETURNS text[] LANGUAGE sql AS $$ SELECT a.rights FROM registry.account a WHERE a.code = who $$;
CREATE FUNCTION pg_temp.grants(who text) RETURNS int[] LANGUAGE sql AS $$ SELECT a.grants FROM registry.account a WHERE a.code = who $$;
CREATE FUNCTION pg_temp.token(p_right text, p_office text) RETURNS int LANGUAGE sql AS $$ SELECT registry.own_token(p_right, p_office) $$;
CREATE FUNCTION pg_temp.again(who text, request text, set jsonb) RETURNS api.project_reply LANGUAGE sql AS $$
    SELECT api.project_add(pg_temp.acc(who), 'en', request, '\x00', set, NULL) $$;
SELECT no_plan();
INSERT INTO registry.account (code, name, office) VALUES ('gui', '癸', 'fagai'), ('ren', '壬', 'fagai'), ('xin', '辛', 'dongshan') \g /dev/null

-- ---------------------------------------------------------------- what roles come to
SELECT is(pg_temp.rights('gui'), '{}', 'an account without a role may nothing');
SELECT is(pg_temp.grants('gui'), '{}', 'and sees nothing');
SELECT pg_temp.give('gui', 'viewer', 'chengguan') AS viewer \gset
SELECT is(pg_temp.rights('gui'), '{read@*,restricted@chengguan}', 'a viewer reads, and the secrets of his office');
SELECT is(pg_temp.grants('gui'), ARRAY[1, pg_temp.token('restricted', 'chengguan')], 'sees that, and no contacts');
SELECT pg_temp.give('gui', 'clerk', 'dongshan') AS clerk \gset
SELECT ok(registry.may(pg_temp.acc('gui'), 'write', 'dongshan') AND NOT registry.may(pg_temp.acc('gui'), 'write', 'chengguan'),
    'roles of two offices: each its own');
SELECT pg_temp.take(:'clerk'), pg_temp.take(:'viewer') \g /dev/null
SELECT is(pg_temp.rights('gui'), '{}', 'ended: nothing is left');
SELECT throws_ok(format('UPDATE registry.membership SET until_on = %L WHERE id = %L', '2099-01-01', :'viewer'), '42501', NULL, 'nothing of it comes back');
SELECT throws_ok(format('UPDATE registry.membership SET ended_at = NULL WHERE id = %L', :'viewer'), '42501', NULL, 'nor by undoing its end');
SELECT pg_temp.give('gui', 'approver', 'bureau') AS at_bureau \gset
SELECT is(pg_temp.rights('gui'), '{approve@*,contact@*,read@*,restricted@*}', 'a role in an office of the bureau reaches everywhere');
SELECT is(pg_temp.grants('gui'), '{1,2,3}', 'and so do its tokens');
SELECT pg_temp.take(:'at_bureau') \g /dev/null
-- officers
SELECT pg_temp.give('ren', 'secadmin') AS secadmin \gset
SELECT is(pg_temp.grants('ren'), '{4}', 'an officer sees officers'' records only');
SELECT throws_ok($$ SELECT pg_temp.give('ren', r.code, CASE r.held WHEN 'office' THEN 'fagai' END) FROM registry.role r WHERE r.code = 'sysadmin' $$, '23514', NULL, 'nobody holds two');
SELECT throws_ok($$ SELECT pg_temp.give('ren', 'viewer', 'fagai') $$, '23514', NULL, 'nor a role beside it');
SELECT throws_ok($$ SELECT pg_temp.give('ren', 'viewer', 'fagai', registry.today() + 30) $$, '23514', NULL, 'not even one that begins later');
SELECT throws_ok($$ SELECT pg_temp.give('robot', 'auditor') $$, '23514', NULL, 'a program is no officer');
SELECT is((api.role_grant(pg_temp.acc('ren'), 'en', pg_temp.req(), '\x00', 'ren', 'leader', NULL, NULL, NULL, NULL, NULL)).error.code,
    'PERMISSION_DENIED', 'nobody gives himself anything');
SELECT is((api.role_grant(pg_temp.acc('ren'), 'en', pg_temp.req(), '\x00', 'xin', 'clerk', 'dongshan', '2020-01-01', '2020-12-31', NULL, NULL)).error.field,
    'until_on', 'nor a time that is over to anybody');
SELECT is((api.role_end(pg_temp.acc('ren'), 'en', pg_temp.req(), '\x00', :'secadmin', NULL)).error.code, 'PERMISSION_DENIED', 'nor ends his own');
-- deputies
SELECT pg_temp.give('gui', 'clerk', 'chengguan', NULL, registry.today(), 'chengguan') AS deputy \gset
SELECT ok(registry.may(pg_temp.acc('gui'), 'write', 'chengguan'), 'a deputy on his last day');
SELECT throws_ok($$ SELECT pg_temp.give('xin', 'clerk', 'chengguan', NULL, registry.today(), 'gui') $$, '23514', NULL, 'a deputy has no deputy');
SELECT throws_ok($$ SELECT pg_temp.give('xin', 'clerk', 'chengguan', NULL, NULL, 'chengguan') $$, '23514', NULL, 'nor is he one for ever');
UPDATE registry.account SET enabled = false WHERE code = 'chengguan';
SELECT is(pg_temp.rights('gui'), '{}', 'whom he stands for is disabled: so are both');
UPDATE registry.account SET enabled = true WHERE code = 'chengguan';
SELECT ok(registry.may(pg_temp.acc('gui'), 'write', 'chengguan'), 'and back with him');
-- the day of the county, not of Greenwich
SELECT value AS zone FROM registry.setting WHERE key = 'county.timezone' \gset
SELECT registry.set_clock_offset((((now() AT TIME ZONE :'zone')::date + 1 + time '00:00:01') AT TIME ZONE :'zone') - now()) \g /dev/null
SELECT ok(registry.rights_due(), 'a second past the county''s midnight the day has turned');
SELECT (api.rights_turn()).turned >= 1 AS turned \gset
SELECT is(pg_temp.rights('gui'), '{}', 'and the deputy''s time is over');
SELECT is((api.rights_turn()).turned, 0, 'once');
SELECT registry.set_clock_offset('0') \g /dev/null
SELECT (api.rights_turn()).turned \g /dev/null
SELECT pg_temp.take(:'deputy') \g /dev/null
-- a right that is taken from a role, an office that becomes another
BEGIN;
DELETE FROM registry.role_right WHERE role = 'clerk' AND "right" = 'contact';
SELECT ok(NOT registry.may(pg_temp.acc('dongshan'), 'contact', 'dongshan'), 'the table of rights counts at once, for everybody');
ROLLBACK;
BEGIN;
UPDATE registry.office SET kind = 'bureau' WHERE code = 'dongshan';
SELECT ok(registry.may(pg_temp.acc('dongshan'), 'write', 'chengguan'), 'an office that becomes the bureau reaches everywhere');
ROLLBACK;
BEGIN;
DELETE FROM registry.role_right;
SELECT is_empty($$ SELECT code FROM registry.account WHERE rights <> '{}' OR grants <> '{}' $$, 'an empty table of rights: nobody may anything');
SELECT is((api.project_show(pg_temp.acc('bureau'), 'en', 'p0')).error.code, 'PERMISSION_DENIED', 'and is told so');
ROLLBACK;
SELECT is((api.sign_in('qipan:person:nobody', 'test')).account, NULL, 'a certificate of no account');
UPDATE registry.account SET enabled = false WHERE code = 'sensor';
SELECT is((api.sign_in('qipan:machine:sensor', 'test')).account, NULL, 'or of one that is disabled: the same answer');
UPDATE registry.account SET enabled = true WHERE code = 'sensor';

-- ---------------------------------------------------------------- what isn't one's to know, by the way round
SELECT (pg_temp.again('chengguan', 'r13-a', '{"name":"权一","contact_name":"张三","contact_phone":"111"}')).project.id AS a \gset
SELECT (pg_temp.add('chengguan', '{"name":"权密","restricted":true,"summary":"密","source":"权","external_id":"7","contact_phone":"222"}')).project.id AS s \gset
SELECT (pg_temp.edit('bureau', NULL, :'a', '{"office":"dongshan"}')).error, (pg_temp.edit('dongshan', NULL, :'a', '{"contact_phone":"13900000000"}')).error \g /dev/null
SELECT is(((pg_temp.again('chengguan', 'r13-a', '{"name":"权一","contact_name":"张三","contact_phone":"111"}')).project).contact_phone, NULL,
    'an old request of the old owner doesn''t show the new owner''s contact');
SELECT is(((api.project_show(pg_temp.acc('dongshan'), 'en', :'a')).project).contact_phone, '13900000000', 'whose it is sees it');
-- clashes about contacts are told, not written down
SELECT (pg_temp.edit('bureau', NULL, :'a', '{"contact_phone":"13911112222"}')).project.version - 1 AS base \gset
SELECT api.project_edit(pg_temp.acc('dongshan'), 'en', 'r13-c', '\x00', :base, :'a', '{"contact_phone":"13933334444","jobs":7}', NULL, NULL, NULL) AS clash \gset
SELECT is((:'clash'::api.project_reply).error.theirs, '13911112222', 'a clash about a contact tells the owner');
SELECT ok(NOT EXISTS (SELECT FROM registry.entry e WHERE e::text ~ '139(00000000|11112222|33334444)'), 'the entry keeps none');
SELECT ok(NOT EXISTS (SELECT FROM registry.change c WHERE c::text ~ '139(00000000|11112222|33334444)'), 'nor a change');
SELECT ok(NOT EXISTS (SELECT FROM registry.audit c WHERE c::text ~ '139(00000000|11112222|33334444)'), 'nor the audit');
-- receipts of requests
SELECT (api.due_set(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', NULL, NULL,
    jsonb_build_object('project', :'s', 'text', '密会', 'due_at', 4000000000000000), NULL, NULL)).due.id AS d \gset
SELECT (api.due_set(pg_temp.acc('dongshan'), 'en', 'r13-d', '\x00', NULL, :'d', '{"text":"x"}', NULL, NULL)).error.code,
    (api.due_set(pg_temp.acc('dongshan'), 'en', 'r13-n', '\x00', NULL, 'd00000000000000', '{"text":"x"}', NULL, NULL)).error.code AS none \gset
SELECT is(:'code'::text, :'none', 'a deadline of a secret is not there');
SELECT row_eq(format('SELECT (r).status, (r).object FROM (SELECT api.receipt_show(%s, ''en'', ''r13-d'') AS r) x', pg_temp.acc('dongshan')),
    ROW('NOT_FOUND'::text, NULL::text), 'nor is it by the receipt of the request');
SELECT is((SELECT object FROM registry.entry WHERE request = 'r13-d'), :'d'::text, 'though the entry knows');
SELECT (api.account_edit(pg_temp.acc('dongshan'), 'en', 'r13-e', '\x00', 'leader', 'x', NULL, NULL, NULL)).error.code \g /dev/null
SELECT is((api.receipt_show(pg_temp.acc('dongshan'), 'en', 'r13-e')).object, NULL, 'nor whether there is an account');
-- a receipt for what belongs to a secret is as secret
SELECT max(t.rev) AS rev FROM registry.txn t JOIN registry.change c USING (grp) WHERE c.object = :'d' \gset
SELECT is((api.receipt_sign(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', :rev, :'d')).error.code,
    (api.receipt_sign(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', :rev, 'd00000000000000')).error.code, 'whoever may not see a deadline can''t sign it');
SELECT (api.receipt_sign(pg_temp.acc('chengguan'), 'en', 'r13-s', '\x00', :rev, :'d')).receipt.id AS r \gset
SELECT is((SELECT audience FROM registry.change WHERE object = :'r'), (SELECT audience FROM registry.project WHERE id = :'s'), 'whoever signs it tells nobody else');
SELECT is(registry.audience_of(:'r'), registry.audience_of(:'s'), 'audiences go through');
SELECT (pg_temp.edit('bureau', NULL, :'s', '{"office":"dongshan"}')).error \g /dev/null
SELECT is((api.receipt_sign(pg_temp.acc('chengguan'), 'en', 'r13-s', '\x00', :rev, :'d')).receipt, NULL, 'and not himself any more, once it is another''s');
SELECT (pg_temp.edit('bureau', NULL, :'s', '{"office":"chengguan"}')).error \g /dev/null
-- officers' answers again
SELECT (api.role_grant(pg_temp.acc('ren'), 'en', 'r13-g', '\x00', 'gui', 'viewer', 'fagai', NULL, NULL, NULL, NULL)).role.id AS granted \gset
SELECT pg_temp.take(:'secadmin') \g /dev/null
SELECT is((api.role_grant(pg_temp.acc('ren'), 'en', 'r13-g', '\x00', 'gui', 'viewer', 'fagai', NULL, NULL, NULL, NULL)).role, NULL,
    'who is no officer any more isn''t told by repeating himself');
SELECT pg_temp.take(:'granted') \g /dev/null
-- snapshots
SELECT max(rev) AS since FROM registry.txn \gset
SELECT (pg_temp.edit('chengguan', NULL, :'s', '{"jobs":3}')).error \g /dev/null
SELECT row_eq(format($$ SELECT x.version, x.rev, x.actor, x.at, x.view FROM (SELECT api.snapshot_page(%s, 'en', NULL, NULL, %s, ARRAY[%L], 10) AS r) y,
    unnest((r).rows) x WHERE x.object = %2$L OR x.object = %3$L $$, pg_temp.acc('dongshan'), :since, :'s'),
    ROW(NULL::bigint, NULL::bigint, NULL::text, NULL::timestamptz, 'leave'::text), 'asked for a secret: no more than for what never was');
-- the log says why to those who may see it
SELECT (pg_temp.edit('dongshan', NULL, :'a', '{"restricted":true}', NULL, '谈判对手')).error, (pg_temp.edit('dongshan', NULL, :'a', '{"restricted":false}')).error \g /dev/null
SELECT is((SELECT array_agg(x.view || coalesce(x.reason, '') ORDER BY x.version) FROM api.project_log(pg_temp.acc('chengguan'), 'en', :'a', NULL, 500) r, unnest(r.rows) x
           WHERE x.version >= (SELECT max(c.version) - 1 FROM registry.change c WHERE c.object = :'a')), '{leave,enter}', 'not why it was hidden');
SELECT ok('update谈判对手' = ANY (ARRAY(SELECT x.view || coalesce(x.reason, '') FROM api.project_log(pg_temp.acc('dongshan'), 'en', :'a', NULL, 500) r, unnest(r.rows) x)), 'who sees on, does');
-- imports
SELECT (api.import_open(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', sha256('r13'), 'r.csv', '权', NULL, NULL, NULL, 4)).id AS i \gset
SELECT (api.import_put(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', :'i', 0, jsonb_build_array(
    jsonb_build_object('row', 1, 'set', jsonb_build_object('id', :'s', 'name', '权密', 'jobs', 1)),
    jsonb_build_object('row', 2, 'set', jsonb_build_object('id', 'p00000000000000', 'name', '权无', 'jobs', 1)),
    jsonb_build_object('row', 3, 'set', jsonb_build_object('name', '权密', 'jobs', 1)),
    jsonb_build_object('row', 4, 'set', jsonb_build_object('name', '权四', 'source', '权', 'external_id', '7', 'jobs', 1))))).error \g /dev/null
SELECT (api.import_judge(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', :'i')).error \g /dev/null
SELECT api.import_verdicts(pg_temp.acc('dongshan'), 'en', :'i', NULL, NULL, NULL) AS verdicts \gset
SELECT is((SELECT array_agg(v.verdict || ' ' || v.code || coalesce(' ' || v.project, '') ORDER BY v.row) FROM unnest((:'verdicts'::api.import_verdicts_reply).rows) v),
    '{rejected NOT_FOUND,rejected NOT_FOUND,duplicate ALREADY_EXISTS,rejected PERMISSION_DENIED}', 'a sheet finds no secret, and no id of one');
SELECT is((SELECT replace(v.message, :'s', '?') FROM unnest((:'verdicts'::api.import_verdicts_reply).rows) v WHERE v.row = 1),
    (SELECT replace(v.message, 'p00000000000000', '?') FROM unnest((:'verdicts'::api.import_verdicts_reply).rows) v WHERE v.row = 2), 'in the same words');
-- positions inside a revision that changes one's rights
BEGIN;
SELECT (pg_temp.add('bureau', '{"name":"权内一"}')).error \g /dev/null
SELECT pg_temp.give('dongshan', 'viewer', 'chengguan') AS inside \gset
COMMIT;
SELECT t.rev, t.tag, t.epoch FROM registry.txn t ORDER BY t.rev DESC LIMIT 1 \gset
SELECT is((api.journal_seek(pg_temp.acc('dongshan'), 'en', :epoch, :rev, :tag, NULL, NULL, 0, false)).answer, 'RIGHTS_CHANGED', 'inside the revision that gave a right');
SELECT is((api.journal_seek(pg_temp.acc('dongshan'), 'en', :epoch, :rev, :tag, NULL, NULL, NULL, false)).answer, 'OK', 'and behind it');
SELECT pg_temp.take(:'inside') \g /dev/null

-- ---------------------------------------------------------------- the database's own roles
SELECT is_empty($$ SELECT rolname FROM pg_roles WHERE rolname ~ '^qipan' AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication) $$,
    'no role of ours stands above the rules');
SELECT is_empty($$ SELECT r.rolname, m.rolname FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
    WHERE m.rolname IN ('qipan_daemon', 'qipan_reader') $$, 'daemon and reader are members of nothing');
SELECT is_empty($$ SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND has_schema_privilege('qipan_daemon', n.oid, 'USAGE')
      AND has_function_privilege('qipan_daemon', p.oid, 'EXECUTE') AND n.nspname NOT IN ('api', 'public') AND n.nspname !~ '^pg_' $$, 'the daemon executes api.* and nothing else');
SELECT is_empty($$ SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname IN ('api', 'registry', 'crypto') AND has_schema_privilege('qipan_reader', n.oid, 'USAGE')
      AND has_function_privilege('qipan_reader', p.oid, 'EXECUTE') $$, 'the reader executes nothing');
SELECT is_empty($$ SELECT r.name, n.nspname FROM (VALUES ('qipan_daemon'), ('qipan_reader')) r(name), pg_namespace n
    WHERE n.nspname !~ '^pg_(toast_)?temp' AND has_schema_privilege(r.name, n.oid, 'CREATE') $$, 'neither makes anything in any schema');
SELECT ok(NOT has_database_privilege(r, current_database(), 'TEMPORARY') AND NOT has_database_privilege(r, current_database(), 'CREATE'), r || ' makes no temporary table, no schema')
FROM unnest(ARRAY['qipan_daemon', 'qipan_reader']) r;
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('registry', 'api', 'crypto') AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
      AND has_any_column_privilege('qipan_daemon', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES') $$, 'the daemon touches no table');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'registry' AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
      AND (has_any_column_privilege('qipan_reader', c.oid, 'INSERT, UPDATE, REFERENCES') OR has_table_privilege('qipan_reader', c.oid, 'DELETE, TRUNCATE, TRIGGER')) $$,
    'the reader writes nothing');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'registry'::regnamespace AND c.relkind = 'v'
    AND NOT coalesce(c.reloptions @> '{security_invoker=true}', false) $$, 'views ask as their reader');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'registry'::regnamespace AND c.relkind = 'r'
    AND has_any_column_privilege('qipan_reader', c.oid, 'SELECT') AND NOT c.relrowsecurity
    AND c.relname <> ALL ('{office,code,rule_set,stage,transition}') $$, 'what the reader reads of the county''s business has row security');
SELECT is_empty($$ SELECT rolname FROM pg_roles r JOIN pg_db_role_setting s ON s.setrole = r.oid WHERE rolname ~ '^qipan' $$, 'no role has settings of its own');
SELECT (pg_temp.add('chengguan', '{"name":"权密二","restricted":true,"contact_phone":"13955556666"}')).project.id AS s2 \gset
SET ROLE qipan_reader;
SELECT is_empty(format('SELECT id FROM registry.project WHERE id IN (%L, %L) UNION ALL SELECT id FROM registry.project_report WHERE id IN (%1$L, %2$L)
    UNION ALL SELECT object FROM registry.change WHERE object IN (%1$L, %2$L) UNION ALL SELECT project FROM registry.stage_event WHERE project IN (%1$L, %2$L)', :'s', :'s2'),
    'the reader finds no secret');
SELECT is_empty($$ SELECT 1 FROM registry.change WHERE kind NOT IN ('project', 'enterprise') OR fields::text ~ '谈判对手|139(0000|1111|3333|5555)' $$, 'nor accounts, deadlines, receipts or contacts in the journal');
RESET ROLE;
SELECT set_eq($$ SELECT id FROM registry.project WHERE audience && registry.grants(pg_temp.acc('sensor')) AND audience = '{1}' $$,
    $$ SELECT x.id FROM registry.project x WHERE x.audience = '{1}' $$, 'what it finds is what any reader may see');
SELECT * FROM finish();
SELECT pg_temp.take(m.id) FROM registry.membership m JOIN registry.account a ON a.id = m.account WHERE a.code IN ('gui', 'ren', 'xin') AND m.ended_at IS NULL \g /dev/null
