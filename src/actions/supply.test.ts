// What is told of needed files while looking for them is still under way.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { systemClock } from '../lib/clock.ts'
import type { Sha256 } from '../lib/digest.ts'
import { ListSender } from '../lib/list-changes.ts'
import type { NeededFile } from '../repo/needed-files.ts'
import type { Call, JobsPort, PackageFiles, Step } from './action.ts'
import { Supply } from './supply.ts'

test('a file counts as absent, and is asked for, only after it was looked for', async () => {
  const sender = new ListSender<NeededFile>(({ sha256 }) => sha256)
  let needed = files(10)
  const asked: string[] = []
  const steps: string[] = []
  const jobs = {
    async run(step: Step<unknown, unknown>, input: { readonly known: string | null }) {
      steps.push(step.name)
      await setImmediate()
      const nothing = { missing: [], retained: [], ahead: { files: [], marks: [] }, probes: [] }
      return { needed: sender.changeTo(needed, input.known), ...nothing }
    },
  } as unknown as JobsPort
  const packages = {
    async has() {
      await setImmediate()
      return true
    },
    async obtain(_archive: string, path: string) {
      asked.push(path)
    },
  } as unknown as PackageFiles
  const prefetch = { files: 1, window: { from: 0, to: 24 * 60, days: [0, 1, 2, 3, 4, 5, 6] } }
  const call = {} as Call
  const supply = new Supply({ jobs, packages, clock: systemClock, log: () => {}, call, prefetch })
  await supply.look()
  needed = files(100)
  supply.wake()
  await setImmediate()
  needed = files(300)
  // A dashboard asks while the look in the background is under way.
  const reports = [supply.report(), supply.report()]
  const absent = new Set<number>()
  let isOver = false
  const end = Promise.all([...reports, supply.idle()]).then(() => {
    isOver = true
  })
  while (!isOver) {
    absent.add(supply.counts().atRiskFiles)
    await setImmediate()
  }
  await end
  assert.deepEqual([...absent], [0])
  const { keptFiles, atRisk } = await reports[1]!
  assert.deepEqual([keptFiles, atRisk], [300, []])
  assert.deepEqual(asked, [])
  assert.deepEqual(new Set(steps), new Set(['needs']))
})

function files(count: number): NeededFile[] {
  return Array.from({ length: count }, (_, number) => ({
    sha256: `${number}` as unknown as Sha256,
    sizeBytes: 1,
    archive: 'debian',
    path: `pool/${number}.deb`,
    channel: 'approved',
    source: 'hello',
    version: '1',
    isFrozen: false,
  }))
}
