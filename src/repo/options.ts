// What the channel side of the program needs to be told.
import type { KeyAlgorithm } from '../trust/signing.ts'

/** What concerns the publications of all channels. */
export interface PublishSettings {
  /** Where clients find snapshots; null: nowhere. Ends without a slash. */
  readonly snapshotsUrl: string | null
}

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
