-- SPDX-License-Identifier: Apache-2.0
-- What api functions return: a composite for each reply message and its sub-messages, attributes = fields.
-- api.project, api.enterprise, api.receipt and api.due are made from registry.field by 41_generate.sql.
CREATE TYPE api.clash AS (field text, base_value text, theirs text, yours text, by text, at timestamptz);

CREATE TYPE api.warning AS (code text, no text, office text, "on" text, sentence text);

CREATE TYPE api.cursor AS (epoch bigint, rev bigint, idx int, tag bigint, object text);

CREATE TYPE api.error AS (
    code text, status int, message text, hint text, field text,
    base_value text, theirs text, yours text, by text, at timestamptz, fields api.clash[],
    allowed text[], other_no text, other_office text, retry_after_ms int, fork api.cursor, rev bigint
);

CREATE TYPE api.whoami_reply AS (
    error api.error, account text, person text, office text, office_name text, role text, rights text[],
    identity text, now_at timestamptz
);

CREATE TYPE api.office AS (code text, name text, kind text, projects int, grp text, until_on text, successor text);
CREATE TYPE api.office_list_reply AS (error api.error, rows api.office[]);

CREATE TYPE api.label AS (kind text, code text, text text, rank int, next text[], type text, codes text, required boolean, editable boolean, max int);
CREATE TYPE api.names_reply AS (error api.error, rows api.label[]);
CREATE TYPE api.glossary_reply AS (error api.error, rule_set text, rows api.label[], live_on text);

CREATE TYPE api.receipt_show_reply AS (
    error api.error, op text, status text, object text, version bigint, rev bigint, done_at timestamptz
);

CREATE TYPE api.signature AS (account text, person text, office text, signed_at timestamptz);
CREATE TYPE api.receipt_list_reply AS (error api.error, rows api.signature[], next text, signed_count int, missing_count int);

CREATE TYPE api.rights_turn_reply AS (error api.error, turned int, rev bigint);
CREATE TYPE api.audit_row AS (
    no bigint, done_at timestamptz, actor text, office text, op text, status text, object text, rev bigint, version bigint,
    request text, reason text, peer text, detail text, closing bigint
);
CREATE TYPE api.audit_list_reply AS (error api.error, rows api.audit_row[], next text);

CREATE TYPE api.clock_turn_reply AS (error api.error, changes int, rev bigint, more boolean);
CREATE TYPE api.run AS (day text, began_at timestamptz, done_at timestamptz, projects int, opened int, changed int, cleared int);
CREATE TYPE api.clock_rule AS (
    rule text, label text, stages text[], start text, met text, unit text, blue int, yellow int, red int, exit int, open int
);
CREATE TYPE api.clock_reply AS (error api.error, run api.run, rules api.clock_rule[], rule_set text, rev bigint, replayed boolean);
CREATE TYPE api.return_due AS (office text, name text, period text, due_on text, filed_on text, state text, days int, reports int, oldest_on text);
CREATE TYPE api.return_due_reply AS (error api.error, rows api.return_due[]);
CREATE TYPE api.dispatch AS (
    office text, name text, projects int, red int, yellow int, blue int, reports int, returns int, expiring int, exits int, overdue int
);
CREATE TYPE api.dispatch_reply AS (error api.error, rows api.dispatch[]);

CREATE TYPE api.due_fire_reply AS (error api.error, fired int, rev bigint, next_ms bigint);

CREATE TYPE api.field_change AS (number int, old text, new text, masked boolean);
CREATE TYPE api.field_value AS (number int, value text);
CREATE TYPE api.event AS (
    type text, rev bigint, tag bigint, entry int, idx int, last boolean, kind text, object text, version bigint,
    view text, actor text, office text, reason text, request text, batch text, at timestamptz,
    changes api.field_change[], row api.field_value[], epoch bigint,
    audience int[], audience_old int[], audience_now int[]
);
CREATE TYPE api.project_log_reply AS (error api.error, rows api.event[], more boolean);

CREATE TYPE api.import_reply AS (
    error api.error, id text, status text, next_chunk int, rows int, added int, updated int, unchanged int,
    rejected int, skipped int, rev bigint, replayed boolean, duplicates int, conflicts int
);
CREATE TYPE api.verdict_change AS (field text, old text, new text);
CREATE TYPE api.verdict AS (
    row int, verdict text, project text, no text, code text, field text, "column" text, text text, message text,
    changed text[], hint text, object text, changes api.verdict_change[], clashes api.clash[], rule text, other_no text, other_office text,
    other_on text, currency text
);
CREATE TYPE api.batch AS (
    id text, kind text, office text, account text, status text, file_name text, file_sha256 text, profile text, source text, rows int, added int,
    updated int, unchanged int, duplicates int, conflicts int, rejected int, skipped int, opened_at timestamptz, done_at timestamptz,
    wrote_rev bigint, reason text, opening boolean, reverted_at timestamptz, reverted_actor text, reverted_reason text, done int
);
CREATE TYPE api.batch_list_reply AS (error api.error, rows api.batch[], next text);
CREATE TYPE api.batch_reply AS (error api.error, batch api.batch, rev bigint, replayed boolean);
CREATE TYPE api.import_verdicts_reply AS (error api.error, rows api.verdict[], next_row int, next text);

CREATE TYPE api.revision AS (
    rev bigint, epoch bigint, tag bigint, tombstone boolean, changes int, large boolean, events api.event[], rights boolean, subjects text
);
CREATE TYPE api.snapshot_page_reply AS (error api.error, rows api.event[], next text);
CREATE TYPE api.journal_read_reply AS (error api.error, epoch bigint, rows api.revision[]);
CREATE TYPE api.journal_page_reply AS (error api.error, rows api.event[]);
CREATE TYPE api.journal_seek_reply AS (
    error api.error, answer text, min_rev bigint, rev bigint, tag bigint, epoch bigint, fork api.cursor
);
