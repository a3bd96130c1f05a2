// A pool on a folder of its own, beside an upstream that lies on demand.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BufferPool } from '../../src/lib/buffers.ts'
import { sha256 } from '../../src/lib/digest.ts'
import { type Disk, RealDisk } from '../../src/lib/disk.ts'
import type { UpstreamError } from '../../src/lib/errors.ts'
import { Fetcher } from '../../src/pool/fetcher.ts'
import type { Origin, WantedFile } from '../../src/pool/flight.ts'
import type { FileReader } from '../../src/pool/flight-reader.ts'
import { defaultLimits, type Limits } from '../../src/pool/hosts.ts'
import { Pool, type PoolReader } from '../../src/pool/pool.ts'
import { Room, type RoomOptions } from '../../src/pool/room.ts'
import { FileBlobs } from '../../src/store/file-blobs.ts'
import { Partials } from '../../src/store/partials.ts'
import { FakeArchive } from './archive.ts'
import { FakeClock } from './clock.ts'

export const direct = { proxy: null, ca: null, clientCertificate: null, clientKey: null }

export interface PoolRigOptions {
  readonly limits?: Partial<Limits>
  readonly disk?: Disk
  /** Instead of a temporary folder of its own, which is removed in the end. */
  readonly folder?: string
  /** Bounds the disk. */
  readonly room?: Partial<RoomOptions>
}

export class PoolRig implements AsyncDisposable {
  readonly archive: FakeArchive
  readonly folder: string
  readonly clock = new FakeClock()
  readonly buffers = new BufferPool(16 << 20)
  readonly troubles: UpstreamError[] = []
  readonly #limits: Limits
  readonly #disk: Disk
  readonly #options: PoolRigOptions
  fetchedBytes = 0
  fetcher!: Fetcher
  blobs!: FileBlobs
  partials!: Partials
  pool!: Pool
  room: Room | null = null

  private constructor(archive: FakeArchive, folder: string, options: PoolRigOptions) {
    this.archive = archive
    this.folder = folder
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#disk = options.disk ?? new RealDisk()
    this.#options = options
  }

  static async open(options: PoolRigOptions = {}): Promise<PoolRig> {
    const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'uus-pool-'))
    const rig = new PoolRig(await FakeArchive.start(), folder, options)
    await rig.#start()
    return rig
  }

  async #start(): Promise<void> {
    this.blobs = new FileBlobs(this.folder, this.#disk)
    this.partials = new Partials(join(this.folder, 'partial'), this.blobs, this.#disk)
    await this.blobs.prepare()
    await this.partials.prepare()
    this.fetcher = new Fetcher('test', this.#limits, this.clock)
    this.room = this.#openRoom()
    this.pool = new Pool({
      ...(this.room === null ? {} : { room: this.room }),
      blobs: this.blobs,
      partials: this.partials,
      buffers: this.buffers,
      clock: this.clock,
      deadlineSeconds: this.#limits.deadlineSeconds,
      onBytes: (_archive, bytes) => {
        this.fetchedBytes += bytes
      },
      onTrouble: (_archive, error) => void this.troubles.push(error),
    })
  }

  #openRoom(): Room | null {
    if (this.#options.room === undefined) return null
    return new Room({
      blobs: this.blobs,
      partials: this.partials,
      maxBytes: null,
      minFreeBytes: 0,
      clock: this.clock,
      protects: () => false,
      isBusy: (sha256) => this.pool.isFetching(sha256),
      onError: (error) => {
        throw error
      },
      ...this.#options.room,
    })
  }

  /** As a new process on the same folder. */
  async restart(): Promise<void> {
    await this.#stop()
    await this.#start()
  }

  async #stop(): Promise<void> {
    await this.pool[Symbol.asyncDispose]()
    await this.room?.[Symbol.asyncDispose]()
    this.fetcher[Symbol.dispose]()
  }

  /** Where a file of this archive, or of the given ones, is. */
  origin(path: string, ...archives: readonly FakeArchive[]): Origin {
    return {
      archive: 'test',
      urls: (archives.length === 0 ? [this.archive] : archives).map((one) => `${one.url}/${path}`),
      fetch: (url, part, signal) => this.fetcher.fetchPart(url, part, { transport: direct, signal }),
      recycle: (bytes) => this.fetcher.recycle(bytes),
    }
  }

  open(file: WantedFile, path: string, ...archives: readonly FakeArchive[]): Promise<PoolReader> {
    return this.pool.open(file, () => this.origin(path, ...archives))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
    await this.archive[Symbol.asyncDispose]()
    if (this.#options.folder === undefined) rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Reads a section to its end and closes the reader. */
export async function readAll(
  reader: FileReader,
  start: number,
  end: number,
  wantedBytes = 64 << 10,
): Promise<Buffer> {
  try {
    const parts: Buffer[] = []
    for (let at = start; at < end; ) {
      const piece = await reader.read(at, end, wantedBytes)
      parts.push(Buffer.concat(piece.buffers))
      at += piece.sizeBytes
      piece.release()
    }
    return Buffer.concat(parts)
  } finally {
    reader.close()
  }
}

/** A body that differs at every place. */
export function aBody(sizeBytes: number, seed = 1): Buffer {
  const body = Buffer.alloc(sizeBytes)
  let state = seed
  for (let at = 0; at < sizeBytes; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    body[at] = state >>> 16
  }
  return body
}

export function fileOf(body: Buffer): WantedFile {
  return { sha256: sha256(body), sizeBytes: body.length }
}
