// The numbers of the cache, as people and monitoring ask for them.
import type { ChannelTraffic, Traffic, UpstreamTraffic } from '../lib/traffic.ts'
import type { Hosts } from './hosts.ts'
import type { Pool } from './pool.ts'
import type { Room, RoomAlarm, RoomReport } from './room.ts'

export interface ArchiveReport extends UpstreamTraffic {
  /** What clients got without its being fetched for them. */
  readonly savedBytes: number
  /** Package files that are being fetched now. */
  readonly inFlight: number
}

/** Counted since the server started. */
export interface CacheReport extends RoomReport {
  readonly channels: readonly ChannelTraffic[]
  readonly archives: readonly ArchiveReport[]
  /** Upstream hosts that failed, and are left alone for a while. */
  readonly restingHosts: readonly string[]
  readonly alarms: readonly RoomAlarm[]
}

export function reportCache(room: Room, pool: Pool, traffic: Traffic, hosts: Hosts): CacheReport {
  const inFlight = pool.inFlight()
  const names = new Set([
    ...inFlight.keys(),
    ...traffic.upstreams().map((one) => one.archive),
    ...traffic.channels().map((one) => one.archive),
  ])
  return {
    ...room.report(),
    channels: traffic.channels(),
    archives: [...names].sort().map((archive) => ({
      ...traffic.upstream(archive),
      savedBytes: traffic.savedBytes(archive),
      inFlight: inFlight.get(archive) ?? 0,
    })),
    restingHosts: hosts.resting(),
    alarms: room.alarms(),
  }
}
