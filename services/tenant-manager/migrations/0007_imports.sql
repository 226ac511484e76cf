-- Imports of agents and numbers: a file, how far it is checked, and what became of it.
CREATE TABLE tm.import (
	tenant      text NOT NULL REFERENCES tm.tenant ON DELETE CASCADE,
	id          bigint NOT NULL,             -- tm.tenant.version when it was created
	state       smallint NOT NULL,           -- trunkline.admin.v1.ImportState
	header      bytea NOT NULL,              -- CreateImportHeader, packed
	file        bytea,                       -- NULL: it has ended
	body        bytea NOT NULL,              -- Import, packed, but for what has a column here
	rows_read   integer NOT NULL DEFAULT 0,
	rows_good   integer NOT NULL DEFAULT 0,
	rows_bad    integer NOT NULL DEFAULT 0,
	peer        text NOT NULL,               -- where it came from, for the audit
	holder      text NOT NULL DEFAULT '',    -- the instance that works on it
	lease_until timestamptz NOT NULL DEFAULT now(),
	attempts    integer NOT NULL DEFAULT 0,  -- how often somebody began to work on it
	created_at  timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant, id)
);
CREATE INDEX import_running ON tm.import (lease_until) WHERE state = 1;
ALTER TABLE tm.import ENABLE ROW LEVEL SECURITY;
ALTER TABLE tm.import FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tm.import TO tenant_manager USING (tenant = tm.tenant()) WITH CHECK (tenant = tm.tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON tm.import TO tenant_manager;

-- Across tenants, answered as the owner: what is to be worked on, by an instance that asks (its own from before it was killed at
-- once, others' when their lease is over; those of a deleted tenant wait for its way back) …
CREATE POLICY owner_reads ON tm.import FOR SELECT TO CURRENT_USER USING (true);
CREATE FUNCTION tm.pending_imports(me text, n int) RETURNS TABLE (tenant text, id bigint)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
	AS $$ SELECT i.tenant, i.id FROM tm.import i JOIN tm.tenant t ON t.tenant = i.tenant
	      WHERE i.state = 1 AND (i.lease_until <= now() OR i.holder = me) AND t.deleted_at IS NULL ORDER BY i.created_at LIMIT n $$;
-- … and which of these numbers nobody may take: what trying to take each would tell.
CREATE FUNCTION tm.taken_numbers(digits text[]) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
	AS $$ SELECT value FROM tm.claim WHERE what = 'number' AND value = ANY (digits) $$;
REVOKE ALL ON FUNCTION tm.pending_imports(text, int), tm.taken_numbers(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tm.pending_imports(text, int), tm.taken_numbers(text[]) TO tenant_manager;

-- The publisher takes what waits longest, 64 at a time: with 100,000 agents waiting it must not sort them all for each lot.
CREATE INDEX outbox_due ON tm.outbox (retry_at, tenant, item);
