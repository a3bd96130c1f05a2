// Signed uploads: a .changes is believed if a key of the archive's keyring signed it, once, and if every file that it
// lists is here and is what it says.
import { readFile } from 'node:fs/promises'
import { type Changes, type ChangesFile, parseChanges } from '../../debian/changes.ts'
import { type Sha256, sha256 } from '../../lib/digest.ts'
import { UusError } from '../../lib/errors.ts'
import { formatIso } from '../../lib/units.ts'
import type { Archive } from '../../store/archives.ts'
import type { Blobs } from '../../store/blobs.ts'
import { type Keyring, readKeyring } from '../../trust/keyring.ts'
import { verifyClearSigned } from '../../trust/verify.ts'
import type { Repo } from '../repo.ts'
import { type InspectedDeb, type UploadedFile, uploadGone } from './inspect.ts'

/** Who may upload to an archive. */
export interface Uploaders {
  readonly keyringFiles: readonly string[]
  readonly keyFingerprints: readonly string[]
}

/** A file that waits for its .changes. */
export interface WaitingFile extends UploadedFile {
  readonly sizeBytes: number
}

/** A .changes that somebody trusted signed. */
export interface TrustedChanges {
  readonly name: string
  readonly changes: Changes
  readonly textSha256: Sha256
  readonly signedBy: string
}

export const maxChangesBytes = 1 << 20

/** UPLOADER_UNKNOWN where no key of the archive's signed it, CHANGES_REFUSED where it is not well formed. */
export async function verifyChanges(
  uploads: Pick<Blobs, 'open'>,
  file: UploadedFile,
  uploaders: Uploaders,
  now: number,
): Promise<TrustedChanges> {
  const bytes = await readChanges(uploads, file)
  const keyring = await openKeyring(uploaders)
  try {
    const { text, signedBy } = await verifyClearSigned(bytes, keyring, now, file.name)
    const changes = parseChanges(text, file.name)
    return { name: file.name, changes, textSha256: sha256(text), signedBy }
  } catch (error) {
    throw translated(UusError.from(error), file.name)
  }
}

/** What is a hint to whoever reads an archive is none to whoever uploads. */
function translated(error: UusError, name: string): UusError {
  const { cause, message } = error
  if (error.code === 'MALFORMED')
    return new UusError('CHANGES_REFUSED', message, { cause, hint: error.hint ?? '' })
  if (!error.code.startsWith('SIGNATURE_')) return error
  return new UusError('UPLOADER_UNKNOWN', message, {
    cause,
    hint: `Sign it with a key of the archive's "keyring": debsign -k KEY ${name}`,
  })
}

async function readChanges(uploads: Pick<Blobs, 'open'>, { name, sha256: digest }: UploadedFile) {
  const opened = await uploads.open(digest)
  if (opened === null) throw uploadGone(name)
  await using blob = opened
  if (blob.sizeBytes > maxChangesBytes) {
    throw new UusError('CHANGES_REFUSED', `${name} is larger than 1 MiB`, { hint: 'Upload in several parts' })
  }
  return blob.read(0, blob.sizeBytes)
}

/** Read at each use: a key that was taken out counts no more at once. */
async function openKeyring({ keyringFiles, keyFingerprints }: Uploaders): Promise<Keyring> {
  if (keyringFiles.length === 0) {
    throw new UusError('UPLOADER_UNKNOWN', 'The archive has no keyring: nobody may upload to it', {
      hint: 'Name one in its "keyring", or use "uus add" on the server',
    })
  }
  const files = await Promise.all(
    keyringFiles.map(async (path) => ({
      path,
      bytes: await readFile(path).catch((error: unknown) => {
        throw new UusError('KEYRING_UNREADABLE', `Cannot read the uploaders' keyring ${path}`, {
          cause: error,
          hint: 'Mend "keyring" of the archive',
        })
      }),
    })),
  )
  return readKeyring(files, keyFingerprints)
}

/** The packages of an upload. CHANGES_REFUSED for files that are missing, or other than they are said to be. */
export function packagesOf(
  { name, changes }: TrustedChanges,
  waiting: readonly WaitingFile[],
): (WaitingFile & ChangesFile)[] {
  const found = changes.files.map((file) => {
    const here = waiting.find((one) => one.name === file.name)
    if (here === undefined)
      throw refusal(`${name} lists ${file.name}, which has not arrived`, 'Upload it, then the .changes again')
    if (here.sha256 !== file.sha256 || here.sizeBytes !== file.sizeBytes)
      throw refusal(`${file.name} is not the file that ${name} lists`, 'Upload both again')
    return { ...here, ...file }
  })
  const packages = found.filter((file) => file.name.endsWith('.deb'))
  if (packages.length === 0)
    throw refusal(`${name} brings no binary package`, 'Build with "dpkg-buildpackage -b", or without -S')
  return packages
}

/** What cannot be known before the packages were looked into. */
export function checkAgreement({ name, changes }: TrustedChanges, debs: readonly InspectedDeb[]): void {
  for (const deb of debs) {
    const { source, sourceVersion, architectures } = changes
    const fileName = `${deb.package}_${deb.version.replace(/^\d+:/, '')}_${deb.architecture}.deb`
    if (deb.name !== fileName) throw refusal(`${deb.name} holds ${fileName}`, 'Build the package anew')
    if (deb.source !== source || deb.sourceVersion !== sourceVersion)
      throw refusal(
        `${deb.name} is of ${deb.source} ${deb.sourceVersion}, and ${name} of ${source} ${sourceVersion}`,
        'Make the .changes anew with dpkg-genchanges',
      )
    if (!architectures.includes(deb.architecture))
      throw refusal(`${name} does not name the architecture of ${deb.name}`, 'Make the .changes anew')
  }
}

/** CHANGES_REPLAYED for one that the archive accepted before: an old version must not come back. */
export function refuseReplay({ store }: Repo, archive: Archive, { name, textSha256 }: TrustedChanges): void {
  const at = store.localPackages.acceptedAt(archive.id, textSha256)
  if (at === null) return
  throw new UusError('CHANGES_REPLAYED', `${name} was accepted on ${formatIso(at)}, and counts once`, {
    hint: 'Build a higher version; to bring a package back that was removed: uus add FILE.deb',
  })
}

/** The component is in front of the section: `contrib/utils`. Null: the archive's first. */
export function componentOf({ section }: ChangesFile): string | null {
  return section.includes('/') ? section.slice(0, section.lastIndexOf('/')) : null
}

function refusal(message: string, hint: string): UusError {
  return new UusError('CHANGES_REFUSED', message, { hint })
}
