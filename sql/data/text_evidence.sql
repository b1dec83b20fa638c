-- SPDX-License-Identifier: Apache-2.0
INSERT INTO registry.text (key, zh, en) VALUES
    ('kind.evidence', '佐证材料', 'evidence'),
    ('evidence.of', '“$2”不是此项目的事项', '"$2" is nothing of this project'),
    ('evidence.of.hint', '填写项目、阶段、到位资金、活动、事项或案的编号', 'give the id of the project, or of an arrival, activity, matter or case of it'),
    ('evidence.whose', '只有项目责任单位或承办单位可以上传佐证', 'evidence comes from the project''s office or the one that does the work'),
    ('evidence.name', '“$2”是路径,不是文件名', '"$2" is a path, not a name'),
    ('evidence.sha256', '“$2”不是 SHA-256 摘要', '"$2" is no SHA-256'),
    ('evidence.sha256.hint', '64 个十六进制小写字符', '64 hexadecimal digits, small letters'),
    ('evidence.empty', '文件是空的', 'the file is empty'),
    ('evidence.quota', '此项目的佐证将达 $1 MB,上限 $2 MB', 'the project''s evidence would come to $1 MB; at most $2 MB'),
    ('evidence.quota.hint', '撤回不再需要的文件', 'withdraw files that are not needed'),
    ('evidence.uploads', '有 $1 个文件尚未传完', '$1 files are half way'),
    ('evidence.uploads.hint', '先传完或撤回', 'finish or withdraw them first'),
    ('evidence.unfinished', '未传完的文件将达 $1 MB,上限 $2 MB', 'files half way would come to $1 MB; at most $2 MB'),
    ('evidence.unfinished.hint', '先传完或撤回', 'finish or withdraw them first'),
    ('evidence.abandoned', '上传中断 $1 天,系统撤回', 'broken off for $1 days, withdrawn by the registry'),
    ('evidence.mine', '只有开始上传的人可以继续', 'whoever began the upload goes on with it'),
    ('evidence.reason', '撤回须写明理由', 'a withdrawal needs a reason'),
    ('evidence.used', '已据此文件批准', 'something was approved on this file'),
    ('evidence.used.hint', '由审核人撤回', 'who approves may withdraw it'),
    ('evidence.next', '此时应发送第 $1 块', 'chunk $1 is expected now'),
    ('evidence.chunk', '第 $1 块应为 $2 字节', 'chunk $1 has $2 bytes'),
    ('evidence.no_chunk', '文件共 $1 块', 'the file has $1 chunks'),
    ('evidence.incomplete', '收到 $3 字节,应为 $2 字节', '$3 of $2 bytes have arrived'),
    ('evidence.incomplete.hint', '从缺少的块继续上传', 'go on with the missing chunk'),
    ('evidence.hash', '收到的内容与声明的摘要不符', 'what arrived doesn''t have the digest that was declared'),
    ('evidence.hash.hint', '重新上传', 'upload the file again'),
    ('evidence.media', '内容不是“$2”类型的文件', 'the content is no file of type $2'),
    ('evidence.media.hint', '按实际类型上传', 'upload it as what it is')
ON CONFLICT (key) DO UPDATE SET zh = excluded.zh, en = excluded.en;
INSERT INTO registry.code (kind, code, zh, en, rank) VALUES
    ('evidence_state', 'uploading', '上传中', 'uploading', 1),
    ('evidence_state', 'ready',     '有效', 'ready', 2),
    ('evidence_state', 'withdrawn', '已撤回', 'withdrawn', 3),
    ('evidence_media', 'pdf',  'PDF 文档', 'PDF', 1),
    ('evidence_media', 'jpeg', 'JPEG 图片', 'JPEG picture', 2),
    ('evidence_media', 'png',  'PNG 图片', 'PNG picture', 3),
    ('evidence_media', 'docx', 'Word 文档', 'Word document', 4),
    ('evidence_media', 'xlsx', 'Excel 表格', 'Excel sheet', 5),
    ('evidence_media', 'doc',  'Word 97 文档', 'Word 97 document', 6),
    ('evidence_media', 'xls',  'Excel 97 表格', 'Excel 97 sheet', 7),
    ('evidence_media', 'ofd',  'OFD 版式文档', 'OFD document', 8),
    ('evidence_media', 'zip',  'ZIP 压缩包', 'ZIP archive', 9),
    ('evidence_media', 'csv',  'CSV 表格', 'CSV sheet', 10),
    ('evidence_media', 'txt',  '纯文本', 'plain text', 11)
ON CONFLICT DO NOTHING;
-- Signatures as their makers publish them: ISO 32000 (PDF), ISO 10918 (JPEG), ISO 15948 (PNG), APPNOTE (ZIP), MS-CFB (OLE; names of
-- streams are UTF-16). Office documents of ECMA-376 are archives with a folder of their own, OFD (GB/T 33190) with a file.
INSERT INTO registry.media (code, magic, holds) VALUES
    ('pdf',  '%PDF-', NULL),
    ('jpeg', '\xffd8ff', NULL),
    ('png',  '\x89504e470d0a1a0a', NULL),
    ('docx', '\x504b0304', ARRAY['word/'::bytea]),
    ('xlsx', '\x504b0304', ARRAY['xl/'::bytea]),
    ('ofd',  '\x504b0304', ARRAY['OFD.xml'::bytea]),
    ('zip',  '\x504b0304', NULL),
    ('doc',  '\xd0cf11e0a1b11ae1', ARRAY['\x57006f007200640044006f00630075006d0065006e007400'::bytea]), -- WordDocument
    ('xls',  '\xd0cf11e0a1b11ae1', ARRAY['\x57006f0072006b0062006f006f006b00'::bytea, '\x42006f006f006b00'::bytea]), -- Workbook, Book
    ('csv',  NULL, NULL),
    ('txt',  NULL, NULL)
ON CONFLICT (code) DO UPDATE SET magic = excluded.magic, holds = excluded.holds;
