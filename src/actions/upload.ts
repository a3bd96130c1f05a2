// Uploads over HTTP, as dput sends them: one file after the other, the .changes last. Files wait for it, apart for each
// sender, so that nobody can replace what another one sent.
import { UusError } from '../lib/errors.ts'
import { maxChangesBytes } from '../repo/local/changes.ts'
import type { ServerContext } from './action.ts'
import { type AddResult, add } from './add.ts'
import type { NamedUpload } from './upload-area.ts'

export interface UploadRequest {
  readonly channel: string
  readonly archive: string
  readonly file: string
  readonly chunks: AsyncIterable<Uint8Array>
  /** Null where the sender does not say. */
  readonly declaredBytes: number | null
  /** Its address. */
  readonly sender: string
}

export type UploadResult =
  /** Waits for its .changes. */
  { readonly type: 'waiting' } | { readonly type: 'added'; readonly result: AddResult }

const acceptable = /\.(?:deb|ddeb|udeb|dsc|buildinfo|changes|asc|sig|diff\.gz|tar\.(?:gz|xz|bz2|zst|lzma))$/

/** Anybody may send files; only a .changes that a key of the archive signed makes something of them. */
export async function upload(context: ServerContext, request: UploadRequest): Promise<UploadResult> {
  const { channel, archive, file, sender } = request
  refuseUnknown(context, request)
  const isChanges = file.endsWith('.changes')
  if (isChanges && (request.declaredBytes ?? 0) > maxChangesBytes) {
    throw new UusError('UPLOAD_TOO_LARGE', `${file} is larger than 1 MiB`, {
      hint: 'Upload in several parts',
    })
  }
  const { uploads } = context
  const place = `${sender} ${channel}/${archive}`
  const staged = await uploads.put(place, file, request.chunks, request.declaredBytes)
  if (!isChanges) return { type: 'waiting' }
  const files = uploads.waitingAt(place).filter((one) => one === staged || !one.name.endsWith('.changes'))
  try {
    const result = await accept(context, request, orderOf(files, staged))
    // What else the sender has sent meanwhile waits for another one.
    await uploads.drop(place, [file, ...result.files])
    return { type: 'added', result }
  } catch (error) {
    // Its files stay: what is wrong may be the .changes alone.
    await uploads.drop(place, [file])
    throw error
  }
}

/** The .changes that just came, and what waits for it. */
function orderOf(files: readonly NamedUpload[], changes: NamedUpload): NamedUpload[] {
  return [changes, ...files.filter((one) => one.name !== changes.name)]
}

function accept(
  context: ServerContext,
  { channel, archive }: UploadRequest,
  files: readonly NamedUpload[],
): Promise<AddResult> {
  const order = { archive, channel, suite: null, component: null, reason: null, files: [...files] }
  // Who it was says the signature, which the audit log names.
  return add.run(context, order, { actor: { name: 'uploader', via: 'upload' }, emit: () => {} })
}

function refuseUnknown({ config }: ServerContext, { channel, archive, file }: UploadRequest): void {
  if (!config.channels.some((one) => one.name === channel)) {
    throw new UusError('UNKNOWN_NAME', `There is no channel "${channel}"`, {
      hint: `Channels are: ${config.channels.map((one) => one.name).join(', ')}`,
    })
  }
  const locals = config.archives.filter((one) => one.local !== null)
  const found = locals.find((one) => one.name === archive)
  if (found === undefined) {
    throw new UusError('UNKNOWN_NAME', `There is no local archive "${archive}"`, {
      hint: `Local archives are: ${locals.map((one) => one.name).join(', ') || 'none'}`,
    })
  }
  if (found.keyringFiles.length === 0) {
    throw new UusError('UPLOADER_UNKNOWN', `Archive ${archive} takes no uploads: it has no keyring`, {
      hint: 'Name the uploaders\' keyring in its "keyring"',
    })
  }
  if (!acceptable.test(file)) {
    throw new UusError('USAGE', `${file.slice(0, 80)} is nothing that belongs to an upload`, {
      hint: 'Upload a .changes and the files that it lists',
    })
  }
}
