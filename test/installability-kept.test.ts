// Universes that are kept from question to question: they say what one that is made anew says, whatever happened between.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UusError } from '../src/lib/errors.ts'
import { architecturesByRelease, Installability } from '../src/repo/installability.ts'
import { FakeArchive } from './rig/archive.ts'
import { minute } from './rig/clock.ts'
import { aPackage } from './rig/packages.ts'
import { Rig } from './rig/rig.ts'
import { seeded } from './rig/seeded.ts'

const names = ['bash', 'vim', 'nano', 'mc', 'joe', 'zsh']
const components = ['main', 'contrib']

interface Offer {
  readonly version: number
  readonly depends: string
  /** The very stanza may stand in both. */
  readonly components: readonly string[]
}

test('what cannot be installed is the same from a universe that is kept as from a new one', async () => {
  const at = seeded(11)
  const offers = new Map<string, Offer>()
  const draw = (name: string): Offer => {
    const other = names[at(names.length)]!
    const needed = (offers.get(other)?.version ?? 0) + at(2)
    return {
      version: (offers.get(name)?.version ?? 0) + 1,
      depends: at(2) === 0 ? '' : `${other} (>= 1.${needed})`,
      components: at(4) === 0 ? components : [components[at(2)]!],
    }
  }
  await using archive = await FakeArchive.start()
  const publish = () => {
    const amd64 = (component: string) =>
      [...offers]
        .filter(([, offer]) => offer.components.includes(component))
        .map(([name, { version, depends }]) =>
          aPackage({ name, version: `1.${version}`, ...(depends === '' ? {} : { depends }) }),
        )
    return archive.publish('stable', {
      components: Object.fromEntries(components.map((one) => [one, { amd64: amd64(one) }])),
    })
  }
  for (const name of names) offers.set(name, draw(name))
  await publish()
  await using rig = await Rig.open({
    archives: [{ archive, components }],
  })
  await rig.mustUpdate()
  const { repo } = rig.process.jobs
  const { store } = repo
  const [suite] = store.archives.suites()
  const release = suite!.release!
  const sets = architecturesByRelease(store.archives.suites(), rig.config.archives).get(release)!
  let broken = 0
  let promoted = 0
  for (let step = 0; step < 45; step++) {
    const name = names[at(names.length)]!
    switch (at(5)) {
      case 0:
      case 1:
        offers.set(name, draw(name))
        break
      case 2:
        if (offers.size > 3) offers.delete(name)
        break
      case 3: {
        const selectors = at(2) === 0 ? ['@all'] : [name]
        const done = await rig.call('promote', { selectors, reason: 'test', force: true }).catch(refused)
        if (done !== null) promoted++
        break
      }
      default: {
        const snapshots = store.channels.snapshots(store.channels.find('approved')!.id)
        const { id } = snapshots[at(snapshots.length)]!
        await rig
          .call('snapshot rollback', { channel: 'approved', id, reason: 'test', force: true })
          .catch(refused)
      }
    }
    await publish()
    if (at(3) > 0) await rig.mustUpdate()
    rig.clock.advance(minute)
    for (const channel of store.channels.list()) {
      const anew = new Installability(store, () => sets).check(channel, release)
      assert.deepEqual(sorted(repo.installability.check(channel, release)), sorted(anew), `step ${step}`)
      broken += anew.length
    }
  }
  assert.ok(broken > 20 && promoted > 3, `${broken} broken, ${promoted} promoted`)
})

function sorted(all: readonly { readonly name: string; readonly sentence: string }[]): string[] {
  return all.map(({ name, sentence }) => `${name}: ${sentence}`).sort()
}

function refused(error: unknown): null {
  assert.ok(error instanceof UusError && error.code !== 'USAGE', String(error))
  return null
}
