-- The audit log's signed checkpoints, the keys that sign them, and access to rows by who, what and on what.

CREATE INDEX audit_actor   ON audit (actor);
CREATE INDEX audit_action  ON audit (action);
CREATE INDEX audit_subject ON audit (subject);

-- The newest signs; those before it are kept to verify with.
CREATE TABLE audit_key (
  fingerprint TEXT PRIMARY KEY,
  algorithm   TEXT NOT NULL,
  public_key  TEXT NOT NULL,  -- armored
  made_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_key_keeps_rows   BEFORE DELETE ON audit_key BEGIN SELECT RAISE(ABORT, 'audit keys are never deleted'); END;
CREATE TRIGGER audit_key_keeps_values BEFORE UPDATE ON audit_key BEGIN SELECT RAISE(ABORT, 'audit keys are never changed'); END;
CREATE TRIGGER audit_key_is_new       BEFORE INSERT ON audit_key
  WHEN EXISTS (SELECT 1 FROM audit_key WHERE fingerprint = NEW.fingerprint)
  BEGIN SELECT RAISE(ABORT, 'audit keys are never changed'); END;

-- A signed statement of what the chain's value was after a row.
CREATE TABLE audit_checkpoint (
  sequence  INTEGER PRIMARY KEY REFERENCES audit,
  at        INTEGER NOT NULL,
  signed_by TEXT NOT NULL REFERENCES audit_key,
  text      TEXT NOT NULL  -- clear-signed: origin, sequence, head (base64), time
) STRICT;
CREATE TRIGGER audit_checkpoint_keeps_rows   BEFORE DELETE ON audit_checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never deleted'); END;
CREATE TRIGGER audit_checkpoint_keeps_values BEFORE UPDATE ON audit_checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER audit_checkpoint_is_newer     BEFORE INSERT ON audit_checkpoint
  WHEN NEW.sequence <= (SELECT max(sequence) FROM audit_checkpoint)
  BEGIN SELECT RAISE(ABORT, 'checkpoints follow one another'); END;
