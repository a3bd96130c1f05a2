// Channels and their snapshots.
import type { Database, Tx } from './database.ts'

export interface Channel {
  readonly id: number
  readonly name: string
  /** Null for `upstream` only. */
  readonly parentId: number | null
  /** Takes over its parent's content by itself. */
  readonly follows: boolean
  readonly isConfigured: boolean
  readonly seedsItself: boolean
}

/** Up to where a channel has looked at what may enter by itself; zeros mean everything is to be looked at. */
export interface Followed {
  /** Revision of the channel that feeds it. */
  readonly parent: number
  readonly own: number
  /** The newest decision. */
  readonly decision: number
}

export type SnapshotKind =
  | 'adopt'
  | 'add'
  | 'follow'
  | 'seed'
  | 'promote'
  | 'rollback'
  | 'remove'
  | 'drop'
  | 'configure'

export interface Snapshot {
  readonly revision: number
  readonly channelId: number
  /** `YYYYMMDDTHHMMSSZ`. */
  readonly id: string
  readonly at: number
  readonly kind: SnapshotKind
  readonly reason: string | null
  /** The revision a rollback went back to. */
  readonly restores: number | null
  readonly entered: number
  readonly left: number
  /** When a person pinned it; null if nobody did. */
  readonly keptAt: number | null
  /** When its files were collected; null while it is served. */
  readonly collectedAt: number | null
  /** On a slave: the master's snapshot before it, which the slave may have missed. Null where none is missed. */
  readonly previousId: string | null
  /** On a slave: when it came. */
  readonly receivedAt: number | null
}

export type NewSnapshot = Omit<Snapshot, 'revision' | 'keptAt' | 'collectedAt' | 'previousId' | 'receivedAt'>

/** How a snapshot came to a slave. */
export type Reception = Pick<Snapshot, 'previousId' | 'receivedAt'>

interface ChannelRow {
  id: number
  name: string
  parent_id: number | null
  follows: number
  is_configured: number
  seeds_itself: number
}

interface SnapshotRow {
  revision: number
  channel_id: number
  id: string
  at: number
  kind: SnapshotKind
  reason: string | null
  restores: number | null
  entered: number
  left: number
  kept_at: number | null
  collected_at: number | null
  previous_id: string | null
  received_at: number | null
}

export const upstreamName = 'upstream'

export class Channels {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Parents before children; `upstream` is the first. */
  list(): Channel[] {
    const rows = this.#db.prepare<ChannelRow>('SELECT * FROM channel ORDER BY id').all()
    const ordered: Channel[] = []
    const visit = (parentId: number | null) => {
      for (const row of rows.filter((one) => one.parent_id === parentId)) {
        ordered.push(toChannel(row))
        visit(row.id)
      }
    }
    visit(null)
    return ordered
  }

  find(name: string): Channel | null {
    const row = this.#db.prepare<ChannelRow>('SELECT * FROM channel WHERE name = ?').get(name)
    return row === undefined ? null : toChannel(row)
  }

  get(id: number): Channel {
    return toChannel(this.#db.prepare<ChannelRow>('SELECT * FROM channel WHERE id = ?').get(id)!)
  }

  upstream(): Channel {
    return this.find(upstreamName)!
  }

  /** Adds a channel or takes over its changed configuration; its id. `seedsItself` counts on adding only. */
  configure(tx: Tx, name: string, parentId: number | null, follows: boolean, seedsItself: boolean): number {
    tx.run(
      `INSERT INTO channel (name, parent_id, follows, is_configured, seeds_itself) VALUES (?, ?, ?, 1, ?)
         ON CONFLICT (name) DO UPDATE SET parent_id = excluded.parent_id, follows = excluded.follows, is_configured = 1,
           followed_parent = 0, followed_own = 0, followed_decision = 0`,
      name,
      parentId,
      follows ? 1 : 0,
      seedsItself ? 1 : 0,
    )
    return this.find(name)!.id
  }

  setConfigured(tx: Tx, channelId: number, isConfigured: boolean): void {
    tx.run('UPDATE channel SET is_configured = ? WHERE id = ?', isConfigured ? 1 : 0, channelId)
  }

  followed(channelId: number): Followed {
    return this.#db
      .prepare<Followed>(
        `SELECT followed_parent AS parent, followed_own AS own, followed_decision AS decision
         FROM channel WHERE id = ?`,
      )
      .get(channelId)!
  }

  recordFollowed(tx: Tx, channelId: number, { parent, own, decision }: Followed): void {
    tx.run(
      'UPDATE channel SET followed_parent = ?, followed_own = ?, followed_decision = ? WHERE id = ?',
      parent,
      own,
      decision,
      channelId,
    )
  }

  /** Everything is to be looked at again, in all channels. */
  forgetFollowed(tx: Tx): void {
    tx.run('UPDATE channel SET followed_parent = 0, followed_own = 0, followed_decision = 0')
  }

  /** Adds the next snapshot; its revision is the highest of all channels. */
  addSnapshot(tx: Tx, snapshot: NewSnapshot, reception?: Reception): number {
    const run = tx.run(
      `INSERT INTO snapshot (channel_id, id, at, kind, reason, restores, entered, left, previous_id, received_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      snapshot.channelId,
      snapshot.id,
      snapshot.at,
      snapshot.kind,
      snapshot.reason,
      snapshot.restores,
      snapshot.entered,
      snapshot.left,
      reception?.previousId ?? null,
      reception?.receivedAt ?? null,
    )
    return Number(run.lastInsertRowid)
  }

  /** Pins a snapshot, or (null) leaves it to be collected. */
  setKept(tx: Tx, revision: number, at: number | null): void {
    tx.run('UPDATE snapshot SET kept_at = ? WHERE revision = ?', at, revision)
  }

  setCollected(tx: Tx, revision: number, at: number): void {
    tx.run('UPDATE snapshot SET collected_at = ? WHERE revision = ?', at, revision)
  }

  head(channelId: number): Snapshot | null {
    return this.#one('SELECT * FROM snapshot WHERE channel_id = ? ORDER BY revision DESC LIMIT 1', channelId)
  }

  snapshots(channelId: number): Snapshot[] {
    return this.#db
      .prepare<SnapshotRow>('SELECT * FROM snapshot WHERE channel_id = ? ORDER BY revision DESC')
      .all(channelId)
      .map(toSnapshot)
  }

  findSnapshot(channelId: number, id: string): Snapshot | null {
    return this.#one('SELECT * FROM snapshot WHERE channel_id = ? AND id = ?', channelId, id)
  }

  /** The newest snapshot of the channel at or before a time. */
  snapshotAt(channelId: number, at: number): Snapshot | null {
    return this.#one(
      'SELECT * FROM snapshot WHERE channel_id = ? AND at <= ? ORDER BY revision DESC LIMIT 1',
      channelId,
      at,
    )
  }

  /** The oldest snapshot of the channel after a revision. */
  snapshotAfter(channelId: number, revision: number): Snapshot | null {
    return this.#one(
      'SELECT * FROM snapshot WHERE channel_id = ? AND revision > ? ORDER BY revision LIMIT 1',
      channelId,
      revision,
    )
  }

  /** The newest snapshot of the channel before a revision. */
  snapshotBefore(channelId: number, revision: number): Snapshot | null {
    return this.#one(
      'SELECT * FROM snapshot WHERE channel_id = ? AND revision < ? ORDER BY revision DESC LIMIT 1',
      channelId,
      revision,
    )
  }

  snapshotOfRevision(revision: number): Snapshot | null {
    return this.#one('SELECT * FROM snapshot WHERE revision = ?', revision)
  }

  #one(sql: string, ...values: (string | number)[]): Snapshot | null {
    const row = this.#db.prepare<SnapshotRow>(sql).get(...values)
    return row === undefined ? null : toSnapshot(row)
  }
}

function toChannel(row: ChannelRow): Channel {
  return {
    id: row.id,
    name: row.name,
    parentId: row.parent_id,
    follows: row.follows === 1,
    isConfigured: row.is_configured === 1,
    seedsItself: row.seeds_itself === 1,
  }
}

function toSnapshot(row: SnapshotRow): Snapshot {
  return {
    revision: row.revision,
    channelId: row.channel_id,
    id: row.id,
    at: row.at,
    kind: row.kind,
    reason: row.reason,
    restores: row.restores,
    entered: row.entered,
    left: row.left,
    keptAt: row.kept_at,
    collectedAt: row.collected_at,
    previousId: row.previous_id,
    receivedAt: row.received_at,
  }
}
