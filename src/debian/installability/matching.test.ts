import assert from 'node:assert/strict'
import { test } from 'node:test'
import { packagesOf, relationCases } from '../../../test/rig/relation-cases.ts'
import { aPackageWith, native } from '../../../test/rig/small-universe.ts'
import { PackagePool } from './pool.ts'
import { Universe } from './universe.ts'

const aPool = () => new PackagePool({ native, foreign: ['i386'] })

for (const one of relationCases) {
  test(one.title, () => {
    const packages = packagesOf(one)
    for (const order of [packages, packages.toReversed()]) {
      const universe = Universe.build(aPool(), order)
      assert.equal(universe.isBroken(packages[0]!.id), !one.isInstallable)
    }
  })
}

test('Provides with anything but `=` says nothing, and what cannot be read in it neither', () => {
  const universe = Universe.build(aPool(), [
    aPackageWith(1, 'app', { depends: 'v' }),
    aPackageWith(2, 'x', { provides: 'v (>= 2), v (, w' }),
    aPackageWith(3, 'other', { depends: 'w' }),
  ])
  assert.deepEqual(
    [1, 2, 3].map((id) => universe.isBroken(id)),
    [true, false, false],
  )
})

test('an unknown value of Multi-Arch, or `same` with Architecture: all, is none', () => {
  const universe = Universe.build(aPool(), [
    aPackageWith(1, 'app', { depends: 'x' }),
    aPackageWith(2, 'x:i386', { multiArch: 'Foreign' }),
    aPackageWith(3, 'both', { depends: 'y, y:i386' }),
    aPackageWith(4, 'y:all', { multiArch: 'same' }),
    aPackageWith(5, 'y:i386', { multiArch: 'same' }),
  ])
  assert.deepEqual(
    [1, 3].map((id) => universe.isBroken(id)),
    [true, true],
  )
})
