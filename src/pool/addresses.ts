// Which addresses a redirect may lead to. A server out there must not be able to send us to our own network.
import { lookup as lookupCallback } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { BlockList, isIP, type LookupFunction } from 'node:net'

const inner = new BlockList()
for (const [network, bits] of [
  ['0.0.0.0', 8], // this host
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // behind a carrier's NAT
  ['127.0.0.0', 8],
  ['169.254.0.0', 16], // link-local; clouds answer there with their secrets
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15], // benchmarks
  ['224.0.0.0', 3], // multicast, reserved, broadcast
] as const) {
  inner.addSubnet(network, bits, 'ipv4')
}
for (const [network, bits] of [
  ['::', 96], // this host, and IPv4 in an old disguise
  ['64:ff9b::', 96], // IPv4 behind NAT64
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2002::', 16], // 6to4 names an IPv4 address within
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  inner.addSubnet(network, bits, 'ipv6')
}

/** Loopback, private, link-local or otherwise not out there. IPv4 addresses in IPv6's notation count as IPv4. */
export function isInner(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return inner.check(address, 'ipv4')
  if (family !== 6) return true
  return inner.check(address, 'ipv6')
}

/** The host of a URL without an IPv6 address's brackets. */
export function bareHost(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1')
}

/** Whether a configured host is itself of the inner network: then it may also send us there. */
export async function leadsInside(host: string): Promise<boolean> {
  if (isIP(host) !== 0) return isInner(host)
  const addresses = await lookup(host, { all: true }).catch(() => [])
  return addresses.some(({ address }) => isInner(address))
}

/** A look-up for connections that must stay outside. Names are judged by what they resolve to at that moment. */
export const lookupOutside: LookupFunction = (host, options, callback) => {
  lookupCallback(host, { ...options, all: true }, (error, addresses) => {
    if (error !== null) {
      callback(error, '')
      return
    }
    const outer = addresses.filter(({ address }) => !isInner(address))
    if (outer.length === 0) {
      const refusal: NodeJS.ErrnoException = new Error(`${host} is an address of an inner network`)
      refusal.code = innerAddressCode
      callback(refusal, '')
    } else if (options.all === true) callback(null, outer)
    else callback(null, outer[0]!.address, outer[0]!.family)
  })
}

/** The system code of that refusal. */
export const innerAddressCode = 'UUS_INNER_ADDRESS'
