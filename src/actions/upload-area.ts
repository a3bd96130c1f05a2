// What people upload, until it is accepted: bounded in size and time, in the process with the sockets, which looks into
// none of it. Files that stand for themselves are held by whoever staged them; over HTTP, files wait under their names
// for the .changes that lists them. Nothing of it outlives the process.
import { isUploadName } from '../debian/changes.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sha256 } from '../lib/digest.ts'
import { UusError } from '../lib/errors.ts'
import { formatSize } from '../lib/units.ts'
import type { Blobs } from '../store/blobs.ts'

export interface UploadLimits {
  /** All that waits together. */
  readonly maxBytes: number
  readonly waitSeconds: number
}

export interface StagedFile {
  readonly sha256: Sha256
  readonly sizeBytes: number
}

export interface NamedUpload extends StagedFile {
  readonly name: string
}

interface Waiting extends NamedUpload {
  readonly place: string
  readonly at: number
}

export class UploadArea {
  readonly #blobs: Blobs
  readonly #limits: UploadLimits
  readonly #clock: Clock
  /** How many hold each blob: the same file may come by several ways at once. */
  readonly #holds = new Map<Sha256, number>()
  readonly #waiting = new Map<string, Waiting>()
  #usedBytes = 0

  constructor(blobs: Blobs, limits: UploadLimits, clock: Clock) {
    this.#blobs = blobs
    this.#limits = limits
    this.#clock = clock
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Takes a file in, and holds it until `release`. `declaredBytes`: as the sender says, refused before it comes. */
  async stage(chunks: AsyncIterable<Uint8Array>, declaredBytes: number | null): Promise<StagedFile> {
    await this.expire()
    this.#checkRoom(declaredBytes ?? 0)
    const writer = await this.#blobs.create()
    let sizeBytes = 0
    try {
      for await (const chunk of chunks) {
        this.#checkRoom(chunk.length)
        this.#usedBytes += chunk.length
        sizeBytes += chunk.length
        if (declaredBytes !== null && sizeBytes > declaredBytes) throw wrongSize(declaredBytes)
        await writer.write(chunk)
      }
      if (declaredBytes !== null && sizeBytes !== declaredBytes) throw wrongSize(declaredBytes)
      const { sha256 } = await writer.commit()
      this.#holds.set(sha256, (this.#holds.get(sha256) ?? 0) + 1)
      return { sha256, sizeBytes }
    } catch (error) {
      this.#usedBytes -= sizeBytes
      await writer.discard()
      throw error
    }
  }

  /** The same, of a file with a name. */
  async stageNamed(
    name: string,
    chunks: AsyncIterable<Uint8Array>,
    declaredBytes: number | null,
  ): Promise<NamedUpload> {
    if (!isUploadName(name)) {
      throw new UusError('USAGE', `"${name.slice(0, 80)}" is no name of an upload`, {
        hint: 'Upload files as dpkg-buildpackage names them',
      })
    }
    return { name, ...(await this.stage(chunks, declaredBytes)) }
  }

  /** Lets a staged file go. */
  async release({ sha256, sizeBytes }: StagedFile): Promise<void> {
    const holds = (this.#holds.get(sha256) ?? 0) - 1
    this.#usedBytes -= sizeBytes
    if (holds > 0) this.#holds.set(sha256, holds)
    else {
      this.#holds.delete(sha256)
      await this.#blobs.delete(sha256)
    }
  }

  /** Takes a file in that waits under its name at a place; one that waited there under that name goes. */
  async put(
    place: string,
    name: string,
    chunks: AsyncIterable<Uint8Array>,
    declaredBytes: number | null,
  ): Promise<NamedUpload> {
    const staged = await this.stageNamed(name, chunks, declaredBytes)
    const key = `${place}\n${name}`
    const before = this.#waiting.get(key)
    this.#waiting.set(key, { ...staged, place, at: this.#clock.now() })
    if (before !== undefined) await this.release(before)
    return staged
  }

  waitingAt(place: string): NamedUpload[] {
    return [...this.#waiting.values()].filter((one) => one.place === place)
  }

  /** Ends the wait of these files. */
  async drop(place: string, names: Iterable<string>): Promise<void> {
    for (const name of names) {
      const key = `${place}\n${name}`
      const waiting = this.#waiting.get(key)
      this.#waiting.delete(key)
      if (waiting !== undefined) await this.release(waiting)
    }
  }

  /** What waited too long goes. */
  async expire(): Promise<void> {
    const since = this.#clock.now() - this.#limits.waitSeconds * 1000
    for (const [key, waiting] of this.#waiting) {
      if (waiting.at > since) continue
      this.#waiting.delete(key)
      await this.release(waiting)
    }
  }

  #checkRoom(bytes: number): void {
    const { maxBytes } = this.#limits
    if (bytes > maxBytes) {
      throw new UusError('UPLOAD_TOO_LARGE', `The file is larger than ${formatSize(maxBytes)}`, {
        hint: 'Raise "uploads.max-size"',
      })
    }
    if (this.#usedBytes + bytes <= maxBytes) return
    throw new UusError('UPLOADS_FULL', `Uploads that wait take ${formatSize(this.#usedBytes)} already`, {
      hint: 'Try again later, or raise "uploads.max-size"',
    })
  }
}

function wrongSize(declaredBytes: number): UusError {
  return new UusError('USAGE', `The file has not the ${declaredBytes} bytes that were announced`, {
    hint: 'Upload it again',
  })
}
