// Fetching a suite: the network half of adoption. Looks into no foreign byte; sizes and digests come from what
// the jobs process verified. Runs in the server process.
import { createHash } from 'node:crypto'
import type { Sha256 } from '../../lib/digest.ts'
import { UpstreamError } from '../../lib/errors.ts'
import type { Emit } from '../../lib/events.ts'
import { encodePath } from '../../lib/url-path.ts'
import type { Fetcher, Validators } from '../../pool/fetcher.ts'
import { redact, wrongBytes } from '../../pool/upstream-errors.ts'
import type { Blobs } from '../../store/blobs.ts'
import type { Examination, ExamineInput, FetchedIndex, FetchedRelease } from './adopt.ts'
import { folderUrl, type UpstreamArchive, urisOfFile, urisOfSuite } from './archive.ts'
import type { Candidate, WantedIndex } from './wanted.ts'

// apt's Acquire::MaxReleaseFileSize.
const maxReleaseBytes = 10_000_000

export type Gathered =
  | { readonly outcome: 'unchanged' }
  /** Every address that answered lags behind what we hold. */
  | { readonly outcome: 'older' }
  | {
      readonly outcome: 'fetched'
      readonly fetched: FetchedRelease
      readonly indexes: readonly FetchedIndex[]
      /** Indexes that could not be had, and can be done without. */
      readonly failures: readonly unknown[]
      /** To be called once it is adopted: from then on requests are conditional. */
      readonly remember: () => void
    }

export interface GatherInput {
  readonly archive: UpstreamArchive
  readonly suite: string
  readonly isAccepted: boolean
}

/** Asks the jobs process what to do with a Release. */
export type Examine = (input: ExamineInput) => Promise<Examination>

export class Gatherer {
  readonly #fetcher: Fetcher
  readonly #incoming: Blobs
  readonly #examine: Examine
  /**
   * By suite: the validators of the answer that stands for what is held, and whose they are. Another address may
   * truthfully say that it has nothing new, and lag behind. They may be lost: a full answer costs little.
   */
  readonly #held = new Map<string, { url: string; validators: Validators }>()

  /** How many updates need a fetched file: suites can have the very same index. */
  readonly #users = new Map<Sha256, number>()

  constructor(fetcher: Fetcher, incoming: Blobs, examine: Examine) {
    this.#fetcher = fetcher
    this.#incoming = incoming
    this.#examine = examine
  }

  /** Tries the suite's addresses in turn. Throws the first failure's reason if none will do. */
  async gather(input: GatherInput, emit: Emit): Promise<Gathered> {
    let firstFailure: unknown
    let isOlder = false
    for (const uri of urisOfSuite(input.archive, input.suite)) {
      try {
        const gathered = await this.#gatherFrom(uri, input, emit)
        if (gathered.outcome !== 'older') return gathered
        isOlder = true
      } catch (error) {
        firstFailure ??= error
      }
    }
    if (firstFailure === undefined && isOlder) return { outcome: 'older' }
    throw firstFailure ?? new Error(`Internal error: no address serves ${input.archive.name}/${input.suite}`)
  }

  async #gatherFrom(uri: string, input: GatherInput, emit: Emit): Promise<Gathered> {
    const { archive, suite, isAccepted } = input
    const folder = folderUrl(uri, suite)
    const release = await this.#fetchRelease(folder, input)
    if (release === 'unchanged') return { outcome: 'unchanged' }
    const { fetched, remember } = release
    const examination = await this.#examine({ archive: archive.name, suite, fetched, isAccepted })
    if (examination.outcome === 'older') return { outcome: 'older' }
    if (examination.outcome === 'unchanged') {
      remember()
      return { outcome: 'unchanged' }
    }
    const { indexes, failures } = await this.#fetchIndexes(folder, examination.wanted, input, emit)
    // What is missing is asked for again at the next update, whether or not upstream changes.
    return {
      outcome: 'fetched',
      fetched,
      indexes,
      failures,
      remember: failures.length > 0 ? () => {} : remember,
    }
  }

  /** InRelease, or, where there is none, Release with Release.gpg. */
  async #fetchRelease(folder: string, { archive, suite, isAccepted }: GatherInput) {
    const { transport } = archive
    const url = `${folder}/InRelease`
    const key = `${archive.name}/${suite}`
    const held = this.#held.get(key)
    const validators = !isAccepted && held?.url === url ? held.validators : undefined
    const answer = await this.#fetcher.fetchSmall(url, maxReleaseBytes, { transport, validators })
    if (answer.outcome === 'unchanged') return 'unchanged'
    if (answer.outcome === 'ok') {
      const fetched: FetchedRelease = { type: 'inrelease', file: answer.bytes }
      return { fetched, remember: () => void this.#held.set(key, { url, validators: answer.validators }) }
    }
    const file = await this.#fetcher.fetchSmall(`${folder}/Release`, maxReleaseBytes, { transport })
    const signature = await this.#fetcher.fetchSmall(`${folder}/Release.gpg`, maxReleaseBytes, { transport })
    if (file.outcome !== 'ok' || signature.outcome !== 'ok') {
      throw new UpstreamError(
        'UPSTREAM_STATUS',
        url,
        `${redact(url)} does not exist, nor Release with Release.gpg`,
        {
          status: 404,
          hint: 'Check "uris" and "suites"; an archive without signatures cannot be used',
        },
      )
    }
    const fetched: FetchedRelease = { type: 'detached', file: file.bytes, signature: signature.bytes }
    return { fetched, remember: () => void this.#held.delete(`${archive.name}/${suite}`) }
  }

  async #fetchIndexes(
    folder: string,
    wanted: readonly WantedIndex[],
    input: GatherInput,
    emit: Emit,
  ): Promise<{ indexes: FetchedIndex[]; failures: unknown[] }> {
    const { archive, suite } = input
    const totalBytes = wanted.reduce((sum, index) => sum + (index.candidates[0]?.file.sizeBytes ?? 0), 0)
    emit({ type: 'suite-fetching', archive: archive.name, suite, totalBytes })
    let doneBytes = 0
    const onBytes = (bytes: number) => {
      doneBytes += bytes
      emit({ type: 'fetch-progress', label: `${archive.name}/${suite}`, doneBytes, totalBytes })
    }
    const fetches = wanted.filter((index) => index.candidates.length > 0)
    const results = await Promise.allSettled(
      fetches.map((index) => this.#fetchIndex(folder, index, input, onBytes)),
    )
    const indexes = results.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
    const isFatal = (one: PromiseSettledResult<unknown>, index: number) =>
      one.status === 'rejected' && (fetches[index]!.isRequired || !(one.reason instanceof UpstreamError))
    const fatal = results.find(isFatal)
    if (fatal?.status === 'rejected') {
      await this.forget(indexes)
      throw fatal.reason
    }
    const failures = results.flatMap((one): unknown[] => (one.status === 'rejected' ? [one.reason] : []))
    return { indexes, failures }
  }

  /** The same address first, since it had the Release; then the others that serve this architecture. */
  async #fetchIndex(
    folder: string,
    { kind, component, architecture, candidates }: WantedIndex,
    { archive, suite }: GatherInput,
    onBytes: (bytes: number) => void,
  ): Promise<FetchedIndex> {
    const folders = urisOfFile(archive, suite, kind === 'packages' ? architecture : null).map((uri) =>
      folderUrl(uri, suite),
    )
    const ordered = folders.includes(folder) ? [folder, ...folders.filter((one) => one !== folder)] : folders
    let firstFailure: unknown
    for (const candidate of candidates) {
      for (const base of ordered) {
        for (const path of candidate.paths) {
          try {
            const blob = await this.#fetchFile(encodePath(base, path), candidate, archive, onBytes)
            return { kind, component, architecture, compression: candidate.compression, blob }
          } catch (error) {
            if (!(error instanceof UpstreamError)) throw error
            // A missing by-hash name is usual; the plain name's failure says more.
            if (!error.isAbsent || path === candidate.paths.at(-1)) firstFailure ??= error
          }
        }
      }
    }
    throw firstFailure
  }

  async #fetchFile(
    url: string,
    { file }: Candidate,
    { transport }: UpstreamArchive,
    onBytes: (bytes: number) => void,
  ): Promise<Sha256> {
    const writer = await this.#incoming.create()
    const hash = createHash(file.algorithm)
    let doneBytes = 0
    try {
      for await (const chunk of this.#fetcher.fetchStream(url, file.sizeBytes, { transport })) {
        hash.update(chunk)
        await writer.write(chunk)
        doneBytes += chunk.length
        onBytes(chunk.length)
      }
      if (hash.digest('hex') !== file.digest) {
        throw wrongBytes(url, `has another ${file.algorithm} than the Release says`)
      }
      const { sha256 } = await writer.commit()
      this.#users.set(sha256, (this.#users.get(sha256) ?? 0) + 1)
      return sha256
    } catch (error) {
      onBytes(-doneBytes)
      throw error
    } finally {
      await writer.discard()
    }
  }

  /** Fetched indexes are of no use once they were adopted or refused. */
  async forget(indexes: readonly FetchedIndex[]): Promise<void> {
    for (const { blob } of indexes) {
      const users = (this.#users.get(blob) ?? 1) - 1
      if (users > 0) {
        this.#users.set(blob, users)
        continue
      }
      this.#users.delete(blob)
      await this.#incoming.delete(blob)
    }
  }
}
