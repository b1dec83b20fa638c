-- SPDX-License-Identifier: Apache-2.0
-- Conventions: every operation has its function, every message its type, nothing is open to the public.
\i sql/test/helper.psql
CREATE TEMP TABLE line (n serial, t text);
\copy line (t) FROM 'proto/qipan.proto' WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')
-- message, field
CREATE TEMP TABLE proto AS
SELECT m.name AS message, f[4] AS field, f[1] = 'repeated' AS repeated, f[2] AS type, f[5]::int AS number
FROM (SELECT n, t, (SELECT (regexp_match(x.t, '^message (\w+)'))[1] FROM line x WHERE x.n <= l.n AND x.t ~ '^message '
                    ORDER BY x.n DESC LIMIT 1) AS name
      FROM line l) m
CROSS JOIN LATERAL regexp_match(m.t, '^  (optional|repeated) ((\w+)) (\w+) = (\d+)') f
WHERE f IS NOT NULL;
CREATE TEMP TABLE def (t text);
\copy def FROM 'proto/ops.def' WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')
CREATE TEMP TABLE op AS
SELECT x[1] AS name, x[2] AS request, x[3] AS reply, x[4] AS lane
FROM def CROSS JOIN LATERAL regexp_match(t, '^OP\(\d+, (\w+), (\w+), (\w+), (\w+),') x WHERE x IS NOT NULL;
CREATE FUNCTION pg_temp.snake(t text) RETURNS text LANGUAGE sql AS $$
    SELECT lower(regexp_replace(t, '([a-z])([A-Z])', '\1_\2', 'g')) $$;
CREATE FUNCTION pg_temp.sql_type(type text, field text, repeated boolean, request boolean) RETURNS text LANGUAGE sql AS $$
    SELECT CASE
        WHEN type = 'string' THEN 'text' WHEN type = 'bool' THEN 'boolean' WHEN type = 'bytes' THEN 'bytea'
        WHEN type IN ('int32', 'uint32') THEN 'integer'
        WHEN type = 'int64' AND field ~ '(^|_)at$' THEN 'timestamp with time zone'
        WHEN type IN ('int64', 'fixed64') THEN 'bigint'
        WHEN request THEN 'jsonb'
        ELSE 'api.' || pg_temp.snake(type) END
        || CASE WHEN repeated AND (NOT request OR type IN ('string', 'int32')) THEN '[]' ELSE '' END $$;
SELECT plan(22);

SELECT cmp_ok((SELECT count(*) FROM op)::int, '>=', 18, 'ops.def was read');
SELECT cmp_ok((SELECT count(*) FROM proto)::int, '>', 200, 'qipan.proto was read');

SELECT is_empty($$ SELECT name FROM op WHERE lane <> 'FEED'
    AND (SELECT count(*) FROM pg_proc p WHERE p.pronamespace = 'api'::regnamespace AND p.proname = op.name) <> 1 $$,
    'every operation has one function');
-- parameters = fields of the request, by name and type
SELECT is_empty($$ SELECT o.name, q.field FROM op o JOIN proto q ON q.message = o.request
    LEFT JOIN LATERAL (SELECT format_type(t.type, NULL) AS type FROM pg_proc p,
            unnest(p.proargtypes::oid[]) WITH ORDINALITY t(type, n)
        WHERE p.pronamespace = 'api'::regnamespace AND p.proname = o.name AND p.proargnames[t.n] = q.field) a ON true
    WHERE o.lane <> 'FEED' AND a.type IS DISTINCT FROM pg_temp.sql_type(q.type, q.field, q.repeated, true) $$,
    'every field of a request is a parameter of its type');
SELECT is_empty($$ SELECT o.name, a.name FROM op o JOIN pg_proc p ON p.pronamespace = 'api'::regnamespace AND p.proname = o.name
    CROSS JOIN LATERAL (SELECT p.proargnames[n] AS name FROM generate_series(1, p.pronargs) n) a
    WHERE a.name NOT IN ('p_account', 'p_lang', 'p_request', 'p_digest', 'p_base', 'p_identity', 'p_serial')
      AND NOT EXISTS (SELECT FROM proto q WHERE q.message = o.request AND q.field = a.name) $$,
    'no parameter is unknown to the request');
SELECT is_empty($$ SELECT o.name FROM op o JOIN pg_proc p ON p.pronamespace = 'api'::regnamespace AND p.proname = o.name
    WHERE o.lane IN ('EDIT', 'BULK', 'OFFICE') AND NOT p.proargnames @> '{p_account,p_lang,p_request,p_digest}' $$,
    'what writes takes account, language, request id and digest');
SELECT is_empty($$ SELECT o.name, format_type(p.prorettype, NULL) FROM op o
    JOIN pg_proc p ON p.pronamespace = 'api'::regnamespace AND p.proname = o.name
    WHERE format_type(p.prorettype, NULL) <> 'api.' || pg_temp.snake(o.reply) $$, 'every function returns its reply type');
-- twins, for whole groups: <operation>s
CREATE TEMP TABLE twin AS SELECT o.name, p.oid AS one, t.oid AS many FROM op o
    JOIN pg_proc p ON p.pronamespace = 'api'::regnamespace AND p.proname = o.name
    JOIN pg_proc t ON t.pronamespace = 'api'::regnamespace AND t.proname = o.name || 's';
CREATE FUNCTION pg_temp.params(f oid) RETURNS TABLE (name text, type text) LANGUAGE sql AS $$
    SELECT p.proargnames[u.n], format_type(u.type, NULL) FROM pg_proc p, unnest(p.proargtypes::oid[]) WITH ORDINALITY u(type, n) WHERE p.oid = f $$;
SELECT is_empty($$ SELECT w.name, m.name, m.type FROM twin w, pg_temp.params(w.many) m
    WHERE NOT EXISTS (SELECT FROM pg_temp.params(w.one) o WHERE o.name = m.name AND o.type || '[]' = m.type)
    UNION ALL SELECT w.name, o.name, o.type FROM twin w, pg_temp.params(w.one) o
    WHERE o.type !~ '\[\]$' AND NOT EXISTS (SELECT FROM pg_temp.params(w.many) m WHERE m.name = o.name) $$,
    'a twin takes an array for each parameter that is none itself');
SELECT is_empty($$ SELECT w.name FROM twin w JOIN pg_proc o ON o.oid = w.one JOIN pg_proc m ON m.oid = w.many
    WHERE NOT m.proretset OR m.prorettype <> o.prorettype $$, 'and returns the same reply, a row for each element');
-- composites = messages
SELECT is_empty($$ SELECT q.message, q.field FROM proto q
    JOIN pg_type t ON t.typnamespace = 'api'::regnamespace AND t.typname = pg_temp.snake(q.message)
    LEFT JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attname = q.field AND NOT a.attisdropped
    WHERE replace(format_type(a.atttypid, NULL), '"', '') IS DISTINCT FROM pg_temp.sql_type(q.type, q.field, q.repeated, false)
    AND NOT (format_type(a.atttypid, NULL) = 'bytea[]' AND pg_temp.sql_type(q.type, q.field, q.repeated, false) LIKE 'api.%[]') $$,
    'every field of a message is an attribute of its type; rows may be as they are sent');
SELECT is_empty($$ SELECT t.typname, a.attname FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0
    WHERE t.typnamespace = 'api'::regnamespace AND t.typtype = 'c' AND a.attname <> 'error'
      AND NOT EXISTS (SELECT FROM proto q WHERE pg_temp.snake(q.message) = t.typname AND q.field = a.attname) $$,
    'no attribute is unknown to its message');
SELECT set_eq($$ SELECT 'project', number, name FROM registry.field WHERE kind = 'project'
                 UNION ALL SELECT kind, number, name FROM registry.field WHERE kind <> 'project' $$,
              $$ SELECT lower(message), number, field FROM proto WHERE lower(message) = ANY (registry.watched_kinds()) $$,
    'registry.field has the numbers and names of qipan.proto');
SELECT is_empty($$ SELECT k.code FROM registry.kind k WHERE k.record AND NOT EXISTS (SELECT FROM registry.text t WHERE t.key = 'kind.' || k.code) $$,
    'people have a word for every kind of record');
SELECT is_empty($$ SELECT f.kind, f.name FROM registry.field f WHERE f.code_kind IS NOT NULL AND f.code_kind NOT IN ('office', 'stage', 'park', 'node')
    AND NOT EXISTS (SELECT FROM registry.code c WHERE c.kind = f.code_kind) $$, 'every kind of code has codes');
-- security
SELECT is_empty($$ SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'api'::regnamespace
    AND NOT (p.prosecdef AND p.provolatile = 'v' AND pg_get_userbyid(p.proowner) = 'qipan_owner'
             AND p.proconfig @> ARRAY['search_path=registry, api, pg_temp', 'qipan.entry=']) $$,
    'api functions: SECURITY DEFINER, pinned search_path, own entry, owner qipan_owner');
SELECT is_empty($$ SELECT p.oid::regprocedure FROM pg_proc p WHERE p.prosecdef AND p.pronamespace = 'registry'::regnamespace
    AND NOT p.proconfig @> ARRAY['search_path=registry, api, pg_temp'] $$, 'trigger functions pin search_path too');
SELECT is_empty($$ SELECT p.oid::regprocedure FROM pg_proc p
    WHERE p.pronamespace IN ('api'::regnamespace, 'registry'::regnamespace)
      AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) x WHERE x.grantee = 0)) $$,
    'nobody executes anything by being PUBLIC');
SELECT is_empty($$ SELECT p.oid::regprocedure, r.rolname FROM pg_proc p, pg_roles r WHERE p.proname ~ '^pg_(try_)?advisory_'
    AND r.rolname IN ('qipan_daemon', 'qipan_reader') AND has_function_privilege(r.oid, p.oid, 'EXECUTE') $$,
    'no stranger holds up everybody by an advisory lock');
SELECT is_empty($$ SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'registry'::regnamespace AND c.relkind IN ('r', 'v', 'S')
    AND (has_table_privilege('qipan_daemon', c.oid, 'SELECT') OR has_table_privilege('qipan_daemon', c.oid, 'INSERT'))  $$,
    'qipan_daemon touches no table');
SELECT ok(NOT has_table_privilege('qipan_reader', 'registry.contact', 'SELECT')
    AND NOT has_table_privilege('qipan_reader', 'registry.entry', 'SELECT')
    AND has_table_privilege('qipan_reader', 'registry.project_report', 'SELECT'), 'qipan_reader reads reports, no contacts');
SET ROLE qipan_reader;
SELECT lives_ok('SELECT * FROM registry.project_report', 'and can do so');
RESET ROLE;
SELECT is_empty($$ SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_attribute a
    ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = 'registry.project'::regclass AND a.attname IN ('version', 'changed_at', 'summary', 'jobs', 'amount_fixed', 'tags', 'auto_tags', 'contact_name_mark') $$,
    'what changes often is in no index of project');
SELECT * FROM finish();
