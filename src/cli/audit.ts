// `uus audit` and `uus audit verify`: the one asks page by page and writes as it reads, the other runs here.
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Argv } from 'yargs'
import { type AuditInput, type AuditItem, type AuditPage, isRow } from '../actions/audit.ts'
import { type AuditFormat, auditPages, exportText } from '../actions/audit-file.ts'
import type { VerifyResult } from '../actions/audit-verify.ts'
import { readConfig } from '../config/config.ts'
import type { Disk } from '../lib/disk.ts'
import { UusError } from '../lib/errors.ts'
import type { Values } from './command.ts'
import { Output, type Stream } from './output.ts'
import { renderVerify } from './render-audit.ts'
import { type CommonFlags, invoker, type OpenActions, printError, type Terminal } from './run.ts'

export interface AuditFlags extends CommonFlags {
  readonly format: AuditFormat | 'table' | undefined
  readonly output: string | undefined
  readonly filter: Partial<AuditInput>
}

export interface VerifyFlags extends CommonFlags {
  readonly file: string | undefined
  readonly key: string | undefined
  readonly seen: readonly string[]
}

const text = (value: unknown) => (value === undefined ? null : String(value))
const plain = { type: 'string', requiresArg: true, global: false } as const

export function addAudit(
  cli: Argv,
  set: (flags: AuditFlags) => void,
  setVerify: (flags: VerifyFlags) => void,
  common: (values: Values) => CommonFlags,
): Argv {
  return cli.command(
    'audit',
    'What was done, by whom, when and why',
    (command) =>
      addVerify(command, setVerify, common)
        .example('uus audit --since 7d --action "promote*"', '')
        .example('uus audit --format csv --output log.csv', 'the whole log, with what proves it')
        .option('since', { ...plain, describe: 'ISO 8601 date or time, or an age like 7d' })
        .option('until', { ...plain, describe: 'The same; what happened then is left out' })
        .option('actor', { ...plain, describe: 'A name, or a glob' })
        .option('action', { ...plain, describe: 'Like promote, or a glob' })
        .option('subject', { ...plain, describe: 'A source, a channel, archive/suite, or a glob' })
        .option('limit', { ...plain, describe: 'Only the newest so many' })
        .option('format', {
          choices: ['table', 'json', 'csv'] as const,
          global: false,
          describe: 'json and csv can be verified (default: table)',
        })
        .option('output', { ...plain, describe: 'Write to this file' }),
    (values: Values) =>
      set({
        ...common(values),
        format: values.format as AuditFlags['format'],
        output: values.output as string | undefined,
        filter: {
          since: text(values.since),
          until: text(values.until),
          actor: text(values.actor),
          action: text(values.action),
          subject: text(values.subject),
          limit: values.limit === undefined ? null : Number(values.limit),
        },
      }),
  )
}

function addVerify(
  cli: Argv,
  set: (flags: VerifyFlags) => void,
  common: (values: Values) => CommonFlags,
): Argv {
  return cli.command(
    'verify [file]',
    'Prove that nothing in the log was changed, removed or put in',
    (command) =>
      command
        .positional('file', { type: 'string', describe: 'An export (json or csv); default: the database' })
        .example('uus audit verify', 'the database; also while the server runs')
        .example('uus audit verify log.json --key audit.asc', 'on any machine, without the server')
        .option('key', {
          type: 'string',
          requiresArg: true,
          describe: 'The public key that you keep ("uus key export audit")',
        })
        .option('seen', {
          type: 'string',
          array: true,
          requiresArg: true,
          default: [],
          describe: 'SEQUENCE:HEAD that /healthz showed earlier; may be repeated',
        }),
    (values: Values) =>
      set({
        ...common(values),
        file: values.file as string | undefined,
        key: values.key as string | undefined,
        seen: values.seen as string[],
      }),
  )
}

export async function runAudit(
  terminal: Terminal,
  flags: AuditFlags,
  openActions: OpenActions,
  disk: Disk,
): Promise<number> {
  try {
    const format = formatOf(flags)
    const config = readConfig(flags.configPath)
    await using session = await openActions(config, 'audit')
    const actor = invoker(terminal.environment)
    const call = (input: Partial<AuditInput>) =>
      session.call('audit', input, actor, () => {}) as Promise<AuditPage>
    let rows = 0
    const pages = counted(
      auditPages(call, { ...flags.filter, withProof: format !== 'table' }),
      (count) => (rows += count),
    )
    const stream = flags.output === undefined ? terminal.stdout : { write: () => {} }
    const texts = format === 'table' ? tableText(pages, terminal, stream) : exportText(format, pages)
    if (flags.output === undefined) {
      for await (const piece of texts) terminal.stdout.write(piece)
      return 0
    }
    await writeFile(disk, flags.output, texts)
    const file = resolve(flags.output)
    if (flags.json) {
      terminal.stdout.write(`${JSON.stringify({ status: 'done', file, format, rows }, null, 2)}\n`)
    } else terminal.stdout.write(`${rows} row${rows === 1 ? '' : 's'} written to ${flags.output}\n`)
    return 0
  } catch (error) {
    return printError(terminal, flags.json, error)
  }
}

function formatOf({ format, json, output }: AuditFlags): AuditFormat | 'table' {
  if (!json || output !== undefined) return format ?? (json ? 'json' : 'table')
  if (format === undefined || format === 'json') return 'json'
  throw new UusError('USAGE', `--json and --format ${format} both say what is printed`, {
    hint: 'Leave one of them away, or add --output FILE',
  })
}

async function* counted(
  pages: AsyncIterable<AuditPage>,
  count: (rows: number) => void,
): AsyncGenerator<AuditPage> {
  for await (const page of pages) {
    count(page.items.filter(isRow).length)
    yield page
  }
}

/** The file is there whole, or not at all. */
async function writeFile(disk: Disk, path: string, texts: AsyncIterable<string>): Promise<void> {
  if (!existsSync(dirname(resolve(path)))) {
    throw new UusError('USAGE', `--output ${path}: there is no such folder`, {
      hint: 'Make it, or name another',
    })
  }
  const file = await disk.createTemp(dirname(resolve(path)))
  try {
    for await (const piece of texts) if (piece !== '') await file.write(Buffer.from(piece))
    await file.commit(resolve(path))
  } finally {
    await file.discard()
  }
}

/** Columns are as wide as what was seen so far: a long log is not read twice. */
async function* tableText(
  pages: AsyncIterable<AuditPage>,
  terminal: Terminal,
  stream: Stream,
): AsyncGenerator<string> {
  let written = ''
  const { isTTY } = stream
  const out = new Output(
    { isTTY, write: (piece) => (written += piece) },
    terminal.environment,
    terminal.now(),
  )
  const addRows = out.growingTable(['no', 'time', 'who', 'via', 'action', 'subject', 'reason'])
  for await (const page of pages) {
    addRows(page.items.filter(isRow).map(tableRow))
    yield written
    written = ''
  }
}

function tableRow(item: AuditItem): string[] {
  return [
    String(item.sequence),
    item.at.replace('T', ' ').replace(/\.\d+Z$/, ''),
    item.actor,
    item.via,
    item.action,
    item.subject,
    item.reason ?? '',
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal must not obey what somebody wrote.
  ].map((cell) => cell.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' '))
}

/** Verifies an export, or the catalogue of a configuration. */
export type VerifyAudit = (flags: VerifyFlags) => Promise<VerifyResult>

export async function runVerify(
  terminal: Terminal,
  flags: VerifyFlags,
  verify: VerifyAudit,
): Promise<number> {
  try {
    const result = await verify(flags)
    if (flags.json) terminal.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
    else renderVerify(result, new Output(terminal.stdout, terminal.environment, terminal.now()))
    return result.problem === null ? 0 : 1
  } catch (error) {
    return printError(terminal, flags.json, error)
  }
}
