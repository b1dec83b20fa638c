-- SPDX-License-Identifier: Apache-2.0
-- A recognition ends with the last day that its until_on may mean.
CREATE FUNCTION registry.ymd_end(v text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT v || CASE length(v) WHEN 4 THEN '-12-31' WHEN 7 THEN '-31' ELSE '' END
$$;
CREATE INDEX recognition_until ON registry.recognition (registry.ymd_end(until_on), id) WHERE state = 'stands' AND until_on IS NOT NULL;
