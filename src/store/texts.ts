// Texts of indexes as rows of blocks, the packed forms of blocks, and the files that are made of them.
import { isDeepStrictEqual } from 'node:util'
import { type Sha256, sha256Bytes, sha256FromBytes } from '../lib/digest.ts'
import type { Database, Tx } from './database.ts'

/** A piece of an index's text. Names are those of its first and last entry. */
export interface Block {
  readonly sha256: Sha256
  readonly sizeBytes: number
  readonly crc32: number
  readonly firstName: string
  readonly lastName: string
}

export interface StoredBlock extends Block {
  readonly id: number
}

/** Where a packed form of a block lies. */
export interface PackedBlock {
  /** Codec, settings and version; other encoders' blocks are not mixed. */
  readonly encoder: string
  /** The blob that holds it. */
  readonly pack: Sha256
  readonly start: number
  readonly sizeBytes: number
  /** For xz: without the padding; else the same. */
  readonly unpaddedBytes: number
  /** Of the packed bytes. */
  readonly crc32: number
}

/** A block of a file, in its packed form. */
export interface FileBlock extends PackedBlock {
  readonly blockId: number
  /** Of the unpacked block. */
  readonly rawBytes: number
  readonly rawCrc32: number
}

export interface GeneratedFile {
  readonly sha256: Sha256
  readonly sizeBytes: number
  readonly encoder: string
}

/** A text as a row of blocks, and how a file packs it. The same text may be known by other rows as well. */
export interface FileOrigin {
  readonly textId: number
  readonly text: { readonly sha256: Sha256; readonly sizeBytes: number }
  readonly encoder: string
}

export interface NewText {
  readonly sha256: Sha256
  readonly sizeBytes: number
  readonly blockIds: readonly number[]
}

export interface FileRecipe extends GeneratedFile {
  readonly blocks: readonly FileBlock[]
  /** How many there should be. */
  readonly blockCount: number
}

interface BlockRow {
  id: number
  sha256: Uint8Array
  bytes: number
  crc32: number
  first_name: string
  last_name: string
}

interface PackedRow {
  encoder: string
  pack_sha256: Uint8Array
  start: number
  bytes: number
  unpadded_bytes: number
  crc32: number
}

export class Texts {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** What a file is made of; null if the file is not known. */
  origin(file: Sha256): FileOrigin | null {
    const row = this.#db
      .prepare<{ text_id: number; sha256: Uint8Array; size_bytes: number; encoder: string }>(
        `SELECT text_id, text.sha256, text.size_bytes, encoder FROM generated_file
         JOIN text ON text.id = generated_file.text_id WHERE generated_file.sha256 = ?`,
      )
      .get(sha256Bytes(file))
    if (row === undefined) return null
    const { text_id: textId, sha256, size_bytes: sizeBytes, encoder } = row
    return { textId, text: { sha256: sha256FromBytes(sha256), sizeBytes }, encoder }
  }

  /** The blocks of a file's text, in order; none if the file is not known. */
  blocksOf(file: Sha256): StoredBlock[] {
    return this.#db
      .prepare<BlockRow>(
        `SELECT block.* FROM generated_file CROSS JOIN text_block ON text_block.text_id = generated_file.text_id
         CROSS JOIN block ON block.id = text_block.block_id
         WHERE generated_file.sha256 = ? ORDER BY ordinal`,
      )
      .all(sha256Bytes(file))
      .map(toBlock)
  }

  findBlock(sha256: Sha256): StoredBlock | null {
    const row = this.#db.prepare<BlockRow>('SELECT * FROM block WHERE sha256 = ?').get(sha256Bytes(sha256))
    return row === undefined ? null : toBlock(row)
  }

  packedBlock(blockId: number, encoder: string): PackedBlock | null {
    return this.packedBlocks([blockId], encoder).get(blockId) ?? null
  }

  /** The packed forms of blocks by one encoder, by block id. */
  packedBlocks(blockIds: readonly number[], encoder: string): Map<number, PackedBlock> {
    const rows = this.#db
      .prepare<PackedRow & { block_id: number }>(
        `SELECT packed_block.* FROM json_each(?) CROSS JOIN packed_block
         ON packed_block.block_id = json_each.value AND packed_block.encoder = ?`,
      )
      .all(JSON.stringify(blockIds), encoder)
    return new Map(rows.map((row) => [row.block_id, toPacked(row)]))
  }

  /** The block's id; added if it is new. */
  ensureBlock(tx: Tx, block: Block): number {
    const digest = sha256Bytes(block.sha256)
    tx.run(
      `INSERT INTO block (sha256, bytes, crc32, first_name, last_name) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (sha256) DO NOTHING`,
      digest,
      block.sizeBytes,
      block.crc32,
      block.firstName,
      block.lastName,
    )
    return this.#db.pluck<number>('SELECT id FROM block WHERE sha256 = ?').get(digest)!
  }

  /** A packed form, in place of what was known of that encoder. */
  putPacked(tx: Tx, blockId: number, packed: PackedBlock): void {
    tx.run(
      `INSERT INTO packed_block (block_id, encoder, pack_sha256, start, bytes, unpadded_bytes, crc32)
       VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (block_id, encoder) DO UPDATE SET pack_sha256 = excluded.pack_sha256, start = excluded.start,
         bytes = excluded.bytes, unpadded_bytes = excluded.unpadded_bytes, crc32 = excluded.crc32`,
      blockId,
      packed.encoder,
      sha256Bytes(packed.pack),
      packed.start,
      packed.sizeBytes,
      packed.unpaddedBytes,
      packed.crc32,
    )
  }

  /** Adds a text, unless it is known by these blocks, and the files that it is packed in. */
  put(tx: Tx, text: NewText, files: readonly GeneratedFile[]): void {
    const id = this.#findText(text) ?? this.#addText(tx, text)
    for (const file of files) {
      tx.run(
        `INSERT INTO generated_file (sha256, size_bytes, text_id, encoder) VALUES (?, ?, ?, ?)
         ON CONFLICT (sha256) DO NOTHING`,
        sha256Bytes(file.sha256),
        file.sizeBytes,
        id,
        file.encoder,
      )
    }
  }

  #findText({ sha256, blockIds }: NewText): number | null {
    const known = this.#db.pluck<number>('SELECT id FROM text WHERE sha256 = ?').all(sha256Bytes(sha256))
    const blocks = this.#db.pluck<number>(
      'SELECT block_id FROM text_block WHERE text_id = ? ORDER BY ordinal',
    )
    return known.find((id) => isDeepStrictEqual(blocks.all(id), blockIds)) ?? null
  }

  #addText(tx: Tx, { sha256, sizeBytes, blockIds }: NewText): number {
    const { lastInsertRowid } = tx.run(
      'INSERT INTO text (sha256, size_bytes) VALUES (?, ?)',
      sha256Bytes(sha256),
      sizeBytes,
    )
    const id = Number(lastInsertRowid)
    tx.run(
      'INSERT INTO text_block (text_id, ordinal, block_id) SELECT ?, key, value FROM json_each(?)',
      id,
      JSON.stringify(blockIds),
    )
    return id
  }

  /** Nothing is known any more of how a block is packed by an encoder. */
  forgetPacked(tx: Tx, blockId: number, encoder: string): void {
    tx.run('DELETE FROM packed_block WHERE block_id = ? AND encoder = ?', blockId, encoder)
  }

  /** The same, unless a text that is known is made of it. */
  forgetUnused(tx: Tx, block: Sha256, encoder: string): void {
    tx.run(
      `DELETE FROM packed_block WHERE encoder = ? AND block_id IN (
         SELECT id FROM block WHERE sha256 = ? AND NOT EXISTS (
           SELECT 1 FROM text_block WHERE text_block.block_id = block.id))`,
      encoder,
      sha256Bytes(block),
    )
  }

  /** A file and those of its blocks that lie somewhere, in order; null if it is not known. */
  file(sha256: Sha256): FileRecipe | null {
    const digest = sha256Bytes(sha256)
    const found = this.#db
      .prepare<{ size_bytes: number; text_id: number; encoder: string }>(
        'SELECT size_bytes, text_id, encoder FROM generated_file WHERE sha256 = ?',
      )
      .get(digest)
    if (found === undefined) return null
    const blocks = this.#db
      .prepare<PackedRow & { block_id: number; raw_bytes: number; raw_crc32: number }>(
        `SELECT packed_block.*, block.id AS block_id, block.bytes AS raw_bytes, block.crc32 AS raw_crc32
         FROM text_block CROSS JOIN block ON block.id = text_block.block_id
         CROSS JOIN packed_block ON packed_block.block_id = block.id AND packed_block.encoder = ?
         WHERE text_id = ? ORDER BY ordinal`,
      )
      .all(found.encoder, found.text_id)
      .map((row) => ({
        ...toPacked(row),
        blockId: row.block_id,
        rawBytes: row.raw_bytes,
        rawCrc32: row.raw_crc32,
      }))
    const blockCount = this.#db
      .pluck<number>('SELECT count(*) FROM text_block WHERE text_id = ?')
      .get(found.text_id)!
    return { sha256, sizeBytes: found.size_bytes, encoder: found.encoder, blocks, blockCount }
  }
}

function toBlock(row: BlockRow): StoredBlock {
  return {
    id: row.id,
    sha256: sha256FromBytes(row.sha256),
    sizeBytes: row.bytes,
    crc32: row.crc32,
    firstName: row.first_name,
    lastName: row.last_name,
  }
}

function toPacked(row: PackedRow): PackedBlock {
  return {
    encoder: row.encoder,
    pack: sha256FromBytes(row.pack_sha256),
    start: row.start,
    sizeBytes: row.bytes,
    unpaddedBytes: row.unpadded_bytes,
    crc32: row.crc32,
  }
}
