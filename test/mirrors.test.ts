// Programs that mirror archives, or make systems from them, take a channel and a snapshot of ours for one: each checks our
// signature, and ends up with exactly what the channel shows.
//
// The archive is made: what these programs do with an index does not depend on whose packages it names, and so all of
// them together take seconds and need no upstream. The packages are real .debs, because some of the programs open them.
// A system made from a real archive through a channel is in apt-snapshot.test.ts.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { aDeb } from './rig/debs.ts'
import { aSource } from './rig/indexes.ts'
import type { BuiltPackage } from './rig/packages.ts'
import { needs, needsRoot, type RunResult, run } from './rig/programs.ts'
import { Relay } from './rig/relay.ts'
import { Serving } from './rig/serving.ts'

const essential = { priority: 'required', more: 'Essential: yes\n' }
const oldState = [
  await aDeb({ name: 'base-files', version: '12', ...essential }),
  await aDeb({ name: 'libc6', version: '2.36-9', priority: 'required' }),
  await aDeb({ name: 'dpkg', version: '1.21', depends: 'libc6', ...essential }),
  await aDeb({ name: 'apt', version: '2.6.1', depends: 'libstdc++6, libc6', priority: 'important' }),
  await aDeb({ name: 'libstdc++6', version: '1:12.2.0~rc1-14' }),
  await aDeb({ name: 'doc', version: '1.0', architecture: 'all' }),
]
const promoted = await aDeb({
  name: 'apt',
  version: '2.6.2',
  depends: 'libstdc++6, libc6',
  priority: 'important',
})
const newState = oldState.map((one) => (one.spec.name === 'apt' ? promoted : one))
// Upstream has these; the channel does not.
const waiting = [
  await aDeb({ name: 'doc', version: '2.0', architecture: 'all' }),
  await aDeb({ name: 'extra', version: '1' }),
]

interface Place {
  readonly what: string
  readonly state: readonly BuiltPackage[]
  /** Of the archive, without a slash at the end. */
  readonly url: () => string
}

let serving: Serving
let folder: string
let snapshot: string
let relay: Relay

const places: readonly Place[] = [
  { what: 'a channel', state: newState, url: () => `${serving.server.url}/approved/test` },
  {
    what: 'a snapshot',
    state: oldState,
    url: () => `${serving.server.url}/snapshots/approved/${snapshot}/test`,
  },
]

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'uus-mirrors-'))
  const channels = { testing: '{from: upstream}', approved: '{from: testing, compression: [gz, xz]}' }
  serving = await Serving.start(oldState, { channels })
  const { items } = await serving.server.json<{ items: { id: string }[] }>('snapshot', 'list', 'approved')
  snapshot = items[0]!.id
  relay = await Relay.start()
  relay.target = serving.server.url
  await serving.offer([...newState.filter(({ spec }) => spec.name !== 'doc'), ...waiting])
  await serving.server.call('promote', { selectors: ['apt'] })
  for (const channel of ['testing', 'approved'])
    writeFileSync(join(folder, `${channel}.gpg`), await serving.server.bytes(`/keys/${channel}.gpg`))
})
after(async () => {
  await relay[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
  await serving[Symbol.asyncDispose]()
})

function fresh(name: string): string {
  const path = mkdtempSync(join(folder, `${name}-`))
  mkdirSync(join(path, 'home'), { mode: 0o700 })
  return path
}

/** A program with a home of its own, and a keyring: the channel's, or that of another channel. */
interface Run {
  readonly path: string
  readonly place: Place
  readonly keyring: string
  (program: string, ...arguments_: string[]): Promise<RunResult>
}

function runIn(path: string, place: Place, keyring: string): Run {
  const env = { PATH: process.env.PATH, HOME: join(path, 'home'), LC_ALL: 'C', GNUPGHOME: join(path, 'home') }
  const runner = (program: string, ...arguments_: string[]) => run(program, arguments_, { env, cwd: path })
  return Object.assign(runner, { path, place, keyring })
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** SHA-256 and size of all files below a folder whose name is like that, sorted. */
function filesBelow(path: string, name: RegExp): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => digest(readFileSync(join(entry.parentPath, entry.name))))
    .sort()
}

const debsOf = (state: readonly BuiltPackage[]) => state.map((one) => digest(one.file)).sort()
const sourcesOf = (state: readonly BuiltPackage[]) =>
  state.flatMap(({ spec }) => [...aSource(spec.name, spec.version).files.values()].map(digest)).sort()
const namesOf = (state: readonly BuiltPackage[]) =>
  state.map(({ spec }) => `${spec.name} ${spec.version} ${spec.architecture ?? 'amd64'}`).sort()

function mustRun({ status, output }: RunResult, what: string): void {
  assert.equal(status, 0, `${what}:\n${output}`)
}

/**
 * A program reads both places with the channel's key, and is refused with that of another channel: a check that
 * accepts everything would not be one.
 */
function mirrors(
  program: string,
  also: readonly string[],
  mirror: (run: Run) => Promise<RunResult>,
  compare: (run: Run, state: readonly BuiltPackage[]) => Promise<void> | void,
  options: { readonly asRoot?: boolean; readonly isUnchecked?: boolean } = {},
): void {
  const needed = needs(program, ...also).skip || (options.asRoot ? needsRoot().skip : false)
  for (const place of places) {
    test(`${program} reads ${place.what}`, { skip: needed }, async () => {
      const good = runIn(fresh(program), place, join(folder, 'approved.gpg'))
      mustRun(await mirror(good), program)
      await compare(good, place.state)
      if (options.isUnchecked) return
      const bad = await mirror(runIn(fresh(program), place, join(folder, 'testing.gpg')))
      assert.notEqual(bad.status, 0, `${program} takes a signature of another channel:\n${bad.output}`)
      assert.match(bad.output, /signature|signed by unknown key/i)
    })
  }
}

mirrors(
  'aptly',
  ['gpgv'],
  async (run) => {
    const config = join(run.path, 'aptly.conf')
    writeFileSync(config, JSON.stringify({ rootDir: run.path, gpgProvider: 'gpg' }))
    const aptly = (...words: string[]) => run('aptly', `-config=${config}`, ...words)
    const key = `-keyring=${run.keyring}`
    const created = await aptly(
      'mirror',
      'create',
      key,
      '-with-sources',
      '-architectures=amd64',
      'ours',
      run.place.url(),
      'stable',
      'main',
    )
    return created.status === 0 ? aptly('mirror', 'update', key, 'ours') : created
  },
  async (run, state) => {
    const shown = await run(
      'aptly',
      `-config=${join(run.path, 'aptly.conf')}`,
      'mirror',
      'show',
      '-with-packages',
      'ours',
    )
    const names = [...shown.stdout.matchAll(/^ {2}(\S+)_(\S+)_(\S+)$/gm)]
    assert.deepEqual(
      names
        .filter(([, , , architecture]) => architecture !== 'source')
        .map(([, ...parts]) => parts.join(' '))
        .sort(),
      namesOf(state),
    )
    assert.deepEqual(filesBelow(join(run.path, 'pool'), /\.deb$/), debsOf(state))
    assert.deepEqual(filesBelow(join(run.path, 'pool'), /\.(dsc|tar\.xz)$/), sourcesOf(state))
  },
)

mirrors(
  'debmirror',
  ['gpgv'],
  (run) => {
    const { host, pathname } = new URL(run.place.url())
    return run(
      'debmirror',
      `--host=${host}`,
      `--root=${pathname}`,
      '--method=http',
      '--dist=stable',
      '--section=main',
      '--arch=amd64',
      '--source',
      '--i18n',
      '--getcontents',
      '--checksums',
      '--rsync-extra=none',
      '--diff=none',
      `--keyring=${run.keyring}`,
      '--verbose',
      join(run.path, 'mirror'),
    )
  },
  (run, state) => {
    assert.deepEqual(filesBelow(join(run.path, 'mirror', 'pool'), /\.deb$/), debsOf(state))
    assert.deepEqual(filesBelow(join(run.path, 'mirror', 'pool'), /\.(dsc|tar\.xz)$/), sourcesOf(state))
  },
)

mirrors(
  'reprepro',
  ['gpg'],
  async (run) => {
    await run('gpg', '--batch', '--import', run.keyring)
    const keys = await run('gpg', '--batch', '--with-colons', '--list-keys')
    const ids = [...keys.stdout.matchAll(/^pub:(?:[^:]*:){3}([0-9A-F]{16}):/gm)].map(([, id]) => id!)
    mkdirSync(join(run.path, 'conf'))
    const shared = 'Architectures: amd64 source\nComponents: main\n'
    writeFileSync(join(run.path, 'conf', 'distributions'), `Codename: stable\n${shared}Update: ours\n`)
    writeFileSync(
      join(run.path, 'conf', 'updates'),
      `Name: ours\nMethod: ${run.place.url()}\nSuite: stable\n${shared}VerifyRelease: ${ids.join('|')}\n`,
    )
    return run('reprepro', '-b', run.path, 'update')
  },
  async (run, state) => {
    const list = await run('reprepro', '-b', run.path, '-A', 'amd64', 'list', 'stable')
    const listed = [...list.stdout.matchAll(/^stable\|main\|amd64: (.*)$/gm)].map(([, name]) => name!)
    const architectures = new Map(state.map(({ spec }) => [spec.name, spec.architecture ?? 'amd64']))
    const named = listed.map((name) => `${name} ${architectures.get(name.split(' ')[0]!)}`)
    assert.deepEqual(named.sort(), namesOf(state))
    assert.deepEqual(filesBelow(join(run.path, 'pool'), /\.deb$/), debsOf(state))
    assert.deepEqual(filesBelow(join(run.path, 'pool'), /\.(dsc|tar\.xz)$/), sourcesOf(state))
  },
)

mirrors(
  'apt-mirror',
  ['wget'],
  (run) => {
    const list = join(run.path, 'mirror.list')
    for (const name of ['mirror', 'skel', 'var']) mkdirSync(join(run.path, name))
    // It loses its way where a URL has a port.
    const url = `http://uus.example${new URL(run.place.url()).pathname}`
    const { host } = new URL(relay.url)
    const settings = {
      base_path: run.path,
      nthreads: 2,
      run_postmirror: 0,
      use_proxy: 'yes',
      http_proxy: host,
    }
    const lines = Object.entries(settings).map(([name, value]) => `set ${name} ${value}\n`)
    writeFileSync(list, `${lines.join('')}deb-amd64 ${url} stable main\ndeb-src ${url} stable main\n`)
    return run('apt-mirror', list)
  },
  (run, state) => {
    assert.deepEqual(filesBelow(join(run.path, 'mirror'), /\.deb$/), debsOf(state))
    assert.deepEqual(filesBelow(join(run.path, 'mirror'), /\.(dsc|tar\.xz)$/), sourcesOf(state))
  },
  // It checks no signatures at all.
  { isUnchecked: true },
)

// The required packages, apt, and what they need.
const base = ['base-files', 'libc6', 'dpkg', 'apt', 'libstdc++6']
const isBase = ({ spec }: BuiltPackage) => base.includes(spec.name)

mirrors(
  'debootstrap',
  ['gpgv', 'wget'],
  (run) =>
    run(
      'debootstrap',
      '--download-only',
      '--variant=minbase',
      '--arch=amd64',
      `--keyring=${run.keyring}`,
      '--force-check-gpg',
      'stable',
      join(run.path, 'system'),
      run.place.url(),
    ),
  (run, state) => {
    const found = filesBelow(join(run.path, 'system', 'var/cache/apt/archives'), /\.deb$/)
    assert.deepEqual(found, debsOf(state.filter(isBase)))
  },
  { asRoot: true },
)

mirrors(
  'mmdebstrap',
  ['gpgv'],
  (run) =>
    run(
      'mmdebstrap',
      '--mode=root',
      '--variant=extract',
      '--include=apt',
      '--architectures=amd64',
      `--keyring=${run.keyring}`,
      'stable',
      join(run.path, 'system'),
      `deb ${run.place.url()} stable main`,
    ),
  (run, state) => {
    const share = join(run.path, 'system', 'usr', 'share')
    const extracted = readdirSync(share).map((name) =>
      readFileSync(join(share, name, 'version'), 'utf8').trim(),
    )
    const expected = state.filter(({ spec }) => ['apt', 'libc6', 'libstdc++6'].includes(spec.name))
    assert.deepEqual(extracted.sort(), expected.map(({ spec }) => `${spec.name} ${spec.version}`).sort())
  },
  { asRoot: true },
)
