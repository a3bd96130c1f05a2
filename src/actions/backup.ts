// `uus backup`: one file with all that cannot be made again.
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { readVersion } from '../lib/version.ts'
import { type BackupMade, backUp } from '../repo/backup.ts'
import { type Outcome, step, stepAction } from './action.ts'

const input = z.object({
  file: z.string().refine(isAbsolute, 'the path must be absolute'),
})

export interface BackupResult extends Outcome, BackupMade {
  readonly file: string
}

export const backup = stepAction(
  { verb: 'backup', role: 'admin', input: input as z.ZodType<z.output<typeof input>> },
  step<z.output<typeof input>, BackupResult>('backup', async ({ repo, config }, order, call) => {
    const made = await backUp(repo, {
      file: order.file,
      version: readVersion(),
      configFile: config.path,
      keyringFiles: [...new Set(config.archives.flatMap((archive) => archive.keyringFiles))].sort(),
      actor: call.actor,
    })
    return { status: 'done', file: order.file, ...made }
  }),
)
