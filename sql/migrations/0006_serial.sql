-- SPDX-License-Identifier: Apache-2.0
-- With which certificate a renewal was asked for: when that is revoked, nothing comes of it. Those from before say nothing, and are refused.
ALTER TABLE registry.certificate_request ADD serial text CHECK (length(serial) <= 42); -- hexadecimal
