// Signed manifests of channels, and the documents that they name by hash. On a slave both are the master's, as they came.
import { type Sha256, sha256, sha256Bytes } from '../lib/digest.ts'
import type { Database, Tx } from './database.ts'

export interface StoredManifest {
  readonly channelId: number
  /** Milliseconds; grows with each manifest of the channel. */
  readonly date: number
  readonly validUntil: number | null
  /** What the channel was like when it was made. */
  readonly state: string
  /** Clear-signed. */
  readonly bytes: Buffer
}

interface Row {
  channel_id: number
  date: number
  valid_until: number | null
  state: string
  bytes: Uint8Array
}

export class Manifests {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  find(channelId: number): StoredManifest | null {
    const row = this.#db.prepare<Row>('SELECT * FROM manifest WHERE channel_id = ?').get(channelId)
    return row === undefined
      ? null
      : {
          channelId: row.channel_id,
          date: row.date,
          validUntil: row.valid_until,
          state: row.state,
          bytes: Buffer.from(row.bytes),
        }
  }

  put(tx: Tx, { channelId, date, validUntil, state, bytes }: StoredManifest): void {
    tx.run(
      'INSERT OR REPLACE INTO manifest (channel_id, date, valid_until, state, bytes) VALUES (?, ?, ?, ?, ?)',
      channelId,
      date,
      validUntil,
      state,
      bytes,
    )
  }

  document(digest: Sha256): Buffer | null {
    const bytes = this.#db
      .pluck<Uint8Array>('SELECT bytes FROM manifest_document WHERE sha256 = ?')
      .get(sha256Bytes(digest))
    return bytes === undefined ? null : Buffer.from(bytes)
  }

  hasDocument(digest: Sha256): boolean {
    const sql = 'SELECT 1 FROM manifest_document WHERE sha256 = ?'
    return this.#db.pluck<number>(sql).get(sha256Bytes(digest)) !== undefined
  }

  putDocument(tx: Tx, bytes: Buffer, at: number): void {
    tx.run(
      `INSERT INTO manifest_document (sha256, bytes, used_at) VALUES (?, ?, ?)
       ON CONFLICT (sha256) DO UPDATE SET used_at = excluded.used_at`,
      sha256Bytes(sha256(bytes)),
      bytes,
      at,
    )
  }

  /** A manifest that is taken over names a document that is here already. */
  useDocument(tx: Tx, digest: Sha256, at: number): void {
    tx.run('UPDATE manifest_document SET used_at = ? WHERE sha256 = ?', at, sha256Bytes(digest))
  }

  /** Documents that no present manifest names, and nobody has had reason to ask for since. */
  forgetDocuments(tx: Tx, present: ReadonlySet<Sha256>, before: number): void {
    const old = this.#db
      .pluck<string>('SELECT lower(hex(sha256)) FROM manifest_document WHERE used_at < ?')
      .all(before)
    for (const digest of old as Sha256[]) {
      if (!present.has(digest)) tx.run('DELETE FROM manifest_document WHERE sha256 = ?', sha256Bytes(digest))
    }
  }
}
