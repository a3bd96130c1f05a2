// Is this verified Release the one to adopt? Pure: what is known, what came, what time it is.
import { formatReleaseDate } from '../debian/date.ts'
import { isFlatSuite } from '../debian/index-kinds.ts'
import type { SuiteIdentity } from '../debian/release.ts'
import type { Sha256 } from '../lib/digest.ts'
import { TrustError } from '../lib/errors.ts'
import { formatIso } from '../lib/units.ts'
import type { VerifiedRelease } from './verify.ts'

/** What we hold of a suite, from the Release adopted last. */
export interface KnownRelease {
  readonly identity: SuiteIdentity
  readonly date: number
  readonly fileSha256: Sha256
}

export interface ReleaseExpectations {
  readonly archive: string
  /** The suite's path below `dists/`, as configured. */
  readonly suite: string
  readonly known: KnownRelease | null
  readonly checksValidUntil: boolean
  /** An administrator accepted what this suite's Release says now, in this very command. */
  readonly isAccepted: boolean
}

export type Freshness =
  /** Newer than what we hold, or of the same date with other content. */
  | { readonly outcome: 'adopt' }
  /** The very file we hold. */
  | { readonly outcome: 'unchanged' }
  /** A lagging mirror: keep the state, try the next address. */
  | { readonly outcome: 'older'; readonly date: number }

// apt's Acquire::Max-FutureTime.
const maxFutureMs = 10_000

/** Throws TrustError where the Release must not be adopted at all; `now` in milliseconds. */
export function judgeFreshness(
  verified: VerifiedRelease,
  expected: ReleaseExpectations,
  now: number,
): Freshness {
  const { release, fileSha256 } = verified
  const name = `${expected.archive}/${expected.suite}`
  checkIdentity(release.identity, expected, name)
  if (release.date > now + maxFutureMs) {
    throw new TrustError(
      'RELEASE_NOT_YET_VALID',
      `Release of ${name} is dated ${formatReleaseDate(release.date)}, which is in the future (it is ${formatIso(now)})`,
      { hint: 'Check the clock of this host (timedatectl), then run: uus update' },
    )
  }
  if (expected.known !== null && release.date < expected.known.date && !expected.isAccepted)
    return { outcome: 'older', date: release.date }
  if (expected.checksValidUntil && release.validUntil !== null && release.validUntil < now) {
    throw new TrustError(
      'RELEASE_EXPIRED',
      `Release of ${name} expired on ${formatReleaseDate(release.validUntil)}`,
      {
        hint: 'Its mirror is stale: name another under "uris", or, for an archive that is frozen on purpose, set "check-valid-until: false"',
      },
    )
  }
  return expected.known?.fileSha256 === fileSha256 ? { outcome: 'unchanged' } : { outcome: 'adopt' }
}

// Pins, unattended-upgrades and apt's own release-info check depend on these.
const guardedFields = ['origin', 'label', 'codename', 'notAutomatic', 'butAutomaticUpgrades'] as const
const fieldNames = {
  origin: 'Origin',
  label: 'Label',
  codename: 'Codename',
  notAutomatic: 'NotAutomatic',
  butAutomaticUpgrades: 'ButAutomaticUpgrades',
} as const

function checkIdentity(identity: SuiteIdentity, expected: ReleaseExpectations, name: string): void {
  if (expected.isAccepted) return
  const accept = `uus update --accept ${name} --reason "…"`
  const isKnownName = expected.known !== null && sameNames(identity, expected.known.identity)
  if (!isKnownName && !namesSuite(identity, expected.suite)) {
    throw new TrustError(
      'RELEASE_OTHER_SUITE',
      `Release of ${name} is that of another suite (Suite ${identity.suite ?? '-'}, Codename ${identity.codename ?? '-'})`,
      { hint: `Check "uris" and "suites"; if the archive really names it so: ${accept}` },
    )
  }
  if (expected.known === null) return
  const { identity: known } = expected.known
  const changes = guardedFields
    .filter((field) => identity[field] !== known[field])
    .map((field) => `${fieldNames[field]} "${known[field] ?? ''}" → "${identity[field] ?? ''}"`)
  if (changes.length > 0) {
    throw new TrustError('RELEASE_INFO_CHANGED', `Release of ${name} changed its ${changes.join(', ')}`, {
      hint: `Pins and unattended-upgrades go by these fields; if it is meant so: ${accept}`,
    })
  }
}

function sameNames(a: SuiteIdentity, b: SuiteIdentity): boolean {
  return a.suite === b.suite && a.codename === b.codename
}

/** As apt's CheckDist: by Suite or Codename; `bookworm/updates` also by `bookworm`. */
function namesSuite(identity: SuiteIdentity, suite: string): boolean {
  // A folder says nothing of what its Release is called; from then on it must stay so.
  if (isFlatSuite(suite)) return true
  const names = [suite, suite.replace(/\/.*$/, '')]
  return [identity.suite, identity.codename].some((name) => name !== undefined && names.includes(name))
}
