-- Whoever holds a withdrawn token gives and changes nothing, also before NATS has told the services (GT-3). An operator's row is hidden in a
-- tenant's transaction: answered as the owner, yes or no for one token.
CREATE FUNCTION tm.is_revoked(giver_tenant text, token_id text) RETURNS boolean
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
	AS $$ SELECT EXISTS (SELECT FROM tm.token t WHERE t.tenant = giver_tenant AND t.id = token_id AND t.revoked_at IS NOT NULL) $$;
REVOKE ALL ON FUNCTION tm.is_revoked(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tm.is_revoked(text, text) TO tenant_manager;

-- What was not told yet, which tm.revoked_tokens finds by reading all that is withdrawn: asked for before each batch of the others.
CREATE INDEX token_untold ON tm.token (tenant, id) WHERE revoked_at IS NOT NULL AND told_at IS NULL;
CREATE FUNCTION tm.untold_tokens(n int) RETURNS TABLE (tenant text, id text)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
	AS $$ SELECT t.tenant, t.id FROM tm.token t WHERE t.revoked_at IS NOT NULL AND t.told_at IS NULL AND t.expires_at > now()
	      ORDER BY t.tenant, t.id LIMIT n $$;
REVOKE ALL ON FUNCTION tm.untold_tokens(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tm.untold_tokens(int) TO tenant_manager;
