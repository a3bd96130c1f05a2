// Runs as a process of its own, with little memory: reads packages that were damaged at random, from outside and inside,
// and ends with 0 only if each was read or refused with a sentence, in time. Arguments: a folder of good packages, and
// how many damaged ones to try. Prints one line of JSON.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import fc from 'fast-check'
import { readLayout } from '../../src/debian/deb/ar.ts'
import { readChangelog } from '../../src/debian/deb/changelog-file.ts'
import { checkData } from '../../src/debian/deb/data.ts'
import { readDeb } from '../../src/debian/deb/deb.ts'
import { MalformedError, UusError } from '../../src/lib/errors.ts'
import { randomAccessTo } from '../../src/lib/random-access.ts'
import { unxz, xzBlock, xzHeader, xzTrailer } from '../../src/lib/xz.ts'
import { type ArMember, ar, formatMember } from './debs.ts'

const [folder, runs] = [process.argv[2]!, Number(process.argv[3])]
const maxSecondsEach = 20

/** A good package, and the archives in it unpacked. */
interface Seed {
  readonly file: Buffer
  readonly control: Buffer
  readonly data: Buffer
}

async function unpackMember(
  file: Buffer,
  member: { start: number; sizeBytes: number; compression: string },
): Promise<Buffer> {
  const bytes = file.subarray(member.start, member.start + member.sizeBytes)
  switch (member.compression) {
    case 'gz':
      return gunzipSync(bytes)
    case 'zst':
      return zstdDecompressSync(bytes)
    case 'xz':
      return Buffer.concat(await Array.fromAsync(unxz(bytes, 1e9, 'seed')))
    default:
      return bytes
  }
}

async function readSeed(path: string): Promise<Seed> {
  const file = readFileSync(path)
  const layout = await readLayout(randomAccessTo(file), path)
  return {
    file,
    control: await unpackMember(file, layout.control),
    data: await unpackMember(file, layout.data),
  }
}

async function xz(plain: Buffer): Promise<Buffer> {
  const blocks = []
  for (let at = 0; at < plain.length; at += 256 << 10)
    blocks.push(await xzBlock(plain.subarray(at, at + (256 << 10)), 1))
  return Buffer.concat([xzHeader, ...blocks.map((block) => block.bytes), xzTrailer(blocks)])
}

async function pack(name: string, plain: Buffer, packing: string): Promise<ArMember> {
  switch (packing) {
    case 'gz':
      return { name: `${name}.gz`, bytes: gzipSync(plain, { level: 1 }) }
    case 'zst':
      return { name: `${name}.zst`, bytes: zstdCompressSync(plain) }
    case 'xz':
      return { name: `${name}.xz`, bytes: await xz(plain) }
    default:
      return { name, bytes: plain }
  }
}

/** `at` and `count` are fractions: they fit whatever they are used on. */
interface Damage {
  readonly kind: 'flip' | 'set' | 'cut' | 'remove' | 'repeat' | 'insert' | 'zero' | 'digits'
  readonly at: number
  readonly count: number
  readonly bytes: Uint8Array
}

const fraction = fc.double({ min: 0, max: 1, noNaN: true })
const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('flip', 'set', 'cut', 'remove', 'repeat', 'insert', 'zero', 'digits'),
  // The beginning is where the headers are.
  at: fc.oneof(
    fraction,
    fraction.map((value) => value / 50),
    fraction.map((value) => value ** 4),
  ),
  count: fraction.map((value) => value ** 3),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
})

function damaged(bytes: Buffer, { kind, at, count, bytes: given }: Damage): Buffer {
  const start = Math.min(bytes.length - 1, Math.floor(at * bytes.length))
  if (start < 0) return bytes
  const end = Math.min(bytes.length, start + 1 + Math.floor(count * 2000))
  const [before, part, after] = [bytes.subarray(0, start), bytes.subarray(start, end), bytes.subarray(end)]
  switch (kind) {
    case 'flip':
      return Buffer.concat([
        before,
        Buffer.from([bytes[start]! ^ (1 << (given[0]! % 8))]),
        bytes.subarray(start + 1),
      ])
    case 'set':
      return Buffer.concat([before, given, bytes.subarray(start + given.length)])
    case 'cut':
      return before
    case 'remove':
      return Buffer.concat([before, after])
    case 'repeat':
      return Buffer.concat([before, part, part, part, after])
    case 'insert':
      return Buffer.concat([before, given, bytes.subarray(start)])
    case 'zero':
      return Buffer.concat([before, Buffer.alloc(part.length), after])
    case 'digits': {
      // Sizes, times and checksums are written in digits.
      const digits = [...given].map((byte) => 0x30 + (byte % 10))
      return Buffer.concat([before, Buffer.from(digits), bytes.subarray(start + digits.length)])
    }
  }
}

/** Makes the checksums of tar headers true again, so that what is behind them is looked at. */
function withChecksums(archive: Buffer): Buffer {
  const mended = Buffer.from(archive)
  for (let at = 0; at + 512 <= mended.length; at += 512) {
    if (mended.toString('latin1', at + 257, at + 262) !== 'ustar') continue
    const header = mended.subarray(at, at + 512)
    header.fill(0x20, 148, 156)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  }
  return mended
}

const seeds = await Promise.all(
  readdirSync(folder)
    .sort()
    .map((name) => readSeed(join(folder, name))),
)
const counts = { read: 0, refused: 0, data: 0, changelogs: 0, slowestMs: 0 }

/** All that we do with a package from outside. Anything but MALFORMED is a failure. */
async function readAll(bytes: Buffer): Promise<void> {
  try {
    const deb = await readDeb(randomAccessTo(bytes), 'damaged.deb')
    counts.read++
    const limits = { plainBytes: 200e6, seconds: maxSecondsEach }
    await Promise.all([
      tolerating(async () => {
        await checkData(deb, limits)
        counts.data++
      }),
      tolerating(async () => {
        if ((await readChangelog(deb, '1.0', limits)).kind === 'read') counts.changelogs++
      }),
    ])
  } catch (error) {
    if (!isRefusal(error)) throw error
    counts.refused++
  }
}

async function tolerating(operation: () => Promise<void>): Promise<void> {
  try {
    await operation()
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
}

function isRefusal(error: unknown): boolean {
  const isKnown = error instanceof MalformedError || (error instanceof UusError && error.code === 'MALFORMED')
  return isKnown && error.message.length < 400 && (error.hint ?? '').length > 10
}

async function timed(operation: () => Promise<void>): Promise<void> {
  const start = performance.now()
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new Error(`takes more than ${maxSecondsEach} s`)),
    maxSecondsEach * 1000,
  )
  try {
    await Promise.race([operation(), late])
  } finally {
    clearTimeout(timer)
    counts.slowestMs = Math.max(counts.slowestMs, performance.now() - start)
  }
}

const some = (least: number, most: number) => fc.array(damage, { minLength: least, maxLength: most })
const perhaps = (most: number) =>
  fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: some(1, most) })
const packing = fc.constantFrom('gz', 'zst', 'xz', 'none')
const seed = fc.constantFrom(...seeds)

await fc.assert(
  fc.asyncProperty(seed, some(1, 2), async ({ file }, damages) => {
    await timed(() => readAll(damages.reduce(damaged, file)))
  }),
  { numRuns: Math.ceil(runs / 3) },
)
await fc.assert(
  fc.asyncProperty(
    seed,
    perhaps(3),
    some(0, 2),
    perhaps(1),
    packing,
    fc.boolean(),
    async ({ control, data }, controlDamages, dataDamages, outerDamages, how, isMended) => {
      const mend = isMended ? withChecksums : (archive: Buffer) => archive
      const parts = [
        await pack('control.tar', mend(controlDamages.reduce(damaged, control)), how),
        await pack('data.tar', mend(dataDamages.reduce(damaged, data)), how),
      ]
      await timed(() => readAll(outerDamages.reduce(damaged, ar([formatMember, ...parts]))))
    },
  ),
  { numRuns: Math.floor((runs * 2) / 3) },
)
process.stdout.write(
  `${JSON.stringify({ ...counts, maxRssMegabytes: process.resourceUsage().maxRSS / 1024 })}\n`,
)
