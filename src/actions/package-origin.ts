// Where a package file of an archive can be fetched from, as the configuration has it.
import type { Config } from '../config/config.ts'
import { encodePath } from '../lib/url-path.ts'
import type { Fetcher } from '../pool/fetcher.ts'
import type { Origin } from '../pool/flight.ts'
import type { Store } from '../store/store.ts'
import type { MasterLink } from '../sync/slave/link.ts'
import { architectureOfPath, urisOfFile } from '../sync/upstream/archive.ts'
import { upstreamArchive } from './upstream-archive.ts'

/** A package file, below an archive. */
export interface PackagePlace {
  readonly archive: string
  readonly path: string
  /** Channels that name it, as far as that is known. */
  readonly channels: readonly string[]
}

/** An archive that left the configuration has no address any more. */
export function packageOrigin(config: Config, fetcher: Fetcher, name: string, path: string): Origin {
  const configured = config.archives.find((one) => one.name === name)
  if (configured === undefined) return { archive: name, urls: [], fetch: neverFetch }
  const archive = upstreamArchive(configured, config)
  const { transport } = archive
  return {
    archive: name,
    urls: urisOfFile(archive, null, architectureOfPath(path)).map((uri) => encodePath(uri, path)),
    fetch: (url, part, signal) => fetcher.fetchPart(url, part, { transport, signal }),
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
    return (id === undefined ? null : reader.followed.find(id))?.archives ?? []
  })
  const architecture = architectureOfPath(path)
  const ofArchive = known
    .filter(({ name }) => name === archive)
    .flatMap(({ uris }) => uris)
    .filter(({ architectures }) => architecture === null || (architectures?.includes(architecture) ?? true))
    .map(({ uri }) => encodePath(uri, path))
  const upstream = { proxy: config.upstreamProxy, ...noTls }
  return {
    archive,
    urls: [...new Set([...ofMaster, ...ofArchive])],
    fetch: (url, part, signal) =>
      fetcher.fetchPart(url, part, { transport: ofMaster.includes(url) ? link.transport : upstream, signal }),
    recycle: (bytes) => fetcher.recycle(bytes),
  }
}

const noTls = { ca: null, clientCertificate: null, clientKey: null }

function neverFetch(): never {
  throw new Error('Internal error: no address')
}
