// After upstream or a channel moved: every channel takes over what needs no decision, parents before children.
import type { Emit } from '../lib/events.ts'
import type { SuiteIndex } from '../store/archives.ts'
import type { Actor } from '../store/audit.ts'
import type { Channel, Followed, SnapshotKind } from '../store/channels.ts'
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
  const { store } = repo
  const { followed, scope } = whatToLookAt(store, channel)
  const move = channel.follows ? planFollowing(store, channel, scope) : planGated(store, channel, scope)
  if (move.changes.size === 0 && move.goesLive.length === 0) {
    if (scope !== 'nothing') store.db.write((tx) => store.channels.recordFollowed(tx, channel.id, followed))
    return
  }
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
        details: { entered, left, indexes: describeIndexes(store, move.goesLive) },
      },
      alongside: (tx, revision) =>
        store.channels.recordFollowed(tx, channel.id, { ...followed, own: revision }),
    },
    emit,
  )
}

/**
 * The names that may be different in the two channels, or all of them. What enters by itself, and what leaves for it,
 * is decided name by name: a name that neither channel touched since the last time, nor a person, is as it was.
 */
type Scope = 'everything' | 'nothing' | { readonly names: readonly string[] }

// More names than this are faster compared all together.
const manyNames = 5000

function whatToLookAt(store: Store, channel: Channel): { followed: Followed; scope: Scope } {
  const before = store.channels.followed(channel.id)
  const decided = store.decisions.since(channel.id, before.decision)
  const followed: Followed = {
    parent: store.channels.head(channel.parentId!)?.revision ?? 0,
    own: store.channels.head(channel.id)?.revision ?? 0,
    decision: decided.newest,
  }
  if (before.parent === 0) return { followed, scope: 'everything' }
  const isSame = followed.parent === before.parent && followed.own === before.own
  if (isSame && decided.sources.length === 0) return { followed, scope: 'nothing' }
  const names = new Set(decided.sources.flatMap((source) => namesOf(store, channel, source)))
  for (const [channelId, revision] of [
    [channel.parentId!, before.parent],
    [channel.id, before.own],
  ] as const) {
    if (revision === (channelId === channel.id ? followed.own : followed.parent)) continue
    for (const view of store.views.list(channelId))
      for (const name of store.views.namesChangedSince(view.id, revision)) names.add(name)
  }
  return { followed, scope: names.size > manyNames ? 'everything' : { names: [...names].sort() } }
}

function namesOf(store: Store, channel: Channel, source: string): string[] {
  return [channel.parentId!, channel.id].flatMap((id) =>
    store.views.bySource(id, source).map((stanza) => stanza.name),
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

/** What a view shows that another does not, as far as the scope goes. */
function missing(store: Store, scope: Scope, view: View, inView: View): number[] {
  if (scope === 'everything') return store.views.missing(view.id, inView.id)
  if (scope === 'nothing') return []
  return store.views.missingOf(scope.names, view.id, inView.id)
}

function planFollowing(store: Store, channel: Channel, scope: Scope): Move {
  const holds = store.decisions.holds(channel.id)
  const declined = store.decisions.verdicts(channel.id).filter((verdict) => verdict.verb === 'decline')
  const changes = new Map<number, ViewChange>()
  const goesLive: number[] = []
  for (const { index, from, to } of feedingViews(store, channel)) {
    if (to === null || to.liveSince === null) goesLive.push(index.id)
    const arrived = to?.liveSince == null ? store.views.recordIds(from.id) : missing(store, scope, from, to)
    const gone = to?.liveSince == null ? [] : missing(store, scope, to, from)
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

function planGated(store: Store, channel: Channel, scope: Scope): Move {
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
    const visible = store.views.withVisibleIdentity(
      channel.id,
      index.release!,
      missing(store, scope, from, to),
    )
    arrived.push(...store.views.placed(from.id, visible))
    gone.push(...store.views.placed(to.id, missing(store, scope, to, from)))
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
