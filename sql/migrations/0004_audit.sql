-- SPDX-License-Identifier: Apache-2.0
-- Who did, was refused, or read what, beside the journal; and the chains that make both tamper-evident (sql/README.md).
INSERT INTO registry.setting VALUES ('audit.retention', '190 days') ON CONFLICT DO NOTHING;

CREATE SEQUENCE registry.audit_seq CACHE 1;

-- One row for each sign-in, refusal, export, read of contact or restricted data, change of nothing. Never contact data.
CREATE TABLE registry.audit (
    no bigint PRIMARY KEY DEFAULT nextval('registry.audit_seq'),
    at timestamptz NOT NULL,
    account int,      -- null: nobody known
    actor text,       -- its code then …
    office text,      -- … and its office
    op text NOT NULL,
    status text NOT NULL,
    object text,
    of_office text,   -- the office the object belongs to
    peer text,
    detail jsonb,
    digest bytea NOT NULL, -- SM3 of registry.audit_text(row)
    closing bigint         -- null: not in the chain yet
) WITH (fillfactor = 85);
CREATE INDEX audit_open ON registry.audit (no) WHERE closing IS NULL;
CREATE INDEX audit_closing_rows ON registry.audit (closing);
CREATE INDEX audit_at ON registry.audit (at);
CREATE INDEX audit_object ON registry.audit (object) WHERE object IS NOT NULL;
CREATE INDEX entry_at ON registry.entry (at);

-- The chain of revisions, behind the feed: sum = SM3 of registry.txn_text, link = SM3(link before || sum).
CREATE TABLE registry.chain (
    rev bigint PRIMARY KEY,
    sum bytea NOT NULL,
    link bytea NOT NULL
);

-- The chain of audit rows: what each minute brought, and where the other chain stood.
CREATE TABLE registry.audit_closing (
    id bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    rows int NOT NULL,
    nos int8multirange NOT NULL, -- their numbers
    digests bytea NOT NULL,      -- SM3 of their digests, in order
    last_rev bigint,
    rev_link bytea,
    dropped jsonb,               -- {month, rows, by}: this closing says that a month's rows were dropped
    link bytea NOT NULL          -- SM3(link before || registry.closing_text(row))
);

-- The last anchor each key has signed: a file of anchors that ends before it was rewound.
CREATE TABLE registry.anchor (
    key text PRIMARY KEY, -- fingerprint
    n bigint NOT NULL,
    hash bytea NOT NULL,  -- SM3 of the line
    at timestamptz NOT NULL
);
