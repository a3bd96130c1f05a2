// dose-debcheck, the judge of installability that Debian's own archive is checked with.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Package } from '../../src/debian/installability/fields.ts'
import { splitField } from '../../src/debian/relations.ts'
import { run } from './programs.ts'

const fields = [
  ['Package', 'name'],
  ['Version', 'version'],
  ['Architecture', 'architecture'],
  ['Multi-Arch', 'multiArch'],
  ['Pre-Depends', 'preDepends'],
  ['Depends', 'depends'],
  ['Conflicts', 'conflicts'],
  ['Breaks', 'breaks'],
  ['Provides', 'provides'],
] as const

/** The packages as an index; `more` ends each stanza. */
export function indexOf(packages: readonly Package[], more: (one: Package) => string = () => ''): string {
  return packages
    .map((one) => {
      const lines = fields.map(([name, field]) => (one[field] === '' ? '' : `${name}: ${one[field]}\n`))
      return lines.join('') + more(one)
    })
    .join('\n')
}

export const labelOf = (one: { name: string; version: string; architecture: string }) =>
  `${one.name}:${one.architecture} ${one.version}`

/**
 * The options under which it asks what we ask: essential packages count like others, and everything is checked. By
 * default it would also ask each package to go together with all essential ones.
 */
export function doseOptions(native: string, foreign: readonly string[]): string[] {
  return [
    '--failures',
    '--deb-ignore-essential',
    `--deb-native-arch=${native}`,
    ...(foreign.length > 0 ? [`--deb-foreign-archs=${foreign.join(',')}`] : []),
  ]
}

/**
 * The same packages, with `name:any` in dependencies said in words that dose cannot get wrong (relation-cases.ts tells
 * how it does): what is `Multi-Arch: allowed` provides names for it. Real archives ask `python3:any (>= 3.10)`.
 */
export function withAnySpelledOut(packages: readonly Package[], architectures: readonly string[]): Package[] {
  const spelledOut = (field: string) =>
    field.replace(/([a-zA-Z0-9][\w.+-]*):any((?:\s*\([^)]*\))?)/g, (_, name: string, version: string) =>
      architectures.map((one) => `any---${name}:${one}${version}`).join(' | '),
    )
  return packages.map((one) => {
    const own = `${one.name} (= ${one.version})`
    const provided = [own, ...splitField(one.provides)].map((text) => `any---${text}`).join(', ')
    const provides = one.provides === '' ? provided : `${one.provides}, ${provided}`
    return {
      ...one,
      preDepends: spelledOut(one.preDepends),
      depends: spelledOut(one.depends),
      provides: one.multiArch === 'allowed' ? provides : one.provides,
    }
  })
}

/** The labels of what dose-debcheck finds broken, sorted. */
export async function brokenByDose(
  packages: readonly Package[],
  native: string,
  foreign: readonly string[] = [],
): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'uus-dose-'))
  try {
    const path = join(folder, 'Packages')
    writeFileSync(path, indexOf(packages))
    const result = await run('dose-debcheck', [...doseOptions(native, foreign), path])
    if (result.status !== 0 && result.status !== 1) throw new Error(`dose-debcheck fails:\n${result.output}`)
    return brokenInReport(result.stdout)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Reads what `dose-debcheck --failures` prints. */
export function brokenInReport(report: string): string[] {
  const entry = /^ *package: (\S+)\n *version: (\S+)\n *architecture: (\S+)\n *status: broken$/gm
  return [...report.matchAll(entry)]
    .map(([, name, version, architecture]) =>
      labelOf({ name: name!, version: version!, architecture: architecture! }),
    )
    .sort()
}
