// Running steps in this process: the commit queue. The jobs process serves its calls with it, and so does a command
// that runs without a server.
import type { Call, JobsContext, JobsPort, Step } from './action.ts'

export class LocalJobs implements JobsPort {
  readonly #context: JobsContext
  /** The last writer in the queue; never rejects. */
  #tail: Promise<unknown> = Promise.resolve()

  constructor(context: JobsContext) {
    this.#context = context
  }

  /** Writers run one at a time, in the order of the calls; readers at once. */
  async run<I, O>(step: Step<I, O>, input: I, call: Call): Promise<O> {
    if (step.isReadOnly) return step.run(this.#context, input, call)
    const turn = this.#tail.then(() => step.run(this.#context, input, call))
    this.#tail = turn.catch(() => {})
    return turn
  }

  /** Ends when all writers that were called have ended. */
  async idle(): Promise<void> {
    await this.#tail
  }
}
