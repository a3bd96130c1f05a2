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

/** Where blocks may end. */
export interface BlockSizes {
  readonly minBytes: number
  readonly maxBytes: number
  /** A name may begin a block if none of these bits is set in its CRC-32. */
  readonly borderMask: number
}

// One name in 128 may begin a block: with stanzas of some 800 bytes, blocks come to 128 KiB on average. Texts that are
// in a catalogue keep the blocks that these sizes gave them: others would be refused for them (Texts.put).
export const blockSizes: BlockSizes = { minBytes: 32 << 10, maxBytes: 256 << 10, borderMask: 127 }

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
    const { minBytes, maxBytes, borderMask } = this.#sizes
    const isBorder = this.#bytes >= minBytes && name !== this.#lastName && (crc32(name) & borderMask) === 0
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
