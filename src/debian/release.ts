// Release files: what an archive says of a suite, and what a channel says of its own.
// Fields: wiki.debian.org/DebianRepository/Format and apt's debmetaindex.cc; both real dialects parse.
import type { Sha256 } from '../lib/digest.ts'
import { MalformedError } from '../lib/errors.ts'
import { isSafePath } from '../lib/safe-path.ts'
import { parseReleaseDate } from './date.ts'
import { splitWords } from './deb822.ts'

/** A file that a Release lists, under its strongest digest. */
export interface ReleaseFile {
  readonly sizeBytes: number
  readonly algorithm: 'SHA256' | 'SHA512'
  /** Lower-case hex. */
  readonly digest: string
}

/** The fields by which clients recognise a suite; a channel repeats them unchanged for ever. */
export interface SuiteIdentity {
  readonly origin?: string
  readonly label?: string
  readonly suite?: string
  readonly codename?: string
  readonly version?: string
  readonly description?: string
  readonly notAutomatic?: string
  readonly butAutomaticUpgrades?: string
  readonly changelogs?: string
  readonly noSupportForArchitectureAll?: string
}

export interface Release {
  readonly identity: SuiteIdentity
  /** Milliseconds. */
  readonly date: number
  readonly validUntil: number | null
  readonly architectures: readonly string[]
  /** As named: `main`, `updates/main`. */
  readonly components: readonly string[]
  readonly acquireByHash: boolean
  /** By path relative to the suite's folder. */
  readonly files: ReadonlyMap<string, ReleaseFile>
}

/** The identity's fields, in the order we print them. */
export const identityFields: readonly [key: keyof SuiteIdentity, name: string][] = [
  ['origin', 'Origin'],
  ['label', 'Label'],
  ['suite', 'Suite'],
  ['version', 'Version'],
  ['codename', 'Codename'],
  ['changelogs', 'Changelogs'],
  ['notAutomatic', 'NotAutomatic'],
  ['butAutomaticUpgrades', 'ButAutomaticUpgrades'],
  ['noSupportForArchitectureAll', 'No-Support-for-Architecture-all'],
  ['description', 'Description'],
]

/**
 * Reads a Release text: exactly the bytes that were signed, nothing else. `where` names it in errors.
 * A repeated field, a bad hash line or a path that leaves the suite is MALFORMED.
 */
export function parseRelease(text: string, where: string): Release {
  const fields = readFields(text, where)
  const date = requiredDate(fields, 'date', where)
  if (date === null) throw new MalformedError(where, 'has no valid Date', { hint: 'Try another mirror' })
  return {
    identity: readIdentity(fields),
    date,
    validUntil: requiredDate(fields, 'valid-until', where),
    architectures: splitWords(fields.get('architectures')?.[0] ?? ''),
    components: splitWords(fields.get('components')?.[0] ?? ''),
    acquireByHash: fields.get('acquire-by-hash')?.[0] === 'yes',
    files: readFiles(fields, where),
  }
}

type Fields = ReadonlyMap<string, readonly string[]>

/** Lower-case name → first line and continuation lines, trimmed. */
function readFields(text: string, where: string): Fields {
  const fields = new Map<string, string[]>()
  let current: string[] | undefined
  for (const [index, line] of text.split('\n').entries()) {
    if (/^[ \t]*$/.test(line)) {
      if (index >= text.trimEnd().split('\n').length) break
      throw new MalformedError(where, `line ${index + 1} is blank, but more follows`)
    }
    if (/^[ \t]/.test(line)) {
      if (current === undefined) throw new MalformedError(where, `line ${index + 1} continues nothing`)
      current.push(line.trim())
      continue
    }
    const match = /^([A-Za-z0-9][A-Za-z0-9-]*):(.*)$/.exec(line)
    if (match === null) throw new MalformedError(where, `line ${index + 1} is no field`)
    const name = match[1]!.toLowerCase()
    if (fields.has(name)) throw new MalformedError(where, `the field ${match[1]} stands twice`)
    current = [match[2]!.trim()]
    fields.set(name, current)
  }
  return fields
}

function requiredDate(fields: Fields, name: string, where: string): number | null {
  const text = fields.get(name)?.[0]
  if (text === undefined) return null
  const date = parseReleaseDate(text)
  if (date === null)
    throw new MalformedError(where, `${name} "${text.slice(0, 60)}" is no date that apt can read`)
  return date
}

function readIdentity(fields: Fields): SuiteIdentity {
  const identity: Record<string, string> = {}
  for (const [key, name] of identityFields) {
    const value = fields.get(name.toLowerCase())?.[0]
    if (value !== undefined && value !== '') identity[key] = value
  }
  return identity
}

function readFiles(fields: Fields, where: string): Map<string, ReleaseFile> {
  const files = new Map<string, ReleaseFile>()
  // SHA512 first, so that SHA256 (which every archive we know lists) wins where both stand.
  for (const [algorithm, digits] of [
    ['SHA512', 128],
    ['SHA256', 64],
  ] as const) {
    for (const line of fields.get(algorithm.toLowerCase())?.slice(1) ?? []) {
      const [digest, size, path, ...more] = splitWords(line)
      const isGood =
        digest?.length === digits &&
        /^[0-9a-f]+$/.test(digest) &&
        /^\d{1,15}$/.test(size ?? '') &&
        path !== undefined
      if (!isGood || more.length > 0 || !isSafePath(path)) {
        throw new MalformedError(where, `odd ${algorithm} line: "${line.slice(0, 120)}"`)
      }
      files.set(path, { algorithm, digest, sizeBytes: Number(size) })
    }
  }
  if (files.size === 0) {
    throw new MalformedError(where, 'lists no file under SHA256 or SHA512', {
      hint: 'apt refuses such an archive too; ask its owner to publish SHA256',
    })
  }
  return files
}

/** A file of a publication: what Release lists and, unless it is the unpacked form, what we serve. */
export interface ListedFile {
  readonly path: string
  readonly sha256: Sha256
  readonly sizeBytes: number
}

/** How every Release of a suite begins. */
export function renderIdentity(identity: SuiteIdentity): string {
  return identityFields
    .filter(([key]) => identity[key] !== undefined)
    .map(([key, name]) => `${name}: ${identity[key]}\n`)
    .join('')
}

/** The part of a channel's Release that does not change with time: everything but Date and Valid-Until. */
export function renderReleaseBody(
  identity: SuiteIdentity,
  architectures: readonly string[],
  components: readonly string[],
  files: readonly ListedFile[],
): string {
  const list = [...files]
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map((file) => ` ${file.sha256} ${String(file.sizeBytes).padStart(9)} ${file.path}\n`)
  return [
    renderIdentity(identity),
    'Acquire-By-Hash: yes\n',
    ...(architectures.length === 0 ? [] : [`Architectures: ${architectures.join(' ')}\n`]),
    ...(components.length === 0 ? [] : [`Components: ${components.join(' ')}\n`]),
    'SHA256:\n',
    ...list,
  ].join('')
}

/** The Release text of an envelope around a publication. `Snapshots: no` keeps apt off public snapshot services. */
export function renderRelease(
  body: string,
  envelope: { readonly date: string; readonly validUntil: string | null; readonly snapshots: string },
): string {
  const list = body.indexOf('SHA256:\n')
  const dates = [
    `Date: ${envelope.date}\n`,
    ...(envelope.validUntil === null ? [] : [`Valid-Until: ${envelope.validUntil}\n`]),
    `Snapshots: ${envelope.snapshots}\n`,
  ]
  return `${body.slice(0, list)}${dates.join('')}${body.slice(list)}`
}

/** The part of a Release of ours that does not change with time: what `renderRelease` was given. */
export function releaseBodyOf(text: string): string {
  const list = text.indexOf('SHA256:\n')
  return `${text.slice(0, list).replace(/^(?:Date|Valid-Until|Snapshots): .*\n/gm, '')}${text.slice(list)}`
}
