// The solver: can a node be installed, with nodes of a given set? Complete: it finds an installation where there is
// one, and else proves that there is none. Conflict-driven clause learning as in MiniSat (Eén and Sörensson, "An
// Extensible SAT-solver", 2003), with two changes that the problem invites:
//
// - Nothing installed is a solution of all constraints. So only what is installed has needs: a node's dependencies
//   become clauses when it is first installed, and an assignment is complete when the needs of the installed are
//   met. What nobody needs is never looked at.
// - Conflicts are no clauses: installing a node rules out those that the pool pairs it with.
//
// It ends: after each conflict it learns a clause that no earlier one implied by itself, forgets none, and there are
// finitely many.
import { targetsInOrder } from './choices.ts'
import { type BitSet, end, Numbers } from './collections.ts'
import type { PackagePool } from './pool.ts'

/** The constraints that together forbid a node. */
export interface Core {
  /** Which node's which clause cannot be met. */
  readonly dependencies: readonly (readonly [node: number, clause: number])[]
  readonly conflicts: readonly (readonly [a: number, b: number])[]
}

export interface SolverOptions {
  /** What to install rather than anything else. */
  readonly preferred?: BitSet
}

// A literal is twice a node, plus one where it says "not installed". A reason is the clause that forced a literal;
// below zero the node beside which it cannot be, or nothing.
const nothing = -1
const reasonOfConflict = (node: number) => -2 - node
const nodeOfReason = (reason: number) => -2 - reason

// A clause in the arena: its length, its origin (a node and its clause; both -1 for a learned one), its literals.
const header = 3

/** Literals of which one must hold, and why. `pair` is of nodes that conflict. */
interface Constraint {
  readonly literals: readonly number[]
  readonly source: Source
}

type Source = { readonly clause: number } | { readonly pair: readonly [number, number] }

export class Solver {
  readonly #pool: PackagePool
  readonly #usable: BitSet
  readonly #preferred: BitSet | null
  /** 1 installed, -1 not, 0 open. */
  readonly #states: Int8Array
  readonly #levels: Int32Array
  readonly #reasons: Int32Array
  readonly #isLoaded: Uint8Array
  readonly #isSeen: Uint8Array
  readonly #arena = new Numbers()
  readonly #watchers: (number[] | undefined)[] = []
  /** By learned clause: what it follows from, and the nodes whose being ruled out for good it takes for granted. */
  readonly #proofs = new Map<number, { sources: Source[]; ruledOut: number[] }>()
  readonly #trail: number[] = []
  /** By level: the length of the trail, and of the part whose needs are met, when its decision was taken. */
  readonly #marks: { trail: number; met: number }[] = []
  #propagated = 0
  #met = 0

  constructor(pool: PackagePool, usable: BitSet, options: SolverOptions = {}) {
    this.#pool = pool
    this.#usable = usable
    this.#preferred = options.preferred ?? null
    this.#states = new Int8Array(pool.size)
    this.#levels = new Int32Array(pool.size)
    this.#reasons = new Int32Array(pool.size)
    this.#isLoaded = new Uint8Array(pool.size)
    this.#isSeen = new Uint8Array(pool.size)
  }

  /** Nodes that can be installed together, `node` among them, and need no other; null if there are none. */
  solve(node: number): number[] | null {
    if (!this.#usable.has(node)) return null
    this.#backTo(0)
    for (;;) {
      const conflict = this.#propagate()
      if (conflict !== null) this.#learn(conflict)
      else if (this.#states[node] === -1) return null
      else if (this.#states[node] === 0) this.#decide(node)
      else {
        const choice = this.#nextChoice()
        if (choice === nothing) return this.#installed()
        this.#decide(choice)
      }
    }
  }

  /** Why a node for which `solve` found nothing is impossible: everything that its refutation made use of. */
  core(node: number): Core {
    const dependencies: [number, number][] = []
    const conflicts: (readonly [number, number])[] = []
    const ruledOut = new Set([node])
    const references = new Set<number>()
    const take = (source: Source): void => {
      if ('pair' in source) conflicts.push(source.pair)
      else references.add(source.clause)
    }
    // Sets grow while they are walked.
    for (const one of ruledOut) {
      const { literals, source } = this.#reasonOf(one)
      take(source)
      for (const literal of literals) ruledOut.add(literal >> 1)
      for (const reference of references) {
        const proof = this.#proofs.get(reference)
        if (proof === undefined)
          dependencies.push([this.#arena.at(reference + 1), this.#arena.at(reference + 2)])
        else for (const source of proof.sources) take(source)
        for (const other of proof?.ruledOut ?? []) ruledOut.add(other)
      }
    }
    return { dependencies, conflicts }
  }

  #installed(): number[] {
    return this.#trail.filter((literal) => (literal & 1) === 0).map((literal) => literal >> 1)
  }

  /** 1 where the literal holds, -1 where it does not, 0 where that is open. */
  #valueOf(literal: number): number {
    const state = this.#states[literal >> 1]!
    return (literal & 1) === 0 ? state : -state
  }

  #decide(node: number): void {
    this.#marks.push({ trail: this.#trail.length, met: this.#met })
    this.#assign(node * 2, nothing)
  }

  #assign(literal: number, reason: number): void {
    const node = literal >> 1
    this.#states[node] = (literal & 1) === 0 ? 1 : -1
    this.#levels[node] = this.#marks.length
    this.#reasons[node] = reason
    this.#trail.push(literal)
  }

  #backTo(level: number): void {
    if (level >= this.#marks.length) return
    const mark = this.#marks[level]!
    for (let at = this.#trail.length - 1; at >= mark.trail; at--) this.#states[this.#trail[at]! >> 1] = 0
    this.#trail.length = mark.trail
    this.#marks.length = level
    this.#propagated = mark.trail
    this.#met = mark.met
  }

  /** The target to install for the first need that is not met; `nothing` where all are. */
  #nextChoice(): number {
    for (; this.#met < this.#trail.length; this.#met++) {
      const literal = this.#trail[this.#met]!
      if ((literal & 1) !== 0) continue
      const node = literal >> 1
      for (let place = this.#pool.firstClause(node); place < this.#pool.firstClause(node + 1); place++) {
        const clause = this.#pool.clauseAt(place)
        if (!this.#isMet(clause)) return this.#choose(clause)
      }
    }
    return nothing
  }

  #isMet(clause: number): boolean {
    const { clauses } = this.#pool
    const { targets } = clauses
    for (let atom = clauses.firstAtom(clause); atom < clauses.firstAtom(clause + 1); atom++) {
      for (let cell = targets.first(atom); cell !== end; cell = targets.next(cell)) {
        if (this.#states[targets.value(cell)] === 1) return true
      }
    }
    return false
  }

  /** One is open: propagation would have found a conflict otherwise. */
  #choose(clause: number): number {
    const open = targetsInOrder(this.#pool, clause, this.#usable).filter(
      (target) => this.#states[target] === 0,
    )
    return open.find((target) => this.#preferred?.has(target)) ?? open[0]!
  }

  /** Draws all consequences of the trail; the constraint that they break, if any. */
  #propagate(): Constraint | null {
    while (this.#propagated < this.#trail.length) {
      const literal = this.#trail[this.#propagated++]!
      const conflict =
        ((literal & 1) === 0 ? this.#install(literal >> 1) : null) ?? this.#visitWatchers(literal ^ 1)
      if (conflict !== null) return conflict
    }
    return null
  }

  #install(node: number): Constraint | null {
    const { conflicts } = this.#pool
    for (let cell = conflicts.first(node); cell !== end; cell = conflicts.next(cell)) {
      const other = conflicts.value(cell)
      if (this.#states[other] === 1) return constraintOfPair(node, other)
      if (this.#states[other] === 0 && this.#usable.has(other))
        this.#assign(other * 2 + 1, reasonOfConflict(node))
    }
    return this.#isLoaded[node] === 1 ? null : this.#load(node)
  }

  /** Turns the node's dependencies into clauses; it was installed at the present level. */
  #load(node: number): Constraint | null {
    this.#isLoaded[node] = 1
    let conflict: Constraint | null = null
    for (let place = this.#pool.firstClause(node); place < this.#pool.firstClause(node + 1); place++) {
      const clause = this.#pool.clauseAt(place)
      const targets = targetsInOrder(this.#pool, clause, this.#usable)
      if (targets.includes(node)) continue
      const added = this.#addClause([...targets.map((target) => target * 2), node * 2 + 1], node, clause)
      conflict ??= added
    }
    return conflict
  }

  /** Adds a clause, with the two literals in front that can hold for longest, and draws its consequence. */
  #addClause(literals: number[], node: number, clause: number): Constraint | null {
    this.#bringForward(literals, 0)
    this.#bringForward(literals, 1)
    const reference = this.#arena.push(literals.length)
    this.#arena.push(node)
    this.#arena.push(clause)
    for (const literal of literals) this.#arena.push(literal)
    for (const literal of literals.slice(0, 2)) this.#watch(literal, reference)
    if (this.#valueOf(literals[0]!) === -1) return { literals, source: { clause: reference } }
    const isForced = literals.length === 1 || this.#valueOf(literals[1]!) === -1
    if (isForced && this.#valueOf(literals[0]!) === 0) this.#assign(literals[0]!, reference)
    return null
  }

  #watch(literal: number, reference: number): void {
    const watchers = this.#watchers[literal]
    if (watchers === undefined) this.#watchers[literal] = [reference]
    else watchers.push(reference)
  }

  /** Moves what can hold for longest to `position`: what holds or is open, else what was refuted last. */
  #bringForward(literals: number[], position: number): void {
    let best = position
    for (let at = position + 1; at < literals.length; at++) {
      if (this.#endurance(literals[at]!) > this.#endurance(literals[best]!)) best = at
    }
    if (best < literals.length) [literals[position], literals[best]] = [literals[best]!, literals[position]!]
  }

  #endurance(literal: number): number {
    return this.#valueOf(literal) === -1 ? this.#levels[literal >> 1]! : Number.POSITIVE_INFINITY
  }

  /** `refuted` has just become false: its clauses find another literal to watch, or force their last one. */
  #visitWatchers(refuted: number): Constraint | null {
    const watchers = this.#watchers[refuted]
    if (watchers === undefined) return null
    let kept = 0
    let conflict: Constraint | null = null
    for (const reference of watchers) {
      if (conflict === null && this.#findOtherWatch(reference, refuted)) continue
      watchers[kept++] = reference
      if (conflict !== null) continue
      const first = this.#arena.at(reference + header)
      const value = this.#valueOf(first)
      if (value === 0) this.#assign(first, reference)
      else if (value === -1) conflict = this.#constraint(reference)
    }
    watchers.length = kept
    return conflict
  }

  /** Leaves the other watched literal in front. */
  #findOtherWatch(reference: number, refuted: number): boolean {
    const arena = this.#arena
    const start = reference + header
    if (arena.at(start) === refuted && arena.at(reference) > 1) arena.swap(start, start + 1)
    if (this.#valueOf(arena.at(start)) === 1) return false
    for (let at = start + 2; at < start + arena.at(reference); at++) {
      if (this.#valueOf(arena.at(at)) === -1) continue
      arena.swap(start + 1, at)
      this.#watch(arena.at(start + 1), reference)
      return true
    }
    return false
  }

  #constraint(reference: number): Constraint {
    const start = reference + header
    const literals = Array.from({ length: this.#arena.at(reference) }, (_, at) => this.#arena.at(start + at))
    return { literals, source: { clause: reference } }
  }

  /** The constraint that forced a node into its state. */
  #reasonOf(node: number): Constraint {
    const reason = this.#reasons[node]!
    return reason >= 0 ? this.#constraint(reason) : constraintOfPair(node, nodeOfReason(reason))
  }

  /**
   * From a broken constraint to a clause that would have prevented it: back along the reasons to the one literal of
   * the present level through which all goes ("first unique implication point"). Then back to where it forces that.
   */
  #learn(broken: Constraint): void {
    const level = this.#marks.length
    const learned: number[] = []
    const proof = { sources: [broken.source], ruledOut: [] as number[] }
    const seen: number[] = []
    let open = 0
    let { literals } = broken
    let at = this.#trail.length
    for (;;) {
      for (const literal of literals) {
        const node = literal >> 1
        if (this.#isSeen[node] === 1 || this.#valueOf(literal) !== -1) continue
        this.#isSeen[node] = 1
        seen.push(node)
        if (this.#levels[node] === 0) proof.ruledOut.push(node)
        else if (this.#levels[node] === level) open++
        else learned.push(literal)
      }
      do at--
      while (this.#isSeen[this.#trail[at]! >> 1] === 0)
      if (--open === 0) break
      const reason = this.#reasonOf(this.#trail[at]! >> 1)
      proof.sources.push(reason.source)
      literals = reason.literals
    }
    for (const node of seen) this.#isSeen[node] = 0
    learned.unshift(this.#trail[at]! ^ 1)
    this.#backTo(Math.max(0, ...learned.slice(1).map((literal) => this.#levels[literal >> 1]!)))
    const reference = this.#arena.length
    this.#proofs.set(reference, proof)
    this.#addClause(learned, nothing, nothing)
  }
}

function constraintOfPair(a: number, b: number): Constraint {
  return { literals: [a * 2 + 1, b * 2 + 1], source: { pair: [a, b] } }
}
