-- SPDX-License-Identifier: Apache-2.0
-- An import leaves the registry that single calls leave, but for ids, numbers, times and the batch: random projects are registered
-- both ways, then changed both ways; what is refused is refused in the same words. Each way is undone before the other begins.
\i sql/test/helper.psql
SELECT plan(8);
\i sql/test/seed.psql
CREATE FUNCTION pg_temp.some(p_share float, p_of anyarray) RETURNS anyelement LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN random() < p_share THEN p_of[1 + floor(random() * cardinality(p_of))::int] END $$;
-- a code of a kind, or what people call it
CREATE FUNCTION pg_temp.code(p_share float, p_kind text) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT pg_temp.some(p_share, ARRAY(SELECT w FROM (SELECT * FROM registry.code WHERE kind = p_kind AND active ORDER BY rank LIMIT 20) c, unnest(ARRAY[c.code, c.zh]) w)) $$;
CREATE FUNCTION pg_temp.draw(n int, p_share float) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object('industry', coalesce(pg_temp.some(p_share / 2, '{38,C3825,A01}'::text[]), pg_temp.code(p_share, 'industry')),
        'class', pg_temp.code(p_share, 'class'), 'method', pg_temp.code(p_share, 'method'), 'region', pg_temp.code(p_share, 'region'),
        'credit_code', pg_temp.some(p_share, '{12341700686863395A}'::text[]), 'product', pg_temp.some(p_share, '{锂电池,农产品," 光伏组件 "}'::text[]),
        'amount_total', pg_temp.some(p_share, '{100,4999999999,1000000000000,250000000000}'::bigint[]), 'currency', pg_temp.some(p_share / 3, '{CNY,USD}'::text[]),
        'restricted', pg_temp.some(p_share / 3, '{true,false}'::boolean[]), 'land_mu', pg_temp.some(p_share, '{12.50,7," 3"}'::text[]), 'jobs', pg_temp.some(p_share, '{0,5,1200}'::int[]),
        'summary', pg_temp.some(p_share, ARRAY['建设内容 "引号" \ 与反斜线', E'两行\n文字', '']), 'tags', to_jsonb(string_to_array(pg_temp.some(p_share, '{"a","a,b","b, b ,c"}'::text[]), ',')),
        'site', pg_temp.some(p_share, ARRAY['东区' || n % 7 || '号']), 'lead_person', pg_temp.some(p_share, '{张,李}'::text[]), 'contact_name', pg_temp.some(p_share, '{王,""}'::text[]),
        'contact_phone', pg_temp.some(p_share, ARRAY['138' || n % 9]), 'planned_sign_on', pg_temp.some(p_share, '{2026,2026-05,2026-05-06}'::text[]),
        'office', pg_temp.some(p_share / 3, '{chengguan,城关镇}'::text[]), 'park', pg_temp.some(p_share / 3, '{jingkai,经济开发区}'::text[]))) $$;
CREATE TEMP TABLE sheet AS SELECT n + 1 AS row, '同行（' || n || '）项目' AS name,
        pg_temp.draw(n, 0.3) || jsonb_strip_nulls(jsonb_build_object('name', ' 同行（' || n || '）项目', 'investor', pg_temp.some(0.7, ARRAY['同行投资' || n || '公司']),
            'stage', pg_temp.some(0.8, '{lead,线索,signed,talks,concept,在谈,started,suspended}'::text[])))
        || coalesce(pg_temp.some(0.3, ARRAY[jsonb_build_object('source', '同源', 'external_id', 'same-' || n)]), '{}')
        || coalesce(pg_temp.some(0.15, ARRAY['{"industry":"Z9"}', '{"name":""}', '{"amount_total":-1}', '{"planned_sign_on":"2026-02-30"}', '{"office":"dongshan"}', '{"currency":"x"}']::jsonb[]), '{}') AS born,
        pg_temp.draw(n, 0.15) || jsonb_strip_nulls(jsonb_build_object('stage', pg_temp.some(0.4, '{intent,talks,签约,exited}'::text[]), 'name', pg_temp.some(0.1, ARRAY['同行（' || n || '）项目', '改名' || n])))
        || coalesce(pg_temp.some(0.1, ARRAY['{"class":"Z9"}', '{"name":""}', '{"office":"dongshan"}']::jsonb[]), '{}') AS turned,
        ARRAY(SELECT c FROM unnest('{jobs,tags,investor,contact_phone,restricted}'::text[]) c WHERE random() < 0.1) AS clear
    FROM generate_series(1, 200) n;
UPDATE sheet SET clear = nullif(ARRAY(SELECT c FROM unnest(clear) c WHERE NOT turned ? c), '{}');
-- one by one, or all at once; what became of each row: the code, field and sentence of a refusal
CREATE FUNCTION pg_temp.singly(p_who text, p_turn boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    told jsonb := '[]';
    e api.error;
    x record;
BEGIN
    FOR x IN SELECT s.*, p.id, p.version FROM sheet s LEFT JOIN registry.project p ON p.name = s.name ORDER BY s.row LOOP
        CONTINUE WHEN p_turn AND x.id IS NULL;
        e := CASE WHEN p_turn THEN (pg_temp.edit(p_who, x.version, x.id, x.turned, x.clear)).error ELSE (pg_temp.add(p_who, x.born)).error END;
        told := told || jsonb_build_array(jsonb_build_array(x.row, e.code, e.field, e.message));
    END LOOP;
    RETURN told;
END $$;
CREATE FUNCTION pg_temp.at_once(p_who text, p_turn boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    i CONSTANT text := (api.import_open(pg_temp.acc(p_who), 'en', pg_temp.req(), '\x00', sha256(random()::text::bytea), 'f.csv', '同表', 'm', NULL, NULL, NULL)).id;
    r api.import_reply;
BEGIN
    r := api.import_put(pg_temp.acc(p_who), 'en', pg_temp.req(), '\x00', i, 0, (
        SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('row', s.row, 'version', CASE WHEN p_turn THEN p.version END, 'clear', CASE WHEN p_turn THEN to_jsonb(s.clear) END,
            'set', CASE WHEN p_turn THEN s.turned || jsonb_build_object('id', p.id) ELSE s.born END)) ORDER BY s.row)
        FROM sheet s LEFT JOIN registry.project p ON p.name = s.name WHERE p.id IS NOT NULL OR NOT p_turn));
    r := api.import_commit(pg_temp.acc(p_who), 'en', pg_temp.req(), '\x00', i, true, NULL);
    IF (r.error).code IS NOT NULL THEN
        RAISE EXCEPTION '%', r.error;
    END IF;
    RETURN (SELECT jsonb_agg(jsonb_build_array(v.row, v.code, v.field, CASE WHEN v.code IS NOT NULL THEN v.message END) ORDER BY v.row)
            FROM registry.import_verdict v WHERE v.import = i);
END $$;
-- all that the registry holds of these projects
CREATE FUNCTION pg_temp.held() RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_object_agg(s.row, jsonb_build_object(
        'row', to_jsonb(p) - '{id,no,registered_at,changed_at,find_key}'::text[], 'search', replace(p.find_key, registry.norm(p.no), 'NO'),
        'changes', (SELECT jsonb_agg(jsonb_build_array(c.version, c.fields - '2', c.image - '2', c.audience, c.audience_old) ORDER BY c.version) FROM registry.change c WHERE c.object = p.id),
        'stages', (SELECT jsonb_agg(to_jsonb(e) - '{project,at}'::text[] ORDER BY e.version) FROM registry.stage_event e WHERE e.project = p.id),
        'pace', (SELECT to_jsonb(y) - 'project' FROM registry.pace y WHERE y.project = p.id),
        'contact', (SELECT to_jsonb(y) - 'project' FROM registry.contact y WHERE y.project = p.id),
        'steps', (SELECT jsonb_agg(to_jsonb(t) - '{id,project,no,recorded_at,changed_at}'::text[] || jsonb_build_object('journal', (
                SELECT jsonb_agg(jsonb_build_array(c.version, c.fields - ids, c.image - ids, c.audience) ORDER BY c.version) FROM registry.change c WHERE c.object = t.id))
            ORDER BY t.project_version) FROM registry.step t WHERE t.project = p.id)))
    FROM sheet s JOIN registry.change b ON b.kind = 'project' AND b.version = 1 AND b.fields -> '4' ->> 1 = s.name JOIN registry.project p ON p.id = b.object,
        LATERAL (SELECT array_agg(f.number::text) AS ids FROM registry.field f WHERE f.kind = 'step' AND f.name IN ('project', 'no', 'recorded_at')) i $$;

\set who chengguan
BEGIN;
SELECT pg_temp.singly(:'who', false) AS told_1 \gset
SELECT pg_temp.held() AS held_1 \gset
ROLLBACK;
BEGIN;
SELECT pg_temp.at_once(:'who', false) AS told_2 \gset
SELECT pg_temp.held() AS held_2 \gset
ROLLBACK;
CREATE FUNCTION pg_temp.differ(a jsonb, b jsonb) RETURNS TABLE ("row" text, what text, singly jsonb, at_once jsonb) LANGUAGE sql AS $$
    SELECT coalesce(x.key, y.key), coalesce(k, '-'), x.value -> k, y.value -> k
    FROM jsonb_each(a) x FULL JOIN jsonb_each(b) y ON y.key = x.key LEFT JOIN LATERAL jsonb_object_keys(x.value || y.value) k ON true
    WHERE x.value -> k IS DISTINCT FROM y.value -> k OR x.key IS NULL OR y.key IS NULL $$;
SELECT cmp_ok((SELECT count(*) FROM jsonb_object_keys(:'held_1')), '>', 100::bigint, 'most are registered');
SELECT cmp_ok((SELECT count(*) FROM jsonb_array_elements(:'told_1') t WHERE t ->> 1 IS NOT NULL), '>', 5::bigint, 'some are refused');
SELECT results_eq($$ SELECT * FROM jsonb_array_elements($$ || quote_literal(:'told_2') || $$) $$, $$ SELECT * FROM jsonb_array_elements($$ || quote_literal(:'told_1') || $$) $$, 'each as by itself');
SELECT is_empty(format('SELECT * FROM pg_temp.differ(%L, %L)', :'held_1', :'held_2'), 'and all that is known of them is the same');

SELECT pg_temp.singly(:'who', false) \g /dev/null
BEGIN;
SELECT pg_temp.singly(:'who', true) AS told_1 \gset
SELECT pg_temp.held() AS held_1 \gset
ROLLBACK;
BEGIN;
SELECT pg_temp.at_once(:'who', true) AS told_2 \gset
SELECT pg_temp.held() AS held_2 \gset
ROLLBACK;
SELECT cmp_ok((SELECT count(*) FROM jsonb_each(:'held_1') x WHERE (x.value #>> '{row,version}')::int > 1), '>', 80::bigint, 'most of them are changed');
SELECT cmp_ok((SELECT count(*) FROM jsonb_array_elements(:'told_1') t WHERE t ->> 1 IS NOT NULL), '>', 5::bigint, 'some are not');
SELECT results_eq($$ SELECT * FROM jsonb_array_elements($$ || quote_literal(:'told_2') || $$) $$, $$ SELECT * FROM jsonb_array_elements($$ || quote_literal(:'told_1') || $$) $$, 'each as by itself');
SELECT is_empty(format('SELECT * FROM pg_temp.differ(%L, %L)', :'held_1', :'held_2'), 'and what became of them is the same');
SELECT * FROM finish();
