// What the channel side of the program needs to be told.
import type { KeyAlgorithm } from '../trust/signing.ts'

export interface ChannelOptions {
  readonly name: string
  readonly from: string
  readonly follows: boolean
  readonly compression: readonly ('gz' | 'xz')[]
  /** Null: published without Valid-Until. */
  readonly validForSeconds: number | null
  readonly keepSeconds: number
  readonly keyAlgorithm: KeyAlgorithm
}
