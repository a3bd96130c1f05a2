// The composition of the forward proxy: upstream's own archives through the same package cache, on a port of its own.
import type { Call, JobsPort } from './actions/action.ts'
import { readForwardedStep, verifyForwardedStep } from './actions/forward.ts'
import { upstreamArchives } from './actions/upstream-archive.ts'
import type { Config } from './config/config.ts'
import type { ProxyConfig } from './config/limits.ts'
import { isFlatSuite, suiteFolder } from './debian/index-kinds.ts'
import { dataPaths, system } from './jobs.ts'
import type { AccessLog } from './lib/access-log.ts'
import type { Clock } from './lib/clock.ts'
import type { Sha256 } from './lib/digest.ts'
import { RealDisk } from './lib/disk.ts'
import { UpstreamError, UusError } from './lib/errors.ts'
import type { Log } from './lib/log.ts'
import { Slots } from './lib/slots.ts'
import { encodePath } from './lib/url-path.ts'
import { listenHttp } from './listen.ts'
import type { NetworkSide } from './network.ts'
import type { Access } from './proxy/access.ts'
import { createConnectHandler } from './proxy/connect.ts'
import { createForwardHandler, type ForwardArchives, forwardName } from './proxy/forward.ts'
import type { PoolFile } from './store/pool-files.ts'
import { architectureOfPath, type UpstreamArchive } from './sync/upstream/archive.ts'
import { type ForwardedFile, ForwardReleases } from './sync/upstream/forward.ts'
import { packageIndexOf } from './sync/upstream/forward-index.ts'

export interface ForwardParts {
  readonly config: Config
  readonly jobs: JobsPort
  readonly network: NetworkSide
  readonly accessLog: AccessLog | null
  readonly access: Access | null
  readonly clock: Clock
  readonly log: Log
}

/** Listens; disposing it stops that. */
export async function openForwardProxy(
  parts: ForwardParts,
  proxy: ProxyConfig,
): Promise<AsyncDisposable & { readonly port: number }> {
  const { config, network, accessLog, access, log } = parts
  const upstream = new Forwarding(parts, proxy)
  const handle = createForwardHandler({
    upstream,
    networks: proxy.networks,
    files: network.generated,
    buffers: network.buffers,
    traffic: network.traffic,
    memoryBytes: config.cache.memoryBytes,
    openPackage: (place, file) => upstream.open(place.archive, place.path, file),
    isSuspect: (sha256) => network.pool.isSuspect(sha256),
    accessLog,
    access,
    onUsed: (_place, sha256) => network.room.used(sha256),
    onError: (error, path) =>
      log('warn', UusError.from(error).message, { path: path.replace(/\/\/[^/]*@/, '//') }),
  })
  const listener = await listenHttp(
    { ...proxy.listen, certificate: null, connectionsPerClient: config.clients.connections },
    handle,
  )
  listener.server.on(
    'connect',
    createConnectHandler({
      allowed: proxy.connect,
      networks: proxy.networks,
      onAnswer: (client, target, status) => {
        accessLog?.write({ client, method: 'CONNECT', path: target, status, bytes: 0, ms: 0 })
      },
    }),
  )
  return listener
}

/** Files that nothing names are held in memory as a whole. */
const passOnBytes = 32 << 20
const passOnsAtATime = 2

class Forwarding implements ForwardArchives {
  readonly #parts: ForwardParts
  readonly #proxy: ProxyConfig
  readonly #upstreams: ReadonlyMap<string, UpstreamArchive>
  readonly #releases: ForwardReleases
  readonly #call: Call = { actor: system, emit: () => {} }
  /** Indexes that were looked into, or are being looked into. */
  readonly #reading = new Map<Sha256, Promise<void>>()
  readonly #slots = new Slots(passOnsAtATime)

  constructor(parts: ForwardParts, proxy: ProxyConfig) {
    const { config, jobs, network, clock, log } = parts
    this.#parts = parts
    this.#proxy = proxy
    this.#upstreams = new Map(upstreamArchives(config).map((one) => [one.name, one]))
    this.#releases = new ForwardReleases({
      fetcher: network.fetcher,
      verify: (archive, suite, fetched) =>
        jobs.run(verifyForwardedStep, { archive, suite, fetched }, this.#call),
      folder: dataPaths(config.dataFolder).forward,
      disk: new RealDisk(),
      clock,
      onTrouble: (archive, error) => log('warn', UusError.from(error).message, { archive, of: forwardName }),
    })
  }

  get archives() {
    return this.#parts.config.archives
  }

  closedBecause(archive: string): string | null {
    if (!this.#proxy.refusesGated) return null
    const gated = this.#parts.config.channels.filter(({ follows }) => !follows)
    const shown = gated.find(({ name }) => {
      const channel = this.#parts.network.context.published().channels.get(name)
      return channel?.archives.has(archive) ?? true
    })
    if (shown === undefined) return null
    return `Archive ${archive} is gated here: take it from channel ${shown.name}, not through this proxy`
  }

  async release(archive: string, path: string, client: string) {
    const upstream = this.#upstreams.get(archive)!
    const folder = path.slice(0, path.lastIndexOf('/') + 1)
    const isSuite = path.startsWith('dists/') || upstream.suites.some((suite) => isFlatFolder(suite, folder))
    return isSuite ? this.#releases.release(upstream, path, client) : null
  }

  async index(archive: string, path: string, client: string) {
    const found = await this.#releases.find(archive, path, client)
    if (found === null) return null
    this.#readSoon(archive, found)
    const { sha256, sizeBytes, lastModified, isImmutable } = found
    return { sha256, sizeBytes, lastModified, isImmutable }
  }

  /** Once it is here, what it names is known. */
  #readSoon(archive: string, file: ForwardedFile): void {
    const { sha256, plainPath: path, plainBytes } = file
    if (packageIndexOf(path) === null || this.#reading.has(sha256)) return
    const { network, jobs, log } = this.#parts
    const reading = network
      .obtain(this.#origin(archive, file.paths), file)
      .then(() => jobs.run(readForwardedStep, { archive, path, sha256, plainBytes }, this.#call))
      .then(
        () => {},
        (error) => {
          this.#reading.delete(sha256)
          log('warn', UusError.from(error).message, { archive, of: forwardName })
        },
      )
    this.#reading.set(sha256, reading)
  }

  async package(archive: string, path: string): Promise<PoolFile | null> {
    const { reader } = this.#parts.network
    const find = () => reader.forwardedFiles.find(archive, path)
    const known = find()
    if (known !== null) return known
    await Promise.all(this.#reading.values())
    const read = find()
    if (read !== null || !/\.(u?deb|ddeb|dsc|tar\.\w+|diff\.gz|asc)$/.test(path)) return read
    // The client's lists are older than this server: what upstream's present indexes name is looked up.
    const architecture = architectureOfPath(path)
    const wanted = architecture === null ? this.#upstreams.get(archive)!.architectures : [architecture]
    const isWanted = (name: string) => {
      const index = packageIndexOf(name)
      if (index === null) return false
      return (
        index.isSources === !/\.\w*deb$/.test(path) &&
        (index.isSources || wanted.some((one) => name.includes(`binary-${one}/`) || !name.includes('/')))
      )
    }
    for (const file of await this.#releases.packageIndexes(archive, isWanted)) this.#readSoon(archive, file)
    await Promise.all(this.#reading.values())
    return find()
  }

  async open(archive: string, path: string, file: PoolFile) {
    const index = await this.#releases.findByDigest(archive, path, file.sha256)
    const { network } = this.#parts
    if (index === null) return network.openPackage({ archive, path, channels: [] }, file)
    return network.pool.open(file, () => this.#origin(archive, index.paths))
  }

  #origin(archive: string, paths: readonly string[]) {
    const { fetcher } = this.#parts.network
    const { uris, transport } = this.#upstreams.get(archive)!
    return {
      archive,
      urls: paths.flatMap((path) => uris.map(({ uri }) => encodePath(uri, path))),
      fetch: (url: string, part: Parameters<typeof fetcher.fetchPart>[1], signal: AbortSignal) =>
        fetcher.fetchPart(url, part, { transport, signal }),
      recycle: (bytes: Buffer) => fetcher.recycle(bytes),
    }
  }

  async passOn(archive: string, path: string): Promise<Buffer | null> {
    using _slot = await this.#slots.take()
    const { uris, transport } = this.#upstreams.get(archive)!
    let failure: unknown = null
    for (const { uri } of uris) {
      try {
        const url = encodePath(uri, path)
        const answer = await this.#parts.network.fetcher.fetchSmall(url, passOnBytes, { transport })
        if (answer.outcome === 'ok') return answer.bytes
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error
        failure ??= error
      }
    }
    if (failure !== null) throw failure
    return null
  }
}

function isFlatFolder(suite: string, folder: string): boolean {
  return isFlatSuite(suite) && `${suiteFolder(suite)}/`.replace(/^\//, '') === folder
}
