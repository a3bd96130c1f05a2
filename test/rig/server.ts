// The real server, as a process of its own, and the real command line against its data directory.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { callServer } from '../../src/actions/socket.ts'
import { type RunResult, run } from './programs.ts'
import { type RigOptions, writeConfig } from './rig.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

export class TestServer implements AsyncDisposable {
  readonly folder: string
  #child: ChildProcess | null = null
  #port = 0
  /** All that it wrote to stderr. */
  log = ''
  /** All that it wrote to stdout. */
  out = ''
  /** Further variables of its environment, from the next start on. */
  environment: NodeJS.ProcessEnv = {}

  private constructor(folder: string) {
    this.folder = folder
  }

  /** Writes a configuration, starts the server and waits until it listens. */
  static async start(options: RigOptions | { readonly configText: string }): Promise<TestServer> {
    const server = new TestServer(mkdtempSync(join(tmpdir(), 'uus-server-')))
    if ('configText' in options) writeFileSync(server.configPath, options.configText)
    else writeConfig(server.folder, options)
    try {
      await server.restart()
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
    return server
  }

  /** Makes a slave by the very command that `uus slave add` printed; with further lines of configuration. */
  static async enrol(command: string, more: readonly string[] = [], isStarted = true): Promise<TestServer> {
    const server = new TestServer(mkdtempSync(join(tmpdir(), 'uus-slave-')))
    try {
      const [, ...words] = command.split(' ')
      const flags = ['--data', join(server.folder, 'data'), '--listen', '127.0.0.1:0']
      const { status, output } = await server.uus(...words, ...flags)
      if (status !== 0) throw new Error(`${command} (exit ${status}): ${output}`)
      appendFileSync(server.configPath, more.map((line) => `${line}\n`).join(''))
      if (isStarted) await server.restart()
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
    return server
  }

  get configPath(): string {
    return join(this.folder, 'config.yaml')
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Of the forward proxy. Logged right after the address of the server. */
  async proxyUrl(): Promise<string> {
    for (;;) {
      const port = /Forward proxy on \S+:(\d+)/.exec(this.log.slice(this.log.lastIndexOf('Serving on')))?.[1]
      if (port !== undefined) return `http://127.0.0.1:${port}`
      await once(this.#child!.stderr!, 'data')
    }
  }

  get pid(): number {
    return this.#child!.pid!
  }

  /** With further flags for `serve`. */
  async restart(...flags: string[]): Promise<void> {
    await this.stop()
    const child = spawn(process.execPath, [main, 'serve', '--config', this.configPath, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...environment, ...this.environment },
    })
    this.#child = child
    child.stdout.on('data', (chunk: Buffer) => {
      this.out += chunk
    })
    const before = this.log.length
    this.#port = await new Promise<number>((resolve, reject) => {
      child.stderr.on('data', (chunk: Buffer) => {
        this.log += chunk
        const port = /Serving on \S+:(\d+)/.exec(this.log.slice(before))?.[1]
        if (port !== undefined) resolve(Number(port))
      })
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${this.log}`)))
    })
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }

  /** A command of the command line. */
  uus(...arguments_: string[]): Promise<RunResult> {
    return run(process.execPath, [main, ...arguments_, '--config', this.configPath], { env: environment })
  }

  /** One that must succeed; its JSON. */
  async json<T>(...arguments_: string[]): Promise<T> {
    const result = await this.uus(...arguments_, '--json')
    if (result.status !== 0)
      throw new Error(`uus ${arguments_.join(' ')} (exit ${result.status}): ${result.output}\n${this.log}`)
    return JSON.parse(result.stdout) as T
  }

  /** An action of the running server, over the socket that commands use. */
  async call<T>(verb: string, input: Record<string, unknown> = {}): Promise<T> {
    const socket = join(this.folder, 'data', 'uus.sock')
    const result = await callServer(socket, verb, input, { name: 'tester', via: 'cli' }, () => {})
    if (result === null) throw new Error(`the server does not answer:\n${this.log}`)
    return result as T
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, { headers })
  }

  async text(path: string): Promise<string> {
    const response = await this.get(path)
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response.text()
  }

  async bytes(path: string): Promise<Buffer> {
    const response = await this.get(path)
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return Buffer.from(await response.arrayBuffer())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const environment = { ...process.env, NO_COLOR: '1', SUDO_USER: '', UUS_CONFIG: '' }
