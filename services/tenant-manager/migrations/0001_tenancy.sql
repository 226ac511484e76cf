-- The books of tenant-manager. Every table with a tenant column has row-level security, enabled and forced: a transaction
-- sees the rows of the tenant in trunkline.tenant (libs/db sets it), and none without it. Every unique key begins with the
-- tenant, so that no key tells one tenant of another's rows. What must be unique on the platform is claimed in tm.claim,
-- which knows no tenants and which the service cannot read.
--
-- Run by the owner of the database; the service itself runs as role tenant_manager, which must exist.
CREATE SCHEMA tm;
GRANT USAGE ON SCHEMA tm TO tenant_manager;

CREATE FUNCTION tm.tenant() RETURNS text LANGUAGE sql STABLE
	AS $$ SELECT nullif(current_setting('trunkline.tenant', true), '') $$;

CREATE TABLE tm.tenant (
	tenant            text PRIMARY KEY CHECK (tenant ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
	display_name      text NOT NULL,
	time_zone         text NOT NULL,
	sip_domain        text NOT NULL,
	suspended         boolean NOT NULL DEFAULT false,
	-- Grows with each change of anything of the tenant. Begins with the time of creation, so that it grows even when a
	-- tenant is deleted and created again.
	version           bigint NOT NULL,
	revision          bigint NOT NULL,           -- version at the last change of this row's own fields; the etag
	published_version bigint NOT NULL DEFAULT 0,
	config_bytes      bigint NOT NULL DEFAULT 0, -- of all resources but agents
	created_at        timestamptz NOT NULL DEFAULT now(),
	updated_at        timestamptz NOT NULL DEFAULT now()
);

-- Numbers, trunks, calendars, skills, queues, prompts, flows, agents: each a message of trunkline.config.v1, packed.
-- One table, because each of them is created, listed, changed, referred to and published in the same way; what can be
-- looked for has a column of its own.
CREATE TABLE tm.resource (
	tenant     text NOT NULL REFERENCES tm.tenant ON DELETE CASCADE,
	kind       text NOT NULL,
	id         text NOT NULL,
	unique_key text,             -- number: its digits; trunk: its digest user
	body       bytea NOT NULL,
	revision   bigint NOT NULL,  -- tm.tenant.version at the last change; the etag
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant, kind, id),
	CONSTRAINT resource_unique_key UNIQUE (tenant, kind, unique_key)
);

-- Which resource refers to which: none can be deleted, or created in pieces, so that a reference hangs. The target is
-- checked at the end of the transaction: deleting a tenant removes both sides.
CREATE TABLE tm.resource_ref (
	tenant  text NOT NULL,
	kind    text NOT NULL,
	id      text NOT NULL,
	to_kind text NOT NULL,
	to_id   text NOT NULL,
	PRIMARY KEY (tenant, kind, id, to_kind, to_id),
	FOREIGN KEY (tenant, kind, id) REFERENCES tm.resource ON DELETE CASCADE,
	CONSTRAINT resource_ref_target FOREIGN KEY (tenant, to_kind, to_id) REFERENCES tm.resource
		DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX resource_ref_target ON tm.resource_ref (tenant, to_kind, to_id);

-- The audio of prompts: 8 kHz 16-bit mono.
CREATE TABLE tm.prompt_audio (
	tenant text NOT NULL REFERENCES tm.tenant ON DELETE CASCADE,
	sha256 text NOT NULL,
	pcm    bytea NOT NULL,
	PRIMARY KEY (tenant, sha256)
);
ALTER TABLE tm.prompt_audio ALTER COLUMN pcm SET STORAGE EXTERNAL; -- audio does not compress

-- Passwords of agents for AuthService.Login (argon2id).
CREATE TABLE tm.credential (
	tenant   text NOT NULL,
	kind     text NOT NULL DEFAULT 'agent' CHECK (kind = 'agent'),
	agent_id text NOT NULL,
	argon2id text NOT NULL,
	PRIMARY KEY (tenant, agent_id),
	FOREIGN KEY (tenant, kind, agent_id) REFERENCES tm.resource ON DELETE CASCADE
);

-- What has changed and is not yet published: written in the transaction of the change. Not tied to tm.tenant: that a
-- tenant is gone has to be published, too.
--   stage 0 prompt.<sha256>   audio, before a configuration that names it
--   stage 1 main              the tenant
--   stage 2 agent.<id>
--   stage 3 gone.<sha256>     audio that nobody names any more
--   stage 4 audit.<seq>       event
CREATE TABLE tm.outbox (
	tenant  text NOT NULL,
	item    text NOT NULL,
	stage   smallint NOT NULL,
	version bigint NOT NULL,
	at      timestamptz NOT NULL DEFAULT now(),
	retry_at timestamptz NOT NULL DEFAULT now(), -- later after a failure that is the item's own
	PRIMARY KEY (tenant, item)
);
CREATE INDEX outbox_stage ON tm.outbox (tenant, stage);

-- Who changed what. Only ever added to.
CREATE TABLE tm.audit (
	tenant   text NOT NULL,
	seq      bigint NOT NULL,
	at       timestamptz NOT NULL DEFAULT now(),
	actor    text NOT NULL,
	action   text NOT NULL,
	resource text NOT NULL,
	peer     text NOT NULL,
	before   bytea,
	after    bytea,
	PRIMARY KEY (tenant, seq)
);

-- Requests with a request_id: a repetition gets the first answer.
CREATE TABLE tm.request (
	tenant      text NOT NULL,
	request_id  text NOT NULL,
	method      text NOT NULL,
	fingerprint text NOT NULL,
	response    bytea NOT NULL,
	at          timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant, request_id)
);
CREATE INDEX request_at ON tm.request (tenant, at);

DO $$
DECLARE t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['tenant', 'resource', 'resource_ref', 'prompt_audio', 'credential', 'outbox', 'audit', 'request'] LOOP
		EXECUTE format('ALTER TABLE tm.%I ENABLE ROW LEVEL SECURITY', t);
		EXECUTE format('ALTER TABLE tm.%I FORCE ROW LEVEL SECURITY', t);
		EXECUTE format('CREATE POLICY own ON tm.%I TO tenant_manager USING (tenant = tm.tenant()) WITH CHECK (tenant = tm.tenant())', t);
	END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON tm.tenant, tm.resource, tm.resource_ref, tm.prompt_audio, tm.credential, tm.outbox,
	tm.request TO tenant_manager;
GRANT SELECT, INSERT ON tm.audit TO tenant_manager;

-- ---- unique on the platform ----

CREATE TABLE tm.claim (
	what  text NOT NULL, -- 'number', 'sip_domain'
	value text NOT NULL,
	CONSTRAINT claim_is_free PRIMARY KEY (what, value)
);

CREATE FUNCTION tm.claim_number() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO tm.claim VALUES ('number', NEW.unique_key);
	ELSE
		DELETE FROM tm.claim WHERE what = 'number' AND value = OLD.unique_key;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER claim_number_in AFTER INSERT ON tm.resource FOR EACH ROW WHEN (NEW.kind = 'number') EXECUTE FUNCTION tm.claim_number();
CREATE TRIGGER claim_number_out AFTER DELETE ON tm.resource FOR EACH ROW WHEN (OLD.kind = 'number') EXECUTE FUNCTION tm.claim_number();

CREATE FUNCTION tm.claim_domain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO tm.claim VALUES ('sip_domain', NEW.sip_domain);
	ELSE
		DELETE FROM tm.claim WHERE what = 'sip_domain' AND value = OLD.sip_domain;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER claim_domain_in AFTER INSERT ON tm.tenant FOR EACH ROW EXECUTE FUNCTION tm.claim_domain();
CREATE TRIGGER claim_domain_out AFTER DELETE ON tm.tenant FOR EACH ROW EXECUTE FUNCTION tm.claim_domain();

-- What a claim stands for never changes: a number or a domain is deleted and created again.
CREATE FUNCTION tm.keep_claims() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'a claimed value cannot be changed';
END $$;
CREATE TRIGGER keep_number BEFORE UPDATE ON tm.resource FOR EACH ROW
	WHEN (OLD.kind = 'number' AND (OLD.unique_key, OLD.kind, OLD.id) IS DISTINCT FROM (NEW.unique_key, NEW.kind, NEW.id))
	EXECUTE FUNCTION tm.keep_claims();
CREATE TRIGGER keep_domain BEFORE UPDATE ON tm.tenant FOR EACH ROW
	WHEN (OLD.sip_domain IS DISTINCT FROM NEW.sip_domain) EXECUTE FUNCTION tm.keep_claims();

-- ---- across tenants: exactly these two questions, answered as the owner ----

CREATE POLICY owner_reads ON tm.tenant FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_reads ON tm.outbox FOR SELECT TO CURRENT_USER USING (true);

-- For operators: the tenants by id.
CREATE FUNCTION tm.list_tenants(after text, n int) RETURNS SETOF tm.tenant LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog
	AS $$ SELECT * FROM tm.tenant WHERE tenant > after ORDER BY tenant LIMIT n $$;
-- For the publisher: what waits; of each tenant the first stage that has something, and events at any time.
CREATE FUNCTION tm.pending(n int) RETURNS TABLE (tenant text, item text, version bigint)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
	AS $$ SELECT o.tenant, o.item, o.version FROM tm.outbox o
	      WHERE o.retry_at <= now()
	        AND (o.stage = 4 OR o.stage = (SELECT min(f.stage) FROM tm.outbox f WHERE f.tenant = o.tenant))
	      ORDER BY o.retry_at, o.tenant, o.item LIMIT n $$;

REVOKE ALL ON FUNCTION tm.list_tenants(text, int), tm.pending(int), tm.claim_number(), tm.claim_domain(), tm.keep_claims() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tm.list_tenants(text, int), tm.pending(int), tm.tenant() TO tenant_manager;
