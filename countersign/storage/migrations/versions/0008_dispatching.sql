-- A person's notices go out in order: a newer one waits for the older ones, but not for one that cannot be written.
ALTER TABLE notices ADD COLUMN unwritable boolean NOT NULL DEFAULT false;
CREATE INDEX notices_waiting ON notices (user_id, created_at) WHERE sent_at IS NULL AND failed_at IS NULL;

-- When a dispatcher took it upon itself to tell the workflow to look again: the mark goes once it is told, not before.
ALTER TABLE requests ADD COLUMN nudged_at timestamptz;
