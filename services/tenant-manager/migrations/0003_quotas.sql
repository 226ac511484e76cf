-- Quotas of a tenant, and what it uses of them (GT-3.1.2c).

-- trunkline.config.v1.Quotas, packed; empty: no limits.
ALTER TABLE tm.tenant ADD COLUMN quotas bytea NOT NULL DEFAULT '';

-- How many of each kind a tenant has ('queue', 'agent', …), and how much audio ('prompt_bytes'). Counted here, not by
-- count(*): that would walk all of 100,000 agents' index entries for each one that is created, with the tenant locked. By
-- triggers, so that a previous version of the service, which knows nothing of it, counts, too. Exact, because whoever creates
-- or deletes holds the tenant's row lock; counted always, so that a limit that is set later holds at once.
CREATE TABLE tm.usage (
	tenant text NOT NULL REFERENCES tm.tenant ON DELETE CASCADE,
	what   text NOT NULL,
	used   bigint NOT NULL,
	PRIMARY KEY (tenant, what)
);
ALTER TABLE tm.usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE tm.usage FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tm.usage TO tenant_manager USING (tenant = tm.tenant()) WITH CHECK (tenant = tm.tenant());
GRANT SELECT, INSERT, UPDATE ON tm.usage TO tenant_manager;

-- They run as who changes the resources, and once for all rows of a statement: a tenant is deleted with 100,000 agents in one.
-- Its row of use may be gone by then.
CREATE FUNCTION tm.count_resources() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO tm.usage SELECT tenant, kind, count(*) FROM added GROUP BY tenant, kind
			ON CONFLICT (tenant, what) DO UPDATE SET used = usage.used + excluded.used;
	ELSE
		UPDATE tm.usage u SET used = u.used - g.n
			FROM (SELECT tenant, kind, count(*) AS n FROM gone GROUP BY tenant, kind) g
			WHERE u.tenant = g.tenant AND u.what = g.kind;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER count_added AFTER INSERT ON tm.resource REFERENCING NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION tm.count_resources();
CREATE TRIGGER count_gone AFTER DELETE ON tm.resource REFERENCING OLD TABLE AS gone
	FOR EACH STATEMENT EXECUTE FUNCTION tm.count_resources();

CREATE FUNCTION tm.count_audio() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO tm.usage SELECT tenant, 'prompt_bytes', sum(octet_length(pcm)) FROM added GROUP BY tenant
			ON CONFLICT (tenant, what) DO UPDATE SET used = usage.used + excluded.used;
	ELSE
		UPDATE tm.usage u SET used = u.used - g.n
			FROM (SELECT tenant, sum(octet_length(pcm)) AS n FROM gone GROUP BY tenant) g
			WHERE u.tenant = g.tenant AND u.what = 'prompt_bytes';
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER count_added AFTER INSERT ON tm.prompt_audio REFERENCING NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION tm.count_audio();
CREATE TRIGGER count_gone AFTER DELETE ON tm.prompt_audio REFERENCING OLD TABLE AS gone
	FOR EACH STATEMENT EXECUTE FUNCTION tm.count_audio();
REVOKE ALL ON FUNCTION tm.count_resources(), tm.count_audio() FROM PUBLIC;

-- What is there already. The triggers hold the tables, so that nothing changes before this is committed; the owner sees the
-- tenants' rows only while row-level security is not forced on it, which nobody else notices.
ALTER TABLE tm.resource NO FORCE ROW LEVEL SECURITY;
ALTER TABLE tm.prompt_audio NO FORCE ROW LEVEL SECURITY;
ALTER TABLE tm.usage NO FORCE ROW LEVEL SECURITY;
INSERT INTO tm.usage SELECT tenant, kind, count(*) FROM tm.resource GROUP BY tenant, kind;
INSERT INTO tm.usage SELECT tenant, 'prompt_bytes', sum(octet_length(pcm)) FROM tm.prompt_audio GROUP BY tenant;
ALTER TABLE tm.resource FORCE ROW LEVEL SECURITY;
ALTER TABLE tm.prompt_audio FORCE ROW LEVEL SECURITY;
ALTER TABLE tm.usage FORCE ROW LEVEL SECURITY;
