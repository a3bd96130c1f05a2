// The composition root of the server: which parts it has, and what each is given. Its other half is jobs.ts.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type Call,
  type JobsContext,
  type JobsPort,
  type Outcome,
  parseInput,
  type ServerContext,
} from './actions/action.ts'
import { type VerifyResult, verifyAudit } from './actions/audit-verify.ts'
import { type Enrolment, listEnrolments } from './actions/client-files.ts'
import { ForkedJobs } from './actions/forked-jobs.ts'
import { auditName } from './actions/keys.ts'
import { LocalJobs } from './actions/local-jobs.ts'
import { actions } from './actions/registry.ts'
import { Scheduler } from './actions/schedule.ts'
import { callServer, serveSocket } from './actions/socket.ts'
import { examineStep } from './actions/update.ts'
import { upstreamArchive } from './actions/upstream-archive.ts'
import { runAudit, runVerify, type VerifyFlags } from './cli/audit.ts'
import { type Programs, runCli } from './cli/cli.ts'
import { type ActionSession, invoker, type Terminal } from './cli/run.ts'
import { runInit, runServe } from './cli/serve.ts'
import { type Config, reachableUrl, readConfig } from './config/config.ts'
import { dataPaths, makeDataFolder, openJobs, system } from './jobs.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import { type Disk, RealDisk } from './lib/disk.ts'
import { systemCode, UusError } from './lib/errors.ts'
import type { Emit } from './lib/events.ts'
import type { Log } from './lib/log.ts'
import { Turns } from './lib/turns.ts'
import { encodePath } from './lib/url-path.ts'
import { Fetcher } from './pool/fetcher.ts'
import type { WantedFile } from './pool/flight.ts'
import { Pool } from './pool/pool.ts'
import { createHandler } from './proxy/handler.ts'
import { GeneratedFiles } from './repo/publish/assemble.ts'
import { loadPublished, type Published } from './repo/published.ts'
import type { Actor } from './store/audit.ts'
import { Blobs } from './store/blobs.ts'
import { takeLock } from './store/lock.ts'
import { Store } from './store/store.ts'
import { architectureOfPath, urisOfFile } from './sync/upstream/archive.ts'
import { Gatherer } from './sync/upstream/gather.ts'
import { readVersion } from './version.ts'
import { createApp } from './web/app.ts'

export interface NetworkSide extends AsyncDisposable {
  readonly context: ServerContext
  readonly pool: Pool
  readonly fetcher: Fetcher
  readonly packages: Blobs
  readonly generated: GeneratedFiles
  readonly reader: Store
  /** Takes over what was committed since. */
  reload(): void
}

/** The half with the network: reads the catalogue, fetches, serves. The catalogue exists already. */
async function openNetworkSide(
  config: Config,
  jobs: JobsPort,
  disk: Disk,
  clock: Clock,
  port: () => number | null,
): Promise<NetworkSide> {
  const paths = dataPaths(config.dataFolder)
  const reader = Store.openReader(paths.catalogue)
  const packages = new Blobs(paths.pool, disk)
  const incoming = new Blobs(paths.incoming, disk, { transient: true })
  await packages.prepare()
  await incoming.prepare()
  await incoming.clear()
  const fetcher = new Fetcher(readVersion())
  const examineCall: Call = { actor: system, emit: () => {} }
  const gatherer = new Gatherer(fetcher, incoming, (input) => jobs.run(examineStep, input, examineCall))
  let published: Published | null = null
  const load = () => loadPublished(reader, config.channels, clock.now())
  const pool = new Pool(packages)
  return {
    context: {
      config,
      clock,
      jobs,
      gatherer,
      suiteTurns: new Turns(),
      published: () => {
        published ??= load()
        return published
      },
      baseUrl: () => reachableUrl(config, port() ?? config.listen.port),
    },
    pool,
    fetcher,
    packages,
    generated: new GeneratedFiles(reader.texts, new Blobs(paths.published, disk)),
    reader,
    reload: () => {
      published = load()
    },
    async [Symbol.asyncDispose]() {
      fetcher[Symbol.dispose]()
      await pool.idle()
      reader[Symbol.dispose]()
    },
  }
}

const lockWaitMs = 3000

/** Both halves in one process, for a command that runs without a server. */
export interface AloneProcess extends AsyncDisposable {
  readonly jobs: JobsContext
  readonly context: ServerContext
  /** The package files, and how they are fetched. */
  readonly network: NetworkSide
  call(verb: string, input: unknown, call: Call): Promise<Outcome>
}

export async function openAlone(
  config: Config,
  disk: Disk = new RealDisk(),
  clock: Clock = systemClock,
  actor: Actor = system,
): Promise<AloneProcess> {
  const stack = new AsyncDisposableStack()
  try {
    const jobs = stack.use(await openJobs(config, disk, clock, actor))
    const queue = new LocalJobs(jobs)
    const network = stack.use(await openNetworkSide(config, queue, disk, clock, () => null))
    const owned = stack.move()
    return {
      jobs,
      context: network.context,
      network,
      async call(verb, input, call) {
        const result = await runAction(network.context, verb, input, call)
        network.reload()
        return result
      },
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** Runs one action: in the server, if one runs on the data directory, else here. The result is the same. */
export async function callAction(
  config: Config,
  verb: string,
  input: unknown,
  actor: Actor,
  emit: Emit,
): Promise<Outcome> {
  await using session = await openActions(config, verb)
  return await session.call(verb, input, actor, emit)
}

/** The same for several calls. Once none of them found a server, all run here. */
async function openActions(config: Config, what: string): Promise<ActionSession> {
  const paths = dataPaths(config.dataFolder)
  const owned = new AsyncDisposableStack()
  let alone: AloneProcess | null = null
  return {
    async call(verb, input, actor, emit) {
      const answer = alone === null ? await callServer(paths.socket, verb, input, actor, emit) : null
      if (answer !== null) return answer
      if (alone === null) {
        makeDataFolder(config.dataFolder)
        owned.use(takeLock(paths.lock, `uus ${what}`, lockWaitMs))
        alone = owned.use(await openAlone(config, new RealDisk(), systemClock, actor))
      }
      return alone.call(verb, input, { actor, emit })
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function runAction(context: ServerContext, verb: string, input: unknown, call: Call): Promise<Outcome> {
  const action = actions.get(verb)
  if (action === undefined) throw new UusError('USAGE', `There is no "${verb}"`, { hint: 'See "uus --help"' })
  return action.run(context, parseInput(action, input), call)
}

export interface ServeOptions {
  readonly config: Config
  readonly configText: string
  /** The program that runs as the jobs process: `main.ts`. */
  readonly program: string
  readonly log: Log
  /** Events of scheduled work. */
  readonly emit: Emit
  readonly clock?: Clock
}

export interface RunningServer extends AsyncDisposable {
  readonly port: number
  readonly jobsPid: number | undefined
  /** Ends when everything that was due at the start has been tried. */
  readonly settled: Promise<unknown>
  readonly config: Config
  enrolments(): Enrolment[]
}

/** Starts the server: listens first, then updates what is due. Disposing it stops it in good order. */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { config, log, clock = systemClock } = options
  const paths = dataPaths(config.dataFolder)
  makeDataFolder(config.dataFolder)
  const stack = new AsyncDisposableStack()
  try {
    stack.use(takeLock(paths.lock, 'uus serve', lockWaitMs))
    let handle: ReturnType<typeof createHandler> | null = null
    const http = await listen(config, (request, response) => {
      if (handle !== null) handle(request, response)
      else
        response.writeHead(503, { 'Retry-After': '2', 'Content-Type': 'text/plain' }).end('UUS is starting\n')
    })
    stack.defer(() => closeHttp(http))
    const { port } = http.address() as AddressInfo
    let onChanged = () => {}
    const jobs = stack.use(
      await ForkedJobs.start({
        program: options.program,
        arguments: ['jobs'],
        configText: options.configText,
        configPath: config.path,
        clock,
        onChanged: () => onChanged(),
        onDeath: (how) => log('error', `The jobs process died (${how}); starting it again`),
      }),
    )
    const network = stack.use(await openNetworkSide(config, jobs, new RealDisk(), clock, () => port))
    const { context } = network
    onChanged = () => network.reload()
    handle = createHandler(
      {
        published: () => context.published(),
        files: network.generated,
        openPackage: (archive, path, file) => openPackage(network, archive, path, file),
        onError: (error, path) => logFailure(log, error, path),
      },
      createApp(context, {
        version: readVersion(),
        alarms: () => network.reader.alarms.list(),
        checkpoint: () => newestCheckpoint(network.reader),
      }),
    )
    const socket = await serveSocket(paths.socket, (verb, input, call) =>
      runAction(context, verb, input, call),
    )
    stack.defer(() => void socket.close())
    const scheduler = stack.use(
      new Scheduler(context, options.emit, log, (archive) => lastCheck(network.reader, archive)),
    )
    // Pushed again, to be the first to go: no request may meet the parts below it closed.
    stack.defer(() => closeHttp(http))
    const owned = stack.move()
    return {
      port,
      get jobsPid() {
        return jobs.pid
      },
      settled: scheduler.start(),
      config,
      enrolments: () => listEnrolments(context.published()),
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

function newestCheckpoint({ audit, checkpoints }: Store) {
  const newest = checkpoints.newest()
  if (newest === null) return null
  return { sequence: newest.sequence, head: audit.headOf(newest.sequence)!, at: newest.at }
}

function openPackage(network: NetworkSide, archiveName: string, path: string, file: WantedFile) {
  const { config } = network.context
  const archive = config.archives.find((one) => one.name === archiveName)
  if (archive === undefined) return network.pool.open(file, [], neverFetch)
  const { transport, ...source } = upstreamArchive(archive, config)
  const urls = urisOfFile({ ...source, transport }, null, architectureOfPath(path)).map((uri) =>
    encodePath(uri, path),
  )
  return network.pool.open(file, urls, (url, sizeBytes) =>
    network.fetcher.fetchStream(url, sizeBytes, { transport }),
  )
}

// biome-ignore lint/correctness/useYield: it stands for an archive that has no address any more.
async function* neverFetch(): AsyncGenerator<Buffer> {
  throw new Error('Internal error: no address')
}

async function listen(config: Config, handle: Parameters<typeof createServer>[1]): Promise<Server> {
  const { host, port } = config.listen
  const server = createServer({ keepAliveTimeout: 65_000 }, handle)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const why = systemCode(error) === 'EADDRINUSE' ? 'the port is in use' : error.message
      reject(
        new UusError('LISTEN_FAILED', `Cannot listen on ${host}:${port}: ${why}`, {
          cause: error,
          hint: `Stop what listens there ("ss -ltnp sport = :${port}" names it), or choose another port with --listen`,
        }),
      )
    })
    server.listen(port, host, () => resolve())
  })
  return server
}

const graceMs = 5000

/** When upstream last showed all suites of an archive as we hold them; null if it never did. */
function lastCheck(reader: Store, archive: string): number | null {
  const times = reader.archives
    .suites()
    .filter((suite) => suite.archive === archive && suite.isConfigured)
    .map((suite) => (suite.failure === null ? suite.checkedAt : null))
  return times.includes(null) || times.length === 0 ? null : Math.min(...times.map((time) => time!))
}

/** Stops listening; answers that are under way may finish, for a while. */
async function closeHttp(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearTimeout(timer)
}

function logFailure(log: Log, error: unknown, path: string): void {
  const known = UusError.from(error)
  log(known.code === 'INTERNAL' ? 'error' : 'warn', known.message, { path })
}

/** Runs the command line; resolves with its exit code. `program` is what the jobs process runs. */
export function runMain(arguments_: readonly string[], program: string): Promise<number> {
  process.stdout.on('error', endIfNobodyReads)
  process.stderr.on('error', endIfNobodyReads)
  const terminal: Terminal = {
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    now: () => Date.now(),
  }
  const programs: Programs = {
    callAction,
    init: (flags) => runInit(terminal, flags, new RealDisk(), prepareData),
    serve: (flags) =>
      runServe(terminal, flags, (config, configText, log, emit) =>
        serve({ config, configText, program, log, emit }),
      ),
    audit: (flags) => runAudit(terminal, flags, openActions, new RealDisk()),
    verifyAudit: (flags) => runVerify(terminal, flags, verifyAuditLog),
  }
  return runCli(arguments_, terminal, programs, readVersion())
}

/** An export needs no configuration: it may lie on another machine. */
function verifyAuditLog({ file, key, seen, configPath }: VerifyFlags): Promise<VerifyResult> {
  const source =
    file === undefined ? { catalogue: dataPaths(readConfig(configPath).dataFolder).catalogue } : { file }
  return verifyAudit({ source, keyFile: key ?? null, seen })
}

/** `uus status | head`: whoever read has enough. */
function endIfNobodyReads(error: Error): void {
  if (systemCode(error) !== 'EPIPE') throw error
  process.exit()
}

/** Makes the catalogue and the keys; the active key of each channel. */
async function prepareData(config: Config): Promise<{ channel: string; fingerprint: string }[]> {
  using jobs = await openJobs(config, new RealDisk(), systemClock, { ...invoker(process.env), via: 'init' })
  const { channels, keys, checkpoints } = jobs.repo.store
  const signing = channels.list().flatMap((channel) => {
    const active = keys.list(channel.id).find((key) => key.role === 'active')
    return active === undefined ? [] : [{ channel: channel.name, fingerprint: active.fingerprint }]
  })
  return [...signing, { channel: auditName, fingerprint: checkpoints.keys()[0]!.fingerprint }]
}
