// The composition root of the server: which parts it has, and what each is given. Its other half is jobs.ts.
import { openAccess } from './access.ts'
import {
  type Call,
  type JobsContext,
  type Outcome,
  parseInput,
  type ServerContext,
} from './actions/action.ts'
import { type VerifyResult, verifyAudit } from './actions/audit-verify.ts'
import { Authenticator } from './actions/authenticate.ts'
import { ClaimReader } from './actions/claims.ts'
import { type Enrolment, listEnrolments } from './actions/client-files.ts'
import { ForkedJobs } from './actions/forked-jobs.ts'
import { auditName } from './actions/keys.ts'
import { LocalJobs } from './actions/local-jobs.ts'
import { actions } from './actions/registry.ts'
import { refuseOnSlave } from './actions/roles.ts'
import { Scheduler } from './actions/schedule.ts'
import { signedFile } from './actions/snapshot-envelopes.ts'
import { callServer, sendFiles, serveSocket } from './actions/socket.ts'
import { runAdd } from './cli/add.ts'
import { runAudit, runVerify, type VerifyFlags } from './cli/audit.ts'
import { type Programs, runCli } from './cli/cli.ts'
import { runDoctor, runRestore } from './cli/local.ts'
import { type ActionSession, invoker, type Terminal } from './cli/run.ts'
import { runInit, runServe } from './cli/serve.ts'
import { commandSummaries } from './cli/summaries.ts'
import { type Config, readConfig } from './config/config.ts'
import { examine } from './doctor.ts'
import { openDoors } from './doors.ts'
import { openForwardProxy } from './forward.ts'
import { dataPaths, makeDataFolder, openJobs, system } from './jobs.ts'
import { AccessLog } from './lib/access-log.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import { type Disk, RealDisk } from './lib/disk.ts'
import { systemCode, UusError } from './lib/errors.ts'
import type { Emit } from './lib/events.ts'
import type { Log } from './lib/log.ts'
import { readVersion } from './lib/version.ts'
import { type NetworkSide, openNetworkSide } from './network.ts'
import { openNotifier } from './notify/notifier.ts'
import { type ClientHandler, createHandler } from './proxy/handler.ts'
import { restore } from './restore.ts'
import type { Actor } from './store/audit.ts'
import { takeLock } from './store/lock.ts'
import type { Store } from './store/store.ts'
import { openTiers } from './tiers.ts'
import { createApp, type Health } from './web/app.ts'

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
    const network = stack.use(
      await openNetworkSide(
        config,
        queue,
        disk,
        clock,
        () => {},
        () => null,
      ),
    )
    const owned = stack.move()
    return {
      jobs,
      context: network.context,
      network,
      async call(verb, input, call) {
        const before = lastRevision(jobs.repo.store)
        const result = await runAction(network.context, verb, input, call)
        network.reload()
        if (verb === 'update' || lastRevision(jobs.repo.store) !== before) network.supply.wake()
        return result
      },
      // Nobody else would fetch what upstream is about to remove.
      async [Symbol.asyncDispose]() {
        await network.supply.idle()
        await owned.disposeAsync()
      },
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

function lastRevision({ channels }: Store): number {
  return Math.max(0, ...channels.list().map((channel) => channels.head(channel.id)?.revision ?? 0))
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
  const takeOver = async (actor: Actor): Promise<AloneProcess> => {
    if (alone !== null) return alone
    makeDataFolder(config.dataFolder)
    owned.use(takeLock(paths.lock, `uus ${what}`, lockWaitMs))
    alone = owned.use(await openAlone(config, new RealDisk(), systemClock, actor))
    return alone
  }
  return {
    async call(verb, input, actor, emit) {
      const answer = alone === null ? await callServer(paths.socket, verb, input, actor, emit) : null
      return answer ?? (await takeOver(actor)).call(verb, input, { actor, emit })
    },
    async stage(files, actor) {
      const held = alone === null ? await sendFiles(paths.socket, files) : null
      if (held !== null) return owned.use(held).staged
      const { uploads } = (await takeOver(actor)).context
      const staged = []
      for (const { sizeBytes, chunks } of files) staged.push(await uploads.stage(chunks(), sizeBytes))
      return staged
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function runAction(context: ServerContext, verb: string, input: unknown, call: Call): Promise<Outcome> {
  const action = actions.get(verb)
  if (action === undefined) throw new UusError('USAGE', `There is no "${verb}"`, { hint: 'See "uus --help"' })
  refuseOnSlave(context.config, verb)
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
  /** Where else it listens, in words. */
  readonly otherDoors: readonly string[]
  /** Of the forward proxy; null where there is none. */
  readonly proxyPort: number | null
  readonly jobsPid: number | undefined
  /** Ends when everything that was due at the start has been tried. */
  readonly settled: Promise<unknown>
  readonly config: Config
  enrolments(): Enrolment[]
  /** Log files were moved away, or certificates changed: goes on with the new ones. */
  reopenFiles(): void
}

/** Starts the server: listens first, then updates what is due. Disposing it stops it in good order. */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { config, log, clock = systemClock } = options
  const paths = dataPaths(config.dataFolder)
  makeDataFolder(config.dataFolder)
  const stack = new AsyncDisposableStack()
  try {
    stack.use(takeLock(paths.lock, 'uus serve', lockWaitMs))
    let clients: ClientHandler | null = null
    const doors = await openDoors(
      config,
      (request, response) => {
        if (clients !== null) clients.handle(request, response)
        else
          response
            .writeHead(503, { 'Retry-After': '2', 'Content-Type': 'text/plain' })
            .end('UUS is starting\n')
      },
      {
        ready: (request) => clients?.ready(request) ?? null,
        get accessLog() {
          return clients?.accessLog ?? null
        },
      },
      (error) => log('error', `${error.message}; the one before stays in use`),
    )
    stack.use(doors)
    const { port } = doors
    let onChanged = () => {}
    const jobs = stack.use(
      await ForkedJobs.start({
        program: options.program,
        arguments: ['jobs'],
        configText: options.configText,
        configPath: config.path,
        baseUrl: config.baseUrl,
        clock,
        onChanged: () => onChanged(),
        onDeath: (how) => log('error', `The jobs process died (${how}); starting it again`),
      }),
    )
    const network = stack.use(await openNetworkSide(config, jobs, new RealDisk(), clock, log, () => port))
    const tiers = stack.use(openTiers({ config, network, jobs, clock, log, emit: options.emit }))
    const context = { ...network.context, flushContacts: () => tiers.source.flush() }
    const accessLog = await openAccessLog(config, log)
    if (accessLog !== null) stack.use(accessLog)
    const access = await openAccess({
      config,
      reader: network.reader,
      log,
      onChange: () => tiers.changed(),
    })
    if (access !== null) stack.use(access)
    const claims = stack.use(new ClaimReader(context, { actor: system, emit: () => {} }, log))
    const notifier = openNotifier(config, jobs, clock, log)
    if (notifier !== null) stack.use(notifier)
    onChanged = () => {
      network.reload()
      access?.changed()
      network.supply.wake()
      tiers.changed()
      notifier?.changed()
      claims.changed()
    }
    const health: Health = {
      alarms: () => network.alarms(),
      suites: () => network.reader.archives.suites().filter((suite) => suite.isConfigured),
      checkpoint: () => newestCheckpoint(network.reader),
    }
    const slaves = { source: tiers.source, allowsHttp: config.sync.allowsHttp }
    const app = createApp(context, health, slaves, {
      authenticator: new Authenticator(network.reader.people, () => clock.now()),
      summaries: commandSummaries(),
      allowsHttp: config.api.allowsHttp,
      onError: (error, path) => logFailure(log, error, path),
    })
    const clientApp = createApp(context, health, slaves, null)
    clients = createHandler(
      {
        published: () => context.published(),
        files: network.generated,
        buffers: network.buffers,
        traffic: network.traffic,
        memoryBytes: config.cache.memoryBytes,
        openPackage: ({ channel, archive, path }, file) =>
          network.openPackage({ archive, path, channels: [channel] }, file),
        accessLog,
        access,
        onUsed: ({ channel }, sha256) => {
          network.room.used(sha256)
          network.supply.used(channel, sha256)
        },
        isSuspect: (sha256) => network.pool.isSuspect(sha256),
        signedFile: (file) =>
          signedFile(file, {
            reader: network.reader,
            jobs,
            call: { actor: system, emit: () => {} },
            channels: config.channels,
            link: context.synchronizer?.link ?? null,
            now: () => clock.now(),
          }),
        onError: (error, path) => logFailure(log, error, path),
      },
      (request, response) => (doors.letsAdminsIn(request) ? app : clientApp)(request, response),
    )
    const forward =
      config.proxy === null
        ? null
        : stack.use(
            await openForwardProxy({ config, jobs, network, accessLog, access, clock, log }, config.proxy),
          )
    network.room.start()
    if (config.role === 'master') network.supply.start()
    notifier?.start()
    claims.changed()
    const socket = await serveSocket(
      paths.socket,
      (verb, input, call) => runAction(context, verb, input, call),
      context.uploads,
    )
    stack.defer(() => void socket.close())
    const scheduler = stack.use(
      new Scheduler(context, options.emit, log, (archive) => lastCheck(network.reader, archive)),
    )
    // Pushed again, to be the first to go: no request may meet the parts below it closed.
    stack.defer(() => doors[Symbol.asyncDispose]())
    const owned = stack.move()
    return {
      port,
      otherDoors: doors.others,
      proxyPort: forward?.port ?? null,
      get jobsPid() {
        return jobs.pid
      },
      settled: Promise.all([scheduler.start(), tiers.start()]),
      config,
      enrolments: () => listEnrolments(context.published()),
      reopenFiles() {
        accessLog?.reopen()
        access?.reload()
        doors.reload()
      },
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

async function openAccessLog({ accessLog }: Config, log: Log): Promise<AccessLog | null> {
  if (accessLog === null || accessLog === false) return null
  const path = accessLog === true ? null : accessLog
  return AccessLog.open(path, (error) => log('error', `The access log cannot be written: ${error.message}`))
}

/** When upstream last showed all suites of an archive as we hold them; null if it never did. */
function lastCheck(reader: Store, archive: string): number | null {
  const times = reader.archives
    .suites()
    .filter((suite) => suite.archive === archive && suite.isConfigured)
    .map((suite) => (suite.failure === null ? suite.checkedAt : null))
  return times.includes(null) || times.length === 0 ? null : Math.min(...times.map((time) => time!))
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
    doctor: (flags) => runDoctor(terminal, flags, examine),
    restore: (flags, file) =>
      runRestore(terminal, flags, () =>
        restore(file, flags.configPath, { ...invoker(process.env), via: 'cli' }),
      ),
    add: (flags) => runAdd(terminal, flags, openActions),
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
  const ofAudit = checkpoints.keys().slice(0, 1)
  return [...signing, ...ofAudit.map(({ fingerprint }) => ({ channel: auditName, fingerprint }))]
}
