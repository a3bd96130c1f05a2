// `uus audit`: what was done, by whom, when and why.
import { z } from 'zod'
import type { Json } from '../lib/canonical-json.ts'
import { formatIso } from '../lib/units.ts'
import { type Listing, listing, readStep, stepAction } from './action.ts'

export interface AuditItem {
  readonly sequence: number
  readonly at: string
  readonly actor: string
  readonly via: string
  readonly action: string
  readonly subject: string
  readonly reason: string | null
  readonly details: Json
  /** The chain's value after this row, hex. */
  readonly head: string
}

const time = z.iso.datetime({ offset: true }).or(z.iso.date())

const input = z.object({
  since: time.nullable().default(null),
  until: time.nullable().default(null),
  limit: z.number('must be a number').int().positive().nullable().default(null),
})

const auditStep = readStep<z.output<typeof input>, Listing<AuditItem>>('audit', ({ repo }, order) =>
  listing(
    repo.store.audit
      .list({
        since: order.since === null ? undefined : Date.parse(order.since),
        until: order.until === null ? undefined : Date.parse(order.until),
        limit: order.limit ?? undefined,
      })
      .map((row) => ({ ...row, at: formatIso(row.at), actor: row.actor.name, via: row.actor.via })),
  ),
)

export const audit = stepAction(
  { verb: 'audit', role: 'viewer', input: input as z.ZodType<z.output<typeof input>> },
  auditStep,
)
