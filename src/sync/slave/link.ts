// The way from a slave to its master: every request that a slave makes, and what the answers mean. Looks into nothing
// that it fetches. Runs in the server process.
import { readFile } from 'node:fs/promises'
import { type Sha256, sha256 } from '../../lib/digest.ts'
import { UpstreamError, UusError } from '../../lib/errors.ts'
import type { Transport } from '../../pool/connections.ts'
import type { Fetcher, Message, Reply } from '../../pool/fetcher.ts'
import type { SlaveReport } from '../../store/slaves.ts'
import { protocolVersion } from '../protocol/manifest.ts'
import { type EventBatch, type Hello, maxChain, parseHello } from '../protocol/messages.ts'
import { rangesOf, type WantedPart } from './lacking.ts'

export interface LinkOptions {
  readonly fetcher: Fetcher
  /** Ends without a slash. */
  readonly url: string
  readonly tokenFile: string
  readonly transport: Transport
  /** Of this server. */
  readonly serverId: string
}

export type ManifestAnswer =
  | { readonly type: 'manifest'; readonly bytes: Buffer }
  /** The one that is held is the newest; `at` by the master's clock. */
  | { readonly type: 'unchanged'; readonly at: number }

const maxMessageBytes = 16 << 20
const maxDocumentBytes = 64 << 20
const patienceMs = 15_000

export class MasterLink {
  readonly #options: LinkOptions
  #chain: readonly string[] = []

  constructor(options: LinkOptions) {
    this.#options = options
  }

  get url(): string {
    return this.#options.url
  }

  /** For files that clients may have too. The master has to know who asks where those are not for everybody. */
  transportFor(isRestricted: boolean): Transport {
    const { transport, tokenFile } = this.#options
    return isRestricted ? { ...transport, auth: { type: 'bearer', user: '', tokenFile } } : transport
  }

  /** The ids of all that this server follows, the nearest first; as known. */
  get chain(): readonly string[] {
    return this.#chain
  }

  /** What this slave may have; SYNC_LOOP if the master follows this very server. */
  async hello(signal?: AbortSignal): Promise<Hello> {
    const reply = await this.#ask('/sync/v1', { signal })
    const hello = parseHello(reply.bytes.toString(), `The answer of ${this.url}`)
    if (hello.protocol !== protocolVersion) {
      throw new UusError('SYNC_REFUSED', `${this.url} speaks protocol ${hello.protocol}`, {
        hint: `This slave speaks protocol ${protocolVersion}: bring both to the same version`,
      })
    }
    this.#chain = hello.chain.slice(0, maxChain)
    if (hello.chain.includes(this.#options.serverId) || hello.chain.length > maxChain) {
      throw new UusError('SYNC_LOOP', `${this.url} follows this very server: nobody decides anything`, {
        hint: 'Let "master.url" name a server that is nearer to the master',
      })
    }
    return hello
  }

  /** The channel's manifest if it is another than `held`; waits for one up to `waitSeconds`. */
  async manifest(
    channel: string,
    held: Buffer | null,
    waitSeconds: number,
    signal?: AbortSignal,
  ): Promise<ManifestAnswer> {
    const query = new URLSearchParams({ wait: String(waitSeconds) })
    if (held !== null) query.set('after', sha256(held))
    const path = `/sync/v1/channels/${encodeURIComponent(channel)}?${query}`
    const reply = await this.#ask(path, { signal, waitMs: waitSeconds * 1000 })
    if (reply.status !== 204) return { type: 'manifest', bytes: reply.bytes }
    const date = Date.parse(reply.headers.date ?? '')
    return { type: 'unchanged', at: Number.isNaN(date) ? 0 : date }
  }

  async document(digest: Sha256, signal?: AbortSignal): Promise<Buffer> {
    const reply = await this.#ask(`/sync/v1/documents/${digest}`, { signal, limitBytes: maxDocumentBytes })
    return reply.bytes
  }

  /** The wanted blocks of a part, one after the other. */
  part(part: WantedPart, signal?: AbortSignal): Promise<Buffer> {
    const file = { sizeBytes: part.fileBytes, ranges: rangesOf(part.blocks) }
    const options = this.#fetchOptions(signal, part.isRestricted)
    return this.#options.fetcher.fetchRanges(`${this.url}${part.path}`, file, options)
  }

  /** A file as a whole, however large. */
  whole({ path, fileBytes, isRestricted }: WantedPart, signal?: AbortSignal): AsyncGenerator<Buffer> {
    const options = this.#fetchOptions(signal, isRestricted)
    return this.#options.fetcher.fetchStream(`${this.url}${path}`, fileBytes, options)
  }

  /** A small file that clients may have too; null if the master has none. */
  async smallFile(path: string, limitBytes: number, isRestricted: boolean): Promise<Buffer | null> {
    const url = `${this.url}${path}`
    const options = this.#fetchOptions(undefined, isRestricted)
    const answer = await this.#options.fetcher.fetchSmall(url, limitBytes, options)
    return answer.outcome === 'ok' ? answer.bytes : null
  }

  async report(report: SlaveReport, signal?: AbortSignal): Promise<void> {
    await this.#ask('/sync/v1/report', { signal, body: JSON.stringify(report) })
  }

  async events(batch: EventBatch, signal?: AbortSignal): Promise<void> {
    await this.#ask('/sync/v1/events', { signal, body: JSON.stringify(batch) })
  }

  #fetchOptions(signal: AbortSignal | undefined, isRestricted = false) {
    return { transport: this.transportFor(isRestricted), ...(signal === undefined ? {} : { signal }) }
  }

  async #ask(
    path: string,
    options: {
      signal?: AbortSignal | undefined
      waitMs?: number
      limitBytes?: number
      body?: string
    },
  ): Promise<Reply> {
    const { signal, waitMs = 0, limitBytes = maxMessageBytes, body } = options
    const message: Message = {
      ...this.#fetchOptions(signal),
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${await this.#token()}`,
        'uus-server': this.#options.serverId,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body }),
      limitBytes,
      responseTimeoutMs: waitMs + patienceMs,
    }
    const url = `${this.url}${path}`
    const reply = await this.#options.fetcher.converse(url, message)
    if (reply.status === 200 || reply.status === 204) return reply
    throw refusal(url, reply)
  }

  /** Read anew each time: it may be replaced under a running server. */
  async #token(): Promise<string> {
    const { tokenFile } = this.#options
    try {
      const token = (await readFile(tokenFile, 'utf8')).trim()
      if (/^[\x21-\x7e]{20,200}$/.test(token)) return token
    } catch (error) {
      throw noToken(tokenFile, (error as Error).message, error)
    }
    throw noToken(tokenFile, 'there is no token in it')
  }
}

function noToken(path: string, why: string, cause?: unknown): UusError {
  return new UusError('CONFIG_INVALID', `Cannot read the token for the master from ${path}: ${why}`, {
    cause,
    hint: 'Have one made with "uus slave add" on the master, and put it into that file',
  })
}

/** The master's no, in its own words where it has some. */
function refusal(url: string, { status, bytes, headers }: Reply): UusError {
  const said = saidIn(bytes)
  const place = url.replace(/\?.*$/, '')
  switch (status) {
    case 401:
      return new UusError('TOKEN_REFUSED', `The master does not know this slave's token (${place})`, {
        hint: 'Run "uus slave add" on the master, and put the new token into the file that "master.token-file" names',
      })
    case 403:
      return new UusError('TLS_REQUIRED', said || `The master refuses this slave (${place})`, {
        hint: 'Use an https:// address under "master.url"',
      })
    case 508:
      return new UusError('SYNC_LOOP', said || `${place} follows this very server`, {
        hint: 'Let "master.url" name a server that is nearer to the master',
      })
    default:
      return new UpstreamError('UPSTREAM_STATUS', url, `${place} answered ${status}${said && `: ${said}`}`, {
        status,
        retryAfterSeconds: Number(headers['retry-after']) || undefined,
        hint:
          status === 404
            ? 'Is it the address of a UUS? See "master.url", and "uus slave list" on the master'
            : 'It is tried again; see the log of the master',
      })
  }
}

/** A sentence, if that is what came. */
function saidIn(bytes: Buffer): string {
  const text = bytes.toString('utf8', 0, 300).split('\n')[0]!.trim()
  return /^[\x20-\x7e\u00a0-\uffff]*$/.test(text) && !text.startsWith('<') ? text : ''
}
