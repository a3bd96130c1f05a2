// Conditions that somebody should look at, until they pass.
import type { Database, Tx } from './database.ts'

export interface Alarm {
  /** What it is about, e.g. `republished:debian/bash`. */
  readonly key: string
  readonly raisedAt: number
  readonly message: string
  readonly hint: string | null
}

export class Alarms {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  list(): Alarm[] {
    return this.#db
      .prepare<{ key: string; raised_at: number; message: string; hint: string | null }>(
        'SELECT * FROM alarm ORDER BY raised_at, key',
      )
      .all()
      .map((row) => ({ key: row.key, raisedAt: row.raised_at, message: row.message, hint: row.hint }))
  }

  /** An alarm that is on already keeps its time. True if it is new. */
  raise(tx: Tx, alarm: Alarm): boolean {
    const isNew = this.#db.pluck<number>('SELECT 1 FROM alarm WHERE key = ?').get(alarm.key) === undefined
    tx.run(
      `INSERT INTO alarm (key, raised_at, message, hint) VALUES (?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET message = excluded.message, hint = excluded.hint`,
      alarm.key,
      alarm.raisedAt,
      alarm.message,
      alarm.hint,
    )
    return isNew
  }

  clear(tx: Tx, key: string): void {
    tx.run('DELETE FROM alarm WHERE key = ?', key)
  }
}
