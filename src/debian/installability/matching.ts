// Who satisfies what: architecture qualifiers and Multi-Arch, and versions. The rules are Debian Policy §7.1 and
// §7.5 and the Multi-Arch specification; where they leave a doubt, apt decides (ParseDepends and ParseProvides in
// its deblistparser.cc), and test/installability.test.ts asks a real apt.
import type { VersionOperator } from '../relations.ts'

/** How far a feature (a package's own name, or one it provides) reaches beyond its own architecture. */
export const reach = {
  /** Seen by packages of its architecture only. */
  own: 0,
  /** `Multi-Arch: foreign`: seen by packages of every architecture, unless they name one. */
  every: 1,
  /** `Multi-Arch: allowed`: also by who asks for `:any`. */
  any: 2,
  /** `Provides: name:any`: only by who asks for `:any`. */
  anyOnly: 3,
} as const

export type Reach = (typeof reach)[keyof typeof reach]

// A scope says in which architectures an atom looks: its kind in the lowest two bits, the architecture above.
const implicit = 0
const exact = 1
const any = 2
const all = 3

/** No qualifier: the architecture of the package that has the relation. */
export function implicitScope(architecture: number): number {
  return architecture * 4 + implicit
}

/** `name:i386`, `name:native`. */
export function exactScope(architecture: number): number {
  return architecture * 4 + exact
}

/** `name:any`. */
export const anyScope = any

/** No qualifier in Conflicts or Breaks: every architecture. */
export const allScope = all

export function isInScope(scope: number, architecture: number, reaches: Reach): boolean {
  const kind = scope & 3
  if (kind === any) return reaches === reach.any || reaches === reach.anyOnly
  if (reaches === reach.anyOnly) return false
  if (kind === all || architecture === scope >> 2) return true
  return kind === implicit && reaches === reach.every
}

const operators = [null, '<<', '<=', '=', '>=', '>>'] as const satisfies (VersionOperator | null)[]

/** An operator as a number; zero stands for "any version". */
export function operatorNumber(operator: VersionOperator | null): number {
  return operators.indexOf(operator)
}

/** `comparison` is that of the version at hand with the relation's. */
export function isOperatorMet(operator: number, comparison: number): boolean {
  switch (operators[operator]) {
    case '<<':
      return comparison < 0
    case '<=':
      return comparison <= 0
    case '=':
      return comparison === 0
    case '>=':
      return comparison >= 0
    case '>>':
      return comparison > 0
    default:
      return true
  }
}
