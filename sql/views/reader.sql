-- SPDX-License-Identifier: Apache-2.0
-- What reports read: projects with labels, enterprises, the journal. Never contact data.
CREATE VIEW registry.project_report WITH (security_invoker = true) AS
SELECT p.id, p.no, p.version, p.name, p.code, p.source, p.external_id, p.class, p.investor, p.credit_code, p.region,
    r.zh AS region_name, p.industry, i.zh AS industry_name, left(p.industry, 1) AS section, p.summary, p.tags, p.method,
    p.amount_total / 100.0::numeric AS amount_total, p.amount_fixed / 100.0::numeric AS amount_fixed,
    p.amount_outside / 100.0::numeric AS amount_outside, p.amount_agreed / 100.0::numeric AS amount_agreed,
    p.amount_filed / 100.0::numeric AS amount_filed, p.currency, p.park, p.site, p.land_mu,
    p.amount_output / 100.0::numeric AS amount_output, p.amount_tax / 100.0::numeric AS amount_tax, p.jobs,
    p.office, o.name AS office_name, p.host_office, p.lead_person, p.service_person, p.stage, s.zh AS stage_name,
    p.planned_sign_on, p.planned_start_on, p.planned_complete_on, p.planned_produce_on,
    p.signed_on, p.started_on, p.completed_on, p.produced_on, p.registered_at, p.changed_at
FROM registry.project p
JOIN registry.office o ON o.code = p.office
LEFT JOIN registry.rule_set q ON q.in_force
LEFT JOIN registry.stage s ON s.rule_set = q.id AND s.code = p.stage
LEFT JOIN registry.code r ON r.kind = 'region' AND r.code = p.region
LEFT JOIN registry.code i ON i.kind = 'industry' AND i.code = p.industry;
