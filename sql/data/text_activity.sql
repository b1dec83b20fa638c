-- SPDX-License-Identifier: Apache-2.0
INSERT INTO registry.text (key, zh, en) VALUES
    ('kind.activity', '洽谈走访', 'activity'),
    ('activity.future', '“$1”不能晚于今天:$2', '$1 cannot be after today: "$2"'),
    ('activity.next', '下一步须有时限,时限须有下一步', 'a next step needs its day, and a day its next step')
ON CONFLICT (key) DO UPDATE SET zh = excluded.zh, en = excluded.en;
INSERT INTO registry.code (kind, code, zh, en, rank) VALUES
    ('activity_class', 'talk',    '洽谈', 'talk', 1),
    ('activity_class', 'visit',   '来访考察', 'visit to us', 2),
    ('activity_class', 'trip',    '外出招商', 'trip', 3),
    ('activity_class', 'call',    '电话沟通', 'call', 4),
    ('activity_class', 'meeting', '推介会', 'promotion meeting', 5)
ON CONFLICT DO NOTHING;
