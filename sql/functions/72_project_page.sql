-- SPDX-License-Identifier: Apache-2.0
-- One page with everything there is about a project: its fields, what the rules say of it, and the newest of every kind of record
-- that belongs to it. A kind that comes later is there by itself.

-- A value: name and what people call it, canonical text and what people read.
CREATE TYPE api.cell AS (name text, label text, value text, text text);
CREATE TYPE api.page_row AS (id text, cells api.cell[]);
CREATE TYPE api.section AS (kind text, label text, total int, rows api.page_row[]);
CREATE TYPE api.project_page_reply AS (error api.error, project api.project, facts api.cell[], sections api.section[]);

-- Values of a row of a kind as cells; what every row of the page shares is left out.
CREATE FUNCTION registry.cells(p_lang text, p_kind text, p_values api.field_value[]) RETURNS api.cell[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(ROW(f.name, CASE WHEN p_lang = 'en' THEN f.en ELSE f.zh END, registry.excerpt(v.value),
            CASE WHEN f.code_kind IS NOT NULL AND f.type = 'code' THEN registry.code_label(p_lang, f.code_kind, v.value) END)::api.cell ORDER BY f.number)
    FROM unnest(p_values) v JOIN registry.field f ON f.kind = p_kind AND f.number = v.number
    WHERE f.name NOT IN ('id', 'version', 'project', 'no') AND NOT f.masked
$$;

CREATE FUNCTION registry.cell(p_lang text, p_key text, p_value text, p_text text DEFAULT NULL) RETURNS api.cell LANGUAGE sql STABLE AS $$
    SELECT ROW(split_part(p_key, '.', 2), registry.say(p_lang, p_key), p_value, p_text)::api.cell
$$;

-- A project's records of one kind, in the kind's own order.
CREATE FUNCTION registry.page_section(p_lang text, p_kind text, p_project text, p_limit int) RETURNS api.section LANGUAGE plpgsql STABLE AS $$
DECLARE
    k registry.kind;
    s api.section;
    secrets CONSTANT text := (SELECT coalesce(string_agg(', NULL', ''), '') FROM registry.field f WHERE f.kind = p_kind AND f.masked);
BEGIN
    SELECT * INTO k FROM registry.kind x WHERE x.code = p_kind;
    EXECUTE format('SELECT max(x.total), array_agg(ROW(x.id, registry.cells($1, $2, x.vals))::api.page_row ORDER BY x.n)
        FROM (SELECT count(*) OVER () AS total, row_number() OVER (ORDER BY %3$s, p.id) AS n, p.id, registry.%1$s_values(p%2$s) AS vals
              FROM registry.%1$I p WHERE p.project = $3 ORDER BY %3$s, p.id LIMIT $4) x', p_kind, secrets,
        format('p.%I %s', ltrim(coalesce(k.list_order, '-changed_at'), '-'), CASE WHEN coalesce(k.list_order, '-') LIKE '-%' THEN 'DESC NULLS LAST' ELSE '' END))
    INTO s.total, s.rows USING p_lang, p_kind, p_project, p_limit;
    s.kind := p_kind;
    s.label := coalesce(registry.say(p_lang, 'kind.' || p_kind), p_kind);
    RETURN s;
END $$;

-- The stages it has been in, newest first, each with the days it stayed there; the newest: until today.
CREATE FUNCTION registry.page_stages(p_lang text, p_project text, p_limit int) RETURNS api.section LANGUAGE plpgsql STABLE AS $$
DECLARE
    s api.section;
BEGIN
    SELECT max(x.total), array_agg(ROW(NULL, ARRAY[registry.cell(p_lang, 'stage.stage', x.stage, registry.code_label(p_lang, 'stage', x.stage)),
            registry.cell(p_lang, 'stage.happened_on', x.happened_on), registry.cell(p_lang, 'stage.days', x.days::text),
            registry.cell(p_lang, 'stage.actor', x.actor)])::api.page_row ORDER BY x.version DESC)
    INTO s.total, s.rows
    FROM (SELECT e.*, count(*) OVER () AS total,
              coalesce(registry.first_day(lead(e.happened_on) OVER (ORDER BY e.version)), registry.today()) - registry.first_day(e.happened_on) AS days
          FROM registry.stage_event e WHERE e.project = p_project AND e.stage IS NOT NULL ORDER BY e.version DESC LIMIT p_limit) x;
    s.kind := 'stage';
    s.label := registry.say(p_lang, 'kind.stage');
    RETURN s;
END $$;

-- What the rules and the calendar say of a project. p_row: as its reader sees it.
CREATE FUNCTION registry.page_facts(p_account int, p_lang text, p registry.project, p_row jsonb) RETURNS api.cell[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    today CONSTANT date := registry.today();
    k registry.pace;
    c record;
    b record;
    fits CONSTANT text := registry.fitting_class(p.product, p.industry);
BEGIN
    SELECT * INTO k FROM registry.pace x WHERE x.project = p.id;
    -- contacts count for whoever may not see them, too
    c := registry.completeness(p.stage, p_row || (SELECT coalesce(jsonb_strip_nulls(jsonb_build_object('contact_name', x.name IS NOT NULL OR NULL,
        'contact_phone', x.phone IS NOT NULL OR NULL)), '{}') FROM (SELECT 1) one LEFT JOIN registry.contact x ON x.project = p.id));
    SELECT count(*) AS projects, sum(q.amount_total) FILTER (WHERE q.currency = 'CNY') AS amount INTO b
    FROM registry.brought(p.id, registry.grants(p_account)) x JOIN registry.project q ON q.id = x.project WHERE registry.counted(q);
    RETURN ARRAY(SELECT u FROM unnest(ARRAY[
        registry.cell(p_lang, 'fact.stage_on', k.stage_on),
        registry.cell(p_lang, 'fact.stage_days', (today - registry.first_day(k.stage_on))::text),
        registry.cell(p_lang, 'fact.talked_on', k.talked_on),
        registry.cell(p_lang, 'fact.idle_days', (today - registry.first_day(k.talked_on))::text),
        registry.cell(p_lang, 'fact.sector', registry.sector(p.industry), (SELECT registry.code_label(p_lang, 'tag', t) FROM unnest(p.auto_tags) t WHERE t IN ('一产', '二产', '三产'))),
        registry.cell(p_lang, 'fact.fitting_class', nullif(fits, p.class), registry.code_label(p_lang, 'class', fits)),
        registry.cell(p_lang, 'fact.score', c.score::text),
        registry.cell(p_lang, 'fact.missing', array_to_string(c.missing, ','),
            (SELECT string_agg(registry.field_label(p_lang, 'project', m), ' ') FROM unnest(c.missing) m)),
        registry.cell(p_lang, 'fact.brought', nullif(b.projects, 0)::text),
        registry.cell(p_lang, 'fact.brought_amount', registry.yuan(b.amount::bigint))]) u WHERE u.value <> '');
END $$;

-- Sections share what fits into a frame: rows that don't fit are left out from the end of the page, the totals tell.
CREATE FUNCTION api.project_page(p_account int, p_lang text, id text, "limit" int) RETURNS api.project_page_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    p registry.project := registry.project_seen(p_account, id);
    most CONSTANT int := least(greatest(coalesce("limit", 5), 1), 50);
    left_bytes int := 44000;
    r api.project_page_reply;
    s api.section;
    kind text;
BEGIN
    IF NOT registry.may(p_account, 'read', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    ELSIF p.id IS NULL THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'id', 'project.none', id);
        RETURN r;
    END IF;
    r.project := registry.project_shown(p_account, p);
    r.facts := registry.page_facts(p_account, p_lang, p, to_jsonb(p));
    left_bytes := left_bytes - octet_length(r.project::text) - octet_length(r.facts::text);
    FOR kind IN SELECT u.kind FROM (
            SELECT 'stage' AS kind UNION ALL SELECT k.code FROM registry.kind k WHERE (k.record OR k.code = 'due') AND registry.has_field(k.code, 'project')) u
        ORDER BY array_position('{stage,milestone,stagedate,arrival,activity,evidence,matter,case,protection,plot,land,link,alert}'::text[], u.kind), u.kind
    LOOP
        s := CASE WHEN kind = 'stage' THEN registry.page_stages(p_lang, p.id, most) ELSE registry.page_section(p_lang, kind, p.id, most) END;
        CONTINUE WHEN s.total IS NULL;
        s.rows := (SELECT array_agg(x.row ORDER BY x.n) FROM (
            SELECT u AS row, v.n, sum(octet_length(u::text) + 20) OVER (ORDER BY v.n) AS upto
            FROM generate_subscripts(s.rows, 1) v(n) CROSS JOIN LATERAL (SELECT (s.rows[v.n]).*) u) x WHERE x.upto <= left_bytes);
        left_bytes := left_bytes - coalesce(octet_length(s.rows::text), 0) - 100;
        r.sections := r.sections || s;
    END LOOP;
    PERFORM registry.commit_here();
    PERFORM registry.audit_shown(p_account, 'project_page', false, p.id, p.office, ARRAY[r.project], NULL);
    RETURN r;
END $$;
