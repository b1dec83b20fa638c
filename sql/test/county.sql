-- SPDX-License-Identifier: Apache-2.0
-- A small county for tests: two townships, a department, the bureau, and one officer.
UPDATE registry.setting SET value = 'true' WHERE key = 'development';
INSERT INTO registry.office (code, name, kind, rank) VALUES
    ('bureau', '招商局', 'bureau', 1), ('chengguan', '城关镇', 'township', 2), ('dongshan', '东山镇', 'township', 3),
    ('fagai', '发改局', 'department', 4);
INSERT INTO registry.code (kind, code, zh, en) VALUES ('park', 'jingkai', '经济开发区', 'Development Zone');
INSERT INTO registry.account (code, name, office, role) VALUES
    ('bureau', '甲', 'bureau', 'bureau'), ('chengguan', '乙', 'chengguan', 'clerk'), ('dongshan', '丙', 'dongshan', 'clerk'),
    ('leader', '丁', 'bureau', 'leader'), ('sysadmin', '戊', 'fagai', 'sysadmin'), ('robot', '程序', 'bureau', 'machine'),
    ('sensor', '程序二', 'dongshan', 'machine');
INSERT INTO registry.certificate (identity, account)
SELECT format('qipan:%s:%s', CASE role WHEN 'machine' THEN 'machine' ELSE 'person' END, code), id FROM registry.account;
