// Jim's own software on a few hundred servers: from his build to a machine of each channel, by uus add and by dput.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AddResult } from '../src/actions/add.ts'
import type { PromoteResult } from '../src/actions/promote.ts'
import { AptRoot } from './rig/apt.ts'
import { FakeArchive } from './rig/archive.ts'
import { packages } from './rig/packages.ts'
import { needs, type RunResult, run } from './rig/programs.ts'
import { TestServer } from './rig/server.ts'
import { suite } from './rig/story.ts'
import { anUpload, changesText, type Upload } from './rig/uploads.ts'

/** Jim's desk: his builds, his key, and where dput sends them. */
class Desk implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'uus-jim-'))
  readonly keyring = join(this.folder, 'jim.gpg')

  static async furnish(): Promise<Desk> {
    const desk = new Desk()
    mkdirSync(desk.#home, { mode: 0o700 })
    await desk.#gpg(
      '--passphrase',
      '',
      '--quick-gen-key',
      'Jim <jim@example.org>',
      'ed25519',
      'sign',
      'never',
    )
    await desk.#gpg('--output', desk.keyring, '--export')
    return desk
  }

  get #home(): string {
    return join(this.folder, 'gnupg')
  }

  async #gpg(...arguments_: string[]): Promise<void> {
    const { status, output } = await run('gpg', ['--batch', '--yes', '--homedir', this.#home, ...arguments_])
    assert.equal(status, 0, output)
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  build({ name, bytes }: Upload): string {
    writeFileSync(this.path(name), bytes)
    return this.path(name)
  }

  /** A .changes of one package, signed; its path. */
  async sign(upload: Upload, source: string, version: string): Promise<string> {
    const file = this.path(`${source}_${version}_amd64.changes`)
    this.build(upload)
    writeFileSync(`${file}.plain`, changesText([upload], source, version))
    await this.#gpg('--output', file, '--clearsign', `${file}.plain`)
    return file
  }

  /** `force`: send what its own log says was sent. */
  dput(server: TestServer, changes: string, force = false): Promise<RunResult> {
    const config = this.path('dput.cf')
    writeFileSync(
      config,
      `[uus]
fqdn = ${new URL(server.url).host}
method = http
incoming = /upload/testing/local
login = *
allow_unsigned_uploads = 0
progress_indicator = 0
run_lintian = 0
`,
    )
    const flags = ['-c', config, '-u', ...(force ? ['-f'] : []), 'uus', changes]
    const env = { PATH: process.env.PATH, HOME: this.folder, LC_ALL: 'C', no_proxy: '*' }
    return run('dput', flags, { env, cwd: this.folder })
  }

  /** Its package conflicts with that of dput: unpacked here, where it looks for its own files in skel/. */
  async unpackDputNg(): Promise<string | null> {
    const folder = this.path('dput-ng')
    mkdirSync(folder)
    const got = await run('apt-get', ['download', 'dput-ng', 'python3-dput'], { cwd: folder })
    if (got.status !== 0) return null
    for (const deb of readdirSync(folder)) {
      const { status, output } = await run('dpkg-deb', ['-x', join(folder, deb), folder])
      assert.equal(status, 0, output)
    }
    cpSync(join(folder, 'usr/share/dput-ng'), this.path('skel'), { recursive: true })
    for (const part of ['profiles', 'metas'])
      cpSync(join(folder, 'etc/dput.d', part), this.path(`skel/${part}`), { recursive: true })
    return folder
  }

  dputNg(server: TestServer, folder: string, changes: string): Promise<RunResult> {
    const profile = { fqdn: new URL(server.url).host, method: 'http', incoming: '/upload/testing/local' }
    const file = this.path('skel/profiles/uus.json')
    writeFileSync(file, JSON.stringify({ ...profile, hooks: ['checksum'], allow_dcut: false, meta: null }))
    const env = {
      PATH: process.env.PATH,
      HOME: this.folder,
      LC_ALL: 'C',
      no_proxy: '*',
      PYTHONPATH: join(folder, 'usr/lib/python3/dist-packages'),
    }
    const program = join(folder, 'usr/bin/dput')
    return run('/usr/bin/python3', [program, 'uus', changes], { env, cwd: this.folder })
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

test(
  'Jim is told of an unmet dependency, mends it, and the next version follows by dput',
  needs('apt-get', 'dpkg-deb', 'dput', 'gpg'),
  async () => {
    using desk = await Desk.furnish()
    await using archive = await FakeArchive.start()
    await archive.publish('stable', suite(packages('base 1'), { date: Date.now() - 3_600_000 }))
    await using server = await TestServer.start({
      archives: [{ archive, more: ['release: stable'] }],
      local: [
        `{name: local, local: true, suites: [stable], architectures: [amd64], keyring: ${desk.keyring}}`,
      ],
    })
    await server.json('update')
    using stack = new DisposableStack()
    const machine = async (channel: string) => {
      const apt = stack.use(new AptRoot())
      apt.setSources(await server.text(`/${channel}.sources`))
      await apt.update()
      return apt
    }

    const broken = desk.build(await anUpload('tool', '1.0', { Depends: 'base, tool-data (>= 1)' }))
    const first = await server.json<AddResult>('add', broken, '--archive', 'local', '--suite', 'stable')
    assert.match(first.warnings.join(), /Cannot be installed from testing: .*tool-data/)
    assert.match(
      (await (await machine('testing')).get('install', '--download-only', 'tool')).output,
      /tool-data/,
    )

    const mended = await anUpload('tool', '1.1', { Depends: 'base' })
    const told = await server.uus('add', desk.build(mended), '--archive', 'local', '--suite', 'stable')
    assert.equal(told.status, 0, told.output)
    assert.equal(told.stdout, 'tool 1.1 amd64 is in local/stable main.\ntesting has it.\n')
    const again = await server.uus('add', desk.path(mended.name), '--archive', 'local', '--suite', 'stable')
    assert.equal(again.status, 4, again.output)

    const tester = await machine('testing')
    assert.deepEqual(await tester.download('base', 'tool'), ['base 1', 'tool 1.1'])
    assert.deepEqual(readFileSync(tester.archive('tool_1.1_amd64.deb')), mended.bytes)
    assert.equal(await (await machine('approved')).candidate('tool'), null)
    assert.equal((await server.json<PromoteResult>('promote', 'tool')).status, 'done')
    assert.equal(await (await machine('approved')).candidate('tool'), '1.1')

    const old = await desk.sign(await anUpload('tool', '1.2', { Depends: 'base' }), 'tool', '1.2')
    await sends(desk.dput(server, old))
    assert.equal(await (await machine('testing')).candidate('tool'), '1.2')
    assert.equal(await (await machine('approved')).candidate('tool'), '1.1', 'it waits')
    await sends(
      desk.dput(server, await desk.sign(await anUpload('tool', '1.3', { Depends: 'base' }), 'tool', '1.3')),
    )

    const replayed = await desk.dput(server, old, true)
    assert.notEqual(replayed.status, 0)
    assert.match(replayed.output, /409/)
    assert.equal(await (await machine('testing')).candidate('tool'), '1.3')
    // From another desk on the server, by name: the .changes brings its files along.
    const refused = await server.uus('add', old, '--archive', 'local')
    assert.match(refused.output, /tool_1.2_amd64.changes was accepted on .*, and counts once/)
  },
)

test('dput-ng uploads as well', needs('apt-get', 'dpkg-deb', 'gpg'), async (t) => {
  using desk = await Desk.furnish()
  const dputNg = await desk.unpackDputNg()
  if (dputNg === null) return t.skip('no upstream of this host has dput-ng')
  await using archive = await FakeArchive.start()
  await archive.publish('stable', suite(packages('base 1'), { date: Date.now() - 3_600_000 }))
  await using server = await TestServer.start({
    archives: [{ archive, more: ['release: stable'] }],
    local: [`{name: local, local: true, suites: [stable], architectures: [amd64], keyring: ${desk.keyring}}`],
  })
  await server.json('update')
  const changes = await desk.sign(await anUpload('tool', '1.0', { Depends: 'base' }), 'tool', '1.0')
  const sent = await desk.dputNg(server, dputNg, changes)
  assert.equal(sent.status, 0, sent.output)
  using apt = new AptRoot()
  apt.setSources(await server.text('/testing.sources'))
  await apt.update()
  assert.equal(await apt.candidate('tool'), '1.0')
  rmSync(desk.path('tool_1.0_amd64.uus.upload'), { force: true })
  const again = await desk.dputNg(server, dputNg, changes)
  assert.notEqual(again.status, 0)
  assert.match(again.output, /409|was accepted/)
})

async function sends(sent: Promise<RunResult>): Promise<void> {
  const { status, output } = await sent
  assert.equal(status, 0, output)
  assert.match(output, /Successfully uploaded packages/)
}
