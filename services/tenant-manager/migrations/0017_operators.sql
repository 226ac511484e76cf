-- Operators, the roles of their own making, and the platform's audit (GT-3.1.2). A previous version of this service knows none of them: what it does to pools
-- and to operators' tokens meanwhile is in its log, not in the audit.

-- Each a message, packed: kind 'operator' trunkline.admin.v1.Operator, 'role' trunkline.config.v1.Role; as tm.resource, in no tenant.
CREATE TABLE tm.operator_resource (
	tenant     text NOT NULL DEFAULT '' CHECK (tenant = ''), -- seen without a tenant, and only then
	kind       text NOT NULL CHECK (kind IN ('operator', 'role')),
	id         text NOT NULL CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
	body       bytea NOT NULL,
	revision   bigint NOT NULL, -- the etag: the time of the last change in ms, and more than before
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant, kind, id)
);
ALTER TABLE tm.operator_resource ENABLE ROW LEVEL SECURITY;
ALTER TABLE tm.operator_resource FORCE ROW LEVEL SECURITY;
CREATE POLICY operators ON tm.operator_resource TO tenant_manager USING (tm.tenant() IS NULL) WITH CHECK (tm.tenant() IS NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON tm.operator_resource TO tenant_manager;

-- Whose tokens go when he loses a permission; '': of none.
ALTER TABLE tm.token ADD COLUMN operator_id text NOT NULL DEFAULT '';
CREATE INDEX token_operator ON tm.token (tenant, operator_id) WHERE operator_id <> '' AND revoked_at IS NULL;

-- The platform's audit and its repeated requests are those of tenant '', which is the id of none: a chain as any other, seen without a tenant only.
CREATE POLICY operators ON tm.audit TO tenant_manager USING (tenant = '' AND tm.tenant() IS NULL) WITH CHECK (tenant = '' AND tm.tenant() IS NULL);
CREATE POLICY operators ON tm.audit_head TO tenant_manager USING (tenant = '' AND tm.tenant() IS NULL);
CREATE POLICY chain_of_operators ON tm.audit_head TO CURRENT_USER
	USING (tenant = '' AND tm.tenant() IS NULL) WITH CHECK (tenant = '' AND tm.tenant() IS NULL);
CREATE POLICY operators ON tm.request TO tenant_manager USING (tenant = '' AND tm.tenant() IS NULL) WITH CHECK (tenant = '' AND tm.tenant() IS NULL);
