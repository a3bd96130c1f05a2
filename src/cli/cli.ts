// The command line: every verb with its flags, help and examples. Knows no domain, only actions and how they look.
import { resolve } from 'node:path'
import yargs, { type Argv } from 'yargs'
import { configPath } from '../actions/init.ts'
import { UusError } from '../lib/errors.ts'
import type { LogFormat } from '../lib/log.ts'
import { type AddFlags, addAdd } from './add.ts'
import { type AuditFlags, addAudit, type VerifyFlags } from './audit.ts'
import { type ActionCommand, list, text, type Values } from './command.ts'
import { groups } from './command-groups.ts'
import { topCommands } from './commands.ts'
import { renderResetDates } from './render-upkeep.ts'
import {
  type CallAction,
  type CommonFlags,
  printError,
  type Render,
  runAction,
  type Terminal,
} from './run.ts'
import type { InitFlags, ServeFlags } from './serve.ts'

/** The commands that need more than an action call. */
export interface Programs {
  readonly callAction: CallAction
  init(flags: InitFlags): Promise<number>
  serve(flags: ServeFlags): Promise<number>
  doctor(flags: CommonFlags): Promise<number>
  restore(flags: CommonFlags, file: string): Promise<number>
  add(flags: AddFlags): Promise<number>
  audit(flags: AuditFlags): Promise<number>
  verifyAudit(flags: VerifyFlags): Promise<number>
}

/** Parses and runs; resolves with the exit code of DESIGN's table. */
export async function runCli(
  argv: readonly string[],
  terminal: Terminal,
  programs: Programs,
  version: string,
): Promise<number> {
  let run: (() => Promise<number>) | null = null
  const commonFlags = (values: Values): CommonFlags => ({
    configPath: configPath(values.config as string | undefined, terminal.environment),
    json: values.json === true,
  })
  const addAction = (parent: Argv, spec: ActionCommand): Argv =>
    parent.command(
      [spec.command, ...(spec.aliases ?? [])],
      spec.describe,
      (command) => {
        for (const [example, what] of spec.examples ?? []) command.example(example, what)
        return spec.options?.(command) ?? command
      },
      (values: Values) => {
        run = () =>
          runAction(
            terminal,
            commonFlags(values),
            programs.callAction,
            spec.verb,
            (config) => spec.input(values, config),
            spec.render,
          )
      },
    )
  let cli: Argv = yargs([...argv])
    .scriptName('uus')
    .usage('$0 <command>\n\nUUS: a tiered apt mirror proxy with approval gates.')
    .option('config', {
      type: 'string',
      requiresArg: true,
      global: true,
      describe: 'config.yaml (else $UUS_CONFIG, ./, /etc/uus/)',
    })
    .option('json', { type: 'boolean', global: true, describe: 'Print one JSON document' })
    .version(version)
    .help()
    .alias('help', 'h')
    .strict()
    .demandCommand(1, 'Which command?')
    .recommendCommands()
    .completion('completion', 'Print a completion script for your shell (add it to ~/.bashrc or ~/.zshrc)')
    .wrap(Math.min(110, terminal.stdout.columns ?? 100))
    // A channel may be called 2024, and 24.10 is not 24.1.
    .parserConfiguration({ 'parse-numbers': false, 'parse-positional-numbers': false })
    .exitProcess(false)
    .fail((message, error) => {
      throw (
        error ??
        new UusError('USAGE', message, {
          hint: `See "uus ${isCommand(argv[0]) ? `${argv[0]} ` : ''}--help"`,
        })
      )
    })
  cli = addServe(
    addInit(cli, (flags) => (run = () => programs.init(flags)), commonFlags),
    (flags) => (run = () => programs.serve(flags)),
    commonFlags,
  )
  cli = cli
    .command(
      'doctor',
      'What is wrong with this installation, and how to mend it',
      (command) =>
        command
          .option('reset-date', {
            type: 'boolean',
            default: false,
            describe: 'Publish with present dates again, after the clock was wrong; needs --reason',
          })
          .option('reason', { type: 'string', requiresArg: true, describe: 'Why; kept in the audit log' }),
      (values: Values) => {
        const flags = commonFlags(values)
        run = () =>
          values.resetDate === true
            ? runAction(
                terminal,
                flags,
                programs.callAction,
                'reset dates',
                () => ({ reason: values.reason ?? '' }),
                renderResetDates as Render,
              )
            : programs.doctor(flags)
      },
    )
    .command(
      'restore <file>',
      'Fill an empty data directory from a backup; no server may run',
      (command) => command.positional('file', { type: 'string' }),
      (values: Values) => {
        run = () => programs.restore(commonFlags(values), resolve(String(values.file)))
      },
    )
  for (const spec of topCommands) cli = addAction(cli, spec)
  cli = addAdd(cli, (flags) => (run = () => programs.add(flags)), commonFlags)
  cli = addAudit(
    cli,
    (flags) => (run = () => programs.audit(flags)),
    (flags) => (run = () => programs.verifyAudit(flags)),
    commonFlags,
  )
  for (const [name, group] of Object.entries(groups)) {
    cli = cli.command(name, group.describe, (command) =>
      group.commands.reduce(addAction, command).demandCommand(1, `Which ${name} command?`),
    )
  }
  try {
    await cli.parseAsync()
  } catch (error) {
    return printError(terminal, argv.includes('--json'), error)
  }
  // `--help` and `--version` print and leave nothing to run.
  return run === null ? 0 : (run as () => Promise<number>)()
}

function isCommand(word: string | undefined): boolean {
  const names = topCommands.map(({ command }) => command.split(' ')[0])
  return (
    word !== undefined &&
    ['init', 'serve', 'doctor', 'restore', 'add', 'audit', ...Object.keys(groups), ...names].includes(word)
  )
}

function addInit(cli: Argv, set: (flags: InitFlags) => void, common: (values: Values) => CommonFlags): Argv {
  return cli.command(
    'init',
    'Make what a server needs: configuration, data directory, database, signing keys',
    (command) =>
      command
        .example('uus init --from-apt --data ./data', "take over this host's apt sources")
        .option('from-apt', {
          type: 'string',
          describe: "Read this host's apt sources (or those of another folder)",
        })
        .option('data', {
          type: 'string',
          requiresArg: true,
          describe: 'The data directory (default /var/lib/uus)',
        })
        .option('listen', { type: 'string', requiresArg: true, describe: 'ADDRESS:PORT' })
        .option('base-url', { type: 'string', requiresArg: true, describe: 'How clients reach this server' })
        .option('slave-of', { type: 'string', requiresArg: true, describe: 'Make a slave of this master' })
        .option('token', { type: 'string', requiresArg: true, describe: "The slave's token" })
        .option('key', {
          type: 'string',
          array: true,
          requiresArg: true,
          describe: "Fingerprints of the channels' keys, for which the master is believed at first",
        })
        .option('allow-http', {
          type: 'boolean',
          default: false,
          describe: 'The token may go over plain http, where everybody on the way can read it',
        })
        .implies('token', 'slave-of')
        .implies('key', 'slave-of')
        .conflicts('from-apt', 'slave-of'),
    (values: Values) =>
      set({
        ...common(values),
        slave:
          values.slaveOf === undefined
            ? null
            : {
                url: String(values.slaveOf),
                token: text(values.token),
                keys: list(values.key),
                allowsHttp: values.allowHttp === true,
              },
        aptFolder: values.fromApt === undefined ? null : (values.fromApt as string) || '/etc/apt',
        data: values.data as string | undefined,
        listen: values.listen as string | undefined,
        baseUrl: values.baseUrl as string | undefined,
      }),
  )
}

function addServe(
  cli: Argv,
  set: (flags: ServeFlags) => void,
  common: (values: Values) => CommonFlags,
): Argv {
  return cli.command(
    'serve',
    'Run the server: HTTP, scheduler. Listens first, then updates what is due',
    (command) =>
      command
        .option('listen', {
          type: 'string',
          requiresArg: true,
          describe: 'ADDRESS:PORT, instead of the configured one',
        })
        .option('base-url', { type: 'string', requiresArg: true, describe: 'Instead of the configured one' })
        .option('log', {
          choices: ['text', 'json'] as const,
          default: 'text',
          describe: 'Form of the log lines',
        }),
    (values: Values) =>
      set({
        ...common(values),
        listen: values.listen as string | undefined,
        baseUrl: values.baseUrl as string | undefined,
        log: values.log as LogFormat,
      }),
  )
}
