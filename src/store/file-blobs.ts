// Files by their SHA-256, on a disk. Nobody outside learns where they lie.
import { existsSync } from 'node:fs'
import { type FileHandle, open, readdir, stat, statfs, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { asSha256, Hasher, type Sha256 } from '../lib/digest.ts'
import { type Disk, fill, readFully, type TempFile } from '../lib/disk.ts'
import { systemCode } from '../lib/errors.ts'
import type { BlobEntry, Blobs, BlobWriter, OpenBlob } from './blobs.ts'

// The time of last use is the file's own modification time: it needs no second book that could be wrong.
export async function touchFile(path: string, usedAt: number): Promise<void> {
  try {
    await utimes(path, usedAt / 1000, usedAt / 1000)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}

/** Null if there is no such file (any more). */
export async function entryOf(path: string, sha256: Sha256): Promise<BlobEntry | null> {
  try {
    const { blocks, mtimeMs } = await stat(path)
    return { sha256, sizeBytes: blocks * 512, usedAt: mtimeMs }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null
    throw error
  }
}

export class FileBlobs implements Blobs {
  readonly #folder: string
  readonly #disk: Disk
  readonly #isDurable: boolean
  /** Folders that are known to exist. */
  readonly #prefixes = new Set<string>()

  /**
   * `folder` must have been made by `prepare`. Blobs that are `transient` are whole when they are there, but may be
   * gone after a power loss; that saves waiting for the disk.
   */
  constructor(folder: string, disk: Disk, options: { transient?: boolean } = {}) {
    this.#folder = folder
    this.#disk = disk
    this.#isDurable = options.transient !== true
  }

  async prepare(): Promise<void> {
    await this.#disk.makeFolder(this.#temporary)
    for (const name of await readdir(this.#temporary)) await this.#disk.remove(join(this.#temporary, name))
  }

  async clear(): Promise<void> {
    for await (const sha256 of this.list()) await this.delete(sha256)
  }

  async create(): Promise<BlobWriter> {
    const file = await this.#createTemp()
    return new FileWriter(file, (sha256) => this.#put(sha256, (path) => file.commit(path, this.#isDurable)))
  }

  async #createTemp(): Promise<TempFile> {
    try {
      return await this.#disk.createTemp(this.#temporary)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error
      // Somebody emptied the store while we run.
      await this.#disk.makeFolder(this.#temporary)
      return this.#disk.createTemp(this.#temporary)
    }
  }

  /** Has a file put in its place, whose folder exists. */
  async #put(sha256: Sha256, place: (path: string) => Promise<void>): Promise<void> {
    const path = this.#pathOf(sha256)
    const prefix = sha256.slice(0, 2)
    if (!this.#prefixes.has(prefix)) await this.#disk.makeFolder(dirname(path))
    this.#prefixes.add(prefix)
    try {
      await place(path)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error
      // Somebody emptied the store while we run.
      await this.#disk.makeFolder(dirname(path))
      await place(path)
    }
  }

  /** Takes over a file of the same file system; its bytes must have that digest. It can still be read. */
  async adopt(file: TempFile, sha256: Sha256): Promise<void> {
    await this.#put(sha256, (path) => file.place(path, this.#isDurable))
  }

  async open(sha256: Sha256): Promise<OpenBlob | null> {
    try {
      const handle = await open(this.#pathOf(sha256), 'r')
      return new OpenFile(handle, (await handle.stat()).size)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return null
      throw error
    }
  }

  async sizeOf(sha256: Sha256): Promise<number | null> {
    try {
      return (await stat(this.#pathOf(sha256))).size
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return null
      throw error
    }
  }

  isHere(sha256: Sha256): boolean {
    return existsSync(this.#pathOf(sha256))
  }

  async delete(sha256: Sha256): Promise<void> {
    await this.#disk.remove(this.#pathOf(sha256))
  }

  async touch(sha256: Sha256, usedAt: number): Promise<void> {
    await touchFile(this.#pathOf(sha256), usedAt)
  }

  async *entries(): AsyncGenerator<BlobEntry> {
    for await (const sha256 of this.list()) {
      const entry = await entryOf(this.#pathOf(sha256), sha256)
      if (entry !== null) yield entry
    }
  }

  async *list(): AsyncGenerator<Sha256> {
    for (const prefix of (await readdir(this.#folder)).sort()) {
      if (prefix.length !== 2) continue
      for (const name of (await readdir(join(this.#folder, prefix))).sort()) {
        const digest = asSha256(prefix + name)
        if (digest !== null) yield digest
      }
    }
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#folder)
    return bavail * bsize
  }

  get #temporary(): string {
    return join(this.#folder, 'tmp')
  }

  #pathOf(sha256: Sha256): string {
    return join(this.#folder, sha256.slice(0, 2), sha256.slice(2))
  }
}

class FileWriter implements BlobWriter {
  readonly #file: TempFile
  readonly #keep: (sha256: Sha256) => Promise<void>
  readonly #hasher = new Hasher()

  constructor(file: TempFile, keep: (sha256: Sha256) => Promise<void>) {
    this.#file = file
    this.#keep = keep
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#hasher.update(chunk)
    await this.#file.write(chunk)
  }

  read(start: number, count: number): Promise<Buffer> {
    return this.#file.read(start, count)
  }

  async commit(): Promise<{ sha256: Sha256; sizeBytes: number }> {
    const { sizeBytes } = this.#hasher
    const sha256 = this.#hasher.digest()
    await this.#keep(sha256)
    return { sha256, sizeBytes }
  }

  discard(): Promise<void> {
    return this.#file.discard()
  }
}

class OpenFile implements OpenBlob {
  readonly sizeBytes: number
  readonly #handle: FileHandle
  #isStreaming = false

  constructor(handle: FileHandle, sizeBytes: number) {
    this.#handle = handle
    this.sizeBytes = sizeBytes
  }

  read(start: number, count: number): Promise<Buffer> {
    return readFully(this.#handle, start, count)
  }

  readInto(buffer: Buffer, start: number): Promise<void> {
    return fill(this.#handle, buffer, start)
  }

  stream(start: number, end: number, chunkBytes = 256 << 10): Readable {
    this.#isStreaming = true
    // Node's streams of files have no notion of an empty range.
    if (end <= start) return this.#emptyStream()
    return this.#handle.createReadStream({ start, end: end - 1, highWaterMark: chunkBytes })
  }

  #emptyStream(): Readable {
    return new Readable({
      read() {
        this.push(null)
      },
      destroy: (error, done) => void this.#handle.close().then(() => done(error), done),
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isStreaming) await this.#handle.close()
  }
}
