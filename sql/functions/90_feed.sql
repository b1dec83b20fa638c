-- SPDX-License-Identifier: Apache-2.0
-- Links and the feed: what a daemon calls besides the operations.

-- Fields without their column. The api's types and functions are checked by the daemon; what they stand on is checked here.
CREATE FUNCTION registry.columns_missing() RETURNS text LANGUAGE sql STABLE SET search_path = registry, api, pg_temp AS $$
    SELECT string_agg(f.kind || '.' || f.name, ', ')
    FROM registry.field f
    WHERE NOT f.masked AND f.type <> 'derived' AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = ('registry.' || f.kind)::regclass
                                                                    AND a.attname = f.name AND NOT a.attisdropped)
$$;

-- The first call of every link: do this daemon (its schema number) and this registry go together? p_epoch, p_rev, p_tag:
-- the last place of the feed this daemon knows, if any. A registry that doesn't hold it has lost what it had committed.
CREATE FUNCTION api.link_open(p_schema int, p_epoch bigint DEFAULT NULL, p_rev bigint DEFAULT NULL, p_tag bigint DEFAULT NULL,
    OUT ok boolean, OUT message text, OUT schema int, OUT compatible_from int, OUT epoch bigint)
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
        epoch := registry.epoch_open(p_epoch, p_rev, p_tag);
    END IF;
END $$;

-- Who holds a certificate: exact match of its URI. p_peer: the address he comes from; null = a session that looks again
-- because its account changed, which is no sign-in. grants: tokens of what he may see (42_rights.sql), as "1,2,3".
CREATE FUNCTION api.sign_in(p_identity text, p_peer text, OUT account int, OUT name text, OUT office text, OUT object text,
    OUT grants text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
BEGIN
    SELECT a.id, a.code, a.office, a.object, array_to_string(a.grants, ',') INTO account, name, office, object, grants
    FROM registry.certificate c JOIN registry.account a ON a.id = c.account AND a.enabled
    WHERE c.identity = p_identity AND c.enabled;
    IF account IS NOT NULL AND p_peer IS NOT NULL THEN -- those who don't get in are counted by the daemon
        PERFORM registry.commit_here();
        PERFORM registry.audit_put(account, 'sign_in', 'OK', object, office, jsonb_build_object('peer', p_peer, 'identity', p_identity));
    END IF;
END $$;

-- First in a group: whoever changes rights takes the other form, so that no edit follows the loss of its right. Whoever takes
-- long (an import) takes it last, and looks again: else everybody would wait behind the change of rights that waits for him.
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
CREATE TRIGGER membership_rights BEFORE INSERT OR UPDATE ON registry.membership
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

-- Settles a number that is missing: waits for a writer in flight; a tombstone stands only if it didn't commit. A number of an epoch
-- that has ended is settled already, or void.
CREATE FUNCTION api.journal_fence(p_rev bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    IF p_rev < 1 OR p_rev > (SELECT last_value FROM registry.rev_seq) THEN
        RAISE EXCEPTION 'revision % was never drawn', p_rev USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO registry.txn (rev, epoch, tag, kind, changes, at)
    SELECT p_rev, e.epoch, registry.random_tag(), 'tombstone', 0, registry.now()
    FROM (SELECT x.epoch, x.start_rev FROM registry.epoch x ORDER BY x.epoch DESC LIMIT 1) e WHERE e.start_rev <= p_rev
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

-- The first revision from which the feed may be resumed.
CREATE FUNCTION registry.min_rev() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT s.value::bigint FROM registry.setting s WHERE s.key = 'journal.min_rev'),
                    (SELECT min(t.rev) FROM registry.txn t), (SELECT min(e.start_rev) FROM registry.epoch e));
END $$;

-- Where a daemon begins: the last number of the newest epoch below which none is missing, in flight or otherwise.
CREATE FUNCTION api.journal_watermark(OUT epoch bigint, OUT rev bigint, OUT tag bigint, OUT min_rev bigint)
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
    min_rev := registry.min_rev();
END $$;

-- Hourly: the feed may be resumed as far back as journal.retention says. Moves forward only; nothing is deleted.
CREATE FUNCTION api.journal_retain(OUT min_rev bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    now_min CONSTANT bigint := registry.min_rev();
    oldest CONSTANT timestamptz := registry.now()
        - (SELECT s.value::interval FROM registry.setting s WHERE s.key = 'journal.retention');
BEGIN
    min_rev := coalesce((SELECT t.rev FROM registry.txn t WHERE t.rev >= now_min AND t.at >= oldest ORDER BY t.rev LIMIT 1),
                        (SELECT max(t.rev) + 1 FROM registry.txn t WHERE t.rev >= now_min), now_min);
    IF oldest IS NULL OR min_rev <= now_min THEN
        min_rev := now_min;
        RETURN;
    END IF;
    INSERT INTO registry.setting AS s (key, value) VALUES ('journal.min_rev', min_rev::text)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE s.value::bigint < excluded.value::bigint;
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
               CASE WHEN t.changes > 0 AND (NOT t.large OR s.open) THEN registry.events_of(t.grp, t.rev, t.tag, t.epoch, t.changes,
                   CASE WHEN t.large THEN t.changes - 2 ELSE -1 END, 256) END,
               CASE WHEN s.subjects IS NOT NULL THEN strpos(E'\n' || s.subjects || E'\n', E'\nkind=account\n') > 0
                   WHEN t.large THEN EXISTS (SELECT FROM registry.change c WHERE c.grp = t.grp AND c.kind = 'account') END,
               s.subjects)::api.revision ORDER BY t.rev)
    INTO r.rows
    FROM (SELECT y.*, sum(CASE WHEN y.large THEN 0 ELSE y.changes END) OVER w AS changes_upto,
                 sum(CASE WHEN y.large THEN 0 ELSE y.bytes END) OVER w AS bytes_upto, row_number() OVER w AS n
          FROM (SELECT x.*, x.changes > 256 OR x.bytes > 200000 AS large FROM registry.txn x
                WHERE x.rev > coalesce(after_rev, 0) ORDER BY x.rev LIMIT n) y
          WINDOW w AS (ORDER BY y.rev)) t
    LEFT JOIN registry.txn_subjects s ON s.grp = t.grp AND t.large
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

-- Is this the id of a record that the account sees?
CREATE FUNCTION registry.record_seen(p_account int, p_id text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT k.record FROM registry.kind k WHERE k.code = registry.kind_of(p_id)) AND (registry.object_office(p_id)).known
        AND registry.sees(p_account, registry.audience_of(p_id));
END $$;

-- A watch for a code, project or record that doesn't exist would wait for ever: what is wrong with its terms. The feed compares
-- codes as they are, so other words for them won't do.
CREATE FUNCTION registry.watch_fault(p_account int, p_lang text, p_terms jsonb) RETURNS api.error LANGUAGE plpgsql STABLE AS $$
DECLARE
    term jsonb;
    v text;
    k text;
    t record;
BEGIN
    FOR term IN SELECT * FROM jsonb_array_elements(coalesce(p_terms, '[]')) LOOP
        k := (SELECT f.code_kind FROM registry.field f WHERE f.kind = 'project' AND f.name = term ->> 'field');
        IF term ->> 'field' NOT IN ('project', 'kind') THEN
            SELECT * INTO t FROM registry.term_sql(term, 'project');
            IF (t.fault).code IS NOT NULL THEN
                RETURN registry.error_of(p_lang, 'project', t.fault);
            END IF;
        END IF;
        FOR v IN SELECT * FROM jsonb_array_elements_text(term -> 'values') LOOP
            IF term ->> 'field' = 'project' AND (registry.project_seen(p_account, v)).id IS NULL
               AND registry.record_seen(p_account, v) IS NOT TRUE THEN
                RETURN registry.refusal(p_lang, 'NOT_FOUND', 'project', 'project.none', v);
            ELSIF term ->> 'field' = 'kind' AND v <> ALL (registry.watched_kinds()) THEN
                RETURN registry.error_of(p_lang, 'project', ROW('INVALID_ARGUMENT', 'kind', v, 'kind.unknown', NULL,
                    registry.watched_kinds(), NULL, NULL, NULL));
            ELSIF k IS NOT NULL AND v <> '' AND v <> registry.resolve(k, v) THEN
                RETURN registry.error_of(p_lang, 'project', ROW('INVALID_ARGUMENT', term ->> 'field', v, 'code.unknown', NULL,
                    ARRAY[registry.resolve(k, v)], NULL, NULL, NULL));
            END IF;
        END LOOP;
    END LOOP;
    RETURN NULL;
END $$;

-- Does a later epoch lack something of what that one told up to there? Even if it has the revision itself.
CREATE FUNCTION registry.forked(p_epoch bigint, p_rev bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM registry.epoch e WHERE e.epoch > p_epoch AND p_rev >= e.void_from);
END $$;

-- Is (epoch, rev, tag) a place of this history: a revision, or the one before an epoch's first, which has no tag?
CREATE FUNCTION registry.place_held(p_epoch bigint, p_rev bigint, p_tag bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM registry.txn t WHERE t.rev = p_rev AND t.epoch = p_epoch AND t.tag = p_tag)
           AND NOT registry.forked(p_epoch, p_rev)
        OR coalesce(p_tag, 0) = 0 AND EXISTS (SELECT FROM registry.epoch e WHERE e.epoch = p_epoch AND e.start_rev - 1 = p_rev);
END $$;

-- The newest of these cursors that this history holds.
CREATE FUNCTION registry.fork_of(p_known jsonb) RETURNS api.cursor LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT ROW(k.epoch, k.rev, k.idx, k.tag, NULL)::api.cursor
            FROM (SELECT (x ->> 'epoch')::bigint AS epoch, (x ->> 'rev')::bigint AS rev, (x ->> 'idx')::int AS idx,
                         (x ->> 'tag')::bigint AS tag
                  FROM jsonb_array_elements(coalesce(p_known, '[]')) x) k
            WHERE registry.place_held(k.epoch, k.rev, k.tag)
            ORDER BY k.epoch DESC, k.rev DESC, k.idx DESC NULLS FIRST LIMIT 1);
END $$;

-- What keeps a cursor from being one that was ever given out, whatever history it is of.
CREATE FUNCTION registry.cursor_fault(p_lang text, p_epoch bigint, p_rev bigint, p_idx int, p_known jsonb) RETURNS api.error
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF p_rev < 0 OR p_epoch < 0 OR p_idx < 0 OR (p_idx >= 0 AND coalesce(p_rev, 0) = 0) THEN
        RETURN registry.refusal(p_lang, 'INVALID_ARGUMENT', 'after', 'cursor.form');
    ELSIF jsonb_array_length(p_known) > 16 THEN
        RETURN registry.refusal(p_lang, 'INVALID_ARGUMENT', 'known', 'known.many', '16');
    ELSIF EXISTS (SELECT FROM jsonb_array_elements(p_known) x
                  WHERE (x ->> 'rev')::bigint < 0 OR (x ->> 'epoch')::bigint < 0 OR (x ->> 'idx')::bigint < 0) THEN
        RETURN registry.refusal(p_lang, 'INVALID_ARGUMENT', 'known', 'cursor.form');
    END IF;
    RETURN NULL;
END $$;

-- Has the account come to other rights behind a revision? What it was told before was chosen under the old ones; who had
-- none was told nothing.
CREATE FUNCTION registry.rights_changed(p_account int, p_rev bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM registry.account a JOIN registry.change c ON c.object = a.object AND c.version > 1 AND c.fields #>> '{8,0}' <> ''
        CROSS JOIN LATERAL (SELECT t.rev FROM registry.txn t WHERE t.grp = c.grp OFFSET 0) t
        WHERE a.id = p_account AND t.rev > p_rev);
END $$;

-- The tokens an account held just behind a revision.
CREATE FUNCTION registry.grants_at(p_account int, p_rev bigint) RETURNS int[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((
        SELECT registry.grants_of(string_to_array(c.fields #>> '{8,0}', ','))
        FROM registry.account a JOIN registry.change c ON c.object = a.object AND c.version > 1 AND c.fields ? '8'
        CROSS JOIN LATERAL (SELECT t.rev FROM registry.txn t WHERE t.grp = c.grp OFFSET 0) t
        WHERE a.id = p_account AND t.rev > p_rev ORDER BY c.version LIMIT 1), registry.grants(p_account));
END $$;

-- May a reader go on behind (epoch, rev, idx, tag)? rev 0 without an epoch = before the first one kept: that place is
-- answered then, in all other cases the newest one of the registry; rev null asks for nothing else. Without tag (0) or
-- epoch a place is taken by its number; known places count only as a whole.
CREATE FUNCTION api.journal_seek(p_account int, p_lang text, epoch bigint, rev bigint, tag bigint, terms jsonb,
    known jsonb, idx int, begins boolean)
RETURNS api.journal_seek_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.journal_seek_reply;
    e registry.epoch;
    t registry.txn;
    held boolean;
    a_rev CONSTANT bigint := rev;
    from_start CONSTANT boolean := coalesce(rev = 0 AND coalesce(epoch, 0) = 0, false);
BEGIN
    IF registry.grants(p_account) = '{}' THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    END IF;
    r.error := registry.cursor_fault(p_lang, epoch, rev, idx, known);
    IF (r.error).code IS NULL THEN
        r.error := registry.watch_fault(p_account, p_lang, terms);
    END IF;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    SELECT * INTO e FROM registry.epoch x ORDER BY x.epoch DESC LIMIT 1;
    SELECT x.rev, x.tag, x.epoch INTO r.rev, r.tag, r.epoch FROM registry.txn x ORDER BY x.rev DESC LIMIT 1;
    r.epoch := coalesce(r.epoch, e.epoch);
    r.rev := coalesce(r.rev, 0);
    r.min_rev := registry.min_rev();
    SELECT * INTO t FROM registry.txn x WHERE x.rev = a_rev;
    held := CASE WHEN t.rev IS NULL THEN registry.place_held(coalesce(journal_seek.epoch, e.epoch), a_rev, journal_seek.tag)
        WHEN journal_seek.tag = 0 OR journal_seek.tag IS NULL THEN t.epoch = coalesce(journal_seek.epoch, t.epoch)
        ELSE registry.place_held(coalesce(journal_seek.epoch, t.epoch), a_rev, journal_seek.tag) END;
    r.answer := CASE
        WHEN a_rev IS NULL OR from_start THEN 'OK'
        WHEN NOT held AND a_rev >= greatest(r.rev + 1, e.start_rev) AND coalesce(journal_seek.epoch, e.epoch) = e.epoch
             THEN 'FUTURE_REVISION'
        WHEN NOT held THEN 'DIVERGED'
        WHEN a_rev < r.min_rev AND (idx < t.changes - 1
             OR EXISTS (SELECT FROM registry.txn x WHERE x.rev > a_rev AND x.rev < r.min_rev)) THEN 'COMPACTED'
        WHEN registry.rights_changed(p_account, a_rev - (idx IS NOT NULL)::int) THEN 'RIGHTS_CHANGED'
        ELSE 'OK' END;
    IF held AND idx >= coalesce(t.changes, 0) THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'after', 'cursor.form');
        RETURN r;
    ELSIF begins AND EXISTS (SELECT FROM unnest(registry.grants(p_account)) g WHERE g = 2 OR (g >= 16 AND g % 4 = 0)) THEN
        -- it may bring restricted projects: this row stands for all of its news. Behind COMPACTED and RIGHTS_CHANGED too
        -- there are some, if the watch asked for a snapshot of what changed
        PERFORM registry.commit_here();
        PERFORM registry.audit_put(p_account, 'watch', r.answer, NULL, NULL, jsonb_build_object('terms', registry.terms_told(terms), 'after', a_rev));
    END IF;
    IF r.answer = 'DIVERGED' THEN
        r.fork := registry.fork_of(known);
    ELSIF from_start THEN
        SELECT x.rev, x.tag, x.epoch INTO r.rev, r.tag, r.epoch
        FROM registry.txn x WHERE x.rev < r.min_rev ORDER BY x.rev DESC LIMIT 1;
        IF NOT FOUND THEN
            SELECT x.epoch, x.start_rev - 1, NULL INTO r.epoch, r.rev, r.tag FROM registry.epoch x ORDER BY x.epoch LIMIT 1;
        END IF;
    END IF;
    RETURN r;
END $$;

-- One project's story: the lines a watch would have brought, oldest first; of one field only what changed it, and nothing else.
CREATE FUNCTION api.project_log(p_account int, p_lang text, id text, after_rev bigint, "limit" int, field text DEFAULT NULL)
RETURNS api.project_log_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    p registry.project := registry.project_seen(p_account, id);
    wanted record := registry.log_field(p_lang, 'project', field);
    r api.project_log_reply;
    page record;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    ELSIF p.id IS NULL THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'id', 'project.none', id);
        RETURN r;
    ELSIF (wanted.error).code IS NOT NULL THEN
        r.error := wanted.error;
        RETURN r;
    END IF;
    page := registry.log_page(registry.grants(p_account), p.id, after_rev, "limit", wanted.number);
    IF p.restricted OR page.secret THEN
        PERFORM registry.commit_here();
        PERFORM registry.audit_put(p_account, 'project_log', 'OK', p.id, p.office, jsonb_build_object('rows', coalesce(cardinality(page.rows), 0)));
    END IF;
    r.rows := page.rows;
    r.more := page.more;
    RETURN r;
END $$;

-- ---------------------------------------------------------------- snapshot

-- A watch's terms as a condition on p, a row of that kind: what the feed decides about an event, said in SQL. A field
-- that a kind doesn't have has no value.
CREATE FUNCTION registry.watch_sql(p_kind text, p_terms jsonb) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    term jsonb;
    named text;
    vals text[];
    one text;
    r text := 'true';
BEGIN
    FOR term IN SELECT * FROM jsonb_array_elements(coalesce(p_terms, '[]')) LOOP
        named := term ->> 'field';
        vals := ARRAY(SELECT jsonb_array_elements_text(coalesce(term -> 'values', '[]')));
        IF named = 'office' AND registry.has_field(p_kind, 'helpers') THEN
            one := format('p.office = ANY (%1$L) OR p.helpers && %1$L', vals);
            IF term ->> 'op' = '!=' THEN
                one := format('(%s) IS NOT TRUE', one);
            END IF;
        ELSIF named <> 'project' AND EXISTS (SELECT FROM registry.field f WHERE f.kind = p_kind AND f.name = named) THEN
            one := (registry.term_sql(term, p_kind)).sql;
        ELSE
            one := CASE
                WHEN named = 'kind' THEN (p_kind = ANY (vals))::text
                WHEN named <> 'project' THEN ('' = ANY (vals))::text
                WHEN p_kind = 'project' THEN format('p.id = ANY (%1$L) OR p.no = ANY (%1$L)', vals)
                WHEN NOT registry.has_field(p_kind, 'project') THEN format('p.id = ANY (%L)', vals)
                ELSE format('p.project = ANY (%1$L) OR p.id = ANY (%1$L)', vals)
                     || CASE WHEN registry.has_field(p_kind, 'no') THEN format(' OR p.no = ANY (%1$L)', vals) ELSE '' END END;
            IF term ->> 'op' = '!=' THEN
                one := format('(%s) IS NOT TRUE', one);
            END IF;
        END IF;
        r := r || format(' AND (%s)', one);
    END LOOP;
    RETURN r;
END $$;

-- Whether a reader with the tokens $7 may see p, a row of that kind.
CREATE FUNCTION registry.seen_sql(p_kind text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN p_kind = 'project' THEN 'p.audience && $7' WHEN NOT registry.has_field(p_kind, 'project') THEN '1 = ANY ($7)'
        ELSE 'registry.audience_of(p.project) && $7' END;
END $$;

-- The SELECT of a kind's objects p: kind, id, version and, where p_shown holds, the values. $2 are the offices whose
-- contacts the reader may see.
CREATE FUNCTION registry.objects_sql(p_kind text, p_shown text, p_rest text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN format('SELECT %1$L::text AS kind, p.id, p.version, CASE WHEN %2$s THEN registry.%1$s_values(p%3$s) END AS vals'
                  ' FROM registry.%1$I p%4$s %5$s', p_kind, p_shown,
        CASE p_kind WHEN 'project' THEN ', c.name, c.phone' ELSE '' END,
        CASE p_kind WHEN 'project' THEN ' LEFT JOIN registry.contact c ON c.project = p.id AND p.office = ANY ($2)'
                                        ' AND p.contact_name_mark + p.contact_phone_mark > 0' ELSE '' END, p_rest);
END $$;

-- Up to $3 objects behind $1 that the terms choose.
CREATE FUNCTION registry.snapshot_all_sql(p_terms jsonb) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT string_agg('(' || registry.objects_sql(k, 'true', format('WHERE p.id > $1 AND %s AND %s ORDER BY p.id LIMIT $3',
                                                                            registry.watch_sql(k, p_terms), registry.seen_sql(k))) || ')', ' UNION ALL ')
            FROM unnest(registry.kinds()) k) || ' ORDER BY id LIMIT $3';
END $$;

-- Up to $3 objects behind $1 (p_bound: and up to $6) that changed behind revision $4, are among $5, or whose audience is met
-- by one of $7 and $8 (the reader's tokens now and then) but not by the other; those the terms don't choose or the reader
-- may not see without values; of what he might see neither then nor now nothing. p_few: the journal says which changed; else each object is asked for its last change.
CREATE FUNCTION registry.snapshot_changed_sql(p_terms jsonb, p_few boolean, p_bound boolean, p_turned boolean) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    changed text := CASE WHEN p_few THEN '(SELECT c.object AS id FROM registry.txn t CROSS JOIN LATERAL ('
            'SELECT * FROM registry.change y WHERE y.grp = t.grp OFFSET 0) c WHERE t.rev > $4 AND c.object > $1'
            ' AND c.kind <> ''account'' AND (c.audience && $7 OR coalesce(c.audience_old, c.audience) && $8) ORDER BY 1)'
        ELSE (SELECT string_agg(format('(SELECT p.id FROM registry.%I p WHERE p.id > $1 %s AND (
                  SELECT t.rev FROM registry.txn t WHERE t.grp = (SELECT c.grp FROM registry.change c
                      WHERE c.object = p.id AND c.version = p.version)) > $4 AND (%s OR %s) ORDER BY p.id)', k,
                  CASE WHEN p_bound THEN 'AND p.id <= $6' END, registry.seen_sql(k), CASE k WHEN 'project' THEN
                  'EXISTS (SELECT FROM registry.change y CROSS JOIN LATERAL (SELECT t.rev FROM registry.txn t WHERE t.grp = y.grp OFFSET 0) t
                      WHERE y.object = p.id AND y.audience_old && $8 AND t.rev > $4)' ELSE 'false' END), ' UNION ALL ')
              FROM unnest(registry.kinds()) k)
            -- what was taken back with its batch stands in no table
            || format(' UNION ALL (SELECT c.object FROM registry.change c WHERE c.version > 1 AND c.fields ? ''1'' AND c.kind <> ''account'' AND c.object > $1 %s
                  AND (SELECT t.rev FROM registry.txn t WHERE t.grp = c.grp) > $4 AND c.audience_old && $8 ORDER BY c.object)', CASE WHEN p_bound THEN 'AND c.object <= $6' END) END;
BEGIN
    RETURN format('SELECT x.kind, ids.id, x.version, x.vals FROM (SELECT DISTINCT ON (i.id) i.id FROM (%s UNION ALL
            (SELECT u.id FROM unnest($5) u(id) WHERE u.id > $1 %s ORDER BY u.id)%s) i
            ORDER BY i.id LIMIT $3) ids LEFT JOIN LATERAL (%s) x ON true', changed, CASE WHEN p_bound THEN 'AND u.id <= $6' END,
        CASE WHEN p_turned THEN (SELECT string_agg(format(' UNION ALL (SELECT p.id FROM registry.%I p WHERE p.id > $1 %s AND %s AND (%s) <> (%s) ORDER BY p.id)',
                 k, CASE WHEN p_bound THEN 'AND p.id <= $6' END,
                 -- few projects are hidden: unless the very right to read came or went, only those turn
                 CASE k WHEN 'project' THEN 'NOT ($9 AND p.audience = ''{1}'')' ELSE 'NOT $9' END,
                 registry.seen_sql(k), replace(registry.seen_sql(k), '$7', '$8')), '') FROM unnest(registry.kinds()) k) END,
        (SELECT string_agg(registry.objects_sql(k, registry.watch_sql(k, p_terms), 'WHERE p.id = ids.id AND ' || registry.seen_sql(k)), ' UNION ALL ')
         FROM unnest(registry.kinds()) k));
END $$;

-- A page of objects as they are, each with the revision of its last change: all that the terms choose; or with since_rev
-- those that changed behind it and those among `objects`, as leave if the terms don't choose them or they don't exist.
-- One statement, so that each row is as of its revision. A page may hold fewer rows than asked for, even none, with a next.
-- In the order of the indexes and no further than the page: no bitmap, no sort.
CREATE FUNCTION api.snapshot_page(p_account int, p_lang text, terms jsonb, after text, since_rev bigint, objects text[],
    "limit" int) RETURNS api.snapshot_page_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = ''
SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
    r api.snapshot_page_reply;
    place CONSTANT text := coalesce(after, '');
    reach CONSTANT text[] := registry.reach(p_account, 'contact');
    contacts CONSTANT text[] := ARRAY(SELECT o.code FROM registry.office o WHERE reach && ARRAY['*', o.code]);
    grants CONSTANT int[] := registry.grants(p_account);
    grants_then CONSTANT int[] := CASE WHEN since_rev IS NOT NULL THEN registry.grants_at(p_account, since_rev) END;
    turned CONSTANT boolean := coalesce(grants <> grants_then, false);
    most CONSTANT int := least(greatest(coalesce("limit", 500), 1), 500);
    few_changes CONSTANT int := 5000; -- of which each page may look at all
    found_rows api.event[];
    n int := 0;
    bytes int := 0;
    few boolean;
    horizon text;
    x record;
    with_contacts int := 0; -- projects shown
    restricted int := 0;
BEGIN
    IF grants = '{}' THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    END IF;
    r.error := registry.watch_fault(p_account, p_lang, terms);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    IF since_rev IS NOT NULL THEN
        few := (SELECT count(*) <= few_changes AND coalesce(sum(t.changes), 0) <= few_changes
                FROM (SELECT q.changes FROM registry.txn q WHERE q.rev > since_rev ORDER BY q.rev LIMIT few_changes + 1) t);
        IF NOT few THEN
            EXECUTE 'SELECT i.id FROM ('
                || (SELECT string_agg(format('(SELECT p.id FROM registry.%I p WHERE p.id > $1 ORDER BY p.id LIMIT $2)', k), ' UNION ALL ')
                    FROM unnest(registry.kinds()) k) || ') i ORDER BY i.id OFFSET $2 - 1 LIMIT 1'
            INTO horizon USING place, few_changes;
        END IF;
    END IF;
    FOR x IN EXECUTE format('SELECT o.*, w.* FROM (%s) o LEFT JOIN LATERAL (
            SELECT t.rev, t.tag, t.epoch, e.actor, e.office, e.at
            FROM (SELECT * FROM registry.change q WHERE q.object = o.id AND q.version = o.version OFFSET 0) c
            CROSS JOIN LATERAL (SELECT * FROM registry.txn q WHERE q.grp = c.grp OFFSET 0) t
            CROSS JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = c.grp AND q.ord = c.ord OFFSET 0) e) w ON true
            ORDER BY o.id', CASE WHEN since_rev IS NULL THEN registry.snapshot_all_sql(terms)
                            ELSE registry.snapshot_changed_sql(terms, few, horizon IS NOT NULL, turned) END)
        USING place, contacts, most + 1, since_rev, objects, horizon, grants, grants_then, (1 = ANY (grants)) = (1 = ANY (grants_then))
    LOOP
        bytes := bytes + CASE WHEN x.vals IS NULL THEN 100 ELSE 200 + octet_length(x.vals::text) END;
        IF n = most OR (n > 0 AND bytes > 40000) THEN
            horizon := found_rows[n].object;
            EXIT;
        END IF;
        n := n + 1;
        x.kind := coalesce(x.kind, registry.kind_of(x.id));
        found_rows[n] := ROW(registry.event_type(x.kind, x.version, '{}'), x.rev, x.tag, NULL, NULL, NULL, x.kind, x.id, x.version,
            CASE WHEN x.vals IS NULL THEN 'leave' ELSE 'enter' END, x.actor, x.office, NULL, NULL, NULL, x.at, NULL, x.vals,
            x.epoch, NULL, NULL, NULL)::api.event;
        IF x.kind = 'project' THEN
            with_contacts := with_contacts + CASE WHEN EXISTS (SELECT FROM unnest(x.vals) v WHERE v.number IN (44, 45)) THEN 1 ELSE 0 END;
            restricted := restricted + CASE WHEN EXISTS (SELECT FROM unnest(x.vals) v WHERE v.number = 46) THEN 1 ELSE 0 END;
        END IF;
    END LOOP;
    IF with_contacts + restricted > 0 THEN
        PERFORM registry.commit_here();
        PERFORM registry.audit_put(p_account, 'snapshot_page', 'OK', NULL, NULL,
            jsonb_build_object('rows', n, 'contacts', with_contacts, 'restricted', restricted, 'terms', registry.terms_told(terms), 'from', left(after, 100)));
    END IF;
    r.rows := found_rows;
    r.next := horizon;
    RETURN r;
END $$;
