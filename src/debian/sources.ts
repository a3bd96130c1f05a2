// Source indexes (`Sources`): the fields that decide something, and the files of each source package.
import { asSha256, type Sha256 } from '../lib/digest.ts'
import { isSafePath } from '../lib/safe-path.ts'
import { isPackageName, isVersion } from './names.ts'
import { checkedField, type StanzaFields, type StanzaPlace, StanzaReader } from './stanza-reader.ts'

export interface SourceFile {
  /** Relative to the archive's root. */
  readonly path: string
  readonly sha256: Sha256
  readonly sizeBytes: number
}

export interface SourceStanza {
  /** Valid until the next `push`. */
  readonly text: Uint8Array
  readonly name: string
  readonly version: string
  readonly files: readonly SourceFile[]
}

/** `where` names the index in errors (MALFORMED). */
export class SourcesReader extends StanzaReader<SourceStanza> {
  constructor(where: string) {
    super(where, ['checksums-sha256', 'package', 'version', 'directory'], 1)
  }

  protected build(text: Uint8Array, { values, continued }: StanzaFields, place: StanzaPlace): SourceStanza {
    const directory = checkedField(
      values[3],
      'Directory',
      (value) => value === '.' || isSafePath(value),
      place,
    )
    const below = directory === '.' ? '' : `${directory}/`
    const lines = [values[0] ?? '', ...continued[0]!].filter((line) => line !== '')
    return {
      text,
      name: checkedField(values[1], 'Package', isPackageName, place),
      version: checkedField(values[2], 'Version', isVersion, place),
      files: lines.map((line) => readFile(line, below, place)),
    }
  }
}

function readFile(line: string, below: string, place: StanzaPlace): SourceFile {
  const [digest, size, name, ...more] = line.split(/\s+/)
  const sha256 = asSha256(digest ?? '')
  if (sha256 === null || !/^\d{1,15}$/.test(size ?? '') || name === undefined || more.length > 0)
    place.fail(`has an odd line in Checksums-Sha256: "${line.slice(0, 120)}"`)
  if (name.includes('/') || !isSafePath(`${below}${name}`))
    place.fail(`names an odd file: "${name.slice(0, 80)}"`)
  return { path: `${below}${name}`, sha256, sizeBytes: Number(size) }
}
