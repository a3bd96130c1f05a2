// Records: stanzas stored once, by the digest of their text.
import { hash } from 'node:crypto'
import type { PackageStanza } from '../debian/packages.ts'
import { type Sha256, sha256Bytes, sha256FromBytes } from '../lib/digest.ts'
import type { Database, Tx } from './database.ts'

/** What records can be; the numbers are those of the database. */
export const recordKinds = { package: 1 } as const
export type RecordKind = (typeof recordKinds)[keyof typeof recordKinds]

/** A package stanza without its text. */
export interface PackageRecord {
  readonly id: number
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly source: string
  readonly sourceVersion: string
  readonly path: string
  readonly sizeBytes: number
  readonly sha256: Sha256
}

export interface RecordRow {
  id: number
  name: string
  version: string
  architecture: string
  source: string
  source_version: string
  path: string
  size_bytes: number
  sha256: Uint8Array
}

/** The columns of a PackageRecord, of a table that is called `record` in the query. */
export const recordColumns = `record.id, record.name, record.version, record.architecture, record.source,
  record.source_version, record.path, record.size_bytes, record.sha256`

export function toRecord(row: RecordRow): PackageRecord {
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    architecture: row.architecture,
    source: row.source,
    sourceVersion: row.source_version,
    path: row.path,
    sizeBytes: row.size_bytes,
    sha256: sha256FromBytes(row.sha256),
  }
}

export class Records {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Stores what is new of `stanzas`; their ids, in order. Rows that nothing refers to are harmless. */
  put(tx: Tx, stanzas: readonly PackageStanza[]): number[] {
    const find = this.#db.pluck<number>('SELECT id FROM record WHERE hash = ? AND kind = 1')
    const insert = tx.runner(
      `INSERT INTO record (kind, hash, name, version, architecture, source, source_version, path, size_bytes, sha256, text)
       VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash, kind) DO NOTHING`,
    )
    // New stanzas come in runs (a first adoption), known ones too (a daily update): try first what worked last.
    let isLikelyNew = false
    return stanzas.map((stanza) => {
      // By way of a string, because short Buffers made from one share a block of memory.
      const digest = Buffer.from(hash('sha256', stanza.text, 'latin1'), 'latin1')
      const known = isLikelyNew ? undefined : find.get(digest)
      if (known !== undefined) return known
      const { changes, lastInsertRowid } = insert(
        digest,
        stanza.name,
        stanza.version,
        stanza.architecture,
        stanza.source,
        stanza.sourceVersion,
        stanza.path,
        stanza.sizeBytes,
        sha256Bytes(stanza.sha256),
        stanza.text,
      )
      isLikelyNew = changes > 0
      return isLikelyNew ? Number(lastInsertRowid) : find.get(digest)!
    })
  }

  text(id: number): Buffer {
    const text = this.#db.pluck<Uint8Array>('SELECT text FROM record WHERE id = ?').get(id)!
    return Buffer.from(text.buffer, text.byteOffset, text.byteLength)
  }

  /** The texts of many records, in their order. */
  texts(ids: readonly number[]): Buffer[] {
    return this.#db
      .pluck<Uint8Array>('SELECT text FROM json_each(?) CROSS JOIN record ON record.id = json_each.value')
      .all(JSON.stringify(ids))
      .map((text) => Buffer.from(text.buffer, text.byteOffset, text.byteLength))
  }

  get(id: number): PackageRecord {
    return toRecord(this.#db.prepare<RecordRow>(`SELECT ${recordColumns} FROM record WHERE id = ?`).get(id)!)
  }

  /** What rendering sorts by, for very many records at once. */
  sortKeys(ids: readonly number[]): SortKey[] {
    return this.#db
      .prepare<SortKey>(
        `SELECT record.id, record.name, record.version, record.hash
         FROM json_each(?) CROSS JOIN record ON record.id = json_each.value`,
      )
      .all(JSON.stringify(ids))
  }

  /** Many records with what they are sorted by and their text. */
  rendered(ids: readonly number[]): RenderedRecord[] {
    return this.#db
      .prepare<RenderedRecord>(
        `SELECT record.id, record.name, record.version, record.hash, record.text
         FROM json_each(?) CROSS JOIN record ON record.id = json_each.value`,
      )
      .all(JSON.stringify(ids))
  }

  /** The distinct names of records, sorted by bytes. */
  names(ids: readonly number[]): string[] {
    return this.#db
      .pluck<string>(
        `SELECT DISTINCT record.name FROM json_each(?) CROSS JOIN record ON record.id = json_each.value
         ORDER BY record.name`,
      )
      .all(JSON.stringify(ids))
  }
}

export interface SortKey {
  readonly id: number
  readonly name: string
  readonly version: string
  /** SHA-256 of the text. */
  readonly hash: Uint8Array
}

export interface RenderedRecord extends SortKey {
  readonly text: Uint8Array
}
