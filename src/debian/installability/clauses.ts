// Clauses and atoms: what packages ask for. Each distinct text is kept and resolved once, because thousands of
// packages share `libc6 (>= 2.34)`.
//
//   clause    one group of alternatives of Depends, or one relation of Conflicts or Breaks, as a package of one
//             architecture means it. One that cannot be read has no atoms: nothing satisfies it
//   atom      one alternative of a clause: a name, where to look for it, an operator and a version
import { parseAlternatives, type Relation } from '../relations.ts'
import { Lists, Numbers, Texts } from './collections.ts'
import { allScope, anyScope, exactScope, implicitScope, operatorNumber } from './matching.ts'

/** What names, versions and architectures are numbered by. */
export interface Vocabulary {
  readonly names: Texts
  readonly versions: Texts
  /** The configured ones first, of them the native one first. */
  readonly architectures: Texts
}

/** The architecture number of the native one. */
export const native = 0
/** In place of an architecture: the text stands in Conflicts or Breaks, and means every architecture. */
export const negative = -1

export class Clauses {
  readonly #words: Vocabulary
  readonly #texts = new Texts()
  readonly #meanings: number
  /** By text and meaning: the clause's number plus one. */
  readonly #clauses = new Numbers()
  readonly #clauseText = new Numbers()
  readonly #clauseMeaning = new Numbers()
  readonly #firstAtom = new Numbers()
  readonly #atomClause = new Numbers()
  readonly #atomName = new Numbers()
  readonly #atomScope = new Numbers()
  readonly #atomOperator = new Numbers()
  readonly #atomVersion = new Numbers()
  /** The atoms that ask for a name. */
  readonly atomsOfName = new Lists()
  /** The nodes that have a clause. */
  readonly owners = new Lists()
  /** The nodes that satisfy an atom. Empty for Conflicts and Breaks: there they become pairs of nodes. */
  readonly targets = new Lists()

  constructor(words: Vocabulary, configuredArchitectures: number) {
    this.#words = words
    this.#meanings = configuredArchitectures + 1
    this.#firstAtom.push(0)
  }

  get count(): number {
    return this.#clauseText.length
  }

  text(clause: number): string {
    return this.#texts.text(this.#clauseText.at(clause))
  }

  isNegative(clause: number): boolean {
    return this.#clauseMeaning.at(clause) === negative
  }

  /** A clause's atoms are those from its first one up to the next clause's. */
  firstAtom(clause: number): number {
    return this.#firstAtom.at(clause)
  }

  clauseOf(atom: number): number {
    return this.#atomClause.at(atom)
  }

  nameOf(atom: number): number {
    return this.#atomName.at(atom)
  }

  scopeOf(atom: number): number {
    return this.#atomScope.at(atom)
  }

  operatorOf(atom: number): number {
    return this.#atomOperator.at(atom)
  }

  /** Means something only where there is an operator. */
  versionOf(atom: number): number {
    return this.#atomVersion.at(atom)
  }

  /** The clause of a text, as a package of `architecture` (or `negative`) means it. A number never seen before is a new one. */
  of(text: string, architecture: number): number {
    const slot = this.#texts.number(text) * this.#meanings + architecture + 1
    while (this.#clauses.length <= slot) this.#clauses.push(0)
    const known = this.#clauses.at(slot)
    if (known !== 0) return known - 1
    const clause = this.#clauseText.push(this.#texts.number(text))
    this.#clauses.set(slot, clause + 1)
    this.#clauseMeaning.push(architecture)
    for (const relation of this.#parse(text, architecture)) this.#addAtom(clause, relation, architecture)
    this.#firstAtom.push(this.#atomClause.length)
    return clause
  }

  #parse(text: string, architecture: number): readonly Relation[] {
    const alternatives = parseAlternatives(text) ?? []
    return architecture === negative && alternatives.length > 1 ? [] : alternatives
  }

  #addAtom(clause: number, { name, qualifier, operator, version }: Relation, architecture: number): void {
    const atom = this.#atomClause.push(clause)
    const nameNumber = this.#words.names.number(name)
    this.#atomName.push(nameNumber)
    this.#atomScope.push(this.#scope(qualifier, architecture))
    this.#atomOperator.push(operatorNumber(operator))
    this.#atomVersion.push(operator === null ? 0 : this.#words.versions.number(version))
    this.atomsOfName.append(nameNumber, atom)
  }

  #scope(qualifier: string, architecture: number): number {
    if (qualifier === 'any') return anyScope
    if (qualifier === 'native') return exactScope(native)
    if (qualifier !== '') return exactScope(this.#words.architectures.number(qualifier))
    return architecture === negative ? allScope : implicitScope(architecture)
  }
}
