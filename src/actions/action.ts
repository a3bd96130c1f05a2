// What an action is: one verb, called alike by the command line, the API and the scheduler.
import type { z } from 'zod'
import type { Config } from '../config/config.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sha256 } from '../lib/digest.ts'
import { UusError } from '../lib/errors.ts'
import type { Emit } from '../lib/events.ts'
import type { ListSender } from '../lib/list-changes.ts'
import type { Turns } from '../lib/turns.ts'
import type { CacheReport } from '../pool/report.ts'
import type { AuditLog } from '../repo/audit/log.ts'
import type { NeededFile } from '../repo/needed-files.ts'
import type { Published } from '../repo/published.ts'
import type { Repo } from '../repo/repo.ts'
import type { Actor } from '../store/audit.ts'
import type { Blobs, OpenBlob } from '../store/blobs.ts'
import type { Role } from '../store/people.ts'
import type { PoolFile } from '../store/pool-files.ts'
import type { Store } from '../store/store.ts'
import type { Importer } from '../sync/slave/importer.ts'
import type { Synchronizer } from '../sync/slave/synchronizer.ts'
import type { Adopter } from '../sync/upstream/adopt.ts'
import type { Gatherer } from '../sync/upstream/gather.ts'
import type { Supply } from './supply.ts'
import type { UploadArea } from './upload-area.ts'

export type { Actor, Role }

/** Who calls, and where events go. */
export interface Call {
  readonly actor: Actor
  readonly emit: Emit
}

/** What there is in the process that may write: the jobs process, or a command that runs alone. */
export interface JobsContext {
  readonly config: Config
  readonly repo: Repo
  readonly adopter: Adopter
  /** What people upload, until it is accepted. */
  readonly uploads: Pick<Blobs, 'open'>
  readonly auditLog: AuditLog
  /** Tells the server which files are needed. */
  readonly needs: ListSender<NeededFile>
  /** Of a slave. */
  readonly importer: Importer | null
}

/** A piece of an action that runs in the jobs process. Its input and output cross a process border: plain data. */
export interface Step<I, O> {
  readonly name: string
  /** Reads only; then it does not wait for its turn among the writers. */
  readonly isReadOnly: boolean
  /** Writes nothing that is served. */
  readonly isQuiet?: boolean
  run(context: JobsContext, input: I, call: Call): O | Promise<O>
}

/** The way to the jobs process. Steps that write run one at a time, in the order of the calls. */
export interface JobsPort {
  run<I, O>(step: Step<I, O>, input: I, call: Call): Promise<O>
}

/** Package files, as far as actions need them. */
export interface PackageFiles {
  has(sha256: Sha256): Promise<boolean>
  /** Has a file fetched from its archive, unless it is here; rejects if it cannot be had. `path` is below the archive. */
  obtain(archive: string, path: string, file: PoolFile): Promise<void>
  /** Null if it is not here. */
  open(sha256: Sha256): Promise<OpenBlob | null>
  /** Takes a file over that came by another way; false, and it is dropped, if it has another digest. */
  store(sha256: Sha256, chunks: AsyncIterable<Buffer>): Promise<boolean>
  /** Keeps damaged bytes apart, for whoever wants to look at them, and serves them no more. */
  quarantine(sha256: Sha256): Promise<void>
}

/** What there is in the process with the network: the server, or a command that runs alone. */
export interface ServerContext {
  readonly config: Config
  readonly clock: Clock
  readonly jobs: JobsPort
  readonly gatherer: Gatherer
  readonly packages: PackageFiles
  /** What people upload, until it is accepted. */
  readonly uploads: UploadArea
  /** One update of a suite at a time, whoever asked for it. */
  readonly suiteTurns: Turns
  /** What is served at present. */
  published(): Published
  /** How clients reach this server. */
  baseUrl(): string
  /** Of a slave: brings its channels to what the master has. */
  readonly synchronizer: Synchronizer | null
  /** Writes down which slaves were in touch lately. */
  flushContacts(): Promise<void>
  /** A generated file; null if it is not known. */
  openGenerated(sha256: Sha256): Promise<OpenBlob | null>
  /** Reads the catalogue at one moment. */
  readCatalogue<T>(read: (store: Store) => T): T
  /** The numbers of the package cache; null where no server runs. */
  cache(): CacheReport | null
  /** What fetches package files before clients ask. */
  readonly supply: Pick<Supply, 'obtain' | 'report' | 'counts' | 'alarms'>
}

/** How it went; the command line turns it into its exit code. */
export type Status =
  | 'done'
  /** There was nothing to do. */
  | 'nothing'
  /** A gate or guard stands in the way. */
  | 'refused'
  | 'failed'

export interface Outcome {
  readonly status: Status
}

export interface Action<I, O extends Outcome> {
  /** As on the command line: `promote`, `snapshot rollback`. */
  readonly verb: string
  readonly role: Role
  /** What needs more than that: `--force`. */
  roleFor?(input: I): Role
  readonly input: z.ZodType<I>
  /** Its field `files` is what came with the request, staged (upload-area.ts) before it runs. */
  readonly takesFiles?: boolean
  /** The step it consists of, where it is one and nothing else. */
  readonly step?: Step<I, O>
  run(context: ServerContext, input: I, call: Call): Promise<O>
}

export function action<I, O extends Outcome>(definition: Action<I, O>): Action<I, O> {
  return definition
}

export function step<I, O>(name: string, run: Step<I, O>['run']): Step<I, O> {
  return { name, isReadOnly: false, run }
}

/** Writes only what clients of channels never see. */
export function quietStep<I, O>(name: string, run: Step<I, O>['run']): Step<I, O> {
  return { name, isReadOnly: false, isQuiet: true, run }
}

export function readStep<I, O>(name: string, run: Step<I, O>['run']): Step<I, O> {
  return { name, isReadOnly: true, run }
}

/** An action that is one step and nothing else. */
export function stepAction<I, O extends Outcome>(
  definition: Omit<Action<I, O>, 'run' | 'step'>,
  theStep: Step<I, O>,
): Action<I, O> {
  return {
    ...definition,
    step: theStep,
    run: (context, input, call) => context.jobs.run(theStep, input, call),
  }
}

/** Anything in a list, as `--json` and the API give it: the list stands under `items`. */
export interface Listing<T> extends Outcome {
  readonly items: readonly T[]
}

export function listing<T>(items: readonly T[]): Listing<T> {
  return { status: 'done', items }
}

/** Input from outside, checked; USAGE names everything that is wrong with it. */
export function parseInput<I>(
  theAction: Pick<Action<I, Outcome>, 'verb' | 'input'>,
  input: unknown,
  /** What is wrong besides. */
  further: readonly string[] = [],
  hint = `See "uus ${theAction.verb} --help"`,
): I {
  const parsed = theAction.input.safeParse(input)
  if (parsed.success && further.length === 0) return parsed.data
  const found = parsed.error?.issues.map((issue) => [...issue.path, issue.message].join(': ')) ?? []
  const details = [...found, ...further]
  throw new UusError('USAGE', `${theAction.verb}: ${details[0]}`, { details: details.slice(1), hint })
}
