// Running commands as whole processes and saying what they took.
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'

export interface Measured {
  readonly wallSeconds: number
  /** User and system time of the whole process tree. */
  readonly cpuSeconds: number
  /** Of the largest process. */
  readonly peakRssBytes: number
}

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

/** Runs a command under GNU time; throws with its output if it fails. */
export async function measureCommand(
  command: readonly string[],
  options: CommandOptions = {},
): Promise<Measured> {
  const child = spawn('/usr/bin/time', ['-f', '%e %U %S %M', ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
    env: { ...process.env, ...options.env },
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  child.stderr.on('data', (chunk) => {
    output += chunk
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  const [wall, user, system, rss] = output.trim().split('\n').at(-1)!.split(' ').map(Number)
  if (code !== 0) throw new Error(`${command.join(' ')} failed (${code}):\n${output}`)
  return { wallSeconds: wall!, cpuSeconds: user! + system!, peakRssBytes: rss! * 1024 }
}

/** The median by wall time of several runs; `prepare` runs before each, unmeasured. */
export async function median(
  runs: number,
  prepare: () => void | Promise<void>,
  act: () => Promise<Measured>,
): Promise<Measured> {
  const all: Measured[] = []
  for (let run = 0; run < runs; run++) {
    await prepare()
    all.push(await act())
  }
  all.sort((a, b) => a.wallSeconds - b.wallSeconds)
  return all[Math.floor(runs / 2)]!
}

/** The run with the median CPU time of several; of a single one that takes longer than `patienceSeconds`. */
export async function medianCpu(
  runs: number,
  patienceSeconds: number,
  act: (run: number) => Promise<Measured>,
): Promise<Measured> {
  const all: Measured[] = []
  for (let run = 0; run < runs && !all.some((one) => one.wallSeconds > patienceSeconds); run++)
    all.push(await act(run))
  all.sort((a, b) => a.cpuSeconds - b.cpuSeconds)
  return all[Math.floor(all.length / 2)]!
}

export function hasProgram(name: string): boolean {
  return spawnSync('which', [name]).status === 0
}

/** CPU seconds, those of its children too, and peak memory of a running process so far, from /proc. */
export function processFacts(pid: number): { cpuSeconds: number; peakRssBytes: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return {
    cpuSeconds: cpuTicks(pid) / ticksPerSecond,
    peakRssBytes: Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024,
  }
}

const ticksPerSecond = 100

/** Of a process, its ended children, and those that run. */
function cpuTicks(pid: number): number {
  const [, behindName] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(/\) (?=[^)]*$)/)
  const own = behindName!.split(' ').slice(11, 15)
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g) ?? []
  const ofChildren = children.map((child) => {
    try {
      return cpuTicks(Number(child))
    } catch {
      // It ended after it was listed; from then on its parent's figures have it.
      return 0
    }
  })
  return [...own, ...ofChildren].reduce<number>((sum, one) => sum + Number(one), 0)
}

export function describeMachine(): string {
  const [cpu] = cpus()
  return `${cpus().length} cores (${cpu?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`
}
