// Pieces of input that many actions share.
import { z } from 'zod'
import { formatIso } from '../lib/units.ts'

/** Why something is done; kept in the audit log. */
export const reason = z.string().trim().min(1, 'a reason must say something').max(1000)

/** Milliseconds as ISO 8601, or null. */
export function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : formatIso(ms)
}
