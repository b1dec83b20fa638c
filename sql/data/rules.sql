-- SPDX-License-Identifier: Apache-2.0
-- The default rule set: a default to start from, no county's law. A county makes its own under another id.
INSERT INTO registry.rule_set (id, name, year, note, in_force)
SELECT 1, '默认规则 2026', 2026, 'The default that ships with Qipan; not the law of any county.',
    NOT EXISTS (SELECT FROM registry.rule_set WHERE in_force)
ON CONFLICT DO NOTHING;

INSERT INTO registry.stage (rule_set, code, zh, en, rank, initial, date_field, pauses, ends) VALUES
    (1, 'concept',   '谋划', 'concept',       10, false, NULL, false, false),
    (1, 'lead',      '线索', 'lead',          20, true,  NULL, false, false),
    (1, 'intent',    '意向', 'intent',        30, false, NULL, false, false),
    (1, 'talks',     '在谈', 'talks',         40, false, NULL, false, false),
    (1, 'signed',    '签约', 'signed',        50, false, 'signed_on', false, false),
    (1, 'landed',    '落地', 'landed',        60, false, NULL, false, false),
    (1, 'started',   '开工', 'started',       70, false, 'started_on', false, false),
    (1, 'completed', '竣工', 'completed',     80, false, 'completed_on', false, false),
    (1, 'producing', '投产', 'in production', 90, false, 'produced_on', false, false),
    (1, 'full',      '达产', 'full capacity', 100, false, NULL, false, false),
    (1, 'suspended', '暂停', 'suspended',     110, false, NULL, true, false),
    (1, 'exited',    '退出', 'exited',        120, false, NULL, false, true)
ON CONFLICT DO NOTHING;

-- Forward by a step or over one that need not happen; one step back to put a mistake right;
-- every live project may be suspended or leave; a suspended one comes back to where it was.
INSERT INTO registry.transition (rule_set, "from", "to")
SELECT 1, f, t FROM (VALUES
    ('concept',   'lead'), ('concept', 'intent'),
    ('lead',      'intent'), ('lead', 'talks'), ('lead', 'concept'),
    ('intent',    'talks'), ('intent', 'signed'), ('intent', 'lead'),
    ('talks',     'signed'), ('talks', 'intent'),
    ('signed',    'landed'), ('signed', 'started'), ('signed', 'talks'),
    ('landed',    'started'), ('landed', 'signed'),
    ('started',   'completed'), ('started', 'landed'),
    ('completed', 'producing'), ('completed', 'started'),
    ('producing', 'full'), ('producing', 'completed'),
    ('full',      'producing')) AS move (f, t)
UNION ALL SELECT 1, code, t FROM registry.stage, unnest(ARRAY['suspended', 'exited']) t
    WHERE rule_set = 1 AND code NOT IN ('suspended', 'exited')
UNION ALL SELECT 1, 'suspended', code FROM registry.stage WHERE rule_set = 1 AND code NOT IN ('suspended', 'full', 'concept')
ON CONFLICT DO NOTHING;
