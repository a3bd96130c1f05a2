// multipart/form-data, the way programs and browsers send files: fields become input, files are staged as they come.
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy'
import type { Request } from 'express'
import type { NamedUpload, UploadArea } from '../actions/upload-area.ts'
import { UusError } from '../lib/errors.ts'

export interface Received extends AsyncDisposable {
  /** A field that came several times has several values. */
  readonly fields: Readonly<Record<string, string | readonly string[]>>
  readonly files: readonly NamedUpload[]
}

const limits = { fields: 20, fieldSize: 10_000, fieldNameSize: 100, files: 200, headerPairs: 20 }

/**
 * Reads a request's body to its end. The files are held until the result is disposed of; where this throws, none is.
 * USAGE for what is no such form; what `UploadArea.stage` throws for what is too much.
 */
export async function receiveForm(uploads: UploadArea, request: Request): Promise<Received> {
  const form = openForm(request)
  const fields: Record<string, string | readonly string[]> = {}
  const files: NamedUpload[] = []
  const release = async () => {
    for (const file of files.splice(0)) await uploads.release(file)
  }
  // One after the other: the form's next file does not begin before this one was read.
  let staging: Promise<void> = Promise.resolve()
  const { promise: isRead, resolve, reject } = Promise.withResolvers<void>()
  isRead.catch(() => {})
  form.on('field', (name, value, isNameCut, isValueCut) => {
    if (isNameCut || isValueCut) reject(usage(`The field "${name.slice(0, 80)}" is too long`))
    const before = Object.hasOwn(fields, name) ? [fields[name]!].flat() : []
    fields[name] = before.length === 0 ? value : [...before, value]
  })
  form.on('file', (_field, stream, name) => {
    staging = staging.then(async () => {
      files.push(await uploads.stageNamed(name ?? '', stream, null))
    })
    staging.catch(reject)
  })
  for (const [event, what] of [
    ['filesLimit', `more than ${limits.files} files`],
    ['fieldsLimit', `more than ${limits.fields} fields`],
  ] as const)
    form.on(event, () => reject(usage(`The form has ${what}`)))
  form.on('finish', () => resolve())
  form.on('error', (error) => reject(usage(`The form cannot be read: ${(error as Error).message}`)))
  request.on('aborted', () => reject(usage('The form broke off')))
  request.pipe(form)
  try {
    await isRead
    await staging
    return { fields, files, [Symbol.asyncDispose]: release }
  } catch (error) {
    request.unpipe(form)
    form.destroy()
    request.resume() // the sender hears the answer only when it has sent all
    await staging.catch(() => {})
    await release()
    throw error
  }
}

function openForm({ headers }: Request): BusboyInstance {
  const type = headers['content-type'] ?? ''
  try {
    if (/^multipart\/form-data;/i.test(type)) return new Busboy({ headers: headers as BusboyHeaders, limits })
  } catch {
    // no boundary
  }
  throw usage('Files come as multipart/form-data')
}

function usage(message: string): UusError {
  return new UusError('USAGE', message, {
    hint: 'As curl does it: --form suite=noble --form archive=local --form file=@tool_1.2_amd64.deb',
  })
}
