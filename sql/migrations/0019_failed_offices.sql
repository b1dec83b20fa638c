-- SPDX-License-Identifier: Apache-2.0
-- A change of offices, or a hand-over, whose step fails is set aside (failed) with what was wrong, and tried again the next day.
ALTER TABLE registry.reform ADD fault text, ADD failed_on registry.ymd;
ALTER TABLE registry.handover ADD fault text, ADD failed_on registry.ymd;
DROP INDEX registry.reform_ahead, registry.handover_ahead;
CREATE INDEX reform_ahead ON registry.reform (from_on) WHERE state IN ('planned', 'moving', 'failed');
CREATE INDEX handover_ahead ON registry.handover (from_on) WHERE state IN ('planned', 'moving', 'failed');
