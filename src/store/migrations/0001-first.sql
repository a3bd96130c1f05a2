-- Times are milliseconds since the epoch. Digests are 32 bytes. Revisions count the commits of all channels.

CREATE TABLE setting (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- An upstream repository, or a local one. Its name is its identity.
CREATE TABLE archive (
  id            INTEGER PRIMARY KEY,
  name          TEXT NOT NULL UNIQUE,
  is_local      INTEGER NOT NULL,
  is_configured INTEGER NOT NULL
) STRICT;

CREATE TABLE suite (
  id               INTEGER PRIMARY KEY,
  archive_id       INTEGER NOT NULL REFERENCES archive,
  name             TEXT NOT NULL,     -- the path below dists/
  release          TEXT,              -- NULL until the configuration or the first adoption tells
  is_configured    INTEGER NOT NULL,
  seeds_itself     INTEGER NOT NULL,  -- added by init: its first adoption also fills the gated channels
  identity         TEXT,              -- JSON of what clients recognise it by
  release_date     INTEGER,
  valid_until      INTEGER,
  release_sha256   BLOB,              -- of the InRelease (or Release) adopted last
  signed_by        TEXT,
  adopted_at       INTEGER,
  checked_at       INTEGER,           -- when upstream last showed this Release or a newer one
  failed_at        INTEGER,
  failure          TEXT,              -- JSON of the error; NULL after a success
  UNIQUE (archive_id, name)
) STRICT;

-- One index that is adopted and published: a component and an architecture of a suite.
CREATE TABLE suite_index (
  id           INTEGER PRIMARY KEY,
  suite_id     INTEGER NOT NULL REFERENCES suite,
  kind         TEXT NOT NULL CHECK (kind IN ('packages')),
  component    TEXT NOT NULL,
  architecture TEXT NOT NULL,
  plain_digest TEXT,      -- "ALGORITHM:hex" of upstream's unpacked index; equal means nothing to fetch
  frozen_at    INTEGER,   -- left the configuration, or vanished upstream
  dropped_at   INTEGER,
  UNIQUE (suite_id, kind, component, architecture)
) STRICT;

-- A stanza, once, byte for byte, whatever suites and channels show it.
CREATE TABLE record (
  id             INTEGER PRIMARY KEY,
  kind           INTEGER NOT NULL,  -- 1: package stanza
  hash           BLOB NOT NULL,     -- SHA-256 of text
  name           TEXT NOT NULL,
  version        TEXT NOT NULL,
  architecture   TEXT NOT NULL,
  source         TEXT NOT NULL,
  source_version TEXT NOT NULL,
  path           TEXT NOT NULL,
  size_bytes     INTEGER NOT NULL,
  sha256         BLOB NOT NULL,
  text           BLOB NOT NULL,
  UNIQUE (hash, kind)
) STRICT;
CREATE INDEX record_name ON record (name);
CREATE INDEX record_source ON record (source);

CREATE TABLE channel (
  id            INTEGER PRIMARY KEY,
  name          TEXT NOT NULL UNIQUE,
  parent_id     INTEGER REFERENCES channel,  -- NULL for `upstream` only
  follows       INTEGER NOT NULL,
  is_configured INTEGER NOT NULL,
  seeds_itself  INTEGER NOT NULL
) STRICT;

-- The stanzas of one index that one channel shows. `live_since` is NULL while a gated channel waits for its seed.
CREATE TABLE view (
  id           INTEGER PRIMARY KEY,
  channel_id   INTEGER NOT NULL REFERENCES channel,
  index_id     INTEGER NOT NULL REFERENCES suite_index,
  seeds_itself INTEGER NOT NULL,
  live_since   INTEGER,  -- revision
  UNIQUE (channel_id, index_id)
) STRICT;

-- A stanza was visible from revision `since` until before revision `until`. Rows are never deleted.
CREATE TABLE member (
  view_id   INTEGER NOT NULL REFERENCES view,
  record_id INTEGER NOT NULL REFERENCES record,
  since     INTEGER NOT NULL,
  until     INTEGER,
  PRIMARY KEY (view_id, record_id, since)
) STRICT, WITHOUT ROWID;

-- An immutable content of a channel over all its archives.
CREATE TABLE snapshot (
  revision   INTEGER PRIMARY KEY AUTOINCREMENT,
  channel_id INTEGER NOT NULL REFERENCES channel,
  id         TEXT NOT NULL,  -- YYYYMMDDTHHMMSSZ
  at         INTEGER NOT NULL,
  kind       TEXT NOT NULL,
  reason     TEXT,
  restores   INTEGER REFERENCES snapshot,  -- the revision that a rollback went back to
  entered    INTEGER NOT NULL,
  left       INTEGER NOT NULL,
  UNIQUE (channel_id, id)
) STRICT;

-- The generated files of one suite, immutable, without date or signature.
CREATE TABLE publication (
  id       INTEGER PRIMARY KEY,
  suite_id INTEGER NOT NULL REFERENCES suite,
  digest   BLOB NOT NULL,   -- SHA-256 of body
  body     TEXT NOT NULL,   -- Release without Date, Valid-Until and Snapshots
  UNIQUE (suite_id, digest)
) STRICT;

CREATE TABLE publication_file (
  publication_id INTEGER NOT NULL REFERENCES publication,
  path           TEXT NOT NULL,     -- relative to the suite's folder
  sha256         BLOB NOT NULL,
  size_bytes     INTEGER NOT NULL,
  is_served      INTEGER NOT NULL,  -- 0: the unpacked form, listed only because apt wants to see its hash
  PRIMARY KEY (publication_id, path)
) STRICT, WITHOUT ROWID;

-- Which publication a channel had, by revision.
CREATE TABLE published (
  channel_id     INTEGER NOT NULL REFERENCES channel,
  suite_id       INTEGER NOT NULL REFERENCES suite,
  since          INTEGER NOT NULL,
  until          INTEGER,
  publication_id INTEGER NOT NULL REFERENCES publication,
  PRIMARY KEY (channel_id, suite_id, since)
) STRICT, WITHOUT ROWID;

-- The signed files around a publication. Renewing one changes no content.
CREATE TABLE envelope (
  id             INTEGER PRIMARY KEY,
  channel_id     INTEGER NOT NULL REFERENCES channel,
  publication_id INTEGER NOT NULL REFERENCES publication,
  date           INTEGER NOT NULL,
  valid_until    INTEGER,
  signed_by      TEXT NOT NULL,  -- fingerprints, separated by blanks
  in_release     BLOB NOT NULL,
  release        BLOB NOT NULL,
  release_gpg    BLOB NOT NULL
) STRICT;

-- What a channel serves now.
CREATE TABLE head (
  channel_id  INTEGER NOT NULL REFERENCES channel,
  suite_id    INTEGER NOT NULL REFERENCES suite,
  envelope_id INTEGER NOT NULL REFERENCES envelope,
  PRIMARY KEY (channel_id, suite_id)
) STRICT, WITHOUT ROWID;

-- How a compressed index is made of blocks: the recipe by which the next one reuses them.
CREATE TABLE block (
  file_sha256 BLOB NOT NULL,
  ordinal     INTEGER NOT NULL,
  encoder     TEXT NOT NULL,     -- codec, settings and version; other encoders' blocks are not mixed
  raw_sha256  BLOB NOT NULL,
  raw_bytes   INTEGER NOT NULL,
  crc32       INTEGER NOT NULL,
  start       INTEGER NOT NULL,  -- where its packed form lies in the file
  bytes       INTEGER NOT NULL,
  unpadded_bytes INTEGER NOT NULL,  -- xz: without the padding
  first_name  TEXT NOT NULL,
  PRIMARY KEY (file_sha256, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX block_raw ON block (raw_sha256, encoder);

-- Package files that a channel names: all that serving needs to know of them.
CREATE TABLE pool_file (
  channel_id INTEGER NOT NULL REFERENCES channel,
  archive_id INTEGER NOT NULL REFERENCES archive,
  path       TEXT NOT NULL,
  since      INTEGER NOT NULL,
  until      INTEGER,
  sha256     BLOB NOT NULL,
  size_bytes INTEGER NOT NULL,
  PRIMARY KEY (channel_id, archive_id, path, since)
) STRICT, WITHOUT ROWID;

-- What a person decided. The newest row of a subject counts; rows are never changed.
CREATE TABLE decision (
  id         INTEGER PRIMARY KEY,
  at         INTEGER NOT NULL,
  actor      TEXT NOT NULL,
  verb       TEXT NOT NULL CHECK (verb IN ('approve', 'decline', 'hold', 'unhold')),
  channel_id INTEGER NOT NULL REFERENCES channel,
  release    TEXT NOT NULL,
  archive_id INTEGER NOT NULL REFERENCES archive,
  source     TEXT NOT NULL,
  version    TEXT,           -- NULL for hold and unhold, which bind the source
  reason     TEXT
) STRICT;
CREATE INDEX decision_subject ON decision (channel_id, archive_id, source);

-- The very files that a decision covers.
CREATE TABLE decision_file (
  decision_id INTEGER NOT NULL REFERENCES decision,
  sha256      BLOB NOT NULL,
  PRIMARY KEY (decision_id, sha256)
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_key (
  fingerprint TEXT PRIMARY KEY,
  channel_id  INTEGER NOT NULL REFERENCES channel,
  role        TEXT NOT NULL CHECK (role IN ('active', 'standby', 'retired')),
  algorithm   TEXT NOT NULL,
  public_key  TEXT NOT NULL,  -- armored
  made_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE alarm (
  key       TEXT PRIMARY KEY,
  raised_at INTEGER NOT NULL,
  message   TEXT NOT NULL,
  hint      TEXT
) STRICT, WITHOUT ROWID;

-- leaf = SHA-256(0x00 ‖ canonical JSON of the row), head = SHA-256(0x01 ‖ previous head ‖ leaf).
CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL,
  actor    TEXT NOT NULL,
  via      TEXT NOT NULL,   -- cli, schedule, init, …
  action   TEXT NOT NULL,
  subject  TEXT NOT NULL,
  reason   TEXT,
  details  TEXT NOT NULL,   -- canonical JSON (RFC 8785)
  leaf     BLOB NOT NULL,
  head     BLOB NOT NULL
) STRICT;
CREATE TRIGGER audit_keeps_rows   BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are never deleted'); END;
CREATE TRIGGER audit_keeps_values BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are never changed'); END;
CREATE TRIGGER audit_is_a_chain   BEFORE INSERT ON audit
  WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), 0) + 1 FROM audit)
  BEGIN SELECT RAISE(ABORT, 'audit rows follow one another'); END;
CREATE TRIGGER decision_keeps_rows   BEFORE DELETE ON decision BEGIN SELECT RAISE(ABORT, 'decisions are never deleted'); END;
CREATE TRIGGER decision_keeps_values BEFORE UPDATE ON decision BEGIN SELECT RAISE(ABORT, 'decisions are never changed'); END;
