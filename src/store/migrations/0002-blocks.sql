-- Generated files are made of blocks that lie in packs: a publication costs what is new in it.

DROP TABLE block;

-- A piece of an index's text.
CREATE TABLE block (
  id         INTEGER PRIMARY KEY,
  sha256     BLOB NOT NULL UNIQUE,
  bytes      INTEGER NOT NULL,
  crc32      INTEGER NOT NULL,
  first_name TEXT NOT NULL,
  last_name  TEXT NOT NULL
) STRICT;

-- A packed form of a block: where it lies. The same block is packed once by each encoder.
CREATE TABLE packed_block (
  block_id       INTEGER NOT NULL REFERENCES block,
  encoder        TEXT NOT NULL,     -- codec, settings and version; `text` and `plain`: as it is
  pack_sha256    BLOB NOT NULL,     -- the blob that holds it
  start          INTEGER NOT NULL,
  bytes          INTEGER NOT NULL,
  unpadded_bytes INTEGER NOT NULL,  -- xz: without the padding
  crc32          INTEGER NOT NULL,  -- of the packed bytes
  PRIMARY KEY (block_id, encoder)
) STRICT, WITHOUT ROWID;
CREATE INDEX packed_block_pack ON packed_block (pack_sha256);

-- The text of an index, whatever its packing: a row of blocks.
CREATE TABLE text (
  id         INTEGER PRIMARY KEY,
  sha256     BLOB NOT NULL UNIQUE,
  size_bytes INTEGER NOT NULL
) STRICT;

CREATE TABLE text_block (
  text_id  INTEGER NOT NULL REFERENCES text,
  ordinal  INTEGER NOT NULL,
  block_id INTEGER NOT NULL REFERENCES block,
  PRIMARY KEY (text_id, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX text_block_block ON text_block (block_id);

-- A file that can be served: a text, packed by an encoder. Its bytes are the encoder's head, the blocks, and a tail.
CREATE TABLE generated_file (
  sha256     BLOB PRIMARY KEY,
  size_bytes INTEGER NOT NULL,
  text_id    INTEGER NOT NULL REFERENCES text,
  encoder    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX generated_file_text ON generated_file (text_id);

-- What was published before stays as it lies: each file is a pack of one block.
INSERT INTO block (sha256, bytes, crc32, first_name, last_name)
  SELECT DISTINCT sha256, size_bytes, 0, '', '' FROM publication_file WHERE is_served = 1;
INSERT INTO packed_block (block_id, encoder, pack_sha256, start, bytes, unpadded_bytes, crc32)
  SELECT id, 'plain', sha256, 0, bytes, bytes, 0 FROM block;
INSERT INTO text (id, sha256, size_bytes) SELECT id, sha256, bytes FROM block;
INSERT INTO text_block (text_id, ordinal, block_id) SELECT id, 0, id FROM block;
INSERT INTO generated_file (sha256, size_bytes, text_id, encoder) SELECT sha256, bytes, id, 'plain' FROM block;

-- Texts are rendered by ranges of names, kind by kind.
DROP INDEX record_name;
CREATE INDEX record_name ON record (kind, name);
