// One fetch of one package file, however many ask for it. The fetch belongs to nobody: readers come and go, it goes
// on until the file is here or every address failed.
import { setImmediate } from 'node:timers/promises'
import { Hasher, type Sha256 } from '../lib/digest.ts'
import { UpstreamError, UusError } from '../lib/errors.ts'
import type { Blobs, BlobWriter, OpenBlob } from '../store/blobs.ts'
import { wrongBytes } from './fetcher.ts'

/** A file known by its digest. */
export interface WantedFile {
  readonly sha256: Sha256
  readonly sizeBytes: number
}

/** Streams the bytes of a file from one address; see Fetcher.fetchStream. */
export type FetchFrom = (url: string, sizeBytes: number) => AsyncGenerator<Buffer>

const readBytes = 256 << 10

/** One try with one address: what it wrote so far, and how it went. */
interface Attempt {
  readonly writer: BlobWriter
  doneBytes: number
  failure: unknown
}

/**
 * Readers follow the growing file at their own pace. The last byte is held back until the digest matches, so that a
 * wrong file never completes; who has seen bytes of an attempt that failed gets an error, who has not is carried over
 * to the next address.
 */
export class Flight {
  readonly #file: WantedFile
  readonly #blobs: Blobs
  readonly #fetchFrom: FetchFrom
  #attempt: Attempt | null = null
  #isLanded = false
  #failure: unknown = null
  #waiters: (() => void)[] = []
  /** Resolves when the file is here durably; rejects when every address failed. */
  readonly landed: Promise<void>

  constructor(file: WantedFile, urls: readonly string[], blobs: Blobs, fetchFrom: FetchFrom) {
    this.#file = file
    this.#blobs = blobs
    this.#fetchFrom = fetchFrom
    this.landed = this.#run(urls)
    this.landed.catch(() => {}) // readers and waiters meet it
  }

  async #run(urls: readonly string[]): Promise<void> {
    try {
      let failure: unknown = new UusError('UPSTREAM_UNREACHABLE', 'No address is known for this file')
      for (const url of urls) {
        try {
          await this.#try(url)
          this.#isLanded = true
          return
        } catch (error) {
          if (!(error instanceof UpstreamError)) throw error
          failure = error
        }
      }
      throw failure
    } catch (error) {
      this.#failure = error
      throw error
    } finally {
      this.#wake()
    }
  }

  async #try(url: string): Promise<void> {
    const attempt: Attempt = { writer: await this.#blobs.create(), doneBytes: 0, failure: null }
    this.#attempt = attempt
    const hasher = new Hasher()
    try {
      for await (const chunk of this.#fetchFrom(url, this.#file.sizeBytes)) {
        hasher.update(chunk)
        await attempt.writer.write(chunk)
        attempt.doneBytes += chunk.length
        this.#wake()
      }
      if (hasher.digest() !== this.#file.sha256)
        throw wrongBytes(url, 'has another SHA-256 than the index says')
      await attempt.writer.commit()
    } catch (error) {
      attempt.failure = error
      this.#wake()
      throw error
    } finally {
      await attempt.writer.discard()
    }
  }

  /** Resolves with the first byte (or the whole, if that is nothing); rejects if every address failed before. */
  async begun(): Promise<void> {
    while (!this.#isLanded && (this.#attempt?.doneBytes ?? 0) === 0) {
      if (this.#failure !== null) throw this.#failure
      await this.#change()
    }
  }

  /** The bytes from `start` to before `end`, as they come. */
  async *read(start: number, end: number): AsyncGenerator<Buffer> {
    let at = start
    let mine: Attempt | null = null
    while (at < end && !this.#isLanded) {
      if (this.#failure !== null) throw this.#failure
      if (mine !== null && mine !== this.#attempt) throw mine.failure
      const attempt = this.#attempt
      const available = Math.min(end, attempt?.doneBytes ?? 0, this.#file.sizeBytes - 1)
      if (attempt === null || attempt.failure !== null || available <= at) {
        if (mine?.failure) throw mine.failure
        await this.#change()
        continue
      }
      const chunk = await this.#readFrom(attempt, at, Math.min(readBytes, available - at))
      if (chunk === null) continue
      mine = attempt
      at += chunk.length
      yield chunk
    }
    if (at >= end) return
    await using blob = await this.#landedBlob()
    while (at < end) {
      const chunk = await blob.read(at, Math.min(readBytes, end - at))
      at += chunk.length
      yield chunk
    }
  }

  /** Null if the attempt ended in the meantime: its file is closed, the loop looks again. */
  async #readFrom(attempt: Attempt, at: number, count: number): Promise<Buffer | null> {
    try {
      return await attempt.writer.read(at, count)
    } catch (error) {
      if (!this.#isLanded && attempt.failure === null && attempt.doneBytes < this.#file.sizeBytes) throw error
      await setImmediate()
      return null
    }
  }

  async #landedBlob(): Promise<OpenBlob> {
    const blob = await this.#blobs.open(this.#file.sha256)
    if (blob === null) throw new Error('Internal error: a landed file is gone')
    return blob
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter()
  }
}
