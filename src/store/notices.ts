// What is told to people and programs elsewhere, and how far each delivery has come.
import type { Database, Tx } from './database.ts'

export interface Notice {
  readonly id: string
  readonly event: string
  readonly at: number
  /** JSON, as it is sent. */
  readonly body: string
}

export interface Delivery {
  readonly notice: Notice
  readonly target: string
  readonly state: 'waiting' | 'done' | 'dead'
  readonly attempts: number
  /** When it is tried next, or was tried last. */
  readonly dueAt: number
  readonly error: string | null
}

interface Row extends Notice {
  target: string
  state: Delivery['state']
  attempts: number
  dueAt: number
  error: string | null
}

const deliveries = `SELECT id, event, at, body, target, state, attempts, due_at AS dueAt, error
  FROM delivery JOIN notice ON notice.id = delivery.notice_id`

export class Notices {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  add(tx: Tx, notice: Notice, targets: readonly string[]): void {
    tx.run(
      'INSERT INTO notice (id, event, at, body) VALUES (?, ?, ?, ?)',
      notice.id,
      notice.event,
      notice.at,
      notice.body,
    )
    for (const target of targets) {
      tx.run(
        "INSERT INTO delivery (notice_id, target, state, attempts, due_at) VALUES (?, ?, 'waiting', 0, ?)",
        notice.id,
        target,
        notice.at,
      )
    }
  }

  /** Those whose time has come, the oldest first. */
  due(now: number, limit: number): Delivery[] {
    return this.#db
      .prepare<Row>(`${deliveries} WHERE state = 'waiting' AND due_at <= ? ORDER BY at, id, target LIMIT ?`)
      .all(now, limit)
      .map(deliveryOf)
  }

  /** Newest first; all, or those of a state. */
  list(state: Delivery['state'] | null, limit: number): Delivery[] {
    return this.#db
      .prepare<Row>(`${deliveries} WHERE ? IS NULL OR state = ? ORDER BY at DESC, id, target LIMIT ?`)
      .all(state, state, limit)
      .map(deliveryOf)
  }

  /** Given-up deliveries by target. */
  deadCounts(): { readonly target: string; readonly count: number; readonly error: string | null }[] {
    return this.#db
      .prepare<{ target: string; count: number; error: string | null }>(
        "SELECT target, count(*) AS count, max(error) AS error FROM delivery WHERE state = 'dead' GROUP BY target",
      )
      .all()
  }

  settle(
    tx: Tx,
    noticeId: string,
    target: string,
    { state, dueAt, error }: Pick<Delivery, 'state' | 'dueAt' | 'error'>,
  ): void {
    tx.run(
      'UPDATE delivery SET state = ?, attempts = attempts + 1, due_at = ?, error = ? WHERE notice_id = ? AND target = ?',
      state,
      dueAt,
      error,
      noticeId,
      target,
    )
  }

  /** Tries given-up deliveries again from the beginning. How many. */
  revive(tx: Tx, noticeId: string | null, now: number): number {
    return tx.run(
      "UPDATE delivery SET state = 'waiting', attempts = 0, due_at = ? WHERE state = 'dead' AND (? IS NULL OR notice_id = ?)",
      now,
      noticeId,
      noticeId,
    ).changes
  }

  /** What is not delivered yet, to others than these, never will be. */
  keepOnly(tx: Tx, targets: readonly string[]): void {
    tx.run(
      `DELETE FROM delivery WHERE state <> 'done' AND target NOT IN (SELECT value FROM json_each(?))`,
      JSON.stringify(targets),
    )
  }

  forget(tx: Tx, before: number): void {
    tx.run('DELETE FROM notice WHERE at < ?', before)
  }

  tell(tx: Tx, key: string, at: number): void {
    tx.run('INSERT OR IGNORE INTO told (key, at) VALUES (?, ?)', key, at)
  }

  told(prefix: string): string[] {
    return this.#db
      .pluck<string>('SELECT key FROM told WHERE substr(key, 1, ?) = ?')
      .all(prefix.length, prefix)
  }

  untell(tx: Tx, key: string): void {
    tx.run('DELETE FROM told WHERE key = ?', key)
  }
}

function deliveryOf({ id, event, at, body, ...row }: Row): Delivery {
  return { notice: { id, event, at, body }, ...row }
}
