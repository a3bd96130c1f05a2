// The configuration of an archive, as the upstream side wants it.
import type { ArchiveConfig, Config } from '../config/config.ts'
import type { UpstreamArchive } from '../sync/upstream/archive.ts'

export function upstreamArchive(archive: ArchiveConfig, config: Config): UpstreamArchive {
  return { ...archive, transport: { proxy: config.upstreamProxy, ...archive.tls, auth: archive.auth } }
}
