-- SPDX-License-Identifier: Apache-2.0
-- The demo county 棋山县: offices, accounts, certificates, parks. County, places, firms and people are invented.
BEGIN;
UPDATE registry.setting SET value = 'true' WHERE key = 'development';

INSERT INTO registry.office (code, name, kind, rank) VALUES
    ('leader', '县领导', 'leader', 1),
    ('bureau', '县招商局', 'bureau', 2),
    ('duban', '县委县政府督查室', 'supervision', 3),
    ('fagai', '县发展和改革局', 'department', 10),
    ('gongxin', '县工业和信息化局', 'department', 11),
    ('ziran', '县自然资源局', 'department', 12),
    ('shuju', '县大数据中心', 'department', 13),
    ('jingkai', '棋山经济开发区', 'park', 20),
    ('chengguan', '城关镇', 'township', 30),
    ('dongshan', '东山镇', 'township', 31),
    ('beihe', '北河镇', 'township', 32),
    ('nanling', '南岭乡', 'township', 33);

INSERT INTO registry.code (kind, code, zh, en, rank) VALUES
    ('park', 'jingkai', '棋山经济开发区', 'Qishan Economic Development Zone', 1),
    ('park', 'wuliu', '北河临港物流园', 'Beihe Logistics Park', 2),
    ('park', 'dongnong', '东山现代农业产业园', 'Dongshan Agricultural Park', 3)
ON CONFLICT DO NOTHING;

SELECT registry.account_new(v.code, v.name, v.office, v.role, v.holder) FROM (VALUES
    ('bureau', '周先行', 'bureau', 'bureau', 'person'),
    ('chengguan', '李小目', 'chengguan', 'clerk', 'person'),
    ('dongshan', '王弈秋', 'dongshan', 'clerk', 'person'),
    ('jingkai', '赵元一', 'jingkai', 'clerk', 'person'),
    ('fagai', '孙计然', 'fagai', 'clerk', 'person'),
    ('ziran', '吴厚土', 'ziran', 'clerk', 'person'),
    ('leader', '郑观局', 'leader', 'leader', 'person'),
    ('duban', '钱必到', 'duban', 'supervisor', 'person'),
    ('sysadmin', '冯维', 'shuju', 'sysadmin', 'person'),
    ('secadmin', '褚安', 'shuju', 'secadmin', 'person'),
    ('auditor', '卫审', 'shuju', 'auditor', 'person'),
    ('robot', '夜间导入程序', 'bureau', 'importer', 'machine')) v(code, name, office, role, holder);

-- Who holds which certificate: exact match, one line each.
INSERT INTO registry.certificate (identity, account)
SELECT format('qipan:%s:%s', holder, code), id
FROM registry.account;
COMMIT;
