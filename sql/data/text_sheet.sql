-- SPDX-License-Identifier: Apache-2.0
INSERT INTO registry.text (key, zh, en) VALUES
    ('kind.alias', '别名', 'alias'),
    ('kind.profile', '导入方案', 'import profile'),
    ('alias.known', '“$1”本来就是$2的名称或代码', '"$1" is a name or code of $2 itself'),
    ('alias.twin', '别名“$1”已存在,指$2', 'the alias "$1" exists and means $2'),
    ('profile.twin', '本单位已有名为“$1”的导入方案', 'the office has a profile called "$1" already'),
    ('profile.name', '方案名称由字母、数字、汉字、_ 和 - 组成:$2', '$1 is letters, digits, _ and -: "$2"'),
    ('profile.target', '不能从表格导入“$2”', 'there is nothing called "$2" to import'),
    ('profile.headers', '表头指纹为64位十六进制', 'the digest of the headings is 64 hexadecimal digits')
ON CONFLICT (key) DO UPDATE SET zh = excluded.zh, en = excluded.en;
INSERT INTO registry.code (kind, code, zh, en, rank) VALUES
    ('alias_class', 'office',   '单位', 'office', 1),
    ('alias_class', 'industry', '行业', 'industry', 2),
    ('alias_class', 'region',   '地区', 'region', 3),
    ('alias_class', 'park',     '园区', 'park', 4),
    ('alias_class', 'method',   '招商方式', 'method', 5)
ON CONFLICT (kind, code) DO UPDATE SET zh = excluded.zh, en = excluded.en, rank = excluded.rank;
