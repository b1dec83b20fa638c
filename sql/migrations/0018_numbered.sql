-- SPDX-License-Identifier: Apache-2.0
-- Names of one investor that differ in numbers alone (一期, 二期; 01, 02) have a level of their own. `pattern` is a regular expression
-- over names as registry.norm leaves them: what it matches may differ.
ALTER TABLE registry.duplicate_rule
    DROP CONSTRAINT duplicate_rule_rule_check, DROP CONSTRAINT duplicate_rule_check2,
    ADD pattern text CHECK (pattern IS NULL OR ('' ~ pattern) IS NOT NULL), -- an expression that isn't one is refused here
    ADD CHECK (rule IN ('same_code', 'same_name', 'like_name', 'like_number', 'like_amount', 'same_phone', 'same_site', 'same_source')),
    ADD CHECK ((rule = 'like_number') = (pattern IS NOT NULL)),
    ADD CHECK (level <> 'block' OR rule IN ('same_code', 'same_name', 'like_name', 'like_number'));
