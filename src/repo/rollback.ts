// Rolling a channel back: a new snapshot with an old content, and holds so that nothing undoes it.
import { UusError } from '../lib/errors.ts'
import type { Emit } from '../lib/events.ts'
import type { Actor } from '../store/audit.ts'
import type { Channel, Snapshot } from '../store/channels.ts'
import type { DecisionSubject } from '../store/decisions.ts'
import type { Store } from '../store/store.ts'
import type { Placed, ViewChange } from '../store/views.ts'
import { countChanges } from './changes.ts'
import type { NeededFile } from './needed-files.ts'
import { subjectKey } from './pending-item.ts'
import type { Repo } from './repo.ts'

export interface RollbackOrder {
  readonly channel: Channel
  readonly to: Snapshot
  readonly reason: string
  readonly force: boolean
  readonly actor: Actor
}

export interface Rollback {
  readonly snapshot: Snapshot
  /** The sources that are on hold from now on. */
  readonly held: readonly string[]
}

/** GATE_REFUSED where a file of the old content cannot be had (unless forced); null where nothing differs. */
export async function rollBack(repo: Repo, order: RollbackOrder, emit: Emit): Promise<Rollback | null> {
  const { store } = repo
  const { channel, to } = order
  const { changes, entering, leaving } = changesTo(store, channel, to)
  if (changes.size === 0) return null
  if (!order.force) refuseUnobtainable(repo, entering, order)
  const subjects = subjectsOf(store, channel, to, leaving, entering)
  const current = store.channels.head(channel.id)!
  const snapshot = await repo.committer.commit(
    {
      channel,
      changes,
      kind: 'rollback',
      reason: order.reason,
      restores: to.revision,
      audit: {
        actor: order.actor,
        action: order.force ? 'rollback --force' : 'rollback',
        subject: channel.name,
        details: {
          from: current.id,
          to: to.id,
          ...countChanges(changes),
          held: subjects.map((one) => one.source),
        },
      },
      alongside: (tx, _revision, at) => {
        for (const subject of subjects) {
          store.decisions.add(tx, {
            ...subject,
            at,
            actor: order.actor.name,
            verb: 'hold',
            version: null,
            reason: `rolled back from ${current.id}: ${order.reason}`,
            files: [],
          })
        }
      },
    },
    emit,
  )
  return { snapshot, held: subjects.map((subject) => subject.source) }
}

/** What has to change for the content to be that of the snapshot. */
export function changesTo(store: Store, channel: Channel, to: Snapshot) {
  const changes = new Map<number, ViewChange>()
  const entering: Placed[] = []
  const leaving: Placed[] = []
  for (const view of store.views.list(channel.id)) {
    // An index that the channel did not show then stays as it is.
    if (view.liveSince === null || view.liveSince > to.revision) continue
    const enter = store.views.missing(view.id, view.id, to.revision)
    const leave = store.views.missing(view.id, view.id, undefined, to.revision)
    if (enter.length === 0 && leave.length === 0) continue
    changes.set(view.indexId, { enter, leave })
    entering.push(...store.views.placed(view.id, enter, to.revision))
    leaving.push(...store.views.placed(view.id, leave))
  }
  return { changes, entering, leaving }
}

/**
 * The sources that would come back by themselves or by rules: each that loses a version; and in a following channel
 * each that gets something which the channel that feeds it does not have any more. Changed fields alone hold nothing.
 */
function subjectsOf(
  store: Store,
  channel: Channel,
  to: Snapshot,
  leaving: readonly Placed[],
  entering: readonly Placed[],
): DecisionSubject[] {
  const losing = leaving.filter(
    (one) =>
      !store.views
        .bySource(channel.id, one.source, to.revision)
        .some((other) => isSameSubject(other, one) && other.sourceVersion === one.sourceVersion),
  )
  const unfed = entering.filter(
    (one) =>
      channel.follows &&
      !store.views
        .bySource(channel.parentId!, one.source)
        .some((other) => isSameSubject(other, one) && other.sourceVersion === one.sourceVersion),
  )
  const bySubject = Map.groupBy([...losing, ...unfed], subjectKey)
  return [...bySubject.values()].map(([one]) => ({
    channelId: channel.id,
    release: one!.release,
    archiveId: one!.archiveId,
    source: one!.source,
  }))
}

function isSameSubject(a: Placed, b: Placed): boolean {
  return a.release === b.release && a.archiveId === b.archiveId
}

/** A file can be had if it is here, or if upstream's present index names it. The others. */
export function unobtainable(repo: Repo, channel: Channel, entering: readonly Placed[]): NeededFile[] {
  const { store, packages } = repo
  const upstream = store.channels.upstream()
  const archives = new Map(store.archives.list().map((archive) => [archive.id, archive.name]))
  const gone = entering.filter((stanza) => {
    const view = store.views.find(upstream.id, stanza.indexId)
    if (view !== null && store.views.holds(view.id, stanza.id)) return false
    return !store.views.byName(upstream.id, stanza.name).some((one) => one.sha256 === stanza.sha256)
  })
  const byId = new Map(gone.map((stanza) => [stanza.id, stanza]))
  return store.supplies
    .filesOf([...byId.keys()])
    .filter(({ sha256 }) => !packages.isHere(sha256))
    .map(({ recordId, ...file }) => {
      const { archiveId, source, sourceVersion: version } = byId.get(recordId)!
      const archive = archives.get(archiveId)!
      return { ...file, archive, channel: channel.name, source, version, isFrozen: false }
    })
}

function refuseUnobtainable(repo: Repo, entering: readonly Placed[], order: RollbackOrder): void {
  const lost = unobtainable(repo, order.channel, entering).map(({ path }) => path.split('/').at(-1)!)
  if (lost.length === 0) return
  const some = lost.slice(0, 5).join(', ') + (lost.length > 5 ? `, and ${lost.length - 5} more` : '')
  throw new UusError(
    'GATE_REFUSED',
    `${lost.length === 1 ? 'A file' : `${lost.length} files`} of ${order.to.id} cannot be had any more: ${some}`,
    { hint: 'Choose a newer snapshot, or repeat with --force: clients will then fail to download these' },
  )
}
