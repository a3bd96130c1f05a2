-- What people uploaded into archives of ours. Nobody else has it.

-- Package files that stay in the pool, however much room is wanted. Written before the file itself.
CREATE TABLE kept_file (
  sha256     BLOB PRIMARY KEY,
  size_bytes INTEGER NOT NULL,
  at         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A name, version and architecture means these bytes, for ever, also when no suite shows it any more.
CREATE TABLE local_package (
  archive_id   INTEGER NOT NULL REFERENCES archive,
  name         TEXT NOT NULL,
  version      TEXT NOT NULL,
  architecture TEXT NOT NULL,
  sha256       BLOB NOT NULL REFERENCES kept_file,
  path         TEXT NOT NULL,  -- below the archive
  added_at     INTEGER NOT NULL,
  added_by     TEXT NOT NULL,
  PRIMARY KEY (archive_id, name, version, architecture),
  UNIQUE (archive_id, path)
) STRICT, WITHOUT ROWID;

-- Signed .changes that were accepted: none counts twice.
CREATE TABLE accepted_changes (
  archive_id  INTEGER NOT NULL REFERENCES archive,
  text_sha256 BLOB NOT NULL,  -- of what is signed: the signature's own bytes could be written in another way
  at          INTEGER NOT NULL,
  signed_by   TEXT NOT NULL,
  source      TEXT NOT NULL,
  version     TEXT NOT NULL,
  PRIMARY KEY (archive_id, text_sha256)
) STRICT, WITHOUT ROWID;
