// Gates: rules that a change must pass before it enters a gated channel. Each is a pure function from facts to a
// verdict with one sentence for a person; this file is the one place that knows them all. Whether what enters can be
// installed is a question about all that enters together: installable.ts answers it for a whole promotion.
import type { Decision } from '../../store/decisions.ts'
import type { PendingKind } from '../classify.ts'
import type { GateOptions, RuleOptions } from '../options.ts'
import { approvals } from './approvals.ts'
import { freeze } from './freeze.ts'
import { holds } from './holds.ts'
import { type AbsentFile, obtainable } from './obtainable.ts'
import { phasing } from './phasing.ts'
import { rules } from './rules.ts'
import { soak } from './soak.ts'
import { window } from './window.ts'
import { withdrawn } from './withdrawn.ts'

export type Verdict =
  | { readonly gate: string; readonly state: 'pass'; readonly sentence: string }
  /** Passes by itself at `until` (milliseconds). */
  | { readonly gate: string; readonly state: 'waiting'; readonly sentence: string; readonly until: number }
  | { readonly gate: string; readonly state: 'blocked'; readonly sentence: string }
  /** A person has to do something. */
  | { readonly gate: string; readonly state: 'needs'; readonly sentence: string }
  /** Facts are missing; blocks. */
  | { readonly gate: string; readonly state: 'cannot-tell'; readonly sentence: string }

/** A rule that matches, and whether it acts on what waits. */
export interface AppliedRule {
  /** As people count: from 1. */
  readonly number: number
  readonly rule: RuleOptions
  /** False for what waited before the rule was there. */
  readonly acts: boolean
}

/** What gates look at. Times are milliseconds. */
export interface Facts {
  readonly item: {
    readonly source: string
    readonly version: string
    readonly kind: PendingKind
    readonly suites: readonly string[]
  }
  readonly channel: string
  readonly now: number
  readonly gates: GateOptions
  readonly rule: AppliedRule | null
  /** The hold on the source, if one is in force. */
  readonly hold: Decision | null
  /** The newest verdict of a person on the version that would enter. */
  readonly decision: Decision | null
  /** Who approved the very files that would enter, each person once. */
  readonly approvers: readonly string[]
  /** Who added it to a local archive: does not count among those who approve. */
  readonly uploaders: readonly string[]
  /** The version left upstream, and no higher one took its place. */
  readonly isWithdrawn: boolean
  /** Since when the clock of `soak` runs; null where nobody knows, or where nothing enters. */
  readonly soakingSince: number | null
  /** The version in which a security fix came that the clock is counted from, if it is an older one. */
  readonly soakingFrom: string | null
  /** Upstream hands it out to so many per cent of machines; null: to all. */
  readonly phasedPercentage: number | null
  /** What would enter and cannot be had as things are. */
  readonly absentFiles: readonly AbsentFile[]
}

export type Gate = (facts: Facts) => Verdict

/** In the order in which they are shown. */
const gates: readonly Gate[] = [holds, withdrawn, rules, approvals, soak, phasing, freeze, window, obtainable]

export function judge(facts: Facts): Verdict[] {
  return gates.map((gate) => gate(facts))
}

/** The verdicts that keep a change out. */
export function obstacles(verdicts: readonly Verdict[]): Verdict[] {
  return verdicts.filter((verdict) => verdict.state !== 'pass')
}

const maxTurns = 20

/**
 * When what only waits gets through; null if something else keeps it out, or nothing does. Judged again at each time that
 * a gate names: where a soak ends a window may be closed.
 */
export function eligibleAt(facts: Facts): number | null {
  let at = facts.now
  for (let turn = 0; turn < maxTurns; turn++) {
    const found = obstacles(judge({ ...facts, now: at }))
    if (found.length === 0) return turn === 0 ? null : at
    const times = found.flatMap((verdict) => (verdict.state === 'waiting' ? [verdict.until] : []))
    if (times.length < found.length) return null
    at = Math.max(...times)
  }
  return null
}
