-- SPDX-License-Identifier: Apache-2.0
-- What sheets say in their own way: other words for codes, and mappings of their columns.

-- Another word for an office, a trade, a park …: 城关, 县招商局, a trade of an older list.
CREATE TABLE registry.alias (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    class text NOT NULL, -- kind of code
    word text NOT NULL,
    code text,           -- null: the word means nothing any more
    changed_at timestamptz NOT NULL,
    UNIQUE (class, word)
);

-- How an office's sheets are read: a mapping file, found again by the headings it is for.
CREATE TABLE registry.profile (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    name text NOT NULL,
    target text NOT NULL,  -- kind of what a row becomes
    headers text,          -- SHA-256 of the headings, in hex
    map text,              -- null: not in use any more
    shared boolean NOT NULL DEFAULT false, -- for all offices
    actor text NOT NULL,
    changed_at timestamptz NOT NULL,
    UNIQUE (office, name)
);
CREATE INDEX profile_headers ON registry.profile (headers);
