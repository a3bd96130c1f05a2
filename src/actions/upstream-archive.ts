// The configuration of an archive, as the upstream side wants it.
import type { ArchiveConfig } from '../config/archives.ts'
import type { Config } from '../config/config.ts'
import type { UpstreamArchive } from '../sync/upstream/archive.ts'

/** Those that somebody is asked for. */
export function upstreamArchives(config: Config): UpstreamArchive[] {
  return config.archives
    .filter((archive) => archive.local === null)
    .map((archive) => upstreamArchive(archive, config))
}

export function upstreamArchive(archive: ArchiveConfig, config: Config): UpstreamArchive {
  return { ...archive, transport: { proxy: config.upstreamProxy, ...archive.tls, auth: archive.auth } }
}
