// Before something enters a gated channel, what upstream does not offer any more of it is fetched: the gates judge after
// that.
import type { NeededFile } from '../repo/needed-files.ts'
import type { PendingItem, PendingScope } from '../repo/pending-item.ts'
import { type Call, type JobsContext, type ServerContext, type Step, step } from './action.ts'

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

/** An order, and whether what it needs was fetched as far as it can be had. */
interface Attempt<I> {
  readonly order: I
  readonly hasFetched: boolean
}

type Attempted<O> =
  | { readonly type: 'absent'; readonly files: readonly NeededFile[] }
  | { readonly type: 'ended'; readonly outcome: O }

export type FetchingStep<I, O> = Step<Attempt<I>, Attempted<O>>

/** What an order comes to: the files that it needs and are not here, and how to carry it out with or without them. */
export interface Prepared<O> {
  readonly absentFiles: readonly NeededFile[]
  act(): O | Promise<O>
}

/** A step that does nothing before its files were fetched; it is for `fetchFirst`. */
export function fetchingStep<I, O>(
  name: string,
  prepare: (context: JobsContext, order: I, call: Call) => Prepared<O>,
): FetchingStep<I, O> {
  return step(name, async (context, { order, hasFetched }, call) => {
    const { absentFiles: files, act } = prepare(context, order, call)
    if (files.length > 0 && !hasFetched) return { type: 'absent', files }
    return { type: 'ended', outcome: await act() }
  })
}

/** Runs a step; where files are missing for it, fetches them and runs it again. */
export async function fetchFirst<I, O>(
  { jobs, supply }: Pick<ServerContext, 'jobs' | 'supply'>,
  theStep: FetchingStep<I, O>,
  order: I,
  call: Call,
): Promise<O> {
  const first = await jobs.run(theStep, { order, hasFetched: false }, call)
  if (first.type === 'ended') return first.outcome
  await supply.obtain(first.files, call)
  const second = await jobs.run(theStep, { order, hasFetched: true }, call)
  if (second.type === 'ended') return second.outcome
  throw new Error(`Internal error: ${theStep.name} asks for its files again`)
}
