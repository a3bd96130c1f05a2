// The configuration as the audit log remembers it: what is in force, part by part, without secrets.
import type { Json } from '../lib/canonical-json.ts'
import type { Config } from './config.ts'

/** By part: `server`, `archive NAME`, `channel NAME`. */
export function describeConfig(config: Config): Map<string, Json> {
  const { archives, channels, path: _path, dataFolder: _folder, ...server } = config
  return new Map<string, Json>([
    ['server', describe(server)],
    ...archives.map(({ releaseOf, ...archive }): [string, Json] => {
      const releases = Object.fromEntries(archive.suites.map((suite) => [suite, releaseOf(suite)]))
      return [`archive ${archive.name}`, { ...(describe(archive) as Record<string, Json>), releases }]
    }),
    ...channels.map((channel): [string, Json] => [`channel ${channel.name}`, describe(channel)]),
  ])
}

function describe(value: unknown): Json {
  if (typeof value === 'string') return withoutSecret(value)
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value
  if (value instanceof Date) return value.toISOString()
  if (value instanceof RegExp) return String(value)
  if (value instanceof Map) return describe(Object.fromEntries(value))
  if (Array.isArray(value) || value instanceof Set) return [...value].map(describe)
  if (typeof value !== 'object') return null
  const members = Object.entries(value).filter(
    ([, member]) => member !== undefined && typeof member !== 'function',
  )
  return Object.fromEntries(members.map(([name, member]) => [name, describe(member)]))
}

/** An address may hold a user and a password. */
function withoutSecret(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, '$1[secret]@')
}
