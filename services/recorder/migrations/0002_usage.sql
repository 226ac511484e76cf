-- How many bytes each tenant keeps (GT-3.1.2c, Quotas.recording_bytes): both files of all its recordings. Kept, not summed: a sum would walk
-- millions of rows for each recording that is stored. By triggers, so that a previous version of the recorder, which knows nothing of it,
-- counts, too; whoever changes a recording holds the tenant's row until the end of its transaction.
CREATE TABLE rec.usage (
	tenant text PRIMARY KEY,
	bytes  bigint NOT NULL
);
ALTER TABLE rec.usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE rec.usage FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON rec.usage
	USING (tenant = nullif(current_setting('trunkline.tenant', true), ''))
	WITH CHECK (tenant = nullif(current_setting('trunkline.tenant', true), ''));
GRANT SELECT, INSERT, UPDATE, DELETE ON rec.usage TO recorder;

-- Once for all rows of a statement; an INSERT … ON CONFLICT DO UPDATE calls the triggers of both. A tenant with nothing has no row: one that is
-- purged leaves none.
CREATE FUNCTION rec.count_added() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	INSERT INTO rec.usage AS u SELECT tenant, sum(stereo_bytes + mono_bytes) FROM added GROUP BY tenant
		HAVING sum(stereo_bytes + mono_bytes) <> 0
		ON CONFLICT (tenant) DO UPDATE SET bytes = u.bytes + excluded.bytes;
	RETURN NULL;
END $$;
CREATE FUNCTION rec.count_changed() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	INSERT INTO rec.usage AS u SELECT tenant, sum(bytes) FROM (
			SELECT tenant, stereo_bytes + mono_bytes AS bytes FROM added
			UNION ALL SELECT tenant, -stereo_bytes - mono_bytes FROM gone) d
		GROUP BY tenant HAVING sum(bytes) <> 0
		ON CONFLICT (tenant) DO UPDATE SET bytes = u.bytes + excluded.bytes;
	RETURN NULL;
END $$;
CREATE FUNCTION rec.count_gone() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	UPDATE rec.usage u SET bytes = u.bytes - g.bytes
		FROM (SELECT tenant, sum(stereo_bytes + mono_bytes) AS bytes FROM gone GROUP BY tenant) g
		WHERE u.tenant = g.tenant;
	DELETE FROM rec.usage WHERE bytes = 0 AND tenant IN (SELECT tenant FROM gone);
	RETURN NULL;
END $$;
CREATE TRIGGER count_added AFTER INSERT ON rec.recording REFERENCING NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION rec.count_added();
CREATE TRIGGER count_changed AFTER UPDATE ON rec.recording REFERENCING OLD TABLE AS gone NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION rec.count_changed();
CREATE TRIGGER count_gone AFTER DELETE ON rec.recording REFERENCING OLD TABLE AS gone
	FOR EACH STATEMENT EXECUTE FUNCTION rec.count_gone();
REVOKE ALL ON FUNCTION rec.count_added(), rec.count_changed(), rec.count_gone() FROM PUBLIC;

-- What is there already. The triggers hold the table, so that nothing changes before this is committed; the owner sees the tenants' rows only
-- while row-level security is not forced on it, which nobody else notices.
ALTER TABLE rec.recording NO FORCE ROW LEVEL SECURITY;
ALTER TABLE rec.usage NO FORCE ROW LEVEL SECURITY;
INSERT INTO rec.usage SELECT tenant, sum(stereo_bytes + mono_bytes) FROM rec.recording GROUP BY tenant
	HAVING sum(stereo_bytes + mono_bytes) <> 0;
ALTER TABLE rec.recording FORCE ROW LEVEL SECURITY;
ALTER TABLE rec.usage FORCE ROW LEVEL SECURITY;
