// The splice gives the same blocks as cutting from the start, and keeps those that nothing touches.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BlockCutter, type IndexEntry, type RawBlock } from './blocks.ts'
import { type Piece, spliceBlocks } from './splice.ts'

interface Entry {
  readonly name: string
  readonly version: number
  readonly sizeBytes: number
}

const byPlace = (a: Entry, b: Entry) =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : a.version - b.version || a.sizeBytes - b.sizeBytes

function toEntry({ name, version, sizeBytes }: Entry): IndexEntry {
  return { name, text: Buffer.from(`${name} ${version} `.padEnd(sizeBytes, '.').concat('\n')) }
}

function cut(entries: readonly Entry[]): RawBlock[] {
  const cutter = new BlockCutter('\n')
  const blocks = [...entries].sort(byPlace).map((entry) => cutter.push(toEntry(entry)))
  return [...blocks, cutter.end()].filter((block) => block !== null)
}

function splice(before: readonly Entry[], after: readonly Entry[]): Piece<RawBlock>[] {
  const sorted = [...after].sort(byPlace)
  const entries = (from: string | null, to: string | null) =>
    sorted.filter(({ name }) => (from === null || name >= from) && (to === null || name < to)).map(toEntry)
  return [...spliceBlocks(cut(before), touchedNames(before, after), entries, '\n')]
}

function touchedNames(before: readonly Entry[], after: readonly Entry[]): string[] {
  const key = (entry: Entry) => JSON.stringify(entry)
  const had = new Set(before.map(key))
  const has = new Set(after.map(key))
  const changed = [
    ...before.filter((one) => !has.has(key(one))),
    ...after.filter((one) => !had.has(key(one))),
  ]
  return [...new Set(changed.map(({ name }) => name))].sort()
}

const texts = (blocks: readonly { bytes: Buffer }[]) => blocks.map(({ bytes }) => bytes.toString())

// Sizes that make blocks of a few entries; one name in four has many versions.
const entry = fc.record({
  name: fc
    .tuple(fc.integer({ min: 0, max: 60 }), fc.constantFrom('', '', '', '-many'))
    .map(([number, suffix]) => (suffix === '' ? `p${String(number).padStart(3, '0')}` : `m${number % 3}`)),
  version: fc.integer({ min: 0, max: 30 }),
  sizeBytes: fc.oneof(
    fc.integer({ min: 20, max: 30_000 }),
    fc.integer({ min: 100_000, max: 400_000 }),
    fc.constant(300),
  ),
})
const keyOf = ({ name, version, sizeBytes }: Entry) => `${name} ${version} ${sizeBytes}`
const index = fc.uniqueArray(entry, { selector: keyOf, maxLength: 60 })

test('spliced and cold output are the same, block for block, whatever changes', () => {
  fc.assert(
    fc.property(
      index,
      fc.uniqueArray(entry, { selector: keyOf, maxLength: 5 }),
      fc.nat(100),
      (before, more, skip) => {
        const kept = before.filter((_, number) => number % 10 !== skip)
        const had = new Set(kept.map(keyOf))
        const after = [...kept, ...more.filter((one) => !had.has(keyOf(one)))]
        const pieces = splice(before, after)
        assert.deepEqual(texts(pieces.map(({ block }) => block)), texts(cut(after)))
      },
    ),
    { numRuns: 300 },
  )
})

const many = Array.from({ length: 3000 }, (_, number) => ({
  name: `package-${String(number).padStart(4, '0')}`,
  version: 1,
  sizeBytes: 800,
}))

test('one changed entry renders its block and the one before, and keeps all others', () => {
  const before = cut(many)
  assert.ok(before.length > 12, `${before.length} blocks`)
  for (let number = 0; number < many.length; number += 97) {
    const after = many.map((one, at) => (at === number ? { ...one, sizeBytes: 900 } : one))
    const pieces = splice(many, after)
    const rendered = pieces.filter(({ type }) => type === 'rendered').length
    assert.ok(rendered <= 3, `${rendered} of ${pieces.length} blocks for ${number}`)
    assert.deepEqual(texts(pieces.map(({ block }) => block)), texts(cut(after)))
  }
})

test('of the untouched block that follows, no more is asked for than the name that ends the one before', () => {
  const before = cut(many)
  const middle = before[before.length >> 1]!
  const asked = new Set<string>()
  const entries = (from: string | null, to: string | null) =>
    many
      .filter(({ name }) => (from === null || name >= from) && (to === null || name < to))
      .map((one) => {
        asked.add(one.name)
        return toEntry(one)
      })
  const touched = many.find(({ name }) => name > middle.firstName && name < middle.lastName)!
  const pieces = [...spliceBlocks(before, [touched.name], entries, '\n')]
  assert.deepEqual(texts(pieces.map(({ block }) => block)), texts(before))
  const last = [...asked].sort().at(-1)!
  assert.equal(last, before[(before.length >> 1) + 1]!.firstName)
})

test('an entry that comes or goes at any border is seen by the block before it', () => {
  const before = cut(many)
  for (const { firstName, lastName } of before) {
    for (const name of [firstName, lastName]) {
      const without = many.filter((one) => one.name !== name)
      assert.deepEqual(texts(splice(many, without).map(({ block }) => block)), texts(cut(without)))
      assert.deepEqual(texts(splice(without, many).map(({ block }) => block)), texts(before))
      const more = [...many, { name: `${name}-more`, version: 1, sizeBytes: 800 }]
      assert.deepEqual(texts(splice(many, more).map(({ block }) => block)), texts(cut(more)))
    }
  }
})

test('one name with 2,000 versions is cut inside, and spliced all the same', () => {
  const versions = Array.from({ length: 2000 }, (_, version) => ({ name: 'linux', version, sizeBytes: 700 }))
  const before = [...many.slice(0, 300), ...versions]
  const after = before.filter((one) => one.name !== 'linux' || one.version !== 1000)
  const blocks = cut(before)
  assert.ok(blocks.filter((block) => block.firstName === 'linux' && block.lastName === 'linux').length > 3)
  assert.ok(blocks.every((block) => block.bytes.length <= 256 << 10))
  assert.deepEqual(texts(splice(before, after).map(({ block }) => block)), texts(cut(after)))
})

test('an index that becomes empty, or was, and one giant entry', () => {
  const giant = [{ name: 'giant', version: 1, sizeBytes: 900_000 }]
  assert.deepEqual(splice(many, []), [])
  assert.deepEqual(texts(splice([], many).map(({ block }) => block)), texts(cut(many)))
  const pieces = splice(many, [...many, ...giant])
  assert.deepEqual(texts(pieces.map(({ block }) => block)), texts(cut([...many, ...giant])))
  assert.ok(pieces.filter(({ type }) => type === 'kept').length >= cut(many).length - 1)
})
