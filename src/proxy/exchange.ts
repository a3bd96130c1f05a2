// One request and what becomes of it, for whoever keeps account.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Outcome } from '../pool/pool.ts'

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Null for what is no package file. */
  cache: Outcome | null
  /** Body bytes that left. */
  sentBytes: number
}
