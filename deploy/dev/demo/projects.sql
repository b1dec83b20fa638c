-- SPDX-License-Identifier: Apache-2.0
-- Registers projects.csv step by step, as its offices did: the registry's clock runs along, one transaction a step,
-- so that journal, numbers and dates are those of a register kept since January 2025.
SET synchronous_commit = off; -- the last statement, which waits for the disk again, makes all of it durable
CREATE TEMP TABLE sheet (office text, name text, investor text, credit_code text, region text, industry text,
    class text, tags text, method text, amount_total bigint, amount_fixed bigint, amount_outside bigint,
    amount_output bigint, amount_tax bigint, park text, site text, land_mu text, jobs int, lead_person text,
    service_person text, contact_name text, contact_phone text, summary text, planned_sign_on text,
    planned_start_on text, planned_complete_on text, planned_produce_on text, steps text);
\copy sheet FROM 'projects.csv' (FORMAT csv, HEADER)

-- What an office says when it registers; amounts of the sheet are in 万元, the registry's in fen.
CREATE FUNCTION pg_temp.first_report(s sheet) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_strip_nulls(to_jsonb(s) - 'steps' || jsonb_build_object(
        'tags', string_to_array(s.tags, ','),
        'amount_total', s.amount_total * 1000000, 'amount_fixed', s.amount_fixed * 1000000,
        'amount_outside', s.amount_outside * 1000000, 'amount_output', s.amount_output * 1000000,
        'amount_tax', s.amount_tax * 1000000))
$$;

CREATE TEMP TABLE step AS
SELECT s.name, split_part(w, ':', 1) AS stage, split_part(w, ':', 2)::date AS day, n, s AS line,
    coalesce(own.id, bureau.id) AS account,
    row_number() OVER (ORDER BY split_part(w, ':', 2)::date, s.name) AS turn
FROM sheet s
CROSS JOIN string_to_table(s.steps, ' ') WITH ORDINALITY AS u(w, n)
JOIN registry.account bureau ON bureau.code = 'bureau'
LEFT JOIN registry.account own ON own.office = s.office AND 'clerk@' || own.office = ANY (own.roles);

DO $$
DECLARE
    t record;
    digest bytea;
    said record;
    epoch bigint := (SELECT l.epoch FROM registry.version v, api.link_open(v.schema_version) l);
BEGIN
    FOR t IN SELECT * FROM step ORDER BY turn LOOP
        PERFORM registry.set_clock_offset(
            (t.day + time '08:30' + t.turn % 500 * interval '1 minute') AT TIME ZONE 'Asia/Shanghai' - now());
        digest := sha256(convert_to(t.name || t.stage, 'UTF8'));
        IF t.n = 1 THEN
            SELECT * INTO said FROM api.project_add(p_account => t.account, p_lang => 'zh', p_request => 'demo.' || t.turn,
                p_digest => digest, reason => NULL,
                set => pg_temp.first_report(t.line) || jsonb_build_object('stage', t.stage));
        ELSE
            SELECT * INTO said FROM api.project_advance(p_account => t.account, p_lang => 'zh',
                p_request => 'demo.' || t.turn, p_digest => digest, p_base => NULL, reason => NULL, stage => t.stage,
                "on" => t.day::text, id => (SELECT p.id FROM registry.project p WHERE p.name = t.name));
        END IF;
        IF (said.error).code IS NOT NULL THEN
            RAISE EXCEPTION '% → %: %', t.name, t.stage, said.error;
        END IF;
        PERFORM api.seal(epoch);
        COMMIT;
    END LOOP;
END $$;
SET synchronous_commit = on;
SELECT registry.set_clock_offset('0');
