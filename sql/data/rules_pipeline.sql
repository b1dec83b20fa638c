-- SPDX-License-Identifier: Apache-2.0
-- Tiers of large projects and what must stand behind a quarter, of the default rule set: chosen, a default, not any county's law. A
-- county changes its own rows; these are never written over.
INSERT INTO registry.tier_rule (rule_set, tier, amount_from) VALUES
    (1, 'tier1', 10000000000),  -- from 100 million yuan on a project is a large one
    (1, 'tier5', 50000000000),
    (1, 'tier10', 100000000000),
    (1, 'tier50', 500000000000)
ON CONFLICT DO NOTHING;

INSERT INTO registry.pipeline_rule (rule_set, ahead, stages, projects, amount_total) VALUES
    (1, 0, '{signed,landed}',              2, 30000000000),
    (1, 1, '{signed,landed}',              2, 30000000000),
    (1, 2, '{talks,signed,landed}',        3, 50000000000),
    (1, 3, '{intent,talks,signed,landed}', 3, 50000000000)
ON CONFLICT DO NOTHING;
