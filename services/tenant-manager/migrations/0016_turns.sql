-- Tenants take turns (GT-3.1.2d). For the publisher, as tm.due, which goes by time alone: who has changed 100,000 agents has others' changes wait
-- for all of them. Here everybody who waits has a part of the batch, in the order of their names from behind the one who had the last part, lots / 2 of
-- them at most. Of each tenant the first stage that has something, and events: of agents, which go as one lot, n parted among those who wait,
-- of the rest lots. The planner is told how, as in tm.due: of the tenants and their stages it reads one row each, from an index.
CREATE INDEX outbox_turn ON tm.outbox (tenant, stage, retry_at, item);
CREATE FUNCTION tm.due_in_turn(after text, n int, lots int) RETURNS TABLE (tenant text, item text, version bigint)
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog
	SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET plan_cache_mode = auto AS $$
DECLARE
	waiting text[] := '{}';
	stages smallint[] := '{}'; -- the first of each
	whose text := after;
	first smallint;
	wrapped boolean := false;
	part int;
BEGIN
	WHILE cardinality(waiting) < lots / 2 LOOP
		SELECT o.tenant, o.stage INTO whose, first FROM tm.outbox o WHERE o.tenant > whose ORDER BY o.tenant, o.stage LIMIT 1;
		EXIT WHEN wrapped AND (whose IS NULL OR whose > after);
		wrapped := wrapped OR whose IS NULL;
		IF whose IS NULL THEN
			whose := '';
		ELSIF EXISTS (SELECT FROM tm.outbox o WHERE o.tenant = whose AND o.stage = first AND o.retry_at <= now())
			OR EXISTS (SELECT FROM tm.outbox o WHERE o.tenant = whose AND o.stage = 4 AND o.retry_at <= now()) THEN
			waiting := waiting || whose;
			stages := stages || first;
		END IF;
	END LOOP;
	part := lots / greatest(cardinality(waiting), 1); -- two at least
	FOR i IN 1 .. cardinality(waiting) LOOP
		RETURN QUERY SELECT o.tenant, o.item, o.version FROM tm.outbox o
			WHERE o.tenant = waiting[i] AND o.stage = stages[i] AND o.retry_at <= now() ORDER BY o.retry_at, o.item
			LIMIT CASE stages[i] WHEN 2 THEN n / cardinality(waiting) WHEN 4 THEN part ELSE part / 2 END;
		RETURN QUERY SELECT o.tenant, o.item, o.version FROM tm.outbox o
			WHERE o.tenant = waiting[i] AND o.stage = 4 AND stages[i] <> 4 AND o.retry_at <= now() ORDER BY o.retry_at, o.item
			LIMIT part / 2;
	END LOOP;
END $$;

-- For the importer, as tm.pending_imports: the next tenant's oldest.
CREATE FUNCTION tm.next_import(me text, after text) RETURNS TABLE (tenant text, id bigint)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
	AS $$ SELECT i.tenant, i.id FROM tm.import i JOIN tm.tenant t ON t.tenant = i.tenant
	      WHERE i.state = 1 AND (i.lease_until <= now() OR i.holder = me) AND t.deleted_at IS NULL
	      ORDER BY i.tenant <= after, i.tenant, i.created_at LIMIT 1 $$;

REVOKE ALL ON FUNCTION tm.due_in_turn(text, int, int), tm.next_import(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tm.due_in_turn(text, int, int), tm.next_import(text, text) TO tenant_manager;
