-- SPDX-License-Identifier: Apache-2.0
-- Monthly returns: an office says how its leads, orders, intentions, talks and signings stand; the registry counts them, dates the
-- return, and shows whose is late or missing.

CREATE FUNCTION registry.return_rule_in_force() RETURNS registry.return_rule LANGUAGE plpgsql STABLE AS $$
DECLARE
    r registry.return_rule;
BEGIN
    SELECT * INTO r FROM registry.return_rule x WHERE x.rule_set = registry.rule_set_in_force();
    RETURN r;
END $$;

CREATE FUNCTION registry.return_due_on(p_period text, p_due_day int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT ((p_period || '-01')::date + interval '1 month' + (p_due_day - 1) * interval '1 day')::date::text
$$;

-- Returns that are expected by today or may be filed already, of two years at most, since the clocks ran first (setting
-- returns.since).
CREATE FUNCTION registry.returns_due(p_today date) RETURNS TABLE (office text, name text, period text, due_on text, filed_on text, rank int)
LANGUAGE sql STABLE AS $$
    SELECT o.code, o.name, m.period, registry.return_due_on(m.period, r.due_day), x.filed_on, o.rank
    FROM registry.return_rule r JOIN registry.rule_set s ON s.id = r.rule_set AND s.in_force
    CROSS JOIN LATERAL (SELECT to_char(g, 'YYYY-MM') AS period FROM generate_series(
        greatest((SELECT (v.value || '-01')::date FROM registry.setting v WHERE v.key = 'returns.since'), (p_today - interval '24 months')::date),
        CASE WHEN extract(day FROM p_today) >= r.opens_day THEN p_today ELSE p_today - interval '1 month' END, interval '1 month') g) m
    JOIN registry.office o ON o.kind = ANY (r.kinds) AND o.until_on IS NULL
    LEFT JOIN registry."return" x ON x.office = o.code AND x.period = m.period
$$;

CREATE FUNCTION registry.return_may(p_account int, p_op text, b registry."return", p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding := registry.unless_may(p_account, 'write', b.office);
BEGIN
    IF f.code IS NULL AND p_op = 'return_set' AND b.version = 0 THEN
        f := registry.fault('FAILED_PRECONDITION', NULL, 'return.file');
    END IF;
    RETURN f;
END $$;

-- Fields of objects that were changed at p_at or later, as they were before: the journal's old value of the first such change. What was
-- made later was nothing. p_fields: 'kind.field'.
CREATE FUNCTION registry.as_it_was(p_at timestamptz, p_fields text[]) RETURNS TABLE (kind text, object text, was jsonb)
LANGUAGE sql STABLE AS $$
    SELECT x.kind, x.object, jsonb_object_agg(x.name, x.old)
    FROM (SELECT DISTINCT ON (c.object, f.name) c.kind, c.object, f.name, w.value ->> 0 AS old
          FROM registry.entry e JOIN registry.change c ON c.grp = e.grp AND c.ord = e.ord
          CROSS JOIN LATERAL jsonb_each(c.fields) w JOIN registry.field f ON f.kind = c.kind AND f.number = w.key::int
          WHERE e.at >= p_at AND e.grp IS NOT NULL AND c.kind || '.' || f.name = ANY (p_fields)
          ORDER BY c.object, f.name, c.version) x GROUP BY 1, 2
$$;

-- What an office had of each list, and what moved in that month: as it stood when the month ended, or, before that, when it files.
-- A return keeps these figures for good.
CREATE FUNCTION registry.return_counts(INOUT n registry."return") LANGUAGE plpgsql STABLE AS $$
DECLARE
    first CONSTANT text := n.period || '-01';
    last CONSTANT date := registry.ymd_last(n.period);
BEGIN
    WITH was AS MATERIALIZED (SELECT * FROM registry.as_it_was(registry.day_begins(last + 1),
        '{project.office,project.stage,alert.office,alert.state,alert.light,matter.office,matter.state}')),
    projects AS (SELECT p.id, p.stage FROM registry.project p WHERE p.office = n.office AND p.id NOT IN (SELECT w.object FROM was w)
        UNION ALL SELECT o.id, o.stage FROM was w JOIN registry.project p ON w.kind = 'project' AND p.id = w.object
        CROSS JOIN LATERAL jsonb_populate_record(p, w.was) o WHERE o.office = n.office),
    alerts AS (SELECT a.light FROM registry.alert a WHERE a.office = n.office AND a.state = 'open' AND a.project IS NOT NULL AND a.id NOT IN (SELECT w.object FROM was w)
        UNION ALL SELECT o.light FROM was w JOIN registry.alert a ON w.kind = 'alert' AND a.id = w.object
        CROSS JOIN LATERAL jsonb_populate_record(a, w.was) o WHERE o.office = n.office AND o.state = 'open' AND o.project IS NOT NULL),
    orders AS (SELECT m.state FROM registry.matter m WHERE m.office = n.office AND m.class = 'assignment' AND m.id NOT IN (SELECT w.object FROM was w)
        UNION ALL SELECT o.state FROM was w JOIN registry.matter m ON w.kind = 'matter' AND m.id = w.object
        CROSS JOIN LATERAL jsonb_populate_record(m, w.was) o WHERE o.office = n.office AND o.class = 'assignment')
    SELECT p.*, a.*, (SELECT count(*) FROM orders m WHERE registry.matter_is_open(m.state))
    INTO n.leads, n.intents, n.talks, n.signed, n.active, n.yellow, n.red, n.assigned
    FROM (SELECT count(*) FILTER (WHERE p.stage = 'lead'), count(*) FILTER (WHERE p.stage = 'intent'), count(*) FILTER (WHERE p.stage = 'talks'),
              count(*) FILTER (WHERE p.stage = 'signed'), count(*) FILTER (WHERE p.stage NOT IN ('exited', 'suspended') AND (
                  EXISTS (SELECT FROM registry.activity a WHERE a.project = p.id AND a.held_on BETWEEN first AND last::text)
                  OR EXISTS (SELECT FROM registry.stage_event e WHERE e.project = p.id AND e.happened_on BETWEEN first AND last::text)))
          FROM projects p) p,
        (SELECT count(*) FILTER (WHERE a.light = 'yellow'), count(*) FILTER (WHERE a.light = 'red') FROM alerts a) a;
END $$;

CREATE FUNCTION registry.return_rules(p_account int, p_op text, b registry."return", INOUT n registry."return", OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    r CONSTANT registry.return_rule := registry.return_rule_in_force();
    today CONSTANT date := registry.today();
    opens text;
    before registry."return";
BEGIN
    IF b.version > 0 THEN
        IF (n.office, n.period) IS DISTINCT FROM (b.office, b.period) THEN
            fault := registry.bad(CASE WHEN n.office <> b.office THEN 'office' ELSE 'period' END, n.period, 'return.fixed');
        END IF;
        RETURN;
    ELSIF r.rule_set IS NULL THEN
        fault := registry.fault('FAILED_PRECONDITION', NULL, 'rule.none');
    ELSIF NOT EXISTS (SELECT FROM registry.office o WHERE o.code = n.office AND o.kind = ANY (r.kinds) AND o.until_on IS NULL) THEN
        fault := registry.fault('FAILED_PRECONDITION', 'office', 'return.kind', registry.code_label('zh', 'office', n.office));
    ELSIF n.period IS NULL OR n.period !~ '^20[0-9]{2}-(0[1-9]|1[0-2])$' OR n.period < to_char(today - interval '24 months', 'YYYY-MM') THEN
        fault := registry.bad('period', n.period, 'return.period');
    END IF;
    IF fault.code IS NOT NULL THEN
        RETURN;
    END IF;
    opens := n.period || '-' || lpad(r.opens_day::text, 2, '0');
    SELECT * INTO before FROM registry."return" x WHERE x.office = n.office AND x.period = n.period;
    IF today::text < opens THEN
        fault := registry.fault('FAILED_PRECONDITION', 'period', 'return.early', n.period, opens);
    ELSIF before.id IS NOT NULL THEN
        fault := registry.fault('FAILED_PRECONDITION', 'period', 'return.twice', n.period, '@account:' || before.actor, before.filed_on);
    END IF;
    n.due_on := registry.return_due_on(n.period, r.due_day);
    n.filed_on := today::text;
    n.state := CASE WHEN n.filed_on > n.due_on THEN 'late' ELSE 'filed' END;
    n.days_late := nullif(greatest(today - n.due_on::date, 0), 0);
    n.actor := registry.account_code(p_account);
    n := registry.return_counts(n);
END $$;

-- A return that came puts its alert out.
CREATE FUNCTION registry.return_effects(p_account int, p_op text, b registry."return", n registry."return") RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE registry.alert a SET state = 'cleared', cleared_on = registry.today()::text
    WHERE a.state = 'open' AND a.project IS NULL AND a.rule = 'return' AND a.office = n.office AND a.period = n.period;
END $$;

SELECT registry.generate_record('return', '-period');

CREATE FUNCTION api.return_file(p_account int, p_lang text, p_request text, p_digest bytea, period text, office text, note text)
RETURNS api.return_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.return_change(p_account, p_lang, p_request, p_digest, NULL, 'return_file', NULL,
        jsonb_strip_nulls(jsonb_build_object('period', period, 'office', office, 'note', note)), NULL, NULL, false);
END $$;

-- Which returns are expected of whom, and how it stands with them; how many projects' reports are overdue.
CREATE FUNCTION api.return_due(p_account int, p_lang text, office text, "all" boolean) RETURNS api.return_due_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.return_due_reply;
    today CONSTANT date := registry.today();
    of_office CONSTANT text := registry.resolve('office', btrim(office));
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
    ELSIF office IS NOT NULL AND of_office IS NULL THEN
        r.error := registry.error_of(p_lang, 'return', ROW('INVALID_ARGUMENT', 'office', office, 'code.unknown', NULL, NULL, NULL, NULL, NULL));
    ELSE
        SELECT array_agg(ROW(x.office, x.name, x.period, x.due_on, x.filed_on, x.state, x.days, coalesce(a.n, 0), a.oldest)::api.return_due
                         ORDER BY x.period DESC, x.rank, x.office) INTO r.rows
        FROM (SELECT d.*, CASE WHEN d.filed_on > d.due_on THEN 'late' WHEN d.filed_on IS NOT NULL THEN 'filed'
                  WHEN today::text > d.due_on THEN 'missing' ELSE 'open' END AS state,
                  nullif(greatest(coalesce(d.filed_on::date, today) - d.due_on::date, 0), 0) AS days
              FROM registry.returns_due(today) d WHERE of_office IS NULL OR d.office = of_office
              ORDER BY d.period DESC LIMIT 400) x
        LEFT JOIN registry.reports_overdue(p_account) a ON a.office = x.office
        WHERE return_due."all" IS TRUE OR x.state <> 'filed';
    END IF;
    RETURN r;
END $$;
