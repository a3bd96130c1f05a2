// Files that are being fetched, by the SHA-256 they are to have. What a process leaves half done the next one goes on
// with: whether it is right shows at the end, when the digest is known.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { asSha256, type Sha256 } from '../lib/digest.ts'
import type { Disk, TempFile } from '../lib/disk.ts'
import type { BlobEntry } from './blobs.ts'
import { entryOf, type FileBlobs } from './file-blobs.ts'

/** A file that grows at its end; any number of readers may follow. Its owner ends with `discard` or `keep`. */
export interface PartialFile
  extends Pick<TempFile, 'sizeBytes' | 'writeAll' | 'readInto' | 'discard' | 'keep'> {
  /** It ends up durable as a blob, and can be read on until `discard`. Its bytes must have the digest by now. */
  land(): Promise<void>
}

export class Partials {
  readonly #folder: string
  readonly #blobs: FileBlobs
  readonly #disk: Disk

  /** `folder` must be in the same file system as the blobs. */
  constructor(folder: string, blobs: FileBlobs, disk: Disk) {
    this.#folder = folder
    this.#blobs = blobs
    this.#disk = disk
  }

  /** Makes the folder. Only one process may hold it. */
  async prepare(): Promise<void> {
    await this.#disk.makeFolder(this.#folder)
  }

  /** The file for a digest, with what was fetched of it before. Only one may be open for a digest. */
  async open(sha256: Sha256): Promise<PartialFile> {
    const file = await this.#disk.openTemp(this.#pathOf(sha256))
    return {
      get sizeBytes() {
        return file.sizeBytes
      },
      writeAll: (chunks) => file.writeAll(chunks),
      readInto: (buffer, start) => file.readInto(buffer, start),
      land: () => this.#blobs.adopt(file, sha256),
      discard: () => file.discard(),
      keep: () => file.keep(),
    }
  }

  async delete(sha256: Sha256): Promise<void> {
    await this.#disk.remove(this.#pathOf(sha256))
  }

  /** What each takes, and when it last grew. */
  async *entries(): AsyncGenerator<BlobEntry> {
    for (const name of await readdir(this.#folder)) {
      const sha256 = asSha256(name)
      const entry = sha256 === null ? null : await entryOf(this.#pathOf(sha256), sha256)
      if (entry !== null) yield entry
    }
  }

  #pathOf(sha256: Sha256): string {
    return join(this.#folder, sha256)
  }
}
