// The half of the composition with the network: what fetches and keeps package files, and what reads the catalogue.

import type { Call, JobsPort, PackageFiles, ServerContext } from './actions/action.ts'
import { type PackagePlace, packageOrigin, packageOriginOnSlave } from './actions/package-origin.ts'
import { syncCheckedStep, syncExamineStep, syncFlipStep, syncStoreStep } from './actions/slave-steps.ts'
import { offeredStep } from './actions/supplies.ts'
import { Supply } from './actions/supply.ts'
import { examineStep } from './actions/update.ts'
import { UploadArea } from './actions/upload-area.ts'
import { type Config, reachableUrl } from './config/config.ts'
import { isLoopback } from './config/tiers.ts'
import { dataPaths, system } from './jobs.ts'
import { BufferPool } from './lib/buffers.ts'
import type { Clock } from './lib/clock.ts'
import { Hasher, type Sha256 } from './lib/digest.ts'
import type { Disk } from './lib/disk.ts'
import { type UpstreamError, UusError } from './lib/errors.ts'
import type { Log } from './lib/log.ts'
import { readRange } from './lib/random-access.ts'
import { Traffic } from './lib/traffic.ts'
import { Turns } from './lib/turns.ts'
import { readVersion } from './lib/version.ts'
import { Fetcher } from './pool/fetcher.ts'
import type { Origin } from './pool/flight.ts'
import { defaultLimits } from './pool/hosts.ts'
import { Pool, type PoolReader } from './pool/pool.ts'
import { reportCache } from './pool/report.ts'
import { Room } from './pool/room.ts'
import { GeneratedFiles } from './repo/publish/assemble.ts'
import { type Published, PublishedLoader } from './repo/published.ts'
import type { Blobs } from './store/blobs.ts'
import { FileBlobs } from './store/file-blobs.ts'
import { Partials } from './store/partials.ts'
import type { PoolFile } from './store/pool-files.ts'
import { Store } from './store/store.ts'
import { MasterLink } from './sync/slave/link.ts'
import { Synchronizer } from './sync/slave/synchronizer.ts'
import { Gatherer } from './sync/upstream/gather.ts'

export interface NetworkSide extends AsyncDisposable {
  readonly context: ServerContext
  readonly pool: Pool
  readonly room: Room
  readonly supply: Supply
  readonly fetcher: Fetcher
  /** For all answers that are under way. */
  readonly buffers: BufferPool
  readonly traffic: Traffic
  readonly packages: Blobs
  readonly generated: GeneratedFiles
  readonly reader: Store
  /** Opens a package file of an archive, fetching it if need be. `path` is below the archive. */
  openPackage(place: PackagePlace, file: PoolFile): Promise<PoolReader>
  /** Has a package file fetched that nobody reads yet. */
  fetchPackage(place: PackagePlace, file: PoolFile): Promise<void>
  /** The same, of a file from anywhere. */
  obtain(origin: Origin, file: PoolFile): Promise<void>
  /** Takes over what was committed since. */
  reload(): void
  /** What somebody should look at: what the catalogue says, and what only this process knows. */
  alarms(): { readonly key: string; readonly message: string; readonly hint: string | null }[]
}

/** What all answers that are under way may hold in memory. */
const answerBytes = 64 << 20

/** Reads the catalogue, fetches, serves. The catalogue exists already. */
export async function openNetworkSide(
  config: Config,
  jobs: JobsPort,
  disk: Disk,
  clock: Clock,
  log: Log,
  port: () => number | null,
): Promise<NetworkSide> {
  const paths = dataPaths(config.dataFolder)
  const reader = Store.openReader(paths.catalogue)
  const incoming = new FileBlobs(paths.incoming, disk, { transient: true })
  await incoming.prepare()
  await incoming.clear()
  const uploads = new FileBlobs(paths.uploads, disk, { transient: true })
  await uploads.prepare()
  await uploads.clear()
  const fetcher = new Fetcher(readVersion(), { ...defaultLimits, ...config.limits }, clock)
  const examineCall: Call = { actor: system, emit: () => {} }
  const gatherer = new Gatherer(fetcher, incoming, (input) => jobs.run(examineStep, input, examineCall))
  const generated = new GeneratedFiles(reader.texts, new FileBlobs(paths.published, disk))
  const synchronizer = openSynchronizer(config, { fetcher, incoming, reader, jobs })
  const originOf = (place: PackagePlace, { sha256 }: PoolFile) => {
    if (synchronizer !== null)
      return packageOriginOnSlave(config, { fetcher, reader, link: synchronizer.link }, place)
    const offeredTimes = () => jobs.run(offeredStep, { sha256 }, examineCall)
    const sources = { config, fetcher, offeredTimes, now: () => clock.now() }
    return packageOrigin(sources, place.archive, place.path)
  }
  const cache = await openCache(config, disk, clock, log, reader, () => supply)
  const packages: PackageFiles = {
    has: async (sha256) => (await cache.packages.sizeOf(sha256)) !== null,
    obtain: (archive, path, file) =>
      cache.pool.obtain(file, () =>
        originOf({ archive, path, channels: channelsWith(load(), archive) }, file),
      ),
    open: (sha256) => cache.packages.open(sha256),
    store: (sha256, chunks) => storePackage(cache.packages, sha256, chunks),
    quarantine: (sha256) => quarantine(cache.packages, new FileBlobs(paths.quarantine, disk), sha256),
  }
  const supply = new Supply({
    jobs,
    packages,
    clock,
    log,
    call: { actor: system, emit: (event) => event.type === 'alarm' && log('warn', event.message) },
    prefetch: config.limits.prefetch,
  })
  let published: Published | null = null
  const loader = new PublishedLoader(reader, config.channels, clock)
  const load = () => loader.load()
  return {
    ...cache,
    context: {
      config,
      clock,
      jobs,
      gatherer,
      packages,
      supply,
      uploads: new UploadArea(uploads, config.uploads, clock),
      suiteTurns: new Turns(),
      published: () => {
        published ??= load()
        return published
      },
      synchronizer,
      flushContacts: async () => {},
      openGenerated: (sha256) => generated.open(sha256),
      readCatalogue: (read) => reader.db.read(() => read(reader)),
      baseUrl: () => reachableUrl(config, port() ?? config.listen.port),
      cache: () =>
        cache.room.isStarted ? reportCache(cache.room, cache.pool, cache.traffic, fetcher.hosts) : null,
    },
    fetcher,
    supply,
    fetchPackage: (place, file) => cache.pool.obtain(file, () => originOf(place, file)),
    obtain: (origin, file) => cache.pool.obtain(file, () => origin),
    openPackage: (place, file) => cache.pool.open(file, () => originOf(place, file)),
    generated,
    reader,
    reload: () => {
      published = load()
    },
    alarms: () => [...reader.alarms.list(), ...cache.room.alarms(), ...supply.alarms()],
    async [Symbol.asyncDispose]() {
      await supply[Symbol.asyncDispose]()
      await cache.pool[Symbol.asyncDispose]()
      await supply.idle()
      await cache.room[Symbol.asyncDispose]()
      fetcher[Symbol.dispose]()
      reader[Symbol.dispose]()
    },
  }
}

async function storePackage(
  packages: Blobs,
  sha256: Sha256,
  chunks: AsyncIterable<Buffer>,
): Promise<boolean> {
  const hasher = new Hasher()
  const writer = await packages.create()
  try {
    for await (const chunk of chunks) {
      hasher.update(chunk)
      await writer.write(chunk)
    }
    if (hasher.digest() !== sha256) return false
    await writer.commit()
    return true
  } finally {
    await writer.discard()
  }
}

function channelsWith({ channels }: Published, archive: string): string[] {
  return [...channels.values()].flatMap(({ name, archives }) => (archives.has(archive) ? [name] : []))
}

interface SynchronizerParts {
  readonly fetcher: Fetcher
  readonly incoming: Blobs
  readonly reader: Store
  readonly jobs: JobsPort
}

/** The way of a slave to what its master has; null on a master. */
function openSynchronizer(
  { master, upstreamProxy }: Config,
  { fetcher, incoming, reader, jobs }: SynchronizerParts,
): Synchronizer | null {
  if (master === null) return null
  const { url, tokenFile, ca } = master
  const link = new MasterLink({
    fetcher,
    url,
    tokenFile,
    transport: {
      proxy: isLoopback(new URL(url).hostname) ? null : upstreamProxy,
      ca,
      clientCertificate: null,
      clientKey: null,
      auth: null,
    },
    serverId: reader.settings.get('server-id') ?? '',
  })
  const call: Call = { actor: system, emit: () => {} }
  return new Synchronizer(link, incoming, reader, {
    examine: (received) => jobs.run(syncExamineStep, received, call),
    store: (parts) => jobs.run(syncStoreStep, parts, call),
    flip: (received) => jobs.run(syncFlipStep, received, call),
    checked: (channel, at) => jobs.run(syncCheckedStep, { channel, at }, call),
  })
}

/** Package files: what is here, what is fetched, and what has to make room. */
async function openCache(
  config: Config,
  disk: Disk,
  clock: Clock,
  log: Log,
  reader: Store,
  supply: () => Supply,
) {
  const paths = dataPaths(config.dataFolder)
  const packages = new FileBlobs(paths.pool, disk)
  const partials = new Partials(paths.partial, packages, disk)
  await packages.prepare()
  await partials.prepare()
  const buffers = new BufferPool(answerBytes)
  const traffic = new Traffic()
  const { maxBytes, minFreeBytes } = config.cache
  const room: Room = new Room({
    blobs: packages,
    partials,
    maxBytes,
    minFreeBytes,
    clock,
    // Whatever upstream offers can be had again; what people uploaded cannot.
    protects: (sha256) => supply().protects(sha256) || reader.localPackages.isKept(sha256),
    learnProtected: () => supply().look(),
    isBusy: (sha256) => pool.isFetching(sha256),
    onError: (error) => log('error', UusError.from(error).message),
  })
  const pool = new Pool({
    blobs: packages,
    partials,
    buffers,
    clock,
    deadlineSeconds: config.limits.deadlineSeconds,
    room,
    onBytes: (archive, bytes) => {
      traffic.upstream(archive).fetchedBytes += bytes
    },
    onTrouble: (archive, error) => {
      traffic.upstream(archive).troubles++
      logTrouble(log, archive, error)
    },
  })
  return { packages, buffers, traffic, room, pool }
}

/** Damaged bytes, under the digest that they have now. */
async function quarantine(packages: Blobs, aside: Blobs, sha256: Sha256): Promise<void> {
  await aside.prepare()
  const opened = await packages.open(sha256)
  if (opened === null) return
  await using blob = opened
  const writer = await aside.create()
  try {
    for await (const chunk of readRange(blob, 0, blob.sizeBytes)) await writer.write(chunk)
    await writer.commit()
  } catch {
    await writer.discard() // not even readable: there is nothing to look at
  }
  await packages.delete(sha256)
}

/** A host that is left alone was logged when it failed. */
function logTrouble(log: Log, archive: string, error: UpstreamError): void {
  if (error.code === 'UPSTREAM_RESTING') return
  log('warn', error.message, { archive, code: error.code })
}
