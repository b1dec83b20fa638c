-- SPDX-License-Identifier: Apache-2.0
-- Whole batches can be taken back. A record that knows of no withdrawal then leaves its table; the journal keeps it, and says so by its
-- field 1, the id, that becomes nothing.
CREATE INDEX change_gone ON registry.change (object) WHERE version > 1 AND fields ? '1' AND kind <> 'account';
ALTER TABLE registry.stage_event ALTER stage DROP NOT NULL; -- null: what it corrects was not so, and nothing takes its place
ALTER TABLE registry.code ADD made_by text; -- the record it came with; with that it goes (active)
