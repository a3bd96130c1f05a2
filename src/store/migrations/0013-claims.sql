-- What changelogs of waiting versions claim, as it was read from their packages.
CREATE TABLE claim (
  archive_id INTEGER NOT NULL REFERENCES archive,
  source     TEXT NOT NULL,
  version    TEXT NOT NULL,
  since      TEXT NOT NULL,  -- entries after this version; empty: all
  read_at    INTEGER NOT NULL,
  entries    INTEGER NOT NULL,
  urgency    TEXT,           -- of the newest entry
  cves       TEXT NOT NULL,  -- JSON: a list of ids
  problem    TEXT,           -- why nothing could be read
  PRIMARY KEY (archive_id, source, version, since)
) STRICT, WITHOUT ROWID;
