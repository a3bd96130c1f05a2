// The inner archives of a .deb. tar-stream takes them apart; before it sees a byte, a guard holds them to what dpkg,
// GNU tar and apt read in one and the same way (dpkg lib/dpkg/tarfn.c; tar's own extensions are not for packages).
import { type Extract, extract } from 'tar-stream'
import { ByteWalk, skip, take, takeOrEnd, type Walk } from '../../lib/byte-walk.ts'
import { MalformedError, UusError } from '../../lib/errors.ts'
import type { Subject } from '../../lib/unpack.ts'
import { printable } from './ar.ts'

export type TarEntryType = 'file' | 'folder' | 'symlink' | 'link' | 'device' | 'fifo'

export interface TarEntry {
  /** Relative, without `./` in front and without a slash at the end; empty for the root. Latin-1, one char a byte. */
  readonly path: string
  readonly type: TarEntryType
  /** What a symlink says; the path, as above, of a hard link's other name. Null for what is no link. */
  readonly target: string | null
  readonly sizeBytes: number
  /** A file's bytes; only before the next entry is asked for, and MALFORMED where there are more than `maxBytes`. */
  read(maxBytes: number): Promise<Buffer>
}

export interface TarRules {
  readonly maxEntries: number
  /** GNU tar, which unpacks control.tar for dpkg, reads PAX headers; dpkg, which unpacks data.tar itself, refuses them. */
  readonly allowsPax: boolean
}

type Entry = Extract extends AsyncIterable<infer T> ? T : never

// Known to the library, not to its types: names as bytes, and headers of before POSIX.
const options: object = { filenameEncoding: 'latin1', allowUnknownFormat: true }

/** The entries of a tar archive, in order. Stops reading `source` when the caller stops. */
export async function* readTar(
  source: AsyncIterable<Buffer>,
  rules: TarRules,
  subject: Subject,
): AsyncGenerator<TarEntry> {
  const { pipeline } = await import('node:stream/promises')
  const unpacking = extract(options)
  let refusal: unknown
  const guarded = guard(source, new TarGuard(rules, subject))
  const pumping = pipeline(guarded, unpacking as unknown as NodeJS.WritableStream).catch((error: unknown) => {
    refusal = error
  })
  try {
    for await (const entry of unpacking) {
      yield describe(entry, subject)
      entry.resume() // what was not read
    }
  } catch (error) {
    throw whichever(refusal, error, subject)
  } finally {
    unpacking.destroy()
    await pumping
  }
  if (refusal !== undefined) throw whichever(refusal, refusal, subject)
}

/** The source's and the guard's errors say more than what tar-stream makes of them. */
function whichever(refusal: unknown, error: unknown, subject: Subject): unknown {
  if (refusal instanceof UusError) return refusal
  if (error instanceof UusError) return error
  return new MalformedError(subject.what, 'is not a valid tar archive', { cause: error, hint: subject.hint })
}

async function* guard(source: AsyncIterable<Buffer>, tarGuard: TarGuard): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    tarGuard.push(chunk)
    yield chunk
  }
  tarGuard.end()
}

function describe(entry: Entry, subject: Subject): TarEntry {
  const { name, size } = entry.header
  const type = typeOf(entry.header.type, name)
  const linkname = (entry.header.linkname as string | null) ?? ''
  return {
    path: pathOf(name, subject),
    type,
    target: type === 'link' ? pathOf(linkname, subject) : type === 'symlink' ? linkname : null,
    sizeBytes: type === 'file' ? size : 0,
    read: (maxBytes) => readAll(entry, maxBytes, subject),
  }
}

function typeOf(type: string, name: string): TarEntryType {
  switch (type) {
    case 'link':
    case 'symlink':
    case 'fifo':
      return type
    case 'character-device':
    case 'block-device':
      return 'device'
    case 'directory':
      return 'folder'
    default:
      // The oldest tars know a folder by its name only.
      return name.endsWith('/') ? 'folder' : 'file'
  }
}

/** `./usr/bin/` → `usr/bin`. What leaves the root, or means the same as another name, is refused. */
function pathOf(name: string, subject: Subject): string {
  const path = name.replace(/^\.\//, '').replace(/\/$/, '')
  if (path === '' || path === '.') return ''
  const isOdd = path.split('/').some((part) => part === '' || part === '.' || part === '..')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
  if (isOdd || /[\x00-\x1f\x7f]/.test(path))
    refuse(subject, `has an entry of the unsafe name ${printable(name)}`)
  return path
}

async function readAll(entry: Entry, maxBytes: number, subject: Subject): Promise<Buffer> {
  if (entry.header.size > maxBytes)
    refuse(
      subject,
      `has the file ${printable(pathOf(entry.header.name, subject))} of more than ${maxBytes} bytes`,
    )
  const chunks: Buffer[] = []
  for await (const chunk of entry) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const blockBytes = 512
const maxNameBytes = 4096 + 1
const maxPaxBytes = 16 << 10
const plainTypes = '\x000123456'
/** Keys of PAX headers that change what an entry is, or where it goes. */
const refusedPaxKeys =
  /^(?:path|linkpath|size|charset|hdrcharset|GNU\.|SUN\.|SCHILY\.(?:realsize|xattr|filetype))/

/** Headers are read here, contents are passed over. */
class TarGuard {
  readonly #rules: TarRules
  readonly #subject: Subject
  readonly #walk: ByteWalk
  #entries = 0

  constructor(rules: TarRules, subject: Subject) {
    this.#rules = rules
    this.#subject = subject
    this.#walk = new ByteWalk(this.#read())
  }

  push(chunk: Buffer): void {
    this.#walk.push(chunk)
  }

  end(): void {
    if (!this.#walk.end()) this.#fail('is cut short')
  }

  *#read(): Walk {
    for (let block = yield takeOrEnd(blockBytes); !isZero(block); block = yield takeOrEnd(blockBytes)) {
      if (++this.#entries > this.#rules.maxEntries)
        this.#fail(`has more than ${this.#rules.maxEntries} entries`)
      if (!hasChecksum(block)) this.#fail('has a broken tar header')
      const type = String.fromCharCode(block[156]!)
      const size = this.#sizeOf(block)
      const padding = (blockBytes - (size % blockBytes)) % blockBytes
      if (type === 'x' && this.#rules.allowsPax) {
        if (size > maxPaxBytes) this.#fail('has a PAX header of more than 16 KiB')
        this.#checkPax(yield take(size))
        yield skip(padding)
      } else {
        this.#checkType(type, size)
        yield skip(size + padding)
      }
    }
    // Some readers stop at the first block of zeros, some at the second, tar-stream at neither.
    for (;;) if (!isZero(yield takeOrEnd(blockBytes))) this.#fail('has something after its end')
  }

  #checkType(type: string, size: number): void {
    if (type === 'L' || type === 'K') {
      if (size > maxNameBytes) this.#fail('has a name of more than 4096 bytes')
    } else if (type === 'x' || type === 'g') {
      this.#fail('has a PAX header, which dpkg does not read here')
    } else if (!plainTypes.includes(type)) {
      this.#fail(`has an entry of the unknown type ${printable(type)}`)
    } else if (size > 0 && type !== '0' && type !== '\0') {
      this.#fail('has contents in an entry that is no file')
    }
  }

  #checkPax(records: Buffer): void {
    let rest = records.toString('latin1')
    while (rest !== '') {
      const match = /^(\d{1,5}) ([^=\n]+)=/.exec(rest)
      const length = Number(match?.[1])
      if (match === null || length > rest.length || length < match[0].length || rest[length - 1] !== '\n')
        this.#fail('has a broken PAX header')
      if (refusedPaxKeys.test(match[2]!)) this.#fail(`has a PAX header with ${printable(match[2]!)}`)
      rest = rest.slice(length)
    }
  }

  /** In octal digits, or binary behind 0x80. */
  #sizeOf(block: Buffer): number {
    const field = block.subarray(124, 136)
    if (field[0] === 0x80) {
      const size = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0)
      return Number.isSafeInteger(size) ? size : this.#fail('has an entry of an impossible size')
    }
    const digits = /^ *([0-7]+)[ \0]*$/.exec(field.toString('latin1'))
    return digits === null ? this.#fail('has an entry of an impossible size') : Number.parseInt(digits[1]!, 8)
  }

  #fail(why: string): never {
    refuse(this.#subject, why)
  }
}

const zeros = Buffer.alloc(blockBytes)

function isZero(block: Buffer): boolean {
  return block.equals(zeros)
}

/** The sum of the header's bytes, with blanks for the sum itself. */
function hasChecksum(block: Buffer): boolean {
  let sum = 8 * 32
  for (let at = 0; at < 148; at++) sum += block[at]!
  for (let at = 156; at < blockBytes; at++) sum += block[at]!
  const digits = /^ *([0-7]+)[ \0]*$/.exec(block.toString('latin1', 148, 156))
  return digits !== null && Number.parseInt(digits[1]!, 8) === sum
}

function refuse({ what, hint }: Subject, why: string): never {
  throw new MalformedError(what, why, { hint })
}
