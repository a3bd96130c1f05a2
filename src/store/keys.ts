// The public side of the channels' signing keys; private parts are files that only the jobs process reads.
import type { Database, Tx } from './database.ts'

export type KeyRole = 'active' | 'standby' | 'retired'

export interface SigningKey {
  /** 40 upper-case hex digits. */
  readonly fingerprint: string
  readonly channelId: number
  readonly role: KeyRole
  readonly algorithm: string
  /** Armored. */
  readonly publicKey: string
  readonly madeAt: number
}

interface Row {
  fingerprint: string
  channel_id: number
  role: KeyRole
  algorithm: string
  public_key: string
  made_at: number
}

export class Keys {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Active first. */
  list(channelId: number): SigningKey[] {
    return this.#db
      .prepare<Row>('SELECT * FROM signing_key WHERE channel_id = ? ORDER BY role, made_at')
      .all(channelId)
      .map((row) => ({
        fingerprint: row.fingerprint,
        channelId: row.channel_id,
        role: row.role,
        algorithm: row.algorithm,
        publicKey: row.public_key,
        madeAt: row.made_at,
      }))
  }

  add(tx: Tx, key: SigningKey): void {
    tx.run(
      `INSERT INTO signing_key (fingerprint, channel_id, role, algorithm, public_key, made_at) VALUES (?, ?, ?, ?, ?, ?)`,
      key.fingerprint,
      key.channelId,
      key.role,
      key.algorithm,
      key.publicKey,
      key.madeAt,
    )
  }
}
