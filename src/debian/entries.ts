// Indexes that go with packages: descriptions in other languages (Translation), command-not-found's lists (cnf) and
// AppStream metadata (DEP-11). Each entry belongs to a package; its text is passed on as it is.
import { isPackageName } from './names.ts'
import {
  checkedField,
  type IndexReader,
  malformedIndex,
  type StanzaFields,
  type StanzaPlace,
  StanzaReader,
} from './stanza-reader.ts'

export interface PackageEntry {
  /** Valid until the next `push`. */
  readonly text: Uint8Array
  /** The package it belongs to; empty for the head of the index. */
  readonly name: string
  /** Of a translation: the MD5 of the description that it translates; `document`: one of no package, after the head. */
  readonly key: string
}

export class TranslationReader extends StanzaReader<PackageEntry> {
  constructor(where: string) {
    super(where, ['package', 'description-md5'])
  }

  protected build(text: Uint8Array, { values }: StanzaFields, place: StanzaPlace): PackageEntry {
    const name = checkedField(values[0], 'Package', isPackageName, place)
    const key = checkedField(values[1], 'Description-md5', (value) => /^[0-9a-f]{32}$/.test(value), place)
    return { text, name, key }
  }
}

/** Commands-*: a head with suite, component and architecture, then a block for each package. */
export class CommandsReader extends StanzaReader<PackageEntry> {
  constructor(where: string) {
    super(where, ['name', 'suite'])
  }

  protected build(text: Uint8Array, { values }: StanzaFields, place: StanzaPlace): PackageEntry {
    if (values[0] === undefined && values[1] !== undefined) return { text, name: '', key: '' }
    return { text, name: checkedField(values[0], 'name', isPackageName, place), key: '' }
  }
}

const maxDocumentBytes = 8 << 20
const border = Buffer.from('\n---\n')

/** Components-*.yml: YAML documents, a head and one for each component, which names its package. */
export class ComponentsReader implements IndexReader<PackageEntry> {
  readonly #where: string
  #rest: Buffer = Buffer.alloc(0)
  #count = 0

  constructor(where: string) {
    this.#where = where
  }

  push(chunk: Buffer): PackageEntry[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const entries: PackageEntry[] = []
    let start = 0
    for (let at = bytes.indexOf(border); at >= 0; at = bytes.indexOf(border, start + 1)) {
      // Each document begins with its own dashes.
      entries.push(...this.#read(bytes.subarray(start, at + 1)))
      start = at + 1
    }
    this.#rest = Buffer.from(bytes.subarray(start))
    if (this.#rest.length > maxDocumentBytes) this.#fail('has a document of more than 8 MiB')
    return entries
  }

  end(): PackageEntry[] {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    if (rest.length === 0) return []
    return this.#read(rest.at(-1) === 10 ? rest : Buffer.concat([rest, Buffer.from('\n')]))
  }

  #read(document: Buffer): PackageEntry[] {
    const text = document.toString('latin1')
    if (text.trim() === '' || text.trim() === '---') return []
    this.#count++
    if (!text.startsWith('---\n')) this.#fail(`document ${this.#count} does not begin with ---`)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
    if (/[\x00-\x08\x0b-\x1f\x7f]/.test(text)) this.#fail(`document ${this.#count} has a control character`)
    if (/^File: DEP-11[ \t]*$/m.test(text)) return [{ text: document, name: '', key: '' }]
    const name = /^Package: *["']?([^\s"']+)["']?[ \t]*$/m.exec(text)?.[1]
    // Operating systems, web applications and the like belong to no package: every channel has them, after the head.
    if (name === undefined) return [{ text: document, name: '', key: 'document' }]
    if (!isPackageName(name)) this.#fail(`document ${this.#count} has an odd Package: "${name.slice(0, 80)}"`)
    return [{ text: document, name, key: '' }]
  }

  #fail(why: string): never {
    throw malformedIndex(this.#where, why)
  }
}
