// `uus fsck`: is everything that is kept what it was? And mending what is not.
import { z } from 'zod'
import type { Sha256 } from '../lib/digest.ts'
import { UusError } from '../lib/errors.ts'
import { checkGenerated, type Damage, type GeneratedCheck, settleSuspects } from '../repo/fsck.ts'
import { type PackagesCheck, verifyPackages } from '../repo/verify-packages.ts'
import type { FilePlace } from '../store/pool-files.ts'
import { action, type Call, type Outcome, readStep, type ServerContext, step } from './action.ts'

const input = z.object({ repair: z.boolean().default(false) })

export interface FsckResult extends Outcome {
  readonly publications: number
  readonly packages: number
  readonly packageBytes: number
  readonly items: readonly Damage[]
}

type Nothing = Record<string, never>

export const checkDatabaseStep = readStep<Nothing, string[]>('fsck-database', ({ repo }) =>
  repo.store.db.check(),
)

export const checkGeneratedStep = readStep<Nothing, GeneratedCheck>('fsck-generated', ({ repo }) =>
  checkGenerated(repo),
)

export const settleSuspectsStep = step<
  { readonly suspects: readonly number[]; readonly repairs: boolean },
  Damage[]
>('fsck-settle', ({ repo }, { suspects, repairs }, call) => {
  if (repairs && suspects.length > 0) {
    repo.store.db.write((tx) =>
      repo.store.audit.append(tx, {
        at: repo.clock.now(),
        actor: call.actor,
        action: 'fsck --repair',
        subject: 'publications',
        reason: null,
        details: { publications: [...suspects] },
      }),
    )
  }
  return settleSuspects(repo, suspects, repairs)
})

export const verifyPackagesStep = readStep<Nothing, PackagesCheck>('fsck-packages', ({ repo }) =>
  verifyPackages(repo),
)

export const findPlacesStep = readStep<{ readonly sha256: Sha256 }, FilePlace[]>(
  'fsck-places',
  ({ repo }, { sha256 }) => repo.store.poolFiles.placesOf(sha256),
)

export const fsck = action<z.output<typeof input>, FsckResult>({
  verb: 'fsck',
  role: 'admin',
  input: input as z.ZodType<z.output<typeof input>>,
  async run(context, { repair }, call) {
    const { jobs } = context
    const broken = await jobs.run(checkDatabaseStep, {}, call)
    const generated = await jobs.run(checkGeneratedStep, {}, call)
    const { suspects } = generated
    const damages =
      suspects.length === 0 ? [] : await jobs.run(settleSuspectsStep, { suspects, repairs: repair }, call)
    const packages = await jobs.run(verifyPackagesStep, {}, call)
    const files: Damage[] = []
    for (const sha256 of packages.damaged) files.push(await settlePackage(context, sha256, repair, call))
    const items = [
      ...broken.map((why) => ({ what: 'catalogue.db', why, isRepaired: false })),
      ...damages,
      ...files,
    ]
    return {
      status: items.every((damage) => damage.isRepaired) ? 'done' : 'failed',
      publications: generated.publications,
      packages: packages.files,
      packageBytes: packages.bytes,
      items,
    }
  },
})

/** Damaged bytes go out of service in any case that is to be mended; whether others can be had is another question. */
async function settlePackage(
  context: ServerContext,
  sha256: Sha256,
  repairs: boolean,
  call: Call,
): Promise<Damage> {
  const places = await context.jobs.run(findPlacesStep, { sha256 }, call)
  const what = places[0] === undefined ? `package file ${sha256}` : `${places[0].archive}/${places[0].path}`
  const why = 'its bytes changed on the disk'
  if (!repairs) return { what, why, isRepaired: false }
  await context.packages.quarantine(sha256)
  // Nobody names it any more: it is gone from service, and that is all there is to do.
  if (places.length === 0) return { what, why, isRepaired: true }
  let trouble = ''
  for (const { archive, path, sizeBytes } of places) {
    try {
      await context.packages.obtain(archive, path, { sha256, sizeBytes })
      return { what, why, isRepaired: true }
    } catch (error) {
      trouble = UusError.from(error).message
    }
  }
  return { what, why: `${why}; it is in quarantine, and cannot be fetched: ${trouble}`, isRepaired: false }
}
