-- SPDX-License-Identifier: Apache-2.0
-- The journal. State of a transaction is kept in transaction-local settings:
--   qipan.grp     its group, drawn once            qipan.idx    changes so far
--   qipan.ord     the last entry's place           qipan.sealed "rev tag epoch" once the revision is drawn
--   qipan.entry   the entry that is writing; every api function resets it (SET qipan.entry = '')
--   qipan.actor   who that entry is of
--   qipan.now     the registry's clock, once an entry is open
--   qipan.bulk    the group whose journal is written as a set (import_apply)
--   qipan.lang    the language its sentences are for (records)
--   qipan.correct the version whose stage event was a mistake (stage_correct)
--   qipan.undo    a batch is taken back: records that can't be withdrawn leave their tables (batch_revert)
--   qipan.retime  only the next turn of a matter changes (matters_retime)
--   qipan.past    the entry of what is written past the api

CREATE FUNCTION registry.grp() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    g text := current_setting('qipan.grp', true);
BEGIN
    IF coalesce(g, '') = '' THEN
        g := nextval('registry.grp_seq')::text;
        PERFORM set_config('qipan.grp', g, true);
    ELSIF coalesce(current_setting('qipan.sealed', true), '') <> '' THEN
        RAISE EXCEPTION 'this transaction has its revision already; nothing may be written after the seal'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN g::bigint;
END $$;

-- The writer gets the next place of the group; from now on changes are its own. The place is taken when its entry is
-- kept, so that the first entry of a group has place 0 and nothing is journalled without one.
CREATE FUNCTION registry.entry_begin(p_actor text) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    n int := coalesce(nullif(current_setting('qipan.ord', true), '')::int + 1, 0);
BEGIN
    PERFORM set_config('qipan.entry', n::text, true), set_config('qipan.actor', p_actor, true),
        set_config('qipan.now', registry.now()::text, true);
    RETURN n;
END $$;

-- Who is writing: the account of the entry, or the database user.
CREATE FUNCTION registry.writer() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN coalesce(current_setting('qipan.entry', true), '') = '' THEN 'db:' || session_user
        ELSE current_setting('qipan.actor') END;
END $$;

-- The entry of whoever writes past the api: one for each transaction.
CREATE FUNCTION registry.entry_past(p_grp bigint) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    past text := current_setting('qipan.past', true);
    n int;
BEGIN
    IF coalesce(past, '') <> '' THEN
        RETURN past::int;
    END IF;
    n := coalesce(nullif(current_setting('qipan.ord', true), '')::int + 1, 0);
    PERFORM set_config('qipan.ord', n::text, true), set_config('qipan.past', n::text, true);
    INSERT INTO registry.entry (account, request, grp, ord, actor, op, status, at)
    VALUES (0, 'db-' || p_grp || '-' || n, p_grp, n, 'db:' || session_user, 'db', 'OK', registry.now());
    RETURN n;
END $$;

-- One change of one object.
CREATE FUNCTION registry.journal(p_kind text, p_object text, p_version bigint, p_fields jsonb, p_image jsonb,
    p_audience int[] DEFAULT '{1}', p_audience_old int[] DEFAULT NULL) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    g bigint := registry.grp();
    o text := current_setting('qipan.entry', true);
    n int := coalesce(nullif(current_setting('qipan.idx', true), '')::int, 0);
BEGIN
    PERFORM set_config('qipan.idx', (n + 1)::text, true);
    INSERT INTO registry.change (grp, idx, ord, kind, object, version, fields, image, audience, audience_old)
    VALUES (g, n, CASE WHEN coalesce(o, '') = '' THEN registry.entry_past(g) ELSE o::int END,
            p_kind, p_object, p_version, p_fields, p_image, p_audience, p_audience_old);
END $$;

-- Two 32-bit draws; never 0, which means "no tag".
CREATE FUNCTION registry.random_tag() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (floor(random() * 4294967296)::bigint << 32) | (floor(random() * 4294967295)::bigint + 1);
END $$;

CREATE FUNCTION registry.timeline() RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int;
END $$;

-- The newest epoch, if it is of the timeline that is being written.
CREATE FUNCTION registry.epoch_checked() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    e registry.epoch;
BEGIN
    SELECT * INTO e FROM registry.epoch ORDER BY epoch DESC LIMIT 1;
    IF e.timeline IS DISTINCT FROM registry.timeline() THEN
        RAISE EXCEPTION 'epoch % is of timeline %, PostgreSQL writes timeline %: a new epoch must be opened first',
            e.epoch, e.timeline, registry.timeline()
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'api.link_open opens it';
    END IF;
    RETURN e.epoch;
END $$;

-- What a change takes on the wire, at most: bytes, not characters; 400 for its head without the reason.
CREATE FUNCTION registry.change_bytes(c registry.change) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT octet_length(c.fields::text) + octet_length(c.image::text) + 400
$$;

-- What the digest of a transaction speaks of (see 46_audit.sql for the form).
-- Of a timestamp without zone, so that it may be inlined: that part of an instant is called STABLE.
CREATE FUNCTION registry.micros(p_at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (extract(epoch FROM p_at AT TIME ZONE 'UTC') * 1000000)::bigint
$$;

CREATE FUNCTION registry.sm3(p_text text) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT crypto.digest(convert_to(p_text, 'UTF8'), 'sm3')
$$;

CREATE FUNCTION registry.entry_text(e registry.entry) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT ROW(e.account, e.request, e.ord, e.actor, e.office, e.op, e.status, e.object, e.version, e.reason, e.batch,
               registry.micros(e.at), encode(e.digest, 'hex'), e.reply)::text
$$;

CREATE FUNCTION registry.change_text(c registry.change) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT ROW(c.idx, c.ord, c.kind, c.object, c.version, c.fields, c.image, c.audience, c.audience_old)::text
$$;

-- SM3 over the SM3s of its entries and of each 256 of its changes. p_changes: how many, if known; few are the quicker way.
CREATE FUNCTION registry.content_digest(p_grp bigint, p_changes int DEFAULT NULL) RETURNS bytea LANGUAGE plpgsql STABLE AS $$
DECLARE
    entries text;
    changes text;
BEGIN
    SELECT string_agg(registry.entry_text(e), E'\n' ORDER BY e.ord) INTO entries FROM registry.entry e WHERE e.grp = p_grp;
    IF p_changes <= 256 THEN
        SELECT string_agg(registry.change_text(c), E'\n' ORDER BY c.idx) INTO changes FROM registry.change c WHERE c.grp = p_grp;
        RETURN crypto.digest(registry.sm3(entries) || coalesce(registry.sm3(changes), ''), 'sm3');
    END IF;
    RETURN crypto.digest(registry.sm3(entries) || coalesce((
        SELECT string_agg(registry.sm3(x.part), '' ORDER BY x.n)
        FROM (SELECT c.idx / 256 AS n, string_agg(registry.change_text(c), E'\n' ORDER BY c.idx) AS part
              FROM registry.change c WHERE c.grp = p_grp GROUP BY c.idx / 256) x), ''), 'sm3');
END $$;

-- What the changes of a group are about, so that not everybody has to read them all to learn that none is for him: sorted lines, each
-- once. "field=value": the watchable fields but the amount, before and after, lists by their elements. Without a field: the objects,
-- their numbers, the projects they belong to.
CREATE FUNCTION registry.subjects(p_grp bigint) RETURNS text LANGUAGE sql STABLE AS $$
    WITH c AS MATERIALIZED (SELECT kind, object, version, fields, image FROM registry.change WHERE grp = p_grp),
    watched AS MATERIALIZED (
        SELECT k.kind, f.number::text AS number, CASE f.name WHEN 'no' THEN '' WHEN 'project' THEN '' WHEN 'helpers' THEN 'office=' WHEN 'auto_tags' THEN 'tags='
            ELSE f.name || '=' END AS head, f.name IN ('tags', 'auto_tags', 'helpers') AS list
        FROM (SELECT DISTINCT kind FROM c) k JOIN registry.field f ON f.kind = k.kind
        WHERE f.name IN ('no', 'project', 'office', 'helpers', 'stage', 'tags', 'auto_tags', 'industry', 'region', 'park')),
    said AS (
        SELECT DISTINCT w.head, w.list, c.image ->> w.number AS value FROM c JOIN watched w ON w.kind = c.kind
        UNION SELECT w.head, w.list, c.fields -> w.number ->> 0 FROM c JOIN watched w ON w.kind = c.kind WHERE c.version > 1)
    SELECT string_agg(x.line, E'\n' ORDER BY x.line COLLATE "C")
    FROM (SELECT object AS line FROM c UNION SELECT 'kind=' || kind FROM c
          UNION SELECT head || value FROM said WHERE value <> '' AND NOT list
          UNION SELECT s.head || e FROM said s, string_to_table(s.value, ',') e WHERE s.list AND e <> '') x
$$;

-- Last act of a transaction: draws its revision. Late, so that revision order is version order; and with everything at hand,
-- for a number that was drawn and doesn't come is fenced soon.
CREATE FUNCTION registry.seal() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
DECLARE
    n int := coalesce(nullif(current_setting('qipan.idx', true), '')::int, 0);
    e bigint;
    t bigint := registry.random_tag();
    r bigint;
    size bigint := 0;
    content bytea;
BEGIN
    IF coalesce(current_setting('qipan.sealed', true), '') <> '' THEN
        RETURN NULL;
    END IF;
    e := registry.epoch_checked();
    content := registry.content_digest(NEW.grp, n);
    IF n <= 256 THEN
        size := (SELECT coalesce(sum(registry.change_bytes(c)), 0) FROM registry.change c WHERE c.grp = NEW.grp);
    ELSE
        INSERT INTO registry.txn_subjects (grp, subjects, open) VALUES (NEW.grp, coalesce(registry.subjects(NEW.grp), ''),
            NOT EXISTS (SELECT FROM registry.change c WHERE c.grp = NEW.grp AND (c.audience <> '{1}' OR c.audience_old IS NOT NULL)));
    END IF;
    INSERT INTO registry.txn (grp, epoch, tag, kind, changes, bytes, at, digest)
    VALUES (NEW.grp, e, t, 'commit', n, size, registry.now() + (clock_timestamp() - now()), content)
    RETURNING rev INTO r;
    PERFORM set_config('qipan.sealed', r || ' ' || t || ' ' || e, true);
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER entry_seal AFTER INSERT ON registry.entry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.grp IS NOT NULL AND NEW.ord = 0) EXECUTE FUNCTION registry.seal();

CREATE FUNCTION registry.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: the registry and its journal only grow', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['office', 'account', 'certificate', 'code', 'project', 'stage_event',
                             'epoch', 'txn', 'txn_subjects', 'entry', 'change', 'dedup_key'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE DELETE OR TRUNCATE ON registry.%I
                        FOR EACH STATEMENT EXECUTE FUNCTION registry.refuse()', t || '_keep', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['stage_event', 'epoch', 'txn', 'txn_subjects', 'entry', 'change'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE ON registry.%I
                        FOR EACH STATEMENT EXECUTE FUNCTION registry.refuse()', t || '_fixed', t);
    END LOOP;
END $$;

-- A new epoch, when PostgreSQL writes another history than the newest one is of: another timeline, another cluster, or one
-- that doesn't hold a place of the newest epoch (or a later one) somebody has seen in it: an older state of the same
-- cluster. Its numbers start far ahead, so that none of the lost end comes back with other contents.
CREATE FUNCTION registry.epoch_open(p_epoch bigint DEFAULT NULL, p_rev bigint DEFAULT NULL, p_tag bigint DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    e registry.epoch;
    sys text := (SELECT system_identifier::text FROM pg_control_system());
    gap CONSTANT bigint := 1000000;
    next_rev bigint := 1;
    void_from bigint := 1;
    at_work CONSTANT int := 1000; -- more writers than there can be at once
    newest bigint;
    drawn bigint;
BEGIN
    FOR attempt IN 1 .. 2 LOOP
        SELECT * INTO e FROM registry.epoch ORDER BY epoch DESC LIMIT 1;
        IF e.timeline = registry.timeline() AND e.system_identifier = sys
           -- A caller that knows a later epoch stands before an old primary: it learns so by the answer, and refuses it.
           AND (p_rev IS NULL OR p_epoch <> e.epoch OR registry.place_held(p_epoch, p_rev, p_tag)) THEN
            RETURN e.epoch;
        END IF;
        PERFORM pg_advisory_xact_lock(hashtext('registry.epoch_open')); -- somebody else may be doing it: look again
    END LOOP;
    IF e.epoch IS NOT NULL THEN
        newest := (SELECT greatest(max(rev), e.start_rev - 1) FROM registry.txn);
        drawn := (SELECT least(q.last_value - (NOT q.is_called)::int, newest + at_work) FROM registry.rev_seq q);
        void_from := greatest(newest, drawn) + 1;
        next_rev := greatest(void_from, (SELECT last_value FROM registry.rev_seq) + 1, p_rev + 1) + gap;
        PERFORM setval('registry.rev_seq', next_rev, false),
            setval('registry.grp_seq', greatest((SELECT max(grp) FROM registry.txn), (SELECT last_value FROM registry.grp_seq)) + gap);
        -- The old epoch's tombstones may have been lost with its end, and nobody fences there any more: neither holes nor numbers
        -- that were drawn and are on their way. Those are waited for; who comes later finds its number taken.
        -- Commits that were lost there stood in the feed maybe, before others that were not: from the first one on, whoever
        -- was told knows another history.
        WITH emptied AS (
            INSERT INTO registry.txn (rev, epoch, tag, kind, changes, at)
            SELECT g, e.epoch, registry.random_tag(), 'tombstone', 0, registry.now()
            FROM (SELECT x.rev, lead(x.rev) OVER (ORDER BY x.rev) AS next
                  FROM (SELECT e.start_rev - 1 AS rev UNION ALL SELECT t.rev FROM registry.txn t WHERE t.rev >= e.start_rev
                        UNION ALL SELECT void_from) x) y
            CROSS JOIN LATERAL generate_series(y.rev + 1, y.next - 1) g WHERE y.next > y.rev + 1
            ON CONFLICT DO NOTHING RETURNING rev)
        SELECT coalesce(min(emptied.rev), void_from) INTO void_from FROM emptied;
    END IF;
    INSERT INTO registry.epoch (epoch, system_identifier, timeline, void_from, start_rev)
    VALUES (greatest(e.epoch, p_epoch, 0) + 1, sys, registry.timeline(), void_from, next_rev)
    RETURNING epoch INTO p_epoch;
    RETURN p_epoch;
END $$;
