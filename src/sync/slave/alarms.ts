// What somebody should look at on a slave: what keeps it from following, and a path on which nothing new ever comes.
import { formatIso } from '../../lib/units.ts'
import type { Finding } from '../../repo/alarms.ts'
import type { Store } from '../../store/store.ts'
import { heartbeatMs } from '../protocol/manifest.ts'

/** A master that is restarted is nobody's trouble. */
const patienceMs = 5 * 60_000
const passing: ReadonlySet<string> = new Set([
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_TOO_SLOW',
  'UPSTREAM_RESTING',
])

export function syncFindings(store: Store, now: number, url: string): Finding[] {
  return [...failureFindings(store, now, url), ...frozenFindings(store, now, url), ...closedFindings(store)]
}

function failureFindings(store: Store, now: number, url: string): Finding[] {
  return store.followed
    .failures()
    .filter(({ resolvedAt, failedAt, error }) => {
      const isRecent = now - failedAt < patienceMs
      return resolvedAt === null && !(isRecent && passing.has(error.code))
    })
    .map(({ channel, failedAt, error }) => ({
      key: `sync:${channel === '' ? 'master' : channel}`,
      message: `${channel === '' ? `The master ${url}` : channel}: not followed since ${formatIso(failedAt)}: ${error.message}`,
      hint: error.hint ?? 'What is here is served on',
    }))
}

/** A master signs anew every day. Whoever shows the same for longer is cut off, or holds us back. */
function frozenFindings(store: Store, now: number, url: string): Finding[] {
  return store.channels.list().flatMap(({ id, name }) => {
    const held = store.manifests.find(id)
    if (held === null || now - held.date <= 2 * heartbeatMs) return []
    return {
      key: `frozen:${name}`,
      message: `${name}: nothing new came from the master since ${formatIso(held.date)}, though it signs something every day`,
      hint: `See whether ${url} is up and is the master ("uus status" there), and what lies between`,
    }
  })
}

/** Who understands only half of a rule lets nobody in. */
function closedFindings(store: Store): Finding[] {
  return store.channels.list().flatMap(({ id, name }) =>
    (store.followed.find(id)?.archives ?? [])
      .filter(({ access }) => access === 'closed')
      .map((archive) => ({
        key: `closed:${name}/${archive.name}`,
        message: `${name}: nobody gets archive ${archive.name} from here, because the master's rule of who may is not understood`,
        hint: 'Bring this slave to the version of its master',
      })),
  )
}
