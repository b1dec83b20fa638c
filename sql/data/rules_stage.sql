-- SPDX-License-Identifier: Apache-2.0
-- What the stages of the default rule set ask for. A default to start from, no county's law: counties'
-- yearly rules for recognising results commonly count a signing with the signed contract, a start with site photographs and permits, a
-- production with invoices or power bills, money with bank vouchers, each verified by another than who reports it; here that is one
-- file and one approval each. A county writes its own rows under its own rule set; with blocks they are asked for before the move.
INSERT INTO registry.stage_need (rule_set, stage, need, what, blocks, note)
SELECT 1, * FROM (VALUES
    ('signed',    'field',    'investor',     false, '签约主体'),
    ('signed',    'field',    'amount_total', false, '协议总投资'),
    ('signed',    'evidence', '',             false, '投资合同'),
    ('signed',    'approval', '',             false, NULL),
    ('started',   'evidence', '',             false, '施工许可或现场照片'),
    ('started',   'approval', '',             false, NULL),
    ('producing', 'evidence', '',             false, '投产证明'),
    ('producing', 'approval', '',             false, NULL),
    ('arrival',   'evidence', '',             false, '银行回单等凭证'),
    ('arrival',   'approval', '',             false, NULL)) v
WHERE NOT EXISTS (SELECT FROM registry.stage_need);

-- Amounts of one project are seldom a thousand times apart; instalments may be, so of those that are less than its amounts, or than
-- each other, only what is just about ten thousand times off is asked about.
INSERT INTO registry.amount_rule (rule_set, pair, least, most) VALUES
    (1, 'project',      1000, 100000),
    (1, 'arrival_more', 1000, 100000),
    (1, 'arrival_less', 8000, 12500),
    (1, 'arrivals',     8000, 12500)
ON CONFLICT DO NOTHING;
