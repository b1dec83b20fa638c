-- SPDX-License-Identifier: Apache-2.0
-- The audit: rows beside the journal, and the chains over both. What is hashed is the text of a ROW of plain values
-- (numbers, texts, jsonb; instants as microseconds, bytes as hex), which no setting of a session changes.

CREATE FUNCTION registry.sm3(p_data bytea) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT crypto.digest(p_data, 'sm3')
$$;

CREATE FUNCTION registry.micros(p_at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (extract(epoch FROM p_at) * 1000000)::bigint
$$;

CREATE FUNCTION registry.audit_text(a registry.audit) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT ROW(a.no, registry.micros(a.at), a.account, a.actor, a.office, a.op, a.status, a.object, a.of_office, a.peer,
               a.detail)::text
$$;

CREATE FUNCTION registry.audit_row() RETURNS trigger LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = registry, api, pg_temp AS $$
BEGIN
    NEW.closing := NULL;
    NEW.digest := registry.sm3(convert_to(registry.audit_text(NEW), 'UTF8'));
    RETURN NEW;
END $$;
CREATE TRIGGER audit_row BEFORE INSERT ON registry.audit FOR EACH ROW EXECUTE FUNCTION registry.audit_row();

-- Somebody did, was refused, or read something that leaves no entry with a revision. Account null: nobody known.
-- p_office is the object's; p_detail's `peer` has a column of its own. Ids, counts and words only: never contact data.
-- Whoever can't have a row here fails: the row is written in the transaction of what it tells.
CREATE FUNCTION registry.audit_put(p_account int, p_op text, p_status text, p_object text, p_office text, p_detail jsonb)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO registry.audit (at, account, actor, office, op, status, object, of_office, peer, detail)
    SELECT registry.now(), p_account, a.code, a.office, p_op, p_status, left(p_object, 100), p_office,
        left(p_detail ->> 'peer', 100), nullif(p_detail - 'peer', '{}')
    FROM (SELECT 1) one LEFT JOIN registry.account a ON a.id = p_account;
END $$;
