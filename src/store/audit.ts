// The append-only log of what was done, by whom and why. Rows are chained by hash; triggers forbid changes.
import { hash } from 'node:crypto'
import { canonicalJson, type Json } from '../lib/canonical-json.ts'
import type { Database, Tx } from './database.ts'

/** Who does something, and through which door. */
export interface Actor {
  readonly name: string
  readonly via: 'cli' | 'schedule' | 'init' | 'api'
}

export interface AuditEntry {
  readonly at: number
  readonly actor: Actor
  /** A verb: `promote`, `rollback`, `hold`, … */
  readonly action: string
  /** What it was done to: a channel, an archive/suite, a source. */
  readonly subject: string
  readonly reason: string | null
  readonly details: Json
}

export interface AuditRow extends AuditEntry {
  readonly sequence: number
  /** Hex. */
  readonly head: string
}

interface Row {
  sequence: number
  at: number
  actor: string
  via: Actor['via']
  action: string
  subject: string
  reason: string | null
  details: string
  leaf: Uint8Array
  head: Uint8Array
}

export interface AuditFilter {
  readonly since?: number | undefined
  readonly until?: number | undefined
  readonly limit?: number | undefined
}

export class Audit {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Writes the row in the same transaction as its effect. */
  append(tx: Tx, entry: AuditEntry): void {
    const last = this.#db
      .prepare<Pick<Row, 'sequence' | 'head'>>(
        'SELECT sequence, head FROM audit ORDER BY sequence DESC LIMIT 1',
      )
      .get()
    const sequence = (last?.sequence ?? 0) + 1
    const leaf = auditLeaf(sequence, entry)
    tx.run(
      `INSERT INTO audit (sequence, at, actor, via, action, subject, reason, details, leaf, head)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      sequence,
      entry.at,
      entry.actor.name,
      entry.actor.via,
      entry.action,
      entry.subject,
      entry.reason,
      canonicalJson(entry.details),
      leaf,
      auditHead(last?.head ?? null, leaf),
    )
  }

  /** Oldest first; with `limit` the newest that many. */
  list(filter: AuditFilter = {}): AuditRow[] {
    const rows = this.#db
      .prepare<Row>('SELECT * FROM audit WHERE at >= ? AND at < ? ORDER BY sequence DESC LIMIT ?')
      .all(filter.since ?? 0, filter.until ?? Number.MAX_SAFE_INTEGER, filter.limit ?? -1)
    return rows.reverse().map((row) => ({
      sequence: row.sequence,
      at: row.at,
      actor: { name: row.actor, via: row.via },
      action: row.action,
      subject: row.subject,
      reason: row.reason,
      details: JSON.parse(row.details) as Json,
      head: Buffer.from(row.head).toString('hex'),
    }))
  }
}

/** SHA-256(0x00 ‖ canonical JSON of the row). */
export function auditLeaf(sequence: number, entry: AuditEntry): Buffer {
  const row = canonicalJson({
    sequence,
    at: entry.at,
    actor: entry.actor.name,
    via: entry.actor.via,
    action: entry.action,
    subject: entry.subject,
    reason: entry.reason,
    details: entry.details,
  })
  return hash('sha256', Buffer.concat([Buffer.of(0), Buffer.from(row)]), 'buffer')
}

/** SHA-256(0x01 ‖ previous head ‖ leaf); the first row's previous head is 32 zero bytes. */
export function auditHead(previous: Uint8Array | null, leaf: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([Buffer.of(1), previous ?? Buffer.alloc(32), leaf]), 'buffer')
}
