// External programs that tests hold our output against. A missing one skips the test visibly;
// UUS_TEST_REQUIRE_ALL=1 (set by .ci/run, which installs them) turns that skip into a failure.
import { execFile, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'

const requireAll = process.env.UUS_TEST_REQUIRE_ALL === '1'

/** Options for `test()`: `{ skip: reason }` where one of the programs is missing. */
export function needs(...programs: string[]): { skip: string | false } {
  const missing = programs.filter((program) => spawnSync('which', [program]).status !== 0)
  return skipUnless(missing.length === 0, `needs ${missing.join(', ')}`)
}

/** Options for `test()` of something that only root may do. */
export function needsRoot(): { skip: string | false } {
  return skipUnless(process.getuid?.() === 0, 'needs root')
}

function skipUnless(isGiven: boolean, reason: string): { skip: string | false } {
  if (isGiven) return { skip: false }
  if (requireAll) throw new Error(`UUS_TEST_REQUIRE_ALL is set, but this test ${reason}`)
  return { skip: reason }
}

export interface RunResult {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
  /** Both streams, for messages. */
  readonly output: string
}

/** Runs a program to its end, without blocking: servers of the test process go on answering. */
export function run(
  program: string,
  arguments_: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = execFile(
      program,
      arguments_,
      { maxBuffer: 1 << 30, ...options },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : (child.exitCode ?? null)
        resolve({ status, stdout, stderr, output: `${stdout}${stderr}${status === null ? error : ''}` })
      },
    )
  })
}

/** Runs a program for the digest of what it writes to stdout. */
export async function runForHash(
  program: string,
  arguments_: readonly string[],
): Promise<{ sha256: string; sizeBytes: number }> {
  const child = spawn(program, arguments_, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    hash.update(chunk)
    sizeBytes += chunk.length
  }
  const [status] = await ended
  if (status !== 0) throw new Error(`${program} ${arguments_.join(' ')} ends with ${status}`)
  return { sha256: hash.digest('hex'), sizeBytes }
}
