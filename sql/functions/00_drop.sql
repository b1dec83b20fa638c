-- SPDX-License-Identifier: Apache-2.0
-- Functions, triggers and the schema api are made anew by every migrate that brings other ones, in one transaction.
-- What domains, indexes and stored keys (norm) rest on stays: it belongs to the migrations.
DO $$
DECLARE
    x record;
BEGIN
    FOR x IN SELECT t.tgname, t.tgrelid::regclass AS rel FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
             WHERE NOT t.tgisinternal AND c.relnamespace = 'registry'::regnamespace LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', x.tgname, x.rel);
    END LOOP;
    FOR x IN SELECT c.oid::regclass AS rel, p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
             WHERE c.relnamespace = 'registry'::regnamespace LOOP
        EXECUTE format('DROP POLICY %I ON %s', x.polname, x.rel);
    END LOOP;
    FOR x IN SELECT c.oid::regclass AS rel FROM pg_class c
             WHERE c.relkind = 'v' AND c.relnamespace = 'registry'::regnamespace LOOP
        EXECUTE format('DROP VIEW IF EXISTS %s CASCADE', x.rel);
    END LOOP;
    DROP SCHEMA IF EXISTS api CASCADE;
    FOR x IN SELECT p.oid::regprocedure AS f FROM pg_proc p
             WHERE p.pronamespace = 'registry'::regnamespace AND p.proname NOT IN ('norm') AND NOT EXISTS (
                 SELECT FROM pg_depend d WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid
                 AND d.classid IN ('pg_constraint'::regclass, 'pg_attrdef'::regclass, 'pg_class'::regclass)) LOOP
        EXECUTE format('DROP FUNCTION IF EXISTS %s CASCADE', x.f);
    END LOOP;
END $$;
CREATE SCHEMA api;
