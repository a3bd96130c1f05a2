import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  aPackageWith,
  conflicts,
  dependenciesOf,
  installableByTrial,
  native,
  satisfies,
  smallPackages,
} from '../../../test/rig/small-universe.ts'
import { BitSet } from './collections.ts'
import type { Package } from './fields.ts'
import { PackagePool } from './pool.ts'
import { Solver } from './solver.ts'

function aPool(packages: readonly Package[]): { pool: PackagePool; all: BitSet } {
  const pool = new PackagePool({ native, foreign: ['i386'] })
  const all = new BitSet()
  for (const one of packages) all.add(pool.add(one)!)
  return { pool, all }
}

function assertIsInstallation(installed: readonly Package[]): void {
  for (const one of installed) {
    for (const group of dependenciesOf(one)) {
      const isMet = installed.some((other) => group.some((relation) => satisfies(relation, one, other)))
      assert.ok(isMet, `${one.name} ${one.version} lacks something`)
    }
    assert.ok(
      !installed.some((other) => other !== one && conflicts(one, other)),
      `${one.name} has a conflict`,
    )
  }
}

test('the solver finds an installation where there is one, whatever it was asked before, and only there', () => {
  const order = fc.infiniteStream(fc.nat())
  fc.assert(
    fc.property(smallPackages(true), order, (packages, numbers) => {
      const { pool, all } = aPool(packages)
      const solver = new Solver(pool, all)
      const installable = installableByTrial(packages)
      for (const number of numbers.take(20)) {
        const one = packages[number % packages.length]!
        const nodes = solver.solve(pool.nodeOf(one.id)!)
        assert.equal(nodes !== null, installable.has(one.id), `${one.name} ${one.version}`)
        if (nodes === null) continue
        const installed = nodes.map((node) => packages.find(({ id }) => id === pool.packageOf(node).id)!)
        assert.ok(installed.includes(one))
        assertIsInstallation(installed)
      }
    }),
    { numRuns: 500 },
  )
})

/** Packages of which the first can be installed if and only if the formula has a solution. */
function fromFormula(variables: number, formula: readonly (readonly number[])[]): Package[] {
  const name = (literal: number) => (literal > 0 ? `yes${literal}` : `no${-literal}`)
  const depends = formula.map((clause) => clause.map(name).join(' | ')).join(', ')
  const packages = [aPackageWith(1, 'formula', { depends })]
  for (let variable = 1; variable <= variables; variable++) {
    packages.push(aPackageWith(variable * 2, name(variable), { conflicts: name(-variable) }))
    packages.push(aPackageWith(variable * 2 + 1, name(-variable)))
  }
  return packages
}

test('hard random formulas are solved or refuted as trying all assignments says', () => {
  const variables = 10
  const literal = fc
    .tuple(fc.integer({ min: 1, max: variables }), fc.boolean())
    .map(([n, not]) => (not ? -n : n))
  const clause = fc.uniqueArray(literal, { minLength: 3, maxLength: 3, selector: Math.abs })
  const formula = fc.array(clause, { minLength: 40, maxLength: 48 })
  const answers = { yes: 0, no: 0 }
  fc.assert(
    fc.property(formula, (clauses) => {
      let isSatisfiable = false
      for (let set = 0; set < 1 << variables && !isSatisfiable; set++) {
        isSatisfiable = clauses.every((one) =>
          one.some((n) => ((set >> (Math.abs(n) - 1)) & 1) === (n > 0 ? 1 : 0)),
        )
      }
      answers[isSatisfiable ? 'yes' : 'no']++
      const { pool, all } = aPool(fromFormula(variables, clauses))
      assert.equal(new Solver(pool, all).solve(pool.nodeOf(1)!) !== null, isSatisfiable)
    }),
    { numRuns: 300 },
  )
  assert.ok(answers.yes > 50 && answers.no > 50, JSON.stringify(answers))
})

test('seven pigeons do not fit into six holes, and six do', () => {
  const pigeonholes = (pigeons: number, holes: number) => {
    const packages = [
      aPackageWith(1, 'all', { depends: Array.from({ length: pigeons }, (_, n) => `pigeon${n}`).join(', ') }),
    ]
    let id = 2
    for (let n = 0; n < pigeons; n++) {
      const places = Array.from({ length: holes }, (_, hole) => `place${n}-${hole}`)
      packages.push(aPackageWith(id++, `pigeon${n}`, { depends: places.join(' | ') }))
      for (const [hole, place] of places.entries()) {
        packages.push(aPackageWith(id++, place, { provides: `hole${hole}`, conflicts: `hole${hole}` }))
      }
    }
    const { pool, all } = aPool(packages)
    return new Solver(pool, all).solve(pool.nodeOf(1)!)
  }
  assert.equal(pigeonholes(7, 6), null)
  assert.equal(pigeonholes(6, 6)?.length, 13)
})

test('what is preferred is installed where there is a choice', () => {
  const { pool, all } = aPool([
    aPackageWith(1, 'app', { depends: 'first | second' }),
    aPackageWith(2, 'first'),
    aPackageWith(3, 'second'),
  ])
  const preferred = new BitSet()
  preferred.add(pool.nodeOf(3)!)
  const idsOf = (nodes: number[] | null) => nodes?.map((node) => pool.packageOf(node).id)
  assert.deepEqual(idsOf(new Solver(pool, all).solve(pool.nodeOf(1)!)), [1, 2])
  assert.deepEqual(idsOf(new Solver(pool, all, { preferred }).solve(pool.nodeOf(1)!)), [1, 3])
})
