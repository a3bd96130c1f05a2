// Records: stanzas and other entries of indexes, stored once, by the digest of their text.
import { hash } from 'node:crypto'
import type { PackageEntry } from '../debian/entries.ts'
import type { PackageStanza } from '../debian/packages.ts'
import type { SourceStanza } from '../debian/sources.ts'
import { type Sha256, sha256Bytes, sha256FromBytes } from '../lib/digest.ts'
import type { Database, Tx } from './database.ts'

/** The numbers by which the database tells what a record is. */
const recordKinds = { packages: 1, sources: 2, translations: 3, commands: 4, components: 5 } as const
export type RecordKind = keyof typeof recordKinds

/** The number of a kind, for queries. */
export function recordKind(kind: RecordKind): number {
  return recordKinds[kind]
}

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

/** A file that a record names. */
export interface NamedFile {
  readonly path: string
  readonly sha256: Sha256
  readonly sizeBytes: number
}

/** An entry of an index as it is stored. Entries that go with packages have a name and, at the most, a key. */
export interface NewRecord {
  readonly kind: RecordKind
  readonly text: Uint8Array
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly source: string
  readonly sourceVersion: string
  readonly path: string
  readonly sizeBytes: number
  readonly sha256: Sha256 | null
  readonly descriptionMd5: string | null
  /** Of a source stanza. */
  readonly files?: readonly NamedFile[]
}

export function packageRecord(stanza: PackageStanza): NewRecord {
  return { kind: 'packages', ...stanza }
}

const nothing = { path: '', sizeBytes: 0, sha256: null, descriptionMd5: null }

export function sourceRecord({ text, name, version, files }: SourceStanza): NewRecord {
  const names = { name, version, source: name, sourceVersion: version }
  const [dsc] = files.filter((file) => file.path.endsWith('.dsc'))
  return {
    ...nothing,
    kind: 'sources',
    text,
    ...names,
    architecture: 'source',
    sha256: dsc?.sha256 ?? null,
    files,
  }
}

export function entryRecord(
  kind: Exclude<RecordKind, 'packages' | 'sources'>,
  { text, name, key }: PackageEntry,
): NewRecord {
  return { ...nothing, kind, text, name, version: key, architecture: '', source: '', sourceVersion: '' }
}

const noDigest = Buffer.alloc(0)

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

  /** Stores what is new of some entries; their ids, in order. Rows that nothing refers to are harmless. */
  put(tx: Tx, entries: readonly NewRecord[]): number[] {
    const find = this.#db.pluck<number>('SELECT id FROM record WHERE hash = ? AND kind = ?')
    const insert = tx.runner(
      `INSERT INTO record (kind, hash, name, version, architecture, source, source_version, path, size_bytes, sha256,
         description_md5, text)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash, kind) DO NOTHING`,
    )
    // New entries come in runs (a first adoption), known ones too (a daily update): try first what worked last.
    let isLikelyNew = false
    return entries.map((entry) => {
      const kind = recordKinds[entry.kind]
      // By way of a string, because short Buffers made from one share a block of memory.
      const digest = Buffer.from(hash('sha256', entry.text, 'latin1'), 'latin1')
      const known = isLikelyNew ? undefined : find.get(digest, kind)
      if (known !== undefined) return known
      const { changes, lastInsertRowid } = insert(
        kind,
        digest,
        entry.name,
        entry.version,
        entry.architecture,
        entry.source,
        entry.sourceVersion,
        entry.path,
        entry.sizeBytes,
        entry.sha256 === null ? noDigest : sha256Bytes(entry.sha256),
        entry.descriptionMd5,
        entry.text,
      )
      isLikelyNew = changes > 0
      if (!isLikelyNew) return find.get(digest, kind)!
      const id = Number(lastInsertRowid)
      for (const file of entry.files ?? []) this.#putFile(tx, id, file)
      return id
    })
  }

  #putFile(tx: Tx, recordId: number, file: NamedFile): void {
    tx.run(
      'INSERT INTO record_file (record_id, path, sha256, size_bytes) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
      recordId,
      file.path,
      sha256Bytes(file.sha256),
      file.sizeBytes,
    )
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

  /** The distinct values that a field has in some records. */
  fieldValues(ids: readonly number[], field: string): string[] {
    const line = new RegExp(`^${field}:[ \\t]*(.*?)[ \\t]*$`, 'im')
    return [...new Set(this.texts(ids).flatMap((text) => line.exec(text.toString('latin1'))?.[1] ?? []))]
  }

  get(id: number): PackageRecord {
    return toRecord(this.#db.prepare<RecordRow>(`SELECT ${recordColumns} FROM record WHERE id = ?`).get(id)!)
  }

  /** The names of very many records. */
  named(ids: readonly number[]): NamedRecord[] {
    return this.#db
      .prepare<NamedRecord>(
        `SELECT record.id, record.name FROM json_each(?) CROSS JOIN record ON record.id = json_each.value`,
      )
      .all(JSON.stringify(ids))
  }

  /** What entries of an index are sorted by. */
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

export interface NamedRecord {
  readonly id: number
  readonly name: string
}

export interface SortKey extends NamedRecord {
  readonly version: string
  /** SHA-256 of the text. */
  readonly hash: Uint8Array
}

export interface RenderedRecord extends SortKey {
  readonly text: Uint8Array
}
