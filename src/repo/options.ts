// What the channel side of the program needs to be told.
import type { VersionJump } from '../debian/version-jump.ts'
import type { KeyAlgorithm } from '../trust/signing.ts'
import type { PendingKind } from './classify.ts'

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
  readonly gates: GateOptions
  /** Groups of globs of sources that move as one. */
  readonly together: readonly (readonly string[])[]
  readonly rules: readonly RuleOptions[]
}

/** Globs; null: any. */
type Globs = readonly string[] | null

export interface GateOptions {
  /** How long a version has to wait; the first that matches counts. */
  readonly soak: readonly { readonly suites: Globs; readonly sources: Globs; readonly seconds: number }[]
  /** How many people have to approve. */
  readonly approvals: number
  readonly isInstallable: boolean
  readonly phasing: 'complete' | 'started' | 'ignore'
  /** Milliseconds, `until` not included. */
  readonly freezes: readonly { readonly from: number; readonly until: number; readonly reason: string }[]
  /** When changes may enter; none: at any time. */
  readonly windows: readonly Window[]
}

export interface Window {
  /** 0 is Sunday. */
  readonly days: readonly number[]
  /** Minutes since midnight; ends on the next day where `to` is not after `from`. */
  readonly from: number
  readonly to: number
  readonly zone: string
}

export interface RuleOptions {
  readonly archives: Globs
  readonly suites: Globs
  readonly sources: Globs
  readonly sections: Globs
  readonly kinds: readonly PendingKind[]
  /** The greatest change of version that it takes; null: any. */
  readonly jump: VersionJump | null
  /** What the changelog claims; null: whatever it is. */
  readonly claims: 'cve' | 'none' | null
  readonly action: 'approve' | 'require' | 'hold' | 'decline' | 'ignore'
  /** With `require`. */
  readonly approvals: number | null
  /** Instead of the channel's. */
  readonly soakSeconds: number | null
  readonly inheritsApprovals: boolean
  /** Acts on what waits since then; null: since the rule is there. */
  readonly since: number | null
}
