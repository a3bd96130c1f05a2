// Disk, memory, connections and rates, as the configuration has them.
import { dayNames } from './scalars.ts'
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
  /** What is fetched before a client asks. */
  readonly prefetch: { readonly files: number; readonly window: TimeWindow }
}

/** A part of the day (minutes since midnight, UTC). `to` at or before `from` means the next day. */
export interface TimeWindow {
  readonly from: number
  readonly to: number
  /** 0 is Sunday; the day on which it begins. */
  readonly days: readonly number[]
}

/** The forward proxy. */
export interface ProxyConfig {
  readonly listen: { readonly host: string; readonly port: number }
  /** Closes archives that a gated channel shows. */
  readonly refusesGated: boolean
  /** Null: everybody. */
  readonly networks: readonly string[] | null
  /** A host that begins with `*.` stands for those below it. */
  readonly connect: readonly { readonly host: string; readonly port: number }[]
}

export function buildProxy(raw: RawConfig): ProxyConfig | null {
  const { 'proxy-listen': listen, 'proxy-networks': networks = null } = raw
  if (listen === undefined) return null
  return { listen, refusesGated: raw['proxy-gate'] === 'refuse', networks, connect: raw['proxy-connect'] }
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
    prefetch: {
      files: raw.prefetch.files,
      window: {
        from: raw.prefetch.from,
        to: raw.prefetch.to,
        days: raw.prefetch.days.map((day) => dayNames.indexOf(day)),
      },
    },
  }
}
