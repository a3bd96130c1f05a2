import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BitSet, end, Lists, Numbers, Texts } from './collections.ts'

const small = fc.nat(5000)

test('a bit set is a set', () => {
  fc.assert(
    fc.property(fc.array(small), fc.array(small), (ones, others) => {
      const [a, b] = [new BitSet(), new BitSet(100)]
      for (const value of ones) a.add(value)
      for (const value of others) b.add(value)
      const [setA, setB] = [new Set(ones), new Set(others)]
      const sorted = (values: Set<number>) => [...values].sort((x, y) => x - y)
      assert.deepEqual(a.values(), sorted(setA))
      assert.deepEqual(a.without(b).values(), sorted(setA.difference(setB)))
      assert.deepEqual(a.within(b).values(), sorted(setA.intersection(setB)))
      const both = a.copy()
      assert.equal(both.addAll(b), !setB.isSubsetOf(setA))
      assert.deepEqual(both.values(), sorted(setA.union(setB)))
      for (const value of others) both.delete(value)
      assert.deepEqual(both.values(), sorted(setA.difference(setB)))
      assert.deepEqual(a.values(), sorted(setA), 'copies are apart')
      assert.ok([...setA].every((value) => a.has(value)) && !a.has(5001))
    }),
  )
})

test('lists grow beside each other, each in its order, and do not repeat their last value', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(small, fc.nat(3))), (appended) => {
      const lists = new Lists()
      const expected = new Map<number, number[]>()
      for (const [list, value] of appended) {
        lists.append(list, value)
        const values = expected.get(list) ?? []
        if (values.at(-1) !== value) values.push(value)
        expected.set(list, values)
      }
      for (const [list, values] of expected) {
        const walked: number[] = []
        for (let cell = lists.first(list); cell !== end; cell = lists.next(cell))
          walked.push(lists.value(cell))
        assert.deepEqual(walked, values)
      }
      assert.equal(lists.first(9999), end)
    }),
  )
})

test('numbers keep what was pushed, set and swapped', () => {
  const numbers = new Numbers()
  for (let n = 0; n < 3000; n++) assert.equal(numbers.push(n), n)
  numbers.swap(0, 2999)
  numbers.set(1, -7)
  assert.deepEqual([numbers.at(0), numbers.at(1), numbers.at(2999), numbers.length], [2999, -7, 0, 3000])
})

test('a text has one number', () => {
  const texts = new Texts()
  const first = texts.number('libc6 (>= 2.34)')
  assert.equal(texts.number('bar'), first + 1)
  assert.equal(texts.number(' libc6 (>= 2.34)'.slice(1)), first)
  assert.deepEqual(
    [texts.text(first), texts.find('bar'), texts.find('baz')],
    ['libc6 (>= 2.34)', first + 1, undefined],
  )
})
