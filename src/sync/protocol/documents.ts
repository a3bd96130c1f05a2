// Which documents a manifest needs, itself and through others.
import type { Sha256 } from '../../lib/digest.ts'
import type { Manifests } from '../../store/manifests.ts'
import { splitClearSigned } from '../../trust/clearsign.ts'
import { type Manifest, namedDocuments, parseManifest } from './manifest.ts'
import { parseFileList } from './recipe.ts'

/** Those that a manifest needs. Without `isAll` there are more, which a document tells that is not here. */
export function neededDocuments(
  manifest: Manifest,
  document: (digest: Sha256) => Buffer | null,
): { readonly known: ReadonlySet<Sha256>; readonly isAll: boolean } {
  const known = new Set(namedDocuments(manifest))
  let isAll = true
  for (const { archive, suite, files } of manifest.suites) {
    const bytes = document(files)
    if (bytes === null) isAll = false
    else
      for (const recipe of parseFileList(bytes.toString(), `${archive}/${suite}`).values()) known.add(recipe)
  }
  return { known, isAll }
}

/** What the stored manifests need: everything else may go. */
export function presentDocuments(manifests: Manifests, channelIds: readonly number[]): Set<Sha256> {
  const present = new Set<Sha256>()
  for (const channelId of channelIds) {
    const stored = manifests.find(channelId)
    if (stored === null) continue
    const manifest = readOwnManifest(stored.bytes)
    for (const one of neededDocuments(manifest, (digest) => manifests.document(digest)).known)
      present.add(one)
  }
  return present
}

/** One that was verified before it was stored. */
export function readOwnManifest(bytes: Buffer): Manifest {
  const what = 'the stored manifest'
  return parseManifest(Buffer.from(splitClearSigned(bytes, what).signedText, 'latin1').toString(), what)
}

/** The Release that an InRelease is made of. */
export function signedTextOf(inRelease: Buffer): Buffer {
  return Buffer.from(splitClearSigned(inRelease, 'InRelease').signedText, 'latin1')
}
