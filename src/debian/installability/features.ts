// Features: the names that packages can be had under. Each package has its own name as a feature, with its version,
// and one for each name it provides (Debian Policy §7.5), with the provided version or with none.
import type { Clauses } from './clauses.ts'
import { Lists, Numbers } from './collections.ts'
import { isInScope, isOperatorMet, type Reach } from './matching.ts'

/** In place of a version's number: a provided name without one satisfies no relation that asks for a version. */
export const noVersion = -1

export class Features {
  readonly #node = new Numbers()
  readonly #name = new Numbers()
  readonly #version = new Numbers()
  readonly #architecture = new Numbers()
  readonly #reach = new Numbers()
  readonly #compareVersions: (a: number, b: number) => number
  /** The features under a name. */
  readonly ofName = new Lists()

  /** `compareVersions` orders the versions by their numbers. */
  constructor(compareVersions: (a: number, b: number) => number) {
    this.#compareVersions = compareVersions
  }

  get count(): number {
    return this.#node.length
  }

  add(node: number, name: number, version: number, architecture: number, reach: Reach): void {
    const feature = this.#node.push(node)
    this.#name.push(name)
    this.#version.push(version)
    this.#architecture.push(architecture)
    this.#reach.push(reach)
    this.ofName.append(name, feature)
  }

  nodeOf(feature: number): number {
    return this.#node.at(feature)
  }

  nameOf(feature: number): number {
    return this.#name.at(feature)
  }

  /** Does the feature satisfy an atom that asks for its name? */
  satisfies(feature: number, atom: number, clauses: Clauses): boolean {
    const architecture = this.#architecture.at(feature)
    if (!isInScope(clauses.scopeOf(atom), architecture, this.#reach.at(feature) as Reach)) return false
    const operator = clauses.operatorOf(atom)
    if (operator === 0) return true
    const version = this.#version.at(feature)
    return (
      version !== noVersion &&
      isOperatorMet(operator, this.#compareVersions(version, clauses.versionOf(atom)))
    )
  }
}
