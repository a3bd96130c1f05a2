// What a conflict teaches the solver.
import { type Assignment, nodeOf, opposite } from './assignment.ts'
import type { Constraint, Proof, Source } from './refutation.ts'

/** A clause that would have prevented a conflict. */
export interface Lesson {
  /** The first is forced as soon as the others are refuted. */
  readonly literals: number[]
  /** The level at which the others are. */
  readonly level: number
  readonly proof: Proof
}

/**
 * From a broken constraint back along the reasons, as far as the one literal of the present level that all of them
 * go through ("first unique implication point"): its opposite, or that of one of the decisions before, must hold.
 */
export function learnFrom(
  broken: Constraint,
  assignment: Assignment,
  reasonOf: (node: number) => Constraint,
): Lesson {
  const { level, trail } = assignment
  const seen = new Set<number>()
  const earlier: number[] = []
  const sources: Source[] = []
  const ruledOut: number[] = []
  let open = 0
  let at = trail.length
  for (let constraint = broken; ; constraint = reasonOf(nodeOf(trail[at]!))) {
    sources.push(constraint.source)
    for (const literal of constraint.literals) {
      const node = nodeOf(literal)
      if (seen.has(node) || assignment.valueOf(literal) !== -1) continue
      seen.add(node)
      const itsLevel = assignment.levelOf(node)
      if (itsLevel === 0) ruledOut.push(node)
      else if (itsLevel === level) open++
      else earlier.push(literal)
    }
    do at--
    while (!seen.has(nodeOf(trail[at]!)))
    if (--open === 0) break
  }
  return {
    literals: [opposite(trail[at]!), ...earlier],
    level: earlier.reduce((highest, literal) => Math.max(highest, assignment.levelOf(nodeOf(literal))), 0),
    proof: { sources, ruledOut },
  }
}
