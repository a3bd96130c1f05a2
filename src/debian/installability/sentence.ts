// A reason in words, for a person.
import type { Conflict, ConflictSide, Missing, Reason, Step } from './explain.ts'
import type { PackageName } from './pool.ts'

/** `a 1.0 depends on b (>= 2), which no package satisfies: there is b 1.9`. */
export function sentenceOf(reason: Reason, nativeArchitecture: string): string {
  const words = new Words(nativeArchitecture)
  return reason.type === 'missing' ? words.missing(reason) : words.conflict(reason)
}

// What is listed of present versions; a name can have dozens.
const maxListed = 3

class Words {
  readonly #native: string

  constructor(native: string) {
    this.#native = native
  }

  missing({ chain, isReadable, present }: Missing): string {
    if (!isReadable) return this.#unreadable(chain)
    const way = `${this.#way(chain)}, which is not there`
    if (present.length === 0) return way
    const listed = present.slice(0, maxListed).map((one) => this.#label(one))
    const more = present.length > maxListed ? ` and ${present.length - maxListed} more` : ''
    return `${way}: there is ${listed.join(', ')}${more}`
  }

  #unreadable(chain: readonly Step[]): string {
    const { package: owner, relation } = chain.at(-1)!
    const way = chain.length > 1 ? `${this.#way(chain.slice(0, -1))}, and ` : ''
    return `${way}${this.#label(owner)} has a relation that cannot be read: ${relation}`
  }

  conflict({ sides: [a, b] }: Conflict): string {
    const exclusion = this.#exclusion(a, b)
    const ways = [this.#way(a.chain), this.#way(b.chain)].sort((one, other) => other.length - one.length)
    // Where one is on the way to the other, one is enough.
    const told = ways.filter((way, at) => way !== '' && (at === 0 || !ways[0]!.startsWith(way)))
    return told.length === 0 ? exclusion : `${told.join('; ')}; but ${exclusion}`
  }

  #exclusion(a: ConflictSide, b: ConflictSide): string {
    const [by, other] = a.relations.length > 0 ? [a, b] : [b, a]
    const [byName, otherName] = [this.#label(by.package), this.#label(other.package)]
    if (by.relations.length === 0) return `${byName} and ${otherName} cannot be installed together`
    return `${byName} conflicts with ${otherName} (${by.relations.join(', ')})`
  }

  #way(chain: readonly Step[]): string {
    return chain
      .map((step, at) => `${this.#label(step.package)} ${at === 0 ? 'depends ' : ''}on ${step.relation}`)
      .join(', ')
  }

  #label({ name, version, architecture }: PackageName): string {
    const isNative = architecture === this.#native || architecture === 'all'
    return `${name}${isNative ? '' : `:${architecture}`} ${version}`
  }
}
