// What the changelog of a waiting version claims: its entries since what the target has, read from one of its packages when
// somebody asks. The package is fetched like any other, if it is not here, and stays in the cache.
import { claimedCves } from '../debian/changelog.ts'
import { readChangelog } from '../debian/deb/changelog-file.ts'
import { readDeb } from '../debian/deb/deb.ts'
import type { Sha256 } from '../lib/digest.ts'
import { UusError } from '../lib/errors.ts'
import { formatSize } from '../lib/units.ts'
import type { PendingItem } from '../repo/pending-item.ts'
import { type Call, readStep, type ServerContext } from './action.ts'
import { isoOrNull } from './shared.ts'

/** An entry as it stands in the package: whoever wrote it claims it. */
export interface ClaimedEntry {
  readonly version: string
  /** Shown, and never taken for a severity. */
  readonly urgency: string
  readonly author: string
  readonly date: string | null
  readonly text: string
}

export interface ChangelogFacts {
  /** Newest first. */
  readonly entries: readonly ClaimedEntry[]
  /** False where entries are missing: too many, or the package does not go back so far. */
  readonly isComplete: boolean
  /** The CVE ids that the entries mention. */
  readonly claimedCves: readonly string[]
  /** Why there are none; null if there are. */
  readonly problem: string | null
  /** Another look may tell more: somebody was away. */
  readonly isTransient: boolean
}

/** A package that may have the changelog. */
export interface ChangelogSource {
  readonly package: string
  readonly archive: string
  readonly path: string
  readonly sha256: Sha256
  readonly sizeBytes: number
}

/** Where to look for the changelog of a waiting version, the smallest package first; null where nothing enters. */
export interface ChangelogQuestion {
  readonly since: string | null
  readonly sources: readonly ChangelogSource[]
}

const maxSources = 3
const maxFetchedBytes = 64 << 20
const maxEntries = 50
const maxTextChars = 20_000

export function changelogQuestion({ arrived, archive, from, kind }: PendingItem): ChangelogQuestion | null {
  if (kind === 'remove' || kind === 'downgrade') return null
  const byFile = new Map(
    arrived
      .filter((one) => one.path.endsWith('.deb'))
      .map(({ name, path, sha256, sizeBytes }) => [
        sha256,
        { package: name, archive, path, sha256, sizeBytes },
      ]),
  )
  const sources = [...byFile.values()].sort((a, b) => a.sizeBytes - b.sizeBytes)
  return sources.length === 0 ? null : { since: from, sources }
}

interface ReadInput {
  readonly source: ChangelogSource
  readonly since: string | null
}

type ReadOutput =
  | { readonly kind: 'read'; readonly facts: ChangelogFacts }
  | { readonly kind: 'elsewhere'; readonly package: string }
  | { readonly kind: 'absent' }

export const readChangelogStep = readStep<ReadInput, ReadOutput>(
  'read-changelog',
  async ({ repo }, { source, since }) => {
    const opened = await repo.packages.open(source.sha256)
    if (opened === null) return { kind: 'absent' }
    await using blob = opened
    const found = await readChangelog(await readDeb(blob, source.package), since)
    if (found.kind !== 'read') return found
    const entries = found.entries.slice(0, maxEntries)
    return {
      kind: 'read',
      facts: {
        entries: entries.map(({ version, urgency, author, date, text }) => ({
          version,
          urgency,
          author,
          date: isoOrNull(date),
          text: text.slice(0, maxTextChars),
        })),
        isComplete: found.isComplete && entries.length === found.entries.length,
        claimedCves: claimedCves(found.entries.map(({ text }) => text).join('\n')),
        problem: null,
        isTransient: false,
      },
    }
  },
)

/** Never fails: what cannot be read is said. */
export async function changelogOf(
  context: ServerContext,
  { since, sources }: ChangelogQuestion,
  call: Call,
): Promise<ChangelogFacts> {
  let candidates = sources.slice(0, maxSources)
  const asked = new Set<string>()
  for (let source = candidates.shift(); source !== undefined; source = candidates.shift()) {
    asked.add(source.sha256)
    try {
      if (!(await isHere(context, source))) {
        const size = formatSize(source.sizeBytes)
        return nothing(`${source.package} has ${size}: too much to fetch for it`)
      }
      const found = await context.jobs.run(readChangelogStep, { source, since }, call)
      if (found.kind === 'read') return found.facts
      if (found.kind === 'elsewhere') {
        const named = sources.find((one) => one.package === found.package && !asked.has(one.sha256))
        if (named !== undefined) candidates = [named, ...candidates.filter((one) => one !== named)]
      }
    } catch (error) {
      const { message, descriptor } = UusError.from(error)
      return nothing(message, descriptor.isRetryable)
    }
  }
  return nothing('None of its packages that were looked into has a changelog')
}

/** Fetched if need be; false where that would be out of proportion. */
async function isHere({ packages }: ServerContext, source: ChangelogSource): Promise<boolean> {
  if (await packages.has(source.sha256)) return true
  if (source.sizeBytes > maxFetchedBytes) return false
  await packages.obtain(source.archive, source.path, source)
  return true
}

function nothing(problem: string, isTransient = false): ChangelogFacts {
  return { entries: [], isComplete: false, claimedCves: [], problem, isTransient }
}
