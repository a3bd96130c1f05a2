// The memory that bodies are read into, used again and again: at the speed of a fast network fresh buffers would keep
// the garbage collector busier than everything else.

const slabBytes = 256 << 10
/** Less space than this at the end of a slab is left unused. */
const leastSpace = 64 << 10

interface Slab {
  readonly buffer: Buffer
  /** Handed out so far, and given back of that. */
  handedBytes: number
  returnedBytes: number
  /** Nobody fills it any more. */
  isFull: boolean
}

/**
 * Keeps slabs of which everything was given back. What is never given back is the garbage collector's, so forgetting to
 * do so costs speed only; giving back too early would let bytes change under who still reads them.
 */
export class Slabs {
  readonly #spare: Slab[] = []
  readonly #spareLimit: number
  readonly #byMemory = new WeakMap<ArrayBufferLike, Slab>()

  constructor(spareBytes: number) {
    this.#spareLimit = Math.floor(spareBytes / slabBytes)
  }

  fill(): Filling {
    return new Filling(this)
  }

  /** A slab to fill. */
  take(): Slab {
    const spare = this.#spare.pop()
    if (spare !== undefined) return spare
    const buffer = Buffer.allocUnsafeSlow(slabBytes)
    const slab = { buffer, handedBytes: 0, returnedBytes: 0, isFull: false }
    this.#byMemory.set(buffer.buffer, slab)
    return slab
  }

  /** The bytes are of no more use to anybody. Each byte once; bytes from elsewhere are fine. */
  giveBack(bytes: Buffer): void {
    const slab = this.#byMemory.get(bytes.buffer)
    if (slab === undefined) return
    slab.returnedBytes += bytes.length
    this.keepIfFree(slab)
  }

  keepIfFree(slab: Slab): void {
    if (!slab.isFull || slab.returnedBytes !== slab.handedBytes) return
    slab.handedBytes = 0
    slab.returnedBytes = 0
    slab.isFull = false
    if (this.#spare.length < this.#spareLimit) this.#spare.push(slab)
  }
}

/** Filling slabs from one connection, each from its beginning to its end. */
export class Filling {
  readonly #slabs: Slabs
  #slab: Slab | null = null

  constructor(slabs: Slabs) {
    this.#slabs = slabs
  }

  /** Where the next bytes go. */
  space(): Buffer {
    if (this.#slab !== null && slabBytes - this.#slab.handedBytes < leastSpace) this.end()
    this.#slab ??= this.#slabs.take()
    return this.#slab.buffer.subarray(this.#slab.handedBytes)
  }

  /** The bytes that were just put into the space. */
  filled(count: number): Buffer {
    const slab = this.#slab!
    slab.handedBytes += count
    return slab.buffer.subarray(slab.handedBytes - count, slab.handedBytes)
  }

  /** No more bytes will come. */
  end(): void {
    const slab = this.#slab
    this.#slab = null
    if (slab === null) return
    slab.isFull = true
    this.#slabs.keepIfFree(slab)
  }
}
