-- SPDX-License-Identifier: Apache-2.0
-- Duplicates, protection, clocks, reporting, returns of the default rule set: a default, not any county's law. Sources: lead
-- clocks, lights and levels of duplicates as published measures of several counties have them; the periods of protection,
-- of reports and returns are chosen. A county changes its own rows; these are never written over.
INSERT INTO registry.duplicate_rule (rule_set, rule, level, likeness, gap) VALUES
    (1, 'same_code',   'block', NULL, NULL), -- the same project code
    (1, 'same_name',   'block', NULL, NULL), -- the same normalised name under the same investor
    (1, 'like_name',   'block', 0.85, NULL), -- a similar name under the same investor
    (1, 'like_amount', 'warn',  NULL, 0.20), -- the same investor and trade, amounts near each other
    (1, 'same_phone',  'warn',  NULL, NULL),
    (1, 'same_site',   'warn',  NULL, NULL),
    (1, 'same_source', 'warn',  NULL, NULL)  -- what would block, but two rows of one source tell them apart
ON CONFLICT DO NOTHING;
-- Similar names that differ in a number alone are another phase or parcel (项目12, 项目129; 一期, 二期), not so numbers that measure
-- (年产10万吨, 年产12万吨). Both names have numbers there: "项目", "项目二" stays a similar name.
INSERT INTO registry.duplicate_rule (rule_set, rule, level, pattern) VALUES
    (1, 'like_number', 'warn', '[0-9〇零一二两三四五六七八九十百]+(?![0-9〇零一二两三四五六七八九十百千万亿吨台套件辆头只米方平亩瓦兆升kmgw])')
ON CONFLICT DO NOTHING;

INSERT INTO registry.protection_rule (rule_set, stages, days, warn_days) VALUES (1, '{lead,intent}', 90, 10)
ON CONFLICT DO NOTHING;

INSERT INTO registry.clock_rule (rule_set, rule, stages, start, met, unit, blue, yellow, red, exit) VALUES
    (1, 'respond',         '{lead}',          'registered',       'contact', 'workday', 1, 2, 5, NULL),    -- a lead is answered in 1 day,
    (1, 'judge',           '{lead}',          'registered',       NULL,      'workday', 3, 5, 10, NULL),   -- judged in 3,
    (1, 'feedback',        '{lead,intent}',   'registered',       'result',  'day',     7, 10, 14, NULL),  -- told what came of it in a week
    (1, 'stale_talks',     '{talks}',         'progress',         NULL,      'month',   NULL, 2, 3, 6),    -- talks without progress
    (1, 'stale_landing',   '{signed,landed}', 'progress',         NULL,      'month',   NULL, 2, 3, NULL), -- signed, and nothing follows
    (1, 'late_start',      '{signed,landed}', 'planned_start',    NULL,      'day',     0, 30, 90, NULL),
    (1, 'late_completion', '{started}',       'planned_complete', NULL,      'day',     0, 30, 90, NULL),
    (1, 'late_production', '{completed}',     'planned_produce',  NULL,      'day',     0, 30, 90, NULL),
    (1, 'behind',          '{started}',       'schedule',         NULL,      'points',  NULL, 10, 30, NULL), -- 10 to 30 points, over 30
    (1, 'report',          '{lead,intent,talks,signed,landed,started}', 'report', NULL, 'times', 1, 2, 3, NULL)
ON CONFLICT DO NOTHING;

INSERT INTO registry.report_rule (rule_set, stage, green, yellow, red) VALUES
    (1, 'lead', 14, 14, 7), -- a lead is reported on every 2 weeks
    (1, 'intent', 30, 14, 7), (1, 'talks', 30, 14, 7), (1, 'signed', 30, 14, 7), (1, 'landed', 30, 14, 7), (1, 'started', 30, 14, 7)
ON CONFLICT DO NOTHING;

INSERT INTO registry.return_rule (rule_set, kinds, opens_day, due_day, blue, yellow, red) VALUES
    (1, '{township,park,department}', 20, 5, 1, 3, 7)
ON CONFLICT DO NOTHING;
