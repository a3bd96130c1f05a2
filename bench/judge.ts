// `node bench/judge.ts PACKAGES`: what cannot be installed from an index, and what ten packages less would break, as a
// process of its own, so that it can be measured like any other. Prints a label a line.
import { readFileSync } from 'node:fs'
import { type Package, readRelationFields } from '../src/debian/installability/fields.ts'
import { PackagePool } from '../src/debian/installability/pool.ts'
import { newlyBroken, Universe } from '../src/debian/installability/universe.ts'
import { labelOf } from '../test/rig/dose.ts'
import { native } from '../test/rig/small-universe.ts'

/** Stanza by stanza: nothing holds on to the texts. */
function* read(index: Buffer): Generator<Package> {
  let id = 0
  for (let at = 0; at < index.length; ) {
    const border = index.indexOf('\n\n', at)
    const end = border < 0 ? index.length : border + 1
    yield { id: id++, ...readRelationFields(index.subarray(at, end)) }
    at = end + 1
  }
}

const universe = Universe.build(
  new PackagePool({ native, foreign: [] }),
  read(readFileSync(process.argv[2] ?? '')),
)
const leave = Array.from({ length: 10 }, (_, at) => at * Math.floor(universe.pool.size / 10))
const after = universe.with({ leave })
process.stderr.write(`${newlyBroken(universe, after).length} more without ${leave.length} packages\n`)
process.stdout.write(
  universe
    .brokenPackages()
    .map((one) => `${labelOf(one)}\n`)
    .join(''),
)
