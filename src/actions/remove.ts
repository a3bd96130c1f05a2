// `uus remove`: source versions out of a channel, and barred from it.
import { z } from 'zod'
import { UusError } from '../lib/errors.ts'
import { followChannels } from '../repo/follow-channels.ts'
import { remove as carryOut, planRemoval, type Removal, type RemovalOrder } from '../repo/remove.ts'
import type { Repo } from '../repo/repo.ts'
import { type Outcome, step, stepAction } from './action.ts'
import { findAnyChannel } from './channels.ts'
import { reason } from './shared.ts'

const input = z.object({
  selectors: z.array(z.string()).min(1, 'name what to remove'),
  channel: z.string(),
  releases: z.array(z.string()).default([]),
  block: z.boolean().default(false),
  force: z.boolean().default(false),
  dryRun: z.boolean().default(false),
  reason,
})

export interface RemovedEntry {
  readonly source: string
  readonly version: string
  readonly release: string
  readonly packages: readonly string[]
}

export interface RemoveResult extends Outcome {
  readonly channel: string
  readonly isBlocked: boolean
  readonly isDryRun: boolean
  /** What was, or would be, removed. */
  readonly items: readonly RemovedEntry[]
  readonly objections: readonly string[]
  readonly snapshot: string | null
}

export const removeStep = step<z.output<typeof input>, RemoveResult>(
  'remove',
  async ({ repo }, order, call) => {
    const channel = findAnyChannel(repo, order.channel)
    const removal: RemovalOrder = {
      channel,
      selectors: order.selectors,
      releases: order.releases,
      reason: order.reason,
      isBlocked: order.block,
      isForced: order.force,
      actor: call.actor,
    }
    const plan = planRemoval(repo, removal)
    if (channel.parentId === null) refuseOthers(repo, plan)
    const isRefused = plan.objections.length > 0 && !order.force
    const snapshot = isRefused || order.dryRun ? null : await carryOut(repo, plan, removal, call.emit)
    if (snapshot !== null) await followChannels(repo, call.actor, call.emit)
    const groups = Map.groupBy(plan.stanzas, (one) => `${one.source} ${one.sourceVersion} ${one.release}`)
    return {
      status: isRefused ? 'refused' : 'done',
      channel: channel.name,
      isBlocked: order.block,
      isDryRun: order.dryRun,
      items: [...groups.values()].map((stanzas) => ({
        source: stanzas[0]!.source,
        version: stanzas[0]!.sourceVersion,
        release: stanzas[0]!.release,
        packages: [...new Set(stanzas.map((one) => one.name))].sort(),
      })),
      objections: plan.objections,
      snapshot: snapshot?.id ?? null,
    }
  },
)

/** What people added can be taken out again; what others offer is theirs. */
function refuseOthers({ store }: Repo, { stanzas }: Removal): void {
  const local = new Set(store.archives.list().flatMap(({ id, isLocal }) => (isLocal ? [id] : [])))
  if (stanzas.every((stanza) => local.has(stanza.archiveId))) return
  throw new UusError(
    'USAGE',
    'upstream is what the archives offer: only packages of local ones can be removed',
    {
      hint: 'Remove it from the channel that shows it',
    },
  )
}

export const remove = stepAction(
  { verb: 'remove', role: 'admin', input: input as z.ZodType<z.output<typeof input>> },
  removeStep,
)
