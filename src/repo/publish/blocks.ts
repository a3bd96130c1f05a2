// Cutting an index's text into blocks that stay the same where the text stays the same, so that their
// packed forms can be used again.
import { crc32 } from '../../lib/gzip.ts'

/** One entry of an index as it is published, without the separator after it. */
export interface IndexEntry {
  readonly name: string
  readonly text: Buffer
}

export interface RawBlock {
  readonly firstName: string
  readonly lastName: string
  readonly bytes: Buffer
}

/** Where blocks may end: where a name begins whose CRC-32 has none of the bits of a mask. */
export interface BlockSizes {
  readonly minBytes: number
  readonly maxBytes: number
  /** From here on `lateMask` holds instead of `earlyMask`. */
  readonly usualBytes: number
  readonly earlyMask: number
  readonly lateMask: number
}

// One name in 256 ends a block before its usual size, one in 32 behind it. So most blocks come to about that size: with one
// chance for all, most text lies in blocks far larger than the mean, and those are what a change has to pack anew.
export const blockSizes: BlockSizes = {
  minBytes: 32 << 10,
  usualBytes: 96 << 10,
  maxBytes: 256 << 10,
  earlyMask: 255,
  lateMask: 31,
}

/**
 * Cuts before a name whose hash says so, never under `minBytes`; by `maxBytes` in any case, then even inside one name.
 * A single entry larger than that is a block of its own. What is cut depends on nothing but the entries since the
 * last cut, and the one that follows it.
 */
export class BlockCutter {
  readonly #separator: string
  readonly #sizes: BlockSizes
  #texts: Buffer[] = []
  #bytes = 0
  #firstName = ''
  #lastName = ''

  /** `separator` follows each entry: a newline, where blank lines part them. */
  constructor(separator: '' | '\n', sizes = blockSizes) {
    this.#separator = separator
    this.#sizes = sizes
  }

  get isEmpty(): boolean {
    return this.#bytes === 0
  }

  /** Takes an entry; the block that ended before it, if one did. */
  push({ name, text }: IndexEntry): RawBlock | null {
    const bytes = text.length + this.#separator.length
    const { minBytes, usualBytes, maxBytes, earlyMask, lateMask } = this.#sizes
    const mask = this.#bytes < usualBytes ? earlyMask : lateMask
    const isBorder = this.#bytes >= minBytes && name !== this.#lastName && (crc32(name) & mask) === 0
    const ended = this.#bytes > 0 && (isBorder || this.#bytes + bytes > maxBytes) ? this.end() : null
    if (this.#bytes === 0) this.#firstName = name
    this.#texts.push(text)
    this.#bytes += bytes
    this.#lastName = name
    return ended
  }

  /** The block of what was taken since the last one; null if that is nothing. */
  end(): RawBlock | null {
    if (this.#bytes === 0) return null
    const block = { firstName: this.#firstName, lastName: this.#lastName, bytes: this.#join() }
    this.#texts = []
    this.#bytes = 0
    return block
  }

  #join(): Buffer {
    const joined = Buffer.allocUnsafe(this.#bytes)
    let at = 0
    for (const text of this.#texts) {
      joined.set(text, at)
      at += text.length
      if (this.#separator !== '') joined[at++] = newline
    }
    return joined
  }
}

const newline = 10

/** A block of a text that is known, as far as cutting looks at it. */
export interface KnownCut {
  readonly firstName: string
  readonly lastName: string
  readonly sizeBytes: number
}

/** The same text, cut where `cut` has it; what another text has behind that is a block more. */
export function* cutAs(blocks: Iterable<RawBlock>, cut: readonly KnownCut[]): Generator<RawBlock> {
  const rendered = blocks[Symbol.iterator]()
  let rest: Buffer = Buffer.alloc(0)
  const fill = (sizeBytes: number) => {
    const parts = [rest]
    for (let bytes = rest.length; bytes < sizeBytes; bytes += parts.at(-1)!.length) {
      const next = rendered.next()
      if (next.done === true) break
      parts.push(next.value.bytes)
    }
    rest = Buffer.concat(parts)
  }
  for (const { firstName, lastName, sizeBytes } of cut) {
    fill(sizeBytes)
    if (rest.length > 0) yield { firstName, lastName, bytes: rest.subarray(0, sizeBytes) }
    rest = rest.subarray(sizeBytes)
  }
  fill(Number.POSITIVE_INFINITY)
  if (rest.length > 0) yield { firstName: '', lastName: '', bytes: rest }
}
