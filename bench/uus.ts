// Our own server under the stopwatch: this process is the server, the jobs process is forked as always.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { callAction, type RunningServer, serve } from '../src/app.ts'
import { readConfig } from '../src/config/config.ts'
import type { Event } from '../src/lib/events.ts'
import { type Measured, processFacts } from './measure.ts'

const program = join(import.meta.dirname, '..', 'src', 'main.ts')
const settleMs = 1500

export interface UusOptions {
  readonly folder: string
  readonly uri: string
  readonly suite: string
  readonly component: string
  readonly keyring: string
  readonly compression: string
}

export interface FirstRun {
  /** From the first request to the committed view of `upstream`. */
  readonly adopt: Measured
  /** From there to the served head of `testing`. */
  readonly publish: Measured
}

/** Starts a server on an empty data directory and times its first update. */
export async function firstRun(options: UusOptions): Promise<FirstRun> {
  mkdirSync(options.folder, { recursive: true })
  const path = join(options.folder, 'config.yaml')
  writeFileSync(
    path,
    configText({ ...options, channels: `{testing: {from: upstream, compression: ${options.compression}}}` }),
  )
  const times = new Map<string, number>()
  const cpu = new Map<string, number>()
  let jobsPid = 0
  const emit = (event: Event) => {
    if (event.type === 'suite-failed') throw new Error(event.error.message)
    if (event.type !== 'suite-adopted' && event.type !== 'snapshot') return
    const name = event.type === 'snapshot' ? `snapshot ${event.channel}` : event.type
    times.set(name, performance.now())
    cpu.set(name, cpuSeconds(jobsPid))
    if (event.type === 'suite-adopted') times.set('rss', processFacts(jobsPid).peakRssBytes)
  }
  await using server = await serve({
    config: readConfig(path),
    configText: readFileSync(path, 'utf8'),
    program,
    log: (_level, message) => process.stderr.write(`${message}\n`),
    emit,
  })
  const begin = performance.now()
  jobsPid = server.jobsPid!
  const cpuBegin = cpuSeconds(jobsPid)
  await server.settled
  const adopted = times.get('suite-adopted')!
  const published = times.get('snapshot testing')!
  return {
    adopt: {
      wallSeconds: (adopted - begin) / 1000,
      cpuSeconds: cpu.get('suite-adopted')! - cpuBegin,
      peakRssBytes: times.get('rss')!,
    },
    publish: {
      wallSeconds: (published - adopted) / 1000,
      cpuSeconds: cpu.get('snapshot testing')! - cpu.get('suite-adopted')!,
      peakRssBytes: processFacts(jobsPid).peakRssBytes,
    },
  }
}

export interface BenchServerOptions extends Omit<UusOptions, 'compression'> {
  /** The `channels:` value, as YAML in one line. */
  readonly channels: string
}

/** A running server that takes calls as from the command line. */
export class BenchServer implements AsyncDisposable {
  readonly #server: RunningServer

  private constructor(server: RunningServer) {
    this.#server = server
  }

  /** Resolves when the first update is done. */
  static async start(options: BenchServerOptions): Promise<BenchServer> {
    mkdirSync(options.folder, { recursive: true })
    const path = join(options.folder, 'config.yaml')
    writeFileSync(path, configText(options))
    const server = await serve({
      config: readConfig(path),
      configText: readFileSync(path, 'utf8'),
      program,
      log: (_level, message) => process.stderr.write(`${message}\n`),
      emit: () => {},
    })
    await server.settled
    return new BenchServer(server)
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`
  }

  get port(): number {
    return this.#server.port
  }

  /** Throws where the action did not do what it was asked for: a refusal is quick, but no figure. */
  async call(verb: string, input: unknown = {}): Promise<unknown> {
    const actor = { name: 'bench', via: 'cli' } as const
    const outcome = await callAction(this.#server.config, verb, input, actor, () => {})
    if (outcome.status !== 'done') throw new Error(`${verb}: ${JSON.stringify(outcome).slice(0, 1000)}`)
    return outcome
  }

  /** What both processes take for something, and for what they go on with after they have answered. */
  async measure(act: () => Promise<unknown>): Promise<Measured> {
    const jobsPid = this.#server.jobsPid!
    const began = performance.now()
    const cpuBegan = cpuSeconds(jobsPid)
    await act()
    const wallSeconds = (performance.now() - began) / 1000
    await setTimeout(settleMs)
    return {
      wallSeconds,
      cpuSeconds: cpuSeconds(jobsPid) - cpuBegan,
      peakRssBytes: processFacts(jobsPid).peakRssBytes,
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]() as Promise<void>
  }
}

function configText({ uri, suite, component, keyring, channels }: BenchServerOptions): string {
  return `data: data
listen: 127.0.0.1:0
archives:
  - {name: bench, uris: "${uri}", suites: ${suite}, components: ${component}, architectures: amd64, signed-by: ${keyring}, check-valid-until: false}
channels: ${channels}
`
}

/** Of both processes. */
function cpuSeconds(jobsPid: number): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6 + (jobsPid === 0 ? 0 : processFacts(jobsPid).cpuSeconds)
}
