-- SPDX-License-Identifier: Apache-2.0
-- An import by hand, as somebody at home in PostgreSQL would do it: COPY into a table without rules, then one INSERT … SELECT that reads words
-- as codes and 万元 as fen, leaves out what doesn't fit and what is there, journalled by the registry's row triggers. :file is what to load.
SET enable_seqscan = on;
SET work_mem = '64MB';
BEGIN;
CREATE TEMP TABLE hand (external_id text, name text, investor text, stage text, amount_total text, industry text, planned text);
\set copy '\\copy hand FROM ' :'file' ' CSV HEADER'
:copy
ANALYZE hand;
INSERT INTO registry.project (name, investor, office, stage, source, external_id, amount_total, industry, planned_start_on)
SELECT btrim(h.name), nullif(btrim(h.investor), ''), 'bureau', s.code, 'hand', h.external_id,
    CASE WHEN h.amount_total LIKE '%万元' THEN rtrim(h.amount_total, '万元')::numeric * 1000000 ELSE h.amount_total::numeric * 100 END, c.code, h.planned
FROM hand h JOIN registry.stage s ON s.rule_set = registry.rule_set_in_force() AND (s.code = h.stage OR s.zh = h.stage)
JOIN registry.code c ON c.kind = 'industry' AND c.code = h.industry
WHERE btrim(h.name) <> '' AND h.planned ~ '^20[0-9][0-9](-[01][0-9]){0,1}$' AND h.amount_total ~ '^[0-9.]+(万元)?$'
  AND NOT EXISTS (SELECT FROM registry.project p WHERE p.source = 'hand' AND p.external_id = h.external_id)
  AND NOT EXISTS (SELECT FROM registry.project p WHERE p.name_key = registry.norm(h.name) AND p.investor_key = registry.norm(h.investor));
COMMIT;
