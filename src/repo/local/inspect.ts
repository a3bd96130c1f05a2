// What was uploaded, looked into: changes nothing, and lets nothing pass that dpkg or apt would stumble over.
import { createHash } from 'node:crypto'
import { checkData } from '../../debian/deb/data.ts'
import { type Deb, readDeb } from '../../debian/deb/deb.ts'
import type { Sha256 } from '../../lib/digest.ts'
import { UusError } from '../../lib/errors.ts'
import { readRange } from '../../lib/random-access.ts'
import type { Blobs } from '../../store/blobs.ts'

/** An uploaded file. */
export interface UploadedFile {
  readonly name: string
  readonly sha256: Sha256
}

/** A package that may enter: its fields are well, and so is all that is in it. */
export interface InspectedDeb extends UploadedFile {
  readonly sizeBytes: number
  /** Weak, but old clients look at it. */
  readonly md5: string
  readonly package: string
  readonly version: string
  readonly architecture: string
  readonly source: string
  readonly sourceVersion: string
}

/** PACKAGE_REFUSED with a sentence of what is wrong with it. */
export async function inspectDeb(
  uploads: Pick<Blobs, 'open'>,
  { name, sha256 }: UploadedFile,
): Promise<InspectedDeb> {
  if (!name.endsWith('.deb')) {
    throw new UusError('PACKAGE_REFUSED', `${name} is no .deb`, { hint: 'Name .deb files, or one .changes' })
  }
  return withDeb(uploads, { name, sha256 }, async (deb) => {
    await checkData(deb)
    const { name: packageName, version, architecture, source, sourceVersion } = deb.control
    const { sizeBytes } = deb.file
    const facts = { package: packageName, version, architecture, source, sourceVersion }
    return { name, sha256, sizeBytes, md5: await md5Of(deb), ...facts }
  })
}

/** Opens an uploaded package. What is wrong with it is PACKAGE_REFUSED: the uploader's to mend. */
export async function withDeb<T>(
  uploads: Pick<Blobs, 'open'>,
  { name, sha256 }: UploadedFile,
  act: (deb: Deb) => Promise<T>,
): Promise<T> {
  const opened = await uploads.open(sha256)
  if (opened === null) throw uploadGone(name)
  await using blob = opened
  try {
    return await act(await readDeb(blob, name))
  } catch (error) {
    const known = UusError.from(error)
    if (known.code !== 'MALFORMED') throw error
    throw new UusError('PACKAGE_REFUSED', known.message, {
      cause: error,
      ...(known.hint === undefined ? {} : { hint: known.hint }),
    })
  }
}

export function uploadGone(name: string): UusError {
  return new UusError('PACKAGE_REFUSED', `${name} is not here any more`, { hint: 'Upload it again' })
}

async function md5Of({ file }: Deb): Promise<string> {
  const hash = createHash('md5')
  for await (const chunk of readRange(file, 0, file.sizeBytes)) hash.update(chunk)
  return hash.digest('hex')
}
