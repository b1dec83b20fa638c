-- SPDX-License-Identifier: Apache-2.0
-- Who may do what. Run by a superuser at every migrate.
--   qipan_owner   owns both schemas; nobody logs in as it
--   qipan_daemon  executes api.* and nothing else
--   qipan_reader  reads the registry for reports, never contact data; row security guards it
DO $$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['qipan_owner NOLOGIN', 'qipan_daemon LOGIN', 'qipan_reader NOLOGIN'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = split_part(r, ' ', 1)) THEN
            EXECUTE 'CREATE ROLE ' || r || ' NOSUPERUSER NOCREATEDB NOCREATEROLE';
        END IF;
    END LOOP;
    EXECUTE format('GRANT CREATE, TEMPORARY, CONNECT ON DATABASE %I TO qipan_owner', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO qipan_daemon, qipan_reader', current_database());
END $$;
-- api.journal_unblock ends sessions of daemons that stopped in the middle of a group.
GRANT qipan_daemon TO qipan_owner;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
-- Advisory locks keep edits and changes of rights apart, and walkers from each other: whoever may take them may stop everybody.
DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ '^pg_(try_)?advisory_' LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO qipan_owner', f);
    END LOOP;
END $$;
-- SM3, for the chains of journal and audit.
CREATE SCHEMA IF NOT EXISTS crypto;
CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA crypto;
GRANT USAGE ON SCHEMA crypto TO qipan_owner;
-- Functions carry SET qipan.entry = ''.
GRANT SET ON PARAMETER "qipan.entry" TO qipan_owner;
-- Short statements with wide estimates: compiling them, or planning them anew at every call, costs many times what
-- running them does. A plan is kept as long as its link lives: one made while a table was empty must not read the
-- whole table for ever, so statements go by index wherever there is one (lists, planned each time, may choose).
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET jit = off', current_database());
    EXECUTE format('ALTER DATABASE %I SET plan_cache_mode = force_generic_plan', current_database());
    EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database());
END $$;
