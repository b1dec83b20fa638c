-- SPDX-License-Identifier: Apache-2.0
-- Clocks of matters in the default rule set: a default, not any county's law. No source: days and colours that offices
-- commonly agree on; a county sets its own.
INSERT INTO registry.matter_rule (rule_set, class, days, remind, yellow, red, escalate) VALUES
    (1, 'assignment', 10, '{3,1}', 3, 7, 'red'),
    (1, 'order',       5, '{2,1}', 2, 4, 'yellow'),
    (1, 'guarantee',  10, '{3,1}', 3, 7, 'red'),
    (1, 'request',     7, '{2,1}', 3, 6, 'red'),
    (1, 'help',        7, '{2,1}', 3, 7, 'red'),
    (1, 'decision',   15, '{5,1}', 3, 7, 'red'),
    (1, 'finding',    15, '{5,1}', 3, 7, 'red'),
    (1, 'interview',   3, '{1}',   2, 3, 'yellow')
ON CONFLICT DO NOTHING;

-- Source: 国务院办公厅关于2026年部分节假日安排的通知 (4 November 2025). Weekends follow from the day of the week. A county adds
-- its own days and those of later years with `calendar set`; what it changed to another kind of day stays.
INSERT INTO registry.holiday (day, "off", note)
SELECT d::date, true, h.note FROM (VALUES
    ('2026-01-01', '2026-01-03', '元旦'), ('2026-02-15', '2026-02-23', '春节'), ('2026-04-04', '2026-04-06', '清明节'),
    ('2026-05-01', '2026-05-05', '劳动节'), ('2026-06-19', '2026-06-21', '端午节'), ('2026-09-25', '2026-09-27', '中秋节'),
    ('2026-10-01', '2026-10-07', '国庆节')) h(first_on, last_on, note), generate_series(h.first_on::date, h.last_on::date, '1 day') d
UNION ALL SELECT w.day::date, false, w.note FROM (VALUES
    ('2026-01-04', '元旦调休上班'), ('2026-02-14', '春节调休上班'), ('2026-02-28', '春节调休上班'), ('2026-05-09', '劳动节调休上班'),
    ('2026-09-20', '国庆节调休上班'), ('2026-10-10', '国庆节调休上班')) w(day, note)
ON CONFLICT DO NOTHING;
