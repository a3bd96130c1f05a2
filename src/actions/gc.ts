// `uus gc`: files of snapshots that nobody needs any more.
import { z } from 'zod'
import { type Collected, collect } from '../repo/collect.ts'
import { type Outcome, step, stepAction } from './action.ts'

const input = z.object({ dryRun: z.boolean().default(false) })

export interface GcResult extends Outcome, Collected {
  readonly isDryRun: boolean
}

export const gcStep = step<z.output<typeof input>, GcResult>('gc', async ({ repo }, order, call) => {
  const collected = await collect(repo, { actor: call.actor, isDryRun: order.dryRun })
  const isNothing = collected.snapshots.length === 0 && collected.files === 0 && collected.packs === 0
  return { status: isNothing ? 'nothing' : 'done', isDryRun: order.dryRun, ...collected }
})

export const gc = stepAction(
  { verb: 'gc', role: 'admin', input: input as z.ZodType<z.output<typeof input>> },
  gcStep,
)
