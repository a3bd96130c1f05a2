// What a slave says of itself to its master.
import type { Clock } from '../../lib/clock.ts'
import { retainedFrom, timesOf } from '../../repo/published.ts'
import type { Channel } from '../../store/channels.ts'
import type { NestedReport, SlaveChannelReport, SlaveReport } from '../../store/slaves.ts'
import type { Store } from '../../store/store.ts'

export interface SelfContext {
  readonly reader: Store
  readonly clock: Clock
  readonly version: string
  /** Of package files; null while it is being counted. */
  readonly cacheBytes: number | null
  readonly diskFreeBytes: number | null
}

/** How many servers below it a slave tells of. */
const maxBelow = 1000

export function describeSelf(context: SelfContext): SlaveReport {
  const { reader, version, cacheBytes, diskFreeBytes } = context
  const failures = new Map(reader.followed.failures().map((failure) => [failure.channel, failure]))
  const problemOf = (channel: string): SlaveChannelReport['problem'] => {
    const failure = failures.get(channel)
    if (failure === undefined) return null
    const { failedAt, error, resolvedAt } = failure
    return { at: failedAt, message: error.message, isOver: resolvedAt !== null }
  }
  const channels = reader.channels.list().filter(({ parentId }) => parentId !== null)
  const untaken = [...failures.keys()].filter((name) => !channels.some((channel) => channel.name === name))
  return {
    version,
    server: reader.settings.get('server-id') ?? '',
    channels: [
      ...channels.map((channel) => ({
        ...describeChannel(context, channel),
        problem: problemOf(channel.name),
      })),
      ...untaken.map((name) => ({
        name,
        snapshot: null,
        oldest: null,
        date: null,
        problem: problemOf(name),
      })),
    ],
    diskFreeBytes,
    cacheBytes,
    below: reader.slaves
      .list()
      .slice(0, maxBelow)
      .map(({ name, contactAt, report }): NestedReport => ({ name, contactAt, report })),
  }
}

function describeChannel(
  { reader, clock }: SelfContext,
  channel: Channel,
): Omit<SlaveChannelReport, 'problem'> {
  const first = retainedFrom(reader, channel, timesOf(reader, [], channel), clock.now())
  const retained = reader.channels.snapshots(channel.id).filter(({ revision }) => revision >= first)
  return {
    name: channel.name,
    snapshot: reader.channels.head(channel.id)?.id ?? null,
    oldest: retained.at(-1)?.id ?? null,
    date: reader.manifests.find(channel.id)?.date ?? null,
  }
}
