// Walking through the structure of bytes that come in chunks: a format says, in a generator, what it wants to look
// at and what it passes over; nothing but what is looked at is kept.

/** What a walk wants next. The bytes taken are handed to it; `mayEnd`: the input may be over instead. */
export interface Ask {
  readonly kind: 'take' | 'skip'
  readonly count: number
  readonly mayEnd: boolean
}

/** Never ends by itself: after its last part it asks for a byte that may be missing, and complains if it comes. */
export type Walk = Generator<Ask, never, Buffer>

export function take(count: number): Ask {
  return { kind: 'take', count, mayEnd: false }
}

export function takeOrEnd(count: number): Ask {
  return { kind: 'take', count, mayEnd: true }
}

export function skip(count: number): Ask {
  return { kind: 'skip', count, mayEnd: false }
}

const nothing = Buffer.alloc(0)

/** Feeds a walk. What the walk throws comes out of `push`. */
export class ByteWalk {
  readonly #walk: Walk
  #ask: Ask
  /** Of the present ask. */
  #missingBytes: number
  #held: Buffer[] = []

  constructor(walk: Walk) {
    this.#walk = walk
    this.#ask = walk.next().value
    this.#missingBytes = this.#ask.count
  }

  push(chunk: Buffer): void {
    let at = 0
    for (;;) {
      const end = Math.min(chunk.length, at + this.#missingBytes)
      if (this.#ask.kind === 'take' && end > at) this.#held.push(chunk.subarray(at, end))
      this.#missingBytes -= end - at
      at = end
      if (this.#missingBytes > 0) break
      this.#next(this.#ask.kind === 'take' ? this.#taken() : nothing)
      if (at === chunk.length && this.#missingBytes > 0) break
    }
    // The chunk is the caller's again.
    if (this.#held.length > 0) this.#held = [Buffer.from(this.#taken())]
  }

  /** Is the input whole, if it is over now? */
  end(): boolean {
    return this.#ask.mayEnd && this.#held.length === 0
  }

  #taken(): Buffer {
    const taken = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held)
    this.#held = []
    return taken
  }

  #next(bytes: Buffer): void {
    this.#ask = this.#walk.next(bytes).value
    this.#missingBytes = this.#ask.count
  }
}
