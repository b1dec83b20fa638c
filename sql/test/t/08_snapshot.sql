-- SPDX-License-Identifier: Apache-2.0
-- Snapshot pages: every object once, in order, whole, as of its revision; what changed behind a place.
\i sql/test/helper.psql
CREATE FUNCTION pg_temp.page(who text, terms jsonb, after text, since bigint, objects text[], n int) RETURNS api.snapshot_page_reply LANGUAGE sql AS $$
    SELECT api.snapshot_page(pg_temp.acc(who), 'zh', terms, after, since, objects, n) $$;
-- all pages, as a table; `page` counts them
CREATE FUNCTION pg_temp.snapshot(who text, terms jsonb DEFAULT NULL, since bigint DEFAULT NULL, objects text[] DEFAULT NULL, n int DEFAULT 500)
RETURNS TABLE (page int, place int, e api.event) LANGUAGE plpgsql AS $$
DECLARE
    r api.snapshot_page_reply;
BEGIN
    FOR i IN 1 .. 10000 LOOP
        r := pg_temp.page(who, terms, r.next, since, objects, n);
        IF (r.error).code IS NOT NULL THEN
            RAISE EXCEPTION '%', (r.error).code;
        END IF;
        FOR j IN 1 .. coalesce(cardinality(r.rows), 0) LOOP
            page := i; place := j; e := r.rows[j];
            RETURN NEXT;
        END LOOP;
        EXIT WHEN r.next IS NULL;
    END LOOP;
END $$;
CREATE FUNCTION pg_temp.value(e api.event, number int) RETURNS text LANGUAGE sql AS $$ SELECT v.value FROM unnest(e.row) v WHERE v.number = $2 $$;

SELECT (pg_temp.add('chengguan', '{"name":"快照一","amount_total":35000000000,"tags":["链","新"],"land_mu":"3.10","industry":"C38","summary":"说明","contact_name":"密","contact_phone":"123"}')).project.id AS a \gset
SELECT (pg_temp.add('dongshan', '{"name":"快照二","park":"jingkai"}')).project.id AS b \gset
SELECT (api.enterprise_add(pg_temp.acc('dongshan'), 'zh', pg_temp.req(), '\x00', '{"name":"快照企业","region":"33"}', NULL)).enterprise.id AS f \gset
SELECT (pg_temp.edit('bureau', NULL, :'a', '{"jobs":7}')).error \g /dev/null
SELECT max(rev) AS w FROM registry.txn \gset

SELECT plan(31);
CREATE TEMP TABLE shot AS SELECT * FROM pg_temp.snapshot('chengguan', n => 2);
SELECT results_eq('SELECT (e).object FROM shot ORDER BY page, place',
    'SELECT id FROM (SELECT id FROM registry.project UNION ALL SELECT id FROM registry.enterprise UNION ALL SELECT id FROM registry.receipt UNION ALL SELECT id FROM registry.due UNION ALL SELECT id FROM registry.step) x ORDER BY id',
    'every object of every kind once, in the order of ids');
SELECT is((SELECT max(n) FROM (SELECT count(*) AS n FROM shot GROUP BY page) x), 2::bigint, 'no page larger than asked for');
SELECT is_empty($$ SELECT (e).object FROM shot LEFT JOIN registry.change c ON c.object = (e).object AND c.version = (e).version
    LEFT JOIN registry.txn t ON t.grp = c.grp AND t.rev = (e).rev AND t.tag = (e).tag AND t.epoch = (e).epoch WHERE t.rev IS NULL $$,
    'each with the revision of its last change');
SELECT is_empty('SELECT 1 FROM shot WHERE (e).view <> ''enter'' OR (e).changes IS NOT NULL OR (e).type <> registry.event_type((e).kind, (e).version, ''{}'')', 'as enter, without changes');
SELECT results_eq(format('SELECT v.number, v.value FROM shot, unnest((e).row) v WHERE (e).object = %L ORDER BY 1', :'a'),
    format($$ SELECT f.number, w.value FROM registry.project p, registry.field f, LATERAL (SELECT CASE f.name
            WHEN 'amount_total' THEN '350000000.00' WHEN 'tags' THEN '链,新' WHEN 'auto_tags' THEN array_to_string(p.auto_tags, ',') WHEN 'land_mu' THEN '3.1'
            WHEN 'registered_at' THEN registry.rfc3339(p.registered_at) WHEN 'changed_at' THEN registry.rfc3339(p.changed_at)
            WHEN 'contact_name' THEN '密' WHEN 'contact_phone' THEN '123' ELSE to_jsonb(p) ->> f.name END AS value) w
        WHERE p.id = %L AND f.kind = 'project' AND w.value IS NOT NULL ORDER BY 1 $$, :'a'), 'all fields as canonical text');
SELECT row_eq(format('SELECT (e).actor, (e).office, (e).version FROM shot WHERE (e).object = %L', :'a'), ROW('bureau'::text, 'bureau'::text, 2::bigint), 'who changed it last');
SELECT is((SELECT pg_temp.value(e, 45) FROM pg_temp.snapshot('dongshan') WHERE (e).object = :'a'), NULL, 'contacts of others stay hidden');
SELECT is((SELECT pg_temp.value(e, 45) FROM pg_temp.snapshot('bureau') WHERE (e).object = :'a'), '123', 'not from the bureau');
SELECT is((SELECT pg_temp.value(e, 44) FROM pg_temp.snapshot('leader') WHERE (e).object = :'a'), NULL, 'but from its leader');
SELECT is((pg_temp.page('sysadmin', NULL, NULL, NULL, NULL, 5)).rows, NULL, 'nothing for officers');
SELECT is((pg_temp.page('leader', '[{"field":"stage","op":"=","values":["gone"]}]', NULL, NULL, NULL, 5)).error.code, 'INVALID_ARGUMENT', 'terms are looked at');
SELECT row_eq('SELECT (r).rows, (r).next, (r).error FROM (SELECT pg_temp.page(''leader'', NULL, ''~'', NULL, NULL, 5) AS r OFFSET 0) x',
    ROW(NULL::api.event[], NULL::text, NULL::api.error), 'behind the last there is nothing');
SELECT is((SELECT count(*) FROM pg_temp.snapshot('leader', n => -5)), (SELECT count(*) FROM shot), 'a limit that can''t be is 1');
-- terms mean here what they mean to the feed
CREATE FUNCTION pg_temp.ids(terms jsonb) RETURNS text[] LANGUAGE sql AS $$
    SELECT array_agg((e).object ORDER BY (e).object) FROM pg_temp.snapshot('leader', terms) $$;
SELECT is(pg_temp.ids('[{"field":"office","op":"=","values":["dongshan"]},{"field":"park","op":"=","values":["jingkai"]}]'),
    (SELECT array_agg(id ORDER BY id) FROM registry.project WHERE office = 'dongshan' AND park = 'jingkai'), 'terms are joined by and');
SELECT is(pg_temp.ids(format('[{"field":"project","op":"=","values":["%s","%s"]}]', :'b', (SELECT no FROM registry.project WHERE id = :'a'))::jsonb),
    (SELECT array_agg(x ORDER BY x) FROM unnest(ARRAY[:'a', :'b']) x), 'a project by id or number');
SELECT is(pg_temp.ids('[{"field":"kind","op":"=","values":["enterprise"]}]'), (SELECT array_agg(id ORDER BY id) FROM registry.enterprise), 'a kind');
SELECT is(pg_temp.ids('[{"field":"kind","op":"!=","values":["project","receipt","due","step"]}]'), (SELECT array_agg(id ORDER BY id) FROM registry.enterprise), 'all other kinds');
SELECT is(pg_temp.ids('[{"field":"region","op":"=","values":["33"]},{"field":"stage","op":"=","values":[""]}]'),
    (SELECT array_agg(id ORDER BY id) FROM registry.enterprise WHERE region LIKE '33%'), 'a field that a kind doesn''t have is empty');
SELECT is(pg_temp.ids('[{"field":"amount_total","op":">=","values":["300000000"]}]'),
    (SELECT array_agg(id ORDER BY id) FROM registry.project WHERE amount_total >= 30000000000), 'amounts');
SELECT ok(NOT pg_temp.ids('[{"field":"amount_total","op":"!=","values":["350000000"]}]') && ARRAY[:'a'] AND pg_temp.ids('[{"field":"amount_total","op":"!=","values":["350000000"]}]') @> ARRAY[:'b', :'f'],
    'unequal takes those without, too');
-- what changed behind a place
SELECT (pg_temp.edit('bureau', NULL, :'b', '{"jobs":8}')).error \g /dev/null
SELECT (pg_temp.edit('bureau', NULL, :'b', '{"jobs":9}')).error \g /dev/null
SELECT (pg_temp.add('dongshan', '{"name":"快照三"}')).project.id AS c \gset
SELECT max(rev) AS now FROM registry.txn \gset
SELECT results_eq(format('SELECT (e).object, (e).view, (e).version FROM pg_temp.snapshot(''leader'', NULL, %s)', :w),
    format('SELECT * FROM (VALUES (%L::text, ''enter''::text, 3::bigint), (%L, ''enter'', 1)) v(i, w, n) ORDER BY i', :'b', :'c'), 'each changed object once, as it is now');
SELECT is((SELECT (e).rev FROM pg_temp.snapshot('leader', NULL, :w) WHERE (e).object = :'b'), :now - 1::bigint, 'with its last revision');
SELECT is((SELECT count(*) FROM pg_temp.snapshot('leader', NULL, :now)), 0::bigint, 'behind the last nothing changed');
SELECT results_eq(format('SELECT (e).object, (e).view, (e).row IS NULL, (e).kind FROM pg_temp.snapshot(''leader'', %L, %s, ARRAY[%L, %L, ''pgone'', ''egone'', ''?''])',
        '[{"field":"office","op":"=","values":["chengguan"]}]', :w, :'a', :'f'),
    format('SELECT * FROM (VALUES (%L::text, ''enter''::text, false, ''project''::text), (%L, ''leave'', true, ''project''), (%L, ''leave'', true, ''project''), (%L, ''leave'', true, ''enterprise''),
        (''pgone'', ''leave'', true, ''project''), (''egone'', ''leave'', true, ''enterprise''), (''?'', ''leave'', true, NULL)) v(i, w, x, k) ORDER BY i', :'a', :'b', :'c', :'f'),
    'what the terms don''t choose, or what is not there, leaves');
SELECT is((SELECT count(*) FROM pg_temp.snapshot('leader', NULL, 0, NULL, 3)), (SELECT count(*) + 1 FROM shot), 'everything changed since the beginning');
SELECT is((SELECT array_agg((e).object) FROM pg_temp.snapshot('leader', NULL, :now, ARRAY[:'a', :'a', :'b'], 1)),
    (SELECT array_agg(x ORDER BY x) FROM unnest(ARRAY[:'a', :'b']) x), 'an object named twice comes once');
-- many: more than a page may look at
INSERT INTO registry.project (name, office, stage, summary) SELECT '众' || i, CASE WHEN i % 1000 = 0 THEN 'fagai' ELSE 'chengguan' END, 'lead', '长' FROM generate_series(1, 5100) i;
SELECT is((SELECT count(*) FROM pg_temp.snapshot('leader', NULL, :now)), 5100::bigint, 'many changes, one by one');
SELECT is((SELECT count(*) FROM pg_temp.snapshot('leader', NULL, :now, ARRAY['pgone', :'a'])), 5102::bigint, 'and what was asked for besides');
SELECT is((SELECT array_agg((e).object ORDER BY page, place) FROM pg_temp.snapshot('leader', '[{"field":"office","op":"=","values":["fagai"]}]', :w) WHERE (e).view = 'enter'),
    (SELECT array_agg(id ORDER BY id) FROM registry.project WHERE office = 'fagai'), 'with terms');
-- large ones
INSERT INTO registry.project (name, office, stage, summary) SELECT '长' || i, 'dongshan', 'lead', repeat('长', 1000) FROM generate_series(1, 60) i;
SELECT cmp_ok((SELECT max(bytes) FROM (SELECT sum(octet_length(v.value) + 8) AS bytes FROM pg_temp.snapshot('leader', '[{"field":"office","op":"=","values":["dongshan"]}]'), unnest((e).row) v GROUP BY page) x), '<', 44000::bigint, 'a page fits into a frame');
SELECT cmp_ok((SELECT min(n) FROM (SELECT count(*) AS n FROM pg_temp.snapshot('leader', '[{"field":"office","op":"=","values":["dongshan"]}]') GROUP BY page HAVING max((e).object) < (SELECT max(id) FROM registry.project WHERE office = 'dongshan')) x), '>', 5::bigint, 'and isn''t much smaller than that');
SELECT * FROM finish();
