// Death at every durable step of adopting, promoting and publishing, before and after it: a restart finds the old or
// the new state, all of it right, with no repair; and doing the same again gets to the new state.
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeArchive } from './rig/archive.ts'
import { hour } from './rig/clock.ts'
import { Died, DyingDisk } from './rig/dying-disk.ts'
import { packages } from './rig/packages.ts'
import { Rig } from './rig/rig.ts'

const start = Date.UTC(2026, 10, 20)
const before = ['bash 5.1', 'vim 9.0']
const after = ['bash 5.2', 'nano 7.0', 'vim 9.0']

function publish(archive: FakeArchive, names: string[], date: number): Promise<void> {
  return archive.publish('stable', { components: { main: { amd64: packages(...names) } }, date })
}

interface Act {
  readonly name: string
  /** Brings a fresh rig to the state before the act. */
  prepare(rig: Rig, archive: FakeArchive): Promise<void>
  /** May be done again after it was cut off, or after it was done. */
  act(rig: Rig): Promise<unknown>
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
    const backup = mkdtempSync(join(tmpdir(), 'uus-backup-'))
    try {
      await rig.stop()
      cpSync(rig.folder, backup, { recursive: true })
      let deaths = 0
      for (const when of ['before', 'after'] as const) {
        for (let step = 1; ; step++) {
          rmSync(join(rig.folder, 'data'), { recursive: true })
          cpSync(backup, rig.folder, { recursive: true })
          const diedAt = await dieAt(rig, one, step, when)
          if (diedAt === null) break
          deaths++
          await checkAfterDeath(rig, one, diedAt)
        }
      }
      assert.ok(deaths >= (one.leastDeaths ?? 26), `only ${deaths} steps were found`)
    } finally {
      rmSync(backup, { recursive: true, force: true })
    }
  })
}

/** What it died of, or null if the act was over before that step. */
async function dieAt(rig: Rig, one: Act, step: number, when: 'before' | 'after'): Promise<string | null> {
  const disk = new DyingDisk(step, when)
  try {
    await rig.restart({ disk })
    await one.act(rig)
  } catch (error) {
    if (!(error instanceof Died) && disk.diedAt === null) throw error
  }
  await rig.stop()
  return disk.diedAt
}

async function checkAfterDeath(rig: Rig, one: Act, diedAt: string): Promise<void> {
  await rig.restart({ disk: undefined })
  const seen = (await rig.check()).get('approved/test/stable')
  assert.ok(
    one.states.some((state) => JSON.stringify(state) === JSON.stringify(seen)),
    `${diedAt}: clients of approved see ${seen?.join(', ')}`,
  )
  checkEffectsHaveRows(rig, diedAt)
  await one.act(rig)
  assert.deepEqual(
    (await rig.check()).get('approved/test/stable'),
    one.states[1],
    `${diedAt}, and done again`,
  )
  await rig.stop()
}

/** No snapshot without its audit row, and no row without its snapshot. */
function checkEffectsHaveRows(rig: Rig, diedAt: string): void {
  const { store } = rig
  const snapshots = store.channels.list().flatMap((channel) => store.channels.snapshots(channel.id)).length
  const rows = store.audit.list().filter((row) => !row.action.startsWith('configure')).length
  assert.equal(rows, snapshots, diedAt)
}
