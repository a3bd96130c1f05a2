// The one way a channel changes: files first, durable; then one transaction with the snapshot, the views, what is
// served, and the audit row. A crash before the transaction leaves orphaned files, after it the new state.

import { isStanzaKind } from '../debian/index-kinds.ts'
import type { Json } from '../lib/canonical-json.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sha256 } from '../lib/digest.ts'
import type { Emit } from '../lib/events.ts'
import { readRange } from '../lib/random-access.ts'
import { formatSnapshotId } from '../lib/units.ts'
import type { SuiteIndex } from '../store/archives.ts'
import type { Actor } from '../store/audit.ts'
import type { Blobs, OpenBlob } from '../store/blobs.ts'
import {
  type Channel,
  type NewSnapshot,
  type Snapshot,
  type SnapshotKind,
  upstreamName,
} from '../store/channels.ts'
import type { Tx } from '../store/database.ts'
import type { Envelope } from '../store/publications.ts'
import type { Store } from '../store/store.ts'
import type { Gpgv } from '../trust/gpgv.ts'
import { countChanges, type IndexChanges } from './changes.ts'
import type { MadeContents } from './contents.ts'
import { type DerivedIndex, deriveIndexes, goesWith } from './derive.ts'
import type { ChannelOptions, PublishSettings } from './options.ts'
import { makeEnvelope, nextTime, releaseDates, snapshotsField, snapshotTimes } from './publish/envelope.ts'
import { type PreparedPacks, PublishSession, recordPacks } from './publish/pack.ts'
import { type PreparedPublication, preparePublication } from './publish/publication.ts'
import { SelfCheck } from './publish/self-check.ts'
import type { SigningKeys } from './signing-keys.ts'

export interface ChannelCommit {
  readonly channel: Channel
  readonly changes: IndexChanges
  /** Indexes that the channel shows from now on. */
  readonly goesLive?: readonly number[]
  /** Indexes that it does not show any more. */
  readonly drops?: readonly number[]
  /** Suites to publish though none of their indexes changes. */
  readonly alsoPublish?: readonly number[]
  /** Contents indexes that were made apart. */
  readonly contents?: readonly MadeContents[]
  /** Use nothing of the present publications. */
  readonly rendersAnew?: boolean
  readonly kind: SnapshotKind
  readonly reason: string | null
  /** The revision that a rollback goes back to. */
  readonly restores?: number
  readonly audit: {
    readonly actor: Actor
    readonly action: string
    readonly subject: string
    readonly details: { readonly [name: string]: Json | undefined }
  }
  /** Further effects of the same act, in the same transaction. */
  readonly alongside?: (tx: Tx, revision: number, at: number) => void
}

/** A suite as the transaction will publish it; without files where the channel shows nothing of it any more. */
interface PreparedSuite {
  readonly suiteId: number
  readonly ready: { readonly publication: PreparedPublication; readonly envelope: Envelope } | null
}

/** Where generated files lie, in packs. */
export interface GeneratedStores {
  /** What is served; durable. */
  readonly packs: Blobs
  /** The unpacked texts, which can be rendered again. */
  readonly texts: Blobs
}

/** A publication, as far as signing looks at it. */
type Unsigned = Pick<PreparedPublication, 'body' | 'files'>

interface Prepared {
  readonly suites: readonly PreparedSuite[]
  readonly derived: readonly DerivedIndex[]
}

const nothingPrepared: Prepared = { suites: [], derived: [] }

export class Committer {
  readonly #store: Store
  readonly #files: GeneratedStores
  readonly #keys: SigningKeys
  readonly #clock: Clock
  readonly #settings: PublishSettings
  readonly #options: ReadonlyMap<string, ChannelOptions>
  readonly #selfCheck: SelfCheck

  constructor(
    store: Store,
    files: GeneratedStores,
    keys: SigningKeys,
    clock: Clock,
    settings: PublishSettings,
    options: readonly ChannelOptions[],
    gpgv: Gpgv | null,
  ) {
    this.#selfCheck = new SelfCheck(store.texts, files.packs, gpgv)
    this.#settings = settings
    this.#store = store
    this.#files = files
    this.#keys = keys
    this.#clock = clock
    this.#options = new Map(options.map((one) => [one.name, one]))
  }

  /** Makes the next snapshot of a channel and publishes it. Only one commit may run at a time. */
  async commit(commit: ChannelCommit, emit: Emit): Promise<Snapshot> {
    const { channel } = commit
    const base = this.#store.channels.head(channel.id)
    await using session = this.openSession()
    const prepared = channel.name === upstreamName ? nothingPrepared : await this.#prepare(commit, session)
    const packs = await session.finish()
    await this.#checkFiles(channel, prepared, [packs, ...(commit.contents ?? []).map((made) => made.packs)])
    const at = await this.#nextSnapshotTime(channel, base)
    const snapshot: NewSnapshot = {
      channelId: channel.id,
      id: formatSnapshotId(at),
      at,
      kind: commit.kind,
      reason: commit.reason,
      restores: commit.restores ?? null,
      ...this.#countPackages(commit.changes),
    }
    const revision = this.#store.db.write((tx) => {
      if (this.#store.channels.head(channel.id)?.revision !== base?.revision) {
        throw new Error(`Internal error: channel ${channel.name} changed during a commit`)
      }
      const revision = this.#store.channels.addSnapshot(tx, snapshot)
      this.#changeViews(tx, channel, commit.changes, commit.goesLive ?? [], revision)
      this.#recordDerived(tx, channel, prepared.derived, revision)
      for (const one of [packs, ...(commit.contents ?? []).map((made) => made.packs)])
        recordPacks(tx, this.#store.texts, one)
      for (const suite of prepared.suites) this.#publish(tx, channel, revision, suite)
      commit.alongside?.(tx, revision, at)
      const details = { ...commit.audit.details, channel: channel.name, snapshot: snapshot.id }
      this.#store.audit.append(tx, { at, reason: commit.reason, ...commit.audit, details })
      return revision
    })
    const { id, kind, entered, left } = snapshot
    emit({ type: 'snapshot', channel: channel.name, id, revision, kind, entered, left })
    const made = { keptAt: null, collectedAt: null, previousId: null, receivedAt: null }
    return { ...snapshot, revision, ...made }
  }

  /** After the last one, unless that was made by a wrong clock. */
  async #nextSnapshotTime(channel: Channel, base: Snapshot | null): Promise<number> {
    const { settings, channels } = this.#store
    const isVoid = base !== null && base.revision <= Number(settings.get('times-reset-revision') ?? 0)
    let at = await nextTime(isVoid ? null : (base?.at ?? null), this.#clock, snapshotTimes)
    while (channels.findSnapshot(channel.id, formatSnapshotId(at)) !== null) at += 1000
    return at
  }

  /** For files that are made apart from a commit; the caller disposes it. */
  openSession(): PublishSession {
    return new PublishSession(this.#store.texts, this.#files.packs, this.#files.texts)
  }

  openPack(sha256: Sha256): Promise<OpenBlob | null> {
    return this.#files.packs.open(sha256)
  }

  /** Takes a whole file into the packs; durable when it resolves. Disposes the blob. */
  async keepPack(file: OpenBlob): Promise<{ sha256: Sha256; sizeBytes: number }> {
    await using blob = file
    const writer = await this.#files.packs.create()
    try {
      for await (const chunk of readRange(blob, 0, blob.sizeBytes)) await writer.write(chunk)
      return await writer.commit()
    } finally {
      await writer.discard()
    }
  }

  /** Signs what a channel serves of a suite anew: a later Valid-Until, the present keys. No content changes. */
  async renew(channel: Channel, suiteId: number, publicationId: number): Promise<void> {
    const body = this.#store.publications.body(publicationId)
    const envelope = await this.#envelope(channel, suiteId, {
      body,
      files: this.#store.publications.files(publicationId),
    })
    this.#store.db.write((tx) => this.#store.publications.setHead(tx, suiteId, publicationId, envelope))
  }

  /** Packages that come and go, for people: not sources, nor what goes with packages. */
  #countPackages(changes: IndexChanges): { entered: number; left: number } {
    const packages = this.#store.archives.indexes().filter((index) => index.kind === 'packages')
    const isPackages = new Set(packages.map((index) => index.id))
    return countChanges(new Map([...changes].filter(([indexId]) => isPackages.has(indexId))))
  }

  /** Renders and packs the suites that the commit touches. */
  async #prepare(commit: ChannelCommit, session: PublishSession): Promise<Prepared> {
    const { channel } = commit
    const shown = this.#shownIndexes(commit)
    const touched = this.#touchedSuites(commit)
    const derived = deriveIndexes({
      store: this.#store,
      channel,
      shown,
      changes: commit.changes,
      suites: touched,
    })
    const isChange = ({ change }: DerivedIndex) => change.enter.length > 0 || change.leave.length > 0
    const changes = new Map([
      ...commit.changes,
      ...derived.filter(isChange).map(({ index, change }) => [index.id, change] as const),
    ])
    const whole = this.#store.archives
      .allIndexes()
      .filter(({ kind }) => kind === 'icons' || kind === 'contents')
      .filter((index) => shown.some((packages) => goesWith(index, packages)))
    const indexes = [...shown, ...derived.map(({ index }) => index), ...whole]
    const suites: PreparedSuite[] = []
    for (const suiteId of touched) {
      const publication = await preparePublication({
        store: this.#store,
        session,
        channelId: channel.id,
        forms: this.#options.get(channel.name)?.compression ?? ['gz'],
        suite: this.#store.archives.suite(suiteId),
        indexes: indexes.filter((index) => index.suiteId === suiteId),
        changes,
        present: this.#presentFiles(channel, suiteId),
        contents: commit.contents ?? [],
        rendersAnew: commit.rendersAnew ?? false,
      })
      const envelope = publication && (await this.#envelope(channel, suiteId, publication))
      suites.push({ suiteId, ready: publication && { publication, envelope: envelope! } })
    }
    return { suites, derived }
  }

  #touchedSuites(commit: ChannelCommit): Set<number> {
    const touched = new Set(commit.alsoPublish)
    const ids = new Set([...commit.changes.keys(), ...(commit.goesLive ?? []), ...(commit.drops ?? [])])
    for (const index of this.#store.archives.indexes()) if (ids.has(index.id)) touched.add(index.suiteId)
    return touched
  }

  #shownIndexes(commit: ChannelCommit): SuiteIndex[] {
    const shown = new Set(commit.goesLive)
    for (const view of this.#store.views.list(commit.channel.id))
      if (view.liveSince !== null) shown.add(view.indexId)
    for (const indexId of commit.drops ?? []) shown.delete(indexId)
    return this.#store.archives.indexes().filter((index) => shown.has(index.id))
  }

  #presentFiles(channel: Channel, suiteId: number) {
    const head = this.#store.publications
      .heads()
      .find((one) => one.channelId === channel.id && one.suiteId === suiteId)
    return head === undefined ? [] : this.#store.publications.files(head.publicationId)
  }

  /** Signs a publication for snapshot URLs, where nothing expires. */
  async signSnapshot(channel: Channel, suiteId: number, publicationId: number): Promise<void> {
    const body = this.#store.publications.body(publicationId)
    const last = this.#store.publications.snapshotEnvelope(channel.id, publicationId)?.date ?? null
    const files = this.#store.publications.files(publicationId)
    const envelope = await this.#sign(channel, suiteId, { body, files }, last, null)
    this.#store.db.write((tx) => this.#store.publications.putSnapshotEnvelope(tx, publicationId, envelope))
  }

  #snapshotsUrl(channel: Channel, suiteId: number): string {
    return snapshotsField(
      this.#settings.snapshotsUrl,
      channel.name,
      this.#store.archives.suite(suiteId).archive,
    )
  }

  #envelope(channel: Channel, suiteId: number, publication: Unsigned): Promise<Envelope> {
    const last = this.#store.publications.lastDate(channel.id, suiteId)
    return this.#sign(channel, suiteId, publication, last, this.#validForSeconds(channel, suiteId))
  }

  /** Signed, and looked at as a client would. */
  async #sign(
    channel: Channel,
    suiteId: number,
    { body, files }: Unsigned,
    lastDate: number | null,
    validForSeconds: number | null,
  ): Promise<Envelope> {
    const { signer, signedBy } = await this.#keys.signerFor(channel.id, channel.name)
    const envelope = await makeEnvelope({
      body,
      channelId: channel.id,
      date: await nextTime(lastDate, this.#clock, releaseDates),
      validForSeconds,
      snapshots: this.#snapshotsUrl(channel, suiteId),
      signer,
      signedBy,
    })
    const keys = this.#store.keys.list(channel.id).filter((key) => key.role !== 'retired')
    const what = this.#nameOf(channel, suiteId)
    await this.#selfCheck.envelope({ what, envelope, files, lastDate, keys, now: this.#clock.now() })
    return envelope
  }

  #nameOf(channel: Channel, suiteId: number): string {
    const { archive, name } = this.#store.archives.suite(suiteId)
    return `${channel.name} ${archive}/${name}`
  }

  /** What this generation made new; the rest was looked at when it was. */
  async #checkFiles(channel: Channel, prepared: Prepared, made: readonly PreparedPacks[]): Promise<void> {
    for (const { suiteId, ready } of prepared.suites) {
      if (ready === null) continue
      const present = new Set(this.#presentFiles(channel, suiteId).map((file) => file.sha256))
      const files = ready.publication.files.filter((file) => file.isServed && !present.has(file.sha256))
      await this.#selfCheck.files(this.#nameOf(channel, suiteId), files, made)
    }
  }

  /** A channel that left the configuration keeps the validity it had. */
  #validForSeconds(channel: Channel, suiteId: number): number | null {
    const options = this.#options.get(channel.name)
    if (options !== undefined) return options.validForSeconds
    const head = this.#store.publications
      .heads()
      .find((one) => one.channelId === channel.id && one.suiteId === suiteId)
    return head?.validUntil == null ? null : (head.validUntil - head.date) / 1000
  }

  #changeViews(
    tx: Tx,
    channel: Channel,
    changes: IndexChanges,
    goesLive: readonly number[],
    revision: number,
  ): void {
    const byArchive = new Map<number, { entered: number[]; left: number[] }>()
    const indexes = new Map(this.#store.archives.allIndexes().map((index) => [index.id, index]))
    for (const indexId of goesLive) {
      this.#store.views.setLive(tx, this.#store.views.ensure(tx, channel.id, indexId, false), revision)
    }
    for (const [indexId, change] of changes) {
      const viewId = this.#store.views.ensure(tx, channel.id, indexId, false)
      this.#store.views.change(tx, viewId, revision, change)
      const { archiveId, kind } = indexes.get(indexId)!
      if (!isStanzaKind(kind)) continue
      const sum = byArchive.get(archiveId) ?? { entered: [], left: [] }
      byArchive.set(archiveId, {
        entered: sum.entered.concat(change.enter),
        left: sum.left.concat(change.leave),
      })
    }
    if (channel.name === upstreamName) return
    for (const [archiveId, change] of byArchive) {
      this.#store.poolFiles.change(tx, channel.id, archiveId, revision, change)
    }
  }

  #recordDerived(tx: Tx, channel: Channel, derived: readonly DerivedIndex[], revision: number): void {
    const upstream = this.#store.channels.head(this.#store.channels.upstream().id)?.revision ?? 0
    this.#changeViews(
      tx,
      channel,
      new Map(derived.map(({ index, change }) => [index.id, change])),
      derived.map(({ index }) => index.id),
      revision,
    )
    for (const { index } of derived)
      this.#store.views.setDerivedAt(tx, this.#store.views.find(channel.id, index.id)!.id, upstream)
  }

  #publish(tx: Tx, channel: Channel, revision: number, { suiteId, ready }: PreparedSuite): void {
    const { publications } = this.#store
    if (ready === null) {
      publications.publish(tx, channel.id, suiteId, revision, null)
      return
    }
    const { publication, envelope } = ready
    const id = publications.ensure(tx, suiteId, publication.body, publication.files)
    publications.publish(tx, channel.id, suiteId, revision, id)
    publications.setHead(tx, suiteId, id, envelope)
  }
}
