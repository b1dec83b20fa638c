-- SPDX-License-Identifier: Apache-2.0
-- What becomes of a plot in a state when its project comes to a stage that ends it. Without a row it stays as it is.
CREATE TABLE registry.plot_rule (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    state text NOT NULL CHECK (state IN ('reserved', 'taken')),
    becomes text NOT NULL CHECK (becomes IN ('free', 'idle')),
    PRIMARY KEY (rule_set, state)
);
