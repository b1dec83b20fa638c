-- SPDX-License-Identifier: Apache-2.0
-- Evidence: files by their hash; stages that count; milestones; arrivals; departments' dates.
INSERT INTO registry.setting VALUES
    ('evidence.project_bytes', '2147483648'), -- of one project, withdrawn files not counted
    ('evidence.uploads', '16')                -- files one account may have half way
ON CONFLICT DO NOTHING;

-- How the bytes of a kind of file begin, and what one of must occur in them. Plain text has neither, but must decode.
CREATE TABLE registry.media (
    code text PRIMARY KEY,
    magic bytea,
    holds bytea[]
);

CREATE TABLE registry.evidence (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text REFERENCES registry.project,
    no text,
    office text NOT NULL REFERENCES registry.office,
    "of" text NOT NULL,
    stage text,
    state text NOT NULL CHECK (state IN ('uploading', 'ready', 'withdrawn')),
    name text NOT NULL CHECK (name !~ '/'),
    media text NOT NULL,
    size int NOT NULL CHECK (size BETWEEN 1 AND 20971520),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    note text,
    withdrawal text,
    actor text NOT NULL,
    ready_at timestamptz,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX evidence_project ON registry.evidence (project);
CREATE INDEX evidence_of ON registry.evidence ("of");
CREATE INDEX evidence_open ON registry.evidence (actor) WHERE state = 'uploading';

-- The bytes of ready evidence, once for each hash; 48 KiB a chunk, the last one shorter.
CREATE TABLE registry.blob (
    sha256 text NOT NULL,
    chunk int NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (sha256, chunk)
);
ALTER TABLE registry.blob ALTER data SET STORAGE EXTERNAL;

-- Chunks on their way. By evidence, not by the hash it names, which nobody has checked yet: what one sends is no part of
-- another's file, and who only knows a hash doesn't come by the file.
CREATE TABLE registry.upload (
    evidence text NOT NULL REFERENCES registry.evidence,
    chunk int NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (evidence, chunk)
);
ALTER TABLE registry.upload ALTER data SET STORAGE EXTERNAL;
