// Package files: one fetch for everyone, never a wrong byte, nothing kept of a failure.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { FakeArchive } from '../../test/rig/archive.ts'
import { sha256 } from '../lib/digest.ts'
import { RealDisk } from '../lib/disk.ts'
import { Blobs } from '../store/blobs.ts'
import { Fetcher } from './fetcher.ts'
import { Pool, type PoolReader } from './pool.ts'

const transport = { proxy: null, ca: null, clientCertificate: null, clientKey: null }
const body = Buffer.from('0123456789abcdef'.repeat(60_000))
const file = { sha256: sha256(body), sizeBytes: body.length }

interface Fixture extends AsyncDisposable {
  readonly archive: FakeArchive
  readonly blobs: Blobs
  readonly pool: Pool
  open(urls?: readonly string[]): Promise<PoolReader>
}

async function fixture(): Promise<Fixture> {
  const archive = await FakeArchive.start()
  archive.addFile('pool/x.deb', body)
  const folder = mkdtempSync(join(tmpdir(), 'uus-pool-'))
  const blobs = new Blobs(folder, new RealDisk())
  await blobs.prepare()
  const pool = new Pool(blobs)
  const fetcher = new Fetcher('test')
  return {
    archive,
    blobs,
    pool,
    open: (urls = [`${archive.url}/pool/x.deb`]) =>
      pool.open(file, urls, (url, sizeBytes) => fetcher.fetchStream(url, sizeBytes, { transport })),
    async [Symbol.asyncDispose]() {
      fetcher[Symbol.dispose]()
      await pool.idle()
      await archive[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true })
    },
  }
}

async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

async function isHere(fix: Fixture): Promise<boolean> {
  await using reader = await fix.open()
  return reader.isHit
}

const whole = (reader: PoolReader) => collect(reader.stream(0, body.length))

test('many readers of a cold file share one fetch; afterwards it is here', async () => {
  await using fix = await fixture()
  const readers = await Promise.all(Array.from({ length: 20 }, () => fix.open()))
  const bodies = await Promise.all(readers.map(whole))
  assert.ok(bodies.every((one) => one.equals(body)))
  assert.deepEqual(fix.archive.takeRequests(), ['GET pool/x.deb 200'])
  await fix.pool.idle()
  const warm = await fix.open()
  assert.equal(warm.isHit, true)
  assert.deepEqual(await collect(warm.stream(5, 25)), body.subarray(5, 25))
  assert.deepEqual(fix.archive.takeRequests(), [])
})

test('a late joiner gets what is there at once, and a range of it', async () => {
  await using fix = await fixture()
  const gate = Promise.withResolvers<void>()
  fix.archive.lie(/x.deb/, { type: 'pause', until: gate.promise })
  const first = await fix.open()
  await first.ready()
  const late = await fix.open()
  assert.deepEqual(
    await collect(late.stream(100, 200)),
    body.subarray(100, 200),
    'while the rest is under way',
  )
  const rest = whole(first)
  gate.resolve()
  assert.deepEqual(await rest, body)
  assert.equal(fix.archive.takeRequests().length, 1)
})

test('a reader that leaves does not end the fetch', async () => {
  await using fix = await fixture()
  const gate = Promise.withResolvers<void>()
  fix.archive.lie(/x.deb/, { type: 'pause', until: gate.promise })
  const reader = await fix.open()
  const stream = reader.stream(0, body.length)
  for await (const _chunk of stream) break
  gate.resolve()
  await fix.pool.idle()
  assert.ok(await isHere(fix))
})

for (const [what, lie] of [
  ['wrong bytes', { type: 'wrong-bytes' }],
  ['a cut connection', { type: 'truncate' }],
  ['a short file', { type: 'short' }],
] as const) {
  test(`${what} never complete a file, and nothing of them is kept`, async () => {
    await using fix = await fixture()
    fix.archive.lie(/x.deb/, lie, 1)
    const reader = await fix.open()
    let bytes = 0
    await assert.rejects(
      async () => {
        await reader.ready()
        for await (const chunk of reader.stream(0, body.length)) bytes += (chunk as Buffer).length
      },
      { code: /^UPSTREAM_(WRONG_BYTES|UNREACHABLE)$/ },
    )
    assert.ok(bytes < body.length)
    await fix.pool.idle()
    assert.equal(await fix.blobs.sizeOf(file.sha256), null)
    assert.deepEqual(await whole(await fix.open()), body, 'the next one who asks gets it')
  })
}

test('the next address is tried for those who have seen nothing yet', async () => {
  await using fix = await fixture()
  await using other = await FakeArchive.start()
  other.addFile('pool/x.deb', body)
  fix.archive.lie(/x.deb/, { type: 'status', status: 404 })
  const reader = await fix.open([`${fix.archive.url}/pool/x.deb`, `${other.url}/pool/x.deb`])
  await reader.ready()
  assert.deepEqual(await whole(reader), body)
})

test('a failure of every address is told to who waits and then forgotten', async () => {
  await using fix = await fixture()
  fix.archive.lie(/x.deb/, { type: 'status', status: 500, body: 'no' }, 1)
  const readers = await Promise.all([fix.open(), fix.open()])
  for (const reader of readers) await assert.rejects(reader.ready(), { code: 'UPSTREAM_STATUS' })
  await fix.pool.idle()
  const again = await fix.open()
  await again.ready()
  assert.deepEqual(await whole(again), body)
})

test('an empty file is a file', async () => {
  await using fix = await fixture()
  fix.archive.addFile('pool/empty.deb', Buffer.alloc(0))
  const empty = { sha256: sha256(''), sizeBytes: 0 }
  const fetcher = new Fetcher('test')
  const open = () =>
    fix.pool.open(empty, [`${fix.archive.url}/pool/empty.deb`], (url, size) =>
      fetcher.fetchStream(url, size, { transport }),
    )
  const reader = await open()
  await reader.ready()
  assert.equal((await collect(reader.stream(0, 0))).length, 0)
  await fix.pool.idle()
  await using again = await open()
  assert.equal(again.isHit, true)
  fetcher[Symbol.dispose]()
})
