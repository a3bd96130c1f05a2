// Who may have which archive's files, as the configuration last said. An archive that leaves the configuration is still in
// channels and snapshots, and no more for everybody than it was.
import type { SettingName, Settings } from '../store/settings.ts'
import type { Store } from '../store/store.ts'

export interface AccessOptions {
  readonly networks: readonly string[]
  /** A token on each line. */
  readonly tokensFile: string | null
}

const prefix = 'access:'

/** `access` null: for everybody. What is not named keeps the rule that it had. */
export function recordAccess(
  { settings, db }: Pick<Store, 'settings' | 'db'>,
  archives: readonly { readonly name: string; readonly access: AccessOptions | null }[],
): void {
  const changed = archives.flatMap(({ name, access }) => {
    const setting: SettingName = `${prefix}${name}`
    const after = access === null ? null : JSON.stringify(access)
    return settings.get(setting) === after ? [] : [{ setting, after }]
  })
  if (changed.length === 0) return
  db.write((tx) => {
    for (const { setting, after } of changed) {
      if (after === null) settings.delete(tx, setting)
      else settings.set(tx, setting, after)
    }
  })
}

/** By archive; those that are for everybody have none. */
export function accessRules(settings: Pick<Settings, 'list' | 'get'>): Map<string, AccessOptions> {
  return new Map(
    settings.list(prefix).map((name) => {
      const text = settings.get(name as SettingName)!
      return [name.slice(prefix.length), JSON.parse(text) as AccessOptions]
    }),
  )
}
