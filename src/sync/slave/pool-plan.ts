// What a manifest changes among the package files of a channel, by the blocks of its indexes; and which of them are worth
// fetching before anybody asks.
import type { Sha256 } from '../../lib/digest.ts'
import type { Blobs } from '../../store/blobs.ts'
import type { BlockChange, BlockFile } from '../../store/block-files.ts'
import type { Store } from '../../store/store.ts'
import type { VerifiedContent } from './content.ts'
import { servedForms } from './lacking.ts'

/** The blocks of all indexes of an archive that name package files. */
export interface PoolPlan {
  readonly archive: string
  readonly change: BlockChange
}

export function planPool(content: VerifiedContent, store: Store): PoolPlan[] {
  const before = presentBlocks(content.verified.manifest.channel, store)
  const after = new Map<string, Set<number>>()
  for (const suite of content.suites) {
    const blocks = setOf(after, suite.suite.archive)
    for (const { recipe } of servedForms(suite).values()) {
      if (!suite.naming.has(recipe.text.sha256)) continue
      for (const { sha256 } of recipe.blocks) blocks.add(store.texts.findBlock(sha256)!.id)
    }
  }
  return [...new Set([...before.keys(), ...after.keys()])].map((archive) => {
    const had = before.get(archive) ?? new Set()
    const present = after.get(archive) ?? new Set()
    const change = {
      entered: [...present.difference(had)],
      left: [...had.difference(present)],
      present: [...present],
    }
    return { archive, change }
  })
}

function presentBlocks(channel: string, store: Store): Map<string, Set<number>> {
  const blocks = new Map<string, Set<number>>()
  const known = store.channels.find(channel)
  if (known === null) return blocks
  for (const head of store.publications.heads().filter((one) => one.channelId === known.id)) {
    const mine = setOf(blocks, store.archives.suite(head.suiteId).archive)
    for (const { path, sha256, isServed } of store.publications.files(head.publicationId)) {
      if (!isServed || !/(^|\/)(Packages|Sources)(\.[a-z0-9]+)?$/.test(path)) continue
      for (const { id } of store.texts.blocksOf(sha256)) mine.add(id)
    }
  }
  return blocks
}

function setOf(sets: Map<string, Set<number>>, name: string): Set<number> {
  const set = sets.get(name) ?? new Set<number>()
  sets.set(name, set)
  return set
}

type Wanted = Pick<BlockFile, 'path' | 'sha256' | 'sizeBytes'>

/** By archive: all that enters and is not here, or only new versions of what is here because somebody asked for it. */
export async function wantedFiles(
  plans: readonly PoolPlan[],
  {
    store,
    packages,
    prefetch,
  }: {
    readonly store: Store
    readonly packages: Pick<Blobs, 'sizeOf'>
    readonly prefetch: 'none' | 'used' | 'all'
  },
): Promise<Map<string, Wanted[]>> {
  const wanted = new Map<string, Wanted[]>()
  if (prefetch === 'none') return wanted
  for (const { archive, change } of plans) {
    const entered = store.blockFiles.of(change.entered)
    const used = prefetch === 'all' ? null : await usedNames(entered, change, store, packages)
    const chosen = entered.filter(({ name }) => used === null || used.has(name))
    const absent: Wanted[] = []
    for (const { path, sha256, sizeBytes } of chosen)
      if ((await packages.sizeOf(sha256)) === null) absent.push({ path, sha256, sizeBytes })
    wanted.set(archive, absent)
  }
  return wanted
}

/** The packages of which a version that leaves is here. */
async function usedNames(
  entered: readonly BlockFile[],
  { left }: BlockChange,
  store: Store,
  packages: Pick<Blobs, 'sizeOf'>,
): Promise<Set<string>> {
  const staying = new Set(entered.map(({ sha256 }) => sha256))
  const names = new Set(entered.map(({ name }) => name))
  const used = new Set<string>()
  const asked = new Map<Sha256, boolean>()
  for (const { name, sha256 } of store.blockFiles.of(left)) {
    if (!names.has(name) || staying.has(sha256) || used.has(name)) continue
    const isHere = asked.get(sha256) ?? (await packages.sizeOf(sha256)) !== null
    asked.set(sha256, isHere)
    if (isHere) used.add(name)
  }
  return used
}
