// .changes files (deb-changes(5)): what an upload consists of. Reads the text that was signed, and nothing else.
import { asSha256, type Sha256 } from '../lib/digest.ts'
import { MalformedError } from '../lib/errors.ts'
import type { Subject } from '../lib/unpack.ts'
import { splitWords } from './deb822.ts'
import { isPackageName, isVersion } from './names.ts'
import { parseParagraph } from './paragraph.ts'

/** A file of an upload. */
export interface ChangesFile {
  readonly name: string
  readonly sizeBytes: number
  readonly sha256: Sha256
  /** `contrib/utils`; `-` where nobody said. */
  readonly section: string
}

export interface Changes {
  readonly source: string
  /** Of the source; `Version` is that of the binaries. */
  readonly sourceVersion: string
  readonly version: string
  /** The suites that it is meant for. */
  readonly distributions: readonly string[]
  readonly architectures: readonly string[]
  readonly files: readonly ChangesFile[]
}

const hint = 'Make it anew with dpkg-genchanges, and sign it with debsign'
const maxFiles = 10_000

/** `text` is what the signature covers; `what` names the file in errors (MALFORMED). */
export function parseChanges(text: string, what: string): Changes {
  const subject: Subject = { what, hint }
  const stanza = parseParagraph(Buffer.from(`${text.replace(/\n+$/, '')}\n`), subject)
  const get = (name: string): string => stanza.get(name) || refuse(subject, `has no ${name}`)
  if (!/^1\.\d+$/.test(get('Format'))) refuse(subject, `is of the format ${get('Format')}, not 1.8`)
  const version = get('Version')
  const [, source = '', named] = /^(\S+)(?:\s+\((\S+)\))?$/.exec(get('Source')) ?? []
  const sourceVersion = named ?? version
  if (!isPackageName(source)) refuse(subject, `has an odd Source: "${get('Source').slice(0, 80)}"`)
  if (!isVersion(version) || !isVersion(sourceVersion))
    refuse(subject, `has an odd Version: "${version.slice(0, 80)}"`)
  return {
    source,
    sourceVersion,
    version,
    distributions: splitWords(get('Distribution')),
    architectures: splitWords(get('Architecture')),
    files: readFiles(get('Checksums-Sha256'), get('Files'), subject),
  }
}

/** The same files have to stand in both lists. */
function readFiles(checksums: string, files: string, subject: Subject): ChangesFile[] {
  const listed = new Map<string, { sizeBytes: number; section: string }>()
  for (const [, size, section, , name] of readLines(files, 5, subject)) {
    if (listed.has(name!)) refuse(subject, `lists ${name} twice`)
    listed.set(name!, { sizeBytes: sizeOf(size!, subject), section: section! })
  }
  const found = readLines(checksums, 3, subject).map(([digest, size, name]): ChangesFile => {
    const other = listed.get(name!)
    const sha256 = asSha256(digest!) ?? refuse(subject, `has an odd SHA-256 of ${name}`)
    const sizeBytes = sizeOf(size!, subject)
    if (other === undefined || other.sizeBytes !== sizeBytes)
      refuse(subject, `says one thing of ${name} in Files and another in Checksums-Sha256`)
    return { name: name!, sizeBytes, sha256, section: other.section }
  })
  const names = new Set(found.map((file) => file.name))
  if (names.size < found.length || names.size !== listed.size)
    refuse(subject, 'does not list the same files in Files and Checksums-Sha256')
  return found
}

/** Lines of so many words, of which the last is a file's name. */
function readLines(value: string, width: number, subject: Subject): string[][] {
  const lines = value.split('\n').filter((line) => line.trim() !== '')
  if (lines.length > maxFiles) refuse(subject, `lists more than ${maxFiles} files`)
  return lines.map((line) => {
    const words = splitWords(line)
    const name = words.at(-1) ?? ''
    if (words.length !== width || !isUploadName(name))
      refuse(subject, `has an odd line in its list of files: "${line.trim().slice(0, 80)}"`)
    return words
  })
}

function sizeOf(text: string, subject: Subject): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : refuse(subject, `has an odd size: "${text.slice(0, 20)}"`)
}

/** Names of files that dpkg's tools make: no path, nothing hidden. */
export function isUploadName(text: string): boolean {
  return text.length <= 255 && /^[A-Za-z0-9][A-Za-z0-9+.,:~_-]*$/.test(text)
}

function refuse(subject: Subject, why: string): never {
  throw new MalformedError(subject.what, why, { hint: subject.hint })
}
