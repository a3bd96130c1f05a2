// What a request's path names. A path is served only if a signed index of that very channel names it.
import { decodePath } from '../lib/url-path.ts'
import type {
  Published,
  PublishedChannel,
  PublishedFile,
  ServedArchive,
  SignedFile,
} from '../repo/published.ts'
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
  | {
      readonly type: 'file'
      readonly place: Place
      readonly file: Exclude<PublishedFile, { type: 'signed' }>
    }
  | { readonly type: 'package'; readonly place: Place; readonly file: PoolFile }
  /** An index of upstream's own, kept among the package files. */
  | {
      readonly type: 'index'
      readonly place: Place
      readonly file: PoolFile & { readonly lastModified: number; readonly isImmutable: boolean }
    }

export type Resolved =
  | Found
  /** The signed files of a snapshot, which are renewed when they are asked for. */
  | { readonly type: 'signed'; readonly place: Place; readonly file: SignedFile }
  /** Not a channel's URL. */
  | { readonly type: 'elsewhere' }
  | { readonly type: 'absent'; readonly why: string }
  | { readonly type: 'not-yet'; readonly channel: string }

export function resolve(published: Published, target: string): Resolved {
  const path = decodePath(target)
  if (path === null) return { type: 'elsewhere' }
  const [channelName, archiveName, ...rest] = path.split('/')
  if (channelName === 'snapshots') return resolveSnapshot(published, path)
  const channel = published.channels.get(channelName!)
  if (channel === undefined) return { type: 'elsewhere' }
  if (channel.archives.size === 0) return { type: 'not-yet', channel: channel.name }
  const archive = archiveName === undefined ? undefined : channel.archives.get(archiveName)
  if (archive === undefined) {
    return { type: 'absent', why: `Channel ${channel.name} has: ${[...channel.archives.keys()].join(', ')}` }
  }
  const findPackage = (name: string) => published.findPackage(channel, archive, name)
  return resolveInArchive(channel, archive, rest.join('/'), findPackage)
}

/** `snapshots/CHANNEL/TIME/ARCHIVE/…`; also `snapshots/CHANNEL/ARCHIVE/TIME/…`, as apt's own templates have it. */
function resolveSnapshot(published: Published, path: string): Resolved {
  const [, channelName, second = '', third = '', ...rest] = path.split('/')
  const channel = published.channels.get(channelName ?? '')
  if (channel === undefined) return { type: 'absent', why: `There is no channel "${channelName ?? ''}"` }
  const [time, archiveName] = /^\d{8}T/.test(third) ? [third, second] : [second, third]
  const snapshot = published.findSnapshot(channel, time)
  if (snapshot.type === 'absent') return snapshot
  const archive = snapshot.archives.get(archiveName)
  if (archive === undefined) {
    const names = [...snapshot.archives.keys()].join(', ')
    return { type: 'absent', why: `Snapshot ${snapshot.id} of ${channel.name} has: ${names}` }
  }
  return resolveInArchive(channel, archive, rest.join('/'), (name) => snapshot.findPackage(archive, name))
}

function resolveInArchive(
  channel: PublishedChannel,
  archive: ServedArchive,
  path: string,
  findPackage: (path: string) => PoolFile | null,
): Resolved {
  const place = { channel: channel.name, archive: archive.name, path }
  const file = archive.files.get(path)
  if (file?.type === 'signed') return { type: 'signed', place, file }
  if (file !== undefined) return { type: 'file', place, file }
  // Some archives keep their packages below dists/: any path that an index names will do.
  const poolFile = path === '' ? null : findPackage(path)
  if (poolFile !== null) return { type: 'package', place, file: poolFile }
  return { type: 'absent', why: `No index of channel ${channel.name} names this file` }
}
