// A universe: all packages that a client sees together, judged. Which of them can be installed, which cannot, and
// what a change would make of that.
//
// Why a change is judged exactly, though only part of it is looked at: whether a set of packages can be installed
// together depends on these packages alone. A world that is contained in the changed universe therefore proves its
// members installable there too; a world that held something which leaves is mended or cut down until it is a world
// again (world.ts). Every node that no world holds afterwards is put to the solver, which is complete (cover.ts).
// One exception: where nothing enters, what was broken stays broken, because its installations are among the old ones.
import { BitSet } from './collections.ts'
import { cover } from './cover.ts'
import { type Explanation, explain } from './explain.ts'
import type { Package } from './fields.ts'
import type { PackageName, PackagePool } from './pool.ts'
import { Solver } from './solver.ts'
import type { World } from './world.ts'

export interface Change {
  readonly enter?: readonly Package[]
  /** Ids. What enters too stays. */
  readonly leave?: readonly number[]
}

export class Universe {
  readonly pool: PackagePool
  readonly members: BitSet
  readonly broken: BitSet
  /** Together they hold every member that is not broken. */
  readonly #worlds: readonly World[]
  /** How many it took when they were last made together. */
  readonly #worldsWanted: number
  #solver: Solver | null = null

  private constructor(
    pool: PackagePool,
    members: BitSet,
    broken: BitSet,
    worlds: readonly World[],
    worldsWanted: number,
  ) {
    this.pool = pool
    this.members = members
    this.broken = broken
    this.#worlds = worlds
    this.#worldsWanted = worldsWanted
  }

  /** Packages of architectures that the pool does not know are left out. */
  static build(pool: PackagePool, packages: Iterable<Package>): Universe {
    return new Universe(pool, new BitSet(), new BitSet(), [], 0).#changed(packages, [])
  }

  has(id: number): boolean {
    const node = this.pool.nodeOf(id)
    return node !== undefined && this.members.has(node)
  }

  isBroken(id: number): boolean {
    const node = this.pool.nodeOf(id)
    return node !== undefined && this.broken.has(node)
  }

  /** The packages that cannot be installed. */
  brokenPackages(): PackageName[] {
    return this.broken.values().map((node) => this.pool.packageOf(node))
  }

  /** Why a package cannot be installed; null for one that can, or is not here. */
  explain(id: number): Explanation | null {
    const node = this.pool.nodeOf(id)
    if (node === undefined || !this.broken.has(node)) return null
    this.#solver ??= new Solver(this.pool, this.members)
    this.#solver.solve(node)
    return explain(this.pool, this.members, this.#solver.core(node), node)
  }

  /** The universe that a change leads to; this one stays what it is. */
  with({ enter = [], leave = [] }: Change): Universe {
    return this.#changed(enter, leave)
  }

  #changed(enter: Iterable<Package>, leave: readonly number[]): Universe {
    const { pool } = this
    const { members, left, hasEntered } = this.#membersAfter(enter, leave)
    const settled = hasEntered ? new BitSet() : this.broken.within(members)
    const hopeful = members.without(this.broken)
    const [first, ...others] = this.#worlds.map((world) => world.without(left, hopeful))
    const unproven = members.without(settled)
    for (const world of others) unproven.deleteAll(world.members)
    if (first !== undefined) unproven.deleteAll(first.members)
    const { worlds, broken } = cover(pool, members.without(settled), unproven.values(), first)
    for (const node of broken) settled.add(node)
    const [largest = [], ...more] = worlds
    return this.#successor(members, settled, needed([largest, ...others, ...more].flat()))
  }

  /** Each change may leave small worlds behind; when there are many, they are made anew. */
  #successor(members: BitSet, broken: BitSet, worlds: readonly World[]): Universe {
    if (worlds.length <= this.#worldsWanted * 2 + 32)
      return new Universe(this.pool, members, broken, worlds, this.#worldsWanted)
    const whole = members.without(broken)
    const anew = needed(cover(this.pool, whole, whole.values(), undefined).worlds)
    return new Universe(this.pool, members, broken, anew, anew.length)
  }

  #membersAfter(enter: Iterable<Package>, leave: readonly number[]) {
    const members = this.members.copy()
    const left = new Set<number>()
    for (const id of leave) {
      const node = this.pool.nodeOf(id)
      if (node !== undefined && members.has(node)) left.add(node)
    }
    let hasEntered = false
    for (const one of enter) {
      const node = this.pool.add(one)
      if (node === null || left.delete(node) || members.has(node)) continue
      members.add(node)
      hasEntered = true
    }
    for (const node of left) members.delete(node)
    return { members, left: [...left], hasEntered }
  }
}

/** Those that hold what the ones before do not. */
function needed(worlds: readonly World[]): World[] {
  const held = new BitSet()
  return worlds.filter((world) => held.addAll(world.members))
}

/** What cannot be installed after a change and was not broken before: it could be, or it was not there. */
export function newlyBroken(before: Universe, after: Universe): PackageName[] {
  if (before.pool !== after.pool) throw new Error('universes of two pools cannot be compared')
  const nodes = after.broken.without(before.broken).values()
  return nodes.map((node) => after.pool.packageOf(node))
}
