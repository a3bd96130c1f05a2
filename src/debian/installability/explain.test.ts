import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  aPackageWith,
  conflicts,
  native,
  satisfies,
  smallPackages,
} from '../../../test/rig/small-universe.ts'
import { parseAlternatives, splitField } from '../relations.ts'
import type { Conflict, Missing, Step } from './explain.ts'
import type { Package } from './fields.ts'
import { PackagePool } from './pool.ts'
import { sentenceOf } from './sentence.ts'
import { Universe } from './universe.ts'

function aUniverse(packages: readonly Package[]): Universe {
  return Universe.build(new PackagePool({ native, foreign: ['i386'] }), packages)
}

/** What holds of each reason, from the texts of the fields alone. */
class Witness {
  readonly #packages: readonly Package[]

  constructor(packages: readonly Package[]) {
    this.#packages = packages
  }

  #of({ id }: { id: number }): Package {
    return this.#packages.find((one) => one.id === id)!
  }

  #satisfying({ package: owner, relation }: Step): Package[] {
    const group = parseAlternatives(relation)!
    return this.#packages.filter((other) => group.some((one) => satisfies(one, this.#of(owner), other)))
  }

  /** Each step's package has the relation, and the next one's, or the goal, satisfies it. */
  assertIsChain(from: { id: number }, chain: readonly Step[], goal: { id: number } | null): void {
    assert.equal((chain[0]?.package ?? goal)?.id, from.id, 'the chain begins at the package')
    for (const [at, step] of chain.entries()) {
      const { preDepends, depends } = this.#of(step.package)
      assert.ok([preDepends, depends].flatMap((field) => splitField(field)).includes(step.relation))
      const next = chain[at + 1]?.package ?? goal
      if (next !== null) assert.ok(this.#satisfying(step).some(({ id }) => id === next.id))
    }
  }

  assertIsMissing(from: { id: number }, { chain, isReadable, present }: Missing): void {
    this.assertIsChain(from, chain, null)
    assert.deepEqual(this.#satisfying(chain.at(-1)!), [])
    assert.ok(isReadable)
    const names = parseAlternatives(chain.at(-1)!.relation)!.map(({ name }) => name)
    for (const one of present) {
      const provided = splitField(this.#of(one).provides).map((text) => text.split(' ')[0]!)
      assert.ok([one.name, ...provided].some((name) => names.includes(name)))
    }
  }

  assertIsConflict(from: { id: number }, { sides }: Conflict): void {
    const [a, b] = [this.#of(sides[0].package), this.#of(sides[1].package)]
    assert.ok(a !== b && conflicts(a, b))
    assert.equal(
      a.name === b.name,
      sides.every(({ relations }) => relations.length === 0),
    )
    for (const side of sides) {
      this.assertIsChain(from, side.chain, side.package)
      const one = this.#of(side.package)
      const written = [one.conflicts, one.breaks].flatMap((field) => splitField(field))
      for (const relation of side.relations) assert.ok(written.includes(relation))
    }
  }
}

test('every reason names a relation that nothing satisfies or two packages that exclude each other, and the way there', () => {
  const counts = { missing: 0, conflict: 0 }
  fc.assert(
    fc.property(smallPackages(true), (packages) => {
      const universe = aUniverse(packages)
      const witness = new Witness(packages)
      for (const one of packages) {
        const explanation = universe.explain(one.id)
        assert.equal(explanation !== null, universe.isBroken(one.id))
        if (explanation === null) continue
        assert.equal(explanation.package.id, one.id)
        assert.ok(explanation.reasons.length > 0)
        for (const reason of explanation.reasons) {
          counts[reason.type]++
          if (reason.type === 'missing') witness.assertIsMissing(one, reason)
          else witness.assertIsConflict(one, reason)
        }
      }
    }),
    { numRuns: 600 },
  )
  assert.ok(counts.missing > 300 && counts.conflict > 300, JSON.stringify(counts))
})

function sentences(packages: readonly Package[]): string[] {
  return aUniverse(packages)
    .explain(1)!
    .reasons.map((reason) => sentenceOf(reason, native))
}

test('a missing relation is told with the way to it and with what is there instead', () => {
  assert.deepEqual(sentences([aPackageWith(1, 'app 1.0', { depends: 'lib' })]), [
    'app 1.0 depends on lib, which is not there',
  ])
  assert.deepEqual(
    sentences([
      aPackageWith(1, 'app 1.0', { depends: 'lib, fine' }),
      aPackageWith(2, 'lib:i386 2.0', { depends: 'base (>= 3)', multiArch: 'foreign' }),
      aPackageWith(3, 'base:i386 2.9'),
      aPackageWith(4, 'fine'),
    ]),
    ['app 1.0 depends on lib, lib:i386 2.0 on base (>= 3), which is not there: there is base:i386 2.9'],
  )
})

test('of many versions that do not do, some are told', () => {
  const old = [1, 2, 3, 4, 5].map((n) => aPackageWith(n + 1, `lib ${n}`))
  assert.deepEqual(sentences([aPackageWith(1, 'app 1.0', { depends: 'lib (>> 5)' }), ...old]), [
    'app 1.0 depends on lib (>> 5), which is not there: there is lib 1, lib 2, lib 3 and 2 more',
  ])
})

test('a conflict is told with both ways to it, or with one where that is enough', () => {
  assert.deepEqual(
    sentences([
      aPackageWith(1, 'app 1.0', { depends: 'left, right' }),
      aPackageWith(2, 'left 2', { depends: 'lib (= 1)' }),
      aPackageWith(3, 'right 3', { depends: 'lib (= 2)' }),
      aPackageWith(4, 'lib 1'),
      aPackageWith(5, 'lib 2'),
    ]),
    [
      'app 1.0 depends on right, right 3 on lib (= 2); app 1.0 depends on left, left 2 on lib (= 1); ' +
        'but lib 2 and lib 1 cannot be installed together',
    ],
  )
  assert.deepEqual(
    sentences([
      aPackageWith(1, 'plugin 1.0', { depends: 'mail (>= 5)' }),
      aPackageWith(2, 'mail 6', { breaks: 'plugin (<= 2)' }),
    ]),
    ['plugin 1.0 depends on mail (>= 5); but mail 6 conflicts with plugin 1.0 (plugin (<= 2))'],
  )
})

test('where there were alternatives, the end of each is told', () => {
  assert.deepEqual(
    sentences([
      aPackageWith(1, 'app 1.0', { depends: 'first | second', conflicts: 'second' }),
      aPackageWith(2, 'first 1', { depends: 'gone' }),
      aPackageWith(3, 'second 1'),
    ]),
    [
      'app 1.0 depends on first | second, first 1 on gone, which is not there',
      'app 1.0 depends on first | second; but app 1.0 conflicts with second 1 (second)',
    ],
  )
})

test('a relation that cannot be read is told as such, in Conflicts too', () => {
  assert.deepEqual(
    sentences([aPackageWith(1, 'app 1.0', { depends: 'lib (>= 1' }), aPackageWith(2, 'lib')]),
    ['app 1.0 has a relation that cannot be read: lib (>= 1'],
  )
  assert.deepEqual(
    sentences([
      aPackageWith(1, 'app 1.0', { depends: 'lib' }),
      aPackageWith(2, 'lib 2', { breaks: 'app | x' }),
    ]),
    ['app 1.0 depends on lib, and lib 2 has a relation that cannot be read: app | x'],
  )
})

test('what is irrelevant to the conflict is left out', () => {
  const idle = Array.from({ length: 30 }, (_, n) =>
    aPackageWith(n + 10, `idle${n}`, { depends: 'base | none' }),
  )
  const [only, ...others] = sentences([
    aPackageWith(1, 'app 1.0', { depends: `${idle.map(({ name }) => name).join(', ')}, base, odd` }),
    aPackageWith(2, 'base 1', { depends: 'idle0 | idle1' }),
    aPackageWith(3, 'odd 1', { conflicts: 'base' }),
    ...idle,
  ])
  assert.equal(
    only,
    'app 1.0 depends on base; app 1.0 depends on odd; but odd 1 conflicts with base 1 (base)',
  )
  assert.deepEqual(others, [])
})
