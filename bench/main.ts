// `npm run bench [-- ROW… --packages N]`: our figures beside those of Debian's own tools, on this machine, in one run.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeMachine } from './measure.ts'
import { renderPlot } from './plot.ts'
import { renderSection, renderTable, type Section, type Table } from './report.ts'
import { adoptRow } from './rows/adopt.ts'
import { blocksRow } from './rows/blocks.ts'
import { busyRow } from './rows/busy.ts'
import { changeRows, plotOf } from './rows/change.ts'
import { coldRows } from './rows/cold.ts'
import { installabilityRow } from './rows/installability.ts'
import { publishRow } from './rows/publish.ts'
import { serveRows } from './rows/serve.ts'
import { tierRows } from './rows/tiers.ts'
import { copyHostSuite, makeGpgKey, WebServer } from './upstream.ts'

enableCompileCache()
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    packages: { type: 'string', default: '60000' },
    /** That wait for news of one master. */
    slaves: { type: 'string', default: '100' },
    /** Of the suites that change. */
    sizes: { type: 'string', default: '1000,10000,60000' },
    /** For `blocks`: a path or URL of a Packages file, .gz and .xz too; else this host's own main suite. */
    index: { type: 'string' },
    /** Where a picture of what changes cost is written. */
    plot: { type: 'string' },
  },
})
const all = ['adopt', 'publish', 'change', 'installability', 'serve', 'busy', 'cold', 'tiers']
const rows = positionals.length > 0 ? positionals : all
const folder = mkdtempSync(join(tmpdir(), 'uus-bench-'))
const sections: (Section | Table)[] = []

function print(section: Section | Table): void {
  sections.push(section)
  process.stdout.write(`${'lines' in section ? renderSection(section) : renderTable(section)}\n`)
}

function leftOut(name: string): void {
  process.stdout.write(`\n${name}: left out, this host has no upstream that can be reached\n`)
}

process.stdout.write(
  `${describeMachine()}\nRatios are of wall time, to our first line. Medians of 3 where it is quick.\n`,
)
try {
  await using server = await WebServer.start(folder)
  const ofRealSuite = { adopt: adoptRow, installability: installabilityRow }
  const wanted = Object.entries(ofRealSuite).filter(([name]) => rows.includes(name))
  const suite = wanted.length > 0 ? await copyHostSuite(server) : null
  for (const [name, row] of wanted) {
    if (suite === null) leftOut(name)
    else print(await row(server, suite, folder))
  }
  if (rows.includes('publish')) {
    print(await publishRow(server, makeGpgKey(folder), folder, Number(values.packages)))
  }
  if (rows.includes('change')) {
    const sizes = values.sizes.split(',').map(Number)
    const { sections: changed, points } = await changeRows(server, makeGpgKey(folder), folder, sizes)
    for (const section of changed) print(section)
    if (values.plot !== undefined) writeFileSync(values.plot, renderPlot(plotOf(points)))
  }
  if (rows.includes('blocks')) {
    const table = await blocksRow(folder, values.index)
    if (table === null) leftOut('blocks')
    else print(table)
  }
  if (rows.includes('serve')) await serveRows(server, folder, print)
  if (rows.includes('busy')) {
    print(await busyRow(server, makeGpgKey(folder), folder, Number(values.packages)))
  }
  if (rows.includes('cold')) await coldRows(server, makeGpgKey(folder), folder, print)
  if (rows.includes('tiers')) {
    const sizes = values.sizes.split(',').map(Number)
    await tierRows(server, makeGpgKey(folder), folder, sizes, Number(values.slaves), print)
  }
  const results = join(import.meta.dirname, 'results')
  mkdirSync(results, { recursive: true })
  const name = new Date().toISOString().replaceAll(':', '')
  writeFileSync(
    join(results, `${name}.json`),
    JSON.stringify({ machine: describeMachine(), sections }, null, 2),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
