-- SPDX-License-Identifier: Apache-2.0
-- What must name every field is made from registry.field: a field is said once, there and in qipan.proto.
--   api.<kind>, _reply      the composites of the messages
--   registry.<kind>_diff    {number: [old, new]} of two rows
--   registry.<kind>_born    {number: [null, value]} of a new row
--   registry.<kind>_image   {number: value} of the watchable fields
--   registry.<kind>_row     a row as api.<kind>, the contact as far as the caller may see it; what is derived may be given
--   registry.<kind>_sent    the same as it is sent (record_send); an array of these is much cheaper than one of rows
--   registry.<kind>_packing what a sent row needs in a message beyond its own bytes, at most: mostly less than nothing
--   registry.<kind>_values  the same as numbers and canonical text
-- And for kinds that are edited, by registry.generate_edit:
--   registry.<kind>_text    one field of a row as the journal writes it, by number
--   registry.<kind>_write   writes one row, if it has still the version that was read, with journal and receipt
--   registry.<kind>_writes  the same for the plain fields of many rows

CREATE FUNCTION registry.canon(f registry.field, p_row text) RETURNS text LANGUAGE sql AS $$
    SELECT format(CASE f.type
        WHEN 'money' THEN 'registry.yuan(%1$s.%2$I)'
        WHEN 'mu' THEN 'trim_scale(%1$s.%2$I)::text'
        WHEN 'tags' THEN 'array_to_string(%1$s.%2$I, '','')'
        WHEN 'list' THEN 'nullif(array_to_string(%1$s.%2$I, '',''), '''')'
        WHEN 'bool' THEN '%1$s.%2$I::text'
        WHEN 'int' THEN '%1$s.%2$I::text'
        WHEN 'ymd' THEN '%1$s.%2$I::text'
        WHEN 'rev' THEN '%1$s.%2$I::text'
        WHEN 'instant' THEN 'registry.rfc3339(%1$s.%2$I)'
        ELSE '%1$s.%2$I' END, p_row, f.name)
$$;

-- A cell that was read (x.clean) as a value of its column.
CREATE FUNCTION registry.from_cell(f registry.field) RETURNS text LANGUAGE sql AS $$
    SELECT format(CASE f.type WHEN 'tags' THEN 'registry.tags_of(x.clean -> %1$L)' ELSE '(x.clean ->> %1$L)::%2$s' END,
        f.name, (SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
                 WHERE a.attrelid = format('registry.%I', f.kind)::regclass AND a.attname = f.name))
$$;

CREATE FUNCTION registry.sql_type(f registry.field) RETURNS text LANGUAGE sql AS $$
    SELECT CASE f.type WHEN 'money' THEN 'bigint' WHEN 'int' THEN 'int' WHEN 'tags' THEN 'text[]' WHEN 'list' THEN 'text[]' WHEN 'bool' THEN 'boolean'
        WHEN 'rev' THEN 'bigint' WHEN 'instant' THEN 'timestamptz' WHEN 'version' THEN CASE f.name WHEN 'version' THEN 'bigint' ELSE 'text' END
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
    pairs text := '';
    secrets text := '';
    derived text := '';
    filled text := '';
    unseen int := 0; -- fields that no column tells whether they are filled
    record CONSTANT boolean := (SELECT k.record FROM registry.kind k WHERE k.code = p_kind);
    told boolean; -- by the journal
BEGIN
    FOR f IN SELECT * FROM registry.field WHERE kind = p_kind ORDER BY number LOOP
        told := f.editable OR f.type = 'list' OR record AND f.name NOT IN ('id', 'version', 'changed_at')
            OR p_kind = 'project' AND f.name NOT IN ('id', 'no', 'version', 'registered_at', 'changed_at');
        attrs := attrs || format(', %I %s', f.name, registry.sql_type(f));
        outs := outs || CASE WHEN f.masked THEN ', ' || f.name WHEN f.type = 'derived' THEN ', ' || f.name WHEN f.type = 'mu' THEN ', ' || registry.canon(f, 'p')
            ELSE format(', p.%I::%s', f.name, registry.sql_type(f)) END;
        IF f.type = 'derived' OR f.masked THEN
            unseen := unseen + 1;
        ELSE
            filled := filled || format(', p.%I', f.name);
        END IF;
        IF f.type = 'derived' THEN
            derived := derived || format(', %I text DEFAULT NULL', f.name);
            CONTINUE;
        END IF;
        pairs := pairs || format(', ROW(%s, (%s)::text)', f.number, CASE WHEN f.masked THEN f.name ELSE registry.canon(f, 'p') END);
        IF f.masked THEN
            secrets := secrets || format(', %I text', f.name);
            diff := diff || format(E'    IF o.%1$s IS DISTINCT FROM n.%1$s THEN\n        r := r || ''{"%2$s": true}'';\n    END IF;\n',
                f.name || '_mark', f.number);
            born := born || format(E',\n        CASE WHEN n.%I > 0 THEN ''"%s":true'' END', f.name || '_mark', f.number);
        ELSIF told OR f.watched THEN
            born := born || format(E',\n        ''"%s":[null,'' || to_json(%s)::text || '']''', f.number, registry.canon(f, 'n'));
            IF told THEN
                diff := diff || format(E'    IF o.%1$I IS DISTINCT FROM n.%1$I THEN\n        r := r || jsonb_build_object(''%2$s'', jsonb_build_array(%3$s, %4$s));\n    END IF;\n',
                    f.name, f.number, registry.canon(f, 'o'), registry.canon(f, 'n'));
            END IF;
        END IF;
        IF f.watched THEN
            image := image || format(E',\n        ''"%s":'' || to_json(%s)::text', f.number, registry.canon(f, 'n'));
        END IF;
    END LOOP;
    EXECUTE format('CREATE TYPE api.%I AS (%s)', p_kind, substr(attrs, 3));
    EXECUTE format('CREATE TYPE api.%1$I AS (error api.error, %2$I api.%2$I, rev bigint, replayed boolean%3$s)',
        p_kind || '_reply', p_kind, CASE p_kind WHEN 'project' THEN ', warnings api.warning[]' ELSE '' END);
    EXECUTE format('CREATE FUNCTION registry.%1$s_diff(o registry.%1$I, n registry.%1$I) RETURNS jsonb
        LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
    r jsonb := ''{}'';
BEGIN
%2$s    RETURN r;
END $f$', p_kind, diff);
    -- written as text and read once: what is null costs next to nothing
    EXECUTE format('CREATE FUNCTION registry.%1$s_born(n registry.%1$I) RETURNS jsonb
        LANGUAGE sql STABLE AS $f$
    SELECT (''{'' || concat_ws('','', %2$s) || ''}'')::jsonb
$f$', p_kind, substr(born, 2));
    EXECUTE format('CREATE FUNCTION registry.%1$s_image(n registry.%1$I) RETURNS jsonb
        LANGUAGE sql STABLE AS $f$
    SELECT (''{'' || concat_ws('','', %2$s) || ''}'')::jsonb
$f$', p_kind, substr(image, 2));
    EXECUTE format('CREATE FUNCTION registry.%1$s_row(p registry.%1$I%3$s) RETURNS api.%1$I
        LANGUAGE sql STABLE AS $f$
    SELECT ROW(%2$s)::api.%1$I
$f$', p_kind, substr(outs, 3), secrets || derived);
    EXECUTE format('CREATE FUNCTION registry.%1$s_sent(p registry.%1$I%3$s) RETURNS bytea
        LANGUAGE sql STABLE AS $f$
    SELECT record_send(ROW(%2$s)::api.%1$I)
$f$', p_kind, substr(outs, 3), secrets || derived);
    -- sent, a field takes 8 bytes and those of its value; in a message, at most 4 and those (a few that are very long 5), and nothing
    -- when there is none; then what stands before the row
    EXECUTE format('CREATE FUNCTION registry.%1$s_packing(p registry.%1$I) RETURNS int LANGUAGE sql STABLE AS $f$
    SELECT 4 * num_nonnulls(%3$s) - %2$s
$f$', p_kind, 8 * (SELECT count(*) FROM registry.field x WHERE x.kind = p_kind) - 4 * unseen - 8, substr(filled, 3));
    EXECUTE format('CREATE FUNCTION registry.%1$s_values(p registry.%1$I%3$s) RETURNS api.field_value[]
        LANGUAGE sql STABLE AS $f$
    SELECT ARRAY(SELECT v FROM unnest(ARRAY[%2$s]::api.field_value[]) v WHERE v.value IS NOT NULL)
$f$', p_kind, substr(pairs, 3), secrets);
END $$;

-- Fields with rules beyond their own value: keys of the first report, owner, contacts, who may see it, stage, and what tags
-- follow from (of these the amount is told apart by registry.amount_steps). The others are plain.
CREATE FUNCTION registry.ruled() RETURNS int[] LANGUAGE sql IMMUTABLE AS $$ SELECT '{4,5,6,7,8,9,10,11,13,14,15,18,40,44,45,46,50,52,53,54,55,56,57,58}'::int[] $$;

-- qipan.entry together with a version that moved tells the row trigger that a write is journalled already. The order
-- of journal and receipts is the order given; rows are locked in the order of their ids.
CREATE FUNCTION registry.generate_edit(p_kind text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    f registry.field;
    col text;
    texts text := '';
    sets text := '';
    cols text := '';
    vals text := '';
    params text := '';
    args text := '';
    names text := '';
    contacts text := '';
BEGIN
    FOR f IN SELECT * FROM registry.field WHERE kind = p_kind AND (editable OR type = 'list') ORDER BY number LOOP
        col := f.name || CASE WHEN f.masked THEN '_mark' ELSE '' END;
        cols := cols || format(', %I', col);
        vals := vals || format(', n.%I', col);
        CONTINUE WHEN NOT f.editable;
        IF f.masked THEN
            params := params || format(', p_%I text[]', f.name);
            args := args || format(', p_%I', f.name);
            names := names || format(', %I', f.name);
            contacts := contacts || format(', x.%I', f.name);
        ELSE
            texts := texts || format(E'\n        WHEN %s THEN %s', f.number, registry.canon(f, 'p'));
            IF f.number <> ALL (registry.ruled()) THEN
                sets := sets || format(E',\n            %1$I = CASE WHEN x.clean ? ''%1$s'' THEN %2$s ELSE p.%1$I END', f.name,
                    registry.from_cell(f));
            END IF;
        END IF;
    END LOOP;
    FOR col IN SELECT attname FROM pg_attribute WHERE attrelid = format('registry.%I', p_kind)::regclass AND attname LIKE '%\_key' LOOP
        cols := cols || format(', %I', col);
        vals := vals || format(', n.%I', col);
    END LOOP;
    EXECUTE format('CREATE FUNCTION registry.%1$s_text(p registry.%1$I, p_number int) RETURNS text
        LANGUAGE sql STABLE AS $f$
    SELECT CASE p_number%2$s END
$f$', p_kind, texts);
    EXECUTE format('CREATE FUNCTION registry.%1$s_write(n registry.%1$I, p_fields jsonb, p_op text, p_account int, p_code text,
        p_office text, p_request text, p_digest bytea, p_reason text) RETURNS boolean
        LANGUAGE plpgsql VOLATILE AS $f$
DECLARE
    g bigint := registry.grp();
    place int := coalesce(nullif(current_setting(''qipan.ord'', true), '''')::int + 1, 0);
    place_idx int := coalesce(nullif(current_setting(''qipan.idx'', true), '''')::int, 0);
    wrote int[]; -- the audience it has now; n has the one it had
    mute text;
BEGIN
    mute := set_config(''qipan.entry'', place::text, true);
    mute := set_config(''qipan.actor'', p_code, true);
    UPDATE registry.%1$I p SET (version, changed_at%2$s) = ROW(n.version, n.changed_at%3$s)
    WHERE p.id = n.id AND p.version = n.version - 1 RETURNING p.audience INTO wrote;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    mute := set_config(''qipan.ord'', place::text, true);
    mute := set_config(''qipan.idx'', (place_idx + 1)::text, true);
    INSERT INTO registry.change (grp, idx, ord, kind, object, version, fields, image, audience, audience_old)
    VALUES (g, place_idx, place, ''%1$s'', n.id, n.version, p_fields, registry.%1$s_image(n), wrote, nullif(n.audience, wrote));
    INSERT INTO registry.entry (account, request, grp, ord, actor, office, op, status, object, version, reason, at, digest)
    VALUES (p_account, p_request, g, place, p_code, p_office, p_op, ''OK'', n.id, n.version, p_reason, n.changed_at, p_digest);
    RETURN true;
END $f$', p_kind, cols, vals);
    EXECUTE format('CREATE FUNCTION registry.%1$s_writes(p_op text, p_account int[], p_code text[], p_office text[],
        p_request text[], p_digest bytea[], p_reason text[], p_id text[], p_version bigint[], p_clean jsonb[],
        p_fields jsonb[]%3$s, OUT places int[], OUT replies api.%1$s_reply[])
        LANGUAGE plpgsql VOLATILE AS $f$
DECLARE
    g bigint := registry.grp();
    first_ord int := coalesce(nullif(current_setting(''qipan.ord'', true), '''')::int + 1, 0);
    first_idx int := coalesce(nullif(current_setting(''qipan.idx'', true), '''')::int, 0);
    t timestamptz := registry.now();
    mute text;
BEGIN
    mute := set_config(''qipan.entry'', first_ord::text, true);
    WITH wrote AS (
        UPDATE registry.%1$I p SET version = p.version + 1, changed_at = t%2$s
        FROM (SELECT * FROM unnest(p_account, p_code, p_office, p_request, p_digest, p_reason, p_id, p_version, p_clean,
                  p_fields%4$s) WITH ORDINALITY
              u(account, code, office, request, digest, reason, id, version, clean, fields%5$s, place)
              ORDER BY u.id OFFSET 0) x
        WHERE p.id = x.id AND p.version = x.version
        RETURNING x.account, x.code, x.office, x.request, x.digest, x.reason, x.fields, x.place, p.id, p.version,
            p.audience, registry.%1$s_image(p) AS image, registry.%1$s_row(p%6$s) AS shown),
    placed AS MATERIALIZED (
        SELECT wrote.*, row_number() OVER (ORDER BY wrote.place)::int - 1 AS n FROM wrote),
    change AS (
        INSERT INTO registry.change (grp, idx, ord, kind, object, version, fields, image, audience)
        SELECT g, first_idx + n, first_ord + n, ''%1$s'', id, version, fields, image, audience FROM placed),
    entry AS (
        INSERT INTO registry.entry (account, request, grp, ord, actor, office, op, status, object, version, reason, at, digest)
        SELECT account, request, g, first_ord + n, code, office, p_op, ''OK'', id, version, reason, t, digest FROM placed)
    SELECT array_agg(o.place), array_agg(ROW(NULL, o.shown, 0, NULL, NULL)::api.%1$s_reply) INTO places, replies
    FROM (SELECT * FROM placed ORDER BY placed.n) o;
    IF places IS NOT NULL THEN
        mute := set_config(''qipan.ord'', (first_ord + cardinality(places) - 1)::text, true);
        mute := set_config(''qipan.idx'', (first_idx + cardinality(places))::text, true);
    END IF;
END $f$', p_kind, sets, params, args, names, contacts);
END $$;

SELECT registry.generate(k.code) FROM registry.kind k;
SELECT registry.generate_edit('project');

CREATE TYPE api.project_list_reply AS (error api.error, rows bytea[], next text, total bigint, places text[]);
CREATE TYPE api.due_list_reply AS (error api.error, rows api.due[], next text);

-- Kinds of objects: each has a table, a message and lines in registry.field. Of accounts there are changes only, no snapshot.
DO $$
BEGIN
    EXECUTE format('CREATE FUNCTION registry.watched_kinds() RETURNS text[] LANGUAGE sql IMMUTABLE AS $f$ SELECT %L::text[] $f$',
        (SELECT array_agg(k.code ORDER BY k.record, k.code) FROM registry.kind k));
END $$;
CREATE FUNCTION registry.kinds() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$ SELECT array_remove(registry.watched_kinds(), 'account') $$;

-- What an id is of, if the object itself can't be asked.
CREATE FUNCTION registry.kind_of(p_id text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT k.code FROM registry.kind k WHERE k.prefix IN (left(p_id, 1), left(p_id, 2)) ORDER BY length(k.prefix) DESC LIMIT 1
$$;

-- Does a kind's objects' table have the field?
CREATE FUNCTION registry.has_field(p_kind text, p_name text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM registry.field f WHERE f.kind = p_kind AND f.name = p_name);
END $$;

-- What an object belongs to; null = nothing. Made of all kinds with a field `project`.
DO $$
BEGIN
    EXECUTE format('CREATE FUNCTION registry.parent_of(p_kind text, p_id text) RETURNS text LANGUAGE plpgsql STABLE AS $f$
BEGIN
    RETURN CASE p_kind%s END;
END $f$', (SELECT string_agg(format(E'\n        WHEN %1$L THEN (SELECT x.project FROM registry.%1$I x WHERE x.id = p_id)', f.kind), '' ORDER BY f.kind)
           FROM registry.field f WHERE f.name = 'project'));
END $$;

-- ---------------------------------------------------------------- row triggers

-- What a search looks into, all of it in the form of norm().
CREATE FUNCTION registry.find_key(p_name_key text, p_investor_key text, p_no text, p_external_id text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT p_name_key || '|' || p_investor_key || '|' || registry.norm(p_no) || '|' || registry.norm(p_external_id)
$$;

-- Silent for those who journal themselves: import_apply (qipan.bulk), and edits, which move the version themselves under
-- an entry of theirs. The conditions are spelled out: a function there would be parsed anew for every statement.
-- Keeps what the registry alone sets, makes the keys, journals. A change of nothing is no change.
CREATE FUNCTION registry.project_journal() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
DECLARE
    fields jsonb;
    old_audience int[];
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
        NEW.auto_tags := registry.auto_tags(NEW);
        fields := registry.project_born(NEW);
    ELSE
        fields := registry.project_diff(OLD, NEW);
        IF fields = '{}' THEN
            RETURN NULL;
        END IF;
        IF fields ?| registry.tagging() AND NOT fields ? '19' THEN
            NEW.auto_tags := registry.auto_tags(NEW);
            fields := registry.project_diff(OLD, NEW);
        END IF;
        NEW.id := OLD.id;
        NEW.no := OLD.no;
        NEW.version := OLD.version + 1;
        NEW.registered_at := OLD.registered_at;
        NEW.changed_at := registry.now();
        old_audience := nullif(OLD.audience, NEW.audience);
    END IF;
    IF fields ?| ARRAY['4', '10', '7'] THEN -- name, investor, external_id
        NEW.name_key := registry.norm(NEW.name);
        NEW.investor_key := registry.norm(NEW.investor);
        NEW.find_key := registry.find_key(NEW.name_key, NEW.investor_key, NEW.no, NEW.external_id);
    END IF;
    PERFORM registry.journal('project', NEW.id, NEW.version, fields, registry.project_image(NEW), NEW.audience, old_audience);
    RETURN NEW;
END $$;
CREATE TRIGGER project_journal BEFORE INSERT ON registry.project
    FOR EACH ROW WHEN (coalesce(current_setting('qipan.bulk', true), '') = '') EXECUTE FUNCTION registry.project_journal();
CREATE TRIGGER project_changed BEFORE UPDATE ON registry.project
    FOR EACH ROW WHEN (NEW.version = OLD.version OR coalesce(current_setting('qipan.entry', true), '') = '')
    EXECUTE FUNCTION registry.project_journal();

-- The day a stage was reached: given with qipan.on by an advance, else today. qipan.correct: the version whose event was a mistake.
CREATE FUNCTION registry.stage_reached() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    INSERT INTO stage_event (project, version, "from", stage, happened_on, at, actor, corrects)
    VALUES (NEW.id, NEW.version, CASE TG_OP WHEN 'UPDATE' THEN OLD.stage END, NEW.stage,
            coalesce(nullif(current_setting('qipan.on', true), ''), registry.today()::text), NEW.changed_at,
            registry.writer(), nullif(current_setting('qipan.correct', true), '')::bigint);
    RETURN NULL;
END $$;
CREATE TRIGGER project_opened AFTER INSERT ON registry.project
    FOR EACH ROW WHEN (coalesce(current_setting('qipan.bulk', true), '') = '') EXECUTE FUNCTION registry.stage_reached();
CREATE TRIGGER project_stage AFTER UPDATE OF stage ON registry.project
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
