// Adopting a full real suite for the first time, from a web server on loopback.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freshApt } from '../apt.ts'
import { hasProgram, type Measured, measureCommand, median } from '../measure.ts'
import type { Line, Section } from '../report.ts'
import type { Suite, WebServer } from '../upstream.ts'
import { firstRun } from '../uus.ts'

const runs = 3

export async function adoptRow(server: WebServer, suite: Suite, folder: string): Promise<Section> {
  const lines: Line[] = [
    { who: 'uus', ...(await ours(server, suite, folder)) },
    {
      who: 'uus update (whole command)',
      ...(await oursAsCommand(server, suite, folder)),
      note: 'publishes testing too',
    },
    { who: 'floor', ...(await floor(server, suite)), note: 'curl, gpgv, sha256sum, gzip -dc, sha256sum' },
  ]
  for (const [who, act, note] of [
    ['aptly', aptly, `keeps ${suite.names.length} packages of it`],
    ['reprepro', reprepro, `keeps ${suite.names.length} packages of it, and exports them`],
    ['apt-get update', aptGet, 'builds its cache'],
  ] as const) {
    const program = who.split(' ')[0]!
    if (hasProgram(program)) lines.push({ who, ...(await act(server, suite, folder)), note })
    else lines.push({ who, wallSeconds: Number.NaN, note: `not installed` })
  }
  return {
    title: `Adopt a full suite, first time: ${suite.name} ${suite.component}, ${suite.packages} packages`,
    budget: '≤ 1.3 s, jobs ≤ 250 MB',
    lines,
  }
}

function fresh(folder: string, name: string): string {
  const path = join(folder, name)
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  return path
}

async function ours(server: WebServer, suite: Suite, folder: string): Promise<Measured> {
  const measured: Measured[] = []
  return median(
    runs,
    () => {},
    async () => {
      const path = fresh(folder, 'uus')
      const { adopt } = await firstRun({
        folder: path,
        uri: `${server.url}/${suite.archive}`,
        ...suiteOptions(suite),
        compression: '[gz]',
      })
      measured.push(adopt)
      return adopt
    },
  )
}

export function suiteOptions(suite: Suite) {
  return { suite: suite.name, component: suite.component, keyring: suite.keyring }
}

async function oursAsCommand(server: WebServer, suite: Suite, folder: string): Promise<Measured> {
  const path = join(folder, 'uus-command')
  const bin = join(import.meta.dirname, '..', '..', 'bin', 'uus.js')
  const prepare = async () => {
    fresh(folder, 'uus-command')
    writeFileSync(
      join(path, 'config.yaml'),
      `data: data
archives:
  - {name: bench, uris: "${server.url}/${suite.archive}", suites: ${suite.name}, components: ${suite.component}, architectures: amd64, signed-by: ${suite.keyring}, check-valid-until: false}
channels: {testing: {from: upstream}}
`,
    )
    await measureCommand([process.execPath, bin, 'init'], { cwd: path })
  }
  return median(runs, prepare, () => measureCommand([process.execPath, bin, 'update'], { cwd: path }))
}

async function floor(server: WebServer, suite: Suite): Promise<Measured> {
  const base = `${server.url}/${suite.archive}/dists/${suite.name}`
  const index = `${base}/${suite.component}/binary-amd64/Packages.gz`
  const script = `set -e; cd "$(mktemp -d)"; curl -sfO ${base}/InRelease; gpgv -q --keyring ${suite.keyring} InRelease 2>/dev/null
curl -sfO ${index}; sha256sum Packages.gz >/dev/null; gzip -dc Packages.gz | tee P | sha256sum >/dev/null; rm -r "$PWD"`
  return median(
    runs,
    () => {},
    () => measureCommand(['sh', '-c', script]),
  )
}

async function aptly(server: WebServer, suite: Suite, folder: string): Promise<Measured> {
  const path = join(folder, 'aptly')
  const config = join(path, 'aptly.conf')
  const prepare = async () => {
    fresh(folder, 'aptly')
    writeFileSync(config, JSON.stringify({ rootDir: path, gpgProvider: 'gpg2', downloadConcurrency: 4 }))
    await measureCommand([
      'aptly',
      `-config=${config}`,
      'mirror',
      'create',
      '-architectures=amd64',
      `-keyring=${suite.keyring}`,
      `-filter=${suite.names.map((name) => `Name (= ${name})`).join(' | ')}`,
      'bench',
      `${server.url}/${suite.archive}/`,
      suite.name,
      suite.component,
    ])
  }
  return median(runs, prepare, () =>
    measureCommand(['aptly', `-config=${config}`, 'mirror', 'update', `-keyring=${suite.keyring}`, 'bench']),
  )
}

async function reprepro(server: WebServer, suite: Suite, folder: string): Promise<Measured> {
  const path = join(folder, 'reprepro')
  const prepare = () => {
    fresh(folder, 'reprepro')
    mkdirSync(join(path, 'conf'))
    writeFileSync(
      join(path, 'conf', 'distributions'),
      `Codename: ${suite.name}\nArchitectures: amd64\nComponents: ${suite.component}\nUpdate: bench\n`,
    )
    writeFileSync(
      join(path, 'conf', 'updates'),
      `Name: bench\nMethod: ${server.url}/${suite.archive}\nSuite: ${suite.name}\nArchitectures: amd64\nComponents: ${suite.component}
VerifyRelease: blindtrust\nFilterList: purge list\n`,
    )
    writeFileSync(join(path, 'conf', 'list'), suite.names.map((name) => `${name} install\n`).join(''))
  }
  return median(runs, prepare, () => measureCommand(['reprepro', '-b', path, '--noskipold', 'update']))
}

async function aptGet(server: WebServer, suite: Suite, folder: string): Promise<Measured> {
  let update: (() => Promise<Measured>) | null = null
  const prepare = () => {
    update = freshApt(join(folder, 'apt'), { source: sourceLine(server, suite), config: gzFirst })
  }
  return median(runs, prepare, () => update!())
}

/** As we do, and aptly. */
const gzFirst = 'Acquire::CompressionTypes::Order { "gz"; };'

function sourceLine(server: WebServer, suite: Suite): string {
  return `deb [signed-by=${suite.keyring} check-valid-until=no] ${server.url}/${suite.archive} ${suite.name} ${suite.component}`
}
