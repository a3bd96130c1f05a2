// `uus snapshot list | show | diff | keep | unkeep | rollback`.
import { z } from 'zod'
import { UusError } from '../lib/errors.ts'
import { formatIso } from '../lib/units.ts'
import { listDifferences, type SourceDifference } from '../repo/differences.ts'
import { followChannels } from '../repo/follow-channels.ts'
import type { Repo } from '../repo/repo.ts'
import { changesTo, rollBack, unobtainable } from '../repo/rollback.ts'
import type { Channel, Snapshot } from '../store/channels.ts'
import { action, type Listing, listing, type Outcome, readStep, step, stepAction } from './action.ts'
import { findAnyChannel } from './channels.ts'
import { fetchFirst, fetchingStep } from './fetch-first.ts'
import { isoOrNull, reason } from './shared.ts'

export interface SnapshotEntry {
  readonly channel: string
  readonly id: string
  readonly revision: number
  readonly at: string
  readonly kind: string
  readonly reason: string | null
  readonly entered: number
  readonly left: number
  readonly isCurrent: boolean
  /** The snapshot that a rollback went back to. */
  readonly restores: string | null
  /** Pinned: never collected. */
  readonly isKept: boolean
  /** When its files were collected; from then on it can be looked at, but not served. */
  readonly collectedAt: string | null
}

function describe(repo: Repo, channel: Channel, snapshot: Snapshot): SnapshotEntry {
  const { channels } = repo.store
  return {
    channel: channel.name,
    id: snapshot.id,
    revision: snapshot.revision,
    at: formatIso(snapshot.at),
    kind: snapshot.kind,
    reason: snapshot.reason,
    entered: snapshot.entered,
    left: snapshot.left,
    isCurrent: channels.head(channel.id)?.revision === snapshot.revision,
    restores: snapshot.restores === null ? null : channels.snapshotOfRevision(snapshot.restores)!.id,
    isKept: snapshot.keptAt !== null,
    collectedAt: isoOrNull(snapshot.collectedAt),
  }
}

function findSnapshot(repo: Repo, channel: Channel, id: string): Snapshot {
  const found = repo.store.channels.findSnapshot(channel.id, id)
  if (found !== null) return found
  throw new UusError('UNKNOWN_NAME', `Channel ${channel.name} has no snapshot ${id}`, {
    hint: `"uus snapshot list ${channel.name}" lists them`,
  })
}

const listInput = z.object({ channel: z.string().nullable().default(null) })

/** Newest first. */
const listStep = readStep<z.output<typeof listInput>, Listing<SnapshotEntry>>(
  'snapshot list',
  ({ repo }, order) => {
    const { channels } = repo.store
    const chosen =
      order.channel === null
        ? channels.list().filter((channel) => channel.parentId !== null)
        : [findAnyChannel(repo, order.channel)]
    const entries = chosen.flatMap((channel) =>
      channels.snapshots(channel.id).map((snapshot) => describe(repo, channel, snapshot)),
    )
    return listing(entries.sort((a, b) => b.revision - a.revision))
  },
)

export const snapshotList = stepAction(
  { verb: 'snapshot list', role: 'viewer', input: listInput as z.ZodType<z.output<typeof listInput>> },
  listStep,
)

const showInput = z.object({ channel: z.string(), id: z.string() })

export interface SnapshotDetails extends SnapshotEntry, Outcome {
  readonly previous: string | null
  /** What it changed, compared with the one before. */
  readonly items: readonly SourceDifference[]
}

const showStep = readStep<z.output<typeof showInput>, SnapshotDetails>('snapshot show', ({ repo }, order) => {
  const channel = findAnyChannel(repo, order.channel)
  const snapshot = findSnapshot(repo, channel, order.id)
  const previous = repo.store.channels.snapshotBefore(channel.id, snapshot.revision)
  const items = listDifferences(
    repo.store,
    { channelId: channel.id, revision: snapshot.revision - 1 },
    { channelId: channel.id, revision: snapshot.revision },
  )
  return { status: 'done', ...describe(repo, channel, snapshot), previous: previous?.id ?? null, items }
})

export const snapshotShow = stepAction(
  { verb: 'snapshot show', role: 'viewer', input: showInput as z.ZodType<z.output<typeof showInput>> },
  showStep,
)

const diffInput = z.object({ channel: z.string(), from: z.string(), to: z.string().nullable().default(null) })

export interface SnapshotDiffResult extends Listing<SourceDifference> {
  readonly channel: string
  readonly from: string
  readonly to: string | null
}

const diffStep = readStep<z.output<typeof diffInput>, SnapshotDiffResult>(
  'snapshot diff',
  ({ repo }, order) => {
    const channel = findAnyChannel(repo, order.channel)
    const from = findSnapshot(repo, channel, order.from)
    const to = order.to === null ? null : findSnapshot(repo, channel, order.to)
    const items = listDifferences(
      repo.store,
      { channelId: channel.id, revision: from.revision },
      { channelId: channel.id, ...(to === null ? {} : { revision: to.revision }) },
    )
    return { ...listing(items), channel: channel.name, from: from.id, to: to?.id ?? null }
  },
)

export const snapshotDiff = stepAction(
  { verb: 'snapshot diff', role: 'viewer', input: diffInput as z.ZodType<z.output<typeof diffInput>> },
  diffStep,
)

const keepInput = z.object({
  channel: z.string(),
  id: z.string(),
  reason: reason.nullable().default(null),
})

export interface KeepResult extends Outcome {
  readonly channel: string
  readonly id: string
  readonly isKept: boolean
}

function keepStep(isKept: boolean) {
  const verb = isKept ? 'snapshot keep' : 'snapshot unkeep'
  return step<z.output<typeof keepInput>, KeepResult>(verb, ({ repo }, order, call) => {
    const { store, clock } = repo
    const channel = findAnyChannel(repo, order.channel)
    const snapshot = findSnapshot(repo, channel, order.id)
    if (isKept && snapshot.collectedAt !== null) {
      throw new UusError('GATE_REFUSED', `Snapshot ${snapshot.id} was collected: its files are gone`, {
        hint: `"uus snapshot list ${channel.name}" shows those that are there`,
      })
    }
    const result = { channel: channel.name, id: snapshot.id, isKept }
    if ((snapshot.keptAt !== null) === isKept) return { status: 'nothing', ...result }
    const at = clock.now()
    store.db.write((tx) => {
      store.channels.setKept(tx, snapshot.revision, isKept ? at : null)
      store.audit.append(tx, {
        at,
        actor: call.actor,
        action: verb,
        subject: channel.name,
        reason: order.reason,
        details: { snapshot: snapshot.id },
      })
    })
    return { status: 'done', ...result }
  })
}

export const snapshotKeep = stepAction(
  { verb: 'snapshot keep', role: 'admin', input: keepInput as z.ZodType<z.output<typeof keepInput>> },
  keepStep(true),
)
export const snapshotUnkeep = stepAction(
  { verb: 'snapshot unkeep', role: 'admin', input: keepInput as z.ZodType<z.output<typeof keepInput>> },
  keepStep(false),
)

const rollbackInput = z.object({
  channel: z.string(),
  id: z.string(),
  reason,
  force: z.boolean().default(false),
})

export interface RollbackResult extends Outcome {
  readonly channel: string
  readonly to: string
  readonly snapshot: string | null
  readonly entered: number
  readonly left: number
  /** Sources that are on hold from now on. */
  readonly held: readonly string[]
  /** The pin file for machines that upgraded already; null where nothing changed. */
  readonly pinsUrl: string | null
}

export const rollbackStep = fetchingStep<z.output<typeof rollbackInput>, Omit<RollbackResult, 'pinsUrl'>>(
  'snapshot rollback',
  ({ repo }, order, call) => {
    const channel = findAnyChannel(repo, order.channel)
    if (channel.parentId === null) {
      throw new UusError('USAGE', 'upstream is what the archives offer; it cannot be rolled back', {
        hint: 'Roll back the channel that shows too much',
      })
    }
    const to = findSnapshot(repo, channel, order.id)
    return {
      // Of the old content.
      absentFiles: unobtainable(repo, channel, changesTo(repo.store, channel, to).entering),
      async act() {
        const made = await rollBack(
          repo,
          { channel, to, reason: order.reason, force: order.force, actor: call.actor },
          call.emit,
        )
        if (made !== null) await followChannels(repo, call.actor, call.emit)
        return {
          status: made === null ? 'nothing' : 'done',
          channel: channel.name,
          to: to.id,
          snapshot: made?.snapshot.id ?? null,
          entered: made?.snapshot.entered ?? 0,
          left: made?.snapshot.left ?? 0,
          held: made?.held ?? [],
        }
      },
    }
  },
)

export const snapshotRollback = action<z.output<typeof rollbackInput>, RollbackResult>({
  verb: 'snapshot rollback',
  role: 'admin',
  input: rollbackInput as z.ZodType<z.output<typeof rollbackInput>>,
  async run(context, order, call) {
    const result = await fetchFirst(context, rollbackStep, order, call)
    const { channel, snapshot } = result
    const pinsUrl = snapshot === null ? null : `${context.baseUrl()}/${channel}.pref?snapshot=${snapshot}`
    return { ...result, pinsUrl }
  },
})
