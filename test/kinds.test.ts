// Indexes of every kind: what a channel shows of them is exactly what goes with its packages.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { parseRelease } from '../src/debian/release.ts'
import { AptRoot } from './rig/apt.ts'
import { FakeArchive, type SuiteSpec } from './rig/archive.ts'
import { minute } from './rig/clock.ts'
import { aSource, commands, components, described, inContents, paths, translation } from './rig/indexes.ts'
import { aPackage, type BuiltPackage, packages } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { Rig, type RigArchive } from './rig/rig.ts'
import { TestServer } from './rig/server.ts'

let date = Date.UTC(2026, 10, 20)

function suite(content: readonly BuiltPackage[], more: Partial<SuiteSpec> = {}): SuiteSpec {
  date += minute
  return { components: { main: { amd64: content } }, date, ...more }
}

async function withRig(
  spec: SuiteSpec,
  story: (rig: Rig, offer: (spec: SuiteSpec) => Promise<void>, archive: FakeArchive) => Promise<void>,
  options: Partial<RigArchive> = {},
  name = 'stable',
): Promise<void> {
  await using archive = await FakeArchive.start()
  await archive.publish(name, spec)
  await using rig = await Rig.open({ archives: [{ archive, suites: [name], ...options }] })
  await rig.mustUpdate()
  const offer = async (next: SuiteSpec) => {
    await archive.publish(name, next)
    await rig.mustUpdate()
  }
  await story(rig, offer, archive)
  await rig.check()
}

/** A generated file, unpacked; null if there is none. */
async function text(
  rig: Rig,
  channel: string,
  path: string,
  folder = 'dists/stable/',
): Promise<string | null> {
  const archive = rig.process.context.published().channels.get(channel)!.archives.get('test')!
  const file = archive.files.get(`${folder}${path}.gz`)
  if (file?.type !== 'blob') return null
  await using blob = (await rig.process.network.generated.open(file.sha256))!
  return gunzipSync(await blob.read(0, blob.sizeBytes)).toString()
}

function release(rig: Rig, channel: string, folder = 'dists/stable/') {
  const archive = rig.process.context.published().channels.get(channel)!.archives.get('test')!
  const file = archive.files.get(`${folder}Release`)!
  assert.equal(file.type, 'bytes')
  return parseRelease(file.type === 'bytes' ? file.bytes.toString() : '', 'Release')
}

const en = paths.translation

test('translations are kept for as long as a package needs them, and come with a snapshot', async () => {
  const first = suite([described('bash', '5.1', 'old shell'), described('vim', '9', 'editor')], {
    further: { [en]: [translation('bash', 'old shell'), translation('vim', 'editor')].join('\n') },
  })
  await withRig(first, async (rig, offer) => {
    assert.equal(await text(rig, 'approved', en), first.further![en]!.toString().concat('\n'))
    await offer(
      suite([described('bash', '5.2', 'new shell'), described('vim', '9', 'editor')], {
        further: {
          [en]: [translation('bash', 'new shell'), translation('vim', 'editor', 'fine editor')].join('\n'),
        },
      }),
    )
    assert.match((await text(rig, 'testing', en))!, /new shell[\s\S]*fine editor/)
    assert.doesNotMatch((await text(rig, 'testing', en))!, /old shell/)
    // Approved shows what it did, though upstream has neither text any more.
    assert.equal(await text(rig, 'approved', en), first.further![en]!.toString().concat('\n'))
    await rig.promote('bash')
    assert.match((await text(rig, 'approved', en))!, /new shell[\s\S]*fine editor/)
    assert.doesNotMatch((await text(rig, 'approved', en))!, /old shell/)
  })
})

const cnf = paths.commands
const dep11 = paths.components

test('command lists and AppStream metadata are cut by the packages of a channel', async () => {
  const first = suite(packages('bash 5.1', 'vim 9'), {
    further: { [cnf]: commands('bash', 'vim'), [dep11]: components('bash', 'vim') },
  })
  await withRig(first, async (rig, offer) => {
    await offer(
      suite(packages('bash 5.1', 'nano 7'), {
        further: { [cnf]: commands('bash', 'nano'), [dep11]: components('bash', 'nano') },
      }),
    )
    assert.equal(await text(rig, 'testing', cnf), `${commands('bash', 'nano')}\n`)
    assert.equal(await text(rig, 'testing', dep11), components('bash', 'nano'))
    // What upstream forgot is carried over for the channel that still shows it; what is not promoted stays out.
    assert.equal(await text(rig, 'approved', cnf), `${commands('bash', 'vim')}\n`)
    await rig.promote('nano')
    assert.equal(await text(rig, 'approved', cnf), `${commands('bash', 'nano', 'vim')}\n`)
    assert.equal(await text(rig, 'approved', dep11), components('bash', 'nano', 'vim'))
  })
})

test('what upstream changes in them alone makes no snapshot', async () => {
  const content = packages('bash 5.1')
  await withRig(suite(content, { further: { [cnf]: commands('bash') } }), async (rig, offer) => {
    const before = rig.store.channels.head(rig.store.channels.find('testing')!.id)!.id
    await offer(suite(content, { further: { [cnf]: commands('bash').replace('bash-cmd', 'bash,sh') } }))
    assert.equal(rig.store.channels.head(rig.store.channels.find('testing')!.id)!.id, before)
  })
})

const icons = Buffer.from('icons '.repeat(1000))
const iconsPath = paths.icons

test('icons are passed on as they are', async () => {
  await withRig(
    suite(packages('bash 5.1'), { further: { [iconsPath]: icons } }),
    async (rig, offer, archive) => {
      const served = rig.process.context.published().channels.get('approved')!.archives.get('test')!
      const file = served.files.get(`dists/stable/${iconsPath}.gz`)
      assert.equal(file?.type, 'blob')
      if (file?.type !== 'blob') return
      await using blob = (await rig.process.network.generated.open(file.sha256))!
      assert.deepEqual(await blob.read(0, blob.sizeBytes), archive.file(`dists/stable/${iconsPath}.gz`))
      const others = Buffer.from('other icons '.repeat(1000))
      await offer(suite(packages('bash 5.2'), { further: { [iconsPath]: others } }))
      assert.equal(await text(rig, 'testing', iconsPath), others.toString())
      assert.equal(await text(rig, 'approved', iconsPath), icons.toString())
    },
  )
})

test('a kind that upstream lacks is not listed, one that it gives up goes, and one that comes later comes', async () => {
  await withRig(suite(packages('bash 5.1')), async (rig, offer) => {
    const paths = () => [...release(rig, 'approved').files.keys()]
    const plain = ['main/binary-amd64/Packages', 'main/binary-amd64/Packages.gz']
    assert.deepEqual(paths(), plain)
    await offer(suite(packages('bash 5.1'), { further: { [cnf]: commands('bash') } }))
    assert.deepEqual(paths(), [...plain, cnf, `${cnf}.gz`])
    await offer(suite(packages('bash 5.1')))
    assert.deepEqual(paths(), plain)
  })
})

test('kinds that are taken into the configuration, or out of it, are published accordingly', async () => {
  const spec = suite(packages('bash 5.1'), { further: { [cnf]: commands('bash'), [en]: '' } })
  await withRig(
    spec,
    async (rig, _offer, archive) => {
      assert.equal(await text(rig, 'approved', cnf), null)
      await rig.restart({ archives: [{ archive, more: ['indexes: [packages, cnf]'] }] })
      await rig.mustUpdate()
      assert.equal(await text(rig, 'approved', cnf), `${commands('bash')}\n`)
      await rig.restart({ archives: [{ archive, more: ['indexes: [packages]'] }] })
      await rig.mustUpdate()
      assert.equal(await text(rig, 'approved', cnf), null)
    },
    { more: ['indexes: [packages]'] },
  )
})

for (const [what, path, broken] of [
  ['a command list without names', cnf, 'version: 1\n'],
  ['a translation without a key', en, 'Package: bash\nDescription-en: x\n'],
  ['AppStream metadata with an odd package', dep11, "---\nFile: DEP-11\n---\nPackage: '../x'\n"],
] as const) {
  test(`${what} stays as it was, and keeps nothing else back`, async () => {
    const good = { [cnf]: commands('bash'), [en]: translation('bash', 'shell'), [dep11]: components('bash') }
    await withRig(suite(packages('bash 5.1'), { further: good }), async (rig, offer) => {
      const before = await text(rig, 'testing', path)
      await offer(suite(packages('bash 5.2'), { further: { ...good, [path]: broken } }))
      assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.2'])
      assert.equal(await text(rig, 'testing', path), before)
      assert.ok(
        rig.events.some((event) => event.type === 'note' && event.message.includes(`${path} of test/stable`)),
      )
    })
  })
}

test('an index beside packages that cannot be fetched is asked for again', async () => {
  const spec = suite(packages('bash 5.1'), { further: { [cnf]: commands('bash') } })
  await using archive = await FakeArchive.start()
  await archive.publish('stable', spec)
  archive.lie(/cnf/, { type: 'status', status: 503 })
  await using rig = await Rig.open({ archives: [{ archive }] })
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1'])
  assert.equal(await text(rig, 'approved', cnf), null)
  archive.behave()
  await rig.mustUpdate()
  assert.equal(await text(rig, 'approved', cnf), `${commands('bash')}\n`)
  await rig.check()
})

const sourcesPath = paths.sources
const withSources = { more: ['indexes: [packages, sources]'] }

test('sources move with their binaries, in one promotion', async () => {
  const [one, two] = [aSource('bash', '5.1'), aSource('bash', '5.2')]
  await withRig(
    suite(packages('bash 5.1'), { further: { [sourcesPath]: one.stanza } }),
    async (rig, offer) => {
      assert.equal(await text(rig, 'approved', sourcesPath), `${one.stanza}\n`)
      await offer(suite(packages('bash 5.2'), { further: { [sourcesPath]: two.stanza } }))
      assert.deepEqual(await rig.pending(), ['bash update 5.1 → 5.2'])
      await rig.promote('bash')
      assert.equal(await text(rig, 'approved', sourcesPath), `${two.stanza}\n`)
      assert.deepEqual(rig.shows('approved'), ['stable/main/amd64 bash 5.2', 'stable/main/source bash 5.2'])
    },
    withSources,
  )
})

test('sources that are taken into the configuration later wait for their seed', async () => {
  const { stanza } = aSource('bash', '5.1')
  await withRig(
    suite(packages('bash 5.1'), { further: { [sourcesPath]: stanza } }),
    async (rig, _offer, archive) => {
      await rig.restart({ archives: [{ archive, ...withSources }] })
      await rig.mustUpdate()
      assert.equal(await text(rig, 'testing', sourcesPath), `${stanza}\n`)
      assert.equal(await text(rig, 'approved', sourcesPath), null)
      await rig.call('channel seed', { channel: 'approved', reason: 'sources too' })
      assert.equal(await text(rig, 'approved', sourcesPath), `${stanza}\n`)
    },
  )
})

test('installer packages are served, and are no component of clients', async () => {
  const udebs = 'main/debian-installer'
  const spec = suite([], {
    components: { main: { amd64: packages('bash 5.1') }, [udebs]: { amd64: packages('bash-udeb 5.1') } },
  })
  await withRig(
    spec,
    async (rig) => {
      assert.deepEqual(release(rig, 'approved').components, ['main'])
      assert.match((await text(rig, 'approved', `${udebs}/binary-amd64/Packages`))!, /^Package: bash-udeb$/m)
      const { text: sources } = await rig.call<{ text: string }>('sources', { channel: 'approved' })
      assert.match(sources, /^Components: main$/m)
    },
    { components: ['main', udebs] },
  )
})

test('architecture-independent packages that stand apart are taken and listed apart', async () => {
  const [doc] = [aPackage({ name: 'doc', version: '1', architecture: 'all' })]
  const spec = suite([], { components: { main: { amd64: packages('bash 5.1'), all: [doc!] } } })
  await withRig(spec, async (rig) => {
    assert.deepEqual([...release(rig, 'approved').architectures].sort(), ['all', 'amd64'])
    assert.match((await text(rig, 'approved', 'main/binary-all/Packages'))!, /^Package: doc$/m)
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1', 'doc 1'])
  })
})

test('Debian names `all` and keeps its packages in each architecture', async () => {
  const more = 'No-Support-for-Architecture-all: Packages\n'
  const doc = aPackage({ name: 'doc', version: '1', architecture: 'all' })
  const contents = { components: { main: { amd64: [doc], all: [doc] } }, more }
  await withRig(suite([], contents), async (rig) => {
    const ours = release(rig, 'approved')
    assert.equal(ours.identity.noSupportForArchitectureAll, 'Packages')
    assert.ok(!ours.files.has('main/binary-all/Packages'))
  })
})

test('a variant is an index of its own, complete, and no architecture of a sources entry', async () => {
  const better = aPackage({
    name: 'bash',
    version: '5.1',
    path: 'pool/main/b/bash/bash_5.1_amd64v3.deb',
    content: 'v3',
    more: 'Architecture-Variant: amd64v3\n',
  })
  const spec = suite([], { components: { main: { amd64: packages('bash 5.1'), amd64v3: [better] } } })
  await withRig(
    spec,
    async (rig, offer) => {
      assert.deepEqual(release(rig, 'approved').architectures, ['amd64', 'amd64v3'])
      const { text: sources } = await rig.call<{ text: string }>('sources', { channel: 'approved' })
      assert.match(sources, /^Architectures: amd64$/m)
      const path = 'pool/main/b/bash/bash_5.2_amd64v3.deb'
      const next = aPackage({ name: 'bash', version: '5.2', content: 'v3', path })
      await offer(suite([], { components: { main: { amd64: packages('bash 5.2'), amd64v3: [next] } } }))
      await rig.promote('bash')
      assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.2', 'bash 5.2'])
    },
    { architectures: ['amd64', 'amd64v3'] },
  )
})

/** A real server, because apt is real. */
async function withApt(
  name: string,
  spec: SuiteSpec,
  options: Partial<RigArchive>,
  files: ReadonlyMap<string, Buffer>,
  story: (apt: AptRoot, server: TestServer) => Promise<void>,
  languages = 'none',
): Promise<void> {
  await using archive = await FakeArchive.start()
  for (const [path, body] of files) archive.addFile(path, body)
  await archive.publish(name, { ...spec, date: Date.now() - minute })
  await using server = await TestServer.start({ archives: [{ archive, suites: [name], ...options }] })
  await server.json('update')
  using apt = new AptRoot({ config: `Acquire::Languages "${languages}";` })
  apt.setSources(await server.text('/approved.sources'))
  await apt.update()
  await story(apt, server)
}

test('apt installs from a flat archive', needs('apt-get'), async () => {
  const tool = aPackage({ name: 'tool', version: '1.0', path: 'tool_1.0_amd64.deb' })
  const flat = { ...tool, stanza: tool.stanza.replace('Filename: ', 'Filename: ./') }
  const foreign = aPackage({
    name: 'tool',
    version: '1.0',
    architecture: 'arm64',
    path: 'tool_1.0_arm64.deb',
  })
  for (const name of ['./', 'stable/']) {
    const spec = {
      components: { '': { any: [flat, foreign] } },
      codename: 'stable',
      suite: 'stable',
      byHash: name === './',
    }
    await withApt(
      name,
      spec,
      { components: [], more: ['release: noble'] },
      new Map(),
      async (apt, server) => {
        await apt.download('tool')
        assert.deepEqual(readFileSync(apt.archive('tool_1.0_amd64.deb')), tool.file)
        const shown = await server.json<{ items: { packages: number }[] }>('channel', 'show', 'approved')
        assert.equal(shown.items[0]!.packages, 1, 'the other architecture is left out')
      },
    )
  }
})

test('apt gets sources, byte for byte', needs('apt-get'), async () => {
  const { stanza, files } = aSource('hello', '2.10')
  const spec = suite(packages('hello 2.10'), { further: { [sourcesPath]: stanza } })
  await withApt('stable', spec, withSources, files, async (apt) => {
    const result = await apt.get('source', '--download-only', 'hello')
    assert.equal(result.status, 0, result.output)
    for (const [path, body] of files) {
      assert.deepEqual(readFileSync(`${apt.folder}/${path.split('/').at(-1)}`), body)
    }
  })
})

test('apt shows the long description that a translation brings', needs('apt-get'), async () => {
  const spec = suite([described('bash', '5.1', 'shell')], { further: { [en]: translation('bash', 'shell') } })
  const story = async (apt: AptRoot) => {
    assert.match((await apt.cache('show', 'bash')).stdout, /long text of bash/)
  }
  await withApt('stable', spec, {}, new Map(), story, 'en')
})

const contents = paths.contents

test('Contents are cut by the packages of a channel, and made anew at most once a day', async () => {
  const spec = (names: string[]) =>
    suite(packages(...names.map((name) => `${name} 1`)), {
      further: { [contents]: inContents(...names, 'other') },
    })
  await withRig(
    spec(['bash', 'vim']),
    async (rig, offer) => {
      assert.equal(await text(rig, 'approved', contents), inContents('bash', 'vim'))
      await offer(spec(['bash', 'nano']))
      assert.equal(await text(rig, 'testing', contents), inContents('bash', 'vim'), 'of this day')
      rig.clock.advance(25 * 60 * minute)
      await rig.mustUpdate()
      assert.equal(await text(rig, 'testing', contents), inContents('bash', 'nano'))
      await rig.promote('nano')
      assert.equal(
        await text(rig, 'approved', contents),
        inContents('bash'),
        'what upstream has not is not in it',
      )
      const heads = () => rig.store.channels.list().map((one) => rig.store.channels.head(one.id)!.id)
      const before = heads()
      rig.clock.advance(25 * 60 * minute)
      await rig.mustUpdate()
      assert.equal(await text(rig, 'approved', contents), inContents('bash', 'nano'))
      rig.clock.advance(25 * 60 * minute)
      const settled = heads()
      await rig.mustUpdate()
      assert.notDeepEqual(before, settled)
      assert.deepEqual(heads(), settled, 'nothing changed, nothing is made')
    },
    { more: ['indexes: [packages, contents]'] },
  )
})

test("Ubuntu's Contents are for the whole suite", async () => {
  const root = 'Contents-amd64'
  const spec = suite([], {
    components: { main: { amd64: packages('bash 1') }, universe: { amd64: packages('cowsay 1') } },
    further: { [root]: 'bin/bash  shells/bash\nbin/cowsay  universe/games/cowsay\nbin/x  games/x\n' },
  })
  await withRig(
    spec,
    async (rig) => {
      assert.equal(
        await text(rig, 'approved', root),
        'bin/bash  shells/bash\nbin/cowsay  universe/games/cowsay\n',
      )
    },
    { components: ['main', 'universe'], more: ['indexes: [packages, contents]'] },
  )
})
