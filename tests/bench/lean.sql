-- SPDX-License-Identifier: Apache-2.0
-- The least that somebody at home in PostgreSQL would write by hand: two tables of his own, like ours in columns and indexes (all that an
-- import of projects fills: keys, search, names, office and stage), and like hand.sql one COPY and one validating INSERT … SELECT, which journals
-- with a statement of its own what it wrote. -v make=1 makes the tables with the county's projects in them; :file is what to load.
SET client_min_messages = warning;
SET enable_seqscan = on;
SET work_mem = '64MB';
\if :{?make}
CREATE SCHEMA lean;
CREATE TABLE lean.project (LIKE registry.project INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES);
CREATE TABLE lean.change (LIKE registry.change INCLUDING DEFAULTS INCLUDING INDEXES);
ALTER TABLE lean.project ADD FOREIGN KEY (office) REFERENCES registry.office (code);
CREATE SEQUENCE lean.no;
INSERT INTO lean.project SELECT * FROM registry.project WHERE source IS NULL;
VACUUM ANALYZE lean.project;
\else
BEGIN;
CREATE TEMP TABLE hand (external_id text, name text, investor text, stage text, amount_total text, industry text, planned text);
\set copy '\\copy hand FROM ' :'file' ' CSV HEADER'
:copy
ANALYZE hand;
WITH good AS (
    SELECT 'p' || gen_random_uuid() AS id, 'H-' || nextval('lean.no') AS no, btrim(h.name) AS name, nullif(btrim(h.investor), '') AS investor, s.code AS stage, h.external_id,
        CASE WHEN h.amount_total LIKE '%万元' THEN rtrim(h.amount_total, '万元')::numeric * 1000000 ELSE h.amount_total::numeric * 100 END AS amount_total,
        c.code AS industry, h.planned, registry.norm(h.name) AS name_key, registry.norm(h.investor) AS investor_key
    FROM hand h JOIN registry.stage s ON s.rule_set = (SELECT r.id FROM registry.rule_set r WHERE r.in_force) AND (s.code = h.stage OR s.zh = h.stage)
    JOIN registry.code c ON c.kind = 'industry' AND c.code = h.industry
    WHERE btrim(h.name) <> '' AND h.planned ~ '^20[0-9][0-9](-[01][0-9]){0,1}$' AND h.amount_total ~ '^[0-9.]+(万元)?$'
      AND NOT EXISTS (SELECT FROM lean.project p WHERE p.source = 'hand' AND p.external_id = h.external_id)
      AND NOT EXISTS (SELECT FROM lean.project p WHERE p.name_key = registry.norm(h.name) AND p.investor_key = registry.norm(h.investor))),
born AS (
    INSERT INTO lean.project (id, no, version, name, investor, office, stage, source, external_id, amount_total, currency, industry, planned_start_on, registered_at,
        changed_at, name_key, investor_key, find_key)
    SELECT id, no, 1, name, investor, 'bureau', stage, 'hand', external_id, amount_total, 'CNY', industry, planned, now(), now(), name_key, investor_key,
        name_key || '|' || investor_key || '|' || no || '|' || external_id
    FROM good RETURNING *)
INSERT INTO lean.change (grp, idx, ord, kind, object, version, fields, image)
SELECT txid_current(), row_number() OVER (), 0, 'project', id, 1, jsonb_build_object('name', name, 'investor', investor, 'stage', stage, 'source', source, 'external_id', external_id,
    'amount_total', amount_total, 'industry', industry, 'planned_start_on', planned_start_on), jsonb_build_object('name', name, 'investor', investor, 'stage', stage,
    'industry', industry, 'amount_total', amount_total) FROM born;
COMMIT;
\endif
