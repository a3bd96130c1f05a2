-- How far a channel has taken over what needs no decision, so that the next time looks only at what changed since.
ALTER TABLE channel ADD COLUMN followed_parent   INTEGER NOT NULL DEFAULT 0;  -- revision of the channel that feeds it
ALTER TABLE channel ADD COLUMN followed_own      INTEGER NOT NULL DEFAULT 0;  -- its own revision
ALTER TABLE channel ADD COLUMN followed_decision INTEGER NOT NULL DEFAULT 0;

CREATE INDEX snapshot_channel ON snapshot (channel_id, revision);
CREATE INDEX audit_at ON audit (at);
