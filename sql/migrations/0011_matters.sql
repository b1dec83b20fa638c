-- SPDX-License-Identifier: Apache-2.0
-- Matters: what an office must do by a day, in one loop for all classes; their clocks by rule set; the county's calendar.

CREATE TABLE registry.matter (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text REFERENCES registry.project,
    no text,
    office text NOT NULL REFERENCES registry.office,
    helpers text[],
    class text NOT NULL,
    subject text NOT NULL,
    demand text,
    enterprise text,
    due_on registry.ymd NOT NULL CHECK (length(due_on) = 10),
    days int,
    needs_evidence boolean,
    "of" text,
    whole text REFERENCES registry.matter CHECK (whole <> id),
    parts text[],
    issuer text NOT NULL,
    issuer_office text NOT NULL REFERENCES registry.office,
    issued_at timestamptz NOT NULL,
    reviewer text,
    superior text,
    state text NOT NULL CHECK (state IN ('issued', 'signed', 'working', 'reported', 'closed', 'withdrawn')),
    mover text NOT NULL,
    moved_at timestamptz NOT NULL,
    signer text,
    signed_at timestamptz,
    sign_minutes int,
    report text,
    reporter text,
    reported_at timestamptz,
    returns int,
    reason text,
    asker text,
    asked_on registry.ymd CHECK (length(asked_on) = 10),
    extensions int,
    satisfaction int CHECK (satisfaction BETWEEN 1 AND 5),
    closed_at timestamptz,
    light text NOT NULL CHECK (light IN ('none', 'blue', 'yellow', 'red')),
    reminders int,
    escalated_to text,
    turn_at timestamptz, -- when time alone changes it next: a reminder or a colour
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX matter_project ON registry.matter (project) WHERE project IS NOT NULL;
CREATE INDEX matter_of ON registry.matter ("of") WHERE "of" IS NOT NULL;
CREATE INDEX matter_whole ON registry.matter (whole) WHERE whole IS NOT NULL;
CREATE INDEX matter_issued ON registry.matter (issued_at DESC NULLS LAST, id);
CREATE INDEX matter_open ON registry.matter (due_on, id) WHERE state NOT IN ('closed', 'withdrawn');
CREATE INDEX matter_office ON registry.matter (office, due_on) WHERE state NOT IN ('closed', 'withdrawn');
CREATE INDEX matter_helpers ON registry.matter USING gin (helpers) WHERE state NOT IN ('closed', 'withdrawn');
CREATE INDEX matter_issuer ON registry.matter (issuer_office, due_on) WHERE state NOT IN ('closed', 'withdrawn');
CREATE INDEX matter_reviewer ON registry.matter (reviewer) WHERE state NOT IN ('closed', 'withdrawn');
CREATE INDEX matter_escalated ON registry.matter (escalated_to) WHERE state NOT IN ('closed', 'withdrawn');
CREATE INDEX matter_turn ON registry.matter (turn_at, id) WHERE turn_at IS NOT NULL;

-- Clocks of a class. Days are calendar days; `days` are working days and stand for a deadline that nobody names.
CREATE TABLE registry.matter_rule (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    class text NOT NULL,
    days int NOT NULL CHECK (days BETWEEN 1 AND 400),
    remind int[] NOT NULL,     -- a reminder so many days before
    yellow int NOT NULL CHECK (yellow > 1), -- overdue: blue from the first day, yellow and red from this one on
    red int NOT NULL CHECK (red > yellow),
    escalate text CHECK (escalate IN ('blue', 'yellow', 'red')), -- the colour that concerns the superior
    PRIMARY KEY (rule_set, class)
);

-- Days that are not what their day of the week says. Entries of calendar_set tell who laid them out.
CREATE TABLE registry.holiday (
    day date PRIMARY KEY,
    "off" boolean NOT NULL, -- true: nobody works; false: a day of work
    note text CHECK (length(note) <= 100)
);
