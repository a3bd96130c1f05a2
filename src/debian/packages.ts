// Package indexes (`Packages`): the fields that decide something, checked.
import { asSha256, type Sha256 } from '../lib/digest.ts'
import { isSafePath } from '../lib/safe-path.ts'
import { isArchitecture, isPackageName, isVersion } from './names.ts'
import { checkedField, type StanzaFields, type StanzaPlace, StanzaReader } from './stanza-reader.ts'

export interface PackageStanza {
  /** The stanza's bytes with its last newline, without the blank line. Valid until the next `push`. */
  readonly text: Uint8Array
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly source: string
  readonly sourceVersion: string
  /** `Filename`: relative to the archive's root. */
  readonly path: string
  readonly sizeBytes: number
  readonly sha256: Sha256
  /** The key into Translation indexes; null where the whole description stands in the stanza. */
  readonly descriptionMd5: string | null
}

const wanted = [
  'package',
  'version',
  'architecture',
  'source',
  'filename',
  'size',
  'sha256',
  'description-md5',
] as const

/** `where` names the index in errors (MALFORMED). */
export class PackagesReader extends StanzaReader<PackageStanza> {
  constructor(where: string) {
    super(where, wanted)
  }

  protected build(text: Uint8Array, { values }: StanzaFields, place: StanzaPlace): PackageStanza {
    const name = checkedField(values[0], 'Package', isPackageName, place)
    const version = checkedField(values[1], 'Version', isVersion, place)
    const [source, sourceVersion] = readSource(values[3], name, version, place)
    const digest = asSha256(checkedField(values[6], 'SHA256', (value) => asSha256(value) !== null, place))
    return {
      text,
      name,
      version,
      architecture: checkedField(values[2], 'Architecture', isArchitecture, place),
      source,
      sourceVersion,
      path: withoutDot(checkedField(values[4], 'Filename', (value) => isSafePath(withoutDot(value)), place)),
      sizeBytes: Number(checkedField(values[5], 'Size', (value) => /^\d{1,15}$/.test(value), place)),
      sha256: digest!,
      descriptionMd5: values[7] ?? null,
    }
  }
}

/** Flat archives write `./foo.deb`, and apt asks for it so; a request's path is brought into the same form. */
function withoutDot(path: string): string {
  return path.replace(/^(?:\.\/+)+/, '')
}

/** `Source: name` or `name (version)`; absent where both are the package's own. */
export function readSource(
  value: string | undefined,
  name: string,
  version: string,
  place: StanzaPlace,
): [source: string, sourceVersion: string] {
  if (value === undefined || value === '') return [name, version]
  const match = /^(\S+)(?:\s+\((\S+)\))?$/.exec(value)
  const [source, sourceVersion] = [match?.[1] ?? '', match?.[2] ?? version]
  if (!isPackageName(source) || !isVersion(sourceVersion)) {
    place.fail(`has an odd Source: "${value.slice(0, 80)}"`)
  }
  return [source, sourceVersion]
}

/**
 * The stanza as a channel publishes it: without `Phased-Update-Percentage`, because the channel is the ring
 * and a second lottery on the client would keep testers from what they test.
 */
export function withoutPhasing(text: Buffer): Buffer {
  const at = text.indexOf('\nPhased-Update-Percentage:')
  if (at < 0) return text
  const end = text.indexOf(10, at + 1)
  return Buffer.concat([text.subarray(0, at), text.subarray(end)])
}
