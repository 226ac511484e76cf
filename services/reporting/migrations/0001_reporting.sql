-- The books of reporting: intervals, calls, and how far Kafka has been counted. Row-level security is forced wherever there is a
-- tenant; what was counted and the offset up to which are written in one transaction.
--
-- Run by the owner of the database; the service itself runs as role reporting, which must exist.
CREATE SCHEMA rep;
GRANT USAGE ON SCHEMA rep TO reporting;

CREATE FUNCTION rep.tenant() RETURNS text LANGUAGE sql STABLE
	AS $$ SELECT nullif(current_setting('trunkline.tenant', true), '') $$;

-- Next offset to read of each partition: no tenant in it.
CREATE TABLE rep.kafka_offset (
	topic       text NOT NULL,
	partition   integer NOT NULL,
	next_offset bigint NOT NULL,
	PRIMARY KEY (topic, partition)
);

CREATE TABLE rep.queue_interval (
	tenant             text NOT NULL,
	queue_id           text NOT NULL,
	start_ms           bigint NOT NULL,  -- of a quarter of an hour, UTC
	offered            bigint NOT NULL DEFAULT 0,
	answered           bigint NOT NULL DEFAULT 0,
	answered_in_target bigint NOT NULL DEFAULT 0,
	abandoned          bigint NOT NULL DEFAULT 0,
	abandoned_short    bigint NOT NULL DEFAULT 0,
	abandoned_20s      bigint NOT NULL DEFAULT 0,
	overflowed         bigint NOT NULL DEFAULT 0,
	wait_answered_ms   bigint NOT NULL DEFAULT 0,
	wait_abandoned_ms  bigint NOT NULL DEFAULT 0,
	wait_max_ms        bigint NOT NULL DEFAULT 0,
	handled            bigint NOT NULL DEFAULT 0,
	talk_ms            bigint NOT NULL DEFAULT 0,
	hold_ms            bigint NOT NULL DEFAULT 0,
	after_work_ms      bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (tenant, queue_id, start_ms)
);
CREATE INDEX queue_interval_time ON rep.queue_interval (tenant, start_ms);

CREATE TABLE rep.agent_interval (
	tenant     text NOT NULL,
	agent_id   text NOT NULL,
	start_ms   bigint NOT NULL,
	offered    bigint NOT NULL DEFAULT 0,
	answered   bigint NOT NULL DEFAULT 0,
	missed     bigint NOT NULL DEFAULT 0,
	handled    bigint NOT NULL DEFAULT 0,
	talk_ms    bigint NOT NULL DEFAULT 0,
	hold_ms    bigint NOT NULL DEFAULT 0,
	ready_ms   bigint NOT NULL DEFAULT 0,
	busy_ms    bigint NOT NULL DEFAULT 0,
	ringing_ms bigint NOT NULL DEFAULT 0,
	on_call_ms bigint NOT NULL DEFAULT 0,
	wrap_up_ms bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (tenant, agent_id, start_ms)
);
CREATE INDEX agent_interval_time ON rep.agent_interval (tenant, start_ms);

CREATE TABLE rep.tenant_interval (
	tenant    text NOT NULL,
	start_ms  bigint NOT NULL,
	calls     bigint NOT NULL DEFAULT 0,
	answered  bigint NOT NULL DEFAULT 0,
	abandoned bigint NOT NULL DEFAULT 0,
	ivr       bigint NOT NULL DEFAULT 0,
	refused   bigint NOT NULL DEFAULT 0,
	failed    bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (tenant, start_ms)
);

-- A row per call. An event is counted once: all up to seen_upto are, and of the 63 after it those whose bit is set.
CREATE TABLE rep.call (
	tenant            text NOT NULL,
	call_id           text NOT NULL,
	seen_upto         bigint NOT NULL DEFAULT 0,
	seen_bits         bigint NOT NULL DEFAULT 0,
	offered_ms        bigint,
	caller            text,
	called            text,
	trunk_id          text,
	queue_id          text,
	agent_id          text,
	answered_ms       bigint,
	agent_answered_ms bigint,
	ended_ms          bigint,
	wait_ms           bigint,
	talk_ms           bigint,
	hold_ms           bigint,
	disposition       text,
	cause             text,
	digits            text,
	recording_id      text,
	PRIMARY KEY (tenant, call_id)
);
CREATE INDEX call_time ON rep.call (tenant, offered_ms DESC, call_id);

-- The same of each agent's events.
CREATE TABLE rep.agent_seen (
	tenant    text NOT NULL,
	agent_id  text NOT NULL,
	seen_upto bigint NOT NULL,
	seen_bits bigint NOT NULL,
	PRIMARY KEY (tenant, agent_id)
);

DO $$
DECLARE t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['queue_interval', 'agent_interval', 'tenant_interval', 'call', 'agent_seen'] LOOP
		EXECUTE format('ALTER TABLE rep.%I ENABLE ROW LEVEL SECURITY', t);
		EXECUTE format('ALTER TABLE rep.%I FORCE ROW LEVEL SECURITY', t);
		EXECUTE format('CREATE POLICY tenant ON rep.%I USING (tenant = rep.tenant()) WITH CHECK (tenant = rep.tenant())', t);
		EXECUTE format('GRANT SELECT, INSERT, UPDATE ON rep.%I TO reporting', t);
	END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE ON rep.kafka_offset TO reporting;
GRANT EXECUTE ON FUNCTION rep.tenant() TO reporting;

-- Batches are staged in temporary tables (books.c).
DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO reporting', current_database()); END $$;
