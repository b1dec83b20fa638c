-- SPDX-License-Identifier: Apache-2.0
-- Parks and plots are laid out by the county alone; the land a project waits for is the office's that clears it.

-- ---------------------------------------------------------------- parks

CREATE FUNCTION registry.park_may(p_account int, p_op text, b registry.park, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.unless_may(p_account, 'county', NULL);
END $$;

CREATE FUNCTION registry.park_rules(p_account int, p_op text, b registry.park, INOUT n registry.park, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    unknown CONSTANT text := (SELECT t FROM unnest(n.trades) t WHERE registry.resolve('industry', t) IS NULL LIMIT 1);
BEGIN
    IF unknown IS NOT NULL THEN
        fault := registry.bad('trades', unknown, 'code.unknown');
        RETURN;
    END IF;
    n.trades := (SELECT array_agg(registry.resolve('industry', t) ORDER BY i) FROM unnest(n.trades) WITH ORDINALITY u(t, i));
    IF b.no <> n.no THEN
        fault := registry.fault('INVALID_ARGUMENT', 'no', 'park.fixed');
    ELSIF n.no !~ '^[a-z][a-z0-9_-]{0,39}$' THEN
        fault := registry.bad('no', n.no, 'park.code');
    ELSIF EXISTS (SELECT FROM registry.park x WHERE (x.no = n.no OR x.name = n.name) AND x.id IS DISTINCT FROM n.id) THEN
        fault := registry.fault('ALREADY_EXISTS', CASE WHEN n.no = ANY (ARRAY(SELECT x.no FROM registry.park x WHERE x.id IS DISTINCT FROM n.id))
            THEN 'no' ELSE 'name' END, 'park.twin', n.name);
    END IF;
END $$;

-- Projects name parks by their codes.
CREATE FUNCTION registry.park_effects(p_account int, p_op text, b registry.park, n registry.park) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO registry.code AS c (kind, code, zh, made_by) VALUES ('park', n.no, n.name, n.id)
    ON CONFLICT (kind, code) DO UPDATE SET zh = excluded.zh, active = true, made_by = CASE WHEN c.active THEN c.made_by ELSE excluded.made_by END;
END $$;

-- One that is taken back takes its code along.
CREATE FUNCTION registry.park_gone(b registry.park) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE registry.code c SET active = false WHERE c.kind = 'park' AND c.made_by = b.id;
END $$;

SELECT registry.generate_record('park', 'no');

-- Does a trade belong to a park's leading ones? A park without any takes all; a trade nobody knows fits nowhere for certain: null.
CREATE FUNCTION registry.trade_fits(p_industry text, p_trades text[]) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN coalesce(cardinality(p_trades), 0) = 0 THEN true
        ELSE (SELECT bool_or(starts_with(p_industry, t)) FROM unnest(p_trades) t) END
$$;

CREATE TYPE api.park_state AS (
    park text, name text, office text, area_mu text, plots int, free_mu text, reserved_mu text, taken_mu text, idle_mu text,
    free_m2 text, projects int
);
CREATE TYPE api.park_state_reply AS (error api.error, rows api.park_state[]);

-- Right: read. What each park has, is free and is used: sums over its plots; projects are those the caller sees.
CREATE FUNCTION api.park_state(p_account int, p_lang text, park text) RETURNS api.park_state_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.park_state_reply;
    one CONSTANT text := registry.resolve('park', btrim(park_state.park));
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
    ELSIF btrim(park_state.park) <> '' AND one IS NULL THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'park', 'park.none', park_state.park);
    ELSE
        r.rows := (SELECT array_agg(ROW(c.code, c.zh, k.office, trim_scale(k.area_mu), s.n, s.free, s.reserved, s.taken, s.idle, s.floor,
                (SELECT count(*) FROM registry.project p WHERE p.park = c.code AND p.stage <> 'exited' AND p.merged_into IS NULL
                    AND p.audience && registry.grants(p_account)))::api.park_state
                ORDER BY c.rank, c.code)
            FROM registry.code c LEFT JOIN registry.park k ON k.no = c.code
            CROSS JOIN LATERAL (SELECT count(*)::int AS n, trim_scale(sum(l.area_mu) FILTER (WHERE l.state = 'free')) AS free,
                trim_scale(sum(l.area_mu) FILTER (WHERE l.state = 'reserved')) AS reserved,
                trim_scale(sum(l.area_mu) FILTER (WHERE l.state = 'taken')) AS taken,
                trim_scale(sum(l.area_mu) FILTER (WHERE l.state = 'idle')) AS idle,
                trim_scale(sum(l.floor_m2) FILTER (WHERE l.state = 'free')) AS floor
                FROM registry.plot l WHERE l.park = c.code) s
            WHERE c.kind = 'park' AND c.active AND (one IS NULL OR c.code = one));
    END IF;
    RETURN r;
END $$;

CREATE TYPE api.park_fit AS (park text, name text, fits boolean, trades text[], free_mu text, free_m2 text, enough boolean, amount_per_mu bigint);
CREATE TYPE api.park_fit_reply AS (error api.error, rows api.park_fit[]);

-- Right: read. Parks for a project, those that fit first: its trade among the leading ones, room enough, investment by mu
-- as asked for (enough: null where the project doesn't say).
CREATE FUNCTION api.park_fit(p_account int, p_lang text, project text) RETURNS api.park_fit_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.park_fit_reply;
    p CONSTANT registry.project := registry.project_seen(p_account, park_fit.project);
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
    ELSIF p.id IS NULL THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'project', 'project.none', park_fit.project);
    ELSE
        r.rows := (SELECT array_agg(ROW(k.no, k.name, x.fits, k.trades, trim_scale(x.mu), trim_scale(x.m2), x.enough, k.amount_per_mu)::api.park_fit
                ORDER BY x.fits DESC NULLS LAST, x.enough DESC NULLS LAST, x.mu DESC NULLS LAST, k.no)
            FROM registry.park k CROSS JOIN LATERAL (SELECT registry.trade_fits(p.industry, k.trades) AS fits,
                sum(l.area_mu) AS mu, sum(l.floor_m2) AS m2,
                CASE WHEN k.amount_per_mu IS NULL OR p.land_mu > 0 AND p.amount_fixed IS NOT NULL THEN
                    coalesce(k.amount_per_mu * p.land_mu <= p.amount_fixed, true) AND (p.land_mu IS NULL OR coalesce(sum(l.area_mu), 0) >= p.land_mu) END AS enough
                FROM registry.plot l WHERE l.park = k.no AND l.state = 'free') x);
        PERFORM registry.commit_here();
        PERFORM registry.audit_about(p_account, 'park_fit', p.id, NULL);
    END IF;
    RETURN r;
END $$;

-- ---------------------------------------------------------------- plots

CREATE FUNCTION registry.plot_may(p_account int, p_op text, b registry.plot, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding := registry.unless_may(p_account, 'county', NULL);
    last record;
BEGIN
    IF f.code IS NOT NULL OR b.version IS NULL
       OR p_op = 'plot_set' OR p_op = 'plot_assign' AND b.state IN ('free', 'idle', 'reserved')
       OR p_op = 'plot_free' AND b.state IN ('reserved', 'taken', 'idle') OR p_op = 'plot_idle' AND b.state IN ('free', 'taken') THEN
        RETURN f;
    END IF;
    SELECT e.actor, e.at INTO last FROM registry.change c JOIN registry.entry e ON e.grp = c.grp AND e.ord = c.ord
    WHERE c.object = b.id AND c.fields ? '7' ORDER BY c.version DESC LIMIT 1;
    RETURN registry.fault('FAILED_PRECONDITION', 'state', 'plot.state', registry.code_label(registry.lang(), 'plot_state', b.state), '@account:' || last.actor,
        registry.day(last.at));
END $$;

CREATE FUNCTION registry.plot_rules(p_account int, p_op text, b registry.plot, INOUT n registry.plot, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    n.state := coalesce(n.state, 'free');
    IF EXISTS (SELECT FROM registry.plot x WHERE x.park = n.park AND x.name = n.name AND x.id IS DISTINCT FROM n.id) THEN
        fault := registry.fault('ALREADY_EXISTS', 'name', 'plot.twin', registry.code_label(registry.lang(), 'park', n.park), n.name);
    ELSIF (CASE n.class WHEN 'workshop' THEN n.floor_m2 ELSE n.area_mu END) IS NULL THEN
        fault := registry.fault('INVALID_ARGUMENT', CASE n.class WHEN 'workshop' THEN 'floor_m2' ELSE 'area_mu' END, 'plot.class');
    ELSIF (n.measure IS NULL) <> (n.measure_on IS NULL) THEN
        fault := registry.fault('INVALID_ARGUMENT', CASE WHEN n.measure IS NULL THEN 'measure' ELSE 'measure_on' END, 'plot.measure');
    END IF;
END $$;

SELECT registry.generate_record('plot', 'name');

-- Null, or why a project's trade doesn't belong where the plot lies.
CREATE FUNCTION registry.plot_misfit(b registry.plot, p registry.project) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    k registry.park;
BEGIN
    SELECT * INTO k FROM registry.park x WHERE x.no = b.park;
    RETURN CASE WHEN NOT coalesce(registry.trade_fits(p.industry, k.trades), false) THEN registry.fault('FAILED_PRECONDITION', 'project', 'plot.misfit',
        coalesce(p.industry, '—'), k.name, array_to_string(k.trades, ' '),
        coalesce((SELECT string_agg(x.name, '、' ORDER BY x.no) FROM registry.park x WHERE registry.trade_fits(p.industry, x.trades)), '—')) END;
END $$;

-- Right: county. A project gets the plot, reserved or taken. Its trade must be one of the park's leading ones, or the caller
-- insists (force) and says why. Of one that is reserved: only for the project it is kept for.
CREATE FUNCTION api.plot_assign(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, project text,
    reserve boolean, reason text, force boolean) RETURNS api.plot_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    p CONSTANT registry.project := registry.project_seen(p_account, project);
    b CONSTANT registry.plot := registry.plot_seen(p_account, plot_assign.id);
    r api.plot_reply;
    f registry.finding;
BEGIN
    IF registry.may(p_account, 'county', NULL) AND b.id IS NOT NULL AND (registry.seen(p_account, p_request)).op IS NULL THEN
        f := CASE WHEN p.id IS NULL THEN registry.fault('NOT_FOUND', 'project', 'project.none', project)
            WHEN b.project <> p.id THEN registry.fault('FAILED_PRECONDITION', 'project', 'plot.state', registry.code_label(p_lang, 'plot_state', b.state), b.no, registry.day(b.changed_at))
            WHEN force IS NOT TRUE THEN registry.plot_misfit(b, p) END;
        IF f.code IS NOT NULL THEN
            r.error := registry.record_error(p_lang, 'plot', f);
            RETURN r;
        END IF;
    END IF;
    RETURN registry.plot_change(p_account, p_lang, p_request, p_digest, p_base, 'plot_assign', plot_assign.id, NULL,
        jsonb_build_object('project', p.id, 'no', p.no, 'state', CASE WHEN reserve THEN 'reserved' ELSE 'taken' END, 'idle_on', NULL, 'idle_reason', NULL),
        reason, force);
END $$;

-- Right: county. The plot is free again, or (idle) lies idle since a day, for a reason.
CREATE FUNCTION api.plot_free(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, reason text)
RETURNS api.plot_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.plot_change(p_account, p_lang, p_request, p_digest, p_base, 'plot_free', id, NULL,
        '{"project": null, "no": null, "state": "free", "idle_on": null, "idle_reason": null}', reason, NULL);
END $$;

CREATE FUNCTION api.plot_idle(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, "on" text, reason text)
RETURNS api.plot_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    day CONSTANT text := coalesce(nullif(btrim("on"), ''), registry.today()::text);
    r api.plot_reply;
BEGIN
    IF NOT registry.is_ymd(day) OR coalesce(btrim(reason), '') = '' THEN
        r.error := CASE WHEN registry.is_ymd(day) THEN registry.refusal(p_lang, 'INVALID_ARGUMENT', 'reason', 'force.reason')
            ELSE registry.refusal(p_lang, 'INVALID_ARGUMENT', 'on', 'ymd.form', registry.say(p_lang, 'label.on'), day) END;
        RETURN r;
    END IF;
    RETURN registry.plot_change(p_account, p_lang, p_request, p_digest, p_base, 'plot_idle', id, NULL,
        jsonb_build_object('state', 'idle', 'idle_on', day, 'idle_reason', reason), reason, NULL);
END $$;

-- What becomes of the plots of a project that came to a stage which ends it, as the rule set says of each state (plot_rule).
CREATE FUNCTION registry.plots_left(p_project text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE registry.plot l SET state = x.becomes,
        project = CASE x.becomes WHEN 'free' THEN NULL ELSE l.project END, no = CASE x.becomes WHEN 'free' THEN NULL ELSE l.no END,
        idle_on = CASE x.becomes WHEN 'idle' THEN registry.today()::text END, idle_reason = CASE x.becomes WHEN 'idle' THEN registry.say('zh', 'plot.left', l.no) END
    FROM (SELECT q.id, w.becomes FROM registry.project p JOIN registry.plot q ON q.project = p.id
          JOIN registry.plot_rule w ON w.rule_set = registry.rule_set_in_force() AND w.state = q.state
          WHERE p.id = p_project AND NOT registry.active(p.stage) ORDER BY q.id FOR NO KEY UPDATE OF q) x
    WHERE l.id = x.id;
END $$;

-- ---------------------------------------------------------------- land

CREATE FUNCTION registry.land_may(p_account int, p_op text, b registry.land, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.unless_may(p_account, 'write', b.office);
END $$;

CREATE FUNCTION registry.land_rules(p_account int, p_op text, b registry.land, INOUT n registry.land, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    n.state := coalesce(n.state, 'planned');
    IF (n.state = 'blocked') <> (n.blocker IS NOT NULL) THEN
        fault := registry.fault('INVALID_ARGUMENT', 'blocker', 'land.blocker');
    ELSIF (n.state = 'cleared') <> (n.done_on IS NOT NULL) THEN
        fault := registry.fault('INVALID_ARGUMENT', 'done_on', 'land.done');
    ELSIF n.office <> b.office AND NOT registry.may(p_account, 'write', n.office) THEN
        fault := registry.fault('PERMISSION_DENIED', 'office', 'may.write');
    END IF;
END $$;

SELECT registry.generate_record('land', 'due_on');
