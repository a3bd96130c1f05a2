-- Indexes of every kind: sources with their files; descriptions, command lists and AppStream metadata that go with
-- packages; whole files.

CREATE TABLE new_suite_index (
  id           INTEGER PRIMARY KEY,
  suite_id     INTEGER NOT NULL REFERENCES suite,
  kind         TEXT NOT NULL CHECK (kind IN ('packages', 'sources', 'translations', 'commands', 'components', 'icons', 'contents')),
  component    TEXT NOT NULL,  -- empty for a flat suite, and for what stands at the suite's root
  architecture TEXT NOT NULL,  -- for translations a language, for icons a size, for sources `source`
  plain_digest TEXT,      -- "ALGORITHM:hex" of upstream's unpacked index; equal means nothing to fetch
  frozen_at    INTEGER,   -- left the configuration, or vanished upstream
  dropped_at   INTEGER,
  UNIQUE (suite_id, kind, component, architecture)
) STRICT;
INSERT INTO new_suite_index SELECT id, suite_id, kind, component, architecture, plain_digest, frozen_at, dropped_at FROM suite_index;
DROP TABLE suite_index;
ALTER TABLE new_suite_index RENAME TO suite_index;

-- The architectures that upstream's Release names, as a JSON list: ours names those of them that we have.
ALTER TABLE suite ADD COLUMN architectures TEXT;

-- Records are: 1 a package stanza, 2 a source stanza, 3 a translation, 4 a command list, 5 AppStream metadata. Of the
-- last three, name is the package (empty for the head of the index), version the key of a translation.
ALTER TABLE record ADD COLUMN description_md5 TEXT;
UPDATE record SET description_md5 = field_of(text, 'Description-md5');

-- The files of a source stanza.
CREATE TABLE record_file (
  record_id  INTEGER NOT NULL REFERENCES record,
  path       TEXT NOT NULL,
  sha256     BLOB NOT NULL,
  size_bytes INTEGER NOT NULL,
  PRIMARY KEY (record_id, path)
) STRICT, WITHOUT ROWID;

-- Every file that a record names.
CREATE VIEW named_file AS
  SELECT id AS record_id, path, sha256, size_bytes FROM record WHERE kind = 1
  UNION ALL
  SELECT record_id, path, sha256, size_bytes FROM record_file;

-- An index that is taken over as a file: upstream's, as it is now.
CREATE TABLE upstream_file (
  index_id     INTEGER PRIMARY KEY REFERENCES suite_index,
  sha256       BLOB NOT NULL,     -- of the file as it was fetched; it lies among the packs
  size_bytes   INTEGER NOT NULL,
  compression  TEXT NOT NULL,
  plain_sha256 BLOB,              -- where it is passed on as it is
  plain_bytes  INTEGER NOT NULL
) STRICT;

-- Up to which revision of `upstream` the entries of an index that goes with packages were looked through.
ALTER TABLE view ADD COLUMN derived_at INTEGER NOT NULL DEFAULT 0;

-- What the Contents that a channel publishes were made from.
CREATE TABLE contents_state (
  channel_id      INTEGER NOT NULL REFERENCES channel,
  index_id        INTEGER NOT NULL REFERENCES suite_index,
  made_at         INTEGER NOT NULL,
  revision        INTEGER NOT NULL,  -- of the channel
  upstream_sha256 BLOB NOT NULL,
  PRIMARY KEY (channel_id, index_id)
) STRICT, WITHOUT ROWID;
