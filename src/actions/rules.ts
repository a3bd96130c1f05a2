// `uus rules test`: what each waiting item would get of the rules, and why.
import { z } from 'zod'
import { listPending } from '../repo/pending.ts'
import { scopeOf } from '../repo/scope.ts'
import { refuseUnknownReleases } from '../repo/selectors.ts'
import { type Listing, listing, readStep, stepAction } from './action.ts'
import { describePending, type PendingEntry } from './pending.ts'

const input = z.object({
  channel: z.string().nullable().default(null),
  releases: z.array(z.string()).default([]),
})

export interface RuleEntry extends PendingEntry {
  /** The first rule that matches, from 1; null if none does. */
  readonly rule: number | null
  readonly action: string | null
  /** False for what waited before the rule was there. */
  readonly acts: boolean
}

export interface RulesResult extends Listing<RuleEntry> {
  readonly channel: string
  readonly rules: number
}

const rulesStep = readStep<z.output<typeof input>, RulesResult>('rules test', ({ repo }, order) => {
  const scope = scopeOf(repo, order.channel)
  refuseUnknownReleases(repo.store, order.releases)
  const items = listPending(scope)
    .filter((item) => order.releases.length === 0 || order.releases.includes(item.release))
    .map((item) => ({
      ...describePending(item),
      rule: item.rule?.number ?? null,
      action: item.rule?.rule.action ?? null,
      acts: item.rule?.acts ?? false,
    }))
  return { ...listing(items), channel: scope.target.name, rules: scope.judging.rules.length }
})

export const rulesTest = stepAction(
  { verb: 'rules test', role: 'viewer', input: input as z.ZodType<z.output<typeof input>> },
  rulesStep,
)
