// Death at every durable operation of an act, one after the other, each from the same state.
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Died, DyingDisk } from './dying-disk.ts'
import type { Rig, RigOptions } from './rig.ts'

export interface Mortal {
  /** May be done again after it was cut off, or after it was done. */
  act(rig: Rig): Promise<unknown>
  /** The configuration that it starts with, where that is what is new. */
  readonly options?: Partial<RigOptions>
  /** Also between any two statements of a transaction. */
  readonly statements?: boolean
}

/**
 * Lets the act die before its first operation, after its first, and so on; `check` sees what is left of each, with no
 * process running. How often it died.
 */
export async function dieEverywhere(
  rig: Rig,
  mortal: Mortal,
  check: (diedAt: string) => Promise<void>,
): Promise<number> {
  const backup = mkdtempSync(join(tmpdir(), 'uus-backup-'))
  const data = join(rig.folder, 'data')
  try {
    await rig.stop()
    cpSync(rig.folder, backup, { recursive: true })
    let deaths = 0
    for (const when of ['before', 'after'] as const) {
      for (let step = 1; ; step++) {
        rmSync(data, { recursive: true, force: true })
        cpSync(backup, rig.folder, { recursive: true })
        const diedAt = await dieAt(rig, mortal, step, when)
        if (diedAt === null) break
        deaths++
        await check(diedAt)
        await rig.stop()
      }
    }
    return deaths
  } finally {
    rmSync(backup, { recursive: true, force: true })
  }
}

/** What it died of, or null if the act was over before that operation. */
async function dieAt(
  rig: Rig,
  { act, options, statements = false }: Mortal,
  step: number,
  when: 'before' | 'after',
): Promise<string | null> {
  const disk = new DyingDisk(step, when, { statements })
  try {
    await rig.restart({ ...options, disk })
    await act(rig)
  } catch (error) {
    if (!(error instanceof Died) && disk.diedAt === null) throw error
  }
  await rig.stop()
  return disk.diedAt
}
