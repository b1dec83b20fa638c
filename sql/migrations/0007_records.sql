-- SPDX-License-Identifier: Apache-2.0
-- Kinds of objects as data; records, which are made and changed alike; rights of those who issue, decide and lay out.

-- Objects that have events. prefix: of their ids, behind which comes a digit or a to f; so a second letter is none of these.
CREATE TABLE registry.kind (
    code text PRIMARY KEY CHECK (code ~ '^[a-z]{1,20}$'),
    prefix text NOT NULL UNIQUE CHECK (prefix ~ '^[a-z][g-z]?$'),
    record boolean NOT NULL -- changed by registry.<kind>_change (43_record.sql)
);

ALTER TABLE registry.code DROP CONSTRAINT code_kind_check;
ALTER TABLE registry.code ADD CONSTRAINT code_kind_check CHECK (kind ~ '^[a-z_]{1,40}$');

--   assign   give tasks to any office, review and close them
--   decide   rule on cases
--   county   what only the county lays out: parks, plots, chains, calendars, rules
ALTER TABLE registry.role_right DROP CONSTRAINT role_right_right_check;
ALTER TABLE registry.role_right ADD CONSTRAINT role_right_right_check CHECK ("right" IN ('read', 'write', 'import', 'contact', 'approve',
    'restricted', 'accounts', 'grants', 'audit', 'assign', 'decide', 'county'));
INSERT INTO registry.role_right (role, "right", scope) VALUES
    ('bureau', 'assign', 'all'), ('bureau', 'decide', 'all'), ('bureau', 'county', 'all'),
    ('leader', 'assign', 'all'), ('leader', 'decide', 'all'),
    ('supervisor', 'assign', 'all');

-- ---------------------------------------------------------------- activities

CREATE TABLE registry.activity (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text NOT NULL REFERENCES registry.project,
    no text NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    class text NOT NULL,
    held_on registry.ymd NOT NULL,
    place text,
    region text,
    people text,
    counterpart text,
    result text,
    next_step text,
    next_on registry.ymd,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX activity_project ON registry.activity (project);
CREATE INDEX activity_held ON registry.activity (held_on DESC NULLS LAST, id);
CREATE INDEX activity_next ON registry.activity (next_on, office) WHERE next_on IS NOT NULL;
