-- SPDX-License-Identifier: Apache-2.0
-- What belongs to the demo projects, so that every list shows something: chains, parks, activities, money, matters, cases, meetings …
-- Said by the demo people eight days ago, in one group; what time has made of it since, the daemons find. Firms and people are invented.

-- One call as its account would make it: arguments by name, all others null. Gives the reply; a refusal ends everything.
CREATE FUNCTION pg_temp.say(who text, op text, args jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    reply jsonb;
    given CONSTANT jsonb := args || jsonb_build_object('p_account', (SELECT a.id FROM registry.account a WHERE a.code = who), 'p_lang', 'zh',
        'p_request', 'demo.' || gen_random_uuid(), 'p_digest', '\x00');
BEGIN
    EXECUTE (SELECT format('SELECT to_jsonb(r) FROM api.%I(%s) r', op, string_agg(format('%I => %s', u.name, CASE jsonb_typeof(given -> u.name)
            WHEN 'array' THEN quote_nullable(translate(given ->> u.name, '[]', '{}')) ELSE quote_nullable(given ->> u.name) END), ', '))
        FROM pg_proc p CROSS JOIN LATERAL unnest(p.proargnames[1:p.pronargs]) u(name) WHERE p.pronamespace = 'api'::regnamespace AND p.proname = op)
    INTO reply;
    IF reply -> 'error' ->> 'code' IS NOT NULL THEN
        RAISE EXCEPTION '% %: %', who, op, reply -> 'error';
    END IF;
    RETURN reply;
END $$;

-- The same of a record: FIELD → value. Gives its id.
CREATE FUNCTION pg_temp.make(who text, kind text, fields jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.say(who, kind || '_set', jsonb_build_object('set', fields)) -> kind ->> 'id'
$$;

CREATE FUNCTION pg_temp.file(who text, project text, name text, about jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    data CONSTANT bytea := convert_to(name, 'UTF8');
    id CONSTANT text := pg_temp.say(who, 'evidence_open', jsonb_build_object('set', about || jsonb_build_object('project', project, 'name', name || '.txt',
        'media', 'txt', 'size', octet_length(data), 'sha256', encode(sha256(data), 'hex')))) -> 'evidence' ->> 'id';
BEGIN
    PERFORM pg_temp.say(who, 'evidence_put', jsonb_build_object('id', id, 'chunk', 0, 'data', data));
    PERFORM pg_temp.say(who, 'evidence_close', jsonb_build_object('id', id));
    RETURN id;
END $$;

SELECT registry.set_clock_offset('-8 days');
DO $$
DECLARE
    epoch CONSTANT bigint := (SELECT l.epoch FROM registry.version v, api.link_open(v.schema_version) l);
    today CONSTANT date := registry.today();
    robots CONSTANT text := (SELECT no FROM registry.project WHERE name = '工业机器人减速机产业园');
    battery CONSTANT text := (SELECT no FROM registry.project WHERE name = '储能电池模组项目');
    foil CONSTANT text := (SELECT no FROM registry.project WHERE name = '锂电池铝塑膜生产项目');
    market CONSTANT text := (SELECT no FROM registry.project WHERE name = '连锁超市区域总部');
    water CONSTANT text := (SELECT no FROM registry.project WHERE name = '矿泉水灌装项目');
    knives CONSTANT text := (SELECT no FROM registry.project WHERE name = '高端数控刀具项目');
    id text;
    plot text;
    round text;
BEGIN
    -- chains, firms, stations
    PERFORM pg_temp.say('jingkai', 'enterprise_add', '{"set": {"name": "弈星电池材料有限公司", "region": "350000"}}'),
        pg_temp.make('jingkai', 'recognition', '{"enterprise": "弈星电池材料有限公司", "class": "gazelle", "year": 2026, "source": "省级瞪羚企业名单"}'),
        pg_temp.make('bureau', 'valuechain', '{"name": "储能电池产业链", "office": "fagai", "lead_person": "郑观局"}'),
        pg_temp.make('bureau', 'node', '{"chain": "储能电池产业链", "name": "电池材料", "part": "upstream", "rank": 1, "present": ["弈星电池材料有限公司"], "missing": ["某隔膜"]}'),
        pg_temp.make('bureau', 'node', '{"chain": "储能电池产业链", "name": "电池模组", "part": "midstream", "rank": 2, "missing": ["某电芯", "某管理系统"]}'),
        pg_temp.say('jingkai', 'project_edit', jsonb_build_object('id', foil, 'set', '{"node": "电池材料", "node_role": "fill"}'::jsonb)),
        pg_temp.say('jingkai', 'project_edit', jsonb_build_object('id', battery, 'set', '{"node": "电池模组", "node_role": "extend"}'::jsonb)),
        pg_temp.make('jingkai', 'link', jsonb_build_object('project', battery, 'origin', '弈星电池材料有限公司', 'class', 'introduced')),
        pg_temp.make('bureau', 'station', '{"name": "深圳驻点", "region": "440000", "staff": "秦招远,梁跟进", "from_on": "2026-01-01"}');
    -- parks, plots, land
    PERFORM pg_temp.make('bureau', 'park', '{"no": "jingkai", "name": "棋山经济开发区", "office": "jingkai", "class": "industry", "trades": ["C34", "C38", "C39"], "area_mu": "3200"}');
    plot := pg_temp.make('bureau', 'plot', '{"park": "jingkai", "name": "A-12", "class": "land", "area_mu": "120", "office": "jingkai"}');
    PERFORM pg_temp.make('bureau', 'plot', '{"park": "jingkai", "name": "A-13", "class": "land", "area_mu": "85.5", "office": "jingkai"}'),
        pg_temp.say('bureau', 'plot_assign', jsonb_build_object('id', plot, 'project', robots, 'reserve', true)),
        pg_temp.say('bureau', 'plot_idle', jsonb_build_object('id', pg_temp.make('bureau', 'plot',
            '{"park": "jingkai", "name": "B-03", "class": "workshop", "floor_m2": "6000", "office": "jingkai"}'), 'on', '2025-03', 'reason', '企业停产')),
        pg_temp.make('chengguan', 'land', jsonb_build_object('project', market, 'area_mu', '40', 'households', 12, 'due_on', today + 60));
    -- talks, plans, departments' days, money with its voucher
    PERFORM pg_temp.make('jingkai', 'activity', jsonb_build_object('project', battery, 'class', 'talk', 'held_on', today, 'counterpart', '投资方副总', 'result', '谈妥用地规模',
            'next_step', '送签约文本', 'next_on', today + 10)),
        pg_temp.make('chengguan', 'milestone', jsonb_build_object('project', market, 'class', 'start', 'planned_on', today + 90, 'office', 'chengguan', 'person', '李小目')),
        pg_temp.make('ziran', 'stagedate', jsonb_build_object('project', market, 'stage', 'signed', 'dated_on', '2026-05-18', 'basis', '合同备案'));
    id := pg_temp.make('chengguan', 'arrival', jsonb_build_object('project', market, 'amount_arrived', 1200000000, 'arrived_on', today, 'class', 'fixed',
        'origin', 'province_outside', 'voucher', '0001234'));
    PERFORM pg_temp.file('chengguan', market, '银行回单', jsonb_build_object('of', id)), pg_temp.file('chengguan', market, '投资合同', '{"stage": "signed"}'),
        pg_temp.say('bureau', 'arrival_approve', jsonb_build_object('id', id)), pg_temp.say('bureau', 'stage_approve', jsonb_build_object('id', market, 'stage', 'signed'));
    -- matters, deadlines, returns
    PERFORM pg_temp.say('ziran', 'matter_sign', jsonb_build_object('id', pg_temp.make('bureau', 'matter', jsonb_build_object('class', 'guarantee', 'office', 'ziran', 'project', robots,
            'subject', '办理减速机产业园用地预审', 'days', 10)))),
        pg_temp.make('duban', 'matter', jsonb_build_object('class', 'order', 'office', 'beihe', 'project', (SELECT no FROM registry.project WHERE name = '内河码头散货泊位工程'),
            'subject', '限期报送停工原因', 'days', 5, 'superior', 'leader')),
        pg_temp.say('jingkai', 'due_set', jsonb_build_object('set', jsonb_build_object('project', battery, 'due_at', (extract(epoch FROM registry.now()) * 1000000)::bigint + 1728000000000,
            'text', '送签约文本'))),
        pg_temp.say('chengguan', 'return_file', jsonb_build_object('period', to_char(today - interval '1 month', 'YYYY-MM')));
    -- cases: a transfer that both agreed to and that came into force, a reward, an exit that waits
    id := pg_temp.make('dongshan', 'case', jsonb_build_object('class', 'transfer', 'project', water, 'other_office', 'jingkai', 'subject', '用地在开发区'));
    PERFORM pg_temp.say('jingkai', 'opinion_give', jsonb_build_object('id', id, 'stance', 'agree')), pg_temp.say('bureau', 'case_step', jsonb_build_object('id', id)),
        pg_temp.say('bureau', 'case_ask', jsonb_build_object('id', id, 'offices', '["ziran"]'::jsonb)),
        pg_temp.say('ziran', 'opinion_give', jsonb_build_object('id', id, 'stance', 'agree')), pg_temp.say('bureau', 'case_step', jsonb_build_object('id', id));
    PERFORM pg_temp.say('bureau', 'case_decide', jsonb_build_object('id', id, 'ruling', 'transfer', 'reason', '双方同意,符合园区布局'));
    id := pg_temp.make('duban', 'case', jsonb_build_object('class', 'reward', 'other_office', 'jingkai', 'subject', '首季开门红'));
    PERFORM pg_temp.say('bureau', 'case_step', jsonb_build_object('id', id)), pg_temp.say('bureau', 'case_ask', jsonb_build_object('id', id, 'offices', '["fagai"]'::jsonb)),
        pg_temp.say('fagai', 'opinion_give', jsonb_build_object('id', id, 'stance', 'agree')), pg_temp.say('bureau', 'case_step', jsonb_build_object('id', id)),
        pg_temp.say('leader', 'case_decide', jsonb_build_object('id', id, 'ruling', 'reward', 'points', 5, 'reason', '首季签约、开工均居全县第一'));
    PERFORM pg_temp.make('duban', 'case', jsonb_build_object('class', 'exit', 'project', knives, 'subject', '半年无进展'));
    -- a meeting with its agenda, a round of inspections
    PERFORM pg_temp.say('bureau', 'meeting_draw', jsonb_build_object('id', pg_temp.make('bureau', 'meeting', jsonb_build_object('class', 'regular', 'held_on', today + 15,
        'chair', '郑观局', 'name', '项目调度例会'))));
    round := pg_temp.make('duban', 'round', jsonb_build_object('name', '互查互看', 'class', 'mutual', 'begin_on', today, 'until_on', today + 20, 'offices', '["chengguan", "dongshan", "jingkai", "beihe"]'::jsonb));
    PERFORM pg_temp.make('chengguan', 'inspection', jsonb_build_object('round', round, 'project', market)),
        pg_temp.say('duban', 'inspection_draw', jsonb_build_object('id', round, 'seed', '2026'));
    PERFORM api.seal(epoch);
END $$;
SELECT registry.set_clock_offset('0');
