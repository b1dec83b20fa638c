-- SPDX-License-Identifier: Apache-2.0
-- Who one is, labels, receipts.

CREATE FUNCTION api.whoami(p_account int, p_lang text) RETURNS api.whoami_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
#variable_conflict use_column
DECLARE
    r api.whoami_reply;
BEGIN
    SELECT a.code, a.name, a.office, o.name, array_to_string(a.roles, ','),
        ARRAY(SELECT w.word FROM unnest('{read,write,import,contact,approve,restricted,assign,decide,county,accounts,grants,audit}'::text[])
              WITH ORDINALITY w(word, n) WHERE registry.may(a.id, w.word, a.office) ORDER BY w.n), a.identities[1]
    INTO r.account, r.person, r.office, r.office_name, r.role, r.rights, r.identity
    FROM registry.account a JOIN registry.office o ON o.code = a.office
    WHERE a.id = p_account AND a.enabled;
    IF NOT FOUND THEN
        r.error := registry.refusal(p_lang, 'UNAUTHENTICATED', NULL, 'account.none');
    END IF;
    r.now_at := registry.now();
    RETURN r;
END $$;

CREATE FUNCTION api.office_list(p_account int, p_lang text) RETURNS api.office_list_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.office_list_reply;
    grants CONSTANT int[] := registry.grants(p_account);
BEGIN
    IF grants = '{}' THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    END IF;
    SELECT array_agg(ROW(o.code, o.name, o.kind, CASE WHEN 1 = ANY (grants) THEN coalesce(p.n, 0) END,
                         coalesce(o.grp, o.kind), o.until_on, o.successor)::api.office
                     ORDER BY o.until_on NULLS FIRST, o.rank, o.code) INTO r.rows
    FROM registry.office o
    LEFT JOIN (SELECT x.office, sum(x.n) AS n
               FROM (SELECT t.code AS office, t.projects AS n FROM registry.project_tally t WHERE t.kind = 'office' AND t.stage <> 'exited' AND t.audience && grants
                     UNION ALL SELECT w.office, w.n FROM registry.tally_news w WHERE w.stage <> 'exited' AND w.audience && grants) x
               GROUP BY 1) p ON p.office = o.code;
    RETURN r;
END $$;

-- What people call a kind, its fields, and the codes of those that are coded; the county's long lists are asked for by themselves. Of
-- a message that is no kind, rows of a reply, its fields: the sentences `column.<message>.<field>`;
-- and where `codes.<message>.<field>` names a kind of codes, or `office`, `stage`, `rule_set`, `criterion` (of inspections), those (of industries sections and divisions).
CREATE FUNCTION registry.record_labels(p_lang text, p_kind text) RETURNS api.label[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(ROW(x.kind, x.code, x.label, x.rank, NULL, f.type, f.code_kind, nullif(f.required, false), nullif(f.editable, false), f.max)::api.label ORDER BY x.kind NOT IN ('kind', 'field'), x.kind, x.rank, x.code)
    FROM (SELECT 'field' AS kind, f.name AS code, CASE WHEN p_lang = 'en' THEN f.en ELSE f.zh END AS label, f.number AS rank
          FROM registry.field f WHERE f.kind = p_kind
          UNION ALL SELECT 'field', split_part(t.key, '.', 3), CASE WHEN p_lang = 'en' THEN t.en ELSE t.zh END, 0
          FROM registry.text t WHERE starts_with(t.key, 'column.' || p_kind || '.')
          UNION ALL SELECT split_part(t.key, '.', 3), c.code, CASE WHEN p_lang = 'en' THEN coalesce(c.en, c.zh) ELSE c.zh END, c.rank
          FROM registry.text t JOIN registry.code c ON c.kind = t.en AND (c.kind <> 'industry' OR length(c.code) <= 3)
          WHERE starts_with(t.key, 'codes.' || p_kind || '.')
          UNION ALL SELECT split_part(t.key, '.', 3), o.code, o.name, o.rank FROM registry.text t JOIN registry.office o ON t.en = 'office'
          WHERE starts_with(t.key, 'codes.' || p_kind || '.')
          UNION ALL SELECT split_part(t.key, '.', 3), s.code, CASE WHEN p_lang = 'en' THEN s.en ELSE s.zh END, s.rank
          FROM registry.text t JOIN registry.stage s ON t.en = 'stage' AND s.rule_set = registry.rule_set_in_force() WHERE starts_with(t.key, 'codes.' || p_kind || '.')
          UNION ALL SELECT split_part(t.key, '.', 3), c.code, CASE WHEN p_lang = 'en' THEN c.en ELSE c.zh END, c.rank
          FROM registry.text t JOIN registry.criterion c ON t.en = 'criterion' AND c.rule_set = registry.rule_set_in_force() WHERE starts_with(t.key, 'codes.' || p_kind || '.')
          UNION ALL SELECT split_part(t.key, '.', 3), r.id::text, r.name, r.id FROM registry.text t JOIN registry.rule_set r ON t.en = 'rule_set'
          WHERE starts_with(t.key, 'codes.' || p_kind || '.')
          UNION ALL SELECT 'kind', p_kind, registry.say(p_lang, 'kind.' || p_kind), 0
          UNION ALL SELECT f.name, c.code, CASE WHEN p_lang = 'en' THEN coalesce(c.en, c.zh) ELSE c.zh END, c.rank
          FROM registry.field f JOIN registry.code c ON c.kind = f.code_kind
          WHERE f.kind = p_kind AND f.code_kind NOT IN ('industry', 'region')
          UNION ALL SELECT f.name, o.code, o.name, o.rank FROM registry.field f JOIN registry.office o ON f.code_kind = 'office'
          WHERE f.kind = p_kind AND f.name NOT LIKE '%office') x
    LEFT JOIN registry.field f ON x.kind = 'field' AND f.kind = p_kind AND f.name = x.code
$$;

-- Labels; industry only when asked for: sections and divisions, or all below a prefix.
CREATE FUNCTION api.glossary(p_account int, p_lang text, kind text, prefix text) RETURNS api.glossary_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.glossary_reply;
    kinds CONSTANT text[] := '{stage,office,park,region,method,class,tag,firm_class,role,node,node_role,industry}';
BEGIN
    IF registry.grants(p_account) = '{}' THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
        RETURN r;
    ELSIF glossary.kind LIKE '%.' AND (left(glossary.kind, -1) = ANY (registry.watched_kinds())
              OR EXISTS (SELECT FROM registry.text t WHERE starts_with(t.key, 'column.' || glossary.kind) OR starts_with(t.key, 'codes.' || glossary.kind))) THEN
        r.rows := registry.record_labels(p_lang, left(glossary.kind, -1));
        RETURN r;
    ELSIF glossary.kind <> ALL (kinds) THEN
        r.error := registry.error_of(p_lang, 'project', ROW('INVALID_ARGUMENT', 'kind', glossary.kind, 'kind.unknown', NULL,
            registry.nearest(glossary.kind, kinds, 10), NULL, NULL, NULL));
        RETURN r;
    END IF;
    r.rule_set := (SELECT name || ' (' || year || ')' FROM registry.rule_set WHERE in_force);
    r.live_on := (SELECT s.value FROM registry.setting s WHERE s.key = 'county.live_on');
    SELECT array_agg(ROW(x.kind, x.code, x.label, x.rank, x.next, NULL, NULL, NULL, NULL, NULL)::api.label
                     ORDER BY array_position(kinds, x.kind), x.rank, x.code)
    INTO r.rows
    FROM (SELECT 'stage' AS kind, s.code, CASE WHEN p_lang = 'en' THEN s.en ELSE s.zh END AS label, s.rank,
                 registry.moves(s.code) AS next
          FROM registry.stage s WHERE s.rule_set = registry.rule_set_in_force()
          UNION ALL SELECT 'office', o.code, o.name, o.rank, NULL FROM registry.office o
          UNION ALL (SELECT 'node', x.id, x.name, x.rank, NULL FROM registry.node x ORDER BY x.chain, x.rank LIMIT 400)
          UNION ALL SELECT c.kind, c.code, CASE WHEN p_lang = 'en' THEN coalesce(c.en, c.zh) ELSE c.zh END, c.rank, NULL
          FROM registry.code c WHERE c.active AND c.kind = ANY (kinds)
            AND (c.kind <> 'industry' OR (glossary.kind = 'industry'
                 AND (length(c.code) <= 3 OR nullif(prefix, '') IS NOT NULL)))) x
    WHERE (glossary.kind IS NULL OR x.kind = glossary.kind)
      AND (prefix IS NULL OR starts_with(x.code, prefix));
    RETURN r;
END $$;

-- Names for codes of accounts and ids. Whoever may do anything is told those of accounts; readers the others.
CREATE FUNCTION api.names(p_account int, p_lang text, ids text[]) RETURNS api.names_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.names_reply;
    asked CONSTANT text[] := ids;
BEGIN
    IF registry.grants(p_account) = '{}' THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.read');
    ELSIF cardinality(asked) > 80 THEN
        r.error := registry.refusal(p_lang, 'INVALID_ARGUMENT', 'ids', 'names.many');
    ELSE
        SELECT array_agg(ROW(x.kind, x.code, left(x.label, 200), NULL, NULL, NULL, NULL, NULL, NULL, NULL)::api.label) INTO r.rows
        FROM (SELECT 'account' AS kind, a.code, a.name AS label FROM registry.account a WHERE a.code = ANY (asked)
              UNION ALL SELECT 'account', 'registry', registry.say(p_lang, 'names.registry') WHERE 'registry' = ANY (asked)
              UNION ALL SELECT y.* FROM (
                  SELECT 'project', p.id, p.no || ' ' || p.name FROM registry.project p WHERE p.id = ANY (asked) AND p.audience = '{1}'
                  UNION ALL SELECT 'enterprise', e.id, e.name FROM registry.enterprise e WHERE e.id = ANY (asked)
                  UNION ALL SELECT 'valuechain', v.id, v.name FROM registry.valuechain v WHERE v.id = ANY (asked)
                  UNION ALL SELECT 'node', n.id, n.name FROM registry.node n WHERE n.id = ANY (asked)
                  UNION ALL SELECT 'plot', l.id, l.name FROM registry.plot l WHERE l.id = ANY (asked)
                  UNION ALL SELECT 'meeting', m.id, m.held_on || ' ' || m.name FROM registry.meeting m WHERE m.id = ANY (asked)
                  UNION ALL SELECT 'round', o.id, o.name FROM registry.round o WHERE o.id = ANY (asked)) y
              WHERE registry.may(p_account, 'read', NULL)) x;
    END IF;
    RETURN r;
END $$;

CREATE FUNCTION api.receipt_show(p_account int, p_lang text, id text) RETURNS api.receipt_show_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.receipt_show_reply;
    e registry.entry;
BEGIN
    e := registry.seen(p_account, receipt_show.id);
    IF e.op IS NULL THEN
        r.error := registry.refusal(p_lang, 'NOT_FOUND', 'id', 'receipt.none', receipt_show.id);
    ELSE
        r.op := e.op;
        r.status := e.status;
        r.object := CASE WHEN registry.kind_of(e.object) IS NULL OR registry.sees(p_account, registry.audience_of(e.object)) THEN e.object END;
        r.version := e.version;
        r.rev := registry.rev_of(e.grp);
        r.done_at := e.at;
    END IF;
    RETURN r;
END $$;

-- ---------------------------------------------------------------- codes

-- One industry code; its section's letter may be left out where the division is known.
CREATE FUNCTION registry.load_industry(p_code text, p_name text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    c text := upper(btrim(p_code));
BEGIN
    IF c ~ '^[0-9]{2,4}$' THEN
        c := (SELECT code FROM registry.code WHERE kind = 'industry' AND substr(code, 2) = left(c, 2)) || substr(c, 3);
    END IF;
    IF c IS NULL OR c !~ '^[A-T]([0-9]{2}[0-9]{0,2})?$' OR coalesce(btrim(p_name), '') = '' THEN
        RAISE EXCEPTION 'not an industry code with a name: "%", "%"', p_code, p_name
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'a letter A to T and two to four digits, as in GB/T 4754; digits alone where the division is loaded';
    END IF;
    INSERT INTO registry.code AS o (kind, code, zh, rank) VALUES ('industry', c, btrim(p_name), 1000)
    ON CONFLICT (kind, code) DO UPDATE SET zh = excluded.zh WHERE o.zh <> excluded.zh;
    RETURN c;
END $$;

-- The table that `qipan-admin industry load` copies a CSV into, and its taking over.
CREATE FUNCTION registry.load_industry_staged(OUT codes int, OUT sections int, OUT divisions int, OUT groups int,
    OUT classes int) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM registry.load_industry(s.code, s.name) FROM pg_temp.industry_staged s ORDER BY length(s.code), s.code;
    SELECT count(*), count(*) FILTER (WHERE length(code) = 1), count(*) FILTER (WHERE length(code) = 3),
        count(*) FILTER (WHERE length(code) = 4), count(*) FILTER (WHERE length(code) = 5)
    INTO codes, sections, divisions, groups, classes FROM registry.code WHERE kind = 'industry';
END $$;
