// Small files that were asked for lately, whole in memory: bounded in bytes. Under a digest nothing ever changes, so
// what is here is right as long as somebody may ask for it.
import { LRUCache } from 'lru-cache'
import type { Sha256 } from '../lib/digest.ts'

/** Package files up to this size; larger ones are as quick from the disk. */
const packageBytes = 256 << 10

export class Memory {
  readonly #files: LRUCache<Sha256, Buffer>
  readonly #indexBytes: number
  readonly #loading = new Map<Sha256, Promise<Buffer>>()

  constructor(limitBytes: number) {
    // Indexes are what everybody asks for at once after a publication; one alone must not fill everything.
    this.#indexBytes = limitBytes >> 2
    this.#files = new LRUCache({
      maxSize: Math.max(1, limitBytes),
      sizeCalculation: ({ length }) => length || 1,
    })
  }

  get usedBytes(): number {
    return this.#files.calculatedSize
  }

  get(sha256: Sha256): Buffer | undefined {
    return this.#files.get(sha256)
  }

  takes(type: 'generated' | 'package', sizeBytes: number): boolean {
    return sizeBytes <= (type === 'package' ? Math.min(packageBytes, this.#indexBytes) : this.#indexBytes)
  }

  /** The file from here, or loaded, once however many ask at a time. */
  load(sha256: Sha256, read: () => Promise<Buffer>): Promise<Buffer> {
    const known = this.#files.get(sha256)
    if (known !== undefined) return Promise.resolve(known)
    const started = this.#loading.get(sha256)
    if (started !== undefined) return started
    const loading = read()
      .then((bytes) => {
        this.#files.set(sha256, bytes)
        return bytes
      })
      .finally(() => this.#loading.delete(sha256))
    this.#loading.set(sha256, loading)
    return loading
  }

  put(sha256: Sha256, bytes: Buffer): void {
    this.#files.set(sha256, bytes)
  }
}
