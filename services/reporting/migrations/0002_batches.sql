-- The rows of a running interval and of a running call are updated again and again. With room left on their pages the new version
-- stays on the page and no index changes (HOT); what is full already fills up as it did.
ALTER TABLE rep.queue_interval SET (fillfactor = 50);
ALTER TABLE rep.agent_interval SET (fillfactor = 50);
ALTER TABLE rep.tenant_interval SET (fillfactor = 50);
ALTER TABLE rep.agent_seen SET (fillfactor = 50);
ALTER TABLE rep.call SET (fillfactor = 60);

-- What books.c does with a batch, as functions: the session keeps their plans, which are most of the work of a small batch.

-- Makes the temporary tables that a batch is copied into, once a session; they are empty at the begin of each transaction.
CREATE FUNCTION rep.stage() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF to_regclass('pg_temp.stage_seen') IS NULL THEN
		CREATE TEMPORARY TABLE stage_queue (LIKE rep.queue_interval) ON COMMIT DELETE ROWS;
		CREATE TEMPORARY TABLE stage_agent (LIKE rep.agent_interval) ON COMMIT DELETE ROWS;
		CREATE TEMPORARY TABLE stage_tenant (LIKE rep.tenant_interval) ON COMMIT DELETE ROWS;
		CREATE TEMPORARY TABLE stage_call (LIKE rep.call) ON COMMIT DELETE ROWS;
		CREATE TEMPORARY TABLE stage_seen (LIKE rep.agent_seen) ON COMMIT DELETE ROWS;
	END IF;
END $$;

-- Which events of these calls and agents of the tenant have been counted. Each id is looked up by itself (OFFSET 0 keeps it so): the
-- plan is kept, and it must not be one that suited the table when it was small.
CREATE FUNCTION rep.seen(calls text[], agents text[])
	RETURNS TABLE (id text, upto bigint, bits bigint, is_agent integer) LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY
		SELECT c.* FROM unnest(calls) AS w (id) CROSS JOIN LATERAL (
			SELECT x.call_id, x.seen_upto, x.seen_bits, 0 FROM rep.call x
				WHERE x.tenant = rep.tenant() AND x.call_id = w.id OFFSET 0) c
		UNION ALL
		SELECT a.* FROM unnest(agents) AS w (id) CROSS JOIN LATERAL (
			SELECT x.agent_id, x.seen_upto, x.seen_bits, 1 FROM rep.agent_seen x
				WHERE x.tenant = rep.tenant() AND x.agent_id = w.id OFFSET 0) a;
END $$;

-- Adds what is staged to the books, tenant by tenant, as row-level security wants it.
CREATE FUNCTION rep.add_staged() RETURNS void LANGUAGE plpgsql AS $$
DECLARE whose text;
BEGIN
	FOR whose IN
		SELECT tenant FROM pg_temp.stage_queue UNION SELECT tenant FROM pg_temp.stage_agent
		UNION SELECT tenant FROM pg_temp.stage_tenant UNION SELECT tenant FROM pg_temp.stage_call
		UNION SELECT tenant FROM pg_temp.stage_seen
	LOOP
		PERFORM set_config('trunkline.tenant', whose, true);
		INSERT INTO rep.queue_interval AS t SELECT s.* FROM pg_temp.stage_queue s WHERE s.tenant = whose
			ON CONFLICT (tenant, queue_id, start_ms) DO UPDATE SET
				offered = t.offered + excluded.offered, answered = t.answered + excluded.answered,
				answered_in_target = t.answered_in_target + excluded.answered_in_target,
				abandoned = t.abandoned + excluded.abandoned,
				abandoned_short = t.abandoned_short + excluded.abandoned_short,
				abandoned_20s = t.abandoned_20s + excluded.abandoned_20s,
				overflowed = t.overflowed + excluded.overflowed,
				wait_answered_ms = t.wait_answered_ms + excluded.wait_answered_ms,
				wait_abandoned_ms = t.wait_abandoned_ms + excluded.wait_abandoned_ms,
				wait_max_ms = greatest(t.wait_max_ms, excluded.wait_max_ms), handled = t.handled + excluded.handled,
				talk_ms = t.talk_ms + excluded.talk_ms, hold_ms = t.hold_ms + excluded.hold_ms,
				after_work_ms = t.after_work_ms + excluded.after_work_ms;
		INSERT INTO rep.agent_interval AS t SELECT s.* FROM pg_temp.stage_agent s WHERE s.tenant = whose
			ON CONFLICT (tenant, agent_id, start_ms) DO UPDATE SET
				offered = t.offered + excluded.offered, answered = t.answered + excluded.answered,
				missed = t.missed + excluded.missed, handled = t.handled + excluded.handled,
				talk_ms = t.talk_ms + excluded.talk_ms, hold_ms = t.hold_ms + excluded.hold_ms,
				ready_ms = t.ready_ms + excluded.ready_ms, busy_ms = t.busy_ms + excluded.busy_ms,
				ringing_ms = t.ringing_ms + excluded.ringing_ms, on_call_ms = t.on_call_ms + excluded.on_call_ms,
				wrap_up_ms = t.wrap_up_ms + excluded.wrap_up_ms;
		INSERT INTO rep.tenant_interval AS t SELECT s.* FROM pg_temp.stage_tenant s WHERE s.tenant = whose
			ON CONFLICT (tenant, start_ms) DO UPDATE SET
				calls = t.calls + excluded.calls, answered = t.answered + excluded.answered,
				abandoned = t.abandoned + excluded.abandoned, ivr = t.ivr + excluded.ivr,
				refused = t.refused + excluded.refused, failed = t.failed + excluded.failed;
		INSERT INTO rep.call AS t SELECT s.* FROM pg_temp.stage_call s WHERE s.tenant = whose
			ON CONFLICT (tenant, call_id) DO UPDATE SET
				seen_upto = excluded.seen_upto, seen_bits = excluded.seen_bits,
				offered_ms = coalesce(excluded.offered_ms, t.offered_ms), caller = coalesce(excluded.caller, t.caller),
				called = coalesce(excluded.called, t.called), trunk_id = coalesce(excluded.trunk_id, t.trunk_id),
				queue_id = coalesce(excluded.queue_id, t.queue_id), agent_id = coalesce(excluded.agent_id, t.agent_id),
				answered_ms = coalesce(excluded.answered_ms, t.answered_ms),
				agent_answered_ms = coalesce(excluded.agent_answered_ms, t.agent_answered_ms),
				ended_ms = coalesce(excluded.ended_ms, t.ended_ms), wait_ms = coalesce(excluded.wait_ms, t.wait_ms),
				talk_ms = coalesce(excluded.talk_ms, t.talk_ms), hold_ms = coalesce(excluded.hold_ms, t.hold_ms),
				disposition = coalesce(excluded.disposition, t.disposition), cause = coalesce(excluded.cause, t.cause),
				digits = coalesce(excluded.digits, t.digits),
				recording_id = coalesce(excluded.recording_id, t.recording_id);
		INSERT INTO rep.agent_seen AS t SELECT s.* FROM pg_temp.stage_seen s WHERE s.tenant = whose
			ON CONFLICT (tenant, agent_id) DO UPDATE SET
				seen_upto = excluded.seen_upto, seen_bits = excluded.seen_bits;
	END LOOP;
END $$;

GRANT EXECUTE ON FUNCTION rep.stage(), rep.seen(text[], text[]), rep.add_staged() TO reporting;
