// What is served, as one immutable value: built from the catalogue after each commit, then only looked up.
// Reads only the tables that serving needs.
import { posix } from 'node:path'
import { isInstallerComponent, isVariant, suiteFolder } from '../debian/index-kinds.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sha256 } from '../lib/digest.ts'
import { formatIso, parseSnapshotId } from '../lib/units.ts'
import type { Suite } from '../store/archives.ts'
import type { Channel, Snapshot } from '../store/channels.ts'
import type { AuditKey } from '../store/checkpoints.ts'
import type { SigningKey } from '../store/keys.ts'
import type { PoolFile } from '../store/pool-files.ts'
import type { Head, PublicationFile } from '../store/publications.ts'
import type { Store } from '../store/store.ts'
import type { ChannelOptions } from './options.ts'

/** A generated file: in memory (what is signed), a blob, or signed when it is asked for. */
export type PublishedFile =
  | { readonly type: 'bytes'; readonly lastModified: number; readonly bytes: Buffer }
  | {
      readonly type: 'blob'
      readonly lastModified: number
      readonly sha256: Sha256
      readonly sizeBytes: number
      readonly isImmutable: boolean
    }
  | ({ readonly type: 'signed' } & SignedFile)

/** One of the signed files around a publication, on a snapshot URL. */
export interface SignedFile {
  readonly channel: string
  /** Its id. */
  readonly snapshot: string
  readonly suiteId: number
  readonly publicationId: number
  readonly name: 'InRelease' | 'Release' | 'Release.gpg'
}

export interface PublishedSuite {
  readonly name: string
  readonly release: string
  readonly origin: string | null
  readonly codename: string | null
  readonly components: readonly string[]
  /** Without variants, which no sources entry names; empty for a flat suite. */
  readonly architectures: readonly string[]
  readonly hasSources: boolean
  readonly date: number
  readonly validUntil: number | null
}

/** What is served below one archive of a channel, or of a snapshot. */
export interface ServedArchive {
  readonly id: number
  readonly name: string
  /** By path below the archive: `dists/…`. */
  readonly files: ReadonlyMap<string, PublishedFile>
}

export interface PublishedArchive extends ServedArchive {
  readonly isLocal: boolean
  readonly suites: readonly PublishedSuite[]
}

/** A snapshot as it is served by URL. */
export interface ServedSnapshot {
  readonly type: 'snapshot'
  readonly id: string
  readonly archives: ReadonlyMap<string, ServedArchive>
  findPackage(archive: ServedArchive, path: string): PoolFile | null
}

export type FoundSnapshot =
  | ServedSnapshot
  /** Nothing is to be had for that time; a sentence that says why. */
  | { readonly type: 'absent'; readonly why: string }

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
  findPackage(channel: PublishedChannel, archive: ServedArchive, path: string): PoolFile | null
  /** The newest snapshot of a channel at or before a time (`YYYYMMDDTHHMMSSZ`). */
  findSnapshot(channel: PublishedChannel, time: string): FoundSnapshot
}

/** The Last-Modified of whatever never changes under its name: the same on every server and for ever. */
export const immutableSince = Date.UTC(2000, 0, 1)

/** How many snapshots are kept however old they are: three that clients may still be at, and the present one. */
const keptSnapshots = 4
/** Snapshots that are remembered as they are served. */
const knownSnapshots = 64
// A commit that is under way has its time already, which nobody may have asked for before.
const unsettledMs = 10_000

/** Makes Published values of the catalogue. Remembers what never changes between them. */
export class PublishedLoader {
  readonly #store: Store
  readonly #options: readonly ChannelOptions[]
  readonly #clock: Clock
  #files = new Map<number, readonly PublicationFile[]>()

  constructor(store: Store, options: readonly ChannelOptions[], clock: Clock) {
    this.#store = store
    this.#options = options
    this.#clock = clock
  }

  load(): Published {
    const store = this.#store
    return store.db.read(() => {
      const known = this.#files
      this.#files = new Map()
      const filesOf = (publicationId: number) => {
        const files =
          this.#files.get(publicationId) ??
          known.get(publicationId) ??
          store.publications.files(publicationId)
        this.#files.set(publicationId, files)
        return files
      }
      const now = this.#clock.now()
      const heads = store.publications.heads()
      const channels = store.channels
        .list()
        .filter((channel) => channel.parentId !== null)
        .map((channel) => loadChannel(store, channel, heads, filesOf, this.#options, now))
      const snapshots = new Snapshots(store, this.#clock)
      return {
        channels: new Map(channels.map((channel) => [channel.name, channel])),
        auditKeys: store.checkpoints.keys(),
        findPackage: (channel, archive, path) =>
          store.poolFiles.find(channel.id, archive.id, path, channel.retainedSince),
        findSnapshot: (channel, time) => snapshots.find(channel, time),
      }
    })
  }
}

type FilesOf = (publicationId: number) => readonly PublicationFile[]

/** Snapshots by time, each worked out when it is first asked for. */
class Snapshots {
  readonly #store: Store
  readonly #clock: Clock
  readonly #known = new Map<number, ServedSnapshot>()

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  find(channel: PublishedChannel, time: string): FoundSnapshot {
    const { channels } = this.#store
    const at = parseSnapshotId(time)
    if (at === null) return { type: 'absent', why: `"${time}" is no time like 20261123T170547Z` }
    const exact = channels.findSnapshot(channel.id, time)
    // The next snapshot will be later than the present one: what was before that is settled.
    const isSettled = at <= Math.max(this.#knownUntil(channel) - unsettledMs, channel.head?.at ?? 0)
    if (exact === null && !isSettled)
      return { type: 'absent', why: `What ${channel.name} will be at ${time} is not known yet` }
    const snapshot = exact ?? channels.snapshotAt(channel.id, at)
    if (snapshot === null)
      return { type: 'absent', why: `Channel ${channel.name} has nothing as old as ${time}` }
    if (exact === null && this.#isFollowedByGap(snapshot))
      return { type: 'absent', why: `This slave does not have what ${channel.name} was at ${time}` }
    if (snapshot.collectedAt !== null) {
      const why = `Snapshot ${snapshot.id} of ${channel.name} was collected on ${formatIso(snapshot.collectedAt)}: its indexes are gone`
      return { type: 'absent', why }
    }
    const known = this.#known.get(snapshot.revision)
    if (known !== undefined) return known
    const served = this.#load(channel, snapshot)
    this.#known.set(snapshot.revision, served)
    const [oldest] = this.#known.keys()
    if (this.#known.size > knownSnapshots && oldest !== undefined) this.#known.delete(oldest)
    return served
  }

  /** A slave knows no more than its master said when it was last asked. */
  #knownUntil({ id }: PublishedChannel): number {
    const now = this.#clock.now()
    const followed = this.#store.followed.find(id)
    return followed === null ? now : Math.min(now, followed.checkedAt ?? 0)
  }

  /** A slave may have missed the snapshot that came next. */
  #isFollowedByGap({ channelId, id, revision }: Snapshot): boolean {
    const next = this.#store.channels.snapshotAfter(channelId, revision)
    return next !== null && next.previousId !== null && next.previousId !== id
  }

  #load(channel: PublishedChannel, { id, revision }: Snapshot): ServedSnapshot {
    const store = this.#store
    const suites = new Map(store.archives.suites().map((suite) => [suite.id, suite]))
    const archives = new Map<string, { id: number; name: string; files: Map<string, PublishedFile> }>()
    for (const { suiteId, publicationId } of store.publications.at(channel.id, revision)) {
      const suite = suites.get(suiteId)!
      const { archive: name, archiveId } = suite
      const { files } = archives.get(name) ?? { files: new Map<string, PublishedFile>() }
      archives.set(name, { id: archiveId, name, files })
      const folder = suiteFolder(suite.name)
      for (const file of store.publications.files(publicationId).filter((one) => one.isServed)) {
        addFile(files, posix.join(folder, file.path), { ...file, lastModified: immutableSince })
        addByHash(files, posix.join(folder, file.path), file)
      }
      for (const signed of ['InRelease', 'Release', 'Release.gpg'] as const) {
        const file = {
          type: 'signed',
          channel: channel.name,
          snapshot: id,
          suiteId,
          publicationId,
          name: signed,
        } as const
        files.set(posix.join(folder, signed), file)
      }
    }
    return {
      type: 'snapshot',
      id,
      archives,
      findPackage: (archive, path) => store.poolFiles.findAt(channel.id, archive.id, path, revision),
    }
  }
}

function loadChannel(
  store: Store,
  channel: Channel,
  allHeads: readonly Head[],
  filesOf: FilesOf,
  options: readonly ChannelOptions[],
  now: number,
): PublishedChannel {
  const times = timesOf(store, options, channel)
  const retainedSince = retainedFrom(store, channel, times, now)
  const heads = allHeads.filter((head) => head.channelId === channel.id)
  const retained = store.publications.since(channel.id, retainedSince)
  return {
    id: channel.id,
    name: channel.name,
    head: store.channels.head(channel.id),
    archives: loadArchives(store, heads, retained, filesOf),
    retainedSince,
    validForSeconds: times.validForSeconds,
    keys: store.keys.list(channel.id).filter((key) => key.role !== 'retired'),
  }
}

/** How long superseded files of a channel are kept, and how long clients accept what it serves. */
export interface ChannelTimes {
  readonly keepSeconds: number
  /** Null: for ever. */
  readonly validForSeconds: number | null
}

const defaultTimes: ChannelTimes = { keepSeconds: 7 * 86_400, validForSeconds: null }
/** So long a slave counts that was not in touch, where clients accept what it serves for ever. */
const slaveGraceSeconds = 45 * 86_400

/** As configured, or as the master says; a channel that left the configuration is kept the usual time. */
export function timesOf(store: Store, options: readonly ChannelOptions[], channel: Channel): ChannelTimes {
  const configured = options.find((one) => one.name === channel.name)
  return configured ?? store.followed.find(channel.id) ?? defaultTimes
}

/** The oldest revision that clients of this server may still be working from. */
export function retainedHere(
  store: Store,
  options: readonly ChannelOptions[],
  channel: Channel,
  now: number,
): number {
  const { keepSeconds } = timesOf(store, options, channel)
  return firstRetained(store.channels.snapshots(channel.id), now - keepSeconds * 1000)
}

/**
 * The oldest revision of a channel whose files are kept: for the clients of this server, and for slaves that serve an
 * older snapshot. A slave counts until its clients refuse what it serves.
 */
export function retainedFrom(
  store: Store,
  channel: Channel,
  { keepSeconds, validForSeconds }: ChannelTimes,
  now: number,
): number {
  const snapshots = store.channels.snapshots(channel.id)
  const first = firstRetained(snapshots, now - keepSeconds * 1000)
  const graceSeconds = validForSeconds ?? slaveGraceSeconds
  const needed = new Set(store.slaves.needed(channel.name, now - graceSeconds * 1000))
  const revisions = snapshots.filter(({ id }) => needed.has(id)).map(({ revision }) => revision)
  return Math.min(first, ...revisions)
}

/**
 * The oldest revision that clients may still be working from. `snapshots` are newest first; one is kept until it has
 * not been current since `keepSince`, and the newest few in any case.
 */
function firstRetained(snapshots: readonly Snapshot[], keepSince: number): number {
  let first = 0
  for (const [index, snapshot] of snapshots.entries()) {
    const successor = snapshots[index - 1]
    const endedAt = successor === undefined ? null : (successor.receivedAt ?? successor.at)
    if (index >= keptSnapshots && endedAt !== null && endedAt <= keepSince) break
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
  filesOf: FilesOf,
): Map<string, PublishedArchive> {
  const suites = new Map(store.archives.suites().map((suite) => [suite.id, suite]))
  const archives = new Map<string, ArchiveInTheMaking>()
  for (const head of heads) {
    const suite = suites.get(head.suiteId)!
    const archive: ArchiveInTheMaking = archives.get(suite.archive) ?? {
      id: suite.archiveId,
      name: suite.archive,
      isLocal: suite.isLocal,
      suites: [],
      files: new Map(),
    }
    archives.set(suite.archive, archive)
    const folder = suiteFolder(suite.name)
    const plainPaths: string[] = []
    for (const file of filesOf(head.publicationId)) {
      if (!file.isServed) plainPaths.push(file.path)
      else addFile(archive.files, posix.join(folder, file.path), { ...file, lastModified: head.date })
    }
    addSigned(archive.files, folder, head, store)
    archive.suites.push(describeSuite(suite, head, plainPaths))
  }
  for (const { suiteId, publicationId } of retained) {
    const suite = suites.get(suiteId)!
    const archive = archives.get(suite.archive)
    if (archive === undefined) continue
    for (const file of filesOf(publicationId)) {
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
function describeSuite(suite: Suite, head: Head, plainPaths: readonly string[]): PublishedSuite {
  const parts = plainPaths
    .map((path) => /^(.+)\/binary-([^/]+)\/Packages$/.exec(path))
    .filter((match) => match !== null && !isInstallerComponent(match[1]!) && match[2] !== 'all')
    .map((match) => match!)
  return {
    name: suite.name,
    release: suite.release!,
    origin: suite.adopted?.identity.origin ?? null,
    codename: suite.adopted?.identity.codename ?? null,
    components: [...new Set(parts.map(([, component]) => component!))],
    architectures: [...new Set(parts.map(([, , architecture]) => architecture!))].filter(
      (one) => !isVariant(one),
    ),
    hasSources: plainPaths.some((path) => path.endsWith('Sources')),
    date: head.date,
    validUntil: head.validUntil,
  }
}
