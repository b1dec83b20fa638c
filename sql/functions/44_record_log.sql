-- SPDX-License-Identifier: Apache-2.0
-- The history of one object out of the journal: the events a watch would have brought.

-- A page of it behind a revision, as far as a reader with these tokens might see the object then. secret: some of it is not for
-- every reader.
CREATE FUNCTION registry.log_page(p_grants int[], p_object text, p_after_rev bigint, p_limit int,
    OUT rows api.event[], OUT more boolean, OUT secret boolean) LANGUAGE plpgsql STABLE AS $$
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
                          THEN registry.field_changes(c.fields) END,
                     CASE WHEN c.audience && p_grants AND (c.version = 1 OR c.audience_old && p_grants IS FALSE)
                          THEN registry.field_values(c.image) END, t.epoch, NULL, NULL, NULL)::api.event AS event
          FROM registry.change c
          CROSS JOIN LATERAL (SELECT * FROM registry.txn q WHERE q.grp = c.grp OFFSET 0) t
          LEFT JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = c.grp AND q.ord = c.ord OFFSET 0) a ON c.audience && p_grants
          WHERE c.object = p_object AND t.rev > coalesce(p_after_rev, 0) AND (c.audience && p_grants OR c.audience_old && p_grants)
          WINDOW w AS (ORDER BY c.version) ORDER BY c.version LIMIT most + 1) x;
    more := total > coalesce(cardinality(rows), 0);
END $$;

-- The history of a record of any kind. One that is hidden isn't there.
CREATE FUNCTION api.record_log(p_account int, p_lang text, id text, after_rev bigint, "limit" int) RETURNS api.project_log_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.project_log_reply;
    page record;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    ELSIF registry.record_seen(p_account, id) IS NOT TRUE THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'id', 'record.none', id);
        RETURN r;
    END IF;
    page := registry.log_page(registry.grants(p_account), id, after_rev, "limit");
    IF page.secret OR registry.audience_of(id) <> '{1}' THEN
        PERFORM registry.commit_here();
        PERFORM registry.audit_put(p_account, 'record_log', 'OK', id, NULL, jsonb_build_object('rows', coalesce(cardinality(page.rows), 0)));
    END IF;
    r.rows := page.rows;
    r.more := page.more;
    RETURN r;
END $$;
