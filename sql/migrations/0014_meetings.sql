-- SPDX-License-Identifier: Apache-2.0
-- Meetings and inspections; offices that are renamed, merged, split, moved between groups; hand-over from person to person.

-- ---------------------------------------------------------------- meetings

CREATE TABLE registry.meeting (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    class text NOT NULL,
    held_on registry.ymd NOT NULL,
    state text NOT NULL,
    name text,
    place text,
    chair text,
    attendees text,
    minutes text,
    previous text REFERENCES registry.meeting,
    drawn_at timestamptz,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX meeting_series ON registry.meeting (office, class, held_on);

CREATE TABLE registry.agenda (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text REFERENCES registry.project,
    no text,
    office text NOT NULL REFERENCES registry.office,
    source text NOT NULL,
    due_on registry.ymd,
    state text NOT NULL,
    meeting text NOT NULL REFERENCES registry.meeting,
    rank int NOT NULL,
    subject text NOT NULL,
    of text, -- what it is about: a matter, a project, a case, an item of an earlier meeting
    decision text,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX agenda_of ON registry.agenda (meeting, of) WHERE of IS NOT NULL;
CREATE INDEX agenda_meeting ON registry.agenda (meeting, rank);
CREATE INDEX agenda_project ON registry.agenda (project) WHERE project IS NOT NULL;

-- What a drawn agenda is made of, in this order; at most so many of each.
CREATE TABLE registry.agenda_rule (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    source text NOT NULL,
    rank int NOT NULL,
    most int NOT NULL CHECK (most BETWEEN 0 AND 100),
    days int CHECK (days > 0), -- stale: without activity and in the same stage for longer than this
    stages text[],             -- stale: projects in these stages
    PRIMARY KEY (rule_set, source)
);

-- ---------------------------------------------------------------- inspections

CREATE TABLE registry.round (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    class text NOT NULL,
    begin_on registry.ymd NOT NULL,
    state text NOT NULL,
    name text NOT NULL,
    until_on registry.ymd NOT NULL,
    seed text,
    offices text[],
    rule_set int NOT NULL REFERENCES registry.rule_set,
    note text,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);

CREATE TABLE registry.inspection (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text REFERENCES registry.project,
    no text,
    office text NOT NULL REFERENCES registry.office,
    inspector text REFERENCES registry.office CHECK (inspector <> office),
    due_on registry.ymd,
    state text NOT NULL,
    round text NOT NULL REFERENCES registry.round,
    marks text[],
    score numeric CHECK (score BETWEEN 0 AND 100),
    finding text,
    scored_by text,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX inspection_once ON registry.inspection (round, office, coalesce(project, ''));
CREATE INDEX inspection_inspector ON registry.inspection (inspector, state);
CREATE INDEX inspection_project ON registry.inspection (project) WHERE project IS NOT NULL;

-- What is looked at, each worth 0 to 100 points; the score is their mean by weight.
CREATE TABLE registry.criterion (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    code text NOT NULL CHECK (code ~ '^[a-z]{1,20}$'),
    zh text NOT NULL,
    en text NOT NULL,
    weight int NOT NULL CHECK (weight > 0),
    rank int NOT NULL,
    PRIMARY KEY (rule_set, code)
);
CREATE TABLE registry.round_rule (
    rule_set int PRIMARY KEY REFERENCES registry.rule_set,
    nominated_most int NOT NULL CHECK (nominated_most > 0) -- projects an office may name for a round
);

-- ---------------------------------------------------------------- offices

-- grp: what it is ranked among; null = offices of its kind. An office that was merged stays as an old name: until_on is its
-- last day, successor who took over.
ALTER TABLE registry.office
    ADD grp text,
    ADD until_on registry.ymd,
    ADD successor text REFERENCES registry.office,
    DROP CONSTRAINT office_name_key;
CREATE UNIQUE INDEX office_name ON registry.office (name) WHERE until_on IS NULL;

CREATE TABLE registry.reform (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    class text NOT NULL,
    from_on registry.ymd NOT NULL,
    state text NOT NULL,
    successor text, -- merge, split: who takes over; a split may make it
    was text,       -- rename: the name, move: the group, until from_on
    becomes text,   -- rename: the name, split: that of the office it makes, move: the group
    projects text[],
    moved int NOT NULL,
    proposed text,
    note text,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX reform_ahead ON registry.reform (from_on) WHERE state IN ('planned', 'moving');
CREATE INDEX reform_office ON registry.reform (office, class, from_on);

-- ---------------------------------------------------------------- people

CREATE INDEX activity_office ON registry.activity (office, held_on);

CREATE TABLE registry.handover (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    office text REFERENCES registry.office, -- only what this office owns; null = everywhere
    from_on registry.ymd NOT NULL,
    state text NOT NULL,
    giver text NOT NULL,
    taker text NOT NULL,
    moved int,
    note text,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX handover_ahead ON registry.handover (from_on) WHERE state = 'planned';
