// Single values that the catalogue remembers.
import type { Database, Tx } from './database.ts'

export type SettingName =
  /** The version of the rendering that everything published was made with. */
  | 'render-version'
  /** Up to which revision sources were looked at for alarms. */
  | 'alarms-revision'
  /** By which other servers know this one. */
  | 'server-id'
  /** Up to which revision the times of snapshots count no more, because the clock was wrong. */
  | 'times-reset-revision'
  /** Up to which row of the audit log people were told. */
  | 'notices-audit'
  /** What the audit log's checkpoints call this installation. */
  | 'audit-origin'
  /** Who may have an archive's files. */
  | `access:${string}`
  /** Since when a channel has a rule. */
  | `rule:${string}`
  /** A part of the configuration, as it was last written into the audit log. */
  | `configured:${string}`
  /** How far a channel was looked through for files to fetch before clients ask. */
  | `ahead:${string}`

export class Settings {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  get(name: SettingName): string | null {
    return this.#db.pluck<string>('SELECT value FROM setting WHERE name = ?').get(name) ?? null
  }

  /** The names that begin so. */
  list(prefix: string): SettingName[] {
    return this.#db
      .pluck<SettingName>('SELECT name FROM setting WHERE name >= ? AND name < ? ORDER BY name')
      .all(prefix, `${prefix}\u{10ffff}`)
  }

  delete(tx: Tx, name: SettingName): void {
    tx.run('DELETE FROM setting WHERE name = ?', name)
  }

  set(tx: Tx, name: SettingName, value: string): void {
    tx.run(
      'INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
      name,
      value,
    )
  }
}
