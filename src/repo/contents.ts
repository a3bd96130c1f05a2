// Contents indexes of channels: upstream's, cut by the packages that a channel shows. They are large, so they are made
// apart from snapshots: at most once a day, beside whatever else is being committed, and then published.
import { ContentsFilter } from '../debian/contents.ts'
import { indexPath } from '../debian/index-kinds.ts'
import { type Sha256, sha256 } from '../lib/digest.ts'
import type { Emit } from '../lib/events.ts'
import { crc32, decompress } from '../lib/gzip.ts'
import type { SuiteIndex, UpstreamFile } from '../store/archives.ts'
import type { Actor } from '../store/audit.ts'
import type { Channel } from '../store/channels.ts'
import type { PublicationFile } from '../store/publications.ts'
import type { Store } from '../store/store.ts'
import { goesWith } from './derive.ts'
import type { RawBlock } from './publish/blocks.ts'
import type { PreparedPacks } from './publish/pack.ts'
import type { Repo } from './repo.ts'

const dayMs = 86_400_000

/** A Contents index that is to be made for a channel, and from what. */
export interface DueContents {
  readonly channelId: number
  readonly indexId: number
  readonly suiteId: number
  readonly path: string
  readonly upstream: UpstreamFile
  /** The channel's, whose packages it is for. */
  readonly revision: number
}

/** What was made: plain data, whose bytes lie in packs already. */
export interface MadeContents {
  readonly due: DueContents
  readonly files: readonly PublicationFile[]
  readonly packs: PreparedPacks
}

/** Makes all that is due. Writes nothing but packs, so it may run while commits do. */
export async function makeDueContents(repo: Repo): Promise<MadeContents[]> {
  const made: (MadeContents & { names: Sha256 })[] = []
  for (const due of dueContents(repo)) {
    const names = visibleNames(repo.store, due)
    const digest = sha256([...names].sort().join('\n'))
    // Channels that show the same packages share it.
    const twin = made.find((one) => one.due.indexId === due.indexId && one.names === digest)
    const result = twin ?? (await makeContents(repo, due, names))
    made.push({ ...result, due, names: digest })
  }
  return made
}

/** Those whose packages, or upstream's file, changed since they were made, which was a day ago or never. */
function dueContents({ store, clock }: Pick<Repo, 'store' | 'clock'>): DueContents[] {
  return store.channels
    .list()
    .filter((channel) => channel.parentId !== null && store.channels.head(channel.id) !== null)
    .flatMap((channel) =>
      contentsOf(store, channel).flatMap((index) => {
        const upstream = store.archives.upstreamFile(index.id)
        if (upstream === null) return []
        const { revision } = store.channels.head(channel.id)!
        const made = store.archives.contentsState(channel.id, index.id)
        const isSame = made?.revision === revision && made.upstreamSha256 === upstream.sha256
        if (isSame || (made !== null && clock.now() - made.madeAt < dayMs)) return []
        const { id: indexId, suiteId } = index
        return { channelId: channel.id, indexId, suiteId, path: indexPath(index), upstream, revision }
      }),
    )
}

function contentsOf(store: Store, channel: Channel): SuiteIndex[] {
  const live = new Set(
    store.views
      .list(channel.id)
      .filter((view) => view.liveSince !== null)
      .map((view) => view.indexId),
  )
  const all = store.archives.allIndexes()
  const packages = all.filter((index) => live.has(index.id))
  return all.filter((index) => index.kind === 'contents' && packages.some((one) => goesWith(index, one)))
}

async function makeContents(repo: Repo, due: DueContents, names: ReadonlySet<string>): Promise<MadeContents> {
  await using session = repo.committer.openSession()
  const filter = new ContentsFilter((name) => names.has(name))
  const packed = await session.pack(cutLines(filtered(repo, due, filter)), ['gz'], () => new Map(), {
    keepsText: false,
  })
  const files = [
    { path: due.path, sha256: packed.textSha256, sizeBytes: packed.textBytes, isServed: false },
    ...packed.files.map(({ sha256, sizeBytes, ending }) => ({
      path: `${due.path}${ending}`,
      sha256,
      sizeBytes,
      isServed: true,
    })),
  ]
  return { due, files, packs: await session.finish() }
}

function visibleNames(store: Store, due: DueContents): Set<string> {
  const all = store.archives.allIndexes()
  const contents = all.find((index) => index.id === due.indexId)!
  const names = new Set<string>()
  for (const index of all.filter((one) => goesWith(contents, one))) {
    const view = store.views.find(due.channelId, index.id)
    if (view === null || view.liveSince === null) continue
    for (const { name } of store.entries.describedPackages(view.id, null)) names.add(name)
  }
  return names
}

async function* filtered(repo: Repo, due: DueContents, filter: ContentsFilter): AsyncGenerator<Buffer> {
  const { sha256, compression, plainBytes } = due.upstream
  const blob = await repo.committer.openPack(sha256)
  if (blob === null) throw new Error(`Internal error: the fetched ${due.path} is gone`)
  const stream = blob.stream(0, blob.sizeBytes, 1 << 20)
  if (compression === 'xz') throw new Error('Internal error: Contents are fetched as gz')
  for await (const chunk of decompress(stream, compression, plainBytes, due.path)) yield* filter.push(chunk)
  yield* filter.end()
}

const minBytes = 128 << 10
const maxBytes = 256 << 10
// One line in 64 may begin a block: some 5 kB after the least size there is one.
const borderMask = 63

/** Blocks of whole lines, cut where a line's hash says so, so that what stays the same is packed once. */
async function* cutLines(
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<{ type: 'rendered'; block: RawBlock }> {
  let parts: Buffer[] = []
  let bytes = 0
  const end = (): { type: 'rendered'; block: RawBlock } => {
    const block = { firstName: '', lastName: '', bytes: Buffer.concat(parts, bytes) }
    parts = []
    bytes = 0
    return { type: 'rendered', block }
  }
  for await (const chunk of chunks) {
    let from = 0
    while (from < chunk.length) {
      const cut = findBorder(chunk, from, bytes)
      parts.push(Buffer.from(chunk.subarray(from, cut.at)))
      bytes += cut.at - from
      from = cut.at
      if (cut.isBorder && bytes > 0) yield end()
    }
  }
  if (bytes > 0) yield end()
}

/** The next line border at which a block of `bytes` so far may end, or the end of the chunk. */
function findBorder(chunk: Buffer, from: number, bytes: number): { at: number; isBorder: boolean } {
  // A piece of a rewritten line ends in the middle of it: borders are looked for only behind newlines.
  for (let at = Math.max(from, from + minBytes - bytes); at < chunk.length; ) {
    const newline = chunk.indexOf(10, at)
    if (newline < 0 || newline + 1 >= chunk.length) break
    const next = newline + 1
    const isFull = bytes + next - from >= maxBytes
    const lineEnd = chunk.indexOf(10, next)
    if (isFull || (crc32(chunk.subarray(next, lineEnd < 0 ? undefined : lineEnd)) & borderMask) === 0)
      return { at: next, isBorder: true }
    at = next
  }
  return { at: chunk.length, isBorder: bytes + chunk.length - from >= 2 * maxBytes && chunk.at(-1) === 10 }
}

/** Publishes what was made, one snapshot a channel. */
export async function publishContents(
  repo: Repo,
  made: readonly MadeContents[],
  actor: Actor,
  emit: Emit,
): Promise<void> {
  const { store } = repo
  for (const [channelId, all] of Map.groupBy(made, ({ due }) => due.channelId)) {
    const channel = store.channels.get(channelId)
    const base = store.channels.head(channelId)!.revision
    await repo.committer.commit(
      {
        channel,
        changes: new Map(),
        alsoPublish: [...new Set(all.map(({ due }) => due.suiteId))],
        contents: all,
        kind: 'configure',
        reason: null,
        audit: {
          actor,
          action: 'refresh contents',
          subject: channel.name,
          details: { files: all.flatMap(({ files }) => files.map((file) => file.path)) },
        },
        alongside: (tx, revision, madeAt) => {
          for (const { due } of all) {
            // This very snapshot changes no package.
            const state = {
              madeAt,
              revision: due.revision === base ? revision : due.revision,
              upstreamSha256: due.upstream.sha256,
            }
            store.archives.recordContents(tx, due.channelId, due.indexId, state)
          }
        },
      },
      emit,
    )
  }
}
