-- SPDX-License-Identifier: Apache-2.0
-- Projects: exactly once, refusals, merge, first report, stages, contacts.
\i sql/test/helper.psql
SELECT plan(73);
-- registering
SELECT api.project_add(pg_temp.acc('chengguan'), 'zh', 'p1', '\x01', '{"name":"光伏组件（一期）","investor":"晨光新能源","amount_total":35000000000,
    "tags":["链"," 新 ","链"],"industry":"38","region":"350000","land_mu":"12.50","stage":"talks","contact_name":"某人","contact_phone":"1"}', '初报') AS r \gset
SELECT (p.r::api.project_reply).project.id AS id, (p.r::api.project_reply).project.no AS no FROM (SELECT :'r' AS r) p \gset
SELECT row_eq($$ SELECT (x.p).name, (x.p).version, (x.p).tags, (x.p).industry, (x.p).region, (x.p).land_mu, (x.p).office, (x.p).currency,
        (x.p).contact_phone FROM (SELECT (api.project_show(pg_temp.acc('chengguan'), 'zh', '$$ || :'no' || $$')).project AS p) x $$,
    ROW('光伏组件（一期）'::text, 1::bigint, '{链,新}'::text[], 'C38'::text, '35'::text, '12.5'::text, 'chengguan'::text, 'CNY'::text, '1'::text),
    'registered, by number, values read');
SELECT matches(:'no'::text, '^2[0-9]{3}-[0-9]{4}$', 'number');
SELECT is((api.project_show(pg_temp.acc('dongshan'), 'zh', :'id')).project.contact_name, NULL, 'another office sees no contact');
SELECT is((api.project_show(pg_temp.acc('bureau'), 'zh', :'id')).project.contact_name, '某人', 'the bureau does');
SELECT is((api.project_show(pg_temp.acc('leader'), 'zh', :'id')).project.contact_name, NULL, 'a leader of its office does not');
SELECT is((api.project_show(pg_temp.acc('sysadmin'), 'zh', :'id')).error.code, 'PERMISSION_DENIED', 'an officer reads nothing');
SELECT is((api.project_show(pg_temp.acc('bureau'), 'zh', 'nothing')).error.code, 'NOT_FOUND', 'no such project');
-- exactly once
SELECT row_eq($$ SELECT (x.r).project.id, (x.r).project.version, (x.r).rev IS NOT NULL, (x.r).replayed FROM (
        SELECT api.project_add(pg_temp.acc('chengguan'), 'zh', 'p1', '\x01', '{}', NULL) AS r) x $$,
    ROW(:'id'::text, 1::bigint, true, true), 'the same request again: the same answer');
SELECT is((api.project_add(pg_temp.acc('chengguan'), 'zh', 'p1', '\x02', '{}', NULL)).error.code, 'KEY_REUSED', 'with another body');
SELECT is((api.project_edit(pg_temp.acc('chengguan'), 'zh', 'p1', '\x01', NULL, :'id', '{}', NULL, NULL, NULL)).error.code, 'KEY_REUSED', 'or for another operation');
SELECT is((api.project_add(pg_temp.acc('dongshan'), 'zh', 'p1', '\x01', '{"name":"另一个"}', NULL)).error.code, NULL, 'request ids are per account');
SELECT is((api.project_add(pg_temp.acc('chengguan'), 'zh', NULL, '\x01', '{}', NULL)).error.field, 'request', 'a change needs a request id');
SELECT is((api.project_add(pg_temp.acc('chengguan'), 'zh', 'r1', '\x01', '{}', NULL)).error.code, 'INVALID_ARGUMENT', 'refused');
SELECT ok((api.project_add(pg_temp.acc('chengguan'), 'zh', 'r1', '\x01', '{"name":"y"}', NULL)).replayed, 'a refusal is kept');
SELECT is((SELECT status FROM registry.entry WHERE request = 'r1' AND grp IS NULL), 'INVALID_ARGUMENT', 'without a group');
-- first report
SELECT row_eq($$ SELECT (x.e).code, (x.e).field, (x.e).other_no, (x.e).other_office, (x.e).at IS NOT NULL, (x.e).theirs FROM (
        SELECT (pg_temp.add('dongshan', '{"name":"光伏组件 一期","investor":"晨光 新能源"}')).error AS e) x $$,
    ROW('ALREADY_EXISTS'::text, 'name'::text, :'no'::text, 'chengguan'::text, true, NULL::text), 'the second reporter learns number, office, day');
SELECT is((pg_temp.add('dongshan', '{"name":"光伏组件一期","investor":"别家"}')).error.code, NULL, 'another investor is another project');
SELECT is((pg_temp.add('dongshan', '{"name":"地块","investor":"同一家","source":"地","external_id":"1"}')).error.code, NULL, 'a parcel');
SELECT is((pg_temp.add('chengguan', '{"name":"地块","investor":"同一家","source":"地","external_id":"2"}')).error.code, NULL, 'another parcel of that name');
SELECT is((pg_temp.add('chengguan', '{"name":"地块","investor":"同一家"}')).error.code, 'ALREADY_EXISTS', 'without a key it is blocked');
SELECT is((pg_temp.add('chengguan', '{"name":"新名","source":"地","external_id":"1"}')).error.field, 'external_id', 'a key is taken once');
SELECT is((pg_temp.add('chengguan', '{"name":"有码","code":"2020-530100-76-01-041471"}')).error.code, NULL, 'with a project code');
SELECT is((pg_temp.add('dongshan', '{"name":"同码","code":"2020-530100-76-01-041471"}')).error.field, 'code', 'the code blocks');
SELECT is((pg_temp.edit('dongshan', NULL, (SELECT id FROM registry.project WHERE name = '光伏组件一期'), '{"investor":"晨光新能源"}')).error.code,
    'ALREADY_EXISTS', 'an edit cannot become a duplicate either');
-- rights
SELECT is((pg_temp.edit('dongshan', NULL, :'id', '{"summary":"x"}')).error.code, 'PERMISSION_DENIED', 'not its own');
SELECT is((pg_temp.edit('sensor', NULL, :'id', '{"summary":"x"}')).error.code, 'PERMISSION_DENIED', 'a machine is its office');
SELECT is((pg_temp.edit('leader', NULL, :'id', '{"summary":"x"}')).error.code, 'PERMISSION_DENIED', 'leaders read');
SELECT is((pg_temp.edit('chengguan', NULL, :'id', '{"office":"dongshan"}')).error.code, 'PERMISSION_DENIED', 'the owner does not give it away');
SELECT is((pg_temp.add('chengguan', '{"name":"为别人","office":"dongshan"}')).error.field, 'office', 'nor registers for others');
SELECT is((pg_temp.add('robot', '{"name":"代登","office":"dongshan"}')).project.office, 'dongshan', 'the bureau''s machine does');
SELECT is((pg_temp.edit('chengguan', NULL, 'nothing', '{"summary":"x"}')).error.code, 'NOT_FOUND', 'nothing to edit');
-- merge
SELECT is((pg_temp.edit('chengguan', 1, :'id', '{"summary":"甲"}')).project.version, 2::bigint, 'one field');
SELECT is((pg_temp.edit('bureau', 1, :'id', '{"amount_total":36000000000}')).project.version, 3::bigint, 'another field from the same version: merged');
SELECT is((pg_temp.edit('chengguan', 1, :'id', '{"summary":"乙"}')).project.version, 4::bigint, 'one''s own later save is no clash');
SELECT is((pg_temp.edit('bureau', 1, :'id', '{"summary":"乙"}')).error.code, NULL, 'equal values are no clash');
SELECT row_eq($$ SELECT (x.e).code, (x.e).field, (x.e).base_value, (x.e).theirs, (x.e).yours, (x.e)."by", cardinality((x.e).fields) FROM (
        SELECT (pg_temp.edit('chengguan', 1, '$$ || :'id' || $$', '{"amount_total":1000050,"summary":"丙"}')).error AS e) x $$,
    ROW('CONFLICT'::text, 'amount_total'::text, '350000000.00'::text, '360000000.00'::text, '10000.50'::text, 'bureau'::text, 1),
    'a clash names base, theirs, yours, who; own fields do not count');
SELECT is((pg_temp.edit('bureau', 1, :'id', '{"summary":"丁","amount_total":5}')).error.fields[1].theirs, '乙', 'the other way round');
SELECT is((pg_temp.edit('bureau', 1, :'id', '{"summary":"丁"}', NULL, NULL, true)).error.field, 'reason', 'force needs a reason');
SELECT is((pg_temp.edit('bureau', 1, :'id', '{"summary":"丁"}', NULL, '核实', true)).project.version, 5::bigint, 'and then overwrites');
SELECT is((pg_temp.edit('bureau', 99, :'id', '{"summary":"戊"}')).error.field, 'version', 'a version that does not exist');
SELECT is((pg_temp.edit('bureau', NULL, :'id', '{"summary":"丁"}')).project.version, 5::bigint, 'a change of nothing is done, without a version');
SELECT is((SELECT count(*)::int FROM registry.change WHERE object = :'id'), 5, 'and without a trace in the feed');
SELECT is((pg_temp.edit('bureau', NULL, :'id', NULL, '{summary,tags}')).project.tags, NULL, 'fields are emptied');
-- replay after later changes
SELECT api.project_edit(pg_temp.acc('bureau'), 'en', 'again', '\x01', NULL, :'id', '{"jobs":10,"tags":["智"]}', NULL, NULL, NULL) \g /dev/null
SELECT api.project_edit(pg_temp.acc('bureau'), 'en', 'later', '\x01', NULL, :'id', '{"jobs":20,"amount_total":77,"tags":["大","新"]}', NULL, NULL, NULL) \g /dev/null
SELECT row_eq($$ SELECT (x.p).version, (x.p).jobs, (x.p).tags, (x.p).amount_total FROM (
        SELECT (api.project_edit(pg_temp.acc('bureau'), 'en', 'again', '\x01', NULL, '', NULL, NULL, NULL, NULL)).project AS p) x $$,
    ROW(7::bigint, 10, '{智}'::text[], 36000000000::bigint), 'the first answer again, as it was');
SELECT is((api.project_edit(pg_temp.acc('chengguan'), 'en', 'clash', '\x01', 1, :'id', '{"amount_total":1}', NULL, NULL, NULL)).error.fields[1].theirs, '0.77', 'a clash');
SELECT row_eq($$ SELECT (x.e).code, (x.e).fields[1].theirs, (x.e).allowed FROM (
        SELECT (api.project_edit(pg_temp.acc('chengguan'), 'en', 'clash', '\x01', 1, '', NULL, NULL, NULL, NULL)).error AS e) x $$,
    ROW('CONFLICT'::text, '0.77'::text, NULL::text[]), 'a clash kept with all it says');
-- contacts
SELECT is((pg_temp.edit('chengguan', NULL, :'id', '{"contact_phone":"2"}')).project.contact_phone, '2', 'a contact changes');
SELECT is(pg_temp.fields(:'id', 9), '{"45": true}'::jsonb, 'the journal says so without the number');
SELECT is((pg_temp.edit('chengguan', NULL, :'id', NULL, '{contact_name}')).project.contact_name, NULL, 'a contact is emptied');
SELECT is((pg_temp.edit('bureau', 8, :'id', '{"contact_phone":"3"}')).error.fields[1].theirs, '2', 'contacts clash too');
SELECT is_empty($$ SELECT FROM registry.change WHERE fields::text ~ '某人' OR image::text ~ '某人' $$, 'no name in the journal');
-- stages
SELECT is((pg_temp.advance('chengguan', :'id', 'producing')).error.code, 'FAILED_PRECONDITION', 'a move the rules forbid');
SELECT is((pg_temp.advance('chengguan', :'id', 'producing')).error.allowed, '{intent,signed,suspended,exited}'::text[], 'says which are allowed');
SELECT is((pg_temp.edit('chengguan', NULL, :'id', '{"stage":"producing"}')).error.code, 'FAILED_PRECONDITION', 'nor by an edit');
SELECT is((pg_temp.advance('chengguan', :'id', 'sgined')).error.allowed[1], 'signed', 'a word that is none: the nearest');
SELECT is((pg_temp.advance('chengguan', :'id', 'signed', '2999-01-01')).error.field, 'on', 'not in the future');
SELECT is((pg_temp.advance('chengguan', :'id', 'signed', '2026-02-30')).error.field, 'on', 'a day that is none');
SELECT row_eq($$ SELECT (x.p).stage, (x.p).signed_on FROM (SELECT (pg_temp.advance('chengguan', '$$ || :'id' || $$', '签约', '2020-03-05')).project AS p) x $$,
    ROW('signed'::text, '2020-03-05'::text), 'signed, with its day');
SELECT results_eq($$ SELECT "from", stage, happened_on::text, actor FROM registry.stage_event WHERE project = '$$ || :'id' || $$' AND "from" IS NOT NULL $$,
    $$ VALUES ('talks'::text, 'signed'::text, '2020-03-05'::text, 'chengguan'::text) $$, 'a stage event');
SELECT is((pg_temp.add('chengguan', '{"name":"直接投产","stage":"producing"}')).project.stage, 'producing', 'a new project may be at any stage');
SELECT is((pg_temp.add('chengguan', '{"name":"默认阶段"}')).project.stage, 'lead', 'or at the first');
-- values
SELECT row_eq(format($$ SELECT (x.e).code, (x.e).field FROM (SELECT (pg_temp.add('chengguan', %L)).error AS e) x $$, v.set),
    ROW('INVALID_ARGUMENT'::text, v.field), v.set)
FROM (VALUES ('{"name":"n","amount_total":-1}', 'amount_total'), ('{"name":"n","amount_total":1.5}', 'amount_total'),
    ('{"name":"n","amount_total":100000000000000000}', 'amount_total'), ('{"name":"n","industry":"C99"}', 'industry'),
    ('{"name":"n","credit_code":"12341700686863395B"}', 'credit_code'), ('{"name":"n","signed_on":"2026-02-30"}', 'signed_on'),
    ('{"name":"n","code":"2020"}', 'code'), ('{"name":"n","land_mu":"1e9"}', 'land_mu'), ('{"name":"n","tags":["a,b"]}', 'tags'),
    ('{"name":"n","version":3}', 'version'), ('{"name":" "}', 'name'), ('{"name":"n","external_id":"1"}', 'source')) v(set, field);
SELECT * FROM finish();
