-- SPDX-License-Identifier: Apache-2.0
-- Evidence: files that show that something was done, by their hash. Bytes come in chunks of 48 KiB: opened (what it is to be), put,
-- closed (what came is what was declared, and of the type it says), then ready for ever; withdrawing hides nothing. An upload that
-- nobody goes on with is withdrawn by the registry (evidence_sweep).

CREATE FUNCTION registry.chunk_bytes() RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT 49152 $$;

CREATE FUNCTION registry.chunks_of(p_size int) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT (p_size + registry.chunk_bytes() - 1) / registry.chunk_bytes()
$$;

-- Do these bytes decode as text? Text has no NUL.
CREATE FUNCTION registry.is_text(p_data bytea) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    FOR encoding IN 0 .. 1 LOOP
        BEGIN
            PERFORM convert_from(p_data, CASE encoding WHEN 0 THEN 'UTF8' ELSE 'GB18030' END);
            RETURN true;
        EXCEPTION WHEN data_exception THEN
            NULL;
        END;
    END LOOP;
    RETURN false;
END $$;

CREATE FUNCTION registry.media_fits(p_media text, p_data bytea) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    m registry.media;
BEGIN
    SELECT * INTO m FROM registry.media x WHERE x.code = p_media;
    IF m.magic IS NULL THEN
        RETURN m.code IS NOT NULL AND registry.is_text(p_data);
    END IF;
    RETURN substr(p_data, 1, length(m.magic)) = m.magic
        AND (m.holds IS NULL OR EXISTS (SELECT FROM unnest(m.holds) h WHERE position(h IN p_data) > 0));
END $$;

-- Is there such an object, and whose is it? Offices of kinds without one are null.
CREATE FUNCTION registry.object_office(p_id text, OUT known boolean, OUT office text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    k CONSTANT text := registry.kind_of(p_id);
BEGIN
    IF k = ANY (registry.kinds()) THEN
        EXECUTE format('SELECT true, %s FROM registry.%I x WHERE x.id = $1',
            CASE WHEN registry.has_field(k, 'office') THEN 'x.office' ELSE 'NULL::text' END, k) INTO known, office USING p_id;
    END IF;
    known := coalesce(known, false);
END $$;

-- May the account bring evidence of this? Who may write for the office that does the work, or for the project's; of a matter, those
-- who work on it, helping offices too.
CREATE FUNCTION registry.evidence_writes(p_account int, n registry.evidence, p_owner text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.may(p_account, 'write', n.office) OR p_owner IS NOT NULL AND registry.may(p_account, 'write', p_owner)
        OR registry.kind_of(n."of") = 'matter' AND registry.matter_works(p_account, (SELECT m FROM registry.matter m WHERE m.id = n."of"));
END $$;

-- What it is evidence of must be the project itself or belong to it; its office is the one that does the work.
CREATE FUNCTION registry.evidence_about(p_account int, INOUT n registry.evidence, OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    owner CONSTANT text := (SELECT p.office FROM registry.project p WHERE p.id = n.project);
    about record;
BEGIN
    n."of" := coalesce(CASE WHEN n."of" = n.no THEN n.project ELSE n."of" END, n.project);
    IF n."of" IS NULL THEN
        fault := registry.bad('project', NULL, 'field.required');
        RETURN;
    END IF;
    about := registry.object_office(n."of");
    n.office := coalesce(about.office, owner);
    IF NOT about.known OR registry.kind_of(n."of") = 'evidence' OR n.office IS NULL OR n.project IS DISTINCT FROM
       (CASE registry.kind_of(n."of") WHEN 'project' THEN n."of" ELSE registry.parent_of(registry.kind_of(n."of"), n."of") END) THEN
        fault := registry.bad('of', n."of", 'evidence.of');
    ELSIF NOT registry.evidence_writes(p_account, n, owner) THEN
        fault := registry.fault('PERMISSION_DENIED', 'project', 'evidence.whose');
    END IF;
END $$;

-- What is declared, before a byte comes. (Two who open at once may pass the quota by what they open.)
CREATE FUNCTION registry.evidence_declared(p_account int, INOUT n registry.evidence, OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    w record := registry.evidence_about(p_account, n);
    quota CONSTANT bigint := (SELECT s.value::bigint FROM registry.setting s WHERE s.key = 'evidence.project_bytes');
    most CONSTANT int := (SELECT s.value::int FROM registry.setting s WHERE s.key = 'evidence.uploads');
    room CONSTANT bigint := (SELECT s.value::bigint FROM registry.setting s WHERE s.key = 'evidence.account_bytes');
    held bigint;
    half record;
BEGIN
    n := w.n;
    n.actor := registry.account_code(p_account);
    n.state := 'uploading';
    held := (SELECT coalesce(sum(x.size), 0) + n.size FROM registry.evidence x
             WHERE x.state <> 'withdrawn' AND CASE WHEN n.project IS NULL THEN x."of" = n."of" ELSE x.project = n.project END);
    SELECT count(*) AS files, coalesce(sum(x.size), 0) + n.size AS bytes INTO half FROM registry.evidence x
    WHERE x.actor = n.actor AND x.state = 'uploading';
    fault := CASE WHEN (w.fault).code IS NOT NULL THEN w.fault
        WHEN n.name ~ '[/\\]' OR n.name IN ('.', '..') THEN registry.bad('name', n.name, 'evidence.name')
        WHEN n.sha256 !~ '^[0-9a-f]{64}$' THEN registry.bad('sha256', n.sha256, 'evidence.sha256')
        WHEN n.size = 0 THEN registry.bad('size', '0', 'evidence.empty')
        WHEN held > quota THEN registry.fault('FAILED_PRECONDITION', 'size', 'evidence.quota', (held >> 20)::text, (quota >> 20)::text)
        WHEN half.files >= most THEN registry.fault('FAILED_PRECONDITION', NULL, 'evidence.uploads', most::text)
        WHEN half.bytes > room THEN registry.fault('FAILED_PRECONDITION', 'size', 'evidence.unfinished', (half.bytes >> 20)::text, (room >> 20)::text) END;
END $$;

-- What came, against what was declared.
CREATE FUNCTION registry.evidence_whole(n registry.evidence) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    data CONSTANT bytea := (SELECT string_agg(u.data, '' ORDER BY u.chunk) FROM registry.upload u WHERE u.evidence = n.id);
BEGIN
    RETURN CASE WHEN coalesce(length(data), 0) <> n.size
            THEN registry.bad('size', n.size::text, 'evidence.incomplete', coalesce(length(data), 0)::text)
        WHEN encode(sha256(data), 'hex') <> n.sha256 THEN registry.bad('sha256', n.sha256, 'evidence.hash')
        WHEN NOT registry.media_fits(n.media, data) THEN registry.bad('media', n.media, 'evidence.media') END;
END $$;

-- Does anything that was approved rest on it?
CREATE FUNCTION registry.evidence_used(p_id text) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT false $$;

CREATE FUNCTION registry.evidence_may(p_account int, p_op text, b registry.evidence, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT registry.may(p_account, 'write', NULL) THEN
        RETURN registry.unless_may(p_account, 'write', NULL);
    ELSIF b.version IS NULL OR b.version = 0 THEN
        RETURN NULL;
    ELSIF p_op <> 'evidence_withdraw' AND b.state <> 'ready' AND b.actor <> registry.account_code(p_account) THEN
        RETURN registry.fault('PERMISSION_DENIED', NULL, 'evidence.mine');
    ELSIF NOT registry.evidence_writes(p_account, b, p.office) THEN
        RETURN registry.fault('PERMISSION_DENIED', NULL, 'evidence.whose');
    ELSIF p_op = 'evidence_withdraw' AND b.actor <> registry.account_code(p_account) AND NOT registry.may(p_account, 'write', b.office)
        AND (p.id IS NULL OR NOT registry.may(p_account, 'write', p.office)) THEN -- of what a helping office brought itself
        RETURN registry.fault('PERMISSION_DENIED', NULL, 'evidence.whose');
    ELSIF b.state = 'withdrawn' OR (b.state = 'ready' AND p_op NOT IN ('evidence_open', 'evidence_withdraw')) THEN
        RETURN registry.no_move('evidence', b.id, b.state);
    ELSIF p_op = 'evidence_withdraw' AND registry.evidence_used(b.id) AND NOT registry.may(p_account, 'approve', b.office) THEN
        RETURN registry.fault('PERMISSION_DENIED', NULL, 'evidence.used');
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION registry.evidence_rules(p_account int, p_op text, b registry.evidence, INOUT n registry.evidence,
    OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    w record;
BEGIN
    IF p_op = 'evidence_open' AND b.version = 0 THEN
        fault := registry.required_fault('evidence', to_jsonb(n));
        IF fault.code IS NULL THEN
            w := registry.evidence_declared(p_account, n);
            n := w.n;
            fault := w.fault;
        END IF;
    ELSIF p_op = 'evidence_close' THEN
        n.state := 'ready';
        n.ready_at := registry.now();
        fault := registry.evidence_whole(b);
    ELSIF p_op = 'evidence_withdraw' THEN
        n.state := 'withdrawn';
        fault := CASE WHEN coalesce(btrim(n.withdrawal), '') = '' THEN registry.fault('INVALID_ARGUMENT', 'reason', 'evidence.reason') END;
    END IF;
END $$;

-- Ready bytes go where those of this hash are; half a file that was withdrawn is kept nowhere.
CREATE FUNCTION registry.evidence_effects(p_account int, p_op text, b registry.evidence, n registry.evidence) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF p_op = 'evidence_close' THEN
        INSERT INTO registry.blob (sha256, chunk, data)
        SELECT n.sha256, u.chunk, u.data FROM registry.upload u WHERE u.evidence = n.id ORDER BY u.chunk
        ON CONFLICT DO NOTHING;
    END IF;
    IF p_op IN ('evidence_close', 'evidence_withdraw') THEN
        DELETE FROM registry.upload u WHERE u.evidence = n.id;
    END IF;
END $$;

SELECT registry.generate_record('evidence', 'changed_at');
DROP FUNCTION api.evidence_set(int, text, text, bytea, bigint, text, jsonb, text[], text, boolean); -- what was uploaded stays as it is
CREATE TRIGGER blob_fixed BEFORE UPDATE OR DELETE OR TRUNCATE ON registry.blob FOR EACH STATEMENT EXECUTE FUNCTION registry.refuse();

CREATE TYPE api.evidence_chunk_reply AS (error api.error, evidence api.evidence, next_chunk int, rev bigint, replayed boolean);
CREATE TYPE api.evidence_get_reply AS (error api.error, data bytea, chunks int);

CREATE FUNCTION registry.next_chunk(p_id text) RETURNS int LANGUAGE sql STABLE AS $$
    SELECT coalesce(max(u.chunk) + 1, 0) FROM registry.upload u WHERE u.evidence = p_id
$$;

-- The same file for the very same thing: ready, or an upload of the caller's that was broken off. Of what he sees.
CREATE FUNCTION registry.evidence_begun(p_account int, p_set jsonb) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    me CONSTANT text := registry.account_code(p_account);
    of_project CONSTANT text := (registry.project_seen(p_account, btrim(p_set ->> 'project'))).id;
BEGIN
    RETURN (SELECT x.id FROM registry.evidence x
        WHERE x.project IS NOT DISTINCT FROM of_project AND x."of" = coalesce(nullif(btrim(p_set ->> 'of'), x.no), of_project)
          AND x.sha256 = p_set ->> 'sha256' AND x.stage IS NOT DISTINCT FROM registry.resolve('stage', btrim(p_set ->> 'stage'))
          AND (x.state = 'ready' OR x.state = 'uploading' AND x.actor = me AND x.size = (p_set -> 'size')::int
               AND x.name = btrim(p_set ->> 'name') AND x.media = registry.resolve('evidence_media', btrim(p_set ->> 'media')))
        ORDER BY x.state, x.id LIMIT 1); -- the ready one first
END $$;

-- Declares a file; or names the same one that is there, or goes on with one that the caller began. `next_chunk` says where.
CREATE FUNCTION api.evidence_open(p_account int, p_lang text, p_request text, p_digest bytea, set jsonb, reason text)
RETURNS api.evidence_chunk_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    given jsonb := coalesce(set, '{}');
    about CONSTANT text := btrim(given ->> 'of');
    begun text;
    c api.evidence_reply;
    r api.evidence_chunk_reply;
BEGIN
    IF NOT given ? 'project' AND registry.kind_of(about) = 'project' THEN
        given := given || jsonb_build_object('project', about);
    ELSIF NOT given ? 'project' AND registry.parent_of(registry.kind_of(about), about) IS NOT NULL THEN
        -- of something he doesn't see he is told no more than he said
        given := given || jsonb_build_object('project', coalesce((registry.project_seen(p_account,
            registry.parent_of(registry.kind_of(about), about))).id, about));
    END IF;
    begun := registry.evidence_begun(p_account, given);
    c := registry.evidence_change(p_account, p_lang, p_request, p_digest, NULL, 'evidence_open', begun,
        CASE WHEN begun IS NULL THEN given END, NULL, reason, NULL);
    r.error := c.error;
    r.evidence := c.evidence;
    r.rev := c.rev;
    r.replayed := c.replayed;
    r.next_chunk := registry.next_chunk((c.evidence).id);
    RETURN r;
END $$;

-- What keeps a chunk from being taken; null = nothing.
CREATE FUNCTION registry.chunk_fault(p_account int, b registry.evidence, p_id text, p_chunk int, p_next int, p_bytes int)
RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding := registry.evidence_may(p_account, 'evidence_put', b, registry.project_find(b.project));
    want CONSTANT int := least(b.size - p_chunk * registry.chunk_bytes(), registry.chunk_bytes());
BEGIN
    RETURN CASE WHEN f.code IS NOT NULL THEN f
        WHEN b.version IS NULL THEN registry.fault('NOT_FOUND', 'id', 'record.none', p_id)
        WHEN p_chunk IS NULL OR p_chunk < 0 OR p_chunk >= registry.chunks_of(b.size)
            THEN registry.fault('INVALID_ARGUMENT', 'chunk', 'evidence.no_chunk', registry.chunks_of(b.size)::text)
        WHEN p_chunk > p_next THEN registry.fault('FAILED_PRECONDITION', 'chunk', 'evidence.next', p_next::text)
        WHEN coalesce(p_bytes, 0) <> want THEN registry.fault('INVALID_ARGUMENT', 'data', 'evidence.chunk', p_chunk::text, want::text) END;
END $$;

-- Keeps a chunk; they come in order. The same chunk again is no harm, so this keeps no receipt.
CREATE FUNCTION api.evidence_put(p_account int, p_lang text, p_request text, p_digest bytea, id text, chunk int, data bytea)
RETURNS api.evidence_chunk_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    b registry.evidence := registry.evidence_seen(p_account, evidence_put.id);
    next CONSTANT int := registry.next_chunk(b.id);
    f registry.finding := registry.chunk_fault(p_account, b, evidence_put.id, evidence_put.chunk, next, length(evidence_put.data));
    r api.evidence_chunk_reply;
BEGIN
    IF f.code IS NULL THEN -- held, so that it isn't swept or withdrawn now
        SELECT * INTO b FROM registry.evidence x WHERE x.id = b.id FOR SHARE;
        f := CASE WHEN b.state <> 'uploading' THEN registry.no_move('evidence', b.id, b.state) END;
    END IF;
    IF f.code IS NOT NULL THEN
        r.error := registry.record_error(p_lang, 'evidence', f);
        RETURN r;
    END IF;
    INSERT INTO registry.upload (evidence, chunk, data, at) VALUES (b.id, evidence_put.chunk, evidence_put.data, registry.now()) ON CONFLICT DO NOTHING;
    r.next_chunk := greatest(next, evidence_put.chunk + 1);
    RETURN r;
END $$;

-- A file that isn't what was declared begins anew from its first chunk.
CREATE FUNCTION api.evidence_close(p_account int, p_lang text, p_request text, p_digest bytea, id text) RETURNS api.evidence_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.evidence_reply := registry.evidence_change(p_account, p_lang, p_request, p_digest, NULL, 'evidence_close', id, NULL, NULL, NULL, NULL);
BEGIN
    IF (r.error).field IN ('sha256', 'media') AND r.replayed IS NULL THEN
        DELETE FROM registry.upload u WHERE u.evidence = evidence_close.id;
    END IF;
    RETURN r;
END $$;

CREATE FUNCTION api.evidence_withdraw(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, reason text)
RETURNS api.evidence_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.evidence_change(p_account, p_lang, p_request, p_digest, p_base, 'evidence_withdraw', id, NULL,
        jsonb_build_object('withdrawal', left(btrim(reason), 500)), reason, NULL);
END $$;

-- A download has a row in the audit for every ten minutes it takes.
CREATE FUNCTION registry.evidence_read(p_account int, b registry.evidence) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM registry.audit a WHERE a.object = b.id AND a.account = p_account AND a.op = 'evidence_get'
                   AND a.status = 'OK' AND a.at > registry.now() - interval '10 minutes') THEN
        PERFORM registry.audit_put(p_account, 'evidence_get', 'OK', b.id, b.office,
            jsonb_build_object('project', b.project, 'sha256', b.sha256));
    END IF;
END $$;

CREATE FUNCTION api.evidence_get(p_account int, p_lang text, id text, chunk int) RETURNS api.evidence_get_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    b registry.evidence := registry.evidence_seen(p_account, evidence_get.id);
    f registry.finding;
    r api.evidence_get_reply;
BEGIN
    f := CASE WHEN NOT registry.may(p_account, 'read', NULL) THEN registry.fault('PERMISSION_DENIED', NULL, 'may.read')
        WHEN b.id IS NULL THEN registry.fault('NOT_FOUND', 'id', 'record.none', evidence_get.id)
        WHEN b.ready_at IS NULL THEN registry.no_move('evidence', b.id, b.state) END;
    IF f.code IS NULL THEN
        r.chunks := registry.chunks_of(b.size);
        r.data := (SELECT x.data FROM registry.blob x WHERE x.sha256 = b.sha256 AND x.chunk = coalesce(evidence_get.chunk, 0));
        f := CASE WHEN r.data IS NULL THEN registry.fault('INVALID_ARGUMENT', 'chunk', 'evidence.no_chunk', r.chunks::text) END;
    END IF;
    IF f.code IS NOT NULL THEN
        r.error := registry.record_error(p_lang, 'evidence', f);
        r.chunks := NULL;
        RETURN r;
    END IF;
    PERFORM registry.commit_here();
    PERFORM registry.evidence_read(p_account, b);
    RETURN r;
END $$;

-- Withdraws uploads that got no chunk for the setting's days; who is sending one now holds it. Under an open entry; how many.
CREATE FUNCTION registry.evidence_sweep() RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    days CONSTANT int := (SELECT s.value::int FROM registry.setting s WHERE s.key = 'evidence.upload_days');
    b registry.evidence;
    n registry.evidence;
    swept int := 0;
BEGIN
    FOR b IN SELECT x.* FROM registry.evidence x
             WHERE x.state = 'uploading' AND registry.now() > days * interval '1 day'
                 + coalesce((SELECT max(u.at) FROM registry.upload u WHERE u.evidence = x.id), x.changed_at)
             ORDER BY x.id FOR UPDATE SKIP LOCKED LOOP
        UPDATE registry.evidence x SET (state, withdrawal) = ('withdrawn', registry.say('zh', 'evidence.abandoned', days::text))
        WHERE x.id = b.id RETURNING * INTO n;
        PERFORM registry.evidence_effects(NULL, 'evidence_withdraw', b, n);
        swept := swept + 1;
    END LOOP;
    RETURN swept;
END $$;
