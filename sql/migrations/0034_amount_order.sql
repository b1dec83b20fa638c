-- SPDX-License-Identifier: Apache-2.0
-- The largest projects first, and those from an amount on: no reading of all. A project's total changes as seldom as its stage.
CREATE INDEX project_amount ON registry.project (amount_total DESC NULLS LAST, no DESC);
