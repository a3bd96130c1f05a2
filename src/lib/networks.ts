// Networks by their addresses: who is inside.
import { BlockList, isIP } from 'node:net'

/** Null if the text is neither an address nor a network. */
export function parseNetwork(
  text: string,
): { address: string; bits: number; family: 'ipv4' | 'ipv6' } | null {
  const [address = '', bits, ...more] = text.split('/')
  const family = isIP(address)
  const most = family === 4 ? 32 : 128
  const count = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN
  if (family === 0 || more.length > 0 || !(count <= most)) return null
  return { address, bits: count, family: family === 4 ? 'ipv4' : 'ipv6' }
}

export class Networks {
  readonly #list = new BlockList()

  /** Each text as `parseNetwork` takes it. */
  constructor(texts: readonly string[]) {
    for (const text of texts) {
      const { address, bits, family } = parseNetwork(text)!
      this.#list.addSubnet(address, bits, family)
    }
  }

  /** IPv4 addresses in IPv6's notation count as IPv4. */
  has(address: string): boolean {
    const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
    const family = isIP(plain)
    return family !== 0 && this.#list.check(plain, family === 4 ? 'ipv4' : 'ipv6')
  }
}
