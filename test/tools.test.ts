// What we write by hand, read by the programs that everyone has: gzip and xz for spliced indexes, gpgv and sqv for
// signatures.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseRelease, type Release } from '../src/debian/release.ts'
import { asSha256 } from '../src/lib/digest.ts'
import { Store } from '../src/store/store.ts'
import { described, paths } from './rig/indexes.ts'
import { needs, run, runForHash } from './rig/programs.ts'
import { Serving } from './rig/serving.ts'

const count = 3000
const changed = ['package-0007', 'package-1000', 'package-2000', 'package-2999']

/** Some thousand packages, a few of which come in another version. */
function content(round: number) {
  return Array.from({ length: count }, (_, number) => {
    const name = `package-${String(number).padStart(4, '0')}`
    return described(name, changed.includes(name) ? `1.${round}` : '1.0', name)
  })
}

let serving: Serving
const suite = '/approved/test/dists/stable'

before(async () => {
  const channels = { testing: '{from: upstream}', approved: '{from: testing, compression: [gz, xz]}' }
  serving = await Serving.start(content(0), { channels })
  for (let round = 1; round <= 4; round++) {
    await serving.offer(content(round))
    await serving.server.call('promote', { selectors: [changed[round - 1]] })
  }
})
after(() => serving[Symbol.asyncDispose]())

async function save(path: string): Promise<string> {
  const file = join(serving.server.folder, path.replaceAll('/', '_'))
  writeFileSync(file, await serving.server.bytes(path))
  return file
}

async function release(): Promise<Release> {
  return parseRelease(await serving.server.text(`${suite}/Release`), 'Release')
}

/** In how many packs the parts of a file lie: what earlier publications packed is used again. */
function countPacks(digest: string): number {
  using store = Store.openReader(join(serving.server.folder, 'data', 'catalogue.db'))
  return new Set(store.texts.file(asSha256(digest)!)!.blocks.map((block) => block.pack)).size
}

for (const { form, check, unpack } of [
  { form: 'gz', check: ['gzip', '-t'], unpack: 'zcat' },
  { form: 'xz', check: ['xz', '-t'], unpack: 'xzcat' },
]) {
  test(
    `${unpack} gives every .${form} as Release describes the plain text`,
    needs(check[0]!, unpack),
    async () => {
      const { files } = await release()
      const packed = [...files.keys()].filter((path) => path.endsWith(`.${form}`))
      const expected = ['main/binary-amd64/Packages', ...Object.values(paths)]
        // Icons are passed on as they came, and Contents are gz in any case.
        .filter((path) => form === 'gz' || (path !== paths.icons && path !== paths.contents))
      assert.deepEqual(packed.sort(), expected.map((path) => `${path}.${form}`).sort())
      for (const path of packed) {
        const file = await save(`${suite}/${path}`)
        const tested = await run(check[0]!, [check[1]!, file])
        assert.deepEqual([tested.status, tested.output], [0, ''], path)
        const plain = files.get(path.slice(0, -`.${form}`.length))!
        assert.deepEqual(await runForHash(unpack, [file]), {
          sha256: plain.digest,
          sizeBytes: plain.sizeBytes,
        })
      }
      const packages = files.get(`main/binary-amd64/Packages.${form}`)!
      assert.ok(countPacks(packages.digest) >= 4, 'parts of several promotions')
    },
  )
}

test('xz sees one stream of many blocks, all with the same check', needs('xz'), async () => {
  const { files } = await release()
  for (const path of [...files.keys()].filter((one) => one.endsWith('.xz'))) {
    const { stdout, output } = await run('xz', ['--robot', '--list', '-vv', await save(`${suite}/${path}`)])
    const rows = stdout.split('\n').map((line) => line.split('\t'))
    const [, streams, blocks] = rows.find(([kind]) => kind === 'file')!
    assert.equal(streams, '1', output)
    const ofBlocks = rows.filter(([kind]) => kind === 'block')
    assert.equal(ofBlocks.length, Number(blocks))
    if (/Packages|Sources/.test(path)) assert.ok(ofBlocks.length > 5, `${blocks} blocks of ${path}`)
    assert.deepEqual([...new Set(ofBlocks.map((row) => row[9]))], ['CRC32'], path)
    assert.equal(
      ofBlocks.reduce((sum, row) => sum + Number(row[7]), 0),
      files.get(path.slice(0, -3))!.sizeBytes,
    )
  }
})

test('gpgv and sqv take the signatures of a channel and of its snapshots', needs('gpgv', 'sqv'), async () => {
  const keys = await save('/keys/approved.gpg')
  const others = await save('/keys/testing.gpg')
  const { items } = await serving.server.json<{ items: { id: string }[] }>('snapshot', 'list', 'approved')
  const oldest = `/snapshots/approved/${items.at(-1)!.id}/test/dists/stable`
  for (const folder of [suite, oldest]) {
    const inRelease = await save(`${folder}/InRelease`)
    const text = await save(`${folder}/Release`)
    const signature = await save(`${folder}/Release.gpg`)
    for (const [program, ...arguments_] of [
      ['gpgv', inRelease],
      ['gpgv', signature, text],
      ['sqv', signature, text],
      ['sqv', ...splitAsApt(inRelease, await serving.server.text(`${folder}/InRelease`))],
    ] as [string, ...string[]][]) {
      const good = await run(program, ['--keyring', keys, ...arguments_])
      assert.equal(good.status, 0, `${program} ${folder}: ${good.output}`)
      const bad = await run(program, ['--keyring', others, ...arguments_])
      assert.notEqual(bad.status, 0, `${program} takes the keys of another channel`)
    }
  }
})

/** A detached signature and what it signs, cut out of a clear-signed file as apt does it for its verifiers. */
function splitAsApt(path: string, inRelease: string): [signature: string, text: string] {
  const [, body, signature] =
    /^-----BEGIN PGP SIGNED MESSAGE-----\n(?:.+\n)*\n([\s\S]*)\n(-----BEGIN PGP SIGNATURE[\s\S]*)$/.exec(
      inRelease,
    )!
  const lines = body!.split('\n').map((line) => line.replace(/^- /, '').replace(/[ \t\r]+$/, ''))
  writeFileSync(`${path}.text`, lines.join('\n'))
  writeFileSync(`${path}.signature`, signature!)
  return [`${path}.signature`, `${path}.text`]
}

test('these programs can refuse: one flipped bit', needs('gzip', 'xz', 'gpgv'), async () => {
  for (const [path, ...command] of [
    ['main/binary-amd64/Packages.gz', 'gzip', '-t'],
    ['main/binary-amd64/Packages.xz', 'xz', '-t'],
    ['InRelease', 'gpgv', '--keyring', await save('/keys/approved.gpg')],
  ] as [string, string, ...string[]][]) {
    const bytes = await serving.server.bytes(`${suite}/${path}`)
    bytes[Math.floor(bytes.length / 2)]! ^= 1
    const file = join(serving.server.folder, `flipped-${path.replaceAll('/', '_')}`)
    writeFileSync(file, bytes)
    const [program, ...arguments_] = command
    assert.notEqual((await run(program!, [...arguments_, file])).status, 0, path)
  }
})
