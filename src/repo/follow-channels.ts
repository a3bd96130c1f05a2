// After upstream or a channel moved: every channel takes over what needs no decision, parents before children.
import type { Emit } from '../lib/events.ts'
import type { SuiteIndex } from '../store/archives.ts'
import type { Actor } from '../store/audit.ts'
import type { Channel, SnapshotKind } from '../store/channels.ts'
import type { Store } from '../store/store.ts'
import type { Placed, View, ViewChange } from '../store/views.ts'
import { countChanges, indexChanges } from './changes.ts'
import { planFollow, planUngated } from './follow.ts'
import type { Repo } from './repo.ts'

/** Brings all channels up to date; makes at most one snapshot of each. */
export async function followChannels(repo: Repo, actor: Actor, emit: Emit): Promise<void> {
  for (const channel of repo.store.channels.list()) {
    if (channel.parentId !== null && channel.isConfigured) await followChannel(repo, channel, actor, emit)
  }
}

interface Move {
  readonly changes: Map<number, ViewChange>
  readonly goesLive: number[]
}

async function followChannel(repo: Repo, channel: Channel, actor: Actor, emit: Emit): Promise<void> {
  const move = channel.follows ? planFollowing(repo.store, channel) : planGated(repo.store, channel)
  if (move.changes.size === 0 && move.goesLive.length === 0) return
  const kind: SnapshotKind = !channel.follows && move.goesLive.length > 0 ? 'seed' : 'follow'
  const { entered, left } = countChanges(move.changes)
  await repo.committer.commit(
    {
      channel,
      ...move,
      kind,
      reason: null,
      audit: {
        actor,
        action: kind,
        subject: channel.name,
        details: { entered, left, indexes: describeIndexes(repo.store, move.goesLive) },
      },
    },
    emit,
  )
}

/** Names of indexes for people: `debian/bookworm main amd64`. */
export function describeIndexes(store: Store, indexIds: readonly number[]): string[] {
  return store.archives
    .indexes()
    .filter((index) => indexIds.includes(index.id))
    .map((index) => `${index.archive}/${index.suite} ${index.component} ${index.architecture}`)
}

/** The indexes that a channel's parent shows, with both views. */
function* feedingViews(
  store: Store,
  channel: Channel,
): Generator<{ index: SuiteIndex; from: View; to: View | null }> {
  for (const index of store.archives.indexes()) {
    const from = store.views.find(channel.parentId!, index.id)
    if (from === null || from.liveSince === null) continue
    yield { index, from, to: store.views.find(channel.id, index.id) }
  }
}

function planFollowing(store: Store, channel: Channel): Move {
  const holds = store.decisions.holds(channel.id)
  const declined = store.decisions.verdicts(channel.id).filter((verdict) => verdict.verb === 'decline')
  const changes = new Map<number, ViewChange>()
  const goesLive: number[] = []
  for (const { index, from, to } of feedingViews(store, channel)) {
    if (to === null || to.liveSince === null) goesLive.push(index.id)
    const arrived = to === null ? store.views.recordIds(from.id) : store.views.missing(from.id, to.id)
    const gone = to === null ? [] : store.views.missing(to.id, from.id)
    if (arrived.length === 0 && gone.length === 0) continue
    if (holds.length === 0 && declined.length === 0) {
      changes.set(index.id, { enter: arrived, leave: gone })
      continue
    }
    const isOn = (subject: { release: string; archiveId: number; source: string }, stanza: Placed) =>
      subject.release === stanza.release &&
      subject.archiveId === stanza.archiveId &&
      subject.source === stanza.source
    const plan = planFollow(
      store.views.placed(from.id, arrived),
      to === null ? [] : store.views.placed(to.id, gone),
      {
        isHeld: (stanza) => holds.some((hold) => isOn(hold, stanza)),
        isDeclined: (stanza) =>
          declined.some((one) => isOn(one, stanza) && one.version === stanza.sourceVersion),
      },
    )
    for (const [indexId, change] of indexChanges(plan)) changes.set(indexId, change)
  }
  return { changes, goesLive }
}

function planGated(store: Store, channel: Channel): Move {
  const arrived: Placed[] = []
  const gone: Placed[] = []
  const goesLive: number[] = []
  const seeds = new Map<number, ViewChange>()
  const complete = completeArchives(store)
  for (const { index, from, to } of feedingViews(store, channel)) {
    if (to === null || to.liveSince === null) {
      if (!(to?.seedsItself ?? false) || !complete.has(index.archive)) continue
      goesLive.push(index.id)
      seeds.set(index.id, { enter: store.views.recordIds(from.id), leave: [] })
      continue
    }
    const visible = store.views.withVisibleFile(
      channel.id,
      index.release!,
      store.views.missing(from.id, to.id),
    )
    arrived.push(...store.views.placed(from.id, visible))
    gone.push(...store.views.placed(to.id, store.views.missing(to.id, from.id)))
  }
  const names = new Set([...arrived, ...gone].map((stanza) => stanza.name))
  const shown = [...names].flatMap((name) => store.views.byName(channel.id, name))
  const plans = [...new Set([...arrived, ...gone].map((stanza) => stanza.release))].map((release) => {
    const isHere = (stanza: Placed) => stanza.release === release
    return planUngated(arrived.filter(isHere), gone.filter(isHere), shown.filter(isHere))
  })
  const changes = indexChanges({
    enter: plans.flatMap((plan) => plan.enter),
    leave: plans.flatMap((plan) => plan.leave),
  })
  return { changes: new Map([...changes, ...seeds]), goesLive }
}

/** Archives of which every configured suite has been adopted: a seed takes no half. */
export function completeArchives(store: Store): Set<string> {
  const suites = store.archives.suites().filter((suite) => suite.isConfigured)
  const incomplete = new Set(suites.filter((suite) => suite.adopted === null).map((suite) => suite.archive))
  return new Set(suites.map((suite) => suite.archive).filter((archive) => !incomplete.has(archive)))
}
