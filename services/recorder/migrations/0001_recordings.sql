-- The index of recordings. Row-level security, enabled and forced: a transaction sees the rows of the tenant in
-- trunkline.tenant (libs/db sets it), and none without it. Every key begins with the tenant.
--
-- Run by the owner of the database; the service itself runs as role recorder, which must exist.
CREATE SCHEMA rec;
GRANT USAGE ON SCHEMA rec TO recorder;

CREATE TABLE rec.recording (
	tenant       text NOT NULL,
	id           text NOT NULL,
	call_id      text NOT NULL DEFAULT '',
	leg_id       text NOT NULL DEFAULT '',
	agent_id     text NOT NULL DEFAULT '',
	queue_id     text NOT NULL DEFAULT '',
	caller       text COLLATE "C" NOT NULL DEFAULT '',
	called       text COLLATE "C" NOT NULL DEFAULT '',
	started_ms   bigint NOT NULL,
	-- recording: the call is up or its file is being made; lost: ended, but no audio was found
	state        text NOT NULL CHECK (state IN ('recording', 'stored', 'lost')),
	samples      bigint NOT NULL DEFAULT 0,  -- at 8 kHz: the exact length
	complete     boolean NOT NULL DEFAULT false,
	path         text NOT NULL DEFAULT '',   -- below data.dir, without .mp3 and .mono.mp3
	stereo_bytes bigint NOT NULL DEFAULT 0,
	mono_bytes   bigint NOT NULL DEFAULT 0,
	stored_ms    bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX recording_started ON rec.recording (tenant, started_ms DESC, id DESC);
CREATE INDEX recording_caller ON rec.recording (tenant, caller, started_ms DESC);
CREATE INDEX recording_called ON rec.recording (tenant, called, started_ms DESC);
CREATE INDEX recording_agent ON rec.recording (tenant, agent_id, started_ms DESC);
CREATE INDEX recording_queue ON rec.recording (tenant, queue_id, started_ms DESC);
CREATE INDEX recording_call ON rec.recording (tenant, call_id);

ALTER TABLE rec.recording ENABLE ROW LEVEL SECURITY;
ALTER TABLE rec.recording FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON rec.recording
	USING (tenant = nullif(current_setting('trunkline.tenant', true), ''))
	WITH CHECK (tenant = nullif(current_setting('trunkline.tenant', true), ''));
GRANT SELECT, INSERT, UPDATE, DELETE ON rec.recording TO recorder;
