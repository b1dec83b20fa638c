-- SPDX-License-Identifier: Apache-2.0
INSERT INTO registry.text (key, zh, en) VALUES
    ('pipeline.months', '月数须在 1 到 24 之间', 'months must be from 1 to 24'),
    ('column.project.rule_set', '规则集', 'rule set'),
    ('column.project.stages', '现有项目', 'projects now'),
    ('column.project.large_stages', '其中重大项目', 'large ones'),
    ('column.project.undated', '未定开工计划的重大项目', 'large ones without a planned start'),
    ('kind.continuity', '重大项目接续', 'large projects to start'),
    ('column.continuity.quarter', '季度', 'quarter'),
    ('column.continuity.projects', '可开工', 'will start'),
    ('column.continuity.amount_total', '总投资', 'investment'),
    ('column.continuity.unripe', '前期不足', 'not far enough'),
    ('column.continuity.least_projects', '应有', 'at least'),
    ('column.continuity.amount_least', '应有总投资', 'at least'),
    ('column.continuity.thin', '接续不足', 'thin'),
    ('column.continuity.candidates', '项目', 'projects'),
    ('kind.funnel', '逐月进展', 'by month'),
    ('column.funnel.month', '月份', 'month'),
    ('column.funnel.stages', '进入各阶段的项目', 'came to a stage'),
    ('column.funnel.large_stages', '其中重大项目', 'large ones')
ON CONFLICT (key) DO UPDATE SET zh = excluded.zh, en = excluded.en;
INSERT INTO registry.code (kind, code, zh, en, rank) VALUES
    ('project_tier', 'tier1',  '1亿元以上',  'from 100 million yuan', 1),
    ('project_tier', 'tier5',  '5亿元以上',  'from 500 million yuan', 2),
    ('project_tier', 'tier10', '10亿元以上', 'from 1 billion yuan', 3),
    ('project_tier', 'tier50', '50亿元以上', 'from 5 billion yuan', 4)
ON CONFLICT DO NOTHING;
