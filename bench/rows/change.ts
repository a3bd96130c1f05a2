// Publishing a change of a suite that is published already: what it costs by the size of the suite and of the change.
import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Deb, writeDeb } from '../debs.ts'
import { hasProgram, measureCommand } from '../measure.ts'
import type { Line, Section } from '../report.ts'
import { type GpgKey, type WebServer, writeSuite } from '../upstream.ts'
import { BenchServer } from '../uus.ts'

const changes = [0, 10, 1000]

/** One point of a cost curve. */
export interface Point {
  readonly who: string
  readonly packages: number
  readonly changed: number
  readonly cpuSeconds: number
}

export interface ChangeResult {
  readonly sections: readonly Section[]
  readonly points: readonly Point[]
}

export async function changeRows(
  server: WebServer,
  key: GpgKey,
  folder: string,
  sizes: readonly number[],
): Promise<ChangeResult> {
  const sections: Section[] = []
  const points: Point[] = []
  for (const size of sizes) {
    const suite = makeSuite(folder, size)
    const byChange = new Map<number, Line[]>(changes.map((changed) => [changed, []]))
    for (const measure of [ours('[gz]'), ours('[gz, xz]'), aptly, reprepro, ftparchive]) {
      for (const { changed, ...line } of await measure(server, key, folder, suite)) {
        byChange.get(changed)!.push(line)
        points.push({ who: line.who, packages: size, changed, cpuSeconds: line.cpuSeconds ?? Number.NaN })
      }
    }
    for (const [changed, lines] of byChange) {
      sections.push({
        title: `Publish with ${changed} changed of ${size} packages`,
        budget: size === 60_000 && changed === 10 ? 'CPU: gz ≤ 0.25 s, gz + xz ≤ 0.5 s' : '-',
        lines,
      })
    }
  }
  return { sections, points }
}

interface MadeSuite {
  readonly folder: string
  readonly size: number
  readonly debs: readonly Deb[]
  /** By how many changed: the new versions. */
  readonly changed: ReadonlyMap<number, readonly Deb[]>
}

type Measure = (
  server: WebServer,
  key: GpgKey,
  folder: string,
  suite: MadeSuite,
) => Promise<(Line & { changed: number })[]>

function makeSuite(folder: string, size: number): MadeSuite {
  const path = join(folder, `debs-${size}`)
  const debs = Array.from({ length: size }, (_, number) => writeDeb(path, number, '1.0'))
  const changed = new Map(
    changes.map((count) => {
      const step = Math.max(1, Math.floor(size / Math.max(1, count)))
      const numbers = Array.from({ length: Math.min(count, size) }, (_, index) => index * step)
      return [
        count,
        numbers.map((number) => writeDeb(join(folder, `new-${size}-${count}`), number, `1.${count}`)),
      ]
    }),
  )
  return { folder: path, size, debs, changed }
}

/**
 * A running server. One package in ten more has news that nobody promotes, so that no block is shared with what
 * testing published: each touched one is rendered and packed.
 */
function ours(compression: string): Measure {
  return async (web, key, folder, suite) => {
    const path = join(folder, 'uus-change')
    rmSync(path, { recursive: true, force: true })
    const publish = (debs: readonly Deb[]) =>
      writeSuite(web, key, 'change', 'bench', Buffer.from(debs.map((deb) => deb.stanza).join('\n')))
    publish(suite.debs)
    const channels = `{testing: {from: upstream}, approved: {from: testing, compression: ${compression}}}`
    await using server = await BenchServer.start({
      folder: path,
      uri: `${web.url}/change`,
      suite: 'bench',
      component: 'main',
      keyring: key.keyring,
      channels,
    })
    const news = suite.debs.map((deb, number) =>
      number % 10 === 5 ? writeDeb(join(folder, 'news'), number, '1.5') : deb,
    )
    const who = `uus, ${compression.slice(1, -1).replace(', ', ' + ')}`
    const lines: (Line & { changed: number })[] = []
    for (const [changed, debs] of suite.changed) {
      const byName = new Map(debs.map((deb) => [deb.name, deb]))
      publish(news.map((deb) => byName.get(deb.name) ?? deb))
      await server.call('update')
      const selectors = debs.map((deb) => deb.name)
      const measured = await server.measure(() =>
        changed === 0 ? server.call('update') : server.call('promote', { selectors }),
      )
      lines.push({ changed, who, ...measured, ...(changed === 0 ? { note: 'nothing new upstream' } : {}) })
    }
    return lines
  }
}

const aptly: Measure = async (_web, key, folder, suite) => {
  if (!hasProgram('aptly')) return []
  const path = join(folder, 'aptly-change')
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  const config = join(path, 'aptly.conf')
  writeFileSync(config, JSON.stringify({ rootDir: path, gpgProvider: 'gpg2', skipContentsPublishing: true }))
  const env = { GNUPGHOME: key.home }
  const run = (...arguments_: string[]) =>
    measureCommand(['aptly', `-config=${config}`, ...arguments_], { env })
  const flags = ['-batch', `-gpg-key=${key.id}`, '-skip-contents']
  await run('repo', 'create', 'bench')
  await run('repo', 'add', 'bench', suite.folder)
  await run('snapshot', 'create', 's0', 'from', 'repo', 'bench')
  await run(
    'publish',
    'snapshot',
    ...flags,
    '-distribution=bench',
    '-architectures=amd64',
    '-acquire-by-hash',
    's0',
  )
  const lines: (Line & { changed: number })[] = []
  for (const [changed, debs] of suite.changed) {
    if (debs.length > 0) {
      for (let at = 0; at < debs.length; at += 200) {
        const some = debs.slice(at, at + 200)
        await run('repo', 'remove', 'bench', some.map((deb) => `Name (= ${deb.name})`).join(' | '))
      }
      await run('repo', 'add', 'bench', join(folder, `new-${suite.size}-${changed}`))
    }
    await run('snapshot', 'create', `s-${changed}-1`, 'from', 'repo', 'bench')
    const measured = await run('publish', 'switch', ...flags, 'bench', `s-${changed}-1`)
    lines.push({ changed, who: 'aptly', ...measured, note: 'gz + bz2; publish switch' })
  }
  return lines
}

const reprepro: Measure = async (_web, key, folder, suite) => {
  if (!hasProgram('reprepro')) return []
  const path = join(folder, 'reprepro-change')
  rmSync(path, { recursive: true, force: true })
  mkdirSync(join(path, 'conf'), { recursive: true })
  writeFileSync(
    join(path, 'conf', 'distributions'),
    `Codename: bench\nArchitectures: amd64\nComponents: main\nDebIndices: Packages Release . .gz\nSignWith: ${key.id}\n`,
  )
  const env = { GNUPGHOME: key.home }
  const include = async (debs: readonly Deb[], pool: string) => {
    for (let at = 0; at < debs.length; at += 4000) {
      const files = debs.slice(at, at + 4000).map((deb) => join(pool, deb.path))
      await measureCommand(
        ['reprepro', '-b', path, '--export=never', '--silent', 'includedeb', 'bench', ...files],
        { env },
      )
    }
  }
  await include(suite.debs, suite.folder)
  await measureCommand(['reprepro', '-b', path, 'export', 'bench'], { env })
  const lines: (Line & { changed: number })[] = []
  for (const [changed, debs] of suite.changed) {
    await include(debs, join(folder, `new-${suite.size}-${changed}`))
    const measured = await measureCommand(['reprepro', '-b', path, 'export', 'bench'], { env })
    lines.push({ changed, who: 'reprepro', ...measured, note: 'gz; export' })
  }
  return lines
}

const ftparchive: Measure = async (_web, key, folder, suite) => {
  if (!hasProgram('apt-ftparchive')) return []
  const path = join(folder, 'ftparchive')
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  symlinkSync(join(suite.folder, 'pool'), join(path, 'pool'))
  const gpg = `gpg --homedir ${key.home} --batch --yes --pinentry-mode loopback --passphrase ''`
  const script = `set -e; cd ${path}; apt-ftparchive -d cache.db packages pool > Packages; gzip -6kf Packages
apt-ftparchive -o APT::FTPArchive::Release::Codename=bench release . > Release.new; mv Release.new Release; ${gpg} --clearsign --output InRelease Release`
  await measureCommand(['sh', '-c', script])
  const lines: (Line & { changed: number })[] = []
  for (const [changed, debs] of suite.changed) {
    const added = debs.map((deb) => ({
      from: join(folder, `new-${suite.size}-${changed}`, deb.path),
      to: join(suite.folder, deb.path),
    }))
    for (const { from, to } of added) copyFileSync(from, to)
    const measured = await measureCommand(['sh', '-c', script])
    for (const { to } of added) rmSync(to)
    lines.push({ changed, who: 'apt-ftparchive', ...measured, note: 'gz; warm cache, old versions stay' })
  }
  return lines
}
