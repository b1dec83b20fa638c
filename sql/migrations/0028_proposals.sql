-- SPDX-License-Identifier: Apache-2.0
-- What cases are proposed from, without reading every alert that is on.
CREATE INDEX alert_red ON registry.alert (office, project) WHERE state = 'open' AND light = 'red' AND project IS NOT NULL;
CREATE INDEX alert_exit ON registry.alert (project) WHERE state = 'open' AND proposal = 'exit';
