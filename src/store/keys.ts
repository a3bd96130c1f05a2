// The public side of the channels' signing keys; private parts are files that only the jobs process reads.
import type { Database, Tx } from './database.ts'

/** An active key signs, a retiring one beside it; clients have the standby key already. */
export type KeyRole = 'active' | 'standby' | 'retiring' | 'retired'

export type KeyAlgorithm = 'ed25519' | 'rsa4096'

export interface SigningKey {
  /** 40 upper-case hex digits. */
  readonly fingerprint: string
  readonly channelId: number
  readonly role: KeyRole
  readonly algorithm: KeyAlgorithm
  /** Armored. */
  readonly publicKey: string
  readonly madeAt: number
  /** When it got its role. */
  readonly changedAt: number
}

interface Row {
  fingerprint: string
  channel_id: number
  role: KeyRole
  algorithm: KeyAlgorithm
  public_key: string
  made_at: number
  changed_at: number
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
        changedAt: row.changed_at,
      }))
  }

  /** The channel that a key belongs to, whatever its role; null if it is not known. */
  channelOf(fingerprint: string): number | null {
    const sql = 'SELECT channel_id FROM signing_key WHERE fingerprint = ?'
    return this.#db.pluck<number>(sql).get(fingerprint) ?? null
  }

  /** The fingerprints that sign a channel's files, the active one first, separated by blanks. */
  signers(channelId: number): string {
    const keys = this.list(channelId).filter((key) => key.role === 'active' || key.role === 'retiring')
    return keys.map((key) => key.fingerprint).join(' ')
  }

  setRole(tx: Tx, fingerprint: string, role: KeyRole, at: number): void {
    tx.run('UPDATE signing_key SET role = ?, changed_at = ? WHERE fingerprint = ?', role, at, fingerprint)
  }

  /** On a slave: the channel has these keys, and no others any more. */
  replace(tx: Tx, channelId: number, keys: readonly SigningKey[], at: number): void {
    const known = this.list(channelId)
    for (const key of keys) {
      const before = known.find((one) => one.fingerprint === key.fingerprint)
      if (before === undefined) this.add(tx, key)
      else if (before.role !== key.role) this.setRole(tx, key.fingerprint, key.role, at)
    }
    for (const { fingerprint, role } of known) {
      if (role !== 'retired' && !keys.some((key) => key.fingerprint === fingerprint))
        this.setRole(tx, fingerprint, 'retired', at)
    }
  }

  add(tx: Tx, key: SigningKey): void {
    tx.run(
      `INSERT INTO signing_key (fingerprint, channel_id, role, algorithm, public_key, made_at, changed_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      key.fingerprint,
      key.channelId,
      key.role,
      key.algorithm,
      key.publicKey,
      key.madeAt,
      key.changedAt,
    )
  }
}
