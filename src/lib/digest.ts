// SHA-256 digests as a type of their own: lower-case hex, minted here and nowhere else.
import { createHash, hash } from 'node:crypto'

declare const sha256Brand: unique symbol
/** A SHA-256 digest, 64 lower-case hex digits. */
export type Sha256 = string & { readonly [sha256Brand]: true }

/** `text` as a digest, or null; upper case is refused as apt refuses it. */
export function asSha256(text: string): Sha256 | null {
  return /^[0-9a-f]{64}$/.test(text) ? (text as Sha256) : null
}

export function sha256(data: Uint8Array | string): Sha256 {
  return hash('sha256', data, 'hex') as Sha256
}

/** The digest's 32 bytes, as the database stores it. */
export function sha256Bytes(digest: Sha256): Buffer {
  return Buffer.from(digest, 'hex')
}

export function sha256FromBytes(bytes: Uint8Array): Sha256 {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex') as Sha256
}

/** A running SHA-256 that also counts. */
export class Hasher {
  readonly #hash = createHash('sha256')
  #sizeBytes = 0

  update(chunk: Uint8Array): this {
    this.#hash.update(chunk)
    this.#sizeBytes += chunk.length
    return this
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Ends the run; the hasher is spent afterwards. */
  digest(): Sha256 {
    return this.#hash.digest('hex') as Sha256
  }
}
