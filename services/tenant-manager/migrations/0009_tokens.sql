-- Which tokens were made, and which of them are withdrawn (GT-3): never the token itself. Ids sort by age; what expired two days ago goes when
-- the next one of the tenant is made.
CREATE TABLE tm.token (
	tenant     text NOT NULL,     -- '': of operators; seen without a tenant, and only then
	id         text NOT NULL,     -- its jti
	body       bytea NOT NULL,    -- trunkline.admin.v1.Token, packed, but for what has a column here
	expires_at timestamptz NOT NULL,
	revoked_at timestamptz,
	revoked_by text NOT NULL DEFAULT '',
	told_at    timestamptz,       -- when KV `revoked` had it
	PRIMARY KEY (tenant, id)
);
CREATE INDEX token_revoked ON tm.token (tenant, id) WHERE revoked_at IS NOT NULL;
ALTER TABLE tm.token ENABLE ROW LEVEL SECURITY;
ALTER TABLE tm.token FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tm.token TO tenant_manager USING (tenant = tm.tenant()) WITH CHECK (tenant = tm.tenant());
CREATE POLICY operators ON tm.token TO tenant_manager USING (tenant = '' AND tm.tenant() IS NULL) WITH CHECK (tenant = '' AND tm.tenant() IS NULL);
CREATE POLICY owner_reads ON tm.token FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON tm.token TO tenant_manager;

-- They go with their tenant; most of them went before, in batches (purge.c), but not when a previous version purges.
CREATE FUNCTION tm.drop_tokens() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	DELETE FROM tm.token WHERE tenant = OLD.tenant;
	RETURN NULL;
END $$;
CREATE TRIGGER drop_tokens AFTER DELETE ON tm.tenant FOR EACH ROW EXECUTE FUNCTION tm.drop_tokens();

-- Across tenants, answered as the owner: what the services are to be told, after the one that was told last; all of them when KV may have lost them.
CREATE FUNCTION tm.revoked_tokens(told boolean, after_tenant text, after_id text, n int) RETURNS TABLE (tenant text, id text)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
	AS $$ SELECT t.tenant, t.id FROM tm.token t
	      WHERE t.revoked_at IS NOT NULL AND t.expires_at > now() AND (told OR t.told_at IS NULL)
	        AND (t.tenant, t.id) > (after_tenant, after_id) ORDER BY t.tenant, t.id LIMIT n $$;
REVOKE ALL ON FUNCTION tm.revoked_tokens(boolean, text, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tm.revoked_tokens(boolean, text, text, int) TO tenant_manager;
