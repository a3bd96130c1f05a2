// Making the manifest of a channel: its present state, written down and signed with the channel's keys. Runs in the
// jobs process of a master.
import { posix } from 'node:path'
import { canonicalJson, type Json } from '../../lib/canonical-json.ts'
import type { Clock } from '../../lib/clock.ts'
import { type Sha256, sha256 } from '../../lib/digest.ts'
import { UusError } from '../../lib/errors.ts'
import { nextTime, releaseDates } from '../../repo/publish/envelope.ts'
import type { SigningKeys } from '../../repo/signing-keys.ts'
import type { Channel } from '../../store/channels.ts'
import type { Head, PublicationFile } from '../../store/publications.ts'
import type { Store } from '../../store/store.ts'
import { presentDocuments, signedTextOf } from '../protocol/documents.ts'
import {
  heartbeatMs,
  type Manifest,
  type ManifestArchive,
  type ManifestKey,
  type ManifestSuite,
  renderManifest,
} from '../protocol/manifest.ts'
import { type Recipe, renderFileList, renderRecipe } from '../protocol/recipe.ts'

/** What the configuration has slaves do with a channel. */
export interface ChannelTerms {
  readonly keepSeconds: number
  readonly validForSeconds: number | null
  /** All that are known. */
  readonly archives: readonly ManifestArchive[]
}

/** Documents of the manifest before are still asked for. */
const graceMs = 3_600_000

/** Equal as long as the manifest would say the same. */
export function manifestState(store: Store, channel: Channel, terms: ChannelTerms): string {
  const heads = headsOf(store, channel)
  const keys = store.keys.list(channel.id)
  return sha256(
    canonicalJson({
      snapshot: store.channels.head(channel.id)?.id ?? null,
      heads: heads.map(({ suiteId, publicationId, date }): Json => [suiteId, publicationId, date]),
      keys: keys.map(({ fingerprint, role }): Json => [fingerprint, role]),
      terms: { ...terms, archives: terms.archives.map((one): Json => JSON.parse(JSON.stringify(one))) },
      blocked: store.poolFiles.blocked(),
    }),
  )
}

/** Is there a manifest that says what is served now? */
export function isManifestFresh(store: Store, channel: Channel, terms: ChannelTerms, now: number): boolean {
  const stored = store.manifests.find(channel.id)
  if (stored === null || now - stored.date > heartbeatMs) return false
  return stored.state === manifestState(store, channel, terms)
}

export interface MakeContext {
  readonly store: Store
  readonly keys: SigningKeys
  readonly clock: Clock
}

/** Makes and stores the manifest of a channel that is published, unless it is there already. */
export async function makeManifest(
  { store, keys, clock }: MakeContext,
  channel: Channel,
  terms: ChannelTerms,
): Promise<void> {
  if (isManifestFresh(store, channel, terms, clock.now())) return
  const head = store.channels.head(channel.id)
  if (head === null || headsOf(store, channel).length === 0) return
  const documents = new Documents()
  const date = await nextTime(store.manifests.find(channel.id)?.date ?? null, clock, releaseDates)
  const manifest = describeChannel(store, channel, terms, date, documents)
  const { signer } = await keys.signerFor(channel.id, channel.name)
  const bytes = Buffer.from(await signer.clearSign(renderManifest(manifest), date))
  const state = manifestState(store, channel, terms)
  const at = clock.now()
  store.db.write((tx) => {
    for (const one of documents.all) store.manifests.putDocument(tx, one, at)
    store.manifests.put(tx, { channelId: channel.id, date, validUntil: manifest.validUntil, state, bytes })
    const present = presentDocuments(
      store.manifests,
      store.channels.list().map(({ id }) => id),
    )
    store.manifests.forgetDocuments(tx, present, at - graceMs)
  })
}

/** Documents in the making, by their digest. */
class Documents {
  readonly all: Buffer[] = []

  add(content: Buffer | string): Sha256 {
    const bytes = Buffer.from(content)
    this.all.push(bytes)
    return sha256(bytes)
  }
}

function headsOf(store: Store, channel: Channel): Head[] {
  return store.publications.heads().filter((head) => head.channelId === channel.id)
}

function describeChannel(
  store: Store,
  channel: Channel,
  terms: ChannelTerms,
  date: number,
  documents: Documents,
): Manifest {
  const heads = headsOf(store, channel)
  const { id, revision, kind, entered, left } = store.channels.head(channel.id)!
  const ends = heads.map((head) => head.validUntil).filter((until) => until !== null)
  const suites = heads.map((head) => describeSuite(store, head, documents))
  const names = new Set(suites.map((suite) => suite.archive))
  return {
    channel: channel.name,
    date,
    validUntil: ends.length === 0 ? null : Math.min(...ends),
    snapshot: {
      id,
      previous: store.channels.snapshotBefore(channel.id, revision)?.id ?? null,
      kind,
      entered,
      left,
    },
    keepSeconds: terms.keepSeconds,
    validForSeconds: terms.validForSeconds,
    keys: store.keys
      .list(channel.id)
      .flatMap(({ fingerprint, role, algorithm, publicKey }): ManifestKey[] =>
        role === 'retired' ? [] : [{ fingerprint, role, algorithm, publicKey }],
      ),
    archives: terms.archives.filter(({ name }) => names.has(name)),
    suites,
    blocked: store.poolFiles.blocked(),
  }
}

function describeSuite(store: Store, head: Head, documents: Documents): ManifestSuite {
  const suite = store.archives.suite(head.suiteId)
  const { inRelease, release, releaseGpg } = store.publications.envelopeOf(head.channelId, head.suiteId)
  if (!signedTextOf(inRelease).equals(release))
    throw new Error(`Internal error: InRelease and Release of ${suite.archive}/${suite.name} differ`)
  const files = store.publications.files(head.publicationId).filter((file) => file.isServed)
  return {
    archive: suite.archive,
    suite: suite.name,
    release: suite.release!,
    inRelease: documents.add(inRelease),
    releaseText: sha256(release),
    releaseSignature: documents.add(releaseGpg),
    files: documents.add(renderFileList(recipesOf(store, files, documents))),
  }
}

/** One recipe for all the files that a text is served in. */
function recipesOf(
  store: Store,
  files: readonly PublicationFile[],
  documents: Documents,
): Map<string, Sha256> {
  const list = new Map<string, Sha256>()
  const byText = Map.groupBy(files, (file) => store.texts.origin(file.sha256)?.textId ?? null)
  for (const made of byText.values()) {
    const digest = documents.add(renderRecipe(recipeOf(store, made)))
    for (const { path } of made) list.set(posix.normalize(path), digest)
  }
  return list
}

function recipeOf({ texts }: Store, files: readonly PublicationFile[]): Recipe {
  const origins = new Map(files.map((file) => [file.sha256, texts.origin(file.sha256)]))
  const text = origins.get(files[0]!.sha256)?.text
  if (text === undefined) throw missing(files[0]!)
  const blocks = texts.blocksOf(files[0]!.sha256)
  const ids = blocks.map((block) => block.id)
  const forms = [...origins.keys()].sort().map((digest) => {
    const file = files.find((one) => one.sha256 === digest)!
    const { encoder } = origins.get(digest)!
    const packed = texts.packedBlocks(ids, encoder)
    const packedBytes = ids.map((id) => packed.get(id)?.unpaddedBytes)
    if (packedBytes.includes(undefined)) throw missing(file)
    return {
      encoder,
      sha256: digest,
      sizeBytes: file.sizeBytes,
      packedBytes: packedBytes.map((bytes) => bytes!),
    }
  })
  return { text, blocks: blocks.map(({ sha256, sizeBytes }) => ({ sha256, sizeBytes })), forms }
}

function missing({ path }: PublicationFile): UusError {
  return new UusError('DATA_UNUSABLE', `A published file is missing, or a part of it: ${path}`, {
    hint: 'Make it again: uus fsck --repair',
  })
}
