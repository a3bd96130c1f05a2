// From all that a refutation made use of to a smallest part that refutes: no constraint of it can be left out.
import { targetsInOrder } from './choices.ts'
import type { BitSet } from './collections.ts'
import type { PackagePool } from './pool.ts'
import type { Core, Pair } from './refutation.ts'

export interface Dependency {
  readonly node: number
  readonly clause: number
  readonly targets: readonly number[]
}

export interface MinimalCore {
  readonly dependencies: readonly Dependency[]
  readonly conflicts: readonly Pair[]
}

type Constraint = Dependency | Pair

function isDependency(one: Constraint): one is Dependency {
  return 'targets' in one
}

// Where it would take long, constraints stay that might go: what is left refutes in any case.
const maxBranches = 200
const maxConstraints = 1000

/** What of `core` is needed to forbid `node` within `members`. */
export function minimalCore(pool: PackagePool, members: BitSet, core: Core, node: number): MinimalCore {
  const dependencies = core.dependencies.map(([owner, clause]) => ({
    node: owner,
    clause,
    targets: targetsInOrder(pool, clause, members),
  }))
  let kept: readonly Constraint[] = [...dependencies, ...core.conflicts]
  const isSmall = kept.length <= maxConstraints
  for (
    let size = Math.ceil(kept.length / 2);
    isSmall && size > 0;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < kept.length; ) {
      const fewer = kept.toSpliced(at, size)
      if (isRefuted(node, fewer)) kept = fewer
      else at += size
    }
  }
  return {
    dependencies: kept.filter(isDependency),
    conflicts: kept.filter((one): one is Pair => !isDependency(one)),
  }
}

function isRefuted(node: number, constraints: readonly Constraint[]): boolean {
  const trial = { constraints, branches: 0 }
  return fails(trial, new Set([node]), new Set())
}

interface Trial {
  readonly constraints: readonly Constraint[]
  branches: number
}

/** Can the installed (and never one of `out`) not be completed? A plain search: cores are small. */
function fails(trial: Trial, installed: Set<number>, out: Set<number>): boolean {
  const unmet = settle(trial.constraints, installed, out)
  if (unmet === 'contradiction') return true
  if (unmet === null || ++trial.branches > maxBranches) return false
  for (const target of unmet.targets) {
    if (out.has(target)) continue
    if (!fails(trial, new Set(installed).add(target), new Set(out))) return false
    out.add(target)
  }
  return true
}

/** Draws what follows; then a dependency that is still to be met, with several targets, or null where there is none. */
function settle(
  constraints: readonly Constraint[],
  installed: Set<number>,
  out: Set<number>,
): Dependency | 'contradiction' | null {
  let unmet: Dependency | null = null
  for (let before = -1; before !== installed.size + out.size; ) {
    before = installed.size + out.size
    unmet = null
    for (const one of constraints) {
      if (!isDependency(one)) {
        if (installed.has(one[0])) out.add(one[1])
        if (installed.has(one[1])) out.add(one[0])
      } else if (installed.has(one.node) && !one.targets.some((target) => installed.has(target))) {
        const open = one.targets.filter((target) => !out.has(target))
        if (open.length === 0) return 'contradiction'
        if (open.length === 1) installed.add(open[0]!)
        else unmet ??= one
      }
    }
    if (!installed.isDisjointFrom(out)) return 'contradiction'
  }
  return unmet
}
