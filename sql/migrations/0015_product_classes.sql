-- SPDX-License-Identifier: Apache-2.0
-- The class that fits a project by what it makes: the first row that holds, by order.
CREATE TABLE registry.class_rule (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    n int NOT NULL,
    class text NOT NULL,
    product text,  -- a part of the field product
    industry text, -- the code or one below it
    source text NOT NULL,
    PRIMARY KEY (rule_set, n),
    CHECK (num_nonnulls(product, industry) > 0)
);
