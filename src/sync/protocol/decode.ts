// Reading JSON from another server: what is there is checked, what is not known is passed over.
import { asSha256, type Sha256 } from '../../lib/digest.ts'
import { MalformedError } from '../../lib/errors.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/** Says where it is when something is wrong. */
export class Decoder {
  readonly #what: string

  constructor(what: string) {
    this.#what = what
  }

  parse(text: string): JsonObject {
    try {
      return this.object(JSON.parse(text), 'it')
    } catch (error) {
      if (error instanceof MalformedError) throw error
      throw new MalformedError(this.#what, 'is no JSON', { cause: error, hint: advice })
    }
  }

  fail(where: string, why: string): never {
    throw new MalformedError(this.#what, `${where} ${why}`, { hint: advice })
  }

  object(value: unknown, where: string): JsonObject {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
    return this.fail(where, 'is no object')
  }

  list<T>(value: unknown, where: string, item: (value: unknown, where: string) => T): T[] {
    if (!Array.isArray(value)) return this.fail(where, 'is no list')
    return value.map((one: unknown, index) => item(one, `${where}[${index}]`))
  }

  text(value: unknown, where: string): string {
    return typeof value === 'string' ? value : this.fail(where, 'is no text')
  }

  /** A whole number that is not negative. */
  count(value: unknown, where: string): number {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    return this.fail(where, 'is no number')
  }

  flag(value: unknown, where: string): boolean {
    return typeof value === 'boolean' ? value : this.fail(where, 'is neither true nor false')
  }

  digest(value: unknown, where: string): Sha256 {
    return asSha256(this.text(value, where)) ?? this.fail(where, 'is no SHA-256')
  }

  orNull<T>(value: unknown, where: string, item: (value: unknown, where: string) => T): T | null {
    return value === null ? null : item(value, where)
  }
}

const advice = 'Is the other server a UUS of the same or a newer version? See "uus sync --help"'
