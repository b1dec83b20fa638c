-- SPDX-License-Identifier: Apache-2.0
DO $$
DECLARE
    f regprocedure;
    t regtype;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace IN ('api'::regnamespace, 'registry'::regnamespace) LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
    FOR t IN SELECT oid FROM pg_type WHERE typnamespace = 'api'::regnamespace AND typtype = 'c' LOOP
        EXECUTE format('GRANT USAGE ON TYPE %s TO qipan_daemon', t);
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA api TO qipan_daemon;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA api TO qipan_daemon;
