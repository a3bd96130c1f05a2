// What changelogs of waiting versions claim: read once from their packages, then a fact like others.
import type { Database, Tx } from './database.ts'

export interface ClaimKey {
  readonly archiveId: number
  readonly source: string
  readonly version: string
  /** Entries after this version; null: all. */
  readonly since: string | null
}

/** Whoever wrote the changelog says so. */
export interface Claims {
  readonly entries: number
  /** Of the newest entry; shown, and never taken for a severity. */
  readonly urgency: string | null
  /** In the order in which they are mentioned. */
  readonly cves: readonly string[]
  /** Why nothing could be read; null if it could. */
  readonly problem: string | null
}

export class ClaimStore {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Null if nobody has looked yet. */
  find({ archiveId, source, version, since }: ClaimKey): Claims | null {
    const row = this.#db
      .prepare<{ entries: number; urgency: string | null; cves: string; problem: string | null }>(
        'SELECT entries, urgency, cves, problem FROM claim WHERE archive_id = ? AND source = ? AND version = ? AND since = ?',
      )
      .get(archiveId, source, version, since ?? '')
    return row === undefined ? null : { ...row, cves: JSON.parse(row.cves) as string[] }
  }

  record(tx: Tx, { archiveId, source, version, since }: ClaimKey, claims: Claims, at: number): void {
    tx.run(
      `INSERT OR REPLACE INTO claim (archive_id, source, version, since, read_at, entries, urgency, cves, problem)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      archiveId,
      source,
      version,
      since ?? '',
      at,
      claims.entries,
      claims.urgency,
      JSON.stringify(claims.cves),
      claims.problem,
    )
  }

  forget(tx: Tx, before: number): void {
    tx.run('DELETE FROM claim WHERE read_at < ?', before)
  }
}
