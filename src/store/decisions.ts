// What people decided about source versions and sources.
import { type Sha256, sha256Bytes, sha256FromBytes } from '../lib/digest.ts'
import type { Database, Tx } from './database.ts'

export type DecisionVerb = 'approve' | 'decline' | 'hold' | 'unhold'

/** Which source, seen from which channel. */
export interface DecisionSubject {
  readonly channelId: number
  readonly release: string
  readonly archiveId: number
  readonly source: string
}

export interface Decision extends DecisionSubject {
  readonly id: number
  readonly at: number
  readonly actor: string
  readonly verb: DecisionVerb
  /** Null for hold and unhold. */
  readonly version: string | null
  readonly reason: string | null
  /** The files it covers, as they were when it was made. */
  readonly files: readonly Sha256[]
}

interface Row {
  id: number
  at: number
  actor: string
  verb: DecisionVerb
  channel_id: number
  release: string
  archive_id: number
  source: string
  version: string | null
  reason: string | null
}

export class Decisions {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  add(tx: Tx, decision: Omit<Decision, 'id'>): void {
    const id = tx.run(
      `INSERT INTO decision (at, actor, verb, channel_id, release, archive_id, source, version, reason)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      decision.at,
      decision.actor,
      decision.verb,
      decision.channelId,
      decision.release,
      decision.archiveId,
      decision.source,
      decision.version,
      decision.reason,
    ).lastInsertRowid
    for (const file of decision.files) {
      tx.run('INSERT INTO decision_file (decision_id, sha256) VALUES (?, ?)', id, sha256Bytes(file))
    }
  }

  /** A suite of the archive goes by another release from now on: what is in force there holds on. Their number. */
  carryOver(
    tx: Tx,
    archiveId: number,
    from: string,
    to: string,
    by: { readonly at: number; readonly actor: string },
  ): number {
    let count = 0
    const channels = this.#db
      .pluck<number>('SELECT DISTINCT channel_id FROM decision WHERE archive_id = ? AND release = ?')
      .all(archiveId, from)
    for (const channelId of channels) {
      const inForce = [...this.holds(channelId), ...this.verdicts(channelId)]
      for (const { id, ...decision } of inForce) {
        if (decision.archiveId !== archiveId || decision.release !== from) continue
        const reason = `release ${from} is ${to} now${decision.reason === null ? '' : `; ${decision.reason}`}`
        this.add(tx, { ...decision, ...by, release: to, reason })
        count++
      }
    }
    return count
  }

  /** The holds in force on a channel. */
  holds(channelId: number): Decision[] {
    return this.#newest(channelId, "verb IN ('hold', 'unhold')", 'source').filter(
      (row) => row.verb === 'hold',
    )
  }

  /** The verdicts in force on versions: the newer of approve and decline. */
  verdicts(channelId: number): Decision[] {
    return this.#newest(channelId, "verb IN ('approve', 'decline')", 'source, version')
  }

  /** All approvals of versions that were not declined since. */
  approvals(channelId: number): Decision[] {
    const rows = this.#db
      .prepare<Row>(
        `SELECT * FROM decision AS one WHERE channel_id = ? AND verb = 'approve' AND NOT EXISTS (
           SELECT 1 FROM decision AS other WHERE other.channel_id = one.channel_id AND other.verb = 'decline'
             AND other.release = one.release AND other.archive_id = one.archive_id AND other.source = one.source
             AND other.version = one.version AND other.id > one.id)
         ORDER BY id`,
      )
      .all(channelId)
    return rows.map((row) => this.#toDecision(row))
  }

  /** The sources of a channel that were decided about after a decision, and the newest decision. */
  since(channelId: number, decisionId: number): { sources: string[]; newest: number } {
    const rows = this.#db
      .prepare<{ id: number; source: string }>(
        'SELECT id, source FROM decision WHERE id > ? AND channel_id = ? ORDER BY id',
      )
      .all(decisionId, channelId)
    return { sources: [...new Set(rows.map((row) => row.source))], newest: rows.at(-1)?.id ?? decisionId }
  }

  #newest(channelId: number, verbs: string, group: string): Decision[] {
    const rows = this.#db
      .prepare<Row>(
        `SELECT * FROM decision WHERE id IN (
           SELECT max(id) FROM decision WHERE channel_id = ? AND ${verbs} GROUP BY release, archive_id, ${group})
         ORDER BY id`,
      )
      .all(channelId)
    return rows.map((row) => this.#toDecision(row))
  }

  #toDecision(row: Row): Decision {
    const files = this.#db
      .pluck<Uint8Array>('SELECT sha256 FROM decision_file WHERE decision_id = ? ORDER BY sha256')
      .all(row.id)
    return {
      id: row.id,
      at: row.at,
      actor: row.actor,
      verb: row.verb,
      channelId: row.channel_id,
      release: row.release,
      archiveId: row.archive_id,
      source: row.source,
      version: row.version,
      reason: row.reason,
      files: files.map(sha256FromBytes),
    }
  }
}
