-- SPDX-License-Identifier: Apache-2.0
INSERT INTO registry.kind VALUES ('alias', 'ws', true), ('profile', 'pm', true);
INSERT INTO registry.field
    (kind, number, name, type, code_kind, max, editable, required, masked, watched, zh, en) VALUES
    ('alias',   1, 'id',         'version', NULL,          NULL, false, false, false, false, '系统编号', 'id'),
    ('alias',   2, 'version',    'version', NULL,          NULL, false, false, false, false, '版本', 'version'),
    ('alias',   6, 'class',      'code',    'alias_class', NULL, true,  true,  false, true,  '类别', 'kind of code'),
    ('alias',   9, 'word',       'text',    NULL,           100, true,  true,  false, true,  '别名', 'word'),
    ('alias',  10, 'code',       'text',    NULL,            40, true,  false, false, true,  '代码', 'code'),
    ('alias',  11, 'changed_at', 'instant', NULL,          NULL, false, false, false, false, '更新时间', 'changed at'),
    ('profile', 1, 'id',         'version', NULL,          NULL, false, false, false, false, '系统编号', 'id'),
    ('profile', 2, 'version',    'version', NULL,          NULL, false, false, false, false, '版本', 'version'),
    ('profile', 4, 'office',     'code',    'office',      NULL, true,  true,  false, true,  '单位', 'office'),
    ('profile', 5, 'name',       'text',    NULL,            60, true,  true,  false, true,  '方案名称', 'name'),
    ('profile', 9, 'target',     'text',    NULL,            40, true,  true,  false, true,  '导入对象', 'kind of record'),
    ('profile', 10, 'headers',   'text',    NULL,            64, true,  false, false, false, '表头指纹', 'digest of the headings'),
    ('profile', 11, 'map',       'note',    NULL,         16000, true,  false, false, false, '对应关系', 'mapping'),
    ('profile', 12, 'shared',    'bool',    NULL,          NULL, true,  false, false, true,  '全县共用', 'for all offices'),
    ('profile', 13, 'actor',     'text',    NULL,            64, false, false, false, false, '保存人', 'saved by'),
    ('profile', 14, 'changed_at', 'instant', NULL,         NULL, false, false, false, false, '更新时间', 'changed at');
