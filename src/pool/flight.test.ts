// Whatever upstream does and whenever readers come and go: every byte that a reader gets is the right one, or it gets
// an error; what is kept is the file; and nothing stays held.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { FakeClock } from '../../test/rig/clock.ts'
import { aBody, fileOf } from '../../test/rig/pool.ts'
import { BufferPool } from '../lib/buffers.ts'
import { RealDisk } from '../lib/disk.ts'
import { UpstreamError } from '../lib/errors.ts'
import { FileBlobs } from '../store/file-blobs.ts'
import { Partials } from '../store/partials.ts'
import type { Origin } from './flight.ts'
import { Pool, type PoolReader } from './pool.ts'

const body = aBody(700_000)
const file = fileOf(body)

/** What one request to upstream comes to. */
interface Act {
  readonly how: 'whole' | 'cut' | 'wrong' | 'refused' | 'busy'
  /** Where it cuts, or what it gets wrong, as a share of the rest. */
  readonly share: number
  readonly chunkBytes: number
}

interface Visitor {
  /** Turns of the loop before it comes, and between its reads. */
  readonly delay: number
  readonly pause: number
  readonly start: number
  readonly end: number
  /** Leaves after so many pieces. */
  readonly patience: number
  readonly wantedBytes: number
}

const act: fc.Arbitrary<Act> = fc.record({
  how: fc.constantFrom('whole', 'whole', 'cut', 'cut', 'wrong', 'refused', 'busy'),
  share: fc.double({ min: 0, max: 0.999, noNaN: true }),
  chunkBytes: fc.integer({ min: 1000, max: 200_000 }),
})

const visitor: fc.Arbitrary<Visitor> = fc
  .record({
    delay: fc.nat(30),
    pause: fc.nat(6),
    range: fc.uniqueArray(fc.nat(body.length), { minLength: 2, maxLength: 2 }),
    isWhole: fc.boolean(),
    patience: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 0, max: 8 })),
    wantedBytes: fc.integer({ min: 1000, max: 300_000 }),
  })
  .map(({ range, isWhole, ...rest }) => {
    const [start, end] = isWhole ? [0, body.length] : [Math.min(...range), Math.max(...range)]
    return { ...rest, start: start!, end: end! }
  })

function failure(code: 'UPSTREAM_UNREACHABLE' | 'UPSTREAM_STATUS', status?: number): UpstreamError {
  return new UpstreamError(code, 'x', code, status === undefined ? {} : { status })
}

/** Acts one after the other, whichever address is asked; then all goes well. */
function actingOrigin(acts: readonly Act[]): Origin {
  const left = [...acts]
  return {
    archive: 'test',
    urls: ['one', 'two'],
    // Whoever still read what was given back would find this.
    recycle: (bytes) => void bytes.fill(0xee),
    async fetch(_url, { start }, signal) {
      await setImmediate()
      signal.throwIfAborted()
      const next = left.shift() ?? { how: 'whole', share: 0, chunkBytes: 65_536 }
      if (next.how === 'refused') throw failure('UPSTREAM_STATUS', 404)
      if (next.how === 'busy') throw failure('UPSTREAM_STATUS', 503)
      return { validator: null, canResume: true, chunks: play(next, start, signal) }
    },
  }
}

async function* play({ how, share, chunkBytes }: Act, start: number, signal: AbortSignal) {
  const turn = start + Math.floor((body.length - start) * share)
  for (let at = start; at < body.length; at += chunkBytes) {
    if (how === 'cut' && at >= turn) throw failure('UPSTREAM_UNREACHABLE')
    const chunk = Buffer.from(body.subarray(at, at + chunkBytes))
    if (how === 'wrong' && turn >= at && turn < at + chunk.length) chunk[turn - at]! ^= 1
    await setImmediate()
    signal.throwIfAborted()
    yield chunk
  }
}

/** Reads as it likes. Throws only if a byte is wrong; a failure is its result. */
async function visit(open: () => Promise<PoolReader>, visitor: Visitor): Promise<unknown> {
  const { delay, pause, start, end, patience, wantedBytes } = visitor
  for (let turns = 0; turns < delay; turns++) await setImmediate()
  const reader = await open()
  const parts: Buffer[] = []
  let at = start
  try {
    for (let pieces = 0; at < end && pieces < patience; pieces++) {
      const piece = await reader.read(at, end, wantedBytes)
      for (let turns = 0; turns < pause; turns++) await setImmediate()
      parts.push(Buffer.concat(piece.buffers))
      at += piece.sizeBytes
      piece.release()
    }
  } catch (error) {
    assert.ok(error instanceof UpstreamError, `${error}`)
    return error
  } finally {
    reader.close()
  }
  // A wrong byte may have been among them, but then it never got to the end.
  if (at === body.length) assert.ok(Buffer.concat(parts).equals(body.subarray(start, end)))
  return null
}

test('readers get the file or an error, whatever happens', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(act, { maxLength: 6 }),
      fc.array(visitor, { minLength: 1, maxLength: 8 }),
      async (acts, visitors) => {
        const folder = mkdtempSync(join(tmpdir(), 'uus-flight-'))
        const disk = new RealDisk()
        const blobs = new FileBlobs(folder, disk)
        const partials = new Partials(join(folder, 'partial'), blobs, disk)
        await blobs.prepare()
        await partials.prepare()
        const buffers = new BufferPool(1 << 20)
        const pool = new Pool({ blobs, partials, buffers, clock: new FakeClock(), deadlineSeconds: 60 })
        const origin = actingOrigin(acts)
        try {
          const open = () => pool.open(file, () => origin)
          const results = await Promise.all(visitors.map((one) => visit(open, one)))
          if (acts.length === 0) assert.ok(results.every((result) => result === null))
          await pool.idle()
          assert.equal(buffers.usedBytes, 0)
          assert.equal(pool.inFlight().size, 0)
          await using blob = await blobs.open(file.sha256)
          if (blob !== null) assert.ok((await blob.read(0, blob.sizeBytes)).equals(body))
        } finally {
          await pool[Symbol.asyncDispose]()
          rmSync(folder, { recursive: true })
        }
      },
    ),
    { numRuns: 150 },
  )
})
