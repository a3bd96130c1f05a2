// The pool: packages ("nodes", numbered as they come) with all their relations resolved. It only grows. Whether one
// package satisfies a relation of another, or conflicts with it, depends on these two alone; so all universes of
// the same architectures share one pool, and a universe is no more than a set of its nodes.
import { parseRelation, splitField } from '../relations.ts'
import { compareVersions } from '../version.ts'
import { Clauses, native, negative } from './clauses.ts'
import { end, Lists, Numbers, Texts } from './collections.ts'
import { Features, noVersion } from './features.ts'
import type { Package } from './fields.ts'
import { type Reach, reach } from './matching.ts'

export interface Architectures {
  readonly native: string
  readonly foreign: readonly string[]
}

/** What a person calls a package. */
export interface PackageName {
  readonly id: number
  readonly name: string
  readonly version: string
  readonly architecture: string
}

export class PackagePool {
  readonly architectures: Architectures
  readonly #words = { names: new Texts(), versions: new Texts(), architectures: new Texts() }
  readonly clauses: Clauses
  readonly features: Features
  readonly #ids: number[] = []
  readonly #nodes = new Map<number, number>()
  readonly #writtenName = new Numbers()
  readonly #writtenArchitecture = new Numbers()
  readonly #name = new Numbers()
  readonly #version = new Numbers()
  readonly #architecture = new Numbers()
  readonly #isSame = new Numbers()
  // Of a node: those from its first one up to the next node's.
  readonly #firstFeature = new Numbers()
  readonly #firstClause = new Numbers()
  readonly #clausesOfNodes = new Numbers()
  readonly #firstNegative = new Numbers()
  readonly #negativesOfNodes = new Numbers()
  readonly nodesOfName = new Lists()
  /** What a node cannot be installed beside: by its own word, by the other's, or because they share a name. */
  readonly conflicts = new Lists()

  constructor(architectures: Architectures) {
    this.architectures = architectures
    for (const name of [architectures.native, ...architectures.foreign])
      this.#words.architectures.number(name)
    this.clauses = new Clauses(this.#words, 1 + architectures.foreign.length)
    this.features = new Features((a, b) => this.#compareVersions(a, b))
    for (const firsts of [this.#firstFeature, this.#firstClause, this.#firstNegative]) firsts.push(0)
  }

  /** How many nodes there are. */
  get size(): number {
    return this.#ids.length
  }

  /** The node of a package that was added. */
  nodeOf(id: number): number | undefined {
    return this.#nodes.get(id)
  }

  packageOf(node: number): PackageName {
    return {
      id: this.#ids[node]!,
      name: this.#words.names.text(this.#writtenName.at(node)),
      version: this.#words.versions.text(this.#version.at(node)),
      architecture: this.#words.architectures.text(this.#writtenArchitecture.at(node)),
    }
  }

  /** A node's clauses are those at the places from its first one up to the next node's. */
  firstClause(node: number): number {
    return this.#firstClause.at(node)
  }

  clauseAt(place: number): number {
    return this.#clausesOfNodes.at(place)
  }

  firstNegative(node: number): number {
    return this.#firstNegative.at(node)
  }

  negativeAt(place: number): number {
    return this.#negativesOfNodes.at(place)
  }

  firstFeature(node: number): number {
    return this.#firstFeature.at(node)
  }

  /** Is `name` (a number of the vocabulary) the node's own? */
  isNamed(node: number, name: number): boolean {
    return this.#name.at(node) === name
  }

  /** Do the nodes have one name? */
  isNamesake(a: number, b: number): boolean {
    return this.#name.at(a) === this.#name.at(b)
  }

  /** The nodes of the name that `node` has, itself among them. */
  namesakes(node: number): number {
    return this.nodesOfName.first(this.#name.at(node))
  }

  hasSameArchitecture(a: number, b: number): boolean {
    return this.#architecture.at(a) === this.#architecture.at(b)
  }

  isForeign(node: number): boolean {
    return this.#architecture.at(node) !== native
  }

  /** Negative, zero or positive, as the version of `a` is lower, equal or higher. */
  compareNodes(a: number, b: number): number {
    return this.#compareVersions(this.#version.at(a), this.#version.at(b))
  }

  /** The node of a package; null where its architecture is none of the pool's, so that no client here sees it. */
  add(one: Package): number | null {
    const known = this.#nodes.get(one.id)
    if (known !== undefined) return known
    const architecture = this.#numberOfArchitecture(one.architecture)
    if (architecture === null) return null
    const node = this.#ids.push(one.id) - 1
    this.#nodes.set(one.id, node)
    this.#describe(one, architecture)
    this.#addFeatures(node, one, architecture)
    this.#meetAtoms(node)
    this.#addClauses(node, one, architecture)
    this.#addNegatives(node, one)
    this.#addNamesake(node)
    return node
  }

  #numberOfArchitecture(text: string): number | null {
    if (text === 'all') return native
    const number = this.#words.architectures.find(text)
    return number === undefined || number > this.architectures.foreign.length ? null : number
  }

  #describe(one: Package, architecture: number): void {
    this.#writtenName.push(this.#words.names.number(one.name))
    this.#writtenArchitecture.push(this.#words.architectures.number(one.architecture))
    // apt lowers the package's name and not those in relations (test/installability.test.ts asks it).
    this.#name.push(this.#words.names.number(one.name.toLowerCase()))
    this.#version.push(this.#words.versions.number(one.version))
    this.#architecture.push(architecture)
    this.#isSame.push(one.multiArch === 'same' && one.architecture !== 'all' ? 1 : 0)
  }

  #addFeatures(node: number, one: Package, architecture: number): void {
    const ownReach = reachOf(one.multiArch)
    this.features.add(node, this.#name.at(node), this.#version.at(node), architecture, ownReach)
    for (const text of splitField(one.provides)) {
      const provided = parseRelation(text)
      // Anything but `=` says nothing (Policy §7.5), and apt ignores it.
      if (provided === null || (provided.operator !== null && provided.operator !== '=')) continue
      const { name, qualifier, operator, version } = provided
      this.features.add(
        node,
        this.#words.names.number(name),
        operator === null ? noVersion : this.#words.versions.number(version),
        qualifier === '' || qualifier === 'any' ? architecture : this.#words.architectures.number(qualifier),
        qualifier === '' ? ownReach : qualifier === 'any' ? reach.anyOnly : reach.own,
      )
    }
    this.#firstFeature.push(this.features.count)
  }

  /** The new node with what others ask for already. */
  #meetAtoms(node: number): void {
    const { features, clauses } = this
    for (let feature = this.firstFeature(node); feature < this.firstFeature(node + 1); feature++) {
      const { atomsOfName } = clauses
      for (
        let cell = atomsOfName.first(features.nameOf(feature));
        cell !== end;
        cell = atomsOfName.next(cell)
      ) {
        const atom = atomsOfName.value(cell)
        if (!features.satisfies(feature, atom, clauses)) continue
        const clause = clauses.clauseOf(atom)
        if (clauses.isNegative(clause)) this.#addConflicts(node, clause)
        else clauses.targets.append(atom, node)
      }
    }
  }

  #addConflicts(node: number, negativeClause: number): void {
    const { owners } = this.clauses
    for (let cell = owners.first(negativeClause); cell !== end; cell = owners.next(cell)) {
      this.#addConflict(node, owners.value(cell))
    }
  }

  #addClauses(node: number, one: Package, architecture: number): void {
    for (const field of [one.preDepends, one.depends]) {
      for (const text of splitField(field)) this.#addClause(node, this.#resolved(text, architecture))
    }
  }

  #addClause(node: number, clause: number): void {
    this.#clausesOfNodes.push(clause)
    this.clauses.owners.append(clause, node)
  }

  /** The clause of a text; a new one with all nodes that satisfy it. */
  #resolved(text: string, architecture: number): number {
    const { clauses } = this
    const known = clauses.count
    const clause = clauses.of(text, architecture)
    if (clause < known) return clause
    for (let atom = clauses.firstAtom(clause); atom < clauses.firstAtom(clause + 1); atom++) {
      for (const node of this.#nodesSatisfying(atom)) clauses.targets.append(atom, node)
    }
    return clause
  }

  #nodesSatisfying(atom: number): number[] {
    const { features, clauses } = this
    const nodes: number[] = []
    const { ofName } = features
    for (let cell = ofName.first(clauses.nameOf(atom)); cell !== end; cell = ofName.next(cell)) {
      const feature = ofName.value(cell)
      if (features.satisfies(feature, atom, clauses)) nodes.push(features.nodeOf(feature))
    }
    return nodes
  }

  #addNegatives(node: number, one: Package): void {
    const { clauses } = this
    for (const field of [one.conflicts, one.breaks]) {
      for (const text of splitField(field)) {
        const clause = clauses.of(text, negative)
        const atom = clauses.firstAtom(clause)
        if (atom === clauses.firstAtom(clause + 1)) {
          this.#addClause(node, clause) // cannot be read: who knows what it forbids
          continue
        }
        this.#negativesOfNodes.push(clause)
        clauses.owners.append(clause, node)
        for (const other of this.#nodesSatisfying(atom)) this.#addConflict(node, other)
      }
    }
    this.#firstClause.push(this.#clausesOfNodes.length)
    this.#firstNegative.push(this.#negativesOfNodes.length)
  }

  /** Conflicts and Breaks never mean packages of the same name: which of these exclude each other is fixed. */
  #addConflict(node: number, other: number): void {
    if (!this.isNamesake(node, other)) this.#addPair(node, other)
  }

  #addPair(node: number, other: number): void {
    this.conflicts.append(node, other)
    this.conflicts.append(other, node)
  }

  /** Of one name, only `Multi-Arch: same` packages of one version and different architectures go together. */
  #addNamesake(node: number): void {
    for (let cell = this.namesakes(node); cell !== end; cell = this.nodesOfName.next(cell)) {
      const other = this.nodesOfName.value(cell)
      const areSame = this.#isSame.at(node) === 1 && this.#isSame.at(other) === 1
      const goTogether =
        areSame && !this.hasSameArchitecture(node, other) && this.compareNodes(node, other) === 0
      if (!goTogether) this.#addPair(node, other)
    }
    this.nodesOfName.append(this.#name.at(node), node)
  }

  /** By the versions' numbers. */
  #compareVersions(a: number, b: number): number {
    return a === b ? 0 : compareVersions(this.#words.versions.text(a), this.#words.versions.text(b))
  }
}

function reachOf(multiArch: string): Reach {
  return multiArch === 'foreign' ? reach.every : multiArch === 'allowed' ? reach.any : reach.own
}
