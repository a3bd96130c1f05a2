// What a slave says of itself, read by the server that it follows: only what is understood, and no more of it than a
// tree of servers can be about.
import type { NestedReport, SlaveChannelReport, SlaveReport } from '../../store/slaves.ts'
import type { Decoder, JsonObject } from './decode.ts'
import { maxChain } from './messages.ts'

const maxText = 500
const maxChannels = 200
const maxBelow = 1000

export function parseReport(decoder: Decoder, text: string): SlaveReport {
  return readReport(decoder, decoder.parse(text), '', 0)
}

function readReport(decoder: Decoder, raw: JsonObject, where: string, depth: number): SlaveReport {
  if (depth > maxChain) decoder.fail(where, 'is too deep')
  const bytes = (value: unknown, at: string) =>
    decoder.orNull(value, at, (one, place) => decoder.count(one, place))
  return {
    version: short(decoder, raw.version, `${where}version`),
    server: short(decoder, raw.server, `${where}server`),
    channels: decoder
      .list(raw.channels, `${where}channels`, (value, at) => readChannel(decoder, value, at))
      .slice(0, maxChannels),
    diskFreeBytes: bytes(raw.diskFreeBytes, `${where}diskFreeBytes`),
    cacheBytes: bytes(raw.cacheBytes, `${where}cacheBytes`),
    below: decoder
      .list(raw.below, `${where}below`, (value, at) => readNested(decoder, value, at, depth))
      .slice(0, maxBelow),
  }
}

function readNested(decoder: Decoder, value: unknown, where: string, depth: number): NestedReport {
  const raw = decoder.object(value, where)
  return {
    name: short(decoder, raw.name, `${where}.name`),
    contactAt: decoder.orNull(raw.contactAt, `${where}.contactAt`, (one, at) => decoder.count(one, at)),
    report: decoder.orNull(raw.report, `${where}.report`, (one, at) =>
      readReport(decoder, decoder.object(one, at), `${at}.`, depth + 1),
    ),
  }
}

function readChannel(decoder: Decoder, value: unknown, where: string): SlaveChannelReport {
  const raw = decoder.object(value, where)
  const text = (one: unknown, at: string) => short(decoder, one, at)
  return {
    name: text(raw.name, `${where}.name`),
    snapshot: decoder.orNull(raw.snapshot, `${where}.snapshot`, text),
    oldest: decoder.orNull(raw.oldest, `${where}.oldest`, text),
    date: decoder.orNull(raw.date, `${where}.date`, (one, at) => decoder.count(one, at)),
    problem: decoder.orNull(raw.problem, `${where}.problem`, (one, at) => {
      const problem = decoder.object(one, at)
      return {
        at: decoder.count(problem.at, `${at}.at`),
        message: text(problem.message, `${at}.message`),
        isOver: decoder.flag(problem.isOver, `${at}.isOver`),
      }
    }),
  }
}

/** It goes to a terminal: no control characters. */
function short(decoder: Decoder, value: unknown, where: string): string {
  return decoder
    .text(value, where)
    .replace(/\p{Cc}/gu, ' ')
    .slice(0, maxText)
}
