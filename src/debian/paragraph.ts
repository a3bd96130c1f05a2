// Files of one deb822 paragraph whom nothing vouches for: control, .changes, .dsc. Strict, because what is read here is
// written into indexes: what dpkg and apt would read in another way than it looks is refused.
import { MalformedError } from '../lib/errors.ts'
import type { Subject } from '../lib/unpack.ts'
import { type Field, Stanza } from './deb822.ts'

/**
 * The paragraph that `bytes` hold. MALFORMED: bytes that are not UTF-8, control characters, a second paragraph, a blank
 * line that is not at the end, a line of blanks, a field that stands twice, a line that is no field, no newline at the end.
 */
export function parseParagraph(bytes: Uint8Array, subject: Subject): Stanza {
  const text = decode(bytes, subject)
  if (text === '') refuse(subject, 'is empty')
  if (!text.endsWith('\n')) refuse(subject, 'ends without a newline')
  const lines = text.replace(/\n+$/, '').split('\n')
  const fields: { name: string; lines: string[]; line: number }[] = []
  const seen = new Set<string>()
  for (const [index, line] of lines.entries()) {
    const place = `line ${index + 1}`
    if (line.trim() === '') refuse(subject, `${place} is blank, but more follows`)
    if (/^[ \t]/.test(line)) {
      const current = fields.at(-1)
      if (current === undefined) refuse(subject, `${place} continues a field that was never begun`)
      current.lines.push(line.slice(1).trimEnd())
      continue
    }
    const { name, value } = readField(line, place, subject)
    if (seen.has(name.toLowerCase())) refuse(subject, `${place} has the field ${name} a second time`)
    seen.add(name.toLowerCase())
    fields.push({ name, lines: [value], line: index + 1 })
  }
  return new Stanza(fields.map(({ name, lines, line }): Field => ({ name, value: lines.join('\n'), line })))
}

function decode(bytes: Uint8Array, subject: Subject): string {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw new MalformedError(subject.what, 'is not UTF-8 text', { cause: error, hint: subject.hint })
  }
  // C1 codes too: terminals obey them.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
  const control = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/.exec(text)
  if (control === null) return text
  const line = text.slice(0, control.index).split('\n').length
  const code = control[0].charCodeAt(0)
  const name =
    code === 13
      ? 'a carriage return (convert it to Unix line ends)'
      : `the control character 0x${code.toString(16)}`
  return refuse(subject, `line ${line} has ${name}`)
}

function readField(line: string, place: string, subject: Subject): { name: string; value: string } {
  const match = /^([A-Za-z0-9][A-Za-z0-9_.+-]{0,99}):(.*)$/.exec(line)
  if (match === null) refuse(subject, `${place} is no field: "${line.slice(0, 40)}"`)
  return { name: match[1]!, value: match[2]!.trim() }
}

function refuse({ what, hint }: Subject, why: string): never {
  throw new MalformedError(what, why, { hint })
}
