// Values that several parts of the configuration have: durations, times of day, one thing or a list of them.
import { z } from 'zod'
import { parseDuration, parseTimeOfDay } from '../lib/units.ts'

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
