-- What becomes of calls while a tenant is suspended: a packed trunkline.config.v1.Suspension, and the prompt that it names, which
-- cannot be deleted meanwhile.
ALTER TABLE tm.tenant ADD COLUMN suspension bytea NOT NULL DEFAULT '';
ALTER TABLE tm.tenant ADD COLUMN announcement text NOT NULL DEFAULT '';
