// What the configuration says, on the record: each change of it is a row with what was and what is. What follows from
// it in the catalogue (configure.ts) has rows of its own.
import { canonicalJson, type Json } from '../lib/canonical-json.ts'
import type { Actor } from '../store/audit.ts'
import type { SettingName } from '../store/settings.ts'
import type { Repo } from './repo.ts'

const prefix = 'configured:'

/** `parts` by name. Done before anything acts by the configuration. */
export function recordConfiguration(
  { store, clock }: Pick<Repo, 'store' | 'clock'>,
  parts: ReadonlyMap<string, Json>,
  actor: Actor,
): void {
  const { settings, audit, db } = store
  const gone = settings
    .list(prefix)
    .map((name) => name.slice(prefix.length))
    .filter((part) => !parts.has(part))
  const changes = [...parts.keys(), ...gone].flatMap((part) => {
    const name: SettingName = `${prefix}${part}`
    const before = settings.get(name)
    const after = parts.has(part) ? canonicalJson(parts.get(part)!) : null
    return before === after ? [] : [{ name, part, before, after }]
  })
  if (changes.length === 0) return
  db.write((tx) => {
    for (const { name, part, before, after } of changes) {
      if (after === null) settings.delete(tx, name)
      else settings.set(tx, name, after)
      const details = difference(read(before), read(after))
      audit.append(tx, { at: clock.now(), actor, action: 'configure', subject: part, reason: null, details })
    }
  })
}

function read(text: string | null): Record<string, Json> | null {
  return text === null ? null : (JSON.parse(text) as Record<string, Json>)
}

/** The settings that differ; all of them where the part is new, or gone. */
function difference(before: Record<string, Json> | null, after: Record<string, Json> | null): Json {
  if (before === null || after === null) return { before, after }
  const isSame = (name: string) => canonicalJson(before[name] ?? null) === canonicalJson(after[name] ?? null)
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => !isSame(name))
  const pick = (all: Record<string, Json>) =>
    Object.fromEntries(names.map((name) => [name, all[name] ?? null]))
  return { before: pick(before), after: pick(after) }
}
