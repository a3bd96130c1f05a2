// `uus add`: reads the files as the user who asks, and hands them to the server, which need not be allowed to.
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Argv } from 'yargs'
import type { AddResult } from '../actions/add.ts'
import { filesNamedBy } from '../actions/changes-files.ts'
import { readConfig } from '../config/config.ts'
import { systemCode, UusError } from '../lib/errors.ts'
import { text, type Values } from './command.ts'
import { EventPrinter } from './events.ts'
import { Output } from './output.ts'
import { type CommonFlags, exitCodeOf, invoker, type OpenActions, printError, type Terminal } from './run.ts'

export interface AddFlags extends CommonFlags {
  readonly files: readonly string[]
  readonly order: {
    readonly archive: string
    readonly suite: string | null
    readonly component: string | null
    readonly channel: string | null
    readonly reason: string | null
  }
}

const plain = { type: 'string', requiresArg: true } as const

export function addAdd(
  cli: Argv,
  set: (flags: AddFlags) => void,
  common: (values: Values) => CommonFlags,
): Argv {
  return cli.command(
    'add <file...>',
    'Add packages to a local archive',
    (command) =>
      command
        .positional('file', { type: 'string', array: true, describe: '.deb files, or one signed .changes' })
        .example('uus add tool_1.2_amd64.deb --archive local --suite noble', '')
        .example('uus add tool_1.2_amd64.changes --archive local', 'with the files that stand beside it')
        .option('archive', { ...plain, demandOption: true, describe: 'A local archive' })
        .option('suite', { ...plain, describe: 'Not for a .changes, which says it itself' })
        .option('component', { ...plain, describe: "Default: the archive's first" })
        .option('channel', {
          ...plain,
          describe: 'How far they are to go (default: testing); a gated one is a promotion',
        })
        .option('reason', { ...plain, describe: 'Why; kept in the audit log' }),
    (values: Values) =>
      set({
        ...common(values),
        files: [values.file].flat().map(String),
        order: {
          archive: String(values.archive),
          suite: text(values.suite),
          component: text(values.component),
          channel: text(values.channel),
          reason: text(values.reason),
        },
      }),
  )
}

export async function runAdd(terminal: Terminal, flags: AddFlags, openActions: OpenActions): Promise<number> {
  const output = new Output(terminal.stderr, terminal.environment, terminal.now())
  const printer = new EventPrinter(output, terminal.now)
  try {
    const config = readConfig(flags.configPath)
    const files = await Promise.all((await withListed(flags.files)).map(describeFile))
    await using session = await openActions(config, 'add')
    const actor = invoker(terminal.environment)
    const staged = await session.stage(files, actor)
    const order = { ...flags.order, files: staged.map((one, at) => ({ ...one, name: files[at]!.name })) }
    const result = (await session.call('add', order, actor, printer.emit)) as AddResult
    printer.end()
    if (flags.json) terminal.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
    else renderAdd(result, new Output(terminal.stdout, terminal.environment, terminal.now()))
    return exitCodeOf(result.status)
  } catch (error) {
    printer.end()
    return printError(terminal, flags.json, error)
  }
}

/** A .changes brings along what it lists, from its own folder. */
async function withListed(paths: readonly string[]): Promise<string[]> {
  const all = await Promise.all(
    paths.map(async (path) => {
      if (!path.endsWith('.changes')) return [path]
      await describeFile(path)
      const names = filesNamedBy(await readFile(path), basename(path))
      return [path, ...names.map((name) => join(dirname(path), name))]
    }),
  )
  return [...new Set(all.flat())]
}

async function describeFile(path: string) {
  try {
    const { size } = await stat(path)
    return {
      name: basename(path),
      sizeBytes: size,
      chunks: () => createReadStream(path, { highWaterMark: 1 << 20 }),
    }
  } catch (error) {
    const why = systemCode(error) === 'ENOENT' ? 'there is no such file' : (error as Error).message
    throw new UusError('USAGE', `Cannot read ${path}: ${why}`, { cause: error, hint: 'Check the path' })
  }
}

export function renderAdd(result: AddResult, out: Output): void {
  for (const item of result.items) {
    const name = `${out.bold(item.package)} ${item.version} ${item.architecture}`
    out.line(item.isNew ? `${name} is in ${item.places.join(', ')}.` : `${name} was there already.`)
  }
  if (result.signedBy !== null) out.line(`Signed by ${result.signedBy}.`)
  for (const sentence of result.warnings) out.line(`${out.style('yellow', 'note')} ${sentence}`)
  for (const why of result.refused) out.line(`${out.style('red', 'waits')} ${why}`)
  if (result.status === 'done') out.line(`${result.channel} has it.`)
}
