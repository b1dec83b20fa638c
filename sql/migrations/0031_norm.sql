-- SPDX-License-Identifier: Apache-2.0
-- The same names as before, found by one pass of an expression: translate() compared each character with sixty others. What it makes is the
-- same for every text, so indexes and stored keys stay as they are.
CREATE OR REPLACE FUNCTION registry.norm(v text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT regexp_replace(lower(normalize(coalesce(v, ''), NFKC)),
        E'[ \t\r\n()[\\]{}<>《》〈〉【】「」『』〔〕〖〗“”‘’"''`´、,，.。·•・:：;；!！?？‐‑–—_~～/\\\\|@#$%^&*=…\u00ad\u180e\u200b\u200c\u200d\u2060\ufe0e\ufe0f\u3164-]', '', 'g')
$$;
