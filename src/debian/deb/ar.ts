// The outer archive of a .deb (deb(5)): a common ar archive whose members stand in a fixed order. As strict as dpkg,
// and where dpkg stops reading, as strict as apt, which looks at every member (apt-inst's ARArchive).
import { MalformedError } from '../../lib/errors.ts'
import type { Compression } from '../../lib/gzip.ts'
import type { RandomAccess } from '../../lib/random-access.ts'

/** dpkg and apt know some that we do not read. */
export type MemberCompression = Compression | 'bz2' | 'lzma'

/** Where a member's bytes lie in the file. */
export interface DebMember {
  readonly name: string
  readonly start: number
  readonly sizeBytes: number
  readonly compression: MemberCompression
}

export interface DebLayout {
  readonly control: DebMember
  readonly data: DebMember
}

/** The next action of a person whose package was refused. */
export const rebuildHint = 'Look at it with "dpkg-deb --info" and "dpkg-deb --contents", and build it anew'

const magic = '!<arch>\n'
const headerBytes = 60
const maxMembers = 64
const controlEndings: ReadonlyMap<string, MemberCompression> = new Map([
  ['', 'none'],
  ['.gz', 'gz'],
  ['.xz', 'xz'],
  ['.zst', 'zst'],
])
const dataEndings: ReadonlyMap<string, MemberCompression> = new Map([
  ...controlEndings,
  ['.bz2', 'bz2'],
  ['.lzma', 'lzma'],
])

/** Finds the parts of a .deb by reading the members' headers only; `what` names it in errors (MALFORMED). */
export async function readLayout(file: RandomAccess, what: string): Promise<DebLayout> {
  const found: { control?: DebMember; data?: DebMember } = {}
  let isFirst = true
  for await (const member of readMembers(file, what)) {
    if (isFirst) await checkFormat(file, member, what)
    else if (!isIgnored(member.name, found.data !== undefined)) place(member, found, what)
    isFirst = false
  }
  if (isFirst) refuse(what, 'is an empty archive')
  if (found.control === undefined) refuse(what, 'has no control.tar')
  if (found.data === undefined) refuse(what, 'has no data.tar')
  return { control: found.control, data: found.data }
}

/** Members that begin with `_` may stand anywhere behind debian-binary; behind data.tar may stand what is yet unknown. */
function isIgnored(name: string, hasData: boolean): boolean {
  return name.startsWith('_') || (hasData && !/^(?:debian-binary$|(?:control|data)\.tar)/.test(name))
}

/** A member's header, read. */
interface RawMember {
  readonly name: string
  readonly start: number
  readonly sizeBytes: number
}

function place(member: RawMember, found: { control?: DebMember; data?: DebMember }, what: string): void {
  const [part, endings] = found.control === undefined ? ['control', controlEndings] : ['data', dataEndings]
  const isOther = found.data !== undefined || !member.name.startsWith(`${part}.tar`)
  if (isOther) {
    const isSecond =
      /^(?:debian-binary$|(?:control|data)\.tar)/.test(member.name) && found.control !== undefined
    const why = isSecond ? 'a second time' : `where ${part}.tar should stand`
    refuse(what, `has the member ${printable(member.name)} ${why}`)
  }
  const compression = endings.get(member.name.slice(`${part}.tar`.length))
  if (compression === undefined)
    refuse(what, `has ${printable(member.name)}, packed in a way that dpkg does not read`)
  found[part as 'control' | 'data'] = { ...member, compression }
}

async function checkFormat(file: RandomAccess, member: RawMember, what: string): Promise<void> {
  if (member.name !== 'debian-binary')
    refuse(what, `is no Debian package: it begins with ${printable(member.name)}`)
  const text = (await file.read(member.start, Math.min(member.sizeBytes, 64))).toString('latin1')
  const version = /^(\d+)\.\d+\n/.exec(text)
  if (version === null) refuse(what, 'has no format version in debian-binary')
  if (version[1] !== '2') refuse(what, `is of the format ${version[0].trim()}, not 2.0`)
}

async function* readMembers(file: RandomAccess, what: string): AsyncGenerator<RawMember> {
  if (file.sizeBytes < magic.length || (await file.read(0, magic.length)).toString('latin1') !== magic)
    refuse(what, 'is no .deb: it does not begin as an ar archive')
  let count = 0
  for (let at = magic.length; at < file.sizeBytes; ) {
    if (++count > maxMembers) refuse(what, `has more than ${maxMembers} members`)
    if (at + headerBytes > file.sizeBytes)
      refuse(what, 'has something behind its last member, or is cut short')
    const member = readHeader((await file.read(at, headerBytes)).toString('latin1'), at + headerBytes, what)
    const end = member.start + member.sizeBytes
    if (end > file.sizeBytes) refuse(what, `is cut short: ${printable(member.name)} goes on after the end`)
    yield member
    at = end + (end % 2)
    // dpkg would not miss it at the end, but apt does.
    if (at > file.sizeBytes) refuse(what, 'is cut short: the byte that pads its last member is missing')
  }
}

/** Name, time, owner, group, mode, size and two bytes that end it. */
function readHeader(header: string, start: number, what: string): RawMember {
  if (header.slice(58) !== '`\n') refuse(what, `has a broken member header at byte ${start - headerBytes}`)
  // `ar` ends short names with a slash. Long names, in any of their forms, are not for .deb.
  const name = header.slice(0, 16).replace(/ +$/, '').replace(/\/$/, '')
  const [time, owner, group, mode, size] = [
    header.slice(16, 28),
    header.slice(28, 34),
    header.slice(34, 40),
    header.slice(40, 48),
    header.slice(48, 58),
  ]
  const isNumeric =
    [time, owner, group, mode].every((field) => /^\d* *$/.test(field!)) && /^\d+ *$/.test(size!)
  if (!/^[A-Za-z0-9_.-]+$/.test(name) || !isNumeric)
    refuse(what, `has a broken member header at byte ${start - headerBytes}`)
  return { name, start, sizeBytes: Number(size) }
}

function refuse(what: string, why: string): never {
  throw new MalformedError(what, why, { hint: rebuildHint })
}

/** Names from a package, as they may stand in a sentence. */
export function printable(name: string): string {
  const text = name.replace(/[^ -~]/g, '?')
  return `"${text.length > 80 ? `${text.slice(0, 77)}...` : text}"`
}
