// Mending: a change breaks something; which further changes must come along so that it does not? Of a list of
// candidates (source packages, say, each with what enters and what leaves with it), a set of which none can be
// left out.
import type { PackageName } from './pool.ts'
import { Solver } from './solver.ts'
import { type Change, newlyBroken, type Universe } from './universe.ts'

export type Mending<Candidate> =
  /** With these, and with no fewer of them, the change breaks nothing. None: it breaks nothing by itself. */
  | { readonly type: 'mended'; readonly candidates: readonly Candidate[] }
  /** Whatever candidates come along, this package stays broken. */
  | { readonly type: 'impossible'; readonly package: PackageName }
  /** Neither what the broken packages call for nor all candidates together mend it. */
  | { readonly type: 'not-found' }

export interface MendingOptions {
  /** What may be broken after the change: what is broken where it comes from, too. */
  readonly isTolerated?: (id: number) => boolean
}

/** All changes at once. What one lets enter and another leave stays. */
export function together(changes: readonly Change[]): Change {
  return {
    enter: changes.flatMap(({ enter = [] }) => enter),
    leave: changes.flatMap(({ leave = [] }) => leave),
  }
}

/**
 * Grows a set of candidates from what the broken packages call for, then takes out what is not needed. A broken
 * package is helped where it can be installed once all candidates have entered: by those that its installation
 * draws from; or where it leaves with a candidate. What these break is helped in turn. If that ends nowhere, all
 * candidates together are the last attempt.
 */
export function findMending<Candidate extends Change>(
  universe: Universe,
  change: Change,
  candidates: readonly Candidate[],
  options: MendingOptions = {},
): Mending<Candidate> {
  const attempt = new Attempt(universe, change, candidates, options.isTolerated ?? (() => false))
  const grown = attempt.grow()
  if (grown.type === 'impossible') return grown
  if (grown.type === 'mended') return { type: 'mended', candidates: attempt.reduce(grown.candidates) }
  if (attempt.broken(candidates).length > 0) return grown
  return { type: 'mended', candidates: attempt.reduce(candidates) }
}

class Attempt<Candidate extends Change> {
  readonly #universe: Universe
  readonly #change: Change
  readonly #isTolerated: (id: number) => boolean
  /** By node: who brings it. */
  readonly #entering = new Map<number, Candidate>()
  /** By id: with whom it leaves. */
  readonly #leaving = new Map<number, Candidate>()

  constructor(
    universe: Universe,
    change: Change,
    candidates: readonly Candidate[],
    isTolerated: (id: number) => boolean,
  ) {
    this.#universe = universe
    this.#change = change
    this.#isTolerated = isTolerated
    for (const candidate of candidates) {
      for (const one of candidate.enter ?? []) {
        const node = universe.pool.add(one)
        if (node !== null && !this.#entering.has(node)) this.#entering.set(node, candidate)
      }
      for (const id of candidate.leave ?? []) if (!this.#leaving.has(id)) this.#leaving.set(id, candidate)
    }
  }

  #after(taken: readonly Candidate[]): Universe {
    return this.#universe.with(together([this.#change, ...taken]))
  }

  broken(taken: readonly Candidate[]): PackageName[] {
    return this.#intolerable(this.#after(taken))
  }

  #intolerable(after: Universe): PackageName[] {
    return newlyBroken(this.#universe, after).filter(({ id }) => !this.#isTolerated(id))
  }

  /** Candidates with which nothing breaks; some may be superfluous. */
  grow(): Mending<Candidate> {
    const taken = new Set<Candidate>()
    for (;;) {
      const after = this.#after([...taken])
      const broken = this.#intolerable(after)
      if (broken.length === 0) return { type: 'mended', candidates: [...taken] }
      const helpers = this.#helpers(broken, after)
      // With nothing taken yet this is a proof: what leaves with a candidate helps nobody who stays.
      const beyondHelp = broken.find((_, at) => helpers[at]!.length === 0)
      if (beyondHelp !== undefined && taken.size === 0) return { type: 'impossible', package: beyondHelp }
      const before = taken.size
      for (const helper of helpers.flat()) taken.add(helper)
      if (taken.size === before) return { type: 'not-found' }
    }
  }

  /** For each broken package the candidates that help it; none where nothing does. */
  #helpers(broken: readonly PackageName[], after: Universe): Candidate[][] {
    const { pool } = after
    const relaxed = after.members.copy()
    for (const node of this.#entering.keys()) relaxed.add(node)
    const solver = new Solver(pool, relaxed, { preferred: after.members })
    return broken.map(({ id }) => {
      const installation = solver.solve(pool.nodeOf(id)!) ?? []
      const drawn = installation.filter((node) => !after.members.has(node))
      const suppliers = [...new Set(drawn.map((node) => this.#entering.get(node)!))]
      const remover = this.#leaving.get(id)
      return remover === undefined || suppliers.length === 1 ? suppliers : [remover]
    })
  }

  /** Leaves out what can be left out, many at a time first, until no single one can. */
  reduce(candidates: readonly Candidate[]): Candidate[] {
    let kept = [...candidates]
    for (let size = Math.ceil(kept.length / 2); size > 0; ) {
      const before = kept.length
      for (let at = 0; at < kept.length; ) {
        const fewer = kept.toSpliced(at, size)
        if (this.broken(fewer).length === 0) kept = fewer
        else at += size
      }
      // One removal may make another possible, so the last round is one that removes nothing.
      if (size > 1) size = Math.ceil(size / 2)
      else if (kept.length === before) break
    }
    return kept
  }
}
