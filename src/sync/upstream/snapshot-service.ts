// Snapshot services keep what archives removed: where a file can be had that the archive has no more. Pure.
import { formatSnapshotId } from '../../lib/units.ts'
import { encodePath } from '../../lib/url-path.ts'
import type { UpstreamArchive } from './archive.ts'

/** When the archive offered a file: from when, and until when (null: still does). Milliseconds. */
export interface OfferedTimes {
  readonly from: number
  readonly until: number | null
}

/** The templates of https://snapshot.ubuntu.com and https://snapshot.debian.org, as apt has them built in. */
const services = {
  ubuntu: 'https://snapshot.ubuntu.com/ubuntu/@SNAPSHOTID@',
  debian: 'https://snapshot.debian.org/archive/@PATH@/@SNAPSHOTID@',
  ppa: 'https://snapshot.ppa.launchpadcontent.net/@PATH@/@SNAPSHOTID@',
} as const

/** A file that was offered for long is in the middle of that time for sure, whatever the service's delay. */
const settledMs = 6 * 3_600_000

/** The addresses to try, in order. */
export function snapshotUrls(
  archive: Pick<UpstreamArchive, 'uris' | 'snapshotUris'>,
  path: string,
  { from, until }: OfferedTimes,
  now: number,
): string[] {
  const end = until ?? now
  const times = [Math.max(from, Math.min(from + settledMs, (from + end) / 2)), from, end - 1000]
  const ids = [...new Set(times.map((at) => formatSnapshotId(Math.floor(at / 1000) * 1000)))]
  const templates = archive.snapshotUris ?? knownServices(archive)
  return templates.flatMap((template) =>
    ids.flatMap((id) =>
      basesOf(archive, template).map((base) => encodePath(base.replace('@SNAPSHOTID@', id), path)),
    ),
  )
}

/** `@PATH@` stands for the path of the archive's own address, as in apt's templates. */
function basesOf({ uris }: Pick<UpstreamArchive, 'uris'>, template: string): string[] {
  const base = Object.hasOwn(services, template) ? services[template as keyof typeof services] : template
  if (!base.includes('@PATH@')) return [base]
  const paths = uris.map(({ uri }) => new URL(uri).pathname.replace(/^\/+|\/+$/g, ''))
  return [...new Set(paths)].map((path) => base.replace('@PATH@', path))
}

/** What is known of public archives; for a mirror with another name the configuration has to say it. */
function knownServices({ uris }: Pick<UpstreamArchive, 'uris'>): string[] {
  const names = uris.flatMap(({ uri }) => serviceOf(new URL(uri).hostname) ?? [])
  return [...new Set(names)]
}

function serviceOf(host: string): string | null {
  if (/^(([a-z]{2}\.)?archive|security|ports|old-releases)\.ubuntu\.com$/.test(host)) return 'ubuntu'
  if (/^((deb|security|ftp)(\.[a-z]{2})?|archive)\.debian\.org$/.test(host)) return 'debian'
  if (host === 'ppa.launchpadcontent.net' || host === 'ppa.launchpad.net') return 'ppa'
  return null
}
