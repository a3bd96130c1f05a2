// Publishing a full suite for the first time: rendered, packed, hashed, signed.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Deb, writeDeb } from '../debs.ts'
import { hasProgram, type Measured, measureCommand } from '../measure.ts'
import type { Line, Section } from '../report.ts'
import { type GpgKey, type WebServer, writeSuite } from '../upstream.ts'
import { firstRun } from '../uus.ts'

export async function publishRow(
  server: WebServer,
  key: GpgKey,
  folder: string,
  count: number,
): Promise<Section> {
  const pool = join(folder, 'debs')
  const debs = Array.from({ length: count }, (_, number) => writeDeb(pool, number, '1.0'))
  const packages = Buffer.from(debs.map((deb) => deb.stanza).join('\n'))
  writeSuite(server, key, 'made', 'bench', packages)
  const lines: Line[] = [
    { who: 'uus, gz', ...(await ours(server, key, folder, '[gz]')) },
    { who: 'uus, gz + xz', ...(await ours(server, key, folder, '[gz, xz]')) },
    {
      who: 'floor, gz',
      ...(await floor(key, folder, packages)),
      note: 'gzip -6, sha256sum, gpg --clearsign',
    },
  ]
  if (hasProgram('aptly'))
    lines.push({
      who: 'aptly',
      ...(await aptly(key, folder, pool)),
      note: 'gz + bz2; the packages were added before',
    })
  if (hasProgram('reprepro'))
    lines.push({
      who: 'reprepro',
      ...(await reprepro(key, folder, debs, pool)),
      note: 'gz; the packages were included before',
    })
  return {
    title: `Publish a full suite, first time, signed, by-hash: ${count} packages, ${(packages.length / 1e6).toFixed(1)} MB`,
    budget: 'at 60,000: gz ≤ 1.5 s, gz + xz ≤ 6 s',
    lines,
  }
}

async function ours(server: WebServer, key: GpgKey, folder: string, compression: string): Promise<Measured> {
  const all: Measured[] = []
  for (let run = 0; run < 3; run++) {
    const path = join(folder, 'uus-publish')
    rmSync(path, { recursive: true, force: true })
    const options = {
      folder: path,
      uri: `${server.url}/made`,
      suite: 'bench',
      component: 'main',
      keyring: key.keyring,
    }
    all.push((await firstRun({ ...options, compression })).publish)
  }
  all.sort((a, b) => a.wallSeconds - b.wallSeconds)
  return all[1]!
}

function floor(key: GpgKey, folder: string, packages: Buffer): Promise<Measured> {
  const path = join(folder, 'Packages')
  writeFileSync(path, packages)
  const gpg = `gpg --homedir ${key.home} --batch --yes --pinentry-mode loopback --passphrase ''`
  const script = `set -e; cd ${folder}; gzip -6kf Packages; sha256sum Packages Packages.gz > sums; ${gpg} --clearsign --output InRelease sums`
  return measureCommand(['sh', '-c', script])
}

async function aptly(key: GpgKey, folder: string, pool: string): Promise<Measured> {
  const path = join(folder, 'aptly-publish')
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  const config = join(path, 'aptly.conf')
  writeFileSync(config, JSON.stringify({ rootDir: path, gpgProvider: 'gpg2', skipContentsPublishing: true }))
  const env = { GNUPGHOME: key.home }
  const run = (...arguments_: string[]) =>
    measureCommand(['aptly', `-config=${config}`, ...arguments_], { env })
  await run('repo', 'create', 'bench')
  await run('repo', 'add', 'bench', pool)
  return run(
    'publish',
    'repo',
    '-batch',
    `-gpg-key=${key.id}`,
    '-distribution=bench',
    '-architectures=amd64',
    '-acquire-by-hash',
    '-skip-contents',
    'bench',
  )
}

async function reprepro(key: GpgKey, folder: string, debs: readonly Deb[], pool: string): Promise<Measured> {
  const path = join(folder, 'reprepro-publish')
  rmSync(path, { recursive: true, force: true })
  mkdirSync(join(path, 'conf'), { recursive: true })
  writeFileSync(
    join(path, 'conf', 'distributions'),
    `Codename: bench\nArchitectures: amd64\nComponents: main\nDebIndices: Packages Release . .gz\nSignWith: ${key.id}\n`,
  )
  const env = { GNUPGHOME: key.home }
  const batch = 4000
  for (let at = 0; at < debs.length; at += batch) {
    const files = debs.slice(at, at + batch).map((deb) => join(pool, deb.path))
    await measureCommand(
      ['reprepro', '-b', path, '--export=never', '--silent', 'includedeb', 'bench', ...files],
      { env },
    )
  }
  return measureCommand(['reprepro', '-b', path, 'export', 'bench'], { env })
}
