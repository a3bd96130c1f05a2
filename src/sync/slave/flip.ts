// The one way a slave's channel changes: everything that a manifest names is here and right, then one transaction moves
// what is served. Before it clients see the old state, after it the new one.
import { releaseBodyOf } from '../../debian/release.ts'
import type { Clock } from '../../lib/clock.ts'
import { parseSnapshotId } from '../../lib/units.ts'
import type { Actor } from '../../store/audit.ts'
import type { Blobs } from '../../store/blobs.ts'
import { type SnapshotKind, upstreamName } from '../../store/channels.ts'
import type { Tx } from '../../store/database.ts'
import type { Envelope } from '../../store/publications.ts'
import type { Store } from '../../store/store.ts'
import { presentDocuments } from '../protocol/documents.ts'
import type { Manifest, ManifestArchive } from '../protocol/manifest.ts'
import { checkAssembled } from './assembled.ts'
import type { SuiteContent, VerifiedContent } from './content.ts'
import { servedForms } from './lacking.ts'
import { planPool, wantedFiles } from './pool-plan.ts'
import { refused } from './trust.ts'

export interface FlipContext {
  readonly store: Store
  readonly packs: Blobs
  /** Package files that are here. */
  readonly packages: Pick<Blobs, 'sizeOf'>
  readonly prefetch: 'none' | 'used' | 'all'
  readonly clock: Clock
  readonly actor: Actor
}

export interface Flipped {
  readonly channel: string
  readonly snapshot: string
  /** False if only what is signed around it changed. */
  readonly isNew: boolean
  readonly revision: number
  readonly kind: string
  readonly entered: number
  readonly left: number
}

/** Serves what a manifest says, from now on. SYNC_REFUSED where it cannot be what was signed. */
export async function flip(content: VerifiedContent, context: FlipContext): Promise<Flipped> {
  const { store, packs, clock } = context
  await checkAssembled(content, store, packs)
  const { manifest, bytes } = content.verified
  checkSameContent(content, store)
  const pool = planPool(content, store)
  const wanted = await wantedFiles(pool, context)
  const at = clock.now()
  const { snapshot } = manifest
  const isNew = headOf(store, manifest.channel)?.id !== snapshot.id
  const revision = store.db.write((tx) => {
    const channelId = ensureChannel(tx, store, manifest.channel)
    const made = isNew ? addSnapshot(tx, content, store, channelId, at) : null
    const revision = made ?? store.channels.head(channelId)!.revision
    const archives = new Map(manifest.archives.map((one) => [one.name, ensureArchive(tx, store, one)]))
    publishSuites(tx, content, { store, channelId, revision, archives, isNew, at })
    for (const { archive, change } of pool) {
      const archiveId =
        archives.get(archive) ?? store.archives.list().find(({ name }) => name === archive)!.id
      store.blockFiles.follow(tx, channelId, archiveId, revision, change)
      for (const file of wanted.get(archive) ?? []) store.followed.want(tx, { channelId, archiveId, ...file })
    }
    store.followed.forgetGone(tx, channelId)
    recordTerms(tx, content, store, channelId, at)
    store.manifests.put(tx, {
      channelId,
      date: manifest.date,
      validUntil: manifest.validUntil,
      state: '',
      bytes,
    })
    for (const document of content.documents.values()) store.manifests.putDocument(tx, document, at)
    forgetDocuments(tx, store, at)
    if (isNew) appendAudit(tx, content, context, at)
    return revision
  })
  const { id, kind, entered, left } = snapshot
  return { channel: manifest.channel, snapshot: id, isNew, revision, kind, entered, left }
}

/** Slaves below may be in the midst of what the manifest before named. */
const graceMs = 3_600_000

function forgetDocuments(tx: Tx, store: Store, at: number): void {
  const channels = store.channels.list().map(({ id }) => id)
  store.manifests.forgetDocuments(tx, presentDocuments(store.manifests, channels), at - graceMs)
}

function headOf(store: Store, channel: string) {
  const known = store.channels.find(channel)
  return known === null ? null : store.channels.head(known.id)
}

/** The content of a snapshot never changes, whoever says so. */
function checkSameContent({ verified, suites }: VerifiedContent, store: Store): void {
  const { channel, snapshot } = verified.manifest
  const head = headOf(store, channel)
  if (head?.id !== snapshot.id) return
  const held = store.publications.at(head.channelId, head.revision).map(({ suiteId, publicationId }) => {
    const { archive, name } = store.archives.suite(suiteId)
    return `${archive} ${name} ${store.publications.body(publicationId)}`
  })
  const now = suites.map(({ suite, releaseText }) => {
    return `${suite.archive} ${suite.suite} ${releaseBodyOf(releaseText.toString())}`
  })
  if (new Set(held).symmetricDifference(new Set(now)).size === 0) return
  throw refused(
    `The manifest of ${channel} has another content of snapshot ${snapshot.id} than is held`,
    'A master never does that: see "uus audit" there; its next snapshot is taken over',
  )
}

function ensureChannel(tx: Tx, store: Store, name: string): number {
  const upstream = store.channels.find(upstreamName)?.id
  const upstreamId = upstream ?? store.channels.configure(tx, upstreamName, null, true, false)
  const known = store.channels.find(name)
  return known?.isConfigured === true ? known.id : store.channels.configure(tx, name, upstreamId, true, false)
}

function ensureArchive(tx: Tx, store: Store, { name, isLocal }: ManifestArchive): number {
  return store.archives.configure(tx, name, isLocal)
}

function addSnapshot(
  tx: Tx,
  { verified }: VerifiedContent,
  store: Store,
  channelId: number,
  at: number,
): number {
  const { id, previous, kind, entered, left } = verified.manifest.snapshot
  const snapshot = {
    channelId,
    id,
    at: parseSnapshotId(id)!,
    kind: kind as SnapshotKind,
    reason: null,
    restores: null,
    entered,
    left,
  }
  return store.channels.addSnapshot(tx, snapshot, { previousId: previous, receivedAt: at })
}

interface PublishContext {
  readonly store: Store
  readonly channelId: number
  readonly revision: number
  readonly archives: ReadonlyMap<string, number>
  readonly isNew: boolean
  readonly at: number
}

function publishSuites(tx: Tx, { suites }: VerifiedContent, context: PublishContext): void {
  const { store, channelId, revision, archives, isNew, at } = context
  const present = new Set<number>()
  for (const content of suites) {
    const suiteId = ensureSuite(tx, content, store, archives.get(content.suite.archive)!, at)
    present.add(suiteId)
    recordTexts(tx, content, store)
    const body = releaseBodyOf(content.releaseText.toString())
    const publicationId = store.publications.ensure(tx, suiteId, body, content.files)
    if (isNew) store.publications.publish(tx, channelId, suiteId, revision, publicationId)
    if (!isServedAs(content, store, channelId, suiteId))
      store.publications.setHead(tx, suiteId, publicationId, envelopeOf(content, channelId))
  }
  for (const head of store.publications.heads()) {
    if (head.channelId === channelId && !present.has(head.suiteId))
      store.publications.publish(tx, channelId, head.suiteId, revision, null)
  }
}

function ensureSuite(tx: Tx, content: SuiteContent, store: Store, archiveId: number, at: number): number {
  const { suite, release } = content
  store.archives.configureSuite(tx, archiveId, suite.suite, suite.release, false)
  const { id } = store.archives.findSuite(suite.archive, suite.suite)!
  const { identity, architectures, date, validUntil } = release.release
  const { fileSha256, signedBy } = release
  store.archives.recordAdoption(
    tx,
    id,
    { identity, architectures, date, validUntil, fileSha256, signedBy, at },
    suite.release,
  )
  return id
}

/** Clients get this very InRelease already. */
function isServedAs({ inRelease }: SuiteContent, store: Store, channelId: number, suiteId: number): boolean {
  const isHead = store.publications
    .heads()
    .some((head) => head.channelId === channelId && head.suiteId === suiteId)
  return isHead && store.publications.envelopeOf(channelId, suiteId).inRelease.equals(inRelease)
}

function envelopeOf(content: SuiteContent, channelId: number): Envelope {
  const { release, inRelease, releaseText, releaseSignature } = content
  return {
    channelId,
    date: release.release.date,
    validUntil: release.release.validUntil,
    signedBy: release.signedBy,
    inRelease,
    release: releaseText,
    releaseGpg: releaseSignature,
  }
}

function recordTexts(tx: Tx, content: SuiteContent, store: Store): void {
  const recipes = new Set([...servedForms(content).values()].map(({ recipe }) => recipe))
  for (const { text, blocks, forms } of recipes) {
    const blockIds = blocks.map(({ sha256 }) => store.texts.findBlock(sha256)!.id)
    store.texts.put(tx, { ...text, blockIds }, forms)
  }
}

function recordTerms(tx: Tx, content: VerifiedContent, store: Store, channelId: number, at: number): void {
  const { manifest } = content.verified
  const keys = manifest.keys.map((key) => ({ ...key, channelId, madeAt: at, changedAt: at }))
  store.keys.replace(tx, channelId, keys, at)
  recordFollowed(tx, manifest, store, channelId)
  for (const digest of manifest.blocked) store.poolFiles.block(tx, digest, at, 'recalled on the master')
}

/** How a channel is served, as its manifest says. */
export function recordFollowed(
  tx: Tx,
  { keepSeconds, validForSeconds, archives }: Manifest,
  store: Store,
  channelId: number,
): void {
  const names = new Set(archives.map(({ name }) => name))
  // Snapshots by URL still have what the channel has not: the rule that it had goes on.
  const left = (store.followed.find(channelId)?.archives ?? []).filter(({ name }) => !names.has(name))
  store.followed.put(tx, { channelId, keepSeconds, validForSeconds, archives: [...archives, ...left] })
}

function appendAudit(tx: Tx, { verified }: VerifiedContent, { store, actor }: FlipContext, at: number): void {
  const { channel, snapshot } = verified.manifest
  store.audit.append(tx, {
    at,
    actor,
    action: 'receive',
    subject: channel,
    reason: null,
    details: { snapshot: snapshot.id, previous: snapshot.previous, kind: snapshot.kind },
  })
}
