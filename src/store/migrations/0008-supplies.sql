-- Package files that have to be here, because upstream does not offer them any more, and that could not be had.
CREATE TABLE missing_file (
  sha256     BLOB PRIMARY KEY,
  size_bytes INTEGER NOT NULL,
  archive    TEXT NOT NULL,
  path       TEXT NOT NULL,
  channel    TEXT NOT NULL,
  source     TEXT NOT NULL,
  version    TEXT NOT NULL,     -- of the source
  tried_at   INTEGER NOT NULL,
  is_final   INTEGER NOT NULL,  -- every address says that it has no such file
  error      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What clients of a channel asked for, by the day.
CREATE TABLE used_package (
  channel_id   INTEGER NOT NULL REFERENCES channel,
  name         TEXT NOT NULL,
  architecture TEXT NOT NULL,
  used_at      INTEGER NOT NULL,
  PRIMARY KEY (channel_id, name, architecture)
) STRICT, WITHOUT ROWID;

-- What upstream's own indexes name, as clients of the forward proxy got them: suites that are not adopted too.
CREATE TABLE forwarded_file (
  archive    TEXT NOT NULL,
  path       TEXT NOT NULL,
  sha256     BLOB NOT NULL,
  size_bytes INTEGER NOT NULL,
  PRIMARY KEY (archive, path)
) STRICT, WITHOUT ROWID;
