-- SPDX-License-Identifier: Apache-2.0
-- Money that arrived: a ledger of single, dated, evidenced arrivals, never one number. What was approved counts, from that day.

-- Is one about 10 000 times the other?
CREATE FUNCTION registry.is_odd(p_one bigint, p_other bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_one > 0 AND p_other > 0 AND greatest(p_one, p_other)::numeric / least(p_one, p_other) BETWEEN 8000 AND 12500
$$;

-- Another amount of the project that p_amount is about 10 000 times of, or the reverse: somebody took 万元 for 元. Null = none.
CREATE FUNCTION registry.amount_odd(p_project text, p_amount bigint, p_but text DEFAULT NULL, OUT field text, OUT amount bigint)
LANGUAGE sql STABLE AS $$
    SELECT x.field, x.amount
    FROM (SELECT v.n, 'project.' || v.field, v.amount FROM registry.project p CROSS JOIN LATERAL (VALUES (1, 'amount_total', p.amount_total::bigint),
              (2, 'amount_fixed', p.amount_fixed), (3, 'amount_outside', p.amount_outside), (4, 'amount_agreed', p.amount_agreed),
              (5, 'amount_filed', p.amount_filed)) v(n, field, amount) WHERE p.id = p_project
          UNION ALL SELECT 6, 'arrival.amount_arrived', a.amount_arrived FROM registry.arrival a
              WHERE a.project = p_project AND a.id IS DISTINCT FROM p_but AND a.state IN ('reported', 'approved')) x(n, field, amount)
    WHERE registry.is_odd(p_amount, x.amount)
    ORDER BY x.n, x.amount LIMIT 1
$$;

-- An amount of a project that a change makes odd beside its others; null = none.
CREATE FUNCTION registry.project_odd(b registry.project, n registry.project) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    x record;
BEGIN
    WITH a(i, field, old, new) AS (VALUES (1, 'amount_total', b.amount_total::bigint, n.amount_total::bigint), (2, 'amount_fixed', b.amount_fixed, n.amount_fixed),
        (3, 'amount_outside', b.amount_outside, n.amount_outside), (4, 'amount_agreed', b.amount_agreed, n.amount_agreed), (5, 'amount_filed', b.amount_filed, n.amount_filed))
    SELECT o.field, o.new, y.field AS beside, y.new AS amount INTO x FROM a o JOIN a y ON y.i <> o.i AND registry.is_odd(o.new, y.new)
    WHERE o.old IS DISTINCT FROM o.new ORDER BY o.i, y.i LIMIT 1;
    RETURN CASE WHEN x.field IS NOT NULL THEN registry.bad(x.field, registry.yuan(x.new), 'odd.amount', '@field:project.' || x.beside, registry.yuan(x.amount)) END;
END $$;

-- What has arrived and counts, in fen of yuan; up to a day, if one is given.
CREATE FUNCTION registry.arrived(p_project text, p_until text DEFAULT NULL) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(a.amount_arrived), 0)::bigint FROM registry.arrival a
    WHERE a.project = p_project AND a.state = 'approved' AND (p_until IS NULL OR a.counted_on <= p_until)
$$;

CREATE FUNCTION registry.arrival_may(p_account int, p_op text, b registry.arrival, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding;
BEGIN
    IF p_op = 'arrival_backdate' THEN
        f := registry.unless_may(p_account, 'county', NULL);
    ELSIF p_op IN ('arrival_approve', 'arrival_reject') THEN
        f := registry.approve_fault(p_account, b.id, b.office);
    ELSIF p_op = 'arrival_withdraw' AND b.state = 'approved' THEN -- a visible correction, of who may approve
        f := registry.unless_may(p_account, 'approve', b.office);
    ELSE
        f := registry.unless_may(p_account, 'write', b.office);
    END IF;
    RETURN CASE WHEN f.code IS NOT NULL OR coalesce(b.version, 0) = 0 THEN f
        WHEN b.state <> ALL (CASE p_op WHEN 'arrival_set' THEN '{reported,rejected}' WHEN 'arrival_approve' THEN '{reported,rejected}'
                             WHEN 'arrival_reject' THEN '{reported}' ELSE '{reported,rejected,approved}' END::text[])
            THEN registry.no_move('arrival', b.id, b.state) END;
END $$;

-- What was reported, as it must be.
CREATE FUNCTION registry.arrival_reported(p_account int, b registry.arrival, n registry.arrival) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    today CONSTANT text := registry.today()::text;
    odd record;
BEGIN
    SELECT * INTO odd FROM registry.amount_odd(n.project, n.amount_arrived, n.id);
    RETURN CASE WHEN n.amount_arrived = 0 THEN registry.bad('amount_arrived', '0', 'arrival.zero')
        WHEN n.arrived_on > left(today, length(n.arrived_on)) THEN registry.bad('arrived_on', n.arrived_on, 'day.future')
        WHEN (n.currency <> 'CNY') <> (n.amount_foreign IS NOT NULL) THEN registry.bad('amount_foreign', NULL, 'arrival.foreign')
        WHEN n.office <> b.office AND NOT registry.may(p_account, 'write', n.office) THEN registry.fault('PERMISSION_DENIED', 'office', 'may.write')
        WHEN odd.field IS NOT NULL AND n.amount_arrived IS DISTINCT FROM b.amount_arrived THEN registry.bad('amount_arrived',
            registry.yuan(n.amount_arrived), 'odd.amount', '@field:' || odd.field, registry.yuan(odd.amount)) END;
END $$;

-- To be approved it needs what the rules say of arrivals.
CREATE FUNCTION registry.arrival_missing(n registry.arrival) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    missing CONSTANT text[] := registry.stage_missing(registry.project_find(n.project), 'arrival', n.evidence, true);
    f registry.finding;
BEGIN
    IF missing IS NOT NULL THEN
        f := registry.fault('FAILED_PRECONDITION', 'evidence', 'step.need', registry.rules_name(), '@need:arrival', array_to_string(missing, ','));
        f.allowed := registry.missing_words(missing);
    END IF;
    RETURN f;
END $$;

CREATE FUNCTION registry.arrival_rules(p_account int, p_op text, b registry.arrival, INOUT n registry.arrival, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF p_op IN ('arrival_set', 'arrival_backdate') THEN
        n.currency := coalesce(n.currency, 'CNY');
        n.actor := coalesce(b.actor, registry.account_code(p_account));
        n.state := 'reported'; -- changed after a refusal: looked at anew
        fault := registry.required_fault('arrival', to_jsonb(n));
        fault := CASE WHEN fault.code IS NOT NULL THEN fault ELSE registry.arrival_reported(p_account, b, n) END;
        IF p_op = 'arrival_backdate' THEN
            fault := CASE WHEN fault.code IS NOT NULL THEN fault ELSE registry.opening_fault(n.project, n.arrived_on, 'arrived_on', n.note) END;
            n.opening := true;
            n.state := 'approved';
            n.decided_actor := n.actor;
            n.decided_at := registry.now();
            n.counted_on := n.arrived_on;
        END IF;
        RETURN;
    END IF;
    n.state := CASE p_op WHEN 'arrival_approve' THEN 'approved' WHEN 'arrival_reject' THEN 'rejected' ELSE 'withdrawn' END;
    n.decided_actor := registry.account_code(p_account);
    n.decided_at := registry.now();
    n.counted_on := CASE n.state WHEN 'approved' THEN registry.today()::text END;
    n.evidence := CASE n.state WHEN 'approved' THEN registry.evidence_for(n.id) ELSE n.evidence END;
    fault := CASE WHEN n.state = 'approved' THEN registry.arrival_missing(n)
        WHEN n.note IS NULL THEN registry.fault('INVALID_ARGUMENT', 'reason', 'step.reason') END;
END $$;

SELECT registry.generate_record('arrival', '-arrived_on');

CREATE FUNCTION registry.arrival_decide(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, p_op text, p_id text,
    p_reason text) RETURNS api.arrival_reply LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    note CONSTANT text := nullif(left(btrim(p_reason), 500), '');
BEGIN
    RETURN registry.arrival_change(p_account, p_lang, p_request, p_digest, p_base, p_op, p_id, NULL,
        CASE WHEN note IS NOT NULL OR p_op <> 'arrival_approve' THEN jsonb_build_object('note', note) END, p_reason, NULL);
END $$;

CREATE FUNCTION api.arrival_approve(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, reason text)
RETURNS api.arrival_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.arrival_decide(p_account, p_lang, p_request, p_digest, p_base, 'arrival_approve', id, reason);
END $$;

CREATE FUNCTION api.arrival_reject(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, reason text)
RETURNS api.arrival_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.arrival_decide(p_account, p_lang, p_request, p_digest, p_base, 'arrival_reject', id, reason);
END $$;

CREATE FUNCTION api.arrival_withdraw(p_account int, p_lang text, p_request text, p_digest bytea, p_base bigint, id text, reason text)
RETURNS api.arrival_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.arrival_decide(p_account, p_lang, p_request, p_digest, p_base, 'arrival_withdraw', id, reason);
END $$;
