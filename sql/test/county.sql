-- SPDX-License-Identifier: Apache-2.0
-- A small county for tests: two townships, a department, the bureau, and one officer.
UPDATE registry.setting SET value = 'true' WHERE key = 'development';
INSERT INTO registry.office (code, name, kind, rank) VALUES
    ('bureau', '招商局', 'bureau', 1), ('chengguan', '城关镇', 'township', 2), ('dongshan', '东山镇', 'township', 3),
    ('fagai', '发改局', 'department', 4);
INSERT INTO registry.code (kind, code, zh, en) VALUES ('park', 'jingkai', '经济开发区', 'Development Zone');
SELECT registry.account_new(v.code, v.name, v.office, v.role, v.holder) FROM (VALUES
    ('bureau', '甲', 'bureau', 'bureau', 'person'),
    ('chengguan', '乙', 'chengguan', 'clerk', 'person'),
    ('dongshan', '丙', 'dongshan', 'clerk', 'person'),
    ('leader', '丁', 'bureau', 'leader', 'person'),
    ('sysadmin', '戊', 'fagai', 'sysadmin', 'person'),
    ('robot', '程序', 'bureau', 'importer', 'machine'),
    ('sensor', '程序二', 'dongshan', 'importer', 'machine')) v(code, name, office, role, holder);
INSERT INTO registry.certificate (identity, account)
SELECT format('qipan:%s:%s', holder, code), id FROM registry.account;
