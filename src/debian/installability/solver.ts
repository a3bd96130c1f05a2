// The solver: can a node be installed, with nodes of a given set? Complete: it finds an installation where there is
// one, and else proves that there is none. Conflict-driven clause learning as in MiniSat (Eén and Sörensson, "An
// Extensible SAT-solver", 2003), with two changes that the problem invites:
//
// - To install nothing satisfies all constraints. So only what is installed has needs: a node's dependencies become
//   clauses when it is first installed, and an attempt is complete when the needs of the installed are met. What
//   nobody needs is never looked at.
// - Conflicts are no clauses: installing a node rules out those that the pool pairs it with.
//
// It ends: what each conflict teaches is new, since it would have prevented that conflict; nothing is forgotten; and
// there are finitely many clauses over finitely many nodes.
import { Assignment, absent, decision, installed, nodeOf, opposite, saysInstalled } from './assignment.ts'
import { targetsInOrder } from './choices.ts'
import { type BitSet, end, Numbers } from './collections.ts'
import { learnFrom } from './lesson.ts'
import type { PackagePool } from './pool.ts'
import { type Constraint, type Core, coreOf, type Proof } from './refutation.ts'

export interface SolverOptions {
  /** What to install rather than anything else. */
  readonly preferred?: BitSet
}

// The reason for a literal is the clause that forced it, a decision, or below these the node that it conflicts with.
const reasonOfConflict = (node: number) => decision - 1 - node
const nodeOfReason = (reason: number) => decision - 1 - reason

// A clause in the arena: its length, the node and the clause of the pool that it is, its literals.
const header = 3
const learned = -1

export class Solver {
  readonly #pool: PackagePool
  readonly #usable: BitSet
  readonly #preferred: BitSet | undefined
  readonly #assignment: Assignment
  readonly #isLoaded: Uint8Array
  readonly #arena = new Numbers()
  /** By literal: the clauses to look at when it ceases to hold. Of each clause two literals are watched. */
  readonly #watchers: (number[] | undefined)[] = []
  readonly #proofs = new Map<number, Proof>()
  /** How much of the trail has been followed up, and how much is known to have its needs met. */
  #followed = 0
  #met = 0
  /** By level: what was met when its decision was taken. */
  readonly #metBefore: number[] = []

  constructor(pool: PackagePool, usable: BitSet, options: SolverOptions = {}) {
    this.#pool = pool
    this.#usable = usable
    this.#preferred = options.preferred
    this.#assignment = new Assignment(pool.size)
    this.#isLoaded = new Uint8Array(pool.size)
  }

  /** Nodes that can be installed together, `node` among them, and need no other; null if there are none. */
  solve(node: number): number[] | null {
    if (!this.#usable.has(node)) return null
    this.#backTo(0)
    for (;;) {
      const broken = this.#followUp()
      if (broken !== null) this.#learn(broken)
      else if (this.#assignment.isAbsent(node)) return null
      else if (this.#assignment.isOpen(node)) this.#decide(node)
      else {
        const choice = this.#nextChoice()
        if (choice === null) return this.#assignment.installedNodes()
        this.#decide(choice)
      }
    }
  }

  /** Why a node for which `solve` found nothing is impossible. */
  core(node: number): Core {
    if (!this.#assignment.isAbsent(node)) throw new Error('only what was found impossible has a core')
    return coreOf(
      {
        reasonOf: (one) => this.#reasonOf(one),
        proofOf: (clause) => this.#proofs.get(clause),
        originOf: (clause) => [this.#arena.at(clause + 1), this.#arena.at(clause + 2)],
      },
      node,
    )
  }

  #decide(node: number): void {
    this.#metBefore.push(this.#met)
    this.#assignment.decide(node)
  }

  #backTo(level: number): void {
    this.#assignment.backTo(level)
    this.#followed = Math.min(this.#followed, this.#assignment.trail.length)
    this.#met = this.#metBefore[level] ?? this.#met
    this.#metBefore.length = this.#assignment.level
  }

  /** What to install for the first need that is not met; null where all are. */
  #nextChoice(): number | null {
    const { trail } = this.#assignment
    for (; this.#met < trail.length; this.#met++) {
      const literal = trail[this.#met]!
      if (!saysInstalled(literal)) continue
      const node = nodeOf(literal)
      for (let place = this.#pool.firstClause(node); place < this.#pool.firstClause(node + 1); place++) {
        const clause = this.#pool.clauseAt(place)
        if (!this.#isMet(clause)) return this.#choose(clause)
      }
    }
    return null
  }

  #isMet(clause: number): boolean {
    const { clauses } = this.#pool
    const { targets } = clauses
    for (let atom = clauses.firstAtom(clause); atom < clauses.firstAtom(clause + 1); atom++) {
      for (let cell = targets.first(atom); cell !== end; cell = targets.next(cell)) {
        if (this.#assignment.isInstalled(targets.value(cell))) return true
      }
    }
    return false
  }

  /** One of the targets is open: following up would have found a conflict otherwise. */
  #choose(clause: number): number {
    const targets = targetsInOrder(this.#pool, clause, this.#usable)
    const open = targets.filter((target) => this.#assignment.isOpen(target))
    return open.find((target) => this.#preferred?.has(target)) ?? open[0]!
  }

  /** Draws all consequences of the trail; answers with the constraint that they break, if any. */
  #followUp(): Constraint | null {
    const { trail } = this.#assignment
    while (this.#followed < trail.length) {
      const literal = trail[this.#followed++]!
      const broken = saysInstalled(literal) ? this.#install(nodeOf(literal)) : null
      if (broken !== null) return broken
      const alsoBroken = this.#visitWatchers(opposite(literal))
      if (alsoBroken !== null) return alsoBroken
    }
    return null
  }

  #install(node: number): Constraint | null {
    const { conflicts } = this.#pool
    for (let cell = conflicts.first(node); cell !== end; cell = conflicts.next(cell)) {
      const other = conflicts.value(cell)
      if (this.#assignment.isInstalled(other)) return constraintOfPair(node, other)
      const isToBeRuledOut = this.#usable.has(other) && this.#assignment.isOpen(other)
      if (isToBeRuledOut) this.#assignment.assign(absent(other), reasonOfConflict(node))
    }
    return this.#isLoaded[node] === 1 ? null : this.#load(node)
  }

  /** Turns the dependencies of a node that was just installed into clauses. */
  #load(node: number): Constraint | null {
    this.#isLoaded[node] = 1
    let broken: Constraint | null = null
    for (let place = this.#pool.firstClause(node); place < this.#pool.firstClause(node + 1); place++) {
      const clause = this.#pool.clauseAt(place)
      const targets = targetsInOrder(this.#pool, clause, this.#usable)
      if (targets.includes(node)) continue
      const added = this.#addClause([...targets.map(installed), absent(node)], node, clause)
      broken ??= added
    }
    return broken
  }

  /** Adds a clause, watches the two of its literals that can hold for longest, and draws its consequence. */
  #addClause(literals: number[], node: number, clause: number): Constraint | null {
    this.#bringForward(literals, 0)
    this.#bringForward(literals, 1)
    const reference = this.#arena.push(literals.length)
    this.#arena.push(node)
    this.#arena.push(clause)
    for (const literal of literals) this.#arena.push(literal)
    const [first, second] = literals as [number, number?]
    this.#watch(first, reference)
    if (second !== undefined) this.#watch(second, reference)
    const value = this.#assignment.valueOf(first)
    if (value === -1) return { literals, source: { clause: reference } }
    const isForced = second === undefined || this.#assignment.valueOf(second) === -1
    if (isForced && value === 0) this.#assignment.assign(first, reference)
    return null
  }

  #watch(literal: number, clause: number): void {
    const watchers = this.#watchers[literal]
    if (watchers === undefined) this.#watchers[literal] = [clause]
    else watchers.push(clause)
  }

  #bringForward(literals: number[], position: number): void {
    let best = position
    for (let at = position + 1; at < literals.length; at++) {
      if (this.#endurance(literals[at]!) > this.#endurance(literals[best]!)) best = at
    }
    if (best !== position) [literals[position], literals[best]] = [literals[best]!, literals[position]!]
  }

  /** What holds or is open holds for longest; what does not will be open again the sooner, the later that came. */
  #endurance(literal: number): number {
    const isRefuted = this.#assignment.valueOf(literal) === -1
    return isRefuted ? this.#assignment.levelOf(nodeOf(literal)) : Number.POSITIVE_INFINITY
  }

  /** `refuted` has just ceased to hold: its clauses find another literal to watch, or force their last one. */
  #visitWatchers(refuted: number): Constraint | null {
    const watchers = this.#watchers[refuted]
    if (watchers === undefined) return null
    let kept = 0
    let broken: Constraint | null = null
    for (const clause of watchers) {
      if (broken === null && this.#findOtherWatch(clause, refuted)) continue
      watchers[kept++] = clause
      if (broken !== null) continue
      const last = this.#arena.at(clause + header)
      const value = this.#assignment.valueOf(last)
      if (value === 0) this.#assignment.assign(last, clause)
      else if (value === -1) broken = this.#constraint(clause)
    }
    watchers.length = kept
    return broken
  }

  /** Where there is none to be found, the other watched literal is left in front. */
  #findOtherWatch(clause: number, refuted: number): boolean {
    const arena = this.#arena
    const start = clause + header
    const next = start + arena.at(clause)
    if (arena.at(start) === refuted && next > start + 1) arena.swap(start, start + 1)
    if (this.#assignment.valueOf(arena.at(start)) === 1) return false
    for (let at = start + 2; at < next; at++) {
      if (this.#assignment.valueOf(arena.at(at)) === -1) continue
      arena.swap(start + 1, at)
      this.#watch(arena.at(start + 1), clause)
      return true
    }
    return false
  }

  #constraint(clause: number): Constraint {
    const start = clause + header
    const literals = Array.from({ length: this.#arena.at(clause) }, (_, at) => this.#arena.at(start + at))
    return { literals, source: { clause } }
  }

  /** The constraint that forced a node into its state. */
  #reasonOf(node: number): Constraint {
    const reason = this.#assignment.reasonOf(node)
    return reason >= 0 ? this.#constraint(reason) : constraintOfPair(node, nodeOfReason(reason))
  }

  #learn(broken: Constraint): void {
    const { literals, level, proof } = learnFrom(broken, this.#assignment, (node) => this.#reasonOf(node))
    this.#backTo(level)
    this.#proofs.set(this.#arena.length, proof)
    this.#addClause(literals, learned, learned)
  }
}

function constraintOfPair(a: number, b: number): Constraint {
  return { literals: [absent(a), absent(b)], source: { pair: [a, b] } }
}
