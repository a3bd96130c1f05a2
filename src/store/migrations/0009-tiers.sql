-- Tiers: the slaves of this server, the signed manifests that slaves go by, and on a slave what it follows.

CREATE TABLE slave (
  id           INTEGER PRIMARY KEY,
  name         TEXT NOT NULL,
  token_sha256 BLOB NOT NULL UNIQUE,
  channels     TEXT NOT NULL,  -- JSON list of names
  added_at     INTEGER NOT NULL,
  removed_at   INTEGER,        -- since then its token is good for nothing
  contact_at   INTEGER,
  report       TEXT            -- JSON of what it said of itself last
) STRICT;
CREATE UNIQUE INDEX slave_name ON slave (name) WHERE removed_at IS NULL;

-- Batches of events that came from slaves: each counts once, however often it comes.
CREATE TABLE received_batch (
  slave_id    INTEGER NOT NULL REFERENCES slave,
  batch       TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  PRIMARY KEY (slave_id, batch)
) STRICT, WITHOUT ROWID;

-- What slaves served, in all.
CREATE TABLE slave_traffic (
  slave_id     INTEGER NOT NULL REFERENCES slave,
  origin       TEXT NOT NULL,  -- empty for the slave itself, else the names of those below it
  requests     INTEGER NOT NULL,
  served_bytes INTEGER NOT NULL,
  saved_bytes  INTEGER NOT NULL,
  PRIMARY KEY (slave_id, origin)
) STRICT, WITHOUT ROWID;

-- The newest signed description of what a channel serves; on a slave byte for byte the master's.
CREATE TABLE manifest (
  channel_id  INTEGER PRIMARY KEY REFERENCES channel,
  date        INTEGER NOT NULL,
  valid_until INTEGER,        -- the earliest of the envelopes'
  state       TEXT NOT NULL,  -- of the channel when it was made: another one wants another manifest
  bytes       BLOB NOT NULL
) STRICT;

-- What manifests name by its SHA-256: lists of files, recipes, signed files.
CREATE TABLE manifest_document (
  sha256  BLOB PRIMARY KEY,
  bytes   BLOB NOT NULL,
  used_at INTEGER NOT NULL    -- when a manifest that names it was taken over
) STRICT;

-- A channel that this slave follows.
CREATE TABLE followed_channel (
  channel_id        INTEGER PRIMARY KEY REFERENCES channel,
  keep_seconds      INTEGER NOT NULL,
  valid_for_seconds INTEGER,
  archives          TEXT NOT NULL,  -- JSON: where package files can be had beside the master
  checked_at        INTEGER         -- when the master last had nothing newer; by the master's clock
) STRICT;

-- What went wrong last with a channel of the master; also one that could never be taken over.
CREATE TABLE sync_failure (
  channel     TEXT PRIMARY KEY,
  failed_at   INTEGER NOT NULL,  -- the first in a row
  failure     TEXT NOT NULL,     -- JSON of the error
  resolved_at INTEGER            -- when it was over; NULL while it is not
) STRICT, WITHOUT ROWID;

-- What clients told this slave, until the master has it.
CREATE TABLE outgoing (
  id        INTEGER PRIMARY KEY,
  kind      TEXT NOT NULL,
  origin    TEXT NOT NULL,  -- as in slave_traffic
  payload   TEXT NOT NULL,  -- JSON
  queued_at INTEGER NOT NULL,
  batch     TEXT            -- under which it is sent, however often
) STRICT;

-- The package files that a block of an index names: on a slave, which has no records.
CREATE TABLE block_file (
  block_id   INTEGER NOT NULL REFERENCES block ON DELETE CASCADE,
  path       TEXT NOT NULL,
  name       TEXT NOT NULL,  -- package and architecture, by which versions of the same are known
  sha256     BLOB NOT NULL,
  size_bytes INTEGER NOT NULL,
  PRIMARY KEY (block_id, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX block_file_path ON block_file (path);

-- Package files that are to be fetched before anybody asks.
CREATE TABLE wanted_file (
  channel_id INTEGER NOT NULL REFERENCES channel,
  archive_id INTEGER NOT NULL REFERENCES archive,
  path       TEXT NOT NULL,
  sha256     BLOB NOT NULL,
  size_bytes INTEGER NOT NULL,
  PRIMARY KEY (channel_id, archive_id, path)
) STRICT, WITHOUT ROWID;

-- A slave may miss snapshots, and gets others late.
ALTER TABLE snapshot ADD COLUMN previous_id TEXT;      -- on the master; NULL there, where none is missed
ALTER TABLE snapshot ADD COLUMN received_at INTEGER;   -- NULL where it was made
