-- SPDX-License-Identifier: Apache-2.0
-- Money that arrived: a ledger of single, dated, evidenced arrivals, never one number. What was approved counts, from that day.

-- How many times the smaller of two amounts the larger is; null = one of them isn't known.
CREATE FUNCTION registry.times_off(p_one bigint, p_other bigint) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_one > 0 AND p_other > 0 THEN greatest(p_one, p_other)::numeric / least(p_one, p_other) END
$$;

-- Which pair an amount of a project makes with another; an arrival's field has its kind before it.
CREATE FUNCTION registry.amount_pair(p_one text, p_amount bigint, p_other text, p_other_amount bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN starts_with(p_one, 'arrival.') AND starts_with(p_other, 'arrival.') THEN 'arrivals'
        WHEN NOT starts_with(p_one, 'arrival.') AND NOT starts_with(p_other, 'arrival.') THEN 'project'
        WHEN starts_with(p_one, 'arrival.') = (p_amount > p_other_amount) THEN 'arrival_more' ELSE 'arrival_less' END
$$;

-- Amounts of a project, and of its arrivals that stand, but for one.
CREATE FUNCTION registry.amounts_of(p registry.project, p_but text DEFAULT NULL) RETURNS TABLE (n int, field text, amount bigint) LANGUAGE sql STABLE AS $$
    SELECT v.* FROM (VALUES (1, 'project.amount_total', p.amount_total::bigint), (2, 'project.amount_fixed', p.amount_fixed), (3, 'project.amount_outside', p.amount_outside),
        (4, 'project.amount_agreed', p.amount_agreed), (5, 'project.amount_filed', p.amount_filed)) v(n, field, amount)
    UNION ALL SELECT 6, 'arrival.amount_arrived', a.amount_arrived FROM registry.arrival a
        WHERE a.project = p.id AND a.id IS DISTINCT FROM p_but AND a.state IN ('reported', 'approved')
$$;

-- One of these amounts that is off another by so much that one of them may be 万元 taken for 元: both, and the rule; null = none. In fields
-- of the finding: the one's field, its value; sentences take the other's and its value as $3 and $4, how many times, rule set, bounds.
-- An amount of the project is held against the largest arrival: a small one may be a deposit.
CREATE FUNCTION registry.amount_odd(p registry.project, p_but text, p_fields text[], p_amounts bigint[]) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT registry.bad(split_part(u.field, '.', 2), registry.yuan(u.amount), 'odd.amount', '@field:' || x.field, registry.yuan(x.amount),
        round(registry.times_off(u.amount, x.amount))::text, r.name, trim_scale(r.least)::text, trim_scale(r.most)::text)
    FROM unnest(p_fields, p_amounts) WITH ORDINALITY u(field, amount, i) JOIN registry.amounts_of(p, p_but) x ON x.field <> u.field OR x.field ~ '^arrival'
    JOIN (SELECT DISTINCT ON (a.pair) a.*, s.name FROM registry.amount_rule a JOIN registry.rule_set s ON s.id = a.rule_set
          WHERE s.in_force OR s.id = 1 ORDER BY a.pair, s.in_force DESC) r ON r.pair = registry.amount_pair(u.field, u.amount, x.field, x.amount)
    WHERE registry.times_off(u.amount, x.amount) BETWEEN r.least AND r.most
      AND (x.n < 6 OR starts_with(u.field, 'arrival.') OR x.amount = (SELECT max(m.amount) FROM registry.amounts_of(p, p_but) m WHERE m.n = 6))
    ORDER BY u.i, x.n, x.amount LIMIT 1);
END $$;

-- An amount of a project that a change makes odd beside its others, and its arrivals; null = none.
CREATE FUNCTION registry.project_odd(b registry.project, n registry.project) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    fields text[];
    amounts bigint[];
    arrived CONSTANT bigint := (SELECT max(a.amount_arrived) FROM registry.arrival a WHERE a.project = n.id AND a.state IN ('reported', 'approved'));
    low CONSTANT bigint := least(nullif(n.amount_total, 0), nullif(n.amount_fixed, 0), nullif(n.amount_outside, 0), nullif(n.amount_agreed, 0), nullif(n.amount_filed, 0), arrived);
    high CONSTANT bigint := greatest(n.amount_total, n.amount_fixed, n.amount_outside, n.amount_agreed, n.amount_filed, arrived);
BEGIN
    IF high < (SELECT min(a.least) FROM registry.amount_rule a) * low THEN
        RETURN NULL; -- as nearly always: no two are so far apart
    END IF;
    SELECT array_agg(y.field ORDER BY y.n), array_agg(y.amount ORDER BY y.n) INTO fields, amounts
    FROM registry.amounts_of(n) y JOIN registry.amounts_of(b) x ON x.field = y.field AND y.n < 6
    WHERE y.amount > 0 AND x.amount IS DISTINCT FROM y.amount;
    RETURN CASE WHEN fields IS NOT NULL THEN registry.amount_odd(n, NULL, fields, amounts) END;
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

-- Money that seems to be here twice: another arrival that stands, of whichever project, has the same voucher, day and amount; null = none. As of
-- duplicates of projects it tells the number, the office and the day.
CREATE FUNCTION registry.voucher_odd(n registry.arrival) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT registry.bad('voucher', n.voucher, 'odd.voucher', p.no, '@office:' || a.office, n.arrived_on, registry.yuan(n.amount_arrived))
        FROM registry.arrival a JOIN registry.project p ON p.id = a.project
        WHERE (a.voucher, a.arrived_on, a.amount_arrived) = (n.voucher, n.arrived_on, n.amount_arrived) AND a.id IS DISTINCT FROM n.id
          AND a.state IN ('reported', 'approved') ORDER BY a.project = n.project DESC, a.id LIMIT 1);
END $$;

-- What was reported, as it must be.
CREATE FUNCTION registry.arrival_reported(p_account int, b registry.arrival, n registry.arrival) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    today CONSTANT text := registry.today()::text;
    odd registry.finding := CASE WHEN n.amount_arrived IS DISTINCT FROM b.amount_arrived THEN
        registry.amount_odd(registry.project_find(n.project), n.id, '{arrival.amount_arrived}', ARRAY[n.amount_arrived]) END;
BEGIN
    odd := CASE WHEN odd.code IS NULL AND (n.voucher, n.arrived_on, n.amount_arrived, n.state) IS DISTINCT FROM (b.voucher, b.arrived_on, b.amount_arrived, b.state)
        THEN registry.voucher_odd(n) ELSE odd END;
    RETURN CASE WHEN n.amount_arrived = 0 THEN registry.bad('amount_arrived', '0', 'arrival.zero')
        WHEN n.arrived_on > left(today, length(n.arrived_on)) THEN registry.bad('arrived_on', n.arrived_on, 'day.future')
        WHEN (n.currency <> 'CNY') <> (n.amount_foreign IS NOT NULL) THEN registry.bad('amount_foreign', NULL, 'arrival.foreign')
        WHEN n.office <> b.office AND NOT registry.may(p_account, 'write', n.office) THEN registry.fault('PERMISSION_DENIED', 'office', 'may.write')
        ELSE odd END;
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
