// What clients told a slave, until its master has it: durable, sent at least once, under batch ids that let the
// receiver count each batch once.
import type { Json } from '../lib/canonical-json.ts'
import type { Database, Tx } from './database.ts'

export interface OutgoingEvent {
  readonly kind: string
  /** Empty for this slave, else the names of those below it, joined by slashes. */
  readonly origin: string
  readonly payload: Json
}

export interface OutgoingBatch {
  readonly id: string
  readonly events: readonly OutgoingEvent[]
}

interface Row {
  kind: string
  origin: string
  payload: string
}

export class Outgoing {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /**
   * Adds an event. With `merge` it is joined with one of the same kind and origin that was not sent yet, so that a long
   * absence of the master does not pile them up.
   */
  add(
    tx: Tx,
    { kind, origin, payload }: OutgoingEvent,
    at: number,
    merge: ((waiting: Json) => Json) | null,
  ): void {
    const waiting =
      merge === null
        ? undefined
        : this.#db
            .prepare<{ id: number; payload: string }>(
              'SELECT id, payload FROM outgoing WHERE kind = ? AND origin = ? AND batch IS NULL LIMIT 1',
            )
            .get(kind, origin)
    if (waiting !== undefined) {
      const merged = merge!(JSON.parse(waiting.payload) as Json)
      tx.run('UPDATE outgoing SET payload = ? WHERE id = ?', JSON.stringify(merged), waiting.id)
      return
    }
    tx.run(
      'INSERT INTO outgoing (kind, origin, payload, queued_at) VALUES (?, ?, ?, ?)',
      kind,
      origin,
      JSON.stringify(payload),
      at,
    )
  }

  /** The oldest batch that is on its way, if one is. */
  underWay(): OutgoingBatch | null {
    const id = this.#db
      .pluck<string>('SELECT batch FROM outgoing WHERE batch IS NOT NULL ORDER BY id LIMIT 1')
      .get()
    if (id === undefined) return null
    const rows = this.#db.prepare<Row>('SELECT * FROM outgoing WHERE batch = ? ORDER BY id').all(id)
    return {
      id,
      events: rows.map(({ kind, origin, payload }) => ({
        kind,
        origin,
        payload: JSON.parse(payload) as Json,
      })),
    }
  }

  /** Puts the oldest events into a batch. False if none wait. */
  makeBatch(tx: Tx, id: string, count: number): boolean {
    const { changes } = tx.run(
      `UPDATE outgoing SET batch = ? WHERE id IN (
         SELECT id FROM outgoing WHERE batch IS NULL ORDER BY id LIMIT ?)`,
      id,
      count,
    )
    return changes > 0
  }

  /** The master has it. */
  delivered(tx: Tx, batch: string): void {
    tx.run('DELETE FROM outgoing WHERE batch = ?', batch)
  }

  get count(): number {
    return this.#db.pluck<number>('SELECT count(*) FROM outgoing').get()!
  }
}
