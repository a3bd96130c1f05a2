// Programs that believe it is later than it is: faketime's library answers them when they ask for the time. Neither how
// long things take nor the times of files are touched.
import { run } from './programs.ts'

/** The environment of such a program. */
export async function later(days: number): Promise<NodeJS.ProcessEnv> {
  // Where the library lies is known to the program that comes with it.
  const { stdout, status, output } = await run('faketime', ['-f', '+0', 'printenv', 'LD_PRELOAD'])
  if (status !== 0) throw new Error(`faketime fails: ${output}`)
  return {
    LD_PRELOAD: stdout.trim(),
    FAKETIME: `+${days}d`,
    NO_FAKE_STAT: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  }
}
