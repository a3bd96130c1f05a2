// What every act on channels works with. Lives in the jobs process.
import type { Clock } from '../lib/clock.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Store } from '../store/store.ts'
import type { Committer } from './commit.ts'
import type { ChannelOptions, PublishSettings } from './options.ts'

export interface Repo {
  readonly store: Store
  readonly committer: Committer
  readonly clock: Clock
  readonly settings: PublishSettings
  /** The configured channels, parents before children. */
  readonly channels: readonly ChannelOptions[]
  /** Package files that are here. */
  readonly packages: Pick<Blobs, 'sizeOf'>
}
