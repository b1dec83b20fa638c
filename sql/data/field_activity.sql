-- SPDX-License-Identifier: Apache-2.0
INSERT INTO registry.kind VALUES ('activity', 'av', true);
INSERT INTO registry.field
    (kind, number, name, type, code_kind, max, editable, required, masked, watched, zh, en) VALUES
    ('activity',  1, 'id',          'version', NULL,             NULL, false, false, false, false, '系统编号', 'id'),
    ('activity',  2, 'version',     'version', NULL,             NULL, false, false, false, false, '版本', 'version'),
    ('activity',  3, 'project',     'text',    NULL,               40, true,  true,  false, true,  '项目', 'project'),
    ('activity',  4, 'office',      'code',    'office',         NULL, true,  true,  false, true,  '责任单位', 'office'),
    ('activity',  5, 'class',       'code',    'activity_class', NULL, true,  true,  false, true,  '活动类别', 'class'),
    ('activity',  6, 'held_on',     'ymd',     NULL,             NULL, true,  true,  false, true,  '日期', 'day'),
    ('activity',  8, 'no',          'text',    NULL,             NULL, false, false, false, true,  '项目编号', 'project no'),
    ('activity',  9, 'place',       'text',    NULL,              100, true,  false, false, false, '地点', 'place'),
    ('activity', 10, 'region',      'code',    'region',         NULL, true,  false, false, true,  '去往地区', 'region'),
    ('activity', 11, 'people',      'text',    NULL,              200, true,  false, false, false, '我方人员', 'our people'),
    ('activity', 12, 'counterpart', 'text',    NULL,              200, true,  false, false, false, '对方', 'counterpart'),
    ('activity', 13, 'result',      'note',    NULL,             2000, true,  false, false, false, '结果', 'result'),
    ('activity', 14, 'next_step',   'text',    NULL,              300, true,  false, false, true,  '下一步', 'next step'),
    ('activity', 15, 'next_on',     'ymd',     NULL,             NULL, true,  false, false, true,  '下一步时限', 'next step due'),
    ('activity', 16, 'actor',       'text',    NULL,             NULL, false, false, false, false, '填报人', 'written by'),
    ('activity', 17, 'changed_at',  'instant', NULL,             NULL, false, false, false, false, '更新时间', 'changed at');
