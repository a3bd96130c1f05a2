// Files by their SHA-256: what everybody relies on who keeps or serves them, whatever they are kept in. Nobody learns where
// they lie, and every operation is one that a disk and an object store can both honour. `test/rig/blob-contract.ts` is the
// contract as a suite, which every implementation must pass.
//
// Several processes may hold the same blobs: what one committed or deleted is so for all of them. Nothing is retried here.
import type { Readable } from 'node:stream'
import type { Sha256 } from '../lib/digest.ts'

/** A file being written. Any number may be written at a time, of the same content too. */
export interface BlobWriter {
  /** Appends, in order; the chunk may be reused once the promise resolves. */
  write(chunk: Uint8Array): Promise<void>
  /**
   * Exactly the bytes from `start`, `count` of them, for any number of readers that follow a growing file. They must have
   * been written already. Not after `commit` or `discard`.
   */
  read(start: number, count: number): Promise<Buffer>
  /**
   * When it resolves, what was written is there under its digest, whole, for everybody; before that nobody sees any of it.
   * That it was there already is fine: it counts as used now. Once.
   */
  commit(): Promise<{ sha256: Sha256; sizeBytes: number }>
  /** Drops what was written; does nothing after `commit`, or another time. */
  discard(): Promise<void>
}

/**
 * An open blob: stays readable while it is open, even if it is deleted meanwhile. Any number of reads at a time. The opener
 * closes it.
 */
export interface OpenBlob extends AsyncDisposable {
  readonly sizeBytes: number
  /** Exactly the bytes from `start`, `count` of them; rejects where there are less. */
  read(start: number, count: number): Promise<Buffer>
  /** Fills the whole buffer with the bytes from `start`; rejects where there are less. */
  readInto(buffer: Buffer, start: number): Promise<void>
  /** The bytes from `start` to before `end`, in pieces of `chunkBytes` at the most. The stream closes the blob when it ends. */
  stream(start: number, end: number, chunkBytes?: number): Readable
}

/** What a blob takes of the room there is, and when it was last used (milliseconds). */
export interface BlobEntry {
  readonly sha256: Sha256
  readonly sizeBytes: number
  readonly usedAt: number
}

export interface Blobs {
  /** Makes the place, and removes what a crash left half written. Only one process may do that, before it writes. */
  prepare(): Promise<void>
  /** Removes every blob: of a place that holds only what somebody is working on. */
  clear(): Promise<void>
  create(): Promise<BlobWriter>
  /** Null if there is no such blob. */
  open(sha256: Sha256): Promise<OpenBlob | null>
  /** The blob's size, or null if there is no such blob. */
  sizeOf(sha256: Sha256): Promise<number | null>
  /** Whether it is here, at once, for decisions that must not wait. Who has to ask a network holds an index. */
  isHere(sha256: Sha256): boolean
  /** When it resolves, nobody can open it any more; an absent one is fine. */
  delete(sha256: Sha256): Promise<void>
  /** Remembers when a blob was last used; one that is gone is fine. */
  touch(sha256: Sha256, usedAt: number): Promise<void>
  /** What each blob takes, and when it was last used. A few at a time: others have work to do. */
  entries(): AsyncGenerator<BlobEntry>
  /** All of them, in the order of their digests. What comes or goes meanwhile may be among them or not. */
  list(): AsyncGenerator<Sha256>
  /** How much more can be written; null where there is no end of it. */
  freeBytes(): Promise<number | null>
}
