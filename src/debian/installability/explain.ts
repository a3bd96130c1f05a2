// Why a package cannot be installed: what is missing, or what excludes what, each with the way that leads there.
import { type BitSet, end } from './collections.ts'
import { type Dependency, minimalCore } from './core.ts'
import type { PackageName, PackagePool } from './pool.ts'
import type { Core } from './refutation.ts'

/** A package, and one of its dependencies that the next step is taken for. */
export interface Step {
  readonly package: PackageName
  readonly relation: string
}

/** Nothing satisfies the last step's relation. */
export interface Missing {
  readonly type: 'missing'
  readonly chain: readonly Step[]
  /** False where the relation is one that apt cannot read either. */
  readonly isReadable: boolean
  /** What has the right name, and does not do. */
  readonly present: readonly PackageName[]
}

/** Two packages exclude each other, and both are needed. */
export interface Conflict {
  readonly type: 'conflict'
  readonly sides: readonly [ConflictSide, ConflictSide]
}

export interface ConflictSide {
  readonly package: PackageName
  /** The steps to it; empty for the package in question itself. */
  readonly chain: readonly Step[]
  /** The relations of its Conflicts and Breaks that mean the other side. None on both: they are of one name. */
  readonly relations: readonly string[]
}

export type Reason = Missing | Conflict

/** Where there were alternatives, there are several reasons, and all of them stand. */
export interface Explanation {
  readonly package: PackageName
  readonly reasons: readonly Reason[]
}

export function explain(pool: PackagePool, members: BitSet, core: Core, node: number): Explanation {
  const { dependencies, conflicts } = minimalCore(pool, members, core, node)
  const ways = new Ways(pool, dependencies, node)
  const reasons: Reason[] = []
  for (const { node: owner, clause, targets } of dependencies) {
    if (targets.length > 0 || !ways.leadTo(owner)) continue
    const last = { package: pool.packageOf(owner), relation: pool.clauses.text(clause) }
    reasons.push({
      type: 'missing',
      chain: [...ways.chainTo(owner), last],
      isReadable: pool.clauses.firstAtom(clause) < pool.clauses.firstAtom(clause + 1),
      present: presentUnderNames(pool, members, clause),
    })
  }
  for (const [a, b] of conflicts) {
    if (ways.leadTo(a) && ways.leadTo(b)) {
      reasons.push({ type: 'conflict', sides: [side(pool, ways, a, b), side(pool, ways, b, a)] })
    }
  }
  return { package: pool.packageOf(node), reasons }
}

/** The shortest ways from a node along dependencies. They lead everywhere in a core that is minimal. */
class Ways {
  readonly #pool: PackagePool
  /** By node: the dependency that leads to it. */
  readonly #before = new Map<number, Dependency | null>()

  constructor(pool: PackagePool, dependencies: readonly Dependency[], start: number) {
    this.#pool = pool
    const ofNode = Map.groupBy(dependencies, ({ node }) => node)
    this.#before.set(start, null)
    // The map grows while it is walked.
    for (const node of this.#before.keys()) {
      for (const dependency of ofNode.get(node) ?? []) {
        for (const target of dependency.targets) {
          if (!this.#before.has(target)) this.#before.set(target, dependency)
        }
      }
    }
  }

  leadTo(node: number): boolean {
    return this.#before.has(node)
  }

  chainTo(node: number): Step[] {
    const chain: Step[] = []
    for (let at = this.#before.get(node); at; at = this.#before.get(at.node)) {
      chain.push({ package: this.#pool.packageOf(at.node), relation: this.#pool.clauses.text(at.clause) })
    }
    return chain.reverse()
  }
}

function presentUnderNames(pool: PackagePool, members: BitSet, clause: number): PackageName[] {
  const { clauses, features } = pool
  const nodes = new Set<number>()
  for (let atom = clauses.firstAtom(clause); atom < clauses.firstAtom(clause + 1); atom++) {
    const { ofName } = features
    for (let cell = ofName.first(clauses.nameOf(atom)); cell !== end; cell = ofName.next(cell)) {
      const node = features.nodeOf(ofName.value(cell))
      if (members.has(node)) nodes.add(node)
    }
  }
  return [...nodes].map((node) => pool.packageOf(node))
}

function side(pool: PackagePool, ways: Ways, node: number, other: number): ConflictSide {
  return {
    package: pool.packageOf(node),
    chain: ways.chainTo(node),
    relations: pool.isNamesake(node, other) ? [] : relationsAgainst(pool, node, other),
  }
}

function relationsAgainst(pool: PackagePool, node: number, other: number): string[] {
  const { clauses, features } = pool
  const relations: string[] = []
  for (let place = pool.firstNegative(node); place < pool.firstNegative(node + 1); place++) {
    const clause = pool.negativeAt(place)
    const atom = clauses.firstAtom(clause)
    for (let feature = pool.firstFeature(other); feature < pool.firstFeature(other + 1); feature++) {
      const isMeant =
        features.nameOf(feature) === clauses.nameOf(atom) && features.satisfies(feature, atom, clauses)
      if (isMeant && !relations.includes(clauses.text(clause))) relations.push(clauses.text(clause))
    }
  }
  return relations
}
