// Before something enters a gated channel, what upstream does not offer any more of it is fetched: the gates judge after
// that.
import type { NeededFile } from '../repo/needed-files.ts'
import type { PendingItem, PendingScope } from '../repo/pending-item.ts'
import type { Call, ServerContext, Step } from './action.ts'

/** What a selection needs and is not here. */
export function absentFilesOf(scope: PendingScope, items: readonly PendingItem[]): NeededFile[] {
  return items.flatMap(({ absentFiles, archive, source, version }) =>
    absentFiles.map(({ path, sha256, sizeBytes }) => {
      return {
        path,
        sha256,
        sizeBytes,
        archive,
        channel: scope.target.name,
        source,
        version,
        isFrozen: false,
      }
    }),
  )
}

/** Runs `needs`, fetches what it names, then runs `act`. */
export async function fetchFirst<I, O>(
  { jobs, supply }: ServerContext,
  needs: Step<I, readonly NeededFile[]>,
  act: Step<I, O>,
  input: I,
  call: Call,
): Promise<O> {
  await supply.obtain(await jobs.run(needs, input, call), call)
  return jobs.run(act, input, call)
}
