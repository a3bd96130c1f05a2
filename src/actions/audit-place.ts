// What exported files of the audit log hold, and reading them exactly: only the very form that an export writes is
// accepted, so that what a person reads in a file is what is verified, and nothing beside it.
import { z } from 'zod'
import { canonicalJson, type Json } from '../lib/canonical-json.ts'
import { MalformedError } from '../lib/errors.ts'
import type { LogInfo } from './audit.ts'

/** The name and number of the format, be it written as JSON or as CSV. */
export const formatName = 'uus-audit-1'

/** No line is longer: one row, however many packages it names. */
export const maxLineChars = 1 << 27

const hash = z.string().regex(/^[0-9a-f]{64}$/)
const sequence = z.number().int().positive()
export const rowShape = z.strictObject({
  sequence,
  // Date.parse is lenient: other texts mean the same time.
  at: z.string().refine((text) => isExactTime(text)),
  actor: z.string(),
  via: z.string(),
  action: z.string(),
  subject: z.string(),
  reason: z.string().nullable(),
  details: z.custom<Json>((value) => value !== undefined),
  head: hash,
  previous: hash.exactOptional(),
})
export const omittedShape = z.strictObject({ sequence, leaf: hash })
export const checkpointShape = z.strictObject({ sequence, text: z.string() })
const textOrNull = z.string().nullable()
const logShape = z.strictObject({
  format: z.literal(formatName),
  origin: textOrNull,
  filter: z
    .strictObject({
      since: textOrNull,
      until: textOrNull,
      actor: textOrNull,
      action: textOrNull,
      subject: textOrNull,
      limit: z.number().nullable(),
    })
    .nullable(),
  through: z.number().int().nonnegative(),
})

/** The line of an export that says what it holds. */
export function logJson(log: LogInfo): string {
  return canonicalJson({ ...log, format: formatName })
}

/** A file that is read line by line. */
export abstract class Place {
  readonly #path: string
  readonly #unit: string
  /** Of the line that was read last. */
  protected number = 0

  constructor(path: string, unit: 'line' | 'record') {
    this.#path = path
    this.#unit = unit
  }

  malformed(why = 'is not as it was exported'): MalformedError {
    return new MalformedError(`${this.#path}, ${this.#unit} ${this.number}`, why, {
      hint: 'Verify the file as it was exported: no other program may have saved it',
    })
  }

  readJson(text: string): unknown {
    try {
      return JSON.parse(text)
    } catch {
      throw this.malformed()
    }
  }

  /** A value of a shape, from the very text that `write` makes of it. */
  read<T>(shape: z.ZodType<T>, text: string, write: (value: T) => string): T {
    const parsed = shape.safeParse(this.readJson(text))
    if (!parsed.success || write(parsed.data) !== text) throw this.malformed()
    return parsed.data
  }

  readLog(text: string): LogInfo {
    const { format: _format, ...log } = this.read(logShape, text, ({ format: _, ...one }) => logJson(one))
    return log
  }
}

function isExactTime(text: string): boolean {
  const at = Date.parse(text)
  return !Number.isNaN(at) && new Date(at).toISOString() === text
}
