-- SPDX-License-Identifier: Apache-2.0
-- How cases of each class go. A default to start from, drawn up for Qipan after procedures that counties publish (准入评审、公示异议、
-- 提醒—通报—约谈); days and limits are round figures, no county's law. A county makes its own under another rule set.
INSERT INTO registry.case_class (rule_set, class, opens, needs, ask_days, objection_days, party_decides) VALUES
    (1, 'admission',      'write',  '{project}',               5, 0,  true),
    (1, 'duplicate',      'write',  '{project,other_project}', 3, 3,  false),
    (1, 'transfer',       'write',  '{project,other_office}',  3, 0,  false),
    (1, 'recognition',    'write',  '{project,of}',            5, 5,  true),
    (1, 'exit',           'assign', '{project}',               5, 10, true),
    (1, 'accountability', 'assign', '{other_office,subject}',  5, 5,  false),
    (1, 'reward',         'assign', '{other_office,subject}',  5, 5,  false)
ON CONFLICT DO NOTHING;

INSERT INTO registry.case_step (rule_set, class, step, rank, may, opinions, evidence, agreed, notice_days) VALUES
    (1, 'admission',      'opened',    1, 'write',  0, 0, false, 0),
    (1, 'admission',      'consult',   2, 'assign', 0, 0, false, 0),
    (1, 'admission',      'review',    3, 'assign', 2, 0, false, 0),
    (1, 'duplicate',      'opened',    1, 'write',  0, 0, false, 0),
    (1, 'duplicate',      'consult',   2, 'assign', 0, 0, false, 0),
    (1, 'duplicate',      'review',    3, 'assign', 1, 0, false, 0),
    (1, 'transfer',       'opened',    1, 'write',  0, 0, false, 0),
    (1, 'transfer',       'agreed',    2, 'write',  0, 0, true,  0),
    (1, 'transfer',       'review',    3, 'assign', 1, 0, true,  0),
    (1, 'recognition',    'opened',    1, 'write',  0, 0, false, 0),
    (1, 'recognition',    'proved',    2, 'write',  0, 1, false, 0),
    (1, 'recognition',    'review',    3, 'assign', 0, 1, false, 0),
    (1, 'exit',           'warned',    1, 'assign', 0, 0, false, 0),
    (1, 'exit',           'noticed',   2, 'assign', 0, 0, false, 30),
    (1, 'exit',           'review',    3, 'assign', 1, 0, false, 15),
    (1, 'accountability', 'reminder',  1, 'assign', 0, 0, false, 0),
    (1, 'accountability', 'notice',    2, 'assign', 0, 0, false, 7),
    (1, 'accountability', 'interview', 3, 'assign', 0, 0, false, 7),
    (1, 'accountability', 'review',    4, 'assign', 0, 0, false, 0),
    (1, 'reward',         'opened',    1, 'assign', 0, 0, false, 0),
    (1, 'reward',         'consult',   2, 'assign', 0, 0, false, 0),
    (1, 'reward',         'review',    3, 'assign', 1, 0, false, 0)
ON CONFLICT DO NOTHING;

INSERT INTO registry.case_ruling (rule_set, class, ruling, rank, granted) VALUES
    (1, 'admission',      'admit',            1, true),
    (1, 'admission',      'admit_conditions', 2, true),
    (1, 'admission',      'refuse',           3, false),
    (1, 'duplicate',      'merge',            1, true),
    (1, 'duplicate',      'keep_both',        2, true),
    (1, 'duplicate',      'joint',            3, true),
    (1, 'duplicate',      'reject_later',     4, true),
    (1, 'transfer',       'transfer',         1, true),
    (1, 'transfer',       'refuse',           2, false),
    (1, 'recognition',    'recognise',        1, true),
    (1, 'recognition',    'refuse',           2, false),
    (1, 'exit',           'exit',             1, true),
    (1, 'exit',           'retain',           2, false),
    (1, 'accountability', 'criticise',        1, true),
    (1, 'accountability', 'penalise',         2, true),
    (1, 'accountability', 'no_action',        3, false),
    (1, 'reward',         'reward',           1, true),
    (1, 'reward',         'penalise',         2, true),
    (1, 'reward',         'refuse',           3, false)
ON CONFLICT DO NOTHING;

-- 万元 a mu; kgce per 10 000 yuan of output; class of the environmental assessment (1 register, 2 form, 3 book). Nothing is admitted
-- below them (or with a figure nobody knows) but by conditions or by an exception that says why.
INSERT INTO registry.case_limit (rule_set, class, fact, least, most, blocks) VALUES
    (1, 'admission', 'invest_per_mu', 200, NULL, '{admit}'),
    (1, 'admission', 'tax_per_mu',    10,  NULL, '{admit}'),
    (1, 'admission', 'energy',        NULL, 500, '{admit}'),
    (1, 'admission', 'environment',   NULL, 2,   '{admit}'),
    (1, 'exit',      'days_silent',   NULL, 180, NULL),
    (1, 'duplicate', 'likeness',      NULL, 0.85, NULL)
ON CONFLICT DO NOTHING;

-- Fixed investment counts in full for both; arrivals belong to who brought the project, output and tax to where it stands.
INSERT INTO registry.case_share (rule_set, ruling, indicator, introducer, host)
SELECT 1, r, v.* FROM unnest(ARRAY['transfer', 'joint']) r, (VALUES
    ('projects', 100, 100), ('fixed', 100, 100), ('arrived', 100, 0), ('output', 0, 100), ('tax', 0, 100)) v
WHERE r = 'transfer'
UNION ALL SELECT 1, 'joint', v.* FROM (VALUES
    ('projects', 100, 100), ('fixed', 100, 100), ('arrived', 50, 50), ('output', 50, 50), ('tax', 50, 50)) v
ON CONFLICT DO NOTHING;

INSERT INTO registry.case_weight (rule_set, fact, weight) VALUES
    (1, 'invest_per_mu', 40), (1, 'tax_per_mu', 40), (1, 'output_per_mu', 20)
ON CONFLICT DO NOTHING;

-- days: how far back is looked, 0 = at all there is
INSERT INTO registry.case_trigger (rule_set, trigger, class, least, days) VALUES
    (1, 'silent',  'exit',           180, 0),   -- days without progress of a project that the clocks propose for exit
    (1, 'overdue', 'accountability', 3,   0),   -- deadlines passed and matters that turned yellow or red
    (1, 'red',     'accountability', 3,   0),   -- projects with a red light
    (1, 'returns', 'accountability', 2,   365)  -- monthly returns missing
ON CONFLICT DO NOTHING;
