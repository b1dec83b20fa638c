-- SPDX-License-Identifier: Apache-2.0
-- Parks with their plots and workshops, idle land, and the land a project waits for. Laid out by the county alone.

CREATE TABLE registry.park (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    no text NOT NULL UNIQUE, -- the code that projects name
    name text NOT NULL UNIQUE,
    office text NOT NULL REFERENCES registry.office,
    class text NOT NULL,
    trades text[], -- leading trades: industry codes of any level
    position text,
    area_mu numeric,
    amount_per_mu registry.money_fen, -- investment asked for, by mu
    changed_at timestamptz NOT NULL
);

CREATE TABLE registry.plot (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text REFERENCES registry.project,
    no text, -- of the project
    office text NOT NULL REFERENCES registry.office,
    class text NOT NULL,
    park text NOT NULL,
    state text NOT NULL,
    name text NOT NULL,
    area_mu numeric,
    floor_m2 numeric,
    use text,
    free_on registry.ymd,
    idle_on registry.ymd,
    idle_reason text,
    measure text,
    measure_on registry.ymd,
    changed_at timestamptz NOT NULL,
    UNIQUE (park, name)
);
CREATE INDEX plot_project ON registry.plot (project) WHERE project IS NOT NULL;

CREATE TABLE registry.land (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    project text NOT NULL REFERENCES registry.project,
    no text NOT NULL,
    office text NOT NULL REFERENCES registry.office,
    area_mu numeric NOT NULL,
    households int,
    state text NOT NULL,
    place text,
    blocker text,
    due_on registry.ymd,
    done_on registry.ymd,
    amount_paid registry.money_fen,
    note text,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX land_project ON registry.land (project);
CREATE INDEX project_park ON registry.project (park) WHERE park IS NOT NULL;
