-- What people and programs elsewhere are told.
CREATE TABLE notice (
  id    TEXT PRIMARY KEY,  -- by which receivers tell that they have it already
  event TEXT NOT NULL,
  at    INTEGER NOT NULL,
  body  TEXT NOT NULL      -- JSON, as it is sent
) STRICT, WITHOUT ROWID;

-- To whom each goes, until it is there or given up.
CREATE TABLE delivery (
  notice_id TEXT NOT NULL REFERENCES notice ON DELETE CASCADE,
  target    TEXT NOT NULL,
  state     TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'dead')),
  attempts  INTEGER NOT NULL,
  due_at    INTEGER NOT NULL,  -- when it is tried next, or was tried last
  error     TEXT,
  PRIMARY KEY (notice_id, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_due ON delivery (due_at) WHERE state = 'waiting';

-- States that were told already, so that each is told once.
CREATE TABLE told (
  key TEXT PRIMARY KEY,
  at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
