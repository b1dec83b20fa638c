-- SPDX-License-Identifier: Apache-2.0
-- Receipts: who has taken note (签收) of a revision, or of one object in it. Written once, never changed.

-- After the row is there: one that an earlier signature stands for is not journalled.
CREATE FUNCTION registry.receipt_journal() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    PERFORM registry.journal('receipt', NEW.id, NEW.version, registry.receipt_born(NEW), registry.receipt_image(NEW),
        registry.audience_of(NEW.project));
    RETURN NULL;
END $$;
CREATE TRIGGER receipt_journal AFTER INSERT ON registry.receipt
    FOR EACH ROW EXECUTE FUNCTION registry.receipt_journal();
CREATE TRIGGER receipt_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON registry.receipt
    FOR EACH STATEMENT EXECUTE FUNCTION registry.refuse();

CREATE FUNCTION registry.receipt_again(e registry.entry) RETURNS api.receipt_reply LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    r api.receipt_reply;
BEGIN
    r.replayed := true;
    IF e.status <> 'OK' THEN
        r.error := registry.refused_again(e);
    ELSE
        r.rev := registry.rev_of(e.grp);
        r.receipt := (SELECT registry.receipt_row(x) FROM registry.receipt x
                      WHERE x.id = e.object AND registry.sees(e.account, registry.audience_of(x.project)));
        PERFORM registry.audit_about(e.account, e.op, (r.receipt).project, '{"replayed": true}');
    END IF;
    RETURN r;
END $$;

-- What is to be signed: a revision, and the object in it, by id or number. `passing`: a moment later it may be otherwise.
CREATE FUNCTION registry.receipt_of(p_account int, p_lang text, p_rev bigint, p_object text, OUT object text, OUT no text,
    OUT error api.error, OUT passing boolean) LANGUAGE plpgsql STABLE AS $$
DECLARE
    newest CONSTANT bigint := (SELECT max(t.rev) FROM registry.txn t);
    t registry.txn;
    p registry.project;
BEGIN
    SELECT * INTO t FROM registry.txn x WHERE x.rev = p_rev;
    passing := t.rev IS NULL;
    IF p_rev IS NULL THEN
        error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'of_rev', 'field.required', registry.field_label(p_lang, 'receipt', 'of_rev'));
    ELSIF p_rev > coalesce(newest, 0) THEN
        error := registry.refusal(p_lang, 'FUTURE_REVISION', 'of_rev', 'rev.future', p_rev::text, coalesce(newest, 0)::text);
        error.rev := coalesce(newest, 0);
    ELSIF t.rev IS NULL OR t.kind = 'tombstone' THEN
        error := registry.refusal(p_lang, 'NOT_FOUND', 'of_rev', 'rev.none', p_rev::text);
    ELSIF p_object IS NOT NULL THEN
        p := registry.project_find(p_object);
        object := coalesce(p.id, p_object);
        no := p.no;
        IF NOT registry.sees(p_account, registry.audience_of(object)) THEN
            object := NULL;
        END IF;
        IF NOT EXISTS (SELECT FROM registry.change c WHERE c.object = receipt_of.object AND c.grp = t.grp) THEN
            error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'object', 'receipt.object', p_rev::text, p_object);
        END IF;
    END IF;
END $$;

-- Signing twice finds the first receipt and writes nothing.
CREATE FUNCTION api.receipt_sign(p_account int, p_lang text, p_request text, p_digest bytea, of_rev bigint, object text)
RETURNS api.receipt_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    e registry.entry := registry.seen(p_account, p_request);
    me registry.account;
    n registry.receipt;
    r api.receipt_reply;
    what record;
    place int;
BEGIN
    r.error := registry.request_fault(p_lang, p_request, e, 'receipt_sign', p_digest, NULL);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        RETURN registry.receipt_again(e);
    ELSIF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
    ELSE
        what := registry.receipt_of(p_account, p_lang, of_rev, object);
        r.error := what.error;
        IF (r.error).code IS NOT NULL AND what.passing THEN
            RETURN r;
        END IF;
    END IF;
    IF (r.error).code IS NOT NULL THEN
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'receipt_sign', NULL, NULL, r.error);
        RETURN r;
    END IF;
    SELECT * INTO me FROM registry.account a WHERE a.id = p_account;
    place := registry.entry_begin(me.code);
    INSERT INTO registry.receipt (id, version, of_rev, project, no, account, office, signed_at)
    VALUES (registry.new_id('r'), 1, receipt_sign.of_rev, what.object, what.no, me.code, me.office, registry.now())
    ON CONFLICT DO NOTHING RETURNING * INTO n;
    IF n.id IS NOT NULL THEN
        r.rev := 0;
    ELSE
        place := NULL;
        SELECT * INTO n FROM registry.receipt x
        WHERE x.of_rev = receipt_sign.of_rev AND x.project IS NOT DISTINCT FROM what.object AND x.account = me.code;
    END IF;
    PERFORM registry.keep(p_account, p_request, p_digest, 'receipt_sign', place, 'OK', n.id, n.version, NULL, NULL, NULL);
    r.receipt := registry.receipt_row(n);
    RETURN r;
END $$;

-- Everybody who may read, and when he signed. Who signed a whole revision has signed each object in it.
CREATE FUNCTION api.receipt_list(p_account int, p_lang text, of_rev bigint, object text, after text, "limit" int)
RETURNS api.receipt_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.receipt_list_reply;
    most CONSTANT int := least(greatest(coalesce("limit", 100), 1), 500);
    what record;
    total int;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    END IF;
    what := registry.receipt_of(p_account, p_lang, of_rev, object);
    r.error := what.error;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    WITH who AS MATERIALIZED (
        SELECT a.code, a.name, a.office, s.signed_at
        FROM registry.account a
        LEFT JOIN LATERAL (SELECT min(x.signed_at) AS signed_at FROM registry.receipt x
                           WHERE x.of_rev = receipt_list.of_rev AND x.account = a.code
                             AND (x.project IS NULL OR x.project = what.object)) s ON true
        WHERE s.signed_at IS NOT NULL OR a.grants && registry.audience_of(what.object)),
    page AS (
        SELECT w.*, row_number() OVER o AS n, sum(octet_length(w::text) + 40) OVER o AS bytes, count(*) OVER () AS total
        FROM who w WHERE w.code > coalesce(after, '') WINDOW o AS (ORDER BY w.code)),
    taken AS (SELECT * FROM page WHERE n = 1 OR (n <= most AND bytes < 40000))
    SELECT (SELECT array_agg(ROW(t.code, t.name, t.office, t.signed_at)::api.signature ORDER BY t.code) FROM taken t),
        CASE WHEN (SELECT count(*) FROM taken) < (SELECT max(p.total) FROM page p) THEN (SELECT max(t.code) FROM taken t) END,
        (SELECT count(*) FROM who w WHERE w.signed_at IS NOT NULL), (SELECT count(*) FROM who w WHERE w.signed_at IS NULL)
    INTO r.rows, r.next, r.signed_count, r.missing_count;
    PERFORM registry.commit_here();
    PERFORM registry.audit_about(p_account, 'receipt_list', what.object,
        jsonb_build_object('rows', cardinality(r.rows), 'of_rev', of_rev));
    RETURN r;
END $$;
