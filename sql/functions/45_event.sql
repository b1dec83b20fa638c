-- SPDX-License-Identifier: Apache-2.0
-- Journal rows as the events of the feed. Entries are fetched one by one (LATERAL … OFFSET 0): groups differ so much in
-- size that the planner, left alone, would at times hash the whole journal for one change.
CREATE FUNCTION registry.field_changes(p_fields jsonb) RETURNS api.field_change[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT array_agg(CASE WHEN w.value = 'true' THEN ROW(w.key::int, NULL, NULL, true)::api.field_change
                ELSE ROW(w.key::int, w.value ->> 0, w.value ->> 1, NULL)::api.field_change END ORDER BY w.key::int)
            FROM jsonb_each(p_fields) w);
END $$;

CREATE FUNCTION registry.field_values(p_image jsonb) RETURNS api.field_value[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT array_agg(ROW(w.key::int, w.value)::api.field_value ORDER BY w.key::int)
            FROM jsonb_each_text(p_image) w);
END $$;

-- What a change is called.
CREATE FUNCTION registry.event_type(p_kind text, p_version bigint, p_fields jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_kind WHEN 'receipt' THEN 'receipt.signed'
        WHEN 'due' THEN 'deadline.' || CASE WHEN p_version = 1 THEN 'set'
            WHEN p_fields #>> '{7,1}' IN ('fired', 'cleared') THEN p_fields #>> '{7,1}' ELSE 'changed' END
        WHEN 'project' THEN 'project.changed' WHEN 'enterprise' THEN 'enterprise.' || CASE WHEN p_fields ? '1' THEN 'withdrawn' ELSE 'changed' END WHEN 'account' THEN 'account.changed'
        -- of a matter by time alone: field 32 is its light, 33 counts its reminders
        WHEN 'matter' THEN 'matter.' || CASE WHEN p_version = 1 THEN 'added' WHEN p_fields ? '7' THEN p_fields #>> '{7,1}'
            WHEN p_fields ? '33' THEN 'reminded' WHEN p_fields #>> '{32,1}' <> 'none' THEN 'overdue' ELSE 'changed' END
        -- records: field 7 is the state; one whose id becomes nothing was taken back
        ELSE p_kind || '.' || CASE WHEN p_version = 1 THEN 'added' WHEN p_fields ? '1' THEN 'withdrawn' ELSE coalesce(p_fields #>> '{7,1}', 'changed') END END
$$;

-- The project whose audience a change's object has now.
CREATE FUNCTION registry.project_of(p_kind text, p_object text, p_image jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_kind WHEN 'project' THEN p_object WHEN 'receipt' THEN p_image ->> '4'
        WHEN 'enterprise' THEN NULL WHEN 'account' THEN NULL ELSE p_image ->> '3' END
$$;

-- The events of a group after an idx, at most 300 000 bytes but always one; view is left to whoever knows the reader. Of the
-- audiences only what isn't plain: absent = {1}; old and now absent = the same as that after the change.
CREATE FUNCTION registry.events_of(p_grp bigint, p_rev bigint, p_tag bigint, p_epoch bigint, p_changes int,
    p_after_idx int, p_limit int) RETURNS api.event[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT array_agg(ROW(registry.event_type(c.kind, c.version, c.fields), p_rev, p_tag, c.ord, c.idx, c.idx = p_changes - 1, c.kind,
                c.object, c.version, NULL, e.actor, e.office, e.reason, e.request, e.batch, e.at,
                registry.field_changes(c.fields), registry.field_values(c.image), p_epoch, nullif(c.audience, '{1}'),
                c.audience_old, nullif(x.audience, c.audience))::api.event ORDER BY c.idx)
            FROM (SELECT y.*, sum(registry.change_bytes(y)) OVER (ORDER BY y.idx) AS upto
                  FROM (SELECT * FROM registry.change x WHERE x.grp = p_grp AND x.idx > p_after_idx
                        ORDER BY x.idx LIMIT p_limit) y) c
            CROSS JOIN LATERAL (SELECT * FROM registry.entry q WHERE q.grp = c.grp AND q.ord = c.ord OFFSET 0) e
            LEFT JOIN LATERAL (SELECT p.audience FROM registry.project p
                               WHERE p.id = registry.project_of(c.kind, c.object, c.image) OFFSET 0) x ON true
            WHERE c.upto <= 300000 OR c.idx = p_after_idx + 1);
END $$;
