// What a request's path names. A path is served only if a signed index of that very channel names it.
import { decodePath } from '../lib/url-path.ts'
import type { Published, PublishedArchive, PublishedChannel, PublishedFile } from '../repo/published.ts'
import type { PoolFile } from '../store/pool-files.ts'

/** Where a file was found, for the counters. */
export interface Place {
  readonly channel: string
  readonly archive: string
  /** Below the archive. */
  readonly path: string
}

/** A file to answer with, wherever the URL stood. */
export type Found =
  | { readonly type: 'file'; readonly place: Place; readonly file: PublishedFile }
  | { readonly type: 'package'; readonly place: Place; readonly file: PoolFile }

export type Resolved =
  | Found
  /** Not a channel's URL. */
  | { readonly type: 'elsewhere' }
  | { readonly type: 'absent'; readonly why: string }
  | { readonly type: 'not-yet'; readonly channel: string }

export function resolve(published: Published, target: string): Resolved {
  const path = decodePath(target)
  if (path === null) return { type: 'elsewhere' }
  const [channelName, archiveName, ...rest] = path.split('/')
  const channel = published.channels.get(channelName!)
  if (channel === undefined) return { type: 'elsewhere' }
  if (channel.archives.size === 0) return { type: 'not-yet', channel: channel.name }
  const archive = archiveName === undefined ? undefined : channel.archives.get(archiveName)
  if (archive === undefined) {
    return { type: 'absent', why: `Channel ${channel.name} has: ${[...channel.archives.keys()].join(', ')}` }
  }
  return resolveInArchive(published, channel, archive, rest.join('/'))
}

function resolveInArchive(
  published: Published,
  channel: PublishedChannel,
  archive: PublishedArchive,
  path: string,
): Resolved {
  const place = { channel: channel.name, archive: archive.name, path }
  const file = archive.files.get(path)
  if (file !== undefined) return { type: 'file', place, file }
  // Some archives keep their packages below dists/: any path that an index names will do.
  const poolFile = path === '' ? null : published.findPackage(channel, archive, path)
  if (poolFile !== null) return { type: 'package', place, file: poolFile }
  return { type: 'absent', why: `No index of channel ${channel.name} names this file` }
}
