-- SPDX-License-Identifier: Apache-2.0
-- Lists of projects begin with those registered last, and say how many there are, without reading them all.
CREATE INDEX project_registered ON registry.project (registered_at, no);

-- An office's projects by stage. (A move to another stage stays off HOT for it, as it did for the partial index it replaces.)
CREATE INDEX project_office_stage ON registry.project (office, stage);
DROP INDEX registry.project_office, registry.project_exited;

-- How many projects there are and what they come to, by what people count them by (registry.counted_by); kind 'all': every
-- one. Who writes a project appends to tally_news what is added and taken, and locks nobody's row; behind the feed that is folded in.
CREATE TABLE registry.project_tally (
    kind text NOT NULL,
    code text,
    audience int[] NOT NULL,
    stage text NOT NULL,
    dated boolean NOT NULL,   -- signed_on is set
    counted boolean NOT NULL,
    projects bigint NOT NULL,
    priced bigint NOT NULL,   -- those whose amount_total is known, in yuan …
    amount numeric NOT NULL   -- … and comes to this
);
CREATE INDEX project_tally_kind ON registry.project_tally (kind);

CREATE TABLE registry.tally_news (
    n int NOT NULL,           -- a project more, or less
    audience int[] NOT NULL,
    dated boolean NOT NULL,
    counted boolean NOT NULL,
    merged boolean NOT NULL,  -- part of another: only 'all' has it
    amount bigint,
    tag text[] NOT NULL,
    method text,
    region text,
    industry text,
    division text,
    class text,
    stage text NOT NULL,
    office text NOT NULL,
    park text,
    node text,
    node_role text,
    month text NOT NULL,
    tier text
);
