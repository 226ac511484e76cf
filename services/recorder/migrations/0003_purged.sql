-- Tenants whose recordings were purged, and up to which start of a recording: none of those comes back. A recording that was put aside because its
-- segment was missing is written again when it is looked for; a trigger refuses it, whoever writes, a previous version of the recorder among them.
-- The lock makes it certain: who purges waits for rows that are being written, and who writes then sees the tombstone.
CREATE TABLE rec.purged (
	tenant  text PRIMARY KEY,
	upto_ms bigint NOT NULL
);
ALTER TABLE rec.purged ENABLE ROW LEVEL SECURITY;
ALTER TABLE rec.purged FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON rec.purged
	USING (tenant = nullif(current_setting('trunkline.tenant', true), ''))
	WITH CHECK (tenant = nullif(current_setting('trunkline.tenant', true), ''));
GRANT SELECT, INSERT, UPDATE ON rec.purged TO recorder;

CREATE FUNCTION rec.lock_purge(tenant text, alone boolean) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	IF alone THEN
		PERFORM pg_advisory_xact_lock(hashtextextended('rec.purged/' || tenant, 0));
	ELSE
		PERFORM pg_advisory_xact_lock_shared(hashtextextended('rec.purged/' || tenant, 0));
	END IF;
END $$;
CREATE FUNCTION rec.refuse_purged() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	PERFORM rec.lock_purge(NEW.tenant, false);
	IF EXISTS (SELECT FROM rec.purged p WHERE p.tenant = NEW.tenant AND p.upto_ms >= NEW.started_ms) THEN
		RETURN NULL;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER refuse_purged BEFORE INSERT ON rec.recording FOR EACH ROW EXECUTE FUNCTION rec.refuse_purged();
REVOKE ALL ON FUNCTION rec.lock_purge(text, boolean), rec.refuse_purged() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rec.lock_purge(text, boolean) TO recorder;
