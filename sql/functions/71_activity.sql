-- SPDX-License-Identifier: Apache-2.0
-- Talks, visits and trips: written by the office that went, about any project its people may see.

CREATE FUNCTION registry.activity_may(p_account int, p_op text, b registry.activity, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.unless_may(p_account, 'write', b.office);
END $$;

CREATE FUNCTION registry.activity_rules(p_account int, p_op text, b registry.activity, INOUT n registry.activity,
    OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    today CONSTANT text := registry.today()::text;
BEGIN
    n.actor := coalesce(b.actor, registry.account_code(p_account));
    IF n.held_on > left(today, length(n.held_on)) THEN
        fault := registry.bad('held_on', n.held_on, 'activity.future');
    ELSIF (n.next_step IS NULL) <> (n.next_on IS NULL) THEN
        fault := registry.fault('INVALID_ARGUMENT', CASE WHEN n.next_on IS NULL THEN 'next_on' ELSE 'next_step' END, 'activity.next');
    ELSIF n.office <> b.office AND NOT registry.may(p_account, 'write', n.office) THEN
        fault := registry.fault('PERMISSION_DENIED', 'office', 'may.write');
    END IF;
END $$;

SELECT registry.generate_record('activity', '-held_on');
