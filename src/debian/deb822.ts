// deb822: stanzas of fields (deb-control(5)). Generic and forgiving; the strict and fast reader of
// package indexes is in packages.ts.

export interface Field {
  readonly name: string
  /** First line and continuation lines, each without its leading blank, joined by newlines. */
  readonly value: string
  /** The number of the field's first line, from 1. */
  readonly line: number
}

/** One stanza; names are looked up in any case, as apt does. */
export class Stanza {
  readonly fields: readonly Field[]
  readonly #byName = new Map<string, Field>()

  constructor(fields: readonly Field[]) {
    this.fields = fields
    for (const field of fields) this.#byName.set(field.name.toLowerCase(), field)
  }

  get(name: string): string | undefined {
    return this.#byName.get(name.toLowerCase())?.value
  }

  /** The words of a field's value. */
  words(name: string): string[] {
    return splitWords(this.get(name) ?? '')
  }

  get line(): number {
    return this.fields[0]?.line ?? 0
  }
}

export function splitWords(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}

export interface Deb822Problem {
  readonly line: number
  readonly why: string
}

/** The stanzas of a text. Lines that begin with `#` are comments. A line that is no field is a problem. */
export function parseDeb822(text: string): { stanzas: Stanza[]; problems: Deb822Problem[] } {
  const stanzas: Stanza[] = []
  const problems: Deb822Problem[] = []
  let fields: { name: string; lines: string[]; line: number }[] = []
  const end = () => {
    if (fields.length > 0) {
      stanzas.push(
        new Stanza(fields.map(({ name, lines, line }) => ({ name, value: lines.join('\n'), line }))),
      )
    }
    fields = []
  }
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/[\r\t ]+$/, '')
    if (line === '') end()
    else if (line.startsWith('#')) continue
    else if (/^[ \t]/.test(line)) {
      const field = fields.at(-1)
      if (field === undefined)
        problems.push({ line: index + 1, why: 'continues a field that was never begun' })
      else field.lines.push(line.slice(1))
    } else {
      const match = /^([!-9;-~]+):[ \t]*(.*)$/.exec(line)
      if (match === null) problems.push({ line: index + 1, why: 'is not a "Name: value" line' })
      else fields.push({ name: match[1]!, lines: [match[2]!], line: index + 1 })
    }
  }
  end()
  return { stanzas, problems }
}
