// Rules of the configuration: which one an item falls under. Pure but for when a rule was first there, which the
// catalogue remembers.
import { versionJump, versionJumps } from '../debian/version-jump.ts'
import { canonicalJson, type Json } from '../lib/canonical-json.ts'
import { sha256 } from '../lib/digest.ts'
import type { Claims } from '../store/claims.ts'
import type { Tx } from '../store/database.ts'
import type { SettingName, Settings } from '../store/settings.ts'
import type { PendingKind } from './classify.ts'
import type { AppliedRule } from './gates/gate.ts'
import { matchesAny } from './globs.ts'
import type { RuleOptions } from './options.ts'

/** What rules match on. */
export interface RuleSubject {
  readonly archive: string
  readonly suites: readonly string[]
  readonly source: string
  readonly sections: readonly string[]
  readonly kind: PendingKind
  /** Null if the channel has none yet. */
  readonly from: string | null
  readonly version: string
  /** Since when it waits; milliseconds. */
  readonly since: number | null
  /** Null: nobody has looked yet. */
  readonly claims: Pick<Claims, 'cves' | 'problem'> | null
}

/** The first rule that matches. `rulesSince` are the times from which on each is there. */
export function ruleFor(
  subject: RuleSubject,
  rules: readonly RuleOptions[],
  rulesSince: readonly number[],
): AppliedRule | null {
  const at = rules.findIndex((rule) => matches(rule, subject))
  // What a changelog claims may decide, and nobody has looked: until then no later rule acts either.
  if (at < 0 || !isKnown(rules[at]!, subject)) return null
  const rule = rules[at]!
  const since = rule.since ?? rulesSince[at]!
  return { number: at + 1, rule, acts: since === 0 || (subject.since !== null && subject.since >= since) }
}

function matches(rule: RuleOptions, subject: RuleSubject): boolean {
  return (
    rule.kinds.includes(subject.kind) &&
    matchesAny(rule.archives, [subject.archive]) &&
    matchesAny(rule.suites, subject.suites) &&
    matchesAny(rule.sources, [subject.source]) &&
    matchesAny(rule.sections, subject.sections.flatMap(sectionNames)) &&
    isWithinJump(rule, subject) &&
    isClaimed(rule, subject)
  )
}

function isKnown({ claims }: RuleOptions, subject: RuleSubject): boolean {
  return claims === null || subject.kind === 'remove' || subject.claims !== null
}

/** What was not read yet counts as either; what cannot be read as neither. */
function isClaimed({ claims: wanted }: RuleOptions, { claims }: RuleSubject): boolean {
  if (wanted === null || claims === null) return true
  if (claims.problem !== null) return false
  return (wanted === 'cve') === claims.cves.length > 0
}

/** `universe/libs` is `libs` too. */
function sectionNames(section: string): string[] {
  return section.includes('/') ? [section, section.slice(section.lastIndexOf('/') + 1)] : [section]
}

/** What is new to the channel is as far as can be. */
function isWithinJump({ jump }: RuleOptions, { from, version }: RuleSubject): boolean {
  if (jump === null) return true
  const size = from === null ? 'major' : versionJump(from, version)
  return versionJumps.indexOf(size) <= versionJumps.indexOf(jump)
}

const prefix = 'rule:'

/** Remembers which rules a channel has from now on; one that comes back after it was gone is new. */
export function recordRules(
  tx: Tx,
  settings: Settings,
  channel: string,
  rules: readonly RuleOptions[],
  now: number,
): void {
  const names = new Set(rules.map((rule) => settingOf(channel, rule)))
  for (const known of settings.list(`${prefix}${channel}:`)) if (!names.has(known)) settings.delete(tx, known)
  for (const name of names) if (settings.get(name) === null) settings.set(tx, name, String(now))
}

/** Since when each rule is there. */
export function rulesSince(
  settings: Settings,
  channel: string,
  rules: readonly RuleOptions[],
  now: number,
): number[] {
  return rules.map((rule) => Number(settings.get(settingOf(channel, rule)) ?? now))
}

/** A rule is known by all that it says, but for what it acts on since when. */
function settingOf(channel: string, { since: _, claims, ...rule }: RuleOptions): SettingName {
  // Left out where it says nothing: the rule is the one that it was before there were claims.
  const all = claims === null ? rule : { ...rule, claims }
  const hash = sha256(canonicalJson(all as unknown as Json))
  return `${prefix}${channel}:${hash.slice(0, 32)}`
}
