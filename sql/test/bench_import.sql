-- SPDX-License-Identifier: Apache-2.0
-- 20 000 simple rows: put in chunks of 100, judged, committed, and the same file once more.
\timing on
SELECT pg_backend_pid() AS pid \gset
\setenv BACKEND :pid
SELECT id AS clerk FROM registry.account WHERE code = 'chengguan' \gset
SELECT id AS imp FROM api.import_open(:clerk, 'zh', 'bo', '\x00', decode(repeat('cd', 32), 'hex'), 'f.csv', 'sheet', 'm', NULL, NULL, 20000) \gset
\! awk '{ print "cpu so far: " ($14 + $15) / 100 " s" }' /proc/$BACKEND/stat
\echo put
DO $$
DECLARE
    i text := (SELECT id FROM registry.import);
    a int := (SELECT account FROM registry.import);
BEGIN
    FOR c IN 0 .. 199 LOOP
        PERFORM api.import_put(a, 'zh', 'p' || c, '\x00', i, c, (SELECT jsonb_agg(jsonb_build_object('row', c * 100 + k, 'set',
            jsonb_build_object('name', '导入的某某新能源项目' || (c * 100 + k), 'investor', '某某实业有限公司' || (c * 100 + k) % 1000,
            'external_id', 'x' || (c * 100 + k), 'amount_total', 100000 * k, 'industry', 'C38', 'stage', 'signed',
            'signed_on', '2026-03-0' || (1 + k % 9), 'site', '某某镇', 'tags', jsonb_build_array('链'), 'land_mu', '12.5')))
            FROM generate_series(1, 100) k));
    END LOOP;
END $$;
\! awk '{ print "cpu so far: " ($14 + $15) / 100 " s" }' /proc/$BACKEND/stat
\echo judge
SELECT rows, added, updated, unchanged, rejected FROM api.import_judge(:clerk, 'zh', 'bj', '\x00', :'imp');
\! awk '{ print "cpu so far: " ($14 + $15) / 100 " s" }' /proc/$BACKEND/stat
\echo commit
SELECT rows, added, updated, unchanged, rejected FROM api.import_commit(:clerk, 'zh', 'bc', '\x00', :'imp', NULL, NULL);
SELECT status FROM api.import_open(:clerk, 'zh', 'bo', '\x00', decode(repeat('cd', 32), 'hex'), 'f.csv', 'sheet', 'm', NULL, NULL, 20000);
\! awk '{ print "cpu so far: " ($14 + $15) / 100 " s" }' /proc/$BACKEND/stat
\echo judge again
SELECT rows, added, updated, unchanged, rejected FROM api.import_judge(:clerk, 'zh', 'bj', '\x00', :'imp');
\! awk '{ print "cpu so far: " ($14 + $15) / 100 " s" }' /proc/$BACKEND/stat
\echo commit again
SELECT rows, added, updated, unchanged, rejected FROM api.import_commit(:clerk, 'zh', 'bd', '\x00', :'imp', NULL, NULL);
\! awk '{ print "cpu so far: " ($14 + $15) / 100 " s" }' /proc/$BACKEND/stat
\echo search, list, journal
SELECT total, cardinality(rows), next IS NOT NULL FROM api.project_list(:clerk, 'zh', NULL, '源项', NULL, NULL, NULL, NULL);
SELECT total, cardinality(rows) FROM api.project_list(:clerk, 'zh', NULL, '项目199', NULL, NULL, NULL, NULL);
SELECT total, cardinality(rows) FROM api.project_list(:clerk, 'zh', '[{"field":"amount_total","op":">","values":["1000"]}]', NULL, NULL, NULL, NULL, NULL);
SELECT cardinality(rows) FROM api.journal_read(2001, 100);
SELECT cardinality(rows) FROM api.journal_page((SELECT max(rev) FROM registry.txn), NULL, 500);
