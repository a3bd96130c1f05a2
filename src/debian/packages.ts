// Package indexes (`Packages`): strict, streaming, byte-preserving. A stanza is kept as it is signed;
// only the fields that decide something are read out of it (deb-control(5), apt-facts on what apt trips over).
import { asSha256, type Sha256 } from '../lib/digest.ts'
import { MalformedError } from '../lib/errors.ts'
import { isSafePath } from '../lib/safe-path.ts'
import { isArchitecture, isPackageName, isVersion } from './names.ts'

export interface PackageStanza {
  /** The stanza's bytes with its last newline, without the blank line. Valid until the next `push`. */
  readonly text: Uint8Array
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly source: string
  readonly sourceVersion: string
  /** `Filename`: relative to the archive's root. */
  readonly path: string
  readonly sizeBytes: number
  readonly sha256: Sha256
}

// The largest stanza of real archives is some 76 KB.
const maxStanzaBytes = 1 << 20

const wanted = ['package', 'version', 'architecture', 'source', 'filename', 'size', 'sha256'] as const
const packageField = 0
const versionField = 1
const architectureField = 2
const sourceField = 3
const filenameField = 4
const sizeField = 5
const sha256Field = 6

/**
 * Reads an index chunk by chunk. `where` names it in errors. Refuses, with MALFORMED, whatever apt would read
 * in another way than it looks: control characters, a repeated field, a line of blanks, an odd name or path.
 */
export class PackagesReader {
  readonly #where: string
  #rest: Buffer = Buffer.alloc(0)
  #count = 0
  // Field names get small numbers, so that "seen in this stanza" is one array look-up.
  readonly #fieldNumbers = new Map<string, number>()
  readonly #numbersByLowerCase = new Map<string, number>(wanted.map((name, number) => [name, number]))
  readonly #seenIn: number[] = []
  readonly #values: (string | undefined)[] = new Array(wanted.length)

  constructor(where: string) {
    this.#where = where
  }

  /** Stanzas read so far. */
  get count(): number {
    return this.#count
  }

  /** The stanzas that `chunk` completes. */
  push(chunk: Buffer): PackageStanza[] {
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
  #readWhole(bytes: Buffer): PackageStanza[] {
    const end = bytes.lastIndexOf('\n\n')
    if (end < 0 && bytes.length > maxStanzaBytes) this.#fail(`stanza ${this.#count + 1} is longer than 1 MiB`)
    this.#rest = Buffer.from(bytes.subarray(end < 0 ? 0 : end + 2))
    return end < 0 ? [] : this.#readAll(bytes.subarray(0, end + 1))
  }

  /** The last stanza, which may lack the blank line after it. */
  end(): PackageStanza[] {
    const bytes = this.#rest
    this.#rest = Buffer.alloc(0)
    if (bytes.length === 0) return []
    return this.#readAll(bytes.at(-1) === 10 ? bytes : Buffer.concat([bytes, Buffer.from('\n')]))
  }

  /** `bytes` ends with a newline and holds whole stanzas. */
  #readAll(bytes: Buffer): PackageStanza[] {
    const text = bytes.toString('latin1')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
    const control = /[\x00-\x08\x0b-\x1f\x7f]/.exec(text)
    if (control !== null) {
      this.#fail(
        `control character 0x${control[0].charCodeAt(0).toString(16)} in or after stanza ${this.#count + 1}`,
      )
    }
    const stanzas: PackageStanza[] = []
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

  #readOne(text: string, start: number, end: number, bytes: Uint8Array): PackageStanza {
    this.#values.fill(undefined)
    for (let at = start; at < end; ) {
      const lineEnd = text.indexOf('\n', at)
      const first = text.charCodeAt(at)
      if (first === space || first === tab) {
        if (at === start) this.#failAt('begins with a continuation line')
        if (isBlank(text, at, lineEnd)) this.#failAt('has a line of blanks, which apt reads as no border')
      } else {
        this.#readField(text, at, lineEnd)
      }
      at = lineEnd + 1
    }
    return this.#build(bytes)
  }

  #readField(text: string, at: number, lineEnd: number): void {
    const colon = text.indexOf(':', at)
    if (colon < 0 || colon >= lineEnd)
      this.#failAt(`has a line that is no field: "${text.slice(at, Math.min(lineEnd, at + 40))}"`)
    const number = this.#fieldNumber(text.slice(at, colon))
    if (this.#seenIn[number] === this.#count) this.#failAt(`has the field ${text.slice(at, colon)} twice`)
    this.#seenIn[number] = this.#count
    if (number < wanted.length) this.#values[number] = text.slice(colon + 1, lineEnd).trim()
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

  #build(text: Uint8Array): PackageStanza {
    const name = this.#checked(packageField, 'Package', isPackageName)
    const version = this.#checked(versionField, 'Version', isVersion)
    const [source, sourceVersion] = this.#source(name, version)
    const digest = asSha256(this.#checked(sha256Field, 'SHA256', (value) => asSha256(value) !== null))
    return {
      text,
      name,
      version,
      architecture: this.#checked(architectureField, 'Architecture', isArchitecture),
      source,
      sourceVersion,
      path: this.#checked(filenameField, 'Filename', isSafePath),
      sizeBytes: Number(this.#checked(sizeField, 'Size', (value) => /^\d{1,15}$/.test(value))),
      sha256: digest!,
    }
  }

  /** `Source: name` or `name (version)`; absent where both are the package's own. */
  #source(name: string, version: string): [source: string, sourceVersion: string] {
    const value = this.#values[sourceField]
    if (value === undefined || value === '') return [name, version]
    const match = /^(\S+)(?:\s+\((\S+)\))?$/.exec(value)
    const [source, sourceVersion] = [match?.[1] ?? '', match?.[2] ?? version]
    if (!isPackageName(source) || !isVersion(sourceVersion))
      this.#failAt(`has an odd Source: "${value.slice(0, 80)}"`)
    return [source, sourceVersion]
  }

  #checked(number: number, name: string, isGood: (value: string) => boolean): string {
    const value = this.#values[number]
    if (value === undefined) this.#failAt(`has no ${name}`)
    if (!isGood(value)) this.#failAt(`has an odd ${name}: "${value.slice(0, 80)}"`)
    return value
  }

  #failAt(why: string): never {
    const name = this.#values[packageField]
    this.#fail(`stanza ${this.#count}${name === undefined ? '' : ` (${name.slice(0, 80)})`} ${why}`)
  }

  #fail(why: string): never {
    throw new MalformedError(this.#where, why, {
      hint: 'Nothing of this suite was adopted; report it to the archive, or leave this component out',
    })
  }
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

/**
 * The stanza as a channel publishes it: without `Phased-Update-Percentage`, because the channel is the ring
 * and a second lottery on the client would keep testers from what they test.
 */
export function withoutPhasing(text: Buffer): Buffer {
  const at = text.indexOf('\nPhased-Update-Percentage:')
  if (at < 0) return text
  const end = text.indexOf(10, at + 1)
  return Buffer.concat([text.subarray(0, at), text.subarray(end)])
}
