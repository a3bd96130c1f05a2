// What a package says of itself: the fields of its control file, checked as dpkg checks them when it installs
// (lib/dpkg/parse.c, fields.c).
import { MalformedError } from '../../lib/errors.ts'
import type { Subject } from '../../lib/unpack.ts'
import type { Stanza } from '../deb822.ts'
import { isArchitecture, isPackageName, isVersion } from '../names.ts'
import { readSource } from '../packages.ts'
import { parseParagraph } from '../paragraph.ts'
import { parseAlternatives, splitField } from '../relations.ts'
import { printable } from './ar.ts'

export interface ControlFields {
  /** All fields, in their order. */
  readonly stanza: Stanza
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly source: string
  readonly sourceVersion: string
  /** The first line of the description; empty where there is none. */
  readonly synopsis: string
}

/** Parses and checks a control file's bytes; `what` names the package in errors (MALFORMED). */
export function readControlFields(text: Buffer, what: string): ControlFields {
  const subject: Subject = {
    what: `control of ${what}`,
    hint: 'Mend debian/control and build the package again',
  }
  const stanza = parseParagraph(text, subject)
  for (const name of forbidden) if (stanza.get(name) !== undefined) refuse(subject, `has the field ${name}`)
  const name = required(stanza, 'Package', isLowerCaseName, subject)
  const version = required(stanza, 'Version', isVersion, subject)
  const architecture = required(stanza, 'Architecture', isRealArchitecture, subject)
  const place = { fail: (why: string): never => refuse(subject, why) }
  const [source, sourceVersion] = readSource(stanza.get('Source'), name, version, place)
  for (const field of simpleFields) checkSimple(stanza, field, subject)
  for (const field of relationFields) checkRelations(stanza, field, subject)
  if (architecture === 'all' && stanza.get('Multi-Arch')?.toLowerCase() === 'same')
    refuse(subject, 'has Multi-Arch: same, which is not for Architecture: all')
  const [synopsis = ''] = (stanza.get('Description') ?? '').split('\n')
  return { stanza, name, version, architecture, source, sourceVersion, synopsis }
}

/** Fields of dpkg's own database, which it refuses in a package. */
const forbidden = ['Status', 'Config-Version', 'Triggers-Pending', 'Triggers-Awaited']

/** dpkg lowers the letters of a name, apt does not: the same package would have two names. */
function isLowerCaseName(text: string): boolean {
  return isPackageName(text) && text === text.toLowerCase()
}

/** What may be installed somewhere; the others are for source packages. */
function isRealArchitecture(text: string): boolean {
  return isArchitecture(text) && text !== 'any' && text !== 'source'
}

function required(
  stanza: Stanza,
  name: string,
  isGood: (value: string) => boolean,
  subject: Subject,
): string {
  const value = stanza.get(name)
  if (value === undefined || value === '') refuse(subject, `has no ${name}`)
  if (!isGood(value)) refuse(subject, `has an odd ${name}: ${printable(value)}`)
  return value
}

interface SimpleField {
  readonly name: string
  readonly pattern: RegExp
  readonly expected: string
}

const yesOrNo = { pattern: /^(?:yes|no)$/i, expected: 'yes or no' }
const word = { pattern: /^[A-Za-z0-9][A-Za-z0-9/+._-]*$/, expected: 'one word' }
const simpleFields: readonly SimpleField[] = [
  { name: 'Essential', ...yesOrNo },
  { name: 'Protected', ...yesOrNo },
  { name: 'Important', ...yesOrNo },
  { name: 'Build-Essential', ...yesOrNo },
  { name: 'Multi-Arch', pattern: /^(?:no|same|foreign|allowed)$/i, expected: 'no, same, foreign or allowed' },
  { name: 'Installed-Size', pattern: /^\d{1,15}$/, expected: 'a number of KiB' },
  { name: 'Section', ...word },
  { name: 'Priority', ...word },
  { name: 'Package-Type', ...word },
  { name: 'Maintainer', pattern: /^[^\n]+$/, expected: 'one line' },
  { name: 'Homepage', pattern: /^[^\n]+$/, expected: 'one line' },
]

function checkSimple(stanza: Stanza, { name, pattern, expected }: SimpleField, subject: Subject): void {
  const value = stanza.get(name)
  if (value === undefined || value === '' || pattern.test(value)) return
  refuse(subject, `has an odd ${name}: ${printable(value)} (expected: ${expected})`)
}

interface RelationField {
  readonly name: string
  readonly hasAlternatives: boolean
  /** `any`: every comparison; `=`: only that. */
  readonly operators: 'any' | '='
}

const relationFields: readonly RelationField[] = [
  ...['Pre-Depends', 'Depends', 'Recommends', 'Suggests', 'Enhances'].map((name) => {
    return { name, hasAlternatives: true, operators: 'any' } as const
  }),
  ...['Conflicts', 'Breaks', 'Replaces'].map((name) => {
    return { name, hasAlternatives: false, operators: 'any' } as const
  }),
  { name: 'Provides', hasAlternatives: false, operators: '=' },
  { name: 'Built-Using', hasAlternatives: false, operators: '=' },
  { name: 'Static-Built-Using', hasAlternatives: false, operators: '=' },
]

function checkRelations(stanza: Stanza, field: RelationField, subject: Subject): void {
  const value = stanza.get(field.name) ?? ''
  // apt overlooks it, dpkg does not.
  if (value.endsWith(',')) refuse(subject, `has a comma at the end of ${field.name}`)
  for (const text of splitField(value)) {
    const why = oddityOf(text, field)
    if (why !== null) refuse(subject, `has ${printable(text)} in ${field.name}: ${why}`)
  }
}

/** Why dpkg would stumble over a relation, or null. */
function oddityOf(text: string, { hasAlternatives, operators }: RelationField): string | null {
  const alternatives = parseAlternatives(text)
  if (alternatives === null) return 'that is no relation to a package'
  if (alternatives.length > 1 && !hasAlternatives) return 'there is no choice in this field'
  const compared = alternatives.filter(({ operator }) => operator !== null)
  if (!compared.every(({ version }) => isVersion(version))) return 'that is no version'
  if (operators === '=' && !compared.every(({ operator }) => operator === '='))
    return 'only "=" may stand there'
  return null
}

function refuse({ what, hint }: Subject, why: string): never {
  throw new MalformedError(what, why, { hint })
}
