-- SPDX-License-Identifier: Apache-2.0
-- Opening balances: stages and arrivals of before a county went live, entered with their true days and marked as such. The setting
-- county.live_on is the day it goes live; absent: it hasn't.
ALTER TABLE registry.stage_event ADD opening boolean NOT NULL DEFAULT false; -- version <= 0: before the project was registered
ALTER TABLE registry.step ADD opening boolean;
ALTER TABLE registry.arrival ADD opening boolean;
