// Stories: an archive that offers suites, one after the other, and UUS beside it.
import { FakeArchive, type SuiteSpec } from './archive.ts'
import { minute } from './clock.ts'
import type { BuiltPackage } from './packages.ts'
import { Rig, type RigOptions } from './rig.ts'

let date = Date.UTC(2026, 10, 20)

export function suite(content: readonly BuiltPackage[], more: Partial<SuiteSpec> = {}): SuiteSpec {
  date += minute
  return { components: { main: { amd64: content } }, date, ...more }
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
