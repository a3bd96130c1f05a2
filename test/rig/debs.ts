// Packages to read: real ones, by dpkg-deb, and handmade ones that dpkg-deb would not make.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { aPackage, type BuiltPackage, type PackageSpec } from './packages.ts'
import { run } from './programs.ts'

/** A control file of the given fields; undefined leaves out one of the usual. */
export function controlText(fields: Record<string, string | undefined> = {}): string {
  const all: Record<string, string | undefined> = {
    Package: 'sample',
    Version: '1.0-1',
    Architecture: 'all',
    Maintainer: 'Ann Other <ann@example.org>',
    Description: 'a sample',
    ...fields,
  }
  return Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')
}

/** A package as an archive has it, whose file programs can open: one file below /usr/share. */
export async function aDeb(spec: PackageSpec): Promise<BuiltPackage> {
  const control = aPackage(spec).stanza.replace(/^(Filename|Size|SHA256): .*\n/gm, '')
  const files = { [`usr/share/${spec.name}/version`]: `${spec.name} ${spec.version}\n` }
  return aPackage(spec, await realDeb({ control, files, compressor: 'gzip' }))
}

export interface DebSpec {
  readonly control?: string
  /** Further parts of control.tar, by name. */
  readonly parts?: Readonly<Record<string, string>>
  /** By path below the root: contents, or what a symbolic link says. */
  readonly files?: Readonly<Record<string, string | Buffer | { readonly link: string }>>
  readonly compressor?: 'gzip' | 'xz' | 'zstd' | 'none'
}

/** What dpkg-deb makes of it. */
export async function realDeb(spec: DebSpec = {}): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'uus-deb-'))
  try {
    const root = join(folder, 'root')
    mkdirSync(join(root, 'DEBIAN'), { recursive: true, mode: 0o755 })
    writeFileSync(join(root, 'DEBIAN', 'control'), spec.control ?? controlText())
    for (const [name, text] of Object.entries(spec.parts ?? {}))
      writeFileSync(join(root, 'DEBIAN', name), text, { mode: 0o755 })
    for (const [path, content] of Object.entries(spec.files ?? {})) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      if (typeof content === 'string' || Buffer.isBuffer(content)) writeFileSync(join(root, path), content)
      else symlinkSync(content.link, join(root, path))
    }
    const file = join(folder, 'sample.deb')
    const options = ['--nocheck', '--root-owner-group', `-Z${spec.compressor ?? 'xz'}`]
    const { status, output } = await run('dpkg-deb', [...options, '--build', root, file])
    if (status !== 0) throw new Error(`dpkg-deb --build fails: ${output}`)
    return readFileSync(file)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export interface ArMember {
  readonly name: string
  readonly bytes: Buffer
  /** The whole header instead of one that fits. */
  readonly header?: string
}

export function arHeader(name: string, size: number | string, time = '1700000000'): string {
  const fields: [text: string, width: number][] = [
    [name, 16],
    [time, 12],
    ['0', 6],
    ['0', 6],
    ['100644', 8],
    [String(size), 10],
  ]
  return `${fields.map(([text, width]) => text.padEnd(width)).join('')}\`\n`
}

export function ar(members: readonly ArMember[]): Buffer {
  const parts: Buffer[] = [Buffer.from('!<arch>\n')]
  for (const { name, bytes, header = arHeader(name, bytes.length) } of members) {
    parts.push(Buffer.from(header, 'latin1'), bytes)
    if (bytes.length % 2 === 1) parts.push(Buffer.from('\n'))
  }
  return Buffer.concat(parts)
}

export interface TarSpec {
  readonly name: string
  readonly content?: string | Buffer
  /** The header's type letter; `0`, a file, unless told. */
  readonly type?: string
  readonly link?: string
  /** The size field instead of one that fits. */
  readonly size?: string | Buffer
  /** What follows the type and the link's name; GNU's unless told. */
  readonly magic?: string
}

const block = 512

/** One entry: a header with a true checksum, and the content. */
export function tarEntry(spec: TarSpec): Buffer {
  const content = Buffer.from(spec.content ?? '')
  const header = Buffer.alloc(block)
  header.write(spec.name, 0, 100, 'latin1')
  header.write('0000644\x000000000\x000000000\0', 100, 'latin1')
  const size = spec.size ?? `${content.length.toString(8).padStart(11, '0')}\0`
  if (typeof size === 'string') header.write(size, 124, 12, 'latin1')
  else size.copy(header, 124)
  header.write('14524770400\0', 136, 'latin1')
  header.write('        ', 148, 'latin1')
  header.write(spec.type ?? '0', 156, 'latin1')
  header.write(spec.link ?? '', 157, 100, 'latin1')
  header.write(spec.magic ?? 'ustar  \0', 257, 'latin1')
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return Buffer.concat([header, content, Buffer.alloc((block - (content.length % block)) % block)])
}

/** A whole archive, with the two blocks of zeros that end it. */
export function tar(entries: readonly TarSpec[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), Buffer.alloc(2 * block)])
}

/** A name that does not fit into a header, as GNU tar puts it before one. */
export function longName(name: string, type: 'L' | 'K' = 'L'): TarSpec {
  return { name: '././@LongLink', type, content: `${name}\0` }
}

/** A PAX header with these records. */
export function pax(records: Readonly<Record<string, string>>, type = 'x'): TarSpec {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`
    let length = rest.length
    while (String(length).length + rest.length !== length) length = String(length).length + rest.length
    return `${length}${rest}`
  })
  return { name: 'PaxHeaders/x', type, content: lines.join(''), magic: 'ustar\x0000' }
}

export const emptyData = tar([{ name: './', type: '5' }])
export const formatMember: ArMember = { name: 'debian-binary', bytes: Buffer.from('2.0\n') }

/** A package of the given inner archives, packed with gzip unless they come as members. */
export function handmadeDeb(
  parts: { readonly control?: Buffer | ArMember; readonly data?: Buffer | ArMember } = {},
): Buffer {
  const { control = tar([{ name: './control', content: controlText() }]), data = emptyData } = parts
  const packed = (part: Buffer | ArMember, name: string) =>
    Buffer.isBuffer(part) ? { name, bytes: gzipSync(part) } : part
  return ar([formatMember, packed(control, 'control.tar.gz'), packed(data, 'data.tar.gz')])
}
