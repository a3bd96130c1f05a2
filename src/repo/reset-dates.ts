// After the clock was wrong: what was published for a time that is still to come must not keep back what is published
// now. Clients with a right clock never took the wrong dates; the others have to clear their lists.
import type { Actor } from '../store/audit.ts'
import type { SigningKey } from '../store/keys.ts'
import { renewEnvelopes } from './renew.ts'
import type { Repo } from './repo.ts'

export interface DatesReset {
  /** Signed files whose Date was ahead. */
  readonly releases: number
  /** `channel/id` of snapshots whose time was ahead. */
  readonly snapshots: readonly string[]
  /** Fingerprints of signing keys that were made ahead: nobody accepts their signatures. */
  readonly keys: readonly string[]
}

/** What is dated ahead of the clock, beyond what a fast series of publications explains. */
export function datesAhead({ store, clock }: Pick<Repo, 'store' | 'clock'>): DatesReset {
  const limit = clock.now() + toleratedMs
  const settled = Number(store.settings.get('times-reset-revision') ?? 0)
  const channels = store.channels.list()
  return {
    releases: store.publications.datesAfter(limit),
    snapshots: channels.flatMap((channel) =>
      store.channels
        .snapshots(channel.id)
        .filter(({ at, revision }) => at > limit && revision > settled)
        .map(({ id }) => `${channel.name}/${id}`),
    ),
    keys: channels
      .flatMap((channel) => store.keys.list(channel.id))
      .filter(({ role, madeAt }) => role !== 'retired' && madeAt > limit)
      .map(({ fingerprint }) => fingerprint),
  }
}

const toleratedMs = 60_000

export function isNothingAhead({ releases, snapshots, keys }: DatesReset): boolean {
  return releases === 0 && snapshots.length === 0 && keys.length === 0
}

/** Lets the dates begin anew at the present time, replaces keys of the future, and signs everything. */
export async function resetDates(repo: Repo, reason: string, actor: Actor): Promise<DatesReset> {
  const { store, clock } = repo
  const ahead = datesAhead(repo)
  if (isNothingAhead(ahead)) return ahead
  const at = clock.now()
  const newest = Math.max(0, ...store.channels.list().map(({ id }) => store.channels.head(id)?.revision ?? 0))
  const successors = await makeSuccessors(repo, ahead.keys)
  store.db.write((tx) => {
    store.publications.forgetDatesAfter(tx, at)
    store.settings.set(tx, 'times-reset-revision', String(newest))
    for (const fingerprint of ahead.keys) store.keys.setRole(tx, fingerprint, 'retired', at)
    for (const key of successors) store.keys.add(tx, key)
    store.audit.append(tx, {
      at,
      actor,
      action: 'reset dates',
      subject: 'all channels',
      reason,
      details: {
        releases: ahead.releases,
        snapshots: [...ahead.snapshots],
        retired: [...ahead.keys],
        keys: successors.map(({ fingerprint, role }) => `${fingerprint} ${role}`),
      },
    })
  })
  await renewEnvelopes(repo, 0)
  return ahead
}

/** A key that retires beside an active one needs none. */
async function makeSuccessors({ store, clock, keys }: Repo, gone: readonly string[]): Promise<SigningKey[]> {
  const made: SigningKey[] = []
  for (const channel of store.channels.list()) {
    for (const key of store.keys.list(channel.id)) {
      if (!gone.includes(key.fingerprint) || key.role === 'retiring') continue
      const successor = await keys.makeOne(channel.name, key.algorithm, key.role, clock.now())
      made.push({ ...successor, channelId: channel.id })
    }
  }
  return made
}
