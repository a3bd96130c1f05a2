import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { aPackageWith, installableByTrial, native, smallPackages } from '../../../test/rig/small-universe.ts'
import type { Package } from './fields.ts'
import { PackagePool } from './pool.ts'
import { newlyBroken, Universe } from './universe.ts'

function aUniverse(packages: readonly Package[]): Universe {
  return Universe.build(new PackagePool({ native, foreign: ['i386'] }), packages)
}

function brokenByTrial(packages: readonly Package[]): number[] {
  const installable = installableByTrial(packages)
  return packages.map(({ id }) => id).filter((id) => !installable.has(id))
}

const idsOf = (packages: readonly { id: number }[]) => packages.map(({ id }) => id).sort((a, b) => a - b)

for (const isForeign of [false, true]) {
  const where = isForeign ? 'two architectures' : 'one architecture'

  test(`what is broken is what no set of packages holds, tried one by one (${where})`, () => {
    let mixed = 0
    fc.assert(
      fc.property(smallPackages(isForeign), (packages) => {
        const broken = brokenByTrial(packages)
        if (broken.length > 0 && broken.length < packages.length) mixed++
        assert.deepEqual(idsOf(aUniverse(packages).brokenPackages()), broken)
      }),
      { numRuns: 1000 },
    )
    assert.ok(mixed > 300, `only ${mixed} universes are neither whole nor broken altogether`)
  })

  test(`a universe changed step by step is the one built at once, and the old one stays (${where})`, () => {
    const step = fc.tuple(fc.array(fc.nat(8), { maxLength: 3 }), fc.array(fc.nat(8), { maxLength: 3 }))
    fc.assert(
      fc.property(
        smallPackages(isForeign),
        fc.array(step, { minLength: 1, maxLength: 6 }),
        (packages, steps) => {
          let present = new Set(packages.slice(0, packages.length >> 1))
          let universe = aUniverse([...present])
          for (const [entering, leaving] of steps) {
            const enter = entering.flatMap((at) => packages[at] ?? [])
            const leave = leaving.flatMap((at) => packages[at] ?? [])
            const before = { universe, broken: idsOf(universe.brokenPackages()) }
            universe = universe.with({ enter, leave: idsOf(leave) })
            present = new Set([...present].filter((one) => !leave.includes(one)).concat(enter))
            const broken = brokenByTrial([...present].sort((a, b) => a.id - b.id))
            assert.deepEqual(idsOf(universe.brokenPackages()), broken)
            assert.deepEqual(idsOf(before.universe.brokenPackages()), before.broken)
            const isNew = (id: number) => !before.broken.includes(id)
            assert.deepEqual(idsOf(newlyBroken(before.universe, universe)), broken.filter(isNew))
          }
        },
      ),
      { numRuns: 500 },
    )
  })
}

test('packages of an architecture that the client does not have are not there', () => {
  const universe = aUniverse([
    aPackageWith(1, 'foo', { depends: 'bar' }),
    aPackageWith(2, 'bar:armhf', { multiArch: 'foreign' }),
  ])
  assert.deepEqual(idsOf(universe.brokenPackages()), [1])
  assert.deepEqual([universe.has(1), universe.has(2), universe.isBroken(2)], [true, false, false])
})

test('one package given twice is one; two of one name and version exclude each other', () => {
  const twin = { depends: 'left, right' }
  const universe = aUniverse([
    aPackageWith(1, 'left', { depends: 'foo' }),
    aPackageWith(1, 'left', { depends: 'foo' }),
    aPackageWith(2, 'foo'),
    aPackageWith(3, 'foo'),
    aPackageWith(4, 'right', { conflicts: 'nothing' }),
    aPackageWith(5, 'both', twin),
  ])
  assert.deepEqual(universe.brokenPackages(), [])
  assert.deepEqual(idsOf(universe.with({ leave: [2] }).brokenPackages()), [])
  assert.deepEqual(idsOf(universe.with({ leave: [2, 3] }).brokenPackages()), [1, 5])
})

test('what enters and leaves in one change stays; leaving what is not there, or entering what is, changes nothing', () => {
  const foo = aPackageWith(1, 'foo')
  const universe = aUniverse([foo, aPackageWith(2, 'bar', { depends: 'foo' })])
  for (const change of [{ enter: [foo], leave: [1] }, { leave: [99] }, { enter: [foo] }, {}]) {
    const after = universe.with(change)
    assert.deepEqual([after.has(1), after.has(2), after.brokenPackages()], [true, true, []])
  }
})

test('a broken package is whole again when what it lacked enters', () => {
  const universe = aUniverse([aPackageWith(1, 'foo', { depends: 'bar (>= 2)' }), aPackageWith(2, 'bar 1')])
  assert.ok(universe.isBroken(1))
  const after = universe.with({ enter: [aPackageWith(3, 'bar 2')], leave: [2] })
  assert.ok(!after.isBroken(1))
  assert.deepEqual(newlyBroken(universe, after), [])
})

test('after many changes, of packages of which no two go together, the universe is still right', () => {
  // Each app needs its own version of the library, so that no two go together.
  const library = (n: number) => aPackageWith(1000 + n, `lib ${n}`)
  const app = (n: number) => aPackageWith(n, `app${n}`, { depends: `lib (= ${n})` })
  let universe = aUniverse([])
  for (let n = 1; n <= 120; n++) universe = universe.with({ enter: [library(n), app(n)] })
  assert.deepEqual(universe.brokenPackages(), [])
  for (let n = 1; n <= 119; n++) universe = universe.with({ leave: [1000 + n] })
  assert.equal(universe.brokenPackages().length, 119)
  assert.ok(!universe.isBroken(120))
})

test('a chain of ten thousand packages is judged and explained', () => {
  const length = 10_000
  const chain = Array.from({ length }, (_, n) => aPackageWith(n + 1, `link${n}`, { depends: `link${n + 1}` }))
  const end = aPackageWith(length + 1, `link${length}`)
  const whole = aUniverse([...chain, end])
  assert.equal(whole.members.values().length, length + 1)
  assert.deepEqual(whole.brokenPackages(), [])
  const cut = whole.with({ leave: [length + 1] })
  assert.equal(newlyBroken(whole, cut).length, length)
  const [reason] = cut.explain(1)!.reasons
  assert.ok(reason?.type === 'missing' && reason.chain.length === length)
  assert.deepEqual(cut.with({ enter: [end] }).brokenPackages(), [])
})

test('universes of two pools are not compared', () => {
  assert.throws(() => newlyBroken(aUniverse([]), aUniverse([])), /two pools/)
})
