// Where a package file of an archive can be fetched from, as the configuration has it.
import type { Config } from '../config/config.ts'
import { encodePath } from '../lib/url-path.ts'
import type { Fetcher } from '../pool/fetcher.ts'
import type { Origin } from '../pool/flight.ts'
import { architectureOfPath, urisOfFile } from '../sync/upstream/archive.ts'
import { upstreamArchive } from './upstream-archive.ts'

/** `path` is below the archive. A local archive has no address, nor has one that left the configuration. */
export function packageOrigin(config: Config, fetcher: Fetcher, name: string, path: string): Origin {
  const configured = config.archives.find((one) => one.name === name)
  if (configured === undefined || configured.local !== null)
    return { archive: name, urls: [], fetch: neverFetch }
  const archive = upstreamArchive(configured, config)
  const { transport } = archive
  return {
    archive: name,
    urls: urisOfFile(archive, null, architectureOfPath(path)).map((uri) => encodePath(uri, path)),
    fetch: (url, part, signal) => fetcher.fetchPart(url, part, { transport, signal }),
    recycle: (bytes) => fetcher.recycle(bytes),
  }
}

function neverFetch(): never {
  throw new Error('Internal error: no address')
}
