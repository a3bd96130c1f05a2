// Disk, memory, connections and rates, as the configuration has them.
import type { RawConfig } from './shape.ts'

/** A rate that may depend on the time of day (minutes since midnight, UTC). Null: no limit. */
export interface RatePlan {
  readonly windows: readonly {
    readonly from: number
    readonly to: number
    /** 0 is Sunday. */
    readonly days: readonly number[]
    readonly bytesPerSecond: number | null
  }[]
  readonly otherwise: number | null
}

export interface CacheConfig {
  /** Null: as much as the disk has. */
  readonly maxBytes: number | null
  readonly minFreeBytes: number
  readonly memoryBytes: number
}

export interface LimitsConfig {
  readonly connections: number
  readonly bandwidth: RatePlan
  readonly hostBandwidth: ReadonlyMap<string, RatePlan>
  readonly minBytesPerSecond: number
  readonly deadlineSeconds: number
}

export function buildLimits(raw: RawConfig['limits']): LimitsConfig {
  return {
    connections: raw.connections,
    bandwidth: raw.bandwidth,
    hostBandwidth: new Map(
      Object.entries(raw.hosts).map(([name, host]) => [name.toLowerCase(), host.bandwidth]),
    ),
    minBytesPerSecond: raw['min-rate'],
    deadlineSeconds: raw.deadline,
  }
}
