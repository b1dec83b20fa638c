-- SPDX-License-Identifier: Apache-2.0
-- The sentence `key` in the caller's language, $1 … filled in. Arguments may hold "$": each place is filled once; of a long one
-- there is the beginning.
CREATE FUNCTION registry.say(p_lang text, p_key text, VARIADIC p_args text[] DEFAULT '{}') RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    s text := (SELECT CASE WHEN p_lang = 'en' THEN t.en ELSE t.zh END FROM registry.text t WHERE t.key = p_key);
    parts text[];
    result text;
BEGIN
    IF s IS NULL THEN
        RETURN NULL;
    END IF;
    parts := string_to_array(s, '$');
    result := parts[1];
    FOR i IN 2 .. cardinality(parts) LOOP
        result := result || coalesce(left(p_args[left(parts[i], 1)::int], 300), '') || substr(parts[i], 2);
    END LOOP;
    RETURN result;
END $$;

-- Arguments of a sentence in the caller's language: "@kind:code" is what people call that code, "@field:kind.name" a field, several
-- of them joined by commas a list; any other text is as it is.
CREATE FUNCTION registry.said(p_lang text, p_args text[]) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT array_agg(CASE WHEN a.word !~ '^@[a-z_]+:' THEN a.word ELSE (
        SELECT string_agg(CASE split_part(w.part, ':', 1) WHEN '@field'
            THEN registry.field_label(p_lang, split_part(split_part(w.part, ':', 2), '.', 1), split_part(w.part, '.', 2))
            ELSE coalesce(registry.code_label(p_lang, substr(split_part(w.part, ':', 1), 2), split_part(w.part, ':', 2)), split_part(w.part, ':', 2)) END,
            CASE p_lang WHEN 'en' THEN ', ' ELSE '、' END ORDER BY w.n)
        FROM unnest(string_to_array(a.word, ',')) WITH ORDINALITY w(part, n)) END ORDER BY a.n)
        FROM unnest(p_args) WITH ORDINALITY a(word, n));
END $$;

-- A refusal. `<key>.hint`, where it exists, says what to do now.
CREATE FUNCTION registry.refusal(p_lang text, p_code text, p_field text, p_key text, VARIADIC p_args text[] DEFAULT '{}')
RETURNS api.error LANGUAGE plpgsql STABLE AS $$
DECLARE
    e api.error;
BEGIN
    e.code := p_code;
    e.field := left(p_field, 100);
    e.message := coalesce(registry.say(p_lang, p_key, VARIADIC p_args), p_key);
    e.hint := registry.say(p_lang, p_key || '.hint', VARIADIC p_args);
    RETURN e;
END $$;

-- What people call a field.
CREATE FUNCTION registry.field_label(p_lang text, p_kind text, p_name text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT CASE WHEN p_lang = 'en' THEN f.en ELSE f.zh END
                     FROM registry.field f WHERE f.kind = p_kind AND f.name = p_name), p_name)
$$;

-- What people call a code of a kind.
CREATE FUNCTION registry.code_label(p_lang text, p_kind text, p_code text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF p_kind = 'office' THEN
        RETURN (SELECT name FROM registry.office WHERE code = p_code);
    ELSIF p_kind = 'account' THEN
        RETURN (SELECT a.name FROM registry.account a WHERE a.code = p_code);
    ELSIF p_kind = 'node' THEN
        RETURN (SELECT x.name FROM registry.node x WHERE x.id = p_code);
    ELSIF p_kind = 'stage' THEN
        RETURN (SELECT CASE WHEN p_lang = 'en' THEN s.en ELSE s.zh END FROM registry.stage s
                WHERE s.code = p_code AND s.rule_set = registry.rule_set_in_force());
    END IF;
    RETURN (SELECT CASE WHEN p_lang = 'en' THEN coalesce(c.en, c.zh) ELSE c.zh END
            FROM registry.code c WHERE c.kind = p_kind AND c.code = p_code);
END $$;

-- Words like the one given, nearest first: by shared characters and pairs, order of `p_from` among equals.
CREATE FUNCTION registry.nearest(p_word text, p_from text[], p_max int) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(w ORDER BY likeness DESC, n) FROM (
        SELECT w, n, 2.0 * (SELECT count(*) FROM (SELECT unnest(registry.grams(w))
                            INTERSECT ALL SELECT unnest(registry.grams(lower(left(p_word, 100))))) s)
                   / greatest(cardinality(registry.grams(w)) + cardinality(registry.grams(left(p_word, 100))), 1) AS likeness
        FROM unnest(p_from) WITH ORDINALITY u(w, n) ORDER BY likeness DESC, n LIMIT p_max) best
$$;

-- Codes of a field in people's words, twelve at most; those of industries with their codes. What is no code stays as it is.
CREATE FUNCTION registry.choices_said(p_lang text, p_kind text, p_field text, p_codes text[]) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT string_agg(coalesce(CASE f.code_kind WHEN 'industry' THEN u.code || ' ' ELSE '' END || registry.code_label(p_lang, f.code_kind, u.code), u.code),
        CASE p_lang WHEN 'en' THEN ', ' ELSE '、' END ORDER BY u.n)
    FROM unnest(p_codes[1:12]) WITH ORDINALITY u(code, n) LEFT JOIN registry.field f ON f.kind = p_kind AND f.name = p_field
$$;

-- A finding of the judge as the error a caller sees.
CREATE FUNCTION registry.error_of(p_lang text, p_kind text, f registry.finding) RETURNS api.error
LANGUAGE plpgsql STABLE AS $$
DECLARE
    e api.error;
    label text := registry.field_label(p_lang, p_kind, f.field);
    word text := left(f.value, 100);
BEGIN
    f.args := registry.said(p_lang, f.args);
    IF f.key IN ('stage.right', 'stage.need') THEN
        word := registry.code_label(p_lang, f.field, f.value);
    ELSIF f.key IN ('stage.move', 'stage.end', 'may.add', 'may.transfer') THEN
        word := registry.code_label(p_lang, f.field, f.value);
        f.args := ARRAY[registry.code_label(p_lang, f.field, f.args[1])];
    END IF;
    e := registry.refusal(p_lang, f.code, f.field, f.key, VARIADIC ARRAY[label, word] || f.args);
    e.allowed := coalesce(f.allowed, registry.allowed(p_kind, f.key, f.field, f.value));
    e.other_no := f.other_no;
    e.other_office := f.other_office;
    e.at := f.at;
    IF e.allowed IS NOT NULL AND e.hint IS NULL THEN
        e.hint := registry.say(p_lang, 'allowed.hint', registry.choices_said(p_lang, p_kind, f.field, e.allowed));
    END IF;
    RETURN e;
END $$;

-- What a value could have been, nearest first, where the list is short; for industry the codes above it, or those whose label holds the
-- word. A word in Chinese is compared with labels, any other with codes.
CREATE FUNCTION registry.allowed(p_kind text, p_key text, p_field text, p_value text) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    k text;
    word CONSTANT text := left(p_value, 100);
    chinese CONSTANT boolean := word ~ '[^ -~]';
BEGIN
    IF p_key IN ('field.unknown', 'field.readonly') THEN
        RETURN registry.nearest(p_field, ARRAY(SELECT name FROM registry.field
            WHERE kind = p_kind AND editable ORDER BY number), 5);
    ELSIF p_key = 'office.ended' THEN
        RETURN (SELECT ARRAY[o.successor] FROM registry.office o WHERE o.code = registry.resolve('office', p_value));
    ELSIF p_key <> 'code.unknown' THEN
        RETURN NULL;
    END IF;
    k := (SELECT code_kind FROM registry.field WHERE kind = p_kind AND name = p_field);
    IF k = 'industry' AND chinese THEN
        RETURN (SELECT array_agg(code) FROM (SELECT code FROM registry.code WHERE kind = 'industry' AND position(word IN zh) > 0
            ORDER BY length(code), rank, code LIMIT 5) x);
    ELSIF k = 'industry' THEN
        RETURN ARRAY(SELECT code FROM registry.code WHERE kind = 'industry'
            AND (upper(word) LIKE code || '%' OR code ~ ('^[A-T]' || left(regexp_replace(word, '\D', '', 'g'), 2) || '$'))
            ORDER BY length(code) DESC, rank LIMIT 5);
    ELSIF k = 'office' AND chinese THEN
        RETURN (SELECT array_agg(o.code ORDER BY u.n) FROM unnest(registry.nearest(word, ARRAY(SELECT name FROM registry.office
            WHERE until_on IS NULL ORDER BY rank, code), 12)) WITH ORDINALITY u(name, n) JOIN registry.office o USING (name) WHERE o.until_on IS NULL);
    ELSIF k = 'office' THEN
        RETURN registry.nearest(word, ARRAY(SELECT code FROM registry.office WHERE until_on IS NULL ORDER BY rank, code), 12);
    ELSIF k = 'node' THEN
        RETURN registry.nearest(word, ARRAY(SELECT x.name FROM registry.node x ORDER BY x.name LIMIT 1000), 12);
    ELSIF k = 'stage' THEN
        RETURN registry.nearest(word, ARRAY(SELECT code FROM registry.stage
            WHERE rule_set = registry.rule_set_in_force() ORDER BY rank), 12);
    ELSIF chinese THEN
        RETURN (SELECT array_agg(c.code ORDER BY u.n) FROM unnest(registry.nearest(word, ARRAY(SELECT zh FROM registry.code
            WHERE kind = k AND active ORDER BY rank), 12)) WITH ORDINALITY u(zh, n) JOIN registry.code c ON c.kind = k AND c.zh = u.zh AND c.active);
    END IF;
    RETURN registry.nearest(word, ARRAY(SELECT code FROM registry.code WHERE kind = k AND active ORDER BY rank), 12);
END $$;
