// The append-only log of what was done, by whom and why. Rows are chained by hash; triggers forbid changes.
import { canonicalJson, type Json, wellFormed } from '../lib/canonical-json.ts'
import { UusError } from '../lib/errors.ts'
import { auditHead, auditLeaf, type ChainRow, firstHead } from './audit-chain.ts'
import type { Database, Tx, Value } from './database.ts'

/** Who does something, and through which door. */
export interface Actor {
  readonly name: string
  readonly via: 'cli' | 'schedule' | 'init' | 'api' | 'upload'
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

/** Every condition that is set must hold. Names may be globs. */
export interface AuditFilter {
  readonly since?: number | undefined
  /** Exclusive. */
  readonly until?: number | undefined
  readonly actor?: string | undefined
  readonly action?: string | undefined
  readonly subject?: string | undefined
}

/** Sequence numbers, both inclusive. */
export interface AuditRange {
  readonly first: number
  readonly last: number
}

/** How much is read at once. Whatever is larger than `maxBytes` comes alone. */
export interface AuditPortion {
  readonly count: number
  readonly maxBytes: number
}

/** A row with all that is stored of it. */
export interface StoredAuditRow extends ChainRow {
  /** Hex. */
  readonly leaf: string
}

interface Row extends Omit<StoredAuditRow, 'leaf' | 'head'> {
  leaf: Uint8Array
  head: Uint8Array
}

export class Audit {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Writes the row in the same transaction as its effect. */
  append(tx: Tx, entry: AuditEntry): void {
    const last = this.last()
    const row = {
      sequence: (last?.sequence ?? 0) + 1,
      at: entry.at,
      // What is hashed must be what the database gives back.
      actor: entry.actor.name.toWellFormed(),
      via: entry.actor.via,
      action: entry.action.toWellFormed(),
      subject: entry.subject.toWellFormed(),
      // No reason and an empty one are the same, in CSV too.
      reason: entry.reason?.toWellFormed() || null,
      details: canonicalJson(wellFormed(entry.details)),
    }
    const leaf = auditLeaf(row)
    tx.run(
      `INSERT INTO audit (sequence, at, actor, via, action, subject, reason, details, leaf, head)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.sequence,
      row.at,
      row.actor,
      row.via,
      row.action,
      row.subject,
      row.reason,
      row.details,
      Buffer.from(leaf, 'hex'),
      Buffer.from(auditHead(last?.head ?? firstHead, leaf), 'hex'),
    )
  }

  /** The newest row's number, and the chain's value there (hex). */
  last(): { sequence: number; head: string } | null {
    const row = this.#db
      .prepare<Pick<Row, 'sequence' | 'head'>>(
        'SELECT sequence, head FROM audit ORDER BY sequence DESC LIMIT 1',
      )
      .get()
    return row === undefined ? null : { sequence: row.sequence, head: hex(row.head) }
  }

  /** The chain's value after a row, hex. */
  headOf(sequence: number): string | null {
    const head = this.#db.pluck<Uint8Array>('SELECT head FROM audit WHERE sequence = ?').get(sequence)
    return head === undefined ? null : hex(head)
  }

  /** The time of the oldest row after another; null if there is none. */
  timeAfter(sequence: number): number | null {
    const sql = 'SELECT at FROM audit WHERE sequence > ? ORDER BY sequence LIMIT 1'
    return this.#db.pluck<number>(sql).get(sequence) ?? null
  }

  /** All rows, oldest first. */
  list(): AuditRow[] {
    const all = this.rows({}, { first: 1, last: Number.MAX_SAFE_INTEGER }, everything)
    return all.map((row) => ({
      ...row,
      actor: { name: row.actor, via: row.via as Actor['via'] },
      details: readDetails(row),
    }))
  }

  /**
   * Where the rows of a filter lie; with `limit` the newest so many of them. Null if there are none for sure. Clocks
   * are set back at times, so that rows in between may be of another time.
   */
  range(filter: AuditFilter, limit: number | null): AuditRange | null {
    const all = this.#timeRange(filter)
    if (all === null || limit === null) return all
    const { sql, values } = condition(filter)
    const first = this.#db
      .pluck<number>(
        `SELECT sequence FROM audit WHERE ${sql} AND sequence BETWEEN ? AND ? ORDER BY sequence DESC LIMIT 1 OFFSET ?`,
      )
      .get(...values, all.first, all.last, limit - 1)
    return { first: first ?? all.first, last: all.last }
  }

  #timeRange({ since, until }: AuditFilter): AuditRange | null {
    if (since === undefined && until === undefined) {
      const last = this.last()
      return last === null ? null : { first: 1, last: last.sequence }
    }
    const found = this.#db
      .prepare<{ first: number | null; last: number | null }>(
        'SELECT min(sequence) AS first, max(sequence) AS last FROM audit WHERE at >= ? AND at < ?',
      )
      .get(since ?? 0, until ?? Number.MAX_SAFE_INTEGER)!
    return found.first === null ? null : { first: found.first, last: found.last! }
  }

  /** Rows of a filter within a range, oldest first, as many as one portion holds. */
  rows(filter: AuditFilter, range: AuditRange, portion: AuditPortion): StoredAuditRow[] {
    const { sql, values } = condition(filter)
    const found: StoredAuditRow[] = []
    let bytes = 0
    for (const row of this.#db
      .prepare<Row>(`SELECT * FROM audit WHERE ${sql} AND sequence BETWEEN ? AND ? ORDER BY sequence LIMIT ?`)
      .iterate(...values, range.first, range.last, portion.count)) {
      bytes += row.details.length
      if (bytes > portion.maxBytes && found.length > 0) break
      found.push({ ...row, leaf: hex(row.leaf), head: hex(row.head) })
    }
    return found
  }

  /** The hashes of rows, without what they say. */
  leaves(range: AuditRange, count: number): { sequence: number; leaf: string }[] {
    return this.#db
      .prepare<Pick<Row, 'sequence' | 'leaf'>>(
        'SELECT sequence, leaf FROM audit WHERE sequence BETWEEN ? AND ? ORDER BY sequence LIMIT ?',
      )
      .all(range.first, range.last, count)
      .map((row) => ({ sequence: row.sequence, leaf: hex(row.leaf) }))
  }

  /** The triggers that forbid changes and that are not there, as they should be. */
  missingGuards(): string[] {
    const present = this.#db
      .pluck<string>("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name LIKE 'audit%'")
      .all()
    return guards.filter((name) => !present.includes(name))
  }
}

const guards = [
  'audit_keeps_rows',
  'audit_keeps_values',
  'audit_is_a_chain',
  'audit_key_keeps_rows',
  'audit_key_keeps_values',
  'audit_key_is_new',
  'audit_checkpoint_keeps_rows',
  'audit_checkpoint_keeps_values',
  'audit_checkpoint_is_newer',
]

const everything: AuditPortion = { count: -1, maxBytes: Number.MAX_SAFE_INTEGER }

/** The JSON of a row's details; DATA_UNUSABLE if somebody made it something else. */
export function readDetails({ sequence, details }: Pick<ChainRow, 'sequence' | 'details'>): Json {
  try {
    return JSON.parse(details) as Json
  } catch (error) {
    throw new UusError('DATA_UNUSABLE', `Row ${sequence} of the audit log is damaged`, {
      cause: error,
      hint: 'Run "uus audit verify"',
    })
  }
}

export function isGlob(text: string): boolean {
  return /[*?[]/.test(text)
}

/**
 * A filter as SQL. An exact name is looked up in its index, which keeps the order of the rows; everything else is
 * checked (the plus signs) row by row in that order, so that nothing is ever sorted.
 */
function condition(filter: AuditFilter): { sql: string; values: Value[] } {
  const parts = ['1']
  const values: Value[] = []
  const add = (sql: string, value: Value | undefined) => {
    if (value === undefined) return
    parts.push(sql)
    values.push(value)
  }
  add('+at >= ?', filter.since)
  add('+at < ?', filter.until)
  for (const column of ['actor', 'action', 'subject'] as const) {
    const wanted = filter[column]
    if (wanted !== undefined) add(isGlob(wanted) ? `+${column} GLOB ?` : `${column} = ?`, wanted)
  }
  return { sql: parts.join(' AND '), values }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}
