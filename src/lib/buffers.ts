// The memory that answers under way may take: one bounded pool for all of them. The fuller it is, the smaller the
// pieces it hands out, so that clients who do not read what they asked for leave room for those who do.

const whole = 256 << 10
const part = 64 << 10
const sliver = 16 << 10

/** A share of the pool. The taker gives it back with `release`, once. */
export interface Lease {
  readonly sizeBytes: number
  /** A buffer of that size, for who has no bytes yet. Not to be used after `release`. */
  buffer(): Buffer
  release(): void
}

export class BufferPool {
  readonly #limitBytes: number
  #usedBytes = 0
  readonly #spare = new Map<number, Buffer[]>()
  readonly #waiting: (() => void)[] = []

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Half of it is in use: from now on nobody should have more than one piece at a time. */
  get isTight(): boolean {
    return this.#usedBytes * 2 > this.#limitBytes
  }

  /** A share of at most `wantedBytes`; waits while nothing is left, in the order of asking. */
  async lease(wantedBytes: number): Promise<Lease> {
    while (this.#usedBytes + sliver > this.#limitBytes) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    const sizeBytes = Math.min(wantedBytes, this.#pieceBytes())
    // Counted as the buffer that it may become.
    const countedBytes = classOf(sizeBytes)
    this.#usedBytes += countedBytes
    return new PoolLease(sizeBytes, {
      take: () => this.#spare.get(countedBytes)?.pop() ?? Buffer.allocUnsafeSlow(countedBytes),
      giveBack: (buffer) => this.#giveBack(countedBytes, buffer),
    })
  }

  #pieceBytes(): number {
    const after = (bytes: number) => (this.#usedBytes + bytes) / this.#limitBytes
    if (after(whole) <= 1 / 2) return whole
    return after(part) <= 3 / 4 ? part : sliver
  }

  #giveBack(countedBytes: number, buffer: Buffer | null): void {
    this.#usedBytes -= countedBytes
    if (buffer !== null) this.#keepSpare(countedBytes, buffer)
    this.#waiting.shift()?.()
  }

  /** A few of each size are kept: what a burst needed goes back to the system. */
  #keepSpare(countedBytes: number, buffer: Buffer): void {
    const spare = this.#spare.get(countedBytes) ?? []
    this.#spare.set(countedBytes, spare)
    if (spare.length * countedBytes < this.#limitBytes / 16) spare.push(buffer)
  }
}

function classOf(sizeBytes: number): number {
  if (sizeBytes > part) return whole
  return sizeBytes > sliver ? part : sliver
}

interface Home {
  take(): Buffer
  giveBack(buffer: Buffer | null): void
}

class PoolLease implements Lease {
  readonly sizeBytes: number
  readonly #home: Home
  #buffer: Buffer | null = null
  #isReleased = false

  constructor(sizeBytes: number, home: Home) {
    this.sizeBytes = sizeBytes
    this.#home = home
  }

  buffer(): Buffer {
    this.#buffer ??= this.#home.take()
    return this.#buffer.subarray(0, this.sizeBytes)
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#home.giveBack(this.#buffer)
  }
}
