-- What a tenant has marked as sensitive (GT-16), and the key that it is encrypted with, under the platform's master key. Not with the resources:
-- no request shows it, no audit has it. Destroyed with its tenant: what was encrypted with it can be read by nobody then.
ALTER TABLE tm.tenant ADD COLUMN sensitive integer NOT NULL DEFAULT 0;  -- bit n: SensitiveField n

CREATE TABLE tm.tenant_key (
	tenant     text NOT NULL REFERENCES tm.tenant ON DELETE CASCADE,
	version    integer NOT NULL CHECK (version > 0),
	wrapped    bytea NOT NULL CHECK (octet_length(wrapped) = 60),  -- libs/sealed
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant, version)
);
ALTER TABLE tm.tenant_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE tm.tenant_key FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tm.tenant_key TO tenant_manager USING (tenant = tm.tenant()) WITH CHECK (tenant = tm.tenant());
GRANT SELECT, INSERT, DELETE ON tm.tenant_key TO tenant_manager;

-- The last rotation of a tenant's key, and how far each service that stores something is, as it told (KV `rotation`).
CREATE TABLE tm.key_rotation (
	tenant     text PRIMARY KEY REFERENCES tm.tenant ON DELETE CASCADE,
	version    integer NOT NULL,
	author     text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	ended_at   timestamptz
);
CREATE TABLE tm.key_rotation_part (
	tenant   text NOT NULL REFERENCES tm.key_rotation ON DELETE CASCADE,
	service  text NOT NULL,
	done     bigint NOT NULL,
	total    bigint NOT NULL,
	finished boolean NOT NULL,
	PRIMARY KEY (tenant, service)
);
ALTER TABLE tm.key_rotation ENABLE ROW LEVEL SECURITY;
ALTER TABLE tm.key_rotation FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tm.key_rotation TO tenant_manager USING (tenant = tm.tenant()) WITH CHECK (tenant = tm.tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON tm.key_rotation TO tenant_manager;
ALTER TABLE tm.key_rotation_part ENABLE ROW LEVEL SECURITY;
ALTER TABLE tm.key_rotation_part FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tm.key_rotation_part TO tenant_manager USING (tenant = tm.tenant()) WITH CHECK (tenant = tm.tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON tm.key_rotation_part TO tenant_manager;
