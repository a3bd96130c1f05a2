// Sorting nodes into those that a world holds, which can be installed, and those that none can hold.
import { clausesMetBy, isMet, ownersAmong } from './choices.ts'
import { type BitSet, end } from './collections.ts'
import type { PackagePool } from './pool.ts'
import { Solver } from './solver.ts'
import { World } from './world.ts'

export interface Cover {
  readonly worlds: readonly World[]
  readonly broken: readonly number[]
}

/**
 * Worlds that together hold each of `nodes` that can be installed from `members`; the rest is broken. All other
 * members must be installable. `first` takes in what fits, and its successor is the first of the answer. Then every
 * round settles at least one node: the first one left begins a world, the solver decides if it does not fit into an
 * empty one, and the world takes in what it can.
 */
export function cover(
  pool: PackagePool,
  members: BitSet,
  nodes: readonly number[],
  first: World | undefined,
): Cover {
  const sorting = new Sorting(pool, members)
  sorting.ruleOutLacking(nodes)
  const worlds: World[] = []
  let rest = newestFirst(pool, members, nodes).filter((node) => sorting.usable.has(node))
  let world = first === undefined || rest.length === 0 ? first : first.copy()
  for (;;) {
    if (world !== undefined) {
      const growing = world
      worlds.push(growing)
      rest = rest.filter((node) => !growing.add(node, sorting.usable))
    }
    world = sorting.begin(rest)
    if (world === undefined) return { worlds, broken: sorting.broken }
  }
}

class Sorting {
  readonly #pool: PackagePool
  readonly #members: BitSet
  #solver: Solver | null = null
  readonly broken: number[] = []
  /** The members that are not known to be broken. */
  readonly usable: BitSet

  constructor(pool: PackagePool, members: BitSet) {
    this.#pool = pool
    this.#members = members
    this.usable = members.copy()
  }

  /** A world that holds the first node that can be installed; undefined if none can. */
  begin(nodes: readonly number[]): World | undefined {
    for (const node of nodes) {
      if (!this.usable.has(node)) continue
      const world = new World(this.#pool)
      if (world.add(node, this.usable)) return world
      this.#solver ??= new Solver(this.#pool, this.#members)
      const installation = this.#solver.solve(node)
      if (installation === null) this.#ruleOut([node])
      else return new World(this.#pool, installation)
    }
    return undefined
  }

  /** Most broken packages lack something outright. That is found without a search. */
  ruleOutLacking(nodes: readonly number[]): void {
    this.#ruleOut(nodes.filter((node) => this.#lacksSomething(node)))
  }

  #lacksSomething(node: number): boolean {
    const pool = this.#pool
    for (let place = pool.firstClause(node); place < pool.firstClause(node + 1); place++) {
      if (!isMet(pool, pool.clauseAt(place), this.usable)) return true
    }
    return false
  }

  /** These are broken, and so is who has nothing but broken packages to depend on. */
  #ruleOut(nodes: readonly number[]): void {
    const out = [...nodes]
    for (const node of out) this.usable.delete(node)
    // The list grows while it is walked.
    for (const node of out) {
      this.broken.push(node)
      for (const clause of clausesMetBy(this.#pool, node)) {
        if (isMet(this.#pool, clause, this.usable)) continue
        for (const owner of ownersAmong(this.#pool, clause, this.usable)) {
          this.usable.delete(owner)
          out.push(owner)
        }
      }
    }
  }
}

/** Old versions after new ones: where they mix, few fit into one world. */
function newestFirst(pool: PackagePool, members: BitSet, nodes: readonly number[]): number[] {
  const older: number[] = []
  const newest = nodes.filter((node) => {
    if (isNewest(pool, members, node)) return true
    older.push(node)
    return false
  })
  return [...newest, ...older]
}

function isNewest(pool: PackagePool, members: BitSet, node: number): boolean {
  for (let cell = pool.namesakes(node); cell !== end; cell = pool.nodesOfName.next(cell)) {
    const other = pool.nodesOfName.value(cell)
    const isRival = members.has(other) && pool.hasSameArchitecture(node, other)
    if (isRival && pool.compareNodes(other, node) > 0) return false
  }
  return true
}
