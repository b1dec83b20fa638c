-- SPDX-License-Identifier: Apache-2.0
-- What sheets say in their own way. An alias is the county's word for everybody; a profile is an office's own, or one that the
-- bureau shares with all.

CREATE FUNCTION registry.alias_may(p_account int, p_op text, b registry.alias, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN registry.unless_may(p_account, 'county', NULL);
END $$;

CREATE FUNCTION registry.alias_rules(p_account int, p_op text, b registry.alias, INOUT n registry.alias, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    meant CONSTANT text := registry.resolve(n.class, n.code);
    itself CONSTANT text := registry.resolve(n.class, n.word);
    other registry.alias;
BEGIN
    SELECT * INTO other FROM registry.alias x WHERE x.class = n.class AND x.word = n.word AND x.id IS DISTINCT FROM n.id;
    IF n.code IS NOT NULL AND meant IS NULL THEN
        fault := registry.bad('code', n.code, 'code.unknown');
    ELSIF other.id IS NOT NULL THEN
        fault := registry.fault('ALREADY_EXISTS', 'word', 'alias.twin', n.word, coalesce(format('@%s:%s', n.class, other.code), '—'));
    ELSIF itself IS NOT NULL AND (n.class, n.word) IS DISTINCT FROM (b.class, b.word) THEN
        fault := registry.fault('INVALID_ARGUMENT', 'word', 'alias.known', n.word, format('@%s:%s', n.class, itself));
    END IF;
    n.code := meant;
END $$;

SELECT registry.generate_record('alias', 'word');

CREATE FUNCTION registry.profile_may(p_account int, p_op text, b registry.profile, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding := registry.unless_may(p_account, 'import', b.office);
BEGIN
    RETURN CASE WHEN f.code IS NULL AND b.shared THEN registry.unless_may(p_account, 'county', NULL) ELSE f END;
END $$;

CREATE FUNCTION registry.profile_rules(p_account int, p_op text, b registry.profile, INOUT n registry.profile, OUT fault registry.finding)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    n.actor := registry.account_code(p_account);
    n.shared := coalesce(n.shared, false);
    n.target := coalesce(n.target, 'project');
    n.headers := lower(n.headers);
    IF n.name !~ '^[[:alnum:]_-]+$' THEN
        fault := registry.bad('name', n.name, 'profile.name');
    ELSIF NOT EXISTS (SELECT FROM registry.kind k WHERE k.code = n.target AND (k.record OR k.code = 'project')) THEN
        fault := registry.bad('target', n.target, 'profile.target');
    ELSIF n.headers !~ '^[0-9a-f]{64}$' THEN
        fault := registry.fault('INVALID_ARGUMENT', 'headers', 'profile.headers');
    ELSIF n.shared AND NOT registry.may(p_account, 'county', NULL) THEN
        fault := registry.fault('PERMISSION_DENIED', 'shared', 'may.county');
    ELSIF NOT registry.may(p_account, 'import', n.office) THEN
        fault := registry.fault('PERMISSION_DENIED', 'office', 'may.import');
    ELSIF EXISTS (SELECT FROM registry.profile x WHERE x.office = n.office AND x.name = n.name AND x.id IS DISTINCT FROM n.id) THEN
        fault := registry.fault('ALREADY_EXISTS', 'name', 'profile.twin', n.name);
    END IF;
END $$;

SELECT registry.generate_record('profile', 'name');

-- Right: import. The profile for a sheet, by its name or, without one, by the digest of its headings: the office's own before one
-- that is shared, the newest first.
CREATE FUNCTION api.profile_find(p_account int, p_lang text, name text, headers text) RETURNS api.profile_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    r api.profile_reply;
    own CONSTANT text := (SELECT a.office FROM registry.account a WHERE a.id = p_account);
    b registry.profile;
BEGIN
    IF NOT registry.may(p_account, 'import', NULL) THEN
        r.error := registry.refusal(p_lang, 'PERMISSION_DENIED', NULL, 'may.import');
        RETURN r;
    END IF;
    SELECT x.* INTO b FROM registry.profile x
    WHERE x.map IS NOT NULL AND (x.office = own OR x.shared)
      AND CASE WHEN coalesce(profile_find.name, '') <> '' THEN x.name = profile_find.name ELSE x.headers = lower(profile_find.headers) END
    ORDER BY x.office = own DESC, x.changed_at DESC LIMIT 1;
    IF b.id IS NULL THEN
        r.error := registry.record_error(p_lang, 'profile', registry.fault('NOT_FOUND', 'name', 'record.none', profile_find.name));
    ELSE
        r.profile := registry.profile_row(b);
        PERFORM registry.commit_here();
    END IF;
    RETURN r;
END $$;
