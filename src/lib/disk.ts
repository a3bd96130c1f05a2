// The one seam through which durable bytes reach the disk. Files first, then one transaction:
// what a transaction refers to is durable before it begins, so a crash leaves orphans at worst.
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemCode, UusError } from './errors.ts'

/** A file being written. It becomes visible under its name only by `commit`. */
export interface TempFile {
  readonly path: string
  /** What it holds so far. */
  readonly sizeBytes: number
  /** Appends; the chunk may be reused once the promise resolves. */
  write(chunk: Uint8Array): Promise<void>
  /** Appends several chunks in one go. */
  writeAll(chunks: readonly Uint8Array[]): Promise<void>
  /** Bytes that were written already. */
  read(start: number, count: number): Promise<Buffer>
  /** Fills the buffer with bytes that were written already, from `start`. */
  readInto(buffer: Buffer, start: number): Promise<void>
  /**
   * When it resolves, the whole file stands at `path` (same file system), durably unless told otherwise; replaces
   * what was there. May be tried again with another path.
   */
  commit(path: string, isDurable?: boolean): Promise<void>
  /** As `commit`, but it can be read on until it is discarded. */
  place(path: string, isDurable?: boolean): Promise<void>
  /** Closes and removes the temporary file; what was committed or kept stays. */
  discard(): Promise<void>
  /** Closes it and leaves it where it is, for `openTemp`. */
  keep(): Promise<void>
}

export interface Disk {
  /** A new temporary file in `folder`, which exists. `mode` is the file's, 0o644 unless told. */
  createTemp(folder: string, mode?: number): Promise<TempFile>
  /** The temporary file of that very path, with what an earlier process may have left in it. */
  openTemp(path: string): Promise<TempFile>
  /** Makes a folder and its parents. */
  makeFolder(path: string, mode?: number): Promise<void>
  /** Removes a file; an absent one is fine. */
  remove(path: string): Promise<void>
  /**
   * Told of each durable operation that is not a file's, before it (`begin`, `statement`, `commit`), and after the
   * last (`committed`).
   */
  step(name: string): void
}

/** Writes a small file durably: it stands complete at `path`, or not at all. */
export async function writeFileDurable(
  disk: Disk,
  path: string,
  data: Uint8Array | string,
  mode?: number,
): Promise<void> {
  const file = await disk.createTemp(dirname(path), mode)
  try {
    await file.write(typeof data === 'string' ? Buffer.from(data) : data)
    await file.commit(path)
  } finally {
    await file.discard()
  }
}

/**
 * The real disk. Each operation goes through `perform`, which a test's double overrides
 * to die before or after the n-th one.
 */
export class RealDisk implements Disk {
  protected async perform<T>(_name: string, operation: () => Promise<T>): Promise<T> {
    return operation()
  }

  async createTemp(folder: string, mode = 0o644): Promise<TempFile> {
    const path = join(folder, `.${randomBytes(9).toString('base64url')}.tmp`)
    const handle = await this.perform('create', () => withReason(path, () => open(path, 'wx+', mode)))
    return new RealTempFile(path, handle, (name, operation) => this.perform(name, operation))
  }

  async openTemp(path: string): Promise<TempFile> {
    const flags = constants.O_RDWR | constants.O_CREAT
    const handle = await this.perform('create', () => withReason(path, () => open(path, flags, 0o644)))
    const { size } = await handle.stat()
    return new RealTempFile(path, handle, (name, operation) => this.perform(name, operation), size)
  }

  async makeFolder(path: string, mode = 0o755): Promise<void> {
    await this.perform('mkdir', () =>
      withReason(path, async () => {
        // The names of new folders must survive as the names of new files do.
        const first = await mkdir(path, { recursive: true, mode })
        if (first !== undefined) await syncFolder(dirname(first))
      }),
    )
  }

  async remove(path: string): Promise<void> {
    await this.perform('remove', () => rm(path, { force: true }))
  }

  step(_name: string): void {}
}

type Perform = <T>(name: string, operation: () => Promise<T>) => Promise<T>

class RealTempFile implements TempFile {
  readonly path: string
  readonly #handle: FileHandle
  readonly #perform: Perform
  #sizeBytes: number
  #isOpen = true
  #isSettled = false

  constructor(path: string, handle: FileHandle, perform: Perform, sizeBytes = 0) {
    this.path = path
    this.#handle = handle
    this.#perform = perform
    this.#sizeBytes = sizeBytes
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  async write(chunk: Uint8Array): Promise<void> {
    await this.#perform('write', () => withReason(this.path, () => this.#writeRest(chunk)))
  }

  async #writeRest(chunk: Uint8Array): Promise<void> {
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await this.#handle.write(chunk, done, chunk.length - done, this.#sizeBytes)
      done += bytesWritten
      this.#sizeBytes += bytesWritten
    }
  }

  async writeAll(chunks: readonly Uint8Array[]): Promise<void> {
    await this.#perform('write', () =>
      withReason(this.path, async () => {
        const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
        const { bytesWritten } = await this.#handle.writev(chunks, this.#sizeBytes)
        this.#sizeBytes += bytesWritten
        if (bytesWritten === total) return
        // A short write is the first sign of a full disk: the next one says so.
        await this.#writeRest(Buffer.concat(chunks).subarray(bytesWritten))
      }),
    )
  }

  read(start: number, count: number): Promise<Buffer> {
    return readFully(this.#handle, start, count)
  }

  readInto(buffer: Buffer, start: number): Promise<void> {
    return fill(this.#handle, buffer, start)
  }

  async commit(path: string, isDurable = true): Promise<void> {
    await this.place(path, isDurable)
    await this.#close()
  }

  async place(path: string, isDurable = true): Promise<void> {
    if (isDurable && this.#isOpen)
      await this.#perform('fsync', () => withReason(this.path, () => this.#handle.sync()))
    await this.#perform('rename', () => withReason(path, () => rename(this.path, path)))
    this.#isSettled = true
    if (isDurable) await this.#perform('fsync folder', () => syncFolder(dirname(path)))
  }

  async discard(): Promise<void> {
    await this.#close()
    if (this.#isSettled) return
    this.#isSettled = true
    await this.#perform('discard', () => rm(this.path, { force: true }))
  }

  async keep(): Promise<void> {
    this.#isSettled = true
    await this.#close()
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    await this.#handle.close()
  }
}

/** Exactly `count` bytes from `start`. */
export async function readFully(handle: FileHandle, start: number, count: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(count)
  await fill(handle, buffer, start)
  return buffer
}

/** Fills the whole buffer with the bytes from `start`. */
export async function fill(handle: FileHandle, buffer: Buffer, start: number): Promise<void> {
  for (let done = 0; done < buffer.length; ) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, start + done)
    if (bytesRead === 0) throw new Error(`Internal error: a file ended at ${start + done}`)
    done += bytesRead
  }
}

async function syncFolder(path: string): Promise<void> {
  await using handle = await open(path, 'r')
  await handle.sync()
}

const reasons: Record<string, [reason: string, hint: string]> = {
  ENOSPC: ['the disk is full', 'Free some space, or move "data" to a larger disk'],
  EDQUOT: ['the disk quota is used up', 'Raise the quota, or move "data" elsewhere'],
  EACCES: ['permission denied', 'Run as the user that owns the data directory, or change its owner'],
  EPERM: ['permission denied', 'Run as the user that owns the data directory, or change its owner'],
  EROFS: ['the file system is read-only', 'Remount it writable, or move "data" elsewhere'],
  ENOTDIR: ['a part of the path is not a folder', 'Name another folder'],
}

/** Turns the system's refusals that a person can mend into sentences; rethrows the rest. */
export async function withReason<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    const known = reasons[systemCode(error) ?? '']
    if (known === undefined) throw error
    throw new UusError('DATA_UNUSABLE', `Cannot write ${path}: ${known[0]}`, { cause: error, hint: known[1] })
  }
}
