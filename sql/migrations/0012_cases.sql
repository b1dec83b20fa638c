-- SPDX-License-Identifier: Apache-2.0
-- Cases: what named people decide on other offices' opinions, in steps that can't be skipped; what comes of them.
ALTER TABLE registry.project ADD COLUMN merged_into text REFERENCES registry.project (no);
ALTER TABLE registry.project ADD COLUMN admitted_on registry.ymd;
-- what counts no more
CREATE INDEX project_exited ON registry.project (office) WHERE stage = 'exited';
-- who shares an investor, a telephone or an address
CREATE INDEX project_investor ON registry.project (investor_key) WHERE investor_key <> '';
CREATE INDEX project_site ON registry.project (registry.norm(site)) WHERE site IS NOT NULL;
CREATE INDEX contact_phone ON registry.contact (registry.norm(phone)) WHERE phone IS NOT NULL;

-- ---------------------------------------------------------------- the procedure, by rule set

CREATE TABLE registry.case_class (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    class text NOT NULL,
    opens text NOT NULL CHECK (opens IN ('write', 'assign')), -- who may open it: right in an office it is about; assign always may
    needs text[] NOT NULL,                  -- fields it must have
    ask_days int NOT NULL CHECK (ask_days BETWEEN 1 AND 365), -- for opinions, unless another day is named
    objection_days int NOT NULL CHECK (objection_days BETWEEN 0 AND 365), -- 0: a decision is in force at once
    party_decides boolean NOT NULL,         -- may somebody of an office it is about decide it?
    PRIMARY KEY (rule_set, class)
);

-- A step is reached from the one before, when what it needs is there.
CREATE TABLE registry.case_step (
    rule_set int NOT NULL,
    class text NOT NULL,
    step text NOT NULL,
    rank int NOT NULL,
    may text NOT NULL CHECK (may IN ('write', 'assign', 'decide')), -- who moves a case here; write: of the office that opened it
    opinions int NOT NULL DEFAULT 0,        -- so many offices asked, none of them still in time
    evidence int NOT NULL DEFAULT 0,        -- so many files
    agreed boolean NOT NULL DEFAULT false,  -- every party has agreed
    notice_days int NOT NULL DEFAULT 0,     -- days since the step before
    PRIMARY KEY (rule_set, class, step),
    UNIQUE (rule_set, class, rank),
    FOREIGN KEY (rule_set, class) REFERENCES registry.case_class
);

CREATE TABLE registry.case_ruling (
    rule_set int NOT NULL,
    class text NOT NULL,
    ruling text NOT NULL,
    rank int NOT NULL,
    granted boolean NOT NULL,               -- in force, with its effect; else rejected
    PRIMARY KEY (rule_set, class, ruling),
    FOREIGN KEY (rule_set, class) REFERENCES registry.case_class
);

-- What a fact is held against. Shown, never decided by.
CREATE TABLE registry.case_limit (
    rule_set int NOT NULL,
    class text NOT NULL,
    fact text NOT NULL,
    least numeric,
    most numeric,
    PRIMARY KEY (rule_set, class, fact),
    FOREIGN KEY (rule_set, class) REFERENCES registry.case_class
);

-- Shares in percent when a ruling gives credit to two offices, unless it says others.
CREATE TABLE registry.case_share (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    ruling text NOT NULL,
    indicator text NOT NULL,
    introducer int NOT NULL CHECK (introducer BETWEEN 0 AND 100),
    host int NOT NULL CHECK (host BETWEEN 0 AND 100),
    PRIMARY KEY (rule_set, ruling, indicator)
);

-- What candidates for one plot are ranked by.
CREATE TABLE registry.case_weight (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    fact text NOT NULL,
    weight int NOT NULL CHECK (weight > 0),
    PRIMARY KEY (rule_set, fact)
);

-- From which facts on a case is proposed.
CREATE TABLE registry.case_trigger (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    trigger text NOT NULL,
    class text NOT NULL,
    least int NOT NULL CHECK (least > 0),   -- so many, or so many days
    days int NOT NULL DEFAULT 0,
    PRIMARY KEY (rule_set, trigger)
);

-- ---------------------------------------------------------------- cases

CREATE TABLE registry."case" (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text REFERENCES registry.project,
    no text,
    office text NOT NULL REFERENCES registry.office,
    class text NOT NULL,
    subject text,
    state text NOT NULL,
    other_project text REFERENCES registry.project,
    other_no text,
    other_office text REFERENCES registry.office,
    person text,
    of text,
    plot text,
    stage text,
    energy_kgce int,
    environment text,
    survivor text REFERENCES registry.project,
    shares text,
    points int,
    amount_reward registry.money_fen,
    asked text[],
    ask_until_on registry.ymd,
    facts text,
    facts_at timestamptz,
    rule_set int NOT NULL REFERENCES registry.rule_set,
    actor text NOT NULL,
    opened_at timestamptz NOT NULL,
    mover text NOT NULL,
    step_at timestamptz NOT NULL,
    ruling text,
    grounds text,
    decider text,
    decided_at timestamptz,
    force_at timestamptz,
    in_force_at timestamptz,
    objection text,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX case_project ON registry."case" (project);
CREATE INDEX case_other ON registry."case" (other_project) WHERE other_project IS NOT NULL;
CREATE INDEX case_class_opened ON registry."case" (class, opened_at, id);
CREATE INDEX case_opened ON registry."case" (opened_at, id);
CREATE INDEX case_force ON registry."case" (force_at, id) WHERE state = 'decided';
-- One open case of a class for the same thing: a pair of projects whichever way round, an arrival, an office, a project.
CREATE FUNCTION registry.case_key(p_class text, p_project text, p_other text, p_office text, p_of text, p_person text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_class WHEN 'duplicate' THEN least(p_project, p_other) || ' ' || greatest(p_project, p_other)
        WHEN 'recognition' THEN p_of
        WHEN 'accountability' THEN p_office || coalesce(' ' || p_person, '')
        WHEN 'reward' THEN concat_ws(' ', p_project, p_office, p_person)
        ELSE p_project END
$$;
CREATE UNIQUE INDEX case_live ON registry."case" (class, registry.case_key(class, project, other_project, other_office, of, person))
    WHERE state NOT IN ('in_force', 'rejected', 'withdrawn');

-- What offices say to a case: opinions asked of them, the consent of parties, objections to a decision.
CREATE TABLE registry.opinion (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text REFERENCES registry.project,
    no text,
    office text NOT NULL REFERENCES registry.office,
    class text NOT NULL,
    of text NOT NULL REFERENCES registry."case",
    state text NOT NULL,
    until_on registry.ymd,
    stance text,
    reason text,
    actor text,
    given_at timestamptz,
    late boolean,
    asker text,
    asked_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX opinion_of ON registry.opinion (of, class, office);
CREATE INDEX opinion_project ON registry.opinion (project);
CREATE INDEX opinion_asked ON registry.opinion (asked_at, id);
CREATE INDEX opinion_until ON registry.opinion (until_on, id) WHERE state = 'asked';
CREATE INDEX opinion_mine ON registry.opinion (office) WHERE state IN ('asked', 'overdue');

-- The register of rewards and penalties; a case in force writes it, nobody else.
CREATE TABLE registry.reward (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text REFERENCES registry.project,
    no text,
    office text NOT NULL REFERENCES registry.office,
    class text NOT NULL,
    person text,
    points int,
    amount_reward registry.money_fen,
    of text NOT NULL REFERENCES registry."case",
    given_on registry.ymd NOT NULL,
    grounds text,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX reward_project ON registry.reward (project) WHERE project IS NOT NULL;
CREATE INDEX reward_office ON registry.reward (office, given_on);
CREATE INDEX reward_given ON registry.reward (given_on, id);

-- Whose result a project is, per indicator, in percent. The shares of one project may come to more than 100: they say what each
-- office may count as its own; the county counts the project once.
CREATE TABLE registry.share (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text NOT NULL REFERENCES registry.project,
    no text NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    class text NOT NULL,
    indicator text NOT NULL,
    percent int NOT NULL CHECK (percent BETWEEN 0 AND 100),
    of text NOT NULL REFERENCES registry."case",
    changed_at timestamptz NOT NULL,
    UNIQUE (project, class, indicator)
) WITH (fillfactor = 85);
CREATE INDEX share_changed ON registry.share (changed_at, id);
