// What guards a gated channel: gates, and the rules that act by themselves. The shapes of `gates:` and `rules:`.
import { z } from 'zod'
import { isTimeZone, momentOf } from '../lib/zoned.ts'
import { dayNames, duration, oneOrMore, timeOfDay } from './scalars.ts'

const glob = z.string().regex(/^[A-Za-z0-9.+*?[\]_-]+$/, 'must be a name or glob like linux-*')
const timeZone = z.string().refine(isTimeZone, 'must be a time zone like Europe/Oslo').default('UTC')

/** How long a version has to have stood in the feeding channel: for all, or by suite and source, the first that matches. */
const soak = z.union([
  duration('7d').transform((seconds) => [{ suites: null, sources: null, seconds }]),
  z
    .array(
      z
        .strictObject({
          suite: oneOrMore(glob).optional(),
          source: oneOrMore(glob).optional(),
          for: soakTime(),
        })
        .transform((one) => ({ suites: one.suite ?? null, sources: one.source ?? null, seconds: one.for })),
    )
    .nonempty(),
])

/** Also `0d`, for what need not wait. */
function soakTime() {
  return z.union([z.literal('0d').transform(() => 0), duration('7d')])
}

const dayOrTime = z
  .string()
  .regex(/^\d{4}-\d\d-\d\d(T\d\d:\d\d)?$/, 'must be a date like 2026-12-20, or 2026-12-20T18:00')
  .refine((text) => {
    const date = new Date(text.length === 10 ? `${text}T00:00Z` : `${text}Z`)
    return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
  }, 'is no date')

/** From a day to a day, both included; or from a time to a time. */
const freeze = z
  .strictObject({ from: dayOrTime, to: dayOrTime, 'time-zone': timeZone, reason: z.string().min(1) })
  .transform(({ from, to, 'time-zone': zone, reason }, context) => {
    const span = { from: moment(from, zone, 0), until: moment(to, zone, 24 * 60), reason }
    if (span.until <= span.from) context.addIssue('must not end before it begins')
    return span
  })

function moment(text: string, zone: string, minutesOfDay: number): number {
  const [year, month, day, hour, minute] = text.split(/[-T:]/).map(Number) as [
    number,
    number,
    number,
    ...number[],
  ]
  const minutes = hour === undefined ? minutesOfDay : hour * 60 + minute!
  return momentOf({ year, month, day, minutes }, zone)
}

/** When changes may enter. Ends after midnight where `to` is before `from`. */
const window = z
  .strictObject({
    days: z
      .array(z.enum(dayNames))
      .nonempty()
      .default([...dayNames]),
    from: timeOfDay.default(0),
    to: timeOfDay.default(24 * 60),
    'time-zone': timeZone,
  })
  .transform(({ days, from, to, 'time-zone': zone }) => ({
    days: days.map((day): number => dayNames.indexOf(day)),
    from,
    to,
    zone,
  }))

export const gates = z
  .strictObject({
    soak: soak.optional(),
    /** How many people have to approve. */
    approvals: z.int().min(0).max(20).default(0),
    /** Nothing may become uninstallable that can be installed. */
    installable: z.boolean().default(true),
    /** What Ubuntu hands out to a share of machines only: waits until it is for all, until it begins, or not at all. */
    phasing: z.enum(['complete', 'started', 'ignore']).default('complete'),
    freeze: z.array(freeze).default([]),
    window: oneOrMore(window).optional(),
  })
  .transform((raw) => ({
    soak: raw.soak ?? [],
    approvals: raw.approvals,
    isInstallable: raw.installable,
    phasing: raw.phasing,
    freezes: raw.freeze,
    windows: raw.window ?? [],
  }))

const kinds = ['update', 'new', 'late-binaries', 'republished', 'downgrade', 'remove'] as const

export const rule = z
  .strictObject({
    match: z
      .strictObject({
        archive: oneOrMore(glob).optional(),
        suite: oneOrMore(glob).optional(),
        source: oneOrMore(glob).optional(),
        section: oneOrMore(z.string().min(1)).optional(),
        /** Default: all that takes nothing from clients. */
        kind: oneOrMore(z.enum(kinds)).default(['update', 'new', 'late-binaries']),
        /** The greatest change of version: only the revision, the last parts of the version, the second one, the first. */
        jump: z.enum(['revision', 'patch', 'minor', 'major']).optional(),
        /** What the changelog claims: cve: it names CVE ids; none: it was read and names none. */
        claims: z.enum(['cve', 'none']).optional(),
      })
      .prefault({}),
    /** approve: enters by itself; require: once so many people approved; hold: only when one approves; ignore: never. */
    action: z.enum(['approve', 'require', 'hold', 'decline', 'ignore']),
    approvals: z.int().min(1).max(20).optional(),
    /** Instead of the channel's. */
    soak: soakTime().optional(),
    /** Approvals of an older version that still waits count for a newer one. */
    'inherit-approvals': z.boolean().default(false),
    /** Acts on what waits since then (`always`: on everything); by default on what came after the rule. */
    since: z
      .union([z.literal('always').transform(() => 0), dayOrTime.transform((text) => moment(text, 'UTC', 0))])
      .optional(),
  })
  .superRefine((one, context) => {
    if ((one.action === 'require') !== (one.approvals !== undefined))
      context.addIssue('must have "approvals: N" with the action "require", and only with it')
  })
  .transform(({ match, action, ...raw }) => ({
    archives: match.archive ?? null,
    suites: match.suite ?? null,
    sources: match.source ?? null,
    sections: match.section ?? null,
    kinds: match.kind,
    jump: match.jump ?? null,
    claims: match.claims ?? null,
    action,
    approvals: raw.approvals ?? null,
    soakSeconds: raw.soak ?? null,
    inheritsApprovals: raw['inherit-approvals'],
    since: raw.since ?? null,
  }))

export type GatesConfig = z.output<typeof gates>
export type RuleConfig = z.output<typeof rule>
