-- SPDX-License-Identifier: Apache-2.0
-- A limit may stand in the way of rulings: they are made in spite of it by an exception that says why.
ALTER TABLE registry.case_limit ADD blocks text[]; -- null: the fact is shown with its limit, no more
ALTER TABLE registry."case" ADD exception text;
