-- SPDX-License-Identifier: Apache-2.0
-- What a large revision is about (registry.subjects), and whether everybody who reads may see all of it, before and after: so watches
-- need not page through what doesn't concern them. Beside txn: a row there is written the moment its number is drawn, and this takes longer.
CREATE TABLE registry.txn_subjects (grp bigint PRIMARY KEY, subjects text NOT NULL, open boolean NOT NULL);
