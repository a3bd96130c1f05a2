// Who needs whom within a set of nodes: whether a dependency is met, by what it could be, and who has it.
import { type BitSet, end } from './collections.ts'
import type { PackagePool } from './pool.ts'

/** Is one of the clause's targets among the members? */
export function isMet({ clauses }: PackagePool, clause: number, members: BitSet): boolean {
  const { targets } = clauses
  for (let atom = clauses.firstAtom(clause); atom < clauses.firstAtom(clause + 1); atom++) {
    for (let cell = targets.first(atom); cell !== end; cell = targets.next(cell)) {
      if (members.has(targets.value(cell))) return true
    }
  }
  return false
}

/**
 * The clause's targets that are usable, in the order in which apt would take them: alternatives as they are
 * written, of one alternative the packages of that name before those that provide it, and the newest first.
 */
export function targetsInOrder(pool: PackagePool, clause: number, usable: BitSet): number[] {
  const { clauses } = pool
  const { targets } = clauses
  const ordered: number[] = []
  for (let atom = clauses.firstAtom(clause); atom < clauses.firstAtom(clause + 1); atom++) {
    const start = ordered.length
    for (let cell = targets.first(atom); cell !== end; cell = targets.next(cell)) {
      const target = targets.value(cell)
      if (!usable.has(target) || ordered.includes(target)) continue
      insert(pool, clauses.nameOf(atom), ordered, start, target)
    }
  }
  return ordered
}

/** Keeps what stands from `start` on in order; that is mostly nothing. */
function insert(pool: PackagePool, name: number, ordered: number[], start: number, target: number): void {
  let at = ordered.length
  while (at > start && isPreferred(pool, name, target, ordered[at - 1]!)) at--
  ordered.splice(at, 0, target)
}

function isPreferred(pool: PackagePool, name: number, a: number, b: number): boolean {
  const isReal = pool.isNamed(a, name)
  if (isReal !== pool.isNamed(b, name)) return isReal
  return pool.isNamesake(a, b) && pool.compareNodes(a, b) > 0
}

/** The dependencies that the node satisfies. */
export function clausesMetBy(pool: PackagePool, node: number): Set<number> {
  const { clauses, features } = pool
  const { atomsOfName } = clauses
  const met = new Set<number>()
  for (let feature = pool.firstFeature(node); feature < pool.firstFeature(node + 1); feature++) {
    for (
      let cell = atomsOfName.first(features.nameOf(feature));
      cell !== end;
      cell = atomsOfName.next(cell)
    ) {
      const atom = atomsOfName.value(cell)
      const clause = clauses.clauseOf(atom)
      if (!clauses.isNegative(clause) && features.satisfies(feature, atom, clauses)) met.add(clause)
    }
  }
  return met
}

/** The members that have the clause. */
export function ownersAmong({ clauses }: PackagePool, clause: number, members: BitSet): number[] {
  const owners: number[] = []
  for (let cell = clauses.owners.first(clause); cell !== end; cell = clauses.owners.next(cell)) {
    const owner = clauses.owners.value(cell)
    if (members.has(owner)) owners.push(owner)
  }
  return owners
}
