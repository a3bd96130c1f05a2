// `uus serve` and `uus init`: the two commands that do not go through an action call.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Enrolment } from '../actions/client-files.ts'
import { type InitOrder, initConfig } from '../actions/init.ts'
import { auditName } from '../actions/keys.ts'
import { type Config, parseConfig, reachableUrl, readConfig, withBaseUrl } from '../config/config.ts'
import { parseListen } from '../config/scalars.ts'
import { UusError } from '../lib/errors.ts'
import type { Event } from '../lib/events.ts'
import { createLog, type Log, type LogFormat } from '../lib/log.ts'
import { printEnrolment } from './enrol.ts'
import { EventPrinter } from './events.ts'
import { Output } from './output.ts'
import { type CommonFlags, printError, type Terminal } from './run.ts'

export interface ServeFlags extends CommonFlags {
  readonly listen: string | undefined
  readonly baseUrl: string | undefined
  readonly log: LogFormat
}

/** A server that is up; see app.ts. */
export interface ServerHandle extends AsyncDisposable {
  readonly port: number
  readonly proxyPort: number | null
  readonly settled: Promise<unknown>
  readonly config: Config
  enrolments(): Enrolment[]
  readonly otherDoors: readonly string[]
  reopenFiles(): void
}

export type StartServer = (
  config: Config,
  configText: string,
  log: Log,
  emit: (event: Event) => void,
) => Promise<ServerHandle>

/** Runs until a signal ends it. */
export async function runServe(terminal: Terminal, flags: ServeFlags, start: StartServer): Promise<number> {
  try {
    const config = withFlags(readConfig(flags.configPath), flags)
    const log = createLog(flags.log, terminal.now)
    const printer = new EventPrinter(
      new Output(terminal.stderr, terminal.environment, terminal.now()),
      terminal.now,
    )
    const emit = flags.log === 'text' ? printer.emit : (event: Event) => logEvent(log, event)
    await using server = await start(config, readFileSync(flags.configPath, 'utf8'), log, emit)
    const stopped = nextSignal()
    // Without such files it ends a server whose terminal is closed, as it does any program.
    const hasTokens = config.archives.some(({ access }) => access !== null && access.tokensFile !== null)
    const hasFiles = typeof config.accessLog === 'string' || config.tls !== null || hasTokens
    using _hangUp = hasFiles ? onHangUp(() => server.reopenFiles()) : null
    for (const door of server.otherDoors) log('info', door)
    log('info', `Serving on ${config.listen.host}:${server.port}`)
    if (config.proxy !== null && server.proxyPort !== null)
      log('info', `Forward proxy on ${config.proxy.listen.host}:${server.proxyPort}`)
    void server.settled.then(() => {
      printer.end()
      if (flags.log === 'text') printClients(terminal, server)
    })
    const signal = await stopped
    log('info', `Stopping (${signal})`)
    return 0
  } catch (error) {
    return printError(terminal, flags.json, error)
  }
}

function withFlags(config: Config, flags: ServeFlags): Config {
  const listen = flags.listen === undefined ? config.listen : parseListen(flags.listen)
  if (listen === null) {
    throw new UusError('USAGE', `--listen ${flags.listen} is no address`, {
      hint: 'Use ADDRESS:PORT, like 0.0.0.0:8080',
    })
  }
  return {
    ...withBaseUrl(config, flags.baseUrl ?? null),
    listen,
    accessLog: config.accessLog ?? flags.log === 'json',
  }
}

/** Progress is for people; everything else goes into the log. */
function logEvent(log: Log, event: Event): void {
  if (event.type === 'fetch-progress') return
  const { type, ...fields } = event
  log(type === 'suite-failed' || type === 'alarm' ? 'warn' : 'info', type, fields)
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal))
  })
}

/** What logrotate sends, and who renews certificates. */
function onHangUp(act: () => void): Disposable {
  process.on('SIGHUP', act)
  return { [Symbol.dispose]: () => void process.off('SIGHUP', act) }
}

function printClients(terminal: Terminal, server: ServerHandle): void {
  const out = new Output(terminal.stdout, terminal.environment, terminal.now())
  const baseUrl = reachableUrl(server.config, server.port)
  for (const enrolment of server.enrolments()) {
    out.line()
    if (enrolment.release === null)
      out.line(`Channel ${enrolment.channel} is not published yet: see "uus status".`)
    else printEnrolment(enrolment, baseUrl, out)
  }
}

export interface InitFlags extends CommonFlags {
  readonly aptFolder: string | null
  readonly data: string | undefined
  readonly listen: string | undefined
  readonly baseUrl: string | undefined
  readonly slave: InitOrder['slave']
}

/** Opens and closes the writing half: the catalogue and the keys are made by that. */
export type PrepareData = (config: Config) => Promise<{ channel: string; fingerprint: string }[]>

export async function runInit(
  terminal: Terminal,
  flags: InitFlags,
  write: Parameters<typeof initConfig>[1],
  prepare: PrepareData,
): Promise<number> {
  try {
    const order: InitOrder = {
      configPath: flags.configPath,
      aptFolder: flags.aptFolder,
      data: flags.data ?? null,
      listen: flags.listen ?? null,
      baseUrl: flags.baseUrl ?? null,
      slave: flags.slave,
      examplePath: join(import.meta.dirname, '..', '..', 'config.example.yaml'),
    }
    const result = await initConfig(order, write)
    const keys = await prepare(parseConfig(result.configText, flags.configPath))
    if (flags.json) {
      const { isNewConfig, notes } = result
      terminal.stdout.write(
        `${JSON.stringify({ status: 'done', config: flags.configPath, isNewConfig, notes, keys }, null, 2)}\n`,
      )
      return 0
    }
    const out = new Output(terminal.stderr, terminal.environment, terminal.now())
    for (const note of result.notes) out.line(note)
    out.line(`Configuration: ${flags.configPath}${result.isNewConfig ? ' (new: have a look at it)' : ''}`)
    out.line(`Data: ${result.config.dataFolder}`)
    if (result.config.master !== null)
      out.line(`Follows ${result.config.master.url}: start it with "uus serve"`)
    for (const { channel, fingerprint } of keys) {
      const what = channel === auditName ? 'The audit log' : `Channel ${channel}`
      out.line(`${what} is signed by ${fingerprint}`)
    }
    return 0
  } catch (error) {
    return printError(terminal, flags.json, error)
  }
}
