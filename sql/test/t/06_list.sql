-- SPDX-License-Identifier: Apache-2.0
-- Lists: terms, search, order, pages; glossary, offices, enterprises, receipts.
\i sql/test/helper.psql
SELECT plan(102);
INSERT INTO registry.office (code, name, kind) VALUES ('list', '清单镇', 'township');
SELECT (pg_temp.add('bureau', s)).project.no FROM (VALUES
    ('{"name":"光伏组件制造","investor":"晨光新能源（江苏）有限公司","office":"list","stage":"talks","industry":"C38","amount_total":10000000000,"tags":["链","新"],"region":"32","signed_on":"2026-03-05"}'::jsonb),
    ('{"name":"光伏电站","investor":"东方电力","office":"list","stage":"signed","industry":"D44","amount_total":20000000000,"tags":["大"],"region":"35","signed_on":"2026-03"}'),
    ('{"name":"冷链物流园","investor":"通达","office":"list","stage":"signed","industry":"G59","amount_total":5000000000,"park":"jingkai","signed_on":"2026"}'),
    ('{"name":"PV Module 100%_test","investor":"Sun Ltd","office":"list","stage":"lead","industry":"C","summary":"第一行","contact_name":"秘"}'),
    ('{"name":"果蔬加工","office":"list","stage":"exited","industry":"C13","amount_total":100000000,"land_mu":"20.5","jobs":50}')) v(s) \g /dev/null
CREATE FUNCTION pg_temp.list(terms jsonb, search text, sort text, after text, n int) RETURNS api.project_list_reply LANGUAGE sql AS $$
    SELECT api.project_list(pg_temp.acc('dongshan'), 'en',
        coalesce(terms, '[]') || '[{"field":"office","op":"=","values":["list"]}]', search, sort, after, n, NULL) $$;
CREATE FUNCTION pg_temp.names(terms text, search text DEFAULT NULL, sort text DEFAULT 'no') RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(x.name, ' ' ORDER BY x.ordinality) FROM pg_temp.list(terms::jsonb, search, sort, NULL, NULL) l, pg_temp.told(l.rows) WITH ORDINALITY x $$;
-- terms
SELECT is(pg_temp.names(t.terms), t.names, t.terms) FROM (VALUES
    ('[{"field":"stage","op":"=","values":["talks","lead"]}]', '光伏组件制造 PV Module 100%_test'),
    ('[{"field":"stage","op":"=","values":["签约"]}]', '光伏电站 冷链物流园'),
    ('[{"field":"stage","op":"!=","values":["signed","lead","exited"]}]', '光伏组件制造'),
    ('[{"field":"industry","op":"=","values":["C"]}]', '光伏组件制造 PV Module 100%_test 果蔬加工'),
    ('[{"field":"industry","op":"=","values":["C38"]}]', '光伏组件制造'),
    ('[{"field":"industry","op":"!=","values":["C"]}]', '光伏电站 冷链物流园'),
    ('[{"field":"region","op":"=","values":["350000"]}]', '光伏电站'),
    ('[{"field":"tags","op":"=","values":["大","链"]}]', '光伏组件制造 光伏电站'),
    ('[{"field":"tags","op":"!=","values":["大"]}]', '光伏组件制造 冷链物流园 PV Module 100%_test 果蔬加工'),
    ('[{"field":"amount_total","op":">=","values":["100000000"]}]', '光伏组件制造 光伏电站'),
    ('[{"field":"amount_total","op":"<","values":["50000000.00"]}]', '果蔬加工'),
    ('[{"field":"amount_total","op":"!=","values":["100000000"]}]', '光伏电站 冷链物流园 PV Module 100%_test 果蔬加工'),
    ('[{"field":"amount_total","op":"=","values":[""]}]', 'PV Module 100%_test'),
    ('[{"field":"park","op":"!=","values":[""]}]', '冷链物流园'),
    ('[{"field":"name","op":"~","values":["光伏"]}]', '光伏组件制造 光伏电站'),
    ('[{"field":"name","op":"~","values":["100%_"]}]', 'PV Module 100%_test'),
    ('[{"field":"investor","op":"~","values":["（江苏）有限"]}]', '光伏组件制造'),
    ('[{"field":"investor","op":"~","values":["SUN"]}]', 'PV Module 100%_test'),
    ('[{"field":"signed_on","op":"=","values":["2026-03"]}]', '光伏组件制造 光伏电站'),
    ('[{"field":"signed_on","op":"<=","values":["2026-03"]}]', '光伏组件制造 光伏电站 冷链物流园'),
    ('[{"field":"signed_on","op":">","values":["2026-03"]}]', NULL),
    ('[{"field":"land_mu","op":">","values":["20"]}]', '果蔬加工'),
    ('[{"field":"jobs","op":"<=","values":["50"]}]', '果蔬加工'),
    ('[{"field":"registered_at","op":">=","values":["2020-01-01"]},{"field":"stage","op":"=","values":["talks"]}]', '光伏组件制造'),
    ('[{"field":"summary","op":"~","values":["一行"]}]', 'PV Module 100%_test'),
    ('[{"field":"name","op":"=","values":["''; DROP TABLE registry.project; --"]}]', NULL)) t(terms, names);
SELECT is(pg_temp.names('[]', s.search), s.names, 'search ' || s.search) FROM (VALUES
    ('光伏', '光伏组件制造 光伏电站'), ('伏', '光伏组件制造 光伏电站'), ('晨光 新能源(江苏)', '光伏组件制造'), ('链物', '冷链物流园'),
    ('电力', '光伏电站'), ('module', 'PV Module 100%_test'), ('不存在', NULL), ('%', 'PV Module 100%_test')) s(search, names);
SELECT is(pg_temp.names('[]', (SELECT no FROM registry.project WHERE name = '果蔬加工')), '果蔬加工', 'search by number');
-- order
SELECT is(pg_temp.names('[]', NULL, '-amount_total'), '光伏电站 光伏组件制造 冷链物流园 果蔬加工 PV Module 100%_test', 'largest first, unknown last');
SELECT is(pg_temp.names('[]', NULL, 'amount_total'), '果蔬加工 冷链物流园 光伏组件制造 光伏电站 PV Module 100%_test', 'smallest first, unknown last');
SELECT is(left(pg_temp.names('[]', NULL, 'stage'), 2), 'PV', 'stages in their order');
-- pages
CREATE FUNCTION pg_temp.walk(sort text, n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r api.project_list_reply;
    names text[] := '{}';
BEGIN
    FOR i IN 1 .. 9 LOOP
        r := pg_temp.list(NULL, NULL, sort, r.next, n);
        names := names || ARRAY(SELECT x.name FROM pg_temp.told(r.rows) WITH ORDINALITY x ORDER BY x.ordinality);
        EXIT WHEN r.next IS NULL;
    END LOOP;
    RETURN array_to_string(names, ' ');
END $$;
SELECT is(pg_temp.walk(s, 2), pg_temp.names('[]', NULL, s), 'pages of two by ' || s)
FROM unnest(ARRAY['name', '-name', 'amount_total', '-amount_total', 'stage', '-changed_at', 'jobs', 'tags', 'signed_on']) s;
SELECT is((pg_temp.list(NULL, NULL, NULL, NULL, 2)).total, 5::bigint, 'total on the first page');
SELECT is((pg_temp.list(NULL, NULL, 'no', (pg_temp.list(NULL, NULL, 'no', NULL, 2)).next, 2)).total, NULL, 'and only there');
SELECT is((pg_temp.list(NULL, NULL, 'name', (pg_temp.list(NULL, NULL, 'no', NULL, 2)).next, 2)).error.field, 'after', 'a page of another order');
SELECT is((pg_temp.list(NULL, NULL, NULL, 'rubbish!', 2)).error.field, 'after', 'no page at all');
SELECT is((pg_temp.list(NULL, '秘', NULL, NULL, 2)).total, 0::bigint, 'contacts are not searched');
SELECT is((SELECT r.contact_name FROM pg_temp.list(NULL, 'PV', NULL, NULL, 2) l, pg_temp.told(l.rows) r), NULL, 'nor shown');
-- refusals
SELECT is((pg_temp.list('[{"field":"stge","op":"=","values":["x"]}]', NULL, NULL, NULL, 2)).error.allowed[1], 'stage', 'unknown field: the nearest');
SELECT is((pg_temp.list('[{"field":"contact_name","op":"=","values":["x"]}]', NULL, NULL, NULL, 2)).error.code, 'INVALID_ARGUMENT', 'contacts are no filter');
SELECT is((pg_temp.list('[{"field":"name","op":">","values":["x"]}]', NULL, NULL, NULL, 2)).error.allowed, '{=,!=,~}'::text[], 'unknown operator');
SELECT is((pg_temp.list('[{"field":"stage","op":"=","values":["sign"]}]', NULL, NULL, NULL, 2)).error.allowed[1], 'signed', 'unknown stage');
SELECT is((pg_temp.list('[{"field":"amount_total","op":">","values":["1亿"]}]', NULL, NULL, NULL, 2)).error.field, 'amount_total', 'not a number');
SELECT is((pg_temp.list(NULL, NULL, 'contact_phone', NULL, 2)).error.field, 'sort', 'no order by contact');
-- a page fits into a frame
DO $$ BEGIN
    INSERT INTO registry.project (name, office, stage, summary) SELECT '长' || i, 'list', 'lead', repeat('说', 2000) FROM generate_series(1, 100) i;
END $$;
SELECT cmp_ok((SELECT sum(octet_length(x::text)) FROM pg_temp.told((pg_temp.list(NULL, NULL, NULL, NULL, 500)).rows) x), '<', 65000::bigint, 'a page of long rows is cut');
-- page after page, each where the one before ended: all rows once, whatever is edited meanwhile
CREATE FUNCTION pg_temp.export_walk(p_sort text, p_limit int) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    r api.project_list_reply;
    found text[] := '{}';
    place text;
BEGIN
    LOOP
        r := api.project_list(pg_temp.acc('dongshan'), 'en', NULL, NULL, p_sort, place, p_limit, true);
        found := found || ARRAY(SELECT x.no FROM pg_temp.told(r.rows) WITH ORDINALITY x ORDER BY x.ordinality);
        UPDATE registry.project SET summary = coalesce(summary, '') || '又' WHERE no = found[1];
        place := r.next;
        EXIT WHEN place IS NULL;
    END LOOP;
    RETURN found;
END $$;
SELECT is(pg_temp.export_walk('no', 7), ARRAY(SELECT p.no FROM registry.project p WHERE registry.sees(pg_temp.acc('dongshan'), p.audience) ORDER BY p.no), 'pages by number');
SELECT is(pg_temp.export_walk('-no', 500), ARRAY(SELECT p.no FROM registry.project p WHERE registry.sees(pg_temp.acc('dongshan'), p.audience) ORDER BY p.no DESC), 'and from the last one');
SELECT is(pg_temp.export_walk('id', 13), ARRAY(SELECT p.no FROM registry.project p WHERE registry.sees(pg_temp.acc('dongshan'), p.audience) ORDER BY p.id), 'pages by id');
SELECT is((api.project_list(pg_temp.acc('dongshan'), 'en', NULL, NULL, 'no', translate(encode(convert_to('{"s":"name","k":"a","n":"b"}', 'UTF8'), 'base64'), E'\n', ''), 5, NULL)).error.field,
    'after', 'the place of another order');
SELECT is(registry.rows_that_fit('{70000}', 70000, 5, 0), 1, 'one row in any case');
SELECT is(registry.rows_that_fit('{30000,30000,1}', 60001, 5, 4999), 3, 'as many as a frame takes');
SELECT is(registry.rows_that_fit('{30000,30000,1}', 60001, 5, 5000), 2, 'beside the rest of the answer');
SELECT is(registry.rows_that_fit(array_fill(1, ARRAY[400]), 400, 500, 0), 300, 'and as a reader unpacks');
SELECT is(registry.rows_that_fit(NULL, NULL, 5, NULL), 0, 'none');
SELECT ok(octet_length(registry.project_sent(p, NULL, NULL)) + registry.project_packing(p) BETWEEN v.bytes AND v.bytes + 400, 'bytes of a row in a message: of its texts at least')
FROM registry.project p, LATERAL (SELECT sum(octet_length(x.value)) AS bytes FROM unnest(registry.project_values(p, NULL, NULL)) x WHERE x.number IN (1, 2, 4, 10, 16)) v
WHERE p.summary IS NOT NULL LIMIT 1;
-- parts side by side: places tell where they end, and an edit, or somebody new, is no reason to lose or double a row
CREATE FUNCTION pg_temp.part(p_terms jsonb, p_sort text, p_after text, p_limit int, p_until text, p_ahead int) RETURNS api.project_list_reply LANGUAGE sql AS $$
    SELECT api.project_list(pg_temp.acc('dongshan'), 'en', p_terms, NULL, p_sort, p_after, p_limit, true, p_until, p_ahead) $$;
CREATE FUNCTION pg_temp.parts(p_terms jsonb, p_sort text, p_limit int) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    places text[] := (pg_temp.part(p_terms, p_sort, NULL, p_limit, NULL, 64)).places;
    found text[] := '{}';
    r api.project_list_reply;
BEGIN
    FOR i IN 0 .. coalesce(cardinality(places), 0) LOOP
        r.next := places[i];
        LOOP
            r := pg_temp.part(p_terms, p_sort, r.next, 500, places[i + 1], NULL);
            IF (r.error).code IS NOT NULL THEN
                RAISE EXCEPTION '%', (r.error).message;
            END IF;
            found := found || ARRAY(SELECT x.no FROM pg_temp.told(r.rows) WITH ORDINALITY x ORDER BY x.ordinality);
            EXIT WHEN r.next IS NULL;
        END LOOP;
    END LOOP;
    RETURN found;
END $$;
SELECT is(pg_temp.parts(NULL, s.sort, s.n), pg_temp.export_walk(s.sort, 500), 'parts by ' || s.sort)
FROM (VALUES ('no', 7), ('-no', 13), ('id', 5), ('amount_total', 9), ('-stage', 11), ('-registered_at', 8), ('summary', 6)) s(sort, n);
SELECT is(pg_temp.parts('[{"field":"office","op":"=","values":["list"]}]', 'no', 10), ARRAY(SELECT p.no FROM registry.project p WHERE p.office = 'list' ORDER BY p.no), 'of some projects');
SELECT is(cardinality((pg_temp.part(NULL, 'no', NULL, 5, NULL, 1000)).places), least(64, (SELECT count(*)::int / 5 FROM registry.project p WHERE registry.sees(pg_temp.acc('dongshan'), p.audience))), 'so many places at most');
SELECT is((pg_temp.part(NULL, 'no', NULL, 5, 'rubbish!', NULL)).error.field, 'until', 'an end that is none');
SELECT is((pg_temp.part(NULL, 'no', 'rubbish!', 5, (pg_temp.part(NULL, 'no', NULL, 5, NULL, 1)).places[1], NULL)).error.field, 'after', 'nor a beginning');
SELECT is((pg_temp.part(NULL, 'no', (pg_temp.part(NULL, 'no', NULL, 5, NULL, 1)).places[1], 5, (pg_temp.part(NULL, 'id', NULL, 5, NULL, 1)).places[1], NULL)).error.field, 'until', 'nor one of another order');
INSERT INTO registry.project (id, no, name, office, stage, restricted) VALUES ('p0000000000hidden', '0000-0001', '不让看', 'chengguan', 'lead', true);
SELECT is((pg_temp.part(NULL, 'no', NULL, 1, NULL, 1)).places[1], registry.list_place('no', (SELECT min(p.no) FROM registry.project p WHERE p.no > '0000-0001'), (SELECT min(p.no) FROM registry.project p WHERE p.no > '0000-0001')),
    'places tell of nothing that is hidden');
SELECT is((api.project_list(pg_temp.acc('dongshan'), 'en', (SELECT jsonb_agg(jsonb_build_object('field', 'name', 'op', '~', 'values',
    (SELECT jsonb_agg('x' || k) FROM generate_series(1, 101) k))) FROM generate_series(1, 4)), NULL, NULL, NULL, 5, false)).error.field, 'terms',
    'conditions of too many values together');
-- the rest
SELECT is((SELECT x.next FROM api.glossary(pg_temp.acc('dongshan'), 'zh', 'stage', 'talks') g, unnest(g.rows) x), '{intent,signed,suspended,exited}', 'a stage with its moves');
SELECT is(cardinality((api.glossary(pg_temp.acc('dongshan'), 'zh', 'industry', NULL)).rows), 117, 'sections and divisions');
SELECT row_eq($$ SELECT x.type, x.codes, x.required, x.editable, x.max FROM (SELECT (unnest((api.glossary(pg_temp.acc('dongshan'), 'zh', 'project.', NULL)).rows)).*) x
    WHERE x.kind = 'field' AND x.code = 'name' $$, ROW('text'::text, NULL::text, true, true, 300), 'what a field must be');
SELECT is((api.glossary(pg_temp.acc('dongshan'), 'zh', 'stag', NULL)).error.allowed[1], 'stage', 'kinds have nearest words too');
CREATE FUNCTION pg_temp.named(who text, VARIADIC ids text[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(x.kind || ' ' || x.text, ', ' ORDER BY x.kind, x.code) FROM unnest((api.names(pg_temp.acc(who), 'en', ids)).rows) x $$;
INSERT INTO registry.project (id, name, office, stage) VALUES ('p00000000000named', '有名', 'dongshan', 'lead');
INSERT INTO registry.project (id, name, office, stage, restricted) VALUES ('p00000000000secret', '无名', 'chengguan', 'lead', true);
SELECT is(pg_temp.named('dongshan', 'leader', 'registry', 'nobody', 'p00000000000named', 'p00000000000secret'), (SELECT 'account ' || a.name || ', account the registry, project ' || p.no || ' 有名'
    FROM registry.account a, registry.project p WHERE a.code = 'leader' AND p.id = 'p00000000000named'), 'names of people and of what every reader may see, and of nothing else');
SELECT is(pg_temp.named('sysadmin', 'leader', 'p00000000000named'), (SELECT 'account ' || a.name FROM registry.account a WHERE a.code = 'leader'), 'officers know people');
SELECT is((api.names(pg_temp.acc('leader'), 'en', ARRAY(SELECT 'x' || g FROM generate_series(1, 81) g))).error.field, 'ids', 'so many at once');
SELECT is((SELECT projects FROM api.office_list(pg_temp.acc('dongshan'), 'zh') o, unnest(o.rows) x WHERE x.code = 'list'), 104, 'offices count their projects that have not exited');
SELECT row_eq($$ SELECT (x.w).account, (x.w).role, (x.w).rights, (x.w).identity FROM (SELECT api.whoami(pg_temp.acc('robot'), 'zh') AS w) x $$,
    ROW('robot'::text, 'importer@bureau'::text, '{read,write,import,contact,restricted}'::text[], 'qipan:machine:robot'::text), 'who am I');
SELECT is((api.whoami(pg_temp.acc('leader'), 'zh')).rights, '{read,restricted,assign,decide}', 'a leader reads, gives tasks and decides');
SELECT is((api.enterprise_add(pg_temp.acc('dongshan'), 'en', 'e1', '\x01', '{"name":"某公司","credit_code":"12341700686863395A","class":"独角兽"}', NULL)).enterprise.class, 'unicorn', 'an enterprise');
SELECT is((api.enterprise_add(pg_temp.acc('chengguan'), 'en', 'e1', '\x01', '{"name":"换名公司","credit_code":"12341700686863395A"}', NULL)).error.field, 'credit_code', 'a credit code belongs to one firm');
SELECT ok((api.enterprise_add(pg_temp.acc('dongshan'), 'en', 'e1', '\x01', '{}', NULL)).replayed, 'once');
SELECT is((SELECT x.name FROM api.enterprise_list(pg_temp.acc('dongshan'), 'zh', '某', NULL, NULL) l, unnest(l.rows) x), '某公司', 'found');
SELECT is((api.receipt_show(pg_temp.acc('dongshan'), 'zh', 'e1')).status, 'OK', 'a receipt');
SELECT is((api.receipt_show(pg_temp.acc('chengguan'), 'zh', 'e1')).status, 'ALREADY_EXISTS', 'of a refusal');
SELECT is((api.receipt_show(pg_temp.acc('bureau'), 'zh', 'e1')).error.code, 'NOT_FOUND', 'receipts are one''s own');
-- the largest first come out of their index
CREATE FUNCTION pg_temp.sorts(p_sql text) RETURNS boolean LANGUAGE plpgsql SET enable_sort = off AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || p_sql INTO plan;
    RETURN jsonb_path_exists(plan, '$.** ? (@."Node Type" == "Sort")');
END $$;
SELECT is(pg_temp.sorts(replace(registry.list_rows('p.*', 'true', 'p.amount_total', false, true, '101'), '$1', '''{1}''')), false, 'a page of the largest amounts sorts nothing');
SELECT * FROM finish();
