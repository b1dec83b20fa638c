-- SPDX-License-Identifier: Apache-2.0
-- Records: what belongs to a project or to the county and is changed one at a time. A kind is a table, a message, lines in
-- registry.kind and registry.field, and these functions of its own:
--
--   registry.<kind>_may(p_account, p_op, b, p) → finding     who may do this, and when. b: the row; version 0: one that is being
--       made, project and office as given or by default; version null: there is none, or none this account sees (then say only
--       whether the account may do this at all). p: its project.
--   registry.<kind>_rules(p_account, p_op, b, n) → n, fault  what the row must be, and what follows from what was set; a fault
--       whose key begins with "odd." gives way to force, so it comes last
--   registry.<kind>_effects(p_account, p_op, b, n)           optional: what else changes with it, under the same entry
--
-- Then `SELECT registry.generate_record('<kind>', '<order of its list>', <its index for it>)` makes the rest:
--
--   registry.<kind>_decide   what a change comes to, in the order of decision: row, rights, values, rules, merge
--   registry.<kind>_put      writes that
--   registry.<kind>_change   one change under a request id: look-up, decide, put
--   registry.<kind>_again    the first answer again
--   registry.<kind>_journal  the trigger
--   api.<kind>_set, _list, _show
--
-- People's word for the kind is the sentence `kind.<kind>`.
--
-- An operation of its own is one line: api.matter_sign calls registry.matter_change with what the operation itself sets.

-- A refusal whose sentence takes p_args as $1, $2 …
CREATE FUNCTION registry.fault(p_code text, p_field text, p_key text, VARIADIC p_args text[] DEFAULT '{}') RETURNS registry.finding
LANGUAGE sql IMMUTABLE AS $$
    SELECT ROW(p_code, p_field, NULL, p_key, p_args, NULL, NULL, NULL, NULL)::registry.finding
$$;

-- A value that won't do: the sentence takes the field's label as $1, the value as $2, then p_args.
CREATE FUNCTION registry.bad(p_field text, p_value text, p_key text, VARIADIC p_args text[] DEFAULT '{}') RETURNS registry.finding
LANGUAGE sql IMMUTABLE AS $$
    SELECT ROW('INVALID_ARGUMENT', p_field, coalesce(p_value, ''), p_key, p_args, NULL, NULL, NULL, NULL)::registry.finding
$$;

-- Null if the account may do this to what the office owns (null = anywhere), else the refusal `may.<right>`.
CREATE FUNCTION registry.unless_may(p_account int, p_right text, p_office text) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN NOT registry.may(p_account, p_right, p_office) THEN
        registry.fault('PERMISSION_DENIED', NULL, 'may.' || p_right) END;
END $$;

-- A move that doesn't exist from the state a record is in: which that is, who moved it last and when.
CREATE FUNCTION registry.no_move(p_kind text, p_id text, p_state text) RETURNS registry.finding LANGUAGE sql STABLE AS $$
    SELECT registry.fault('FAILED_PRECONDITION', 'state', 'record.state', format('@%s_state:%s', p_kind, p_state), '@account:' || m.actor, m.day)
    FROM (SELECT 1) one LEFT JOIN LATERAL (
        SELECT e.actor, registry.day(e.at) AS day FROM registry.change c
        CROSS JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = c.grp AND q.ord = c.ord OFFSET 0) e
        WHERE c.object = p_id AND c.fields ? '7' ORDER BY c.version DESC LIMIT 1) m ON true
$$;

-- A finding in the caller's language. Those of fault() have no value, those about a value have one.
CREATE FUNCTION registry.record_error(p_lang text, p_kind text, f registry.finding) RETURNS api.error LANGUAGE plpgsql STABLE AS $$
DECLARE
    e api.error;
BEGIN
    IF f.value IS NOT NULL OR f.key LIKE 'field.%' THEN
        RETURN registry.error_of(p_lang, p_kind, f);
    END IF;
    e := registry.refusal(p_lang, f.code, f.field, f.key, VARIADIC coalesce(registry.said(p_lang, f.args), '{}'));
    e.allowed := f.allowed;
    e.other_no := f.other_no;
    e.other_office := f.other_office;
    e.at := f.at;
    RETURN e;
END $$;

-- The language of whom a record is being changed for: for words that go into a sentence.
CREATE FUNCTION registry.lang() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('qipan.lang', true), ''), 'zh')
$$;

-- Instants as they are read (microseconds) to what their columns take.
CREATE FUNCTION registry.with_instants(p_kind text, p_clean jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT p_clean || coalesce((SELECT jsonb_object_agg(f.name, timestamptz 'epoch' + (p_clean ->> f.name)::bigint * interval '1 us')
        FROM registry.field f WHERE f.kind = p_kind AND f.type = 'instant' AND p_clean ->> f.name IS NOT NULL), '{}')
$$;

-- Required fields that are absent: the first, by number.
CREATE FUNCTION registry.required_fault(p_kind text, p_row jsonb) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    missing text := (SELECT f.name FROM registry.field f
                     WHERE f.kind = p_kind AND f.required AND p_row ->> f.name IS NULL ORDER BY f.number LIMIT 1);
BEGIN
    RETURN CASE WHEN missing IS NOT NULL THEN registry.bad(missing, NULL, 'field.required') END;
END $$;

-- A change without a reason of a field that wants one: the first, by number.
CREATE FUNCTION registry.reason_fault(p_kind text, d jsonb, p_reason text) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    touched text := (SELECT f.name FROM registry.field f WHERE f.kind = p_kind AND f.reasoned AND d ? f.number::text ORDER BY f.number LIMIT 1);
BEGIN
    RETURN CASE WHEN touched IS NOT NULL AND coalesce(btrim(p_reason), '') = '' THEN registry.bad(touched, NULL, 'field.reasoned') END;
END $$;

-- A record as it was at a version: its present row with later changes taken back, as JSON of its columns.
CREATE FUNCTION registry.record_olds(p_kind text, p_id text, p_version bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(x.name, CASE
        WHEN x.old IS NULL THEN 'null'::jsonb
        WHEN x.type = 'money' THEN to_jsonb((x.old::numeric * 100)::bigint)
        WHEN x.type IN ('tags', 'list') THEN to_jsonb(string_to_array(x.old, ','))
        ELSE to_jsonb(x.old) END), '{}')
    FROM (SELECT DISTINCT ON (f.name) f.name, f.type, w.value ->> 0 AS old
          FROM registry.change c CROSS JOIN LATERAL jsonb_each(c.fields) w
          JOIN registry.field f ON f.kind = p_kind AND f.number = w.key::int
          WHERE c.object = p_id AND c.version > p_version ORDER BY f.name, c.version) x
$$;

-- ---------------------------------------------------------------- lists

-- One page of ids of a kind, in the order asked for, as far as the account sees them; `only` is a further condition on p.
CREATE FUNCTION registry.record_page(p_account int, p_lang text, p_kind text, p_terms jsonb, p_sort text, p_after text,
    p_limit int, p_order text, p_only text, OUT error api.error, OUT ids text[]) LANGUAGE plpgsql STABLE AS $$
DECLARE
    given CONSTANT text := coalesce(nullif(btrim(p_sort), ''), p_order);
    key CONSTANT text := ltrim(given, '-');
    down CONSTANT boolean := left(given, 1) = '-';
    grants CONSTANT int[] := registry.grants(p_account);
    conditions text[] := ARRAY[coalesce(p_only, 'true')];
    term jsonb;
    t record;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN;
    ELSIF jsonb_array_length(coalesce(p_terms, '[]')) > 50
       OR (SELECT sum(jsonb_array_length(coalesce(x -> 'values', '[]'))) FROM jsonb_array_elements(p_terms) x) > 400 THEN
        error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'terms', 'terms.many');
        RETURN;
    ELSIF NOT registry.has_field(p_kind, key) THEN
        error := registry.error_of(p_lang, p_kind, ROW('INVALID_ARGUMENT', 'sort', key, 'sort.field', NULL, registry.nearest(key,
            ARRAY(SELECT x.name FROM registry.field x WHERE x.kind = p_kind ORDER BY x.number), 8), NULL, NULL, NULL));
        RETURN;
    END IF;
    FOR term IN SELECT * FROM jsonb_array_elements(coalesce(p_terms, '[]')) LOOP
        t := registry.term_sql(term, p_kind);
        IF (t.fault).code IS NOT NULL THEN
            error := registry.error_of(p_lang, p_kind, t.fault);
            RETURN;
        END IF;
        conditions := conditions || t.sql;
    END LOOP;
    IF registry.has_field(p_kind, 'project') THEN
        -- few projects are not every reader's, and they have an index
        conditions := conditions || CASE WHEN 1 = ANY (grants)
            THEN 'NOT EXISTS (SELECT FROM registry.project q WHERE q.id = p.project AND q.audience <> ''{1}'' AND NOT q.audience && $2)'
            ELSE '(p.project IS NULL OR EXISTS (SELECT FROM registry.project q WHERE q.id = p.project AND q.audience && $2))' END;
    END IF;
    IF p_after IS NOT NULL AND key = 'id' THEN
        conditions := conditions || format('p.id %s $1', CASE WHEN down THEN '<' ELSE '>' END); -- by the index, however far it is
    ELSIF p_after IS NOT NULL THEN
        -- rows without the key come last, whichever the direction
        conditions := conditions || format('EXISTS (SELECT FROM registry.%1$I l WHERE l.id = $1 AND (p.%2$I IS NULL AND l.%2$I IS NOT NULL
            OR p.%2$I %3$s l.%2$I OR p.%2$I IS NOT DISTINCT FROM l.%2$I AND p.id > l.id))', p_kind, key, CASE WHEN down THEN '<' ELSE '>' END);
    END IF;
    EXECUTE format('SELECT array_agg(x.id) FROM (SELECT p.id FROM registry.%I p WHERE %s ORDER BY p.%I %s NULLS LAST, p.id LIMIT %s) x',
        p_kind, array_to_string(conditions, ' AND '), key, CASE WHEN down THEN 'DESC' ELSE 'ASC' END,
        least(greatest(coalesce(p_limit, 100), 1), 500) + 1)
    INTO ids USING p_after, grants;
END $$;

-- ---------------------------------------------------------------- made for each kind

CREATE FUNCTION registry.generate_record(p_kind text, p_order text DEFAULT '-changed_at') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    columns CONSTANT text := (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = format('registry.%I', p_kind)::regclass AND a.attnum > 0 AND NOT a.attisdropped
          AND a.attname NOT IN ('id', 'version', 'changed_at'));
    has_project CONSTANT boolean := registry.has_field(p_kind, 'project');
    has_no CONSTANT boolean := registry.has_field(p_kind, 'no');
    body text;
BEGIN
    UPDATE registry.kind k SET list_order = p_order WHERE k.code = p_kind;
    -- @k the kind, @prefix, @columns, @n_columns, @order, @project(…) only with a project, @no(…) only with a number of its own
    FOREACH body IN ARRAY ARRAY[$t$
CREATE FUNCTION registry.@k_journal() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $f$
DECLARE
    fields jsonb;
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM registry.journal('@k', OLD.id, OLD.version + 1, registry.@k_diff(OLD, NULL) || jsonb_build_object('1', jsonb_build_array(OLD.id, NULL)),
            registry.@k_image(OLD), '{0}', @old_audience);
        RETURN OLD;
    ELSIF TG_OP = 'INSERT' THEN
        NEW.id := coalesce(NEW.id, registry.new_id('@prefix'));
        NEW.version := 1;
        fields := registry.@k_born(NEW);
    ELSE
        NEW.id := OLD.id;
        fields := registry.@k_diff(OLD, NEW);
        IF fields = '{}' THEN
            RETURN NULL;
        END IF;
        NEW.version := OLD.version + 1;
    END IF;
    NEW.changed_at := registry.now();
    PERFORM registry.journal('@k', NEW.id, NEW.version, fields, registry.@k_image(NEW), @audience);
    RETURN NEW;
END $f$
$t$, $t$
CREATE TRIGGER @k_journal BEFORE INSERT OR UPDATE OR DELETE ON registry.@k FOR EACH ROW EXECUTE FUNCTION registry.@k_journal()$t$, $t$
CREATE TRIGGER @k_keep BEFORE TRUNCATE ON registry.@k FOR EACH STATEMENT EXECUTE FUNCTION registry.refuse()$t$, $t$
CREATE TRIGGER @k_stay BEFORE DELETE ON registry.@k FOR EACH STATEMENT
    WHEN (coalesce(current_setting('qipan.undo', true), '') = '') EXECUTE FUNCTION registry.refuse()$t$, $t$
-- The record an id means to this account: what it may not see isn't there.
CREATE FUNCTION registry.@k_seen(p_account int, p_id text) RETURNS registry.@k LANGUAGE plpgsql STABLE AS $f$
DECLARE
    b registry.@k;
BEGIN
    SELECT * INTO b FROM registry.@k x WHERE x.id = p_id@own_no;
    IF @hidden THEN
        RETURN NULL;
    END IF;
    RETURN b;
END $f$
$t$, $t$
CREATE FUNCTION registry.@k_again(p_account int, e registry.entry) RETURNS api.@k_reply LANGUAGE plpgsql VOLATILE AS $f$
DECLARE
    r api.@k_reply;
    b registry.@k;
BEGIN
    r.replayed := true;
    IF e.status <> 'OK' THEN
        r.error := registry.refused_again(e);
    ELSE
        r.rev := registry.rev_of(e.grp);
        IF registry.entry_seen(e) THEN
            SELECT * INTO b FROM registry.@k x WHERE x.id = e.object;
            b := jsonb_populate_record(b, registry.record_olds('@k', e.object, e.version));
            b.version := e.version;
            r."@k" := registry.@k_row(b);
            @told_project
        END IF;
    END IF;
    RETURN r;
END $f$
$t$, $t$
-- What a change comes to. p_set: what the caller sets, as it came; p_own: what the operation itself sets, as columns. b, n: the row
-- before and after, d: what differs; err: why not.
CREATE FUNCTION registry.@k_decide(p_account int, p_lang text, p_op text, p_base bigint, p_id text, p_set jsonb, p_own jsonb, p_reason text,
    p_force boolean, OUT b registry.@k, OUT n registry.@k, OUT d jsonb, OUT err api.error) LANGUAGE plpgsql VOLATILE AS $f$
DECLARE
    p registry.project;
    f registry.finding;
    s record;
    w record;
    c api.clash[];
BEGIN
    <<rules>>
    BEGIN
        IF p_id IS NULL THEN
            b.version := 0;
            @new_project
            @new_office
        ELSE
            b := registry.@k_seen(p_account, p_id);
            @old_project
        END IF;
        f := registry.@k_may(p_account, p_op, b, p);
        IF f.code IS NULL AND b.version IS NULL THEN
            f := registry.fault('NOT_FOUND', 'id', 'record.none', p_id);
        ELSIF f.code IS NULL AND p_force AND coalesce(btrim(p_reason), '') = '' THEN
            f := registry.fault('INVALID_ARGUMENT', 'reason', 'force.reason');
        ELSIF f.code IS NULL AND p_id IS NOT NULL AND (p_base > b.version OR p_base < 1) THEN
            f := registry.fault('INVALID_ARGUMENT', 'version', 'base.future', p_base::text, b.version::text);
        @no_project
        END IF;
        EXIT rules WHEN f.code IS NOT NULL;
        s := registry.read_set('@k', coalesce(p_set, '{}')@sans_project);
        f := s.fault;
        EXIT rules WHEN f.code IS NOT NULL;
        n := jsonb_populate_record(b, registry.with_instants('@k', s.clean) || coalesce(p_own, '{}'));
        w := registry.@k_rules(p_account, p_op, b, n);
        f := w.fault;
        EXIT rules WHEN f.code IS NOT NULL AND NOT (coalesce(p_force, false) AND starts_with(f.key, 'odd.')); -- odd, not wrong: gives way
        n := w.n;
        f := registry.required_fault('@k', to_jsonb(n));
        EXIT rules WHEN f.code IS NOT NULL;
        d := CASE WHEN p_id IS NULL THEN registry.@k_born(n) ELSE registry.@k_diff(b, n) END;
        @reasoned
        IF p_id IS NOT NULL AND d <> '{}' AND p_base < b.version AND p_force IS NOT TRUE THEN
            c := registry.clashes(p_account, b.id, '@k', p_base, b.version, d);
            err := CASE WHEN c IS NOT NULL THEN registry.conflict(p_lang, '@k', c) END;
        END IF;
        RETURN;
    END rules;
    err := registry.record_error(p_lang, '@k', f);
END $f$
$t$, $t$
-- Writes what was decided, under the entry that is open. Null: the row is another by now.
CREATE FUNCTION registry.@k_put(p_account int, p_op text, b registry.@k, n registry.@k) RETURNS registry.@k LANGUAGE plpgsql VOLATILE AS $f$
BEGIN
    IF b.id IS NULL THEN
        INSERT INTO registry.@k SELECT n.* RETURNING * INTO n;
    ELSE
        UPDATE registry.@k x SET (@columns) = ROW(@n_columns) WHERE x.id = b.id AND x.version = b.version RETURNING * INTO n;
    END IF;
    IF FOUND THEN
        @effects
        RETURN n;
    END IF;
    RETURN NULL;
END $f$
$t$, $t$
-- One change under a request id.
CREATE FUNCTION registry.@k_change(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, p_op text,
    p_id text, p_set jsonb, p_own jsonb, p_reason text, p_force boolean) RETURNS api.@k_reply LANGUAGE plpgsql VOLATILE AS $f$
DECLARE
    e registry.entry;
    n registry.@k;
    r api.@k_reply;
    s record;
    place int;
BEGIN
    PERFORM set_config('qipan.lang', p_lang, true);
    FOR attempt IN 1 .. 50 LOOP
        e := registry.seen(p_account, p_request);
        r.error := registry.request_fault(p_lang, p_request, e, p_op, p_digest, p_reason);
        IF (r.error).code IS NOT NULL OR e.op IS NOT NULL THEN
            RETURN CASE WHEN (r.error).code IS NOT NULL THEN r ELSE registry.@k_again(p_account, e) END;
        END IF;
        s := registry.@k_decide(p_account, p_lang, p_op, p_base, p_id, p_set, p_own, p_reason, p_force);
        IF (s.err).code IS NOT NULL THEN
            PERFORM registry.keep_refusal(p_account, p_request, p_digest, p_op, (s.b).id, p_reason, s.err);
            r.error := s.err;
            RETURN r;
        ELSIF p_id IS NOT NULL AND s.d = '{}' THEN
            n := s.b;
            PERFORM registry.keep(p_account, p_request, p_digest, p_op, NULL, 'OK', n.id, n.version, p_reason, NULL, NULL);
            r."@k" := registry.@k_row(n);
            RETURN r;
        END IF;
        place := registry.entry_begin(registry.account_code(p_account));
        n := registry.@k_put(p_account, p_op, s.b, s.n);
        IF n.id IS NOT NULL THEN
            PERFORM registry.keep(p_account, p_request, p_digest, p_op, place, 'OK', n.id, n.version, p_reason, NULL, NULL);
            r.rev := 0;
            r."@k" := registry.@k_row(n);
            RETURN r;
        END IF;
    END LOOP;
    RAISE EXCEPTION '@k % changed fifty times while it was being written', p_id USING ERRCODE = 'serialization_failure';
END $f$
$t$, $t$
CREATE FUNCTION api.@k_set(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, set jsonb,
    clear text[], reason text, force boolean) RETURNS api.@k_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $f$
BEGIN
    RETURN registry.@k_change(p_account, p_lang, p_request, p_digest, p_base, '@k_set', id, registry.with_clears(set, clear), NULL,
        reason, force);
END $f$
$t$, $t$
CREATE FUNCTION api.@k_show(p_account int, p_lang text, id text) RETURNS api.@k_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $f$
DECLARE
    b registry.@k := registry.@k_seen(p_account, id);
    r api.@k_reply;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
    ELSIF b.id IS NULL THEN
        r.error := registry.record_error(p_lang, '@k', registry.fault('NOT_FOUND', 'id', 'record.none', id));
    ELSE
        r."@k" := registry.@k_row(b);
        PERFORM registry.commit_here();
        @shown_project
    END IF;
    RETURN r;
END $f$
$t$, $t$
CREATE TYPE api.@k_list_reply AS (error api.error, rows api.@k[], next text)$t$, $t$
-- p_only: a condition on p beside the terms.
CREATE FUNCTION registry.@k_list(p_account int, p_lang text, p_terms jsonb, p_sort text, p_after text, p_limit int,
    p_only text DEFAULT NULL) RETURNS api.@k_list_reply LANGUAGE plpgsql VOLATILE AS $f$
DECLARE
    r api.@k_list_reply;
    page record := registry.record_page(p_account, p_lang, '@k', p_terms, p_sort, p_after, p_limit, '@order', p_only);
    most CONSTANT int := least(greatest(coalesce(p_limit, 100), 1), 500);
BEGIN
    r.error := page.error;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    r.rows := (SELECT array_agg(x.row ORDER BY x.n) FROM (
        SELECT registry.@k_row(k) AS row, u.n, sum(registry.row_bytes(k)) OVER (ORDER BY u.n) AS bytes
        FROM unnest(page.ids) WITH ORDINALITY u(id, n) JOIN registry.@k k ON k.id = u.id) x
        WHERE x.n = 1 OR (x.n <= most AND x.bytes < 40000));
    IF cardinality(page.ids) > coalesce(cardinality(r.rows), 0) THEN
        r.next := r.rows[cardinality(r.rows)].id;
    END IF;
    PERFORM registry.commit_here();
    @listed_project
    RETURN r;
END $f$
$t$, $t$
CREATE FUNCTION api.@k_list(p_account int, p_lang text, terms jsonb, sort text, after text, "limit" int) RETURNS api.@k_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $f$
BEGIN
    RETURN registry.@k_list(p_account, p_lang, terms, sort, after, "limit");
END $f$
$t$] LOOP
        body := replace(body, '@columns', columns);
        body := replace(body, '@reasoned', CASE WHEN EXISTS (SELECT FROM registry.field f WHERE f.kind = p_kind AND f.reasoned) THEN
            $x$f := CASE WHEN p_id IS NOT NULL THEN registry.reason_fault('@k', d, p_reason) END;
        EXIT rules WHEN f.code IS NOT NULL;$x$ ELSE '' END);
        body := replace(body, '@n_columns', 'n.' || replace(columns, ', ', ', n.'));
        body := replace(body, '@prefix', (SELECT k.prefix FROM registry.kind k WHERE k.code = p_kind));
        body := replace(body, '@order', p_order);
        body := replace(body, '@old_audience', CASE WHEN has_project THEN 'registry.audience_of(OLD.project)' ELSE '''{1}''' END);
        body := replace(body, '@audience', CASE WHEN has_project THEN $x$registry.audience_of(NEW.project),
        CASE WHEN OLD.project IS DISTINCT FROM NEW.project AND TG_OP = 'UPDATE' THEN
            nullif(registry.audience_of(OLD.project), registry.audience_of(NEW.project)) END$x$ ELSE '''{1}''' END);
        -- by the id or, as people do, by the number or a name that no other has
        body := replace(body, '@own_no', CASE WHEN has_no AND NOT has_project THEN ' OR x.no = p_id'
            WHEN EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                         WHERE i.indrelid = format('registry.%I', p_kind)::regclass AND i.indisunique AND i.indnatts = 1 AND a.attname = 'name') THEN ' OR x.name = p_id'
            ELSE '' END);
        body := replace(body, '@hidden', CASE WHEN has_project THEN 'b.project IS NOT NULL AND NOT registry.sees(p_account, registry.audience_of(b.project))'
                                              ELSE 'NOT registry.may(p_account, ''read'', NULL)' END);
        body := replace(body, '@told_project', CASE WHEN has_project THEN 'PERFORM registry.audit_about(p_account, e.op, b.project, ''{"replayed": true}'');' ELSE '' END);
        body := replace(body, '@new_project', CASE WHEN has_project THEN $x$p := registry.project_seen(p_account, btrim(p_set ->> 'project'));
            b.project := p.id;$x$ || CASE WHEN has_no THEN ' b.no := p.no;' ELSE '' END ELSE '' END);
        body := replace(body, '@new_office', CASE WHEN registry.has_field(p_kind, 'office') THEN
            $x$b.office := coalesce(registry.resolve('office', btrim(p_set ->> 'office')),
                (SELECT a.office FROM registry.account a WHERE a.id = p_account));$x$ ELSE '' END);
        body := replace(body, '@old_project', CASE WHEN has_project THEN 'p := registry.project_find(b.project);' ELSE '' END);
        body := replace(body, '@no_project', CASE WHEN has_project THEN $x$
        ELSIF f.code IS NULL AND p_id IS NULL AND p.id IS NULL AND coalesce(btrim(p_set ->> 'project'), '') <> '' THEN
            f := registry.fault('NOT_FOUND', 'project', 'project.none', p_set ->> 'project');
        ELSIF f.code IS NULL AND p_id IS NULL AND p.merged_into IS NOT NULL THEN
            f := registry.fault('FAILED_PRECONDITION', 'project', 'project.merged', p.merged_into);
        ELSIF f.code IS NULL AND p_id IS NOT NULL AND p_set ? 'project' AND btrim(p_set ->> 'project') NOT IN (p.id, p.no) THEN
            f := registry.bad('project', p_set ->> 'project', 'field.readonly');$x$ ELSE '' END);
        body := replace(body, '@sans_project', CASE WHEN has_project THEN ' - ''project''' ELSE '' END);
        body := replace(body, '@shown_project', CASE WHEN has_project THEN 'PERFORM registry.audit_about(p_account, ''' || p_kind || '_show'', b.project, NULL);' ELSE '' END);
        body := replace(body, '@listed_project', CASE WHEN has_project THEN 'PERFORM registry.audit_listed(p_account, ''' || p_kind || '_list'', ARRAY(SELECT x.project FROM unnest(r.rows) x));' ELSE '' END);
        body := replace(body, '@effects', CASE WHEN EXISTS (SELECT FROM pg_proc q WHERE q.pronamespace = 'registry'::regnamespace
            AND q.proname = p_kind || '_effects') THEN 'PERFORM registry.@k_effects(p_account, p_op, b, n);' ELSE '' END);
        EXECUTE replace(body, '@k', p_kind);
    END LOOP;
END $$;
