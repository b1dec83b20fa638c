-- SPDX-License-Identifier: Apache-2.0
-- What an account's roles come to. Tokens, of grants and audiences:
--   0  nobody: projects whose import was taken back
--   1  any reader of business data      2  restricted projects anywhere     3  contact data anywhere
--   4  records of accounts and roles    16 + 4 × office.id  restricted projects of that office
--                                       17 + 4 × office.id  contact data of that office
CREATE FUNCTION registry.own_token(p_right text, p_office text) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT CASE p_right WHEN 'restricted' THEN 16 ELSE 17 END + 4 * o.id FROM registry.office o WHERE o.code = p_office);
END $$;

-- The audience of a project.
CREATE FUNCTION registry.project_audience(p_restricted boolean, p_office text) RETURNS int[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN p_restricted THEN ARRAY[2, registry.own_token('restricted', p_office)] ELSE '{1}' END;
END $$;

-- Did its batch, taken back, take it along?
CREATE FUNCTION registry.is_gone(p_object text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM registry.change c WHERE c.object = p_object AND c.version > 1 AND c.fields ? '1' AND c.kind <> 'account');
END $$;

-- The audience of an object by its id: records and receipts have that of what they are about, accounts that of officers' records; what
-- was taken back has none.
CREATE FUNCTION registry.audience_of(p_object text) RETURNS int[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    about text := p_object;
    k text;
BEGIN
    FOR hop IN 1 .. 8 LOOP -- a receipt of a receipt of a deadline: nobody goes further
        k := registry.kind_of(about);
        IF k IS NULL OR k IN ('project', 'enterprise', 'account') THEN
            RETURN CASE WHEN k = 'account' THEN '{4}' WHEN k = 'project' THEN coalesce((SELECT p.audience FROM registry.project p WHERE p.id = about), '{1}')
                WHEN registry.is_gone(p_object) THEN '{0}' ELSE '{1}' END;
        END IF;
        about := registry.parent_of(k, about);
    END LOOP;
    RETURN '{}';
END $$;

CREATE FUNCTION registry.sees(p_account int, p_audience int[]) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.grants(p_account) && p_audience;
END $$;

-- The roles an account holds today, one for each office it holds them in.
CREATE FUNCTION registry.roles_of(p_account int) RETURNS TABLE (role text, office text) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    today CONSTANT date := registry.today();
BEGIN
    RETURN QUERY SELECT DISTINCT m.role, m.office
    FROM registry.membership m JOIN registry.account a ON a.id = m.account
    WHERE m.account = p_account AND a.enabled AND m.ended_at IS NULL
      AND today >= coalesce(m.from_on, today) AND today <= coalesce(m.until_on, today)
      -- a deputy has no more than whom he stands in for has himself
      AND (m.deputy_of IS NULL OR EXISTS (
          SELECT FROM registry.membership d JOIN registry.account x ON x.id = d.account
          WHERE d.account = m.deputy_of AND x.enabled AND d.role = m.role AND d.office IS NOT DISTINCT FROM m.office
            AND d.ended_at IS NULL AND d.deputy_of IS NULL
            AND today >= coalesce(d.from_on, today) AND today <= coalesce(d.until_on, today)));
END $$;

-- "write@chengguan", "read@*": what those roles allow. Roles held in an office of the bureau reach everywhere.
CREATE FUNCTION registry.rights_of(p_account int) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY(
        WITH held AS (
            SELECT w."right", CASE WHEN w.scope = 'all' OR r.office IS NULL OR o.kind = 'bureau' THEN '*' ELSE r.office END AS place
            FROM registry.roles_of(p_account) r JOIN registry.role_right w ON w.role = r.role
            LEFT JOIN registry.office o ON o.code = r.office)
        SELECT DISTINCT h."right" || '@' || h.place FROM held h
        WHERE h.place = '*' OR NOT EXISTS (SELECT FROM held x WHERE x."right" = h."right" AND x.place = '*')
        ORDER BY 1);
END $$;

CREATE FUNCTION registry.grants_of(p_rights text[]) RETURNS int[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT CASE WHEN x.word = 'read' THEN 1
            WHEN x.word IN ('accounts', 'grants', 'audit') THEN 4
            WHEN x.place <> '*' THEN registry.own_token(x.word, x.place)
            WHEN x.word = 'restricted' THEN 2 ELSE 3 END
        FROM (SELECT split_part(r, '@', 1) AS word, split_part(r, '@', 2) AS place FROM unnest(p_rights) r) x
        WHERE x.word IN ('read', 'accounts', 'grants', 'audit', 'restricted', 'contact') ORDER BY 1);
END $$;

-- Brings an account's row up to what its roles come to now. Whoever changes roles, offices or the table of rights calls
-- this; the day's turn does for those whose time begins or ends (api.rights_turn).
CREATE FUNCTION registry.account_refresh(p_account int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    roles_now CONSTANT text[] := ARRAY(SELECT concat_ws('@', r.role, r.office) FROM registry.roles_of(p_account) r ORDER BY 1);
    rights_now CONSTANT text[] := registry.rights_of(p_account);
    grants_now CONSTANT int[] := registry.grants_of(rights_now);
BEGIN
    UPDATE registry.account a SET roles = roles_now, rights = rights_now, grants = grants_now
    WHERE a.id = p_account AND (a.roles, a.rights, a.grants) IS DISTINCT FROM (roles_now, rights_now, grants_now);
END $$;

-- What keeps an account from holding a role; null = nothing.
CREATE FUNCTION registry.role_fault(p_account int, p_role text, p_office text, p_deputy_of int) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    r registry.role;
    key text;
    field text := 'role';
BEGIN
    SELECT * INTO r FROM registry.role x WHERE x.code = p_role;
    IF r.code IS NULL THEN
        RETURN ROW('INVALID_ARGUMENT', 'role', p_role, 'code.unknown', NULL,
            ARRAY(SELECT x.code FROM registry.role x ORDER BY 1), NULL, NULL, NULL)::registry.finding;
    ELSIF (r.held = 'office') <> (p_office IS NOT NULL) THEN
        field := 'office';
        key := CASE WHEN r.held = 'office' THEN 'role.office' ELSE 'role.county' END;
    ELSIF EXISTS (SELECT FROM registry.office o WHERE o.code = p_office AND o.until_on IS NOT NULL) THEN
        field := 'office';
        key := 'role.ended_office';
    ELSIF EXISTS (SELECT FROM registry.membership m JOIN registry.role x ON x.code = m.role
                  WHERE m.account = p_account AND m.ended_at IS NULL AND m.role <> p_role
                    AND coalesce(m.until_on, 'infinity') >= registry.today() AND (x.held = 'officer' OR r.held = 'officer')) THEN
        key := 'role.officer';
    ELSIF r.held = 'officer' AND (SELECT a.holder FROM registry.account a WHERE a.id = p_account) = 'machine' THEN
        key := 'role.machine';
    ELSIF p_deputy_of IS NOT NULL AND NOT EXISTS (
            SELECT FROM registry.membership d WHERE d.account = p_deputy_of AND d.role = p_role
            AND d.office IS NOT DISTINCT FROM p_office AND d.ended_at IS NULL AND d.deputy_of IS NULL) THEN
        field := 'deputy_of';
        key := 'role.deputy';
    END IF;
    RETURN CASE WHEN key IS NOT NULL THEN
        ROW('FAILED_PRECONDITION', field, p_role, key, NULL, NULL, NULL, NULL, NULL)::registry.finding END;
END $$;

-- ---------------------------------------------------------------- triggers

CREATE FUNCTION registry.project_audience_set() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    NEW.audience := registry.project_audience(NEW.restricted, NEW.office);
    RETURN NEW;
END $$;
CREATE TRIGGER project_audience_born BEFORE INSERT ON registry.project
    FOR EACH ROW WHEN (NEW.restricted OR NEW.audience IS NULL) EXECUTE FUNCTION registry.project_audience_set();
CREATE TRIGGER project_audience_set BEFORE UPDATE ON registry.project
    FOR EACH ROW WHEN (OLD.restricted IS DISTINCT FROM NEW.restricted OR (NEW.restricted AND OLD.office <> NEW.office))
    EXECUTE FUNCTION registry.project_audience_set();

-- A change of what an account is or may is journalled, whoever makes it.
CREATE FUNCTION registry.account_journal() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
DECLARE
    fields jsonb;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.object := coalesce(NEW.object, registry.new_id('a'));
        NEW.version := 1;
        fields := registry.account_born(NEW);
    ELSE
        NEW.object := OLD.object;
        NEW.code := OLD.code; -- journal and receipts name it
        NEW.version := OLD.version;
        fields := registry.account_diff(OLD, NEW);
        IF fields = '{}' THEN
            RETURN NEW;
        END IF;
        NEW.version := OLD.version + 1;
    END IF;
    PERFORM registry.journal('account', NEW.object, NEW.version, fields, registry.account_image(NEW), '{4}');
    RETURN NEW;
END $$;
CREATE TRIGGER account_journal BEFORE INSERT OR UPDATE ON registry.account
    FOR EACH ROW EXECUTE FUNCTION registry.account_journal();

-- Behind the change itself: what follows for the account's rights.
CREATE FUNCTION registry.account_turned() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    PERFORM registry.account_refresh(NEW.id);
    PERFORM registry.account_refresh(m.account) FROM registry.membership m WHERE m.deputy_of = NEW.id AND m.ended_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER account_turned AFTER UPDATE ON registry.account
    FOR EACH ROW WHEN (OLD.enabled <> NEW.enabled) EXECUTE FUNCTION registry.account_turned();

-- Nobody holds two offices' powers that exclude each other, whichever way the row came.
CREATE FUNCTION registry.membership_checked() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
DECLARE
    f registry.finding;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (OLD.id, OLD.account, OLD.role, OLD.office, OLD.from_on, OLD.deputy_of, OLD.granted_by, OLD.granted_at)
           IS DISTINCT FROM (NEW.id, NEW.account, NEW.role, NEW.office, NEW.from_on, NEW.deputy_of, NEW.granted_by, NEW.granted_at)
           OR OLD.ended_at IS NOT NULL THEN
            RAISE EXCEPTION 'a role that was given can only be ended' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END IF;
    NEW.id := coalesce(NEW.id, registry.new_id('m'));
    NEW.granted_by := coalesce(NEW.granted_by, registry.writer());
    NEW.granted_at := coalesce(NEW.granted_at, registry.now());
    PERFORM FROM registry.account a WHERE a.id = NEW.account FOR UPDATE; -- two grants at once look one after the other
    f := registry.role_fault(NEW.account, NEW.role, NEW.office, NEW.deputy_of);
    IF f.code IS NOT NULL THEN
        RAISE EXCEPTION '%', coalesce(registry.say('en', f.key, f.field, f.value), f.key) USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER membership_checked BEFORE INSERT OR UPDATE ON registry.membership
    FOR EACH ROW EXECUTE FUNCTION registry.membership_checked();

-- All of a role that was given, for the entry that vouches for it.
CREATE FUNCTION registry.membership_text(m registry.membership) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT ROW(m.id, m.account, m.role, m.office, m.from_on, m.until_on, m.deputy_of, m.granted_by, registry.micros(m.granted_at),
               registry.micros(m.ended_at))::text
$$;

-- Past the api a role has an entry of its own, whether it works today or another day.
CREATE FUNCTION registry.membership_turned() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
DECLARE
    actor CONSTANT text := registry.writer();
    g bigint;
    n int;
BEGIN
    PERFORM registry.account_refresh(NEW.account);
    PERFORM registry.account_refresh(m.account) FROM registry.membership m WHERE m.deputy_of = NEW.account AND m.ended_at IS NULL;
    IF actor LIKE 'db:%' THEN
        g := registry.grp();
        n := coalesce(nullif(current_setting('qipan.ord', true), '')::int + 1, 0);
        PERFORM set_config('qipan.ord', n::text, true);
        INSERT INTO registry.entry (account, request, grp, ord, actor, op, status, object, at, reply)
        SELECT 0, 'db-' || g || '-' || n, g, n, actor, 'db', 'OK', a.object, registry.now(),
            jsonb_build_object('id', NEW.id, 'terms', registry.membership_text(NEW))
        FROM registry.account a WHERE a.id = NEW.account;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER membership_turned AFTER INSERT OR UPDATE ON registry.membership
    FOR EACH ROW EXECUTE FUNCTION registry.membership_turned();

-- Another kind of office, or another table of rights, concerns everybody.
CREATE FUNCTION registry.everybody_turned() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    PERFORM registry.account_refresh(a.id) FROM registry.account a ORDER BY a.id;
    RETURN NULL;
END $$;
CREATE TRIGGER office_turned AFTER UPDATE OF kind ON registry.office
    FOR EACH STATEMENT EXECUTE FUNCTION registry.everybody_turned();
CREATE TRIGGER role_right_turned AFTER INSERT OR UPDATE OR DELETE ON registry.role_right
    FOR EACH STATEMENT EXECUTE FUNCTION registry.everybody_turned();

-- A certificate that is mapped, approved or taken away is a change of its account: sessions look again.
CREATE FUNCTION registry.certificate_turned() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    UPDATE registry.account a SET identities = ARRAY(SELECT c.identity FROM registry.certificate c
                                                     WHERE c.account = a.id AND c.enabled ORDER BY 1)
    WHERE a.id IN (NEW.account, CASE TG_OP WHEN 'UPDATE' THEN OLD.account END);
    RETURN NULL;
END $$;
CREATE TRIGGER certificate_turned AFTER INSERT OR UPDATE ON registry.certificate
    FOR EACH ROW EXECUTE FUNCTION registry.certificate_turned();

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['membership', 'role'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE DELETE OR TRUNCATE ON registry.%I
                        FOR EACH STATEMENT EXECUTE FUNCTION registry.refuse()', t || '_keep', t);
    END LOOP;
END $$;

-- For whoever sets a county up with psql: an account with its role, held in its own office if it is one of an office's.
CREATE FUNCTION registry.account_new(p_code text, p_name text, p_office text, p_role text, p_holder text DEFAULT 'person')
RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    a int;
BEGIN
    INSERT INTO registry.account (code, name, office, holder) VALUES (p_code, p_name, p_office, p_holder) RETURNING id INTO a;
    INSERT INTO registry.membership (account, role, office)
    SELECT a, r.code, CASE WHEN r.held = 'office' THEN p_office END FROM registry.role r WHERE r.code = p_role;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no role %', p_role USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN a;
END $$;
