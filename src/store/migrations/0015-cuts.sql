-- The same text may be known by several rows of blocks: where it is cut depends on the way to it, and on the version.

CREATE TABLE text_by_cut (
  id         INTEGER PRIMARY KEY,
  sha256     BLOB NOT NULL,
  size_bytes INTEGER NOT NULL
) STRICT;
INSERT INTO text_by_cut (id, sha256, size_bytes) SELECT id, sha256, size_bytes FROM text;
DROP TABLE text;
ALTER TABLE text_by_cut RENAME TO text;
CREATE INDEX text_sha256 ON text (sha256);
