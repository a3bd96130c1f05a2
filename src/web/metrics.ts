// `/metrics`: the numbers for Prometheus. Labels name archives, suites and channels, never packages or machines.
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { ServerContext } from '../actions/action.ts'

export interface Watched {
  /** Alarms that are on. */
  alarms(): readonly { readonly key: string }[]
  /** Configured suites. */
  suites(): readonly { readonly archive: string; readonly name: string; readonly checkedAt: number | null }[]
}

type Report = NonNullable<ReturnType<ServerContext['cache']>>
type Labels = Readonly<Record<string, string>>
/** One value of a metric. */
type Sample = readonly [value: number, labels?: Labels]

export function createMetrics(context: ServerContext, watched: Watched): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  // Tells whoever asks which holes to try.
  registry.removeSingleMetric('nodejs_version_info')
  const define = new Definitions(registry)
  defineChannels(define, context)
  defineUpstream(define, context)
  defineCache(define, context)
  defineSupply(define, context)
  defineState(define, watched)
  return registry
}

/** Metrics whose values are looked up when somebody asks. */
class Definitions {
  readonly #registry: Registry

  constructor(registry: Registry) {
    this.#registry = registry
  }

  counter(name: string, help: string, labelNames: string[], samples: () => readonly Sample[]): void {
    new Counter({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [value, labels] of samples()) this.inc(labels ?? {}, value)
      },
    })
  }

  gauge(name: string, help: string, labelNames: string[], samples: () => readonly Sample[]): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [value, labels] of samples()) this.set(labels ?? {}, value)
      },
    })
  }
}

function defineChannels(define: Definitions, context: ServerContext): void {
  type Channel = Report['channels'][number]
  const each = (pick: (channel: Channel) => readonly Sample[]) => () =>
    (context.cache()?.channels ?? []).flatMap((one) => {
      const { channel, archive } = one
      return pick(one).map(([value, labels]): Sample => [value, { channel, archive, ...labels }])
    })
  const labels = ['channel', 'archive']
  define.counter(
    'uus_package_requests_total',
    'Package files that were asked for, by where they came from',
    [...labels, 'outcome'],
    each(({ hits, misses, joined }) => [
      [hits, { outcome: 'hit' }],
      [misses, { outcome: 'miss' }],
      [joined, { outcome: 'joined' }],
    ]),
  )
  define.counter(
    'uus_index_requests_total',
    'Indexes and signed files that were sent',
    labels,
    each(({ indexes }) => [[indexes]]),
  )
  define.counter(
    'uus_unmodified_total',
    'Answers that the client has it already',
    labels,
    each(({ unmodified }) => [[unmodified]]),
  )
  define.counter(
    'uus_failures_total',
    'Answers that failed',
    labels,
    each(({ failures }) => [[failures]]),
  )
  define.counter(
    'uus_client_bytes_total',
    'Bytes sent to clients',
    [...labels, 'kind'],
    each(({ packageBytes, indexBytes }) => [
      [packageBytes, { kind: 'package' }],
      [indexBytes, { kind: 'index' }],
    ]),
  )
}

function defineUpstream(define: Definitions, context: ServerContext): void {
  type Archive = Report['archives'][number]
  const each = (pick: (archive: Archive) => number) => () =>
    (context.cache()?.archives ?? []).map((one): Sample => [pick(one), { archive: one.archive }])
  const labels = ['archive']
  define.counter(
    'uus_upstream_bytes_total',
    'Bytes of package files fetched from upstream',
    labels,
    each((one) => one.fetchedBytes),
  )
  define.counter(
    'uus_upstream_troubles_total',
    'Addresses that failed, or sent something else',
    labels,
    each((one) => one.troubles),
  )
  define.gauge(
    'uus_saved_bytes',
    'Bytes sent to clients without being fetched for them',
    labels,
    each((one) => one.savedBytes),
  )
  define.gauge(
    'uus_flights',
    'Package files being fetched',
    labels,
    each((one) => one.inFlight),
  )
  define.gauge('uus_upstream_hosts_resting', 'Upstream hosts that failed and are left alone', [], () => [
    [context.cache()?.restingHosts.length ?? 0],
  ])
}

function defineCache(define: Definitions, context: ServerContext): void {
  const one = (pick: (report: Report) => number | null) => (): readonly Sample[] => {
    const report = context.cache()
    const value = report === null ? null : pick(report)
    return value === null ? [] : [[value]]
  }
  define.gauge(
    'uus_cache_bytes',
    'Disk that package files take',
    [],
    one((report) => report.usedBytes),
  )
  define.gauge(
    'uus_cache_max_bytes',
    'Disk that they may take',
    [],
    one((report) => report.maxBytes),
  )
  define.gauge(
    'uus_cache_protected_bytes',
    'Disk of package files that must stay',
    [],
    one((report) => report.protectedBytes),
  )
  define.gauge(
    'uus_cache_files',
    'Package files that are here',
    [],
    one((report) => report.files),
  )
  define.counter(
    'uus_cache_evicted_files_total',
    'Package files that made room',
    [],
    one((report) => report.evictedFiles),
  )
  define.counter(
    'uus_cache_evicted_bytes_total',
    'Disk that was freed so',
    [],
    one((report) => report.evictedBytes),
  )
}

function defineSupply(define: Definitions, { supply }: ServerContext): void {
  type Counts = ReturnType<typeof supply.counts>
  const one = (pick: (counts: Counts) => number) => (): readonly Sample[] => [[pick(supply.counts())]]
  const gauge = (name: string, help: string, pick: (counts: Counts) => number) =>
    define.gauge(name, help, [], one(pick))
  gauge('uus_files_kept', 'Package files that upstream dropped and that stay here', (now) => now.keptFiles)
  gauge(
    'uus_files_at_risk',
    'Package files that upstream dropped and that are not here yet',
    (now) => now.atRiskFiles,
  )
  gauge('uus_files_lost', 'Package files that upstream dropped and that nobody has', (now) => now.lostFiles)
  gauge(
    'uus_prefetch_waiting_files',
    'Package files to be fetched before clients ask',
    (now) => now.waitingFiles,
  )
  define.counter(
    'uus_prefetched_files_total',
    'Package files fetched before clients asked',
    [],
    one((now) => now.prefetchedFiles),
  )
  define.counter(
    'uus_prefetched_bytes_total',
    'Bytes of them',
    [],
    one((now) => now.prefetchedBytes),
  )
}

function defineState(define: Definitions, { alarms, suites }: Watched): void {
  define.gauge('uus_alarms', 'Alarms that are on', [], () => [[alarms().length]])
  define.gauge(
    'uus_suite_stale',
    'Whether upstream of a suite is away or out of date',
    ['archive', 'suite'],
    () => {
      const keys = new Set(alarms().map((alarm) => alarm.key))
      return suites().map(({ archive, name }) => {
        const isStale = keys.has(`stale:${archive}/${name}`) || keys.has(`suite:${archive}/${name}`)
        return [isStale ? 1 : 0, { archive, suite: name }]
      })
    },
  )
  define.gauge(
    'uus_suite_checked_timestamp_seconds',
    'When upstream was last asked with success',
    ['archive', 'suite'],
    () =>
      suites().flatMap(({ archive, name, checkedAt }): Sample[] =>
        checkedAt === null ? [] : [[checkedAt / 1000, { archive, suite: name }]],
      ),
  )
}
