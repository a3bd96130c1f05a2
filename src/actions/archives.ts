// `uus archive list | drop`.
import { z } from 'zod'
import { UusError } from '../lib/errors.ts'
import { dropFrozen, frozenIndexes } from '../repo/drop.ts'
import { describeIndexes } from '../repo/follow-channels.ts'
import type { Suite } from '../store/archives.ts'
import { type Listing, listing, type Outcome, readStep, step, stepAction } from './action.ts'
import { isoOrNull, reason } from './shared.ts'

export interface ArchiveSuiteEntry {
  readonly archive: string
  readonly suite: string
  readonly release: string | null
  readonly state: 'current' | 'failing' | 'never adopted' | 'frozen'
  /** Of the Release adopted last. */
  readonly date: string | null
  readonly validUntil: string | null
  readonly checkedAt: string | null
  readonly signedBy: string | null
  readonly error: string | null
  readonly hint: string | null
  readonly frozen: readonly string[]
}

const nothing = z.object({})
type Nothing = z.output<typeof nothing>

const listStep = readStep<Nothing, Listing<ArchiveSuiteEntry>>('archive list', ({ repo }) => {
  const frozen = frozenIndexes(repo, null)
  return listing(
    repo.store.archives.suites().map((suite) => {
      const mine = frozen.filter((index) => index.suiteId === suite.id)
      return describeSuite(
        suite,
        mine.map((index) => `${index.component}/${index.architecture}`),
      )
    }),
  )
})

export function describeSuite(suite: Suite, frozen: readonly string[]): ArchiveSuiteEntry {
  const { adopted, failure } = suite
  return {
    archive: suite.archive,
    suite: suite.name,
    release: suite.release,
    state: !suite.isConfigured
      ? 'frozen'
      : failure !== null
        ? 'failing'
        : adopted === null
          ? 'never adopted'
          : 'current',
    date: isoOrNull(adopted?.date ?? null),
    validUntil: isoOrNull(adopted?.validUntil ?? null),
    checkedAt: isoOrNull(suite.checkedAt),
    signedBy: suite.isLocal ? null : (adopted?.signedBy ?? null),
    error: failure?.error.message ?? null,
    hint: failure?.error.hint ?? null,
    frozen,
  }
}

export const archiveList = stepAction(
  { verb: 'archive list', role: 'viewer', input: nothing as z.ZodType<Nothing> },
  listStep,
)

const dropInput = z.object({ archive: z.string(), reason })

export interface DropResult extends Outcome {
  readonly archive: string
  readonly dropped: readonly string[]
}

export const dropStep = step<z.output<typeof dropInput>, DropResult>(
  'archive drop',
  async ({ repo }, order, call) => {
    const known = repo.store.archives.list().map((archive) => archive.name)
    if (!known.includes(order.archive)) {
      throw new UusError('UNKNOWN_NAME', `There is no archive "${order.archive}"`, {
        hint: `Archives are: ${known.join(', ')}`,
      })
    }
    const indexes = frozenIndexes(repo, order.archive)
    const isStillConfigured = repo.store.archives
      .list()
      .some((one) => one.name === order.archive && one.isConfigured)
    if (indexes.length === 0 && isStillConfigured) {
      throw new UusError(
        'GUARD_REFUSED',
        `Archive ${order.archive} is in the configuration, and nothing of it is frozen`,
        {
          hint: 'Take it, or the part that is to go, out of the configuration and restart; then drop it',
        },
      )
    }
    const dropped = describeIndexes(
      repo.store,
      indexes.map((index) => index.id),
    )
    if (indexes.length > 0)
      await dropFrozen(repo, indexes, { actor: call.actor, reason: order.reason }, call.emit)
    return { status: indexes.length > 0 ? 'done' : 'nothing', archive: order.archive, dropped }
  },
)

export const archiveDrop = stepAction(
  { verb: 'archive drop', role: 'admin', input: dropInput as z.ZodType<z.output<typeof dropInput>> },
  dropStep,
)
