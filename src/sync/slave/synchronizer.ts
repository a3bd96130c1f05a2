// Bringing one channel of a slave to what its master has: ask, fetch what is missing, have it checked and stored, flip.
// The network half; what comes is looked into by the jobs process only.
import type { Sha256 } from '../../lib/digest.ts'
import { UpstreamError, UusError } from '../../lib/errors.ts'
import type { Emit } from '../../lib/events.ts'
import { Slots } from '../../lib/slots.ts'
import { Turns } from '../../lib/turns.ts'
import type { Blobs } from '../../store/blobs.ts'
import type { Store } from '../../store/store.ts'
import type { FetchedPart } from './blocks.ts'
import type { Flipped } from './flip.ts'
import type { Examined, ReceivedManifest } from './importer.ts'
import { splitPart, type WantedPart } from './lacking.ts'
import type { MasterLink } from './link.ts'
import { refused } from './trust.ts'

/** What the jobs process does for it. */
export interface SyncJobs {
  examine(received: ReceivedManifest): Promise<Examined>
  store(parts: readonly FetchedPart[]): Promise<void>
  flip(received: ReceivedManifest): Promise<Flipped>
  /** The master has nothing newer; `at` by its clock. */
  checked(channel: string, at: number): Promise<void>
}

export type SyncOutcome =
  | { readonly outcome: 'unchanged' }
  /** New signatures around the same content. */
  | { readonly outcome: 'renewed'; readonly flipped: Flipped }
  | { readonly outcome: 'new'; readonly flipped: Flipped }

/** Where a manifest and what it names come from. */
export type SyncOrigin = Pick<MasterLink, 'manifest' | 'document' | 'part' | 'whole'>

export interface SyncOrder {
  readonly channel: string
  /** How long the master may wait for news. */
  readonly waitSeconds: number
  /** Look through what is held too: parts of it may have been lost. */
  readonly looksThrough?: boolean
  readonly signal?: AbortSignal | undefined
  readonly emit: Emit
  /** Default: the master. */
  readonly origin?: SyncOrigin
}

// What was stored stays when the rest fails, so this is what a cut costs at the most.
const roundBytes = 8 << 20
const partBytes = 4 << 20
// The head of a request has 16 KiB.
const partRanges = 400
const parallel = 6
const maxTries = 3
/** A manifest that is taken over so often without an end is none. */
const maxRounds = 10_000

export class Synchronizer {
  readonly #link: MasterLink
  readonly #incoming: Blobs
  readonly #reader: Store
  readonly #jobs: SyncJobs
  readonly #turns = new Turns()
  /** How many need what was fetched: channels name the same documents. */
  readonly #users = new Map<Sha256, number>()

  constructor(link: MasterLink, incoming: Blobs, reader: Store, jobs: SyncJobs) {
    this.#link = link
    this.#incoming = incoming
    this.#reader = reader
    this.#jobs = jobs
  }

  get link(): MasterLink {
    return this.#link
  }

  /** SYNC_REFUSED if the manifest of another origin is not to be believed. */
  async check(channel: string, origin: SyncOrigin): Promise<void> {
    const answer = await origin.manifest(channel, null, 0)
    if (answer.type === 'manifest') await this.#jobs.examine({ channel, bytes: answer.bytes })
  }

  async sync(order: SyncOrder): Promise<SyncOutcome> {
    const { channel, waitSeconds, signal, looksThrough = false } = order
    const held = this.#held(channel)
    const origin = order.origin ?? this.#link
    const answer = await origin.manifest(channel, looksThrough ? null : held, waitSeconds, signal)
    if (answer.type === 'unchanged') {
      await this.#jobs.checked(channel, answer.at)
      return { outcome: 'unchanged' }
    }
    return this.#turns.take(`channel ${channel}`, async () => {
      // Somebody else took over this one meanwhile, or a newer one.
      const isOld = held?.toString('latin1') !== this.#held(channel)?.toString('latin1')
      return isOld ? { outcome: 'unchanged' } : this.#takeOver({ channel, bytes: answer.bytes }, order)
    })
  }

  #held(channel: string): Buffer | null {
    const known = this.#reader.channels.find(channel)
    return known === null ? null : (this.#reader.manifests.find(known.id)?.bytes ?? null)
  }

  /** Until all that the manifest names is here; then it is served in one instant. */
  async #takeOver(received: ReceivedManifest, order: SyncOrder): Promise<SyncOutcome> {
    const documents = new Set<Sha256>()
    let tries = 0
    try {
      for (let round = 0; round < maxRounds && tries < maxTries; round++) {
        // One round at a time: what channels have in common is fetched once.
        const step = await this.#turns.take('round', () => this.#round(received, documents, order))
        if (step !== 'right' && step !== 'wrong') return step
        tries = step === 'right' ? 0 : tries + 1
      }
      throw neverRight(received.channel)
    } finally {
      for (const digest of documents) await this.#forget(digest)
    }
  }

  async #round(
    received: ReceivedManifest,
    documents: Set<Sha256>,
    order: SyncOrder,
  ): Promise<'right' | 'wrong' | SyncOutcome> {
    const examined = await this.#jobs.examine(received)
    if (examined.type === 'documents') {
      await this.#fetchDocuments(examined.missing, documents, order)
      return 'right'
    }
    if (examined.parts.length > 0) return this.#fetchRound(examined.parts, order)
    if (examined.isKnown) return { outcome: 'unchanged' }
    const flipped = await this.#jobs.flip(received)
    return { outcome: flipped.isNew ? 'new' : 'renewed', flipped }
  }

  async #fetchDocuments(
    missing: readonly Sha256[],
    fetched: Set<Sha256>,
    { channel, signal, origin = this.#link }: SyncOrder,
  ): Promise<void> {
    await eachOf(missing, async (digest) => {
      const bytes = await origin.document(digest, signal)
      const stored = await this.#keep([bytes])
      if (stored !== digest) {
        await this.#forget(stored)
        throw refused(
          `A document of ${channel} did not come as its manifest names it (${digest})`,
          'Something between master and slave changes what passes; it is asked for again',
        )
      }
      fetched.add(digest)
    })
  }

  /** Some of the parts: as much as is lost at the most if it is cut off. */
  async #fetchRound(parts: readonly WantedPart[], order: SyncOrder): Promise<'right' | 'wrong'> {
    const round = firstOf(parts)
    const totalBytes = sizeOf(parts)
    let doneBytes = 0
    const fetched: FetchedPart[] = []
    try {
      await eachOf(round, async (part) => {
        fetched.push({ part, fetched: await this.#fetchPart(part, order) })
        doneBytes += sizeOf([part])
        order.emit({ type: 'fetch-progress', label: order.channel, doneBytes, totalBytes })
      })
      await this.#jobs.store(fetched)
      return 'right'
    } catch (error) {
      if (!(error instanceof UusError) || !isWrongBytes(error)) throw error
      order.emit({ type: 'note', message: `${error.message}. ${error.hint ?? ''}` })
      return 'wrong'
    } finally {
      for (const one of fetched) await this.#forget(one.fetched)
    }
  }

  async #fetchPart(part: WantedPart, { signal, origin = this.#link }: SyncOrder): Promise<Sha256> {
    const isLarge = part.encoder === 'plain' && part.fileBytes > partBytes
    const bytes = isLarge ? origin.whole(part, signal) : [await origin.part(part, signal)]
    return this.#keep(bytes)
  }

  async #keep(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<Sha256> {
    const writer = await this.#incoming.create()
    try {
      for await (const chunk of chunks) await writer.write(chunk)
      const { sha256 } = await writer.commit()
      this.#users.set(sha256, (this.#users.get(sha256) ?? 0) + 1)
      return sha256
    } finally {
      await writer.discard()
    }
  }

  async #forget(digest: Sha256): Promise<void> {
    const users = (this.#users.get(digest) ?? 1) - 1
    if (users > 0) this.#users.set(digest, users)
    else {
      this.#users.delete(digest)
      await this.#incoming.delete(digest)
    }
  }
}

function isWrongBytes({ code }: UusError): boolean {
  return code === 'SYNC_REFUSED' || code === 'UPSTREAM_WRONG_BYTES'
}

function neverRight(channel: string): UusError {
  return refused(
    `Blocks of ${channel} came wrong ${maxTries} times in a row`,
    'Something between master and slave changes what passes: use https, and run "uus fsck" on the master',
  )
}

function sizeOf(parts: readonly WantedPart[]): number {
  return parts.reduce(
    (sum, { blocks }) => sum + blocks.reduce((bytes, block) => bytes + block.end - block.start, 0),
    0,
  )
}

/** As many parts as make up a round; at least one. */
function firstOf(parts: readonly WantedPart[]): WantedPart[] {
  const round: WantedPart[] = []
  let bytes = 0
  for (const whole of parts) {
    for (const part of splitPart(whole, partBytes, partRanges)) {
      bytes += sizeOf([part])
      if (bytes > roundBytes && round.length > 0) return round
      round.push(part)
    }
  }
  return round
}

/** A few at a time; the first failure is thrown once all have ended. */
async function eachOf<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const slots = new Slots(parallel)
  const results = await Promise.allSettled(
    items.map(async (item) => {
      using _slot = await slots.take()
      await act(item)
    }),
  )
  const failed = results.find((one) => one.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** The master has moved on, and what was asked for is not there any more: ask anew. */
export function isOvertaken(error: unknown): boolean {
  return error instanceof UpstreamError && error.isAbsent
}
