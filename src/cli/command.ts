// What a command that is one action call looks like, and the flags and conversions that several share.
import type { Argv } from 'yargs'
import type { Config } from '../config/config.ts'
import type { Render } from './run.ts'

export type Values = Record<string, unknown>

/** A command that is one action call. */
export interface ActionCommand {
  readonly command: string
  readonly aliases?: readonly string[]
  readonly describe: string
  readonly verb: string
  readonly examples?: readonly [example: string, what: string][]
  readonly options?: (command: Argv) => Argv
  readonly input: (values: Values, config: Config) => unknown
  readonly render: Render
}

/** Commands that stand below one word. */
export interface CommandGroup {
  readonly describe: string
  readonly commands: readonly ActionCommand[]
}

export const text = (value: unknown) => (value === undefined ? null : String(value))
export const list = (value: unknown) => (value === undefined ? [] : [value].flat().map(String))

export const items =
  (renderItems: (items: never, out: never) => void): Render =>
  (result: { items: never }, out) =>
    renderItems(result.items, out as never)

export const withRelease = (command: Argv) =>
  command.option('release', {
    type: 'string',
    array: true,
    requiresArg: true,
    describe: 'Only this release; may be repeated',
  })
export const withReason = (command: Argv) =>
  command.option('reason', { type: 'string', requiresArg: true, describe: 'Why; kept in the audit log' })
export const withTo = (command: Argv) =>
  command.option('to', {
    type: 'string',
    requiresArg: true,
    describe: 'The gated channel (default: approved)',
  })
