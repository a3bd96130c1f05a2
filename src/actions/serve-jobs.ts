// The jobs process's side of its port: takes calls, runs steps, answers.
import { UusError } from '../lib/errors.ts'
import type { JobsContext } from './action.ts'
import type { JobsAnswer, JobsRequest } from './forked-jobs.ts'
import { LocalJobs } from './local-jobs.ts'
import { type AnyStep, steps } from './registry.ts'

type Start = Extract<JobsRequest, { type: 'start' }>

/**
 * Serves calls from the parent process until it goes away. `open` makes the context from the configuration that the
 * parent sends first.
 */
export function serveJobs(open: (start: Start) => Promise<JobsContext>): void {
  let jobs: LocalJobs | null = null
  const answer = (message: JobsAnswer) => process.send?.(message)
  process.on('message', (message) => {
    const request = message as JobsRequest
    if (request.type === 'start') {
      Promise.try(open, request).then(
        (context) => {
          jobs = new LocalJobs(context)
          answer({ type: 'ready' })
        },
        (error: unknown) => {
          process.exitCode = 1
          const fatal: JobsAnswer = { type: 'fatal', error: UusError.from(error).toValue() }
          process.send?.(fatal, () => process.disconnect?.())
        },
      )
      return
    }
    if (jobs !== null) void run(jobs, request, answer)
  })
  // The parent is gone. Whatever runs is cut here as by a crash, which leaves the old or the new state.
  process.on('disconnect', () => process.exit())
}

async function run(
  jobs: LocalJobs,
  request: Extract<JobsRequest, { type: 'run' }>,
  answer: (message: JobsAnswer) => void,
): Promise<void> {
  const { id, actor, input } = request
  const step = steps.get(request.step)
  try {
    if (step === undefined) throw new Error(`unknown step ${request.step}`)
    const value = await jobs.run(step, input, {
      actor,
      emit: (event) => answer({ type: 'event', id, event }),
    })
    if (changesServed(step)) answer({ type: 'changed' })
    answer({ type: 'result', id, value })
  } catch (error) {
    if (step !== undefined && changesServed(step)) answer({ type: 'changed' })
    answer({ type: 'error', id, error: UusError.from(error).toValue() })
  }
}

function changesServed({ isReadOnly, isQuiet }: AnyStep): boolean {
  return !isReadOnly && isQuiet !== true
}
