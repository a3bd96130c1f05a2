// Loaded before a program (`--import`), it has that program cut indexes at other places, as another version of it would.
import { blockSizes } from '../../src/repo/publish/blocks.ts'

/** Blocks of a few kilobytes; with one rule for all of them. */
export const earlier = { minBytes: 1024, usualBytes: 1024, maxBytes: 8192, earlyMask: 3, lateMask: 3 }
/** The same mean, by two rules. */
export const later = { minBytes: 1024, usualBytes: 3072, maxBytes: 8192, earlyMask: 7, lateMask: 0 }

export function cutBy(rule: typeof earlier): void {
  Object.assign(blockSizes, rule)
}

cutBy(earlier)
