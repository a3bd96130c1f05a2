// What is known of each upstream host: how many connections it has from us, how fast it may be read, and whether it
// is better left alone for a while.
import type { Clock } from '../lib/clock.ts'
import { UpstreamError } from '../lib/errors.ts'
import { Slots } from '../lib/slots.ts'
import { formatDuration } from '../lib/units.ts'
import { Bandwidth, type RatePlan, unlimited } from './bandwidth.ts'

export interface Limits {
  /** At a time, per host. */
  readonly connections: number
  readonly bandwidth: RatePlan
  /** Hosts with a rate of their own. */
  readonly hostBandwidth: ReadonlyMap<string, RatePlan>
  /** What is slower than this is given up for the next address. */
  readonly minBytesPerSecond: number
  /** How much waiting that is judged over. */
  readonly minRateOverSeconds: number
  /** So long without a byte, and the request is given up. Below the 30 s after which apt gives us up. */
  readonly silenceSeconds: number
  /** All of one file, with every address and every pause. */
  readonly deadlineSeconds: number
}

export const defaultLimits: Limits = {
  connections: 8,
  bandwidth: unlimited,
  hostBandwidth: new Map(),
  minBytesPerSecond: 1024,
  minRateOverSeconds: 30,
  silenceSeconds: 15,
  deadlineSeconds: 6 * 3600,
}

/** Failures in a row after which a host is left alone. */
const failuresToRest = 5
const firstRestMs = 30_000
const maxRestMs = 300_000
const maxHosts = 200

export class Host {
  readonly name: string
  readonly slots: Slots
  readonly bandwidth: Bandwidth
  readonly #clock: Clock
  #failures = 0
  #restMs = firstRestMs
  #restsUntil = 0

  constructor(name: string, limits: Limits, clock: Clock) {
    this.name = name
    this.slots = new Slots(limits.connections)
    this.bandwidth = new Bandwidth(limits.hostBandwidth.get(name) ?? limits.bandwidth)
    this.#clock = clock
  }

  /** Nothing is lost when it is forgotten. */
  get isIdle(): boolean {
    return this.slots.taken === 0 && !this.isResting
  }

  get isResting(): boolean {
    return this.#restsUntil > this.#clock.now()
  }

  /** Throws UPSTREAM_RESTING while it is left alone. */
  check(url: string): void {
    const seconds = Math.ceil((this.#restsUntil - this.#clock.now()) / 1000)
    if (seconds <= 0) return
    throw new UpstreamError(
      'UPSTREAM_RESTING',
      url,
      `${this.name} failed before; it is asked again in ${formatDuration(seconds)}`,
      {
        retryAfterSeconds: seconds,
        hint: "Check the address and this host's network, or name another mirror",
      },
    )
  }

  worked(): void {
    this.#failures = 0
    this.#restMs = firstRestMs
    this.#restsUntil = 0
  }

  /** It failed; `retryAfterSeconds` if it said itself when it wants to be asked again. */
  failed(retryAfterSeconds: number | undefined): void {
    this.#failures++
    const now = this.#clock.now()
    if (retryAfterSeconds !== undefined) {
      this.#restsUntil = Math.max(this.#restsUntil, now + Math.min(retryAfterSeconds * 1000, maxRestMs))
    }
    if (this.#failures < failuresToRest) return
    this.#restsUntil = Math.max(this.#restsUntil, now + this.#restMs)
    this.#restMs = Math.min(this.#restMs * 2, maxRestMs)
  }
}

export class Hosts {
  readonly #limits: Limits
  readonly #clock: Clock
  readonly #hosts = new Map<string, Host>()

  constructor(limits: Limits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  /** The host that a URL names; its port counts. */
  of(url: string | URL): Host {
    const { host } = new URL(url)
    const known = this.#hosts.get(host)
    if (known !== undefined) return known
    const made = new Host(host, this.#limits, this.#clock)
    // Redirects may lead to ever new ones.
    const idle = this.#hosts.size < maxHosts ? undefined : this.#hosts.values().find((one) => one.isIdle)
    if (idle !== undefined) this.#hosts.delete(idle.name)
    this.#hosts.set(host, made)
    return made
  }

  /** Those that are left alone at present. */
  resting(): string[] {
    return [...this.#hosts.values()].filter((host) => host.isResting).map((host) => host.name)
  }
}
