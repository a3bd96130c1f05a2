// The jobs process, seen from the server: a port to call steps through, and a restart when it dies.
import { type ChildProcess, fork } from 'node:child_process'
import { getCompileCacheDir } from 'node:module'
import { setPriority } from 'node:os'
import type { Clock } from '../lib/clock.ts'
import { type ErrorValue, UusError } from '../lib/errors.ts'
import type { Event } from '../lib/events.ts'
import type { Actor } from '../store/audit.ts'
import type { Call, JobsPort, Step } from './action.ts'

/** Server → jobs. */
export type JobsRequest =
  | {
      readonly type: 'start'
      readonly configText: string
      readonly configPath: string
      /** As the command line says, instead of the configuration. */
      readonly baseUrl: string | null
    }
  | {
      readonly type: 'run'
      readonly id: number
      readonly step: string
      readonly input: unknown
      readonly actor: Actor
    }

/** Jobs → server. */
export type JobsAnswer =
  | { readonly type: 'ready' }
  | { readonly type: 'fatal'; readonly error: ErrorValue }
  /** A step that writes ended: what is served may have changed. */
  | { readonly type: 'changed' }
  | { readonly type: 'event'; readonly id: number; readonly event: Event }
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: ErrorValue }

export interface ForkedJobsOptions {
  /** The program and its arguments. */
  readonly program: string
  readonly arguments: readonly string[]
  readonly configText: string
  readonly configPath: string
  /** As the command line says, instead of the configuration. */
  readonly baseUrl: string | null
  readonly clock: Clock
  onChanged(): void
  /** It died and is started again. */
  onDeath(how: string): void
}

const niceness = 10
// An adoption makes much that is soon garbage. Collecting it in smaller steps, and letting the codec's threads (the usual
// four: the server has more) share the allocator's arenas, saves a quarter of the memory and costs next to no time.
const smallHeap = ['--max-semi-space-size=4']
const smallArenas = {
  MALLOC_ARENA_MAX: '2',
  UV_THREADPOOL_SIZE: '4',
  MALLOC_MMAP_THRESHOLD_: '262144',
  MALLOC_TRIM_THRESHOLD_: '262144',
}
const firstPauseMs = 500
const maxPauseMs = 30_000

interface Waiting {
  readonly call: Call
  resolve(value: unknown): void
  reject(error: unknown): void
}

export class ForkedJobs implements JobsPort, AsyncDisposable {
  readonly #options: ForkedJobsOptions
  readonly #waiting = new Map<number, Waiting>()
  #child: ChildProcess | null = null
  /** Resolves when the present child takes calls. */
  #ready: Promise<void> = Promise.resolve()
  #nextId = 1
  #pauseMs = firstPauseMs
  #isClosing = false

  private constructor(options: ForkedJobsOptions) {
    this.#options = options
  }

  /** Resolves when the process takes calls; throws what keeps it from starting at all. */
  static async start(options: ForkedJobsOptions): Promise<ForkedJobs> {
    const jobs = new ForkedJobs(options)
    try {
      await jobs.#start()
    } catch (error) {
      await jobs[Symbol.asyncDispose]()
      throw error
    }
    return jobs
  }

  async run<I, O>(step: Step<I, O>, input: I, call: Call): Promise<O> {
    await this.#ready
    // Nobody would answer: it died before this turn, or is not started again any more.
    if (this.#child === null) throw died('it ended')
    const id = this.#nextId++
    return new Promise<O>((resolve, reject) => {
      this.#waiting.set(id, { call, resolve: resolve as (value: unknown) => void, reject })
      this.#send({ type: 'run', id, step: step.name, input, actor: call.actor })
    })
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  #start(): Promise<void> {
    const { program, arguments: arguments_, configText, configPath, baseUrl } = this.#options
    const child = fork(program, arguments_, {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [...process.execArgv, ...smallHeap],
      env: { ...process.env, ...smallArenas, NODE_COMPILE_CACHE: getCompileCacheDir() ?? '' },
    })
    this.#child = child
    this.#ready = new Promise((resolve, reject) => {
      child.on('message', (message) => {
        const answer = message as JobsAnswer
        if (answer.type === 'ready') {
          this.#pauseMs = firstPauseMs
          resolve()
        } else if (answer.type === 'fatal') reject(UusError.fromValue(answer.error))
        else this.#take(answer)
      })
      child.once('exit', (code, signal) => {
        reject(died(signal ?? `exit code ${code}`))
        this.#onExit(child, signal ?? `exit code ${code}`)
      })
      child.once('error', reject)
    })
    this.#ready.catch(() => {}) // met by callers
    this.#send({ type: 'start', configText, configPath, baseUrl })
    if (child.pid !== undefined) lowerPriority(child.pid)
    return this.#ready
  }

  #take(answer: Exclude<JobsAnswer, { type: 'ready' | 'fatal' }>): void {
    if (answer.type === 'changed') {
      this.#options.onChanged()
      return
    }
    const waiting = this.#waiting.get(answer.id)
    if (waiting === undefined) return
    if (answer.type === 'event') {
      waiting.call.emit(answer.event)
      return
    }
    this.#waiting.delete(answer.id)
    if (answer.type === 'result') waiting.resolve(answer.value)
    else waiting.reject(UusError.fromValue(answer.error))
  }

  #onExit(child: ChildProcess, how: string): void {
    if (this.#child !== child) return
    this.#child = null
    for (const waiting of this.#waiting.values()) waiting.reject(died(how))
    this.#waiting.clear()
    if (this.#isClosing) return
    this.#options.onDeath(how)
    const pauseMs = this.#pauseMs
    this.#pauseMs = Math.min(pauseMs * 2, maxPauseMs)
    this.#ready = this.#options.clock.sleep(pauseMs).then(() => (this.#isClosing ? undefined : this.#start()))
    this.#ready.catch(() => {})
    // What it committed stands, even if it could not say so any more. Who calls now waits for the next one.
    this.#options.onChanged()
  }

  #send(request: JobsRequest): void {
    this.#child?.send(request, (error) => {
      // A child that is gone says so by its exit, which rejects what waits.
      if (error !== null && this.#child === null) this.#options.onDeath(error.message)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true
    const child = this.#child
    if (child === null || child.exitCode !== null) return
    const exited = new Promise((resolve) => child.once('exit', resolve))
    child.disconnect()
    await exited
  }
}

function died(how: string): UusError {
  return new UusError('JOBS_DIED', `The jobs process died (${how}); it is started again`, {
    hint: 'Nothing is lost or half done: repeat the command',
  })
}

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, niceness)
  } catch {
    // Only a courtesy to the server; some containers forbid it.
  }
}
