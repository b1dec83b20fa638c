-- SPDX-License-Identifier: Apache-2.0
-- The audit: rows beside the journal, and the chains over both. What is hashed is the text of a ROW of plain values
-- (numbers, texts, jsonb; instants as microseconds, bytes as hex), which no setting of a session changes.
-- deploy/admin/audit_verify.sql says the same again with nothing but built-ins: change both or neither.

CREATE FUNCTION registry.audit_text(a registry.audit) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT ROW(a.no, registry.micros(a.at), a.account, a.actor, a.office, a.op, a.status, a.object, a.of_office, a.peer,
               a.detail)::text
$$;

CREATE FUNCTION registry.txn_text(t registry.txn) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT ROW(t.rev, t.grp, t.epoch, t.tag, t.kind, t.changes, t.bytes, registry.micros(t.at), encode(t.digest, 'hex'),
               e.system_identifier, e.timeline, e.void_from, e.start_rev)::text
    FROM registry.epoch e WHERE e.epoch = t.epoch
$$;

CREATE FUNCTION registry.closing_text(c registry.audit_closing) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT ROW(c.id, registry.micros(c.at), c.rows, c.nos, encode(c.digests, 'hex'), c.last_rev, encode(c.rev_link, 'hex'),
               c.dropped)::text
$$;

-- A link of a chain: what stands before it, and what it adds.
CREATE FUNCTION registry.link(p_before bytea, p_sum bytea) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT crypto.digest(coalesce(p_before, '') || p_sum, 'sm3')
$$;

-- ---------------------------------------------------------------- rows

CREATE FUNCTION registry.audit_row() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
DECLARE
    n registry.audit := NEW;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.closing := NULL;
        NEW.digest := registry.sm3(registry.audit_text(NEW));
        RETURN NEW;
    END IF;
    n.closing := NULL;
    IF OLD.closing IS NOT NULL OR n IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'UPDATE of audit is refused: the audit only grows' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_row BEFORE INSERT OR UPDATE ON registry.audit FOR EACH ROW EXECUTE FUNCTION registry.audit_row();
CREATE TRIGGER audit_keep BEFORE DELETE ON registry.audit FOR EACH STATEMENT
    WHEN (coalesce(current_setting('qipan.audit_drop', true), '') = '') EXECUTE FUNCTION registry.refuse();
CREATE TRIGGER audit_whole BEFORE TRUNCATE ON registry.audit FOR EACH STATEMENT EXECUTE FUNCTION registry.refuse();
CREATE TRIGGER chain_fixed BEFORE UPDATE OR DELETE OR TRUNCATE ON registry.chain
    FOR EACH STATEMENT EXECUTE FUNCTION registry.refuse();
CREATE TRIGGER audit_closing_fixed BEFORE UPDATE OR DELETE OR TRUNCATE ON registry.audit_closing
    FOR EACH STATEMENT EXECUTE FUNCTION registry.refuse();

-- Somebody did, was refused, or read something that leaves no entry with a revision. Account null: nobody known.
-- p_office is the object's; p_detail's `peer` has a column of its own. Ids, counts and words only: never contact data.
-- Whoever can't have a row here fails: the row is written in the transaction of what it tells.
CREATE FUNCTION registry.audit_put(p_account int, p_op text, p_status text, p_object text, p_office text, p_detail jsonb)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO registry.audit (at, account, actor, office, op, status, object, of_office, peer, detail)
    SELECT registry.now(), p_account, a.code, a.office, p_op, p_status, left(p_object, 100), p_office,
        left(p_detail ->> 'peer', 100), nullif(jsonb_strip_nulls(p_detail - 'peer'), '{}')
    FROM (SELECT 1) one LEFT JOIN registry.account a ON a.id = p_account;
END $$;

-- What only reads, and keeps the audit of it, doesn't wait for a standby: reads, sign-ins and the walker go on while it is away.
-- Behind a failover the rows of the last moments may be missing; those of changes never are.
CREATE FUNCTION registry.commit_here() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF current_setting('synchronous_commit') <> 'off' THEN
        PERFORM set_config('synchronous_commit', 'local', true);
    END IF;
END $$;

-- The terms somebody asked for, as a row of the audit tells them: of long ones the beginning, as text.
CREATE FUNCTION registry.terms_told(p_terms jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN length(p_terms::text) > 1000 THEN to_jsonb(left(p_terms::text, 1000) || '…') ELSE p_terms END
$$;

-- Somebody was shown so many projects: a row if there is a contact or a restricted project among them, or p_always.
CREATE FUNCTION registry.audit_counted(p_account int, p_op text, p_always boolean, p_object text, p_office text, p_rows int, p_contacts int,
    p_restricted int, p_detail jsonb) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF p_contacts > 0 OR p_restricted > 0 OR p_always THEN
        PERFORM registry.audit_put(p_account, p_op, 'OK', p_object, p_office, coalesce(p_detail, '{}') || jsonb_build_object(
            'rows', p_rows, 'contacts', coalesce(p_contacts, 0), 'restricted', coalesce(p_restricted, 0)));
    END IF;
END $$;

-- The same for these projects.
CREATE FUNCTION registry.audit_shown(p_account int, p_op text, p_always boolean, p_object text, p_office text, p_rows api.project[],
    p_detail jsonb) RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT registry.audit_counted(p_account, p_op, p_always, p_object, p_office, count(*)::int,
        (count(*) FILTER (WHERE coalesce(x.contact_name, x.contact_phone) IS NOT NULL))::int, (count(*) FILTER (WHERE x.restricted))::int, p_detail)
    FROM unnest(p_rows) x
$$;

-- Somebody was shown what is about an object: a row if not every reader may see it.
CREATE FUNCTION registry.audit_about(p_account int, p_op text, p_object text, p_detail jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF p_object IS NOT NULL AND registry.audience_of(p_object) <> '{1}' THEN
        PERFORM registry.audit_put(p_account, p_op, 'OK', p_object, (SELECT p.office FROM registry.project p WHERE p.id = p_object),
            p_detail);
    END IF;
END $$;

-- Somebody was shown a page of what belongs to these projects: a row if some are restricted.
CREATE FUNCTION registry.audit_listed(p_account int, p_op text, p_projects text[]) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    hidden CONSTANT int := (SELECT count(*) FROM unnest(p_projects) u(id) JOIN registry.project p ON p.id = u.id
        AND p.restricted AND p.audience <> '{1}'); -- which says it, too, and has an index of its own
BEGIN
    IF hidden > 0 THEN
        PERFORM registry.audit_put(p_account, p_op, 'OK', NULL, NULL,
            jsonb_build_object('rows', cardinality(p_projects), 'restricted', hidden));
    END IF;
END $$;

-- The daemon's statement for every operation calls this for an answer that is a refusal, in the operation's transaction.
-- A refusal that this transaction kept has its row already (registry.keep); one that is told again gets another. Always true.
CREATE FUNCTION api.audit_refused(p_account int, p_op text, p_request text, p_object text, p_error api.error) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    IF p_request IS NULL OR NOT EXISTS (SELECT FROM registry.entry e WHERE e.account = p_account AND e.request = p_request
                                        AND e.op = p_op AND e.status = p_error.code AND e.at = registry.now()) THEN
        IF p_request IS NULL THEN
            PERFORM registry.commit_here();
        END IF;
        PERFORM registry.audit_put(p_account, p_op, p_error.code, p_object, NULL,
            jsonb_build_object('request', p_request, 'field', p_error.field));
    END IF;
    RETURN true;
END $$;

-- What a daemon turned away before anybody was known, or refused an account without asking here (what can't be read, asks
-- for nothing there is, comes too fast): [{source, account, reason, count}], gathered for about a minute.
CREATE FUNCTION api.audit_doorstep(p_rows jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    PERFORM registry.audit_put(nullif((x ->> 'account')::int, 0), 'doorstep',
        CASE WHEN x ->> 'account' <> '0' THEN left(x ->> 'reason', 100) ELSE 'UNAUTHENTICATED' END, NULL, NULL,
        jsonb_build_object('peer', x ->> 'source', 'reason', left(x ->> 'reason', 100), 'count', x -> 'count'))
    FROM (SELECT * FROM jsonb_array_elements(p_rows) x LIMIT 10000) r(x);
END $$;

-- ---------------------------------------------------------------- chains

-- Links of up to p_limit revisions that follow without a gap; how many. Numbers between epochs belong to nobody.
CREATE FUNCTION registry.chain_revisions(p_limit int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    last registry.chain;
    next bigint;
    jump bigint;
    t record;
    revs bigint[];
    sums bytea[];
    links bytea[];
BEGIN
    SELECT * INTO last FROM registry.chain ORDER BY rev DESC LIMIT 1;
    next := coalesce(last.rev + 1, 1);
    FOR t IN SELECT x.rev, x.kind = 'commit' AND x.digest IS NULL AS unsealed, registry.sm3(registry.txn_text(x)) AS sum
             FROM registry.txn x WHERE x.rev >= next ORDER BY x.rev LIMIT p_limit LOOP
        WHILE t.rev > next LOOP
            jump := (SELECT max(e.start_rev) FROM registry.epoch e WHERE e.void_from = next AND e.start_rev <= t.rev);
            EXIT WHEN jump IS NULL OR jump = next;
            next := jump;
        END LOOP;
        EXIT WHEN t.rev <> next OR t.unsealed;
        last.link := registry.link(last.link, t.sum);
        revs := revs || t.rev;
        sums := sums || t.sum;
        links := links || last.link;
        next := next + 1;
    END LOOP;
    INSERT INTO registry.chain (rev, sum, link) SELECT * FROM unnest(revs, sums, links);
    RETURN coalesce(cardinality(revs), 0);
END $$;

-- Closes the rows that are in no closing (up to 50 000), or says that a month was dropped.
CREATE FUNCTION registry.audit_close(p_dropped jsonb DEFAULT NULL) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    c registry.audit_closing;
    before bytea;
BEGIN
    SELECT x.id + 1, x.link INTO c.id, before FROM registry.audit_closing x ORDER BY x.id DESC LIMIT 1;
    c.id := coalesce(c.id, 1);
    c.at := registry.now() + (clock_timestamp() - now());
    c.dropped := p_dropped;
    IF p_dropped IS NULL THEN
        WITH taken AS (
            UPDATE registry.audit a SET closing = c.id
            WHERE a.no IN (SELECT o.no FROM registry.audit o WHERE o.closing IS NULL ORDER BY o.no LIMIT 50000)
            RETURNING a.no, a.digest)
        SELECT count(*), range_agg(int8range(no, no, '[]')), string_agg(digest, '' ORDER BY no)
        INTO c.rows, c.nos, c.digests FROM taken;
    END IF;
    c.rows := coalesce(c.rows, 0);
    c.nos := coalesce(c.nos, '{}');
    c.digests := crypto.digest(coalesce(c.digests, ''), 'sm3');
    SELECT x.rev, x.link INTO c.last_rev, c.rev_link FROM registry.chain x ORDER BY x.rev DESC LIMIT 1;
    c.link := registry.link(before, registry.sm3(registry.closing_text(c)));
    INSERT INTO registry.audit_closing SELECT c.*;
    RETURN c.rows;
END $$;

-- The walk, asked for by every daemon once a second; who comes at the same time finds it being done. Chains revisions,
-- and each minute closes the audit rows; `more`: there is more to do at once.
CREATE FUNCTION api.audit_walk(OUT chained int, OUT closed int, OUT more boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    most CONSTANT int := 2000;
    last registry.audit_closing;
BEGIN
    IF pg_is_in_recovery() OR NOT pg_try_advisory_xact_lock(hashtext('registry.audit_walk')) THEN
        RETURN;
    END IF;
    PERFORM registry.commit_here();
    PERFORM registry.tally_fold(500); -- what else is done behind the feed
    chained := registry.chain_revisions(most);
    more := chained = most;
    SELECT * INTO last FROM registry.audit_closing ORDER BY id DESC LIMIT 1;
    IF last.id IS NULL OR last.rows = 50000 OR registry.now() NOT BETWEEN last.at AND last.at + interval '1 minute' THEN
        IF EXISTS (SELECT FROM registry.audit WHERE closing IS NULL)
           OR last.last_rev IS DISTINCT FROM (SELECT max(rev) FROM registry.chain) THEN
            closed := registry.audit_close();
            more := more OR closed = 50000;
        END IF;
    END IF;
END $$;

-- Where the chains stand, for the anchor of the key p_key, and what it signed last. `bad`: the newest 200 revisions no longer
-- give their links, or the chain doesn't hold the link that this daemon saw at p_rev; the first such revision. `behind`: how many
-- seconds the oldest revision waits for its link, or an audit row for longer than the minute it may.
CREATE FUNCTION api.audit_head(p_key text, p_rev bigint, p_link text, OUT bad bigint, OUT epoch bigint, OUT rev bigint, OUT link text,
    OUT closing bigint, OUT closing_link text, OUT at text, OUT n bigint, OUT hash text, OUT behind int)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
BEGIN
    SELECT c.rev, encode(c.link, 'hex'), t.epoch INTO rev, link, epoch
    FROM registry.chain c LEFT JOIN registry.txn t ON t.rev = c.rev ORDER BY c.rev DESC LIMIT 1;
    SELECT c.id, encode(c.link, 'hex') INTO closing, closing_link FROM registry.audit_closing c ORDER BY c.id DESC LIMIT 1;
    SELECT a.n, encode(a.hash, 'hex') INTO n, hash FROM registry.anchor a WHERE a.key = p_key;
    at := registry.rfc3339(registry.now());
    behind := extract(epoch FROM greatest(
        registry.now() - (SELECT t.at FROM registry.txn t WHERE t.rev > coalesce(audit_head.rev, 0) ORDER BY t.rev LIMIT 1),
        registry.now() - interval '1 minute' - (
            SELECT greatest(a.at, (SELECT c.at FROM registry.audit_closing c ORDER BY c.id DESC LIMIT 1))
            FROM registry.audit a WHERE a.closing IS NULL ORDER BY a.no LIMIT 1)));
    bad := (SELECT min(x.rev) FROM (
        SELECT c.rev, c.link, lag(c.link) OVER w AS before, lag(c.rev) OVER w AS prior, t.kind, t.changes, t.digest, t.grp,
            registry.sm3(registry.txn_text(t)) AS sum
        FROM (SELECT * FROM registry.chain ORDER BY rev DESC LIMIT 201) c LEFT JOIN registry.txn t ON t.rev = c.rev
        WINDOW w AS (ORDER BY c.rev)) x
        WHERE (x.prior IS NOT NULL OR x.rev = (SELECT min(c.rev) FROM registry.chain c)) AND (x.link IS DISTINCT FROM registry.link(x.before, x.sum)
            OR x.kind = 'commit' AND x.changes <= 2000 AND x.digest IS DISTINCT FROM registry.content_digest(x.grp)));
    IF p_rev IS NOT NULL AND NOT EXISTS (SELECT FROM registry.chain c WHERE c.rev = p_rev AND encode(c.link, 'hex') = p_link) THEN
        bad := least(bad, p_rev);
    END IF;
END $$;

-- The anchor p_n of key p_key is on the disk outside.
CREATE FUNCTION api.audit_anchored(p_key text, p_n bigint, p_hash text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    PERFORM registry.commit_here();
    INSERT INTO registry.anchor AS a (key, n, hash, at) VALUES (p_key, p_n, decode(p_hash, 'hex'), registry.now())
    ON CONFLICT (key) DO UPDATE SET n = excluded.n, hash = excluded.hash, at = excluded.at WHERE a.n < excluded.n;
END $$;

-- ---------------------------------------------------------------- retention

CREATE FUNCTION registry.audit_retention() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    IF NEW.value::interval < interval '190 days' THEN
        RAISE EXCEPTION 'audit.retention: at least 190 days' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER setting_retention BEFORE INSERT OR UPDATE ON registry.setting
    FOR EACH ROW WHEN (NEW.key = 'audit.retention') EXECUTE FUNCTION registry.audit_retention();

-- Drops the audit rows that were closed in a month (2026-03, of the county), when the retention is over; a closing says so,
-- which of them, and what the rows were. Once: 0 the second time.
CREATE FUNCTION registry.audit_drop_month(p_month text) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    zone CONSTANT text := (SELECT value FROM registry.setting WHERE key = 'county.timezone');
    begins timestamptz;
    ends timestamptz;
    until timestamptz;
    low bigint;
    high bigint;
    n bigint;
    digests bytea;
BEGIN
    IF p_month !~ '^[0-9]{4}-(0[1-9]|1[0-2])$' THEN
        RAISE EXCEPTION 'not a month: %', p_month USING ERRCODE = 'invalid_parameter_value', HINT = 'like 2026-03';
    END IF;
    begins := (p_month || '-01')::timestamp AT TIME ZONE zone;
    ends := ((p_month || '-01')::timestamp + interval '1 month') AT TIME ZONE zone;
    until := ends + (SELECT value::interval FROM registry.setting WHERE key = 'audit.retention');
    IF registry.now() < until THEN
        RAISE EXCEPTION 'the audit of % is kept until %', p_month, until USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('registry.audit_walk'));
    SELECT min(c.id), max(c.id) INTO low, high FROM registry.audit_closing c WHERE c.at >= begins AND c.at < ends;
    IF low IS NULL OR EXISTS (SELECT FROM registry.audit_closing c WHERE c.dropped ->> 'month' = p_month) THEN
        RETURN 0;
    END IF;
    PERFORM set_config('qipan.audit_drop', p_month, true);
    WITH gone AS (
        DELETE FROM registry.audit a WHERE a.closing BETWEEN low AND high
        RETURNING a.closing, a.no, registry.sm3(registry.audit_text(a)) AS sum),
    closed AS (
        SELECT c.id, count(g.no) AS rows, crypto.digest(coalesce(string_agg(g.sum, '' ORDER BY g.no), ''), 'sm3') AS digests
        FROM registry.audit_closing c LEFT JOIN gone g ON g.closing = c.id WHERE c.id BETWEEN low AND high GROUP BY c.id)
    SELECT sum(x.rows), crypto.digest(string_agg(x.digests, '' ORDER BY x.id), 'sm3') INTO n, digests FROM closed x;
    PERFORM set_config('qipan.audit_drop', '', true);
    PERFORM registry.audit_close(jsonb_build_object('month', p_month, 'first', low, 'last', high, 'rows', n,
                                                    'digests', encode(digests, 'hex'), 'by', session_user));
    PERFORM registry.audit_put(NULL, 'audit_drop_month', 'OK', p_month, NULL, jsonb_build_object('rows', n, 'by', session_user));
    RETURN n;
END $$;

-- ---------------------------------------------------------------- views

-- Entries with a revision and audit rows in one order of time, oldest first. Whose: person (code of an account, or the
-- actor of what was written past the api), project (id or number), office (of the actor or of the object), since, until.
-- Right: audit. Reading the audit is audited.
CREATE FUNCTION api.audit_list(p_account int, p_lang text, person text, project text, office text, since_at timestamptz,
    until_at timestamptz, after text, "limit" int) RETURNS api.audit_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.audit_list_reply;
    most CONSTANT int := least(greatest(coalesce("limit", 100), 1), 500);
    of_office CONSTANT text := registry.resolve('office', btrim(office));
    found CONSTANT registry.project := registry.project_find(btrim(project));
    of_project CONSTANT text[] := CASE WHEN project IS NOT NULL THEN ARRAY[btrim(project), found.id, found.no] END;
    place jsonb;
    low timestamptz := coalesce(since_at, '-infinity');
    high timestamptz := coalesce(until_at, registry.now());
    last_id text;
    last_at timestamptz;
    more boolean;
BEGIN
    IF NOT registry.may(p_account, 'audit', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.audit');
    ELSIF office IS NOT NULL AND of_office IS NULL THEN
        r.error := registry.error_of(p_lang, 'project', ROW('INVALID_ARGUMENT', 'office', office, 'code.unknown', NULL, NULL, NULL, NULL, NULL));
    ELSIF after IS NOT NULL THEN
        BEGIN
            place := convert_from(decode(after, 'base64'), 'UTF8')::jsonb;
            low := timestamptz 'epoch' + (place ->> 'at')::bigint * interval '1 us';
            high := timestamptz 'epoch' + (place ->> 'high')::bigint * interval '1 us';
        EXCEPTION WHEN data_exception OR invalid_text_representation THEN
            place := NULL;
        END;
        IF place ->> 'id' IS NULL OR low IS NULL OR high IS NULL THEN
            r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'after', 'after.form');
        END IF;
    END IF;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    EXECUTE format($q$
        WITH page AS (
            (SELECT 'a' || lpad(a.no::text, 19, '0') AS id, a.at, ROW(a.no, a.at, a.actor, coalesce(a.office, a.of_office), a.op, a.status,
                    a.object, NULL, NULL, a.detail ->> 'request', NULL, a.peer, nullif(a.detail - 'request' - 'entry', '{}')::text,
                    a.closing)::api.audit_row AS row
             FROM registry.audit a WHERE a.at >= $1 AND a.at < $2 AND ($3 IS NULL OR a.at > $1 OR 'a' || lpad(a.no::text, 19, '0') > $3)
               %1$s ORDER BY a.at, a.no LIMIT $4)
            UNION ALL
            (SELECT 'e' || lpad(e.grp::text, 19, '0') || lpad(e.ord::text, 9, '0'), e.at, ROW(NULL, e.at, e.actor, e.office, e.op,
                    e.status, e.object, (SELECT t.rev FROM registry.txn t WHERE t.grp = e.grp), e.version, e.request, e.reason,
                    NULL, NULL, NULL)::api.audit_row
             FROM registry.entry e WHERE e.grp IS NOT NULL AND e.at >= $1 AND e.at < $2
               AND ($3 IS NULL OR e.at > $1 OR 'e' || lpad(e.grp::text, 19, '0') || lpad(e.ord::text, 9, '0') > $3)
               %2$s ORDER BY e.at, e.grp, e.ord LIMIT $4)),
        sized AS (SELECT *, row_number() OVER w AS n, sum(registry.row_bytes(row)) OVER w AS bytes
                  FROM page WINDOW w AS (ORDER BY at, id)),
        taken AS (SELECT * FROM sized WHERE n = 1 OR (n < $4 AND bytes < 40000))
        SELECT array_agg(row ORDER BY n), (array_agg(id ORDER BY n DESC))[1], max(at), count(*) < (SELECT count(*) FROM page)
        FROM taken $q$,
        concat(' AND a.actor = ' || quote_literal(btrim(person)), ' AND ' || quote_literal(of_office) || ' IN (a.office, a.of_office)',
               ' AND a.object = ANY (' || quote_literal(of_project) || ')'),
        concat(' AND e.actor = ' || quote_literal(btrim(person)), ' AND e.office = ' || quote_literal(of_office),
               ' AND (e.grp, e.ord) IN (SELECT c.grp, c.ord FROM registry.change c WHERE c.object = ANY (' || quote_literal(of_project) || '))'))
    INTO r.rows, last_id, last_at, more USING low, high, place ->> 'id', most + 1;
    IF more THEN
        r.next := translate(encode(convert_to(jsonb_build_object('at', registry.micros(last_at), 'high', registry.micros(high),
                                                                 'id', last_id)::text, 'UTF8'), 'base64'), E'\n', '');
    END IF;
    PERFORM registry.commit_here();
    PERFORM registry.audit_put(p_account, 'audit_list', 'OK', coalesce(found.id, project), of_office, jsonb_build_object('person', left(person, 100),
        'since_at', since_at, 'until_at', until_at, 'rows', coalesce(cardinality(r.rows), 0)));
    RETURN r;
END $$;
