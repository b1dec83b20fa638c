-- SPDX-License-Identifier: Apache-2.0
-- Projects: add, edit, advance, show, log.

-- A row as its caller may see it: contact data for the owner office and the bureau. p_owner: who owns it now, if p is as it was.
CREATE FUNCTION registry.project_shown(p_account int, p registry.project, p_owner text DEFAULT NULL) RETURNS api.project
LANGUAGE plpgsql STABLE AS $$
DECLARE
    c registry.contact;
BEGIN
    IF (p.contact_name_mark > 0 OR p.contact_phone_mark > 0) AND registry.may(p_account, 'contact', coalesce(p_owner, p.office)) THEN
        SELECT * INTO c FROM registry.contact WHERE project = p.id;
    END IF;
    RETURN registry.project_row(p, c.name, c.phone);
END $$;

-- The project as it was at a version: the present row with later changes taken back.
CREATE FUNCTION registry.project_at(p_id text, p_version bigint) RETURNS registry.project LANGUAGE plpgsql STABLE AS $$
DECLARE
    p registry.project;
    olds jsonb;
BEGIN
    SELECT * INTO p FROM registry.project WHERE id = p_id;
    IF p.version <= p_version THEN
        RETURN p;
    END IF;
    SELECT jsonb_object_agg(x.name, CASE
        WHEN x.old IS NULL THEN 'null'::jsonb
        WHEN x.type = 'money' THEN to_jsonb((x.old::numeric * 100)::bigint)
        WHEN x.type IN ('tags', 'list') THEN to_jsonb(string_to_array(x.old, ','))
        ELSE to_jsonb(x.old) END) INTO olds
    FROM (SELECT DISTINCT ON (f.name) f.name, f.type, w.value ->> 0 AS old
          FROM registry.change c CROSS JOIN LATERAL jsonb_each(c.fields) w
          JOIN registry.field f ON f.kind = 'project' AND f.number = w.key::int AND NOT f.masked
          WHERE c.object = p_id AND c.version > p_version ORDER BY f.name, c.version) x;
    p := jsonb_populate_record(p, coalesce(olds, '{}'));
    p.version := p_version;
    p.changed_at := (SELECT e.at FROM registry.change c
                     CROSS JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = c.grp AND q.ord = c.ord OFFSET 0) e
                     WHERE c.object = p_id AND c.version = p_version);
    RETURN p;
END $$;

-- The project an id or number means to this account: what it may not see isn't there.
CREATE FUNCTION registry.project_seen(p_account int, p_id text) RETURNS registry.project LANGUAGE plpgsql STABLE AS $$
DECLARE
    p registry.project := registry.project_find(p_id);
BEGIN
    IF NOT registry.sees(p_account, p.audience) THEN
        RETURN NULL;
    END IF;
    RETURN p;
END $$;

CREATE FUNCTION registry.project_find(p_id text) RETURNS registry.project LANGUAGE plpgsql STABLE AS $$
DECLARE
    p registry.project;
BEGIN
    SELECT * INTO p FROM registry.project WHERE id = p_id;
    IF NOT FOUND THEN
        SELECT * INTO p FROM registry.project WHERE no = p_id;
    END IF;
    RETURN p;
END $$;

-- ---------------------------------------------------------------- receipts

-- Keeps what became of a request; its grp and ord make it an entry of the journal, else it has a row in the audit.
CREATE FUNCTION registry.keep(p_account int, p_request text, p_digest bytea, p_op text, p_ord int, p_status text,
    p_object text, p_version bigint, p_reason text, p_batch text, p_reply jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    e registry.entry;
BEGIN
    INSERT INTO registry.entry (account, request, grp, ord, actor, office, op, status, object, version, reason, batch,
                                at, digest, reply)
    SELECT p_account, p_request, CASE WHEN p_ord IS NOT NULL THEN current_setting('qipan.grp')::bigint END, p_ord,
        a.code, a.office, p_op, p_status, p_object, p_version, p_reason, p_batch, registry.now(), p_digest, p_reply
    FROM registry.account a WHERE a.id = p_account
    RETURNING * INTO e;
    IF p_ord IS NOT NULL THEN
        PERFORM set_config('qipan.ord', p_ord::text, true);
    ELSE
        PERFORM registry.audit_put(p_account, p_op, p_status, p_object, NULL, jsonb_build_object('request', p_request,
            'field', p_reply ->> 'field', 'entry', encode(registry.sm3(registry.entry_text(e)), 'hex')));
    END IF;
END $$;

-- What the registry itself did.
CREATE FUNCTION registry.keep_own(p_ord int, p_request text, p_op text, p_object text, p_version bigint, p_reply jsonb DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO registry.entry (account, request, grp, ord, actor, op, status, object, version, at, reply)
    VALUES (0, p_request, current_setting('qipan.grp')::bigint, p_ord, 'registry', p_op, 'OK', p_object, p_version, registry.now(), p_reply);
    PERFORM set_config('qipan.ord', p_ord::text, true);
END $$;

-- An error as it is kept: no contact is written down outside its table, not as part of a sentence either.
CREATE FUNCTION registry.error_kept(e api.error) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    masked CONSTANT text[] := ARRAY(SELECT f.name FROM registry.field f WHERE f.masked);
BEGIN
    IF e.field = ANY (masked) THEN
        e.message := CASE e.code WHEN 'CONFLICT' THEN e.message END;
        e.theirs := NULL;
        e.yours := NULL;
    END IF;
    IF e.fields IS NOT NULL THEN
        e.fields := (SELECT array_agg(CASE WHEN c.field = ANY (masked) THEN ROW(c.field, NULL, NULL, NULL, c."by", c.at)::api.clash
                                      ELSE ROW(c.field, c.base_value, c.theirs, c.yours, c."by", c.at)::api.clash END ORDER BY c.n)
                     FROM unnest(e.fields) WITH ORDINALITY c(field, base_value, theirs, yours, "by", at, n));
    END IF;
    RETURN jsonb_strip_nulls(to_jsonb(e));
END $$;

CREATE FUNCTION registry.keep_refusal(p_account int, p_request text, p_digest bytea, p_op text, p_object text,
    p_reason text, p_error api.error) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM registry.keep(p_account, p_request, p_digest, p_op, NULL, p_error.code, p_object, NULL, left(p_reason, 500),
                          NULL, registry.error_kept(p_error));
END $$;

-- What is known of a request. Whoever is told so must not be told more than a synchronous standby holds: the first
-- COMMIT may have been left waiting for it, so this transaction writes a record and waits behind it.
CREATE FUNCTION registry.seen(p_account int, p_request text) RETURNS registry.entry LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    e registry.entry;
BEGIN
    SELECT * INTO e FROM registry.entry WHERE account = p_account AND request = p_request;
    IF FOUND AND NOT pg_is_in_recovery() THEN
        PERFORM pg_logical_emit_message(true, 'qipan.replay', '');
    END IF;
    RETURN e;
END $$;

-- What keeps a request from being looked at: no id, an id used for another body, a reason too long.
CREATE FUNCTION registry.request_fault(p_lang text, p_request text, e registry.entry, p_op text, p_digest bytea,
    p_reason text) RETURNS api.error LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF p_request IS NULL OR p_request !~ '^[A-Za-z0-9._:-]{1,64}$' THEN
        RETURN registry.refusal(p_lang, 'INVALID_ARGUMENT', 'request', 'request.form');
    ELSIF e.op IS NOT NULL AND (e.op <> p_op OR e.digest IS DISTINCT FROM p_digest) THEN
        RETURN registry.refusal(p_lang, 'KEY_REUSED', 'request', 'request.reused', p_request);
    ELSIF e.op IS NULL AND length(p_reason) > 500 THEN
        RETURN registry.refusal(p_lang, 'INVALID_ARGUMENT', 'reason', 'text.long',
            registry.say(p_lang, 'label.reason'), NULL, '500');
    END IF;
    RETURN NULL;
END $$;

-- 0: of the group that is being written, which has no revision yet; the same id came twice in it.
CREATE FUNCTION registry.rev_of(p_grp bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_grp::text = current_setting('qipan.grp', true) THEN 0
        ELSE (SELECT rev FROM registry.txn WHERE grp = p_grp) END
$$;

-- A kept refusal as today's rights allow: of an object that was hidden from the account at some time no values others
-- gave it, of one that is hidden now nothing.
CREATE FUNCTION registry.refused_again(e registry.entry) RETURNS api.error LANGUAGE plpgsql STABLE AS $$
DECLARE
    r api.error := jsonb_populate_record(NULL::api.error, e.reply);
    grants CONSTANT int[] := registry.grants(e.account);
    bare api.error;
BEGIN
    IF registry.kind_of(e.object) IS NULL OR r.code IN ('NOT_FOUND', 'PERMISSION_DENIED') THEN
        RETURN r;
    ELSIF NOT registry.audience_of(e.object) && grants THEN
        bare.code := r.code;
        bare.field := r.field;
        RETURN bare;
    ELSIF EXISTS (SELECT FROM registry.change c WHERE c.object = e.object AND NOT c.audience && grants) THEN
        r.base_value := NULL;
        r.theirs := NULL;
        r.fields := (SELECT array_agg(ROW(c.field, NULL, NULL, c.yours, c."by", c.at)::api.clash ORDER BY c.n)
                     FROM unnest(r.fields) WITH ORDINALITY c(field, base_value, theirs, yours, "by", at, n));
    END IF;
    RETURN r;
END $$;

-- Might the account see, by today's rights, what an entry wrote: its object now and as it was then?
CREATE FUNCTION registry.entry_seen(e registry.entry) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    grants CONSTANT int[] := registry.grants(e.account);
BEGIN
    RETURN registry.audience_of(e.object) && grants
        AND EXISTS (SELECT FROM registry.change c WHERE c.object = e.object AND c.version = e.version AND c.audience && grants);
END $$;

-- The first answer again: same outcome, version and revision; content under today's rights.
CREATE FUNCTION registry.project_again(p_account int, e registry.entry) RETURNS api.project_reply
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    r api.project_reply;
    p registry.project;
BEGIN
    r.replayed := true;
    IF e.status <> 'OK' THEN
        r.error := registry.refused_again(e);
    ELSE
        r.rev := registry.rev_of(e.grp);
        IF registry.entry_seen(e) THEN
            SELECT * INTO p FROM registry.project x WHERE x.id = e.object;
            r.project := registry.project_shown(p_account, registry.project_at(e.object, e.version), p.office);
            PERFORM registry.audit_shown(p_account, e.op, coalesce(p.restricted, false), e.object, p.office, ARRAY[r.project],
                '{"replayed": true}');
        END IF;
    END IF;
    RETURN r;
END $$;

-- ---------------------------------------------------------------- writing

CREATE FUNCTION api.project_add(p_account int, p_lang text, p_request text, p_digest bytea, set jsonb, reason text)
RETURNS api.project_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    e registry.entry;
    n registry.project;
    b registry.project;
    me registry.account;
    r api.project_reply;
    s record;
    clean jsonb;
    f registry.finding;
    place int;
BEGIN
    e := registry.seen(p_account, p_request);
    r.error := registry.request_fault(p_lang, p_request, e, 'project_add', p_digest, project_add.reason);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    ELSIF e.op IS NOT NULL THEN
        RETURN registry.project_again(p_account, e);
    END IF;
    SELECT * INTO me FROM registry.account WHERE id = p_account;
    IF NOT registry.may(p_account, 'write', NULL) THEN -- for which office, judge asks
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.write');
    ELSE
        SELECT * INTO s FROM registry.read_set('project', coalesce(project_add.set, '{}')) s;
        clean := s.clean;
        f := s.fault;
        IF f.code IS NULL THEN
            n := jsonb_populate_record(NULL::registry.project, clean);
            n.office := coalesce(n.office, me.office);
            n.name_key := registry.norm(n.name);
            n.investor_key := registry.norm(n.investor);
            n.contact_name_mark := CASE WHEN clean ->> 'contact_name' IS NULL THEN 0 ELSE 1 END;
            n.contact_phone_mark := CASE WHEN clean ->> 'contact_phone' IS NULL THEN 0 ELSE 1 END;
            PERFORM registry.lock_project_keys(n);
            e := registry.seen(p_account, p_request);
            IF e.op IS NOT NULL THEN -- somebody brought the same id meanwhile
                r.error := registry.request_fault(p_lang, p_request, e, 'project_add', p_digest, project_add.reason);
                RETURN CASE WHEN (r.error).code IS NOT NULL THEN r ELSE registry.project_again(p_account, e) END;
            END IF;
            f := registry.judge(p_account, b, n);
            IF f.code IS NULL AND coalesce(btrim(project_add.reason), '') = '' THEN
                f := registry.project_odd(b, n);
                f := CASE WHEN f.code IS NULL THEN registry.days_odd(b, n) ELSE f END;
            END IF;
        END IF;
        IF f.code IS NOT NULL THEN
            r.error := registry.error_of(p_lang, 'project', f);
        END IF;
    END IF;
    IF (r.error).code IS NOT NULL THEN
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'project_add', NULL, project_add.reason, r.error);
        RETURN r;
    END IF;
    place := registry.entry_begin(me.code);
    INSERT INTO registry.project SELECT n.* RETURNING * INTO n;
    IF n.contact_name_mark > 0 OR n.contact_phone_mark > 0 THEN
        INSERT INTO registry.contact (project, name, phone)
        VALUES (n.id, clean ->> 'contact_name', clean ->> 'contact_phone');
    END IF;
    PERFORM registry.step_open(n), registry.plots_left(n.id);
    PERFORM registry.keep(p_account, p_request, p_digest, 'project_add', place, 'OK', n.id, n.version,
                          project_add.reason, NULL, NULL);
    r.rev := 0;
    r.project := registry.project_shown(p_account, n);
    r.warnings := (SELECT w.warnings FROM registry.warnings(ARRAY[p_lang], ARRAY[n], ARRAY[NULL::jsonb], ARRAY[clean ->> 'contact_phone']) w);
    RETURN r;
END $$;

-- Enough of a value to know it by; an error must fit a frame.
CREATE FUNCTION registry.excerpt(p_text text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN length(p_text) > 500 THEN left(p_text, 499) || '…' ELSE p_text END
$$;

-- All fields that somebody else set to another value since p_base. d = {number: [theirs, yours]}, theirs as read at
-- p_version: what was committed behind it comes with the next reading. The value at the base is left out where the
-- account might not have seen the object with it.
CREATE FUNCTION registry.clashes(p_account int, p_object text, p_kind text, p_base bigint, p_version bigint, d jsonb)
RETURNS api.clash[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    grants CONSTANT int[] := registry.grants(p_account);
BEGIN
    RETURN (SELECT array_agg(ROW(f.name, registry.excerpt(last.base), registry.excerpt(w.value ->> 0),
                                 registry.excerpt(w.value ->> 1), last.actor, last.at)::api.clash
                             ORDER BY f.number)
        FROM jsonb_each(d) w JOIN registry.field f ON f.kind = p_kind AND f.number = w.key::int
        CROSS JOIN LATERAL (
            SELECT (array_agg(CASE WHEN coalesce(c.audience_old, c.audience) && grants THEN c.fields -> w.key ->> 0 END
                              ORDER BY c.version))[1] AS base,
                   (array_agg(e.account ORDER BY c.version DESC))[1] AS account,
                   (array_agg(e.actor ORDER BY c.version DESC))[1] AS actor,
                   (array_agg(e.at ORDER BY c.version DESC))[1] AS at
            FROM registry.change c
            CROSS JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = c.grp AND q.ord = c.ord OFFSET 0) e
            WHERE c.object = p_object AND c.version > p_base AND c.version <= p_version AND c.fields ? w.key) last
        WHERE last.account <> p_account);
END $$;

CREATE FUNCTION registry.conflict(p_lang text, p_kind text, c api.clash[]) RETURNS api.error LANGUAGE plpgsql STABLE AS $$
DECLARE
    x api.clash := c[1];
    e api.error;
BEGIN
    e := registry.refusal(p_lang, 'CONFLICT', x.field, 'conflict', coalesce(registry.code_label(p_lang, 'account', x."by"), x."by"),
        (SELECT string_agg(registry.field_label(p_lang, p_kind, u.field), ' ' ORDER BY u.n)
         FROM unnest(c) WITH ORDINALITY u(field, base_value, theirs, yours, by, at, n)));
    e.base_value := x.base_value;
    e.theirs := x.theirs;
    e.yours := x.yours;
    e."by" := x."by";
    e.at := x.at;
    e.fields := c;
    RETURN e;
END $$;

-- Contact values that change, as {number: [old, new]}.
CREATE FUNCTION registry.contact_diff(p_id text, clean jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    c registry.contact;
    d jsonb := '{}';
BEGIN
    IF clean ?| ARRAY['contact_name', 'contact_phone'] THEN
        SELECT * INTO c FROM registry.contact WHERE project = p_id;
        IF clean ? 'contact_name' AND c.name IS DISTINCT FROM clean ->> 'contact_name' THEN
            d := d || jsonb_build_object('44', jsonb_build_array(c.name, clean ->> 'contact_name'));
        END IF;
        IF clean ? 'contact_phone' AND c.phone IS DISTINCT FROM clean ->> 'contact_phone' THEN
            d := d || jsonb_build_object('45', jsonb_build_array(c.phone, clean ->> 'contact_phone'));
        END IF;
    END IF;
    RETURN d;
END $$;

-- By which a contact is known again where its value may not stand.
CREATE FUNCTION registry.contact_digest(p_project text, p_value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(sha256(convert_to(p_project || p_value, 'UTF8')), 'hex')
$$;

-- d: {number: [old, new]}, of a project whose version says so already.
CREATE FUNCTION registry.contact_write(p_id text, d jsonb) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO registry.contact_past (project, version, fields)
    SELECT p_id, p.version - 1, (SELECT jsonb_object_agg(w.key, registry.contact_digest(p_id, w.value ->> 0)) FROM jsonb_each(d) w)
    FROM registry.project p WHERE p.id = p_id AND p.version > 1
    ON CONFLICT DO NOTHING;
    INSERT INTO registry.contact AS c (project, name, phone) VALUES (p_id, d -> '44' ->> 1, d -> '45' ->> 1)
    ON CONFLICT (project) DO UPDATE SET
        name = CASE WHEN d ? '44' THEN excluded.name ELSE c.name END,
        phone = CASE WHEN d ? '45' THEN excluded.phone ELSE c.phone END;
END $$;

-- The list a field becomes when others changed it since p_base: additions and removals of both. Null: nobody did, or
-- it would hold more than p_max, or depend on a base the account might not have seen. The base is what it was before their first change, so that one's own saves count as seen.
CREATE FUNCTION registry.list_merged(p_account int, p_object text, p_base bigint, p_version bigint, p_number int, p_theirs text[],
    p_mine text[], p_max int) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    base text;
    seen boolean;
    list text[];
BEGIN
    SELECT c.fields -> p_number::text ->> 0, registry.sees(p_account, coalesce(c.audience_old, c.audience)) INTO base, seen
    FROM registry.change c
    CROSS JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = c.grp AND q.ord = c.ord OFFSET 0) e
    WHERE c.object = p_object AND c.version > p_base AND c.version <= p_version AND c.fields ? p_number::text AND e.account <> p_account
    ORDER BY c.version LIMIT 1;
    IF seen THEN
        list := registry.merge_list(string_to_array(base, ','), p_theirs, p_mine);
    END IF;
    RETURN CASE WHEN coalesce(cardinality(list), 0) <= p_max THEN list END;
END $$;

-- A change of one project: p_set as it came (fields and nulls), against version p_base. The order is that of
-- decision 4: look-up, row, rights, values, merge, rules, write.
CREATE FUNCTION registry.project_change(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint,
    p_op text, p_id text, p_set jsonb, p_reason text, p_force boolean) RETURNS api.project_reply
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    e registry.entry;
    me registry.account;
    reach CONSTANT text[] := registry.reach(p_account, 'write');
    b registry.project;
    n registry.project;
    r api.project_reply;
    err api.error;
    clean jsonb;
    f registry.finding;
    contact jsonb;
    d jsonb;
    s record;
    c api.clash[];
    list text[];
BEGIN
    FOR attempt IN 1 .. 50 LOOP
        e := registry.seen(p_account, p_request);
        IF e.op IS NULL AND p_request ~ '^[A-Za-z0-9._:-]{1,64}$' AND (length(p_reason) > 500) IS NOT TRUE THEN
            NULL;
        ELSE
            r.error := registry.request_fault(p_lang, p_request, e, p_op, p_digest, p_reason);
            RETURN CASE WHEN (r.error).code IS NOT NULL THEN r ELSE registry.project_again(p_account, e) END;
        END IF;
        SELECT * INTO b FROM registry.project x WHERE x.id = p_id;
        IF NOT FOUND THEN
            SELECT * INTO b FROM registry.project x WHERE x.no = p_id;
        END IF;
        IF b.audience <> '{1}' AND NOT registry.sees(p_account, b.audience) THEN
            b := NULL;
        END IF;
        IF reach IS NULL OR (b.id IS NOT NULL AND NOT reach && ARRAY['*', b.office]) THEN
            err := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.write');
        ELSIF b.id IS NULL THEN
            err := registry.refusal(p_lang, 'NOT_FOUND', 'id', 'project.none', p_id);
        ELSIF b.merged_into IS NOT NULL THEN
            err := registry.refusal(p_lang, 'FAILED_PRECONDITION', 'merged_into', 'project.merged', b.merged_into);
            SELECT q.no, q.office, q.registered_at INTO err.other_no, err.other_office, err.at FROM registry.project q WHERE q.no = b.merged_into;
        ELSIF p_force AND coalesce(btrim(p_reason), '') = '' THEN
            err := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'reason', 'force.reason');
        ELSIF p_base > b.version OR p_base < 1 THEN
            err := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'version', 'base.future', p_base::text, b.version::text);
        END IF;
        EXIT WHEN err.code IS NOT NULL;
        IF clean IS NULL THEN
            s := registry.read_set('project', p_set);
            clean := s.clean;
            f := s.fault;
            IF f.code IS NOT NULL THEN
                err := registry.error_of(p_lang, 'project', f);
                EXIT;
            END IF;
        END IF;
        n := jsonb_populate_record(b, clean);
        contact := registry.contact_diff(b.id, clean);
        IF contact <> '{}' THEN
            n.contact_name_mark := n.contact_name_mark + CASE WHEN contact ? '44' THEN 1 ELSE 0 END;
            n.contact_phone_mark := n.contact_phone_mark + CASE WHEN contact ? '45' THEN 1 ELSE 0 END;
        END IF;
        d := registry.project_diff(b, n);
        IF p_base < b.version AND p_force IS NOT TRUE AND d <> '{}' THEN
            list := CASE WHEN d ? '17' AND n.tags IS NOT NULL THEN
                registry.list_merged(p_account, b.id, p_base, b.version, 17, b.tags, n.tags, 20) END;
            c := registry.clashes(p_account, b.id, 'project', p_base, b.version, CASE WHEN list IS NULL THEN d ELSE d - '17' END || contact);
            IF c IS NOT NULL THEN
                err := registry.conflict(p_lang, 'project', c);
                EXIT;
            ELSIF list IS NOT NULL THEN
                n.tags := list;
                d := registry.project_diff(b, n);
            END IF;
        END IF;
        -- registry.tagging(); of amounts only those that pass a step
        IF d ?| ARRAY['8', '9', '10', '11', '14', '15', '18']
           OR d ? '20' AND registry.steps_over(registry.amount_steps(), b.amount_total, n.amount_total) THEN
            n := registry.project_follows(b, n);
            d := registry.project_diff(b, n);
        END IF;
        IF d = '{}' THEN
            PERFORM registry.keep(p_account, p_request, p_digest, p_op, NULL, 'OK', b.id, b.version, p_reason, NULL, NULL);
            r.project := registry.project_shown(p_account, b);
            RETURN r;
        END IF;
        IF d ?| ARRAY['4', '5', '6', '7', '10'] THEN -- name, code, source, external_id, investor
            n.name_key := registry.norm(n.name);
            n.investor_key := registry.norm(n.investor);
            n.find_key := registry.find_key(n.name_key, n.investor_key, n.no, n.external_id);
            PERFORM registry.lock_project_keys(n);
        END IF;
        f := CASE WHEN d ?| ARRAY['52', '53', '54', '55', '56', '57', '58'] THEN registry.project_days(n) END;
        IF f.code IS NULL AND p_force IS NOT TRUE AND d ?| ARRAY['20', '21', '22', '23', '24'] THEN
            f := registry.project_odd(b, n);
        END IF;
        IF f.code IS NOT NULL OR d ?| ARRAY['4', '5', '6', '7', '9', '10', '13', '40', '50'] THEN
            f := CASE WHEN f.code IS NOT NULL THEN f ELSE registry.judge(p_account, b, n) END;
            IF f.code IS NOT NULL THEN
                err := registry.error_of(p_lang, 'project', f);
                EXIT;
            END IF;
        END IF;
        IF d ?| ARRAY['50', '52', '53', '54', '55', '56', '57', '58'] AND (p_force OR p_op <> 'project_edit' AND btrim(p_reason) <> '') IS NOT TRUE THEN
            f := registry.days_odd(b, n);
            IF f.code IS NOT NULL THEN
                err := registry.error_of(p_lang, 'project', f);
                EXIT;
            END IF;
        END IF;
        n.version := b.version + 1;
        n.changed_at := registry.now();
        IF me.id IS NULL THEN
            SELECT * INTO me FROM registry.account a WHERE a.id = p_account;
        END IF;
        IF registry.project_write(n, d, p_op, p_account, me.code, me.office, p_request, p_digest, p_reason) THEN
            IF contact <> '{}' THEN
                PERFORM registry.contact_write(b.id, contact);
            END IF;
            IF d ? '50' THEN
                PERFORM registry.step_open(n), registry.plots_left(n.id);
            END IF;
            r.rev := 0;
            r.project := registry.project_shown(p_account, n);
            IF registry.suspicious(d || contact) THEN
                r.warnings := (SELECT w.warnings FROM registry.warnings(ARRAY[p_lang], ARRAY[n], ARRAY[d || contact], ARRAY[contact -> '45' ->> 1]) w);
            END IF;
            RETURN r;
        END IF;
    END LOOP;
    IF err.code IS NULL THEN
        RAISE EXCEPTION 'project % changed fifty times while it was being written', b.id
            USING ERRCODE = 'serialization_failure';
    END IF;
    PERFORM registry.keep_refusal(p_account, p_request, p_digest, p_op, b.id, p_reason, err);
    r.error := err;
    RETURN r;
END $$;

CREATE FUNCTION api.project_edit(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint,
    id text, set jsonb, clear text[], reason text, force boolean) RETURNS api.project_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.project_change(p_account, p_lang, p_request, p_digest, p_base, 'project_edit', id,
        CASE WHEN clear IS NULL AND set IS NOT NULL THEN set ELSE registry.with_clears(set, clear) END, reason, force);
END $$;


-- What of many edits can be written as a set: a new request id, a caller who may, fine values of plain fields that change no tag, the
-- first of its object here, nothing of it changed by anybody else since its base. What it says of the others doesn't count.
CREATE FUNCTION registry.project_plan(p_account int[], p_request text[], p_base bigint[], p_id text[], p_set jsonb[],
    p_reason text[], p_force boolean[], OUT plain boolean[], OUT code text[], OUT office text[], OUT version bigint[],
    OUT clean jsonb[], OUT fields jsonb[], OUT contact_name text[], OUT contact_phone text[])
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    steps CONSTANT bigint[] := registry.amount_steps();
BEGIN
    WITH who AS MATERIALIZED (
        SELECT a.id, a.code, a.office, a.grants, registry.reach(a.id, 'write') AS writes, registry.reach(a.id, 'contact') AS contacts
        FROM registry.account a WHERE a.id = ANY (p_account))
    SELECT array_agg(x.plain), array_agg(x.code), array_agg(x.office), array_agg(x.version), array_agg(x.clean),
        array_agg(x.fields), array_agg(x.name), array_agg(x.phone)
    INTO plain, code, office, version, clean, fields, contact_name, contact_phone
    FROM (SELECT w.code, w.office, p.version, d.clean, d.fields, c.name, c.phone, coalesce(
              d.plain AND d.fields <> '{}' AND NOT (d.fields ? '20' AND registry.steps_over(steps, p.amount_total, (d.clean ->> 'amount_total')::bigint))
              AND CASE WHEN d.plain AND u.force IS NOT TRUE AND d.fields ?| ARRAY['20', '21', '22', '23', '24']
                  THEN (registry.project_odd(p, jsonb_populate_record(p, d.clean))).code IS NULL ELSE true END
              AND p.merged_into IS NULL AND w.writes && ARRAY['*', p.office] AND w.grants && p.audience
              AND u.request ~ '^[A-Za-z0-9._:-]{1,64}$' AND (length(u.reason) > 500) IS NOT TRUE
              AND (u.force IS NOT TRUE OR btrim(u.reason) <> '') AND (u.base BETWEEN 1 AND p.version) IS NOT FALSE
              AND array_position(p_request, u.request) = u.n AND array_position(p_id, u.id) = u.n AND array_position(p_id, p.no) IS NULL
              AND NOT EXISTS (SELECT FROM registry.entry e WHERE e.account = u.account AND e.request = u.request)
              AND (u.base IS NULL OR u.base = p.version OR u.force IS TRUE OR NOT EXISTS (
                  SELECT FROM registry.change y
                  CROSS JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = y.grp AND q.ord = y.ord OFFSET 0) e
                  WHERE y.object = u.id AND y.version > u.base AND e.account <> u.account
                  AND y.fields ?| ARRAY(SELECT jsonb_object_keys(d.fields)))), false) AS plain
          FROM unnest(p_account, p_request, p_base, p_id, p_set, p_reason, p_force)
              WITH ORDINALITY u(account, request, base, id, set, reason, force, n)
          LEFT JOIN registry.project p ON p.id = u.id
          LEFT JOIN LATERAL (SELECT * FROM who WHERE who.id = u.account OFFSET 0) w ON true
          LEFT JOIN registry.contact c ON p.contact_name_mark + p.contact_phone_mark > 0 AND c.project = p.id
              AND w.contacts && ARRAY['*', p.office]
          LEFT JOIN LATERAL registry.project_cells(p, u.set) d ON true
          ORDER BY u.n OFFSET 0) x;
END $$;

-- Answers of a set with their warnings; p_fields: what each changed.
CREATE FUNCTION registry.with_warnings(p_lang text[], p_replies api.project_reply[], p_fields jsonb[]) RETURNS api.project_reply[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    x record;
    at CONSTANT int[] := ARRAY(SELECT u.n FROM unnest(p_fields) WITH ORDINALITY u(fields, n) WHERE registry.suspicious(u.fields));
    r api.project_reply;
BEGIN
    IF at = '{}' THEN
        RETURN p_replies;
    END IF;
    FOR x IN SELECT w.* FROM (SELECT array_agg(p_lang[u.i] ORDER BY u.n) AS langs, array_agg(p ORDER BY u.n) AS rows, array_agg(p_fields[u.i] ORDER BY u.n) AS fields
                              FROM unnest(at) WITH ORDINALITY u(i, n) JOIN registry.project p ON p.id = (p_replies[u.i]).project.id) y,
                         LATERAL registry.warnings(y.langs, y.rows, y.fields, NULL) w LOOP
        r := p_replies[at[x.n]];
        r.warnings := x.warnings;
        p_replies[at[x.n]] := r;
    END LOOP;
    RETURN p_replies;
END $$;

-- The twin of project_edit for a whole group: a row for each element, in order, the very answers project_edit gives.
-- What the plan took is written as one set, first: it is the first of its object here. Every other element, and one that
-- was not written, then goes through project_change in its turn. (Sets between those would cost more than they save.) All
-- rows are locked before, in the order of their ids: what is read of them stands, and two calls cannot wait for each other.
CREATE FUNCTION api.project_edits(p_account int[], p_lang text[], p_request text[], p_digest bytea[], p_base bigint[],
    id text[], set jsonb[], reason text[], force boolean[]) RETURNS SETOF api.project_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    p record;
    x record;
    w record;
    written int[]; -- the elements that w.replies are of
BEGIN
    PERFORM FROM registry.project q WHERE q.id = ANY (project_edits.id) ORDER BY q.id FOR NO KEY UPDATE;
    p := registry.project_plan(p_account, p_request, p_base, id, set, reason, force);
    SELECT array_agg(u.n) AS n, array_agg(u.account) AS account, array_agg(u.code) AS code, array_agg(u.office) AS office,
        array_agg(u.request) AS request, array_agg(u.digest) AS digest, array_agg(u.reason) AS reason, array_agg(u.id) AS id,
        array_agg(u.version) AS version, array_agg(u.clean) AS clean, array_agg(u.fields) AS fields,
        array_agg(u.contact_name) AS contact_name, array_agg(u.contact_phone) AS contact_phone INTO x
    FROM unnest(p.plain, p_account, p.code, p.office, p_request, p_digest, reason, id, p.version, p.clean, p.fields,
             p.contact_name, p.contact_phone) WITH ORDINALITY
         u(plain, account, code, office, request, digest, reason, id, version, clean, fields, contact_name, contact_phone, n)
    WHERE u.plain;
    IF x.n IS NOT NULL THEN
        w := registry.project_writes('project_edit', x.account, x.code, x.office, x.request, x.digest, x.reason, x.id, x.version,
            x.clean, x.fields, x.contact_name, x.contact_phone);
        written := ARRAY(SELECT x.n[place] FROM unnest(w.places) WITH ORDINALITY u(place, n) ORDER BY u.n);
        w.replies := registry.with_warnings(ARRAY(SELECT p_lang[x.n[place]] FROM unnest(w.places) WITH ORDINALITY u(place, n) ORDER BY u.n), w.replies,
            ARRAY(SELECT x.fields[place] FROM unnest(w.places) WITH ORDINALITY u(place, n) ORDER BY u.n));
    END IF;
    IF cardinality(written) = cardinality(id) THEN
        RETURN QUERY SELECT * FROM unnest(w.replies);
        RETURN;
    END IF;
    FOR i IN 1 .. cardinality(id) LOOP
        IF i = ANY (written) THEN
            RETURN NEXT w.replies[array_position(written, i)];
        ELSE
            RETURN NEXT registry.project_change(p_account[i], p_lang[i], p_request[i], p_digest[i], p_base[i],
                'project_edit', id[i], coalesce(set[i], '{}'), reason[i], force[i]);
        END IF;
    END LOOP;
END $$;

-- A day that won't do is refused without being kept: once it was fine, it stays fine.
CREATE FUNCTION api.project_advance(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint,
    id text, stage text, "on" text, reason text) RETURNS api.project_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    today text := registry.today()::text;
    day text := coalesce(nullif(btrim("on"), ''), today);
    target text := registry.resolve('stage', btrim(stage));
    date_field text;
    r api.project_reply;
BEGIN
    IF registry.is_ymd(day) AND day > left(today, length(day)) THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'on', 'on.future', day, today);
        RETURN r;
    ELSIF NOT registry.is_ymd(day) THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'on', 'ymd.form', registry.say(p_lang, 'label.on'), day);
        RETURN r;
    ELSIF day < '1990' THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'on', 'ymd.range', registry.say(p_lang, 'label.on'), day);
        RETURN r;
    END IF;
    date_field := (SELECT s.date_field FROM registry.stage s
                   WHERE s.rule_set = registry.rule_set_in_force() AND s.code = target);
    PERFORM set_config('qipan.on', day, true);
    r := registry.project_change(p_account, p_lang, p_request, p_digest, p_base, 'project_advance', id,
        jsonb_build_object('stage', coalesce(stage, ''))
        || CASE WHEN date_field IS NULL THEN '{}' ELSE jsonb_build_object(date_field, day) END, reason, false);
    PERFORM set_config('qipan.on', '', true);
    RETURN r;
END $$;

-- ---------------------------------------------------------------- reading

CREATE FUNCTION api.project_show(p_account int, p_lang text, id text) RETURNS api.project_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    p registry.project := registry.project_seen(p_account, id);
    r api.project_reply;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
    ELSIF p.id IS NULL THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'id', 'project.none', id);
    ELSE
        r.project := registry.project_shown(p_account, p);
        r.project.protected_until := (SELECT registry.protected_until(x.state, x.until_on, p.stage, p.registered_at,
            registry.protection_rule_in_force(), (SELECT s.value FROM registry.setting s WHERE s.key = 'county.timezone'))
            FROM (SELECT 1) one LEFT JOIN registry.protection x ON x.project = p.id);
        PERFORM registry.commit_here();
        PERFORM registry.audit_shown(p_account, 'project_show', false, p.id, p.office, ARRAY[r.project], NULL);
    END IF;
    RETURN r;
END $$;
