// The same text in other blocks: another version of this program cuts elsewhere, and so may another way to the text. What
// is served is what is signed all the same, whoever publishes, repairs or follows.
import assert from 'node:assert/strict'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Listing } from '../src/actions/action.ts'
import type { FsckResult } from '../src/actions/fsck.ts'
import { FakeArchive } from './rig/archive.ts'
import { day } from './rig/clock.ts'
import { paths } from './rig/indexes.ts'
import { cutBy, earlier, later } from './rig/other-cut.ts'
import { aPackage, type BuiltPackage, packages } from './rig/packages.ts'
import { Rig } from './rig/rig.ts'
import { seeded } from './rig/seeded.ts'
import { Serving } from './rig/serving.ts'
import { LocalSlave } from './rig/slave.ts'
import { suite, upkeep, withRig } from './rig/story.ts'

const names = Array.from({ length: 150 }, (_, at) => `p${String(at).padStart(3, '0')}`)

/** An upstream that changes, and now and then is what it was. */
class Upstream {
  readonly #below: (limit: number) => number
  readonly #versions = new Map<string, readonly string[]>(names.map((name) => [name, ['1.0']]))
  #before = new Map(this.#versions)

  constructor(below: (limit: number) => number) {
    this.#below = below
  }

  get packages(): BuiltPackage[] {
    const more = (name: string) => (name.endsWith('77') ? `X-Long: ${'giant '.repeat(1700)}\n` : '')
    return [...this.#versions].flatMap(([name, versions]) =>
      versions.map((version) => aPackage({ name, version, more: more(name) })),
    )
  }

  edit(): void {
    const what = this.#below(8)
    const before = new Map(this.#versions)
    if (what === 0) this.#goBack()
    else if (what === 1)
      this.#versions.set(
        this.#any(),
        Array.from({ length: 30 }, (_, at) => `3.${at}`),
      )
    else if (what === 2) this.#removeSome()
    else
      for (let count = 1 + this.#below(6); count > 0; count--) {
        const name = this.#any()
        this.#versions.set(name, [this.#versions.get(name)?.[0] === '1.0' ? '1.1' : '1.0'])
      }
    this.#before = before
  }

  #any(): string {
    return names[this.#below(names.length)]!
  }

  #removeSome(): void {
    const from = this.#below(names.length)
    for (const name of names.slice(from, from + 20)) this.#versions.delete(name)
    // An empty suite is a mistake, and refused as one.
    this.#versions.set(names[0]!, ['1.0'])
  }

  #goBack(): void {
    this.#versions.clear()
    for (const [name, versions] of this.#before) this.#versions.set(name, versions)
  }
}

/** Whatever is refused is refused with a reason; what fails inside is no such thing. */
function mustBeReasoned(
  what: string,
  error: { readonly code: string; readonly message: string } | null,
): void {
  if (error === null) return
  assert.match(error.code, /^[A-Z_]+$/, `${what}: ${error.message}`)
  assert.doesNotMatch(error.code, /INTERNAL|SELF_CHECK|DATA_UNUSABLE/, `${what}: ${error.message}`)
}

async function attempt(rig: Rig, verb: string, input: Record<string, unknown>): Promise<void> {
  const error = await rig.call(verb, { reason: 'tried', ...input }).then(
    () => null,
    (thrown) => thrown,
  )
  mustBeReasoned(verb, error)
}

async function update(rig: Rig): Promise<void> {
  for (const { error } of (await rig.update()).items) mustBeReasoned('update', error)
}

/** Else nothing was tried here. */
function mustHaveTwoCuts({ db }: Rig['store']): void {
  const others = db.pluck<number>('SELECT count(*) - count(DISTINCT sha256) FROM text').get()
  assert.ok(others! > 0, 'no text is known by two rows of blocks')
}

function damage(rig: Rig, below: (limit: number) => number): void {
  const folder = join(rig.folder, 'data', 'published')
  for (const path of globSync('??/*', { cwd: folder })) {
    if (below(2) === 0) continue
    const bytes = readFileSync(join(folder, path))
    bytes[below(bytes.length)]! ^= 1
    writeFileSync(join(folder, path), bytes)
  }
}

const channels = (below: (limit: number) => number) => {
  const forms = () => (below(2) === 0 ? '[gz]' : '[gz, xz]')
  return {
    testing: `{from: upstream, keep: 1h, compression: ${forms()}}`,
    approved: `{from: testing, keep: 1h, compression: ${forms()}}`,
    prod: `{from: approved, keep: 1h, compression: ${forms()}}`,
  }
}

for (const seed of [1, 2])
  test(`channels whose texts were cut by either rule serve what is signed (${seed})`, async () => {
    const below = seeded(seed)
    const upstream = new Upstream(below)
    cutBy(earlier)
    await withRig(
      upstream.packages,
      async (rig, archive) => {
        const acts: readonly (() => Promise<unknown>)[] = [
          async () => {
            upstream.edit()
            await archive.publish('stable', suite(upstream.packages))
            await update(rig)
          },
          () => attempt(rig, 'promote', { selectors: ['*'], to: 'approved', force: true }),
          () => attempt(rig, 'promote', { selectors: ['*'], to: 'prod', force: true }),
          async () => {
            const selectors = names.filter(() => below(3) === 0)
            await attempt(rig, 'promote', { selectors, to: 'approved', force: true })
          },
          async () => {
            const channel = below(2) === 0 ? 'approved' : 'prod'
            const { items } = await rig.call<Listing<{ readonly id: string }>>('snapshot list', { channel })
            const id = items[below(items.length)]!.id
            await attempt(rig, 'snapshot rollback', { channel, id, force: true })
          },
          () => rig.restart({ channels: channels(below) }).then(() => update(rig)),
          async () => {
            rig.clock.advance(day)
            await rig.call('gc')
          },
          async () => {
            damage(rig, below)
            const mended = await rig.call<FsckResult>('fsck', { repair: true })
            assert.deepEqual(
              mended.items.filter((one) => !one.isRepaired),
              [],
            )
          },
        ]
        for (let step = 0; step < 40; step++) {
          if (step > 10) cutBy(below(4) === 0 ? earlier : later)
          await acts[below(2) === 0 ? 0 : below(acts.length)]!()
          await rig.check()
        }
        assert.deepEqual((await rig.call<FsckResult>('fsck')).items, [])
        mustHaveTwoCuts(rig.store)
      },
      { channels: channels(below) },
    )
  })

test('Contents of which only hidden lines changed are published again', async () => {
  const content = packages('bash 1')
  // 2 MB of lines of a package that is shown, and between them those of one that is not.
  const contents = (hidden: number) =>
    Array.from({ length: 40_000 }, (_, at) => {
      const path = `usr/share/bash/some/folder/file-${String(at).padStart(6, '0')}`
      const more = at % 3 === hidden ? `${path}.x  utils/other\n` : ''
      return `${path}  utils/bash\n${more}`
    }).join('')
  const offer = (hidden: number) => suite(content, { further: { [paths.contents]: contents(hidden) } })
  await using archive = await FakeArchive.start()
  await archive.publish('stable', offer(0))
  await using rig = await Rig.open({ archives: [{ archive, more: ['indexes: [packages, contents]'] }] })
  for (const hidden of [0, 1]) {
    await archive.publish('stable', offer(hidden))
    await update(rig)
    await upkeep(rig)
    await rig.check()
    rig.clock.advance(2 * day)
  }
  mustHaveTwoCuts(rig.store)
})

test('a slave follows a master that was restored, and cuts the same texts elsewhere', async () => {
  const content = (version: string) =>
    names.map((name, at) => aPackage({ name, version: at % 70 === 0 ? version : '1.0' }))
  await using serving = await Serving.start(content('1.1'))
  const { server } = serving
  const data = join(server.folder, 'data')
  const backup = mkdtempSync(join(tmpdir(), 'uus-backup-'))
  await using slave = await LocalSlave.of(server)
  const restart = async () => {
    await server.restart()
    slave.relay.target = server.url
  }
  const publish = async (version: string) => {
    await serving.offer(content(version))
    await server.json('promote', '@all')
    assert.equal(await slave.refusalOf(), '')
    assert.equal(slave.inRelease(), await server.text('/approved/test/dists/stable/InRelease'))
  }
  try {
    assert.equal(await slave.refusalOf(), '')
    await server.stop()
    cpSync(data, backup, { recursive: true })
    await restart()
    await publish('1.2')
    await server.stop()
    rmSync(data, { recursive: true })
    cpSync(backup, data, { recursive: true })
    const otherCut = pathToFileURL(join(import.meta.dirname, 'rig', 'other-cut.ts'))
    server.environment = { NODE_OPTIONS: `--import=${otherCut}` }
    await restart()
    await publish('1.2')
    await publish('1.3')
    mustHaveTwoCuts(slave.store)
    await slave.check()
  } finally {
    rmSync(backup, { recursive: true })
  }
})
