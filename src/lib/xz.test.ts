import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { needs } from '../../test/rig/programs.ts'
import { measureXz, unxz, xzBlock, xzHeader, xzTrailer } from './xz.ts'

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

async function assemble(parts: readonly Buffer[]): Promise<Buffer> {
  const blocks = await Promise.all(parts.map((part) => xzBlock(part, 6)))
  return Buffer.concat([xzHeader, ...blocks.map((block) => block.bytes), xzTrailer(blocks)])
}

const parts = [
  'a short one\n',
  'Package: foo\n'.repeat(20_000).slice(0, 256 << 10),
  'x',
  'abc'.repeat(50_000),
]
const blocks = parts.map((part) => Buffer.from(part))
const whole = Buffer.concat(blocks)

test('xz reads our stream of several blocks as one stream', needs('xz'), async () => {
  const file = await assemble(blocks)
  const unpacked = spawnSync('xz', ['-dc', '--single-stream'], { input: file, maxBuffer: 1e8 })
  assert.equal(unpacked.status, 0, unpacked.stderr.toString())
  assert.deepEqual(unpacked.stdout, whole)
  assert.equal(spawnSync('xz', ['-t'], { input: file }).status, 0)
  const empty = spawnSync('xz', ['-dc'], { input: await assemble([]) })
  assert.equal(empty.status, 0, empty.stderr.toString())
  assert.equal(empty.stdout.length, 0)
})

test('what xz makes is measured before, and unpacks', needs('xz'), async () => {
  for (const options of [['-6'], ['-0', '--check=sha256'], ['-2', '--block-size=100000', '--check=none']]) {
    const file = spawnSync('xz', ['-c', ...options], { input: whole, maxBuffer: 1e8 }).stdout
    assert.equal(measureXz(file, 'Packages.xz'), whole.length)
    assert.deepEqual(await collect(unxz(file, whole.length, 'Packages.xz')), whole)
  }
})

test('two streams and the padding between them count as one text', async () => {
  const one = await assemble([blocks[0]!])
  const file = Buffer.concat([one, Buffer.alloc(8), await assemble([blocks[3]!])])
  assert.equal(measureXz(file, 'x'), blocks[0]!.length + blocks[3]!.length)
})

test('a bomb is refused before it unpacks, and so are broken headers', async () => {
  const bomb = await assemble(Array.from({ length: 40 }, () => Buffer.alloc(256 << 10)))
  await assert.rejects(collect(unxz(bomb, 1_000_000, 'Packages.xz')), { code: 'INDEX_BOMB' })
  const good = await assemble(blocks)
  for (const broken of [good.subarray(0, 40), Buffer.from('<html>'), Buffer.alloc(0)]) {
    await assert.rejects(collect(unxz(broken, 1e9, 'Packages.xz')), { code: 'MALFORMED' })
  }
  const flipped = Buffer.from(good)
  flipped[60]! ^= 0x40
  await assert.rejects(collect(unxz(flipped, 1e9, 'Packages.xz')), { code: 'MALFORMED' })
  const hugeDictionary = Buffer.from(good)
  hugeDictionary[16] = 40
  await assert.rejects(collect(unxz(hugeDictionary, 1e9, 'Packages.xz')), {
    message: 'Packages.xz: needs a dictionary of more than 64 MiB',
  })
})
