// Tar archives as files that are read anywhere and written on: where each entry begins is known beforehand, so what was cut off
// is found and gone on with. Plain ustar: any tar reads it.
import type { FileHandle } from 'node:fs/promises'

export interface TarMember {
  readonly name: string
  readonly sizeBytes: number
}

/** Where a member's bytes lie. */
export interface TarPlace extends TarMember {
  readonly start: number
}

const blockBytes = 512
// Eleven octal digits.
const maxSizeBytes = 8 ** 11 - 1

/** What a member takes, with its header. */
export function memberBytes({ sizeBytes }: Pick<TarMember, 'sizeBytes'>): number {
  return blockBytes + paddedBytes(sizeBytes)
}

function paddedBytes(sizeBytes: number): number {
  return Math.ceil(sizeBytes / blockBytes) * blockBytes
}

/** Two blocks of nothing end an archive. */
export const tarEnd: Buffer = Buffer.alloc(2 * blockBytes)

/** Names have at most 100 bytes. */
export function tarHeader({ name, sizeBytes }: TarMember): Buffer {
  if (Buffer.byteLength(name) > 100 || sizeBytes > maxSizeBytes) throw new Error(`Internal error: ${name}`)
  const header = Buffer.alloc(blockBytes)
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`
  header.write(name, 0)
  header.write(octal(0o644, 7), 100)
  header.write(octal(0, 7), 108)
  header.write(octal(0, 7), 116)
  header.write(octal(sizeBytes, 11), 124)
  header.write(octal(0, 11), 136)
  header.write('0', 156)
  header.write('ustar\x0000', 257)
  header.write(`${checksum(header).toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

export function padding({ sizeBytes }: Pick<TarMember, 'sizeBytes'>): Buffer {
  return Buffer.alloc(paddedBytes(sizeBytes) - sizeBytes)
}

/** The header's own field counts as blanks. */
function checksum(header: Buffer): number {
  return header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 32 : byte), 0)
}

/** The members that are whole, in order, and whether the end is there. Stops at what is no header of ours. */
export async function listMembers(file: FileHandle): Promise<{ members: TarPlace[]; hasEnd: boolean }> {
  const { size } = await file.stat()
  const members: TarPlace[] = []
  const header = Buffer.alloc(blockBytes)
  for (let at = 0; at + blockBytes <= size; ) {
    await file.read(header, 0, blockBytes, at)
    if (header.every((byte) => byte === 0)) return { members, hasEnd: true }
    const member = parseHeader(header)
    if (member === null || at + memberBytes(member) > size) break
    members.push({ ...member, start: at + blockBytes })
    at += memberBytes(member)
  }
  return { members, hasEnd: false }
}

function parseHeader(header: Buffer): TarMember | null {
  if (header.toString('latin1', 257, 262) !== 'ustar') return null
  if (Number.parseInt(header.toString('latin1', 148, 154), 8) !== checksum(header)) return null
  const name = header.toString('utf8', 0, 100).replace(/\0.*$/s, '')
  const sizeBytes = Number.parseInt(header.toString('latin1', 124, 135), 8)
  return Number.isSafeInteger(sizeBytes) ? { name, sizeBytes } : null
}
