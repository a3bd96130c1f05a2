// Death at every durable step of adopting, promoting and publishing, before and after it: a restart finds the old or
// the new state, all of it right, with no repair; and doing the same again gets to the new state.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeArchive } from './rig/archive.ts'
import { hour } from './rig/clock.ts'
import { dieEverywhere, type Mortal } from './rig/deaths.ts'
import { checkEffectsHaveRows } from './rig/effects.ts'
import { packages } from './rig/packages.ts'
import { Rig } from './rig/rig.ts'

const start = Date.UTC(2026, 10, 20)
const before = ['bash 5.1', 'vim 9.0']
const after = ['bash 5.2', 'nano 7.0', 'vim 9.0']

function publish(archive: FakeArchive, names: string[], date: number): Promise<void> {
  return archive.publish('stable', { components: { main: { amd64: packages(...names) } }, date })
}

interface Act extends Mortal {
  readonly name: string
  /** Brings a fresh rig to the state before the act. */
  prepare(rig: Rig, archive: FakeArchive): Promise<void>
  /** What clients of approved may see: before, or after. */
  readonly states: readonly [before: string[] | undefined, after: string[]]
  readonly leastDeaths?: number
}

const acts: readonly Act[] = [
  {
    name: 'the first adoption, with the seeds',
    prepare: async () => {},
    act: (rig) => rig.update(),
    states: [undefined, before],
  },
  {
    name: 'a later adoption',
    async prepare(rig, archive) {
      await rig.mustUpdate()
      await publish(archive, after, start + hour)
    },
    act: (rig) => rig.update(),
    states: [before, before],
  },
  {
    name: 'a promotion',
    async prepare(rig, archive) {
      await rig.mustUpdate()
      await publish(archive, after, start + hour)
      await rig.mustUpdate()
    },
    // Not all of it: what testing shows is packed already, and a promotion that packs nothing has few steps.
    act: (rig) => rig.promote('bash'),
    states: [before, ['bash 5.2', 'vim 9.0']],
  },
  {
    name: 'a rollback',
    async prepare(rig, archive) {
      await rig.mustUpdate()
      for (const one of packages(...before)) await rig.cache(one)
      await publish(archive, after, start + hour)
      await rig.mustUpdate()
      await rig.promote('@all')
    },
    async act(rig) {
      const approved = rig.store.channels.find('approved')!
      const first = rig.store.channels.snapshots(approved.id).at(-1)!
      return rig.call('snapshot rollback', { channel: 'approved', id: first.id, reason: 'test' })
    },
    states: [after, before],
    // The old content's blocks are all there.
    leastDeaths: 20,
  },
]

for (const one of acts) {
  test(`death at every step of ${one.name} leaves the old or the new state`, async () => {
    await using archive = await FakeArchive.start()
    await publish(archive, before, start)
    await using rig = await Rig.open({ archives: [{ archive }] })
    await one.prepare(rig, archive)
    const deaths = await dieEverywhere(rig, one, (diedAt) => checkAfterDeath(rig, one, diedAt))
    assert.ok(deaths >= (one.leastDeaths ?? 26), `only ${deaths} steps were found`)
  })
}

async function checkAfterDeath(rig: Rig, one: Act, diedAt: string): Promise<void> {
  await checkEffectsHaveRows(join(rig.folder, 'data', 'catalogue.db'), diedAt)
  await rig.restart({ disk: undefined })
  const seen = (await rig.check()).get('approved/test/stable')
  assert.ok(
    one.states.some((state) => JSON.stringify(state) === JSON.stringify(seen)),
    `${diedAt}: clients of approved see ${seen?.join(', ')}`,
  )
  await one.act(rig)
  assert.deepEqual(
    (await rig.check()).get('approved/test/stable'),
    one.states[1],
    `${diedAt}, and done again`,
  )
}
