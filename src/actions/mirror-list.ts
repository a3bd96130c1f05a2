// `/mirrors/<channel>/<archive>.list`: where a client of a channel best asks. apt's mirror method takes the lines in their
// order; the last one is this very server, which always has what it says.
import type { PublicSlave } from '../config/tiers.ts'
import { Networks } from '../lib/networks.ts'
import type { Slave } from '../store/slaves.ts'

export interface MirrorQuestion {
  readonly channel: string
  readonly archive: string
  /** The client's address. */
  readonly address: string | null
  /** As it says, `?country=no`. */
  readonly country: string | null
}

export interface MirrorFacts {
  /** As configured. */
  readonly places: readonly PublicSlave[]
  /** As they are. */
  readonly slaves: readonly Slave[]
  /** The snapshot that is served here. */
  readonly snapshot: string
  readonly now: number
  /** Of this server, without a slash at the end. */
  readonly baseUrl: string
}

/** So long a slave that said nothing counts as healthy: it reports every minute. */
const silentMs = 5 * 60_000

/** One line for each server, the best first. */
export function renderMirrorList(question: MirrorQuestion, facts: MirrorFacts): string {
  const { channel, archive } = question
  const fit = facts.places
    .filter((place) => isCurrent(place.name, channel, facts))
    .map((place, index) => ({ place, index, rank: rankOf(place, question) }))
    .sort((a, b) => a.rank - b.rank || a.index - b.index)
  const urls = [...fit.map(({ place }) => place.url), facts.baseUrl]
  // apt takes lines of the same priority in any order.
  return urls.map((url, index) => `${url}/${channel}/${archive}\tpriority:${index + 1}\n`).join('')
}

/** A slave that is behind would send clients back in time. */
function isCurrent(name: string, channel: string, { slaves, snapshot, now }: MirrorFacts): boolean {
  const slave = slaves.find((one) => one.name === name)
  if (slave === undefined || slave.contactAt === null || now - slave.contactAt > silentMs) return false
  return slave.report?.channels.some((one) => one.name === channel && one.snapshot === snapshot) ?? false
}

/** The client's network, then its country, then anything. */
function rankOf({ networks, countries }: PublicSlave, { address, country }: MirrorQuestion): number {
  if (address !== null && new Networks(networks).has(address)) return 0
  if (country !== null && countries.includes(country)) return 1
  return 2
}
