// Indexes of stanzas (deb-control(5)): strict, streaming, byte-preserving. A stanza is kept as it is signed; only the
// fields that decide something are read out of it. What apt would read in another way than it looks is refused.
import { MalformedError } from '../lib/errors.ts'

/** Entries of an index, as a reader gives them. */
export interface IndexReader<T> {
  /** The entries that `chunk` completes. Their texts are valid until the next `push`. */
  push(chunk: Buffer): T[]
  /** The last entry, which may lack what ends it. */
  end(): T[]
}

// The largest stanza of real archives is some 76 KB.
const maxStanzaBytes = 1 << 20

/** Where a stanza stands, and how to complain about it. */
export interface StanzaPlace {
  fail(why: string): never
}

/** The first lines of the wanted fields, trimmed, and the lines that continue them; undefined for an absent field. */
export interface StanzaFields {
  readonly values: readonly (string | undefined)[]
  readonly continued: readonly (readonly string[])[]
}

/**
 * Reads an index chunk by chunk. `where` names it in errors. Refuses, with MALFORMED: control characters, a repeated
 * field, a line of blanks, a line that is no field.
 */
export abstract class StanzaReader<T> implements IndexReader<T> {
  readonly #where: string
  #rest: Buffer = Buffer.alloc(0)
  #count = 0
  // Field names get small numbers, so that "seen in this stanza" is one array look-up.
  readonly #fieldNumbers = new Map<string, number>()
  readonly #numbersByLowerCase: Map<string, number>
  readonly #seenIn: number[] = []
  readonly #wantedCount: number
  readonly #values: (string | undefined)[]
  /** Only for the first so many of the wanted fields. */
  readonly #continued: string[][]
  #lastField = -1

  /** `wanted` are names in lower case; of the first `continued` of them the further lines are read too. */
  constructor(where: string, wanted: readonly string[], continued = 0) {
    this.#where = where
    this.#wantedCount = wanted.length
    this.#numbersByLowerCase = new Map(wanted.map((name, number) => [name, number]))
    this.#values = new Array(wanted.length)
    this.#continued = Array.from({ length: continued }, () => [])
  }

  /** Makes an entry of a stanza; `text` are its bytes with the last newline, without the blank line. */
  protected abstract build(text: Uint8Array, fields: StanzaFields, place: StanzaPlace): T

  /** Stanzas read so far. */
  get count(): number {
    return this.#count
  }

  /** The stanzas that `chunk` completes. */
  push(chunk: Buffer): T[] {
    if (this.#rest.length === 0) return this.#readWhole(chunk)
    // Only the stanza on the border is copied, not the chunk.
    const border = chunk.indexOf('\n\n')
    const head = Buffer.concat([this.#rest, border < 0 ? chunk : chunk.subarray(0, border + 2)])
    this.#rest = Buffer.alloc(0)
    const first = this.#readWhole(head)
    if (border < 0) return first
    const more = this.#rest.length === 0 ? this.#readWhole(chunk.subarray(border + 2)) : []
    return first.concat(more)
  }

  /** The stanzas that end in `bytes`; what is left waits for the next chunk. */
  #readWhole(bytes: Buffer): T[] {
    const end = bytes.lastIndexOf('\n\n')
    if (end < 0 && bytes.length > maxStanzaBytes) this.#fail(`stanza ${this.#count + 1} is longer than 1 MiB`)
    this.#rest = Buffer.from(bytes.subarray(end < 0 ? 0 : end + 2))
    return end < 0 ? [] : this.#readAll(bytes.subarray(0, end + 1))
  }

  /** The last stanza, which may lack the blank line after it. */
  end(): T[] {
    const bytes = this.#rest
    this.#rest = Buffer.alloc(0)
    if (bytes.length === 0) return []
    return this.#readAll(bytes.at(-1) === 10 ? bytes : Buffer.concat([bytes, Buffer.from('\n')]))
  }

  /** `bytes` ends with a newline and holds whole stanzas. */
  #readAll(bytes: Buffer): T[] {
    const text = bytes.toString('latin1')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
    const control = /[\x00-\x08\x0b-\x1f\x7f]/.exec(text)
    if (control !== null) {
      this.#fail(
        `control character 0x${control[0].charCodeAt(0).toString(16)} in or after stanza ${this.#count + 1}`,
      )
    }
    const stanzas: T[] = []
    let start = 0
    while (start < text.length) {
      if (text.charCodeAt(start) === newline) {
        start++ // more than one blank line between stanzas
        continue
      }
      const border = text.indexOf('\n\n', start)
      const end = border < 0 ? text.length : border + 1
      if (end - start > maxStanzaBytes) this.#fail(`stanza ${this.#count + 1} is longer than 1 MiB`)
      this.#count++
      stanzas.push(this.#readOne(text, start, end, bytes.subarray(start, end)))
      start = end + 1
    }
    return stanzas
  }

  #readOne(text: string, start: number, end: number, bytes: Uint8Array): T {
    this.#values.fill(undefined)
    for (const lines of this.#continued) lines.length = 0
    for (let at = start; at < end; ) {
      const lineEnd = text.indexOf('\n', at)
      const first = text.charCodeAt(at)
      if (first === space || first === tab) {
        if (at === start) this.#failAt('begins with a continuation line')
        if (isBlank(text, at, lineEnd)) this.#failAt('has a line of blanks, which apt reads as no border')
        if (this.#lastField < this.#continued.length)
          this.#continued[this.#lastField]!.push(text.slice(at, lineEnd).trim())
      } else {
        this.#readField(text, at, lineEnd)
      }
      at = lineEnd + 1
    }
    return this.build(bytes, { values: this.#values, continued: this.#continued }, this)
  }

  #readField(text: string, at: number, lineEnd: number): void {
    const colon = text.indexOf(':', at)
    if (colon < 0 || colon >= lineEnd)
      this.#failAt(`has a line that is no field: "${text.slice(at, Math.min(lineEnd, at + 40))}"`)
    const number = this.#fieldNumber(text.slice(at, colon))
    if (this.#seenIn[number] === this.#count) this.#failAt(`has the field ${text.slice(at, colon)} twice`)
    this.#seenIn[number] = this.#count
    this.#lastField = number
    if (number < this.#wantedCount) this.#values[number] = text.slice(colon + 1, lineEnd).trim()
  }

  #fieldNumber(name: string): number {
    const known = this.#fieldNumbers.get(name)
    if (known !== undefined) return known
    if (!/^[A-Za-z0-9][A-Za-z0-9_.+-]*$/.test(name) || name.length > 100) {
      this.#failAt(`has an odd field name: "${name.slice(0, 40)}"`)
    }
    const lower = name.toLowerCase()
    const number = this.#numbersByLowerCase.get(lower) ?? this.#numbersByLowerCase.size
    if (number > 10_000) this.#failAt('is one of too many kinds of fields')
    this.#numbersByLowerCase.set(lower, number)
    this.#fieldNumbers.set(name, number)
    return number
  }

  /** Complains about the stanza that is being read. */
  fail(why: string): never {
    this.#failAt(why)
  }

  #failAt(why: string): never {
    const name = this.#values[0]
    this.#fail(`stanza ${this.#count}${name === undefined ? '' : ` (${name.slice(0, 80)})`} ${why}`)
  }

  #fail(why: string): never {
    throw malformedIndex(this.#where, why)
  }
}

export function malformedIndex(where: string, why: string): MalformedError {
  return new MalformedError(where, why, {
    hint: 'Nothing of this index was adopted; report it to the archive, or leave it out of the configuration',
  })
}

/** A field that must be there and look right. */
export function checkedField(
  value: string | undefined,
  name: string,
  isGood: (value: string) => boolean,
  place: StanzaPlace,
): string {
  if (value === undefined) place.fail(`has no ${name}`)
  if (!isGood(value)) place.fail(`has an odd ${name}: "${value.slice(0, 80)}"`)
  return value
}

const newline = 10
const space = 32
const tab = 9

function isBlank(text: string, at: number, end: number): boolean {
  for (let i = at; i < end; i++) {
    const code = text.charCodeAt(i)
    if (code !== space && code !== tab) return false
  }
  return true
}
