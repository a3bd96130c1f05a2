// Package files: one fetch for everyone, never a wrong byte, nothing fetched twice.
import assert from 'node:assert/strict'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeArchive } from '../../test/rig/archive.ts'
import { aBody, fileOf, PoolRig, readAll } from '../../test/rig/pool.ts'
import { RealDisk } from '../lib/disk.ts'
import type { PoolReader } from './pool.ts'

const path = 'pool/x.deb'
const body = aBody(4_000_000)
const file = fileOf(body)

async function rigged(options?: Parameters<typeof PoolRig.open>[0]): Promise<PoolRig> {
  const rig = await PoolRig.open(options)
  rig.archive.addFile(path, body)
  return rig
}

const whole = (reader: PoolReader) => readAll(reader, 0, body.length)

/** Upstream halts in the middle of the body until told. */
function pause(archive: FakeArchive, times = 1): () => void {
  const gate = Promise.withResolvers<void>()
  archive.lie(/x.deb/, { type: 'pause', until: gate.promise }, times)
  return gate.resolve
}

/** Reads all that can come before the pause. */
async function readHalf(reader: PoolReader): Promise<void> {
  for (let at = 0; at < body.length / 2; ) {
    const piece = await reader.read(at, body.length / 2, 64 << 10)
    at += piece.sizeBytes
    piece.release()
  }
}

async function outcomeNow(rig: PoolRig): Promise<string> {
  const reader = await rig.open(file, path)
  reader.close()
  return reader.outcome
}

test('many readers of a cold file share one fetch; afterwards it is here', async () => {
  await using rig = await rigged()
  const readers = await Promise.all(Array.from({ length: 20 }, () => rig.open(file, path)))
  assert.deepEqual(readers.map((reader) => reader.outcome).sort(), [
    ...Array.from({ length: 19 }, () => 'joined'),
    'miss',
  ])
  const bodies = await Promise.all(readers.map(whole))
  assert.ok(bodies.every((one) => one.equals(body)))
  assert.deepEqual(rig.archive.takeRequests(), [`GET ${path} 200`])
  await rig.pool.idle()
  const warm = await rig.open(file, path)
  assert.equal(warm.outcome, 'hit')
  assert.deepEqual(await readAll(warm, 5, 25), body.subarray(5, 25))
  assert.deepEqual(rig.archive.takeRequests(), [])
  assert.equal(rig.buffers.usedBytes, 0)
})

test('readers at the head get the very buffers that were hashed', async () => {
  await using rig = await rigged()
  const resume = pause(rig.archive)
  const [one, two] = await Promise.all([rig.open(file, path), rig.open(file, path)])
  await Promise.all([readHalf(one), readHalf(two)])
  const [a, b] = await Promise.all([one, two].map((reader) => reader.read(1_900_000, body.length, 4096)))
  assert.equal(a!.buffers[0]!.buffer, b!.buffers[0]!.buffer)
  a!.release()
  b!.release()
  resume()
  assert.deepEqual(await readAll(one, 0, body.length), body)
  two.close()
})

test('a late joiner gets what is there at once, and ranges of it, and then follows', async () => {
  await using rig = await rigged()
  const resume = pause(rig.archive)
  const first = await rig.open(file, path)
  await readHalf(first)
  const late = await rig.open(file, path)
  assert.deepEqual(await readAll(late, 100, 200), body.subarray(100, 200), 'while the rest is under way')
  const follower = await rig.open(file, path)
  await readHalf(follower)
  const rest = [whole(first), whole(follower)]
  resume()
  for (const one of await Promise.all(rest)) assert.deepEqual(one, body)
  assert.equal(rig.archive.takeRequests().length, 1)
})

test('a reader that does not read slows nobody', async () => {
  await using rig = await rigged()
  const idle = await rig.open(file, path)
  const piece = await idle.read(0, body.length, 1000)
  piece.release()
  assert.deepEqual(await whole(await rig.open(file, path)), body)
  await rig.pool.idle()
  assert.deepEqual(await readAll(idle, 0, body.length), body, 'from the file that was placed meanwhile')
})

test('a range at the end of a file in flight comes as soon as it is there', async () => {
  await using rig = await rigged()
  const reader = await rig.open(file, path)
  assert.deepEqual(await readAll(reader, body.length - 10, body.length), body.subarray(-10))
})

test('the last reader leaves early: the fetch ends, and the next one goes on from there', async () => {
  await using rig = await rigged()
  pause(rig.archive)
  const reader = await rig.open(file, path)
  const piece = await reader.read(0, body.length, 1000)
  piece.release()
  reader.close()
  await rig.pool.idle()
  assert.deepEqual(await whole(await rig.open(file, path)), body)
  const [first, second] = rig.archive.requests
  assert.deepEqual([first?.status, second?.status], [200, 206])
  assert.match(second?.headers.range ?? '', /^bytes=\d+-$/)
  assert.equal(rig.fetchedBytes, body.length, 'no byte twice')
})

test('the last reader leaves when more than half is here: the fetch goes on to its end', async () => {
  await using rig = await rigged()
  const gate = Promise.withResolvers<void>()
  const large = aBody(6_000_000, 3)
  rig.archive.addFile('pool/large.deb', large)
  rig.archive.lie(/large/, { type: 'pause', until: gate.promise })
  const wanted = fileOf(large)
  const reader = await rig.open(wanted, 'pool/large.deb')
  for (let at = 0; at < 2_999_999; ) {
    const piece = await reader.read(at, 3_000_000, 64 << 10)
    at += piece.sizeBytes
    piece.release()
  }
  reader.close()
  gate.resolve()
  await rig.pool.idle()
  const again = await rig.open(wanted, 'pool/large.deb')
  assert.equal(again.outcome, 'hit')
  again.close()
  assert.equal(rig.archive.takeRequests().length, 1)
})

test('one reader leaves while another waits: the fetch goes on', async () => {
  await using rig = await rigged()
  const resume = pause(rig.archive)
  const [leaver, stayer] = await Promise.all([rig.open(file, path), rig.open(file, path)])
  await leaver.ready()
  leaver.close()
  const rest = whole(stayer)
  resume()
  assert.deepEqual(await rest, body)
  assert.equal(rig.archive.takeRequests().length, 1)
})

test('wrong bytes never complete a file; the next address is asked, from the beginning', async () => {
  await using rig = await rigged()
  await using other = await FakeArchive.start()
  other.addFile(path, body)
  rig.archive.lie(/x.deb/, { type: 'wrong-bytes' })
  const reader = await rig.open(file, path, rig.archive, other)
  const later = await rig.open(file, path, rig.archive, other)
  let bytes = 0
  await assert.rejects(
    async () => {
      for (;;) {
        const piece = await reader.read(bytes, body.length, 64 << 10)
        bytes += piece.sizeBytes
        piece.release()
      }
    },
    { code: 'UPSTREAM_WRONG_BYTES' },
  )
  reader.close()
  assert.ok(bytes < body.length)
  assert.ok(rig.pool.isSuspect(file.sha256), 'who has a part of it is to get the whole')
  assert.deepEqual(await whole(later), body, 'who has seen nothing yet is carried over')
  assert.deepEqual(other.takeRequests(), [`GET ${path} 200`])
  assert.deepEqual(
    rig.troubles.map((one) => one.code),
    ['UPSTREAM_WRONG_BYTES'],
  )
})

test('wrong bytes of the only address: nothing is kept, and the next one who asks gets the right ones', async () => {
  await using rig = await rigged()
  rig.archive.lie(/x.deb/, { type: 'wrong-bytes' }, 1)
  const reader = await rig.open(file, path)
  await assert.rejects(whole(reader), { code: 'UPSTREAM_WRONG_BYTES' })
  await rig.pool.idle()
  assert.equal(await rig.blobs.sizeOf(file.sha256), null)
  for await (const _entry of rig.partials.entries()) assert.fail('a partial file is kept')
  assert.deepEqual(await whole(await rig.open(file, path)), body)
})

for (const [what, lie] of [
  ['a cut connection', { type: 'truncate' }],
  ['a reset connection', { type: 'reset' }],
] as const) {
  test(`${what} goes on by Range and If-Range, and readers notice nothing`, async () => {
    await using rig = await rigged()
    rig.archive.lie(/x.deb/, lie, 2)
    assert.deepEqual(await whole(await rig.open(file, path)), body)
    const statuses = rig.archive.requests.map((one) => one.status)
    assert.deepEqual(statuses, [200, 206, 206])
    const { range, 'if-range': ifRange } = rig.archive.requests[1]!.headers
    assert.match(range ?? '', /^bytes=[1-9]\d*-$/)
    assert.match(ifRange as string, / GMT$/)
    assert.equal(rig.fetchedBytes, body.length, 'no byte twice')
  })
}

test('the next address goes on where the first one failed', async () => {
  await using rig = await rigged()
  await using other = await FakeArchive.start()
  other.addFile(path, body)
  rig.archive.lie(/x.deb/, { type: 'truncate' }, 1)
  rig.archive.lie(/x.deb/, { type: 'status', status: 500, body: 'no' })
  assert.deepEqual(await whole(await rig.open(file, path, rig.archive, other)), body)
  assert.deepEqual(other.takeRequests(), [`GET ${path} 206`])
  assert.equal(rig.fetchedBytes, body.length, 'no byte twice')
})

test('a server that knows no ranges sends all again, and readers notice nothing', async () => {
  await using rig = await rigged()
  rig.archive.isRanged = false
  rig.archive.lie(/x.deb/, { type: 'truncate' }, 1)
  assert.deepEqual(await whole(await rig.open(file, path)), body)
  assert.deepEqual(rig.archive.takeRequests(), [`GET ${path} 200`, `GET ${path} 200`])
})

for (const [what, lie] of [
  ['a short file', { type: 'short' }],
  ['a body packed for the way', { type: 'gzip' }],
  ['no such file', { type: 'status', status: 404 }],
  ['a file that is gone', { type: 'status', status: 410 }],
  ['a refusal', { type: 'status', status: 403, body: 'no' }],
  ['a redirect loop', { type: 'redirect' }],
  ['a redirect to no http address', { type: 'redirect', to: 'file:///etc/passwd' }],
] as const) {
  test(`${what}: the next address is asked at once, and this one not again`, async () => {
    await using rig = await rigged()
    await using other = await FakeArchive.start()
    other.addFile(path, body)
    rig.archive.lie(/x.deb/, lie)
    assert.deepEqual(await whole(await rig.open(file, path, rig.archive, other)), body)
    const asked = rig.archive.takeRequests().length
    assert.equal(asked, lie.type === 'redirect' && !('to' in lie) ? 6 : 1)
    assert.equal(rig.fetchedBytes, body.length)
  })
}

test('silence in the middle: the next address goes on', async () => {
  await using rig = await rigged({ limits: { silenceSeconds: 0.2 } })
  await using other = await FakeArchive.start()
  other.addFile(path, body)
  rig.archive.lie(/x.deb/, { type: 'stall' })
  assert.deepEqual(await whole(await rig.open(file, path, rig.archive, other)), body)
  assert.deepEqual(other.takeRequests(), [`GET ${path} 206`])
  assert.deepEqual(
    rig.troubles.map((one) => one.code),
    ['UPSTREAM_TOO_SLOW'],
  )
})

test('a slow drip is given up for the next address', async () => {
  await using rig = await rigged({ limits: { minBytesPerSecond: 50_000, minRateOverSeconds: 0.2 } })
  await using other = await FakeArchive.start()
  other.addFile(path, body)
  rig.archive.lie(/x.deb/, { type: 'drip', bytes: 100, everyMs: 20 })
  assert.deepEqual(await whole(await rig.open(file, path, rig.archive, other)), body)
  assert.match(rig.troubles[0]!.message, /too slow \(\d+ bytes a second\)/)
})

test('a fetch that takes too long in all is given up, and the next one goes on from there', async () => {
  await using rig = await rigged({ limits: { deadlineSeconds: 0.3 } })
  pause(rig.archive)
  await assert.rejects(whole(await rig.open(file, path)), {
    code: 'UPSTREAM_TOO_SLOW',
    message: /did not come within/,
  })
  assert.deepEqual(await whole(await rig.open(file, path)), body)
  assert.equal(rig.fetchedBytes, body.length)
})

test('what upstream has not got is told at once, with one request', async () => {
  await using rig = await rigged()
  rig.archive.lie(/x.deb/, { type: 'status', status: 404 })
  await assert.rejects((await rig.open(file, path)).ready(), { code: 'UPSTREAM_STATUS', isAbsent: true })
  assert.equal(rig.archive.takeRequests().length, 1)
})

test('a server that is busy for a moment is asked again when it said', async () => {
  await using rig = await rigged()
  const headers = { 'Retry-After': '3' }
  rig.archive.lie(/x.deb/, { type: 'status', status: 503, body: 'later', headers }, 1)
  const before = rig.clock.now()
  assert.deepEqual(await whole(await rig.open(file, path)), body)
  assert.equal(rig.clock.now() - before, 3000)
  assert.equal(rig.archive.takeRequests().length, 2)
})

test('a server that is busy for long: clients are told how long, and it is left alone until then', async () => {
  await using rig = await rigged()
  const headers = { 'Retry-After': '60' }
  rig.archive.lie(/x.deb/, { type: 'status', status: 503, body: 'later', headers }, 1)
  const told = { retryAfterSeconds: 60 }
  await assert.rejects((await rig.open(file, path)).ready(), told)
  await rig.pool.idle()
  await assert.rejects((await rig.open(file, path)).ready(), { code: 'UPSTREAM_RESTING', ...told })
  assert.equal(rig.archive.takeRequests().length, 1)
  await rig.pool.idle()
  rig.clock.advance(60_000)
  assert.deepEqual(await whole(await rig.open(file, path)), body)
})

test('a server that fails again and again is left alone for a while', async () => {
  await using rig = await rigged()
  rig.archive.lie(/x.deb/, { type: 'status', status: 500, body: 'no' }, 5)
  for (let round = 0; round < 4; round++) {
    await assert.rejects((await rig.open(file, path)).ready())
    await rig.pool.idle()
  }
  assert.equal(rig.archive.takeRequests().length, 5, 'not a request more')
  rig.clock.advance(30_000)
  assert.deepEqual(await whole(await rig.open(file, path)), body)
})

test('a failure of every address is told to who waits and then forgotten', async () => {
  await using rig = await rigged()
  rig.archive.lie(/x.deb/, { type: 'status', status: 403, body: 'no' }, 1)
  const readers = await Promise.all([rig.open(file, path), rig.open(file, path)])
  for (const reader of readers) await assert.rejects(reader.ready(), { code: 'UPSTREAM_STATUS' })
  for (const reader of readers) reader.close()
  await rig.pool.idle()
  assert.deepEqual(await whole(await rig.open(file, path)), body)
})

test('a new process goes on with what the last one left', async () => {
  await using rig = await rigged()
  pause(rig.archive)
  const reader = await rig.open(file, path)
  await readHalf(reader)
  await rig.restart()
  rig.archive.behave()
  assert.deepEqual(await whole(await rig.open(file, path)), body)
  assert.deepEqual(
    rig.archive.requests.map((one) => one.status),
    [200, 206],
  )
  assert.equal(rig.fetchedBytes, body.length, 'no byte twice')
})

for (const [what, spoil] of [
  ['is wrong', (place: string) => writeFileSync(place, aBody(1_000_000, 9))],
  ['is longer than the file', (place: string) => writeFileSync(place, aBody(5_000_000, 9))],
  ['is as long as the file, and wrong', (place: string) => writeFileSync(place, aBody(body.length, 9))],
  ['was never written out', (place: string) => truncateSync(place, 3_000_000)],
] as const) {
  test(`what the last process left ${what}: it is dropped and fetched from the beginning, once`, async () => {
    await using rig = await rigged()
    const place = join(rig.folder, 'partial', file.sha256)
    writeFileSync(place, '')
    spoil(place)
    await rig.pool.obtain(file, () => rig.origin(path))
    assert.deepEqual(await whole(await rig.open(file, path)), body)
    const statuses = rig.archive.requests.map((one) => one.status)
    assert.ok(statuses.length <= 2 && statuses.at(-1) === 200, statuses.join())
  })
}

test('a disk that fails ends the fetch, keeps nothing, and the next one may succeed', async () => {
  class FullDisk extends RealDisk {
    isFull = false
    protected override async perform<T>(name: string, operation: () => Promise<T>): Promise<T> {
      if (!this.isFull || name !== 'write') return super.perform(name, operation)
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    }
  }
  const disk = new FullDisk()
  await using rig = await rigged({ disk })
  disk.isFull = true
  await assert.rejects(whole(await rig.open(file, path)), { code: 'CACHE_FULL' })
  await rig.pool.idle()
  for await (const _entry of rig.partials.entries()) assert.fail('a partial file is kept')
  disk.isFull = false
  assert.deepEqual(await whole(await rig.open(file, path)), body)
})

test('an empty file is a file, and not asked for', async () => {
  await using rig = await rigged()
  const empty = fileOf(Buffer.alloc(0))
  const reader = await rig.open(empty, 'pool/empty.deb')
  await reader.ready()
  assert.equal((await readAll(reader, 0, 0)).length, 0)
  await rig.pool.idle()
  const again = await rig.open(empty, 'pool/empty.deb')
  assert.equal(again.outcome, 'hit')
  again.close()
  assert.deepEqual(rig.archive.takeRequests(), [])
})

test('a file can be had without a reader, and a failure is told', async () => {
  await using rig = await rigged()
  await rig.pool.obtain(file, () => rig.origin(path))
  assert.equal(await outcomeNow(rig), 'hit')
  await assert.rejects(
    rig.pool.obtain(fileOf(Buffer.from('x')), () => rig.origin('pool/nothing.deb')),
    { isAbsent: true },
  )
})
