// What every act on channels works with. Lives in the jobs process.
import type { Clock } from '../lib/clock.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Store } from '../store/store.ts'
import type { Committer, GeneratedStores } from './commit.ts'
import type { Installability } from './installability.ts'
import type { ChannelOptions, PublishSettings } from './options.ts'
import type { SigningKeys } from './signing-keys.ts'
import type { Unoffered } from './unoffered.ts'

export interface Repo {
  readonly store: Store
  readonly committer: Committer
  /** The generated files. */
  readonly generated: GeneratedStores
  readonly clock: Clock
  readonly keys: SigningKeys
  readonly settings: PublishSettings
  /** The configured channels, parents before children. */
  readonly channels: readonly ChannelOptions[]
  readonly installability: Installability
  readonly unoffered: Unoffered
  /** Package files that are here. */
  readonly packages: Pick<Blobs, 'isHere' | 'sizeOf' | 'open' | 'list' | 'create'>
}
