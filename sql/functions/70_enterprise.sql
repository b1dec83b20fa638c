-- SPDX-License-Identifier: Apache-2.0
-- Enterprises: a credit code belongs to one firm.

CREATE FUNCTION registry.enterprise_again(p_account int, e registry.entry) RETURNS api.enterprise_reply
LANGUAGE plpgsql STABLE AS $$
DECLARE
    r api.enterprise_reply;
    n registry.enterprise;
BEGIN
    r.replayed := true;
    IF e.status <> 'OK' THEN
        r.error := registry.refused_again(e);
    ELSE
        r.rev := registry.rev_of(e.grp);
        IF registry.may(p_account, 'read', NULL) THEN
            SELECT * INTO n FROM registry.enterprise WHERE id = e.object;
            r.enterprise := registry.enterprise_row(n);
        END IF;
    END IF;
    RETURN r;
END $$;

CREATE FUNCTION registry.judge_enterprise(n registry.enterprise) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    t registry.enterprise;
BEGIN
    IF n.name IS NULL THEN
        RETURN ROW('INVALID_ARGUMENT', 'name', NULL, 'field.required', NULL, NULL, NULL, NULL, NULL)::registry.finding;
    END IF;
    SELECT * INTO t FROM registry.enterprise x
    WHERE x.credit_code = n.credit_code
       OR x.name_key = n.name_key AND (x.credit_code IS NULL OR n.credit_code IS NULL)
    ORDER BY x.registered_at, x.id LIMIT 1;
    IF FOUND THEN
        RETURN ROW('ALREADY_EXISTS', CASE WHEN t.credit_code = n.credit_code THEN 'credit_code' ELSE 'name' END, n.name,
            'twin', ARRAY[t.id, (SELECT name FROM registry.office WHERE code = t.office), registry.day(t.registered_at)],
            NULL, t.id, t.office, t.registered_at)::registry.finding;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION api.enterprise_add(p_account int, p_lang text, p_request text, p_digest bytea, set jsonb, reason text)
RETURNS api.enterprise_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    e registry.entry;
    n registry.enterprise;
    me registry.account;
    r api.enterprise_reply;
    s record;
    clean jsonb;
    f registry.finding;
    place int;
BEGIN
    e := registry.seen(p_account, p_request);
    r.error := registry.request_fault(p_lang, p_request, e, 'enterprise_add', p_digest, enterprise_add.reason);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        RETURN registry.enterprise_again(p_account, e);
    END IF;
    SELECT * INTO me FROM registry.account WHERE id = p_account;
    IF NOT registry.may(p_account, 'write', me.office) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.write');
    ELSE
        SELECT * INTO s FROM registry.read_set('enterprise', coalesce(enterprise_add.set, '{}')) s;
        clean := s.clean;
        f := s.fault;
        IF f.code IS NULL THEN
            n := jsonb_populate_record(NULL::registry.enterprise, clean);
            n.office := me.office;
            n.name_key := registry.norm(n.name);
            PERFORM registry.lock_keys(ARRAY['credit', 'firm'], ARRAY[n.credit_code, n.name_key]);
            e := registry.seen(p_account, p_request);
            IF e.op IS NOT NULL THEN -- somebody brought the same id meanwhile
                r.error := registry.request_fault(p_lang, p_request, e, 'enterprise_add', p_digest, enterprise_add.reason);
                RETURN CASE WHEN (r.error).code IS NOT NULL THEN r ELSE registry.enterprise_again(p_account, e) END;
            END IF;
            f := registry.judge_enterprise(n);
        END IF;
        IF f.code IS NOT NULL THEN
            r.error := registry.error_of(p_lang, 'enterprise', f);
        END IF;
    END IF;
    IF (r.error).code IS NOT NULL THEN
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'enterprise_add', NULL, enterprise_add.reason, r.error);
        RETURN r;
    END IF;
    place := registry.entry_begin(me.code);
    INSERT INTO registry.enterprise SELECT n.* RETURNING * INTO n;
    PERFORM registry.keep(p_account, p_request, p_digest, 'enterprise_add', place, 'OK', n.id, n.version,
                          enterprise_add.reason, NULL, NULL);
    r.rev := 0;
    r.enterprise := registry.enterprise_row(n);
    RETURN r;
END $$;

-- By name key and id, any part of the name or credit code.
CREATE FUNCTION api.enterprise_list(p_account int, p_lang text, search text, after text, "limit" int)
RETURNS api.enterprise_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.enterprise_list_reply;
    most int := least(greatest(coalesce("limit", 100), 1), 500);
    needle CONSTANT text := registry.norm(left(search, 1000)); -- longer than anything there is
    pairs CONSTANT text[] := registry.gram_query(needle);
    part CONSTANT text := registry.like_any(needle);
    total int;
    last_id text;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    END IF;
    SELECT count(*), array_agg(x.row ORDER BY x.id) FILTER (WHERE x.n = 1 OR (x.n <= most AND x.bytes < 40000)),
        max(x.id) FILTER (WHERE x.n = 1 OR (x.n <= most AND x.bytes < 40000))
    INTO total, r.rows, last_id
    FROM (SELECT e.id, registry.enterprise_row(e) AS row, row_number() OVER w AS n,
                 sum(octet_length(e::text) + 60) OVER w AS bytes
          FROM registry.enterprise e
          WHERE e.id > coalesce(after, '') AND (needle = '' OR registry.grams(e.find_key) @> pairs AND e.find_key LIKE part)
          WINDOW w AS (ORDER BY e.id) ORDER BY e.id LIMIT most + 1) x;
    IF total > coalesce(cardinality(r.rows), 0) THEN
        r.next := last_id;
    END IF;
    RETURN r;
END $$;
