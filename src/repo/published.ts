// What is served, as one immutable value: built from the catalogue after each commit, then only looked up.
// Reads only the tables that serving needs.
import { posix } from 'node:path'
import { isInstallerComponent, isVariant, suiteFolder } from '../debian/index-kinds.ts'
import type { Sha256 } from '../lib/digest.ts'
import type { Channel, Snapshot } from '../store/channels.ts'
import type { AuditKey } from '../store/checkpoints.ts'
import type { SigningKey } from '../store/keys.ts'
import type { PoolFile } from '../store/pool-files.ts'
import type { Head } from '../store/publications.ts'
import type { Store } from '../store/store.ts'
import type { ChannelOptions } from './options.ts'

/** A generated file: in memory (what is signed), or a blob. */
export type PublishedFile = { readonly lastModified: number } & (
  | { readonly type: 'bytes'; readonly bytes: Buffer }
  | {
      readonly type: 'blob'
      readonly sha256: Sha256
      readonly sizeBytes: number
      readonly isImmutable: boolean
    }
)

export interface PublishedSuite {
  readonly name: string
  readonly release: string
  readonly components: readonly string[]
  /** Without variants, which no sources entry names; empty for a flat suite. */
  readonly architectures: readonly string[]
  readonly hasSources: boolean
  readonly date: number
  readonly validUntil: number | null
}

export interface PublishedArchive {
  readonly id: number
  readonly name: string
  readonly suites: readonly PublishedSuite[]
  /** By path below the archive: `dists/…`. */
  readonly files: ReadonlyMap<string, PublishedFile>
}

export interface PublishedChannel {
  readonly id: number
  readonly name: string
  /** Null until the first snapshot. */
  readonly head: Snapshot | null
  readonly archives: ReadonlyMap<string, PublishedArchive>
  /** Package files named by snapshots from this revision on are served. */
  readonly retainedSince: number
  readonly validForSeconds: number | null
  /** Active first. */
  readonly keys: readonly SigningKey[]
}

export interface Published {
  readonly channels: ReadonlyMap<string, PublishedChannel>
  /** What the audit log is signed by; newest first. */
  readonly auditKeys: readonly AuditKey[]
  /** A package file that a channel names so, now or in a retained snapshot. One indexed look-up. */
  findPackage(channel: PublishedChannel, archive: PublishedArchive, path: string): PoolFile | null
}

/** The Last-Modified of whatever never changes under its name: the same on every server and for ever. */
export const immutableSince = Date.UTC(2000, 0, 1)

/** How many snapshots are kept however old they are, the present one included. */
const keptSnapshots = 3

export function loadPublished(store: Store, options: readonly ChannelOptions[], now: number): Published {
  return store.db.read(() => {
    const heads = store.publications.heads()
    const channels = store.channels
      .list()
      .filter((channel) => channel.parentId !== null)
      .map((channel) => loadChannel(store, channel, heads, options, now))
    return {
      channels: new Map(channels.map((channel) => [channel.name, channel])),
      auditKeys: store.checkpoints.keys(),
      findPackage: (channel, archive, path) =>
        store.poolFiles.find(channel.id, archive.id, path, channel.retainedSince),
    }
  })
}

function loadChannel(
  store: Store,
  channel: Channel,
  allHeads: readonly Head[],
  options: readonly ChannelOptions[],
  now: number,
): PublishedChannel {
  const settings = options.find((one) => one.name === channel.name)
  const snapshots = store.channels.snapshots(channel.id)
  const retainedSince = firstRetained(snapshots, now - (settings?.keepSeconds ?? 0) * 1000)
  const heads = allHeads.filter((head) => head.channelId === channel.id)
  const retained = store.publications.since(channel.id, retainedSince)
  return {
    id: channel.id,
    name: channel.name,
    head: snapshots[0] ?? null,
    archives: loadArchives(store, heads, retained),
    retainedSince,
    validForSeconds: settings?.validForSeconds ?? null,
    keys: store.keys.list(channel.id).filter((key) => key.role !== 'retired'),
  }
}

/**
 * The oldest revision that clients may still be working from. `snapshots` are newest first; one is kept until it has
 * not been current since `keepSince`, and the newest few in any case.
 */
export function firstRetained(snapshots: readonly Snapshot[], keepSince: number): number {
  let first = 0
  for (const [index, snapshot] of snapshots.entries()) {
    const successor = snapshots[index - 1]
    if (index >= keptSnapshots && successor !== undefined && successor.at <= keepSince) break
    first = snapshot.revision
  }
  return first
}

interface ArchiveInTheMaking extends PublishedArchive {
  readonly suites: PublishedSuite[]
  readonly files: Map<string, PublishedFile>
}

function loadArchives(
  store: Store,
  heads: readonly Head[],
  retained: readonly { suiteId: number; publicationId: number }[],
): Map<string, PublishedArchive> {
  const suites = new Map(store.archives.suites().map((suite) => [suite.id, suite]))
  const archives = new Map<string, ArchiveInTheMaking>()
  for (const head of heads) {
    const suite = suites.get(head.suiteId)!
    const archive: ArchiveInTheMaking = archives.get(suite.archive) ?? {
      id: suite.archiveId,
      name: suite.archive,
      suites: [],
      files: new Map(),
    }
    archives.set(suite.archive, archive)
    const folder = suiteFolder(suite.name)
    const plainPaths: string[] = []
    for (const file of store.publications.files(head.publicationId)) {
      if (!file.isServed) plainPaths.push(file.path)
      else addFile(archive.files, posix.join(folder, file.path), { ...file, lastModified: head.date })
    }
    addSigned(archive.files, folder, head, store)
    archive.suites.push(describeSuite(suite.name, suite.release!, head, plainPaths))
  }
  for (const { suiteId, publicationId } of retained) {
    const suite = suites.get(suiteId)!
    const archive = archives.get(suite.archive)
    if (archive === undefined) continue
    for (const file of store.publications.files(publicationId)) {
      if (file.isServed) addByHash(archive.files, posix.join(suiteFolder(suite.name), file.path), file)
    }
  }
  return archives
}

interface BlobFile {
  readonly sha256: Sha256
  readonly sizeBytes: number
}

function addFile(
  files: Map<string, PublishedFile>,
  path: string,
  file: BlobFile & { lastModified: number },
): void {
  const { sha256, sizeBytes, lastModified } = file
  files.set(path, { type: 'blob', sha256, sizeBytes, lastModified, isImmutable: false })
}

function addByHash(files: Map<string, PublishedFile>, path: string, { sha256, sizeBytes }: BlobFile): void {
  const name = posix.join(posix.dirname(path), 'by-hash', 'SHA256', sha256)
  files.set(name, { type: 'blob', sha256, sizeBytes, lastModified: immutableSince, isImmutable: true })
}

function addSigned(files: Map<string, PublishedFile>, folder: string, head: Head, store: Store): void {
  const { inRelease, release, releaseGpg } = store.publications.envelopeOf(head.channelId, head.suiteId)
  for (const [name, bytes] of [
    ['InRelease', inRelease],
    ['Release', release],
    ['Release.gpg', releaseGpg],
  ] as const) {
    files.set(posix.join(folder, name), { type: 'bytes', bytes, lastModified: head.date })
  }
}

/** `main/binary-amd64/Packages` says component and architecture; a flat suite has neither. */
function describeSuite(
  name: string,
  release: string,
  head: Head,
  plainPaths: readonly string[],
): PublishedSuite {
  const parts = plainPaths
    .map((path) => /^(.+)\/binary-([^/]+)\/Packages$/.exec(path))
    .filter((match) => match !== null && !isInstallerComponent(match[1]!) && match[2] !== 'all')
    .map((match) => match!)
  return {
    name,
    release,
    components: [...new Set(parts.map(([, component]) => component!))],
    architectures: [...new Set(parts.map(([, , architecture]) => architecture!))].filter(
      (one) => !isVariant(one),
    ),
    hasSources: plainPaths.some((path) => path.endsWith('Sources')),
    date: head.date,
    validUntil: head.validUntil,
  }
}
