-- A key that is being replaced signs on beside its successor, until clients have the new one.
CREATE TABLE new_signing_key (
  fingerprint TEXT PRIMARY KEY,
  channel_id  INTEGER NOT NULL REFERENCES channel,
  role        TEXT NOT NULL CHECK (role IN ('active', 'standby', 'retiring', 'retired')),
  algorithm   TEXT NOT NULL,
  public_key  TEXT NOT NULL,  -- armored
  made_at     INTEGER NOT NULL,
  changed_at  INTEGER NOT NULL  -- when it got its role
) STRICT, WITHOUT ROWID;
INSERT INTO new_signing_key SELECT fingerprint, channel_id, role, algorithm, public_key, made_at, made_at FROM signing_key;
DROP TABLE signing_key;
ALTER TABLE new_signing_key RENAME TO signing_key;
