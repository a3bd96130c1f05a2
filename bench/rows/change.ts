// Publishing a change of a suite that is published already: what it costs by the size of the suite and of the change.
// Everybody has the same packages, gets the same changes in the same order, and must end with the same versions.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusResult } from '../../src/actions/status.ts'
import { curvesOf, type Point, renderCurves } from '../curves.ts'
import { type Deb, writeDeb } from '../debs.ts'
import { type Measured, medianCpu } from '../measure.ts'
import type { Plot, Series } from '../plot.ts'
import {
  type Change,
  type DebFolder,
  type Form,
  type Peer,
  type Publisher,
  peers,
  unpack,
} from '../publishers.ts'
import type { Line, Section, Table } from '../report.ts'
import { type GpgKey, type WebServer, writeSuite } from '../upstream.ts'
import { BenchServer } from '../uus.ts'

const changes = [0, 10, 1000]
const runs = 3
/** Who takes longer is measured once. */
const patienceSeconds = 12
/** An update that finds nothing new is too short for the clock of processes. */
const updatesAtATime = 20

export interface ChangeResult {
  readonly sections: readonly (Section | Table)[]
  readonly points: readonly Point[]
}

export async function changeRows(
  web: WebServer,
  key: GpgKey,
  folder: string,
  sizes: readonly number[],
): Promise<ChangeResult> {
  const sections: Section[] = []
  const points: Point[] = []
  const us: Peer = {
    name: 'uus',
    forms: [['gz'], ['gz', 'xz']],
    open: ({ suite, forms }) => openOurs(web, key, folder, suite, forms),
  }
  for (const size of sizes) {
    const suite = makeSuite(folder, size)
    const byChange = new Map<number, Line[]>(changes.map((changed) => [changed, []]))
    for (const [peer, forms] of [us, ...peers()].flatMap((one) =>
      one.forms.map((some) => [one, some] as const),
    )) {
      const who = `${peer.name}, ${forms.join(' + ')}`
      await using publisher = await peer.open({ folder, key, suite, forms })
      for (const [changed, measured] of await measureChanges(publisher, who, suite, forms)) {
        const note = changed === 0 ? (publisher.noteOnNothing ?? publisher.note) : publisher.note
        byChange.get(changed)!.push({ who, ...measured, note })
        points.push({ who, packages: size, changed, cpuSeconds: measured.cpuSeconds })
      }
    }
    for (const [changed, lines] of byChange) sections.push(toSection(size, changed, lines))
    rmSync(suite.folder, { recursive: true })
  }
  return { sections: [...sections, ...changes.map((changed) => renderCurves(changed, points))], points }
}

/** A panel a change; who is the same tool has the same colour. */
export function plotOf(points: readonly Point[]): Plot {
  const tools = [...new Set(points.map(({ who }) => who.split(',')[0]!))]
  const toSeries = ([who, curve]: [string, Point[]]): Series => ({
    name: who,
    colour: tools.indexOf(who.split(',')[0]!),
    isDashed: who.includes('xz'),
    points: curve.map(({ packages, cpuSeconds }) => ({ x: packages, y: cpuSeconds })),
  })
  return {
    title: 'What it costs to publish a change',
    xLabel: 'packages in the suite',
    yLabel: 'CPU seconds, all processes',
    remarks: [
      'Medians of one run of “npm run bench -- change” on 2 cores. Changed packages are spread over the whole suite.',
      'With nothing changed we ask upstream and publish nothing; the others were told to publish all the same.',
    ],
    panels: changes.map((changed) => ({
      title: changed === 0 ? 'nothing changed' : `${changed.toLocaleString('en')} packages changed`,
      series: [...curvesOf(points, changed)].map(toSeries),
    })),
  }
}

function toSection(size: number, changed: number, lines: readonly Line[]): Section {
  return {
    title: `Publish with ${changed} changed of ${size} packages`,
    budget: size === 60_000 && changed === 10 ? 'CPU: gz ≤ 0.25 s, gz + xz ≤ 0.5 s' : '-',
    lines,
  }
}

async function measureChanges(
  publisher: Publisher,
  who: string,
  suite: MadeSuite,
  forms: readonly Form[],
): Promise<Map<number, Measured>> {
  const measured = new Map<number, Measured>()
  const present = new Map(suite.debs.map((deb) => [deb.name, deb]))
  for (const changed of changes) {
    const act = async (run: number) => {
      const change = makeChange(suite, present, changed, run)
      for (const deb of change.debs) present.set(deb.name, deb)
      await publisher.add(change)
      return publisher.publish(change)
    }
    measured.set(changed, await medianCpu(runs, patienceSeconds, act))
    for (const form of forms)
      checkPublished(`${who}: Packages.${form}`, await publisher.packages(form), present)
  }
  return measured
}

interface MadeSuite extends DebFolder {
  readonly newsFolder: string
}

function makeSuite(folder: string, size: number): MadeSuite {
  const path = join(folder, `debs-${size}`)
  const debs = Array.from({ length: size }, (_, number) => writeDeb(path, number, '1.0'))
  return { folder: path, newsFolder: join(folder, `new-${size}`), debs }
}

/** Spread over the suite, other packages in each run. */
function makeChange(
  { newsFolder, debs }: MadeSuite,
  present: ReadonlyMap<string, Deb>,
  changed: number,
  run: number,
): Change {
  const step = Math.max(1, Math.floor(debs.length / Math.max(1, changed)))
  const count = Math.min(changed, debs.length)
  const folder = join(newsFolder, `${changed}-${run}`)
  const news = Array.from({ length: count }, (_, index) => {
    const number = (index * step + run * 10) % debs.length
    return {
      replaced: present.get(debs[number]!.name)!,
      deb: writeDeb(folder, number, `1.${changed}.${run}`),
    }
  })
  return { folder, debs: news.map(({ deb }) => deb), replaced: news.map(({ replaced }) => replaced) }
}

function linkAll(from: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['-al', from, to])
  if (status !== 0) throw new Error(stderr.toString())
}

/** What upstream dropped is fetched in the background: that is done before anybody measures. */
async function untilFetched(server: BenchServer): Promise<void> {
  await sleep(3 * lookAfterMs)
  for (let tries = 0; tries < 600; tries++) {
    const { files } = (await server.call('status', {})) as StatusResult
    if (files.atRisk.length === 0) return
    await sleep(lookAfterMs)
  }
  throw new Error('what upstream dropped does not come')
}

const lookAfterMs = 1000

function checkPublished(what: string, index: Buffer, expected: ReadonlyMap<string, Deb>): void {
  const text = index.toString('latin1')
  const names = [...text.matchAll(/^Package: (.*)$/gm)].map(([, name]) => name!)
  const versions = [...text.matchAll(/^Version: (.*)$/gm)].map(([, version]) => version!)
  const wrong = names.find((name, at) => expected.get(name)?.version !== versions[at])
  if (wrong !== undefined || names.length !== expected.size || versions.length !== names.length)
    throw new Error(`${what} does not have what was to be published: ${wrong}, ${names.length} packages`)
}

/**
 * A running server. One package in ten more has news that nobody promotes, so that no block is shared with what
 * testing published: each touched one is rendered and packed.
 */
async function openOurs(
  web: WebServer,
  key: GpgKey,
  folder: string,
  suite: DebFolder,
  forms: readonly Form[],
): Promise<Publisher> {
  const path = join(folder, 'uus-change')
  rmSync(path, { recursive: true, force: true })
  const upstream = suite.debs.map((deb) => deb.stanza)
  const placeOf = new Map(suite.debs.map(({ name }, place) => [name, place]))
  const offer = () => writeSuite(web, key, 'change', 'bench', Buffer.from(upstream.join('\n')))
  // Upstream keeps the files of replaced versions, as the real ones do for a while.
  const pool = join(web.root, 'change', 'pool')
  rmSync(pool, { recursive: true, force: true })
  mkdirSync(dirname(pool), { recursive: true })
  linkAll(join(suite.folder, 'pool'), pool)
  offer()
  const server = await BenchServer.start({
    folder: path,
    uri: `${web.url}/change`,
    suite: 'bench',
    component: 'main',
    keyring: key.keyring,
    channels: `{testing: {from: upstream}, approved: {from: testing, compression: [${forms.join(', ')}]}}`,
  })
  for (const place of upstream.keys())
    if (place % 10 === 5) upstream[place] = writeDeb(join(web.root, 'change'), place, '1.0.5').stanza
  return {
    note: 'promote: judge, publish, sign',
    noteOnNothing: 'update: nothing new, nothing published',
    async add({ debs, folder: news }) {
      for (const { path: file } of debs) {
        mkdirSync(dirname(join(web.root, 'change', file)), { recursive: true })
        copyFileSync(join(news, file), join(web.root, 'change', file))
      }
      for (const { name, stanza } of debs) upstream[placeOf.get(name)!] = stanza
      offer()
      await server.call('update')
      if (debs.length > 0) await untilFetched(server)
    },
    async publish({ debs }) {
      if (debs.length > 0)
        return server.measure(() => server.call('promote', { selectors: debs.map(({ name }) => name) }))
      const { peakRssBytes, ...sums } = await server.measure(async () => {
        for (let time = 0; time < updatesAtATime; time++) await server.call('update')
      })
      const share = (seconds: number) => seconds / updatesAtATime
      return { wallSeconds: share(sums.wallSeconds), cpuSeconds: share(sums.cpuSeconds), peakRssBytes }
    },
    async packages(form) {
      const answer = await fetch(
        `${server.url}/approved/bench/dists/bench/main/binary-amd64/Packages.${form}`,
      )
      const packed = Buffer.from(await answer.arrayBuffer())
      return unpack(packed, form)
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      rmSync(path, { recursive: true })
    },
  }
}
