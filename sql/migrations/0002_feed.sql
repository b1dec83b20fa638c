-- SPDX-License-Identifier: Apache-2.0
-- Receipts and deadlines; how far back the feed may be resumed.
INSERT INTO registry.setting VALUES ('journal.retention', '90 days') ON CONFLICT DO NOTHING;

ALTER TABLE registry.field DROP CONSTRAINT field_type_check;
ALTER TABLE registry.field ADD CONSTRAINT field_type_check CHECK (type IN ('text', 'note', 'money', 'ymd', 'int', 'mu',
    'tags', 'code', 'credit_code', 'project_code', 'currency', 'instant', 'version', 'rev'));

-- Who has taken note of what. Written once, never changed.
CREATE TABLE registry.receipt (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    of_rev bigint NOT NULL,
    project text, -- the object in it that is meant; null = all of it
    no text,      -- its number, if it is a project
    account text NOT NULL REFERENCES registry.account (code),
    office text NOT NULL REFERENCES registry.office,
    signed_at timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (of_rev, project, account)
);

CREATE TABLE registry.due (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text NOT NULL REFERENCES registry.project,
    no text NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    text text NOT NULL,
    due_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'fired', 'cleared')),
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX due_state ON registry.due (state, due_at, id);
CREATE INDEX due_project ON registry.due (project);
