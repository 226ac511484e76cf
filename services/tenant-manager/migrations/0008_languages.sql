-- What a tenant's people read texts in (GT-3.1.2f): a BCP 47 tag; empty: English.
ALTER TABLE tm.tenant ADD COLUMN language text NOT NULL DEFAULT '';
