-- People who use the HTTP interface, and what they prove it with. Secrets are here only as hashes. A person who was
-- removed keeps the row: the name stands in the audit log, and comes back as the same person.
CREATE TABLE person (
  id         INTEGER PRIMARY KEY,
  name       TEXT NOT NULL UNIQUE,
  role       TEXT NOT NULL CHECK (role IN ('viewer', 'approver', 'admin')),
  password   TEXT,              -- scrypt, with its salt and costs; null: cannot log in by password
  added_at   INTEGER NOT NULL,
  removed_at INTEGER
) STRICT;

CREATE TABLE api_token (
  id         INTEGER PRIMARY KEY,
  person_id  INTEGER NOT NULL REFERENCES person,
  hash       BLOB NOT NULL UNIQUE,  -- SHA-256 of the token
  purpose    TEXT,
  made_at    INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT;
CREATE INDEX api_token_of_person ON api_token (person_id);
