-- SPDX-License-Identifier: Apache-2.0
-- Imports: rows of any kind, kept as their chunks came; verdicts stand for themselves; what was written can be taken back. Uploads that
-- were not committed yet begin anew.
ALTER TABLE registry.import
    DROP CONSTRAINT import_account_office_file_sha256_profile_sha256_key,
    DROP CONSTRAINT import_status_check,
    ADD CONSTRAINT import_status_check CHECK (status IN ('staging', 'judged', 'done', 'reverted')),
    DROP COLUMN read_under,
    DROP COLUMN pass,
    ADD kind text NOT NULL DEFAULT 'project',
    ADD opening boolean NOT NULL DEFAULT false,
    ADD staged text, -- the batch whose chunks it reads: a file that comes again is not uploaded again
    ADD request text, -- under which it was opened last: the same request is the same batch
    ADD duplicates int,
    ADD conflicts int;
UPDATE registry.import SET staged = id;
ALTER TABLE registry.import ALTER staged SET NOT NULL;
CREATE UNIQUE INDEX import_open ON registry.import (account, office, kind, opening, file_sha256, profile_sha256) WHERE status IN ('staging', 'judged');
CREATE INDEX import_file ON registry.import (account, office, file_sha256);

DELETE FROM registry.import_chunk;
ALTER TABLE registry.import_chunk
    ADD rows jsonb NOT NULL, -- as they came
    ADD first_row int NOT NULL,
    ADD last_row int NOT NULL,
    ADD n int NOT NULL;
ALTER TABLE registry.import_chunk ALTER rows SET STORAGE external;

DROP TABLE registry.import_row;
CREATE TABLE registry.import_verdict (
    import text NOT NULL REFERENCES registry.import,
    row int NOT NULL,
    verdict text NOT NULL,
    object text,
    project text,
    no text,
    code text,
    field text,
    "column" text,
    text text,
    message text,
    hint text,
    changes jsonb, -- [api.verdict_change]
    clashes jsonb, -- [api.clash]
    rule text,
    other_no text,
    other_office text,
    other_on text,
    was jsonb, -- what import_base held of the object before
    PRIMARY KEY (import, row)
);

-- What a sheet last said about a project, or a record.
ALTER TABLE registry.import_base DROP CONSTRAINT import_base_project_fkey;
ALTER TABLE registry.import_base RENAME project TO object;

-- Which entry wrote a batch.
CREATE INDEX entry_batch ON registry.entry (batch) WHERE batch IS NOT NULL AND grp IS NOT NULL;

-- By what a row without an id finds its record, for each kind that is kept in sheets: the ways in their order, fields that must all be
-- there. A field f whose table has a column f_key is compared in that form.
CREATE TABLE registry.kind_key (
    kind text NOT NULL,
    place int NOT NULL,
    fields text[] NOT NULL,
    undo text, -- the operation that withdraws a record, if there is one
    PRIMARY KEY (kind, place)
);

-- Contacts as they were up to a version of their project, as digests {number: hex}: an exported sheet that comes back is compared with them.
CREATE TABLE registry.contact_past (
    project text NOT NULL REFERENCES registry.project,
    version bigint NOT NULL,
    fields jsonb NOT NULL,
    PRIMARY KEY (project, version)
);
-- Contacts that a batch replaced, as long as it can be taken back.
CREATE TABLE registry.contact_former (
    import text NOT NULL REFERENCES registry.import,
    project text NOT NULL REFERENCES registry.project,
    fields jsonb NOT NULL, -- {number: value}
    PRIMARY KEY (import, project)
);
