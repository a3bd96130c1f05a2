// Running one action for a person: calling it, printing its result or its error, and the exit code.
import { userInfo } from 'node:os'
import type { Actor, Outcome, Status } from '../actions/action.ts'
import type { SentFile } from '../actions/socket.ts'
import type { StagedFile } from '../actions/upload-area.ts'
import { type Config, readConfig } from '../config/config.ts'
import { UusError } from '../lib/errors.ts'
import type { Emit } from '../lib/events.ts'
import { EventPrinter } from './events.ts'
import { Output, type Stream } from './output.ts'

/** Calls an action: in the running server, or here. */
export type CallAction = (
  config: Config,
  verb: string,
  input: unknown,
  actor: Actor,
  emit: Emit,
) => Promise<Outcome>

/** The same for several calls in a row, which are not to find another owner of the data directory in between. */
export interface ActionSession extends AsyncDisposable {
  call(verb: string, input: unknown, actor: Actor, emit: Emit): Promise<Outcome>
  /** Hands files over, which stay until the session ends; in their order. */
  stage(files: readonly SentFile[], actor: Actor): Promise<readonly StagedFile[]>
}

/** `what` names who holds the data directory, where no server runs. */
export type OpenActions = (config: Config, what: string) => Promise<ActionSession>

/** What a command works with. */
export interface Terminal {
  readonly stdout: Stream
  readonly stderr: Stream
  readonly environment: NodeJS.ProcessEnv
  now(): number
}

export interface CommonFlags {
  readonly configPath: string
  readonly json: boolean
}

const exitCodes: Record<Status, number> = { done: 0, failed: 1, refused: 3, nothing: 4 }

export function exitCodeOf(status: Status): number {
  return exitCodes[status]
}

export type Render = (result: never, out: Output, config: Config) => void

/** Runs the action `verb`; resolves with the exit code. */
export async function runAction(
  terminal: Terminal,
  flags: CommonFlags,
  callAction: CallAction,
  verb: string,
  input: (config: Config) => unknown,
  render: Render,
): Promise<number> {
  const printer = new EventPrinter(
    new Output(terminal.stderr, terminal.environment, terminal.now()),
    terminal.now,
  )
  try {
    const config = readConfig(flags.configPath)
    const result = await callAction(config, verb, input(config), invoker(terminal.environment), printer.emit)
    printer.end()
    if (flags.json) terminal.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
    else render(result as never, new Output(terminal.stdout, terminal.environment, terminal.now()), config)
    return exitCodes[result.status]
  } catch (error) {
    printer.end()
    return printError(terminal, flags.json, error)
  }
}

/** The Unix user who asks; under sudo the one behind it. Recorded as claimed. */
export function invoker(environment: NodeJS.ProcessEnv): Actor {
  return { name: environment.SUDO_USER || userInfo().username, via: 'cli' }
}

/** Prints an error where it belongs; the exit code. */
export function printError(terminal: Terminal, asJson: boolean, error: unknown): number {
  const known = UusError.from(error)
  if (asJson) {
    terminal.stdout.write(`${JSON.stringify({ error: known.toValue() }, null, 2)}\n`)
    return known.descriptor.exitCode
  }
  const out = new Output(terminal.stderr, terminal.environment, terminal.now())
  out.line(`${out.style('red', 'uus:')} ${known.message}`)
  for (const detail of known.details) out.line(`  ${detail}`)
  if (known.hint !== undefined) out.line(`  → ${known.hint}`)
  if (known.code === 'INTERNAL' && error instanceof Error) out.line(out.dim(error.stack ?? ''))
  return known.descriptor.exitCode
}
