// Gates: rules that a change must pass before it enters a gated channel. Each is a pure function from facts to a
// verdict with one sentence for a person; this file is the one place that knows them all.
import type { Decision } from '../../store/decisions.ts'
import type { PendingKind } from '../classify.ts'
import { holds } from './holds.ts'
import { type AbsentFile, obtainable } from './obtainable.ts'
import { withdrawn } from './withdrawn.ts'

export type Verdict =
  | { readonly gate: string; readonly state: 'pass'; readonly sentence: string }
  /** Passes by itself at `until` (milliseconds). */
  | { readonly gate: string; readonly state: 'waiting'; readonly sentence: string; readonly until: number }
  | { readonly gate: string; readonly state: 'blocked'; readonly sentence: string }
  | { readonly gate: string; readonly state: 'needs'; readonly sentence: string }
  /** Facts are missing; blocks. */
  | { readonly gate: string; readonly state: 'cannot-tell'; readonly sentence: string }

/** What gates look at. */
export interface Facts {
  readonly item: { readonly source: string; readonly version: string; readonly kind: PendingKind }
  readonly channel: string
  /** The hold on the source, if one is in force. */
  readonly hold: Decision | null
  /** The newest verdict of a person on the version that would enter. */
  readonly decision: Decision | null
  /** The version left upstream, and no higher one took its place. */
  readonly isWithdrawn: boolean
  /** What would enter and cannot be had as things are. */
  readonly absentFiles: readonly AbsentFile[]
}

export type Gate = (facts: Facts) => Verdict

/** In the order in which they are shown. */
const gates: readonly Gate[] = [holds, withdrawn, obtainable]

export function judge(facts: Facts): Verdict[] {
  return gates.map((gate) => gate(facts))
}

/** The verdicts that keep a change out. */
export function obstacles(verdicts: readonly Verdict[]): Verdict[] {
  return verdicts.filter((verdict) => verdict.state !== 'pass')
}
