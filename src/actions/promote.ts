// `uus promote`: the caller's approval, and the move at once.
import { z } from 'zod'
import { UusError } from '../lib/errors.ts'
import { parseDuration } from '../lib/units.ts'
import { followChannels } from '../repo/follow-channels.ts'
import type { NeededFile } from '../repo/needed-files.ts'
import type { PendingScope } from '../repo/pending.ts'
import { promote as carryOut, type PromotionPlan, planPromotion, scopeOf } from '../repo/promote.ts'
import type { Repo } from '../repo/repo.ts'
import { parseSelector, type Selection, select } from '../repo/selectors.ts'
import type { Channel, Snapshot } from '../store/channels.ts'
import type { Placed } from '../store/views.ts'
import { action, type Outcome, readStep, type Status, step } from './action.ts'
import { absentFilesOf, fetchFirst } from './fetch-first.ts'
import { describePending, type PendingEntry } from './pending.ts'
import { reason } from './shared.ts'

const input = z
  .object({
    selectors: z.array(z.string()).min(1, 'name what to promote'),
    to: z.string().nullable().default(null),
    /** A snapshot id of the feeding channel, or an age. */
    asOf: z.string().nullable().default(null),
    releases: z.array(z.string()).default([]),
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

export interface PromoteResult extends Outcome {
  readonly channel: string
  readonly from: string
  readonly isDryRun: boolean
  /** What was, or would be, promoted. */
  readonly items: readonly PendingEntry[]
  readonly refused: readonly RefusedEntry[]
  /** Why so great a loss has to be forced. */
  readonly objections: readonly string[]
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
): { scope: PendingScope; asOf: Snapshot | null; selection: Selection } {
  const { target, feeding } = scopeOf(repo, order.to)
  const asOf = order.asOf === null ? null : snapshotAsOf(repo, feeding, order.asOf)
  const scope: PendingScope = {
    store: repo.store,
    packages: repo.packages,
    target,
    feeding,
    ...(asOf === null ? {} : { revision: asOf.revision }),
  }
  const selection = select(order.selectors.map(parseSelector), scope, {
    releases: order.releases,
    include: order.include,
    now: repo.clock.now(),
  })
  return { scope, asOf, selection }
}

/** Of a dry run as well: what can be had is a part of the answer. */
const needsStep = readStep<Order, NeededFile[]>('promote-needs', ({ repo }, order) => {
  const { scope, selection } = choose(repo, order)
  return absentFilesOf(scope, selection.items)
})

const promoteStep = step<Order, PromoteResult>('promote', async ({ repo }, order, call) => {
  const { scope, asOf, selection } = choose(repo, order)
  const plan = planPromotion(scope, selection.items, order.force)
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
})

export const promoteSteps = [needsStep, promoteStep] as const

export const promote = action<Order, PromoteResult>({
  verb: 'promote',
  role: 'approver',
  input: input as z.ZodType<Order>,
  run: (context, order, call) => fetchFirst(context, needsStep, promoteStep, order, call),
})

/** A refusal of what was named stops everything; of what a group brought along, only that. */
function statusOf(selection: Selection, plan: PromotionPlan, isForced: boolean): Status {
  if (selection.unasked.length > 0) return 'refused'
  if (selection.items.length === 0) return 'nothing'
  const isNamedRefused = plan.refused.some(({ item }) => selection.named.has(item))
  if (plan.objections.length > 0 && !isForced) return 'refused'
  return isNamedRefused || plan.items.length === 0 ? 'refused' : 'done'
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
    items: status === 'done' ? plan.items.map(describePending) : [],
    entered: status === 'done' ? plan.enter.map(describe).sort() : [],
    left: status === 'done' ? plan.leave.map(describe).sort() : [],
  }
}
