-- SPDX-License-Identifier: Apache-2.0
-- Which projects are large, by tiers of investment; how many of them must stand behind a coming quarter. Data of a rule set.
CREATE TABLE registry.tier_rule (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    tier text NOT NULL, -- registry.code, kind project_tier
    amount_from bigint NOT NULL CHECK (amount_from > 0), -- fen of yuan
    PRIMARY KEY (rule_set, tier),
    UNIQUE (rule_set, amount_from)
);

CREATE TABLE registry.pipeline_rule (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    ahead int NOT NULL CHECK (ahead BETWEEN 0 AND 11), -- quarters; 0 is this one
    stages text[] NOT NULL,                            -- how far a project has come that will start in time
    projects int NOT NULL CHECK (projects BETWEEN 0 AND 1000),
    amount_total bigint NOT NULL CHECK (amount_total >= 0),
    PRIMARY KEY (rule_set, ahead)
);
