// What master and slave say to one another beside manifests and documents. docs/sync.md describes it.
import type { Json } from '../../lib/canonical-json.ts'
import { Decoder } from './decode.ts'
import { protocolVersion } from './manifest.ts'

/** How a server answers a slave that comes for the first time. */
export interface Hello {
  readonly protocol: number
  readonly version: string
  /** Its own id, and those of all that it follows in turn. */
  readonly chain: readonly string[]
  /** The channels that this slave may have. */
  readonly channels: readonly string[]
}

export function parseHello(text: string, what: string): Hello {
  const decoder = new Decoder(what)
  const raw = decoder.parse(text)
  const texts = (value: unknown, where: string) =>
    decoder.list(value, where, (one, at) => decoder.text(one, at))
  return {
    protocol: decoder.count(raw.protocol, 'protocol'),
    version: decoder.text(raw.version, 'version'),
    chain: texts(raw.chain, 'chain'),
    channels: texts(raw.channels, 'channels'),
  }
}

export function helloOf(version: string, chain: readonly string[], channels: readonly string[]): Hello {
  return { protocol: protocolVersion, version, chain, channels }
}

/** Longer than any tree of servers is deep. */
export const maxChain = 32

/** Something that clients told a slave. */
export interface SlaveEvent {
  readonly kind: string
  /** Empty for the slave itself, else the names of those below it, joined by slashes. */
  readonly origin: string
  readonly payload: Json
}

/** A slave has the same batch again if it does not know whether it arrived: it counts once. */
export interface EventBatch {
  readonly id: string
  readonly events: readonly SlaveEvent[]
}
