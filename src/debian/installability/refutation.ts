// What a refutation rests on: from a node that the solver has ruled out, back to the constraints of the pool.
import { nodeOf } from './assignment.ts'

/** Literals of which one must hold, and where that is from. */
export interface Constraint {
  readonly literals: readonly number[]
  readonly source: Source
}

/** A clause of the solver, or two nodes that conflict. */
export type Source = { readonly clause: number } | { readonly pair: Pair }

export type Pair = readonly [number, number]

/** What a learned clause follows from: other constraints, and that some nodes had been ruled out for good. */
export interface Proof {
  readonly sources: readonly Source[]
  readonly ruledOut: readonly number[]
}

/** Constraints of the pool that together forbid a node. */
export interface Core {
  readonly dependencies: readonly (readonly [node: number, clause: number])[]
  readonly conflicts: readonly Pair[]
}

export interface Refutation {
  /** What forced a node to stay out. */
  reasonOf(node: number): Constraint
  /** Undefined for a clause that is a dependency. */
  proofOf(clause: number): Proof | undefined
  /** The node and the pool's clause of a dependency. */
  originOf(clause: number): readonly [node: number, clause: number]
}

/** Everything that the refutation of `node` makes use of, each thing once. */
export function coreOf(refutation: Refutation, node: number): Core {
  const nodes = new Set<number>()
  const clauses = new Set<number>()
  const pairs = new Map<string, Pair>()
  const dependencies: (readonly [number, number])[] = []
  const open: (Source | { node: number })[] = [{ node }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if ('pair' in next) pairs.set(next.pair.toSorted().join(), next.pair)
    else if ('node' in next) {
      if (nodes.has(next.node)) continue
      nodes.add(next.node)
      const { source, literals } = refutation.reasonOf(next.node)
      open.push(source, ...literals.map((literal) => ({ node: nodeOf(literal) })))
    } else if (!clauses.has(next.clause)) {
      clauses.add(next.clause)
      const proof = refutation.proofOf(next.clause)
      if (proof === undefined) dependencies.push(refutation.originOf(next.clause))
      else open.push(...proof.sources, ...proof.ruledOut.map((one) => ({ node: one })))
    }
  }
  return { dependencies, conflicts: [...pairs.values()] }
}
