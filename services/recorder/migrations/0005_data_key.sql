-- The key that a recording's files are encrypted with, under its tenant's key (GT-16, an envelope of libs/sealed); empty: they are in clear.
ALTER TABLE rec.recording ADD COLUMN data_key text NOT NULL DEFAULT '';
