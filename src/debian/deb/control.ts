// The control part of a .deb: a small flat archive with the control file, lists and maintainer scripts. Only the control
// file and the list of conffiles are read.
import { MalformedError } from '../../lib/errors.ts'
import { type RandomAccess, readRange } from '../../lib/random-access.ts'
import { type Subject, type UnpackLimits, unpack } from '../../lib/unpack.ts'
import { type DebLayout, printable, rebuildHint } from './ar.ts'
import { type ControlFields, readControlFields } from './control-fields.ts'
import { readTar, type TarEntry } from './tar.ts'

export interface DebControl extends ControlFields {
  /** The bytes of the control file. */
  readonly text: Buffer
  /** Absolute paths, without what else may stand on their lines. */
  readonly conffiles: readonly string[]
  /** What control.tar holds: `control`, `postinst`, `md5sums`… */
  readonly parts: readonly string[]
}

// Ample: what fills a control.tar is the list of checksums, some 90 bytes a file; control files stay below 100 kB.
const limits: UnpackLimits = { plainBytes: 32e6, seconds: 60 }
const maxPackedBytes = 16 << 20
const maxTextBytes = 1 << 20
const maxEntries = 1000

/** Reads and checks the control part; `what` names the package in errors (MALFORMED). */
export async function readControl(file: RandomAccess, layout: DebLayout, what: string): Promise<DebControl> {
  const { control } = layout
  const subject: Subject = { what: `${control.name} of ${what}`, hint: rebuildHint }
  if (control.sizeBytes > maxPackedBytes) refuse(subject, 'is larger than 16 MiB')
  const { compression } = control
  if (compression === 'bz2' || compression === 'lzma')
    throw new Error(`Internal error: a control.tar of .${compression}`)
  const packed = readRange(file, control.start, control.start + control.sizeBytes)
  const files = new Map<string, Buffer>()
  const parts = new Set<string>()
  for await (const entry of readTar(
    unpack(packed, compression, limits, subject),
    { maxEntries, allowsPax: true },
    subject,
  )) {
    if (entry.path === '' && entry.type === 'folder') continue
    if (parts.has(entry.path)) refuse(subject, `has ${printable(entry.path)} twice`)
    checkPart(entry, subject)
    parts.add(entry.path)
    if (isRead(entry.path)) files.set(entry.path, await entry.read(maxTextBytes))
  }
  const text = files.get('control')
  if (text === undefined) refuse(subject, 'has no control file')
  const fields = readControlFields(text, what)
  const conffiles = readConffiles(files.get('conffiles') ?? Buffer.alloc(0), what)
  return { ...fields, text, conffiles, parts: [...parts] }
}

function isRead(path: string): boolean {
  return path === 'control' || path === 'conffiles'
}

/** control.tar is flat; dpkg unpacks it into a folder of its own and takes the files from there. */
function checkPart({ path, type, target }: TarEntry, subject: Subject): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._+-]*$/.test(path))
    refuse(subject, `has the entry ${printable(path)}, which is no part of a package's control`)
  if (type === 'file') return
  // dpkg-deb lets maintainer scripts be links to each other.
  const isHarmless = type === 'symlink' && !isRead(path) && /^[A-Za-z0-9][A-Za-z0-9._+-]*$/.test(target ?? '')
  if (!isHarmless) refuse(subject, `has ${printable(path)} as a ${names[type]}, not as a plain file`)
}

const names = {
  file: 'file',
  folder: 'folder',
  symlink: 'symbolic link',
  link: 'hard link',
  device: 'device',
  fifo: 'named pipe',
}

/** Lines of a path, perhaps behind the flag `remove-on-upgrade` (deb-conffiles(5)). */
function readConffiles(bytes: Buffer, what: string): string[] {
  const subject: Subject = { what: `conffiles of ${what}`, hint: rebuildHint }
  const text = bytes.toString('latin1')
  if (text === '') return []
  if (!text.endsWith('\n')) refuse(subject, 'ends without a newline')
  const paths: string[] = []
  for (const line of text.split('\n')) {
    const path = line.trimEnd().replace(/^remove-on-upgrade +/, '')
    if (path === '') continue
    const isOdd = path
      .slice(1)
      .split('/')
      .some((part) => part === '' || part === '.' || part === '..')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
    if (!path.startsWith('/') || isOdd || /[\x00-\x1f\x7f]/.test(path))
      refuse(subject, `names ${printable(path)}, which is no absolute path`)
    paths.push(Buffer.from(path, 'latin1').toString())
  }
  if (new Set(paths).size < paths.length) refuse(subject, 'names a file twice')
  return paths
}

function refuse({ what, hint }: Subject, why: string): never {
  throw new MalformedError(what, why, { hint })
}
