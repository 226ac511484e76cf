-- Versions of flows: what was published, one after the other; and drafts, which no call sees.

-- body stays what is published: it is what the publisher and a previous version of the service read and write. A draft is a packed
-- trunkline.config.v1.Flow that differs from it, perhaps unfinished; NULL: there is none. live_version counts the publications.
ALTER TABLE tm.resource ADD COLUMN draft bytea;
ALTER TABLE tm.resource ADD COLUMN live_version bigint NOT NULL DEFAULT 0;

CREATE TABLE tm.flow_version (
	tenant       text NOT NULL,
	kind         text NOT NULL DEFAULT 'flow' CHECK (kind = 'flow'),
	flow_id      text NOT NULL,
	version      bigint NOT NULL,
	body         bytea NOT NULL,
	author       text NOT NULL,
	comment      text NOT NULL,
	rollback_of  bigint NOT NULL,          -- 0: none
	published_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant, flow_id, version),
	FOREIGN KEY (tenant, kind, flow_id) REFERENCES tm.resource ON DELETE CASCADE
);
ALTER TABLE tm.flow_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE tm.flow_version FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tm.flow_version TO tenant_manager USING (tenant = tm.tenant()) WITH CHECK (tenant = tm.tenant());
GRANT SELECT, INSERT, DELETE ON tm.flow_version TO tenant_manager; -- no UPDATE: a version never changes

-- What is there already is version 1, of nobody. The owner sees the tenants' rows only while row-level security is not forced on
-- it, which nobody else notices (the ALTERs above hold the table until this is committed).
ALTER TABLE tm.resource NO FORCE ROW LEVEL SECURITY;
ALTER TABLE tm.flow_version NO FORCE ROW LEVEL SECURITY;
UPDATE tm.resource SET live_version = 1 WHERE kind = 'flow';
INSERT INTO tm.flow_version (tenant, flow_id, version, body, author, comment, rollback_of, published_at)
	SELECT tenant, id, 1, body, '', '', 0, updated_at FROM tm.resource WHERE kind = 'flow';
ALTER TABLE tm.resource FORCE ROW LEVEL SECURITY;
ALTER TABLE tm.flow_version FORCE ROW LEVEL SECURITY;

-- By triggers, so that what a previous version of the service publishes, which knows nothing of it, is a version, too. Author,
-- comment and source come in settings of the transaction; trunkline.flow_unpublished says that a new flow is a draft only: its
-- body is a place-holder, no version.
CREATE FUNCTION tm.count_flow_version() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	IF TG_OP = 'UPDATE' THEN
		NEW.live_version := OLD.live_version + 1;
	ELSIF coalesce(current_setting('trunkline.flow_unpublished', true), '') = '' THEN
		NEW.live_version := 1;
	END IF;
	RETURN NEW;
END $$;
CREATE FUNCTION tm.keep_flow_version() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	INSERT INTO tm.flow_version (tenant, flow_id, version, body, author, comment, rollback_of)
		VALUES (NEW.tenant, NEW.id, NEW.live_version, NEW.body, coalesce(current_setting('trunkline.flow_author', true), ''),
		        coalesce(current_setting('trunkline.flow_comment', true), ''),
		        coalesce(nullif(current_setting('trunkline.flow_rollback_of', true), '')::bigint, 0));
	RETURN NULL;
END $$;
CREATE TRIGGER count_flow_in BEFORE INSERT ON tm.resource FOR EACH ROW WHEN (NEW.kind = 'flow')
	EXECUTE FUNCTION tm.count_flow_version();
CREATE TRIGGER count_flow BEFORE UPDATE ON tm.resource FOR EACH ROW WHEN (NEW.kind = 'flow' AND OLD.body IS DISTINCT FROM NEW.body)
	EXECUTE FUNCTION tm.count_flow_version();
CREATE TRIGGER keep_flow_in AFTER INSERT ON tm.resource FOR EACH ROW WHEN (NEW.kind = 'flow' AND NEW.live_version > 0)
	EXECUTE FUNCTION tm.keep_flow_version();
CREATE TRIGGER keep_flow AFTER UPDATE ON tm.resource FOR EACH ROW WHEN (NEW.kind = 'flow' AND OLD.body IS DISTINCT FROM NEW.body)
	EXECUTE FUNCTION tm.keep_flow_version();
REVOKE ALL ON FUNCTION tm.count_flow_version(), tm.keep_flow_version() FROM PUBLIC;
