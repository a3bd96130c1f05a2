// Values that several parts of the configuration have: durations, times of day, one thing or a list of them.
import { z } from 'zod'
import { parseDuration, parseSize, parseTimeOfDay } from '../lib/units.ts'

export const duration = (example: string) =>
  z.string(`must be a duration like ${example}`).transform((text, context) => {
    const seconds = parseDuration(text)
    if (seconds === null || seconds === 0) {
      context.addIssue(`must be a duration like ${example}`)
      return z.NEVER
    }
    return seconds
  })

/** Text that `parse` understands; `what` says what it must be. */
export const parsedBy = (parse: (text: string) => number | null, what: string) =>
  z.union([z.string(), z.number()]).transform((text, context) => {
    const value = parse(String(text))
    if (value !== null) return value
    context.addIssue(`must be ${what}`)
    return z.NEVER
  })

export const timeOfDay = parsedBy(parseTimeOfDay, 'a time of day like 08:00')

export const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const

export const oneOrMore = <T extends z.ZodType>(item: T) =>
  z.union([item, z.array(item).nonempty()]).transform((value) => (Array.isArray(value) ? value : [value]))

export const size = (example: string) => parsedBy(parseSize, `a size like ${example}`)

export const httpUrl = z.string().superRefine((text, context) => {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    context.addIssue('must be an http:// or https:// URL')
  } else if (url.search !== '' || url.hash !== '') context.addIssue('must not have a query or fragment')
})

/** `ADDRESS:PORT`; an IPv6 address in brackets. */
export const listen = z.string().transform((text, context) => {
  const parsed = parseListen(text)
  if (parsed !== null) return parsed
  context.addIssue('must be ADDRESS:PORT, like 0.0.0.0:8080')
  return z.NEVER
})

/** Null if the text is no address with a port. */
export function parseListen(text: string): { host: string; port: number } | null {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s]*)):(\d{1,5})$/.exec(text)
  if (match === null || Number(match[3]) > 65_535) return null
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port: Number(match[3]) }
}
