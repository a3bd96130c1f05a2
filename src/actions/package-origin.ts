// Where a package file of an archive can be fetched from, as the configuration has it.
import type { Config } from '../config/config.ts'
import { encodePath } from '../lib/url-path.ts'
import type { Fetcher } from '../pool/fetcher.ts'
import type { Origin } from '../pool/flight.ts'
import type { Store } from '../store/store.ts'
import type { MasterLink } from '../sync/slave/link.ts'
import { architectureOfPath, urisOfFile } from '../sync/upstream/archive.ts'
import { type OfferedTimes, snapshotUrls } from '../sync/upstream/snapshot-service.ts'
import { upstreamArchive } from './upstream-archive.ts'

/** A package file, below an archive. */
export interface PackagePlace {
  readonly archive: string
  readonly path: string
  /** Channels that name it, as far as that is known. */
  readonly channels: readonly string[]
}

export interface PackageSources {
  readonly config: Config
  readonly fetcher: Fetcher
  /** When upstream offered the file; null if that is not known. */
  offeredTimes(): Promise<OfferedTimes | null>
  now(): number
}

/** `path` is below the archive. A local archive has no address, nor has one that left the configuration. */
export function packageOrigin(sources: PackageSources, name: string, path: string): Origin {
  const { config, fetcher } = sources
  const configured = config.archives.find((one) => one.name === name)
  if (configured === undefined || configured.local !== null)
    return { archive: name, urls: [], fetch: neverFetch }
  const archive = upstreamArchive(configured, config)
  const { transport } = archive
  const urls = urisOfFile(archive, null, architectureOfPath(path)).map((uri) => encodePath(uri, path))
  // What the archive is shown is no other service's business.
  const elsewhere = { ...transport, auth: null, clientCertificate: null, clientKey: null }
  return {
    archive: name,
    urls,
    lastResorts: async () => {
      const now = sources.now()
      if (snapshotUrls(archive, path, { from: now, until: null }, now).length === 0) return []
      const times = await sources.offeredTimes()
      return times === null ? [] : snapshotUrls(archive, path, times, now)
    },
    fetch: (url, part, signal) =>
      fetcher.fetchPart(url, part, { transport: urls.includes(url) ? transport : elsewhere, signal }),
    recycle: (bytes) => fetcher.recycle(bytes),
  }
}

/** For a slave: its master, and if that is away the archive itself, as the master says where it is. */
export function packageOriginOnSlave(
  config: Config,
  { fetcher, reader, link }: { readonly fetcher: Fetcher; readonly reader: Store; readonly link: MasterLink },
  { archive, path, channels }: PackagePlace,
): Origin {
  const ofMaster = channels.map((channel) => encodePath(`${link.url}/${channel}/${archive}`, path))
  const known = channels.flatMap((channel) => {
    const id = reader.channels.find(channel)?.id
    const archives = (id === undefined ? null : reader.followed.find(id))?.archives ?? []
    return archives.filter(({ name }) => name === archive)
  })
  const toMaster = link.transportFor(known.some(({ access }) => access !== null))
  const architecture = architectureOfPath(path)
  const ofArchive = known
    .flatMap(({ uris }) => uris)
    .filter(({ architectures }) => architecture === null || (architectures?.includes(architecture) ?? true))
    .map(({ uri }) => encodePath(uri, path))
  const upstream = { proxy: config.upstreamProxy, ...noTls }
  return {
    archive,
    urls: [...new Set([...ofMaster, ...ofArchive])],
    fetch: (url, part, signal) =>
      fetcher.fetchPart(url, part, { transport: ofMaster.includes(url) ? toMaster : upstream, signal }),
    recycle: (bytes) => fetcher.recycle(bytes),
  }
}

const noTls = { ca: null, clientCertificate: null, clientKey: null, auth: null }

function neverFetch(): never {
  throw new Error('Internal error: no address')
}
