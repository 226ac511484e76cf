-- Deleting a tenant (GT-3.1.2): marked first, purged when its grace is over, with a report of what went (deletion.h, purge.h).

-- contract: nobody loses anything by it: the same rule under the same name, only without the rows that it does not concern.
ALTER TABLE tm.resource DROP CONSTRAINT resource_unique_key;
-- Without statistics of the table (a tenant was filled and autovacuum has not been here since) the planner took the former index
-- for the primary key's: the check of a reference's target, made for each row that is created or deleted, read all agents of
-- the tenant. 24 s for a tenant of 10,000 agents became 0.3 s.
CREATE UNIQUE INDEX resource_unique_key ON tm.resource (tenant, kind, unique_key) WHERE unique_key IS NOT NULL;

-- Both or none. A tenant that is deleted is suspended, and its calls end, in the columns that a previous version reads, too.
ALTER TABLE tm.tenant ADD COLUMN deleted_at timestamptz;
ALTER TABLE tm.tenant ADD COLUMN purge_at timestamptz;
ALTER TABLE tm.tenant ADD CONSTRAINT deleted_is_suspended
	CHECK ((deleted_at IS NULL) = (purge_at IS NULL) AND (deleted_at IS NULL OR suspended));
CREATE INDEX tenant_purge ON tm.tenant (purge_at) WHERE purge_at IS NOT NULL;

-- One row for each deletion that was not undone; outlives the tenant.
CREATE TABLE tm.deletion (
	tenant           text NOT NULL,
	deleted_at       timestamptz NOT NULL,
	-- What undeleting restores.
	was_suspended    boolean NOT NULL,
	was_suspension   bytea NOT NULL,
	was_announcement text NOT NULL,
	-- trunkline.admin.v1.TenantDeletion: what has gone so far.
	report           bytea NOT NULL,
	-- The instance that purges, until then; it says so anew with each batch.
	worker           text NOT NULL DEFAULT '',
	worker_until     timestamptz NOT NULL DEFAULT '-infinity',
	began_at         timestamptz, -- of the purge: from then on there is no way back
	purged_at        timestamptz,
	told_at          timestamptz, -- when EVENTS had the event TenantPurged
	PRIMARY KEY (tenant, deleted_at)
);
ALTER TABLE tm.deletion ENABLE ROW LEVEL SECURITY;
ALTER TABLE tm.deletion FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tm.deletion TO tenant_manager USING (tenant = tm.tenant()) WITH CHECK (tenant = tm.tenant());
CREATE POLICY owner_reads ON tm.deletion FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON tm.deletion TO tenant_manager;

-- For the publisher, across tenants: what an instance of the previous version took from the outbox, which does not know the event, is put
-- there again.
CREATE POLICY owner_tells ON tm.outbox FOR INSERT TO CURRENT_USER WITH CHECK (stage = 4 AND item LIKE 'purged.%');
CREATE INDEX deletion_untold ON tm.deletion (tenant) WHERE purged_at IS NOT NULL AND told_at IS NULL;
CREATE FUNCTION tm.tell_purges() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
	AS $$ INSERT INTO tm.outbox (tenant, item, stage, version)
	      SELECT d.tenant, 'purged.' || (extract(epoch FROM d.deleted_at) * 1000)::bigint, 4, 0 FROM tm.deletion d
	      WHERE d.purged_at IS NOT NULL AND d.told_at IS NULL ON CONFLICT DO NOTHING $$;
REVOKE ALL ON FUNCTION tm.tell_purges() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tm.tell_purges() TO tenant_manager;

-- For the purge, across tenants: the one whose grace was over first and that no other instance is purging.
CREATE FUNCTION tm.due_purge(who text) RETURNS TABLE (tenant text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
	AS $$ SELECT t.tenant FROM tm.tenant t JOIN tm.deletion d ON d.tenant = t.tenant AND d.deleted_at = t.deleted_at
	      WHERE t.purge_at <= now() AND (d.worker = who OR d.worker_until <= now()) ORDER BY t.purge_at, t.tenant LIMIT 1 $$;
REVOKE ALL ON FUNCTION tm.due_purge(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tm.due_purge(text) TO tenant_manager;
