// Do the published files say what the views say, and are they what was signed? And making them again where not.

import { indexPath, isDerivedKind, isStanzaKind } from '../debian/index-kinds.ts'
import { parseRelease } from '../debian/release.ts'
import { Hasher, type Sha256 } from '../lib/digest.ts'
import { decompress } from '../lib/gzip.ts'
import { readRange } from '../lib/random-access.ts'
import { unxz } from '../lib/xz.ts'
import type { SuiteIndex } from '../store/archives.ts'
import type { Channel } from '../store/channels.ts'
import type { PublicationFile } from '../store/publications.ts'
import { readKeyring } from '../trust/keyring.ts'
import { verifyDetachedRelease, verifyInRelease } from '../trust/verify.ts'
import { GeneratedFiles } from './publish/assemble.ts'
import { cutAs } from './publish/blocks.ts'
import type { PackedForm } from './publish/encoders.ts'
import { recordPacks } from './publish/pack.ts'
import { PackDamaged, PackReader } from './publish/packs.ts'
import { entriesAt, separatorOf } from './publish/render.ts'
import { renderWhole } from './publish/splice.ts'
import type { Repo } from './repo.ts'

/** Something published that is not as it should be. */
export interface Damage {
  /** `channel/archive/suite path`. */
  readonly what: string
  readonly why: string
  readonly isRepaired: boolean
}

/** Where a publication is, or was, served. */
interface Served {
  readonly channel: Channel
  readonly suiteId: number
  readonly publicationId: number
  /** At which it was. */
  readonly revision: number
  readonly isHead: boolean
}

export interface GeneratedCheck {
  readonly publications: number
  /** Ids of publications of which something is not as it should be. */
  readonly suspects: readonly number[]
}

/** Looks at everything that is served, and changes nothing; a commit that is under way may give a false suspicion. */
export async function checkGenerated(repo: Repo): Promise<GeneratedCheck> {
  const all = servedPublications(repo)
  const suspects = new Set<number>()
  for (const served of all)
    if ((await checkPublication(repo, served)).length > 0) suspects.add(served.publicationId)
  return { publications: all.length, suspects: [...suspects] }
}

/** Looks at some again, with no commit under way, and mends what is damaged if `repairs`. */
export async function settleSuspects(
  repo: Repo,
  suspects: readonly number[],
  repairs: boolean,
): Promise<Damage[]> {
  const damages: Damage[] = []
  for (const served of servedPublications(repo)) {
    if (!suspects.includes(served.publicationId)) continue
    const name = nameOf(repo, served)
    const found = await checkPublication(repo, served)
    if (repairs && found.length > 0) await repair(repo, served)
    const left = repairs && found.length > 0 ? await checkPublication(repo, served) : found
    for (const { path, why } of found) {
      const isRepaired = repairs && !left.some((one) => one.path === path)
      damages.push({ what: `${name} ${path}`, why, isRepaired })
    }
  }
  return damages
}

function servedPublications({ store }: Repo): Served[] {
  const heads = store.publications.heads()
  const served = new Map<string, Served>()
  for (const channel of store.channels.list()) {
    for (const snapshot of store.channels.snapshots(channel.id)) {
      if (snapshot.collectedAt !== null) continue
      for (const { suiteId, publicationId } of store.publications.at(channel.id, snapshot.revision)) {
        const key = `${channel.id} ${publicationId}`
        if (served.has(key)) continue
        const isHead = heads.some(
          (head) => head.channelId === channel.id && head.publicationId === publicationId,
        )
        served.set(key, { channel, suiteId, publicationId, revision: snapshot.revision, isHead })
      }
    }
  }
  return [...served.values()]
}

function nameOf({ store }: Repo, { channel, suiteId }: Served): string {
  const suite = store.archives.suite(suiteId)
  return `${channel.name}/${suite.archive}/${suite.name}`
}

interface Problem {
  readonly path: string
  readonly why: string
}

async function checkPublication(repo: Repo, served: Served): Promise<Problem[]> {
  const { store } = repo
  const problems: Problem[] = []
  const files = store.publications.files(served.publicationId)
  const plain = new Map(files.filter((file) => !file.isServed).map((file) => [file.path, file]))
  for (const file of files.filter((one) => one.isServed)) {
    const why = await checkFile(repo, file, plain.get(file.path.replace(/\.(gz|xz)$/, '')))
    if (why !== null) problems.push({ path: file.path, why })
  }
  if (served.isHead)
    problems.push(...checkTexts(repo, served, plain), ...(await checkEnvelope(repo, served, files)))
  return problems
}

/** The bytes are those that were signed, and unpack to the text that was. */
async function checkFile(
  { store, generated }: Repo,
  file: PublicationFile,
  plain: PublicationFile | undefined,
): Promise<string | null> {
  const opened = await new GeneratedFiles(store.texts, generated.packs).open(file.sha256)
  if (opened === null) return 'a part of it is missing'
  await using blob = opened
  try {
    const hasher = new Hasher()
    for await (const chunk of readRange(blob, 0, blob.sizeBytes)) hasher.update(chunk)
    if (hasher.digest() !== file.sha256) return 'its bytes changed on the disk'
  } catch (error) {
    return `it cannot be read (${(error as Error).message})`
  }
  if (plain === undefined) return null
  const unpacked = await unpackedDigest(await blob.read(0, blob.sizeBytes), file.path, plain.sizeBytes)
  return unpacked === plain.sha256 ? null : 'it does not unpack to the text that is signed'
}

async function unpackedDigest(bytes: Buffer, path: string, plainBytes: number): Promise<Sha256> {
  const hasher = new Hasher()
  const chunks = path.endsWith('.xz')
    ? unxz(bytes, plainBytes, path)
    : decompress(
        (async function* () {
          yield bytes
        })(),
        'gz',
        plainBytes,
        path,
      )
  for await (const chunk of chunks) hasher.update(chunk)
  return hasher.digest()
}

/** The indexes of a publication that are rendered from views. */
function renderedIndexes({ store }: Repo, { suiteId }: Served): SuiteIndex[] {
  return store.archives
    .allIndexes()
    .filter((index) => index.suiteId === suiteId && (isStanzaKind(index.kind) || isDerivedKind(index.kind)))
}

/** The text that is signed is the one that the views give. */
function checkTexts(repo: Repo, served: Served, plain: ReadonlyMap<string, PublicationFile>): Problem[] {
  return renderedIndexes(repo, served).flatMap((index) => {
    const path = indexPath(index)
    const signed = plain.get(path)
    if (signed === undefined) return []
    const hasher = new Hasher()
    for (const block of renderAt(repo, served, index)) hasher.update(block.bytes)
    return hasher.digest() === signed.sha256 ? [] : [{ path, why: 'its views give another text' }]
  })
}

function* renderAt({ store }: Repo, { channel, revision }: Served, index: SuiteIndex) {
  if (index.kind === 'icons' || index.kind === 'contents') return
  const view = store.views.find(channel.id, index.id)
  const entries = entriesAt(store, index.kind, view?.id ?? null, revision)
  yield* renderWhole(entries, separatorOf(index.kind))
}

async function checkEnvelope(
  { store, clock }: Repo,
  served: Served,
  files: readonly PublicationFile[],
): Promise<Problem[]> {
  const { channel, suiteId } = served
  const { inRelease, release, releaseGpg } = store.publications.envelopeOf(channel.id, suiteId)
  try {
    const keyring = await readKeyring(
      store.keys
        .list(channel.id)
        .map((key) => ({ path: key.fingerprint, bytes: Buffer.from(key.publicKey) })),
    )
    await verifyInRelease(inRelease, keyring, clock.now(), 'InRelease')
    await verifyDetachedRelease(release, releaseGpg, keyring, clock.now(), 'Release')
  } catch (error) {
    return [{ path: 'InRelease', why: (error as Error).message }]
  }
  const listed = parseRelease(release.toString(), 'Release').files
  const isSame =
    listed.size === files.length &&
    files.every((file) => {
      const one = listed.get(file.path)
      return one?.digest === file.sha256 && one.sizeBytes === file.sizeBytes
    })
  return isSame ? [] : [{ path: 'Release', why: 'it lists other files than are served' }]
}

/**
 * Forgets packed blocks that cannot be read, and packs them again from the views as they were: cut at the same places, the
 * same encoder gives the same bytes, so the signed hashes hold. Whole files of upstream are fetched again by the next update.
 */
async function repair(repo: Repo, served: Served): Promise<void> {
  const { store, committer } = repo
  const files = store.publications.files(served.publicationId)
  await forgetDamaged(repo, files)
  for (const index of renderedIndexes(repo, served)) {
    const path = indexPath(index)
    const signed = files.find((file) => file.path === path)
    const made = files.filter((file) => file.path === `${path}.gz` || file.path === `${path}.xz`)
    if (signed === undefined || made.length === 0) continue
    await using session = committer.openSession()
    const blocks = renderAt(repo, served, index)
    const cut = store.texts.blocksOf(made[0]!.sha256)
    const forms = made.map(({ path: one }): PackedForm => (one.endsWith('.gz') ? 'gz' : 'xz'))
    const packed = await session.packAnew(cut.length === 0 ? blocks : cutAs(blocks, cut), forms)
    // Else it is not the text any more that those blocks were cut from.
    if (packed.textSha256 !== signed.sha256) continue
    const packs = await session.finish()
    store.db.write((tx) => recordPacks(tx, store.texts, packs))
  }
  store.db.write((tx) => store.archives.forgetWholeFiles(tx, served.suiteId))
}

async function forgetDamaged({ store, generated }: Repo, files: readonly PublicationFile[]): Promise<void> {
  await using reader = new PackReader(generated.packs)
  const damaged: { blockId: number; encoder: string }[] = []
  for (const { sha256 } of files) {
    for (const block of store.texts.file(sha256)?.blocks ?? []) {
      try {
        await reader.read([block])
      } catch (error) {
        if (!(error instanceof PackDamaged)) throw error
        damaged.push({ blockId: block.blockId, encoder: block.encoder })
      }
    }
  }
  store.db.write((tx) => {
    for (const { blockId, encoder } of damaged) store.texts.forgetPacked(tx, blockId, encoder)
  })
}

/** The suites that a channel cannot serve, because parts of their files are missing: to be published anew. */
export async function isMissing({ store, generated }: Repo, publicationId: number): Promise<boolean> {
  const packs = new Set<Sha256>()
  for (const file of store.publications.files(publicationId).filter((one) => one.isServed)) {
    const known = store.texts.file(file.sha256)
    if (known === null || known.blocks.length < known.blockCount) return true
    for (const { pack } of known.blocks) packs.add(pack)
  }
  for (const pack of packs) if ((await generated.packs.sizeOf(pack)) === null) return true
  return false
}
