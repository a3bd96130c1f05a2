// What the jobs process of a slave does: looks into what came, takes it over, remembers what went wrong, and keeps what
// clients told until the master has it.
import { randomUUID } from 'node:crypto'
import type { ErrorValue } from '../lib/errors.ts'
import { refreshAlarms } from '../repo/alarms.ts'
import type { WantedFile } from '../store/followed.ts'
import { addCounts, type TrafficCounts, trafficKind } from '../sync/protocol/events.ts'
import type { EventBatch } from '../sync/protocol/messages.ts'
import { syncFindings } from '../sync/slave/alarms.ts'
import type { FetchedPart } from '../sync/slave/blocks.ts'
import type { Flipped } from '../sync/slave/flip.ts'
import type { Examined, Importer, ReceivedManifest } from '../sync/slave/importer.ts'
import type { SnapshotFile } from '../sync/slave/snapshot-file.ts'
import { type JobsContext, quietStep, readStep, step } from './action.ts'

function importerOf({ importer }: JobsContext): Importer {
  if (importer === null) throw new Error('Internal error: this is no slave')
  return importer
}

export const syncExamineStep = readStep<ReceivedManifest, Examined>('sync-examine', (context, received) =>
  importerOf(context).examine(received),
)

export const syncStoreStep = quietStep<readonly FetchedPart[], void>('sync-store', (context, parts) =>
  importerOf(context).storeParts(parts),
)

export const syncFlipStep = step<ReceivedManifest, Flipped>('sync-flip', (context, received, call) =>
  importerOf(context).flip(received, call.actor),
)

/** The master has nothing newer. */
export const syncCheckedStep = quietStep<{ channel: string; at: number }, void>(
  'sync-checked',
  (context, { channel, at }) => {
    const { store, clock } = context.repo
    const known = store.channels.find(channel)
    store.db.write((tx) => {
      if (known !== null) store.followed.recordCheck(tx, known.id, at)
      store.followed.resolveFailure(tx, channel, clock.now())
    })
    refreshSlavesAlarms(context)
  },
)

export interface SyncFailed {
  /** Empty: the way to the master. */
  readonly channel: string
  readonly error: ErrorValue
}

export const syncFailedStep = quietStep<SyncFailed, void>('sync-failed', (context, { channel, error }) => {
  const { store, clock } = context.repo
  store.db.write((tx) => store.followed.recordFailure(tx, channel, clock.now(), error))
  refreshSlavesAlarms(context)
})

export const syncResolvedStep = quietStep<{ channel: string }, void>(
  'sync-resolved',
  (context, { channel }) => {
    const { store, clock } = context.repo
    store.db.write((tx) => store.followed.resolveFailure(tx, channel, clock.now()))
    refreshSlavesAlarms(context)
  },
)

export const slaveUpkeepStep = quietStep<Record<string, never>, void>('slave-upkeep', (context) =>
  refreshSlavesAlarms(context),
)

/** Nothing that a slave serves moves by itself. */
export function refreshSlavesAlarms({ repo, config }: JobsContext): void {
  refreshAlarms(repo, null, [], syncFindings(repo.store, repo.clock.now(), config.master?.url ?? ''))
}

/** What clients told, and what slaves below passed on, as far as it is new. */
export const queueTrafficStep = quietStep<TrafficCounts, void>('queue-traffic', ({ repo }, counts) => {
  const { store, clock } = repo
  const event = { kind: trafficKind, origin: '', payload: { ...counts } }
  store.db.write((tx) => store.outgoing.add(tx, event, clock.now(), (waiting) => addCounts(waiting, counts)))
})

const batchEvents = 500

export const nextBatchStep = quietStep<Record<string, never>, EventBatch | null>('next-batch', ({ repo }) => {
  const { store } = repo
  const underWay = store.outgoing.underWay()
  if (underWay !== null) return underWay
  const isMade = store.db.write((tx) => store.outgoing.makeBatch(tx, randomUUID(), batchEvents))
  return isMade ? store.outgoing.underWay() : null
})

export const deliveredStep = quietStep<{ id: string }, void>('batch-delivered', ({ repo }, { id }) => {
  repo.store.db.write((tx) => repo.store.outgoing.delivered(tx, id))
})

export const unwantStep = quietStep<WantedFile, void>('unwant-file', ({ repo }, file) => {
  repo.store.db.write((tx) => repo.store.followed.unwant(tx, file))
})

/** The signed file of a snapshot by URL, as the master renewed it. */
export const adoptSnapshotFileStep = quietStep<SnapshotFile, void>('adopt-snapshot-file', (context, file) =>
  importerOf(context).adoptSnapshotFile(file),
)
