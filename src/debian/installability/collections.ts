// Numbers by the hundred thousand, kept in typed arrays: what the pool of packages is made of.

const firstCapacity = 1024

/** A list that grows at its end. */
export class Numbers {
  #values = new Int32Array(firstCapacity)
  #length = 0

  get length(): number {
    return this.#length
  }

  at(index: number): number {
    return this.#values[index]!
  }

  set(index: number, value: number): void {
    this.#values[index] = value
  }

  /** Returns the value's index. */
  push(value: number): number {
    if (this.#length === this.#values.length) this.#values = grown(this.#values, this.#length + 1)
    this.#values[this.#length] = value
    return this.#length++
  }

  swap(a: number, b: number): void {
    const value = this.#values[a]!
    this.#values[a] = this.#values[b]!
    this.#values[b] = value
  }
}

/** The end of a chain of cells. */
export const end = -1

/**
 * Many lists that all grow, each named by a number. Walk one so:
 * `for (let cell = lists.first(list); cell !== end; cell = lists.next(cell)) … lists.value(cell)`.
 */
export class Lists {
  #firsts = new Int32Array(firstCapacity).fill(end)
  #lasts = new Int32Array(firstCapacity).fill(end)
  readonly #values = new Numbers()
  readonly #nexts = new Numbers()

  first(list: number): number {
    return list < this.#firsts.length ? this.#firsts[list]! : end
  }

  next(cell: number): number {
    return this.#nexts.at(cell)
  }

  value(cell: number): number {
    return this.#values.at(cell)
  }

  /** Adds `value`, unless it is what the list ends with. */
  append(list: number, value: number): void {
    if (list >= this.#firsts.length) this.#grow(list + 1)
    const last = this.#lasts[list]!
    if (last !== end && this.#values.at(last) === value) return
    const cell = this.#values.push(value)
    this.#nexts.push(end)
    if (last === end) this.#firsts[list] = cell
    else this.#nexts.set(last, cell)
    this.#lasts[list] = cell
  }

  #grow(length: number): void {
    const old = this.#firsts.length
    this.#firsts = grown(this.#firsts, length).fill(end, old)
    this.#lasts = grown(this.#lasts, length).fill(end, old)
  }
}

function grown(values: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(length, Math.ceil(values.length * 1.5)))
  larger.set(values)
  return larger
}

/** A set of small numbers that grows as it must. */
export class BitSet {
  #words: Uint32Array<ArrayBuffer>

  constructor(capacity = 0) {
    this.#words = new Uint32Array((capacity + 31) >>> 5)
  }

  has(value: number): boolean {
    const word = value >>> 5
    return word < this.#words.length && (this.#words[word]! & (1 << (value & 31))) !== 0
  }

  add(value: number): void {
    const word = value >>> 5
    if (word >= this.#words.length) this.#grow(word + 1)
    this.#words[word]! |= 1 << (value & 31)
  }

  delete(value: number): void {
    const word = value >>> 5
    if (word < this.#words.length) this.#words[word]! &= ~(1 << (value & 31))
  }

  /** Takes in all of `other`; false if that brought nothing new. */
  addAll(other: BitSet): boolean {
    if (other.#words.length > this.#words.length) this.#grow(other.#words.length)
    let isNew = false
    for (let word = 0; word < other.#words.length; word++) {
      const before = this.#words[word]!
      this.#words[word]! |= other.#words[word]!
      if (this.#words[word] !== before) isNew = true
    }
    return isNew
  }

  deleteAll(other: BitSet): void {
    const shared = Math.min(this.#words.length, other.#words.length)
    for (let word = 0; word < shared; word++) this.#words[word]! &= ~other.#words[word]!
  }

  /** What is in this set and not in `other`. */
  without(other: BitSet): BitSet {
    const rest = this.copy()
    rest.deleteAll(other)
    return rest
  }

  /** What is in both. */
  within(other: BitSet): BitSet {
    return this.without(this.without(other))
  }

  copy(): BitSet {
    const copy = new BitSet()
    copy.#words = this.#words.slice()
    return copy
  }

  /** In ascending order. */
  values(): number[] {
    const values: number[] = []
    for (let word = 0; word < this.#words.length; word++) {
      for (let bits = this.#words[word]!; bits !== 0; bits &= bits - 1) {
        values.push(word * 32 + 31 - Math.clz32(bits & -bits))
      }
    }
    return values
  }

  #grow(words: number): void {
    const larger = new Uint32Array(words + 32)
    larger.set(this.#words)
    this.#words = larger
  }
}

/** Texts, each kept once and named by a number. */
export class Texts {
  readonly #texts: string[] = []
  readonly #numbers = new Map<string, number>()

  number(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    const own = unchained(text)
    this.#numbers.set(own, this.#texts.length)
    return this.#texts.push(own) - 1
  }

  /** The number of a text that is here; undefined for another. */
  find(text: string): number | undefined {
    return this.#numbers.get(text)
  }

  text(number: number): string {
    return this.#texts[number]!
  }
}

/** V8 keeps a slice as a view of the text it was cut from: a name would hold on to its whole stanza. */
function unchained(text: string): string {
  return Buffer.from(text).toString()
}
