// What waits, as it is told of: one source version that could move into a channel, and by what it is found again.
import { compareVersions, highestVersion } from '../debian/version.ts'
import type { Suite } from '../store/archives.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Channel } from '../store/channels.ts'
import type { Claims } from '../store/claims.ts'
import type { Decision, DecisionSubject } from '../store/decisions.ts'
import type { Store } from '../store/store.ts'
import type { NamedRecordFile } from '../store/supplies.ts'
import type { Placed } from '../store/views.ts'
import type { PendingKind, SourceChange } from './classify.ts'
import type { AppliedRule, Verdict } from './gates/gate.ts'
import type { GateOptions, RuleOptions } from './options.ts'

/** One source version that could move into a channel. */
export interface PendingItem extends SourceChange<Placed> {
  readonly kind: PendingKind
  readonly release: string
  readonly archiveId: number
  readonly archive: string
  readonly source: string
  /** The highest version that clients of the channel see, over the suites that compete; null if none. */
  readonly from: string | null
  /** Names of the suites it concerns. */
  readonly suites: readonly string[]
  /** Since when the feeding channel shows it (or, for what is gone, does not any more); milliseconds. */
  readonly since: number | null
  /** Of what the feeding channel does not show any more: the last revision at which it did. */
  readonly revision: number | null
  /** The newest verdict of a person on the version, if there is one. */
  readonly decision: Decision | null
  /** Who approved the very files that would enter, each person once. */
  readonly approvers: readonly string[]
  readonly rule: AppliedRule | null
  /** What its changelog claims; null if nobody has looked, or nothing enters. */
  readonly claims: Claims | null
  /** Files of what arrived that upstream does not offer any more, and that are not here. */
  readonly absentFiles: readonly NamedRecordFile[]
  readonly verdicts: readonly Verdict[]
  /** When it gets through by itself, if it only waits; milliseconds. */
  readonly eligibleAt: number | null
}

/** The same item, found again. */
export function pendingKey(
  item: Pick<PendingItem, 'release' | 'archiveId' | 'source' | 'version' | 'kind'>,
): string {
  return `${item.release} ${item.archiveId} ${item.source} ${item.version} ${item.kind}`
}

/** Where to look, and as of when. */
export interface PendingScope {
  readonly store: Store
  /** Package files that are here. */
  readonly packages: Pick<Blobs, 'isHere'>
  /** The gated channel. */
  readonly target: Channel
  /** The channel that feeds it. */
  readonly feeding: Channel
  /** The feeding channel's revision; present unless told. */
  readonly revision?: number
  /** What the target's gates and rules go by. */
  readonly judging: Judging
}

export interface Judging {
  readonly gates: GateOptions
  readonly rules: readonly RuleOptions[]
  /** Since when each of the rules is there. */
  readonly rulesSince: readonly number[]
  readonly now: number
  /** Who asks, if asking is an approval. */
  readonly approver: string | null
  /** From which revision of the feeding channel on candidates may have been superseded. */
  readonly retainedSince: number
}

/** Suites of one class compete by version; apt takes from NotAutomatic ones (backports) only what it is told to. */
export function suiteClassOf(suite: Suite): string {
  const { notAutomatic, butAutomaticUpgrades } = suite.adopted?.identity ?? {}
  return `${notAutomatic ?? ''} ${butAutomaticUpgrades ?? ''}`
}

/** Did the version leave upstream without a higher successor? */
export function isWithdrawn(offered: readonly string[], version: string): boolean {
  const highest = highestVersion(offered)
  return highest === undefined || (!offered.includes(version) && compareVersions(highest, version) < 0)
}

/** One source of one archive and release. */
export function subjectKey(subject: Pick<DecisionSubject, 'release' | 'archiveId' | 'source'>): string {
  return `${subject.release} ${subject.archiveId} ${subject.source}`
}
