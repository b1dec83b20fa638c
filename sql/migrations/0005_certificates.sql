-- SPDX-License-Identifier: Apache-2.0
-- Certificates: an identity is asked for by one officer and put in force by another; requests to renew one's own.

-- Who put it in force, and who ended it. Rows from before have neither.
ALTER TABLE registry.certificate
    ADD asked_by text, ADD asked_at timestamptz,
    ADD approved_by text, ADD approved_at timestamptz CHECK (approved_by <> asked_by),
    ADD ended_by text, ADD ended_at timestamptz;

-- Waits for the second officer. One for each identity: asking again replaces it.
CREATE TABLE registry.certificate_asked (
    identity text PRIMARY KEY CHECK (identity ~ '^qipan:(person|machine):[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$'),
    account int NOT NULL REFERENCES registry.account,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL
);

-- A live session's request for a new certificate of its own identity, and the authority's answer.
CREATE TABLE registry.certificate_request (
    id text PRIMARY KEY,
    identity text NOT NULL,
    account int NOT NULL REFERENCES registry.account,
    csr bytea NOT NULL CHECK (length(csr) BETWEEN 1 AND 4096), -- PKCS #10, DER
    asked_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'issued', 'refused', 'replaced')),
    chain text CHECK (length(chain) <= 16384), -- PEM: the leaf, then its issuer
    note text,                                 -- why it was refused
    answered_at timestamptz,
    CHECK ((state = 'issued') = (chain IS NOT NULL))
);
CREATE UNIQUE INDEX certificate_request_asked ON registry.certificate_request (identity) WHERE state = 'asked';
