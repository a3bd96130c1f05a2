// The writing half of a slave: what a manifest needs, what came, and the flip. Runs in the jobs process; whatever comes
// from outside is looked into here and nowhere else.
import type { Clock } from '../../lib/clock.ts'
import type { Sha256 } from '../../lib/digest.ts'
import type { Actor } from '../../store/audit.ts'
import type { Blobs } from '../../store/blobs.ts'
import type { Store } from '../../store/store.ts'
import { type FetchedPart, storeParts } from './blocks.ts'
import { type VerifiedContent, verifyContent } from './content.ts'
import { type Flipped, flip } from './flip.ts'
import { lackingParts, type WantedPart } from './lacking.ts'
import { adoptSnapshotFile, type SnapshotFile } from './snapshot-file.ts'
import { refused, verifyManifest } from './trust.ts'

/** A channel's manifest, as it came. */
export interface ReceivedManifest {
  readonly channel: string
  readonly bytes: Uint8Array
}

/** What is to be fetched next; plain data. */
export type Examined =
  | { readonly type: 'documents'; readonly missing: readonly Sha256[] }
  /** `isKnown`: it is the manifest that is held; parts of it may be lost. */
  | { readonly type: 'parts'; readonly parts: readonly WantedPart[]; readonly isKnown: boolean }

export interface ImporterOptions {
  readonly store: Store
  readonly packs: Blobs
  readonly packages: Pick<Blobs, 'sizeOf'>
  readonly incoming: Blobs
  readonly clock: Clock
  readonly pinned: readonly string[]
  readonly prefetch: 'none' | 'used' | 'all'
}

const maxDocumentBytes = 64 << 20

export class Importer {
  readonly #options: ImporterOptions

  constructor(options: ImporterOptions) {
    this.#options = options
  }

  /** Verifies what is here of a manifest; SYNC_REFUSED where it is not to be believed. */
  async examine(received: ReceivedManifest): Promise<Examined> {
    const content = await this.#content(received)
    if (content.type === 'documents') return content
    const parts = lackingParts(content, this.#options.store)
    return { type: 'parts', parts, isKnown: content.verified.isKnown }
  }

  /** Stores what was fetched; SYNC_REFUSED if any of it was wrong: the rest is stored all the same. */
  storeParts(parts: readonly FetchedPart[]): Promise<void> {
    return storeParts(this.#options, parts)
  }

  /** Serves what the manifest says from now on. Everything is verified once more, from what is here. */
  async flip(received: ReceivedManifest, actor: Actor): Promise<Flipped> {
    const content = await this.#content(received)
    if (content.type === 'documents' || lackingParts(content, this.#options.store).length > 0) {
      throw refused(
        `Not all that the manifest of ${received.channel} names is here`,
        'It is tried again from what is here',
      )
    }
    return flip(content, { ...this.#options, actor })
  }

  /** SYNC_REFUSED or TrustError where it is not to be believed. */
  adoptSnapshotFile(file: SnapshotFile): Promise<void> {
    const { store, clock } = this.#options
    return adoptSnapshotFile(file, store, clock.now())
  }

  async #content({
    channel,
    bytes,
  }: ReceivedManifest): Promise<VerifiedContent | Extract<Examined, { type: 'documents' }>> {
    const { store, clock, pinned } = this.#options
    const now = clock.now()
    const verified = await verifyManifest(Buffer.from(bytes), channel, { store, pinned, now })
    return verifyContent(verified, (digest) => this.#read(digest), store, now)
  }

  async #read(digest: Sha256): Promise<Buffer | null> {
    const known = this.#options.store.manifests.document(digest)
    if (known !== null) return known
    const opened = await this.#options.incoming.open(digest)
    if (opened === null) return null
    await using blob = opened
    return blob.sizeBytes > maxDocumentBytes ? null : await blob.read(0, blob.sizeBytes)
  }
}
