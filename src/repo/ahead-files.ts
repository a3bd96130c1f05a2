// Which package files are fetched before a client asks: what was promoted, what clients asked for in other versions, or
// everything, as the configuration has it. And what clients asked for and only old snapshots still name.
import type { Sha256 } from '../lib/digest.ts'
import type { SuiteIndex } from '../store/archives.ts'
import type { Channel } from '../store/channels.ts'
import type { NamedRecordFile } from '../store/supplies.ts'
import type { View } from '../store/views.ts'
import { retainedHere } from './published.ts'
import type { Repo } from './repo.ts'
import { recordsOf } from './unoffered.ts'

/** Of files that clients have not asked for yet. */
export type Prefetch = 'none' | 'used' | 'all'
/** When files of what is promoted are fetched. */
export type FetchTime = 'on-demand' | 'on-promote'

export interface AheadPolicy {
  readonly channel: string
  readonly prefetch: Prefetch
  /** Of an archive's files; null: small archives of third parties when they are promoted, others on demand. */
  fetchTime(archive: string): FetchTime | null
}

export interface AheadFile {
  readonly sha256: Sha256
  readonly sizeBytes: number
  readonly archive: string
  /** Below the archive. */
  readonly path: string
  readonly channel: string
}

/** How far a channel was looked through, under which policy. */
export interface AheadMark {
  readonly channel: string
  readonly mark: string
}

export interface Ahead {
  readonly files: readonly AheadFile[]
  /** To be recorded when the files are here. */
  readonly marks: readonly AheadMark[]
}

/** With so few packages an archive is small. */
const smallPackages = 1000

/** What entered channels since their marks, and is to be here before somebody asks. */
export function aheadFiles(repo: Repo, policies: readonly AheadPolicy[]): Ahead {
  const { store } = repo
  const files = new Map<string, AheadFile>()
  const marks: AheadMark[] = []
  const isSmall = smallArchives(repo)
  for (const policy of policies) {
    const channel = store.channels.find(policy.channel)
    const head = channel && store.channels.head(channel.id)
    if (!channel || !head) continue
    const state = describePolicy(policy, repo)
    const [before, revision] = (store.settings.get(markKey(policy.channel)) ?? '').split('@')
    const since = before === state ? Number(revision) : 0
    if (since >= head.revision) continue
    marks.push({ channel: policy.channel, mark: `${state}@${head.revision}` })
    for (const file of new Entered(repo, channel, policy, isSmall).list(since))
      if (!files.has(file.sha256)) files.set(file.sha256, file)
  }
  return { files: [...files.values()], marks }
}

export function markKey(channel: string) {
  return `ahead:${channel}` as const
}

/** Another policy looks through everything once. */
function describePolicy({ prefetch, fetchTime }: AheadPolicy, { store }: Repo): string {
  const times = store.archives.list().map(({ name }) => `${name}=${fetchTime(name) ?? 'auto'}`)
  return [prefetch, ...times.sort()].join(' ')
}

function smallArchives({ store }: Repo): (archive: string) => boolean {
  const upstream = store.channels.upstream().id
  const big = new Set(
    store.archives
      .suites()
      .filter(({ adopted }) => /^(Ubuntu|Debian)$/.test(adopted?.identity.origin ?? ''))
      .map((suite) => suite.archive),
  )
  const counts = new Map<string, number>()
  for (const { id, archive } of store.archives.indexes()) {
    const view = store.views.find(upstream, id)
    if (view !== null) counts.set(archive, (counts.get(archive) ?? 0) + store.views.count(view.id))
  }
  return (archive) => !big.has(archive) && (counts.get(archive) ?? 0) <= smallPackages
}

/** What entered one channel. */
class Entered {
  readonly #repo: Repo
  readonly #channel: Channel
  readonly #policy: AheadPolicy
  readonly #isSmall: (archive: string) => boolean
  readonly #promotions: ReadonlySet<number>

  constructor(repo: Repo, channel: Channel, policy: AheadPolicy, isSmall: (archive: string) => boolean) {
    this.#repo = repo
    this.#channel = channel
    this.#policy = policy
    this.#isSmall = isSmall
    const snapshots = repo.store.channels.snapshots(channel.id)
    this.#promotions = new Set(
      snapshots.filter(({ kind }) => kind === 'promote').map(({ revision }) => revision),
    )
  }

  list(since: number): AheadFile[] {
    const { store } = this.#repo
    const indexes = new Map(store.archives.indexes().map((index) => [index.id, index]))
    return store.views.list(this.#channel.id).flatMap((view) => {
      const index = indexes.get(view.indexId)!
      const files = store.supplies.filesOf(this.#wanted(view, index, since))
      return toAhead(files, this.#channel, index)
    })
  }

  #wanted(view: View, { archive }: SuiteIndex, since: number): number[] {
    const { store } = this.#repo
    const { prefetch } = this.#policy
    const entered = store.supplies.enteredSince(view.id, since)
    const ids = entered.map(({ id }) => id)
    if (prefetch === 'all') return ids
    const used = prefetch === 'used' ? store.supplies.usedAmong(this.#channel.id, ids) : []
    const time = this.#policy.fetchTime(archive) ?? (this.#isSmall(archive) ? 'on-promote' : 'on-demand')
    const promoted =
      time === 'on-promote'
        ? entered.filter((one) => this.#promotions.has(one.since)).map(({ id }) => id)
        : []
    return [...new Set([...used, ...promoted])]
  }
}

/** Files that only retained snapshots of following channels name, of packages that clients asked for. */
export function retainedFiles(repo: Repo): AheadFile[] {
  const { store, clock, channels } = repo
  const upstream = store.channels.upstream().id
  const indexes = new Map(store.archives.indexes().map((index) => [index.id, index]))
  return store.channels.list().flatMap((channel) => {
    const isConfigured = channels.some((one) => one.name === channel.name)
    if (channel.parentId === null || !channel.follows || !isConfigured) return []
    const since = retainedHere(store, channels, channel, clock.now())
    return store.views.list(channel.id).flatMap((view) => {
      const index = indexes.get(view.indexId)!
      if (index.frozenAt !== null || store.views.find(upstream, view.indexId) === null) return []
      const left = repo.unoffered.left(view, index, since)
      const used = new Set(store.supplies.usedAmong(channel.id, recordsOf(left)))
      return toAhead(
        left.filter(({ recordId }) => used.has(recordId)),
        channel,
        index,
      )
    })
  })
}

function toAhead(files: readonly NamedRecordFile[], channel: Channel, { archive }: SuiteIndex): AheadFile[] {
  return files.map(({ sha256, sizeBytes, path }) => ({
    sha256,
    sizeBytes,
    path,
    archive,
    channel: channel.name,
  }))
}
