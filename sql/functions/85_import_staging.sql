-- SPDX-License-Identifier: Apache-2.0
-- Imports, the way in: a batch is opened, and its chunks are kept as they come, in any order. The same file again is the same batch
-- until that is written; then it is another one, which reads the chunks of the first, unless the same request opens it.

-- The first chunk that is missing. None is taken that is more than 64 ahead of it, so that all below the latest 65 are there.
CREATE FUNCTION registry.import_next(p_staged text) RETURNS int LANGUAGE sql STABLE AS $$
    SELECT (coalesce(max(x.base), 0) + count(*) FILTER (WHERE x.chunk = x.base + x.place))::int
    FROM (SELECT l.chunk, row_number() OVER (ORDER BY l.chunk) - 1 AS place, CASE WHEN count(*) OVER () < 65 THEN 0 ELSE min(l.chunk) OVER () END AS base
          FROM (SELECT c.chunk FROM registry.import_chunk c WHERE c.import = p_staged ORDER BY c.chunk DESC LIMIT 65) l) x
$$;

CREATE FUNCTION registry.import_reply(i registry.import) RETURNS api.import_reply LANGUAGE plpgsql STABLE AS $$
DECLARE
    r api.import_reply;
BEGIN
    r.id := i.id;
    r.status := i.status;
    r.next_chunk := registry.import_next(i.staged);
    r.rows := i.rows;
    r.added := i.added;
    r.updated := i.updated;
    r.unchanged := i.unchanged;
    r.duplicates := i.duplicates;
    r.conflicts := i.conflicts;
    r.rejected := i.rejected;
    r.skipped := i.skipped;
    RETURN r;
END $$;

-- The batch, if it is the caller's to go on with.
CREATE FUNCTION registry.import_mine(p_account int, p_lang text, p_id text, OUT i registry.import, OUT error api.error)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT * INTO i FROM registry.import x WHERE x.id = p_id;
    IF i.id IS NULL OR (i.account <> p_account AND NOT registry.may(p_account, 'import', i.office)) THEN
        error := registry.refusal(p_lang, 'NOT_FOUND', 'id', 'import.none', p_id);
    ELSIF NOT registry.may(p_account, 'import', i.office) THEN
        error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.import');
    END IF;
END $$;

-- How far a judgement, or a commit, has come, which no transaction shows before it is over: told by the name of its session. Of those that
-- take all rows a step at a time the share of the time.
CREATE FUNCTION registry.import_at(p_import text, p_done numeric) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM set_config('application_name', format('qipand bulk %s %s', p_import, round(p_done)), true);
END $$;

-- Rows that are done; null: nobody is at it.
CREATE FUNCTION registry.import_done(p_import text) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (SELECT max(substring(a.application_name FROM format('^qipand bulk %s ([0-9]{1,9})$', p_import))::int) FROM pg_stat_activity a
            WHERE a.datname = current_database() AND a.usename = 'qipan_daemon');
END $$;

-- The entry that wrote a batch; none: it wrote nothing, or isn't written yet.
CREATE FUNCTION registry.batch_entry(p_id text, p_op text DEFAULT 'import_commit') RETURNS registry.entry LANGUAGE sql STABLE AS $$
    SELECT e FROM registry.entry e WHERE e.batch = p_id AND e.grp IS NOT NULL AND e.op = p_op ORDER BY e.grp LIMIT 1
$$;

-- What is wrong with what a batch says of itself; null = nothing.
CREATE FUNCTION registry.import_open_fault(p_account int, p_lang text, p_office text, p_owner text, p_kind text, p_opening boolean, p_sha256 bytea,
    p_rows int, p_file_name text, p_source text, p_profile text) RETURNS api.error LANGUAGE plpgsql STABLE AS $$
DECLARE
    kinds CONSTANT text[] := registry.sheet_kinds(p_opening);
    e api.error;
BEGIN
    IF p_owner IS NULL THEN
        RETURN registry.error_of(p_lang, 'project', ROW('INVALID_ARGUMENT', 'office', p_office, 'code.unknown', NULL, NULL, NULL, NULL, NULL));
    ELSIF NOT registry.may(p_account, 'import', p_owner) THEN
        RETURN registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.import');
    ELSIF p_opening AND NOT registry.may(p_account, 'county', NULL) THEN
        RETURN registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.county');
    ELSIF p_kind <> ALL (kinds) THEN
        e := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'kind', 'import.kind', p_kind);
        e.allowed := kinds;
        RETURN e;
    ELSIF length(p_sha256) IS DISTINCT FROM 32 THEN
        RETURN registry.refusal(p_lang, 'INVALID_ARGUMENT', 'file_sha256', 'sha256.form');
    ELSIF p_rows > 200000 THEN
        RETURN registry.refusal(p_lang, 'INVALID_ARGUMENT', 'rows', 'import.rows', '200000');
    ELSIF length(p_source) > 100 OR length(p_profile) > 200 OR length(p_file_name) > 300 THEN
        RETURN registry.refusal(p_lang, 'INVALID_ARGUMENT', 'source', 'import.names');
    ELSIF p_file_name ~ '/' OR p_file_name IN ('.', '..') THEN
        RETURN registry.refusal(p_lang, 'INVALID_ARGUMENT', 'file_name', 'import.path');
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION api.import_open(p_account int, p_lang text, p_request text, p_digest bytea, file_sha256 bytea,
    file_name text, source text, profile text, profile_sha256 bytea, office text, rows int, kind text DEFAULT NULL, opening boolean DEFAULT NULL)
RETURNS api.import_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    r api.import_reply;
    i registry.import;
    was registry.import;
    owner CONSTANT text := CASE WHEN coalesce(import_open.office, '') <> '' THEN registry.resolve('office', btrim(import_open.office))
        ELSE (SELECT a.office FROM registry.account a WHERE a.id = p_account) END;
    mapping CONSTANT bytea := coalesce(import_open.profile_sha256, '');
    what CONSTANT text := coalesce(nullif(btrim(import_open.kind), ''), 'project');
    before CONSTANT boolean := coalesce(import_open.opening, false);
    new_id CONSTANT text := registry.new_id('i');
BEGIN
    r.error := registry.import_open_fault(p_account, p_lang, import_open.office, owner, what, before, import_open.file_sha256, import_open.rows,
        import_open.file_name, import_open.source, import_open.profile);
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    SELECT x.* INTO was FROM registry.import x
    WHERE (x.account, x.office, x.kind, x.opening, x.file_sha256, x.profile_sha256) = (p_account, owner, what, before, import_open.file_sha256, mapping)
    ORDER BY x.request = p_request DESC NULLS LAST, x.opened_at DESC, x.id LIMIT 1 FOR UPDATE;
    IF was.status IN ('done', 'reverted') AND was.request = p_request THEN
        RETURN registry.import_reply(was);
    ELSIF was.status = 'done' AND (registry.batch_entry(was.id)).op IS NULL THEN -- nothing came of it: it may be judged anew
        UPDATE registry.import x SET status = 'staging' WHERE x.id = was.id;
    END IF;
    INSERT INTO registry.import AS x (id, staged, account, office, kind, opening, file_sha256, profile_sha256, file_name, source, profile,
        status, expected, opened_at, request)
    VALUES (new_id, coalesce(was.staged, new_id), p_account, owner, what, before, import_open.file_sha256, mapping, import_open.file_name,
        coalesce(nullif(btrim(import_open.source), ''), owner), import_open.profile, 'staging', import_open.rows, registry.now(), p_request)
    ON CONFLICT (account, office, kind, opening, file_sha256, profile_sha256) WHERE status IN ('staging', 'judged') DO UPDATE SET
        status = 'staging', file_name = excluded.file_name, source = excluded.source, expected = excluded.expected, request = excluded.request,
        rows = NULL, added = NULL, updated = NULL, unchanged = NULL, duplicates = NULL, conflicts = NULL, rejected = NULL, skipped = NULL
    RETURNING * INTO i;
    RETURN registry.import_reply(i);
END $$;

-- Keeps a chunk. The same chunk again is no harm; chunks may arrive out of order within a window of 64.
CREATE FUNCTION api.import_put(p_account int, p_lang text, p_request text, p_digest bytea, id text, chunk int, rows jsonb)
RETURNS api.import_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    r api.import_reply;
    i registry.import;
    m record;
    given CONSTANT int := jsonb_array_length(coalesce(import_put.rows, '[]'));
    before int; -- the last row of the chunk before it, and the first of the one behind
    behind int;
    w record;
BEGIN
    SELECT * INTO m FROM registry.import_mine(p_account, p_lang, import_put.id);
    i := m.i;
    r.error := m.error;
    IF (r.error).code IS NOT NULL THEN
        RETURN r;
    END IF;
    r := registry.import_reply(i);
    IF import_put.chunk < r.next_chunk THEN
        RETURN r;
    ELSIF import_put.chunk IS NULL OR import_put.chunk > r.next_chunk + 64 OR i.status IN ('done', 'reverted') THEN
        r.error := registry.refusal(p_lang, 'FAILED_PRECONDITION', 'chunk', 'import.chunk', r.next_chunk::text);
        RETURN r;
    ELSIF given > 5000 OR given = 0 THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'rows', 'import.rows', '5000');
        RETURN r;
    END IF;
    IF EXISTS (SELECT FROM registry.import_chunk c WHERE c.import = i.staged AND c.chunk = import_put.chunk) THEN
        RETURN r;
    END IF;
    SELECT min(y.row) AS first, max(y.row) AS last, count(y.row) AS n, bool_and(y.row > y.before) AS rises INTO w
    FROM (SELECT x.row, lag(x.row, 1, -1) OVER (ORDER BY x.place) AS before
          FROM (SELECT (e ->> 'row')::int AS row, place FROM jsonb_array_elements(import_put.rows) WITH ORDINALITY u(e, place)) x) y;
    SELECT c.last_row INTO before FROM registry.import_chunk c WHERE c.import = i.staged AND c.chunk < import_put.chunk ORDER BY c.chunk DESC LIMIT 1;
    SELECT c.first_row INTO behind FROM registry.import_chunk c WHERE c.import = i.staged AND c.chunk > import_put.chunk ORDER BY c.chunk LIMIT 1;
    IF w.n < given OR NOT w.rises OR before >= w.first OR behind <= w.last THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'rows', 'import.twice');
        RETURN r;
    END IF;
    -- As numbers rise, those of which the last is lower are not too many.
    IF (behind IS NOT NULL OR w.last >= 200000)
            AND given + (SELECT coalesce(sum(c.n), 0) FROM registry.import_chunk c WHERE c.import = i.staged) > 200000 THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'rows', 'import.rows', '200000');
        RETURN r;
    END IF;
    INSERT INTO registry.import_chunk (import, chunk, rows, first_row, last_row, n)
    VALUES (i.staged, import_put.chunk, import_put.rows, w.first, w.last, given);
    RETURN registry.import_reply(i);
END $$;

-- The rows of a batch as they came.
CREATE FUNCTION registry.import_rows(i registry.import)
RETURNS TABLE ("row" int, set jsonb, clear text[], bad jsonb, skip text, version bigint, "values" jsonb) LANGUAGE sql STABLE ROWS 10000 AS $$
    SELECT r.row, coalesce(r.set, '{}'), r.clear, nullif(r.bad, '[]'), r.skip, r.version, r."values"
    FROM registry.import_chunk c CROSS JOIN LATERAL jsonb_to_recordset(c.rows) r(row int, set jsonb, clear text[], bad jsonb, skip text,
        version bigint, "values" jsonb)
    WHERE c.import = i.staged
$$;

-- Rows are missing: the upload isn't complete.
CREATE FUNCTION registry.import_incomplete(p_lang text, i registry.import) RETURNS api.error LANGUAGE plpgsql STABLE AS $$
DECLARE
    n CONSTANT bigint := (SELECT coalesce(sum(c.n), 0) FROM registry.import_chunk c WHERE c.import = i.staged);
    last CONSTANT int := (SELECT coalesce(max(c.chunk), -1) FROM registry.import_chunk c WHERE c.import = i.staged);
BEGIN
    IF n < coalesce(i.expected, 0) OR last + 1 <> (registry.import_reply(i)).next_chunk THEN
        RETURN registry.refusal(p_lang, 'FAILED_PRECONDITION', 'rows', 'import.incomplete', n::text, coalesce(i.expected::text, '?'));
    END IF;
    RETURN NULL;
END $$;

-- What was sent, the verdicts, and what a batch could be taken back with are not needed after a while; counts and journal stay. Whose
-- verdicts are gone isn't taken back (batch_fault).
CREATE FUNCTION registry.import_prune(p_older interval) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    old CONSTANT text[] := ARRAY(SELECT i.id FROM registry.import i WHERE coalesce(i.done_at, i.opened_at) < registry.now() - p_older);
    n bigint;
BEGIN
    DELETE FROM registry.import_chunk c WHERE c.import = ANY (old)
        AND NOT EXISTS (SELECT FROM registry.import i WHERE i.staged = c.import AND i.id <> ALL (old));
    DELETE FROM registry.contact_former x WHERE x.import = ANY (old);
    DELETE FROM registry.import_verdict x WHERE x.import = ANY (old);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

-- Previews that nobody went on with for thirty days, with what was sent for them; who sends the file again begins anew. What was written
-- keeps its rows, by which it can be taken back.
CREATE FUNCTION registry.import_sweep() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    old CONSTANT text[] := ARRAY(SELECT i.id FROM registry.import i
        WHERE i.status IN ('staging', 'judged') AND i.opened_at < registry.now() - interval '30 days' FOR UPDATE SKIP LOCKED);
BEGIN
    DELETE FROM registry.import_chunk c WHERE c.import IN (SELECT i.staged FROM registry.import i WHERE i.id = ANY (old))
        AND NOT EXISTS (SELECT FROM registry.import i WHERE i.staged = c.import AND i.id <> ALL (old));
    DELETE FROM registry.import_verdict v WHERE v.import = ANY (old);
END $$;
