// Slaves of this server: their tokens (hashed), what they say of themselves, and what they served.
import { type Sha256, sha256Bytes } from '../lib/digest.ts'
import type { Database, Tx } from './database.ts'

/** What a slave says of a channel. */
export interface SlaveChannelReport {
  readonly name: string
  /** What it serves; null for nothing yet. */
  readonly snapshot: string | null
  /** The oldest that it, or a slave below it, may still ask for. */
  readonly oldest: string | null
  /** Of the manifest that it goes by, milliseconds. */
  readonly date: number | null
  /** What went wrong last, if anything did. */
  readonly problem: { readonly at: number; readonly message: string; readonly isOver: boolean } | null
}

/** What a slave says of itself. */
export interface SlaveReport {
  readonly version: string
  /** The server's id. */
  readonly server: string
  readonly channels: readonly SlaveChannelReport[]
  readonly diskFreeBytes: number | null
  readonly cacheBytes: number | null
  /** Its own slaves. */
  readonly below: readonly NestedReport[]
}

export interface NestedReport {
  readonly name: string
  readonly contactAt: number | null
  readonly report: SlaveReport | null
}

export interface Slave {
  readonly id: number
  readonly name: string
  readonly channels: readonly string[]
  readonly addedAt: number
  readonly contactAt: number | null
  /** Null if it never said anything. */
  readonly report: SlaveReport | null
}

export interface SlaveTraffic {
  readonly slaveId: number
  /** Empty for the slave itself, else the names of those below it, joined by slashes. */
  readonly origin: string
  readonly requests: number
  readonly servedBytes: number
  readonly savedBytes: number
}

/** A slave was in touch. */
export interface SlaveContact {
  readonly slaveId: number
  readonly at: number
  /** Null if it said nothing of itself. */
  readonly report: SlaveReport | null
}

interface Row {
  id: number
  name: string
  channels: string
  added_at: number
  contact_at: number | null
  report: string | null
}

export class Slaves {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Those that were not removed, by name. */
  list(): Slave[] {
    return this.#db
      .prepare<Row>('SELECT * FROM slave WHERE removed_at IS NULL ORDER BY name')
      .all()
      .map(toSlave)
  }

  find(name: string): Slave | null {
    const row = this.#db.prepare<Row>('SELECT * FROM slave WHERE name = ? AND removed_at IS NULL').get(name)
    return row === undefined ? null : toSlave(row)
  }

  /** The slave whose token has this digest. */
  findByToken(token: Sha256): Slave | null {
    const row = this.#db
      .prepare<Row>('SELECT * FROM slave WHERE token_sha256 = ? AND removed_at IS NULL')
      .get(sha256Bytes(token))
    return row === undefined ? null : toSlave(row)
  }

  add(tx: Tx, name: string, token: Sha256, channels: readonly string[], at: number): void {
    tx.run(
      'INSERT INTO slave (name, token_sha256, channels, added_at) VALUES (?, ?, ?, ?)',
      name,
      sha256Bytes(token),
      JSON.stringify(channels),
      at,
    )
  }

  /** From now on its token is good for nothing. */
  remove(tx: Tx, id: number, at: number): void {
    tx.run('UPDATE slave SET removed_at = ? WHERE id = ?', at, id)
  }

  recordContact(tx: Tx, { slaveId, at, report }: SlaveContact): void {
    tx.run(
      'UPDATE slave SET contact_at = ?, report = coalesce(?, report) WHERE id = ?',
      at,
      report === null ? null : JSON.stringify(report),
      slaveId,
    )
  }

  /** False if the batch was there before. */
  receive(tx: Tx, slaveId: number, batch: string, at: number): boolean {
    const { changes } = tx.run(
      'INSERT INTO received_batch (slave_id, batch, received_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
      slaveId,
      batch,
      at,
    )
    return changes > 0
  }

  /** Batches that nobody will send again. */
  forgetBatches(tx: Tx, before: number): void {
    tx.run('DELETE FROM received_batch WHERE received_at < ?', before)
  }

  addTraffic(tx: Tx, { slaveId, origin, requests, servedBytes, savedBytes }: SlaveTraffic): void {
    tx.run(
      `INSERT INTO slave_traffic (slave_id, origin, requests, served_bytes, saved_bytes) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (slave_id, origin) DO UPDATE SET requests = requests + excluded.requests,
         served_bytes = served_bytes + excluded.served_bytes, saved_bytes = saved_bytes + excluded.saved_bytes`,
      slaveId,
      origin,
      requests,
      servedBytes,
      savedBytes,
    )
  }

  traffic(): SlaveTraffic[] {
    return this.#db
      .prepare<{
        slave_id: number
        origin: string
        requests: number
        served_bytes: number
        saved_bytes: number
      }>('SELECT * FROM slave_traffic')
      .all()
      .map((row) => ({
        slaveId: row.slave_id,
        origin: row.origin,
        requests: row.requests,
        servedBytes: row.served_bytes,
        savedBytes: row.saved_bytes,
      }))
  }

  /** The snapshots of a channel that slaves which were in touch since may still ask for. */
  needed(channel: string, since: number): string[] {
    return this.list()
      .filter(({ contactAt }) => contactAt !== null && contactAt >= since)
      .flatMap(({ report }) => report?.channels.find((one) => one.name === channel)?.oldest ?? [])
  }
}

function toSlave(row: Row): Slave {
  return {
    id: row.id,
    name: row.name,
    channels: JSON.parse(row.channels) as string[],
    addedAt: row.added_at,
    contactAt: row.contact_at,
    report: row.report === null ? null : (JSON.parse(row.report) as SlaveReport),
  }
}
