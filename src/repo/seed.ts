// Seeding: filling indexes that a gated channel does not show yet with the present state, as an act of a person.
import { UusError } from '../lib/errors.ts'
import type { Emit } from '../lib/events.ts'
import type { Actor } from '../store/audit.ts'
import type { Channel, Snapshot } from '../store/channels.ts'
import type { Store } from '../store/store.ts'
import type { ViewChange } from '../store/views.ts'
import { countChanges } from './changes.ts'
import { completeArchives, describeIndexes } from './follow-channels.ts'
import type { Repo } from './repo.ts'

export interface SeedOrder {
  readonly channel: Channel
  /** Null: all. */
  readonly archive: string | null
  readonly suite: string | null
  /** Show the indexes, with nothing in them: everything then waits for promotion. */
  readonly isEmpty: boolean
  readonly reason: string | null
  readonly actor: Actor
}

/** The indexes that wait for their seed in a channel. */
export function unseededIndexes(repo: Pick<Repo, 'store'>, channel: Channel): number[] {
  const { store } = repo
  if (channel.parentId === null || channel.follows) return []
  return store.archives
    .indexes()
    .filter((index) => {
      const from = store.views.find(channel.parentId!, index.id)
      const to = store.views.find(channel.id, index.id)
      return from !== null && from.liveSince !== null && (to === null || to.liveSince === null)
    })
    .map((index) => index.id)
}

/** Null where nothing waits for a seed. A suite of an archive that is not adopted as a whole is refused. */
export async function seed(repo: Repo, order: SeedOrder, emit: Emit): Promise<Snapshot | null> {
  const { store } = repo
  refuseUnknownPlace(store, order)
  const waiting = new Set(unseededIndexes(repo, order.channel))
  const chosen = store.archives
    .indexes()
    .filter((index) => waiting.has(index.id))
    .filter((index) => order.archive === null || index.archive === order.archive)
    .filter((index) => order.suite === null || index.suite === order.suite)
  if (chosen.length === 0) return null
  const complete = completeArchives(store)
  const incomplete = chosen.find((index) => !complete.has(index.archive))
  if (incomplete !== undefined) {
    throw new UusError('GUARD_REFUSED', `Archive ${incomplete.archive} is not adopted as a whole yet`, {
      hint: `Run "uus update ${incomplete.archive}" until all its suites are there, or take the missing ones out of the configuration`,
    })
  }
  const changes = new Map<number, ViewChange>()
  for (const index of order.isEmpty ? [] : chosen) {
    const from = store.views.find(order.channel.parentId!, index.id)!
    changes.set(index.id, { enter: store.views.recordIds(from.id), leave: [] })
  }
  const goesLive = chosen.map((index) => index.id)
  return repo.committer.commit(
    {
      channel: order.channel,
      changes,
      goesLive,
      kind: 'seed',
      reason: order.reason,
      audit: {
        actor: order.actor,
        action: order.isEmpty ? 'seed --empty' : 'seed',
        subject: order.channel.name,
        details: { ...countChanges(changes), indexes: describeIndexes(store, goesLive) },
      },
    },
    emit,
  )
}

function refuseUnknownPlace(store: Store, { archive, suite }: SeedOrder): void {
  const suites = store.archives.suites()
  const archives = [...new Set(suites.map((one) => one.archive))]
  if (archive !== null && !archives.includes(archive)) {
    throw new UusError('UNKNOWN_NAME', `There is no archive "${archive}"`, {
      hint: `Archives are: ${archives.join(', ')}`,
    })
  }
  const names = suites.filter((one) => archive === null || one.archive === archive).map((one) => one.name)
  if (suite !== null && !names.includes(suite)) {
    throw new UusError('UNKNOWN_NAME', `There is no suite "${suite}"`, {
      hint: `Suites are: ${names.join(', ')}`,
    })
  }
}
