-- SPDX-License-Identifier: Apache-2.0
-- Stages by rule set: what they ask for, when they count, how a mistake is put right.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.approve(who text, id text, stage text DEFAULT NULL, request text DEFAULT pg_temp.req()) RETURNS api.step_reply LANGUAGE sql AS $$
    SELECT api.stage_approve(pg_temp.acc(who), 'en', request, '\x00', NULL, id, stage, NULL) $$;
CREATE FUNCTION pg_temp.reject(who text, id text, stage text, reason text) RETURNS api.step_reply LANGUAGE sql AS $$
    SELECT api.stage_reject(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', NULL, id, stage, reason) $$;
CREATE FUNCTION pg_temp.correct(who text, id text, reason text, request text DEFAULT pg_temp.req()) RETURNS api.project_reply LANGUAGE sql AS $$
    SELECT api.stage_correct(pg_temp.acc(who), 'en', request, '\x00', NULL, id, reason) $$;
CREATE FUNCTION pg_temp.stages(who text, project text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', x.stage, x.state, x.counted_on), ', ' ORDER BY x.project_version)
    FROM unnest((api.stage_list(pg_temp.acc(who), 'en', project, NULL, NULL, NULL, NULL)).rows) x $$;
CREATE FUNCTION pg_temp.file(who text, project text, stage text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    data CONSTANT bytea := convert_to(project || stage, 'UTF8');
    e text;
BEGIN
    e := (api.evidence_open(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', jsonb_build_object('project', project, 'stage', stage, 'name', 'a.txt',
        'media', 'txt', 'size', length(data), 'sha256', encode(sha256(data), 'hex')), NULL)).evidence.id;
    PERFORM api.evidence_put(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', e, 0, data);
    PERFORM api.evidence_close(pg_temp.acc(who), 'en', pg_temp.req(), '\x00', e);
    RETURN e;
END $$;
CREATE FUNCTION pg_temp.said(e api.error) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', e.code, e.field) $$;
SELECT registry.account_new('st.boss', '审', 'chengguan', 'approver') \g /dev/null
SELECT registry.account_new('st.neighbour', '邻', 'dongshan', 'approver') \g /dev/null
SELECT registry.today()::text AS today \gset
SELECT plan(63);

-- recorded, then approved
SELECT (pg_temp.add('chengguan', '{"name":"阶段一","stage":"talks","amount_total":35000000000}')).project.id AS p \gset
SELECT is(pg_temp.said((pg_temp.advance('chengguan', :'p', 'signed', '1989-12-31')).error), 'INVALID_ARGUMENT on', 'not before 1990');
SELECT is((pg_temp.advance('chengguan', :'p', 'signed', '2026-01-05')).project.stage, 'signed', 'a stage is recorded without anybody''s word');
SELECT is(pg_temp.stages('dongshan', :'p'), 'talks recorded, signed pending', 'but it waits');
SELECT is(registry.counted_on(:'p', 'signed'), NULL, 'and doesn''t count');
SELECT is((SELECT registry.event_type(c.kind, c.version, c.fields) || ' ' || (c.image ->> '7') FROM registry.change c JOIN registry.step s ON s.id = c.object WHERE s.project = :'p'), 'step.added pending', 'who approves is told');
SELECT is((SELECT count(DISTINCT (c.grp, c.ord)) FROM registry.change c WHERE c.object IN (:'p', (SELECT s.id FROM registry.step s WHERE s.project = :'p'))), 2::bigint, 'in the entry of the advance');
SELECT is((SELECT string_agg(x.no, ' ') FROM unnest((api.stage_list(pg_temp.acc('bureau'), 'en', NULL, NULL, NULL, NULL, NULL)).rows) x WHERE x.project = :'p'),
    (SELECT no FROM registry.project WHERE id = :'p'), 'among what waits');
SELECT is(pg_temp.said((pg_temp.approve(w, :'p')).error), want, w || why) FROM (VALUES
    ('chengguan', 'PERMISSION_DENIED', ' may not approve'), ('st.neighbour', 'PERMISSION_DENIED', ' is another office''s'),
    ('sysadmin', 'PERMISSION_DENIED', ' neither'), ('st.boss', 'FAILED_PRECONDITION stage', ': something is missing')) v(w, want, why);
SELECT is((pg_temp.approve('st.boss', :'p')).error.allowed, '{evidence,investor}'::text[], 'all that is missing');
SELECT is((pg_temp.approve('st.boss', :'p')).error.message, 'by the rules "默认规则 2026", for signed to count it still needs: evidence, investor', 'by which rules');
SELECT is((api.stage_approve(pg_temp.acc('st.boss'), 'zh', pg_temp.req(), '\x00', NULL, :'p', '签约', NULL)).error.message, '按“默认规则 2026”,计入“签约”还缺:佐证材料、投资方', 'in Chinese');
SELECT is((pg_temp.edit('chengguan', NULL, :'p', '{"investor":"投资公司"}')).error, NULL::api.error, 'the investor is named');
SELECT pg_temp.file('chengguan', :'p', 'signed') AS e \gset
SELECT is(pg_temp.said((pg_temp.approve('st.boss', :'p', 'landed')).error), 'FAILED_PRECONDITION stage', 'no such stage waits');
SELECT row_eq('SELECT ((r).step).state, ((r).step).counted_on, ((r).step).decided_actor, ((r).step).evidence, ((r).step).reached_on FROM (SELECT pg_temp.approve(''st.boss'', $$' || :'p' || '$$, ''签约'', ''ap-1'') AS r OFFSET 0) x',
    ROW('approved'::text, :'today'::text, 'st.boss'::text, ARRAY[:'e'::text], '2026-01-05'::text), 'approved: by whom, on what, from when');
SELECT is((pg_temp.approve('st.boss', :'p', '签约', 'ap-1')).replayed, true, 'once');
SELECT is(registry.counted_on(:'p', 'signed'), :'today'::text, 'it counts from the day of approval, not from its own');
SELECT matches((pg_temp.approve('bureau', :'p')).error.message, '^it is counts \(by 审 on ', 'who comes second is told who was first');
SELECT is(pg_temp.said((api.evidence_withdraw(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', NULL, :'e', '错')).error), 'PERMISSION_DENIED', 'what was approved on a file keeps it');
-- nobody his own
SELECT (pg_temp.add('bureau', '{"name":"阶段二","investor":"甲","amount_total":100,"stage":"signed"}')).project.id AS q \gset
SELECT pg_temp.file('bureau', :'q', 'signed') \g /dev/null
SELECT is(pg_temp.said((pg_temp.approve('bureau', :'q')).error), 'PERMISSION_DENIED', 'nobody approves his own entry');
SELECT is(pg_temp.said((pg_temp.reject('leader', :'q', 'signed', '')).error), 'INVALID_ARGUMENT reason', 'a refusal has a reason');
SELECT is((pg_temp.reject('leader', :'q', 'signed', '合同不全')).step.note, '合同不全', 'refused, and why');
SELECT is(registry.counted_on(:'q', 'signed'), NULL, 'what was refused doesn''t count');
SELECT is((pg_temp.approve('leader', :'q', 'signed')).step.state, 'approved', 'a refused one may be approved later');
-- a mistake put right
SELECT is((pg_temp.advance('chengguan', :'p', 'started', '2026-02-01')).project.started_on, '2026-02-01', 'started, says the clerk');
SELECT is(pg_temp.said((pg_temp.correct('chengguan', :'p', ' ')).error), 'INVALID_ARGUMENT reason', 'a correction has a reason');
SELECT is(pg_temp.said((pg_temp.correct('dongshan', :'p', '误')).error), 'PERMISSION_DENIED', 'another office corrects nothing');
SELECT row_eq('SELECT ((r).project).stage, ((r).project).started_on FROM (SELECT pg_temp.correct(''chengguan'', $$' || :'p' || '$$, ''误报开工'', ''co-1'') AS r OFFSET 0) x',
    ROW('signed'::text, NULL::text), 'back, with its day');
SELECT is((pg_temp.correct('chengguan', :'p', '误报开工', 'co-1')).replayed, true, 'once');
SELECT is(pg_temp.stages('dongshan', :'p'), 'talks recorded, signed approved ' || :'today' || ', started corrected, signed recorded', 'nothing is gone, the mistake is marked');
SELECT is((SELECT string_agg(x.note, ' ' ORDER BY x.project_version) FROM unnest((api.stage_list(pg_temp.acc('leader'), 'en', :'p', NULL, NULL, NULL, NULL)).rows) x WHERE x.state = 'corrected'), '误报开工', 'with its reason');
SELECT is(registry.counted_on(:'p', 'signed'), :'today'::text, 'what was approved before still counts');
SELECT is((pg_temp.advance('chengguan', :'p', 'started')).project.stage, 'started', 'really started');
SELECT is(pg_temp.stages('leader', :'p'), 'talks recorded, signed approved ' || :'today' || ', started corrected, signed recorded, started pending', 'which waits anew');
SELECT pg_temp.file('chengguan', :'p', 'started') \g /dev/null
SELECT is((pg_temp.approve('st.boss', :'p')).step.stage, 'started', 'without a stage: the one that waits');
SELECT is(pg_temp.said((pg_temp.correct('chengguan', :'p', '误')).error), 'PERMISSION_DENIED', 'what counts is not for the clerk to correct');
SELECT is((pg_temp.correct('bureau', :'p', '核查不实')).project.stage, 'signed', 'but for who decides');
SELECT is(registry.counted_on(:'p', 'started'), NULL, 'and counts no more');
SELECT is(pg_temp.said((pg_temp.correct('bureau', :'q', '误')).error), 'FAILED_PRECONDITION stage', 'where it began it stays');
-- suspended is not exited
SELECT is((pg_temp.advance('chengguan', :'p', 'suspended')).project.stage, 'suspended', 'suspended');
SELECT ok(registry.active('suspended') AND registry.active('signed') AND NOT registry.active('exited'), 'still active; exited is not');
SELECT is((pg_temp.advance('chengguan', :'p', 'talks')).error.allowed, '{signed,exited}'::text[], 'back to where it was, or out');
SELECT is((pg_temp.advance('chengguan', :'p', 'signed')).project.stage, 'signed', 'back');
SELECT is((SELECT count(*) FROM registry.step s WHERE s.project = :'p' AND s.stage = 'signed'), 1::bigint, 'and not judged again');
-- a county's own needs
INSERT INTO registry.stage_need (rule_set, stage, need, what, blocks) VALUES (1, 'landed', 'field', 'site', true), (1, 'landed', 'evidence', '', true), (1, 'landed', 'case', 'admission', true);
SELECT is((pg_temp.advance('chengguan', :'p', 'landed')).error.allowed, '{case:admission,evidence,site}'::text[], 'before a move: all that is missing');
SELECT matches((pg_temp.advance('chengguan', :'p', 'landed')).error.message, 'by the rules "默认规则 2026", landed still needs: .*, evidence, site', 'by which rules');
SELECT is((pg_temp.advance('chengguan', :'p', 'landed')).error.code, 'FAILED_PRECONDITION', 'refused');
DELETE FROM registry.stage_need WHERE stage = 'landed' AND need = 'case';
SELECT pg_temp.file('chengguan', :'p', 'landed') \g /dev/null
SELECT is((pg_temp.edit('chengguan', NULL, :'p', '{"site":"开发区","stage":"landed"}')).project.stage, 'landed', 'all there, in an edit too');
SELECT is(pg_temp.stages('leader', :'p') ~ 'landed recorded$', true, 'nobody has to approve that');
DELETE FROM registry.stage_need WHERE stage = 'landed';
UPDATE registry.transition SET "right" = 'decide' WHERE "to" = 'exited';
SELECT matches((pg_temp.advance('chengguan', :'p', 'exited')).error.message, 'the move landed → exited is another''s', 'a move of others');
SELECT is(pg_temp.said((pg_temp.advance('chengguan', :'p', 'exited')).error), 'PERMISSION_DENIED stage', 'is refused');
SELECT is((pg_temp.advance('bureau', :'p', 'exited')).project.stage, 'exited', 'and made by them');
UPDATE registry.transition SET "right" = 'write' WHERE "to" = 'exited';
-- what isn't counted
SELECT (pg_temp.add('chengguan', '{"name":"滨河路","class":"infrastructure"}')).project.id AS road \gset
SELECT ok(registry.counted(:'p') AND NOT registry.counted(:'road'), 'a road is listed, not counted');
-- imports
SELECT (api.import_open(pg_temp.acc(w), 'en', pg_temp.req(), '\x00', sha256(convert_to(w, 'UTF8')), 'a.csv', w, NULL, NULL, NULL, 1)).id AS i FROM (VALUES ('bureau')) v(w) \gset
SELECT (api.import_put(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'i', 0, '[{"row":2,"set":{"name":"往年投产","stage":"producing","produced_on":"2020-05","office":"chengguan"}}]')).error \g /dev/null
SELECT is((api.import_commit(pg_temp.acc('bureau'), 'en', pg_temp.req(), '\x00', :'i', NULL, NULL)).added, 1, 'the bureau brings what happened before');
SELECT is((SELECT registry.counted_on(p.id, 'producing') FROM registry.project p WHERE p.name = '往年投产'), '2020-05', 'it counts from its own day');
SELECT (api.import_open(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', sha256('c'), 'a.csv', 'c', NULL, NULL, NULL, 1)).id AS i \gset
SELECT (api.import_put(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', :'i', 0, '[{"row":2,"set":{"name":"镇里投产","stage":"producing"}}]')).error \g /dev/null
SELECT is((api.import_commit(pg_temp.acc('chengguan'), 'en', pg_temp.req(), '\x00', :'i', NULL, NULL)).added, 1, 'an office brings its own');
SELECT is((SELECT s.state FROM registry.step s JOIN registry.project p ON p.id = s.project WHERE p.name = '镇里投产'), 'pending', 'which waits like any other');
SELECT is((SELECT string_agg(c.kind || ' ' || c.idx, ', ' ORDER BY c.idx) FROM registry.change c JOIN registry.entry e USING (grp, ord) WHERE e.batch = :'i'), 'project 0, step 1', 'in one entry, without a hole');
-- hidden
SELECT (pg_temp.add('dongshan', '{"name":"密签","stage":"signed","restricted":true}')).project.id AS h \gset
SELECT is((api.stage_list(pg_temp.acc('chengguan'), 'en', :'h', NULL, NULL, NULL, NULL)).error.code, 'NOT_FOUND', 'of a hidden project: nothing');
SELECT is(pg_temp.said((pg_temp.approve('st.boss', :'h')).error), 'NOT_FOUND id', 'nor can it be approved');
SELECT is((SELECT count(*) FROM unnest((api.stage_list(pg_temp.acc('chengguan'), 'en', NULL, NULL, NULL, NULL, NULL)).rows) x WHERE x.project = :'h'), 0::bigint, 'nor is it among what waits');
SELECT * FROM finish();
