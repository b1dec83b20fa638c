-- SPDX-License-Identifier: Apache-2.0
INSERT INTO registry.text (key, zh, en) VALUES
    ('kind.park', '园区', 'park'),
    ('kind.plot', '地块', 'plot'),
    ('kind.land', '征地', 'land'),
    ('park.code', '“$1”须以小写字母开头,由小写字母、数字、_ 和 - 组成:$2', '$1 is a small letter, then small letters, digits, _ and -: "$2"'),
    ('park.fixed', '园区代码不能更改', 'the code of a park stays'),
    ('park.twin', '园区 $1 已存在', 'park $1 exists already'),
    ('park.none', '没有园区 $1', 'there is no park $1'),
    ('plot.twin', '$1 已有名为“$2”的地块', '$1 has a plot called "$2" already'),
    ('plot.state', '该地块现为“$1”($2,$3),不能办理', 'the plot is "$1" ($2, $3)'),
    ('plot.class', '厂房须填建筑面积,地块须填面积', 'a workshop needs its floor, land its area'),
    ('plot.misfit', '项目行业 $1 不在 $2 的主导产业($3)之内', 'the project''s trade $1 is none of the leading trades of $2 ($3)'),
    ('plot.misfit.hint', '相符的园区:$4;可提出流转,或以 --force --reason 说明后办理', 'parks that fit: $4; propose a transfer, or insist with --force and --reason'),
    ('plot.measure', '盘活措施须有时限,时限须有措施', 'a measure needs its day, and a day its measure'),
    ('land.blocker', '受阻时须填受阻原因,其他状态不填', 'what is blocked says by what; other states don''t'),
    ('land.done', '净地交付时须填完成日期,其他状态不填', 'land that is cleared has its day; other states don''t')
ON CONFLICT (key) DO UPDATE SET zh = excluded.zh, en = excluded.en;
INSERT INTO registry.code (kind, code, zh, en, rank) VALUES
    ('park_class', 'industry',  '工业园区', 'industrial park', 1),
    ('park_class', 'logistics', '物流园区', 'logistics park', 2),
    ('park_class', 'farming',   '现代农业产业园区', 'agricultural park', 3),
    ('park_class', 'service',   '现代服务业集聚区', 'services park', 4),
    ('park_class', 'startup',   '孵化园区', 'incubator', 5),
    ('plot_class', 'land',      '地块', 'land', 1),
    ('plot_class', 'workshop',  '标准厂房', 'workshop', 2),
    ('plot_state', 'free',      '可供', 'free', 1),
    ('plot_state', 'reserved',  '预留', 'reserved', 2),
    ('plot_state', 'taken',     '已供', 'taken', 3),
    ('plot_state', 'idle',      '闲置', 'idle', 4),
    ('land_state', 'planned',   '待启动', 'planned', 1),
    ('land_state', 'survey',    '丈量清点', 'survey', 2),
    ('land_state', 'paying',    '补偿签约', 'compensation', 3),
    ('land_state', 'blocked',   '受阻', 'blocked', 4),
    ('land_state', 'cleared',   '净地交付', 'cleared', 5)
ON CONFLICT DO NOTHING;
