-- SPDX-License-Identifier: Apache-2.0
-- What makes two projects suspects of being one; protection of who reported first; clocks, the alerts they light, and
-- monthly returns. All rules are data of a rule set.
-- No foreign keys to project: the clocks must not lock its rows, and nothing is ever deleted there.
ALTER TABLE registry.field DROP CONSTRAINT field_type_check;
ALTER TABLE registry.field ADD CONSTRAINT field_type_check CHECK (type IN ('text', 'note', 'money', 'ymd', 'int', 'mu',
    'tags', 'code', 'credit_code', 'project_code', 'currency', 'instant', 'version', 'rev', 'bool', 'list', 'derived'));

ALTER TABLE registry.dedup_key DROP CONSTRAINT dedup_key_kind_check;
ALTER TABLE registry.dedup_key ADD CONSTRAINT dedup_key_kind_check
    CHECK (kind IN ('code', 'credit', 'external', 'firm', 'name', 'investor'));

-- ---------------------------------------------------------------- rules

CREATE TABLE registry.duplicate_rule (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    rule text NOT NULL CHECK (rule IN ('same_code', 'same_name', 'like_name', 'like_amount', 'same_phone', 'same_site', 'same_source')),
    level text NOT NULL CHECK (level IN ('block', 'warn', 'off')),
    likeness numeric CHECK (likeness BETWEEN 0.5 AND 1), -- of names, like_name
    gap numeric CHECK (gap BETWEEN 0 AND 1),             -- of amounts, like_amount
    PRIMARY KEY (rule_set, rule),
    CHECK ((rule = 'like_name') = (likeness IS NOT NULL)),
    CHECK ((rule = 'like_amount') = (gap IS NOT NULL)),
    CHECK (level <> 'block' OR rule IN ('same_code', 'same_name', 'like_name'))
);

CREATE TABLE registry.protection_rule (
    rule_set int PRIMARY KEY REFERENCES registry.rule_set,
    stages text[] NOT NULL,
    days int NOT NULL CHECK (days BETWEEN 1 AND 3650),
    warn_days int NOT NULL CHECK (warn_days BETWEEN 0 AND days)
);

-- A clock runs in these stages from `start` on, until `met`; it lights so many units after. Null: never.
--   start  registered · stage (reached) · progress (stage or activity) · report (stage, activity or edit) ·
--          planned_start planned_complete planned_produce (until that is done) · schedule
--   met    contact: there is an activity; result: one that had a result
--   unit   day · workday · month; times: of the reporting interval (report); points: behind schedule (schedule)
CREATE TABLE registry.clock_rule (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    rule text NOT NULL CHECK (rule ~ '^[a-z_]{1,40}$' AND rule <> 'return'),
    stages text[] NOT NULL,
    start text NOT NULL CHECK (start IN ('registered', 'stage', 'progress', 'report', 'planned_start', 'planned_complete',
        'planned_produce', 'schedule')),
    met text CHECK (met IN ('contact', 'result')),
    unit text NOT NULL CHECK (unit IN ('day', 'workday', 'month', 'times', 'points')),
    blue int CHECK (blue BETWEEN 0 AND 400),
    yellow int CHECK (yellow BETWEEN 0 AND 400),
    red int CHECK (red BETWEEN 0 AND 400),
    exit int CHECK (exit BETWEEN 0 AND 400), -- red so long that leaving is proposed
    PRIMARY KEY (rule_set, rule),
    CHECK ((start = 'schedule') = (unit = 'points')),
    CHECK ((start = 'report') = (unit = 'times')),
    CHECK (coalesce(blue, yellow, red) IS NOT NULL AND blue <= yellow IS NOT FALSE AND yellow <= red IS NOT FALSE AND red <= exit IS NOT FALSE)
);

-- Days from one report of a project to the next, by stage and colour.
CREATE TABLE registry.report_rule (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    stage text NOT NULL,
    green int NOT NULL CHECK (green BETWEEN 1 AND 400),
    yellow int NOT NULL CHECK (yellow BETWEEN 1 AND green),
    red int NOT NULL CHECK (red BETWEEN 1 AND yellow),
    PRIMARY KEY (rule_set, stage)
);

-- The monthly return: of which kinds of offices, from which day of the month it is of, until which day of the next; days
-- behind that day until it is blue, yellow, red.
CREATE TABLE registry.return_rule (
    rule_set int PRIMARY KEY REFERENCES registry.rule_set,
    kinds text[] NOT NULL,
    opens_day int NOT NULL CHECK (opens_day BETWEEN 1 AND 28),
    due_day int NOT NULL CHECK (due_day BETWEEN 1 AND 28),
    blue int NOT NULL CHECK (blue BETWEEN 1 AND 400),
    yellow int NOT NULL CHECK (yellow BETWEEN blue AND 400),
    red int NOT NULL CHECK (red BETWEEN yellow AND 400)
);

-- ---------------------------------------------------------------- what they come to

-- A reporter's hold on a lead. A project has a row when something about it was decided or is near; before that the rule
-- says it all (registry.protected_until).
CREATE TABLE registry.protection (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text NOT NULL UNIQUE,
    no text NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    state text NOT NULL CHECK (state IN ('held', 'expiring', 'released', 'ended')),
    since_on registry.ymd NOT NULL,
    until_on registry.ymd NOT NULL,
    renewed_on registry.ymd,
    renewals int,
    proof text,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX protection_until ON registry.protection (until_on, id);
CREATE INDEX protection_expiring ON registry.protection (office) WHERE state = 'expiring';

CREATE TABLE registry.alert (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text,
    no text,
    office text NOT NULL,
    rule text NOT NULL,
    period text,
    state text NOT NULL CHECK (state IN ('open', 'cleared')),
    light text NOT NULL CHECK (light IN ('blue', 'yellow', 'red')),
    since_on registry.ymd NOT NULL,
    lit_on registry.ymd NOT NULL,
    start_on registry.ymd,
    limit_on registry.ymd,
    points int,
    proposal text,
    cleared_on registry.ymd,
    changed_at timestamptz NOT NULL,
    CHECK ((project IS NULL) = (period IS NOT NULL))
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX alert_open ON registry.alert (project, rule) WHERE state = 'open' AND project IS NOT NULL;
CREATE UNIQUE INDEX alert_open_office ON registry.alert (office, rule, period) WHERE state = 'open' AND project IS NULL;
CREATE INDEX alert_light ON registry.alert (office, rule, light) INCLUDE (limit_on, proposal) WHERE state = 'open';
CREATE INDEX alert_since ON registry.alert (since_on DESC NULLS LAST, id);
CREATE INDEX alert_project ON registry.alert (project) WHERE project IS NOT NULL;

CREATE TABLE registry."return" (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    period text NOT NULL CHECK (period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    state text NOT NULL CHECK (state IN ('filed', 'late')),
    due_on registry.ymd NOT NULL,
    filed_on registry.ymd NOT NULL,
    days_late int,
    leads int NOT NULL,
    assigned int NOT NULL,
    intents int NOT NULL,
    talks int NOT NULL,
    signed int NOT NULL,
    active int NOT NULL,
    yellow int NOT NULL,
    red int NOT NULL,
    note text,
    actor text NOT NULL,
    changed_at timestamptz NOT NULL,
    UNIQUE (office, period)
) WITH (fillfactor = 85);
CREATE INDEX return_period ON registry."return" (period DESC NULLS LAST, id);

-- How far the run of a day of the county has come: projects up to `after` are done.
CREATE TABLE registry.clock (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    day date,
    after text NOT NULL DEFAULT '',
    done_at timestamptz,
    began_at timestamptz,
    projects int NOT NULL DEFAULT 0,
    opened int NOT NULL DEFAULT 0,
    changed int NOT NULL DEFAULT 0,
    cleared int NOT NULL DEFAULT 0
);
INSERT INTO registry.clock DEFAULT VALUES;

-- A change of an object for the journal, where a set of them is written at once.
CREATE TYPE registry.told AS (kind text, object text, version bigint, fields jsonb, image jsonb, audience int[]);
