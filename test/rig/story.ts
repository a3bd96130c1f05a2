// Stories: an archive that offers suites, one after the other, and UUS beside it.
import { upkeepStep } from '../../src/actions/update.ts'
import { FakeArchive, type SuiteSpec } from './archive.ts'
import { minute } from './clock.ts'
import { aPackage, type BuiltPackage } from './packages.ts'
import { Rig, type RigOptions } from './rig.ts'

let date = Date.UTC(2026, 10, 20)

/** Each Release is a little newer than the one before. */
export function nextDate(): number {
  date += minute
  return date
}

/** A suite with one component and one architecture. */
export function suite(content: readonly BuiltPackage[], more: Partial<SuiteSpec> = {}): SuiteSpec {
  return { components: { main: { amd64: content } }, date: nextDate(), ...more }
}

export interface Story {
  readonly archive: FakeArchive
  readonly rig: Rig
  /** Publishes suites and updates. */
  offer(suites: Record<string, SuiteSpec>): Promise<void>
}

/** A rig after its first update; the suites' names are the archive's. */
export async function tell(
  suites: Record<string, SuiteSpec>,
  story: (story: Story) => Promise<void>,
  options: Partial<RigOptions> = {},
): Promise<void> {
  await using archive = await FakeArchive.start()
  for (const [name, spec] of Object.entries(suites)) await archive.publish(name, spec)
  await using rig = await Rig.open({ archives: [{ archive, suites: Object.keys(suites) }], ...options })
  await rig.mustUpdate()
  const offer = async (more: Record<string, SuiteSpec>) => {
    for (const [name, spec] of Object.entries(more)) await archive.publish(name, spec)
    await rig.mustUpdate()
  }
  await story({ archive, rig, offer })
  await rig.check()
}

/** The same with one suite, `stable`, that the story publishes itself. */
export async function withRig(
  content: readonly BuiltPackage[],
  story: (rig: Rig, archive: FakeArchive) => Promise<void>,
  options: Partial<RigOptions> = {},
): Promise<void> {
  await tell({ stable: suite(content) }, ({ rig, archive }) => story(rig, archive), options)
}

/** Channels of which the second is gated as told: YAML of its settings. */
export const gated = (settings: string) => ({
  channels: { testing: '{from: upstream}', approved: `{from: testing, ${settings}}` },
})

export const approved = (rig: Rig) => rig.shows('approved', 'stable')

/** What the timer does. */
export const upkeep = (rig: Rig) =>
  rig.process.context.jobs.run(upkeepStep, {}, { actor: { name: 'uus', via: 'schedule' }, emit: () => {} })

export const version = (name: string, text: string, depends?: string) =>
  aPackage({ name, version: text, ...(depends === undefined ? {} : { depends }) })
