import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteWalk, skip, take, takeOrEnd, type Walk } from './byte-walk.ts'

/** Records: a length, so many bytes that count, so many that do not. */
function* records(seen: string[]): Walk {
  for (;;) {
    const [length] = yield takeOrEnd(1)
    seen.push((yield take(length!)).toString('latin1'))
    yield skip(length!)
  }
}

function encode(texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.map((text) => Buffer.from(`${String.fromCharCode(text.length)}${text}${text}`, 'latin1')),
  )
}

test('a walk sees the same, however its input is cut', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 200 })
  fc.assert(
    fc.property(fc.array(text, { maxLength: 20 }), fc.integer({ min: 1, max: 300 }), (texts, chunkBytes) => {
      const seen: string[] = []
      const walk = new ByteWalk(records(seen))
      const bytes = encode(texts)
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        // A copy that is overwritten: the walk may not keep what is the caller's.
        const chunk = Buffer.from(bytes.subarray(at, at + chunkBytes))
        walk.push(chunk)
        chunk.fill(0x7a)
      }
      assert.deepEqual(seen, texts)
      assert.equal(walk.end(), true)
    }),
  )
})

test('input that ends amid something is not whole', () => {
  const bytes = encode(['abc'])
  for (let length = 1; length < bytes.length; length++) {
    const walk = new ByteWalk(records([]))
    walk.push(bytes.subarray(0, length))
    assert.equal(walk.end(), false, `${length}`)
  }
})
