// Writing a bundle: a file beside the target grows member by member, and takes its name when it is whole. Cut off, it is gone on
// with from the last whole member, if it was to become the same.
import { type FileHandle, open, rename } from 'node:fs/promises'
import { UusError } from '../../lib/errors.ts'
import { listMembers, memberBytes, padding, tarEnd, tarHeader } from '../../lib/tar-file.ts'
import type { OpenBlob } from '../../store/blobs.ts'
import type { BundleMember, BundlePlan } from './plan.ts'

/** Opens what a member is made of; null if it is not here. */
export type OpenMember = (member: BundleMember) => Promise<OpenBlob | Buffer | null>

const chunkBytes = 1 << 20

/** How many bytes were there already. */
export async function writeBundle(
  path: string,
  { members }: BundlePlan,
  openMember: OpenMember,
  onBytes: (doneBytes: number) => void,
): Promise<{ resumedBytes: number; sizeBytes: number }> {
  const growing = `${path}.part`
  const file = await openGrowing(growing)
  try {
    const kept = await keptMembers(file, members)
    const resumedBytes = members.slice(0, kept).reduce((sum, member) => sum + memberBytes(member), 0)
    await file.truncate(resumedBytes)
    let at = resumedBytes
    for (const member of members.slice(kept)) {
      at = await writeMember(file, at, member, openMember)
      onBytes(at)
    }
    await file.write(tarEnd, 0, tarEnd.length, at)
    await file.sync()
    await rename(growing, path)
    return { resumedBytes, sizeBytes: at + tarEnd.length }
  } finally {
    await file.close()
  }
}

async function openGrowing(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+').catch(() => open(path, 'w+', 0o644))
  } catch (error) {
    throw new UusError('USAGE', `Cannot write ${path}: ${(error as Error).message}`, {
      cause: error,
      hint: 'Name a file in a folder that the server may write to',
    })
  }
}

/** The first members name the manifest: where they are others, nothing is kept. */
async function keptMembers(file: FileHandle, members: readonly BundleMember[]): Promise<number> {
  const { members: there } = await listMembers(file)
  const differs = members.findIndex(({ name, sizeBytes }, index) => {
    return there[index]?.name !== name || there[index].sizeBytes !== sizeBytes
  })
  const kept = differs === -1 ? members.length : differs
  for (const [index, member] of members.slice(0, kept).entries()) {
    if (member.type !== 'bytes') continue
    const bytes = Buffer.alloc(member.sizeBytes)
    await file.read(bytes, 0, bytes.length, there[index]!.start)
    if (!bytes.equals(member.bytes)) return 0
  }
  // The last one may have been written only in part before a power loss.
  return Math.max(0, kept - 1)
}

async function writeMember(
  file: FileHandle,
  begin: number,
  member: BundleMember,
  openMember: OpenMember,
): Promise<number> {
  let at = begin
  const put = async (bytes: Buffer) => {
    await file.write(bytes, 0, bytes.length, at)
    at += bytes.length
  }
  await put(tarHeader(member))
  const source = await openMember(member)
  if (source === null) {
    throw new UusError('DATA_UNUSABLE', `${member.name} cannot be exported: it is not here`, {
      hint: 'Run "uus fsck --repair", then repeat the command: it goes on where it was',
    })
  }
  if (Buffer.isBuffer(source)) await put(source)
  else {
    await using blob = source
    const first = member.type === 'range' ? member.start : 0
    for (let done = 0; done < member.sizeBytes; done += chunkBytes)
      await put(await blob.read(first + done, Math.min(chunkBytes, member.sizeBytes - done)))
  }
  await put(padding(member))
  return at
}
