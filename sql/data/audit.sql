-- SPDX-License-Identifier: Apache-2.0
-- The chains begin: what was written before transactions had digests is taken as it stands. Once; nothing afterwards.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM registry.chain) AND EXISTS (SELECT FROM registry.txn WHERE kind = 'commit' AND digest IS NULL) THEN
        ALTER TABLE registry.txn DISABLE TRIGGER txn_fixed;
        UPDATE registry.txn SET digest = registry.content_digest(grp) WHERE kind = 'commit' AND digest IS NULL;
        ALTER TABLE registry.txn ENABLE TRIGGER txn_fixed;
    END IF;
END $$;
