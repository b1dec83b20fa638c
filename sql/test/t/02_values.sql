-- SPDX-License-Identifier: Apache-2.0
-- Values: dates, money, codes, names, sentences.
\i sql/test/helper.psql
SELECT plan(46);
SELECT ok(registry.is_ymd(v), v || ' is a date') FROM unnest(ARRAY['2026', '2026-03', '2026-02-28', '2024-02-29', '2000-02-29']) v;
SELECT ok(NOT registry.is_ymd(v), v || ' is no date')
FROM unnest(ARRAY['2026-02-30', '2026-02-29', '1900-02-29', '2026-13', '2026-1-5', '26', '2026-04-31', ' 2026']) v;
SELECT ok(registry.credit_code_valid('12341700686863395A'), 'credit code with a letter at the end');
SELECT ok(NOT registry.credit_code_valid(v), v || ' is refused')
FROM unnest(ARRAY['12341700686863395B', '12341700686863394A', '12341700686863395', 'I2341700686863395A', '12341700686863395a']) v;
SELECT is(registry.yuan(35000000000), '350000000.00', 'yuan');
SELECT is(registry.yuan(5), '0.05', 'five fen');
SELECT is(registry.norm('光伏组件（一期） 项目·Ａ'), '光伏组件一期项目a', 'names without brackets, spaces, width and case');
SELECT set_eq($$ SELECT unnest(registry.grams('光伏组')) $$, ARRAY['光', '伏', '组', '光伏', '伏组'], 'grams');
SELECT is(registry.resolve('industry', v), 'C38', v || ' is C38') FROM unnest(ARRAY['C38', 'c38', '38', '电气机械和器材制造业']) v;
SELECT is(registry.resolve('region', v), '35', v || ' is 35') FROM unnest(ARRAY['35', '350000', '福建省', 'fujian']) v;
SELECT is(registry.resolve('stage', '签约'), 'signed', 'a stage by its label');
SELECT is((registry.nearest('sgined', ARRAY['lead', 'talks', 'signed'], 2))[1], 'signed', 'nearest word');
INSERT INTO registry.text VALUES ('test', '甲$1乙$2', 'a$1b$2');
SELECT is(registry.say('zh', 'test', '$2', 'x'), '甲$2乙x', 'an argument may look like a place');
SELECT is(registry.yuan(99999999999999999), '999999999999999.99', 'the largest amount');
SELECT throws_ok($$ SELECT 100000000000000000::registry.money_fen $$, '23514', NULL, 'a larger one is refused');
SELECT throws_ok($$ SELECT registry.load_industry('X99', 'nothing') $$, '22023', NULL, 'a code that is none is not loaded');
SELECT is(registry.load_industry('3825', '光伏设备及元器件制造'), 'C3825', 'digits get the letter of their division');
-- one rule for one and for many
CREATE TEMP TABLE sample (set jsonb);
INSERT INTO sample VALUES ('{"name":" a ","tags":["x"," x "],"industry":"38","amount_total":5}'), ('{"nmae":1,"name":"b"}'), ('{"version":1}'),
    ('{"name":""}'), ('{"amount_total":"5"}'), ('{"tags":"x"}'), ('{"tags":["a","","b","a"]}'), ('{"industry":5}'), ('{"industry":"Z"}'),
    ('{"signed_on":"2026-02-30","name":"c"}'), ('{"summary":"a\nb"}'), ('{"name":"a\nb"}'), ('{}'), ('{"jobs":-1}'), ('{"land_mu":""}');
SELECT results_eq($$ SELECT CASE WHEN (s.fault).code IS NULL THEN s.clean END, s.fault FROM registry.read_sets('project', ARRAY(SELECT set FROM sample)) s $$,
    $$ SELECT CASE WHEN (s.fault).code IS NULL THEN s.clean END, s.fault FROM sample, registry.read_set('project', set) s $$,
    'read_set and read_sets agree');
CREATE FUNCTION pg_temp.unknown(p_lang text, p_field text, p_value text) RETURNS api.error LANGUAGE sql AS $$
    SELECT registry.error_of(p_lang, 'project', ROW('INVALID_ARGUMENT', p_field, p_value, 'code.unknown', NULL, NULL, NULL, NULL, NULL)::registry.finding)
$$;
SELECT is((pg_temp.unknown('zh', 'class', '工业')).allowed[1], 'industrial', 'a Chinese word is near a label');
SELECT matches((pg_temp.unknown('zh', 'class', '工业')).hint, '^可用:工业项目、', 'people are told labels');
SELECT matches((pg_temp.unknown('en', 'class', 'industial')).hint, '^possible: industrial, ', 'in their language');
SELECT is((pg_temp.unknown('zh', 'office', '城关')).allowed[1], 'chengguan', 'an office by a part of its name');
SELECT matches((pg_temp.unknown('zh', 'office', '城关')).hint, '^可用:城关镇、', 'and by its name');
SELECT is((pg_temp.unknown('zh', 'industry', '太阳')).allowed, NULL, 'no trade has the word: nothing is offered');
SELECT matches((pg_temp.unknown('zh', 'industry', '电气机械')).hint, '电气机械和器材制造业', 'a trade that has it');
SELECT * FROM finish();
