-- SPDX-License-Identifier: Apache-2.0
-- What a dispatcher looks at: lights by office. Counts hold only what their reader may see.

-- Projects the account doesn't see: few, so that counts are made of all by an index and these taken off.
CREATE FUNCTION registry.hidden_projects(p_account int) RETURNS SETOF text LANGUAGE plpgsql STABLE ROWS 10 AS $$
BEGIN
    RETURN QUERY SELECT p.id FROM registry.project p WHERE p.audience <> '{1}' AND NOT p.audience && registry.grants(p_account);
END $$;

-- Open alerts by office, rule and light; of them those that propose to leave.
CREATE FUNCTION registry.alerts_open(p_account int) RETURNS TABLE (office text, rule text, light text, n bigint, exits bigint, oldest text)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT a.office, a.rule, a.light, a.n - coalesce(h.n, 0), a.exits - coalesce(h.exits, 0),
        CASE WHEN h.n IS NULL THEN a.oldest ELSE (SELECT min(x.limit_on)::text FROM registry.alert x
            WHERE x.state = 'open' AND (x.office, x.rule, x.light) = (a.office, a.rule, a.light) AND x.project <> ALL (h.projects)) END
    FROM (SELECT x.office, x.rule, x.light, count(*) AS n, count(x.proposal) AS exits, min(x.limit_on)::text AS oldest
          FROM registry.alert x WHERE x.state = 'open' GROUP BY 1, 2, 3) a
    LEFT JOIN (SELECT x.office, x.rule, x.light, count(*) AS n, count(x.proposal) AS exits, array_agg(p.id) AS projects
               FROM registry.hidden_projects(p_account) p(id) JOIN registry.alert x ON x.project = p.id AND x.state = 'open' GROUP BY 1, 2, 3) h
        ON (h.office, h.rule, h.light) = (a.office, a.rule, a.light)
    WHERE a.n > coalesce(h.n, 0);
END $$;

CREATE FUNCTION registry.reports_overdue(p_account int) RETURNS TABLE (office text, n int, oldest text) LANGUAGE sql STABLE AS $$
    SELECT a.office, sum(a.n)::int, min(a.oldest) FROM registry.alerts_open(p_account) a WHERE a.rule = 'report' GROUP BY a.office
$$;

CREATE FUNCTION api.dispatch(p_account int, p_lang text, office text) RETURNS api.dispatch_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    r api.dispatch_reply;
    of_office CONSTANT text := registry.resolve('office', btrim(dispatch.office));
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
    ELSIF dispatch.office IS NOT NULL AND of_office IS NULL THEN
        r.error := registry.error_of(p_lang, 'alert', ROW('INVALID_ARGUMENT', 'office', dispatch.office, 'code.unknown', NULL, NULL, NULL, NULL, NULL));
    ELSE
        r.rows := (SELECT array_agg(d ORDER BY d.red DESC, d.yellow DESC, d.blue DESC, d.office) FROM registry.dispatch_rows(p_account, of_office) d);
    END IF;
    RETURN r;
END $$;

-- Protections about to end, by office.
CREATE FUNCTION registry.protections_expiring(p_account int) RETURNS TABLE (office text, n bigint) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT a.office, a.n - coalesce(h.n, 0)
    FROM (SELECT x.office, count(*) AS n FROM registry.protection x WHERE x.state = 'expiring' GROUP BY 1) a
    LEFT JOIN (SELECT x.office, count(*) AS n FROM registry.hidden_projects(p_account) p(id) JOIN registry.protection x ON x.project = p.id AND x.state = 'expiring'
               GROUP BY 1) h ON h.office = a.office;
END $$;

-- Matters behind their day, by office.
CREATE FUNCTION registry.matters_overdue(p_account int) RETURNS TABLE (office text, n bigint) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT x.office, count(*) FROM registry.matter x
    WHERE registry.matter_is_open(x.state) AND x.state <> 'reported' AND x.due_on < registry.today()::text
      AND (x.project IS NULL OR x.project NOT IN (SELECT h.id FROM registry.hidden_projects(p_account) h(id))) GROUP BY 1;
END $$;

CREATE FUNCTION registry.dispatch_rows(p_account int, p_office text) RETURNS SETOF api.dispatch LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT o.code, o.name, coalesce(p.n, 0)::int, coalesce(a.red, 0)::int, coalesce(a.yellow, 0)::int, coalesce(a.blue, 0)::int,
        coalesce(a.reports, 0)::int, coalesce(a.returns, 0)::int, coalesce(t.n, 0)::int, coalesce(a.exits, 0)::int, coalesce(m.n, 0)::int
    FROM registry.office o
    LEFT JOIN (SELECT w.code, w.projects AS n FROM unnest((api.office_list(p_account, 'zh')).rows) w) p ON p.code = o.code
    LEFT JOIN (SELECT x.office, sum(x.n) FILTER (WHERE x.light = 'red') AS red, sum(x.n) FILTER (WHERE x.light = 'yellow') AS yellow,
                   sum(x.n) FILTER (WHERE x.light = 'blue') AS blue, sum(x.n) FILTER (WHERE x.rule = 'report') AS reports,
                   sum(x.n) FILTER (WHERE x.rule = 'return') AS returns, sum(x.exits) AS exits
               FROM registry.alerts_open(p_account) x GROUP BY 1) a ON a.office = o.code
    LEFT JOIN registry.protections_expiring(p_account) t ON t.office = o.code
    LEFT JOIN registry.matters_overdue(p_account) m ON m.office = o.code
    WHERE o.code = p_office OR p_office IS NULL AND (p.n > 0 OR a.office IS NOT NULL OR m.n > 0);
END $$;

-- ---------------------------------------------------------------- clocks as people ask for them

CREATE FUNCTION registry.clock_reply(p_account int, p_lang text) RETURNS api.clock_reply LANGUAGE plpgsql STABLE AS $$
DECLARE
    r api.clock_reply;
BEGIN
    SELECT ROW(c.day::text, c.began_at, c.done_at, c.projects, c.opened, c.changed, c.cleared)::api.run INTO r.run FROM registry.clock c;
    r.rule_set := (SELECT s.name FROM registry.rule_set s WHERE s.in_force);
    r.rules := (SELECT array_agg(ROW(c.rule, registry.code_label(p_lang, 'alert_rule', c.rule), c.stages, c.start, c.met, c.unit, c.blue, c.yellow, c.red, c.exit,
            coalesce(a.n, 0))::api.clock_rule ORDER BY (SELECT k.rank FROM registry.code k WHERE k.kind = 'alert_rule' AND k.code = c.rule), c.rule)
        FROM registry.clock_rule c LEFT JOIN (SELECT x.rule, sum(x.n)::int AS n FROM registry.alerts_open(p_account) x GROUP BY 1) a ON a.rule = c.rule
        WHERE c.rule_set = registry.rule_set_in_force());
    RETURN r;
END $$;

CREATE FUNCTION api.clock_show(p_account int, p_lang text) RETURNS api.clock_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.clock_reply;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    END IF;
    RETURN registry.clock_reply(p_account, p_lang);
END $$;

-- A step of the run of today, over so many projects (default 20 000); begins one anew when it is over. Whoever asks again
-- with a new request goes on where it stands.
CREATE FUNCTION api.clock_run(p_account int, p_lang text, p_request text, p_digest bytea, "limit" int) RETURNS api.clock_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.clock_reply;
    e registry.entry := registry.seen(p_account, p_request);
    x record;
BEGIN
    r.error := registry.request_fault(p_lang, p_request, e, 'clock_run', p_digest, NULL);
    IF (r.error).code IS NULL AND e.op IS NULL AND NOT registry.may(p_account, 'county', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.county');
        PERFORM registry.keep_refusal(p_account, p_request, p_digest, 'clock_run', NULL, NULL, r.error);
    ELSIF (r.error).code IS NULL AND e.op IS NULL THEN
        x := registry.clock_step(least(greatest(coalesce("limit", 20000), 1), 100000), true, true);
        PERFORM registry.keep(p_account, p_request, p_digest, 'clock_run', NULL, 'OK', NULL, NULL, NULL, NULL, NULL);
        r := registry.clock_reply(p_account, p_lang);
        r.rev := CASE WHEN x.done > 0 THEN 0 END;
    ELSIF e.op IS NOT NULL AND (r.error).code IS NULL THEN
        IF e.status <> 'OK' THEN
            r.error := registry.refused_again(e);
        ELSE
            r := registry.clock_reply(p_account, p_lang);
        END IF;
        r.replayed := true;
    END IF;
    RETURN r;
END $$;
