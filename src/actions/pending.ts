// `uus pending`: what waits for a gated channel. `uus explain`: every gate's verdict on it.
import { z } from 'zod'
import { obstacles, type Verdict } from '../repo/gates/gate.ts'
import { explainInstallable, judgeAlone } from '../repo/judge-installable.ts'
import { Waiting } from '../repo/pending.ts'
import type { PendingItem, PendingScope } from '../repo/pending-item.ts'
import type { Repo } from '../repo/repo.ts'
import { scopeOf } from '../repo/scope.ts'
import { parseSelector, refuseUnknownReleases, select } from '../repo/selectors.ts'
import type { ClaimKey, Claims } from '../store/claims.ts'
import { action, type Listing, listing, readStep, stepAction } from './action.ts'
import { type ChangelogFacts, type ChangelogQuestion, changelogOf, changelogQuestion } from './changelog.ts'
import { claimKey, claimsOf, recordClaimsStep } from './claims.ts'
import { isoOrNull } from './shared.ts'

/** A waiting source version, for people and programs. */
export interface PendingEntry {
  readonly source: string
  readonly kind: string
  readonly from: string | null
  readonly to: string
  readonly release: string
  readonly archive: string
  readonly suites: readonly string[]
  /** Since when the feeding channel has it. */
  readonly since: string | null
  /** needs: only people's approval; ignored: by a rule. */
  readonly state: 'ready' | 'blocked' | 'waiting' | 'needs' | 'ignored'
  /** When it gets through by itself, if it only waits. */
  readonly eligibleAt: string | null
  /** The feeding channel has a newer version by now. */
  readonly isSuperseded: boolean
  readonly verdicts: readonly Verdict[]
  /** What its changelog claims since `from`; null if nobody has looked. */
  readonly claimed: Claims | null
  readonly packages: readonly string[]
}

export interface PendingResult extends Listing<PendingEntry> {
  readonly channel: string
  readonly from: string
}

export function describePending(item: PendingItem): PendingEntry {
  const state = stateOf(item)
  return {
    source: item.source,
    kind: item.kind,
    from: item.from,
    to: item.version,
    release: item.release,
    archive: item.archive,
    suites: item.suites,
    since: isoOrNull(item.since),
    state,
    eligibleAt: isoOrNull(state === 'waiting' ? item.eligibleAt : null),
    isSuperseded: item.revision !== null,
    verdicts: item.verdicts,
    claimed: item.claims,
    packages: [
      ...new Set(
        [...item.arrived, ...item.gone].map((one) => `${one.name} ${one.version} ${one.architecture}`),
      ),
    ].sort(),
  }
}

/** With the verdict of the gate that looks at all that enters, as if this entered by itself. */
export function describeJudged(repo: Repo, scope: PendingScope, item: PendingItem): PendingEntry {
  return describePending({ ...item, verdicts: [...item.verdicts, judgeAlone(repo, scope, item)] })
}

function stateOf({ verdicts, rule, approvers }: PendingItem): PendingEntry['state'] {
  if (rule?.acts === true && rule.rule.action === 'ignore' && approvers.length === 0) return 'ignored'
  const states = new Set(obstacles(verdicts).map((verdict) => verdict.state))
  if (states.size === 0) return 'ready'
  if (states.has('blocked') || states.has('cannot-tell')) return 'blocked'
  return states.has('needs') ? 'needs' : 'waiting'
}

const pendingInput = z.object({
  channel: z.string().nullable().default(null),
  releases: z.array(z.string()).default([]),
})

const pendingStep = readStep<z.output<typeof pendingInput>, PendingResult>('pending', ({ repo }, order) => {
  const scope = scopeOf(repo, order.channel)
  refuseUnknownReleases(repo.store, order.releases)
  const waiting = new Waiting(scope)
  const present = waiting
    .all()
    .filter((item) => order.releases.length === 0 || order.releases.includes(item.release))
  const items = [...present, ...waiting.ripeInstead(present)]
    .sort((a, b) => (a.source < b.source ? -1 : a.source > b.source ? 1 : 0))
    .map((item) => describeJudged(repo, scope, item))
  return { ...listing(items), channel: scope.target.name, from: scope.feeding.name }
})

export const pending = stepAction(
  { verb: 'pending', role: 'viewer', input: pendingInput as z.ZodType<z.output<typeof pendingInput>> },
  pendingStep,
)

const explainInput = z.object({
  selectors: z.array(z.string()).min(1),
  to: z.string().nullable().default(null),
  releases: z.array(z.string()).default([]),
})

export interface ExplainedEntry extends PendingEntry {
  /** Null where nothing enters that has one, or too much was asked at once. */
  readonly changelog: ChangelogFacts | null
}

export interface ExplainResult extends Listing<ExplainedEntry> {
  readonly channel: string
  readonly from: string
}

/** What the gates say, and where the changelogs would be; both lists in the same order. */
interface Explanation {
  readonly result: PendingResult
  readonly questions: readonly (ChangelogQuestion | null)[]
  readonly keys: readonly ClaimKey[]
}

export const explainStep = readStep<z.output<typeof explainInput>, Explanation>(
  'explain',
  ({ repo }, order) => {
    const scope = scopeOf(repo, order.to)
    const selection = select(order.selectors.map(parseSelector), scope, {
      releases: order.releases,
      include: ['republished', 'downgrade', 'remove'],
      now: repo.clock.now(),
    })
    const chosen = [...selection.items, ...new Waiting(scope).ripeInstead(selection.items)]
    const items = chosen.map((item) =>
      describePending({ ...item, verdicts: [...item.verdicts, explainInstallable(repo, scope, item)] }),
    )
    const status = items.length === 0 ? 'nothing' : 'done'
    const result: PendingResult = { items, status, channel: scope.target.name, from: scope.feeding.name }
    return { result, questions: chosen.map(changelogQuestion), keys: chosen.map(claimKey) }
  },
)

/** Each may have to be fetched: of more at once, only the gates are told. */
const maxChangelogs = 10

export const explain = action<z.output<typeof explainInput>, ExplainResult>({
  verb: 'explain',
  role: 'viewer',
  input: explainInput as z.ZodType<z.output<typeof explainInput>>,
  async run(context, order, call) {
    const { result, questions, keys } = await context.jobs.run(explainStep, order, call)
    const isFew = questions.length <= maxChangelogs
    const changelogs = await Promise.all(
      questions.map((one) => (one === null || !isFew ? null : changelogOf(context, one, call))),
    )
    const read = changelogs.flatMap((facts, at) =>
      facts === null || facts.isTransient ? [] : [{ key: keys[at]!, facts }],
    )
    // What was read is known from now on.
    if (read.length > 0) await context.jobs.run(recordClaimsStep, read, call)
    const items = result.items.map((item, at) => {
      const facts = changelogs[at] ?? null
      return {
        ...item,
        claimed: facts === null || facts.isTransient ? item.claimed : claimsOf(facts),
        changelog: facts,
      }
    })
    return { ...result, items }
  },
})
