// Stock apt goes back in time: `apt --snapshot`, which is in apt since 2.7, on the very entry that a channel hands out.
//
// This host's apt may be older, so the client is a system of a newer release, made by mmdebstrap from this host's real
// upstream through a channel of ours: that is a proof of its own. It has apt, dpkg and their libraries, unpacked and not
// configured, which is all that apt needs to run in a chroot.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import type { UpdateResult } from '../src/actions/update.ts'
import type { ArchiveConfig } from '../src/config/archives.ts'
import { FakeArchive } from './rig/archive.ts'
import { hour } from './rig/clock.ts'
import { packages } from './rig/packages.ts'
import { needs, needsRoot, type RunResult, run } from './rig/programs.ts'
import { Relay } from './rig/relay.ts'
import { TestServer } from './rig/server.ts'
import { hasSuite, hostArchives, hostConfig } from './rig/upstream.ts'

/** Releases whose apt has `--snapshot`. */
const suites = ['trixie', 'noble']

/** An archive of this host that has one of them. */
async function findSystem(): Promise<{ archive: ArchiveConfig; suite: string } | null> {
  const configText = await hostConfig()
  for (const archive of configText === null ? [] : hostArchives(configText))
    for (const suite of suites) if (await hasSuite(archive, suite)) return { archive, suite }
  return null
}

const found = await findSystem()
const skip =
  found === null
    ? `no upstream of this host with ${suites.join(' or ')} can be reached`
    : needsRoot().skip || needs('mmdebstrap', 'chroot').skip

let archive: FakeArchive
let server: TestServer
/** Its address is the base-url, so that Release files can name it. */
let relay: Relay
let root: string
/** Ids of the snapshots in which the channel showed the old and the new version. */
let old: string
let present: string

const versions = (version: string) => ({
  components: { main: { amd64: packages(`app ${version}`, `other ${version}`) } },
})

async function update(): Promise<void> {
  const { items } = await server.call<UpdateResult>('update')
  for (const { archive: name, suite, error } of items)
    if (error !== null) throw new Error(`${name}/${suite}: ${error.message}`)
}

async function newest(): Promise<string> {
  const { items } = await server.json<{ items: { id: string }[] }>('snapshot', 'list', 'approved')
  return items[0]!.id
}

before(async () => {
  if (skip !== false) return
  archive = await FakeArchive.start()
  await archive.publish('stable', { ...versions('1.0'), date: Date.now() - 3 * hour })
  relay = await Relay.start()
  server = await TestServer.start({ configText: configText(found!) })
  relay.target = server.url
  await update()
  old = await newest()
  await archive.publish('stable', { ...versions('2.0'), date: Date.now() - 2 * hour })
  await update()
  await server.call('promote', { selectors: ['app'] })
  present = await newest()
  root = await makeSystem()
})
after(async () => {
  if (root !== undefined) rmSync(root, { recursive: true, force: true })
  await server?.[Symbol.asyncDispose]()
  await relay?.[Symbol.asyncDispose]()
  await archive?.[Symbol.asyncDispose]()
})

function configText(system: NonNullable<typeof found>): string {
  const { uris, keyringFiles } = system.archive
  return `data: data
listen: 127.0.0.1:0
base-url: ${relay.url}
archives:
  - {name: system, uris: "${uris[0]!.uri}", suites: ${system.suite}, components: main, architectures: amd64,
     signed-by: [${keyringFiles.join(', ')}], indexes: [packages]}
  - {name: test, uris: "${archive.url}", suites: stable, components: main, architectures: amd64,
     signed-by: ${archive.keyring}}
channels: {testing: {from: upstream}, approved: {from: testing}}
`
}

/** A system of the newer release, through the channel: its apt checks our signature on the way. */
async function makeSystem(): Promise<string> {
  const path = mkdtempSync(join(tmpdir(), 'uus-system-'))
  const keyring = join(server.folder, 'approved.gpg')
  writeFileSync(keyring, await server.bytes('/keys/approved.gpg'))
  const made = await run('mmdebstrap', [
    '--mode=root',
    '--variant=extract',
    '--include=apt,dpkg',
    '--architectures=amd64',
    '--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr',
    `--keyring=${keyring}`,
    found!.suite,
    path,
    `deb ${server.url}/approved/system ${found!.suite} main`,
  ])
  assert.equal(made.status, 0, made.output)
  rmSync(join(path, 'etc/apt/sources.list'))
  writeFileSync(
    join(path, 'etc/apt/apt.conf.d/test'),
    'APT::Sandbox::User "root";\nAcquire::Languages "none";\n',
  )
  writeFileSync(join(path, 'var/lib/dpkg/status'), '')
  return path
}

function apt(program: 'apt-get' | 'apt-cache' | 'apt', ...arguments_: string[]): Promise<RunResult> {
  return run('chroot', [root, program, ...arguments_], { env: { PATH: process.env.PATH, LC_ALL: 'C' } })
}

/** `apt-get update`, with not a word of complaint. */
async function mustUpdate(...options: string[]): Promise<void> {
  const { status, output } = await apt('apt-get', 'update', ...options)
  assert.equal(status, 0, output)
  assert.doesNotMatch(output, /^(W|E|N|Warning|Error|Notice):/m)
}

async function candidate(...options: string[]): Promise<string | undefined> {
  return /Candidate: (.*)/.exec((await apt('apt-cache', 'policy', 'app', ...options)).stdout)?.[1]
}

async function useSources(query: string): Promise<void> {
  const text = await server.text(`/approved.sources?release=stable${query}`)
  assert.match(text, /^Valid-Until-Max: \d+$/m)
  writeFileSync(join(root, 'etc/apt/sources.list.d/uus.sources'), text)
}

beforeEach(() => {
  if (skip !== false) return
  rmSync(join(root, 'var/lib/apt/lists'), { recursive: true, force: true })
  rmSync(join(root, 'etc/apt/apt.conf.d/uus'), { force: true })
  relay.takePaths()
})

test('the system that was made through a channel has an apt that knows snapshots', { skip }, async () => {
  const { stdout } = await apt('apt-get', '--version')
  assert.match(stdout, /^apt (2\.[7-9]|[3-9]\.)/, stdout)
})

test('apt --snapshot shows, and installs, what the channel had', { skip }, async () => {
  await useSources('')
  await mustUpdate()
  assert.equal(await candidate(), '2.0')
  const snapshot = `--snapshot=${old}`
  await mustUpdate(snapshot)
  assert.equal(await candidate(snapshot), '1.0')
  const installed = await apt('apt-get', 'install', '--download-only', '-y', snapshot, 'app')
  assert.equal(installed.status, 0, installed.output)
  const file = readFileSync(join(root, 'var/cache/apt/archives/app_1.0_amd64.deb'))
  assert.deepEqual(file, packages('app 1.0')[0]!.file)
  assert.ok(relay.takePaths().some((path) => path.startsWith(`/snapshots/approved/${old}/test/pool/`)))
  await mustUpdate()
  assert.equal(await candidate(), '2.0', 'without the option it is the present again')
})

test('any time will do, but for those of which nothing is known', { skip }, async () => {
  await useSources('')
  await mustUpdate()
  const between = idBefore(present)
  assert.ok(between >= old)
  await mustUpdate('-S', between)
  assert.equal(await candidate('-S', between), '1.0')
  await mustUpdate('-S', present)
  assert.equal(await candidate('-S', present), '2.0')
  for (const time of ['20200101T000000Z', '20990101T000000Z', 'yesterday']) {
    const { status, output } = await apt('apt-get', 'update', '-S', time)
    assert.equal(status, 100, output)
    assert.match(output, /404 {2}Not Found/)
  }
})

/** A second before that of a snapshot. */
function idBefore(id: string): string {
  const iso = id.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z')
  return new Date(Date.parse(iso) - 1000).toISOString().replace(/[-:]|\.\d+/g, '')
}

test('an entry that is pinned to a snapshot needs no option, and stays there', { skip }, async () => {
  await useSources(`&snapshot=${old}`)
  await mustUpdate()
  assert.equal(await candidate(), '1.0')
  const { status, output } = await apt('apt-get', 'install', '--download-only', '-y', 'other')
  assert.equal(status, 0, output)
  assert.ok(relay.takePaths().every((path) => path.startsWith(`/snapshots/approved/${old}/test/`)))
})

test('with the snippet for apt.conf, the very first update of a machine can be of the past', {
  skip,
}, async () => {
  await useSources('')
  writeFileSync(join(root, 'etc/apt/apt.conf.d/uus'), await server.text('/approved.conf'))
  await mustUpdate('-S', old)
  assert.equal(await candidate('-S', old), '1.0')
})

test("a slave's clients are led to its own snapshots", { skip }, async () => {
  await useSources('')
  await using slave = await Relay.start()
  slave.target = server.url
  const conf = await server.text('/approved.conf')
  writeFileSync(join(root, 'etc/apt/apt.conf.d/uus'), conf.replaceAll(relay.url, slave.url))
  await mustUpdate()
  await mustUpdate('-S', old)
  assert.equal(await candidate('-S', old), '1.0')
  assert.ok(slave.takePaths().some((path) => path.includes(`/${old}/`)))
  assert.ok(!relay.takePaths().some((path) => path.includes('/snapshots/')))
})
