-- SPDX-License-Identifier: Apache-2.0
-- What must name every field is made from registry.field: a field is said once, there and in qipan.proto.
--   api.<kind>              the composite of the message
--   registry.<kind>_diff    {number: [old, new]} of two rows
--   registry.<kind>_born    {number: [null, value]} of a new row
--   registry.<kind>_image   {number: value} of the watchable fields
--   registry.<kind>_row     a row as api.<kind>, the contact as far as the caller may see it
--   registry.<kind>_write   writes all editable columns of one row, if it has still the version that was read

CREATE FUNCTION registry.canon(f registry.field, p_row text) RETURNS text LANGUAGE sql AS $$
    SELECT format(CASE f.type
        WHEN 'money' THEN 'registry.yuan(%1$s.%2$I)'
        WHEN 'mu' THEN 'trim_scale(%1$s.%2$I)::text'
        WHEN 'tags' THEN 'array_to_string(%1$s.%2$I, '','')'
        WHEN 'int' THEN '%1$s.%2$I::text'
        WHEN 'ymd' THEN '%1$s.%2$I::text'
        ELSE '%1$s.%2$I' END, p_row, f.name)
$$;

CREATE FUNCTION registry.sql_type(f registry.field) RETURNS text LANGUAGE sql AS $$
    SELECT CASE f.type WHEN 'money' THEN 'bigint' WHEN 'int' THEN 'int' WHEN 'tags' THEN 'text[]'
        WHEN 'instant' THEN 'timestamptz' WHEN 'version' THEN CASE f.name WHEN 'version' THEN 'bigint' ELSE 'text' END
        ELSE 'text' END
$$;

CREATE FUNCTION registry.generate(p_kind text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    f registry.field;
    attrs text := '';
    outs text := '';
    diff text := '';
    born text := '';
    image text := '';
    cols text := '';
    vals text := '';
    born_masked text := '';
BEGIN
    FOR f IN SELECT * FROM registry.field WHERE kind = p_kind ORDER BY number LOOP
        attrs := attrs || format(', %I %s', f.name, registry.sql_type(f));
        outs := outs || CASE WHEN f.masked THEN ', ' || f.name WHEN f.type = 'mu' THEN ', ' || registry.canon(f, 'p')
            ELSE format(', p.%I::%s', f.name, registry.sql_type(f)) END;
        IF f.masked THEN
            diff := diff || format(E'    IF o.%1$s IS DISTINCT FROM n.%1$s THEN\n        r := r || ''{"%2$s": true}'';\n    END IF;\n',
                f.name || '_mark', f.number);
            born_masked := born_masked || format(E'    IF n.%1$s > 0 THEN\n        r := r || ''{"%2$s": true}'';\n    END IF;\n',
                f.name || '_mark', f.number);
            cols := cols || format(', %I', f.name || '_mark');
            vals := vals || format(', n.%I', f.name || '_mark');
        ELSIF f.editable OR f.watched THEN
            born := born || format(E',\n        ''%s'', CASE WHEN n.%I IS NOT NULL THEN jsonb_build_array(NULL, %s) END',
                f.number, f.name, registry.canon(f, 'n'));
            IF f.editable THEN
                diff := diff || format(E'    IF o.%1$I IS DISTINCT FROM n.%1$I THEN\n        r := r || jsonb_build_object(''%2$s'', jsonb_build_array(%3$s, %4$s));\n    END IF;\n',
                    f.name, f.number, registry.canon(f, 'o'), registry.canon(f, 'n'));
                cols := cols || format(', %I', f.name);
                vals := vals || format(', n.%I', f.name);
            END IF;
        END IF;
        IF f.watched THEN
            image := image || format(', ''%s'', %s', f.number, registry.canon(f, 'n'));
        END IF;
    END LOOP;
    EXECUTE format('CREATE TYPE api.%I AS (%s)', p_kind, substr(attrs, 3));
    EXECUTE format('CREATE FUNCTION registry.%1$s_diff(o registry.%1$I, n registry.%1$I) RETURNS jsonb
        LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
    r jsonb := ''{}'';
BEGIN
%2$s    RETURN r;
END $f$', p_kind, diff);
    EXECUTE format('CREATE FUNCTION registry.%1$s_born(n registry.%1$I) RETURNS jsonb
        LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
    r jsonb;
BEGIN
    r := jsonb_strip_nulls(jsonb_build_object(%2$s));
%3$s    RETURN r;
END $f$', p_kind, substr(born, 2), born_masked);
    EXECUTE format('CREATE FUNCTION registry.%1$s_image(n registry.%1$I) RETURNS jsonb
        LANGUAGE plpgsql IMMUTABLE AS $f$
BEGIN
    RETURN jsonb_strip_nulls(jsonb_build_object(%2$s));
END $f$', p_kind, substr(image, 3));
    EXECUTE format('CREATE FUNCTION registry.%1$s_row(p registry.%1$I%3$s) RETURNS api.%1$I
        LANGUAGE plpgsql IMMUTABLE AS $f$
BEGIN
    RETURN ROW(%2$s);
END $f$', p_kind, substr(outs, 3),
        (SELECT coalesce(string_agg(format(', %I text', name), '' ORDER BY number), '')
         FROM registry.field WHERE kind = p_kind AND masked));
    EXECUTE format('CREATE FUNCTION registry.%1$s_write(b registry.%1$I, n registry.%1$I) RETURNS bigint
        LANGUAGE plpgsql VOLATILE AS $f$
DECLARE
    v bigint;
BEGIN
    UPDATE registry.%1$I p SET (%2$s) = ROW(%3$s)
    WHERE p.id = b.id AND p.version = b.version RETURNING p.version INTO v;
    RETURN v;
END $f$', p_kind, substr(cols, 3), substr(vals, 3));
END $$;

SELECT registry.generate('project'), registry.generate('enterprise');

CREATE TYPE api.project_reply AS (error api.error, project api.project, rev bigint, replayed boolean);
CREATE TYPE api.project_list_reply AS (error api.error, rows api.project[], next text, total bigint);
CREATE TYPE api.enterprise_reply AS (error api.error, enterprise api.enterprise, rev bigint, replayed boolean);
CREATE TYPE api.enterprise_list_reply AS (error api.error, rows api.enterprise[], next text);

-- ---------------------------------------------------------------- row triggers

-- What a search looks into, all of it in the form of norm().
CREATE FUNCTION registry.find_key(p_name_key text, p_investor_key text, p_no text, p_external_id text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT p_name_key || '|' || p_investor_key || '|' || registry.norm(p_no) || '|' || registry.norm(p_external_id)
$$;

-- Silent only inside import_apply (qipan.bulk), which journals its group itself. The condition is spelled out: a
-- function there would be parsed anew for every statement.
-- Keeps what the registry alone sets, makes the keys, journals. A change of nothing is no change.
CREATE FUNCTION registry.project_journal() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
DECLARE
    fields jsonb;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.id := coalesce(NEW.id, registry.new_id('p'));
        NEW.no := coalesce(NEW.no, registry.new_no());
        NEW.version := 1;
        NEW.currency := coalesce(NEW.currency, 'CNY');
        NEW.stage := coalesce(NEW.stage, (SELECT code FROM stage WHERE rule_set = registry.rule_set_in_force() AND initial));
        NEW.registered_at := coalesce(NEW.registered_at, registry.now());
        NEW.contact_name_mark := coalesce(NEW.contact_name_mark, 0);
        NEW.contact_phone_mark := coalesce(NEW.contact_phone_mark, 0);
        NEW.changed_at := NEW.registered_at;
        fields := registry.project_born(NEW);
    ELSE
        fields := registry.project_diff(OLD, NEW);
        IF fields = '{}' THEN
            RETURN NULL;
        END IF;
        NEW.id := OLD.id;
        NEW.no := OLD.no;
        NEW.version := OLD.version + 1;
        NEW.registered_at := OLD.registered_at;
        NEW.changed_at := registry.now();
    END IF;
    IF fields ?| ARRAY['4', '10', '7'] THEN -- name, investor, external_id
        NEW.name_key := registry.norm(NEW.name);
        NEW.investor_key := registry.norm(NEW.investor);
        NEW.find_key := registry.find_key(NEW.name_key, NEW.investor_key, NEW.no, NEW.external_id);
    END IF;
    PERFORM registry.journal('project', NEW.id, NEW.version, fields, registry.project_image(NEW));
    RETURN NEW;
END $$;
CREATE TRIGGER project_journal BEFORE INSERT OR UPDATE ON registry.project
    FOR EACH ROW WHEN (coalesce(current_setting('qipan.bulk', true), '') = '') EXECUTE FUNCTION registry.project_journal();

-- The day a stage was reached: given with qipan.on by an advance, else today.
CREATE FUNCTION registry.stage_reached() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    INSERT INTO stage_event (project, version, "from", stage, happened_on, at, actor)
    VALUES (NEW.id, NEW.version, CASE TG_OP WHEN 'UPDATE' THEN OLD.stage END, NEW.stage,
            coalesce(nullif(current_setting('qipan.on', true), ''), registry.today()::text), NEW.changed_at,
            registry.writer());
    RETURN NULL;
END $$;
CREATE TRIGGER project_opened AFTER INSERT ON registry.project
    FOR EACH ROW WHEN (coalesce(current_setting('qipan.bulk', true), '') = '') EXECUTE FUNCTION registry.stage_reached();
CREATE TRIGGER project_stage AFTER UPDATE ON registry.project
    FOR EACH ROW WHEN (coalesce(current_setting('qipan.bulk', true), '') = '' AND OLD.stage IS DISTINCT FROM NEW.stage) EXECUTE FUNCTION registry.stage_reached();

-- A contact written past the api shows in the journal too, without its values.
CREATE FUNCTION registry.contact_mark() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
DECLARE
    pid text := CASE TG_OP WHEN 'DELETE' THEN OLD.project ELSE NEW.project END;
BEGIN
    UPDATE project p SET
        contact_name_mark = contact_name_mark + CASE WHEN OLD.name IS DISTINCT FROM NEW.name THEN 1 ELSE 0 END,
        contact_phone_mark = contact_phone_mark + CASE WHEN OLD.phone IS DISTINCT FROM NEW.phone THEN 1 ELSE 0 END
    WHERE p.id = pid;
    RETURN NULL;
END $$;
CREATE TRIGGER contact_mark AFTER INSERT OR UPDATE OR DELETE ON registry.contact
    FOR EACH ROW WHEN (coalesce(current_setting('qipan.entry', true), '') = '')
    EXECUTE FUNCTION registry.contact_mark();

CREATE FUNCTION registry.enterprise_journal() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
DECLARE
    fields jsonb;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.id := coalesce(NEW.id, registry.new_id('e'));
        NEW.version := 1;
        NEW.registered_at := coalesce(NEW.registered_at, registry.now());
        NEW.changed_at := NEW.registered_at;
        fields := registry.enterprise_born(NEW);
    ELSE
        fields := registry.enterprise_diff(OLD, NEW);
        IF fields = '{}' THEN
            RETURN NULL;
        END IF;
        NEW.id := OLD.id;
        NEW.version := OLD.version + 1;
        NEW.registered_at := OLD.registered_at;
        NEW.changed_at := registry.now();
    END IF;
    NEW.name_key := registry.norm(NEW.name);
    NEW.find_key := concat_ws('|', NEW.name_key, lower(NEW.credit_code));
    PERFORM registry.journal('enterprise', NEW.id, NEW.version, fields, registry.enterprise_image(NEW));
    RETURN NEW;
END $$;
CREATE TRIGGER enterprise_journal BEFORE INSERT OR UPDATE ON registry.enterprise
    FOR EACH ROW EXECUTE FUNCTION registry.enterprise_journal();
