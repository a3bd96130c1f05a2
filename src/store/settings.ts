// Single values that the catalogue remembers.
import type { Database, Tx } from './database.ts'

export type SettingName =
  /** The version of the rendering that everything published was made with. */
  | 'render-version'
  /** Up to which revision sources were looked at for alarms. */
  | 'alarms-revision'
  /** By which other servers know this one. */
  | 'server-id'

export class Settings {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  get(name: SettingName): string | null {
    return this.#db.pluck<string>('SELECT value FROM setting WHERE name = ?').get(name) ?? null
  }

  set(tx: Tx, name: SettingName, value: string): void {
    tx.run(
      'INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
      name,
      value,
    )
  }
}
