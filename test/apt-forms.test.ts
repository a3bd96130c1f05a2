// Real apt takes every form in which a channel can be published, and meets no mixture of states while it publishes.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseRelease, type Release } from '../src/debian/release.ts'
import { AptRoot } from './rig/apt.ts'
import { aSource, described, paths } from './rig/indexes.ts'
import { needs } from './rig/programs.ts'
import { Relay } from './rig/relay.ts'
import { Serving } from './rig/serving.ts'

/** What appstream, command-not-found and apt-file tell apt to fetch as well. */
const everyTarget = ['deb::Contents', 'deb::CNF', 'deb::DEP-11', 'deb::DEP-11-icons']
  .map((target, index) => {
    const key = [paths.contents, paths.commands, paths.components, paths.icons][index]!
    return `Acquire::IndexTargets::${target} { MetaKey "${key.replace('main', '$(COMPONENT)').replace('amd64', '$(ARCHITECTURE)')}"; ShortDescription "${target}"; Description "$(RELEASE)/$(COMPONENT) ${target}"; };\n`
  })
  .join('')

const aptsOwnPaths = ['main/binary-amd64/Packages', paths.translation, paths.sources]
const everyPath = [...aptsOwnPaths, paths.commands, paths.components, paths.icons, paths.contents].sort()

/** The indexes that apt has stored, by their path below the suite. */
function storedIndexes(apt: AptRoot): Map<string, Buffer> {
  const folder = join(apt.folder, 'lists')
  const names = readdirSync(folder).filter((name) => /_dists_stable_main_/.test(name))
  const pathOf = (name: string) =>
    decodeURIComponent(name.replace(/^.*_dists_stable_/, '').replaceAll('_', '/'))
  return new Map(names.map((name) => [pathOf(name), readFileSync(join(folder, name))]))
}

function storedRelease(apt: AptRoot): Release {
  const folder = join(apt.folder, 'lists')
  const name = readdirSync(folder).find((one) => one.endsWith('_InRelease'))!
  const [, text] = /\n\n([\s\S]*?)-----BEGIN PGP SIGNATURE/.exec(readFileSync(join(folder, name), 'utf8'))!
  return parseRelease(text!, 'InRelease')
}

/** Each index that apt was to fetch is there, unpacked, as the signed Release describes it. */
function checkStored(apt: AptRoot, expected: readonly string[]): void {
  const { files } = storedRelease(apt)
  const stored = storedIndexes(apt)
  assert.deepEqual([...stored.keys()].sort(), expected)
  for (const [path, bytes] of stored) {
    const { digest, sizeBytes } = files.get(path)!
    const found = { digest: createHash('sha256').update(bytes).digest('hex'), sizeBytes: bytes.length }
    assert.deepEqual(found, { digest, sizeBytes }, path)
  }
}

const clients = [
  { what: 'by-hash', options: '', config: '', isByHash: true },
  { what: 'by-hash off', options: 'By-Hash: no\n', config: '', isByHash: false },
  { what: 'by-hash forced', options: 'By-Hash: force\n', config: '', isByHash: true },
  {
    what: 'lists that stay packed',
    options: '',
    config: 'Acquire::GzipIndexes "true";\nAcquire::CompressionTypes::Order { "gz"; };\n',
    isByHash: true,
  },
]

test('apt takes every index in every form, by hash and by name', needs('apt-get', 'xz'), async () => {
  const content = ['bash', 'vim'].map((name) => described(name, '1.0', name))
  const forms = { gz: '[gz]', xz: '[xz]', both: '[gz, xz]' }
  const channels = Object.fromEntries(
    Object.entries(forms).map(([name, form]) => [name, `{from: upstream, compression: ${form}}`]),
  )
  await using serving = await Serving.start(content, { channels })
  await using relay = await Relay.start()
  relay.target = serving.server.url
  for (const channel of Object.keys(forms)) {
    const sources = (await serving.server.text(`/${channel}.sources`)).replace(serving.server.url, relay.url)
    for (const { what, options, config, isByHash } of clients) {
      using apt = new AptRoot({ config: `Acquire::Languages "en";\n${everyTarget}${config}` })
      apt.setSources(sources.replace(/^Types:/m, `${options}Types:`))
      await apt.update()
      const asked = relay.takePaths().filter((path) => path.includes('/dists/stable/main/'))
      assert.equal(asked.length, everyPath.length, `${channel}, ${what}: ${asked.join(' ')}`)
      assert.ok(asked.every((path) => path.includes('/by-hash/SHA256/') === isByHash))
      // What we pack is asked for as we pack it; icons and Contents come as upstream has them.
      const packed = asked.filter((path) => !isByHash && !/icons|Contents/.test(path))
      assert.ok(
        packed.every((path) => path.endsWith(channel === 'gz' ? '.gz' : '.xz')),
        packed.join(' '),
      )
      if (config === '') checkStored(apt, everyPath)
      assert.match((await apt.cache('show', 'vim')).stdout, /long text of vim/)
      assert.deepEqual(await apt.download('bash'), ['bash 1.0'])
      assert.deepEqual(readFileSync(apt.archive('bash_1.0_amd64.deb')), content[0]!.file)
      await apt.get('source', '--download-only', 'vim')
      for (const [path, body] of aSource('vim', '1.0').files)
        assert.deepEqual(readFileSync(join(apt.folder, path.split('/').at(-1)!)), body)
      relay.takePaths()
    }
  }
})

for (const compression of ['[gz]', '[xz]']) {
  test(
    `three generations go by between a client's InRelease and its indexes, ${compression}`,
    needs('apt-get', 'xz'),
    async () => {
      const channels = { testing: `{from: upstream, compression: ${compression}}` }
      await using serving = await Serving.start([described('bash', '1', 'bash')], { channels })
      await using relay = await Relay.start()
      relay.target = serving.server.url
      let held: Promise<void> | null = null
      relay.before = (path) => {
        if (path.includes('/by-hash/')) held ??= offerThree(serving)
        return held ?? undefined
      }
      using apt = new AptRoot({ config: everyTarget })
      apt.setSources((await serving.server.text('/testing.sources')).replace(serving.server.url, relay.url))
      await apt.update()
      assert.ok(held !== null)
      assert.equal(await apt.candidate('bash'), '1')
      assert.deepEqual(await apt.download('bash'), ['bash 1'])
      await apt.update()
      assert.equal(await apt.candidate('bash'), '4')
    },
  )
}

async function offerThree(serving: Serving): Promise<void> {
  for (const version of ['2', '3', '4']) await serving.offer([described('bash', version, 'bash')])
}

const updates = 200

test(
  `${updates} updates while two small channels publish as fast as they can`,
  needs('apt-get', 'xz'),
  async (t) => {
    const channels = {
      testing: '{from: upstream}',
      approved: '{from: testing, compression: [gz, xz]}',
    }
    const at = (version: number) => ['bash', 'vim'].map((name) => described(name, String(version), name))
    await using serving = await Serving.start(at(1), { channels })
    const { server } = serving
    let left = updates
    let published = 1
    const seen = new Map<string, Set<string>>()
    // However slow the machine: as many updates as were promised, and states that differ enough to be mixed up.
    const isEnough = () =>
      left <= 0 && ['testing', 'approved'].every((channel) => (seen.get(channel)?.size ?? 0) >= 10)
    let isOver = false
    const publishing = async () => {
      while (!isOver) {
        published++
        await serving.offer(at(published))
        await server.call('promote', { selectors: ['@all'] })
      }
    }
    const updating = async (channel: string, targets: string, expected: readonly string[]) => {
      using apt = new AptRoot({ config: `Acquire::Languages "en";\n${targets}` })
      apt.setSources(await server.text(`/${channel}.sources`))
      let last = 0
      while (!isEnough()) {
        left--
        await apt.update() // throws at a failure or a warning
        checkStored(apt, expected)
        const version = /^Version: (\d+)$/m.exec(
          storedIndexes(apt).get('main/binary-amd64/Packages')!.toString(),
        )![1]!
        assert.ok(Number(version) >= last, `${channel} went back from ${last} to ${version}`)
        last = Number(version)
        seen.set(channel, (seen.get(channel) ?? new Set()).add(version))
      }
    }
    const startedAt = Date.now()
    const clientsDone = Promise.all([
      updating('testing', everyTarget, everyPath),
      updating('approved', '', aptsOwnPaths),
      updating('approved', '', aptsOwnPaths),
    ]).finally(() => {
      isOver = true
    })
    await Promise.all([publishing(), clientsDone])
    const states = [...seen].map(([channel, versions]) => `${versions.size} of ${channel}`).join(' and ')
    t.diagnostic(
      `${updates - left} updates in ${Date.now() - startedAt} ms; ${published} states, of which clients saw ${states}`,
    )
  },
)
