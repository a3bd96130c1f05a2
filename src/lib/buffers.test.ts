import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool, type Lease } from './buffers.ts'

test('never more than the limit is lent, and the fuller it is the smaller the pieces', async () => {
  const pool = new BufferPool(4 << 20)
  const leases: Lease[] = []
  const sizes: number[] = []
  for (let count = 0; count < 40; count++) {
    const lease = await pool.lease(1 << 20)
    lease.buffer().fill(count)
    leases.push(lease)
    sizes.push(lease.sizeBytes)
    assert.ok(pool.usedBytes <= 4 << 20)
  }
  assert.deepEqual([...new Set(sizes)], [256 << 10, 64 << 10, 16 << 10])
  assert.ok(pool.isTight)
  for (const [count, lease] of leases.entries()) {
    assert.ok(
      lease.buffer().every((byte) => byte === count),
      'nobody else wrote into it',
    )
    lease.release()
    lease.release()
  }
  assert.equal(pool.usedBytes, 0)
})

test('who finds nothing left waits, in the order of asking', async () => {
  const pool = new BufferPool(64 << 10)
  const held: Lease[] = []
  while (pool.usedBytes < 64 << 10) held.push(await pool.lease(16 << 10))
  const order: number[] = []
  const waiting = [1, 2, 3].map(async (name) => {
    const lease = await pool.lease(1000)
    order.push(name)
    lease.release()
  })
  held[0]!.release()
  await Promise.all(waiting)
  assert.deepEqual(order, [1, 2, 3])
})

test('a lease gives what was wanted where there is room', async () => {
  const pool = new BufferPool(4 << 20)
  for (const wanted of [1, 1000, 70_000, 256 << 10]) {
    const lease = await pool.lease(wanted)
    assert.equal(lease.buffer().length, wanted)
    lease.release()
  }
})
