// The composition of what makes servers follow one another: what this one gives to slaves, and on a slave what keeps it
// at its master's heels.
import { statfs } from 'node:fs/promises'
import type { Call, JobsPort } from './actions/action.ts'
import {
  deliveredStep,
  nextBatchStep,
  queueTrafficStep,
  syncFailedStep,
  syncResolvedStep,
  unwantStep,
} from './actions/slave-steps.ts'
import { SyncSource } from './actions/sync-source.ts'
import type { Config } from './config/config.ts'
import { system } from './jobs.ts'
import type { Clock } from './lib/clock.ts'
import type { Emit } from './lib/events.ts'
import type { Log } from './lib/log.ts'
import type { Traffic } from './lib/traffic.ts'
import { readVersion } from './lib/version.ts'
import type { NetworkSide } from './network.ts'
import type { TrafficCounts } from './sync/protocol/events.ts'
import { Follower } from './sync/slave/follower.ts'
import { Prefetcher } from './sync/slave/prefetcher.ts'
import { describeSelf } from './sync/slave/self-report.ts'
import type { Synchronizer } from './sync/slave/synchronizer.ts'

export interface TierParts {
  readonly config: Config
  readonly network: NetworkSide
  readonly jobs: JobsPort
  readonly clock: Clock
  readonly log: Log
  readonly emit: Emit
}

export interface Tiers extends AsyncDisposable {
  readonly source: SyncSource
  /** Something was committed. */
  changed(): void
  /** Resolves when a slave has asked its master once. */
  start(): Promise<unknown>
}

export function openTiers(parts: TierParts): Tiers {
  const { config, network, jobs, clock, log } = parts
  const { synchronizer } = network.context
  const source = new SyncSource({
    reader: network.reader,
    jobs,
    clock,
    log,
    version: readVersion(),
    isMaster: config.role === 'master',
    chain: () => synchronizer?.link.chain ?? [],
  })
  const following = synchronizer === null ? null : openFollower(parts, synchronizer)
  return {
    source,
    changed: () => source.changed(),
    start: () => {
      source.start()
      return following?.start() ?? Promise.resolve()
    },
    async [Symbol.asyncDispose]() {
      await following?.[Symbol.asyncDispose]()
      await source[Symbol.asyncDispose]()
    },
  }
}

function openFollower(parts: TierParts, synchronizer: Synchronizer) {
  const { config, network, jobs, clock, log, emit } = parts
  const { reader } = network
  const call: Call = { actor: system, emit }
  const prefetcher = new Prefetcher({
    wanted: () => reader.followed.wanted(),
    fetch: ({ channelId, archiveId, path, sha256, sizeBytes }) => {
      const archive = reader.archives.list().find(({ id }) => id === archiveId)!.name
      const channels = [reader.channels.get(channelId).name]
      return network.fetchPackage({ archive, path, channels }, { sha256, sizeBytes })
    },
    done: (file) => jobs.run(unwantStep, file, call),
    log,
  })
  const counts = new NewTraffic(network.traffic)
  const follower = new Follower({
    synchronizer,
    clock,
    log,
    emit,
    jobs: {
      failed: (channel, error) => jobs.run(syncFailedStep, { channel, error }, call),
      resolved: (channel) => jobs.run(syncResolvedStep, { channel }, call),
      queue: () => counts.take((news) => jobs.run(queueTrafficStep, news, call)),
      nextBatch: () => jobs.run(nextBatchStep, {}, call),
      delivered: (id) => jobs.run(deliveredStep, { id }, call),
    },
    async describeSelf() {
      const { bavail, bsize } = await statfs(config.dataFolder)
      return describeSelf({
        reader,
        clock,
        version: readVersion(),
        cacheBytes: network.context.cache()?.usedBytes ?? null,
        diskFreeBytes: bavail * bsize,
      })
    },
    onNew: () => prefetcher.wake(),
  })
  return {
    start: () => {
      prefetcher.wake()
      return follower.start()
    },
    async [Symbol.asyncDispose]() {
      await follower[Symbol.asyncDispose]()
      await prefetcher[Symbol.asyncDispose]()
    },
  }
}

/** What clients got since somebody noted it down. */
class NewTraffic {
  readonly #traffic: Traffic
  #noted: TrafficCounts = { requests: 0, servedBytes: 0, savedBytes: 0 }

  constructor(traffic: Traffic) {
    this.#traffic = traffic
  }

  /** Counts again next time what could not be noted. */
  async take(note: (news: TrafficCounts) => Promise<void>): Promise<void> {
    const now = totals(this.#traffic)
    const news = {
      requests: now.requests - this.#noted.requests,
      servedBytes: now.servedBytes - this.#noted.servedBytes,
      savedBytes: Math.max(0, now.savedBytes - this.#noted.savedBytes),
    }
    if (news.requests === 0 && news.servedBytes === 0) return
    await note(news)
    this.#noted = now
  }
}

function totals(traffic: Traffic): TrafficCounts {
  const channels = traffic.channels()
  const sum = (pick: (one: (typeof channels)[number]) => number) =>
    channels.reduce((total, one) => total + pick(one), 0)
  const fetched = traffic.upstreams().reduce((total, one) => total + one.fetchedBytes, 0)
  const servedBytes = sum((one) => one.packageBytes + one.indexBytes)
  return {
    requests: sum((one) => one.hits + one.misses + one.joined + one.indexes + one.unmodified),
    servedBytes,
    savedBytes: Math.max(0, servedBytes - fetched),
  }
}
