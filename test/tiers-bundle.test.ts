// A slave that no network reaches: what it serves came in files, each verified as if a hostile network had brought it.
import assert from 'node:assert/strict'
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ExportResult, ImportResult } from '../src/actions/bundles.ts'
import { sha256 } from '../src/lib/digest.ts'
import { listMembers } from '../src/lib/tar-file.ts'
import { aPackage, type BuiltPackage } from './rig/packages.ts'
import { needs, run } from './rig/programs.ts'
import { Serving } from './rig/serving.ts'
import { LocalSlave } from './rig/slave.ts'
import { served } from './rig/tiers.ts'

const inReleasePath = '/approved/test/dists/stable/InRelease'

function content(version: string): BuiltPackage[] {
  return Array.from({ length: 300 }, (_, index) =>
    aPackage({
      name: `package-${String(index).padStart(4, '0')}`,
      version: index % 60 === 0 ? version : '1.0',
      more: `X-Text: ${'words '.repeat(60)}\n`,
    }),
  )
}

interface Scene extends AsyncDisposable {
  readonly serving: Serving
  readonly slave: LocalSlave
  at(name: string): string
  promote(version: string): Promise<void>
  export(name: string, more?: Record<string, unknown>): Promise<ExportResult>
  import(name: string): Promise<ImportResult>
}

async function open(): Promise<Scene> {
  const serving = await Serving.start(content('1.1'))
  const slave = await LocalSlave.of(serving.server)
  await slave.relay.cut() // for good
  const folder = mkdtempSync(join(tmpdir(), 'uus-bundles-'))
  const at = (name: string) => join(folder, name)
  return {
    serving,
    slave,
    at,
    async promote(version) {
      await serving.offer(content(version))
      await serving.server.json('promote', '@all')
    },
    export: (name, more = {}) => serving.server.call('snapshot export', { file: at(name), ...more }),
    import: (name) => {
      slave.clock.advance(Math.max(0, Date.now() - slave.clock.now()))
      return slave.call('snapshot import', { file: at(name) })
    },
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true, force: true })
      await slave[Symbol.asyncDispose]()
      await serving[Symbol.asyncDispose]()
    },
  }
}

test(
  'everything in one file, then only what is new; both are plain tar, of the size that was said',
  needs('tar'),
  async () => {
    await using scene = await open()
    const { serving, slave } = scene
    const master = serving.server
    const planned = await scene.export('full.tar', { dryRun: true })
    const full = await scene.export('full.tar')
    assert.equal(full.packages, 900, 'each has a source of two files')
    assert.equal(statSync(scene.at('full.tar')).size, full.sizeBytes)
    assert.equal(planned.sizeBytes, full.sizeBytes)
    const listed = await run('tar', ['tf', scene.at('full.tar')])
    assert.equal(listed.status, 0, listed.output)
    assert.match(listed.stdout, /^uus-bundle\.json\nmanifest\ndocuments\//)

    assert.deepEqual(
      [(await scene.import('full.tar')).outcome, (await scene.import('full.tar')).outcome],
      ['new', 'unchanged'],
    )
    assert.equal(slave.inRelease(), await master.text(inReleasePath))
    await slave.check()
    // Its packages are here before anybody asks, and the master is not.
    for (const { file } of content('1.1').slice(0, 5)) {
      assert.ok(await slave.process.context.packages.has(sha256(file)))
    }

    const since = (await served(master))!
    await scene.promote('1.2')
    const news = await scene.export('news.tar', { since })
    assert.equal(news.packages, 15)
    assert.ok(news.sizeBytes < full.sizeBytes / 3, `${news.sizeBytes} of ${full.sizeBytes}`)
    assert.equal((await scene.import('news.tar')).packages, 15)
    assert.equal(slave.inRelease(), await master.text(inReleasePath))
    await slave.check()

    // An old one is refused, as over a network.
    await assert.rejects(scene.import('full.tar'), /is of .*, but one of .* is held/)
  },
)

test('a bundle of what the slave has not the beginning of says so; damaged and cut ones change nothing', async () => {
  await using scene = await open()
  const { serving, slave } = scene
  const since = (await served(serving.server))!
  await scene.promote('1.2')
  await scene.export('news.tar', { since })
  await assert.rejects(scene.import('news.tar'), /has only what is new since snapshot/)
  await scene.export('full.tar')
  const whole = readFileSync(scene.at('full.tar'))
  for (const share of [0.1, 0.5, 0.99]) {
    writeFileSync(scene.at('cut.tar'), whole.subarray(0, Math.floor(whole.length * share)))
    await assert.rejects(scene.import('cut.tar'), /its end is missing/)
  }
  const file = await openFile(scene.at('full.tar'))
  const { members } = await listMembers(file)
  await file.close()
  const kinds = new Map(members.slice(1).map((member) => [member.name.split('/')[0]!, member]))
  const right = await serving.server.text(inReleasePath)
  let refusals = 0
  for (const kind of ['packages', 'manifest', 'documents', 'ranges']) {
    const { start, sizeBytes } = kinds.get(kind)!
    for (const at of [start - 512, start, start + (sizeBytes >> 1), start + sizeBytes - 2]) {
      const bent = Buffer.from(whole)
      bent[at] = bent[at]! ^ 0x20
      writeFileSync(scene.at('bent.tar'), bent)
      const isTaken = await scene.import('bent.tar').then(
        () => true,
        () => false,
      )
      if (!isTaken) refusals++
      // Blocks that were right stay, so that in the end a bent one is not needed any more.
      if (kind !== 'ranges') assert.ok(!isTaken, `${kind} at ${at - start}`)
      assert.equal(slave.inRelease(), isTaken ? right : null)
    }
  }
  assert.ok(refusals >= 14)
  assert.ok(['new', 'unchanged'].includes((await scene.import('full.tar')).outcome))
  assert.equal(slave.inRelease(), await serving.server.text(inReleasePath))
  await slave.check()
})

test('an export that was cut off goes on where it was, and comes to the same bytes', async () => {
  await using scene = await open()
  await scene.export('whole.tar')
  const { size } = statSync(scene.at('whole.tar'))
  for (const share of [0, 0.3, 0.9]) {
    rmSync(scene.at('again.tar'), { force: true })
    copyFileSync(scene.at('whole.tar'), scene.at('again.tar.part'))
    truncateSync(scene.at('again.tar.part'), Math.floor(size * share))
    const { resumedBytes } = await scene.export('again.tar')
    assert.ok(resumedBytes <= size * share && resumedBytes > size * share - size / 3)
    assert.deepEqual(readFileSync(scene.at('again.tar')), readFileSync(scene.at('whole.tar')))
  }
  await assert.rejects(scene.export('again.tar'), /exists/)
})
