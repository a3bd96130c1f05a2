// Collection: files of snapshots that nobody needs any more. Rows go in transactions of their own; then packs that
// mostly hold waste are copied together; files that no row names go last, and only when they are old enough to be
// nobody's work in progress.
import type { Sha256 } from '../lib/digest.ts'
import type { Actor } from '../store/audit.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Channel } from '../store/channels.ts'
import { PackReader, PackWriter } from './publish/packs.ts'
import { retainedFrom, timesOf } from './published.ts'
import type { Repo } from './repo.ts'

export interface Collected {
  /** `channel/id`. */
  readonly snapshots: readonly string[]
  readonly files: number
  readonly packs: number
  readonly freedBytes: number
}

const hourMs = 3_600_000

export interface CollectOrder {
  readonly actor: Actor
  /** Only tell what would go. */
  readonly isDryRun: boolean
}

/** Invariant: generated files stay as long as a client or a pinned snapshot may need them, and never less. */
export async function collect(repo: Repo, order: CollectOrder): Promise<Collected> {
  const { store, clock } = repo
  const due = store.channels.list().flatMap((channel) => dueSnapshots(repo, channel))
  const names = due.map(({ channel, snapshot }) => `${channel.name}/${snapshot.id}`)
  if (order.isDryRun) return { snapshots: names, files: 0, packs: 0, freedBytes: 0 }
  const at = clock.now()
  const files = store.db.write((tx) => {
    for (const { snapshot } of due) store.channels.setCollected(tx, snapshot.revision, at)
    store.garbage.deleteEnvelopes(tx)
    store.garbage.deletePublications(tx)
    const deleted = store.garbage.deleteFiles(tx)
    store.garbage.deleteOldTexts(tx)
    store.localPackages.forgetOrphans(tx, at - 24 * hourMs)
    if (due.length > 0) {
      store.audit.append(tx, {
        at,
        actor: order.actor,
        action: 'collect',
        subject: 'snapshots',
        reason: null,
        details: { snapshots: names },
      })
    }
    return deleted
  })
  await copyTogether(repo, repo.generated.packs)
  await copyTogether(repo, repo.generated.texts)
  const swept = [await sweep(repo, repo.generated.packs), await sweep(repo, repo.generated.texts)]
  return {
    snapshots: names,
    files,
    packs: swept.reduce((sum, one) => sum + one.count, 0),
    freedBytes: swept.reduce((sum, one) => sum + one.bytes, 0),
  }
}

function dueSnapshots({ store, clock, channels }: Repo, channel: Channel) {
  if (channel.parentId === null) return []
  const first = retainedFrom(store, channel, timesOf(store, channels, channel), clock.now())
  return store.channels
    .snapshots(channel.id)
    .filter(
      ({ revision, keptAt, collectedAt }) => revision < first && keptAt === null && collectedAt === null,
    )
    .map((snapshot) => ({ channel, snapshot }))
}

/** Packs of which less than half is of use are copied into one, so that the space comes back. */
async function copyTogether(repo: Repo, blobs: Blobs): Promise<void> {
  const { store } = repo
  const wasteful: Sha256[] = []
  for (const { sha256, liveBytes } of store.garbage.packs()) {
    const sizeBytes = await blobs.sizeOf(sha256)
    if (sizeBytes !== null && liveBytes * 2 < sizeBytes) wasteful.push(sha256)
  }
  if (wasteful.length === 0) return
  await using writer = new PackWriter(blobs)
  await using reader = new PackReader(blobs)
  const moved: {
    blockId: number
    encoder: string
    start: number
    from: ReturnType<typeof store.garbage.blocksIn>[number]
  }[] = []
  for (const pack of wasteful) {
    for (const block of store.garbage.blocksIn(pack)) {
      const start = await writer.append(await reader.read([block]))
      moved.push({ blockId: block.blockId, encoder: block.encoder, start, from: block })
    }
  }
  const pack = await writer.finish()
  if (pack === null) return
  store.db.write((tx) => {
    for (const { blockId, start, from } of moved) store.texts.putPacked(tx, blockId, { ...from, pack, start })
  })
}

async function sweep({ store, clock }: Repo, blobs: Blobs): Promise<{ count: number; bytes: number }> {
  const live = new Set(store.garbage.packs().map((pack) => pack.sha256))
  let count = 0
  let bytes = 0
  for await (const entry of blobs.entries()) {
    if (live.has(entry.sha256) || clock.now() - entry.usedAt < hourMs) continue
    await blobs.delete(entry.sha256)
    count++
    bytes += entry.sizeBytes
  }
  return { count, bytes }
}
