-- The audit as a chain: each row carries the SHA-256 of the row before and of what it says itself, so that a row which was
-- changed, removed, put in between or moved is found (libs/auditchain/auditchain.h has the bytes; VerifyAudit and
-- `trunkline audit verify` recompute them). tm.audit_head has the last row of each tenant, so that a cut end is found, too.
--
-- A trigger makes the hash, whoever writes; the service of before this file goes on as it did.
-- Rows that exist are chained here, in their order: about 40 s for a million of them, during which changes wait.

ALTER TABLE tm.audit ADD COLUMN hash bytea;

CREATE TABLE tm.audit_head (
	tenant text PRIMARY KEY,
	seq    bigint NOT NULL,
	hash   bytea NOT NULL
);
ALTER TABLE tm.audit_head ENABLE ROW LEVEL SECURITY;
ALTER TABLE tm.audit_head FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tm.audit_head TO tenant_manager USING (tenant = tm.tenant()) WITH CHECK (tenant = tm.tenant());
-- The trigger below writes it as the owner, within the tenant of the transaction only.
CREATE POLICY chain ON tm.audit_head TO CURRENT_USER USING (tenant = tm.tenant()) WITH CHECK (tenant = tm.tenant());
GRANT SELECT ON tm.audit_head TO tenant_manager;

-- ---- the hash ----

-- These three have no search_path of their own, so that they are put in line where they are called: each row costs them.
-- Of the time only what a client can have, too: whole microseconds.
CREATE FUNCTION tm.audit_time_us(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE
	AS $$ SELECT (extract(epoch FROM at) * 1000000)::bigint $$;

-- Length (4 bytes, big-endian) and bytes; nothing is as long as the empty text.
CREATE FUNCTION tm.audit_part(part bytea) RETURNS bytea LANGUAGE sql IMMUTABLE
	AS $$ SELECT int4send(octet_length(coalesce(part, ''))) || coalesce(part, '') $$;

CREATE FUNCTION tm.audit_hash(previous bytea, seq bigint, at timestamptz, actor text, action text, resource text, peer text,
	before bytea, after bytea) RETURNS bytea LANGUAGE sql STABLE
	AS $$ SELECT sha256(previous || int8send(seq) || int8send(tm.audit_time_us(at))
	             || tm.audit_part(convert_to(actor, 'UTF8')) || tm.audit_part(convert_to(action, 'UTF8'))
	             || tm.audit_part(convert_to(resource, 'UTF8')) || tm.audit_part(convert_to(peer, 'UTF8'))
	             || tm.audit_part(before) || tm.audit_part(after)) $$;

-- ---- what is there already ----

-- The owner is under row-level security, too; nobody else is in the table while this transaction holds it.
ALTER TABLE tm.audit NO FORCE ROW LEVEL SECURITY;
ALTER TABLE tm.audit_head NO FORCE ROW LEVEL SECURITY;
DO $$
DECLARE
	r tm.audit;
	whose text := '';
	link bytea;
BEGIN
	FOR r IN SELECT * FROM tm.audit ORDER BY tenant, seq LOOP
		IF r.tenant <> whose THEN
			whose := r.tenant;
			link := decode(repeat('00', 32), 'hex');
		END IF;
		link := tm.audit_hash(link, r.seq, r.at, r.actor, r.action, r.resource, r.peer, r.before, r.after);
		UPDATE tm.audit SET hash = link WHERE tenant = r.tenant AND seq = r.seq;
	END LOOP;
END $$;
INSERT INTO tm.audit_head SELECT DISTINCT ON (tenant) tenant, seq, hash FROM tm.audit ORDER BY tenant, seq DESC;
ALTER TABLE tm.audit FORCE ROW LEVEL SECURITY;
ALTER TABLE tm.audit_head FORCE ROW LEVEL SECURITY;
ALTER TABLE tm.audit ADD CONSTRAINT audit_is_chained CHECK (octet_length(hash) IS NOT DISTINCT FROM 32);

-- ---- each new row ----

-- As the owner, because the service may not write the head. Two rows of a tenant at once: the second waits here for the
-- head and is refused when it was numbered before (changes of a tenant hold its row, so that does not happen to them).
CREATE FUNCTION tm.audit_chain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
	last_seq bigint;
	last_hash bytea;
	wanted bytea;
BEGIN
	SELECT h.seq, h.hash INTO last_seq, last_hash FROM tm.audit_head h WHERE h.tenant = NEW.tenant FOR UPDATE;
	IF NOT FOUND THEN
		last_seq := 0;
		last_hash := decode(repeat('00', 32), 'hex');
	END IF;
	IF NEW.seq <> last_seq + 1 THEN
		RAISE EXCEPTION 'audit: seq % does not follow the head, which is %', NEW.seq, last_seq;
	END IF;
	wanted := tm.audit_hash(last_hash, NEW.seq, NEW.at, NEW.actor, NEW.action, NEW.resource, NEW.peer, NEW.before, NEW.after);
	IF NEW.hash <> wanted THEN
		RAISE EXCEPTION 'audit: the hash of seq % does not follow; leave it out', NEW.seq;
	END IF;
	NEW.hash := wanted;
	INSERT INTO tm.audit_head VALUES (NEW.tenant, NEW.seq, wanted)
		ON CONFLICT (tenant) DO UPDATE SET seq = excluded.seq, hash = excluded.hash;
	RETURN NEW;
END $$;
CREATE TRIGGER audit_chain BEFORE INSERT ON tm.audit FOR EACH ROW EXECUTE FUNCTION tm.audit_chain();

-- ---- nothing else ----

-- For everybody, the owner and superusers too. Who must (a law that wants something erased) disables the trigger as the
-- owner, in a transaction of its own: docs/operations.md, "The audit". The chain tells of it ever after.
CREATE FUNCTION tm.audit_keep() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	RAISE EXCEPTION '% of tm.%: the audit is only ever added to', TG_OP, TG_TABLE_NAME
		USING HINT = 'docs/operations.md, "The audit"';
END $$;
CREATE TRIGGER audit_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON tm.audit FOR EACH STATEMENT EXECUTE FUNCTION tm.audit_keep();
CREATE TRIGGER audit_head_keep BEFORE DELETE OR TRUNCATE ON tm.audit_head FOR EACH STATEMENT EXECUTE FUNCTION tm.audit_keep();
-- Within audit_chain the depth is 1.
CREATE TRIGGER audit_head_chain BEFORE INSERT OR UPDATE ON tm.audit_head FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
	EXECUTE FUNCTION tm.audit_keep();

REVOKE ALL ON FUNCTION tm.audit_chain(), tm.audit_keep() FROM PUBLIC;
