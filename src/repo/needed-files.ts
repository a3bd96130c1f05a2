// Which package files have to be kept: what gated channels and candidates name, and upstream does not offer any more.
// Whatever upstream offers can be had again.
import { compareVersions, highestVersion } from '../debian/version.ts'
import type { Sha256 } from '../lib/digest.ts'
import type { SuiteIndex } from '../store/archives.ts'
import type { Channel } from '../store/channels.ts'
import type { SourceFile } from '../store/supplies.ts'
import type { Placed, View } from '../store/views.ts'
import { isWithdrawn, suiteClassOf } from './pending-item.ts'
import { retainedHere } from './published.ts'
import type { Repo } from './repo.ts'

export interface NeededFile {
  readonly sha256: Sha256
  readonly sizeBytes: number
  readonly archive: string
  /** Below the archive. */
  readonly path: string
  /** The gated channel that names it, or that it may enter. */
  readonly channel: string
  readonly source: string
  /** Of the source. */
  readonly version: string
  /** Of an index that upstream has no more: kept if it is here, but nobody knows where to fetch it. */
  readonly isFrozen: boolean
}

/** Each file once. */
export function neededFiles(repo: Repo): NeededFile[] {
  const found = new Map<Sha256, NeededFile>()
  for (const channel of repo.store.channels.list()) {
    if (channel.parentId === null || channel.follows) continue
    for (const file of new Needs(repo, channel).list())
      if (!found.has(file.sha256)) found.set(file.sha256, file)
  }
  return [...found.values()]
}

/** What one gated channel needs. */
class Needs {
  readonly #repo: Repo
  readonly #channel: Channel
  readonly #upstream: number
  readonly #classes: ReadonlyMap<number, string>
  readonly #retainedSince: number
  readonly #shown = new Map<string, Placed[]>()
  readonly #offered = new Map<string, Placed[]>()

  constructor(repo: Repo, channel: Channel) {
    const { store, clock, channels } = repo
    this.#repo = repo
    this.#channel = channel
    this.#upstream = store.channels.upstream().id
    this.#classes = new Map(store.archives.suites().map((suite) => [suite.id, suiteClassOf(suite)]))
    const feeding = store.channels.get(channel.parentId!)
    this.#retainedSince = retainedHere(store, channels, feeding, clock.now())
  }

  list(): NeededFile[] {
    const { store } = this.#repo
    const indexes = new Map(store.archives.indexes().map((index) => [index.id, index]))
    return store.views
      .list(this.#channel.id)
      .filter((view) => view.liveSince !== null)
      .flatMap((view) => this.#inView(view, indexes.get(view.indexId)!))
  }

  #inView(view: View, index: SuiteIndex): NeededFile[] {
    const { store, unoffered } = this.#repo
    const isFrozen = index.frozenAt !== null
    const files = isFrozen
      ? store.supplies.sourceFilesOf(store.views.recordIds(view.id))
      : [...unoffered.shown(view, index), ...this.#candidates(view, index)]
    const { archive } = index
    const channel = this.#channel.name
    // Field by field: there may be thousands, and to copy all but one is slow.
    return files.map(({ sha256, sizeBytes, path, source, version }) => {
      return { sha256, sizeBytes, path, source, version, archive, channel, isFrozen }
    })
  }

  /** What the feeding channel holds, or held lately, and upstream does not any more. */
  #candidates(view: View, index: SuiteIndex): readonly SourceFile[] {
    const { store, unoffered } = this.#repo
    const feeding = store.views.find(this.#channel.parentId!, view.indexId)
    if (feeding === null || store.views.find(this.#upstream, view.indexId) === null) return []
    const since = this.#retainedSince
    const basis = [...this.#classes].join()
    return unoffered.candidates(view, index, { view: feeding, since }, basis, (file) =>
      this.#isCandidate(file, index),
    )
  }

  /** Not older than what the channel has, and not withdrawn. */
  #isCandidate({ source, version }: SourceFile, index: SuiteIndex): boolean {
    const competing = (one: Placed) =>
      one.release === index.release && this.#classes.get(one.suiteId) === this.#classes.get(index.suiteId)
    const versions = (cache: Map<string, Placed[]>, channelId: number) => {
      const known = cache.get(source) ?? this.#repo.store.views.bySource(channelId, source)
      cache.set(source, known)
      return known.filter(competing).map((one) => one.sourceVersion)
    }
    if (isWithdrawn(versions(this.#offered, this.#upstream), version)) return false
    const highest = highestVersion(versions(this.#shown, this.#channel.id))
    return highest === undefined || compareVersions(version, highest) >= 0
  }
}
