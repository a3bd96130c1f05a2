// What cannot be installed from a full real suite, and from damaged parts of it, beside dose-debcheck.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Package } from '../../src/debian/installability/fields.ts'
import { PackagePool } from '../../src/debian/installability/pool.ts'
import { type Change, newlyBroken, Universe } from '../../src/debian/installability/universe.ts'
import { brokenByDose, brokenInReport, doseOptions, labelOf, withAnySpelledOut } from '../../test/rig/dose.ts'
import { seeded } from '../../test/rig/seeded.ts'
import { native } from '../../test/rig/small-universe.ts'
import { damaged, Parts, packagesOfIndex, type Random } from '../../test/rig/universes.ts'
import { hasProgram, measureCommand, median } from '../measure.ts'
import type { Line, Section } from '../report.ts'
import type { Suite, WebServer } from '../upstream.ts'

const judge = join(import.meta.dirname, '..', 'judge.ts')
const damage = { parts: 30, damages: 10, size: 2000 }
const changes = { count: 200, packages: 10 }

export async function installabilityRow(server: WebServer, suite: Suite, folder: string): Promise<Section> {
  const path = join(folder, 'Packages')
  const index = join(suite.archive, 'dists', suite.name, suite.component, `binary-${suite.architecture}`)
  writeFileSync(path, gunzipSync(readFileSync(join(server.root, index, 'Packages.gz'))))
  const packages = packagesOfIndex(readFileSync(path, 'latin1'))
  const ours = await judged(path, folder)
  const lines: Line[] = [ours.line, fromFields(packages), incremental(packages)]
  if (hasProgram('dose-debcheck')) {
    lines.push(await dose(path, folder, ours.broken), ...(await onDamage(packages)))
  } else lines.push({ who: 'dose-debcheck', wallSeconds: Number.NaN, note: 'not installed' })
  return {
    title: `Installability of a full suite: ${suite.name} ${suite.component}, ${packages.length} packages`,
    budget: '≤ 3 s, the same answer as dose-debcheck; a change of ten packages ≤ 200 ms',
    lines,
  }
}

/** The whole process: read, parse, judge, and judge a change. */
async function judged(path: string, folder: string): Promise<{ line: Line; broken: string[] }> {
  const out = join(folder, 'judged')
  const command = ['sh', '-c', '"$0" "$1" "$2" > "$3"', process.execPath, judge, path, out]
  const measured = await median(
    3,
    () => {},
    () => measureCommand(command),
  )
  const broken = readFileSync(out, 'utf8').trim().split('\n').sort()
  return { line: { who: 'uus, cold', ...measured, note: `${broken.length} broken` }, broken }
}

function poolOf(): PackagePool {
  return new PackagePool({ native, foreign: [] })
}

function seconds(act: () => void): number {
  const start = performance.now()
  act()
  return (performance.now() - start) / 1000
}

function fromFields(packages: readonly Package[]): Line {
  const times = Array.from({ length: 3 }, () => seconds(() => void Universe.build(poolOf(), packages)))
  return { who: 'uus, from parsed fields', wallSeconds: times.sort((a, b) => a - b)[1]! }
}

/** Half of the packages at random leave, the other half get another version. */
function randomChange(random: Random, packages: readonly Package[], firstId: number): Change {
  const chosen = Array.from({ length: changes.packages }, () => packages[random(packages.length)]!)
  const enter = chosen.slice(changes.packages / 2).map((one, at) => ({
    ...one,
    id: firstId + at,
    version: `${one.version}+moved`,
  }))
  return { enter, leave: chosen.map(({ id }) => id) }
}

function incremental(packages: readonly Package[]): Line {
  const universe = Universe.build(poolOf(), packages)
  const random = seeded(1)
  const times = Array.from({ length: changes.count }, (_, at) => {
    const change = randomChange(random, packages, 10_000_000 + at * changes.packages)
    return seconds(() => void newlyBroken(universe, universe.with(change)))
  }).sort((a, b) => a - b)
  const [middle, worst] = [times[changes.count >> 1]!, times.at(-1)!].map((time) => (time * 1000).toFixed(1))
  return {
    who: `uus, ${changes.packages} packages changed, warm`,
    wallSeconds: times[changes.count >> 1]!,
    note: `median ${middle} ms, worst ${worst} ms of ${changes.count} random changes`,
  }
}

async function dose(path: string, folder: string, ours: readonly string[]): Promise<Line> {
  const report = join(folder, 'dose')
  const options = doseOptions(native, []).join(' ')
  const measured = await measureCommand([
    'sh',
    '-c',
    `dose-debcheck ${options} ${path} > ${report}; test $? -le 1`,
  ])
  const theirs = brokenInReport(readFileSync(report, 'utf8'))
  return { who: 'dose-debcheck', ...measured, note: agreement([...ours], theirs) }
}

function agreement(ours: readonly string[], theirs: readonly string[]): string {
  const differing = new Set(ours).symmetricDifference(new Set(theirs))
  return differing.size === 0 ? 'the same ones' : `DIFFERS on ${[...differing].slice(0, 3).join(', ')}`
}

/** Both on the same damaged parts: the sum of their times, and whether they agreed on each. */
async function onDamage(packages: readonly Package[]): Promise<Line[]> {
  const parts = new Parts(packages)
  const sum = { ours: 0, theirs: 0, broken: 0, agreeing: 0, all: damage.parts * damage.damages }
  for (let seed = 1; seed <= damage.parts; seed++) {
    const random = seeded(seed)
    const part = parts.part(random, damage.size)
    for (let at = 1; at <= damage.damages; at++) {
      const after = damaged(random, part, at * 10_000_000)
      let broken: string[] = []
      sum.ours += seconds(() => {
        broken = Universe.build(poolOf(), after).brokenPackages().map(labelOf)
      })
      const start = performance.now()
      const theirs = await brokenByDose(withAnySpelledOut(after, [native]), native)
      sum.theirs += (performance.now() - start) / 1000
      sum.broken += broken.length
      if (agreement(broken, theirs) === 'the same ones') sum.agreeing++
    }
  }
  const note = `agree on ${sum.agreeing} of ${sum.all}; ${sum.broken} broken in all`
  const what = `${sum.all} damaged parts of ${damage.size}`
  return [
    { who: `uus, ${what}`, wallSeconds: sum.ours },
    { who: `dose-debcheck, ${what}`, wallSeconds: sum.theirs, note },
  ]
}
