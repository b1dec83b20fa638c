-- SPDX-License-Identifier: Apache-2.0
-- The history of one object out of the journal: the events a watch would have brought.

-- A page of it behind a revision, as far as a reader with these tokens might see the object then. secret: some of it is not for
-- every reader. p_field: number of a field, of which alone it tells.
CREATE FUNCTION registry.log_page(p_grants int[], p_object text, p_after_rev bigint, p_limit int,
    p_field text, OUT rows api.event[], OUT more boolean, OUT secret boolean) LANGUAGE plpgsql STABLE AS $$
DECLARE
    most CONSTANT int := least(greatest(coalesce(p_limit, 100), 1), 500);
    total int;
BEGIN
    SELECT count(*), array_agg(x.event ORDER BY x.version) FILTER (WHERE x.n = 1 OR (x.n <= most AND x.upto <= 44000)),
        bool_or(x.secret) FILTER (WHERE x.n = 1 OR (x.n <= most AND x.upto <= 44000))
    INTO total, rows, secret
    FROM (SELECT c.version, row_number() OVER w AS n, c.audience && p_grants AND (c.audience <> '{1}'
                     OR coalesce(c.audience_old <> '{1}' AND c.audience_old && p_grants, false)) AS secret,
                 sum(registry.change_bytes(c)) OVER w AS upto,
                 ROW(registry.event_type(c.kind, c.version, c.fields), t.rev, t.tag, c.ord, c.idx, c.idx = t.changes - 1, c.kind, c.object, c.version,
                     CASE WHEN NOT c.audience && p_grants THEN 'leave' WHEN c.version = 1 OR c.audience_old && p_grants IS FALSE
                          THEN 'enter' ELSE 'update' END, a.actor, a.office, a.reason, a.request, a.batch, a.at,
                     CASE WHEN coalesce(c.audience_old, c.audience) && p_grants AND c.audience && p_grants
                          THEN registry.field_changes(CASE WHEN p_field IS NULL THEN c.fields ELSE jsonb_build_object(p_field, c.fields -> p_field) END) END,
                     CASE WHEN p_field IS NULL AND c.audience && p_grants AND (c.version = 1 OR c.audience_old && p_grants IS FALSE)
                          THEN registry.field_values(c.image) END, t.epoch, NULL, NULL, NULL)::api.event AS event
          FROM registry.change c
          CROSS JOIN LATERAL (SELECT * FROM registry.txn q WHERE q.grp = c.grp OFFSET 0) t
          LEFT JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = c.grp AND q.ord = c.ord OFFSET 0) a ON c.audience && p_grants
          WHERE c.object = p_object AND t.rev > coalesce(p_after_rev, 0) AND (c.audience && p_grants OR c.audience_old && p_grants)
            AND (p_field IS NULL OR c.fields ? p_field)
          WINDOW w AS (ORDER BY c.version) ORDER BY c.version LIMIT most + 1) x;
    more := total > coalesce(cardinality(rows), 0);
END $$;

-- The number of a field that is asked for by its name, or by what people call it.
CREATE FUNCTION registry.log_field(p_lang text, p_kind text, p_field text, OUT number text, OUT error api.error) LANGUAGE plpgsql STABLE AS $$
DECLARE
    word CONSTANT text := lower(btrim(p_field));
BEGIN
    number := (SELECT f.number::text FROM registry.field f WHERE f.kind = p_kind AND word IN (f.name, f.zh, lower(f.en)) ORDER BY f.number LIMIT 1);
    IF p_field IS NOT NULL AND number IS NULL THEN
        error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'field', 'log.field', left(p_field, 100));
        error.allowed := registry.nearest(left(p_field, 100), ARRAY(SELECT f.name FROM registry.field f WHERE f.kind = p_kind ORDER BY f.number), 8);
    END IF;
END $$;

-- The history of a record of any kind. One that is hidden isn't there.
CREATE FUNCTION api.record_log(p_account int, p_lang text, id text, after_rev bigint, "limit" int, field text DEFAULT NULL) RETURNS api.project_log_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.project_log_reply;
    wanted record := registry.log_field(p_lang, registry.kind_of(id), field);
    page record;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    ELSIF registry.record_seen(p_account, id) IS NOT TRUE THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'id', 'record.none', id);
        RETURN r;
    ELSIF (wanted.error).code IS NOT NULL THEN
        r.error := wanted.error;
        RETURN r;
    END IF;
    page := registry.log_page(registry.grants(p_account), id, after_rev, "limit", wanted.number);
    IF page.secret OR registry.audience_of(id) <> '{1}' THEN
        PERFORM registry.commit_here();
        PERFORM registry.audit_put(p_account, 'record_log', 'OK', id, NULL, jsonb_build_object('rows', coalesce(cardinality(page.rows), 0)));
    END IF;
    r.rows := page.rows;
    r.more := page.more;
    RETURN r;
END $$;
