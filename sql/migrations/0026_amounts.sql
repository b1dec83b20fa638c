-- SPDX-License-Identifier: Apache-2.0
-- How far apart two amounts of a project may be before it is asked whether one was meant in 万元 or 元. `pair`: two amounts of the
-- project itself; an arrival more, or less, than one of those; two arrivals. Asked when the larger is `least` to `most` times the smaller.
CREATE TABLE registry.amount_rule (
    rule_set int NOT NULL REFERENCES registry.rule_set,
    pair text NOT NULL CHECK (pair IN ('project', 'arrival_more', 'arrival_less', 'arrivals')),
    least numeric NOT NULL CHECK (least > 1),
    most numeric NOT NULL,
    PRIMARY KEY (rule_set, pair),
    CHECK (most >= least)
);
