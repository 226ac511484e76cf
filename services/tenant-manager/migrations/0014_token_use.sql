-- Who had a token made (CreateToken), so that the live ones can be counted and capped, and when it was used last (GT-3). given_by '': a login's, or
-- made by a previous version, which are not counted.
ALTER TABLE tm.token ADD COLUMN given_by text NOT NULL DEFAULT '', ADD COLUMN used_at timestamptz;
CREATE INDEX token_given ON tm.token (tenant, expires_at) WHERE given_by <> '' AND revoked_at IS NULL;

-- Across tenants, answered as the owner: what the services saw, by the thousand. The time never goes back, and a token in steady use is not
-- written anew for less than half a minute.
CREATE POLICY owner_marks ON tm.token FOR UPDATE TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE FUNCTION tm.tokens_used(tenants text[], ids text[], at_ms bigint[]) RETURNS void
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
	AS $$ UPDATE tm.token t SET used_at = to_timestamp(u.ms / 1000.0) FROM unnest(tenants, ids, at_ms) u (tenant, id, ms)
	      WHERE t.tenant = u.tenant AND t.id = u.id AND (t.used_at IS NULL OR t.used_at < to_timestamp(u.ms / 1000.0) - interval '30 seconds') $$;
REVOKE ALL ON FUNCTION tm.tokens_used(text[], text[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tm.tokens_used(text[], text[], bigint[]) TO tenant_manager;
