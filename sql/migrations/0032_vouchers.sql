-- SPDX-License-Identifier: Apache-2.0
-- The same money reported twice is found by its voucher.
CREATE INDEX arrival_voucher ON registry.arrival (voucher, arrived_on);
