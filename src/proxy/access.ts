// Who may have the files of an archive that is not for everybody: clients of some networks, and those who show a token.
import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { type Sha256, sha256 } from '../lib/digest.ts'
import { Networks } from '../lib/networks.ts'

export interface AccessRule {
  readonly archive: string
  readonly networks: readonly string[]
  /** A token on each line. */
  readonly tokensFile: string | null
}

const reloadMs = 30_000

interface Rule {
  readonly networks: Networks
  readonly tokensFile: string | null
  /** Looked up by digest: how long a look-up takes tells nothing of a token. */
  tokens: ReadonlySet<Sha256>
}

export class Access implements Disposable {
  readonly #rules: ReadonlyMap<string, Rule>
  readonly #timer: NodeJS.Timeout
  readonly #onError: (error: unknown) => void

  private constructor(rules: readonly AccessRule[], onError: (error: unknown) => void) {
    this.#onError = onError
    this.#rules = new Map(
      rules.map(({ archive, networks, tokensFile }) => [
        archive,
        { networks: new Networks(networks), tokensFile, tokens: new Set() },
      ]),
    )
    // Tokens are added and withdrawn under a running server.
    this.#timer = setInterval(() => void this.#load(), reloadMs).unref()
  }

  /** Archives without a rule are for everybody. A file that cannot be read admits nobody. */
  static async open(rules: readonly AccessRule[], onError: (error: unknown) => void): Promise<Access> {
    const access = new Access(rules, onError)
    await access.#load()
    return access
  }

  async #load(): Promise<void> {
    for (const rule of this.#rules.values()) {
      if (rule.tokensFile === null) continue
      try {
        const lines = (await readFile(rule.tokensFile, 'utf8')).split('\n').map((line) => line.trim())
        rule.tokens = new Set(
          lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => sha256(line)),
        )
      } catch (error) {
        rule.tokens = new Set()
        this.#onError(error)
      }
    }
  }

  admits({ socket, headers }: IncomingMessage, archive: string): boolean {
    const rule = this.#rules.get(archive)
    if (rule === undefined || rule.networks.has(socket.remoteAddress ?? '')) return true
    return [headers.authorization, headers['proxy-authorization']].some((header) => {
      const token = tokenOf(header)
      return token !== null && rule.tokens.has(sha256(token))
    })
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
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
