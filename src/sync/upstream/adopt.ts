// Adopting a suite: everything that looks into foreign bytes. Runs in the jobs process.
import { readFile } from 'node:fs/promises'
import { type IndexPlace, indexPath, isFlatSuite, isStanzaKind } from '../../debian/index-kinds.ts'
import { releaseOfCodename } from '../../debian/names.ts'
import { renderIdentity } from '../../debian/release.ts'
import type { Json } from '../../lib/canonical-json.ts'
import type { Sha256 } from '../../lib/digest.ts'
import { UusError } from '../../lib/errors.ts'
import type { Emit } from '../../lib/events.ts'
import type { Compression } from '../../lib/gzip.ts'
import { objectionsTo } from '../../repo/guards.ts'
import type { Repo } from '../../repo/repo.ts'
import type { Suite, UpstreamFile } from '../../store/archives.ts'
import type { Actor } from '../../store/audit.ts'
import type { Blobs } from '../../store/blobs.ts'
import type { Tx } from '../../store/database.ts'
import type { ViewChange } from '../../store/views.ts'
import { judgeFreshness } from '../../trust/freshness.ts'
import { type Keyring, readKeyring } from '../../trust/keyring.ts'
import { type VerifiedRelease, verifyDetachedRelease, verifyInRelease } from '../../trust/verify.ts'
import { type UpstreamArchive, wantedKinds } from './archive.ts'
import { checkWhole, readRecords } from './read-index.ts'
import { incomplete, type WantedIndex, wantedIndexes } from './wanted.ts'

/** A suite's signed file as it was fetched. */
export type FetchedRelease =
  | { readonly type: 'inrelease'; readonly file: Uint8Array }
  | { readonly type: 'detached'; readonly file: Uint8Array; readonly signature: Uint8Array }

export interface ExamineInput {
  readonly archive: string
  readonly suite: string
  readonly fetched: FetchedRelease
  /** Adopt it in spite of a changed identity or a vanished index: an administrator says so. */
  readonly isAccepted: boolean
}

export type Examination =
  | { readonly outcome: 'unchanged' }
  | { readonly outcome: 'older'; readonly date: number }
  /** What is to be fetched; indexes that did not change are left out. */
  | { readonly outcome: 'adopt'; readonly wanted: readonly WantedIndex[] }

/** An index that was fetched: a blob of the incoming store. */
export interface FetchedIndex extends IndexPlace {
  readonly compression: Compression
  readonly blob: Sha256
}

export interface AdoptInput extends ExamineInput {
  /** Those that changed; of what is not required some may be missing. */
  readonly indexes: readonly FetchedIndex[]
  readonly reason: string | null
  readonly actor: Actor
}

export class Adopter {
  readonly #repo: Repo
  readonly #incoming: Blobs
  readonly #archives: ReadonlyMap<string, UpstreamArchive>

  constructor(repo: Repo, incoming: Blobs, archives: readonly UpstreamArchive[]) {
    this.#repo = repo
    this.#incoming = incoming
    this.#archives = new Map(archives.map((archive) => [archive.name, archive]))
  }

  /** Verifies a Release and says what to do with it. Changes nothing. */
  async examine(input: ExamineInput): Promise<Examination> {
    const suite = this.#suite(input)
    const verified = await this.#verify(input)
    const freshness = this.#judge(verified, suite, input)
    if (freshness.outcome === 'older') return freshness
    const { wanted, isChanged } = this.#wanted(verified, suite, input)
    if (freshness.outcome === 'unchanged' && !isChanged) return { outcome: 'unchanged' }
    return { outcome: 'adopt', wanted: wanted.filter((index) => !this.#isKnown(suite, index)) }
  }

  /** Stores what is new, then switches the suite's views of `upstream` in one transaction. */
  async adopt(input: AdoptInput, emit: Emit): Promise<{ entered: number; left: number }> {
    const { committer, clock } = this.#repo
    const suite = this.#suite(input)
    const verified = await this.#verify(input)
    const freshness = this.#judge(verified, suite, input)
    const { wanted, vanished, lost } = this.#wanted(verified, suite, input)
    const read = await this.#readIndexes(input, suite, wanted, emit)
    const isSame = read.length === 0 && vanished.length === 0 && lost.length === 0
    if (freshness.outcome !== 'adopt' && isSame) return { entered: 0, left: 0 }
    const changes = new Map(read.flatMap(({ id, change }) => (change === null ? [] : [[id, change]])))
    const name = `${suite.archive}/${suite.name}`
    if (!input.isAccepted) this.#guard(name, changes)
    const { entered, left } = await committer.commit(
      {
        channel: this.#repo.store.channels.upstream(),
        changes,
        goesLive: read.filter((index) => index.change !== null || !isWhole(index.place)).map(({ id }) => id),
        kind: 'adopt',
        reason: input.reason,
        audit: {
          actor: input.actor,
          action: input.isAccepted ? 'adopt --accept' : 'adopt',
          subject: name,
          details: { ...describeAdoption(verified, changes), ...describeAccepted(suite, verified, vanished) },
        },
        alongside: (tx) => {
          this.#recordIndexes(tx, suite, read, vanished, clock.now())
          for (const index of lost) this.#repo.store.archives.dropIndex(tx, index.id, clock.now())
          this.#recordRelease(tx, suite, verified)
        },
      },
      emit,
    )
    return { entered, left }
  }

  /** GUARD_REFUSED for a loss that looks like a glitch. */
  #guard(name: string, changes: ReadonlyMap<number, ViewChange>): void {
    const { store } = this.#repo
    const objections = objectionsTo(store, store.channels.upstream().id, changes)
    if (objections.length === 0) return
    throw new UusError('GUARD_REFUSED', `${name} waits: ${objections[0]}`, {
      details: objections.slice(1),
      hint: `If upstream means it, run: uus update --accept ${name} --reason "…"`,
    })
  }

  /** What changed, read and stored. An index that is not required and cannot be read stays as it was. */
  async #readIndexes(
    input: AdoptInput,
    suite: Suite,
    wanted: readonly WantedIndex[],
    emit: Emit,
  ): Promise<ReadIndex[]> {
    const read: ReadIndex[] = []
    for (const index of wanted) {
      if (this.#isKnown(suite, index)) continue
      const fetched = input.indexes.find((one) => isSamePlace(one, index)) ?? null
      if (fetched === null && index.plainBytes > 0 && !index.isRequired) continue
      try {
        read.push(await this.#readIndex(input, suite, index, fetched))
      } catch (error) {
        if (index.isRequired || !(error instanceof UusError)) throw error
        const name = `${suite.archive}/${suite.name}`
        emit({ type: 'note', message: `${name}: ${indexPath(index)} stays as it was: ${error.message}` })
      }
    }
    return read
  }

  async #readIndex(
    input: AdoptInput,
    suite: Suite,
    wanted: WantedIndex,
    fetched: FetchedIndex | null,
  ): Promise<ReadIndex> {
    const { store } = this.#repo
    const where = `${input.archive}/${input.suite}`
    const onlyArchitectures = isFlatSuite(input.suite) ? this.#flatArchitectures(input) : null
    const indexInput = { where, wanted, fetched, onlyArchitectures }
    if (isWhole(wanted)) {
      // What is cut later is unpacked then, within the signed size.
      const plainSha256 = wanted.kind === 'contents' ? null : await checkWhole(this.#incoming, indexInput)
      const file = fetched === null ? null : await this.#keepWhole(fetched, wanted, plainSha256)
      return { id: this.#ensure(suite, wanted), place: wanted, wanted, change: null, file }
    }
    const ids = await readRecords(store, this.#incoming, indexInput)
    const id = this.#ensure(suite, wanted)
    const view = store.views.find(store.channels.upstream().id, id)
    const change = difference(view === null ? [] : store.views.recordIds(view.id), ids)
    const isChange = change.enter.length > 0 || change.leave.length > 0
    return { id, place: wanted, wanted, change: isChange ? change : null, file: null }
  }

  #ensure(suite: Suite, place: IndexPlace): number {
    return this.#repo.store.db.write((tx) => this.#repo.store.archives.ensureIndex(tx, suite.id, place))
  }

  /** Among the packs it is durable, and can be served as it is. */
  async #keepWhole(
    fetched: FetchedIndex,
    wanted: WantedIndex,
    plainSha256: Sha256 | null,
  ): Promise<UpstreamFile> {
    const blob = await this.#incoming.open(fetched.blob)
    if (blob === null) throw new Error('Internal error: a fetched file is gone')
    const { sha256, sizeBytes } = await this.#repo.committer.keepPack(blob)
    const { compression } = fetched
    return { sha256, sizeBytes, compression, plainSha256, plainBytes: wanted.plainBytes }
  }

  #flatArchitectures(input: ExamineInput): ReadonlySet<string> {
    return new Set([...this.#archive(input).architectures, 'all'])
  }

  #recordIndexes(
    tx: Tx,
    suite: Suite,
    read: readonly ReadIndex[],
    vanished: readonly IndexPlace[],
    now: number,
  ): void {
    const { archives } = this.#repo.store
    const stanzas = read.filter(({ place }) => isStanzaKind(place.kind))
    this.#prepareSeeds(
      tx,
      suite,
      stanzas.map(({ id }) => id),
    )
    for (const { id, wanted, file } of read) {
      archives.recordIndexDigest(tx, id, wanted.plainDigest)
      if (file !== null) archives.putUpstreamFile(tx, id, file)
    }
    for (const place of vanished) archives.freezeIndex(tx, archives.ensureIndex(tx, suite.id, place), now)
  }

  #recordRelease(tx: Tx, suite: Suite, { release, signedBy, fileSha256 }: VerifiedRelease): void {
    const { identity, architectures, date, validUntil } = release
    const adopted = {
      identity,
      architectures,
      date,
      validUntil,
      fileSha256,
      signedBy,
      at: this.#repo.clock.now(),
    }
    const named = releaseOfCodename(identity.codename ?? identity.suite ?? suite.name.replace(/\/+$/, ''))
    this.#repo.store.archives.recordAdoption(tx, suite.id, adopted, named)
  }

  #suite(input: ExamineInput): Suite {
    return this.#repo.store.archives.findSuite(input.archive, input.suite)!
  }

  #archive(input: ExamineInput): UpstreamArchive {
    return this.#archives.get(input.archive)!
  }

  /** Verifies with the archive's own keys; the suite need not be one that is adopted. */
  verify(input: Pick<ExamineInput, 'archive' | 'suite' | 'fetched'>): Promise<VerifiedRelease> {
    return this.#verify(input)
  }

  async #verify({
    archive,
    suite,
    fetched,
  }: Pick<ExamineInput, 'archive' | 'suite' | 'fetched'>): Promise<VerifiedRelease> {
    const keyring = await this.#keyring(archive)
    const now = this.#repo.clock.now()
    const file = Buffer.from(fetched.file)
    if (fetched.type === 'inrelease')
      return verifyInRelease(file, keyring, now, `InRelease of ${archive}/${suite}`)
    const signature = Buffer.from(fetched.signature)
    return verifyDetachedRelease(file, signature, keyring, now, `Release of ${archive}/${suite}`)
  }

  /** Read at each use: a keyring that the system's package manager updates counts at once. */
  async #keyring(name: string): Promise<Keyring> {
    const { keyringFiles, keyFingerprints } = this.#archives.get(name)!
    const files = await Promise.all(
      keyringFiles.map(async (path) => {
        try {
          return { path, bytes: await readFile(path) }
        } catch (error) {
          throw new UusError('KEYRING_UNREADABLE', `Cannot read the keyring ${path} of archive ${name}`, {
            cause: error,
            hint: 'Install the package that brings it, or mend "signed-by"',
          })
        }
      }),
    )
    return readKeyring(files, keyFingerprints)
  }

  #judge(verified: VerifiedRelease, suite: Suite, input: ExamineInput) {
    const expected = {
      archive: suite.archive,
      suite: suite.name,
      known: suite.adopted,
      checksValidUntil: this.#archive(input).checksValidUntil,
      isAccepted: input.isAccepted,
    }
    return judgeFreshness(verified, expected, this.#repo.clock.now())
  }

  /** What the configuration asks for. What is newly missing is refused, or, if that is accepted, frozen. */
  #wanted({ release }: VerifiedRelease, suite: Suite, input: ExamineInput) {
    const archive = this.#archive(input)
    const { wanted, missing } = wantedIndexes(release, wantedKinds(archive, suite.name))
    const known = this.#repo.store.archives.allIndexes().filter((index) => index.suiteId === suite.id)
    const isWanted = (place: IndexPlace) => wanted.some((index) => isSamePlace(index, place))
    const gone = known.filter((index) => !isWanted(index))
    // Not every archive has what some clients have beside their own; apt does not mind either.
    const neverThere = missing.filter(
      (place) =>
        !known.some((index) => isSamePlace(index, place)) &&
        !archive.foreignArchitectures.includes(place.architecture),
    )
    const vanished = [
      ...neverThere,
      ...gone.filter((index) => isStanzaKind(index.kind) && index.frozenAt === null),
    ]
    if (wanted.length === 0 || (vanished.length > 0 && !input.isAccepted)) {
      throw incomplete(`${suite.archive}/${suite.name}`, release, vanished.length > 0 ? vanished : missing)
    }
    // What goes with packages is left out as soon as upstream has it no more.
    const lost = gone.filter((index) => !isStanzaKind(index.kind))
    const isChanged = lost.length > 0 || wanted.some((index) => !this.#isKnown(suite, index))
    return { wanted, vanished, lost, isChanged }
  }

  #isKnown(suite: Suite, wanted: WantedIndex): boolean {
    return this.#repo.store.archives
      .allIndexes()
      .some(
        (index) =>
          index.suiteId === suite.id &&
          isSamePlace(index, wanted) &&
          index.plainDigest === wanted.plainDigest,
      )
  }

  /** At a suite's first adoption after `init`, its indexes will also fill the gated channels. */
  #prepareSeeds(tx: Tx, suite: Suite, indexIds: readonly number[]): void {
    const { store } = this.#repo
    if (!suite.seedsItself || suite.adopted !== null) return
    for (const channel of store.channels.list()) {
      if (channel.parentId === null || channel.follows || !channel.seedsItself) continue
      for (const indexId of indexIds) store.views.ensure(tx, channel.id, indexId, true)
    }
  }
}

/** An index that changed, as the transaction will record it. */
interface ReadIndex {
  readonly id: number
  readonly place: IndexPlace
  readonly wanted: WantedIndex
  /** Null where its entries are those of before, or it has none. */
  readonly change: ViewChange | null
  /** Of an index that is taken over as a file. */
  readonly file: UpstreamFile | null
}

function isWhole({ kind }: IndexPlace): boolean {
  return kind === 'icons' || kind === 'contents'
}

function isSamePlace(a: IndexPlace, b: IndexPlace): boolean {
  return a.kind === b.kind && a.component === b.component && a.architecture === b.architecture
}

function difference(before: readonly number[], after: readonly number[]): ViewChange {
  const had = new Set(before)
  const has = new Set(after)
  return { enter: after.filter((id) => !had.has(id)), leave: before.filter((id) => !has.has(id)) }
}

function describeAdoption(verified: VerifiedRelease, changes: ReadonlyMap<number, ViewChange>) {
  let entered = 0
  let left = 0
  for (const change of changes.values()) {
    entered += change.enter.length
    left += change.leave.length
  }
  const { release, signedBy, fileSha256 } = verified
  return { date: new Date(release.date).toISOString(), signedBy, release: fileSha256, entered, left }
}

/** What an administrator lets pass with --accept: what clients recognise the suite by, and what vanished. */
function describeAccepted(
  { adopted }: Suite,
  { release }: VerifiedRelease,
  vanished: readonly IndexPlace[],
): { readonly [name: string]: Json | undefined } {
  const before = adopted?.identity
  const isSame = before === undefined || renderIdentity(before) === renderIdentity(release.identity)
  return {
    identity: isSame
      ? undefined
      : { before: renderIdentity(before), after: renderIdentity(release.identity) },
    frozen: vanished.length === 0 ? undefined : vanished.map(indexPath),
  }
}
