-- SPDX-License-Identifier: Apache-2.0
-- The registry's clock: of the transaction, moved only in a development county.
CREATE FUNCTION registry.now() RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
    known text := current_setting('qipan.now', true); -- kept by entry_begin
BEGIN
    IF known <> '' THEN
        RETURN known::timestamptz;
    END IF;
    RETURN now() + (SELECT s.value::interval FROM registry.setting s WHERE s.key = 'clock_offset');
END $$;

CREATE FUNCTION registry.today() RETURNS date LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (registry.now() AT TIME ZONE (SELECT s.value FROM registry.setting s WHERE s.key = 'county.timezone'))::date;
END $$;

-- The county's day of an instant.
CREATE FUNCTION registry.day(p_at timestamptz) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (p_at AT TIME ZONE (SELECT s.value FROM registry.setting s WHERE s.key = 'county.timezone'))::date::text;
END $$;

-- An absolute offset from the real time; '0' puts it back.
CREATE FUNCTION registry.set_clock_offset(p_offset interval) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT value FROM registry.setting WHERE key = 'development') IS DISTINCT FROM 'true' THEN
        RAISE EXCEPTION 'the clock can be moved in a development county only';
    END IF;
    UPDATE registry.setting SET value = p_offset::text WHERE key = 'clock_offset';
    RETURN registry.now();
END $$;

-- Rights, decided here and nowhere else: the offices where the account may do this; "*" = everywhere, null = nowhere. Ask
-- with && ARRAY['*', office]. What an account's roles come to stands in its row (42_rights.sql).
CREATE FUNCTION registry.reach(p_account int, p_right text) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT array_agg(substr(r, length(p_right) + 2)) FROM registry.account a, unnest(a.rights) r
            WHERE a.id = p_account AND starts_with(r, p_right || '@'));
END $$;

-- May the account do this to what the office owns? Office null = anywhere.
CREATE FUNCTION registry.may(p_account int, p_right text, p_office text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    reach text[] := registry.reach(p_account, p_right);
BEGIN
    RETURN reach IS NOT NULL AND (p_office IS NULL OR reach && ARRAY['*', p_office]);
END $$;

-- Whose grants meet an object's audience may see it: nothing else decides about seeing, here and in the daemon's feed.
CREATE FUNCTION registry.grants(p_account int) RETURNS int[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT a.grants FROM registry.account a WHERE a.id = p_account), '{}');
END $$;

-- Opaque and never made again: 60 random bits. A history that forked doesn't give the same id to two objects.
CREATE FUNCTION registry.new_id(p_letter text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    u text := replace(gen_random_uuid()::text, '-', '');
BEGIN
    RETURN p_letter || substr(u, 1, 12) || substr(u, 14, 3);
END $$;

-- The sequence that this year's numbers are drawn from.
CREATE FUNCTION registry.no_sequence(p_year text) RETURNS regclass LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    seq CONSTANT text := 'registry.no_' || p_year;
BEGIN
    IF to_regclass(seq) IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtext('registry.new_no'));
        EXECUTE format('CREATE SEQUENCE IF NOT EXISTS registry.%I', 'no_' || p_year);
    END IF;
    RETURN seq::regclass;
END $$;

CREATE FUNCTION registry.no_of(p_year text, p_n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT p_year || '-' || CASE WHEN p_n < 10000 THEN lpad(p_n::text, 4, '0') ELSE p_n::text END
$$;

-- 2026-0042: counts from 1 each year; numbers of registrations that failed stay unused.
CREATE FUNCTION registry.new_no() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    year CONSTANT text := extract(year FROM registry.today())::text;
BEGIN
    RETURN registry.no_of(year, nextval(registry.no_sequence(year)));
END $$;

CREATE FUNCTION registry.rule_set_in_force() RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT id FROM registry.rule_set WHERE in_force);
END $$;

-- Stages a project may move to.
CREATE FUNCTION registry.moves(p_from text) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY(SELECT s.code FROM registry.transition t
        JOIN registry.stage s ON s.rule_set = t.rule_set AND s.code = t."to"
        WHERE t.rule_set = registry.rule_set_in_force() AND t."from" = p_from ORDER BY s.rank);
END $$;

-- The code that a word means: itself, 3825 → C3825, 350000 → 35, its label, or what the county says it means. Null = none.
CREATE FUNCTION registry.resolve(p_kind text, p_word text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    w text := CASE p_kind
        WHEN 'industry' THEN upper(p_word)
        WHEN 'region' THEN regexp_replace(p_word, '(00){1,2}$', '')
        ELSE p_word END;
    found_code text;
BEGIN
    IF p_kind = 'office' THEN
        RETURN coalesce((SELECT code FROM registry.office WHERE code = w OR name = w ORDER BY code <> w, until_on NULLS FIRST LIMIT 1),
            -- by the name it had
            (SELECT r.office FROM registry.reform r WHERE r.class = 'rename' AND r.state = 'done' AND r.was = w ORDER BY r.from_on DESC LIMIT 1),
            (SELECT a.code FROM registry.alias a WHERE a.class = p_kind AND a.word = w));
    ELSIF p_kind = 'node' THEN -- by its name, if no other chain has one of that name
        RETURN coalesce((SELECT x.id FROM registry.node x WHERE x.id = w),
            (SELECT min(x.id) FROM registry.node x WHERE x.name = w HAVING count(*) = 1));
    ELSIF p_kind = 'stage' THEN
        RETURN (SELECT code FROM registry.stage WHERE rule_set = registry.rule_set_in_force()
            AND (code = w OR zh = w OR en = lower(w)) ORDER BY code <> w LIMIT 1);
    END IF;
    SELECT code INTO found_code FROM registry.code WHERE kind = p_kind AND code = w AND active;
    IF found_code IS NULL AND p_kind = 'industry' AND w ~ '^[0-9]{2,4}$' THEN
        SELECT code INTO found_code FROM registry.code WHERE kind = p_kind AND substr(code, 2) = w AND active;
    END IF;
    IF found_code IS NULL THEN
        SELECT code INTO found_code FROM registry.code
        WHERE kind = p_kind AND (zh = p_word OR lower(en) = lower(p_word)) AND active ORDER BY length(code), code LIMIT 1;
    END IF;
    IF found_code IS NULL THEN
        SELECT a.code INTO found_code FROM registry.alias a WHERE a.class = p_kind AND a.word = p_word;
    END IF;
    RETURN found_code;
END $$;

-- GB 32100, with both check digits: its own, and that of the organisation code inside (GB 11714).
CREATE FUNCTION registry.credit_code_valid(v text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    letters CONSTANT text := '0123456789ABCDEFGHJKLMNPQRTUWXY';
    w17 CONSTANT int[] := '{1,3,9,27,19,26,16,17,20,29,25,13,8,24,10,30,28}';
    w8 CONSTANT int[] := '{3,7,9,10,5,8,4,2}';
    total int := 0;
    org int := 0;
    c text;
BEGIN
    IF v !~ '^[0-9A-HJ-NP-RTUWXY]{18}$' THEN
        RETURN false;
    END IF;
    FOR i IN 1 .. 17 LOOP
        total := total + w17[i] * (position(substr(v, i, 1) IN letters) - 1);
    END LOOP;
    FOR i IN 1 .. 8 LOOP
        c := substr(v, i + 8, 1);
        org := org + w8[i] * CASE WHEN c BETWEEN '0' AND '9' THEN c::int ELSE ascii(c) - 55 END;
    END LOOP;
    RETURN substr(v, 18, 1) = substr(letters, (31 - total % 31) % 31 + 1, 1)
       AND substr(v, 17, 1) = substr('0123456789X0', 11 - org % 11 + 1, 1);
END $$;

-- ---------------------------------------------------------------- canonical text

-- RFC 3339 in UTC, with as many digits of a second as there are.
CREATE FUNCTION registry.rfc3339(v timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT rtrim(rtrim(to_char(v AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z'
$$;

CREATE FUNCTION registry.yuan(v bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (v / 100)::text || '.' || lpad((v % 100)::text, 2, '0')
$$;
