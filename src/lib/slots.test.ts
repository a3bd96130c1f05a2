import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Slots } from './slots.ts'

test('never more at a time than there are slots, in the order of asking', async () => {
  const slots = new Slots(2)
  const order: number[] = []
  let most = 0
  await Promise.all(
    [1, 2, 3, 4, 5].map(async (name) => {
      using _slot = await slots.take()
      order.push(name)
      most = Math.max(most, slots.taken)
      await new Promise((resolve) => setImmediate(resolve))
    }),
  )
  assert.deepEqual([order, most, slots.taken], [[1, 2, 3, 4, 5], 2, 0])
})

test('who gives up waiting takes no slot', async () => {
  const slots = new Slots(1)
  const held = await slots.take()
  const stop = new AbortController()
  const leaving = slots.take(stop.signal)
  const staying = slots.take()
  stop.abort(new Error('left'))
  await assert.rejects(leaving, /left/)
  held[Symbol.dispose]()
  held[Symbol.dispose]()
  const other = await staying
  assert.equal(slots.taken, 1)
  other[Symbol.dispose]()
  assert.equal(slots.taken, 0)
})
