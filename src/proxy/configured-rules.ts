// On a master: who may have an archive's files, as its configuration says. Tokens are added and withdrawn under a running
// server.
import type { Sha256 } from '../lib/digest.ts'
import { Networks } from '../lib/networks.ts'
import { readTokenDigests } from '../lib/token-file.ts'
import type { Guarded, Rule, Rules } from './access.ts'

export interface AccessRule {
  readonly archive: string
  readonly networks: readonly string[]
  /** A token on each line. */
  readonly tokensFile: string | null
}

export interface ConfiguredRulesOptions {
  /** Other tokens count from now on. */
  onChange(): void
  onError(error: unknown): void
}

const reloadMs = 30_000

interface LoadedRule extends Rule {
  readonly tokensFile: string | null
  tokens: ReadonlySet<Sha256>
}

export class ConfiguredRules implements Rules, Disposable {
  readonly #rules: ReadonlyMap<string, LoadedRule>
  readonly #options: ConfiguredRulesOptions
  readonly #timer: NodeJS.Timeout

  private constructor(rules: readonly AccessRule[], options: ConfiguredRulesOptions) {
    this.#options = options
    this.#rules = new Map(
      rules.map(({ archive, networks, tokensFile }) => [
        archive,
        { networks: new Networks(networks), tokensFile, tokens: new Set() },
      ]),
    )
    this.#timer = setInterval(() => void this.reload(), reloadMs).unref()
  }

  /** Archives without a rule are for everybody. A file that cannot be read admits nobody. */
  static async open(rules: readonly AccessRule[], options: ConfiguredRulesOptions): Promise<ConfiguredRules> {
    const opened = new ConfiguredRules(rules, options)
    await opened.#load()
    return opened
  }

  ruleOf({ archive }: Guarded): Rule | null {
    return this.#rules.get(archive) ?? null
  }

  /** Reads the files again. */
  async reload(): Promise<void> {
    if (await this.#load()) this.#options.onChange()
  }

  /** Whether anything changed. */
  async #load(): Promise<boolean> {
    let isChanged = false
    for (const rule of this.#rules.values()) {
      if (rule.tokensFile === null) continue
      const tokens = await this.#read(rule.tokensFile)
      isChanged ||= tokens.symmetricDifference(rule.tokens).size > 0
      rule.tokens = tokens
    }
    return isChanged
  }

  async #read(path: string): Promise<ReadonlySet<Sha256>> {
    try {
      return await readTokenDigests(path)
    } catch (error) {
      this.#options.onError(error)
      return new Set()
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
