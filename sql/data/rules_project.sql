-- SPDX-License-Identifier: Apache-2.0
-- What the default rule set says of projects: tags, completeness, idleness. A default, not any county's law: a county's own
-- rule set has rows of its own under its own number (sql/README.md).
INSERT INTO registry.tag_rule (rule_set, n, tag, amount_total, industry, except_industry, product, class, method, firm_class, node, source) VALUES
    -- 大 新 链 智: counties set their own thresholds and lists
    (1,  1, '大', 50000000000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'default: five hundred million yuan'),
    (1,  2, '大', NULL, NULL, NULL, NULL, NULL, NULL, 'fortune500', NULL, 'default'),
    (1,  3, '大', NULL, NULL, NULL, NULL, NULL, NULL, 'china500',   NULL, 'default'),
    (1,  4, '大', NULL, NULL, NULL, NULL, NULL, NULL, 'private500', NULL, 'default'),
    -- groups and classes that 战略性新兴产业分类(2018), 国家统计局令第23号, draws on, taken whole
    (1, 10, '新', NULL, 'C27',   NULL, NULL, NULL, NULL, NULL, NULL, 'default after 战略性新兴产业分类(2018): 生物'),
    (1, 11, '新', NULL, 'C3491', NULL, NULL, NULL, NULL, NULL, NULL, 'default after 战略性新兴产业分类(2018): 高端装备'),
    (1, 12, '新', NULL, 'C3492', NULL, NULL, NULL, NULL, NULL, NULL, 'default after 战略性新兴产业分类(2018): 高端装备'),
    (1, 13, '新', NULL, 'C3493', NULL, NULL, NULL, NULL, NULL, NULL, 'default after 战略性新兴产业分类(2018): 高端装备'),
    (1, 14, '新', NULL, 'C358',  NULL, NULL, NULL, NULL, NULL, NULL, 'default after 战略性新兴产业分类(2018): 生物'),
    (1, 15, '新', NULL, 'C3612', NULL, NULL, NULL, NULL, NULL, NULL, 'default after 战略性新兴产业分类(2018): 新能源汽车'),
    (1, 16, '新', NULL, 'C374',  NULL, NULL, NULL, NULL, NULL, NULL, 'default after 战略性新兴产业分类(2018): 高端装备'),
    (1, 17, '新', NULL, 'C3825', NULL, NULL, NULL, NULL, NULL, NULL, 'default after 战略性新兴产业分类(2018): 新能源'),
    (1, 18, '新', NULL, 'C3841', NULL, NULL, NULL, NULL, NULL, NULL, 'default after 战略性新兴产业分类(2018): 新能源汽车'),
    (1, 19, '新', NULL, 'C39',   NULL, NULL, NULL, NULL, NULL, NULL, 'default after 战略性新兴产业分类(2018): 新一代信息技术'),
    (1, 20, '新', NULL, 'I64',   NULL, NULL, NULL, NULL, NULL, NULL, 'default after 战略性新兴产业分类(2018): 新一代信息技术'),
    (1, 21, '新', NULL, 'I65',   NULL, NULL, NULL, NULL, NULL, NULL, 'default after 战略性新兴产业分类(2018): 新一代信息技术'),
    (1, 22, '新', NULL, NULL, NULL, NULL, NULL, NULL, 'unicorn',     NULL, 'default'),
    (1, 23, '新', NULL, NULL, NULL, NULL, NULL, NULL, 'gazelle',     NULL, 'default'),
    (1, 24, '新', NULL, NULL, NULL, NULL, NULL, NULL, 'specialised', NULL, 'default'),
    (1, 25, '新', NULL, NULL, NULL, NULL, NULL, NULL, 'littlegiant', NULL, 'default'),
    (1, 30, '链', NULL, NULL, NULL, NULL, NULL, NULL, NULL, true, 'default: it hangs on a node of a chain'),
    (1, 40, '智', NULL, NULL, NULL, NULL, 'technology', NULL, NULL, NULL, 'default'),
    (1, 41, '智', NULL, NULL, NULL, NULL, NULL, 'talent', NULL, NULL, 'default'),
    (1, 42, '智', NULL, NULL, NULL, NULL, NULL, 'technology', NULL, NULL, 'default'),
    (1, 43, '智', NULL, 'M73', NULL, NULL, NULL, NULL, NULL, NULL, 'default: research and development'),
    -- 三次产业划分规定, 国家统计局, as revised in 2018 for GB/T 4754-2017 (国统设管函〔2018〕74号)
    (1, 50, '一产', NULL, 'A', '{A05}', NULL, NULL, NULL, NULL, NULL, '三次产业划分规定(2018): 农、林、牧、渔业,不含农、林、牧、渔专业及辅助性活动'),
    (1, 51, '二产', NULL, 'B', '{B11}', NULL, NULL, NULL, NULL, NULL, '三次产业划分规定(2018): 采矿业,不含开采专业及辅助性活动'),
    (1, 52, '二产', NULL, 'C', '{C43}', NULL, NULL, NULL, NULL, NULL, '三次产业划分规定(2018): 制造业,不含金属制品、机械和设备修理业'),
    (1, 53, '二产', NULL, 'D', NULL, NULL, NULL, NULL, NULL, NULL, '三次产业划分规定(2018): 电力、热力、燃气及水生产和供应业'),
    (1, 54, '二产', NULL, 'E', NULL, NULL, NULL, NULL, NULL, NULL, '三次产业划分规定(2018): 建筑业'),
    (1, 55, '三产', NULL, 'A05', NULL, NULL, NULL, NULL, NULL, NULL, '三次产业划分规定(2018): 农、林、牧、渔专业及辅助性活动'),
    (1, 56, '三产', NULL, 'B11', NULL, NULL, NULL, NULL, NULL, NULL, '三次产业划分规定(2018): 开采专业及辅助性活动'),
    (1, 57, '三产', NULL, 'C43', NULL, NULL, NULL, NULL, NULL, NULL, '三次产业划分规定(2018): 金属制品、机械和设备修理业'),
    -- groups that 高技术产业(制造业)分类(2017), 国统字〔2017〕200号, draws on, taken whole; and what counties add by product
    (1, 80, '先进制造', NULL, 'C27',   NULL, NULL, NULL, NULL, NULL, NULL, 'default after 高技术产业(制造业)分类(2017): 医药制造'),
    (1, 81, '先进制造', NULL, 'C358',  NULL, NULL, NULL, NULL, NULL, NULL, 'default after 高技术产业(制造业)分类(2017): 医疗仪器设备'),
    (1, 82, '先进制造', NULL, 'C374',  NULL, NULL, NULL, NULL, NULL, NULL, 'default after 高技术产业(制造业)分类(2017): 航空、航天器及设备'),
    (1, 83, '先进制造', NULL, 'C39',   NULL, NULL, NULL, NULL, NULL, NULL, 'default after 高技术产业(制造业)分类(2017): 电子及通信设备、计算机'),
    (1, 84, '先进制造', NULL, 'C40',   NULL, NULL, NULL, NULL, NULL, NULL, 'default after 高技术产业(制造业)分类(2017): 仪器仪表'),
    (1, 85, '先进制造', NULL, 'C3491', NULL, NULL, NULL, NULL, NULL, NULL, 'default: industrial robots'),
    (1, 86, '先进制造', NULL, 'C3493', NULL, NULL, NULL, NULL, NULL, NULL, 'default: additive manufacturing'),
    (1, 87, '先进制造', NULL, 'C3612', NULL, NULL, NULL, NULL, NULL, NULL, 'default: vehicles of new energy'),
    (1, 88, '先进制造', NULL, 'C3825', NULL, NULL, NULL, NULL, NULL, NULL, 'default: photovoltaic equipment'),
    (1, 89, '先进制造', NULL, 'C3841', NULL, NULL, NULL, NULL, NULL, NULL, 'default: lithium batteries'),
    (1, 90, '先进制造', NULL, 'C', NULL, '机器人', NULL, NULL, NULL, NULL, 'default: by product'),
    (1, 91, '先进制造', NULL, 'C', NULL, '芯片',   NULL, NULL, NULL, NULL, 'default: by product'),
    (1, 92, '先进制造', NULL, 'C', NULL, '储能',   NULL, NULL, NULL, NULL, 'default: by product'),
    (1, 93, '先进制造', NULL, 'C', NULL, '光伏',   NULL, NULL, NULL, NULL, 'default: by product'),
    (1, 94, '先进制造', NULL, 'C', NULL, '无人机', NULL, NULL, NULL, NULL, 'default: by product'),
    -- winning and first working of minerals and timber, as 国发〔2013〕45号 describes the industries of resource-based cities
    (1, 100, '资源型', NULL, 'B', '{B11}', NULL, NULL, NULL, NULL, NULL, 'default after 国发〔2013〕45号: 矿产开采'),
    (1, 101, '资源型', NULL, 'A024', NULL, NULL, NULL, NULL, NULL, NULL, 'default after 国发〔2013〕45号: 木材和竹材采运'),
    (1, 102, '资源型', NULL, 'C25', NULL, NULL, NULL, NULL, NULL, NULL, 'default after 国发〔2013〕45号: 石油、煤炭加工'),
    (1, 103, '资源型', NULL, 'C30', NULL, NULL, NULL, NULL, NULL, NULL, 'default after 国发〔2013〕45号: 非金属矿物制品'),
    (1, 104, '资源型', NULL, 'C31', NULL, NULL, NULL, NULL, NULL, NULL, 'default after 国发〔2013〕45号: 黑色金属冶炼'),
    (1, 105, '资源型', NULL, 'C32', NULL, NULL, NULL, NULL, NULL, NULL, 'default after 国发〔2013〕45号: 有色金属冶炼'),
    -- listed, but no result of promotion; the registry's counts leave out what has this tag
    (1, 120, '不计入', NULL, NULL, NULL, NULL, 'infrastructure', NULL, NULL, NULL, 'default'),
    (1, 121, '不计入', NULL, NULL, NULL, NULL, 'realestate',     NULL, NULL, NULL, 'default'),
    (1, 122, '不计入', NULL, NULL, NULL, NULL, 'commercial',     NULL, NULL, NULL, 'default')
ON CONFLICT DO NOTHING;
-- all other sections are tertiary
INSERT INTO registry.tag_rule (rule_set, n, tag, industry, source)
SELECT 1, 58 + row_number() OVER (ORDER BY s), '三产', s, '三次产业划分规定(2018): 第三产业即服务业,是指除第一产业、第二产业以外的其他行业'
FROM unnest('{F,G,H,I,J,K,L,M,N,O,P,Q,R,S,T}'::text[]) s
ON CONFLICT DO NOTHING;

INSERT INTO registry.completeness_rule (rule_set, stage, field, weight) VALUES
    (1, NULL, 'name', 5), (1, NULL, 'investor', 10), (1, NULL, 'region', 5), (1, NULL, 'industry', 10), (1, NULL, 'amount_total', 15),
    (1, NULL, 'summary', 10), (1, NULL, 'product', 5), (1, NULL, 'method', 5), (1, NULL, 'class', 5), (1, NULL, 'lead_person', 10),
    (1, NULL, 'contact_name', 5), (1, NULL, 'contact_phone', 5), (1, NULL, 'planned_sign_on', 5), (1, NULL, 'planned_start_on', 5),
    -- a packaged project: what an investor wants to read
    (1, 'concept', 'name', 5), (1, 'concept', 'summary', 20), (1, 'concept', 'product', 10), (1, 'concept', 'industry', 10),
    (1, 'concept', 'amount_total', 15), (1, 'concept', 'site', 10), (1, 'concept', 'land_mu', 10), (1, 'concept', 'amount_output', 5),
    (1, 'concept', 'amount_tax', 5), (1, 'concept', 'jobs', 5), (1, 'concept', 'lead_person', 5)
ON CONFLICT DO NOTHING;
INSERT INTO registry.completeness_rule (rule_set, stage, field, weight)
SELECT 1, s, f.field, f.weight FROM unnest('{signed,landed,started,completed,producing,full}'::text[]) s,
    (VALUES ('name', 5), ('code', 5), ('investor', 10), ('credit_code', 10), ('region', 5), ('industry', 10), ('amount_total', 10),
        ('amount_fixed', 10), ('amount_outside', 5), ('summary', 5), ('method', 5), ('park', 5), ('land_mu', 5), ('amount_output', 5),
        ('amount_tax', 5), ('jobs', 5), ('lead_person', 5), ('service_person', 5), ('contact_phone', 5), ('planned_start_on', 5),
        ('planned_complete_on', 5), ('planned_produce_on', 5), ('signed_on', 10)) f (field, weight)
ON CONFLICT DO NOTHING;

INSERT INTO registry.idle_rule (rule_set, stage, days) VALUES
    (1, 'lead', 30), (1, 'intent', 30), (1, 'talks', 30), (1, 'signed', 60), (1, 'landed', 60), (1, 'started', 90), (1, 'completed', 90)
ON CONFLICT DO NOTHING;

-- A plot kept for a project that exits is free again; one that it was given lies idle, and stays with it until the county takes it back.
INSERT INTO registry.plot_rule (rule_set, state, becomes) VALUES (1, 'reserved', 'free'), (1, 'taken', 'idle') ON CONFLICT DO NOTHING;

INSERT INTO registry.investor_move (rule_set, "from", "to") VALUES (1, 'concept', 'lead') ON CONFLICT DO NOTHING;

INSERT INTO registry.class_rule (rule_set, n, class, product, industry, source) VALUES
    (1,  1, 'commercial',     '商业街', NULL, 'default: by product'),
    (1,  2, 'tourism',        '文旅',   NULL, 'default: by product'),
    (1,  3, 'agricultural',   '农业园', NULL, 'default: by product'),
    (1,  4, 'technology',     '研发',   NULL, 'default: by product'),
    (1,  5, 'logistics',      '冷链',   NULL, 'default: by product'),
    (1, 10, 'agricultural',   NULL, 'A',   'default: by section of GB/T 4754-2017'),
    (1, 11, 'energy',         NULL, 'D44', 'default: production and supply of power and heat'),
    (1, 12, 'industrial',     NULL, 'B',   'default: by section of GB/T 4754-2017'),
    (1, 13, 'industrial',     NULL, 'C',   'default: by section of GB/T 4754-2017'),
    (1, 14, 'infrastructure', NULL, 'D46', 'default: production and supply of water'),
    (1, 15, 'infrastructure', NULL, 'E48', 'default: civil engineering'),
    (1, 16, 'logistics',      NULL, 'F',   'default: by section of GB/T 4754-2017'),
    (1, 17, 'logistics',      NULL, 'G',   'default: by section of GB/T 4754-2017'),
    (1, 18, 'realestate',     NULL, 'K',   'default: by section of GB/T 4754-2017'),
    (1, 19, 'technology',     NULL, 'M',   'default: by section of GB/T 4754-2017'),
    (1, 20, 'infrastructure', NULL, 'N78', 'default: public facilities'),
    (1, 21, 'tourism',        NULL, 'R',   'default: by section of GB/T 4754-2017')
ON CONFLICT DO NOTHING;
