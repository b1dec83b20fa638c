-- SPDX-License-Identifier: Apache-2.0
-- Enterprises with recognitions and links, chains, stations outside; what follows for a project from rules.

-- In which order lists of a kind come (registry.generate_record).
ALTER TABLE registry.kind ADD list_order text;

ALTER TABLE registry.enterprise ADD classes text[] NOT NULL DEFAULT '{}';

CREATE TABLE registry.recognition (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    enterprise text NOT NULL REFERENCES registry.enterprise,
    firm text NOT NULL,
    state text NOT NULL,
    class text NOT NULL,
    source text NOT NULL,
    year int NOT NULL,
    until_on registry.ymd,
    note text,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX recognition_stands ON registry.recognition (enterprise, class, year) WHERE state = 'stands';
CREATE INDEX recognition_enterprise ON registry.recognition (enterprise);

CREATE TABLE registry.valuechain (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    name text NOT NULL UNIQUE,
    lead_person text,
    note text,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);

CREATE TABLE registry.node (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    chain text NOT NULL REFERENCES registry.valuechain,
    name text NOT NULL,
    parent text REFERENCES registry.node,
    part text NOT NULL,
    rank int NOT NULL,
    present text[], -- ids of enterprises
    missing text[], -- names of those that are wanted
    note text,
    changed_at timestamptz NOT NULL,
    UNIQUE (chain, name)
) WITH (fillfactor = 85);
CREATE INDEX node_name ON registry.node (name);

CREATE TABLE registry.station (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    name text NOT NULL,
    region text NOT NULL,
    place text,
    staff text NOT NULL,
    from_on registry.ymd NOT NULL,
    until_on registry.ymd,
    note text,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);

-- Who brought a project: a firm or another project.
CREATE TABLE registry.link (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text NOT NULL REFERENCES registry.project,
    no text NOT NULL,
    state text NOT NULL,
    class text NOT NULL,
    origin text NOT NULL, -- id of an enterprise or project
    origin_name text NOT NULL,
    note text,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX link_stands ON registry.link (project, origin, class) WHERE state = 'stands';
CREATE INDEX link_project ON registry.link (project);
CREATE INDEX link_origin ON registry.link (origin);

-- ---------------------------------------------------------------- projects

ALTER TABLE registry.project
    ADD node text REFERENCES registry.node,
    ADD node_role text,
    ADD product text,
    ADD auto_tags text[] NOT NULL DEFAULT '{}'; -- by registry.tag_rule
CREATE INDEX project_node ON registry.project (node) WHERE node IS NOT NULL;
CREATE INDEX project_credit_code ON registry.project (credit_code) WHERE credit_code IS NOT NULL;

-- How a project moves: since when it stands where it stands, and when it was last talked about. Kept by triggers.
CREATE TABLE registry.pace (
    project text PRIMARY KEY REFERENCES registry.project,
    stage text NOT NULL,
    stage_on registry.ymd NOT NULL,
    talked_on registry.ymd,
    active_on registry.ymd NOT NULL -- the last talk; without one the day of registration
) WITH (fillfactor = 85);
CREATE INDEX pace_active ON registry.pace (stage, active_on, project);
INSERT INTO registry.pace (project, stage, stage_on, talked_on, active_on)
SELECT p.id, p.stage, coalesce(s.happened_on, r.day), a.held_on, coalesce(a.held_on, r.day)
FROM registry.project p
CROSS JOIN LATERAL (SELECT (p.registered_at AT TIME ZONE x.value)::date::text AS day FROM registry.setting x WHERE x.key = 'county.timezone') r
LEFT JOIN LATERAL (SELECT e.happened_on FROM registry.stage_event e WHERE e.project = p.id ORDER BY e.version DESC LIMIT 1) s ON true
LEFT JOIN LATERAL (SELECT max(v.held_on) AS held_on FROM registry.activity v WHERE v.project = p.id) a ON true;

-- ---------------------------------------------------------------- rules

-- A tag holds for a project when one of its rows does: all that a row says must hold.
CREATE TABLE registry.tag_rule (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    n int NOT NULL, -- order of tags: that of their first rows
    tag text NOT NULL CHECK (tag ~ '^[^,，[:space:][:cntrl:]]{1,30}$'),
    amount_total registry.money_fen, -- at least
    industry text,                   -- the code or one below it …
    except_industry text[],          -- … but for these
    product text,                    -- a part of the field product
    class text,
    method text,
    firm_class text,                 -- the investor is recognised as that
    node boolean,                    -- it hangs on a node of a chain
    source text NOT NULL,
    PRIMARY KEY (rule_set, n),
    CHECK (num_nonnulls(amount_total, industry, product, class, method, firm_class, node) > 0)
);

CREATE INDEX tag_rule_amount ON registry.tag_rule (rule_set, amount_total) WHERE amount_total IS NOT NULL;

-- What a project's record should hold, and how much it counts; stage null: in every stage without rows of its own.
CREATE TABLE registry.completeness_rule (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    stage text,
    field text NOT NULL,
    weight int NOT NULL CHECK (weight > 0),
    UNIQUE NULLS NOT DISTINCT (rule_set, stage, field)
);

-- After how many days without a talk a project of this stage counts as idle.
CREATE TABLE registry.idle_rule (
    rule_set int NOT NULL,
    stage text NOT NULL,
    days int NOT NULL CHECK (days > 0),
    PRIMARY KEY (rule_set, stage),
    FOREIGN KEY (rule_set, stage) REFERENCES registry.stage (rule_set, code)
);

-- A project of the one stage moves to the other by itself when it gets an investor.
CREATE TABLE registry.investor_move (
    rule_set int NOT NULL,
    "from" text NOT NULL,
    "to" text NOT NULL,
    PRIMARY KEY (rule_set, "from"),
    FOREIGN KEY (rule_set, "from", "to") REFERENCES registry.transition
);
