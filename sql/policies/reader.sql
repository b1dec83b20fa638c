-- SPDX-License-Identifier: Apache-2.0
-- Row security guards the read-only role only: the owner's functions decide for everybody else. It sees what every reader of
-- the county sees: no restricted project, nothing that was written about one while it was.
GRANT USAGE ON SCHEMA registry TO qipan_reader;
GRANT SELECT ON registry.office, registry.code, registry.rule_set, registry.stage, registry.transition,
    registry.project, registry.enterprise, registry.stage_event, registry.txn, registry.change, registry.project_report
    TO qipan_reader;
DO $$
DECLARE
    x record;
BEGIN
    FOR x IN SELECT * FROM (VALUES
        ('project', $s$audience = '{1}'$s$),
        ('enterprise', 'true'),
        ('stage_event', 'EXISTS (SELECT FROM registry.project p WHERE p.id = project)'), -- under its own policy
        ('txn', 'true'),
        ('change', $s$audience = '{1}' AND audience_old IS NULL AND (kind = 'enterprise'
            OR kind = 'project' AND EXISTS (SELECT FROM registry.project p WHERE p.id = object))$s$)) v(tab, seen) LOOP
        EXECUTE format('ALTER TABLE registry.%I ENABLE ROW LEVEL SECURITY', x.tab);
        EXECUTE format('CREATE POLICY %I ON registry.%I FOR SELECT TO qipan_reader USING (%s)', x.tab || '_reader', x.tab, x.seen);
    END LOOP;
END $$;
