// A long list that goes to another process again and again: after the first time, only what changed of it.
import { randomUUID } from 'node:crypto'

/** What leads from one state of a list to another. Plain data. */
export interface ListChange<T> {
  /** The state that it starts from; null for an empty list. */
  readonly from: string | null
  readonly to: string
  readonly added: readonly T[]
  readonly removed: readonly string[]
}

/** Remembers what it said last. Items are told apart by their keys, and are alike if all their fields are. */
export class ListSender<T extends object> {
  readonly #keyOf: (item: T) => string
  #state: string | null = null
  #sent: ReadonlyMap<string, T> = new Map()

  constructor(keyOf: (item: T) => string) {
    this.#keyOf = keyOf
  }

  /** `known` is the state that the receiver has: anything but the last one is told everything. */
  changeTo(items: readonly T[], known: string | null): ListChange<T> {
    const goesOn = known !== null && known === this.#state
    const before: ReadonlyMap<string, T> = goesOn ? this.#sent : new Map()
    const now = new Map(items.map((item) => [this.#keyOf(item), item] as const))
    const added = items.filter((item) => !isAlike(item, before.get(this.#keyOf(item))))
    const removed = [...before.keys()].filter((key) => !now.has(key))
    const isSame = goesOn && added.length === 0 && removed.length === 0
    this.#state = isSame ? known : randomUUID()
    this.#sent = now
    return { from: goesOn ? known : null, to: this.#state, added, removed }
  }
}

export class ListReceiver<T> {
  readonly #keyOf: (item: T) => string
  #state: string | null = null
  #items = new Map<string, T>()

  constructor(keyOf: (item: T) => string) {
    this.#keyOf = keyOf
  }

  /** To be said when asking; null if nothing came yet. */
  get state(): string | null {
    return this.#state
  }

  get items(): ReadonlyMap<string, T> {
    return this.#items
  }

  /** Changes come in the order in which they were made. */
  take({ from, to, added, removed }: ListChange<T>): void {
    if (from === null) this.#items = new Map()
    else if (from !== this.#state) throw new Error('Internal error: a change of a list that is not here')
    for (const key of removed) this.#items.delete(key)
    for (const item of added) this.#items.set(this.#keyOf(item), item)
    this.#state = to
  }
}

function isAlike<T extends object>(a: T, b: T | undefined): boolean {
  if (b === undefined) return false
  for (const name in a) if (a[name] !== b[name]) return false
  return true
}
