// The steps behind the forward proxy: whether the archive's own keys signed a file, and what an index names.
import type { Sha256 } from '../lib/digest.ts'
import type { FetchedRelease } from '../sync/upstream/adopt.ts'
import type { SignedFiles } from '../sync/upstream/forward.ts'
import { type ForwardedIndex, readForwardedIndex } from '../sync/upstream/forward-index.ts'
import { readStep, step } from './action.ts'

interface ForwardedRelease {
  readonly archive: string
  readonly suite: string
  readonly fetched: FetchedRelease
}

export const verifyForwardedStep = readStep<ForwardedRelease, SignedFiles>(
  'forward-verify',
  async ({ adopter }, input) => {
    const { release } = await adopter.verify(input)
    const files = [...release.files].filter(([, { algorithm }]) => algorithm === 'SHA256')
    return {
      date: release.date,
      byHash: release.acquireByHash,
      files: files.map(([path, { digest, sizeBytes }]) => ({ path, sha256: digest as Sha256, sizeBytes })),
    }
  },
)

export const readForwardedStep = step<ForwardedIndex, boolean>('forward-index', ({ repo }, input) =>
  readForwardedIndex(repo, input),
)
