// The solver's present attempt: what is installed, what is not, what is open; in which order that came about, and why.
//
// A literal is twice a node, plus one where it says "not installed". Each decision begins a level; what follows from
// it belongs to that level, what follows from no decision at all to level 0.

/** In place of a reason: a decision. */
export const decision = -1

export function installed(node: number): number {
  return node * 2
}

export function absent(node: number): number {
  return node * 2 + 1
}

export function opposite(literal: number): number {
  return literal ^ 1
}

export function nodeOf(literal: number): number {
  return literal >> 1
}

export function saysInstalled(literal: number): boolean {
  return (literal & 1) === 0
}

export class Assignment {
  /** 1 installed, -1 not, 0 open. */
  readonly #states: Int8Array
  readonly #levels: Int32Array
  readonly #reasons: Int32Array
  /** The literals that hold, in the order in which they came to. */
  readonly trail: number[] = []
  /** By level: how long the trail was when its decision was taken. */
  readonly #starts: number[] = []

  constructor(size: number) {
    this.#states = new Int8Array(size)
    this.#levels = new Int32Array(size)
    this.#reasons = new Int32Array(size)
  }

  get level(): number {
    return this.#starts.length
  }

  /** 1 where the literal holds, -1 where it does not, 0 where that is open. */
  valueOf(literal: number): number {
    const state = this.#states[nodeOf(literal)]!
    return saysInstalled(literal) ? state : -state
  }

  isInstalled(node: number): boolean {
    return this.#states[node] === 1
  }

  isAbsent(node: number): boolean {
    return this.#states[node] === -1
  }

  isOpen(node: number): boolean {
    return this.#states[node] === 0
  }

  levelOf(node: number): number {
    return this.#levels[node]!
  }

  reasonOf(node: number): number {
    return this.#reasons[node]!
  }

  /** Begins a level. */
  decide(node: number): void {
    this.#starts.push(this.trail.length)
    this.assign(installed(node), decision)
  }

  assign(literal: number, reason: number): void {
    const node = nodeOf(literal)
    this.#states[node] = saysInstalled(literal) ? 1 : -1
    this.#levels[node] = this.level
    this.#reasons[node] = reason
    this.trail.push(literal)
  }

  /** Forgets all levels above `level`. */
  backTo(level: number): void {
    const start = this.#starts[level]
    if (start === undefined) return
    while (this.trail.length > start) this.#states[nodeOf(this.trail.pop()!)] = 0
    this.#starts.length = level
  }

  installedNodes(): number[] {
    return this.trail.filter(saysInstalled).map(nodeOf)
  }
}
