// `uus doctor` and `uus restore`: commands that work without a server and without a catalogue.

import { Output } from './output.ts'
import { type CommonFlags, printError, type Terminal } from './run.ts'

/** What the doctor finds. */
export interface Diagnosis {
  /** A problem keeps something from working; a warning may. */
  readonly level: 'fine' | 'warning' | 'problem'
  readonly what: string
  readonly hint: string | null
}

/** Exit code 1 where something does not work. */
export async function runDoctor(
  terminal: Terminal,
  flags: CommonFlags,
  examine: (configPath: string) => Promise<readonly Diagnosis[]>,
): Promise<number> {
  try {
    const items = await examine(flags.configPath)
    const isSick = items.some((item) => item.level === 'problem')
    if (flags.json) {
      const status = isSick ? 'failed' : 'done'
      terminal.stdout.write(`${JSON.stringify({ status, items }, null, 2)}\n`)
    } else printDiagnoses(items, new Output(terminal.stdout, terminal.environment, terminal.now()))
    return isSick ? 1 : 0
  } catch (error) {
    return printError(terminal, flags.json, error)
  }
}

function printDiagnoses(items: readonly Diagnosis[], out: Output): void {
  const marks = {
    fine: out.style('green', 'fine'),
    warning: out.style('yellow', 'note'),
    problem: out.style('red', 'ill '),
  }
  for (const { level, what, hint } of items) {
    out.line(`${marks[level]}  ${what}`)
    if (hint !== null && hint !== '') out.line(`      → ${hint}`)
  }
}

/** What came back of a backup. */
export interface Restored {
  readonly dataFolder: string
  /** ISO 8601. */
  readonly madeAt: string
  readonly isNewConfig: boolean
  readonly keys: number
  readonly packages: number
  /** Keyrings that the configuration names and that are not here. */
  readonly missing: readonly string[]
}

export async function runRestore(
  terminal: Terminal,
  flags: CommonFlags,
  restore: () => Promise<Restored>,
): Promise<number> {
  try {
    const result = await restore()
    if (flags.json) {
      terminal.stdout.write(`${JSON.stringify({ status: 'done', ...result }, null, 2)}\n`)
      return 0
    }
    const out = new Output(terminal.stdout, terminal.environment, terminal.now())
    out.line(`${result.dataFolder} is as it was on ${result.madeAt}, published again and signed anew.`)
    if (result.isNewConfig) out.line(`The configuration is back too: ${flags.configPath}`)
    for (const path of result.missing)
      out.line(out.style('yellow', `The keyring ${path} is missing: install the package that brings it`))
    out.line('What was decided since then is lost. Start the server: uus serve')
    return 0
  } catch (error) {
    return printError(terminal, flags.json, error)
  }
}
