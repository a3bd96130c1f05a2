-- Snapshots by URL: what pins one, when its files were collected, and the signed files around its publications.
ALTER TABLE snapshot ADD COLUMN kept_at      INTEGER;  -- pinned by a person: never collected
ALTER TABLE snapshot ADD COLUMN collected_at INTEGER;  -- its files are gone

-- As envelope, but without Valid-Until; renewed when it is asked for.
CREATE TABLE snapshot_envelope (
  channel_id     INTEGER NOT NULL REFERENCES channel,
  publication_id INTEGER NOT NULL REFERENCES publication,
  date           INTEGER NOT NULL,
  signed_by      TEXT NOT NULL,
  in_release     BLOB NOT NULL,
  release        BLOB NOT NULL,
  release_gpg    BLOB NOT NULL,
  PRIMARY KEY (channel_id, publication_id)
) STRICT, WITHOUT ROWID;

-- The newest Date that a channel ever gave a suite: clients ignore an older one silently.
CREATE TABLE last_date (
  channel_id INTEGER NOT NULL REFERENCES channel,
  suite_id   INTEGER NOT NULL REFERENCES suite,
  date       INTEGER NOT NULL,
  PRIMARY KEY (channel_id, suite_id)
) STRICT, WITHOUT ROWID;
INSERT INTO last_date (channel_id, suite_id, date)
  SELECT envelope.channel_id, publication.suite_id, max(envelope.date)
  FROM envelope JOIN publication ON publication.id = envelope.publication_id GROUP BY 1, 2;

-- What gc looks for.
CREATE INDEX publication_file_sha256 ON publication_file (sha256);
CREATE INDEX envelope_publication ON envelope (publication_id);
CREATE INDEX published_publication ON published (publication_id);

-- Files that are served no more, whatever signed index names them: a recall.
CREATE TABLE blocked_file (
  sha256 BLOB PRIMARY KEY,
  at     INTEGER NOT NULL,
  reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
