// Adopting a suite: everything that looks into foreign bytes. Runs in the jobs process.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { releaseOfCodename } from '../../debian/names.ts'
import { PackagesReader } from '../../debian/packages.ts'
import type { Json } from '../../lib/canonical-json.ts'
import type { Sha256 } from '../../lib/digest.ts'
import { UusError } from '../../lib/errors.ts'
import type { Emit } from '../../lib/events.ts'
import { type Compression, decompress } from '../../lib/gzip.ts'
import { unxz } from '../../lib/xz.ts'
import type { Repo } from '../../repo/repo.ts'
import type { Suite } from '../../store/archives.ts'
import type { Actor } from '../../store/audit.ts'
import type { Blobs } from '../../store/blobs.ts'
import type { Tx } from '../../store/database.ts'
import type { ViewChange } from '../../store/views.ts'
import { judgeFreshness } from '../../trust/freshness.ts'
import { type Keyring, readKeyring } from '../../trust/keyring.ts'
import { type VerifiedRelease, verifyDetachedRelease, verifyInRelease } from '../../trust/verify.ts'
import type { UpstreamArchive } from './archive.ts'
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
export interface FetchedIndex {
  readonly component: string
  readonly architecture: string
  readonly compression: Compression
  readonly blob: Sha256
}

export interface AdoptInput extends ExamineInput {
  readonly indexes: readonly FetchedIndex[]
  readonly reason: string | null
  readonly actor: Actor
}

const batch = 16_384

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

  /** Stores what is new, then switches the suite's view of `upstream` in one transaction. */
  async adopt(input: AdoptInput, emit: Emit): Promise<{ entered: number; left: number }> {
    const { store, committer, clock } = this.#repo
    const suite = this.#suite(input)
    const verified = await this.#verify(input)
    const freshness = this.#judge(verified, suite, input)
    const { wanted, vanished, isChanged } = this.#wanted(verified, suite, input)
    if (freshness.outcome !== 'adopt' && !isChanged && vanished.length === 0) return { entered: 0, left: 0 }
    const changes = new Map<number, ViewChange>()
    const adopted: { id: number; plainDigest: string }[] = []
    const upstream = store.channels.upstream()
    for (const index of wanted) {
      if (this.#isKnown(suite, index)) continue
      const ids = await this.#readIndex(input, index)
      const indexId = store.db.write((tx) =>
        store.archives.ensureIndex(tx, suite.id, index.component, index.architecture),
      )
      const view = store.views.find(upstream.id, indexId)
      const change = difference(view === null ? [] : store.views.recordIds(view.id), ids)
      if (change.enter.length > 0 || change.leave.length > 0) changes.set(indexId, change)
      adopted.push({ id: indexId, plainDigest: index.plainDigest })
    }
    const { release, signedBy, fileSha256 } = verified
    const name = `${suite.archive}/${suite.name}`
    const { entered, left } = await committer.commit(
      {
        channel: upstream,
        changes,
        goesLive: adopted.map((index) => index.id),
        kind: 'adopt',
        reason: input.reason,
        audit: {
          actor: input.actor,
          action: input.isAccepted ? 'adopt --accept' : 'adopt',
          subject: name,
          details: describeAdoption(verified, changes),
        },
        alongside: (tx) => {
          this.#prepareSeeds(
            tx,
            suite,
            adopted.map((index) => index.id),
          )
          for (const index of adopted) store.archives.recordIndexDigest(tx, index.id, index.plainDigest)
          for (const { component, architecture } of vanished) {
            const indexId = store.archives.ensureIndex(tx, suite.id, component, architecture)
            store.archives.freezeIndex(tx, indexId, clock.now())
          }
          store.archives.recordAdoption(
            tx,
            suite.id,
            {
              identity: release.identity,
              date: release.date,
              validUntil: release.validUntil,
              fileSha256,
              signedBy,
              at: clock.now(),
            },
            releaseOfCodename(release.identity.codename ?? release.identity.suite ?? suite.name),
          )
        },
      },
      emit,
    )
    return { entered, left }
  }

  #suite(input: ExamineInput): Suite {
    return this.#repo.store.archives.findSuite(input.archive, input.suite)!
  }

  #archive(input: ExamineInput): UpstreamArchive {
    return this.#archives.get(input.archive)!
  }

  async #verify({ archive, suite, fetched }: ExamineInput): Promise<VerifiedRelease> {
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
    const { components, architectures, foreignArchitectures } = this.#archive(input)
    const { wanted, missing } = wantedIndexes(release, components, architectures)
    const known = this.#repo.store.archives.indexes().filter((index) => index.suiteId === suite.id)
    const vanished = missing.filter((one) => {
      const index = known.find(
        (each) => each.component === one.component && each.architecture === one.architecture,
      )
      // Not every archive has what some clients have beside their own; apt does not mind either.
      return index === undefined ? !foreignArchitectures.includes(one.architecture) : index.frozenAt === null
    })
    if (wanted.length === 0 || (vanished.length > 0 && !input.isAccepted)) {
      throw incomplete(`${suite.archive}/${suite.name}`, release, vanished.length > 0 ? vanished : missing)
    }
    return { wanted, vanished, isChanged: wanted.some((index) => !this.#isKnown(suite, index)) }
  }

  #isKnown(suite: Suite, wanted: WantedIndex): boolean {
    return this.#repo.store.archives
      .indexes()
      .some(
        (index) =>
          index.suiteId === suite.id &&
          index.component === wanted.component &&
          index.architecture === wanted.architecture &&
          index.plainDigest === wanted.plainDigest,
      )
  }

  /** The index's records, stored in small transactions: what no view refers to does no harm. */
  async #readIndex(input: AdoptInput, wanted: WantedIndex): Promise<number[]> {
    const what = `${wanted.component}/binary-${wanted.architecture}/Packages of ${input.archive}/${input.suite}`
    const reader = new PackagesReader(what)
    const [algorithm, digest] = wanted.plainDigest.split(':') as [string, string]
    const hash = createHash(algorithm)
    const { store } = this.#repo
    const ids = new Set<number>()
    const put = (stanzas: ReturnType<PackagesReader['push']>) => {
      for (let at = 0; at < stanzas.length; at += batch) {
        const some = stanzas.slice(at, at + batch)
        for (const id of store.db.write((tx) => store.records.put(tx, some), { preliminary: true }))
          ids.add(id)
      }
    }
    for await (const chunk of gather(this.#open(input, wanted, what))) {
      hash.update(chunk)
      put(reader.push(chunk))
    }
    put(reader.end())
    if (hash.digest('hex') !== digest) {
      throw new UusError('UPSTREAM_WRONG_BYTES', `${what} does not unpack to what is signed`, {
        hint: 'Nothing was adopted; try another mirror',
      })
    }
    return [...ids]
  }

  async *#open(input: AdoptInput, wanted: WantedIndex, what: string): AsyncGenerator<Buffer> {
    if (wanted.plainBytes === 0) return
    const fetched = input.indexes.find(
      (index) => index.component === wanted.component && index.architecture === wanted.architecture,
    )
    const blob = fetched === undefined ? null : await this.#incoming.open(fetched.blob)
    if (fetched === undefined || blob === null) throw new Error(`Internal error: ${what} was not fetched`)
    if (fetched.compression === 'xz') {
      await using file = blob
      yield* unxz(await file.read(0, file.sizeBytes), wanted.plainBytes, what)
    } else {
      yield* decompress(blob.stream(0, blob.sizeBytes, 1 << 20), fetched.compression, wanted.plainBytes, what)
    }
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

/** Chunks of some megabytes, so that each transaction stores a good number of stanzas. */
async function* gather(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of source) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes >= 2 << 20) {
      yield chunks.length === 1 ? chunk : Buffer.concat(chunks, bytes)
      chunks = []
      bytes = 0
    }
  }
  if (bytes > 0) yield Buffer.concat(chunks, bytes)
}

function difference(before: readonly number[], after: readonly number[]): ViewChange {
  const had = new Set(before)
  const has = new Set(after)
  return { enter: after.filter((id) => !had.has(id)), leave: before.filter((id) => !has.has(id)) }
}

function describeAdoption(verified: VerifiedRelease, changes: ReadonlyMap<number, ViewChange>): Json {
  let entered = 0
  let left = 0
  for (const change of changes.values()) {
    entered += change.enter.length
    left += change.leave.length
  }
  const { release, signedBy, fileSha256 } = verified
  return { date: new Date(release.date).toISOString(), signedBy, release: fileSha256, entered, left }
}
