-- SPDX-License-Identifier: Apache-2.0
-- Helping offices sign for their part of a matter themselves. The three lists go in step, in the order of signing.
ALTER TABLE registry.matter ADD helpers_signed text[], ADD helper_signers text[], ADD helper_minutes text[],
    ADD CHECK (cardinality(helpers_signed) = cardinality(helper_signers) AND cardinality(helpers_signed) = cardinality(helper_minutes));
