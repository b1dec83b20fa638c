-- SPDX-License-Identifier: Apache-2.0
-- Agendas and inspections in the default rule set: a default, not any county's law.
-- Sixty days without progress: the first warning counties commonly give for a negotiation that stands. How many of each: what
-- a meeting gets through.
INSERT INTO registry.agenda_rule (rule_set, source, rank, most, days, stages) VALUES
    (1, 'unfinished', 1, 50, NULL, NULL),
    (1, 'overdue',    2, 30, NULL, NULL),
    (1, 'stale',      3, 20, 60, '{lead,intent,talks,signed,landed}'),
    (1, 'decision',   4, 20, NULL, NULL)
ON CONFLICT DO NOTHING;
-- No source: what such rounds commonly look at.
INSERT INTO registry.criterion (rule_set, code, zh, en, weight, rank) VALUES
    (1, 'progress', '项目进度', 'progress',  40, 1),
    (1, 'evidence', '佐证材料', 'evidence',  20, 2),
    (1, 'service',  '跟踪服务', 'service',   20, 3),
    (1, 'site',     '现场管理', 'site',      20, 4)
ON CONFLICT DO NOTHING;
INSERT INTO registry.round_rule (rule_set, nominated_most) VALUES (1, 3) ON CONFLICT DO NOTHING;
