-- SPDX-License-Identifier: Apache-2.0
INSERT INTO registry.kind VALUES ('evidence', 'ev', true);
INSERT INTO registry.field
    (kind, number, name, type, code_kind, max, editable, required, masked, watched, zh, en) VALUES
    ('evidence',  1, 'id',         'version', NULL,             NULL,     false, false, false, false, '系统编号', 'id'),
    ('evidence',  2, 'version',    'version', NULL,             NULL,     false, false, false, false, '版本', 'version'),
    ('evidence',  3, 'project',    'text',    NULL,             40,       true,  false, false, true,  '项目', 'project'),
    ('evidence',  4, 'office',     'code',    'office',         NULL,     false, false, false, true,  '责任单位', 'office'),
    ('evidence',  5, 'of',         'text',    NULL,             40,       true,  false, false, true,  '所证事项', 'evidence of'),
    ('evidence',  6, 'stage',      'code',    'stage',          NULL,     true,  false, false, true,  '所证阶段', 'evidence of stage'),
    ('evidence',  7, 'state',      'code',    'evidence_state', NULL,     false, false, false, true,  '状态', 'state'),
    ('evidence',  8, 'no',         'text',    NULL,             NULL,     false, false, false, true,  '项目编号', 'project no'),
    ('evidence',  9, 'name',       'text',    NULL,             200,      true,  true,  false, true,  '文件名', 'file name'),
    ('evidence', 10, 'media',      'code',    'evidence_media', NULL,     true,  true,  false, true,  '文件类型', 'type of file'),
    ('evidence', 11, 'size',       'int',     NULL,             20971520, true,  true,  false, false, '大小(字节)', 'bytes'),
    ('evidence', 12, 'sha256',     'text',    NULL,             64,       true,  true,  false, false, 'SHA-256', 'SHA-256'),
    ('evidence', 13, 'note',       'note',    NULL,             500,      true,  false, false, false, '说明', 'note'),
    ('evidence', 14, 'withdrawal', 'note',    NULL,             500,      false, false, false, false, '撤回理由', 'why withdrawn'),
    ('evidence', 15, 'actor',      'text',    NULL,             NULL,     false, false, false, false, '上传人', 'uploaded by'),
    ('evidence', 16, 'ready_at',   'instant', NULL,             NULL,     false, false, false, false, '上传完成时间', 'ready at'),
    ('evidence', 17, 'changed_at', 'instant', NULL,             NULL,     false, false, false, false, '更新时间', 'changed at');
