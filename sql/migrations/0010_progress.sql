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

-- ---------------------------------------------------------------- stages by rule set

ALTER TABLE registry.stage
    ADD pauses boolean NOT NULL DEFAULT false, -- a project rests here and goes back to where it was
    ADD ends boolean NOT NULL DEFAULT false;   -- it is counted as active no more
ALTER TABLE registry.transition ADD "right" text NOT NULL DEFAULT 'write'; -- who makes this move: in the owner's office

-- What a stage asks for: to be reached (blocks), or to count. Of arrivals the "stage" is 'arrival'.
--   field     this field of the project is set     evidence  there is a file for it
--   approval  somebody else approved it            case      a case of this class was granted
CREATE TABLE registry.stage_need (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    stage text NOT NULL,
    need text NOT NULL CHECK (need IN ('field', 'evidence', 'approval', 'case')),
    what text NOT NULL DEFAULT '' CHECK ((need IN ('field', 'case')) = (what <> '')),
    blocks boolean NOT NULL DEFAULT false CHECK (need <> 'approval' OR NOT blocks),
    note text,
    PRIMARY KEY (rule_set, stage, need, what)
);

ALTER TABLE registry.stage_event ADD corrects bigint; -- version whose event was a mistake: marked by this, never removed
ALTER TABLE registry.project ADD agreement text;
ALTER TABLE registry.field ADD reasoned boolean NOT NULL DEFAULT false; -- a change of it needs a reason

-- A stage that counts only when somebody has approved it: one for each such event.
CREATE TABLE registry.step (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text NOT NULL REFERENCES registry.project,
    no text NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    stage text NOT NULL,
    reached_on registry.ymd NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'corrected')),
    from_stage text,
    rules text NOT NULL,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL,
    decided_actor text,
    decided_at timestamptz,
    counted_on registry.ymd CHECK ((counted_on IS NOT NULL) = (state = 'approved')),
    evidence text[],
    note text,
    project_version bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    UNIQUE (project, project_version)
) WITH (fillfactor = 85);
CREATE INDEX step_pending ON registry.step (recorded_at, id) WHERE state = 'pending';

-- ---------------------------------------------------------------- milestones, arrivals, departments' dates

CREATE TABLE registry.milestone (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text NOT NULL REFERENCES registry.project,
    no text NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    class text NOT NULL,
    name text,
    planned_on registry.ymd NOT NULL,
    done_on registry.ymd,
    person text,
    note text,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX milestone_project ON registry.milestone (project);
CREATE INDEX milestone_planned ON registry.milestone (planned_on, id);

CREATE TABLE registry.arrival (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text NOT NULL REFERENCES registry.project,
    no text NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    class text NOT NULL,
    state text NOT NULL CHECK (state IN ('reported', 'approved', 'rejected', 'withdrawn')),
    amount_arrived registry.money_fen NOT NULL,
    currency text NOT NULL,
    amount_foreign registry.money_fen,
    arrived_on registry.ymd NOT NULL,
    origin text NOT NULL,
    region text,
    payer text,
    voucher text NOT NULL,
    actor text NOT NULL,
    decided_actor text,
    decided_at timestamptz,
    counted_on registry.ymd CHECK ((counted_on IS NOT NULL) = (state = 'approved')),
    evidence text[],
    note text,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX arrival_project ON registry.arrival (project);
CREATE INDEX arrival_arrived ON registry.arrival (arrived_on, id);
CREATE INDEX arrival_counted ON registry.arrival (counted_on, id) WHERE state = 'approved';

CREATE TABLE registry.stagedate (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text NOT NULL REFERENCES registry.project,
    no text NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    stage text NOT NULL,
    dated_on registry.ymd NOT NULL,
    basis text NOT NULL,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX stagedate_project ON registry.stagedate (project, stage, office); -- not unique: offices merge
