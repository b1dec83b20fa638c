-- SPDX-License-Identifier: Apache-2.0
-- What a large revision is about (registry.subjects), and whether everybody who reads may see all of it, before and after: so watches
-- need not page through what doesn't concern them. Null: not known.
ALTER TABLE registry.txn ADD COLUMN subjects text, ADD COLUMN open boolean;
