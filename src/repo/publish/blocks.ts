// Cutting an index's text into blocks that stay the same where the text stays the same, so that their
// compressed forms can be used again.
import { crc32 } from '../../lib/gzip.ts'

/** One stanza as it is published, without the blank line after it. */
export interface IndexEntry {
  readonly name: string
  readonly text: Buffer
}

export interface RawBlock {
  readonly firstName: string
  readonly bytes: Buffer
}

const minBytes = 32 << 10
const maxBytes = 256 << 10
// One name in 128 may begin a block: with stanzas of some 800 bytes, blocks come to 128 KiB on average.
const borderMask = 127

/**
 * Cuts before a name whose hash says so, never under 32 KiB; by 256 KiB in any case, then even inside one name.
 * A single stanza larger than that is a block of its own.
 */
export function* cutBlocks(entries: Iterable<IndexEntry>): Generator<RawBlock> {
  let texts: Buffer[] = []
  let bytes = 0
  let firstName = ''
  let lastName = ''
  for (const { name, text } of entries) {
    const isBorder = bytes >= minBytes && name !== lastName && isBorderName(name)
    if (bytes > 0 && (isBorder || bytes + text.length + 1 > maxBytes)) {
      yield { firstName, bytes: join(texts, bytes) }
      texts = []
      bytes = 0
    }
    if (bytes === 0) firstName = name
    texts.push(text)
    bytes += text.length + 1
    lastName = name
  }
  if (bytes > 0) yield { firstName, bytes: join(texts, bytes) }
}

/** The texts, each followed by a blank line. */
function join(texts: readonly Buffer[], bytes: number): Buffer {
  const joined = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const text of texts) {
    joined.set(text, at)
    at += text.length
    joined[at++] = newline
  }
  return joined
}

const newline = 10

function isBorderName(name: string): boolean {
  return (crc32(name) & borderMask) === 0
}
