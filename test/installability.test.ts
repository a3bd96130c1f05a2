// Installability beside those who should know: a real apt on every small case, dose-debcheck on parts of a real
// archive with damage done to them.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Package } from '../src/debian/installability/fields.ts'
import { PackagePool } from '../src/debian/installability/pool.ts'
import { Universe } from '../src/debian/installability/universe.ts'
import { AptRoot } from './rig/apt.ts'
import { brokenByDose, indexOf, labelOf, withAnySpelledOut } from './rig/dose.ts'
import { needs } from './rig/programs.ts'
import { packagesOf, relationCases } from './rig/relation-cases.ts'
import { seeded } from './rig/seeded.ts'
import { native } from './rig/small-universe.ts'
import { damaged, hostPackages, madePackages, onTwoArchitectures, Parts } from './rig/universes.ts'

const foreign = 'i386'
const suffixed = relationCases.map((one, at) => ({ ...one, all: packagesOf(one, at * 10 + 1, `${at}`) }))

test('apt installs in each small case what is installable, and nothing else', needs('apt-get'), async () => {
  using root = new AptRoot({ config: `APT::Architectures { "${native}"; "${foreign}"; };` })
  const folder = join(root.folder, 'archive')
  mkdirSync(folder)
  const more = (one: Package) =>
    `Filename: ./${one.id}.deb\nSize: 1\nSHA256: ${'a'.repeat(64)}\nDescription: made\nMaintainer: Test <test@example.org>\n`
  const index = indexOf(
    suffixed.flatMap(({ all }) => all),
    more,
  )
  writeFileSync(join(folder, 'Packages'), index)
  root.setSources(`Types: deb\nURIs: copy:${folder}\nSuites: ./\nTrusted: yes\n`)
  await root.update()
  for (const { title, all, isInstallable } of suffixed) {
    const [first] = all as [Package, ...Package[]]
    const name = first.architecture === foreign ? `${first.name}:${foreign}` : first.name
    const result = await root.get('--simulate', '--no-install-recommends', 'install', name)
    assert.equal(result.status === 0, isInstallable, `${title}\n${result.output}`)
  }
})

test(
  'dose-debcheck agrees on the small cases, but for the differences that are named',
  needs('dose-debcheck'),
  async () => {
    const packages = suffixed.flatMap(({ all }) => all)
    const broken = new Set(await brokenByDose(packages, native, [foreign]))
    const differing = suffixed.filter(
      ({ all, isInstallable }) => broken.has(labelOf(all[0]!)) === isInstallable,
    )
    const titles = (cases: readonly { title: string }[]) => cases.map(({ title }) => title)
    assert.deepEqual(titles(differing), titles(relationCases.filter(({ dose }) => dose !== undefined)))
  },
)

function brokenByUs(universe: Universe): string[] {
  return universe.brokenPackages().map(labelOf).sort()
}

interface Amount {
  readonly size: number
  readonly parts: number
  readonly damages: number
}

/** Damages parts of a universe, and compares what we say of each anew, and as a change to the part, with what dose says. */
async function compareOnDamage(parts: Parts, amount: Amount, foreign: readonly string[]): Promise<string> {
  let broken = 0
  for (let seed = 1; seed <= amount.parts; seed++) {
    const random = seeded(seed)
    const ofNative = parts.part(random, amount.size)
    const part = foreign[0] === undefined ? ofNative : onTwoArchitectures(ofNative, foreign[0])
    const whole = Universe.build(new PackagePool({ native, foreign }), part)
    for (let damage = 1; damage <= amount.damages; damage++) {
      const after = damaged(random, part, damage * 10_000_000)
      const expected = await brokenByDose(withAnySpelledOut(after, [native, ...foreign]), native, foreign)
      const where = `part ${seed}, damage ${damage}`
      assert.deepEqual(
        brokenByUs(Universe.build(new PackagePool({ native, foreign }), after)),
        expected,
        where,
      )
      const present = new Set(part)
      const staying = new Set(after)
      const change = {
        enter: after.filter((one) => !present.has(one)),
        leave: part.filter((one) => !staying.has(one)).map(({ id }) => id),
      }
      assert.deepEqual(brokenByUs(whole.with(change)), expected, `${where}, as a change`)
      broken += expected.length
    }
  }
  return `${amount.parts * amount.damages} damages agree; ${broken} packages were broken in all`
}

test('dose-debcheck agrees on damaged parts of a real archive', needs('dose-debcheck'), async (t) => {
  const real = await hostPackages()
  t.diagnostic(
    real === null ? 'apt has no lists here: a made universe' : `${real.length} packages of this host's apt`,
  )
  const parts = new Parts(real ?? madePackages(seeded(1), 6000))
  t.diagnostic(await compareOnDamage(parts, { size: 2000, parts: 4, damages: 10 }, []))
  t.diagnostic(await compareOnDamage(parts, { size: 1000, parts: 2, damages: 5 }, [foreign]))
})

test('dose-debcheck agrees on damaged parts of a made universe', needs('dose-debcheck'), async (t) => {
  const parts = new Parts(madePackages(seeded(1), 6000))
  t.diagnostic(await compareOnDamage(parts, { size: 1000, parts: 2, damages: 5 }, []))
  t.diagnostic(await compareOnDamage(parts, { size: 500, parts: 2, damages: 5 }, [foreign]))
})
