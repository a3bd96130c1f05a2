// The composition of access rules: where they come from on a master and on a slave, and whose tokens open them.
import type { Config } from './config/config.ts'
import type { Log } from './lib/log.ts'
import { type Access, createAccess, FollowedRules } from './proxy/access.ts'
import { ConfiguredRules } from './proxy/configured-rules.ts'
import { accessRules } from './repo/access-rules.ts'
import type { Store } from './store/store.ts'
import { hashToken, isTokenLike } from './trust/secrets.ts'
import { isReadOnTheWay } from './web/tokens.ts'

export interface AccessParts {
  readonly config: Config
  readonly reader: Store
  readonly log: Log
  /** Slaves are to be told of other tokens. */
  onChange(): void
}

export interface OpenAccess extends Access, Disposable {
  /** Something was committed: on a slave perhaps another rule. */
  changed(): void
  /** Reads files of tokens again. */
  reload(): void
}

/** Null where every archive is for everybody, and stays so. */
export async function openAccess(parts: AccessParts): Promise<OpenAccess | null> {
  return parts.config.role === 'slave' ? openFollowed(parts) : await openConfigured(parts)
}

async function openConfigured(parts: AccessParts): Promise<OpenAccess | null> {
  const { reader, log, onChange } = parts
  const configured = [...accessRules(reader.settings)].map(([archive, access]) => ({ archive, ...access }))
  if (configured.length === 0) return null
  const rules = await ConfiguredRules.open(configured, {
    onChange,
    onError: (error) => log('error', `Tokens of clients: ${(error as Error).message}`),
  })
  return {
    ...createAccess(rules, isSlaves(parts)),
    changed: () => {},
    reload: () => void rules.reload(),
    [Symbol.dispose]: () => rules[Symbol.dispose](),
  }
}

function openFollowed(parts: AccessParts): OpenAccess {
  const { reader } = parts
  const rules = new FollowedRules()
  const changed = () => {
    const channels = reader.channels.list().map(({ id, name }) => {
      return [name, reader.followed.find(id)?.archives ?? []] as const
    })
    rules.set(channels)
  }
  changed()
  return {
    ...createAccess(rules, isSlaves(parts)),
    changed,
    reload: () => {},
    [Symbol.dispose]: () => {},
  }
}

/** Slaves are given a channel with all that is in it: what they do not have they cannot pass on by the rule. */
function isSlaves({ config, reader }: AccessParts) {
  return (request: Parameters<typeof isReadOnTheWay>[0], token: string, channel: string): boolean => {
    if (!isTokenLike(token) || (isReadOnTheWay(request) && !config.sync.allowsHttp)) return false
    return reader.slaves.findByToken(hashToken(token))?.channels.includes(channel) === true
  }
}
