// Tokens in requests: which one came, and whether others could have read it on its way.
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { isLoopback } from '../config/tiers.ts'

/** Of `Authorization: Bearer TOKEN`; null if there is none. */
export function bearerToken({ headers }: Pick<IncomingMessage, 'headers'>): string | null {
  return /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1] ?? null
}

/** Plain http from another host: a secret that was sent so is to be considered known. */
export function isReadOnTheWay({ socket }: Pick<IncomingMessage, 'socket'>): boolean {
  return !(socket instanceof TLSSocket) && !isLoopback(socket.remoteAddress ?? '')
}
