-- SPDX-License-Identifier: Apache-2.0
-- Evidence: declared, sent in chunks, checked, read, withdrawn.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.open(who text, set jsonb, request text DEFAULT pg_temp.req()) RETURNS api.evidence_chunk_reply LANGUAGE sql AS $$
    SELECT api.evidence_open(pg_temp.acc(who), 'en', request, '\x00', set, NULL) $$;
CREATE FUNCTION pg_temp.file(project text, data bytea, media text, name text DEFAULT '合同.pdf') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('project', project, 'name', name, 'media', media, 'size', length(data), 'sha256', encode(sha256(data), 'hex')) $$;
CREATE FUNCTION pg_temp.put(who text, id text, chunk int, data bytea) RETURNS api.evidence_chunk_reply LANGUAGE sql AS $$
    SELECT api.evidence_put(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', id, chunk, data) $$;
CREATE FUNCTION pg_temp.close(who text, id text, request text DEFAULT pg_temp.req()) RETURNS api.evidence_reply LANGUAGE sql AS $$
    SELECT api.evidence_close(pg_temp.acc(who), 'en', request, '\x00', id) $$;
CREATE FUNCTION pg_temp.get(who text, id text, chunk int) RETURNS api.evidence_get_reply LANGUAGE sql AS $$
    SELECT api.evidence_get(pg_temp.acc(who), 'en', id, chunk) $$;
CREATE FUNCTION pg_temp.said(e api.error) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', e.code, e.field) $$;
CREATE FUNCTION pg_temp.parts(data bytea) RETURNS TABLE (n int, part bytea) LANGUAGE sql AS $$
    SELECT g, substr(data, g * 49152 + 1, 49152) FROM generate_series(0, (length(data) - 1) / 49152) g $$;
-- A whole upload; the last answer.
CREATE FUNCTION pg_temp.upload(who text, set jsonb, data bytea) RETURNS api.evidence_reply LANGUAGE plpgsql AS $$
DECLARE
    o api.evidence_chunk_reply := pg_temp.open(who, set);
    r api.evidence_reply;
BEGIN
    r.error := o.error;
    IF (o.error).code IS NULL THEN
        PERFORM pg_temp.put(who, (o.evidence).id, p.n, p.part) FROM pg_temp.parts(data) p;
        r := pg_temp.close(who, (o.evidence).id);
    END IF;
    RETURN r;
END $$;
SELECT plan(66);
SELECT (pg_temp.add('chengguan', '{"name":"佐证一"}')).project.id AS p \gset
SELECT (pg_temp.add('dongshan', '{"name":"佐证二","restricted":true}')).project.id AS hidden \gset
SELECT no AS p_no FROM registry.project WHERE id = :'p' \gset
SELECT '%PDF-1.7' || repeat('x', 120000) AS text \gset
SELECT convert_to(:'text', 'UTF8') AS pdf \gset

-- opened, sent, closed
SELECT pg_temp.open('chengguan', pg_temp.file(:'p_no', :'pdf', 'PDF'), 'ev-1') AS o \gset
SELECT ((:'o'::api.evidence_chunk_reply).evidence).id AS e \gset
SELECT row_eq(format('SELECT (x.o).error, (x.o).next_chunk, (x.o).rev, (y.e).project, (y.e).no, (y.e).of, (y.e).office, (y.e).media, (y.e).state, (y.e).actor FROM (SELECT %L::api.evidence_chunk_reply AS o) x, LATERAL (SELECT (x.o).evidence AS e) y', :'o'),
    ROW(NULL::api.error, 0, 0::bigint, :'p'::text, :'p_no'::text, :'p'::text, 'chengguan'::text, 'pdf'::text, 'uploading'::text, 'chengguan'::text), 'a file is declared');
SELECT matches(:'e'::text, '^ev[0-9a-f]{15}$', 'its id');
SELECT row_eq('SELECT (r).replayed, ((r).evidence).id FROM (SELECT pg_temp.open(''chengguan'', ''{}'', ''ev-1'') AS r OFFSET 0) x', ROW(true, :'e'::text), 'the same request: the same answer');
SELECT is(pg_temp.said((pg_temp.put('chengguan', :'e', 1, '\x00')).error), 'FAILED_PRECONDITION chunk', 'not before the first chunk');
SELECT matches((pg_temp.put('chengguan', :'e', 1, '\x00')).error.message, 'chunk 0 is expected', 'and says which');
SELECT is(pg_temp.said((pg_temp.put('chengguan', :'e', 0, '\x00')).error), 'INVALID_ARGUMENT data', 'a chunk that is too short');
SELECT is(pg_temp.said((pg_temp.put('chengguan', :'e', 3, '\x00')).error), 'INVALID_ARGUMENT chunk', 'more chunks than there are');
SELECT is(pg_temp.said((pg_temp.put('chengguan', :'e', -1, '\x00')).error), 'INVALID_ARGUMENT chunk', 'fewer than none');
SELECT is(pg_temp.said((pg_temp.put('bureau', :'e', 0, substr(:'pdf'::bytea, 1, 49152))).error), 'PERMISSION_DENIED', 'another can''t go on with it');
SELECT is((pg_temp.put('chengguan', :'e', 0, substr(:'pdf'::bytea, 1, 49152))).next_chunk, 1, 'the first chunk');
SELECT is((pg_temp.put('chengguan', :'e', 0, substr(:'pdf'::bytea, 1, 49152))).next_chunk, 1, 'and again: no harm');
SELECT is(pg_temp.said((pg_temp.close('chengguan', :'e')).error), 'INVALID_ARGUMENT size', 'not whole yet');
SELECT is(pg_temp.said((pg_temp.get('chengguan', :'e', 0)).error), 'FAILED_PRECONDITION state', 'nobody reads half a file');
SELECT row_eq('SELECT (r).next_chunk, ((r).evidence).id, (r).rev FROM (SELECT pg_temp.open(''chengguan'', pg_temp.file($$' || :'p' || '$$, $$' || :'pdf' || '$$, ''pdf'')) AS r OFFSET 0) x',
    ROW(1, :'e'::text, NULL::bigint), 'broken off: goes on where it was');
SELECT is((pg_temp.put('chengguan', :'e', p.n, p.part)).next_chunk, p.n + 1, 'chunk ' || p.n) FROM pg_temp.parts(:'pdf') p WHERE p.n > 0;
SELECT is((pg_temp.close('chengguan', :'e', 'ev-2')).evidence.state, 'ready', 'whole');
SELECT is((pg_temp.close('chengguan', :'e', 'ev-2')).replayed, true, 'closed once');
SELECT is((SELECT count(*) FROM registry.upload u WHERE u.evidence = :'e'), 0::bigint, 'nothing left on its way');
SELECT is((SELECT string_agg(c.fields #>> '{7,1}', ' ' ORDER BY c.version) FROM registry.change c WHERE c.object = :'e'), 'uploading ready', 'both in the journal');
SELECT is(registry.event_type('evidence', 2, (SELECT c.fields FROM registry.change c WHERE c.object = :'e' AND c.version = 2)), 'evidence.ready', 'and what the event is called');
SELECT matches((pg_temp.close('chengguan', :'e')).error.message, 'it is ready \(by 乙 on ', 'closed twice: by whom and when');
-- read
SELECT is((SELECT string_agg((pg_temp.get('dongshan', :'e', n)).data, '' ORDER BY n) FROM generate_series(0, 2) n), :'pdf'::bytea, 'the same bytes');
SELECT is((pg_temp.get('dongshan', :'e', 2)).chunks, 3, 'how many chunks there are');
SELECT is(pg_temp.said((pg_temp.get('dongshan', :'e', 3)).error), 'INVALID_ARGUMENT chunk', 'and no more');
SELECT is((SELECT count(*) FROM registry.audit a WHERE a.op = 'evidence_get' AND a.object = :'e' AND a.status = 'OK'), 1::bigint, 'the download has one row in the audit');
SELECT is(pg_temp.said((pg_temp.get('sysadmin', :'e', 0)).error), 'PERMISSION_DENIED', 'not for who may not read');
-- once for each hash
SELECT row_eq('SELECT ((r).evidence).id, ((r).evidence).state, (r).rev FROM (SELECT pg_temp.open(''bureau'', pg_temp.file($$' || :'p' || '$$, $$' || :'pdf' || '$$, ''pdf'', ''副本.pdf'')) AS r OFFSET 0) x',
    ROW(:'e'::text, 'ready'::text, NULL::bigint), 'the same file for the same thing: it is there');
SELECT is((pg_temp.upload('bureau', pg_temp.file(:'p', :'pdf', 'pdf') || '{"stage":"signed"}', :'pdf')).evidence.state, 'ready', 'for another');
SELECT is((SELECT count(*) FROM registry.blob b WHERE b.sha256 = encode(sha256(:'pdf'), 'hex')), 3::bigint, 'its bytes are kept once');
-- who may
SELECT is(pg_temp.said((pg_temp.open(w, pg_temp.file(p, '\x25504446', 'pdf'))).error), want, why) FROM (VALUES
    ('dongshan', :'p', 'PERMISSION_DENIED project', 'another office''s project'),
    ('leader', :'p', 'PERMISSION_DENIED', 'who may only read'),
    ('chengguan', :'hidden', 'NOT_FOUND project', 'a hidden project'),
    ('chengguan', '2026-9999', 'NOT_FOUND project', 'no project')) v(w, p, want, why);
SELECT (api.activity_set(pg_temp.acc('dongshan'), 'en', pg_temp.req(), '\x00', NULL, NULL, jsonb_build_object('project', :'p', 'class', 'trip', 'held_on', '2026-01'), NULL, NULL, NULL)).activity.id AS act \gset
SELECT row_eq('SELECT ((r).error).code, ((r).evidence).project, ((r).evidence).office, ((r).evidence).of FROM (SELECT pg_temp.upload(''dongshan'', pg_temp.file(NULL, ''abc'', ''txt'') - ''project'' || ''{"of":"' || :'act' || '"}'', ''abc'') AS r OFFSET 0) x',
    ROW(NULL::text, :'p'::text, 'dongshan'::text, :'act'::text), 'whose activity it shows may; the project follows from it');
SELECT is(pg_temp.said((pg_temp.open('chengguan', pg_temp.file(:'p', 'a', 'txt') || jsonb_build_object('of', o))).error), 'INVALID_ARGUMENT of', why) FROM (VALUES
    (:'hidden', 'another project'), (:'e', 'evidence of evidence'), ('zz', 'of nothing'), ('av000000000000000', 'of no activity')) v(o, why);
SELECT (pg_temp.upload('dongshan', pg_temp.file(:'hidden', 'abc', 'txt'), 'abc')).evidence.id AS h \gset
SELECT is(pg_temp.said((pg_temp.get('chengguan', :'h', 0)).error), 'NOT_FOUND id', 'of a hidden project: not there');
SELECT is((pg_temp.get('leader', :'h', 0)).data, 'abc'::bytea, 'a leader reads it');
-- what may be declared
SELECT is(pg_temp.said((pg_temp.open('chengguan', pg_temp.file(:'p', 'abc', 'txt') || s::jsonb)).error), 'INVALID_ARGUMENT ' || f, f || ': ' || s) FROM (VALUES
    ('name', '{"name":"../a.txt"}'), ('name', '{"name":""}'), ('sha256', '{"sha256":"00"}'), ('size', '{"size":0}'), ('size', '{"size":20971521}'),
    ('media', '{"media":"exe"}'), ('state', '{"state":"ready"}')) v(f, s);
UPDATE registry.setting SET value = '300000' WHERE key = 'evidence.project_bytes';
SELECT is(pg_temp.said((pg_temp.open('chengguan', pg_temp.file(:'p', :'pdf'::bytea || 'y', 'pdf', '三.pdf'))).error), 'FAILED_PRECONDITION size', 'not beyond the quota');
UPDATE registry.setting SET value = '2147483648' WHERE key = 'evidence.project_bytes';
UPDATE registry.setting SET value = '0' WHERE key = 'evidence.uploads';
SELECT is(pg_temp.said((pg_temp.open('chengguan', pg_temp.file(:'p', 'abc', 'txt'))).error), 'FAILED_PRECONDITION', 'not too many half way');
UPDATE registry.setting SET value = '16' WHERE key = 'evidence.uploads';
-- what came against what was declared
SELECT is(pg_temp.said((pg_temp.upload('chengguan', pg_temp.file(:'p', 'abc', 'txt', 'x.txt'), 'abd')).error), 'INVALID_ARGUMENT sha256', 'another hash');
SELECT is((pg_temp.open('chengguan', pg_temp.file(:'p', 'abc', 'txt', 'x.txt'))).next_chunk, 0, 'it begins anew');
SELECT is((SELECT string_agg(v.media, ' ' ORDER BY v.n) FROM (VALUES (1, 'pdf', '%PDF-1'::bytea), (2, 'jpeg', '\xffd8ffe0'), (3, 'png', '\x89504e470d0a1a0a00'),
    (4, 'docx', '\x504b0304' || 'word/document.xml'::bytea), (5, 'xlsx', '\x504b0304' || 'xl/workbook.xml'::bytea), (6, 'zip', '\x504b030400'),
    (7, 'doc', '\xd0cf11e0a1b11ae1'::bytea || '\x57006f007200640044006f00630075006d0065006e007400'), (8, 'xls', '\xd0cf11e0a1b11ae1'::bytea || '\x42006f006f006b00'),
    (9, 'ofd', '\x504b0304' || 'OFD.xml'::bytea), (10, 'txt', convert_to('汉字', 'UTF8')), (11, 'csv', convert_to('汉字', 'GB18030'))) v(n, media, data)
    WHERE registry.media_fits(v.media, v.data)), 'pdf jpeg png docx xlsx zip doc xls ofd txt csv', 'each type by its bytes');
SELECT is((SELECT count(*) FROM (VALUES ('pdf', 'PK'::bytea), ('docx', '\x504b030400'), ('jpeg', '\x89504e470d0a1a0a'), ('xls', '\xd0cf11e0a1b11ae1'),
    ('txt', '\x00'), ('txt', '\xff'), ('csv', '\x8130'), ('exe', 'MZ')) v(media, data) WHERE registry.media_fits(v.media, v.data)), 0::bigint, 'and none by others''');
-- withdrawn
SELECT is(pg_temp.said((api.evidence_withdraw(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', NULL, :'e', ' ')).error), 'INVALID_ARGUMENT reason', 'not without a reason');
SELECT is((api.evidence_withdraw(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', NULL, :'e', '传错')).evidence.withdrawal, '传错', 'withdrawn, with its reason');
SELECT is((pg_temp.get('chengguan', :'e', 0)).chunks, 3, 'nothing is deleted');
-- broken off for good
UPDATE registry.setting SET value = '120000' WHERE key = 'evidence.account_bytes';
SELECT (pg_temp.open('chengguan', pg_temp.file(:'p', :'pdf'::bytea || 'a', 'pdf', 'a.pdf'))) AS o \gset
SELECT is(pg_temp.said((:'o'::api.evidence_chunk_reply).error), 'FAILED_PRECONDITION size', 'no more than a quota of unfinished bytes');
UPDATE registry.setting SET value = '1000000' WHERE key = 'evidence.account_bytes';
CREATE TEMP TABLE half AS SELECT n, ((pg_temp.open('chengguan', pg_temp.file(:'p', :'pdf'::bytea || convert_to(n, 'UTF8'), 'pdf', n || '.pdf'))).evidence).id FROM unnest('{old,late,never}'::text[]) n;
SELECT is((pg_temp.put('chengguan', h.id, 0, substr(:'pdf'::bytea, 1, 49152))).next_chunk, 1, h.n || ' is half way') FROM half h WHERE h.n <> 'never';
SELECT registry.set_clock_offset('6 days');
SELECT is((pg_temp.put('chengguan', h.id, 1, substr(:'pdf'::bytea, 49153, 49152))).next_chunk, 2, 'one gets another chunk days later') FROM half h WHERE h.n = 'late';
SELECT registry.set_clock_offset('8 days');
SELECT is((api.clock_run(pg_temp.acc('bureau'), 'zh', pg_temp.req(), '\x00', 20000)).error, NULL::api.error, 'the day''s run');
SELECT is((SELECT string_agg(concat_ws(' ', h.n, x.state, (SELECT count(*) FROM registry.upload u WHERE u.evidence = h.id)), ', ' ORDER BY h.n) FROM half h JOIN registry.evidence x ON x.id = h.id),
    'late uploading 2, never withdrawn 0, old withdrawn 0', 'takes back what was broken off, and its chunks; not what may go on');
SELECT row_eq(format('SELECT e.actor, x.withdrawal, registry.event_type(''evidence'', c.version, c.fields) FROM registry.evidence x JOIN registry.change c ON c.object = x.id AND c.version = x.version JOIN registry.entry e ON e.grp = c.grp AND e.ord = c.ord WHERE x.id = %L', (SELECT h.id FROM half h WHERE h.n = 'old')),
    ROW('registry'::text, '上传中断 7 天,系统撤回'::text, 'evidence.withdrawn'::text), 'by the registry, with its reason, in the feed');
SELECT is(pg_temp.said((pg_temp.put('chengguan', h.id, 1, substr(:'pdf'::bytea, 49153, 49152))).error), 'FAILED_PRECONDITION state', 'that one is over') FROM half h WHERE h.n = 'old';
SELECT is((pg_temp.open('chengguan', pg_temp.file(:'p', :'pdf'::bytea || 'old', 'pdf', 'old.pdf'))).next_chunk, 0, 'the same file can be sent anew');
UPDATE registry.setting SET value = '104857600' WHERE key = 'evidence.account_bytes';
SELECT registry.set_clock_offset('0');
SELECT api.clock_run(pg_temp.acc('bureau'), 'zh', pg_temp.req(), '\x00', 20000) \g /dev/null
SELECT * FROM finish();
