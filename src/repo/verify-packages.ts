// Are the package files that are kept still what they were?
import { setImmediate } from 'node:timers/promises'
import { Hasher, type Sha256 } from '../lib/digest.ts'
import type { Repo } from './repo.ts'

export interface PackagesCheck {
  readonly files: number
  readonly bytes: number
  readonly damaged: readonly Sha256[]
}

const chunkBytes = 1 << 20

/** Reads every package file. What is evicted meanwhile is passed over. */
export async function verifyPackages({ packages }: Pick<Repo, 'packages'>): Promise<PackagesCheck> {
  const damaged: Sha256[] = []
  let files = 0
  let bytes = 0
  for await (const sha256 of packages.list()) {
    const opened = await packages.open(sha256)
    if (opened === null) continue
    await using blob = opened
    const hasher = new Hasher()
    try {
      for (let at = 0; at < blob.sizeBytes; at += chunkBytes) {
        hasher.update(await blob.read(at, Math.min(chunkBytes, blob.sizeBytes - at)))
        await setImmediate()
      }
      if (hasher.digest() !== sha256) damaged.push(sha256)
    } catch {
      damaged.push(sha256) // the disk cannot read it
    }
    files++
    bytes += blob.sizeBytes
  }
  return { files, bytes, damaged }
}
