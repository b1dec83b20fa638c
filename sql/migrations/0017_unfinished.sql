-- SPDX-License-Identifier: Apache-2.0
-- Uploads that were broken off for good are withdrawn by the registry, days after their last chunk.
ALTER TABLE registry.upload ADD at timestamptz NOT NULL DEFAULT now();
INSERT INTO registry.setting (key, value) VALUES
    ('evidence.upload_days', '7'),            -- an upload is kept so long after its last chunk
    ('evidence.account_bytes', '104857600')   -- of files one account has half way
ON CONFLICT DO NOTHING;
