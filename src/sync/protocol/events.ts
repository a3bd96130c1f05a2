// What slaves tell on behalf of their clients: the kinds of events, and how several become one.
import type { Json } from '../../lib/canonical-json.ts'
import type { Decoder, JsonObject } from './decode.ts'
import type { EventBatch, SlaveEvent } from './messages.ts'

/** Answers and bytes that clients got from a slave since the last time. */
export const trafficKind = 'traffic'

export type TrafficCounts = {
  readonly requests: number
  readonly servedBytes: number
  /** Of those, what the slave did not have to fetch. */
  readonly savedBytes: number
}

export function readCounts(payload: Json): TrafficCounts {
  const isObject = typeof payload === 'object' && payload !== null && !Array.isArray(payload)
  const raw = (isObject ? payload : {}) as { readonly [name: string]: Json | undefined }
  const count = (value: Json | undefined) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0
  return {
    requests: count(raw.requests),
    servedBytes: count(raw.servedBytes),
    savedBytes: count(raw.savedBytes),
  }
}

/** What waits already, and more of it. */
export function addCounts(waiting: Json, more: TrafficCounts): Json {
  const before = readCounts(waiting)
  return {
    requests: before.requests + more.requests,
    servedBytes: before.servedBytes + more.servedBytes,
    savedBytes: before.savedBytes + more.savedBytes,
  }
}

const maxEvents = 5000
const maxOriginChars = 2000

export function parseBatch(decoder: Decoder, text: string): EventBatch {
  const raw = decoder.parse(text)
  const id = decoder.text(raw.id, 'id')
  if (!/^[0-9a-f-]{36}$/.test(id)) decoder.fail('id', 'is no batch')
  const events = decoder.list(raw.events, 'events', (value, at) =>
    readEvent(decoder, decoder.object(value, at), at),
  )
  if (events.length > maxEvents) decoder.fail('events', 'are too many')
  return { id, events }
}

function readEvent(decoder: Decoder, raw: JsonObject, where: string): SlaveEvent {
  const kind = decoder.text(raw.kind, `${where}.kind`)
  const origin = decoder.text(raw.origin, `${where}.origin`)
  if (!/^[a-z][a-z0-9-]{0,39}$/.test(kind)) decoder.fail(`${where}.kind`, 'is no kind')
  if (origin.length > maxOriginChars || !/^([a-z0-9][a-z0-9.-]*(\/[a-z0-9][a-z0-9.-]*)*)?$/.test(origin))
    decoder.fail(`${where}.origin`, 'is no path of slaves')
  return { kind, origin, payload: (raw.payload ?? null) as Json }
}
