-- SPDX-License-Identifier: Apache-2.0
-- Links and the feed: what a daemon calls besides the operations.

-- Fields without their column. The api's types and functions are checked by the daemon; what they stand on is checked here.
CREATE FUNCTION registry.columns_missing() RETURNS text LANGUAGE sql STABLE SET search_path = registry, api, pg_temp AS $$
    SELECT string_agg(f.kind || '.' || f.name, ', ')
    FROM registry.field f
    WHERE NOT f.masked AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = ('registry.' || f.kind)::regclass
                                                                    AND a.attname = f.name AND NOT a.attisdropped)
$$;

-- The first call of every link: do this daemon (its schema number) and this registry go together?
CREATE FUNCTION api.link_open(p_schema int, OUT ok boolean, OUT message text, OUT schema int, OUT compatible_from int,
    OUT epoch bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
BEGIN
    SELECT schema_version, v.compatible_from INTO schema, compatible_from FROM registry.version v;
    ok := p_schema BETWEEN compatible_from AND schema;
    IF ok IS NOT TRUE THEN
        ok := false;
        message := CASE WHEN schema IS NULL THEN 'the registry is empty: run sql/migrate'
            WHEN p_schema > schema THEN format('the registry has schema %s, this daemon needs %s: run sql/migrate', schema, p_schema)
            ELSE format('the registry has schema %s and works with daemons for %s or later, this one is for %s: install a newer daemon',
                        schema, compatible_from, p_schema) END;
    ELSIF registry.columns_missing() IS NOT NULL THEN
        ok := false;
        message := format('the registry lacks %s: somebody has changed its tables by hand', registry.columns_missing());
    ELSIF pg_is_in_recovery() THEN
        epoch := (SELECT max(e.epoch) FROM registry.epoch e);
    ELSE
        epoch := registry.epoch_open();
    END IF;
END $$;

-- Who holds a certificate: exact match of its URI.
CREATE FUNCTION api.sign_in(p_identity text, OUT account int, OUT name text, OUT office text, OUT office_name text,
    OUT role text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
BEGIN
    SELECT a.id, a.code, a.office, o.name, a.role INTO account, name, office, office_name, role
    FROM registry.certificate c JOIN registry.account a ON a.id = c.account AND a.enabled
    JOIN registry.office o ON o.code = a.office
    WHERE c.identity = p_identity AND c.enabled;
END $$;

-- First in a group: whoever changes rights takes the other form, so that no edit follows the loss of its right.
CREATE FUNCTION api.rights_lock() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext('registry.rights'));
END $$;

CREATE FUNCTION registry.rights_change() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('registry.rights'));
    RETURN NULL;
END $$;
CREATE TRIGGER account_rights BEFORE UPDATE ON registry.account
    FOR EACH STATEMENT EXECUTE FUNCTION registry.rights_change();
CREATE TRIGGER office_rights BEFORE UPDATE ON registry.office
    FOR EACH STATEMENT EXECUTE FUNCTION registry.rights_change();
CREATE TRIGGER role_right_rights BEFORE INSERT OR UPDATE OR DELETE ON registry.role_right
    FOR EACH STATEMENT EXECUTE FUNCTION registry.rights_change();

-- Last in a group: draws the revision; nulls when nothing was written.
CREATE FUNCTION api.seal(p_epoch bigint, OUT rev bigint, OUT tag bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    s text[];
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE;
    s := string_to_array(nullif(current_setting('qipan.sealed', true), ''), ' ');
    IF s IS NOT NULL THEN
        IF s[3]::bigint IS DISTINCT FROM p_epoch THEN
            RAISE EXCEPTION 'this link was opened in epoch %, the registry is in epoch %', p_epoch, s[3]
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'open the link again';
        END IF;
        rev := s[1]::bigint;
        tag := s[2]::bigint;
    END IF;
END $$;

-- Settles a number that is missing: waits for a writer in flight; a tombstone stands only if it didn't commit.
CREATE FUNCTION api.journal_fence(p_rev bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    IF p_rev < 1 OR p_rev > (SELECT last_value FROM registry.rev_seq) THEN
        RAISE EXCEPTION 'revision % was never drawn', p_rev USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO registry.txn (rev, epoch, tag, kind, changes, at)
    VALUES (p_rev, (SELECT max(e.epoch) FROM registry.epoch e WHERE e.start_rev <= p_rev), registry.random_tag(),
            'tombstone', 0, registry.now())
    ON CONFLICT DO NOTHING;
END $$;

-- Who keeps fences waiting. A daemon that was stopped between the calls of a group and its sync holds a number where no
-- time limit counts: its session is ended, the number becomes a tombstone, its changes are tried again under their
-- request ids. Others (psql, a commit that waits for its standby) are only named.
CREATE FUNCTION api.journal_unblock() RETURNS TABLE (pid int, application text, ended boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT x.pid, coalesce(x.application_name, x.usename), x.stopped AND pg_terminate_backend(x.pid)
    FROM (SELECT DISTINCT b.pid, b.application_name, b.usename::text AS usename,
              coalesce(b.usename = 'qipan_daemon' AND b.wait_event = 'ClientRead'
                       AND b.state_change < clock_timestamp() - interval '1 s', false) AS stopped
          FROM pg_stat_activity f CROSS JOIN LATERAL unnest(pg_blocking_pids(f.pid)) w(pid)
          JOIN pg_stat_activity b ON b.pid = w.pid
          WHERE f.usename = 'qipan_daemon' AND f.datname = current_database() AND f.wait_event_type = 'Lock'
              AND f.query LIKE 'SELECT api.journal_fence(%') x;
END $$;

-- Where a daemon begins: the last number of the newest epoch below which none is missing, in flight or otherwise.
CREATE FUNCTION api.journal_watermark(OUT epoch bigint, OUT rev bigint, OUT tag bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    e registry.epoch;
BEGIN
    SELECT * INTO e FROM registry.epoch x ORDER BY x.epoch DESC LIMIT 1;
    epoch := e.epoch;
    SELECT e.start_rev + y.n - 2 INTO rev
    FROM (SELECT t.rev, row_number() OVER (ORDER BY t.rev) AS n FROM registry.txn t WHERE t.rev >= e.start_rev) y
    WHERE y.rev <> e.start_rev + y.n - 1 ORDER BY y.n LIMIT 1;
    rev := coalesce(rev, (SELECT max(t.rev) FROM registry.txn t WHERE t.rev >= e.start_rev), e.start_rev - 1);
    tag := (SELECT t.tag FROM registry.txn t WHERE t.rev = journal_watermark.rev);
END $$;

-- Revisions in order as far as they are there; gaps are the daemon's business. At most p_limit of them, fewer when
-- they hold more than 300 000 bytes or 512 changes together (always at least one). Large ones (over 256 changes or 200 000 characters)
-- come without events.
CREATE FUNCTION api.journal_read(after_rev bigint, "limit" int) RETURNS api.journal_read_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.journal_read_reply;
    n int := least(greatest(coalesce("limit", 100), 1), 1000);
BEGIN
    r.epoch := (SELECT max(e.epoch) FROM registry.epoch e);
    SELECT array_agg(ROW(t.rev, t.epoch, t.tag, t.kind = 'tombstone', t.changes, t.large,
               CASE WHEN NOT t.large AND t.changes > 0 THEN
                   registry.events_of(t.grp, t.rev, t.tag, t.epoch, t.changes, -1, 256) END)::api.revision ORDER BY t.rev)
    INTO r.rows
    FROM (SELECT y.*, sum(CASE WHEN y.large THEN 0 ELSE y.changes END) OVER w AS changes_upto,
                 sum(CASE WHEN y.large THEN 0 ELSE y.bytes END) OVER w AS bytes_upto, row_number() OVER w AS n
          FROM (SELECT x.*, x.changes > 256 OR x.bytes > 200000 AS large FROM registry.txn x
                WHERE x.rev > coalesce(after_rev, 0) ORDER BY x.rev LIMIT n) y
          WINDOW w AS (ORDER BY y.rev)) t
    WHERE t.n = 1 OR (t.changes_upto <= 512 AND t.bytes_upto <= 300000);
    RETURN r;
END $$;

-- Events of one revision after an idx (null = from its first), for large ones.
CREATE FUNCTION api.journal_page(rev bigint, after_idx int, "limit" int) RETURNS api.journal_page_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.journal_page_reply;
    t registry.txn;
BEGIN
    SELECT * INTO t FROM registry.txn x WHERE x.rev = journal_page.rev;
    r.rows := registry.events_of(t.grp, t.rev, t.tag, t.epoch, t.changes, coalesce(after_idx, -1),
                                 least(greatest(coalesce("limit", 100), 1), 1000));
    RETURN r;
END $$;

-- A watch for a code or project that doesn't exist would wait for ever: what is wrong with its terms.
CREATE FUNCTION registry.watch_fault(p_lang text, p_terms jsonb) RETURNS api.error LANGUAGE plpgsql STABLE AS $$
DECLARE
    term jsonb;
    v text;
    t record;
BEGIN
    FOR term IN SELECT * FROM jsonb_array_elements(coalesce(p_terms, '[]')) LOOP
        IF term ->> 'field' IN ('project', 'kind') THEN
            FOR v IN SELECT * FROM jsonb_array_elements_text(term -> 'values') LOOP
                IF term ->> 'field' = 'project' AND (registry.project_find(v)).id IS NULL THEN
                    RETURN registry.refusal(p_lang, 'NOT_FOUND', 'project', 'project.none', v);
                ELSIF term ->> 'field' = 'kind' AND v NOT IN ('project', 'enterprise') THEN
                    RETURN registry.error_of(p_lang, 'project', ROW('INVALID_ARGUMENT', 'kind', v, 'kind.unknown', NULL,
                        ARRAY['project', 'enterprise'], NULL, NULL, NULL));
                END IF;
            END LOOP;
        ELSE
            SELECT * INTO t FROM registry.term_sql(term);
            IF (t.fault).code IS NOT NULL THEN
                RETURN registry.error_of(p_lang, 'project', t.fault);
            END IF;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- May a reader go on from (epoch, rev, tag)? rev 0 = before the first one kept: that position is answered then, in all
-- other cases the newest one of the registry; rev null asks for nothing else.
CREATE FUNCTION api.journal_seek(p_account int, p_lang text, epoch bigint, rev bigint, tag bigint, terms jsonb,
    known jsonb)
RETURNS api.journal_seek_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.journal_seek_reply;
    e registry.epoch;
    t registry.txn;
    a_rev CONSTANT bigint := rev;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    END IF;
    r.error := registry.watch_fault(p_lang, terms);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    SELECT * INTO e FROM registry.epoch x ORDER BY x.epoch DESC LIMIT 1;
    SELECT x.rev, x.tag, x.epoch INTO r.rev, r.tag, r.epoch FROM registry.txn x ORDER BY x.rev DESC LIMIT 1;
    r.epoch := coalesce(r.epoch, e.epoch);
    r.rev := coalesce(r.rev, 0);
    r.min_rev := coalesce((SELECT s.value::bigint FROM registry.setting s WHERE s.key = 'journal.min_rev'),
                          (SELECT min(x.rev) FROM registry.txn x), 1);
    SELECT * INTO t FROM registry.txn x WHERE x.rev = a_rev;
    r.answer := CASE
        WHEN a_rev IS NULL OR a_rev = 0 THEN 'OK'
        WHEN journal_seek.epoch > e.epoch THEN 'DIVERGED'
        WHEN t.rev IS NULL AND a_rev > r.rev AND coalesce(journal_seek.epoch, e.epoch) = e.epoch THEN 'FUTURE_REVISION'
        WHEN t.rev IS NULL AND a_rev < r.min_rev THEN 'COMPACTED'
        WHEN t.rev IS NULL OR t.epoch <> journal_seek.epoch OR t.tag <> nullif(journal_seek.tag, 0) THEN 'DIVERGED'
        WHEN a_rev < r.min_rev - 1 THEN 'COMPACTED'
        ELSE 'OK' END;
    IF a_rev = 0 THEN
        r.rev := r.min_rev - 1;
        r.tag := (SELECT x.tag FROM registry.txn x WHERE x.rev = r.min_rev - 1);
        r.epoch := (SELECT min(x.epoch) FROM registry.epoch x WHERE x.start_rev >= r.rev
                    OR x.epoch = (SELECT max(y.epoch) FROM registry.epoch y WHERE y.start_rev <= r.rev));
    END IF;
    RETURN r;
END $$;

-- One project's story: the lines a watch would have brought, oldest first.
CREATE FUNCTION api.project_log(p_account int, p_lang text, id text, after_rev bigint, "limit" int)
RETURNS api.project_log_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    p registry.project := registry.project_find(id);
    r api.project_log_reply;
    most int := least(greatest(coalesce("limit", 100), 1), 500);
    found_rows api.event[];
    total int;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    ELSIF p.id IS NULL OR NOT registry.may(p_account, 'read', p.office) THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'id', 'project.none', id);
        RETURN r;
    END IF;
    SELECT count(*), array_agg(x.event ORDER BY x.version) FILTER (WHERE x.n = 1 OR (x.n <= most AND x.upto <= 44000))
    INTO total, found_rows
    FROM (SELECT c.version, row_number() OVER w AS n,
                 sum(registry.change_bytes(c)) OVER w AS upto,
                 ROW('project.changed', t.rev, t.tag, c.ord, c.idx, c.idx = t.changes - 1, c.kind, c.object, c.version,
                     CASE WHEN c.version = 1 THEN 'enter' ELSE 'update' END, e.actor, e.office, e.reason, e.request,
                     e.batch, e.at, registry.field_changes(c.fields),
                     CASE WHEN c.version = 1 THEN registry.field_values(c.image) END, t.epoch)::api.event AS event
          FROM registry.change c
          CROSS JOIN LATERAL (SELECT * FROM registry.txn q WHERE q.grp = c.grp OFFSET 0) t
          CROSS JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = c.grp AND q.ord = c.ord OFFSET 0) e
          WHERE c.object = p.id AND t.rev > coalesce(after_rev, 0)
          WINDOW w AS (ORDER BY c.version) ORDER BY c.version LIMIT most + 1) x;
    r.rows := found_rows;
    r.more := total > coalesce(cardinality(found_rows), 0);
    RETURN r;
END $$;
