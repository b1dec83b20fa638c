-- SPDX-License-Identifier: Apache-2.0
-- Row security guards the read-only role only: the owner's functions decide for everybody else (registry.may).
GRANT USAGE ON SCHEMA registry TO qipan_reader;
GRANT SELECT ON registry.office, registry.code, registry.rule_set, registry.stage, registry.transition,
    registry.project, registry.enterprise, registry.stage_event, registry.txn, registry.change, registry.project_report
    TO qipan_reader;
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['project', 'enterprise', 'stage_event', 'txn', 'change'] LOOP
        EXECUTE format('ALTER TABLE registry.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY %I ON registry.%I FOR SELECT TO qipan_reader USING (true)', t || '_reader', t);
    END LOOP;
END $$;
