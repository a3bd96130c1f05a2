import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { native, smallPackages } from '../../../test/rig/small-universe.ts'
import { BitSet } from './collections.ts'
import { type MinimalCore, minimalCore } from './core.ts'
import { PackagePool } from './pool.ts'
import { Solver } from './solver.ts'

/** Is there a set of nodes with `node` in it that keeps these constraints, and these only? Tries all. */
function isPossible(node: number, size: number, { dependencies, conflicts }: MinimalCore): boolean {
  for (let set = 0; set < 1 << size; set++) {
    const has = (other: number) => (set & (1 << other)) !== 0
    const isKept =
      dependencies.every((one) => !has(one.node) || one.targets.some(has)) &&
      conflicts.every(([a, b]) => !has(a) || !has(b))
    if (has(node) && isKept) return true
  }
  return false
}

test('a minimal core forbids the package, and no constraint of it can be left out', () => {
  let large = 0
  fc.assert(
    fc.property(smallPackages(true), (packages) => {
      const pool = new PackagePool({ native, foreign: ['i386'] })
      const all = new BitSet()
      for (const one of packages) all.add(pool.add(one)!)
      const solver = new Solver(pool, all)
      for (let node = 0; node < pool.size; node++) {
        if (solver.solve(node) !== null) continue
        const core = minimalCore(pool, all, solver.core(node), node)
        if (core.dependencies.length + core.conflicts.length > 3) large++
        assert.ok(!isPossible(node, pool.size, core))
        for (const one of core.dependencies) {
          const dependencies = core.dependencies.filter((other) => other !== one)
          assert.ok(isPossible(node, pool.size, { ...core, dependencies }))
        }
        for (const one of core.conflicts) {
          const conflicts = core.conflicts.filter((other) => other !== one)
          assert.ok(isPossible(node, pool.size, { ...core, conflicts }))
        }
      }
    }),
    { numRuns: 400 },
  )
  assert.ok(large > 30, `only ${large} cores of more than three constraints`)
})
