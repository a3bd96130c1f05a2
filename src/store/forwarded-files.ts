// Package files that upstream's own indexes name: the flat table that the forward proxy reads.
import { type Sha256, sha256Bytes, sha256FromBytes } from '../lib/digest.ts'
import type { Database, Tx } from './database.ts'
import type { PoolFile } from './pool-files.ts'

export class ForwardedFiles {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  find(archive: string, path: string): PoolFile | null {
    const row = this.#db
      .prepare<{ sha256: Uint8Array; size_bytes: number }>(
        `SELECT sha256, size_bytes FROM forwarded_file WHERE archive = ? AND path = ?
           AND NOT EXISTS (SELECT 1 FROM blocked_file WHERE blocked_file.sha256 = forwarded_file.sha256)`,
      )
      .get(archive, path)
    return row === undefined ? null : { sha256: sha256FromBytes(row.sha256), sizeBytes: row.size_bytes }
  }

  /** The newest index counts: a path may get another content. */
  put(
    tx: Tx,
    archive: string,
    files: readonly { readonly path: string; readonly sha256: Sha256; readonly sizeBytes: number }[],
  ): void {
    const put = tx.runner(
      `INSERT INTO forwarded_file (archive, path, sha256, size_bytes) VALUES (?, ?, ?, ?)
       ON CONFLICT (archive, path) DO UPDATE SET sha256 = excluded.sha256, size_bytes = excluded.size_bytes
         WHERE sha256 <> excluded.sha256`,
    )
    for (const { path, sha256, sizeBytes } of files) put(archive, path, sha256Bytes(sha256), sizeBytes)
  }
}
