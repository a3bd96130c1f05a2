// Who may have the files of an archive that is not for everybody: clients of some networks, those who show a token, and
// slaves, which hold others to the same rule.
import type { IncomingMessage } from 'node:http'
import { type Sha256, sha256 } from '../lib/digest.ts'
import { Networks } from '../lib/networks.ts'
import type { FollowedArchive } from '../store/followed.ts'
import type { Place } from './resolve.ts'

export type Guarded = Pick<Place, 'channel' | 'archive'>

export interface Rule {
  readonly networks: Networks
  /** Looked up by digest: how long a look-up takes tells nothing of a token. */
  readonly tokens: ReadonlySet<Sha256>
}

export interface Rules {
  /** Null: for everybody. */
  ruleOf(place: Guarded): Rule | null
}

export interface Access {
  /** Nobody is asked who they are. */
  isForAll(place: Guarded): boolean
  admits(request: IncomingMessage, place: Guarded): boolean
}

/** Whether a token is that of a slave that is given the channel, and came so that nobody could read it. */
export type IsSlaves = (request: IncomingMessage, token: string, channel: string) => boolean

export function createAccess(rules: Rules, isSlaves: IsSlaves): Access {
  return {
    isForAll: (place) => rules.ruleOf(place) === null,
    admits(request, place) {
      const rule = rules.ruleOf(place)
      if (rule === null || rule.networks.has(request.socket.remoteAddress ?? '')) return true
      const { authorization, 'proxy-authorization': proxyAuthorization } = request.headers
      return [authorization, proxyAuthorization].some((header) => {
        const token = tokenOf(header)
        if (token === null) return false
        return rule.tokens.has(sha256(token)) || isSlaves(request, token, place.channel)
      })
    },
  }
}

/** A bearer's token, or the password of whatever user. */
function tokenOf(header: string | undefined): string | null {
  const [, scheme, value] = /^(bearer|basic) +(\S+)$/i.exec(header ?? '') ?? []
  if (scheme === undefined || value === undefined) return null
  if (scheme.toLowerCase() === 'bearer') return value
  const text = Buffer.from(value, 'base64').toString()
  return text.includes(':') ? text.slice(text.indexOf(':') + 1) : null
}

const nobody: Rule = { networks: new Networks([]), tokens: new Set() }

/** On a slave: what its master told of each channel's archives. */
export class FollowedRules implements Rules {
  #channels: ReadonlyMap<string, ReadonlyMap<string, Rule>> = new Map()

  /** From now on these count. */
  set(channels: Iterable<readonly [channel: string, archives: readonly FollowedArchive[]]>): void {
    this.#channels = new Map(
      [...channels].map(([channel, archives]) => [
        channel,
        new Map(
          archives.flatMap(({ name, access }): [string, Rule][] => {
            if (access === null) return []
            if (access === 'closed') return [[name, nobody]]
            return [[name, { networks: new Networks(access.networks), tokens: new Set(access.tokens) }]]
          }),
        ),
      ]),
    )
  }

  ruleOf({ channel, archive }: Guarded): Rule | null {
    return this.#channels.get(channel)?.get(archive) ?? null
  }
}
