// What a bundle is made of: worked out beforehand, so that its size is known and an interrupted one can be gone on with.
import type { Sha256 } from '../../lib/digest.ts'
import { UusError } from '../../lib/errors.ts'
import type { TarMember } from '../../lib/tar-file.ts'
import type { ChannelFile } from '../../store/pool-files.ts'
import type { Store } from '../../store/store.ts'
import { neededDocuments, readOwnManifest } from '../protocol/documents.ts'
import { parseFileList, parseRecipe, placesOf, type Recipe } from '../protocol/recipe.ts'
import { documentName, headName, manifestName, packageName, rangeName, renderHead } from './bundle.ts'

export type BundleSource =
  | { readonly type: 'bytes'; readonly bytes: Buffer }
  | { readonly type: 'document'; readonly sha256: Sha256 }
  | { readonly type: 'range'; readonly file: Sha256; readonly start: number; readonly end: number }
  | { readonly type: 'package'; readonly file: ChannelFile }

export type BundleMember = TarMember & BundleSource

export interface BundlePlan {
  readonly channel: string
  readonly snapshot: string
  readonly members: readonly BundleMember[]
}

export interface BundleOrder {
  readonly channel: string
  readonly since: string | null
  readonly packages: 'all' | 'none'
}

export function planBundle(store: Store, order: BundleOrder): BundlePlan {
  const channel = store.channels.find(order.channel)
  const stored = channel === null ? null : store.manifests.find(channel.id)
  if (channel === null || stored === null) {
    throw new UusError('UNKNOWN_NAME', `Channel ${order.channel} has no state that could be exported`, {
      hint: 'See "uus channel list"',
    })
  }
  const manifest = readOwnManifest(stored.bytes)
  const since = order.since === null ? null : findSince(store, channel.id, order.since)
  const head = { channel: channel.name, snapshot: manifest.snapshot.id, since: order.since }
  const document = (digest: Sha256) => store.manifests.document(digest)
  const documents = [...neededDocuments(manifest, document).known].sort()
  const recipes = manifest.suites.flatMap(({ files }) =>
    [...new Set(parseFileList(document(files)!.toString(), 'a list of files').values())].map((digest) =>
      parseRecipe(document(digest)!.toString(), 'a recipe'),
    ),
  )
  const files = order.packages === 'none' ? [] : store.poolFiles.present(channel.id, since?.revision ?? null)
  return {
    channel: channel.name,
    snapshot: manifest.snapshot.id,
    members: [
      bytesMember(headName, renderHead(head)),
      bytesMember(manifestName, stored.bytes),
      ...documents.map((sha256): BundleMember => {
        return { name: documentName(sha256), sizeBytes: document(sha256)!.length, type: 'document', sha256 }
      }),
      ...rangeMembers(recipes, since === null ? new Set() : blocksAt(store, channel.id, since.revision)),
      ...files.map((file): BundleMember => {
        return { name: packageName(file.sha256), sizeBytes: file.sizeBytes, type: 'package', file }
      }),
    ],
  }
}

function bytesMember(name: string, bytes: Buffer): BundleMember {
  return { name, sizeBytes: bytes.length, type: 'bytes', bytes }
}

function findSince(store: Store, channelId: number, id: string) {
  const snapshot = store.channels.findSnapshot(channelId, id)
  if (snapshot !== null && snapshot.collectedAt === null) return snapshot
  const why = snapshot === null ? 'There is no' : 'The indexes are gone of'
  throw new UusError('UNKNOWN_NAME', `${why} snapshot ${id}`, {
    hint: 'Name a later one ("uus snapshot list"), or leave --since away: the bundle then has everything',
  })
}

/** What whoever has that snapshot need not be sent. */
function blocksAt(store: Store, channelId: number, revision: number): Set<string> {
  const known = new Set<string>()
  for (const { publicationId } of store.publications.at(channelId, revision))
    for (const { sha256 } of store.publications.files(publicationId).filter(({ isServed }) => isServed)) {
      const origin = store.texts.origin(sha256)
      if (origin === null) continue
      for (const block of store.texts.blocksOf(sha256)) known.add(`${block.sha256} ${origin.encoder}`)
    }
  return known
}

/** Blocks side by side are one member. */
function rangeMembers(recipes: readonly Recipe[], known: Set<string>): BundleMember[] {
  const members: BundleMember[] = []
  for (const { blocks, forms } of recipes)
    for (const form of forms) {
      const ranges: { start: number; end: number }[] = []
      for (const [index, { start, end }] of placesOf(form).entries()) {
        const key = `${blocks[index]!.sha256} ${form.encoder}`
        if (known.has(key)) continue
        known.add(key)
        const last = ranges.at(-1)
        if (last?.end === start) last.end = end
        else ranges.push({ start, end })
      }
      for (const { start, end } of ranges) {
        const name = rangeName(form.sha256, { start, end })
        members.push({ name, sizeBytes: end - start, type: 'range', file: form.sha256, start, end })
      }
    }
  return members
}
