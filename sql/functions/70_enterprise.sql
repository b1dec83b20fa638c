-- SPDX-License-Identifier: Apache-2.0
-- Enterprises: a credit code belongs to one firm. As what they are recognised, by whom and in which year, says a record of its own.

-- Made from name and credit code, whoever writes.
CREATE FUNCTION registry.enterprise_keys() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    NEW.name_key := registry.norm(NEW.name);
    NEW.find_key := concat_ws('|', NEW.name_key, lower(NEW.credit_code));
    NEW.classes := coalesce(NEW.classes, '{}');
    NEW.registered_at := coalesce(NEW.registered_at, registry.now());
    RETURN NEW;
END $$;
CREATE TRIGGER enterprise_keys BEFORE INSERT OR UPDATE ON registry.enterprise
    FOR EACH ROW EXECUTE FUNCTION registry.enterprise_keys();

CREATE FUNCTION registry.enterprise_may(p_account int, p_op text, b registry.enterprise, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.unless_may(p_account, 'write', b.office);
END $$;

-- First report: who registers or renames locks the keys before looking.
CREATE FUNCTION registry.enterprise_rules(p_account int, p_op text, b registry.enterprise, INOUT n registry.enterprise,
    OUT fault registry.finding) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    t registry.enterprise;
BEGIN
    n.name_key := registry.norm(n.name);
    IF n.name IS NULL OR b.version > 0 AND (b.name_key, b.credit_code) IS NOT DISTINCT FROM (n.name_key, n.credit_code) THEN
        RETURN;
    END IF;
    PERFORM registry.lock_keys(ARRAY['credit', 'firm'], ARRAY[n.credit_code, n.name_key]);
    SELECT * INTO t FROM registry.enterprise x
    WHERE (x.credit_code = n.credit_code OR x.name_key = n.name_key AND (x.credit_code IS NULL OR n.credit_code IS NULL))
      AND x.id IS DISTINCT FROM n.id
    ORDER BY x.registered_at, x.id LIMIT 1;
    IF FOUND THEN
        fault := ROW('ALREADY_EXISTS', CASE WHEN t.credit_code = n.credit_code THEN 'credit_code' ELSE 'name' END, n.name,
            'twin', ARRAY[t.id, (SELECT name FROM registry.office WHERE code = t.office), registry.day(t.registered_at)],
            NULL, t.id, t.office, t.registered_at)::registry.finding;
    END IF;
END $$;

-- Tags of projects go by what their investor is.
CREATE FUNCTION registry.enterprise_effects(p_account int, p_op text, b registry.enterprise, n registry.enterprise) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF n.classes <> '{}' AND (b.name_key, b.credit_code) IS DISTINCT FROM (n.name_key, n.credit_code) THEN
        PERFORM registry.retag_firms(ARRAY[b.credit_code, n.credit_code], ARRAY[b.name_key, n.name_key]);
    END IF;
END $$;

SELECT registry.generate_record('enterprise', 'id');

CREATE FUNCTION api.enterprise_add(p_account int, p_lang text, p_request text, p_digest bytea, set jsonb, reason text)
RETURNS api.enterprise_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.enterprise_change(p_account, p_lang, p_request, p_digest, NULL, 'enterprise_add', NULL, set, NULL, reason, false);
END $$;

-- By terms, any part of the name or credit code.
DROP FUNCTION api.enterprise_list(int, text, jsonb, text, text, int);
CREATE FUNCTION api.enterprise_list(p_account int, p_lang text, search text, after text, "limit" int, terms jsonb DEFAULT NULL, sort text DEFAULT NULL)
RETURNS api.enterprise_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    needle CONSTANT text := registry.norm(left(search, 1000)); -- longer than anything there is
BEGIN
    RETURN registry.enterprise_list(p_account, p_lang, terms, sort, after, "limit", CASE WHEN needle <> '' THEN
        format('registry.grams(p.find_key) @> %L AND p.find_key LIKE %L', registry.gram_query(needle), registry.like_any(needle)) END);
END $$;

-- The firm that a word means: its id, credit code, or whole name if only one has it. Null with a fault: none, or several.
CREATE FUNCTION registry.firm_of(p_field text, p_word text, OUT firm registry.enterprise, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    word CONSTANT text := btrim(p_word);
    ids text[] := ARRAY(SELECT x.id FROM registry.enterprise x WHERE x.id = word OR x.credit_code = upper(word));
BEGIN
    IF ids = '{}' AND word <> '' THEN
        ids := ARRAY(SELECT x.id FROM registry.enterprise x WHERE x.name_key = registry.norm(word) LIMIT 2);
    END IF;
    IF cardinality(ids) = 1 THEN
        SELECT * INTO firm FROM registry.enterprise x WHERE x.id = ids[1];
    ELSE
        fault := registry.fault('INVALID_ARGUMENT', p_field, CASE WHEN ids = '{}' THEN 'firm.none' ELSE 'firm.many' END, p_word);
    END IF;
END $$;

-- ---------------------------------------------------------------- recognitions

CREATE FUNCTION registry.recognition_may(p_account int, p_op text, b registry.recognition, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce(registry.unless_may(p_account, 'write', b.office), registry.unless_stands(b.id, b.state));
END $$;

-- Null as long as a record stands; behind its withdrawal who did that, and when.
CREATE FUNCTION registry.unless_stands(p_id text, p_state text) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN p_state = 'withdrawn' THEN (
        SELECT registry.fault('FAILED_PRECONDITION', 'state', 'record.withdrawn', '@account:' || e.actor, registry.day(e.at))
        FROM registry.change c CROSS JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = c.grp AND q.ord = c.ord OFFSET 0) e
        WHERE c.object = p_id AND c.fields #>> '{7,1}' = 'withdrawn' ORDER BY c.version DESC LIMIT 1) END;
END $$;

CREATE FUNCTION registry.recognition_rules(p_account int, p_op text, b registry.recognition, INOUT n registry.recognition,
    OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    f record := registry.firm_of('enterprise', n.enterprise);
    twin text;
BEGIN
    n.state := CASE WHEN n.state = 'withdrawn' THEN n.state WHEN registry.ymd_end(n.until_on) < registry.today()::text THEN 'expired' ELSE 'stands' END;
    n.actor := coalesce(b.actor, registry.account_code(p_account));
    IF n.enterprise IS NULL THEN
        RETURN; -- required
    ELSIF (f.fault).code IS NOT NULL THEN
        fault := f.fault;
        RETURN;
    END IF;
    n.enterprise := (f.firm).id;
    n.firm := (f.firm).name;
    twin := (SELECT x.id FROM registry.recognition x WHERE x.enterprise = n.enterprise AND x.class = n.class AND x.year = n.year
             AND x.state <> 'withdrawn' AND x.id IS DISTINCT FROM n.id LIMIT 1);
    IF b.version > 0 AND b.enterprise <> n.enterprise THEN
        fault := registry.bad('enterprise', n.enterprise, 'field.readonly');
    ELSIF n.year < 1990 THEN
        fault := registry.bad('year', n.year::text, 'recognition.year');
    ELSIF twin IS NOT NULL THEN
        fault := registry.fault('ALREADY_EXISTS', 'class', 'recognition.twin', n.year::text, registry.code_label('zh', 'firm_class', n.class), twin);
    END IF;
END $$;

-- A firm's classes are those that stand; tags of its projects follow.
CREATE FUNCTION registry.recognition_effects(p_account int, p_op text, b registry.recognition, n registry.recognition) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    e registry.enterprise;
BEGIN
    SELECT * INTO e FROM registry.enterprise x WHERE x.id = n.enterprise FOR NO KEY UPDATE;
    UPDATE registry.enterprise x SET classes = now.classes
    FROM (SELECT coalesce(array_agg(DISTINCT r.class ORDER BY r.class), '{}') AS classes FROM registry.recognition r
          WHERE r.enterprise = n.enterprise AND r.state = 'stands') now
    WHERE x.id = e.id AND x.classes <> now.classes;
    IF FOUND THEN
        PERFORM registry.retag_firms(ARRAY[e.credit_code], ARRAY[e.name_key]);
    END IF;
END $$;

SELECT registry.generate_record('recognition', '-year');

-- When the next one ends; null = none does.
CREATE FUNCTION registry.recognition_next_at() RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
    first CONSTANT text := (SELECT r.until_on FROM registry.recognition r WHERE r.state = 'stands' AND r.until_on IS NOT NULL
                            ORDER BY registry.ymd_end(r.until_on), r.id LIMIT 1);
BEGIN
    RETURN registry.day_begins(registry.ymd_last(first) + 1);
END $$;

-- Ends recognitions whose last day is over, an entry of the registry each; what followed from them ends, too.
CREATE FUNCTION registry.recognition_turn(p_limit int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    b registry.recognition;
    n registry.recognition;
    place int;
    ended int := 0;
BEGIN
    FOR b IN SELECT * FROM registry.recognition x
             WHERE x.state = 'stands' AND x.until_on IS NOT NULL AND registry.ymd_end(x.until_on) < registry.today()::text
             ORDER BY registry.ymd_end(x.until_on), x.id LIMIT p_limit FOR UPDATE SKIP LOCKED LOOP
        place := registry.entry_begin('registry');
        UPDATE registry.recognition x SET state = 'expired' WHERE x.id = b.id RETURNING * INTO n;
        PERFORM registry.recognition_effects(NULL, 'due_fire', b, n);
        PERFORM registry.keep_own(place, format('recognition-%s-%s', n.id, n.version), 'due_fire', n.id, n.version);
        ended := ended + 1;
    END LOOP;
    RETURN ended;
END $$;

CREATE FUNCTION api.recognition_withdraw(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, reason text)
RETURNS api.recognition_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.recognition_change(p_account, p_lang, p_request, p_digest, p_base, 'recognition_withdraw', id, NULL,
        '{"state": "withdrawn"}', reason, false);
END $$;
