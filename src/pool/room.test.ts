// Bounded disk: what was not used for the longest time goes, what must stay stays, and a full disk harms nothing.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeClock, minute } from '../../test/rig/clock.ts'
import { aBody, fileOf, PoolRig, readAll } from '../../test/rig/pool.ts'
import { needsRoot, run } from '../../test/rig/programs.ts'
import type { Sha256 } from '../lib/digest.ts'
import { RealDisk } from '../lib/disk.ts'
import type { Blobs } from '../store/blobs.ts'
import { FileBlobs } from '../store/file-blobs.ts'
import { Partials } from '../store/partials.ts'
import { Room, type RoomOptions } from './room.ts'

const fileBytes = 64 << 10

interface Fixture extends AsyncDisposable {
  readonly blobs: Blobs
  readonly partials: Partials
  readonly clock: FakeClock
  readonly options: RoomOptions
  /** A file that was used at that time. */
  add(seed: number, usedAt: number): Promise<Sha256>
  /** Seeds of the files that are here. */
  left(): Promise<number[]>
}

async function fixture(options: Partial<RoomOptions> = {}): Promise<Fixture> {
  const folder = mkdtempSync(join(tmpdir(), 'uus-room-'))
  const blobs = new FileBlobs(folder, new RealDisk())
  const partials = new Partials(join(folder, 'partial'), blobs, new RealDisk())
  await blobs.prepare()
  await partials.prepare()
  const clock = new FakeClock()
  const seeds = new Map<Sha256, number>()
  return {
    blobs,
    partials,
    clock,
    options: {
      blobs,
      partials,
      maxBytes: null,
      minFreeBytes: 0,
      clock,
      protects: () => false,
      isBusy: () => false,
      onError: (error) => {
        throw error
      },
      ...options,
    },
    async add(seed, usedAt) {
      const writer = await blobs.create()
      await writer.write(aBody(fileBytes, seed))
      const { sha256 } = await writer.commit()
      await blobs.touch(sha256, usedAt)
      seeds.set(sha256, seed)
      return sha256
    },
    async left() {
      const found: number[] = []
      for await (const sha256 of blobs.list()) found.push(seeds.get(sha256)!)
      return found.sort((a, b) => a - b)
    },
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true })
    },
  }
}

test('what is here is learnt, and nothing goes while there is room', async () => {
  await using one = await fixture({ maxBytes: 10 * fileBytes })
  for (const seed of [1, 2, 3]) await one.add(seed, one.clock.now())
  await using room = new Room(one.options)
  assert.equal(room.report().usedBytes, null)
  await room.lookThrough()
  assert.deepEqual([room.report().usedBytes, room.report().files], [3 * fileBytes, 3])
  assert.deepEqual(await one.left(), [1, 2, 3])
  room.landed(await one.add(4, one.clock.now()), fileBytes)
  assert.equal(room.report().usedBytes, 4 * fileBytes)
})

test('what was not used for the longest time goes', async () => {
  await using one = await fixture({ maxBytes: 4 * fileBytes })
  const now = one.clock.now()
  const files = new Map<number, Sha256>()
  for (const seed of [1, 2, 3, 4, 5, 6]) files.set(seed, await one.add(seed, now - seed * minute))
  await using room = new Room(one.options)
  // Used a moment ago, which nobody has written down yet.
  room.used(files.get(6)!)
  await room.lookThrough()
  assert.deepEqual(await one.left(), [1, 2, 6])
  assert.deepEqual([room.report().evictedFiles, room.report().usedBytes], [3, 3 * fileBytes])
})

test('last uses survive a restart', async () => {
  await using one = await fixture({ maxBytes: 1.5 * fileBytes })
  const now = one.clock.now()
  const [first] = [await one.add(1, now - 3 * minute), await one.add(2, now - 2 * minute)]
  {
    await using room = new Room({ ...one.options, maxBytes: null })
    room.used(first!)
  }
  await using room = new Room(one.options)
  await room.lookThrough()
  assert.deepEqual(await one.left(), [1])
})

test('what must stay stays, and an alarm says when that is too much', async () => {
  const kept = new Set<Sha256>()
  await using one = await fixture({ maxBytes: 3 * fileBytes, protects: (sha256) => kept.has(sha256) })
  const now = one.clock.now()
  for (const seed of [1, 2, 3]) kept.add(await one.add(seed, now - 60 * minute))
  for (const seed of [4, 5]) await one.add(seed, now)
  await using room = new Room(one.options)
  await room.lookThrough()
  assert.deepEqual(await one.left(), [1, 2, 3])
  assert.deepEqual(room.alarms(), [])
  kept.add(await one.add(6, now))
  await room.lookThrough()
  assert.equal(room.report().protectedBytes, 4 * fileBytes)
  const [alarm] = room.alarms()
  assert.equal(alarm?.key, 'cache/protected')
  assert.match(alarm.message, /must stay take 262 kB, and the cache may take 197 kB/)
})

test('what is being fetched stays; what was begun and left goes in its turn', async () => {
  const busy = fileOf(aBody(fileBytes, 7)).sha256
  await using one = await fixture({ maxBytes: 2.5 * fileBytes, isBusy: (sha256) => sha256 === busy })
  const idle = fileOf(aBody(fileBytes, 8)).sha256
  for (const sha256 of [busy, idle]) {
    const partial = await one.partials.open(sha256)
    await partial.writeAll([aBody(fileBytes)])
    await partial.keep()
  }
  // Both partial files are of now; the clock of the test is behind.
  await one.add(1, Date.now() + 60 * minute)
  await using room = new Room(one.options)
  await room.lookThrough()
  const partials: Sha256[] = []
  for await (const { sha256 } of one.partials.entries()) partials.push(sha256)
  assert.deepEqual(partials, [busy])
  assert.deepEqual(await one.left(), [1])
})

test('a file that cannot be written is refused before anything is asked for it', async () => {
  await using rig = await PoolRig.open({ room: { minFreeBytes: 2 ** 50 } })
  const body = aBody(100_000)
  rig.archive.addFile('pool/x.deb', body)
  await assert.rejects((await rig.open(fileOf(body), 'pool/x.deb')).ready(), {
    code: 'CACHE_FULL',
    message: 'The disk has no room for a package file of 100 kB',
  })
  assert.deepEqual(rig.archive.takeRequests(), [])
  assert.deepEqual(
    rig.room!.alarms().map((alarm) => alarm.key),
    ['cache/full'],
  )
})

test(
  'a disk that is really full: room is made, one request fails, and all goes on',
  needsRoot(),
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'uus-full-'))
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', folder])
    assert.equal(mounted.status, 0, mounted.output)
    try {
      await using rig = await PoolRig.open({ folder, room: { minFreeBytes: 1 << 20 } })
      const bodies = [1, 2, 3, 4].map((seed) => aBody(8_000_000, seed))
      const fetched = async (number: number) => {
        rig.archive.addFile(`pool/${number}.deb`, bodies[number]!)
        const reader = await rig.open(fileOf(bodies[number]!), `pool/${number}.deb`)
        const bytes = await readAll(reader, 0, bodies[number]!.length)
        await rig.pool.idle()
        return bytes.equals(bodies[number]!)
      }
      assert.ok(await fetched(0))
      rig.clock.advance(minute)
      assert.ok(await fetched(1))
      rig.clock.advance(minute)
      assert.ok(await fetched(2), 'the oldest made room')
      assert.equal(await rig.blobs.sizeOf(fileOf(bodies[0]!).sha256), null)
      // Somebody else fills the disk while a file is on its way.
      const gate = Promise.withResolvers<void>()
      rig.archive.lie(/3.deb/, { type: 'pause', until: gate.promise }, 1)
      rig.archive.addFile('pool/3.deb', bodies[3]!)
      const reader = await rig.open(fileOf(bodies[3]!), 'pool/3.deb')
      await reader.ready()
      for (let number = 0; number < 20; number++) {
        try {
          writeFileSync(join(folder, `junk-${number}`), Buffer.alloc(1 << 20))
        } catch {
          break
        }
      }
      gate.resolve()
      await assert.rejects(readAll(reader, 0, bodies[3]!.length), { code: 'CACHE_FULL' })
      await rig.pool.idle()
      for await (const _entry of rig.partials.entries()) assert.fail('a partial file is kept')
      for (let number = 0; number < 20; number++) rmSync(join(folder, `junk-${number}`), { force: true })
      assert.ok(await fetched(3), 'and now there is room')
      for (const body of bodies) {
        await using blob = await rig.blobs.open(fileOf(body).sha256)
        if (blob !== null) assert.ok((await blob.read(0, blob.sizeBytes)).equals(body))
      }
    } finally {
      await run('umount', [folder])
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
