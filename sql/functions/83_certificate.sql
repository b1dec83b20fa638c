-- SPDX-License-Identifier: Apache-2.0
-- Certificates. Which identity belongs to which account is asked for by the system officer and put in force by the security
-- officer, never by one person, never for oneself; either of them may end it. And renewing one's own, over a live session.

CREATE TYPE api.certificate AS (
    identity text, account text, state text, asked_by text, asked_at timestamptz, approved_by text, approved_at timestamptz,
    ended_by text, ended_at timestamptz, before text
);
CREATE TYPE api.cert_list_reply AS (error api.error, rows api.certificate[], next text);
CREATE TYPE api.cert_reply AS (error api.error, certificate api.certificate, rev bigint, replayed boolean);
CREATE TYPE api.cert_request_reply AS (error api.error, id text, replayed boolean);
CREATE TYPE api.cert_fetch_reply AS (error api.error, state text, chain text, note text);

CREATE FUNCTION registry.account_code(p_account int) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT a.code FROM registry.account a WHERE a.id = p_account
$$;

CREATE FUNCTION registry.certificate_row(c registry.certificate) RETURNS api.certificate LANGUAGE sql STABLE AS $$
    SELECT ROW(c.identity, registry.account_code(c.account), CASE WHEN c.enabled THEN 'in_force' ELSE 'ended' END, c.asked_by,
        c.asked_at, c.approved_by, c.approved_at, c.ended_by, c.ended_at, NULL)::api.certificate
$$;

CREATE FUNCTION registry.asked_row(q registry.certificate_asked) RETURNS api.certificate LANGUAGE sql STABLE AS $$
    SELECT ROW(q.identity, registry.account_code(q.account), 'asked', q.asked_by, q.asked_at, NULL, NULL, NULL, NULL,
        (SELECT registry.account_code(c.account) FROM registry.certificate c WHERE c.identity = q.identity AND c.account <> q.account)
        )::api.certificate
$$;

-- Nobody gives away what he is signed in with, and what is in force for somebody is first ended, in the open.
CREATE FUNCTION registry.identity_fault(p_lang text, p_identity text, identity text, account int) RETURNS api.error
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_variable
DECLARE
    other text;
BEGIN
    IF identity = p_identity THEN
        RETURN registry.refusal(p_lang, 'PERMISSION_DENIED', 'identity', 'cert.mine');
    END IF;
    SELECT registry.account_code(c.account) INTO other FROM registry.certificate c
    WHERE c.identity = identity_fault.identity AND c.account <> identity_fault.account AND c.enabled;
    RETURN CASE WHEN other IS NOT NULL
                THEN registry.refusal(p_lang, 'FAILED_PRECONDITION', 'identity', 'cert.taken', identity, other) END;
END $$;

-- Identities: those asked for, those in force, and those that ended when asked for. Right accounts, grants or audit.
CREATE FUNCTION api.cert_list(p_account int, p_lang text, search text, account text, ended boolean, after text, "limit" int)
RETURNS api.cert_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.cert_list_reply;
    most CONSTANT int := least(greatest(coalesce("limit", 100), 1), 200);
    needle CONSTANT text := registry.like_any(lower(btrim(coalesce(search, ''))));
    of_account CONSTANT int := (registry.account_named(cert_list.account)).id;
    keys text[];
    total int;
BEGIN
    IF NOT registry.may(p_account, 'accounts', NULL) AND NOT registry.officer(p_account) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.accounts');
        RETURN r;
    ELSIF cert_list.account IS NOT NULL AND of_account IS NULL THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'account', 'account.unknown', cert_list.account);
        RETURN r;
    END IF;
    SELECT count(*), array_agg(x.row ORDER BY x.key) FILTER (WHERE x.n <= most), array_agg(x.key ORDER BY x.key)
    INTO total, r.rows, keys
    FROM (SELECT *, row_number() OVER (ORDER BY y.key) AS n
          FROM (SELECT q.identity || ' asked' AS key, registry.asked_row(q) AS row FROM registry.certificate_asked q
                WHERE (of_account IS NULL OR q.account = of_account) AND q.identity LIKE needle
                UNION ALL
                SELECT c.identity, registry.certificate_row(c) FROM registry.certificate c
                WHERE (of_account IS NULL OR c.account = of_account) AND c.identity LIKE needle
                  AND (c.enabled OR cert_list.ended)) y
          WHERE y.key > coalesce(after, '') ORDER BY y.key LIMIT most + 1) x;
    IF total > most THEN
        r.next := keys[most];
    END IF;
    RETURN r;
END $$;

-- The kept reply again.
CREATE FUNCTION registry.cert_again(e registry.entry) RETURNS api.cert_reply LANGUAGE plpgsql STABLE AS $$
DECLARE
    r api.cert_reply;
BEGIN
    r.replayed := true;
    IF e.status <> 'OK' THEN
        r.error := jsonb_populate_record(NULL::api.error, e.reply);
    ELSE
        r.rev := registry.rev_of(e.grp);
        r.certificate := jsonb_populate_record(NULL::api.certificate, e.reply);
    END IF;
    RETURN r;
END $$;

-- Asks that whoever shows this identity be that account. Right accounts, not for one's own account; it takes effect when the
-- security officer approves it. Not for an identity in force for another account, nor for the one he has shown.
CREATE FUNCTION api.cert_map(p_account int, p_lang text, p_request text, p_digest bytea, p_identity text, identity text,
    account text, reason text) RETURNS api.cert_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    e registry.entry := registry.seen(p_account, p_request);
    r api.cert_reply;
    a registry.account := registry.account_named(cert_map.account);
    wanted CONSTANT text := coalesce(btrim(cert_map.identity), '');
    q registry.certificate_asked;
BEGIN
    r.error := registry.request_fault(p_lang, p_request, e, 'cert_map', p_digest, cert_map.reason);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        RETURN registry.cert_again(e);
    END IF;
    r.error := registry.officer_fault(p_account, p_lang, 'accounts', cert_map.account, a);
    IF (r.error).code IS NULL AND wanted !~ '^qipan:(person|machine):[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$' THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'identity', 'cert.form');
    ELSIF (r.error).code IS NULL AND split_part(wanted, ':', 2) <> a.holder THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'identity', 'cert.holder', a.holder);
    ELSIF (r.error).code IS NULL
          AND EXISTS (SELECT FROM registry.certificate c WHERE c.identity = wanted AND c.account = a.id AND c.enabled) THEN
        r.error := registry.refusal(p_lang, 'ALREADY_EXISTS', 'identity', 'cert.twin', wanted);
    END IF;
    IF (r.error).code IS NULL THEN
        r.error := registry.identity_fault(p_lang, p_identity, wanted, a.id);
    END IF;
    IF (r.error).code IS NOT NULL THEN
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'cert_map', a.object, cert_map.reason, r.error);
        RETURN r;
    END IF;
    INSERT INTO registry.certificate_asked AS x (identity, account, asked_by, asked_at)
    VALUES (wanted, a.id, registry.account_code(p_account), registry.now())
    ON CONFLICT (identity) DO UPDATE SET account = excluded.account, asked_by = excluded.asked_by, asked_at = excluded.asked_at
    RETURNING * INTO q;
    r.certificate := registry.asked_row(q);
    PERFORM registry.keep(p_account, p_request, p_digest, 'cert_map', NULL, 'OK', a.object, a.version, cert_map.reason, NULL,
                          to_jsonb(r.certificate));
    RETURN r;
END $$;

-- Puts in force what the system officer asked for; `account` must be the one that was shown. Right grants; not for one's own
-- account, not what one asked for oneself, and else as cert_map.
CREATE FUNCTION api.cert_approve(p_account int, p_lang text, p_request text, p_digest bytea, p_identity text, identity text,
    account text, reason text) RETURNS api.cert_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    e registry.entry := registry.seen(p_account, p_request);
    r api.cert_reply;
    a registry.account := registry.account_named(cert_approve.account);
    me CONSTANT text := registry.account_code(p_account);
    q registry.certificate_asked;
    c registry.certificate;
    before text;
    place int;
BEGIN
    r.error := registry.request_fault(p_lang, p_request, e, 'cert_approve', p_digest, cert_approve.reason);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        RETURN registry.cert_again(e);
    END IF;
    SELECT * INTO q FROM registry.certificate_asked x WHERE x.identity = btrim(cert_approve.identity) FOR UPDATE;
    r.error := registry.officer_fault(p_account, p_lang, 'grants', cert_approve.account, a);
    IF (r.error).code IS NULL AND (q.identity IS NULL OR q.account <> a.id) THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'identity', 'cert.none', coalesce(cert_approve.identity, ''));
    ELSIF (r.error).code IS NULL AND q.asked_by = me THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', 'identity', 'cert.self');
    ELSIF (r.error).code IS NULL THEN
        r.error := registry.identity_fault(p_lang, p_identity, q.identity, a.id);
    END IF;
    IF (r.error).code IS NOT NULL THEN
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'cert_approve', a.object, cert_approve.reason, r.error);
        RETURN r;
    END IF;
    place := registry.entry_begin(me);
    before := (registry.asked_row(q)).before;
    DELETE FROM registry.certificate_asked x WHERE x.identity = q.identity;
    INSERT INTO registry.certificate AS x (identity, account, enabled, asked_by, asked_at, approved_by, approved_at)
    VALUES (q.identity, q.account, true, q.asked_by, q.asked_at, me, registry.now())
    ON CONFLICT (identity) DO UPDATE SET account = excluded.account, enabled = true, asked_by = excluded.asked_by,
        asked_at = excluded.asked_at, approved_by = excluded.approved_by, approved_at = excluded.approved_at, ended_by = NULL,
        ended_at = NULL
    RETURNING * INTO c;
    r.certificate := registry.certificate_row(c);
    r.certificate.before := before;
    r.rev := 0;
    SELECT * INTO a FROM registry.account x WHERE x.id = a.id;
    PERFORM registry.keep(p_account, p_request, p_digest, 'cert_approve', place, 'OK', a.object, a.version, cert_approve.reason,
                          NULL, to_jsonb(r.certificate));
    RETURN r;
END $$;

-- Ends an identity, or withdraws what was asked for: its sessions end at once. Right accounts or grants; not one's own.
CREATE FUNCTION api.cert_unmap(p_account int, p_lang text, p_request text, p_digest bytea, identity text, reason text)
RETURNS api.cert_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    e registry.entry := registry.seen(p_account, p_request);
    r api.cert_reply;
    me CONSTANT text := registry.account_code(p_account);
    q registry.certificate_asked;
    c registry.certificate;
    a registry.account;
    place int;
BEGIN
    r.error := registry.request_fault(p_lang, p_request, e, 'cert_unmap', p_digest, cert_unmap.reason);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        RETURN registry.cert_again(e);
    END IF;
    SELECT * INTO q FROM registry.certificate_asked x WHERE x.identity = btrim(cert_unmap.identity) FOR UPDATE;
    SELECT * INTO c FROM registry.certificate x WHERE x.identity = btrim(cert_unmap.identity) AND x.enabled FOR UPDATE;
    SELECT * INTO a FROM registry.account x WHERE x.id = coalesce(c.account, q.account);
    r.error := registry.officer_fault(p_account, p_lang, CASE WHEN registry.may(p_account, 'accounts', NULL) THEN 'accounts'
                                      ELSE 'grants' END, cert_unmap.identity, a);
    IF (r.error).code = 'NOT_FOUND' THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'identity', 'cert.none', coalesce(cert_unmap.identity, ''));
    END IF;
    IF (r.error).code IS NOT NULL THEN
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'cert_unmap', a.object, cert_unmap.reason, r.error);
        RETURN r;
    END IF;
    DELETE FROM registry.certificate_asked x WHERE x.identity = q.identity;
    IF c.identity IS NULL THEN
        r.certificate := registry.asked_row(q);
        r.certificate.state := 'ended';
        r.certificate.ended_by := me;
        r.certificate.ended_at := registry.now();
    ELSE
        place := registry.entry_begin(me);
        UPDATE registry.certificate x SET enabled = false, ended_by = me, ended_at = registry.now() WHERE x.identity = c.identity
        RETURNING * INTO c;
        r.certificate := registry.certificate_row(c);
        r.rev := 0;
        SELECT * INTO a FROM registry.account x WHERE x.id = a.id;
    END IF;
    PERFORM registry.keep(p_account, p_request, p_digest, 'cert_unmap', place, 'OK', a.object, a.version, cert_unmap.reason, NULL,
                          to_jsonb(r.certificate));
    RETURN r;
END $$;

-- ---------------------------------------------------------------- renewing one's own

-- A request for a new certificate of the identity this session has shown; an older one that waits is replaced. The authority
-- looks at the request itself, here it is bytes, and at the serial of the certificate that was shown. Anybody, for himself.
CREATE FUNCTION api.cert_request(p_account int, p_lang text, p_request text, p_digest bytea, p_identity text, p_serial text,
    csr bytea) RETURNS api.cert_request_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    e registry.entry := registry.seen(p_account, p_request);
    r api.cert_request_reply;
BEGIN
    r.error := registry.request_fault(p_lang, p_request, e, 'cert_request', p_digest, NULL);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        r.replayed := true;
        IF e.status = 'OK' THEN
            r.id := e.object;
        ELSE
            r.error := jsonb_populate_record(NULL::api.error, e.reply);
        END IF;
        RETURN r;
    ELSIF NOT EXISTS (SELECT FROM registry.certificate c JOIN registry.account a ON a.id = c.account AND a.enabled
                      WHERE c.identity = p_identity AND c.account = p_account AND c.enabled) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'cert.not_own');
    ELSIF csr IS NULL OR length(csr) NOT BETWEEN 1 AND 4096 THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'csr', 'cert.csr');
    END IF;
    IF (r.error).code IS NOT NULL THEN
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'cert_request', NULL, NULL, r.error);
        RETURN r;
    END IF;
    UPDATE registry.certificate_request q SET state = 'replaced', answered_at = registry.now()
    WHERE q.identity = p_identity AND q.state = 'asked';
    r.id := registry.new_id('q');
    INSERT INTO registry.certificate_request (id, identity, account, csr, serial, asked_at)
    VALUES (r.id, p_identity, p_account, csr, p_serial, registry.now());
    PERFORM registry.keep(p_account, p_request, p_digest, 'cert_request', NULL, 'OK', r.id, NULL, NULL, NULL, NULL);
    RETURN r;
END $$;

-- What became of such a request of one's own.
CREATE FUNCTION api.cert_fetch(p_account int, p_lang text, p_identity text, id text) RETURNS api.cert_fetch_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.cert_fetch_reply;
BEGIN
    SELECT q.state, q.chain, q.note INTO r.state, r.chain, r.note FROM registry.certificate_request q
    WHERE q.id = cert_fetch.id AND q.account = p_account AND q.identity = p_identity;
    IF r.state IS NULL THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'id', 'cert.no_request', coalesce(cert_fetch.id, ''));
    END IF;
    RETURN r;
END $$;

-- The authority's answer, by whoever works at it with psql (qipan-admin cert sign-pending). False: nobody waits for it any more.
CREATE FUNCTION registry.certificate_answer(p_id text, p_chain text, p_note text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    waited boolean;
BEGIN
    UPDATE registry.certificate_request q
    SET state = CASE WHEN p_chain IS NULL THEN 'refused' ELSE 'issued' END, chain = p_chain, note = left(p_note, 500),
        answered_at = registry.now()
    WHERE q.id = p_id AND q.state = 'asked'
      AND (p_chain IS NULL OR EXISTS (SELECT FROM registry.certificate c JOIN registry.account a ON a.id = c.account AND a.enabled
                                      WHERE c.identity = q.identity AND c.account = q.account AND c.enabled));
    waited := FOUND;
    PERFORM registry.audit_put(NULL, 'cert_answer', 'OK', p_id, NULL, jsonb_build_object('by', 'db:' || session_user,
        'outcome', CASE WHEN NOT waited THEN 'nobody waits' WHEN p_chain IS NULL THEN 'refused' ELSE 'issued' END));
    RETURN waited;
END $$;
