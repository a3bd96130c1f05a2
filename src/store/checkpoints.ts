// The audit log's signed checkpoints, and the public side of the keys that sign them.
import type { Database, Tx } from './database.ts'

/** A signed statement of what the chain of the audit log was after a row. */
export interface StoredCheckpoint {
  readonly sequence: number
  readonly at: number
  /** A fingerprint. */
  readonly signedBy: string
  /** Clear-signed; see trust/checkpoint.ts. */
  readonly text: string
}

export interface AuditKey {
  /** 40 upper-case hex digits. */
  readonly fingerprint: string
  readonly algorithm: string
  /** Armored. */
  readonly publicKey: string
  readonly madeAt: number
}

interface Row {
  sequence: number
  at: number
  signed_by: string
  text: string
}

export class Checkpoints {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  newest(): StoredCheckpoint | null {
    return this.#one('SELECT * FROM audit_checkpoint ORDER BY sequence DESC LIMIT 1')
  }

  /** The first that covers a row. */
  covering(sequence: number): StoredCheckpoint | null {
    return this.#one('SELECT * FROM audit_checkpoint WHERE sequence >= ? ORDER BY sequence LIMIT 1', sequence)
  }

  /** In order; both ends inclusive. */
  list(first: number, last: number): StoredCheckpoint[] {
    return this.#db
      .prepare<Row>('SELECT * FROM audit_checkpoint WHERE sequence BETWEEN ? AND ? ORDER BY sequence')
      .all(first, last)
      .map(toCheckpoint)
  }

  add(tx: Tx, checkpoint: StoredCheckpoint): void {
    tx.run(
      'INSERT INTO audit_checkpoint (sequence, at, signed_by, text) VALUES (?, ?, ?, ?)',
      checkpoint.sequence,
      checkpoint.at,
      checkpoint.signedBy,
      checkpoint.text,
    )
  }

  /** Newest first: that one signs. */
  keys(): AuditKey[] {
    return this.#db
      .prepare<{ fingerprint: string; algorithm: string; public_key: string; made_at: number }>(
        'SELECT * FROM audit_key ORDER BY made_at DESC, fingerprint',
      )
      .all()
      .map(({ public_key: publicKey, made_at: madeAt, ...key }) => ({ ...key, publicKey, madeAt }))
  }

  addKey(tx: Tx, key: AuditKey): void {
    tx.run(
      'INSERT INTO audit_key (fingerprint, algorithm, public_key, made_at) VALUES (?, ?, ?, ?)',
      key.fingerprint,
      key.algorithm,
      key.publicKey,
      key.madeAt,
    )
  }

  #one(sql: string, ...values: number[]): StoredCheckpoint | null {
    const row = this.#db.prepare<Row>(sql).get(...values)
    return row === undefined ? null : toCheckpoint(row)
  }
}

function toCheckpoint({ signed_by: signedBy, ...row }: Row): StoredCheckpoint {
  return { ...row, signedBy }
}
