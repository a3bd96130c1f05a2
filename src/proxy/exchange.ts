// One request and what becomes of it, for whoever keeps account.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { AccessLog } from '../lib/access-log.ts'
import type { Outcome } from '../pool/pool.ts'

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Null for what is no package file. */
  cache: Outcome | null
  /** Body bytes that left, of files. */
  sentBytes: number
}

/** Writes a line once the answer is over. */
export function record(exchange: Exchange, log: Pick<AccessLog, 'write'>): void {
  const { request, response } = exchange
  const startedAt = performance.now()
  // Once the connection is closed nobody knows any more.
  const client = clientOf(request.socket)
  response.once('close', () => {
    log.write({
      client,
      method: request.method ?? '',
      path: request.url ?? '',
      status: response.statusCode,
      bytes: exchange.sentBytes || otherBytes(exchange),
      ...(exchange.cache === null ? {} : { cache: exchange.cache }),
      ms: millisecondsSince(startedAt),
      ...(response.writableFinished ? {} : { isCut: true }),
    })
  })
}

/** The client's address as access lines have it: IPv4 as such. */
export function clientOf({ remoteAddress }: Socket): string {
  return remoteAddress?.replace(/^::ffff:/, '') ?? ''
}

/** In hundredths, as access lines have them. */
export function millisecondsSince(startedAt: number): number {
  return Math.round((performance.now() - startedAt) * 100) / 100
}

/** Of pages and of words of explanation. */
function otherBytes({ request, response }: Exchange): number {
  if (request.method === 'HEAD' || response.statusCode === 304 || !response.writableFinished) return 0
  return Number(response.getHeader('content-length') ?? 0)
}
