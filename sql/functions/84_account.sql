-- SPDX-License-Identifier: Apache-2.0
-- Accounts and roles, each by its own officer: the system officer makes and disables accounts, the security officer gives and
-- ends roles, nobody anything to himself. Both see all of it, and so does the auditor.

CREATE TYPE api.account_list_reply AS (error api.error, rows api.account[], next text);
CREATE TYPE api.role AS (
    id text, account text, role text, office text, from_on text, until_on text, deputy_of text, granted_by text,
    granted_at timestamptz, ended_at timestamptz
);
CREATE TYPE api.role_list_reply AS (error api.error, rows api.role[], next text);
CREATE TYPE api.role_reply AS (error api.error, role api.role, rev bigint, replayed boolean);

CREATE FUNCTION registry.role_row(m registry.membership) RETURNS api.role LANGUAGE sql STABLE AS $$
    SELECT ROW(m.id, (SELECT a.code FROM registry.account a WHERE a.id = m.account), m.role, m.office, m.from_on::text,
        m.until_on::text, (SELECT a.code FROM registry.account a WHERE a.id = m.deputy_of), m.granted_by, m.granted_at,
        m.ended_at)::api.role
$$;

-- What keeps an officer's change from being looked at; null = it may go on. p_target: whose account it is about.
CREATE FUNCTION registry.officer_fault(p_account int, p_lang text, p_right text, p_target text, a registry.account)
RETURNS api.error LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT registry.may(p_account, p_right, NULL) THEN
        RETURN registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.' || p_right);
    ELSIF a.id IS NULL THEN
        RETURN registry.refusal(p_lang, 'NOT_FOUND', 'account', 'account.unknown', coalesce(p_target, ''));
    ELSIF a.id = p_account THEN
        RETURN registry.refusal(p_lang, 'PERMISSION_DENIED', 'account', 'account.self');
    END IF;
    RETURN NULL;
END $$;

-- Officers see each other's records.
CREATE FUNCTION registry.officer(p_account int) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.may(p_account, 'accounts', NULL) OR registry.may(p_account, 'grants', NULL)
        OR registry.may(p_account, 'audit', NULL);
END $$;

CREATE FUNCTION registry.account_named(p_code text) RETURNS registry.account LANGUAGE sql STABLE AS $$
    SELECT a FROM registry.account a WHERE a.code = btrim(p_code)
$$;

CREATE FUNCTION registry.account_again(e registry.entry) RETURNS api.account_reply LANGUAGE plpgsql STABLE AS $$
DECLARE
    r api.account_reply;
BEGIN
    r.replayed := true;
    IF e.status <> 'OK' THEN
        r.error := jsonb_populate_record(NULL::api.error, e.reply);
    ELSE
        r.rev := registry.rev_of(e.grp);
        r.account := (SELECT registry.account_row(a) FROM registry.account a WHERE a.object = e.object AND registry.officer(e.account));
    END IF;
    RETURN r;
END $$;

-- By code. Right accounts, grants or audit.
CREATE FUNCTION api.account_list(p_account int, p_lang text, search text, after text, "limit" int) RETURNS api.account_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.account_list_reply;
    most CONSTANT int := least(greatest(coalesce("limit", 100), 1), 500);
    needle CONSTANT text := registry.like_any(lower(btrim(coalesce(search, ''))));
    total int;
BEGIN
    IF NOT registry.officer(p_account) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.accounts');
        RETURN r;
    END IF;
    SELECT count(*), array_agg(x.row ORDER BY x.code) FILTER (WHERE x.n = 1 OR (x.n <= most AND x.bytes < 40000))
    INTO total, r.rows
    FROM (SELECT a.code, registry.account_row(a) AS row, row_number() OVER w AS n,
                 sum(registry.row_bytes(registry.account_row(a))) OVER w AS bytes
          FROM registry.account a
          WHERE a.code > coalesce(after, '') AND (a.code LIKE needle OR lower(a.name) LIKE needle)
          WINDOW w AS (ORDER BY a.code) ORDER BY a.code LIMIT most + 1) x;
    IF total > coalesce(cardinality(r.rows), 0) THEN
        r.next := r.rows[cardinality(r.rows)].code;
    END IF;
    RETURN r;
END $$;

-- A new account has no role yet: it may sign in and do nothing. Right accounts.
CREATE FUNCTION api.account_add(p_account int, p_lang text, p_request text, p_digest bytea, code text, name text, office text,
    holder text, reason text) RETURNS api.account_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    e registry.entry := registry.seen(p_account, p_request);
    r api.account_reply;
    n registry.account;
    f registry.finding;
    owner CONSTANT text := registry.resolve('office', btrim(account_add.office));
    of_holder CONSTANT text := coalesce(nullif(btrim(account_add.holder), ''), 'person');
    place int;
BEGIN
    r.error := registry.request_fault(p_lang, p_request, e, 'account_add', p_digest, account_add.reason);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        RETURN registry.account_again(e);
    ELSIF NOT registry.may(p_account, 'accounts', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.accounts');
    ELSIF coalesce(btrim(account_add.code), '') !~ '^[a-z][a-z0-9_.-]{0,39}$' THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'code', 'account.form');
    ELSIF of_holder NOT IN ('person', 'machine') THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'holder', 'account.holder');
        r.error.allowed := '{person,machine}';
    ELSIF owner IS NULL OR registry.office_refused('office', to_jsonb(owner)) IS NOT NULL THEN
        f := ROW('INVALID_ARGUMENT', 'office', account_add.office, CASE WHEN owner IS NULL THEN 'code.unknown' ELSE 'office.ended' END, NULL, NULL, NULL, NULL, NULL);
    ELSE
        f := (SELECT s.fault FROM registry.read_set('account', jsonb_build_object('name', account_add.name)) s);
    END IF;
    IF f.code IS NOT NULL THEN
        r.error := registry.error_of(p_lang, 'account', f);
    END IF;
    IF (r.error).code IS NULL THEN
        place := registry.entry_begin((SELECT a.code FROM registry.account a WHERE a.id = p_account));
        INSERT INTO registry.account (code, name, office, holder)
        VALUES (btrim(account_add.code), btrim(account_add.name), owner, of_holder) ON CONFLICT DO NOTHING RETURNING * INTO n;
        IF n.id IS NULL THEN
            r.error := registry.refusal(p_lang, 'ALREADY_EXISTS', 'code', 'account.twin', account_add.code);
        END IF;
    END IF;
    IF (r.error).code IS NOT NULL THEN
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'account_add', NULL, account_add.reason, r.error);
        RETURN r;
    END IF;
    PERFORM registry.keep(p_account, p_request, p_digest, 'account_add', place, 'OK', n.object, n.version, account_add.reason,
                          NULL, NULL);
    r.rev := 0;
    r.account := registry.account_row(n);
    RETURN r;
END $$;

-- Name, office, enabled; what is absent stays. A disabled account's sessions end. Right accounts, not one's own account.
CREATE FUNCTION api.account_edit(p_account int, p_lang text, p_request text, p_digest bytea, account text, name text, office text,
    enabled boolean, reason text) RETURNS api.account_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    e registry.entry := registry.seen(p_account, p_request);
    r api.account_reply;
    b registry.account := registry.account_named(account_edit.account);
    n registry.account := b;
    s record;
    place int;
BEGIN
    r.error := registry.request_fault(p_lang, p_request, e, 'account_edit', p_digest, account_edit.reason);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        RETURN registry.account_again(e);
    END IF;
    r.error := registry.officer_fault(p_account, p_lang, 'accounts', account_edit.account, b);
    IF (r.error).code IS NULL THEN
        s := registry.read_set('account', jsonb_strip_nulls(jsonb_build_object('name', account_edit.name, 'office', account_edit.office)));
        n := jsonb_populate_record(b, s.clean);
        n.enabled := coalesce(account_edit.enabled, b.enabled);
        IF (s.fault).code IS NOT NULL THEN
            r.error := registry.error_of(p_lang, 'account', s.fault);
        END IF;
    END IF;
    IF (r.error).code IS NOT NULL THEN
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'account_edit', b.object, account_edit.reason, r.error);
        RETURN r;
    END IF;
    IF (n.name, n.office, n.enabled) IS DISTINCT FROM (b.name, b.office, b.enabled) THEN
        place := registry.entry_begin((SELECT a.code FROM registry.account a WHERE a.id = p_account));
        UPDATE registry.account a SET name = n.name, office = n.office, enabled = n.enabled WHERE a.id = b.id;
        SELECT * INTO n FROM registry.account a WHERE a.id = b.id;
        r.rev := 0;
    END IF;
    PERFORM registry.keep(p_account, p_request, p_digest, 'account_edit', place, 'OK', n.object, n.version, account_edit.reason,
                          NULL, NULL);
    r.account := registry.account_row(n);
    RETURN r;
END $$;

-- Roles given, those that ended too when asked for; of one account or of all. Right accounts, grants or audit.
CREATE FUNCTION api.role_list(p_account int, p_lang text, account text, ended boolean, after text, "limit" int)
RETURNS api.role_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.role_list_reply;
    most CONSTANT int := least(greatest(coalesce("limit", 100), 1), 200);
    of_account CONSTANT int := (registry.account_named(role_list.account)).id;
    today CONSTANT date := registry.today();
    total int;
BEGIN
    IF NOT registry.officer(p_account) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.grants');
        RETURN r;
    ELSIF role_list.account IS NOT NULL AND of_account IS NULL THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'account', 'account.unknown', role_list.account);
        RETURN r;
    END IF;
    SELECT count(*), array_agg(registry.role_row(x.m) ORDER BY x.id) FILTER (WHERE x.n <= most) INTO total, r.rows
    FROM (SELECT m, m.id, row_number() OVER (ORDER BY m.id) AS n FROM registry.membership m
          WHERE m.id > coalesce(after, '') AND (of_account IS NULL OR m.account = of_account)
            AND (role_list.ended OR (m.ended_at IS NULL AND coalesce(m.until_on, today) >= today))
          ORDER BY m.id LIMIT most + 1) x;
    IF total > most THEN
        r.next := r.rows[most].id;
    END IF;
    RETURN r;
END $$;

CREATE FUNCTION registry.role_again(e registry.entry) RETURNS api.role_reply LANGUAGE plpgsql STABLE AS $$
DECLARE
    r api.role_reply;
BEGIN
    r.replayed := true;
    IF e.status <> 'OK' THEN
        r.error := jsonb_populate_record(NULL::api.error, e.reply);
    ELSE
        r.rev := registry.rev_of(e.grp);
        r.role := (SELECT registry.role_row(m) FROM registry.membership m WHERE m.id = e.reply ->> 'id' AND registry.officer(e.account));
    END IF;
    RETURN r;
END $$;

-- Gives a role, in an office or in the county, for a time or for good; deputy_of: in place of somebody who holds it, and then
-- with an end. Right grants; not to oneself, and not so that one stands in for oneself.
CREATE FUNCTION api.role_grant(p_account int, p_lang text, p_request text, p_digest bytea, account text, role text, office text,
    from_on text, until_on text, deputy_of text, reason text) RETURNS api.role_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    e registry.entry := registry.seen(p_account, p_request);
    r api.role_reply;
    a registry.account := registry.account_named(role_grant.account);
    stands_for registry.account := registry.account_named(role_grant.deputy_of);
    place_of CONSTANT text := registry.resolve('office', btrim(role_grant.office));
    today CONSTANT text := registry.today()::text;
    m registry.membership;
    f registry.finding;
    place int;
    day text;
BEGIN
    r.error := registry.request_fault(p_lang, p_request, e, 'role_grant', p_digest, role_grant.reason);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        RETURN registry.role_again(e);
    END IF;
    r.error := registry.officer_fault(p_account, p_lang, 'grants', role_grant.account, a);
    FOREACH day IN ARRAY ARRAY[role_grant.from_on, role_grant.until_on] LOOP
        IF (r.error).code IS NULL AND day IS NOT NULL AND (length(day) <> 10 OR NOT registry.is_ymd(day)) THEN
            r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', CASE WHEN day = role_grant.from_on THEN 'from_on' ELSE 'until_on' END,
                'role.day', day);
        END IF;
    END LOOP;
    IF (r.error).code IS NULL THEN
        IF role_grant.office IS NOT NULL AND place_of IS NULL THEN
            f := ROW('INVALID_ARGUMENT', 'office', role_grant.office, 'code.unknown', NULL, NULL, NULL, NULL, NULL);
        ELSIF role_grant.deputy_of IS NOT NULL AND stands_for.id IS NULL THEN
            r.error := registry.refusal(p_lang, 'NOT_FOUND', 'deputy_of', 'account.unknown', role_grant.deputy_of);
        ELSIF role_grant.until_on < coalesce(role_grant.from_on, today) OR role_grant.until_on < today
              OR (stands_for.id IS NOT NULL AND role_grant.until_on IS NULL) THEN
            r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'until_on', 'role.until');
        ELSIF stands_for.id = a.id THEN
            r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'deputy_of', 'role.deputy');
        ELSE
            f := registry.role_fault(a.id, btrim(role_grant.role), place_of, stands_for.id);
        END IF;
        IF f.code IS NOT NULL THEN
            r.error := registry.error_of(p_lang, 'account', f);
        END IF;
    END IF;
    IF (r.error).code IS NOT NULL THEN
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'role_grant', a.object, role_grant.reason, r.error);
        RETURN r;
    END IF;
    place := registry.entry_begin((SELECT x.code FROM registry.account x WHERE x.id = p_account));
    INSERT INTO registry.membership (account, role, office, from_on, until_on, deputy_of, granted_by, granted_at)
    VALUES (a.id, btrim(role_grant.role), place_of, role_grant.from_on::date, role_grant.until_on::date, stands_for.id,
            registry.writer(), registry.now()) RETURNING * INTO m;
    RETURN registry.role_given(p_account, p_request, p_digest, 'role_grant', place, a.id, m, role_grant.reason);
END $$;

-- The end of a grant's or ending's function: its entry, whether the account changed today or only will.
CREATE FUNCTION registry.role_given(p_account int, p_request text, p_digest bytea, p_op text, p_place int, p_target int,
    m registry.membership, p_reason text) RETURNS api.role_reply LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    r api.role_reply;
    a registry.account;
    wrote CONSTANT boolean := EXISTS (
        SELECT FROM registry.change c WHERE c.grp = nullif(current_setting('qipan.grp', true), '')::bigint AND c.ord = p_place);
BEGIN
    SELECT * INTO a FROM registry.account x WHERE x.id = p_target;
    IF NOT wrote THEN -- a role of another day: the journal will tell when it turns
        PERFORM registry.audit_put(p_account, p_op, 'OK', a.object, a.office, jsonb_build_object('role', m.id));
    END IF;
    PERFORM registry.keep(p_account, p_request, p_digest, p_op, CASE WHEN wrote THEN p_place END, 'OK', a.object, a.version,
                          p_reason, NULL, jsonb_build_object('id', m.id, 'terms', registry.membership_text(m)));
    r.role := registry.role_row(m);
    r.rev := CASE WHEN wrote THEN 0 END;
    RETURN r;
END $$;

-- Takes a role away, now. Right grants; not one's own.
CREATE FUNCTION api.role_end(p_account int, p_lang text, p_request text, p_digest bytea, id text, reason text)
RETURNS api.role_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    e registry.entry := registry.seen(p_account, p_request);
    r api.role_reply;
    m registry.membership;
    a registry.account;
    place int;
BEGIN
    r.error := registry.request_fault(p_lang, p_request, e, 'role_end', p_digest, role_end.reason);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        RETURN registry.role_again(e);
    END IF;
    SELECT * INTO m FROM registry.membership x WHERE x.id = role_end.id FOR UPDATE;
    SELECT * INTO a FROM registry.account x WHERE x.id = m.account;
    r.error := registry.officer_fault(p_account, p_lang, 'grants', role_end.id, a);
    IF (r.error).code = 'NOT_FOUND' THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'id', 'role.none', role_end.id);
    ELSIF (r.error).code IS NULL AND m.ended_at IS NOT NULL THEN
        r.error := registry.refusal(p_lang, 'FAILED_PRECONDITION', 'id', 'role.ended');
    END IF;
    IF (r.error).code IS NOT NULL THEN
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'role_end', a.object, role_end.reason, r.error);
        RETURN r;
    END IF;
    place := registry.entry_begin((SELECT x.code FROM registry.account x WHERE x.id = p_account));
    UPDATE registry.membership x SET ended_at = registry.now() WHERE x.id = m.id RETURNING * INTO m;
    RETURN registry.role_given(p_account, p_request, p_digest, 'role_end', place, a.id, m, role_end.reason);
END $$;

-- ---------------------------------------------------------------- the day's turn

-- Has the county's day turned since roles were last brought up to it? One look.
CREATE FUNCTION registry.rights_due() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.today()::text IS DISTINCT FROM (SELECT s.value FROM registry.setting s WHERE s.key = 'rights.day');
END $$;

-- Roles whose time begins or is over: their accounts change, as an entry of the registry each.
CREATE FUNCTION api.rights_turn() RETURNS api.rights_turn_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.rights_turn_reply;
    a registry.account;
    v bigint;
    place int;
BEGIN
    r.turned := 0;
    IF NOT registry.rights_due() THEN
        RETURN r;
    END IF;
    INSERT INTO registry.setting AS s (key, value) VALUES ('rights.day', registry.today()::text)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;
    FOR a IN SELECT DISTINCT x.* FROM registry.account x JOIN registry.membership m ON m.account = x.id
             WHERE m.ended_at IS NULL AND (m.from_on IS NOT NULL OR m.until_on IS NOT NULL OR m.deputy_of IS NOT NULL)
               AND x.roles <> ARRAY(SELECT concat_ws('@', q.role, q.office) FROM registry.roles_of(x.id) q ORDER BY 1)
             ORDER BY x.id LOOP
        place := registry.entry_begin('registry');
        PERFORM registry.account_refresh(a.id);
        v := (SELECT x.version FROM registry.account x WHERE x.id = a.id);
        PERFORM registry.keep_own(place, format('turn-%s-%s', a.object, v), 'rights_turn', a.object, v);
        r.turned := r.turned + 1;
        r.rev := 0;
    END LOOP;
    RETURN r;
END $$;
