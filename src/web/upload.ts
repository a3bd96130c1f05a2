// PUT /upload/<channel>/<archive>/<file>: the way dput goes. What it answers is read by people: dput-ng shows it.
import type { Express, Request, Response } from 'express'
import type { ServerContext } from '../actions/action.ts'
import type { AddResult } from '../actions/add.ts'
import { upload } from '../actions/upload.ts'
import { UusError } from '../lib/errors.ts'
import { Failures } from './failures.ts'

const acceptMs = 1_800_000

export function addUpload(app: Express, context: ServerContext): void {
  const failures = new Failures(() => context.clock.now())
  app.put('/upload/:channel/:archive/:file', async (request, response) => {
    const { channel, archive, file } = request.params
    const declared = Number(request.headers['content-length'])
    const sender = request.socket.remoteAddress ?? ''
    refuseIfTooMany(failures, sender, response)
    // Looking into a large package takes longer than a silent line is borne with.
    if (file.endsWith('.changes')) request.socket.setTimeout(acceptMs)
    const result = await countingFailures(failures, sender, () =>
      upload(context, {
        channel,
        archive,
        file,
        chunks: request,
        declaredBytes: Number.isSafeInteger(declared) ? declared : null,
        sender,
      }),
    )
    if (result.type === 'waiting') say(response, 201, `${file} waits for its .changes`)
    else say(response, result.result.status === 'refused' ? 202 : 201, textOf(result.result))
  })
  app.all('/upload/{*path}', (request: Request, response: Response) => {
    response.set('Allow', 'PUT')
    const isPlace = request.path.split('/').length === 5
    if (isPlace) say(response, 405, `${request.method} is not possible here: files are uploaded with PUT`)
    else say(response, 404, 'Upload to /upload/CHANNEL/ARCHIVE/FILE')
  })
}

function refuseIfTooMany(failures: Failures, sender: string, response: Response): void {
  const seconds = failures.pause(sender)
  if (seconds === null) return
  response.set('Retry-After', String(seconds))
  throw new UusError('TOO_MANY_REQUESTS', 'Too many uploads from your address were refused', {
    hint: `Try again in ${seconds} seconds`,
  })
}

/** What is refused costs us more than the sender: checking signatures, unpacking. */
async function countingFailures<T>(failures: Failures, sender: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (UusError.from(error).descriptor.httpStatus < 500) failures.count(sender)
    throw error
  }
}

function textOf({ items, warnings, refused, channel, archive }: AddResult): string {
  return [
    ...items.map((item) => `${item.package} ${item.version} ${item.architecture} is in ${archive}`),
    ...warnings.map((sentence) => `Note: ${sentence}`),
    ...refused.map((sentence) => `It waits: ${sentence}`),
    ...(refused.length === 0 ? [`${channel} has it`] : []),
  ].join('\n')
}

function say(response: Response, status: number, text: string): void {
  response.status(status).type('text/plain').send(`${text}\n`)
}
