// JSON in the one form of RFC 8785 (JCS): what is hashed must not depend on who prints it.

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json | undefined }

/**
 * Sorted names (by UTF-16 units), no blanks, ECMAScript's numbers and strings. Undefined members are left out.
 * Throws for what has no form: numbers that are none, and halves of surrogate pairs (RFC 8785 §3.2.2).
 */
export function canonicalJson(value: Json): string {
  if (typeof value === 'string') return canonicalString(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value as Record<string, Json | undefined>)
      .filter((entry): entry is [string, Json] => entry[1] !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => `${canonicalString(name)}:${canonicalJson(member)}`)
    return `{${members.join(',')}}`
  }
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new Error('Internal error: JSON has no such number')
  return JSON.stringify(value)
}

function canonicalString(text: string): string {
  if (!text.isWellFormed()) throw new Error('Internal error: JSON has no halves of characters')
  return JSON.stringify(text)
}

/** The same value with every half of a surrogate pair replaced, as a database and a file would replace it. */
export function wellFormed(value: Json): Json {
  if (typeof value === 'string') return value.toWellFormed()
  if (Array.isArray(value)) return value.map(wellFormed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value as Record<string, Json | undefined>)
      .filter((entry): entry is [string, Json] => entry[1] !== undefined)
      .map(([name, member]) => [name.toWellFormed(), wellFormed(member)]),
  )
}
