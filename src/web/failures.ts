// How often an address failed to say who it is: a bounded memory, in which every failure fades.
import { isIPv6 } from 'node:net'

const maxFailures = 20
const windowMs = 60_000
const maxAddresses = 10_000

export class Failures {
  readonly #now: () => number
  /** By address, in the order of their first failure. */
  readonly #known = new Map<string, { count: number; since: number }>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** Seconds until the address may try again; null if it may. */
  pause(address: string): number | null {
    const key = blockOf(address)
    const found = this.#known.get(key)
    if (found === undefined) return null
    const left = found.since + windowMs - this.#now()
    if (left <= 0) {
      this.#known.delete(key)
      return null
    }
    return found.count < maxFailures ? null : Math.ceil(left / 1000)
  }

  count(address: string): void {
    const key = blockOf(address)
    this.pause(address) // forgets what has faded
    const found = this.#known.get(key)
    if (found !== undefined) {
      found.count++
      return
    }
    // Whoever has so many addresses is not held up by this; but must not fill our memory.
    if (this.#known.size >= maxAddresses) this.#known.delete(this.#known.keys().next().value!)
    this.#known.set(key, { count: 1, since: this.#now() })
  }
}

/** One customer of IPv6 has a whole /64. */
export function blockOf(address: string): string {
  const bare = address.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '')
  if (!isIPv6(bare)) return bare
  const [head = '', tail = ''] = bare.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === '' ? [] : tail.split(':')
  const zeros = bare.includes('::') ? Array(Math.max(0, 8 - before.length - after.length)).fill('0') : []
  const groups = [...before, ...zeros, ...after].slice(0, 4)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
