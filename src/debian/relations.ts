// Relations between packages (deb-control(5); Debian Policy §7.1): the text of Depends, Conflicts, Provides and
// their kin, taken apart. What a relation means is in installability/; here is only how it is written.

export type VersionOperator = '<<' | '<=' | '=' | '>=' | '>>'

export interface Relation {
  readonly name: string
  /** What stands after the name's colon: `any`, `native`, an architecture; empty where nothing does. */
  readonly qualifier: string
  /** Null where any version will do; then `version` is empty. */
  readonly operator: VersionOperator | null
  readonly version: string
}

const relation =
  /^([A-Za-z0-9][A-Za-z0-9+._-]*)(?::([a-z0-9][a-z0-9-]*))?(?:\s*\(\s*(<<|<=|>>|>=|=|<|>)\s*([^\s()=<>]+)\s*\))?$/

/** One relation, or null where apt would stumble over it. Restrictions (`[amd64]`, `<!nocheck>`) are for sources only. */
export function parseRelation(text: string): Relation | null {
  const match = relation.exec(text)
  if (match === null) return null
  const [, name, qualifier = '', operator, version = ''] = match
  if (operator === undefined) return { name: name!, qualifier, operator: null, version }
  if (!isComparable(version)) return null
  return { name: name!, qualifier, operator: readOperator(operator), version }
}

/** `<` and `>` are ancient and mean "or equal" to dpkg and apt. */
function readOperator(text: string): VersionOperator {
  return text === '<' ? '<=' : text === '>' ? '>=' : (text as VersionOperator)
}

/** Wider than what dpkg takes in `Version`: it must have an order, and apt orders what it meets. */
function isComparable(version: string): boolean {
  const colon = version.indexOf(':')
  return colon < 0 || /^\d+$/.test(version.slice(0, colon))
}

/**
 * The texts between a field's commas, trimmed: one a relation, or one a group of alternatives. A comma at the
 * end is harmless, any other empty text is kept, because apt refuses it.
 */
export function splitField(value: string): string[] {
  if (value === '') return []
  const texts = value.split(',')
  for (let at = 0; at < texts.length; at++) texts[at] = texts[at]!.trim()
  if (texts.at(-1) === '') texts.pop()
  return texts
}

/** The alternatives of one group, in their order; null if any of them cannot be read. */
export function parseAlternatives(text: string): Relation[] | null {
  const alternatives: Relation[] = []
  for (const part of text.split('|')) {
    const one = parseRelation(part.trim())
    if (one === null) return null
    alternatives.push(one)
  }
  return alternatives
}
