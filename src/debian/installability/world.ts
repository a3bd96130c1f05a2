// A world: a set of nodes that can be installed together. Every dependency of every member is met by a member, and no
// two members conflict. So to be in a world is to be proven installable. Worlds grow greedily: they may refuse what
// the solver could fit in, but what they accept is right.
import { clausesMetBy, isMet, ownersAmong, targetsInOrder } from './choices.ts'
import { BitSet, end } from './collections.ts'
import type { PackagePool } from './pool.ts'

// What a world cannot meet at once is left to another world, or to the solver.
const maxSteps = 2_000

export class World {
  readonly #pool: PackagePool
  readonly members: BitSet
  /** What the present `add` has placed so far. */
  #placed: number[] = []
  #steps = 0

  /** `members` must be a world already. */
  constructor(pool: PackagePool, members: Iterable<number> = []) {
    this.#pool = pool
    this.members = new BitSet(pool.size)
    for (const node of members) this.members.add(node)
  }

  copy(): World {
    const copy = new World(this.#pool)
    copy.members.addAll(this.members)
    return copy
  }

  has(node: number): boolean {
    return this.members.has(node)
  }

  /** Adds a node with all that it needs, taken from `usable`; or changes nothing and says false. */
  add(node: number, usable: BitSet): boolean {
    this.#begin()
    return this.#place(node, usable)
  }

  /**
   * A world like this one without the nodes of `leaving`: with another version in the place of each where one fits
   * in, and without what then lacks something.
   */
  without(leaving: readonly number[], usable: BitSet): World {
    const gone = leaving.filter((node) => this.has(node))
    if (gone.length === 0) return this
    const world = this.copy()
    for (const node of gone) world.members.delete(node)
    for (const node of gone) world.#substitute(node, usable)
    // The list grows while it is walked: who loses its last provider goes too. It does not come back, so this ends.
    const left = usable.copy()
    for (const node of gone) {
      for (const clause of clausesMetBy(this.#pool, node)) world.#uphold(clause, left, gone)
    }
    return world
  }

  #begin(): void {
    this.#steps = 0
    this.#placed = []
  }

  #substitute(node: number, usable: BitSet): void {
    const pool = this.#pool
    const others: number[] = []
    for (let cell = pool.namesakes(node); cell !== end; cell = pool.nodesOfName.next(cell)) {
      const other = pool.nodesOfName.value(cell)
      if (usable.has(other) && pool.hasSameArchitecture(node, other)) others.push(other)
    }
    others.sort((a, b) => pool.compareNodes(b, a))
    for (const other of others) if (this.add(other, usable)) return
  }

  /** Sees that the members that have the clause have it met; where that fails, they go. */
  #uphold(clause: number, usable: BitSet, gone: number[]): void {
    if (isMet(this.#pool, clause, this.members)) return
    const owners = ownersAmong(this.#pool, clause, this.members)
    if (owners.length === 0) return
    this.#begin()
    if (this.#meet(clause, usable)) return
    for (const owner of owners) {
      this.members.delete(owner)
      usable.delete(owner)
      gone.push(owner)
    }
  }

  #place(node: number, usable: BitSet): boolean {
    if (this.members.has(node)) return true
    if (!usable.has(node) || ++this.#steps > maxSteps || this.#isBarred(node)) return false
    const mark = this.#placed.length
    this.members.add(node)
    this.#placed.push(node)
    const pool = this.#pool
    for (let place = pool.firstClause(node); place < pool.firstClause(node + 1); place++) {
      if (!this.#meet(pool.clauseAt(place), usable)) {
        while (this.#placed.length > mark) this.members.delete(this.#placed.pop()!)
        return false
      }
    }
    return true
  }

  #meet(clause: number, usable: BitSet): boolean {
    if (isMet(this.#pool, clause, this.members)) return true
    for (const target of targetsInOrder(this.#pool, clause, usable)) {
      if (this.#place(target, usable)) return true
    }
    return false
  }

  /** Does the node conflict with a member? */
  #isBarred(node: number): boolean {
    const { conflicts } = this.#pool
    for (let cell = conflicts.first(node); cell !== end; cell = conflicts.next(cell)) {
      if (this.members.has(conflicts.value(cell))) return true
    }
    return false
  }
}
