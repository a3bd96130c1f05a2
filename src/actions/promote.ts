// `uus promote`: the caller's approval, and the move at once.
import { z } from 'zod'
import { UusError } from '../lib/errors.ts'
import { parseDuration } from '../lib/units.ts'
import { followChannels } from '../repo/follow-channels.ts'
import type { Uninstallable } from '../repo/installability.ts'
import type { PendingScope } from '../repo/pending-item.ts'
import { promote as carryOut, type PromotionPlan, planPromotion } from '../repo/promote.ts'
import type { Repo } from '../repo/repo.ts'
import { scopeOf } from '../repo/scope.ts'
import { parseSelector, type Selection, select } from '../repo/selectors.ts'
import type { Channel, Snapshot } from '../store/channels.ts'
import type { Placed } from '../store/views.ts'
import { action, type Outcome, type Status } from './action.ts'
import { absentFilesOf, fetchFirst, fetchingStep } from './fetch-first.ts'
import { describePending, type PendingEntry } from './pending.ts'
import { reason } from './shared.ts'

const input = z
  .object({
    selectors: z.array(z.string()).min(1, 'name what to promote'),
    to: z.string().nullable().default(null),
    /** A snapshot id of the feeding channel, or an age. */
    asOf: z.string().nullable().default(null),
    releases: z.array(z.string()).default([]),
    /** Takes along what is needed so that nothing becomes uninstallable. */
    withDeps: z.boolean().default(false),
    include: z.array(z.enum(['republished', 'downgrade', 'remove'])).default([]),
    dryRun: z.boolean().default(false),
    force: z.boolean().default(false),
    reason: reason.nullable().default(null),
  })
  .refine((order) => !order.force || order.reason !== null, {
    message: '--force needs a reason: add --reason "…", it is kept in the audit log',
  })

export interface RefusedEntry {
  readonly source: string
  readonly version: string
  readonly why: readonly string[]
}

export interface RegressionEntry {
  readonly package: string
  readonly version: string
  readonly architecture: string
  readonly why: string
}

export interface PromoteResult extends Outcome {
  readonly channel: string
  readonly from: string
  readonly isDryRun: boolean
  /** What was, or would be, promoted. */
  readonly items: readonly PendingEntry[]
  readonly refused: readonly RefusedEntry[]
  /** Why so great a loss has to be forced. */
  readonly objections: readonly string[]
  /** What could be installed and could not be afterwards. */
  readonly regressions: readonly RegressionEntry[]
  /** Further sources, none of which can be left out, with which nothing would break; null if there are none. */
  readonly mending: readonly string[] | null
  /** Binary packages in and out, `suite component: name version architecture`. */
  readonly entered: readonly string[]
  readonly left: readonly string[]
  readonly snapshot: string | null
}

type Order = z.output<typeof input>

/** What is meant, and what waits of it. */
function choose(
  repo: Repo,
  order: Order,
  approver: string,
): { scope: PendingScope; asOf: Snapshot | null; selection: Selection } {
  const present = scopeOf(repo, order.to, approver)
  const asOf = order.asOf === null ? null : snapshotAsOf(repo, present.feeding, order.asOf)
  const scope: PendingScope = asOf === null ? present : { ...present, revision: asOf.revision }
  const selection = select(order.selectors.map(parseSelector), scope, {
    releases: order.releases,
    include: order.include,
    now: repo.clock.now(),
    takesRipe: !order.force,
  })
  return { scope, asOf, selection }
}

export const promoteStep = fetchingStep<Order, PromoteResult>('promote', ({ repo }, order, call) => {
  const { scope, asOf, selection } = choose(repo, order, call.actor.name)
  return {
    // Of a dry run as well: what can be had is a part of the answer.
    absentFiles: absentFilesOf(scope, selection.items),
    async act() {
      const plan = planPromotion(repo, scope, selection.items, {
        isForced: order.force,
        withDeps: order.withDeps,
      })
      const status = statusOf(selection, plan, order.force)
      const snapshot =
        order.dryRun || status !== 'done'
          ? null
          : await carryOut(
              repo,
              plan,
              { actor: call.actor, reason: order.reason, force: order.force, asOf: asOf?.id ?? null },
              call.emit,
            )
      if (snapshot !== null) await followChannels(repo, call.actor, call.emit)
      const refused = [...describeUnasked(selection), ...describeRefusals(plan)]
      return {
        ...describePlan(repo, plan, status),
        refused,
        isDryRun: order.dryRun,
        snapshot: snapshot?.id ?? null,
      }
    },
  }
})

export const promote = action<Order, PromoteResult>({
  verb: 'promote',
  role: 'approver',
  // Gates bind approvers.
  roleFor: (order) => (order.force ? 'admin' : 'approver'),
  input: input as z.ZodType<Order>,
  run: (context, order, call) => fetchFirst(context, promoteStep, order, call),
})

/** A refusal of what was named stops everything; of what a group brought along, only that. */
function statusOf(selection: Selection, plan: PromotionPlan, isForced: boolean): Status {
  if (selection.unasked.length > 0) return 'refused'
  if (selection.items.length === 0) return 'nothing'
  const isNamedRefused = plan.refused.some(({ item }) => selection.named.has(item))
  if ((plan.objections.length > 0 || plan.regressions.length > 0) && !isForced) return 'refused'
  const isCompanionRefused = plan.refused.some(({ item }) => plan.companions.includes(item))
  return isNamedRefused || isCompanionRefused || plan.items.length === 0 ? 'refused' : 'done'
}

/** A snapshot by id, or the newest that is at least so old. */
function snapshotAsOf(repo: Repo, channel: Channel, asOf: string): Snapshot {
  const { channels } = repo.store
  const age = parseDuration(asOf)
  const found =
    age === null
      ? channels.findSnapshot(channel.id, asOf)
      : channels.snapshotAt(channel.id, repo.clock.now() - age * 1000)
  if (found !== null) return found
  throw new UusError(
    'UNKNOWN_NAME',
    age === null
      ? `Channel ${channel.name} has no snapshot ${asOf}`
      : `Channel ${channel.name} has no snapshot that is ${asOf} old`,
    { hint: `"uus snapshot list ${channel.name}" lists them` },
  )
}

function describeRegression(one: Uninstallable): RegressionEntry {
  const { name, version, architecture, sentence } = one
  return { package: name, version, architecture, why: sentence }
}

/** In words: what would break, and what would help. */
export function describeRegressions({ regressions, mending }: PromotionPlan): string[] {
  const told = regressions.slice(0, 5).map((one) => `Cannot be installed then: ${one.sentence}`)
  if (regressions.length > told.length) told.push(`And ${regressions.length - told.length} more packages`)
  const names = mending?.map((item) => item.source).join(', ') ?? ''
  return names === '' ? told : [...told, `Would enter together with ${names}`]
}

function describeRefusals(plan: PromotionPlan): RefusedEntry[] {
  return plan.refused.map(({ item, obstacles }) => ({
    source: item.source,
    version: item.version,
    why: obstacles.map((verdict) => verdict.sentence),
  }))
}

function describeUnasked(selection: Selection): RefusedEntry[] {
  return selection.unasked.map(({ source, version, kind }) => ({
    source,
    version,
    why: [`Of ${source} only a ${kind} waits, which is done where it is asked for: --include ${kind}`],
  }))
}

function describePlan(
  repo: Repo,
  plan: PromotionPlan,
  status: Status,
): Omit<PromoteResult, 'isDryRun' | 'snapshot' | 'refused'> {
  const indexes = new Map(repo.store.archives.indexes().map((index) => [index.id, index]))
  const describe = (stanza: Placed) => {
    const index = indexes.get(stanza.indexId)!
    return `${index.suite} ${index.component}: ${stanza.name} ${stanza.version} ${stanza.architecture}`
  }
  return {
    status,
    channel: plan.scope.target.name,
    from: plan.scope.feeding.name,
    objections: plan.objections,
    regressions: plan.regressions.map(describeRegression),
    mending: plan.mending?.map((item) => `${item.source}=${item.version}`) ?? null,
    items: status === 'done' ? plan.items.map(describePending) : [],
    entered: status === 'done' ? plan.enter.map(describe).sort() : [],
    left: status === 'done' ? plan.leave.map(describe).sort() : [],
  }
}
