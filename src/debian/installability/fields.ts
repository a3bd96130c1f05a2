// The fields of a package that decide whether it can be installed, and how to read them out of a stanza quickly.

/** As they stand in the stanza; empty where a field is absent. */
export interface RelationFields {
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly multiArch: string
  readonly preDepends: string
  readonly depends: string
  readonly conflicts: string
  readonly breaks: string
  readonly provides: string
}

/** A package of a universe. `id` is the caller's; two packages never share one. */
export interface Package extends RelationFields {
  readonly id: number
}

type Names = { -readonly [Field in keyof RelationFields]: string }

/** By length, because that is known before any text is compared. */
const fields: (readonly [lowerCaseName: string, field: keyof RelationFields])[][] = []
for (const [name, field] of [
  ['package', 'name'],
  ['version', 'version'],
  ['architecture', 'architecture'],
  ['multi-arch', 'multiArch'],
  ['pre-depends', 'preDepends'],
  ['depends', 'depends'],
  ['conflicts', 'conflicts'],
  ['breaks', 'breaks'],
  ['provides', 'provides'],
] as const) {
  const sameLength = fields[name.length] ?? []
  fields[name.length] = sameLength
  sameLength.push([name, field])
}

/** `text` is a stanza as packages.ts lets it through: one field a line, with continuation lines. */
export function readRelationFields(text: Buffer): RelationFields {
  const stanza = text.toString('latin1')
  const values: Names = {
    name: '',
    version: '',
    architecture: '',
    multiArch: '',
    preDepends: '',
    depends: '',
    conflicts: '',
    breaks: '',
    provides: '',
  }
  let at = 0
  while (at < stanza.length) {
    const end = endOfField(stanza, at)
    const colon = stanza.indexOf(':', at)
    const field = colon < 0 || colon > end ? undefined : fieldNamed(stanza, at, colon)
    if (field !== undefined) values[field] = stanza.slice(colon + 1, end).trim()
    at = end + 1
  }
  return values
}

/** The newline after the field's last line. */
function endOfField(stanza: string, start: number): number {
  let at = start
  for (;;) {
    const end = stanza.indexOf('\n', at)
    if (end < 0) return stanza.length
    const next = stanza.charCodeAt(end + 1)
    if (next !== space && next !== tab) return end
    at = end + 1
  }
}

/** Fields are named in any case, as apt reads them. */
function fieldNamed(stanza: string, start: number, colon: number): keyof RelationFields | undefined {
  const sameLength = fields[colon - start]
  if (sameLength === undefined) return undefined
  const name = stanza.slice(start, colon).toLowerCase()
  for (const [known, field] of sameLength) if (known === name) return field
  return undefined
}

const space = 32
const tab = 9
