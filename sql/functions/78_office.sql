-- SPDX-License-Identifier: Apache-2.0
-- Offices change: renamed, merged into another, split, moved to another ranking group, each from a day on. What that moves is
-- moved in the background, a batch at a time (api.office_turn), so that nobody's edit waits for it. And people change: what
-- one holds goes to another in one step.

-- ---------------------------------------------------------------- as of a day

-- What an office was called on a day, and what it was ranked among: as it is now, with later changes taken back.
CREATE FUNCTION registry.office_as_of(p_office text, p_on text, OUT name text, OUT grp text) LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT r.was FROM registry.reform r WHERE r.office = o.code AND r.class = 'rename' AND r.state = 'done'
                     AND r.from_on > p_on ORDER BY r.from_on, r.changed_at LIMIT 1), o.name),
        coalesce((SELECT r.was FROM registry.reform r WHERE r.office = o.code AND r.class = 'move' AND r.state = 'done'
                  AND r.from_on > p_on ORDER BY r.from_on, r.changed_at LIMIT 1), o.grp, o.kind)
    FROM registry.office o WHERE o.code = p_office
$$;

-- Who has taken over from an office: itself, if nobody.
CREATE FUNCTION registry.office_now(p_office text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    o text := p_office;
    next text;
BEGIN
    FOR hop IN 1 .. 20 LOOP
        next := (SELECT x.successor FROM registry.office x WHERE x.code = o);
        EXIT WHEN next IS NULL;
        o := next;
    END LOOP;
    RETURN o;
END $$;

-- ---------------------------------------------------------------- what offices and people hold

-- Is a record in this state done with? What is done stays with whom it was done by.
CREATE FUNCTION registry.settled(p_state text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_state = ANY ('{closed,withdrawn,done,decided,deferred,rejected,corrected,released,expired,ended,cancelled,fired,cleared,approved,in_force,given}')
$$;

-- When a row p of a kind is still held by somebody, and may be by another ($1 words, $2 what they become): nobody inspects or deals with
-- himself, who was asked already is not asked twice, and who has a layout of that name keeps his.
CREATE FUNCTION registry.held_live(p_kind text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws(' AND ', CASE WHEN p_kind = 'case' THEN 'p.state NOT IN (''in_force'', ''rejected'', ''withdrawn'')' -- what is ruled may be objected to
        WHEN registry.has_field(p_kind, 'state') THEN 'registry.settled(p.state) IS NOT TRUE' ELSE 'true' END,
        CASE p_kind WHEN 'inspection' THEN 'p.office <> ALL ($1 || $2)'
            WHEN 'milestone' THEN 'p.done_on IS NULL'
            WHEN 'alert' THEN 'p.project IS NOT NULL'
            WHEN 'case' THEN '(p.office = ANY ($1 || $2) AND p.other_office = ANY ($1 || $2)) IS NOT TRUE'
            WHEN 'profile' THEN 'NOT EXISTS (SELECT FROM registry.profile o WHERE o.name = p.name AND o.office = ANY ($2))'
            WHEN 'opinion' THEN 'NOT EXISTS (SELECT FROM registry.opinion o WHERE o.of = p.of AND o.class = p.class AND o.office = ANY ($2))' END)
$$;

-- What of a kind is held by an office, or by a person: `holds` a condition on p, a row of it, `sets` what becomes of that. $1 and $2:
-- words and what each becomes (a person's code and name); $3 only of these projects; $4 only what this office owns; null = all.
-- What tells of the past keeps its office: activities, evidence, days of departments, returns, rewards; inspections that which was
-- inspected. Parties of a case are nobody's work; alerts follow their project with the next run of the clocks.
CREATE FUNCTION registry.held(p_what text) RETURNS TABLE (kind text, holds text, sets text) LANGUAGE sql STABLE AS $$
    SELECT f.kind, format('(%s) AND %s AND ($3 IS NULL OR %s) AND ($4 IS NULL OR %s)',
            string_agg(format(CASE f.type WHEN 'tags' THEN 'p.%I && $1' ELSE 'p.%I = ANY ($1)' END, f.name), ' OR '),
            registry.held_live(f.kind),
            CASE WHEN f.kind = 'project' THEN 'p.id = ANY ($3)' WHEN registry.has_field(f.kind, 'project') THEN 'p.project = ANY ($3)' ELSE 'false' END,
            CASE WHEN registry.has_field(f.kind, 'office') THEN 'p.office = $4'
                ELSE 'p.project IN (SELECT q.id FROM registry.project q WHERE q.office = $4)' END),
        string_agg(format(CASE f.type WHEN 'tags' THEN '%1$I = registry.list_carried(p.%1$I, $1, $2)'
            ELSE '%1$I = coalesce($2[array_position($1, p.%1$I::text)], p.%1$I)' END, f.name), ', ')
    FROM registry.field f JOIN registry.kind k ON k.code = f.kind
    WHERE (k.record OR f.kind IN ('project', 'due')) AND f.kind NOT IN ('reform', 'handover', 'activity', 'evidence', 'stagedate', 'return', 'reward', 'alert')
      AND (f.kind, f.name) NOT IN (('inspection', 'office'), ('case', 'person'), ('matter', 'helpers_signed'))
      AND CASE p_what WHEN 'office' THEN f.code_kind = 'office' OR (f.kind, f.name) IN (('matter', 'helpers'), ('round', 'offices'))
          ELSE f.name ~ '(^|_)person$' OR (f.kind, f.name) IN (('matter', 'reviewer'), ('matter', 'superior')) END
    GROUP BY f.kind ORDER BY f.kind
$$;

-- Gives up to p_most objects to whom they go now, kinds and ids in order, each object once: how many.
CREATE FUNCTION registry.carry(p_what text, p_from text[], p_to text[], p_projects text[], p_office text, p_most int) RETURNS int
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    h record;
    n int;
    total int := 0;
BEGIN
    FOR h IN SELECT * FROM registry.held(p_what) LOOP
        EXECUTE format('UPDATE registry.%1$I p SET %2$s FROM (SELECT p.id FROM registry.%1$I p WHERE %3$s ORDER BY p.id LIMIT $5
            FOR NO KEY UPDATE) o WHERE p.id = o.id', h.kind, h.sets, h.holds)
        USING p_from, p_to, p_projects, p_office, p_most - total;
        GET DIAGNOSTICS n = ROW_COUNT;
        total := total + n;
        EXIT WHEN total >= p_most;
    END LOOP;
    RETURN total;
END $$;

-- How many objects carry() has before it.
CREATE FUNCTION registry.carried(p_what text, p_from text[], p_to text[], p_projects text[], p_office text) RETURNS int
LANGUAGE plpgsql STABLE AS $$
DECLARE
    h record;
    n int;
    total int := 0;
BEGIN
    FOR h IN SELECT * FROM registry.held(p_what) LOOP
        EXECUTE format('SELECT count(*) FROM registry.%I p WHERE %s', h.kind, h.holds) INTO n
        USING p_from, p_to, p_projects, p_office;
        total := total + n;
    END LOOP;
    RETURN total;
END $$;

-- A list in which some words became others, each once.
CREATE FUNCTION registry.list_carried(p_list text[], p_from text[], p_to text[]) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(x.word ORDER BY x.n)
    FROM (SELECT coalesce(p_to[array_position(p_from, u.word)], u.word) AS word, min(u.n) AS n
          FROM unnest(p_list) WITH ORDINALITY u(word, n) GROUP BY 1) x
$$;

-- ---------------------------------------------------------------- changes of offices

-- Roles that end with an office, as what the security officer may give instead; at most a hundred lines.
CREATE FUNCTION registry.roles_proposed(p_office text, p_successor text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT string_agg(x.line, E'\n' ORDER BY x.line)
    FROM (SELECT DISTINCT format('qipan account grant %s %s --office %s', a.code, m.role, p_successor) AS line
          FROM registry.membership m JOIN registry.account a ON a.id = m.account AND a.enabled
          WHERE m.office = p_office AND m.ended_at IS NULL AND coalesce(m.until_on, 'infinity') >= registry.today()
            AND NOT EXISTS (SELECT FROM registry.membership x WHERE x.account = m.account AND x.role = m.role
                            AND x.office = p_successor AND x.ended_at IS NULL)
          ORDER BY 1 LIMIT 100) x
$$;

CREATE FUNCTION registry.reform_may(p_account int, p_op text, b registry.reform, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding := registry.unless_may(p_account, 'county', NULL);
BEGIN
    RETURN CASE WHEN f.code IS NOT NULL OR b.version IS NULL OR b.version = 0 THEN f
        ELSE registry.unless_state('reform', b.id, b.state, 'planned', 'failed') END;
END $$;

-- What stands against one office's taking over from another.
CREATE FUNCTION registry.merge_fault(n registry.reform, o registry.office) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    s registry.office;
BEGIN
    SELECT * INTO s FROM registry.office x WHERE x.code = n.successor;
    RETURN CASE WHEN s.code IS NULL THEN registry.bad('successor', n.successor, 'office.none')
        WHEN s.until_on IS NOT NULL THEN registry.bad('successor', n.successor, 'office.ended', s.successor)
        WHEN s.code = o.code THEN registry.bad('successor', n.successor, 'office.self')
        -- the bureau's roles reach everywhere: what one may would change with the office
        WHEN 'bureau' IN (o.kind, s.kind) AND o.kind <> s.kind THEN registry.bad('successor', n.successor, 'office.bureau')
        WHEN EXISTS (SELECT FROM registry.reform r WHERE r.class = 'merge' AND r.state IN ('planned', 'moving', 'failed')
                     AND r.office IN (o.code, s.code)) THEN registry.fault('FAILED_PRECONDITION', 'office', 'office.moving') END;
END $$;

-- A split gives listed projects to an office that is there, or to a new one under a name of its own.
CREATE FUNCTION registry.split_fault(n registry.reform) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
DECLARE
    s registry.office;
    stray CONSTANT text := (SELECT min(u.id) FROM unnest(n.projects) u(id)
                            WHERE NOT EXISTS (SELECT FROM registry.project p WHERE p.id = u.id AND p.office = n.office));
BEGIN
    SELECT * INTO s FROM registry.office x WHERE x.code = n.successor;
    RETURN CASE WHEN coalesce(cardinality(n.projects), 0) NOT BETWEEN 1 AND 500 THEN registry.bad('projects', '', 'office.projects')
        WHEN stray IS NOT NULL THEN registry.bad('projects', stray, 'office.project')
        WHEN s.until_on IS NOT NULL THEN registry.bad('successor', n.successor, 'office.ended', s.successor)
        WHEN s.code = n.office THEN registry.bad('successor', n.successor, 'office.self')
        WHEN s.code IS NULL AND n.becomes IS NULL THEN registry.bad('successor', n.successor, 'office.unnamed')
        WHEN s.code IS NULL AND coalesce(n.successor, '') !~ '^[a-z][a-z0-9_-]{0,39}$' THEN registry.bad('successor', n.successor, 'office.form')
        WHEN s.code IS NULL THEN registry.name_fault(n.becomes) END;
END $$;

CREATE FUNCTION registry.name_fault(p_name text) RETURNS registry.finding LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN coalesce(length(p_name), 0) NOT BETWEEN 1 AND 100 THEN registry.bad('becomes', p_name, 'office.name')
        WHEN EXISTS (SELECT FROM registry.office o WHERE o.name = p_name AND o.until_on IS NULL) THEN
            registry.fault('ALREADY_EXISTS', 'becomes', 'office.twin', p_name) END;
END $$;

CREATE FUNCTION registry.reform_rules(p_account int, p_op text, b registry.reform, INOUT n registry.reform,
    OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    o registry.office;
    today CONSTANT text := registry.today()::text;
BEGIN
    IF b.version > 0 THEN
        RETURN;
    END IF;
    SELECT * INTO o FROM registry.office x WHERE x.code = n.office;
    n.from_on := coalesce(n.from_on, today);
    n.state := CASE WHEN n.class IN ('rename', 'move') AND n.from_on <= today THEN 'done' ELSE 'planned' END;
    n.moved := 0;
    n.actor := registry.account_code(p_account);
    n.was := CASE n.class WHEN 'rename' THEN o.name WHEN 'move' THEN coalesce(o.grp, o.kind) END;
    n.projects := ARRAY(SELECT coalesce((registry.project_find(btrim(w))).id, btrim(w)) FROM unnest(n.projects) w);
    IF o.code IS NULL THEN
        fault := registry.bad('office', n.office, 'code.unknown');
    ELSIF o.until_on IS NOT NULL THEN
        fault := registry.bad('office', n.office, 'office.ended', o.successor);
    ELSIF length(n.from_on) <> 10 OR n.from_on < '1990' OR n.from_on >= '2101' THEN
        fault := registry.bad('from_on', n.from_on, 'office.day');
    ELSIF n.class = 'merge' THEN
        fault := registry.merge_fault(n, o);
        n.proposed := registry.roles_proposed(o.code, n.successor);
    ELSIF n.class = 'split' THEN
        fault := registry.split_fault(n);
    ELSIF n.class = 'rename' THEN
        fault := registry.name_fault(n.becomes);
    ELSIF registry.resolve('office_group', n.becomes) IS NULL THEN
        fault := registry.bad('becomes', n.becomes, 'office.group');
    END IF;
    IF n.class = 'move' THEN
        n.becomes := registry.resolve('office_group', n.becomes);
    END IF;
    n.projects := nullif(n.projects, '{}');
END $$;

-- The alert of the office that ordered changes which failed: lit while there is one for that day.
CREATE FUNCTION registry.office_alert(p_kind text, p_actor text, p_day text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    whose CONSTANT text := (SELECT a.office FROM registry.account a WHERE a.code = p_actor);
    today CONSTANT text := registry.today()::text;
    failed boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM registry.%I x JOIN registry.account a ON a.code = x.actor AND a.office = $1
        WHERE x.state = ''failed'' AND x.from_on = $2)', p_kind) INTO failed USING whose, p_day;
    IF NOT failed THEN
        UPDATE registry.alert x SET state = 'cleared', cleared_on = today
        WHERE x.project IS NULL AND x.state = 'open' AND x.office = whose AND x.rule = p_kind AND x.period = p_day;
    ELSIF NOT EXISTS (SELECT FROM registry.alert x WHERE x.project IS NULL AND x.state = 'open' AND x.office = whose AND x.rule = p_kind AND x.period = p_day) THEN
        INSERT INTO registry.alert (office, rule, period, state, light, since_on, lit_on, start_on)
        VALUES (whose, p_kind, p_day, 'open', 'red', today, today, p_day);
    END IF;
END $$;

CREATE FUNCTION registry.reform_apply(r registry.reform) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE registry.office o SET name = CASE r.class WHEN 'rename' THEN r.becomes ELSE o.name END,
        grp = CASE r.class WHEN 'move' THEN r.becomes ELSE o.grp END
    WHERE o.code = r.office;
END $$;

CREATE FUNCTION registry.reform_effects(p_account int, p_op text, b registry.reform, n registry.reform) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF b.version = 0 AND n.state = 'done' THEN
        PERFORM registry.reform_apply(n);
    ELSIF b.state = 'failed' THEN
        PERFORM registry.office_alert('reform', n.actor, n.from_on);
    END IF;
END $$;

SELECT registry.generate_record('reform', '-from_on');

-- One step of a change whose day has come, at most p_most objects of it: is it done?
CREATE FUNCTION registry.reform_step(r registry.reform, p_most int) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    few CONSTANT int := 20; -- nobody edits while rights change: what is left then must be little
    done boolean := r.class IN ('rename', 'move');
    n int := 0;
    -- offices may have been taken over since this was ordered
    giver CONSTANT text := CASE r.class WHEN 'split' THEN registry.office_now(r.office) ELSE r.office END;
    taker CONSTANT text := registry.office_now(r.successor);
BEGIN
    IF done THEN
        PERFORM registry.reform_apply(r);
    ELSIF giver = taker THEN
        done := true;
    ELSE
        IF r.class = 'split' THEN
            INSERT INTO registry.office (code, name, kind, rank, grp)
            SELECT r.successor, r.becomes, o.kind, o.rank, o.grp FROM registry.office o
            WHERE o.code = giver AND NOT EXISTS (SELECT FROM registry.office x WHERE x.code = r.successor);
        END IF;
        n := registry.carry('office', ARRAY[giver], ARRAY[taker], r.projects, NULL, p_most);
        done := n < least(few, p_most);
        IF done AND r.class = 'merge' THEN
            UPDATE registry.office o SET until_on = (r.from_on::date - 1)::text, successor = taker WHERE o.code = r.office;
            n := n + registry.carry('office', ARRAY[giver], ARRAY[taker], NULL, NULL, p_most);
            UPDATE registry.account a SET office = taker WHERE a.office = r.office;
            PERFORM registry.inspections_redrawn(taker);
        END IF;
    END IF;
    UPDATE registry.reform x SET state = CASE WHEN done THEN 'done' ELSE 'moving' END, moved = x.moved + n, fault = NULL, failed_on = NULL WHERE x.id = r.id;
    RETURN done;
END $$;

-- The roles held in an office end with it, an entry each as if they had been taken away.
CREATE FUNCTION registry.office_roles_end(r registry.reform) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    m registry.membership;
    place int;
BEGIN
    FOR m IN SELECT * FROM registry.membership x WHERE x.office = r.office AND x.ended_at IS NULL ORDER BY x.id LOOP
        place := registry.entry_begin('registry');
        UPDATE registry.membership x SET ended_at = registry.now() WHERE x.id = m.id RETURNING * INTO m;
        PERFORM registry.keep_own(place, format('office-%s-%s', r.id, m.id), 'role_end', a.object, a.version,
            jsonb_build_object('id', m.id, 'terms', registry.membership_text(m))) FROM registry.account a WHERE a.id = m.account;
    END LOOP;
END $$;

-- What failed is tried again the next day.
CREATE FUNCTION registry.office_awaits(p_state text, p_from_on text, p_failed_on text, p_today text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_state IN ('planned', 'moving', 'failed') AND p_from_on <= p_today AND coalesce(p_failed_on < p_today, true)
$$;

-- Is there a change of an office, or a hand-over, whose day has come? One look.
CREATE FUNCTION registry.office_due() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    today CONSTANT text := registry.today()::text;
BEGIN
    RETURN EXISTS (SELECT FROM registry.reform r WHERE registry.office_awaits(r.state, r.from_on, r.failed_on, today))
        OR EXISTS (SELECT FROM registry.handover h WHERE registry.office_awaits(h.state, h.from_on, h.failed_on, today));
END $$;

-- One step of one of them, with its entry; what was wrong, if it failed: then nothing of it is done. What only wants another try
-- (locks, resources, a link that ends) is raised.
CREATE FUNCTION registry.office_step(f registry.reform, h registry.handover, p_place int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    done boolean;
BEGIN
    IF f.id IS NOT NULL THEN
        done := registry.reform_step(f, 500);
    ELSE
        PERFORM registry.handover_step(h);
    END IF;
    IF 'failed' IN (f.state, h.state) THEN
        PERFORM registry.office_alert(CASE WHEN f.id IS NOT NULL THEN 'reform' ELSE 'handover' END, coalesce(f.actor, h.actor), coalesce(f.from_on, h.from_on));
    END IF;
    PERFORM registry.keep_own(p_place, format('office-%s-%s', coalesce(f.id, h.id), coalesce(f.version, h.version)), 'office_turn',
        coalesce(f.id, h.id), coalesce(f.version, h.version) + 1);
    IF done AND f.class = 'merge' THEN
        PERFORM registry.office_roles_end(f);
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    IF left(SQLSTATE, 2) IN ('40', '53', '55', '57', '58') THEN
        RAISE;
    END IF;
    RETURN left(format('%s (%s)', SQLERRM, SQLSTATE), 500);
END $$;

-- Sets a change aside that failed, so that those behind it go on.
CREATE FUNCTION registry.office_failed(f registry.reform, h registry.handover, p_fault text, p_place int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    k CONSTANT text := CASE WHEN f.id IS NOT NULL THEN 'reform' ELSE 'handover' END;
BEGIN
    EXECUTE format('UPDATE registry.%I x SET state = ''failed'', fault = $1, failed_on = $2 WHERE x.id = $3', k)
    USING p_fault, registry.today()::text, coalesce(f.id, h.id);
    PERFORM registry.office_alert(k, coalesce(f.actor, h.actor), coalesce(f.from_on, h.from_on));
    PERFORM registry.keep_own(p_place, format('office-%s-%s', coalesce(f.id, h.id), coalesce(f.version, h.version)), 'office_turn',
        coalesce(f.id, h.id), coalesce(f.version, h.version) + 1);
END $$;

-- Carries out one step of the oldest of them, as an entry of the registry; whoever comes at the same time finds it being done.
-- failed: the one that was set aside instead, and why.
CREATE FUNCTION api.office_turn(OUT turned int, OUT failed text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
DECLARE
    f registry.reform;
    h registry.handover;
    today CONSTANT text := registry.today()::text;
    place int;
    fault text;
BEGIN
    turned := 0;
    SELECT * INTO f FROM registry.reform x WHERE registry.office_awaits(x.state, x.from_on, x.failed_on, today)
    ORDER BY x.from_on, x.id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF f.id IS NULL THEN
        SELECT * INTO h FROM registry.handover x WHERE registry.office_awaits(x.state, x.from_on, x.failed_on, today)
        ORDER BY x.from_on, x.id LIMIT 1 FOR UPDATE SKIP LOCKED;
    END IF;
    IF coalesce(f.id, h.id) IS NULL THEN
        RETURN;
    END IF;
    place := registry.entry_begin('registry');
    fault := registry.office_step(f, h, place);
    IF fault IS NOT NULL THEN
        PERFORM registry.office_failed(f, h, fault, place);
        failed := coalesce(f.id, h.id) || ': ' || fault;
    END IF;
    turned := 1;
END $$;

-- One order: p_own what the operation itself says of it.
CREATE FUNCTION registry.reform_order(p_account int, p_lang text, p_request text, p_digest bytea, p_op text, p_class text, p_office text,
    p_on text, p_note text, p_own jsonb, p_reason text) RETURNS api.reform_reply LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN registry.reform_change(p_account, p_lang, p_request, p_digest, NULL, p_op, NULL,
        jsonb_strip_nulls(jsonb_build_object('from_on', nullif(btrim(p_on), ''), 'note', p_note)),
        p_own || jsonb_build_object('class', p_class, 'office', coalesce(registry.resolve('office', btrim(p_office)), btrim(p_office), '')),
        p_reason, NULL);
END $$;

-- Another name from a day on. Right county; so for all of these.
CREATE FUNCTION api.office_rename(p_account int, p_lang text, p_request text, p_digest bytea, office text, name text, "on" text,
    note text, reason text) RETURNS api.reform_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.reform_order(p_account, p_lang, p_request, p_digest, 'office_rename', 'rename', office, "on", note,
        jsonb_build_object('becomes', btrim(name)), reason);
END $$;

-- Another ranking group from a day on.
CREATE FUNCTION api.office_move(p_account int, p_lang text, p_request text, p_digest bytea, office text, grp text, "on" text,
    note text, reason text) RETURNS api.reform_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.reform_order(p_account, p_lang, p_request, p_digest, 'office_move', 'move', office, "on", note,
        jsonb_build_object('becomes', btrim(grp)), reason);
END $$;

-- All that is open and owned goes to another office; the old one stays as a name. Roles held in it end; `proposed` says which the
-- security officer may give in the other: nobody gets one by this.
CREATE FUNCTION api.office_merge(p_account int, p_lang text, p_request text, p_digest bytea, office text, "into" text, "on" text,
    note text, reason text) RETURNS api.reform_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.reform_order(p_account, p_lang, p_request, p_digest, 'office_merge', 'merge', office, "on", note,
        jsonb_build_object('successor', coalesce(registry.resolve('office', btrim("into")), btrim("into"))), reason);
END $$;

-- Listed projects, with what is open and belongs to them, go to another office, or to a new one: then `name` says what it is called.
CREATE FUNCTION api.office_split(p_account int, p_lang text, p_request text, p_digest bytea, office text, "into" text, name text,
    projects text[], "on" text, note text, reason text) RETURNS api.reform_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.reform_order(p_account, p_lang, p_request, p_digest, 'office_split', 'split', office, "on", note,
        jsonb_build_object('successor', coalesce(registry.resolve('office', btrim("into")), btrim("into")), 'becomes', btrim(name),
            'projects', to_jsonb(projects)), reason);
END $$;

-- Takes back what is planned for a day to come.
CREATE FUNCTION api.office_cancel(p_account int, p_lang text, p_request text, p_digest bytea, id text, reason text)
RETURNS api.reform_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.reform_change(p_account, p_lang, p_request, p_digest, NULL, 'office_cancel', id, NULL, '{"state": "cancelled"}',
        reason, NULL);
END $$;

-- ---------------------------------------------------------------- hand-over

-- Who is meant by a word: an account's code, a name that one account has, or a name nobody's account has.
CREATE FUNCTION registry.person_named(p_word text, OUT code text, OUT name text, OUT office text, OUT enabled boolean,
    OUT namesakes text[]) LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT a.code, a.name, a.office, a.enabled INTO code, name, office, enabled FROM registry.account a
    WHERE a.code = btrim(p_word) OR a.name = btrim(p_word) ORDER BY a.code <> btrim(p_word), a.enabled DESC, a.code LIMIT 1;
    name := coalesce(name, btrim(p_word));
    namesakes := ARRAY(SELECT a.code FROM registry.account a WHERE a.name = person_named.name ORDER BY 1);
END $$;

CREATE FUNCTION registry.handover_may(p_account int, p_op text, b registry.handover, p registry.project) RETURNS registry.finding
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f registry.finding := registry.unless_may(p_account, 'approve', CASE WHEN b.version > 0 THEN b.office END);
BEGIN
    RETURN CASE WHEN f.code IS NOT NULL OR b.version IS NULL OR b.version = 0 THEN f
        ELSE registry.unless_state('handover', b.id, b.state, 'planned', 'failed') END;
END $$;

-- What names the giver, and the taker instead. A name that both have stays: it says neither.
CREATE FUNCTION registry.handover_words(p_giver text, p_taker text, OUT was text[], OUT becomes text[]) LANGUAGE plpgsql STABLE AS $$
DECLARE
    giver CONSTANT record := registry.person_named(p_giver);
    taker CONSTANT record := registry.person_named(p_taker);
BEGIN
    was := array_remove(ARRAY[nullif(giver.name, taker.name), giver.code], NULL);
    becomes := CASE WHEN giver.name = taker.name THEN ARRAY[taker.code] ELSE ARRAY[taker.name, taker.code] END;
END $$;

-- Everywhere: the county alone. In one office: its own approver, from one of its people to another.
CREATE FUNCTION registry.handover_rules(p_account int, p_op text, b registry.handover, INOUT n registry.handover,
    OUT fault registry.finding) LANGUAGE plpgsql STABLE AS $$
DECLARE
    giver CONSTANT record := registry.person_named(n.giver);
    taker CONSTANT record := registry.person_named(n.taker);
    today CONSTANT text := registry.today()::text;
    county CONSTANT boolean := registry.may(p_account, 'county', NULL);
BEGIN
    IF b.version > 0 THEN
        RETURN;
    END IF;
    n.actor := registry.account_code(p_account);
    n.from_on := coalesce(n.from_on, today);
    n.state := CASE WHEN n.from_on <= today THEN 'done' ELSE 'planned' END;
    IF n.giver = ANY (giver.namesakes) IS NOT TRUE AND cardinality(giver.namesakes) > 1 THEN
        fault := registry.bad('giver', n.giver, 'handover.which', array_to_string(giver.namesakes, ' '));
    ELSIF taker.code IS NULL OR NOT taker.enabled THEN
        fault := registry.bad('taker', n.taker, 'handover.taker');
    ELSIF n.taker <> taker.code AND cardinality(taker.namesakes) > 1 THEN
        fault := registry.bad('taker', n.taker, 'handover.which', array_to_string(taker.namesakes, ' '));
    ELSIF length(n.from_on) <> 10 THEN
        fault := registry.bad('from_on', n.from_on, 'office.day');
    ELSIF coalesce(giver.code, giver.name) IN (taker.code, taker.name) AND giver.code IS NOT DISTINCT FROM taker.code THEN
        fault := registry.bad('taker', n.taker, 'handover.self');
    END IF;
    -- a name that others have too means him only in his own office
    n.office := coalesce(n.office, CASE WHEN NOT county THEN coalesce(giver.office, (SELECT a.office FROM registry.account a WHERE a.id = p_account))
                                        WHEN cardinality(giver.namesakes) > 1 THEN giver.office END);
    IF fault.code IS NULL AND n.office IS NOT NULL AND NOT EXISTS (SELECT FROM registry.office o WHERE o.code = n.office) THEN
        fault := registry.bad('office', n.office, 'code.unknown');
    ELSIF fault.code IS NULL AND NOT county AND (NOT registry.may(p_account, 'approve', n.office) OR taker.office <> n.office) THEN
        fault := registry.fault('PERMISSION_DENIED', 'office', 'handover.office');
    END IF;
    n.giver := coalesce(giver.code, giver.name);
    n.taker := taker.code;
    IF fault.code IS NULL AND n.state = 'done' THEN
        SELECT registry.carried('person', w.was, w.becomes, NULL, n.office) INTO n.moved FROM registry.handover_words(n.giver, n.taker) w;
        IF n.moved > 5000 THEN
            fault := registry.fault('FAILED_PRECONDITION', 'office', 'handover.many', n.moved::text);
        END IF;
    END IF;
END $$;

CREATE FUNCTION registry.handover_carry(h registry.handover) RETURNS int LANGUAGE sql VOLATILE AS $$
    SELECT registry.carry('person', w.was, w.becomes, NULL, h.office, 5001) FROM registry.handover_words(h.giver, h.taker) w
$$;

CREATE FUNCTION registry.handover_effects(p_account int, p_op text, b registry.handover, n registry.handover) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF b.version = 0 AND n.state = 'done' AND registry.handover_carry(n) <> n.moved THEN
        RAISE EXCEPTION 'what % holds changed while it was handed over', n.giver USING ERRCODE = 'serialization_failure';
    ELSIF b.state = 'failed' THEN
        PERFORM registry.office_alert('handover', n.actor, n.from_on);
    END IF;
END $$;

CREATE FUNCTION registry.handover_step(h registry.handover) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE registry.handover x SET state = 'done', moved = registry.handover_carry(h), fault = NULL, failed_on = NULL WHERE x.id = h.id;
END $$;

SELECT registry.generate_record('handover', '-from_on');

-- Everything a person holds goes to another, on a day or now. office: only what this office owns. Right county; an office's own
-- approver within the office.
CREATE FUNCTION api.account_handover(p_account int, p_lang text, p_request text, p_digest bytea, giver text, taker text, office text,
    "on" text, note text, reason text) RETURNS api.handover_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.handover_change(p_account, p_lang, p_request, p_digest, NULL, 'account_handover', NULL,
        jsonb_strip_nulls(jsonb_build_object('giver', giver, 'taker', taker, 'from_on', nullif(btrim("on"), ''), 'note', note)),
        jsonb_build_object('office', coalesce(registry.resolve('office', btrim(office)), nullif(btrim(office), ''))), reason, NULL);
END $$;

CREATE FUNCTION api.handover_cancel(p_account int, p_lang text, p_request text, p_digest bytea, id text, reason text)
RETURNS api.handover_reply
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
BEGIN
    RETURN registry.handover_change(p_account, p_lang, p_request, p_digest, NULL, 'handover_cancel', id, NULL,
        '{"state": "cancelled"}', reason, NULL);
END $$;
