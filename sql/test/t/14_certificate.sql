-- SPDX-License-Identifier: Apache-2.0
-- Certificates: two people for each identity, nobody for himself; renewing one's own.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.map(who text, identity text, account text) RETURNS api.cert_reply LANGUAGE sql AS $$
    SELECT api.cert_map(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', 'qipan:person:' || who, identity, account, NULL) $$;
CREATE FUNCTION pg_temp.approve(who text, identity text, account text) RETURNS api.cert_reply LANGUAGE sql AS $$
    SELECT api.cert_approve(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', 'qipan:person:' || who, identity, account, NULL) $$;
CREATE FUNCTION pg_temp.unmap(who text, identity text) RETURNS api.cert_reply LANGUAGE sql AS $$
    SELECT api.cert_unmap(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', identity, NULL) $$;
CREATE FUNCTION pg_temp.whose(identity text) RETURNS text LANGUAGE sql AS $$ SELECT name FROM api.sign_in(identity, NULL) $$;
CREATE FUNCTION pg_temp.ask(who text, p_identity text, csr bytea DEFAULT '\x30') RETURNS api.cert_request_reply LANGUAGE sql AS $$
    SELECT api.cert_request(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', p_identity, '0A', csr) $$;
SELECT no_plan();
SELECT registry.account_new('sysmin', '丑', 'bureau', 'sysadmin'), registry.account_new('secmin', '寅', 'bureau', 'secadmin'),
    registry.account_new('audmin', '卯', 'bureau', 'auditor') \g /dev/null
\set new 'qipan:person:newcomer'

-- ---------------------------------------------------------------- two people
SELECT is(((pg_temp.map('sysmin', :'new', 'chengguan')).certificate).state, 'asked', 'the system officer asks');
SELECT is(pg_temp.whose(:'new'), NULL, 'which lets nobody in');
SELECT is((pg_temp.approve('sysmin', :'new', 'chengguan')).error.code, 'PERMISSION_DENIED', 'he cannot approve it');
SELECT is((pg_temp.approve('audmin', :'new', 'chengguan')).error.code, 'PERMISSION_DENIED', 'nor can the auditor');
SELECT is((pg_temp.map('secmin', 'qipan:person:other', 'chengguan')).error.code, 'PERMISSION_DENIED', 'the security officer cannot ask');
SELECT is((pg_temp.approve('secmin', :'new', 'dongshan')).error.code, 'NOT_FOUND', 'for another account than was asked for nothing is approved');
SELECT version AS before FROM registry.account WHERE code = 'chengguan' \gset
SELECT is(((pg_temp.approve('secmin', :'new', 'chengguan')).certificate).state, 'in_force', 'the security officer approves');
SELECT is(pg_temp.whose(:'new'), 'chengguan', 'and it lets in');
SELECT ok(:'new' = ANY (identities) AND version > :before, 'the account changed, which its sessions hear of') FROM registry.account WHERE code = 'chengguan';
SELECT is(asked_by || ' ' || approved_by, 'sysmin secmin', 'both are named') FROM registry.certificate WHERE identity = :'new';
SELECT is((pg_temp.map('sysmin', :'new', 'chengguan')).error.code, 'ALREADY_EXISTS', 'again is not needed');
SELECT is((pg_temp.approve('secmin', :'new', 'chengguan')).error.code, 'NOT_FOUND', 'nor approved twice');
-- another account's: not while it is in force, and the approver sees whose it was
SELECT is(((pg_temp.map('sysmin', :'new', 'dongshan')).error).code, 'FAILED_PRECONDITION', 'what is in force for somebody else is not asked for');
SELECT pg_temp.unmap('secmin', :'new') \g /dev/null
SELECT is(((pg_temp.map('sysmin', :'new', 'dongshan')).certificate).before, 'chengguan', 'ended, it is, with whose it was');
SELECT is(array_agg(r.account || ' ' || r.state || ' ' || r.before), '{"dongshan asked chengguan"}', 'which the list shows')
FROM unnest((api.cert_list(pg_temp.acc('audmin'), 'en', 'NEWCOMER', NULL, NULL, NULL, NULL)).rows) r;
UPDATE registry.certificate SET enabled = true WHERE identity = :'new'; -- by the owner, meanwhile
SELECT is(((pg_temp.approve('secmin', :'new', 'dongshan')).error).code, 'FAILED_PRECONDITION', 'nor approved');
UPDATE registry.certificate SET enabled = false WHERE identity = :'new';
SELECT is(((pg_temp.approve('secmin', :'new', 'dongshan')).certificate).before, 'chengguan', 'and the answer to the approver');
SELECT is(pg_temp.whose(:'new'), 'dongshan', 'approved: it moves');
SELECT ok(NOT :'new' = ANY (identities), 'and the old account has lost it') FROM registry.account WHERE code = 'chengguan';
-- nobody for himself
SELECT is((pg_temp.map('sysmin', 'qipan:person:sysmin', 'dongshan')).error.code, 'PERMISSION_DENIED', 'nobody gives away what he is signed in with');
SELECT pg_temp.map('sysmin', 'qipan:person:secmin', 'dongshan') \g /dev/null
SELECT is((pg_temp.approve('secmin', 'qipan:person:secmin', 'dongshan')).error.code, 'PERMISSION_DENIED', 'nor lets it be given away');
SELECT pg_temp.unmap('sysmin', 'qipan:person:secmin') \g /dev/null
SELECT is((pg_temp.map('sysmin', 'qipan:person:sys2', 'sysmin')).error.code, 'PERMISSION_DENIED', 'nobody asks for his own account');
SELECT pg_temp.map('sysmin', 'qipan:person:sec2', 'secmin') \g /dev/null
SELECT is((pg_temp.approve('secmin', 'qipan:person:sec2', 'secmin')).error.code, 'PERMISSION_DENIED', 'nobody approves his own');
SELECT throws_ok($$ UPDATE registry.certificate SET asked_by = 'x', approved_by = 'x' WHERE identity = 'qipan:person:newcomer' $$, '23514', NULL, 'one person is never both');
UPDATE registry.membership SET ended_at = now() WHERE account = pg_temp.acc('sysmin');
INSERT INTO registry.membership (account, role) VALUES (pg_temp.acc('sysmin'), 'secadmin') \g /dev/null
SELECT is((pg_temp.approve('sysmin', 'qipan:person:sec2', 'secmin')).error.code, 'PERMISSION_DENIED', 'not even after changing offices');
UPDATE registry.membership SET ended_at = now() WHERE account = pg_temp.acc('sysmin') AND ended_at IS NULL;
INSERT INTO registry.membership (account, role) VALUES (pg_temp.acc('sysmin'), 'sysadmin') \g /dev/null
-- form and holder
SELECT is((pg_temp.map('sysmin', i, 'chengguan')).error.code, 'INVALID_ARGUMENT', 'not an identity: ' || i)
FROM unnest('{qipan:person:A,qipan:person:,qipan:person:a.,person:a,qipan:machine:a,"qipan:person:a b",qipan:robot:a}'::text[]) i;
SELECT is((pg_temp.map('sysmin', 'qipan:person:x', 'nobody')).error.code, 'NOT_FOUND', 'of nobody');
-- the end
SELECT is((pg_temp.unmap('chengguan', :'new')).error.code, 'PERMISSION_DENIED', 'others end nothing');
SELECT is(((pg_temp.unmap('secmin', :'new')).certificate).state, 'ended', 'either officer ends it');
SELECT is(pg_temp.whose(:'new'), NULL, 'and it lets nobody in');
SELECT is((pg_temp.unmap('sysmin', :'new')).error.code, 'NOT_FOUND', 'once');
SELECT is(((pg_temp.unmap('sysmin', 'qipan:person:sec2')).certificate).state, 'ended', 'what waits is withdrawn');
SELECT is((pg_temp.unmap('secmin', (SELECT identity FROM registry.certificate WHERE account = pg_temp.acc('secmin') LIMIT 1))).error.code, 'NOT_FOUND', 'nothing to end');
SELECT is((api.cert_list(pg_temp.acc(w), 'en', NULL, NULL, NULL, NULL, NULL)).error.code, 'PERMISSION_DENIED', w || ' sees no list')
FROM unnest('{chengguan,leader}'::text[]) w;
SELECT ok(bool_or(r.state = 'ended' AND r.ended_by = 'secmin'), 'ended ones are shown when asked for')
FROM unnest((api.cert_list(pg_temp.acc('secmin'), 'en', NULL, NULL, true, NULL, NULL)).rows) r;
SELECT ok(cardinality((api.cert_list(pg_temp.acc('secmin'), 'en', NULL, NULL, true, NULL, 1)).rows) = 1
    AND (api.cert_list(pg_temp.acc('secmin'), 'en', NULL, NULL, true, NULL, 1)).next IS NOT NULL, 'in pages');
-- the same request again
SELECT api.cert_map(pg_temp.acc('sysmin'), 'en', 'map-once', '\x00', NULL, 'qipan:person:twice', 'leader', NULL) \g /dev/null
SELECT is((api.cert_map(pg_temp.acc('sysmin'), 'en', 'map-once', '\x00', NULL, 'qipan:person:twice', 'leader', NULL)).replayed, true, 'given again');
SELECT is(((api.cert_map(pg_temp.acc('sysmin'), 'en', 'map-once', '\x00', NULL, 'qipan:person:twice', 'leader', NULL)).certificate).asked_by, 'sysmin', 'with its content');

-- ---------------------------------------------------------------- one's own
SELECT (pg_temp.ask('chengguan', 'qipan:person:chengguan')).id AS one \gset
SELECT (pg_temp.ask('chengguan', 'qipan:person:chengguan')).id AS two \gset
SELECT is((api.cert_fetch(pg_temp.acc('chengguan'), 'en', 'qipan:person:chengguan', :'one')).state, 'replaced', 'one waits for each identity');
SELECT is((api.cert_fetch(pg_temp.acc('chengguan'), 'en', 'qipan:person:chengguan', :'two')).state, 'asked', 'the newest');
SELECT is(serial, '0A', 'with which certificate is kept') FROM registry.certificate_request WHERE id = :'two';
SELECT is((api.cert_fetch(pg_temp.acc('dongshan'), 'en', 'qipan:person:dongshan', :'two')).error.code, 'NOT_FOUND', 'nobody sees another''s');
SELECT is((api.cert_fetch(pg_temp.acc('chengguan'), 'en', 'qipan:person:other', :'two')).error.code, 'NOT_FOUND', 'nor with another certificate');
SELECT is((pg_temp.ask('chengguan', 'qipan:person:dongshan')).error.code, 'PERMISSION_DENIED', 'nor asks for another''s');
SELECT is((pg_temp.ask('chengguan', 'qipan:person:chengguan', c)).error.code, 'INVALID_ARGUMENT', 'too short or too long')
FROM (VALUES ('\x'::bytea), (decode(repeat('00', 4097), 'hex')), (NULL)) v(c);
SELECT ok(registry.certificate_answer(:'two', '-----BEGIN', NULL), 'the authority answers');
SELECT ok(NOT registry.certificate_answer(:'two', '-----BEGIN', NULL), 'once');
SELECT is((api.cert_fetch(pg_temp.acc('chengguan'), 'en', 'qipan:person:chengguan', :'two')).chain, '-----BEGIN', 'and it is fetched');
SELECT (pg_temp.ask('dongshan', 'qipan:person:dongshan')).id AS three \gset
SELECT pg_temp.unmap('secmin', 'qipan:person:dongshan') \g /dev/null
SELECT ok(NOT registry.certificate_answer(:'three', '-----BEGIN', NULL), 'whose identity ended gets no certificate');
SELECT ok(registry.certificate_answer(:'three', NULL, 'it ended'), 'but a refusal');
SELECT finish();
