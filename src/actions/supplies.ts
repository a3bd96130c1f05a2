// The steps behind fetching ahead of clients: what is needed, how it went, what clients asked for.
import type { Config } from '../config/config.ts'
import type { Sha256 } from '../lib/digest.ts'
import { type ListChange, ListReceiver, ListSender } from '../lib/list-changes.ts'
import {
  type Ahead,
  type AheadFile,
  type AheadPolicy,
  aheadFiles,
  markKey,
  retainedFiles,
} from '../repo/ahead-files.ts'
import { refreshAlarms } from '../repo/alarms.ts'
import { type NeededFile, neededFiles } from '../repo/needed-files.ts'
import type { Repo } from '../repo/repo.ts'
import type { MissingFile } from '../store/supplies.ts'
import type { OfferedTimes } from '../sync/upstream/snapshot-service.ts'
import { quietStep, readStep, step } from './action.ts'
import { maxAgeOf } from './update.ts'

export interface Needs {
  /** What upstream does not offer any more. */
  readonly needed: ListChange<NeededFile>
  /** What could not be had of it when it was tried last. */
  readonly missing: readonly MissingFile[]
  /** Files that only retained snapshots name, and clients may still want. */
  readonly retained: readonly AheadFile[]
  readonly ahead: Ahead
  /** A small file of each archive that wants credentials: some archives ask for them only at package files. */
  readonly probes: readonly AheadFile[]
}

/** What was said of the needed files before is not said again: `known` names what the asking process has. */
export interface NeedsQuestion {
  readonly known: string | null
}

export function needsSender(): ListSender<NeededFile> {
  return new ListSender(({ sha256 }) => sha256)
}

export function needsReceiver(): ListReceiver<NeededFile> {
  return new ListReceiver(({ sha256 }) => sha256)
}

export const needsStep = readStep<NeedsQuestion, Needs>('needs', ({ repo, config, needs }, { known }) =>
  repo.store.db.read(() => ({
    needed: needs.changeTo(neededFiles(repo), known),
    missing: repo.store.supplies.missing(),
    retained: retainedFiles(repo),
    ahead: aheadFiles(repo, policiesOf(config)),
    probes: probesOf(repo, config),
  })),
)

function probesOf({ store }: Repo, { archives }: Config): AheadFile[] {
  const upstream = store.channels.upstream()
  return archives
    .filter(({ auth }) => auth !== null)
    .flatMap(({ name }) => {
      const indexes = store.archives
        .indexes()
        .filter(({ archive, kind }) => archive === name && kind === 'packages')
      const views = indexes.flatMap(({ id }) => store.views.find(upstream.id, id) ?? [])
      const [file] = views
        .flatMap((view) => store.supplies.smallestFile(view.id) ?? [])
        .sort((a, b) => a.sizeBytes - b.sizeBytes)
      if (file === undefined) return []
      const { sha256, sizeBytes, path } = file
      return [{ sha256, sizeBytes, path, archive: name, channel: upstream.name }]
    })
}

function policiesOf({ channels, archives }: Config): AheadPolicy[] {
  return channels.map(({ name, follows, prefetch, fetchTime }) => ({
    channel: name,
    prefetch,
    fetchTime: (archive) => {
      if (follows) return 'on-demand'
      return fetchTime ?? archives.find((one) => one.name === archive)?.fetchTime ?? null
    },
  }))
}

export interface SupplyOutcome {
  readonly failed: readonly Omit<MissingFile, 'triedAt'>[]
  /** Files that are here now, or that nobody needs any more. */
  readonly settled: readonly Sha256[]
}

/** How fetching went: what failed is an alarm until it is here or not needed any more. */
export const supplyStep = step<SupplyOutcome, void>('record-supply', (context, { failed, settled }, call) => {
  const { repo } = context
  const { supplies, db } = repo.store
  const triedAt = repo.clock.now()
  db.write((tx) => {
    for (const file of failed) supplies.recordMissing(tx, { ...file, triedAt })
    for (const sha256 of settled) supplies.forgetMissing(tx, sha256)
  })
  for (const finding of refreshAlarms(repo, maxAgeOf(context))) call.emit({ type: 'alarm', ...finding })
})

/** Everything up to there was fetched ahead. */
export const aheadStep = quietStep<Ahead['marks'], void>('record-ahead', ({ repo }, marks) => {
  const { settings, db } = repo.store
  db.write((tx) => {
    for (const { channel, mark } of marks) settings.set(tx, markKey(channel), mark)
  })
})

/** So long a package counts as one that clients ask for. */
const usedForMs = 365 * 86_400_000

export const usedStep = step<
  readonly { readonly channel: string; readonly files: readonly Sha256[] }[],
  void
>('record-used', ({ repo }, used) => {
  const { channels, supplies, db } = repo.store
  const now = repo.clock.now()
  db.write((tx) => {
    for (const { channel, files } of used) {
      const found = channels.find(channel)
      if (found !== null) supplies.recordUsed(tx, found.id, files, now)
    }
    supplies.forgetUsed(tx, now - usedForMs)
  })
})

export const offeredStep = readStep<{ readonly sha256: Sha256 }, OfferedTimes | null>(
  'offered-times',
  ({ repo }, { sha256 }) => {
    const { channels, supplies } = repo.store
    const seen = supplies.seen(channels.upstream().id, sha256)
    if (seen === null) return null
    const at = (revision: number) => channels.snapshotOfRevision(revision)!.at
    return { from: at(seen.from), until: seen.until === null ? null : at(seen.until) }
  },
)
