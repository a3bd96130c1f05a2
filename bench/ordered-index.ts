// An index in whatever order, to see what orders do: the splice knows an entry by where it stands.
import { createHash } from 'node:crypto'
import type { IndexEntry } from '../src/repo/publish/blocks.ts'

/** What decides where an entry stands. */
export type Order = 'name' | 'source' | 'section' | 'chance'

export interface Stanza {
  readonly name: string
  readonly source: string
  readonly section: string
  readonly text: Buffer
}

export function* stanzasOf(index: Buffer): Generator<Stanza> {
  for (const stanza of index.toString('latin1').split('\n\n')) {
    const name = /^Package: (.*)$/m.exec(stanza)?.[1]
    if (name === undefined) continue
    const source = /^Source: (\S+)/m.exec(stanza)?.[1] ?? name
    const section = /^Section: (.*)$/m.exec(stanza)?.[1] ?? ''
    yield { name, source, section, text: Buffer.from(`${stanza.trimEnd()}\n`, 'latin1') }
  }
}

/** The entry's place, as the splice knows it: by its name. */
function placeOf({ name, source, section }: Stanza, order: Order): string {
  if (order === 'chance') return createHash('md5').update(name).digest('hex')
  return order === 'name' ? name : `${order === 'source' ? source : section} ${name}`
}

/** All entries in some order, of which some get new versions. */
export class OrderedIndex {
  readonly stanzas: Stanza[]
  readonly #places: string[]

  constructor(stanzas: readonly Stanza[], order: Order) {
    const placed = stanzas.map((stanza) => ({ stanza, place: placeOf(stanza, order) }))
    placed.sort((a, b) => (a.place < b.place ? -1 : 1))
    this.stanzas = placed.map(({ stanza }) => stanza)
    this.#places = placed.map(({ place }) => place)
  }

  *entries(from: string | null, to: string | null): Generator<IndexEntry> {
    for (let at = from === null ? 0 : this.#countBefore(from); at < this.stanzas.length; at++) {
      const name = this.#places[at]!
      if (to !== null && name >= to) return
      yield { name, text: this.stanzas[at]!.text }
    }
  }

  #countBefore(place: string): number {
    let low = 0
    let high = this.#places.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#places[middle]! < place) low = middle + 1
      else high = middle
    }
    return low
  }

  /** New versions of some; where they stand. */
  change(chosen: (stanza: Stanza) => boolean): string[] {
    return this.stanzas.flatMap((stanza, at) => {
      if (!chosen(stanza)) return []
      const text = stanza.text
        .toString('latin1')
        .replace(/^Version: .*$/m, '$&+b')
        .replace(/^(MD5sum|SHA256): (.*)$/gm, (_, field, hex) => `${field}: ${newHash(hex)}`)
      this.stanzas[at] = { ...stanza, text: Buffer.from(text, 'latin1') }
      return [this.#places[at]!]
    })
  }
}

function newHash(hex: string): string {
  return createHash('sha256').update(hex).digest('hex').slice(0, hex.length)
}
