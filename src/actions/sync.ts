// `uus sync`: a slave brings itself to what its master has, once.
import { z } from 'zod'
import { type ErrorValue, UusError } from '../lib/errors.ts'
import type { Synchronizer } from '../sync/slave/synchronizer.ts'
import { action, type Call, type Outcome, type ServerContext } from './action.ts'
import { syncFailedStep, syncResolvedStep } from './slave-steps.ts'

export interface ChannelSync {
  readonly channel: string
  readonly outcome: 'new' | 'renewed' | 'unchanged' | 'failed'
  /** What is served now. */
  readonly snapshot: string | null
  readonly error: ErrorValue | null
}

export interface SyncResult extends Outcome {
  readonly master: string
  readonly items: readonly ChannelSync[]
}

const nothing = z.object({})
type Nothing = z.output<typeof nothing>

export const sync = action<Nothing, SyncResult>({
  verb: 'sync',
  role: 'admin',
  input: nothing as z.ZodType<Nothing>,
  run: (context, _input, call) => syncOnce(context, call),
})

/** USAGE on a master. */
export async function syncOnce(context: ServerContext, call: Call): Promise<SyncResult> {
  const { synchronizer } = context
  if (synchronizer === null) {
    throw new UusError('USAGE', 'This server is a master: it follows nobody', {
      hint: 'Run "uus update" to adopt what the archives offer',
    })
  }
  const channels = await greet(context, synchronizer, call)
  const items: ChannelSync[] = []
  for (const channel of channels) items.push(await syncChannel(context, synchronizer, channel, call))
  const isFailed = items.some(({ outcome }) => outcome === 'failed')
  return { status: isFailed ? 'failed' : 'done', master: synchronizer.link.url, items }
}

async function greet(
  { jobs }: ServerContext,
  { link }: Synchronizer,
  call: Call,
): Promise<readonly string[]> {
  try {
    const { channels } = await link.hello()
    await jobs.run(syncResolvedStep, { channel: '' }, call)
    return channels
  } catch (error) {
    await jobs.run(syncFailedStep, { channel: '', error: UusError.from(error).toValue() }, call)
    throw error
  }
}

async function syncChannel(
  { jobs, published }: ServerContext,
  synchronizer: Synchronizer,
  channel: string,
  call: Call,
): Promise<ChannelSync> {
  const served = () => published().channels.get(channel)?.head?.id ?? null
  try {
    const result = await synchronizer.sync({ channel, waitSeconds: 0, looksThrough: true, emit: call.emit })
    await jobs.run(syncResolvedStep, { channel }, call)
    const snapshot = result.outcome === 'unchanged' ? served() : result.flipped.snapshot
    return { channel, outcome: result.outcome, snapshot, error: null }
  } catch (thrown) {
    const error = UusError.from(thrown).toValue()
    await jobs.run(syncFailedStep, { channel, error }, call)
    return { channel, outcome: 'failed', snapshot: served(), error }
  }
}
