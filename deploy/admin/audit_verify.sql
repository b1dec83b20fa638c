-- SPDX-License-Identifier: Apache-2.0
-- qipan-admin audit verify: recomputes both chains (sql/README.md, "Audit") with built-ins and pgcrypto only, since whoever
-- tampers with tables may tamper with functions. Needs psql -At -v anchors=FILE ('' = none) -v now=INSTANT, the verifier's
-- own; stdin has the anchors, whose form qipan-admin has looked at. Prints what was counted, then a line "! place: what was
-- done" for each finding, first places first.
\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET search_path = pg_catalog, pg_temp;
SET enable_seqscan = on;
SET plan_cache_mode = auto;
SET jit = off; -- a copy under another name may not have that, and a small registry would take seconds to compile
SELECT n.nspname AS crypto FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = 'digest' AND p.proargtypes[0] = 'bytea'::regtype
JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c' WHERE e.extname = 'pgcrypto' AND p.probin ~ 'pgcrypto' \gset
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT format('CREATE FUNCTION pg_temp.sm3(b bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $f$ SELECT %I.digest(b, ''sm3'') $f$', :'crypto') \gexec
CREATE FUNCTION pg_temp.sm3(t text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT pg_temp.sm3(convert_to(t, 'UTF8')) $$;
CREATE FUNCTION pg_temp.us(t timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT (extract(epoch FROM t) * 1000000)::bigint $$;
CREATE TEMP TABLE finding (part int, place numeric, name text, done text, detail text);

-- clocks of several machines differ by less than this
CREATE FUNCTION pg_temp.slack() RETURNS interval LANGUAGE sql IMMUTABLE AS $$ SELECT interval '5 minutes' $$;
CREATE TEMP TABLE line (i bigint GENERATED ALWAYS AS IDENTITY, t text);
\set has_anchors false
SELECT :'anchors' <> '' AS has_anchors \gset
\if :has_anchors
\copy line (t) FROM pstdin WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')
\endif
CREATE TEMP TABLE anchor AS
SELECT i, (j ->> 'n')::bigint AS n, nullif((j ->> 'rev')::bigint, 0) AS rev, j ->> 'link' AS link, nullif((j ->> 'closing')::bigint, 0) AS closing,
    j ->> 'closing_link' AS closing_link, j ->> 'prev' AS prev, j ->> 'key' AS key, (j ->> 'at')::timestamptz AS at,
    lag((j ->> 'at')::timestamptz) OVER (ORDER BY i) AS prior_at, encode(pg_temp.sm3(t), 'hex') AS hash,
    lag((j ->> 'n')::bigint) OVER (ORDER BY i) AS prior, lag(encode(pg_temp.sm3(t), 'hex')) OVER (ORDER BY i) AS prior_hash
FROM (SELECT i, t, t::jsonb AS j FROM line) x;

-- ---------------------------------------------------------------- revisions

CREATE TEMP TABLE content AS
SELECT coalesce(e.grp, c.grp) AS grp, pg_temp.sm3(e.digest || coalesce(c.digests, '')) AS digest, coalesce(c.n, 0) AS n
FROM (SELECT grp, pg_temp.sm3(string_agg(ROW(account, request, ord, actor, office, op, status, object, version, reason, batch,
          pg_temp.us(at), encode(digest, 'hex'), reply)::text, E'\n' ORDER BY ord)) AS digest
      FROM registry.entry WHERE grp IS NOT NULL GROUP BY grp) e
FULL JOIN (SELECT grp, string_agg(pg_temp.sm3(part), '' ORDER BY k) AS digests, sum(n)::int AS n
      FROM (SELECT grp, idx / 256 AS k, count(*) AS n, string_agg(ROW(idx, ord, kind, object, version, fields, image,
                audience, audience_old)::text, E'\n' ORDER BY idx) AS part
            FROM registry.change GROUP BY grp, idx / 256) x GROUP BY grp) c ON c.grp = e.grp;

-- text: a txn's row behind its number
CREATE TEMP TABLE revision AS
SELECT coalesce(t.rev, c.rev) AS rev, t.rev IS NOT NULL AS there, c.rev IS NOT NULL AS chained, t.kind, t.changes, t.at,
    substr(ROW(t.rev, t.grp, t.epoch, t.tag, t.kind, t.changes, t.bytes, pg_temp.us(t.at), encode(t.digest, 'hex'),
               e.system_identifier, e.timeline, e.void_from, e.start_rev)::text, length(t.rev::text) + 2) AS text,
    t.digest, k.digest AS content, coalesce(k.n, 0) AS n, c.sum, c.link,
    lag(c.link) OVER (ORDER BY c.rev) AS before, coalesce(lag(c.rev) OVER (ORDER BY c.rev), 0) AS prior
FROM registry.txn t FULL JOIN registry.chain c ON c.rev = t.rev
LEFT JOIN registry.epoch e ON e.epoch = t.epoch LEFT JOIN content k ON k.grp = t.grp;
CREATE INDEX ON revision (rev);
ANALYZE revision;
SELECT coalesce(max(rev) FILTER (WHERE there), 0) AS last_rev, coalesce(max(rev) FILTER (WHERE chained), 0) AS last_chained,
    count(*) FILTER (WHERE chained AND there) AS revisions FROM revision \gset

INSERT INTO finding SELECT 1, rev, 'revision ' || rev, CASE WHEN rev > :last_rev THEN 'cut' ELSE 'deleted' END,
    'it was chained and is not there' FROM revision WHERE NOT there;
INSERT INTO finding SELECT 1, rev, 'revision ' || rev, 'inserted', 'later revisions are chained, it is not'
FROM revision WHERE NOT chained AND rev < :last_chained;
-- a row or its contents that do not fit: those of another revision, or of none
CREATE TEMP TABLE unfit AS SELECT rev, text, sum FROM revision WHERE there AND chained
    AND sum IS DISTINCT FROM pg_temp.sm3('(' || rev || text) ORDER BY rev LIMIT 200;
INSERT INTO finding SELECT 1, u.rev, 'revision ' || u.rev, CASE WHEN o.rev IS NULL THEN 'changed' ELSE 'reordered' END,
    CASE WHEN o.rev IS NULL THEN 'its row in txn is not what was chained' ELSE 'it holds the row of revision ' || o.rev END
FROM unfit u LEFT JOIN unfit o ON o.rev <> u.rev AND o.sum = pg_temp.sm3('(' || o.rev || u.text);
INSERT INTO finding SELECT 1, r.rev, 'revision ' || r.rev,
    CASE WHEN o.rev IS NOT NULL THEN 'reordered' WHEN r.n < r.changes THEN 'deleted' WHEN r.n > r.changes THEN 'inserted' ELSE 'changed' END,
    CASE WHEN o.rev IS NOT NULL THEN 'it holds the entries and changes of revision ' || o.rev
        WHEN r.n <> r.changes THEN format('%s changes of %s', r.n, r.changes) ELSE 'its entries or changes are not those that were sealed' END
FROM revision r LEFT JOIN revision o ON o.rev <> r.rev AND o.kind = 'commit' AND o.digest = r.content
WHERE r.there AND r.kind = 'commit' AND r.digest IS DISTINCT FROM r.content;
INSERT INTO finding SELECT 1, prior + 1, format('revisions %s to %s', prior + 1, rev - 1), 'deleted', 'with their links'
FROM revision r WHERE chained AND rev > prior + 1
    AND NOT EXISTS (SELECT FROM registry.epoch e WHERE e.start_rev = r.rev AND (e.void_from = prior + 1
        OR EXISTS (SELECT FROM registry.epoch f WHERE f.void_from = r.prior + 1 AND f.start_rev <= e.void_from)));
INSERT INTO finding SELECT 1, rev, 'revision ' || rev, 'changed', 'its link does not follow from the one before'
FROM revision WHERE chained AND link IS DISTINCT FROM pg_temp.sm3(coalesce(before, '') || sum)
    AND NOT EXISTS (SELECT FROM finding f WHERE f.part = 1 AND f.place BETWEEN revision.prior + 1 AND revision.rev);
-- ---------------------------------------------------------------- audit rows and their closings

CREATE TEMP TABLE row AS
SELECT no, at, account, op, detail, digest, closing,
    substr(ROW(no, pg_temp.us(at), account, actor, office, op, status, object, of_office, peer, detail)::text, length(no::text) + 2) AS text
FROM registry.audit;
CREATE INDEX ON row (no);
CREATE INDEX ON row (closing);
CREATE TEMP TABLE closing AS
SELECT c.*, lag(link) OVER w AS before, coalesce(lag(id) OVER w, 0) AS prior, lag(at) OVER w AS prior_at, lag(rows) OVER w AS prior_rows,
    false AS gone, -- its rows were dropped, and rightly
    rows <= 50000 AND rows = coalesce((SELECT sum(coalesce(upper(g), 1e18) - coalesce(lower(g), 0)) FROM unnest(nos) g), 0) AS sane, -- as the walker makes them
    to_char(at AT TIME ZONE z.zone, 'YYYY-MM') AS month, z.zone
FROM registry.audit_closing c, (SELECT coalesce((SELECT value FROM registry.setting WHERE key = 'county.timezone'), 'UTC') AS zone) z WINDOW w AS (ORDER BY id);
CREATE INDEX ON closing (id);
CREATE TEMP TABLE member AS -- numbers that were closed, with what is there of them
SELECT c.id AS closing, c.month, n.no, r.no IS NOT NULL AS there, r.closing AS says,
    r.digest IS NOT DISTINCT FROM pg_temp.sm3('(' || n.no || r.text) AS fits, r.text, r.digest
FROM closing c CROSS JOIN LATERAL unnest(CASE WHEN c.sane THEN c.nos ELSE '{}' END) g(span) CROSS JOIN LATERAL generate_series(lower(g.span), upper(g.span) - 1) n(no)
LEFT JOIN row r ON r.no = n.no;
CREATE INDEX ON member (closing);
ANALYZE row, closing, member;
-- Which closings' rows a month's closing says it dropped, and why that is not to be believed. When it was is known by the
-- first anchor after it and by the verifier's clock: the registry's own may have been set.
CREATE TEMP TABLE dropped AS
SELECT d.*, x.ends, coalesce((SELECT c.at FROM closing c WHERE c.id = d.first - 1), '-infinity') AS begins, CASE
    WHEN x.ends IS NULL OR d.last >= d.id THEN 'no closing says which rows'
    WHEN least(d.at, a.at, :'now') < x.ends + interval '190 days' - pg_temp.slack() THEN
        format('before 190 days were over: it is said to be of %s, %s', d.at::timestamptz(0),
               CASE WHEN a.at < :'now' THEN format('anchor %s saw it at %s', a.n, a.at::timestamptz(0)) ELSE 'now it is ' || :'now' END)
    WHEN x.here > 0 THEN format('%s of its %s rows are still there', x.here, x.rows)
    WHEN (x.rows, x.digests) IS DISTINCT FROM (d.rows, d.digests) THEN
        format('its rows were not those that had been closed: %s of %s', d.rows, x.rows)
    END AS fault
FROM (SELECT id, at, dropped ->> 'month' AS month, (dropped ->> 'first')::bigint AS first, (dropped ->> 'last')::bigint AS last,
          (dropped ->> 'rows')::bigint AS rows, dropped ->> 'digests' AS digests FROM closing WHERE dropped IS NOT NULL) d
CROSS JOIN LATERAL (
    SELECT max(c.at) AS ends, sum(c.rows) AS rows, encode(pg_temp.sm3(string_agg(c.digests, '' ORDER BY c.id)), 'hex') AS digests,
        (SELECT count(*) FROM member m WHERE m.there AND m.closing BETWEEN d.first AND d.last) AS here
    FROM closing c WHERE c.id BETWEEN d.first AND d.last) x
LEFT JOIN LATERAL (SELECT n, at FROM anchor WHERE closing >= d.id ORDER BY i LIMIT 1) a ON true;
UPDATE closing c SET gone = true FROM dropped d WHERE d.fault IS NULL AND c.id BETWEEN d.first AND d.last;
SELECT coalesce(max(id), 0) AS last_closing, coalesce(sum(rows), 0) AS closed FROM closing \gset

INSERT INTO finding SELECT 2, prior + 1, CASE WHEN id = prior + 2 THEN 'closing ' || prior + 1 ELSE format('closings %s to %s', prior + 1, id - 1) END,
    'deleted', 'the chain has a gap' FROM closing WHERE id <> prior + 1;
INSERT INTO finding SELECT 2, id, 'closing ' || id, 'changed', 'its link does not follow from the one before'
FROM closing c WHERE id = prior + 1 AND link IS DISTINCT FROM pg_temp.sm3(coalesce(before, '') || pg_temp.sm3(
    ROW(id, pg_temp.us(at), rows, nos, encode(digests, 'hex'), last_rev, encode(rev_link, 'hex'), dropped)::text));
INSERT INTO finding SELECT 2, id - 0.2, 'closing ' || id, 'changed', format('its numbers are not those of %s rows', rows) FROM closing WHERE NOT sane;
INSERT INTO finding SELECT 2, id, 'closing ' || id, CASE WHEN r.rev IS NULL OR NOT r.chained THEN 'cut' ELSE 're-created' END,
    CASE WHEN r.rev IS NULL OR NOT r.chained THEN format('the chain of revisions ends at %s; it had come to %s', :last_chained, last_rev)
        ELSE format('the chain of revisions has another link at %s', last_rev) END
FROM (SELECT c.* FROM closing c LEFT JOIN revision x ON x.rev = c.last_rev
      WHERE c.last_rev IS NOT NULL AND x.link IS DISTINCT FROM c.rev_link ORDER BY c.id LIMIT 1) c LEFT JOIN revision r ON r.rev = c.last_rev;
INSERT INTO finding SELECT 2, id, 'closing ' || id, 'changed', format('its time, %s, lies %s', at::timestamptz(0),
    CASE WHEN at < prior_at THEN 'before that of the one before, ' || prior_at::timestamptz(0) ELSE 'ahead of now, ' || :'now' END)
FROM closing WHERE at < prior_at - pg_temp.slack() OR id = (SELECT min(id) FROM closing WHERE at > timestamptz :'now' + pg_temp.slack());
INSERT INTO finding SELECT 2, c.id, 'closing ' || c.id, 'changed', format('its time, %s, does not fit anchor %s of %s',
    c.at::timestamptz(0), min(a.n), min(a.at)::timestamptz(0))
FROM anchor a JOIN closing c ON c.id = a.closing AND c.at > a.at + pg_temp.slack() OR c.id = a.closing + 1 AND c.at < a.at - pg_temp.slack()
GROUP BY c.id, c.at;
INSERT INTO finding SELECT 2, coalesce(d.first, d.id) - 0.5, 'month ' || coalesce(d.month, '?'), 'dropped month', d.fault FROM dropped d WHERE d.fault IS NOT NULL;
-- a month without a single row that nobody rightly said was dropped
CREATE TEMP TABLE gone AS SELECT m.month, min(m.closing) AS closing FROM member m JOIN closing c ON c.id = m.closing AND NOT c.gone
GROUP BY m.month HAVING NOT bool_or(m.there) AND count(*) > 1 AND (SELECT count(DISTINCT month) FROM member) > 1;
INSERT INTO finding SELECT 2, closing, 'month ' || month, 'dropped month', 'all its rows are gone' FROM gone g
WHERE NOT EXISTS (SELECT FROM finding f WHERE f.name = 'month ' || g.month);
INSERT INTO finding SELECT 2, m.closing, 'audit row ' || m.no, 'deleted', 'of closing ' || m.closing
FROM member m JOIN closing c ON c.id = m.closing AND NOT c.gone WHERE NOT m.there AND NOT EXISTS (SELECT FROM gone g WHERE g.month = m.month);
INSERT INTO finding SELECT 2, r.closing, 'audit row ' || r.no, CASE WHEN r.closing > :last_closing THEN 'cut' ELSE 'inserted' END,
    CASE WHEN r.closing > :last_closing THEN 'its closing ' || r.closing || ' is gone' ELSE 'closing ' || r.closing || ' does not know it' END
FROM row r WHERE closing IS NOT NULL AND NOT EXISTS (SELECT FROM member m WHERE m.no = r.no AND m.closing = r.closing)
    AND NOT EXISTS (SELECT FROM finding f WHERE f.part = 2 AND f.done = 'deleted' AND f.place <= r.closing AND f.name ~ '^closing');
INSERT INTO finding SELECT 2, m.closing, 'audit row ' || m.no, 'changed', 'it says another closing than ' || m.closing
FROM member m WHERE there AND says IS DISTINCT FROM m.closing;
CREATE TEMP TABLE unfit_row AS
SELECT no, closing, text, digest FROM row r WHERE digest IS DISTINCT FROM pg_temp.sm3('(' || no || text) ORDER BY no LIMIT 200;
INSERT INTO finding SELECT 2, coalesce(u.closing, 1e15), 'audit row ' || u.no, CASE WHEN o.no IS NULL THEN 'changed' ELSE 'reordered' END,
    CASE WHEN o.no IS NULL THEN 'it is not what its digest says' ELSE 'it holds what row ' || o.no || ' held' END
FROM unfit_row u LEFT JOIN LATERAL (SELECT o.no FROM unfit_row o WHERE o.no <> u.no
    AND pg_temp.sm3('(' || o.no || u.text) IN (o.digest, u.digest) LIMIT 1) o ON true;
INSERT INTO finding SELECT 2, c.id, 'closing ' || c.id, 'changed', format('one or more of its %s rows, together with their digests: %s', c.rows, c.nos)
FROM closing c WHERE NOT c.gone AND NOT EXISTS (SELECT FROM gone g WHERE g.month = c.month)
    AND c.digests IS DISTINCT FROM pg_temp.sm3(coalesce((SELECT string_agg(pg_temp.sm3('(' || m.no || m.text), '' ORDER BY m.no)
                                                         FROM member m WHERE m.closing = c.id), ''))
    AND NOT EXISTS (SELECT FROM finding f WHERE f.part = 2 AND f.place = c.id)
    AND NOT EXISTS (SELECT FROM unfit_row u JOIN member m ON m.no = u.no WHERE m.closing = c.id);

-- a row is closed within a minute of its time; a long transaction takes longer
INSERT INTO finding SELECT 2, coalesce(r.closing, 1e15), 'audit row ' || r.no, 'inserted',
    CASE WHEN r.no > q.last_value THEN 'its number was never given'
        ELSE format('it is of %s, and was in no closing by %s', r.at::timestamptz(0), c.at::timestamptz(0)) END
FROM row r CROSS JOIN registry.audit_seq q LEFT JOIN closing c ON c.id = coalesce(r.closing - 1, :last_closing) AND c.rows < 50000
WHERE (r.no > q.last_value OR r.at < c.at - interval '10 minutes')
    AND NOT EXISTS (SELECT FROM finding f WHERE f.part = 2 AND f.name = 'audit row ' || r.no);

-- receipts of what has no revision
CREATE TEMP TABLE receipt AS SELECT e.request, e.account, e.at, r.no, r.detail ->> 'entry' AS said,
    encode(pg_temp.sm3(ROW(e.account, e.request, e.ord, e.actor, e.office, e.op, e.status, e.object, e.version, e.reason, e.batch,
        pg_temp.us(e.at), encode(e.digest, 'hex'), e.reply)::text), 'hex') AS sum
FROM registry.entry e LEFT JOIN row r ON r.account = e.account AND r.detail ->> 'request' = e.request AND r.detail ? 'entry' WHERE e.grp IS NULL;
INSERT INTO finding SELECT 3, pg_temp.us(r.at), 'receipt ' || r.request, CASE WHEN no IS NULL THEN 'inserted' ELSE 'changed' END,
    CASE WHEN no IS NULL THEN 'the audit knows nothing of it' ELSE 'it is not what audit row ' || no || ' says' END
FROM receipt r WHERE said IS DISTINCT FROM sum AND NOT (no IS NULL AND (
    EXISTS (SELECT FROM finding f WHERE f.done IN ('dropped month', 'deleted', 'cut') AND f.part = 2)
    OR EXISTS (SELECT FROM dropped d WHERE d.fault IS NULL AND r.at > d.begins - pg_temp.slack() AND r.at <= d.ends)));
INSERT INTO finding SELECT 3, pg_temp.us(r.at), 'receipt ' || (r.detail ->> 'request'), 'deleted', 'audit row ' || r.no || ' speaks of it'
FROM row r WHERE r.detail ? 'entry' AND NOT EXISTS (SELECT FROM registry.entry e WHERE e.account = r.account AND e.request = r.detail ->> 'request');

-- ---------------------------------------------------------------- powers

-- Accounts are as their last change in the journal left them, and what they may follows from what they hold; roles given are as
-- the last entry about them says. Roles for a time or in place of somebody work by a change when their day comes.
CREATE TEMP TABLE term AS
SELECT DISTINCT ON (e.reply ->> 'id') e.reply ->> 'id' AS id, e.reply ->> 'terms' AS said
FROM registry.entry e WHERE e.reply ? 'terms' ORDER BY e.reply ->> 'id', e.op = 'role_end' DESC, e.grp DESC NULLS LAST, e.at DESC;
CREATE TEMP TABLE given AS
SELECT coalesce(m.id, t.id) AS id, m.account, CASE WHEN m.id IS NULL THEN 'deleted' WHEN t.id IS NULL THEN 'inserted' ELSE 'changed' END AS done
FROM registry.membership m FULL JOIN term t ON t.id = m.id
WHERE ROW(m.id, m.account, m.role, m.office, m.from_on, m.until_on, m.deputy_of, m.granted_by, pg_temp.us(m.granted_at), pg_temp.us(m.ended_at))::text
    IS DISTINCT FROM t.said
    -- of before there were terms: those of migrations, and those with an officer's entry
    AND NOT (t.id IS NULL AND (m.granted_by = 'db:migration' AND num_nulls(m.from_on, m.until_on, m.deputy_of) = 3
        OR EXISTS (SELECT FROM registry.entry e WHERE e.op = 'role_grant' AND e.reply ->> 'id' = m.id)));
CREATE TEMP TABLE power AS
SELECT coalesce(a.id, 0) AS id, coalesce(a.code, i.image ->> '1') AS code, a.id IS NULL AS lost, i.object IS NULL AS unknown, concat_ws(', ',
    CASE WHEN (i.version, i.image ->> '1', i.image ->> '3', i.image ->> '4', i.image ->> '5', i.image ->> '6') IS DISTINCT FROM
              (a.version, a.code, a.name, a.office, a.holder, a.enabled::text) THEN 'its row' END,
    CASE WHEN coalesce(i.image ->> '7', '') <> array_to_string(a.roles, ',') THEN 'roles' END,
    CASE WHEN coalesce(i.image ->> '8', '') <> array_to_string(a.rights, ',') THEN 'rights' END,
    CASE WHEN coalesce(i.image ->> '9', '') <> array_to_string(a.identities, ',') THEN 'identities' END) AS unlike, concat_ws(', ',
    (SELECT 'certificate ' || min(c.identity) FROM registry.certificate c WHERE c.account = a.id AND c.enabled AND c.identity <> ALL (a.identities)),
    (SELECT 'identity ' || min(x) FROM unnest(a.identities) x
     WHERE NOT EXISTS (SELECT FROM registry.certificate c WHERE c.account = a.id AND c.enabled AND c.identity = x)),
    (SELECT 'role ' || min(x) FROM unnest(a.roles) x WHERE NOT EXISTS (
        SELECT FROM registry.membership m WHERE m.account = a.id AND m.ended_at IS NULL AND concat_ws('@', m.role, m.office) = x)),
    (SELECT 'membership ' || min(m.id) FROM registry.membership m WHERE m.account = a.id AND (
        a.enabled AND num_nulls(m.ended_at, m.from_on, m.until_on, m.deputy_of) = 4 AND concat_ws('@', m.role, m.office) <> ALL (a.roles)
        OR m.id IN (SELECT g.id FROM given g))),
    CASE WHEN NOT (a.rights @> h.rights AND a.rights <@ h.rights) THEN 'rights' END,
    CASE WHEN NOT (a.grants @> g.grants AND a.grants <@ g.grants) THEN 'grants' END) AS unfounded
FROM registry.account a
FULL JOIN (SELECT DISTINCT ON (object) object, version, image FROM registry.change WHERE kind = 'account' ORDER BY object, version DESC, grp DESC) i
    ON i.object = a.object
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(DISTINCT w."right" || '@' || w.place) FILTER (WHERE w.place = '*' OR NOT w.everywhere), '{}') AS rights
    FROM (SELECT x.*, bool_or(x.place = '*') OVER (PARTITION BY x."right") AS everywhere
          FROM (SELECT w."right", CASE WHEN w.scope = 'all' OR o.code IS NULL OR o.kind = 'bureau' THEN '*' ELSE o.code END AS place
                FROM unnest(a.roles) r(r) JOIN registry.role_right w ON w.role = split_part(r, '@', 1)
                LEFT JOIN registry.office o ON o.code = split_part(r, '@', 2)) x) w) h
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(DISTINCT CASE WHEN x.word = 'read' THEN 1 WHEN x.word IN ('accounts', 'grants', 'audit') THEN 4
        WHEN x.place <> '*' THEN CASE x.word WHEN 'restricted' THEN 16 ELSE 17 END + 4 * (SELECT o.id FROM registry.office o WHERE o.code = x.place)
        WHEN x.word = 'restricted' THEN 2 ELSE 3 END), '{}') AS grants
    FROM (SELECT split_part(r, '@', 1) AS word, split_part(r, '@', 2) AS place FROM unnest(a.rights) r) x
    WHERE x.word IN ('read', 'accounts', 'grants', 'audit', 'restricted', 'contact')) g;
INSERT INTO finding SELECT 3, id, 'account ' || code, CASE WHEN lost THEN 'deleted' WHEN unknown THEN 'inserted' ELSE 'changed' END,
    CASE WHEN lost THEN 'the journal speaks of it' WHEN unknown THEN 'the journal knows nothing of it'
        WHEN unlike <> '' THEN 'not as the journal left it: ' || unlike ELSE 'does not follow from what it holds: ' || unfounded END
FROM power WHERE lost OR unknown OR unlike <> '' OR unfounded <> '';
INSERT INTO finding SELECT 3, 1e15, 'role ' || g.id, 'deleted', 'an entry speaks of it' FROM given g WHERE g.done = 'deleted';

-- ---------------------------------------------------------------- objects

-- Tables, and nothing that stands in for one.
INSERT INTO finding SELECT 0, 0, 'table ' || t, 'changed', 'it is no plain table, or has rules'
FROM unnest('{txn,entry,change,chain,epoch,audit,audit_closing,anchor,account,membership,certificate,role_right,office,setting,field,kind,project,enterprise,receipt,due}'::text[]) t
LEFT JOIN pg_class c ON c.relnamespace = 'registry'::regnamespace AND c.relname = t WHERE c.relkind IS DISTINCT FROM 'r' OR c.relhasrules;

-- What the journal left of each object, field by field, and what its row holds; one whose id (field 1) became nothing has none. What a contact is the journal doesn't know,
-- only how often it changed; keys of searches are not looked at.
CREATE TEMP TABLE journalled AS
SELECT DISTINCT ON (c.object, w.key) c.kind, c.object, w.key::int AS number, w.value ->> 1 AS value, w.value = 'true' AS masked
FROM registry.change c CROSS JOIN LATERAL jsonb_each(c.fields) w WHERE c.kind <> 'account' ORDER BY c.object, w.key, c.version DESC;
CREATE TEMP TABLE last AS
SELECT DISTINCT ON (c.object) c.object, c.version, c.kind, c.audience, c.version > 1 AND c.fields ? '1' AS gone, count(*) FILTER (WHERE c.fields ? '44') OVER w AS names,
    count(*) FILTER (WHERE c.fields ? '45') OVER w AS phones
FROM registry.change c WHERE c.kind <> 'account' WINDOW w AS (PARTITION BY c.object) ORDER BY c.object, c.version DESC;
CREATE TEMP TABLE object (kind text, id text, version bigint, no text, row jsonb, audience text, names int, phones int);
SELECT format('INSERT INTO object SELECT %1$L, id, version, row ->> ''no'', row, translate(row ->> ''audience'', ''[] '', ''{}''), (row ->> ''contact_name_mark'')::int,
    (row ->> ''contact_phone_mark'')::int FROM (SELECT id, version, to_jsonb(p) AS row FROM registry.%1$I p) x', c.relname)
FROM pg_class c WHERE c.relnamespace = 'registry'::regnamespace AND c.relkind = 'r' AND c.relname IN (
    SELECT kind FROM last UNION SELECT code FROM registry.kind UNION VALUES ('project'), ('enterprise'), ('receipt'), ('due')) AND c.relname <> 'account' \gexec
CREATE TEMP TABLE cell AS
SELECT o.kind, o.id, k.key AS name, f.number, o.kind = 'project' OR f.editable OR f.watched AS told, CASE
    WHEN f.type = 'money' THEN ((k.value #>> '{}')::bigint / 100) || '.' || lpad(((k.value #>> '{}')::bigint % 100)::text, 2, '0')
    WHEN f.type = 'mu' THEN trim_scale((k.value #>> '{}')::numeric)::text
    WHEN f.type = 'instant' THEN rtrim(rtrim(to_char((k.value #>> '{}')::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z'
    WHEN jsonb_typeof(k.value) = 'array' THEN (SELECT string_agg(t, ',' ORDER BY n) FROM jsonb_array_elements_text(k.value) WITH ORDINALITY x(t, n))
    ELSE k.value #>> '{}' END AS value
FROM object o CROSS JOIN LATERAL jsonb_each(o.row) k LEFT JOIN registry.field f ON f.kind = o.kind AND f.name = k.key
WHERE k.value <> 'null' AND k.key NOT IN ('id', 'version', 'name_key', 'investor_key', 'find_key', 'audience', 'contact_name_mark', 'contact_phone_mark',
    'registered_at', 'changed_at');
ANALYZE journalled, last, object, cell;
CREATE TEMP TABLE unlike AS
SELECT x.id, string_agg(x.name, ' ' ORDER BY x.name) AS names FROM (
    SELECT coalesce(c.id, j.object) AS id, coalesce(c.name, f.name, 'field ' || j.number) AS name
    FROM (SELECT * FROM journalled WHERE NOT masked) j FULL JOIN cell c ON c.id = j.object AND c.number = j.number
    LEFT JOIN registry.field f ON f.kind = j.kind AND f.number = j.number
    WHERE coalesce(c.value, '') <> coalesce(j.value, '') AND (c.told OR j.number IS NOT NULL)
    UNION ALL SELECT o.id, w.name FROM object o JOIN last l ON l.object = o.id CROSS JOIN LATERAL (VALUES ('version', o.version <> l.version),
        ('audience', o.audience <> l.audience::text), ('contact_name', o.names <> l.names), ('contact_phone', o.phones <> l.phones)) w(name, differs)
    WHERE w.differs) x GROUP BY x.id;
INSERT INTO finding SELECT 5, row_number() OVER (ORDER BY o.kind, coalesce(o.no, o.id, l.object)),
    CASE coalesce(o.kind, l.kind) WHEN 'receipt' THEN 'signature' WHEN 'due' THEN 'deadline' ELSE coalesce(o.kind, l.kind) END || ' '
        || coalesce(CASE o.kind WHEN 'project' THEN o.no END, o.id, l.object),
    CASE WHEN o.id IS NULL THEN 'deleted' WHEN l.object IS NULL OR l.gone THEN 'inserted' ELSE 'changed' END,
    CASE WHEN o.id IS NULL THEN 'the journal speaks of it' WHEN l.gone THEN 'it was taken back with its batch' WHEN l.object IS NULL THEN 'the journal knows nothing of it' ELSE 'not as the journal left it: ' || u.names END
FROM object o FULL JOIN last l ON l.object = o.id AND l.kind = o.kind LEFT JOIN unlike u ON u.id = o.id
WHERE o.id IS NULL AND NOT l.gone OR l.object IS NULL OR l.gone AND o.id IS NOT NULL OR u.id IS NOT NULL;

-- ---------------------------------------------------------------- anchors

INSERT INTO finding SELECT 4, i, CASE WHEN n > prior + 1 THEN format('anchors %s to %s', prior + 1, n - 1) ELSE 'anchor ' || n END,
    CASE WHEN n = prior + 1 THEN 'changed' ELSE 'rewound anchor' END,
    CASE WHEN n > prior + 1 THEN 'the file went on without them' WHEN n <= prior THEN 'it was written again'
        ELSE 'the line before is not the one it was signed after' END
FROM anchor WHERE i > 1 AND (n <> prior + 1 OR prev <> prior_hash);
INSERT INTO finding SELECT 4, i, 'anchor ' || n, 'changed', format('its time, %s, lies %s', at::timestamptz(0),
    CASE WHEN at < prior_at THEN 'before that of the one before, ' || prior_at::timestamptz(0) ELSE 'ahead of now, ' || :'now' END)
FROM anchor WHERE at < prior_at - pg_temp.slack() OR i = (SELECT min(i) FROM anchor WHERE at > timestamptz :'now' + pg_temp.slack());
INSERT INTO finding SELECT 4, 1e15, 'anchors from ' || coalesce((SELECT max(n) FROM anchor), 0) + 1, 'rewound anchor',
    format('the registry has seen anchor %s of this key%s', a.n, CASE WHEN a.n = l.n THEN ', another one' END)
FROM registry.anchor a, (SELECT * FROM anchor ORDER BY i DESC LIMIT 1) l
WHERE a.key = l.key AND (a.n > l.n OR a.n = l.n AND encode(a.hash, 'hex') <> l.hash);
INSERT INTO finding SELECT 0, x.rev, 'revisions from ' || x.after + 1, CASE WHEN x.gone THEN 'cut' ELSE 're-created' END,
    CASE WHEN x.gone THEN format('anchor %s saw revision %s, the chain ends at %s', x.n, x.rev, :last_chained)
        WHEN x.first THEN format('no anchor fits, from anchor %s on: the whole chain was made anew', x.n)
        ELSE format('anchor %s saw another link at revision %s; the chain was made anew behind revision %s', x.n, x.rev, x.after) END
FROM (SELECT a.*, r.rev IS NULL OR NOT r.chained AS gone, NOT EXISTS (SELECT FROM anchor b WHERE b.i < a.i) AS first,
          coalesce((SELECT max(b.rev) FROM anchor b WHERE b.i < a.i), 0) AS after
      FROM anchor a LEFT JOIN revision r ON r.rev = a.rev WHERE a.rev IS NOT NULL AND encode(r.link, 'hex') IS DISTINCT FROM a.link
      ORDER BY a.i LIMIT 1) x;
INSERT INTO finding SELECT 0, 1e15 + x.closing, 'closings from ' || x.after + 1, CASE WHEN x.gone THEN 'cut' ELSE 're-created' END,
    CASE WHEN x.gone THEN format('anchor %s saw closing %s, the last one is %s', x.n, x.closing, :last_closing)
        ELSE format('anchor %s saw another closing %s', x.n, x.closing) END
FROM (SELECT a.*, c.id IS NULL AS gone, coalesce((SELECT max(b.closing) FROM anchor b WHERE b.i < a.i), 0) AS after
      FROM anchor a LEFT JOIN closing c ON c.id = a.closing WHERE a.closing IS NOT NULL AND encode(c.link, 'hex') IS DISTINCT FROM a.closing_link
      ORDER BY a.i LIMIT 1) x;

-- entries and changes of no revision: what a cut left is told by the cut
INSERT INTO finding SELECT 1, 1e15 + e.grp, 'entry ' || e.request, 'inserted', 'its group ' || e.grp || ' has no revision'
FROM registry.entry e WHERE e.grp IS NOT NULL AND NOT EXISTS (SELECT FROM registry.txn t WHERE t.grp = e.grp)
    AND NOT EXISTS (SELECT FROM revision WHERE NOT there) AND NOT EXISTS (SELECT FROM finding f WHERE f.done IN ('cut', 'deleted') AND f.part < 2 OR f.done = 'cut');
INSERT INTO finding SELECT DISTINCT 1, 1e15 + c.grp, 'change of ' || c.object, 'inserted', 'its group ' || c.grp || ' has no revision'
FROM registry.change c WHERE NOT EXISTS (SELECT FROM registry.entry e WHERE e.grp = c.grp) AND NOT EXISTS (SELECT FROM registry.txn t WHERE t.grp = c.grp)
    AND NOT EXISTS (SELECT FROM revision WHERE NOT there) AND NOT EXISTS (SELECT FROM finding f WHERE f.done IN ('cut', 'deleted') AND f.part < 2 OR f.done = 'cut');

-- where the chains end, and when the journal, the audit and the anchors do
SELECT count(*) AS unchained, coalesce(extract(epoch FROM max(x.ends) - min(r.at))::bigint, 0) AS late_s
FROM revision r, (SELECT greatest((SELECT max(at) FROM revision), (SELECT max(at) FROM row), (SELECT max(at) FROM anchor)) AS ends) x
WHERE NOT r.chained AND r.rev > :last_chained \gset
INSERT INTO finding SELECT 1, 1e15, 'revisions from ' || :last_chained + 1, 'not chained',
    format('the chain ends %s revisions / %s seconds before the journal', :unchained, :late_s) WHERE :late_s > 120;
INSERT INTO finding SELECT 2, 1e15, 'audit rows from ' || no, 'not closed', format('the last closing is of %s', last::timestamptz(0))
FROM (SELECT min(r.no) AS no, greatest(min(r.at), max(c.at)) AS last FROM row r LEFT JOIN closing c ON c.id = :last_closing WHERE r.closing IS NULL) x
WHERE last < greatest((SELECT max(at) FROM revision), (SELECT max(at) FROM row), (SELECT max(at) FROM anchor)) - interval '3 minutes';

-- ---------------------------------------------------------------- the report

SELECT format('revisions: %s chained, up to %s; the chain ends %s revisions / %s seconds before the journal', :revisions, :last_chained, :unchained, :late_s);
SELECT format('audit rows: %s in %s closings, the last at %s; %s not closed yet, the oldest of %s; months dropped: %s', :closed,
    (SELECT count(*) FROM closing), coalesce((SELECT max(at)::timestamptz(0)::text FROM closing), '-'), (SELECT count(*) FROM row WHERE closing IS NULL),
    coalesce((SELECT min(at)::timestamptz(0)::text FROM row WHERE closing IS NULL), '-'), coalesce((SELECT string_agg(month, ' ' ORDER BY month) FROM dropped WHERE fault IS NULL), 'none'));
SELECT CASE WHEN :'has_anchors' = 't' THEN (SELECT format('anchors: %s, the last is %s of %s, at revision %s and closing %s', count(*), max(n), max(at), max(rev), max(closing)) FROM anchor)
    ELSE 'anchors: none; a chain made anew as a whole, or cut together with its links, would not be noticed' END;
SELECT format('not covered: what was written after the last of these; see "Audit" in sql/README.md');
SELECT format('! %s: %s (%s)', name, done, detail) FROM finding ORDER BY part, place, name LIMIT 20;
SELECT format('… and %s more', n - 20) FROM (SELECT count(*) AS n FROM finding) x WHERE n > 20;
ROLLBACK;
