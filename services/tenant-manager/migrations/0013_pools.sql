-- Pools of instances (GT-3): names that operators give to groups of instances, and to tenants. A previous version of this service knows none:
-- its changes of a tenant leave the pool as it is, and what it publishes is without: do not move tenants before all instances are new.
CREATE TABLE tm.pool (
	tenant       text NOT NULL DEFAULT '' CHECK (tenant = ''), -- of operators; seen without a tenant, and only then
	id           text NOT NULL CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$' AND id <> 'shared'),
	display_name text NOT NULL,
	description  text NOT NULL,
	revision     bigint NOT NULL, -- the etag: the time of the last change in ms, and more than before
	created_at   timestamptz NOT NULL DEFAULT now(),
	updated_at   timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant, id)
);
ALTER TABLE tm.pool ENABLE ROW LEVEL SECURITY;
ALTER TABLE tm.pool FORCE ROW LEVEL SECURITY;
CREATE POLICY operators ON tm.pool TO tenant_manager USING (tm.tenant() IS NULL) WITH CHECK (tm.tenant() IS NULL);
CREATE POLICY owner_locks ON tm.pool TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON tm.pool TO tenant_manager;

ALTER TABLE tm.tenant ADD COLUMN pool text NOT NULL DEFAULT ''; -- tm.pool.id; '': the shared one
CREATE INDEX tenant_pool ON tm.tenant (pool) WHERE pool <> '';

-- In a tenant's transaction: is there such a pool? Until its end the pool stays.
CREATE FUNCTION tm.take_pool(pool_id text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
	PERFORM FROM tm.pool p WHERE p.tenant = '' AND p.id = pool_id FOR SHARE;
	RETURN FOUND;
END $$;
-- For operators: who is in it, by id.
CREATE FUNCTION tm.tenants_of_pool(pool_id text) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
	AS $$ SELECT t.tenant FROM tm.tenant t WHERE t.pool = pool_id AND t.pool <> '' ORDER BY t.tenant $$;
REVOKE ALL ON FUNCTION tm.take_pool(text), tm.tenants_of_pool(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tm.take_pool(text), tm.tenants_of_pool(text) TO tenant_manager;
